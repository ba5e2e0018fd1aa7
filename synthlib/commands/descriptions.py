"""Descriptions of attempts as people bring several at once: JSON, an `attempts.json`, or CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from synthlib.parsing import parse_json


def read_descriptions(data: bytes) -> list[Any]:
    """What is attempted, an entry for each attempt.

    Args:
        data: bytes of a file. A JSON list of descriptions; an `attempts.json`, whose outcomes and salts are
            left; or CSV in UTF-8 with a row for each attempt and a column for each field. A dot in a column's
            name leads into an object (`parameters.num_epochs`); a cell is JSON where it can be read so, else
            text; an empty one is left out.

    Raises:
        ValueError: if it is none of these, or tells of no attempt.
    """
    if data.lstrip()[:1] in (b"[", b"{"):
        told = parse_json(data)
        if isinstance(told, dict) and "format" in told:
            from synthlib.chain.attempts import read_attempts

            told = [entry["describes"] for entry in read_attempts(data)]
    else:
        told = _read_table(data)
    if not isinstance(told, list) or not told or not all(isinstance(one, dict) and one for one in told):
        raise ValueError(
            "expected a list of descriptions, an attempts.json, or CSV with a row for each attempt; got "
            "something else, or no attempt"
        )
    return told


def _read_table(data: bytes) -> list[dict[str, Any]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("expected CSV in UTF-8, got other bytes") from None
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(row)]
    if not rows:
        return []
    names, *rows = rows
    if len(set(names)) != len(names) or not all(all(name.split(".")) for name in names):
        raise ValueError("expected a first line of CSV with a name for each column, each once; got another")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise ValueError(f"expected {len(names)} cells in row {number}, got {len(row)}")
    return [_nest(dict(zip(names, row, strict=True))) for row in rows]


def _nest(cells: dict[str, str]) -> dict[str, Any]:
    """A row's cells as an object of objects."""
    told: dict[str, Any] = {}
    for name, cell in cells.items():
        if not cell:
            continue
        *path, last = name.split(".")
        place = told
        for step in path:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise ValueError(f"expected columns that do not contradict each other, got {name!r} too")
        if last in place:
            raise ValueError(f"expected columns that do not contradict each other, got {name!r} too")
        place[last] = _parse(cell)
    return told


def _parse(cell: str) -> Any:
    """A cell's value: JSON where it is, else text."""
    try:
        return parse_json(cell.encode())
    except ValueError:
        return cell
