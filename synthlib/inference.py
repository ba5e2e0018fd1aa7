"""How `Schema.infer` reads a column: kind, levels, range, precision and missing codes."""

from __future__ import annotations

import math
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd

MISSING_TEXTS = ("?", "NA", "N/A", "n/a", "na", "NaN", "nan", "NULL", "null", "None", "none", ".", "-", "")
DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
)
MAX_DECIMALS = 9
MOSTLY = 0.9  # share of cells from which on a column of text is one of numbers that was spoilt
COMMA = r"[-+]?[0-9]+,[0-9]+"  # as numbers are written in most of Europe
MIN_ROWS_OF_NUMBERS = 20  # from here on whole numbers that all differ are taken for a row's number


def infer_column(values: pd.Series, kind: str | None = None) -> dict[str, Any]:
    """Arguments for `Column` that describe one column of a table.

    Args:
        values: the column.
        kind: the kind it has, when the caller knows.

    Raises:
        ValueError: if no kind fits, saying what to do.
    """
    found: dict[str, Any] = {
        "name": values.name,
        "dtype": str(values.dtype),
        "nullable": bool(values.isna().any()),
    }
    if kind == "identifier":
        return found | {"kind": "identifier"}
    present = values.dropna()
    if isinstance(values.dtype, pd.CategoricalDtype):
        raise ValueError("pandas categories are not supported; store the values: table[name].astype(object)")
    if not len(present):
        raise ValueError("has no value at all; drop it")
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        raise ValueError("has a time zone; make it local time: table[name].dt.tz_localize(None)")
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return found | _describe_dates(present, None)
    if pd.api.types.is_bool_dtype(values.dtype) or _only_booleans(present):
        return found | {"kind": kind or "boolean", "categories": (False, True)}
    if pd.api.types.is_numeric_dtype(values.dtype):
        return found | _describe_numbers(present, kind)
    return found | _describe_texts(present, kind)


def _only_booleans(present: pd.Series) -> bool:
    return present.dtype == object and all(isinstance(value, bool | np.bool_) for value in present)


def _describe_numbers(present: pd.Series, kind: str | None) -> dict[str, Any]:
    numbers = present.to_numpy(dtype=float)
    if not np.isfinite(numbers).all():
        raise ValueError(f"holds {int((~np.isfinite(numbers)).sum())} infinite values; make them missing")
    whole = bool((numbers == np.round(numbers)).all())
    if kind == "integer" and not whole:
        raise ValueError("expected whole numbers, got fractions; give it the kind 'continuous'")
    if kind == "datetime":
        raise ValueError("expected dates, got numbers; convert them with pandas.to_datetime")
    levels = np.unique(numbers)
    plain = tuple(int(level) if whole else float(level) for level in levels)
    if kind in ("categorical", "ordinal", "boolean"):
        return {"kind": kind, "categories": plain}
    if kind is None and whole and set(plain) <= {0, 1}:
        return {"kind": "boolean", "categories": (0, 1)}
    if whole and kind != "continuous":
        if kind is None and len(levels) == len(numbers) >= MIN_ROWS_OF_NUMBERS:
            raise ValueError(
                "has a value of its own in every row; name it in identifiers=[…], "
                "or give kinds={name: 'integer'}"
            )
        low, high = _widened(levels[0], levels[-1], 0)
        if pd.api.types.is_integer_dtype(present.dtype):  # what the dtype cannot hold is no value of it
            ends = np.iinfo(str(present.dtype).lower())
            low, high = max(int(low), ends.min), min(int(high), ends.max)
        return {"kind": "integer", "low": int(low), "high": int(high), "decimals": 0}
    decimals, found = count_decimals(numbers), {"kind": "continuous"}
    if decimals is None and _is_single(numbers):
        decimals, found["single_precision"] = count_decimals(numbers, np.float32), True
    low, high = _widened(levels[0], levels[-1], MAX_DECIMALS if decimals is None else decimals)
    return found | {"low": low, "high": high, "decimals": decimals}


def _is_single(numbers: np.ndarray) -> bool:
    """Whether all were kept as float32 once; reading them as text may have moved them by a last digit."""
    with np.errstate(over="ignore"):
        return bool((np.abs(numbers - numbers.astype(np.float32)) <= 2 * np.spacing(np.abs(numbers))).all())


