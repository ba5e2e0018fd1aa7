"""Patients are divided once, and none of them in two."""


import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthlib import Schema, SchemaError, load_support2, simulate_cohort, split, support2_schema
from synthlib.data.simulation import simulation_schema


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


def test_every_row_falls_on_one_side_in_its_order(support2):
    train, holdout = support2
    assert (len(train), len(holdout)) == (7284, 1821)
    assert train["sno"].is_monotonic_increasing and holdout["sno"].is_monotonic_increasing
    assert sorted([*train["sno"], *holdout["sno"]]) == load_support2()["sno"].tolist()
    assert train.index.equals(pd.RangeIndex(7284)) and holdout.index.equals(pd.RangeIndex(1821))


def test_impossible_values_are_missing_on_both_sides(support2):
    for side in support2:
        support2_schema().check(side)
        assert (side["hrt"].dropna() > 0).all()
    assert sum(side["hrt"].isna().sum() for side in support2) == 84


def test_target_shares_are_equal(support2):
    train, holdout = support2
    assert abs(train["hospdead"].sum() * 0.25 - holdout["hospdead"].sum()) <= 1.25


def test_same_seed_same_rows_other_seed_other_rows(support2):
    train, holdout = split(load_support2(), support2_schema(), seed=3)
    pd.testing.assert_frame_equal(train, support2[0])
    pd.testing.assert_frame_equal(holdout, support2[1])
    other = split(load_support2(), support2_schema(), seed=4)[1]
    assert len(set(other["sno"]) & set(holdout["sno"])) < 500


def test_the_split_is_the_same_everywhere():
    """Rows by number, so that no library version or platform may change a published split."""
    _, holdout = split(simulate_cohort(20, 0).assign(died=[0, 1] * 10, row=range(20)),
                       _with_row(simulation_schema()), holdout_fraction=0.3, seed=0)
    assert holdout["row"].tolist() == [0, 1, 3, 5, 12, 18]
    assert holdout["died"].sum() == 3


def _with_row(schema):
    row = Schema.infer(pd.DataFrame({"row": range(20), "x": 1}), identifiers=["row"])["row"]
    return Schema((*schema.columns, row), schema.target)


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 60), st.floats(0.2, 0.8), st.integers(0, 2**32 - 1))
def test_patients_are_never_divided(num_patients, fraction, seed):
    table, schema = visits(num_patients, seed)
    train, holdout = split(table, schema, fraction, seed)
    assert not set(train["patient"]) & set(holdout["patient"])
    assert len(train) + len(holdout) == len(table)
    assert holdout["patient"].nunique() == int(np.floor(num_patients * fraction + 0.5))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=10, max_size=80), st.floats(0.25, 0.75))
def test_strata_are_proportional(levels, fraction):
    table = pd.DataFrame({"x": np.arange(len(levels)) / 2, "y": [*levels[:-3], "a", "b", "c"]})
    train, holdout = split(table, Schema.infer(table, target="y"), fraction)
    for level in "abc":
        total = (table["y"] == level).sum()
        assert abs((holdout["y"] == level).sum() - fraction * total) < 1 + 1e-9
        assert (train["y"] == level).sum() + (holdout["y"] == level).sum() == total


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_impossible_fractions_are_refused(fraction):
    with pytest.raises(ValueError, match="above 0 and below 1"):
        split(*visits(10), holdout_fraction=fraction)


def test_too_few_rows_and_missing_patients_are_refused():
    table = simulate_cohort(6, 0)
    with pytest.raises(ValueError, match="got 5 to train on and 1 held out"):
        split(table, simulation_schema(), 0.2)
    table, schema = visits(10)
    table = table.astype({"patient": float})
    table.loc[3, "patient"] = np.nan
    schema = schema.replace("patient", dtype="float64", nullable=True)
    with pytest.raises(ValueError, match="column 'patient' has 1 missing"):
        split(table, schema)


def test_a_table_of_another_schema_is_refused():
    with pytest.raises(SchemaError, match="not in the table"):
        split(simulate_cohort(20, 0).drop(columns="age"), simulation_schema())
    with pytest.raises(SchemaError, match="not among its 2 categories"):
        split(simulate_cohort(20, 0).assign(sex="x"), simulation_schema())
