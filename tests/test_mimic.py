"""MIMIC-III's layout as one row an admission, on tables made here and, at hand, the public demo."""

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthlib import load_mimic
from synthlib.data.mimic import CHARLSON, LABS, comorbidities, mimic_schema

DEV_DATA = Path(os.environ.get("SYNTHLIB_DEV_DATA", Path(__file__).parents[2] / "shared" / "data"))
DEMO = DEV_DATA / "mimic-iii-demo"

TABLES = {
    "PATIENTS": """subject_id,gender,dob
1,F,2100-06-15 00:00:00
2,M,1850-01-01 00:00:00
3,M,2150-03-10 00:00:00
""",
    "ADMISSIONS": """\
subject_id,hadm_id,admittime,dischtime,admission_type,insurance,ethnicity,hospital_expire_flag
2,20,2150-02-01 12:00:00,2150-02-03 00:00:00,URGENT,Medicare,WHITE - RUSSIAN,1
1,12,2150-06-15 00:00:00,2150-06-16 00:00:00,EMERGENCY,Private,HISPANIC/LATINO - PUERTO RICAN,0
1,11,2150-06-14 23:00:00,2150-06-15 11:00:00,ELECTIVE,Private,UNABLE TO OBTAIN,0
3,30,2150-03-10 08:00:00,2150-03-20 08:00:00,NEWBORN,Medicaid,MULTI RACE ETHNICITY,0
""",
    "ICUSTAYS": """hadm_id,intime,first_careunit
11,2150-06-15 02:00:00,SICU
11,2150-06-14 23:30:00,MICU
20,2150-02-01 13:00:00,CCU
30,2150-03-10 08:00:00,NICU
""",
    "DIAGNOSES_ICD": """subject_id,hadm_id,seq_num,icd9_code
1,11,1,0389
1,11,2,4280
1,11,3,25040
2,20,1,V5611
2,20,2,19889
2,20,3,
""",
    "LABEVENTS": """row_id,subject_id,hadm_id,itemid,charttime,value,valuenum,valueuom,flag
1,1,11,50912,2150-06-14 20:00:00,2.04,2.04,mg/dL,
2,1,11,50912,2150-06-15 20:00:00,3.1,3.1,mg/dL,abnormal
3,1,11,50912,2150-06-15 21:00:00,138,138,mg/dL,abnormal
4,1,11,50912,2150-06-15 23:00:01,9.9,9.9,mg/dL,abnormal
5,1,11,50912,2150-06-14 16:59:59,9.9,9.9,mg/dL,abnormal
6,1,11,50983,2150-06-15 02:00:00,150,150,mEq/L,
7,1,11,50824,2150-06-15 01:00:00,131,131,mEq/L,
8,1,11,50862,2150-06-15 01:00:00,3.5,3.5,g/dL,
9,1,11,50862,2150-06-15 05:00:00,2.5,2.5,g/dL,
10,1,11,50862,2150-06-15 06:00:00,4.5,4.5,g/dL,
11,1,,50862,2150-06-15 06:00:00,1.1,1.1,g/dL,
12,9,99,50862,2150-06-15 06:00:00,1.1,1.1,g/dL,
13,2,20,51265,2150-02-01 12:00:00,ERROR,,K/uL,
14,2,20,99999,2150-02-01 12:00:00,1,1,K/uL,
""",
}


def write_tables(folder, tables=TABLES, upper=False, packed=False):
    for name, text in tables.items():
        if upper:
            header, rest = text.split("\n", 1)
            text = header.upper() + "\n" + rest
        if packed:
            (folder / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / f"{name.lower()}.csv").write_text(text)
    return folder


@pytest.fixture
def table(tmp_path):
    return load_mimic(write_tables(tmp_path)).set_index("hadm_id")


def test_a_row_for_each_admission_in_order(table):
    assert table.index.tolist() == [11, 12, 20, 30]
    assert table["subject_id"].tolist() == [1, 1, 2, 3]
    assert table["first_careunit"].fillna("none").tolist() == ["MICU", "none", "CCU", "NICU"]
    assert table["ethnicity"].fillna("none").tolist() == ["none", "hispanic", "white", "other"]
    assert table["length_of_stay"].tolist() == [0.5, 1.0, 1.5, 10.0]
    assert table["hospital_expire_flag"].tolist() == [0, 0, 1, 0]


def test_ages_are_completed_years_and_300_is_90(table):
    assert table["age"].tolist() == [49, 50, 90, 0]


def test_labs_are_the_worst_or_first_of_the_window_within_what_can_be_true(table):
    assert table.loc[11, "creatinine_max"] == 3.1  # not 138, nor one second outside either end
    assert table.loc[11, "sodium_first"] == 131  # by its time, from the other itemid
    assert table.loc[11, "albumin_min"] == 2.5
    rest = table[[lab.name for lab in LABS]].notna().sum(axis=1)
    assert rest.tolist() == [3, 0, 0, 0]


def test_comorbidities_come_from_codes_as_text(table):
    flags = table[list(CHARLSON)]
    assert {name for name in flags if flags.loc[11, name]} == {"heart_failure", "diabetes_complicated"}
    assert {name for name in flags if flags.loc[20, name]} == {"renal", "metastatic_tumour"}
    assert flags.loc[[12, 30]].to_numpy().sum() == 0 and (flags.dtypes == "int64").all()


