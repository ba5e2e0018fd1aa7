"""Fidelity of the whole table: k-way marginals, classifiers that try to tell, values that cannot be."""

from __future__ import annotations

import itertools
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd

from synthlib.evaluation.features import (
    codes,
    matched_parts,
    missing,
    note_columns,
    note_sample,
    numbers,
    present,
    sample_rows,
    stack,
)
from synthlib.evaluation.intervals import (
    NAN,
    auroc,
    auroc_error,
    auroc_interval,
    clip,
    difference_interval,
    mean_interval,
    share_of_rows,
)
from synthlib.evaluation.learners import CLASSIFIERS, fit_classifier
from synthlib.schema import Schema
from synthlib.scores import Score, wilson_interval

NUM_BINS = 10
MAX_SETS = 2000
MAX_ROWS = 20_000
C2ST_ROWS = 10_000
NUM_FOLDS = 5
_WORDS = {1: "columns", 2: "pairs of columns", 3: "triples of columns"}


def marginal_accuracy(
    train, holdout, synthetic, schema, rng, ways: Sequence[int] = (1, 2, 3), most: int = MAX_SETS
) -> list[Score]:
    """One minus the total variation distance of the 1-, 2- and 3-way tables of all columns, averaged.

    Numbers fall into ten quantile bins of train, levels beyond the ten most frequent into one; missing is a
    bin of its own. Above the reference means closer to train than fresh patients are: look at the copying
    checks.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: draws the parts of the synthetic table that are as large as the holdout, and `most` sets of
            columns where there are more.
        ways: how many columns a table has.
        most: sets of columns that are looked at.

    Returns:
        `marginal_accuracy_1way`, `_2way`, `_3way` in [0, 1]; reference: the holdout's accuracy.

    Reference: Tao et al. 2021, "Benchmarking differentially private synthetic data generation algorithms".
    """
    train, holdout, synthetic = (sample_rows(table, MAX_ROWS, rng) for table in (train, holdout, synthetic))
    real, fresh, made, num_bins = _bin(train, [train, holdout, synthetic], schema)
    size = min(len(holdout), len(synthetic))
    parts = [made[:, rows] for rows in matched_parts(len(synthetic), size, rng)]
    others = [fresh[:, rows] for rows in matched_parts(len(holdout), size, rng)]
    scores = []
    for way in ways:
        sets = _column_sets(len(num_bins), way, rng, most)
        if not sets:
            continue
        first, second = _excess_shares(real, parts, num_bins, sets)
        low, high = difference_interval(first, second)
        of_holdout = _excess_shares(real, others, num_bins, sets)
        value, reference = (1 - (share[0] - rest[0]) for share, rest in ((first, second), of_holdout))
        ends = clip((1 - high, 1 - low), 0, 1)
        scores.append(Score(f"marginal_accuracy_{way}way", value, *ends, reference))
    return scores


def classifier_two_sample_test(train, holdout, synthetic, schema, rng, learners=CLASSIFIERS) -> list[Score]:
    """How well a classifier tells synthetic rows from training rows it has not seen: AUROC, 0.5 if it cannot.

    Boosted trees find what is wrong in combinations of columns, logistic regression what is wrong in single
    columns. Below 0.5 means nearer to train's own rows than fresh patients are: copies, whose twins mislead
    under the other label, or columns filled from train's values. Classifiers tell more from more rows, so
    score and reference take the same number a side, the holdout's if it is the smallest table: a larger
    sample would be told apart better, and copies whose twin is not drawn count as fresh rows.

    The trees cut a number of more than 255 values at its quantiles, so they hardly see decimals that lie
    between frequent values: copies with noise of a twentieth of a deviation score 0.54, and 0.63 with
    LightGBM, which gives frequent values a bin of their own.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: draws as many rows of each table as the smallest has (10,000 at most), and five folds.
        learners: which of the two.

    Returns:
        `c2st_boosting` and `c2st_logistic`, means over the folds; intervals from DeLong's errors, widened for
        the folds' dependence; reference: the same classifier with the holdout in the synthetic table's place.

    Reference: Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests".
    """
    size = min(len(train), len(holdout), len(synthetic), C2ST_ROWS)
    scores = []
    for learner in learners:
        found = _tell_apart(train, synthetic, size, schema, learner, rng)
        reference, *_ = _tell_apart(train, holdout, size, schema, learner, rng)
        scores.append(Score(f"c2st_{learner}", *found, reference))
    return scores


