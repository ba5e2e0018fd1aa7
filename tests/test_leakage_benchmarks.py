"""What was measured of leakage: agreement with anonymeter, and intervals that hold the truth."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import anonymeter_comparison, leakage_coverage

FIGURES = ["attack", "control", "naive", "risk", "low", "high"]


def test_published_risks_agree_with_anonymeter():
    found = pd.read_csv(anonymeter_comparison.RESULTS)
    assert len(found) == 15
    assert found["agree"].all()


@pytest.mark.parametrize(
    ("theirs", "agree"),
    [((0.3, 0.1, 0.5), True), ((0.5, 0.45, 0.55), False), ((0.0, 0.0, 0.05), False)],
)
def test_figures_agree_where_intervals_overlap(theirs, agree):
    ours = [["copy", "linkability", 0.3, 0.1, 0.0, 0.25, 0.1, 0.4]]
    found = anonymeter_comparison.compare(ours, [["copy", "linkability", 0.3, 0.1, 0.0, *theirs]])
    assert found["agree"].tolist() == [agree]
    figures = [f"{part}_{whose}" for whose in ("ours", "theirs") for part in FIGURES]
    assert list(found.columns) == ["table", "attack", *figures, "agree"]


def test_below_nothing_is_nothing():
    """Anonymeter cuts risks off at 0, ours go below."""
    ours = [["fresh", "linkability", 0.1, 0.3, 0.0, -0.2, -0.3, -0.1]]
    found = anonymeter_comparison.compare(ours, [["fresh", "linkability", 0.1, 0.3, 0.0, 0.0, 0.0, 0.0]])
    assert found["agree"].tolist() == [True]


def test_tables_share_no_row_but_those_that_leak():
    table = pd.DataFrame({"row": np.arange(5000)})
    made = anonymeter_comparison.make_tables(table)
    members, others, fresh = (set(made[name]["row"]) for name in ("members", "others", "fresh"))
    assert not members & others and not members & fresh and not others & fresh
    assert len(members & set(made["leak"]["row"])) == 450


def test_published_intervals_hold_the_truth():
    found = pd.read_csv(leakage_coverage.RESULTS).set_index("what")
    assert (found.loc["holds the truth", "value"] >= 0.94).all()
    assert (found.loc["bound above epsilon", "value"] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1000)).all()
