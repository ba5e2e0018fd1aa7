"""Intervals: known values, and that they cover what they say."""

import numpy as np
import pytest

from synthlib.evaluation.intervals import (
    auroc,
    auroc_error,
    auroc_interval,
    clip,
    difference_interval,
    mean_interval,
    share_interval,
    share_of_rows,
)


def test_auroc_of_four_rows():
    # the positive .8 beats both negatives, the positive .35 beats .1 alone: 3 of 4 pairs
    assert auroc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])) == 0.75


def test_auroc_counts_ties_half_and_needs_both_kinds():
    assert auroc(np.array([0, 1]), np.array([0.3, 0.3])) == 0.5
    assert np.isnan(auroc(np.array([1, 1]), np.array([0.1, 0.2])))


def test_auroc_error_of_four_rows():
    # shares won: positives .5 and 1, negatives 1 and .5; both variances .125, so √(.125/2 + .125/2)
    error = auroc_error(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8]))
    assert error == pytest.approx(np.sqrt(0.125))


def test_a_perfect_score_of_few_rows_is_not_certain():
    low, high = auroc_interval(1.0, 0.0, 5)
    assert low < 0.6 and high == 1


def test_mean_interval_is_students():
    # mean 2.5 of 1, 2, 3, 4: standard error √(5/3)/2, t with 3 degrees of freedom 3.18245
    x = np.array([1.0, 2.0, 3.0, 4.0])
    half = 3.18245 * np.sqrt(5 / 3) / 2
    assert mean_interval(2.5, x - 2.5) == pytest.approx((2.5 - half, 2.5 + half), rel=1e-5)


def test_mean_interval_of_one_row_says_nothing():
    assert np.isnan(mean_interval(1.0, np.array([0.0]))).all()


def test_share_interval_is_wilsons_for_plain_shares():
    # 5 of 10: centre .5, half-width z/(1+z²/10) · √(.025 + z²/400) with z = 1.95996
    z = 1.959964
    half = z / (1 + z**2 / 10) * np.sqrt(0.025 + z**2 / 400)
    error = np.sqrt(0.5 * 0.5 / 10)
    assert share_interval(0.5, error, 10) == pytest.approx((0.5 - half, 0.5 + half), rel=1e-6)


def test_share_of_rows_that_all_agree_is_not_certain():
    value, low, high = share_of_rows(np.zeros(4))
    assert (value, low) == (0, 0)
    assert high == pytest.approx(1.959964**2 / (4 + 1.959964**2), rel=1e-5)  # Wilson's end for 0 of 4


def test_share_of_no_rows_says_nothing():
    assert np.isnan(share_of_rows(np.zeros(0))).all()


def test_difference_interval_is_newcombes():
    # Newcombe 1998, table II, (a): 56/70 against 48/80, method 10: .0524 to .3339
    z2 = 1.959964**2

    def wilson(k, n):
        half = 1.959964 * np.sqrt(k / n * (1 - k / n) / n + z2 / (4 * n * n)) / (1 + z2 / n)
        centre = (k / n + z2 / (2 * n)) / (1 + z2 / n)
        return k / n, centre - half, centre + half

    assert difference_interval(wilson(56, 70), wilson(48, 80)) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_clip_leaves_nan_alone():
    low, high = clip((float("nan"), 2.0), 0, 1)
    assert np.isnan(low) and high == 1


def test_delong_covers_the_true_auroc():
    """Normal scores one standard deviation apart: the AUROC is Φ(1/√2) = .7602."""
    rng, covered = np.random.default_rng(0), 0
    truth = np.repeat([0, 1], 60)
    for _ in range(200):
        score = rng.normal(truth, 1)
        low, high = auroc_interval(auroc(truth, score), auroc_error(truth, score), 60)
        covered += low <= 0.76025 <= high
    assert 180 <= covered <= 199
