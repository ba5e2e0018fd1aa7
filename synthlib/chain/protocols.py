"""Protocols registered before training, and every attempt under them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from eth_utils import to_checksum_address

from synthlib.chain.attempt_chain import attempt_digest, batch_link, chain_head, link_of
from synthlib.chain.budgets import budget_to_units
from synthlib.chain.datasets import normalize_id
from synthlib.chain.errors import ApprovalNotRaised, ChainError, IncompleteLog
from synthlib.chain.events import Event
from synthlib.chain.merkle import MerkleTree
from synthlib.chain.registrations import (
    SECTIONS,
    Protocol,
    Registration,
    SealedProtocol,
    Track,
    protocol_id,
)
from synthlib.chain.registry import ZERO_DIGEST, Ledger, to_bytes32

__all__ = [
    "SECTIONS",
    "Protocol",
    "Protocols",
    "Registration",
    "SealedProtocol",
    "Track",
    "attempt_digest",
    "batch_link",
    "chain_head",
    "link_of",
    "protocol_id",
    "require_running",
]

_REGISTERED, _REVEALED, _APPROVED, _CLOSED = 1, 2, 4, 8


class Protocols:
    """The protocols of a registry.

    Args:
        ledger: acts as its account: a researcher to register and to log attempts, a steward to approve.
    """

    def __init__(self, ledger: Ledger):
        self._ledger = ledger

    def prepare(self, protocol: Protocol, dataset: str, sealed: bool = False) -> Registration:
        """What this account would register; nothing is sent. A sealed one draws a secret salt: keep it.

        Raises:
            ValueError: if `dataset` is no id.
        """
        salt = secrets.token_bytes(32).hex() if sealed else ZERO_DIGEST
        return Registration(normalize_id(dataset), self._ledger.sender, protocol.digest, salt)

    def register(self, registration: Registration) -> Track:
        """Register a protocol. A second time changes nothing.

        Raises:
            ChainError: if it is another account's: what one registers becomes one's own.
            DatasetNotActive: if the dataset is unknown, renounced or erased.
            AccessControlUnauthorizedAccount: if the account is no researcher.
        """
        if not self.find(registration.id, registration.researcher).registration_block:
            self._require_researcher(registration)
            dataset = to_bytes32(registration.dataset)
            if registration.is_sealed:
                self._ledger.send("registerProtocol", dataset, to_bytes32(registration.seal))
            else:
                self._ledger.send("registerOpenProtocol", dataset, to_bytes32(registration.digest))
        return self.find(registration.id, registration.researcher)

    def reveal(self, registration: Registration) -> Track:
        """Tell a sealed protocol's digest; a release needs that. For who registered it.

        Raises:
            ChainError: if it is another account's.
            ProtocolNotRegistered: if it is not registered.
        """
        if not self.find(registration.id, registration.researcher).is_revealed:
            self._require_researcher(registration)
            parts = (registration.dataset, registration.digest, registration.salt)
            self._ledger.send("revealProtocol", *map(to_bytes32, parts))
        return self.find(registration.id, registration.researcher)

    def approve(
        self,
        protocol: Registration | SealedProtocol,
        budget: float | None = None,
        open_releases: int | None = None,
    ) -> Track:
        """Let a protocol run, or give a running one more. For the dataset's steward, who holds the role.

        Totals are said, and only ever raised. So the same call again changes nothing: call it again whenever
        it is not known whether it went through.

        Args:
            protocol: as it was registered; `Registration.sealed` is enough, and tells no digest and no salt.
            budget: loss set aside for it from now on, with what was set aside before, in the dataset's
                measure; what releases have spent of it is not taken off. None keeps what stands, 0 at first.
            open_releases: releases without differential privacy allowed from now on, with those made. None
                keeps what stands, 0 at first.

        Raises:
            ApprovalNotRaised: if one of the totals is below what the protocol was given.
            ProtocolNotRegistered, ProtocolAlreadyClosed, NotSteward, AccessControlUnauthorizedAccount,
                BudgetExceeded: what the contract says.
        """
        found = self.find(protocol.id, protocol.researcher)
        wanted = (
            found.allotted if budget is None else budget_to_units(budget),
            found.open_allotted if open_releases is None else open_releases,
        )
        if found.is_approved and not found.is_closed and (found.allotted, found.open_allotted) == wanted:
            return found
        try:
            self._ledger.send("approveProtocol", *_name(protocol), *wanted)
        except ApprovalNotRaised as error:
            if error.arguments[1:] != wanted:  # else an earlier call has arrived in the meantime
                raise
        return self.find(protocol.id, protocol.researcher)

    def close(self, protocol: Registration | SealedProtocol) -> Track:
        """End a protocol; what it did not spend goes back. A second time changes nothing.

        For the dataset's steward and the researcher.
        """
        if not self.find(protocol.id, protocol.researcher).is_closed:
            self._ledger.send("closeProtocol", *_name(protocol))
        return self.find(protocol.id, protocol.researcher)

    def attempt(self, protocol: str, digests: str | Sequence[str], first: int | None = None) -> int:
        """Log an attempt, or several at once for the gas of one.

        Args:
            protocol: the protocol's id.
            digests: of what is attempted, hexadecimal (`attempt_digest`); several go into one Merkle tree.
            first: number that the first of them must get; the next one if None. Giving it makes sending twice
                harmless: the contract refuses the second.

        Returns:
            The first one's number.

        Raises:
            ProtocolNotApproved, ProtocolAlreadyClosed, AttemptOutOfOrder: what the contract says.
            ValueError: if there is none.
        """
        digests = [digests] if isinstance(digests, str) else list(digests)
        if not digests:
            raise ValueError("expected a digest of an attempt, got none")
        if first is None:
            first = self.find(protocol, self._ledger.sender).attempts + 1
        leaves = [to_bytes32(digest) for digest in digests]
        if len(leaves) == 1:
            self._ledger.send("logAttempt", to_bytes32(protocol), first, leaves[0])
        else:
            root = MerkleTree.of(leaves).root()
            self._ledger.send("logAttemptBatch", to_bytes32(protocol), first, len(leaves), root)
        return first

    def find(self, protocol: str, researcher: str) -> Track:
        """What the registry knows of a researcher's protocol; `registration_block` is 0 if nothing.

        Raises:
            IncompleteLog: if the chain's log lacks what its state speaks of.
            ChainError: if the log says what this protocol's id is no hash of.
        """
        researcher = to_checksum_address(researcher)
        head, attempts, budget, private, left, state, allotted, open_allotted = self._ledger.call(
            "trackOf", to_bytes32(protocol), researcher
        )
        block, digest, dataset = self._find_words(protocol, researcher, state)
        return Track(
            protocol,
            researcher,
            head.hex() if state & _APPROVED else "00" * 20,
            attempts,
            budget,
            private,
            left,
            block,
            bool(state & _REVEALED),
            bool(state & _APPROVED),
            bool(state & _CLOSED),
            digest,
            dataset,
            allotted,
            open_allotted,
        )

    def _find_words(self, protocol: str, researcher: str, state: int) -> tuple[int, str, str]:
        """Block of registration, digest and dataset, as the events say; zeros where there are none yet."""
        if not state & _REGISTERED:
            return 0, ZERO_DIGEST, ZERO_DIGEST
        registered = self._find_one("ProtocolRegistered", protocol)
        dataset, seal = registered.arguments["dataset"], registered.arguments["seal"]
        digest, same = ZERO_DIGEST, protocol_id(researcher, dataset, seal) == protocol
        if state & _REVEALED:
            revealed = self._find_one("ProtocolRevealed", protocol).arguments
            digest = revealed["digest"]
            same = same and Registration(dataset, researcher, digest, revealed["salt"]).seal == seal
        if not same:
            raise ChainError(
                f"expected the words of protocol {protocol} of {researcher}, {self._ledger.connection.place} "
                "gave another's: its log does not fit its state; ask another node"
            )
        return registered.block, digest, dataset

    def _find_one(self, name: str, protocol: str) -> Event:
        said = self._ledger.find_events(name, protocol=protocol)
        if len(said) != 1:
            raise IncompleteLog(
                f"expected one {name} event of protocol {protocol}, {self._ledger.connection.place} gave "
                f"{len(said)}; ask a node that keeps its logs"
            )
        return said[0]

    def _require_researcher(self, registration: Registration) -> None:
        if self._ledger.sender != to_checksum_address(registration.researcher):
            raise ChainError(
                f"expected to act as the researcher {registration.researcher}, acting as "
                f"{self._ledger.sender}; use acting_as, or prepare a registration of your own"
            )


def _name(protocol: Registration | SealedProtocol) -> tuple[str, bytes, bytes]:
    """How the contract is told of a protocol by who has its words."""
    dataset, seal = to_bytes32(protocol.dataset), to_bytes32(protocol.seal)
    return to_checksum_address(protocol.researcher), dataset, seal


def require_running(track: Track) -> None:
    """That attempts can be logged.

    Raises:
        ChainError: if not, with what is missing.
    """
    if not track.registration_block:
        raise ChainError("expected a registered protocol, found none; register it before anything is trained")
    if not track.is_approved:
        raise ChainError(
            "expected a protocol that the dataset's steward approved; ask the steward to approve it"
        )
    if track.is_closed:
        raise ChainError("expected a protocol that runs, found it closed; register another")
