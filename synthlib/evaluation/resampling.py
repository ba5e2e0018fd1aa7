"""Statistics of many resamples at once: a resample is how often each row counts, not a copy of rows."""

from __future__ import annotations

import numpy as np

from synthlib.evaluation.intervals import NAN, Z, clip


def draw_weights(
    num_rows: int, num_resamples: int, rng: np.random.Generator, units: np.ndarray | None = None
) -> np.ndarray:
    """How often each row is drawn, shape (num_resamples + 1, num_rows); the first line is the table itself.

    Args:
        num_rows: of the table.
        num_resamples: how often it is drawn anew.
        rng: draws.
        units: each row's patient, from `features.patients_of`, shape (num_rows,): patients are drawn, each
            with all rows. None: each row is drawn by itself.

    Reference: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 6; Davison and Hinkley
    1997, "Bootstrap Methods and their Application", section 3.8 (rows that belong together).
    """
    size = num_rows if units is None else int(units.max(initial=-1)) + 1
    drawn = rng.multinomial(size, np.full(size, 1 / max(size, 1)), num_resamples)
    drawn = drawn.reshape(num_resamples, size)
    return np.vstack([np.ones((1, num_rows)), drawn if units is None else drawn[:, units]])


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Means of values of shape (num_rows,), shape (num_resamples,); NaN where nothing was drawn."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return weights @ values / weights.sum(axis=1)


def weighted_auroc(truth: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUROC of each resample, ties half, shape (num_resamples,); NaN where a kind was not drawn.

    Args:
        truth: zeros and ones, shape (num_rows,).
        score: higher for the event, shape (num_rows,).
        weights: from `draw_weights`, or any of shape (num_resamples, num_rows).
    """
    order = np.argsort(score, kind="stable")
    ranked, weights, event = score[order], weights[:, order], truth[order].astype(bool)
    below = np.cumsum(np.pad(weights * ~event, ((0, 0), (1, 0))), axis=1)  # (num_resamples, num_rows + 1)
    first, last = np.searchsorted(ranked, ranked[event]), np.searchsorted(ranked, ranked[event], "right")
    wins = (weights[:, event] * (below[:, first] + below[:, last])).sum(axis=1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return wins / (weights[:, event].sum(axis=1) * below[:, -1])


def weighted_precision(truth: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision (area under the precision–recall curve) of each resample, shape (num_resamples,).

    The mean, over the events, of the share of events among the rows that score as high or higher. A score
    that says nothing has the event's rate.

    Args:
        truth, score, weights: as `weighted_auroc` takes.

    Reference: Davis and Goadrich 2006, "The relationship between Precision-Recall and ROC curves".
    """
    order = np.argsort(-score, kind="stable")
    ranked, weights, event = -score[order], weights[:, order], truth[order].astype(bool)
    last = np.searchsorted(ranked, ranked[event], "right") - 1  # rows that tie are flagged together
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.cumsum(weights * event, axis=1)[:, last] / np.cumsum(weights, axis=1)[:, last]
        of_events = weights[:, event]
        return np.where(of_events > 0, of_events * precision, 0.0).sum(axis=1) / of_events.sum(axis=1)


def average_precision(truth: np.ndarray, score: np.ndarray) -> float:
    """Average precision of one table; NaN without an event."""
    return float(weighted_precision(truth, score, np.ones((1, len(truth))))[0])


def percentiles(resampled: np.ndarray) -> tuple[float, float]:
    """95% interval from a statistic's resamples that contains the statistic itself, which comes first.

    A largest or smallest of several estimates is rarely in the middle of its resamples; an interval without
    its own estimate would say that the estimate is wrong.

    Args:
        resampled: shape (num_resamples + 1,), the statistic of the table first; NaN is left out.
    """
    found = resampled[1:][~np.isnan(resampled[1:])]
    if not len(found) or np.isnan(resampled[0]):
        return NAN, NAN
    low, high = np.quantile(found, [0.025, 0.975])
    return float(min(low, resampled[0])), float(max(high, resampled[0]))


def spread_interval(
    resampled: np.ndarray, smallest: float = -np.inf, largest: float = np.inf
) -> tuple[float, float]:
    """95% interval of 1.96 standard deviations of the resamples either side, wider where noise pushes.

    For largest, smallest and absolute values: noise always moves them the same way, by about as much from the
    truth to the estimate as from the estimate to the mean of its resamples. The end that the truth then lies
    at is moved by that much, the estimate is left; the ends are cut to the scale.

    Args:
        resampled: shape (num_resamples + 1,), the statistic of the table first; NaN is left out.
        smallest, largest: ends of the scale.
    """
    found = resampled[1:][~np.isnan(resampled[1:])]
    if not len(found) or np.isnan(resampled[0]):
        return NAN, NAN
    value, half, moved = float(resampled[0]), Z * float(found.std()), float(found.mean() - resampled[0])
    return clip((value - half - max(moved, 0), value + half - min(moved, 0)), smallest, largest)
