"""The gate: does a report meet the thresholds that its protocol declared?

Only what a release publishes is judged, rounded as it is published: whoever has the release gets the same
verdict. Nothing here knows when thresholds were declared; the chain does, where the protocol is registered.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from synthlib.areas import find_control, find_measure, fits, is_control, is_published, outline, read_name
from synthlib.bundle import canonical_json
from synthlib.scores import Score, round_scores
from synthlib.thresholds import (
    EVERYBODY,
    SETTINGS,
    Threshold,
    acceptance_digest,
    declared_settings,
    lets_pass,
    parse_acceptance,
)

GATE_FILE, GATE_FORMAT = "gate.json", "synthlib-gate/2"
OUTCOMES = ("failed", "inconclusive", "not measured", "passed")  # worst first
MET, MISSED, UNDECIDED = STANDINGS = ("met", "missed", "inconclusive")


class Verdict(NamedTuple):
    """What came of a gate.

    Attributes:
        acceptance: what was declared, the whole section.
        results: a dict for each threshold, in the order of declaration; see `judge`.
        used: settings that the report was made with, where the protocol declares some and they are known.
    """

    acceptance: Any
    results: list[dict[str, Any]]
    used: dict[str, Any] | None = None

    @property
    def outcome(self) -> str:
        """`"passed"` if every threshold is, but for those that ask only `if_measured`; else `"failed"`.

        What is inconclusive does not pass, unless the protocol says that it does; something must have passed.
        Nor does a report that was made with other settings than the protocol declares.
        """
        if self.differing:
            return "failed"
        allowed = {"passed", "inconclusive"} if lets_pass(self.acceptance) else {"passed"}
        counted = self._counted
        return "passed" if "passed" in counted and set(counted) <= allowed else "failed"

    @property
    def standing(self) -> str:
        """`"missed"` if some threshold is for sure, `"met"` if all are, else `"inconclusive"`."""
        if "failed" in self._counted:
            return MISSED
        return MET if set(self._counted) == {"passed"} and not self.differing else UNDECIDED

    @property
    def differing(self) -> list[str]:
        """Where the report was made with other settings than the protocol declares, in words."""
        declared = declared_settings(self.acceptance)
        used = (self.used or {}) if declared else {}
        names = [*declared, *sorted(set(used) - set(SETTINGS))]
        return [
            f"{name} was {used.get(name, 'not told')}, declared: {declared.get(name, 'none')}"
            for name in names
            if name not in used or used[name] != declared.get(name)
        ]

    @property
    def _counted(self) -> list[str]:
        return [one["outcome"] for one in self.results if not one["is_excused"]]

    @property
    def table(self) -> pd.DataFrame:
        """The results as a DataFrame."""
        return pd.DataFrame(self.results)

    @property
    def digest(self) -> str:
        """SHA-256 of `gate.json`, hexadecimal."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def to_json(self) -> bytes:
        """`gate.json`: canonical JSON. What is NaN is null."""
        results = [
            {name: None if _is_nan(value) else value for name, value in one.items()} for one in self.results
        ]
        about = {"evaluation": self.used} if declared_settings(self.acceptance) else {}
        return canonical_json(
            about
            | {
                "format": GATE_FORMAT,
                "acceptance": self.acceptance,
                "acceptance_digest": acceptance_digest(self.acceptance),
                "results": results,
                "standing": self.standing,
                "verdict": self.outcome,
            }
        )

    def summarise(self) -> dict[str, Any]:
        """What a paper says of it: outcome, standing, counts, and a row for each threshold."""
        rows = [
            {name: one[name] for name in ("target", "limit", "outcome", "measured")} for one in self.results
        ]
        counts = {f"num_{word.replace(' ', '_')}": self._counted.count(word) for word in OUTCOMES}
        told = {"outcome": self.outcome, "standing": self.standing, "num_thresholds": len(self._counted)}
        return told | counts | {"thresholds": rows}

    def describe(self) -> dict[str, str]:
        """What a release's manifest says of it."""
        return {
            "verdict": self.outcome,
            "standing": self.standing,
            "gate_digest": self.digest,
            "acceptance_digest": acceptance_digest(self.acceptance),
        }


