"""Once a steward's key is destroyed, a certificate says so, on the chain too, and the rest still verifies."""

import pytest
from chain_helpers import DATASET, KEY, TRAINING, make_release

import synthlib as sl
from synthlib.chain.commitments import commit, open_commitment
from synthlib.chain.datasets import ERASED, Datasets
from synthlib.chain.erasure import Erasure, erase_key
from synthlib.chain.errors import ChainError, DatasetNotActive, IncompleteLog, NotSteward
from synthlib.chain.registry import JOURNAL, Ledger
from synthlib.chain.verification import verdict

pytest_plugins = ["chain_fixtures"]


def test_the_key_is_gone_and_the_certificate_says_so(tmp_path):
    key = sl.StewardKey.create(tmp_path / "steward.key")
    commitment = commit(TRAINING, key)
    secret = (tmp_path / "steward.key").read_text().strip()
    certificate = erase_key(tmp_path / "steward.key", commitment.hex(), "2026-11-26")
    assert not (tmp_path / "steward.key").exists()
    assert certificate.address == commitment.hex() and certificate.when == "2026-11-26"
    assert secret not in certificate.to_json().decode()
    assert Erasure.from_json(certificate.to_json()) == certificate
    assert not open_commitment(commitment, TRAINING, sl.StewardKey.create(tmp_path / "another.key"))


def test_a_key_that_is_gone_already_is_certified_as_that(tmp_path):
    assert erase_key(tmp_path / "nothing.key", DATASET).how == "no key file was there any more"


def test_what_is_no_key_is_not_destroyed(tmp_path):
    diary = tmp_path / "diary.txt"
    diary.write_text("not a key\n")
    diary.chmod(0o600)
    with pytest.raises(ValueError, match="expected 64 hexadecimal digits"):
        erase_key(diary, DATASET)
    assert diary.read_text() == "not a key\n"


def test_a_recorded_erasure_ends_the_dataset(ledger):
    certificate = erase_key("nothing.key", DATASET)
    Datasets(ledger).record_erasure(DATASET, certificate.digest)
    assert Datasets(ledger).find(DATASET).state == ERASED
    (event,) = ledger.find_events("DatasetErased", dataset=DATASET)
    assert event.arguments["certificate"] == certificate.digest
    with pytest.raises(DatasetNotActive):
        Datasets(ledger).record_erasure(DATASET, certificate.digest)


def lie(monkeypatch, change) -> None:
    """Let every DatasetErased event go through `change`."""
    real = Ledger.find_events

    def find_events(self, name=None, *given, **arguments):
        said = real(self, name, *given, **arguments)
        return change(said) if name == "DatasetErased" else said

    monkeypatch.setattr(Ledger, "find_events", find_events)


def test_a_certificate_is_the_states_and_the_logs(ledger, monkeypatch):
    datasets = Datasets(ledger)
    assert datasets.find_erasure(DATASET) == ""
    datasets.record_erasure(DATASET, "ab" * 32)
    assert datasets.find_erasure(DATASET) == "ab" * 32
    (event,) = ledger.find_events("DatasetErased", dataset=DATASET)
    other = event._replace(arguments=event.arguments | {"certificate": "cd" * 32})
    for told in ([other], [event, other], [event, event]):
        with monkeypatch.context() as patched:
            lie(patched, lambda said, told=told: told)
            with pytest.raises(ChainError, match=f"of erasure of {DATASET} .* does not fit its state"):
                datasets.find_erasure(DATASET)
    lie(monkeypatch, lambda said: [])
    with pytest.raises(IncompleteLog, match="DatasetErased"):
        datasets.find_erasure(DATASET)


def test_an_erasure_in_the_log_alone_is_found(ledger, monkeypatch):
    (event,) = ledger.find_events("DatasetRegistered", dataset=DATASET)
    forged = event._replace(name="DatasetErased", arguments={"certificate": "cd" * 32})
    lie(monkeypatch, lambda said: [forged])
    with pytest.raises(ChainError, match="does not fit its state"):
        Datasets(ledger).find_erasure(DATASET)


def test_verification_names_a_certificate_that_is_not_the_states(workspace, monkeypatch):
    bundle = make_release(workspace / "release")
    sl.record_bundle(bundle.path)
    assert verdict(sl.verify(bundle.path)) == 0
    real = Ledger.find_events

    def find_events(self, name=None, *given, **arguments):
        if name != "DatasetErased":
            return real(self, name, *given, **arguments)
        (event,) = real(self, "DatasetRegistered", **arguments)
        return [event._replace(name=name, arguments={"certificate": "cd" * 32})]

    monkeypatch.setattr(Ledger, "find_events", find_events)
    findings = sl.verify(bundle.path)
    told = {finding.subject: finding for finding in findings}
    assert verdict(findings) == 1
    assert told["erasure of the dataset"].verdict == "differs"
    assert "key destroyed" not in told["training table"].detail


def test_only_the_steward_records_an_erasure(ledger):
    from chain_helpers import account, fund

    fund(ledger.connection, account("stranger").address)
    with pytest.raises(NotSteward):
        Datasets(ledger.acting_as(account("stranger"))).record_erasure(DATASET, "ab" * 32)


def test_verification_says_that_the_key_was_destroyed_and_the_rest_holds(workspace):
    bundle = make_release(workspace / "release")
    journal = bundle.path / "ledger" / JOURNAL
    ledger = Ledger.in_process(journal)
    ledger.record(bundle)
    Datasets(ledger).record_erasure(bundle.parameters["protocol"]["dataset"], "cd" * 32)
    ledger.save(bundle)
    journal.write_bytes(b"".join(ledger.journal.lines))
    findings = sl.verify(bundle.path)
    told = {finding.subject: finding for finding in findings}
    assert told["training table"].verdict == "unchecked"
    assert told["training table"].detail.startswith("cannot be checked: key destroyed")
    assert "cd" * 32 in told["training table"].detail
    assert [one for one in findings if one.verdict == "differs" and JOURNAL not in one.subject] == []


def test_who_still_has_a_key_opens_the_commitment_all_the_same(workspace):
    bundle = make_release(workspace / "release")
    sl.record_bundle(bundle.path)
    findings = sl.verify(bundle.path, key=KEY, training=TRAINING)
    assert verdict(findings) == 0 and findings[-1].verdict == "matched"
