"""One way to send and to ask, whether the chain lives in this process or behind a URL.

The in-process chain is py-evm behind eth-tester, made deterministic: its blocks carry no randomness and no
clock (time starts at 2100-01-01 and advances a second a block, so that nobody takes it for a date), and gas
costs nothing, so that any account may act. The same transactions give the same hashes on every machine.
Only `_in_process_provider` knows what runs underneath.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3
from web3.contract.contract import ContractFunction
from web3.exceptions import (
    BadResponseFormat,
    BlockNotFound,
    ContractLogicError,
    TimeExhausted,
    Web3RPCError,
    Web3ValueError,
)
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.base import BaseProvider
from web3.providers.rpc.utils import ExceptionRetryConfiguration

from synthlib.chain.errors import (
    NoAccount,
    NodeUnreachable,
    TransactionRejected,
    TransactionTimeout,
    WrongChain,
    to_contract_error,
)

GENESIS_TIME = 4_102_444_800  # 2100-01-01T00:00:00Z
_NONCE_TROUBLE = ("nonce too low", "replacement transaction underpriced", "already imported", "already known")
_NONCE_ATTEMPTS = 3


class Sent(NamedTuple):
    """A transaction that a block holds.

    Attributes:
        raw: the signed transaction.
        receipt: `transaction, block, block_hash, status, gas_used, contract, logs`, hashes in hexadecimal.
    """

    raw: bytes
    receipt: dict[str, Any]


class Connection:
    """A chain that transactions can be sent to. Made by `in_process` and `by_url`.

    Attributes:
        web3: the Web3 object.
        place: where the chain is, for people: no user name, path or key of a URL is in it.
        chain_id: the chain's number.
        genesis: hash of its first block.
        is_in_process: whether it lives and dies with this process.
    """

    def __init__(self, provider: BaseProvider, place: str, is_in_process: bool, timeout: float = 120.0):
        self.web3 = Web3(provider)
        self.place, self.is_in_process, self._timeout = place, is_in_process, timeout
        if not is_in_process:
            self.web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
        with self._reported():
            self.chain_id: int = self.web3.eth.chain_id
            self.genesis = self.web3.eth.get_block(0)["hash"].to_0x_hex()

    @classmethod
    def in_process(cls) -> Connection:
        """A new chain inside this process, the same every time."""
        return cls(_in_process_provider(), "the in-process chain", True)

    @classmethod
    def by_url(cls, url: str, chain_id: int | None = None, timeout: float = 120.0) -> Connection:
        """A chain behind a node's JSON-RPC URL.

        Args:
            url: `http://…` or `https://…`.
            chain_id: the chain it must be, or None for any.
            timeout: seconds to wait for a transaction to appear in a block.

        Raises:
            NodeUnreachable: if no node answers there.
            WrongChain: if it serves another chain.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NodeUnreachable(
                "expected the URL of a node, such as http://127.0.0.1:8545, got something else"
            )
        place = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        retries = ExceptionRetryConfiguration(errors=(requests.ConnectionError, requests.Timeout), retries=2)
        provider = HTTPProvider(url, request_kwargs={"timeout": 30}, exception_retry_configuration=retries)
        connection = cls(provider, place, False, timeout)
        if chain_id is not None and connection.chain_id != chain_id:
            raise WrongChain(
                f"expected chain {chain_id} at {place}, found chain {connection.chain_id}; give another URL"
            )
        return connection

    def call(self, function: ContractFunction, sender: str | None = None) -> Any:
        """What a function returns if it were called now; nothing is sent.

        Args:
            function: a bound function of a contract.
            sender: address that would call it, nobody's if None.

        Raises:
            ContractError: the custom error it reverts with.
            NodeUnreachable: if the node does not answer.
        """
        with self._reported(function.contract_abi):
            return function.call({**({"from": sender} if sender else {}), **self._free()})

    def get_code(self, address: str) -> bytes:
        """The code at an address, empty if there is none."""
        with self._reported():
            return bytes(self.web3.eth.get_code(address))

    def get_logs(self, address: str, topics: list[str | None], first: int, last: int) -> list[dict[str, Any]]:
        """Logs of a contract in a span of blocks: `address, topics, data, block, transaction`."""
        wanted = {"address": address, "topics": topics, "fromBlock": first, "toBlock": last}
        with self._reported():
            found = self.web3.eth.get_logs(wanted)
        return [
            {
                **_plain_log(log),
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

    def get_receipt(self, transaction: str) -> dict[str, Any]:
        """The receipt of a transaction, as in `Sent`."""
        with self._reported():
            return _plain_receipt(self.web3.eth.get_transaction_receipt(transaction))

    def send(
        self,
        account: LocalAccount | None,
        data: str,
        to: str | None,
        gas: int,
        abi: Sequence[Mapping[str, Any]],
    ) -> Sent:
        """Try a transaction out, sign it, send it and wait until a block holds it.

        Args:
            account: who signs.
            data: the encoded call, or a contract's code and arguments.
            to: the contract's address, or None to create one.
            gas: limit on the in-process chain; a node is asked for an estimate instead.
            abi: where its custom errors are described.

        Raises:
            NoAccount: if there is nobody to sign.
            ContractError: what the contract refuses it with; nothing was sent then.
            TransactionRejected: if the node does not take it.
            TransactionTimeout: if no block holds it in time.
        """
        if account is None:
            raise NoAccount(
                "expected a key to sign with, found none; set SYNTHLIB_PRIVATE_KEY, or SYNTHLIB_KEYFILE to "
                "the path of an encrypted keyfile"
            )
        message = {"from": account.address, "data": data, **({"to": to} if to else {})}
        with self._reported(abi):
            self.web3.eth.call({**message, **self._free()}, "pending")
            if not self.is_in_process:
                gas = self.web3.eth.estimate_gas(message, "pending") * 5 // 4
        for attempt in range(_NONCE_ATTEMPTS):
            fields = {"chainId": self.chain_id, "value": 0, "gas": gas, **self._fees()}
            signed = account.sign_transaction({**message, **fields, "nonce": self._nonce(account.address)})
            try:
                receipt = self.send_raw(bytes(signed.raw_transaction), bytes(signed.hash))
                break
            except TransactionRejected as error:
                if attempt + 1 == _NONCE_ATTEMPTS or not any(text in str(error) for text in _NONCE_TROUBLE):
                    raise
        if receipt["status"] != 1:
            with self._reported(abi):  # the state it failed in says why
                self.web3.eth.call({**message, **self._free()}, receipt["block"])
            raise TransactionRejected(
                f"transaction {receipt['transaction']} failed in block {receipt['block']} though it had been "
                "tried out; another transaction came first, or gas ran out: run it again"
            )
        return Sent(bytes(signed.raw_transaction), receipt)

    def send_raw(self, raw: bytes, transaction: bytes) -> dict[str, Any]:
        """Send a signed transaction as it is and return its receipt once a block holds it."""
        with self._reported():
            self.web3.eth.send_raw_transaction(raw)
            return _plain_receipt(
                self.web3.eth.wait_for_transaction_receipt(transaction, timeout=self._timeout)
            )

    def _nonce(self, address: str) -> int:
        with self._reported():
            return self.web3.eth.get_transaction_count(address, "latest" if self.is_in_process else "pending")

    def _free(self) -> dict[str, int]:
        """Price of a call: the in-process chain would otherwise want the caller to have money."""
        return {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0} if self.is_in_process else {}

    def _fees(self) -> dict[str, int]:
        if self.is_in_process:
            return self._free()
        with self._reported():
            base = self.web3.eth.get_block("latest").get("baseFeePerGas")
            if base is None:  # a chain from before EIP-1559
                return {"gasPrice": self.web3.eth.gas_price}
            tip = self.web3.eth.max_priority_fee
            return {"maxFeePerGas": 2 * base + tip, "maxPriorityFeePerGas": tip}

    @contextmanager
    def _reported(self, abi: Sequence[Mapping[str, Any]] = ()) -> Iterator[None]:
        """Turn what web3, requests and eth-tester raise into ChainErrors that show no URL and no key."""
        try:
            yield
        except ContractLogicError as error:
            raise to_contract_error(error, abi) from None
        except TimeExhausted:
            raise TransactionTimeout(
                f"expected a block to hold the transaction within {self._timeout:g} s at {self.place}, none "
                "did; it may still come: run it again later, nothing is recorded twice"
            ) from None
        except Web3RPCError as error:
            raise TransactionRejected(_explain_rejection(error, self.place)) from None
        except (requests.RequestException, OSError) as error:
            raise NodeUnreachable(
                f"expected an Ethereum node to answer at {self.place}, got {type(error).__name__}; start it, "
                "or check the URL and the network"
            ) from None
        except (BadResponseFormat, BlockNotFound, Web3ValueError, ValueError) as error:
            raise NodeUnreachable(
                f"expected an Ethereum node's answer from {self.place}, got something else "
                f"({type(error).__name__}); check the URL"
            ) from None
        except Exception as error:
            if not self.is_in_process or type(error).__name__ not in ("TransactionFailed", "ValidationError"):
                raise
            if type(error).__name__ == "ValidationError":
                raise TransactionRejected(f"the in-process chain does not take it: {error}") from None
            raise to_contract_error(error, abi) from None


def _explain_rejection(error: Web3RPCError, place: str) -> str:
    response = error.rpc_response or {}
    detail = response.get("error", {}) if isinstance(response, Mapping) else {}
    text = (
        str(detail.get("message", "") if isinstance(detail, Mapping) else detail)[:200] or "no reason given"
    )
    advice = {
        "insufficient funds": "send it some ether for gas",
        "nonce": "another program uses this account; run it again",
        "underpriced": "another program uses this account; run it again",
        "intrinsic gas": "the node's estimate was too low; run it again",
    }
    todo = next((todo for part, todo in advice.items() if part in text.lower()), "see the node's log")
    return f"expected the node at {place} to take the request, it answered: {text}; {todo}"


def _plain_log(log: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "address": log["address"],
        "topics": [topic.to_0x_hex() for topic in log["topics"]],
        "data": log["data"].to_0x_hex(),
    }


def _plain_receipt(receipt: Mapping[str, Any]) -> dict[str, Any]:
    logs = [_plain_log(log) for log in receipt["logs"]]
    return {
        "transaction": receipt["transactionHash"].to_0x_hex(),
        "block": receipt["blockNumber"],
        "block_hash": receipt["blockHash"].to_0x_hex(),
        "status": receipt["status"],
        "gas_used": receipt["gasUsed"],
        "contract": receipt["contractAddress"],
        "logs": logs,
    }


def _in_process_provider() -> BaseProvider:
    from eth_tester import EthereumTester
    from eth_tester.backends.pyevm.main import PyEVMBackend
    from web3 import EthereumTesterProvider

    class DeterministicBackend(PyEVMBackend):
        """py-evm without the randomness that eth-tester puts into each block."""

        def mine_blocks(self, num_blocks: int = 1, coinbase: bytes = bytes(20)) -> tuple[bytes, ...]:
            mined = []
            for _ in range(num_blocks):
                mined.append(
                    self.chain.mine_block(coinbase=coinbase, mix_hash=bytes(32), blob_gas_used=0).hash
                )
            return tuple(mined)

    genesis = PyEVMBackend.generate_genesis_params({"timestamp": GENESIS_TIME}) | {"base_fee_per_gas": 0}
    # eth-tester wants one account to exist; this one has no money and nobody's key.
    nobody = {bytes(20): {"balance": 0, "nonce": 0, "code": b"", "storage": {}}}
    return EthereumTesterProvider(EthereumTester(DeterministicBackend(genesis, nobody)))
