"""Canaries: records that could be a patient's, are nobody's, and are as odd as the schema allows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from synthlib.evaluation.distances import log_kernel_density, nearest_squares
from synthlib.evaluation.features import DenseEncoder, codes, numbers, stack, tree_matrix
from synthlib.schema import Column, Schema

RARE_SHARE = 0.5
NUM_TRIES = 50
BANDWIDTH = 0.1


def make_canaries(train: pd.DataFrame, schema: Schema, num: int, rng: np.random.Generator) -> pd.DataFrame:
    """Draw canaries: numbers at the ends of their ranges, levels among the rarer half, rules kept.

    They are different from each other and from every training row. Where the schema declares no range, ends
    are train's, and the canaries are as confidential as train.

    Args:
        train: DataFrame of shape (num_rows, num_columns); says which levels are rare.
        schema: its Schema.
        num: how many.
        rng: draws ends and levels.

    Returns:
        DataFrame of the Schema, shape (num, num_columns). Identifiers are those of random training rows.

    Raises:
        ValueError: if the columns have no room for that many.

    Reference: Jagielski, Ullman and Oprea 2020, "Auditing differentially private machine learning".
    """
    columns = schema.modelled
    taken = set(_keys(train, columns))
    found: list[pd.DataFrame] = []
    for _ in range(NUM_TRIES):
        drawn = _draw(train, schema, num, rng)
        fresh = []
        for key in _keys(drawn, columns):
            fresh.append(key not in taken)
            taken.add(key)
        found.append(drawn[fresh])
        if sum(map(len, found)) >= num:
            return pd.concat(found, ignore_index=True).iloc[:num]
    raise ValueError(
        f"expected room for {num} different canaries, found {sum(map(len, found))}; ask for fewer"
    )


def canary_scores(synthetic: pd.DataFrame, canaries: pd.DataFrame, schema: Schema) -> np.ndarray:
    """How much of the synthetic table looks like each canary: density of kernels so narrow that copies count.

    Args:
        synthetic: DataFrame of shape (num_rows, num_columns).
        canaries: DataFrame of shape (num_canaries, num_columns).
        schema: theirs.

    Returns:
        Array of shape (num_canaries,): a log density, less the distance to the nearest row where that is far.
    """
    columns = schema.modelled
    names = [column.name for column in columns]
    encoder = DenseEncoder(columns).fit(stack(canaries[names], synthetic[names]))
    made, asked = encoder.transform(synthetic), encoder.transform(canaries)
    return log_kernel_density(made, asked, BANDWIDTH) - 1e-6 * nearest_squares(made, asked)[:, 0]


def _draw(train: pd.DataFrame, schema: Schema, num: int, rng: np.random.Generator) -> pd.DataFrame:
    drawn = {}
    for column in schema:
        if column.is_discrete:
            values = pd.Series(_rare_levels(train, column)).sample(num, replace=True, random_state=rng)
            drawn[column.name] = _typed(values.to_numpy(), column)
        elif column.is_numeric:
            drawn[column.name] = column.from_numbers(rng.choice(_ends(train, column), num))
        else:
            drawn[column.name] = train[column.name].iloc[rng.integers(0, len(train), num)].to_numpy()
    table = pd.DataFrame(drawn)
    return schema.enforce(table, seed=int(rng.integers(2**31))) if schema.rules else table


def _rare_levels(train: pd.DataFrame, column: Column) -> list:
    counts = np.bincount(codes(train, column) + 1, minlength=len(column.categories) + 2)[1:-1]
    num = max(2, int(np.ceil(RARE_SHARE * len(column.categories))))
    return [column.categories[at] for at in np.argsort(counts, kind="stable")[:num]]


def _ends(train: pd.DataFrame, column: Column) -> np.ndarray:
    low, high = column.numeric_range()
    known = numbers(train, column)
    known = known[~np.isnan(known)]
    known = known if len(known) else np.zeros(1)
    ends = (low if np.isfinite(low) else known.min(), high if np.isfinite(high) else known.max())
    return np.array(ends)


def _typed(values: np.ndarray, column: Column) -> pd.Series:
    return pd.Series(values, dtype=object).astype(column.dtype)


def _keys(table: pd.DataFrame, columns) -> list[bytes]:
    matrix = np.ascontiguousarray(np.nan_to_num(tree_matrix(table, columns), nan=np.inf))
    return [row.tobytes() for row in matrix]