def invalid_share(train, holdout, synthetic, schema, rng) -> Score:
    """Share of values that the Schema does not allow: level or range, no number, not whole, may not miss.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: not used.

    Returns:
        Score in [0, 1], with Wilson's interval over rows; reference: the holdout's share.
    """
    made, fresh = _invalid(synthetic, schema), _invalid(holdout, schema)
    value = float(made.mean())
    return Score("invalid_share", value, *wilson_interval(value * len(made), len(made)), float(fresh.mean()))


def sdmetrics_quality(train, holdout, synthetic, schema, rng) -> Score:
    """The quality score of SDMetrics, which the field quotes: column shapes and pair trends, averaged.

    It does not see what a classifier sees: independent columns reach 0.85, and one value out of range moves
    all of its bins. Computed on parts as large as the holdout, so a little below the whole table's score.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: draws the parts.

    Returns:
        Score in [0, 1], the mean over at most three parts with Student's interval over them (NaN for a single
        part); reference: the holdout's score.

    Reference: SDMetrics, `QualityReport`, DataCebo.
    """
    train, holdout, synthetic = (sample_rows(table, MAX_ROWS, rng) for table in (train, holdout, synthetic))
    size = min(len(holdout), len(synthetic))
    found = np.array(
        [
            _quality(train, synthetic.iloc[rows], schema)
            for rows in matched_parts(len(synthetic), size, rng, most=3)
        ]
    )
    note_sample(size, len(holdout))
    reference = _quality(train, holdout.iloc[rng.permutation(len(holdout))[:size]], schema)
    value = float(found.mean())
    return Score("sdmetrics_quality", value, *clip(mean_interval(value, found), 0, 1), reference)


def _bin(train: pd.DataFrame, tables: list[pd.DataFrame], schema: Schema) -> tuple:
    """Each table's bins, shape (num_modelled, num_rows), and each column's number of bins, missing last."""
    binned, num_bins = [[] for _ in tables], []
    for column in schema.modelled:
        values = present(train, column)
        if column.is_numeric:
            grid = np.linspace(0, 1, NUM_BINS + 1)[1:-1]
            edges = np.unique(np.quantile(values, grid)) if len(values) else np.zeros(0)
            found = [np.searchsorted(edges, numbers(table, column), "right") for table in tables]
            num_bins.append(len(edges) + 2)
        else:
            top = np.argsort(-np.bincount(values, minlength=1), kind="stable")[:NUM_BINS]
            position = np.full(len(column.categories) + 2, len(top))
            position[top] = np.arange(len(top))
            found = [position[codes(table, column)] for table in tables]
            num_bins.append(len(top) + 2)
        for rows, table, bins in zip(binned, tables, found, strict=True):
            rows.append(np.where(missing(table, column), num_bins[-1] - 1, bins))
    return (*(np.array(rows) for rows in binned), num_bins)


def _column_sets(
    num_columns: int, way: int, rng: np.random.Generator, most: int = MAX_SETS
) -> list[tuple[int, ...]]:
    sets = list(itertools.combinations(range(num_columns), way))
    note_columns(most, len(sets), _WORDS.get(way, f"sets of {way} columns"))
    if len(sets) <= most:
        return sets
    return [sets[chosen] for chosen in np.sort(rng.choice(len(sets), most, replace=False))]


