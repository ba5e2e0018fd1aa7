"""One digest recorded by several: each record is its issuer's, and `verify` takes the one that is named."""

import json

import pytest
from chain_helpers import account, approve_study, make_release, open_study
from verification_helpers import NO, YES, names

from synthlib.bundle import canonical_json
from synthlib.chain.recording import record_bundle
from synthlib.chain.records import release_fields
from synthlib.chain.registry import Ledger
from synthlib.chain.study import Study
from synthlib.chain.verification import verdict, verify

pytest_plugins = ["chain_fixtures", "verification_fixtures"]


def record_first(study: Study, bundle) -> Ledger:
    """Another researcher sees a release on its way and records its digest first; their ledger."""
    theirs = approve_study(study.ledger, account("rival"))
    seen = release_fields(bundle)._replace(protocol=theirs.registration.id)
    theirs.ledger.record_generation(seen)
    return theirs.ledger


@pytest.fixture(params=["in-process", "node"])
def raced(request, workspace):
    """A release, its study, the ledger of who recorded the digest first, and what `verify` is given."""
    is_node = request.param == "node"
    own = Ledger.in_process(account=account("issuer"))
    study = request.getfixturevalue("study_on_node") if is_node else open_study(own)
    bundle = make_release(workspace / "raced", study=study)
    rival = record_first(study, bundle)
    return bundle, study, rival, {"rpc": request.getfixturevalue("node_url")} if is_node else {}


def test_who_records_a_digest_first_does_not_turn_the_issuers_yes_into_a_no(raced):
    bundle, study, rival, given = raced
    record = study.ledger.record(bundle)
    study.ledger.save(bundle)
    assert record.issuer == study.ledger.sender
    findings = verify(bundle.path, **given, issuer=record.issuer, digest=bundle.digest)
    assert verdict(findings) == YES
    (told,) = [finding for finding in findings if finding.subject == "issuer"]
    assert told.detail.startswith(f"recorded by {record.issuer}; the digest was also recorded by ")
    assert rival.sender in told.detail
    rival.revoke(bundle.digest, "spite")
    assert verdict(verify(bundle.path, **given)) == YES
    assert verdict(verify(bundle.path, **given, issuer=rival.sender)) == NO


def test_a_folder_that_claims_the_one_who_recorded_first_is_a_no(raced):
    bundle, study, rival, given = raced
    study.ledger.record(bundle)
    rival.save(bundle)
    findings = verify(bundle.path, **given)
    assert verdict(findings) == NO
    assert names(findings, "record.protocol", "parameters.protocol.researcher")
    body = json.loads((bundle.path / "ledger" / "record.json").read_bytes())
    assert body["record"]["issuer"] == rival.sender


def test_a_record_json_that_names_somebody_who_recorded_nothing_is_a_no(raced):
    bundle, study, rival, given = raced
    study.ledger.record(bundle)
    study.ledger.save(bundle)
    path = bundle.path / "ledger" / "record.json"
    body = json.loads(path.read_bytes())
    body["record"]["issuer"] = account("nobody").address
    path.write_bytes(canonical_json(body))
    findings = verify(bundle.path, **given)
    assert verdict(findings) == NO
    others = f"{rival.sender}, {study.ledger.sender}"
    assert names(findings, "record.issuer", f"as recorded by {others}, not by this")


def test_the_true_issuer_records_through_the_command_too(workspace):
    study = open_study(Ledger.in_process(account=account("issuer")))
    bundle = make_release(workspace / "raced", study=study)
    record_first(study, bundle)
    study.ledger.leave_journal(bundle)
    record = record_bundle(bundle.path, account=account("issuer"))
    assert record.issuer == account("issuer").address
    assert verdict(verify(bundle.path)) == YES
