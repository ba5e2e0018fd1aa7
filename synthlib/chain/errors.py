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


class IncompleteLog(ChainError):
    """The chain does not give the events that its state speaks of."""


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


def _define(name: str, meaning: str) -> type[ContractError]:
    """The exception of a custom error: its name is the contract's, its text says what to do."""
    return type(name, (ContractError,), {"meaning": meaning, "__doc__": meaning, "__module__": __name__})


# Roles
AccessControlUnauthorizedAccount = _define(
    "AccessControlUnauthorizedAccount",
    "expected an account that holds this role ("
    + ", ".join(
        f"{keccak(text=f'{role}_ROLE').hex()[:8]}… {role.lower()}"
        for role in ("STEWARD", "RESEARCHER", "AUDITOR")
    )
    + ", zeros administrator); the registry's administrator grants it",
)
AccessControlBadConfirmation = _define(
    "AccessControlBadConfirmation", "expected an account to renounce its own role; nobody renounces another's"
)
AccessControlInvalidDefaultAdmin = _define(
    "AccessControlInvalidDefaultAdmin", "expected the account to which the administration was offered"
)
AccessControlEnforcedDefaultAdminRules = _define(
    "AccessControlEnforcedDefaultAdminRules",
    "the administration is neither granted nor withdrawn; hand it over by beginDefaultAdminTransfer",
)
AccessControlEnforcedDefaultAdminDelay = _define(
    "AccessControlEnforcedDefaultAdminDelay",
    "expected the delay of a handing over of the administration to be over at this time; begin it, or wait",
)
RoleNotOffered = _define(
    "RoleNotOffered", "expected a role that its holder offered to this account; ask for an offer"
)
AdministrationNotOffered = _define(
    "AdministrationNotOffered", "the administration is handed over by beginDefaultAdminTransfer, with a delay"
)
EnforcedPause = _define("EnforcedPause", "the administrator paused new records; reading and revoking go on")
ExpectedPause = _define("ExpectedPause", "expected a registry that is paused; this one takes new records")
Paused = _define("Paused", EnforcedPause.meaning)
ZeroDigest = _define("ZeroDigest", "expected a digest, got zero bytes")
ZeroAddress = _define("ZeroAddress", "expected an address, got zero bytes")

# Datasets
DatasetAlreadyRegistered = _define(
    "DatasetAlreadyRegistered",
    "expected a commitment that this account has not registered, or with the same cap; it is still this "
    "account's dataset",
)
DatasetNotActive = _define(
    "DatasetNotActive",
    "expected a registered dataset; this one is unknown (0), renounced (2) or erased (3), for good",
)
NotSteward = _define("NotSteward", "expected the account of the dataset's steward; ask the steward")
DatasetNotOffered = _define(
    "DatasetNotOffered", "expected a dataset that its steward offered to this account"
)
InvalidOrder = _define("InvalidOrder", "expected 0 for zCDP or a Renyi order of 2 or more")
CapNotLowered = _define(
    "CapNotLowered", "expected a cap below the present one and not below what is allotted"
)
BudgetExceeded = _define("BudgetExceeded", "expected at most what is left of the dataset's cap; ask for less")

# Protocols
ProtocolAlreadyRegistered = _define(
    "ProtocolAlreadyRegistered", "expected a protocol that is not registered yet"
)
ProtocolNotRegistered = _define(
    "ProtocolNotRegistered",
    "expected a protocol that this researcher registered for this dataset; register it first",
)
ProtocolTooRecent = _define(
    "ProtocolTooRecent", "expected a protocol of an earlier block; approve it a block later"
)
ProtocolNotApproved = _define(
    "ProtocolNotApproved",
    "expected a protocol that this account registered and the dataset's steward approved before training",
)
ApprovalNotRaised = _define(
    "ApprovalNotRaised",
    "expected totals of which none is below these, which the protocol was given, and one is above: totals "
    "are only raised; say those that stand again, or more, and leave out what is to stay",
)
ProtocolAlreadyRevealed = _define("ProtocolAlreadyRevealed", "expected a sealed protocol; this one is open")
ProtocolSealed = _define("ProtocolSealed", "expected a protocol that is open; reveal it before releasing")
ProtocolAlreadyClosed = _define("ProtocolAlreadyClosed", "expected a protocol that runs; register another")
NotParty = _define("NotParty", "expected one of the two parties; ask one of them")
AttemptOutOfOrder = _define(
    "AttemptOutOfOrder", "expected the next attempt's number: none is left out, none comes twice"
)
BatchTooSmall = _define("BatchTooSmall", "expected two attempts or more; log one alone by its digest")
TrackFull = _define("TrackFull", "expected fewer attempts or releases under one protocol; register another")

