"""Whether conclusions drawn from a synthetic table are those of the patients: coefficients and intervals.

An analysis of one synthetic table as if its rows were patients claims too much: its interval knows how the
rows vary, not that the generator itself learnt from a sample. `combine` holds the rules that repair this from
several tables, as far as the generator is right; that it is right no rule can say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t

from synthlib.evaluation.features import matched_parts, missing, note_columns, sample_rows
from synthlib.evaluation.intervals import clip, jackknife_half_width, leave_groups_out
from synthlib.evaluation.usefulness.regression import Design, fit_design, make_design
from synthlib.schema import Schema
from synthlib.scores import Score

RULES = ("naive", "partial", "full", "single")
MAX_ROWS = 20_000
MAX_PREDICTORS = 12
MAX_MISSING = 0.1
NUM_GROUPS = 10
RANGES = {
    "inference_bias": (0.0, np.inf),
    "inference_overlap": (0.0, 1.0),
    "inference_width_ratio": (0.0, np.inf),
    "inference_coverage": (0.0, 1.0),
    "inference_verdicts": (0.0, 1.0),
}


class Combined(NamedTuple):
    """What several tables say together: estimates, standard errors, degrees of freedom; (num_terms,) each."""

    estimate: np.ndarray
    error: np.ndarray
    freedom: np.ndarray

    @property
    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the 95% intervals, shape (num_terms,) each."""
        half = t.ppf(0.975, self.freedom) * self.error
        return self.estimate - half, self.estimate + half


def combine(
    estimates: np.ndarray, errors: np.ndarray, rule: str, num_synthetic: int, num_train: int
) -> Combined:
    """Estimates of m synthetic tables as one, with the variance that the way of making them asks for.

    With q̄ the mean estimate, v̄ the mean squared standard error and b the variance between tables:

    - `"naive"`: the first table as if its rows were patients. Too sure: for a perfect generator and as many
      rows as train has, its 95% interval holds the true value 83% of the time.
    - `"partial"`: v̄ + b / m. Tables with train's number of rows, drawn from one fit or from several
      (Reiter 2003; Reiter and Kinney 2012).
    - `"full"`: (1 + 1/m) b − v̄. Each table from another draw of the generator's parameters given the data,
      which a refit with another seed is not. Where that is negative, v̄ times rows over training rows;
      degrees of freedom are no fewer than 1.
    - `"single"`: v̄ (rows / training rows + 1/m). Tables from one fit of an efficient generator that is right;
      works for one table, and for any number of rows (Raab, Nowok and Dibben 2016).

    None repairs a generator that is wrong: bias stays. Deep generators converge more slowly than an efficient
    model, so that even the repaired intervals may be too short (Decruyenaere et al. 2023).

    Args:
        estimates, errors: coefficients and standard errors, shape (num_tables, num_terms).
        rule: one of `RULES`; `"partial"` and `"full"` need two tables.
        num_synthetic, num_train: rows of each synthetic table, and of the training table.

    Raises:
        ValueError: for an unknown rule, arrays of other shapes, or too few tables.

    Reference: Raghunathan, Reiter and Rubin 2003, "Multiple imputation for statistical disclosure
    limitation"; Reiter 2002, "Satisfying disclosure restrictions with synthetic data sets"; Reiter 2003,
    "Inference for partially synthetic, public use microdata sets"; Raab, Nowok and Dibben 2016, "Practical
    data synthesis for large samples".
    """
    estimates, errors = np.atleast_2d(estimates), np.atleast_2d(errors)
    if rule not in RULES:
        raise ValueError(f"expected a rule of {', '.join(RULES)}, got {rule!r}")
    if estimates.shape != errors.shape or not len(estimates):
        raise ValueError(f"expected estimates and errors alike, got {estimates.shape} and {errors.shape}")
    m = len(estimates)
    if m < 2 and rule in ("partial", "full"):
        raise ValueError(f"expected at least two synthetic tables for the rule {rule!r}, got {m}")
    large = np.full(estimates.shape[1], np.inf)
    if rule == "naive":
        return Combined(estimates[0], errors[0], large)
    mean, within = estimates.mean(axis=0), (errors**2).mean(axis=0)
    if rule == "single":
        return Combined(mean, np.sqrt(within * (num_synthetic / num_train + 1 / m)), large)
    between = estimates.var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        if rule == "partial":
            freedom = (m - 1) * (1 + within / (between / m)) ** 2
            return Combined(mean, np.sqrt(within + between / m), np.where(between > 0, freedom, np.inf))
        spread = (1 + 1 / m) * between
        freedom = (m - 1) * (1 - within / spread) ** 2
        negative = ~(spread > within)
        total = np.where(negative, within * num_synthetic / num_train, spread - within)
        return Combined(mean, np.sqrt(total), np.where(negative, np.inf, np.maximum(freedom, 1.0)))


