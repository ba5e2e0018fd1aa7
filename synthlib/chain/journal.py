"""The journal of an in-process chain: what was sent to it and what came of it, to be replayed.

A chain that lives in a process dies with it. Its journal keeps every signed transaction with its receipt, one
JSON object a line, and each line holds the SHA-256 of the line before:

    {"chain":…,"format":"synthlib-journal/1","genesis":…,"line":1,"previous":"00…"}
    {"line":2,"previous":"<SHA-256 of line 1 with its newline>","raw":"0x…","receipt":{…}}

Replaying sends the same transactions to a new chain, which gives the same state, hashes and record ids.

What a journal shows: that each transaction was signed by its sender, that the registry's code accepted it in
this order, and (through the signature in record.json, which names the last line's hash) that the issuer stood
by exactly these lines. What it does not show: when that was, since the chain has no clock; and that there is
no other journal in which the issuer says something else, or one in which this release is revoked. Only a
chain that others keep too shows these.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from eth_account import Account
from eth_account.typed_transactions import TypedTransaction
from eth_utils import keccak, to_checksum_address
from hexbytes import HexBytes

from synthlib.bundle import write_atomically
from synthlib.chain.connection import Connection, Sent
from synthlib.chain.contracts import find_addresses
from synthlib.chain.errors import ChainError
from synthlib.chain.outbox import try_lock
from synthlib.chain.patience import Patience, Pauses
from synthlib.parsing import parse_json

FORMAT = "synthlib-journal/1"
NO_LINE = "0" * 64
GAS_LIMIT = 10_000_000
_PATIENCE = 10.0  # seconds; a line is written in milliseconds
_HEADER = {"chain", "format", "genesis", "line", "previous"}
_ENTRY = {"line", "previous", "raw", "receipt"}
_RECEIPT = {"transaction", "block", "block_hash", "status", "gas_used", "contract", "logs"}


class Problem(NamedTuple):
    """What is wrong with a journal, and where.

    Attributes:
        line: the line's number, from 1.
        detail: one sentence.
    """

    line: int
    detail: str


class JournalError(ChainError):
    """A journal that is not what was written; names each line that is not."""

    def __init__(self, place: str, problems: list[Problem]):
        lines = "".join(f"\n  line {line}: {detail}" for line, detail in problems)
        super().__init__(f"{place}: expected the lines as they were written; restore the file{lines}")
        self.problems = problems


class Journal:
    """The lines of an in-process chain's life, in memory and, with a path, in a file.

    Args:
        path: the file to keep up to date, or None.
        lines: the lines so far, each with its newline.
    """

    def __init__(self, path: Path | str | None, lines: list[bytes]):
        self.path, self.lines = None if path is None else Path(path), lines
        self._stamp: tuple[int, int] | None = None  # size and time of the file as this process left it
        self._num_kept = 0  # lines that stand in it

    @classmethod
    def start(cls, path: Path | str | None, connection: Connection) -> Journal:
        """A journal of a new chain: its first line only. The file is written with the first transaction."""
        header = {"format": FORMAT, "chain": connection.chain_id, "genesis": connection.genesis}
        return cls(path, [_encode(header | {"line": 1, "previous": NO_LINE})])

    @classmethod
    def open(cls, path: Path | str) -> Journal:
        """Read a journal from its file.

        A last line without an end was being written when its process was killed: it is left out, and replaced
        by the next one.

        Raises:
            JournalError: naming each line that is not what was written.
        """
        stamp, data = _stamp_of(Path(path)), Path(path).read_bytes()
        whole = data[: data.rfind(b"\n") + 1] or data
        problems = find_problems(whole)
        if problems:
            raise JournalError(str(path), problems)
        journal = cls(path, whole.splitlines(keepends=True))
        journal._stamp, journal._num_kept = stamp, len(journal.lines)
        return journal

    @property
    def head(self) -> str:
        """SHA-256 of the last line: it stands for all of them."""
        return hashlib.sha256(self.lines[-1]).hexdigest()

    def append(self, sent: Sent) -> None:
        """Add a transaction and bring the file up to date.

        Raises:
            ChainError: if another process changed the file meanwhile, or holds its lock; the file stays as it
                is. A line that a lock kept out goes in before the next one.
        """
        entry = {"line": len(self.lines) + 1, "previous": self.head, "raw": "0x" + sent.raw.hex()}
        self.lines.append(_encode(entry | {"receipt": sent.receipt}))
        if self.path is not None:
            self._write()

    def _write(self) -> None:
        """Bring the file up to date: by what it lacks, or by all lines where there is no file yet."""
        try:
            if self._stamp is None:
                self._create()
            else:
                self._extend()
        except (FileExistsError, FileNotFoundError):
            raise self._changed() from None
        self._num_kept = len(self.lines)

    def _create(self) -> None:
        """Write all lines to a new file, never over one that another process wrote in the meantime."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.partial")
        try:
            write_atomically(whole, b"".join(self.lines))
            stamp = _stamp_of(whole)
            _place(whole, self.path)
            self._stamp = stamp  # not before: where that failed, there is no file of ours
        finally:
            whole.unlink(missing_ok=True)

    def _extend(self) -> None:
        """Add what the file lacks, in place of what a killed process left of a line.

        The lock is on the file itself, so that no other one lies beside it, and ends as it is closed.
        """
        with self.path.open("r+b") as file:
            self._await_lock(file.fileno())
            if _stamp_of(self.path) != self._stamp:
                raise self._changed()
            file.seek(sum(map(len, self.lines[: self._num_kept])))
            file.truncate()
            file.write(b"".join(self.lines[self._num_kept :]))
            file.flush()
            os.fsync(file.fileno())
            self._stamp = _stamp_of(self.path)

    def _await_lock(self, descriptor: int) -> None:
        if not any(try_lock(descriptor) for _ in Pauses(Patience()).attempts(_PATIENCE, 0.2, 0.005)):
            raise ChainError(
                f"expected to get the lock on {self.path.name} within {_PATIENCE:g} s, another process holds "
                "it; let it finish, or end it, then run this command again"
            )

    def _changed(self) -> ChainError:
        return ChainError(
            f"expected {self.path.name} as this process left it, found it changed: another process "
            "writes to the same journal, and nothing of this one was added; run this command again once the "
            "other has ended"
        )

    def up_to(self, num_lines: int) -> Journal:
        """The first lines, without a file."""
        return Journal(None, self.lines[:num_lines])

    def last_line_about(self, digest: str) -> int:
        """Number of the last line in whose events a digest is a topic; the first line if there is none."""
        topic = "0x" + digest
        for number in range(len(self.lines), 1, -1):
            logs = json.loads(self.lines[number - 1])["receipt"]["logs"]
            if any(topic in log["topics"] for log in logs):
                return number
        return 1

    def line_of(self, transaction: str) -> int:
        """Number of the line that holds a transaction, by its hash; the first line if there is none."""
        for number in range(len(self.lines), 1, -1):
            if json.loads(self.lines[number - 1])["receipt"]["transaction"] == transaction:
                return number
        return 1

    def replay(
        self, connection: Connection, code: str, on_receipt: Callable[[dict], None] | None = None
    ) -> None:
        """Send every transaction to a new chain and compare what comes of it.

        Only deployments of the registry and calls to those deployed before, and to what belongs to them, are
        carried out, so that a journal from a stranger makes this machine run no code that it does not know.

        Args:
            connection: a new in-process chain.
            code: the registry's bytecode with which every deployment must begin, in hexadecimal.
            on_receipt: called with each receipt.

        Raises:
            JournalError: naming the first line that comes out otherwise.
        """
        place = "journal" if self.path is None else str(self.path)
        header = json.loads(self.lines[0])
        for field, here in (("chain", connection.chain_id), ("genesis", connection.genesis)):
            if header[field] != here:
                raise JournalError(
                    place, [Problem(1, f"{field} is {header[field]}, that of this version {here}")]
                )
        known: set[str] = set()
        for number, line in enumerate(self.lines[1:], start=2):
            problem, receipt = _replay_line(json.loads(line), connection, code, known)
            if problem is not None:
                raise JournalError(place, [Problem(number, problem)])
            if on_receipt:
                on_receipt(receipt)


