"""The gate: what passes, what fails, and what says nothing, worked out beside each case."""

import json
import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthlib.gate import OUTCOMES, gate_outcome, judge
from synthlib.release import public_report
from synthlib.scores import Score
from synthlib.thresholds import acceptance_digest

NAN = math.nan
CAUGHT = Score("membership_auroc_control", 0.8, 0.75, 0.85, 0.5)
ATTACK = {"metric": "membership_auroc", "at_most": 0.55, "bound": "high"}


def outcome(scores, *thresholds):
    verdict = judge(pd.DataFrame(scores, columns=Score._fields), {"thresholds": list(thresholds)})
    return [one["outcome"] for one in verdict.results], verdict.outcome


@pytest.mark.parametrize(
    ("score", "threshold", "expected"),
    [
        (Score("membership_auroc", 0.52, 0.50, 0.54, 0.5), ATTACK, "passed"),
        (Score("membership_auroc", 0.52, 0.50, 0.55, 0.5), ATTACK, "passed"),  # 0.55 is at most 0.55
        (Score("membership_auroc", 0.52, 0.50, 0.5504, 0.5), ATTACK, "passed"),  # published as 0.55
        (Score("membership_auroc", 0.52, 0.50, 0.5506, 0.5), ATTACK, "inconclusive"),
        (Score("membership_auroc", 0.60, 0.56, 0.64, 0.5), ATTACK, "failed"),  # all of it is beyond
        (Score("membership_auroc", 0.60, 0.55, 0.64, 0.5), ATTACK, "inconclusive"),
        (Score("membership_auroc", 0.60, 0.50, 0.54, 0.5), ATTACK, "inconclusive"),  # beyond its own interval
        (Score("membership_auroc", 0.52, 0.50, 0.56, 0.5), ATTACK | {"bound": "value"}, "passed"),
        (Score("membership_auroc", NAN, NAN, NAN, 0.5), ATTACK, "inconclusive"),
        (Score("membership_auroc", 0.52, NAN, NAN, 0.5), ATTACK, "inconclusive"),
        (Score("dcr_share", 0.5, 0.4, 0.6, 0.5), ATTACK, "not measured"),
        (Score("dcr_share", 0.5, 0.4, 0.6, 0.5), ATTACK | {"if_measured": True}, "not measured"),
        # a gap of -0.03 whose low end is -0.06
        (Score("tstr_auroc_gap_boosting", -0.03, -0.06, 0, 0),
         {"metric": "tstr_auroc_gap_boosting", "at_least": -0.05, "bound": "low"}, "inconclusive"),
        (Score("tstr_auroc_gap_boosting", -0.08, -0.1, -0.06, 0),
         {"metric": "tstr_auroc_gap_boosting", "at_least": -0.05, "bound": "low"}, "failed"),
        (Score("tstr_auroc_gap_boosting", -0.03, -0.06, 0, 0),
         {"metric": "tstr_auroc_gap_boosting", "at_least": -0.05}, "passed"),
        # excess: lower is better, 0.004 - 0.001; higher, 0.93 - 0.90; closer, |0.42 - 0.5|
        (Score("exact_copies", 0.004, 0, 0.01, 0.001),
         {"metric": "exact_copies", "of": "excess", "at_most": 0.003}, "passed"),
        (Score("exact_copies", 0.004, 0, 0.01, 0.001),
         {"metric": "exact_copies", "of": "excess", "at_most": 0.002}, "failed"),
        (Score("marginal_accuracy_2way", 0.90, 0.85, 0.95, 0.93),
         {"metric": "marginal_accuracy_2way", "of": "excess", "at_most": 0.03}, "passed"),
        (Score("marginal_accuracy_2way", 0.90, 0.85, 0.95, 0.93),
         {"metric": "marginal_accuracy_2way", "of": "excess", "at_most": 0.05, "bound": "high"},
         "inconclusive"),
        (Score("marginal_accuracy_2way", 0.70, 0.65, 0.75, 0.93),
         {"metric": "marginal_accuracy_2way", "of": "excess", "at_most": 0.05, "bound": "high"}, "failed"),
        (Score("dcr_share", 0.42, 0.40, 0.44, 0.5),
         {"metric": "dcr_share", "of": "excess", "at_most": 0.05}, "failed"),
        (Score("dcr_share", 0.42, 0.40, 0.44, NAN),
         {"metric": "dcr_share", "of": "excess", "at_most": 0.05}, "inconclusive"),
    ],
)  # fmt: skip
def test_one_threshold(score, threshold, expected):
    assert outcome([score, CAUGHT], threshold)[0] == [expected]


@pytest.mark.parametrize(
    ("controls", "expected"),
    [
        ([CAUGHT], "passed"),
        ([], "inconclusive"),  # nobody knows whether it would have found anything
        ([CAUGHT._replace(low=0.54)], "inconclusive"),  # could be 0.54, which would pass
        ([CAUGHT._replace(value=0.5, low=0.45, high=0.55)], "inconclusive"),
        ([CAUGHT._replace(low=NAN, high=NAN)], "inconclusive"),
        ([CAUGHT._replace(metric="membership_auroc_control[other]")], "inconclusive"),
    ],
)
def test_an_attack_whose_control_is_not_caught_never_passes(controls, expected):
    attack = Score("membership_auroc", 0.5, 0.48, 0.52, 0.5)
    assert outcome([attack, *controls], ATTACK) == (
        [expected],
        "passed" if expected == "passed" else "failed",
    )


