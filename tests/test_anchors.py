"""The signed log: what its proofs show, and what a writer who cheats, or a disk that forgets, cannot hide."""

import hashlib
import json
import multiprocessing
import os
import shutil
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthlib.chain.anchors import (
    CHECKPOINT,
    ENTRIES,
    Anchor,
    Anchored,
    AnchorError,
    LogReader,
    NotConsistent,
    SignedLog,
    SplitView,
)
from synthlib.chain.errors import ChainError
from synthlib.chain.merkle import MerkleTree
from synthlib.chain.notes import Checkpoint, Signer

NAME = "example.org/releases"


def digest(name: object) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()


@pytest.fixture
def log(tmp_path) -> SignedLog:
    return SignedLog.create(tmp_path / "log", tmp_path / "log.key", NAME)


@pytest.fixture
def reopen(tmp_path):
    """A function that opens the log as a new process would."""
    return lambda **options: SignedLog.open(tmp_path / "log", tmp_path / "log.key", **options)


def copy_of(tmp_path, name: str) -> SignedLog:
    """The log as it stands, to go on by itself under the same key."""
    shutil.copytree(tmp_path / "log", tmp_path / name)
    return SignedLog.open(tmp_path / name, tmp_path / "log.key")


# --- anchoring -----------------------------------------------------------------------------------------


def test_what_was_anchored_is_checked_with_the_public_key_alone(log):
    proofs = [log.anchor(digest(number)) for number in range(9)]
    reader: Anchor | LogReader = LogReader(log.verifier)
    for number, proof in enumerate(proofs):
        assert reader.check(digest(number), proof) == Anchored(None, log.verifier, number, number + 1)
    assert log.verifier.startswith(f"{NAME}+")


def test_a_digest_has_one_entry_however_often_it_is_anchored(log, reopen):
    first = log.anchor(digest("a"))
    log.anchor(digest("b"))
    again = reopen().anchor(digest("a"))
    assert len(log) == len(reopen()) == 2
    assert log.check(digest("a"), first)[2:] == (0, 1)
    assert log.check(digest("a"), again)[2:] == (0, 2)


def test_the_same_digests_give_the_same_files(log, reopen, tmp_path):
    shutil.copytree(tmp_path / "log", tmp_path / "empty")
    twin = SignedLog.open(tmp_path / "empty", tmp_path / "log.key")
    for number in range(5):
        assert log.anchor(digest(number)) == twin.anchor(digest(number))
    for name in (ENTRIES, CHECKPOINT):
        assert (tmp_path / "log" / name).read_bytes() == (tmp_path / "empty" / name).read_bytes()


def test_a_clock_is_in_the_entry_and_only_as_good_as_its_owner(log, reopen):
    log.anchor(digest("without"))
    timed = reopen(clock=lambda: 1_700_000_000)
    proof = timed.anchor(digest("with"))
    assert log.check(digest("with"), proof).when == 1_700_000_000
    assert log.check(digest("without"), timed.anchor(digest("without"))).when is None
    later = proof.replace("1700000000", "1700000001")
    with pytest.raises(AnchorError, match="expected a path"):
        log.check(digest("with"), later)


@pytest.mark.parametrize(
    "wrong", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64, b"0" * 64, None, "0" * 64 + "\n"]
)
def test_what_is_no_digest_is_refused(log, wrong):
    with pytest.raises(ValueError, match="expected a digest"):
        log.anchor(wrong)
    assert len(log) == 0


# --- proofs --------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(1, 20), st.data())
def test_any_changed_field_of_a_proof_is_noticed(tmp_path_factory, size, data):
    folder = tmp_path_factory.mktemp("log")
    log = SignedLog.create(folder / "log", folder / "key", NAME)
    for number in range(size):
        log.anchor(digest(number))
    index = data.draw(st.integers(0, size - 1))
    proof = json.loads(log.anchor(digest(index)))
    assert log.check(digest(index), json.dumps(proof)).index == index
    changes = [
        {"index": index + 1},
        {"index": -1},
        {"entry": digest("other")},
        {"entry": digest(index) + " 5"},
        {"path": [*proof["path"], digest("x")]},
        {"path": proof["path"][1:]} if proof["path"] else {"path": [""]},
        {"checkpoint": proof["checkpoint"].replace(f"\n{size}\n", f"\n{size + 1}\n")},
        {"checkpoint": proof["checkpoint"][:-6] + "AAA=\n"},
        {"checkpoint": None},
        {"path": None},
        {"format": "synthlib-log-proof/2"},
        {"index": float(index)},
    ]
    for change in changes:
        with pytest.raises(AnchorError):
            log.check(digest(index), json.dumps(proof | change))
    with pytest.raises(AnchorError, match="of another"):
        log.check(digest("other"), json.dumps(proof))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "[" * 100_000, '{"entry": 1}'])
