"""Bytes of single rows of a table, blinded by salts, and cells as JSON holds them.

    data    = SHA-256(header)  u64 index  salt (16 bytes)  cell*
    header  = "synthlib row 1\\n"  u64 number of rows  u64 number of columns  name*
    name    = u64 number of bytes of its UTF-8, then these
    cell    = tag (1 byte)  word (8 bytes, of the kinds that have one)  text (of 05 and 06)

`u64`, tags, words and texts are those of `table_bytes.py`, so equal cells have equal bytes however pandas
held them. The data says by itself which row of how many it is, and of what columns: the header's number of
columns, the tags and the words say where each part ends.

The salt of row i is AES-256 of the number i (16 bytes, big-endian) under a secret of 32 bytes: block i of a
CTR keystream. One salt tells nothing about another; the secret tells all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

from synthlib.chain.table_bytes import (
    BIG,
    DATETIME,
    DURATION,
    INSTANT,
    MISSING,
    REAL,
    TEXT,
    TRUE,
    column_chunks,
    encode_cell,
)

MAGIC = b"synthlib row 1\n"
SALT_SIZE = 16
SECRET_SIZE = 32
_TIMES = {"datetime": DATETIME, "instant": INSTANT}
_NANOSECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}", re.ASCII)
_NOTHING = pa.scalar(b"", pa.large_binary())


def header_digest(names: list[str], num_rows: int) -> bytes:
    """Digest of what the rows of a table share: names of columns, number of rows. 32 bytes."""
    encoded = [name.encode() for name in names]
    columns = b"".join(_u64(len(name)) + name for name in encoded)
    return sha256(MAGIC + _u64(num_rows) + _u64(len(names)) + columns).digest()


def draw_salts(secret: bytes, start: int, num_salts: int) -> bytes:
    """The salts of some rows, 16 bytes each, joined; `start` is the first one's index."""
    stream = Cipher(AES256(secret), CTR(start.to_bytes(16, "big"))).encryptor()
    return stream.update(bytes(SALT_SIZE * num_salts))


def join_data(
    rows: pd.DataFrame, start: int, num_rows: int, secret: bytes, prefix: bytes = b""
) -> list[bytes]:
    """The data of some rows.

    Args:
        rows: DataFrame of consecutive rows.
        start: index of the first of them in the table.
        num_rows: of the table.
        secret: that the salts are drawn from, 32 bytes.
        prefix: bytes to put before each.

    Returns:
        One element a row.

    Raises:
        TypeError, ValueError: as `canonical_chunks` of table_bytes.
    """
    blinds = np.empty((len(rows), 8 + SALT_SIZE), np.uint8)
    blinds[:, :8] = np.arange(start, start + len(rows)).astype(">u8").view(np.uint8).reshape(-1, 8)
    blinds[:, 8:] = np.frombuffer(draw_salts(secret, start, len(rows)), np.uint8).reshape(-1, SALT_SIZE)
    header = pa.scalar(prefix + header_digest(list(rows.columns), num_rows), pa.large_binary())
    return _join(header, _cut(blinds, np.full(len(rows), blinds.shape[1])), *_cells(rows))


def join_cells(rows: pd.DataFrame) -> list[bytes]:
    """The cells of each row and nothing else: equal for equal rows, wherever they stand."""
    return _join(*_cells(rows))


def data_of(row: list[tuple[str, Any]], index: int, num_rows: int, salt: bytes) -> bytes:
    """The data of one row, of cells as `read_cells` gives them.

    Raises:
        TypeError, ValueError, OverflowError: if these are not such cells, numbers or bytes.
    """
    header = header_digest([name for name, _ in row], num_rows)
    cells = (_encode(cell) for _, cell in row)
    return header + _u64(index) + salt + b"".join(bytes([tag]) + word + text for tag, word, text in cells)


def read_cells(row: pd.DataFrame) -> list[tuple[str, Any]]:
    """Names and cells of a DataFrame of one row, as JSON holds them (see `RowProof`)."""
    return [(name, _decode(row.iloc[:, place])) for place, name in enumerate(row.columns)]


