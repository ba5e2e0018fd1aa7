"""An auditor's lower bound on a generator's privacy loss, found by planting canaries in what it learns from.

An auditor, other than a metric, may run the generator: it comes as a function. What the bound shows is real;
what it does not show may still be there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import beta, binom

from synthlib.evaluation.intervals import NAN
from synthlib.evaluation.leakage.canaries import canary_scores, make_canaries
from synthlib.schema import Schema
from synthlib.scores import Score

GUESSED = (1.0, 0.5, 0.25, 0.1)
LARGEST = 64.0
Curve = tuple[float, np.ndarray]  # epsilon at some delta; points (epsilon, delta) of the whole claim


class Audit(NamedTuple):
    """What an audit found.

    Attributes:
        low: the loss epsilon is at least this, with the confidence; 0 says that nothing was shown.
        estimate: the epsilon at which as many guesses would be expected to be right; no bound. Infinite
            where all were.
        guesses, correct: how many canaries it guessed whether they were in, and how many rightly.
        num_canaries, num_runs: canaries in each run, and runs.
        delta, confidence: as asked for.
    """

    low: float
    estimate: float
    guesses: int
    correct: int
    num_canaries: int
    num_runs: int
    delta: float
    confidence: float


class RunsAudit(NamedTuple):
    """What an audit by independent runs found.

    Attributes:
        low: the loss epsilon is at least this, with the confidence.
        statistic: number of the statistic that was used.
        true_positives, positives, false_positives, negatives: of the runs that were counted.
    """

    low: float
    statistic: int
    true_positives: int
    positives: int
    false_positives: int
    negatives: int


def audit_epsilon(
    fit_and_sample: Callable[[pd.DataFrame, int, int], Any],
    train: pd.DataFrame,
    schema: Schema,
    num_canaries: int = 100,
    num_runs: int = 1,
    delta: float = 0.0,
    confidence: float = 0.95,
    seed: int = 0,
    score: Callable[[Any, pd.DataFrame], np.ndarray] | None = None,
    canaries: pd.DataFrame | None = None,
) -> Audit:
    """Plant each canary with probability one half, guess from the outcome which were in, and count.

    An (epsilon, delta) private generator lets few guesses be right, however they are made. Neighbouring
    tables differ in one added or removed row. One run with many canaries is cheap; many runs with few show
    more, since canaries do not drown each other. One further run without canaries tells what each scores
    anyway.

    A canary more is a row more. What the scores tell of the number of rows counts as shown, also against a
    claim that takes that number as public: let them not depend on it, or centre them in each run.

    Args:
        fit_and_sample: function of rows to learn from, a number of rows to draw and a seed; what it returns
            goes to `score`, by default a table. It must do all that the generator's guarantee speaks of.
        train: DataFrame of shape (num_rows, num_columns).
        schema: its Schema.
        num_canaries: in each run, about half of them planted. A tenth of train's rows or fewer.
        num_runs: runs, besides the one without canaries.
        delta: of the guarantee that is looked into.
        confidence: that the bound is no higher than the true epsilon.
        seed: of canaries, coins and runs.
        score: function of what was returned and the canaries to an array of shape (num_canaries,); higher
            says more strongly that a canary was in. A generator's log likelihood is a good one. By default
            how much of the table looks like the canary.
        canaries: DataFrame of the Schema, to be used in place of `make_canaries`.

    Returns:
        Audit.

    Raises:
        ValueError: if num_canaries or num_runs is below 1, delta is not in [0, 1), confidence not in (0, 1),
            or scores come in another number than canaries.

    Reference: Steinke, Nasr and Jagielski 2023, "Privacy auditing with one (1) training run".
    """
    _check(num_canaries, num_runs, delta, confidence)
    rng = np.random.default_rng(seed)
    if canaries is None:
        canaries = make_canaries(train, schema, num_canaries, rng)
    judge = score or (lambda made, rows: canary_scores(made, rows, schema))

    def run(planted: pd.DataFrame) -> np.ndarray:
        rows = pd.concat([train, planted], ignore_index=True) if len(planted) else train
        rows = rows.iloc[rng.permutation(len(rows))].reset_index(drop=True)
        found = np.asarray(judge(fit_and_sample(rows, len(train), int(rng.integers(2**31))), canaries), float)
        if found.shape != (len(canaries),):
            raise ValueError(f"expected {len(canaries)} scores of canaries, got shape {found.shape}")
        return np.nan_to_num(found, nan=0.0)

    anyway = run(canaries.iloc[:0])
    coins = rng.random((num_runs, len(canaries))) < 0.5
    scores = np.array([run(canaries[coin]) for coin in coins]) - anyway
    return bound_from_scores(coins.ravel(), scores.ravel(), delta, confidence, rng)._replace(
        num_canaries=len(canaries), num_runs=num_runs
    )


def bound_from_scores(
    included: np.ndarray, scores: np.ndarray, delta: float, confidence: float, rng: np.random.Generator
) -> Audit:
    """Guess the highest scores in and the lowest out, a few and many of them; the best bound of all counts.

    As many numbers of guesses are tried as `GUESSED` has, each at a confidence that makes up for it.

    Args:
        included: which canaries were in, each with probability one half; bool of shape (num,).
        scores: shape (num,).
        delta, confidence: see `audit_epsilon`.
        rng: breaks ties.
    """
    num = len(scores)
    order = np.lexsort((rng.permutation(num), scores))
    sizes = sorted({max(1, round(share * num)) for share in GUESSED})
    each = 1 - (1 - confidence) / len(sizes)
    found = []
    for guesses in sizes:
        lowest = guesses // 2
        said_in = order[num - (guesses - lowest) :]
        correct = int(included[said_in].sum() + (~included[order[:lowest]]).sum())
        low = epsilon_from_guesses(num, guesses, correct, delta, each)
        with np.errstate(divide="ignore"):
            estimate = float(max(0.0, np.log(correct / np.float64(guesses - correct)))) if correct else 0.0
        found.append(Audit(low, estimate, guesses, correct, num, 1, delta, confidence))
    return max(found, key=lambda audit: (audit.low, audit.guesses))


def epsilon_from_guesses(
    num_canaries: int, guesses: int, correct: int, delta: float = 0.0, confidence: float = 0.95
) -> float:
    """Smallest epsilon under which so many right guesses are not too unlikely.

    Args:
        num_canaries: canaries that were in with probability one half each, independently.
        guesses: how many were guessed, fixed beforehand.
        correct: how many guesses were right.
        delta, confidence: see `audit_epsilon`.

    Returns:
        A lower bound on epsilon, at least 0.

    Reference: Steinke, Nasr and Jagielski 2023, the bound for guesses with abstention.
    """
    if guesses_p_value(num_canaries, guesses, correct, 0.0, delta) > 1 - confidence:
        return 0.0
    if delta == 0:  # the binomial tail as a function of the chance of being right is a beta distribution
        right = float(beta.ppf(1 - confidence, correct, guesses - correct + 1))
        return float(np.log(right) - np.log1p(-right))
    low, high = 0.0, LARGEST
    for _ in range(60):
        middle = (low + high) / 2
        is_unlikely = guesses_p_value(num_canaries, guesses, correct, middle, delta) <= 1 - confidence
        low, high = (middle, high) if is_unlikely else (low, middle)
    return low


def guesses_p_value(num_canaries: int, guesses: int, correct: int, epsilon: float, delta: float) -> float:
    """Most that the chance of so many right guesses can be under (epsilon, delta) differential privacy."""
    right = 1 / (1 + np.exp(-epsilon))
    tail = float(binom.sf(correct - 1, guesses, right))
    if delta == 0 or correct == 0:
        return min(1.0, tail)
    # with delta, some guesses may be given away: the worst number of them
    shares = np.cumsum(binom.pmf(np.arange(correct - 1, -1, -1), guesses, right)) / np.arange(1, correct + 1)
    return min(1.0, tail + 2 * num_canaries * delta * float(shares.max()))


def epsilon_from_rates(
    true_positives: int,
    positives: int,
    false_positives: int,
    negatives: int,
    delta: float = 0.0,
    confidence: float = 0.95,
) -> float:
    """Lower bound on epsilon from many runs with one canary, in or out, and a threshold fixed beforehand.

    Args:
        true_positives, positives: runs with the canary that were taken for such, of how many.
        false_positives, negatives: runs without it that were taken for runs with it, of how many.
        delta, confidence: see `audit_epsilon`.

    Reference: Nasr et al. 2021, "Adversary instantiation"; Clopper and Pearson 1934.
    """
    hit, alarm = _bound_rates(true_positives, positives, false_positives, negatives, confidence)
    bounds = [0.0]
    if hit - delta > 0:
        bounds.append(np.log((hit - delta) / alarm))
    if 1 - alarm - delta > 0 and hit < 1:
        bounds.append(np.log((1 - alarm - delta) / (1 - hit)))
    return float(max(bounds))


def epsilon_from_curves(
    true_positives: int,
    positives: int,
    false_positives: int,
    negatives: int,
    curves: Sequence[Curve],
    confidence: float = 0.95,
) -> float:
    """Lower bound on epsilon for a mechanism of a known kind and unknown noise, as in `epsilon_from_rates`.

    `epsilon_from_rates` holds for every mechanism, and is far below the truth of one whose delta is small:
    events as rare as that delta are not seen. Here each curve is what a mechanism of the kind would claim at
    one level of noise, whole; a curve under which such rates are too unlikely is refuted. That the claimed
    curve is refuted is a finding whatever the mechanism is; the bound speaks of the kind.

    Args:
        true_positives, positives, false_positives, negatives, confidence: see `epsilon_from_rates`.
        curves: epsilon at the delta of interest, and points (epsilon, delta), shape (num_points, 2), of which
            every mechanism with that noise keeps all.

    Returns:
        The largest epsilon whose curve is refuted; 0 if none is.

    Reference: Nasr et al. 2023, "Tight auditing of differentially private machine learning", section 4.
    """
    hit, alarm = _bound_rates(true_positives, positives, false_positives, negatives, confidence)
    refuted = [epsilon for epsilon, points in curves if _is_refuted(hit, alarm, points)]
    return max(refuted, default=0.0)


def _is_refuted(hit: float, alarm: float, points: np.ndarray) -> bool:
    factor, delta = np.exp(points[:, 0]), points[:, 1]
    return bool(hit > (factor * alarm + delta).min() or 1 - alarm > (factor * (1 - hit) + delta).min())


def audit_runs(
    included: np.ndarray,
    statistics: np.ndarray,
    delta: float,
    confidence: float = 0.95,
    curves: Sequence[Curve] | None = None,
) -> RunsAudit:
    """Bound epsilon by independent runs, each with a canary or without, and what was seen in each.

    The first half of the runs chooses the statistic and the threshold above which a canary is said to be in;
    the second half alone is counted.

    Args:
        included: whether the canary was in, by a coin for each run; bool (num_runs,).
        statistics: higher says in; float64 (num_runs, num_statistics).
        delta, confidence: see `audit_epsilon`.
        curves: see `epsilon_from_curves`; None bounds by the rates alone, for any mechanism.

    Raises:
        ValueError: if runs are fewer than four, or as many are not in both arrays.
    """
    if len(included) < 4 or statistics.shape[:1] != included.shape:
        raise ValueError(
            f"expected at least four runs with statistics each, got {included.shape} and {statistics.shape}"
        )

    def bound(rates: tuple[int, int, int, int]) -> float:
        if curves is None:
            return epsilon_from_rates(*rates, delta, confidence)
        return epsilon_from_curves(*rates, curves, confidence)

    half = len(included) // 2
    pilot, chosen = included[:half], (-1.0, 0, 0.0, 0.0)
    for which in range(statistics.shape[1]):
        values = statistics[:half, which]
        for threshold in np.unique(np.quantile(values, np.linspace(0.005, 0.995, 100))):
            rates = _count_rates(pilot, values, threshold)
            hit, alarm = rates[0] / max(rates[1], 1), rates[2] / max(rates[3], 1)
            chosen = max(chosen, (bound(rates), hit - alarm, which, float(threshold)))
    _, _, which, threshold = chosen
    rates = _count_rates(included[half:], statistics[half:, int(which)], threshold)
    return RunsAudit(bound(rates), int(which), *rates)


def _count_rates(included: np.ndarray, values: np.ndarray, threshold: float) -> tuple[int, int, int, int]:
    said = values > threshold
    hits, alarms = int((said & included).sum()), int((said & ~included).sum())
    return hits, int(included.sum()), alarms, int((~included).sum())


def _bound_rates(true_positives, positives, false_positives, negatives, confidence) -> tuple[float, float]:
    miss = (1 - confidence) / 2
    hit = beta.ppf(miss, true_positives, positives - true_positives + 1) if true_positives else 0.0
    alarm = (
        beta.ppf(1 - miss, false_positives + 1, negatives - false_positives)
        if false_positives < negatives
        else 1.0
    )
    return float(hit), float(alarm)


def audit_score(audit: Audit, claimed: float = NAN) -> Score:
    """The audit as a Score `epsilon_audit`: `low` is the bound, none is above; reference: the claim."""
    value = audit.estimate if np.isfinite(audit.estimate) else NAN
    return Score("epsilon_audit", value, audit.low, NAN, claimed)


def _check(num_canaries: int, num_runs: int, delta: float, confidence: float) -> None:
    if num_canaries < 1 or num_runs < 1:
        raise ValueError(f"expected at least one canary and one run, got {num_canaries} and {num_runs}")
    if not 0 <= delta < 1 or not 0 < confidence < 1:
        raise ValueError(f"expected delta in [0, 1) and confidence in (0, 1), got {delta} and {confidence}")