def test_what_is_no_proof_is_refused(log, text):
    with pytest.raises(AnchorError, match="expected a proof"):
        log.check(digest("a"), text)


def test_a_forged_signature_is_refused(log, tmp_path):
    """Somebody without the key, and somebody with another key of the same name."""
    proof = json.loads(log.anchor(digest("a")))
    stranger = Signer.create(tmp_path / "other.key", NAME)
    checkpoint = Checkpoint.open(proof["checkpoint"], log._verifier)
    for note in (
        checkpoint.sign(stranger),
        proof["checkpoint"].replace(f"{NAME} ", f"{NAME} A"),
        checkpoint._replace(size=7).sign(log._signer).replace("\n7\n", "\n1\n"),
    ):
        with pytest.raises(AnchorError):
            log.check(digest("a"), json.dumps(proof | {"checkpoint": note}))
        with pytest.raises(AnchorError):
            log.check_consistency(note, log.checkpoint, "[]")


# --- one history ---------------------------------------------------------------------------------------


def test_every_later_checkpoint_continues_every_earlier_one(log):
    notes = [log.checkpoint]
    for number in range(12):
        log.anchor(digest(number))
        notes.append(log.checkpoint)
        for size, old in enumerate(notes):
            assert log.check_consistency(old, log.checkpoint, log.prove_consistency(old)).size == number + 1
            assert size == Checkpoint.open(old, log._verifier).size


def test_a_rewritten_past_is_noticed_by_whoever_kept_a_checkpoint(log, tmp_path):
    """The writer drops an entry, signs everything anew, and makes the best proof there is."""
    fresh = copy_of(tmp_path, "rewritten")
    for name in "abcd":
        log.anchor(digest(name))
    kept = log.checkpoint
    for name in "abxdef":
        fresh.anchor(digest(name))
    lines = [digest(name).encode() for name in "abxdef"]
    best = [sibling.hex() for sibling in MerkleTree.of(lines).prove_consistency(4)]
    with pytest.raises(NotConsistent, match="begins with the one of 4"):
        LogReader(log.verifier).check_consistency(kept, fresh.checkpoint, json.dumps(best))
    with pytest.raises(NotConsistent, match="this log's past"):
        fresh.prove_consistency(kept)


def test_a_log_that_shrank_is_not_consistent(log, tmp_path):
    log.anchor(digest("a"))
    fresh = copy_of(tmp_path, "shorter")
    log.anchor(digest("b"))
    with pytest.raises(NotConsistent):
        log.check_consistency(log.checkpoint, fresh.checkpoint, "[]")
    with pytest.raises(NotConsistent):
        fresh.prove_consistency(log.checkpoint)


def test_a_split_view_is_shown_by_two_checkpoints(log, tmp_path):
    """One history for the regulator, another for the public, each proof in order by itself."""
    log.anchor(digest("both"))
    other = copy_of(tmp_path, "public")
    for_regulator = log.anchor(digest("with the bad trial"))
    for_public = other.anchor(digest("without it"))
    reader = LogReader(log.verifier)
    assert reader.check(digest("with the bad trial"), for_regulator).index == 1
    assert reader.check(digest("without it"), for_public).index == 1
    with pytest.raises(SplitView, match="more than one history") as caught:
        reader.check_consistency(log.checkpoint, other.checkpoint, "[]")
    assert caught.value.checkpoints == (log.checkpoint, other.checkpoint)


def test_split_views_of_different_sizes_cannot_be_joined(log, tmp_path):
    log.anchor(digest("both"))
    other = copy_of(tmp_path, "public")
    log.anchor(digest("one"))
    other.anchor(digest("two"))
    other.anchor(digest("one"))
    for log_of_proof in (other, log):
        own = log_of_proof.prove_consistency(log_of_proof.checkpoint)
        with pytest.raises(NotConsistent):
            log.check_consistency(log.checkpoint, other.checkpoint, own)


@pytest.mark.parametrize("proof", ["", "{}", "[1]", '["zz"]', "7"])
def test_what_is_no_consistency_proof_is_refused(log, proof):
    for number in range(3):
        old = log.checkpoint
        log.anchor(digest(number))
        with pytest.raises(AnchorError):
            log.check_consistency(old, log.checkpoint, proof)


# --- files ---------------------------------------------------------------------------------------------


