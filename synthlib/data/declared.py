"""De-identification by what a Schema declares: rows decide nothing of the Schema that comes out.

What becomes of a column is planned without a table (`declared_plan`); here the plan is applied, and what a
cell becomes depends on that cell alone: one patient more or less changes no other's row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from synthlib.data.declared_plan import NOWHERE, Plan, declare_result, plan_columns
from synthlib.data.deidentification import count_roughly
from synthlib.data.identifiers import CLASSES
from synthlib.data.recognition import Recognition
from synthlib.schema import Column, Schema

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


def deidentify_declared(
    table: pd.DataFrame, schema: Schema, keep: Mapping[str, str], reference_year: int | None
) -> tuple[pd.DataFrame, Schema, pd.DataFrame]:
    """`deidentify` for a Schema that is public; see there.

    What the Schema does not declare does not come out. A level that is none of its becomes missing, as does
    a number outside its range; where nothing may be missing, the first level or the nearest end takes its
    place, and the first level or the middle of the range that of a missing value.

    Raises:
        PrivacyError: naming every column of which the Schema does not declare enough.
        SchemaError: if a column is absent.
        ValueError: if the target would have to go.
    """
    plans = plan_columns(schema, keep, reference_year)
    smaller = declare_result(schema, plans)
    schema.conform(table.iloc[:0].astype(object))  # every column once
    parsed = {column.name: _parse(column, table[column.name]) for column in schema}
    kept = {
        name: _apply(plans[name], smaller[name], values)
        for name, values in parsed.items()
        if name in smaller.names
    }
    result = pd.DataFrame(kept, index=table.index)[smaller.names]
    smaller.check(result)
    rows = [
        _report_row(name, plan, table[name], parsed[name], kept.get(name)) for name, plan in plans.items()
    ]
    for name in table.columns.difference(schema.names, sort=False):
        outside = Plan(None, "dropped", "not a column of the Schema", Recognition("", "", NOWHERE))
        rows.append(_report_row(name, outside, table[name], table[name], None))
    return result, smaller, pd.DataFrame(rows)


def _parse(column: Column, values: pd.Series) -> pd.Series:
    """Cell by cell: levels as declared, numbers and days since 1970 as float64, NaN for what is none."""
    codes = {_canonical(code) for code in column.missing_codes}
    values = values.astype(object).where(values.notna(), np.nan)
    if codes:
        values = values.mask(values.map(lambda cell: _canonical(cell) in codes).astype(bool))
    if column.kind == "datetime":
        dates = pd.to_datetime(values, format=column.format or "mixed", errors="coerce", utc=True)
        dates = dates.dt.tz_localize(None)
        return pd.Series(((dates - pd.Timestamp(0)) / pd.Timedelta(days=1)).astype(float), index=values.index)
    if column.is_numeric:
        return values.map(_to_number).astype(float)
    if not column.is_discrete:
        return values
    levels = {_canonical(level): level for level in column.categories}
    levels |= {level: level for level in column.categories if isinstance(level, str)}
    return values.map(
        lambda cell: levels.get(cell, levels.get(_canonical(cell), cell)), na_action="ignore"
    ).astype(object)


def _canonical(value: object) -> str:
    """One spelling for 1, 1.0, "1" and "1.0", and for True and "true"."""
    text = str(value).strip()
    if _NUMBER.fullmatch(text) and np.isfinite(float(text)):
        number = float(text)
        return str(int(number)) if number.is_integer() else repr(number)
    return text.lower() if text.lower() in ("true", "false") else text


def _to_number(cell: object) -> float:
    try:
        number = float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return np.nan
    return number if np.isfinite(number) else np.nan


def _apply(plan: Plan, column: Column, values: pd.Series) -> pd.Series:
    return _fit(column, plan.translate(values))


def _fit(column: Column, values: pd.Series) -> pd.Series:
    """Values that the Column declares, cell by cell."""
    if column.is_numeric:
        numbers = values.to_numpy(dtype=float)
        low, high = column.numeric_range()
        if column.nullable:
            numbers = np.where((numbers >= low) & (numbers <= high), numbers, np.nan)
        else:
            numbers = np.where(np.isnan(numbers), (low + high) / 2, np.clip(numbers, low, high))
        fitted = column.from_numbers(numbers, values.index)
    else:
        if column.is_discrete:
            other = np.nan if column.nullable else column.categories[0]
            values = values.where(values.isin(list(column.categories)), other)
        fitted = values.astype(object).astype(column.dtype)
    return fitted.rename(column.name)


def _report_row(name: str, plan: Plan, given: pd.Series, parsed: pd.Series, result: pd.Series | None) -> dict:
    """All but `changed` is the plan's; that is counted, roughly."""
    present = given.notna()
    num_present = num_changed = int(present.sum())
    if result is not None:
        same = (parsed.astype(object) == result.astype(object)) | (~present & result.isna())
        num_changed = int((~same).sum())
    return {
        "column": name,
        "class": plan.finding.letter,
        "class_name": CLASSES.get(plan.finding.letter, ""),
        "seen": plan.finding.seen,
        "share": np.nan,
        "action": plan.action,
        "changed": count_roughly(num_changed, num_present, len(given)),
        "reason": plan.reason,
    }
