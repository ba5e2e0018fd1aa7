"""The Schema: what it refuses, what it makes of values, and that JSON keeps it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from synthlib import Column, Schema, SchemaError


def table_of(**columns):
    return pd.DataFrame({"x": np.arange(60) % 7, **columns})


def by_hand(**changes):
    columns = (
        Column("age", "integer", "int64", low=0, high=120, decimals=0),
        Column("sex", "categorical", categories=("female", "male"), nullable=True, missing_codes=("?", 9)),
        Column(
            "lab", "continuous", "float64", low=0.1, high=50, decimals=1, nullable=True, missing_codes=(-1,)
        ),
        Column(
            "seen",
            "datetime",
            "object",
            low="2000-01-01",
            high="2020-12-31",
            format="%d.%m.%Y",
            nullable=True,
        ),
        Column("died", "boolean", "int64", categories=(0, 1)),
    )
    return Schema(columns, target="died", leaks=("seen",), quasi_identifiers=("age", "sex"))


ROWS = pd.DataFrame(
    {
        "died": [0, 1, 1],
        "age": [50, 60, 70],
        "sex": ["male", "?", "female"],
        "lab": [3.5, -1, 900.0],
        "seen": ["31.12.1999", "29.02.2020", None],
        "more": [1, 2, 3],
    }
)


def test_conform_orders_columns_and_turns_codes_and_impossible_values_missing():
    schema = by_hand()
    conformed = schema.conform(ROWS)
    schema.check(conformed)
    assert list(conformed) == schema.names
    assert conformed["sex"].fillna("-").tolist() == ["male", "-", "female"]
    assert conformed["lab"].fillna(-9).tolist() == [3.5, -9, -9]
    assert conformed["seen"].fillna("-").tolist() == ["-", "29.02.2020", "-"]
    pd.testing.assert_frame_equal(schema.conform(conformed), conformed)
    assert ROWS["lab"].tolist() == [3.5, -1, 900.0]  # the table given stays as it was


def test_levels_are_the_same_as_numbers_and_as_texts():
    schema = Schema(
        (
            Column("a", "categorical", categories=("1", "2"), nullable=True),
            Column("b", "boolean", "int64", categories=(0, 1)),
        )
    )
    conformed = schema.conform(pd.DataFrame({"a": [1.0, 2.0, np.nan], "b": ["0", "1", "1"]}))
    schema.check(conformed)
    assert conformed["a"][:2].tolist() == ["1", "2"] and conformed["b"].tolist() == [0, 1, 1]


def test_a_missing_or_textual_boolean_is_never_taken_for_true():
    schema = Schema.infer(table_of(c=[True, False] * 30))
    texts = table_of(c=["True", "False"] * 30)
    assert schema.conform(texts)["c"].tolist() == [True, False] * 30
    with pytest.raises(SchemaError, match="column 'c'"):
        schema.conform(table_of(c=[True, None] * 30))
    for impossible in (["True", "maybe"] * 30, [1, 2] * 30):
        with pytest.raises(SchemaError, match="column 'c'"):
            schema.conform(table_of(c=impossible))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"age": ["old", "60", "70"]}, "column 'age': expected integer values that fit dtype int64"),
        ({"age": [50, 60, 700]}, "column 'age': expected integer values that fit dtype int64"),
        ({"seen": ["tomorrow", None, None]}, "column 'seen': expected datetime values"),
        ({"died": [0, 1, None]}, "column 'died': expected boolean values"),
    ],
)
def test_what_cannot_be_conformed_is_refused(change, message):
    with pytest.raises(SchemaError, match=message) as caught:
        by_hand().conform(ROWS.assign(**change))
    assert not any(word in str(caught.value) for word in ("old", "700", "tomorrow"))


def test_absent_and_repeated_columns_are_refused():
    with pytest.raises(SchemaError, match="age not in the table"):
        by_hand().conform(ROWS.drop(columns="age"))
    with pytest.raises(SchemaError, match="several of: age"):
        by_hand().conform(pd.concat([ROWS, ROWS[["age"]]], axis=1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"age": [50.0, 60.0, 70.0]}, "column 'age': expected dtype int64, got float64"),
        ({"age": [50, 60, 121]}, "column 'age': 1 values lie outside 0 to 120"),
        ({"sex": ["male", "x", "y"]}, "column 'sex': 2 values are not among its 2 categories"),
        (
            {"seen": ["31.12.2001", "never", None]},
            "column 'seen': expected datetime values, got some that are not",
        ),
        ({"died": [0.0, 1.0, np.nan]}, "column 'died': expected no missing value, got 1"),
    ],
)
def test_check_names_columns_and_counts_never_values(change, message):
    schema = by_hand()
    with pytest.raises(SchemaError, match=message) as caught:
        schema.check(schema.conform(ROWS).assign(**change))
    assert "never which" not in str(caught.value) and "'x'" not in str(caught.value)


def test_check_wants_columns_in_order():
    schema = by_hand()
    with pytest.raises(SchemaError, match="in this order, got died, lab"):
        schema.check(schema.conform(ROWS)[["died", "lab", "age", "sex", "seen"]])


def test_features_leave_out_target_leaks_and_identifiers():
    assert by_hand().features == ["age", "sex", "lab"]


def test_replace_and_drop_make_copies_and_keep_roles():
    schema = by_hand()
    assert schema.replace("age", high=130)["age"].high == 130 and schema["age"].high == 120
    assert schema.replace("age", high=130).target == "died"
    smaller = schema.drop(["died", "sex", "seen"])
    assert smaller.names == ["age", "lab"] and smaller.target is None
    assert smaller.leaks == () and smaller.quasi_identifiers == ("age",)
    with pytest.raises(KeyError, match="expected one of age"):
        schema.replace("weight", high=1)


def test_columns_and_schemas_that_make_no_sense_are_refused():
    with pytest.raises(SchemaError, match="expected a kind of"):
        Column("a", "number")
    with pytest.raises(SchemaError, match="needs its categories"):
        Column("a", "ordinal")
    with pytest.raises(SchemaError, match="several of: a"):
        Schema((Column("a", "integer"), Column("a", "integer")))
    with pytest.raises(SchemaError, match="expected roles for columns"):
        Schema((Column("a", "integer"),), target="b")


def test_describe_tells_people_everything():
    shown = by_hand().describe().set_index("column")
    assert (
        shown.loc["lab", "values"] == "0.1 to 50, 1 decimals"
        and shown.loc["lab", "missing"] == "possible (codes -1)"
    )
    assert shown.loc["died", "role"] == "target" and shown.loc["age", "role"] == "quasi-identifier"
    assert shown.loc["seen", "role"] == "leak" and shown.loc["died", "missing"] == "never"
    many = Schema((Column("c", "categorical", categories=tuple("abcdefgh")),))
    assert many.describe().loc[0, "values"] == "a, b, c, d, e, f, … (8 levels)"


def test_json_is_canonical_and_keeps_everything():
    schema = by_hand()
    assert Schema.from_json(schema.to_json()) == schema == Schema.from_json(schema.to_json().encode())
    assert schema.to_json() == Schema.from_json(schema.to_json()).to_json()


def test_protected_columns_are_declared_kept_and_said_only_where_there_are_any():
    schema = dataclasses.replace(by_hand(), protected=("sex", "age"))
    assert "protected" not in by_hand().to_json()
    assert Schema.from_json(schema.to_json()) == schema != by_hand()
    assert schema.drop(["sex"]).protected == ("age",)
    assert schema.replace("age", high=130).protected == ("sex", "age")
    assert "protected" in schema.describe().set_index("column").loc["sex", "role"]
    inferred = Schema.infer(table_of(c=["a", "b"] * 30, d=[1, 2] * 30), protected=["c"])
    assert inferred.protected == ("c",)


def test_protected_columns_that_form_no_groups_are_refused():
    with pytest.raises(SchemaError, match="got age: named twice"):
        dataclasses.replace(by_hand(), protected=("age", "age"))
    with pytest.raises(SchemaError, match="got p: identifiers"):
        Schema((Column("p", "identifier"), Column("a", "integer")), protected=("p",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "5",
        "[]",
        "{}",
        '{"columns": 5}',
        '{"columns": [[]]}',
        b"\xff\xfe",
        '{"columns": [{"name": "a", "kind": "integer", "colour": 1}], "target": null, "patient_id": null, '
        '"leaks": [], "quasi_identifiers": []}',
        '{"columns": [], "target": "a", "patient_id": null, "leaks": [], "quasi_identifiers": []}',
    ],
)
def test_other_documents_are_refused(text):
    with pytest.raises(SchemaError):
        Schema.from_json(text)


def test_numbers_and_back_round_and_clip():
    column = by_hand()["lab"]
    assert column.from_numbers(np.array([3.14159, 900.0, -5.0, np.nan])).fillna(-1).tolist() == [
        3.1,
        50,
        0.1,
        -1,
    ]
    day = by_hand()["seen"]
    numbers = day.to_numbers(pd.Series(["29.02.2020", None], dtype=object))
    assert numbers[0] == 18_321 and np.isnan(numbers[1])
    assert day.from_numbers(numbers + 0.2).fillna("-").tolist() == ["29.02.2020", "-"]
    time = Column("t", "datetime", "datetime64[ns]")
    stamps = pd.Series(pd.to_datetime(["2020-02-29 13:37:11", None]))
    pd.testing.assert_series_equal(time.from_numbers(time.to_numbers(stamps)), stamps, check_names=False)
