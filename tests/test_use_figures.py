"""Figures of attacks, groups, coefficients and case studies: what they show, and what they refuse."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from synthlib.evaluation.leakage.controls import CONTROLS
from synthlib.paper import figures
from synthlib.paper.style import OTHERS, STYLE

SCORE = ["metric", "value", "low", "high", "reference"]


def _leakage(worst=0.1):
    rows = []
    for attack, metric, made in (
        ("membership[nearest]", "membership_auroc[nearest]", 0.52),
        ("membership[nearest]", "membership_tpr1[nearest]", 0.02),
        ("linkability", "linkability_risk", worst),
    ):
        values = {"synthetic": made} | dict(zip(CONTROLS, (1.0, 0.6, 0.9, 0.5), strict=True))
        rows += [
            {"attack": attack, "population": "all", "table": table, "metric": metric, "value": value,
             "low": value - 0.05, "high": value + 0.05, "reference": 0.0, "conclusion": "not caught"}
            for table, value in values.items()
        ]  # fmt: skip
    return pd.DataFrame(rows)


def _groups(shift=0.0):
    rows = [
        ("representation[sex=female]", 0.01, 0.0, 0.02, 0.0),
        ("fairness_auroc[sex=female]", 0.8 + shift, 0.7, 0.9, 0.82),
        ("fairness_auroc[sex=male]", 0.7, 0.6, 0.8, 0.75),
        ("fairness_auroc[sex=male × race=black]", 0.1, 0.0, 0.8, 0.75),
        ("fairness_auroc_amplification[sex]", 0.05, -0.05, 0.1, 0.0),
    ]
    return pd.DataFrame(rows, columns=SCORE)


def _agreement():
    rows = [
        (term, rule, real, real - 0.1, real + 0.1, 0.2, 0.0, 0.4, covered, 2.0)
        for term, real in (("age", 0.1), ("sex=male", -0.5))
        for rule, covered in (("naive", 0.5), ("single", 1.0))
    ]
    names = ["term", "rule", "real", "real_low", "real_high", "synthetic", "synthetic_low", "synthetic_high"]
    return pd.DataFrame(rows, columns=[*names, "coverage", "width_ratio"])


def _cases():
    curve = {"time": [1.0, 2.0, 3.0], "at_risk": [90, 40, 5], "survival": [0.9, 0.5, 0.1]}
    curve = pd.DataFrame(curve | {"low": [0.8, 0.4, 0.0], "high": [1.0, 0.6, 0.3]})
    rates = {"start": [0, 0], "end": [30, 30], "table": ["train", "synthetic"]}
    rates |= {"rate": [2.0, 3.0], "low": [1.0, 2.0], "high": [3.0, 4.0]}
    effects = {"table": ["train", "synthetic", "synthetic_corrected"]}
    effects |= {"value": [0.1, 0.2, 0.2], "low": [0.0, 0.1, 0.0], "high": [0.2, 0.3, 0.4]}
    benefit = {"threshold": [0.1, 0.2] * 2, "strategy": ["train"] * 2 + ["nobody"] * 2}
    benefit |= {"net_benefit": [0.2, 0.1, 0.0, 0.0], "low": [0.1, 0.0, 0, 0], "high": [0.3, 0.2, 0, 0]}
    return {
        "disease prediction": pd.DataFrame(
            [("tstr_auroc_boosting", 0.8, 0.7, 0.9, 0.85), ("tstr_auroc_gap_boosting", -0.05, -0.1, 0, 0)],
            columns=SCORE,
        ),
        "survival": pd.concat([curve.assign(table=name) for name in ("train", "synthetic")]),
        "surveillance": pd.DataFrame(rates),
        "decision curve": pd.DataFrame(benefit),
        "trial": pd.DataFrame(effects | {"measure": "risk_difference"}),
        "pooling": pd.DataFrame(effects | {"centre": "pooled", "term": "age"}),
    }


DRAW = {
    "attacks_and_controls": lambda: figures.attacks_and_controls(_leakage(worst=-8.0)),
    "group_fairness": lambda: figures.group_fairness({"before": _groups(), "after": _groups(0.05)}),
    "coefficients": lambda: figures.coefficients(_agreement()),
    "case_studies": lambda: figures.case_studies(_cases()),
}


@pytest.mark.parametrize("name", DRAW)
@pytest.mark.filterwarnings("error")
def test_the_same_tables_give_the_same_bytes(name, tmp_path):
    found = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        figures.save(DRAW[name](), name, folder)
        found.append([(folder / f"{name}.{kind}").read_bytes() for kind in ("pdf", "png")])
    assert found[0] == found[1]


@pytest.mark.parametrize("name", DRAW)
def test_nothing_leaves_the_page(name):
    figure = DRAW[name]()
    with matplotlib.rc_context(STYLE):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        drawn, (width, height) = figure.get_tightbbox(canvas.get_renderer()), figure.get_size_inches()
    assert min(drawn.x0, drawn.y0) > -0.01 and drawn.x1 < width + 0.01 and drawn.y1 < height + 0.01


def _points(axes, colour):
    lines = [line for line in axes.get_lines() if line.get_marker() not in ("None", "", None)]
    return {
        float(line.get_xdata()[0]) for line in lines if to_hex(line.get_color()).upper() == colour.upper()
    }


def test_attacks_stand_beside_their_controls_and_say_what_came_of_them():
    auroc, tpr, risk = figures.attacks_and_controls(_leakage()).axes
    assert _points(auroc, figures.SYNTHETIC) == {0.52} and _points(auroc, "#000000") == {1.0}
    assert _points(auroc, OTHERS[1]) == {0.6} and _points(auroc, OTHERS[0]) == {0.9}
    assert _points(tpr, figures.SYNTHETIC) == {0.02} and _points(risk, figures.SYNTHETIC) == {0.1}
    assert [text.get_text() for text in auroc.get_yticklabels()] == ["nearest\nnot caught"]


def test_a_risk_far_below_zero_does_not_hide_the_others():
    risk = figures.attacks_and_controls(_leakage(worst=-8.0)).axes[2]
    assert risk.get_xlim()[0] == -1.0
    assert risk.get_xlabel() == "cut off at -1"


def test_attacks_need_a_number():
    with pytest.raises(ValueError, match="at least one attack"):
        figures.attacks_and_controls(_leakage().assign(value=np.nan))


def test_groups_before_and_after_share_an_axis_and_intersections_are_left_out():
    shares, auroc, amplified = figures.group_fairness({"before": _groups(), "after": _groups(0.05)}).axes
    assert [text.get_text() for text in auroc.get_yticklabels()] == ["sex=female", "sex=male"]
    assert _points(auroc, figures.SYNTHETIC) >= {0.8, 0.7}
    assert max(_points(auroc, OTHERS[0])) == pytest.approx(0.85)
    assert _points(shares, OTHERS[0]) == set()
    assert [text.get_text() for text in amplified.get_yticklabels()] == ["sex"]


@pytest.mark.parametrize("number", [0, 3])
def test_groups_of_no_or_three_reports_are_refused(number):
    with pytest.raises(ValueError, match=f"one report or two, got {number}"):
        figures.group_fairness({str(place): _groups() for place in range(number)})


def test_groups_are_needed():
    with pytest.raises(ValueError, match="protected groups"):
        figures.group_fairness({"one": _groups().head(0)})


def test_coefficients_begin_with_the_surest_and_show_coverage_by_rule():
    left, middle, right = figures.coefficients(_agreement()).axes
    assert [text.get_text() for text in left.get_yticklabels()] == ["sex=male", "age"]
    assert _points(left, figures.REAL) == {-0.5, 0.1}
    assert _points(middle, figures.SYNTHETIC) == {0.5} and _points(middle, OTHERS[0]) == {1.0}
    assert _points(right, OTHERS[0]) == {2.0}


def test_coefficients_need_a_term():
    with pytest.raises(ValueError, match="a term"):
        figures.coefficients(_agreement().assign(real=np.nan))


def test_cases_have_a_panel_each_and_no_curve_of_few_patients():
    drawn = figures.case_studies(_cases())
    assert [axes.get_title("left") for axes in drawn.axes] == list(_cases())
    survival = drawn.axes[1]
    assert max(line.get_xdata().max() for line in survival.get_lines()) == 2.0
    prediction = drawn.axes[0]
    assert [text.get_text() for text in prediction.get_yticklabels()] == ["boosting"]
    assert _points(prediction, figures.REAL) == {0.85}


@pytest.mark.parametrize("cases", [{}, {"astrology": pd.DataFrame()}])
def test_other_cases_are_refused(cases):
    with pytest.raises(ValueError, match="expected cases among"):
        figures.case_studies(cases)


def test_a_metric_that_is_no_headline_is_labelled_in_words(tmp_path):
    report = pd.DataFrame([("augmentation_gain_small_boosting", 0.03, 0.01, 0.05, 0.04)], columns=SCORE)
    (axes,) = figures.comparison({"one": report}, tuple(report["metric"])).axes
    assert "gain by adding" in axes.get_title("left")
