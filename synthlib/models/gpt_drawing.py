"""Rows from a trained RecordTransformer, in numpy: column after column, over a cache of keys and values."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from synthlib.models.backend import ops
from synthlib.models.transformer import Block, RecordTransformer

ROWS_AT_ONCE = 2048  # at most; as many as one product is worth
TOKENS_AT_ONCE = 2**16  # in the caches: of wide tables fewer rows are drawn at once
SAFE = 1e30  # sums of exponentials between its inverse and it have lost nothing to overflow or underflow

to_array = ops.convert_to_numpy


class Sampler:
    """Draws states and positions from a RecordTransformer's weights as they are now.

    Args:
        network: its weights are copied; later updates do not reach this Sampler.
        temperature: the logits of states are divided by it.
        top_p: only the likeliest states that make up this share are drawn; 1 for all.
    """

    def __init__(self, network: RecordTransformer, temperature: float = 1.0, top_p: float = 1.0):
        embedding, heads = network.embedding, network.heads
        self.network, self.top_p = network, top_p
        self.start = to_array(network.start)[None]
        self.layers = [Layer(block) for block in network.blocks]
        names = ("flat", "climb", "weights", "bias", "places", "target", "enter", "steer", "leave")
        tables = [*embedding.tables(), *heads.tables(), embedding.places, network.targets]
        tables = [to_array(table) for table in (*tables, heads.enter, heads.steer, heads.leave)]
        self.columns = [
            ColumnTables(network, column, temperature, **dict(zip(names, part, strict=True)))
            for column, part in enumerate(zip(*tables, strict=True))
        ]

    def draw(self, states, positions, mask, uniforms, order=None) -> tuple[np.ndarray, np.ndarray]:
        """Rows whose given cells come first and whose other columns are drawn one after the other.

        A row depends on its own cells and its own uniform numbers alone.

        Args:
            states, positions, mask: (batch, columns); where mask is True the value is given.
            uniforms: float32 (columns, 3, batch) in [0, 1): for the state, the place in it and the rest.
            order: a permutation of the columns that the given ones keep, and after them the others; or None
                for the table's order.

        Returns:
            states int32 and positions float32, (batch, columns); a position is 0 where its state has none.
        """
        states, positions, mask = (np.array(part.T, order="C") for part in (states, positions, mask))
        order = range(len(self.columns)) if order is None else order
        alike = np.lexsort((*mask, mask.sum(axis=0)))  # rows with the same cells given lie together
        with threadpool_limits(1, user_api="blas"), np.errstate(over="ignore", invalid="ignore"):
            size = min(ROWS_AT_ONCE, max(32, TOKENS_AT_ONCE // len(mask)))
            for start in range(0, len(alike), size):
                rows = alike[start : start + size]
                parts = states[:, rows], positions[:, rows], mask[:, rows], uniforms[:, :, rows]
                states[:, rows], positions[:, rows] = self._draw(*parts, order)
        return states.T, positions.T

    def _draw(self, states, positions, mask, uniforms, order) -> tuple[np.ndarray, np.ndarray]:
        """States and positions of few rows, (columns, rows)."""
        num_columns, num_rows = mask.shape
        kind = SharedTokens if (mask == mask[:, :1]).all() else OwnTokens
        tokens = kind(self.start, num_rows, num_columns, self.layers)
        for given in (True, False):
            for column in order:
                part, rows = self.columns[column], np.flatnonzero(mask[column] == given)
                if not len(rows):
                    continue
                rows = slice(None) if len(rows) == num_rows else rows
                hidden = self._hidden(tokens, rows, part.target, given)
                if not given:
                    drawn = part.draw(hidden, tokens.node, uniforms[column][:, rows], self.top_p)
                    states[column, rows], positions[column, rows] = drawn
                tokens.tell(rows, part, states[column, rows], positions[column, rows])
        return states, positions

    def _hidden(self, tokens, rows, target, given: bool) -> np.ndarray | None:
        """What the network says of the next column, (nodes, hidden + 1); None where that is given."""
        x, pick = tokens.values(rows)
        x = x + target
        for number, layer in enumerate(self.layers):
            normal = normalise(x)
            if given and number + 1 == len(self.layers):  # there only keys and values are of use
                tokens.keep(number, rows, select(normal @ layer.keep, pick))
                return None
            queries, kept, x = (select(part, pick) for part in layer.enter(x, normal))
            tokens.keep(number, rows, kept)
            x += layer.attend(queries, *tokens.recall(number, rows))
            pick = None
        return normalise(x)


class SharedTokens:
    """Tokens of rows with the same cells given: at any place they tell of the same column.

    Rows are alike up to the column where they part, and as long as there are few different ones, each of
    these is a node that stands for all rows like it. After that each row is a node, but a token that tells
    of a state alone is still one for all rows in this state, as far as the first keys and values.

    Attributes:
        node: which node each row is; None when each is its own.
    """

    def __init__(self, start, num_rows: int, length: int, layers: list):
        self.value, self.pick, self.place, self.node = start, None, 0, np.zeros(num_rows, int)
        self.caches = [layer.make_cache(num_rows, length) for layer in layers]

    def values(self, rows):
        """Vectors of the last values told, and which of them is each node's (None: its own)."""
        return self.value, self.pick

    def keep(self, number: int, rows, kept) -> None:
        """Add a layer's keys and values (nodes, 2 * head_dim)."""
        self.num_nodes = len(kept)
        keys, values = self.caches[number]
        keys[self.place, : len(kept)], values[self.place, : len(kept)] = np.split(kept, 2, axis=1)

    def recall(self, number: int, rows) -> tuple:
        """A layer's keys and values (tokens, nodes, head_dim), and what is added to scores or None."""
        return *self.caches[number][:, : self.place + 1, : self.num_nodes], None

    def tell(self, rows, part: ColumnTables, states, positions) -> None:
        """Go on to the next token, which knows these values of a column."""
        self.place += 1
        if self.node is not None:
            states = self._branch(part, states)
        self.value, self.pick = part.embed(states, positions)

    def _branch(self, part: ColumnTables, states):
        """Give the rows that part nodes of their own; states of the new nodes."""
        parents, self.node, node = self.node, None, self.node
        if not part.positioned:
            nodes, node = np.unique(node * part.num_states + states, return_inverse=True)
            if len(nodes) <= len(states) / 2:
                self.node, (parents, states) = node, np.divmod(nodes, part.num_states)
        for cache in self.caches:
            cache[:, : self.place, : len(parents)] = cache[:, : self.place, parents]
        return states


