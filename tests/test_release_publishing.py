"""What is published of columns: identifiers are guessed, scattered levels found, values are those drawn."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort
from release_helpers import NAMES

import synthlib as sl
from synthlib.chain.commitments import synthetic_digest, table_digest
from synthlib.release import find_scattered_levels, infer_schema, public_report, public_schema
from synthlib.schema import WITHHELD
from synthlib.scores import to_report

DAYS = pd.to_datetime(["2001-03-04 05:06:07", "2001-01-02 03:04:05", None])
COLUMNS = {
    "integer": (sl.Column("x", "integer", "int64", low=0, high=99), [12, 28, 5], (5, 28)),
    "continuous": (
        sl.Column("x", "continuous", "float64", nullable=True),
        [0.1 + 0.2, None, 7.0],
        (0.1 + 0.2, 7.0),
    ),
    "nullable": (
        sl.Column("x", "integer", "Int64", high=9, nullable=True),
        pd.array([4, None, 3], "Int64"),
        (3, 4),
    ),
    "no number": (
        sl.Column("x", "continuous", "float64", low=1, high=2, nullable=True),
        [np.nan] * 3,
        (None, None),
    ),
    "dates": (
        sl.Column("x", "datetime", "datetime64[ns]", low="1990-01-01", high="2020-01-01", nullable=True),
        DAYS,
        ("2001-01-02T03:04:05", "2001-03-04T05:06:07"),
    ),
    "dates as text": (
        sl.Column(
            "x", "datetime", "object", low="1990-01-01", high="2020-01-01", nullable=True, format="%d.%m.%Y"
        ),
        ["02.01.2001", None, "01.12.2000"],
        ("2000-12-01T00:00:00", "2001-01-02T00:00:00"),
    ),
    "no date": (
        sl.Column("x", "datetime", "datetime64[ns]", low="1990-01-01", nullable=True),
        pd.to_datetime([None] * 3),
        (None, None),
    ),
    "levels": (
        sl.Column("x", "ordinal", "object", categories=("low", "mid", "high"), nullable=True),
        ["high", None, "low"],
        ("low", "high"),
    ),
    "flags": (sl.Column("x", "boolean", "int64", categories=(0, 1)), [1, 1, 1], (1,)),
    "truths": (
        sl.Column("x", "boolean", "bool", categories=(False, True)),
        [False, False, True],
        (False, True),
    ),
    "no level": (
        sl.Column("x", "categorical", "object", categories=("a", "b"), nullable=True),
        pd.Series([None] * 3, dtype=object),
        (WITHHELD,),
    ),
    "no flag": (
        sl.Column("x", "boolean", "float64", categories=(0, 1), nullable=True),
        [np.nan] * 3,
        (WITHHELD,),
    ),
}


@pytest.mark.parametrize(("column", "drawn", "published"), COLUMNS.values(), ids=COLUMNS)
def test_values_are_published_as_drawn_and_the_table_reads_back(column, drawn, published, tmp_path):
    schema = sl.Schema((column, sl.Column("y", "integer", "int64")))
    synthetic = pd.DataFrame({"x": drawn, "y": [1, 2, 3]})
    schema.check(synthetic)
    public = sl.Schema.from_json(public_schema(schema, synthetic).to_json())
    found = public["x"]
    assert (found.categories if column.is_discrete else (found.low, found.high)) == published
    public.check(synthetic)
    sl.write_table(synthetic, tmp_path / "synthetic.csv")
    assert synthetic_digest(tmp_path / "synthetic.csv", public) == table_digest(synthetic)


def test_the_published_report_names_no_column_and_no_minus_zero():
    rows = [sl.Score("ks[age]", 0.1, 0.0, 0.2, 0.1), sl.Score("gap", -0.0001, -0.12345, float("nan"), 0.9996)]
    whole = to_report(rows)
    found = public_report(whole)
    assert found.to_csv(index=False) == "metric,value,low,high,reference\ngap,0.0,-0.123,,1.0\n"
    assert whole["value"].tolist() == [0.1, -0.0001]  # left as it was


# Guessing identifiers


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("name", NAMES),
        ("MRN", range(1000, 1500)),
        ("contact", [f"person{place}@example.org" for place in range(500)]),
        (
            "home_address",
            [f"{place} Long Road, Flat {place}, Smalltown, Wide County" for place in range(500)],
        ),
    ],
)
def test_direct_identifiers_need_not_be_declared(name, values):
    table = make_cohort(500).assign(**{name: values})
    with pytest.raises(sl.SchemaError):
        sl.Schema.infer(table, target="died")
    schema, found = infer_schema(table, target="died")
    assert found == [name] and schema[name].kind == "identifier"
    safe, _, report = sl.deidentify(table, schema)
    assert name not in safe.columns
    assert report.set_index("column").loc[name, "action"] == "dropped"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("patient_id", [f"PT{place // 2:05}" for place in range(500)]),
        ("subject_id", [place // 8 for place in range(500)]),
        ("encounter_number", [float(place % 100) for place in range(500)]),
    ],
)
def test_numbers_of_somebody_that_few_rows_share_are_left_out(name, values):
    schema, found = infer_schema(make_cohort(500).assign(**{name: values}), target="died")
    assert found == [name]
    assert name not in sl.deidentify(make_cohort(500).assign(**{name: values}), schema)[0].columns


def test_numbers_of_a_ward_stay():
    table = make_cohort(500).assign(ward_id=[f"W{place % 5}" for place in range(500)])
    assert infer_schema(table, target="died")[1] == []


def test_levels_that_nobody_shares_are_found():
    table = make_cohort(500).assign(
        village=[f"V{place % 200}" for place in range(500)], region=[f"R{place % 50}" for place in range(500)]
    )
    schema = sl.Schema.infer(table, target="died")
    assert find_scattered_levels(table, schema) == ["village"]
    assert find_scattered_levels(table.head(10), schema) == []  # too small a table to say so


def test_few_levels_that_nobody_shares_are_found():
    table = make_cohort(500).assign(clinic=[None] * 490 + ["A", "B", "C", "D", "E"] * 2)
    schema = sl.Schema.infer(table, target="died")
    assert find_scattered_levels(table, schema) == ["clinic"]


def test_rows_of_one_patient_do_not_make_a_level_shared():
    table = make_cohort(500).assign(patient=[f"P{row // 10}" for row in range(500)])
    table["village"] = [f"V{row // 20}" for row in range(500)]  # twenty rows each, two patients
    with_patients = sl.Schema.infer(table, target="died", patient_id="patient")
    assert find_scattered_levels(table, with_patients) == ["village"]
    assert "village" not in find_scattered_levels(table, sl.Schema.infer(table, identifiers=["patient"]))


def test_what_cannot_be_held_and_is_no_identifier_is_still_refused():
    notes = [f"patient number {place} felt well that day" for place in range(500)]
    notes[3] = "call her on 212-555-0147 please, she asked for it"
    for name, values in {"remarks": notes, "reading": range(500)}.items():
        with pytest.raises(sl.SchemaError, match=name):
            infer_schema(make_cohort(500).assign(**{name: values}), target="died")


def test_what_the_caller_declares_is_not_guessed():
    table = make_cohort(500).assign(name=NAMES)
    assert infer_schema(table, patient_id="name")[1] == []
    assert infer_schema(table, identifiers=["name"])[1] == []
    assert infer_schema(make_cohort(500)) == (sl.Schema.infer(make_cohort(500)), [])
    with pytest.raises(sl.SchemaError, match="'name'"):
        infer_schema(table, target="name")