# Releases
AlreadyRecorded = _define(
    "AlreadyRecorded",
    "expected a release that this account has not recorded yet; find it on the ledger, a record is never "
    "changed",
)
NotRecorded = _define(
    "NotRecorded",
    "expected the digest of a release that this account recorded on this registry; check the digest, the "
    "address of who recorded it, who alone withdraws it, and the registry",
)
AlreadyRevoked = _define(
    "AlreadyRevoked", "expected a release that stands; this one was revoked and the first reason stays"
)
SpendNotSaid = _define(
    "SpendNotSaid",
    "expected a release to say what privacy it spends, or that it claims none; it says nothing",
)
Overspent = _define(
    "Overspent", "expected at most what the protocol has left; ask the dataset's steward for more"
)
NoOpenReleaseLeft = _define(
    "NoOpenReleaseLeft",
    "expected a release with differential privacy: the steward allows no (further) one without",
)
NoSuchAttempt = _define(
    "NoSuchAttempt", "expected the number of an attempt that was logged; log it before releasing"
)

# Verdicts
NotAuditor = _define(
    "NotAuditor", "expected an auditor's account; the registry's administrator grants the role"
)
InvalidSignature = _define(
    "InvalidSignature", "expected this account's signature of exactly this, for this contract on this chain"
)
AlreadyAttested = _define(
    "AlreadyAttested", "expected a verdict that was not brought yet; who signed it may still revoke it"
)
VerdictIsCancelled = _define(
    "VerdictIsCancelled",
    "expected a verdict that its auditor has not cancelled; to give it all the same, the auditor has to "
    "sign it with another --deadline",
)
NotAttested = _define("NotAttested", "expected a verdict that this account signed; ask who signed it")
AttestationAlreadyRevoked = _define("AttestationAlreadyRevoked", "expected a verdict that stands")
DeadlinePassed = _define("DeadlinePassed", "expected a verdict before its deadline; have it signed again")
OutcomeUnsaid = _define("OutcomeUnsaid", "expected a verdict that passed, failed or is inconclusive")
ReleaseDoesNotStand = _define(
    "ReleaseDoesNotStand", "expected a release that this account recorded and has not withdrawn"
)

# Agreements
AlreadyOffered = _define(
    "AlreadyOffered",
    "expected an agreement that was not offered before; this one was, and it ended or the offer lapsed: "
    "offer other words, such as another expiry",
)
WrongState = _define(
    "WrongState", "expected an agreement in another state (0 unknown, 1 offered, 2 accepted, 3 ended)"
)
OfferLapsed = _define(
    "OfferLapsed",
    "expected an offer of the dataset's present steward, who took it over since; ask for a new one",
)
Expired = _define("Expired", "expected an agreement that has not expired; ask the steward to offer a new one")
ExpiryNotLater = _define("ExpiryNotLater", "expected an expiry in the future and after the one before")
InvalidUses = _define("InvalidUses", "expected 1 to 16 codes of the Data Use Ontology, each once, ascending")
AccessOutOfOrder = _define(
    "AccessOutOfOrder",
    "expected the next access's number: another was logged or is on its way; try again",
)
ObjectIsErased = _define("ObjectIsErased", "expected an object that is there; this one was destroyed")

# Row proofs
IndexOutOfRange = _define("IndexOutOfRange", "expected the index of a row of the table")
PathTooShort = _define("PathTooShort", "expected a path up to the root")
PathTooLong = _define("PathTooLong", "expected a path that ends at the root")
HashFailed = _define("HashFailed", "expected the chain to compute SHA-256, it did not; give it more gas")

# OpenZeppelin's, which nothing here can lead to
SafeCastOverflowedUintDowncast = _define(
    "SafeCastOverflowedUintDowncast", "expected a number that fits into fewer bits"
)
InvalidShortString = _define("InvalidShortString", "expected a text of at most 31 bytes in one word")
StringTooLong = _define("StringTooLong", "expected a text of at most 31 bytes")


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
