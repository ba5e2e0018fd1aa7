"""Groups served alike: worked by hand, identity, an injustice that grows, small groups that stay hidden."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import synthlib as sl
from synthlib.evaluation.fairness import gaps
from synthlib.evaluation.fairness.gaps import _by_group, _gap, explain_fairness, fairness, worst_groups
from synthlib.evaluation.fairness.groups import Partition
from synthlib.evaluation.fairness.representation import representation
from synthlib.scores import to_report


@pytest.fixture(scope="module")
def protected(cohort_schema):
    return dataclasses.replace(cohort_schema, protected=("group",))


def score(*tables, seed=0):
    return {one.metric: one for one in fairness(*tables, np.random.default_rng(seed))}


def test_two_groups_by_hand(monkeypatch):
    monkeypatch.setattr("synthlib.evaluation.fairness.gaps.SMALL_CELL", 1)
    truth = np.array([1, 1, 0, 0] * 2)
    risk = np.array([0.9, 0.2, 0.8, 0.1, 0.9, 0.8, 0.2, 0.1])
    groups = np.repeat([0, 1], 4)
    partition = Partition("sex", ("f", "m"), (groups, groups), 0)
    found = _by_group(partition, truth, risk, 0.5, np.ones((1, 8)), np.arange(8))
    # women: of pairs 0.9 beats both, 0.2 beats 0.1 only; men: all
    assert found["auroc"][:, 0] == pytest.approx([0.75, 1.0])
    # above one half: one of two dead women and one of two living; both dead men and none of the living
    assert found["tpr"][:, 0] == pytest.approx([0.5, 1.0])
    assert found["fpr"][:, 0] == pytest.approx([0.5, 0.0])
    assert found["brier"][:, 0] == pytest.approx([(2 * 0.01 + 2 * 0.64) / 4, (2 * 0.01 + 2 * 0.04) / 4])
    assert found["calibration"][:, 0] == pytest.approx([0, 0])
    assert _gap(found, "odds") == pytest.approx([0.5]) and _gap(found, "auroc") == pytest.approx([0.25])


def test_train_itself_amplifies_nothing(cohort, protected):
    found = score(cohort[:400], cohort[400:], cohort[:400], protected)
    for name, one in found.items():
        if "amplification" in name:
            assert one.value == one.low == one.high == one.reference == 0
        else:
            assert one.value == one.reference and one.low <= one.value <= one.high
    assert {"fairness_auroc[group=acute]", "fairness_odds_gap[group]", "worst_group_auroc"} <= set(found)


def test_an_injustice_is_found_and_grows(protected):
    """Deaths of the acutely ill are taken out of the synthetic rows: their risks come out too low."""
    train, holdout = make_cohort(1200, seed=2), make_cohort(600, seed=3)
    rng, values = np.random.default_rng(0), []
    acute = (train["group"] == "acute").to_numpy()
    for share in (0.0, 0.4, 0.9):
        spared = acute & (rng.random(len(train)) < share)
        made = train.assign(died=np.where(spared, 0, train["died"]))
        found = score(train, holdout, made, protected)
        values.append(found["fairness_calibration_amplification[group]"])
    assert values[0].value == 0 < values[1].value < values[2].value
    assert values[2].low > 0
    assert found["fairness_calibration[group=acute]"].high < 0
    worst = worst_groups(to_report(found.values())).set_index("score")
    assert worst.loc["fairness_calibration", "group"] == "group=acute"


def test_the_worst_attribute_is_told_where_a_mean_hides_it(monkeypatch):
    """One attribute's gap grows by 0.5, the other's shrinks by 0.4, their pair's stays."""
    table = make_cohort(600, seed=2)
    schema = sl.Schema.infer(table, target="died", protected=["group", "disease"])
    differ = {("group", 1): 0.5, ("disease", 0): 0.4}  # of which attribute, by which model: real, made

    def by_group(partition, truth, predicted, cut, weights, units):
        values = np.zeros((len(partition.groups), len(weights)))
        values[0] = differ.get((partition.name, int(predicted[0])), 0.0)
        return dict.fromkeys(("auroc", "brier", "calibration", "tpr", "fpr"), values)

    monkeypatch.setattr(gaps, "_by_group", by_group)
    monkeypatch.setattr(gaps, "predict_alike", lambda *_: (np.zeros(600), np.ones(600)))
    found = score(table, table, table, schema)
    for name in ("auroc", "brier", "calibration", "odds"):
        of_attributes = [found[f"fairness_{name}_amplification[{one}]"].value for one in ("group", "disease")]
        assert of_attributes == [0.5, -0.4]
        assert found[f"fairness_{name}_amplification"].value < 0.1
        assert found[f"fairness_{name}_amplification_worst"].value == 0.5
    monkeypatch.setattr(gaps, "LARGE_SHARE", 0.9)  # no two groups are as large
    assert np.isnan(score(table, table, table, schema)["fairness_brier_amplification_worst"].value)


