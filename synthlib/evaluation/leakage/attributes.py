"""Attribute inference: what a model learnt from the synthetic table guesses of a person, and how surely.

A good table teaches what holds of the population, and a guess from that harms nobody in particular. So the
same guesses are made of people who were not in train, and by a model that learnt from other people.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from synthlib.evaluation.features import codes, numbers
from synthlib.evaluation.leakage.risks import Trials
from synthlib.evaluation.learners import fit_classifier
from synthlib.schema import Column, Schema

NUM_PARTS = 5
MOST_BOOSTED = 10  # levels: boosting grows a tree for each in every round


class Guesses(NamedTuple):
    """Guesses of a secret, arrays of shape (num_targets,).

    Attributes:
        right: whether the likeliest value is the true one.
        confidence: its probability.
        surprise: minus the logarithm of the true value's probability, in nats.
    """

    right: np.ndarray
    confidence: np.ndarray
    surprise: np.ndarray


def attribute_inference(
    synthetic: pd.DataFrame,
    reference: pd.DataFrame,
    members: pd.DataFrame,
    others: pd.DataFrame,
    schema: Schema,
    rng: np.random.Generator,
    secret: str,
    known: Sequence[str] | None = None,
) -> tuple[Guesses, Guesses, Guesses]:
    """Guesses by a model that learnt from the synthetic table, of members and of others.

    Boosted trees; where the secret has more than ten levels the 25 nearest rows: their cost does not grow
    with the levels, and they find copies among hundreds of them, of which boosted trees learn nothing.

    Args:
        synthetic, reference, members, others: DataFrames of shape (num_rows, num_columns); the reference,
            from which only the naive guesser learns, may be the others.
        schema: theirs.
        rng: seeds the trees.
        secret: name of the column to infer; of a number, the fifth of the reference in which it lies.
        known: names of the columns that the attacker knows; by default all others.

    Returns:
        Guesses of members and of others, and those that somebody makes of the members who knows the same
        columns and learnt from the reference.

    Reference: Stadler, Oprisanu and Troncoso 2022, "Synthetic Data: Anonymisation Groundhog Day".
    """
    columns = [c for c in schema.modelled if c.name != secret and (known is None or c.name in known)]
    cuts, seed = _cut_points(reference, schema[secret]), int(rng.integers(2**31))
    attack, naive = (
        guess_secret(source, asked, columns, schema[secret], cuts, np.random.default_rng(seed))
        for source, asked in (
            (synthetic, pd.concat([members, others], ignore_index=True)),
            (reference, members),
        )
    )
    inside, outside = zip(*(np.split(part, [len(members)]) for part in attack), strict=True)
    return Guesses(*inside), Guesses(*outside), naive


def guess_trials(guesses: tuple[Guesses, Guesses, Guesses], sure: float = 1.0) -> Trials:
    """Which guesses are right, of all or of the most confident ones.

    Args:
        guesses: from `attribute_inference`.
        sure: share of all guesses, of members and others, that count; where all of these are of one side, so
            do those that are as sure as this share of the other. The naive guesser's all do.
    """
    attack, control, naive = guesses
    everybody = np.concatenate([attack.confidence, control.confidence])
    least = np.quantile(everybody, 1 - sure) if len(everybody) else 0.0
    for side in (attack.confidence, control.confidence):
        if len(side) and side.max() < least:
            least = np.quantile(side, 1 - sure)
    return Trials(*(part.right[part.confidence >= least] for part in (attack, control)), naive.right)


def guess_secret(
    source: pd.DataFrame,
    asked: pd.DataFrame,
    columns: Sequence[Column],
    secret: Column,
    cuts: np.ndarray,
    rng: np.random.Generator,
) -> Guesses:
    """Learn the secret's levels from `source` and guess those of `asked`; a constant is guessed as such."""
    labels, truth = _levels(source, secret, cuts), _levels(asked, secret, cuts)
    known, positions = np.unique(labels, return_inverse=True)
    if len(known) < 2 or not columns:
        shares = np.bincount(positions, minlength=len(known)) / max(len(positions), 1)
        chances = np.tile(shares, (len(asked), 1))
    else:
        learner = "neighbours" if secret.is_discrete and len(secret.categories) > MOST_BOOSTED else "boosting"
        chances = fit_classifier(learner, source, positions, columns, rng)(asked)
    likeliest = chances.argmax(axis=1)
    place = np.searchsorted(known, truth)
    is_known = known[np.minimum(place, len(known) - 1)] == truth
    of_truth = np.where(is_known, chances[np.arange(len(asked)), np.minimum(place, len(known) - 1)], 0.0)
    right = known[likeliest] == truth
    return Guesses(right, chances.max(axis=1), -np.log(np.maximum(of_truth, 1e-9)))


def choose_secrets(schema: Schema, most: int = 3) -> list[str]:
    """Columns to infer when nobody names any: the target, then some that are no quasi-identifier or leak."""
    passed = {*schema.quasi_identifiers, *schema.leaks, schema.target}
    rest = [column.name for column in schema.modelled if column.name not in passed]
    first = [schema.target] if schema.target in [column.name for column in schema.modelled] else []
    num = min(most - len(first), len(rest))
    spaced = [rest[int(at)] for at in np.linspace(0, len(rest) - 1, num)] if num > 0 else []
    return [*first, *dict.fromkeys(spaced)]


def _cut_points(reference: pd.DataFrame, secret: Column) -> np.ndarray:
    if secret.is_discrete:
        return np.empty(0)
    known = numbers(reference, secret)
    known = known[~np.isnan(known)]
    return np.unique(np.quantile(known, np.arange(1, NUM_PARTS) / NUM_PARTS)) if len(known) else np.empty(0)


def _levels(table: pd.DataFrame, secret: Column, cuts: np.ndarray) -> np.ndarray:
    """Levels or fifths as integers; missing is -1."""
    if secret.is_discrete:
        return codes(table, secret)
    values = numbers(table, secret)
    return np.where(np.isnan(values), -1, np.searchsorted(cuts, values, "right"))
