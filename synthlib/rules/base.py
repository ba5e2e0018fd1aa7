"""What every rule has, and how rules read and move cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from synthlib.columns import Column, SchemaError

if TYPE_CHECKING:
    from synthlib.schema import Schema

MISSING = -1  # code of a missing level
UNKNOWN = -2  # code of a value that no rule names


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
        return keep_if_it_fits(self, schema)

    def avoid(self, levels: Mapping[str, set]) -> Rule:
        """The same rule, whose repair puts these levels (column → levels) only where no others would do."""
        return self

    def describe(self) -> str:
        """The rule in one sentence."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The rule as JSON can hold it; `rule_from_dict` is the inverse."""
        given = {item.name: getattr(self, item.name) for item in fields(self)}
        return {"rule": type(self).__name__, **given}


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


def keep_if_it_fits(rule: Rule, schema: Schema) -> Rule | None:
    try:
        rule.check(schema)
    except SchemaError:
        return None
    return rule


def check_names(rule: Rule, names: tuple) -> None:
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise SchemaError(f"{type(rule).__name__}: expected names of different columns")
