"""The Ledger: the same tests on the in-process chain and on a real node, and what a node may do wrong."""

import hashlib
import http.server
import json
import logging
import os
import stat
import threading

import pytest
from chain_helpers import KEY, TRAINING, account, digest, free_port, fund, generation, make_release, send
from eth_utils import keccak

import synthlib
from synthlib.bundle import Bundle, BundleError, canonical_json
from synthlib.chain import accounts
from synthlib.chain.accounts import create_keyfile, demo_account, load_account
from synthlib.chain.commitments import open_commitment
from synthlib.chain.connection import Connection
from synthlib.chain.errors import (
    AccessControlUnauthorizedAccount,
    AlreadyRevoked,
    ChainError,
    NoAccount,
    NodeUnreachable,
    NoRegistry,
    NotIssuer,
    NotRecorded,
    TransactionRejected,
    TransactionTimeout,
    WrongChain,
)
from synthlib.chain.records import Generation, release_fields, signer_of
from synthlib.chain.registry import Ledger, record_bundle
from synthlib.chain.sending import Sender

pytest_plugins = ["chain_fixtures"]

STRANGER = account("stranger")
ZERO = "0" * 64


# --- the fields of a release ---------------------------------------------------------------------------


def test_fields_come_from_the_manifest(release):
    fields, parameters = release_fields(release), release.parameters
    assert fields.release == hashlib.sha256((release.path / "manifest.json").read_bytes()).hexdigest()
    assert open_commitment(bytes.fromhex(fields.commitment), TRAINING, KEY)
    assert fields.synthetic == parameters["synthetic_digest"]
    assert fields.model_type == "TabularGAN"
    assert fields.parameters == hashlib.sha256(canonical_json(parameters["model"])).hexdigest()
    assert fields.characteristics == hashlib.sha256(canonical_json(parameters["characteristics"])).hexdigest()
    assert fields.parent == ZERO
    assert release_fields(release.manifest, release.digest) == fields


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        ({}, ZERO),
        ({"data": digest("d")}, digest("d")),
        (
            {"model": digest("m"), "data": digest("d")},
            hashlib.sha256(
                f'{{\n "data": "{digest("d")}",\n "model": "{digest("m")}"\n}}\n'.encode()
            ).hexdigest(),
        ),
    ],
)
def test_parent_stands_for_all_parents(release, parents, expected):
    assert release_fields(release.manifest | {"parents": parents}, release.digest).parent == expected


@pytest.mark.parametrize(
    "name", ["model_type", "model", "characteristics", "training_commitment", "synthetic_digest"]
)
def test_release_that_lacks_a_field_is_refused(release, name):
    for parameters in (
        {key: value for key, value in release.parameters.items() if key != name},
        release.parameters | {name: 7},
    ):
        with pytest.raises(ValueError, match=name):
            release_fields(release.manifest | {"parameters": parameters}, release.digest)


def test_bundle_of_another_kind_is_refused(workspace):
    with Bundle.create(workspace / "model", kind="model", parameters={}) as folder:
        (folder / "a.txt").write_text("a")
    with pytest.raises(ValueError, match="kind 'release'"):
        record_bundle(workspace / "model")
    assert not (workspace / "model" / "ledger").exists()


# --- the same on both chains ---------------------------------------------------------------------------


def test_record_and_find(ledger, release):
    record = ledger.record(release)
    assert record.generation == release_fields(release)
    assert record.issuer == account("admin").address
    assert record.id == release_fields(release).id
    assert 21_000 < record.gas_used <= 60_000
    assert (record.revoked, record.reason) == (False, ZERO)
    block = ledger.connection.web3.eth.get_block(record.block)
    assert record.time == block["timestamp"]
    assert record.transaction in [transaction.to_0x_hex() for transaction in block["transactions"]]
    assert ledger.find(release.digest) == record


def test_find_asks_the_chain_when_this_process_did_not_record(ledger, release):
    record = ledger.record(release)
    elsewhere = Ledger(ledger.connection, ledger.address, None)
    assert elsewhere.find(release.digest) == record


def test_recording_twice_is_harmless(ledger, release):
    record = ledger.record(release)
    before = ledger.connection.web3.eth.block_number
    assert ledger.record(release) == record
    assert ledger.connection.web3.eth.block_number == before


def test_recording_what_another_recorded_returns_their_record(ledger, release):
    other = account("other recorder")
    fund(ledger.connection, other.address)
    ledger.grant_recorder(other.address)
    record = ledger.acting_as(other).record(release)
    assert record.issuer == other.address
    assert ledger.record(release) == record


