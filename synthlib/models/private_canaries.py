"""Gradient canaries: what an adversary who sees every noisy update learns of one patient.

The strongest adversary that the guarantee speaks of knows all patients but one, chooses that one's gradient,
and sees each step's update. Here a canary's gradient is one entry of the parameters, far above the clip norm,
whatever the model; it goes through the step's own sampling, clipping and noise. A canary that is out is a row
whose gradient is nought, so that the number of patients, which is public, tells nothing.

Reference: Nasr et al. 2021, "Adversary instantiation", section 4; Nasr et al. 2023, "Tight auditing of
differentially private machine learning".
"""

from __future__ import annotations

import math

import numpy as np
from dp_accounting.pld import PLDAccountant

from synthlib.models.accounting import COARSEST, RELATION, SampledTraining, account
from synthlib.models.backend import tf
from synthlib.models.private_training import PrivateStep
from synthlib.models.secrecy import SecretRandom

PATIENT, NOBODY = -1, -2  # marks of rows that are no canaries that are in
STATISTICS = ("likelihood", "range", "last")


class Canaries:
    """Canaries among the patients of a private step.

    Args:
        step: fresh, not yet run; the canaries are planted in it, after its other rows.
        entries: of the parameters, flat, that the canaries' gradients are; one canary each.
        times: size of a canary's gradient before clipping, in clip norms.
        alone: whether all other patients' gradients are nought, which leaves the adversary no doubt of them.
    """

    def __init__(self, step: PrivateStep, entries: list[int], times: float = 20.0, alone: bool = True):
        self.step, self.entries = step, np.asarray(entries, dtype=np.int32)
        plain, size, variables = step.loss, times * step.clip_norm, step.variables
        others = np.full(step.num_patients, NOBODY if alone else PATIENT, dtype=np.int32)
        more = len(self.entries)
        step.arrays = [np.concatenate([array, np.repeat(array[:1], more, axis=0)]) for array in step.arrays]
        step.arrays.append(np.concatenate([others, np.full(more, NOBODY, dtype=np.int32)]))
        step.num_patients += more

        def loss(*row):
            flat = tf.concat([tf.reshape(variable.value, (-1,)) for variable in variables], axis=0)
            *row, mark = row
            of_canary = size * tf.reduce_sum(tf.one_hot(mark, flat.shape[0]) * flat)  # of no other row
            return of_canary + tf.cast(mark == PATIENT, tf.float32) * plain(*row)

        step.loss = loss
        self._fresh = dict(step.__dict__)

    def watch(self, included: np.ndarray, random: SecretRandom | None = None) -> np.ndarray:
        """What a whole training's updates say of each canary, in clip norms; float64 (steps, canaries).

        The parameters stay: a canary's gradient is the same wherever they are.

        Args:
            included: which canaries are in, bool (canaries,).
            random: of the training; None draws from the operating system.
        """
        step = self.step
        step.__dict__.clear()
        step.__dict__.update(self._fresh)
        step.random = SecretRandom() if random is None else random
        marks = step.arrays[-1].copy()
        marks[len(marks) - len(self.entries) :] = np.where(included, self.entries, NOBODY)
        step.arrays = [*step.arrays[:-1], marks]
        seen = []
        for _ in range(step.training.num_steps):
            update = np.concatenate([np.asarray(part).reshape(-1) for part in step.run()])
            seen.append(update[self.entries].astype(float) * step.expected_batch / step.clip_norm)
        return np.array(seen)


def weigh(seen: np.ndarray, training: SampledTraining) -> np.ndarray:
    """What speaks for a canary's being in, by each of `STATISTICS`; float64 (canaries, 3).

    `likelihood` is the best that can be had of a right training: the log ratio of what was seen with the
    canary and without. The others look for mistakes: `range` is what noise that repeats does not hide,
    `last` what is seen where batches are taken off the table in its order.

    Args:
        seen: what `Canaries.watch` returned.
        training: as it is accounted for.
    """
    rate, variance = training.sampling_rate, training.noise_multiplier**2
    gain = (2 * seen - 1) / (2 * variance)
    with np.errstate(divide="ignore"):
        each = np.logaddexp(np.log1p(-rate) if rate < 1 else -np.inf, math.log(rate) + gain)
    return np.stack([each.sum(axis=0), seen.max(axis=0) - seen.min(axis=0), seen[-1]], axis=1)


def list_curves(
    training: SampledTraining, delta: float, ratios: np.ndarray, points: int = 200
) -> list[tuple[float, np.ndarray]]:
    """What this training would claim with so many times its noise, for `auditing.epsilon_from_curves`.

    Args:
        training: as it is accounted for.
        delta: at which epsilons are stated.
        ratios: of noise multipliers to the training's.
        points: of each curve.

    Returns:
        For each ratio epsilon at delta, and points (epsilon, delta) that hold all at once, (points, 2).
    """
    curves = []
    for ratio in ratios:
        noise = training.noise_multiplier * float(ratio)
        other = SampledTraining(training.name, noise, training.sampling_rate, training.num_steps)
        stated = account([other], delta, max(1, math.ceil(1 / delta) - 1)).epsilon
        accountant = PLDAccountant(RELATION, 10 * COARSEST).compose(other.event)
        epsilons = np.linspace(0, max(1.0, 1.5 * stated), points)
        curves.append((stated, np.array([[one, accountant.get_delta(one)] for one in epsilons])))
    return curves
