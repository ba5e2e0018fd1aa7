import json
import shutil

import pandas as pd
import pytest
from chain_helpers import make_release

from synthlib.bundle import Bundle, Finding, inspect
from synthlib.chain.accounts import demo_account
from synthlib.chain.recording import record_bundle
from synthlib.chain.records import Record
from synthlib.chain.verification import verify
from synthlib.paper.tampering import draw_outcome, list_changes, rehearse


@pytest.fixture
def release(tmp_path):
    parameters = {
        "seed": 1,
        "model": {"b": 2.0, "a": [1, 2]},
        "flag": False,
        "name": "x",
        "none": None,
        "empty": "",
    }
    with Bundle.create(tmp_path / "release", "release", parameters) as folder:
        (folder / "synthetic.csv").write_text("age\n61\n62\n")
        (folder / "schema.json").write_text('{"columns": []}')
        (folder / "protocol.json").write_text('{"cohort": "c", "models": ["m"]}')
        attempts = [
            {"number": number, "together_from": number, "describes": {"seed": number}, "outcome": None}
            for number in (1, 2)
        ]
        (folder / "attempts.json").write_text(json.dumps({"attempts": attempts}))
    (tmp_path / "release" / "ledger").mkdir()
    record = {"record": {"spend": 7, "revoked": False}}
    (tmp_path / "release" / "ledger" / "record.json").write_text(json.dumps(record))
    (tmp_path / "release" / "ledger" / "journal.jsonl").write_text('{"line": 1}\n{"line": 2}\n')
    return tmp_path / "release"


def test_every_change_changes_the_copy_and_nothing_else(release):
    before = {path.name: path.read_bytes() for path in release.rglob("*") if path.is_file()}
    seen = []

    def look(copy):
        seen.append({path.name: path.read_bytes() for path in copy.rglob("*") if path.is_file()})
        return []

    rehearse(release, look)
    assert len(seen) == len(list_changes(release))
    assert all(after != before for after in seen)
    assert before == {path.name: path.read_bytes() for path in release.rglob("*") if path.is_file()}
    assert len({str(after) for after in seen}) >= len(seen) - 2  # few changes come to the same


def test_manifest_changes_leave_a_manifest(release):
    for change in list_changes(release):
        if change.part.startswith("manifest.json: "):
            change.apply(release)
            assert json.loads((release / "manifest.json").read_bytes())


def test_each_part_is_changed(release):
    parts = {change.part for change in list_changes(release)}
    assert parts == {
        "manifest.json", "synthetic.csv", "schema.json", "ledger/journal.jsonl", "ledger/record.json",
        "protocol.json", "attempts.json", "protocol.json: cohort", "protocol.json: models",
        "attempts.json: attempt 1", "attempts.json: attempt 2",
        "ledger/record.json: record.spend", "ledger/record.json: record.revoked",
        *(f"manifest.json: {field}" for field in (
            "digests", "format", "kind", "parameters.seed", "parameters.model", "parameters.flag",
            "parameters.name", "parameters.none", "parameters.empty",
            "files.synthetic.csv", "files.schema.json", "files.protocol.json", "files.attempts.json")),
        "ledger/journal.jsonl line 1", "ledger/journal.jsonl line 2",
    }  # fmt: skip


def test_what_a_verifier_finds_is_counted(release):
    outcome = rehearse(release, inspect).set_index("part")
    assert outcome.loc[["synthetic.csv", "schema.json"], ["found", "named"]].to_numpy().all()
    assert outcome.loc["manifest.json", "found"].all()
    assert outcome.loc["ledger/record.json", "found"].sum() == 1  # swapped; else left alone
    assert not outcome.loc["manifest.json: parameters.seed", "found"]  # nor can it know what was recorded


def test_a_blind_verifier_finds_nothing(release):
    outcome = rehearse(release, lambda copy: [Finding("synthetic.csv", "matched", "fine")])
    assert not outcome[["found", "named"]].to_numpy().any()


def test_finding_something_else_is_not_naming(release):
    outcome = rehearse(release, lambda copy: [Finding("weather", "differs", "rain")])
    assert outcome["found"].all()
    assert not outcome["named"].any()


def test_files_are_changed_with_their_manifest(release):
    """Who looks at the folder alone finds nothing wrong; what was recorded tells."""
    for change in list_changes(release):
        if change.change.endswith("rehashed"):
            copy = shutil.copytree(release, release.with_name("copy"))
            change.apply(copy)
            assert all(finding.verdict == "matched" for finding in inspect(copy))
            assert (copy / "manifest.json").read_bytes() != (release / "manifest.json").read_bytes()
            shutil.rmtree(copy)


def test_every_change_with_its_manifest_and_of_the_record_is_named(tmp_path):
    """In a recorded release, by the verification that rehearses on all of them in the study."""
    folder = make_release(tmp_path / "release").path
    record_bundle(folder, account=demo_account())
    changes = [
        change
        for change in list_changes(folder)
        if change.change.endswith("rehashed") or "record.json: " in change.part
    ]
    assert len(changes) == 6 + 4 + 2 + len(Record._fields)
    for change in changes:
        copy = shutil.copytree(folder, tmp_path / "copy")
        change.apply(copy)
        findings = [finding for finding in verify(copy) if finding.verdict == "differs"]
        said = " ".join(f"{finding.subject} {finding.detail}" for finding in findings)
        assert any(name in said for name in change.names), change
        shutil.rmtree(copy)


def test_figure_counts_each_change_and_marks_the_worst_of_a_cell(release):
    outcome = rehearse(release, inspect)
    axes = draw_outcome(outcome).axes[0]
    lines = {line.get_label(): len(line.get_xdata()) for line in axes.lines}
    alone = sum(lines.values()) - len(axes.texts)
    assert alone + sum(int(text.get_text()) for text in axes.texts) == len(outcome)
    named = int(outcome["named"].sum())
    found = int(outcome["found"].sum()) - named
    missed = int((~outcome["found"]).sum())
    assert min(named, missed) > 0
    expected = {"found and named": named, "found": found, "missed": missed}
    assert set(lines) == {f"{label} ({count})" for label, count in expected.items() if count}
    outcome.loc[outcome["part"].str.startswith("manifest.json: ").idxmax(), ["found", "named"]] = False
    lines = draw_outcome(outcome).axes[0].lines
    marks = {line.get_label().split(" (")[0]: line.get_xydata() for line in lines}
    rows = [tick.get_text() for tick in axes.get_yticklabels()]
    assert rows.index("manifest.json, part by part") in marks["missed"][:, 1]


def test_figure_stays_as_high_however_many_attempts_and_lines_there_are():
    few, many = (
        pd.DataFrame([(f"attempts.json: attempt {k}", "another value", True, True) for k in range(number)],
                     columns=["part", "change", "found", "named"])
        for number in (2, 500)
    )  # fmt: skip
    assert draw_outcome(few).get_size_inches()[1] == draw_outcome(many).get_size_inches()[1]
