"""The models: how each is given a training table, with its library's defaults, and asked for rows.

A fit takes (train, meta, seed, budget) and returns a function from a number of rows to a table. Libraries are
imported inside, since each lives in an environment of its own (`environments/`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

ABSENT = "(absent)"  # the level that stands for a missing one where a library takes no missing values

Draw = Callable[[int], pd.DataFrame]


@dataclass(frozen=True)
class Model:
    """A row of the table: where it lives, what gives its version, and how it is fitted.

    Attributes:
        fit: (train, meta, seed, budget) → (num_rows → table).
        environment: file in `environments/`, or None for the repository's own interpreter.
        distribution: whose version is shown; None for what is this repository's.
        imports: modules whose import is timed apart from the fit.
        role: `"ours"`, `"peer"` or `"reference"`.
        seeds: how many runs it gets.
    """

    fit: Callable[..., Draw]
    environment: str | None = None
    distribution: str | None = None
    imports: tuple[str, ...] = ()
    role: str = "peer"
    seeds: int = 1

    @staticmethod
    def version() -> str:
        import synthlib

        return synthlib.__version__


# What a library cannot take is put into a form that it can, and taken back afterwards.


def without_missing(fit: Callable[..., Draw]) -> Callable[..., Draw]:
    """A missing level becomes a level; a missing number the median, with a column that says so."""

    def filled(train: pd.DataFrame, meta: dict, seed: int, budget) -> Draw:
        flagged = [name for name in meta["numerical"] if train[name].isna().any()]
        flags = {f"{name} {ABSENT}": train[name].isna().map({True: "1", False: "0"}) for name in flagged}
        medians = {name: train[name].median() for name in flagged}
        levels = dict.fromkeys(meta["categorical"], ABSENT)
        table = train.fillna(levels | medians).assign(**flags).astype(dict.fromkeys(flags, object))
        draw = fit(table, meta | {"categorical": [*meta["categorical"], *flags]}, seed, budget)

        def restore(num_rows: int) -> pd.DataFrame:
            made = draw(num_rows)
            for name in meta["categorical"]:
                made[name] = made[name].astype(object).mask(made[name].astype(str) == ABSENT, None)
            for name, flag in zip(flagged, flags, strict=True):
                made[name] = made[name].astype(float).mask(made[flag].astype(str) == "1")
            return made

        return restore

    return filled


def with_decimals(fit: Callable[..., Draw]) -> Callable[..., Draw]:
    """Numbers rounded to the decimals that the training column has, where that is six or fewer."""

    def rounding(train: pd.DataFrame, meta: dict, seed: int, budget) -> Draw:
        digits = {}
        for name in meta["numerical"]:
            values = train[name].dropna().to_numpy(dtype=float)
            fits = (n for n in range(7) if np.allclose(values, np.round(values, n), rtol=0, atol=1e-9))
            digits[name] = next(fits, None)
        draw = fit(train, meta, seed, budget)
        known = {name: count for name, count in digits.items() if count is not None}

        def rounded(num_rows: int) -> pd.DataFrame:
            made = draw(num_rows)
            return made.assign(**{name: made[name].astype(float).round(n) for name, n in known.items()})

        return rounded

    return rounding


def with_codes(fit: Callable[..., Draw]) -> Callable[..., Draw]:
    """Levels as integers from 0, and numbers as floats, for libraries that take nothing else."""

    def coded(train: pd.DataFrame, meta: dict, seed: int, budget) -> Draw:
        coding = {name: pd.factorize(train[name], sort=True) for name in meta["categorical"]}
        codes = {name: code.astype(int) for name, (code, _) in coding.items()}
        draw = fit(train.assign(**codes).astype(dict.fromkeys(meta["numerical"], float)), meta, seed, budget)

        def decoded(num_rows: int) -> pd.DataFrame:
            made = draw(num_rows)
            for name, (_, levels) in coding.items():
                nearest = np.rint(made[name].to_numpy(dtype=float)).clip(0, len(levels) - 1).astype(int)
                made[name] = np.asarray(levels, dtype=object)[nearest]
            return made

        return decoded

    return coded


# References: what a score means is read off them.


def fit_bootstrap(train, meta, seed, budget) -> Draw:
    """Training rows with replacement: perfect but for the copying checks.

    Not by `DataFrame.sample`, whose stream the scores draw real rows from: with one seed the two would agree.
    """
    rng = np.random.default_rng(seed)
    return lambda num_rows: train.iloc[rng.integers(len(train), size=num_rows)]


def fit_independent(train, meta, seed, budget) -> Draw:
    """Each column's values drawn on their own: right marginals, no relations."""
    rng = np.random.default_rng(seed)
    return lambda num_rows: pd.DataFrame({name: rng.choice(train[name], num_rows) for name in train})


