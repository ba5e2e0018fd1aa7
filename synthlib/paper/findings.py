"""What a report says, in sentences: each metric's worst score, its reading, and each area's verdict."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pandas as pd

from synthlib.areas import LEAKAGE, NAMES, find_area, find_control, find_measure, is_control, split_name
from synthlib.gate import OUTCOMES, Verdict, is_judged
from synthlib.scores import Score

NO_THRESHOLD = "no threshold declared"
_ORDER = (*OUTCOMES[:-1], NO_THRESHOLD, OUTCOMES[-1])  # worst first


class Finding(NamedTuple):
    """One row of the page.

    Attributes:
        score: the worst of those that one row of `AREAS` names.
        area, label, question: of that row.
        scale: ends of its axis, or None.
        reading: one sentence on the value against its reference.
        badness: how far it is worse than the reference, in halves of its interval; the larger the worse.
        others: how many other scores of its kind there are.
    """

    score: Score
    area: str
    label: str
    question: str
    scale: tuple[float, float] | None
    reading: str
    badness: float
    others: int


class AreaVerdict(NamedTuple):
    """An area, its outcome (one of `OUTCOMES`, or `NO_THRESHOLD`), its results of the gate and findings.

    `remark` says why the outcome is not that of the thresholds alone; mostly it is empty.
    """

    area: str
    outcome: str
    results: list[dict[str, Any]]
    findings: list[Finding]
    remark: str = ""


def find_all(report: pd.DataFrame, gate: Verdict | None = None) -> list[Finding]:
    """A Finding for each row of `AREAS` that overall scores fall under, worst first within an area.

    What failed its threshold comes first, then what is undecided, and stands for its row; the others by how
    far they are worse than their reference, in halves of their interval.
    """
    told = _list_told(gate)
    scores = {row.metric: Score(*row) for row in report[list(Score._fields)].itertuples(index=False)}
    by_measure: dict[str, list[Finding]] = {}
    for name, score in scores.items():
        measure = find_measure(name)
        if measure is None or is_control(name) or ("[" in name and not measure.is_published):
            continue
        badness = rate(score, measure.better, measure.ideal)
        control = find_control(name, scores)
        reading = read(score, badness, control, scores, measure.needs_control, measure.ideal)
        reading = f"{told[name][1]} {reading}" if name in told else reading
        if gate is not None and badness > 1 and not is_judged(gate.acceptance, name):
            reading += " No threshold is about it."
        found = Finding(
            score, measure.area, measure.label, measure.question, measure.scale, reading, badness, 0
        )
        by_measure.setdefault(measure.pattern, []).append(found)

    def place(one: Finding) -> tuple[int, float]:
        return told.get(one.score.metric, (len(OUTCOMES), ""))[0], -one.badness

    worst = [min(found, key=place)._replace(others=len(found) - 1) for found in by_measure.values()]
    return sorted(worst, key=lambda one: (NAMES.index(one.area), *place(one)))


def _list_told(gate: Verdict | None) -> dict[str, tuple[int, str]]:
    """Metrics that failed a threshold or left it undecided: the outcome's place, and it in words."""
    told: dict[str, tuple[int, str]] = {}
    for one in [] if gate is None else gate.results:
        if one["outcome"] in OUTCOMES[:2] and one["measured"]:
            words = f"{one['outcome'].capitalize()}: {one['detail']}."
            told[one["measured"]] = min(
                (OUTCOMES.index(one["outcome"]), words), told.get(one["measured"], (9, ""))
            )
    return told


def rate(score: Score, better: str, ideal: float | None = None) -> float:
    """How much worse than its reference a score is, in halves of its interval; -inf where nobody can say.

    Where there is an `ideal`, what is nearer to it than the reference is better, on whichever side.
    """
    if not math.isfinite(score.value) or not math.isfinite(score.reference):
        return -math.inf
    if ideal is not None:
        score, better = Score(score.metric, *_from_ideal(score, ideal)), "lower"
    gap = score.value - score.reference
    excess = {"lower": gap, "higher": -gap, "closer": abs(gap)}[better]
    if not math.isfinite(score.low) or not math.isfinite(score.high):
        return 0.0
    half = score.value - score.low if gap > 0 else score.high - score.value  # on the reference's side
    return excess / max(half, 1e-9) if excess else 0.0


def _from_ideal(score: Score, ideal: float) -> tuple[float, float, float, float]:
    """A score's value, the ends of its interval and its reference as distances from what is best."""
    value, reference = abs(score.value - ideal), abs(score.reference - ideal)
    if not math.isfinite(score.low) or not math.isfinite(score.high):
        return value, math.nan, math.nan, reference
    half = score.value - score.low, score.high - score.value
    nearer = half[0] if score.value > ideal else half[1]
    return value, value - nearer, value + max(half), reference


