"""Files of a vault on any file system that fsspec knows: a local folder, `memory://`, `s3://`, …

A name is written whole or not at all: locally to a temporary file that is synchronised and renamed, elsewhere
by one put, which object stores carry out atomically (an upload in parts becomes visible with its last
request). Errors never quote a library's text, which may hold credentials, nor the user and password of a URL.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from synthlib.chain.errors import ChainError
from synthlib.keys import StewardKey

_PARTIAL = ".synthlib-vault."
_PART_SIZE = 1 << 23  # of an upload or a download: what is held in memory at a time


class StoreError(ChainError):
    """The store did not do what it was asked."""


class Store:
    """A folder of named files, each written whole.

    Args:
        url: a local folder, or a URL that fsspec knows.
        options: fsspec's storage options, such as `key`, `secret` and `endpoint_url` for s3.

    Attributes:
        local: whether it is a folder of this machine.
    """

    def __init__(self, url: Path | str, options: Mapping[str, Any] | None = None):
        try:
            self._fs, root = fsspec.core.url_to_fs(str(url), **(options or {}))
        except Exception as error:  # of many types, whose texts may hold the options
            raise StoreError(
                "expected a folder or a URL that fsspec can open with these options "
                f"({type(error).__name__}); for s3:// install s3fs"
            ) from None
        self._root, self.local = root.rstrip("/"), isinstance(self._fs, LocalFileSystem)

    def __repr__(self) -> str:
        protocol = self._fs.protocol if isinstance(self._fs.protocol, str) else self._fs.protocol[0]
        root = self._root if self.local else f"{protocol}://{self._root.rpartition('@')[2].lstrip('/')}"
        return f"Store({root!r})"

    def size(self, name: str) -> int | None:
        """Bytes of a file, or None if there is none.

        Raises:
            StoreError: if the store itself cannot be reached, or refuses.
        """
        self._fs.invalidate_cache()
        with self._speaking(f"look for {name}"), contextlib.suppress(FileNotFoundError):
            return self._fs.info(self._path(name))["size"]
        return None

    def require(self) -> None:
        """That the folder or the bucket is there, when something in it was not found."""
        place = self._root if self.local else self._root.split("/")[0]
        with self._speaking("look for the place itself"):
            found = not place or self._fs.protocol == "memory" or self._fs.exists(place)
        if not found:
            raise self._missing()

    def read(self, name: str, limit: int = 1 << 20) -> bytes:
        """A small file.

        Raises:
            FileNotFoundError: if there is none.
        """
        self._fs.invalidate_cache()
        with self._speaking(f"read {name}"):
            return self._fs.cat_file(self._path(name), end=limit)

    def open(self, name: str) -> Reading:
        """A file to be read from its beginning, a few MiB at a time; close it.

        Raises:
            FileNotFoundError: if there is none.
        """
        with self._speaking(f"open {name}"):
            return Reading(self, name, self._fs.open(self._path(name), "rb", block_size=_PART_SIZE))

    @contextlib.contextmanager
    def stage(self) -> Iterator[BinaryIO]:
        """A temporary file to fill and then `publish`; it is gone afterwards. For encrypted bytes alone."""
        path = self._staging() / f"{_PARTIAL}{secrets.token_hex(8)}.partial"
        with self._speaking("make a temporary file"):
            if self.local:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600))  # noqa: SIM115
        try:
            with file:
                yield file
        finally:
            path.unlink(missing_ok=True)

    def publish(self, file: BinaryIO, name: str) -> None:
        """Close a staged file and give it its name."""
        file.flush()
        os.fsync(file.fileno())
        file.close()
        if self.local:
            path = Path(self._path(name))
            with self._speaking(f"write {name}"):
                path.parent.mkdir(mode=0o700, exist_ok=True)
                os.replace(file.name, path)
                _synchronise(path.parent)
            return
        parts = {"chunksize": _PART_SIZE, "max_concurrency": 2} if self._is_s3 else {}
        try:
            with self._speaking(f"write {name}"):
                self._fs.put_file(file.name, self._path(name), **parts)
        except FileNotFoundError:
            raise self._missing() from None

    def write(self, name: str, data: bytes) -> None:
        """Write a small file whole."""
        with self.stage() as file:
            file.write(data)
            self.publish(file, name)

    def delete(self, name: str, overwrite: bool = False) -> str:
        """Delete a file, with every version that an S3 bucket keeps of it. No error if there is none.

        Args:
            name: the file.
            overwrite: write over a local file before.

        Returns:
            What was done, in words that a certificate can hold.
        """
        self._fs.invalidate_cache()
        if self.local:
            path = Path(self._path(name))
            with contextlib.suppress(FileNotFoundError), self._speaking(f"delete {name}"):
                StewardKey.destroy(path) if overwrite else path.unlink()
                _synchronise(path.parent)
            return "overwritten and unlinked" if overwrite else "unlinked"
        with self._speaking(f"delete {name}"), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))
        return self._delete_versions(name) if self._is_s3 else "deleted"

    def names(self) -> Iterator[tuple[str, float]]:
        """Every file's name (`ab/abcd….key`) and its age in seconds, 0 where the store does not say."""
        self._fs.invalidate_cache()
        try:
            with self._speaking("list the files"):
                found = self._fs.find(self._root, detail=True)
        except FileNotFoundError:
            found = {}
        for path, about in sorted(found.items()):
            when = about.get("mtime") or about.get("LastModified") or about.get("created")
            seconds = when.timestamp() if hasattr(when, "timestamp") else when
            name = path[len(self._root) + 1 :]
            yield name, time.time() - seconds if seconds else 0.0

    def sweep_staged(self, older_than: float) -> int:
        """Remove temporary files that a killed process left; returns their number."""
        count = 0
        for path in self._staging().glob(f"{_PARTIAL}*.partial"):
            with contextlib.suppress(OSError):  # another's, or gone by now
                if time.time() - path.stat().st_mtime >= older_than:
                    path.unlink()
                    count += 1
        return count

    @property
    def _is_s3(self) -> bool:
        return hasattr(self._fs, "call_s3")

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _staging(self) -> Path:
        return Path(self._root) if self.local else Path(tempfile.gettempdir())

    def _delete_versions(self, name: str) -> str:
        bucket, key, _ = self._fs.split_path(self._path(name))
        try:
            listed = self._fs.call_s3("list_object_versions", Bucket=bucket, Prefix=key)
            for one in (*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())):
                if one["Key"] == key:
                    self._fs.call_s3("delete_object", Bucket=bucket, Key=key, VersionId=one["VersionId"])
        except Exception:  # not allowed, or not known to this server
            return "deleted; whether the store keeps earlier versions could not be seen"
        return "deleted with every version that the store listed"

    def _missing(self) -> StoreError:
        return StoreError(f"expected {self} to be there, found no such folder or bucket; make it first")

    @contextlib.contextmanager
    def _speaking(self, doing: str) -> Iterator[None]:
        """Whatever a file system raises, as a StoreError; that a file is missing is the caller's to judge."""
        try:
            yield
        except (FileNotFoundError, ChainError):
            raise
        except PermissionError:
            advice = "check the credentials in the options, or the folder's mode"
            raise StoreError(f"expected {self} to let us {doing}, it refused; {advice}") from None
        except Exception as error:  # each library has its own
            missing = "Credentials" in type(error).__name__
            advice = "give credentials in the options" if missing else "check URL and options, and try again"
            raise StoreError(
                f"expected {self} to let us {doing}, got {type(error).__name__}; {advice}"
            ) from None


class Reading:
    """A file of a store, open to be read."""

    def __init__(self, store: Store, name: str, file: BinaryIO):
        self._store, self._name, self._file = store, name, file

    def read(self, size: int, /) -> bytes:
        with self._store._speaking(f"read {self._name}"):
            return self._file.read(size)

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _synchronise(folder: Path) -> None:
    """That a rename or a removal outlives a power cut."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
