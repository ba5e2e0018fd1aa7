"""Steps of private training with a mistake in each, for checks and audits that are to find it."""

from __future__ import annotations

import numpy as np

from synthlib.models.backend import tf
from synthlib.models.private_training import PrivateStep


def break_step(step: PrivateStep, kind: type[PrivateStep]) -> PrivateStep:
    """A fresh step of any class, with the mistake of `kind`."""
    step.__class__ = type(kind.__name__, (kind, type(step)), {})
    step._sum = tf.function(step._sum_clipped, autograph=False, reduce_retracing=True)
    return step


class NoNoise(PrivateStep):
    noise_scale = 0.0


class NoClipping(PrivateStep):
    def _sum_clipped(self, counted, *arrays):
        kept, self.clip_norm = self.clip_norm, 1e9
        try:
            return super()._sum_clipped(counted, *arrays)
        finally:
            self.clip_norm = kept


class ClippedTogether(PrivateStep):
    """The sum is clipped, not each patient: with others there, one can turn it about."""

    def clipped_sum(self, rows):
        kept, self.clip_norm = self.clip_norm, 1e9
        total = super().clipped_sum(rows)
        self.clip_norm = kept
        return total * min(1, kept / max(np.linalg.norm(total), 1e-12))


class NoiseOnce(PrivateStep):
    drawn = None

    def update(self, rows):
        if self.drawn is None:
            self.drawn = self.random.normal(sum(self.sizes))
        noisy = self.clipped_sum(rows) + self.noise_scale * self.drawn
        return [noisy.astype(np.float32) / self.expected_batch]


class NoiseInTheFirstStepOnly(PrivateStep):
    done = False

    @property
    def noise_scale(self):
        scale, self.done = 0.0 if self.done else super().noise_scale, True
        return scale


class NoiseOnTheMean(PrivateStep):
    @property
    def noise_scale(self):
        return super().noise_scale / self.expected_batch


class NoiseByThePatient(PrivateStep):
    """Adds the noise of a step to each patient's gradient."""

    def update(self, rows):
        noise = self.noise_scale * self.random.normal((len(rows), sum(self.sizes))).sum(axis=0)
        return [((self.clipped_sum(rows) + noise) / self.expected_batch).astype(np.float32)]


class DividedByTheBatch(PrivateStep):
    def update(self, rows):
        return [part * self.expected_batch / max(len(rows), 1) for part in super().update(rows)]


class FixedSize(PrivateStep):
    def choose(self):
        return np.argsort(self.random.uniform(self.num_patients))[: int(self.expected_batch)]


class Shuffled(PrivateStep):
    left = ()

    def choose(self):
        size = int(self.expected_batch)
        if len(self.left) < size:
            self.left = np.argsort(self.random.uniform(self.num_patients))
        batch, self.left = self.left[:size], self.left[size:]
        return batch


class SmallerBatchesThanSaid(PrivateStep):
    def choose(self):
        return super().choose()[: int(self.expected_batch)]  # the surplus is left out


class HigherRate(PrivateStep):
    def choose(self):
        return np.flatnonzero(self.random.uniform(self.num_patients) < 1.3 * self.training.sampling_rate)


class SameBatchAgain(PrivateStep):
    kept = None

    def choose(self):
        self.kept = super().choose() if self.kept is None else self.kept
        return self.kept


class WrongSign(PrivateStep):
    def clipped_sum(self, rows):
        return -super().clipped_sum(rows)


class InOrder(PrivateStep):
    """Batches are taken off the table, one after another: everybody knows who is in which."""

    turn = 0

    def choose(self):
        size = int(self.expected_batch)
        first, self.turn = self.turn * size % self.num_patients, self.turn + 1
        return np.arange(first, first + size) % self.num_patients