def read(
    score: Score,
    badness: float,
    control: str | None,
    scores: dict[str, Score],
    needs_control: bool,
    ideal: float | None = None,
) -> str:
    """One sentence on a score: worse and better mean that its interval leaves the reference out."""
    if not math.isfinite(score.value):
        return "Could not be computed."
    if not math.isfinite(score.reference):
        return "There is nothing to read it against."
    if not math.isfinite(score.low):
        return "Too few patients to tell."
    if badness > 1:
        said = "Worse than the reference" + (".", f": further from {ideal or 0:g}.")[ideal is not None]
    elif badness >= -1:
        said = "Not told from the reference."
    else:
        said = "Better than the reference" + (".", f": nearer to {ideal or 0:g}.")[ideal is not None]
    if control is not None:
        found = scores[control]
        caught = math.isfinite(found.low) and found.low > found.reference
        end = "it would have found copies" if caught else "it is blind here, and its value says nothing"
        said += f" Control: {found.value:.3f}, {end}."
    elif needs_control:
        said += " It has no control: nobody can say whether it would have found anything."
    return said


def judge_areas(findings: list[Finding], gate: Verdict | None) -> list[AreaVerdict]:
    """Each area with its verdict, worst first.

    Leakage has not passed where no attack was judged: that nothing was copied is not that nothing leaks.
    """
    results = [] if gate is None else gate.results
    found = []
    for area in NAMES:
        own = [one for one in results if area_of(one) == area]
        counted = [one["outcome"] for one in own if not one["is_excused"]]
        outcome = min(counted, key=OUTCOMES.index) if counted else "not measured" if own else NO_THRESHOLD
        remark = ""
        if area == LEAKAGE and outcome == "passed" and not any(map(_is_of_attack, own)):
            outcome = "not measured"
            remark = "No threshold is about an attack. What was asked for is met, and says little of leakage."
        found.append(AreaVerdict(area, outcome, own, [one for one in findings if one.area == area], remark))
    return sorted(found, key=lambda one: _ORDER.index(one.outcome))


def _is_of_attack(result: dict[str, Any]) -> bool:
    measure = find_measure(result["measured"]) if result["measured"] else None
    return measure is not None and measure.needs_control


def say_standing(gate: Verdict) -> str:
    """What came of a gate, in a sentence that tells missed from undecided."""
    asked = [one["outcome"] for one in gate.results if not one["is_excused"]]
    missed, met = asked.count("failed"), asked.count("passed")
    if gate.differing:
        return (
            "It was evaluated otherwise than the protocol declares, so that it does not pass: "
            f"{'; '.join(gate.differing)}. Thresholds met: {met} of {len(asked)}."
        )
    excused = len(gate.results) - len(asked)
    more = f" Of {excused} that ask only for what is measured, nothing was." if excused else ""
    if not asked:
        return f"No threshold could be judged: it does not pass.{more}"
    if met == len(asked):
        return f"All {met} thresholds that were declared are met.{more}"
    left = len(asked) - met - missed
    said = f"Of {len(asked)} thresholds that were declared {met} are met, {missed} missed and {left}"
    return f"{said} undecided: it {'passes' if gate.outcome == 'passed' else 'does not pass'}.{more}"


def list_untested(gate: Verdict) -> list[str]:
    """What thresholds ask for and nobody measured or could decide, and attacks that saw nothing."""
    said = []
    for one in gate.results:
        if one["outcome"] in ("not measured", "inconclusive"):
            said.append(f"Not decided, {one['target']}: {one['detail']}.")
        elif one["blind"]:
            said.append(f"Blind, so left out of {one['target']}: {', '.join(one['blind'])}.")
    return said


def area_of(result: dict[str, Any]) -> str:
    """The area of a threshold's result."""
    measure = find_measure(result["measured"]) if result["measured"] else None
    declared = result["threshold"].get("area") or (measure and measure.area)
    return declared or find_area(result["threshold"]["metric"])


def rank_columns(report: pd.DataFrame) -> pd.DataFrame:
    """Single columns by the distance of their distribution from train's, the furthest first; may be empty."""
    rows = report[report["metric"].str.match(r"(ks|tv)\[")].dropna(subset="value")
    return rows.sort_values(["value", "metric"], ascending=[False, True], kind="stable")


def list_unknown_columns(report: pd.DataFrame) -> list[str]:
    """Single columns of whose distribution nothing can be said, such as one that nobody has a value of."""
    rows = report[report["metric"].str.match(r"(ks|tv)\[") & report["value"].isna()]
    return [split_name(name)[1] for name in rows["metric"]]
