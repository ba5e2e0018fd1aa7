"""Audits by independent runs: bounds by rates and by whole curves, tight and seldom above the truth."""

import numpy as np
import pytest
from scipy.stats import norm

from synthlib.evaluation.leakage.auditing import audit_runs, epsilon_from_curves, epsilon_from_rates

MEANS = np.round(np.arange(0.4, 2.01, 0.1), 1)  # of the canary, in standard deviations of the noise


def gaussian_curve(mean):
    """The mean as its own measure of loss, and the privacy curve of a Gaussian that moves by it."""
    epsilons = np.linspace(0, 8, 50)
    deltas = norm.cdf(-epsilons / mean + mean / 2) - np.exp(epsilons) * norm.cdf(-epsilons / mean - mean / 2)
    return float(mean), np.column_stack([epsilons, deltas])


CURVES = [gaussian_curve(mean) for mean in MEANS]


def draw(mean, num_runs, seed):
    rng = np.random.default_rng(seed)
    coins = rng.random(num_runs) < 0.5
    return coins, np.stack([rng.normal(size=num_runs), rng.normal(size=num_runs) + mean * coins], axis=1)


def test_a_curve_is_refuted_by_rates_that_it_does_not_allow():
    # every mechanism that is (0, 0.1)-private keeps hits - alarms to 0.1
    flat = [(1.0, np.array([[0.0, 0.1]]))]
    assert epsilon_from_curves(900, 1000, 100, 1000, flat) == 1.0
    assert epsilon_from_curves(500, 1000, 450, 1000, flat) == 0.0
    assert epsilon_from_curves(0, 1000, 1000, 1000, flat) == 0.0


def test_silence_says_as_much_as_alarm():
    """Few misses refute a curve as few alarms do: (0.5, 0) keeps the others to exp(0.5) times the misses."""
    curve = [(0.5, np.array([[0.5, 0.0]]))]
    assert epsilon_from_curves(1000, 1000, 700, 1000, curve) == 0.5
    assert epsilon_from_curves(300, 1000, 0, 1000, curve) == 0.5


def test_curves_come_near_the_truth_and_rates_alone_do_not():
    coins, statistics = draw(1.0, 20_000, 0)
    found = audit_runs(coins, statistics, 1e-5, curves=CURVES)
    assert found.statistic == 1 and 0.85 < found.low <= 1.0
    assert found.positives + found.negatives == 10_000
    # a Gaussian that moves by one deviation has epsilon 4.38 at this delta
    assert 0.5 < audit_runs(coins, statistics, 1e-5).low < 3


@pytest.mark.parametrize("mean", [0.5, 1.5])
def test_bounds_are_seldom_above_the_truth(mean):
    above = sum(
        audit_runs(*draw(mean, 200, seed), 1e-5, curves=CURVES).low >= mean - 1e-9 for seed in range(60)
    )
    assert above <= 8  # 5 % of 60 and three deviations


def test_nothing_is_shown_by_noise():
    coins, statistics = draw(0.0, 400, 1)
    assert audit_runs(coins, statistics, 0.0).low == 0
    assert audit_runs(coins, statistics, 0.0, curves=CURVES).low == 0


def test_the_counted_runs_bound_as_the_rates_do():
    coins, statistics = draw(3.0, 400, 2)
    found = audit_runs(coins, statistics, 1e-5)
    assert found.low == epsilon_from_rates(*found[2:], 1e-5)


def test_too_few_runs_are_refused():
    with pytest.raises(ValueError, match="at least four runs"):
        audit_runs(np.array([True, False, True]), np.zeros((3, 1)), 0.0)
    with pytest.raises(ValueError, match="statistics each"):
        audit_runs(np.ones(8, dtype=bool), np.zeros((7, 1)), 0.0)
