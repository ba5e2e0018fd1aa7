"""A language model of patient records: a token a column, any columns given, the others drawn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from synthlib.bundle import canonical_json, write_atomically
from synthlib.models.backend import keras, tf
from synthlib.models.conditions import Condition
from synthlib.models.encoding import SpanEncoder
from synthlib.models.gpt_drawing import Sampler
from synthlib.models.synthesizer import Synthesizer
from synthlib.models.training import (
    Validation,
    check_parameters,
    check_rows,
    choose_rows,
    prefer_given,
    run_training,
)
from synthlib.models.transformer import RecordTransformer, Tokens

ADAM_RATIO = 0.3  # Adam's learning rate, for embeddings and heads, over Muon's, for the blocks
CACHE_TOKENS = 2**16  # tokens whose likelihood is computed at once
NUM_ORDERS = 4  # of the columns in a training step, each for a part of its rows
VALIDATION_ORDERS = 10
STEP_TOKENS = 2**13  # most tokens in a training step: wide tables get fewer rows


@dataclass
class TabularGPT(Synthesizer):
    """A decoder-only transformer over records, trained from scratch on their likelihood.

    A column's value is one token: its state (a level, an atom, a bin, or missing) and, where a state stands
    for many values, the place inside it, which is drawn given the state and all columns before it. So numbers
    show no grid of bins, and a score that follows from other columns follows to a 500th of its range.

    A fourth of a step's rows are learnt with the columns in the table's order; the others with a random set
    of columns first and the rest in the table's order, which is what drawing under a condition needs. What
    is learnt of few rows also holds better for it: other orders ask other questions of the same rows.

    A category seen in fewer than `min_count` rows is never drawn. A number seen in fewer is drawn as often as
    its neighbourhood makes likely, whether anybody has it or nobody, and the ends of a numeric column are cut
    to a mean of `min_count` values near them.

    Where a size is None, the table's number of rows decides: see `settings`.

    Args:
        schema: the table's Schema.
        seed: of initial weights, batches, orders and dropout.
        hidden_dim, num_layers, num_heads: of the transformer.
        num_places: places inside a state that the network tells apart.
        dropout: share of the blocks' output dropped in training.
        num_epochs: passes over the training rows at most; early stopping mostly ends before.
        batch_size: rows in a step.
        learning_rate: the highest one, after the warm-up; it falls along a cosine to a fiftieth.
        warm_up: share of the steps with a rising learning rate.
        weight_decay: of the optimizer.
        subset_share: share of the rows whose order starts with a random set of columns, in training (by
            fourths of a batch) and in validation. 0 trains the table's order alone: conditions are then
            exact still, but the other columns follow them only as far as the order goes.
        ema: how much the averaged weights keep at each step.
        validation_fraction: share of `train` set aside for early stopping; 0 trains to the end, and so does a
            share of fewer than 20 rows.
        patience: epochs without a better validation likelihood before stopping.
        temperature, top_p: of the draws; 1 and 1 draw from the model as it is.
        max_states, min_count: see `SpanEncoder`.

    Attributes:
        history_: DataFrame with a row an epoch: step, nats a record in training and in validation, and the
            nats of independent marginals on the validation rows.

    Reference: Radford et al. 2018 (decoder-only transformer); Shih, Sadigh and Ermon 2022, "Training and
    inference on any-order autoregressive models the right way" (orders); Jordan et al. 2024 (Muon).
    """

    seed: int = 0
    hidden_dim: int | None = None
    num_layers: int = 2
    num_heads: int = 4
    num_places: int = 16
    dropout: float | None = None
    num_epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    warm_up: float = 0.05
    weight_decay: float = 0.05
    subset_share: float = 0.75
    ema: float = 0.99
    validation_fraction: float = 0.1
    patience: int = 4
    temperature: float = 1.0
    top_p: float = 1.0
    max_states: int = 32
    min_count: int = 5
    history_: pd.DataFrame | None = field(default=None, init=False, repr=False)

    def settings(self, num_rows: int, num_columns: int) -> dict[str, float]:
        """The sizes that a training on such a table uses: those given, else by the number of rows.

        Up to 3,000 rows a narrower network with more dropout passes over them more often, in smaller steps.
        All passes, 40 at most, see 130,000 rows; of more than 8,000 rows or 36 columns as many more as the
        root.
        """
        small = num_rows <= 3000
        more = (max(1, num_rows / 8000) * max(1, num_columns / 36)) ** 0.5
        fitting = max(8, STEP_TOKENS // num_columns)
        chosen = {
            "hidden_dim": 48 if small else 64,
            "dropout": 0.1 if small else 0.0,
            "num_epochs": int(np.clip(130_000 * more / num_rows, 1, 40)),
            "batch_size": min(32 if num_rows < 1000 else 64 if small else 128, fitting),
            "learning_rate": 1e-2,
        }
        return prefer_given(self, chosen)

    def fit(
        self,
        train: pd.DataFrame,
        checkpoint: Path | str | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        progress: bool = True,
    ) -> TabularGPT:
        """Train on a table.

        Args:
            train: DataFrame that `schema.check` accepts.
            checkpoint: file that the state is written to after each epoch; if it exists, training goes on
                from it, to the same bytes. Removed when training ends.
            callbacks: further Keras callbacks.
            progress: whether to show a progress bar.

        Raises:
            SchemaError: if `train` is not a table of the schema.
            ValueError: if a hyperparameter is out of range.
            CheckpointError: if the checkpoint belongs to another training.
        """
        self._check_parameters()
        self.schema.check(train)
        check_rows(train)
        self._check_width(len(train))
        self.__dict__.pop("_graphs", None)
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
        self.settings_ = self.settings(len(train), self.encoder_.num_columns)
        learner = Learner(self, states[~held_out], positions[~held_out])
        validate = learner.validation(states[held_out], positions[held_out]) if held_out.any() else None
        self._train(train, learner, validate, checkpoint, callbacks, progress)
        self.network_ = learner.averaged

    def _check_parameters(self) -> None:
        ranges = {
            "seed": (0, 2**32 - 1), "hidden_dim": (2, None), "num_layers": (1, None), "num_heads": (1, None),
            "num_places": (1, None), "num_epochs": (1, None), "batch_size": (1, None), "patience": (1, None),
            "dropout": (0, 0.9), "subset_share": (0, 1), "validation_fraction": (0, 0.5), "warm_up": (0, 1),
            "ema": (0, 1), "temperature": (1e-3, 1e3), "top_p": (1e-3, 1), "learning_rate": (0, None),
            "weight_decay": (0, None), "max_states": (1, None), "min_count": (1, None),
        }  # fmt: skip
        check_parameters(self, ranges)

    def _check_width(self, num_rows: int) -> None:
        width = self.settings(num_rows, len(self.schema.modelled))["hidden_dim"]
        if width % self.num_heads:
            raise ValueError(
                f"expected hidden_dim to be a multiple of num_heads, got {width} and {self.num_heads}"
            )

    def _train(self, table, learner, validate, checkpoint, callbacks, progress) -> None:
        label = f"TabularGPT (nats a record; independent columns {learner.independent_nats:.2f})"
        history = run_training(
            learner,
            table,
            {**self.parameters, "schema": self.schema.to_json(), "num_rows": learner.num_rows},
            Validation(validate, learner.averaged.variables, self.patience),
            self.settings_["num_epochs"] * learner.steps_per_epoch,
            learner.steps_per_epoch,
            callbacks,
            checkpoint,
            label if progress else None,
        )
        self.history_ = history.assign(independent=learner.independent_nats)

    def log_likelihood(self, table: pd.DataFrame) -> np.ndarray:
        """Log-likelihood of each record in nats, float64 (num_rows,).

        A category counts with its probability; a number with the probability of its state and its density
        there on the scale of the training table's ranks, so that records can be compared, and tables of one
        schema, but not tables of different ones. What is never drawn counts as something that is: a number as
        the nearest one, a rare category as the most frequent one, a missing value where training had none as
        the lowest number.

        Raises:
            RuntimeError: before `fit`.
            SchemaError: if `table` is not a table of the schema.
        """
        return -self.column_nats(table).sum(axis=1).to_numpy()

    def column_nats(self, table: pd.DataFrame) -> pd.DataFrame:
        """Nats of each value given the columns before it, float64 (num_rows, number of modelled columns)."""
        return self._nats(table, np.arange(len(self._fitted().spans_)))

    def column_entropies(self, table: pd.DataFrame) -> pd.DataFrame:
        """How much of each column the others tell, in nats, estimated on a table.

        Returns:
            A row a column: `marginal`, its cross-entropy under its training frequencies; `in_order`, given
            the columns before it (their sum is the mean negative log-likelihood); `given_others`, given all
            others.
        """
        encoder = self._fitted()
        in_order, names = self.column_nats(table).mean(), [span.name for span in encoder.spans_]
        states, _ = self._encode(table)
        marginal = -np.log(np.maximum(encoder.shares(), 1e-9))[np.arange(len(names)), states].mean(axis=0)
        others = []
        for last in range(len(names)):
            order = np.array([*np.delete(np.arange(len(names)), last), last])
            others.append(self._nats(table, order)[names[last]].mean())
        columns = {"marginal": marginal, "in_order": in_order.to_numpy(), "given_others": others}
        return pd.DataFrame(columns, index=pd.Index(names, name="column"))

    def _fitted(self) -> SpanEncoder:
        if self.encoder_ is None:
            raise RuntimeError("expected a fitted TabularGPT; call fit(train) first")
        return self.encoder_

    def _encode(self, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        self.schema.check(table)
        return self._fitted().encode(table, np.random.default_rng(self.seed))

    def _nats(self, table: pd.DataFrame, order: np.ndarray) -> pd.DataFrame:
        states, positions = self._encode(table)
        nats = np.empty(states.shape)
        for rows in split_rows(len(states), states.shape[1]):
            parts = tf.constant(states[rows]), tf.constant(positions[rows]), tf.constant(order, tf.int32)
            nats[rows] = self._compiled()(*parts).numpy().T
        return pd.DataFrame(nats, columns=[span.name for span in self.encoder_.spans_], index=table.index)

    def _draw(
        self, size: int, condition: Condition | None, seed: int, batch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        num_columns = self.encoder_.num_columns
        given = condition or Condition.nothing(size, num_columns)
        rng = np.random.default_rng((seed, batch))
        uniforms = rng.random((num_columns, 3, size), dtype=np.float32)
        return self._sampler().draw(given.states, given.positions, given.mask, uniforms)

    def _sampler(self) -> Sampler:
        """Draws from the network as it is, in numpy; its weights are taken over at the first draw."""
        cache, key = self.__dict__.setdefault("_graphs", {}), ("draw", self.temperature, self.top_p)
        if key not in cache or cache[key].network is not self.network_:
            cache[key] = Sampler(self.network_, self.temperature, self.top_p)
        return cache[key]

    def _compiled(self):
        """The network's likelihood as a graph for any number of rows, traced once."""
        network, cache = self.network_, self.__dict__.setdefault("_graphs", {})
        key = ("nats", id(network))
        if key not in cache:
            columns = self.encoder_.num_columns
            table = [tf.TensorSpec((None, columns), dtype) for dtype in (tf.int32, tf.float32)]
            signature = [*table, tf.TensorSpec((columns,), tf.int32)]
            cache[key] = tf.function(network.negative_log_likelihood, signature, autograph=False)
        return cache[key]

    def _save_weights(self, folder: Path) -> None:
        write_atomically(folder / "settings.json", canonical_json(self.settings_))
        self.network_.save_weights(folder / "network.weights.h5")

    def _load_weights(self, folder: Path) -> None:
        self.settings_ = json.loads((folder / "settings.json").read_text())
        self.network_ = self.build_network()
        self.network_.load_weights(folder / "network.weights.h5")

    def build_network(self) -> RecordTransformer:
        """A new network of the fitted encoding and settings, with initial weights."""
        width, dropout = int(self.settings_["hidden_dim"]), self.settings_["dropout"]
        return RecordTransformer(
            Tokens(self.encoder_), width, self.num_layers, self.num_heads, self.num_places, dropout
        )


