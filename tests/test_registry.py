"""The Ledger: the same tests on the in-process chain and on a real node, and what a node may do wrong."""

import hashlib
import http.server
import json
import logging
import os
import shutil
import stat
import threading

import pytest
from chain_helpers import (
    DATASET,
    KEY,
    PROTOCOL,
    TRAINING,
    account,
    digest,
    edit_json,
    free_port,
    fund,
    generation,
    make_release,
    open_study,
    send,
    write_changed,
)
from eth_utils import keccak

import synthlib
from synthlib.bundle import Bundle, BundleError, canonical_json
from synthlib.chain import accounts
from synthlib.chain.accounts import create_keyfile, demo_account, load_account
from synthlib.chain.commitments import open_commitment
from synthlib.chain.connection import Connection
from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import (
    AccessControlUnauthorizedAccount,
    AlreadyRecorded,
    AlreadyRevoked,
    ChainError,
    IncompleteLog,
    NoAccount,
    NodeUnreachable,
    NoRegistry,
    NotIssuer,
    NotRecorded,
    ProtocolNotApproved,
    TransactionRejected,
    TransactionTimeout,
    WrongChain,
)
from synthlib.chain.journal import Journal
from synthlib.chain.protocols import Protocols, Registration
from synthlib.chain.recording import record_bundle
from synthlib.chain.records import NOT_PRIVATE, Generation, release_fields, signer_of
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import RESEARCHER, Roles
from synthlib.chain.study import Study

pytest_plugins = ["chain_fixtures"]

STRANGER = account("stranger")
ZERO = "0" * 64


# --- the fields of a release ---------------------------------------------------------------------------


def test_fields_come_from_the_manifest(release):
    fields, parameters = release_fields(release), release.parameters
    assert fields.release == hashlib.sha256((release.path / "manifest.json").read_bytes()).hexdigest()
    assert open_commitment(bytes.fromhex(fields.commitment), TRAINING, KEY)
    assert fields.synthetic == parameters["rows_root"] != parameters["synthetic_digest"]
    protocol = parameters["protocol"]
    assert (fields.protocol, fields.attempt) == (protocol["id"], protocol["attempt"])
    assert fields.spend == protocol["spend"] == NOT_PRIVATE
    assert fields.model_type == "TabularGAN"
    assert fields.parameters == hashlib.sha256(canonical_json(parameters["model"])).hexdigest()
    assert fields.characteristics == hashlib.sha256(canonical_json(parameters["characteristics"])).hexdigest()
    assert release_fields(release.manifest, release.digest) == fields


@pytest.mark.parametrize(
    "name", ["model_type", "model", "characteristics", "training_commitment", "rows_root", "protocol"]
)
def test_release_that_lacks_a_field_is_refused(release, name):
    for parameters in (
        {key: value for key, value in release.parameters.items() if key != name},
        release.parameters | {name: 7},
    ):
        with pytest.raises(ValueError, match=name):
            release_fields(release.manifest | {"parameters": parameters}, release.digest)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", None), ("id", "0x12"), ("id", digest("a").upper()),
        ("spend", None), ("spend", 0), ("spend", -1), ("spend", 1.5), ("spend", True), ("spend", 2**32),
        ("attempt", None), ("attempt", 0), ("attempt", "1"), ("attempt", 2**24),
    ],
)  # fmt: skip
def test_protocol_that_says_no_id_spend_or_attempt_is_refused(release, name, value):
    for protocol in (
        release.parameters["protocol"] | {name: value},
        {key: kept for key, kept in release.parameters["protocol"].items() if key != name},
    ):
        parameters = release.parameters | {"protocol": protocol}
        with pytest.raises(ValueError, match=rf"protocol\.{name}: expected"):
            release_fields(release.manifest | {"parameters": parameters}, release.digest)


def test_bundle_of_another_kind_is_refused(workspace):
    with Bundle.create(workspace / "model", kind="model", parameters={}) as folder:
        (folder / "a.txt").write_text("a")
    with pytest.raises(ValueError, match="kind 'release'"):
        record_bundle(workspace / "model")
    assert not (workspace / "model" / "ledger").exists()


# --- the same on both chains ---------------------------------------------------------------------------


