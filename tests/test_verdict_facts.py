"""Auditors' verdicts in the formats of others: asked of a node, read from a journal, valid in the crate."""

import pytest
from chain_helpers import account, digest, make_release
from export_helpers import read_graph, read_json, read_prov, validate_crate

from synthlib.bundle import Bundle
from synthlib.chain.attestations import FAILED, PASSED, Attestations, Verdict
from synthlib.chain.errors import ChainError, WrongChain
from synthlib.chain.export import export_release
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import AUDITOR, Roles
from synthlib.chain.verdict_facts import read_verdicts

pytest_plugins = ["chain_fixtures"]
DATE = "2026-01-31"


@pytest.fixture
def judged(study, workspace) -> tuple[Bundle, Ledger]:
    """A release of which an auditor said that it passed, and before that, and no longer, that it failed."""
    ledger, admin = study.ledger, account("admin").address
    bundle = make_release(workspace / "release", study=study)
    Roles(ledger).grant(AUDITOR, admin)
    ledger.record(bundle)
    judge = Attestations(ledger)
    for outcome in (FAILED, PASSED):
        said = Verdict(bundle.digest, ledger.sender, outcome, digest("report"), digest("rubric"), 2**47)
        brought = judge.attest(said, admin, judge.sign(said))
        if outcome == FAILED:
            judge.revoke(brought.id, "the wrong table was read")
    ledger.save(bundle)
    return bundle, ledger


@pytest.fixture
def url(judged, request) -> str | None:
    return None if judged[1].connection.is_in_process else request.getfixturevalue("node_url")


def test_verdicts_are_those_of_the_chain(judged, url):
    bundle, ledger = judged
    found, expected = read_verdicts(bundle, url), Attestations(ledger).find(bundle.digest)
    names = ("id", "outcome", "report", "rubric")
    for mine, theirs in zip(found, expected, strict=True):
        assert [getattr(mine, name) for name in names] == [getattr(theirs, name) for name in names]
        assert mine.auditor == f"eip155:{ledger.connection.chain_id}:{theirs.auditor}"
    assert [each.is_standing for each in found] == [False, True]
    assert [each.time is None for each in found] == [url is None] * 2
    assert [each.revocation_time is None for each in found] == [url is None, True]


def test_the_crate_with_verdicts_is_valid_and_says_who_judged(judged, url, tmp_path):
    bundle, ledger = judged
    folder = export_release(bundle.path, tmp_path / "out", published=DATE, rpc=url)
    assert validate_crate(folder) == []
    graph = read_graph(folder)
    reviews = [entity for entity in graph.values() if entity["@type"] == "Review"]
    assert [each["reviewBody"] for each in reviews] == [
        "failed. Its auditor took it back.",
        "passed. It stands.",
    ]
    assert all(digest("report") in each["description"] for each in reviews)
    audits = [graph[mention["@id"]] for mention in graph["./"]["mentions"]][2:]
    assert [each["result"]["@id"] for each in audits] == [each["@id"] for each in reviews]
    auditor = f"eip155:{ledger.connection.chain_id}:{account('admin').address}"
    assert {graph[each["agent"]["@id"]]["name"] for each in audits} == {auditor}


def test_provenance_has_an_audit_by_the_auditor(judged, url, tmp_path):
    bundle, ledger = judged
    folder = export_release(bundle.path, tmp_path / "out", published=DATE, rpc=url)
    read_prov(folder)  # the ecosystem's own reader takes it
    told = read_json(folder, "provenance.json")
    failed, passed = (each.id for each in Attestations(ledger).find(bundle.digest))
    made = {(one["prov:entity"], one["prov:activity"]) for one in told["wasGeneratedBy"].values()}
    assert {(f"verdict:{id}", f"run:verdict-{id}") for id in (failed, passed)} <= made
    ended = {one["prov:entity"] for one in told["wasInvalidatedBy"].values()}
    assert ended == {f"verdict:{failed}"}
    by = {one["prov:activity"]: one["prov:agent"] for one in told["wasAssociatedWith"].values()}
    assert by[f"run:verdict-{passed}"] == f"chain:{account('admin').address}"
    times = [one.get("prov:time") for one in told["wasInvalidatedBy"].values()]
    assert (times == [None]) == (url is None)


def test_a_node_that_is_not_asked_tells_nothing(judged, url, tmp_path):
    if url is not None:
        assert read_verdicts(judged[0]) == ()


def test_the_node_of_another_chain_is_refused(judged, url, testnet_url):
    if url is not None:
        with pytest.raises(WrongChain, match="expected a node of chain 31337"):
            read_verdicts(judged[0], testnet_url)


def test_a_journal_that_cannot_be_read_is_refused(judged, url):
    if url is None:
        journal = judged[0].path / "ledger" / "journal.jsonl"
        journal.write_bytes(journal.read_bytes()[:-200])
        with pytest.raises(ChainError, match="verify the release"):
            read_verdicts(judged[0])


def test_a_release_that_is_not_recorded_has_none(release):
    assert read_verdicts(release) == ()
