"""Canonical bytes of tables: written out by hand, the same for every dtype, different for every table."""

import hashlib
import hmac
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthlib.chain import commitments
from synthlib.chain.commitments import (
    canonical_bytes,
    canonical_chunks,
    commit,
    open_commitment,
    read_synthetic,
    synthetic_digest,
    table_digest,
)
from synthlib.keys import StewardKey
from synthlib.schema import Column, Schema

KEY = StewardKey(bytes(range(32)))


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
    encoded = [commitments.encode_cell(cell, "x") if cell is not None else (0, b"", b"") for cell in cells]
    tags, words, texts = zip(*encoded, strict=True)
    expected = bytes(tags) + b"".join(words) + b"".join(texts)
    assert b"".join(commitments.column_chunks(pd.Series(cells, dtype=object))) == expected


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


def test_commitment_is_hmac_of_the_bytes():
    table = one_column([1, 2])
    purpose = b"synthlib table 1"
    message = len(purpose).to_bytes(2, "big") + purpose + canonical_bytes(table)
    assert commit(table, KEY) == hmac.new(bytes(range(32)), message, hashlib.sha256).digest()


def test_rows_are_taken_in_blocks(monkeypatch):
    monkeypatch.setattr(commitments, "BLOCK_ROWS", 2)
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


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),
    st.timedeltas(timedelta(-9999), timedelta(9999)),
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


@st.composite
def tables(draw):
    num_rows = draw(st.integers(0, 5))
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    cells = st.lists(CELLS, min_size=num_rows, max_size=num_rows)
    return pd.DataFrame({name: pd.Series(draw(cells), dtype=object) for name in names})


def parse(data: bytes) -> tuple[list[str], list[list]]:
    """Names and columns of cells from canonical bytes, written from the format's description alone."""
    position = 0

    def take(count: int) -> bytes:
        nonlocal position
        position += count
        assert position <= len(data)
        return data[position - count : position]

    def number() -> int:
        return int.from_bytes(take(8), "big")

    assert take(17) == b"synthlib table 1\n"
    names = [take(number()).decode() for _ in range(number())]
    columns = [[] for _ in names]
    while num_rows := number():
        for column in columns:
            tags = take(num_rows)
            words = [take(8) if tag > 2 else b"" for tag in tags]
            texts = [
                take(int.from_bytes(word, "big")) if tag in (5, 6) else b""
                for tag, word in zip(tags, words, strict=True)
            ]
            column += [
                (tag, text if tag in (5, 6) else word)
                for tag, word, text in zip(tags, words, texts, strict=True)
            ]
    assert position == len(data)
    return names, columns


def meaning(cell) -> tuple:
    """What a cell is, for comparing cells without the code under test."""
    if cell is None or cell is pd.NaT or (isinstance(cell, float) and cell != cell):
        return ("missing",)
    if isinstance(cell, bool):
        return ("boolean", cell)
    if isinstance(cell, int | float):
        return ("number", cell + 0)
    if isinstance(cell, datetime):
        return ("datetime", pd.Timestamp(cell).value)
    if isinstance(cell, timedelta):
        return ("duration", pd.Timedelta(cell).value)
    return ("text", cell)


@settings(deadline=None, max_examples=150)
@given(tables())
def test_bytes_can_be_read_back_so_no_two_tables_share_them(table):
    names, columns = parse(canonical_bytes(table))
    assert names == list(table.columns)
    for (_, values), cells in zip(table.items(), columns, strict=True):
        for value, (tag, payload) in zip(values, cells, strict=True):
            kind = meaning(value)
            expected = {
                "missing": {0},
                "boolean": {1, 2},
                "number": {3, 4, 5},
                "text": {6},
                "datetime": {7},
                "duration": {9},
            }[kind[0]]
            assert tag in expected
            if tag == 6:
                assert payload.decode() == kind[1]
            elif tag == 5:
                assert int(payload) == kind[1]
            elif tag == 4:
                assert np.frombuffer(payload, ">f8")[0] == kind[1]
            elif tag in (3, 7, 9):
                assert int.from_bytes(payload, "big", signed=True) == kind[1]
            elif tag in (1, 2):
                assert (tag == 2) == kind[1]


@settings(deadline=None, max_examples=100)
@given(tables())
def test_bytes_survive_a_change_of_dtype(table):
    # convert_dtypes may turn 1 and 1.5 into floats and text into "string", never one value into another;
    # columns in which a huge integer would lose digits (pandas may even overflow) are left alone.
    converted = table.copy()
    for name in table.columns:
        if not any(isinstance(cell, int) and abs(cell) > 2**53 for cell in table[name]):
            converted[name] = table[name].convert_dtypes()
    assert canonical_bytes(converted) == canonical_bytes(table)
    assert canonical_bytes(table.copy(deep=True)) == canonical_bytes(table)


@settings(deadline=None, max_examples=150)
@given(tables(), st.data())
def test_bytes_change_with_any_cell(table, data):
    if not len(table):
        return
    row = data.draw(st.integers(0, len(table) - 1))
    position = data.draw(st.integers(0, table.shape[1] - 1))
    cell = data.draw(CELLS)
    before = table.iat[row, position]
    changed = table.copy()
    values = list(table.iloc[:, position])
    values[row] = cell
    changed.isetitem(position, pd.Series(values, dtype=object))
    same = meaning(cell) == meaning(before)
    assert (canonical_bytes(changed) == canonical_bytes(table)) == same


