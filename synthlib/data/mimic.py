"""MIMIC-III in its published CSV layout as one table: a row for each hospital admission."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from synthlib.schema import Column, Schema

WINDOW = (pd.Timedelta(hours=-6), pd.Timedelta(hours=24))  # around admission: the emergency room's labs count
_ADMISSION_COLUMNS = ("subject_id", "hadm_id", "admittime", "dischtime", "admission_type", "insurance",
                      "ethnicity", "hospital_expire_flag")
_TIME = "%Y-%m-%d %H:%M:%S"


class Lab(NamedTuple):
    """How a laboratory value is read.

    Attributes:
        name: column of the table; its ending says which of the window's values is kept.
        items: itemids of D_LABITEMS that measure it.
        low, high: what lies outside cannot be true and is passed over.
        decimals: digits after the point.
        unit: UCUM unit.
        description: for people.
    """

    name: str
    items: tuple[int, ...]
    low: float
    high: float
    decimals: int
    unit: str
    description: str


# Worst where bad is on one side, first where it is on both.
LABS = (
    Lab("albumin_min", (50862,), 0.5, 8, 1, "g/dL", "lowest albumin"),
    Lab("anion_gap_max", (50868,), 1, 80, 0, "meq/L", "highest anion gap"),
    Lab("bicarbonate_min", (50882,), 2, 60, 0, "meq/L", "lowest bicarbonate"),
    Lab("bilirubin_max", (50885,), 0.1, 100, 1, "mg/dL", "highest total bilirubin"),
    Lab("bun_max", (51006,), 1, 300, 0, "mg/dL", "highest blood urea nitrogen"),
    Lab("calcium_first", (50893,), 2, 20, 1, "mg/dL", "first total calcium"),
    Lab("creatinine_max", (50912,), 0.1, 40, 1, "mg/dL", "highest creatinine"),
    Lab("glucose_first", (50931, 50809), 10, 2000, 0, "mg/dL", "first glucose"),
    Lab("hemoglobin_min", (51222, 50811), 1, 25, 1, "g/dL", "lowest haemoglobin"),
    Lab("inr_max", (51237,), 0.5, 30, 1, "", "highest INR"),
    Lab("lactate_max", (50813,), 0.1, 40, 1, "mmol/L", "highest lactate"),
    Lab("ph_min", (50820,), 6.5, 8, 2, "", "lowest blood pH"),
    Lab("platelets_min", (51265,), 1, 3000, 0, "10*3/uL", "lowest platelet count"),
    Lab("potassium_first", (50971, 50822), 1, 15, 1, "meq/L", "first potassium"),
    Lab("sodium_first", (50983, 50824), 90, 200, 0, "meq/L", "first sodium"),
    Lab("wbc_first", (51301, 51300), 0.1, 500, 1, "10*3/uL", "first white cell count"),
)


def _span(first: int, last: int) -> tuple[str, ...]:
    return tuple(str(code) for code in range(first, last + 1))


# ICD-9-CM prefixes of the enhanced coding in Quan et al. 2005, Medical Care 43(11), table 1.
CHARLSON = {
    "myocardial_infarction": ("410", "412"),
    "heart_failure": ("39891", "40201", "40211", "40291", "40401", "40403", "40411", "40413", "40491",
                      "40493", *_span(4254, 4259), "428"),
    "peripheral_vascular": ("0930", "4373", "440", "441", *_span(4431, 4439), "4471", "5571", "5579", "V434"),
    "cerebrovascular": ("36234", *_span(430, 438)),
    "dementia": ("290", "2941", "3312"),
    "chronic_pulmonary": ("4168", "4169", *_span(490, 505), "5064", "5081", "5088"),
    "rheumatic": ("4465", *_span(7100, 7104), *_span(7140, 7142), "7148", "725"),
    "peptic_ulcer": _span(531, 534),
    "liver_mild": ("07022", "07023", "07032", "07033", "07044", "07054", "0706", "0709", "570", "571", "5733",
                   "5734", "5738", "5739", "V427"),
    "diabetes": (*_span(2500, 2503), "2508", "2509"),
    "diabetes_complicated": _span(2504, 2507),
    "paralysis": ("3341", "342", "343", *_span(3440, 3446), "3449"),
    "renal": ("40301", "40311", "40391", "40402", "40403", "40412", "40413", "40492", "40493", "582",
              *_span(5830, 5837), "585", "586", "5880", "V420", "V451", "V56"),
    "malignancy": (*_span(140, 172), *_span(1740, 1958), *_span(200, 208), "2386"),
    "liver_severe": (*_span(4560, 4562), *_span(5722, 5728)),
    "metastatic_tumour": _span(196, 199),
    "aids": ("042", "043", "044"),
}

# Groups of the US standard (OMB 1997) by how the text begins; nothing stated is missing, all else "other".
ETHNICITIES = {
    "asian": ("ASIAN",),
    "black": ("BLACK",),
    "hispanic": ("HISPANIC", "SOUTH AMERICAN"),
    "native": ("AMERICAN INDIAN",),
    "white": ("WHITE", "PORTUGUESE", "MIDDLE EASTERN"),
}
_NOT_STATED = ("UNKNOWN", "UNABLE", "PATIENT DECLINED")


def load_mimic(folder: Path | str, chunk_rows: int = 500_000) -> pd.DataFrame:
    """One row for each hospital admission of MIMIC-III, with the columns of `mimic_schema`.

    Reads PATIENTS, ADMISSIONS, ICUSTAYS, DIAGNOSES_ICD and LABEVENTS (`.csv` or `.csv.gz`, headers in upper
    or lower case). LABEVENTS is read in chunks, of which only the numbers kept per admission stay in memory.
    Ages above 89, which the publisher moved to about 300, are 90. Laboratory values are those between six
    hours before admission and 24 hours after it. Comorbidities come from all of the admission's ICD-9 codes,
    which are assigned at discharge.

    Args:
        folder: where the tables are.
        chunk_rows: rows of LABEVENTS held at a time.

    Returns:
        DataFrame of shape (num_admissions, 43), ordered by subject_id and hadm_id.

    Raises:
        FileNotFoundError: naming the tables that are absent.
        ValueError: naming the columns that a table lacks, or if tables do not fit together.

    Reference: Johnson et al. 2016, "MIMIC-III, a freely accessible critical care database", Sci. Data 3.
    """
    files = _find_tables(Path(folder), ("PATIENTS", "ADMISSIONS", "ICUSTAYS", "DIAGNOSES_ICD", "LABEVENTS"))
    patients = _read(files["PATIENTS"], ("subject_id", "gender", "dob"))
    admissions = _read(files["ADMISSIONS"], _ADMISSION_COLUMNS)
    admissions = admissions.sort_values(["subject_id", "hadm_id"], ignore_index=True)
    if patients["subject_id"].duplicated().any() or admissions["hadm_id"].duplicated().any():
        raise ValueError("expected each subject_id once in PATIENTS and each hadm_id once in ADMISSIONS")
    patients = patients.set_index("subject_id").reindex(admissions["subject_id"])
    if patients["gender"].isna().any():
        strangers = int(patients["gender"].isna().sum())
        raise ValueError(f"expected each admission's patient in PATIENTS, {strangers} have none there")
    admitted, discharged = (_times(admissions[name]) for name in ("admittime", "dischtime"))
    stays = _read(files["ICUSTAYS"], ("hadm_id", "intime", "first_careunit"))
    stays = stays.sort_values("intime", kind="stable")
    units = stays.drop_duplicates("hadm_id").set_index("hadm_id")["first_careunit"]
    codes = _read(files["DIAGNOSES_ICD"], ("hadm_id", "icd9_code"), text=("icd9_code",))
    table = pd.DataFrame({
        "subject_id": admissions["subject_id"],
        "hadm_id": admissions["hadm_id"],
        "age": _ages(_times(patients["dob"].reset_index(drop=True)), admitted),
        "sex": patients["gender"].to_numpy(dtype=object),
        "ethnicity": admissions["ethnicity"].map(_group_ethnicity, na_action="ignore").astype(object),
        "insurance": admissions["insurance"].astype(object),
        "admission_type": admissions["admission_type"].astype(object),
        "first_careunit": units.reindex(admissions["hadm_id"]).to_numpy(dtype=object),
    })
    flags = comorbidities(codes["icd9_code"], codes["hadm_id"]).reindex(table["hadm_id"], fill_value=0)
    labs = _collect_labs(files["LABEVENTS"], table["hadm_id"], admitted, chunk_rows)
    outcome = pd.DataFrame({
        "length_of_stay": np.round((discharged - admitted) / pd.Timedelta(days=1), 2),
        "hospital_expire_flag": admissions["hospital_expire_flag"].astype("int64"),
    })
    return pd.concat([table, flags.reset_index(drop=True), labs, outcome], axis=1)


def comorbidities(codes: pd.Series, admission: pd.Series) -> pd.DataFrame:
    """Charlson's 17 comorbidities from ICD-9-CM codes without dots.

    Mild and severe forms are not made exclusive: an admission can have both flags.

    Args:
        codes: text of shape (num_diagnoses,), such as "4280" or "V4511".
        admission: which admission each belongs to, of the same shape.

    Returns:
        DataFrame of 0 and 1, of shape (num_admissions, 17), indexed by admission.

    Reference: Quan et al. 2005, "Coding algorithms for defining comorbidities in ICD-9-CM and ICD-10
        administrative data", Medical Care 43(11).
    """
    known = pd.Series(codes.dropna().unique(), dtype=object)
    matches = pd.DataFrame({name: known.str.startswith(prefixes) for name, prefixes in CHARLSON.items()})
    found = matches.set_index(known).reindex(codes, fill_value=False).to_numpy(dtype="int64")
    return pd.DataFrame(found, columns=list(CHARLSON)).groupby(admission.to_numpy()).max()


def mimic_schema() -> Schema:
    """What the columns of `load_mimic` hold. The target is `hospital_expire_flag`, death in hospital."""
    def levels(name: str, description: str, *values: str, missing: bool = False) -> Column:
        return Column(name, "categorical", categories=values, nullable=missing, description=description)

    flags = [Column(name, "boolean", "int64", categories=(0, 1), description=name.replace("_", " "))
             for name in CHARLSON]
    labs = [Column(lab.name, "continuous" if lab.decimals else "integer", "float64", low=lab.low,
                   high=lab.high, decimals=lab.decimals, nullable=True, unit=lab.unit,
                   description=f"{lab.description} of the first day") for lab in LABS]
    columns = (
        Column("subject_id", "identifier", "int64", description="patient"),
        Column("hadm_id", "identifier", "int64", description="hospital admission"),
        Column("age", "integer", "int64", low=0, high=90, decimals=0, unit="a",
               description="age at admission; 90 stands for all above 89"),
        levels("sex", "sex", "F", "M"),
        levels("ethnicity", "group by the US standard of 1997; missing if not stated",
               *sorted([*ETHNICITIES, "other"]), missing=True),
        levels("insurance", "who pays", "Government", "Medicaid", "Medicare", "Private", "Self Pay"),
        levels("admission_type", "how admitted", "ELECTIVE", "EMERGENCY", "NEWBORN", "URGENT"),
        levels("first_careunit", "intensive care unit first entered; missing if none",
               "CCU", "CSRU", "MICU", "NICU", "NWARD", "SICU", "TSICU", missing=True),
        *flags,
        *labs,
        Column("length_of_stay", "continuous", "float64", low=0, high=400, decimals=2, nullable=True,
               unit="d", description="days from admission to discharge"),
        Column("hospital_expire_flag", "boolean", "int64", categories=(0, 1), description="died in hospital"),
    )
    return Schema(columns, target="hospital_expire_flag", patient_id="subject_id", leaks=("length_of_stay",),
                  quasi_identifiers=("age", "sex", "ethnicity", "insurance", "length_of_stay"),
                  protected=("sex", "ethnicity", "age"))


def _find_tables(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"expected the folder of MIMIC-III's tables at {folder}, found none")
    present = {path.name.lower(): path for path in folder.iterdir()}
    found = {name: next((present[end] for end in (f"{name}.csv".lower(), f"{name}.csv.gz".lower())
                         if end in present), None) for name in names}
    absent = [name for name, path in found.items() if path is None]
    if absent:
        raise FileNotFoundError(f"expected {', '.join(absent)} as .csv or .csv.gz in {folder}, found none")
    return found


def _find_columns(path: Path, columns: Sequence[str]) -> dict[str, str]:
    """Name in the file → name in lower case, for the columns that are wanted."""
    header = {name.lower(): name for name in pd.read_csv(path, nrows=0).columns}
    absent = [name for name in columns if name not in header]
    if absent:
        listed = ", ".join(columns)
        raise ValueError(f"{path.name}: expected the columns {listed}; {', '.join(absent)} not there")
    return {header[name]: name for name in columns}


def _read(path: Path, columns: Sequence[str], text: Sequence[str] = ()) -> pd.DataFrame:
    names = _find_columns(path, columns)
    table = pd.read_csv(path, usecols=list(names), dtype={name: str for name in names if names[name] in text})
    return table.rename(columns=names)[list(columns)]


def _times(texts: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, format=_TIME)


def _ages(born: pd.Series, admitted: pd.Series) -> pd.Series:
    """Completed years; from the calendar, since a difference of 300 years overflows pandas' time deltas."""
    birthday_ahead = (admitted.dt.month * 100 + admitted.dt.day) < (born.dt.month * 100 + born.dt.day)
    return (admitted.dt.year - born.dt.year - birthday_ahead).clip(0, 90).astype("int64")