def test_record_and_find(ledger, own_release):
    record = ledger.record(own_release)
    assert record.generation == release_fields(own_release)
    assert record.issuer == account("admin").address
    assert record.id == release_fields(own_release).id
    assert 21_000 < record.gas_used <= 100_000
    assert (record.revoked, record.revocation_time, record.reason, record.successor) == (False, 0, ZERO, ZERO)
    assert record.attempts == record.attempt == 1 and not record.is_private
    block = ledger.connection.web3.eth.get_block(record.block)
    assert record.time == block["timestamp"]
    assert record.transaction in [transaction.to_0x_hex() for transaction in block["transactions"]]
    assert ledger.find(own_release.digest) == record


def test_find_asks_the_chain_when_this_object_did_not_record(ledger, own_release):
    record = ledger.record(own_release)
    elsewhere = Ledger(ledger.connection, ledger.address, None)
    assert elsewhere.find(own_release.digest) == record
    second = ledger.record_generation(generation("b"))
    assert elsewhere.find(second.release) == second


def test_recording_twice_is_harmless(ledger, own_release):
    record = ledger.record(own_release)
    before = ledger.connection.web3.eth.block_number
    assert ledger.record(own_release) == record
    assert ledger.connection.web3.eth.block_number == before


def test_one_digest_is_recorded_once_whoever_and_under_whichever_protocol(ledger):
    other = account("other researcher")
    fund(ledger.connection, other.address)
    Roles(ledger).grant(RESEARCHER, other.address)
    theirs = make_study_of(ledger, other)
    said = generation("a", researcher="other researcher")
    record = theirs.ledger.record_generation(said)
    assert record.issuer == other.address
    assert ledger.record_generation(said) == record  # nothing is sent: it is there
    with pytest.raises(ChainError, match=f"another protocol by {other.address}"):
        ledger.record_generation(generation("a"))


def make_study_of(ledger: Ledger, researcher) -> Study:
    """A study of another researcher on the dataset of the ledger's account, with one attempt."""
    theirs = ledger.acting_as(researcher)
    registration = Protocols(theirs).prepare(PROTOCOL, DATASET)
    Protocols(theirs).register(registration)
    Protocols(ledger).approve(registration, 0.1, 2)
    study = Study(theirs, PROTOCOL, registration)
    study.attempt({"model_type": "TabularGAN", "seed": 9})
    return study


def test_record_with_other_content_under_the_same_digest_is_reported(ledger):
    ledger.record_generation(generation("a"))
    with pytest.raises(ChainError, match="another synthetic, parameters by"):
        ledger.record_generation(generation("a", synthetic=digest("x"), parameters=digest("y")))


def test_find_of_nothing(ledger):
    with pytest.raises(NotRecorded, match=digest("a")):
        ledger.find(digest("a"))
    for wrong in ("", "0x" + digest("a")[:-1], digest("a").upper(), digest("a") + "\n"):
        with pytest.raises(ValueError, match="64 lower-case"):
            ledger.find(wrong)


def test_revoke(ledger, own_release):
    record = ledger.record(own_release)
    revoked = ledger.revoke(own_release.digest, "the training table was the wrong one")
    reason = hashlib.sha256(b"the training table was the wrong one").hexdigest()
    time = revoked.revocation_time
    assert time >= record.time
    assert revoked == record._replace(revoked=True, revocation_time=time, reason=reason)
    assert ledger.find(own_release.digest) == revoked
    with pytest.raises(AlreadyRevoked):
        ledger.revoke(own_release.digest, "again")
    with pytest.raises(ValueError, match="reason in words"):
        ledger.revoke(own_release.digest, " ")


def test_supersede(ledger):
    old, new, third = (ledger.record_generation(generation(name)) for name in "abc")
    replaced = ledger.supersede(old.release, new.release, "a row was wrong")
    assert (replaced.revoked, replaced.successor) == (True, new.release)
    assert replaced.reason == hashlib.sha256(b"a row was wrong").hexdigest()
    assert replaced.state_at() == "superseded" and ledger.find(new.release) == new
    elsewhere = Ledger(ledger.connection, ledger.address, None)
    assert elsewhere.find(old.release) == replaced
    ledger.revoke(third.release, "wrong")
    with pytest.raises(AlreadyRevoked, match=third.release):
        ledger.supersede(new.release, third.release, "in favour of what does not stand")
    with pytest.raises(AlreadyRevoked):
        ledger.supersede(new.release, new.release, "in favour of itself")
    with pytest.raises(NotRecorded):
        ledger.supersede(new.release, digest("nothing"), "in favour of nothing")
    assert not ledger.find(new.release).revoked


