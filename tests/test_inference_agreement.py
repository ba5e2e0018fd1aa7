"""Inference from synthetic tables: the combining rules by hand, identity, noise, and what intervals claim."""

import dataclasses

import numpy as np
import pytest
from conftest import make_cohort
from hypothesis import given
from hypothesis import strategies as st

import synthlib as sl
from synthlib.evaluation.usefulness.inference_agreement import (
    RULES,
    Combined,
    combine,
    compare,
    explain_inference,
    inference_agreement,
    inference_scores,
)

MODEL = ("logistic", "died", ["disease", "age"])


def exactly(estimate, error):
    return Combined(np.array([estimate]), np.array([error]), np.array([np.inf]))


def test_rules_by_hand():
    # three tables: mean 2, between 1, within (0.25 + 0.25 + 1) / 3 = 0.5
    estimates, errors = np.array([[1.0], [2], [3]]), np.array([[0.5], [0.5], [1]])
    naive = combine(estimates, errors, "naive", 100, 100)
    assert (naive.estimate, naive.error) == (pytest.approx([1]), pytest.approx([0.5]))
    partial = combine(estimates, errors, "partial", 100, 100)
    assert partial.error**2 == pytest.approx([0.5 + 1 / 3])
    assert partial.freedom == pytest.approx([2 * (1 + 0.5 / (1 / 3)) ** 2])
    full = combine(estimates, errors, "full", 100, 100)
    assert full.error**2 == pytest.approx([4 / 3 - 0.5])
    assert full.freedom == [1]  # 2 (1 − 0.5 / (4/3))² is below the floor of 1
    single = combine(estimates, errors, "single", 100, 100)
    assert single.error**2 == pytest.approx([0.5 * (1 + 1 / 3)])
    assert all(one.estimate == pytest.approx([2]) for one in (partial, full, single))


def test_a_negative_variance_is_replaced():
    alike = combine(np.array([[1.0], [1.0]]), np.ones((2, 1)), "full", 50, 100)
    assert alike.error**2 == pytest.approx([0.5]) and np.isinf(alike.freedom)
    assert np.isinf(combine(np.ones((2, 1)), np.ones((2, 1)), "partial", 50, 100).freedom)


@pytest.mark.parametrize("rule", ["partial", "full"])
def test_one_table_is_not_enough_for_a_variance_between(rule):
    with pytest.raises(ValueError, match="at least two"):
        combine(np.ones((1, 2)), np.ones((1, 2)), rule, 10, 10)
    with pytest.raises(ValueError, match="a rule of"):
        combine(np.ones((3, 2)), np.ones((3, 2)), "rubin", 10, 10)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 5)), min_size=2, max_size=6))
def test_repaired_intervals_are_never_shorter_than_within(drawn):
    estimates, errors = (np.array(part)[:, None] for part in zip(*drawn, strict=True))
    within = np.sqrt((errors**2).mean())
    for rule in RULES:
        assert (combine(estimates, errors, rule, 10, 10).error > 0).all()
    for rule in ("partial", "single"):
        assert combine(estimates, errors, rule, 10, 10).error[0] >= within - 1e-12


def test_two_intervals_by_hand():
    # 0 ± 1.96 and 1.9 ± 1.96: 2.02 of 3.92 is common
    found = compare(exactly(0, 1), exactly(1.9, 1))
    assert found["bias"] == pytest.approx([1.9])
    assert found["overlap"] == pytest.approx([2.02 / 3.92], abs=1e-4)
    assert found["width_ratio"] == pytest.approx([1])
    assert found["coverage"].tolist() == [1] and found["same_verdict"].tolist() == [1]
    # 3 ± 0.98 says that there is an effect, and does not hold 0
    found = compare(exactly(0, 1), exactly(3, 0.5))
    assert found["coverage"].tolist() == [0] and found["same_verdict"].tolist() == [0]
    assert found["width_ratio"] == pytest.approx([0.5]) and found["overlap"].tolist() == [0]
    unknown = compare(exactly(0, 1), exactly(np.nan, np.nan))
    assert unknown["overlap"].tolist() == unknown["coverage"].tolist() == [0]


