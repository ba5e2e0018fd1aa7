"""A step of private training against its definition, and deliberately broken ones against the checks."""

import numpy as np
import pytest

from benchmarks import broken_steps
from synthlib.models.accounting import PrivacyError, SampledTraining
from synthlib.models.backend import keras, tf
from synthlib.models.private_checks import check_private_step
from synthlib.models.private_training import MICROBATCH, PrivateStep
from synthlib.models.secrecy import SecretRandom

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 20)).astype(np.float32)
X[:3] *= 1000  # the most extreme patients
Y = (X[:, 0] > 0).astype(np.float32)
TRAINING = SampledTraining("regression", 1.5, 0.2, 10)


def make(kind=PrivateStep, training=TRAINING, clip_norm=0.5, arrays=(X, Y)):
    weights, bias = (
        keras.Variable(np.full((20, 1), 0.01, np.float32)),
        keras.Variable(np.zeros(1, np.float32)),
    )

    def loss(x, y):
        logit = tf.squeeze(tf.matmul(x[None], weights.value)) + bias.value[0]
        return tf.nn.sigmoid_cross_entropy_with_logits(y, logit)

    return lambda random: kind(loss, [weights, bias], arrays, clip_norm, training, random)


BROKEN = {
    broken_steps.NoNoise: "standard deviation",
    broken_steps.NoClipping: "clip norms",
    broken_steps.ClippedTogether: "clip norms",
    broken_steps.NoiseOnce: "independent",
    broken_steps.NoiseInTheFirstStepOnly: "standard deviation",
    broken_steps.NoiseOnTheMean: "standard deviation",
    broken_steps.NoiseByThePatient: "standard deviation",
    broken_steps.DividedByTheBatch: "clip norms",
    broken_steps.FixedSize: "binomial",
    broken_steps.Shuffled: "binomial",
    broken_steps.InOrder: "binomial",
    broken_steps.SmallerBatchesThanSaid: "binomial",
    broken_steps.HigherRate: "rate",
    broken_steps.SameBatchAgain: "independent",
    broken_steps.WrongSign: "along the gradient",
}


def test_the_right_step_passes():
    assert check_private_step(make()) == []


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_a_broken_step_is_found_out(kind):
    problems = check_private_step(make(kind))
    assert any(BROKEN[kind] in problem for problem in problems), problems


def test_the_sum_is_that_of_gradients_clipped_one_by_one():
    step = make(clip_norm=2.2)(SecretRandom())
    rows = np.arange(90)  # more than one part, the last one not full
    assert len(rows) > MICROBATCH and len(rows) % MICROBATCH
    chance = 1 / (1 + np.exp(-X[rows].astype(float) @ np.full(20, 0.01)))
    gradients = (chance - Y[rows])[:, None] * np.column_stack([X[rows], np.ones(90)])
    norms = np.linalg.norm(gradients, axis=1)
    expected = (gradients * np.minimum(1, 2.2 / norms)[:, None]).sum(axis=0)
    np.testing.assert_allclose(step.clipped_sum(rows), expected, atol=1e-3)
    assert (norms > 2.2).any() and (norms < 2.2).any()
    update = np.concatenate([part.ravel() for part in make(clip_norm=2.2)(Silent()).update(rows)])
    np.testing.assert_allclose(update, expected / 20, atol=1e-4)


class Silent(SecretRandom):
    def normal(self, shape):
        return np.zeros(shape)


def test_nobody_is_left_out_of_a_large_batch():
    step = make(training=SampledTraining("t", 1.0, 1.0, 1))(SecretRandom())
    assert np.array_equal(step.choose(), np.arange(100))
    parts = sum(step.clipped_sum(np.array([row])) for row in range(100))
    np.testing.assert_allclose(step.clipped_sum(np.arange(100)), parts, atol=1e-4)


def test_what_others_add_does_not_move_when_somebody_joins_them():
    """One whose gradient is nought shifts all others by a place; in single precision their sum would move."""
    table = np.random.default_rng(1).normal(size=(1000, 20)).astype(np.float32) + 1
    table = np.vstack([table, np.full((1, 20), np.nan, np.float32)])
    step = make(arrays=(table, np.zeros(1001, np.float32)))(SecretRandom())
    alone, joined = step.clipped_sum(np.arange(1000)), step.clipped_sum(np.append(1000, np.arange(1000)))
    assert np.linalg.norm(alone) > 300 * 0.5  # much the same direction: rounding adds up
    assert np.linalg.norm(joined - alone) < 1e-10 * 0.5


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e38])
def test_a_gradient_that_is_no_number_counts_as_none_and_spoils_nothing(value):
    spoilt = X.copy()
    spoilt[5] = value
    step = make(arrays=(spoilt, Y))(SecretRandom())
    alone, among = step.clipped_sum(np.array([5])), step.clipped_sum(np.arange(10))
    assert np.isfinite(among).all() and np.linalg.norm(alone) <= 0.5
    others = step.clipped_sum(np.delete(np.arange(10), 5))
    assert np.linalg.norm(among - others) <= 0.5


@pytest.mark.parametrize("clip_norm", [0, -1, np.inf, np.nan])
def test_a_clip_norm_that_clips_nothing_is_refused(clip_norm):
    with pytest.raises(PrivacyError, match="clip_norm"):
        make(clip_norm=clip_norm)(SecretRandom())
