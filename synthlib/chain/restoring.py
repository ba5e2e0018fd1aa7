"""A sealed object made a file or a Bundle's folder again: all of it under its name, or nothing."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from synthlib.bundle import inspect
from synthlib.chain.packing import unpack
from synthlib.chain.sealing import FILE, DataKey, SealError, Source, open_segments, read_header


def restore(
    source: Source, address: str, data_key: DataKey, destination: Path, dataset: str | None = None
) -> None:
    """Decrypt an object to where nothing is, for its owner alone (modes 600 and 700).

    Everything is written under a temporary name, which becomes `destination` when every segment, the address
    and, for a Bundle, each file against the manifest were checked. Else it is removed. A process that is
    killed leaves the temporary name; restoring to the same destination again removes it.

    Args:
        source: the sealed object.
        address: its address.
        data_key: its key.
        destination: where nothing is yet.
        dataset: id of the dataset that the object must be of; any if None.

    Raises:
        OtherDataset: if it is of another dataset.
        WrongKey: if the key is another object's.
        SealError, PackingError: if the object is not as it was sealed.
    """
    with _partial(destination) as partial:
        header = read_header(source)
        segments = open_segments(source, header, data_key, address, dataset)
        if header.content == FILE:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                for segment in segments:
                    file.write(segment)
        else:
            partial.mkdir(mode=0o700)
            unpack(segments, partial)
            wrong = [found.subject for found in inspect(partial) if found.verdict == "differs"]
            if wrong:
                raise SealError(f"expected a Bundle as its manifest says, found {len(wrong)} files otherwise")
        os.replace(partial, destination)


@contextlib.contextmanager
def _partial(destination: Path) -> Iterator[Path]:
    """A name beside `destination` that holds nothing, and nothing again afterwards."""
    for leftover in destination.parent.glob(f".{glob.escape(destination.name)}.????????.partial"):
        _remove(leftover)
    partial = destination.with_name(f".{destination.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
