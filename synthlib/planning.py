"""Thresholds to start from, chosen by what the planned numbers of patients can show.

A threshold that no table can meet says nothing of a table, and neither does one that copies meet. So each
limit here is taken from a short list of conventions: the strictest that a table which leaks nothing meets
nearly always at the planned numbers. What no limit of the list suits is left out, and the protocol says so,
as it says which leak would be noticed. All of it follows from counts of patients, before any attack.
It was tried on cohorts of which it is known what was leaked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from synthlib.schema import Schema
from synthlib.scores import wilson_interval
from synthlib.thresholds import EVERYBODY

MOST_ASKED = 2_000  # of members, and of others, by default: as `leakage_report`
MOST_ATTACKED = 20_000  # rows of a synthetic table, and of each control: as `leakage_report`
EVENTS = 0.1  # share of patients with the event that calibration is planned with
LARGE_SHARE = 0.05  # of the holdout: smaller groups do not count for an attribute's fairness
RATES = (0.001, 0.01, 0.1)  # of false positives that are reported
EXPECTED = 10  # false positives, at least
MET = 0.99  # chance with which one attack on a table that leaks nothing must meet its threshold
EXPOSED = 0.08  # share of those asked about that count as most exposed, at least; meant is a tenth
NOTICED = 0.9  # chance with which the leak that is named in the power statement does not pass
MISS = 0.0125  # on each side of each of the two intervals behind a true-positive rate
MET_AUROC = 0.95  # the same of an AUROC: four attacks and the report's own rank nearly alike
Z, Z_MET, Z_NOTICED = 1.959964, 2.326348, 1.281552  # normal quantiles: of the interval, of MET, of NOTICED
Z_MET_AUROC = 1.644854

# Limits to choose from, the strictest first, each with its reason.
AUROC_LIMITS = (
    (0.55, "an AUROC of 0.556 is a small effect (Rice and Harris 2005): the worst attack stays below"),
    (0.6, "midway from a small to a medium effect (0.556, 0.639; Rice and Harris 2005): too few for less"),
    (0.64, "an AUROC of 0.639 is a medium effect (Rice and Harris 2005): too few patients for less"),
    (0.71, "an AUROC of 0.714 is a large effect (Rice and Harris 2005): too few patients for less"),
)
TPR_LIMITS = (0.01, 0.02, 0.03, 0.05)
FOUND = "attacks are judged where false alarms are rare (Carlini et al. 2022): hardly a member is found"
RISK_LIMIT, GAIN_LIMIT = 0.09, 0.1
RISK = "0.09 is what EMA (Policy 0070) and Health Canada accept for data that are made public"
GAIN = "of ten guesses at a secret, at most one more is right of members than of other patients"

COPIES: Mapping[str, Any] = {
    "metric": "exact_copies", "of": "excess", "at_most": 0.001, "bound": "value",
    "why": "no more rows equal a training row than fresh patients do by chance, to one in a thousand",
}  # fmt: skip
OTHERS: tuple[Mapping[str, Any], ...] = (
    {"metric": "tstr_auroc_gap_*", "worst": True, "at_least": -0.05, "bound": "low",
     "why": "0.05 AUROC is a usual margin of non-inferiority: the loss is smaller, interval included"},
    {"metric": "fairness_*_amplification", "worst": True, "at_most": 0.1, "bound": "value",
     "if_measured": True,
     "why": "on the whole groups differ by no more than 0.1 beyond what real rows teach (a line of AI "
            "Fairness 360); a mean over attributes, by its value: it says nothing of a single one"},
    {"metric": "invalid_share", "of": "excess", "at_most": 0.001, "bound": "value",
     "why": "no more impossible values than real patients have"},
)  # fmt: skip


WORST_FAIRNESS: Mapping[str, Any] = {
    "metric": "fairness_*_amplification_worst", "worst": True, "at_most": 0.1, "bound": "high",
    "if_measured": True,
    "why": "nor by more than 0.1 for the attribute of which they differ most, interval included",
}  # fmt: skip
NEEDED = (
    "Fairness must be measured, as protected columns are declared ({}): a table does not pass where none of "
    "these forms two groups of 11 patients or more in train and in holdout, there with 11 who have the event "
    "and 11 who have not. A number needs declared ends, and a date forms no groups."
)
_CLOSE: Mapping[str, Any] = {"of": "excess", "bound": "value"}
CALIBRATION: tuple[Mapping[str, Any], ...] = (
    {"metric": "tstr_calibration_intercept_logistic", "at_most": 0.3, **_CLOSE,
     "why": "risks on the whole as high as those of a model of real rows: 0.3 in log odds is 25% for 20%"},
    {"metric": "tstr_calibration_slope_logistic", "at_most": 0.2, **_CLOSE,
     "why": "risks as spread as those of a model of real rows, to a fifth (Van Calster et al. 2016)"},
)  # fmt: skip


class Sizes(NamedTuple):
    """How many patients attacks ask about.

    Attributes:
        members: of the training table.
        others: of the holdout.
        share: of the training table that the members are.
        shown: share of the synthetic rows that are attacked: of a large table 20,000 are.
        copied: the same share of the control that copies train.
    """

    members: int
    others: int
    share: float
    shown: float = 1.0
    copied: float = 1.0


def plan_sizes(
    num_train: int, num_holdout: int, max_targets: int = MOST_ASKED, num_synthetic: int | None = None
) -> Sizes:
    """Whom `leakage_report` asks about: at most half of train, and at most `max_targets` on either side."""
    members = max(2, min(max_targets, num_train // 2))
    shown, copied = (min(1.0, MOST_ATTACKED / max(num, 1)) for num in (num_synthetic or num_train, num_train))
    return Sizes(members, min(max_targets, num_holdout), members / max(num_train, 1), shown, copied)


def default_acceptance(
    schema: Schema, num_train: int | None = None, num_holdout: int | None = None,
    max_targets: int = MOST_ASKED, seed: int = 0, num_synthetic: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Conventions to start from, not laws, as a protocol's `acceptance`: declare your own.

    Usefulness is left out without a target; where the target is a number it is R², within 0.1 of what real
    rows teach. Fairness must have been measured where the Schema declares protected columns and a target of
    two levels: who declares them wants to know.

    Args:
        schema: of the tables.
        num_train, num_holdout: patients on either side of the split; None: enough to ask about `max_targets`.
        max_targets: as `evaluate` takes it. Who asks about fewer than planned decides less.
        seed: as `evaluate` takes it: who could choose it afterwards could try until a table passes.
        num_synthetic: rows that will be drawn; None: as many as `num_train`.

    Returns:
        `thresholds`, `planned` (the numbers asked about), `power` (what leak would be noticed, and what is
        not judged, in words), `evaluation` (settings) and `inconclusive`: what is undecided does not pass.
    """
    num_train, num_holdout = num_train or 2 * max_targets, num_holdout or max_targets
    sizes = plan_sizes(num_train, num_holdout, max_targets, num_synthetic)
    attacks, said = plan_attacks(sizes)
    kept, left = plan_others(schema, num_train, num_holdout)
    return {
        "thresholds": [*attacks, dict(COPIES), *kept],
        "planned": {"members": sizes.members, "others": sizes.others},
        "power": said + left,
        "evaluation": {"seed": seed, "attacks": True, "max_targets": max_targets},
        "inconclusive": "does not pass",
    }


