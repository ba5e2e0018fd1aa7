"""A decoder-only transformer over records: one token a column, in any order."""

from __future__ import annotations

import numpy as np

from synthlib.models.backend import keras, ops, tf
from synthlib.models.encoding import SpanEncoder

NUM_FEATURES = 6  # of a position: rank, place in its state, two waves of each


def normal(stddev: float):
    """Initial weights with mean 0."""
    return keras.initializers.RandomNormal(stddev=stddev)


class Tokens:
    """Constants of an encoded table: which states exist, and what numbers say where a value lies.

    Attributes:
        num_columns, width: every column has `width` places for states, unused ones never drawn.
        shares, has_position, centres, half_widths: float32 (num_columns, width); the rank of a value in
            [-1, 1] is the centre of its state plus its position times the half width.
        ladder: float32 (num_columns, width, width); for an ordered column the steps below each state, so
            that a sum over steps is shared by all states above.
        rungs: likewise, the step that a position climbs inside its state.
    """

    def __init__(self, encoder: SpanEncoder):
        self.num_columns, self.width = encoder.num_columns, encoder.width
        self.shares, self.has_position = encoder.shares(), encoder.has_position()
        self.centres = encoder.centres()
        ordered = np.abs(self.centres).sum(axis=1) > 0
        self.half_widths = (self.shares * self.has_position * ordered[:, None]).astype(np.float32)
        self.ladder, self.rungs = np.zeros((2, self.num_columns, self.width, self.width), np.float32)
        for span in encoder.spans_:
            size = len(span.values)
            if ordered[span.index]:
                moved = np.diag(self.has_position[span.index, :size])
                below = np.tril(np.ones((size, size)), -1) + (np.eye(size) - moved) / 2
                self.ladder[span.index, :size, :size] = below * 2 / np.sqrt(size)
                self.rungs[span.index, :size, :size] = moved * 2 / np.sqrt(size)

    def bias(self) -> np.ndarray:
        """Log frequencies, and -10⁹ where there is no state; float32 (num_columns, width)."""
        return np.where(self.shares > 0, np.log(np.maximum(self.shares, 1e-9)), -1e9).astype(np.float32)


def place_features(ranks, positions):
    """What the network is told of a value's place: (…, NUM_FEATURES) from ranks and positions (…)."""
    turn, half_turn = 2 * np.float32(np.pi) * ranks, np.float32(np.pi) * positions
    waves = [ops.sin(half_turn), ops.cos(half_turn), ops.sin(turn), ops.cos(turn)]
    return ops.stack([ranks, positions, *waves], axis=-1)


class ColumnEmbedding(keras.layers.Layer):
    """States and positions of a column to vectors; each column has an embedding of its own.

    A state has a vector; in an ordered column, all steps up to a value are added, the last one in part, which
    makes the embedding piecewise linear in the value's rank; and waves tell the finer places.

    Reference: Gorishniy, Rubachev and Babenko 2022, "On embeddings for numerical features in tabular deep
    learning", sections 3.2 and 3.3.
    """

    def __init__(self, tokens: Tokens, hidden_dim: int):
        super().__init__()
        self.tokens = tokens
        columns, width = tokens.num_columns, tokens.width
        self.states = self.add_weight((columns, width, hidden_dim), normal(0.1), name="states")
        self.steps = self.add_weight((columns, width, hidden_dim), normal(0.5), name="steps")
        self.places = self.add_weight((columns, NUM_FEATURES, hidden_dim), normal(0.3), name="places")
        flat = [tokens.has_position, tokens.centres, tokens.half_widths]
        self.lookup = np.stack(flat, axis=-1).astype(np.float32)  # (columns, width, 3)

    def tables(self):
        """Vectors of the states, and what a position adds, each (columns, width, hidden)."""
        climb = ops.matmul(self.tokens.rungs, self.steps) / 2
        return self.states + ops.matmul(self.tokens.ladder, self.steps) + climb, climb

    def call(self, onehot, positions):
        """(columns, batch, hidden) from onehot (columns, batch, width) and positions (columns, batch)."""
        has_position, centres, half_widths = ops.unstack(ops.matmul(onehot, self.lookup), 3, axis=-1)
        positions = positions * has_position
        features = place_features(centres + positions * half_widths, positions)
        flat, climb = (ops.matmul(onehot, table) for table in self.tables())
        return flat + positions[:, :, None] * climb + ops.matmul(features, self.places)


