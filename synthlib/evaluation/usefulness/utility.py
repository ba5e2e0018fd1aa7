"""Usefulness: does a model trained on the synthetic table predict real patients as well as one from train?"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from synthlib.evaluation.features import patients_of
from synthlib.evaluation.intervals import NAN
from synthlib.evaluation.learners import CLASSIFIERS, one_thread
from synthlib.evaluation.outcomes import (
    enough,
    families,
    labelled,
    patients,
    performance,
    predict,
    predict_alike,
    truth_of,
)
from synthlib.evaluation.resampling import draw_weights, percentiles, weighted_mean, weighted_precision
from synthlib.scores import Score

NUM_RESAMPLES = 400


def train_on_synthetic(train, holdout, synthetic, schema, rng, learners=None) -> list[Score]:
    """How a model trained on the synthetic table predicts the target of the holdout's real patients.

    Features are `schema.features` (leaks excluded), learners those of five families (see
    `learners.CLASSIFIER_FAMILIES`). Intervals resample the holdout's patients (NaN with fewer than ten of a
    kind); what another synthetic table would teach is not in them.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns); rows without the target are
            left out, and no more than 20,000 are learnt from or predicted.
        schema: theirs, with a target. Two levels: the last one counts as the event. More levels: AUROC of
            each against the rest, averaged. A number: R², and mean absolute and root mean squared error in
            its own unit.
        rng: resamples the holdout.
        learners: names of families, if not all are wanted.

    Returns:
        For each learner `tstr_auroc_*`, `tstr_auroc_gap_*` (synthetic minus real on the same patients;
        reference 0) and for two levels `tstr_brier_*`, `tstr_calibration_slope_*`,
        `tstr_calibration_intercept_*`, `tstr_auprc_*` (average precision; what says nothing has the event's
        rate); for a number `tstr_r2_*`, `tstr_mae_*`, `tstr_rmse_*`. Reference: the same learner trained on
        train. None without a target. A synthetic table with one level of the target teaches
        nothing: AUROC 0.5 (see `explain_utility`).

    Reference: Esteban, Hyland and Rätsch 2017, "Real-valued (medical) time series generation with recurrent
    conditional GANs", section 4.1.
    """
    if schema.target is None or not schema.features:
        return []
    target, scores = schema[schema.target], []
    train, synthetic = (labelled(table, target) for table in (train, synthetic))
    holdout = patients(holdout, target, rng)
    if not len(holdout) or not len(train):
        return []
    score_all = _score_numbers if target.is_numeric else _score_levels
    for learner in families(target) if learners is None else learners:
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
        rows = labelled(table, target)
        num_levels = len(np.unique(truth_of(rows, target))) if len(rows) else 0
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
        ValueError: if the target has not two levels, or no patient of the holdout has a value of it.
    """
    target = None if schema.target is None else schema[schema.target]
    if target is None or len(target.categories) != 2:
        raise ValueError(f"expected a target of two levels, got {'none' if target is None else target.kind}")
    train, holdout, synthetic = (labelled(table, target) for table in (train, holdout, synthetic))
    if not len(holdout):
        raise ValueError(f"expected patients with a value of {target.name} in the holdout, got none")
    truth, frames = truth_of(holdout, target), []
    with one_thread():
        for learner, (name, table) in product(CLASSIFIERS, (("train", train), ("synthetic", synthetic))):
            probability = predict(learner, table, holdout, schema, rng)
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
    slope, intercept = _calibrate(truth, probability, np.ones((1, len(truth))))
    return float(slope[0]), float(intercept[0])