def test_nobody_supersedes_by_anothers_release(ledger):
    fund(ledger.connection, account("other researcher").address)
    Roles(ledger).grant(RESEARCHER, account("other researcher").address)
    theirs = make_study_of(ledger, account("other researcher")).ledger
    mine = ledger.record_generation(generation("a"))
    other = theirs.record_generation(generation("b", researcher="other researcher"))
    for who, old, new in ((ledger, mine, other), (theirs, mine, other), (ledger, other, mine)):
        with pytest.raises(NotIssuer):
            who.supersede(old.release, new.release, "spite")


def test_state_as_of_a_time(ledger):
    old, new = (ledger.record_generation(generation(name)) for name in "ab")
    replaced, revoked = ledger.supersede(old.release, new.release, "x"), ledger.revoke(new.release, "y")
    for record, word in ((replaced, "superseded"), (revoked, "revoked")):
        states = [record.state_at(time) for time in (record.time - 1, record.revocation_time, None)]
        assert states == ["absent", word, word]
        assert record._replace(revocation_time=record.time + 2).state_at(record.time + 1) == "stands"
    assert new.state_at() == new.state_at(new.time) == "stands"


def test_strangers_can_neither_record_nor_revoke(ledger, own_release):
    fund(ledger.connection, STRANGER.address)
    stranger = ledger.acting_as(STRANGER)
    with pytest.raises(ProtocolNotApproved):
        stranger.record(own_release)
    with pytest.raises(AccessControlUnauthorizedAccount):
        Protocols(stranger).register(Protocols(stranger).prepare(PROTOCOL, DATASET))
    ledger.record(own_release)
    with pytest.raises(NotIssuer):
        stranger.revoke(own_release.digest, "spite")
    with pytest.raises(AccessControlUnauthorizedAccount):
        Roles(stranger).grant(RESEARCHER, STRANGER.address)
    assert not ledger.find(own_release.digest).revoked


def test_without_an_account_a_ledger_reads_only(ledger, own_release):
    record = ledger.record(own_release)
    reader = ledger.acting_as(None)
    assert reader.find(own_release.digest) == record
    with pytest.raises(NoAccount, match="SYNTHLIB_PRIVATE_KEY"):
        reader.revoke(own_release.digest, "no key")


def test_two_parties_act_on_one_ledger(empty_ledger, workspace):
    """The steward owns and approves, the researcher registers, tries and records; neither the other's."""
    steward, researcher = empty_ledger, empty_ledger.acting_as(account("researcher"))
    fund(empty_ledger.connection, researcher.account.address)
    Roles(steward).grant(RESEARCHER, researcher.account.address)
    Datasets(steward).register(DATASET, cap=1.0)
    protocols = Protocols(researcher)
    registration = protocols.prepare(PROTOCOL, DATASET, sealed=True)
    assert not protocols.register(registration).is_revealed
    with pytest.raises(ChainError, match="steward"):
        protocols.approve(registration, 0.5, 1)
    with pytest.raises(ChainError, match="approve"):
        Study(researcher, PROTOCOL, registration)
    Protocols(steward).approve(registration, 0.5, 1)
    study = Study(researcher, PROTOCOL, registration)
    study.attempt_all([{"model_type": "TabularGAN", "seed": number} for number in range(3)])
    protocols.reveal(registration)
    bundle = make_release(workspace / "theirs", study=study, attempt=2)
    record = researcher.record(bundle)
    assert (record.issuer, record.attempt, record.attempts) == (researcher.account.address, 2, 3)
    with pytest.raises(NotIssuer):
        steward.revoke(bundle.digest, "not mine")
    assert steward.account == account("admin")  # acting_as changed nobody
    assert study.track.open_releases_left == 0
    with pytest.raises(ChainError, match="NoOpenReleaseLeft"):
        researcher.record(make_release(workspace / "second", seed=1, study=study))