def _describe_texts(present: pd.Series, kind: str | None) -> dict[str, Any]:
    if not all(isinstance(value, str) for value in present):
        raise ValueError(
            f"mixes {', '.join(sorted({type(value).__name__ for value in present}))}; make it one type"
        )
    stripped = present.str.strip()
    codes = tuple(sorted(set(stripped[stripped.isin(MISSING_TEXTS)])))
    rest = stripped[~stripped.isin(MISSING_TEXTS)]
    extra: dict[str, Any] = {"missing_codes": codes, "nullable": True} if codes else {}
    if not len(rest):
        raise ValueError("has no value but codes for missing; drop it")
    numbers = _as_numbers(rest) if kind in ("integer", "continuous") or (kind is None and codes) else None
    if numbers is not None:
        return _describe_numbers(pd.Series(numbers), kind) | extra | {"dtype": "float64"}
    if kind in ("integer", "continuous"):
        raise ValueError("expected numbers, got texts that are none; make them missing first")
    if kind in (None, "datetime") and (date_format := _find_date_format(rest)):
        return _describe_dates(pd.to_datetime(rest, format=date_format), date_format) | extra
    if kind == "datetime":
        raise ValueError(f"expected dates, all written in one of the ways {', '.join(DATE_FORMATS)}")
    levels = tuple(sorted(set(present[~stripped.isin(MISSING_TEXTS)])))
    if kind is None:
        _refuse_spoilt_numbers(rest)
        words = float(rest.str.split().str.len().mean())
        mostly_new = len(levels) > max(50, 0.5 * len(rest))
        sentences = words >= 6 and len(levels) > 10
        if sentences or (mostly_new and (words >= 4 or float(rest.str.len().mean()) > 40)):
            raise ValueError("holds free text, which no Schema can; drop it or code it")
        if len(levels) == len(present) > 1:
            raise ValueError(
                "has a value of its own in every row; name it in identifiers=[…], drop it, "
                "or give kinds={name: 'categorical'}"
            )
    return {"kind": kind or "categorical", "categories": levels} | extra


def _refuse_spoilt_numbers(texts: pd.Series) -> None:
    """Refuse texts that are numbers but for a comma, or but for a few cells: as levels they would be lost.

    Whole numbers and codes with leading zeros alone say nothing: they may be levels that somebody numbered.
    """
    commas = texts.str.fullmatch(COMMA)
    whole = texts.str.fullmatch(r"[-+]?[0-9]+")
    if commas.any() and (commas | whole).all():
        raise ValueError(
            "holds numbers with a comma; save the table with a point in numbers and nothing between "
            "thousands, or give kinds={name: 'categorical'} if they are codes"
        )
    numbers = pd.to_numeric(texts, errors="coerce")
    share, others = float(numbers.notna().mean()), int(numbers.isna().sum())
    if others and share >= MOSTLY and numbers.nunique() > MIN_ROWS_OF_NUMBERS:
        raise ValueError(
            f"holds numbers, and in {others} of {len(texts)} cells other text (below a limit of detection, "
            "units?); make these numbers or empty, or give kinds={name: 'categorical'} if they "
            "are codes"
        )


def _as_numbers(texts: pd.Series) -> np.ndarray | None:
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float)
    return None if np.isnan(numbers).any() else numbers


def _find_date_format(texts: pd.Series) -> str | None:
    if not texts.iloc[0][:1].isdigit():
        return None
    for candidate in DATE_FORMATS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dates = pd.to_datetime(texts, format=candidate, errors="coerce")
        if dates.notna().all() and (dates.dt.strftime(candidate) == texts).all():
            return candidate
    return None


def _describe_dates(dates: pd.Series, date_format: str | None) -> dict[str, Any]:
    whole = bool((dates == dates.dt.normalize()).all())
    return {
        "kind": "datetime",
        "low": f"{dates.min().year}-01-01",
        "high": f"{dates.max().year}-12-31" + ("" if whole else "T23:59:59"),
        "decimals": 0 if whole else None,
        "format": date_format,
    }


def count_decimals(numbers: np.ndarray, dtype: type = float) -> int | None:
    """Fewest digits after the point that write every number exactly, None if `MAX_DECIMALS` do not.

    Args:
        numbers: float64 (num_values,).
        dtype: the floating type that they are compared in.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # numbers near the end of float64
        kept = numbers.astype(dtype)
        exact = (
            digits
            for digits in range(MAX_DECIMALS + 1)
            if (np.round(numbers, digits).astype(dtype) == kept).all()
        )
        return next(exact, None)


def _widened(low: float, high: float, decimals: int) -> tuple[float, float]:
    """A range moved outward to two significant digits of its width; zero is not crossed."""
    low, high = float(low), float(high)
    width = min(high - low, sys.float_info.max) or abs(high) or 1.0
    step = 10.0 ** max(math.floor(math.log10(width)) - 1, -300)
    outer_low, outer_high = math.floor(low / step) * step, math.ceil(high / step) * step
    if low >= 0:
        outer_low = max(outer_low, 0.0)
    if high <= 0:
        outer_high = min(outer_high, 0.0)
    digits = max(decimals, -math.floor(math.log10(step)), 0)
    outer_low, outer_high = round(outer_low, digits), round(outer_high, digits)
    outer_low -= step if outer_low > low else 0.0  # by rounding
    outer_high += step if outer_high < high else 0.0
    return max(outer_low, -sys.float_info.max), min(outer_high, sys.float_info.max)
