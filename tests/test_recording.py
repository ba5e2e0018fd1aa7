"""record_bundle: a release and its protocol on one chain, once, whatever happens meanwhile."""

import shutil

import pytest
from chain_helpers import (
    account,
    edit_json,
    make_release,
    open_study,
    read_ledger,
    write_changed,
)

import synthlib
from synthlib.bundle import Bundle, BundleError
from synthlib.chain.accounts import demo_account
from synthlib.chain.connection import Connection
from synthlib.chain.errors import (
    ChainError,
    WrongChain,
)
from synthlib.chain.recording import record_bundle
from synthlib.chain.registry import Ledger

pytest_plugins = ["chain_fixtures"]


def test_bundle_of_another_kind_is_refused(workspace):
    with Bundle.create(workspace / "model", kind="model", parameters={}) as folder:
        (folder / "a.txt").write_text("a")
    with pytest.raises(ValueError, match="kind 'release'"):
        record_bundle(workspace / "model")
    assert not (workspace / "model" / "ledger").exists()


def test_record_bundle_twice_gives_the_same_bytes(release):
    record = record_bundle(release.path)
    files = read_ledger(release)
    assert set(files) == {"journal.jsonl", "manifest.json", "record.json"}
    assert record_bundle(release.path) == record
    assert read_ledger(release) == files


def test_record_bundle_by_name_in_the_workspace(workspace):
    make_release(workspace / "bundles" / "04_release")
    assert synthlib.record_bundle("04_release").issuer == demo_account().address


def test_record_bundle_completes_what_a_crash_left(release):
    """Ended before the record, after it, or while saving."""
    waiting = read_ledger(release)["journal.jsonl"]
    record = record_bundle(release.path)
    files = read_ledger(release)
    folder = release.path / "ledger"
    for left in (["journal.jsonl"], ["journal.jsonl", "manifest.json"]):
        for name in files:
            (folder / name).unlink()
        for name in left:
            (folder / name).write_bytes(files[name])
        (folder / ".record.json.0a1b2c3d.partial").write_bytes(b"{")
        assert record_bundle(release.path) == record
        assert read_ledger(release) == files
    (folder / "record.json").unlink()
    (folder / "journal.jsonl").write_bytes(waiting)  # ended before the record
    assert record_bundle(release.path) == record
    assert read_ledger(release) == files


@pytest.mark.parametrize("num_lines", range(1, 7))
def test_a_release_is_not_recorded_where_its_study_is_not_all_there(release, num_lines):
    """A journal that ends before the last attempt; what is missing is said, and nothing is sent."""
    path = release.path / "ledger" / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 6  # the header and five transactions
    path.write_bytes(b"".join(lines[:num_lines]))
    if num_lines == 6:
        assert record_bundle(release.path)
        return
    with pytest.raises(ChainError, match=r"WrongChain|registr|ProtocolNotApproved|attempt 1"):
        record_bundle(release.path)
    assert path.read_bytes().splitlines(keepends=True)[:num_lines] == lines[:num_lines]
    assert set(read_ledger(release)) == {"journal.jsonl"}


def test_record_bundle_refuses_a_changed_bundle(release):
    (release.path / "report.csv").write_text("better")
    with pytest.raises(BundleError, match=r"report\.csv"):
        record_bundle(release.path)


def test_record_bundle_wants_the_journal_of_its_protocol(release):
    (release.path / "ledger" / "journal.jsonl").unlink()
    with pytest.raises(ChainError, match="the journal in which the protocol of release is registered"):
        record_bundle(release.path)
    assert read_ledger(release) == {}


def test_releases_of_a_study_share_its_journal_and_each_keeps_its_part(workspace):
    journal = workspace / "journal.jsonl"
    study = open_study(Ledger.in_process(journal))
    first, second = (make_release(workspace / name, seed, study) for seed, name in enumerate("ab"))
    record_bundle(first.path, journal=journal)
    part = read_ledger(first)["journal.jsonl"]
    record_bundle(second.path, journal=journal)
    assert read_ledger(second)["journal.jsonl"] == journal.read_bytes()
    record_bundle(first.path, journal=journal)
    assert read_ledger(first)["journal.jsonl"] == part
    assert journal.read_bytes().startswith(part)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("protocol.json", lambda data: data.replace(b"four", b"five"), "protocol.json is not the protocol"),
        ("attempts.json", edit_json(lambda told: told["attempts"].pop()), "attempt 2 is left out"),
        ("attempts.json", edit_json(lambda told: told["attempts"].pop(0)), "expected attempt 1"),
        ("attempts.json", edit_json(lambda told: told["attempts"].reverse()), "expected attempt 1"),
        (
            "attempts.json",
            edit_json(lambda told: told["attempts"][1]["describes"].update(seed=7)),
            "attempt 2 is not what the chain logged",
        ),
        ("attempts.json", lambda data: b"{}", "expected attempts of format"),
        ("attempts.json", lambda data: data.replace(b'"protocol": "0x', b'"protocol": "1x'), "of protocol"),
    ],
)
def test_what_would_not_verify_is_not_recorded(workspace, name, change, message):
    study = open_study(Ledger.in_process(account=account("admin")), 2)
    lying = write_changed(make_release(workspace / "release", study=study), name, change, workspace / "lying")
    study.ledger.leave_journal(lying)
    before = read_ledger(lying)
    with pytest.raises(ChainError, match=message):
        record_bundle(lying.path, account=account("admin"))
    assert read_ledger(lying) == before