def test_a_truncated_file_is_noticed(log, reopen, tmp_path):
    for number in range(3):
        log.anchor(digest(number))
    entries = tmp_path / "log" / ENTRIES
    whole = entries.read_bytes()
    for size in (0, 65, 130, 194):
        entries.write_bytes(whole[:size])
        with pytest.raises(AnchorError, match="cut off"):
            reopen()
        with pytest.raises(AnchorError, match="cut off"):
            log.anchor(digest("new"))
        assert entries.read_bytes() == whole[:size]
    entries.write_bytes(whole)
    assert len(reopen()) == 3


def test_a_changed_file_is_noticed(log, reopen, tmp_path):
    for number in range(3):
        log.anchor(digest(number))
    entries = tmp_path / "log" / ENTRIES
    lines = entries.read_text().splitlines()
    for changed in ([lines[0], digest("x"), lines[2]], lines[::-1], [*lines[:2], digest("y"), lines[2]]):
        entries.write_text("\n".join(changed) + "\n")
        with pytest.raises(AnchorError, match="found others"):
            reopen()
    entries.write_text("\n".join([*lines, "a line of text"]) + "\n")
    with pytest.raises(AnchorError, match="found another text"):
        reopen()


def test_a_checkpoint_of_another_key_or_none_is_noticed(log, reopen, tmp_path):
    log.anchor(digest("a"))
    note = tmp_path / "log" / CHECKPOINT
    note.write_text(Checkpoint(NAME, 0, bytes(32)).sign(Signer.create(tmp_path / "other.key", NAME)))
    with pytest.raises(AnchorError, match="expected a signature"):
        reopen()
    note.unlink()
    with pytest.raises(FileNotFoundError):
        reopen()


def test_half_a_line_of_a_process_that_died_is_dropped(log, reopen, tmp_path):
    log.anchor(digest("a"))
    entries = tmp_path / "log" / ENTRIES
    with entries.open("a") as file:
        file.write(digest("b")[:30])
    again = reopen()
    assert len(again) == 1
    again.anchor(digest("c"))
    assert entries.read_text() == f"{digest('a')}\n{digest('c')}\n"
    assert len(reopen()) == 2


def test_a_line_that_was_written_and_not_signed_is_kept(log, reopen, tmp_path):
    log.anchor(digest("a"))
    old = log.checkpoint
    with (tmp_path / "log" / ENTRIES).open("a") as file:
        file.write(digest("b") + "\n")
    again = reopen()
    assert len(again) == 2 and again.checkpoint == old
    assert again.prove_consistency(old) == log.prove_consistency(old)
    assert again.check(digest("b"), again.anchor(digest("b"))) == Anchored(None, log.verifier, 1, 2)
    assert again.check_consistency(old, again.checkpoint, again.prove_consistency(old)).size == 2


def test_a_checkpoint_that_cannot_be_written_is_signed_next_time(log, reopen, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("synthlib.chain.anchors._write_durably", fail)
    with pytest.raises(OSError, match="disk full"):
        log.anchor(digest("a"))
    monkeypatch.undo()
    assert Checkpoint.open(log.checkpoint, log._verifier).size == 0
    proof = log.anchor(digest("a"))
    assert log.check(digest("a"), proof).size == len(reopen()) == 1


def append(folder, key, names):
    log = SignedLog.open(folder, key)
    for name in names:
        log.check(digest(name), log.anchor(digest(name)))


@pytest.mark.skipif(os.name != "posix", reason="files are not locked on this system")
def test_several_processes_write_one_log(log, reopen, tmp_path):
    old = log.checkpoint
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(
            target=append, args=(tmp_path / "log", tmp_path / "log.key", [*range(10), *range(who, who + 8)])
        )
        for who in (10, 14)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    log.anchor(digest("last"))
    assert len(log) == len(reopen()) == 23
    assert len(set((tmp_path / "log" / ENTRIES).read_text().splitlines())) == 23
    assert log.check_consistency(old, log.checkpoint, log.prove_consistency(old)).size == 23


def test_the_key_is_for_its_owner_alone_and_outside_the_folder(log, tmp_path):
    assert stat.S_IMODE((tmp_path / "log.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == [CHECKPOINT, ENTRIES]
    secret = (tmp_path / "log.key").read_text().strip().rpartition("+")[2]
    for path in (tmp_path / "log").iterdir():
        assert secret not in path.read_text()
    with pytest.raises(ValueError, match="outside the log's folder"):
        SignedLog.create(tmp_path / "new", tmp_path / "new" / "log.key", NAME)
    with pytest.raises(FileExistsError, match="expected no log"):
        SignedLog.create(tmp_path / "log", tmp_path / "second.key", NAME)
    with pytest.raises(FileExistsError, match="expected no file"):
        SignedLog.create(tmp_path / "new", tmp_path / "log.key", NAME)
    assert issubclass(AnchorError, ChainError)
