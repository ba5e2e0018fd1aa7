"""Canonical bytes of any table: read back without the code under test, and changed by any change."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthlib.chain import table_bytes
from synthlib.chain.table_bytes import canonical_bytes, canonical_chunks

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


@settings(deadline=None, max_examples=60)
@given(tables(), st.integers(1, 3))
def test_chunks_join_to_the_bytes_whatever_the_block(table, rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_bytes, "BLOCK_ROWS", rows)
        names, columns = parse(b"".join(canonical_chunks(table)))
    assert (names, columns) == parse(canonical_bytes(table))
