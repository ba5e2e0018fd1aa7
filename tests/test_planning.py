"""Default thresholds: what planned numbers of patients can show, and that the power statement is true."""

import dataclasses

import numpy as np
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib import planning
from synthlib.evaluation.leakage import membership, suite
from synthlib.gate import judge
from synthlib.planning import Sizes, default_acceptance, lowest_rate, plan_attacks, plan_sizes
from synthlib.scores import Score, to_report
from synthlib.thresholds import check_power, parse_acceptance

LARGE = Sizes(1500, 1500, 0.25)
NUM = 300


def limits(sizes, population="all"):
    asked = plan_attacks(sizes)[0]
    return {one["metric"]: one["at_most"] for one in asked if one["population"] == population}


def test_the_numbers_are_those_that_attacks_ask_about():
    assert planning.RATES == membership.RATES and planning.MOST_ASKED == suite.MAX_TARGETS
    assert planning.MOST_ATTACKED == suite.MAX_ROWS
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


def test_the_leak_that_is_named_is_noticed_by_what_is_attacked_of_a_large_table():
    """Of 50,000 rows 20,000 are attacked: the leak that is told of the whole table is there in part."""
    sizes = plan_sizes(50_000, 2000)
    assert (sizes.shown, sizes.copied) == (0.4, 0.4)
    limit = planning.tpr_limit(sizes, 0.01)
    needed = planning.tpr_notices(sizes, 0.01, limit)
    whole = planning.whole_leak(needed, sizes)
    assert f"at 1.0% false alarms a leak of {whole:.1%}" in plan_attacks(sizes)[1]
    rng = np.random.default_rng(7)
    seen = rng.binomial(round(whole * sizes.members), sizes.shown, 2000)
    assert 0.85 < np.mean(seen >= needed * sizes.members) < 0.97
    assert planning.whole_leak(needed, LARGE) == pytest.approx(needed)


def test_a_control_of_which_little_is_attacked_is_not_needed():
    """Of a copy of 200,000 rows a tenth is attacked, which no AUROC tells from nothing."""
    found = [limits(plan_sizes(num, 50_000)) for num in (20_000, 200_000, 1_000_000)]
    assert len(found[0]) == 5 and set(found[1]) == {"membership_tpr1[*"} and not found[2]
    rng, sizes = np.random.default_rng(8), plan_sizes(200_000, 50_000)
    rates = [draw(sizes, round(sizes.copied * sizes.members), rng) for _ in range(20)]
    lows = [membership.true_positive_rate(*one, 0.01)[1] - 0.01 for one in rates]
    assert min(lows) > found[1]["membership_tpr1[*"]
    assert "no leak of rows that are there once" in plan_attacks(plan_sizes(20_000, 5000, 2000, 10**6))[1]


@pytest.mark.parametrize("num_synthetic", [1000, 20_001])
def test_what_is_attacked_is_told_in_per_cent(num_synthetic):
    text = plan_attacks(plan_sizes(30_000, 2000, num_synthetic=num_synthetic))[1]
    assert "100% of the synthetic ones" in text and "66.7% of a copy" in text


@pytest.mark.parametrize(("target", "protected", "needed"), [("died", ("group",), True), ("died", (), False)])
def test_fairness_must_be_measured_where_protected_columns_are_declared(target, protected, needed):
    schema = dataclasses.replace(sl.Schema.infer(make_cohort(60), target=target), protected=protected)
    acceptance = default_acceptance(schema, 200_000, 50_000)
    asked = [one for one in acceptance["thresholds"] if one["metric"].startswith("fairness_")]
    assert len(asked) == 2 and all(("if_measured" not in one) == needed for one in asked)
    assert ("protected columns are declared (group)" in acceptance["power"]) == needed
    report = to_report([Score("exact_copies", 0.0, 0.0, 0.0, 0.0)])
    told = [one for one in judge(report, acceptance).results if one["threshold"] in asked]
    assert [(one["outcome"], one["is_excused"]) for one in told] == [("not measured", not needed)] * 2


def test_no_fairness_is_asked_of_a_target_of_many_levels():
    schema = dataclasses.replace(sl.Schema.infer(make_cohort(60), target="disease"), protected=("group",))
    acceptance = default_acceptance(schema, 200_000, 50_000)
    assert not [one for one in acceptance["thresholds"] if one["metric"].startswith("fairness_")]
    power = default_acceptance(schema, 200, 50)["power"] + acceptance["power"]
    assert power.count("fairness, which is measured where the target has two levels") == 2
    assert "the fairness of a single attribute" not in power


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
