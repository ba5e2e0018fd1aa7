"""What models rely on: found where it was put, the same for the same rows, different without relations."""

import numpy as np
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.evaluation.usefulness.importance import _importance, importance_agreement, rank_correlation


def score(train, holdout, synthetic, schema, seed=0):
    found = importance_agreement(train, holdout, synthetic, schema, np.random.default_rng(seed))
    return {one.metric: one for one in found}


def test_rank_correlation_by_hand():
    # ranks 1 2 3 4 against 2 1 4 3: squared differences add up to 4, 1 - 6 * 4 / (4 * 15)
    first, second = np.array([[0.1, 0.2, 0.3, 0.4]]), np.array([[5, 4, 90, 8.0]])
    assert rank_correlation(first, second) == pytest.approx([0.6])
    assert rank_correlation(first, first) == pytest.approx([1])
    assert rank_correlation(first, np.zeros((1, 4))).tolist() == [0]
    assert np.isnan(rank_correlation(first, np.full((1, 4), np.nan))).all()


def test_the_feature_that_decides_is_the_important_one(cohort):
    table = cohort[["disease", "age"]].assign(old=(cohort["age"] > 60).astype(int))
    schema = sl.Schema.infer(table, target="old")
    rng = np.random.default_rng(0)
    shuffles = [rng.permutation(150)]
    found = _importance("logistic", table[:450], table[450:], schema, shuffles, np.ones((1, 150)), rng)
    assert abs(found[0, 0]) < 0.05 and found[0, 1] > 0.3


def test_train_agrees_with_itself(cohort, cohort_schema):
    for one in score(cohort[:450], cohort[450:], cohort[:450], cohort_schema).values():
        assert one.value == one.low == one.high == 1
        assert one.reference <= 1


def test_noise_agrees_less(cohort, cohort_schema):
    train, rng = make_cohort(600, seed=1), np.random.default_rng(0)
    noise = train.assign(died=rng.permutation(train["died"]))
    useless, fresh = (
        score(train, cohort[:400], made, cohort_schema)["importance_agreement_logistic"].value
        for made in (noise, make_cohort(600, seed=3))
    )
    assert useless < fresh


@pytest.mark.filterwarnings("error")
def test_a_model_of_one_class_uses_no_feature(cohort, cohort_schema):
    for broken in (cohort[:100].assign(died=1), cohort[:1], cohort[:0], cohort[:100].assign(died=np.nan)):
        for one in score(cohort[:100], cohort[100:200], broken, cohort_schema).values():
            assert one.value == 0


def test_without_target_there_is_none_and_other_targets_work(cohort):
    assert score(cohort[:100], cohort[100:200], cohort[:100], sl.Schema.infer(cohort)) == {}
    for target, learner in (("lab", "ridge"), ("disease", "logistic")):
        schema = sl.Schema.infer(cohort, target=target)
        found = score(cohort[:300], cohort[300:], cohort[:300], schema)
        assert found[f"importance_agreement_{learner}"].value == pytest.approx(1)


def test_a_column_may_be_called_anything(cohort):
    renamed = cohort.rename(columns={"age": "self", "lab": "**"})
    schema = sl.Schema.infer(renamed, target="died")
    found = score(renamed[:300], renamed[300:], renamed[:300], schema)
    assert found["importance_agreement_boosting"].value == pytest.approx(1)
