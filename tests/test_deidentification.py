"""Safe Harbor: what is dropped, emptied, numbered anew or kept, and that the report says so."""

import numpy as np
import pandas as pd
import pytest
from deidentification_helpers import NUM_ROWS, row_of, with_column
from hypothesis import given, settings
from hypothesis import strategies as st

from synthlib import Schema, SchemaError, deidentify, load_support2, simulate_cohort, support2_schema
from synthlib.data.identifiers import class_by_name
from synthlib.data.mimic import mimic_schema
from synthlib.data.simulation import simulation_schema


def test_a_few_identifying_values_become_missing():
    remarks = ["well", "call 617-253-1000"] + ["stable", "worse"] * 19
    table, schema = with_column("remark", remarks)
    result, smaller, report = deidentify(table, schema)
    assert result["remark"].isna().tolist() == [False, True] + [False] * 38
    assert set(smaller["remark"].categories) == {"well", "stable", "worse"} and smaller["remark"].nullable
    row = row_of(report, "remark")
    assert (row["class"], row["action"], row["changed"]) == ("D", "values made missing", "1 to 10")
    assert np.isnan(row["share"])  # one row of 40 is not told


def test_yes_or_no_is_no_identifier():
    table, schema = with_column("has_email", np.arange(NUM_ROWS) % 2)
    row = row_of(deidentify(table, schema)[2], "has_email")
    assert row["action"] == "kept" and "named like email addresses" in row["reason"]


def test_codes_that_repeat_are_no_identifiers_and_identifiers_go():
    table, schema = with_column("drug_id", np.arange(NUM_ROWS) % 4)
    assert row_of(deidentify(table, schema)[2], "drug_id")["action"] == "kept"
    table, schema = with_column("anything", np.arange(NUM_ROWS), identifiers=["anything"])
    row = row_of(deidentify(table, schema)[2], "anything")
    assert (row["class"], row["seen"], row["action"]) == ("R", "by type", "dropped")


def test_free_text_goes():
    values = [f"was ill on day {n % 15} and then went to the ward" for n in range(NUM_ROWS)]
    table, schema = with_column("story", values, kinds={"story": "categorical"})
    assert row_of(deidentify(table, schema)[2], "story")["reason"] == "free text may hold any identifier"
    values = [f"went to ward {n % 15}" for n in range(NUM_ROWS)]
    for name, action in (("nurse_notes", "dropped"), ("plan", "kept")):
        table, schema = with_column(name, values, kinds={name: "categorical"})
        assert row_of(deidentify(table, schema)[2], name)["action"] == action


@pytest.mark.parametrize(
    ("changed", "told"), [(40, "40"), (35, "all but 1 to 10"), (20, "20"), (3, "1 to 10"), (0, "0")]
)
def test_neither_few_nor_all_but_few_values_are_told(changed, told):
    """Of 40 ages, those with a fraction change."""
    ages = np.arange(NUM_ROWS) % 20 + 20 + 0.5 * (np.arange(NUM_ROWS) < changed)
    table, schema = with_column("age", ages, kinds={"age": "continuous"})
    assert row_of(deidentify(table, schema)[2], "age")["changed"] == told


def test_how_many_are_missing_is_not_told_by_how_many_changed():
    table, schema = with_column("city", ["Boston", "Salem"] * 19 + [None] * 2)
    assert row_of(deidentify(table, schema)[2], "city")["changed"] == "all but 1 to 10"


