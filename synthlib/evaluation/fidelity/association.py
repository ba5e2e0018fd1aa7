"""How columns go together: one matrix for numbers and levels, and how far two tables' matrices are apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from synthlib.evaluation.features import codes, matched_parts, numbers, sample_rows
from synthlib.evaluation.intervals import NAN, clip, jackknife_half_width, leave_groups_out
from synthlib.schema import Column, Schema
from synthlib.scores import Score

MAX_LEVELS = 50
MAX_ROWS = 50_000


def association_matrix(table: pd.DataFrame, schema: Schema, ranks: bool = True) -> pd.DataFrame:
    """How strongly each pair of columns goes together, shape (num_modelled, num_modelled), in [-1, 1].

    Between numbers the correlation over the rows that have both; between levels Cramér's V corrected for bias
    (missing is a level); between a number and levels the correlation ratio. NaN where a column does not vary.

    Args:
        table: DataFrame of shape (num_rows, num_columns).
        schema: its Schema.
        ranks: Spearman's correlation (ranks taken once per column); otherwise Pearson's.

    Reference: Bergsma 2013, "A bias-correction for Cramér's V and Tschuprow's T".
    """
    ranked, raw, levels = _prepare(table, schema)
    numeric = [column.name for column in schema.modelled if column.is_numeric]
    discrete = [column.name for column in schema.modelled if column.is_discrete]
    matrix = _associate(ranked if ranks else raw, levels, _between_levels(levels))
    frame = pd.DataFrame(matrix, index=numeric + discrete, columns=numeric + discrete)
    order = [column.name for column in schema.modelled]
    return frame.loc[order, order]


def association_distance(train, holdout, synthetic, schema, rng) -> list[Score]:
    """Mean absolute difference of two tables' association matrices over the pairs of columns; 0 is equal.

    A pair that train has and the synthetic table cannot show, since a column became constant there, counts
    as no association.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns); at most 50,000 rows of each
            are used.
        schema: theirs.
        rng: draws those rows, the parts of the synthetic table that are as large as the holdout, and the
            groups of a delete-a-group jackknife, whose error the intervals have.

    Returns:
        `association_distance` (ranks) and `association_distance_pearson`; reference: the holdout's distance.

    Reference: Kott 2001, "The delete-a-group jackknife".
    """
    train, holdout, synthetic = (sample_rows(table, MAX_ROWS, rng) for table in (train, holdout, synthetic))
    real, fresh, made = (_prepare(table, schema) for table in (train, holdout, synthetic))
    size = min(len(holdout), len(synthetic))
    parts, others = (matched_parts(len(table), size, rng) for table in (synthetic, holdout))
    whole = np.arange(len(train))
    of_real, of_made = _pairs(real, whole), [_pairs(made, rows) for rows in parts]
    reference = _distance(of_real, [_pairs(fresh, rows) for rows in others])
    value = _distance(of_real, of_made)
    without_real = [_distance(_pairs(real, rest), of_made) for rest in leave_groups_out(whole, rng)]
    rests = zip(*(leave_groups_out(rows, rng) for rows in parts), strict=True)
    without_made = [_distance(of_real, [_pairs(made, rest) for rest in group]) for group in rests]
    half = jackknife_half_width(without_real, without_made)
    names = ("association_distance", "association_distance_pearson")
    ends = [clip(pair) for pair in zip(value - half, value + half, strict=True)]
    return [Score(names[k], float(value[k]), *ends[k], float(reference[k])) for k in range(2)]


def _prepare(table: pd.DataFrame, schema: Schema) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Ranks and values of the numeric columns, both (num_rows, num_numeric), and codes of the others."""
    numeric = [column for column in schema.modelled if column.is_numeric]
    ranked, raw = (
        np.column_stack([np.empty((len(table), 0)), *(_standardize(table, c, ranks) for c in numeric)])
        for ranks in (True, False)
    )
    return ranked, raw, [_lump(table, column) for column in schema.modelled if column.is_discrete]


def _pairs(prepared: tuple, rows: np.ndarray) -> np.ndarray:
    """Associations of all pairs within some rows, shape (2, num_pairs): by ranks and by values."""
    ranked, raw, levels = prepared
    levels = [level[rows] for level in levels]
    between = _between_levels(levels)
    upper = np.triu_indices(ranked.shape[1] + len(levels), 1)
    return np.array([_associate(x[rows], levels, between)[upper] for x in (ranked, raw)])


