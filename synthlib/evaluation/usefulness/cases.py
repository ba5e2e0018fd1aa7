"""What a table is used for, once on real rows and once on synthetic ones: a DataFrame each.

Every function returns one row per estimate, with a column that says from which table it comes. Reports on the
real table are as confidential as it is; counts under 11 are masked all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.stats import chi2

from synthlib.evaluation.fairness.groups import SMALL_CELL
from synthlib.evaluation.features import codes, missing, numbers, patients_of
from synthlib.evaluation.intervals import NAN, Z, difference_interval
from synthlib.evaluation.outcomes import families, labelled, predict_alike, truth_of
from synthlib.evaluation.resampling import (
    draw_weights,
    percentiles,
    weighted_auroc,
    weighted_mean,
    weighted_precision,
)
from synthlib.evaluation.usefulness.regression import fit_design, make_design
from synthlib.evaluation.usefulness.survival import follow_up
from synthlib.schema import Schema
from synthlib.scores import wilson_interval

NUM_RESAMPLES = 300
PERIODS = {"year": "Y", "quarter": "Q", "month": "M", "week": "W"}
SOURCES = ("train", "synthetic")


def disease_prediction(train, holdout, synthetic, schema, rng) -> pd.DataFrame:
    """How models of the target, learnt from train and from synthetic rows, predict the holdout's patients.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs, with a target of two levels.
        rng: seeds the learners (alike for both tables), resamples the holdout.

    Returns:
        DataFrame of `learner, trained_on, measure, value, low, high`; measures `auroc`, `auprc`, `brier`.

    Raises:
        ValueError: if the target has not two levels, or no patient of the holdout has a value of it.
    """
    truth, tables, holdout = _two_levels(train, holdout, synthetic, schema)
    weights, rows = draw_weights(len(truth), NUM_RESAMPLES, rng, patients_of(holdout, schema)), []
    for learner in families(schema[schema.target]):
        found = predict_alike(learner, tables, holdout, schema, rng)
        for name, p in zip(SOURCES, found, strict=True):
            measures = {
                "auroc": weighted_auroc(truth, p, weights),
                "auprc": weighted_precision(truth, p, weights),
                "brier": weighted_mean((p - truth) ** 2, weights),
            }
            rows += [
                (learner, name, measure, float(values[0]), *percentiles(values))
                for measure, values in measures.items()
            ]
    return pd.DataFrame(rows, columns=["learner", "trained_on", "measure", "value", "low", "high"])


def decision_curve(
    train, holdout, synthetic, schema, rng, thresholds: Sequence[float] = tuple(np.arange(1, 20) / 20)
) -> pd.DataFrame:
    """Net benefit for real patients of acting on a model's risk, learnt from train or from synthetic rows.

    Acting on everybody whose risk is above a threshold t is worth the share of patients rightly acted on,
    less t / (1 − t) for each wrongly: t says how many needless actions one hit is worth.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs, with a target of two levels. The learner is boosted trees.
        rng: seeds the learner (alike for both tables), resamples the holdout.
        thresholds: risks above which one acts, inside (0, 1).

    Returns:
        DataFrame of `threshold, strategy, net_benefit, low, high, loss, loss_low, loss_high`; strategies
        `train` and `synthetic` (models), `everybody`, `nobody`. `loss` is what a strategy has less than
        train's model, on the same resampled patients.

    Raises:
        ValueError: if the target has not two levels, no patient of the holdout has a value of it, or a
            threshold is not inside (0, 1).

    Reference: Vickers and Elkin 2006, "Decision curve analysis: a novel method for evaluating prediction
    models".
    """
    at = np.asarray(thresholds, dtype=float)
    if not len(at) or not ((at > 0) & (at < 1)).all():
        raise ValueError("expected thresholds inside (0, 1)")
    truth, tables, holdout = _two_levels(train, holdout, synthetic, schema)
    weights, rows = draw_weights(len(truth), NUM_RESAMPLES, rng, patients_of(holdout, schema)), []
    found = predict_alike(families(schema[schema.target])[0], tables, holdout, schema, rng)
    risks = dict(zip(SOURCES, found, strict=True))
    risks |= {"everybody": np.full(len(truth), np.inf), "nobody": np.full(len(truth), -np.inf)}
    for t in at:
        benefit = {name: net_benefit(truth, risk, t, weights) for name, risk in risks.items()}
        for name, values in benefit.items():
            loss = benefit["train"] - values
            ends = (*percentiles(values), float(loss[0]), *percentiles(loss))
            rows.append((float(t), name, float(values[0]), *ends))
    names = ["threshold", "strategy", "net_benefit", "low", "high", "loss", "loss_low", "loss_high"]
    return pd.DataFrame(rows, columns=names)


def net_benefit(
    truth: np.ndarray, risk: np.ndarray, threshold: float, weights: np.ndarray | None = None
) -> np.ndarray:
    """Share of true less weighted share of false positives above a threshold, shape (num_resamples,)."""
    weights = np.ones((1, len(truth))) if weights is None else weights
    worth = np.where(truth > 0, 1.0, -threshold / (1 - threshold))
    return weighted_mean(np.where(risk > threshold, worth, 0.0), weights)


def surveillance(
    train: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema, when: str, event: str, every: str | float
) -> pd.DataFrame:
    """How large a share of the patients of each period has an event, real beside synthetic.

    Args:
        train, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        when: column that says when a patient came: dates, or numbers such as a year or a day of enrolment.
        event: column of two levels, of which the last is counted.
        every: for dates `"year"`, `"quarter"`, `"month"`, `"week"`, or `"season"` for the months of all years
            together; for numbers the width of a period.

    Returns:
        DataFrame of `period, table, patients, events, share, low, high`, Wilson's intervals. Of train,
        periods with 1 to 10 patients, events or patients without one are masked (NaN), and the smallest of
        the others until all masked together have no such count, which would follow from the total.

    Raises:
        ValueError: if the columns or the periods do not fit.
    """
    happened = _column(schema, event)
    if len(happened.categories) != 2:
        raise ValueError(f"expected an event of two levels, {event} is {happened.kind}")
    counts = []
    for table in (train, synthetic):
        events = codes(table, happened)
        frame = pd.DataFrame({"period": _periods(table, schema, when, every), "event": events})
        known = frame[(events >= 0) & (events < 2)].dropna()
        counts.append(known.groupby("period")["event"].agg(["size", "sum"]))
    size, events = counts[0]["size"], counts[0]["sum"]
    parts = np.column_stack([size, events, size - events])
    rows, masked = [], set(counts[0].index[_find_masked(parts, _is_small(parts))])
    for period in sorted(set(counts[0].index) | set(counts[1].index)):
        found = [tuple(count.loc[period]) if period in count.index else (0, 0) for count in counts]
        for name, (n, k) in zip(SOURCES, found, strict=True):
            hidden = name == "train" and period in masked
            shown = (n, k, k / n if n else NAN, *wilson_interval(k, n))
            rows.append((period, name, *map(float, (NAN,) * 5 if hidden else shown)))
    return pd.DataFrame(rows, columns=["period", "table", "patients", "events", "share", "low", "high"])


def _is_small(parts: np.ndarray) -> np.ndarray:
    """Which lines hold a count of 1 to 10 patients, of shape (num_lines, num_counts)."""
    return ((parts > 0) & (parts < SMALL_CELL)).any(axis=1)


def _find_masked(parts: np.ndarray, small: np.ndarray) -> np.ndarray:
    """Which lines are not told: small ones, and the smallest others until no small count follows from totals.

    Args:
        parts: counts that add up to known totals, shape (num_lines, num_counts).
        small: lines that must not be told, shape (num_lines,).
    """
    masked = small.copy()
    while not masked.all() and _is_small(parts[masked].sum(axis=0)[None])[0]:
        masked[np.argmin(np.where(masked, np.inf, parts[:, 0]))] = True
    return masked


def follow_up_incidence(
    train: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    time: str,
    event: str,
    edges: Sequence[float],
    per: float = 1000.0,
) -> pd.DataFrame:
    """Events per time at risk, by how long patients have been followed, real beside synthetic.

    Args:
        train, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        time, event: see `survival.survival_agreement`.
        edges: ends of the intervals of follow-up, ascending from 0 or above, in the unit of time.
        per: time that rates are of, in the same unit: 1,000 patient days.

    Returns:
        DataFrame of `start, end, table, at_risk, events, rate, low, high`, exact Poisson intervals; who has
        the event at an interval's end belongs to it, who has it at 0 to the one that begins there. Of train,
        intervals with 1 to 10 events or patients at risk are masked (NaN), and those with the fewest events
        of the others until all masked together have no such number, which would follow from the total.

    Raises:
        ValueError: if the columns are no time and event, or the edges do not ascend.

    Reference: Garwood 1936, "Fiducial limits for the Poisson distribution".
    """
    ends = np.asarray(edges, dtype=float)
    if len(ends) < 2 or ends[0] < 0 or not (np.diff(ends) > 0).all():
        raise ValueError("expected at least two edges that ascend from 0 or above")
    tables = [follow_up(table, schema, time, event) for table in (train, synthetic)]
    found = [[_follow(table, *pair, per) for pair in pairwise(ends)] for table in tables]
    events = np.array([[k] for _, k, _ in found[0]])
    masked = _find_masked(events, _is_small(np.array([(n, k) for n, k, _ in found[0]])))
    rows = []
    for place, (start, end) in enumerate(pairwise(ends)):
        for name, (n, k, spent) in zip(SOURCES, (of[place] for of in found), strict=True):
            hidden = name == "train" and masked[place]
            low, high = chi2.ppf(0.025, 2 * k) / 2 if k else 0.0, chi2.ppf(0.975, 2 * k + 2) / 2
            shown = (n, k, *(np.array([k, low, high]) / spent if spent else (NAN,) * 3))
            rows.append((start, end, name, *map(float, (NAN,) * 5 if hidden else shown)))
    names = ["start", "end", "table", "at_risk", "events", "rate", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def _follow(rows: np.ndarray, start: float, end: float, per: float) -> tuple[int, int, float]:
    """Patients at risk, events and time at risk of an interval of follow-up."""
    time, event = rows.T
    at_risk = time > start if start > 0 else time >= 0
    spent = np.clip(time, start, end) - start
    return int(at_risk.sum()), int((at_risk & (time <= end) & (event > 0)).sum()), float(spent.sum()) / per


def trial(
    train: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    arm: str,
    outcome: str,
    covariates: Sequence[str] = (),
) -> pd.DataFrame:
    """The effect of a randomised arm on an outcome, estimated from real and from synthetic rows.

    Args:
        train, synthetic: DataFrames of shape (num_rows, num_columns), of a trial: nothing is adjusted for but
            `covariates`, and that for precision.
        schema: theirs.
        arm: column of two levels, the last against the first.
        outcome: column of two levels, the last counts.
        covariates: columns known before the arms were drawn.

    Returns:
        DataFrame of `table, measure, value, low, high`: `risk_difference` (Newcombe's interval),
        `log_odds_ratio` and, with covariates, `adjusted_log_odds_ratio` (Wald's). A last table
        `synthetic_corrected` has the synthetic log odds ratios with errors for a table of one fit, see
        `inference_agreement.combine`, rule `"single"`.

    Raises:
        ValueError: if columns do not fit.
    """
    column = _column(schema, arm)
    if len(column.categories) != 2:
        raise ValueError(f"expected an arm of two levels, {arm} is {column.kind}")
    designs = {"log_odds_ratio": make_design(train, schema, "logistic", outcome, [arm])}
    if covariates:
        adjusted = make_design(train, schema, "logistic", outcome, [arm, *covariates])
        designs["adjusted_log_odds_ratio"] = adjusted
    rows, event = [], schema[outcome]
    for name, table in (("train", train), ("synthetic", synthetic)):
        rows.append((name, "risk_difference", *_risk_difference(table, column, event)))
        for measure, design in designs.items():
            of_arm = bool(design.terms) and design.terms[0][0] == arm
            estimate, error = (found[0] if of_arm else NAN for found in fit_design(table, schema, design))
            rows.append((name, measure, estimate, estimate - Z * error, estimate + Z * error))
            if name == "synthetic":
                wide = Z * error * np.sqrt(len(table) / len(train) + 1)
                rows.append(("synthetic_corrected", measure, estimate, estimate - wide, estimate + wide))
    order = {name: place for place, name in enumerate((*SOURCES, "synthetic_corrected"))}
    rows.sort(key=lambda row: order[row[0]])
    return pd.DataFrame(rows, columns=["table", "measure", "value", "low", "high"])


def _two_levels(train, holdout, synthetic, schema: Schema):
    target = None if schema.target is None else schema[schema.target]
    if target is None or len(target.categories) != 2:
        raise ValueError(f"expected a target of two levels, got {'none' if target is None else target.kind}")
    train, holdout, synthetic = (labelled(table, target) for table in (train, holdout, synthetic))
    if not len(holdout):
        raise ValueError(f"expected patients with a value of {target.name} in the holdout, got none")
    return truth_of(holdout, target), (train, synthetic), holdout


def _column(schema: Schema, name: str):
    modelled = {column.name: column for column in schema.modelled}
    if name not in modelled:
        raise ValueError(f"expected a column of the schema ({', '.join(modelled)}), got {name!r}")
    return modelled[name]


def _periods(table: pd.DataFrame, schema: Schema, when: str, every: str | float) -> np.ndarray:
    """Start of each row's period, or its month of the year (1 to 12); None where it is unknown."""
    column = _column(schema, when)
    if not column.is_numeric:
        raise ValueError(f"expected dates or numbers in {when}, it is {column.kind}")
    known, values = ~missing(table, column), numbers(table, column)
    if column.kind == "datetime":
        if every not in (*PERIODS, "season"):
            raise ValueError(f"expected periods of {', '.join(PERIODS)} or season, got {every!r}")
        dates = pd.Series(pd.to_datetime(values, unit="D"))
        found = dates.dt.month if every == "season" else dates.dt.to_period(PERIODS[every]).dt.start_time
    else:
        if not isinstance(every, int | float) or not every > 0:
            raise ValueError(f"expected the width of a period, got {every!r}")
        found = pd.Series(np.floor(values / every) * every)
    return found.where(pd.Series(known), None).to_numpy()


def _risk_difference(table: pd.DataFrame, arm, outcome) -> tuple[float, float, float]:
    arms, events = codes(table, arm), codes(table, outcome)
    known = (events >= 0) & (events < 2)
    shares = []
    for level in (1, 0):
        of_arm = events[known & (arms == level)]
        share = float(of_arm.mean()) if len(of_arm) else NAN
        shares.append((share, *wilson_interval(of_arm.sum(), len(of_arm))))
    return shares[0][0] - shares[1][0], *difference_interval(*shares)
