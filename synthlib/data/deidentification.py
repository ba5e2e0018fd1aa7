"""De-identification by HIPAA's Safe Harbor, 45 CFR 164.514(b)(2), with a report of what was done and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from synthlib.data.identifiers import CLASSES, class_by_name, is_birth, split_name
from synthlib.data.recognition import Recognition, age_unit, age_words, has_plausible_ages, is_age, recognise
from synthlib.schema import Column, PrivacyError, Schema

TOP_AGE = 90  # ages above 89 are one group
# Three-digit ZIP areas of 20,000 people or fewer, by the census of 2000 (the 17 of the guidance of the US
# Department of Health and Human Services) or by that of 2010.
RESTRICTED_ZIPS = frozenset(
    "036 059 063 102 203 205 369 556 692 790 821 823 830 831 878 879 884 890 893".split()  # noqa: SIM905
)
ZIP_WORDS = {"zip", "zcta", "zipcode", "postal", "postalcode", "postcode"}
_SMALL = 11  # counts below this are not told


class Change(NamedTuple):
    """What becomes of a column: new values and Column (None when dropped), what was done and why."""

    values: pd.Series | None
    column: Column | None
    action: str
    reason: str


def deidentify(
    table: pd.DataFrame,
    schema: Schema,
    index_date: str | None = None,
    keep: Mapping[str, str] | None = None,
    reference_year: int | None = None,
    public_schema: bool = False,
) -> tuple[pd.DataFrame, Schema, pd.DataFrame]:
    """Remove or generalise what Safe Harbor names, column by column, and say so.

    Columns are recognised by name, kind and the look of their values. Direct identifiers are dropped; a few
    identifying values in a column of other text become missing. Dates become years or, with `index_date`,
    days since that date. Ages become completed years, with 90 for all above 89; a birth year that would tell
    such an age is raised to 90 years before the latest date. US ZIP codes keep three digits (000 where few
    people live), smaller places go, states stay. The `patient_id` is numbered anew in order of appearance,
    which tells nothing that the order of rows does not; it serves to split by patient and is not modelled.

    Recognition is not proof: a name in a column of another name is found only if it looks like one. Safe
    Harbor also asks that nobody has actual knowledge that the rest could identify a person.

    Args:
        table: DataFrame of shape (num_rows, num_columns); it is conformed to the Schema first.
        schema: its Schema.
        index_date: name of a datetime column, such as the admission.
        keep: column → reason to leave it as it is; recorded in the report.
        reference_year: the year in which ages are judged from birth years; the latest in the table if None.
        public_schema: that the Schema is known without the table and must stay so, for a private generator.
            What becomes of a column is then decided by the Schema alone, and what it does not declare does
            not come out: see `data.declared.deidentify_declared`. Without, ranges of years, ZIP areas, levels
            and where values may be missing are read off the rows.

    Returns:
        The table; its Schema; and the report, one row a column: `column`, `class` (letter), `class_name`,
        `seen` (how it was recognised), `share` (of its values that look like the class), `action`,
        `changed` (how many values; "1 to 10" where few, "all but 1 to 10" where nearly all) and `reason`.

    Raises:
        SchemaError: if the table is not one of the Schema.
        ValueError: if `index_date` or `keep` do not fit the Schema, or if the target would have to go.
        PrivacyError: if a public Schema does not declare what comes out.

    Reference: US Department of Health and Human Services 2012, "Guidance regarding methods for
        de-identification of protected health information".
    """
    keep = dict(keep or {})
    _check_arguments(schema, index_date, keep)
    if public_schema:
        if index_date is not None:
            raise PrivacyError(
                "expected no index_date with a public schema, got one: the range of days since it is read "
                "off the table; bring days in the table, with a declared range"
            )
        from synthlib.data.declared import deidentify_declared

        return deidentify_declared(table, schema, keep, reference_year)
    conformed = schema.conform(table)
    context = _Context(conformed, schema, index_date, reference_year)
    kept: dict[str, tuple[pd.Series, Column]] = {}
    rows = []
    for column in schema:
        values = conformed[column.name]
        finding = recognise(column, values)
        if column.name in keep:
            change = Change(values, column, "kept", f"as asked: {keep[column.name]}")
        else:
            change = _change(column, values, finding, context)
        if change.values is not None:
            kept[column.name] = (change.values, change.column)
        rows.append(_report_row(column.name, values, finding, change))
    if schema.target and schema.target not in kept:
        looks_like = rows[schema.names.index(schema.target)]["class_name"]
        raise ValueError(
            f"expected a target that may stay, but {schema.target!r} looks like {looks_like}; choose "
            "another, or give keep={column: reason}"
        )
    for name in table.columns.difference(schema.names, sort=False):
        outside = Change(None, None, "dropped", "not a column of the Schema")
        nothing = Recognition("", "", np.zeros(len(table), dtype=bool))
        rows.append(_report_row(name, table[name], nothing, outside))
    gone = [name for name in schema.names if name not in kept]
    smaller = schema.drop(gone)
    smaller = smaller.with_columns(kept[name][1] for name in smaller.names)
    result = pd.DataFrame({name: kept[name][0] for name in smaller.names}, index=conformed.index)
    smaller.check(result)
    return result, smaller, pd.DataFrame(rows)


class _Context:
    """What a change may need to know of the rest of the table."""

    def __init__(self, table: pd.DataFrame, schema: Schema, index_date: str | None, reference: int | None):
        """A reference year that is not given is that of the latest date which is nobody's birth."""
        self.patient_id, self.index_date, self.reference_year = schema.patient_id, index_date, reference
        self.index = None if index_date is None else schema[index_date].to_numbers(table[index_date])
        for column in schema if reference is None else ():
            is_date = column.kind == "datetime"
            if not is_birth(column.name) and (is_date or _holds_years(column, table[column.name])):
                numbers = column.to_numbers(table[column.name])
                years = calendar_years(numbers) if is_date else numbers
                self.reference_year = np.nanmax([*years, self.reference_year or 0])


