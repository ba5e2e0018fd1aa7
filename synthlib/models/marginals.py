"""A tree of noisy tables of counts under differential privacy: the mechanism MST, behind the usual contract.

Private rows are looked at in one place, `PrivateMarginals._measure`; all else sees noisy counts.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from synthlib.bundle import canonical_json, write_atomically
from synthlib.models.accounting import (
    Part,
    PrivacySpend,
    Queries,
    Selections,
    account,
    default_delta,
    scale_noise,
)
from synthlib.models.conditions import Condition
from synthlib.models.private_encoding import (
    add_noise,
    check_public_schema,
    make_encoder,
    make_grids,
    to_simplex,
)
from synthlib.models.secrecy import SecretRandom
from synthlib.models.synthesizer import Synthesizer
from synthlib.models.tree_solvers import SOLVERS, Tables, import_mbi, list_edges

SHARES = {"ranges": 1 / 6, "columns": 1 / 6, "tree": 1 / 3, "edges": 1 / 3}  # of the rho of the whole
SHARES_WITH_PUBLIC_RANGES = {"columns": 1 / 3, "tree": 1 / 3, "edges": 1 / 3}
LEAST_CHANCE = 1e-9  # of any state given any other, so that whatever is given can be followed


@dataclass(frozen=True)
class Tree:
    """A distribution of states in which each column depends on one other.

    Attributes:
        root: the column that depends on none.
        shares: of the root's states, (states,).
        edges: (parent, child, chances (parent's states, child's states)), parents first.
    """

    root: int
    shares: np.ndarray
    edges: tuple[tuple[int, int, np.ndarray], ...]

    def draw(self, size: int, rng: np.random.Generator, condition: Condition | None = None) -> np.ndarray:
        """States int32 (size, num_columns), from the distribution given what the condition fixes.

        What is known travels up the tree before states are drawn down it, so that rows need no rejection.
        """
        likely = self._list_likely(condition)
        for parent, child, chances in reversed(self.edges):
            up = likely[parent] * (likely[child] @ chances.T)  # (size or 1, parent's states)
            likely[parent] = up / up.max(axis=1, keepdims=True)
        states = np.zeros((size, len(self.edges) + 1), dtype=np.int32)
        states[:, self.root] = _draw_rows(self.shares * likely[self.root], size, rng)
        for parent, child, chances in self.edges:
            states[:, child] = _draw_rows(chances[states[:, parent]] * likely[child], size, rng)
        return states

    def _list_likely(self, condition: Condition | None) -> list[np.ndarray]:
        """For each column which states are left, (size, states) of 0 and 1, or (1, states) where all are."""
        num_states = {child: chances.shape[1] for _, child, chances in self.edges}
        num_states[self.root] = len(self.shares)
        likely = [np.ones((1, num_states[column])) for column in range(len(num_states))]
        for column in range(len(num_states)) if condition is not None else ():
            known = condition.mask[:, column, None]
            if known.any():
                fixed = condition.states[:, column, None] == np.arange(num_states[column])
                likely[column] = np.where(known, fixed, 1.0)
        return likely

    def to_bytes(self) -> bytes:
        """As an npz file; `from_bytes` is the inverse."""
        arrays = {f"chances_{place}": edge[2] for place, edge in enumerate(self.edges)}
        pairs = np.array([edge[:2] for edge in self.edges], dtype=np.int64).reshape(-1, 2)
        file = io.BytesIO()
        np.savez(file, root=self.root, shares=self.shares, pairs=pairs, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Tree:
        """Read what `to_bytes` wrote."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            edges = [
                (int(parent), int(child), arrays[f"chances_{place}"])
                for place, (parent, child) in enumerate(arrays["pairs"])
            ]
            return cls(int(arrays["root"]), arrays["shares"], tuple(edges))


