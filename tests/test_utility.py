"""Usefulness: what is known of a predictor must come out, and nothing may crash for want of an outcome."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.evaluation.usefulness.utility import (
    calibration,
    explain_utility,
    predict_holdout,
    train_on_synthetic,
)


def score(train, holdout, synthetic, schema, seed=0):
    found = train_on_synthetic(train, holdout, synthetic, schema, np.random.default_rng(seed))
    return {one.metric: one for one in found}


@pytest.fixture(scope="module")
def split(cohort):
    return cohort[:450], cohort[450:]


def test_a_holdout_without_outcomes_has_no_curves(cohort):
    schema = sl.Schema.infer(cohort.assign(died=cohort["died"].astype(float)), target="died")
    unknown = cohort.assign(died=np.nan)
    with pytest.raises(ValueError, match="patients with a value of died in the holdout, got none"):
        predict_holdout(cohort, unknown, cohort, schema, np.random.default_rng(0))


def test_calibration_of_right_probabilities():
    # four patients of risk ¼, one event; four of ¾, three events
    truth = np.array([1, 0, 0, 0, 1, 1, 1, 0])
    risk = np.repeat([0.25, 0.75], 4)
    assert calibration(truth, risk) == pytest.approx((1, 0), abs=1e-7)


def test_calibration_of_too_extreme_probabilities():
    # the same patients with their log odds doubled, from ±log 3 to ±log 9: slope ½
    truth = np.array([1, 0, 0, 0, 1, 1, 1, 0])
    risk = np.repeat([0.1, 0.9], 4)
    assert calibration(truth, risk) == pytest.approx((0.5, 0), abs=1e-7)


def test_calibration_of_too_low_probabilities():
    # all of risk ¼, half have the event: the intercept is log odds of ½ less those of ¼, log 3; no slope
    slope, intercept = calibration(np.array([1, 0, 1, 0]), np.full(4, 0.25))
    assert np.isnan(slope)
    assert intercept == pytest.approx(np.log(3))


def test_calibration_without_events_or_overlap_is_nan():
    assert np.isnan(calibration(np.zeros(4), np.full(4, 0.2))).all()
    assert np.isnan(calibration(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]))[0])


def test_training_on_train_itself_loses_nothing(split, cohort_schema):
    found = score(*split, split[0], cohort_schema)
    assert set(found) == {
        f"tstr_{name}_{learner}"
        for name in ("auroc", "auroc_gap", "brier", "calibration_slope", "calibration_intercept", "auprc")
        for learner in ("boosting", "logistic", "forest", "neural", "neighbours")
    }
    for name, one in found.items():
        if "gap" in name:
            assert one.value == one.low == one.high == one.reference == 0
        else:
            assert one.value == pytest.approx(one.reference, nan_ok=True)
            assert not (one.low > one.value or one.high < one.value)


def test_fresh_rows_are_useful_and_shuffled_outcomes_are_not(split, cohort_schema):
    fresh = score(*split, make_cohort(450, seed=1), cohort_schema)["tstr_auroc_logistic"]
    rng = np.random.default_rng(0)
    noise = split[0].assign(died=rng.permutation(split[0]["died"]))
    useless = score(*split, noise, cohort_schema)["tstr_auroc_logistic"]
    assert fresh.value > 0.65 and fresh.low <= fresh.reference <= fresh.high
    assert useless.high < fresh.value


def test_wrong_outcomes_predict_the_wrong_way(cohort_schema):
    train = make_cohort(900, seed=2)
    upside_down = train.assign(died=1 - train["died"])
    found = score(train, make_cohort(400, seed=3), upside_down, cohort_schema)
    for learner in ("boosting", "logistic"):
        assert found[f"tstr_auroc_{learner}"].high < 0.5
        assert found[f"tstr_auroc_gap_{learner}"].high < 0


def test_a_single_class_is_explained_and_scores_a_half(split, cohort_schema):
    all_dead = split[0].assign(died=1)
    found = score(*split, all_dead, cohort_schema)
    assert found["tstr_auroc_boosting"].value == 0.5
    # everybody is given risk 1: the error is the share of survivors
    assert found["tstr_brier_boosting"].value == pytest.approx(1 - split[1]["died"].mean())
    assert np.isnan(found["tstr_calibration_slope_boosting"].value)
    assert "one value in the synthetic table" in " ".join(explain_utility(*split, all_dead, cohort_schema))


def test_no_outcome_at_all_scores_a_half(split, cohort_schema):
    unknown = split[0].assign(died=np.nan)
    assert score(*split, unknown, cohort_schema)["tstr_auroc_logistic"].value == 0.5
    assert explain_utility(*split, unknown, cohort_schema)


def test_without_a_target_utility_is_left_out_with_a_note(split, cohort):
    schema = sl.Schema.infer(cohort)
    assert score(*split, split[0], schema) == {}
    assert explain_utility(*split, split[0], schema) == ["utility is left out: the schema names no target"]


def test_leaks_and_identifiers_are_no_features(split):
    """A column that is the outcome predicts nothing if it is declared a leak."""
    cohort = pd.concat(split, ignore_index=True)
    noise = np.random.default_rng(0).integers(0, 2, len(cohort))
    known = {"id": range(len(cohort)), "died": noise, "certificate": noise}
    table = pd.DataFrame(known | {"age": cohort["age"]})
    schema = sl.Schema.infer(table, target="died", leaks=["certificate"], identifiers=["id"])
    honest = score(table[:450], table[450:], table[:450], schema)["tstr_auroc_boosting"]
    assert honest.value < 0.65
    leaky = sl.Schema.infer(table, target="died", identifiers=["id"])
    assert score(table[:450], table[450:], table[:450], leaky)["tstr_auroc_boosting"].value == 1


def test_more_than_two_levels_are_one_against_the_rest(split, cohort):
    schema = sl.Schema.infer(cohort, target="disease")
    found = score(*split, split[0], schema)
    # group follows from disease, so that cancer is told perfectly and the others above chance
    assert found["tstr_auroc_boosting"].value > 0.6
    assert "tstr_brier_boosting" not in found
    without_rare = split[0][split[0]["disease"] != "rare"]
    assert 0.5 < score(*split, without_rare, schema)["tstr_auroc_boosting"].value < 1


def test_a_number_is_explained_and_missed(split, cohort):
    schema = sl.Schema.infer(cohort, target="lab")
    found = score(*split, make_cohort(450, seed=1), schema)
    learners = ("boosting", "ridge", "forest", "neural", "neighbours")
    assert set(found) == {f"tstr_{name}_{learner}" for name in ("r2", "mae", "rmse") for learner in learners}
    assert all(found[f"tstr_rmse_{one}"].value >= found[f"tstr_mae_{one}"].value for one in learners)
    assert 0.2 < found["tstr_r2_ridge"].value < 0.9
    assert 0.1 < found["tstr_mae_ridge"].value < 1


def test_a_handful_of_patients_has_no_interval(cohort, cohort_schema):
    found = score(cohort[:100], cohort[100:112], cohort[:100], cohort_schema)["tstr_auroc_logistic"]
    assert np.isnan(found.low) and np.isnan(found.high)


def test_predictions_give_the_scores(split, cohort_schema):
    predictions = predict_holdout(*split, split[0], cohort_schema, np.random.default_rng(0))
    assert len(predictions) == 4 * len(split[1])
    assert predictions["probability"].between(0, 1).all()
    rows = predictions[(predictions["learner"] == "logistic") & (predictions["trained_on"] == "synthetic")]
    brier = float(((rows["probability"] - rows["truth"]) ** 2).mean())
    assert brier == pytest.approx(score(*split, split[0], cohort_schema)["tstr_brier_logistic"].value)


def test_predictions_need_two_levels(split, cohort):
    with pytest.raises(ValueError, match="two levels, got none"):
        predict_holdout(*split, split[0], sl.Schema.infer(cohort), np.random.default_rng(0))
    with pytest.raises(ValueError, match="two levels, got categorical"):
        predict_holdout(*split, split[0], sl.Schema.infer(cohort, target="disease"), np.random.default_rng(0))
