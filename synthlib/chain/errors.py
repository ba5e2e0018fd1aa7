"""What goes wrong on a chain, as Python exceptions; custom errors keep their names and culprits."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from typing import Any

from eth_abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils import keccak, to_checksum_address


class ChainError(Exception):
    """Something did not work on the chain; the message says what was expected, what came and what to do."""


class NodeUnreachable(ChainError):
    """No Ethereum node answers at the URL."""


class WrongChain(ChainError):
    """The node serves another chain than the one asked for."""


class NoRegistry(ChainError):
    """There is no registry that this version knows at the address."""


class NoAccount(ChainError):
    """A transaction was asked for and there is no key to sign it with."""


class TransactionRejected(ChainError):
    """The node did not take a transaction, or the chain did not carry it out."""


class NonceTaken(TransactionRejected):
    """Another transaction of the account has the nonce: this one can never be mined.

    Nothing of it is on the chain. Look the record up by its id, and send it again if it is missing.
    """


class Underpriced(TransactionRejected):
    """The fees are too low for the chain, or too high for the limit that was set."""


class InsufficientFunds(TransactionRejected):
    """The account cannot pay for the gas."""


class OutOfGas(TransactionRejected):
    """A transaction needs more gas than it was given, or than a block holds."""


class TransactionTimeout(ChainError):
    """A transaction was sent and not yet seen in a block, or not under enough of them."""


class TransactionVanished(ChainError):
    """No block of the chain holds the transaction, or none does any more."""


class ContractError(ChainError):
    """A contract refused. Subclasses carry the names of its custom errors.

    Attributes:
        arguments: the error's arguments in the contract's order; digests in hexadecimal without 0x.
    """

    meaning = "the contract refused without saying why"

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.arguments = arguments

    def __str__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self.arguments))}): {self.meaning}"


class AlreadyRecorded(ContractError):
    """The release is recorded already."""

    meaning = "expected a release that is not recorded yet; find it on the ledger, a record is never changed"


class NotRecorded(ContractError):
    """Nothing is recorded under this digest."""

    meaning = "expected the digest of a recorded release; record it first, or ask the registry that holds it"


class NotIssuer(ContractError):
    """Only who recorded a release may revoke it."""

    meaning = "expected the account that recorded this release; ask its issuer to revoke it"


class AlreadyRevoked(ContractError):
    """The release is revoked already."""

    meaning = "expected a release that stands; this one was revoked and the first reason stays"


class ZeroDigest(ContractError):
    """A digest that must be given was zero."""

    meaning = "expected a digest, got zero bytes"


class ModelTypeLength(ContractError):
    """The model type's name is empty or too long."""

    meaning = "expected a model type of 1 to 64 bytes of UTF-8"


class AccessControlUnauthorizedAccount(ContractError):
    """The account lacks a role."""

    meaning = (
        f"expected an account that holds this role ({keccak(text='RECORDER_ROLE').hex()[:8]}… may record, "
        "zeros administer); the registry's administrator grants it"
    )


_CLASSES = {kind.__name__: kind for kind in ContractError.__subclasses__()}


def find_revert_data(error: BaseException) -> bytes | None:
    """The bytes that a contract reverted with, from whatever a backend made of them.

    A node's error carries them as hexadecimal; the in-process chain's as the text of a Python bytes literal.
    """
    data = getattr(error, "data", None)
    if isinstance(data, Mapping):
        data = data.get("data")
    texts = [data] if isinstance(data, str) else [str(argument) for argument in error.args]
    for text in texts:
        literal = re.search(r"""b(['"]).*\1""", text, re.DOTALL)
        if literal:
            try:
                return ast.literal_eval(literal.group())
            except (ValueError, SyntaxError):
                continue
        digits = re.search(r"0x((?:[0-9a-fA-F]{2})*)", text)
        if digits:
            return bytes.fromhex(digits.group(1))
    return None


def _to_text(value: Any, given: str) -> Any:
    return (
        value.hex()
        if isinstance(value, bytes)
        else to_checksum_address(value)
        if given == "address"
        else value
    )


def to_contract_error(error: BaseException, abi: Iterable[Mapping[str, Any]]) -> ContractError:
    """The Python exception for a contract's revert, with the custom error's name and arguments."""
    data = find_revert_data(error)
    for entry in abi:
        if entry["type"] != "error" or not data:
            continue
        types = [given["type"] for given in entry["inputs"]]
        if keccak(text=f"{entry['name']}({','.join(types)})")[:4] != data[:4]:
            continue
        try:
            arguments = decode(types, data[4:])
        except DecodingError:
            break
        kind = _CLASSES.get(entry["name"]) or type(
            entry["name"], (ContractError,), {"meaning": "see its contract"}
        )
        return kind(*(_to_text(value, given) for value, given in zip(arguments, types, strict=True)))
    return ContractError(f"reverted with 0x{data.hex()}" if data else "reverted without data")
