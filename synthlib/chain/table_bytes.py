"""Canonical bytes of a table: what digests of tables and commitments to them are taken over.

Two tables have equal canonical bytes exactly when they have the same column names in the same order and
the same cells in the same order. How pandas happens to hold the cells makes no difference.

**Cells.** A cell is one of these; anything else (lists, bytes, Decimal, Period, …) is refused:

    tag  cell       word (8 bytes, big-endian)                   equal cells
    00   missing    none                                         None, NaN, NaT, pd.NA
    01   false      none                                         bool, numpy.bool_, "boolean"; not number 0
    02   true       none                                         likewise; not number 1
    03   integer    two's complement                             1, 1.0, int8 1, Int64 1; -0.0 is 0
    04   real       IEEE 754 binary64                            float32 counts as the binary64 it equals
    05   big        number of bytes of its decimal text          integral numbers outside [-2^63, 2^63)
    06   text       number of bytes of its UTF-8                 "object", "string", "category"; never
                                                                 normalised: é composed is not é decomposed
    07   datetime   nanoseconds since 1970, two's complement     a date is its midnight; no time zone
    08   instant    nanoseconds since 1970 UTC, two's complement datetimes with any time zone
    09   duration   nanoseconds, two's complement

A number with a fraction is `real`; infinities are `real` too. Text is never a number: "1" is not 1.

**Bytes.** `u64` is 8 bytes, big-endian; rows are taken in blocks of 65,536 (so that a table need not be in
memory at once), the last block shorter:

    table   = "synthlib table 1\\n"  u64 number of columns  name*  block*  u64 zero
    name    = u64 number of bytes of its UTF-8, then these
    block   = u64 number of rows (not zero)  column*
    column  = tags (one byte a row)  words (of the cells that have one)  texts (of 05 and 06, joined)

The tags say how many words follow, the words how long each text is: different tables have different bytes.
The index, `attrs` and names of levels are not part of a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

MAGIC = b"synthlib table 1\n"
BLOCK_ROWS = 65_536
MISSING, FALSE, TRUE, INTEGER, REAL, BIG, TEXT, DATETIME, INSTANT, DURATION = range(10)
_LIMIT = 2.0**63


def canonical_chunks(table: pd.DataFrame) -> Iterator[bytes]:
    """The canonical bytes of a table, piece by piece (see the module's docstring for the format).

    Args:
        table: DataFrame of shape (num_rows, num_columns); column names must be text.

    Raises:
        TypeError: if a column's name is not text, or a cell is of no kind listed above.
        ValueError: if text has no UTF-8 (a lone surrogate), or a time lies outside the years 1678 to 2262.
    """
    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"expected a pandas DataFrame, got {type(table).__name__}")
    for name in table.columns:
        if not isinstance(name, str):
            raise TypeError(f"expected column names that are text, got one of type {type(name).__name__}")
    names = [name.encode() for name in table.columns]
    yield MAGIC + _u64(len(names)) + b"".join(_u64(len(name)) + name for name in names)
    for start in range(0, len(table), BLOCK_ROWS):
        rows = table.iloc[start : start + BLOCK_ROWS]
        yield _u64(len(rows))
        for position in range(len(names)):
            yield from column_chunks(rows.iloc[:, position])
    yield _u64(0)


def canonical_bytes(table: pd.DataFrame) -> bytes:
    """The canonical bytes of a table in one piece."""
    return b"".join(canonical_chunks(table))


def column_chunks(values: pd.Series) -> Iterator[bytes]:
    """Tags of one column of a block in one piece, then its words and texts in as many as it likes.

    Raises:
        TypeError, ValueError: as `canonical_chunks`.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = pd.Series(np.asarray(values), name=values.name)
    kind = getattr(values.dtype, "kind", "O")
    missing = np.asarray(values.isna(), dtype=bool)
    encoded = None
    if kind == "b":
        encoded = _encode_booleans(values)
    elif kind in "iuf":
        encoded = _encode_numbers(values)
    elif kind in "mM":
        encoded = _encode_times(values)
    if encoded is None:
        yield from _object_chunks(np.asarray(values, dtype=object), missing, values.name)
        return
    tags, words = encoded
    yield np.where(missing, MISSING, tags).astype(np.uint8).tobytes()
    if words is not None:
        yield words[~missing].astype(">i8").tobytes()


def _encode_booleans(values: pd.Series) -> tuple[np.ndarray, None]:
    return values.to_numpy(dtype=bool, na_value=False).astype(np.uint8) + FALSE, None


def _encode_numbers(values: pd.Series) -> tuple[np.ndarray, np.ndarray] | None:
    """Tags and words of numbers, or None where some number needs to be looked at by itself."""
    if values.dtype.kind in "iu":
        if values.dtype.kind == "u" and (values.max() or 0) >= 2**63:
            return None
        return np.full(len(values), INTEGER), values.to_numpy(dtype=np.int64, na_value=0)
    if values.dtype.itemsize > 8:
        return None
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.any(np.isfinite(numbers) & (np.abs(numbers) >= _LIMIT)):
        return None
    integral = (numbers == np.trunc(numbers)) & np.isfinite(numbers)
    integers = np.where(integral, numbers, 0).astype(np.int64)
    return np.where(integral, INTEGER, REAL), np.where(integral, integers, numbers.view(np.int64))


def _encode_times(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    instant = isinstance(values.dtype, pd.DatetimeTZDtype)
    tag = DURATION if values.dtype.kind == "m" else INSTANT if instant else DATETIME
    try:
        words = values.dt.as_unit("ns").astype("int64").to_numpy()
    except (ValueError, OverflowError):
        raise _times_out_of_range(values.name) from None
    return np.full(len(values), tag), words


def _object_chunks(cells: np.ndarray, missing: np.ndarray, name: str) -> Iterator[bytes]:
    """A column of Python objects: quickly if all are of one usual type, else one by one."""
    present = cells[~missing]
    kinds = set(map(type, present))
    if kinds <= {str}:
        yield np.where(missing, MISSING, TEXT).astype(np.uint8).tobytes()
        yield from _text_chunks(present, name)
        return
    words = _narrow(present) if kinds == {int} else None
    if words is not None:
        yield np.where(missing, MISSING, INTEGER).astype(np.uint8).tobytes()
        yield words.astype(">i8").tobytes()
        return
    tags, words, texts = bytearray(len(cells)), [], []
    for row in np.flatnonzero(~missing):
        tags[row], word, text = encode_cell(cells[row], name)
        words.append(word)
        texts.append(text)
    yield bytes(tags)
    yield b"".join(words)
    yield b"".join(texts)


def _narrow(integers: np.ndarray) -> np.ndarray | None:
    """Python integers as int64, or None where some need more."""
    try:
        return integers.astype(np.int64)
    except OverflowError:
        return None


def _text_chunks(texts: np.ndarray, name: str) -> Iterator[bytes]:
    try:
        array = pa.array(texts, type=pa.large_string())
    except UnicodeEncodeError:
        raise _no_utf8(name) from None
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[: len(texts) + 1]
    yield np.diff(ends).astype(">i8").tobytes()
    if data is not None:
        yield data.to_pybytes()[: ends[-1]]


def encode_cell(cell: object, name: str) -> tuple[int, bytes, bytes]:
    """Tag, word and text of one cell that is not missing.

    Raises:
        TypeError, ValueError: as `canonical_chunks`.
    """
    if isinstance(cell, bool | np.bool_):
        return (TRUE if cell else FALSE), b"", b""
    if isinstance(cell, float | np.floating) and np.dtype(type(cell)).itemsize <= 8:
        if not float(cell).is_integer():
            return REAL, np.array(cell, dtype=">f8").tobytes(), b""
        cell = int(cell)
    if isinstance(cell, int | np.integer):
        if -(2**63) <= cell < 2**63:
            return INTEGER, int(cell).to_bytes(8, "big", signed=True), b""
        text = str(int(cell)).encode()
        return BIG, _u64(len(text)), text
    if isinstance(cell, str):
        try:
            text = cell.encode()
        except UnicodeEncodeError:
            raise _no_utf8(name) from None
        return TEXT, _u64(len(text)), text
    if isinstance(cell, date | timedelta | np.datetime64 | np.timedelta64):
        return _encode_time(cell, name)
    found = type(cell).__name__
    raise TypeError(f"column {name!r}: expected text, numbers, booleans or times, got {found}; convert")


def _encode_time(
    cell: date | timedelta | np.datetime64 | np.timedelta64, name: str
) -> tuple[int, bytes, bytes]:
    try:
        if isinstance(cell, timedelta | np.timedelta64):
            tag, nanoseconds = DURATION, pd.Timedelta(cell).as_unit("ns").value
        else:
            time = pd.Timestamp(cell).as_unit("ns")
            tag, nanoseconds = (DATETIME if time.tz is None else INSTANT), time.value
    except (ValueError, OverflowError):
        raise _times_out_of_range(name) from None
    return tag, nanoseconds.to_bytes(8, "big", signed=True), b""


def _no_utf8(name: str) -> ValueError:
    return ValueError(f"column {name!r}: expected text that UTF-8 can hold, got a lone surrogate; mend it")


def _times_out_of_range(name: str) -> ValueError:
    return ValueError(f"column {name!r}: expected times from 1678 to 2262, got others; keep them as text")


def _u64(number: int) -> bytes:
    return number.to_bytes(8, "big")
