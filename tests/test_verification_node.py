"""Releases recorded on a node: what it says counts, and one that lies, fails or is another is found out."""

import json
from pathlib import Path

import pytest
from chain_helpers import account, dead_port, make_release, rpc
from verification_helpers import CANNOT_TELL, LEFT_OPEN, NO, YES, changed, names, unchecked, wrong

from synthlib.bundle import canonical_json
from synthlib.chain import events
from synthlib.chain.connection import Connection
from synthlib.chain.errors import NodeUnreachable
from synthlib.chain.node import NodeProvider
from synthlib.chain.registry import Ledger
from synthlib.chain.verification import verdict, verify

pytest_plugins = ["chain_fixtures", "verification_fixtures"]


@pytest.fixture
def on_node(study_on_node, workspace) -> Path:
    """A release recorded on a node."""
    bundle = make_release(workspace / "release", study=study_on_node)
    study_on_node.ledger.record(bundle)
    study_on_node.ledger.save(bundle)
    return bundle.path


def test_release_recorded_on_a_node(on_node, node_url):
    findings = verify(on_node, rpc=node_url)
    assert verdict(findings) == YES
    assert unchecked(findings) == LEFT_OPEN
    assert verdict(verify(on_node, rpc=node_url, issuer=account("issuer").address)) == YES


def test_a_record_on_which_too_few_blocks_lie_cannot_be_told_yet(on_node, node_url, monkeypatch):
    monkeypatch.setattr(Connection, "_mines_on_demand", lambda self: False)  # as on a public chain
    (found,) = (each for each in verify(on_node, rpc=node_url) if each.subject == "node")
    assert found.verdict == "unchecked" and "0 blocks on top, fewer than 1: the chain may" in found.detail
    assert verdict(verify(on_node, rpc=node_url)) == CANNOT_TELL
    rpc(node_url, "evm_mine")
    findings = verify(on_node, rpc=node_url)
    assert verdict(findings) == YES
    assert any("1 blocks on top" in each.detail for each in findings)


def test_without_the_node_it_cannot_be_told(on_node, start_node):
    others = start_node("--chain-id", "77"), start_node("--timestamp", "1")  # another first block
    with dead_port() as port:
        for url in (None, f"http://127.0.0.1:{port}", "nonsense", *others):
            findings = verify(on_node, rpc=url)
            assert verdict(findings) == CANNOT_TELL
            assert "node" in unchecked(findings)


def test_revocation_on_the_node_is_seen_without_new_files(on_node, node_url):
    body = json.loads((on_node / "ledger" / "record.json").read_bytes())
    ledger = Ledger.connect(node_url, body["registry"], account("issuer"))
    ledger.revoke(body["record"]["release"], "wrong table")
    findings = verify(on_node, rpc=node_url)
    assert verdict(findings) == NO
    assert [finding.subject for finding in wrong(findings)] == ["revocation"]


def test_record_json_of_a_node_is_compared_field_by_field(on_node, node_url):
    path = on_node / "ledger" / "record.json"
    whole = json.loads(path.read_bytes())
    for name in whole["record"]:
        body = json.loads(json.dumps(whole))
        body["record"][name] = changed(body["record"][name])
        body["signature"] = None
        path.write_bytes(canonical_json(body))
        findings = verify(on_node, rpc=node_url)
        assert verdict(findings) == NO
        assert names(findings, f"record.{name}")
    body = json.loads(json.dumps(whole))
    body["registry"] = "0x" + "11" * 20
    path.write_bytes(canonical_json(body))
    assert names(verify(on_node, rpc=node_url), "0x" + "11" * 20)


def lie(monkeypatch, change) -> None:
    """Let the node's logs go through `change`, a function of a list of logs and of their first topic."""
    real = Connection.get_logs

    def get_logs(self, place, topics, *span):
        return change(real(self, place, topics, *span), topics[0])

    monkeypatch.setattr(Connection, "get_logs", get_logs)


