"""A Bundle's folder as one stream of bytes, and back.

The files follow each other in the order of their names' UTF-8 bytes, each as

    2   length of the name, big-endian
    8   length of the file, big-endian
    …   the name: relative to the folder, parts separated by /
    …   the file's bytes

and the stream ends after the last one. It holds the manifest, the files that it names, and those under
`ledger/`; no times, owners, modes or links. So equal folders give equal streams.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from synthlib.bundle import LEDGER_FOLDER, MANIFEST, Bundle
from synthlib.chain.errors import ChainError

_ENTRY = struct.Struct(">HQ")
_CHUNK = 1 << 20


class PackingError(ChainError):
    """A stream that is no Bundle's folder."""


def pack(bundle: Bundle) -> Iterator[bytes]:
    """The bytes of a folder, in pieces.

    Raises:
        ValueError: if the folder holds a link, or a file changes while it is read.
    """
    names = [MANIFEST, *bundle.files, *_list_ledger(bundle.path)]
    for name in sorted(names, key=str.encode):
        path = bundle.path / name
        if any(step.is_symlink() for step in (path, *path.parents[: len(PurePosixPath(name).parts) - 1])):
            raise ValueError(f"{name}: expected a plain file, found a link; put the file itself there")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            yield _ENTRY.pack(len(name.encode()), size) + name.encode()
            while chunk := file.read(_CHUNK):
                size -= len(chunk)
                yield chunk
            if size:
                raise ValueError(
                    f"{name}: its length changed while it was read; put it again when it is at rest"
                )


def _list_ledger(folder: Path) -> list[str]:
    """Names of what lies under `ledger/`, links included."""
    found = []
    for root, folders, files in os.walk(folder / LEDGER_FOLDER):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        found += [(Path(root) / name).relative_to(folder).as_posix() for name in files + links]
    return found


def unpack(chunks: Iterable[bytes], folder: Path) -> None:
    """Write the files of a stream into an empty folder, in constant memory, for their owner alone.

    The stream may be a stranger's: nothing is written outside the folder.

    Raises:
        PackingError: if it is not what `pack` makes. Files written before that are left to the caller.
    """
    stream, last = _Stream(chunks), b""
    while not stream.ended():
        length, size = _ENTRY.unpack(stream.take(_ENTRY.size))
        name = stream.take(length)
        if name <= last:
            raise PackingError("expected files in the order of their names, found another order")
        last = name
        path = _place(folder, name)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except (FileExistsError, NotADirectoryError, ValueError):  # a is a file, and a/b is another
            raise PackingError("expected names that can stand beside each other, found others") from None
        with os.fdopen(descriptor, "wb") as file:
            for piece in stream.pieces(size):
                file.write(piece)


def _place(folder: Path, name: bytes) -> Path:
    """Where a file of this name stands, which is inside the folder."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise PackingError("expected file names in UTF-8, found other bytes") from None
    pure = PurePosixPath(text)
    strange = pure.is_absolute() or ".." in pure.parts or str(pure) != text or "\\" in text or "\0" in text
    if not pure.parts or strange or not (folder / text).is_relative_to(folder):
        raise PackingError("expected file names inside the folder, found another")
    return folder / text


class _Stream:
    """Chunks of any length, read in pieces of the length that is asked for."""

    def __init__(self, chunks: Iterable[bytes]):
        self._chunks, self._waiting = iter(chunks), memoryview(b"")

    def ended(self) -> bool:
        while not self._waiting:
            chunk = next(self._chunks, None)
            if chunk is None:
                return True
            self._waiting = memoryview(chunk)
        return False

    def pieces(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes."""
        while size:
            if self.ended():
                raise PackingError("expected more bytes, the stream ends; it was made by something else")
            piece, self._waiting = self._waiting[:size], self._waiting[size:]
            size -= len(piece)
            yield piece

    def take(self, size: int) -> bytes:
        """The next `size` bytes at once."""
        return b"".join(self.pieces(size))
