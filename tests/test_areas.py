"""What metrics are about: each name falls under one row, controls find their attacks."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthlib import areas
from synthlib.areas import (
    AREAS,
    HEADLINES,
    find_control,
    find_measure,
    fits,
    is_control,
    is_published,
    may_fit,
)

WORDS = st.text("ab[*", max_size=6)


def test_the_table_is_whole():
    patterns = [measure.pattern for measure in AREAS]
    assert len(set(patterns)) == len(patterns)
    for place, measure in enumerate(AREAS):
        assert measure.area in areas.NAMES and measure.better in ("higher", "lower", "closer")
        assert measure.label and measure.question
        assert not measure.is_headline or "*" not in measure.pattern
        assert find_measure(measure.pattern.replace("*", "")) in AREAS[: place + 1]
    assert set(areas.QUESTIONS) == set(areas.NAMES)
    assert next(iter(HEADLINES)) == "marginal_accuracy_1way"


@pytest.mark.parametrize(
    ("metric", "area", "better"),
    [
        ("ks[age]", "fidelity", "lower"),
        ("missing_rate_difference[lab]", "fidelity", "closer"),
        ("tstr_auroc_gap_forest", "usefulness", "higher"),
        ("tstr_auroc_forest", "usefulness", "higher"),
        ("tstr_brier_forest", "usefulness", "lower"),
        ("tstr_mae_forest", "usefulness", "lower"),
        ("tstr_rmse_forest", "usefulness", "lower"),
        ("tstr_r2_forest", "usefulness", "higher"),
        ("km_max_distance", "usefulness", "lower"),
        ("km_mean_difference", "usefulness", "closer"),
        ("relation_coverage", "fidelity", "higher"),
        ("relation_slope", "fidelity", "closer"),
        ("membership_tpr1[domias,exposed]", "leakage", "lower"),
        ("singling_out_risk[univariate]", "leakage", "lower"),
        ("inference_risk[died]", "leakage", "lower"),
        ("inference_overlap", "usefulness", "higher"),
        ("fairness_auroc_amplification", "fairness", "lower"),
        ("fairness_odds_gap[sex]", "fairness", "lower"),
        ("representation[sex=f]", "fairness", "closer"),
        ("invalid_share", "validity", "lower"),
    ],
)
def test_a_metric_falls_under_its_row(metric, area, better):
    measure = find_measure(metric)
    assert (measure.area, measure.better) == (area, better)


def test_a_metric_that_nobody_knows_has_none():
    assert find_measure("nobody_knows") is None
    assert not is_published("nobody_knows[age]") and is_published("nobody_knows")


def test_brackets_are_literal():
    assert fits("ks[age]", "ks[*]") and fits("ks[age]", "ks[age]")
    assert not fits("ksa", "ks[age]") and not fits("ks[age]x", "ks[age]")


@given(WORDS, WORDS)
def test_patterns_fit_as_globs_do(name, pattern):
    assert fits(name, pattern) == fnmatchcase(name, pattern.replace("[", "[[]"))


@given(WORDS.map(lambda text: text.replace("*", "")), st.data())
def test_two_patterns_that_one_name_fits_overlap(name, data):
    def loosen(text):
        ends = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        return text[: ends[0]] + "*" + text[ends[1] :]

    assert areas._overlap(loosen(name), loosen(name)) and areas._overlap(name, loosen(name))


def test_patterns_that_no_name_fits_do_not_overlap():
    assert not areas._overlap("a*", "b*") and not areas._overlap("*a", "*b") and not areas._overlap("a", "ab")
    assert may_fit("membership_*") and may_fit("*_risk") and not may_fit("accuracy")


@pytest.mark.parametrize(
    ("metric", "control"),
    [
        ("membership_auroc", "membership_auroc_control"),
        ("membership_auroc[domias]", "membership_auroc_control[domias]"),
        ("membership_auroc[domias]", "membership_auroc[domias,control]"),
        ("membership_tpr1[domias,exposed]", "membership_tpr1_control[domias]"),
    ],
)
def test_an_attack_finds_its_control(metric, control):
    assert is_control(control) and not is_control(metric)
    assert find_control(metric, {metric, control, "other_control"}) == control
    assert find_control(metric, {metric, "membership_control"}) is None
    assert find_control(control, {metric, control}) is None
