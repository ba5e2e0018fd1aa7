"""Thresholds that a protocol declares beforehand, in its `acceptance` section."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from synthlib import areas
from synthlib.areas import is_control, is_published
from synthlib.bundle import canonical_json

_SIDES, _BOUNDS, _OF = ("at_most", "at_least"), ("value", "high", "low"), ("value", "excess")
_FIELDS = {"metric", "population", "except", "area", "worst", *_SIDES, "bound", "of", "if_measured", "why"}
_BESIDE = {"thresholds", "choice", "why", "inconclusive", "planned", "power", "evaluation"}
EVERYBODY = "all"
SETTINGS = {"seed": int, "attacks": bool, "max_targets": int}  # of an evaluation, as `evaluate` takes them
REFUSES, PASSES = "does not pass", "passes"  # what is inconclusive


class Threshold(NamedTuple):
    """One limit, as declared.

    Attributes:
        metric: name or pattern; empty where a whole area is meant.
        area: of the metrics; empty where they are named.
        exempt: pattern of names that are not meant (`except`); empty for none. Its stars stand for nothing
            that names a column.
        worst: whether several metrics may fit: the worst of them is judged.
        side: `"at_most"` or `"at_least"`.
        limit: a number.
        bound: `"value"`, or the end of the 95% interval on the unfavourable side: `"high"` or `"low"`.
        of: `"value"`, or `"excess"`: how much worse than its reference (what real patients score) it is.
        if_measured: whether a report without such a metric may pass.
        why: the reason for it.
        population: of whom scores are meant: `"all"` patients, or one of `areas.POPULATIONS`; empty for any.
    """

    metric: str
    area: str
    exempt: str
    worst: bool
    side: str
    limit: float
    bound: str
    of: str
    if_measured: bool
    why: str
    population: str = ""

    @property
    def target(self) -> str:
        """What it is about, in words."""
        name = self.metric or f"area {self.area}"
        name += f" ({self.population})" if self.population else ""
        name += f" except {self.exempt}" if self.exempt else ""
        return f"worst of {name}" if self.worst else name

    @property
    def words(self) -> str:
        """What must hold, in words."""
        what = "" if self.of == "value" else "worse than real patients by "
        side = self.side.replace("_", " ")
        end = "" if self.bound == "value" else ", also at the unfavourable end of the 95% interval"
        return f"{what}{side} {self.limit:g}{end}"


def acceptance_digest(acceptance: Any) -> str:
    """SHA-256 of a protocol's `acceptance` section as canonical JSON."""
    return hashlib.sha256(canonical_json(acceptance)).hexdigest()


def parse_acceptance(acceptance: Any) -> tuple[Threshold, ...]:
    """The thresholds of a protocol's `acceptance`; none where it is words or JSON without any.

    Args:
        acceptance: such as `{"thresholds": [{"metric": "membership_auroc", "at_most": 0.55, "bound": "high"},
            {"area": "leakage", "worst": true, "of": "excess", "at_most": 0.05, "bound": "high"}]}`. Beside
            `thresholds` it may hold `choice` (of one candidate), `why`, `inconclusive` (`"does not pass"`,
            the default, or `"passes"`), `planned` (how many are asked about), `power` (see `check_power`),
            `evaluation` (see `declared_settings`).

    Raises:
        ValueError: for an unknown field, a limit that is no number, a metric that nothing computes or no
            release publishes, and what would be ambiguous.
    """
    if not isinstance(acceptance, Mapping):
        return ()
    named = [name for name in acceptance if str(name).lower().startswith("threshold")]
    if not named:
        return ()
    unknown = sorted(set(map(str, acceptance)) - _BESIDE)
    if unknown or named != ["thresholds"]:
        raise ValueError(
            f"expected {', '.join(sorted(_BESIDE))} in acceptance, got {', '.join(unknown)}; "
            "put what else there is to say into why"
        )
    _check_beside(acceptance)
    declared = acceptance["thresholds"]
    if not isinstance(declared, list | tuple) or not declared:
        raise ValueError("expected thresholds to be a list of at least one object, got something else")
    return tuple(_parse(one, f"threshold {number}") for number, one in enumerate(declared, 1))


def lets_pass(acceptance: Any) -> bool:
    """Whether a protocol's `acceptance` lets pass what is inconclusive; unless it says so, it does not."""
    return isinstance(acceptance, Mapping) and acceptance.get("inconclusive", REFUSES) == PASSES


def declared_settings(acceptance: Any) -> dict[str, Any]:
    """The `seed`, `attacks` and `max_targets` that the evaluation must be made with; empty where none are.

    Whoever may choose them afterwards may evaluate again until a table passes.
    """
    told = acceptance.get("evaluation") if isinstance(acceptance, Mapping) else None
    return dict(told) if isinstance(told, Mapping) else {}


def judges_attacks(acceptance: Any) -> bool:
    """Whether a threshold is about an attack, which says nothing unless its control is caught."""
    return any(
        (one.area or areas.find_area(one.metric)) == areas.LEAKAGE
        and (bool(one.area) or areas.may_need_control(one.metric))
        for one in parse_acceptance(acceptance)
    )