def inference_agreement(
    train: pd.DataFrame,
    syntheses: Sequence[pd.DataFrame],
    schema: Schema,
    kind: str,
    outcome: str,
    predictors: Sequence[str],
    time: str | None = None,
) -> pd.DataFrame:
    """Coefficients of a regression on the training table beside those of synthetic ones, by each rule.

    Args:
        train: DataFrame of shape (num_rows, num_columns).
        syntheses: one or more synthetic tables of one number of rows.
        schema: theirs.
        kind, outcome, predictors, time: see `regression.make_design`; coefficients are log odds ratios, log
            hazard ratios or differences, of numbers per training standard deviation, of levels against the
            most frequent one; complete cases only.

    Returns:
        DataFrame with a row per term and rule: `term, rule, real, real_low, real_high, synthetic,
        synthetic_low, synthetic_high`, and

        - `bias`: synthetic less real estimate, in standard errors of the real one;
        - `overlap`: of the two intervals, mean share of each that the other covers; 0 for disjoint ones;
        - `width_ratio`: synthetic interval's width per real one's;
        - `coverage`: whether the interval holds the real estimate; for `"naive"` the share of the tables
          whose interval does. Fresh patients as many as train's would reach 0.83;
        - `same_verdict`: whether both say the same of the sign and of significance at 5%.

        NaN where a table cannot show a term. Confidential as train, as all scores of single columns are.

    Raises:
        ValueError: if there is no synthetic table, their numbers of rows differ, or columns do not fit.

    Reference: Karr et al. 2006, "A framework for evaluating the utility of data altered to protect
    confidentiality" (overlap); see `combine` for the rules.
    """
    sizes = {len(table) for table in syntheses}
    if len(sizes) != 1:
        raise ValueError(f"expected synthetic tables of one number of rows, got {len(sizes)} numbers")
    (size,) = sizes
    design = make_design(train, schema, kind, outcome, predictors, time)
    real = Combined(*fit_design(train, schema, design), np.full(len(design.terms), np.inf))
    fits = np.array([fit_design(table, schema, design) for table in syntheses])  # (num_tables, 2, num_terms)
    shares = np.mean([compare(real, Combined(*fit, real.freedom))["coverage"] for fit in fits], axis=0)
    reports = []
    for rule in RULES if len(syntheses) > 1 else ("naive", "single"):
        made = combine(fits[:, 0], fits[:, 1], rule, size, len(train))
        report = {"term": design.names, "rule": rule}
        for name, one in (("real", real), ("synthetic", made)):
            report |= {name: one.estimate, f"{name}_low": one.interval[0], f"{name}_high": one.interval[1]}
        compared = compare(real, made)
        reports.append(
            pd.DataFrame(report | compared | ({"coverage": shares} if rule == "naive" else {}))
        )
    return pd.concat(reports, ignore_index=True)


def compare(real: Combined, made: Combined) -> dict[str, np.ndarray]:
    """How near made estimates and intervals are to real ones, by name, shape (num_terms,) each.

    What `made` cannot show (NaN) has no bias or width, covers nothing and gives no verdict.
    """
    (low, high), (made_low, made_high) = real.interval, made.interval
    shown = np.isfinite(made.estimate) & np.isfinite(made_high)
    with np.errstate(invalid="ignore", divide="ignore"):
        common = np.maximum(np.minimum(high, made_high) - np.maximum(low, made_low), 0)
        overlap = (common / (high - low) + common / (made_high - made_low)) / 2
        verdicts = [np.where(a > 0, 1, np.where(b < 0, -1, 0)) for a, b in (real.interval, made.interval)]
        return {
            "bias": (made.estimate - real.estimate) / real.error,
            "overlap": np.where(shown, overlap, 0.0),
            "width_ratio": (made_high - made_low) / (high - low),
            "coverage": np.where(shown, (made_low <= real.estimate) & (real.estimate <= made_high), 0.0),
            "same_verdict": np.where(shown, verdicts[0] == verdicts[1], 0.0),
        }