def split_rows(num_rows: int, num_columns: int) -> Iterator[slice]:
    """Slices of rows that hold about `CACHE_TOKENS` tokens each."""
    size = max(32, CACHE_TOKENS // num_columns)
    return (slice(start, min(start + size, num_rows)) for start in range(0, num_rows, size))


class Learner(keras.Model):
    """The network in training; a step's randomness depends on its number and the seed alone."""

    def __init__(self, gpt: TabularGPT, states: np.ndarray, positions: np.ndarray):
        super().__init__()
        self.gpt, self.num_rows, self.num_columns = gpt, *states.shape
        self.batch_size = min(gpt.settings_["batch_size"], self.num_rows)
        self.num_orders = min(NUM_ORDERS, self.batch_size)
        self.batch_size -= self.batch_size % self.num_orders
        self.steps_per_epoch = self.num_rows // self.batch_size
        self.network, self.averaged = gpt.build_network(), gpt.build_network()
        self.averaged.set_weights(self.network.get_weights())
        num_steps = gpt.settings_["num_epochs"] * self.steps_per_epoch
        warm_up = max(1, int(gpt.warm_up * num_steps))
        fall = max(1, num_steps - warm_up)
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, fall, 0.02, warmup_target=gpt.settings_["learning_rate"], warmup_steps=warm_up
        )
        self.updater = keras.optimizers.Muon(
            schedule,
            adam_beta_2=0.98,
            adam_lr_ratio=ADAM_RATIO,
            weight_decay=gpt.weight_decay,
            adam_weight_decay=gpt.weight_decay,
            global_clipnorm=1.0,
        )
        self.updater.build(self.network.trainable_variables)
        self.states, self.positions = tf.constant(states), tf.constant(positions)
        self.independent_nats = self._count_independent(states)
        self.nats = keras.metrics.Mean("nats")

    def all_variables(self) -> list:
        """Every variable that a training step changes, in a fixed order."""
        return [*self.network.variables, *self.averaged.variables, *self.updater.variables]

    @property
    def metrics(self) -> list:
        return [self.nats]

    def choose_batch(self, step):
        """Numbers of the rows of a step: each epoch is a permutation of all rows, cut into batches."""
        epoch, number = step // self.steps_per_epoch, step % self.steps_per_epoch
        places = number * self.batch_size + tf.range(self.batch_size, dtype=tf.int64)
        seed = tf.stack([tf.cast(self.gpt.seed, tf.int64), epoch])
        return tf.random.experimental.index_shuffle(places, seed, self.num_rows - 1)

    def choose_orders(self, step):
        """The orders of a step, (num_orders, columns); each is that of an equal part of the batch."""
        uniform = tf.random.stateless_uniform((), self._seed(step, 4))
        turn = (tf.range(self.num_orders, dtype=tf.float32) + uniform) / self.num_orders
        return self.draw_orders(self._seed(step, 2), turn < self.gpt.subset_share)

    def draw_orders(self, seed, has_set):
        """Orders (len(has_set), columns): a random set of columns first or none, the others as in the table.

        The set comes in random order. In the table's, which a draw asks for, the others follow it less
        well: on 5,600 simulated rows the nats of the rest, given half of the columns, were .1 higher.
        """
        uniform = tf.random.stateless_uniform((has_set.shape[0], self.num_columns + 1), seed)
        rank = tf.argsort(tf.argsort(uniform[:, :-1], axis=1), axis=1)
        size = tf.cast(uniform[:, -1:] * self.num_columns, tf.int32)
        first = (rank < size) & has_set[:, None]
        return tf.argsort(tf.where(first, rank - self.num_columns, tf.range(self.num_columns)), axis=1)

    def train_step(self, step):
        """One update on the likelihood of a batch, each part of it in an order of its own."""
        rows, orders = self.choose_batch(step), self.choose_orders(step)
        batch = tf.gather(self.states, rows), tf.gather(self.positions, rows)
        with tf.GradientTape() as tape:
            nats = self.network.negative_log_likelihood(*batch, orders, self._seed(step, 3))
            loss = tf.reduce_mean(nats)
        variables = self.network.trainable_variables
        gradients = [tf.convert_to_tensor(part) for part in tape.gradient(loss, variables)]
        self.updater.apply(gradients, variables)
        count = tf.cast(self.updater.iterations, tf.float32)
        kept = tf.minimum(float(self.gpt.ema), (1 + count) / (10 + count))
        for average, variable in zip(self.averaged.trainable_variables, variables, strict=True):
            average.assign(kept * average + (1 - kept) * variable)
        self.nats.update_state(loss * self.num_columns)
        return {"nats": self.nats.result()}

    def validation(self, states: np.ndarray, positions: np.ndarray):
        """A function that gives the averaged network's mean nats a record on these rows.

        As in training, `subset_share` of it is by orders that begin with a random set of columns. There are
        `VALIDATION_ORDERS` of these, the same after each epoch, each for an equal part of the rows.
        """
        self.independent_nats = self._count_independent(states)
        plain, share = tf.range(self.num_columns), self.gpt.subset_share
        orders = self.draw_orders(self._seed(0, 5), np.full(min(VALIDATION_ORDERS, len(states)), True))
        parts = [(rows, plain, 1 - share) for rows in split_rows(len(states), self.num_columns)]
        if share:
            shares = np.array_split(np.arange(len(states)), len(orders))
            parts += [(rows, order, share) for rows, order in zip(shares, orders, strict=True)]

        @tf.function(reduce_retracing=True)
        def nats(states, positions, order):
            return tf.reduce_sum(self.averaged.negative_log_likelihood(states, positions, order))

        def mean_nats() -> float:
            sums = [
                weight * float(nats(tf.constant(states[rows]), tf.constant(positions[rows]), order))
                for rows, order, weight in parts
            ]
            return sum(sums) / len(states)

        return mean_nats

    def _count_independent(self, states: np.ndarray) -> float:
        """Mean nats a record of independent marginals on these rows."""
        nats = -np.log(np.maximum(self.gpt.encoder_.shares(), 1e-9))
        return float(sum(nats[column][states[:, column]].mean() for column in range(self.num_columns)))

    def _seed(self, step, part: int):
        return tf.stack([tf.cast(self.gpt.seed, tf.int64) * 64 + part, tf.cast(step, tf.int64) * 16])
