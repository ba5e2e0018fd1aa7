"""Regressions as an analyst runs them on a table: logistic, linear and Cox, on complete cases."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from synthlib.evaluation.features import codes, missing, numbers
from synthlib.schema import Column, Schema

KINDS = ("logistic", "linear", "cox")
MIN_PATIENTS = 20  # with a level, for a term of its own
MAX_ESTIMATE = 15.0  # log odds or hazards per standard deviation: beyond, the data separate


class Design(NamedTuple):
    """A regression, fixed on the training table, so that it means the same on every table.

    Attributes:
        kind: `"logistic"`, `"linear"` or `"cox"`.
        outcome: name of the column that is explained; of a Cox regression the event (last level).
        time: name of the follow-up time of a Cox regression, else None.
        terms: pairs of column and level; the level is None for a number, and for an ordinal column of more
            than two levels (its position).
        centres, scales: what is taken off a term and what it is divided by, shape (num_terms,) each; numbers
            are in training standard deviations, so that coefficients are per standard deviation.
    """

    kind: str
    outcome: str
    time: str | None
    terms: tuple[tuple[str, object], ...]
    centres: np.ndarray
    scales: np.ndarray

    @property
    def names(self) -> list[str]:
        return [name if level is None else f"{name}={level}" for name, level in self.terms]


def make_design(
    train: pd.DataFrame,
    schema: Schema,
    kind: str,
    outcome: str,
    predictors: Sequence[str],
    time: str | None = None,
) -> Design:
    """Fix the terms of a regression on a training table.

    Levels are compared with the most frequent one; those that fewer than 20 complete cases have count as it.
    Terms that follow from the ones before them are left out.

    Args:
        train: DataFrame of shape (num_rows, num_columns).
        schema: its Schema.
        kind: one of `KINDS`.
        outcome: a column of two levels, or for `"linear"` a numeric one.
        predictors: columns that explain it.
        time: numeric column of follow-up, for `"cox"` alone.

    Raises:
        ValueError: if the kind is unknown, or columns do not fit it.
    """
    _check(schema, kind, outcome, predictors, time)
    bare = Design(kind, outcome, time, (), np.zeros(0), np.ones(0))
    rows = train[_complete(train, schema, bare, predictors)]
    terms = [term for name in predictors for term in _terms(rows, schema[name])]
    x = _raw(rows, schema, terms)
    numeric = np.array([level is None for _, level in terms], dtype=bool)
    centres = np.where(numeric, x.mean(axis=0), 0.0) if len(rows) else np.zeros(len(terms))
    scales = np.where(numeric, x.std(axis=0), 1.0) if len(rows) else np.ones(len(terms))
    scales = np.where(scales > 0, scales, 1.0)
    kept = _independent((x - centres) / scales)
    terms = tuple(term for term, keep in zip(terms, kept, strict=True) if keep)
    return Design(kind, outcome, time, terms, centres[kept], scales[kept])


def fit_design(table: pd.DataFrame, schema: Schema, design: Design) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of a Design on a table and their standard errors, shape (num_terms,) each.

    NaN for terms that do not vary in the table or follow from others there, and for all where the outcome
    does not vary (of a Cox regression: nobody has the event), the data separate, or there are no more
    complete cases than terms.
    """
    predictors = list(dict.fromkeys(name for name, _ in design.terms))
    rows = table[_complete(table, schema, design, predictors)]
    found = np.full((2, len(design.terms)), np.nan)
    x = (_raw(rows, schema, design.terms) - design.centres) / design.scales
    y = _outcome(rows, schema[design.outcome])
    kept = _independent(x)
    if len(rows) <= kept.sum() + 1 or not kept.any():
        return found[0], found[1]
    tells = y.any() if design.kind == "cox" else np.ptp(y) > 0  # that all have the event is no censoring
    if not tells:
        return found[0], found[1]
    time = numbers(rows, schema[design.time]) if design.time else None
    estimates, errors = _fit(design.kind, x[:, kept], y, time)
    wild = (
        ~np.isfinite(estimates)
        | ~np.isfinite(errors)
        | ((np.abs(estimates) > MAX_ESTIMATE) & (design.kind != "linear"))
    )
    found[:, kept] = np.where(wild, np.nan, [estimates, errors])
    return found[0], found[1]