def test_train_itself_says_the_same(cohort, cohort_schema):
    found = inference_agreement(cohort, [cohort], cohort_schema, *MODEL)
    naive = found[found["rule"] == "naive"]
    assert naive["bias"].tolist() == [0] * len(naive) and naive["overlap"].to_numpy() == pytest.approx(1)
    assert (naive["coverage"] == 1).all() and (naive["same_verdict"] == 1).all()
    single = found[found["rule"] == "single"]
    assert single["width_ratio"].to_numpy() == pytest.approx(np.sqrt(2))


def test_noise_is_biased_and_several_tables_give_every_rule(cohort, cohort_schema):
    rng = np.random.default_rng(0)
    noise = [cohort.assign(died=rng.permutation(cohort["died"])) for _ in range(3)]
    fresh = [make_cohort(600, seed) for seed in (1, 2, 3)]
    found = {name: inference_agreement(cohort, tables, cohort_schema, *MODEL)
             for name, tables in (("noise", noise), ("fresh", fresh))}  # fmt: skip
    assert set(found["noise"]["rule"]) == set(RULES)
    bias = {name: table["bias"].abs().mean() for name, table in found.items()}
    assert bias["noise"] > 2 * bias["fresh"]
    age = found["noise"].set_index(["term", "rule"]).loc[("age", "naive")]
    assert age["coverage"] == 0 and age["bias"] < -3


def test_tables_of_several_sizes_are_refused(cohort, cohort_schema):
    with pytest.raises(ValueError, match="one number of rows, got 2"):
        inference_agreement(cohort, [cohort, cohort[:50]], cohort_schema, *MODEL)
    with pytest.raises(ValueError, match="got 0"):
        inference_agreement(cohort, [], cohort_schema, *MODEL)


def score(*tables, seed=0):
    return {one.metric: one for one in inference_scores(*tables, np.random.default_rng(seed))}


def test_scores_fall_as_noise_rises(cohort_schema):
    train, holdout, made = make_cohort(900, 2), make_cohort(450, 3), make_cohort(900, 4)
    rng, found = np.random.default_rng(0), []
    for share in (0, 0.5, 1):
        died = np.where(rng.random(900) < share, rng.permutation(made["died"]), made["died"])
        found.append(score(train, holdout, made.assign(died=died), cohort_schema))
    for name, rising in (("inference_bias", True), ("inference_overlap", False)):
        values = [one[name].value for one in found]
        assert (np.diff(values) > 0).all() if rising else (np.diff(values) < 0).all()
    for one in found[0].values():
        assert one.low <= one.value <= one.high and np.isfinite(one.reference)
    assert found[0]["inference_width_ratio"].value == pytest.approx(1, abs=0.15)


@pytest.mark.filterwarnings("error")
def test_what_cannot_be_fitted_is_left_out(cohort, cohort_schema):
    assert score(cohort, cohort, cohort, sl.Schema.infer(cohort)) == {}
    assert score(cohort, cohort, cohort, sl.Schema.infer(cohort, target="disease")) == {}
    assert score(cohort[:5], cohort[5:10], cohort[:5], cohort_schema) == {}
    gone = score(cohort[:400], cohort[400:], cohort[:400].assign(died=0), cohort_schema)
    assert gone["inference_coverage"].value == 0 and np.isnan(gone["inference_bias"].value)
    assert set(score(cohort[:400], cohort[400:], cohort[:400], sl.Schema.infer(cohort, target="lab")))


def test_why_there_is_no_regression_is_said(cohort, cohort_schema):
    assert explain_inference(cohort, cohort_schema) == []
    levels = dataclasses.replace(cohort_schema, target="disease")
    assert explain_inference(cohort, levels)[0].endswith("disease has 4 levels, expected two")
    alone = cohort_schema.drop(["disease", "group", "age"])
    sparse = cohort.assign(lab=np.nan)[["lab", "died"]]
    assert "no feature of which 90% are known" in explain_inference(sparse, alone)[0]
    for table, schema in ((cohort, levels), (sparse, alone)):
        assert inference_scores(table, table, table, schema, np.random.default_rng(0)) == []
