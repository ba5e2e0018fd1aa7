"""A conditional Wasserstein GAN for patient tables that starts from the columns' own frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from synthlib.models.backend import keras, ops, tf
from synthlib.models.conditions import Condition
from synthlib.models.encoding import SpanEncoder
from synthlib.models.networks import (
    Generator,
    Layout,
    build_critic,
    gradient_penalty,
    kernel_discrepancy,
    kernel_loss,
)
from synthlib.models.synthesizer import Synthesizer
from synthlib.models.training import Checkpoint, Progress, Validation, to_history

CRITIC_WARM_UP = 0.5  # share of the steps after which the critic joins
AVERAGE_EVERY = 10  # steps between updates of the averaged generator


@dataclass
class TabularGAN(Synthesizer):
    """WGAN-GP with packing, conditions by sampling, and a kernel moment loss.

    The generator's output layers start at the training table's log frequencies, so that it draws independent
    marginals before its first step; a kernel loss on the one-hot rows then teaches it the one-, two- and
    three-way marginals, and a packed critic what a kernel does not see. The best generator by a
    kernel two-sample statistic on rows set aside from `train` is kept.

    Training time grows with `num_steps`, not with the number of rows. Any column can be given when sampling:
    its value is exact, the others follow the generator's idea of the condition.

    Args:
        schema: the table's Schema.
        seed: of initial weights, batches and noise.
        latent_dim: noise numbers a row.
        hidden_dim, num_blocks, num_groups: see `Generator`.
        critic_dim: width of the critic's two hidden layers.
        packing: rows that the critic judges at once; divides `batch_size`.
        critic_steps: critic updates for each generator update.
        num_steps, batch_size: generator updates, and rows in each.
        learning_rate: at the start; it falls along a cosine.
        gradient_penalty_weight, adversarial_weight, moment_weight: weights of the losses.
        condition_share: share of the batch that is generated under a condition.
        temperature: of the straight-through gradient.
        ema: how much the averaged generator keeps at each step.
        validation_fraction: share of `train` set aside for validation; 0 trains to the end.
        patience: validations without improvement before stopping.
        max_states, min_count: see `SpanEncoder`.

    Attributes:
        history_: DataFrame with a row for each validation: step, losses, validation score.

    Reference: Gulrajani et al. 2017, algorithm 1 (losses); Xu et al. 2019, section 4.3 (training by
    sampling); Lin et al. 2018 (packing); Li, Swersky and Zemel 2015 (moment matching).
    """

    seed: int = 0
    latent_dim: int = 128
    hidden_dim: int = 128
    num_blocks: int = 1
    num_groups: int = 4
    critic_dim: int = 128
    packing: int = 8
    critic_steps: int = 1
    num_steps: int = 600
    batch_size: int = 512
    learning_rate: float = 4e-3
    gradient_penalty_weight: float = 10.0
    adversarial_weight: float = 1.0
    moment_weight: float = 10.0
    condition_share: float = 0.2
    temperature: float = 0.7
    ema: float = 0.99
    validation_fraction: float = 0.1
    patience: int = 4
    max_states: int = 16
    min_count: int = 5
    history_: pd.DataFrame | None = field(default=None, init=False, repr=False)

    def fit(
        self,
        train: pd.DataFrame,
        checkpoint: Path | str | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        progress: bool = True,
    ) -> TabularGAN:
        """Train on a table.

        Args:
            train: DataFrame that `schema.check` accepts.
            checkpoint: file that the state is written to after each validation; if it exists, training
                goes on from it. Removed when training ends.
            callbacks: further Keras callbacks; an epoch is the stretch between two validations.
            progress: whether to show a progress bar.

        Raises:
            SchemaError: if `train` is not a table of the schema.
            ValueError: if a hyperparameter is out of range.
            CheckpointError: if the checkpoint belongs to another training.
        """
        self._check_parameters()
        self.schema.check(train)
        keras.utils.set_random_seed(self.seed)
        rng = np.random.default_rng(self.seed)
        self.encoder_ = SpanEncoder(self.schema, self.max_states, self.min_count).fit(train)
        states, positions = self.encoder_.encode(train, rng)
        held_out = self._choose_validation_rows(len(train), rng)
        adversaries = Adversaries(self, Layout(self.encoder_), states[~held_out], positions[~held_out])
        validate = (
            adversaries.two_sample_statistic(states[held_out], positions[held_out])
            if held_out.any()
            else None
        )
        self._train(train, adversaries, validate, checkpoint, callbacks, progress)
        self.generator_ = adversaries.averaged
        return self

    def _check_parameters(self) -> None:
        if self.batch_size % self.packing:
            raise ValueError(
                f"expected batch_size to be a multiple of packing, got {self.batch_size} and {self.packing}"
            )
        if not 0 <= self.validation_fraction <= 0.5:
            raise ValueError(f"expected validation_fraction in [0, 0.5], got {self.validation_fraction}")
        if (
            min(
                self.num_steps,
                self.batch_size,
                self.packing,
                self.critic_steps,
                self.num_groups,
                self.latent_dim,
            )
            < 1
        ):
            raise ValueError(
                "expected num_steps, batch_size, packing, critic_steps, num_groups and latent_dim above 0"
            )

    def _choose_validation_rows(self, num_rows: int, rng: np.random.Generator) -> np.ndarray:
        """Which rows are set aside; none where fewer than 20 would be."""
        held_out = np.zeros(num_rows, dtype=bool)
        num_held_out = int(self.validation_fraction * num_rows)
        if num_held_out >= 20:
            held_out[rng.choice(num_rows, num_held_out, replace=False)] = True
        return held_out

    def _train(self, train, adversaries, validate, checkpoint, callbacks, progress) -> None:
        steps_per_epoch = min(self.num_steps, max(20, self.num_steps // 10))
        num_epochs = -(-self.num_steps // steps_per_epoch)
        validation = Validation(validate, adversaries.averaged.variables, self.patience)
        chain = [validation, *callbacks]
        done = 0
        if checkpoint is not None:
            settings = {**self.parameters, "schema": self.schema.to_json(), "num_rows": adversaries.num_rows}
            keeper = Checkpoint(checkpoint, adversaries.all_variables(), validation, settings, train)
            done = keeper.restore()
            chain.append(keeper)
        if progress:
            chain.append(Progress(self.num_steps, steps_per_epoch, "TabularGAN", validation))
        steps = tf.data.Dataset.range(done * steps_per_epoch, num_epochs * steps_per_epoch)
        adversaries.compile(steps_per_execution=steps_per_epoch)
        adversaries.fit(
            steps,
            initial_epoch=done,
            epochs=num_epochs,
            steps_per_epoch=steps_per_epoch,
            verbose=0,
            shuffle=False,
            callbacks=chain,
        )
        self.history_ = to_history(validation.history, steps_per_epoch)
        if checkpoint is not None:
            Path(checkpoint).unlink(missing_ok=True)

    def _draw(
        self, size: int, condition: Condition | None, seed: int, batch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        layout = self.generator_.layout
        noise = draw_noise(layout, self.latent_dim, size, seed, batch)
        states, positions = self.generator_([*noise, *encode_condition(layout, condition)])
        return tf.argmax(states, axis=-1, output_type=tf.int32).numpy(), positions.numpy()

    def _save_weights(self, folder: Path) -> None:
        self.generator_.save_weights(folder / "generator.weights.h5")

    def _load_weights(self, folder: Path) -> None:
        self.generator_ = self._build_generator(Layout(self.encoder_))
        self.generator_.load_weights(folder / "generator.weights.h5")

    def _build_generator(self, layout: Layout) -> Generator:
        generator = Generator(layout, self.hidden_dim, self.num_blocks, self.num_groups, self.temperature)
        nothing = Condition.nothing(1, layout.num_columns)
        noise = draw_noise(layout, self.latent_dim, 1, 0, 0)
        generator([*noise, *encode_condition(layout, nothing)])  # builds the layers
        return generator


def draw_noise(layout: Layout, latent_dim: int, size: int, seed, draw) -> list:
    """Noise: normal (size, latent_dim), uniform (size, columns, width), normal (size, columns)."""
    seeds = [tf.stack([tf.cast(seed, tf.int64) * 4 + part, tf.cast(draw, tf.int64)]) for part in range(3)]
    return [
        tf.random.stateless_normal((size, latent_dim), seeds[0]),
        tf.random.stateless_uniform((size, layout.num_columns, layout.width), seeds[1], 1e-7, 1.0),
        tf.random.stateless_normal((size, layout.num_columns), seeds[2]),
    ]


def encode_condition(layout: Layout, condition: Condition | None) -> list:
    """The generator's condition: onehot (size, columns, width), positions and mask (size, columns)."""
    if condition is None:
        return []
    mask = condition.mask.astype(np.float32)
    onehot = np.eye(layout.width, dtype=np.float32)[condition.states] * mask[:, :, None]
    return [onehot, condition.positions * mask, mask]


