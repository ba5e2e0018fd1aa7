"""What the contracts said: their events, decoded, from receipts at hand or from a node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import islice
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from eth_abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils import keccak, to_checksum_address

from synthlib.chain.connection import Connection
from synthlib.chain.contracts import CONTRACTS, REGISTRY, load_artifact
from synthlib.chain.errors import ChainError, TransactionRejected

_IDS = frozenset({"dataset", "id", "protocol", "request"})  # made by the chain's own hash: shown with 0x
# Receipts of each in-process chain by transaction: for all registries on it, however many Ledgers look.
_HEARD: WeakKeyDictionary[Connection, dict[str, Mapping[str, Any]]] = WeakKeyDictionary()


class Event(NamedTuple):
    """One event of a contract.

    Attributes:
        name: such as `"Recorded"`.
        arguments: by name; digests as hexadecimal text, ids and addresses with 0x in front.
        block, transaction: where it was said.
        contract: name of the contract that said it.
    """

    name: str
    arguments: dict[str, Any]
    block: int
    transaction: str
    contract: str


class Events:
    """The events of a registry and of the contracts that belong to it.

    An in-process chain is slow to search, so what it says is kept as it comes. A node is asked.

    Args:
        connection: the chain.
        addresses: of the contracts, by name.
    """

    def __init__(self, connection: Connection, addresses: Mapping[str, str]):
        self._connection = connection
        self._addresses = dict(addresses)
        self._decoded: list[Event] = []
        self._num_decoded = 0  # receipts

    def hear(self, receipt: Mapping[str, Any]) -> list[Event]:
        """Keep what a fresh receipt says, and return it."""
        if self._connection.is_in_process:
            _HEARD.setdefault(self._connection, {})[receipt["transaction"]] = receipt
        return self._decode(receipt)

    def find(
        self, contract: str, name: str | None = None, block: int | None = None, **arguments: Any
    ) -> list[Event]:
        """Events of one contract in the order in which it said them.

        Args:
            contract: such as `"Agreements"`.
            name: such as `"Accessed"`; events of all kinds if None.
            block: the block to look at; all if None.
            arguments: values that indexed arguments of the event must have, as `Event.arguments` shows them;
                None for any.

        Raises:
            ValueError: if the event has no such argument, or it is not indexed: a node finds by those alone.
            NodeUnreachable: if the node does not answer.
            TransactionRejected: if it refuses to search, even block by block.
        """
        entry = None if name is None else _entries(contract)[name]
        arguments = _check(entry, arguments)
        if self._connection.is_in_process:
            return [event for event in self._listen() if _is_wanted(event, contract, name, block, arguments)]
        topics = [] if entry is None else _to_topics(entry, arguments)
        last = self._connection.get_block_number() if block is None else block
        logs = self._search(self._addresses[contract], topics, block or 0, last)
        return [
            event
            for log in logs
            for event in decode_logs([log], self._addresses, log["block"], log["transaction"])
        ]

    def _listen(self) -> list[Event]:
        """All that was said on an in-process chain until now."""
        heard = _HEARD.get(self._connection, {})
        for receipt in islice(heard.values(), self._num_decoded, None):
            self._decoded += self._decode(receipt)
        self._num_decoded = len(heard)
        return self._decoded

    def _decode(self, receipt: Mapping[str, Any]) -> list[Event]:
        return decode_logs(receipt["logs"], self._addresses, receipt["block"], receipt["transaction"])

    def _search(self, address: str, topics: list[str | None], first: int, last: int) -> list[dict[str, Any]]:
        """Logs of a span of blocks; halved where a node finds it too long."""
        try:
            return self._connection.get_logs(address, topics, first, last)
        except TransactionRejected:
            if first == last:
                raise
            middle = (first + last) // 2
            return self._search(address, topics, first, middle) + self._search(
                address, topics, middle + 1, last
            )


def decode_logs(
    logs: Iterable[Mapping[str, Any]], addresses: Mapping[str, str], block: int, transaction: str
) -> list[Event]:
    """The events in a receipt's logs that these contracts said; other logs are left out.

    Raises:
        ChainError: if a log is not what these contracts can have said; a node made it up.
    """
    names = {address: name for name, address in addresses.items()}
    found = []
    try:
        for log in logs:
            contract = names.get(to_checksum_address(log["address"]))
            entry = _by_topic(contract).get(log["topics"][0]) if contract and log["topics"] else None
            if entry is not None:
                found.append(Event(entry["name"], _decode(entry, log), block, transaction, contract))
    except (DecodingError, ValueError, TypeError, StopIteration):
        raise ChainError(
            f"expected events of {addresses[REGISTRY]} in block {block}, got logs that are none; ask another "
            "node"
        ) from None
    return found


def type_of(given: Mapping[str, Any]) -> str:
    """The canonical type of an argument: a tuple as the types of its parts in brackets."""
    if not given["type"].startswith("tuple"):
        return given["type"]
    inner = ",".join(type_of(part) for part in given["components"])
    return f"({inner}){given['type'].removeprefix('tuple')}"


@cache
def _entries(contract: str) -> dict[str, Any]:
    return {entry["name"]: entry for entry in load_artifact(contract)["abi"] if entry["type"] == "event"}


@cache
def _by_topic(contract: str | None) -> dict[str, Any]:
    if contract not in CONTRACTS:
        return {}
    return {_topic_of(entry): entry for entry in _entries(contract).values()}


def _topic_of(entry: Mapping[str, Any]) -> str:
    types = ",".join(type_of(given) for given in entry["inputs"])
    return "0x" + keccak(text=f"{entry['name']}({types})").hex()


def _decode(entry: Mapping[str, Any], log: Mapping[str, Any]) -> dict[str, Any]:
    plain = [given for given in entry["inputs"] if not given["indexed"]]
    values = dict(
        zip(
            [given["name"] for given in plain],
            decode([type_of(given) for given in plain], bytes.fromhex(log["data"][2:])),
            strict=True,
        )
    )
    topics = iter(log["topics"][1:])
    for given in entry["inputs"]:
        if given["indexed"]:
            (values[given["name"]],) = decode([given["type"]], bytes.fromhex(next(topics)[2:]))
    return {given["name"]: to_text(values[given["name"]], given) for given in entry["inputs"]}


def to_text(value: Any, given: Mapping[str, Any]) -> Any:
    """A decoded argument as this library shows it."""
    if given["type"] == "address":
        return to_checksum_address(value)
    if given["type"].startswith("bytes"):
        return ("0x" if given["name"] in _IDS else "") + value.hex()
    if given["type"] == "tuple":
        return {
            part["name"]: to_text(item, part) for part, item in zip(given["components"], value, strict=True)
        }
    return list(value) if isinstance(value, tuple) else value


def _check(entry: Mapping[str, Any] | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are given, as events show them: both kinds of chain then find the same."""
    given = {name: value for name, value in arguments.items() if value is not None}
    indexed = {part["name"]: part for part in entry["inputs"] if part["indexed"]} if entry else {}
    wrong = sorted(set(arguments) - set(indexed))
    if wrong:
        raise ValueError(
            f"expected indexed arguments ({', '.join(indexed) or 'none'}), got {', '.join(wrong)}"
        )
    for name, value in given.items():
        if indexed[name]["type"] == "address":
            given[name] = to_checksum_address(value)
        elif indexed[name]["type"].startswith("bytes"):
            given[name] = ("0x" if name in _IDS else "") + value.removeprefix("0x").lower()
    return given


def _to_topics(entry: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[str | None]:
    topics: list[str | None] = [_topic_of(entry)]
    for given in entry["inputs"]:
        if given["indexed"]:
            value = arguments.get(given["name"])
            if value is not None and given["type"].startswith("bytes"):
                value = bytes.fromhex(value.removeprefix("0x"))
            topics.append(None if value is None else "0x" + encode([given["type"]], [value]).hex())
    return topics


def _is_wanted(
    event: Event, contract: str, name: str | None, block: int | None, arguments: Mapping[str, Any]
) -> bool:
    return (
        event.contract == contract
        and name in (None, event.name)
        and block in (None, event.block)
        and all(event.arguments[key] == value for key, value in arguments.items())
    )