def inference_scores(train, holdout, synthetic, schema, rng) -> list[Score]:
    """Whether a regression of the target comes out alike, as an analyst of one synthetic table would run it.

    Logistic for two levels, linear for a number; the first twelve features of which at most a tenth is
    missing in train; complete cases; naive intervals. Synthetic table and holdout are compared with train in
    parts of one size, since errors and verdicts depend on how many rows there are.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns); at most 20,000 rows are used.
        schema: theirs.
        rng: draws the parts, and the groups of a delete-a-group jackknife, whose error the intervals have.

    Returns:
        Over the terms of the regression:

        - `inference_bias`: median absolute difference of the coefficients, in the real ones' standard errors;
        - `inference_overlap`: mean overlap of the 95% intervals;
        - `inference_width_ratio`: median ratio of their widths at equal numbers of rows; below 1 too sure;
        - `inference_coverage`: share of the naive intervals that hold train's estimate;
        - `inference_verdicts`: share of terms with the same sign and the same significance.

        Reference: the holdout's. None without such a target, or without a term that train can show.

    Reference: see `inference_agreement`; Kott 2001, "The delete-a-group jackknife".
    """
    train, holdout, synthetic = (sample_rows(table, MAX_ROWS, rng) for table in (train, holdout, synthetic))
    design = _usual_design(train, schema)
    size = min(len(holdout), len(synthetic))
    if design is None or not len(design.terms) or not size:
        return []

    def fit(table: pd.DataFrame, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return fit_design(table.iloc[rows], schema, design)

    def summarise(one: tuple, others: list[tuple]) -> np.ndarray:
        return np.mean([_summary(one, other, np.sqrt(size / len(train))) for other in others], axis=0)

    parts, fresh = (matched_parts(len(table), size, rng) for table in (synthetic, holdout))
    whole = np.arange(len(train))
    real, made = fit(train, whole), [fit(synthetic, rows) for rows in parts]
    if np.isnan(real[0]).all():
        return []
    value, reference = summarise(real, made), summarise(real, [fit(holdout, rows) for rows in fresh])
    without_real = [summarise(fit(train, rest), made) for rest in leave_groups_out(whole, rng, NUM_GROUPS)]
    groups = zip(*(leave_groups_out(rows, rng, NUM_GROUPS) for rows in parts), strict=True)
    without_made = [summarise(real, [fit(synthetic, rest) for rest in group]) for group in groups]
    half = jackknife_half_width(without_real, without_made)
    scores = []
    for k, (name, within) in enumerate(RANGES.items()):
        ends = clip((value[k] - half[k], value[k] + half[k]), *within)
        scores.append(Score(name, float(value[k]), *ends, float(reference[k])))
    return scores


def explain_inference(train: pd.DataFrame, schema: Schema) -> list[str]:
    """Why there are no scores of a regression; empty if there may be, or without a target."""
    if schema.target is None or not schema.features:
        return []
    target = schema[schema.target]
    if target.is_discrete and len(target.categories) != 2:
        return [f"regressions are left out: {target.name} has {len(target.categories)} levels, expected two"]
    if _usual_design(train, schema) is None:
        return [f"regressions are left out: no feature of which {1 - MAX_MISSING:.0%} are known in train"]
    return []


def _usual_design(train: pd.DataFrame, schema: Schema) -> Design | None:
    if schema.target is None:
        return None
    target = schema[schema.target]
    if not target.is_numeric and len(target.categories) != 2:
        return None
    known = [name for name in schema.features if missing(train, schema[name]).mean() <= MAX_MISSING]
    kind = "linear" if target.is_numeric else "logistic"
    note_columns(MAX_PREDICTORS, len(known), "predictors (the first)")
    return make_design(train, schema, kind, target.name, known[:MAX_PREDICTORS]) if known else None


def _summary(real: tuple, made: tuple, scale: float) -> np.ndarray:
    """The five scores over the terms that the real table shows, shape (5,)."""
    shown = np.isfinite(real[0])
    if not shown.any():
        return np.full(len(RANGES), np.nan)
    large = np.full(int(shown.sum()), np.inf)
    found = compare(*(Combined(*(part[shown] for part in one), large) for one in (real, made)))
    bias, ratio = (found[name][np.isfinite(found[name])] for name in ("bias", "width_ratio"))
    return np.array(
        [
            np.median(np.abs(bias)) if len(bias) else np.nan,
            found["overlap"].mean(),
            np.median(ratio) * scale if len(ratio) else np.nan,
            found["coverage"].mean(),
            found["same_verdict"].mean(),
        ]
    )
