"""A conditional GAN for patient tables whose generator knows the likelihood of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from synthlib.models.backend import keras, ops, tf
from synthlib.models.conditions import Condition
from synthlib.models.drawing import Sampler
from synthlib.models.encoding import SpanEncoder
from synthlib.models.networks import Generator, Layout, build_critic, gradient_penalty
from synthlib.models.synthesizer import Synthesizer
from synthlib.models.training import (
    Validation,
    check_parameters,
    check_rows,
    choose_rows,
    prefer_given,
    run_training,
)

POOL_ROWS = 8192  # generated rows that the critic sees between two validations
STEPS_PER_ROOT, STEPS_PER_COLUMN, STEP_RANGE = 2.5, 3, (100, 300)
MIN_EPOCH = 10  # steps between two validations at least
AVERAGE_EVERY = 5  # steps between updates of the averaged generator


@dataclass
class TabularGAN(Synthesizer):
    """A generator taught by likelihood, then by a critic.

    The generator maps uniform noise to a row, one column after the other, and starts at the training
    table's frequencies, so that it draws independent marginals before its first step. It first learns the
    likelihood of real rows; for the last part of the training a packed Wasserstein critic, which compares
    real with generated rows, rewards what it takes for real (policy gradient: the likelihood of a generated
    row is raised or lowered by the critic's judgement). The best generator by likelihood on rows set aside
    from `train` is kept; where likelihood stops improving before the critic joins, training ends there.

    What it is worth comes from likelihood. In the repository's ablation the critic moved no score beyond
    noise up to ten times the default weight; at thirty times, with five critic updates a step, it made rows
    worse. It also doubles what a step costs: hence its short share by default.

    Training time grows with the number of steps and, by default, with the root of the number of rows. Any
    columns can be given when sampling: their values are exact, and the others are drawn given them.

    Where a size is None, the table's numbers of rows and columns decide: see `settings`.

    Args:
        schema: the table's Schema.
        seed: of initial weights, batches and noise.
        entry_dim, hidden_dim: see `Generator`. By default they fall with the number of columns, so that time
            and memory grow about linearly with it.
        num_components: see `Generator`.
        critic_dim: width of the critic's two hidden layers.
        critic_steps: critic updates before each generator update, once the critic has joined.
        packing: rows that the critic judges at once; divides `batch_size`.
        num_steps: generator updates at most; early stopping may end before. By default they grow with the
            root of the number of rows, or with the number of columns where that is more.
        batch_size: rows in an update; at most an eighth of the table.
        learning_rate: at the start; it falls along a cosine.
        weight_decay: of the generator's weights, per step and unit of learning rate.
        drop_share: how often a column's entry is hidden from the others in training.
        gradient_penalty_weight: of the critic's loss.
        adversarial_weight: of the critic's judgement in the generator's loss; 0: no critic.
        adversarial_share: last share of the steps, in which the critic judges.
        condition_share: share of the batch that is learnt under a condition.
        ema: how much the averaged generator keeps at each step.
        validation_fraction: share of `train` set aside for validation; 0 trains to the end, and so does a
            share of fewer than 20 rows.
        patience: validations without improvement before stopping.
        max_states, min_count: see `SpanEncoder`.

    Attributes:
        history_: DataFrame with a row for each validation: step, losses, validation score (nats per row).

    Reference: Yu et al. 2017, "SeqGAN: sequence generative adversarial nets with policy gradient", algorithm
    1; Gulrajani et al. 2017, algorithm 1 (critic); Xu et al. 2019, section 4.3 (training by sampling); Lin et
    al. 2018 (packing).
    """

    seed: int = 0
    entry_dim: int | None = None
    hidden_dim: int | None = None
    num_components: int = 3
    critic_dim: int = 128
    critic_steps: int = 1
    packing: int = 4
    num_steps: int | None = None
    batch_size: int = 512
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    drop_share: float = 0.2
    gradient_penalty_weight: float = 10.0
    adversarial_weight: float = 0.1
    adversarial_share: float = 0.1
    condition_share: float = 0.5
    ema: float = 0.98
    validation_fraction: float = 0.1
    patience: int = 2
    max_states: int = 24
    min_count: int = 5
    history_: pd.DataFrame | None = field(default=None, init=False, repr=False)

    def settings(self, num_rows: int, num_columns: int) -> dict[str, int]:
        """The sizes that a training on such a table uses: those given, else by its rows and columns."""
        chosen = {
            "entry_dim": 16 if num_columns < 64 else 8,
            "hidden_dim": 4 * round(float(np.clip(1500 / num_columns, 4, 48)) / 4),
            "num_steps": int(
                np.clip(max(STEPS_PER_ROOT * num_rows**0.5, STEPS_PER_COLUMN * num_columns), *STEP_RANGE)
            ),
        }
        return prefer_given(self, chosen)

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
        check_rows(train)
        try:
            self._fit(train, checkpoint, callbacks, progress)
        except BaseException:
            self.encoder_ = None  # neither the old model nor a new one
            raise
        return self

    def _fit(self, train, checkpoint, callbacks, progress) -> None:
        keras.utils.set_random_seed(self.seed)
        rng = np.random.default_rng(self.seed)
        self.encoder_ = SpanEncoder(self.schema, self.max_states, self.min_count).fit(train)
        states, positions = self.encoder_.encode(train, rng)
        held_out = choose_rows(len(train), self.validation_fraction, rng)
        num_steps = self.settings(len(train), self.encoder_.num_columns)["num_steps"]
        layout, learnt = Layout(self.encoder_), ~held_out
        adversaries = Adversaries(self, layout, states[learnt], positions[learnt], num_steps)
        validate = None
        if held_out.any():
            validate = adversaries.mean_surprise(states[held_out], positions[held_out])
        self._train(train, adversaries, validate, checkpoint, callbacks, progress)
        self.generator_, self.sampler_ = adversaries.averaged, Sampler(adversaries.averaged)

    def _check_parameters(self) -> None:
        ranges = {
            "seed": (0, 2**32 - 1), "entry_dim": (1, None), "hidden_dim": (1, None),
            "num_components": (1, None), "critic_dim": (1, None), "critic_steps": (1, None),
            "packing": (1, None), "num_steps": (1, None), "batch_size": (1, None), "patience": (1, None),
            "learning_rate": (0, None),
            "weight_decay": (0, None), "drop_share": (0, 0.9), "condition_share": (0, 0.9), "ema": (0, 1),
            "adversarial_share": (0, 1), "validation_fraction": (0, 0.5), "max_states": (1, None),
            "min_count": (1, None),
        }  # fmt: skip
        check_parameters(self, ranges)
        if self.batch_size % self.packing:
            raise ValueError(
                f"expected batch_size to be a multiple of packing, got {self.batch_size} and {self.packing}"
            )

    def _train(self, table, adversaries, validate, checkpoint, callbacks, progress) -> None:
        num_steps = adversaries.num_steps
        per_epoch = min(num_steps, max(MIN_EPOCH, num_steps // 12))
        self.history_ = run_training(
            adversaries,
            table,
            {**self.parameters, "schema": self.schema.to_json(), "num_rows": adversaries.num_rows},
            Validation(validate, adversaries.averaged.variables, self.patience),
            num_steps,
            per_epoch,
            [FreshRows(adversaries, per_epoch), *callbacks],
            checkpoint,
            "TabularGAN" if progress else None,
        )

    def _draw(
        self, size: int, condition: Condition | None, seed: int, batch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        return self.sampler_.draw(size, np.random.default_rng((seed, batch)), condition)

    def _save_weights(self, folder: Path) -> None:
        self.generator_.save_weights(folder / "generator.weights.h5")

    def _load_weights(self, folder: Path) -> None:
        self.generator_ = self._build_generator(Layout(self.encoder_))
        self.generator_.load_weights(folder / "generator.weights.h5")
        self.sampler_ = Sampler(self.generator_)

    def _build_generator(self, layout: Layout) -> Generator:
        sizes = self.settings(1, layout.num_columns)  # rows do not matter to them
        return Generator(layout, sizes["entry_dim"], sizes["hidden_dim"], self.num_components)


class FreshRows(keras.callbacks.Callback):
    """Draws the rows that the critic is to judge until the next validation, once it has joined."""

    def __init__(self, adversaries: Adversaries, steps_per_epoch: int):
        super().__init__()
        self.adversaries, self.steps_per_epoch = adversaries, steps_per_epoch

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        if (epoch + 1) * self.steps_per_epoch > self.adversaries.critic_joins:
            self.adversaries.draw_pool(epoch)


class Adversaries(keras.Model):
    """Generator and critic in training; a step's randomness depends on its number and the seed alone."""

    def __init__(
        self, gan: TabularGAN, layout: Layout, states: np.ndarray, positions: np.ndarray, num_steps: int
    ):
        super().__init__()
        self.gan, self.layout, self.num_rows = gan, layout, len(states)
        eighth = len(states) // 8 // gan.packing * gan.packing
        self.size = min(gan.batch_size, max(eighth, 8 * gan.packing))
        self.num_given = int(gan.condition_share * self.size)
        self.num_steps = num_steps
        self.critic_joins = self.num_steps + 1
        if gan.adversarial_weight and gan.adversarial_share:
            self.critic_joins = int((1 - gan.adversarial_share) * self.num_steps)
        self.generator, self.averaged = gan._build_generator(layout), gan._build_generator(layout)
        self.averaged.set_weights(self.generator.get_weights())
        self.critic = build_critic(layout, gan.packing, gan.critic_dim)
        schedule = keras.optimizers.schedules.CosineDecay(gan.learning_rate, self.num_steps, alpha=0.02)
        self.generator_optimizer = keras.optimizers.AdamW(
            schedule, weight_decay=gan.weight_decay, beta_2=0.99
        )
        self.generator_optimizer.exclude_from_weight_decay(var_names=["bias"])
        self.critic_optimizer = keras.optimizers.Adam(1e-3, beta_1=0.5, beta_2=0.9)
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.critic_optimizer.build(self.critic.trainable_variables)
        self.states, self.positions = tf.constant(states), tf.constant(positions)
        pool = (POOL_ROWS, layout.num_columns)
        self.pool_states = tf.Variable(tf.zeros(pool, tf.int32), trainable=False)
        self.pool_positions = tf.Variable(tf.zeros(pool, tf.float32), trainable=False)
        self._index_rows(states)

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

    def draw_pool(self, epoch: int) -> None:
        """Fill the pool with rows of the generator as it is now."""
        rng = np.random.default_rng((self.gan.seed, 1, epoch))
        states, positions = Sampler(self.generator).draw(POOL_ROWS, rng)
        self.pool_states.assign(states)
        self.pool_positions.assign(positions)

    @property
    def metrics(self) -> list:
        return []

    def real_batch(self, step):
        """Rows, the last `num_given` of them under conditions (training by sampling, Xu et al. 2019).

        For each of these a column is chosen, then one of its states by log frequency, then a row in that
        state: the state is given. So is each other column, at a rate that is drawn for each row: half of the
        rows have no further one.

        Returns:
            states, positions (batch, columns) and mask (num_given, columns).
        """
        size, num_given, num_columns = self.size, self.num_given, self.layout.num_columns
        uniform = tf.random.stateless_uniform((size, 5), self._seed(step, 10))
        rows = tf.minimum(tf.cast(uniform[:, 0] * self.num_rows, tf.int32), self.num_rows - 1)
        if not num_given:
            mask = tf.zeros((0, num_columns))
            return tf.gather(self.states, rows), tf.gather(self.positions, rows), mask
        uniform = uniform[size - num_given :]
        column = tf.minimum(tf.cast(uniform[:, 1] * num_columns, tf.int32), num_columns - 1)
        # by inversion: tf.random.stateless_categorical draws other states with other numbers of threads
        below = tf.gather(self.cumulative_chances, column) <= uniform[:, 2:3]
        state = tf.minimum(
            tf.reduce_sum(tf.cast(below, tf.int32), axis=1), tf.gather(self.last_states, column)
        )
        place = tf.stack([column, state], axis=1)
        count = tf.gather_nd(self.counts, place)
        nth = tf.minimum(tf.cast(uniform[:, 3] * tf.cast(count, tf.float32), tf.int32), count - 1)
        chosen = tf.gather_nd(
            self.rows_by_state, tf.stack([column, tf.gather_nd(self.starts, place) + nth], 1)
        )
        rows = tf.concat([rows[: size - num_given], chosen], axis=0)
        others = tf.random.stateless_uniform((num_given, num_columns), self._seed(step, 11))
        others = tf.cast(others < 2 * uniform[:, 4:] - 1, tf.float32)
        mask = tf.maximum(tf.one_hot(column, num_columns), others)
        return tf.gather(self.states, rows), tf.gather(self.positions, rows), mask

    def train_step(self, step):
        """One generator update; once the critic has joined, a critic update before it."""
        states, positions, mask = self.real_batch(step)
        joined = step >= self.critic_joins
        critic_loss = 0.0
        with tf.GradientTape() as tape:
            loss = total = self.surprise(step, states, positions, mask)
            if self.critic_joins < self.num_steps:
                judged, critic_loss = tf.cond(joined, lambda: self._judge(step), lambda: (0.0, 0.0))
                total = loss + self.gan.adversarial_weight * judged
        variables = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(total, variables), variables)
        tf.cond(step % AVERAGE_EVERY == 0, self._average, lambda: None)
        return {"generator_loss": loss, "critic_loss": critic_loss}

    def surprise(self, step, states, positions, mask):
        """Nats per row of what is not given, some entries being hidden."""
        kept = tf.random.stateless_uniform((self.layout.num_columns, 1, self.size), self._seed(step, 13))
        kept = tf.cast(kept >= self.gan.drop_share, tf.float32)
        likelihood = self.generator.log_likelihood(states, positions, mask, kept)
        asked = tf.concat([tf.zeros((self.size - self.num_given, self.layout.num_columns)), mask], axis=0)
        return -ops.mean(ops.sum(likelihood * (1 - ops.transpose(asked)), axis=0))

    def _judge(self, step):
        """The policy gradient's loss on generated rows, after critic updates; and the critic's loss."""
        for turn in range(self.gan.critic_steps):
            seed = self._seed(step, 14 + turn)
            uniform = tf.random.stateless_uniform((3, self.size), seed)
            rows = tf.minimum(tf.cast(uniform[0] * POOL_ROWS, tf.int32), POOL_ROWS - 1)
            fake = tf.gather(self.pool_states, rows), tf.gather(self.pool_positions, rows)
            rows = tf.minimum(tf.cast(uniform[1] * self.num_rows, tf.int32), self.num_rows - 1)
            real = tf.gather(self.states, rows), tf.gather(self.positions, rows)
            critic_loss = self._critic_step(uniform[2, : self.size // self.gan.packing, None], real, fake)
        reward = self.critic(self.pack(*fake))
        reward = (reward - ops.mean(reward)) / (ops.std(reward) + 1e-6)
        reward = ops.reshape(ops.repeat(reward, self.gan.packing, axis=1), (-1,))
        likelihood = ops.sum(self.generator.log_likelihood(*fake), axis=0)
        return -ops.mean(tf.stop_gradient(reward) * likelihood), critic_loss

    def _average(self) -> None:
        kept = self.gan.ema**AVERAGE_EVERY
        variables = self.generator.trainable_variables
        for average, variable in zip(self.averaged.trainable_variables, variables, strict=True):
            average.assign(kept * average + (1 - kept) * variable)

    def _critic_step(self, shares, real, fake):
        real, fake = self.pack(*real), self.pack(*fake)
        with tf.GradientTape() as tape:
            penalty = gradient_penalty(self.critic, real, fake, shares)
            distance = ops.mean(self.critic(real)) - ops.mean(self.critic(fake))
            loss = self.gan.gradient_penalty_weight * penalty - distance
        variables = self.critic.trainable_variables
        self.critic_optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    def pack(self, states, positions):
        """Rows (batch, columns) to (batch / packing, packing * row size)."""
        rows = self.layout.flatten(ops.one_hot(states, self.layout.width), positions)
        return ops.reshape(rows, (-1, self.gan.packing * rows.shape[1]))

    def mean_surprise(self, states: np.ndarray, positions: np.ndarray):
        """A function that gives the averaged generator's nats per row on these rows."""
        states, positions = tf.constant(states[:4096]), tf.constant(positions[:4096])

        @tf.function
        def score():
            return -ops.mean(ops.sum(self.averaged.log_likelihood(states, positions), axis=0))

        return score

    def _seed(self, step, part: int):
        return tf.stack([tf.cast(self.gan.seed, tf.int64) * 64 + part, tf.cast(step, tf.int64)])