def _calibrate(truth: np.ndarray, probability: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Slopes and intercepts of resamples, shape (2, num_resamples)."""
    x = logit(np.clip(probability, 1e-6, 1 - 1e-6))
    slope = _newton(x, truth, weights, free_slope=True)[0] if np.ptp(x) > 0 else np.full(len(weights), NAN)
    return np.array([slope, _newton(x, truth, weights, free_slope=False)[1]])


def _newton(x: np.ndarray, truth: np.ndarray, weights: np.ndarray, free_slope: bool) -> np.ndarray:
    """Slopes and intercepts of logistic regressions on x by Newton's method; NaN where it does not settle."""
    now = np.zeros((2, len(weights)))
    now[0] = 0.0 if free_slope else 1.0
    found, events = np.full((2, len(weights)), NAN), weights @ truth
    open_ = np.flatnonzero((events > 0) & (events < weights.sum(axis=1)))
    for _ in range(50):
        slope, intercept = now[:, open_, None]
        mean = expit(slope * x + intercept)
        weight, rest = weights[open_] * mean * (1 - mean), weights[open_] * (truth - mean)
        a, b, c = weight @ x**2, weight @ x, weight.sum(axis=1)
        if not free_slope:
            a, b = np.ones_like(c), np.zeros_like(c)
        determinant = a * c - b * b
        of_slope, of_intercept = (rest @ x) * free_slope, rest.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            step = np.array([c * of_slope - b * of_intercept, a * of_intercept - b * of_slope]) / determinant
        regular = determinant > 1e-12 * a * c
        now[:, open_] += np.where(regular, np.clip(step, -5, 5), 0)
        settled = regular & (np.abs(step).max(axis=0) < 1e-8)
        found[:, open_[settled]] = now[:, open_[settled]]
        open_ = open_[regular & ~settled]
        if not len(open_):
            break
    return found


def _score_levels(learner, train, holdout, synthetic, schema, rng) -> list[Score]:
    target = schema[schema.target]
    truth = truth_of(holdout, target)
    both = predict_alike(learner, (train, synthetic), holdout, schema, rng)
    units = patients_of(holdout, schema)
    weights = draw_weights(len(truth), NUM_RESAMPLES, rng, units)
    real, made = (performance(target, truth, predicted, weights) for predicted in both)
    found = {"auroc": (made, real[0]), "auroc_gap": (made - real, 0.0)}
    if both[0].ndim == 1:
        briers = [weighted_mean((predicted - truth) ** 2, weights) for predicted in both]
        slopes, intercepts = zip(*(_calibrate(truth, predicted, weights) for predicted in both), strict=True)
        precisions = [weighted_precision(truth, predicted, weights) for predicted in both]
        pairs = {"brier": briers, "calibration_slope": slopes, "calibration_intercept": intercepts}
        found |= {name: (made, real[0]) for name, (real, made) in (pairs | {"auprc": precisions}).items()}
    return _to_scores(learner, found, enough(target, truth, units))


def _score_numbers(learner, train, holdout, synthetic, schema, rng) -> list[Score]:
    target = schema[schema.target]
    truth = truth_of(holdout, target)
    both = predict_alike(learner, (train, synthetic), holdout, schema, rng)
    units = patients_of(holdout, schema)
    weights = draw_weights(len(truth), NUM_RESAMPLES, rng, units)
    statistics: dict[str, Callable] = {
        "r2": lambda predicted: performance(target, truth, predicted, weights),
        "mae": lambda predicted: weighted_mean(np.abs(predicted - truth), weights),
        "rmse": lambda predicted: np.sqrt(weighted_mean((predicted - truth) ** 2, weights)),
    }
    real, made = ({name: of(predicted) for name, of in statistics.items()} for predicted in both)
    found = {name: (made[name], real[name][0]) for name in statistics}
    return _to_scores(learner, found, enough(target, truth, units))


def _to_scores(learner: str, found: dict[str, tuple[np.ndarray, float]], sure: bool) -> list[Score]:
    """Scores of resampled statistics, the table's own first, and their references."""
    return [
        Score(
            f"tstr_{name}_{learner}",
            float(values[0]),
            *(percentiles(values) if sure else (NAN, NAN)),
            float(reference),
        )
        for name, (values, reference) in found.items()
    ]
