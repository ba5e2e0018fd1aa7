"""Attacks stay with their report: every control, every conclusion, in page and folder, public or not."""

import dataclasses
import json

import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.evaluation import report as module
from synthlib.evaluation.fairness.representation import group_fidelity
from synthlib.evaluation.fidelity import tables as fidelity
from synthlib.evaluation.leakage import privacy
from synthlib.evaluation.leakage.results import add_leakage, find_leakage, publish_leakage
from synthlib.evaluation.leakage.suite import leakage_report
from synthlib.evaluation.report import evaluate
from synthlib.evaluation.usefulness import inference_agreement
from synthlib.gate import judge
from synthlib.paper.page import render_page
from synthlib.release import public_report
from synthlib.reporting import FILES, LEAKAGE_FILE, report_to_json, write_report
from synthlib.scores import Score

FEW = {"seed": 3, "max_targets": 30}
ASKED = {"thresholds": [{"metric": "exact_copies", "at_most": 1}], "evaluation": FEW | {"attacks": True}}


@pytest.fixture(scope="module")
def parts():
    table = make_cohort(200)
    rows = [table.iloc[a:b].reset_index(drop=True) for a, b in ((0, 80), (80, 140), (140, 200))]
    return *rows, sl.Schema.infer(table, target="died")


@pytest.fixture(scope="module")
def report(parts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "METRICS", (privacy.exact_copies,))
        return evaluate(*parts, attacks=True, progress=False, **FEW)


def test_the_whole_table_of_attacks_is_kept(parts, report):
    alone = leakage_report(*parts, progress=False, **FEW)
    pd.testing.assert_frame_equal(find_leakage(report), alone, check_dtype=False)
    assert set(find_leakage(report)["table"]) == {"synthetic", "copy", "leak", "perturbed", "fresh"}
    assert find_leakage(report[["metric", "value", "low", "high", "reference"]]) is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "METRICS", (privacy.exact_copies,))
        plain = evaluate(*parts, progress=False, **FEW)
    assert find_leakage(plain) is None and plain.attrs["evaluation"] == FEW | {"attacks": False}


def test_a_page_shows_conclusions_and_all_controls_without_being_asked(report):
    for each, heading in ((report, "Confidential."), (public_report(report), "Public.")):
        page = render_page(each)
        attacks = page.partition('id="attacks"')[2].partition("</section>")[0]
        assert heading in page
        for words in ("copy", "leak", "perturbed", "fresh"):
            assert f"on {words}" in attacks
        assert "p value" in attacks and "blind to" in attacks and "Inconclusive:" in attacks
        assert attacks.count('class="badge') == len(find_leakage(report).groupby(["attack", "population"]))


def test_what_is_published_is_rounded_and_counts_nobody(report, tmp_path):
    whole, public = find_leakage(report), find_leakage(public_report(report), public=True)
    assert "note" in whole and "note" not in public
    assert public["value"].dropna().equals(whole["value"].dropna().round(3) + 0.0)
    pd.testing.assert_frame_equal(publish_leakage(whole), public)
    write_report(public_report(report), tmp_path / "public")
    write_report(report, tmp_path / "whole")
    for folder in ("public", "whole"):
        assert {path.name for path in (tmp_path / folder).iterdir()} == {*FILES, LEAKAGE_FILE}
    assert (tmp_path / "whole" / LEAKAGE_FILE).stat().st_mode & 0o077 == 0
    header = (tmp_path / "public" / LEAKAGE_FILE).read_text().splitlines()[0]
    assert "conclusion" in header and "blind_to" in header and "note" not in header
    assert "note" in (tmp_path / "whole" / LEAKAGE_FILE).read_text().splitlines()[0]
    told = json.loads(report_to_json(public_report(report)))["leakage"]
    assert len(told) == len(whole) and "note" not in told[0]
    assert "note" in json.loads(report_to_json(report))["leakage"][0]
    given = render_page(public_report(report), leakage=whole)
    assert whole["note"].iloc[0] not in given


def test_settings_are_those_that_the_gate_compares(parts, report):
    assert judge(public_report(report), ASKED).outcome == "passed"
    again = judge(report, ASKED | {"evaluation": {"seed": 4}})
    assert (again.outcome, again.standing) == ("failed", "inconclusive")
    page = render_page(report, gate=again)
    assert "evaluated otherwise than the protocol declares" in page and "seed was 3, declared: 4" in page
    assert judge(report, {"thresholds": ASKED["thresholds"]}).used is None
    few = {"max_targets": 30, "progress": False, "attacks": {}, "secrets": []}
    other = add_leakage(report[:1], leakage_report(*parts, seed=9, **few))
    assert other.attrs["evaluation"]["attacks"] == "chosen by hand"
    assert other.attrs["evaluation"]["attacks_seed"] == 9
    assert judge(other, ASKED).outcome == "failed" and len(judge(other, ASKED).differing) == 2


def test_samples_of_columns_are_noted_as_rows_are(parts, monkeypatch):
    *tables, schema = parts
    metrics = (fidelity.marginal_accuracy, inference_agreement.inference_scores, group_fidelity)
    monkeypatch.setattr(module, "METRICS", metrics)
    monkeypatch.setattr(inference_agreement, "MAX_PREDICTORS", 2)
    monkeypatch.setattr("synthlib.evaluation.fairness.representation.MAX_PAIRS", 4)
    count = len(schema.modelled)
    protected = dataclasses.replace(schema, protected=("group",))
    notes = evaluate(*tables, protected, progress=False).attrs["notes"]
    pairs = count * (count - 1) // 2
    assert f"sampled: 4 of {pairs} pairs of columns were looked at by group_fidelity" in notes
    assert any("predictors (the first) were looked at by inference_scores" in note for note in notes)
    monkeypatch.setattr(fidelity.marginal_accuracy, "__defaults__", ((1, 2, 3), 5))
    notes = evaluate(*tables, protected, progress=False).attrs["notes"]
    triples = count * (count - 1) * (count - 2) // 6
    assert f"sampled: 5 of {triples} triples of columns were looked at by marginal_accuracy" in notes


def test_an_absurd_value_is_missing_and_not_infinite(parts, monkeypatch):
    def overflow(*_):
        return sl.Score("exact_copies", float("-inf"), 0.0, 0.0, 0.0)

    monkeypatch.setattr(module, "METRICS", (overflow,))
    found = evaluate(*parts, progress=False)
    assert found["value"].isna().all() and "could not be computed" in found.attrs["notes"][-1]


@pytest.mark.parametrize("sizes", [(3, 60), (80, 3)])
def test_too_few_to_attack_is_said_before_any_work(parts, monkeypatch, sizes):
    """Three patients can be scored, not attacked: whoever asks for attacks waits for no score first."""
    train, holdout, synthetic, schema = parts
    small = train[: sizes[0]], holdout[: sizes[1]], synthetic, schema
    done = []

    def work(*tables):
        done.append(tables)
        return Score("exact_copies", 0.0, 0.0, 0.1, 0.0)

    monkeypatch.setattr(module, "METRICS", (work,))
    with pytest.raises(ValueError, match=f"got {sizes[0]} and {sizes[1]}: .*without attacks"):
        evaluate(*small, attacks=True, progress=False)
    with pytest.raises(ValueError, match="max_targets of at least 2"):
        evaluate(*parts, attacks=True, progress=False, max_targets=1)
    assert not done
    evaluate(*small, progress=False)
    assert done