def fit_holdout(train, meta, seed, budget) -> Draw:
    raise RuntimeError("the runner makes the holdout reference: half of train against the other half")


# Peers.


def fit_sdv(name: str) -> Callable[..., Draw]:
    def fit(train, meta, seed, budget) -> Draw:
        import sdv.single_table
        import torch
        from sdv.metadata import Metadata

        torch.manual_seed(seed)
        kinds = {column: "categorical" if column in meta["categorical"] else "numerical" for column in train}
        columns = {column: {"sdtype": kind} for column, kind in kinds.items()}
        model = getattr(sdv.single_table, name)(
            Metadata.load_from_dict({"tables": {"t": {"columns": columns}}})
        )
        stop_between_epochs(budget)
        model.fit({"t": train})
        return lambda num_rows: model.sample(num_rows)["t"]

    return fit


def stop_between_epochs(budget) -> None:
    """CTGAN and TVAE count epochs with tqdm; theirs ends when the budget is spent, and they draw as usual."""
    from ctgan.synthesizers import ctgan, tvae

    class Epochs(ctgan.tqdm):
        def __iter__(self):
            for epoch in super().__iter__():
                if epoch and budget.is_spent():
                    return
                yield epoch

    ctgan.tqdm = tvae.tqdm = Epochs


def fit_tabular_argn(train, meta, seed, budget) -> Draw:
    from mostlyai.engine import TabularARGN

    kinds = dict.fromkeys(meta["categorical"], "TABULAR_CATEGORICAL")
    model = TabularARGN(random_state=seed, tgt_encoding_types=kinds)
    model.fit(train)
    return lambda num_rows: model.sample(n_samples=num_rows)


def fit_seqtrees(train, meta, seed, budget) -> Draw:
    from seqtrees import SequentialTreeSynthesizer

    model = SequentialTreeSynthesizer(
        continuous_columns=meta["numerical"], discrete_columns=meta["categorical"], random_state=seed
    )
    model.fit(train)
    return model.sample


def fit_synthpop(train, meta, seed, budget) -> Draw:
    from synthpop import CARTMethod

    kinds = {name: "categorical" if name in meta["categorical"] else "numerical" for name in train}
    model = CARTMethod(kinds, random_state=seed)
    model.fit(train)
    return model.sample


def fit_arf(train, meta, seed, budget) -> Draw:
    from arfpy import arf

    model = arf.arf(x=train, verbose=False, random_state=seed)
    model.forde()
    return model.forge


# Ours.


def fit_own(name: str) -> Callable[..., Draw]:
    def fit(train, meta, seed, budget) -> Draw:
        import synthlib

        schema = make_schema(train, meta)
        model = getattr(synthlib, name)(schema, seed=seed)
        model.fit(schema.conform(train), progress=False)
        return lambda num_rows: model.sample(num_rows, seed=seed)

    return fit


def make_schema(table: pd.DataFrame, meta: dict):
    """What a user gets from `Schema.infer` who says which columns are levels."""
    from synthlib import Schema

    kinds = dict.fromkeys(meta["categorical"], "categorical")
    for name in meta["numerical"]:
        values = table[name].dropna().to_numpy(dtype=float)
        kinds[name] = "integer" if (values == np.round(values)).all() else "continuous"
    return Schema.infer(table, target=meta["target"], leaks=meta["leaks"], kinds=kinds)


MODELS = {
    "holdout": Model(fit_holdout, role="reference"),
    "independent": Model(fit_independent, role="reference"),
    "bootstrap": Model(fit_bootstrap, role="reference"),
    "gaussian_copula": Model(
        fit_sdv("GaussianCopulaSynthesizer"), "sdv", "sdv", ("sdv.single_table", "torch")
    ),
    "ctgan": Model(fit_sdv("CTGANSynthesizer"), "sdv", "ctgan", ("sdv.single_table", "torch")),
    "tvae": Model(fit_sdv("TVAESynthesizer"), "sdv", "ctgan", ("sdv.single_table", "torch")),
    "tabular_argn": Model(fit_tabular_argn, "mostlyai", "mostlyai-engine", ("mostlyai.engine",)),
    "seqtrees": Model(without_missing(with_codes(fit_seqtrees)), "seqtrees", "seqtrees", ("seqtrees",)),
    "synthpop": Model(
        without_missing(with_codes(fit_synthpop)), "synthpop", "python-synthpop", ("synthpop",)
    ),
    "arf": Model(without_missing(with_decimals(fit_arf)), "arf", "arfpy", ("arfpy.arf",)),
    "TabularGAN": Model(fit_own("TabularGAN"), imports=("synthlib.models.gan",), role="ours", seeds=3),
    "TabularGPT": Model(fit_own("TabularGPT"), imports=("synthlib.models.gpt",), role="ours", seeds=3),
}
