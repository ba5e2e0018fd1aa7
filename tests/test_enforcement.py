"""All rules at once: they hold after repair, a solution is found where there is one, or it is refused."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rule_helpers import ALL, CLINIC, FOUR, NAN, PREGNANT, held_to, levels, whole

import synthlib as sl


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="fixed: expected the table's shape"):
        held_to(PREGNANT).enforce(FOUR, np.zeros((4, 2), dtype=bool))
    with pytest.raises(ValueError, match="fixed: expected as many rows"):
        held_to(PREGNANT).enforce(FOUR, pd.DataFrame({"age": [True] * 4}))


def test_all_at_once_is_idempotent_and_leaves_the_given_table_as_it_was():
    schema, before = held_to(*ALL), FOUR.copy()
    mended = schema.enforce(FOUR, seed=3)
    pd.testing.assert_frame_equal(FOUR, before)
    pd.testing.assert_frame_equal(schema.enforce(FOUR, seed=3), mended)
    pd.testing.assert_frame_equal(schema.enforce(mended, seed=4), mended)
    assert schema.find_violations(mended)["violations"].sum() == 0
    pd.testing.assert_frame_equal(CLINIC.enforce(FOUR), FOUR)


def test_rules_that_exclude_each_other_are_named_when_rows_show_it():
    schema = sl.Schema(
        tuple(whole(name, 0, 9, nullable=False) for name in "ab"),
        rules=(sl.Formula("b", "a - 5"), sl.Inequality("a", "b", strict=True)),
    )
    with pytest.raises(sl.SchemaError, match=r"(?s)rules that can hold together.*a is below b"):
        schema.enforce(pd.DataFrame({"a": [7.0], "b": [1.0]}))


SMALL = sl.Schema(
    (
        levels("p", "x", "y", "z"),
        levels("q", "x", "y", nullable=True),
        sl.Column("r", "boolean", "int64", categories=(0, 1)),
        whole("a", 0, 6),
        whole("b", 0, 6, nullable=False),
        whole("c", 2, 8),
        sl.Column("d", "continuous", "float64", low=0, high=20, decimals=1, nullable=True),
    )
)
PAIRS = [("p", "q"), ("q", "r"), ("p", "r"), ("r", "p")]


def _values(name):
    return [*SMALL[name].categories, *([None] if SMALL[name].nullable else [])]


@st.composite
def rules_of_all_kinds(draw):
    pair = draw(st.sampled_from(PAIRS))
    everything = [(a, b) for a in _values(pair[0]) for b in _values(pair[1])]
    allowed = tuple(draw(st.lists(st.sampled_from(everything), min_size=1, unique=True)))
    combination = sl.Combinations(pair, allowed, draw(st.integers(0, 1)))
    onlyif = draw(
        st.sampled_from(
            [
                sl.OnlyIf("q", ("x",), "r", (1,)),
                sl.OnlyIf("p", ("x", "y"), "r", (0,), "z"),
                sl.OnlyIf("a", None, "p", ("x",)),
                sl.OnlyIf("d", None, "r", (1,), 2.5),
                sl.OnlyIf("r", (1,), "q", ("y", None), 0),
            ]
        )
    )
    low, high = draw(
        st.sampled_from([("a", "b"), ("b", "c"), ("a", "c"), ("a", "d"), ("d", "c"), ("b", "a")])
    )
    formula = draw(
        st.sampled_from(
            [
                sl.Formula("d", "a + b"),
                sl.Formula("d", "c / b"),
                sl.Formula("c", "b + r"),
                sl.Formula("a", "b"),
            ]
        )
    )
    inequality = sl.Inequality(low, high, draw(st.booleans()))
    return draw(st.sampled_from([combination, onlyif, inequality, formula]))


@st.composite
def small_tables(draw):
    num_rows = draw(st.integers(1, 6))
    columns = {}
    for column in SMALL:
        if column.is_discrete:
            cells = st.sampled_from(_values(column.name))
        else:
            cells = st.integers(int(column.low), int(column.high)).map(float)
            cells = st.one_of(cells, st.none()) if column.nullable else cells
        drawn = draw(st.lists(cells, min_size=num_rows, max_size=num_rows))
        drawn = [NAN if value is None else value for value in drawn]
        columns[column.name] = pd.Series(drawn, dtype=column.dtype)
    return pd.DataFrame(columns)


@settings(max_examples=60)
@given(st.lists(rules_of_all_kinds(), min_size=1, max_size=5), small_tables(), st.integers(0, 99), st.data())
def test_after_enforcing_every_rule_holds_or_the_rules_are_refused(rules, table, seed, data):
    try:
        schema = SMALL.with_rules(*rules)
    except sl.SchemaError:
        assume(False)
    fixed = np.zeros(table.shape, dtype=bool)
    if data.draw(st.booleans()):
        fixed = np.random.default_rng(seed).random(table.shape) < 0.3
    try:
        mended = schema.enforce(table, fixed, seed)
    except sl.SchemaError:
        assert not fixed.any() or len(rules) > 1
        return
    except ValueError as error:
        assert fixed.any() and "fixed values" in str(error)
        return
    schema.check(mended)
    assert schema.find_violations(mended)["violations"].sum() == 0
    same = (mended == table) | (mended.isna() & table.isna())
    assert same.to_numpy()[fixed].all()
    untouched = ~np.any([rule.find_violations(table, schema) for rule in rules], axis=0)
    assert same.to_numpy()[untouched].all()
    pd.testing.assert_frame_equal(schema.enforce(mended, fixed, seed + 1), mended)
    pd.testing.assert_frame_equal(schema.enforce(table, fixed, seed), mended)


TRIPLES = [(p, q, r) for p in _values("p") for q in _values("q") for r in _values("r")]


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.sampled_from(PAIRS), st.sets(st.integers(0, 8), min_size=1)), min_size=1, max_size=4
    ),
    st.integers(0, 7),
)
def test_a_solution_is_found_wherever_there_is_one(drawn, which_fixed):
    """Every row and every mask of three columns of levels, against trying out all triples."""
    rules = []
    for pair, places in drawn:
        everything = [(a, b) for a in _values(pair[0]) for b in _values(pair[1])]
        allowed = tuple(everything[place] for place in places if place < len(everything))
        assume(allowed)
        rules.append(sl.Combinations(pair, allowed))
    schema = SMALL.drop(["a", "b", "c", "d"]).with_rules(*rules)
    table = pd.DataFrame(TRIPLES, columns=["p", "q", "r"])
    table["q"] = table["q"].where(table["q"].notna(), NAN)
    broken = np.any([rule.find_violations(table, schema) for rule in rules], axis=0)
    good = [row for row, breaks in zip(TRIPLES, broken, strict=True) if not breaks]
    mask = np.array([which_fixed >> place & 1 for place in range(3)], dtype=bool)
    solvable = np.array(
        [any(all(t[k] == row[k] for k in range(3) if mask[k]) for t in good) for row in TRIPLES]
    )
    if solvable.any():
        part = table[solvable]
        schema.check(mended := schema.enforce(part, np.tile(mask, (len(part), 1))))
        assert schema.find_violations(mended)["violations"].sum() == 0
    if not solvable.all():
        with pytest.raises(ValueError):
            schema.enforce(table[~solvable].iloc[:1], mask[None])


def test_a_hundred_thousand_rows_take_seconds_and_few_processor_seconds():
    table = pd.concat([FOUR] * 25_000, ignore_index=True)
    start = time.process_time()
    mended = held_to(*ALL).enforce(table)
    assert held_to(*ALL).find_violations(mended)["violations"].sum() == 0
    assert time.process_time() - start < 20


def test_a_fixed_result_is_given_by_two_inputs_where_one_cannot():
    rng = np.random.default_rng(0)
    height, weight = rng.normal(170, 10, 300).round(0), rng.normal(75, 12, 300).round(1)
    table = pd.DataFrame({"h": height, "w": weight, "bmi": (weight / (height / 100) ** 2).round(1)})
    schema = sl.Schema.infer(table).with_rules(sl.Formula("bmi", "w / (h / 100) ** 2"))
    for bmi in (table["bmi"].min(), table["bmi"].max()):
        drawn = table.assign(bmi=bmi)
        repaired = schema.enforce(drawn, pd.DataFrame({"bmi": [True] * len(table)}))
        assert not schema.find_violations(repaired)["violations"].any() and (repaired["bmi"] == bmi).all()


def test_a_refusal_names_the_rules_that_stay_broken():
    numbers = np.arange(100)
    table = pd.DataFrame({"sex": ["m", "f"] * 50, "pregnant": [0, 1] * 50, "low": numbers, "high": numbers})
    schema = sl.Schema.infer(table, kinds={"low": "integer", "high": "integer"}).with_rules(
        sl.OnlyIf("pregnant", (1,), "sex", ("f",), otherwise=0), sl.Inequality("low", "high")
    )
    broken = table.assign(sex="m", pregnant=1, low=90, high=10)
    with pytest.raises(ValueError, match="pregnant is 1 only where sex is f") as caught:
        schema.enforce(broken, pd.DataFrame({"sex": [True] * 100, "pregnant": [True] * 100}))
    assert "low is at most high" not in str(caught.value)
