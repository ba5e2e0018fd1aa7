"""`synthlib evaluate`: scores, reports and gates."""

import json
from pathlib import Path

import pytest
from command_line_helpers import listing, patients
from conftest import make_cohort

import synthlib as sl
from synthlib.commands.evaluating import write
from synthlib.scores import Score, to_report

pytest_plugins = ["command_line_fixtures"]
pytestmark = pytest.mark.usefixtures("own_folder")


def test_evaluate_scores_and_writes(released, run):
    folder, *_ = released
    tables = [
        folder / "data" / "train.csv",
        folder / "data" / "holdout.csv",
        folder / "release" / "synthetic.csv",
    ]
    code, out, _ = run("evaluate", *tables, "--target", "died", "--out", "report.csv")
    assert code == 0
    report = sl.read_table("report.csv").set_index("metric")
    assert "Are pairs of columns distributed" in out
    assert f"{report.loc['marginal_accuracy_2way', 'value']:.3f}" in out
    kept = sl.read_table(folder / "scores.csv").set_index("metric")
    assert report.loc["ks[age]"].to_dict() == kept.loc["ks[age]"].to_dict()
    assert (folder / "scores.csv").stat().st_mode & 0o077 == 0
    recorded = sl.read_table(folder / "release" / "report.csv").set_index("metric")
    assert "ks[age]" not in recorded.index
    assert recorded["value"].tolist() == kept.loc[recorded.index, "value"].round(3).tolist()


def test_evaluate_counts_what_cannot_be(released, run):
    """Impossible values of a synthetic table must not be tidied away before they are scored."""
    folder, *_ = released
    made = sl.read_table(folder / "release" / "synthetic.csv")
    made["age"] += 1000
    sl.write_table(made, "synthetic.csv")
    tables = [folder / "data" / "train.csv", folder / "data" / "holdout.csv", "synthetic.csv"]
    assert run("evaluate", *tables, "--target", "died", "--out", "report.csv")[0] == 0
    found = sl.read_table("report.csv").set_index("metric").loc["invalid_share", "value"]
    assert found == pytest.approx(1 / len(made.columns))


def test_evaluate_overwrites_none_of_its_tables(released, run):
    patients().drop(columns=["name", "mrn"]).to_csv("t.csv", index=False)
    before = listing(".")
    for out in ("t.csv", "./t.csv", "report.txt"):
        code, _, err = run("evaluate", "t.csv", "t.csv", "t.csv", "--out", out)
        assert code == 2 and "--out" in err
    patients().to_csv("others.csv", index=False)
    for name in ("schema.json", "page.html"):
        Path(name).write_text("{}")
    before = listing(".")
    for out in ("others.csv", "schema.json", "page.html"):  # not read here, and not ours to replace
        code, _, err = run("evaluate", "t.csv", "t.csv", "t.csv", "--out", out)
        assert code == 2 and "an earlier report" in err
    words = ("--out", "new", "--model", "independent", "--save-report", "others.csv")
    code, _, err = run("synthesize", "t.csv", *words)
    assert code == 2 and "an earlier report" in err
    code, _, err = run("evaluate", "t.csv", "t.csv", "t.csv", "--out", ".")
    assert code == 2 and "choose another folder" in err
    assert listing(".") == before


def test_evaluate_attacks_without_thresholds_and_by_declared_settings(released, run, monkeypatch):
    from synthlib.evaluation import report as module
    from synthlib.evaluation.leakage import privacy

    monkeypatch.setattr(module, "METRICS", (privacy.exact_copies,))
    folder, *_ = released
    names = ("data/train.csv", "data/holdout.csv", "release/synthetic.csv")
    words = ["evaluate", *(folder / name for name in names), "--target", "died"]
    code, _, err = run(*words, "--attacks", "--out", "report")
    assert code == 0, err
    attacks = sl.read_table("report/leakage.csv")
    assert set(attacks["table"]) == {"synthetic", "copy", "leak", "perturbed", "fresh"}
    assert "Attacks and their controls" in Path("report/report.html").read_text(encoding="utf-8")
    told = {"thresholds": [{"metric": "exact_copies", "at_most": 1}], "evaluation": {"seed": 7}}
    Path("thresholds.json").write_text(json.dumps(told))
    code, out, err = run(*words, "--acceptance", "thresholds.json", "--gate", "--out", "judged", "--public")
    assert code == 0 and "gate: passed" in out, err
    assert json.loads(Path("judged/report.json").read_bytes())["gate"]["evaluation"]["seed"] == 7


def test_evaluate_judges_and_writes_a_folder(released, run):
    folder, *_ = released
    names = ("data/train.csv", "data/holdout.csv", "release/synthetic.csv")
    words = ["evaluate", *(folder / name for name in names), "--target", "died"]
    for limit, expected in ((1.0, 0), (-1.0, 3)):
        told = {"thresholds": [{"metric": "invalid_share", "at_most": limit}]}
        Path("thresholds.json").write_text(json.dumps(told))
        options = ["--acceptance", "thresholds.json", "--gate", "--out", "report", "--public"]
        code, out, err = run(*words, *options)
        assert code == expected, err
        assert f"gate: {'failed' if expected else 'passed'}\n" in out and "invalid_share" in out
    assert sorted(path.name for path in Path("report").iterdir()) == [
        "report.csv",
        "report.html",
        "report.json",
    ]
    found = json.loads(Path("report/report.json").read_bytes())
    assert found["is_public"] and found["gate"]["verdict"] == "failed"
    assert "Public." in Path("report/report.html").read_text(encoding="utf-8")
    Path("thresholds.json").write_text('{"thresholds": [{"metric": "accuracy", "at_most": 1}]}')
    code, _, err = run(*words, "--acceptance", "thresholds.json")
    assert code == 2 and "which none fits" in err


def test_a_public_page_names_no_column_whose_scores_are_withheld(tmp_path):
    table = make_cohort(60)
    schema = sl.Schema.infer(table, target="died")
    report = to_report([Score("ks[lab]", *[float("nan")] * 4), Score("exact_copies", *[float("nan")] * 4)])
    report.attrs["notes"] = ["could not be computed (too few values): ks[lab]", "something else"]
    write(report, tmp_path / "out", None, schema, (table, table, table), 0, True)
    for name in ("report.html", "report.json", "report.csv"):
        assert "ks[lab]" not in (tmp_path / "out" / name).read_text(encoding="utf-8")
    notes = json.loads((tmp_path / "out" / "report.json").read_bytes())["notes"]
    assert notes[0] == "something else" and notes[1].endswith("values): exact_copies") and len(notes) == 2


def test_a_page_without_outcomes_in_the_holdout_lacks_its_figure_alone(tmp_path):
    """Found after minutes of scoring, that there is nothing to draw must not lose the scores."""
    table = make_cohort(60).astype({"died": float})
    schema = sl.Schema.infer(table, target="died").replace("died", nullable=True)
    report = to_report([Score("invalid_share", 0.0, 0.0, 0.1, 0.0)])
    for holdout, drawn in ((table[40:], True), (table[40:].assign(died=float("nan")), False)):
        write(report, tmp_path / "page.html", None, schema, (table[:40], holdout, table[:40]), 0, False)
        assert ("<figure>" in (tmp_path / "page.html").read_text(encoding="utf-8")) == drawn
