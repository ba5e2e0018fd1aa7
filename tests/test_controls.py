"""Tables of which it is known what they leak."""

import numpy as np
import pandas as pd
import pytest
from leakage_tables import SIMPLE, draw_patients, simple_table

import synthlib as sl
from synthlib.evaluation.leakage import controls


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
