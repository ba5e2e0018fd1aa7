"""Transactions as values: what is to be done, the signed bytes, the receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes

from synthlib.chain.outbox import Entry, intent_of


class Sent(NamedTuple):
    """A transaction that a block holds.

    Attributes:
        raw: the signed transaction.
        receipt: `transaction, block, block_hash, status, gas_used, contract, logs`, hashes in hexadecimal.
    """

    raw: bytes
    receipt: dict[str, Any]


class Wish(NamedTuple):
    """What is to be done, and by whom.

    Attributes:
        account: who signs.
        message: `from, data`, and `to` unless a contract is created.
        gas: limit on the in-process chain; a node is asked for an estimate instead.
        abi: where the contract's custom errors are described.
    """

    account: LocalAccount
    message: Mapping[str, Any]
    gas: int
    abi: Sequence[Mapping[str, Any]]

    @property
    def intent(self) -> str:
        return intent_of(self.message.get("to"), self.message["data"])


def sign(account: LocalAccount, fields: Mapping[str, Any]) -> str:
    """A signed transaction in hexadecimal."""
    signed = account.sign_transaction({"from": account.address, **fields})
    return "0x" + bytes(signed.raw_transaction).hex()


def identify(entry: Entry) -> Entry:
    """The sender and nonce of a transaction of which only the bytes are known (EIP-2718, such as type 2)."""
    if entry.address:
        return entry
    (raw,) = entry.transactions.values()
    fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    return replace(entry, address=Account.recover_transaction(raw), nonce=int(fields["nonce"]))


def plain_log(log: Mapping[str, Any]) -> dict[str, Any]:
    """An event as it stands in a receipt, of what web3 makes of one: `address, topics, data`."""
    return {
        "address": log["address"],
        "topics": [topic.to_0x_hex() for topic in log["topics"]],
        "data": log["data"].to_0x_hex(),
    }


def plain_receipt(receipt: Mapping[str, Any]) -> dict[str, Any]:
    """A receipt as in `Sent`, of what web3 makes of one."""
    logs = [plain_log(log) for log in receipt["logs"]]
    return {
        "transaction": receipt["transactionHash"].to_0x_hex(),
        "block": receipt["blockNumber"],
        "block_hash": receipt["blockHash"].to_0x_hex(),
        "status": receipt["status"],
        "gas_used": receipt["gasUsed"],
        "contract": receipt["contractAddress"],
        "logs": logs,
    }
