"""Time to an event: do synthetic patients live as long as real ones, all in all and group by group?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from synthlib.evaluation.features import codes, matched_parts, missing, numbers
from synthlib.evaluation.intervals import NAN, Z, clip, jackknife_half_width, leave_groups_out
from synthlib.schema import Schema
from synthlib.scores import Score

NUM_GROUPS = 10


def survival_agreement(
    train, holdout, synthetic, schema, rng, time: str = "time", event: str = "event"
) -> list[Score]:
    """How far the synthetic table's survival curve is from train's.

    Rows without time or event are left out; who had no event is censored at their time. The curves are
    compared up to the time that a tenth of train's patients were still followed at.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: draws the parts of the synthetic table that are as large as the holdout, and the groups of a
            delete-a-group jackknife, whose error the intervals have.
        time: numeric column of follow-up, not below 0.
        event: column of two levels, of which the last is the event.

    Returns:
        - `km_max_distance`: largest difference of the two Kaplan–Meier curves, in [0, 1];
        - `km_mean_distance`: area between them per unit of time, in [0, 1];
        - `km_mean_difference`: the same signed, synthetic less train: above 0, synthetic rows live longer;
        - `survival_log_hazard_ratio`: synthetic against train, one step from 0 (Peto), with Wald's interval:
          whether it holds 0 is the log-rank test.
        Reference: the holdout's. NaN where a table has no such rows, or nobody has the event.

    Raises:
        ValueError: if the columns are no time and event.

    Reference: Kaplan and Meier 1958; Peto and Peto 1972, "Asymptotically efficient rank invariant test
    procedures"; Kott 2001, "The delete-a-group jackknife".
    """
    real, fresh, made = (follow_up(table, schema, time, event) for table in (train, holdout, synthetic))
    names = ("km_max_distance", "km_mean_distance", "km_mean_difference")
    size = min(len(fresh), len(made))
    if not len(real) or not size:
        return [Score(name, NAN, NAN, NAN, NAN) for name in (*names, "survival_log_hazard_ratio")]
    horizon = float(np.quantile(real[:, 0], 0.9))
    parts, others = (
        [table[rows] for rows in matched_parts(len(table), size, rng)] for table in (made, fresh)
    )

    def measure(one: np.ndarray, several: list[np.ndarray]) -> np.ndarray:
        return np.mean([curve_distances(one, other, horizon) for other in several], axis=0)

    def without(table: np.ndarray) -> list[np.ndarray]:
        return [table[rest] for rest in leave_groups_out(np.arange(len(table)), rng, NUM_GROUPS)]

    value, reference = measure(real, parts), measure(real, others)
    groups = zip(*(without(part) for part in parts), strict=True)
    half = jackknife_half_width(
        [measure(rest, parts) for rest in without(real)], [measure(real, list(group)) for group in groups]
    )
    ranges = ((0, 1), (0, 1), (-1, 1))
    scores = [
        Score(name, float(value[k]), *_ends(value[k], half[k], ends), float(reference[k]))
        for k, (name, ends) in enumerate(zip(names, ranges, strict=True))
    ]
    ratios = [np.mean([log_hazard_ratio(real, other) for other in of], axis=0) for of in (parts, others)]
    (ratio, error), (of_holdout, _) = ratios  # the parts share train, and so most of their error
    ends = (ratio - Z * error, ratio + Z * error)
    return [*scores, Score("survival_log_hazard_ratio", float(ratio), *map(float, ends), float(of_holdout))]


def follow_up(table: pd.DataFrame, schema: Schema, time: str, event: str) -> np.ndarray:
    """Times and events (0 or 1) of the rows that say both, shape (num_rows, 2).

    Raises:
        ValueError: if the columns are not in the schema, or are no number and two levels.
    """
    modelled = {column.name: column for column in schema.modelled}
    if time not in modelled or event not in modelled:
        raise ValueError(f"expected columns of the schema for time and event, got {time!r} and {event!r}")
    at, happened = modelled[time], modelled[event]
    if not at.is_numeric or len(happened.categories) != 2:
        raise ValueError(
            f"expected a number and two levels for time and event, got {at.kind} and {happened.kind}"
        )
    found = np.column_stack([numbers(table, at), codes(table, happened)])
    known = ~missing(table, at) & (found[:, 1] >= 0) & (found[:, 1] < 2) & (found[:, 0] >= 0)
    return found[known]


def kaplan_meier(rows: np.ndarray) -> pd.DataFrame:
    """The survival curve of times and events, one row for each time at which somebody has the event.

    Args:
        rows: times and events (0: censored then), shape (num_rows, 2).

    Returns:
        DataFrame of `time, at_risk, events, survival, low, high`, Greenwood's errors on the scale of
        log(−log). At-risk counts are confidential: mask those below 11 before showing them.

    Reference: Kaplan and Meier 1958; Kalbfleisch and Prentice 2002 (the scale).
    """
    times = np.unique(rows[rows[:, 1] > 0, 0])
    ordered, events = np.sort(rows[:, 0]), np.sort(rows[rows[:, 1] > 0, 0])
    at_risk = len(ordered) - np.searchsorted(ordered, times)
    died = np.searchsorted(events, times, "right") - np.searchsorted(events, times)
    survival = np.cumprod(1 - died / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(np.cumsum(died / (at_risk * (at_risk - died)))) / np.log(survival)
        low, high = survival ** np.exp(-Z * error), survival ** np.exp(Z * error)
    columns = {"time": times, "at_risk": at_risk, "events": died, "survival": survival}
    return pd.DataFrame(columns | {"low": np.minimum(low, high), "high": np.maximum(low, high)})


def curve_distances(first: np.ndarray, second: np.ndarray, horizon: float) -> np.ndarray:
    """Largest, mean absolute and mean signed (second less first) difference of two curves, shape (3,).

    Args:
        first, second: times and events, shape (num_rows, 2).
        horizon: up to which time; the means are over the time from 0 to it.
    """
    curves = [kaplan_meier(rows) for rows in (first, second)]
    inside = [curve["time"][curve["time"] <= horizon] for curve in curves]
    times = np.unique(np.concatenate([[0.0], *inside]))
    levels = []
    for curve in curves:
        place = np.searchsorted(curve["time"].to_numpy(), times, "right")
        levels.append(np.concatenate([[1.0], curve["survival"]])[place])
    gap = levels[1] - levels[0]  # from each time to the next
    width = np.diff(np.append(times, max(horizon, times[-1])))
    span = width.sum() if width.sum() > 0 else NAN
    return np.array([np.abs(gap).max(), (np.abs(gap) * width).sum() / span, (gap * width).sum() / span])


def log_hazard_ratio(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Log hazard ratio of the second to the first, (O − E) / V of the log-rank test, and its error 1 / √V.

    Args:
        first, second: times and events, shape (num_rows, 2).

    Returns:
        (estimate, standard error); NaN without an event that both were at risk of.
    """
    both = np.concatenate([first, second])
    times = np.unique(both[both[:, 1] > 0, 0])

    def at(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ordered, events = np.sort(table[:, 0]), np.sort(table[table[:, 1] > 0, 0])
        died = np.searchsorted(events, times, "right") - np.searchsorted(events, times)
        return len(ordered) - np.searchsorted(ordered, times), died

    (risk, died), (of_second, observed) = at(both), at(second)
    share = of_second / risk
    variance = (died * share * (1 - share) * (risk - died) / np.maximum(risk - 1, 1)).sum()
    if not variance > 0:
        return NAN, NAN
    return float((observed.sum() - (died * share).sum()) / variance), float(1 / np.sqrt(variance))


def _ends(value: float, half: float, within: tuple[float, float]) -> tuple[float, float]:
    return clip((value - half, value + half), *within)
