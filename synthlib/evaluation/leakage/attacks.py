"""Membership attacks of one shape: `attack(synthetic, reference, targets, schema, rng)` → a score a target.

The attacker holds the released table, the targets' records, and other people of the same population (the
reference, of whom none is in train). A higher score says more strongly that the target was in train. No
attack sees train or a model; `shadow_attack` also needs the way the table was made.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from synthlib.evaluation.distances import log_distance, log_kernel_density, nearest_squares
from synthlib.evaluation.features import DenseEncoder, stack
from synthlib.evaluation.learners import fit_classifier
from synthlib.schema import Schema

Attack = Callable[[pd.DataFrame, pd.DataFrame, pd.DataFrame, Schema, np.random.Generator], np.ndarray]
FitAndSample = Callable[[pd.DataFrame, int, int], pd.DataFrame]

SMALLEST_BANDWIDTH = 0.05


def nearest(synthetic, reference, targets, schema, rng) -> np.ndarray:
    """How close the nearest synthetic row is: minus the distance, so at most 0.

    The weakest attack of all, since a row that many people resemble is close to something anyway. It is the
    "distance to the closest record" that other reports call a measure of privacy.

    Args:
        synthetic, reference, targets: DataFrames of shape (num_rows, num_columns).
        schema: that of the last two; what synthetic holds beside it is a level of its own.
        rng: not used.

    Returns:
        Array of shape (num_targets,).

    Reference: Ganev and De Cristofaro 2025, "The Inadequacy of Similarity-based Privacy Metrics".
    """
    made, _, asked = _encode(synthetic, reference, targets, schema)
    return -np.sqrt(nearest_squares(made, asked)[:, 0])


def domias(synthetic, reference, targets, schema, rng) -> np.ndarray:
    """How much denser synthetic rows lie around the target than other people do: log ratio, by neighbours.

    Args, Returns: as `nearest`.

    Reference: van Breugel et al. 2023, "Membership Inference Attacks against Synthetic Data through
    Overfitting Detection"; densities here by the three nearest rows.
    """
    made, others, asked = _encode(synthetic, reference, targets, schema)
    return log_distance(others, asked) - log_distance(made, asked)


def domias_kernel(synthetic, reference, targets, schema, rng) -> np.ndarray:
    """As `domias` with Gaussian kernels, a quarter as wide as neighbours in the reference are apart.

    Args, Returns: as `nearest`.

    Reference: van Breugel et al. 2023 (with kernel densities).
    """
    made, others, asked = _encode(synthetic, reference, targets, schema)
    apart = float(np.sqrt(np.median(nearest_squares(others, others, 1, skip=1)[:, 0])))
    width = max(apart / 4, SMALLEST_BANDWIDTH)
    return log_kernel_density(made, asked, width) - log_kernel_density(others, asked, width)


def classifier(synthetic, reference, targets, schema, rng) -> np.ndarray:
    """Log odds that trees call the target synthetic; they learnt to tell synthetic from reference rows.

    What gives a generator away in general (see `classifier_two_sample_test`) moves members and others alike;
    what the trees know of single rows moves members alone.

    Args:
        synthetic, reference, targets, schema: as `nearest`.
        rng: seeds the trees' binning.

    Returns:
        Array of shape (num_targets,).

    Reference: van Breugel et al. 2023; Lopez-Paz and Oquab 2017, "Revisiting Classifier Two-Sample
    Tests".
    """
    truth = np.repeat([0, 1], [len(reference), len(synthetic)])
    columns = schema.modelled
    names = [column.name for column in columns]
    both = stack(reference[names], synthetic[names])
    predict = fit_classifier("boosting", both, truth, columns, rng)
    chance = np.clip(predict(targets)[:, 1], 1e-9, 1 - 1e-9)
    return np.log(chance) - np.log1p(-chance)


def shadow_attack(fit_and_sample: FitAndSample, num_shadows: int = 8) -> Attack:
    """An attack that learns what members look like from shadow generators, whose members it knows.

    Each shadow learns from a third of the reference; another third are its non-members, and the last is what
    the attacks above compare with. A logistic regression then weighs their scores, as ranks.

    Args:
        fit_and_sample: function of rows to learn from, a number of rows to draw and a seed to a table: the
            way the released table was made, as far as the attacker knows it.
        num_shadows: fits; the attack costs as many.

    Returns:
        An attack of the usual shape; it scores 0 for everybody where the reference has fewer than nine rows.

    Reference: Stadler, Oprisanu and Troncoso 2022, "Synthetic Data: Anonymisation Groundhog Day".
    """

    def shadow(synthetic, reference, targets, schema, rng) -> np.ndarray:
        if len(reference) < 9:
            return np.zeros(len(targets))
        features, truth = [], []
        for _ in range(num_shadows):
            learnt, compared, others = np.array_split(rng.permutation(len(reference)), 3)
            made = fit_and_sample(
                reference.iloc[learnt].reset_index(drop=True), len(learnt), int(rng.integers(2**31))
            )
            asked = reference.iloc[np.concatenate([learnt, others])]
            features.append(_attack_ranks(made, reference.iloc[compared], asked, schema, rng))
            truth.append(np.repeat([1, 0], [len(learnt), len(others)]))
        weigh = _fit_logistic(np.concatenate(features), np.concatenate(truth))
        return weigh(_attack_ranks(synthetic, reference, targets, schema, rng))

    return shadow


ATTACKS: dict[str, Attack] = {
    "nearest": nearest,
    "domias": domias,
    "domias_kernel": domias_kernel,
    "classifier": classifier,
}


def _encode(synthetic, reference, targets, schema) -> list[np.ndarray]:
    """The three tables as points, by an encoder that sees only what the attacker holds beside the targets."""
    columns = schema.modelled
    names = [column.name for column in columns]
    encoder = DenseEncoder(columns).fit(stack(reference[names], synthetic[names]))
    return [encoder.transform(table) for table in (synthetic, reference, targets)]


def _attack_ranks(synthetic, reference, targets, schema, rng) -> np.ndarray:
    """Ranks in [0, 1] of the targets under each distance attack, shape (num_targets, 3)."""
    attacks = (nearest, domias, domias_kernel)
    scores = [attack(synthetic, reference, targets, schema, rng) for attack in attacks]
    return np.column_stack([rankdata(score) / len(score) for score in scores])


def _fit_logistic(features: np.ndarray, truth: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression().fit(features, truth).decision_function
