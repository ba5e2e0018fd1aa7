"""Groups of patients by protected attributes and their intersections, none too small to name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from synthlib.evaluation.features import codes, numbers, patients_of
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
        num_attributes: 1, or 2 for intersections.
    """

    name: str
    groups: tuple[str, ...]
    codes: tuple[np.ndarray, ...]
    num_merged: int
    num_attributes: int = 1

    def masks(self, table: int) -> list[np.ndarray]:
        """Where a table's rows are in each group, shape (num_rows,) each."""
        return [self.codes[table] == place for place in range(len(self.groups))]


def partitions(real: Sequence[pd.DataFrame], synthetic: pd.DataFrame, schema: Schema) -> list[Partition]:
    """Partitions of tables by each protected attribute, then by each pair of them.

    A group of fewer than 11 patients in one of the real tables is merged with others; where subtraction,
    once or several times, would tell a hidden one of a pair's table, further ones are merged as well. What is
    left of a merged group that still is too small is in no group. Where the schema names a `patient_id`,
    patients are counted and not their rows. Numbers form four bands of one width between the ends that the
    schema declares; missing is a group. No two groups have one name, whatever columns and levels are called.

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
    units = [patients_of(table, schema) for table in real]
    found = [_partition(tables, units, columns) for columns in chosen]
    groups: set[str] = set()
    attributes: set[str] = set()
    told = []
    for one in found:
        if len(one.groups) > 1:
            (name,) = _tell_apart([one.name], attributes)
            told.append(one._replace(name=name, groups=_tell_apart(one.groups, groups)))
    return told


def list_ungrouped(found: Sequence[Partition], schema: Schema) -> tuple[list[str], list[str]]:
    """Protected columns that form no groups at all, and attributes and pairs of which there are not two.

    Args:
        found: from `partitions`.
        schema: theirs.
    """
    usable = [name for name in schema.protected if _labels(schema[name])]
    asked = [*usable, *(" × ".join(pair) for pair in combinations(usable, 2))]
    names = {one.name for one in found}
    return [n for n in schema.protected if n not in usable], [n for n in asked if n not in names]


def _tell_apart(names: Sequence[str], used: set[str]) -> tuple[str, ...]:
    """The names, with a number after those that are used already; adds them to what is."""
    told = []
    for name in names:
        free, number = name, 1
        while free in used:
            number += 1
            free = f"{name} ({number})"
        used.add(free)
        told.append(free)
    return tuple(told)


def _labels(column: Column) -> list[str]:
    """Names of a column's groups, missing last; none where it forms no groups."""
    if column.is_discrete:
        levels = [f"{column.name}={level}" for level in column.categories]
    else:
        edges = _edges(column)
        if not len(edges):
            return []
        digits = next((n for n in range(6, 17) if len({f"{edge:.{n}g}" for edge in edges}) == len(edges)), 17)
        told = [f"{edge:.{digits}g}" for edge in edges]
        levels = [f"{column.name}={low}–{high}" for low, high in pairwise(told)]
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


def _partition(
    tables: list[pd.DataFrame], units: list[np.ndarray], columns: tuple[Column, ...]
) -> Partition:
    labels = [_labels(column) for column in columns]
    shape = (len(labels[0]), len(labels[1]) if len(labels) > 1 else 1)
    places = [[_places(table, column) for column in columns] for table in tables]
    cells = [place[0] * shape[1] + (place[1] if len(place) > 1 else 0) for place in places]
    real = list(zip(cells[: len(units)], units, strict=True))
    counts = np.array([count_patients(cell, of_rows, shape[0] * shape[1]) for cell, of_rows in real])
    merged = merge_small(counts.reshape(len(units), *shape)).ravel()
    shown = np.flatnonzero(~merged)
    where = [np.unravel_index(cell, shape)[: len(columns)] for cell in shown]
    names = [" × ".join(label[at] for label, at in zip(labels, place, strict=True)) for place in where]
    position = np.full(len(merged), -1)
    position[shown] = np.arange(len(shown))
    joined = " × ".join(column.name for column in columns)
    num_merged = int((merged & (counts.sum(axis=0) > 0)).sum())
    in_merged = [len(np.unique(of_rows[merged[cell]])) for cell, of_rows in real]
    if min(in_merged) >= SMALL_CELL:
        position[merged] = len(shown)
        names.append(f"{joined}: smaller groups")
    codes = tuple(position[cell] for cell in cells)
    return Partition(joined, tuple(names), codes, num_merged, len(columns))


