"""Confidential datasets on a registry: who owns them, and what may still be learnt of them."""

from __future__ import annotations

from typing import NamedTuple

from eth_abi import encode
from eth_utils import keccak, to_checksum_address

from synthlib.chain.budgets import ZCDP, budget_to_units
from synthlib.chain.errors import ChainError, IncompleteLog
from synthlib.chain.registry import ZERO_DIGEST, Ledger, to_bytes32

UNKNOWN, ACTIVE, RENOUNCED, ERASED = STATES = ("unknown", "active", "renounced", "erased")


class Dataset(NamedTuple):
    """A dataset as the registry knows it.

    Attributes:
        id: `dataset_id` of who registered it and its commitment.
        steward: address of who owns it; of one that was renounced or erased, of who still answers for it.
        cap: most loss of all its releases together, in millionths.
        allotted: what protocols were given of that and did not give back, in millionths.
        order: the measure: 0 for zCDP, else a Renyi order.
        state: `"unknown"`, `"active"`, `"renounced"` or `"erased"`.
    """

    id: str
    steward: str
    cap: int
    allotted: int
    order: int
    state: str


def dataset_id(steward: str, commitment: str) -> str:
    """A dataset's id, `keccak256(abi.encode(steward, commitment))`: it stays when the dataset is handed over.

    Who registers another's commitment gets a dataset of their own, and nothing of the other's.

    Args:
        steward: address of who registers it.
        commitment: keyed commitment to it (`commitments.commit`), hexadecimal.

    Returns:
        The id, `0x` and 64 hexadecimal digits.

    Raises:
        ValueError: if either is something else.
    """
    return "0x" + keccak(encode(["address", "bytes32"], [steward, to_bytes32(commitment)])).hex()


def normalize_id(dataset: str) -> str:
    """A dataset's id in the one form that is compared and kept: `0x` and 64 lower-case hexadecimal digits.

    Raises:
        ValueError: if it is none.
    """
    return "0x" + to_bytes32(dataset.lower()).hex()


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
            NoAccount: if the ledger only reads.
        """
        units = budget_to_units(cap)
        found = self.find(dataset_id(self._ledger.sender, commitment))
        mine = found.steward == self._ledger.sender
        if found.state == ACTIVE and mine and (found.cap, found.order) == (units, order):
            return found
        self._ledger.send("registerDataset", to_bytes32(commitment), order, units)
        return self.find(found.id)

    def find(self, dataset: str) -> Dataset:
        """What the registry knows of a dataset, from its id (`dataset_id`)."""
        dataset = normalize_id(dataset)
        steward, cap, allotted, order, state = self._ledger.call("datasetOf", to_bytes32(dataset))
        return Dataset(dataset, to_checksum_address(steward), cap, allotted, order, STATES[state])

    def require_known(self, dataset: str) -> Dataset:
        """What the registry knows of a dataset that was registered there.

        Raises:
            ChainError: if none was under this id; if it is a commitment, with the ids of its datasets.
        """
        found = self.find(dataset)
        if found.state == UNKNOWN:
            raise ChainError(f"expected the id of a registered dataset: {self.explain_unknown(dataset)}")
        return found

    def explain_unknown(self, dataset: str) -> str:
        """Why nothing is known under what was given for an id, and what to give instead."""
        dataset, place = normalize_id(dataset), self._ledger.connection.place
        said = self._ledger.find_events("DatasetRegistered", commitment=dataset.removeprefix("0x"))
        ids = ", ".join(event.arguments["dataset"] for event in said)
        if ids:
            return f"{dataset} is a commitment, registered as {ids}; give the id"
        return f"{place} knows none under {dataset}; give the id that dataset register showed, no commitment"

    def lower_cap(self, dataset: str, cap: float) -> None:
        """Allow less than before; not less than is allotted. The same again changes nothing. For its steward.

        Raises:
            CapNotLowered: if less is allowed already.
            NotSteward, DatasetNotActive: what else the contract says.
        """
        units, found = budget_to_units(cap), self.find(dataset)
        if (found.state, found.steward, found.cap) != (ACTIVE, self._ledger.sender, units):
            self._ledger.send("lowerCap", to_bytes32(found.id), units)

    def offer(self, dataset: str, successor: str) -> None:
        """Offer a dataset to another steward, who has to `accept` it. For its steward."""
        self._ledger.send("offerDataset", to_bytes32(normalize_id(dataset)), to_checksum_address(successor))

    def accept(self, dataset: str) -> None:
        """Take over a dataset that was offered. For a steward.

        Protocols keep what they were given, and agreements in force stay so, until the new steward closes or
        ends them. Agreements that the former steward offered and nobody accepted lapse.
        """
        self._ledger.send("acceptDataset", to_bytes32(normalize_id(dataset)))

    def renounce(self, dataset: str) -> None:
        """Close a dataset for good. For its steward, who goes on answering for it.

        Nothing more is allotted, agreed, prolonged or handed out, and it is not handed over any more. Its
        steward still ends agreements, closes protocols and records erasures.
        """
        self._ledger.send("renounceDataset", to_bytes32(normalize_id(dataset)))

    def record_erasure(self, dataset: str, certificate: str) -> None:
        """Say that the commitment's key was destroyed. For its steward, also once it was renounced.

        Args:
            dataset: its id.
            certificate: SHA-256 of the certificate (`erasure.certify`), hexadecimal.
        """
        self._ledger.send("eraseDataset", to_bytes32(normalize_id(dataset)), to_bytes32(certificate))

    def find_erasure(self, dataset: str) -> str:
        """SHA-256 of the certificate that the commitment's key was destroyed, empty if there is none.

        The state says it, and the event with it.

        Raises:
            IncompleteLog: if the log lacks the event.
            ChainError: if the log says something else than the state.
        """
        dataset = normalize_id(dataset)
        certificate = self._ledger.call("erasureOf", to_bytes32(dataset)).hex().replace(ZERO_DIGEST, "")
        told = [
            event.arguments["certificate"]
            for event in self._ledger.find_events("DatasetErased", dataset=dataset)
        ]
        place = self._ledger.connection.place
        if certificate and not told:
            raise IncompleteLog(
                f"expected the DatasetErased event of {dataset}, {place} gave none; "
                "ask a node that keeps its logs"
            )
        if told != [certificate] * bool(certificate):
            raise ChainError(
                f"expected the certificate of erasure of {dataset} that the state holds, {place} gave "
                "another: its log does not fit its state; ask another node"
            )
        return certificate
