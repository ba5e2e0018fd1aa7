"""What a release's folder holds, read so that bad content becomes a Finding and never an exception."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, get_type_hints

from synthlib.bundle import LEDGER_FOLDER, MANIFEST, Finding, canonical_json, check_file, parse_manifest
from synthlib.chain.errors import ChainError, IncompleteLog, NodeUnreachable, WrongChain
from synthlib.chain.records import RECORD_FORMAT, Record
from synthlib.chain.registry import JOURNAL, RECORD
from synthlib.parsing import parse_json

JOURNAL_FILE, RECORD_FILE, COPY_FILE = (f"{LEDGER_FOLDER}/{name}" for name in (JOURNAL, RECORD, MANIFEST))
_SIZE_LIMITS = {MANIFEST: 1 << 24, RECORD: 1 << 20, JOURNAL: 1 << 28}
MAX_BYTES = 1 << 32  # hashed of a stranger's files: more is no table, or nothing to wait for
MAX_DIFFERENCES, MAX_FINDINGS = 100, 1_000  # listed


@contextmanager
def guard(subject: str, findings: list[Finding]) -> Iterator[None]:
    """Turn what bad content provokes into a Finding; what this machine or a node lacks is not its fault."""
    try:
        yield
    except (NodeUnreachable, WrongChain, IncompleteLog) as error:
        findings.append(Finding(subject, "unchecked", str(error)))
    except (ImportError, MemoryError) as error:
        findings.append(
            Finding(subject, "unchecked", f"this machine cannot check it ({type(error).__name__})")
        )
    except ChainError as error:
        findings.append(Finding(subject, "differs", str(error)))
    except Exception as error:
        findings.append(
            Finding(subject, "differs", f"cannot be read: {type(error).__name__}: {_explain(error)}")
        )


def _explain(error: Exception) -> str:
    """What is wrong, without the path of this machine that an OSError tells."""
    return (error.strerror or "no reason given") if isinstance(error, OSError) else str(error)[:200]


def subject_of(file: str) -> str:
    """A file as the subject of a Finding: `./` before a name that a check could have.

    Who reads findings asks some by their subject ("issuer", "verdict …"), and strangers name files as they
    like. No check is called by one word with a point in it.
    """
    return file if re.fullmatch(r"[^ ]*\.[^ ]*", file) else f"./{file}"


def read_plain(path: Path) -> bytes:
    """The bytes of a regular file of sane size; a link, folder, pipe or giant is refused."""
    require_plain(path)
    limit = _SIZE_LIMITS.get(path.name, 1 << 26)
    if path.stat().st_size > limit:
        raise ValueError(f"expected at most {limit} bytes, found {path.stat().st_size}")
    return path.read_bytes()


def require_plain(path: Path) -> None:
    """Refuse a link, folder or pipe: opening one may lead elsewhere or wait for ever.

    Raises:
        ValueError: if it is no regular file.
        OSError: if there is nothing.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError(f"{path.name}: expected a plain file")


def read_ledger(folder: Path, findings: list[Finding]) -> dict[str, bytes]:
    """The files of `ledger/` that can be read; what is missing or should not be there is named."""
    found: dict[str, bytes] = {}
    with guard(LEDGER_FOLDER, findings):
        if not folder.exists() and not folder.is_symlink():
            detail = "not recorded, or its ledger/ folder was removed"
            findings.append(Finding(LEDGER_FOLDER, "unchecked", detail))
            return {}
        if folder.is_symlink() or not folder.is_dir():
            raise ValueError("expected a folder")
        names = sorted(entry.name for entry in folder.iterdir())
        if names == [JOURNAL]:
            detail = "not recorded: there is a journal alone, in which its protocol may be registered"
            findings.append(Finding(LEDGER_FOLDER, "unchecked", detail))
            return {}
        for name in names:
            if name not in _SIZE_LIMITS:
                findings.append(Finding(f"{LEDGER_FOLDER}/{name}", "differs", "does not belong in ledger/"))
                continue
            with guard(f"{LEDGER_FOLDER}/{name}", findings):
                found[name] = read_plain(folder / name)
        for name in (RECORD, MANIFEST):
            if name not in names:
                findings.append(Finding(f"{LEDGER_FOLDER}/{name}", "differs", "missing from ledger/"))
        if JOURNAL not in names and RECORD not in found:
            findings.append(
                Finding(JOURNAL_FILE, "unchecked", "no journal, and no record.json to say where to look")
            )
    return found


def parse_record(data: bytes, findings: list[Finding]) -> dict[str, Any] | None:
    """record.json if it has the form that `Ledger.save` writes."""
    with guard(RECORD_FILE, findings):
        body = parse_json(data)
        problem = _find_form_problem(body)
        if problem is None and canonical_json(body) != data:
            problem = "not in the encoding that was written (a repeated field, spaces, or another order)"
        if problem is None:
            return body
        findings.append(Finding(RECORD_FILE, "differs", problem))
    return None


_NOTHING = type(None)
_FORMS: dict[str, dict[str, tuple[type, ...]]] = {
    "": {
        "format": (str,),
        "chain": (dict,),
        "registry": (str,),
        "record": (dict,),
        "journal": (dict, _NOTHING),
        "signature": (str, _NOTHING),
    },
    "chain": {"kind": (str,), "id": (int,), "genesis": (str,)},
    "record": {name: (kind,) for name, kind in get_type_hints(Record).items()},
    "journal": {"lines": (int,), "head": (str,)},
}


