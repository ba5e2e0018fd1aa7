"""Singling out: does what is unique in the synthetic table point at one real person?

Reference: Giomi et al. 2023; Cohen and Nissim 2020, "Towards formalizing the GDPR's notion of
singling out".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from synthlib.evaluation.features import tree_matrix
from synthlib.evaluation.leakage.risks import Trials
from synthlib.schema import Schema

EQUAL, OTHER, AT_MOST, AT_LEAST, BELOW, ABOVE = range(6)
NUM_TRIES = 20  # multivariate predicates tried for each that is wanted
FIRST_TRIES = 1_000  # after which less than one success in a hundred is given up


class Predicate(NamedTuple):
    """Conditions that all hold: column, one of the six comparisons, value; NaN stands for missing."""

    conditions: tuple[tuple[int, int, float], ...]

    def matches(self, matrix: np.ndarray) -> np.ndarray:
        """Which rows it holds for; `matrix` as from `tree_matrix`, result of shape (num_rows,)."""
        found = np.ones(len(matrix), dtype=bool)
        for column, comparison, value in self.conditions:
            found &= _compare(matrix[:, column], comparison, value)
        return found


def singling_out(
    synthetic: pd.DataFrame,
    members: pd.DataFrame,
    others: pd.DataFrame,
    schema: Schema,
    rng: np.random.Generator,
    num_columns: int = 1,
    num_attacks: int = 500,
) -> Trials:
    """Predicates that hold for one synthetic row, tried on members and, as control, on others.

    An attempt succeeds where exactly one row meets the predicate. With one column, predicates are the values
    that occur once and the ends of ranges; with more, values of a synthetic row, "at least" above the median
    and "at most" below. The naive guesser takes columns, comparisons and values at random.

    Chances of being alone depend on the number of rows: of the larger table as many are taken as the smaller
    has. Where members are a part of train, so is the risk.

    Args:
        synthetic, members, others: DataFrames of shape (num_rows, num_columns); rows that repeat count once.
        schema: theirs.
        rng: draws rows, columns and values.
        num_columns: 1 for univariate predicates, more for multivariate ones.
        num_attacks: predicates at most; there may be fewer, or none.

    Returns:
        Trials, of shape (num_predicates,), with whom each predicate isolates.
    """
    size = min(len(members), len(others))
    columns = schema.modelled
    made, inside, outside = (
        _distinct(tree_matrix(table, columns))
        for table in (synthetic, *(t.iloc[rng.permutation(len(t))[:size]] for t in (members, others)))
    )
    numeric = np.array([column.is_numeric for column in columns])
    if num_columns == 1:
        predicates = _univariate(made, numeric, num_attacks, rng)
    else:
        predicates = _multivariate(made, numeric, min(num_columns, len(columns)), num_attacks, rng)
    guesses = [_guess(made, numeric, num_columns, rng) for _ in range(num_attacks)]
    who = np.array([_isolated(predicates, matrix) for matrix in (inside, outside)])
    return Trials(who[0] >= 0, who[1] >= 0, _isolated(guesses, inside) >= 0, who)


def _isolated(predicates: list[Predicate], matrix: np.ndarray) -> np.ndarray:
    """The row that each predicate holds for alone, -1 where it holds for none or more than one."""
    found = np.full(len(predicates), -1)
    for at, predicate in enumerate(predicates):
        rows = np.flatnonzero(predicate.matches(matrix))
        found[at] = rows[0] if len(rows) == 1 else -1
    return found


def _univariate(made, numeric, num_attacks, rng) -> list[Predicate]:
    found: list[Predicate] = []
    for column, values in enumerate(made.T):
        present = values[~np.isnan(values)]
        if len(present) == len(values) - 1:
            found.append(Predicate(((column, EQUAL, np.nan),)))
        level, count = np.unique(present, return_counts=True)
        found += [Predicate(((column, EQUAL, value),)) for value in level[count == 1]]
        if numeric[column] and len(level):
            ends = ((AT_MOST, level[0], count[0]), (AT_LEAST, level[-1], count[-1]))
            found += [Predicate(((column, side, end),)) for side, end, times in ends if times == 1]
    return [found[at] for at in rng.permutation(len(found))[:num_attacks]]


def _multivariate(made, numeric, num_columns, num_attacks, rng) -> list[Predicate]:
    middle = [np.median(v[~np.isnan(v)]) if (~np.isnan(v)).any() else 0.0 for v in made.T]
    found: dict[Predicate, None] = {}
    for tried in range(NUM_TRIES * num_attacks):
        is_hopeless = tried >= FIRST_TRIES and len(found) < tried / 100
        if len(found) == num_attacks or is_hopeless or not len(made):
            break
        row = made[rng.integers(len(made))]
        chosen = np.sort(rng.choice(made.shape[1], num_columns, replace=False))
        conditions = []
        for column in chosen:
            if not numeric[column] or np.isnan(row[column]):
                conditions.append((int(column), EQUAL, float(row[column])))
            else:
                side = AT_LEAST if row[column] > middle[column] else AT_MOST
                conditions.append((int(column), side, float(row[column])))
        predicate = Predicate(tuple(conditions))
        if predicate.matches(made).sum() == 1:
            found[predicate] = None
    return list(found)


def _guess(made, numeric, num_columns, rng) -> Predicate:
    conditions = []
    for column in rng.choice(made.shape[1], min(num_columns, made.shape[1]), replace=False):
        values = np.unique(made[:, column])
        value = float(rng.choice(values)) if len(values) else np.nan
        comparison = int(rng.integers(6 if numeric[column] and not np.isnan(value) else 2))
        conditions.append((int(column), comparison, value))
    return Predicate(tuple(conditions))


def _compare(values: np.ndarray, comparison: int, value: float) -> np.ndarray:
    if np.isnan(value):
        return np.isnan(values) if comparison == EQUAL else ~np.isnan(values)
    if comparison == OTHER:
        return (values != value) & ~np.isnan(values)
    compare = {
        EQUAL: np.equal,
        AT_MOST: np.less_equal,
        AT_LEAST: np.greater_equal,
        BELOW: np.less,
        ABOVE: np.greater,
    }
    return compare[comparison](values, value)


def _distinct(matrix: np.ndarray) -> np.ndarray:
    return pd.DataFrame(matrix).drop_duplicates().to_numpy()
