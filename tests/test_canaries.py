"""Canaries: inside the schema, unlike everybody, and seen where they are copied."""

import numpy as np
import pandas as pd
import pytest
from leakage_tables import SIMPLE, draw_patients, simple_table

import synthlib as sl
from synthlib.evaluation.leakage.canaries import canary_scores, make_canaries


def test_four_canaries():
    # two ends and two levels: all four of them, unless a row of train is one
    train = simple_table([10, 20, 10, 5], "aaab")
    found = make_canaries(train, SIMPLE, 4, np.random.default_rng(0))
    assert sorted(zip(found["lab"], found["ward"], strict=True)) == [(0, "a"), (0, "b"), (30, "a"), (30, "b")]
    SIMPLE.check(found)
    taken = simple_table([0, 30, 10, 5], "aaab")
    with pytest.raises(ValueError, match="room for 4 different canaries, found 2"):
        make_canaries(taken, SIMPLE, 4, np.random.default_rng(0))


def test_canaries_are_tables_of_the_schema(tiny, tiny_schema):
    found = make_canaries(tiny, tiny_schema, 6, np.random.default_rng(0))
    tiny_schema.check(found)
    assert not found.duplicated().any()
    assert set(found["age"]) <= {tiny_schema["age"].low, tiny_schema["age"].high}


def test_canaries_have_rare_levels():
    train = draw_patients(300, 1)
    found = make_canaries(train, sl.Schema.infer(train), 30, np.random.default_rng(0))
    assert set(found["ward"]) == {"b", "c"}


def test_canaries_keep_rules():
    train = draw_patients(100, 1)
    train["lab_4"] = train["lab_1"] + 1
    schema = sl.Schema.infer(train).with_rules(sl.Inequality("lab_1", "lab_4"))
    found = make_canaries(train, schema, 10, np.random.default_rng(0))
    assert schema.find_violations(found)["violations"].sum() == 0


def test_ends_are_those_of_train_where_no_range_is_declared():
    columns = SIMPLE.replace("lab", low=None, high=None)
    train = simple_table([3, 4, 5, np.nan], "abab")
    found = make_canaries(train, columns, 2, np.random.default_rng(0))
    assert set(found["lab"]) <= {3.0, 5.0}


def test_the_more_copies_the_higher_the_score():
    train = draw_patients(100, 1)
    schema = sl.Schema.infer(train)
    canaries = make_canaries(train, schema, 3, np.random.default_rng(0))
    made = pd.concat([train, canaries[:1], canaries[:1], canaries[1:2]], ignore_index=True)
    found = canary_scores(made, canaries, schema)
    assert found[0] > found[1] > found[2]
    assert found[0] - found[1] == pytest.approx(np.log(2), abs=0.01)
