"""A Column says what one column of a table may hold, and moves values in and out of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

KINDS = ("categorical", "ordinal", "boolean", "integer", "continuous", "datetime", "identifier")
NUMERIC_KINDS = ("integer", "continuous", "datetime")
WITHHELD = "(withheld)"  # the level of a published column of which no level was drawn


class SchemaError(ValueError):
    """A table that is not what its Schema says, or that no Schema can hold."""


class PrivacyError(ValueError):
    """What cannot be done privately, or would lose more privacy than it may or can be accounted for."""


@dataclass(frozen=True)
class Column:
    """What one column holds.

    Attributes:
        name: as in the table.
        kind: one of `KINDS`.
        dtype: pandas dtype that its values have and that samples get, such as `"int64"` or `"object"`.
        categories: the levels of a categorical, ordinal (in order) or boolean column.
        low, high: smallest and largest possible value of a numeric column; what lies outside is an
            impossible value and becomes missing. For datetimes, ISO 8601 text.
        decimals: digits after the point that a continuous column is written with; None for all there are.
        single_precision: whether its numbers went through float32, so that 28.4 is 28.399999618530273.
        nullable: whether a value may be missing.
        missing_codes: values that stand for "missing", such as `-1` or `"?"`.
        format: strftime format of a datetime kept as text.
        unit: UCUM unit, for people.
        description: for people.
    """

    name: str
    kind: str
    dtype: str = "object"
    categories: tuple = ()
    low: float | str | None = None
    high: float | str | None = None
    decimals: int | None = None
    nullable: bool = False
    missing_codes: tuple = ()
    format: str | None = None
    unit: str = ""
    description: str = ""
    single_precision: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SchemaError(
                f"column {self.name!r}: expected a kind of {', '.join(KINDS)}, got {self.kind!r}"
            )
        if self.kind in ("categorical", "ordinal", "boolean") and not self.categories:
            raise SchemaError(f"column {self.name!r}: a {self.kind} column needs its categories")

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Column:
        """A Column by what JSON says of its fields; a stranger may have written that.

        Raises:
            SchemaError: if a value is of another type than its field.
            TypeError: if it has no such field.
        """
        given = {key: tuple(value) if isinstance(value, list) else value for key, value in told.items()}
        column = cls(**given)
        if not _has_types(column) or not all(
            isinstance(level, str | int | float) for level in (*column.categories, *column.missing_codes)
        ):
            raise SchemaError("expected text, numbers and lists of these in a column's fields, got others")
        return column

    @property
    def is_numeric(self) -> bool:
        """Whether its values lie on a line: integer, continuous or datetime."""
        return self.kind in NUMERIC_KINDS

    @property
    def is_discrete(self) -> bool:
        """Whether its values are levels: categorical, ordinal or boolean."""
        return bool(self.categories)

    def to_numbers(self, values: pd.Series) -> np.ndarray:
        """A numeric column's values as float64 (num_rows,), NaN where missing; dates as days since 1970."""
        if self.kind != "datetime":
            return pd.to_numeric(values).to_numpy(dtype=float, na_value=np.nan)
        dates = pd.to_datetime(values, format=self.format) if self.format else pd.to_datetime(values)
        return ((dates - pd.Timestamp(0)) / pd.Timedelta(days=1)).to_numpy(dtype=float)

    def from_numbers(self, numbers: np.ndarray, index: pd.Index | None = None) -> pd.Series:
        """The inverse of `to_numbers`, rounded and clipped to what the column may hold, in its dtype."""
        numbers = np.asarray(numbers, dtype=float)
        low, high = self.numeric_range()
        missing = np.isnan(numbers)
        if self.kind == "datetime":
            numbers = np.round(np.clip(numbers, low, high), 0 if self._whole_days() else 9)
            dates = pd.Series(
                pd.Timestamp(0) + pd.to_timedelta(numbers, unit="D"), index=index, name=self.name
            )
            if self.format is None:
                return dates.dt.round("s").astype(self.dtype)
            return dates.dt.strftime(self.format).where(~missing, np.nan).astype(self.dtype)
        digits = 0 if self.kind == "integer" else self.decimals
        numbers = numbers if digits is None else np.round(numbers, digits)
        if self.single_precision:
            numbers = numbers.astype(np.float32).astype(float)
        numbers = np.clip(numbers, low, high) + 0.0  # + 0.0 turns -0.0 into 0.0
        series = pd.Series(numbers, index=index, name=self.name)
        return (
            series.astype(self.dtype)
            if self.dtype != "object"
            else series.where(~missing, np.nan).astype(object)
        )

    def numeric_range(self) -> tuple[float, float]:
        """`low` and `high` as numbers, infinite where not declared."""
        if self.kind == "datetime":
            ends = [
                None if end is None else (pd.Timestamp(end) - pd.Timestamp(0)) / pd.Timedelta(days=1)
                for end in (self.low, self.high)
            ]
        else:
            ends = [self.low, self.high]
        low = -np.inf if ends[0] is None else float(ends[0])
        high = np.inf if ends[1] is None else float(ends[1])
        if self.single_precision:  # 40.9 is 40.900001525878906 there, and no further
            low, high = min(low, float(np.float32(low))), max(high, float(np.float32(high)))
        return low, high

    def _whole_days(self) -> bool:
        return self.decimals == 0 or (self.format is not None and "%H" not in self.format)

    def conform(self, values: pd.Series) -> pd.Series:
        """The values as this Column wants them: codes and impossible values missing, in its dtype.

        Raises:
            SchemaError: if some are not of its kind.
        """
        return _conform_column(self, values)

    def find_problems(self, values: pd.Series) -> list[str]:
        """What is not as it should be, a sentence each: how many values, never which."""
        return _column_problems(self, values)


