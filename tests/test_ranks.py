"""The rank-sum test under ties: exact where people are few, never far below the truth where they are many."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom, mannwhitneyu, rankdata

from synthlib.evaluation.leakage import ranks
from synthlib.evaluation.leakage.ranks import rank_sum_p_value

SCORES = st.lists(st.integers(0, 3), min_size=1, max_size=5)


def test_two_members_above_two_others():
    assert rank_sum_p_value(np.array([3.0, 4]), np.array([1.0, 2])) == pytest.approx(
        1 / 6
    )  # one choice of six
    assert rank_sum_p_value(np.array([1.0, 2]), np.array([3.0, 4])) == 1
    assert rank_sum_p_value(np.ones(2000), np.ones(1500)) == 1


@given(SCORES, SCORES)
def test_the_share_of_all_choices_that_rank_so_high(members, others):
    pooled = rankdata(members + others)
    chosen = [pooled[list(at)].sum() for at in combinations(range(len(pooled)), len(members))]
    share = np.mean(np.array(chosen) >= pooled[: len(members)].sum() - 1e-9)
    assert rank_sum_p_value(np.array(members), np.array(others)) == pytest.approx(share, abs=1e-12)


def test_without_ties_it_is_the_usual_one():
    rng = np.random.default_rng(0)
    for sizes in ((20, 25), (25, 20)):
        members, others = (rng.normal(size=size) for size in sizes)
        usual = mannwhitneyu(members, others, alternative="greater", method="exact").pvalue
        assert rank_sum_p_value(members, others) == pytest.approx(usual)
    members, others = rng.normal(0.1, 1, 900), rng.normal(size=700)
    usual = mannwhitneyu(members, others, alternative="greater").pvalue
    assert rank_sum_p_value(members, others) == pytest.approx(usual, rel=1e-6)


@pytest.mark.parametrize(("num", "num_others", "high"), [(8, 40, 5), (40, 800, 8), (200, 3000, 20)])
def test_a_few_high_scores_that_tie_are_no_surer_than_they_are(num, num_others, high):
    """Of two scores the number of members with the higher one is hypergeometric; a normal curve is not."""
    usual = []
    for found in range(1, high + 1):
        truth = hypergeom.sf(found - 1, num + num_others, high, num)
        members, others = np.zeros(num), np.zeros(num_others)
        members[:found], others[: high - found] = 1, 1
        if 1e-6 < truth < 0.02:
            found_by = rank_sum_p_value(members, others)
            assert found_by == pytest.approx(truth) if num < 100 else found_by > 0.8 * truth
            usual.append(mannwhitneyu(members, others, alternative="greater").pvalue / truth)
    assert min(usual) < 0.25


def test_both_ways_agree_where_both_can_be_gone(monkeypatch):
    rng = np.random.default_rng(1)
    tables = [(rng.integers(0, 4, 30) + shift, rng.integers(0, 4, 40)) for shift in (0, 1)]
    exact = [rank_sum_p_value(*table) for table in tables]
    monkeypatch.setattr(ranks, "MAX_ADDITIONS", 0)
    assert [rank_sum_p_value(*table) for table in tables] == pytest.approx(exact, rel=0.3)
    assert [rank_sum_p_value(*table) for table in tables] != exact
