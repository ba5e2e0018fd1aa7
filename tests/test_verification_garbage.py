"""Verification of what a stranger sends: garbage, giants, links, closed folders; a no, never a crash."""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from verification_helpers import CANNOT_TELL, NO, YES, names, unchecked

from synthlib.bundle import canonical_json
from synthlib.chain import content_evidence, record_evidence
from synthlib.chain.verification import verdict, verify

pytest_plugins = ["chain_fixtures", "verification_fixtures"]

# --- garbage -------------------------------------------------------------------------------------------

GARBAGE = {
    "empty": b"",
    "zeros": bytes(1000),
    "binary": bytes(range(256)) * 10,
    "not UTF-8": b'{"a": "\xff"}',
    "deep": b"[" * 200_000,
    "deep object": b'{"a":' * 100_000,
    "deep and closed": b"[" * 100_000 + b"]" * 100_000,
    "huge integer": b"1" * 100_000,
    "huge exponent": b"1e999999",
    "NaN": b"NaN",
    "number": b"7",
    "null": b"null",
    "list": b"[]\n",
    "object": b"{}\n",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "repeated key": b'{"a":1,"a":2}',
    "deep in UTF-16": ('"∀"' + "[" * 100_000).encode("utf-16-le"),
    "csv": b"a,b\n1,2\n",
    "unclosed quote": b'"' * 9999,
    "surrogate": b'{"a": "\\ud800"}',
}


@pytest.mark.parametrize(
    "name",
    [
        "manifest.json",
        "synthetic.csv",
        "schema.json",
        "report.csv",
        "ledger/journal.jsonl",
        "ledger/record.json",
        "ledger/manifest.json",
    ],
)
def test_garbage_is_a_no_and_no_crash(recorded, name, replay_once):
    for content in GARBAGE.values():
        (recorded / name).write_bytes(content)
        findings = verify(recorded)
        assert verdict(findings) == NO
        assert names(findings, name)


WRONG_MANIFESTS = [
    {"files": {".": {"bytes": 1, "digest": "a"}}},
    {"files": {"a\0b": {"bytes": 1, "digest": "a"}}},
    {"files": {"/etc/passwd": {"bytes": 1, "digest": "a"}}},
    {"files": {"../x": {"bytes": 1, "digest": "a"}}},
    {"files": {"x" * 5000: {"bytes": 1, "digest": "a"}}},
    {"files": {"synthetic.csv": {"bytes": None, "digest": []}}},
    {"files": []},
    {"parameters": []},
    {"parents": {"a": 7}},
    {"parents": {"a": ["b"]}},
    {"kind": 7},
    {"kind": "data"},
    {"parameters": {"model_type": 7, "model": None}},
    {"digests": "hmac-sha256"},
    {"format": None},
]


@pytest.mark.parametrize("changes", WRONG_MANIFESTS, ids=[str(changes)[:40] for changes in WRONG_MANIFESTS])
def test_wrong_manifest_is_a_no_and_no_crash(recorded, changes, replay_once):
    manifest = json.loads((recorded / "manifest.json").read_bytes()) | changes
    for name in ("manifest.json", "ledger/manifest.json"):
        (recorded / name).write_bytes(canonical_json(manifest))
        assert verdict(verify(recorded)) == NO


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["manifest.json", "synthetic.csv", "schema.json", "ledger/record.json"])
def test_pipe_is_a_no_and_no_waiting(recorded, name):
    (recorded / name).unlink()
    os.mkfifo(recorded / name)
    findings = verify(recorded)
    assert verdict(findings) == NO
    assert names(findings, name)


def test_folders_and_links_in_wrong_places(recorded, workspace):
    aside = workspace / "aside"
    shutil.move(recorded / "ledger", aside)
    (recorded / "ledger").symlink_to(aside)
    assert verdict(verify(recorded)) == NO
    (recorded / "ledger").unlink()
    (recorded / "ledger").write_text("a file")
    assert verdict(verify(recorded)) == NO
    assert verdict(verify(recorded / "synthetic.csv")) == NO
    (workspace / "empty").mkdir()
    assert verdict(verify(workspace / "empty")) == NO


# --- a stranger's folder -------------------------------------------------------------------------------


def put_copy(folder: Path, manifest: dict) -> None:
    """Make a manifest the one that record.json names."""
    copy, path = canonical_json(manifest), folder / "ledger" / "record.json"
    (folder / "ledger" / "manifest.json").write_bytes(copy)
    body = json.loads(path.read_bytes())
    body["record"]["release"] = hashlib.sha256(copy).hexdigest()
    path.write_bytes(canonical_json(body))


