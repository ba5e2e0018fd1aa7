"""Anchors: where a digest can be put so that others can see later that it stood there, and in which order.

A chain is one anchor. Here is another that needs no network: a log of one writer, signed. It is a file of
lines, a Merkle tree over them (`merkle.py`), and a checkpoint (`notes.py`) that the writer signs after each
new line. A proof is the line, its path in the tree and a checkpoint: it is checked offline, with the writer's
public key alone.

What the log shows: the writer has seen the digest; before every entry with a larger index; and, to whoever
kept an earlier checkpoint, that nothing before it was changed. What it does not show: when, unless one
believes the writer's clock; nor, by itself, that the writer shows everybody the same log. Two checkpoints of
one size with different roots prove that there are two (`SplitView`), but somebody has to see both:
docs/anchors.md compares this with other anchors.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from synthlib.bundle import canonical_json
from synthlib.chain.errors import ChainError
from synthlib.chain.merkle import EMPTY_ROOT, MerkleTree, leaf_hash, verify_consistency, verify_inclusion
from synthlib.chain.notes import Checkpoint, NoteError, Signer, Verifier
from synthlib.parsing import parse_json

FORMAT = "synthlib-log-proof/1"
ENTRIES, CHECKPOINT = "entries.txt", "checkpoint.txt"
_ENTRY = re.compile("([0-9a-f]{64})(?: (0|[1-9][0-9]{0,11}))?", re.ASCII)


class AnchorError(ChainError):
    """A proof that does not show what it should, or a log that is not what was signed."""


class NotConsistent(AnchorError):
    """It was not shown that a log's later state continues its earlier one."""


class SplitView(AnchorError):
    """One writer signed two histories. Keep both checkpoints: they prove it to everybody.

    Attributes:
        checkpoints: the two signed notes.
    """

    def __init__(self, message: str, checkpoints: tuple[str, str]):
        super().__init__(message)
        self.checkpoints = checkpoints


class Anchored(NamedTuple):
    """What a proof shows of a digest.

    Attributes:
        when: seconds since 1970, as `who` states them; None where the anchor shows an order alone.
        who: text of the key that vouches for it.
        index: place among all entries, from 0.
        size: how many entries there were when the proof was made.
    """

    when: int | None
    who: str
    index: int
    size: int


class Anchor(Protocol):
    """What every anchor can do."""

    def anchor(self, digest: str) -> str:
        """Put a digest (64 hexadecimal digits) there, and return a proof as JSON. Again is harmless."""

    def check(self, digest: str, proof: str) -> Anchored:
        """What a proof shows of a digest.

        Raises:
            AnchorError: if it does not show that the digest is there.
        """


