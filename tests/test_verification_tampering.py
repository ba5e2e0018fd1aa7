"""Verification finds and names every tampering with files, fields, records and journals."""

import json
import shutil

import pytest
from chain_helpers import account, generation, make_release, open_study, synthetic_table
from journal_fixtures import relink
from tampering_cases import KINDS
from verification_helpers import CANNOT_TELL, NO, YES, names, record_own, rewrite_record, wrong

from synthlib.bundle import canonical_json
from synthlib.chain.accounts import demo_account
from synthlib.chain.errors import ChainError
from synthlib.chain.protocols import Protocols
from synthlib.chain.recording import record_bundle
from synthlib.chain.records import release_fields
from synthlib.chain.registry import Ledger
from synthlib.chain.verification import verdict, verify

pytest_plugins = ["chain_fixtures", "verification_fixtures"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_tampering_is_found_and_named(kind, recorded, tmp_path, capsys, record_property, replay_once):
    work, missed, tried = tmp_path / "work" / "release", [], 0
    for case, apply, culprit in KINDS[kind](recorded):
        shutil.rmtree(work.parent, ignore_errors=True)
        shutil.copytree(recorded, work)
        apply(work)
        findings = verify(work)
        tried += 1
        culprits = (culprit,) if isinstance(culprit, str) else culprit
        if verdict(findings) != NO or not names(findings, *culprits):
            missed.append((case, culprit, wrong(findings)))
    record_property(f"tampering with {kind}", f"{tried} tried, {tried - len(missed)} found and named")
    with capsys.disabled():
        print(f"\ntampering with {kind}: {tried} tried, {tried - len(missed)} found and named")
    assert not missed
    assert tried > 20


def test_signature_has_one_spelling(recorded):
    """The same signature in capitals, or with the other of its two values of s, is a changed file."""
    path = recorded / "ledger" / "record.json"
    body = json.loads(path.read_bytes())
    signature, order = (
        body["signature"],
        2 * 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0 + 1,
    )
    mirrored = f"{order - int(signature[66:130], 16):064x}" + {"1b": "1c", "1c": "1b"}[signature[-2:]]
    low_v = {"1b": "00", "1c": "01"}[signature[-2:]]
    for other in (
        "0x" + signature[2:].upper(),
        signature[:66] + mirrored,
        signature[:-2] + low_v,
        signature[2:],
        "0x",
    ):
        path.write_bytes(canonical_json(body | {"signature": other}))
        findings = verify(recorded)
        assert verdict(findings) == NO and names(findings, "record.json: signature")


def test_names_in_a_manifest_cannot_command_a_terminal(recorded):
    path = recorded / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"seed"', b'"\\u001b[2J\\ud800"'))
    findings = verify(recorded)
    assert verdict(findings) == NO
    assert "\x1b" not in "".join(finding.subject + finding.detail for finding in findings)
    str(findings).encode()


def test_removing_the_whole_ledger_cannot_be_told(recorded):
    shutil.rmtree(recorded / "ledger")
    assert verdict(verify(recorded)) == CANNOT_TELL
    (recorded / "ledger").mkdir()
    assert verdict(verify(recorded)) == NO


def test_another_releases_ledger_is_a_no(recorded, workspace):
    other = make_release(workspace / "other", seed=1)
    record_bundle(other.path)
    shutil.rmtree(recorded / "ledger")
    shutil.copytree(other.path / "ledger", recorded / "ledger")
    findings = verify(recorded)
    assert verdict(findings) == NO
    assert names(findings, "parameters.seed") and names(findings, "record.release")


def test_wrong_claims_recorded_by_the_issuer_are_found(workspace):
    """The manifest is what was recorded, but says of the table what is not so."""
    lying = make_release(workspace / "lying", synthetic_digest="ab" * 32)
    record_bundle(lying.path)
    findings = verify(lying.path)
    assert verdict(findings) == NO
    assert [finding.subject for finding in wrong(findings)] == ["synthetic table"]


@pytest.mark.parametrize("name", ["dataset", "protocol", "approval", "attempt", "record"])
@pytest.mark.parametrize("how", ["dropped", "moved to the end"])
def test_a_journal_without_or_with_a_later_protocol_is_named(recorded, name, how):
    """With every hash put right and the demo issuer's signature, which anybody can give."""
    path = recorded / "ledger" / "journal.jsonl"
    entries = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert len(entries) == 7
    at = 2 + ["dataset", "protocol", "approval", "attempt", "record"].index(name)
    moved = entries.pop(at)
    path.write_bytes(relink(entries if how == "dropped" else [*entries, moved]))
    rewrite_record(recorded, path, demo_account())
    findings = verify(recorded)
    if name == "record" and how != "dropped":
        assert verdict(findings) == YES  # it was the last one
        return
    assert verdict(findings) == NO
    culprit = "record.release" if name == "record" else f"journal.jsonl line {at + 1}"
    assert names(findings, culprit)


def test_a_protocol_that_was_registered_after_its_attempts_is_impossible(workspace):
    """Whoever has all keys can sign another journal; the contract takes attempts in their order alone."""
    ledger = Ledger.in_process(account=account("issuer"))
    study = open_study(ledger, 0)
    with pytest.raises(ChainError, match="NoSuchAttempt"):
        ledger.record_generation(generation("a", protocol=study.registration.id))
    with pytest.raises(ChainError, match="ProtocolNotApproved"):
        Protocols(ledger).attempt("0x" + "5" * 64, "ab" * 32)


def test_a_record_that_cannot_be_read_is_a_no_and_no_crash(workspace):
    """A model type that is no text: the contract takes it, and `find` refuses it."""
    study = open_study(Ledger.in_process(account=account("issuer")))
    bundle = make_release(workspace / "release", study=study)
    study.ledger.record(bundle)
    study.ledger.save(bundle)
    odd = Ledger.in_process(account=account("issuer"))
    said = list(release_fields(bundle).to_abi())
    said[4] = b"\xff" * 32
    open_study(odd)
    odd.send("recordRelease", tuple(said))
    (bundle.path / "ledger" / "journal.jsonl").write_bytes(b"".join(odd.journal.lines))
    rewrite_record(bundle.path, bundle.path / "ledger" / "journal.jsonl", account("issuer"))
    findings = verify(bundle.path)
    assert verdict(findings) == NO and names(findings, "record.json: record.release", "model type in UTF-8")


def test_rerecorded_change_is_another_release_by_another_issuer(recorded):
    """A forger with a key of their own can make a consistent release; only the issuer's address tells."""
    synthetic_table(5).to_csv(recorded / "synthetic.csv", index=False)
    forged = record_own(recorded.parent / "forged", "forger", seed=5)
    assert verdict(verify(forged)) == YES
    assert verdict(verify(forged, issuer=demo_account().address)) == NO
