"""The outbox: transactions that are signed and not yet confirmed, so that a killed process loses none.

A file of one JSON object a line, written whole and with mode 600 before a transaction is broadcast. It holds
signed transactions, never a key. Whoever reads it can send them, and nothing else.
"""

from __future__ import annotations

import json
import os
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eth_utils import keccak

from synthlib.bundle import write_atomically
from synthlib.chain.errors import ChainError
from synthlib.chain.patience import Pauses
from synthlib.parsing import parse_json

_NUM_RECENT = 64


@dataclass(frozen=True)
class Entry:
    """One transaction, with all signed forms that were broadcast; they share the nonce, so one can be mined.

    Attributes:
        chain, genesis: the chain's number and its first block's hash.
        address: who signed.
        nonce: the account's number for it.
        intent: digest of receiver and data: what the transaction is to do; see `intent_of`.
        raws: signed transactions in hexadecimal, the latest last.
        fields: what was signed last, without the sender.
    """

    chain: int
    genesis: str
    address: str
    nonce: int
    intent: str
    raws: tuple[str, ...]
    fields: Mapping[str, Any]

    @property
    def slot(self) -> tuple[int, str, str, int]:
        """What only one transaction can have."""
        return self.chain, self.genesis, self.address, self.nonce

    @property
    def transactions(self) -> dict[str, bytes]:
        """Hash to signed transaction, the latest first."""
        return {"0x" + keccak(hexstr=raw).hex(): bytes.fromhex(raw[2:]) for raw in reversed(self.raws)}


def intent_of(to: str | None, data: str) -> str:
    """Digest of what a transaction is to do. Two with the same one are the same wish."""
    return keccak(text=f"{to or ''} {data}").hex()


class Outbox:
    """Transactions on their way, in a file that processes share or in memory.

    Args:
        path: the file; None keeps them in memory.
        pauses: how to wait for the file's lock.
        patience: seconds to wait for it.
    """

    def __init__(self, path: Path | str | None, pauses: Pauses, patience: float):
        self.path = None if path is None else Path(path)
        self._pauses, self._patience = pauses, patience
        self._memory: list[Entry] = []
        self._recent: deque[Entry] = deque(maxlen=_NUM_RECENT)
        self._threads, self._depth = threading.RLock(), 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other threads, and other processes with this file, out meanwhile. May be nested."""
        with self._threads:
            if self.path is None or self._depth:
                yield
                return
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                self._await_lock(lock)
                self._depth = 1
                yield
            finally:
                self._depth = 0
                os.close(lock)  # which ends the lock, as the end of the process does

    def pending(self, chain: int, genesis: str, address: str | None = None) -> list[Entry]:
        """What is on its way on a chain, of all accounts or of one, in the order of nonces."""
        return sorted(
            (
                entry
                for entry in self._read()
                if (entry.chain, entry.genesis) == (chain, genesis) and address in (None, entry.address)
            ),
            key=lambda entry: (entry.address, entry.nonce),
        )

    def recent(self, chain: int, genesis: str, address: str) -> list[Entry]:
        """What is on its way, and what this process confirmed last: a reorganisation may drop that too."""
        with self._threads:
            entries = {entry.slot: entry for entry in self._recent}
        entries |= {entry.slot: entry for entry in self._read()}
        return sorted(
            (entry for entry in entries.values() if entry.slot[:3] == (chain, genesis, address)),
            key=lambda entry: entry.nonce,
        )

    def current(self, entry: Entry) -> Entry:
        """An entry as it is noted now, with the forms that others have added; as given if it is not noted."""
        noted = (one for one in self._read() if (one.slot, one.intent) == (entry.slot, entry.intent))
        return next(noted, entry)

    def put(self, entry: Entry) -> None:
        """Add an entry, or replace the one in its slot. It is on the disk when this returns."""
        with self.locked():
            self._write([*(other for other in self._read() if other.slot != entry.slot), entry])

    def remove(self, entry: Entry, is_confirmed: bool) -> None:
        """Forget an entry: it is confirmed, or can never be mined."""
        with self.locked():
            entries = self._read()
            kept = [other for other in entries if (other.slot, other.intent) != (entry.slot, entry.intent)]
            if len(kept) < len(entries):
                self._write(kept)
            if is_confirmed and entry.address:
                self._recent.append(entry)

    def _read(self) -> list[Entry]:
        if self.path is None:
            with self._threads:
                return list(self._memory)
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [self._parse(number, line) for number, line in enumerate(lines, start=1)]

    def _parse(self, number: int, line: bytes) -> Entry:
        try:
            entry = Entry(**parse_json(line))
            entry.transactions  # noqa: B018  whether they decode
            return Entry(**asdict(entry) | {"raws": tuple(entry.raws)})
        except (ValueError, TypeError, AttributeError):
            raise ChainError(
                f"expected a transaction in line {number} of {self.path}, found other text; move it aside, "
                "and look up on the ledger whether what was sent last is recorded"
            ) from None

    def _write(self, entries: list[Entry]) -> None:
        if self.path is None:
            self._memory = entries
            return
        lines = [json.dumps(asdict(entry), sort_keys=True) + "\n" for entry in entries]
        write_atomically(self.path, "".join(lines).encode(), mode=0o600)
        _flush(self.path)
        if os.name == "posix":
            _flush(self.path.parent)

    def _await_lock(self, lock: int) -> None:
        for _ in self._pauses.attempts(self._patience, longest=0.2, first=0.005):
            if try_lock(lock):
                return
        raise ChainError(
            f"expected to get the lock on {self.path} within {self._patience:g} s, another process holds it; "
            "let it finish, or end it"
        )


def _flush(path: Path) -> None:
    """See to it that a file or folder outlives a power cut."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Lock an open file against other processes, without waiting; whether that went well."""
    try:
        if os.name == "posix":
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True