class LogReader:
    """Checks what a signed log said. Needs the writer's public key and nothing of the log.

    Args:
        verifier: text of the public key, from `SignedLog.verifier`; to be had from the writer by a way that
            the reader trusts.

    Raises:
        ValueError: if it is not such a text.
    """

    def __init__(self, verifier: str):
        self._verifier = Verifier(verifier)

    @property
    def verifier(self) -> str:
        """Text of the public key."""
        return self._verifier.text

    def check(self, digest: str, proof: str) -> Anchored:
        """What a proof shows of a digest.

        Raises:
            AnchorError: if it is of another digest, the path does not lead to the root, or the checkpoint is
                not signed.
        """
        _check_digest(digest)
        try:
            fields = parse_json(proof.encode())
            entry, index, note = (fields[name] for name in ("entry", "index", "checkpoint"))
            path = [bytes.fromhex(sibling) for sibling in fields["path"]]
            match = _ENTRY.fullmatch(entry)
            is_proof = fields["format"] == FORMAT and type(index) is int and isinstance(note, str) and match
        except (ValueError, KeyError, TypeError):
            is_proof = False
        if not is_proof:
            raise AnchorError(f"expected a proof of format {FORMAT!r}, got something else")
        if match[1] != digest:
            raise AnchorError("expected a proof of this digest, got one of another")
        size, root = self._open(note)[1:]
        if not verify_inclusion(leaf_hash(entry.encode()), index, size, path, root):
            raise AnchorError("expected a path from the entry to the signed root, got another")
        return Anchored(None if match[2] is None else int(match[2]), self.verifier, index, size)

    def check_consistency(self, old: str, new: str, proof: str) -> Checkpoint:
        """That a later checkpoint continues an earlier one: no entry was changed or dropped.

        Args:
            old, new: the checkpoints' text.
            proof: from `SignedLog.prove_consistency`.

        Returns:
            What the later checkpoint says.

        Raises:
            SplitView: if both are of one size and of different roots.
            NotConsistent: if the proof does not show it, as when the past was rewritten.
            AnchorError: if a checkpoint is not signed by the writer, or the proof is no JSON.
        """
        earlier, later = self._open(old), self._open(new)
        if earlier.size == later.size and earlier.root != later.root:
            raise SplitView(
                f"expected one log of {later.size} entries, got two signed by {later.origin}: its writer has "
                "more than one history; show both checkpoints to the others",
                (old, new),
            )
        try:
            digests = parse_json(proof.encode())
            path = [bytes.fromhex(digest) for digest in digests]
        except (ValueError, TypeError):
            digests = None
        if not isinstance(digests, list):
            raise AnchorError("expected a JSON list of hashes as proof, got something else")
        if not verify_consistency(earlier.size, later.size, earlier.root, later.root, path):
            raise NotConsistent(
                f"expected proof that the log of {later.size} entries begins with the one of {earlier.size}, "
                "got none; ask the writer for it, and distrust the log if none comes"
            )
        return later

    def _open(self, note: str) -> Checkpoint:
        try:
            return Checkpoint.open(note, self._verifier)
        except NoteError as error:
            raise AnchorError(str(error)) from None