def check_power(acceptance: Any) -> None:
    """That who declares thresholds on attacks says what leak they would notice, in `power`.

    Raises:
        ValueError: if that is not said: "no attack found anything" is worth what the attacks can find.
    """
    said = acceptance.get("power", "") if isinstance(acceptance, Mapping) else ""
    if judges_attacks(acceptance) and not said.strip():
        raise ValueError(
            "expected power beside thresholds on attacks, got none; say in it what leak they would notice at "
            "the planned numbers of patients, as synthlib.planning.default_acceptance does"
        )


def _check_beside(acceptance: Mapping[str, Any]) -> None:
    told = acceptance.get("inconclusive", REFUSES)
    if told not in (REFUSES, PASSES):
        raise ValueError(f"expected inconclusive to be {REFUSES!r} or {PASSES!r}, got {told!r}")
    if not isinstance(acceptance.get("power", ""), str):
        raise ValueError("expected power to be text")
    told = acceptance.get("evaluation", {})
    known = isinstance(told, Mapping) and set(told) <= set(SETTINGS)
    if not known or any(type(told[name]) is not SETTINGS[name] or told[name] < 0 for name in told):
        raise ValueError(
            "expected evaluation to hold seed and max_targets, numbers from 0, and attacks, true or false; "
            "got something else"
        )
    planned = acceptance.get("planned", {})
    sizes = planned.values() if isinstance(planned, Mapping) else [None]
    if any(isinstance(one, bool) or not isinstance(one, int) or one < 0 for one in sizes):
        raise ValueError("expected planned to hold numbers of patients, got something else")


def _parse(declared: Any, where: str) -> Threshold:
    if not isinstance(declared, Mapping):
        raise ValueError(f"{where}: expected an object, got {type(declared).__name__}")
    unknown = sorted(set(map(str, declared)) - _FIELDS)
    if unknown:
        raise ValueError(
            f"{where}: expected fields of {', '.join(sorted(_FIELDS))}, got {', '.join(unknown)}"
        )
    sides = [side for side in _SIDES if side in declared]
    if len(sides) != 1:
        raise ValueError(f"{where}: expected one of at_most and at_least, got {len(sides)}")
    side, limit = sides[0], declared[sides[0]]
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not math.isfinite(limit):
        raise ValueError(f"{where}: expected {side} to be a finite number, got {limit!r}")
    bound, of = declared.get("bound", "value"), declared.get("of", "value")
    choices = [("bound", bound, _BOUNDS), ("of", of, _OF)]
    if "population" in declared:
        choices.append(("population", declared["population"], (EVERYBODY, *areas.POPULATIONS)))
    for name, value, allowed in choices:
        if value not in allowed:
            raise ValueError(f"{where}: expected {name} to be one of {', '.join(allowed)}, got {value!r}")
    for name in ("worst", "if_measured"):
        if not isinstance(declared.get(name, False), bool):
            raise ValueError(f"{where}: expected {name} to be true or false, got {declared[name]!r}")
    if not isinstance(declared.get("why", ""), str):
        raise ValueError(f"{where}: expected why to be text")
    if bound != "value" and (bound == "high") != (side == "at_most"):
        raise ValueError(
            f"{where}: expected {'high' if side == 'at_most' else 'low'} or value as the bound of {side}: "
            "the favourable end of an interval shows nothing"
        )
    if of == "excess" and side != "at_most":
        raise ValueError(f"{where}: expected at_most with of = excess: it counts what is worse")
    target = _parse_target(declared, of, where)
    return Threshold(
        *target, declared.get("worst", False), side, float(limit), bound, of,
        declared.get("if_measured", False), declared.get("why", ""), declared.get("population", ""),
    )  # fmt: skip


def _parse_target(declared: Mapping[str, Any], of: str, where: str) -> tuple[str, str, str]:
    metric, area, exempt = (declared.get(name, "") for name in ("metric", "area", "except"))
    if not isinstance(exempt, str) or (exempt and not declared.get("worst", False)):
        raise ValueError(f"{where}: expected except as a pattern beside worst = true, got {exempt!r}")
    if (not metric) == (not area) or not isinstance(metric, str) or not isinstance(area, str):
        raise ValueError(f"{where}: expected either a metric or an area, as text")
    if area and area not in areas.NAMES:
        raise ValueError(f"{where}: expected an area of {', '.join(areas.NAMES)}, got {area!r}")
    if area and of != "excess":
        raise ValueError(f"{where}: expected of = excess with an area: its metrics have no scale in common")
    if (area or "*" in metric) and not declared.get("worst", False):
        raise ValueError(f"{where}: expected worst = true where several metrics may fit")
    if metric and not areas.may_fit(metric):
        raise ValueError(
            f"{where}: expected the name or pattern of a metric, got {metric!r}, which none fits"
        )
    if metric and "[" in metric and "*" not in metric.partition("[")[0] and not is_published(metric):
        raise ValueError(
            f"{where}: expected a metric that a release publishes, got {metric!r}: scores of single columns "
            "stay with the steward, so nobody could check it; use an overall score"
        )
    if metric and is_control(metric):
        raise ValueError(
            f"{where}: expected a metric, got the control {metric!r}; controls count by themselves"
        )
    return metric, area, exempt