def _check_arguments(schema: Schema, index_date: str | None, keep: Mapping[str, str]) -> None:
    unknown = sorted(set(keep) - set(schema.names))
    if unknown:
        raise ValueError(f"keep: expected columns of the Schema, got {', '.join(unknown)}")
    unexplained = sorted(name for name, reason in keep.items() if not str(reason or "").strip())
    if unexplained:
        raise ValueError(f"keep: expected a reason for each column, got none for {', '.join(unexplained)}")
    if index_date is not None and (index_date not in schema.names or schema[index_date].kind != "datetime"):
        raise ValueError(f"index_date: expected the name of a datetime column, got {index_date!r}")


def _change(column: Column, values: pd.Series, finding: Recognition, context: _Context) -> Change:
    if column.name == context.patient_id:
        return _renumber(column, values)
    words = set(split_name(column.name))
    if not finding.letter:
        named = CLASSES.get(class_by_name(column.name)) or ("ages" if age_words(column.name) else "")
        reason = f"named like {named}, its values are not" if named else "not of any class"
        return Change(values, column, "kept", reason)
    if finding.seen.endswith("some values"):
        return _redact(column, values, finding)
    if finding.letter == "C":
        if is_age(column, values):
            return _cap_ages(column, values)
        return _generalise_date(column, values, finding, context)
    if finding.letter == "B" and words & ZIP_WORDS:
        return _shorten_zips(column, values)
    if finding.seen == "by being free text":
        return Change(None, None, "dropped", "free text may hold any identifier")
    return Change(None, None, "dropped", "a direct identifier")


def _renumber(column: Column, values: pd.Series) -> Change:
    numbers, _ = pd.factorize(values)
    renumbered = pd.Series(numbers + 1, index=values.index, name=values.name)
    dtype = "int64"
    if (numbers < 0).any():
        renumbered, dtype = renumbered.where(numbers >= 0).astype("float64"), "float64"
    new = Column(column.name, "identifier", dtype, nullable=dtype == "float64",
                 description="patient, numbered in order of appearance")
    return Change(renumbered, new, "numbered anew", "says which rows are one patient's; it is not modelled")