class SignedLog(LogReader):
    """An append-only log of digests, with its writer's key. Made by `create` and `open`.

    The folder holds `entries.txt`, a digest a line (and the time, if there is a clock), and
    `checkpoint.txt`; both may be published. A line is on the disk before it is signed, and signed before a
    proof is given. Lines that were not signed yet when a process died are kept, half ones dropped. Several
    processes may share a log where the system can lock files (on Windows one at a time).

    Attributes:
        checkpoint: the last signed checkpoint, a note.
    """

    def __init__(self, folder: Path, signer: Signer, clock: Callable[[], int] | None):
        super().__init__(signer.verifier.text)
        self._folder, self._signer, self._clock = folder, signer, clock
        self._tree, self._entries, self._places, self._end = MerkleTree(), [], {}, 0
        self.checkpoint = (folder / CHECKPOINT).read_text(encoding="utf-8")
        signed = self._open(self.checkpoint)
        with self._locked() as file:
            self._catch_up(file)
        if signed.size > len(self):
            raise AnchorError(
                f"expected the {signed.size} entries that were signed, found {len(self)} in {ENTRIES}: it "
                "was cut off; restore it before anything is appended"
            )
        if self._tree.root(signed.size) != signed.root:
            raise AnchorError(f"expected the entries that were signed, found others in {ENTRIES}; restore it")
        self._num_signed = signed.size

    @classmethod
    def create(
        cls, folder: Path | str, key: Path | str, name: str, clock: Callable[[], int] | None = None
    ) -> SignedLog:
        """A new log, and a new key in a file of mode 600 outside its folder.

        Args:
            folder: of the log; made if it is not there.
            key: path of the key's file.
            name: the log's, such as `example.org/releases`.
            clock: gives seconds since 1970, or None for entries without a time. Nobody has to believe it.

        Raises:
            FileExistsError: if there is a log in the folder, or a file where the key should go.
            ValueError: if the name is none, or the key would lie in the folder, which may be published.
        """
        folder = Path(folder)
        if folder.resolve() in Path(key).resolve().parents:
            raise ValueError("expected a place for the key outside the log's folder, got one in it")
        if (folder / ENTRIES).exists():
            raise FileExistsError(f"expected no log in {folder}, found one: open it, or take another folder")
        signer = Signer.create(key, name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ENTRIES).touch()
        _write_durably(folder / CHECKPOINT, Checkpoint(name, 0, EMPTY_ROOT).sign(signer).encode())
        return cls(folder, signer, clock)

    @classmethod
    def open(cls, folder: Path | str, key: Path | str, clock: Callable[[], int] | None = None) -> SignedLog:
        """The log in a folder.

        Raises:
            FileNotFoundError: if there is no log or no key.
            PermissionError: if others could read the key.
            AnchorError: if the file of entries holds less than was signed, or other lines.
        """
        return cls(Path(folder), Signer.open(key), clock)

    def __len__(self) -> int:
        return len(self._tree)

    def anchor(self, digest: str) -> str:
        """Append a digest, unless it is there, and return a proof as JSON.

        Args:
            digest: 64 hexadecimal digits.

        Raises:
            AnchorError: if the file of entries was cut off meanwhile.
        """
        _check_digest(digest)
        with self._locked() as file:
            self._catch_up(file, repair=True)
            if digest not in self._places:
                entry = digest if self._clock is None else f"{digest} {int(self._clock())}"
                file.write(f"{entry}\n".encode())
                file.flush()
                self._catch_up(file)
            if self._num_signed < len(self):
                os.fsync(file.fileno())
                note = Checkpoint(self._verifier.name, len(self), self._tree.root()).sign(self._signer)
                _write_durably(self._folder / CHECKPOINT, note.encode())
                self.checkpoint, self._num_signed = note, len(self)
        index = self._places[digest]
        path = [sibling.hex() for sibling in self._tree.prove_inclusion(index)]
        fields = {"entry": self._entries[index], "index": index, "path": path}
        return canonical_json(fields | {"format": FORMAT, "checkpoint": self.checkpoint}).decode()

    def prove_consistency(self, old: str) -> str:
        """Proof for `check_consistency` that `checkpoint` continues an earlier one, as JSON.

        Raises:
            NotConsistent: if it does not.
            AnchorError: if the earlier one is not a checkpoint of this log.
        """
        _, size, root = self._open(old)
        if size > self._num_signed or self._tree.root(size) != root:
            raise NotConsistent(f"expected a checkpoint of this log's past, got another of {size} entries")
        path = self._tree.prove_consistency(size, self._num_signed)
        return canonical_json([digest.hex() for digest in path]).decode()

    def _catch_up(self, file: IO[bytes], repair: bool = False) -> None:
        """Read the lines that were added since the last time, by this process or another."""
        size = os.fstat(file.fileno()).st_size
        if size < self._end:
            raise AnchorError(f"expected {ENTRIES} as it was, found it cut off; restore it")
        file.seek(self._end)
        whole, newline, _ = file.read().rpartition(b"\n")
        lines = whole.split(b"\n") if newline else []
        entries = [_ENTRY.fullmatch(line.decode("ascii", "replace")) for line in lines]
        if None in entries:
            raise AnchorError(f"expected a digest in each line of {ENTRIES}, found another text; restore it")
        for entry in entries:
            self._places.setdefault(entry[1], len(self._entries))
            self._entries.append(entry[0])
        self._tree.extend(b"".join(map(leaf_hash, lines)))
        self._end += len(whole) + len(newline)
        if repair and size > self._end:  # half a line, of a process that died; nothing was promised for it
            file.truncate(self._end)
        file.seek(0, os.SEEK_END)

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        """The file of entries, for this process alone."""
        with (self._folder / ENTRIES).open("r+b") as file:
            try:
                import fcntl
            except ImportError:
                pass
            else:
                fcntl.flock(file, fcntl.LOCK_EX)  # released with the file
            yield file


def _check_digest(digest: str) -> None:
    if not isinstance(digest, str) or re.fullmatch("[0-9a-f]{64}", digest) is None:
        raise ValueError("expected a digest of 64 hexadecimal digits, got something else")


def _write_durably(path: Path, data: bytes) -> None:
    """Replace a file; after a loss of power it is the old one or the new one."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
