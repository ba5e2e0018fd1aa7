"""What was measured of the default gate: fresh rows pass, copies and leaks that can be seen do not."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from benchmarks import gate_power


@pytest.fixture(scope="module")
def rates():
    return pd.read_csv(gate_power.RATES).set_index(["threshold", "table"]).sort_index()


def test_fresh_patients_mostly_pass(rates):
    assert set(rates["cohort"]) <= {"flchain", "rhc", "simulated"}
    for part, least in (("leakage", 0.9), ("gate", 0.7)):
        fresh = rates.loc[(part, "fresh")]
        assert fresh["met"].sum() >= least * fresh["repeats"].sum()
        assert not fresh["missed"].any()


@pytest.mark.parametrize("table", ["copy", "leak", "perturbed"])
def test_no_table_that_copies_passes(rates, table):
    assert not rates.loc[("leakage", table), "met"].any()


def test_the_rates_are_those_of_the_runs():
    found = pd.read_csv(gate_power.RESULTS)
    pd.testing.assert_frame_equal(
        gate_power.summarise(found), pd.read_csv(gate_power.RATES), check_names=False
    )


def test_tables_hold_what_they_are_said_to():
    table = make_cohort(400)
    schema = sl.Schema.infer(table, target="died")
    train, fresh = (table[rows].reset_index(drop=True) for rows in (slice(200), slice(200, 400)))
    made = gate_power.make_tables(train, fresh, schema, np.random.default_rng(0))
    assert tuple(made) == gate_power.TABLES and {len(one) for one in made.values()} == {200}
    known = set(train.astype(str).agg("|".join, axis=1))
    lines = {name: one.astype(str).agg("|".join, axis=1) for name, one in made.items()}
    copied = {name: int(one.isin(known).sum()) for name, one in lines.items()}
    by_chance = copied["fresh"]
    assert copied["copy"] == 200 and by_chance + 2 <= copied["leak"] <= by_chance + 4
    assert copied["perturbed leak"] <= by_chance and copied["perturbed"] < 10
