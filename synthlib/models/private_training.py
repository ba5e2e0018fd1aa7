"""A step of DP-SGD.

Each patient enters a batch by a coin of their own; each patient's gradient is clipped by itself; Gaussian
noise is added to the sum of a batch, anew at every step; the sum is divided by the expected batch size.
What an optimizer or an average makes of the result is post-processing.

Gradients are clipped and added in double precision, so that what others add does not depend on who stands
beside them in a part of a batch: in single precision it would, the more the larger the batch. Noise is
added in double precision too, and the sum is not rounded to a grid: of attacks by the last bits of floats
(Mironov 2012) the accountant knows nothing.

Reference: Abadi et al. 2016, "Deep learning with differential privacy", algorithm 1; Casacuberta et al. 2022,
"Widespread underestimation of sensitivity in differentially private libraries and how to fix it".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from synthlib.models.accounting import PrivacyError, SampledTraining
from synthlib.models.backend import keras, tf
from synthlib.models.secrecy import SecretRandom

MICROBATCH = 64  # patients whose gradients are in memory together
HAIR = 1e-5  # by which gradients are clipped below the norm, for rounding


class PrivateStep:
    """The noisy mean gradient of a random batch.

    Args:
        loss: function of one patient's arrays to a scalar; it must depend on nothing but them, the variables
            and what is public. Nothing that it reads may move when another patient leaves the table: neither
            a patient's place in it or in the batch, nor random numbers handed out by such places.
        variables: what gradients are taken of.
        arrays: the table, arrays of shape (num_patients, …); one row a patient.
        clip_norm: Euclidean norm that each patient's gradient is clipped to; a gradient that is not finite
            counts as zero.
        training: noise, sampling rate and number of steps.
        random: where coins and noise come from.
    """

    def __init__(
        self,
        loss: Callable,
        variables: Sequence[keras.Variable],
        arrays: Sequence[np.ndarray],
        clip_norm: float,
        training: SampledTraining,
        random: SecretRandom,
    ):
        if not 0 < clip_norm < np.inf:
            raise PrivacyError(f"expected a clip_norm above 0 and finite, got {clip_norm!r}")
        self.loss, self.variables, self.arrays = loss, list(variables), [np.asarray(a) for a in arrays]
        self.clip_norm, self.training, self.random = float(clip_norm), training, random
        self.num_patients = len(self.arrays[0])
        self.sizes = [int(np.prod(variable.shape)) for variable in self.variables]
        self._sum = tf.function(self._sum_clipped, autograph=False, reduce_retracing=True)

    @property
    def expected_batch(self) -> float:
        """Patients in a batch on average: the divisor of every step, whatever the batch came to."""
        return self.training.sampling_rate * self.num_patients

    @property
    def noise_scale(self) -> float:
        """Standard deviation of the noise on each entry of the sum."""
        return self.training.noise_multiplier * self.clip_norm

    def choose(self) -> np.ndarray:
        """Numbers of the patients in a batch: a coin each, so that their number is binomial."""
        return np.flatnonzero(self.random.uniform(self.num_patients) < self.training.sampling_rate)

    def clipped_sum(self, rows: np.ndarray) -> np.ndarray:
        """Sum of the clipped gradients of these patients, float64 (num_parameters,); no noise in it yet.

        A batch of any size is worked off in parts; nobody is left out.
        """
        total = np.zeros(sum(self.sizes))
        for start in range(0, len(rows), MICROBATCH):
            part = rows[start : start + MICROBATCH]
            padding = np.zeros(MICROBATCH - len(part), dtype=int)
            picked = [array[np.concatenate([part, padding]).astype(int)] for array in self.arrays]
            counted = (np.arange(MICROBATCH) < len(part)).astype(np.float32)
            total += self._sum(counted, *picked).numpy()
        return total

    def update(self, rows: np.ndarray) -> list[np.ndarray]:
        """The noisy mean gradient, an array a variable; safe to publish, and so is all made of it."""
        noisy = self.clipped_sum(rows) + self.noise_scale * self.random.normal(sum(self.sizes))
        parts = np.split((noisy / self.expected_batch).astype(np.float32), np.cumsum(self.sizes)[:-1])
        return [part.reshape(v.shape) for part, v in zip(parts, self.variables, strict=True)]

    def run(self) -> list[np.ndarray]:
        """One step: a fresh batch and fresh noise."""
        return self.update(self.choose())

    def _sum_clipped(self, counted, *arrays):
        values = [variable.value for variable in self.variables]

        def differentiate(row):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(values)
                loss = self.loss(*row)
            gradients = tape.gradient(loss, values, unconnected_gradients="zero")
            return [tf.reshape(tf.convert_to_tensor(part), (-1,)) for part in gradients]

        gradients = tf.vectorized_map(differentiate, arrays)  # each (patients, parameters of a variable)
        gradients = [tf.cast(part, tf.float64) for part in gradients]
        norms = tf.sqrt(tf.add_n([tf.reduce_sum(part * part, axis=1) for part in gradients]))
        finite = tf.math.is_finite(norms)
        gradients = [tf.where(finite[:, None], part, 0.0) for part in gradients]  # 0 times NaN is NaN
        factors = tf.where(finite, self.clip_norm * (1 - HAIR) / tf.maximum(norms, self.clip_norm), 0.0)
        weights = factors * tf.cast(counted, tf.float64)
        sums = [tf.linalg.matvec(part, weights, transpose_a=True) for part in gradients]
        return tf.concat(sums, 0)
