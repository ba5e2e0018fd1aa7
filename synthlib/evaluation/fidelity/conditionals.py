"""Conditional draws against known truth: outcome rates by way of setting a value, calibration of chances.

Conditioning is not intervention. Rows drawn under `treated = 1` are like those who *were* treated, who were
sicker; what treatment does to everybody is another question, which a generator answers only where all common
causes of treatment and outcome are in the table, and are kept (standardisation).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from synthlib.evaluation.intervals import NAN, difference_interval
from synthlib.scores import Score, bootstrap_interval, wilson_interval

WAYS = ("conditioned", "standardised", "intervened")
NUM_RESAMPLES = 300


def compare_interventions(
    conditioned: Mapping[Hashable, pd.DataFrame],
    standardised: Mapping[Hashable, pd.DataFrame] | None,
    intervened: Mapping[Hashable, pd.DataFrame] | None,
    outcome: str,
    level: object = 1,
) -> pd.DataFrame:
    """How often an outcome occurs when a variable has each of its values, by way of giving it the value.

    Args:
        conditioned: value → rows that were drawn given the value.
        standardised: value → twins: rows that keep their confounders and are given the value.
        intervened: value → rows of a world in which everybody has the value (the truth, where it is known).
            Both may be None.
        outcome: column whose rate is compared.
        level: the value of the outcome that is counted.

    Returns:
        DataFrame with a row per value (`quantity` is "rate") and one for the last value's rate less the
        first's ("effect"): `quantity, value`, and for each way that is given `way, way_low, way_high`,
        rates in [0, 1] with 95% Wilson intervals and differences with Newcombe's (which take samples as
        independent, and so are wide for twins). Rows whose outcome is missing are left out.

    Raises:
        ValueError: if there are fewer than two values, or the ways speak of different ones.

    Reference: Pearl 2009, "Causality", chapter 3; Robins 1986 (standardisation, the g-formula).
    """
    values = list(conditioned)
    if len(values) < 2:
        raise ValueError(f"expected at least two values to compare, got {len(values)}")
    report = pd.DataFrame(
        {
            "quantity": ["rate"] * len(values) + ["effect"],
            "value": [*map(str, values), f"{values[-1]} − {values[0]}"],
        }
    )
    for way, tables in zip(WAYS, (conditioned, standardised, intervened), strict=True):
        if tables is None:
            continue
        if set(tables) != set(values):
            raise ValueError(f"expected each way to have the same {len(values)} values, {way} has others")
        rates = [_rate(tables[value], outcome, level) for value in values]
        effect = rates[-1][0] - rates[0][0]
        rates.append((effect, *difference_interval(rates[-1], rates[0])))
        report[[way, f"{way}_low", f"{way}_high"]] = rates
    return report


def conditional_calibration(
    truth: np.ndarray, num_events: np.ndarray, num_draws: np.ndarray | int, rng: np.random.Generator
) -> list[Score]:
    """Whether rows drawn given a profile of covariates have the outcome as often as such patients do.

    The draws of each profile are regressed on its true log odds (logistic regression, all draws): noise is in
    the draws, so that the truth belongs on the right-hand side. A slope below 1 means chances that depend too
    little on the profile.

    Args:
        truth: true probability of the outcome for each profile, in (0, 1), shape (num_profiles,).
        num_events: draws of each profile with the outcome, shape (num_profiles,).
        num_draws: draws of each profile, a number or shape (num_profiles,).
        rng: resamples profiles for the intervals, and draws what chance alone would do.

    Returns:
        `conditional_slope` (reference 1), `conditional_intercept` (log odds at a true chance of one half;
        reference 0) and `conditional_error`, the mean absolute difference of drawn share and true
        probability; its reference is what perfect conditionals would score with as many draws. Bootstrap
        intervals over profiles; NaN with fewer than three profiles.

    Raises:
        ValueError: if shapes differ, a true probability is not inside (0, 1), or counts are impossible.

    Reference: Cox 1958, "Two further applications of a model for binary regression" (slope and intercept).
    """
    truth, events = np.asarray(truth, dtype=float), np.asarray(num_events, dtype=float)
    draws = np.broadcast_to(np.asarray(num_draws, dtype=float), truth.shape)
    if truth.ndim != 1 or truth.shape != events.shape:
        raise ValueError(f"expected one number a profile, got shapes {truth.shape} and {events.shape}")
    if not ((truth > 0) & (truth < 1)).all():
        raise ValueError(
            f"expected true probabilities inside (0, 1), {int((~((truth > 0) & (truth < 1))).sum())} are not"
        )
    if not ((draws >= 1) & (events >= 0) & (events <= draws)).all():
        raise ValueError("expected at least one draw a profile, and as many events or fewer")
    if len(truth) < 3:
        return [
            Score(f"conditional_{name}", NAN, NAN, NAN, at)
            for name, at in (("slope", 1.0), ("intercept", 0.0), ("error", NAN))
        ]
    chance = rng.binomial(draws.astype(int), truth, (NUM_RESAMPLES, len(truth))) / draws
    references = {"slope": 1.0, "intercept": 0.0, "error": float(np.abs(chance - truth).mean())}
    statistics = {
        "slope": lambda *rows: _recalibrate(*rows)[1],
        "intercept": lambda *rows: _recalibrate(*rows)[0],
        "error": lambda p, k, n: float(np.abs(k / n - p).mean()),
    }
    scores = []
    for name, statistic in statistics.items():
        ends = bootstrap_interval(statistic, truth, events, draws, rng=rng, num_resamples=NUM_RESAMPLES)
        scores.append(
            Score(f"conditional_{name}", float(statistic(truth, events, draws)), *ends, references[name])
        )
    return scores


def _rate(table: pd.DataFrame, outcome: str, level: object) -> tuple[float, float, float]:
    found = table[outcome].dropna()
    share = float((found == level).mean()) if len(found) else NAN
    return (share, *wilson_interval(share * len(found), len(found)))


def _recalibrate(truth: np.ndarray, events: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Intercept and slope of the draws' log odds on the true ones, by Newton's method, shape (2,).

    NaN where the profiles do not tell (one true probability, or an outcome that never or always came).
    """
    x = np.column_stack([np.ones(len(truth)), logit(truth)])
    if np.ptp(x[:, 1]) < 1e-9 or events.sum() in (0, draws.sum()):
        return np.full(2, np.nan)
    weights = np.array([logit(events.sum() / draws.sum()), 0.0])
    for _ in range(50):
        chance = expit(x @ weights)
        information = x.T @ (x * (draws * chance * (1 - chance))[:, None])
        step = np.linalg.lstsq(information, x.T @ (events - draws * chance), rcond=None)[0]
        weights = weights + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-9:
            break
    return weights