def test_record_with_other_content_under_the_same_digest_is_reported(ledger):
    ledger.record_generation(generation("a"))
    with pytest.raises(ChainError, match="another synthetic, parameters"):
        ledger.record_generation(generation("a", synthetic=digest("x"), parameters=digest("y")))


def test_find_of_nothing(ledger):
    with pytest.raises(NotRecorded, match=digest("a")):
        ledger.find(digest("a"))
    for wrong in ("", "0x" + digest("a"), digest("a").upper(), 7):
        with pytest.raises(ValueError, match="64 lower-case"):
            ledger.find(wrong)


def test_revoke(ledger, release):
    record = ledger.record(release)
    revoked = ledger.revoke(release.digest, "the training table was the wrong one")
    reason = hashlib.sha256(b"the training table was the wrong one").hexdigest()
    assert revoked == record._replace(revoked=True, reason=reason)
    assert ledger.find(release.digest) == revoked
    with pytest.raises(AlreadyRevoked):
        ledger.revoke(release.digest, "again")
    with pytest.raises(ValueError, match="reason in words"):
        ledger.revoke(release.digest, " ")


def test_strangers_can_neither_record_nor_revoke(ledger, release):
    fund(ledger.connection, STRANGER.address)
    stranger = ledger.acting_as(STRANGER)
    with pytest.raises(AccessControlUnauthorizedAccount):
        stranger.record(release)
    ledger.record(release)
    with pytest.raises(NotIssuer):
        stranger.revoke(release.digest, "spite")
    with pytest.raises(AccessControlUnauthorizedAccount):
        stranger.grant_recorder(STRANGER.address)
    assert not ledger.find(release.digest).revoked


def test_without_an_account_a_ledger_reads_only(ledger, release):
    record = ledger.record(release)
    reader = ledger.acting_as(None)
    assert reader.find(release.digest) == record
    with pytest.raises(NoAccount, match="SYNTHLIB_PRIVATE_KEY"):
        reader.revoke(release.digest, "no key")


def test_save_writes_what_the_chain_holds(ledger, release):
    record = ledger.record(release)
    ledger.save(release)
    folder = release.path / "ledger"
    body = json.loads((folder / "record.json").read_bytes())
    assert body["record"] == record._asdict()
    assert body["registry"] == ledger.address
    assert body["chain"]["id"] == ledger.connection.chain_id
    assert signer_of(body, body["signature"]) == record.issuer
    assert (folder / "manifest.json").read_bytes() == (release.path / "manifest.json").read_bytes()
    assert (folder / "journal.jsonl").exists() == ledger.connection.is_in_process
    assert account("admin").key.hex() not in "".join(file.read_text() for file in folder.iterdir())


def test_save_of_what_is_not_recorded(ledger, release):
    with pytest.raises(NotRecorded):
        ledger.save(release)
    assert not (release.path / "ledger").exists()


def test_many_transactions_in_a_row_keep_their_nonces(ledger):
    records = [ledger.record_generation(generation(str(number))) for number in range(10)]
    assert [record.block for record in records] == sorted({record.block for record in records})


# --- record_bundle -------------------------------------------------------------------------------------


def read_ledger(bundle) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (bundle.path / "ledger").iterdir()}


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
    record = record_bundle(release.path)
    files = read_ledger(release)
    journal = files["journal.jsonl"].splitlines(keepends=True)
    folder = release.path / "ledger"
    for left in (["journal.jsonl"], ["journal.jsonl", "manifest.json"], []):
        for name in files:
            (folder / name).unlink()
        for name in left:
            (folder / name).write_bytes(files[name])
        (folder / ".record.json.0a1b2c3d.partial").write_bytes(b"{")
        assert record_bundle(release.path) == record
        assert read_ledger(release) == files
    for num_lines in (1, 2):  # ended after the header, after the deployment
        (folder / "record.json").unlink()
        (folder / "journal.jsonl").write_bytes(b"".join(journal[:num_lines]))
        assert record_bundle(release.path) == record
        assert read_ledger(release) == files


def test_record_bundle_refuses_a_changed_bundle(release):
    (release.path / "report.csv").write_text("better")
    with pytest.raises(BundleError, match=r"report\.csv"):
        record_bundle(release.path)


def test_bundles_share_a_journal_and_each_keeps_its_part(workspace):
    first, second = make_release(workspace / "a", seed=1), make_release(workspace / "b", seed=2)
    journal = workspace / "journal.jsonl"
    record_bundle(first.path, journal=journal)
    part = read_ledger(first)["journal.jsonl"]
    record_bundle(second.path, journal=journal)
    assert read_ledger(second)["journal.jsonl"] == journal.read_bytes()
    record_bundle(first.path, journal=journal)
    assert read_ledger(first)["journal.jsonl"] == part
    assert journal.read_bytes().startswith(part)


