"""What a column holds of Safe Harbor's classes: told by its name, kind and values together."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from synthlib.data.identifiers import (
    are_days_of_months,
    are_persons,
    class_by_name,
    class_by_pattern,
    is_ambiguous,
    is_birth,
    is_person,
    names_no_person,
    split_name,
)
from synthlib.schema import Column

AGE_UNITS = {"days": 365.25, "day": 365.25, "weeks": 52.18, "week": 52.18, "wks": 52.18, "months": 12,
             "month": 12, "mths": 12}
OLDEST = 120
# Names that hold a language's word for age. Many English words end in -age, so only these run together.
_AGES = {"age", "ages", "aged", "alter", "edad", "idade", "leeftijd"}
_AGE_RUNS = {"yearsold", "yearold", "yrsold", "yrold", "howold"}
_AGE_FIRST = re.compile(
    r"age(?:at|in(?!g)|on|when|of)?"
    r"(years?|yrs?|y|months?|mths|weeks?|wks|days?|groups?|grp|cat|category|bands?|class|bl|now|base\w*|adm\w*|"
    r"dx|diag\w*|entry|enrol\w*|onset|deaths?|visit\w*|birth|dis\w*|hosp\w*|icu\w*|index|surg\w*|start)"
)
_AGE_LAST = re.compile(
    r"(?:adm|admit|admission|entry|enrol\w*|diag|diagnosis|dx|death|base|baseline|onset|current|index|maternal|"
    r"paternal|mother|father|parent|anchor|donor|recipient|visit|icu|hosp|hospital|discharge|surgery|op|patient|"
    r"pat|pt|subject|person|client|participant|start|first)age"
    r"|(?:patient|patienten|aufnahme|lebens|diagnose|eintritts|entlass)alter"
)
# With these an age is that of something else, or the other quantity is corrected for it.
_NO_AGES = frozenset(re.findall(r"\w+", """
    for z zscore score points sd sds percentile centile adjusted adj standardised standardized specific
    gestational gestation gest postmenstrual menstrual conceptional ratio rank
"""))
# Levels that tell of no person, place or number.
_STATUS = frozenset(re.findall(r"\w+", """
    yes no y n unk unknown na none not alive dead deceased died living partly partially fully full
    present absent true false positive negative pos neg normal abnormal left right both bilateral
    other male female never always sometimes rarely often current former low medium high mild
    moderate severe limited independent dependent home house nursing assisted care facility alone
    family urban rural suburban own apartment shelter homeless community institution hospital
    hospice private public rented owned remote regular daily weekly monthly