def topic_of(name: str) -> str:
    return events._topic_of(events._entries("ProvenanceRegistry")[name])


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        ("Recorded", "record.json: record.release"),
        ("ProtocolRegistered", "protocol"),
        ("ProtocolRevealed", "protocol"),
        ("Attempted", "attempts"),
    ],
)
def test_a_node_whose_log_does_not_fit_its_state(on_node, node_url, monkeypatch, event, subject):
    """Events that it lost cannot be told; events that it made up are a no that names them."""
    topic = topic_of(event)
    with monkeypatch.context() as patched:
        lie(patched, lambda logs, kind: [] if kind == topic else logs)
        findings = verify(on_node, rpc=node_url)
        assert verdict(findings) == CANNOT_TELL and not wrong(findings)
        assert any(name.endswith(subject) for name in unchecked(findings))

    def forge(logs, kind):
        if kind != topic:
            return logs
        forged = "0x" + "5" * 64
        if event == "Attempted":
            return [log | {"topics": [*log["topics"][:2], forged]} for log in logs]
        return [log | {"data": forged + log["data"][66:]} for log in logs]

    lie(monkeypatch, forge)
    findings = verify(on_node, rpc=node_url)
    assert verdict(findings) == NO
    assert any(finding.subject.endswith(subject) for finding in wrong(findings))
    assert names(findings, "log does not fit its state")


def test_a_node_that_counts_other_attempts_than_it_logged(study_on_node, workspace, node_url, monkeypatch):
    """How many attempts there were is said by an event alone; the blocks of the attempts tell."""
    bundle = make_release(workspace / "release", study=study_on_node)
    study_on_node.ledger.record(bundle)
    study_on_node.attempt({"model_type": "TabularGAN", "seed": 1})  # after the release: does not matter
    study_on_node.ledger.save(bundle)
    assert verdict(verify(bundle.path, rpc=node_url)) == YES
    topic = topic_of("Recorded")
    for count in (0, 2):

        def forge(logs, kind, count=count):
            return [log | {"data": f"{log['data'][:-1]}{count}"} for log in logs] if kind == topic else logs

        with monkeypatch.context() as patched:
            lie(patched, forge)
            findings = verify(bundle.path, rpc=node_url)
        assert verdict(findings) == NO
        assert names(findings, "record.attempts", "the chain's log contradicts itself")


def test_a_node_that_goes_away_meanwhile_cannot_be_told(on_node, node_url, monkeypatch):
    real, calls = Connection.get_logs, []
    for place in range(5):

        def fail(self, *given, place=place):
            calls.append(given)
            if len(calls) > place:
                raise NodeUnreachable("gone")
            return real(self, *given)

        calls.clear()
        monkeypatch.setattr(Connection, "get_logs", fail)
        findings = verify(on_node, rpc=node_url)
        assert verdict(findings) == CANNOT_TELL and not wrong(findings)


@pytest.mark.parametrize("what", ["call", "getLogs", "getCode", "getBlockByNumber", "chainId"])
def test_a_node_that_answers_nonsense_is_never_a_yes(on_node, node_url, monkeypatch, what):
    real = NodeProvider.make_request

    def make_request(self, asked, parameters):
        said = real(self, asked, parameters)
        return {"jsonrpc": "2.0", "id": 1, "result": answers[-1]} if asked == f"eth_{what}" else said

    answers = [None, 7, [], {}, "0x", "0x" + "ff" * 2000, [{}], {"data": "0x"}]
    monkeypatch.setattr(NodeProvider, "make_request", make_request)
    while answers:
        assert verdict(verify(on_node, rpc=node_url)) in (NO, CANNOT_TELL), answers[-1]
        answers.pop()


def test_record_of_a_node_without_signature_says_so(on_node, node_url):
    path = on_node / "ledger" / "record.json"
    path.write_bytes(canonical_json(json.loads(path.read_bytes()) | {"signature": None}))
    findings = verify(on_node, rpc=node_url)
    assert verdict(findings) == YES
    assert unchecked(findings) == LEFT_OPEN | {"ledger/record.json: signature"}
