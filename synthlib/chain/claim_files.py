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
from synthlib.schema import Schema, public_column

DEIDENTIFICATION, SCHEMA = "deidentification.csv", "schema.json"
FILES = {"synthetic.csv", SCHEMA, "rows.json", DEIDENTIFICATION, "protocol.json", "attempts.json"}
FILES |= {"report.csv", "gate.json"}  # of which the claim says that it does not cover them
MANIFEST_FIELDS = {"model_type", "model", "characteristics", "training_commitment", "seed", "num_rows"}
MANIFEST_FIELDS |= {"given", "versions", "synthetic_digest", "rows_root", "protocol", "gate", "privacy"}
CLAIM_FIELDS = {"epsilon", "delta", "num_patients", "parts", "accountant", "epsilon_pld", "epsilon_rdp"}
CLAIM_FIELDS |= {"unit", "adjacency", "order", "units", "secret_commitment", *list_coverage(None, False)}
PART_FIELDS = {"kind", "name", "noise_multiplier", "num_queries", "epsilon", "sampling_rate", "num_steps"}
PART_FIELDS |= {"batches", "stopping"}
PACKAGES = {"python", "synthlib", "tensorflow", "keras", "numpy", "pandas"}


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
        ("has a mechanism with a field that none has:", set().union(*claim["parts"]) - PART_FIELDS),
        ("is silent about the version of", set(parameters.get("versions") or ()) - PACKAGES),
    ):
        wrong += [f"it {what} {str(name)[:60]}" for name in sorted(more, key=str)[:3]]
    schema = Schema.from_json(read_plain(path / SCHEMA))
    if parameters.get("characteristics") != public_facts(claim.get("num_patients"), schema):
        wrong.append("the manifest's characteristics are not its num_patients and the columns of schema.json")
    header = next(csv.reader(io.StringIO(read_plain(path / DEIDENTIFICATION).decode(), newline="")), [])
    if set(header) - set(MASKED):
        wrong.append(f"{DEIDENTIFICATION} tells more than what was done to which column")
    return wrong


def find_told_by_schema(schema: Schema, synthetic: pd.DataFrame) -> list[str]:
    """What the published Schema tells of values beyond the synthetic table: columns, or a role or rule.

    Args:
        schema: the release's.
        synthetic: its table.
    """
    told = [one.name for one in schema if public_column(one, synthetic[one.name]) != one]
    told += ["its patient_id"] if schema.patient_id is not None else []
    return told + ["weights of a rule" for rule in schema.rules if getattr(rule, "weights", ())][:1]
