"""Does a private release tell of patients what its claim neither covers nor names as left out?

A claim covers `synthetic.csv` and what follows from it, and names what else the release holds. What it is
silent about, a file or a number more, could be an exact statement about patients.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from synthlib.chain.coverage import ADJACENCY, MASKED, UNIT, list_coverage, public_facts
from synthlib.chain.evidence import read_plain
from synthlib.parsing import parse_json
from synthlib.schema import Column, Schema

DEIDENTIFICATION, SCHEMA = "deidentification.csv", "schema.json"
FILES = {"synthetic.csv", SCHEMA, "rows.json", DEIDENTIFICATION, "protocol.json", "attempts.json"}
FILES |= {"report.csv", "gate.json"}  # of which the claim says that it does not cover them
MANIFEST_FIELDS = {"model_type", "model", "characteristics", "training_commitment", "seed", "num_rows"}
MANIFEST_FIELDS |= {"given", "versions", "synthetic_digest", "rows_root", "protocol", "gate", "privacy"}
CLAIM_FIELDS = {"epsilon", "delta", "num_patients", "parts", "accountant", "epsilon_pld", "epsilon_rdp"}
CLAIM_FIELDS |= {"unit", "adjacency", "order", "units", "secret_commitment", *list_coverage(None, False)}


def find_untold(path: Path, manifest: Mapping[str, Any], claim: Mapping[str, Any]) -> list[str]:
    """Where a private release tells more than its claim speaks of, or of others than patients.

    Args:
        path: the release's folder.
        manifest: what its manifest holds, with `files` and `parameters`.
        claim: `parameters.privacy` of it.

    Raises:
        OSError, ValueError: if a file is missing or cannot be read.
    """
    parameters = manifest["parameters"]
    wrong = [
        f"its {name} is not {expected!r}"
        for name, expected in (("unit", UNIT), ("adjacency", ADJACENCY))
        if claim.get(name) != expected
    ]
    for what, more in (
        ("is silent about the file", set(manifest.get("files") or ()) - FILES),
        ("is silent about the parameter", set(parameters) - MANIFEST_FIELDS),
        ("has a field that none has:", set(claim) - CLAIM_FIELDS),
    ):
        wrong += [f"it {what} {str(name)[:60]}" for name in sorted(more, key=str)[:3]]
    text = read_plain(path / SCHEMA)
    parse_json(text)
    if parameters.get("characteristics") != public_facts(claim.get("num_patients"), Schema.from_json(text)):
        wrong.append("the manifest's characteristics tell more or less than the number of patients")
    header = next(csv.reader(io.StringIO(read_plain(path / DEIDENTIFICATION).decode(), newline="")), [])
    if set(header) - set(MASKED):
        wrong.append(f"{DEIDENTIFICATION} tells more than what was done to which column")
    return wrong


def find_told_by_schema(schema: Schema, synthetic: pd.DataFrame) -> list[str]:
    """Columns whose levels or range in the published Schema are not those of the synthetic table alone.

    Args:
        schema: the release's.
        synthetic: its table.
    """
    return [column.name for column in schema if not _is_of(column, synthetic[column.name].dropna())]


def _is_of(column: Column, drawn: pd.Series) -> bool:
    if column.missing_codes:
        return False
    if column.is_discrete:
        return set(column.categories) == set(drawn) or (drawn.empty and len(column.categories) == 1)
    if not column.is_numeric:
        return True
    if drawn.empty:
        return column.low is None and column.high is None
    if column.kind == "datetime":
        dates = pd.to_datetime(drawn, format=column.format) if column.format else pd.to_datetime(drawn)
        return (column.low, column.high) == (dates.min().isoformat(), dates.max().isoformat())
    numbers = pd.to_numeric(drawn)
    return column.low == numbers.min() and column.high == numbers.max()
