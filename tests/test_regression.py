"""Regressions: coefficients by hand, the same terms on every table, and data that cannot tell."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.evaluation.usefulness.regression import fit_design, make_design


def flags(*names):
    return tuple(sl.Column(name, "boolean", "int64", categories=(0, 1)) for name in names)


TIME = sl.Column("time", "continuous", "float64", low=0, high=100)
SCHEMA = sl.Schema((*flags("treated", "died"), TIME))


def test_a_log_odds_ratio_by_hand():
    # treated: 30 of 90 died; not: 20 of 80; odds ratio (30 · 60) / (60 · 20), Woolf's error
    cells = {(1, 1): 30, (1, 0): 60, (0, 1): 20, (0, 0): 60}
    rows = [key for key, count in cells.items() for _ in range(count)]
    table = pd.DataFrame(rows, columns=["treated", "died"]).assign(time=1.0)
    design = make_design(table, SCHEMA, "logistic", "died", ["treated"])
    assert design.names == ["treated=1"]
    estimate, error = fit_design(table, SCHEMA, design)
    assert estimate == pytest.approx([np.log(1.5)])
    assert error == pytest.approx([np.sqrt(1 / 30 + 1 / 60 + 1 / 20 + 1 / 60)])


def test_a_difference_of_means_by_hand():
    table = pd.DataFrame({"treated": [0, 1] * 20, "died": 0, "time": [1.0, 3, 2, 5] * 10})
    design = make_design(table, SCHEMA, "linear", "time", ["treated"])
    estimate, error = fit_design(table, SCHEMA, design)
    # means 1.5 and 4; squares about them 20 · 0.25 + 20 · 1 over 38 degrees of freedom
    assert estimate == pytest.approx([2.5])
    assert error == pytest.approx([np.sqrt(25 / 38 * (1 / 20 + 1 / 20))])


def test_a_hazard_ratio_is_recovered():
    rng = np.random.default_rng(0)
    treated = rng.integers(0, 2, 2000)
    time = rng.exponential(10 / np.exp(0.7 * treated))
    table = pd.DataFrame({"treated": treated, "died": (time < 20).astype(int), "time": time.clip(0, 20)})
    design = make_design(table, SCHEMA, "cox", "died", ["treated"], "time")
    estimate, error = fit_design(table, SCHEMA, design)
    assert abs(estimate[0] - 0.7) < 3 * error[0] < 0.25


def test_terms_are_fixed_on_train_and_small_levels_count_as_the_usual_one(cohort, cohort_schema):
    design = make_design(cohort, cohort_schema, "logistic", "died", ["disease", "group", "age"])
    # sepsis is the most frequent, rare has a dozen patients, group follows from cancer
    assert design.names == ["disease=cancer", "disease=failure", "age"]
    without = cohort[cohort["disease"] != "cancer"]
    estimate, error = fit_design(without, cohort_schema, design)
    assert np.isnan(estimate[0]) and np.isnan(error[0]) and np.isfinite(estimate[1:]).all()


@pytest.mark.filterwarnings("error")
def test_data_that_cannot_tell(cohort, cohort_schema):
    design = make_design(cohort, cohort_schema, "logistic", "died", ["disease", "age"])
    separated = cohort.assign(died=(cohort["age"] > 60).astype(int))
    broken = (cohort.assign(died=0), cohort[:3], cohort[:0], cohort.assign(age=np.nan),
              cohort.assign(died="?"))  # fmt: skip
    for table in broken:
        assert np.isnan(fit_design(table, cohort_schema, design)).all()
    assert np.isnan(fit_design(separated, cohort_schema, design)[0][-1])
    assert np.isnan(fit_design(cohort.assign(age=50), cohort_schema, design)[0][-1])


def test_an_outcome_that_does_not_vary(cohort, cohort_schema):
    linear = make_design(cohort, cohort_schema, "linear", "lab", ["age"])
    assert np.isnan(fit_design(cohort.assign(lab=1.0), cohort_schema, linear)).all()
    # of a Cox regression, that everybody has the event is the best there can be, and nobody none
    columns = (*cohort_schema.columns, sl.Column("time", "continuous", "float64", low=0, high=1e6))
    schema = sl.Schema(columns)
    rng = np.random.default_rng(0)
    scale = np.exp(-0.5 * (cohort["age"] - cohort["age"].mean()) / cohort["age"].std())
    table = cohort.assign(time=rng.exponential(scale), died=1)
    cox = make_design(table, schema, "cox", "died", ["age"], "time")
    (estimate,), (error,) = fit_design(table, schema, cox)
    assert abs(estimate - 0.5) < 3 * error < 0.3
    assert np.isnan(fit_design(table.assign(died=0), schema, cox)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("probit", "died", ["treated"]), "expected a kind of logistic"),
        (("logistic", "died", ["weight"]), "got weight"),
        (("logistic", "died", []), "0 predictors"),
        (("logistic", "died", ["died"]), "a column twice"),
        (("linear", "died", ["treated"]), "numeric outcome"),
        (("logistic", "time", ["treated"]), "two levels"),
        (("cox", "died", ["treated"]), "numeric time"),
        (("logistic", "died", ["treated"], "time"), "none for another"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    table = pd.DataFrame({"treated": [0, 1] * 20, "died": [0, 1, 1, 0] * 10, "time": 1.0})
    with pytest.raises(ValueError, match=message):
        make_design(table, SCHEMA, *arguments)


def test_coefficients_are_per_training_standard_deviation(cohort_schema):
    table = make_cohort(600)
    design = make_design(table, cohort_schema, "logistic", "died", ["age"])
    estimate, _ = fit_design(table, cohort_schema, design)
    per_year = estimate[0] / table["age"].std(ddof=0)
    assert 0.02 < per_year < 0.08  # 0.05 in the equation
