"""What membership attacks achieve: AUROC, true-positive rates at few false positives, and a test for both.

The scores of an attack on members and on others come in; how they were made is no matter here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import beta, hypergeom

from synthlib.areas import Name
from synthlib.evaluation.intervals import NAN, auroc, auroc_error, auroc_interval
from synthlib.evaluation.leakage.ranks import rank_sum_p_value
from synthlib.scores import Score

RATES = (0.001, 0.01, 0.1)
Scored = tuple[np.ndarray, np.ndarray]
TOP_SHARE = 0.01
MIN_TOP = 10


class Turn(NamedTuple):
    """One half of an attack: what the attacker holds, and whom they ask about.

    Attributes:
        reference: people of the population, neither in train nor asked about.
        members: rows of train.
        others: rows that are not.
    """

    reference: pd.DataFrame
    members: pd.DataFrame
    others: pd.DataFrame

    @property
    def targets(self) -> pd.DataFrame:
        """Members, then others."""
        return pd.concat([self.members, self.others], ignore_index=True)


def split_turns(members: pd.DataFrame, holdout: pd.DataFrame, rng: np.random.Generator) -> list[Turn]:
    """Two turns in which each half of the holdout is the reference once and asked about once.

    Every member is asked about in one of them, so that scores of both turns can be pooled: members and others
    meet both references in the same proportion.

    Raises:
        ValueError: if there are fewer than two members or holdout rows.
    """
    if min(len(members), len(holdout)) < 2:
        raise ValueError(
            f"expected at least two members and two holdout rows, got {len(members)} and {len(holdout)}"
        )
    halves, parts = (np.array_split(rng.permutation(len(t)), 2) for t in (holdout, members))
    return [
        Turn(*(table.iloc[rows].reset_index(drop=True) for table, rows in parts_of_turn))
        for parts_of_turn in (
            ((holdout, halves[1]), (members, parts[0]), (holdout, halves[0])),
            ((holdout, halves[0]), (members, parts[1]), (holdout, halves[1])),
        )
    ]


def membership_scores(
    attack: str, turns: Sequence[Scored], rng: np.random.Generator, population: str = ""
) -> list[Score]:
    """AUROC and true-positive rates at 0.1, 1 and 10% false positives.

    Averages say little about the few whom an attack is sure of; rates at few false positives speak of them. A
    rate is NaN where even the highest score among the others cannot tell so few false positives apart: below
    4,380 others for 0.1%, 436 for 1%, 42 for 10%.

    Args:
        attack: its name, put in brackets.
        turns: scores of members and of others in each turn, shapes (num_members,) and (num_others,); higher:
            more likely a member. AUROCs are averaged and so are their errors, as if both turns were one: the
            reference of one is asked about in the other. The rates are those of all scores together.
        rng: breaks ties.
        population: named in the brackets too, unless it is everybody.

    Returns:
        `membership_auroc[attack]`, `membership_tpr0.1[attack]`, `membership_tpr1[attack]` and
        `membership_tpr10[attack]`; reference: what a guess has.

    Reference: Carlini et al. 2022, "Membership Inference Attacks From First Principles"; DeLong et al. 1988.
    """
    scores = [Score(str(Name("membership_auroc", attack, population)), *_mean_auroc(turns), 0.5)]
    members, others = break_ties(*(np.concatenate(part) for part in zip(*turns, strict=True)), rng)
    for rate in RATES:
        found = true_positive_rate(members, others, rate)
        scores.append(Score(str(Name(f"membership_tpr{100 * rate:g}", attack, population)), *found, rate))
    return scores


def true_positive_rate(
    members: np.ndarray, others: np.ndarray, rate: float, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Share of members that score above all but `rate` of the others, with an interval.

    The threshold is estimated too. Half of what the interval may miss goes to it: at the lower end it is the
    lowest score among the others above which at most `rate` of the population lies for sure, at the upper end
    the highest above which at least `rate` does; then comes a Clopper-Pearson interval.

    Args:
        members, others: scores without ties, shapes (num_members,) and (num_others,).
        rate: of false positives, in (0, 1).
        confidence: of the interval; conservative.

    Returns:
        (value, low, high), all NaN where no score among the others has at most `rate` above it for sure.

    Reference: Clopper and Pearson 1934; order statistics as in Woodruff 1952.
    """
    miss = (1 - confidence) / 4
    if not len(members) or len(others) < enough_others(rate, confidence):
        return NAN, NAN, NAN
    descending = np.sort(others)[::-1]
    place = np.arange(1, len(others) + 1)
    # the share of the population above the k-th highest of n is Beta(k, n - k + 1)
    surely_below = beta.ppf(1 - miss, place, len(others) - place + 1) <= rate
    surely_above = beta.ppf(miss, place, len(others) - place + 1) >= rate
    strict = descending[surely_below][-1]
    low = _clopper_pearson(int((members > strict).sum()), len(members), miss)[0]
    high = 1.0
    if surely_above.any():
        lenient = descending[surely_above][0]
        high = _clopper_pearson(int((members > lenient).sum()), len(members), miss)[1]
    place = np.interp(rate * len(others), np.arange(len(others) + 1), _positives(members, descending))
    return float(place / len(members)), low, high


