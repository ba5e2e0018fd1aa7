"""Choosing a model on synthetic rows: is it the model that real patients would have chosen?"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from synthlib.evaluation.features import note_sample, patients_of, sample_rows
from synthlib.evaluation.intervals import NAN
from synthlib.evaluation.outcomes import (
    MAX_ROWS,
    enough,
    families,
    labelled,
    patients,
    performance,
    predict,
    truth_of,
)
from synthlib.evaluation.resampling import draw_weights, percentiles
from synthlib.schema import Schema
from synthlib.scores import Score

VALIDATION = 0.25  # of a table, set aside to choose by
NUM_RESAMPLES = 300
NAMES = ("model_ranking_tau", "model_ranking_same_winner", "model_choice_regret")


def model_ranking(train, holdout, synthetic, schema, rng) -> list[Score]:
    """Whether an analyst who has only the synthetic table would pick the model that is best for patients.

    That analyst trains five families of learners on three quarters of it and ranks them on the rest. The
    truth is how the families, trained on train, do on the holdout. For the reference, train is in the
    synthetic table's place. Families that differ little are ranked by chance, of real rows too: the regret
    says whether that matters.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns); rows without the target are
            left out; at most 20,000 are learnt from, chosen by, or predicted.
        schema: theirs, with a target.
        rng: splits, seeds the learners, resamples the holdout and the rows that are chosen by.

    Returns:
        - `model_ranking_tau`: Kendall's tau of the two rankings in [-1, 1] (ties count as neither).
        - `model_ranking_same_winner`: 1 if the winner is the same, 0 if not; an interval from 0 to 1 means
          that these rows do not settle it. Tied winners share the 1.
        - `model_choice_regret`: AUROC (or R²) lost by training the family that is recommended rather than
          the best one on train; 0 is best. The best one is found on the same patients, which makes
          every regret a little too large; the reference's by as much.
        Percentile intervals; NaN with fewer than ten patients of a kind. None without a target.

    Reference: Jordon, Yoon and van der Schaar 2018, "Measuring the quality of synthetic data for use in
    competitions" (agreement of rankings).
    """
    if schema.target is None or not schema.features:
        return []
    target = schema[schema.target]
    train, synthetic = (labelled(table, target) for table in (train, synthetic))
    holdout = patients(holdout, target, rng)
    if not len(train) or not len(holdout):
        return []
    truth = truth_of(holdout, target)
    units = patients_of(holdout, schema)
    weights = draw_weights(len(holdout), NUM_RESAMPLES, rng, units)
    predicted = (predict(learner, train, holdout, schema, rng) for learner in families(target))
    real = np.array([performance(target, truth, found, weights) for found in predicted]).T
    if np.isnan(real[0]).any():
        return [Score(name, NAN, NAN, NAN, NAN) for name in NAMES]
    made, again = (_rank_within(table, schema, rng) for table in (synthetic, train))
    sure = enough(target, truth, units)
    scores = []
    for name, statistic in zip(NAMES, (kendall, same_winner, regret), strict=True):
        found = statistic(real, made)
        ends = percentiles(found) if sure else (NAN, NAN)
        scores.append(Score(name, float(found[0]), *ends, float(statistic(real[:1], again[:1])[0])))
    return scores


def kendall(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Kendall's tau of two rankings of models, a tie in either counting as neither; shape (num_resamples,).

    Args:
        first, second: performances of shape (num_resamples, num_models); NaN ties with everything.

    Reference: Kendall 1938, "A new measure of rank correlation" (tau-a).
    """
    pairs = list(combinations(range(first.shape[1]), 2))
    signs = [np.nan_to_num(np.sign(x[:, i] - x[:, j])) for x in (first, second) for i, j in pairs]
    one, other = np.split(np.array(signs), 2)
    return (one * other).mean(axis=0)


def same_winner(real: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Share of the models that `made` puts first which `real` puts first too, shape (num_resamples,)."""
    first, recommended = _winners(real), _winners(made)
    return (first & recommended).sum(axis=1) / recommended.sum(axis=1)


def regret(real: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Best real performance less that of the recommended models (their mean), shape (num_resamples,)."""
    recommended, known = _winners(made), np.nan_to_num(real)
    return known.max(axis=1) - (known * recommended).sum(axis=1) / recommended.sum(axis=1)


def _winners(performances: np.ndarray) -> np.ndarray:
    filled = np.where(np.isnan(performances), -np.inf, performances)
    return filled == filled.max(axis=1, keepdims=True)


def _rank_within(table: pd.DataFrame, schema: Schema, rng: np.random.Generator) -> np.ndarray:
    """Performances within a table, of resampled validation rows, shape (num_resamples + 1, num_models)."""
    target, order = schema[schema.target], rng.permutation(len(table))
    num_held = round(VALIDATION * len(table))
    held, learnt = order[: min(num_held, MAX_ROWS)], np.sort(order[num_held:])
    if not len(held) or not len(learnt):
        return np.full((NUM_RESAMPLES + 1, len(families(target))), np.nan)
    note_sample(len(held), num_held)
    rows, table = table.iloc[held], sample_rows(table.iloc[learnt], MAX_ROWS, rng)
    truth, weights = truth_of(rows, target), draw_weights(len(held), NUM_RESAMPLES, rng)
    predicted = (predict(learner, table, rows, schema, rng) for learner in families(target))
    return np.array([performance(target, truth, found, weights) for found in predicted]).T