def find_problems(data: bytes) -> list[Problem]:
    """Every line of a journal that is no line, is out of place, or does not follow from the one before.

    Whether the transactions do what the receipts say is for `Journal.replay`.
    """
    if not data:
        return [Problem(1, "the journal is empty")]
    lines = data.splitlines(keepends=True)
    problems, previous = [], NO_LINE
    for number, line in enumerate(lines, start=1):
        problem = _find_problem(number, line, previous)
        if problem:
            problems.append(Problem(number, problem))
        previous = hashlib.sha256(line).hexdigest()
    return problems


def find_end_problems(data: bytes, lines: int, head: str) -> list[Problem]:
    """Whether a journal ends elsewhere than its record.json says (`journal.lines`, `journal.head`)."""
    found = data.splitlines(keepends=True)
    if len(found) < lines:
        return [Problem(len(found) + 1, f"missing: record.json's journal.lines says {lines} lines")]
    if len(found) > lines:
        return [Problem(lines + 1, f"added: record.json's journal.lines says {lines} lines")]
    if hashlib.sha256(b"".join(found[-1:])).hexdigest() != head:
        return [Problem(lines, "not the last line that record.json's journal.head names")]
    return []


def _stamp_of(path: Path) -> tuple[int, int] | None:
    """Size and time of change of a file, None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


def _place(whole: Path, path: Path) -> None:
    """Give a file its name, whose time stays; refused with FileExistsError where the name is taken."""
    try:
        (os.link if os.name == "posix" else os.rename)(whole, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: take the name first, then rename over it
        path.open("xb").close()
        os.replace(whole, path)


def sender_of(raw: bytes) -> str:
    """Address that signed a raw transaction."""
    return Account.recover_transaction(raw)


def _find_problem(number: int, line: bytes, previous: str) -> str | None:
    try:
        entry = parse_json(line)
        canonical = isinstance(entry, dict) and _encode(entry) == line
    except (ValueError, RecursionError):
        return "not JSON: changed or cut off"
    if not canonical:
        return "not in the form that the journal writes: changed or cut off"
    fields = _HEADER if number == 1 else _ENTRY
    if set(entry) != fields:
        return f"expected the fields {', '.join(sorted(fields))}, found {', '.join(sorted(entry))[:100]}"
    if type(entry["line"]) is not int or entry["line"] != number:
        found = str(entry["line"])[:20]
        return f"expected line {number}, found line {found}: lines were dropped, moved or repeated"
    if entry["previous"] != previous:
        before = f"line {number - 1} was changed, or " if number > 1 else ""
        return f"does not follow from the line before: {before}line {number}'s link was"
    if number == 1:
        return None if entry["format"] == FORMAT else f"expected format {FORMAT}"
    receipt = entry["receipt"]
    if not isinstance(receipt, dict) or set(receipt) != _RECEIPT:
        return f"expected a receipt with {', '.join(sorted(_RECEIPT))}"
    if not _is_hash_of(receipt["transaction"], entry["raw"]):
        return "the signed transaction does not have the hash that its receipt names"
    return None


def _is_hash_of(transaction: Any, raw: Any) -> bool:
    try:
        return raw.startswith("0x") and transaction == "0x" + keccak(hexstr=raw).hex()
    except (ValueError, TypeError, AttributeError):
        return False


def _replay_line(
    entry: Mapping[str, Any], connection: Connection, code: str, known: set[str]
) -> tuple[str | None, dict[str, Any]]:
    """What is wrong with one line (None if nothing), and the receipt that replaying it gave."""
    raw, expected = bytes.fromhex(entry["raw"][2:]), entry["receipt"]
    refusal = _refuse(raw, code, known)
    if refusal:
        return refusal, {}
    try:
        receipt = connection.send_raw(raw, keccak(raw))
    except Exception as error:  # whatever the chain says about a transaction that it would not have taken
        return f"the chain does not take its transaction ({type(error).__name__}: {str(error)[:200]})", {}
    changed = [field for field in sorted(_RECEIPT) if receipt[field] != expected[field]]
    if changed:
        return f"replaying it gives another {', '.join(changed)} than its receipt says", receipt
    if receipt["contract"]:
        known.update(find_addresses(receipt["contract"]).values())
    return None, receipt


def _refuse(raw: bytes, code: str, known: set[str]) -> str | None:
    try:
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        to, data = bytes(fields["to"]), bytes(fields["data"])
        if int(fields["gas"]) > GAS_LIMIT or int(fields["value"]):
            return f"expected no value and at most {GAS_LIMIT} gas"
    except Exception:  # whatever a decoder says about bytes that are no transaction
        return "expected a signed transaction of type 2, found other bytes"
    if not to:
        return (
            None
            if data.startswith(bytes.fromhex(code[2:]))
            else "it creates a contract that is not the registry"
        )
    return (
        None if to_checksum_address(to) in known else "it calls a contract that this journal did not create"
    )


def _encode(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":")).encode() + b"\n"
