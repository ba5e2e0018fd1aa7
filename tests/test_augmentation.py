"""What added rows bring: much where there are few patients, nothing from train itself, harm from noise."""

import numpy as np
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.evaluation.usefulness.augmentation import augmentation_gain


def score(train, holdout, synthetic, schema, seed=0):
    found = augmentation_gain(train, holdout, synthetic, schema, np.random.default_rng(seed))
    return {one.metric: one for one in found}


def test_fresh_rows_help_a_small_sample_and_wrong_ones_harm(cohort_schema):
    train, holdout, fresh = make_cohort(300, 2), make_cohort(1200, 3), make_cohort(600, 4)
    found = score(train, holdout, fresh, cohort_schema)
    assert found["augmentation_gain_small_logistic"].low > 0
    assert found["augmentation_gain_small_logistic"].reference > 0
    wrong = score(train, holdout, fresh.assign(died=1 - fresh["died"]), cohort_schema)
    for learner in ("logistic", "boosting"):
        assert wrong[f"augmentation_gain_{learner}"].high < 0
        small = f"augmentation_gain_small_{learner}"
        assert wrong[small].high < found[small].low


def test_nothing_added_gains_nothing(cohort, cohort_schema):
    for name, one in score(cohort[:300], cohort[300:], cohort[:0], cohort_schema).items():
        assert one.value == one.low == one.high == 0
        assert ("small" in name) or one.reference == 0


def test_the_rest_of_train_brings_what_the_reference_says(cohort, cohort_schema):
    """All of train beside a tenth of it: the tenth twice, which a linear model hardly notices."""
    one = score(cohort[:450], cohort[450:], cohort[:450], cohort_schema)["augmentation_gain_small_logistic"]
    assert one.value == pytest.approx(one.reference, abs=0.01)


@pytest.mark.filterwarnings("error")
def test_few_rows_no_target_and_numbers(cohort, cohort_schema):
    assert score(cohort[:300], cohort[300:], cohort[:300], sl.Schema.infer(cohort)) == {}
    for one in score(cohort[:5], cohort[5:9], cohort[9:12], cohort_schema).values():
        assert np.isnan(one.low)
    found = score(cohort[:300], cohort[300:], make_cohort(100, 1), sl.Schema.infer(cohort, target="lab"))
    assert {"augmentation_gain_ridge", "augmentation_gain_small_boosting"} <= set(found)


def test_a_synthetic_table_may_lack_identifiers(cohort):
    named = cohort.assign(number=[f"P{row:04d}" for row in range(len(cohort))])
    schema = sl.Schema.infer(named, target="died", identifiers=["number"])
    assert score(named[:100], named[100:200], cohort[:100], schema)
