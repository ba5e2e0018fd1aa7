"""What attacks achieve: worked rates, and intervals that hold the truth."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from synthlib.evaluation.leakage import membership


def rng(seed=0):
    return np.random.default_rng(seed)


def test_auroc_of_four_rows():
    # of the four pairs (3 1) (3 2) (2 1) (2 2), three are won and one is tied
    found = membership.membership_scores("x", [(np.array([3.0, 2]), np.array([1.0, 2]))], rng())
    assert [one.metric for one in found] == [
        "membership_auroc[x]",
        "membership_tpr0.1[x]",
        "membership_tpr1[x]",
        "membership_tpr10[x]",
    ]
    assert found[0].value == 0.875
    assert found[0].low < 0.875 < found[0].high
    assert all(np.isnan(one.value) for one in found[1:])  # two others cannot say what one in ten do
    assert [one.reference for one in found] == [0.5, 0.001, 0.01, 0.1]


def test_true_positive_rate_of_a_hundred_rows():
    # 90 of 100 others are below 0; of four members, the one above all others and the one above 95 count
    others = np.arange(100.0)
    members = np.array([200, 95.5, 50.5, -1])
    assert membership.true_positive_rate(members, others, 0.1)[0] == 0.5
    # half a false positive is 0.5 % and half way between one member and two: a coin is tossed
    assert membership.true_positive_rate(members, others, 0.05)[0] == 0.5
    value, low, high = membership.true_positive_rate(members, others, 0.1)
    assert low < value < high


def test_how_many_others_are_enough():
    assert [membership.enough_others(rate) for rate in membership.RATES] == [4380, 437, 42]
    members = np.linspace(0, 1, 50)
    assert np.isnan(membership.true_positive_rate(members, members[:41] + 0.001, 0.1)[0])
    assert not np.isnan(membership.true_positive_rate(members, members[:42] + 0.001, 0.1)[0])


def test_the_highest_of_just_enough_others_bounds_the_rate():
    """With 42 others and none above, the chance that over a tenth of the population lies above is 1.25 %."""
    assert (1 - 0.1) ** 42 <= 0.0125 < (1 - 0.1) ** 41


def test_equal_scores_are_a_guess():
    same = np.zeros(500)
    found = membership.membership_scores("x", [(same, same)], rng(), "exposed")
    assert found[0].metric == "membership_auroc[x,exposed]"
    assert found[0].value == 0.5
    for score in found[2:]:
        assert score.low <= score.reference <= score.high
        assert score.value == pytest.approx(score.reference, abs=0.05)
    assert membership.turn_p_value(same, same, rng()) == 1


def test_perfect_scores_are_one():
    found = membership.membership_scores("x", [(np.ones(500), np.zeros(500))], rng())
    assert [one.value for one in found[2:]] == [1, 1]
    assert found[2].low > 0.98
    assert found[2].high == 1


def test_intervals_hold_the_true_rate():
    """Of normal scores one deviation apart, with z the quantile of others, it is 1 - Φ(z - 1)."""
    held = dict.fromkeys((0.01, 0.1), 0)
    for seed in range(200):
        draws = rng(seed)
        members, others = draws.normal(1, 1, 300), draws.normal(0, 1, 500)
        for rate in held:
            truth = 1 - norm.cdf(norm.ppf(1 - rate) - 1)
            _, low, high = membership.true_positive_rate(members, others, rate)
            held[rate] += low <= truth <= high
    assert all(count >= 186 for count in held.values())


def test_p_values_are_honest_and_see_a_few_sure_ones():
    alike = [rng(seed).normal(size=140) for seed in range(300)]
    wrong = sum(membership.turn_p_value(row[:60], row[60:], rng()) <= 0.1 for row in alike)
    assert wrong <= 45  # a tenth of 300 and three deviations
    members, others = rng(1).normal(size=2000), rng(2).normal(size=2000)
    members[:40] = 10  # 2 % are sure; the average hardly moves
    assert membership.turn_p_value(members, others, rng()) < 1e-8
    assert np.isnan(membership.turn_p_value(members[:0], others, rng()))


def test_two_turns_are_averaged_and_their_errors_too():
    """Turns won by 0.875 and by 1: 0.9375; two equal turns say no more than one."""
    first, second = (np.array([3.0, 2]), np.array([1.0, 2])), (np.array([1.0, 1]), np.array([0.0, 0]))
    assert membership.membership_scores("x", [first, second], rng())[0].value == 0.9375
    turn = rng(1).normal(1, 1, 60), rng(2).normal(0, 1, 60)
    once, twice = (membership.membership_scores("x", [turn] * num, rng())[0] for num in (1, 2))
    assert once == twice
    empty = np.empty(0), np.empty(0)
    assert membership.membership_scores("x", [turn, empty], rng())[0] == once
    assert np.isnan(membership.membership_scores("x", [empty, empty], rng())[0].value)
    assert membership.membership_p_value([turn, turn], rng()) == 2 * membership.turn_p_value(*turn, rng())
    assert np.isnan(membership.membership_p_value([empty], rng()))


def test_the_stronger_the_attack_the_smaller_its_p_value():
    members, others = rng(1).normal(size=200), rng(2).normal(size=200)
    found = [membership.turn_p_value(members + shift, others, rng()) for shift in (0, 0.3, 1)]
    assert found[0] > found[1] > found[2]


def test_turns_use_everybody_once_and_nobody_twice():
    members, holdout = (pd.DataFrame({"row": range(at, at + 9)}) for at in (0, 100))
    first, second = membership.split_turns(members, holdout, rng())
    assert sorted([*first.members["row"], *second.members["row"]]) == list(range(9))
    assert sorted([*first.others["row"], *second.others["row"]]) == list(range(100, 109))
    for turn in (first, second):
        assert not set(turn.reference["row"]) & set(turn.others["row"])
        assert sorted([*turn.reference["row"], *turn.others["row"]]) == list(range(100, 109))
        assert list(turn.targets["row"]) == [*turn.members["row"], *turn.others["row"]]


def test_too_few_to_take_turns():
    members = pd.DataFrame({"row": [1]})
    with pytest.raises(ValueError, match="at least two members and two holdout rows, got 1 and 1"):
        membership.split_turns(members, members, rng())
