"""Usefulness: does a model trained on the synthetic table predict real patients as well as one from train?"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from synthlib.evaluation.features import codes, missing, numbers, sample_rows
from synthlib.evaluation.intervals import NAN, auroc
from synthlib.evaluation.learners import CLASSIFIERS, REGRESSORS, fit_classifier, fit_regressor, one_thread
from synthlib.schema import Column, Schema
from synthlib.scores import Score, bootstrap_interval

MAX_ROWS = 20_000
NUM_RESAMPLES = 400
MIN_ROWS = 10


def train_on_synthetic(train, holdout, synthetic, schema, rng) -> list[Score]:
    """How a model trained on the synthetic table predicts the target of the holdout's real patients.

    Features are `schema.features` (leaks excluded), learners boosted trees and a linear model. Intervals
    resample the holdout's patients (NaN with fewer than ten of a kind); what another synthetic table would
    teach is not in them.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns); rows without the target are
            left out, and no more than 20,000 are learnt from.
        schema: theirs, with a target. Two levels: the last one counts as the event. More levels: AUROC of
            each against the rest, averaged. A number: R² and mean absolute error in its own unit.
        rng: resamples the holdout.

    Returns:
        For each learner `tstr_auroc_*`, `tstr_auroc_gap_*` (synthetic minus real on the same patients;
        reference 0) and for two levels `tstr_brier_*`, `tstr_calibration_slope_*`,
        `tstr_calibration_intercept_*`; for a number `tstr_r2_*`, `tstr_mae_*`. Reference: the same learner
        trained on train. None without a target. A synthetic table with one level of the target teaches
        nothing: AUROC 0.5 (see `explain_utility`).

    Reference: Esteban, Hyland and Rätsch 2017, "Real-valued (medical) time series generation with recurrent
    conditional GANs", section 4.1.
    """
    if schema.target is None or not schema.features:
        return []
    target, scores = schema[schema.target], []
    train, holdout, synthetic = (_labelled(table, target) for table in (train, holdout, synthetic))
    if not len(holdout) or not len(train):
        return []
    score_all = _score_numbers if target.is_numeric else _score_levels
    for learner in REGRESSORS if target.is_numeric else CLASSIFIERS:
        scores += score_all(learner, train, holdout, synthetic, schema, rng)
    return scores


def explain_utility(train, holdout, synthetic, schema) -> list[str]:
    """What a reader must know about the utility scores of these tables; empty if nothing."""
    if schema.target is None:
        return ["utility is left out: the schema names no target"]
    if not schema.features:
        return ["utility is left out: no column but the target, its leaks and identifiers"]
    target, notes = schema[schema.target], []
    for name, table in (("training", train), ("holdout", holdout), ("synthetic", synthetic)):
        rows = _labelled(table, target)
        num_levels = len(np.unique(_truth(rows, target))) if len(rows) else 0
        if num_levels == 0:
            notes.append(f"utility: no row of the {name} table has a value of {target.name}")
        elif num_levels == 1 and name == "holdout":
            notes.append(f"utility: {target.name} does not vary in the holdout: discrimination is undefined")
        elif num_levels == 1:
            consequence = "" if target.is_numeric else ", so its AUROC is 0.5"
            notes.append(
                f"utility: {target.name} has one value in the {name} table; a model trained on it "
                f"predicts that value for everybody{consequence}"
            )
    return notes


def predict_holdout(train, holdout, synthetic, schema, rng) -> pd.DataFrame:
    """Predicted probabilities of the event for the holdout's patients, for ROC and calibration plots.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs, with a target of two levels.
        rng: seeds the learners.

    Returns:
        DataFrame with a row per patient, learner and training table: `truth` (0 or 1), `learner`,
        `trained_on` (`"train"` or `"synthetic"`), `probability`.

    Raises:
        ValueError: if the target has not two levels.
    """
    target = None if schema.target is None else schema[schema.target]
    if target is None or len(target.categories) != 2:
        raise ValueError(f"expected a target of two levels, got {'none' if target is None else target.kind}")
    train, holdout, synthetic = (_labelled(table, target) for table in (train, holdout, synthetic))
    truth, frames = _truth(holdout, target), []
    with one_thread():
        for learner, (name, table) in product(CLASSIFIERS, (("train", train), ("synthetic", synthetic))):
            probability = _probabilities(learner, table, holdout, schema, rng)[:, 1]
            columns = {"truth": truth, "learner": learner, "trained_on": name, "probability": probability}
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def calibration(truth: np.ndarray, probability: np.ndarray) -> tuple[float, float]:
    """Calibration slope and intercept: 1 and 0 are right, a slope below 1 too extreme, below 0 too high.

    Args:
        truth: zeros and ones of shape (num_rows,).
        probability: predicted, in [0, 1], shape (num_rows,); cut to [1e-6, 1 - 1e-6].

    Returns:
        (slope, intercept); NaN where the data separate or nothing varies.

    Reference: Van Calster et al. 2016, "A calibration hierarchy for risk models was defined".
    """
    x = logit(np.clip(probability, 1e-6, 1 - 1e-6))
    if np.ptp(truth) == 0:
        return NAN, NAN
    slope = _newton(x, truth, free_slope=True)[0] if np.ptp(x) > 0 else NAN
    return slope, _newton(x, truth, free_slope=False)[1]


def _newton(x: np.ndarray, truth: np.ndarray, free_slope: bool) -> tuple[float, float]:
    """Slope and intercept of a logistic regression on x, by Newton's method; NaN where it does not settle."""
    slope, intercept = 0.0 if free_slope else 1.0, 0.0
    for _ in range(50):
        mean = expit(slope * x + intercept)
        weight, rest = mean * (1 - mean), truth - mean
        a, b, c = (weight * x * x).sum(), (weight * x).sum(), weight.sum()
        if not free_slope:
            a, b = 1.0, 0.0
        determinant = a * c - b * b
        if determinant <= 1e-12 * a * c:
            break
        of_slope, of_intercept = (rest * x).sum() * free_slope, rest.sum()
        step = np.array([c * of_slope - b * of_intercept, a * of_intercept - b * of_slope]) / determinant
        slope, intercept = np.array([slope, intercept]) + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-8:
            return float(slope), float(intercept)
    return NAN, NAN


