"""Who is exposed: four worked rows, a tenth of everybody, and never by train."""

import numpy as np
import pandas as pd
import pytest
from leakage_tables import SIMPLE, draw_patients, simple_table

import synthlib as sl
from synthlib.evaluation.leakage import exposure


def test_exposure_of_four_rows():
    # three in ward a, one in b. With one added, a level's share among the other rows is 3 / 5 for an a and
    # 1 / 5 for the b, which surpasses three and half of itself, 3.5 / 4. The three are tied with all in their
    # lab, 2 / 4. Asked about, a further b has 2 / 5 and surpasses three, a further a has 4 / 5 and surpasses
    # none; in its lab, all five are alike, against four for the reference's own
    reference = simple_table([10, 10, 10, 10], "aaab")
    own, asked = exposure.exposure(reference, simple_table([10, 10], "ab"), SIMPLE)
    assert own == pytest.approx([2 / 4] * 3 + [3.5 / 4])
    assert asked == pytest.approx([0, 3 / 4])


@pytest.fixture(scope="module")
def tables():
    return draw_patients(400, 1), draw_patients(2000, 2)


@pytest.fixture(scope="module")
def schema(tables):
    return sl.Schema.infer(pd.concat(tables))


def test_about_a_tenth_is_exposed(tables, schema):
    assert 0.05 < exposure.most_exposed(*tables, schema).mean() < 0.16


def test_rare_levels_and_odd_values_are_exposed(tables, schema):
    reference, targets = tables
    odd = targets[:50].copy()
    odd[[f"lab_{number}" for number in range(4)]] = 9.0
    assert exposure.most_exposed(reference, odd, schema).all()
    rare = exposure.most_exposed(reference, targets, schema)
    assert rare[targets["ward"] == "c"].mean() > 2 * rare[targets["ward"] == "a"].mean()


def test_the_odder_the_more_exposed(tables, schema):
    reference, targets = tables
    found = []
    for shift in (0, 1.5, 6):
        moved = targets[:200].copy()
        moved["lab_1"] += shift
        found.append(exposure.exposure(reference, moved, schema)[1].mean())
    assert found[0] < found[1] < found[2]


def test_columns_of_many_levels_make_no_more_pairs_than_there_are_rows():
    """Counting every pair of a million levels that there could be would take terabytes."""
    first, second = (np.array([0, 10**6, 7]), np.array([10**6])), (np.array([10**6, 3, 3]), np.array([10**6]))
    own, asked = exposure._cross(first, second)
    assert len({*own.tolist(), *asked.tolist()}) == 4 and max(own.max(), asked.max()) == 3


def test_the_reference_alone_decides(tables, schema):
    """Whoever else is asked about makes no difference."""
    reference, targets = tables
    whole = exposure.most_exposed(reference, targets, schema)
    assert (exposure.most_exposed(reference, targets[:100], schema) == whole[:100]).all()


def test_small_groups_of_quasi_identifiers_are_exposed():
    reference = pd.DataFrame({"age": [30, 80] * 50, "sex": ["f", "m"] * 50, "lab": np.arange(100) % 7})
    schema = sl.Schema.infer(reference, quasi_identifiers=["age", "sex"])
    targets = pd.DataFrame({"age": [30, 30], "sex": ["f", "m"], "lab": [3, 3]})
    assert exposure.most_exposed(reference, targets, schema).tolist() == [False, True]


def test_nobody_is_exposed_among_nine(tables, schema):
    assert not exposure.most_exposed(tables[0][:9], tables[1][:20], schema).any()
