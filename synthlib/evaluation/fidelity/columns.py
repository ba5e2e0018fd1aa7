"""Fidelity one column at a time: moments, quantiles, missing rates and distances between distributions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from synthlib.evaluation.features import matched_parts, missing, present
from synthlib.evaluation.intervals import (
    NAN,
    Z,
    clip,
    difference_interval,
    mean_interval,
    share_interval,
    share_of_rows,
)
from synthlib.schema import Column, Schema
from synthlib.scores import Score, wilson_interval

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def standardized_mean_difference(train, holdout, synthetic, schema, rng) -> list[Score]:
    """Synthetic mean minus training mean of each numeric column, in pooled standard deviations.

    Beyond 0.1 either way counts as an imbalance in observational studies. Missing values are left out.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: not used.

    Returns:
        Scores `smd[column]` with intervals from the rows' influences; reference: the holdout's difference.

    Reference: Austin 2009, "Balance diagnostics for comparing the distribution of baseline covariates".
    """
    return [_moment_score("smd", _mean_difference, c, train, holdout, synthetic) for c in _numeric(schema)]


def variance_ratio(train, holdout, synthetic, schema, rng) -> list[Score]:
    """Synthetic variance over training variance of each numeric column; 1 is equal, below 1 too narrow.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: not used.

    Returns:
        Scores `variance_ratio[column]` with intervals taken on the logarithm; reference: the holdout's ratio.
    """
    columns = _numeric(schema)
    return [_moment_score("variance_ratio", _variance_ratio, c, train, holdout, synthetic) for c in columns]


def quantile_difference(train, holdout, synthetic, schema, rng) -> list[Score]:
    """Synthetic quantile minus training quantile (5, 25, 50, 75, 95%), in training standard deviations.

    An end of an interval is NaN where the column has too few values to bound that quantile (under about 73
    for 5 and 95%).

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: not used.

    Returns:
        Scores `quantile_difference[column,level]`; reference: the holdout's difference.

    Reference: Woodruff 1952, "Confidence intervals for medians and other position measures".
    """
    scores = []
    for column in _numeric(schema):
        real, fresh, made = (present(table, column) for table in (train, holdout, synthetic))
        for level in QUANTILES:
            first, second = _quantile(made, level), _quantile(real, level)
            low, high = difference_interval(first, second)
            reference = _quantile(fresh, level)[0] - second[0]
            values = _in_deviations(real, first[0] - second[0], low, high, reference)
            scores.append(Score(f"quantile_difference[{column.name},{level}]", *values))
    return scores


def missing_rate_difference(train, holdout, synthetic, schema, rng) -> list[Score]:
    """Share of missing values, synthetic minus training: of each column, and the mean of the absolute ones.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: draws the parts of the synthetic table that are as large as the holdout; the mean needs them.

    Returns:
        `missing_rate_difference`, `missing_rate_difference[column]`; reference: the holdout's difference.
    """
    real, fresh, made = (_missing_matrix(table, schema) for table in (train, holdout, synthetic))
    scores = [_mean_missing_difference(real, fresh, made, rng)]
    for position, column in enumerate(schema.modelled):
        first, second = _share(made[:, position]), _share(real[:, position])
        reference = float(fresh[:, position].mean() - second[0])
        name = f"missing_rate_difference[{column.name}]"
        scores.append(Score(name, first[0] - second[0], *difference_interval(first, second), reference))
    return scores


def kolmogorov_smirnov(train, holdout, synthetic, schema, rng) -> list[Score]:
    """Largest gap between the cumulative distributions of each numeric column; 0 is equal, 1 disjoint.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: draws the parts of the synthetic table that are as large as the holdout.

    Returns:
        Scores `ks[column]`, each the mean over the parts, with Newcombe's interval at the point of the gap
        (wide of the truth when there is no gap); reference: the holdout's distance from train.

    Reference: Smirnov 1948, "Table for estimating the goodness of fit of empirical distributions".
    """
    return [_gap_score("ks", _widest_gap, c, train, holdout, synthetic, rng) for c in _numeric(schema)]


def total_variation(train, holdout, synthetic, schema, rng) -> list[Score]:
    """Half the summed differences of the levels' shares in each discrete column; 0 is equal, 1 disjoint.

    Missing values are left out (see `missing_rate_difference`); values outside the schema are one more level.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: draws the parts of the synthetic table that are as large as the holdout.

    Returns:
        Scores `tv[column]`, each the mean over the parts; reference: the holdout's distance from train.
    """
    discrete = [column for column in schema.modelled if column.is_discrete]
    return [_gap_score("tv", _excess_share, column, train, holdout, synthetic, rng) for column in discrete]


def wasserstein(train, holdout, synthetic, schema, rng) -> list[Score]:
    """How far a numeric column's values must move, on average, to become the training ones; in training SDs.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: draws the parts of the synthetic table that are as large as the holdout.

    Returns:
        Scores `wasserstein[column]`, means over the parts; reference: the holdout's distance from train.

    Reference: Ramdas, Garcia Trillos and Cuturi 2017, "On Wasserstein two-sample testing".
    """
    scores = []
    for column in _numeric(schema):
        real, fresh, made = (present(table, column) for table in (train, holdout, synthetic))
        size = min(len(fresh), len(made))
        moves = [_move(made[rows], real) for rows in matched_parts(len(made), size, rng)]
        others = [_move(fresh[rows], real)[0] for rows in matched_parts(len(fresh), size, rng)]
        if not moves or not len(real):
            scores.append(Score(f"wasserstein[{column.name}]", NAN, NAN, NAN, NAN))
            continue
        value, of_made = float(np.mean([move[0] for move in moves])), [move[1] for move in moves]
        of_real = np.mean([move[2] for move in moves], axis=0)
        ends = clip(mean_interval(value, np.concatenate(of_made), of_real))
        values = _in_deviations(real, value, *ends, float(np.mean(others)))
        scores.append(Score(f"wasserstein[{column.name}]", *values))
    return scores


def _in_deviations(real: np.ndarray, *values: float) -> list[float]:
    """The values over the training standard deviation; where that is 0, only 0 can be said."""
    spread = real.std(ddof=1) if _varies(real) else 0.0
    return [float(value / spread) if spread > 0 else (0.0 if value == 0 else NAN) for value in values]


def _varies(values: np.ndarray) -> bool:
    return len(values) > 1 and float(np.ptp(values)) > 0 and float(values.var()) > 0  # squares may underflow


def _numeric(schema: Schema) -> list[Column]:
    return [column for column in schema.modelled if column.is_numeric]


def _moment_score(
    name: str,
    compare: Callable,
    column: Column,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    synthetic: pd.DataFrame,
) -> Score:
    real, fresh, made = (present(table, column) for table in (train, holdout, synthetic))
    return Score(f"{name}[{column.name}]", *compare(made, real), compare(fresh, real)[0])


def _mean_difference(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    if len(x) < 2 or len(y) < 2:
        return NAN, NAN, NAN
    if not _varies(x) and not _varies(y):
        return (0.0, NAN, NAN) if x[0] == y[0] else (NAN, NAN, NAN)
    spread = np.sqrt((x.var(ddof=1) + y.var(ddof=1)) / 2)
    value = (x.mean() - y.mean()) / spread
    # each row moves the mean and, through its squared deviation, the spread that the mean is divided by
    of_x, of_y = (
        sign * (z - z.mean()) / spread - value * ((z - z.mean()) ** 2 - z.var()) / (4 * spread**2)
        for z, sign in ((x, 1), (y, -1))
    )
    return (float(value), *mean_interval(float(value), of_x, of_y))


def _variance_ratio(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    if min(len(x), len(y)) < 2 or (_varies(x) and not _varies(y)):
        return NAN, NAN, NAN
    if not _varies(x):
        return (0.0 if _varies(y) else 1.0), NAN, NAN
    ratio = x.var(ddof=1) / y.var(ddof=1)
    low, high = mean_interval(float(np.log(ratio)), *((z - z.mean()) ** 2 / z.var() for z in (x, y)))
    with np.errstate(over="ignore"):
        return float(ratio), float(np.exp(low)), float(np.exp(high))


def _quantile(values: np.ndarray, level: float) -> tuple[float, float, float]:
    if not len(values):
        return NAN, NAN, NAN
    reach = Z * np.sqrt(level * (1 - level) / len(values))
    ends = [np.quantile(values, at) if 0 <= at <= 1 else NAN for at in (level - reach, level + reach)]
    return (float(np.quantile(values, level)), *map(float, ends))


def _missing_matrix(table: pd.DataFrame, schema: Schema) -> np.ndarray:
    return np.column_stack([missing(table, column) for column in schema.modelled])  # (num_rows, num_modelled)


def _share(flags: np.ndarray) -> tuple[float, float, float]:
    return (float(flags.mean()), *wilson_interval(float(flags.sum()), len(flags)))


def _mean_missing_difference(
    real: np.ndarray, fresh: np.ndarray, made: np.ndarray, rng: np.random.Generator
) -> Score:
    size, rates = min(len(fresh), len(made)), real.mean(axis=0)
    parts = [made[rows] for rows in matched_parts(len(made), size, rng)]
    signs = [np.sign(part.mean(axis=0) - rates) for part in parts]
    value = float(np.mean([np.abs(part.mean(axis=0) - rates).mean() for part in parts]))
    reference = np.mean(
        [np.abs(fresh[rows].mean(axis=0) - rates).mean() for rows in matched_parts(len(fresh), size, rng)]
    )
    of_made = np.concatenate([(part * sign).mean(axis=1) for part, sign in zip(parts, signs, strict=True)])
    ends = clip(mean_interval(value, of_made, (real * np.mean(signs, axis=0)).mean(axis=1)))
    return Score("missing_rate_difference", value, *ends, float(reference))


def _gap_score(
    name: str,
    separate: Callable,
    column: Column,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    synthetic: pd.DataFrame,
    rng: np.random.Generator,
) -> Score:
    """A distance that is a difference of two shares: of the rows that fall into the set that tells most.

    `separate(x, y)` returns which rows of x and which rows of y fall into the set where x has most excess.
    """
    real, fresh, made = (present(table, column) for table in (train, holdout, synthetic))
    size = min(len(fresh), len(made))
    if not size or not len(real):
        return Score(f"{name}[{column.name}]", NAN, NAN, NAN, NAN)
    pairs = [separate(made[rows], real) for rows in matched_parts(len(made), size, rng)]
    others = [separate(fresh[rows], real) for rows in matched_parts(len(fresh), size, rng)]
    first = share_of_rows(np.concatenate([inside for inside, _ in pairs]).astype(float))
    share = float(np.mean([inside.mean() for _, inside in pairs]))
    second = (share, *share_interval(share, 0.0, len(real)))
    reference = float(np.mean([a.mean() - b.mean() for a, b in others]))
    ends = clip(difference_interval(first, second), 0, 1)
    return Score(f"{name}[{column.name}]", first[0] - share, *ends, reference)


def _widest_gap(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points = np.unique(np.concatenate([x, y]))
    gap = np.searchsorted(np.sort(x), points, "right") / len(x) - np.searchsorted(
        np.sort(y), points, "right"
    ) / len(y)
    at = int(np.abs(gap).argmax())
    return (x <= points[at], y <= points[at]) if gap[at] >= 0 else (x > points[at], y > points[at])


def _excess_share(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    num_levels = int(max(x.max(), y.max())) + 1
    more = np.bincount(x, minlength=num_levels) / len(x) > np.bincount(y, minlength=num_levels) / len(y)
    return more[x], more[y]


def _move(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Wasserstein distance of two samples and each row's influence on it."""
    points = np.unique(np.concatenate([x, y]))
    gap = np.searchsorted(np.sort(x), points, "right") / len(x) - np.searchsorted(
        np.sort(y), points, "right"
    ) / max(len(y), 1)
    steps = np.diff(points)
    slope = np.concatenate([[0.0], np.cumsum(np.sign(gap[:-1]) * steps)])  # (num_points,)
    return (
        float((np.abs(gap[:-1]) * steps).sum()),
        -slope[np.searchsorted(points, x)],
        slope[np.searchsorted(points, y)],
    )
