"""A Bundle is a folder and its manifest: how notebooks hand work on and what the Ledger records.

The manifest names every file with its digest, the parameters that made them and the digests of the
Bundles they came from. The Bundle's own digest is the SHA-256 of the manifest's bytes. Files under
`ledger/` are the exception: they are written when a Bundle is recorded, so they cannot be part of
what was recorded.

Bundles of confidential files are keyed: their manifest holds HMAC-SHA-256 values under a key that stays
with the data's steward, since a plain hash lets anybody who guesses a row or a table confirm the guess.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import secrets
import shutil
import tempfile
from bisect import bisect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from synthlib.keys import StewardKey
from synthlib.parsing import parse_json

FORMAT = "synthlib-bundle/1"
MANIFEST = "manifest.json"
LEDGER_FOLDER = "ledger"
_FIELDS = {"format", "kind", "digests", "files", "parameters", "parents"}


class BundleError(ValueError):
    """A folder that is not the Bundle its manifest describes."""


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


def workspace() -> Path:
    """The folder that bundles/, figures/ and paper/ hang from.

    `SYNTHLIB_WORKSPACE` if it is set, else the closest parent of the current folder that holds a
    pyproject.toml, else the current folder.
    """
    if "SYNTHLIB_WORKSPACE" in os.environ:
        return Path(os.environ["SYNTHLIB_WORKSPACE"])
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "pyproject.toml").exists()), here)


def canonical_json(value: Any) -> bytes:
    """The one JSON encoding of a value: sorted keys, indent 1, UTF-8, final newline, no NaN.

    Keys become text before they are sorted, so that what was read back is encoded the same.

    Raises:
        ValueError: for NaN, infinity, text that UTF-8 cannot hold, or keys that are the same text.
        TypeError: for what JSON cannot hold.
    """
    plain = json.loads(
        json.dumps(value, allow_nan=False, default=_plain), object_pairs_hook=_refuse_repeated_keys
    )
    return (json.dumps(plain, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("expected keys that differ as text, got some that do not, such as 1 and '1'")
    return dict(pairs)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | set | frozenset):
        return sorted(value) if isinstance(value, set | frozenset) else list(value)
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"expected a value that JSON can hold, got {type(value).__name__}")


def write_atomically(path: Path | str, data: bytes, mode: int = 0o644) -> None:
    """Write to a temporary file beside `path`, then rename: readers see all of it or nothing."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


class Bundle:
    """A folder whose files are what its manifest says. Made by `Bundle.open` and `Bundle.create`.

    Attributes:
        path: the folder.
        manifest: `format, kind, digests, files, parameters, parents` as read.
        digest: SHA-256 of the manifest's bytes, in hexadecimal.
    """

    def __init__(self, path: Path, manifest: dict[str, Any], digest: str):
        self.path, self.manifest, self.digest = path, manifest, digest

    def __repr__(self) -> str:
        return f"Bundle({self.path.name!r}, kind={self.kind!r}, files={len(self.files)})"

    @property
    def kind(self) -> str:
        return self.manifest["kind"]

    @property
    def parameters(self) -> dict[str, Any]:
        return self.manifest["parameters"]

    @property
    def parents(self) -> dict[str, str]:
        return self.manifest["parents"]

    @property
    def files(self) -> list[str]:
        return sorted(self.manifest["files"])

    def file(self, name: str) -> Path:
        """Path of a file that the manifest names.

        Raises:
            KeyError: if it names no such file.
        """
        if name not in self.manifest["files"]:
            raise KeyError(f"expected one of {', '.join(self.files)}, got {name!r}")
        return self.path / name

    @staticmethod
    def locate(path: Path | str) -> Path:
        """A folder's path; a bare name that is no folder here means `bundles/NAME` in the workspace."""
        path = Path(path)
        if not path.exists() and len(path.parts) == 1 and not path.is_absolute():
            return workspace() / "bundles" / path
        return path

    @classmethod
    def open(cls, path: Path | str, key: StewardKey | None = None) -> Bundle:
        """Read a Bundle after hashing every file again.

        Args:
            path: the folder, or the bare name of one in the workspace's `bundles/`.
            key: the steward's key; needed when the Bundle is keyed.

        Raises:
            FileNotFoundError: if there is no such folder.
            BundleError: if any file differs, is missing or was added; all are named.
        """
        path = cls.locate(path)
        if not path.is_dir():
            raise FileNotFoundError(f"expected a Bundle's folder at {path}, found none; was it made yet?")
        manifest, digest, findings = _inspect(path, key)
        wrong = [f"{found.subject}: {found.detail}" for found in findings if found.verdict != "matched"]
        if manifest is None or wrong:
            raise BundleError(f"{path.name} is not what its manifest describes:\n  " + "\n  ".join(wrong))
        return cls(path, manifest, digest)

    @classmethod
    @contextmanager
    def create(
        cls,
        path: Path | str,
        kind: str,
        parameters: Mapping[str, Any],
        parents: Mapping[str, Bundle] | None = None,
        key: StewardKey | None = None,
    ) -> Iterator[Path]:
        """Yield an empty folder to write files into; on leaving, hash them and move it to `path`.

        If the block raises, nothing is left behind and an earlier Bundle at `path` stays as it was; else it
        is replaced, with its `ledger/` folder.

        Args:
            path: the folder, or a bare name for the workspace's `bundles/`.
            kind: what it holds: `"data"`, `"model"`, `"release"`, …
            parameters: everything that made the files, as JSON can hold it. It is published with the
                Bundle. The dict may still be filled inside the block.
            parents: name → Bundle these files were made from.
            key: makes a keyed Bundle, for confidential files, in a folder that only its owner can read.

        Raises:
            FileExistsError: if `path` holds anything that is not an earlier Bundle's.
            ValueError: if the block wrote no file, or one that no Bundle can hold, such as a link.
        """
        path = check_destination(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        partial.mkdir(mode=0o777 if key is None else 0o700)  # keyed: confidential
        try:
            yield partial
            names = sorted(_list_files(partial))
            if not names:
                raise ValueError("expected at least one file in the Bundle, none was written")
            odd = [name for name in names if not _is_plain_file(partial, name)]
            if odd:
                raise ValueError(f"expected plain files in the Bundle, got others: {', '.join(odd)}")
            manifest = {
                "format": FORMAT,
                "kind": kind,
                "digests": "sha256" if key is None else "hmac-sha256",
                "files": {name: _describe_file(partial / name, name, key) for name in names},
                "parameters": dict(parameters),
                "parents": {name: parent.digest for name, parent in (parents or {}).items()},
            }
            data = canonical_json(manifest)
            parse_manifest(data)  # nothing is written that could not be opened
            write_atomically(partial / MANIFEST, data)
            replace_folder(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def check_destination(path: Path | str) -> Path:
    """Raise now what `Bundle.create` would raise after hours of work, and say where it would write.

    Raises:
        FileExistsError: if `path` holds anything that is not an earlier Bundle's.
        OSError: if nothing can be written there.
    """
    path = Bundle.locate(path).resolve()
    foreign = _list_foreign(path)
    if foreign:
        shown = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise FileExistsError(
            f"expected nothing or an earlier Bundle at {path}, found {shown}; choose another folder"
        )
    place = next(folder for folder in path.parents if folder.exists())
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".synthlib.", dir=place))
    except OSError as error:
        raise type(error)(f"expected to be able to write in {place}, could not: {error.strerror}") from None
    return path


