"""States and positions come back as the values they stand for."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synthlib as sl
from synthlib.models.encoding import SpanEncoder


def there_and_back(table, seed=0, **options):
    schema = sl.Schema.infer(table, kinds=options.pop("kinds", None))
    encoder = SpanEncoder(schema, **options).fit(table)
    return schema, encoder, encoder.decode(*encoder.encode(table, np.random.default_rng(seed)))


def test_every_kind_comes_back_in_its_dtype(tiny, tiny_schema):
    encoder = SpanEncoder(tiny_schema, min_count=1).fit(tiny)
    decoded = encoder.decode(*encoder.encode(tiny, np.random.default_rng(0)))
    pd.testing.assert_frame_equal(decoded, tiny)


def test_frequent_values_are_atoms_and_come_back_exactly():
    rng = np.random.default_rng(0)
    values = np.where(rng.random(2000) < 0.3, 7.4, np.round(rng.normal(7.4, 0.1, 2000), 3))
    table = pd.DataFrame({"ph": values, "x": rng.integers(0, 2, 2000)})
    _, encoder, decoded = there_and_back(table)
    assert (7.4,) in encoder.spans_[0].values
    atom = table["ph"] == 7.4
    assert (decoded["ph"][atom] == 7.4).all()


def test_positions_are_uniform_whatever_the_shape():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"cost": np.exp(rng.normal(9, 1.5, 5000)).round(2), "x": rng.integers(0, 2, 5000)})
    schema = sl.Schema.infer(table)
    encoder = SpanEncoder(schema).fit(table)
    _, positions = encoder.encode(table, rng)
    shares = np.histogram(positions[:, 0], bins=10, range=(-1, 1))[0] / 5000
    assert np.abs(shares - 0.1).max() < 0.02


def test_missing_is_a_state_of_its_own(cohort, cohort_schema):
    encoder = SpanEncoder(cohort_schema).fit(cohort)
    states, positions = encoder.encode(cohort, np.random.default_rng(0))
    lab = next(span for span in encoder.spans_ if span.name == "lab")
    missing = cohort["lab"].isna().to_numpy()
    assert ((states[:, lab.index] == lab.missing) == missing).all()
    assert encoder.decode(states, positions)["lab"].isna().to_numpy().tolist() == missing.tolist()


def test_values_of_few_patients_are_not_reproduced():
    table = pd.DataFrame({"lab": [1.0] * 40 + [2.0] * 40 + [987.65], "level": ["a"] * 78 + ["only one"] * 3})
    _, _, decoded = there_and_back(table)
    assert 987.65 not in decoded["lab"].to_numpy()
    assert "only one" not in decoded["level"].to_numpy()


def test_a_column_of_many_levels_keeps_few_states():
    rng = np.random.default_rng(0)
    codes = np.array([f"C{number:04d}" for number in range(3000)])
    table = pd.DataFrame({"code": rng.choice(codes, 30000), "x": rng.integers(0, 2, 30000)})
    _, encoder, decoded = there_and_back(table, kinds={"code": "categorical"}, max_states=16)
    assert encoder.width == 16
    assert decoded["code"].nunique() > 2500
    assert (decoded["code"] == table["code"]).mean() > 0.9


def test_identifiers_are_new_numbers():
    table = pd.DataFrame({"mrn": ["K7", "K8", "K9"], "sex": ["f", "m", "f"]})
    schema = sl.Schema.infer(table, identifiers=["mrn"])
    encoder = SpanEncoder(schema).fit(table)
    decoded = encoder.decode(*encoder.encode(table, np.random.default_rng(0)))
    assert not set(decoded["mrn"]) & set(table["mrn"])
    assert decoded["mrn"].is_unique


def test_save_and_load_are_inverse(tmp_path, cohort, cohort_schema):
    encoder = SpanEncoder(cohort_schema).fit(cohort)
    encoder.save(tmp_path / "encoder.json")
    assert SpanEncoder.load(tmp_path / "encoder.json", cohort_schema).spans_ == encoder.spans_


numbers = st.lists(
    st.one_of(st.none(), st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 2))),
    min_size=3,
    max_size=60,
).filter(lambda values: any(value is not None for value in values))


@settings(max_examples=60, deadline=None)
@given(values=numbers, seed=st.integers(0, 5))
def test_numbers_stay_valid_and_near(values, seed):
    table = pd.DataFrame({"lab": pd.Series(values, dtype=float), "x": 0})
    table.loc[0, "x"] = 1
    schema, _, decoded = there_and_back(table, seed=seed, min_count=1)
    schema.check(decoded)
    kept = table["lab"].notna()
    assert (decoded["lab"].notna() == kept).all()
    if len(set(table["lab"][kept])) <= 24:
        np.testing.assert_allclose(decoded["lab"][kept], table["lab"][kept], atol=0.011)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=2, max_size=40).filter(lambda v: any(v)))
def test_levels_come_back(values):
    table = pd.DataFrame({"level": pd.Series(values, dtype=object), "x": 0})
    schema = sl.Schema.infer(table, kinds={"level": "categorical"})
    encoder = SpanEncoder(schema, min_count=1).fit(table)
    decoded = encoder.decode(*encoder.encode(table, np.random.default_rng(0)))
    pd.testing.assert_frame_equal(decoded, table.where(table.notna(), np.nan))


@pytest.mark.parametrize("spread", [1, 3])
def test_a_constant_column_survives(spread):
    table = pd.DataFrame({"flat": [3.5] * (8 * spread), "x": [0, 1] * (4 * spread)})
    _, _, decoded = there_and_back(table)
    assert (decoded["flat"] == 3.5).all()


def protected(values):
    """Many draws of a column that was learnt from these values."""
    table = pd.DataFrame({"x": values, "y": np.arange(len(values)) % 2})
    schema = sl.Schema.infer(table, kinds={"x": "continuous"})
    return sl.IndependentMarginals(schema).fit(table).sample(20_000)["x"]


@pytest.mark.parametrize("rare", [[15.37], [15.0] * 3 + [33.0] * 2 + [47.0]])
def test_rare_values_between_atoms_are_nobodys_state(rare):
    values = np.r_[np.repeat(np.arange(10.0, 60, 10), 100), rare]
    assert not protected(values).isin(rare).any()


def test_a_run_of_rare_values_is_no_grid_of_them():
    values = np.r_[np.repeat([10.0, 60.0], 200), np.repeat(np.linspace(20, 50, 9), 2).round(2)]
    drawn = protected(values)
    inside = drawn[(drawn > 10) & (drawn < 60)]
    assert inside.nunique() > 100 and inside.value_counts(normalize=True).max() < 0.1


def test_the_ends_of_a_column_are_no_patients_values():
    values = np.random.default_rng(0).lognormal(2, 1, 1000)
    drawn, ordered = protected(values), np.sort(values)
    assert not drawn.isin(values).any()
    assert ordered[4] <= drawn.min() <= ordered[8] and ordered[-9] <= drawn.max() <= ordered[-5]