def test_nothing_outside_the_folder_is_read(recorded, workspace, monkeypatch):
    secret = workspace / "secret"
    secret.write_text("x")
    whole = json.loads((recorded / "manifest.json").read_bytes())
    opened, plain_open = [], Path.open
    monkeypatch.setattr(Path, "open", lambda path, *a, **k: opened.append(path) or plain_open(path, *a, **k))
    for name in (str(secret), "../secret"):
        described = {"bytes": 1, "digest": hashlib.sha256(b"x").hexdigest()}
        put_copy(recorded, whole | {"files": whole["files"] | {name: described}})
        findings = verify(recorded)
        assert verdict(findings) == NO and names(findings, "ledger/manifest.json")
    assert opened and not [path for path in opened if path.resolve() == secret.resolve()]


def test_a_file_of_another_size_is_neither_hashed_nor_parsed(recorded, monkeypatch):
    monkeypatch.setattr(content_evidence, "read_synthetic", lambda *_: pytest.fail("parsed"))
    for name in ("synthetic.csv", "report.csv"):
        os.truncate(recorded / name, 1 << 40)  # holes: hashing them would take an hour
    started = time.process_time()
    findings = verify(recorded)
    assert verdict(findings) == NO and names(findings, "synthetic.csv", "report.csv")
    assert "synthetic table" in unchecked(findings)
    assert time.process_time() - started < 30


def test_a_file_of_any_size_that_the_manifest_names_is_not_hashed(recorded):
    manifest = json.loads((recorded / "manifest.json").read_bytes())
    manifest["files"]["zz.bin"] = {"bytes": 1 << 40, "digest": "0" * 64}
    (recorded / "manifest.json").write_bytes(canonical_json(manifest))
    (recorded / "zz.bin").touch()
    os.truncate(recorded / "zz.bin", 1 << 40)
    findings = verify(recorded)
    assert verdict(findings) == NO and "zz.bin" in unchecked(findings)


def test_many_changed_parameters_take_no_longer_each_and_are_not_all_listed(recorded):
    manifest = json.loads((recorded / "manifest.json").read_bytes())
    for value, name in ((0, "manifest.json"), (1, "ledger/manifest.json")):
        added = {f"k{number}": value for number in range(30_000)}
        changed_manifest = manifest | {"parameters": manifest["parameters"] | added}
        (recorded / name).write_bytes(canonical_json(changed_manifest))
    started = time.process_time()
    findings = verify(recorded)
    assert time.process_time() - started < 30  # minutes, when each was sought among all
    assert verdict(findings) == NO and names(findings, "more fields than the 100 listed")
    assert len(findings) < 300


def test_many_files_are_not_all_listed(recorded):
    for number in range(1500):
        (recorded / f"extra{number}").touch()
    findings = verify(recorded)
    assert verdict(findings) == NO and names(findings, "more are not listed")
    assert len(findings) < 1200 and findings[-1].subject == "training table"


def test_long_journal_is_not_replayed(recorded, monkeypatch):
    monkeypatch.setattr(record_evidence, "MAX_LINES", 2)
    findings = verify(recorded)
    assert verdict(findings) == CANNOT_TELL
    assert "ledger/journal.jsonl" in unchecked(findings)


@pytest.fixture
def nobody(recorded, monkeypatch):
    """Be a user whom permissions bind, beside the release."""
    for folder in (recorded.parent, recorded):
        folder.chmod(0o755)
    monkeypatch.chdir(recorded.parent)
    verify(recorded)  # imports what it needs while it may
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(recorded, 65534, -1)
        os.seteuid(65534)
    yield Path(recorded.name)
    if is_root:
        os.seteuid(0)
    for folder in (recorded, recorded / "ledger"):
        folder.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has other permissions")
@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111])
def test_a_folder_that_cannot_be_read_is_a_no(nobody, mode):
    assert verdict(verify(nobody)) == YES
    nobody.chmod(mode)
    assert verdict(verify(nobody)) == NO


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has other permissions")
def test_added_folders_that_are_empty_or_closed_are_seen(nobody):
    (nobody / "empty").mkdir()
    (nobody / "closed").mkdir(mode=0)
    findings = verify(nobody)
    assert verdict(findings) == NO and names(findings, "empty", "closed")
    (nobody / "closed").chmod(0o755)
