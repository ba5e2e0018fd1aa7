"""Confidential datasets on a registry: who owns them, and what may still be learnt of them."""

from __future__ import annotations

from typing import NamedTuple

from eth_utils import to_checksum_address

from synthlib.chain.budgets import ZCDP, budget_to_units
from synthlib.chain.registry import Ledger, to_bytes32

UNKNOWN, ACTIVE, RENOUNCED, ERASED = STATES = ("unknown", "active", "renounced", "erased")


class Dataset(NamedTuple):
    """A dataset as the registry knows it.

    Attributes:
        commitment: keyed commitment to it, hexadecimal.
        steward: address of who owns it, zeros once renounced.
        cap: most loss of all its releases together, in millionths.
        allotted: what protocols were given of that and did not give back, in millionths.
        order: the measure: 0 for zCDP, else a Renyi order.
        state: `"unknown"`, `"active"`, `"renounced"` or `"erased"`.
    """

    commitment: str
    steward: str
    cap: int
    allotted: int
    order: int
    state: str


class Datasets:
    """The datasets of a registry.

    Args:
        ledger: acts as its account: a steward, who owns what it registers.
    """

    def __init__(self, ledger: Ledger):
        self._ledger = ledger

    def register(self, commitment: str, cap: float = 0.0, order: int = ZCDP) -> Dataset:
        """Register a dataset. A second time with the same cap and measure changes nothing.

        Args:
            commitment: keyed commitment to it (`commitments.commit`), hexadecimal.
            cap: most loss of all its releases together; 0 allows no differentially private release. It can be
                lowered and never raised.
            order: the measure of loss: 0 for zCDP, else a Renyi order of 2 or more.

        Raises:
            DatasetAlreadyRegistered: if it is registered otherwise.
            AccessControlUnauthorizedAccount: if the account is no steward.
        """
        units = budget_to_units(cap)
        found = self.find(commitment)
        mine = self._ledger.account is not None and found.steward == self._ledger.account.address
        if found.state == ACTIVE and mine and (found.cap, found.order) == (units, order):
            return found
        self._ledger.send("registerDataset", to_bytes32(commitment), order, units)
        return self.find(commitment)

    def find(self, commitment: str) -> Dataset:
        """What the registry knows of a dataset."""
        steward, cap, allotted, order, state = self._ledger.call("datasetOf", to_bytes32(commitment))
        return Dataset(commitment, to_checksum_address(steward), cap, allotted, order, STATES[state])

    def lower_cap(self, commitment: str, cap: float) -> None:
        """Allow less than before; not less than is allotted. For its steward."""
        self._ledger.send("lowerCap", to_bytes32(commitment), budget_to_units(cap))

    def offer(self, commitment: str, successor: str) -> None:
        """Offer a dataset to another steward, who has to `accept` it. For its steward."""
        self._ledger.send("offerDataset", to_bytes32(commitment), to_checksum_address(successor))

    def accept(self, commitment: str) -> None:
        """Take over a dataset that was offered. For a steward."""
        self._ledger.send("acceptDataset", to_bytes32(commitment))

    def renounce(self, commitment: str) -> None:
        """Give a dataset up for ever. For its steward."""
        self._ledger.send("renounceDataset", to_bytes32(commitment))

    def record_erasure(self, commitment: str, certificate: str) -> None:
        """Say that the commitment's key was destroyed. For its steward.

        Args:
            certificate: SHA-256 of the certificate (`erasure.certify`), hexadecimal.
        """
        self._ledger.send("eraseDataset", to_bytes32(commitment), to_bytes32(certificate))
