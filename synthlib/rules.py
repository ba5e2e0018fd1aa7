"""Rules between columns: what a table must obey beyond what each column may hold.

A rule is declared by people and belongs to a Schema. Each says where a table breaks it (`find_violations`)
and moves cells so that it holds (`repair`): fixed cells stay, and so do rows in which no free cell helps.
`Schema.enforce` makes several rules hold at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from synthlib.columns import Column, SchemaError
from synthlib.formulas import compute, list_columns, parse_formula, solve

if TYPE_CHECKING:
    from synthlib.schema import Schema

MISSING = -1  # code of a missing level
UNKNOWN = -2  # code of a value that no rule names
_TEXT_DATE_STEPS = (31.0, 366.0)  # a date kept as text may be cut to its month or year


class Rule:
    """What all rules have. `columns`: names of those it speaks of, in the order of `fixed`'s columns."""

    columns: tuple[str, ...]
    written: tuple[str, ...]  # columns that repair changes by preference

    def check(self, schema: Schema) -> None:
        """Do nothing if the schema's columns can be held to this rule.

        Raises:
            SchemaError: naming the column that is absent or of a kind that the rule cannot speak of.
        """
        for name in self.columns:
            if name not in schema.names or schema[name].kind == "identifier":
                raise SchemaError(
                    f"{self.describe()}: expected columns of the schema that are no identifiers, got {name!r}"
                )
        self._check_kinds(schema)

    def _check_kinds(self, schema: Schema) -> None:
        raise NotImplementedError

    def applies(self, table: pd.DataFrame, schema: Schema) -> np.ndarray:
        """Rows of which the rule says anything, bool of shape (num_rows,)."""
        return np.ones(len(table), dtype=bool)

    def find_violations(self, table: pd.DataFrame, schema: Schema) -> np.ndarray:
        """Rows that break the rule, bool of shape (num_rows,)."""
        raise NotImplementedError

    def repair(
        self, table: pd.DataFrame, schema: Schema, fixed: np.ndarray, rng: np.random.Generator
    ) -> pd.DataFrame:
        """A copy in which the rule holds wherever free cells allow it; other rows stay as they are.

        Args:
            table: DataFrame of shape (num_rows, num_columns).
            schema: its Schema.
            fixed: bool of shape (num_rows, len(self.columns)): cells that must stay.
            rng: decides between repairs that are equally good.
        """
        raise NotImplementedError

    def narrow(self, schema: Schema) -> Rule | None:
        """The rule as a schema with fewer levels can hold it, or None where nothing of it is left."""
        return _if_it_fits(self, schema)

    def describe(self) -> str:
        """The rule in one sentence."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The rule as JSON can hold it; `rule_from_dict` is the inverse."""
        given = {item.name: getattr(self, item.name) for item in fields(self)}
        return {"rule": type(self).__name__, **given}


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
        _check_names(self, (self.low, self.high))
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
        _check_names(self, self.columns)
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
        return _if_it_fits(rule, schema)


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
        _check_names(self, self.columns)
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
        return _if_it_fits(replace(self, values=values, condition_values=conditions), schema)


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
        _check_names(self, (self.column,))
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


RULES: dict[str, type[Rule]] = {kind.__name__: kind for kind in (Inequality, Combinations, OnlyIf, Formula)}


def rule_from_dict(document: Any) -> Rule:
    """The rule that `to_dict` wrote.

    Raises:
        SchemaError: if it is anything else.
    """
    kind = RULES.get(document.get("rule")) if isinstance(document, Mapping) else None
    if kind is None:
        raise SchemaError(f"rules: expected objects whose rule is one of {', '.join(RULES)}")
    given = {key: value for key, value in document.items() if key != "rule"}
    try:
        return kind(**given)
    except SchemaError:
        raise
    except (TypeError, ValueError, AttributeError):
        names = ", ".join(item.name for item in fields(kind))
        raise SchemaError(f"rules: expected an {kind.__name__} with {names}") from None


def column_step(column: Column) -> float:
    """Distance between neighbouring values that a numeric column can hold."""
    if column.kind == "integer":
        return 1.0
    if column.kind == "datetime":
        return 1.0 if column.format and "%H" not in column.format else 1 / 86_400
    return 10.0 ** -(column.decimals if column.decimals is not None else 9)


def encode_levels(column: Column, values: pd.Series) -> np.ndarray:
    """Place of each value among the column's categories, `MISSING` or `UNKNOWN`, shape (num_rows,)."""
    codes = pd.Index(column.categories).get_indexer(pd.Index(values))
    return np.where(values.isna().to_numpy(), MISSING, np.where(codes < 0, UNKNOWN, codes))


def put_levels(table: pd.DataFrame, column: Column, rows: np.ndarray, codes: np.ndarray) -> pd.DataFrame:
    """A copy with other levels in some rows (positions); `codes` are places among the categories."""
    if not len(rows):
        return table
    levels = np.empty(len(column.categories) + 1, dtype=object)
    levels[:-1], levels[-1] = list(column.categories), np.nan  # MISSING is -1: the last
    values = table[column.name].copy()
    values.iloc[rows] = pd.Series(levels[codes], dtype=object).astype(values.dtype).array
    return table.assign(**{column.name: values})


def put_numbers(table: pd.DataFrame, column: Column, rows: np.ndarray, numbers: np.ndarray) -> pd.DataFrame:
    """A copy with other numbers, rounded and clipped by the column, where `rows` (bool) says so.

    Where the column can never be missing, and the number is, the cell stays.
    """
    rows = rows & (column.nullable | ~np.isnan(numbers))
    if not rows.any():
        return table
    values = table[column.name].copy()
    values.iloc[np.flatnonzero(rows)] = column.from_numbers(numbers[rows]).array
    return table.assign(**{column.name: values})


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


def _if_it_fits(rule: Rule, schema: Schema) -> Rule | None:
    try:
        rule.check(schema)
    except SchemaError:
        return None
    return rule


def _differs(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return (before != after) & ~(np.isnan(before) & np.isnan(after))


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


def _check_names(rule: Rule, names: tuple) -> None:
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise SchemaError(f"{type(rule).__name__}: expected names of different columns")


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
