"""TabularGPT under differential privacy: taught by a noisy tree, then by private steps on the patients."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from synthlib.bundle import canonical_json, write_atomically
from synthlib.keys import StewardKey
from synthlib.models.accounting import (
    Part,
    PrivacyError,
    PrivacySpend,
    Queries,
    account,
    calibrate,
    scale_noise,
)
from synthlib.models.backend import keras, tf
from synthlib.models.encoding import SpanEncoder
from synthlib.models.gpt import Learner, TabularGPT
from synthlib.models.private_encoding import add_noise, check_one_row_a_patient, make_encoder, make_grids
from synthlib.models.private_marginals import NoisyTree, choose_hub, fit_tree, list_pairs
from synthlib.models.private_training import PrivateStep
from synthlib.models.secrecy import SecretRandom
from synthlib.models.training import check_parameters, check_rows

SHARES = {"ranges": 0.25, "tables": 0.35, "scores": 0.1, "edges": 0.3}  # of what the tree may spend
SHARES_WITH_PUBLIC_RANGES = {"tables": 0.35, "scores": 0.1, "edges": 0.55}


@dataclass
class PrivateTabularGPT(TabularGPT):
    """A TabularGPT that is (epsilon, delta)-differentially private in each patient.

    1. Each column is counted on a grid that the Schema fixes, with noise: this gives its states.
    2. A tree of tables is counted with noise, and rows are drawn from it.
    3. The transformer is trained on those rows, for as long as is good: nothing private is in them.
    4. With what is left of the budget it is trained on the patients, by a fixed number of steps of DP-SGD.

    One row is one patient; neighbours differ by one patient added or removed; the number of patients counts
    as public, and so does the Schema. `seed` is public too: it decides initial weights, orders and the rows
    of the tree, which know of the patients by noisy counts alone. Noise and batches come from the operating
    system, and are in no file, unless `fit` is told to seal them for an auditor. There is no early stopping,
    no validation on patients, and no checkpoint; `history_` is of the tree's rows.

    Args:
        epsilon: of the whole fit.
        delta: of the whole fit, below one over the number of patients; None takes 1e-5, or a
            tenth of one over that number if it is smaller.
        public_schema: that levels, ranges, precision and possible missingness in the Schema come from
            elsewhere than the private table. `fit` refuses to begin without.
        training_share: of the budget (as the inverse of squared noise), for step 4; 0 leaves it out.
        num_steps: of DP-SGD.
        expected_batch: patients in a step on average; None takes a sixth of them, 1024 at most.
        clip_norm: of a patient's gradient of their mean nats a column.
        private_learning_rate: of Adam, on noisy gradients.
        tree_rows: rows that are drawn from the tree.
        validation_fraction: 0 is all that can be.

    Attributes:
        spend_: the PrivacySpend of the last fit.
        tree_: the noisy tables of the last fit; None after loading.
        commitment_: keyed commitment to the secret randomness, if that was sealed.

    Reference: Abadi et al. 2016 (DP-SGD); McKenna, Miklau and Sheldon 2021 (noisy marginals).
    """

    epsilon: float = 1.0
    delta: float | None = None
    public_schema: bool = False
    training_share: float = 0.1
    num_steps: int = 60
    expected_batch: int | None = None
    clip_norm: float = 0.03
    private_learning_rate: float = 3e-3
    tree_rows: int = 30_000
    validation_fraction: float = 0.0
    max_states: int = 20
    spend_: PrivacySpend | None = field(default=None, init=False, repr=False)
    tree_: NoisyTree | None = field(default=None, init=False, repr=False)
    commitment_: str | None = field(default=None, init=False, repr=False)

    def fit(
        self,
        train: pd.DataFrame,
        public: pd.DataFrame | None = None,
        progress: bool = True,
        seal: Path | str | None = None,
        key: StewardKey | None = None,
    ) -> PrivateTabularGPT:
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
        self._check_parameters()
        self._check_private()
        self.schema.check(train)
        check_rows(train)
        self._check_width(self.tree_rows)
        if (seal is None) != (key is None):
            raise ValueError("expected both a file to seal and a key, or neither")
        random = SecretRandom()
        self.commitment_ = random.seal(seal, key) if seal is not None else None
        return self._fit_with(random, train, public, progress)

    def replay(
        self, random: SecretRandom, train: pd.DataFrame, public=None, progress=True
    ) -> PrivateTabularGPT:
        """Fit again with randomness that was sealed: for an auditor; the result equals the first one."""
        self._check_parameters()
        self._check_private()
        self.schema.check(train)
        return self._fit_with(random, train, public, progress)

    def _fit_with(self, random, train, public, progress) -> PrivateTabularGPT:
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
        self.settings_ = self.settings(len(drawn), len(grids))
        learner = Learner(self, drawn, rng.uniform(-1, 1, drawn.shape).astype(np.float32))
        self._train(pd.DataFrame(drawn), learner, None, None, (), progress)
        self.network_ = learner.averaged
        if self.training_share:
            train_privately(self, states, positions, plan[-1], random, progress)
        self.spend_ = account(plan, delta, num_patients)

    def choose_delta(self, num_patients: int) -> float:
        """The delta of a fit on so many patients."""
        return min(1e-5, 0.1 / num_patients) if self.delta is None else self.delta

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
        rate = min(1.0, batch / num_patients)
        return [*tree, calibrate(self.epsilon, delta, num_patients, rate, self.num_steps, tree, "patients")]

    def _check_private(self) -> None:
        check_one_row_a_patient(self.schema)
        if not self.public_schema:
            raise PrivacyError(
                "expected a public schema: levels, ranges, precision and where values may be missing tell "
                "of the patients if they were inferred from them; declare them from elsewhere, and say so "
                "with public_schema=True"
            )
        if self.validation_fraction:
            raise PrivacyError(
                f"expected validation_fraction 0, got {self.validation_fraction}: to stop by private rows is "
                "a release that the accountant does not see"
            )
        ranges = {
            "training_share": (0, 0.95), "num_steps": (1, None), "expected_batch": (1, None),
            "clip_norm": (1e-12, 1e6), "private_learning_rate": (0, None), "tree_rows": (100, None),
        }  # fmt: skip
        check_parameters(self, ranges)

    def _save_weights(self, folder: Path) -> None:
        super()._save_weights(folder)
        document = {"spend": self.spend_.to_dict(), "commitment": self.commitment_}
        write_atomically(folder / "privacy.json", canonical_json(document))

    def _load_weights(self, folder: Path) -> None:
        super()._load_weights(folder)
        document = json.loads((folder / "privacy.json").read_text())
        self.spend_, self.commitment_ = PrivacySpend.from_dict(document["spend"]), document["commitment"]


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


def train_privately(
    gpt: PrivateTabularGPT, states, positions, training, random: SecretRandom, progress: bool = False
) -> None:
    """DP-SGD on the network that the tree has taught; its averaged weights take the network's place."""
    network, averaged = gpt.network_, gpt.build_network()
    step = make_step(gpt, network, states, positions, training, random)
    total = training.num_steps
    schedule = keras.optimizers.schedules.CosineDecay(gpt.private_learning_rate, total, 0.1)
    updater = keras.optimizers.Adam(schedule, beta_2=0.98)
    updater.build(step.variables)
    averaged.set_weights(network.get_weights())
    for number in tqdm(range(total), "private steps", unit="step", disable=not progress):
        step.begin(number)
        updater.apply([tf.constant(part) for part in step.run()], step.variables)
        kept = min(0.97, (1 + number) / (10 + number))
        for mean, variable in zip(averaged.trainable_variables, network.trainable_variables, strict=True):
            mean.assign(kept * mean + (1 - kept) * variable)
    gpt.network_ = averaged


