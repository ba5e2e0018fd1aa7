"""Whole-table fidelity: worked four-row tables, identities, and controls that must be caught."""

import logging
import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.evaluation.features import DenseEncoder, codes, matched_parts, numbers
from synthlib.evaluation.fidelity import tables as fidelity


def score(metric, train, holdout, synthetic, schema, seed=0):
    found = metric(train, holdout, synthetic, schema, np.random.default_rng(seed))
    return {one.metric: one for one in ([found] if isinstance(found, sl.Score) else found)}


def shuffled(table, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: table[name].to_numpy()[rng.permutation(len(table))] for name in table})


@pytest.fixture(scope="module")
def split(cohort):
    return cohort[:450], cohort[450:]


def test_marginal_accuracy_of_four_rows():
    # both columns are halves in either table; of pairs train has four of ¼, synthetic two of ½: distance ½
    train = pd.DataFrame({"ward": list("aabb"), "sex": list("fmfm")})
    synthetic = train.assign(sex=list("ffmm"))
    found = score(fidelity.marginal_accuracy, train, train, synthetic, sl.Schema.infer(train))
    assert found["marginal_accuracy_1way"].value == 1
    assert found["marginal_accuracy_2way"].value == 0.5
    assert found["marginal_accuracy_2way"].reference == 1
    assert "marginal_accuracy_3way" not in found  # there are two columns


def test_missing_is_a_bin_of_its_own():
    # lab: train 1, 2 and two missing; synthetic has no missing value: half the rows moved
    train = pd.DataFrame({"lab": [1.0, 2.0, np.nan, np.nan], "ward": list("abab")})
    synthetic = train.assign(lab=[1.0, 2.0, 1.0, 2.0])
    found = score(fidelity.marginal_accuracy, train, train, synthetic, sl.Schema.infer(train))
    assert found["marginal_accuracy_1way"].value == pytest.approx((0.5 + 1) / 2)


def test_an_unknown_level_is_no_level_of_train():
    train = pd.DataFrame({"ward": list("aabb"), "sex": list("fmfm")})
    found = score(
        fidelity.marginal_accuracy, train, train, train.assign(ward=list("aabz")), sl.Schema.infer(train)
    )
    assert found["marginal_accuracy_1way"].value == pytest.approx((0.75 + 1) / 2)


def test_marginal_accuracy_of_train_against_itself(cohort, cohort_schema):
    for one in score(fidelity.marginal_accuracy, cohort, cohort, cohort, cohort_schema).values():
        assert one.value == one.reference == one.high == 1
        assert 0.97 < one.low < 1  # 600 rows that agree do not prove that all would


def test_marginal_accuracy_reads_fresh_rows_like_the_holdout(split, cohort_schema):
    fresh = score(fidelity.marginal_accuracy, *split, make_cohort(450, seed=1), cohort_schema)
    independent = score(fidelity.marginal_accuracy, *split, shuffled(split[0]), cohort_schema)
    for way in ("2way", "3way"):
        name = f"marginal_accuracy_{way}"
        assert fresh[name].low < fresh[name].reference < fresh[name].high
        assert independent[name].high < independent[name].reference


def test_many_columns_are_sampled_in_sets():
    rng = np.random.default_rng(0)
    assert len(fidelity._column_sets(5, 3, rng)) == 10
    many = fidelity._column_sets(40, 3, rng)
    assert len(many) == len(set(many)) == fidelity.MAX_SETS


@pytest.fixture(scope="module")
def halves():
    """Train and a holdout of the same size: 450 rows a side tell what the tests below ask for."""
    return make_cohort(450), make_cohort(450, seed=2)


def test_c2st_catches_independent_columns(halves, cohort_schema):
    found = score(fidelity.classifier_two_sample_test, *halves, shuffled(halves[0]), cohort_schema)
    assert found["c2st_boosting"].low > 0.6


def test_c2st_logistic_catches_a_shifted_column(halves, cohort_schema):
    older = halves[0].assign(age=halves[0]["age"] + 12)
    found = score(fidelity.classifier_two_sample_test, *halves, older, cohort_schema)
    assert found["c2st_logistic"].low > 0.65


def test_c2st_sees_missing_values(halves, cohort_schema):
    complete = make_cohort(450, seed=1)
    complete["lab"] = complete["lab"].fillna(complete["lab"].median())
    found = score(fidelity.classifier_two_sample_test, *halves, complete, cohort_schema)
    assert min(found["c2st_boosting"].low, found["c2st_logistic"].low) > 0.52


def test_c2st_cannot_tell_fresh_rows(halves, cohort_schema):
    found = score(fidelity.classifier_two_sample_test, *halves, make_cohort(450, seed=1), cohort_schema)
    for one in found.values():
        assert one.low < 0.5 < one.high
        assert 0.35 < one.reference < 0.65


def test_c2st_covers_a_half_for_rows_that_cannot_be_told_apart(cohort_schema):
    """Of 60 intervals about 95% hold ½; folds taken as independent would give 84%."""
    held = 0
    for seed in range(60):
        train, fresh = make_cohort(120, seed=5000 + seed), make_cohort(120, seed=9000 + seed)
        rng = np.random.default_rng(seed)
        _, low, high = fidelity._tell_apart(train, fresh, 120, cohort_schema, "logistic", rng)
        held += low <= 0.5 <= high
    assert held >= 54