def test_an_attempt_after_the_release_was_written_wants_it_written_again(workspace):
    study = open_study(Ledger.in_process(account=account("admin")))
    early = make_release(workspace / "early", study=study)
    study.attempt({"model_type": "TabularGAN", "seed": 1})
    study.ledger.leave_journal(early)
    with pytest.raises(ChainError, match=r"attempt 2 is left out.*write the release again"):
        record_bundle(early.path, account=account("admin"))
    late = make_release(workspace / "late", study=study)
    study.ledger.leave_journal(late)
    assert record_bundle(late.path, account=account("admin")).attempts == 2


@pytest.mark.parametrize("name", ["dataset", "researcher", "registry", "chain"])
def test_a_manifest_that_names_another_place_is_not_recorded(workspace, name):
    said = make_release(workspace / "whole").parameters["protocol"]
    changed = make_release(workspace / "changed", protocol=said | {name: said[name][:-1] + "0"})
    with pytest.raises(ChainError, match=rf"(?s){name}.* is |expected the registry .*{said[name][:-1]}"):
        record_bundle(changed.path)
    assert set(read_ledger(changed)) == {"journal.jsonl"}


def test_record_bundle_on_a_node_again_needs_no_address(node_url, node_study, workspace):
    release = make_release(workspace / "release", study=node_study)
    record = record_bundle(release.path, rpc=node_url)
    files = read_ledger(release)
    assert set(files) == {"manifest.json", "record.json"}
    assert record_bundle(release.path, rpc=node_url) == record
    assert read_ledger(release) == files
    with pytest.raises(ChainError, match="is on chain 31337; a release is recorded on its"):
        record_bundle(release.path)


def test_a_release_is_recorded_on_its_protocols_registry_alone(node_url, node_study, workspace):
    release = make_release(workspace / "release", study=node_study)
    other = Ledger.connect(node_url)
    with pytest.raises(WrongChain, match=f"expected the registry {node_study.ledger.address} on eip155:3"):
        record_bundle(release.path, rpc=node_url, registry=other.address)
    assert not (release.path / "ledger").exists()
    in_process = make_release(workspace / "in process")
    shutil.rmtree(in_process.path / "ledger")
    with pytest.raises(WrongChain, match=f"on eip155:{Connection.in_process().chain_id}, where the release"):
        record_bundle(in_process.path, rpc=node_url, registry=other.address)


def test_no_registry_is_deployed_to_record_a_release(node_url, node_study, workspace):
    said = node_study.describe(1, None)
    del said["registry"]
    release = make_release(workspace / "release", study=node_study, protocol=said)
    blocks = node_study.ledger.connection.get_block_number()
    with pytest.raises(ValueError, match=r"parameters\.protocol\.registry"):
        record_bundle(release.path, rpc=node_url)
    assert node_study.ledger.connection.get_block_number() == blocks


def test_recording_on_a_node_does_not_replace_a_journal(node_url, node_study, release):
    record_bundle(release.path, account=demo_account())
    files = read_ledger(release)
    with pytest.raises(ChainError, match=r"in-process chain; a release is recorded on its protocol's chain"):
        record_bundle(release.path, rpc=node_url)
    assert read_ledger(release) == files
    (release.path / "ledger" / "record.json").unlink()  # as a crash leaves it
    with pytest.raises(ChainError, match="in-process chain"):
        record_bundle(release.path, rpc=node_url)


def test_a_journal_stays_until_the_record_that_replaces_it_is_written(node_study, workspace, monkeypatch):
    release = make_release(workspace / "release", study=node_study)
    (release.path / "ledger").mkdir()
    (release.path / "ledger" / "journal.jsonl").write_bytes(b"left\n")
    node_study.ledger.record(release)

    def fail(*_):
        raise OSError("disk")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="disk"):
        patched.setattr("synthlib.chain.registry.write_atomically", fail)
        node_study.ledger.save(release)
    assert read_ledger(release) == {"journal.jsonl": b"left\n"}
    node_study.ledger.save(release)
    assert set(read_ledger(release)) == {"manifest.json", "record.json"}