def _group_ethnicity(text: str) -> object:
    if text.upper().startswith(_NOT_STATED):
        return np.nan
    return next((name for name, starts in ETHNICITIES.items() if text.upper().startswith(starts)), "other")


def _collect_labs(path: Path, admissions: pd.Series, admitted: pd.Series, chunk_rows: int) -> pd.DataFrame:
    """The lab columns, of shape (num_admissions, num_labs), from one pass over the file."""
    names = _find_columns(path, ("hadm_id", "itemid", "charttime", "valuenum"))
    rows = pd.Index(admissions)
    values = np.full(len(rows) * len(LABS), np.nan)
    ranks = np.full(len(rows) * len(LABS), np.inf)  # of the kept value: how late it was, or how good
    for chunk in pd.read_csv(path, usecols=list(names), chunksize=chunk_rows):
        cell, value, rank = _rank_labs(chunk.rename(columns=names), rows, admitted)
        order = np.argsort(rank, kind="stable")
        cell, first = np.unique(cell[order], return_index=True)
        value, rank = value[order][first], rank[order][first]
        better = rank < ranks[cell]
        values[cell[better]], ranks[cell[better]] = value[better], rank[better]
    values = values.reshape(len(rows), len(LABS))
    return pd.DataFrame({lab.name: values[:, place].round(lab.decimals) for place, lab in enumerate(LABS)})


