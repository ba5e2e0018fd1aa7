"""What is given is what comes back: values, distributions, partial rows; and what cannot be is refused."""

import re

import numpy as np
import pandas as pd
import pytest

import synthlib as sl
from synthlib.models.conditions import Condition, Conditions
from synthlib.models.encoding import SpanEncoder
from synthlib.models.synthesizer import SAMPLE_BATCH


@pytest.fixture(scope="module")
def marginals(cohort, cohort_schema):
    return sl.IndependentMarginals(cohort_schema).fit(cohort)


@pytest.fixture
def nullable_tiny(tiny, tiny_schema):
    """Every kind of column, and every one may be missing."""
    table = pd.concat([tiny] * 8, ignore_index=True)
    return sl.IndependentMarginals(tiny_schema).fit(table)


def punch(table, share, seed=0):
    """The table with a share of its cells missing, at random; numbers become floats where they must."""
    rng = np.random.default_rng(seed)
    return table.astype(object).mask(rng.random(table.shape) < share)


def assert_kept(partial, synthetic):
    """Every given cell is in the sample as it was given."""
    for name in partial:
        given = partial[name].notna()
        assert synthetic.loc[given.to_numpy(), name].tolist() == partial.loc[given, name].tolist(), name


def test_values_and_missing_ones_are_exact(marginals, cohort):
    synthetic = marginals.sample(300, given={"disease": "rare", "age": 77, "lab": None}, seed=1)
    assert (synthetic["disease"] == "rare").all()
    assert (synthetic["age"] == 77).all() and synthetic["age"].dtype == cohort["age"].dtype
    assert synthetic["lab"].isna().all()
    assert synthetic["died"].nunique() == 2


def test_a_value_comes_back_as_it_was_given_not_as_encoded(marginals, cohort):
    hundredths = np.arange(200, 500) / 100
    value = hundredths[~np.isin(hundredths, cohort["lab"])][0]  # between the values that were seen
    assert (marginals.sample(20, given={"lab": value})["lab"] == value).all()


def test_a_level_too_rare_to_be_drawn_can_be_given(cohort):
    train = cohort.copy()
    train.loc[:2, "disease"] = "unheard"
    schema = sl.Schema.infer(train, target="died")
    model = sl.IndependentMarginals(schema).fit(train)
    assert "unheard" not in set(model.sample(5000)["disease"])
    assert (model.sample(50, given={"disease": "unheard"})["disease"] == "unheard").all()


