"""A release says of its gate what its own report and its protocol's thresholds say, or is named."""

import json

import pandas as pd
import pytest
from chain_helpers import PROTOCOL, account, make_release, open_study
from test_protocol_evidence import record_lie
from verification_helpers import NO, YES, wrong

from synthlib.bundle import Bundle
from synthlib.chain.errors import ChainError
from synthlib.chain.gate_evidence import GATE, UNDECIDED, check_gate
from synthlib.chain.recording import record_bundle
from synthlib.chain.registry import Ledger
from synthlib.chain.study import Study
from synthlib.chain.verification import find_caveat, verdict, verify
from synthlib.gate import judge

pytest_plugins = ["chain_fixtures"]

ACCEPTANCE = {"thresholds": [{"metric": "exact_copies", "at_most": 0.01, "bound": "high"}]}
REPORTS = {
    "passed": "metric,value,low,high,reference\nexact_copies,0.0,0.0,0.004,0.0\n",
    "failed": "metric,value,low,high,reference\nexact_copies,0.02,0.011,0.03,0.0\n",
}
OPEN = "metric,value,low,high,reference\nexact_copies,0.008,0.001,0.02,0.0\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    ledger = Ledger.in_process(account=account("issuer"))
    study = open_study(ledger, protocol=PROTOCOL._replace(acceptance=ACCEPTANCE))
    folder = tmp_path_factory.mktemp("study")
    study.hand_on(folder)
    return folder


@pytest.fixture
def study(folder):
    return Study.resume(folder, account=account("issuer"))


def read_report(text):
    rows = [line.split(",") for line in text.splitlines()]
    return pd.DataFrame([[row[0], *map(float, row[1:])] for row in rows[1:]], columns=rows[0])


def write(path, study, report="passed", says=None, change=None):
    """A release of a report whose gate is that of another report, or changed, where that is asked."""
    base = make_release(path.with_name("base"), study=study)
    judged = judge(read_report(REPORTS[says or report]), ACCEPTANCE)
    parameters = base.parameters | {"gate": judged.describe()}
    with Bundle.create(path, "release", parameters) as made:
        for each in base.files:
            (made / each).write_bytes(base.file(each).read_bytes())
        (made / "report.csv").write_text(REPORTS[report])
        (made / "gate.json").write_bytes(judged.to_json())
        if change:
            change(made, parameters)
    bundle = Bundle.open(path)
    study.ledger.leave_journal(bundle)
    return bundle


def find(bundle):
    findings = []
    check_gate(bundle.path, bundle.manifest, findings)
    return [(found.verdict, found.detail) for found in findings if found.subject == GATE]


def test_what_is_inconclusive_is_not_called_missed(study, tmp_path, monkeypatch):
    monkeypatch.setitem(REPORTS, "open", OPEN)
    bundle = write(tmp_path / "one", study, "open")
    (found,) = find(bundle)
    assert found[0] == "matched" and f"{UNDECIDED}: exact_copies inconclusive" in found[1]
    assert bundle.parameters["gate"]["verdict"] == "failed"
    assert bundle.parameters["gate"]["standing"] == "inconclusive"


@pytest.mark.parametrize("report", REPORTS)
def test_a_release_that_tells_the_truth_matches(study, tmp_path, report):
    bundle = write(tmp_path / "one", study, report)
    record_bundle(bundle.path, account=account("issuer"))
    findings = verify(bundle.path)
    assert verdict(findings) == YES
    (detail,) = [found.detail for found in findings if found.subject == GATE]
    assert ("failed the thresholds of its own protocol" in detail) == (report == "failed")
    assert ("failed the thresholds" in find_caveat(findings)) == (report == "failed")


def test_a_release_that_says_passed_of_a_report_that_fails_is_named(study, tmp_path):
    bundle = write(tmp_path / "one", study, "failed", says="passed")
    findings = record_lie(study, bundle)
    assert verdict(findings) == NO
    (found,) = wrong(findings)
    assert found.subject == GATE
    assert found.detail.startswith("says passed; its protocol's thresholds fail: exact_copies failed (0.030")


def test_it_cannot_be_recorded_either(study, tmp_path):
    bundle = write(tmp_path / "one", study, "failed", says="passed")
    with pytest.raises(ChainError, match="says passed; its protocol's thresholds fail"):
        record_bundle(bundle.path, account=account("issuer"))


