"""The noisy tree: what each question may change by one patient, and what is learnt from its answers."""

import numpy as np
import pytest
from conftest import make_cohort

from synthlib.models.private_encoding import add_noise, make_encoder, make_grids
from synthlib.models.private_marginals import choose_hub, fit_tree, group_states, shrink
from synthlib.models.secrecy import SecretRandom


@pytest.fixture(scope="module")
def encoder(cohort_schema, cohort):
    grids = make_grids(cohort_schema)
    counts = [grid.count(cohort[grid.column.name]) for grid in grids]
    return make_encoder(cohort_schema, grids, counts, 3.0, 10)


@pytest.fixture(scope="module")
def states(encoder, cohort):
    return encoder.encode(cohort, np.random.default_rng(0))[0]


def ask_all(states, encoder, hub, answers=None, num_patients=600):
    """Exact answers, while the tree is told those given (or the exact ones with noise)."""
    asked, told = [], []

    def ask(name, exact):
        asked.append((name, np.array(exact)))
        told.append(add_noise(exact, 5.0, SecretRandom()) if answers is None else answers[len(told)])
        return told[-1]

    scales = {"tables": 5.0, "scores": 5.0, "edges": 5.0}
    return asked, told, fit_tree(states, encoder, hub, ask, scales, num_patients)


@pytest.mark.parametrize("target", ["died", None])
def test_one_patient_changes_each_answer_by_what_is_paid_for(states, encoder, target):
    """Neighbours are told the same; what they would have said may differ by the sensitivity alone."""
    hub = choose_hub(encoder, target)
    asked, told, tree = ask_all(states, encoder, hub)
    for gone in range(0, len(states), 40):
        others, _, same = ask_all(np.delete(states, gone, axis=0), encoder, hub, told)
        assert [name for name, _ in asked] == [name for name, _ in others]
        assert [edge[:2] for edge in tree.edges] == [edge[:2] for edge in same.edges]
        for (name, one), (_, other) in zip(asked, others, strict=True):
            change = np.abs(one - other)
            assert change.max() <= 1 + 1e-9
            assert name == "scores" or change.sum() == 1


@pytest.mark.parametrize("target", ["died", None])
def test_no_more_is_asked_than_the_plan_pays_for(states, encoder, target):
    hub = choose_hub(encoder, target)
    names = [name for name, _ in ask_all(states, encoder, hub)[0]]
    num_columns = states.shape[1]
    assert names.count("tables") <= num_columns and names.count("scores") == 1
    assert names.count("edges") <= num_columns - 1


def test_relations_come_through_the_noise(cohort_schema):
    table = make_cohort(3000, seed=4)
    schema = cohort_schema.replace("lab", low=0.0, high=20.0).replace("age", low=18, high=95)
    grids = make_grids(schema)
    counts = [grid.count(table[grid.column.name]) for grid in grids]
    encoder = make_encoder(schema, grids, counts, 3.0, 10)
    states = encoder.encode(table, np.random.default_rng(0))[0]
    tree = ask_all(states, encoder, choose_hub(encoder, "died"), num_patients=3000)[2]
    rng = np.random.default_rng(1)
    drawn = tree.draw(20_000, rng)
    drawn = encoder.decode(drawn, rng.uniform(-1, 1, drawn.shape).astype(np.float32))
    assert ((drawn["group"] == "chronic") != (drawn["disease"] == "cancer")).mean() < 0.08
    missing = drawn["lab"].isna().groupby(drawn["disease"]).mean()
    assert missing["cancer"] > missing["sepsis"] + 0.3  # 0.45 in truth
    died = drawn.groupby("disease")["died"].mean()
    assert died["sepsis"] > died["cancer"] + 0.15  # 0.26 in truth


def test_pure_noise_shrinks_to_nothing_and_a_strong_relation_stays():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 3, (12, 9))
    assert np.linalg.norm(shrink(noise, 3)) < 0.35 * np.linalg.norm(noise)
    truth = 60 * np.outer(np.linspace(-1, 1, 12), np.linspace(-1, 1, 9))
    assert np.linalg.norm(shrink(truth + noise, 3) - truth) < 0.6 * np.linalg.norm(noise)


def test_groups_are_neighbours_of_about_equal_mass():
    groups = group_states(np.ones(20), 5)
    assert (np.diff(groups) >= 0).all() and np.bincount(groups).tolist() == [4] * 5
    assert group_states(np.ones(4), 5).tolist() == [0, 1, 2, 3]