def _distance(real: np.ndarray, made: list[np.ndarray]) -> np.ndarray:
    """Mean absolute difference over the pairs that the real table has, shape (2,)."""
    known = ~np.isnan(real)
    gap = np.mean([np.abs(real - np.nan_to_num(other)) for other in made], axis=0)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, gap, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _standardize(table: pd.DataFrame, column: Column, ranks: bool) -> np.ndarray:
    """Mean 0 and variance 1 over the present values, NaN where missing or constant."""
    values = numbers(table, column)
    found = ~np.isnan(values)
    kept = rankdata(values[found]) if ranks else values[found]
    spread = kept.std() if len(kept) > 1 and np.ptp(kept) > 0 else 0.0
    values[found] = (kept - kept.mean()) / spread if spread > 0 else np.nan
    return values


def _lump(table: pd.DataFrame, column: Column) -> np.ndarray:
    """Codes from 0 without gaps; the rarest levels share one, missing is a level."""
    _, position, counts = np.unique(codes(table, column), return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.minimum(rank, MAX_LEVELS - 1)[position]


def _associate(x: np.ndarray, levels: list[np.ndarray], between_levels: np.ndarray) -> np.ndarray:
    """Matrix of the columns of x, shape (num_rows, num_numeric), followed by the discrete ones."""
    flags, filled = (~np.isnan(x)).astype(float), np.nan_to_num(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = [_correlation_ratio(filled, flags, level) for level in levels]
        ratios = np.array(ratios).reshape(len(levels), x.shape[1])  # (num_discrete, num_numeric)
        return np.block([[_correlate(filled, flags), ratios.T], [ratios, between_levels]])


def _between_levels(levels: list[np.ndarray]) -> np.ndarray:
    matrix = np.full((len(levels), len(levels)), np.nan)
    for row, level in enumerate(levels):
        for column in range(row, len(levels)):
            matrix[row, column] = matrix[column, row] = _cramers_v(level, levels[column])
    return matrix


def _correlate(filled: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Correlation over the rows where both are present, shape (num_numeric, num_numeric)."""
    count, total = flags.T @ flags, filled.T @ flags  # total[i, j]: sum of i where j is present
    covariance = filled.T @ filled - total * total.T / count
    square = (filled**2).T @ flags - total**2 / count
    found = np.clip(covariance / np.sqrt(square * square.T), -1, 1)
    return np.where((count > 1) & (np.minimum(square, square.T) > 1e-9 * count), found, np.nan)


def _correlation_ratio(filled: np.ndarray, flags: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Root of the share of each number's variance that lies between the levels, shape (num_numeric,)."""
    member = np.eye(int(level.max(initial=0)) + 1)[level]
    count, total = member.T @ flags, member.T @ filled  # (num_levels, num_numeric)
    mean = total.sum(axis=0) / count.sum(axis=0)
    between = np.where(count > 0, count * (total / np.maximum(count, 1) - mean) ** 2, 0.0).sum(axis=0)
    overall = (filled**2).sum(axis=0) - count.sum(axis=0) * mean**2
    varies = (overall > 0) & ((count > 0).sum(axis=0) > 1)
    return np.where(varies, np.sqrt(np.clip(between / overall, 0, 1)), np.nan)


def _cramers_v(a: np.ndarray, b: np.ndarray) -> float:
    shape, n = (int(a.max(initial=0)) + 1, int(b.max(initial=0)) + 1), len(a)
    if n < 2:
        return NAN
    table = np.bincount(a * shape[1] + b, minlength=shape[0] * shape[1]).reshape(shape) / n
    of_a, of_b = table.sum(axis=1), table.sum(axis=0)
    rows, columns = int((of_a > 0).sum()), int((of_b > 0).sum())
    expected = np.maximum(np.outer(of_a, of_b), 1e-300)  # where it is 0, so is the table
    square = (table**2 / expected).sum() - 1 - (rows - 1) * (columns - 1) / (n - 1)
    smaller = min(size - (size - 1) ** 2 / (n - 1) for size in (rows, columns)) - 1
    if min(rows, columns) < 2 or smaller <= 0:
        return NAN
    return float(min(1.0, np.sqrt(max(0.0, square) / smaller)))
