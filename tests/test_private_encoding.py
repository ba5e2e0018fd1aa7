"""States from the Schema and noisy counts: grids, bins, and what adding one patient changes."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import synthlib as sl
from synthlib.models.accounting import PrivacyError
from synthlib.models.private_encoding import (
    MOST_CELLS,
    RUN_COST,
    add_noise,
    make_encoder,
    make_grids,
    merge_cells,
    to_simplex,
)
from synthlib.models.secrecy import SecretRandom


@pytest.fixture(scope="module")
def schema(cohort_schema):
    return cohort_schema.replace("lab", low=0.1, high=20.0)


def count(schema, table):
    return [grid.count(table[grid.column.name]) for grid in make_grids(schema)]


def test_one_more_patient_changes_one_cell_of_each_grid_by_one(schema, cohort):
    before, after = count(schema, cohort[:-1]), count(schema, cohort)
    for one, other in zip(before, after, strict=True):
        assert one.sum() == len(cohort) - 1 and np.abs(other - one).sum() == 1


def test_grids_cover_every_value_that_the_schema_allows(schema):
    grids = {grid.column.name: grid for grid in make_grids(schema)}
    ages = pd.Series(np.arange(schema["age"].low, schema["age"].high + 1).astype("int64"))
    assert grids["age"].exact and len(set(grids["age"].place(ages))) == len(ages)
    ends = pd.Series([0.1, 20.0, np.nan])
    assert grids["lab"].place(ends).tolist() == [0, grids["lab"].num_cells - 2, grids["lab"].num_cells - 1]
    widths = np.diff(grids["lab"].edges)
    assert widths[-1] > 5 * widths[0] and len(widths) <= MOST_CELLS  # 200 times the lowest is the highest
    assert grids["disease"].num_cells == len(schema["disease"].categories)


def test_a_range_that_nobody_declared_and_several_rows_a_patient_are_refused(schema, cohort):
    with pytest.raises(PrivacyError, match="'lab': expected a public range"):
        make_grids(schema.replace("lab", high=None))
    table = cohort.assign(patient=np.arange(len(cohort)) // 2)
    with pytest.raises(PrivacyError, match="one row a patient"):
        make_grids(sl.Schema.infer(table, patient_id="patient"))


def test_an_encoder_of_counts_decodes_to_tables_of_the_schema(schema):
    table = make_cohort(4000, seed=3)
    table = table.assign(
        lab=table["lab"].clip(0.1, 20), age=table["age"].clip(schema["age"].low, schema["age"].high)
    )
    for scale in (0.0, 30.0):
        counts = [add_noise(one, scale, SecretRandom()) for one in count(schema, table)]
        encoder = make_encoder(schema, make_grids(schema), counts, scale, 12)
        states, positions = encoder.encode(table, np.random.default_rng(0))
        decoded = encoder.decode(states, positions)
        schema.check(decoded)
        assert all(span.num_states <= 18 for span in encoder.spans_)
        assert abs(decoded["lab"].corr(table["lab"]) - 1) < 0.02
        assert (decoded["lab"].isna() == table["lab"].isna()).all()
        assert abs(decoded["age"] - table["age"]).mean() < 0.5
        rng = np.random.default_rng(1)
        drawn = encoder.decode(states, rng.uniform(-1, 1, states.shape).astype(np.float32))
        schema.check(drawn)
        assert abs(drawn["lab"].median() - table["lab"].median()) < 0.15


def test_missing_is_a_state_wherever_the_schema_allows_it(schema, cohort):
    full = cohort.dropna()
    for table in (cohort, full):
        encoder = make_encoder(schema, make_grids(schema), count(schema, table), 1.0, 10)
        assert {span.name for span in encoder.spans_ if span.missing is not None} == {"lab"}


def test_levels_lost_in_the_noise_are_not_drawn(schema):
    grids = make_grids(schema)
    counts = [np.zeros(grid.num_cells) for grid in grids]
    number = [grid.column.name for grid in grids].index("disease")
    counts[number] = np.array([900.0, 20.0, 800.0, 3.0])
    span = make_encoder(schema, grids, counts, 30.0, 10).spans_[number]
    assert [level for (level,) in span.values] == [schema["disease"].categories[place] for place in (0, 2)]


def test_the_simplex_is_met_and_left_alone():
    noisy = np.random.default_rng(0).normal(5, 20, (6, 7))
    fitted = to_simplex(noisy, 210)
    assert fitted.min() >= 0 and fitted.sum() == pytest.approx(210) and (fitted == 0).any()
    np.testing.assert_allclose(to_simplex(fitted, 210), fitted)


@settings(deadline=None, max_examples=40)
@given(arrays(float, st.integers(1, 40), elements=st.integers(-100, 1000).map(float)), st.floats(0, 200))
def test_merging_keeps_sums_of_runs_and_costs_less_than_any_two_runs(noisy, scale):
    merged = merge_cells(noisy, scale)
    starts = np.flatnonzero(np.diff(merged, prepend=np.inf))
    runs = np.split(noisy, starts[1:])
    np.testing.assert_allclose([run.mean() for run in runs], merged[starts], atol=1e-6)

    def cost(parts):
        return sum(((part - part.mean()) ** 2).sum() + RUN_COST * scale**2 for part in parts)

    others = [[noisy], *([noisy[:cut], noisy[cut:]] for cut in range(1, len(noisy)))]
    assert all(cost(runs) <= cost(other) * (1 + 1e-9) + 1e-6 for other in others)


def test_cells_are_merged_where_noise_hides_them_and_kept_where_it_does_not():
    truth = np.repeat([0.0, 900.0, 5.0, 80.0], [40, 1, 60, 27])
    np.testing.assert_allclose(merge_cells(truth, 0.0), truth, atol=1e-9)
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(20):
        noisy = truth + rng.normal(0, 60, truth.size)
        merged = merge_cells(noisy, 60.0)
        assert merged[40] > 600  # the frequent value stays one
        errors.append(((merged - truth) ** 2).mean() / ((noisy - truth) ** 2).mean())
    assert np.mean(errors) < 0.4


def test_noisy_counts_are_whole_numbers():
    noisy = add_noise(np.arange(5000), 3.0, SecretRandom())
    assert (noisy == np.round(noisy)).all()
    assert np.std(noisy - np.arange(5000)) == pytest.approx(3, rel=0.1)
