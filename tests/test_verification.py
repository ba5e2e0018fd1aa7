"""Verification: a yes only for what was recorded; what cannot be told and what was withdrawn are none."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from chain_helpers import (
    KEY,
    SCHEMA,
    TRAINING,
    account,
    approve_study,
    generation,
    make_release,
    open_study,
    synthetic_table,
)
from verification_helpers import CANNOT_TELL, LEFT_OPEN, NO, YES, changed, names, record_own, unchecked, wrong

import synthlib
from synthlib.bundle import canonical_json
from synthlib.chain.accounts import demo_account
from synthlib.chain.claim_evidence import CLAIM
from synthlib.chain.connection import Connection
from synthlib.chain.recording import record_bundle
from synthlib.chain.records import sign_record
from synthlib.chain.registry import Ledger
from synthlib.chain.verification import OPTIONAL, find_caveat, verdict, verify
from synthlib.keys import StewardKey

pytest_plugins = ["chain_fixtures", "verification_fixtures"]


# --- yes -----------------------------------------------------------------------------------------------


def test_recorded_release_is_a_yes(recorded):
    findings = verify(recorded)
    assert verdict(findings) == YES
    assert unchecked(findings) == LEFT_OPEN < OPTIONAL
    seen = {finding.subject for finding in findings if finding.verdict == "matched"}
    assert {"manifest.json", "synthetic.csv", "report.csv", "schema.json", "deidentification.csv"} <= seen
    assert {"parameters.model", "parameters.seed", "kind", "parents", "synthetic table", "revocation"} <= seen
    assert {"ledger/journal.jsonl", "ledger/manifest.json", "ledger/record.json: signature"} <= seen
    assert {"rows.json", "protocol.json", "attempts.json", "protocol", "attempts"} <= seen
    assert [finding.subject for finding in findings][-1] == "training table"
    assert {f"record.{name}" for name in generation("a")._fields} <= seen


def test_the_folder_alone_is_enough_in_another_process(recorded, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("other machine") / "given to a reviewer"
    shutil.move(recorded, elsewhere)
    code = (
        "import synthlib, sys\n"
        "from synthlib.chain.verification import verdict\n"
        f"sys.exit(verdict(synthlib.verify({str(elsewhere)!r})))\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SYNTHLIB")}
    environment["SYNTHLIB_KEYFILE"] = "/nowhere"  # nobody's key is needed, nor asked for
    root = str(Path(__file__).parents[1])
    run = subprocess.run([sys.executable, "-c", code], env=environment | {"PYTHONPATH": root}, check=False)
    assert run.returncode == YES


def test_steward_opens_the_commitment(recorded):
    assert verdict(verify(recorded, key=KEY, training=TRAINING)) == YES
    assert "training table" not in unchecked(verify(recorded, key=KEY, training=TRAINING))
    for key, training in ((StewardKey(bytes(32)), TRAINING), (KEY, TRAINING.iloc[::-1])):
        findings = verify(recorded, key=key, training=training)
        assert verdict(findings) == NO
        assert names(findings, "training table")
    assert verdict(verify(recorded, key=KEY)) == YES


def test_issuer_is_named_and_compared(recorded):
    (issuer,) = [finding for finding in verify(recorded) if finding.subject == "issuer"]
    assert issuer.verdict == "unchecked"
    assert demo_account().address in issuer.detail and "whose key anybody has" in issuer.detail
    assert verdict(verify(recorded, issuer=demo_account().address.lower())) == YES
    findings = verify(recorded, issuer=account("somebody else").address)
    assert verdict(findings) == NO and names(findings, "issuer")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"issuer": 123}, TypeError),
        ({"issuer": b"\1" * 20}, TypeError),
        ({"issuer": "somebody"}, ValueError),
        ({"issuer": "0x" + "g" * 40}, ValueError),
        ({"issuer": demo_account().address[:-1] + demo_account().address[-1].swapcase()}, ValueError),
        ({"registry": 123}, TypeError),
        ({"registry": "0x" + "g" * 40}, ValueError),
        ({"digest": 123}, TypeError),
        ({"digest": b"\1" * 32}, TypeError),
        ({"digest": "ab" * 31}, ValueError),
        ({"digest": "0x" + "ab" * 32}, ValueError),
    ],
    ids=str,
)
def test_what_is_no_address_or_no_digest_is_refused_as_the_callers(recorded, arguments, error):
    (name,) = arguments
    with pytest.raises(error, match=f"^{name}: expected "):
        verify(recorded, **arguments)


def test_the_registry_and_the_datasets_steward_there_are_named_and_compared(workspace):
    """Whoever deploys one for themselves approves what they like there: a yes says which it is."""
    study = open_study(Ledger.in_process(account=account("admin")), num_attempts=0)
    theirs = approve_study(study.ledger, account("researcher"))
    bundle = make_release(workspace / "release", study=theirs)
    theirs.ledger.record(bundle)
    theirs.ledger.save(bundle)
    own, address = record_own(workspace / "own", "researcher"), study.ledger.address
    for path, where, steward in [
        (bundle.path, address, account("admin").address),
        (own, Ledger.in_process(own / "ledger" / "journal.jsonl").address, "its issuer"),
    ]:
        findings = verify(path, issuer=account("researcher").address)
        (found,) = [finding for finding in findings if finding.subject == "registry"]
        assert verdict(findings) == YES and found.verdict == "unchecked"
        assert where in found.detail and f"the dataset's steward is {steward};" in found.detail
        findings = verify(path, issuer=account("researcher").address, registry=address.lower())
        assert verdict(findings) == (YES if where == address else NO)
        assert [finding.subject for finding in wrong(findings)] == ["registry"] * (where != address)
        assert "registry" not in unchecked(findings)


def test_release_digest_is_named_and_compared(recorded):
    digest = hashlib.sha256((recorded / "manifest.json").read_bytes()).hexdigest()
    (found,) = [finding for finding in verify(recorded) if finding.subject == "release digest"]
    assert found.verdict == "unchecked" and digest in found.detail
    findings = verify(recorded, digest=digest.upper())
    assert verdict(findings) == YES and "release digest" not in unchecked(findings)
    findings = verify(recorded, digest="ab" * 32)
    assert verdict(findings) == NO and [finding.subject for finding in wrong(findings)] == ["release digest"]


def test_only_its_digest_makes_a_demo_issuers_release_sure(recorded, workspace):
    digest = hashlib.sha256((recorded / "manifest.json").read_bytes()).hexdigest()
    forged = make_release(workspace / "forged", seed=5)
    record_bundle(forged.path)
    demo = demo_account().address
    for findings in (verify(forged.path), verify(forged.path, issuer=demo)):
        assert "demo issuer, whose key anybody has: compare the digest" in find_caveat(findings)
        assert "issuer" in unchecked(findings)
    assert verdict(verify(forged.path, issuer=demo, digest=digest)) == NO
    assert find_caveat(verify(recorded, digest=digest)) == ""
    own = record_own(workspace / "own", seed=6)
    assert find_caveat(verify(own)) == ""


# --- could not tell ------------------------------------------------------------------------------------


def test_release_that_was_never_recorded_cannot_be_told(release):
    findings = verify(release.path)
    assert verdict(findings) == CANNOT_TELL
    assert "ledger" in unchecked(findings)
    assert not wrong(findings)


def test_no_folder_cannot_be_told(workspace):
    assert verdict(verify(workspace / "nothing")) == CANNOT_TELL
    assert verdict(verify("nothing")) == CANNOT_TELL
    assert verdict([]) == CANNOT_TELL


def test_node_is_asked_for_in_vain_when_recorded_in_process(recorded):
    findings = verify(recorded, rpc="http://127.0.0.1:1")
    assert verdict(findings) == CANNOT_TELL
    assert "node" in unchecked(findings)


def test_what_this_machine_lacks_is_not_the_releases_fault(recorded, monkeypatch):
    monkeypatch.setattr(Connection, "in_process", lambda: __import__("module_that_is_not_installed"))
    findings = verify(recorded)
    assert verdict(findings) == CANNOT_TELL
    assert "ledger/journal.jsonl" in unchecked(findings)


def test_a_loss_that_the_manifest_does_not_account_for_cannot_be_told(workspace):
    """Else who may publish nothing without privacy spends a millionth of a budget, and claims nothing."""
    study = open_study(Ledger.in_process(account=account("issuer")))
    bundle = make_release(workspace / "release", study=study, protocol=study.describe(1, 1e-6))
    assert study.ledger.record(bundle).spend == 1
    study.ledger.save(bundle)
    findings = verify(bundle.path)
    assert verdict(findings) == CANNOT_TELL and not wrong(findings)
    assert unchecked(findings) - OPTIONAL == {CLAIM}


# --- withdrawn -----------------------------------------------------------------------------------------


def test_revoked_release_is_a_no(own_release, study):
    ledger = study.ledger
    ledger.record(own_release)
    ledger.save(own_release)
    rpc = None if ledger.connection.is_in_process else ledger.connection.web3.provider.endpoint_uri
    assert verdict(verify(own_release.path, rpc)) == YES
    revoked = ledger.revoke(own_release.digest, "wrong table")
    ledger.save(own_release)
    findings = verify(own_release.path, rpc)
    assert verdict(findings) == NO
    assert [finding.subject for finding in wrong(findings)] == ["revocation"]
    assert revoked.reason in wrong(findings)[0].detail and str(revoked.revocation_time) in str(findings)


def test_superseded_release_is_a_no_that_names_its_successor(workspace):
    study = open_study(Ledger.in_process(account=account("issuer")))
    old, new = (make_release(workspace / name, seed, study) for seed, name in enumerate(("old", "new")))
    for bundle in (old, new):
        study.ledger.record(bundle)
    study.ledger.supersede(old.digest, new.digest, "a rounding error")
    for bundle in (old, new):
        study.ledger.save(bundle)
    findings = verify(old.path)
    assert [finding.subject for finding in wrong(findings)] == ["revocation"]
    assert f"replaced by {new.digest}" in wrong(findings)[0].detail
    assert verdict(verify(new.path)) == YES


@pytest.mark.parametrize("name", ["revoked", "revocation_time", "reason", "successor"])
def test_a_withdrawal_that_record_json_tells_otherwise_is_named(workspace, name):
    path = record_own(workspace / "release")
    ledger = Ledger.in_process(path / "ledger" / "journal.jsonl", account("issuer"))
    body = json.loads((path / "ledger" / "record.json").read_bytes())
    ledger.revoke(body["record"]["release"], "wrong table")
    ledger.save(synthlib.Bundle.open(path))
    body = json.loads((path / "ledger" / "record.json").read_bytes())
    body["record"][name] = changed(body["record"][name])
    body["signature"] = sign_record(body, account("issuer"))
    (path / "ledger" / "record.json").write_bytes(canonical_json(body))
    named = "revocation_time" if name == "revoked" else name  # a record that stands has none
    assert names(verify(path), "revocation", f"record.{named}")


def test_no_finding_shows_a_cell_of_the_training_table(recorded):
    secret = TRAINING.assign(sex=["Jane-Roe"] * len(TRAINING))
    findings = verify(recorded, key=KEY, training=secret)
    findings += verify(recorded, key=KEY, training=secret.assign(sex=b"Jane-Roe"))
    assert "Jane-Roe" not in str(findings)


def test_verify_is_exported():
    assert synthlib.verify is verify
    assert SCHEMA.names == list(synthetic_table().columns)
