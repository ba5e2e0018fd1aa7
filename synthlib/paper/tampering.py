"""A rehearsal of tampering: change one thing in a copy of a release, verify it, see whether it was named."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from synthlib.bundle import LEDGER_FOLDER, MANIFEST, Finding, canonical_json
from synthlib.chain.attempts import ATTEMPTS_FILE
from synthlib.chain.evidence import RECORD_FILE
from synthlib.chain.rows import ROWS_FILE
from synthlib.chain.study import PROTOCOL_FILE
from synthlib.paper.style import OTHERS, WIDTH, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKS = {
    "missed": {"marker": "x", "color": "black"},
    "found": {"marker": "o", "color": OTHERS[0], "fillstyle": "none"},
    "found and named": {"marker": "o", "color": OTHERS[0]},
}


class Change(NamedTuple):
    """One thing done to a copy of a release.

    Attributes:
        part: what is changed: a file, a manifest's field or a journal's line.
        change: what is done to it.
        names: words of which a finding must hold one to have named the part.
        apply: does it to the folder it is given.
    """

    part: str
    change: str
    names: tuple[str, ...]
    apply: Callable[[Path], None]


def rehearse(release: Path | str, verify: Callable[[Path], list[Finding]]) -> pd.DataFrame:
    """Make every change of `list_changes` in a fresh copy of a release, one at a time, and verify the copy.

    Args:
        release: folder of a recorded release; it is only read.
        verify: such as `synthlib.verify`.

    Returns:
        DataFrame with a row a change: `part, change, found, named`. `found`: some check differs. `named`: a
        check that differs names the part.
    """
    rows = []
    for change in list_changes(Path(release)):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / Path(release).name
            shutil.copytree(release, copy)
            change.apply(copy)
            differing = [finding for finding in verify(copy) if finding.verdict == "differs"]
        said = " ".join(f"{finding.subject} {finding.detail}" for finding in differing)
        named = any(name in said for name in change.names)
        rows.append((change.part, change.change, bool(differing), named))
    return pd.DataFrame(rows, columns=["part", "change", "found", "named"])


def list_changes(release: Path) -> list[Change]:
    """Each file, manifest field, record field and journal line, changed in every way that applies to it.

    The protocol, the attempts and the root of the rows are also changed field by field with the manifest put
    right, as somebody would who knows how a release is made. A field that is itself a mapping counts as one,
    and has its first leaf changed.
    """
    names = sorted(path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file())
    changes = [change for name in names for change in _change_file(name)]
    changes += [_swap(one, other) for one, other in zip(names, names[1:] + names[:1], strict=True)]
    changes += _change_fields(json.loads((release / MANIFEST).read_bytes()))
    for name in (PROTOCOL_FILE, ROWS_FILE, ATTEMPTS_FILE):
        if (release / name).exists():
            changes += _change_and_rehash(name, json.loads((release / name).read_bytes()))
    if (release / RECORD_FILE).exists():
        changes += _change_record(json.loads((release / RECORD_FILE).read_bytes())["record"])
    journal = release / LEDGER_FOLDER / "journal.jsonl"
    if journal.exists():
        num_lines = len(journal.read_bytes().splitlines())
        changes += [change for line in range(num_lines) for change in _change_line(line, num_lines)]
    return changes


def _change_file(name: str) -> Iterator[Change]:
    def flip(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)

    def cut(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    def remove(folder: Path) -> None:
        (folder / name).unlink()

    yield Change(name, "one bit flipped", (name,), flip)
    yield Change(name, "cut short", (name,), cut)

    def rename(folder: Path) -> None:
        (folder / name).rename(folder / f"{name}.old")

    yield Change(name, "removed", (name,), remove)
    yield Change(name, "renamed", (name,), rename)


def _swap(one: str, other: str) -> Change:
    def swap(folder: Path) -> None:
        first, second = (folder / one).read_bytes(), (folder / other).read_bytes()
        (folder / one).write_bytes(second)
        (folder / other).write_bytes(first)

    return Change(one, f"swapped with {other}", (one, other), swap)


def _change_fields(manifest: dict[str, Any]) -> Iterator[Change]:
    fields = [(name,) for name in manifest if name not in ("parameters", "files", "parents")]
    fields += [(group, name) for group in ("parameters", "files", "parents") for name in manifest[group]]
    for path in fields:

        def edit(folder: Path, path: tuple[str, ...] = path) -> None:
            document = json.loads((folder / MANIFEST).read_bytes())
            parent = document
            for name in path[:-1]:
                parent = parent[name]
            parent[path[-1]] = _other(parent[path[-1]])
            (folder / MANIFEST).write_bytes(canonical_json(document))

        yield Change(f"{MANIFEST}: {'.'.join(path)}", "another value", (".".join(path),), edit)


def _change_and_rehash(name: str, document: dict[str, Any]) -> Iterator[Change]:
    """A field, or an attempt, of a JSON file, and its size and digest in the manifest."""

    def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
        told = json.loads((folder / name).read_bytes())
        change(told)
        data = canonical_json(told)
        (folder / name).write_bytes(data)
        manifest = json.loads((folder / MANIFEST).read_bytes())
        manifest["files"][name] = {"bytes": len(data), "digest": hashlib.sha256(data).hexdigest()}
        (folder / MANIFEST).write_bytes(canonical_json(manifest))

    if name != ATTEMPTS_FILE:
        for field in document:
            change = partial(edit, change=lambda told, field=field: told.update({field: _other(told[field])}))
            yield Change(f"{name}: {field}", "another value, rehashed", (name,), change)
        return
    for place in range(len(document["attempts"])):
        part = f"{name}: attempt {place + 1}"

        def settle(told: dict[str, Any], place: int = place) -> None:
            told["attempts"][place]["outcome"] = _other(told["attempts"][place]["outcome"])

        def leave_out(told: dict[str, Any], place: int = place) -> None:
            del told["attempts"][place]
            for number, entry in enumerate(told["attempts"], start=1):
                entry["number"] = entry["together_from"] = number

        yield Change(part, "another value, rehashed", (name,), partial(edit, change=settle))
        yield Change(part, "left out, rehashed", (name,), partial(edit, change=leave_out))


def _change_record(record: dict[str, Any]) -> Iterator[Change]:
    """Each field of the record, without the issuer's key to sign it anew."""
    for field in record:

        def edit(folder: Path, field: str = field) -> None:
            body = json.loads((folder / RECORD_FILE).read_bytes())
            body["record"][field] = _other(body["record"][field])
            (folder / RECORD_FILE).write_bytes(canonical_json(body))

        part = f"{RECORD_FILE}: record.{field}"
        yield Change(part, "another value", (f"record.{field}",), edit)


