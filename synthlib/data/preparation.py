"""What may be said of a training table in public."""

from __future__ import annotations

from typing import Any

import pandas as pd

from synthlib.schema import Schema

SMALL_CELL = 11  # counts below this are not published (as the US CMS cell size policy)


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
