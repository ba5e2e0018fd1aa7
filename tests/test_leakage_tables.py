"""Several tables attacked beside the same controls, guesses gained, and the figure of the worst attacks."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.evaluation.leakage.risks import Trials, gain_score
from synthlib.evaluation.leakage.suite import add_leakage, leakage_report, leakage_reports
from synthlib.paper.attack_figures import worst_attacks
from synthlib.scores import Score, to_report

NEAR = {"max_targets": 40, "secrets": ["died"], "progress": False}


@pytest.fixture(scope="module")
def parts():
    table = make_cohort(240)
    schema = sl.Schema.infer(table, target="died")
    rows = [table.iloc[a:b].reset_index(drop=True) for a, b in ((0, 100), (100, 170), (170, 240))]
    return *rows, schema


@pytest.fixture(scope="module")
def reports(parts):
    train, holdout, fresh, schema = parts
    tables = {"copying": train, "fresh": fresh}
    return leakage_reports(train, holdout, tables, schema, 3, **NEAR)


def test_each_is_what_it_is_alone(parts, reports):
    train, holdout, fresh, schema = parts
    alone = leakage_report(train, holdout, fresh, schema, 3, **NEAR)
    pd.testing.assert_frame_equal(reports["fresh"], alone)
    assert reports["fresh"].attrs["notes"] == alone.attrs["notes"]
    assert "attacked 100 of 100" in reports["copying"].attrs["notes"][1]


def test_controls_are_the_same_beside_each(reports):
    numbers = ["attack", "population", "table", "metric", "value", "low", "high", "p_value"]
    both = [one[one["table"] != "synthetic"][numbers] for one in reports.values()]
    both = [one.sort_values(numbers[:4]).reset_index(drop=True) for one in both]
    pd.testing.assert_frame_equal(*both)
    assert (reports["copying"]["conclusion"] == "caught").any()


@pytest.mark.parametrize(("tables", "said"), [({}, "at least one"), ({"a": pd.DataFrame()}, "it lacks")])
def test_no_tables_and_no_columns_are_refused(parts, tables, said):
    with pytest.raises(ValueError, match=said):
        leakage_reports(*parts[:2], tables, parts[3])


def test_a_gain_is_the_difference_of_right_guesses():
    right, wrong = np.ones(10, bool), np.zeros(10, bool)
    half = np.arange(10) < 5
    gain = gain_score("g", Trials(right, half, wrong))
    assert gain.value == 0.5 and gain.low < 0.5 < gain.high <= 1 and gain.reference == 0
    # Newcombe's tenth method, worked out: 56 of 70 against 48 of 80 is 0.2, from 0.0524 to 0.3339
    shares = (np.arange(70) < 56, np.arange(80) < 48)
    gain = gain_score("g", Trials(*shares, wrong))
    assert (gain.low, gain.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert np.isnan(gain_score("g", Trials(right[:0], half, wrong)).value)


def test_a_gain_stays_narrow_where_a_risk_says_nothing():
    """Where nearly everybody's secret is guessed, the risk divides by next to nothing."""
    attack, control = np.arange(1000) < 991, np.arange(1000) < 990
    gain = gain_score("g", Trials(attack, control, control))
    assert gain.high - gain.low < 0.03


def test_gains_are_told_beside_risks_with_their_controls(reports):
    report = add_leakage(to_report([Score("exact_copies", 0, 0, 0, 0)]), reports["fresh"])
    names = set(report["metric"])
    for kind in ("inference", "attribute"):
        assert {f"{kind}_gain[died]", f"{kind}_gain_control[died]", f"{kind}_risk[died]"} <= names
        assert {f"{kind}_gain[died,exposed]", f"{kind}_gain_control[died,exposed]"} <= names
    assert not any("sure" in name for name in names if "_gain" in name)


def test_the_figure_has_the_worst_of_any_table(reports):
    figure = worst_attacks(reports, most=2)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert "who was in train: AUROC" in titles and "guesses of a secret gained" in titles
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    auroc = reports["copying"].query("table == 'synthetic' and population == 'all'")
    auroc = auroc[auroc["metric"].str.startswith("membership_auroc")].set_index("metric")["value"]
    assert len(labels) == 2 and f"membership_auroc[{labels[0].replace(' ', '_')}]" == auroc.idxmax()
    for wrong in ({}, dict.fromkeys("abcde", reports["fresh"])):
        with pytest.raises(ValueError, match="one to four"):
            worst_attacks(wrong)
