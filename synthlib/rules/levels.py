"""Rules over levels: which combinations there may be, and what is only there where something else is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from synthlib.columns import Column, SchemaError
from synthlib.rules.base import (
    MISSING,
    Rule,
    check_names,
    encode_levels,
    keep_if_it_fits,
    put_levels,
    put_numbers,
)

if TYPE_CHECKING:
    from synthlib.schema import Schema


@dataclass(frozen=True)
class Combinations(Rule):
    """The values of `columns`, all of them levels, are one of the `allowed` tuples; None is missing.

    Repair chooses the allowed tuple that keeps most of the drawn values, among those that keep the fixed
    ones, and by `weights` (or evenly) between tuples that keep as many. With `determines`, the last columns
    follow from the others: those are kept before all else.

    Attributes:
        columns: names of at least two columns.
        allowed: tuples of levels.
        determines: how many of the last columns are a function of the first.
        weights: how frequent each tuple is, or none. Frequencies in a confidential table are confidential.
    """

    columns: tuple[str, ...]
    allowed: tuple[tuple, ...]
    determines: int = 0
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("columns", "allowed", "weights"):
            object.__setattr__(self, name, _as_tuple(self, getattr(self, name)))
        object.__setattr__(self, "allowed", tuple(_as_levels(self, row) for row in self.allowed))
        check_names(self, self.columns)
        width = len(self.columns)
        if width < 2 or not self.allowed or any(len(row) != width for row in self.allowed):
            raise SchemaError(
                f"{self.describe()}: expected two columns or more, and tuples with a value for each"
            )
        if len(set(map(_key, self.allowed))) < len(self.allowed):
            raise SchemaError(f"{self.describe()}: expected each tuple once")
        if type(self.determines) is not int or not 0 <= self.determines < width:
            raise SchemaError(
                f"{self.describe()}: expected determines from 0 to {width - 1}, fewer than columns"
            )
        numbers = all(isinstance(w, int | float) and 0 < w < np.inf for w in self.weights)
        if self.weights and (len(self.weights) != len(self.allowed) or not numbers):
            raise SchemaError(f"{self.describe()}: expected a positive weight for each tuple, or none")

    @property
    def written(self) -> tuple[str, ...]:
        return self.columns[-self.determines :]  # all of them, if none follows from the others

    def describe(self) -> str:
        if self.determines:
            first, last = self.columns[: -self.determines], self.columns[-self.determines :]
            return f"{', '.join(last)} follows from {', '.join(first)}"
        return f"({', '.join(map(str, self.columns))}) is one of {len(self.allowed)} combinations"

    def _check_kinds(self, schema: Schema) -> None:
        for place, name in enumerate(self.columns):
            _check_levels(self, schema[name], [row[place] for row in self.allowed])

    def find_violations(self, table: pd.DataFrame, schema: Schema) -> np.ndarray:
        codes, allowed = self._encode(table, schema)
        base = max(int(allowed.max(initial=0)), int(codes.max(initial=0))) + 3
        weight = [base**place for place in range(len(self.columns))]
        if base ** len(self.columns) < 2**62:
            return ~np.isin((codes + 2) @ weight, (allowed + 2) @ weight)
        known = set(map(tuple, allowed.tolist()))
        return np.array([row not in known for row in map(tuple, codes.tolist())], dtype=bool)

    def _encode(self, table: pd.DataFrame, schema: Schema) -> tuple[np.ndarray, np.ndarray]:
        """Codes of the rows (num_rows, num_columns) and of the allowed tuples (num_allowed, num_columns)."""
        rows = [encode_levels(schema[name], table[name]) for name in self.columns]
        levels = [
            {level: code for code, level in enumerate(schema[name].categories)} for name in self.columns
        ]
        allowed = [
            [MISSING if value is None else level[value] for value, level in zip(row, levels, strict=True)]
            for row in self.allowed
        ]
        return np.column_stack(rows), np.array(allowed)

    def repair(
        self, table: pd.DataFrame, schema: Schema, fixed: np.ndarray, rng: np.random.Generator
    ) -> pd.DataFrame:
        rows = np.flatnonzero(self.find_violations(table, schema))
        codes, allowed = self._encode(table.iloc[rows], schema)
        pattern, which = np.unique(np.hstack([codes, fixed[rows]]), axis=0, return_inverse=True)
        which, luck = which.ravel(), rng.random(len(rows))
        chosen = np.full(len(rows), -1)
        weights = np.asarray(self.weights or np.ones(len(allowed)), dtype=float)
        order = np.argsort(which, kind="stable")
        ends = np.searchsorted(which[order], np.arange(len(pattern) + 1))
        for number, (drawn, kept) in enumerate(zip(*np.hsplit(pattern, 2), strict=True)):
            best = self._find_best(drawn, kept.astype(bool), allowed)
            if len(best):
                cumulative = np.cumsum(weights[best])
                mine = order[ends[number] : ends[number + 1]]
                place = np.searchsorted(cumulative, luck[mine] * cumulative[-1], side="right")
                chosen[mine] = best[np.minimum(place, len(best) - 1)]
        found, rows, codes = chosen[chosen >= 0], rows[chosen >= 0], codes[chosen >= 0]
        for place, name in enumerate(self.columns):
            changed = codes[:, place] != allowed[found, place]
            table = put_levels(table, schema[name], rows[changed], allowed[found[changed], place])
        return table

    def avoid(self, levels: Mapping[str, set]) -> Combinations:
        shunned = [
            any(value in levels.get(name, ()) for name, value in zip(self.columns, row, strict=True))
            for row in self.allowed
        ]
        if not any(shunned) or all(shunned):
            return self
        weights = np.array(self.weights or np.ones(len(shunned)), dtype=float)
        return replace(self, weights=tuple(np.where(shunned, 1e-12, 1.0) * weights / weights.sum()))

    def _find_best(self, drawn: np.ndarray, kept: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        """Numbers of the allowed tuples that change least, of those that keep the fixed cells."""
        width, differs = len(self.columns), allowed != drawn
        cost = np.ones(width)
        cost[: width - self.determines] += width if self.determines else 0
        total = np.where((differs & kept).any(axis=1), np.inf, differs @ cost)
        return np.flatnonzero((total == total.min()) & np.isfinite(total))

    def narrow(self, schema: Schema) -> Rule | None:
        if any(name not in schema.names or not schema[name].is_discrete for name in self.columns):
            return None
        levels = [{_typed(level) for level in schema[name].categories} | {None} for name in self.columns]
        left = [
            place
            for place, row in enumerate(self.allowed)
            if all(_typed(v) in known for v, known in zip(row, levels, strict=True))
        ]
        if not left:
            return None
        weights = tuple(self.weights[place] for place in left) if self.weights else ()
        rule = replace(self, allowed=tuple(self.allowed[place] for place in left), weights=weights)
        return keep_if_it_fits(rule, schema)


@dataclass(frozen=True)
class OnlyIf(Rule):
    """`column` is one of `values` (or present at all, if `values` is None) only where a condition holds.

    The condition is that `condition_column` is one of `condition_values`, of which None means missing. Where
    it does not hold, repair puts `otherwise` (None: missing); where that cell is fixed, it puts one of
    `condition_values` into the condition's, as frequent as they are in the rest of the table.
    """

    column: str
    values: tuple | None
    condition_column: str
    condition_values: tuple
    otherwise: Any = None

    def __post_init__(self) -> None:
        check_names(self, self.columns)
        if self.values is not None:
            object.__setattr__(self, "values", _as_levels(self, _as_tuple(self, self.values)))
        object.__setattr__(self, "condition_values", _as_levels(self, _as_tuple(self, self.condition_values)))
        _as_levels(self, (self.otherwise,))
        if self.values == () or not self.condition_values:
            raise SchemaError(f"{self.describe()}: expected at least one value on both sides")
        if self.values is not None and _typed(self.otherwise) in map(_typed, self.values):
            raise SchemaError(f"{self.describe()}: expected an otherwise that is not among the values")

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column, self.condition_column)

    @property
    def written(self) -> tuple[str, ...]:
        return (self.column,)

    def describe(self) -> str:
        what = "present" if self.values is None else _list_values(self.values)
        return f"{self.column} is {what} only where {self.condition_column} is " + _list_values(
            self.condition_values
        )

    def _check_kinds(self, schema: Schema) -> None:
        column = schema[self.column]
        _check_levels(self, schema[self.condition_column], self.condition_values)
        if self.values is not None:
            _check_levels(self, column, self.values)
        if self.otherwise is None and not column.nullable:
            raise SchemaError(
                f"{self.describe()}: expected a value in otherwise, since {self.column} is never missing"
            )
        if column.is_discrete:
            _check_levels(self, column, [self.otherwise] if self.otherwise is not None else [])
        elif self.otherwise is not None:
            low, high = column.numeric_range()
            is_number = isinstance(self.otherwise, int | float) and column.kind != "datetime"
            if not is_number or not low <= self.otherwise <= high:
                raise SchemaError(
                    f"{self.describe()}: expected otherwise to be missing or a number {self.column} may be"
                )

    def _holds_condition(self, table: pd.DataFrame, schema: Schema) -> np.ndarray:
        return _is_among(schema[self.condition_column], table[self.condition_column], self.condition_values)

    def applies(self, table: pd.DataFrame, schema: Schema) -> np.ndarray:
        return ~self._holds_condition(table, schema)

    def find_violations(self, table: pd.DataFrame, schema: Schema) -> np.ndarray:
        column, values = schema[self.column], table[self.column]
        if self.values is not None:
            concerned = _is_among(column, values, self.values)
        elif self.otherwise is None or column.is_discrete:
            concerned = values.notna().to_numpy() & ~_is_among(column, values, (self.otherwise,))
        else:
            numbers = column.to_numbers(values)
            concerned = ~np.isnan(numbers) & (numbers != self._filler(column)[0])
        return concerned & self.applies(table, schema)

    def _filler(self, column: Column) -> np.ndarray:
        """`otherwise` as the number that a numeric column holds for it."""
        given = np.array([np.nan if self.otherwise is None else float(self.otherwise)])
        return given if np.isnan(given[0]) else column.to_numbers(column.from_numbers(given))

    def repair(
        self, table: pd.DataFrame, schema: Schema, fixed: np.ndarray, rng: np.random.Generator
    ) -> pd.DataFrame:
        column, condition = schema[self.column], schema[self.condition_column]
        broken = self.find_violations(table, schema)
        rows = np.flatnonzero(broken & ~fixed[:, 0])
        turn = np.flatnonzero(broken & fixed[:, 0] & ~fixed[:, 1])
        codes = encode_levels(condition, table[self.condition_column])
        if column.is_discrete:
            level = MISSING if self.otherwise is None else column.categories.index(self.otherwise)
            table = put_levels(table, column, rows, np.full(len(rows), level))
        else:
            numbers = np.full(len(table), self._filler(column)[0])
            table = put_numbers(table, column, broken & ~fixed[:, 0], numbers)
        choices = np.array(
            [MISSING if v is None else condition.categories.index(v) for v in self.condition_values]
        )
        counts = np.array([(codes == choice).sum() for choice in choices], dtype=float)
        cumulative = np.cumsum(counts if counts.sum() else counts + 1)
        place = np.searchsorted(cumulative, rng.random(len(turn)) * cumulative[-1], side="right")
        return put_levels(table, condition, turn, choices[np.minimum(place, len(choices) - 1)])

    def narrow(self, schema: Schema) -> Rule | None:
        if any(name not in schema.names for name in self.columns):
            return None
        values = self.values
        if values is not None:
            values = _keep_levels(values, schema[self.column])
        conditions = _keep_levels(self.condition_values, schema[self.condition_column])
        if values == () or not conditions:
            return None
        return keep_if_it_fits(replace(self, values=values, condition_values=conditions), schema)


def _is_among(column: Column, values: pd.Series, wanted: tuple) -> np.ndarray:
    if not column.is_discrete:  # only whether it is missing can be asked of a number
        return values.isna().to_numpy() & (None in wanted)
    places = [MISSING if value is None else column.categories.index(value) for value in wanted]
    return np.isin(encode_levels(column, values), places)


def _check_levels(rule: Rule, column: Column, values: Any) -> None:
    if not column.is_discrete:
        raise SchemaError(f"{rule.describe()}: expected {column.name} to have levels, it is {column.kind}")
    known = {_typed(level) for level in column.categories}
    unknown = sum(value is not None and _typed(value) not in known for value in values)
    if unknown:
        raise SchemaError(
            f"{rule.describe()}: expected levels of {column.name}, got {unknown} that are not among its "
            f"{len(column.categories)} categories"
        )
    if not column.nullable and any(value is None for value in values):
        raise SchemaError(f"{rule.describe()}: expected levels of {column.name}, which is never missing")


def _as_tuple(rule: Rule, values: Any) -> tuple:
    if isinstance(values, str | bytes | Mapping):
        raise SchemaError(f"{type(rule).__name__}: expected lists of values, got {type(values).__name__}")
    return tuple(values)


def _as_levels(rule: Rule, values: Any) -> tuple:
    """Values as Python's own, of which NaN is None."""
    plain = tuple(
        value.item() if isinstance(value, np.generic) else value for value in _as_tuple(rule, values)
    )
    plain = tuple(None if isinstance(value, float) and value != value else value for value in plain)
    if not all(value is None or isinstance(value, str | int | float) for value in plain):
        raise SchemaError(
            f"{type(rule).__name__}: expected values that are text, numbers, true, false or None"
        )
    return plain


def _typed(value: Any) -> Any:
    """A key under which True is not 1, but 1 is 1.0."""
    return (bool, value) if isinstance(value, bool) else value


def _key(row: tuple) -> tuple:
    return tuple(map(_typed, row))


def _keep_levels(values: tuple, column: Column) -> tuple:
    known = {_typed(level) for level in column.categories}
    return tuple(v for v in values if _typed(v) in known or (v is None and column.nullable))


def _list_values(values: tuple) -> str:
    shown = ["missing" if value is None else str(value) for value in values[:6]]
    return " or ".join(shown) + (f" or {len(values) - 6} more" if len(values) > 6 else "")
