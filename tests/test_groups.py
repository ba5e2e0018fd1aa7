"""Groups by protected attributes: everybody is in one, and none can be narrowed down to fewer than 11."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import synthlib as sl
from synthlib.evaluation.fairness.groups import (
    SMALL_CELL,
    _on_no_cycle,
    count_patients,
    merge_small,
    partitions,
)


def people(**counts):
    """A table with so many women and men of each race."""
    rows = [(sex, race) for key, count in counts.items() for sex, race in [key.split("_")] * count]
    return pd.DataFrame(rows, columns=["sex", "race"]).assign(died=0)


SCHEMA = sl.Schema(
    (
        sl.Column("sex", "categorical", categories=("female", "male")),
        sl.Column("race", "categorical", categories=("a", "b", "c"), nullable=True),
        sl.Column("died", "boolean", "int64", categories=(0, 1)),
    ),
    target="died",
    protected=("sex", "race"),
)


def test_large_groups_and_their_intersections():
    table = people(female_a=20, female_b=30, male_a=40, male_b=50)
    found = {one.name: one for one in partitions((table, table), table[:60], SCHEMA)}
    assert found["sex"].groups == ("sex=female", "sex=male")
    assert found["race"].groups == ("race=a", "race=b") and found["race"].num_merged == 0
    assert found["sex × race"].groups[0] == "sex=female × race=a" and len(found["sex × race"].groups) == 4
    assert [int(mask.sum()) for mask in found["sex × race"].masks(2)] == [20, 30, 10, 0]


def test_a_small_group_takes_the_next_smallest_with_it():
    # a: 100, b: 50, c: 3; were only c hidden, 153 less 150 would tell
    table = people(female_a=100, male_b=50, female_c=3)
    found = {one.name: one for one in partitions((table, table), table, SCHEMA)}["race"]
    assert found.groups == ("race=a", "race: smaller groups") and found.num_merged == 2
    assert [int(mask.sum()) for mask in found.masks(0)] == [100, 53]


def test_five_patients_form_no_groups():
    table = people(female_a=3, male_b=2)
    assert partitions((table, table), table, SCHEMA) == []


def test_one_group_only_is_no_partition():
    table = people(female_a=50)
    assert partitions((table, table), table, SCHEMA) == []


def test_a_group_that_is_small_in_the_holdout_alone_is_merged_too():
    train, holdout = people(female_a=50, male_a=50), people(female_a=30, male_a=9)
    assert partitions((train, holdout), train, SCHEMA) == []


def test_numbers_form_bands_that_the_schema_declares():
    ages = pd.DataFrame({"age": [19.0, 40, 60, 99, np.nan] * 20, "x": 1.0})
    columns = (
        sl.Column("age", "integer", "float64", low=20, high=100, decimals=0, nullable=True),
        sl.Column("x", "continuous", "float64"),
    )
    schema = sl.Schema(columns, protected=("age", "x"))
    (found,) = partitions((ages, ages), ages, schema)  # x has no declared ends
    assert found.groups == ("age=20–40", "age=40–60", "age=60–80", "age=80–100", "age missing")
    assert found.codes[0][:5].tolist() == [0, 1, 2, 3, 4]


def test_without_protected_columns_there_are_none():
    table = people(female_a=50, male_a=50)
    assert partitions((table, table), table, dataclasses.replace(SCHEMA, protected=())) == []


@given(
    st.integers(1, 4).flatmap(
        lambda columns: st.lists(
            st.lists(st.integers(0, 40), min_size=columns, max_size=columns), min_size=1, max_size=5
        )
    )
)
def test_no_line_gives_away_a_small_cell(rows):
    counts = np.array([rows, np.array(rows) + 3])
    merged = merge_small(counts)
    assert (counts[:, ~merged] >= SMALL_CELL).all()
    for axis in (1, 2):
        if counts.shape[axis] == 1:
            continue
        hidden = (counts * merged).sum(axis=axis)
        whole = merged.all(axis=axis - 1)
        assert ((hidden == 0) | (hidden >= SMALL_CELL) | whole).all()


def follow_from_the_sums(counts, merged):
    """The merged cells that the sums of lines and columns, and the cells that are shown, leave no choice."""
    cells = np.argwhere(merged)
    sums = np.zeros((sum(counts.shape), len(cells)))
    sums[cells[:, 0], range(len(cells))] = sums[len(counts) + cells[:, 1], range(len(cells))] = 1
    _, sizes, basis = np.linalg.svd(sums)
    free = basis[(sizes > 1e-9).sum() :]
    return [tuple(cell) for cell, moves in zip(cells, free.T, strict=True) if (np.abs(moves) < 1e-9).all()]


@given(
    st.tuples(st.integers(2, 4), st.integers(2, 4)).flatmap(
        lambda shape: st.lists(
            st.lists(st.integers(0, 30), min_size=shape[1], max_size=shape[1]),
            min_size=shape[0],
            max_size=shape[0],
        )
    )
)
def test_no_small_cell_follows_from_several_sums(rows):
    counts = np.array(rows)
    merged = merge_small(counts[None])
    if not merged.all():
        assert not [cell for cell in follow_from_the_sums(counts, merged) if 0 < counts[cell] < SMALL_CELL]


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=6))
def test_cells_on_no_cycle_are_those_that_follow_from_the_sums(hidden):
    hidden = np.array(hidden)
    assert list(map(tuple, np.argwhere(_on_no_cycle(hidden)))) == follow_from_the_sums(hidden, hidden)


def test_many_levels_are_looked_through_at_once(monkeypatch):
    """One look for cells on no cycle a round: one for each cell takes minutes where levels are many."""
    looks, inverse = [], np.linalg.pinv
    monkeypatch.setattr(np.linalg, "pinv", lambda *a, **k: looks.append(1) or inverse(*a, **k))
    rng = np.random.default_rng(0)
    shares = np.outer(rng.dirichlet(np.full(40, 0.5)), rng.dirichlet(np.full(20, 0.5)))
    counts = rng.multinomial(20_000, shares.ravel()).reshape(1, 40, 20)
    merge_small(counts)
    assert 1 <= len(looks) <= 10


def test_a_small_cell_behind_another_line_is_kept():
    # 4 is hidden beside 30, which is alone in its line: 90 - 60 gives the 30, and 34 - 30 the 4
    counts = np.array([[4, 60, 80], [30, 20, 40], [50, 70, 90]])
    naive = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=bool)
    assert (0, 0) in follow_from_the_sums(counts, naive)
    merged = merge_small(counts[None])
    assert follow_from_the_sums(counts, merged) == [] and merged.sum() == 4 and merged[1, 1]


def test_patients_are_counted_and_not_their_rows():
    table = people(female_a=40, male_b=40)
    table["patient"] = np.r_[np.arange(40), np.repeat([40, 41], 20)]  # two men with twenty rows each
    columns = (sl.Column("patient", "identifier", "int64"), *SCHEMA.columns)
    schema = dataclasses.replace(SCHEMA, columns=columns, patient_id="patient")
    assert partitions((table, table), table, schema) == []
    assert {one.name for one in partitions((table, table), table, SCHEMA)} == {"sex", "race", "sex × race"}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=30))
def test_each_patient_counts_once_in_a_group(rows):
    codes, units = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    expected = [len({unit for code, unit in rows if code == group}) for group in range(4)]
    assert count_patients(codes, units, 4).tolist() == expected


def test_no_two_groups_or_attributes_have_one_name():
    rng = np.random.default_rng(0)
    names = {"a=b": ("c", "d"), "a": ("b=c", "b=d"), "a × a=b": ("x", "y")}
    table = pd.DataFrame({name: rng.choice(levels, 900) for name, levels in names.items()})
    table["number"] = rng.integers(1_000_000, 1_000_011, 900)
    columns = [sl.Column(name, "categorical", categories=levels) for name, levels in names.items()]
    columns.append(sl.Column("number", "integer", "int64", low=1_000_000, high=1_000_010))
    schema = sl.Schema(tuple(columns), protected=(*names, "number"))
    found = partitions((table, table), table, schema)
    groups = [name for one in found for name in one.groups]
    assert len(set(groups)) == len(groups) and len({one.name for one in found}) == len(found) == 10
    assert "number=1000000–1000002" in groups
    assert [one.num_attributes for one in found] == [1] * 4 + [2] * 6


@pytest.mark.parametrize("broken", [None, "measles"])
def test_synthetic_values_that_cannot_be_are_counted_as_missing(broken):
    real = people(female_a=60, male_a=60, female_b=60)
    real.loc[real.index[::4], "race"] = None
    made = real.assign(race=pd.Series([broken] * len(real), dtype=object))
    found = {one.name: one for one in partitions((real, real), made, SCHEMA)}["race"]
    assert int(found.masks(2)[found.groups.index("race missing")].sum()) == len(made)
