"""Whether a vault's object may be handed over: asked of the chain, and answered there, before any key moves.

A hand-over that goes on is recorded as an access, one that is refused as a denial. The words of a denial's
reason, whose SHA-256 the chain gets, are `reason_of`: anybody who knows the agreement can say which it was.
It is logged under the object's dataset, or under the agreement's if the object's is another steward's. Where
the chain does not take it (the registry is paused, or the account is no steward of the agreement's dataset
any more), it is recorded nowhere: the error carries a note that says so, and no key moves all the same.
"""

from __future__ import annotations

from typing import Protocol

from synthlib.chain.errors import AccessOutOfOrder, ChainError, ContractError, Expired, NotSteward
from synthlib.chain.sealing import OtherDataset, plain_id
from synthlib.chain.wrapping import digest_public_key

ACCEPTED = "accepted"


class NotAccepted(ChainError):
    """The public key is not the one that the grantee accepted the agreement with."""


class Agreed(Protocol):
    """What was agreed.

    Attributes:
        dataset: id of the dataset.
        grantee: the account that may use what comes of it.
    """

    dataset: str
    grantee: str


class Standing(Protocol):
    """Where an agreement stands.

    Attributes:
        state: `"accepted"`, or that it is not.
        encryption_key: SHA-256 of the public key that it was accepted with, in hexadecimal; zeros before.
    """

    state: str
    encryption_key: str


class Access(Protocol):
    """What the chain says of an access that it has recorded.

    Attributes:
        grantee: the account that accepted the agreement.
        encryption_key: SHA-256 of the public key that it accepted with, in hexadecimal.
    """

    grantee: str
    encryption_key: str


class Gate(Protocol):
    """Agreements on a chain, asked before a key is handed over. `Agreements` is one."""

    def open(self, agreement_id: str) -> Agreed:
        """What was agreed.

        Raises:
            ChainError: if there is no such agreement.
        """
        ...

    def find(self, agreement_id: str) -> Standing:
        """Where it stands."""
        ...

    def log_access(self, agreement_id: str, object_digest: str) -> Access:
        """Record that an object is handed over under an agreement, and wait until that stands on the chain.

        Raises:
            ContractError: if the chain refuses it.
            ChainError: if nothing could be recorded.
        """
        ...

    def log_denial(self, dataset: str, object_digest: str, account: str, reason: str) -> None:
        """Record that an object was not handed over."""
        ...


def permit(gate: Gate, agreement_id: str, address: str, dataset: str, public_key: bytes) -> Access:
    """Record an access; or record that it was denied, and raise why.

    Args:
        gate: the chain.
        agreement_id: id of the agreement.
        address: the object's.
        dataset: id of the dataset that the object says it is of.
        public_key: to which its key is asked to be wrapped.

    Raises:
        OtherDataset: if the agreement is on another dataset; a denial was recorded.
        NotAccepted: if it was accepted with another public key; a denial was recorded, and no access.
        ContractError: what the chain refuses the access with; a denial was recorded.
        ChainError: if there is no such agreement, or the chain does not answer.
    """
    agreed, standing = gate.open(agreement_id), gate.find(agreement_id)
    try:
        if plain_id(agreed.dataset) != dataset:
            raise OtherDataset(
                f"expected an object of dataset {plain_id(agreed.dataset)}, which agreement {agreement_id} "
                f"is on, got one of {dataset}; use an agreement on that dataset"
            )
        if standing.state == ACCEPTED:  # else the chain refuses it, and says why
            _require_key(standing.encryption_key, public_key)
        access = gate.log_access(agreement_id, address)
        _require_key(access.encryption_key, public_key)
    except AccessOutOfOrder:  # nobody refused: others were faster
        raise
    except (OtherDataset, NotAccepted, ContractError) as refusal:
        deny(gate, refusal, agreement_id, address, dataset, agreed.grantee, agreed.dataset)
        raise
    return access


def deny(
    gate: Gate,
    refusal: ChainError,
    agreement_id: str,
    address: str,
    dataset: str,
    account: str,
    agreed: str | None = None,
) -> None:
    """Record a denial, which goes on to be raised. If the chain does not take it, the refusal notes that.

    Args:
        gate: the chain.
        refusal: what is raised.
        agreement_id: id of the agreement.
        address: the object's.
        dataset: id of the object's dataset, under which the denial is logged.
        account: the grantee's.
        agreed: id of the agreement's dataset, under which it is logged if the other is another steward's.
    """
    reason = reason_of(refusal, agreement_id)
    try:
        try:
            gate.log_denial(dataset, address, account, reason)
        except NotSteward:
            if agreed is None or plain_id(agreed) == plain_id(dataset):
                raise
            gate.log_denial(agreed, address, account, reason)
    except ChainError as error:
        refusal.add_note(f"the denial could not be recorded on the chain: {type(error).__name__}")


def reason_of(refusal: ChainError, agreement_id: str) -> str:
    """The words of a denial: the error's name, the agreement, and of one that expired, when that was.

    The same refusal has the same words, so that it is recorded once, however often it is asked for.
    """
    until = f" {refusal.arguments[1]}" if isinstance(refusal, Expired) else ""
    return f"{type(refusal).__name__} {agreement_id.removeprefix('0x')}{until}"


def _require_key(accepted: object, public_key: bytes) -> None:
    digits = str(accepted).lower().removeprefix("0x")
    if digits != digest_public_key(public_key):
        raise NotAccepted(
            f"expected the public key with SHA-256 {digits[:64]}, with which the grantee accepted the "
            "agreement, got another; ask the grantee for that key"
        )
