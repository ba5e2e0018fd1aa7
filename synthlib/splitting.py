"""From a table to what a Synthesizer is fitted on and what it is judged against.

Here and not with the data, since verification divides a table again to see what a release was fitted to.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from synthlib.keys import StewardKey
from synthlib.schema import Schema

FEWEST_ROWS = 2  # on either side of a split
KEYED = "keyed hash of each patient"  # how a protocol calls the division under a key
_PURPOSE = "synthlib split 1"


def split(
    table: pd.DataFrame,
    schema: Schema,
    holdout_fraction: float = 0.2,
    seed: int = 0,
    key: StewardKey | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Conform a table to its Schema and set part of its patients aside.

    Missing codes and impossible values become missing; nothing is imputed. Where the Schema names a
    `patient_id`, all rows of a patient fall on one side. Where each patient has one row and the target is
    discrete, both sides get the same share of each of its levels (to within one row). Depends on nothing but
    the order of the rows, the fraction and the seed.

    With a key, each patient's side is decided by a keyed hash of what the patient's row holds (and, of equal
    rows, of how many came before): one patient more or less moves nobody else, so that differential privacy
    of a fit to train holds for the whole table too. Nothing is balanced then, and how many patients are on a
    side depends on who they are.

    Args:
        table: DataFrame of shape (num_rows, num_columns).
        schema: its Schema.
        holdout_fraction: share of the patients to set aside, above 0 and below 1.
        seed: of the random generator; with a key, part of what is hashed.
        key: the steward's. Where the Schema names a `patient_id`, that is what is hashed: it must not be
            numbered by the order of rows.

    Returns:
        (train, holdout), each in the table's row order with rows numbered from 0.

    Raises:
        SchemaError: if the table is not one of the Schema.
        ValueError: if the fraction is impossible, a side gets fewer than two rows, or a patient id is
            missing.
    """
    if not 0 < holdout_fraction < 1:
        raise ValueError(f"expected a holdout_fraction above 0 and below 1, got {holdout_fraction}")
    conformed = schema.conform(table)
    schema.check(conformed)
    patients, num_patients = _number_patients(conformed, schema)
    if key is None:
        strata = np.zeros(num_patients, dtype=int)
        if num_patients == len(conformed) and schema.target and schema[schema.target].is_discrete:
            places = {level: place for place, level in enumerate(schema[schema.target].categories, 1)}
            strata = conformed[schema.target].map(places).fillna(0).to_numpy(dtype=int)
        held_out = _hold_out(strata, holdout_fraction, np.random.default_rng(seed))[patients]
    else:
        held_out = _hold_out_alone(conformed, schema, holdout_fraction, seed, key)
    if min(held_out.sum(), (~held_out).sum()) < FEWEST_ROWS:
        raise ValueError(
            f"expected at least {FEWEST_ROWS} rows on each side, got {(~held_out).sum()} to train on and "
            f"{held_out.sum()} held out; use more rows or another holdout_fraction"
        )
    return conformed[~held_out].reset_index(drop=True), conformed[held_out].reset_index(drop=True)


def _number_patients(table: pd.DataFrame, schema: Schema) -> tuple[np.ndarray, int]:
    """For each row the number of its patient, counted in order of appearance; and how many there are."""
    if schema.patient_id is None:
        return np.arange(len(table)), len(table)
    ids = table[schema.patient_id]
    if ids.isna().any():
        raise ValueError(
            f"expected a patient in each row, column {schema.patient_id!r} has {int(ids.isna().sum())} "
            "missing; drop these rows or fill the column"
        )
    numbers, found = pd.factorize(ids)
    return numbers, len(found)


def _hold_out(strata: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Which units to set aside: within each stratum at random, evenly spread over all of them."""
    order = np.lexsort((rng.random(len(strata)), strata))
    steps = np.floor(np.arange(len(strata) + 1) * fraction + 0.5)
    held_out = np.zeros(len(strata), dtype=bool)
    held_out[order] = np.diff(steps) > 0
    return held_out


def _hold_out_alone(
    table: pd.DataFrame, schema: Schema, fraction: float, seed: int, key: StewardKey
) -> np.ndarray:
    """Which rows to set aside, each by itself: where its HMAC, as a number in [0, 1), is below the fraction.

    Equal rows are told apart by how many came before, since they would fall on one side else; a copy less
    takes away the last of them.
    """
    has_id = schema.patient_id is not None
    told = table[[schema.patient_id]] if has_id else table
    cells = [[_spell(cell) for cell in told[name].tolist()] for name in told.columns]
    seen: dict[str, int] = {}
    held_out = np.zeros(len(table), dtype=bool)
    for place, row in enumerate(zip(*cells, strict=True)):
        text = json.dumps([seed, *row])
        copy = seen[text] = 0 if has_id else seen.get(text, -1) + 1
        digest = key.mac(_PURPOSE, f"{copy} {text}".encode()).digest()
        held_out[place] = int.from_bytes(digest[:6], "big") < fraction * 2**48
    return held_out


def _spell(cell: Any) -> Any:
    """A cell as JSON holds it: whole numbers as such, times as text, missing as null."""
    if pd.isna(cell):
        return None
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    return cell if isinstance(cell, bool | int | float | str) else str(cell)