def test_save_writes_what_the_chain_holds(ledger, own_release):
    record = ledger.record(own_release)
    ledger.save(own_release)
    folder = own_release.path / "ledger"
    body = json.loads((folder / "record.json").read_bytes())
    assert body["record"] == record._asdict()
    assert body["registry"] == ledger.address
    assert body["chain"]["id"] == ledger.connection.chain_id
    assert signer_of(body, body["signature"]) == record.issuer
    assert (folder / "manifest.json").read_bytes() == (own_release.path / "manifest.json").read_bytes()
    assert (folder / "journal.jsonl").exists() == ledger.connection.is_in_process
    assert account("admin").key.hex() not in "".join(file.read_text() for file in folder.iterdir())


def test_save_of_what_is_not_recorded(ledger, own_release):
    with pytest.raises(NotRecorded):
        ledger.save(own_release)
    assert not (own_release.path / "ledger").exists()


def test_only_the_issuer_saves_an_in_process_record(ledger, own_release):
    ledger.record(own_release)
    stranger = ledger.acting_as(STRANGER)
    if ledger.connection.is_in_process:
        with pytest.raises(ChainError, match="act as the issuer"):
            stranger.save(own_release)
        assert not (own_release.path / "ledger").exists()
    else:
        stranger.save(own_release)
        body = json.loads((own_release.path / "ledger" / "record.json").read_bytes())
        assert body["signature"] is None


def test_the_journal_is_left_in_a_release_before_it_is_recorded(ledger, own_release):
    if not ledger.connection.is_in_process:
        with pytest.raises(ChainError, match="in-process chain"):
            ledger.leave_journal(own_release)
        assert not (own_release.path / "ledger").exists()
        return
    ledger.leave_journal(own_release)
    assert read_ledger(own_release) == {"journal.jsonl": b"".join(ledger.journal.lines)}
    record = record_bundle(own_release.path, account=account("admin"))
    assert record == ledger.record(own_release)


def test_many_transactions_in_a_row_keep_their_nonces(ledger):
    records = [ledger.record_generation(generation(str(number))) for number in range(10)]
    assert [record.block for record in records] == sorted({record.block for record in records})


# --- record_bundle -------------------------------------------------------------------------------------


def read_ledger(bundle) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (bundle.path / "ledger").iterdir()}


@pytest.fixture
def node_study(node_url, workspace, monkeypatch) -> Study:
    """The study of an issuer whose key is in the environment, on a node."""
    monkeypatch.setenv("SYNTHLIB_PRIVATE_KEY", account("issuer").key.hex())
    fund(Connection.by_url(node_url), account("issuer").address)
    return open_study(Ledger.connect(node_url))


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


