"""Cohorts as the benchmark wants them: FOLDER/NAME/{train.csv, test.csv, meta.json}, a fifth set aside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from synthlib import read_table

TRAIN_SHARE = 0.8

# From packages; `{}` in levels stands for all columns whose name begins with fac_.
OPEN_COHORTS = {
    "flchain": {
        "target": "death",
        "categorical": ["sex", "flc.grp", "mgus", "chapter", "death", "sample.yr"],
        "leaks": ["futime", "chapter"],  # follow-up; the cause of death, which only the dead have
    },
    "support2": {"target": "event", "leaks": ["time", "fac_sfdm2"], "drop": ["fac_num_co"]},
    "rhc": {"target": "event", "leaks": ["time"]},
    "whas500": {
        "target": "fstat",
        "categorical": ["afb", "av3", "chf", "cvd", "gender", "miord", "mitype", "sho", "fstat"],
        "leaks": ["lenfol"],
    },
    "actg": {"target": "event", "leaks": ["time"]},
}

# The eICU demo's folder: one row per stay with APACHE variables.
PATIENT = ("gender", "age", "ethnicity", "admissionheight", "admissionweight", "unittype", "unitadmitsource")
COMORBIDITIES = (
    *("aids", "hepaticfailure", "lymphoma", "metastaticcancer", "leukemia", "immunosuppression"),
    *("cirrhosis", "diabetes", "electivesurgery", "readmit", "thrombolytics", "activetx"),
)
OUTCOME = "diedinhospital"


def write_open_cohort(name: str, source: Path, folder: Path) -> Path:
    """Split a table that `sources.py` wrote.

    Args:
        name: one of `OPEN_COHORTS`.
        source: its CSV file.
        folder: parent of the cohort's folder.
    """
    facts = OPEN_COHORTS[name]
    table = pd.read_csv(source, dtype=str, keep_default_na=False).drop(columns=facts.get("drop", []))
    levels = [column for column in table if column.startswith("fac_")]
    categorical = facts.get("categorical", [*levels, facts["target"]])
    return write_cohort(folder / name, table, facts["target"], categorical, facts["leaks"])


def write_cohort(
    folder: Path,
    table: pd.DataFrame,
    target: str,
    categorical: Sequence[str],
    leaks: Sequence[str] = (),
    patient: str | None = None,
) -> Path:
    """Split a table 80/20 with seed 0 and write it.

    Args:
        folder: where to write.
        table: cells as text, `""` where missing.
        target: rows without it are left out.
        categorical: columns of levels; the others are numbers.
        leaks: columns that know the target.
        patient: column that says which patient a row belongs to: no patient is on both sides, and the column
            itself is left out.

    Raises:
        ValueError: if a named column is absent.
    """
    absent = sorted({target, *categorical, *leaks, *([patient] if patient else [])} - set(table.columns))
    if absent:
        raise ValueError(f"expected columns of the table, got {', '.join(absent)}")
    table = table[table[target] != ""].sample(frac=1, random_state=0).reset_index(drop=True)
    units = np.arange(len(table)) if patient is None else pd.factorize(table[patient])[0]
    held_out = units >= round(TRAIN_SHARE * (units.max() + 1))
    numerical = [name for name in table if name not in (*categorical, patient)]
    meta = {"target": target, "categorical": list(categorical), "numerical": numerical, "leaks": list(leaks)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", ~held_out), ("test", held_out)):
        table.loc[rows, [*categorical, *numerical]].to_csv(folder / f"{name}.csv", index=False)
    (folder / "meta.json").write_text(json.dumps(meta, indent=1))
    return folder


def write_csv_cohort(
    folder: Path,
    path: Path,
    target: str,
    leaks: Sequence[str] = (),
    categorical: Sequence[str] = (),
    drop: Sequence[str] = (),
    patient: str | None = None,
) -> Path:
    """Split any table: texts, booleans and the target are levels, and what else is named so."""
    return write_cohort(
        folder, *as_cells(read_table(path).drop(columns=list(drop)), target, categorical), leaks, patient
    )


def write_eicu_cohort(folder: Path, demo: Path) -> Path:
    """Stays of the eICU demo with first-day laboratory values, split by patient; target: death in hospital.

    Args:
        folder: where to write.
        demo: folder with `patient.csv.gz`, `apacheApsVar.csv.gz` and `apachePredVar.csv.gz`.
    """
    key = "patientunitstayid"
    stays, values, predictors = (
        pd.read_csv(demo / f"{name}.csv.gz").set_index(key)
        for name in ("patient", "apacheApsVar", "apachePredVar")
    )
    values = values.drop(columns="apacheapsvarid")
    table = stays[["uniquepid", *PATIENT]].join(values, how="inner")
    table = table.join(predictors[["admitdiagnosis", *COMORBIDITIES, OUTCOME]], how="inner").sort_index()
    measured = [*values, *COMORBIDITIES, OUTCOME]
    table[measured] = table[measured].mask(table[measured] == -1)  # the tables' code for missing
    table["age"] = pd.to_numeric(table["age"].replace("> 89", "90"))
    flags = ("intubated", "vent", "dialysis", "meds", *COMORBIDITIES)
    cells, target, categorical = as_cells(table.reset_index(drop=True), OUTCOME, flags)
    categorical.remove("uniquepid")
    return write_cohort(folder, cells, target, categorical, patient="uniquepid")


def as_cells(
    table: pd.DataFrame, target: str, categorical: Sequence[str]
) -> tuple[pd.DataFrame, str, list[str]]:
    """Cells as text, target, and columns of levels. A level 1.0 is written as 1."""
    texts = [name for name in table if table[name].dtype == object or table[name].dtype == bool]
    levels = list(dict.fromkeys([*texts, *categorical, target]))
    for name in levels:
        if table[name].dtype == float and (table[name].dropna() % 1 == 0).all():
            table[name] = table[name].astype("Int64")
    cells = table.astype(object).where(table.notna(), "").map(str)
    return cells, target, levels
