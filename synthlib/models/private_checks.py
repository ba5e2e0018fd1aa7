"""Statistical checks that a step of private training is the mechanism that the accountant accounts for.

They treat a step as a black box: what it publishes, for which patients. They find gross errors, the ones
that people make; no number of checks proves privacy.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import chi2

from synthlib.models.backend import tf
from synthlib.models.private_training import PrivateStep
from synthlib.models.secrecy import SEED_BYTES, SecretRandom

UNLIKELY = 1e-7  # a right step fails a check with about this probability
FAR = 5.5  # standard deviations that are as unlikely
ROUNDING = 1e-3  # relative; of updates in single precision


def check_private_step(make_step: Callable[[SecretRandom], PrivateStep], num_draws: int = 200) -> list[str]:
    """What is wrong with a step of private training, a sentence each; empty if nothing was found.

    Checked are: the batches (each patient by an independent coin), the noise (its size, and that every step
    has its own), what one patient can change (batches with and without them, under the same noise), and that
    the update goes uphill on the loss, so that an optimizer goes down.

    Args:
        make_step: function of a SecretRandom to a fresh step; its table should hold the most extreme patients
            that the schema allows.
        num_draws: batches, and updates by noise alone, that are drawn.
    """
    problems = _check_batches(make_step(SecretRandom()), num_draws)
    problems += _check_noise(make_step(SecretRandom()), num_draws)
    return problems + _check_influence(make_step) + _check_direction(make_step)


def _check_batches(step: PrivateStep, num_draws: int) -> list[str]:
    num, rate = step.num_patients, step.training.sampling_rate
    batches = np.zeros((num_draws, num), dtype=bool)
    for draw in range(num_draws):
        rows = step.choose()
        if len(set(rows.tolist())) < len(rows):
            return ["a batch holds a patient twice"]
        batches[draw, rows] = True
    if rate == 1:
        return [] if batches.all() else ["at a sampling rate of 1 somebody was left out"]
    problems, total, spread = [], num * num_draws, rate * (1 - rate)
    if abs(batches.sum() - total * rate) > FAR * np.sqrt(total * spread):
        problems.append(f"patients are sampled at a rate of {batches.mean():.4g}, not {rate:.4g}")
    statistic = (num_draws - 1) * batches.sum(axis=1).var(ddof=1) / (num * spread)
    if not UNLIKELY < chi2.cdf(statistic, num_draws - 1) < 1 - UNLIKELY:
        problems.append("batch sizes are not binomial: not each patient by a coin of their own")
    shared = (batches[1:] & batches[:-1]).sum()
    pairs = (num_draws - 1) * (rate**2 - rate**4) + 2 * (num_draws - 2) * (rate**3 - rate**4)
    if abs(shared - num * (num_draws - 1) * rate**2) > FAR * np.sqrt(num * pairs):
        problems.append("consecutive batches share too few or too many patients: they are not independent")
    return problems


def _check_noise(step: PrivateStep, num_draws: int) -> list[str]:
    nobody = np.zeros(0, dtype=int)
    noise = np.stack([_flat(step.update(nobody)) for _ in range(num_draws)]).astype(float)
    expected, problems = step.training.noise_multiplier * step.clip_norm / step.expected_batch, []
    statistic = (noise**2).sum() / expected**2
    if not UNLIKELY < chi2.cdf(statistic, noise.size) < 1 - UNLIKELY:
        problems.append(
            f"noise on an update has a standard deviation of {np.sqrt((noise**2).mean()):.4g}, not "
            f"{expected:.4g} (multiplier times clip norm over the expected batch)"
        )
    largest, least = noise.std(axis=1).max(), noise.std(axis=1).min()
    if noise.shape[1] > 30 and least < 0.3 * largest:
        problems.append("some updates have less noise than others")
    if not noise.std() > 0:
        return problems
    alike = (noise[1:] * noise[:-1]).sum() / noise.var() / np.sqrt(noise[1:].size)
    if abs(alike) > FAR:
        problems.append("the noise of consecutive updates is not independent")
    if abs(noise.sum()) / noise.std() / np.sqrt(noise.size) > FAR:
        problems.append("the noise has a mean other than zero")
    return problems


def _check_influence(make_step, num_patients: int = 8) -> list[str]:
    """Under the same noise, a batch with and without a patient differs by the clip norm at most."""
    without, having = (make_step(SecretRandom(b"\x01" * SEED_BYTES)) for _ in range(2))
    num, worst = without.num_patients, 0.0
    others = np.random.default_rng(0).permutation(num)
    for patient in _most_extreme(without.arrays, num_patients):
        for size in (0, 1, min(7, num - 1)):
            batch = others[others != patient][:size]
            change = _flat(having.update(np.append(batch, patient))) - _flat(without.update(batch))
            change = np.linalg.norm(change.astype(float)) * having.expected_batch
            worst = max(worst, change / having.clip_norm if np.isfinite(change) else np.inf)
    if worst > 1 + ROUNDING:
        return [f"one patient changes the sum of a batch by {worst:.4g} clip norms, not 1 at most"]
    return []


def _check_direction(make_step) -> list[str]:
    having, nobody, fresh = (make_step(SecretRandom(b"\x02" * SEED_BYTES)) for _ in range(3))
    cosines, empty = [], np.zeros(0, dtype=int)
    for patient in range(min(5, fresh.num_patients)):
        update = _flat(having.update(np.array([patient]))) - _flat(nobody.update(empty))
        row = [tf.constant(array[patient]) for array in fresh.arrays]
        values = [variable.value for variable in fresh.variables]
        with tf.GradientTape() as tape:
            tape.watch(values)
            loss = fresh.loss(*row)
        truth = tape.gradient(loss, values, unconnected_gradients="zero")
        truth = _flat([tf.convert_to_tensor(value).numpy() for value in truth])
        size = np.linalg.norm(update) * np.linalg.norm(truth)
        if size > 0 and np.isfinite(size):
            cosines.append(float(update @ truth / size))
    if cosines and np.median(cosines) < 0.9:
        return [f"updates do not go along the gradient of the loss (median cosine {np.median(cosines):.2f})"]
    return []


def _most_extreme(arrays, number: int) -> np.ndarray:
    """Numbers of the patients with the largest values in any array, and of some others."""
    size = len(arrays[0])
    values = [np.nan_to_num(np.abs(array.astype(float))).reshape(size, -1).max(axis=1) for array in arrays]
    first = np.argsort(-np.max(values, axis=0))[:number]
    return np.unique(np.append(first, np.linspace(0, size - 1, min(size, number // 2)).astype(int)))


def _flat(arrays) -> np.ndarray:
    return np.concatenate([np.asarray(array).reshape(-1) for array in arrays])