def plan_attacks(sizes: Sizes) -> tuple[list[dict[str, Any]], str]:
    """Thresholds on attacks that these numbers can decide, and the power statement.

    Each is judged by the upper end of a 95% interval, so that a table that leaks nothing needs room. All
    patients, and the most exposed tenth alone: averages hide what happens to these few. Where no more than a
    part of a copy of train would be attacked, and that part alone would not break a threshold, there is none:
    nothing passes whose control is not caught.
    """
    few = sizes._replace(members=int(EXPOSED * sizes.members), others=int(EXPOSED * sizes.others))
    found, said, left = _plan(sizes, EVERYBODY, Z_MET_AUROC)
    of_few, said_of_few, left_of_few = _plan(few, "exposed", Z_MET)
    exposed = f"Of the most exposed tenth alone, at least {few.members:,} and {few.others:,}: "
    exposed += "; ".join(said_of_few) or "nothing is judged"
    text = (
        f"Planned: attacks ask about {sizes.members:,} members and {sizes.others:,} others. "
        f"{_say_shown(sizes)}Nine times in "
        f"ten a table does not pass in which so many of those members are found outright: "
        f"{'; '.join(said) or 'none that can be named'}. {exposed}. Copied rows are noticed from one in a "
        "thousand. Smaller leaks, and what these attacks do not look for, may pass. Too few for any limit, "
        f"so measured and not judged: {', '.join(left) or 'nothing'}. Of the most exposed alone not judged "
        f"either: {', '.join(left_of_few) or 'nothing'}. Nor are singling out, and guesses that a model is "
        "surest of."
    )
    return found + of_few, text


