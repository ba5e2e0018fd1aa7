"""One way to send and to ask (`asking.py`), whether the chain lives in this process or behind a URL.

`sending.py` says what is promised of a transaction, and what its sender has to do when something is raised.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from eth_account.signers.local import LocalAccount
from web3.providers.base import BaseProvider

from synthlib.chain.asking import Asker
from synthlib.chain.errors import ChainError, NoAccount, NodeUnreachable, TransactionVanished, WrongChain
from synthlib.chain.in_process import GENESIS_TIME as GENESIS_TIME
from synthlib.chain.in_process import in_process_provider
from synthlib.chain.node import NodeProvider
from synthlib.chain.outbox import Outbox
from synthlib.chain.patience import Patience, Pauses
from synthlib.chain.sending import Sender
from synthlib.chain.transactions import Sent as Sent
from synthlib.chain.transactions import Wish
from synthlib.chain.watching import FRESH

_ON_DEMAND = ("anvil", "hardhat", "ganache", "testrpc")  # mine when something is sent: nothing comes on top


class Connection(Asker):
    """A chain that transactions can be sent to. Made by `in_process` and `by_url`.

    Its attributes, and what it is asked, are an `Asker`'s.
    """

    def __init__(
        self,
        provider: BaseProvider,
        place: str,
        is_in_process: bool,
        timeout: float = 120.0,
        confirmations: int | None = None,
        patience: Patience | None = None,
        pauses: Pauses | None = None,
        outbox: Path | str | None = None,
    ):
        patience = patience or Patience()
        super().__init__(provider, place, is_in_process, pauses or Pauses(patience))
        self._confirmations = confirmations
        self._sender = Sender(self, patience, self._pauses, Outbox(outbox, self._pauses, timeout), timeout)

    @classmethod
    def in_process(cls) -> Connection:
        """A new chain inside this process, the same every time."""
        return cls(in_process_provider(), "the in-process chain", True)

    @classmethod
    def by_url(
        cls,
        url: str,
        chain_id: int | None = None,
        timeout: float = 120.0,
        *,
        confirmations: int | None = None,
        patience: Patience | None = None,
        outbox: Path | str | None = None,
        rng: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> Connection:
        """A chain behind a node's JSON-RPC URL.

        Args:
            url: `http://…` or `https://…`.
            chain_id: the chain it must be, or None for any.
            timeout: seconds to wait for a transaction, from signing to its last confirmation.
            confirmations: blocks that must lie on top of a transaction's. None is 1, and 0 on anvil, Hardhat
                and Ganache, which mine when something is sent: no block would come on top. Public chains are
                reorganised at times; more is safer there.
            patience: the other limits.
            outbox: file that notes what is sent until it is confirmed, for the next process if this one is
                killed; other processes that use the account should share it. None keeps notes in memory.
            rng: draws the jitter of pauses, never anything that is written down.
            sleep, clock: what waits and what tells the time, in seconds.

        Raises:
            NodeUnreachable: if no node answers there.
            WrongChain: if it serves another chain.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NodeUnreachable(
                "expected the URL of a node, such as http://127.0.0.1:8545, got something else"
            )
        if confirmations is not None and confirmations < 0:
            raise ValueError(f"expected 0 or more confirmations, got {confirmations}")
        place = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        patience = patience or Patience()
        pauses = Pauses(patience, rng, sleep, clock)
        provider = NodeProvider(url, patience, pauses)
        connection = cls(provider, place, False, timeout, confirmations, patience, pauses, outbox)
        if chain_id is not None and connection.chain_id != chain_id:
            raise WrongChain(
                f"expected chain {chain_id} at {place}, found chain {connection.chain_id}; give another URL"
            )
        return connection

    @property
    def confirmations(self) -> int:
        """How many blocks must lie on top of a transaction's block before `send` returns."""
        if self._confirmations is None:
            self._confirmations = 0 if self.is_in_process or self._mines_on_demand() else 1
        return self._confirmations

    def send(
        self,
        account: LocalAccount | None,
        data: str,
        to: str | None,
        gas: int,
        abi: Sequence[Mapping[str, Any]],
    ) -> Sent:
        """Try a transaction out, sign it, send it and wait until blocks hold it.

        Args:
            account: who signs.
            data: the encoded call, or a contract's code and arguments.
            to: the contract's address, or None to create one.
            gas: limit on the in-process chain; a node is asked for an estimate instead.
            abi: where its custom errors are described.

        Raises:
            NoAccount: if there is nobody to sign.
            ContractError: what the contract refuses it with, tried out (nothing was sent) or in its block.
            NonceTaken: if other programs' transactions took its nonce each time.
            InsufficientFunds, OutOfGas, Underpriced, TransactionRejected: if the node does not take it.
            TransactionTimeout: if it is not confirmed in time; it may still come.
            NodeUnreachable: if the node fails for long; it may have been sent.
            WrongChain: if the node serves another chain by now; nothing was sent.
        """
        if account is None:
            raise NoAccount(
                "expected a key to sign with, found none; set SYNTHLIB_PRIVATE_KEY, or SYNTHLIB_KEYFILE to "
                "the path of an encrypted keyfile"
            )
        message = {"from": account.address, "data": data, **({"to": to} if to else {})}
        return self._sender.send(Wish(account, message, gas, abi))

    def send_raw(self, raw: bytes, transaction: bytes) -> dict[str, Any]:
        """Send a signed transaction as it is and return its receipt once blocks hold it.

        Args:
            raw: the transaction, of type 2.
            transaction: its hash.
        """
        return self._sender.send_raw(raw)

    def settle(self, account: LocalAccount | None = None) -> list[Sent]:
        """Wait for what the outbox still holds for this chain, sending again what the node lost.

        Args:
            account: only what it signed, with higher fees if need be; None takes every account's.

        Returns:
            What was mined, failed transactions among it (`status` 0).

        Raises:
            TransactionTimeout: if one is not confirmed in time.
        """
        self.check_chain()
        return self._sender.settle(account)

    def await_final(self, transaction: str) -> None:
        """Wait until a transaction that was found in a block has this connection's confirmations.

        Raises:
            TransactionVanished: if no block holds it any more.
            TransactionTimeout: if too few blocks come in time.
        """
        self._sender.await_final(transaction)

    def is_final(self, receipt: Mapping[str, Any], confirmations: int | None = None) -> bool:
        """Whether the chain still has a receipt's block, with enough blocks on top.

        Args:
            receipt: as in `Sent`, from now or long ago.
            confirmations: blocks on top; this connection's if None.
        """
        self.check_chain(FRESH)
        wanted = self.confirmations if confirmations is None else confirmations
        with self._reported():
            if self.web3.eth.block_number < receipt["block"] + wanted:
                return False
            block = self.web3.eth.get_block(receipt["block"])
            return block["hash"].to_0x_hex() == receipt["block_hash"]

    def check_receipt(self, receipt: Mapping[str, Any]) -> dict[str, Any]:
        """A transaction's receipt as the chain has it now: a reorganisation may have moved it.

        Args:
            receipt: as in `Sent`, from an earlier time.

        Raises:
            TransactionVanished: if no block holds the transaction any more. Look up what it recorded, and
                record it again if it is missing.
        """
        now = self.get_receipt(receipt["transaction"])
        if not self.is_final(now, 0):
            raise TransactionVanished(
                f"expected the block of transaction {receipt['transaction']} in the chain at {self.place}, "
                "a reorganisation dropped it; look the record up, and send it again if it is missing"
            )
        return now

    def is_settled(self, receipt: Mapping[str, Any]) -> bool:
        """Whether a fresh receipt has the confirmations that this connection wants."""
        return self.confirmations == 0 or self.is_final(receipt)

    def _mines_on_demand(self) -> bool:
        try:
            with self._reported():
                return any(name in self.web3.client_version.lower() for name in _ON_DEMAND)
        except ChainError:  # not every node says
            return False