class Block(keras.layers.Layer):
    """Attention and a feed-forward layer side by side, from one normalised input.

    All heads share their keys and values, which makes the cache small.

    Reference: Shazeer 2019, "Fast transformer decoding: one write-head is all you need", section 3; the
    parallel form is that of Wang and Komatsuzaki 2021 (GPT-J).
    """

    def __init__(self, hidden_dim: int, num_heads: int, num_layers: int, dropout: float):
        super().__init__()
        self.hidden_dim, self.num_heads, self.head_dim = hidden_dim, num_heads, hidden_dim // num_heads
        self.grown = 2 * hidden_dim
        self.sizes = [hidden_dim, self.head_dim, self.head_dim, self.grown]
        self.gain = self.add_weight((hidden_dim,), "ones", name="gain")
        self.enter = self.add_weight((hidden_dim, sum(self.sizes)), normal(hidden_dim**-0.5), name="enter")
        self.bias = self.add_weight((self.grown,), "zeros", name="bias")
        leave = normal(0.5 * (2 * hidden_dim * num_layers) ** -0.5)
        self.leave = self.add_weight((hidden_dim + self.grown, hidden_dim), leave, name="leave")
        self.dropout = dropout

    def project(self, x):
        """Queries, keys, values and feed-forward features of x (rows, hidden)."""
        parts = tf.split(ops.matmul(normalise(x, self.gain), self.enter), self.sizes, axis=-1)
        return parts[0] * np.float32(self.head_dim**-0.5), *parts[1:]

    def combine(self, attended, grown):
        return ops.matmul(ops.concatenate([attended, ops.silu(grown + self.bias)], axis=-1), self.leave)

    def call(self, x, seed=None):
        """(length, batch, hidden) to the same; with a `seed` (2,), under dropout."""
        length, batch = x.shape[0], ops.shape(x)[1]
        flat = ops.reshape(x, (-1, self.hidden_dim))
        queries, keys, values, grown = self.project(flat)
        queries = ops.reshape(queries, (length, batch, self.num_heads, self.head_dim))
        queries = ops.reshape(ops.transpose(queries, (1, 2, 0, 3)), (batch, -1, self.head_dim))
        keys, values = (
            ops.transpose(ops.reshape(part, (length, batch, self.head_dim)), (1, 0, 2))
            for part in (keys, values)
        )
        later = np.triu(np.full((length, length), -1e9, np.float32), 1)
        scores = tf.matmul(queries, keys, transpose_b=True) + np.tile(later, (self.num_heads, 1))
        attended = tf.matmul(tf.nn.softmax(scores), values)  # (batch, heads * length, head_dim)
        attended = ops.reshape(attended, (batch, self.num_heads, length, self.head_dim))
        attended = ops.reshape(ops.transpose(attended, (2, 0, 1, 3)), (-1, self.hidden_dim))
        change = self.combine(attended, grown)
        if seed is not None and self.dropout:
            change = tf.nn.experimental.stateless_dropout(change, self.dropout, seed)
        return x + ops.reshape(change, (length, batch, self.hidden_dim))


class ColumnHeads(keras.layers.Layer):
    """Hidden vectors to the logits of each column's states, and of the place inside a drawn state.

    States start at their own frequencies and places uniform. In an ordered column the logits are sums over
    the steps up to a state, so that what is learnt of one tells of its neighbours. The place head is steered
    by the state: the same hidden vector means another place in another bin.
    """

    def __init__(self, tokens: Tokens, hidden_dim: int, place_dim: int, num_places: int):
        super().__init__()
        columns, width = tokens.num_columns, tokens.width
        self.states = self.add_weight((columns, hidden_dim, width), normal(0.02), name="states")
        self.steps = self.add_weight((columns, hidden_dim, width), normal(0.02), name="steps")
        self.ladder = np.swapaxes(tokens.ladder, 1, 2)
        self.state_bias = self.add_weight((columns, 1, width), "zeros", name="state_bias")
        self.frequencies = tokens.bias()[:, None, :]
        self.enter = self.add_weight((columns, hidden_dim, place_dim), normal(hidden_dim**-0.5), name="enter")
        self.steer = self.add_weight((columns, width, 2 * place_dim), normal(0.3), name="steer")
        self.leave = self.add_weight((columns, place_dim, num_places), normal(0.02), name="leave")

    def tables(self):
        """Weights (columns, hidden, width) and biases (columns, 1, width) of the states' logits."""
        weights = self.states + ops.matmul(self.steps, self.ladder)
        return weights, self.state_bias + self.frequencies

    def state_logits(self, hidden):
        """(columns, batch, width)."""
        weights, bias = self.tables()
        return ops.matmul(hidden, weights) + bias

    def place_logits(self, hidden, onehot):
        """(columns, batch, num_places), inside the state that `onehot` (columns, batch, width) shows."""
        scale, shift = ops.split(ops.matmul(onehot, self.steer), 2, axis=-1)
        return ops.matmul(ops.silu(ops.matmul(hidden, self.enter) * (1 + scale) + shift), self.leave)


