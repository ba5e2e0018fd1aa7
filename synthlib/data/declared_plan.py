"""What becomes of each column when it is de-identified by what a public Schema declares.

Nothing here takes a table: the Schema that comes out is a function of the one that went in. What is done to
cells is said as a function that `declared` applies to one column, cell by cell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from synthlib.data.deidentification import (
    RESTRICTED_ZIPS,
    TOP_AGE,
    ZIP_WORDS,
    as_digits,
    calendar_years,
    merge_age_bands,
    read_years,
    year_column,
)
from synthlib.data.identifiers import (
    CLASSES,
    are_persons,
    class_by_name,
    is_birth,
    names_no_person,
    split_name,
)
from synthlib.data.recognition import OLDEST, Recognition, age_unit, is_age, recognise
from synthlib.schema import Column, PrivacyError, Schema

NOWHERE = np.zeros(0, dtype=bool)


class Plan(NamedTuple):
    """What becomes of a column, whoever is in the table.

    Attributes:
        column: the new Column, None when dropped.
        action, reason: for the report.
        finding: as what the column was recognised.
        translate: values as `declared` parses them → new values, cell by cell; it then makes them
            what the column declares.
    """

    column: Column | None
    action: str
    reason: str
    finding: Recognition
    translate: Callable[[pd.Series], pd.Series] = staticmethod(lambda values: values)


def plan_columns(
    schema: Schema, keep: Mapping[str, str], reference_year: int | None = None
) -> dict[str, Plan]:
    """Name → Plan of each column, by the Schema alone.

    Args:
        schema: public.
        keep: column → reason to leave it as it is.
        reference_year: the year in which ages are judged from birth years; None takes the latest that the
            Schema declares of a date which is nobody's birth.

    Raises:
        PrivacyError: naming every column of which the Schema does not declare enough.
    """
    if schema.patient_id is not None:
        raise PrivacyError(
            "expected a public schema of one row a patient, got one with the patient id "
            f"{schema.patient_id!r}; bring each patient's rows into one and drop the column"
        )
    if reference_year is None:
        reference_year = _find_reference(schema)
    plans, problems = {}, []
    for column in schema:
        finding = _recognise_declared(column)
        try:
            if column.name in keep:
                plans[column.name] = _keep(column, f"as asked: {keep[column.name]}", finding)
            else:
                plans[column.name] = _plan(column, finding, reference_year)
        except PrivacyError as problem:
            problems.append(str(problem))
    if problems:
        raise PrivacyError(
            "expected a public schema that declares what comes out, got one that leaves it to the table:\n  "
            + "\n  ".join(problems)
            + "\ndeclare it from what is known without the table, or declare the column an identifier, which "
            "leaves it out"
        )
    return plans


def declare_result(schema: Schema, plans: Mapping[str, Plan]) -> Schema:
    """The Schema of what comes out of a plan.

    Raises:
        ValueError: if the target would have to go.
    """
    gone = [name for name, plan in plans.items() if plan.column is None]
    if schema.target in gone:
        looks_like = CLASSES.get(plans[schema.target].finding.letter, "an identifier")
        raise ValueError(
            f"expected a target that may stay, but {schema.target!r} looks like {looks_like}; choose "
            "another, or give keep={column: reason}"
        )
    smaller = schema.drop(gone)
    return smaller.with_columns(plans[name].column for name in smaller.names)


def _find_reference(schema: Schema) -> int | None:
    years = [
        _declared_years(column)[1]
        for column in schema
        if not is_birth(column.name) and (column.kind == "datetime" or _holds_years(column))
    ]
    return max((year for year in years if year is not None), default=None)


def _recognise_declared(column: Column) -> Recognition:
    """`recognise` on the levels or the range that are declared, as if each were seen."""
    if column.kind == "datetime":
        return Recognition("C", "by type", NOWHERE)
    if column.kind == "identifier":
        by_name = class_by_name(column.name)
        return Recognition(by_name or "R", "by name" if by_name else "by type", NOWHERE)
    if column.is_discrete:
        levels = pd.Series(list(column.categories), dtype=object)
        finding = recognise(column, pd.concat([levels, levels], ignore_index=True))
        if not finding.letter and are_persons(levels) and not names_no_person(column.name):
            return Recognition("A", "by pattern", np.ones(len(levels), dtype=bool))
        return finding._replace(matching=finding.matching[: len(levels)])
    found = [recognise(column, values) for values in _sample_range(column)]
    finding = next((one for one in found if one.letter), found[0])
    return finding._replace(matching=NOWHERE)


def _sample_range(column: Column) -> list[pd.Series]:
    """The ends of a declared range, and two numbers inside of it."""
    low, high = column.numeric_range()
    low, high = (low if np.isfinite(low) else 0.0), (high if np.isfinite(high) else 1.0)
    inner = low + (high - low) * np.array([0.123456789, 0.876543211])
    decimals = 0 if column.kind == "integer" else column.decimals
    inner = inner if decimals is None else np.round(inner, decimals)
    return [pd.Series([low, high], name=column.name), pd.Series(inner, name=column.name)]


def _plan(column: Column, finding: Recognition, reference_year: int | None) -> Plan:
    """See `deidentification._change`, of which this is the counterpart."""
    if not finding.letter:
        return _keep(column, "not of any class", finding)
    if finding.seen.endswith("some values"):
        paired = zip(column.categories, finding.matching, strict=True)
        left = tuple(level for level, is_identifying in paired if not is_identifying)
        if not left:
            return Plan(None, "dropped", "nothing but identifying levels", finding)
        new = replace(column, categories=left, nullable=True)
        return Plan(_hold_missing(new), "levels made missing", "some identify, the column does not", finding)
    if finding.letter == "C":
        if is_age(column, _sample_range(column)[1] if column.is_numeric else pd.Series(dtype=object)):
            return _plan_ages(column, finding)
        return _plan_dates(column, finding, reference_year)
    if finding.letter == "B" and set(split_name(column.name)) & ZIP_WORDS:
        return _plan_zips(column, finding)
    if finding.seen == "by being free text":
        return Plan(None, "dropped", "free text may hold any identifier", finding)
    return Plan(None, "dropped", "a direct identifier", finding)


def _keep(column: Column, reason: str, finding: Recognition) -> Plan:
    if column.is_numeric and not np.isfinite(column.numeric_range()).all():
        raise PrivacyError(f"low and high: none for {column.name}")
    return Plan(_hold_missing(column), "kept", reason, finding)


def _hold_missing(column: Column) -> Column:
    """The Column in a dtype that has room for missing values, if there may be some; and without codes."""
    bare = replace(column, missing_codes=())
    if not column.nullable or column.kind == "identifier":
        return bare
    if column.dtype == "bool" or (column.is_discrete and column.dtype.startswith(("int", "uint"))):
        return replace(bare, dtype="object")
    return replace(bare, dtype="float64") if column.dtype.startswith(("int", "uint")) else bare


def _plan_ages(column: Column, finding: Recognition) -> Plan:
    unit = age_unit(column.name)
    top = int(np.floor(TOP_AGE * unit))
    if column.is_discrete:
        levels = pd.Series(list(column.categories), dtype=object)
        change = merge_age_bands(column, levels, top)
        names = dict(zip(column.categories, change.values, strict=True))
        new = _hold_missing(change.column)

        def merge(values: pd.Series) -> pd.Series:
            return values.map(lambda level: names.get(level, level))

        return Plan(new, change.action, change.reason, finding, merge)
    if not column.is_numeric or column.kind == "datetime":
        return Plan(None, "dropped", "named an age, not read as one", finding)
    low, most = column.numeric_range()
    if (np.isfinite(low) and low < 0) or (np.isfinite(most) and most > 1.25 * OLDEST * unit):
        return Plan(None, "dropped", "named an age, its range is not of years; name its unit", finding)
    low, most = max(low, 0.0), most if np.isfinite(most) else OLDEST * unit
    high = min(int(np.floor(most)), top)
    first, oldest = min(int(np.floor(low)), high), max(most, OLDEST * unit)

    def cap(values: pd.Series) -> pd.Series:
        return values.where(values.between(low, oldest)).floordiv(1).clip(first, high)

    described = f"{column.description}; {top} stands for that and all above".lstrip("; ")
    new = replace(year_column(column, first, high, column.nullable), unit=column.unit, description=described)
    reason = "fractions tell a birthday; ages above 89 are one group"
    return Plan(new, f"completed, at most {high}", reason, finding, cap)


def _plan_dates(column: Column, finding: Recognition, reference_year: int | None) -> Plan:
    if column.unit == "d" and column.kind in ("integer", "continuous"):
        return _keep(column, "an interval is not a date", finding)
    low, high = _declared_years(column)
    if low is None and column.kind == "datetime":
        raise PrivacyError(f"low and high: none for {column.name}, whose years run from one to the other")
    if low is None:
        return Plan(None, "dropped", "named like a date or part of one, not declared as one", finding)
    action, reason, first = "to year", "only the year of a date may stay", None
    if is_birth(column.name):
        if reference_year is None:
            raise PrivacyError(
                f"the year in which ages are judged: none for {column.name}; declare high of another date, "
                "or give reference_year"
            )
        first = int(reference_year) - TOP_AGE
        low, high, action = max(low, first), max(high, first), f"to year, at least {first}"
        reason = "only the year may stay, and not where it tells an age above 89"
    holes = column.is_discrete and bool(np.isnan(read_years(_levels(column))).any())

    def to_year(values: pd.Series) -> pd.Series:
        read = calendar_years if column.kind == "datetime" else read_years
        years = pd.Series(read(values), index=values.index)
        return years if first is None else years.clip(lower=first)

    new = year_column(column, low, high, column.nullable or holes)
    new = replace(new, description=f"year of {column.name}")
    return Plan(new, action, reason, finding, to_year)


def _declared_years(column: Column) -> tuple[int, int] | tuple[None, None]:
    """The first and the last year that a column of dates may hold, None where that is not declared."""
    if column.is_discrete:
        years = read_years(_levels(column))
    else:
        ends = pd.Series(column.numeric_range())
        if not np.isfinite(ends).all():
            return None, None
        if column.kind == "datetime":
            years = calendar_years(ends)
        else:
            years = read_years(ends)
            if np.isnan(years).any():
                return None, None
    known = years[~np.isnan(years)]
    return (int(known.min()), int(known.max())) if len(known) else (None, None)


def _levels(column: Column) -> pd.Series:
    return pd.Series(list(column.categories), dtype=object)


def _holds_years(column: Column) -> bool:
    named = class_by_name(column.name) == "C" or is_birth(column.name)
    low, high = column.numeric_range() if column.kind == "integer" else (np.nan, np.nan)
    return named and 1800 <= low <= high <= 2299


def _plan_zips(column: Column, finding: Recognition) -> Plan:
    if not column.is_discrete:
        raise PrivacyError(f"levels: none for {column.name}; declare it categorical, with its ZIP codes")
    areas = _shorten(_levels(column))
    if areas.notna().sum() < 0.5 * len(areas):
        return Plan(None, "dropped", "postal codes that are not US ZIP codes", finding)
    new = Column(column.name, "categorical", categories=tuple(sorted(set(areas.dropna()))),
                 nullable=column.nullable or bool(areas.isna().any()),
                 description="first three digits of the ZIP code; 000 where few people live")
    return Plan(new, "first 3 digits", "areas of more than 20,000 people may stay", finding, _shorten)


def _shorten(zips: pd.Series) -> pd.Series:
    digits = as_digits(zips, "05d").str.strip()
    digits = digits.where(~digits.str.fullmatch(r"\d{4}"), "0" + digits)  # a zero lost to a spreadsheet
    area = digits.str.extract(r"^(\d{3})(?:\d{2}(?:-?\d{4})?)?$")[0]
    return area.mask(area.isin(RESTRICTED_ZIPS), "000").astype(object).where(area.notna(), np.nan)
