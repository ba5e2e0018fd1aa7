"""The GAN's networks: a generator that draws columns in groups, and a critic over packed rows."""

from __future__ import annotations

import numpy as np

from synthlib.models.backend import keras, ops, tf
from synthlib.models.encoding import SpanEncoder


class Layout:
    """Shapes and constants of an encoded table that network, critic and losses share.

    Attributes:
        num_columns, width: every column has `width` places for states, unused ones never drawn.
        shares, present, has_position, centres, half_widths: float32 of shape (num_columns, width); the
            rank of a row's value is the centre of its state plus its position times the half width.
    """

    def __init__(self, encoder: SpanEncoder):
        self.num_columns, self.width = encoder.num_columns, encoder.width
        self.shares = encoder.shares()
        self.present = (self.shares > 0).astype(np.float32)
        self.has_position = encoder.has_position()
        self.centres = encoder.centres()
        ordered = (np.abs(self.centres).sum(axis=1, keepdims=True) > 0).astype(np.float32)
        self.half_widths = self.shares * self.has_position * ordered

    def ranks(self, onehot, positions, columns=slice(None)):
        """Ranks in [-1, 1] of states (batch, columns, width) at positions (batch, columns)."""
        return ops.sum(onehot * self.centres[columns], -1) + positions * ops.sum(
            onehot * self.half_widths[columns], -1
        )

    def flatten(self, onehot, positions):
        """A batch as one matrix, (batch, columns * width + 2 * columns): states, positions, ranks."""
        states = ops.reshape(onehot, (-1, self.num_columns * self.width))
        positions = positions * ops.sum(onehot * self.has_position, axis=-1)
        return ops.concatenate([states, positions, self.ranks(onehot, positions)], axis=1)


def draw_states(logits, uniform):
    """One state a column, drawn from `logits` (…, width) by the Gumbel-max trick, one-hot."""
    return ops.one_hot(ops.argmax(logits - ops.log(-ops.log(uniform)), axis=-1), logits.shape[-1])


def straight_through(logits, uniform, temperature: float):
    """One state a column, drawn from `logits` (…, width): one-hot forward, soft backward.

    Reference: Jang, Gu and Poole 2017, "Categorical reparameterization with Gumbel-softmax", section 2.2.
    """
    perturbed = logits - ops.log(-ops.log(uniform))
    hard = ops.one_hot(ops.argmax(perturbed, axis=-1), logits.shape[-1])
    soft = ops.softmax(perturbed / temperature, axis=-1)
    return soft + ops.stop_gradient(hard - soft)


class ResidualBlock(keras.layers.Layer):
    """x + W₂ silu(W₁ norm(x))."""

    def __init__(self, hidden_dim: int):
        super().__init__()
        self.norm = keras.layers.LayerNormalization()
        self.grow = keras.layers.Dense(hidden_dim, "silu")
        self.shrink = keras.layers.Dense(hidden_dim)

    def call(self, x):
        return x + self.shrink(self.grow(self.norm(x)))