def test_the_worst_group_is_named_by_its_level(cohort, protected):
    made = cohort[~((cohort["group"] == "chronic") & (np.arange(len(cohort)) % 2 == 0))]
    rng = np.random.default_rng(0)
    report = to_report(representation(cohort, cohort, made, protected, rng))
    assert worst_groups(report)["group"].tolist() == ["group=chronic"]
    assert worst_groups(report[:0]).empty


def test_numbers_have_errors_and_no_odds(cohort):
    schema = sl.Schema.infer(cohort, target="lab", protected=["disease"])
    found = score(cohort[:400], cohort[400:], make_cohort(400, seed=1), schema)
    assert "fairness_mae_amplification" in found and "fairness_mae[disease=sepsis]" in found
    assert not any("odds" in name or "auroc" in name for name in found)
    assert not any("rare" in name for name in found)  # of whom there are fewer than eleven


def test_what_is_left_out_is_explained(cohort, cohort_schema, protected):
    tables = cohort[:400], cohort[400:], cohort[:400]
    assert score(*tables, cohort_schema) == {}
    assert "no protected" in explain_fairness(*tables, cohort_schema)[0]
    few = cohort[:5], cohort[5:10], cohort[:5]
    assert score(*few, protected) == {} and "no two groups" in explain_fairness(*few, protected)[0]
    by_disease = dataclasses.replace(cohort_schema, protected=("disease",))
    assert explain_fairness(*tables, by_disease) == [
        "fairness: groups of too few patients are merged: disease (2)"
    ]
    assert explain_fairness(*tables, protected) == []
    for target, said in ((None, "names no target"), ("disease", "not two levels but 4: disease")):
        other = dataclasses.replace(protected, target=target)
        assert score(*tables, other) == {}
        assert any("no model is tried" in note and said in note for note in explain_fairness(*tables, other))


def test_groups_without_rates_and_columns_without_groups_are_named(cohort, cohort_schema):
    table = cohort.assign(day=pd.Timestamp("2001-02-03"), one="a")
    columns = (
        *cohort_schema.columns,
        sl.Column("day", "datetime", "datetime64[ns]"),
        sl.Column("one", "categorical", categories=("a", "b")),
    )
    schema = sl.Schema(columns, target="died", protected=("group", "day", "one"))
    chronic = table.index[table["group"] == "chronic"]
    table.loc[chronic, "died"] = (np.arange(len(chronic)) % 20 == 0).astype(int)  # few have the event
    tables = table[:400], table[400:], table[:400]
    assert "fairness_auroc[group=chronic]" not in score(*tables, schema)
    assert explain_fairness(*tables, schema) == [
        "fairness: no groups are formed by dates, and by numbers without declared ends: day",
        "fairness: fewer than two groups of 11 patients or more, so left out: one",
        "fairness: no AUROC and no odds of groups with fewer than 11 patients with the event, or without it: "
        "group (1), group × one (1)",
    ]


def test_no_interval_leaves_its_scale(protected):
    for seed in range(3):
        table = make_cohort(240, seed)
        noise = table.sample(frac=1, random_state=seed).reset_index(drop=True)
        for name, one in score(
            table[:120], table[120:], table[:120].assign(died=noise["died"]), protected
        ).items():
            ends = (-2, 2) if "calibration" in name else (-1, 1)
            assert np.isnan(one.low) or ends[0] <= one.low <= one.high <= ends[1], name


values = st.one_of(st.none(), st.sampled_from(["a", "b"]))
few_rows = st.lists(st.tuples(values, values, st.sampled_from([0, 1, None])), min_size=1, max_size=40)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(few_rows, few_rows, few_rows)
@pytest.mark.filterwarnings("error")
def test_any_small_table_of_levels_is_scored_or_left_out(train, holdout, synthetic):
    schema = sl.Schema(
        (
            sl.Column("sex", "categorical", categories=("a", "b"), nullable=True),
            sl.Column("race", "categorical", categories=("a", "b"), nullable=True),
            sl.Column("died", "boolean", "float64", categories=(0, 1), nullable=True),
        ),
        target="died",
        protected=("sex", "race"),
    )
    tables = [pd.DataFrame(rows, columns=["sex", "race", "died"]) for rows in (train, holdout, synthetic)]
    for table in tables:
        table["died"] = table["died"].astype(float)
    for metric in (fairness, representation):
        for one in metric(*tables, schema, np.random.default_rng(0)):
            assert not one.low > one.value and not one.high < one.value
