"""The simulated cohort against the equations it says it follows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from synthlib import simulate_cohort
from synthlib.data.simulation import (
    DIAGNOSES,
    EQUATIONS,
    FERTILE_AGES,
    MISSINGNESS,
    Equation,
    average_effect,
    simulation_schema,
    true_probability,
)

NUM_ROWS = 40_000


@pytest.fixture(scope="module")
def complete():
    return simulate_cohort(NUM_ROWS, seed=1, missing=False)


def design(table, names):
    """Columns of the linear predictor, written out here a second time."""
    terms = table.assign(
        age=(table["age"] - 60) / 10, male=table["sex"] == "male", smoker=table["smoking"] == "current",
        sepsis=table["diagnosis"] == "sepsis", log_lactate=np.log(table["lactate"]),
        log_creatinine=np.log(table["creatinine"]),
    )
    return np.column_stack([np.ones(len(table)), *(terms[name].to_numpy(dtype=float) for name in names)])


def fit_logistic(x, y):
    """Maximum likelihood by Newton's method: estimates and standard errors."""
    weights = np.zeros(x.shape[1])
    for _ in range(30):
        p = expit(x @ weights)
        information = x.T @ (x * (p * (1 - p))[:, None])
        weights = weights + np.linalg.solve(information, x.T @ (y - p))
    return weights, np.sqrt(np.diag(np.linalg.inv(information)))


@pytest.mark.parametrize("name", [name for name in EQUATIONS if EQUATIONS[name].family == "logistic"])
def test_logistic_equations_are_recovered_from_the_table(complete, name):
    equation = EQUATIONS[name]
    happened = complete[name].to_numpy(dtype=float)
    estimate, error = fit_logistic(design(complete, equation.coefficients), happened)
    truth = np.array([equation.intercept, *equation.coefficients.values()])
    assert (np.abs(estimate - truth) < 4 * error).all()
    assert np.allclose(np.exp(truth[1:]), list(equation.odds_ratios.values()))


@pytest.mark.parametrize("name", ["creatinine", "glucose", "lactate", "length_of_stay"])
def test_labs_are_recovered_from_the_table(complete, name):
    equation = EQUATIONS[name]
    values = complete[name].to_numpy()
    values = np.log(values) if equation.family == "lognormal" else values
    x = design(complete, equation.coefficients)
    estimate, *_ = np.linalg.lstsq(x, values, rcond=None)
    spread = (values - x @ estimate).std()
    error = spread * np.sqrt(np.diag(np.linalg.inv(x.T @ x)))
    truth = np.array([equation.intercept, *equation.coefficients.values()])
    assert (np.abs(estimate - truth) < 4 * error + 0.005 * np.abs(truth)).all()  # rounding and clipping
    assert spread == pytest.approx(equation.spread, rel=0.02)


def test_missingness_is_recovered_and_hides_values_only():
    complete, table = (simulate_cohort(NUM_ROWS, 2, missing=missing) for missing in (False, True))
    for name, equation in MISSINGNESS.items():
        gone = table[name].isna().to_numpy(dtype=float)
        estimate, error = fit_logistic(design(complete, equation.coefficients), gone)
        truth = np.array([equation.intercept, *equation.coefficients.values()])
        assert (np.abs(estimate - truth) < 4 * error).all()
        assert (table[name].dropna() == complete[name][table[name].notna()]).all()
    rest = [name for name in table if name not in MISSINGNESS]
    pd.testing.assert_frame_equal(table[rest], complete[rest])


def test_treatment_saves_lives_but_looks_harmful(complete):
    effect = average_effect("treated", num_rows=NUM_ROWS)
    crude = complete.groupby("treated")["died"].mean()
    assert effect < -0.03 and crude[1] - crude[0] > 0
    equation = EQUATIONS["died"]
    x = design(complete, equation.coefficients)
    place = 1 + list(equation.coefficients).index("treated")
    risks = []
    for value in (0, 1):  # g-formula with the true coefficients
        x[:, place] = value
        risks.append(expit(x @ np.array([equation.intercept, *equation.coefficients.values()])).mean())
    assert effect == pytest.approx(risks[1] - risks[0], abs=0.008)


def test_true_probabilities_are_how_often_it_happens(complete):
    chance = true_probability(complete)
    tenth = np.argsort(chance).reshape(10, -1)
    happened = complete["died"].to_numpy()
    for rows in tenth:
        error = np.sqrt((chance[rows] * (1 - chance[rows])).sum()) / len(rows)
        assert abs(happened[rows].mean() - chance[rows].mean()) < 4 * error
    with pytest.raises(ValueError, match="got 'lactate'"):
        true_probability(complete, "lactate")
    with pytest.raises(ValueError, match="lactate"):
        true_probability(complete.drop(columns="lactate"))


def test_interventions_change_what_follows_and_nothing_before():
    before, after = simulate_cohort(2000, 5), simulate_cohort(2000, 5, do={"kidney_disease": 1})
    assert (after["kidney_disease"] == 1).all()
    unchanged = ["age", "sex", "pregnant", "smoking", "diagnosis", "diabetes"]
    pd.testing.assert_frame_equal(before[unchanged], after[unchanged])
    had = before["kidney_disease"] == 1
    pd.testing.assert_frame_equal(before[had], after[had])
    assert (after["creatinine"][~had] >= before["creatinine"][~had]).all()
    assert simulate_cohort(50, 5, do={"lactate": 4.5})["lactate"].tolist() == [4.5] * 50


@pytest.mark.parametrize(("do", "message"), [
    ({"cured": 1}, "got cured"), ({"treated": 2}, "expected treated"), ({"age": 17}, "expected age"),
    ({"age": 40.5}, "expected age"), ({"age": "old"}, "expected age"), ({"pregnant": 1}, "pregnant cannot"),
    ({"sex": "other"}, "expected sex"),
])
def test_impossible_interventions_are_refused(do, message):
    with pytest.raises(ValueError, match=message):
        simulate_cohort(5, 0, do=do)


def test_no_rows_and_wrong_families_are_refused():
    with pytest.raises(ValueError, match="at least 1 row"):
        simulate_cohort(0, 0)
    with pytest.raises(ValueError, match="this one is normal"):
        Equation("normal", 0.0).odds_ratios  # noqa: B018


def test_rare_diagnosis_and_shares(complete):
    shares = complete["diagnosis"].value_counts(normalize=True)
    for name, share in DIAGNOSES.items():
        assert abs(shares[name] - share) < 4 * np.sqrt(share * (1 - share) / NUM_ROWS)
    assert 0 < shares["porphyria"] < 0.01


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_every_table_is_of_the_schema_and_keeps_the_rule(num_rows, seed):
    table = simulate_cohort(num_rows, seed)
    simulation_schema().check(table)
    pregnant = table[table["pregnant"] == 1]
    assert (pregnant["sex"] == "female").all() and pregnant["age"].between(*FERTILE_AGES).all()
    pd.testing.assert_frame_equal(table, simulate_cohort(num_rows, seed))


def test_pregnancies_occur_and_seeds_differ(complete):
    assert 0.005 < complete["pregnant"].mean() < 0.03
    assert not simulate_cohort(20, 1).equals(simulate_cohort(20, 2))
