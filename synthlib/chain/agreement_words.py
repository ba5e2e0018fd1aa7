"""What an agreement says, where it stands, and the hashes by which the chain knows both. Nothing is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from eth_abi import encode
from eth_utils import keccak, to_checksum_address

from synthlib.chain.data_uses import uses_to_abi
from synthlib.chain.registry import ZERO_DIGEST, to_bytes32

UNKNOWN, OFFERED, ACCEPTED, ENDED = STATES = ("unknown", "offered", "accepted", "ended")
LAPSED = "lapsed"  # no state of the contract's: offered by who is the dataset's steward no more
LATEST = 2**40 - 1  # as an expiry: in the year 36812
_TYPES = "(bytes32,address,bytes32,bytes32,uint32[],uint40,bytes32)"


class Agreement(NamedTuple):
    """What a steward and a grantee agree on.

    Attributes:
        dataset: id of the dataset (`datasets.dataset_id`).
        grantee: address of who may use what comes of it. A pseudonym: keep who it is off the chain.
        terms: SHA-256 of the terms.
        purpose: SHA-256 of the purpose.
        uses: codes of the GA4GH Data Use Ontology, such as `"DUO:0000042"` (see `DATA_USES`).
        expiry: last second (since 1970, of the chain's clock) at which it is in force, unless renewed.
        request: id of the request that it answers, zeros if none.
    """

    dataset: str
    grantee: str
    terms: str
    purpose: str
    uses: tuple[str, ...]
    expiry: int
    request: str = "0x" + ZERO_DIGEST

    def to_abi(self) -> tuple:
        """As the contract takes it.

        Raises:
            ValueError: if a use is no code of the ontology's form, or the expiry is no time that fits.
        """
        if type(self.expiry) is not int or not 0 <= self.expiry <= LATEST:
            raise ValueError(f"expected an expiry of 0 to {LATEST} seconds since 1970, got {self.expiry!r}")
        dataset, terms, purpose = map(to_bytes32, (self.dataset, self.terms, self.purpose))
        request = to_bytes32(self.request)
        grantee = to_checksum_address(self.grantee)
        return (dataset, grantee, terms, purpose, uses_to_abi(self.uses), self.expiry, request)

    @property
    def id(self) -> str:
        """`keccak256(abi.encode(agreement))`."""
        return "0x" + keccak(encode([_TYPES], [self.to_abi()])).hex()


class Standing(NamedTuple):
    """Where an agreement stands.

    Attributes:
        state: `"unknown"`, `"offered"`, `"lapsed"`, `"accepted"` or `"ended"`. An offer lapsed, and cannot be
            accepted, while the dataset has another steward than the one who made it.
        expiry: last second at which it is in force.
        acceptance_time, end_time: when that was, 0 before.
        encryption_key: SHA-256 of the grantee's public key, zeros before acceptance.
        accesses: how many accesses were logged under it.
    """

    state: str
    expiry: int
    acceptance_time: int
    end_time: int
    encryption_key: str
    accesses: int

    def is_in_force(self, time: int) -> bool:
        """Whether it is accepted, not ended and not expired at a block's time."""
        return self.state == ACCEPTED and self.acceptance_time <= time <= self.expiry


class Access(NamedTuple):
    """An access that the chain has logged: what a key may now be handed over for.

    Attributes:
        agreement: the agreement's id.
        object: address of the object, SHA-256 of its sealed bytes.
        grantee: to whom.
        encryption_key: SHA-256 of the public key to which the data key is to be wrapped.
        transaction: where it was logged.
        number: its number among the agreement's accesses, from 1.
    """

    agreement: str
    object: str
    grantee: str
    encryption_key: str
    transaction: str
    number: int


def request_id(dataset: str, requester: str, purpose: str, uses: Sequence[int]) -> str:
    """A request's id, `keccak256(abi.encode(dataset, requester, purpose, uses))`.

    Args:
        dataset: id of the dataset.
        requester: address of who asks.
        purpose: SHA-256 of the purpose, hexadecimal.
        uses: numbers of the Data Use Ontology, as `uses_to_abi` gives them.
    """
    words = (to_bytes32(dataset), requester, to_bytes32(purpose), list(uses))
    return "0x" + keccak(encode(["bytes32", "address", "bytes32", "uint32[]"], words)).hex()


def chain_accesses(agreement_id: str, encryption_key: str, objects: Sequence[str]) -> str:
    """The head that a key and the accesses after its acceptance lead to: what an agreement's state must hold.

    Args:
        agreement_id: the agreement's id.
        encryption_key: SHA-256 of the accepted public key.
        objects: addresses of what was accessed, in the order of their numbers.

    Returns:
        13 bytes in hexadecimal. Another key that leads to the same takes 2^104 tries.
    """
    head = keccak(to_bytes32(agreement_id) + to_bytes32(encryption_key))[:13]
    for address in objects:
        head = keccak(head + bytes(19) + to_bytes32(address))[:13]
    return head.hex()
