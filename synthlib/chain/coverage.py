"""What a release's claim to differential privacy covers, takes as public and leaves out, in words.

Whoever writes a release takes them from here, and so does whoever verifies it: they follow from how its
protocol divides the patients, from whether scores are published and whether rows were drawn under conditions,
and are nobody's to choose.
"""

from __future__ import annotations

from typing import Any

from synthlib.schema import Schema
from synthlib.splitting import KEYED

UNIT = "patient"
ADJACENCY = "one patient added or removed; the number of patients is public"
MASKED = ("column", "action")  # what is told of each column in deidentification.csv

COVERED = (
    "synthetic.csv and everything computed from it alone: its digest, the root and number of its rows, and "
    "the levels and ranges in schema.json",
    "the fitted generator itself",
)
COHORT_COVERED = (
    "the whole cohort as registered: each patient's side of the split is decided by a keyed hash of their "
    "own row, so that one patient more or less moves no other"
)
TAKEN_AS_PUBLIC = (
    "the number of patients fitted to, exactly: no noise hides it, and it is one less without a patient whom "
    "the split would put there",
    "names, kinds, levels, ranges, precision, possible missingness and rules of the columns before training "
    "(the generator was told public_schema=True: nothing here checks it; a schema from deidentify without "
    "public_schema=True, or one mended after a look at patients, is not public)",
)
CONDITIONS_TAKEN_AS_PUBLIC = (
    "the conditions that the rows were drawn under: what they fix stands in synthetic.csv as it was given, "
    "without noise (cells of patients among them, or shares counted on patients, would be told)"
)
NOT_COVERED = (
    "deidentification.csv: what was done to columns was decided on the whole table, unless deidentify was "
    "told public_schema=True; its counts are left out",
    "attempts.json: what came of other attempts, which spend their own, and choosing among attempts or draws",
    "training_commitment and rows.json: keyed by the steward, hidden by cryptography and not by noise",
    "rounding: noise is drawn and added in floating point",
    "that a run ended or failed, and what it showed to the steward: scores, counts of changed cells, errors",
)
SCORES_NOT_COVERED = (
    "report.csv and gate.json: scores computed on the training and held-out patients, without noise, are "
    "outside the epsilon; somebody asked for them"
)
COHORT_NOT_COVERED = (
    "the split: who was fitted to may depend on other patients, so that the claim is about the rows fitted "
    "to and not about the whole cohort that was registered"
)


def list_coverage(split: Any, has_scores: bool, has_conditions: bool = False) -> dict[str, list[str]]:
    """The words of a claim, by their names in `parameters.privacy` of a manifest.

    Args:
        split: that section of the protocol; None without one.
        has_scores: whether the release has `report.csv`.
        has_conditions: whether its rows were drawn under conditions.

    Returns:
        `covered`, `taken_as_public` and `not_covered`.
    """
    divided_alone = isinstance(split, dict) and split.get("assignment") == KEYED
    conditions = (CONDITIONS_TAKEN_AS_PUBLIC,) if has_conditions else ()
    scores = (SCORES_NOT_COVERED,) if has_scores else ()
    return {
        "covered": [*COVERED, *([COHORT_COVERED] if divided_alone else [])],
        "taken_as_public": [*TAKEN_AS_PUBLIC, *conditions],
        "not_covered": [*scores, *NOT_COVERED, *([] if divided_alone else [COHORT_NOT_COVERED])],
    }


def public_facts(num_patients: int, schema: Schema) -> dict[str, Any]:
    """What may be said of a training table beside a claim: nothing that was counted but its public size."""
    kinds = [column.kind for column in schema]
    return {
        "num_rows": num_patients,
        "num_patients": num_patients,
        "num_columns": len(schema),
        "kinds": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "target": schema.target,
    }