@pytest.mark.parametrize(("code", "expected"), [
    ("41401", set()), ("41001", {"myocardial_infarction"}), ("4253", set()), ("4254", {"heart_failure"}),
    ("4430", set()), ("4439", {"peripheral_vascular"}), ("43491", {"cerebrovascular"}),
    ("2900", {"dementia"}),
    ("506", set()), ("49390", {"chronic_pulmonary"}), ("7143", set()), ("7140", {"rheumatic"}),
    ("53501", set()), ("53240", {"peptic_ulcer"}), ("5718", {"liver_mild"}), ("07032", {"liver_mild"}),
    ("25000", {"diabetes"}), ("25060", {"diabetes_complicated"}), ("3442", {"paralysis"}),
    ("5838", set()), ("V4511", {"renal"}), ("40492", {"renal"}), ("40491", {"heart_failure"}),
    ("40403", {"heart_failure", "renal"}), ("1733", set()), ("1958", {"malignancy"}),
    ("20280", {"malignancy"}),
    ("5724", {"liver_severe"}), ("1970", {"metastatic_tumour"}), ("042", {"aids"}), ("0389", set()),
])
def test_charlson_codes_follow_the_published_table(code, expected):
    flags = comorbidities(pd.Series([code], dtype=object), pd.Series([7]))
    assert {name for name in flags if flags.loc[7, name]} == expected


def test_the_schema_holds_the_table(table):
    schema = mimic_schema()
    conformed = schema.conform(table.reset_index())
    schema.check(conformed)
    assert schema.target == "hospital_expire_flag" and schema.patient_id == "subject_id"
    assert "length_of_stay" not in schema.features and "hadm_id" not in schema.features


@pytest.mark.parametrize(
    ("upper", "packed", "chunk_rows"), [(True, True, 500), (False, False, 1), (True, False, 3)]
)
def test_layouts_and_chunks_make_no_difference(tmp_path, table, upper, packed, chunk_rows):
    (tmp_path / "other").mkdir()
    folder = write_tables(tmp_path / "other", upper=upper, packed=packed)
    other = load_mimic(str(folder), chunk_rows=chunk_rows)
    pd.testing.assert_frame_equal(other.set_index("hadm_id"), table)


def test_what_is_absent_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected the folder"):
        load_mimic(tmp_path / "none")
    kept = {name: text for name, text in TABLES.items() if name not in ("ICUSTAYS", "PATIENTS")}
    write_tables(tmp_path, kept)
    with pytest.raises(FileNotFoundError, match=r"expected PATIENTS, ICUSTAYS as \.csv or \.csv\.gz"):
        load_mimic(tmp_path)


@pytest.mark.parametrize(("name", "old", "new", "message"), [
    ("LABEVENTS", "valuenum", "number", "labevents.csv: expected the columns .* valuenum not there"),
    ("PATIENTS", "dob", "born", "patients.csv: .* dob not there"),
    ("PATIENTS", "2,M", "7,M", "each admission's patient in PATIENTS, 1 have none"),
    ("ADMISSIONS", "1,11", "1,12", "each hadm_id once in ADMISSIONS"),
])
def test_tables_that_do_not_fit_are_refused(tmp_path, name, old, new, message):
    with pytest.raises(ValueError, match=message):
        load_mimic(write_tables(tmp_path, TABLES | {name: TABLES[name].replace(old, new, 1)}))


def test_memory_does_not_grow_with_the_file(tmp_path):
    """Ten times as many events may not need more than a chunk more."""
    import tracemalloc

    def peak(copies):
        header, *rows = TABLES["LABEVENTS"].splitlines()
        write_tables(tmp_path, TABLES | {"LABEVENTS": "\n".join([header, *rows * copies]) + "\n"})
        tracemalloc.start()
        load_mimic(tmp_path, chunk_rows=5_000)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(4_000) < 1.2 * peak(800)


@pytest.mark.skipif(not DEMO.is_dir(), reason="the public demo of MIMIC-III is not at hand")
def test_the_public_demo():
    table = load_mimic(DEMO, chunk_rows=10_000)
    schema = mimic_schema()
    schema.check(schema.conform(table))
    assert len(table) == 129 and table["subject_id"].nunique() == 100
    assert table["hospital_expire_flag"].sum() == 40 and (table["age"] == 90).sum() == 9
    labs = pd.read_csv(DEMO / "LABEVENTS.csv.gz")
    admitted = pd.to_datetime(pd.read_csv(DEMO / "ADMISSIONS.csv").set_index("hadm_id")["admittime"])
    delay = pd.to_datetime(labs["charttime"]) - labs["hadm_id"].map(admitted)
    early = labs[(delay >= pd.Timedelta(hours=-6)) & (delay <= pd.Timedelta(hours=24))]
    lactate = early[early["itemid"] == 50813].groupby("hadm_id")["valuenum"].max()
    np.testing.assert_allclose(table["lactate_max"], lactate.reindex(table["hadm_id"]).round(1))
