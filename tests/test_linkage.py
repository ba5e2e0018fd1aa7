"""Linkability and inference from the closest row: worked rows, copies, and rows that know nothing."""

import numpy as np
import pandas as pd
import pytest
from leakage_tables import SIMPLE, draw_patients, simple_table

import synthlib as sl
from synthlib.evaluation.leakage import linkage


def run(attack, synthetic, members, others, schema=SIMPLE, **options):
    return attack(synthetic, members, others, schema, np.random.default_rng(0), **options)


def test_gower_distances_of_four_rows():
    # numbers lie within 30: 10 from 0 is a third; a missing number is 1 from any other and 0 from its like
    points = simple_table([0, 10, 30, np.nan], ["a", "b", "a", None])
    _, found = next(linkage.gower_blocks(points, simple_table([0, np.nan], "ab"), SIMPLE.modelled))
    assert found == pytest.approx(np.array([[0, 1 / 3 + 1, 1, 2], [2, 1, 2, 1]]), abs=1e-6)


def test_linkability_of_four_rows():
    # 1 and a lead to the first row, 29 and b to the last; 1 and b to different ones
    synthetic = simple_table([0, 30], "ab")
    members, others = simple_table([1, 29, 1, 0], "abba"), simple_table([29], "a")
    found = run(linkage.linkability, synthetic, members, others, sides=(["lab"], ["ward"]))
    assert found.attack.tolist() == [True, True, False, True]
    assert found.control.tolist() == [False]


def test_inference_of_four_rows():
    # the ward of the closest lab; two are a, the closest of 20 and 29 is 30 in b
    synthetic = simple_table([0, 30], "ab")
    members = simple_table([1, 29, 20, 2], "aaba")
    found = run(linkage.nearest_inference, synthetic, members, simple_table([1], "b"), secret="ward")
    assert found.attack.tolist() == [True, False, True, True]
    assert found.control.tolist() == [False]


def test_a_number_is_right_within_five_percent():
    synthetic, members = simple_table([10, 20], "ab"), simple_table([10.4, 11, 20, np.nan], "aabb")
    found = run(linkage.nearest_inference, synthetic, members, members, secret="lab")
    assert found.attack.tolist() == [True, False, True, False]
    assert (found.attack == found.control).all()


@pytest.fixture(scope="module")
def tables():
    return [draw_patients(200, seed) for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def schema(tables):
    return sl.Schema.infer(pd.concat(tables))


@pytest.mark.parametrize(
    ("attack", "options"),
    [(linkage.linkability, {}), (linkage.nearest_inference, {"secret": "lab_1"})],
)
def test_copies_are_linked_and_the_more_the_worse(tables, schema, attack, options):
    members, others, fresh = tables
    won = []
    for leaked in (0, 100, 200):
        made = pd.concat([members[:leaked], fresh[leaked:]], ignore_index=True)
        found = run(attack, made, members, others, schema, **options)
        won.append(found.attack.mean() - found.control.mean())
    assert won[0] < won[1] < won[2]
    assert abs(won[0]) < 0.1
    assert won[2] > 0.8


def test_more_neighbours_link_more(tables, schema):
    members, others, fresh = tables
    found = [run(linkage.linkability, fresh, members, others, schema, num_neighbours=num) for num in (1, 20)]
    assert found[0].attack.sum() < found[1].attack.sum()
    assert found[0].naive.mean() < found[1].naive.mean()


def test_blocks_do_not_change_what_is_closest(monkeypatch, tables, schema):
    whole = run(linkage.linkability, *tables, schema)
    monkeypatch.setattr(linkage, "BLOCK_CELLS", 1)
    assert (run(linkage.linkability, *tables, schema).attack == whole.attack).all()


def test_one_column_has_no_two_sides():
    schema = sl.Schema(SIMPLE.columns[:1])
    table = simple_table([1, 2], "ab")[["lab"]]
    assert not len(run(linkage.linkability, table, table, table, schema).attack)
