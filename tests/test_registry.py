"""The Ledger: the same tests on the in-process chain and on a real node, and what a node may do wrong."""

import hashlib
import http.server
import json
import logging
import os
import stat
import threading

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
    free_port,
    fund,
    generation,
    make_release,
    open_study,
    read_ledger,
    send,
)
from eth_utils import keccak

from synthlib.bundle import canonical_json
from synthlib.chain import accounts
from synthlib.chain.accounts import create_keyfile, load_account
from synthlib.chain.commitments import open_commitment
from synthlib.chain.connection import Connection
from synthlib.chain.datasets import dataset_id
from synthlib.chain.errors import (
    AccessControlUnauthorizedAccount,
    AlreadyRecorded,
    AlreadyRevoked,
    ChainError,
    IncompleteLog,
    NoAccount,
    NodeUnreachable,
    NoRegistry,
    NotRecorded,
    ProtocolAlreadyClosed,
    ProtocolNotApproved,
    TransactionRejected,
    TransactionTimeout,
    WrongChain,
)
from synthlib.chain.protocols import Protocols, Registration
from synthlib.chain.recording import record_bundle
from synthlib.chain.records import NOT_PRIVATE, Generation, release_fields, signer_of
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import RESEARCHER, Roles
from synthlib.chain.sending import Sender

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

    def find(self, *wanted):
        if answers:  # as it was when we looked
            answers.pop()
            raise NotRecorded(*wanted)
        return real(self, *wanted)

    monkeypatch.setattr(Ledger, "find", find)
    with pytest.raises(AlreadyRecorded):
        ledger.send("recordRelease", release_fields(own_release).to_abi())
    assert ledger.record(own_release) == before


def test_transaction_that_fails_in_its_block_says_why(ledger, monkeypatch):
    """Tried out it would pass, but another's transaction comes first: the reason is asked for afterwards."""
    theirs = approve_study(ledger, account("other researcher"))
    said, sent, real = generation("a", researcher="other researcher"), [], Sender.broadcast

    def broadcast(self, entry):
        if not sent:
            sent.append(True)
            Protocols(ledger).close(theirs.registration)
        return real(self, entry)

    monkeypatch.setattr(Sender, "broadcast", broadcast)
    with pytest.raises(ProtocolAlreadyClosed):
        theirs.ledger.record_generation(said)
    assert sent


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


@pytest.mark.parametrize("is_superseded", [False, True])
def test_a_withdrawal_with_other_words_than_the_states_is_found(on_node, monkeypatch, is_superseded):
    release, successor = generation("a").release, generation("b", protocol=None).release
    if is_superseded:
        track = on_node.find(release).generation
        on_node.record_generation(track._replace(release=successor))
        on_node.supersede(release, successor, "wrong")
        change = lambda log: log | {"topics": [*log["topics"][:2], "0x" + "7" * 64, log["topics"][3]]}  # noqa: E731
    else:
        on_node.revoke(release, "wrong")
        change = lambda log: change_word([log], 0)[0]  # noqa: E731
    lie(monkeypatch, lambda logs: [change(log) if len(log["data"]) == 66 else log for log in logs])
    with pytest.raises(ChainError, match=r"was withdrawn with, .* its log does not fit its state"):
        on_node.find(release)


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
    issuer = account("issuer").address
    assert Registration(dataset_id(issuer, COMMITMENT), issuer, PROTOCOL.digest).id == ask().id


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