def edit_gate(change):
    def edit(made, parameters):
        told = json.loads((made / "gate.json").read_bytes())
        change(told)
        (made / "gate.json").write_text(json.dumps(told, sort_keys=True, indent=1) + "\n")

    return edit


def loosen(told):
    told["acceptance"]["thresholds"][0]["at_most"] = 0.5


def forget(name):
    def change(made, parameters):
        if name == "gate.json":
            (made / name).unlink()
        else:
            del parameters["gate"]

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edit_gate(loosen), "gate.json is not what report.csv and the thresholds of its protocol give"),
        (edit_gate(lambda told: told["results"][0].update(value=0.001)), "is not what report.csv"),
        (lambda made, parameters: (made / "gate.json").write_text("{"), "is not what report.csv"),
        (forget("gate.json"), "declares thresholds, but gate.json is missing"),
        (forget("parameters"), "declares thresholds, but the manifest's parameters.gate is missing"),
        (lambda made, parameters: parameters["gate"].update(more=1), "is another in more"),
        (lambda made, parameters: parameters["gate"].update(acceptance_digest="0" * 64), "acceptance_digest"),
        (lambda made, parameters: parameters.update(gate="passed"), "says failed"),
        (lambda made, parameters: (made / "report.csv").write_text("metric\n"), "expected the columns"),
        (lambda made, parameters: (made / "report.csv").write_bytes(b"\xff"), "cannot be read"),
        (lambda made, parameters: (made / "report.csv").unlink(), "cannot be read"),
    ],
)
def test_what_is_changed_is_named(study, tmp_path, change, said):
    bundle = write(tmp_path / "one", study, change=change)
    ((outcome, detail),) = find(bundle)
    assert outcome == "differs" and said in detail


SETTINGS = {"evaluation": {"seed": 0, "attacks": False, "max_targets": 9}}


@pytest.mark.parametrize(
    ("used", "said"),
    [
        ({"seed": 0, "attacks": False, "max_targets": 9}, "judged again: passed by its threshold; evaluated"),
        ({"seed": 3, "attacks": False, "max_targets": 9}, "seed was 3, declared: 0"),
        ({"seed": 0, "attacks": False}, "max_targets was not told, declared: 9"),
        (None, "seed was not told"),
    ],
)
def test_other_settings_than_declared_do_not_pass_and_are_named(tmp_path, used, said):
    acceptance = ACCEPTANCE | SETTINGS
    judged = judge(read_report(REPORTS["passed"]), acceptance, used)
    assert (judged.outcome == "passed") == (used == SETTINGS["evaluation"])
    assert json.loads(judged.to_json())["evaluation"] == used
    (tmp_path / "protocol.json").write_bytes(PROTOCOL._replace(acceptance=acceptance).to_json())
    (tmp_path / "report.csv").write_text(REPORTS["passed"])
    (tmp_path / "gate.json").write_bytes(judged.to_json())
    findings = []
    check_gate(tmp_path, {"parameters": {"gate": judged.describe()}}, findings)
    ((outcome, detail),) = [(one.verdict, one.detail) for one in findings]
    assert outcome == "matched" and said in detail
    told = json.loads(judged.to_json()) | {"evaluation": SETTINGS["evaluation"] | {"seed": 5}}
    (tmp_path / "gate.json").write_text(json.dumps(told))
    findings = []
    check_gate(tmp_path, {"parameters": {"gate": judged.describe()}}, findings)
    assert findings[0].verdict == "differs"


@pytest.mark.parametrize("number", ["inf", "-inf", "1e999"])
def test_an_infinite_score_is_refused(study, tmp_path, number):
    text = REPORTS["passed"].replace("0.0,0.0,0.004", f"{number},0.0,0.004")
    bundle = write(tmp_path / "one", study, change=lambda made, _: (made / "report.csv").write_text(text))
    ((outcome, detail),) = find(bundle)
    assert outcome == "differs" and "expected finite numbers" in detail


def test_where_nothing_was_declared_nothing_is_said(tmp_path):
    assert find(make_release(tmp_path / "one")) == []
    spoken = make_release(tmp_path / "two", gate={"verdict": "passed"})
    ((outcome, detail),) = find(spoken)
    assert outcome == "differs" and "no threshold was declared" in detail