def test_a_study_goes_on_after_a_crash_at_any_transaction(tmp_path, monkeypatch):
    """Killed once a transaction stands in the journal, or just before: the same chain comes of it."""

    def work(journal, notes) -> Study:
        ledger = Ledger.in_process(journal, account("admin"))
        study = Study.open(ledger, PROTOCOL, DATASET, cap=1.0, budget=0.5, notes=notes)
        study.settle(study.attempt({"model_type": "TabularGAN"}), {"ks": 0.1})
        return study

    class Killed(BaseException):
        pass

    whole = work(tmp_path / "whole.jsonl", tmp_path / "whole.json")
    steps = [(Connection, "send"), (Journal, "append")]
    for step, (owner, name) in enumerate(steps * 5):
        folder, calls, real = tmp_path / str(step), [], getattr(owner, name)
        folder.mkdir()

        def stop(self, *given, calls=calls, real=real, place=step // 2):
            result = real(self, *given)
            calls.append(given)
            if len(calls) > place:
                raise Killed  # sent and not in the journal; in the journal
            return result

        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(owner, name, stop)
            work(folder / "journal.jsonl", folder / "notes.json")
        study = work(folder / "journal.jsonl", folder / "notes.json")
        assert study.ledger.journal.lines == whole.ledger.journal.lines, step
        assert study.attempts == whole.attempts


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
    with pytest.raises(ChainError, match="recorded on chain 31337"):
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
    with pytest.raises(ChainError, match=r"in-process chain; verify it there, or move its ledger/"):
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


# --- studies -------------------------------------------------------------------------------------------


def test_a_study_that_is_opened_again_has_the_attempts_of_its_notes(study, tmp_path):
    registration = study.registration
    notes = tmp_path / "notes.json"
    with pytest.raises(ChainError, match="attempt 1 is left out"):
        Study(study.ledger, PROTOCOL, registration)
    study.write(tmp_path)
    (tmp_path / "attempts.json").rename(notes)
    again = Study(study.ledger, PROTOCOL, registration, notes)
    assert again.attempts == study.attempts
    again.attempt({"model_type": "TabularGPT"})
    again.settle(2, "failed")
    assert Study(study.ledger, PROTOCOL, registration, notes).attempts == again.attempts
    body = json.loads(notes.read_bytes())
    body["attempts"][0]["describes"] = {"model_type": "another"}
    for wrong, message in (
        (body, "attempt 1 is not what the chain logged"),
        (body | {"protocol": "0x" + digest("p")}, "of protocol"),
    ):
        notes.write_bytes(canonical_json(wrong))
        with pytest.raises((ChainError, ValueError), match=message):
            Study(study.ledger, PROTOCOL, registration, notes)


def test_an_attempt_that_the_chain_refused_is_none(study):
    roles = Roles(study.ledger)
    roles.pause()
    for _ in range(2):
        with pytest.raises(ChainError, match="EnforcedPause"):
            study.attempt({"model_type": "TabularGPT"})
    assert len(study.attempts) == 1 == study.track.attempts
    roles.unpause()
    assert study.attempt({"model_type": "TabularGPT"}) == 2 == study.track.attempts


@pytest.mark.parametrize("arrives", [True, False])
def test_an_attempt_whose_answer_was_lost_is_logged_once(node_study, monkeypatch, arrives):
    study, real = node_study, Connection.send

    def lose(self, *given):
        if arrives:
            real(self, *given)
        raise TransactionTimeout("no answer")

    with monkeypatch.context() as patched, pytest.raises(TransactionTimeout):
        patched.setattr(Connection, "send", lose)
        study.attempt({"model_type": "TabularGPT"})
    assert study.attempt({"model_type": "TabularGPT"}) == 2 == study.track.attempts
    assert study.attempt({"model_type": "another"}) == 3 == study.track.attempts
    assert [entry["describes"].get("model_type") for entry in study.attempts[1:]] == ["TabularGPT", "another"]


def test_attempts_of_another_process_are_noticed(study):
    Protocols(study.ledger).attempt(study.registration.id, digest("another process"))
    with pytest.raises(ChainError, match="AttemptOutOfOrder"):
        study.attempt({"model_type": "TabularGPT"})
    with pytest.raises(ChainError, match="logged another: attempt 2"):
        study.attempt({"model_type": "TabularGPT"})


def test_numbers_of_no_attempt(study):
    for number in (0, -1, 2):
        for call in (lambda n: study.settle(n, 1), lambda n: study.describe(n, None)):
            with pytest.raises(ValueError, match="expected the number of one of 1 attempts"):
                call(number)


def test_a_handed_on_study_is_resumed_on_its_own_registry(workspace):
    study = open_study(Ledger.in_process(account=account("admin")), 2)
    (workspace / "on").mkdir()
    study.hand_on(workspace / "on")
    again = Study.resume(workspace / "on", account=account("admin"))
    assert again.attempts == study.attempts and again.track == study.track
    place = json.loads((workspace / "on" / "registration.json").read_bytes())
    (workspace / "on" / "registration.json").write_bytes(
        canonical_json(place | {"registry": account("x").address})
    )
    with pytest.raises(WrongChain, match=account("x").address):
        Study.resume(workspace / "on", account=account("admin"))


# --- what a node may do wrong --------------------------------------------------------------------------


def test_new_registry_is_announced(node_url, caplog):
    fund(Connection.by_url(node_url), account("admin").address)
    with caplog.at_level(logging.WARNING):
        ledger = Ledger.connect(node_url, account=account("admin"))
    assert ledger.is_new
    assert ledger.address in caplog.text
    again = Ledger.connect(node_url, ledger.address, account("admin"))
    assert not again.is_new


def test_node_that_is_not_there():
    with pytest.raises(NodeUnreachable, match="expected an Ethereum node to answer") as caught:
        Ledger.connect(f"http://user:secret@127.0.0.1:{free_port()}/v3/secret", "0x" + "11" * 20)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("url", ["", "node", "ftp://127.0.0.1", "/tmp/secret.ipc", "http://"])
def test_url_of_no_node(url):
    with pytest.raises(NodeUnreachable, match="URL of a node") as caught:
        Ledger.connect(url, "0x" + "11" * 20)
    assert "secret" not in str(caught.value)


class Impostor(http.server.BaseHTTPRequestHandler):
    """Answers every request with a page."""

    body, status = b"<html>hello</html>", 200

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>hello</html>"),
        (500, b"oops"),
        (200, b"{}"),
        (200, b'{"jsonrpc":"2.0","id":0,"result":"x"}'),
    ],
)
def test_server_that_is_no_node(status, body):
    handler = type("Handler", (Impostor,), {"status": status, "body": body})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with pytest.raises(
                (NodeUnreachable, TransactionRejected), match=rf"127\.0\.0\.1:{server.server_port}"
            ):
                Ledger.connect(f"http://127.0.0.1:{server.server_port}", "0x" + "11" * 20)
        finally:
            server.shutdown()