class ColumnGroup(keras.layers.Layer):
    """Draws states and positions of some columns, given the noise's features and the groups drawn before.

    At the start it draws each column from its own frequencies, and positions uniformly, whatever it is given.
    """

    def __init__(self, layout: Layout, columns: np.ndarray, hidden_dim: int, temperature: float):
        super().__init__()
        self.layout, self.columns, self.temperature = layout, columns, temperature
        frequencies = np.log(np.maximum(layout.shares[columns], 1e-6)).reshape(-1)
        self.mix = keras.layers.Dense(hidden_dim, "silu")
        self.to_states = keras.layers.Dense(
            len(columns) * layout.width,
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=lambda shape, dtype=None: ops.convert_to_tensor(frequencies, dtype),
        )
        self.detail = keras.layers.Dense(hidden_dim // 2, "silu")
        self.to_positions = keras.layers.Dense(2 * len(columns), kernel_initializer="zeros")
        self.absent = (layout.present[columns] - 1) * 1e9

    def call(self, context, uniform, normal, given=None, given_positions=None, mask=None, training=False):
        """onehot (batch, group, width) and positions (batch, group); columns under `mask` as given."""
        mixed = self.mix(context)
        logits = ops.reshape(self.to_states(mixed), (-1, len(self.columns), self.layout.width)) + self.absent
        onehot = (
            straight_through(logits, uniform, self.temperature) if training else draw_states(logits, uniform)
        )
        if mask is not None:
            onehot = onehot + mask[:, :, None] * (given - onehot)
        states = ops.reshape(onehot, (-1, len(self.columns) * self.layout.width))
        mean, log_scale = ops.split(
            self.to_positions(self.detail(ops.concatenate([mixed, states], axis=1))), 2, axis=1
        )
        # erf(normal / √2) is uniform on [-1, 1]
        positions = ops.erf((mean + ops.exp(log_scale) * normal) / np.float32(np.sqrt(2)))
        if mask is not None:
            positions = positions + mask * (given_positions - positions)
        return onehot, positions


class Generator(keras.Model):
    """Noise and a condition to rows.

    Columns are drawn in a few groups, each knowing what the groups before it drew: functional relations
    between columns (a class that follows from a diagnosis) need not be squeezed through the noise.

    Args:
        layout: of the encoded table.
        hidden_dim, num_blocks: width and number of residual blocks.
        num_groups: of columns.
        temperature: of the straight-through gradient.
    """

    def __init__(self, layout: Layout, hidden_dim: int, num_blocks: int, num_groups: int, temperature: float):
        super().__init__()
        self.layout = layout
        self.groups = [
            np.arange(start, layout.num_columns, num_groups)
            for start in range(min(num_groups, layout.num_columns))
        ]
        self.to_table_order = np.argsort(np.concatenate(self.groups))
        self.enter = keras.layers.Dense(hidden_dim)
        self.enter_condition = keras.layers.Dense(hidden_dim, use_bias=False)
        self.blocks = [ResidualBlock(hidden_dim) for _ in range(num_blocks)]
        self.norm = keras.layers.LayerNormalization()
        self.draws = [ColumnGroup(layout, columns, hidden_dim, temperature) for columns in self.groups]

    def call(self, inputs, training=False):
        """Rows as onehot (batch, columns, width) and positions (batch, columns).

        Args:
            inputs: noise (batch, latent_dim); uniform (batch, columns, width) in (0, 1); normal
                (batch, columns); and, where anything is given, the condition's onehot, positions and
                mask: 1 where a column is given.
            training: whether gradients are to pass through the draws.
        """
        noise, *draws = inputs
        hidden = self.enter(noise)
        if len(draws) > 2:
            given, given_positions, mask = draws[2:]
            condition = ops.concatenate([self.layout.flatten(given, given_positions), mask], axis=1)
            hidden += self.enter_condition(condition)
        for block in self.blocks:
            hidden = block(hidden)
        context, onehots, positions = [self.norm(hidden)], [], []
        for columns, draw in zip(self.groups, self.draws, strict=True):
            drawn = [tf.gather(part, columns, axis=1) for part in draws]
            onehot, position = draw(ops.concatenate(context, axis=1), *drawn, training=training)
            states = ops.reshape(onehot, (-1, len(columns) * self.layout.width))
            context += [states, self.layout.ranks(onehot, position, columns)]
            onehots.append(onehot)
            positions.append(position)
        return tuple(
            tf.gather(ops.concatenate(parts, axis=1), self.to_table_order, axis=1)
            for parts in (onehots, positions)
        )


def build_critic(layout: Layout, packing: int, hidden_dim: int) -> keras.Model:
    """A critic that judges `packing` rows at once, so that a lack of variety shows.

    Reference: Lin et al. 2018, "PacGAN: the power of two samples in generative adversarial networks".
    """
    row_size = layout.num_columns * (layout.width + 3)  # states, positions, ranks, condition mask
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


def kernel_discrepancy(fake, real, bandwidth: float):
    """Unbiased squared maximum mean discrepancy under the kernel (1 + bandwidth · x·y)³.

    On centred one-hot rows this kernel sees the difference of all one-, two- and three-way marginals.

    Args:
        fake: (num_fake, size).
        real: (num_real, size).

    Reference: Gretton et al. 2012, "A kernel two-sample test", equation 3.
    """
    return _mean_off_diagonal(_kernel(real, real, bandwidth)) + kernel_loss(fake, real, bandwidth)


def kernel_loss(fake, real, bandwidth: float):
    """`kernel_discrepancy` without the term that `fake` is not in: the same gradient for less work."""
    return _mean_off_diagonal(_kernel(fake, fake, bandwidth)) - 2 * ops.mean(_kernel(fake, real, bandwidth))


def _kernel(x, y, bandwidth: float):
    return (1 + bandwidth * ops.matmul(x, ops.transpose(y))) ** 3


def _mean_off_diagonal(kernel):
    size = kernel.shape[0]
    return (ops.sum(kernel) - ops.trace(kernel)) / (size * (size - 1))