class OwnTokens:
    """Tokens of rows with different cells given: each row is at a place of its own.

    Where a row has fewer tokens than others, those that it lacks get a score of -10⁹.
    """

    node = None

    def __init__(self, start, num_rows: int, length: int, layers: list):
        self.value, self.place = np.repeat(start, num_rows, axis=0), np.zeros(num_rows, int)
        self.caches = [layer.make_cache(num_rows, length) for layer in layers]

    def values(self, rows):
        return self.value[rows], None

    def keep(self, number: int, rows, kept) -> None:
        rows, (keys, values) = np.arange(len(self.place))[rows], self.caches[number]
        keys[self.place[rows], rows], values[self.place[rows], rows] = np.split(kept, 2, axis=1)

    def recall(self, number: int, rows) -> tuple:
        rows, places = np.arange(len(self.place))[rows], self.place[rows]
        tokens = np.arange(places.max() + 1)
        absent = np.where(tokens > places[:, None], np.float32(-1e9), np.float32(0))
        keys, values = (np.take(part[: len(tokens)], rows, axis=1) for part in self.caches[number])
        return keys, values, absent[:, None]

    def tell(self, rows, part: ColumnTables, states, positions) -> None:
        self.place[rows] += 1
        self.value[rows] = select(*part.embed(states, positions))


def select(array: np.ndarray, pick: np.ndarray | None) -> np.ndarray:
    """Those rows of an array, or where there is nothing to pick the array itself."""
    return array if pick is None else array[pick]


class Layer:
    """A Block's weights, for vectors that end in a one; gains, scales, biases and signs are folded in."""

    def __init__(self, block: Block):
        self.heads, self.width = block.num_heads, block.head_dim
        gain, enter, bias, leave = (
            to_array(part) for part in (block.gain, block.enter, block.bias, block.leave)
        )
        enter = np.concatenate([enter * gain[:, None], np.zeros_like(enter[:1])])
        queries, keys, values, grown = np.split(enter, np.cumsum(block.sizes)[:-1], axis=1)
        grown[-1] = bias
        self.keep = np.concatenate([keys, values], axis=1)
        self.ask, self.grow = queries * np.float32(self.width**-0.5), -grown
        self.leave_attention, self.leave_growth = leave[: -block.grown], -leave[-block.grown :]

    def make_cache(self, num_rows: int, length: int) -> np.ndarray:
        """Room for keys and values, (2, tokens, rows + 1, head_dim): strides of no power of two."""
        return np.zeros((2, length, num_rows + 1, self.width), np.float32)

    def enter(self, x, normal):
        """Queries (rows, heads, head_dim), keys and values (rows, 2 * head_dim), x after the feed-forward."""
        queries = (normal @ self.ask).reshape(len(x), self.heads, self.width)
        rest = silu_of_minus(normal @ self.grow) @ self.leave_growth
        rest += x
        return queries, normal @ self.keep, rest

    def attend(self, queries, keys, values, absent=None):
        """What attention adds to x, (rows, hidden), from keys and values (tokens, rows, head_dim).

        Where it can be, the softmax does without the maximum; `absent` (rows, 1, tokens) is added before it.
        """
        scores = queries @ keys.transpose(1, 2, 0)
        if absent is not None:
            scores += absent
        weights = np.exp(scores)
        sums = add_up(weights)
        if not (sums.min() > 1 / SAFE and sums.max() < SAFE):
            weights = np.exp(scores - scores.max(axis=2, keepdims=True))
            sums = add_up(weights)
        attended = weights @ values.swapaxes(0, 1)
        attended /= sums
        return attended.reshape(len(queries), -1) @ self.leave_attention