def enough_others(rate: float, confidence: float = 0.95) -> int:
    """How many others a true-positive rate at this rate of false positives needs."""
    return int(np.ceil(np.log((1 - confidence) / 4) / np.log1p(-rate)))


def membership_p_value(turns: Sequence[Scored], rng: np.random.Generator) -> float:
    """The smallest p value of the turns, times their number; NaN where no turn has members and others."""
    found = [turn_p_value(*turn, rng) for turn in turns]
    known = [value for value in found if not np.isnan(value)]
    return min(1.0, len(known) * min(known)) if known else NAN


def turn_p_value(members: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> float:
    """Chance of such scores if members and others were alike: twice the smaller of two tests' p values.

    The rank-sum test sees what moves everybody, a hypergeometric test on the highest hundredth (at least ten)
    of all scores sees the few whom the attack is sure of. Both are one-sided. NaN without members or others.

    Reference: Mann and Whitney 1947; Fisher 1935.
    """
    if not len(members) or not len(others):
        return NAN
    if np.ptp(np.concatenate([members, others])) == 0:
        return 1.0
    ranks = rank_sum_p_value(members, others)
    members, others = break_ties(members, others, rng)
    num = len(members) + len(others)
    top = min(max(MIN_TOP, int(np.ceil(TOP_SHARE * num))), num)
    highest = np.sort(np.concatenate([members, others]))[-top]
    found = int((members >= highest).sum())
    return min(1.0, 2 * min(ranks, float(hypergeom.sf(found - 1, num, len(members), top))))


def break_ties(
    members: np.ndarray, others: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The ranks of both among each other, ties in random order: a guesser tosses a coin there."""
    pooled = np.concatenate([members, others])
    order = np.lexsort((rng.permutation(len(pooled)), pooled))
    ranks = np.empty(len(pooled))
    ranks[order] = np.arange(len(pooled))
    return ranks[: len(members)], ranks[len(members) :]


def _mean_auroc(turns: Sequence[Scored]) -> tuple[float, float, float]:
    values, errors, smallest = [], [], []
    for members, others in turns:
        if len(members) and len(others):
            truth = np.arange(len(members) + len(others)) < len(members)
            score = np.concatenate([members, others])
            values.append(auroc(truth, score))
            errors.append(auroc_error(truth, score))
            smallest.append(min(len(members), len(others)))
    if not values:
        return NAN, NAN, NAN
    value = float(np.mean(values))
    if min(smallest) < 2:
        return value, NAN, NAN
    return (value, *auroc_interval(value, float(np.mean(errors)), min(smallest)))


def _positives(members: np.ndarray, descending: np.ndarray) -> np.ndarray:
    """Members above each of the others' scores, then all of them: shape (num_others + 1,)."""
    below = np.searchsorted(np.sort(members), descending, "right")
    return np.append(len(members) - below, len(members))


def _clopper_pearson(successes: int, trials: int, miss: float) -> tuple[float, float]:
    """Interval of a share that misses it with at most this chance on each side."""
    low = 0.0 if successes == 0 else float(beta.ppf(miss, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(beta.ppf(1 - miss, successes + 1, trials - successes))
    return low, high
