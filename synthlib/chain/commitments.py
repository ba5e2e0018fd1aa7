"""Digests of tables and commitments to confidential ones, over the bytes that `table_bytes.py` writes out."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from synthlib.chain.table_bytes import canonical_chunks
from synthlib.keys import StewardKey
from synthlib.schema import Column, Schema

_PURPOSE, _SCHEMA_PURPOSE = "synthlib table 1", "synthlib schema 1"


def table_digest(table: pd.DataFrame) -> bytes:
    """SHA-256 of a table's canonical bytes. For synthetic and public tables only.

    Never for confidential data: whoever guesses a table, or all of it but one cell, confirms the guess by
    hashing it. `commit` is for those.

    Returns:
        32 bytes.
    """
    hasher = hashlib.sha256()
    for chunk in canonical_chunks(table):
        hasher.update(chunk)
    return hasher.digest()


def commit(table: pd.DataFrame, key: StewardKey) -> bytes:
    """Keyed commitment to a confidential table: HMAC-SHA-256 of its canonical bytes.

    It binds the steward to the table and tells nobody without the key anything about it. Once the key is
    destroyed it can no longer be opened by anyone: it has become a random number.

    Returns:
        32 bytes.
    """
    mac = key.mac(_PURPOSE)
    for chunk in canonical_chunks(table):
        mac.update(chunk)
    return mac.digest()


def open_commitment(commitment: bytes, table: pd.DataFrame, key: StewardKey) -> bool:
    """Whether `commitment` was made to this table under this key; takes equally long for any wrong one."""
    return hmac.compare_digest(commitment, commit(table, key))


def commit_schema(schema: Schema, key: StewardKey) -> bytes:
    """Keyed commitment to a Schema, without its rules, under which a table is divided. 32 bytes."""
    return key.mac(_SCHEMA_PURPOSE, replace(schema, rules=()).to_json().encode()).digest()


def commit_conditions(given: Mapping[str, Any] | pd.DataFrame, key: StewardKey) -> bytes:
    """Keyed commitment to what a sample was drawn under: rows may be patients', shares counted of them.

    Args:
        given: as `Synthesizer.sample` takes it; a mapping counts as the table of its columns, values and
            shares (missing where a value is given).
        key: the steward's.

    Returns:
        32 bytes.
    """
    if isinstance(given, pd.DataFrame):
        return commit(given, key)
    cells = [
        (name, value, share)
        for name, asked in given.items()
        for value, share in (asked.items() if isinstance(asked, Mapping) else [(asked, None)])
    ]
    return commit(pd.DataFrame(cells, columns=["column", "value", "share"], dtype=object), key)


def read_synthetic(path: Path | str, schema: Schema) -> pd.DataFrame:
    """Read a release's CSV as its Schema says, the same on every machine.

    Only an empty field is missing ("NA" and "None" are text), decimal text becomes the nearest binary64, and
    a level is the one of the Schema's categories that is written so.

    Raises:
        ValueError: if the file is not a CSV of the Schema's columns in its order, or a field is not of its
            column's dtype or categories.
    """
    fields = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8")
    if list(fields.columns) != schema.names or not isinstance(fields.index, pd.RangeIndex):
        raise ValueError(f"expected the {len(schema)} columns of the schema in its order, got others")
    return pd.DataFrame({column.name: _parse_fields(fields[column.name], column) for column in schema})


def synthetic_digest(path: Path | str, schema: Schema) -> bytes:
    """Digest of a release's CSV: `table_digest` of what `read_synthetic` reads. 32 bytes."""
    return table_digest(read_synthetic(path, schema))


def _parse_fields(fields: pd.Series, column: Column) -> pd.Series:
    missing = fields.isna()
    try:
        if column.dtype.startswith("datetime64"):
            return pd.to_datetime(fields, format="ISO8601", utc="," in column.dtype).astype(column.dtype)
        if column.is_discrete:
            levels = {text: level for level in column.categories for text in _spellings(level)}
            return fields.map(levels.__getitem__, na_action="ignore").astype(object)
        if column.dtype.lower().startswith(("int", "uint")):
            numbers = [
                None if absent else int(float(text)) if "." in text else int(text)
                for text, absent in zip(fields, missing, strict=True)
            ]
            return pd.Series(numbers, dtype=object, name=column.name)
        if column.dtype.lower().startswith("float"):
            return pd.Series(fields.to_numpy(dtype=object).astype(float), name=column.name)
    except (ValueError, TypeError, KeyError, OverflowError):
        expected = f"{column.kind} values of dtype {column.dtype}"
        raise ValueError(f"column {column.name!r}: expected {expected}, got some that are not") from None
    return fields


def _spellings(level: object) -> set[str]:
    """How a CSV may show a level: 1 is also written 1.0 where its column holds missing values."""
    if isinstance(level, int | float) and not isinstance(level, bool):
        return {str(level), str(float(level))} | ({str(int(level))} if float(level).is_integer() else set())
    return {str(level)}
