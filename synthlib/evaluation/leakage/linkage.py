"""What the closest synthetic row tells: that two records are one person's, or a value that nobody gave away.

Reference: Giomi et al. 2023 (linkability, inference).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from synthlib.evaluation.features import codes, numbers
from synthlib.evaluation.leakage.risks import Trials
from synthlib.schema import Column, Schema

BLOCK_CELLS = 4_000_000
TOLERANCE = 0.05


def linkability(
    synthetic: pd.DataFrame,
    members: pd.DataFrame,
    others: pd.DataFrame,
    schema: Schema,
    rng: np.random.Generator,
    sides: tuple[Sequence[str], Sequence[str]] | None = None,
    num_neighbours: int = 1,
) -> Trials:
    """Two parts of a person's record, linked because they have a closest synthetic row in common.

    Args:
        synthetic, members, others: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: breaks ties between rows equally close, deals the columns out, and guesses.
        sides: names of the columns of either part; by default all columns, dealt out at random.
        num_neighbours: closest rows that are looked at for each part.

    Returns:
        Trials with one attempt per member and per other; the naive guesser draws rows at random, once for
        each member. No attempts where a part has no column.
    """
    if sides is None:
        order = rng.permutation([column.name for column in schema.modelled])
        sides = tuple(part.tolist() for part in np.array_split(order, 2))
    num = min(num_neighbours, len(synthetic))
    synthetic = synthetic.iloc[rng.permutation(len(synthetic))]  # among equals, the first wins
    if not all(len(side) for side in sides):
        return Trials(*(np.empty(0, dtype=bool) for _ in range(3)))
    found = []
    for targets in (members, others):
        first, second = (_closest(synthetic, targets, [schema[n] for n in side], num) for side in sides)
        found.append((first[:, :, None] == second[:, None, :]).any(axis=(1, 2)))
    drawn = rng.integers(0, len(synthetic), (2, len(members), num))
    naive = (drawn[0][:, :, None] == drawn[1][:, None, :]).any(axis=(1, 2))
    return Trials(*found, naive)


def nearest_inference(
    synthetic: pd.DataFrame,
    members: pd.DataFrame,
    others: pd.DataFrame,
    schema: Schema,
    rng: np.random.Generator,
    secret: str,
    known: Sequence[str] | None = None,
) -> Trials:
    """A person's secret, guessed from the synthetic row closest in what is known.

    A number is guessed right within 5%, a level or a missing value exactly. The naive guesser takes the
    secret of a random synthetic row.

    Args:
        synthetic, members, others: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: breaks ties between rows equally close, and guesses.
        secret: name of the column to infer.
        known: names of the columns that the attacker knows; by default all others.

    Returns:
        Trials with one attempt per member and per other.
    """
    column = schema[secret]
    known = [c for c in schema.modelled if c.name != secret and (known is None or c.name in known)]
    synthetic = synthetic.iloc[rng.permutation(len(synthetic))]
    values = _values(synthetic, column)
    found = []
    for targets in (members, others):
        guessed = values[_closest(synthetic, targets, known, 1)[:, 0]]
        found.append(_is_right(guessed, _values(targets, column), column))
    guessed = rng.choice(values, len(members))
    return Trials(*found, _is_right(guessed, _values(members, column), column))


def gower_blocks(points: pd.DataFrame, queries: pd.DataFrame, columns: Sequence[Column]):
    """Gower's distances from blocks of queries to all points, float32, not divided by the number of columns.

    A number's difference counts as a share of the range of both tables, another level or a value missing on
    one side as 1, missing on both as 0.

    Reference: Gower 1971, "A general coefficient of similarity and some of its properties".
    """
    prepared = [_prepare(points, queries, column) for column in columns]
    step = max(1, BLOCK_CELLS // max(len(points), 1))
    for start in range(0, len(queries), step):
        rows = slice(start, start + step)
        total = np.zeros((len(queries[rows]), len(points)), dtype=np.float32)
        for of_points, of_queries, is_numeric in prepared:
            part = of_queries[rows, None]
            if not is_numeric:
                total += of_points != part
                continue
            absent = np.isnan(of_points) != np.isnan(part)
            total += np.where(absent, np.float32(1), np.nan_to_num(np.abs(of_points - part)))
        yield rows, total


def _closest(points, queries, columns, num) -> np.ndarray:
    """Positions of the closest points, shape (num_queries, num); among equals the first ones."""
    found = np.empty((len(queries), num), dtype=np.int64)
    for rows, distance in gower_blocks(points, queries, columns):
        if num == 1:
            found[rows, 0] = distance.argmin(axis=1)
        else:
            found[rows] = np.argsort(distance, axis=1, kind="stable")[:, :num]
    return found


def _prepare(points, queries, column) -> tuple[np.ndarray, np.ndarray, bool]:
    if not column.is_numeric:
        return codes(points, column), codes(queries, column), False
    pair = [numbers(table, column) for table in (points, queries)]
    present = np.concatenate(pair)
    present = present[~np.isnan(present)]
    spread = np.ptp(present) if len(present) else 0.0
    return *((values / (spread or 1.0)).astype(np.float32) for values in pair), True


def _values(table: pd.DataFrame, column: Column) -> np.ndarray:
    return numbers(table, column) if column.is_numeric else codes(table, column).astype(float)


def _is_right(guessed: np.ndarray, truth: np.ndarray, column: Column) -> np.ndarray:
    both_missing = np.isnan(guessed) & np.isnan(truth)
    within = TOLERANCE * np.abs(truth) if column.is_numeric else 0.0
    return both_missing | (np.abs(guessed - truth) <= within)