def test_wrong_chain(node_url):
    with pytest.raises(WrongChain, match=r"expected chain 1 at .* found chain 31337"):
        Ledger.connect(node_url, "0x" + "11" * 20, chain_id=1)


def test_address_without_code_and_with_other_code(node_url):
    with pytest.raises(NoRegistry, match="found no code"):
        Ledger.connect(node_url, "0x" + "11" * 20)
    connection = Connection.by_url(node_url)
    connection.web3.provider.make_request("anvil_setCode", ["0x" + "12" * 20, "0x6001"])
    with pytest.raises(NoRegistry, match=r"other code \(2 bytes\)"):
        Ledger.connect(node_url, "0x" + "12" * 20)


@pytest.mark.parametrize("address", ["", "0x12", "secret", "0x" + "zz" * 20])
def test_text_that_is_no_address(node_url, address):
    with pytest.raises(NoRegistry, match="40 hexadecimal digits"):
        Ledger.connect(node_url, address)


def test_deploying_without_a_key(node_url, workspace):
    with pytest.raises(NoAccount, match="SYNTHLIB_KEYFILE"):
        Ledger.connect(node_url)


def test_account_without_money(node_url):
    with pytest.raises(TransactionRejected, match=r"(?i)insufficient funds.*ether"):
        Ledger.connect(node_url, account=account("pauper"))


def test_transaction_that_no_block_holds_in_time(start_node, release):
    url = start_node("--no-mining")
    fund(Connection.by_url(url), account("admin").address)
    with pytest.raises(TransactionTimeout, match=r"within 0\.3 s"):
        Ledger.connect(url, account=account("admin"), timeout=0.3)


def test_nonce_that_another_program_took(node_study, workspace, monkeypatch):
    ledger, release = node_study.ledger, make_release(workspace / "release", study=node_study)
    stale, real = [0], Connection._nonce
    monkeypatch.setattr(Connection, "_nonce", lambda self, who: stale.pop() if stale else real(self, who))
    assert ledger.record(release).generation.release == release.digest
    monkeypatch.setattr(Connection, "_nonce", lambda self, who: 0)
    with pytest.raises(TransactionRejected, match=r"(?i)nonce"):
        ledger.revoke(release.digest, "reason")


def test_release_recorded_by_this_account_in_the_meantime(ledger, own_release, monkeypatch):
    """By another process of the same issuer, between looking and recording."""
    before = ledger.record(own_release)
    real, answers = Ledger.find, [None]

    def find(self, wanted):
        if answers:  # as it was when we looked
            answers.pop()
            raise NotRecorded(wanted)
        return real(self, wanted)

    monkeypatch.setattr(Ledger, "find", find)
    with pytest.raises(AlreadyRecorded):
        ledger.send("recordRelease", release_fields(own_release).to_abi())
    assert ledger.record(own_release) == before


def test_transaction_that_fails_in_its_block_says_why(ledger, own_release, monkeypatch):
    """Tried out it would pass, but another transaction comes first: the reason is asked for afterwards."""
    other, sent = account("other researcher"), []
    fund(ledger.connection, other.address)
    Roles(ledger).grant(RESEARCHER, other.address)
    theirs = make_study_of(ledger, other)
    said = release_fields(own_release)._replace(protocol=theirs.registration.id)
    real = Connection.send_raw

    def send_raw(self, raw, transaction):
        if not sent:
            sent.append(True)
            send(ledger, other, "recordRelease", said.to_abi())
        return real(self, raw, transaction)

    monkeypatch.setattr(Connection, "send_raw", send_raw)
    with pytest.raises(ChainError, match=f"another protocol by {other.address}"):
        ledger.record(own_release)


