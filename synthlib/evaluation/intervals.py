"""95% intervals that stay inside the scale and stay wide when there are few rows."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm, rankdata, t

from synthlib.scores import wilson_interval

NAN = float("nan")
Z = float(norm.ppf(0.975))
NUM_GROUPS = 20


def mean_interval(value: float, *influences: np.ndarray) -> tuple[float, float]:
    """`value` plus or minus Student's t times the standard error that the rows' influences add up to.

    Args:
        value: an estimate from one or more independent samples.
        influences: one array per sample, shape (num_rows,): by how much each row moves the estimate, times
            the number of rows of its sample.

    Returns:
        (low, high); (nan, nan) when a sample has fewer than two rows.

    Reference: Jaeckel 1972, "The infinitesimal jackknife".
    """
    rows = min(len(influence) for influence in influences)
    if rows < 2 or np.isnan(value):
        return NAN, NAN
    error = np.sqrt(sum(influence.var(ddof=1) / len(influence) for influence in influences))
    half = float(t.ppf(0.975, rows - 1) * error)
    return value - half, value + half


def share_interval(value: float, error: float, trials: float, most: float = np.inf) -> tuple[float, float]:
    """Wilson's interval at the number of trials that would give this standard error.

    For what lies in [0, 1] and is close to an average of zeros and ones. Where the error is zero, because
    every row said the same, `trials` counts instead; never do more than `most`.

    Reference: Korn and Graubard 1998, "Confidence intervals for proportions with small expected counts".
    """
    if np.isnan(value) or trials <= 0:
        return NAN, NAN
    value = min(max(value, 0.0), 1.0)
    if error > 0 and 0 < value < 1:
        trials = min(value * (1 - value) / error**2, most)
    return wilson_interval(value * trials, trials)


def difference_interval(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[float, float]:
    """Interval of `first - second`, each given as (value, low, high).

    Reference: Newcombe 1998, "Interval estimation for the difference between independent proportions",
    method 10.
    """
    (p, p_low, p_high), (q, q_low, q_high) = first, second
    low = p - q - np.hypot(p - p_low, q_high - q)
    return float(low), float(p - q + np.hypot(p_high - p, q - q_low))


def clip(ends: tuple[float, float], smallest: float = 0.0, largest: float = np.inf) -> tuple[float, float]:
    """The interval's ends moved inside the scale; NaN stays NaN."""
    low, high = np.clip(ends, smallest, largest)
    return float(low), float(high)


def share_of_rows(inside: np.ndarray) -> tuple[float, float, float]:
    """Mean of per-row values in [0, 1], shape (num_rows,), with its interval: (value, low, high)."""
    num_rows = len(inside)
    if not num_rows:
        return NAN, NAN, NAN
    value = float(inside.mean())
    error = float(inside.std(ddof=1) / np.sqrt(num_rows)) if num_rows > 1 else 0.0
    return (value, *share_interval(value, error, num_rows))


def leave_groups_out(
    rows: np.ndarray, rng: np.random.Generator, num_groups: int = NUM_GROUPS
) -> list[np.ndarray]:
    """The row numbers without each of `num_groups` random groups in turn, for `jackknife_half_width`."""
    num_groups = min(num_groups, len(rows))
    group = rng.permutation(len(rows)) % num_groups
    return [rows[group != left_out] for left_out in range(num_groups)]


def jackknife_half_width(*left_out: list[np.ndarray]) -> np.ndarray:
    """Half of the 95% interval from values with a group left out, a list of equal shapes for each sample.

    Returns:
        Array of the values' shape; NaN where a sample has fewer than two groups.

    Reference: Kott 2001, "The delete-a-group jackknife".
    """
    num_groups = min(len(found) for found in left_out)
    if num_groups < 2:
        return np.full(np.shape(left_out[0][0]) if left_out[0] else (), np.nan)
    variance = sum((len(found) - 1) * np.var(found, axis=0) for found in left_out)
    return t.ppf(0.975, num_groups - 1) * np.sqrt(variance)


def auroc(truth: np.ndarray, score: np.ndarray) -> float:
    """Probability that a positive row scores above a negative one, ties half; NaN where a kind is absent."""
    positive = truth.astype(bool)
    num_positive, num_negative = int(positive.sum()), int((~positive).sum())
    if not num_positive or not num_negative:
        return NAN
    ranks = rankdata(score)
    return float((ranks[positive].sum() / num_positive - (num_positive + 1) / 2) / num_negative)


def auroc_error(truth: np.ndarray, score: np.ndarray) -> float:
    """Standard error of `auroc` over rows; 0 when the two kinds of row do not overlap or all are tied.

    Reference: DeLong, DeLong and Clarke-Pearson 1988, "Comparing the areas under … ROC curves".
    """
    positive = truth.astype(bool)
    above, below = np.sort(score[positive]), np.sort(score[~positive])
    if len(above) < 2 or len(below) < 2:
        return 0.0
    wins = _share_below(below, above)  # (num_positive,)
    losses = 1 - _share_below(above, below)  # (num_negative,)
    return float(np.sqrt(wins.var(ddof=1) / len(wins) + losses.var(ddof=1) / len(losses)))


def auroc_interval(value: float, error: float, num_smaller: int) -> tuple[float, float]:
    """Interval for an AUROC, given its error and how many rows the rarer kind has.

    A perfect or constant score has no error of its own; nor may a few pairs out of millions make one tiny.
    """
    return share_interval(value, error, num_smaller, most=3 * num_smaller)


def _share_below(sorted_values: np.ndarray, queries: np.ndarray) -> np.ndarray:
    left = np.searchsorted(sorted_values, queries, "left")
    return (left + np.searchsorted(sorted_values, queries, "right")) / (2 * len(sorted_values))
