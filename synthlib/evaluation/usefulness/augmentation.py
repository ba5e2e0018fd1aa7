"""Adding synthetic rows to real ones: does the model get better, or only the table longer?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from synthlib.evaluation.features import patients_of, sample_rows, stack
from synthlib.evaluation.intervals import NAN
from synthlib.evaluation.learners import CLASSIFIERS, REGRESSORS
from synthlib.evaluation.outcomes import (
    MAX_ROWS,
    enough,
    labelled,
    patients,
    performance,
    predict_alike,
    truth_of,
)
from synthlib.evaluation.resampling import draw_weights, percentiles
from synthlib.scores import Score

SMALL_SHARE = 0.1
NUM_SAMPLES = 4
NUM_RESAMPLES = 300


def augmentation_gain(train, holdout, synthetic, schema, rng) -> list[Score]:
    """What a model gains on the holdout when the synthetic table is added to the real rows it learns from.

    A gain may be negative: rows that are a little wrong outweigh what they add. The generator learnt from all
    of train, so that added to a tenth of it the table brings what the other nine tenths say: that gain is
    what a hospital with few patients of its own would have of another's synthetic table, not what it could
    make of its own.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns); rows without the target are
            left out, and 20,000 of each table are used at most.
        schema: theirs, with a target.
        rng: draws the small samples, seeds the learners (alike for both tables), resamples the holdout.

    Returns:
        For boosted trees and the linear model, differences in AUROC (R² for a number), real and synthetic
        rows less real ones:
        - `augmentation_gain_*` beside all of train; reference 0, as no new patient is in it;
        - `augmentation_gain_small_*` beside a tenth of train, mean over four such samples; reference: the
          gain when the rest of train is added instead, which is what real patients would bring.
        Intervals resample the holdout's patients (the same for both models), and the small samples; NaN with
        fewer than ten patients of a kind. None without a target.
    """
    if schema.target is None or not schema.features:
        return []
    target = schema[schema.target]
    names = [target.name, *schema.features]  # a synthetic table may lack identifiers
    train, synthetic = (
        sample_rows(labelled(table[names], target), MAX_ROWS, rng).reset_index(drop=True)
        for table in (train, synthetic)
    )
    holdout = patients(holdout, target, rng)
    units, holdout = patients_of(holdout, schema), holdout[names]
    if not len(train) or not len(holdout):
        return []
    truth, scores = truth_of(holdout, target), []
    weights = draw_weights(len(holdout), NUM_RESAMPLES, rng, units)
    sure = enough(target, truth, units)
    size = max(round(SMALL_SHARE * len(train)), 1)
    samples = [train.iloc[rng.permutation(len(train))[:size]] for _ in range(NUM_SAMPLES)]
    drawn = rng.integers(0, NUM_SAMPLES, (NUM_RESAMPLES + 1, NUM_SAMPLES))
    drawn[0] = np.arange(NUM_SAMPLES)

    def gains(learner: str, real: pd.DataFrame, *added: pd.DataFrame) -> list[np.ndarray]:
        """Of each table that is added to the real rows, shape (num_resamples + 1,) each."""
        tables = [real, *(stack(real, table) for table in added)]
        found = [
            performance(target, truth, predicted, weights)
            for predicted in predict_alike(learner, tables, holdout, schema, rng)
        ]
        return [other - found[0] for other in found[1:]]

    for learner in REGRESSORS if target.is_numeric else CLASSIFIERS:
        (whole,) = gains(learner, train, synthetic)
        small = [gains(learner, sample, synthetic, train.drop(sample.index)) for sample in samples]
        made, real = (np.array(part) for part in zip(*small, strict=True))  # (num_samples, num_resamples + 1)
        few = np.take_along_axis(made.T, drawn, axis=1).mean(axis=1)
        for name, values, reference in (
            ("augmentation_gain", whole, 0.0),
            ("augmentation_gain_small", few, float(real[:, 0].mean())),
        ):
            ends = percentiles(values) if sure else (NAN, NAN)
            scores.append(Score(f"{name}_{learner}", float(values[0]), *ends, reference))
    return scores