def _redact(column: Column, values: pd.Series, finding: Recognition) -> Change:
    left = values.mask(pd.Series(finding.matching, index=values.index)).astype(object)
    levels = tuple(level for level in column.categories if level in set(left.dropna()))
    if column.is_discrete and not levels:
        return Change(None, None, "dropped", "nothing but identifying values")
    return Change(left, replace(column, nullable=True, categories=levels), "values made missing",
                  "some values identify, the column does not")


def _cap_ages(column: Column, values: pd.Series) -> Change:
    top = int(np.floor(TOP_AGE * age_unit(column.name)))
    if column.is_discrete:
        return merge_age_bands(column, values, top)
    if column.kind not in ("integer", "continuous"):
        return Change(None, None, "dropped", "named an age, not read as one")
    if not has_plausible_ages(column, values):
        return Change(None, None, "dropped", "named an age, not in years; name its unit, as in age_days")
    ages = np.minimum(np.floor(column.to_numbers(values)), top)
    low = None if column.low is None else min(int(np.floor(column.low)), top)
    new = _whole_numbers(column, ages, low, top)
    described = f"{column.description}; {top} stands for that and all above".lstrip("; ")
    return Change(_as_dtype(ages, new, values), replace(new, unit=column.unit, description=described),
                  f"completed, at most {top}", "fractions tell a birthday; ages above 89 are one group")


def merge_age_bands(column: Column, values: pd.Series, top: int) -> Change:
    """Bands such as "85-94" that reach above 89 become one, with the lowest age that they name."""
    numbers = {level: [int(found) for found in re.findall(r"\d+", str(level))] for level in column.categories}
    above = {level for level in column.categories if any(number >= top for number in numbers[level])}
    if not above:
        return Change(values, column, "kept", "no age band names an age above 89")
    merged = f"{min(min(numbers[level]) for level in above)}+"
    new_names = {level: merged if level in above else str(level) for level in column.categories}
    new = replace(column, categories=tuple(dict.fromkeys(new_names.values())), dtype="object")
    return Change(values.map(new_names).astype(object), new, f"bands merged to {merged}",
                  "ages above 89 are one group")


def _generalise_date(column: Column, values: pd.Series, finding: Recognition, context: _Context) -> Change:
    birth = is_birth(column.name)
    if column.kind == "datetime":
        days = column.to_numbers(values)
        if context.index is not None and not birth and column.name != context.index_date:
            return _days_since(column, values, days, context)
        years = calendar_years(days)
    elif column.unit == "d" and column.is_numeric:
        return Change(values, column, "kept", "an interval is not a date")
    elif finding.matching.any() or _holds_years(column, values):
        years = read_years(values)
    else:
        return Change(None, None, "dropped", "named like a date or part of one, not read as a date")
    if np.isnan(years).all():
        return Change(None, None, "dropped", "no year could be read")
    action, reason = "to year", "only the year of a date may stay"
    if birth:
        if context.reference_year is None:
            return Change(None, None, "dropped", "no other date tells whose birth year means an age above 89")
        first = int(context.reference_year) - TOP_AGE
        years, action = np.maximum(years, first), f"to year, at least {first}"
        reason = "only the year may stay, and not where it tells an age above 89"
    new = _whole_numbers(column, years, int(np.nanmin(years)), int(np.nanmax(years)))
    new = replace(new, description=f"year of {column.name}")
    return Change(_as_dtype(years, new, values), new, action, reason)


def _days_since(column: Column, values: pd.Series, days: np.ndarray, context: _Context) -> Change:
    since = np.round(days - context.index, 2)
    if np.isnan(since).all():
        return Change(None, None, "dropped", f"never beside {context.index_date}")
    low, high = _widen(float(np.nanmin(since)), float(np.nanmax(since)))
    described = f"days since {context.index_date}"
    new = replace(_whole_numbers(column, since, low, high), unit="d", description=described)
    if (np.nan_to_num(since) != np.round(np.nan_to_num(since))).any():
        new = replace(new, kind="continuous", decimals=2, dtype="float64")
    return Change(_as_dtype(since, new, values), new, f"to {described}", "an interval is not a date")


