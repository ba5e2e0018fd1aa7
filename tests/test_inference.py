"""What a Schema reads off a table, and which tables it refuses."""


import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthlib import Schema, SchemaError
from synthlib.inference import count_decimals, infer_column

NUM_ROWS = 60


def table_of(**columns):
    return pd.DataFrame({"x": np.arange(NUM_ROWS) % 7, **columns})


def infer(values, **arguments):
    return Schema.infer(table_of(c=values), **arguments)["c"]


SIXTY = range(NUM_ROWS)


@pytest.mark.parametrize(
    ("values", "kind", "dtype"),
    [
        ([0, 1] * 30, "boolean", "int64"),
        ([0.0, 1.0, np.nan] * 20, "boolean", "float64"),
        ([True, False] * 30, "boolean", "bool"),
        ([True, False, None] * 20, "boolean", "object"),
        ([3, 5, 9] * 20, "integer", "int64"),
        ([3.0, np.nan, 9.0] * 20, "integer", "float64"),
        ([3.25, 5.5, 9.0] * 20, "continuous", "float64"),
        (["a", "b", None] * 20, "categorical", "object"),
        (["0389", "4280"] * 30, "categorical", "object"),
        (["1.5", "?", "2"] * 20, "continuous", "float64"),
        (["4", "NA", "2"] * 20, "integer", "float64"),
        (["2020-02-29", "2021-03-01"] * 30, "datetime", "object"),
        (["29.02.2020", "01.03.2021"] * 30, "datetime", "object"),
        (["2020-02-29 10:00:00", "2021-03-01 11:30:00"] * 30, "datetime", "object"),
        (pd.to_datetime(["2020-02-29", "2021-03-01"] * 30), "datetime", "datetime64[ns]"),
    ],
)
def test_kinds_are_read_off_and_the_table_fits(values, kind, dtype):
    table = table_of(c=values)
    schema = Schema.infer(table)
    assert (schema["c"].kind, schema["c"].dtype) == (kind, dtype)
    assert schema["c"].nullable == schema.conform(table)["c"].isna().any()
    schema.check(schema.conform(table))
    assert Schema.from_json(schema.to_json()) == schema


def test_numbers_get_their_decimals_and_a_range_that_tells_no_single_value():
    column = infer([1.25, 2.5, 97.31] * 20)
    assert column.decimals == 2 and (column.low, column.high) == (1, 98)
    column = infer([10_481, 99_777, 56_123] * 20)
    assert (column.low, column.high) == (10_000, 100_000)
    assert (infer([0.0, 3.5] * 30).low, infer([-7.5, 0.0] * 30).high) == (0, 0)
    assert infer([-1e308, 1e308] * 30).high >= 1e308 and infer([0.0, 5e-324] * 30).low == 0
    assert infer([0.5, 1.7000000000000002] * 30).high > 1.7000000000000002
    assert [count_decimals(np.array(numbers)) for numbers in ([1.0, 20.0], [0.5], [0.1, 0.25], [1 / 3])] == [
        0,
        1,
        2,
        None,
    ]


def test_numbers_that_went_through_float32_stay_such_numbers():
    given = np.round(np.random.default_rng(0).normal(28, 4, NUM_ROWS), 1)
    column = infer(list(given.astype(np.float32).astype(float)))
    assert column.decimals == 1 and column.single_precision
    drawn = column.from_numbers(np.array([28.4123, 30.0, np.nan]))
    assert drawn.tolist()[:2] == [float(np.float32(28.4)), 30] and np.isnan(drawn[2])
    schema = Schema((column,))
    assert Schema.from_json(schema.to_json()) == schema
    assert schema.describe()["values"][0].endswith("1 decimals in single precision")
    assert not infer(list(given)).single_precision and "single" not in Schema((infer(list(given)),)).to_json()
    assert not infer([0.5, 0.25] * 30).single_precision  # as exact in float32 as they are
    assert not infer([1 / 3, 0.1] * 30).single_precision
    read_badly = given.astype(np.float32).astype(float) * (1 + np.spacing(1.0))
    assert infer(list(read_badly)).single_precision
    wide = infer(list(np.random.default_rng(0).normal(0, 1, NUM_ROWS).astype(np.float32)))
    assert wide.single_precision


def test_a_range_in_single_precision_holds_its_own_ends():
    schema = Schema.infer(table_of(c=np.float32(np.arange(NUM_ROWS) / 10 + 35).astype(float)))
    for ends in ({"high": 36.9}, {"low": 35.3}, {"low": 35.1}):
        column = schema.replace("c", **ends)["c"]
        (end,) = ends.values()
        kept = column.conform(pd.Series([float(np.float32(end))], name="c"))
        assert kept.notna().all() and column.from_numbers(np.array([end]))[0] == np.float32(end)


