"""Recording at nodes: those that are none, are another chain's, are late or overtaken."""

import http.server
import logging
import threading

import pytest
from chain_helpers import (
    Script,
    account,
    approve_study,
    dead_port,
    fund,
    generation,
    make_release,
    open_study,
    rpc,
)
from sending_fixtures import mine, nothing

from synthlib.chain.connection import Connection
from synthlib.chain.errors import (
    AlreadyRecorded,
    NoAccount,
    NodeUnreachable,
    NoRegistry,
    NotRecorded,
    ProtocolAlreadyClosed,
    TransactionRejected,
    TransactionTimeout,
    WrongChain,
)
from synthlib.chain.protocols import Protocols
from synthlib.chain.records import release_fields
from synthlib.chain.registry import Ledger
from synthlib.chain.sending import Sender

pytest_plugins = ["chain_fixtures", "sending_fixtures"]


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
    refused = pytest.raises(NodeUnreachable, match="expected an Ethereum node to answer")
    with dead_port() as port, refused as caught:
        Ledger.connect(f"http://user:secret@127.0.0.1:{port}/v3/secret", "0x" + "11" * 20)
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


def test_a_record_that_still_waits_is_said_to_when_the_next_process_records_again(manual_url, sender):
    """Without an outbox: the node's pending block has it, so that it is not sent twice."""
    script, options = Script([mine(manual_url)]), {"timeout": 5, "confirmations": 0}
    ledger = Ledger.connect(manual_url, account=sender, **options, **script.times)
    said = generation("waits", protocol=open_study(ledger).registration.id)
    script.events = [nothing]
    with pytest.raises(TransactionTimeout):
        ledger.record_generation(said)
    again = Ledger.connect(manual_url, ledger.address, sender, **options, **script.times)
    with pytest.raises(TransactionTimeout, match="it waits for its block: run it again later"):
        again.record_generation(said)
    rpc(manual_url, "evm_mine")
    assert again.record_generation(said).release == said.release
    assert len(ledger.find_events("Recorded", release=said.release)) == 1


def test_a_record_is_returned_once_blocks_lie_on_it(manual_url, sender):
    """Also one that is found there: record.json would name a block that may be dropped."""
    script, options = Script([mine(manual_url)]), {"timeout": 5, "confirmations": 1}
    ledger = Ledger.connect(manual_url, account=sender, **options, **script.times)
    said = generation("shallow", protocol=open_study(ledger).registration.id)
    script.events = [mine(manual_url), nothing]
    for _ in range(2):
        with pytest.raises(TransactionTimeout, match="enough blocks on top"):
            ledger.record_generation(said)
    script.events = [mine(manual_url)]
    assert ledger.record_generation(said).block < ledger.connection.get_block_number()


def overlook_once(monkeypatch) -> list[bool]:
    """Let the next look for a record find none, as it was when we looked; empty once that was."""
    real, answers = Ledger.find, [True]

    def find(self, *wanted):
        if answers:
            answers.pop()
            raise NotRecorded(*wanted)
        return real(self, *wanted)

    monkeypatch.setattr(Ledger, "find", find)
    return answers


def test_a_record_that_another_process_brought_meanwhile_is_waited_for(manual_url, sender, monkeypatch):
    script, options = Script([mine(manual_url)]), {"timeout": 5, "confirmations": 0}
    ledger = Ledger.connect(manual_url, account=sender, **options, **script.times)
    said = generation("meanwhile", protocol=open_study(ledger).registration.id)
    ledger.record_generation(said)
    script = Script([nothing])
    again = Ledger.connect(manual_url, ledger.address, sender, timeout=5, confirmations=1, **script.times)
    answers = overlook_once(monkeypatch)
    with pytest.raises(TransactionTimeout, match="enough blocks on top"):
        again.record_generation(said)
    assert not answers


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
    overlook_once(monkeypatch)
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
