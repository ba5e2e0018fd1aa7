"""From a table to what a Synthesizer is fitted on and what it is judged against."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from synthlib.schema import Schema

FEWEST_ROWS = 2  # on either side of a split
SMALL_CELL = 11  # counts below this are not published (as the US CMS cell size policy)


def split(
    table: pd.DataFrame, schema: Schema, holdout_fraction: float = 0.2, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Conform a table to its Schema and set part of its patients aside.

    Missing codes and impossible values become missing; nothing is imputed. Where the Schema names a
    `patient_id`, all rows of a patient fall on one side. Where each patient has one row and the target is
    discrete, both sides get the same share of each of its levels (to within one row). Depends on nothing but
    the order of the rows, the fraction and the seed.

    Args:
        table: DataFrame of shape (num_rows, num_columns).
        schema: its Schema.
        holdout_fraction: share of the patients to set aside, above 0 and below 1.
        seed: of the random generator.

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
    strata = np.zeros(num_patients, dtype=int)
    if num_patients == len(conformed) and schema.target and schema[schema.target].is_discrete:
        places = {level: place for place, level in enumerate(schema[schema.target].categories, 1)}
        strata = conformed[schema.target].map(places).fillna(0).to_numpy(dtype=int)
    held_out = _hold_out(strata, holdout_fraction, np.random.default_rng(seed))[patients]
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


def characteristics(train: pd.DataFrame, schema: Schema) -> dict[str, Any]:
    """What may be published of a training table: aggregates only, for the ledger's record.

    Rates have two decimals: exact ones of two tables that differ by a patient would give that patient away.
    A rate that stands for 1 to 10 rows, or for all rows but 1 to 10, is `None`. Where one level of the
    target (or its missing values) is withheld, so is the next smallest: the rest would give it away.

    Args:
        train: DataFrame of the Schema.
        schema: its Schema.

    Returns:
        Dict that JSON can hold: `num_rows`, `num_patients`, `num_columns`, `kinds` (kind → number of
        columns), `missing_rates` (column → share), `target` and `target_rates` (level → share, None if the
        target is not discrete).
    """
    num_rows = len(train)
    kinds = [column.kind for column in schema]
    missing = {column.name: int(train[column.name].isna().sum()) for column in schema}
    rates = {name: _publish(count, num_rows) for name, count in missing.items()}
    target_rates = None
    if schema.target and schema[schema.target].is_discrete:
        values, levels = train[schema.target], schema[schema.target].categories
        counts = {level: int((values == level).sum()) for level in levels}
        shown = _withhold({None: missing[schema.target], **counts})
        rates[schema.target] = shown.pop(None)
        target_rates = {str(level): rate for level, rate in shown.items()}
    return {
        "num_rows": num_rows,
        "num_patients": num_rows if schema.patient_id is None else int(train[schema.patient_id].nunique()),
        "num_columns": len(schema),
        "kinds": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "missing_rates": rates,
        "target": schema.target,
        "target_rates": target_rates,
    }


def _publish(count: int, num_rows: int) -> float | None:
    smaller = min(count, num_rows - count)
    return None if 0 < smaller < SMALL_CELL else round(count / num_rows, 2)


def _withhold(counts: dict[Any, int]) -> dict[Any, float | None]:
    """Rates of cells that add up to all rows, of which never exactly one is withheld."""
    rates = {cell: _publish(count, sum(counts.values())) for cell, count in counts.items()}
    if list(rates.values()).count(None) == 1:
        others = [cell for cell, rate in rates.items() if rate is not None and counts[cell]]
        rates[min(others, key=counts.__getitem__)] = None
    return rates
