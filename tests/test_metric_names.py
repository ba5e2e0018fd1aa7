"""Names of metrics whose columns have any name: no text in brackets changes who is judged, or by what."""

import math

import pandas as pd
import pytest
from conftest import make_cohort
from hypothesis import given
from hypothesis import strategies as st

import synthlib as sl
from synthlib.areas import POPULATIONS, Name, find_control, find_measure, is_control, outline, read_name
from synthlib.evaluation.leakage.suite import add_leakage, leakage_report
from synthlib.gate import judge
from synthlib.planning import Sizes, default_acceptance, plan_attacks
from synthlib.release import public_report
from synthlib.scores import Score, to_report

ODD = ["control", "copy", "exposed", "a,exposed", "x]", "worst", "sure", "a,control", "exposed_dose", "*",
       "\\", "a\\,exposed", "[", "_control", "x],exposed", ",", "a_gap", "died"]  # fmt: skip
COLUMN = st.one_of(st.sampled_from(ODD), st.text("ab,\\[]*_ exposdcntrl", min_size=1, max_size=14))
POPULATION = st.sampled_from(["", *POPULATIONS])
STEM = st.sampled_from(["attribute_risk", "attribute_gain", "inference_gain", "membership_auroc"])


@given(STEM, COLUMN, POPULATION, st.booleans())
def test_a_name_is_read_as_it_was_written(stem, column, population, is_a_control):
    name = Name(stem, column, population, is_a_control)
    assert read_name(str(name)) == name
    assert is_control(str(name)) == is_a_control
    assert find_measure(str(name)) == find_measure(str(name._replace(about="a")))
    assert outline(str(name)) == outline(str(name._replace(about="a")))


@given(STEM, COLUMN, COLUMN, POPULATION, POPULATION)
def test_two_names_are_never_one(stem, one, other, first, second):
    same = (one, first) == (other, second)
    assert (str(Name(stem, one, first)) == str(Name(stem, other, second))) == same


@given(STEM, COLUMN, POPULATION)
def test_an_attack_finds_its_own_control(stem, column, population):
    attack = str(Name(stem, column, population))
    own, of_all = (str(Name(stem, column, p, True)) for p in (population, ""))
    others = {str(Name(stem, f"{column}z", population, True)), attack}
    assert find_control(attack, {own, *others}) == own
    assert find_control(attack, {of_all, *others}) == of_all
    assert find_control(attack, others) is None


def test_linkability_names_no_column():
    assert read_name("linkability_risk[exposed]") == Name("linkability_risk", "", "exposed")
    assert str(Name("linkability_risk", "", "exposed", True)) == "linkability_risk_control[exposed]"
    assert read_name("attribute_risk[exposed]") == Name("attribute_risk", "exposed")


@given(COLUMN)
def test_a_secret_is_judged_whatever_its_column_is_called(column):
    """The default thresholds, and the older ones that except what has `exposed` in its name."""
    default = [one for one in plan_attacks(Sizes(2000, 2000, 0.5))[0] if one["metric"] == "attribute_gain*"]
    older = {key: value for key, value in default[0].items() if key != "population"} | {"except": "*exposed*"}
    caught = Score(str(Name("attribute_gain", column, "", True)), 0.9, 0.8, 1.0, 0.0)
    scores = [Score(str(Name("attribute_gain", column)), 0.9, 0.8, 0.95, 0.0), caught]
    for threshold in (default[0], older):
        assert judge(to_report(scores), {"thresholds": [threshold]}).results[0]["outcome"] == "failed"
        fine = [scores[0]._replace(value=0.0, low=-0.01, high=0.01), caught]
        exposed = scores[0]._replace(metric=str(Name("attribute_gain", column, "exposed")))
        assert judge(to_report([*fine, exposed]), {"thresholds": [threshold]}).outcome == "passed"


def test_the_most_exposed_are_judged_by_thresholds_of_their_own():
    asked = [one for one in plan_attacks(Sizes(2000, 2000, 0.5))[0] if one["population"] == "exposed"]
    threshold = next(one for one in asked if one["metric"] == "membership_auroc*")
    scores = [
        Score("membership_auroc[a]", 0.9, 0.88, 0.92, 0.5),
        Score("membership_auroc_control[a]", 1.0, 0.95, 1.0, 0.5),
        Score("membership_auroc[a,exposed]", 0.5, 0.45, 0.55, 0.5),
    ]
    for exposed, expected in (
        (scores[2], "passed"),
        (scores[2]._replace(value=1, low=0.9, high=1), "failed"),
    ):
        (told,) = judge(to_report([*scores[:2], exposed]), {"thresholds": [threshold]}).results
        assert (told["measured"], told["outcome"]) == ("membership_auroc[a,exposed]", expected)


@pytest.mark.parametrize("secret", ["control", "a,exposed", "x]"])
def test_attacks_on_such_columns_reach_the_gate(secret):
    table = make_cohort(160).rename(columns={"died": secret})
    schema = sl.Schema.infer(table, target=secret)
    train, holdout = (table[rows].reset_index(drop=True) for rows in (slice(100), slice(100, 160)))
    few = {"max_targets": 30, "secrets": [secret], "attacks": {}, "progress": False}
    found = leakage_report(train, holdout, train, schema, **few)
    report = public_report(add_leakage(to_report([Score("exact_copies", 1, 1, 1, 0)]), found))
    told = {"metric": "attribute_risk*", "population": "all", "worst": True, "at_most": -2.0}
    (result,) = judge(report, {"thresholds": [told]}).results
    assert read_name(result["measured"]) == Name("attribute_risk", secret) and result["num_fitting"] == 1
    assert not math.isnan(result["control"])


@given(st.sampled_from([math.inf, -math.inf]), st.sampled_from(Score._fields[1:]))
def test_an_infinite_number_is_refused(number, field):
    score = Score("exact_copies", 0.0, 0.0, 0.0, 0.0)._replace(**{field: number})
    with pytest.raises(ValueError, match="an infinite exact_copies"):
        judge(pd.DataFrame([score]), {"thresholds": [{"metric": "exact_copies", "at_most": 0.5}]})


def test_the_defaults_can_be_parsed_for_odd_columns():
    table = make_cohort(60).rename(columns={"died": "exposed", "lab": "control"})
    assert default_acceptance(sl.Schema.infer(table, target="exposed"))["thresholds"]