def judge(report: pd.DataFrame, acceptance: Any, used: Mapping[str, Any] | None = None) -> Verdict:
    """Whether a report meets the thresholds that were declared.

    As in trials of non-inferiority, a threshold on the end of an interval is `"passed"` where the whole
    interval keeps to the limit, `"failed"` where the whole interval is beyond it, and else `"inconclusive"`.
    So it is where a value, interval or reference is NaN, or a positive control is missing or not caught. A
    control is caught where it fails the same threshold with the whole of its interval: else the threshold
    could not have been failed. Of several attacks those whose control is not caught are left out, as they say
    nothing, unless none is left. `"not measured"` says that there is no such metric.

    Args:
        report: from `evaluate`, or what `public_report` leaves of it; both give the same verdict.
        acceptance: as `parse_acceptance` takes it.
        used: settings that the report was made with; by default those that `evaluate` left in
            `report.attrs["evaluation"]`. They count where the protocol declares some.

    Returns:
        Verdict. Its results have `threshold` (as declared), `target`, `limit`, `measured` (the metric that is
        worst among those that fit), `value, low, high, reference`, `compared` (what was held against the
        limit), `control` (its value), `num_fitting`, `blind` (names of attacks that were left out),
        `outcome`, `is_excused` and `detail`.

    Raises:
        ValueError: for thresholds that cannot be read, or none; for a published score that is infinite, or
            there twice.

    Reference: Piaggio et al. 2012, "Reporting of Noninferiority and Equivalence Randomized Trials", figure 1.
    """
    thresholds = parse_acceptance(acceptance)
    if not thresholds:
        raise ValueError('expected thresholds to judge by, got none; declare {"thresholds": [...]}')
    kept = report[report["metric"].map(is_published)] if len(report) else report
    numbers = kept[list(Score._fields[1:])].astype(float)
    if (infinite := (numbers.abs() == math.inf).any(axis=1)).any():
        named = kept["metric"][infinite].iloc[0]
        raise ValueError(f"expected finite numbers or missing ones in the report, got an infinite {named}")
    if (repeated := kept["metric"].duplicated()).any():
        named = kept["metric"][repeated].iloc[0]
        raise ValueError(f"expected each metric once in the report, got several of {named}")
    kept = round_scores(kept)
    scores = {row.metric: Score(*row) for row in kept[list(Score._fields)].itertuples(index=False)}
    results = []
    for threshold, declared in zip(thresholds, acceptance["thresholds"], strict=True):
        found = [_judge_one(threshold, name, scores) for name in scores if _is_meant(threshold, name)]
        results.append({"threshold": dict(declared)} | _pick_worst(threshold, found))
    used = report.attrs.get("evaluation") if used is None else used
    known = isinstance(used, Mapping) and bool(declared_settings(acceptance))
    return Verdict(acceptance, results, dict(used) if known else None)


def is_judged(acceptance: Any, metric: str) -> bool:
    """Whether some declared threshold is about a metric."""
    return any(_is_meant(threshold, metric) for threshold in parse_acceptance(acceptance))


def gate_outcome(manifest: Any) -> str:
    """What a release's manifest says of its gate: `"passed"`, `"failed"`, or `"none"` where it says nothing.

    Anything but a clear "passed" counts as failed, where a gate is spoken of at all.
    """
    parameters = manifest.get("parameters") if isinstance(manifest, Mapping) else None
    told = parameters.get("gate") if isinstance(parameters, Mapping) else None
    if told is None:
        return "none"
    return "passed" if isinstance(told, Mapping) and told.get("verdict") == "passed" else "failed"


def _is_meant(threshold: Threshold, name: str) -> bool:
    if is_control(name) or _is_exempt(threshold.exempt, name):
        return False
    if threshold.population and threshold.population != (read_name(name).population or EVERYBODY):
        return False
    if threshold.metric:
        return fits(name, threshold.metric)
    measure = find_measure(name)
    return measure is not None and measure.area == threshold.area


def _is_exempt(pattern: str, name: str) -> bool:
    """Whether an exception means a name: by the whole of it if it spells brackets, else by its outline."""
    return bool(pattern) and fits(outline(name) if "*" in pattern.partition("[")[0] else name, pattern)


