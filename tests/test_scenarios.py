"""Scenarios and conditionals: a model that follows the simulator's equations stands in for a perfect one."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

import synthlib as sl
from synthlib.data.simulation import average_effect, simulate_cohort, simulation_schema, true_probability
from synthlib.evaluation.fidelity.conditionals import compare_interventions, conditional_calibration
from synthlib.scenarios import compare_arms, count_events, partial_rows, rebalance, scale_shares, twins

SCHEMA = simulation_schema()
PARENTS = ["age", "sex", "smoking", "diagnosis", "diabetes", "kidney_disease", "lactate"]


class Truth:
    """Draws from the simulator: freely, given values, and deaths given all their causes."""

    def __init__(self):
        self.population = simulate_cohort(60_000, seed=11, missing=False)

    def sample(self, num_rows=None, given=None, seed=0):
        rng = np.random.default_rng(seed)
        if isinstance(given, pd.DataFrame):
            return given.assign(died=(rng.random(len(given)) < true_probability(given)).astype(int))
        rows = self.population
        for name, value in (given or {}).items():
            rows = rows[rows[name] == value]
        return rows.iloc[rng.integers(0, len(rows), num_rows)].reset_index(drop=True)


@pytest.fixture(scope="module")
def truth():
    return Truth()


@pytest.fixture(scope="module")
def reference():
    return simulate_cohort(4000, seed=5)


def worlds(column, values, num_rows=20_000):
    return {value: simulate_cohort(num_rows, 7, {column: value}, missing=False) for value in values}


def effect_of(report):
    return report[report["quantity"] == "effect"].iloc[0]


def test_without_confounding_conditioning_is_intervention(truth):
    values = ["pneumonia", "sepsis"]
    found = compare_arms(
        truth, "diagnosis", values, "died", keep=[], num_rows=20_000, truth=worlds("diagnosis", values)
    )
    assert "standardised" not in found
    assert (found["conditioned"] - found["intervened"]).abs().max() < 0.02
    assert effect_of(found)["conditioned_low"] > 0.1


def test_with_confounding_they_disagree_and_standardisation_brings_the_truth_back(truth):
    found = compare_arms(
        truth, "treated", [0, 1], "died", keep=PARENTS, num_rows=20_000, truth=worlds("treated", [0, 1])
    )
    effect = effect_of(found)
    assert effect["conditioned_low"] > 0 > effect["intervened_high"]  # harm by sight, help in truth
    assert effect["standardised_low"] < effect["intervened"] < effect["standardised_high"]
    assert effect["standardised"] == pytest.approx(average_effect("treated", num_rows=50_000), abs=0.015)


def test_the_truth_may_be_unknown(truth):
    found = compare_arms(truth, "treated", [0, 1], "died", keep=PARENTS, num_rows=4000)
    assert "intervened" not in found and len(found) == 3


def test_rates_counted_by_hand():
    arms = {0: pd.DataFrame({"died": [1, 0, 0, 0]}), 1: pd.DataFrame({"died": [1, 1, 1, 0, None]})}
    found = compare_interventions(arms, None, None, "died")
    assert found["conditioned"].tolist() == [0.25, 0.75, 0.5]
    assert found["value"].tolist() == ["0", "1", "1 − 0"]
    assert (found["conditioned_low"] < found["conditioned"]).all()
    with pytest.raises(ValueError, match="same 2 values"):
        compare_interventions(arms, None, {0: arms[0]}, "died")
    with pytest.raises(ValueError, match="two values"):
        compare_interventions({0: arms[0]}, None, None, "died")


def test_only_women_over_65_with_diabetes(reference):
    rows = partial_rows(reference, SCHEMA, {"age": (66, None), "sex": "female", "diabetes": 1}, 500, seed=1)
    assert list(rows) == ["age", "sex", "diabetes"] and len(rows) == 500
    assert (rows["age"] >= 66).all() and (rows["sex"] == "female").all() and (rows["diabetes"] == 1).all()
    like = reference.query("age >= 66 and sex == 'female' and diabetes == 1")["age"]
    assert set(rows["age"]) <= set(like) and rows["age"].mean() == pytest.approx(like.mean(), abs=1.5)
    pd.testing.assert_frame_equal(
        rows,
        partial_rows(reference, SCHEMA, {"age": (66, None), "sex": "female", "diabetes": 1}, 500, seed=1),
    )
    model = sl.IndependentMarginals(SCHEMA).fit(reference)
    drawn = model.sample(given=rows, seed=2)
    assert list(drawn) == SCHEMA.names
    pd.testing.assert_frame_equal(drawn[list(rows)], rows)


def test_sets_missing_values_and_shares(reference):
    rows = partial_rows(
        reference,
        SCHEMA,
        {"diagnosis": {"sepsis": 0.4, "stroke": 0.6}, "smoking": ["never", "former"], "lactate": (None, 4)},
        100,
    )
    assert rows["diagnosis"].value_counts().to_dict() == {"stroke": 60, "sepsis": 40}
    assert rows["smoking"].isin(["never", "former"]).all() and (rows["lactate"] <= 4).all()
    assert partial_rows(reference, SCHEMA, {"lactate": None}, 30)["lactate"].isna().all()


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({}, "expected conditions"),
        ({"weight": 3}, "'weight'"),
        ({"sex": (1, 2)}, "numeric columns alone"),
        ({"sex": "other"}, "levels of sex"),
        ({"age": (17, 18.5), "diagnosis": "porphyria"}, "at least 20"),
        ({"sex": {"male": 1}, "smoking": {"never": 1}}, "one column at most"),
        ({"sex": {"male": 0}}, "not all 0"),
    ],
)
def test_impossible_scenarios_are_refused(reference, conditions, message):
    with pytest.raises(ValueError, match=message):
        partial_rows(reference, SCHEMA, conditions, 10)


def test_twice_the_sepsis(reference):
    before = reference["diagnosis"].value_counts(normalize=True)
    after = scale_shares(reference, SCHEMA, "diagnosis", {"sepsis": 2})
    assert after["sepsis"] == pytest.approx(2 * before["sepsis"]) and sum(after.values()) == pytest.approx(1)
    assert after["stroke"] / after["pneumonia"] == pytest.approx(before["stroke"] / before["pneumonia"])
    drawn = sl.IndependentMarginals(SCHEMA).fit(reference).sample(4000, given={"diagnosis": after}, seed=1)
    assert (drawn["diagnosis"] == "sepsis").mean() == pytest.approx(after["sepsis"], abs=0.03)
    assert "sepsis" not in scale_shares(reference, SCHEMA, "diagnosis", {"sepsis": 0})
    for column, factors, message in (
        ("age", {}, "discrete"),
        ("sex", {"male": 3}, "at most 1"),
        ("sex", {"x": 1}, "levels of sex"),
        ("sex", {"male": -1}, "0 or more"),
    ):
        with pytest.raises(ValueError, match=message):
            scale_shares(reference, SCHEMA, column, factors)


def test_twins_differ_in_the_value_alone(reference):
    pair = twins(reference, "treated", [0, 1], ["age", "diagnosis"])
    assert list(pair) == [0, 1] and (pair[1]["treated"] == 1).all() and (pair[0]["treated"] == 0).all()
    pd.testing.assert_frame_equal(pair[0][["age", "diagnosis"]], pair[1][["age", "diagnosis"]])
    pd.testing.assert_frame_equal(pair[0][["age", "diagnosis"]], reference[["age", "diagnosis"]])
    with pytest.raises(ValueError, match=rf"lactate \({reference['lactate'].isna().sum()} rows\)"):
        twins(reference, "treated", [0, 1], ["age", "lactate"])
    with pytest.raises(ValueError, match="treated cannot be"):
        twins(reference, "treated", [0, 1], ["treated"])


def calibrate(truth, events, draws=200):
    found = conditional_calibration(truth, events, draws, np.random.default_rng(0))
    return {one.metric.removeprefix("conditional_"): one for one in found}


def test_perfect_conditionals_are_calibrated(truth):
    profiles = simulate_cohort(150, 9, missing=False)
    events = count_events(truth, profiles[[*PARENTS, "treated"]], "died", 200, seed=1)
    found = calibrate(true_probability(profiles), events)
    assert found["slope"].low < 1 < found["slope"].high and found["slope"].value == pytest.approx(1, abs=0.06)
    assert found["intercept"].low < 0.02 and found["intercept"].high > -0.02
    assert found["error"].value == pytest.approx(found["error"].reference, rel=0.2)


def test_flat_and_shifted_conditionals_are_found_out():
    rng = np.random.default_rng(0)
    chance = rng.uniform(0.05, 0.95, 200)
    flat = calibrate(chance, rng.binomial(200, expit(0.4 + 0.5 * logit(chance))))
    assert flat["slope"].value == pytest.approx(0.5, abs=0.03) and flat["slope"].high < 0.9
    assert flat["intercept"].value == pytest.approx(0.4, abs=0.04)
    assert flat["error"].low > 2 * flat["error"].reference


def test_exact_shares_have_slope_one_and_no_error():
    chance = np.array([0.2, 0.5, 0.8])
    found = calibrate(chance, (chance * 100).round(), 100)
    assert found["slope"].value == pytest.approx(1) and found["intercept"].value == pytest.approx(0, abs=1e-9)
    assert found["error"].value == pytest.approx(0)
    assert np.isnan(calibrate(chance[:2], np.array([1, 2]))["slope"].value)
    for wrong, message in (
        (([0.5, 1.0], [1, 1]), "inside"),
        (([0.5], [1, 2]), "shapes"),
        (([0.5], [201]), "as many"),
    ):
        with pytest.raises(ValueError, match=message):
            calibrate(*map(np.array, wrong))


def test_profiles_hold_no_outcome(truth, reference):
    with pytest.raises(ValueError, match="without died"):
        count_events(truth, reference, "died", 5)


@pytest.fixture(scope="module")
def floor(reference):
    return sl.IndependentMarginals(SCHEMA).fit(reference)


def test_groups_get_the_shares_that_are_declared(floor):
    drawn = rebalance(floor, SCHEMA, {"sex": {"female": 0.2, "male": 0.8}}, 105, seed=1)
    assert drawn["sex"].value_counts().to_dict() == {"male": 84, "female": 21}
    assert drawn.equals(rebalance(floor, SCHEMA, {"sex": {"female": 1, "male": 4}}, 105, seed=1))
    shares = {("sex", "treated"): {("female", 1): 1, ("male", 0): 1, ("male", 1): 2}}
    drawn = rebalance(floor, SCHEMA, shares, 200)
    assert drawn.groupby(["sex", "treated"]).size().to_dict() == {
        ("female", 1): 50,
        ("male", 0): 50,
        ("male", 1): 100,
    }
    SCHEMA.check(drawn)
    assert 0 < (drawn["sex"] == "male")[:50].sum() < 50  # in no order


def test_rebalancing_mends_representation(floor, reference):
    from synthlib.evaluation.fairness.representation import representation

    schema = replace(SCHEMA, protected=("sex",))
    skewed = floor.sample(2000, given={"sex": {"female": 0.1, "male": 0.9}}, seed=2)
    shares = reference["sex"].value_counts(normalize=True).to_dict()
    mended = rebalance(floor, SCHEMA, {"sex": shares}, 2000)
    rng = np.random.default_rng(0)
    before, after = (
        {one.metric: one.value for one in representation(reference, reference, table, schema, rng)}
        for table in (skewed, mended)
    )
    assert before["representation_distance"] > 0.3 > 0.02 > after["representation_distance"]


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({}, "one column or tuple"),
        ({"age": {60: 1}}, "discrete columns, age is integer"),
        ({"sex": {"unknown": 1}}, "levels of sex, got 1 other"),
        ({("sex", "treated"): {("female",): 1}}, "levels of sex, treated, got 1 other"),
        ({"sex": {"female": 0}}, "not all 0"),
        ({"sex": {"female": -1, "male": 2}}, "0 or more"),
        ({"weight": {1: 1}}, "expected columns among"),
    ],
)
def test_shares_that_cannot_be_are_refused(shares, message, floor):
    with pytest.raises(ValueError, match=message):
        rebalance(floor, SCHEMA, shares, 10)