def _labelled(table: pd.DataFrame, target: Column) -> pd.DataFrame:
    """Rows that say the target, and a level of it that the Schema knows."""
    known = ~missing(table, target)
    if target.is_discrete:
        known &= codes(table, target) < len(target.categories)
    return table[known]


def _truth(table: pd.DataFrame, target: Column) -> np.ndarray:
    return codes(table, target) if target.is_discrete else numbers(table, target)


def _features(schema: Schema) -> list[Column]:
    return [schema[name] for name in schema.features]


def _probabilities(
    learner: str, table: pd.DataFrame, holdout: pd.DataFrame, schema: Schema, rng: np.random.Generator
) -> np.ndarray:
    """Shape (num_holdout, num_levels); constant where the table has fewer than two levels."""
    target = schema[schema.target]
    table = sample_rows(table, MAX_ROWS, rng)
    labels = codes(table, target)
    found = np.unique(labels)
    probabilities = np.zeros((len(holdout), len(target.categories)))
    if len(found) > 1:
        probabilities[:, found] = fit_classifier(learner, table, labels, _features(schema), rng)(holdout)
    else:
        probabilities[:, found if len(found) else slice(None)] = 1 / (len(found) or len(target.categories))
    return probabilities


def _score_levels(learner, train, holdout, synthetic, schema, rng) -> list[Score]:
    truth = codes(holdout, schema[schema.target])
    real, made = (_probabilities(learner, table, holdout, schema, rng) for table in (train, synthetic))
    if real.shape[1] == 2:
        real, made = real[:, 1], made[:, 1]
    statistics: dict[str, Callable] = {"auroc": _discrimination}
    if real.ndim == 1:
        statistics |= {
            "brier": lambda y, p: float(np.mean((p - y) ** 2)),
            "calibration_slope": lambda y, p: calibration(y, p)[0],
            "calibration_intercept": lambda y, p: calibration(y, p)[1],
        }
    scores = _bootstrapped(learner, statistics, truth, real, made, rng)

    def gap(y: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
        return _discrimination(y, p) - _discrimination(y, q)

    ends = _resample(gap, truth, made, real, rng=rng)
    scores.insert(1, Score(f"tstr_auroc_gap_{learner}", gap(truth, made, real), *ends, 0.0))
    return scores


def _score_numbers(learner, train, holdout, synthetic, schema, rng) -> list[Score]:
    target, truth = schema[schema.target], numbers(holdout, schema[schema.target])
    predicted = []
    for table in (train, synthetic):
        rows = sample_rows(table, MAX_ROWS, rng)
        values = numbers(rows, target)
        if len(values) > 1:
            predicted.append(fit_regressor(learner, rows, values, _features(schema), rng)(holdout))
        else:
            predicted.append(np.full(len(holdout), values.mean() if len(values) else NAN))
    statistics = {"r2": _explained, "mae": lambda y, p: float(np.mean(np.abs(p - y)))}
    return _bootstrapped(learner, statistics, truth, *predicted, rng)


def _bootstrapped(learner, statistics, truth, real, made, rng) -> list[Score]:
    scores = []
    for name, statistic in statistics.items():
        ends = _resample(statistic, truth, made, rng=rng)
        scores.append(Score(f"tstr_{name}_{learner}", statistic(truth, made), *ends, statistic(truth, real)))
    return scores


def _resample(statistic: Callable, truth: np.ndarray, *predicted: np.ndarray, rng) -> tuple[float, float]:
    """Bootstrap interval; a handful of rows resamples to itself too often to say anything."""
    rarest = np.unique(truth, return_counts=True)[1].min() if truth.dtype.kind == "i" else len(truth)
    if rarest < MIN_ROWS:
        return NAN, NAN
    return bootstrap_interval(statistic, truth, *predicted, rng=rng, num_resamples=NUM_RESAMPLES)


def _discrimination(truth: np.ndarray, probability: np.ndarray) -> float:
    """AUROC; with a column of probabilities per level, the mean over levels, each against the rest."""
    if probability.ndim == 1:
        return auroc(truth, probability)
    found = [auroc(truth == level, probability[:, level]) for level in np.unique(truth)]
    return float(np.mean(found))


def _explained(truth: np.ndarray, predicted: np.ndarray) -> float:
    spread = np.sum((truth - truth.mean()) ** 2)
    return float(1 - np.sum((truth - predicted) ** 2) / spread) if spread > 0 else NAN
