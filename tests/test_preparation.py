"""What is said in public about a training table."""

import json

import numpy as np
import pandas as pd
import pytest

from synthlib import Schema, load_support2, split, support2_schema
from synthlib.data.preparation import characteristics


@pytest.fixture(scope="module")
def support2():
    return split(load_support2(), support2_schema(), seed=3)


def visits(num_patients, seed=0):
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(num_patients), rng.integers(1, 5, num_patients))
    rng.shuffle(patient)
    table = pd.DataFrame({"patient": patient, "lab": rng.normal(size=len(patient)).round(2),
                          "died": rng.integers(0, 2, len(patient))})
    return table, Schema.infer(table, target="died", patient_id="patient")


def test_characteristics_are_aggregates_that_json_holds(support2):
    train, _ = support2
    found = characteristics(train, support2_schema())
    assert json.loads(json.dumps(found)) == found
    assert found["num_rows"] == found["num_patients"] == 7284 and found["num_columns"] == 48
    assert sum(found["kinds"].values()) == 48 and found["kinds"]["identifier"] == 1
    assert found["missing_rates"]["adlp"] == round(train["adlp"].isna().mean(), 2)
    assert found["missing_rates"]["scoma"] is None  # one row
    assert found["missing_rates"]["age"] == 0.0
    assert found["target_rates"] == {"0": round(1 - train["hospdead"].mean(), 2),
                                     "1": round(train["hospdead"].mean(), 2)}


def test_one_patient_more_does_not_change_what_is_published_but_the_number():
    table = pd.DataFrame({"x": [np.nan] * 300 + [1.5] * 700, "y": ["a", "b"] * 500})
    schema = Schema.infer(table, target="y")
    one_less = characteristics(table[1:], schema)
    assert one_less | {"num_rows": 1000, "num_patients": 1000} == characteristics(table, schema)


@pytest.mark.parametrize(("counts", "expected"), [
    ({"a": 50, "b": 30, "c": 20}, {"a": 0.5, "b": 0.3, "c": 0.2}),
    ({"a": 60, "b": 30, "c": 10}, {"a": 0.6, "b": None, "c": None}),  # 100 - 60 - 30 would give c away
    ({"a": 95, "b": 5, "c": 0}, {"a": None, "b": None, "c": 0.0}),
    ({"a": 80, "b": 9, "c": 11}, {"a": 0.8, "b": None, "c": None}),
])
def test_small_cells_cannot_be_worked_out(counts, expected):
    levels = [name for name in counts for _ in range(counts[name])]
    table = pd.DataFrame({"x": np.arange(100) / 2, "y": levels})
    schema = Schema.infer(table, target="y").replace("y", categories=("a", "b", "c"))
    assert characteristics(table, schema)["target_rates"] == expected


def test_missing_targets_cannot_be_worked_out():
    table = pd.DataFrame({"x": np.arange(100) / 2, "y": ["a"] * 60 + ["b"] * 35 + [None] * 5})
    found = characteristics(table, Schema.infer(table, target="y"))
    assert found["missing_rates"] == {"x": 0.0, "y": None}
    assert found["target_rates"] == {"a": 0.6, "b": None}


def test_patients_are_counted_and_a_continuous_target_has_no_rates():
    table, schema = visits(30)
    assert characteristics(table, schema)["num_patients"] == 30 < len(table)
    schema = Schema.infer(table, target="lab")
    assert characteristics(table, schema)["target_rates"] is None
