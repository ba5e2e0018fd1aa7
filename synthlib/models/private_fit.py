"""What the generators under differential privacy share: a plan, a noisy tree to learn from, what was spent.

Patients are looked at in two places: `PrivateFit._fit_privately` counts them, with noise, and a subclass's
`_train_on_patients` takes steps of DP-SGD.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import pandas as pd

from synthlib.bundle import canonical_json, write_atomically
from synthlib.keys import StewardKey
from synthlib.models.accounting import (
    Part,
    PrivacyError,
    PrivacySpend,
    Queries,
    account,
    calibrate,
    default_delta,
    scale_noise,
)
from synthlib.models.backend import keras
from synthlib.models.encoding import SpanEncoder
from synthlib.models.private_encoding import add_noise, check_public_schema, make_encoder, make_grids
from synthlib.models.private_marginals import NoisyTree, choose_hub, fit_tree, list_pairs
from synthlib.models.secrecy import SecretRandom
from synthlib.models.training import check_parameters, check_rows

SHARES = {"ranges": 0.25, "tables": 0.35, "scores": 0.1, "edges": 0.3}  # of what the tree may spend
SHARES_WITH_PUBLIC_RANGES = {"tables": 0.35, "scores": 0.1, "edges": 0.55}
PARAMETERS = {
    "training_share": (0, 0.95), "expected_batch": (1, None), "clip_norm": (1e-12, 1e6),
    "private_learning_rate": (0, None), "tree_rows": (100, None),
}  # fmt: skip


@dataclass
class PrivateFit:
    """The private way to fit a Synthesizer; stands before it among a class's bases.

    A subclass says how many private steps there are (`num_private_steps`), how it learns from rows of the
    tree (`_learn`), and how from patients (`_train_on_patients`). Its own docstring says what its parameters
    mean and what was measured.
    """

    epsilon: float = 1.0
    delta: float | None = None
    public_schema: bool = False
    training_share: float = 0.1
    expected_batch: int | None = None
    clip_norm: float = 1.0
    private_learning_rate: float = 3e-3
    tree_rows: int = 30_000
    validation_fraction: float = 0.0
    max_states: int = 20
    spend_: PrivacySpend | None = field(default=None, init=False, repr=False)
    tree_: NoisyTree | None = field(default=None, init=False, repr=False)
    commitment_: str | None = field(default=None, init=False, repr=False)
    replayed_: bool = field(default=False, init=False, repr=False)

    @property
    def num_private_steps(self) -> int:
        """Steps of DP-SGD, fixed beforehand."""
        raise NotImplementedError

    def _learn(self, states: np.ndarray, positions: np.ndarray, progress: bool) -> None:
        """Learn from rows of the tree, for as long as is good: nothing private is in them."""
        raise NotImplementedError

    def _train_on_patients(self, states, positions, training, random: SecretRandom, progress: bool) -> None:
        """Take the private steps that `training` accounts for."""
        raise NotImplementedError

    def fit(
        self,
        train: pd.DataFrame,
        public: pd.DataFrame | None = None,
        progress: bool = True,
        seal: Path | str | None = None,
        key: StewardKey | None = None,
    ):
        """Train on a private table.

        Args:
            train: DataFrame that `schema.check` accepts, a row a patient.
            public: a table of the schema from elsewhere, whose values may be known: it gives the bins, which
                then cost nothing.
            progress: whether to show a progress bar.
            seal, key: file for the secret randomness, encrypted under the steward's key, for an auditor who
                replays the fit; None writes none.

        Raises:
            PrivacyError: if the fit could not be accounted for.
            SchemaError: if a table is not one of the schema.
            ValueError: if a hyperparameter is out of range.
        """
        self._check_private()
        self.schema.check(train)
        check_rows(train)
        if (seal is None) != (key is None):
            raise ValueError("expected both a file to seal and a key, or neither")
        random = SecretRandom()
        self.commitment_ = random.seal(seal, key) if seal is not None else None
        self.replayed_ = False
        return self._fit_with(random, train, public, progress)

    def replay(self, random: SecretRandom, train: pd.DataFrame, public=None, progress=True):
        """Fit again with randomness that was sealed: for an auditor; the result equals the first one.

        Somebody knows the noise: `replayed_` says so, and no release of this fit makes a claim.
        """
        self._check_private()
        self.schema.check(train)
        self.replayed_ = True
        return self._fit_with(random, train, public, progress)

    def _fit_with(self, random, train, public, progress):
        self.__dict__.pop("_graphs", None)
        try:
            keras.utils.set_random_seed(self.seed)
            self._fit_privately(random, train, public, progress)
        except BaseException:
            self.encoder_ = self.spend_ = None
            raise
        return self

    def _fit_privately(self, random, train, public, progress) -> None:
        num_patients = len(train)
        delta = self.choose_delta(num_patients)
        grids = make_grids(self.schema)
        plan = self.plan(num_patients, delta, public is not None)
        scales = {part.name: part.noise_multiplier for part in plan if isinstance(part, Queries)}
        if public is None:
            counts = [
                add_noise(grid.count(train[grid.column.name]), scales["ranges"], random) for grid in grids
            ]
        else:
            self.schema.check(public)
            counts = [grid.count(public[grid.column.name]) for grid in grids]
        self.encoder_ = make_encoder(self.schema, grids, counts, scales.get("ranges", 0.0), self.max_states)
        hub = choose_hub(self.encoder_, self.schema.target)
        entries = {"tables": 1.0, "edges": 1.0, "scores": len(list_pairs(len(grids), hub)) ** 0.5}
        scales = {name: scales[name] * size for name, size in entries.items()}  # on an entry
        rng = np.random.default_rng(self.seed)
        states, positions = encode_alone(self.encoder_, train)
        tree = fit_tree(
            states,
            self.encoder_,
            hub,
            lambda name, exact: add_noise(exact, scales[name], random),
            scales,
            num_patients,
        )
        self.encoder_ = with_shares(self.encoder_, tree, self.schema)
        self.tree_ = tree
        drawn = tree.draw(self.tree_rows, rng)
        self._learn(drawn, rng.uniform(-1, 1, drawn.shape).astype(np.float32), progress)
        if self.training_share:
            self._train_on_patients(states, positions, plan[-1], random, progress)
        self.spend_ = account(plan, delta, num_patients)

    def choose_delta(self, num_patients: int) -> float:
        """The delta of a fit on so many patients."""
        return default_delta(num_patients) if self.delta is None else self.delta

    def plan(self, num_patients: int, delta: float, public_ranges: bool = False) -> list[Part]:
        """All mechanisms of a fit on so many patients, at the noise that the budget allows."""
        columns = len(self.schema.modelled)
        sizes = {"ranges": columns, "tables": columns, "scores": 1, "edges": max(columns - 1, 1)}
        shares = SHARES_WITH_PUBLIC_RANGES if public_ranges else SHARES

        def queries(noise: float) -> list[Queries]:
            left = 1 - self.training_share
            return [
                Queries(name, noise * (sizes[name] / (share * left)) ** 0.5, sizes[name])
                for name, share in shares.items()
            ]

        if not self.training_share:
            return scale_noise(queries, self.epsilon, delta, num_patients)
        whole = scale_noise(lambda noise: [Queries("all", noise)], self.epsilon, delta, num_patients)
        tree = queries(whole[0].noise_multiplier)
        batch = self.expected_batch or min(1024, max(1, num_patients // 6))
        rate, num_steps = min(1.0, batch / num_patients), self.num_private_steps
        return [*tree, calibrate(self.epsilon, delta, num_patients, rate, num_steps, tree, "patients")]

    def _check_private(self) -> None:
        """Refuse, before any work, what could not be accounted for."""
        self._check_parameters()
        check_public_schema(self.schema, self.public_schema)
        if self.validation_fraction:
            raise PrivacyError(
                f"expected validation_fraction 0, got {self.validation_fraction}: to stop by private rows is "
                "a release that the accountant does not see"
            )
        check_parameters(self, PARAMETERS)

    def _save_weights(self, folder: Path) -> None:
        super()._save_weights(folder)
        document = {"spend": self.spend_.to_dict(), "commitment": self.commitment_}
        document["replayed"] = self.replayed_
        write_atomically(folder / "privacy.json", canonical_json(document))

    def _load_weights(self, folder: Path) -> None:
        super()._load_weights(folder)
        document = json.loads((folder / "privacy.json").read_text())
        self.spend_, self.commitment_ = PrivacySpend.from_dict(document["spend"]), document["commitment"]
        self.replayed_ = document.get("replayed", False)


def with_shares(encoder: SpanEncoder, tree, schema) -> SpanEncoder:
    """The encoder with the shares that the tree's tables say: they were counted with less noise."""
    better = SpanEncoder(schema, encoder.max_states, encoder.min_count)
    spans = []
    for span, table in zip(encoder.spans_, tree.tables, strict=True):
        shares = tree.shares if span.index == tree.hub else tree.shares @ table
        shares = np.maximum(shares, 1e-6)
        values = {one.name: getattr(span, one.name) for one in fields(span)}
        spans.append(type(span)(**values | {"shares": tuple((shares / shares.sum()).tolist())}))
    better.spans_ = tuple(spans)
    return better


def encode_alone(encoder: SpanEncoder, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """States and positions of which each row's depend on that row alone: ties lie midway, not at random.

    Random numbers handed out row by row would move from patient to patient when one leaves the table.
    """
    return encoder.encode(table, None)
