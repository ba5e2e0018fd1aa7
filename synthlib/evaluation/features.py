"""A table as numbers: what metrics and their classifiers compute with. Missing stays visible everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
import pandas as pd

from synthlib.schema import Column, Schema

MAX_TREE_LEVELS = 250  # scikit-learn's histogram trees hold 255 bins
LARGEST = float(np.finfo(np.float32).max)


class Samples(set[tuple[int, int]]):
    """Pairs of how many rows were used, of how many; `columns` the same of columns, and of sets of them."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: set[tuple[int, int, str]] = set()


_samples: ContextVar[Samples | None] = ContextVar("samples", default=None)  # None: nobody asked to know


@contextmanager
def noting_samples() -> Iterator[Samples]:
    """Collect each (rows used, rows there were) of what `sample_rows` and `matched_parts` leave out."""
    found = Samples()
    token = _samples.set(found)
    try:
        yield found
    finally:
        _samples.reset(token)


def note_sample(used: int, num_rows: int) -> None:
    """Say that only `used` of `num_rows` rows are looked at, for the report's notes."""
    found = _samples.get()
    if found is not None and used < num_rows:
        found.add((used, num_rows))


def note_columns(used: int, num_all: int, what: str) -> None:
    """Say that only `used` of `num_all` columns, or pairs or triples of them, are looked at."""
    found = _samples.get()
    if found is not None and used < num_all:
        found.columns.add((used, num_all, what))


def patients_of(table: pd.DataFrame, schema: Schema) -> np.ndarray:
    """Each row's patient, numbered from 0 in order of appearance, shape (num_rows,).

    Rows without an id count as one patient's; without a `patient_id`, each row is a patient.
    """
    if schema.patient_id is None or schema.patient_id not in table.columns:
        return np.arange(len(table))
    return pd.factorize(table[schema.patient_id], use_na_sentinel=False)[0]


def numbers(table: pd.DataFrame, column: Column) -> np.ndarray:
    """A numeric column as float64 of shape (num_rows,); NaN where missing or where it is no number.

    A synthetic table may hold anything: what cannot be read is no error here, `invalid_share` counts it.
    """
    values = table[column.name]
    if column.kind == "datetime":
        dates = pd.to_datetime(values, format=column.format, errors="coerce")
        return column.to_numbers(dates if column.format is None else dates.dt.strftime(column.format))
    found = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(found), found, np.nan) + 0.0


def codes(table: pd.DataFrame, column: Column) -> np.ndarray:
    """A discrete column as positions in `column.categories`, shape (num_rows,).

    -1 where missing, `len(column.categories)` where the value is none of them.
    """
    values = table[column.name]
    index = {level: position for position, level in enumerate(column.categories)}
    found = values.astype(object).map(index).fillna(len(index)).to_numpy(dtype=np.int64)
    return np.where(values.isna().to_numpy(), -1, found)


def present(table: pd.DataFrame, column: Column) -> np.ndarray:
    """The column's numbers or codes without the missing ones."""
    if column.is_discrete:
        found = codes(table, column)
        return found[found >= 0]
    found = numbers(table, column)
    return found[~np.isnan(found)]


def missing(table: pd.DataFrame, column: Column) -> np.ndarray:
    """Where the column has no readable value, shape (num_rows,)."""
    return np.isnan(numbers(table, column)) if column.is_numeric else codes(table, column) < 0


def tree_matrix(table: pd.DataFrame, columns: Sequence[Column]) -> np.ndarray:
    """Features for trees, shape (num_rows, num_columns): numbers and codes, NaN where missing.

    Numbers beyond what a float32 holds, which forests compute with, count as its ends.
    """
    matrix = np.empty((len(table), len(columns)))
    for position, column in enumerate(columns):
        if column.is_numeric:
            matrix[:, position] = np.clip(numbers(table, column), -LARGEST, LARGEST)
        else:
            found = codes(table, column)
            matrix[:, position] = np.where(found < 0, np.nan, found)
    return matrix


