"""Thresholds as a protocol declares them: what can be read, and what is refused with a reason."""

import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.planning import default_acceptance
from synthlib.preregistration import write_protocol
from synthlib.thresholds import (
    acceptance_digest,
    check_power,
    judges_attacks,
    lets_pass,
    parse_acceptance,
)

GOOD = {"metric": "membership_auroc", "at_most": 0.55, "bound": "high"}


def one(**changes):
    return {"thresholds": [{k: v for k, v in (GOOD | changes).items() if v is not None}]}


def test_a_threshold_is_read():
    (found,) = parse_acceptance(one(why="a reason"))
    assert (found.metric, found.area, found.side, found.limit) == ("membership_auroc", "", "at_most", 0.55)
    assert (found.bound, found.of, found.worst, found.why) == ("high", "value", False, "a reason")
    assert found.words == "at most 0.55, also at the unfavourable end of the 95% interval"
    area = {"area": "leakage", "worst": True, "of": "excess", "at_most": 0}
    (found,) = parse_acceptance({"thresholds": [area], "choice": "least told apart"})
    assert found.target == "worst of area leakage"
    assert found.words == "worse than real patients by at most 0"


@pytest.mark.parametrize("acceptance", ["none: whatever it is", None, ["x"], {"ks": 0.1}, {}])
def test_words_declare_no_threshold(acceptance):
    assert parse_acceptance(acceptance) == ()


@pytest.mark.parametrize(
    ("acceptance", "said"),
    [
        ({"thresholds": []}, "at least one"),
        ({"thresholds": GOOD}, "a list"),
        ({"thresholds": ["membership_auroc < 0.55"]}, "threshold 1: expected an object, got str"),
        ({"threshold": [GOOD]}, "got threshold"),
        ({"Thresholds": [GOOD]}, "got Thresholds"),
        ({"thresholds": [GOOD], "limits": 1}, "got limits"),
        ({"thresholds": [GOOD], "inconclusive": "perhaps"}, "got 'perhaps'"),
        ({"thresholds": [GOOD], "power": ["much"]}, "power to be text"),
        ({"thresholds": [GOOD], "planned": {"members": -1}}, "numbers of patients"),
        ({"thresholds": [GOOD], "planned": 1000}, "numbers of patients"),
        ({"thresholds": [GOOD], "evaluation": 1000}, "expected evaluation to hold"),
        ({"thresholds": [GOOD], "evaluation": {"seed": True}}, "expected evaluation to hold"),
        ({"thresholds": [GOOD], "evaluation": {"seed": -1}}, "expected evaluation to hold"),
        ({"thresholds": [GOOD], "evaluation": {"secrets": 1}}, "expected evaluation to hold"),
        (one(population="rich"), "population to be one of all, exposed, sure"),
        (one(population=""), "population to be one of"),
        (one(limit=3), "got limit"),
        (one(at_most=None), "one of at_most and at_least, got 0"),
        (one(at_least=0.1), "one of at_most and at_least, got 2"),
        (one(at_most="0.55"), "a finite number, got '0.55'"),
        (one(at_most=True), "a finite number, got True"),
        (one(at_most=float("nan")), "a finite number, got nan"),
        (one(bound="low"), "shows nothing"),
        (one(bound="upper"), "expected bound to be one of"),
        (one(of="ratio"), "expected of to be one of"),
        (one(worst=1), "true or false"),
        (one(why=3), "why to be text"),
        (one(metric=None), "either a metric or an area"),
        (one(area="leakage"), "either a metric or an area"),
        (one(metric=None, area="privacy", worst=True, of="excess"), "expected an area of"),
        (one(metric=None, area="leakage", worst=True), "no scale in common"),
        (one(metric=None, area="leakage", of="excess"), "worst = true"),
        (one(metric="membership_*"), "worst = true"),
        (one(**{"except": "*exposed*"}), "beside worst = true"),
        (one(metric="accuracy"), "which none fits"),
        (one(metric="ks[age]"), "stay with the steward"),
        (one(metric="membership_auroc_control"), "got the control"),
        (one(of="excess", at_most=None, at_least=0, bound="low"), "counts what is worse"),
    ],
)
def test_what_could_not_be_judged_is_refused(acceptance, said):
    with pytest.raises(ValueError, match="expected") as caught:
        parse_acceptance(acceptance)
    assert said in str(caught.value)


def test_a_protocol_refuses_thresholds_that_nobody_could_judge_by():
    schema = sl.Schema.infer(make_cohort(60), target="died")
    models = [sl.IndependentMarginals(schema)]
    with pytest.raises(ValueError, match="which none fits"):
        write_protocol(schema, models, 0.2, 0, acceptance=one(metric="accuracy"))
    kept = write_protocol(schema, models, 0.2, 0, acceptance=default_acceptance(schema))
    assert kept.acceptance == default_acceptance(schema)


@pytest.mark.parametrize(
    ("acceptance", "attacks"),
    [
        (one(), True),
        ({"thresholds": [{"metric": "inference_gain*", "worst": True, "at_most": 0.1}]}, True),
        ({"thresholds": [{"area": "leakage", "worst": True, "of": "excess", "at_most": 0.1}]}, True),
        ({"thresholds": [{"metric": "exact_copies", "at_most": 0}]}, False),
        ({"thresholds": [{"metric": "inference_bias*", "worst": True, "at_most": 0}]}, False),
        ({"thresholds": [{"area": "fairness", "worst": True, "of": "excess", "at_most": 0.1}]}, False),
        ("whatever it is", False),
    ],
)
def test_thresholds_on_attacks_take_a_power_statement(acceptance, attacks):
    assert judges_attacks(acceptance) is attacks
    if attacks:
        for said in ({}, {"power": " "}):
            with pytest.raises(ValueError, match="what leak they would notice"):
                check_power(acceptance | said)
        check_power(acceptance | {"power": "a leak of one in ten, nine times in ten"})
    else:
        check_power(acceptance)


def test_a_protocol_without_its_power_statement_is_refused():
    schema = sl.Schema.infer(make_cohort(60), target="died")
    with pytest.raises(ValueError, match="expected power beside thresholds on attacks"):
        write_protocol(schema, [sl.IndependentMarginals(schema)], 0.2, 0, acceptance=one())


def test_what_is_inconclusive_passes_only_where_that_is_declared():
    assert [lets_pass(told) for told in (one(), one() | {"inconclusive": "does not pass"}, "words")] == [
        False
    ] * 3
    assert lets_pass(one() | {"inconclusive": "passes"})


def test_the_digest_is_of_the_canonical_json():
    assert acceptance_digest(one()) == acceptance_digest({"thresholds": [dict(reversed(GOOD.items()))]})
    assert acceptance_digest(one()) != acceptance_digest(one(at_most=0.56))
