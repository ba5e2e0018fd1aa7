"""Attempts as a release tells them in `attempts.json`, and as the chain has logged them.

**Salts.** The chain holds a digest of each attempt. Under a protocol that is open, a plain one of what is
described: who guesses the hyperparameters confirms the guess. Under a sealed protocol a salt is hashed with
it, which follows from the protocol's own salt (`salt_of`), so that the same registration gives the same
bytes. It is as secret as that one, and known to all once the protocol is revealed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from synthlib.bundle import canonical_json
from synthlib.chain.errors import ChainError, IncompleteLog
from synthlib.chain.protocols import Registration, Track, attempt_digest, batch_link, chain_head, link_of
from synthlib.chain.records import is_digest
from synthlib.chain.registry import Ledger
from synthlib.parsing import parse_json

ATTEMPTS_FORMAT, SALTED_FORMAT = "synthlib-attempts/2", "synthlib-attempts/3"
ATTEMPTS_FILE = "attempts.json"
_FIELDS = {"number", "together_from", "describes", "outcome", "draws"}
_MAGIC, _PURPOSE = b"synthlib salted attempt 1\n", b"synthlib attempt salt 1\n"  # no JSON begins so


class Draw(NamedTuple):
    """A table drawn from an attempt's model, to be looked at or released.

    Attributes:
        seed: of the draw.
        num_rows: of the table.
        given: keyed commitment to what was asked of its rows (`commit_conditions`), None if nothing was.
        digest: `table_digest` of the table, hexadecimal: another table is another draw. With `given`, whose
            cells may be patients', it is a keyed commitment too.
    """

    seed: int
    num_rows: int
    given: str | None
    digest: str


class Group(NamedTuple):
    """Attempts that were logged together.

    Attributes:
        first: number of the first of them.
        count: how many there are.
        link: `link_of` their digests: what is hashed onto the chain for them.
        block: the block that logged them, 0 where the chain was not asked.
    """

    first: int
    count: int
    link: str
    block: int = 0

    @property
    def last(self) -> int:
        """Number of the last of them."""
        return self.first + self.count - 1

    def same(self, other: Group) -> bool:
        """Whether another group is of the same attempts, wherever they were logged."""
        return self[:3] == other[:3]


def salt_of(registration: Registration, number: int) -> str | None:
    """What is hashed with an attempt's description: HMAC-SHA-256 of its number under the protocol's salt.

    Args:
        registration: of the protocol.
        number: the attempt's, so that the same description twice gives two digests.

    Returns:
        32 bytes in hexadecimal; None for a protocol that is open from the start, which keeps no secret.
    """
    if not registration.is_sealed:
        return None
    secret = bytes.fromhex(registration.salt)
    return hmac.new(secret, _PURPOSE + number.to_bytes(4, "big"), hashlib.sha256).hexdigest()


def make_entry(registration: Registration, number: int, together_from: int, describes: Any) -> dict[str, Any]:
    """An attempt's entry before anything came of it; `describes` as it comes back from JSON."""
    entry = {"number": number, "together_from": together_from, "describes": describes}
    salt = salt_of(registration, number)
    return entry | {"outcome": None, "draws": []} | ({} if salt is None else {"salt": salt})


def entry_digest(entry: Mapping[str, Any]) -> str:
    """What the chain is told of an attempt: SHA-256 of what it describes, with the salt if it has one.

    Args:
        entry: with `describes`, and `salt` if it has one.
    """
    if entry.get("salt") is None:
        return attempt_digest(entry["describes"])
    salted = _MAGIC + bytes.fromhex(entry["salt"]) + canonical_json(entry["describes"])
    return hashlib.sha256(salted).hexdigest()


def write_attempts(registration: Registration, entries: Sequence[Mapping[str, Any]]) -> bytes:
    """An `attempts.json`: of a sealed protocol in the format that has salts."""
    format = SALTED_FORMAT if registration.is_sealed else ATTEMPTS_FORMAT
    return canonical_json({"format": format, "protocol": registration.id, "attempts": list(entries)})


