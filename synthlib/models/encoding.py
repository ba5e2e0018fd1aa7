"""Tables as states and positions: the encoding that every Synthesizer of this library shares.

A column's value is encoded as one *state* (a level, an atom, a bin, or missing) and, where a state stands for
many values, a *position* in [-1, 1] inside it. Values that carry mass of their own are atoms and come back
exactly; the continuous part is cut into bins of equal mass, and the position is the value's rank inside its
bin, so that positions are uniform whatever the column's shape (the quantile analogue of the mode-specific
normalisation of Xu et al. 2019, section 4.2).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synthlib.bundle import canonical_json, write_atomically
from synthlib.schema import Column, Schema

KNOTS_PER_BIN = 16
GRID_SHARE = 0.8


@dataclass(frozen=True)
class Span:
    """Where one column lies in the encoding, and what its states stand for.

    Attributes:
        name: the column.
        index: its place among the modelled columns.
        missing: number of the state that means "missing", or None.
        values: for each state but missing, the values it stands for: one for an atom or a level; for a bin
            either observed values (drawn by `masses`) or the knots of its quantile function.
        masses: for each such state, the cumulative share of each value, or None where `values` are knots.
        shares: share of the training rows in each state, shape (num_states,).
    """

    name: str
    index: int
    missing: int | None
    values: tuple[tuple, ...]
    masses: tuple[tuple[float, ...] | None, ...]
    shares: tuple[float, ...]

    @property
    def num_states(self) -> int:
        return len(self.shares)

    @property
    def has_position(self) -> np.ndarray:
        """Which states stand for more than one value, shape (num_states,)."""
        several = [len(values) > 1 for values in self.values]
        return np.array(several + [False] * (self.missing is not None))

    @property
    def centres(self) -> np.ndarray:
        """Middle rank of each state in [-1, 1] for an ordered column, 0 for missing; shape (num_states,)."""
        shares = np.asarray(self.shares, dtype=float)
        present = shares[: len(self.values)] / max(shares[: len(self.values)].sum(), 1e-12)
        middle = 2 * (np.cumsum(present) - present / 2) - 1
        return np.concatenate([middle, np.zeros(self.num_states - len(self.values))])


@dataclass
class SpanEncoder:
    """Encodes a table as states and positions, and back.

    Args:
        schema: the table's Schema; identifiers are not encoded.
        max_states: most states a column gets beside missing; also the number of bins of equal mass.
        min_count: a level seen in fewer rows is never decoded. A number seen in fewer rows is no state of
            its own: it is decoded as often as its neighbourhood makes likely, were it anybody's or nobody's.
            The ends of a numeric column are cut to a mean of `min_count` values near them. Levels of which
            none is seen so often keep the most frequent ones: so few rows cannot be protected, and
            `write_release` refuses them.
    """

    schema: Schema
    max_states: int = 24
    min_count: int = 5
    spans_: tuple[Span, ...] = field(default=(), init=False)

    def fit(self, train: pd.DataFrame) -> SpanEncoder:
        """Learn the states from a training table that `schema.check` accepts."""
        spans = []
        for index, column in enumerate(self.schema.modelled):
            build = _level_states if column.is_discrete else _number_states
            values, masses, counts = build(column, train[column.name], self.max_states, self.min_count)
            num_missing = int(train[column.name].isna().sum())
            missing = len(values) if num_missing else None
            counts = [*counts, num_missing] if num_missing else counts
            shares = tuple(np.asarray(counts, dtype=float) / max(sum(counts), 1))
            spans.append(Span(column.name, index, missing, tuple(values), tuple(masses), shares))
        self.spans_ = tuple(spans)
        return self

    @property
    def num_columns(self) -> int:
        return len(self.spans_)

    @property
    def width(self) -> int:
        """The largest number of states of any column."""
        return max(span.num_states for span in self.spans_)

    def withheld(self) -> dict[str, set]:
        """Levels of the schema that are never decoded, by column."""
        known = {span.name: {level for state in span.values for level in state} for span in self.spans_}
        columns = [column for column in self.schema.modelled if column.is_discrete]
        return {column.name: set(column.categories) - known[column.name] for column in columns}

    def shares(self) -> np.ndarray:
        """Share of each state, zero where a column has fewer; shape (num_columns, width)."""
        return self._padded(lambda span: span.shares)

    def has_position(self) -> np.ndarray:
        """1 where a state has a position, shape (num_columns, width)."""
        return self._padded(lambda span: span.has_position)

    def centres(self) -> np.ndarray:
        """Rank in [-1, 1] of each state of the ordered columns, 0 for others; shape (num_columns, width)."""
        ordered = {column.name for column in self.schema if column.is_numeric or column.kind == "ordinal"}
        return self._padded(lambda span: span.centres if span.name in ordered else np.zeros(span.num_states))

    def _padded(self, get: Any) -> np.ndarray:
        padded = np.zeros((self.num_columns, self.width), dtype=np.float32)
        for span in self.spans_:
            padded[span.index, : span.num_states] = get(span)
        return padded

    def encode(self, table: pd.DataFrame, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """States int32 and positions float32, both of shape (num_rows, num_columns).

        Ties are spread over the rank interval that they share, by `rng`.
        """
        states = np.zeros((len(table), self.num_columns), dtype=np.int32)
        positions = np.zeros((len(table), self.num_columns), dtype=np.float32)
        for span in self.spans_:
            states[:, span.index], positions[:, span.index] = self.encode_column(span, table[span.name], rng)
        return states, positions

    def encode_column(
        self, span: Span, values: pd.Series, rng: np.random.Generator | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """One column's states and positions, each of shape (num_rows,); without `rng`, ties lie midway."""
        column = self.schema[span.name]
        encode = _encode_levels if column.is_discrete else _encode_numbers
        return encode(column, span, values, rng)

    def decode(self, states: np.ndarray, positions: np.ndarray, first_row: int = 0) -> pd.DataFrame:
        """The inverse of `encode`, in the Schema's column order and dtypes.

        Identifiers are new numbers, from `first_row` + 1 on.
        """
        spans = {span.name: span for span in self.spans_}
        decoded = {}
        for column in self.schema:
            if column.kind == "identifier":
                decoded[column.name] = _fresh_identifiers(column, first_row, len(states))
                continue
            span = spans[column.name]
            decode = _decode_levels if column.is_discrete else _decode_numbers
            decoded[column.name] = decode(column, span, states[:, span.index], positions[:, span.index])
        return pd.DataFrame(decoded)

    def save(self, path: Path) -> None:
        """Write the states as JSON to a file."""
        spans = [{key: getattr(span, key) for key in Span.__dataclass_fields__} for span in self.spans_]
        document = {"max_states": self.max_states, "min_count": self.min_count, "spans": spans}
        write_atomically(path, canonical_json(document))

    @classmethod
    def load(cls, path: Path, schema: Schema) -> SpanEncoder:
        """Read what `save` wrote."""
        document = json.loads(Path(path).read_text())
        encoder = cls(schema, document["max_states"], document["min_count"])
        encoder.spans_ = tuple(Span(**_tuples(span)) for span in document["spans"])
        return encoder


