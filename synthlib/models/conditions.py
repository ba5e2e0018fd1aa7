"""What the rows of a sample shall have: values, distributions or partial rows, checked and encoded."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from synthlib.models.encoding import SpanEncoder
from synthlib.schema import Column, Schema, SchemaError

Given = Mapping[str, Any] | pd.DataFrame


@dataclass(frozen=True)
class Condition:
    """The given cells of a batch of rows, encoded.

    Attributes:
        states: int32 (size, num_columns), to be read under `mask` alone.
        positions: float32 (size, num_columns), likewise.
        mask: bool (size, num_columns), where a cell is given.
    """

    states: np.ndarray
    positions: np.ndarray
    mask: np.ndarray

    @classmethod
    def nothing(cls, size: int, num_columns: int) -> Condition:
        """No cell is given."""
        shape = (size, num_columns)
        return cls(np.zeros(shape, np.int32), np.zeros(shape, np.float32), np.zeros(shape, bool))

    def impose(self, states: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Drawn states and positions with the given ones in their place."""
        return np.where(self.mask, self.states, states), np.where(self.mask, self.positions, positions)

    def take(self, rows: np.ndarray) -> Condition:
        """The condition of some of the rows."""
        return Condition(self.states[rows], self.positions[rows], self.mask[rows])


class Conditions:
    """Checks what is given for a whole sample, and hands it out batch by batch.

    Args:
        schema: of the table.
        given: column → value, column → {value: share}, a DataFrame of partial rows, or None.
        num_rows: of the sample.
        seed: of the draws from distributions.

    Raises:
        ValueError: if a column, a value or a distribution is impossible under the schema, or a DataFrame has
            another number of rows.
    """

    def __init__(self, schema: Schema, given: Given | None, num_rows: int, seed: int):
        self.seed = seed
        self.schema = schema
        modelled = {column.name: column for column in schema.modelled}
        names = [] if given is None else list(given)
        unknown = sorted(str(name) for name in names if name not in modelled)
        if unknown:
            raise ValueError(f"given: expected columns among {', '.join(modelled)}; got {', '.join(unknown)}")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"given: expected each column once, got several of: {', '.join(repeated)}")
        self.partial = isinstance(given, pd.DataFrame)
        if self.partial and len(given) != num_rows:
            raise ValueError(f"given: expected a DataFrame of {num_rows} rows, one a row, got {len(given)}")
        self.columns: dict[str, pd.Series] = {}
        for place, name in enumerate(names):
            column = modelled[name]
            if self.partial:
                self.columns[name] = _conform(column, given[name].reset_index(drop=True), optional=True)
            elif isinstance(given[name], Mapping):
                rng = np.random.default_rng((seed, place, len(names)))
                self.columns[name] = _draw_values(column, given[name], num_rows, rng)
            else:
                self.columns[name] = _conform(column, pd.Series([given[name]], dtype=object))

    def encode(self, encoder: SpanEncoder, start: int, size: int) -> Condition | None:
        """The Condition of rows `start` to `start + size`, or None where nothing is given."""
        if not self.columns:
            return None
        condition = Condition.nothing(size, encoder.num_columns)
        for span in encoder.spans_:
            if span.name not in self.columns:
                continue
            values = self._batch(span.name, start, size)
            states, positions = encoder.encode_column(span, values, None)  # a row's own value alone decides
            condition.states[:, span.index], condition.positions[:, span.index] = states, positions
            condition.mask[:, span.index] = values.notna() if self.partial else True
        return condition

    def warn_of_unlearnt(self, encoder: SpanEncoder) -> None:
        """Warn if values are given that no state stands for: others cannot follow what was not learnt."""
        withheld = encoder.withheld()
        for span in encoder.spans_:
            values = self.columns.get(span.name)
            if values is None:
                continue
            rare = int(values.isin(list(withheld.get(span.name, ()))).sum())
            absent = 0 if self.partial or span.missing is not None else int(values.isna().sum())
            if rare or absent:
                warnings.warn(
                    f"given: {span.name!r} gets a {'level' if rare else 'missing value'} that fewer than "
                    f"{encoder.min_count} training rows had; other columns are drawn as for its "
                    f"{'most frequent level' if self.schema[span.name].is_discrete else 'lowest number'}",
                    stacklevel=4,
                )

    def mark(self, start: int, size: int) -> pd.DataFrame:
        """Which cells of these rows are given, bool (size, number of columns of the table)."""
        given = pd.DataFrame(False, index=range(size), columns=self.schema.names)
        for name in self.columns:
            given[name] = self._batch(name, start, size).notna().to_numpy() if self.partial else True
        return given

    def restore(self, table: pd.DataFrame, start: int) -> pd.DataFrame:
        """The decoded rows with the given values as they were given: an encoding may have rounded them."""
        for name in self.columns:
            values = self._batch(name, start, len(table))
            values = values.where(values.notna(), table[name]) if self.partial else values
            table[name] = values.astype(self.schema[name].dtype)
        return table

    def _batch(self, name: str, start: int, size: int) -> pd.Series:
        values = self.columns[name]
        if len(values) == 1:
            return values.iloc[np.zeros(size, dtype=int)].reset_index(drop=True)
        return values.iloc[start : start + size].reset_index(drop=True)


