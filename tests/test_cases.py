"""Case studies: each by hand or against a known truth, and what is masked."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.data.simulation import average_effect, simulate_trial, simulation_schema
from synthlib.evaluation.usefulness.cases import (
    decision_curve,
    disease_prediction,
    follow_up_incidence,
    net_benefit,
    surveillance,
    trial,
)
from synthlib.evaluation.usefulness.pooling import meta_analysis, pool

FLAG = sl.Column("ill", "boolean", "int64", categories=(0, 1))


def rng():
    return np.random.default_rng(0)


def test_prediction_from_both_tables(cohort, cohort_schema):
    found = disease_prediction(cohort[:450], cohort[450:], cohort[:450], cohort_schema, rng())
    assert set(found["learner"]) == {"boosting", "logistic", "forest", "neural", "neighbours"}
    wide = found.pivot(index=["learner", "measure"], columns="trained_on", values="value")
    assert wide["train"].to_numpy() == pytest.approx(wide["synthetic"].to_numpy())
    assert ((found["low"] <= found["value"]) & (found["value"] <= found["high"])).all()
    with pytest.raises(ValueError, match="two levels, got none"):
        disease_prediction(cohort, cohort, cohort, sl.Schema.infer(cohort), rng())


def test_net_benefit_by_hand():
    truth, risk = np.array([1, 1, 0, 0]), np.array([0.9, 0.1, 0.6, 0.2])
    # above ½ one is right and one wrong, which counts as much; above ¼ the wrong one counts a third
    assert net_benefit(truth, risk, 0.5) == pytest.approx([0])
    assert net_benefit(truth, risk, 0.25) == pytest.approx([(1 - 1 / 3) / 4])


def test_a_decision_curve_and_its_bounds(cohort, cohort_schema):
    train = make_cohort(1500, 2)
    flipped = train.assign(died=1 - train["died"])
    found = decision_curve(train, cohort, flipped, cohort_schema, rng(), [0.2, 0.4])
    at = found.set_index(["strategy", "threshold"])
    rate = cohort["died"].mean()
    assert at.loc[("nobody", 0.2), "net_benefit"] == 0
    assert at.loc[("everybody", 0.2), "net_benefit"] == pytest.approx(rate - (1 - rate) / 4)
    assert (at.loc["train", "loss"] == 0).all()
    assert at.loc[("synthetic", 0.4), "loss_low"] > 0  # a model of the opposite harms
    with pytest.raises(ValueError, match="inside"):
        decision_curve(cohort, cohort, cohort, cohort_schema, rng(), [0, 0.5])


def test_incidence_by_year_and_season_with_small_periods_masked():
    schema = sl.Schema((sl.Column("seen", "datetime", "datetime64[ns]"), FLAG))
    days = [*["2001-01-15"] * 30, *["2001-02-10"] * 30, *["2002-01-20"] * 15, *["2003-07-01"] * 40]
    ill = ([1] * 12 + [0] * 18) * 2 + [1] * 2 + [0] * 13 + [1] * 9 + [0] * 31
    table = pd.DataFrame({"seen": pd.to_datetime(days), "ill": ill})
    found = surveillance(table, table, schema, "seen", "ill", "year").set_index(["period", "table"])
    assert found.loc[(pd.Timestamp("2001-01-01"), "train"), "share"] == pytest.approx(24 / 60)
    for year in ("2002-01-01", "2003-01-01"):
        assert found.loc[(pd.Timestamp(year), "train")].isna().all()
        assert found.loc[(pd.Timestamp(year), "synthetic"), "patients"] > 0
    season = surveillance(table, table, schema, "seen", "ill", "season").set_index(["period", "table"])
    assert season.loc[(1, "train"), "patients"] == 45 and season.loc[(1, "train"), "events"] == 14
    with pytest.raises(ValueError, match="season, got 'day'"):
        surveillance(table, table, schema, "seen", "ill", "day")


def test_incidence_by_numbers():
    year = sl.Column("year", "integer", "float64", low=1990, high=2000, decimals=0, nullable=True)
    table = pd.DataFrame({"year": [1990.0] * 20 + [1991] * 20 + [1993] * 40 + [np.nan] * 9, "ill": 0})
    table.loc[::2, "ill"] = 1
    found = surveillance(table, table[:30], sl.Schema((year, FLAG)), "year", "ill", 2).set_index("period")
    assert found.index.unique().tolist() == [1990, 1992] and found.loc[1990, "share"].tolist() == [0.5, 0.5]
    assert found.loc[1992, "patients"].tolist() == [40, 0]
    with pytest.raises(ValueError, match="width"):
        surveillance(table, table, sl.Schema((year, FLAG)), "year", "ill", "month")


def test_events_per_time_at_risk_by_hand():
    time = sl.Column("days", "integer", "int64", low=0, high=100, decimals=0)
    table = pd.DataFrame({"days": [5] * 20 + [15] * 20, "ill": [1] * 20 + [0] * 20})
    found = follow_up_incidence(table, table[:8], sl.Schema((time, FLAG)), "days", "ill", [0, 10, 20], 100)
    first = found.set_index(["start", "table"])
    # 20 events in 20 · 5 + 20 · 10 days; 8 events of synthetic rows in 8 · 5 days
    assert first.loc[(0, "train"), "rate"] == pytest.approx(20 / 3)
    assert first.loc[(0, "synthetic"), "rate"] == pytest.approx(8 / 0.4)
    assert first.loc[(10, "train"), ["at_risk", "rate"]].tolist() == [20, 0]
    assert np.isnan(first.loc[(10, "synthetic"), "rate"])
    few = follow_up_incidence(table[10:25], table, sl.Schema((time, FLAG)), "days", "ill", [0, 10, 20])
    assert few[few["table"] == "train"].drop(columns=["start", "end", "table"]).isna().all(axis=None)
    with pytest.raises(ValueError, match="ascend"):
        follow_up_incidence(table, table, sl.Schema((time, FLAG)), "days", "ill", [5, 2])


def test_a_trial_recovers_the_arms_effect():
    real, made = simulate_trial(6000, 1, missing=False), simulate_trial(6000, 2, missing=False)
    assert real["treated"].sum() == 3000
    found = trial(real, made, simulation_schema(), "treated", "died", ["age", "diagnosis", "lactate"])
    at = found.set_index(["table", "measure"])
    truth = average_effect("treated", num_rows=20_000)
    for name in ("train", "synthetic"):
        for measure, expected in (("risk_difference", truth), ("adjusted_log_odds_ratio", -0.8)):
            row = at.loc[(name, measure)]  # the equation's coefficient is −0.8
            assert abs(row["value"] - expected) < 1.6 * (row["high"] - row["low"]) / 2  # three errors
            assert row["high"] < 0
    widths = at["high"] - at["low"]
    assert widths["synthetic_corrected", "log_odds_ratio"] == pytest.approx(
        np.sqrt(2) * widths["synthetic", "log_odds_ratio"]
    )
    with pytest.raises(ValueError, match="arm of two levels"):
        trial(real, made, simulation_schema(), "diagnosis", "died")
    one_arm = trial(real, made.assign(treated=0), simulation_schema(), "treated", "died")
    assert one_arm.set_index(["table", "measure"]).loc["synthetic"].isna().all(axis=None)


def test_pooling_by_hand():
    # weights 1 and 1: mean 2, error √½; squares about it 2, expected 1: τ² = 1, error √((1 + 1) / 2)
    assert pool(np.array([1.0, 3.0]), np.array([1.0, 1.0])) == pytest.approx((2, 1, 1))
    assert pool(np.array([1.0, 1.0]), np.array([1.0, 1.0])) == pytest.approx((1, np.sqrt(0.5), 0))
    assert pool(np.array([1.0, np.nan]), np.array([0.5, 1.0])) == pytest.approx((1, 0.5, 0))
    assert np.isnan(pool(np.array([np.nan]), np.array([1.0]))).all()


def test_centres_that_share_no_records(cohort_schema):
    centres = {name: (make_cohort(1500, ord(name)), make_cohort(1500, ord(name) + 9)) for name in "abc"}
    found = meta_analysis(centres, cohort_schema, "logistic", "died", ["age"])
    pooled = found[found["centre"] == "pooled"].set_index("table")
    assert len(found) == 12 and found.loc[found["centre"] != "pooled", "tau"].isna().all()
    assert pooled.loc["synthetic_corrected", "low"] < pooled.loc["real", "value"]
    assert pooled.loc["real", "value"] < pooled.loc["synthetic_corrected", "high"]
    single = found[(found["centre"] == "a") & (found["table"] == "real")].iloc[0]
    assert pooled.loc["real", "high"] - pooled.loc["real", "low"] < single["high"] - single["low"]
    with pytest.raises(ValueError, match="two centres"):
        meta_analysis({"a": centres["a"]}, cohort_schema, "logistic", "died", ["age"])
