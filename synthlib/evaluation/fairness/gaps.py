"""Whether a model learnt from synthetic rows treats groups less alike than one learnt from patients does."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from synthlib.evaluation.fairness.groups import (
    SMALL_CELL,
    Partition,
    count_patients,
    list_ungrouped,
    partitions,
)
from synthlib.evaluation.features import codes, patients_of
from synthlib.evaluation.intervals import NAN
from synthlib.evaluation.outcomes import labelled, patients, predict_alike, truth_of
from synthlib.evaluation.resampling import (
    draw_weights,
    percentiles,
    spread_interval,
    weighted_auroc,
    weighted_mean,
)
from synthlib.schema import Schema
from synthlib.scores import Score

NUM_RESAMPLES = 300
LARGE_SHARE = 0.05  # of the holdout: what is said of the worst attribute is said of groups as large
LEARNER = "boosting"
# Which end of each score of groups is the worst one.
WORST = {
    "representation": "low",
    "group_fidelity": "loss",
    "fairness_auroc": "low",
    "fairness_brier": "high",
    "fairness_mae": "high",
    "fairness_calibration": "far",
}


def fairness(train, holdout, synthetic, schema, rng) -> list[Score]:
    """How a model of the target serves each protected group, learnt from synthetic rows and from train.

    Boosted trees predict the holdout's patients. Whom they flag: those whose risk is above the event's rate
    in train, for both models. A gap is the largest value of a group less the smallest; chance alone makes
    gaps, of few patients large ones, for both models alike: what counts is the *amplification*, the synthetic
    model's gap less the real one's, with an interval over the same resampled patients. (A gap speaks of the
    groups that are large enough here; a larger holdout may show more of them, and a larger gap.)

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns); rows without the target are
            left out, and 20,000 patients are predicted at most.
        schema: theirs, with a target of two levels or a numeric one, and protected columns. Groups of fewer
            than 11 patients are merged, see `groups.partitions`; rates are of groups with 11 events and 11
            others in the holdout.
        rng: seeds the learner (alike for both models), resamples the holdout.

    Returns:
        For each group `fairness_auroc[group]`, `fairness_brier[group]` and `fairness_calibration[group]`
        (mean predicted less observed rate); reference: the model learnt from train. For each attribute and
        pair `fairness_auroc_gap[sex]`, the same of Brier scores and calibration, and `fairness_odds_gap[sex]`
        (equalised odds: the larger gap of true and of false positive rates); reference: train's model's. And
        `fairness_auroc_amplification[sex]`, …, with reference 0; without brackets their mean over attributes
        and pairs; `fairness_auroc_amplification_worst`, … the largest of an attribute, of groups that are a
        twentieth of the holdout or more; and `worst_group_auroc`, the lowest of a group. For a number `mae`
        in place of AUROC and Brier score, and no odds. None without such a target or two groups;
        `worst_groups` names the worst.

    Reference: Hardt, Price and Srebro 2016, "Equality of opportunity in supervised learning" (equalised
    odds); Bhanot et al. 2021, "The problem of fairness in synthetic healthcare data".
    """
    target = None if schema.target is None else schema[schema.target]
    if target is None or not schema.features or (target.is_discrete and len(target.categories) != 2):
        return []
    train, synthetic = (labelled(table, target) for table in (train, synthetic))
    holdout = patients(holdout, target, rng)
    found = partitions((train, holdout), synthetic, schema) if len(train) and len(holdout) else []
    if not found:
        return []
    truth = truth_of(holdout, target)
    predicted = predict_alike(LEARNER, (train, synthetic), holdout, schema, rng)
    cut = NAN if target.is_numeric else float(truth_of(train, target).mean())
    units = patients_of(holdout, schema)
    weights = draw_weights(len(holdout), NUM_RESAMPLES, rng, units)
    scores, amplified, of_large, lowest = [], [], [], []
    for partition in found:
        real, made = (_by_group(partition, truth, one, cut, weights, units) for one in predicted)
        scores += _group_scores(partition, real, made)
        gaps = {name: (_gap(real, name), _gap(made, name)) for name in _gap_names(target.is_numeric)}
        for name, (of_real, of_made) in gaps.items():
            reference = float(of_real[0])
            most = _largest_gap(name, target.is_numeric)
            scores.append(_extreme(f"fairness_{name}_gap[{partition.name}]", of_made, reference, 0.0, most))
            amplification = f"fairness_{name}_amplification[{partition.name}]"
            scores.append(_extreme(amplification, of_made - of_real, 0.0, -most, most))
        amplified.append({name: of_made - of_real for name, (of_real, of_made) in gaps.items()})
        if partition.num_attributes == 1:
            large = np.array([mask.mean() >= LARGE_SHARE for mask in partition.masks(1)])
            kept = [{name: of_groups[large] for name, of_groups in one.items()} for one in (real, made)]
            of_large.append({name: _gap(kept[1], name) - _gap(kept[0], name) for name in gaps})
        if target.is_discrete:
            lowest.append([_least(values["auroc"]) for values in (real, made)])
    for name in _gap_names(target.is_numeric):
        means = _mean_of_known([one[name] for one in amplified])
        scale = (-_largest_gap(name, target.is_numeric), _largest_gap(name, target.is_numeric))
        scores.append(_extreme(f"fairness_{name}_amplification", means, 0.0, *scale))
        if of_large:
            most = -_least(-np.array([one[name] for one in of_large]))
            scores.append(_extreme(f"fairness_{name}_amplification_worst", most, 0.0, *scale))
    if lowest:
        real, made = (_least(np.array(part)) for part in zip(*lowest, strict=True))
        scores.append(_extreme("worst_group_auroc", made, float(real[0]), 0.0, 1.0))
    return scores


def explain_fairness(train, holdout, synthetic, schema: Schema) -> list[str]:
    """What a reader must know about the fairness scores of these tables; empty if nothing."""
    if not schema.protected:
        return ["fairness is left out: the schema declares no protected columns"]
    found = partitions((train, holdout), synthetic, schema)
    if not found:
        return ["fairness is left out: the protected columns form no two groups of 11 patients or more"]
    merged = [f"{one.name} ({one.num_merged})" for one in found if one.num_merged]
    shapeless, alone = list_ungrouped(found, schema)
    said = {
        "groups of too few patients are merged": merged,
        "no groups are formed by dates, and by numbers without declared ends": shapeless,
        "fewer than two groups of 11 patients or more, so left out": alone,
        **_explain_predictions(found, holdout, schema),
    }
    return [f"fairness: {what}: {', '.join(names)}" for what, names in said.items() if names]


def _explain_predictions(
    found: list[Partition], holdout: pd.DataFrame, schema: Schema
) -> dict[str, list[str]]:
    """Of predictions, what is left out of fairness: reason → of whom."""
    target = None if schema.target is None else schema[schema.target]
    if target is None or not schema.features:
        return {"no model is tried on groups": ["the schema names no target, or nothing that may predict it"]}
    if target.is_numeric:
        return {}
    if len(target.categories) != 2:
        return {
            f"no model is tried on groups, as the target has not two levels but {len(target.categories)}": [
                target.name
            ]
        }
    known = codes(holdout, target)
    known = (known >= 0) & (known < 2)
    event, units = codes(holdout, target)[known], patients_of(holdout, schema)[known]
    few = []
    for one in found:
        masks = [mask[known] for mask in one.masks(1)]
        counts = [count_patients(event[mask], units[mask], 2).min() for mask in masks]
        if number := sum(count < SMALL_CELL for count in counts):
            few.append(f"{one.name} ({number})")
    return {"no AUROC and no odds of groups with fewer than 11 patients with the event, or without it": few}


def worst_groups(report: pd.DataFrame) -> pd.DataFrame:
    """The group that each score of groups is worst for, by name.

    Args:
        report: from `evaluate`, or `to_report` of this module's and `representation`'s scores.

    Returns:
        DataFrame of `score, group, value, low, high, reference`: fewest against train (`representation`),
        largest loss against fresh patients (`group_fidelity`), lowest AUROC, highest Brier score or error,
        calibration furthest off. As confidential as train.
    """
    rows = []
    for name, end in WORST.items():
        of_score = report[report["metric"].str.match(rf"{name}\[")].dropna(subset="value")
        if not len(of_score):
            continue
        badness = {
            "low": -of_score["value"],
            "high": of_score["value"],
            "far": of_score["value"].abs(),
            "loss": of_score["reference"] - of_score["value"],
        }[end]
        worst = of_score.loc[badness.idxmax()]
        group = re.sub(r"^[^\[]*\[(.*)\]$", r"\1", worst["metric"])
        rows.append({"score": name, "group": group} | worst.drop("metric").to_dict())
    return pd.DataFrame(rows, columns=["score", "group", "value", "low", "high", "reference"])


def _by_group(
    partition: Partition,
    truth: np.ndarray,
    predicted: np.ndarray,
    cut: float,
    weights: np.ndarray,
    units: np.ndarray,
) -> dict[str, np.ndarray]:
    """Each measure of each group of the holdout, shape (num_groups, num_resamples + 1); NaN of too few."""
    found: dict[str, list[np.ndarray]] = {}
    nothing = np.full(len(weights), np.nan)
    for mask in partition.masks(1):
        y, p, w = truth[mask], predicted[mask], weights[:, mask]
        if np.isnan(cut):
            measures = {"mae": weighted_mean(np.abs(p - y), w), "calibration": weighted_mean(p - y, w)}
        else:
            both = count_patients(y, units[mask], 2).min() >= SMALL_CELL
            flagged = (p > cut).astype(float)
            measures = {
                "auroc": weighted_auroc(y, p, w) if both else nothing,
                "brier": weighted_mean((p - y) ** 2, w),
                "calibration": weighted_mean(p - y, w),
                "tpr": weighted_mean(flagged[y == 1], w[:, y == 1]) if both else nothing,
                "fpr": weighted_mean(flagged[y == 0], w[:, y == 0]) if both else nothing,
            }
        for name, values in measures.items():
            found.setdefault(name, []).append(values)
    return {name: np.array(values) for name, values in found.items()}


def _group_scores(partition: Partition, real: dict, made: dict) -> list[Score]:
    shown = [name for name in ("auroc", "brier", "mae", "calibration") if name in made]
    return [
        _score(f"fairness_{name}[{group}]", made[name][place], float(real[name][place, 0]))
        for place, group in enumerate(partition.groups)
        for name in shown
        if not np.isnan(real[name][place, 0])
    ]


def _gap_names(numeric: bool) -> tuple[str, ...]:
    return ("mae", "calibration") if numeric else ("auroc", "brier", "calibration", "odds")


def _gap(measures: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Largest less smallest of the groups, shape (num_resamples + 1,); NaN where fewer than two are known."""
    if name == "odds":
        return np.maximum(_gap(measures, "tpr"), _gap(measures, "fpr"))
    values = measures[name]
    values = values[~np.isnan(values[:, 0])]
    if len(values) < 2:
        return np.full(measures[name].shape[1], np.nan)
    return values.max(axis=0) - values.min(axis=0)


def _least(values: np.ndarray) -> np.ndarray:
    known = values[~np.isnan(values[:, 0])]
    return known.min(axis=0) if len(known) else np.full(values.shape[1], np.nan)


def _mean_of_known(values: Iterable[np.ndarray]) -> np.ndarray:
    stacked = np.array(list(values))
    known = stacked[~np.isnan(stacked[:, 0])]
    return known.mean(axis=0) if len(known) else np.full(stacked.shape[1], np.nan)


def _score(name: str, values: np.ndarray, reference: float) -> Score:
    return Score(name, float(values[0]), *percentiles(values), reference)


def _largest_gap(name: str, numeric: bool) -> float:
    """The end of a gap's scale: shares differ by 1 at most, mean risks less observed rates by 2."""
    return np.inf if numeric else 2.0 if name == "calibration" else 1.0


def _extreme(name: str, values: np.ndarray, reference: float, smallest: float, largest: float) -> Score:
    return Score(name, float(values[0]), *spread_interval(values, smallest, largest), reference)