# --- a chain whose log does not fit its state, and a registry that is none --------------------------------


@pytest.fixture
def on_node(node_study) -> Ledger:
    """A ledger on a node that holds one release, `generation("a")`."""
    said = generation("a", protocol=node_study.registration.id)
    node_study.ledger.record_generation(said)
    return node_study.ledger


def lie(monkeypatch, change) -> None:
    """Let the node's logs go through `change`, a function of a list of logs."""
    real = Connection.get_logs
    monkeypatch.setattr(Connection, "get_logs", lambda self, *given: change(real(self, *given)))


def change_word(logs: list[dict], place: int, value: int = 7) -> list[dict]:
    """Add to one 32-byte word of each log's data."""
    start = 2 + 64 * place
    return [
        log
        | {
            "data": log["data"][:start]
            + f"{(int(log['data'][start : start + 64], 16) + value) % 2**256:064x}"
            + log["data"][start + 64 :]
        }
        for log in logs
    ]


@pytest.mark.parametrize("place", [0, 1, 3, 4, 5, 6])  # commitment to attempt; not the name of the model
def test_a_log_that_says_something_else_than_was_recorded(on_node, monkeypatch, place):
    lie(monkeypatch, lambda logs: change_word(logs, place))
    with pytest.raises(ChainError, match=r"its log does not fit its state|logs that are none"):
        on_node.find(generation("a").release)


def test_a_log_that_names_another_issuer_or_lost_the_event(on_node, monkeypatch):
    with monkeypatch.context() as patched:
        lie(patched, lambda logs: [log | {"topics": [*log["topics"][:3], log["topics"][1]]} for log in logs])
        with pytest.raises(ChainError, match=r"does not fit its state|logs that are none"):
            on_node.find(generation("a").release)
    with monkeypatch.context() as patched:
        lie(patched, lambda logs: [])
        with pytest.raises(IncompleteLog, match=r"one Recorded event .* gave 0; ask a node that keeps"):
            on_node.find(generation("a").release)
    lie(monkeypatch, lambda logs: logs * 2)
    with pytest.raises(IncompleteLog, match="gave 2"):
        on_node.find(generation("a").release)


def test_a_withdrawal_without_its_event_is_no_withdrawal_without_a_reason(on_node, monkeypatch):
    on_node.revoke(generation("a").release, "wrong")
    recorded = (
        "0x"
        + keccak(
            text="Recorded(bytes32,bytes32,address,bytes32,bytes32,bytes32,bytes32,bytes32,uint32,uint24,uint24)"
        ).hex()
    )
    lie(monkeypatch, lambda logs: [log for log in logs if log["topics"][0] == recorded])
    with pytest.raises(IncompleteLog, match="one Revoked or Superseded event"):
        on_node.find(generation("a").release)


def test_words_of_a_protocol_that_its_id_is_no_hash_of(node_study, monkeypatch):
    ask = lambda: node_study.track  # noqa: E731
    with monkeypatch.context() as patched:
        lie(patched, lambda logs: change_word(logs, 0))  # the seal; the digest
        with pytest.raises(ChainError, match="words of protocol"):
            ask()
    with monkeypatch.context() as patched:
        lie(patched, lambda logs: [])
        with pytest.raises(IncompleteLog, match="ProtocolRegistered"):
            ask()
    assert ask().digest == PROTOCOL.digest
    assert Registration(DATASET, account("issuer").address, PROTOCOL.digest).id == ask().id


def test_a_model_type_that_is_no_text_is_no_record(ledger):
    said = list(generation("a").to_abi())
    said[4] = b"\xff" * 32
    send(ledger, ledger.account, "recordRelease", tuple(said))
    with pytest.raises(ChainError, match="model type in UTF-8"):
        ledger.find(generation("a").release)