def _cells(rows: pd.DataFrame) -> Iterator[pa.Array]:
    """Arrays of which the elements, joined row by row, are the rows' cells."""
    for place in range(rows.shape[1]):
        tags, words, texts = _parts(rows.iloc[:, place])
        has_word, has_text = tags > TRUE, (tags == BIG) | (tags == TEXT)
        heads = np.zeros((len(tags), 9), np.uint8)
        heads[:, 0] = tags
        heads[has_word, 1:] = words
        sizes = 1 + 8 * has_word.astype(np.int64)
        yield _cut(heads if has_word.all() else heads[np.arange(9) < sizes[:, None]], sizes)
        if has_text.any():
            lengths = np.zeros(len(tags), np.int64)
            lengths[has_text] = words[has_text[has_word]].view(">i8")[:, 0]
            yield _cut(texts, lengths)


def _parts(values: pd.Series) -> tuple[np.ndarray, np.ndarray, bytes]:
    """Tags of shape (num_rows,), words of shape (num_words, 8), and texts, of a column."""
    chunks = column_chunks(values)
    tags = np.frombuffer(next(chunks), np.uint8)
    body, num_words = b"".join(chunks), int((tags > TRUE).sum())
    return tags, np.frombuffer(body, np.uint8, 8 * num_words).reshape(-1, 8), body[8 * num_words :]


def _cut(data: np.ndarray | bytes, sizes: np.ndarray) -> pa.Array:
    """Bytes cut into elements of these sizes."""
    ends = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=ends[1:])
    return pa.Array.from_buffers(
        pa.large_binary(), len(sizes), [None, pa.py_buffer(ends), pa.py_buffer(data)]
    )


def _join(*pieces: pa.Array | pa.Scalar) -> list[bytes]:
    """Pieces joined row by row."""
    _, ends, data = pc.binary_join_element_wise(*pieces, _NOTHING).buffers()
    joined, ends = data.to_pybytes(), np.frombuffer(ends, np.int64).tolist()
    return [joined[begin:end] for begin, end in pairwise(ends)]


def _decode(values: pd.Series) -> Any:
    """The one cell of a column."""
    tags, words, text = _parts(values)
    tag, word = int(tags[0]), words.tobytes()
    if tag <= TRUE:
        return (None, False, True)[tag]
    if tag == REAL:
        number = float(np.frombuffer(word, ">f8")[0])
        return number if np.isfinite(number) else {"real": str(number)}
    if tag == TEXT:
        return text.decode()
    number = int(text) if tag == BIG else int.from_bytes(word, "big", signed=True)
    if tag == DURATION:
        return {"duration": number}
    if tag in (DATETIME, INSTANT):
        time = str(np.datetime64(number, "ns"))
        return {"datetime": time} if tag == DATETIME else {"instant": f"{time}Z"}
    return number


def _encode(cell: Any) -> tuple[int, bytes, bytes]:
    """Tag, word and text of what `_decode` returned."""
    if cell is None:
        return MISSING, b"", b""
    if isinstance(cell, bool | int | float | str):
        return encode_cell(cell, "row")
    kind, value = next(iter(cell.items())) if isinstance(cell, dict) and len(cell) == 1 else (None, cell)
    if kind == "real" and value in ("inf", "-inf"):
        return encode_cell(float(value), "row")
    if kind == "duration" and type(value) is int:
        return DURATION, value.to_bytes(8, "big", signed=True), b""
    if kind in _TIMES and isinstance(value, str):
        text = value.removesuffix("Z") if kind == "instant" else value
        if _NANOSECONDS.fullmatch(text):
            time = np.datetime64(text, "ns")
            if str(time) + value[len(text) :] == value and (kind == "instant") == value.endswith("Z"):
                return _TIMES[kind], int(time.astype(np.int64)).to_bytes(8, "big", signed=True), b""
    raise TypeError("expected a row's cell as JSON holds it, got something else")


def _u64(number: int) -> bytes:
    return number.to_bytes(8, "big")
