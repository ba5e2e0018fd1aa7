"""Survival: curves and log-rank by hand, identity, and patients who live longer and longer."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import synthlib as sl
from synthlib.evaluation.usefulness.survival import (
    curve_distances,
    follow_up,
    kaplan_meier,
    log_hazard_ratio,
    survival_agreement,
)

SCHEMA = sl.Schema(
    (
        sl.Column("days", "integer", "float64", low=0, high=1000, decimals=0, nullable=True),
        sl.Column("died", "boolean", "float64", categories=(0, 1), nullable=True),
    )
)
FOUR = np.array([[1, 1], [2, 0], [3, 1], [4, 0]], dtype=float)


def cohort(num_rows, mean, seed=0):
    rng = np.random.default_rng(seed)
    days = np.ceil(rng.exponential(mean, num_rows))
    return pd.DataFrame({"days": days.clip(max=365), "died": (days <= 365).astype(float)})


def score(*tables, seed=0):
    found = survival_agreement(*tables, SCHEMA, np.random.default_rng(seed), "days", "died")
    return {one.metric: one for one in found}


def test_a_curve_by_hand():
    # 4 at risk, one dies: 3/4; on day 3 two are left, one dies: 3/8
    curve = kaplan_meier(FOUR)
    assert curve["time"].tolist() == [1, 3] and curve["at_risk"].tolist() == [4, 2]
    assert curve["survival"].tolist() == [0.75, 0.375]
    assert ((curve["low"] < curve["survival"]) & (curve["survival"] < curve["high"])).all()


def test_distances_by_hand():
    # everybody lives in the other table: 1 − S is 0, 1/4, 1/4, 5/8 on the four days
    alive = np.array([[4.0, 0.0]] * 4)
    assert curve_distances(FOUR, alive, 4.0) == pytest.approx([5 / 8, 9 / 32, 9 / 32])
    assert curve_distances(alive, FOUR, 4.0)[2] == pytest.approx(-9 / 32)
    assert curve_distances(FOUR, FOUR, 4.0).tolist() == [0, 0, 0]


def test_a_hazard_ratio_by_hand():
    # day 1: one of the two of each table is at risk and the first's dies: expected 1/2, variance 1/4;
    # day 2: one of three, of whom two are the second's: expected 2/3, variance 2/9
    first, second = np.array([[1.0, 1], [3, 0]]), np.array([[2.0, 1], [3, 0]])
    estimate, error = log_hazard_ratio(first, second)
    assert estimate == pytest.approx((1 - 1 / 2 - 2 / 3) / (1 / 4 + 2 / 9))
    assert error == pytest.approx(1 / np.sqrt(1 / 4 + 2 / 9))
    assert np.isnan(log_hazard_ratio(first * [1, 0], second * [1, 0])).all()


def test_train_itself_lives_as_long():
    train = cohort(400, 200)
    found = score(train, train, train)
    for one in found.values():
        assert one.value == pytest.approx(0, abs=1e-12) and one.reference == pytest.approx(0, abs=1e-12)


def test_who_lives_longer_is_further_away():
    train, holdout = cohort(800, 200), cohort(400, 200, 1)
    found = [score(train, holdout, cohort(800, mean, 2)) for mean in (200, 300, 450)]
    for name in ("km_max_distance", "km_mean_distance", "km_mean_difference"):
        assert (np.diff([one[name].value for one in found]) > 0).all()
    assert (np.diff([one["survival_log_hazard_ratio"].value for one in found]) < 0).all()
    one = found[1]["survival_log_hazard_ratio"]
    assert one.low < np.log(200 / 300) < one.high < 0
    assert found[0]["km_max_distance"].value < 0.1


def test_columns_must_be_a_time_and_an_event():
    table = cohort(20, 100)
    with pytest.raises(ValueError, match="columns of the schema"):
        follow_up(table, SCHEMA, "time", "died")
    with pytest.raises(ValueError, match="a number and two levels"):
        follow_up(table, SCHEMA, "died", "days")


rows = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(0, 9)), st.sampled_from([0, 1, None])), min_size=1, max_size=12
)


@given(rows, rows, rows)
@pytest.mark.filterwarnings("error")
def test_any_small_table_is_scored(train, holdout, synthetic):
    drawn = (train, holdout, synthetic)
    tables = [pd.DataFrame(part, columns=["days", "died"], dtype=float) for part in drawn]
    for one in score(*tables).values():
        assert not one.low > one.value + 1e-9 and not one.high < one.value - 1e-9