def read_attempts(data: bytes, protocol: str | None = None) -> list[dict[str, Any]]:
    """The entries of an `attempts.json`.

    Those of a sealed protocol have a `salt`, but for what was logged before there were salts.

    Args:
        data: the file's bytes.
        protocol: id of the protocol that they must be of; any if None.

    Raises:
        ValueError: if it is none, or of another protocol.
    """
    body = parse_json(data)
    format = body.get("format") if isinstance(body, dict) else None
    if format not in (ATTEMPTS_FORMAT, SALTED_FORMAT):
        raise ValueError(
            f"expected attempts of format {ATTEMPTS_FORMAT!r} or {SALTED_FORMAT!r}, got something else"
        )
    if protocol is not None and body.get("protocol") != protocol:
        raise ValueError(f"expected the attempts of protocol {protocol}, got those of another")
    entries, optional = body.get("attempts"), {"salt"} if format == SALTED_FORMAT else set()
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and _FIELDS <= set(entry) <= _FIELDS | optional for entry in entries
    ):
        raise ValueError(f"expected entries of {', '.join(sorted(_FIELDS | optional))}, got others")
    if not all(type(entry[name]) is int for entry in entries for name in ("number", "together_from")):
        raise ValueError("expected whole numbers as number and together_from, got something else")
    if not all(isinstance(e["draws"], list) and all(map(_is_draw, e["draws"])) for e in entries):
        raise ValueError(f"expected draws of {', '.join(Draw._fields)}, got something else")
    if not all(is_digest(entry["salt"]) for entry in entries if "salt" in entry):
        raise ValueError("expected salts of 64 lower-case hexadecimal digits, got something else")
    return entries


def group(entries: Sequence[Mapping[str, Any]]) -> list[Group]:
    """Entries as the chain must have logged them, in their order.

    Raises:
        ValueError: if the numbers do not count up from 1, or what was logged together does not stand so.
    """
    found: dict[int, list[str]] = {}
    before = -1  # no number
    for expected, entry in enumerate(entries, start=1):
        number, together = entry["number"], entry["together_from"]
        if type(number) is not int or number != expected:
            raise ValueError(f"expected attempt {expected}, got another in its place")
        if type(together) is not int or together not in (expected, before):
            raise ValueError(f"attempt {expected}: expected one alone, or beside those logged with it")
        before = together
        found.setdefault(together, []).append(entry_digest(entry))
    return [Group(first, len(digests), link_of(digests)) for first, digests in found.items()]


def read_log(ledger: Ledger, track: Track) -> list[Group]:
    """All that the chain has logged under a protocol, checked against the head that its state holds.

    Raises:
        IncompleteLog: if the log has fewer attempts than the state counts.
        ChainError: if the log says others.
    """
    found = sorted(_list_logged(ledger, track.id))
    if sum(each.count for each in found) < track.attempts:
        raise IncompleteLog(
            f"expected {track.attempts} attempts in the log of {ledger.connection.place}, it gave fewer; "
            "ask a node that keeps its logs"
        )
    head = chain_head(track.id, track.registration_block, [each.link for each in found])
    if track.is_approved and head != track.head:
        raise ChainError(
            f"expected attempts that lead to the head {track.head}, {ledger.connection.place} gave others: "
            "its log does not fit its state; ask another node"
        )
    return found


def find_difference(entries: Sequence[Mapping[str, Any]], logged: Sequence[Group]) -> str | None:
    """Which attempt is told otherwise than it was logged, or left out, or added; None if all are the same.

    Raises:
        ValueError: as `group`.
    """
    told = group(entries)
    for ours, theirs in zip(told, logged, strict=False):
        if not ours.same(theirs):
            return f"attempt {_name(theirs)} is not what the chain logged under this number"
    if len(told) < len(logged):
        return f"attempt {_name(logged[len(told)])} is left out, which the chain logged"
    if len(told) > len(logged):
        return f"attempt {_name(told[len(logged)])} is one that the chain did not log"
    return None


def _is_draw(told: Any) -> bool:
    return (
        isinstance(told, dict)
        and set(told) == set(Draw._fields)
        and all(type(told[name]) is int for name in ("seed", "num_rows"))
        and isinstance(told["given"], str | None)
        and isinstance(told["digest"], str)
    )


def _name(group: Group) -> str:
    return str(group.first) if group.count == 1 else f"{group.first} to {group.last}"


def _list_logged(ledger: Ledger, protocol: str) -> Iterator[Group]:
    for event in ledger.find_events("Attempted", protocol=protocol):
        yield Group(event.arguments["number"], 1, event.arguments["digest"], event.block)
    for event in ledger.find_events("AttemptedBatch", protocol=protocol):
        said = event.arguments
        yield Group(said["first"], said["count"], batch_link(said["root"], said["count"]), event.block)
