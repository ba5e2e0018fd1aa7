"""A report as files: CSV, canonical JSON and an HTML page, for the steward or for everybody."""

from __future__ import annotations

import math
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from synthlib.areas import find_measure
from synthlib.bundle import canonical_json, replace_folder, write_atomically
from synthlib.chain.protocols import SECTIONS
from synthlib.data.tables import write_table
from synthlib.evaluation.leakage.results import find_leakage
from synthlib.gate import Verdict
from synthlib.paper.page import is_publishable, write_page
from synthlib.parsing import parse_json
from synthlib.scores import Score
from synthlib.thresholds import parse_acceptance

FORMAT = "synthlib-report/1"
FILES = ("report.csv", "report.json", "report.html")
LEAKAGE_FILE = "leakage.csv"  # beside them, where attacks were made
SUFFIXES = (".csv", ".json", ".html")
_MAX_BYTES = 1 << 24  # of a file with thresholds
_PAGE = (  # how every page begins, whatever its title
    b'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy"'
)


def report_to_json(report: pd.DataFrame, gate: Verdict | None = None) -> bytes:
    """A report as canonical JSON; what is NaN is null.

    Returns:
        An object of `format`, `is_public`, `scores` (a Score's fields and `area`, null where none is known),
        `notes`, `gate` (`gate.json`, or null), and where attacks were made `leakage`: a row per attack,
        population, table and metric.
    """
    scores = []
    for row in report[list(Score._fields)].itertuples(index=False):
        measure = find_measure(row.metric)
        numbers = {name: _to_json(value) for name, value in row._asdict().items() if name != "metric"}
        scores.append({"metric": row.metric, "area": measure.area if measure else None} | numbers)
    leakage = find_leakage(report, is_publishable(report))
    about = {} if leakage is None else {"leakage": [_row_to_json(row) for row in leakage.to_dict("records")]}
    return canonical_json(
        about
        | {
            "format": FORMAT,
            "is_public": is_publishable(report),
            "scores": scores,
            "notes": list(report.attrs.get("notes", [])),
            "gate": None if gate is None else parse_json(gate.to_json()),
        }
    )


def write_report(report: pd.DataFrame, out: Path | str, gate: Verdict | None = None, **options: Any) -> None:
    """Write a report to a file, by its suffix, or to a folder as `report.csv`, `report.json`, `report.html`.

    A folder gets `leakage.csv` too where attacks were made: what they found beside all their controls.

    Nobody meets half of it. Unless the report `is_publishable`, only the owner can read it.

    Args:
        report: from `evaluate`, or `public_report` of it.
        out: a file that ends in .csv, .json or .html, else a folder.
        gate: verdict on thresholds.
        options: of `render_page`, for HTML.

    Raises:
        FileExistsError: if the file or the folder holds anything else than an earlier report.
    """
    out = Path(out)
    if out.suffix in SUFFIXES:
        check_file(out)
        _write_one(report, out, gate, options)
        return
    check_folder(out)
    mode = 0o755 if is_publishable(report, options.get("figures")) else 0o700
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    partial.mkdir(mode=mode)
    try:
        for name in FILES:
            _write_one(report, partial / name, gate, options)
        leakage = find_leakage(report, is_publishable(report))
        if leakage is not None:
            write_table(leakage, partial / LEAKAGE_FILE)
            (partial / LEAKAGE_FILE).chmod(0o644 if is_publishable(report) else 0o600)
        replace_folder(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_file(out: Path) -> None:
    """That a report can be written to a file without losing anything.

    Raises:
        FileExistsError: if it is anything else than an earlier report of that kind.
    """
    if out.exists() and not (out.is_file() and _is_report(out)):
        raise FileExistsError(
            f"expected nothing or an earlier report at {out}, found something else; choose another file"
        )


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(_MAX_BYTES)
    if path.suffix == ".csv":
        return start.split(b"\n", 1)[0].strip() == ",".join(Score._fields).encode()
    if path.suffix == ".html":
        return start.startswith(_PAGE)
    try:
        told = parse_json(start)
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("format") == FORMAT


def check_folder(out: Path) -> None:
    """That a report can be written to a folder without losing anything.

    Raises:
        FileExistsError: if it holds anything else than an earlier report.
    """
    if not out.exists():
        return
    others = (
        sorted({each.name for each in out.iterdir()} - {*FILES, LEAKAGE_FILE}) if out.is_dir() else [out.name]
    )
    if others:
        raise FileExistsError(
            f"expected nothing or an earlier report at {out}, found {', '.join(others[:3])}; "
            "choose another folder"
        )


def read_acceptance(path: Path | str) -> Any:
    """Thresholds from a protocol's JSON or from a file that holds its `acceptance` section alone.

    Raises:
        ValueError: if it is neither, or declares no threshold.
        OSError: if it cannot be read.
    """
    path = Path(path)
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"expected at most {_MAX_BYTES} bytes of JSON in {path.name}, got more")
    try:
        told = parse_json(path.read_bytes())
    except ValueError:
        raise ValueError(f"expected JSON in {path.name}, got something else") from None
    is_protocol = isinstance(told, Mapping) and set(told) == set(SECTIONS)
    acceptance = told["acceptance"] if is_protocol else told
    if not parse_acceptance(acceptance):
        raise ValueError(
            f'expected thresholds in {path.name}, got none; write {{"thresholds": [{{"metric": ..., '
            '"at_most": ...}]}'
        )
    return acceptance


def _write_one(report: pd.DataFrame, path: Path, gate: Verdict | None, options: Mapping[str, Any]) -> None:
    mode = 0o644 if is_publishable(report) else 0o600
    if path.suffix == ".html":
        write_page(report, path, gate=gate, **options)
    elif path.suffix == ".json":
        write_atomically(path, report_to_json(report, gate), mode)
    else:
        write_table(report, path)
        path.chmod(mode)


def _row_to_json(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _to_json(value) if isinstance(value, float) else value for name, value in row.items()}


def _to_json(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
