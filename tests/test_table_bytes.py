"""Canonical bytes of tables: written out by hand, the same for every dtype, different for every table."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from synthlib.chain import table_bytes
from synthlib.chain.commitments import table_digest
from synthlib.chain.table_bytes import canonical_bytes


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def one_column(cells, **kwargs) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.Series(cells, **kwargs)})


# --- written out by hand -------------------------------------------------------------------------------


def test_bytes_of_a_small_table_written_out_by_hand():
    table = pd.DataFrame({"age": [71, None, 64.5], "sex": ["f", "é", None], "icu": [True, False, True]})
    expected = bytes.fromhex(
        "73796e74686c6962207461626c6520310a"  # "synthlib table 1\n"
        "0000000000000003"  # three columns
        "0000000000000003"
        "616765"  # "age"
        "0000000000000003"
        "736578"  # "sex"
        "0000000000000003"
        "696375"  # "icu"
        "0000000000000003"  # a block of three rows
        "03"
        "00"
        "04"  # age: integer, missing, real
        "0000000000000047"  # 71
        "4050200000000000"  # 64.5 = 1.0078125 * 2**6
        "06"
        "06"
        "00"  # sex: text, text, missing
        "0000000000000001"
        "0000000000000002"  # one byte, two bytes
        "66"
        "c3a9"  # f, é
        "02"
        "01"
        "02"  # icu: true, false, true
        "0000000000000000"  # no more blocks
    )
    assert canonical_bytes(table) == expected
    assert (
        table_digest(table).hex()
        == hashlib.sha256(expected).hexdigest()
        == ("325683cc6ee821bb2995ddcabcf8a3c8f93c2448bbcd90b710326f42fd2289fd")
    )


@pytest.mark.parametrize("last", [-(2**63), 2**63 - 1, 2**63, -(2**63) - 1, True, 1.0, np.int64(5)])
def test_columns_of_python_integers_have_the_bytes_of_their_cells(last):
    """Whole numbers are encoded at once where they can be, cell by cell where one is of another kind."""
    cells = [7, None, -1, last]
    encoded = [table_bytes.encode_cell(cell, "x") if cell is not None else (0, b"", b"") for cell in cells]
    tags, words, texts = zip(*encoded, strict=True)
    expected = bytes(tags) + b"".join(words) + b"".join(texts)
    assert b"".join(table_bytes.column_chunks(pd.Series(cells, dtype=object))) == expected


def test_bytes_of_every_other_kind_written_out_by_hand():
    cells = [
        -1,
        -0.0,
        float("inf"),
        2**63,
        1e20,
        "",
        pd.Timestamp("1970-01-01 00:00:01"),
        pd.Timestamp("1970-01-01 01:00", tz="Europe/Paris"),
        pd.Timedelta(-1, "ns"),
        date(1970, 1, 2),
    ]
    body = canonical_bytes(one_column(cells, dtype=object))[17 + 8 + 8 + 1 + 8 : -8]
    assert body == (
        bytes([3, 3, 4, 5, 5, 6, 7, 8, 9, 7])
        + b"\xff" * 8  # -1
        + bytes(8)  # -0.0 is the integer 0
        + bytes.fromhex("7ff0000000000000")  # infinity
        + u64(19)  # digits of 2**63
        + u64(21)  # digits of 1e20
        + u64(0)  # the empty text
        + u64(10**9)  # a second
        + u64(0)  # 01:00 in Paris was 1970 began in UTC
        + b"\xff" * 8  # -1 nanosecond
        + u64(86_400 * 10**9)  # midnight of the second day
        + b"9223372036854775808"
        + b"100000000000000000000"
    )


def test_table_without_rows_or_columns():
    assert canonical_bytes(pd.DataFrame()) == b"synthlib table 1\n" + u64(0) + u64(0)
    assert canonical_bytes(one_column([], dtype=object)) == canonical_bytes(one_column([], dtype="int64"))


def test_rows_are_taken_in_blocks(monkeypatch):
    monkeypatch.setattr(table_bytes, "BLOCK_ROWS", 2)
    head = b"synthlib table 1\n" + u64(1) + u64(1) + b"x"
    assert canonical_bytes(one_column([7, None, 9], dtype="Int64")) == (
        head + u64(2) + b"\x03\x00" + u64(7) + u64(1) + b"\x03" + u64(9) + u64(0)
    )


# --- what makes no difference --------------------------------------------------------------------------

SAME = {
    "integers": [
        pd.Series([1, 2, 3], dtype=d)
        for d in (
            "int64",
            "int8",
            "uint64",
            "uint8",
            "Int64",
            "UInt16",
            "float64",
            "float32",
            "Float64",
            "object",
            "category",
            "int64[pyarrow]",
        )
    ],
    "integers and missing": [
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([1, None, 3], dtype="float64"),
        pd.Series([1, None, 3], dtype=object),
        pd.Series([1, float("nan"), 3.0], dtype=object),
        pd.Series([1, pd.NA, 3], dtype=object),
        pd.Series([np.int8(1), pd.NaT, np.float32(3)], dtype=object),
        pd.Series([1, None, 3], dtype="category"),
        pd.Series([1, None, 3], dtype="int64[pyarrow]"),
    ],
    "reals": [pd.Series([0.1, -0.0, 1e300], dtype=d) for d in ("float64", "Float64", "object", "category")],
    "big": [pd.Series([2**63, 0], dtype=d) for d in ("uint64", "float64", "object", "UInt64")],
    "text": [
        pd.Series(["a", "é", "a"], dtype=d)
        for d in ("object", "string", "category", "string[pyarrow]", "large_string[pyarrow]")
    ],
    "text and missing": [
        *[pd.Series(["a", None, ""], dtype=d) for d in ("object", "string", "category", "string[pyarrow]")],
        pd.Series(["a", float("nan"), ""], dtype=object),
        pd.Series(["a", pd.NA, np.str_("")], dtype=object),
    ],
    "booleans": [
        pd.Series([True, False], dtype=d) for d in ("bool", "boolean", "object", "category", "bool[pyarrow]")
    ],
    "booleans and missing": [pd.Series([True, None], dtype=d) for d in ("boolean", "object", "category")],
    "datetimes": [
        *[
            pd.Series(pd.to_datetime(["2020-02-29", None])).astype(f"datetime64[{u}]")
            for u in ("s", "ms", "us", "ns")
        ],
        pd.Series([datetime(2020, 2, 29), None], dtype=object),
        pd.Series([date(2020, 2, 29), pd.NaT], dtype=object),
        pd.Series(pd.to_datetime(["2020-02-29", None])).astype("category"),
        pd.Series([np.datetime64("2020-02-29"), np.datetime64("NaT")], dtype=object),
    ],
    "instants": [
        pd.Series(pd.to_datetime(["2020-02-29 11:00"])).dt.tz_localize("UTC"),
        pd.Series(pd.to_datetime(["2020-02-29 12:00"])).dt.tz_localize("Europe/Paris"),
        pd.Series([datetime(2020, 2, 29, 11, tzinfo=UTC)], dtype=object),
    ],
    "durations": [
        pd.Series(pd.to_timedelta(["1s", None])),
        pd.Series(pd.to_timedelta(["1s", None])).astype("timedelta64[ms]"),
        pd.Series([timedelta(seconds=1), None], dtype=object),
    ],
    "nothing but missing": [
        pd.Series([None, None], dtype=d)
        for d in ("object", "float64", "Int64", "string", "boolean", "datetime64[ns]")
    ],
}


@pytest.mark.parametrize("name", SAME)
def test_bytes_do_not_depend_on_how_pandas_holds_a_column(name):
    found = {canonical_bytes(pd.DataFrame({"x": values})) for values in SAME[name]}
    assert len(found) == 1


def test_groups_of_equal_columns_differ_from_each_other():
    assert len({canonical_bytes(pd.DataFrame({"x": values[0]})) for values in SAME.values()}) == len(SAME)


def test_index_and_attributes_are_not_part_of_a_table():
    table = one_column([1, 2])
    other = pd.DataFrame({"x": [1, 2]}, index=["p", "q"])
    other.attrs["note"] = "later"
    assert canonical_bytes(table) == canonical_bytes(other)


def test_bytes_change_with_order_and_number_of_rows():
    table = pd.DataFrame({"x": [1, 2, 3], "y": ["a", "b", "c"]})
    variants = [
        table,
        table.iloc[::-1],
        table.iloc[:2],
        pd.concat([table, table.iloc[:1]]),
        table[["y", "x"]],
    ]
    assert len({canonical_bytes(variant) for variant in variants}) == len(variants)


# --- refusals, none of which shows a cell --------------------------------------------------------------

SECRET = "Jane-Roe"


@pytest.mark.parametrize(
    ("cells", "error"),
    [
        ([SECRET.encode()], TypeError),
        ([[SECRET]], TypeError),
        ([Decimal("1.5")], TypeError),
        ([1j], TypeError),
        ([SECRET + "\ud800"], ValueError),
        ([1, SECRET + "\ud800"], ValueError),
        ([datetime(1066, 10, 14)], ValueError),
        (pd.Series(np.array(["1066-10-14"], "M8[s]")), ValueError),
        (pd.Series(pd.period_range("2020", periods=1, freq="D")), TypeError),
    ],
)
def test_cells_of_no_kind_are_refused_by_column_name(cells, error):
    table = pd.DataFrame({"x": cells if isinstance(cells, pd.Series) else pd.Series(cells, dtype=object)})
    with pytest.raises(error, match="column 'x'") as caught:
        canonical_bytes(table)
    assert SECRET not in str(caught.value)
    assert "1066" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_names_that_are_not_text_are_refused():
    with pytest.raises(TypeError, match="column names that are text"):
        canonical_bytes(pd.DataFrame({1: [2]}))
    with pytest.raises(TypeError, match="DataFrame"):
        canonical_bytes([1])
