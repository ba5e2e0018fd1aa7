"""Tables from and to files: CSV and Parquet in, byte-stable CSV out."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from synthlib.bundle import write_atomically

DELIMITERS = (",", ";", "\t")
CSV_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
PARQUET_SUFFIXES = (".parquet", ".pq")
MISSING_NUMBERS = ("NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null")
_INTEGER = r"^\s*-?(0|[1-9][0-9]*)\s*$"
_DECIMAL = r"^\s*-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-][0-9]+)?\s*$"
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")  # how pandas stores row labels that have no name
_EXACT = 2**53  # integers up to here are float64 values
_BOOLEANS = ({"True", "False"}, {"TRUE", "FALSE"}, {"true", "false"})


def read_table(path: Path | str, text: Iterable[str] | bool = ()) -> pd.DataFrame:
    """Read a CSV (also gzipped) or Parquet file without guessing more than the file says.

    Every CSV cell is read as text. A column becomes numbers only if each of its cells is the usual way to
    write one: `12`, `-0.5`, `1e-05`; but not `007`, `1e5` or `+1`, so that codes and identifiers keep their
    characters. (Zeros at the end of a decimal are not kept: name a column such as ICD codes in `text`.)
    Integers become int64, or float64 where some are missing; `True` and `False` become bool. An empty cell
    is missing; so are `NA`, `N/A`, `#N/A`, `NaN`, `nan`, `NULL` and `null`, but only among numbers: in a text
    column they may be levels, and it is for the Schema to say which codes mean missing.

    Args:
        path: `.csv`, `.tsv` or `.txt` (comma, semicolon or tab; UTF-8; a header line), these with `.gz`, or
            `.parquet`, `.pq`.
        text: names of columns to leave as text; True leaves all, so that how a cell is read depends on no
            other row.

    Returns:
        DataFrame of shape (num_rows, num_columns) of int64, float64, bool, datetime64 and object columns.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is empty, undecodable, damaged or of another format, if a row has more or fewer
            fields than the header, or if a column name is missing or repeated.
    """
    path = Path(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "none"
        raise FileNotFoundError(f"expected a table's file at {path}, found {found}")
    name = path.name.lower()
    is_text, text = text is True, frozenset(() if isinstance(text, bool) else text)
    if name.endswith(PARQUET_SUFFIXES):
        return _read_parquet(path, text)
    if not name.endswith(CSV_SUFFIXES):
        expected = ", ".join(CSV_SUFFIXES + PARQUET_SUFFIXES)
        raise ValueError(f"expected a file name that ends in one of {expected}; got {path.name}")
    columns = _parse_csv(_read_bytes(path), path.name)
    _refuse_unknown(text, columns.column_names)
    return pd.DataFrame(
        {name: _from_text(columns.column(name), is_text or name in text) for name in columns.column_names}
    )


def write_table(table: pd.DataFrame, path: Path | str) -> Path:
    """Write a table as CSV that reads back to the same values: equal tables give equal bytes.

    UTF-8, comma, LF, a header, no index; numbers in the shortest form that reads back exactly; missing cells
    empty (so empty text comes back as missing, and text that looks like numbers as numbers).

    Args:
        table: DataFrame.
        path: ends in `.csv` or `.csv.gz` (written without a clock).

    Returns:
        The path.

    Raises:
        ValueError: for another suffix, for column names that are repeated or not text, for infinite numbers.
    """
    path = Path(path)
    if not path.name.lower().endswith((".csv", ".csv.gz")):
        raise ValueError(f"expected a file name that ends in .csv or .csv.gz, got {path.name}")
    if not all(isinstance(name, str) for name in table.columns):
        raise ValueError("expected column names that are text; rename the columns")
    _refuse_names(list(table.columns))
    infinite = [name for name in table.select_dtypes("number") if np.isinf(table[name]).any()]
    if infinite:
        listed = ", ".join(infinite)
        raise ValueError(f"expected finite numbers, got infinite ones in {listed}; make them missing")
    columns = [[_quote(name), *_to_cells(table[name])] for name in table.columns]
    data = ("\n".join(",".join(cells) or '""' for cells in zip(*columns, strict=True)) + "\n").encode()
    if path.name.lower().endswith(".gz"):
        data = gzip.compress(data, mtime=0)
    write_atomically(path, data)
    return path


def _to_cells(values: pd.Series) -> list[str]:
    """A column's values as they stand in CSV; not left to pandas, which leaves carriage returns unquoted."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        whole = bool((values.dropna() == values.dropna().dt.normalize()).all())
        values = values.map(lambda time: str(time.date()) if whole else str(time), na_action="ignore")
    missing = values.isna().tolist()
    return ["" if gone else _to_cell(value) for value, gone in zip(values.tolist(), missing, strict=True)]


def _to_cell(value: object) -> str:
    return _quote(value) if isinstance(value, str) else str(value)


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n\r') else text


def _read_bytes(path: Path) -> bytes:
    data = path.read_bytes()
    if path.name.lower().endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            raise ValueError(f"expected {path.name} to be a whole gzip file; it is not") from None
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.strip():
        raise ValueError(f"expected a header and rows in {path.name}, the file is empty")
    return data


