"""A folder against its manifest: what differs, is missing or was added, file by file."""

from __future__ import annotations

import hashlib
import math
import os
import re
from bisect import bisect
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from synthlib.keys import StewardKey
from synthlib.parsing import parse_json
from synthlib.writing import canonical_json

FORMAT = "synthlib-bundle/1"
MANIFEST = "manifest.json"
LEDGER_FOLDER = "ledger"
_FIELDS = {"format", "kind", "digests", "files", "parameters", "parents"}


class Finding(NamedTuple):
    """What one check saw.

    Attributes:
        subject: what was checked, such as `"synthetic.csv"` or `"parameters.seed"`.
        verdict: `"matched"`, `"differs"` (also for what is missing or should not be there) or `"unchecked"`.
        detail: one sentence.
    """

    subject: str
    verdict: str
    detail: str


def inspect(path: Path | str, key: StewardKey | None = None, limit: float = math.inf) -> list[Finding]:
    """Check a folder against its manifest and say what was seen, file by file. Never raises for bad content.

    A keyed Bundle without its key has its files "unchecked"; so have files beyond `limit` bytes in all.
    """
    return inspect_folder(Path(path), key, limit=limit)[2]


def inspect_folder(
    path: Path, key: StewardKey | None, with_files: bool = True, limit: float = math.inf
) -> tuple[dict[str, Any] | None, str, list[Finding]]:
    """The manifest (None if it cannot be read), its digest, and the findings; see `inspect`.

    Args:
        with_files: whether the files are looked at, or the manifest alone.
    """
    try:
        if not is_plain_file(path, MANIFEST):
            raise ValueError("no plain file of this name")
        data = (path / MANIFEST).read_bytes()
        manifest = parse_manifest(data)
    except (OSError, ValueError, RecursionError) as error:
        return None, "", [Finding(MANIFEST, "differs", f"not a readable manifest ({error})")]
    findings = [Finding(MANIFEST, "matched", f"readable, names {len(manifest['files'])} files")]
    if with_files:
        keyed = manifest["digests"] == "hmac-sha256"
        for name, expected in manifest["files"].items():
            findings.append(check_file(path, name, expected, keyed, key, limit))
            limit -= expected["bytes"] if findings[-1].verdict == "matched" else 0
        ordered = sorted(manifest["files"])
        for name in sorted(set(list_files(path)) - set(manifest["files"]) - {MANIFEST}):
            if name == ".":
                findings.append(Finding(path.name, "differs", "the folder's files cannot be listed"))
            elif PurePosixPath(name).parts[0] != LEDGER_FOLDER and not _is_emptied(path, name, ordered):
                findings.append(Finding(name, "differs", "in the folder, not named in the manifest"))
    return manifest, hashlib.sha256(data).hexdigest(), findings


def _is_emptied(path: Path, name: str, files: list[str]) -> bool:
    """Whether `name` is a folder of which `files` (sorted) names some: these are missed by name."""
    if os.path.islink(path / name) or not os.path.isdir(path / name):
        return False
    place = bisect(files, f"{name}/")
    return any(file.startswith(f"{name}/") for file in files[place : place + 1])


def check_file(
    path: Path,
    name: str,
    expected: Mapping[str, Any],
    keyed: bool = False,
    key: StewardKey | None = None,
    limit: float = math.inf,
) -> Finding:
    """One file of a folder against what a manifest says of it; only one of the right size is read."""
    try:
        if not is_plain_file(path, name):
            return Finding(name, "differs", "named in the manifest, not in the folder")
        if keyed and key is None:
            return Finding(name, "unchecked", "keyed digest: the steward's key is needed")
        size = (path / name).stat().st_size
        if size != expected["bytes"]:
            detail = f"{size} bytes where the manifest says {expected['bytes']}"
            return Finding(name, "differs", detail)
        if size > limit:
            return Finding(name, "unchecked", f"{size} bytes: too many to be read")
        digest = describe_file(path / name, name, key if keyed else None)["digest"]
    except (OSError, ValueError) as error:
        return Finding(name, "differs", f"cannot be read ({getattr(error, 'strerror', None) or error})")
    if digest == expected["digest"]:
        return Finding(name, "matched", "digest as in the manifest")
    return Finding(name, "differs", "as long as the manifest says, but its digest differs")


def parse_manifest(data: bytes) -> dict[str, Any]:
    """A manifest's bytes as a dict, or ValueError saying what is wrong with them."""
    manifest = parse_json(data)
    if not isinstance(manifest, dict) or set(manifest) != _FIELDS:
        raise ValueError(f"expected the fields {', '.join(sorted(_FIELDS))}")
    if manifest["format"] != FORMAT:
        raise ValueError(f"expected format {FORMAT!r}")
    if manifest["digests"] not in ("sha256", "hmac-sha256"):
        raise ValueError("expected digests to be sha256 or hmac-sha256")
    if not isinstance(manifest["kind"], str) or not isinstance(manifest["parameters"], dict):
        raise ValueError("expected kind to be text and parameters an object")
    if not isinstance(manifest["files"], dict) or not manifest["files"]:
        raise ValueError("expected files to name at least one file")
    for name, described in manifest["files"].items():
        pure = PurePosixPath(name)
        if not pure.parts or pure.is_absolute() or ".." in pure.parts or str(pure) != name or "\\" in name:
            raise ValueError("expected file names relative to the folder")
        if pure.parts[0] == LEDGER_FOLDER or name == MANIFEST:
            raise ValueError(f"expected neither {MANIFEST} nor {LEDGER_FOLDER}/ among the files")
        if not isinstance(described, dict) or set(described) != {"bytes", "digest"}:
            raise ValueError("expected bytes and digest for each file")
        if type(described["bytes"]) is not int or not _is_digest(described["digest"]):
            raise ValueError("expected a whole number of bytes and a hexadecimal digest for each file")
    if not isinstance(manifest["parents"], dict) or not all(map(_is_digest, manifest["parents"].values())):
        raise ValueError("expected parents to be an object of digests")
    if canonical_json(manifest) != data:
        raise ValueError("expected the canonical encoding (sorted keys, indent 1, final newline)")
    return manifest


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def describe_file(file: Path, name: str, key: StewardKey | None) -> dict[str, Any]:
    """What a manifest says of a file: its bytes and its digest, under the key and the name if keyed."""
    hasher = hashlib.sha256() if key is None else key.mac(f"bundle file {name}")
    size = 0
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            hasher.update(chunk)
            size += len(chunk)
    return {"bytes": size, "digest": hasher.hexdigest()}


def is_plain_file(folder: Path, name: str) -> bool:
    """Whether `name` is a regular file reached without following a link."""
    step = folder
    for part in PurePosixPath(name).parts:
        step = step / part
        if step.is_symlink():
            return False
    return step.is_file()


def list_files(folder: Path) -> list[str]:
    """Relative POSIX paths of all that is no real folder, and of folders that are empty or unreadable."""
    found: list[str] = []
    unreadable: list[str] = []
    for root, folders, files in os.walk(folder, onerror=lambda error: unreadable.append(error.filename)):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        found += [os.path.join(root, name) for name in files + links]
        if not files and not folders and Path(root) != folder:
            found.append(root)
    return [Path(name).relative_to(folder).as_posix() for name in found + unreadable]
