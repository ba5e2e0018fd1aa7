"""Was more tried on the same dataset under another protocol? What a release's own protocol does not show."""

from __future__ import annotations

import contextlib

from synthlib.bundle import Finding
from synthlib.chain.attempts import read_log
from synthlib.chain.errors import ChainError
from synthlib.chain.evidence import guard
from synthlib.chain.protocols import Protocols, Track
from synthlib.chain.records import Record
from synthlib.chain.registry import Ledger

OTHERS = "other protocols"


def check_others(ledger: Ledger, record: Record, findings: list[Finding]) -> None:
    """The other protocols on a release's dataset, and the attempts under them until the release's block.

    It informs, and decides nothing: others may study the same dataset. Nothing is said where there are none.
    Each is held against the state, which must know it and count its attempts; a node can leave one out.

    Args:
        ledger: the chain that holds the record.
        record: what the chain knows of the release.
        findings: what is found is added, "unchecked" whatever it is.
    """
    dataset = ""
    with contextlib.suppress(ChainError):  # what the chain does not tell is said by the other checks
        dataset = Protocols(ledger).find(record.protocol, record.issuer).dataset
    told: list[Finding] = []
    with guard(OTHERS, told):
        others = _find_others(ledger, record, dataset) if dataset else []
        if others:
            told.append(Finding(OTHERS, "unchecked", _describe(ledger, record, others)))
    findings += [found._replace(verdict="unchecked") for found in told]


def find_others_caveat(findings: list[Finding]) -> list[str]:
    """What must be said of other protocols beside a yes."""
    return [found.detail for found in findings if found.subject == OTHERS]


def _find_others(ledger: Ledger, record: Record, dataset: str) -> list[Track]:
    """Those registered until a release's block.

    Raises:
        ChainError: if the log names one that the state does not know.
    """
    said = ledger.find_events("ProtocolRegistered", dataset=dataset)
    others = [
        Protocols(ledger).find(event.arguments["protocol"], event.arguments["researcher"])
        for event in said
        if event.block <= record.block and event.arguments["protocol"] != record.protocol
    ]
    if any(other.dataset != dataset for other in others):
        raise ChainError(
            f"expected the protocols of dataset {dataset}, {ledger.connection.place} gave one that its state "
            "does not have there: its log does not fit its state; ask another node"
        )
    return others


def _describe(ledger: Ledger, record: Record, others: list[Track]) -> str:
    counts = [_count_attempts(ledger, other, record.block) for other in others]
    detail = (
        f"{_plural(len(others), 'other protocol')} on this dataset, {_plural(sum(counts), 'attempt')} under "
        f"{'it' if len(others) == 1 else 'them'} until this release"
    )
    own = [count for other, count in zip(others, counts, strict=True) if other.researcher == record.issuer]
    return f"{detail}; by its issuer: {_plural(len(own), 'protocol')}, {_plural(sum(own), 'attempt')}"


def _count_attempts(ledger: Ledger, track: Track, block: int) -> int:
    """How many were logged under a protocol until a block; those of its log lead to the head in the state."""
    if not track.is_approved:
        return 0
    return max((each.last for each in read_log(ledger, track) if each.block <= block), default=0)


def _plural(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
