"""Tables of which it is known what they leak."""

import numpy as np
import pandas as pd
import pytest
from leakage_tables import SIMPLE, draw_patients, simple_table

import synthlib as sl
from synthlib.evaluation.leakage import controls, privacy, suite


def test_perturbing_four_rows():
    table = simple_table([10, 20, 30, np.nan], ["a", "b", "a", None])
    found = controls.perturb(table, SIMPLE, np.random.default_rng(0), noise=0.01)
    assert (found["lab"] != table["lab"]).all()
    assert found["lab"].isna().tolist() == [False, False, False, True]
    assert found["lab"].tolist()[:3] == pytest.approx([10, 20, 30], abs=0.5)  # six deviations of 0.08
    assert found["ward"][:3].tolist() == ["b", "a", "b"]  # two levels: flipped is the other one
    assert found["ward"][3] in ("a", "b")


def test_no_noise_leaves_numbers_and_more_moves_them_further():
    table = draw_patients(100, 1)
    schema = sl.Schema.infer(table)
    far = []
    for noise in (0, 0.01, 1):
        found = controls.perturb(table, schema, np.random.default_rng(0), noise)
        far.append((found["lab_1"] - table["lab_1"]).abs().mean())
    assert far[0] == 0 < far[1] < far[2]


def test_one_level_of_each_row_is_another():
    table = draw_patients(100, 1)
    schema = sl.Schema.infer(table)
    found = controls.perturb(table, schema, np.random.default_rng(0))
    levels = ["ward", "sex", "died"]
    assert ((found[levels].astype(str) != table[levels].astype(str)).sum(axis=1) == 1).all()


def test_the_four_tables():
    members, rest = draw_patients(100, 1), draw_patients(150, 2)
    schema = sl.Schema.infer(pd.concat([members, rest]))
    found = controls.make_controls(members, rest, schema, np.random.default_rng(0))
    assert tuple(found) == controls.CONTROLS
    assert {name: len(table) for name, table in found.items()} == {
        "copy": 250,
        "leak": 152,
        "perturbed": 250,
        "fresh": 150,
    }
    pd.testing.assert_frame_equal(found["copy"], pd.concat([members, rest], ignore_index=True))
    pd.testing.assert_frame_equal(found["fresh"], rest)
    leaked = found["leak"][150:]
    assert len(leaked.merge(members)) == 2


def test_a_control_holds_no_more_rows_than_a_synthetic_table_and_members_in_their_share():
    members, rest = draw_patients(400, 1), draw_patients(3600, 2)
    schema = sl.Schema.infer(pd.concat([members, rest]))
    found = controls.make_controls(members, rest, schema, np.random.default_rng(0), most=1000)
    assert {len(table) for table in found.values()} == {1000}
    assert 60 < len(found["copy"].merge(members)) < 140
    assert not len(found["fresh"].merge(members)) and len(found["fresh"].merge(rest)) == 1000


def test_a_copy_too_large_to_be_looked_at_is_undecided_and_not_cleared(monkeypatch):
    """Of the copy that is judged one row in fifty is attacked; the control must be no easier."""
    for module in (suite, privacy):
        monkeypatch.setattr(module, "MAX_ROWS", 300)
    train, holdout = draw_patients(15_000, 1), draw_patients(600, 2)
    schema = sl.Schema.infer(pd.concat([train, holdout]))
    attacks = {"nearest": suite.ATTACKS["nearest"], "domias": suite.ATTACKS["domias"]}
    found = suite.leakage_report(
        train, holdout, train, schema, progress=False, attacks=attacks, secrets=[], max_targets=300
    )
    assert "not caught" not in set(found["conclusion"])
    assert "attacked 300 of 15,000 synthetic rows" in found.attrs["notes"]
    score, control = privacy.membership_attack(train, holdout, train, schema, np.random.default_rng(0))
    assert score.low < control.value < score.high