def _excess_shares(real: np.ndarray, parts: list[np.ndarray], num_bins: list[int], sets: list) -> tuple:
    """Shares of the parts' and of train's rows in cells that the parts fill more: (value, low, high) each.

    Their difference is the total variation distance, averaged over sets and parts.
    """
    inside_real, inside_parts = np.zeros(real.shape[1]), [np.zeros(part.shape[1]) for part in parts]
    for columns in sets:
        shape = [num_bins[column] for column in columns]
        cells = int(np.prod(shape))
        cell_real = _cell(real, columns, shape)
        share_real = np.bincount(cell_real, minlength=cells) / real.shape[1]
        for part, inside in zip(parts, inside_parts, strict=True):
            cell = _cell(part, columns, shape)
            more = np.bincount(cell, minlength=cells) / part.shape[1] > share_real
            inside += more[cell]
            inside_real += more[cell_real] / len(parts)
    return (share_of_rows(np.concatenate(inside_parts) / len(sets)), share_of_rows(inside_real / len(sets)))


def _cell(bins: np.ndarray, columns: tuple[int, ...], shape: list[int]) -> np.ndarray:
    cell = bins[columns[0]]
    for column, size in zip(columns[1:], shape[1:], strict=True):
        cell = cell * size + bins[column]
    return cell


def _tell_apart(
    real: pd.DataFrame, other: pd.DataFrame, size: int, schema: Schema, learner: str, rng: np.random.Generator
) -> tuple[float, float, float]:
    """AUROC of telling `size` rows of each table apart, and the ends of its interval."""
    num_folds = min(NUM_FOLDS, size)
    if num_folds < 2:
        return NAN, NAN, NAN
    names = [column.name for column in schema.modelled]
    both = stack(*(sample_rows(table[names], size, rng) for table in (real, other)))
    truth = np.repeat([0, 1], size)
    fold = np.concatenate([rng.permutation(size) % num_folds for _ in range(2)])
    values, errors = [], []
    for held in (fold == number for number in range(num_folds)):
        predict = fit_classifier(learner, both[~held], truth[~held], schema.modelled, rng)
        score = predict(both[held])[:, 1]
        values.append(auroc(truth[held], score))
        errors.append(auroc_error(truth[held], score))
    # Every row is tested and teaches the tests of others, so a chance difference is found by all folds: for
    # rows that cannot be told apart the variance is twice that of independent folds.
    value, error = float(np.mean(values)), float(np.sqrt(2 * np.sum(np.square(errors))) / num_folds)
    return (value, *auroc_interval(value, error, size))


def _invalid(table: pd.DataFrame, schema: Schema) -> np.ndarray:
    """Share of each row's values that the Schema does not allow, shape (num_rows,)."""
    wrong = np.zeros(len(table))
    for column in schema.modelled:
        empty = table[column.name].isna().to_numpy()
        if column.is_discrete:
            bad = codes(table, column) == len(column.categories)
        else:
            values, (low, high) = numbers(table, column), column.numeric_range()
            with np.errstate(invalid="ignore"):
                bad = (values < low) | (values > high) | (np.isnan(values) & ~empty)
            if column.kind == "integer":
                bad |= ~np.isnan(values) & (values != np.round(values))
        wrong += bad | (empty & (not column.nullable))
    return wrong / max(len(schema.modelled), 1)


def _quality(real: pd.DataFrame, made: pd.DataFrame, schema: Schema) -> float:
    kinds = {c.name: {"sdtype": "numerical" if c.is_numeric else "categorical"} for c in schema.modelled}
    with _quiet("sdmetrics"), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        from sdmetrics.reports.single_table import QualityReport

        report = QualityReport()
        report.generate(*(_plain(table, schema) for table in (real, made)), {"columns": kinds}, verbose=False)
        return float(report.get_score())


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Hold a library's log below errors back."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _plain(table: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Numbers as float (dates as days), levels as text or None."""
    found = {}
    for column in schema.modelled:
        values = table[column.name]
        found[column.name] = (
            numbers(table, column)
            if column.is_numeric
            else values.astype(object).where(values.notna(), None).map(str, na_action="ignore")
        )
    return pd.DataFrame(found).reset_index(drop=True) if found else pd.DataFrame(index=range(len(table)))