def encode_alone(encoder: SpanEncoder, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """States and positions of which each row's depend on that row alone: ties lie midway, not at random.

    Random numbers handed out row by row would move from patient to patient when one leaves the table.
    """
    return encoder.encode(table, None)


class OrderedStep(PrivateStep):
    """A PrivateStep whose patients are all read in one order of columns, fixed by the step's number."""

    def begin(self, number: int) -> None:
        """Take the order of a step: by the public seed, whoever is in the batch."""
        uniform = np.random.default_rng((self.seed, number)).random(self.order.shape[0] + 2)
        ranks = np.argsort(np.argsort(uniform[:-2]))
        if uniform[-1] < self.subset_share:
            ranks = np.where(ranks < int(uniform[-2] * len(ranks)), ranks - len(ranks), np.arange(len(ranks)))
        else:
            ranks = np.arange(len(ranks))
        self.order.assign(np.argsort(ranks))


def make_step(gpt, network, states, positions, training, random) -> OrderedStep:
    """The private step of a network: of the heads of states alone.

    Noise grows with the number of parameters. What the blocks say of a row is learnt of the tree, for
    nothing; the heads, a tenth of the parameters, are what is set right on patients.
    """
    order = tf.Variable(np.arange(states.shape[1], dtype=np.int32), trainable=False)

    def loss(states, positions):
        return tf.reduce_mean(network.negative_log_likelihood(states[None], positions[None], order))

    variables = [network.heads.states, network.heads.state_bias]
    step = OrderedStep(loss, variables, [states, positions], gpt.clip_norm, training, random)
    step.order, step.seed, step.subset_share = order, gpt.seed, gpt.subset_share
    return step
