"""Weighted statistics: worked by hand, and equal to copying the rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthlib.evaluation.intervals import auroc
from synthlib.evaluation.resampling import (
    average_precision,
    draw_weights,
    percentiles,
    spread_interval,
    weighted_auroc,
    weighted_mean,
    weighted_precision,
)

ONCE = np.ones((1, 4))


def test_four_rows_by_hand():
    truth, score = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    # pairs of event and other: (.9, .8) (.9, .1) (.7, .1) won, (.7, .8) lost
    assert weighted_auroc(truth, score, ONCE)[0] == pytest.approx(3 / 4)
    # events stand at places 1 and 3: precision 1/1 and 2/3
    assert average_precision(truth, score) == pytest.approx((1 + 2 / 3) / 2)
    # the second row three times, the last never: the lower event loses to all three
    twice = np.array([[1, 3, 1, 0]])
    assert weighted_auroc(truth, score, twice)[0] == pytest.approx(3 / 6)
    assert weighted_precision(truth, score, twice)[0] == pytest.approx((1 + 2 / 5) / 2)
    assert weighted_mean(score, twice)[0] == pytest.approx((0.9 + 2.4 + 0.7) / 5)


def test_what_says_nothing_scores_a_half_and_the_rate():
    truth, score = np.array([1, 0, 0, 0]), np.zeros(4)
    assert weighted_auroc(truth, score, ONCE)[0] == 0.5
    assert average_precision(truth, score) == 0.25


def test_without_events_there_is_no_answer():
    nobody = np.zeros(4, int)
    assert np.isnan(weighted_auroc(nobody, np.arange(4), ONCE)[0])
    assert np.isnan(average_precision(nobody, np.arange(4)))
    assert np.isnan(weighted_auroc(np.array([1, 0, 0, 0]), np.arange(4), np.array([[0, 1, 1, 1]]))[0])


rows = st.lists(
    st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=12
)


@given(rows)
def test_a_weight_is_so_many_copies(drawn):
    truth, score, count = (np.array(part, dtype=int) for part in zip(*drawn, strict=True))
    copied = np.repeat(np.arange(len(truth)), count)
    found = weighted_auroc(truth, score, count[None, :].astype(float))[0]
    assert found == pytest.approx(auroc(truth[copied], score[copied]), nan_ok=True)
    precision = weighted_precision(truth, score, count[None, :].astype(float))[0]
    assert precision == pytest.approx(average_precision(truth[copied], score[copied]), nan_ok=True)


@given(rows)
def test_average_precision_is_that_of_scikit_learn(drawn):
    from sklearn.metrics import average_precision_score

    truth, score, _ = (np.array(part, dtype=int) for part in zip(*drawn, strict=True))
    if truth.any():
        assert average_precision(truth, score) == pytest.approx(average_precision_score(truth, score))


def test_weights_count_every_row_as_often_as_it_is_drawn():
    weights = draw_weights(50, 200, np.random.default_rng(0))
    assert weights.shape == (201, 50) and (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 50).all()
    assert weights[1:].mean() == 1 and 0.8 < weights[1:].var() < 1.2


def test_intervals_hold_their_own_estimate():
    assert percentiles(np.array([5.0, 1, 2, 3])) == (pytest.approx(1.05), 5)
    assert np.isnan(percentiles(np.array([np.nan, 1, 2]))).all()
    assert np.isnan(percentiles(np.array([1.0, np.nan]))).all()


def test_what_noise_enlarges_may_be_smaller():
    # estimate 2, resamples 3 and 5: spread 1, their mean 2 above the estimate, which may be 2 above the truth
    low, high = spread_interval(np.array([2.0, 3, 5]))
    assert (low, high) == (pytest.approx(2 - 1.96 - 2, abs=1e-3), pytest.approx(2 + 1.96, abs=1e-3))
    assert spread_interval(np.array([2.0, 3, 5]), smallest=0)[0] == 0
    assert np.isnan(spread_interval(np.array([np.nan, 1]))).all()


def test_the_largest_of_equal_groups_is_covered():
    """Eight groups of one mean: their gap is 0, and every estimate of it is above."""
    rng, inside = np.random.default_rng(0), []
    for _ in range(60):
        means = rng.normal(size=8) / 10
        drawn = np.vstack([means, means + rng.normal(size=(200, 8)) / 10])
        low, _ = spread_interval(np.ptp(drawn, axis=1), 0.0)
        inside.append(low == 0)
    assert np.mean(inside) > 0.6