def _find_form_problem(body: Any) -> str | None:
    for part, fields in _FORMS.items():
        value = body if not part else body[part]
        if part == "journal" and value is None:
            continue
        if not isinstance(value, dict):
            return "expected an object"
        prefix = f"{part}." if part else ""
        for name in sorted(set(fields) ^ set(value)):
            return f"{prefix}{name[:60]}: {'missing' if name in fields else 'added'}"
        for name, types in fields.items():
            if type(value[name]) not in types:
                return f"{prefix}{name}: expected {types[0].__name__}, found {type(value[name]).__name__}"
    if body["format"] != RECORD_FORMAT:
        return f"format: expected {RECORD_FORMAT}"
    if body["chain"]["kind"] not in ("in-process", "node"):
        return "chain.kind: expected in-process or node"
    if (body["chain"]["kind"] == "in-process") != (body["journal"] is not None):
        return "chain.kind and journal do not belong together: a journal is what the in-process chain has"
    return None


def check_manifest(
    path: Path, manifest: Any, copy: bytes, digest: str | None, findings: list[Finding]
) -> None:
    """The manifest, field by field, against the copy of the one that was recorded.

    Args:
        manifest: what the folder's manifest holds, None if it is no JSON object.
        copy: bytes of `ledger/manifest.json`.
        digest: the release digest that record.json names, if it can be read.
    """
    recorded, is_authentic = None, digest == hashlib.sha256(copy).hexdigest()
    if digest is not None:
        detail = f"{'the' if is_authentic else 'not the'} manifest whose digest is recorded"
        findings.append(Finding(COPY_FILE, "matched" if is_authentic else "differs", detail))
    with guard(COPY_FILE, findings):
        recorded = parse_manifest(copy)
    with guard(MANIFEST, findings):
        if read_plain(path / MANIFEST) != copy:
            findings.append(Finding(MANIFEST, "differs", f"not the same as {COPY_FILE}"))
            if is_authentic and recorded is not None:
                _check_recorded_files(path, recorded, findings)
        if recorded is None or manifest is None:
            return
        differences = list(islice(_find_differences(recorded, manifest), MAX_DIFFERENCES + 1))
        findings += [Finding(name, "differs", detail) for name, detail in differences[:MAX_DIFFERENCES]]
        if len(differences) > MAX_DIFFERENCES:
            findings.append(Finding(MANIFEST, "differs", f"in more fields than the {MAX_DIFFERENCES} listed"))
        found = _list_fields(manifest)
        for name, value in _list_fields(recorded).items():
            if name in found and found[name] == value:
                findings.append(Finding(name, "matched", "as recorded"))


def _list_fields(manifest: dict[str, Any]) -> dict[str, str]:
    """Every field but `files`, and each of the parameters, as text to compare."""
    fields = {name: value for name, value in manifest.items() if name not in ("files", "parameters")}
    parameters = manifest.get("parameters")
    if isinstance(parameters, dict):
        fields |= {f"parameters.{name}": value for name, value in parameters.items()}
    return {name: json.dumps(value, sort_keys=True) for name, value in fields.items()}


def _check_recorded_files(path: Path, recorded: dict[str, Any], findings: list[Finding]) -> None:
    """The files against the recorded manifest: a changed or unreadable one must not hide them."""
    named = {finding.subject: finding.verdict for finding in findings}
    left, keyed = MAX_BYTES, recorded["digests"] != "sha256"
    for name, described in recorded["files"].items():
        found, subject = check_file(path, name, described, keyed, limit=left), subject_of(name)
        left -= described["bytes"] if found.verdict == "matched" else 0
        if found.verdict == "differs" and named.get(subject) != "differs":
            findings.append(Finding(subject, "differs", "not the file that was recorded"))
        elif subject not in named:
            findings.append(found._replace(subject=subject))


def shorten(findings: list[Finding]) -> list[Finding]:
    """The first of each verdict, how many more there are, and the last of all: no list without end."""
    counts = Counter[str]()
    kept = []
    for finding in findings[:-1]:
        counts[finding.verdict] += 1
        if counts[finding.verdict] <= MAX_FINDINGS:
            kept.append(finding)
    for outcome, number in counts.items():
        if number > MAX_FINDINGS:
            kept.append(Finding("findings", outcome, f"{number - MAX_FINDINGS} more are not listed"))
    return kept + findings[-1:]


def _find_differences(recorded: Any, found: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Names of the leaves in which two JSON values differ, and how."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        prefix = f"{name}." if name else ""
        for key in sorted(set(recorded) | set(found)):
            if key not in found:
                yield prefix + key, "removed since it was recorded"
            elif key not in recorded:
                yield prefix + key, "added since it was recorded"
            else:
                yield from _find_differences(recorded[key], found[key], prefix + key)
    elif isinstance(recorded, list) and isinstance(found, list) and len(recorded) == len(found):
        for index, (old, new) in enumerate(zip(recorded, found, strict=True)):
            yield from _find_differences(old, new, f"{name}[{index}]")
    elif json.dumps(recorded) != json.dumps(found):
        yield name or MANIFEST, f"recorded as {show(recorded)}, found {show(found)}"


def show(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
