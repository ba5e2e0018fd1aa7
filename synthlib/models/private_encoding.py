"""States for a private training: from what is public, and from noisy counts that the budget pays for.

`SpanEncoder.fit` reads levels, quantiles, frequencies and the ends of columns off the table, each of which
tells of patients. Here a column's values are first sorted into the cells of a grid that the Schema alone
fixes; the cells' counts get Gaussian noise; bins, frequencies and what is drawn inside a bin are made of the
noisy counts, which costs nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from synthlib.models.accounting import PrivacyError
from synthlib.models.encoding import KNOTS_PER_BIN, Span, SpanEncoder
from synthlib.models.secrecy import SecretRandom
from synthlib.schema import Column, Schema

MOST_CELLS = 128  # of a numeric column's grid
SKEWED = 20  # highest over lowest value from which on cells grow in proportion
RUN_COST = 4  # squared error, in units of the noise's variance, that another run of cells has to take off


@dataclass(frozen=True)
class Grid:
    """Where the values of a column may lie, by the Schema alone.

    Attributes:
        column: of the Schema.
        edges: of a numeric column's cells, float64 (num_cells + 1,); None for levels.
        exact: whether a numeric cell holds one value, which is its lower edge.
    """

    column: Column
    edges: np.ndarray | None
    exact: bool

    @property
    def num_cells(self) -> int:
        """Cells, and after them one for missing where that is possible."""
        values = len(self.column.categories) if self.edges is None else len(self.edges) - 1
        return values + self.column.nullable

    def place(self, values: pd.Series) -> np.ndarray:
        """Which cell each value lies in, int (num_rows,)."""
        if self.edges is None:
            levels = {level: number for number, level in enumerate(self.column.categories)}
            return values.map(levels).fillna(self.num_cells - 1).to_numpy(dtype=int)
        numbers = self.column.to_numbers(values)
        cells = np.clip(np.searchsorted(self.edges, numbers, side="right") - 1, 0, len(self.edges) - 2)
        return np.where(np.isnan(numbers), self.num_cells - 1, cells)

    def count(self, values: pd.Series) -> np.ndarray:
        """Patients in each cell; adding one patient changes one count by 1."""
        return np.bincount(self.place(values), minlength=self.num_cells)


def make_grids(schema: Schema) -> list[Grid]:
    """The grids of the modelled columns.

    Raises:
        PrivacyError: if a numeric column declares no range, or a row is not a patient.
    """
    check_one_row_a_patient(schema)
    return [_make_grid(column) for column in schema.modelled]


def check_one_row_a_patient(schema: Schema) -> None:
    """Refuse a Schema in which a patient may have several rows: what is protected is the patient.

    Raises:
        PrivacyError: if the Schema names a patient id.
    """
    if schema.patient_id is not None:
        raise PrivacyError(
            f"expected a table of one row a patient, got one with the patient id {schema.patient_id!r}; "
            "bring each patient's rows into one and drop the column"
        )


def check_public_schema(schema: Schema, is_public: bool) -> None:
    """Refuse a Schema that a private fit must not take as known.

    Raises:
        PrivacyError: unless it is said to come from elsewhere than the patients, and a row is a patient.
    """
    check_one_row_a_patient(schema)
    if not is_public:
        raise PrivacyError(
            "expected a public schema: levels, ranges, precision and where values may be missing tell "
            "of the patients if they were inferred from them; declare them from elsewhere, and say so "
            "with public_schema=True"
        )


def _make_grid(column: Column) -> Grid:
    if column.is_discrete:
        return Grid(column, None, True)
    low, high = column.numeric_range()
    if not np.isfinite([low, high]).all():
        raise PrivacyError(
            f"column {column.name!r}: expected a public range, got {column.low} to {column.high}; "
            "declare low and high with schema.replace, from what is known without the table"
        )
    decimals = 0 if column.kind in ("integer", "datetime") else column.decimals
    unit = 10.0 ** -(decimals or 0)
    if decimals is not None and round((high - low) / unit) < MOST_CELLS:
        values = np.round(low + unit * np.arange(round((high - low) / unit) + 1), decimals)
        return Grid(column, np.append(values - unit / 2, values[-1] + unit / 2), True)
    if low > 0 and high / low >= SKEWED:
        edges = np.geomspace(low, high, MOST_CELLS + 1)
    else:
        edges = np.linspace(low, high, MOST_CELLS + 1)
    if decimals is not None:
        edges = np.unique(np.round(edges, decimals))
    edges[-1] = high
    return Grid(column, edges, False)


def add_noise(counts: np.ndarray, scale: float, random: SecretRandom) -> np.ndarray:
    """Counts with Gaussian noise, rounded to whole numbers, so that no last bits tell of the counts."""
    return np.round(counts + scale * random.normal(counts.shape))


def to_simplex(noisy: np.ndarray, total: float) -> np.ndarray:
    """The nearest array without negative entries that sums to `total`; small entries become zero.

    Reference: Duchi et al. 2008, "Efficient projections onto the l1-ball", figure 1.
    """
    flat = np.sort(noisy.ravel())[::-1]
    excess = (np.cumsum(flat) - total) / np.arange(1, len(flat) + 1)
    last = np.flatnonzero(flat > excess)[-1]
    return np.maximum(noisy - excess[last], 0.0)


def merge_cells(noisy: np.ndarray, scale: float) -> np.ndarray:
    """Noisy counts of neighbouring cells, with those put together that only noise may tell apart.

    The runs of cells whose means have the least squared error, when each run costs `RUN_COST` variances of
    the noise. In wide tables that noise is larger than a cell's count; what lies in a run is known better.

    Args:
        noisy: counts in the order of the cells, (num_cells,).
        scale: standard deviation of their independent noise; 0 leaves them as they are.

    Returns:
        Each cell's mean of its run, (num_cells,); the sum is that of `noisy`.

    Reference: Xu et al. 2013, "Differentially private histogram publication" (NoiseFirst).
    """
    num_cells = len(noisy)
    sums, squares = (np.concatenate([[0.0], np.cumsum(noisy**power)]) for power in (1.0, 2.0))
    least, begins = np.zeros(num_cells + 1), np.zeros(num_cells + 1, dtype=int)
    for end in range(1, num_cells + 1):
        mass = sums[end] - sums[:end]
        error = squares[end] - squares[:end] - mass**2 / (end - np.arange(end))
        costs = least[:end] + error + RUN_COST * scale**2
        begins[end] = costs.argmin()
        least[end] = costs[begins[end]]
    merged, end = np.zeros(num_cells), num_cells
    while end:
        begin = begins[end]
        merged[begin:end] = (sums[end] - sums[begin]) / (end - begin)
        end = begin
    return merged


def make_encoder(
    schema: Schema, grids: list[Grid], counts: list[np.ndarray], scale: float, max_states: int
) -> SpanEncoder:
    """An encoder of noisy counts; it never sees the table.

    Args:
        schema: of the table.
        grids, counts: of the modelled columns; the counts are noisy, or those of a public table.
        scale: standard deviation of their noise; a level below twice of it is never drawn.
        max_states: most bins of a numeric column; a bin holds at least twice its noise.
    """
    encoder = SpanEncoder(schema, max_states, 1)
    spans = []
    for index, (grid, noisy) in enumerate(zip(grids, counts, strict=True)):
        noisy = np.asarray(noisy, dtype=float)
        num_values = len(noisy) - grid.column.nullable
        if grid.edges is not None and scale > 0:
            noisy = np.append(merge_cells(noisy[:num_values], scale), noisy[num_values:])
        masses = to_simplex(noisy, max(noisy.sum(), 1.0))
        present = masses[:num_values]
        build = _level_bins if grid.edges is None else _number_bins
        values, inside, shares = build(grid, present, scale, max_states)
        missing = len(values) if grid.column.nullable else None
        shares = [*shares, masses[-1]] if grid.column.nullable else shares
        shares = np.maximum(np.asarray(shares, dtype=float), 0.5)
        spans.append(
            Span(grid.column.name, index, missing, tuple(values), tuple(inside), tuple(shares / shares.sum()))
        )
    encoder.spans_ = tuple(spans)
    return encoder


def _level_bins(grid: Grid, masses: np.ndarray, scale: float, max_states: int) -> tuple[list, list, list]:
    """A state a level; levels lost in the noise are not drawn, but for the most frequent one."""
    floor = min(2 * scale, masses.max())
    kept = np.flatnonzero(masses >= max(floor, 1e-9)) if masses.max() > 0 else np.arange(1)
    return [(grid.column.categories[i],) for i in kept], [None] * len(kept), masses[kept].tolist()


def _number_bins(grid: Grid, masses: np.ndarray, scale: float, max_states: int) -> tuple[list, list, list]:
    """Runs of cells of about equal noisy mass, each of at least twice the noise of its cells' sum."""
    wanted, starts, mass = masses.sum() / max_states, [0], 0.0
    for cell, one in enumerate(masses):
        width = cell - starts[-1]
        if width and mass >= max(0.75 * wanted, 2 * scale * width**0.5) and mass + one > wanted:
            starts.append(cell)
            mass = 0.0
        mass += one
    if len(starts) > 1 and mass < max(0.3 * wanted, 2 * scale * (len(masses) - starts[-1]) ** 0.5):
        starts.pop()
    values, inside, shares = [], [], []
    for first, last in zip(starts, [*starts[1:], len(masses)], strict=True):
        inner = masses[first:last] + 1e-3 * max(masses[first:last].sum(), 1.0) / (last - first)
        ranks = np.cumsum(inner) / inner.sum()
        if grid.exact:
            middle = (grid.edges[first:last] + grid.edges[first + 1 : last + 1]) / 2
            values.append(tuple(middle.tolist()))
            inside.append(tuple(ranks.tolist()) if last - first > 1 else None)
        else:
            places = np.linspace(0, 1, KNOTS_PER_BIN)
            values.append(tuple(np.interp(places, [0, *ranks], grid.edges[first : last + 1]).tolist()))
            inside.append(None)
        shares.append(float(masses[first:last].sum()))
    return values, inside, shares