def _judge_one(threshold: Threshold, name: str, scores: Mapping[str, Score]) -> dict[str, Any]:
    """One metric against one threshold; `margin` is how far on the right side it is."""
    score, measure = scores[name], find_measure(name)
    better = measure.better if measure else "closer"
    worst, best = _compare(threshold, score, better)
    told = {"measured": name, **score._asdict(), "compared": worst, "margin": _margin(threshold, worst)}
    control = find_control(name, scores)
    told |= {"control": scores[control].value if control else math.nan, "is_blind": False}
    del told["metric"]
    if _is_nan(worst):
        return told | {"outcome": "inconclusive", "detail": "it could not be computed"}
    if _margin(threshold, best) < 0:
        return told | {"outcome": "failed", "detail": f"{worst:.3f} is beyond {threshold.limit:g}"}
    if control is None and measure and measure.needs_control:
        detail = "no positive control stands beside it: nobody can say whether it would have found anything"
        return told | {"outcome": "inconclusive", "detail": detail, "is_blind": True}
    if control and not _is_caught(threshold, scores[control], better):
        detail = "its positive control is not caught: the attack is blind here"
        return told | {"outcome": "inconclusive", "detail": detail, "is_blind": True}
    if told["margin"] < 0:
        detail = f"the interval reaches {worst:.3f}, beyond {threshold.limit:g}: too few patients to tell"
        return told | {"outcome": "inconclusive", "detail": detail}
    return told | {"outcome": "passed", "detail": f"{worst:.3f} is within {threshold.limit:g}"}


def _margin(threshold: Threshold, compared: float) -> float:
    if _is_nan(compared):
        return -math.inf
    margin = threshold.limit - compared if threshold.side == "at_most" else compared - threshold.limit
    return round(margin, 9)  # 0.55 - 0.3 - 0.25 is not 0 in binary


def _compare(threshold: Threshold, score: Score, better: str) -> tuple[float, float]:
    """The worst and the best number that are held against the limit: one, or the ends of the interval."""
    seen = [score.value]
    if threshold.bound != "value":  # a point outside its interval is no way round the limit
        seen += [score.low, score.high]
    if any(map(_is_nan, seen)) or (threshold.of == "excess" and _is_nan(score.reference)):
        return math.nan, math.nan
    if threshold.of == "excess":
        seen = [round(_excess(value, score.reference, better), 9) for value in seen]
    return (max(seen), min(seen)) if threshold.side == "at_most" else (min(seen), max(seen))


def _excess(value: float, reference: float, better: str) -> float:
    """How much worse than the reference; negative where it is better."""
    if better == "closer":
        return abs(value - reference)
    return value - reference if better == "lower" else reference - value


def _is_caught(threshold: Threshold, control: Score, better: str) -> bool:
    """Whether a control fails the threshold with the whole of its interval."""
    ends = (control.low, control.high)
    if any(map(_is_nan, ends)):
        return False
    if threshold.of == "excess":
        return min(_excess(value, control.reference, better) for value in ends) > threshold.limit
    return min(ends) > threshold.limit if threshold.side == "at_most" else max(ends) < threshold.limit


def _pick_worst(threshold: Threshold, found: list[dict[str, Any]]) -> dict[str, Any]:
    """The worst of what fits, with what is said of the threshold itself."""
    told = {"target": threshold.target, "limit": threshold.words, "num_fitting": len(found)}
    if not found:
        empty = dict.fromkeys(("value", "low", "high", "reference", "compared", "control"), math.nan)
        empty |= {"blind": []}
        detail = "the report holds no such metric"
        detail += ", which this threshold allows" if threshold.if_measured else ""
        told |= {"measured": "", **empty, "outcome": "not measured", "detail": detail}
        return told | {"is_excused": threshold.if_measured}
    seeing = [one for one in found if not one["is_blind"]] or found
    worst = min(seeing, key=lambda one: (OUTCOMES.index(one["outcome"]), one["margin"], one["measured"]))
    told |= {name: worst[name] for name in worst if name not in ("margin", "is_blind")}
    blind = sorted(one["measured"] for one in found if one["is_blind"] and one not in seeing)
    if blind:
        told["detail"] += f"; blind here and left out: {', '.join(blind)}"
    return told | {"blind": blind, "is_excused": False}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