@dataclass
class PrivateMarginals(Synthesizer):
    """Tables of counts along a tree, (epsilon, delta)-differentially private in each patient.

    1. Each column is counted on a grid that the Schema fixes, with noise: this gives its states.
    2. Each column's states are counted, with noise.
    3. The tree of the strongest dependencies is chosen, edge by edge, by the exponential mechanism.
    4. Each edge's two columns are counted together, with noise.
    5. The distribution that fits 2 and 4 best is found; rows are drawn from it.

    Relations between two columns that the tree does not join are those that follow from its edges. One row is
    one patient; neighbours differ by one patient added or removed; the number of patients counts as public,
    and so does the Schema. The noise comes from the operating system and is kept nowhere: a fit cannot be
    repeated (`replay` is one with noise that somebody knows). Floats are no real numbers: noisy counts are
    rounded to whole ones, the choices of step 3 are made with the last bits of double precision.

    Args:
        epsilon: of the whole fit.
        delta: of the whole fit, below one over the number of patients; None takes 1e-5, or a tenth of one
            over that number if it is smaller.
        public_schema: that levels, ranges, precision and possible missingness in the Schema come from
            elsewhere than the private table. `fit` refuses to begin without.
        max_states: most bins of a numeric column.
        num_iterations: of mirror descent in step 5.
        solver: of step 5, `"mbi"` or `"tree"`. Both reach the same minimum; mbi is an extra and compiles for
            10 to 30 seconds, the other takes one.

    Attributes:
        spend_: the PrivacySpend of the last fit.
        tree_: the fitted Tree.

    Reference: McKenna, Miklau and Sheldon 2021, "Winning the NIST contest"; McKenna, Sheldon and
        Miklau 2019, "Graphical-model based estimation and inference for differential privacy".
    """

    epsilon: float = 1.0
    delta: float | None = None
    public_schema: bool = False
    max_states: int = 20
    num_iterations: int = 1000
    solver: str = "mbi"
    spend_: PrivacySpend | None = field(default=None, init=False, repr=False)
    tree_: Tree | None = field(default=None, init=False, repr=False)
    replayed_: bool = field(default=False, init=False, repr=False)

    def fit(self, train: pd.DataFrame, public: pd.DataFrame | None = None) -> PrivateMarginals:
        """Count a private table.

        Args:
            train: DataFrame that `schema.check` accepts, a row a patient.
            public: a table of the schema from elsewhere, whose values may be known: it gives the states,
                which then cost nothing.

        Raises:
            ModuleNotFoundError: if the solver is `"mbi"` and that is not installed.
            PrivacyError: if the fit could not be accounted for.
            SchemaError: if a table is not one of the schema.
            ValueError: if a hyperparameter is out of range, or there is no row.
        """
        self.replay(SecretRandom(), train, public).replayed_ = False
        return self

    def replay(
        self, random: SecretRandom, train: pd.DataFrame, public: pd.DataFrame | None = None
    ) -> PrivateMarginals:
        """`fit` with randomness that the caller names: whoever knows it can take the noise off.

        For a cohort that is public already, where figures are to be repeated. `replayed_` says so, and no
        release of this fit makes a claim.
        """
        self._check_parameters()
        self.replayed_ = True
        for table in [train] if public is None else [train, public]:
            self.schema.check(table)
            if not len(table):
                raise ValueError("expected a table of at least one row, got none")
        self.encoder_ = self.tree_ = self.spend_ = None
        grids = make_grids(self.schema)
        num_patients = len(train)
        delta = self.choose_delta(num_patients)
        plan = self.plan(num_patients, delta, public is not None)
        self.tree_, encoder = self._measure(train, public, grids, plan, random)
        self.encoder_, self.spend_ = encoder, account(plan, delta, num_patients)
        return self

    def choose_delta(self, num_patients: int) -> float:
        """The delta of a fit on so many patients."""
        return default_delta(num_patients) if self.delta is None else self.delta

    def plan(self, num_patients: int, delta: float, public_ranges: bool = False) -> list[Part]:
        """All mechanisms of a fit on so many patients, at the noise that the budget allows."""
        shares = SHARES_WITH_PUBLIC_RANGES if public_ranges else SHARES
        columns = len(self.schema.modelled)
        sizes = {"ranges": columns, "columns": columns, "tree": columns - 1, "edges": columns - 1}
        shares = {name: share for name, share in shares.items() if sizes[name]}

        def make_parts(noise: float) -> list[Part]:
            parts = []
            for name, share in shares.items():
                rho = share / (2 * noise**2) / sizes[name]  # of one answer or choice
                of_kind = Selections(name, (8 * rho) ** 0.5, sizes[name])
                if name != "tree":
                    of_kind = Queries(name, (2 * rho) ** -0.5, sizes[name])
                parts.append(of_kind)
            return parts

        return scale_noise(make_parts, self.epsilon, delta, num_patients)

    def _measure(self, train, public, grids, plan: Sequence[Part], random: SecretRandom):
        """The tree and its encoder: here, and nowhere else, private rows are looked at."""
        num_patients = len(train)
        scales = {part.name: part.noise_multiplier for part in plan if isinstance(part, Queries)}
        source = train if public is None else public
        counts = [grid.count(source[grid.column.name]) for grid in grids]
        if public is None:
            counts = [add_noise(count, scales["ranges"], random) for count in counts]
        encoder = make_encoder(self.schema, grids, counts, scales.get("ranges", 0.0), self.max_states)
        states, _ = encoder.encode(train, np.random.default_rng(random.seed()))
        sizes = [span.num_states for span in encoder.spans_]
        columns = [
            add_noise(np.bincount(states[:, place], minlength=size), scales["columns"], random)
            for place, size in enumerate(sizes)
        ]
        epsilons = [part.epsilon for part in plan if isinstance(part, Selections)]
        pairs = choose_pairs(states, columns, num_patients, epsilons[0], random) if epsilons else []
        tables = {pair: add_noise(count_pair(states, pair, sizes), scales["edges"], random) for pair in pairs}
        noisy = {(place,): column for place, column in enumerate(columns)} | tables
        noise = {clique: scales["columns" if len(clique) == 1 else "edges"] for clique in noisy}
        solve = SOLVERS[self.solver]
        return make_tree(solve(noisy, noise, sizes, num_patients, self.num_iterations), pairs), encoder

    def _check_parameters(self) -> None:
        check_public_schema(self.schema, self.public_schema)
        for name in ("max_states", "num_iterations"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 2:
                raise ValueError(f"expected {name} of at least 2 and whole, got {value!r}")
        if self.solver not in SOLVERS:
            raise ValueError(f"expected solver to be one of {', '.join(SOLVERS)}, got {self.solver!r}")
        if self.solver == "mbi":
            import_mbi()  # before anything private is looked at

    def _draw(
        self, size: int, condition: Condition | None, seed: int, batch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng((seed, batch))
        with threadpool_limits(1, user_api="blas"):  # more threads would add in another order
            states = self.tree_.draw(size, rng, condition)
        positions = rng.uniform(-1, 1, states.shape).astype(np.float32)
        return (states, positions) if condition is None else condition.impose(states, positions)

    def _save_weights(self, folder: Path) -> None:
        write_atomically(folder / "tree.npz", self.tree_.to_bytes())
        document = {"spend": self.spend_.to_dict(), "replayed": self.replayed_}
        write_atomically(folder / "privacy.json", canonical_json(document))

    def _load_weights(self, folder: Path) -> None:
        self.tree_ = Tree.from_bytes((folder / "tree.npz").read_bytes())
        document = json.loads((folder / "privacy.json").read_text())
        self.spend_ = PrivacySpend.from_dict(document["spend"])
        self.replayed_ = document.get("replayed", False)


def count_pair(states: np.ndarray, pair: tuple[int, int], sizes: Sequence[int]) -> np.ndarray:
    """Patients by the states of two columns: one patient changes one entry by 1."""
    shape = sizes[pair[0]], sizes[pair[1]]
    places = np.ravel_multi_index((states[:, pair[0]], states[:, pair[1]]), shape)
    return np.bincount(places, minlength=shape[0] * shape[1]).reshape(shape)


def score_pairs(
    states: np.ndarray, columns: Sequence[np.ndarray], num_patients: int
) -> dict[tuple[int, int], float]:
    """How far each two columns are from independence: one patient changes each score by 1 at most.

    The absolute differences between counts and what independent columns would count, in sum, less what that
    sum would be by chance.

    Args:
        states: int (num_patients, num_columns), private.
        columns: noisy counts of each column's states.
        num_patients: the public number. It is not read off `states`: what the counts are compared with must
            not change with a patient more.
    """
    sizes = [len(column) for column in columns]
    known = [to_simplex(column.astype(float), float(num_patients)) for column in columns]
    scores = {}
    for pair in itertools.combinations(range(len(sizes)), 2):
        expected = np.outer(known[pair[0]], known[pair[1]]) / num_patients
        apart = np.abs(count_pair(states, pair, sizes) - expected).sum()
        scores[pair] = float(apart - np.sqrt(2 / np.pi * expected).sum())  # of counts that are nearly normal
    return scores


def choose_pairs(
    states: np.ndarray,
    columns: Sequence[np.ndarray],
    num_patients: int,
    epsilon: float,
    random: SecretRandom,
) -> list[tuple[int, int]]:
    """Edges of a tree over all columns, each chosen among those that join two parts of it.

    Args:
        states, columns, num_patients: see `score_pairs`.
        epsilon: of one choice by the exponential mechanism; there is one less than columns.
        random: where the chances come from.
    """
    scores = score_pairs(states, columns, num_patients)
    part_of = list(range(len(columns)))
    chosen = []
    while len(chosen) < len(columns) - 1:
        open_pairs = [pair for pair in scores if part_of[pair[0]] != part_of[pair[1]]]
        gumbel = -np.log(-np.log(random.uniform(len(open_pairs))))
        best = np.argmax(epsilon / 2 * np.array([scores[pair] for pair in open_pairs]) + gumbel)
        one, other = open_pairs[best]
        part_of = [part_of[one] if part == part_of[other] else part for part in part_of]
        chosen.append((one, other))
    return chosen


def make_tree(fitted: Tables, pairs: Sequence[tuple[int, int]]) -> Tree:
    """The distribution of counts that contradict each other in nothing, from the first column on."""
    edges = []
    for parent, child in list_edges(pairs):
        table = fitted[parent, child] if (parent, child) in fitted else fitted[child, parent].T
        table = np.maximum(table, 0) + LEAST_CHANCE * np.maximum(fitted[(child,)], 1)
        edges.append((parent, child, table / table.sum(axis=1, keepdims=True)))
    shares = np.maximum(fitted[(0,)], LEAST_CHANCE)
    return Tree(0, shares / shares.sum(), tuple(edges))


def _draw_rows(chances: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """One index a row of chances (size or 1, states), which need not sum to 1."""
    sums = np.cumsum(chances, axis=1)
    return (sums[:, :-1] <= rng.random(size)[:, None] * sums[:, -1:]).sum(axis=1)
