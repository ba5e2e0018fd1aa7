"""What held at a point in time: was a release recorded by then, did it stand, who had judged it, and how?

No archive node is needed. The registry's state of today holds the block in which a release was recorded and
the time at which it was withdrawn, when each verdict was brought and taken back, and whether a dataset has
ended; events say the rest, and one that the state does not confirm is refused. What stood in a block stands
for the time from that block's on.

A node can keep an event from being seen. Then a verdict is missing here, as it is from everything else that
this node says; of a release and of a dataset it is noticed, since their state speaks of it.
"""

from __future__ import annotations

import re
import time as clock
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from synthlib.bundle import Finding
from synthlib.chain.attestations import FAILED, Attestation, Attestations
from synthlib.chain.contracts import REGISTRY
from synthlib.chain.datasets import ACTIVE, ERASED, RENOUNCED, UNKNOWN, Datasets
from synthlib.chain.errors import ChainError, IncompleteLog
from synthlib.chain.evidence import guard
from synthlib.chain.in_process import GENESIS_TIME
from synthlib.chain.protocols import Protocols
from synthlib.chain.records import SUPERSEDED, Record
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import AUDITOR, Roles

ASKED, RECORDED, STANDING, DATASET, VERDICT = "time", "recorded", "revocation", "dataset", "verdict"
_MOST_SECONDS = 253_402_300_799  # the last second of the year 9999
_FORMS = "a time with its zone such as 2026-01-31T12:00:00Z, seconds since 1970, or a block such as block:17"


class Moment(NamedTuple):
    """A point in a chain's time.

    Attributes:
        time: seconds since 1970, of the block if one is given; None while that is not known.
        block: a block's number: what held once it was there. It is needed where blocks share a second. None
            asks for all blocks until the time.
    """

    time: int | None
    block: int | None

    def includes(self, time: int, find_block: Callable[[], int]) -> bool:
        """Whether something had happened by then, from its time, or its block where one was asked for."""
        return time <= (self.time or 0) if self.block is None else find_block() <= self.block


