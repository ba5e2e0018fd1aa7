"""What the page says of a score and of an area: no word that the numbers do not bear, nothing left out."""

import math
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthlib.gate import judge
from synthlib.paper.findings import find_all, judge_areas, rate
from synthlib.paper.page import render_page
from synthlib.scores import Score, to_report

NAN = math.nan
BETTER = ("lower", "higher", "closer")
SCORES = [
    Score("membership_auroc", 0.52, 0.49, 0.54, 0.5),
    Score("membership_auroc_control", 0.8, 0.78, 0.82, 0.5),
    Score("invalid_share", 0.0002, 0.0, 0.001, 0.0),
    Score("ks[age]", 0.2, 0.1, 0.3, 0.05),
]
ATTACKED = {"metric": "membership_auroc", "at_most": 0.55, "bound": "high"}


@pytest.fixture(scope="module")
def report():
    return to_report(SCORES)


@given(st.lists(st.floats(-2, 2).map(lambda x: round(x, 3)), min_size=4, max_size=4), st.sampled_from(BETTER))
def test_worse_and_better_mean_that_the_interval_leaves_the_reference_out(numbers, better):
    low, value, high = sorted(numbers[:3])
    badness = rate(Score("x", value, low, high, numbers[3]), better)
    inside = low <= numbers[3] <= high
    assert abs(badness) <= 1 + 1e-6 if inside else abs(badness) >= 1 - 1e-6


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ((0.2, 0.1, 1.0, 0.9), "told from"),
        ((0.2, 0.1, 0.8, 0.9), "Worse"),
        ((0.95, 0.92, 1.0, 0.9), "Better"),
    ],
)
def test_a_wide_end_of_an_interval_counts_on_its_side(score, expected):
    (found,) = find_all(to_report([Score("inference_overlap", *score)]))
    assert expected in found.reading


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ((1.0, 0.9, 1.1, 0.6), -4),  # right risks beside a real model whose risks are too extreme
        ((0.6, 0.5, 0.7, 1.0), 4),
        ((1.4, 1.3, 1.5, 0.6), 0),  # as far off on the other side
        ((1.4, NAN, NAN, 0.6), 0),
    ],
)
def test_what_is_nearer_to_the_ideal_is_better_than_the_reference(score, expected):
    assert rate(Score("x", *score), "closer", 1.0) == pytest.approx(expected)
    (found,) = find_all(to_report([Score("tstr_calibration_slope_boosting", *score)]))
    assert found.badness == pytest.approx(expected)
    assert ("Better" in found.reading, "Worse" in found.reading) == (expected < -1, expected > 1)


def test_every_number_of_an_attack_stands_in_the_table_and_none_beyond_the_paper(report):
    """A table that scrolls sideways is cut off in print."""
    numbers = {"value": [0.2], "low": [0.1], "high": [0.3], "on_copy": [0.9]}
    page = render_page(
        report, leakage=pd.DataFrame({"attack": ["near"], "conclusion": ["caught"], **numbers})
    )
    attacks = page.partition('id="attacks"')[2].partition("</section>")[0]
    assert 'class="scroll"' not in attacks and "0.200 (0.100 to 0.300)" in attacks
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)', attacks)
    assert heads == ["Attack", "Conclusion", "Found (95% interval)", "On known tables", "Plot"]
    odd = pd.DataFrame({"attack": ["a"], "population": ["sure"], "tried": [0.25], "blind_to": ["leak"]})
    shown = render_page(to_report(SCORES), leakage=odd)
    assert "population sure" in shown and "tried 0.250" in shown and "blind to leak" in shown


def test_copies_alone_do_not_pass_for_leakage(report):
    """Too few patients for any threshold on attacks must not look as if attacks had found nothing."""
    fine = to_report([Score("exact_copies", 0.0, 0.0, 0.01, 0.0), *SCORES])
    gate = judge(fine, {"thresholds": [{"metric": "exact_copies", "at_most": 0.01}]})
    (leakage,) = [one for one in judge_areas(find_all(fine, gate), gate) if one.area == "leakage"]
    assert gate.outcome == "passed" and leakage.outcome == "not measured"
    page = render_page(fine, gate=gate)
    assert page.count("No threshold is about an attack.") == 2 and "All 1 thresholds" in page
    both = [{"metric": "exact_copies", "at_most": 0.01}, ATTACKED]
    gate = judge(fine, {"thresholds": both})
    (leakage,) = [one for one in judge_areas(find_all(fine, gate), gate) if one.area == "leakage"]
    assert leakage.outcome == "passed" and not leakage.remark


def test_what_was_excused_is_not_called_met(report):
    asked = [{"metric": "fairness_*", "worst": True, "at_most": 0.1, "if_measured": True}]
    nothing = render_page(report, gate=judge(report, {"thresholds": asked}))
    assert "All 0" not in nothing and "No threshold could be judged: it does not pass." in nothing
    asked.append({"metric": "invalid_share", "at_most": 0.1})
    page = render_page(report, gate=judge(report, {"thresholds": asked}))
    assert "All 1 thresholds that were declared are met. Of 1 that ask only for what is measured" in page


def test_a_column_that_nobody_has_a_value_of_is_named(report):
    lost = to_report([*SCORES, Score("ks[lost]", NAN, NAN, NAN, NAN)])
    columns = render_page(lost).partition('id="columns"')[2].partition("</section>")[0]
    assert "Not known, as a table has too few values: </strong><code>lost</code>" in columns
    assert "Not known" not in render_page(report).partition('id="columns"')[2].partition("</section>")[0]


def test_names_feign_no_other_text():
    """A right-to-left override turns what follows around; control characters do not show."""
    page = render_page(to_report([Score("ks[a\u202eb\x07\u200b]", 0.1, 0.0, 0.2, 0.1)]), notes=["\u2066x"])
    assert not set("\u202e\x07\u200b\u2066") & set(page)
    assert "a\\u202eb\\u0007\\u200b" in page and "\\u2066x" in page
    assert "Größe 漢字 é" in render_page(to_report([Score("ks[Größe 漢字 é]", 0.1, 0.0, 0.2, 0.1)]))
