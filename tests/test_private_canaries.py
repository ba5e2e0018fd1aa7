"""Gradient canaries: seen whole without noise, not at all when out; and what their audit finds."""

import numpy as np
import pytest
from scipy.stats import norm

from benchmarks import broken_steps
from benchmarks.step_audit import make_plain
from synthlib.evaluation.leakage.auditing import audit_runs
from synthlib.models.accounting import SampledTraining, calibrate
from synthlib.models.private_canaries import Canaries, list_curves, weigh
from synthlib.models.secrecy import SecretRandom

DELTA = 1e-5
ALWAYS = SampledTraining("t", 2.0, 1.0, 2)


class Silent(SecretRandom):
    def normal(self, shape):
        return np.zeros(shape)


def test_without_noise_a_canary_is_one_clip_norm_and_none_when_out():
    canaries = Canaries(make_plain(ALWAYS), [3, 5])
    seen = canaries.watch(np.array([True, False]), Silent())
    np.testing.assert_allclose(seen, [[1, 0], [1, 0]], atol=1e-4)
    seen = canaries.watch(np.array([False, True]), Silent())
    np.testing.assert_allclose(seen, [[0, 1], [0, 1]], atol=1e-4)


def test_patients_are_there_when_they_are_asked_for():
    alone, among = (Canaries(make_plain(ALWAYS), [3], alone=alone) for alone in (True, False))
    silence = [one.watch(np.array([False]), Silent()) for one in (alone, among)]
    assert abs(silence[0]).max() < 1e-5 < abs(silence[1]).max()
    change = among.watch(np.array([True]), Silent()) - silence[1]
    np.testing.assert_allclose(change, 1, atol=1e-3)


def test_a_sampled_canary_is_in_its_share_of_the_steps():
    canaries = Canaries(make_plain(SampledTraining("t", 1.0, 0.25, 200)), [3])
    assert 0.1 < canaries.watch(np.array([True]), Silent()).mean() < 0.4


def test_the_likelihood_of_one_step_that_all_are_in():
    # log N(z; 1, s) - log N(z; 0, s) = (2 z - 1) / (2 s^2), summed over steps
    seen = np.array([[0.5, 2.0], [1.0, -1.0]])
    found = weigh(seen, ALWAYS)
    np.testing.assert_allclose(found[:, 0], [(0 + 1) / 8, (3 - 3) / 8])
    np.testing.assert_allclose(found[:, 1:], [[0.5, 1.0], [3.0, -1.0]])
    sampled = weigh(np.array([[2.0]]), SampledTraining("t", 1.0, 0.25, 1))
    assert sampled[0, 0] == pytest.approx(np.log(0.75 + 0.25 * np.exp(1.5)))


def test_curves_are_those_of_the_gaussian_mechanism():
    # delta(e) = Phi(-e s + 1 / (2 s)) - exp(e) Phi(-e s - 1 / (2 s)) at noise s (Balle and Wang 2018)
    (less, _), (stated, points) = list_curves(SampledTraining("t", 1.0, 1.0, 1), DELTA, [2.0, 1.0], 20)
    exact = norm.cdf(-points[:, 0] + 0.5) - np.exp(points[:, 0]) * norm.cdf(-points[:, 0] - 0.5)
    np.testing.assert_allclose(points[:, 1], exact, rtol=0.02, atol=1e-6)
    assert less < stated == pytest.approx(4.38, abs=0.05)


@pytest.fixture(scope="module")
def refutes():
    """A function of a mistake, or None, to whether an audit refutes the claim."""
    training = calibrate(2.0, DELTA, 1000, 0.25, 4)
    curves = list_curves(training, DELTA, [1.0], 60)

    def audit(kind):
        step = make_plain(training)
        canaries = Canaries(step if kind is None else broken_steps.break_step(step, kind), [3])
        coins = np.random.default_rng(1).random(160) < 0.5
        seen = [
            canaries.watch(np.array([coin]), SecretRandom(bytes([run] * 32)))
            for run, coin in enumerate(coins)
        ]
        statistics = np.concatenate([weigh(one, training) for one in seen])
        return audit_runs(coins, statistics, DELTA, curves=curves).low > 0

    return audit


@pytest.mark.parametrize("kind", [broken_steps.NoNoise, broken_steps.NoClipping, broken_steps.NoiseOnce])
def test_mistakes_refute_the_claim(refutes, kind):
    assert refutes(kind)


def test_a_right_training_does_not_refute_its_claim(refutes):
    assert not refutes(None)
