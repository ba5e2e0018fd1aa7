"""A tree of noisy tables of counts: a small graphical model of a table, private and quick to draw from.

The outcome is a parent of every other column, and these form a tree: the strongest dependencies given the
outcome, chosen by noisy scores. Each edge's table is counted with noise, and what is noise in it is taken
off again by shrinking its singular values. Rows that are drawn from it can be learnt from freely.

Reference: McKenna, Miklau and Sheldon 2021, "Winning the NIST contest" (a tree of noisy marginals); Friedman,
Geiger and Goldszmidt 1997 (trees below a class); Gavish and Donoho 2017, "Optimal shrinkage of singular
values".
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from synthlib.models.encoding import SpanEncoder
from synthlib.models.private_encoding import to_simplex

COARSE = 6  # groups of a column's states for the scores of dependence
MOST_HUB_STATES = 6
CROWDED = 0.75  # patients in a cell of an edge's table, on average, over the noise in it: at least
Ask = Callable[[str, np.ndarray], np.ndarray]


@dataclass
class NoisyTree:
    """Draws rows of states.

    Attributes:
        hub: the column that all others depend on, or None.
        shares: of the hub's states, (hub states,).
        tables: for each column its counts by the hub's states, (hub states, states).
        groups: for each column the group of each of its states, int (states,).
        edges: (parent, child, chances (hub states, parent's groups, child's groups)), parents first.
        roots: columns without a parent but the hub.
    """

    hub: int | None
    shares: np.ndarray
    tables: list[np.ndarray]
    groups: list[np.ndarray]
    edges: list[tuple[int, int, np.ndarray]]
    roots: list[int]

    def draw(self, num_rows: int, rng: np.random.Generator) -> np.ndarray:
        """States int32 (num_rows, num_columns)."""
        states = np.zeros((num_rows, len(self.tables)), dtype=np.int32)
        hub = rng.choice(len(self.shares), num_rows, p=self.shares)
        if self.hub is not None:
            states[:, self.hub] = hub
        for root in self.roots:
            states[:, root] = _draw_rows(self.tables[root][hub], rng)
        for parent, child, chances in self.edges:
            group = _draw_rows(chances[hub, self.groups[parent][states[:, parent]]], rng)
            allowed = self.groups[child][None] == group[:, None]
            states[:, child] = _draw_rows(self.tables[child][hub] * allowed, rng)
        return states


def choose_hub(encoder: SpanEncoder, target: str | None) -> int | None:
    """The target's number, if it has few states."""
    for span in encoder.spans_:
        if span.name == target and span.num_states <= MOST_HUB_STATES:
            return span.index
    return None


def list_pairs(num_columns: int, hub: int | None) -> list[tuple[int, int]]:
    """Pairs of columns that an edge may join."""
    return list(itertools.combinations([column for column in range(num_columns) if column != hub], 2))


def fit_tree(
    states: np.ndarray, encoder: SpanEncoder, hub: int | None, ask: Ask, scales: dict, num_patients: int
) -> NoisyTree:
    """Build the tree; everything private goes through `ask`.

    Args:
        states: int (num_patients, num_columns), of the private table.
        encoder: whose states they are.
        hub: see `choose_hub`.
        ask: function of a query's name and its exact answer to the answer with noise. The names are
            `"tables"` (one patient changes one entry by 1), `"scores"` (each entry by 1 at most) and
            `"edges"` (one entry by 1).
        scales: name → standard deviation of the noise on an entry.
        num_patients: the public number. It is not read off `states`: with one patient more there, what the
            answers are compared with would change as well, and they by more than is paid for.
    """
    num_columns = states.shape[1]
    sizes = [span.num_states for span in encoder.spans_]
    num_hub = sizes[hub] if hub is not None else 1
    by_hub = states[:, hub] if hub is not None else np.zeros(len(states), dtype=int)
    shares = np.asarray(encoder.spans_[hub].shares) if hub is not None else np.ones(1)
    tables = [
        None
        if column == hub
        else ask("tables", _count((by_hub, states[:, column]), (num_hub, sizes[column])))
        for column in range(num_columns)
    ]
    if hub is not None:
        shares = _pool_hub(tables, shares, num_patients)
    tables = [
        np.diag(shares * num_patients) if table is None else _fit_table(table, shares, span, num_patients)
        for table, span in zip(tables, encoder.spans_, strict=True)
    ]
    pairs = list_pairs(num_columns, hub)
    scores = _score(states, by_hub, tables, pairs, num_hub)
    noisy = ask("scores", scores) if len(pairs) else scores
    noisy = noisy - _expected_by_chance(tables, pairs)
    parents = _span_tree(noisy, pairs, [c for c in range(num_columns) if c != hub], 2 * scales["scores"])
    most = max(4, int((num_patients / (CROWDED * scales["edges"] * num_hub)) ** 0.5))
    groups = [group_states(table.sum(axis=0), most) for table in tables]
    edges = []
    for parent, child in parents["edges"]:
        shape = (num_hub, groups[parent].max() + 1, groups[child].max() + 1)
        places = by_hub, groups[parent][states[:, parent]], groups[child][states[:, child]]
        counts = ask("edges", _count(places, shape))
        expected = [_regroup(tables[column], groups[column]) for column in (parent, child)]
        edges.append((parent, child, _denoise(counts, *expected, scales["edges"])))
    chances = [table / np.maximum(table.sum(axis=1, keepdims=True), 1e-9) for table in tables]
    return NoisyTree(hub, shares, chances, groups, edges, parents["roots"])


