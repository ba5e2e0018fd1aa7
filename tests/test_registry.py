"""The Ledger: the same tests on the in-process chain and on a real node, and what a node may do wrong."""

import hashlib
import json

import pytest
from chain_helpers import (
    COMMITMENT,
    DATASET,
    KEY,
    PROTOCOL,
    TRAINING,
    account,
    approve_study,
    digest,
    fund,
    generation,
    open_study,
    read_ledger,
)
from eth_utils import keccak

from synthlib.bundle import canonical_json
from synthlib.chain.commitments import open_commitment
from synthlib.chain.datasets import dataset_id
from synthlib.chain.errors import (
    AccessControlUnauthorizedAccount,
    AlreadyRevoked,
    ChainError,
    NoAccount,
    NotRecorded,
    ProtocolNotApproved,
)
from synthlib.chain.protocols import Protocols, Registration
from synthlib.chain.recording import record_bundle
from synthlib.chain.records import NOT_PRIVATE, Generation, release_fields, signer_of
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import RESEARCHER, Roles

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
    assert elsewhere.find(own_release.digest, record.issuer) == record
    second = ledger.record_generation(generation("b"))
    assert elsewhere.find(second.release, second.issuer.lower()) == second
    with pytest.raises(NoAccount):
        elsewhere.find(own_release.digest)


def test_recording_twice_is_harmless(ledger, own_release):
    record = ledger.record(own_release)
    before = ledger.connection.web3.eth.block_number
    assert ledger.record(own_release) == record
    assert ledger.connection.web3.eth.block_number == before


def test_who_records_a_digest_first_blocks_nobody_and_both_are_told_apart(ledger):
    other = account("other researcher")
    theirs = approve_study(ledger, other)
    said = generation("a", researcher="other researcher")
    copy = theirs.ledger.record_generation(said)
    record = ledger.record_generation(generation("a"))
    assert (copy.issuer, record.issuer) == (other.address, account("admin").address)
    assert (copy.generation, record.generation) == (said, generation("a"))
    assert ledger.find(said.release) == record and ledger.find(said.release, other.address) == copy
    assert ledger.find_issuers(said.release) == [other.address, record.issuer]
    withdrawn = theirs.ledger.revoke(said.release, "spite")
    assert withdrawn.revoked and ledger.find(said.release) == record
    revoked = ledger.revoke(said.release, "wrong")
    assert revoked.reason == hashlib.sha256(b"wrong").hexdigest()
    assert ledger.find(said.release, other.address) == withdrawn


@pytest.mark.parametrize(("issuer", "error"), [(1, TypeError), (b"", TypeError), ("0x12", ValueError)])
def test_an_issuer_that_is_no_address_is_refused(ledger, issuer, error):
    with pytest.raises(error, match="issuer: expected 0x and 40 hexadecimal digits"):
        ledger.find(digest("a"), issuer)


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
    assert elsewhere.find(old.release, old.issuer) == replaced
    ledger.revoke(third.release, "wrong")
    with pytest.raises(AlreadyRevoked, match=third.release):
        ledger.supersede(new.release, third.release, "in favour of what does not stand")
    with pytest.raises(AlreadyRevoked):
        ledger.supersede(new.release, new.release, "in favour of itself")
    with pytest.raises(NotRecorded):
        ledger.supersede(new.release, digest("nothing"), "in favour of nothing")
    assert not ledger.find(new.release).revoked


def test_nobody_supersedes_by_anothers_release(ledger):
    theirs = approve_study(ledger, account("other researcher")).ledger
    mine = ledger.record_generation(generation("a"))
    other = theirs.record_generation(generation("b", researcher="other researcher"))
    for who, old, new in ((ledger, mine, other), (theirs, mine, other), (ledger, other, mine)):
        with pytest.raises(NotRecorded):
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
    with pytest.raises(NotRecorded):
        stranger.revoke(own_release.digest, "spite")
    with pytest.raises(AccessControlUnauthorizedAccount):
        Roles(stranger).grant(RESEARCHER, STRANGER.address)
    assert not ledger.find(own_release.digest).revoked


def test_without_an_account_a_ledger_reads_only(ledger, own_release):
    record = ledger.record(own_release)
    reader = ledger.acting_as(None)
    assert reader.find(own_release.digest, record.issuer) == record
    with pytest.raises(NoAccount, match="SYNTHLIB_PRIVATE_KEY"):
        reader.revoke(own_release.digest, "no key")


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
            stranger.save(own_release, account("admin").address)
        assert not (own_release.path / "ledger").exists()
    else:
        stranger.save(own_release, account("admin").address)
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


def test_ids_do_not_depend_on_the_chain(node_study):
    issuer = account("issuer").address
    planned = Registration(dataset_id(issuer, COMMITMENT), issuer, PROTOCOL.digest)
    said = generation("a", protocol=planned.id)
    assert said.protocol == node_study.registration.id
    on_node = node_study.ledger.record_generation(said)
    here = open_study(Ledger.in_process(account=account("issuer")))
    in_process = here.ledger.record_generation(said)
    assert on_node.id == in_process.id == said.id
    assert said.id.startswith("0x") and len(said.id) == 66
    assert said.id != "0x" + keccak(hexstr=said.release).hex()
    for name, value in (("protocol", "0x" + digest("p")), ("spend", 1), ("attempt", 2)):
        assert Generation(*said)._replace(**{name: value}).id != said.id
