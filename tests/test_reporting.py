"""A report as files: what they hold, who may read them, and that nothing is lost by writing."""

import json
import math
import stat

import pandas as pd
import pytest

from synthlib.bundle import canonical_json
from synthlib.chain.protocols import Protocol
from synthlib.evaluation.leakage.suite import add_leakage
from synthlib.gate import judge
from synthlib.paper.page import render_page
from synthlib.release import public_report
from synthlib.reporting import FILES, read_acceptance, report_to_json, write_report
from synthlib.scores import Score, to_report

NAN = math.nan
ACCEPTANCE = {
    "thresholds": [{"metric": "membership_auroc*", "worst": True, "at_most": 0.55, "bound": "high"}]
}


@pytest.fixture
def report():
    found = to_report([Score("exact_copies", 0.0, 0.0, 0.01, NAN), Score("ks[age]", 0.12345, 0.1, 0.2, 0.1)])
    found.attrs["notes"] = ["sampled: 1 of 2 rows"]
    return found


def leakage(copy):
    rows = [
        ("domias", "synthetic", Score("membership_auroc[domias]", 0.5, 0.48, 0.52, 0.5)),
        ("domias", "copy", Score("membership_auroc[domias]", copy, copy - 0.02, copy + 0.02, 0.5)),
        ("domias", "fresh", Score("membership_auroc[domias]", 0.5, 0.48, 0.52, 0.5)),
        ("linkability", "synthetic", Score("linkability_risk", 0.01, 0.0, 0.02, 0.0)),
        ("linkability", "copy", Score("linkability_risk", 0.9, 0.8, 1.0, 0.0)),
    ]
    table = pd.DataFrame([{"attack": a, "table": t} | s._asdict() for a, t, s in rows])
    table.attrs["notes"] = ["asked about 10 rows"]
    return table


@pytest.mark.parametrize(("copy", "expected"), [(0.9, "passed"), (0.5, "failed")])
def test_attacks_join_the_report_with_their_controls(report, copy, expected):
    joined = add_leakage(report, leakage(copy))
    assert set(joined["metric"]) - set(report["metric"]) == {
        *("membership_auroc[domias]", "membership_auroc_control[domias]"),
        *("linkability_risk", "linkability_risk_control"),
    }
    assert joined.attrs["notes"] == ["sampled: 1 of 2 rows", "asked about 10 rows"]
    verdict = judge(joined, ACCEPTANCE)
    assert verdict.outcome == expected
    assert verdict.results[0]["outcome"] == ("passed" if expected == "passed" else "inconclusive")


def test_json_is_canonical_and_nan_is_null(report):
    data = report_to_json(report, judge(report, ACCEPTANCE))
    told = json.loads(data)
    assert canonical_json(told) == data
    assert told["scores"][0] == {
        **{"metric": "exact_copies", "area": "leakage", "value": 0.0, "low": 0.0, "high": 0.01},
        "reference": None,
    }
    assert told["notes"] == ["sampled: 1 of 2 rows"] and not told["is_public"]
    assert told["gate"]["verdict"] == "failed" and told["gate"]["results"][0]["outcome"] == "not measured"
    told = json.loads(report_to_json(public_report(report)))
    assert told["is_public"] and told["gate"] is None and len(told["scores"]) == 1


def test_a_folder_gets_three_files_whole(report, tmp_path):
    write_report(report, tmp_path / "out" / "one")
    folder = tmp_path / "out" / "one"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    assert (folder / "report.html").read_text(encoding="utf-8") == render_page(report)
    write_report(public_report(report), folder)  # takes the place of an earlier report
    assert "ks[age]" not in (folder / "report.csv").read_text()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one"]
    (folder / "mine.txt").write_text("kept")
    with pytest.raises(FileExistsError, match=r"found mine\.txt"):
        write_report(report, folder)
    assert (folder / "mine.txt").read_text() == "kept"


def test_a_failure_leaves_what_was_there(report, tmp_path):
    write_report(report, tmp_path / "one")
    before = (tmp_path / "one" / "report.html").read_bytes()
    with pytest.raises(TypeError):
        write_report(report, tmp_path / "one", nonsense=1)
    assert (tmp_path / "one" / "report.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("suffix", [".csv", ".json", ".html"])
def test_a_file_is_written_by_its_suffix(report, tmp_path, suffix):
    path = tmp_path / f"report{suffix}"
    write_report(report, path)
    starts = {".csv": b"metric,value", ".json": b"{", ".html": b"<!DOCTYPE html>"}
    assert path.read_bytes().startswith(starts[suffix]) and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_thresholds_are_read_from_a_protocol_or_alone(tmp_path):
    Protocol("c", "s", [], "m", ACCEPTANCE, None).save(tmp_path / "protocol.json")
    (tmp_path / "alone.json").write_text(json.dumps(ACCEPTANCE))
    assert (
        read_acceptance(tmp_path / "protocol.json") == read_acceptance(tmp_path / "alone.json") == ACCEPTANCE
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "expected JSON"), ('"words"', "got none"), ('{"thresholds": []}', "at least one")],
)
def test_a_file_without_thresholds_is_refused(tmp_path, text, said):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_acceptance(tmp_path / "a.json")


@pytest.mark.parametrize("name", ["report.csv", "report.json", "report.html"])
def test_a_file_is_replaced_if_it_is_a_report_and_else_left_alone(report, tmp_path, name):
    out = tmp_path / name
    write_report(report, out)
    before = out.read_bytes()
    write_report(report, out, **({"title": "Another"} if name.endswith("html") else {}))
    write_report(report, out)
    assert out.read_bytes() == before
    for other in ("name,age\nAda,36\n", '{"columns": []}', "<!DOCTYPE html><title>Ward 7</title>", ""):
        out.write_text(other)
        with pytest.raises(FileExistsError, match="an earlier report"):
            write_report(report, out)
        assert out.read_text() == other