def test_c2st_of_copies_is_below_a_half(halves, cohort_schema):
    """A row's twin was seen under the other label, so its own label is guessed wrong."""
    found = score(fidelity.classifier_two_sample_test, *halves, halves[0], cohort_schema)
    assert found["c2st_boosting"].high < 0.4


@pytest.mark.parametrize("sizes", [(90, 30, 60), (90, 60, 30), (30, 60, 90)])
def test_c2st_compares_equal_numbers_of_rows(sizes, cohort_schema, monkeypatch):
    """Score and reference: both see as many rows a side as the smallest table has, and both sides."""
    seen = []

    def fit(learner, matrix, truth, *rest):
        seen.append(np.bincount(truth).tolist())
        return lambda rows: np.full((len(rows), 2), 0.5)

    monkeypatch.setattr(fidelity, "fit_classifier", fit)
    tables = [make_cohort(size, seed=size) for size in sizes]
    score(fidelity.classifier_two_sample_test, *tables, cohort_schema)
    assert seen == [[24, 24]] * (5 * 2 * 2)  # four fifths of 30; folds, tables, classifiers


def test_invalid_share_of_four_rows():
    # of 4 · 3 values: an unknown ward, an age out of range and a stay that is not whole
    train = pd.DataFrame({"ward": list("abab"), "age": [20.5, 40.0, 60.0, 80.0], "stay": [1, 2, 3, 9]})
    schema = sl.Schema.infer(train)
    synthetic = train.assign(ward=list("abaz"), age=[20.5, 40.0, 60.0, 900.0], stay=[1.5, 2, 3, 9])
    found = score(fidelity.invalid_share, train, train, synthetic, schema)["invalid_share"]
    assert found.value == pytest.approx(3 / 12)
    assert found.reference == 0


def test_invalid_share_counts_text_in_numbers_and_forbidden_gaps():
    train = pd.DataFrame({"ward": list("abab"), "age": [20.5, 40.0, 60.0, 80.0]})
    synthetic = train.assign(ward=["a", None, "a", "b"], age=["20.5", "forty", "60", "80"])
    found = score(fidelity.invalid_share, train, train, synthetic, sl.Schema.infer(train))["invalid_share"]
    assert found.value == pytest.approx(2 / 8)


def test_sdmetrics_quality_is_quiet_and_ranks(split, cohort_schema, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fresh = score(fidelity.sdmetrics_quality, *split, make_cohort(450, seed=1), cohort_schema)
        independent = score(fidelity.sdmetrics_quality, *split, shuffled(split[0]), cohort_schema)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("sdmetrics").level == logging.NOTSET
    name = "sdmetrics_quality"
    assert 0 <= independent[name].value < fresh[name].value <= 1
    assert fresh[name].low <= fresh[name].value <= fresh[name].high


@pytest.mark.parametrize(
    "metric",
    [fidelity.marginal_accuracy, fidelity.classifier_two_sample_test, fidelity.sdmetrics_quality],
)
def test_same_seed_same_scores(metric, split, cohort_schema):
    synthetic = make_cohort(450, seed=1)
    assert score(metric, *split, synthetic, cohort_schema) == score(metric, *split, synthetic, cohort_schema)


def test_codes_and_numbers_keep_what_is_missing_or_unreadable():
    table = pd.DataFrame({"ward": ["a", None, "b", "a"], "age": [1.0, np.nan, 3.0, 4.0]})
    schema = sl.Schema.infer(table)
    odd = pd.DataFrame({"ward": ["b", None, "z", 7], "age": ["2", "x", np.inf, None]})
    assert codes(odd, schema["ward"]).tolist() == [1, -1, 2, 2]
    np.testing.assert_array_equal(numbers(odd, schema["age"]), [2.0, np.nan, np.nan, np.nan])


def test_booleans_and_their_floats_are_the_same_levels():
    schema = sl.Schema.infer(pd.DataFrame({"died": [0, 1, 0, 1], "age": [1, 2, 3, 4]}))
    assert codes(pd.DataFrame({"died": [1.0, np.nan, 0.0]}), schema["died"]).tolist() == [1, -1, 0]


def test_dense_encoding_puts_different_rows_at_distance_one():
    table = pd.DataFrame({"ward": ["a", "b", None, "a"], "age": [1.0, 2.0, 3.0, np.nan]})
    schema = sl.Schema.infer(table)
    encoder = DenseEncoder(schema.modelled).fit(table)
    rows = encoder.transform(
        pd.DataFrame({"ward": ["a", "b", None, "a", "a"], "age": [-9.0, -9.0, -9.0, 9.0, np.nan]})
    )
    distance = np.linalg.norm(rows - rows[0], axis=1)
    # another ward; no ward; the other end of ages; no age, which is put at the middle: √(1 + ½²)
    np.testing.assert_allclose(distance, [0, 1, 1, 1, np.sqrt(1.25)])


@pytest.mark.parametrize(
    ("num_rows", "size", "expected"), [(10, 3, 3), (10, 4, 2), (3, 4, 0), (5, 0, 0), (90, 3, 4)]
)
def test_matched_parts_are_disjoint(num_rows, size, expected):
    parts = matched_parts(num_rows, size, np.random.default_rng(0))
    assert [len(part) for part in parts] == [size] * expected
    assert len({*np.concatenate([*parts, []])}) == size * expected