def count_patients(codes: np.ndarray, units: np.ndarray, num_codes: int) -> np.ndarray:
    """How many patients have a row of each code, shape (num_codes,).

    Args:
        codes: of the rows, from 0, shape (num_rows,).
        units: each row's patient, from `patients_of`.
    """
    codes = codes.astype(np.int64)
    if (np.diff(units) > 0).all():  # each row is another patient: no need to look for those that come again
        return np.bincount(codes, minlength=num_codes)
    num_units = int(units.max()) + 1
    return np.bincount(np.unique(codes * num_units + units) // num_units, minlength=num_codes)


def merge_small(counts: np.ndarray) -> np.ndarray:
    """Which cells of tables of counts must be merged, so that none under 11 can be found by subtraction.

    Args:
        counts: patients, shape (num_tables, num_rows, num_columns); a partition by one attribute has one
            column.

    Returns:
        Shape (num_rows, num_columns): every cell below 11 in one of the tables; of each line and column in
        which the merged patients would number 1 to 10, the next smallest cells too; and what keeps a small
        cell from following from the sums of several lines and columns, one after another.

    Reference: Gusfield 1988, "A graph theoretic approach to statistical data security" (a hidden cell follows
    from the sums exactly where no cycle of hidden cells goes through it).
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
        if not changed and min(merged.shape) > 1:
            changed = _close_cycles(merged, counts)
    return merged


def _close_cycles(merged: np.ndarray, counts: np.ndarray) -> bool:
    """Merge further cells until no small one follows from the sums; whether there was need for it.

    What is merged here is large and adds no small cell, so one look for those on no cycle is enough.
    """
    total, before = counts.sum(axis=0), int(merged.sum())
    for table in counts:
        hidden = merged & (table > 0)
        for row, column in np.argwhere(_on_no_cycle(hidden) & (table < SMALL_CELL)):
            while not merged.all():
                rows, columns = _reach(hidden, row, column)
                if columns[column]:
                    break
                other_columns, other_rows = _reach(hidden.T, column, row)
                # what hangs on the row, joined to what hangs on the column, closes a cycle; else go on
                closing = ~merged & (np.outer(rows, other_columns) | np.outer(other_rows, columns))
                further = ~merged & _cross(merged.shape, row, column)
                choice = next((each for each in (closing, further) if each.any()), ~merged)
                place = np.argmin(np.where(choice, total, np.inf))
                merged.flat[place] = hidden.flat[place] = True
    return int(merged.sum()) > before


def _on_no_cycle(hidden: np.ndarray) -> np.ndarray:
    """Which hidden cells no cycle of hidden cells goes through, bool of the shape of `hidden`.

    As edges between rows and columns they are those through which all current between their ends flows.

    Reference: Klein and Randić 1993, "Resistance distance".
    """
    num_rows = len(hidden)
    laplacian = np.diag(np.concatenate([hidden.sum(axis=1), hidden.sum(axis=0)]).astype(float))
    laplacian[:num_rows, num_rows:] -= hidden
    laplacian[num_rows:, :num_rows] -= hidden.T
    inverse = np.linalg.pinv(laplacian, rcond=1e-12, hermitian=True)
    own = np.diag(inverse)
    resistance = own[:num_rows, None] + own[num_rows:] - 2 * inverse[:num_rows, num_rows:]
    return hidden & (resistance > 1 - 0.5 / len(laplacian))  # on a cycle at most 1 - 1 / len(laplacian)


def _reach(hidden: np.ndarray, row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns that hidden cells join to a row, but for its cell in that column."""
    edges = hidden.copy()
    edges[row, column] = False
    rows, columns = np.arange(len(edges)) == row, np.zeros(edges.shape[1], dtype=bool)
    reached = 0
    while rows.sum() + columns.sum() > reached:
        reached = rows.sum() + columns.sum()
        columns = columns | edges[rows].any(axis=0)
        rows = rows | edges[:, columns].any(axis=1)
    return rows, columns


def _cross(shape: tuple[int, ...], row: int, column: int) -> np.ndarray:
    found = np.zeros(shape, dtype=bool)
    found[row], found[:, column] = True, True
    return found
