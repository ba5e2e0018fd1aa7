"""Rules over numbers and dates: one at most another, and one computed from others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations, product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synthlib.columns import Column, SchemaError
from synthlib.formulas import compute, list_columns, parse_formula, solve
from synthlib.rules.base import Rule, check_names, column_step, put_numbers

if TYPE_CHECKING:
    from synthlib.schema import Schema

SHIFTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # how far an input is moved towards an end of its range
_TEXT_DATE_STEPS = (31.0, 366.0)  # a date kept as text may be cut to its month or year


@dataclass(frozen=True)
class Inequality(Rule):
    """`low` is at most `high` (below it, if `strict`), wherever both are present. Numbers, or dates.

    Repair moves one of the two to the nearest value that the other allows: the free one; where both are free,
    the one whose declared range is wider, since the move means less there (`high` if they are equally wide).
    If its range does not reach that far the other moves, or both do. If no number is left for a free cell
    it becomes missing, where that is possible.
    """

    low: str
    high: str
    strict: bool = False

    def __post_init__(self) -> None:
        check_names(self, (self.low, self.high))
        if not isinstance(self.strict, bool):
            raise SchemaError(f"{self.describe()}: expected strict to be true or false")

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.low, self.high)

    @property
    def written(self) -> tuple[str, ...]:
        return self.columns

    def describe(self) -> str:
        return f"{self.low} is {'below' if self.strict else 'at most'} {self.high}"

    def _check_kinds(self, schema: Schema) -> None:
        low, high = schema[self.low], schema[self.high]
        if not (low.is_numeric and high.is_numeric) or (low.kind == "datetime") != (high.kind == "datetime"):
            raise SchemaError(
                f"{self.describe()}: expected two columns of numbers, or two of dates, got {low.kind} and "
                f"{high.kind}"
            )
        least, most = low.numeric_range()[0], high.numeric_range()[1]
        if not low.nullable and not high.nullable and (least >= most if self.strict else least > most):
            raise SchemaError(f"{self.describe()}: cannot hold, the ranges of the two columns do not meet")

    def applies(self, table: pd.DataFrame, schema: Schema) -> np.ndarray:
        return table[self.low].notna().to_numpy() & table[self.high].notna().to_numpy()

    def find_violations(self, table: pd.DataFrame, schema: Schema) -> np.ndarray:
        return self._breaks(*(schema[name].to_numbers(table[name]) for name in self.columns))

    def _breaks(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return (low >= high) if self.strict else (low > high)

    def repair(
        self, table: pd.DataFrame, schema: Schema, fixed: np.ndarray, rng: np.random.Generator
    ) -> pd.DataFrame:
        of_low, of_high = schema[self.low], schema[self.high]
        low, high = of_low.to_numbers(table[self.low]), of_high.to_numbers(table[self.high])
        open_rows = self._breaks(low, high)
        free_low, free_high = ~fixed[:, 0], ~fixed[:, 1]
        moved_low = _nearest(of_low, high, -1, self.strict)
        moved_high = _nearest(of_high, low, +1, self.strict)
        both_high = np.full(len(table), of_high.numeric_range()[1])
        both_low = _nearest(of_low, both_high, -1, self.strict)
        steps = [
            (free_low, moved_low, high),
            (free_high, low, moved_high),
            (free_low & free_high, both_low, both_high),
            (free_high & of_high.nullable, low, np.full(len(table), np.nan)),
            (free_low & of_low.nullable, np.full(len(table), np.nan), high),
        ]
        if np.ptp(of_high.numeric_range()) >= np.ptp(of_low.numeric_range()):
            steps[:2] = steps[1::-1]
        new_low, new_high = low.copy(), high.copy()
        for place, (free, to_low, to_high) in enumerate(steps):
            known = (place > 2) | ~(np.isnan(to_low) | np.isnan(to_high) | np.isinf(to_high))
            rows = open_rows & free & known & ~self._breaks(to_low, to_high)
            new_low[rows], new_high[rows] = to_low[rows], to_high[rows]
            open_rows &= ~rows
        table = put_numbers(table, of_low, _differs(low, new_low), new_low)
        return put_numbers(table, of_high, _differs(high, new_high), new_high)


@dataclass(frozen=True)
class Formula(Rule):
    """`column` is the result of arithmetic over other columns, rounded and clipped to what it may hold.

    ``Formula("bmi", "weight / (height / 100) ** 2")``: numbers, columns (in backticks, if their names
    are more than letters, digits and _), ``+ - * / **``, and min, max, abs, log, exp, sqrt, floor. Dates are
    days since 1970. Where an input is missing, or the arithmetic has no result, the column is missing; if it
    can never be, the rule says nothing of that row. Both neighbours are right where the result lies half-way.

    Repair computes the column; where that cell is fixed, it solves for one of the free inputs.
    """

    column: str
    expression: str

    def __post_init__(self) -> None:
        check_names(self, (self.column,))
        if not self.inputs:
            raise SchemaError(f"{self.describe()}: expected at least one column in the formula")
        if self.column in self.inputs:
            raise SchemaError(f"{self.describe()}: expected a formula over other columns than its own")

    @property
    def inputs(self) -> tuple[str, ...]:
        return list_columns(parse_formula(self.expression))

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column, *self.inputs)

    @property
    def written(self) -> tuple[str, ...]:
        return (self.column,)

    def describe(self) -> str:
        return f"{self.column} is {self.expression}"

    def _check_kinds(self, schema: Schema) -> None:
        if not schema[self.column].is_numeric:
            raise SchemaError(f"{self.describe()}: expected a column of numbers or dates to compute")
        for name in self.inputs:
            levels = schema[name].categories
            if levels and not all(isinstance(v, int | float) and not isinstance(v, bool) for v in levels):
                raise SchemaError(f"{self.describe()}: expected numbers to compute with, {name} has others")

    def applies(self, table: pd.DataFrame, schema: Schema) -> np.ndarray:
        if schema[self.column].nullable:
            return np.ones(len(table), dtype=bool)
        return ~np.isnan(self._compute(self._read(table, schema)))

    def find_violations(self, table: pd.DataFrame, schema: Schema) -> np.ndarray:
        column, numbers = schema[self.column], self._read(table, schema)
        return self._breaks(column, column.to_numbers(table[self.column]), numbers)

    def _read(self, table: pd.DataFrame, schema: Schema) -> dict[str, np.ndarray]:
        return {
            name: schema[name].to_numbers(table[name])
            if schema[name].is_numeric
            else pd.to_numeric(table[name]).to_numpy(dtype=float, na_value=np.nan)
            for name in self.inputs
        }

    def _compute(self, numbers: Mapping[str, np.ndarray]) -> np.ndarray:
        return compute(parse_formula(self.expression), numbers)

    def _breaks(self, column: Column, held: np.ndarray, numbers: Mapping[str, np.ndarray]) -> np.ndarray:
        result = np.clip(self._compute(numbers), *column.numeric_range())
        close = np.abs(held - result) <= column_step(column) / 2 + 1e-9 * np.maximum(1, np.abs(result))
        with_result = ~np.isnan(result)
        off = with_result & ~close
        if off.any():  # such as a date that is cut to its month
            off[off] = column.to_numbers(column.from_numbers(result[off])) != held[off]
        return off | (~with_result & ~np.isnan(held) & column.nullable)

    def repair(
        self, table: pd.DataFrame, schema: Schema, fixed: np.ndarray, rng: np.random.Generator
    ) -> pd.DataFrame:
        column, numbers = schema[self.column], self._read(table, schema)
        broken = self.find_violations(table, schema)
        table = put_numbers(table, column, broken & ~fixed[:, 0], self._compute(numbers))
        broken &= fixed[:, 0]
        held = column.to_numbers(table[self.column])
        for place, name in enumerate(self.inputs, start=1):
            free = np.flatnonzero(broken & ~fixed[:, place])
            if len(free) and schema[name].is_numeric:
                inputs = {key: values[free] for key, values in numbers.items()}
                wanted = self._solve(name, held[free], inputs, column, schema[name])
                solved = ~self._breaks(column, held[free], inputs | {name: wanted})
                solved &= schema[name].nullable | ~np.isnan(wanted)
                target = np.full(len(table), np.nan)
                target[free] = wanted
                changed = np.isin(np.arange(len(table)), free[solved])
                table, broken = put_numbers(table, schema[name], changed, target), broken & ~changed
        return self._move_two(table, schema, broken, fixed) if broken.any() else table

    def _move_two(
        self, table: pd.DataFrame, schema: Schema, broken: np.ndarray, fixed: np.ndarray
    ) -> pd.DataFrame:
        """Where no input alone gives a fixed result: one moves towards its range's ends, another follows."""
        column = schema[self.column]
        numeric = [place for place, name in enumerate(self.inputs) if schema[name].is_numeric]
        for share, (first, second), end in product(SHIFTS, permutations(numeric, 2), (0, 1)):
            moved, follows = schema[self.inputs[first]], schema[self.inputs[second]]
            bound = moved.numeric_range()[end]
            rows = np.flatnonzero(broken & ~fixed[:, first + 1] & ~fixed[:, second + 1])
            if not len(rows) or not np.isfinite(bound):
                continue
            held = column.to_numbers(table[self.column])[rows]
            inputs = {name: values[rows] for name, values in self._read(table, schema).items()}
            there = inputs[moved.name] + share * (bound - inputs[moved.name])
            inputs[moved.name] = moved.to_numbers(moved.from_numbers(there))
            inputs[follows.name] = self._solve(follows.name, held, inputs, column, follows)
            solved = ~self._breaks(column, held, inputs) & ~np.isnan(inputs[follows.name])
            target, changed = np.full(len(table), np.nan), np.zeros(len(table), dtype=bool)
            changed[rows[solved]] = True
            for side in (moved, follows):
                target[rows] = inputs[side.name]
                table = put_numbers(table, side, changed, target)
            broken = broken & ~changed
        return table

    def _solve(
        self,
        name: str,
        held: np.ndarray,
        inputs: Mapping[str, np.ndarray],
        column: Column,
        of_input: Column,
    ) -> np.ndarray:
        """What an input would have to be, as its column can hold it; NaN makes the result missing."""
        solution = solve(parse_formula(self.expression), name, held, inputs)
        best = np.full(len(held), np.nan)
        for shift in (0, 1, -1):  # rounding may put the nearest value on the wrong side
            tried = solution + shift * column_step(of_input)
            some = ~np.isnan(tried) & np.isnan(best)
            tried[some] = of_input.to_numbers(of_input.from_numbers(tried[some]))
            tried = np.where(some & ~np.isnan(held), tried, np.nan)
            works = some & ~self._breaks(column, held, {**inputs, name: tried})
            best[works] = tried[works]
        return best


def _nearest(column: Column, bound: np.ndarray, side: int, strict: bool) -> np.ndarray:
    """What the column can hold next to `bound`, below (side -1) or above it (+1); NaN where nothing is."""
    found = np.full(len(bound), np.nan)
    steps = (0.0, column_step(column), 2 * column_step(column))
    if column.kind == "datetime" and column.format:
        steps += _TEXT_DATE_STEPS
    for step in steps:
        some = np.isnan(found) & np.isfinite(bound)
        if some.any():
            tried = column.to_numbers(column.from_numbers(bound[some] + side * step))
            gap = side * (tried - bound[some])
            found[some] = np.where((gap > 0) if strict else (gap >= 0), tried, np.nan)
    return found


def _differs(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return (before != after) & ~(np.isnan(before) & np.isnan(after))
