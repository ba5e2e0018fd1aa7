"""A journal of what two researchers and a steward did, to read, damage and forge."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from chain_helpers import account, digest, generation, open_study, registration

from synthlib.chain.protocols import Protocols
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import RESEARCHER, Roles

OTHER = account("other researcher")
LINES = (
    *("start", "deployment", "dataset", "protocol", "approval", "attempt", "record a"),
    *("grant", "another's protocol", "its approval", "its attempt", "record b", "revocation of a"),
)
RECORD_A, RECORD_B, LAST = (LINES.index(name) + 1 for name in ("record a", "record b", "revocation of a"))


def write_journal(path: Path | None) -> Ledger:
    """A journal of `LINES`: what two researchers and a steward, one of whom is the admin, do."""
    ledger = Ledger.in_process(path, account("admin"))
    open_study(ledger)
    ledger.record_generation(generation("a"))
    Roles(ledger).grant(RESEARCHER, OTHER.address)
    theirs = ledger.acting_as(OTHER)
    protocols, registered = Protocols(theirs), registration("other researcher")
    protocols.register(registered)
    Protocols(ledger).approve(registered, 0.1, 1)
    protocols.attempt(registered.id, digest("attempt"))
    theirs.record_generation(generation("b", researcher="other researcher"))
    ledger.revoke(generation("a").release, "wrong table")
    return ledger


@pytest.fixture(scope="session")
def written(tmp_path_factory) -> Path:
    """The journal that all tests begin with."""
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    write_journal(path)
    return path


@pytest.fixture
def path(written, tmp_path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(written, tmp_path))


def open_journal(path: Path) -> Ledger:
    return Ledger.in_process(path, account("admin"))


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def relink(entries: list[dict]) -> bytes:
    """A journal forged well: numbered and linked anew."""
    previous, lines = "0" * 64, []
    for number, entry in enumerate(entries, start=1):
        text = json.dumps(
            entry | {"line": number, "previous": previous}, sort_keys=True, separators=(",", ":")
        )
        lines.append(text.encode() + b"\n")
        previous = hashlib.sha256(lines[-1]).hexdigest()
    return b"".join(lines)
