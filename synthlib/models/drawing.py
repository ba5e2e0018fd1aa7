"""Rows from a trained Generator, in numpy: one column after the other, many rows at once."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from synthlib.models.conditions import Condition
from synthlib.models.networks import LEAST_UNIFORM, NARROWEST, Generator

ROWS_AT_ONCE = 2048  # what the caches hold
COLUMNS_AT_ONCE = 8  # whose product with all columns before them is taken at once


class Sampler:
    """Draws states and positions from a Generator's weights as they are now.

    Args:
        generator: its weights are copied; later updates do not reach this Sampler.
    """

    def __init__(self, generator: Generator):
        layout = generator.layout
        self.layout, self.entry_dim, self.parts = layout, generator.entry_dim, generator.num_components
        mix, mix_bias, deepen, deepen_bias, to_states, to_states_bias = (
            np.asarray(weight)
            for weight in (
                generator.mix,
                generator.mix_bias,
                generator.deepen,
                generator.deepen_bias,
                generator.state_table(),
                generator.to_states_bias,
            )
        )
        entries, self.given_entries = np.asarray(generator.entry_table()), np.asarray(generator.given_entries)
        self.columns = []
        for column, num_states in enumerate(layout.num_states):
            first = column // COLUMNS_AT_ONCE * COLUMNS_AT_ONCE * self.entry_dim
            end = column * self.entry_dim
            part = {
                "before": np.ascontiguousarray(mix[column, :, first:end]),  # (hidden, entries before)
                "after": np.ascontiguousarray(mix[column, :, end + self.entry_dim :]),
                "mix_bias": _turned(mix_bias[column]),
                "deepen": _turned(deepen[column]),
                "deepen_bias": _turned(deepen_bias[column]),
                "to_states": _turned(to_states[column, :, :num_states]),
                "to_states_bias": _turned(to_states_bias[column, :, :num_states]),
                "flat": _turned(entries[column, :num_states, : self.entry_dim]),
                "tilt": _turned(entries[column, :num_states, self.entry_dim :]),
            }
            place = np.flatnonzero(layout.ranked == column)
            if len(place):
                part["to_mixtures"] = _turned(np.asarray(generator.to_mixtures)[place[0]])
                part["mixtures_bias"] = _turned(np.asarray(generator.to_mixtures_bias)[place[0]])
            self.columns.append(part)
        self.blocks = [
            np.concatenate([weights[:, : start * self.entry_dim] for weights in mix[start:stop]])
            for start, stop in self._blocks()
        ]

    def _blocks(self) -> list[tuple[int, int]]:
        starts = range(0, len(self.columns), COLUMNS_AT_ONCE)
        return [(start, min(start + COLUMNS_AT_ONCE, len(self.columns))) for start in starts]

    def draw(
        self, size: int, rng: np.random.Generator, condition: Condition | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """States int32 and positions float32 of new rows, (size, num_columns)."""
        with threadpool_limits(1, user_api="blas"):  # more threads would add in another order
            parts = []
            for start in range(0, size, ROWS_AT_ONCE):
                stop = min(start + ROWS_AT_ONCE, size)
                fixed = None
                if condition is not None:
                    fixed = [
                        np.ascontiguousarray(array[start:stop].T)
                        for array in (condition.states, condition.positions, condition.mask)
                    ]
                parts.append(self._draw(stop - start, rng, fixed))
        states, positions = zip(*parts, strict=True)
        return np.concatenate(states, axis=1).T, np.concatenate(positions, axis=1).T

    def _draw(self, size: int, rng: np.random.Generator, fixed: list | None) -> tuple:
        """States and positions of few rows, (num_columns, size)."""
        num_columns, step = len(self.columns), self.entry_dim
        uniform = rng.random((2, num_columns, size), dtype=np.float32)
        entries = np.empty((num_columns * step, size), np.float32)
        states = np.empty((num_columns, size), np.int32)
        positions = np.zeros((num_columns, size), np.float32)
        given = self._enter_given(*fixed) if fixed else None
        for column, part in enumerate(self.columns):
            block, place = divmod(column, COLUMNS_AT_ONCE)
            first = block * COLUMNS_AT_ONCE * step
            if not place:
                earlier = self.blocks[block] @ entries[:first]
            hidden = earlier[place * len(part["mix_bias"]) : (place + 1) * len(part["mix_bias"])]
            hidden = self._hidden(part, hidden, entries[first : column * step], given, (column + 1) * step)
            state = _invert(part["to_states"] @ hidden + part["to_states_bias"], uniform[0, column])
            position = self._position(part, column, hidden, state, uniform[1, column])
            if fixed:
                state = np.where(fixed[2][column], fixed[0][column], state)
                position = np.where(fixed[2][column], fixed[1][column], position)
            entry = entries[column * step : (column + 1) * step]
            np.take(part["tilt"], state, axis=1, out=entry, mode="clip")
            entry *= position
            entry += np.take(part["flat"], state, axis=1, mode="clip")
            if fixed:
                entry += self.given_entries[column][:, None] * fixed[2][column]
            states[column], positions[column] = state, position
        return states, positions

    def _enter_given(self, states, positions, mask) -> np.ndarray:
        """Entries of the given values, zero elsewhere: (num_columns * entry_dim, size)."""
        entries = [
            (part["flat"][:, state] + part["tilt"][:, state] * position + given[:, None]) * known
            for part, state, position, known, given in zip(
                self.columns, states, positions, mask, self.given_entries, strict=True
            )
        ]
        return np.concatenate(entries).astype(np.float32)

    def _hidden(self, part, hidden, entries, given, after: int) -> np.ndarray:
        if len(entries):
            hidden += part["before"] @ entries
        if given is not None and after < len(given):
            hidden += part["after"] @ given[after:]
        hidden += part["mix_bias"]
        np.maximum(hidden, 0, out=hidden)
        deeper = part["deepen"] @ hidden
        deeper += part["deepen_bias"]
        np.maximum(deeper, 0, out=deeper)
        deeper += hidden
        return deeper

    def _position(self, part, column: int, hidden, state, uniform) -> np.ndarray:
        """Positions in the states that were drawn, by inversion of the truncated mixture."""
        moved = self.layout.has_position[column]
        if "to_mixtures" not in part:
            return (2 * uniform - 1) * moved[state] if moved.any() else np.float32(0)
        centre, half = self.layout.centres[column][state], self.layout.half_widths[column][state]
        ranks = self._rank(part["to_mixtures"] @ hidden + part["mixtures_bias"], centre, half, uniform)
        inside = np.clip((ranks - centre) / np.maximum(half, 1e-6), -1, 1)
        return np.where(half > 0, inside, (2 * uniform - 1) * moved[state]).astype(np.float32)

    def _rank(self, parameters, centre, half, uniform) -> np.ndarray:
        num = self.parts
        weights = np.exp(parameters[: num + 1] - parameters[: num + 1].max(axis=0))
        weights *= (1 - LEAST_UNIFORM) / weights.sum(axis=0)
        means = parameters[num + 1 : 2 * num + 1]
        scales = NARROWEST + np.exp(np.clip(parameters[2 * num + 1 :], -12, 3))
        low, high = _sigmoid((centre - half - means) / scales), _sigmoid((centre + half - means) / scales)
        masses = np.concatenate([[(weights[0] + LEAST_UNIFORM) * half], weights[1:] * (high - low)])
        total = masses.sum(axis=0)
        left = uniform * total  # the number that chooses the part also chooses the place in it
        ranks = centre - half + 2 * half * np.clip(left / np.maximum(masses[0], 1e-20), 0, 1)
        left = left - masses[0]
        for part in range(num):
            mass = masses[part + 1]
            chosen = (left >= 0) & (mass > 0)
            share = np.clip(left / np.maximum(mass, 1e-20), 0, 1)
            reached = np.clip(low[part] + share * (high[part] - low[part]), 1e-7, 1 - 1e-6)
            placed = means[part] + scales[part] * np.log(reached / (1 - reached))
            ranks = np.where(chosen, placed, ranks)
            left = left - mass
        return ranks


def _turned(weights: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(weights.T)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(np.minimum(-x, 80)))


def _invert(logits: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """States drawn from logits (num_states, size) by one uniform number each."""
    logits -= logits.max(axis=0)
    np.exp(logits, out=logits)
    for state in range(1, len(logits)):
        logits[state] += logits[state - 1]
    below = logits[:-1] <= uniform * logits[-1]
    return below.sum(axis=0, dtype=np.int32)
