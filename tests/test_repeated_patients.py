"""Several rows of one patient: what is resampled and counted is patients, not their rows."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.evaluation.fairness.gaps import fairness
from synthlib.evaluation.features import patients_of
from synthlib.evaluation.report import evaluate
from synthlib.evaluation.resampling import draw_weights
from synthlib.evaluation.usefulness.augmentation import augmentation_gain
from synthlib.evaluation.usefulness.cases import decision_curve, disease_prediction
from synthlib.evaluation.usefulness.importance import importance_agreement
from synthlib.evaluation.usefulness.utility import train_on_synthetic

TIMES = 9


@pytest.fixture(scope="module")
def tables():
    table = make_cohort(500).assign(patient=np.arange(500))
    schema = sl.Schema.infer(
        table, "died", patient_id="patient", protected=["group"], kinds={"patient": "identifier"}
    )
    return table[:250], table[250:400], table[400:], schema


def repeat(table):
    """Every patient with as many rows, all alike."""
    return table.loc[table.index.repeat(TIMES)].reset_index(drop=True)


def score(metric, train, holdout, synthetic, schema, **options):
    return {
        one.metric: one
        for one in metric(train, holdout, synthetic, schema, np.random.default_rng(0), **options)
    }


def test_a_patient_is_drawn_with_all_rows(tables):
    *_, holdout, schema = tables
    assert patients_of(holdout, schema).tolist() == list(range(len(holdout)))
    units = np.array([0, 1, 0, 2])
    weights = draw_weights(4, 500, np.random.default_rng(0), units)
    assert (weights[:, 0] == weights[:, 2]).all() and (weights[0] == 1).all()
    assert (weights[1:, [0, 1, 3]].sum(axis=1) == 3).all() and weights[1:].mean() == pytest.approx(1, abs=0.1)
    alone = draw_weights(4, 5, np.random.default_rng(1), np.arange(4))
    assert np.array_equal(alone, draw_weights(4, 5, np.random.default_rng(1)))


def test_rows_that_say_the_same_nine_times_do_not_make_an_interval_narrower(tables):
    train, holdout, synthetic, schema = tables
    once, often = (
        score(train_on_synthetic, train, table, synthetic, schema, learners=["logistic"])
        for table in (holdout, repeat(holdout))
    )
    for name in ("tstr_auroc_logistic", "tstr_brier_logistic", "tstr_auroc_gap_logistic"):
        widths = [one[name].high - one[name].low for one in (once, often)]
        assert often[name].value == pytest.approx(once[name].value)
        assert widths[1] == pytest.approx(widths[0], rel=0.25)


def test_a_handful_of_patients_has_no_interval_however_many_rows_it_has(tables):
    train, holdout, synthetic, schema = tables
    few = repeat(holdout.groupby("died").head(4))  # 36 rows of each kind
    found = score(train_on_synthetic, train, few, synthetic, schema, learners=["logistic"])
    found |= score(importance_agreement, train, few, synthetic, schema)
    found |= score(augmentation_gain, train, few, synthetic, schema)
    assert all(np.isnan([one.low, one.high]).all() for one in found.values())


def test_case_studies_draw_patients_too(tables):
    train, holdout, synthetic, schema = tables
    for study in (disease_prediction, decision_curve):
        once, often = (
            study(train, table, synthetic, schema, np.random.default_rng(0))
            for table in (holdout, repeat(holdout))
        )
        widths = [(one["high"] - one["low"]).mean() for one in (once, often)]
        assert widths[1] == pytest.approx(widths[0], rel=0.25)


def test_groups_with_few_patients_have_no_rates(tables):
    train, holdout, synthetic, schema = tables
    # 12 chronic patients, of whom 6 have the event: 108 rows, and 54 events
    chronic = holdout[holdout["group"] == "chronic"].head(12).assign(died=[0, 1] * 6)
    table = pd.concat([repeat(chronic), holdout[holdout["group"] == "acute"]], ignore_index=True)
    found = score(fairness, train, table, synthetic, schema)
    assert "fairness_brier[group=chronic]" in found and "fairness_auroc[group=chronic]" not in found
    by_row = dataclasses.replace(schema, patient_id=None)
    assert "fairness_auroc[group=chronic]" in score(fairness, train, table, synthetic, by_row)


def test_the_notes_say_which_intervals_know_of_patients(tables, monkeypatch):
    from synthlib.evaluation import report as module

    train, holdout, synthetic, schema = tables
    monkeypatch.setattr(module, "METRICS", (module.fidelity.invalid_share,))
    notes = evaluate(train, repeat(holdout), synthetic, schema).attrs["notes"]
    assert any(note.startswith("several rows a patient in holdout:") for note in notes)
    notes = evaluate(train, holdout, synthetic, schema).attrs["notes"]
    assert not any("several rows" in note for note in notes)
