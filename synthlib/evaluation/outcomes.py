"""Predicting the schema's target for other rows, and how well it is predicted: what usefulness is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from synthlib.evaluation.features import codes, missing, numbers, sample_rows
from synthlib.evaluation.intervals import NAN
from synthlib.evaluation.learners import (
    CLASSIFIER_FAMILIES,
    REGRESSOR_FAMILIES,
    fit_classifier,
    fit_regressor,
)
from synthlib.evaluation.resampling import weighted_auroc, weighted_mean
from synthlib.schema import Column, Schema

MAX_ROWS = 20_000
MIN_ROWS = 10  # patients of the rarest level; a handful resamples to itself too often to say anything


def labelled(table: pd.DataFrame, target: Column) -> pd.DataFrame:
    """Rows that say the target, and a level of it that the Schema knows."""
    known = ~missing(table, target)
    if target.is_discrete:
        known &= codes(table, target) < len(target.categories)
    return table[known].reset_index(drop=True)


def patients(holdout: pd.DataFrame, target: Column, rng: np.random.Generator) -> pd.DataFrame:
    """Labelled rows to predict and resample, 20,000 at most: an AUROC's interval is then within 0.01."""
    return sample_rows(labelled(holdout, target), MAX_ROWS, rng)


def truth_of(table: pd.DataFrame, target: Column) -> np.ndarray:
    """The target of labelled rows: positions of levels, or numbers; shape (num_rows,)."""
    return codes(table, target) if target.is_discrete else numbers(table, target)


def families(target: Column) -> tuple[str, ...]:
    """The learners to choose between for this target."""
    return REGRESSOR_FAMILIES if target.is_numeric else CLASSIFIER_FAMILIES


def predict(
    learner: str, table: pd.DataFrame, rows: pd.DataFrame, schema: Schema, rng: np.random.Generator
) -> np.ndarray:
    """What a learner trained on labelled rows of a table says of other rows.

    Args:
        learner: one of `families`.
        table: labelled rows to learn from; at most 20,000 are used. Where they hold a single value of the
            target it is predicted for everybody; where there are none, nothing is known (equal chances, NaN).
        rows: whom to predict for.
        schema: theirs, with a target.
        rng: draws those rows, seeds the learner.

    Returns:
        Probability of the last of two levels, or a number: shape (num_rows,); for more levels probabilities
        of shape (num_rows, num_levels).
    """
    target, columns = schema[schema.target], [schema[name] for name in schema.features]
    table = sample_rows(table, MAX_ROWS, rng)
    truth = truth_of(table, target)
    found = np.unique(truth)
    if target.is_numeric:
        if len(found) > 1:
            return fit_regressor(learner, table, truth, columns, rng)(rows)
        return np.full(len(rows), found[0] if len(found) else NAN)
    probabilities = np.zeros((len(rows), len(target.categories)))
    if len(found) > 1:
        probabilities[:, found] = fit_classifier(learner, table, truth, columns, rng)(rows)
    else:
        probabilities[:, found if len(found) else slice(None)] = 1 / (len(found) or len(target.categories))
    return probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities


def predict_alike(
    learner: str,
    tables: Sequence[pd.DataFrame],
    rows: pd.DataFrame,
    schema: Schema,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """`predict` after learning from each of several tables, with the same luck: equal tables say the same."""
    seed = int(rng.integers(2**63))
    return [predict(learner, table, rows, schema, np.random.default_rng(seed)) for table in tables]


def performance(
    target: Column, truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """How well a target is predicted in each resample, higher is better, shape (num_resamples,).

    AUROC for two levels, the mean of each level against the rest for more, R² for a number; NaN where the
    target does not vary.

    Args:
        target: the target's Column.
        truth, predicted: from `truth_of` and `predict`.
        weights: shape (num_resamples, num_rows), from `resampling.draw_weights`; None for the table itself.
    """
    weights = np.ones((1, len(truth))) if weights is None else weights
    if target.is_numeric:
        mean = weighted_mean(truth, weights)
        spread = weighted_mean(truth**2, weights) - mean**2
        error = weighted_mean((truth - predicted) ** 2, weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(spread > 1e-12 * np.maximum(mean**2, 1e-300), 1 - error / spread, np.nan)
    if predicted.ndim == 1:
        return weighted_auroc(truth, predicted, weights)
    found = [weighted_auroc(truth == level, predicted[:, level], weights) for level in np.unique(truth)]
    levels = np.array(found).reshape(len(found), len(weights))
    known = ~np.isnan(levels)  # a resample may lack a rare level
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, levels, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


def enough(target: Column, truth: np.ndarray, units: np.ndarray) -> bool:
    """Whether there are patients enough of each kind to resample them; `units`: from `patients_of`."""
    kinds = [slice(None)] if target.is_numeric else [truth == level for level in np.unique(truth)]
    return bool(kinds) and min(len(np.unique(units[kind])) for kind in kinds) >= MIN_ROWS