def _parse_csv(data: bytes, filename: str) -> pa.Table:
    """All cells as text, in a table of string columns."""
    header, delimiter = _read_header(data, filename)
    _refuse_names(header)
    wrong: list[pyarrow.csv.InvalidRow] = []

    def refuse(row: pyarrow.csv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    try:
        return pyarrow.csv.read_csv(
            pa.BufferReader(data),
            read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=_block_size(data)),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=[""],
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        if wrong:
            where = f"row {wrong[0].number}" if wrong[0].number else "a row"
            raise ValueError(
                f"{filename}: expected {wrong[0].expected_columns} fields in each row as in the header, "
                f"{where} (the header is row 1) has {wrong[0].actual_columns}; check quotes and delimiters"
            ) from None
        if "UTF8" in str(error):  # pyarrow's own text would quote cells
            raise ValueError(_not_utf8(filename)) from None
        raise ValueError(f"{filename}: expected CSV text, could not parse it; check quotes") from None


def _block_size(data: bytes) -> int:
    """Large enough that a block holds a whole row, however wide."""
    return min(max(1 << 24, len(data) // 64), (1 << 31) - 1)


def _read_header(data: bytes, filename: str) -> tuple[list[str], str]:
    """Column names and the delimiter: the one that splits header and first row alike, into most fields."""
    found = []
    for mark in DELIMITERS:
        lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")
        try:
            records = [record for record in islice(csv.reader(lines, delimiter=mark), 50) if record][:2]
        except UnicodeDecodeError:
            raise ValueError(_not_utf8(filename)) from None
        except csv.Error:
            continue
        if records:
            width = len(records[0])
            found.append((width > 1 and width == len(records[-1]), width, records[0], mark))
    if not found:
        raise ValueError(f"{filename}: expected a header line with column names, found none that can be read")
    best = max(found, key=lambda candidate: candidate[:2])
    return best[2], best[3]


def _not_utf8(filename: str) -> str:
    return f"{filename}: expected text encoded as UTF-8, found bytes that are not; save the file as UTF-8"


def _refuse_names(names: list[str]) -> None:
    unnamed = [str(place) for place, name in enumerate(names, 1) if not name.strip()]
    if unnamed:
        places = ", ".join(unnamed)
        raise ValueError(f"expected a name for each column, found none for column {places}; name or drop it")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"expected each column name once, found several of: {', '.join(repeated)}; rename")


def _refuse_unknown(text: Iterable[str], names: list[str]) -> None:
    unknown = sorted(set(text) - set(names))
    if unknown:
        raise ValueError(f"text: expected columns of the file, got {', '.join(unknown)}")


def _from_text(cells: pa.ChunkedArray, keep: bool) -> pd.Series:
    """A column of text as numbers or booleans where each cell says so."""
    if cells.null_count == len(cells) or keep:
        return cells.to_pandas().astype(object).where(pd.notna, np.nan)
    codes = pc.is_in(cells, value_set=pa.array(MISSING_NUMBERS))
    numbers = pc.if_else(codes, pa.scalar(None, pa.string()), cells)
    if numbers.null_count < len(numbers) and pc.all(pc.match_substring_regex(numbers, _DECIMAL)).as_py():
        found = _to_numbers(pc.utf8_trim_whitespace(numbers))
        if found is not None:
            return found
    levels = pc.unique(cells.drop_null()).to_pylist() if len(cells[:1000].unique()) <= 3 else []
    for booleans in _BOOLEANS:
        if levels and set(levels) <= booleans:
            values = cells.to_pandas().map(lambda cell: cell.lower() == "true", na_action="ignore")
            return values.astype(object).where(pd.notna, np.nan) if cells.null_count else values.astype(bool)
    return cells.to_pandas().astype(object).where(pd.notna, np.nan)


def _to_numbers(cells: pa.ChunkedArray) -> pd.Series | None:
    """int64 or float64, or None for integers that neither can hold exactly."""
    if pc.all(pc.match_substring_regex(cells, _INTEGER)).as_py():
        try:
            integers = cells.cast(pa.int64())
        except pa.ArrowInvalid:
            return None
        if not cells.null_count:
            return integers.to_pandas()
        extremes = pc.min_max(integers).as_py()
        return integers.to_pandas() if max(-extremes["min"], extremes["max"]) <= _EXACT else None
    return cells.cast(pa.float64()).to_pandas()


def _read_parquet(path: Path, text: frozenset[str]) -> pd.DataFrame:
    try:
        columns = pyarrow.parquet.read_table(path)
    except pa.ArrowException:
        raise ValueError(f"expected {path.name} to be a Parquet file, it cannot be read as one") from None
    columns = columns.drop_columns([name for name in columns.column_names if _UNNAMED_INDEX.fullmatch(name)])
    _refuse_names(columns.column_names)
    nested = [field.name for field in columns.schema
              if pa.types.is_nested(field.type) or pa.types.is_binary(field.type)]
    if nested:
        listed = ", ".join(nested)
        raise ValueError(f"expected numbers, texts, dates or booleans, got others in {listed}; drop them")
    _refuse_unknown(text, columns.column_names)
    table = columns.replace_schema_metadata(None).to_pandas(date_as_object=False)
    for field in columns.schema:
        if pa.types.is_decimal(field.type):
            table[field.name] = table[field.name].astype(float)
        elif pa.types.is_dictionary(field.type) or table[field.name].dtype == object:
            table[field.name] = table[field.name].astype(object).where(table[field.name].notna(), np.nan)
    return table