def test_patients_are_numbered_anew_and_keep_their_rows():
    table, schema = with_column("mrn", [f"MRN{9000 - n // 2}" for n in range(NUM_ROWS)], patient_id="mrn")
    result, smaller, report = deidentify(table, schema)
    assert result["mrn"].tolist() == [1 + n // 2 for n in range(NUM_ROWS)]
    assert smaller.patient_id == "mrn" and smaller["mrn"].kind == "identifier"
    assert (row_of(report, "mrn")["class"], row_of(report, "mrn")["action"]) == ("H", "numbered anew")


def test_what_is_kept_is_kept_as_it_is_and_its_reason_recorded():
    table, schema = with_column("city", ["Boston", "Salem"] * 20)
    result, smaller, report = deidentify(table, schema, keep={"city": "a city of millions, and consent"})
    pd.testing.assert_series_equal(result["city"], table["city"])
    row = row_of(report, "city")
    assert (row["class"], row["action"]) == ("B", "kept") and smaller == schema
    assert row["reason"] == "as asked: a city of millions, and consent"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keep": {"town": "x"}}, "keep: expected columns of the Schema, got town"),
        ({"keep": {"city": " "}}, "keep: expected a reason for each column, got none for city"),
        ({"index_date": "city"}, "index_date: expected the name of a datetime column, got 'city'"),
        ({"index_date": "town"}, "index_date: expected the name of a datetime column"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        deidentify(*with_column("city", ["Boston", "Salem"] * 20), **arguments)


def test_a_target_that_would_go_is_refused_and_other_tables_too():
    table, schema = with_column("city", ["Boston", "Salem"] * 20, target="city")
    with pytest.raises(ValueError, match="'city' looks like geographic units") as caught:
        deidentify(table, schema)
    assert "Boston" not in str(caught.value)
    with pytest.raises(SchemaError):
        deidentify(table.drop(columns="dose"), schema)


def test_roles_follow_and_columns_outside_the_schema_are_reported():
    table, schema = with_column(
        "city",
        ["Boston", "Salem"] * 20,
        quasi_identifiers=["city", "severity"],
        leaks=["dose"],
        target="severity",
    )
    _, smaller, report = deidentify(table.assign(note="x"), schema)
    assert (
        smaller.quasi_identifiers == ("severity",)
        and smaller.leaks == ("dose",)
        and smaller.target == "severity"
    )
    assert report["column"].tolist() == ["severity", "dose", "city", "note"]
    assert row_of(report, "note")["reason"] == "not a column of the Schema"


def test_support2_passes_with_ages_above_89_as_one_group():
    table = load_support2()
    result, schema, report = deidentify(table, support2_schema())
    assert report["column"].tolist() == list(table)
    done = report[report["action"] != "kept"].set_index("column")
    assert done["action"].to_dict() == {"sno": "dropped", "age": "completed, at most 90"}
    assert table["age"].max() > 101 and result["age"].max() == 90
    assert (result["age"] == 90).sum() == (table["age"] >= 90).sum() == 163
    assert (result["age"] == np.minimum(np.floor(table["age"]), 90)).all()
    untouched = [name for name in result if name != "age"]
    conformed = support2_schema().conform(table)
    pd.testing.assert_frame_equal(result[untouched], conformed[untouched])
    assert schema.target == "hospdead" and schema["age"].low == 18 and schema["age"].high == 90
    again, same, second = deidentify(result, schema)
    pd.testing.assert_frame_equal(again, result)
    assert set(second["changed"]) == {"0"} and same.names == schema.names


def test_simulated_and_mimic_columns_raise_no_false_alarm():
    table = simulate_cohort(200, 0)
    _, schema, report = deidentify(table, simulation_schema())
    assert schema.names == list(table) and set(report["class"]) == {"", "C"}
    for column in mimic_schema():
        if column.kind != "identifier" and column.name != "age":
            assert class_by_name(column.name) == "", column.name


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(max_size=12), min_size=20, max_size=20), st.text("abcdeg_ ", min_size=1, max_size=8))
def test_any_text_gives_a_table_of_the_schema_and_a_row_a_column(values, name):
    table = pd.DataFrame(
        {"x": np.arange(20) % 3, "y": np.arange(20) % 4, name: pd.Series(values, dtype=object)}
    )
    try:
        schema = Schema.infer(table, kinds={name: "categorical"})
    except SchemaError:
        return
    result, smaller, report = deidentify(table, schema)
    smaller.check(result)
    assert report["column"].tolist() == list(table)
    assert set(report["column"][report["action"] == "dropped"]) == set(table) - set(result)