def parse_moment(given: str | int | datetime) -> Moment:
    """A point in time as people write it.

    Args:
        given: ISO 8601 with a zone (`"2026-01-31T12:00:00Z"`, `"2026-01-31T13:00+01:00"`), an aware datetime,
            seconds since 1970 as a number or in digits, or `"block:17"`. Parts of a second are dropped.

    Raises:
        ValueError: if it is none of them, or has no zone: a time without one may be meant as anybody's.
    """
    text = str(given).strip()
    if match := re.fullmatch("block:([0-9]{1,18})", text):
        return Moment(None, int(match[1]))
    seconds: int | None = None
    try:
        if isinstance(given, datetime) or not re.fullmatch("[0-9]+", text):
            found = given if isinstance(given, datetime) else datetime.fromisoformat(text)
            seconds = None if found.tzinfo is None else int(found.timestamp() // 1)
        elif not isinstance(given, bool):
            seconds = int(text)
    except (ValueError, OverflowError):
        pass
    if seconds is None or not 0 <= seconds <= _MOST_SECONDS:
        raise ValueError(f"expected {_FORMS}; got {text[:60]!r}")
    return Moment(seconds, None)


def show_time(ledger: Ledger, seconds: int) -> str:
    """A block's time for people; on the in-process chain, which has no clock, the counter that it is."""
    if ledger.connection.is_in_process:
        return f"second {seconds - GENESIS_TIME} of the in-process chain, which has no clock"
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def is_standing_failure(finding: Finding) -> bool:
    """Whether a Finding tells of a verdict "failed" that stands, or stood at the time asked for."""
    is_verdict = finding.subject.startswith(f"{VERDICT} ") and finding.detail.startswith(f"{FAILED}, says")
    return is_verdict and ("; it stands;" in finding.detail or "; it stood " in finding.detail)


def check_now(ledger: Ledger, record: Record, findings: list[Finding]) -> None:
    """Whether a release stands, and every verdict on it, as far as the chain that was asked shows."""
    if record.revoked:
        findings.append(Finding(STANDING, "differs", _describe_withdrawal(record)))
    else:
        detail = "not revoked, as far as the chain that was asked shows"
        findings.append(Finding(STANDING, "matched", detail))
    with guard(VERDICT, findings):
        findings += [_describe_verdict(ledger, each, None) for each in _find_verdicts(ledger, record)]


def check_then(ledger: Ledger, record: Record, moment: Moment, findings: list[Finding]) -> None:
    """The same at a point in time, and whether the release was recorded and its dataset active by then."""
    asked = None
    with guard(ASKED, findings):
        asked, found = _find_moment(ledger, moment)
        findings.append(found)
    if asked is None:
        return
    with guard(STANDING, findings):
        findings.extend(_find_standing(ledger, record, asked))
    with guard(DATASET, findings):
        findings.append(_find_dataset(ledger, record, asked))
    with guard(VERDICT, findings):
        for each in _find_verdicts(ledger, record):
            if asked.includes(each.time, _block_of(ledger, "Attested", "Attestations", id=each.id)):
                findings.append(_describe_verdict(ledger, each, asked))


def _find_moment(ledger: Ledger, moment: Moment) -> tuple[Moment | None, Finding]:
    """What is asked for, with its time, and what has to be said of it; None if the chain cannot tell."""
    chain = ledger.connection
    last = chain.get_block_number()
    if moment.block is not None:
        if moment.block > last:
            detail = f"block {moment.block} is not there yet, {last} is the last"
            return None, Finding(ASKED, "unchecked", detail)
        time = chain.get_time(moment.block)
        detail = f"as of block {moment.block}, {show_time(ledger, time)}"
        return Moment(time, moment.block), Finding(ASKED, "matched", detail)
    time = moment.time or 0
    if chain.is_in_process and time < GENESIS_TIME:
        detail = "the in-process chain has no clock and cannot tell what held then; give a block (block:17)"
        return None, Finding(ASKED, "unchecked", detail)
    latest = chain.get_time(last)
    detail = f"as of {show_time(ledger, time)}"
    if time > latest:
        detail += f"; the last block, {last}, is older: {show_time(ledger, latest)}"
        if not chain.is_in_process and time > clock.time():
            detail += ", and more may come until then; ask again then"
            return moment, Finding(ASKED, "unchecked", detail)
    return moment, Finding(ASKED, "matched", detail)


def _find_standing(ledger: Ledger, record: Record, asked: Moment) -> list[Finding]:
    when = f"recorded in block {record.block}, {show_time(ledger, record.time)}"
    if not asked.includes(record.time, lambda: record.block):
        return [Finding(RECORDED, "differs", f"not yet recorded at that time: {when}")]
    found = [Finding(RECORDED, "matched", f"{when}, which is not after the time asked for")]
    detail = "not revoked at that time"
    if record.revoked:
        name = "Superseded" if record.state_at() == SUPERSEDED else "Revoked"
        block = _block_of(ledger, name, REGISTRY, release=record.release, issuer=record.issuer)
        if asked.includes(record.revocation_time, block):
            return [*found, Finding(STANDING, "differs", _describe_withdrawal(record))]
        detail = f"it stood at that time; later {_describe_withdrawal(record)}"
    return [*found, Finding(STANDING, "matched", detail)]


def _block_of(ledger: Ledger, name: str, contract: str, **arguments: str) -> Callable[[], int]:
    """What looks up the block of an event that is there once."""

    def find() -> int:
        said = ledger.find_events(name, contract, **arguments)
        if len(said) != 1:
            raise IncompleteLog(
                f"expected one {name} event, {ledger.connection.place} gave {len(said)}; ask a node that "
                "keeps its logs"
            )
        return said[0].block

    return find


def _describe_withdrawal(record: Record) -> str:
    how = f"replaced by {record.successor}" if record.state_at() == SUPERSEDED else "revoked by its issuer"
    return f"{how} at {record.revocation_time}; SHA-256 of the reason: {record.reason}"


def _find_dataset(ledger: Ledger, record: Record, asked: Moment) -> Finding:
    """Whether the dataset of a release's protocol was active. Its end takes nothing back from a release."""
    dataset = Protocols(ledger).find(record.protocol, record.issuer).dataset
    state = Datasets(ledger).find(dataset).state
    if state == UNKNOWN:
        raise ChainError("expected the dataset of a protocol, the chain knows none; ask another node")
    if not _has_happened(ledger, "DatasetRegistered", dataset, asked):
        return Finding(DATASET, "matched", "not registered at that time")
    if state == ACTIVE:
        return Finding(DATASET, "matched", "active at that time, and now")
    then = "active at that time"
    for ending, name in ((RENOUNCED, "DatasetRenounced"), (ERASED, "DatasetErased")):
        # What is erased may have been renounced before, of which the log alone tells.
        is_said = state == ending or ledger.find_events(name, dataset=dataset)
        if is_said and _has_happened(ledger, name, dataset, asked):
            then = f"{ending} by then"
    later = "" if then.startswith(state) else f"; {state} later"
    return Finding(DATASET, "matched", then + later)


def _has_happened(ledger: Ledger, name: str, dataset: str, asked: Moment) -> bool:
    block = _block_of(ledger, name, REGISTRY, dataset=dataset)()
    return asked.includes(ledger.connection.get_time(block), lambda: block)


def _find_verdicts(ledger: Ledger, record: Record) -> list[Attestation]:
    return Attestations(ledger).find(record.release, record.issuer)


def _describe_verdict(ledger: Ledger, verdict: Attestation, asked: Moment | None) -> Finding:
    """A verdict and whether it stands, or stood at the time asked for."""
    standing = "it stands" if asked is None else "it stood at that time"
    if verdict.revocation_time:
        block = _block_of(ledger, "AttestationRevoked", "Attestations", id=verdict.id)
        if asked is None or asked.includes(verdict.revocation_time, block):
            standing = "taken back by its auditor"
        else:
            standing += "; taken back later"
        standing += f", {show_time(ledger, verdict.revocation_time)}"
    auditor = f"{verdict.auditor}{_mark(ledger, verdict)}"
    detail = (
        f"{verdict.outcome}, says auditor {auditor}, {show_time(ledger, verdict.time)}; {standing}; "
        f"SHA-256 of the report: {verdict.report}, of the rubric: {verdict.rubric}"
    )
    return Finding(f"{VERDICT} {verdict.id[:12]}…", "matched", detail)


def _mark(ledger: Ledger, verdict: Attestation) -> str:
    """What a reader should know of an auditor: that it is the issuer, or has the role no more, as of now."""
    marks = ["the issuer's own"] if verdict.auditor == verdict.issuer else []
    marks += [] if Roles(ledger).has(AUDITOR, verdict.auditor) else ["no auditor any more"]
    return f" ({', '.join(marks)})" if marks else ""
