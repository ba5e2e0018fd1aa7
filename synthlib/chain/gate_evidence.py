"""Does a release say of its gate what its own report and its protocol's thresholds say?"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from pathlib import Path
from typing import Any

import pandas as pd

from synthlib.bundle import Finding
from synthlib.chain.evidence import guard, read_plain
from synthlib.chain.protocols import Protocol
from synthlib.chain.study import PROTOCOL_FILE
from synthlib.gate import GATE_FILE, MISSED, Verdict, gate_outcome, judge
from synthlib.parsing import parse_json
from synthlib.scores import Score
from synthlib.thresholds import parse_acceptance

GATE, REPORT_FILE = "gate", "report.csv"
FAILED = "it failed the thresholds of its own protocol, as it says itself"
UNDECIDED = "whether it meets the thresholds of its own protocol is inconclusive, so that it does not pass"


def check_gate(path: Path, manifest: Any, findings: list[Finding]) -> None:
    """The verdict computed again from the release's own `report.csv` and its protocol's thresholds.

    Args:
        path: the release's folder.
        manifest: what its manifest holds, None if it is no JSON object.
        findings: what is found is added; nothing where no threshold was declared and none is spoken of.
    """
    with guard(GATE, findings):
        verdict, wrong = _judge_again(path, manifest)
        findings += [Finding(GATE, "differs", detail) for detail in wrong]
        if verdict is not None and not wrong:
            detail = f"{verdict.outcome} by {_count(verdict)}"
            if verdict.outcome == "failed":
                said = FAILED if verdict.standing == MISSED else UNDECIDED
                detail = f"{said}: {_list_failed(verdict)}"
            if verdict.used:
                used = ", ".join(f"{name} {value}" for name, value in sorted(verdict.used.items()))
                detail += f"; evaluated with {used[:200]}"
            findings.append(Finding(GATE, "matched", f"judged again: {detail}"))


def find_gate_caveat(findings: list[Finding]) -> list[str]:
    """What must be said beside a yes of a release that failed its own protocol: nothing, or one sentence."""
    told = [found.detail for found in findings if found.subject == GATE]
    return [said for said in (FAILED, UNDECIDED) if any(said in detail for detail in told)]


def find_gate_problems(path: Path, manifest: Any) -> list[str]:
    """What a release says of its gate that its report and protocol contradict, before it is recorded."""
    try:
        return [f"{GATE_FILE}: {wrong}" for wrong in _judge_again(path, manifest)[1]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)[:200]
        return [f"{GATE_FILE}: cannot be judged: {reason}"]


def _judge_again(path: Path, manifest: Any) -> tuple[Verdict | None, list[str]]:
    """The verdict that report and thresholds give, and where the release says another.

    Raises:
        OSError, ValueError: if a file is missing or cannot be read.
    """
    says = gate_outcome(manifest)
    is_there = (path / GATE_FILE).exists() or (path / GATE_FILE).is_symlink()
    try:
        acceptance, source = _read_acceptance(path)
    except (OSError, ValueError):
        if says == "none" and not is_there:
            return None, []  # that its protocol cannot be read is said where protocols are checked
        raise
    if not parse_acceptance(acceptance):
        spoken = says != "none" or is_there
        return None, ["it speaks of a gate, but no threshold was declared"] if spoken else []
    verdict = judge(_read_report(path), acceptance, _read_used(path) if is_there else None)
    if says == "none" or not is_there:
        missing = GATE_FILE if not is_there else "the manifest's parameters.gate"
        return verdict, [f"{source} declares thresholds, but {missing} is missing"]
    wrong = []
    if says != verdict.outcome:
        verb = "fail" if verdict.outcome == "failed" else "pass"
        wrong.append(f"says {says}; {source}'s thresholds {verb}: {_list_failed(verdict) or _count(verdict)}")
    data = read_plain(path / GATE_FILE)
    if not wrong and data != verdict.to_json():
        wrong.append(f"{GATE_FILE} is not what {REPORT_FILE} and the thresholds of {source} give")
    told = manifest["parameters"]["gate"]
    told = told if isinstance(told, dict) else {}
    expected = verdict.describe() | {"gate_digest": hashlib.sha256(data).hexdigest()}
    differing = sorted(name for name in set(told) | set(expected) if told.get(name) != expected.get(name))
    if not wrong and differing:
        wrong.append(f"the manifest's parameters.gate is another in {', '.join(differing)[:100]}")
    return verdict, wrong


def _read_acceptance(path: Path) -> tuple[Any, str]:
    """The thresholds and where they stand: the protocol, or `gate.json` itself of a release without one."""
    if (path / PROTOCOL_FILE).exists():
        return Protocol.from_json(read_plain(path / PROTOCOL_FILE)).acceptance, "its protocol"
    if not (path / GATE_FILE).exists():
        return None, ""
    told = parse_json(read_plain(path / GATE_FILE))
    return told.get("acceptance") if isinstance(told, dict) else None, GATE_FILE


def _read_used(path: Path) -> dict[str, Any] | None:
    """What `gate.json` says that the evaluation was made with: nobody without the patients can see it."""
    try:
        told = parse_json(read_plain(path / GATE_FILE))
    except (OSError, ValueError):
        return None  # what the file says is compared elsewhere
    used = told.get("evaluation") if isinstance(told, dict) else None
    return used if isinstance(used, dict) else None


def _read_report(path: Path) -> pd.DataFrame:
    """`report.csv` as a DataFrame of Scores.

    Raises:
        ValueError: if it is none.
    """
    rows = list(csv.reader(io.StringIO(read_plain(path / REPORT_FILE).decode(), newline="")))
    if not rows or tuple(rows[0]) != Score._fields or any(len(row) != len(Score._fields) for row in rows):
        raise ValueError(f"{REPORT_FILE}: expected the columns {', '.join(Score._fields)}")
    scores = [Score(row[0], *(float(cell) if cell else math.nan for cell in row[1:])) for row in rows[1:]]
    if len({score.metric for score in scores}) < len(scores):
        raise ValueError(f"{REPORT_FILE}: expected each metric once")
    if any(math.isinf(value) for score in scores for value in score[1:]):
        raise ValueError(f"{REPORT_FILE}: expected finite numbers or empty cells, got an infinite one")
    return pd.DataFrame(scores, columns=list(Score._fields))


def _list_failed(verdict: Verdict) -> str:
    missed = [
        f"{one['target']} {one['outcome']} ({one['detail']})"
        for one in verdict.results
        if one["outcome"] != "passed" and not one["is_excused"]
    ]
    other = [f"evaluated otherwise than declared: {said}" for said in verdict.differing]
    return "; ".join([*other, *missed])[:300]


def _count(verdict: Verdict) -> str:
    asked = sum(not one["is_excused"] for one in verdict.results)
    return f"all {asked} thresholds" if asked > 1 else "its threshold"
