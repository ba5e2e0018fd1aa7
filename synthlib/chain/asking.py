"""What is asked of a chain, in this process or behind a URL: state, logs, receipts. Nothing here is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from web3 import Web3
from web3.contract.contract import ContractFunction
from web3.exceptions import TransactionIndexingInProgress, TransactionNotFound
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.base import BaseProvider

from synthlib.chain.errors import NodeUnreachable, TransactionVanished, WrongChain
from synthlib.chain.fees import FREE
from synthlib.chain.node_errors import reported
from synthlib.chain.patience import Pauses
from synthlib.chain.transactions import plain_log, plain_receipt
from synthlib.chain.watching import FRESH


class Asker:
    """A chain that can be asked; a `Connection` sends to it too.

    Attributes:
        web3: the Web3 object.
        place: where the chain is, for people: no user name, path or key of a URL is in it.
        chain_id: the chain's number.
        genesis: hash of its first block.
        is_in_process: whether it lives and dies with this process.
    """

    def __init__(self, provider: BaseProvider, place: str, is_in_process: bool, pauses: Pauses):
        self.web3, self._pauses = Web3(provider), pauses
        self.place, self.is_in_process = place, is_in_process
        if not is_in_process:
            self.web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        self.chain_id, self.genesis = self._identity()
        self._checked = pauses.clock()

    def call(self, function: ContractFunction, sender: str | None = None) -> Any:
        """What a function returns if it were called now; nothing is sent.

        Args:
            function: a bound function of a contract.
            sender: address that would call it, nobody's if None.

        Raises:
            ContractError: the custom error it reverts with.
            NodeUnreachable: if the node does not answer.
            WrongChain: if the node serves another chain by now.
        """
        self.check_chain(FRESH)
        # The in-process chain would otherwise want the caller to have money.
        free = FREE if self.is_in_process else {}
        with self._reported(function.contract_abi):
            return function.call({**({"from": sender} if sender else {}), **free})

    def get_code(self, address: str) -> bytes:
        """The code at an address, empty if there is none."""
        self.check_chain(FRESH)
        with self._reported():
            return bytes(self.web3.eth.get_code(address))

    def get_logs(self, address: str, topics: list[str | None], first: int, last: int) -> list[dict[str, Any]]:
        """Logs of a contract in a span of blocks: `address, topics, data, block, transaction`."""
        self.check_chain(FRESH)
        wanted = {"address": address, "topics": topics, "fromBlock": first, "toBlock": last}
        with self._reported():
            found = self.web3.eth.get_logs(wanted)
        return [
            {
                **plain_log(log),
                "block": log["blockNumber"],
                "transaction": log["transactionHash"].to_0x_hex(),
            }
            for log in found
        ]

    def get_block_number(self) -> int:
        """Number of the latest block."""
        with self._reported():
            return self.web3.eth.block_number

    def get_time(self, block: int) -> int:
        """Time of a block, in seconds since 1970 (in process, where there is no clock, a counter)."""
        with self._reported():
            return self.web3.eth.get_block(block)["timestamp"]

    def estimate(self, sender: str, data: str) -> tuple[int, int, int, int]:
        """What creating a contract would take now: gas, its price, the nonce, and the balance in wei."""
        self.check_chain(FRESH)
        with self._reported():
            eth = self.web3.eth
            gas = eth.estimate_gas({"from": sender, "data": data})
            return gas, eth.gas_price, self._nonce(sender), eth.get_balance(sender)

    def get_creation(self, transaction: str) -> tuple[str, int, str | None, bytes]:
        """Sender, nonce, receiver (None if it creates a contract) and data of a transaction.

        Raises:
            TransactionVanished: if the node does not know it.
        """
        self.check_chain(FRESH)
        with self._reported():
            found = self.web3.eth.get_transaction(transaction)
        return found["from"], found["nonce"], found.get("to"), bytes(found["input"])

    def get_receipt(self, transaction: str) -> dict[str, Any]:
        """The receipt of a transaction, as in `Sent`.

        Raises:
            TransactionVanished: if no block holds it.
        """
        self.check_chain(FRESH)
        with self._reported():
            return plain_receipt(self.web3.eth.get_transaction_receipt(transaction))

    def find_receipt(self, transactions: Iterable[str]) -> dict[str, Any] | None:
        """The receipt of the one transaction of several that a block holds."""
        for transaction in transactions:
            with self._reported():
                try:
                    return plain_receipt(self.web3.eth.get_transaction_receipt(transaction))
                except (TransactionNotFound, TransactionIndexingInProgress):
                    continue
        return None

    def is_known(self, transactions: Iterable[str]) -> bool:
        """Whether the node has one of the transactions, mined or waiting; False if it does not answer."""
        for transaction in transactions:
            try:
                with self._reported():
                    self.web3.eth.get_transaction(transaction)
                return True
            except (TransactionVanished, NodeUnreachable):
                continue
        return False

    def count_mined(self, address: str) -> int:
        """How many transactions of an account blocks hold, which is the first nonce that is not spent."""
        with self._reported():
            return self.web3.eth.get_transaction_count(address, "latest")

    def check_chain(self, age: float = 0.0) -> None:
        """That the node still serves the chain it served at first.

        Args:
            age: seconds for which an earlier check is good enough.

        Raises:
            WrongChain: if it does not.
        """
        if self.is_in_process or self._pauses.clock() - self._checked < age:
            return
        found = self._identity()
        if found != (self.chain_id, self.genesis):
            raise WrongChain(
                f"expected chain {self.chain_id} from block {self.genesis[:10]}… at {self.place}, found "
                f"chain {found[0]} from {found[1][:10]}…: the node changed meanwhile; nothing is sent there, "
                "connect again"
            )
        self._checked = self._pauses.clock()

    def _nonce(self, address: str) -> int:
        with self._reported():
            return self.web3.eth.get_transaction_count(address, "latest" if self.is_in_process else "pending")

    def _identity(self) -> tuple[int, str]:
        with self._reported():
            return self.web3.eth.chain_id, self.web3.eth.get_block(0)["hash"].to_0x_hex()

    def _reported(self, abi: Sequence[Mapping[str, Any]] = ()) -> AbstractContextManager[None]:
        """Turn what web3, requests and eth-tester raise into ChainErrors that show no URL and no key."""
        return reported(self.place, self.is_in_process, abi)
