"""Groups of patients by protected attributes and their intersections, none too small to name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from synthlib.evaluation.features import codes, numbers
from synthlib.schema import Column, Schema

SMALL_CELL = 11  # patients: smaller groups are merged (as the US CMS cell size policy)
NUM_BANDS = 4


class Partition(NamedTuple):
    """Every row in one group of an attribute, or of two attributes at once.

    Attributes:
        name: `"sex"`, `"sex × race"`.
        groups: names of the groups that may be spoken of, by levels of the schema, such as
            `"sex=female × race=black"`; last, where there is one, the group of all that are too small.
        codes: for each table the place of each row's group, shape (num_rows,); -1 for rows of none.
        num_merged: how many of the schema's groups are in the last one (0: there is none).
    """

    name: str
    groups: tuple[str, ...]
    codes: tuple[np.ndarray, ...]
    num_merged: int

    def masks(self, table: int) -> list[np.ndarray]:
        """Where a table's rows are in each group, shape (num_rows,) each."""
        return [self.codes[table] == place for place in range(len(self.groups))]


def partitions(real: Sequence[pd.DataFrame], synthetic: pd.DataFrame, schema: Schema) -> list[Partition]:
    """Partitions of tables by each protected attribute, then by each pair of them.

    A group of fewer than 11 patients in one of the real tables is merged with others; where all but one group
    of a line or column of a pair's table were shown, subtraction would tell the hidden one, so that the
    next smallest is merged as well. What is left of a merged group that still is too small is in no group.
    Numbers form four bands of one width between the ends that the schema declares; missing is a group.

    Args:
        real: tables whose patients are protected: train and holdout.
        synthetic: another one.
        schema: theirs; dates, and numbers without declared ends, form no groups.

    Returns:
        Partitions with codes for the real tables, then for the synthetic one; none where a partition has
        fewer than two groups.
    """
    usable = [column for name in schema.protected if (column := schema[name]) and _labels(column)]
    tables = [*real, synthetic]
    chosen = [(column,) for column in usable] + list(combinations(usable, 2))
    found = [_partition(tables, len(real), columns) for columns in chosen]
    return [one for one in found if len(one.groups) > 1]


def _labels(column: Column) -> list[str]:
    """Names of a column's groups, missing last; none where it forms no groups."""
    if column.is_discrete:
        levels = [f"{column.name}={level}" for level in column.categories]
    else:
        edges = _edges(column)
        if not len(edges):
            return []
        levels = [f"{column.name}={low:g}–{high:g}" for low, high in pairwise(edges)]
    return [*levels, f"{column.name} missing"]


def _edges(column: Column) -> np.ndarray:
    if column.kind not in ("integer", "continuous"):
        return np.zeros(0)
    low, high = column.numeric_range()
    if not (np.isfinite([low, high]).all() and low < high):
        return np.zeros(0)
    return np.linspace(low, high, NUM_BANDS + 1)


def _places(table: pd.DataFrame, column: Column) -> np.ndarray:
    """Which of `_labels` each row has; values that the schema does not know count as missing."""
    if column.is_discrete:
        found = codes(table, column)
        return np.where(found < 0, len(column.categories), found)
    values, edges = numbers(table, column), _edges(column)
    place = np.clip(np.searchsorted(edges, values, "right") - 1, 0, NUM_BANDS - 1)
    return np.where(np.isnan(values), NUM_BANDS, place)


def _partition(tables: list[pd.DataFrame], num_real: int, columns: tuple[Column, ...]) -> Partition:
    labels = [_labels(column) for column in columns]
    shape = (len(labels[0]), len(labels[1]) if len(labels) > 1 else 1)
    places = [[_places(table, column) for column in columns] for table in tables]
    cells = [place[0] * shape[1] + (place[1] if len(place) > 1 else 0) for place in places]
    counts = np.array([np.bincount(cell, minlength=shape[0] * shape[1]) for cell in cells[:num_real]])
    merged = merge_small(counts.reshape(num_real, *shape)).ravel()
    shown = np.flatnonzero(~merged)
    where = [np.unravel_index(cell, shape)[: len(columns)] for cell in shown]
    names = [" × ".join(label[at] for label, at in zip(labels, place, strict=True)) for place in where]
    position = np.full(len(merged), -1)
    position[shown] = np.arange(len(shown))
    joined = " × ".join(column.name for column in columns)
    num_merged = int((merged & (counts.sum(axis=0) > 0)).sum())
    if (counts[:, merged].sum(axis=1) >= SMALL_CELL).all() and merged.any():
        position[merged] = len(shown)
        names.append(f"{joined}: smaller groups")
    return Partition(joined, tuple(names), tuple(position[cell] for cell in cells), num_merged)


def merge_small(counts: np.ndarray) -> np.ndarray:
    """Which cells of tables of counts must be merged, so that none under 11 can be found by subtraction.

    Args:
        counts: patients, shape (num_tables, num_rows, num_columns); a partition by one attribute has one
            column.

    Returns:
        Shape (num_rows, num_columns): every cell below 11 in one of the tables, and of each line and column
        in which the merged patients would number 1 to 10, the next smallest cells too.
    """
    merged = (counts < SMALL_CELL).any(axis=0)
    views = [(merged, counts.transpose(1, 0, 2)), (merged.T, counts.transpose(2, 0, 1))]
    changed = True
    while changed:
        changed = False
        for hidden, patients in views:
            if hidden.shape[1] == 1:  # one cell a line: its sum is the cell
                continue
            for line, of_line in zip(hidden, patients, strict=True):  # (num_cells,), (num_tables, num_cells)
                sums = of_line[:, line].sum(axis=1)
                if ((sums > 0) & (sums < SMALL_CELL)).any() and not line.all():
                    line[np.argmin(np.where(line, np.inf, of_line.sum(axis=0)))] = True
                    changed = True
    return merged
