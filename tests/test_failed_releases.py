"""Releases that failed the thresholds of their own protocol: recorded as such, or found out."""

import pytest
from chain_helpers import PROTOCOL, account, digest, generation, make_release, open_study
from hypothesis import given
from hypothesis import strategies as st
from test_gate_evidence import ACCEPTANCE, write

from synthlib.chain.crate import describe
from synthlib.chain.errors import ChainError, IncompleteLog, ZeroDigest
from synthlib.chain.facts import read_facts
from synthlib.chain.recording import record_bundle
from synthlib.chain.records import failed_gate, release_fields
from synthlib.chain.registry import Ledger
from synthlib.chain.verification import verdict, verify

pytest_plugins = ["chain_fixtures"]

ZERO = "0" * 64
GATE, OTHER = digest("gate.json"), digest("another gate.json")
FAILED = {"verdict": "failed", "gate_digest": GATE}
PASSED = {"verdict": "passed", "gate_digest": GATE}
YES, NO = 0, 1


def told(findings) -> tuple[str, str]:
    """Verdict and detail of what is said of the gate."""
    ((outcome, detail),) = [found[1:] for found in findings if found.subject == "record.gate"]
    return outcome, detail


# --- what a manifest says ------------------------------------------------------------------------------


@pytest.mark.parametrize("gate", [None, PASSED, {"verdict": "passed"}])
def test_a_release_that_speaks_of_no_failure_did_not_fail(gate):
    assert failed_gate({"parameters": {"gate": gate}}) == ZERO
    assert failed_gate({"parameters": {}}) == ZERO


@given(st.text().filter(lambda word: word != "passed"))
def test_anything_but_passed_counts_as_failed(word):
    assert failed_gate({"parameters": {"gate": {"verdict": word, "gate_digest": GATE}}}) == GATE


@pytest.mark.parametrize("gate", [{}, [], "failed", {"verdict": "failed"}, FAILED | {"gate_digest": ZERO}])
def test_a_failure_without_the_digest_of_its_gate_is_refused(gate):
    with pytest.raises(ValueError, match=r"parameters\.gate\.gate_digest: expected"):
        failed_gate({"parameters": {"gate": gate}})


# --- recording, on both chains -------------------------------------------------------------------------


def test_a_failed_release_is_recorded_as_failed_and_once(ledger):
    said = generation("a")
    record = ledger.record_generation(said, GATE)
    assert (record.failed, record.gate, record.generation) == (True, GATE, said)
    assert record.id == said.id_with(GATE) != said.id
    assert ledger.record_generation(said, GATE) == record
    assert Ledger(ledger.connection, ledger.address, None).find(said.release, record.issuer) == record
    for gate in (None, OTHER):
        with pytest.raises(ChainError, match="recorded with another gate by"):
            ledger.record_generation(said, gate)
    plain = ledger.record_generation(generation("b"))
    assert (plain.failed, plain.gate, plain.id) == (False, ZERO, generation("b").id)
    with pytest.raises(ChainError, match="recorded with another gate by"):
        ledger.record_generation(generation("b"), GATE)
    with pytest.raises(ZeroDigest):
        ledger.record_generation(generation("c"), ZERO)


def lie(monkeypatch, change) -> None:
    real = Ledger.find_events

    def find_events(self, asked=None, *given, **arguments):
        said = real(self, asked, *given, **arguments)
        return change(said) if asked == "FailedItsGate" else said

    monkeypatch.setattr(Ledger, "find_events", find_events)


def test_a_log_that_hides_or_changes_a_failure_is_found(ledger, monkeypatch):
    record = ledger.record_generation(generation("a"), GATE)
    with monkeypatch.context() as patched:
        lie(patched, lambda said: [])
        with pytest.raises(IncompleteLog, match="one FailedItsGate event"):
            ledger.find(record.release)
    with monkeypatch.context() as patched:
        lie(patched, lambda said: [each._replace(arguments={"gate": OTHER}) for each in said])
        with pytest.raises(ChainError, match="does not fit its state"):
            ledger.find(record.release)
    assert ledger.find(record.release) == record


# --- verification --------------------------------------------------------------------------------------


@pytest.fixture
def gated():
    ledger = Ledger.in_process(account=account("issuer"))
    return open_study(ledger, protocol=PROTOCOL._replace(acceptance=ACCEPTANCE))


def gate_of(bundle) -> str:
    return bundle.parameters["gate"]["gate_digest"]


@pytest.mark.parametrize("report", ["failed", "passed"])
def test_record_bundle_records_what_the_manifest_says(gated, tmp_path, report):
    bundle = write(tmp_path / "one", gated, report)
    record = record_bundle(bundle.path, account=account("issuer"))
    failed = report == "failed"
    assert (record.failed, record.gate) == (failed, gate_of(bundle) if failed else ZERO)
    findings = verify(bundle.path)
    assert verdict(findings) == YES and told(findings)[0] == "matched"
    assert ("failed the thresholds of its protocol" in told(findings)[1]) == failed
    assert describe(read_facts(bundle)).startswith("FAILED: ") == failed


@pytest.mark.parametrize(
    ("report", "recorded", "words"),
    [
        ("failed", None, "as if it had not"),
        ("passed", "its own", "the manifest does not say so"),
        ("failed", OTHER, "another gate.json"),
    ],
)
def test_a_record_that_says_otherwise_than_the_manifest_is_a_no(gated, tmp_path, report, recorded, words):
    bundle = write(tmp_path / "one", gated, report)
    gated.ledger.record_generation(
        release_fields(bundle), gate_of(bundle) if recorded == "its own" else recorded
    )
    gated.ledger.save(bundle)
    findings = verify(bundle.path)
    assert verdict(findings) == NO
    assert [found.subject for found in findings if found.verdict == "differs"] == ["record.gate"]
    assert words in told(findings)[1]
    with pytest.raises(ChainError, match="another gate"):
        read_facts(bundle)


def test_a_failure_on_record_that_the_manifest_does_not_speak_of_is_a_no(workspace):
    study = open_study(Ledger.in_process(account=account("issuer")))
    bundle = make_release(workspace / "release", study=study)
    study.ledger.record_generation(release_fields(bundle), GATE)
    study.ledger.save(bundle)
    findings = verify(bundle.path)
    assert verdict(findings) == NO
    assert "the manifest does not say so" in told(findings)[1]