def _has_types(column: Column) -> bool:
    """Whether fields have the types that a Column's have."""
    expected: dict[Any, tuple[str, ...]] = {
        str: ("name", "kind", "dtype", "unit", "description"),
        str | None: ("format",),
        str | int | float | None: ("low", "high"),
        int | None: ("decimals",),
        bool: ("nullable", "single_precision"),
        tuple: ("categories", "missing_codes"),
    }
    return all(isinstance(getattr(column, name), kind) for kind, names in expected.items() for name in names)


def _is_code(values: pd.Series, codes: Sequence) -> pd.Series:
    """Where a value is one of the missing codes, compared as text so that -1, -1.0 and "-1" are one code."""
    if not codes:
        return pd.Series(False, index=values.index)
    texts = {_as_text(code) for code in codes}
    return values.map(lambda value: _as_text(value) in texts).astype(bool)


def _as_text(value: Any) -> str:
    if (
        isinstance(value, int | float | np.number)
        and not isinstance(value, bool | np.bool_)
        and float(value).is_integer()
    ):
        return str(int(value))
    return str(value).strip()


def _conform_column(column: Column, values: pd.Series) -> pd.Series:
    values = values.mask(_is_code(values, column.missing_codes)) if column.missing_codes else values
    try:
        if column.is_numeric:
            return _conform_numbers(column, values)
        if column.is_discrete:
            return _conform_levels(column, values)
        return values.astype(column.dtype)
    except (ValueError, TypeError, OverflowError):
        raise SchemaError(
            f"column {column.name!r}: expected {column.kind} values that fit dtype {column.dtype}, "
            "got some that do not; "
            "edit the column's kind, dtype or missing_codes with schema.replace"
        ) from None


def _conform_numbers(column: Column, values: pd.Series) -> pd.Series:
    numbers = column.to_numbers(values)
    low, high = column.numeric_range()
    with np.errstate(invalid="ignore"):
        impossible = (numbers < low) | (numbers > high) | np.isinf(numbers)
    kept = values.mask(impossible) if impossible.any() else values
    if column.kind == "datetime":
        return kept.astype(column.dtype)
    return pd.to_numeric(kept).astype(column.dtype)


def _conform_levels(column: Column, values: pd.Series) -> pd.Series:
    """Levels as the Schema writes them: `"1"`, 1 and 1.0 are all the level 1."""
    levels = {_as_text(level): level for level in column.categories}
    if values.dtype == bool:
        return values.astype(column.dtype)
    known = values.map(lambda value: levels.get(_as_text(value), value), na_action="ignore")
    if column.dtype == "bool" and not known.isin([False, True]).all():
        raise ValueError("astype(bool) would make True of anything, a missing value too")
    return known.astype(column.dtype)


def _column_problems(column: Column, values: pd.Series) -> list[str]:
    problems = []
    missing = values.isna()
    if str(values.dtype) != column.dtype:
        problems.append(f"column {column.name!r}: expected dtype {column.dtype}, got {values.dtype}")
    if missing.any() and not column.nullable:
        problems.append(f"column {column.name!r}: expected no missing value, got {int(missing.sum())}")
    if column.is_discrete:
        unknown = ~values[~missing].isin(list(column.categories))
        if unknown.any():
            problems.append(
                f"column {column.name!r}: {int(unknown.sum())} values are not among its "
                f"{len(column.categories)} categories"
            )
    elif column.is_numeric:
        try:
            numbers = column.to_numbers(values)
        except (ValueError, TypeError):
            return [
                *problems,
                f"column {column.name!r}: expected {column.kind} values, got some that are not",
            ]
        low, high = column.numeric_range()
        outside = int((numbers[~np.isnan(numbers)] < low).sum() + (numbers[~np.isnan(numbers)] > high).sum())
        if outside:
            problems.append(
                f"column {column.name!r}: {outside} values lie outside {column.low} to {column.high}"
            )
    return problems


def public_column(column: Column, synthetic: pd.Series) -> Column:
    """The column as it is published: levels that were drawn, a range from the smallest to the largest one.

    Args:
        synthetic: its values in a synthetic table; without any, a discrete column has one level, `WITHHELD`.
    """
    column, drawn = replace(column, missing_codes=()), synthetic.dropna()
    if column.is_discrete:
        levels = set(drawn)
        return replace(column, categories=tuple(v for v in column.categories if v in levels) or (WITHHELD,))
    if not column.is_numeric:
        return column
    if drawn.empty:
        return replace(column, low=None, high=None)
    if column.kind == "datetime":
        dates = pd.to_datetime(drawn, format=column.format) if column.format else pd.to_datetime(drawn)
        return replace(column, low=dates.min().isoformat(), high=dates.max().isoformat())
    numbers = pd.to_numeric(drawn).tolist()  # Python's, which JSON can hold
    return replace(column, low=min(numbers), high=max(numbers))