"""))
_FREE_TEXT = {"comment", "comments", "note", "notes", "remark", "remarks", "narrative", "freetext", "memo",
              "anamnesis", "observations"}
_FEW, _SHORT = 20, 24  # levels of a column of states, and the letters of each


class Recognition(NamedTuple):
    """What a column was recognised as: class letter or "", how, and which cells look like it."""

    letter: str
    seen: str
    matching: np.ndarray


def recognise(column: Column, values: pd.Series) -> Recognition:
    """The class of a column; a name that has other meanings needs values of the class as well."""
    by_name = class_by_name(column.name)
    by_pattern, matching = class_by_pattern(values)
    nowhere = np.zeros(len(values), dtype=bool)
    num_present = max(values.count(), 1)
    distinct = values.nunique() / num_present
    if column.kind == "datetime":
        return Recognition("C", "by type", values.notna().to_numpy())
    birth_year = is_birth(column.name) and {"year", "yob"} & set(split_name(column.name))
    if is_age(column, values) or birth_year:
        return Recognition("C", "by name", nowhere)
    if by_pattern and matching.sum() >= 0.5 * num_present:
        seen = "by name and pattern" if by_name == by_pattern else "by pattern"
        return Recognition(by_pattern, seen, matching)
    if is_ambiguous(column.name) and not _fits(by_name, column, values):
        by_name = ""
    repeated_code = by_name == "R" and column.kind != "identifier" and distinct <= 0.5
    if by_name and column.kind != "boolean" and not repeated_code:
        return Recognition(by_name, "by name", matching if by_name == by_pattern else nowhere)
    if is_free_text(column, values):
        return Recognition("R", "by being free text", nowhere)
    if by_pattern:
        return Recognition(by_pattern, "by pattern in some values", matching)
    if are_days_of_months(values):
        return Recognition("C", "by pattern", values.notna().to_numpy())
    if are_persons(values) and not names_no_person(column.name):
        return Recognition("A", "by pattern", values.notna().to_numpy())
    if column.kind == "identifier":
        return Recognition("R", "by type", nowhere)
    if num_present >= 20 and distinct > 0.9 and (column.is_discrete or _same_length(values)):
        return Recognition("R", "by a value of its own in nearly every row", nowhere)
    return Recognition("", "", nowhere)


def _same_length(values: pd.Series) -> bool:
    """Whether all are whole numbers with equally many digits, eight or more: measurements are not."""
    numbers = values.dropna().to_numpy(dtype=float)
    digits = np.floor(np.log10(np.maximum(numbers, 1))) + 1
    return bool((numbers == np.round(numbers)).all() and digits.min() >= 8 and digits.min() == digits.max())


def is_free_text(column: Column, values: pd.Series) -> bool:
    """Whether a column holds sentences, or short remarks under a name that says so."""
    if not column.is_discrete or values.dtype != object or values.nunique() <= 10:
        return False
    num_words = values.dropna().map(lambda value: len(str(value).split())).mean()
    return bool(num_words >= (3 if _FREE_TEXT & {*split_name(column.name), column.name.lower()} else 6))


def age_words(name: str) -> list[str]:
    """The words of a name that speaks of an age, those run together with it apart; [] if it does not."""
    words: list[str] = []
    for word in split_name(name):
        first = _AGE_FIRST.fullmatch(word)
        words += ["age", first[1]] if first else ["age"] if _AGE_LAST.fullmatch(word) else [word]
    runs = {"".join(pair) for pair in pairwise(words)} | set(words)
    told = bool(_AGES & set(words) or _AGE_RUNS & runs)
    return words if told and not _NO_AGES & set(words) else []


def age_unit(name: str) -> float:
    """How many of the unit that a column of ages names make a year; 1 if it names none."""
    return next((AGE_UNITS[word] for word in sorted(age_words(name)) if word in AGE_UNITS), 1)


def is_age(column: Column, values: pd.Series) -> bool:
    """Whether a column is named an age and its values can be ages; named that and nothing else, it is one."""
    words = age_words(column.name)
    if not words or column.kind == "boolean":
        return False
    if column.kind not in ("integer", "continuous") or set(words) <= _AGES:
        return True
    return has_plausible_ages(column, values)


def has_plausible_ages(column: Column, values: pd.Series) -> bool:
    """Whether numbers lie between 0 and 120 years in the unit of its name (nine in ten do).

    A code for missing, such as 999, may stand in many rows, but is one number among the ages.
    """
    ages = column.to_numbers(values)
    ages = ages[~np.isnan(ages)]
    top = OLDEST * age_unit(column.name)
    shares = [((some >= 0) & (some <= top)).mean() for some in (ages, np.unique(ages)) if len(some)]
    return not shares or max(shares) >= 0.9


def _fits(letter: str, column: Column, values: pd.Series) -> bool:
    """Whether values can be what an ambiguous name may mean."""
    present = values.dropna()
    if pd.api.types.is_numeric_dtype(values):
        return _fits_numbers(letter, column, present.to_numpy(dtype=float))
    texts = [str(level).strip() for level in present.unique()]
    if letter == "A" and present.map(lambda value: is_person(str(value))).mean() >= 0.5:
        return True
    names_a_role = is_ambiguous(column.name) == "role"
    if len(texts) > _FEW or max(map(len, texts), default=0) > _SHORT:
        return not names_a_role or np.mean([text[:1].isupper() for text in texts]) >= 0.9
    return not names_a_role and not all(_is_status(text, letter) for text in texts)


def _is_status(text: str, letter: str) -> bool:
    """Whether a level is a state such as "partly"; for persons and places only if it is a known one."""
    known = bool(_STATUS & set(re.findall(r"[a-z]+", text.lower())))
    return known or len(text) <= 2 or (letter not in ("A", "B") and text[:1].islower() and text.isalpha())


def _fits_numbers(letter: str, column: Column, numbers: np.ndarray) -> bool:
    """Coordinates have many decimals, dates counted in days five digits, and other numbers seven or more."""
    if not len(numbers):
        return False
    whole = numbers == np.round(numbers)
    if letter == "C":
        return bool(((numbers >= 20_000) & (numbers <= 60_000) | (numbers >= 1e7)).mean() >= 0.9)
    if letter == "B":
        exact = np.round(numbers, 2) != numbers
        return bool((np.abs(numbers) <= 180).all() and exact.mean() >= 0.5)
    return bool((whole & (np.abs(numbers) >= 1e6)).mean() >= 0.5)