def test_record_bundle_on_a_node_again_needs_no_address(node_url, release, monkeypatch):
    monkeypatch.setenv("SYNTHLIB_PRIVATE_KEY", account("issuer").key.hex())
    fund(Connection.by_url(node_url), account("issuer").address)
    record = record_bundle(release.path, rpc=node_url)
    files = read_ledger(release)
    assert set(files) == {"manifest.json", "record.json"}
    assert record_bundle(release.path, rpc=node_url) == record
    assert read_ledger(release) == files
    with pytest.raises(ChainError, match="recorded on chain 31337"):
        record_bundle(release.path)


def test_recording_on_a_node_does_not_replace_a_journal(node_url, release, monkeypatch):
    record_bundle(release.path)
    files = read_ledger(release)
    monkeypatch.setenv("SYNTHLIB_PRIVATE_KEY", account("issuer").key.hex())
    fund(Connection.by_url(node_url), account("issuer").address)
    with pytest.raises(ChainError, match=r"in-process chain; verify it there, or move its ledger/"):
        record_bundle(release.path, rpc=node_url)
    assert read_ledger(release) == files
    (release.path / "ledger" / "record.json").unlink()  # as a crash leaves it
    with pytest.raises(ChainError, match="in-process chain"):
        record_bundle(release.path, rpc=node_url)
    (release.path / "ledger").rename(release.path.parent / "aside")
    record_bundle(release.path, rpc=node_url)
    assert set(read_ledger(release)) == {"manifest.json", "record.json"}


def test_a_journal_stays_until_the_record_that_replaces_it_is_written(node_url, release, monkeypatch):
    record_bundle(release.path)
    files = read_ledger(release)
    fund(Connection.by_url(node_url), account("issuer").address)
    ledger = Ledger.connect(node_url, None, account("issuer"))
    ledger.record(release)

    def fail(*_):
        raise OSError("disk")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="disk"):
        patched.setattr("synthlib.chain.registry.write_atomically", fail)
        ledger.save(release)
    assert read_ledger(release) == files


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


def test_nonce_that_another_program_took(node_url, release, monkeypatch):
    fund(Connection.by_url(node_url), account("admin").address)
    ledger = Ledger.connect(node_url, account=account("admin"))
    stale, real = [0], Connection._nonce
    monkeypatch.setattr(Connection, "_nonce", lambda self, who: stale.pop() if stale else real(self, who))
    assert ledger.record(release).generation.release == release.digest
    monkeypatch.setattr(Connection, "_nonce", lambda self, who: 0)
    with pytest.raises(TransactionRejected, match=r"(?i)nonce"):
        ledger.revoke(release.digest, "reason")


def test_release_recorded_by_somebody_in_the_meantime(ledger, release, monkeypatch):
    other = account("other recorder")
    fund(ledger.connection, other.address)
    ledger.grant_recorder(other.address)
    theirs = ledger.acting_as(other).record(release)
    real, answers = Ledger.find, [None]

    def find(self, wanted):
        if answers:  # as it was when we looked
            answers.pop()
            raise NotRecorded(wanted)
        return real(self, wanted)

    monkeypatch.setattr(Ledger, "find", find)
    assert ledger.record(release) == theirs


def test_transaction_that_fails_in_its_block_says_why(ledger, release, monkeypatch):
    """Tried out it would pass, but another transaction comes first: the reason is asked for afterwards."""
    connection, contract_data = ledger.connection, []
    real = Sender.broadcast

    def broadcast(self, entry):
        if not contract_data:
            contract_data.append(True)
            send(ledger, account("other recorder"), "record", release_fields(release).to_abi())
        return real(self, entry)

    fund(connection, account("other recorder").address)
    ledger.grant_recorder(account("other recorder").address)
    monkeypatch.setattr(Sender, "broadcast", broadcast)
    assert ledger.record(release).issuer == account("other recorder").address


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


def test_ids_do_not_depend_on_the_chain(node_url):
    said = generation("a")
    fund(Connection.by_url(node_url), account("admin").address)
    on_node = Ledger.connect(node_url, account=account("admin")).record_generation(said)
    in_process = Ledger.in_process().record_generation(said)
    assert on_node.id == in_process.id == said.id
    assert said.id.startswith("0x") and len(said.id) == 66
    assert said.id != "0x" + keccak(hexstr=said.release).hex()
    assert Generation(*said)._replace(parent=digest("p")).id != said.id
