"""Who is most exposed: people unlike the others, with rare levels, or in small subgroups.

Averages over everybody hide what happens to these few. Nothing here looks at train: what is rare is what is
rare in the reference.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from synthlib.evaluation.distances import log_distance
from synthlib.evaluation.features import DenseEncoder, codes, numbers
from synthlib.schema import Column, Schema

NUM_PARTS = 4
MAX_PAIRED = 24


def most_exposed(
    reference: pd.DataFrame, targets: pd.DataFrame, schema: Schema, share: float = 0.1
) -> np.ndarray:
    """Which targets are more exposed than all but a tenth of the reference.

    Args:
        reference: DataFrame of shape (num_reference, num_columns), of whom no target is one.
        targets: DataFrame of shape (num_targets, num_columns).
        schema: theirs.
        share: of the reference that counts as exposed, in (0, 1).

    Returns:
        Bool array of shape (num_targets,); nobody where the reference has fewer than ten rows.
    """
    if len(reference) < 10:
        return np.zeros(len(targets), dtype=bool)
    own, of_targets = exposure(reference, targets, schema)
    return of_targets > np.quantile(own, 1 - share)


def exposure(reference: pd.DataFrame, targets: pd.DataFrame, schema: Schema) -> tuple[np.ndarray, np.ndarray]:
    """How exposed each row is: the share of the reference that it surpasses in the way it stands out most.

    Four ways: distance to the three nearest reference rows; the most extreme of its numbers; the rarest of
    its levels; how small the groups are that it shares two coarse values with (of its quasi-identifiers,
    where the schema names two).

    Args:
        reference, targets, schema: as `most_exposed`.

    Returns:
        Of the reference's own rows, each held against the others, and of the targets: arrays of shapes
        (num_reference,) and (num_targets,), in [0, 1].
    """
    ways = [_outlying(reference, targets, schema), *_rarity(reference, targets, schema)]
    ranked = [(_surpassed(own, own), _surpassed(own, asked)) for own, asked in ways]
    own, of_targets = (np.max(found, axis=0) for found in zip(*ranked, strict=True))
    return own, of_targets


def _outlying(reference, targets, schema) -> tuple[np.ndarray, np.ndarray]:
    encoder = DenseEncoder(schema.modelled).fit(reference)
    points, asked = encoder.transform(reference), encoder.transform(targets)
    return log_distance(points, points, skip=1), log_distance(points, asked)


def _rarity(reference, targets, schema) -> list[tuple[np.ndarray, np.ndarray]]:
    """Surprise, in nats, at the farthest tail and the rarest level, and its mean over pairs of values."""
    columns = schema.modelled
    paired = [column for column in columns if column.name in schema.quasi_identifiers]
    paired = (paired if len(paired) > 1 else columns)[:MAX_PAIRED]
    coarse = {column.name: _coarsen(reference, targets, column) for column in columns}
    single = [_surprise(*coarse[c.name]) for c in columns if c.is_discrete]
    pairs = [_surprise(*_cross(coarse[a.name], coarse[b.name])) for a, b in combinations(paired, 2)]
    tails = [_tail(numbers(reference, c), numbers(targets, c)) for c in columns if c.is_numeric]
    found = []
    for surprises, combine in ((tails, np.max), (single, np.max), (pairs, np.mean)):
        if surprises:
            found.append(tuple(combine(part, axis=0) for part in zip(*surprises, strict=True)))
    return found


def _coarsen(reference, targets, column: Column) -> tuple[np.ndarray, np.ndarray]:
    """Levels, or quarters of the reference's numbers, as integers from 0; missing is one of its own."""
    if column.is_discrete:
        return codes(reference, column) + 1, codes(targets, column) + 1
    own, asked = numbers(reference, column), numbers(targets, column)
    known = own[~np.isnan(own)]
    cuts = np.unique(np.quantile(known, np.arange(1, NUM_PARTS) / NUM_PARTS)) if len(known) else np.empty(0)
    parts = (np.searchsorted(cuts, values, "right") + 1 for values in (own, asked))
    return tuple(
        np.where(np.isnan(values), 0, part) for values, part in zip((own, asked), parts, strict=True)
    )


def _cross(first: tuple, second: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of values as integers, numbered from 0 as they come: many levels make few pairs."""
    width = 1 + max(int(part.max(initial=0)) for part in second)
    pairs = [a * width + b for a, b in zip(first, second, strict=True)]
    numbered = np.unique(np.concatenate(pairs), return_inverse=True)[1]
    return tuple(np.split(numbered, [len(pairs[0])]))


def _surprise(own: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Minus the logarithm of the share of other reference rows with that value, one added to each count."""
    counts = np.bincount(own, minlength=1 + max(int(own.max(initial=0)), int(asked.max(initial=0))))
    total = np.log(len(own) + 1)
    return total - np.log(counts[own]), total - np.log(counts[asked] + 1.0)


def _tail(own: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `_surprise`, at other reference rows being at least as far out."""
    known = np.sort(own[~np.isnan(own)])
    found = []
    for values, added in ((own, 0), (asked, 1)):
        above = len(known) - np.searchsorted(known, values, "left")
        count = np.minimum(above, np.searchsorted(known, values, "right")) + added
        found.append(np.where(np.isnan(values), 0.0, np.log(len(known) + 1) - np.log(np.maximum(count, 1))))
    return found[0], found[1]


def _surpassed(own: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Share of the reference's values that each value lies above, ties half."""
    ordered = np.sort(own)
    found = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return found / (2 * len(own))
