"""Other protocols on a release's dataset: told beside it, and no more; nothing where there are none."""

import pytest
from chain_helpers import DATASET, PROTOCOL, account, approve_study, make_release

from synthlib.bundle import Finding
from synthlib.chain.other_protocols import OTHERS, check_others
from synthlib.chain.protocols import Protocols
from synthlib.chain.registry import Ledger
from synthlib.chain.study import Study
from synthlib.chain.verification import find_caveat, verdict, verify

pytest_plugins = ["chain_fixtures"]
YES = 0


@pytest.fixture
def second(study) -> Study:
    """Another protocol of the researcher on the dataset, with three attempts, two of them together."""
    protocol = PROTOCOL._replace(metrics=["another"])
    registered = Protocols(study.ledger).prepare(protocol, DATASET, sealed=True)
    Protocols(study.ledger).register(registered)
    Protocols(study.ledger).approve(registered, 0.1, 2)
    other = Study(study.ledger, protocol, registered)
    other.attempt({"model_type": "TabularGAN", "seed": 7})
    other.attempt_all([{"model_type": "TabularGAN", "seed": seed} for seed in (8, 9)])
    return other


@pytest.fixture
def find(study, workspace, request):
    """Record and save a release, and return what verification finds after `then`."""

    def call(then=lambda: None):
        bundle = make_release(workspace / "release", study=study)
        study.ledger.record(bundle)
        then()
        study.ledger.save(bundle)
        is_here = study.ledger.connection.is_in_process
        return verify(bundle.path, rpc=None if is_here else request.getfixturevalue("node_url"))

    return call


def of_others(findings: list[Finding]) -> list[Finding]:
    return [found for found in findings if found.subject == OTHERS]


def test_where_there_are_none_nothing_is_said(find):
    findings = find()
    assert of_others(findings) == [] and "protocol" not in find_caveat(findings)
    assert verdict(findings) == YES


def test_attempts_under_another_protocol_on_the_dataset_are_told(find, second):
    findings = find()
    detail = (
        "1 other protocol on this dataset, 3 attempts under it until this release; "
        "by its issuer: 1 protocol, 3 attempts"
    )
    assert of_others(findings) == [Finding(OTHERS, "unchecked", detail)]
    assert verdict(findings) == YES and detail in find_caveat(findings)


def test_a_colleagues_protocol_is_counted_and_told_apart(find, second, study):
    approve_study(study.ledger, account("colleague"))
    (found,) = of_others(find())
    assert found.detail.startswith("2 other protocols on this dataset, 4 attempts under them until this")
    assert found.detail.endswith("by its issuer: 1 protocol, 3 attempts")


def test_what_came_after_the_release_is_not_counted(find, second, study):
    def go_on():
        second.attempt({"model_type": "TabularGAN", "seed": 10})
        approve_study(study.ledger, account("colleague"))

    (found,) = of_others(find(go_on))
    assert found.detail.startswith("1 other protocol on this dataset, 3 attempts under it until this release")


@pytest.mark.parametrize("name", ["Attempted", "AttemptedBatch"])
def test_attempts_that_a_node_hides_are_missed_and_that_decides_nothing(find, second, monkeypatch, name):
    find_events = Ledger.find_events

    def hide(ledger, asked=None, *rest, **options):
        hidden = asked == name and options.get("protocol") == second.registration.id
        return [] if hidden else find_events(ledger, asked, *rest, **options)

    monkeypatch.setattr(Ledger, "find_events", hide)
    findings = find()
    (found,) = of_others(findings)
    assert "expected 3 attempts in the log" in found.detail and found.verdict == "unchecked"
    assert verdict(findings) == YES and found.detail in find_caveat(findings)


def test_a_protocol_that_a_node_makes_up_is_none(study, workspace, monkeypatch):
    ledger, find_events = study.ledger, Ledger.find_events
    record = ledger.record(make_release(workspace / "release", study=study))

    def add(ledger, asked=None, *rest, **options):
        said = find_events(ledger, asked, *rest, **options)
        if asked == "ProtocolRegistered" and "dataset" in options:
            said += [said[0]._replace(arguments=said[0].arguments | {"protocol": "0x" + "ab" * 32})]
        return said

    monkeypatch.setattr(Ledger, "find_events", add)
    findings = []
    check_others(ledger, record, findings)
    assert [found.verdict for found in findings] == ["unchecked"]
    assert "its log does not fit its state" in findings[0].detail
