"""The GAN's networks: a generator that draws one column after the other, and a critic over packed rows."""

from __future__ import annotations

import numpy as np

from synthlib.models.backend import keras, ops, tf
from synthlib.models.encoding import SpanEncoder

BLOCK_COLUMNS = 8  # that share matrix products: most of what the masks hide is never computed
LEAST_UNIFORM = 0.01  # share of the uniform part in each mixture of positions
NARROWEST = 1e-3  # scale of a mixture's components, on ranks in [-1, 1]


class Layout:
    """Shapes and constants of an encoded table that network, critic and losses share.

    Attributes:
        num_columns, width: every column has `width` places for states, unused ones never drawn.
        num_states: of each column.
        shares, present, has_position, centres, half_widths: float32 of shape (num_columns, width); the
            rank of a row's value is the centre of its state plus its position times the half width.
        ranked: columns in which some state has a rank that its position moves.
        ladder: float32 (num_columns, width, width); for an ordered column the steps up to the middle of each
            state, so that a sum over steps is shared by all states above. Zero for other columns.
        rungs: likewise, what a position adds to that sum.
    """

    def __init__(self, encoder: SpanEncoder):
        self.num_columns, self.width = encoder.num_columns, encoder.width
        self.num_states = [span.num_states for span in encoder.spans_]
        self.shares = encoder.shares()
        self.present = np.zeros_like(self.shares)
        for column, num_states in enumerate(self.num_states):
            self.present[column, :num_states] = 1
        self.has_position = encoder.has_position()
        self.centres = encoder.centres()
        ordered = (np.abs(self.centres).sum(axis=1, keepdims=True) > 0).astype(np.float32)
        self.half_widths = self.shares * self.has_position * ordered
        self.ranked = np.flatnonzero(self.half_widths.max(axis=1) > 0)
        self.ladder, self.rungs = np.zeros((2, self.num_columns, self.width, self.width), np.float32)
        for span in encoder.spans_:
            size = len(span.values)
            if ordered[span.index, 0]:
                moved = np.diag(self.has_position[span.index, :size])
                below = np.tril(np.ones((size, size)), -1) + np.eye(size) / 2
                self.ladder[span.index, :size, :size] = below * 2 / np.sqrt(size)
                self.rungs[span.index, :size, :size] = moved / np.sqrt(size)

    def flatten(self, onehot, positions):
        """A batch as one matrix, (batch, columns * width + 2 * columns): states, positions, ranks."""
        states = ops.reshape(onehot, (-1, self.num_columns * self.width))
        positions = positions * ops.sum(onehot * self.has_position, axis=-1)
        ranks = ops.sum(onehot * self.centres, -1) + positions * ops.sum(onehot * self.half_widths, -1)
        return ops.concatenate([states, positions, ranks], axis=1)


