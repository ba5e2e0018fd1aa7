"""Who is drawn how often: shares by hand, identity, and a group that is lost more and more."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.evaluation.fairness.representation import group_fidelity, representation


@pytest.fixture(scope="module")
def protected(cohort_schema):
    return dataclasses.replace(cohort_schema, protected=("group", "age"))


def score(metric, *tables, seed=0):
    return {one.metric: one for one in metric(*tables, np.random.default_rng(seed))}


def test_shares_by_hand():
    schema = sl.Schema(
        (
            sl.Column("sex", "categorical", categories=("f", "m")),
            sl.Column("x", "boolean", "int64", categories=(0, 1)),
        ),
        protected=("sex",),
    )

    def table(women, men):
        return pd.DataFrame({"sex": ["f"] * women + ["m"] * men, "x": 0})

    found = score(representation, table(60, 40), table(50, 50), table(30, 70), schema)
    # women: 30% less 60%; the holdout 50% less 60%; distance 0.3; women half as often
    assert found["representation[sex=f]"].value == pytest.approx(-0.3)
    assert found["representation[sex=f]"].reference == pytest.approx(-0.1)
    assert found["representation[sex=f]"].low < -0.3 < found["representation[sex=f]"].high < 0
    assert found["representation_distance"].value == pytest.approx(0.3)
    assert found["representation_smallest_ratio"].value == pytest.approx(0.5)
    assert found["representation_smallest_ratio"].reference == pytest.approx(50 / 60)


def test_train_itself_has_the_same_shares(cohort, protected):
    found = score(representation, cohort, cohort, cohort, protected)
    assert all(one.value == 0 for name, one in found.items() if "[" in name)
    assert found["representation_distance"].value == 0
    assert found["representation_smallest_ratio"].value == 1


def test_the_more_of_a_group_is_lost_the_worse(cohort, protected):
    chronic = (cohort["group"] == "chronic").to_numpy()
    values = []
    for kept in (1.0, 0.5, 0.0):
        rows = ~chronic | (np.arange(len(cohort)) % 100 < 100 * kept)
        found = score(representation, cohort, cohort, cohort[rows], protected)
        values.append([found[f"representation_{name}"].value for name in ("distance", "smallest_ratio")])
    distances, ratios = np.array(values).T
    assert (np.diff(distances) > 0).all() and (np.diff(ratios) < 0).all() and ratios[-1] == 0


def test_a_group_of_noise_is_the_unfaithful_one(cohort, protected):
    made = make_cohort(600, seed=1)
    chronic = (made["group"] == "chronic").to_numpy()
    rng = np.random.default_rng(0)
    made.loc[chronic, ["age", "died"]] = np.column_stack(
        [rng.integers(18, 95, chronic.sum()), rng.integers(0, 2, chronic.sum())]
    )
    found = score(group_fidelity, cohort[:400], cohort[400:], made, protected)
    losses = {name: one.reference - one.value for name, one in found.items() if "[group=" in name}
    assert losses["group_fidelity[group=chronic]"] > losses["group_fidelity[group=acute]"] + 0.03
    assert found["group_fidelity_loss"].value >= losses["group_fidelity[group=chronic]"]


def test_a_lost_group_has_no_fidelity_and_nothing_protected_no_score(cohort, cohort_schema, protected):
    made = cohort[cohort["group"] == "acute"]
    found = score(group_fidelity, cohort[:400], cohort[400:], made, protected)
    assert np.isnan(found["group_fidelity[group=chronic]"].value)
    assert found["group_fidelity[group=acute]"].value > 0.5
    # all of it is lost, and not only what those that are left have lost
    assert found["group_fidelity_loss"].value == found["group_fidelity[group=chronic]"].reference > 0.5
    for metric in (representation, group_fidelity):
        assert score(metric, cohort[:400], cohort[400:], made, cohort_schema) == {}
        assert score(metric, cohort[:5], cohort[5:9], made, protected) == {}