def test_a_registry_of_a_hostile_deployer_is_none(node_url, node_study):
    """The code of this version throughout, but for an address or a chain that a constructor put in."""
    ledger, connection = node_study.ledger, node_study.ledger.connection
    set_code = lambda place, code: connection.web3.provider.make_request(  # noqa: E731
        "anvil_setCode", [place, "0x" + code.hex()]
    )
    code = connection.get_code(ledger.address)
    set_code("0x" + "13" * 20, code)  # its parts belong to another registry
    with pytest.raises(NoRegistry, match="expected the ProvenanceRegistry of this version"):
        Ledger.connect(node_url, "0x" + "13" * 20)
    for name in ("Agreements", "Attestations", "RowProofs"):
        place = ledger.addresses[name]
        whole = connection.get_code(place)
        assert bytes.fromhex(ledger.address[2:]) in whole
        for other in (b"", whole.replace(bytes.fromhex(ledger.address[2:]), bytes.fromhex("66" * 20))):
            set_code(place, other)
            with pytest.raises(NoRegistry, match=f"expected the {name} of this version at {place}"):
                Ledger.connect(node_url, ledger.address)
        set_code(place, whole)
    part = bytes.fromhex(ledger.addresses["Agreements"][2:])
    set_code(ledger.address, code.replace(part, bytes.fromhex("66" * 20)))
    with pytest.raises(NoRegistry, match="expected the ProvenanceRegistry"):
        Ledger.connect(node_url, ledger.address)
    set_code(ledger.address, code)
    assert Ledger.connect(node_url, ledger.address).address == ledger.address


# --- keys ----------------------------------------------------------------------------------------------


def test_key_from_the_environment(workspace, monkeypatch):
    assert load_account() is None
    monkeypatch.setenv("SYNTHLIB_PRIVATE_KEY", account("a").key.hex())
    assert load_account() == account("a")
    monkeypatch.setenv("SYNTHLIB_PRIVATE_KEY", "0x" + account("a").key.hex() + "\n")
    assert load_account() == account("a")
    monkeypatch.setenv("SYNTHLIB_PRIVATE_KEY", "correct horse")
    with pytest.raises(ValueError, match="SYNTHLIB_PRIVATE_KEY") as caught:
        load_account()
    assert "horse" not in str(caught.value)


@pytest.fixture
def quick_keystore(monkeypatch):
    """Keyfiles with few iterations, to be quick; never done outside tests."""
    real = accounts.Account.encrypt
    monkeypatch.setattr(
        accounts.Account,
        "create",
        lambda: type(
            "Quick",
            (),
            {
                "encrypt": lambda self, password: real(
                    account("k").key, password, kdf="pbkdf2", iterations=2
                ),
                "address": account("k").address,
            },
        )(),
    )


def test_key_from_an_encrypted_keyfile(workspace, monkeypatch, quick_keystore):
    path = workspace / "issuer.json"
    create_keyfile(path, "battery staple")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert account("k").key.hex() not in path.read_text()
    monkeypatch.setenv("SYNTHLIB_KEYFILE_PASSWORD", "battery staple")
    assert load_account(path) == account("k")
    monkeypatch.setenv("SYNTHLIB_KEYFILE", str(path))
    assert load_account() == account("k")
    monkeypatch.setenv("SYNTHLIB_KEYFILE_PASSWORD", "wrong horse")
    with pytest.raises(ValueError, match="password opens") as caught:
        load_account()
    assert "horse" not in str(caught.value)
    monkeypatch.delenv("SYNTHLIB_KEYFILE_PASSWORD")
    monkeypatch.setattr("getpass.getpass", lambda prompt: "battery staple")
    assert load_account() == account("k")
    with pytest.raises(FileExistsError, match="found one"):
        create_keyfile(path, "x")
    with pytest.raises(FileNotFoundError, match="create_keyfile"):
        load_account(workspace / "none.json")
    if os.name == "posix":
        path.chmod(0o644)
        with pytest.raises(PermissionError, match="chmod 600"):
            load_account(path)


def test_ids_do_not_depend_on_the_chain(node_study):
    said = generation("a", researcher="issuer")
    assert said.protocol == node_study.registration.id
    on_node = node_study.ledger.record_generation(said)
    here = open_study(Ledger.in_process(account=account("issuer")))
    in_process = here.ledger.record_generation(said)
    assert on_node.id == in_process.id == said.id
    assert said.id.startswith("0x") and len(said.id) == 66
    assert said.id != "0x" + keccak(hexstr=said.release).hex()
    for name, value in (("protocol", "0x" + digest("p")), ("spend", 1), ("attempt", 2)):
        assert Generation(*said)._replace(**{name: value}).id != said.id