def _plan(sizes: Sizes, population: str, room: float) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Thresholds on one population, what leaks they notice, and what they leave out.

    Args:
        sizes: of the population.
        population: its name.
        room: normal quantile of the chance that an AUROC that knows nothing keeps to its limit.
    """
    found: list[dict[str, Any]] = []
    said, left = [], []
    spread = auroc_spread(sizes)
    chosen = next(((at, why) for at, why in AUROC_LIMITS if (at - 0.5) / spread >= Z + room), None)
    if chosen is None or not _shows_copy(sizes, 2 * (chosen[0] - 0.5), 2 * spread):
        left.append("membership by AUROC")
    else:
        found.append(_ask("membership_auroc*", *chosen, population))
        share = max(2 * (chosen[0] - 0.5 - (Z - Z_NOTICED) * spread), 0.0)
        said.append(f"by AUROC {_say_leak(share, sizes)}")
    rate = lowest_rate(sizes.others)
    limit = None if rate is None else tpr_limit(sizes, rate)
    error = math.sqrt(sizes.copied * (1 - sizes.copied) / max(sizes.members, 1))
    if limit is None or not _shows_copy(sizes, limit, error):
        left.append("members found at few false alarms")
    else:
        found.append(_ask(f"membership_tpr{100 * rate:g}[*", limit, FOUND, population, of="excess"))
        said.append(f"at {rate:.1%} false alarms {_say_leak(tpr_notices(sizes, rate, limit), sizes)}")
    if wilson_interval(2, sizes.members)[1] > RISK_LIMIT / 2 or not _shows_copy(sizes, RISK_LIMIT, error):
        left.append("linkability")
    else:
        found.append(_ask("linkability_risk*", RISK_LIMIT, RISK, population))
        said.append(f"by linking two halves of a record {_say_leak(RISK_LIMIT, sizes, 0)}")
    # the spread of a difference of two shares is largest where both are one half
    widest = math.sqrt(0.25 / max(sizes.members, 1) + 0.25 / max(sizes.others, 1))
    if (Z_MET + Z) * widest > GAIN_LIMIT or not _shows_copy(sizes, 2 * GAIN_LIMIT, 2 * widest):
        left.append("guesses of a secret")
    else:
        found += [_ask(f"{kind}_gain*", GAIN_LIMIT, GAIN, population) for kind in ("inference", "attribute")]
        table = "a table that betrays {} more than others know"
        said.append(f"by guesses of a secret, {_say_leak(GAIN_LIMIT, sizes, 0, table)}")
    return found, said, left


def _say_shown(sizes: Sizes) -> str:
    if min(sizes.shown, sizes.copied) == 1:
        return f"Of more than {MOST_ATTACKED:,} synthetic rows that many are attacked, and less is noticed. "
    return (
        f"No more than {MOST_ATTACKED:,} rows of a table are attacked: {100 * sizes.shown:.3g}% of the "
        f"synthetic ones, {100 * sizes.copied:.3g}% of a copy beside them; leaks are told of the whole "
        "table, and of rows that are in it once. "
    )


def _say_leak(share: float, sizes: Sizes, digits: int = 1, words: str = "a leak of {}") -> str:
    needed = whole_leak(share, sizes)
    return words.format(f"{needed:.{digits}%}") if needed <= 1 else "no leak of rows that are there once"


def whole_leak(share: float, sizes: Sizes) -> float:
    """Share of members whose rows must be in the table for this share to be among the rows that are attacked.

    Nine times in ten, since chance decides which rows are. Above 1 where not even a copy has so many.
    """
    spread = Z_NOTICED * math.sqrt(1 - sizes.shown)
    found = ((spread + math.sqrt(spread**2 + 4 * share * sizes.members)) / 2) ** 2
    return found / max(sizes.members, 1) / sizes.shown


def _shows_copy(sizes: Sizes, limit: float, error: float) -> bool:
    """Whether so much of a copy is attacked that its interval lies beyond a limit, with this error."""
    return sizes.copied > limit + (Z + Z_NOTICED) * error


def plan_others(schema: Schema, num_train: int, num_holdout: int) -> tuple[list[dict[str, Any]], str]:
    """Thresholds on what is no attack, and what of it is not judged, in words.

    Of a model's calibration logistic regression's is judged, where the tables are large enough that two
    models learnt from the same patients' like agree: models that fit too closely are badly calibrated on real
    rows too, and a better one would count as further off. A single attribute's fairness is judged where the
    groups that count are large. Fairness is of targets of two levels; where the Schema declares protected
    columns beside one, it must have been measured, which takes two groups of 11 patients or more on either
    side of the split. Else it is judged if it was.

    Args:
        schema: of the tables.
        num_train, num_holdout: patients on either side of the split.

    Reference: Van Calster et al. 2016, "A calibration hierarchy for risk models was defined".
    """
    kept, left, needed = [dict(one) for one in OTHERS], [], ""
    target = None if schema.target is None else schema[schema.target]
    if target is None or target.is_numeric:
        kept = [one for one in kept if not one["metric"].startswith(("tstr_", "fairness_"))]
    else:
        spread = math.sqrt(2 / (num_train * EVENTS * (1 - EVENTS)))  # of two models' intercepts, or slopes
        for one in CALIBRATION if len(target.categories) == 2 else ():
            if Z_MET * spread <= one["at_most"]:
                kept.append(dict(one))
            else:
                left.append(f"the calibration {one['metric'].split('_')[2]} of logistic regression")
        left.append("the calibration of other models")
        # half of the limit for the interval, half for chance, each group as uncertain as a share can be
        widest = Z * math.sqrt(2 * 0.25 / (LARGE_SHARE * num_holdout))
        if widest <= WORST_FAIRNESS["at_most"] / 2:
            kept.append(dict(WORST_FAIRNESS))
        else:
            left.append("the fairness of a single attribute (a mean can hide it)")
        if len(target.categories) != 2:
            kept = [one for one in kept if not one["metric"].startswith("fairness_")]
            left = [one for one in left if not one.startswith("the fairness of")]
            left.append("fairness, which is measured where the target has two levels")
        elif schema.protected:
            kept = [_require(one) if one["metric"].startswith("fairness_") else one for one in kept]
            needed = f" {NEEDED.format(', '.join(schema.protected))}"
    if target is not None and target.is_numeric:
        r2 = {"metric": "tstr_r2_*", "worst": True, "of": "excess", "at_most": 0.1, "bound": "value"}
        kept.append(r2 | {"why": "at most a tenth of the variance less is explained than from real rows"})
        left.append("fairness, whose differences have the target's unit")
    left.append("fidelity" if target is not None else "fidelity, usefulness and fairness")
    return kept, f" Beside attacks measured and not judged: {', '.join(left)}.{needed}"


def _require(declared: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in declared.items() if name != "if_measured"}


def lowest_rate(others: int) -> float | None:
    """The lowest of the rates reported at which ten false positives are expected; None if there is none."""
    return next((rate for rate in RATES if others * rate >= EXPECTED - 1e-9), None)


def tpr_limit(sizes: Sizes, rate: float) -> float | None:
    """The strictest limit on the true-positive rate beyond `rate` that a table that leaks nothing meets."""
    from scipy.stats import betabinom

    place = _lenient_place(sizes.others, rate)
    if place is None:
        return None
    most = betabinom.ppf(MET, sizes.members, place, sizes.others - place + 1)
    high = _upper(float(most), sizes.members)
    return next((limit for limit in TPR_LIMITS if high - rate <= limit), None)


def tpr_notices(sizes: Sizes, rate: float, limit: float) -> float:
    """The smallest share of members, ranked above everybody else, that does not pass nine times in ten."""
    from scipy.stats import betabinom

    place = _lenient_place(sizes.others, rate)
    counts = np.arange(sizes.members + 1)
    allowed = int(counts[_upper(counts, sizes.members) - rate <= limit].max(initial=-1))
    for leaked in range(allowed + 2):
        rest = sizes.members - leaked
        passes = betabinom.cdf(allowed - leaked, rest, place, sizes.others - place + 1)
        if passes <= 1 - NOTICED:
            return leaked / sizes.members
    return 1.0


def auroc_spread(sizes: Sizes) -> float:
    """Standard error of the AUROC of scores that know nothing, in one of the two turns of an attack.

    Half of the members and half of the others are asked about in a turn. The turns' mean counts for no more
    than one: the reference of one is asked about in the other, so that they go wrong together.

    Reference: Mann and Whitney 1947.
    """
    members, others = max(sizes.members, 1) / 2, max(sizes.others, 1) / 2
    return math.sqrt((members + others + 1) / (12 * members * others))


def _ask(metric: str, limit: float, why: str, population: str, of: str = "value") -> dict[str, Any]:
    asked = {"metric": metric, "population": population, "worst": True, "at_most": limit, "bound": "high"}
    return asked | ({"of": of} if of != "value" else {}) | {"why": why}


def _lenient_place(others: int, rate: float) -> int | None:
    """From the top, the first score among the others above which at least `rate` of people surely lies."""
    from scipy.stats import beta

    places = np.arange(1, others + 1)
    enough = beta.ppf(MISS, places, others - places + 1) >= rate
    return int(places[enough][0]) if enough.any() else None


def _upper(successes, trials: int):
    """Upper end of a Clopper-Pearson interval."""
    from scipy.stats import beta

    end = beta.ppf(1 - MISS, np.asarray(successes) + 1, np.maximum(trials - np.asarray(successes), 1e-9))
    return np.where(np.asarray(successes) >= trials, 1.0, end)
