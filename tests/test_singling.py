"""Singling out: worked predicates, copies, and rows that know nothing."""

import numpy as np
import pandas as pd
import pytest
from leakage_tables import SIMPLE, draw_patients, simple_table

import synthlib as sl
from synthlib.evaluation.leakage.singling import AT_LEAST, EQUAL, OTHER, Predicate, singling_out


def run(synthetic, members, others, schema=SIMPLE, seed=0, **options):
    return singling_out(synthetic, members, others, schema, np.random.default_rng(seed), **options)


def test_predicates_on_four_rows():
    matrix = np.array([[1.0, 0], [2, 1], [np.nan, 1], [2, 0]])
    both = Predicate(((0, AT_LEAST, 2.0), (1, EQUAL, 1.0)))
    assert both.matches(matrix).tolist() == [False, True, False, False]
    assert Predicate(((0, EQUAL, np.nan),)).matches(matrix).tolist() == [False, False, True, False]
    assert Predicate(((0, OTHER, np.nan),)).matches(matrix).tolist() == [True, True, False, True]
    assert Predicate(((0, OTHER, 2.0),)).matches(matrix).tolist() == [True, False, False, False]


def test_singling_out_of_four_rows():
    # (5, a) counts once. Unique in the synthetic table are 1, 5 and 7, of which two are ends, and ward b. So
    # six predicates: = 1, <= 1, = 5, = 7, >= 7, ward b. Of the members one has 1 and one at least 7, none has
    # exactly 5 or 7, two are in ward b; of the others one has at most 1
    synthetic = simple_table([1, 5, 5, 7], "aaab")
    members, others = simple_table([1, 4, 8, 4], "aabb"), simple_table([0, 4, 4, 4], "aaaa")
    found = run(synthetic, members, others)
    assert (found.attack.sum(), found.control.sum(), len(found.attack)) == (3, 1, 6)
    assert len(set(found.who[0][found.attack])) == 2


def test_a_missing_value_can_single_out():
    synthetic, members = simple_table([np.nan, 5, 5, 5], "aaab"), simple_table([np.nan, 4, 4, 4], "aaaa")
    found = run(synthetic, members, simple_table([1, 2, 3, 4], "aaaa"))
    assert (found.attack.sum(), found.control.sum()) == (1, 0)


@pytest.fixture(scope="module")
def tables():
    return [draw_patients(300, seed) for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def schema(tables):
    return sl.Schema.infer(pd.concat(tables))


@pytest.mark.parametrize("num_columns", [1, 3])
def test_copies_single_out_and_the_more_the_worse(tables, schema, num_columns):
    members, others, fresh = tables
    won = []
    for leaked in (0, 150, 300):
        made = pd.concat([members[:leaked], fresh[leaked:]])
        found = run(made, members, others, schema, num_columns=num_columns)
        won.append(found.attack.mean() - found.control.mean())
    assert won[0] < won[1] < won[2]
    assert abs(won[0]) < 0.1
    assert found.attack.all()  # what is unique in a copy is unique in train


def test_members_against_themselves_is_no_risk(tables, schema):
    found = run(tables[2], tables[0], tables[0], schema, num_columns=2)
    assert (found.attack == found.control).all()


def test_rows_that_repeat_count_once(tables, schema):
    members, others, _ = tables
    assert run(pd.concat([members, members]), members, others, schema).attack.all()


def test_no_predicate_no_attempt():
    same = simple_table([1, 1, 2, 2], "abab")
    found = run(pd.concat([same] * 2), same, same)
    assert not len(found.attack)