def _tuples(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_tuples(item) for item in value)
    return {key: _tuples(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def _fresh_identifiers(column: Column, first_row: int, num_rows: int) -> pd.Series:
    numbers = pd.Series(np.arange(first_row + 1, first_row + num_rows + 1), name=column.name)
    return (
        numbers.astype(column.dtype) if column.dtype != "object" else "S" + numbers.astype(str).str.zfill(9)
    )


def _level_states(
    column: Column, values: pd.Series, max_states: int, min_count: int
) -> tuple[list, list, list]:
    """Each frequent level is a state; with more levels than states, the rest share the last one."""
    counts = values.value_counts()
    seen = [(level, int(counts.get(level, 0))) for level in column.categories]
    seen = [(level, count) for level, count in seen if count >= min(min_count, max(counts.max(), 1))]
    if len(seen) <= max_states:
        return [(level,) for level, _ in seen], [None] * len(seen), [count for _, count in seen]
    by_count = sorted(seen, key=lambda pair: -pair[1])
    own = {level for level, _ in by_count[: max_states - 1]}
    kept = [(level, count) for level, count in seen if level in own]
    rest = [(level, count) for level, count in by_count if level not in own]
    masses = tuple(np.cumsum([count for _, count in rest]) / sum(count for _, count in rest))
    states = [(level,) for level, _ in kept] + [tuple(level for level, _ in rest)]
    return (
        states,
        [None] * len(kept) + [masses],
        [count for _, count in kept] + [sum(count for _, count in rest)],
    )


def _number_states(
    column: Column, values: pd.Series, max_states: int, min_count: int
) -> tuple[list, list, list]:
    """Atoms for values with at least a bin's mass, bins of about equal mass for the values between."""
    numbers = np.sort(column.to_numbers(values))
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return [], [], []
    numbers = _cut_ends(column, numbers, min_count)
    levels, counts = np.unique(numbers, return_counts=True)
    if len(levels) <= max_states and (len(levels) == 1 or counts.min() >= min_count):
        return [(level,) for level in levels], [None] * len(levels), counts.tolist()
    frequent = counts >= min_count
    is_atom = counts >= max(len(numbers) / max_states, min_count)
    atoms, masses = levels[is_atom], counts[is_atom]
    rest = numbers[~np.isin(numbers, atoms)]
    if len(atoms):  # few values alone between two atoms would be a state that tells of few patients
        between = np.searchsorted(atoms, rest)
        few = np.bincount(between, minlength=len(atoms) + 1)[between] < min_count
        masses = masses + np.bincount(
            np.searchsorted(atoms, _nearest(rest[few], atoms)), minlength=len(atoms)
        )
        rest = rest[~few]
    on_grid = counts[frequent].sum() >= GRID_SHARE * len(numbers)
    num_bins = max(1, round((max_states - len(atoms)) * len(rest) / len(numbers)) if len(rest) else 0)
    grid = levels[frequent] if on_grid else levels[:0]
    states = [
        (float(atom), (float(atom),), None, int(mass)) for atom, mass in zip(atoms, masses, strict=True)
    ]
    states += _bins(rest, atoms, num_bins, grid, min_count)
    states.sort(key=lambda state: state[0])
    return [state[1] for state in states], [state[2] for state in states], [state[3] for state in states]


def _cut_ends(column: Column, numbers: np.ndarray, min_count: int) -> np.ndarray:
    """Sorted numbers with both ends cut to a mean of several, since an end is somebody's value.

    The mean is that of the `min_count`-th to the 2 `min_count` - 1-th from the end; of few numbers, fewer.
    """
    count = min(min_count, len(numbers) // 4)
    if not count:
        return numbers
    ends = [numbers[count - 1 : 2 * count - 1].mean(), numbers[len(numbers) - 2 * count + 1 :][:count].mean()]
    low, high = column.to_numbers(column.from_numbers(np.array(ends)))
    return np.clip(numbers, low, high) if low <= high else numbers


def _bins(
    rest: np.ndarray, atoms: np.ndarray, num_bins: int, grid: np.ndarray, min_count: int
) -> list[tuple]:
    """Cut the values between atoms into about `num_bins` runs; no run reaches across an atom.

    A run that lies on the grid of frequent values keeps to it; any other is described by knots.
    """
    bins = []
    for run in np.split(rest, np.searchsorted(rest, atoms)):
        if not len(run):
            continue
        share = max(1, min(round(num_bins * len(run) / len(rest)), len(run) // min_count))
        edges = np.quantile(run, np.linspace(0, 1, share + 1)[1:-1], method="lower") if share > 1 else []
        for part in _split(run, np.searchsorted(run, np.unique(edges)), min_count):
            inside = grid[(grid >= part[0]) & (grid <= part[-1])]
            if len(inside) and np.isin(part, inside).mean() >= GRID_SHARE:
                levels, counts = np.unique(_nearest(part, inside), return_counts=True)
                masses = tuple((np.cumsum(counts) / len(part)).tolist())
                bins.append(
                    (float(part[0]), tuple(levels.tolist()), masses if len(levels) > 1 else None, len(part))
                )
            else:
                knots = np.quantile(_spread_ties(part, min_count), np.linspace(0, 1, KNOTS_PER_BIN))
                knots = knots if knots[0] < knots[-1] else knots[:1]
                bins.append((float(part[0]), tuple(knots.tolist()), None, len(part)))
    return bins


def _split(run: np.ndarray, places: np.ndarray, min_count: int) -> list[np.ndarray]:
    """Parts of a sorted run, cut at these places but where a part would have fewer than `min_count` rows."""
    kept = [0]
    for place in places:
        if place - kept[-1] >= min_count and len(run) - place >= min_count:
            kept.append(int(place))
    return np.split(run, kept[1:])


def _spread_ties(part: np.ndarray, min_count: int) -> np.ndarray:
    """Sorted values of which those that 2 to `min_count` - 1 rows share lie between their neighbours."""
    levels, first, counts = np.unique(part, return_index=True, return_counts=True)
    ends = np.concatenate([levels[:1], (levels[:-1] + levels[1:]) / 2, levels[-1:]])
    shared = np.repeat((counts > 1) & (counts < min_count), counts)
    place = (np.arange(len(part)) - np.repeat(first, counts) + 0.5) / np.repeat(counts, counts)
    low, high = np.repeat(ends[:-1], counts), np.repeat(ends[1:], counts)
    return np.where(shared, low + place * (high - low), part)


def _nearest(numbers: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Each number moved to the closest value of a sorted grid."""
    right = (
        np.clip(np.searchsorted(grid, numbers), 1, len(grid) - 1)
        if len(grid) > 1
        else np.zeros(len(numbers), int)
    )
    left = np.maximum(right - 1, 0)
    return np.where(np.abs(numbers - grid[left]) <= np.abs(grid[right] - numbers), grid[left], grid[right])


def _encode_levels(column: Column, span: Span, values: pd.Series, rng: np.random.Generator | None) -> tuple:
    """A level that training did not show often enough becomes the most frequent one."""
    state_of = {level: state for state, levels in enumerate(span.values) for level in levels}
    modal = int(np.argmax(span.shares[: len(span.values)])) if span.values else span.missing
    states = values.map(state_of).fillna(modal).to_numpy(dtype=np.int32)
    states[values.isna().to_numpy()] = span.missing if span.missing is not None else modal
    positions = np.zeros(len(values), dtype=np.float32)
    for state in np.flatnonzero(span.has_position):
        inside = states == state
        place = {level: place for place, level in enumerate(span.values[state])}
        places = values[inside].map(place).fillna(0).to_numpy(dtype=int)
        positions[inside] = _spread(places, span.masses[state], rng)
    return states, positions


def _encode_numbers(column: Column, span: Span, values: pd.Series, rng: np.random.Generator | None) -> tuple:
    numbers = column.to_numbers(values)
    missing = np.isnan(numbers)
    fallback = span.missing if span.missing is not None else 0
    states = np.full(len(numbers), fallback, dtype=np.int32)
    positions = np.zeros(len(numbers), dtype=np.float32)
    if not span.values:
        return states, positions
    states[~missing] = _closest_states(span, numbers[~missing])
    for state in np.flatnonzero(span.has_position):
        inside = (states == state) & ~missing
        members = np.asarray(span.values[state])
        if span.masses[state] is None:
            positions[inside] = np.interp(numbers[inside], members, np.linspace(-1, 1, len(members)))
        else:
            nearest = np.searchsorted(members, _nearest(numbers[inside], members))
            positions[inside] = _spread(nearest, span.masses[state], rng)
    return states, positions


def _closest_states(span: Span, numbers: np.ndarray) -> np.ndarray:
    """The state whose values reach closest to each number; atoms win ties."""
    low = np.array([members[0] for members in span.values])
    high = np.array([members[-1] for members in span.values])
    right = (
        np.clip(np.searchsorted(low, numbers, side="right"), 1, len(low)) - 1
    )  # last state that begins at or below
    after = np.minimum(right + 1, len(low) - 1)
    above = np.maximum(numbers - high[right], 0)
    return np.where(above <= np.maximum(low[after] - numbers, 0), right, after)


def _spread(places: np.ndarray, masses: tuple[float, ...], rng: np.random.Generator | None) -> np.ndarray:
    """Positions drawn inside the rank interval of each value's place, or its middle."""
    ends = np.concatenate([[0.0], masses])
    inside = 0.5 if rng is None else rng.random(len(places))
    ranks = ends[places] + inside * (ends[places + 1] - ends[places])
    return (2 * ranks - 1).astype(np.float32)


def _pick(state_values: tuple, masses: tuple[float, ...], positions: np.ndarray) -> np.ndarray:
    """Places of the values at these positions: the inverse of `_spread`."""
    ranks = np.clip((positions.astype(float) + 1) / 2, 0, 1)
    return np.minimum(np.searchsorted(masses, ranks, side="right"), len(state_values) - 1)


def _decode_levels(column: Column, span: Span, states: np.ndarray, positions: np.ndarray) -> pd.Series:
    levels = np.empty(span.num_states, dtype=object)
    for state, members in enumerate(span.values):
        levels[state] = members[0]
    if span.missing is not None:
        levels[span.missing] = np.nan
    decoded = levels[states]
    for state in np.flatnonzero(span.has_position):
        inside = states == state
        members = np.array(span.values[state], dtype=object)
        decoded[inside] = members[_pick(span.values[state], span.masses[state], positions[inside])]
    return pd.Series(decoded, name=column.name).astype(column.dtype)


def _decode_numbers(column: Column, span: Span, states: np.ndarray, positions: np.ndarray) -> pd.Series:
    firsts = np.array([members[0] for members in span.values] + [np.nan] * (span.missing is not None))
    numbers = firsts[states]
    for state in np.flatnonzero(span.has_position):
        inside = states == state
        members = np.asarray(span.values[state])
        if span.masses[state] is None:
            numbers[inside] = np.interp(positions[inside], np.linspace(-1, 1, len(members)), members)
        else:
            numbers[inside] = members[_pick(span.values[state], span.masses[state], positions[inside])]
    return column.from_numbers(numbers)
