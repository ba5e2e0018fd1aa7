"""Scores and their intervals, against values worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthlib.scores import Score, bootstrap_interval, to_report, wilson_interval


def test_a_report_has_a_row_a_score():
    report = to_report([Score("a", 1.0, 0.5, 1.5, 0.9), Score("b[x]", 2, 1, 3, float("nan"))])
    assert list(report.columns) == ["metric", "value", "low", "high", "reference"]
    assert report["metric"].tolist() == ["a", "b[x]"]
    assert report["value"].tolist() == [1.0, 2.0]


def test_a_report_needs_scores_of_different_names():
    with pytest.raises(ValueError, match="got none"):
        to_report([])
    with pytest.raises(ValueError, match="several of: a"):
        to_report([Score("a", 1, 1, 1, 1), Score("b", 1, 1, 1, 1), Score("a", 2, 2, 2, 2)])


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # z = 1.959964, z² = 3.841459. At 0 of 10: 0 to z² / (10 + z²).
        (0, 10, 0.0, 3.841459 / 13.841459),
        (10, 10, 10 / 13.841459, 1.0),
        # 5 of 10: 0.5 ± z sqrt(10) sqrt(1 + z² / 10) / (2 (10 + z²)) = 0.5 ± 0.263406
        (5, 10, 0.236594, 0.763406),
        # 81 of 263 (Newcombe 1998, table I, method 3)
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_worked_out(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5.1e-5)


def test_wilson_ends_are_exact_where_nothing_or_all_succeeded():
    for trials in range(1, 500):
        assert wilson_interval(0, trials)[0] == 0.0
        assert wilson_interval(trials, trials)[1] == 1.0


def test_wilson_without_trials_is_unknown():
    assert np.isnan(wilson_interval(0, 0)).all()


@given(st.integers(1, 10_000), st.floats(0, 1), st.floats(0.5, 0.99))
def test_wilson_holds_the_share_and_is_symmetric(trials, share, confidence):
    low, high = wilson_interval(share * trials, trials, confidence)
    assert 0 <= low <= share + 1e-12 and share - 1e-12 <= high <= 1
    mirrored = wilson_interval(trials - share * trials, trials, confidence)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_wilson_narrows_with_trials_and_widens_with_confidence():
    widths = [high - low for low, high in (wilson_interval(n / 4, n) for n in (4, 40, 400))]
    assert widths == sorted(widths, reverse=True)
    assert wilson_interval(3, 10, 0.99)[0] < wilson_interval(3, 10, 0.9)[0]


def test_bootstrap_of_a_constant_has_no_width():
    found = bootstrap_interval(np.mean, np.full(10, 3.0), rng=np.random.default_rng(0))
    assert found == (3.0, 3.0)


def test_bootstrap_of_a_mean_is_as_wide_as_theory_says():
    values = np.random.default_rng(1).normal(size=400)
    low, high = bootstrap_interval(np.mean, values, rng=np.random.default_rng(0), num_resamples=2000)
    expected = 1.96 * values.std() / np.sqrt(400)
    assert (low, high) == pytest.approx((values.mean() - expected, values.mean() + expected), abs=0.01)


def test_bootstrap_resamples_arrays_together():
    rows = np.arange(50)

    def broken_pairs(first, second):
        return float((first != second).sum())

    assert bootstrap_interval(broken_pairs, rows, rows, rng=np.random.default_rng(0)) == (0.0, 0.0)


def test_bootstrap_is_the_same_for_the_same_seed():
    values = np.arange(30.0)
    found = [bootstrap_interval(np.mean, values, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_bootstrap_leaves_out_what_is_not_defined():
    values = np.array([1.0, 2.0, np.nan])

    def strict_mean(sample):
        return float("nan") if np.isnan(sample).any() else float(sample.mean())

    low, high = bootstrap_interval(strict_mean, values, rng=np.random.default_rng(0))
    assert 1 <= low <= high <= 2
    assert np.isnan(bootstrap_interval(lambda _: np.nan, values, rng=np.random.default_rng(0))).all()
    assert np.isnan(bootstrap_interval(np.mean, values[:0], rng=np.random.default_rng(0))).all()


def test_bootstrap_refuses_arrays_that_do_not_belong_together():
    with pytest.raises(ValueError, match="equal length, got 3, 4"):
        bootstrap_interval(np.mean, np.zeros(3), np.zeros(4), rng=np.random.default_rng(0))
