"""A Score is what every metric returns; a report is a DataFrame of Scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from synthlib.areas import is_published

DECIMALS = 3  # of published scores
_GAPS = "could not be computed"


class Score(NamedTuple):
    """One measurement, its uncertainty, and what to compare it with.

    Attributes:
        metric: name, `"ks[age]"` where it concerns one column.
        value: the measurement.
        low, high: ends of its 95% interval.
        reference: what a real holdout (or the named baseline) scores; NaN where nothing can.
    """

    metric: str
    value: float
    low: float
    high: float
    reference: float


def to_report(scores: Iterable[Score]) -> pd.DataFrame:
    """Scores as a DataFrame with columns `metric, value, low, high, reference`.

    Raises:
        ValueError: if there are no scores, or two with one name.
    """
    report = pd.DataFrame(list(scores), columns=Score._fields)
    if report.empty:
        raise ValueError("expected at least one Score, got none")
    repeated = report["metric"][report["metric"].duplicated()].unique()
    if len(repeated):
        raise ValueError(f"expected each metric once, got several of: {', '.join(repeated)}")
    return report


def round_scores(report: pd.DataFrame) -> pd.DataFrame:
    """A report with its numbers rounded to `DECIMALS`, as they are published."""
    numbers = report.columns.drop("metric")
    rounded = {name: report[name].astype(float).round(DECIMALS) + 0.0 for name in numbers}  # no -0.0
    return report.assign(**rounded).reset_index(drop=True)


def explain_gaps(report: pd.DataFrame) -> list[str]:
    """A note that names what a report could not compute; none where there is nothing."""
    empty = report.loc[report["value"].isna(), "metric"]
    if not len(empty):
        return []
    shown = ", ".join(empty[:5]) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")
    return [f"{_GAPS} (too few, missing or constant values): {shown}"]


def public_notes(report: pd.DataFrame) -> list[str]:
    """A report's notes as they may be published: no column is named whose scores stay with the steward.

    That a quantile of a column could not be bounded says that few patients have a value of it.
    """
    kept = [note for note in report.attrs.get("notes", []) if not note.startswith(_GAPS)]
    return [*kept, *explain_gaps(report[report["metric"].map(is_published)])]


def wilson_interval(successes: float, trials: float, confidence: float = 0.95) -> tuple[float, float]:
    """Interval for a proportion that stays inside [0, 1] and works at 0 and at `trials`.

    Returns (nan, nan) when there were no trials.

    Reference: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if trials <= 0:
        return float("nan"), float("nan")
    z = norm.ppf(0.5 + confidence / 2)
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    low = 0.0 if successes <= 0 else max(0.0, centre - half)  # exactly, not to within rounding
    high = 1.0 if successes >= trials else min(1.0, centre + half)
    return float(low), float(high)


def bootstrap_interval(
    statistic: Callable[..., float],
    *arrays: np.ndarray,
    rng: np.random.Generator,
    num_resamples: int = 200,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of `statistic(*arrays)` over resampled rows.

    Args:
        statistic: function of the arrays, resampled together, to a number.
        arrays: arrays of equal length along axis 0.
        rng: `numpy.random.Generator`.

    Returns:
        (low, high); resamples for which the statistic is NaN are left out, (nan, nan) if all are or there
        are no rows.

    Raises:
        ValueError: if the arrays differ in length.

    Reference: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
    """
    num_rows = len(arrays[0])
    if any(len(array) != num_rows for array in arrays):
        raise ValueError(f"expected arrays of equal length, got {', '.join(str(len(a)) for a in arrays)}")
    if not num_rows:
        return float("nan"), float("nan")
    values = []
    for _ in range(num_resamples):
        rows = rng.integers(0, num_rows, num_rows)
        values.append(statistic(*(array[rows] for array in arrays)))
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    return float(np.quantile(values, tail)), float(np.quantile(values, 1 - tail))