def unordered(columns: Sequence[Column]) -> np.ndarray:
    """Which columns of `tree_matrix` hold levels without an order, shape (num_columns,)."""
    return np.array([c.kind == "categorical" and len(c.categories) <= MAX_TREE_LEVELS for c in columns], bool)


@dataclass
class DenseEncoder:
    """Numbers as ranks in [0, 1] beside a missing flag, levels one-hot: for linear models and distances.

    Two rows that differ in one level, in one value being missing, or by the whole range of one number are at
    Euclidean distance 1 (missing against present: between 1 and 1.12). Ranks are those of the fitted table,
    so that skewed laboratory values weigh as much as symmetric ones.

    Args:
        columns: the columns to encode.
        max_levels: most frequent levels that get a position of their own; the rest share one.
    """

    columns: Sequence[Column]
    max_levels: int = 30

    def fit(self, table: pd.DataFrame) -> DenseEncoder:
        self.sorted_, self.levels_ = {}, {}
        for column in self.columns:
            values = present(table, column)
            if column.is_numeric:
                self.sorted_[column.name] = np.sort(values)
            else:
                counts = np.bincount(values, minlength=len(column.categories))[: len(column.categories)]
                self.levels_[column.name] = np.argsort(-counts, kind="stable")[: self.max_levels]
        return self

    def transform(self, table: pd.DataFrame) -> np.ndarray:
        """Shape (num_rows, num_encoded)."""
        blocks = [self._ranks(table, c) if c.is_numeric else self._one_hot(table, c) for c in self.columns]
        return np.hstack([np.empty((len(table), 0)), *blocks])

    def _ranks(self, table: pd.DataFrame, column: Column) -> np.ndarray:
        known, values = self.sorted_[column.name], numbers(table, column)
        absent = np.isnan(values)
        between = np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")
        rank = between / max(2 * len(known), 1)
        return np.column_stack([np.where(absent, 0.5, rank), absent.astype(float)])

    def _one_hot(self, table: pd.DataFrame, column: Column) -> np.ndarray:
        levels = self.levels_[column.name]
        position = np.full(len(column.categories) + 2, len(levels))  # other levels share one position
        position[levels] = np.arange(len(levels))
        position[-1] = len(levels) + 1  # codes() says -1 for missing
        return np.eye(len(levels) + 2)[position[codes(table, column)]] / np.sqrt(2)


def matched_parts(num_rows: int, size: int, rng: np.random.Generator, most: int = 4) -> list[np.ndarray]:
    """Up to `most` disjoint random sets of `size` row numbers.

    Distances between samples shrink as samples grow, so a synthetic table is compared with train in parts as
    large as the holdout, and the holdout's own distance is what to read it against.
    """
    order = rng.permutation(num_rows)
    num_parts = min(num_rows // size, most) if size else 0
    if size and num_rows // size > most:  # else what is left over does not fill another part
        note_sample(num_parts * size, num_rows)
    return [order[part * size : (part + 1) * size] for part in range(num_parts)]


def pick_a_row_each(table: pd.DataFrame, schema: Schema, rng: np.random.Generator) -> np.ndarray:
    """Row numbers, ascending: of each patient one row at random, so that none is counted twice."""
    patients = patients_of(table, schema)
    if len(np.unique(patients)) == len(patients):
        return np.arange(len(patients))
    order = rng.permutation(len(patients))
    return np.sort(order[np.unique(patients[order], return_index=True)[1]])


def stack(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Both tables' rows, values as they are even where a column's dtypes differ."""
    mixed = {name: object for name in first.columns if first[name].dtype != second[name].dtype}
    return pd.concat([first.astype(mixed), second[list(first.columns)].astype(mixed)], ignore_index=True)


def sample_rows(table: pd.DataFrame, most: int, rng: np.random.Generator) -> pd.DataFrame:
    """The table, or `most` of its rows drawn without replacement when it has more."""
    if len(table) <= most:
        return table
    note_sample(most, len(table))
    return table.iloc[np.sort(rng.choice(len(table), most, replace=False))]
