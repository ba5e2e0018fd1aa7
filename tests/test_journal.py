"""The journal: replayed to the same bytes, and every change of a line found and named."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from chain_helpers import DATASET, PROTOCOL, account, digest, generation, open_study, registration, send
from journal_fixtures import LAST, LINES, OTHER, RECORD_A, RECORD_B, lines_of, open_journal, write_journal

from synthlib.chain import journal as journal_module
from synthlib.chain.connection import GENESIS_TIME, Connection, Sent
from synthlib.chain.contracts import load_artifact
from synthlib.chain.errors import ChainError, NotRecorded
from synthlib.chain.journal import Journal, find_problems, sender_of
from synthlib.chain.outbox import try_lock
from synthlib.chain.protocols import Protocols
from synthlib.chain.registry import Ledger

pytest_plugins = ["journal_fixtures"]


def test_lines_are_chained_by_their_hashes(path):
    lines = lines_of(path)
    assert len(lines) == len(LINES)
    for number, line in enumerate(lines, start=1):
        entry = json.loads(line)
        assert entry["line"] == number
        assert entry["previous"] == (
            "0" * 64 if number == 1 else hashlib.sha256(lines[number - 2]).hexdigest()
        )
    assert find_problems(path.read_bytes()) == []
    assert Journal.open(path).head == hashlib.sha256(lines[-1]).hexdigest()


def test_transactions_are_signed_by_who_sent_them(path):
    entries = [json.loads(line) for line in lines_of(path)[1:]]
    senders = [sender_of(bytes.fromhex(entry["raw"][2:])) for entry in entries]
    theirs = {"another's protocol", "its attempt", "record b"}
    expected = [OTHER if name in theirs else account("admin") for name in LINES[1:]]
    assert senders == [who.address for who in expected]


def test_replay_gives_the_same_records(path):
    ledger = Ledger.in_process(path)
    issuers = (account("admin").address, OTHER.address)
    first, second = (
        ledger.find(generation(name).release, who) for name, who in zip("ab", issuers, strict=True)
    )
    assert first.generation == generation("a") and first.revoked
    assert second.generation == generation("b", researcher="other researcher") and not second.revoked
    assert second.issuer == OTHER.address
    entries = [json.loads(line) for line in lines_of(path)[1:]]
    assert [first.transaction, second.transaction] == [
        entries[RECORD_A - 2]["receipt"]["transaction"],
        entries[RECORD_B - 2]["receipt"]["transaction"],
    ]
    asked = Ledger(ledger.connection, ledger.address, None)  # of the chain, not of what the replay remembered
    found = [asked.find(record.release, record.issuer) for record in (first, second)]
    assert found == [first, second]
    track = Protocols(asked).find(registration().id, account("admin").address)
    assert (track.attempts, track.dataset, track.digest) == (1, DATASET, PROTOCOL.digest)


def test_replayed_ledger_goes_on(path):
    before = lines_of(path)
    open_journal(path).record_generation(generation("c"))
    assert lines_of(path)[:-1] == before
    assert open_journal(path).find(generation("c").release).generation == generation("c")


def test_journal_kept_in_memory_is_the_same(path):
    ledger = write_journal(None)
    assert ledger.journal.lines == lines_of(path)
    assert ledger.journal.path is None


def test_journal_that_is_only_read_is_not_written(path):
    before = path.read_bytes()
    ledger = Ledger.in_process(path, account("admin"), keep=False)
    ledger.record_generation(generation("c"))
    assert len(ledger.journal.lines) == len(LINES) + 1
    assert path.read_bytes() == before


def test_another_process_gives_identical_bytes(path, tmp_path):
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from test_journal import OTHER, write_journal\n"
        "from chain_helpers import generation\n"
        "from synthlib.chain.registry import Ledger\n"
        f"write_journal({str(tmp_path / 'again.jsonl')!r})\n"
        f"print(Ledger.in_process({str(path)!r}).find(generation('b').release, OTHER.address))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )
    assert (tmp_path / "again.jsonl").read_bytes() == path.read_bytes()
    assert run.stdout.strip() == str(Ledger.in_process(path).find(generation("b").release, OTHER.address))


def test_in_process_chain_has_no_clock_and_no_randomness(path):
    connections = [Connection.in_process() for _ in range(2)]
    for connection in connections:
        Journal.open(path).replay(connection, load_artifact()["bytecode"])
    blocks = [
        [connection.web3.eth.get_block(number) for number in range(len(LINES))] for connection in connections
    ]
    assert [block["hash"] for block in blocks[0]] == [block["hash"] for block in blocks[1]]
    assert [block["timestamp"] for block in blocks[0]] == [
        GENESIS_TIME + number for number in range(len(LINES))
    ]


def test_a_failed_transaction_leaves_no_line(path):
    ledger, before = Ledger.in_process(path), path.read_bytes()
    with pytest.raises(ChainError):
        ledger.acting_as(account("stranger")).record_generation(generation("c"))
    assert path.read_bytes() == before


def test_two_processes_on_one_journal_are_noticed(path):
    first, second = open_journal(path), open_journal(path)
    first.record_generation(generation("c"))
    with pytest.raises(ChainError, match="another process writes"):
        second.record_generation(generation("d"))


def test_a_journal_that_another_process_extends_meanwhile_is_not_broken(path, monkeypatch):
    """Another one writes exactly between the look at the file and the line that follows it."""
    first, second = open_journal(path), open_journal(path)
    real, refused = journal_module._stamp_of, []

    def write_other():
        try:
            second.record_generation(generation("d"))
        except ChainError as error:
            refused.append(str(error))

    other = threading.Thread(target=write_other)

    def look(place):
        found = real(place)
        if not other.ident:
            other.start()
            other.join(1.0)
        return found

    monkeypatch.setattr(journal_module, "_stamp_of", look)
    first.record_generation(generation("c"))
    other.join()
    assert len(refused) == 1 and "run this command again" in refused[0]
    again = open_journal(path)
    again.record_generation(generation("d"))
    assert len(lines_of(path)) == len(LINES) + 2 and find_problems(path.read_bytes()) == []
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # a release's folder holds no more


def refuse_links(*_):
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("link", [os.link, refuse_links])
def test_only_one_of_two_processes_begins_a_journal(tmp_path, monkeypatch, link):
    monkeypatch.setattr(os, "link", link)
    path = tmp_path / "new" / "journal.jsonl"
    connections = [Connection.in_process() for _ in range(2)]
    first, second = (Journal.start(path, connection) for connection in connections)
    sent = Sent(b"raw", {"transaction": "0x" + "00" * 32})
    first.append(sent)
    with pytest.raises(ChainError, match="run this command again"):
        second.append(sent)
    first.append(sent)
    assert path.read_bytes() == b"".join(first.lines) and len(first.lines) == 3
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_lock_that_is_never_given_back_is_told(path, monkeypatch):
    monkeypatch.setattr(journal_module, "_PATIENCE", 0.0)
    ledger, before = open_journal(path), path.read_bytes()
    with path.open("rb") as held:
        assert try_lock(held.fileno())
        with pytest.raises(ChainError, match="expected to get the lock"):
            ledger.record_generation(generation("c"))
    assert path.read_bytes() == before
    ledger.record_generation(generation("d"))  # its line goes in with the one that was kept out
    assert path.read_bytes() == b"".join(ledger.journal.lines)
    again = open_journal(path)
    assert [again.find(generation(name).release).block for name in "cd"]


def test_up_to_the_last_line_about_a_release(path):
    journal = Journal.open(path)
    assert journal.last_line_about(generation("a").release) == LAST
    assert journal.last_line_about(generation("b").release) == RECORD_B
    assert journal.last_line_about(digest("nothing")) == 1
    assert journal.up_to(5).head == hashlib.sha256(lines_of(path)[4]).hexdigest()


def test_journal_of_another_registry_address_keeps_records_apart(tmp_path):
    """Two registries on one chain do not answer for each other."""
    ledger = Ledger.in_process(tmp_path / "journal.jsonl", account("admin"))
    second = Ledger(ledger.connection, None, ledger.account, ledger.journal)
    open_study(second)
    recorded = second.record_generation(generation("a"))
    assert second.address != ledger.address
    with pytest.raises(NotRecorded):
        ledger.find(recorded.release)
    with pytest.raises(NotRecorded):
        ledger.revoke(recorded.release, "not here")
    parts = (bytes.fromhex(text) for text in (recorded.release, digest("reason")))
    with pytest.raises(NotRecorded):
        send(ledger, ledger.account, "revoke", *parts)
    assert Protocols(ledger).find(registration().id, account("admin").address).registration_block == 0
    assert not second.find(recorded.release).revoked
    assert Ledger.in_process(tmp_path / "journal.jsonl").address == ledger.address  # the first one
