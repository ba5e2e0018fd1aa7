"""What a protocol says, how it is registered, and what the registry knows of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from eth_abi import encode
from eth_utils import keccak

from synthlib.bundle import canonical_json, write_atomically
from synthlib.chain.registry import ZERO_DIGEST, to_bytes32
from synthlib.parsing import parse_json

SECTIONS = ("cohort", "split", "models", "metrics", "acceptance", "privacy")


class Protocol(NamedTuple):
    """What a study will do, written down before it does it. All is JSON, and nothing confidential.

    Attributes:
        cohort: which patients, from where, which columns.
        split: how they are divided into train and holdout.
        models: the candidates and the space that is searched.
        metrics: what is measured, and on what.
        acceptance: thresholds that a release must meet, and how one candidate is chosen.
        privacy: unit and adjacency, budget and measure, or that there is no differential privacy.
    """

    cohort: Any
    split: Any
    models: Any
    metrics: Any
    acceptance: Any
    privacy: Any

    @property
    def digest(self) -> str:
        """SHA-256 of the protocol as canonical JSON."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def to_json(self) -> bytes:
        """The protocol as canonical JSON."""
        return canonical_json(self._asdict())

    def save(self, path: Path | str) -> None:
        """Write the protocol's JSON."""
        write_atomically(Path(path), self.to_json())

    @classmethod
    def from_json(cls, text: str | bytes) -> Protocol:
        """Read what `to_json` wrote.

        Raises:
            ValueError: if it is not a JSON object of exactly the sections.
        """
        fields = parse_json(text.encode() if isinstance(text, str) else text)
        if not isinstance(fields, dict) or set(fields) != set(SECTIONS):
            raise ValueError(f"expected a protocol of {', '.join(SECTIONS)}, got something else")
        return cls(**fields)


class SealedProtocol(NamedTuple):
    """A protocol as its steward may see it: registered, and not to be read.

    Attributes:
        dataset: commitment to what it runs on.
        researcher: address of who registered it.
        seal: what the registry was told, hexadecimal.
    """

    dataset: str
    researcher: str
    seal: str

    @property
    def id(self) -> str:
        """The protocol's id, `keccak256(abi.encode(researcher, dataset, seal))`."""
        return protocol_id(self.researcher, self.dataset, self.seal)


class Registration(NamedTuple):
    """A protocol in a researcher's hand. A sealed one's salt is secret until it is revealed.

    Attributes:
        dataset: id of what it runs on (`datasets.dataset_id`).
        researcher: address of who registers it.
        digest: `Protocol.digest`.
        salt: 32 bytes in hexadecimal, zeros for a protocol that is open from the start.
    """

    dataset: str
    researcher: str
    digest: str
    salt: str = ZERO_DIGEST

    @property
    def seal(self) -> str:
        """What the registry is told: `keccak256(abi.encode(researcher, digest, salt))`."""
        parts = [self.researcher, bytes.fromhex(self.digest), bytes.fromhex(self.salt)]
        return keccak(encode(["address", "bytes32", "bytes32"], parts)).hex()

    @property
    def id(self) -> str:
        """The protocol's id, `keccak256(abi.encode(researcher, dataset, seal))`."""
        return protocol_id(self.researcher, self.dataset, self.seal)

    @property
    def sealed(self) -> SealedProtocol:
        """What a steward needs to approve it, without digest and salt."""
        return SealedProtocol(self.dataset, self.researcher, self.seal)

    @property
    def is_sealed(self) -> bool:
        """Whether its digest is secret until it is revealed."""
        return self.salt != ZERO_DIGEST


class Track(NamedTuple):
    """A protocol as the registry knows it.

    Attributes:
        id: the protocol's id.
        researcher: address of who registered it.
        head: hash chain over the attempts, 20 bytes in hexadecimal; zeros before approval.
        attempts: how many attempts there were.
        budget: loss that releases may still cause, in millionths.
        private_releases: how many releases with differential privacy there were.
        open_releases_left: how many without may still be made.
        registration_block: block of its registration, 0 if it is not registered.
        is_revealed, is_approved, is_closed: what has happened to it.
        digest: of the protocol, zeros while it is sealed.
        dataset: id of what it runs on (`datasets.dataset_id`).
        allotted: loss that it was given of the dataset's cap and did not give back, in millionths.
        open_allotted: releases without differential privacy that it was given; once closed, those made.
    """

    id: str
    researcher: str
    head: str
    attempts: int
    budget: int
    private_releases: int
    open_releases_left: int
    registration_block: int
    is_revealed: bool
    is_approved: bool
    is_closed: bool
    digest: str
    dataset: str
    allotted: int
    open_allotted: int

    @property
    def spent(self) -> int:
        """Loss that its releases caused, in millionths."""
        return self.allotted - self.budget

    @property
    def open_releases(self) -> int:
        """How many releases without differential privacy there were."""
        return self.open_allotted - self.open_releases_left


def protocol_id(researcher: str, dataset: str, seal: str) -> str:
    """A protocol's id, `keccak256(abi.encode(researcher, dataset, seal))`."""
    parts = [researcher, to_bytes32(dataset), to_bytes32(seal)]
    return "0x" + keccak(encode(["address", "bytes32", "bytes32"], parts)).hex()
