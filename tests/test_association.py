"""The association matrix on four-row tables and against scipy, and the distance between two of them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import synthlib as sl
from synthlib.evaluation.fidelity.association import association_distance, association_matrix


def matrix_of(columns, ranks=True):
    table = pd.DataFrame(columns)
    return association_matrix(table, sl.Schema.infer(table), ranks)


def test_cramers_v_of_four_rows():
    # φ² = 1; less its bias 1·1/3: 2/3; over the corrected size 2 - 1/3 - 1 = 2/3: V = 1
    both = matrix_of({"ward": list("aabb"), "sex": list("ffmm")})
    assert both.loc["ward", "sex"] == pytest.approx(1)
    # all four cells once: φ² = 0
    assert matrix_of({"ward": list("aabb"), "sex": list("fmfm")}).loc["ward", "sex"] == 0


def test_correlation_ratio_of_four_rows():
    # means 2 and 6 of wards, 4 overall: between 4·4 = 16, overall 9 + 1 + 1 + 9 = 20, √(16/20)
    found = matrix_of({"ward": list("aabb"), "lab": [1, 3, 5, 7]}, ranks=False)
    assert found.loc["ward", "lab"] == found.loc["lab", "ward"] == pytest.approx(np.sqrt(0.8))


def test_correlations_are_scipys(cohort, cohort_schema):
    complete = cohort.dropna()
    for ranks, correlate in ((True, stats.spearmanr), (False, stats.pearsonr)):
        found = association_matrix(complete, cohort_schema, ranks).loc["age", "lab"]
        assert found == pytest.approx(correlate(complete["age"], complete["lab"]).statistic)


def test_correlation_uses_rows_that_have_both(cohort, cohort_schema):
    both = cohort.dropna(subset=["lab"])
    found = association_matrix(cohort, cohort_schema, ranks=False).loc["age", "lab"]
    assert found == pytest.approx(stats.pearsonr(both["age"], both["lab"]).statistic)


def test_missing_is_a_level():
    found = matrix_of({"stage": ["I", None, "I", None], "ward": list("aabb"), "sex": list("fmfm")})
    assert found.loc["stage", "sex"] == pytest.approx(1)


def test_matrix_is_symmetric_with_ones_and_in_the_schemas_order(cohort, cohort_schema):
    found = association_matrix(cohort, cohort_schema)
    assert list(found) == list(found.index) == cohort_schema.names
    np.testing.assert_allclose(found, found.T)
    numeric = [column.name for column in cohort_schema if column.is_numeric]
    np.testing.assert_allclose([found.loc[name, name] for name in numeric], 1)


def test_a_constant_column_has_no_association():
    found = matrix_of({"lab": [0.1] * 4, "ward": list("aabb"), "age": [1, 2, 3, 5]})
    assert np.isnan(found.loc["lab", ["ward", "age", "lab"]].astype(float)).all()


def score(train, holdout, synthetic, schema):
    found = association_distance(train, holdout, synthetic, schema, np.random.default_rng(0))
    return {one.metric: one for one in found}


def test_distance_of_four_rows():
    # train has V = 1, synthetic V = 0, and that is the only pair
    train = pd.DataFrame({"ward": list("aabb"), "sex": list("ffmm")})
    synthetic = train.assign(sex=list("fmfm"))
    found = score(train, train, synthetic, sl.Schema.infer(train))["association_distance"]
    assert (found.value, found.reference) == pytest.approx((1, 0))


def test_train_against_itself(cohort, cohort_schema):
    for one in score(cohort, cohort, cohort, cohort_schema).values():
        assert (one.value, one.reference, one.low) == pytest.approx((0, 0, 0), abs=1e-12)
        assert one.high < 0.2


def test_independent_columns_are_far(cohort, cohort_schema):
    rng = np.random.default_rng(0)
    shuffled = pd.DataFrame({name: rng.permutation(cohort[name]) for name in cohort}).astype(cohort.dtypes)
    found = score(cohort[:450], cohort[450:], shuffled, cohort_schema)["association_distance"]
    assert found.low > found.reference


def test_what_became_constant_counts_as_no_association(cohort, cohort_schema):
    frozen = cohort.assign(age=60, lab=2.0, disease="rare", group="acute", died=0)
    found = score(cohort, cohort, frozen, cohort_schema)["association_distance"]
    upper = association_matrix(cohort, cohort_schema).to_numpy()[np.triu_indices(5, 1)]
    assert found.value == pytest.approx(np.nanmean(np.abs(upper)))