def _list_foreign(path: Path) -> list[str]:
    """What stands at `path` and is no part of an earlier Bundle."""
    if not path.exists():
        return []
    if not path.is_dir():
        return ["a file"]
    names = [name for name in _list_files(path) if PurePosixPath(name).parts[:1] != (LEDGER_FOLDER,)]
    manifest = _inspect(path, None, with_files=False)[0]
    return sorted(names if manifest is None else set(names) - set(manifest["files"]) - {MANIFEST})


def inspect(path: Path | str, key: StewardKey | None = None, limit: float = math.inf) -> list[Finding]:
    """Check a folder against its manifest and say what was seen, file by file. Never raises for bad content.

    A keyed Bundle without its key has its files "unchecked"; so have files beyond `limit` bytes in all.
    """
    return _inspect(Path(path), key, limit=limit)[2]


def _inspect(
    path: Path, key: StewardKey | None, with_files: bool = True, limit: float = math.inf
) -> tuple[dict[str, Any] | None, str, list[Finding]]:
    """The manifest (None if it cannot be read), its digest, and the findings."""
    try:
        if not _is_plain_file(path, MANIFEST):
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
        for name in sorted(set(_list_files(path)) - set(manifest["files"]) - {MANIFEST}):
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
        if not _is_plain_file(path, name):
            return Finding(name, "differs", "named in the manifest, not in the folder")
        if keyed and key is None:
            return Finding(name, "unchecked", "keyed digest: the steward's key is needed")
        size = (path / name).stat().st_size
        if size != expected["bytes"]:
            detail = f"{size} bytes where the manifest says {expected['bytes']}"
            return Finding(name, "differs", detail)
        if size > limit:
            return Finding(name, "unchecked", f"{size} bytes: too many to be read")
        digest = _describe_file(path / name, name, key if keyed else None)["digest"]
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


def _describe_file(file: Path, name: str, key: StewardKey | None) -> dict[str, Any]:
    hasher = hashlib.sha256() if key is None else key.mac(f"bundle file {name}")
    size = 0
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            hasher.update(chunk)
            size += len(chunk)
    return {"bytes": size, "digest": hasher.hexdigest()}


def _is_plain_file(folder: Path, name: str) -> bool:
    """Whether `name` is a regular file reached without following a link."""
    step = folder
    for part in PurePosixPath(name).parts:
        step = step / part
        if step.is_symlink():
            return False
    return step.is_file()


def _list_files(folder: Path) -> list[str]:
    """Relative POSIX paths of all that is no real folder, and of folders that are empty or unreadable."""
    found: list[str] = []
    unreadable: list[str] = []
    for root, folders, files in os.walk(folder, onerror=lambda error: unreadable.append(error.filename)):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        found += [os.path.join(root, name) for name in files + links]
        if not files and not folders and Path(root) != folder:
            found.append(root)
    return [Path(name).relative_to(folder).as_posix() for name in found + unreadable]


def replace_folder(source: Path, target: Path) -> None:
    """Move `source` to `target`; what stood there is put aside first and removed last."""
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
    if target.exists():
        os.replace(target, aside)
    try:
        os.replace(source, target)
    except OSError:
        if aside.exists():
            os.replace(aside, target)
        raise
    shutil.rmtree(aside, ignore_errors=True)
