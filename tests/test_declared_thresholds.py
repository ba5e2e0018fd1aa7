"""`synthlib synthesize --acceptance`: thresholds stand in the protocol, and the release is judged by them."""

import json
from pathlib import Path

import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.cli import app
from synthlib.commands import terminal
from synthlib.gate import judge
from synthlib.reporting import read_acceptance

LINKED = {"metric": "linkability_risk*", "except": "*exposed*", "worst": True, "at_most": 0.2}
COPIES = {"metric": "exact_copies", "at_most": 0.5}
POWER = {"power": "a leak of four members in ten"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("SYNTHLIB_PRIVATE_KEY", "SYNTHLIB_KEYFILE", "SYNTHLIB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    make_cohort(300).to_csv("patients.csv", index=False)


def synthesize(acceptance, *options):
    Path("asked.json").write_text(json.dumps(acceptance))
    words = ["synthesize", "patients.csv", "--target", "died", "--model", "independent", "--out", "release"]
    return terminal.run(app, [*words, "--acceptance", "asked.json", *options])


def test_a_release_is_judged_by_what_its_protocol_declares(capsys):
    acceptance = {"thresholds": [LINKED, COPIES], **POWER}
    assert synthesize(acceptance) == 0
    out = capsys.readouterr().out
    release = sl.Bundle.open("release")
    assert read_acceptance(release.file("protocol.json")) == acceptance
    told = json.loads(release.file("gate.json").read_bytes())
    assert told["acceptance"] == acceptance and told["results"][0]["measured"]
    report = sl.read_table(release.file("report.csv"))
    assert {"linkability_risk", "linkability_risk_control"} <= set(report["metric"])
    assert release.parameters["gate"] == judge(report, acceptance).describe()
    assert f"gate: {told['verdict']}" in out and "linkability_risk" in out
    assert terminal.run(app, ["record", "release"]) == 0


@pytest.mark.parametrize(
    ("acceptance", "options", "said"),
    [
        ({"thresholds": [LINKED]}, [], "expected power beside thresholds on attacks"),
        ({"thresholds": [{"metric": "accuracy", "at_most": 1}]}, [], "which none fits"),
        ({"note": 1}, [], "expected thresholds in asked.json, got none"),
        ({"thresholds": [COPIES]}, ["--no-scores"], "--acceptance"),
    ],
)
def test_what_nobody_could_judge_by_is_refused_before_any_work(capsys, acceptance, options, said):
    assert synthesize(acceptance, *options) == 2
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["asked.json", "patients.csv"]