def _check(schema: Schema, kind: str, outcome: str, predictors: Sequence[str], time: str | None) -> None:
    if kind not in KINDS:
        raise ValueError(f"expected a kind of {', '.join(KINDS)}, got {kind!r}")
    modelled = {column.name: column for column in schema.modelled}
    asked = [outcome, *predictors, *([time] if time is not None else [])]
    absent = [name for name in asked if name not in modelled]
    if absent or not predictors or len(set(asked)) < len(asked):
        problem = ", ".join(absent) or f"{len(predictors)} predictors, or a column twice"
        raise ValueError(f"expected different columns of the schema and a predictor, got {problem}")
    if kind == "linear" and not modelled[outcome].is_numeric:
        raise ValueError(f"expected a numeric outcome, {outcome} is {modelled[outcome].kind}")
    if kind != "linear" and len(modelled[outcome].categories) != 2:
        raise ValueError(f"expected an outcome of two levels, {outcome} is {modelled[outcome].kind}")
    if (kind == "cox") != (time is not None) or (time is not None and not modelled[time].is_numeric):
        raise ValueError("expected a numeric time for a Cox regression, and none for another")


def _complete(
    table: pd.DataFrame, schema: Schema, design: Design, predictors: Sequence[str]
) -> np.ndarray:
    needed = [design.outcome, *predictors, *([design.time] if design.time else [])]
    known = np.ones(len(table), dtype=bool)
    for column in (schema[name] for name in needed):
        known &= ~missing(table, column)
        if column.is_discrete:
            known &= codes(table, column) < len(column.categories)
    return known


def _terms(rows: pd.DataFrame, column: Column) -> list[tuple[str, object]]:
    if column.is_numeric or (column.kind == "ordinal" and len(column.categories) > 2):
        return [(column.name, None)]
    counts = np.bincount(codes(rows, column), minlength=len(column.categories))
    usual = int(np.argmax(counts)) if len(column.categories) > 2 else 0
    return [
        (column.name, level)
        for place, level in enumerate(column.categories)
        if place != usual and counts[place] >= MIN_PATIENTS
    ]


def _raw(rows: pd.DataFrame, schema: Schema, terms: Sequence[tuple[str, object]]) -> np.ndarray:
    """Values of the terms, shape (num_rows, num_terms)."""
    found = np.empty((len(rows), len(terms)))
    for place, (name, level) in enumerate(terms):
        column = schema[name]
        if level is None:
            found[:, place] = numbers(rows, column) if column.is_numeric else codes(rows, column)
        else:
            found[:, place] = codes(rows, column) == column.categories.index(level)
    return found


def _outcome(rows: pd.DataFrame, column: Column) -> np.ndarray:
    return numbers(rows, column) if column.is_numeric else codes(rows, column).astype(float)


def _independent(x: np.ndarray) -> np.ndarray:
    """Columns that are no combination of the ones before them and an intercept, shape (num_terms,)."""
    kept = np.zeros(x.shape[1], dtype=bool)
    if not len(x):
        return kept
    basis = np.full((len(x), 1), 1 / np.sqrt(len(x)))
    for place in range(x.shape[1]):
        size = np.linalg.norm(x[:, place])
        rest = x[:, place] - basis @ (basis.T @ x[:, place])
        rest = rest - basis @ (basis.T @ rest)  # twice: the first time leaves rounding errors
        if np.linalg.norm(rest) > 1e-6 * max(size, 1e-12):
            kept[place] = True
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
    return kept


def _fit(kind: str, x: np.ndarray, y: np.ndarray, time: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # that the data separate is seen in the estimates
        import statsmodels.api as sm

        try:
            if kind == "cox":
                fitted = sm.PHReg(time, x, status=y, ties="efron").fit(disp=0)
                return np.asarray(fitted.params), np.asarray(fitted.bse)
            design = sm.add_constant(x, has_constant="add")
            model = sm.OLS(y, design) if kind == "linear" else sm.Logit(y, design)
            fitted = model.fit() if kind == "linear" else model.fit(disp=0, maxiter=50)
            return fitted.params[1:], fitted.bse[1:]
        except (np.linalg.LinAlgError, ValueError):
            return np.full((2, x.shape[1]), np.nan)
