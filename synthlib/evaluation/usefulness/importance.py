"""Which features a model relies on: the same ones whether it learnt from synthetic rows or from real ones?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from synthlib.evaluation.features import patients_of, sample_rows
from synthlib.evaluation.intervals import NAN
from synthlib.evaluation.learners import CLASSIFIERS, REGRESSORS, fit_classifier, fit_regressor
from synthlib.evaluation.outcomes import MAX_ROWS, enough, labelled, performance, truth_of
from synthlib.evaluation.resampling import draw_weights, percentiles
from synthlib.schema import Schema
from synthlib.scores import Score

NUM_REPEATS = 2
NUM_RESAMPLES = 100
MAX_PATIENTS = 2_000


def importance_agreement(train, holdout, synthetic, schema, rng) -> list[Score]:
    """Rank correlation of features' importance to a model learnt from train and one from synthetic rows.

    Importance is what is lost in AUROC (R² for a number) on the holdout when a feature's values are shuffled
    among its patients: the same shuffles for both models.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns); at most 20,000 rows are learnt
            from, and importance is read off at most 2,000 patients.
        schema: theirs, with a target and at least two features.
        rng: draws those rows, seeds the learners, shuffles, resamples the patients.

    Returns:
        `importance_agreement_boosting` and `_logistic` (`_ridge` for a number), Spearman's correlation in
        [-1, 1]; 0 where a model uses no feature. Percentile intervals over the holdout's patients (NaN with
        fewer than ten of a kind). Reference: models of two halves of train, which have half the rows each
        and so agree a little less than models of two full samples would.

    Reference: Fisher, Rudin and Dominici 2019, "All models are wrong, but many are useful" (model reliance).
    """
    if schema.target is None or len(schema.features) < 2:
        return []
    target = schema[schema.target]
    train, holdout, synthetic = (labelled(table, target) for table in (train, holdout, synthetic))
    if not len(train) or not len(holdout):
        return []
    holdout = sample_rows(holdout, MAX_PATIENTS, rng)
    halves = np.array_split(rng.permutation(len(train)), 2)
    tables = [train, synthetic, *(train.iloc[rows] for rows in halves)]
    shuffles = [rng.permutation(len(holdout)) for _ in range(NUM_REPEATS)]
    truth, scores = truth_of(holdout, target), []
    units = patients_of(holdout, schema)
    weights = draw_weights(len(holdout), NUM_RESAMPLES, rng, units)
    counted = (weights, weights, weights[:1], weights[:1])
    for learner in REGRESSORS if target.is_numeric else CLASSIFIERS:
        found = [
            _importance(learner, table, holdout, schema, shuffles, part, rng)
            for table, part in zip(tables, counted, strict=True)
        ]
        agreement, reference = (rank_correlation(a, b) for a, b in (found[:2], found[2:]))
        ends = percentiles(agreement) if enough(target, truth, units) else (NAN, NAN)
        name = f"importance_agreement_{learner}"
        scores.append(Score(name, float(agreement[0]), *ends, float(reference[0])))
    return scores


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's correlation within each row of two arrays (num_rows, num_values); 0 where one is constant.

    NaN where a value is NaN.
    """
    ranks = [rankdata(values, axis=1) for values in (first, second)]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    found = np.where(size > 0, (a * b).sum(axis=1) / np.where(size > 0, size, 1.0), 0.0)
    return np.where(np.isnan(first + second).any(axis=1), np.nan, found)


def _importance(
    learner: str,
    table: pd.DataFrame,
    holdout: pd.DataFrame,
    schema: Schema,
    shuffles: list[np.ndarray],
    weights: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """What each feature's shuffling costs, shape (num_resamples + 1, num_features)."""
    target, columns = schema[schema.target], [schema[name] for name in schema.features]
    table, truth = sample_rows(table, MAX_ROWS, rng), truth_of(holdout, target)
    labels = truth_of(table, target)
    found = np.unique(labels)
    if len(found) < 2:  # such a model uses no feature
        return np.zeros((len(weights), len(columns)))
    fit = fit_regressor if target.is_numeric else fit_classifier
    model = fit(learner, table, labels, columns, rng)

    def perform(rows: pd.DataFrame) -> np.ndarray:
        predicted = model(rows)
        if target.is_discrete:
            full = np.zeros((len(rows), len(target.categories)))
            full[:, found] = predicted
            predicted = full[:, 1] if full.shape[1] == 2 else full
        return performance(target, truth, predicted, weights)

    whole, losses = perform(holdout), []
    for column in columns:
        found_by = []
        for order in shuffles:
            moved = holdout.copy(deep=False)
            moved[column.name] = holdout[column.name].take(order).to_numpy()
            found_by.append(perform(moved))
        losses.append(whole - np.mean(found_by, axis=0))
    return np.round(np.array(losses).T, 12)  # rounding errors are no ranks
