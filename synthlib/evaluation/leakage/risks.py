"""The risk that an attack adds: its success on members beyond that on people the generator never saw.

Reference: Giomi et al. 2023, "A Unified Framework for Quantifying Privacy Risk in Synthetic Data".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import binom, hypergeom

from synthlib.evaluation.intervals import NAN
from synthlib.scores import Score, wilson_interval


class Trials(NamedTuple):
    """Which of an attack's attempts succeeded, three bool arrays.

    Attributes:
        attack: on members, shape (num_attacks,).
        control: on people who were not in train, shape (num_controls,).
        naive: of a guesser who does not use what the attack uses, shape (num_guesses,).
        who: where each attempt is made both among members and among others, whom it finds there: row numbers
            of shape (2, num_attacks), -1 for nobody. Attempts that find one person are not independent.
    """

    attack: np.ndarray
    control: np.ndarray
    naive: np.ndarray
    who: np.ndarray | None = None

    def of(self, members: np.ndarray, others: np.ndarray) -> Trials:
        """The attempts on some of the members and others, bool arrays; the guesser is that of everybody."""
        return self._replace(attack=self.attack[members], control=self.control[others])


def risk_score(name: str, trials: Trials) -> Score:
    """(attack - control) / (1 - control): the share of attempts that fail on others and succeed on members.

    Not clipped at 0: a negative value says that the attack did better on people the generator never saw.

    Args:
        name: of the Score.
        trials: what succeeded.

    Returns:
        Score of at most 1; its interval combines Wilson's for both rates, at the number of people found where
        attempts find some more than once; reference 0. NaN without attempts, or where the control always
        succeeds, so that nothing can be added.

    Reference: Giomi et al. 2023; Donner and Zou 2012, "Closed-form confidence intervals for
    functions of the normal mean and standard deviation" (ratios).
    """
    if not len(trials.attack) or not len(trials.control):
        return Score(name, NAN, NAN, NAN, 0.0)
    inside, outside = (None, None) if trials.who is None else trials.who
    failed, (f_low, f_high) = _failures(trials.attack, inside)
    spared, (s_low, s_high) = _failures(trials.control, outside)
    if spared == 0:
        return Score(name, NAN, NAN, NAN, 0.0)
    ratio = failed / spared
    # the squared distances of the ratio's ends, from those of the two rates
    up = _ratio_end(failed, spared, f_high - failed, spared - s_low, 1)
    down = _ratio_end(failed, spared, failed - f_low, s_high - spared, -1)
    return Score(name, 1 - ratio, 1 - up, 1 - down, 0.0)


def gain_score(name: str, trials: Trials) -> Score:
    """attack - control: of a hundred guesses, how many more are right of members than of others, as a share.

    What `risk_score` divides by is small where a secret is easily guessed of anybody, and its interval is
    then wide whatever the table leaks. The difference has the same scale for every secret, and is never more
    than what was left to be given away.

    Args:
        name: of the Score.
        trials: what succeeded; attempts that find one person twice are taken for independent.

    Returns:
        Score in [-1, 1] with Newcombe's interval; reference 0. NaN without attempts.

    Reference: Newcombe 1998, "Interval estimation for the difference between independent proportions", 10.
    """
    if not len(trials.attack) or not len(trials.control):
        return Score(name, NAN, NAN, NAN, 0.0)
    (won, low, high), (lost, l_low, l_high) = (
        (float(part.mean()), *wilson_interval(int(part.sum()), len(part)))
        for part in (trials.attack, trials.control)
    )
    gain = won - lost
    down, up = np.hypot(won - low, l_high - lost), np.hypot(high - won, lost - l_low)
    return Score(name, gain, float(gain - down), float(gain + up), 0.0)


def risk_p_value(trials: Trials) -> float:
    """Chance of so many more successes on members if members and others were alike; one-sided and exact.

    Where attempts are made on both sides, those that succeed on one alone count, each person found once.

    Reference: Fisher 1935 (two groups); McNemar 1947 (both sides).
    """
    won, lost = trials.attack, trials.control
    if not len(won) or not len(lost):
        return NAN
    if trials.who is not None:
        inside, outside = trials.who
        only_won, only_lost = len(np.unique(inside[won & ~lost])), len(np.unique(outside[lost & ~won]))
        return float(binom.sf(only_won - 1, only_won + only_lost, 0.5))
    successes, num = int(won.sum() + lost.sum()), len(won) + len(lost)
    return float(hypergeom.sf(int(won.sum()) - 1, num, successes, len(won)))


def _failures(successes: np.ndarray, who: np.ndarray | None) -> tuple[float, tuple[float, float]]:
    failed, repeats = int((~successes).sum()), 1.0
    if who is not None and successes.any():
        repeats = successes.sum() / len(np.unique(who[successes]))
    return failed / len(successes), wilson_interval(failed / repeats, len(successes) / repeats)


def _ratio_end(a: float, b: float, a_gap: float, b_gap: float, side: int) -> float:
    """One end of the interval of a / b, given how far the ends of a and b lie away on that side."""
    b_end = b - side * b_gap
    if side > 0 and b_end <= 0:
        return np.inf
    root = np.sqrt(max((a * b) ** 2 - (a * a - a_gap**2) * (b * b - b_gap**2), 0.0))
    divisor = b * b - b_gap**2
    if divisor == 0:
        return np.inf if side > 0 else max(a * a - a_gap**2, 0.0) / (2 * a * b) if a * b > 0 else 0.0
    return max((a * b + side * root) / divisor, 0.0)
