"""What every generator is: `fit`, `sample`, `save`; and the floor, independent marginals."""

from __future__ import annotations

import json
import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synthlib.bundle import canonical_json, write_atomically
from synthlib.models.conditions import Condition, Conditions, Given
from synthlib.models.encoding import SpanEncoder
from synthlib.schema import Schema

SYNTHESIZERS = {
    "IndependentMarginals": "synthlib.models.synthesizer",
    "PrivateMarginals": "synthlib.models.marginals",
    "TabularGAN": "synthlib.models.gan",
    "TabularGPT": "synthlib.models.gpt",
    "PrivateTabularGPT": "synthlib.models.private_gpt",
    "PrivateTabularGAN": "synthlib.models.private_gan",
}

SAMPLE_BATCH = 8192  # rows drawn at once


@dataclass
class Synthesizer(ABC):
    """A generator of tables. Hyperparameters are dataclass fields; what `fit` learns ends in `_`."""

    schema: Schema
    encoder_: SpanEncoder | None = field(default=None, init=False, repr=False)

    @abstractmethod
    def fit(self, train: pd.DataFrame) -> Synthesizer:
        """Learn from a training table; a second fit forgets the first."""

    @abstractmethod
    def _draw(
        self, size: int, condition: Condition | None, seed: int, batch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """States and positions (size, num_columns) of the rows of one batch, as its number and seed say."""

    @abstractmethod
    def _save_weights(self, folder: Path) -> None: ...

    @abstractmethod
    def _load_weights(self, folder: Path) -> None: ...

    @property
    def parameters(self) -> dict[str, Any]:
        """Hyperparameters by name, without the schema."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init and f.name != "schema"}

    @property
    def public_parameters(self) -> dict[str, Any]:
        """Those of the parameters that may be published; a generator whose noise must not be drawn again
        leaves out the seed."""
        return self.parameters

    def sample(self, num_rows: int | None = None, given: Given | None = None, seed: int = 0) -> pd.DataFrame:
        """Draw a synthetic table.

        Args:
            num_rows: number of rows, at least 1; with partial rows their number, and may be left out.
            given: what the rows shall have, exact and never by rejection. Either column → value
                (`{"sex": "female"}`, None for a missing value) or column → {value: share}
                (`{"disease": {"sepsis": 0.4, "cancer": 0.6}}`), drawn before the other columns; or a
                DataFrame of partial rows, whose missing cells and absent columns are drawn.
                Conditioning is not intervention: rows with a treatment are those of the treated.
            seed: of the draw; the same seed gives the same bytes.

        Returns:
            DataFrame of shape (num_rows, num_columns) with the training table's columns, order and dtypes.

        Raises:
            RuntimeError: before `fit`.
            ValueError: if num_rows is not a positive integer, or `given` names a column or a value that the
                Schema does not have.
        """
        return pd.concat(self.sample_batches(num_rows, given, seed), ignore_index=True)

    def sample_batches(
        self, num_rows: int | None = None, given: Given | None = None, seed: int = 0
    ) -> Iterator[pd.DataFrame]:
        """The rows of `sample`, in DataFrames of at most `SAMPLE_BATCH` rows, for more than memory holds."""
        if self.encoder_ is None:
            raise RuntimeError(f"expected a fitted {type(self).__name__}; call fit(train) first")
        if isinstance(given, pd.DataFrame) and num_rows is None:
            num_rows = len(given)
        if not isinstance(num_rows, int | np.integer) or num_rows < 1:
            raise ValueError(f"expected num_rows to be an integer of at least 1, got {num_rows!r}")
        conditions = Conditions(self.schema, given, int(num_rows), seed)
        conditions.warn_of_unlearnt(self.encoder_)
        return self._sample_batches(int(num_rows), conditions, seed)

    def _sample_batches(self, num_rows: int, conditions: Conditions, seed: int) -> Iterator[pd.DataFrame]:
        withheld = self.encoder_.withheld()
        schema = replace(self.schema, rules=tuple(rule.avoid(withheld) for rule in self.schema.rules))
        for batch, start in enumerate(range(0, num_rows, SAMPLE_BATCH)):
            size = min(SAMPLE_BATCH, num_rows - start)
            condition = conditions.encode(self.encoder_, start, size)
            states, positions = self._draw(size, condition, seed, batch)
            table = conditions.restore(self.encoder_.decode(states, positions, first_row=start), start)
            if schema.rules:
                table = schema.enforce(table, conditions.mark(start, size), seed=seed)
            yield table

    def save(self, folder: Path | str) -> None:
        """Write the fitted Synthesizer to a folder: all of it, or nothing.

        Raises:
            RuntimeError: before `fit`.
            FileExistsError: if the folder holds something other than a saved Synthesizer.
        """
        if self.encoder_ is None:
            raise RuntimeError(f"expected a fitted {type(self).__name__}; call fit(train) first")
        folder = Path(folder)
        if folder.exists() and any(folder.iterdir()) and not (folder / "synthesizer.json").exists():
            raise FileExistsError(
                f"expected no folder {folder}, or a saved Synthesizer to replace; found other files"
            )
        partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
        partial.mkdir(parents=True)
        try:
            document = {"type": type(self).__name__, "parameters": self.parameters}
            write_atomically(partial / "synthesizer.json", canonical_json(document))
            write_atomically(partial / "schema.json", self.schema.to_json().encode())
            self.encoder_.save(partial / "encoder.json")
            self._save_weights(partial)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def load_synthesizer(folder: Path | str) -> Synthesizer:
    """Read a Synthesizer that `save` wrote; its samples are equal to the byte.

    Raises:
        FileNotFoundError: if the folder holds none.
        ValueError: if it was written by a type that this version does not know.
    """
    folder = Path(folder)
    if not (folder / "synthesizer.json").exists():
        raise FileNotFoundError(f"expected a saved Synthesizer in {folder}, found no synthesizer.json")
    document = json.loads((folder / "synthesizer.json").read_text())
    if document["type"] not in SYNTHESIZERS:
        raise ValueError(f"expected one of {', '.join(SYNTHESIZERS)}, got {document['type']!r}")
    kind = getattr(import_module(SYNTHESIZERS[document["type"]]), document["type"])
    schema = Schema.from_json((folder / "schema.json").read_text())
    synthesizer = kind(schema, **document["parameters"])
    synthesizer.encoder_ = SpanEncoder.load(folder / "encoder.json", schema)
    synthesizer._load_weights(folder)
    return synthesizer


@dataclass
class IndependentMarginals(Synthesizer):
    """Draws every column on its own: right marginals, no relation between columns.

    The floor that any generator has to beat, and a baseline for usefulness: whatever it scores above
    chance did not come from relations.

    Args:
        schema: the table's Schema.
        max_states, min_count: see `SpanEncoder`.
    """

    max_states: int = 24
    min_count: int = 5

    def fit(self, train: pd.DataFrame) -> IndependentMarginals:
        """Count each column's states.

        Raises:
            SchemaError: if `train` is not a table of the schema.
        """
        self.schema.check(train)
        self.encoder_ = SpanEncoder(self.schema, self.max_states, self.min_count).fit(train)
        return self

    def _draw(
        self, size: int, condition: Condition | None, seed: int, batch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng((seed, batch))
        states = np.zeros((size, self.encoder_.num_columns), dtype=np.int32)
        positions = rng.uniform(-1, 1, states.shape).astype(np.float32)
        for span in self.encoder_.spans_:
            cumulative = np.cumsum(span.shares)
            drawn = np.searchsorted(cumulative / cumulative[-1], rng.random(size), side="right")
            states[:, span.index] = np.minimum(drawn, span.num_states - 1)
        return (states, positions) if condition is None else condition.impose(states, positions)

    def _save_weights(self, folder: Path) -> None:
        """Nothing beyond the encoder."""

    def _load_weights(self, folder: Path) -> None:
        """Nothing beyond the encoder."""