def add_up(weights: np.ndarray) -> np.ndarray:
    """Sums over the last axis, (rows, heads, 1), as a product: that is quicker."""
    tokens = weights.shape[-1]
    return (weights.reshape(-1, tokens) @ np.ones(tokens, np.float32)).reshape(*weights.shape[:-1], 1)


class ColumnTables:
    """What the network knows of one column: tables of its states, and its heads' weights.

    Args:
        flat, climb, places, target: of the embedding, and the name of the column.
        weights, bias, enter, steer, leave: of its heads.
    """

    def __init__(
        self, network, column: int, temperature: float,
        *, flat, climb, places, target, weights, bias, enter, steer, leave,
    ):  # fmt: skip
        tokens, gain = network.tokens, to_array(network.gain)[:, None]
        self.num_states = num = int(np.flatnonzero(tokens.shares[column])[-1]) + 1
        self.has_position = tokens.has_position[column, :num]
        self.centres, self.half_widths = tokens.centres[column, :num], tokens.half_widths[column, :num]
        self.target, self.waves, self.positioned = target, places[2:], bool(self.has_position.any())
        self.flat = flat[:num] + self.centres[:, None] * places[0]
        self.head = np.concatenate([weights * gain, bias])[:, :num].T / np.float32(temperature)
        if not self.positioned:  # all that is to be said is said by the state
            self.flat += self._wave(self.centres, np.zeros_like(self.centres))
            return
        self.climb = climb[:num] + self.half_widths[:, None] * places[0] + places[1]
        enter = np.concatenate([enter * gain, np.zeros_like(enter[:1])])
        self.head = np.concatenate([self.head, -enter.T])
        scale, shift = np.split(steer[:num].T, 2)
        self.steer, self.leave = np.concatenate([1 + scale, -shift]), -leave.T

    def _wave(self, ranks, positions):
        """What the waves of `place_features` add to the vectors, (rows, hidden)."""
        turns = np.stack([positions, positions, 2 * ranks, 2 * ranks]) * np.float32(np.pi)
        np.sin(turns[::2], out=turns[::2])
        np.cos(turns[1::2], out=turns[1::2])
        return turns.T @ self.waves

    def embed(self, states, positions):
        """Vectors of these values, and which of them is each row's."""
        if not self.positioned:
            return self.flat, states
        positions = positions * self.has_position[states]
        vectors = self._wave(self.centres[states] + positions * self.half_widths[states], positions)
        vectors += self.flat[states]
        climb = self.climb[states]
        climb *= positions[:, None]
        vectors += climb
        return vectors, None

    def draw(self, hidden, node, uniforms, top_p: float):
        """States and positions (rows,) from what the network says of each row's node (nodes, hidden + 1)."""
        heads = self.head @ hidden.T
        heads = heads if node is None else np.take(heads, node, axis=1)
        logits, entered = heads[: self.num_states], heads[self.num_states :]
        states = draw_index(logits if top_p >= 1 else cut_tail(logits, top_p), uniforms[0])
        if not self.positioned:
            return states, np.zeros(len(states), np.float32)
        steer = np.take(self.steer, states, axis=1)
        entered = entered * steer[: len(entered)] + steer[len(entered) :]
        places = draw_index(self.leave @ silu_of_minus(entered), uniforms[1])
        positions = (places.astype(np.float32) + uniforms[2]) * np.float32(2 / len(self.leave)) - 1
        return states, positions * self.has_position[states]


def normalise(x: np.ndarray) -> np.ndarray:
    """x (rows, hidden) over its root mean square, and a one: (rows, hidden + 1)."""
    rows, width = x.shape
    ended = np.empty((rows, width + 1), np.float32)
    ended[:, -1] = 1
    scale = 1 / np.sqrt(np.vecdot(x, x) / width + np.float32(1e-6))
    np.multiply(x, scale[:, None], out=ended[:, :-1])
    return ended


def silu_of_minus(x: np.ndarray) -> np.ndarray:
    """-silu(-x), an operation shorter than silu(x)."""
    grown = np.exp(x)
    grown += 1
    return np.divide(x, grown, out=grown)


def draw_index(logits: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """One index a row, drawn from softmax(logits) (size, batch) by inversion of uniform (batch,).

    Sums never fall and a uniform below 1 times the last is below the last, after rounding too, so that no
    index without a chance is drawn.
    """
    sums = np.exp(logits - logits.max(axis=0))
    for index in range(1, len(sums)):
        sums[index] += sums[index - 1]
    return np.add.reduce(sums[:-1] <= uniform * sums[-1], axis=0, dtype=np.int32)


def cut_tail(logits: np.ndarray, top_p: float) -> np.ndarray:
    """Logits (size, batch) with all but the likeliest that make up `top_p` at -10⁹.

    Reference: Holtzman et al. 2020, "The curious case of neural text degeneration", section 3.1.
    """
    chances = np.exp(logits - logits.max(axis=0))
    chances /= chances.sum(axis=0)
    ranked = -np.sort(-chances, axis=0)
    before = np.cumsum(ranked, axis=0) - ranked
    least = np.where(before < top_p, ranked, 1).min(axis=0)
    return np.where(chances >= least, logits, np.float32(-1e9))