class RecordTransformer(keras.Model):
    """The network: which value has each column, given the columns before it in an order.

    The token at a place of the order carries the value of the column before, and the name of the column to
    be told: so any order can be asked for, and a prefix of the order is a condition.

    Args:
        tokens: of the encoded table.
        hidden_dim, num_layers, num_heads: of the blocks; hidden_dim is a multiple of num_heads.
        num_places: places that a state with a position is divided into.
        dropout: share of the blocks' output that is dropped in training.

    Reference: Pannatier, Courdier and Fleuret 2024, "σ-GPTs: a new approach to autoregressive models".
    """

    def __init__(
        self,
        tokens: Tokens,
        hidden_dim: int,
        num_layers: int,
        num_heads: int,
        num_places: int,
        dropout: float,
    ):
        super().__init__()
        self.tokens, self.num_places, self.hidden_dim = tokens, num_places, hidden_dim
        self.embedding = ColumnEmbedding(tokens, hidden_dim)
        self.targets = self.add_weight((tokens.num_columns, 1, hidden_dim), normal(0.5), name="targets")
        self.start = self.add_weight((hidden_dim,), normal(0.5), name="start")
        self.blocks = [Block(hidden_dim, num_heads, num_layers, dropout) for _ in range(num_layers)]
        self.gain = self.add_weight((hidden_dim,), "ones", name="gain")
        self.heads = ColumnHeads(tokens, hidden_dim, 16, num_places)
        self.built = True

    def call(self, states, positions, order, seed=None):
        """Hidden vectors of all columns, (columns, batch, hidden), and the onehot states.

        Args:
            states: int32 (batch, columns).
            positions: float32 (batch, columns).
            order: int32 (columns,), a permutation; a column's vector depends on those before it alone.
            seed: int (2,) of the dropout, or None for none.
        """
        onehot = tf.one_hot(tf.transpose(states), self.tokens.width)
        orders = order[None] if order.shape.rank == 1 else order
        values = arrange(self.embedding(onehot, tf.transpose(positions)), orders)
        start = tf.broadcast_to(self.start, tf.shape(values[:1]))
        targets = arrange(tf.broadcast_to(self.targets, tf.shape(values)), orders)
        x = tf.concat([start, values[:-1]], axis=0) + targets
        for number, block in enumerate(self.blocks):
            x = block(x, seed=None if seed is None else seed + number)
        return arrange(normalise(x, self.gain), tf.argsort(orders)), onehot

    def negative_log_likelihood(self, states, positions, order, seed=None):
        """Nats of each value given those before it, (columns, batch).

        For a value with a position, those of its state plus the logarithm of its density there, where the
        uniform density on [-1, 1] counts as 1.
        """
        hidden, onehot = self(states, positions, order, seed)
        state_logits = self.heads.state_logits(hidden)
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.transpose(states), state_logits)
        places = tf.cast((tf.transpose(positions) + 1) * (0.5 * self.num_places), tf.int32)
        places = tf.clip_by_value(places, 0, self.num_places - 1)
        place_logits = self.heads.place_logits(hidden, onehot)
        place_nats = tf.nn.sparse_softmax_cross_entropy_with_logits(places, place_logits)
        has_place = tf.reduce_sum(onehot * self.tokens.has_position[:, None, :], axis=-1)
        return nats + has_place * (place_nats - np.float32(np.log(self.num_places)))


def arrange(x, orders):
    """x (columns, batch, …) with its columns in order: orders (groups, columns), of as many rows each."""
    parts = zip(tf.split(x, orders.shape[0], axis=1), tf.unstack(orders), strict=True)
    return tf.concat([tf.gather(part, order) for part, order in parts], axis=1)


def normalise(x, gain):
    """x over its root mean square, times gain (Zhang and Sennrich 2019, equation 4)."""
    return x * (tf.math.rsqrt(tf.reduce_mean(x * x, axis=-1, keepdims=True) + 1e-6) * gain)
