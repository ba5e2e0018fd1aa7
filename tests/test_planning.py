"""Default thresholds: what planned numbers of patients can show, and that the power statement is true."""

import numpy as np
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib import planning
from synthlib.evaluation.leakage import membership, suite
from synthlib.planning import Sizes, default_acceptance, lowest_rate, plan_attacks, plan_sizes
from synthlib.thresholds import check_power, parse_acceptance

LARGE = Sizes(1500, 1500, 0.25)
NUM = 300


def limits(sizes, population="all"):
    asked = plan_attacks(sizes)[0]
    return {one["metric"]: one["at_most"] for one in asked if one["population"] == population}


def test_the_numbers_are_those_that_attacks_ask_about():
    assert planning.RATES == membership.RATES and planning.MOST_ASKED == suite.MAX_TARGETS
    table = make_cohort(90)
    schema = sl.Schema.infer(table, target="died")
    for train, holdout, most in ((table[:60], table[60:], 2000), (table[:60], table[60:], 20)):
        world = suite.make_world(train, holdout, schema, np.random.default_rng(0), max_targets=most)
        planned = plan_sizes(len(train), len(holdout), most)
        assert (planned.members, planned.others) == (len(world.members), len(world.others))


def test_a_rate_needs_ten_false_positives():
    assert [lowest_rate(others) for others in (99, 100, 999, 1000, 9999, 10_000)] == [
        None, 0.1, 0.1, 0.01, 0.01, 0.001,
    ]  # fmt: skip


def test_more_patients_are_asked_for_less():
    """No limit gets laxer with more patients, and what could not be asked of few can be of many."""
    few, some, many = (limits(Sizes(n, n, 0.5)) for n in (60, 600, 2000))
    assert set(few) < set(some) < set(many) or set(some) <= set(many)
    assert all(many[metric] <= some[metric] for metric in some if metric in many)
    assert many["membership_auroc*"] == 0.55 and many["membership_tpr1[*"] == 0.03


def draw(sizes, leaked, rng):
    members, others = rng.normal(size=sizes.members), rng.normal(size=sizes.others)
    members[:leaked] += 100
    return members, others


def passes(sizes, leaked, limit, rate=0.01):
    rng = np.random.default_rng(5)
    highs = [membership.true_positive_rate(*draw(sizes, leaked, rng), rate)[2] for _ in range(NUM)]
    return np.mean(np.array(highs) - rate <= limit)


@pytest.mark.parametrize("sizes", [LARGE, Sizes(2000, 1821, 0.27), Sizes(1000, 1000, 0.1)])
def test_nothing_leaked_passes_and_the_leak_that_is_named_does_not(sizes):
    limit = planning.tpr_limit(sizes, 0.01)
    leak = planning.tpr_notices(sizes, 0.01, limit)
    assert passes(sizes, 0, limit) >= planning.MET - 0.02
    assert passes(sizes, round(leak * sizes.members), limit) <= 1 - planning.NOTICED + 0.05
    assert passes(sizes, round(0.5 * leak * sizes.members), limit) > 1 - planning.NOTICED + 0.05


def test_the_auroc_of_nothing_has_the_spread_that_is_planned_with():
    rng, half = np.random.default_rng(6), Sizes(LARGE.members // 2, LARGE.others // 2, 0.25)
    found = [membership._mean_auroc([draw(half, 0, rng)])[0] for _ in range(NUM)]
    assert np.std(found) == pytest.approx(planning.auroc_spread(LARGE), rel=0.15)
    _, low, high = membership._mean_auroc([draw(half, 0, rng) for _ in range(2)])
    assert (high - low) / 2 == pytest.approx(planning.Z * planning.auroc_spread(LARGE), rel=0.05)


@pytest.mark.parametrize("numbers", [(20, 5), (200, 50), (1000, 300), (7284, 1821), (200_000, 50_000)])
def test_what_is_not_judged_is_said(numbers):
    schema = sl.Schema.infer(make_cohort(60), target="died")
    acceptance = default_acceptance(schema, *numbers)
    check_power(acceptance)
    assert acceptance["planned"] == {"members": min(2000, numbers[0] // 2), "others": min(2000, numbers[1])}
    asked = {(one.metric, one.population) for one in parse_acceptance(acceptance)}
    of_all, _, rest = acceptance["power"].partition("measured and not judged: ")[2].partition(". ")
    of_few, _, rest = rest.partition("not judged either: ")[2].partition(". ")
    for metric, words in (
        ("membership_auroc*", "membership by AUROC"),
        ("linkability_risk*", "linkability"),
        ("inference_gain*", "guesses of a secret"),
    ):
        assert ((metric, "all") in asked) != (words in of_all)
        assert ((metric, "exposed") in asked) != (words in of_few)
    for metric, words in (
        ("tstr_calibration_slope_logistic", "calibration slope of logistic"),
        ("fairness_*_amplification_worst", "fairness of a single attribute"),
    ):
        assert ((metric, "") in asked) != (words in rest)
    assert "singling out" in rest and "calibration of other models" in rest


def test_the_most_exposed_are_judged_where_there_are_enough_of_them():
    assert not limits(Sizes(1000, 1000, 0.5), "exposed")
    assert limits(Sizes(2000, 1821, 0.27), "exposed") == {
        "membership_auroc*": 0.71,
        "linkability_risk*": 0.09,
    }
    assert "attribute_gain*" in limits(Sizes(20_000, 20_000, 0.5), "exposed")


def test_seed_and_attacks_are_declared():
    schema = sl.Schema.infer(make_cohort(60), target="died")
    told = default_acceptance(schema, 100, 50, max_targets=40, seed=7)
    assert told["evaluation"] == {"seed": 7, "attacks": True, "max_targets": 40}


def test_the_defaults_fit_the_target():
    table = make_cohort(60)
    whole, none, number = (sl.Schema.infer(table, target=target) for target in ("died", None, "lab"))
    metrics = [[one["metric"] for one in default_acceptance(s)["thresholds"]] for s in (whole, none, number)]
    assert "tstr_auroc_gap_*" in metrics[0] and "tstr_r2_*" in metrics[2]
    levels = sl.Schema.infer(table, target="disease")
    metrics.append([one["metric"] for one in default_acceptance(levels)["thresholds"]])
    assert [any("calibration" in name for name in one) for one in metrics] == [True, False, False, False]
    assert not any("fairness" in name for name in metrics[2])
    assert not any(name.startswith("tstr_") for name in metrics[1])
    for schema in (whole, none, number):
        found = parse_acceptance(default_acceptance(schema))
        assert all(threshold.why for threshold in found)
