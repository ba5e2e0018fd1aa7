"""Leakage where patients have several rows: a person's other rows are neither evidence nor a reference."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import synthlib as sl
from synthlib.evaluation.features import patients_of, pick_a_row_each
from synthlib.evaluation.leakage import privacy
from synthlib.evaluation.leakage.likelihoods import likelihood_attack
from synthlib.evaluation.leakage.suite import leakage_report, make_world

STAYS = 3


def stays(num_patients: int, first: int) -> pd.DataFrame:
    """Three rows a patient, which are much alike."""
    rng = np.random.default_rng(first)
    usual = rng.normal(size=(num_patients, 4)).repeat(STAYS, axis=0)
    table = pd.DataFrame(usual + 0.05 * rng.normal(size=usual.shape), columns=list("abcd")).round(3)
    table["died"] = (table["a"] + rng.normal(size=len(table)) > 0).astype(int)
    table["patient"] = np.arange(num_patients).repeat(STAYS) + first
    return table.iloc[rng.permutation(len(table))].reset_index(drop=True)


@pytest.fixture(scope="module")
def tables():
    """Train, holdout, and rows of others again, which know nothing of either; and their Schema."""
    train, holdout, fresh = stays(200, 1), stays(200, 1001), stays(200, 2001)
    return train, holdout, fresh, sl.Schema.infer(pd.concat([train, holdout]), "died", "patient")


def rng():
    return np.random.default_rng(0)


def test_a_row_each():
    table = pd.DataFrame({"patient": [7, 7, 8, 9, 9, 9], "lab": [1.0, 2, 3, 4, 5, 6]})
    schema = sl.Schema.infer(table, patient_id="patient")
    assert patients_of(table, schema).tolist() == [0, 0, 1, 2, 2, 2]
    picked = [pick_a_row_each(table, schema, np.random.default_rng(seed)).tolist() for seed in range(40)]
    assert all(rows == sorted(rows) and table["patient"][rows].tolist() == [7, 8, 9] for rows in picked)
    assert {tuple(rows) for rows in picked} == {(a, 2, c) for a in (0, 1) for c in (3, 4, 5)}
    without = sl.Schema.infer(table)
    assert patients_of(table, without).tolist() == pick_a_row_each(table, without, rng()).tolist()


def test_nobody_is_asked_about_twice_or_held_by_the_attacker_too(tables):
    train, holdout, _, schema = tables
    world = make_world(train, holdout, schema, rng())
    groups = [set(turn.reference["patient"]) for turn in world.turns]
    groups += [set(world.members["patient"]), set(world.rest["patient"])]
    assert len(set.union(*groups)) == sum(map(len, groups)) == 400
    assert not world.members["patient"].duplicated().any()
    assert not world.others["patient"].duplicated().any()
    assert len(world.rest) == STAYS * 100  # the rest of train is there whole


def test_rows_that_know_nothing_are_not_accused(tables):
    train, holdout, fresh, schema = tables
    found = leakage_report(train, holdout, fresh, schema, progress=False, secrets=["died"])
    assert "caught" not in set(found["conclusion"])
    of_domias = found[found["metric"] == "membership_auroc[domias]"].set_index("table")
    assert set(of_domias["conclusion"]) == {"not caught"}
    for name in ("synthetic", "fresh"):
        assert of_domias.loc[name, "low"] < 0.5 < of_domias.loc[name, "high"]
    assert any("one row of each patient" in note for note in found.attrs["notes"])


def test_nor_by_the_attack_in_every_report_or_by_an_auditor_with_likelihoods(tables):
    train, holdout, fresh, schema = tables
    score, control = privacy.membership_attack(train, holdout, fresh, schema, rng())
    assert score.low < 0.5 < score.high and control.low > 0.8
    names = ["a", "b", "c", "d"]

    def fit(rows, seed):
        """Rows near to what was learnt from are likely."""
        points = rows[names].to_numpy()

        def log_likelihood(asked):
            squares = ((asked[names].to_numpy()[:, None] - points[None]) ** 2).sum(axis=2)
            return np.log(np.exp(-squares / 0.02).mean(axis=1) + 1e-9)

        return log_likelihood

    scores, p_value = likelihood_attack(fit(fresh, 0), fit, train, holdout, schema)
    assert scores[0].low < 0.5 < scores[0].high and p_value > 0.01
    assert likelihood_attack(fit(train, 0), fit, train, holdout, schema)[0][0].low > 0.9


def test_the_interval_of_distances_is_about_patients(tables):
    """Three rows of a patient fall together: they are no three witnesses."""
    train, holdout, fresh, schema = tables
    named = privacy.dcr_share(train, holdout, fresh, schema, rng())
    rows = privacy.dcr_share(train, holdout, fresh, schema.drop(["patient"]), rng())
    assert named.value == rows.value and named.high - named.low > 1.1 * (rows.high - rows.low)


def test_copies_are_caught_all_the_same(tables):
    train, holdout, _, schema = tables
    found = leakage_report(train, holdout, train, schema, progress=False, secrets=["died"])
    caught = set(found[found["conclusion"] == "caught"]["attack"])
    assert {"membership[domias]", "membership[nearest]", "linkability"} <= caught


def test_three_patients_are_too_few_however_many_rows(tables):
    train, holdout, fresh, schema = tables
    few = holdout[holdout["patient"] < 1004]
    with pytest.raises(ValueError, match="different patients in train and holdout, got 200 and 3"):
        leakage_report(train, few, fresh, schema, progress=False)


def test_nearest_rows_are_as_sure_as_there_are_patients(tables):
    """Every row's nearest is in train; how sure that is depends on five patients, not on 15 rows."""
    train, _, _, schema = tables
    few = stays(5, 3001)
    of_rows = dataclasses.replace(schema, patient_id=None)
    lows = [privacy.dcr_share(train, few, train, each, rng()).low for each in (schema, of_rows)]
    first = few.drop_duplicates("patient").reset_index(drop=True)
    train = train.drop_duplicates("patient").reset_index(drop=True)
    assert lows[0] == pytest.approx(privacy.dcr_share(train, first, train, schema, rng()).low)
    assert lows[0] < lows[1]