def _widen(low: float, high: float) -> tuple[int, int]:
    """A range moved outward to a hundredth of its size, so that no patient's extreme stands in the Schema."""
    step = max(10.0 ** np.floor(np.log10(max(high - low, 1)) - 1), 1)
    return int(np.floor(low / step) * step), int(np.ceil(high / step) * step)


def _shorten_zips(column: Column, values: pd.Series) -> Change:
    prefix = as_digits(values, "05d").str.strip().str.extract(r"^(\d{3})(?:\d{2}(?:-?\d{4})?)?$")[0]
    if prefix.notna().sum() < 0.5 * values.notna().sum():
        return Change(None, None, "dropped", "postal codes that are not US ZIP codes")
    short = prefix.mask(prefix.isin(RESTRICTED_ZIPS), "000").astype(object).where(prefix.notna(), np.nan)
    new = Column(column.name, "categorical", categories=tuple(sorted(short.dropna().unique())),
                 nullable=bool(short.isna().any()),
                 description="first three digits of the ZIP code; 000 where few people live")
    return Change(short, new, "first 3 digits", "areas of more than 20,000 people may stay")


def calendar_years(days: np.ndarray) -> np.ndarray:
    """Calendar years of days since 1970, NaN where missing."""
    dates = pd.Series(pd.Timestamp(0) + pd.to_timedelta(np.asarray(days), unit="D"))
    return dates.dt.year.to_numpy(dtype=float)


def _holds_years(column: Column, values: pd.Series) -> bool:
    """Whether a column of dates by its name holds whole years already."""
    named = class_by_name(column.name) == "C" or is_birth(column.name)
    return named and column.kind == "integer" and bool(values.dropna().between(1800, 2299).all())


def read_years(values: pd.Series) -> np.ndarray:
    """The four-digit year in each value, NaN where there is none."""
    found = as_digits(values, "d").str.extract(r"(?<!\d)((?:1[89]|2[0-2])\d\d)(?:\d{4})?(?!\d)")
    return found[0].to_numpy(dtype=float)


def as_digits(values: pd.Series, form: str) -> pd.Series:
    """Values as text, numbers in the form given, missing ones empty."""
    if values.dtype == object:
        return values.map(str, na_action="ignore").astype(object).where(values.notna(), "")
    return values.map(lambda number: format(int(number), form), na_action="ignore").where(values.notna(), "")


def _whole_numbers(column: Column, numbers: np.ndarray, low: float | None, high: float | None) -> Column:
    return year_column(column, low, high, bool(np.isnan(numbers).any()))


def year_column(column: Column, low: float | None, high: float | None, nullable: bool) -> Column:
    """A Column of whole numbers, such as years, of another's name."""
    return Column(column.name, "integer", "float64" if nullable else "int64", low=low, high=high, decimals=0,
                  nullable=nullable)


def _as_dtype(numbers: np.ndarray, column: Column, values: pd.Series) -> pd.Series:
    return pd.Series(numbers, index=values.index, name=values.name).astype(column.dtype)


def _report_row(name: str, values: pd.Series, finding: Recognition, change: Change) -> dict:
    num_present, num_matching = int(values.count()), int(finding.matching.sum())
    told = num_matching >= _SMALL and num_present - num_matching >= _SMALL
    told = told or 0 < num_matching == num_present
    num_changed = num_present
    if change.values is not None:
        num_changed = int((values.astype(object).ne(change.values.astype(object)) & values.notna()).sum())
    return {
        "column": name,
        "class": finding.letter,
        "class_name": CLASSES.get(finding.letter, ""),
        "seen": finding.seen,
        "share": round(num_matching / num_present, 2) if told else np.nan,
        "action": change.action,
        "changed": count_roughly(num_changed, num_present, len(values)),
        "reason": change.reason,
    }


def count_roughly(number: int, *totals: int) -> str:
    """A count that is told only if it is not small, and neither is what it leaves of a total."""
    if 0 < number < _SMALL:
        return f"1 to {_SMALL - 1}"
    left_few = number and any(0 < total - number < _SMALL for total in totals)
    return f"all but 1 to {_SMALL - 1}" if left_few else str(number)