class Adversaries(keras.Model):
    """Generator and critic in training; a step's randomness depends on its number and the seed alone."""

    def __init__(self, gan: TabularGAN, layout: Layout, states: np.ndarray, positions: np.ndarray):
        super().__init__()
        self.gan, self.layout, self.num_rows = gan, layout, len(states)
        self.generator, self.averaged = gan._build_generator(layout), gan._build_generator(layout)
        self.averaged.set_weights(self.generator.get_weights())
        self.critic = build_critic(layout, gan.packing, gan.critic_dim)
        schedule = keras.optimizers.schedules.CosineDecay(gan.learning_rate, gan.num_steps, alpha=0.05)
        self.generator_optimizer = keras.optimizers.Adam(schedule, beta_1=0.5, beta_2=0.9)
        self.critic_optimizer = keras.optimizers.Adam(gan.learning_rate / 3, beta_1=0.5, beta_2=0.9)
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.critic_optimizer.build(self.critic.trainable_variables)
        self.states, self.positions = tf.constant(states), tf.constant(positions)
        self._index_rows(states)
        weights = layout.present / np.maximum(layout.shares, 1e-3) ** 0.25  # rarer states count more
        self.moment_weights = tf.constant(weights.astype(np.float32))
        self.bandwidth = 3.0 / layout.num_columns

    def _index_rows(self, states: np.ndarray) -> None:
        """Where to find, for each column, the rows in each state."""
        counts = np.stack([np.bincount(column, minlength=self.layout.width) for column in states.T])
        self.rows_by_state = tf.constant(np.argsort(states, axis=0, kind="stable").T.astype(np.int32))
        self.starts = tf.constant((np.cumsum(counts, axis=1) - counts).astype(np.int32))
        self.counts = tf.constant(counts.astype(np.int32))
        self.last_states = tf.constant([np.flatnonzero(row)[-1] for row in counts], tf.int32)
        weights = np.log1p(counts)
        chances = np.cumsum(weights, axis=1) / weights.sum(axis=1, keepdims=True)
        self.cumulative_chances = tf.constant(chances.astype(np.float32))

    def all_variables(self) -> list:
        """Every variable that a training step changes, in a fixed order."""
        models = [self.generator, self.critic, self.averaged]
        optimizers = [self.generator_optimizer, self.critic_optimizer]
        return [variable for part in (*models, *optimizers) for variable in part.variables]

    @property
    def metrics(self) -> list:
        return []

    def real_batch(self, step):
        """Rows and conditions (training by sampling, Xu et al. 2019, section 4.3).

        For a share of the rows a column is chosen, then one of its states by log frequency, then a row in
        that state: the state is its condition. The other rows are drawn freely and have none.

        Returns:
            onehot (batch, columns, width), positions (batch, columns), mask (batch, columns).
        """
        size, num_columns = self.gan.batch_size, self.layout.num_columns
        uniform = tf.random.stateless_uniform((size, 5), self._seed(step, 10))
        column = tf.minimum(tf.cast(uniform[:, 0] * num_columns, tf.int32), num_columns - 1)
        # by inversion: tf.random.stateless_categorical draws other states with other numbers of threads
        below = tf.gather(self.cumulative_chances, column) <= uniform[:, 4:]
        state = tf.minimum(
            tf.reduce_sum(tf.cast(below, tf.int32), axis=1), tf.gather(self.last_states, column)
        )
        place = tf.stack([column, state], axis=1)
        count = tf.gather_nd(self.counts, place)
        nth = tf.minimum(tf.cast(uniform[:, 1] * tf.cast(count, tf.float32), tf.int32), count - 1)
        chosen = tf.gather_nd(
            self.rows_by_state, tf.stack([column, tf.gather_nd(self.starts, place) + nth], 1)
        )
        free = tf.minimum(tf.cast(uniform[:, 2] * self.num_rows, tf.int32), self.num_rows - 1)
        conditioned = uniform[:, 3] < self.gan.condition_share
        rows = tf.where(conditioned, chosen, free)
        mask = tf.one_hot(column, num_columns) * tf.cast(conditioned, tf.float32)[:, None]
        return (
            tf.one_hot(tf.gather(self.states, rows), self.layout.width),
            tf.gather(self.positions, rows),
            mask,
        )

    def fake_batch(self, step, onehot, positions, mask, part=0):
        """Rows that the generator draws under the conditions of a real batch."""
        noise = draw_noise(
            self.layout, self.gan.latent_dim, self.gan.batch_size, self.gan.seed * 64 + part, step
        )
        return self.generator([*noise, onehot * mask[:, :, None], positions * mask, mask], training=True)

    def train_step(self, step):
        """One generator update after its critic updates (Gulrajani et al. 2017, algorithm 1)."""
        *real, mask = self.real_batch(step)
        adversarial = tf.cast(step, tf.float32) >= CRITIC_WARM_UP * self.gan.num_steps
        logs = {}
        if self.gan.adversarial_weight:
            for part in range(self.gan.critic_steps - 1):
                tf.cond(
                    adversarial,
                    lambda part=part: self._critic_step(
                        step, real, self.fake_batch(step, *real, mask, part + 1), mask
                    ),
                    lambda: 0.0,
                )
        with tf.GradientTape() as tape:
            fake = self.fake_batch(step, *real, mask)
            moments = kernel_loss(self.moment_features(*fake), self.moment_features(*real), self.bandwidth)
            loss = self.gan.moment_weight * moments
            if self.gan.adversarial_weight:
                stopped = [tf.stop_gradient(part) for part in fake]
                logs["critic_loss"] = tf.cond(
                    adversarial, lambda: self._critic_step(step, real, stopped, mask), lambda: 0.0
                )
                judged = tf.cond(
                    adversarial, lambda: -ops.mean(self.critic(self.pack(*fake, mask))), lambda: 0.0
                )
                loss += self.gan.adversarial_weight * judged
        variables = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(loss, variables), variables)
        tf.cond(step % AVERAGE_EVERY == 0, self._average, lambda: None)
        return {"generator_loss": loss, "moment_loss": moments, **logs}

    def _average(self) -> None:
        kept = self.gan.ema**AVERAGE_EVERY
        variables = self.generator.trainable_variables
        for average, variable in zip(self.averaged.trainable_variables, variables, strict=True):
            average.assign(kept * average + (1 - kept) * variable)

    def _critic_step(self, step, real, fake, mask):
        real, fake = self.pack(*real, mask), self.pack(*fake, mask)
        shares = tf.random.stateless_uniform((real.shape[0], 1), self._seed(step, 12))
        with tf.GradientTape() as tape:
            penalty = gradient_penalty(self.critic, real, fake, shares)
            distance = ops.mean(self.critic(real)) - ops.mean(self.critic(fake))
            loss = self.gan.gradient_penalty_weight * penalty - distance
        variables = self.critic.trainable_variables
        self.critic_optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    def pack(self, onehot, positions, mask):
        """(batch, …) rows with their condition masks to (batch / packing, packing * row size)."""
        rows = ops.concatenate([self.layout.flatten(onehot, positions), mask], axis=1)
        return ops.reshape(rows, (-1, self.gan.packing * rows.shape[1]))

    def moment_features(self, onehot, positions):
        """Rows as the kernel sees them: centred one-hot states, weighted, with ranks and positions."""
        size = self.layout.num_columns * self.layout.width
        centred = ops.reshape((onehot - self.layout.shares) * self.moment_weights, (-1, size))
        positions = positions * ops.sum(onehot * self.layout.has_position, axis=-1)
        return ops.concatenate([centred, self.layout.ranks(onehot, positions), 0.3 * positions], axis=1)

    def two_sample_statistic(self, states: np.ndarray, positions: np.ndarray):
        """A function that compares rows of the averaged generator with these by `kernel_discrepancy`."""
        layout, size = self.layout, 2048
        real = self.moment_features(tf.one_hot(states[:size], layout.width), tf.constant(positions[:size]))

        @tf.function
        def statistic():
            noise = draw_noise(layout, self.gan.latent_dim, size, self.gan.seed * 64 + 63, 0)
            return kernel_discrepancy(self.moment_features(*self.averaged(noise)), real, self.bandwidth)

        return statistic

    def _seed(self, step, part: int):
        return tf.stack([tf.cast(self.gan.seed, tf.int64) * 64 + part, tf.cast(step, tf.int64)])
