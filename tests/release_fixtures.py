"""A small study, to write releases of.

A test module takes it with `pytest_plugins = ["release_fixtures"]`.
"""

import pytest
from conftest import make_cohort
from release_helpers import EXTREME, NAMES, RARE

import synthlib as sl


@pytest.fixture(scope="session")
def made():
    """A study of a cohort in which one patient has a rare disease and an extreme laboratory value."""
    table = make_cohort(500)
    table.insert(0, "patient", NAMES)
    table.loc[7, ["disease", "lab"]] = [RARE, EXTREME]
    schema = sl.Schema.infer(table, target="died", patient_id="patient")
    safe, schema, deidentification = sl.deidentify(table, schema)
    train, holdout = sl.split(safe, schema, seed=3)
    assert RARE in set(train["disease"]) and EXTREME in set(train["lab"])
    model = sl.IndependentMarginals(schema).fit(train)
    synthetic = model.sample(200, seed=5)
    report = sl.evaluate(train, holdout, synthetic, schema, seed=0)
    return table, train, holdout, schema, model, synthetic, report, deidentification