class Generator(keras.Model):
    """Uniform noise to rows: each column is drawn by inversion, given the columns before it.

    All columns' distributions on a given row are computed in one pass whose weights are masked, so that a
    column sees the ones before it and, under a condition, the given ones after it. An ordered column enters
    as a piecewise linear function of its rank, the sum of all steps up to a value, so that what is learnt of
    one value tells of its neighbours; each state has a small entry of its own beside it. The logits of its
    states are likewise sums over steps. Where a state stands for a stretch of ranks, the position is drawn
    from a mixture of logistic distributions of the rank, truncated to the stretch, so that resolution does
    not end at the states.

    At the start it draws each column from its own frequencies, whatever it is given.

    Args:
        layout: of the encoded table.
        entry_dim: numbers by which a column enters.
        hidden_dim: width of each column's two hidden layers.
        num_components: of the mixtures of positions.

    Reference: Germain et al. 2015, "MADE: masked autoencoder for distribution estimation" (masks);
    Salimans et al. 2017, "PixelCNN++", section 2.1 (mixtures); Gorishniy, Rubachev and Babenko 2022, "On
    embeddings for numerical features in tabular deep learning", section 3.2 (entries).
    """

    def __init__(self, layout: Layout, entry_dim: int, hidden_dim: int, num_components: int):
        super().__init__()
        self.layout, self.entry_dim, self.hidden_dim = layout, entry_dim, hidden_dim
        self.num_components = num_components
        columns, width, ranked = layout.num_columns, layout.width, len(layout.ranked)
        size = columns * entry_dim
        frequencies = np.log(np.maximum(layout.shares, 1e-6)) + (layout.present - 1) * 1e9

        def weight(name, shape, scale):
            return self.add_weight(
                shape=shape,
                initializer=lambda shape, dtype=None: (
                    scale * keras.initializers.RandomNormal(stddev=1.0)(shape, dtype)
                ),
                name=name,
            )

        def constant(name, values):
            values = np.asarray(values, np.float32)
            return self.add_weight(
                shape=values.shape,
                initializer=lambda shape, dtype=None: ops.convert_to_tensor(values, dtype),
                name=name,
            )

        alone = np.where(layout.ladder.any(axis=(1, 2)), 0.1, 0.5).astype(np.float32)[:, None, None]
        self.entries = weight("entries", (columns, width, 2 * entry_dim), alone)
        self.entry_steps = weight("entry_steps", (columns, width, entry_dim), 0.5)
        self.given_entries = weight("given_entries", (columns, entry_dim), 0.1)
        self.mix = weight("mix", (columns, hidden_dim, size), (2 / size) ** 0.5)
        self.mix_bias = constant("mix_bias", np.zeros((columns, 1, hidden_dim)))
        self.deepen = weight("deepen", (columns, hidden_dim, hidden_dim), (1 / hidden_dim) ** 0.5)
        self.deepen_bias = constant("deepen_bias", np.zeros((columns, 1, hidden_dim)))
        self.to_states = weight("to_states", (columns, hidden_dim, width), 0.01)
        self.to_steps = weight("to_steps", (columns, hidden_dim, width), 0.01)
        self.to_states_bias = constant("to_states_bias", frequencies[:, None])
        self.to_mixtures = self.to_mixtures_bias = None
        if ranked:
            self.to_mixtures = weight("to_mixtures", (ranked, hidden_dim, 3 * num_components + 1), 0.01)
            start = [0.0] * (num_components + 1) + [*np.linspace(-0.7, 0.7, num_components)]
            start += [-1.0] * num_components
            self.to_mixtures_bias = constant("to_mixtures_bias", np.tile(start, (ranked, 1, 1)))
        self.built = True

    def distributions(self, states, positions, given=None, kept=None):
        """Logits of states (columns, batch, width) and parameters of mixtures (ranked, batch, 3K + 1).

        Args:
            states, positions: of whole rows, (batch, columns).
            given: 1 where a value is given, (num_given, columns), for the last `num_given` rows; or None.
            kept: factors of the columns' entries, (columns, 1, batch), or None.
        """
        num_given = 0 if given is None else given.shape[0]
        onehot = ops.one_hot(ops.transpose(states), self.layout.width)
        looked_up = tf.matmul(self.entry_table(), onehot, transpose_a=True, transpose_b=True)
        flat, tilt = tf.split(looked_up, 2, axis=1)
        entries = flat + tilt * ops.transpose(positions)[:, None]  # (columns, entry, batch)
        if kept is not None:
            entries = entries * kept
        later = None
        if num_given:
            mask = ops.transpose(given)[:, None]
            free, marked = tf.split(entries, [entries.shape[2] - num_given, num_given], axis=2)
            marked = marked + mask * self.given_entries[:, :, None]
            entries, later = tf.concat([free, marked], axis=2), marked * mask
        hidden = self._mix(entries, later)
        hidden = ops.relu(hidden + self.mix_bias)
        hidden = hidden + ops.relu(ops.matmul(hidden, self.deepen) + self.deepen_bias)
        logits = ops.matmul(hidden, self.state_table()) + self.to_states_bias
        if not len(self.layout.ranked):
            return logits, None
        ranked = tf.gather(hidden, self.layout.ranked)
        return logits, ops.matmul(ranked, self.to_mixtures) + self.to_mixtures_bias

    def entry_table(self):
        """What a state enters by, and what its position adds: (columns, width, 2 * entry)."""
        ladders = np.concatenate([self.layout.ladder, self.layout.rungs], axis=1)
        flat, tilt = tf.split(ops.matmul(ladders, self.entry_steps), 2, axis=1)
        return self.entries + tf.concat([flat, tilt], axis=2)

    def state_table(self):
        """Weights of the states' logits, (columns, hidden, width)."""
        return self.to_states + ops.matmul(self.to_steps, np.swapaxes(self.layout.ladder, 1, 2))

    def _mix(self, entries, later):
        """First hidden layer without its bias, (columns, batch, hidden): what is before a column enters, and
        of what is after it the given entries `later` (columns, entry, num_given), or None.
        """
        columns, batch, step = self.layout.num_columns, entries.shape[2], self.entry_dim
        sizes = [len(block) for block in np.array_split(np.arange(columns), -(-columns // BLOCK_COLUMNS))]
        starts, hidden = np.cumsum(sizes) - sizes, []
        for start, size, weights in zip(starts, sizes, tf.split(self.mix, sizes, axis=0), strict=True):
            parts = [start * step, size * step, (columns - start - size) * step]
            weights = ops.reshape(weights, (size * self.hidden_dim, columns * step))
            before, beside, after = tf.split(weights, parts, axis=1)
            column = np.repeat(np.arange(size), self.hidden_dim)[:, None]
            of_entry = np.repeat(np.arange(size), step)[None]
            known, near, _ = tf.split(ops.reshape(entries, (columns * step, batch)), parts, axis=0)
            mixed = tf.matmul(before, known) + tf.matmul(beside * np.float32(of_entry < column), near)
            if later is not None:
                _, near, far = tf.split(ops.reshape(later, (columns * step, -1)), parts, axis=0)
                more = tf.matmul(after, far) + tf.matmul(beside * np.float32(of_entry > column), near)
                free, given = tf.split(mixed, [batch - more.shape[1], more.shape[1]], axis=1)
                mixed = tf.concat([free, given + more], axis=1)
            hidden.append(ops.reshape(mixed, (size, self.hidden_dim, batch)))
        return ops.transpose(tf.concat(hidden, axis=0), (0, 2, 1))

    def log_likelihood(self, states, positions, given=None, kept=None):
        """Log-likelihood of each value, (columns, batch): of its state, and of its position in it.

        Positions are measured against the uniform density of their state, which has 0.
        """
        logits, mixtures = self.distributions(states, positions, given, kept)
        states, positions = ops.transpose(states), ops.transpose(positions)
        likelihood = -tf.nn.sparse_softmax_cross_entropy_with_logits(states, logits)
        if mixtures is None:
            return likelihood
        ranked = self.layout.ranked
        states, positions = tf.gather(states, ranked), tf.gather(positions, ranked)
        half = tf.gather(self.layout.half_widths[ranked], states, batch_dims=1)
        centre = tf.gather(self.layout.centres[ranked], states, batch_dims=1)
        density = log_truncated_density(mixtures, centre, half, positions, self.num_components)
        density = tf.where(half > 0, density, 0.0)
        places = np.zeros((self.layout.num_columns, len(ranked)), np.float32)
        places[ranked, np.arange(len(ranked))] = 1
        return likelihood + ops.matmul(places, density)


def log_truncated_density(parameters, centre, half, positions, num_components: int):
    """Log density of positions in [-1, 1], against the uniform one, under truncated mixtures of logistics.

    Args:
        parameters: logits of the parts (the first is uniform on [-1, 1]), means, log scales;
            (…, 3 * num_components + 1).
        centre, half: middle and half width of the stretch of ranks, (…).
        positions: in the stretch, (…).
    """
    half = ops.maximum(half, 1e-6)
    parts = ops.softmax(parameters[..., : num_components + 1], axis=-1)
    parts = (1 - LEAST_UNIFORM) * parts
    uniform, parts = parts[..., 0] + LEAST_UNIFORM, parts[..., 1:]
    means = parameters[..., num_components + 1 : 2 * num_components + 1]
    scales = NARROWEST + ops.exp(ops.clip(parameters[..., 2 * num_components + 1 :], -12.0, 3.0))
    standard = ((centre + half * positions)[..., None] - means) / scales
    density = uniform / 2 + ops.sum(parts * ops.sigmoid(standard) * ops.sigmoid(-standard) / scales, -1)
    low = ops.sigmoid(((centre - half)[..., None] - means) / scales)
    high = ops.sigmoid(((centre + half)[..., None] - means) / scales)
    mass = uniform * half + ops.sum(parts * (high - low), axis=-1)
    return ops.log(density) - ops.log(mass) + ops.log(2 * half)


def build_critic(layout: Layout, packing: int, hidden_dim: int) -> keras.Model:
    """A critic that judges `packing` rows at once, so that a lack of variety shows.

    Reference: Lin et al. 2018, "PacGAN: the power of two samples in generative adversarial networks".
    """
    row_size = layout.num_columns * (layout.width + 2)  # states, positions, ranks
    return keras.Sequential(
        [
            keras.Input((packing * row_size,)),
            keras.layers.Dense(hidden_dim),
            keras.layers.LeakyReLU(0.2),
            keras.layers.Dense(hidden_dim),
            keras.layers.LeakyReLU(0.2),
            keras.layers.Dense(1),
        ]
    )


def gradient_penalty(critic, real, fake, shares):
    """Mean of (‖∇ critic‖ − 1)² on lines between real and fake; for a linear critic, (‖w‖ − 1)².

    Args:
        critic: function of (batch, size) to (batch, 1).
        real, fake: (batch, size).
        shares: (batch, 1) in [0, 1], where on the line.

    Reference: Gulrajani et al. 2017, "Improved training of Wasserstein GANs", equation 3.
    """
    between = real + shares * (fake - real)
    with tf.GradientTape() as tape:
        tape.watch(between)
        scores = critic(between)
    slopes = tape.gradient(scores, between)
    return ops.mean((ops.sqrt(ops.sum(slopes**2, axis=1) + 1e-12) - 1) ** 2)