def test_an_attack_that_finds_members_fails_whatever_its_control():
    attack = Score("membership_auroc", 0.9, 0.88, 0.92, 0.5)
    assert outcome([attack], ATTACK)[0] == ["failed"]
    blind = Score("membership_auroc_control", 0.5, 0.45, 0.55, 0.5)
    assert outcome([attack, blind], ATTACK)[0] == ["failed"]


def test_a_blind_attack_is_left_out_beside_one_that_sees():
    """Neither does an attack that finds nothing anywhere spoil a verdict, nor does it earn one."""
    threshold = ATTACK | {"metric": "membership_auroc*", "worst": True}
    fine, weak = (Score(f"membership_auroc[{name}]", 0.5, 0.48, 0.52, 0.5) for name in ("fine", "weak"))
    sees = CAUGHT._replace(metric="membership_auroc_control[fine]")
    blind = Score("membership_auroc_control[weak]", 0.53, 0.51, 0.56, 0.5)
    verdict = judge(
        pd.DataFrame([fine, weak, sees, blind], columns=Score._fields), {"thresholds": [threshold]}
    )
    (told,) = verdict.results
    assert (told["measured"], told["outcome"]) == (fine.metric, "passed")
    assert told["blind"] == [weak.metric] and "left out: membership_auroc[weak]" in told["detail"]
    assert outcome([weak, blind], threshold)[0] == ["inconclusive"]
    found = weak._replace(value=0.7, low=0.65, high=0.75)
    assert outcome([fine, found, sees, blind], threshold)[0] == ["failed"]


def test_met_missed_and_inconclusive_are_told_apart():
    copies = {"metric": "exact_copies", "at_most": 0.5}
    wide = Score("membership_auroc", 0.52, 0.44, 0.6, 0.5)
    for scores, standing, passes in (
        ([wide._replace(low=0.5, high=0.54), CAUGHT, Score("exact_copies", 0, 0, 0, 0)], "met", (True, True)),
        ([wide, CAUGHT, Score("exact_copies", 0, 0, 0, 0)], "inconclusive", (False, True)),
        ([wide, CAUGHT, Score("exact_copies", 1, 1, 1, 0)], "missed", (False, False)),
        ([Score("exact_copies", 0, 0, 0, 0)], "inconclusive", (False, False)),  # the attack was not made
        ([wide, CAUGHT], "inconclusive", (False, False)),
    ):
        report = pd.DataFrame(scores, columns=Score._fields)
        for rule, passed in zip(("does not pass", "passes"), passes, strict=True):
            verdict = judge(report, {"thresholds": [ATTACK, copies], "inconclusive": rule})
            assert (verdict.standing, verdict.outcome == "passed") == (standing, passed)
            assert json.loads(verdict.to_json())["standing"] == verdict.describe()["standing"] == standing


def test_nothing_but_inconclusive_does_not_pass_even_where_that_passes():
    report = pd.DataFrame([Score("membership_auroc", 0.52, 0.44, 0.6, 0.5), CAUGHT], columns=Score._fields)
    assert judge(report, {"thresholds": [ATTACK], "inconclusive": "passes"}).outcome == "failed"


def test_the_worst_of_several_attacks_is_judged():
    scores = [
        *(
            Score(f"membership_auroc[{name}]", at, at - 0.01, at + 0.01, 0.5)
            for name, at in (("a", 0.5), ("b", 0.6))
        ),
        *(CAUGHT._replace(metric=f"membership_auroc_control[{name}]") for name in "ab"),
    ]
    threshold = ATTACK | {"metric": "membership_auroc*", "worst": True}
    verdict = judge(pd.DataFrame(scores, columns=Score._fields), {"thresholds": [threshold]})
    (told,) = verdict.results
    assert (told["measured"], told["outcome"], told["num_fitting"]) == ("membership_auroc[b]", "failed", 2)
    (told,) = judge(pd.DataFrame(scores[::2], columns=Score._fields), {"thresholds": [threshold]}).results
    assert (told["measured"], told["outcome"], told["control"]) == ("membership_auroc[a]", "passed", 0.8)


def test_what_is_exempt_is_not_judged():
    scores = [
        CAUGHT,
        Score("membership_auroc", 0.5, 0.48, 0.52, 0.5),
        Score("membership_auroc[a,exposed]", 1, 1, 1, 0),
    ]
    threshold = ATTACK | {"metric": "membership_auroc*", "worst": True}
    assert outcome(scores, threshold)[0] == ["failed"]
    assert outcome(scores, threshold | {"except": "*exposed*"})[0] == ["passed"]