def _rank_labs(chunk: pd.DataFrame, rows: pd.Index, admitted: pd.Series) -> tuple[np.ndarray, ...]:
    """Of the events that count: the cell they belong to, row × num_labs + lab; their value; their rank."""
    lab = chunk["itemid"].map(_LAB_OF).fillna(-1).to_numpy(dtype=int)
    row = rows.get_indexer(chunk["hadm_id"].fillna(-1).astype("int64"))
    known = (lab >= 0) & (row >= 0)
    lab, row, value = lab[known], row[known], chunk["valuenum"].to_numpy(dtype=float)[known]
    delay = _times(chunk["charttime"][known]).to_numpy() - admitted.to_numpy()[row]
    early, late = (end.to_timedelta64() for end in WINDOW)
    counts = (value >= _LOWS[lab]) & (value <= _HIGHS[lab]) & (delay >= early) & (delay <= late)
    rank = np.where(_SIGNS[lab] == 0, delay / np.timedelta64(1, "s"), _SIGNS[lab] * value)
    return row[counts] * len(LABS) + lab[counts], value[counts], rank[counts]


_LAB_OF = {item: place for place, lab in enumerate(LABS) for item in lab.items}
_LOWS, _HIGHS = np.array([lab.low for lab in LABS]), np.array([lab.high for lab in LABS])
_SIGNS = np.array([{"min": 1.0, "max": -1.0, "first": 0.0}[lab.name.rpartition("_")[2]] for lab in LABS])
