"""A journal that was damaged or forged: what does not fit is found, and its line is named."""

import json
from pathlib import Path

import pytest
from chain_helpers import account, generation
from eth_utils import keccak
from journal_fixtures import LAST, LINES, lines_of, open_journal, relink, write_journal

from synthlib.chain.connection import Connection
from synthlib.chain.errors import ChainError
from synthlib.chain.journal import JournalError, find_problems
from synthlib.chain.registry import Ledger

pytest_plugins = ["journal_fixtures"]

# --- damage, named by line -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(1, len(LINES) + 1))
@pytest.mark.parametrize("damage", ["flip", "drop", "repeat", "swap", "cut", "insert"])
def test_damaged_line_is_named(path, number, damage):
    lines = lines_of(path)
    at = number - 1
    if damage == "flip":
        lines[at] = lines[at].replace(b"0", b"1", 1)
    elif damage == "drop":
        del lines[at]
    elif damage == "repeat":
        lines.insert(at, lines[at])
    elif damage == "swap":
        other = (at + 1) % len(lines)
        lines[at], lines[other] = lines[other], lines[at]
    elif damage == "cut":
        lines[at] = lines[at][:-9]
    else:
        lines.insert(at, b"{}\n")
    named = {problem.line for problem in find_problems(b"".join(lines))}
    if number == LAST and damage in ("flip", "drop"):
        return  # nothing follows that shows it: record.json's count and head of lines do
    assert named & {number, number + 1}
    path.write_bytes(b"".join(lines))
    if number == LAST and damage == "cut":
        return  # to be opened, it counts as a line that a killed process was writing; verify names it
    with pytest.raises(JournalError, match=rf"line ({number}|{number + 1}): "):
        Ledger.in_process(path)


def test_lines_that_another_file_kept_out_get_a_file_once_that_is_gone(tmp_path):
    ledger, place = write_journal(None), tmp_path / "journal.jsonl"
    ledger.journal.path = place
    place.write_bytes(b"another's")
    with pytest.raises(ChainError, match="another process writes"):
        ledger.record_generation(generation("c"))
    assert place.read_bytes() == b"another's"
    place.unlink()
    ledger.record_generation(generation("d"))
    assert lines_of(place) == ledger.journal.lines and len(lines_of(place)) == len(LINES) + 2


def test_line_that_a_killed_process_was_writing_is_written_again(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    ledger = open_journal(path)
    assert ledger.journal.lines == lines_of(path)[:-1]
    assert not ledger.find(generation("a").release).revoked
    ledger.revoke(generation("a").release, "wrong table")
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"null\n",
        b"[]\n",
        b"1" * 5000 + b"\n",
        b"[" * 10**5 + b"\n",
        b"\xff\n",
        b'{"line":1,"line":1}\n',
        b"{}",
    ],
)
def test_what_is_no_journal_has_a_problem_in_line_one(data):
    assert find_problems(data)[0].line == 1


def test_bytes_all_along_a_line_matter(path):
    data = path.read_bytes()
    lines = lines_of(path)
    start = sum(map(len, lines[:2]))
    for position in range(start, start + len(lines[2]), 37):
        changed = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        assert {problem.line for problem in find_problems(changed)} & {3, 4}


# --- forgery with all hashes put right: only replaying shows it ----------------------------------------


def forge(path: Path, number: int, change) -> None:
    entries = [json.loads(line) for line in lines_of(path)]
    change(entries[number - 1])
    path.write_bytes(relink(entries))
    assert find_problems(path.read_bytes()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gas_used", 21_000),
        ("block", 9),
        ("block_hash", "0x" + "00" * 32),
        ("status", 0),
        ("contract", "0x" + "11" * 20),
        ("logs", []),
    ],
)
def test_forged_receipt_is_found_by_replaying(path, field, value):
    forge(path, 3, lambda entry: entry["receipt"].update({field: value}))
    with pytest.raises(JournalError, match=f"line 3: replaying it gives another .*{field}"):
        Ledger.in_process(path)


@pytest.mark.parametrize(("field", "value"), [("chain", 1), ("genesis", "0x" + "00" * 32)])
def test_forged_start_is_found_by_replaying(path, field, value):
    forge(path, 1, lambda entry: entry.update({field: value}))
    with pytest.raises(JournalError, match=f"line 1: {field} is"):
        Ledger.in_process(path)


@pytest.mark.parametrize("name", LINES[1:-1])
@pytest.mark.parametrize("how", ["dropped", "moved to the end", "repeated"])
def test_transaction_out_of_its_place_is_found_by_replaying(path, name, how):
    """Such as a protocol that is registered after the release, or an attempt that is left out."""
    entries, at = [json.loads(line) for line in lines_of(path)], LINES.index(name)
    moved = entries[at]
    if how != "repeated":
        del entries[at]
    path.write_bytes(relink(entries if how == "dropped" else [*entries, moved]))
    assert find_problems(path.read_bytes()) == []
    place = len(LINES) + 1 if how == "repeated" else at + 1
    with pytest.raises(JournalError, match=f"line {place}: "):
        Ledger.in_process(path)


def with_transaction(path: Path, **fields) -> None:
    """Append a signed transaction that the Ledger would not send."""
    transaction = {
        "chainId": Connection.in_process().chain_id,
        "nonce": 0,
        "gas": 100_000,
        "value": 0,
        "maxFeePerGas": 0,
        "maxPriorityFeePerGas": 0,
    } | fields
    signed = account("stranger").sign_transaction(transaction)
    entries = [json.loads(line) for line in lines_of(path)]
    receipt = entries[-1]["receipt"] | {"transaction": signed.hash.to_0x_hex()}
    path.write_bytes(relink([*entries, {"raw": signed.raw_transaction.to_0x_hex(), "receipt": receipt}]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data": "0x5b600056"}, "creates a contract that is not the registry"),
        ({"data": "0x", "to": "0x" + "11" * 20}, "calls a contract that this journal did not create"),
        ({"data": "0x", "to": "0x" + "11" * 20, "gas": 10**7 + 1}, "at most 10000000 gas"),
        ({"data": "0x", "to": "0x" + "11" * 20, "value": 1}, "no value"),
    ],
)
def test_foreign_code_in_a_journal_is_not_run(path, fields, message):
    with_transaction(path, **fields)
    with pytest.raises(JournalError, match=f"line {LAST + 1}: .*{message}"):
        Ledger.in_process(path)


@pytest.mark.parametrize("fields", [{"chainId": 1}, {"nonce": 5}, {"gas": 100}, {"maxFeePerGas": 1}])
def test_transaction_that_the_chain_would_not_take(path, fields):
    registry = json.loads(lines_of(path)[1])["receipt"]["contract"]
    with_transaction(path, **({"data": "0x", "to": registry} | fields))
    with pytest.raises(
        JournalError, match=rf"line {LAST + 1}: (the chain does not take its transaction|replaying)"
    ):
        Ledger.in_process(path)


@pytest.mark.parametrize("raw", ["0x", "0x02", "0xff00", "0x02c0", "0xc0"])
def test_bytes_that_are_no_transaction(path, raw):
    def change(entry):
        entry["raw"] = raw
        entry["receipt"]["transaction"] = "0x" + keccak(hexstr=raw).hex()

    forge(path, 3, change)
    with pytest.raises(JournalError, match="line 3: expected a signed transaction"):
        Ledger.in_process(path)