@settings(deadline=None, max_examples=60)
@given(tables(), NAMES)
def test_bytes_change_with_names_and_order_of_columns(table, name):
    first = table.columns[0]
    renamed = table.rename(columns={first: name})
    assert (canonical_bytes(renamed) == canonical_bytes(table)) == (name == first)
    if table.shape[1] > 1:
        assert canonical_bytes(table[table.columns[::-1]]) != canonical_bytes(table)


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


@settings(deadline=None, max_examples=60)
@given(tables(), st.integers(1, 3))
def test_chunks_join_to_the_bytes_whatever_the_block(table, rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commitments, "BLOCK_ROWS", rows)
        names, columns = parse(b"".join(canonical_chunks(table)))
    assert (names, columns) == parse(canonical_bytes(table))


def test_unicode_is_not_normalised():
    assert table_digest(one_column(["\u00e9"])) != table_digest(one_column(["e\u0301"]))


def test_same_digest_in_another_process_with_another_hash_seed():
    code = (
        "import pandas as pd; from synthlib.chain.commitments import table_digest;"
        "print(table_digest(pd.DataFrame({'a': [1.5, None], 'b': ['x', 'y']})).hex())"
    )
    expected = table_digest(pd.DataFrame({"a": [1.5, None], "b": ["x", "y"]})).hex()
    for seed in ("0", "1"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert run.stdout.strip() == expected


# --- commitments ---------------------------------------------------------------------------------------


def test_commitment_opens_with_its_table_and_key_only():
    table, other = one_column([1, 2]), one_column([1, 3])
    commitment = commit(table, KEY)
    assert open_commitment(commitment, table.astype("float64"), KEY)
    assert not open_commitment(commitment, other, KEY)
    assert not open_commitment(commitment, table, StewardKey(bytes(32)))
    assert not open_commitment(table_digest(table), table, KEY)


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


# --- reading a release's CSV ---------------------------------------------------------------------------

SCHEMA = Schema(
    (
        Column("age", "integer", "int64"),
        Column("days", "integer", "float64", nullable=True),
        Column("stays", "integer", "Int64", nullable=True),
        Column("creatinine", "continuous", "float64", nullable=True),
        Column("sex", "categorical", "object", categories=("f", "NA", "None"), nullable=True),
        Column("died", "categorical", "float64", categories=(0, 1), nullable=True),
        Column("grade", "ordinal", "category", categories=("low", "high")),
        Column("icu", "boolean", "bool", categories=(False, True)),
        Column("pain", "boolean", "object", categories=(False, True), nullable=True),
        Column("admitted", "datetime", "datetime64[ns]", nullable=True),
        Column("seen", "datetime", "object", format="%Y-%m-%d"),
        Column("id", "identifier", "object"),
    )
)


def release_table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [71, 64, 50],
            "days": [1.0, np.nan, 12.0],
            "stays": pd.array([1, None, 3], dtype="Int64"),
            "creatinine": [0.1 + 0.2, np.nan, 1e-7],
            "sex": ["NA", None, "None"],
            "died": [0.0, 1.0, np.nan],
            "grade": pd.Categorical(["low", "high", "low"]),
            "icu": [True, False, True],
            "pain": [True, None, False],
            "admitted": pd.to_datetime(["2101-01-01 10:30:00", None, "2101-01-02 00:00:00"]),
            "seen": ["2101-01-01", "2101-01-02", "2101-01-03"],
            "id": ["007", "8", 'a "quoted", é'],
        }
    )


def test_digest_of_a_csv_is_that_of_the_table_it_was_written_from(tmp_path):
    table = release_table()
    table.to_csv(tmp_path / "synthetic.csv", index=False)
    schema = Schema.from_json(SCHEMA.to_json())
    pd.testing.assert_frame_equal(
        read_synthetic(tmp_path / "synthetic.csv", schema).isna(), table.isna(), check_index_type=False
    )
    assert synthetic_digest(tmp_path / "synthetic.csv", schema) == table_digest(table)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_reals_come_back_from_csv_bit_by_bit(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("csv") / "synthetic.csv"
    table = pd.DataFrame({"x": numbers, "y": range(len(numbers))})
    table.to_csv(path, index=False)
    schema = Schema((Column("x", "continuous", "float64"), Column("y", "integer", "int64")))
    assert synthetic_digest(path, schema) == table_digest(table)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("age,days", "days,age", "columns of the schema"),
        ("71,1.0", "x,1.0", "'age'"),
        ("True", "yes", "'icu'"),
        ("low", "mid", "'grade'"),
        ("2101-01-01 10:30:00", "soon", "'admitted'"),
    ],
)
def test_csv_that_does_not_fit_its_schema_is_refused(tmp_path, old, new, message):
    text = release_table().to_csv(index=False)
    (tmp_path / "synthetic.csv").write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        read_synthetic(tmp_path / "synthetic.csv", SCHEMA)