def test_an_area_is_judged_by_what_is_worse_than_real_patients():
    threshold = {"area": "leakage", "worst": True, "of": "excess", "at_most": 0.05, "bound": "high"}
    fine = [Score("exact_copies", 0, 0, 0.01, 0), Score("membership_auroc", 0.5, 0.48, 0.52, 0.5), CAUGHT]
    assert outcome([*fine, Score("c2st_boosting", 1, 1, 1, 0.5)], threshold) == (["passed"], "passed")
    assert outcome([*fine, Score("dcr_share", 0.6, 0.5, 0.7, 0.5)], threshold) == (["inconclusive"], "failed")
    assert outcome([*fine, Score("dcr_share", 0.7, 0.6, 0.8, 0.5)], threshold) == (["failed"], "failed")
    assert outcome([*fine, Score("dcr_share", NAN, NAN, NAN, 0.5)], threshold) == (["inconclusive"], "failed")


def test_all_must_pass_but_what_is_asked_only_if_measured():
    scores = [Score("exact_copies", 0, 0, 0, 0)]
    copies = {"metric": "exact_copies", "at_most": 0}
    fairness = {"metric": "fairness_*", "worst": True, "at_most": 0.1, "if_measured": True}
    assert outcome(scores, copies)[1] == "passed"
    assert outcome(scores, copies, fairness) == (["passed", "not measured"], "passed")
    assert outcome(scores, copies, fairness | {"if_measured": False})[1] == "failed"
    assert outcome(scores, fairness)[1] == "failed"  # nothing was measured at all
    unfair = [*scores, Score("fairness_parity", 0.2, 0.1, 0.3, 0.0)]
    assert outcome(unfair, copies, fairness) == (["passed", "failed"], "failed")


def test_a_score_that_stands_twice_is_refused():
    """Else the last one counts, whatever the first one says."""
    failing, passing = (Score("exact_copies", value, value, value, 0.0) for value in (0.9, 0.0))
    twice = pd.DataFrame([failing, passing], columns=Score._fields)
    with pytest.raises(ValueError, match="several of exact_copies"):
        judge(twice, {"thresholds": [{"metric": "exact_copies", "at_most": 0.1}]})


def test_without_a_threshold_there_is_no_verdict():
    with pytest.raises(ValueError, match="got none"):
        judge(pd.DataFrame([CAUGHT], columns=Score._fields), "whatever it is")


NUMBER = st.one_of(st.floats(-2, 2), st.just(NAN))
NAMED = st.sampled_from(
    ["membership_auroc", "membership_auroc[a]", "exact_copies", "tstr_auroc_gap_x", "ks[age]"]
)
SCORES = st.lists(
    st.builds(Score, NAMED, *[NUMBER] * 4), min_size=1, max_size=6, unique_by=lambda one: one.metric
)
LIMITS = st.lists(
    st.fixed_dictionaries(
        {"metric": st.sampled_from(["membership_*", "exact_copies", "*"]), "worst": st.just(True),
         "at_most": st.floats(-2, 2), "bound": st.sampled_from(["value", "high"]),
         "of": st.sampled_from(["value", "excess"]), "if_measured": st.booleans()}
    ),
    min_size=1,
    max_size=3,
)  # fmt: skip


@given(SCORES, LIMITS)
def test_what_is_published_gives_the_same_verdict(scores, limits):
    report = pd.DataFrame(scores, columns=Score._fields)
    whole, public = (judge(each, {"thresholds": limits}) for each in (report, public_report(report)))
    assert whole.to_json() == public.to_json()
    assert all(one["outcome"] in OUTCOMES for one in whole.results)


@given(SCORES, LIMITS)
def test_gate_json_says_what_was_judged(scores, limits):
    acceptance = {"thresholds": limits}
    verdict = judge(pd.DataFrame(scores, columns=Score._fields), acceptance)
    told = json.loads(verdict.to_json())
    assert told["verdict"] == verdict.outcome == verdict.describe()["verdict"]
    assert told["acceptance_digest"] == acceptance_digest(told["acceptance"]) == acceptance_digest(acceptance)
    assert [one["threshold"] for one in told["results"]] == told["acceptance"]["thresholds"]


@given(SCORES, LIMITS)
def test_a_verdict_passes_only_if_each_threshold_does(scores, limits):
    verdict = judge(pd.DataFrame(scores, columns=Score._fields), {"thresholds": limits})
    if verdict.outcome == "passed":
        assert any(one["outcome"] == "passed" for one in verdict.results)
        for one, limit in zip(verdict.results, limits, strict=True):
            if one["outcome"] != "passed":
                assert one["outcome"] == "not measured" and limit["if_measured"]


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        ({"parameters": {}}, "none"),
        (None, "none"),
        ({"parameters": {"gate": {"verdict": "passed"}}}, "passed"),
        ({"parameters": {"gate": {"verdict": "failed"}}}, "failed"),
        ({"parameters": {"gate": {"verdict": "Passed"}}}, "failed"),
        ({"parameters": {"gate": "passed"}}, "failed"),
        ({"parameters": {"gate": {}}}, "failed"),
    ],
)
def test_what_a_manifest_says(manifest, expected):
    assert gate_outcome(manifest) == expected