def _other(value: Any) -> Any:
    """A value of the same form that differs in one leaf."""
    if isinstance(value, dict) and value:
        first = min(value)
        return value | {first: _other(value[first])}
    if isinstance(value, list) and value:
        return [_other(value[0]), *value[1:]]
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str) and value:
        return ("0" if value[0] != "0" else "1") + value[1:]
    return "something"


def _change_line(line: int, num_lines: int) -> Iterator[Change]:
    place = f"{LEDGER_FOLDER}/journal.jsonl"

    def edit(folder: Path, change: Callable[[list[bytes]], None]) -> None:
        lines = (folder / place).read_bytes().splitlines(keepends=True)
        change(lines)
        (folder / place).write_bytes(b"".join(lines))

    def flip(lines: list[bytes]) -> None:
        half = len(lines[line]) // 2
        lines[line] = lines[line][:half] + bytes([lines[line][half] ^ 1]) + lines[line][half + 1 :]

    def swap(lines: list[bytes]) -> None:
        lines[line], lines[line + 1] = lines[line + 1], lines[line]

    def drop(lines: list[bytes]) -> None:
        del lines[line]

    part = f"{place} line {line + 1}"
    yield Change(
        part, "one bit flipped", (part, f"line {line + 1} was changed"), lambda folder: edit(folder, flip)
    )
    yield Change(part, "dropped", (place,), lambda folder: edit(folder, drop))
    if line + 1 < num_lines:
        yield Change(part, "swapped with the next", (place,), lambda folder: edit(folder, swap))


def draw_outcome(outcome: pd.DataFrame) -> Figure:
    """Files and what is in them down, kinds of change across: how many were tried, and how the worst went.

    Args:
        outcome: what `rehearse` returns.
    """
    kinds = outcome["change"].str.replace(r"^swapped .*", "swapped", regex=True)
    parts = outcome["part"].str.replace(r": .*", ", part by part", regex=True)
    parts = parts.str.replace(r" line \d+$", ", line by line", regex=True)
    rows, columns = list(dict.fromkeys(parts)), list(dict.fromkeys(kinds))
    verdicts = pd.Series(np.where(outcome["found"] & outcome["named"], 2, outcome["found"].astype(int)))
    cells = verdicts.groupby([parts.to_numpy(), kinds.to_numpy()])
    with styled():
        figure = new_figure(WIDTH * 0.6, 0.17 * len(rows) + 1.0)
        axes = figure.subplots()
        for verdict, (label, options) in enumerate(_MARKS.items()):
            at = [cell for cell, worst in cells.min().items() if worst == verdict]
            if (verdicts == verdict).any():
                axes.plot(
                    [columns.index(kind) for _, kind in at],
                    [rows.index(part) for part, _ in at],
                    linestyle="",
                    markersize=4.5,
                    label=f"{label} ({(verdicts == verdict).sum()})",
                    **options,
                )
        for (part, kind), tried in cells.size().items():
            if tried > 1:
                axes.text(columns.index(kind) + 0.2, rows.index(part), str(tried), va="center", fontsize=6)
        axes.set_xticks(range(len(columns)), columns, rotation=35, ha="left")
        axes.set_yticks(range(len(rows)), rows)
        axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.grid(axis="y", color="0.9", linewidth=0.5)
        axes.spines[:].set_visible(False)
        figure.legend(loc="outside lower center", ncols=3)
    return figure
