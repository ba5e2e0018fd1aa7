"""Membership attacks: worked distances, and that leaking more is seen more."""

import numpy as np
import pandas as pd
import pytest
from leakage_tables import SIMPLE, draw_patients, simple_table
from scipy.stats import rankdata

import synthlib as sl
from synthlib.evaluation.intervals import auroc
from synthlib.evaluation.leakage import attacks


def score(attack, synthetic, reference, targets, schema=SIMPLE, seed=0):
    return attack(synthetic, reference, targets, schema, np.random.default_rng(seed))


def test_nearest_of_four_rows():
    # reference and synthetic hold 0 10 20 30 10 20, of which the mid-ranks are 1/12, 4/12, 8/12, 11/12;
    # 0 is a quarter from 10, 30 a quarter from 20; 10 in ward b is one level away
    synthetic, reference = simple_table([10, 20], "aa"), simple_table([0, 10, 20, 30], "aabb")
    targets = simple_table([0, 30, 10, 10], "aaab")
    found = score(attacks.nearest, synthetic, reference, targets)
    assert found == pytest.approx([-0.25, -0.25, 0, -1])


def test_domias_of_four_rows():
    # each table has one row, so each density is one distance: a target at the synthetic row and one at the
    # other, whose ranks are 1/4 and 3/4
    synthetic, reference = simple_table([0], "a"), simple_table([10], "a")
    found = score(attacks.domias, synthetic, reference, simple_table([0, 10, 0, 10], "aabb"))
    near, far = np.log(1e-3), np.log(0.501)
    apart = np.log(np.sqrt(1 + 0.25) + 1e-3) - np.log(1 + 1e-3)
    assert found == pytest.approx([far - near, near - far, apart, -apart])


def test_domias_kernel_of_four_rows():
    # one reference row: its nearest neighbour is itself, so the bandwidth is the smallest, 0.05
    synthetic, reference = simple_table([0], "a"), simple_table([10], "a")
    found = score(attacks.domias_kernel, synthetic, reference, simple_table([0, 10, 0, 10], "aabb"))
    assert found == pytest.approx(np.array([1, -1, 1, -1]) * 0.5**2 / (2 * 0.05**2))


def test_the_classifier_knows_the_rows_it_learnt_from():
    patients, others, reference = (draw_patients(300, seed) for seed in (1, 2, 3))
    schema = sl.Schema.infer(pd.concat([patients, others, reference]))
    targets = pd.concat([patients, others], ignore_index=True)
    found = score(attacks.classifier, patients, reference, targets, schema)
    assert auroc(np.arange(600) < 300, found) > 0.6


@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_a_table_against_itself_says_nothing(name):
    """Where synthetic and reference are one table, densities cancel; no row is called a member for sure."""
    table, targets = draw_patients(80, 1), draw_patients(40, 2)
    schema = sl.Schema.infer(pd.concat([table, targets]))
    found = score(attacks.ATTACKS[name], table, table, targets, schema)
    assert found.shape == (40,)
    if name.startswith("domias"):
        assert found == pytest.approx(np.zeros(40), abs=1e-9)


@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_the_more_is_leaked_the_more_is_seen(name):
    members, fresh, others, reference = (draw_patients(240, seed) for seed in (1, 2, 3, 4))
    schema = sl.Schema.infer(pd.concat([members, fresh, others, reference]))
    targets, truth = pd.concat([members, others], ignore_index=True), np.arange(480) < 240
    seen = []
    for leaked in (0, 120, 240):
        made = pd.concat([members[:leaked], fresh[leaked:]], ignore_index=True)
        seen.append(auroc(truth, score(attacks.ATTACKS[name], made, reference, targets, schema)))
    assert seen[0] < seen[1] < seen[2]
    assert seen[0] == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("name", ["nearest", "domias"])
def test_the_more_noise_the_less_is_seen(name):
    members, others, reference = (draw_patients(240, seed) for seed in (1, 3, 4))
    schema = sl.Schema.infer(pd.concat([members, others, reference]))
    targets, truth = pd.concat([members, others], ignore_index=True), np.arange(480) < 240
    rng, seen = np.random.default_rng(0), []
    for noise in (0, 0.3, 3):
        made = members.copy()
        for lab in [name for name in made if name.startswith("lab")]:
            made[lab] = made[lab] + noise * rng.normal(size=240)
        seen.append(auroc(truth, score(attacks.ATTACKS[name], made, reference, targets, schema)))
    assert seen[0] > seen[1] > seen[2]
    assert seen[0] > 0.99


def test_scores_do_not_depend_on_who_else_is_asked_about():
    table, reference, targets = (draw_patients(60, seed) for seed in (1, 2, 3))
    schema = sl.Schema.infer(pd.concat([table, reference, targets]))
    for attack in attacks.ATTACKS.values():
        whole = score(attack, table, reference, targets, schema)
        assert score(attack, table, reference, targets[:7], schema) == pytest.approx(whole[:7])


def test_shadow_generators_that_copy_teach_what_copies_look_like():
    members, others, reference = (draw_patients(120, seed) for seed in (1, 3, 4))
    schema = sl.Schema.infer(pd.concat([members, others, reference]))
    targets, truth = pd.concat([members, others], ignore_index=True), np.arange(240) < 120

    def copy(rows, num_rows, seed):
        return rows.sample(num_rows, replace=True, random_state=seed)

    attack = attacks.shadow_attack(copy, num_shadows=2)
    assert auroc(truth, score(attack, members, reference, targets, schema)) > 0.95
    fresh = score(attack, draw_patients(120, 9), reference, targets, schema)
    assert auroc(truth, fresh) == pytest.approx(0.5, abs=0.12)
    assert not score(attack, members, reference[:8], targets, schema).any()


def test_shadow_ranks_are_those_of_the_attacks():
    table, reference, targets = (draw_patients(30, seed) for seed in (1, 2, 3))
    schema = sl.Schema.infer(pd.concat([table, reference, targets]))
    ranks = attacks._attack_ranks(table, reference, targets, schema, np.random.default_rng(0))
    wanted = rankdata(score(attacks.domias, table, reference, targets, schema)) / 30
    assert ranks[:, 1] == pytest.approx(wanted)
