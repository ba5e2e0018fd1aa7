"""Odds ratios and shifts on tables counted by hand, and whether scores see what is not there."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort
from scipy import stats

import synthlib as sl
from synthlib.evaluation.fidelity.relations import MIN_PATIENTS, clinical_relations, relation_scores


def relations(train, synthetic=None, holdout=None, schema=None):
    synthetic = train if synthetic is None else synthetic
    schema = schema or sl.Schema.infer(
        train, kinds={name: "continuous" for name in ("lab", "a", "b") if name in train}
    )
    found = clinical_relations(train, holdout, synthetic, schema, np.random.default_rng(0))
    return found.set_index("relation")


def scores(train, holdout, synthetic, schema):
    found = relation_scores(train, holdout, synthetic, schema, np.random.default_rng(0))
    return {one.metric: one for one in found}


@pytest.fixture(scope="module")
def counted():
    """Both 30, only diabetic 10, only septic 20, neither 40; a lab above 60 in diabetics alone."""
    return pd.DataFrame(
        {
            "diabetes": [1] * 40 + [0] * 60,
            "sepsis": ["yes"] * 30 + ["no"] * 10 + ["yes"] * 20 + ["no"] * 40,
            "lab": [*range(61, 101), *range(1, 60), 1],
        }
    )


def test_odds_ratio_counted_by_hand(counted):
    one = relations(counted).loc["diabetes × sepsis=yes"]
    assert one["real"] == pytest.approx(np.log(30.5 * 40.5 / (10.5 * 20.5)))
    error = np.sqrt(1 / 30.5 + 1 / 10.5 + 1 / 20.5 + 1 / 40.5)
    assert one["real_high"] - one["real"] == pytest.approx(1.959964 * error)
    assert one["real"] - one["real_low"] == pytest.approx(1.959964 * error)
    assert one["kind"] == "odds" and np.isnan(one["holdout"])


def test_shift_of_groups_that_do_not_overlap_is_finite(counted):
    one = relations(counted).loc["lab | diabetes"]
    # all 40 · 60 pairs won: A = 2400.5 / 2401
    assert one["real"] == pytest.approx(np.sqrt(2) * stats.norm.ppf(2400.5 / 2401))
    assert 0 < one["real_high"] - one["real"] < 5


def test_shift_is_the_difference_of_normals_in_deviations():
    rng = np.random.default_rng(0)
    ill = np.repeat([0, 1], 4000)
    table = pd.DataFrame({"ill": ill, "lab": np.round(rng.normal(3 * ill, 5), 3)})  # 0.6 deviations
    one = relations(table).loc["lab | ill"]
    assert one["real"] == pytest.approx(0.6, abs=0.06)
    assert one["real_low"] < 0.6 < one["real_high"]
    monotone = relations(table.assign(lab=np.exp(table["lab"] / 20).round(6))).loc["lab | ill"]
    assert monotone["real"] == pytest.approx(one["real"], abs=1e-9)


def test_shift_is_scipys_mann_whitney_with_ties(cohort, cohort_schema):
    one = relations(cohort, schema=cohort_schema).loc["age | died"]
    died, lived = (cohort.loc[cohort["died"] == value, "age"] for value in (1, 0))
    won = stats.mannwhitneyu(died, lived).statistic
    share = (won + 0.5) / (len(died) * len(lived) + 1)
    assert one["real"] == pytest.approx(np.sqrt(2) * stats.norm.ppf(share))


def test_intervals_cover_what_many_samples_scatter(cohort_schema):
    chosen = ["disease=sepsis × died", "lab | disease=sepsis"]
    found = [relations(make_cohort(400, seed), schema=cohort_schema).loc[chosen] for seed in range(60)]
    effects = np.array([one["real"] for one in found])  # (num_samples, 2)
    errors = np.array([(one["real_high"] - one["real"]) / 1.96 for one in found])
    assert errors.mean(axis=0) == pytest.approx(effects.std(axis=0), rel=0.25)


def test_turning_a_fact_around_turns_the_sign(counted):
    turned = counted.assign(diabetes=1 - counted["diabetes"])
    before, after = relations(counted)["real"], relations(turned)["real"]
    for name in ("diabetes × sepsis=yes", "lab | diabetes"):
        assert after[name] == pytest.approx(-before[name])


def test_missing_is_a_fact_of_its_own_and_no_level():
    ward = np.array(["a", "b", None], dtype=object)[np.arange(300) % 3]
    table = pd.DataFrame({"ward": ward, "lab": np.where(ward == None, np.nan, np.arange(300.0))})  # noqa: E711
    table["age"] = np.where(ward == "b", 50, 60) + np.arange(300) % 7
    found = relations(table)
    assert set(found.index) == {
        "ward missing × lab missing",
        "lab | ward=b",
        "age | ward=b",
        "age | ward missing",
        "age | lab missing",
    }
    known = table.dropna(subset=["ward"])
    assert found.loc["age | ward=b", "real"] == pytest.approx(relations(known).loc["age | ward=b", "real"])


def test_facts_of_few_patients_are_left_out(counted):
    rare = counted.assign(sepsis=["yes"] * (MIN_PATIENTS - 1) + ["no"] * (101 - MIN_PATIENTS))
    assert list(relations(rare).index) == ["lab | diabetes"]
    enough = counted.assign(sepsis=["yes"] * MIN_PATIENTS + ["no"] * (100 - MIN_PATIENTS))
    assert "lab | sepsis=yes" in relations(enough).index


def test_train_against_itself_agrees_everywhere(cohort, cohort_schema):
    found = relations(cohort, cohort, cohort, cohort_schema)
    assert found["agrees"].all() and found["holdout_agrees"].all()
    assert (found["real"] == found["synthetic"]).all() and (found["real"] == found["holdout"]).all()
    for one in scores(cohort, cohort, cohort, cohort_schema).values():
        assert (one.value, one.reference) == pytest.approx((1, 1))


def test_another_sample_agrees_as_often_as_it_should():
    schema = sl.Schema.infer(make_cohort(3000), target="died")
    shares = [
        relations(make_cohort(1500, 2 * seed), make_cohort(1500, 2 * seed + 1), schema=schema)[
            "agrees"
        ].mean()
        for seed in range(20)
    ]
    assert np.mean(shares) == pytest.approx(0.95, abs=0.04)


def test_independent_columns_have_no_relations(cohort, cohort_schema):
    model = sl.IndependentMarginals(cohort_schema).fit(cohort)
    found = scores(cohort[:450], cohort[450:], model.sample(600, seed=1), cohort_schema)
    slope, coverage = found["relation_slope"], found["relation_coverage"]
    assert abs(slope.value) < 0.2 and slope.high < slope.reference
    assert coverage.value < coverage.reference
    report = relations(cohort, model.sample(600, seed=1), schema=cohort_schema)
    assert not report.loc["disease=cancer × group=chronic", "agrees"]


def test_attenuated_relations_show_in_the_slope():
    schema = sl.Schema.infer(make_cohort(4000), target="died")
    train, holdout, fresh = (make_cohort(4000, seed) for seed in (1, 2, 3))
    rng = np.random.default_rng(0)
    half = fresh.copy()
    noise = rng.random(len(half)) < 0.5
    half.loc[noise, "died"] = rng.permutation(half.loc[noise, "died"])
    drop = [column.name for column in schema if column.name in ("group", "disease")]
    schema = schema.drop(drop)
    tables = [table.drop(columns=drop) for table in (train, holdout, half)]
    found = scores(*tables, schema)["relation_slope"]
    assert found.high < 0.9 < found.reference < 1.1


def test_what_cannot_be_shown_is_nan_and_counts_as_none(cohort, cohort_schema):
    frozen = cohort.assign(age=60, lab=2.0, disease="sepsis", group="acute", died=0)
    found = relations(cohort, frozen, schema=cohort_schema)
    assert found.loc["disease=cancer × died", ["synthetic", "synthetic_low"]].isna().all()
    assert not found["agrees"].any()
    assert scores(cohort, cohort, frozen, cohort_schema)["relation_slope"].value == 0


def test_tables_without_relations_score_nan():
    table = pd.DataFrame({"a": np.arange(100.0), "b": np.arange(100.0)})
    schema = sl.Schema.infer(table, kinds={"a": "continuous", "b": "continuous"})
    assert relations(table).empty
    assert all(np.isnan(one.value) for one in scores(table, table, table, schema).values())