@pytest.mark.parametrize("num_rows", [10, 1000, 3 * SAMPLE_BATCH // 2])
def test_a_distribution_is_kept_to_a_row(marginals, num_rows):
    shares = {"sepsis": 3, "cancer": 1, "rare": 0}
    synthetic = marginals.sample(num_rows, given={"disease": shares}, seed=2)
    counts = synthetic["disease"].value_counts()
    assert set(counts.index) == {"sepsis", "cancer"}
    assert abs(counts["sepsis"] - 0.75 * num_rows) <= 1
    first = synthetic["disease"][: num_rows // 2] == "sepsis"
    assert num_rows < 100 or abs(first.mean() - 0.75) < 0.08  # in random order


def test_missing_has_its_share_in_a_distribution(marginals):
    lab = marginals.sample(1000, given={"lab": {None: 0.3, 2.5: 0.7}})["lab"]
    assert abs(lab.isna().sum() - 300) <= 1
    assert set(lab.dropna()) == {2.5}


def test_two_distributions_are_independent(marginals):
    given = {"disease": {"sepsis": 0.5, "cancer": 0.5}, "died": {0: 0.5, 1: 0.5}}
    synthetic = marginals.sample(4000, given=given, seed=3)
    both = ((synthetic["disease"] == "sepsis") & (synthetic["died"] == 1)).mean()
    assert abs(both - 0.25) < 0.04


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 1.0])
def test_partial_rows_keep_their_cells_and_their_order(marginals, cohort, share):
    partial = punch(cohort, share)
    synthetic = marginals.sample(given=partial, seed=4)
    assert len(synthetic) == len(cohort)
    assert (synthetic.dtypes == cohort.dtypes).all()
    marginals.schema.check(synthetic)
    assert_kept(partial, synthetic)


def test_partial_rows_of_every_kind_of_column(nullable_tiny, tiny):
    partial = punch(pd.concat([tiny] * 5), 0.5, seed=1)  # with an index that repeats
    synthetic = nullable_tiny.sample(given=partial, seed=5)
    nullable_tiny.schema.check(synthetic)
    assert_kept(partial, synthetic)


def test_partial_rows_may_be_some_columns_in_any_order(marginals, cohort):
    partial = cohort[["died", "disease"]].iloc[::-1]
    synthetic = marginals.sample(given=partial)
    assert list(synthetic.columns) == list(cohort.columns)
    assert_kept(partial, synthetic)


def test_a_missing_cell_is_drawn_not_kept(marginals):
    partial = pd.DataFrame({"lab": [np.nan] * 400, "died": [1] * 400})
    lab = marginals.sample(given=partial, seed=6)["lab"]
    assert 0.02 < lab.isna().mean() < 0.5


@pytest.mark.parametrize("num_rows", [1, SAMPLE_BATCH, SAMPLE_BATCH + 1, 2 * SAMPLE_BATCH + 500])
def test_a_sample_is_its_batches(marginals, num_rows):
    given = {"disease": {"sepsis": 0.5, "cancer": 0.5}, "died": 1}
    batches = list(marginals.sample_batches(num_rows, given, seed=7))
    assert [len(batch) for batch in batches[:-1]] == [SAMPLE_BATCH] * (len(batches) - 1)
    assert len(batches) == -(-num_rows // SAMPLE_BATCH)
    pd.testing.assert_frame_equal(
        marginals.sample(num_rows, given, seed=7), pd.concat(batches, ignore_index=True)
    )


def test_partial_rows_beyond_a_batch_keep_their_cells(marginals, cohort):
    partial = punch(pd.concat([cohort] * 20, ignore_index=True), 0.6, seed=2)
    synthetic = marginals.sample(given=partial, seed=8)
    assert len(synthetic) == 12_000
    assert_kept(partial, synthetic)
    once = synthetic["age"][:SAMPLE_BATCH][partial["age"].isna()[:SAMPLE_BATCH]]
    assert once.nunique() > 10


def test_identifiers_go_on_from_batch_to_batch(cohort):
    train = cohort.assign(patient=np.arange(len(cohort)) + 7)
    schema = sl.Schema.infer(train, target="died", patient_id="patient")
    synthetic = sl.IndependentMarginals(schema).fit(train).sample(SAMPLE_BATCH + 100)
    assert synthetic["patient"].is_unique


def encode_ages(model, ages):
    conditions = Conditions(model.schema, pd.DataFrame({"age": ages}), len(ages), seed=0)
    return conditions.encode(model.encoder_, 0, len(ages))


def test_a_row_is_encoded_by_its_own_cells_alone(cohort, cohort_schema):
    model = sl.IndependentMarginals(cohort_schema, max_states=6).fit(cohort)
    ages = cohort["age"].to_numpy(dtype=float)
    one, other = (
        encode_ages(model, ages),
        encode_ages(model, np.concatenate([ages[:300], ages[:300] * 0 + 60])),
    )
    age = cohort_schema.names.index("age")
    assert model.encoder_.has_position()[age].sum() > 1  # values that share a state, told apart by position
    for part in ("states", "positions", "mask"):
        np.testing.assert_array_equal(getattr(one, part)[:300], getattr(other, part)[:300])


def test_given_cells_decode_to_themselves(cohort, cohort_schema):
    encoder = SpanEncoder(cohort_schema, 6, min_count=1).fit(cohort)
    ages = cohort["age"]
    condition = Conditions(cohort_schema, cohort[["age"]], 600, seed=0).encode(encoder, 0, 600)
    assert condition.mask[:, 2].all() and condition.mask.sum() == 600
    decoded = encoder.decode(condition.states, condition.positions)["age"]
    assert (decoded == ages).all()


def test_imposing_replaces_the_given_cells_alone():
    mask = np.array([[True, False], [False, True]])
    condition = Condition(np.full((2, 2), 5, np.int32), np.full((2, 2), 0.5, np.float32), mask)
    states, positions = condition.impose(np.zeros((2, 2), np.int32), np.zeros((2, 2), np.float32))
    np.testing.assert_array_equal(states, [[5, 0], [0, 5]])
    np.testing.assert_array_equal(positions, [[0.5, 0], [0, 0.5]])
    np.testing.assert_array_equal(condition.take(np.array([1])).mask, [[False, True]])
    assert not Condition.nothing(3, 2).mask.any()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"diseases": "sepsis"}, "columns among disease, group, age, lab, died; got diseases"),
        ({"disease": "plague"}, "one of its 4 categories for 'disease'"),
        ({"age": 4000}, "whole numbers from .* to .* for 'age'"),
        ({"age": 40.5}, "whole numbers from .* to .* for 'age'"),
        ({"age": None}, "for 'age'"),
        ({"lab": "high"}, "numbers from .* to .* or None for 'lab'"),
        ({"lab": float("inf")}, "numbers from .* to .* or None for 'lab'"),
        ({"disease": {}}, "shares of at least 0 and above 0 in sum for 'disease'"),
        ({"disease": {"sepsis": -1, "cancer": 2}}, "shares of at least 0 .* for 'disease'"),
        ({"disease": {"sepsis": 0}}, "above 0 in sum for 'disease'"),
        ({"disease": {"sepsis": float("nan")}}, "shares of at least 0 .* for 'disease'"),
        ({"disease": {"sepsis": "half"}}, "shares of at least 0 .* for 'disease'"),
        ({"disease": {"sepsis": 0.5, "plague": 0.5}}, "one of its 4 categories for 'disease'"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_with_what_can(marginals, given, expected):
    with pytest.raises(ValueError, match=expected):
        marginals.sample(5, given=given)


@pytest.mark.parametrize(
    ("column", "secret"),
    [("disease", "mr-smith-1961"), ("age", 31_415), ("lab", "mr-smith"), ("died", 31_415)],
)
def test_errors_never_show_a_partial_row(marginals, cohort, column, secret):
    partial = punch(cohort[:30], 0.3)
    partial.loc[17, column] = secret
    with pytest.raises(ValueError, match=re.escape(repr(column))) as raised:
        marginals.sample(given=partial)
    shown = raised.value
    while shown is not None:
        assert str(secret) not in str(shown)
        shown = None if shown.__suppress_context__ else shown.__context__


def test_tables_that_are_no_partial_rows_are_refused(marginals, cohort):
    with pytest.raises(ValueError, match=r"20 rows.*got 600"):
        marginals.sample(20, given=cohort)
    with pytest.raises(ValueError, match=r"each column once.*disease"):
        marginals.sample(given=cohort[["disease", "disease"]])
    with pytest.raises(ValueError, match="num_rows"):
        marginals.sample(given=cohort[:0])
    with pytest.raises(ValueError, match="num_rows"):
        marginals.sample(given={"disease": "sepsis"})  # a dict has no number of rows


def test_batches_are_refused_before_the_first_is_asked_for(marginals):
    with pytest.raises(ValueError, match="disease"):
        marginals.sample_batches(5, given={"disease": "plague"})


GROUPS = (("cancer", "chronic"), ("sepsis", "acute"), ("failure", "acute"), ("rare", "acute"))
RULE = sl.Combinations(("disease", "group"), GROUPS, determines=1)


def test_rules_hold_in_every_row_and_leave_given_cells_alone(cohort, cohort_schema):
    model = sl.IndependentMarginals(cohort_schema.with_rules(RULE)).fit(cohort)
    free = sl.IndependentMarginals(cohort_schema).fit(cohort).sample(SAMPLE_BATCH + 500, seed=9)
    assert model.schema.find_violations(free)["violations"].sum() > 1000  # marginals know no relation
    partial = punch(cohort, 0.5, seed=3)
    for given in (None, {"group": "chronic"}, {"disease": "cancer"}, partial):
        synthetic = model.sample(600 if given is not None else SAMPLE_BATCH + 500, given=given, seed=9)
        assert model.schema.find_violations(synthetic)["violations"].sum() == 0
        if given is not None:
            assert_kept(partial if given is partial else pd.DataFrame(given, index=range(600)), synthetic)
    with pytest.raises(ValueError):
        model.sample(5, given={"disease": "cancer", "group": "acute"})