def _conform(column: Column, values: pd.Series, optional: bool = False) -> pd.Series:
    """Given values as the column holds them; with `optional`, missing cells are left to be drawn."""
    chosen = values[values.notna()] if optional else values
    if not len(chosen):
        return chosen if len(chosen) == len(values) else chosen.astype(object).reindex(values.index)
    try:
        conformed = column.conform(chosen)
        fitting = not column.find_problems(conformed) and not (conformed.isna() & chosen.notna()).any()
        if fitting and column.is_numeric:  # nothing behind the point that the column does not have
            numbers = column.to_numbers(chosen)
            held = column.from_numbers(numbers, index=chosen.index)
            fitting = np.allclose(numbers, column.to_numbers(held), rtol=1e-7, atol=1e-9, equal_nan=True)
            conformed = held if column.single_precision else conformed
    except (SchemaError, ValueError):
        fitting = False
    if not fitting:
        raise ValueError(f"given: expected {_describe_values(column)} for {column.name!r}, got others")
    return conformed if len(chosen) == len(values) else conformed.astype(object).reindex(values.index)


def _describe_values(column: Column) -> str:
    """What may be given for a column, without a word on what was."""
    if column.is_discrete:
        values = f"one of its {len(column.categories)} categories"
    else:
        values = {"integer": "whole numbers", "datetime": "dates"}.get(column.kind, "numbers")
        if column.low is not None or column.high is not None:
            values += f" from {column.low} to {column.high}"
        if column.kind == "continuous" and column.decimals is not None:
            values += f" of {column.decimals} decimals"
    return values + (" or None" if column.nullable else "")


def _draw_values(
    column: Column, shares: Mapping[Any, float], num_rows: int, rng: np.random.Generator
) -> pd.Series:
    """Values by their shares, in random order, each as often as its share says, up to rounding."""
    try:
        chances = np.array([float(share) for share in shares.values()])
    except (TypeError, ValueError):
        chances = np.array([])
    if not len(chances) or not np.isfinite(chances).all() or chances.min() < 0 or chances.sum() <= 0:
        raise ValueError(
            f"given: expected shares of at least 0 and above 0 in sum for {column.name!r}, got others"
        )
    values = _conform(column, pd.Series(list(shares), dtype=object))
    uniform = (rng.permutation(num_rows) + rng.random(num_rows)) / num_rows  # one in each num_rows-th
    places = np.searchsorted(np.cumsum(chances) / np.cumsum(chances)[-1], uniform, side="right")
    return values.iloc[np.minimum(places, len(values) - 1)].reset_index(drop=True)