def test_an_integer_column_holds_what_its_dtype_can():
    values = np.arange(NUM_ROWS, dtype="uint8") * 4 + 15
    column = Schema.infer(table_of(c=values), kinds={"c": "integer"})["c"]
    assert (column.low, column.high) == (10, 255)


def test_missing_codes_are_read_off_texts():
    column = infer(["a", "?", "b", " NA"] * 15)
    assert column.missing_codes == ("?", "NA") and column.categories == ("a", "b") and column.nullable


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"a": [], "b": []}), "at least one row"),
        (pd.DataFrame({"a": [1, 2]}), "at least two columns, got 1"),
        (pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]), "several of: a"),
        (pd.DataFrame([[1, 2]], columns=["a", 3]), "column names that are non-empty text, got 1"),
        ([1, 2], "expected a pandas DataFrame, got list"),
        (table_of(c=[np.nan] * NUM_ROWS), "column 'c': has no value at all"),
        (table_of(c=["?"] * NUM_ROWS), "column 'c': has no value but codes for missing"),
        (table_of(c=SIXTY), "column 'c': has a value of its own in every row"),
        (table_of(c=[f"p{n}" for n in SIXTY]), "column 'c': has a value of its own in every row"),
        (
            table_of(c=[f"the patient came in and was then seen on ward {n}" for n in SIXTY]),
            "holds free text",
        ),
        (table_of(c=[f"seen by the nurse on ward {n}" for n in range(12)] * 5), "holds free text"),
        (pd.DataFrame({"x": [1, 2] * 10, "c": range(20)}), "column 'c': has a value of its own in every row"),
        (table_of(c=[np.nan, *range(59)]), "column 'c': has a value of its own in every row"),
        (table_of(c=["?", *map(str, range(59))]), "column 'c': has a value of its own in every row"),
        (table_of(c=["a", 1] * 30), "column 'c': mixes int, str"),
        (table_of(c=[1.5, np.inf] * 30), "column 'c': holds 30 infinite values"),
        (table_of(c=pd.Categorical(["a", "b"] * 30)), "pandas categories are not supported"),
        (
            table_of(c=pd.to_datetime(["2020-01-01", "2020-01-02"] * 30).tz_localize("UTC")),
            "column 'c': .*time zone",
        ),
    ],
)
def test_what_no_schema_can_hold_is_refused_without_showing_values(table, message):
    with pytest.raises(SchemaError, match=message) as caught:
        Schema.infer(table)
    assert "ward" not in str(caught.value) and "p17" not in str(caught.value)


def test_all_problems_are_named_at_once():
    with pytest.raises(SchemaError, match=r"(?s)column 'c'.*column 'd'"):
        Schema.infer(table_of(c=SIXTY, d=[np.nan] * NUM_ROWS))


def test_whole_numbers_that_differ_in_a_few_rows_and_sentences_that_are_levels_are_accepted():
    assert Schema.infer(pd.DataFrame({"x": [1, 2] * 9 + [1], "c": range(19)}))["c"].kind == "integer"
    levels = ["died in the hospital within seven days", "left the hospital alive and went home"]
    assert infer(levels * 30).categories == tuple(sorted(levels))


def test_declared_identifiers_patients_and_kinds_are_believed():
    table = table_of(row=SIXTY, patient=[f"p{n // 2}" for n in SIXTY], cost=[n * 97 for n in SIXTY])
    schema = Schema.infer(
        table, patient_id="patient", identifiers=["row"], kinds={"cost": "integer", "x": "ordinal"}
    )
    assert [column.kind for column in schema] == ["ordinal", "identifier", "identifier", "integer"]
    assert [column.name for column in schema.modelled] == ["x", "cost"]
    assert schema["x"].categories == tuple(range(7)) and schema.patient_id == "patient"


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (["a", "b"] * 30, "integer", "expected numbers"),
        (["a", "b"] * 30, "continuous", "expected numbers"),
        (["a", "b"] * 30, "datetime", "expected dates"),
        (["2020-13-45", "b"] * 30, "datetime", "expected dates"),
        (["a", "b"] * 30, "number", "expected a kind of"),
        ([1.5, 2] * 30, "integer", "expected whole numbers"),
        ([20200101, 20200102] * 30, "datetime", "expected dates"),
    ],
)
def test_declared_kinds_that_do_not_fit_are_refused(values, kind, message):
    with pytest.raises(SchemaError, match=f"column 'c': .*{message}"):
        infer(values, kinds={"c": kind})


