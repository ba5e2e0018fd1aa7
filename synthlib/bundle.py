"""A Bundle is a folder and its manifest: how notebooks hand work on and what the Ledger records.

The manifest names every file with its digest, the parameters that made them and the digests of the
Bundles they came from. The Bundle's own digest is the SHA-256 of the manifest's bytes. Files under
`ledger/` are the exception: they are written when a Bundle is recorded, so they cannot be part of
what was recorded.

Bundles of confidential files are keyed: their manifest holds HMAC-SHA-256 values under a key that stays
with the data's steward, since a plain hash lets anybody who guesses a row or a table confirm the guess.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from synthlib.inspection import (
    FORMAT,
    LEDGER_FOLDER,
    MANIFEST,
    Finding,
    check_file,
    describe_file,
    inspect,
    inspect_folder,
    is_plain_file,
    list_files,
    parse_manifest,
)
from synthlib.keys import StewardKey
from synthlib.writing import canonical_json, replace_folder, write_atomically

__all__ = [
    "FORMAT",
    "LEDGER_FOLDER",
    "MANIFEST",
    "Bundle",
    "BundleError",
    "Finding",
    "canonical_json",
    "check_destination",
    "check_file",
    "check_writable",
    "inspect",
    "parse_manifest",
    "replace_folder",
    "workspace",
    "write_atomically",
]


class BundleError(ValueError):
    """A folder that is not the Bundle its manifest describes."""


def workspace() -> Path:
    """The folder that bundles/, figures/ and paper/ hang from.

    `SYNTHLIB_WORKSPACE` if it is set, else the closest parent of the current folder that holds a
    pyproject.toml, else the current folder.
    """
    if "SYNTHLIB_WORKSPACE" in os.environ:
        return Path(os.environ["SYNTHLIB_WORKSPACE"])
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "pyproject.toml").exists()), here)


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
        manifest, digest, findings = inspect_folder(path, key)
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
            names = sorted(list_files(partial))
            if not names:
                raise ValueError("expected at least one file in the Bundle, none was written")
            odd = [name for name in names if not is_plain_file(partial, name)]
            if odd:
                raise ValueError(f"expected plain files in the Bundle, got others: {', '.join(odd)}")
            manifest = {
                "format": FORMAT,
                "kind": kind,
                "digests": "sha256" if key is None else "hmac-sha256",
                "files": {name: describe_file(partial / name, name, key) for name in names},
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
    check_writable(path)
    return path


def check_writable(path: Path) -> None:
    """Raise now what writing a file or folder to a place would raise later.

    Raises:
        OSError: if nothing can be written in the folder that it, or a folder around it, would stand in.
    """
    path = path.resolve()
    place = next((folder for folder in path.parents if folder.exists()), path)
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".synthlib.", dir=place))
    except OSError as error:
        raise type(error)(f"expected to be able to write in {place}, could not: {error.strerror}") from None


def _list_foreign(path: Path) -> list[str]:
    """What stands at `path` and is no part of an earlier Bundle."""
    if not path.exists():
        return []
    if not path.is_dir():
        return ["a file"]
    names = [name for name in list_files(path) if PurePosixPath(name).parts[:1] != (LEDGER_FOLDER,)]
    manifest = inspect_folder(path, None, with_files=False)[0]
    return sorted(names if manifest is None else set(names) - set(manifest["files"]) - {MANIFEST})
