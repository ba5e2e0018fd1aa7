"""Tables of which it is known what they leak: by them it shows what an attack can see.

All are made of rows of train, so that a change between train and holdout, which would look like membership,
shows in the table that leaks nothing.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from synthlib.evaluation.features import numbers, sample_rows
from synthlib.schema import Column, Schema

LEAKED_SHARE = 0.02
NOISE = 0.002
CONTROLS = ("copy", "leak", "perturbed", "fresh")


def make_controls(
    members: pd.DataFrame,
    rest: pd.DataFrame,
    schema: Schema,
    rng: np.random.Generator,
    most: int | None = None,
) -> dict[str, pd.DataFrame]:
    """The four control tables.

    Where no more than so many rows of a synthetic table are attacked, no more of a control's are: twenty
    thousand rows of a copy of a million hold one member in fifty, and a control that held all of them would
    be caught where that copy is not.

    - `copy`: train itself; every attack must catch it.
    - `leak`: fresh rows, and 2% of the members among them (at least one).
    - `perturbed`: train with every number moved a little and one level flipped in each row.
    - `fresh`: rows of train that no attack asks about; nothing may be caught here.

    Args:
        members: the rows of train that attacks ask about, shape (num_members, num_columns).
        rest: the other rows of train.
        schema: theirs.
        rng: draws the leaked rows, the rows of large tables, the noise and the flips.
        most: rows of each table; None for all.

    Returns:
        Name → DataFrame, in the order of `CONTROLS`.
    """

    def join(*parts: pd.DataFrame) -> pd.DataFrame:
        table = pd.concat(parts, ignore_index=True)
        return table if most is None else sample_rows(table, most, rng)

    num_leaked = max(1, round(LEAKED_SHARE * len(members)))
    leaked = members.iloc[rng.permutation(len(members))[:num_leaked]]
    copy = join(members, rest)
    tables = {
        "copy": copy,
        "leak": join(rest, leaked),
        "perturbed": perturb(copy, schema, rng),
        "fresh": join(rest),
    }
    return {name: tables[name].reset_index(drop=True) for name in CONTROLS}


def perturb(
    table: pd.DataFrame, schema: Schema, rng: np.random.Generator, noise: float = NOISE
) -> pd.DataFrame:
    """Every number moved by noise of a share of its standard deviation, and one level a row flipped.

    Numbers are not rounded and may leave the schema; what is missing stays missing.

    Args:
        table: DataFrame of shape (num_rows, num_columns).
        schema: its Schema.
        rng: draws both.
        noise: standard deviation of the noise, in those of the column.
    """
    moved = table.copy()
    discrete = [column for column in schema.modelled if column.is_discrete and len(column.categories) > 1]
    for column in schema.modelled:
        if column.is_numeric and column.kind != "datetime":
            values = numbers(table, column)
            spread = np.nanstd(values) if (~np.isnan(values)).any() else 0.0
            moved[column.name] = values + noise * spread * rng.normal(size=len(table))
    if discrete:
        flipped = rng.integers(0, len(discrete), len(table))
        for at, column in enumerate(discrete):
            moved[column.name] = _flip(table[column.name], column, flipped == at, rng)
    return moved


def _flip(values: pd.Series, column: Column, rows: np.ndarray, rng: np.random.Generator) -> pd.Series:
    """Another level where `rows`, at random."""
    place = {level: at for at, level in enumerate(column.categories)}
    changed = values.astype(object).to_numpy(copy=True)
    num = len(column.categories)
    for row in np.flatnonzero(rows):
        own = place.get(changed[row])
        step = int(rng.integers(num)) if own is None else own + 1 + int(rng.integers(num - 1))
        changed[row] = column.categories[step % num]
    return pd.Series(changed, index=values.index, name=values.name)