def group_states(masses: np.ndarray, most: int) -> np.ndarray:
    """Groups of neighbouring states with about equal mass, at most `most`; int (num_states,)."""
    if len(masses) <= most:
        return np.arange(len(masses))
    middle = np.cumsum(masses) - masses / 2
    return np.unique(np.floor(most * middle / masses.sum()).astype(int), return_inverse=True)[1]


def _count(places: tuple, shape: tuple[int, ...]) -> np.ndarray:
    return np.bincount(np.ravel_multi_index(places, shape), minlength=int(np.prod(shape))).reshape(shape)


def _pool_hub(tables: list, shares: np.ndarray, num_rows: int) -> np.ndarray:
    """The hub's shares by all tables together: each tells them once more."""
    sums = [table.sum(axis=1) / np.sqrt(table.shape[1]) for table in tables if table is not None]
    weight = sum(1 / np.sqrt(table.shape[1]) for table in tables if table is not None)
    pooled = to_simplex(np.sum(sums, axis=0) / weight if sums else shares * num_rows, num_rows)
    pooled = np.maximum(pooled, 0.5)
    return pooled / pooled.sum()


def _fit_table(table: np.ndarray, shares: np.ndarray, span, num_rows: int) -> np.ndarray:
    fitted = np.stack([to_simplex(row, total) for row, total in zip(table, shares * num_rows, strict=True)])
    prior = np.outer(shares, span.shares)
    return fitted + 0.5 * prior  # half a patient, so that no row of chances is empty


def _score(states, by_hub, tables, pairs, num_hub: int) -> np.ndarray:
    """How far pairs are from independence given the hub: one patient changes each score by 1 at most."""
    groups = [group_states(table.sum(axis=0), COARSE) for table in tables]
    scores = []
    for one, other in pairs:
        counts = _count(
            (by_hub, groups[one][states[:, one]], groups[other][states[:, other]]),
            (num_hub, groups[one].max() + 1, groups[other].max() + 1),
        )
        left, right = _regroup(tables[one], groups[one]), _regroup(tables[other], groups[other])
        scores.append(np.abs(counts - _independent(left, right)).sum())
    return np.array(scores, dtype=float)


def _expected_by_chance(tables, pairs) -> np.ndarray:
    """What independent columns would score: the mean absolute deviation of Poisson counts."""
    groups = [group_states(table.sum(axis=0), COARSE) for table in tables]
    coarse = [_regroup(table, group) for table, group in zip(tables, groups, strict=True)]
    return np.array(
        [np.sqrt(2 / np.pi * _independent(coarse[one], coarse[other])).sum() for one, other in pairs]
    )


def _independent(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Counts (hub, left, right) of columns that are independent given the hub."""
    totals = np.maximum(left.sum(axis=1), 1e-9)
    return left[:, :, None] * right[:, None, :] / totals[:, None, None]


def _regroup(table: np.ndarray, groups: np.ndarray) -> np.ndarray:
    grouped = np.zeros((len(table), groups.max() + 1))
    np.add.at(grouped.T, groups, table.T)
    return grouped


def _span_tree(scores, pairs, columns: list[int], least: float) -> dict:
    """Edges of the tree of highest score, parents first; scores that may be noise alone join nothing."""
    edges, roots = [], []
    by_pair = dict(zip(pairs, scores, strict=True))
    left = list(columns)
    reached: list[int] = []
    while left:
        found = [(by_pair[min(a, b), max(a, b)], a, b) for a in reached for b in left if a != b]
        best = max(found) if found else (-np.inf, -1, -1)
        if best[0] > least:
            edges.append(best[1:])
            new = best[2]
        else:  # begin another tree where dependence is strongest
            new = max(
                left, key=lambda a: max([by_pair[min(a, b), max(a, b)] for b in left if b != a], default=0)
            )
            roots.append(new)
        left.remove(new)
        reached.append(new)
    return {"edges": edges, "roots": roots}


def _denoise(counts: np.ndarray, left: np.ndarray, right: np.ndarray, scale: float) -> np.ndarray:
    """Chances of the child given hub and parent, (hub, parent's groups, child's groups), of a noisy table."""
    expected = _independent(left, right)
    fitted = np.stack(
        [base + shrink(table - base, scale) for table, base in zip(counts, expected, strict=True)]
    )
    fitted = np.maximum(fitted, 1e-3 * expected + 1e-6)
    for _ in range(20):  # to the margins that are known better
        fitted *= (left / np.maximum(fitted.sum(axis=2), 1e-9))[:, :, None]
        fitted *= (right / np.maximum(fitted.sum(axis=1), 1e-9))[:, None, :]
    return fitted / fitted.sum(axis=2, keepdims=True)


def shrink(matrix: np.ndarray, scale: float) -> np.ndarray:
    """A matrix without its noise: the singular values shrunk as is best for the squared error.

    Args:
        matrix: signal and independent Gaussian noise.
        scale: standard deviation of the noise.
    """
    if scale <= 0:
        return matrix
    size, ratio = max(matrix.shape), min(matrix.shape) / max(matrix.shape)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    over = np.maximum(values / (scale * size**0.5), 1e-12)
    inside = np.maximum((over**2 - ratio - 1) ** 2 - 4 * ratio, 0)
    kept = np.where(over > 1 + ratio**0.5, np.sqrt(inside) / over, 0) * scale * size**0.5
    return (left * kept) @ right


def _draw_rows(chances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One index a row of chances (rows, size), which need not sum to 1."""
    sums = np.cumsum(chances, axis=1)
    return (sums[:, :-1] <= rng.random(len(chances))[:, None] * sums[:, -1:]).sum(axis=1)