def test_texts_declared_as_numbers_are_numbers():
    table = table_of(c=["007", "012", "?"] * 20)
    schema = Schema.infer(table, kinds={"c": "integer"})
    assert (
        schema["c"].kind == "integer" and schema["c"].categories == () and schema["c"].missing_codes == ("?",)
    )
    conformed = schema.conform(table)
    schema.check(conformed)
    assert conformed["c"][:2].tolist() == [7, 12] and np.isnan(conformed["c"][2])


@pytest.mark.parametrize(
    "arguments",
    [
        {"target": "y"},
        {"patient_id": "y"},
        {"identifiers": ["y"]},
        {"leaks": ["y"]},
        {"quasi_identifiers": ["y"]},
        {"protected": ["y"]},
        {"kinds": {"y": "integer"}},
    ],
)
def test_roles_for_absent_columns_are_refused(arguments):
    with pytest.raises(SchemaError, match=r"expected .*got y"):
        Schema.infer(table_of(c=["a", "b"] * 30), **arguments)



cells = st.one_of(
    st.integers(-(2**50), 2**50),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(max_size=5),
    st.sampled_from(["?", "NA", "2020-01-01", "1999-12-31", "0", "-1", "1.50"]),
)
columns = st.one_of(
    st.lists(st.integers(-(2**50), 2**50), min_size=8, max_size=8),
    st.lists(st.one_of(st.floats(-1e290, 1e290), st.just(np.nan)), min_size=8, max_size=8),
    st.lists(st.floats(-1e6, 1e6).map(lambda number: round(number, 2)), min_size=8, max_size=8),
    st.lists(st.one_of(st.booleans(), st.none()), min_size=8, max_size=8),
    st.lists(st.one_of(st.text(max_size=3), st.none()), min_size=8, max_size=8),
    st.lists(st.sampled_from(["2020-01-01", "1999-12-31", "?", "NA"]), min_size=8, max_size=8),
    st.lists(st.sampled_from(["1", "2.5", "?", " 3", "."]), min_size=8, max_size=8),
    st.lists(
        st.datetimes(min_value=pd.Timestamp("1800-01-01"), max_value=pd.Timestamp("2200-01-01")),
        min_size=8,
        max_size=8,
    ).map(lambda days: [day.replace(microsecond=0) for day in days]),
    st.lists(cells, min_size=8, max_size=8),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(columns, min_size=2, max_size=4))
def test_whatever_infer_accepts_conforms_without_loss_and_survives_json(values):
    table = pd.DataFrame({f"c{place}": pd.Series(column) for place, column in enumerate(values)})
    try:
        schema = Schema.infer(table)
    except SchemaError:
        return
    conformed = schema.conform(table)
    schema.check(conformed)
    for column in schema:
        texts = table[column.name].map(lambda value: str(value).strip(), na_action="ignore")
        is_code = texts.isin(column.missing_codes) & table[column.name].notna()
        lost = conformed[column.name].isna() & table[column.name].notna()
        assert (lost == is_code).all(), column
    pd.testing.assert_frame_equal(schema.conform(conformed), conformed)
    assert Schema.from_json(schema.to_json()) == schema
    for column in schema:
        if column.is_numeric:
            numbers = column.to_numbers(conformed[column.name])
            back = column.from_numbers(numbers, index=conformed.index)
            pd.testing.assert_series_equal(back, conformed[column.name], check_names=False)


def test_a_column_is_described_as_arguments():
    assert infer_column(pd.Series([2, 3, 3], name="n")) == {
        "name": "n",
        "dtype": "int64",
        "nullable": False,
        "kind": "integer",
        "low": 2,
        "high": 3,
        "decimals": 0,
    }


SPOILT = {
    "a comma for the point": ([f"{n},{n % 10}" for n in SIXTY], "numbers with a comma"),
    "a comma in a few": (["12", "7,5", "9"] * 20, "numbers with a comma"),
    "a limit of detection": ([f"{n / 10}" for n in range(57)] + ["<0.3"] * 3, "in 3 of 60 cells other text"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_numbers_that_were_spoilt_are_no_levels(name):
    values, message = SPOILT[name]
    with pytest.raises(SchemaError, match=message) as caught:
        infer(values)
    assert "column 'c'" in str(caught.value) and "<0.3" not in str(caught.value)
    assert infer(values, kinds={"c": "categorical"}).kind == "categorical"


@pytest.mark.parametrize(
    "levels",
    [["1", "2", "x"], ["0010", "0020"], ["1,2", "a,b"], ["Berlin, Mitte"], ["12-15", "16-20"], ["1a"]],
)
def test_levels_with_digits_stay_levels(levels):
    values = [levels[n % len(levels)] for n in SIXTY]
    assert infer(values).categories == tuple(sorted(levels))
