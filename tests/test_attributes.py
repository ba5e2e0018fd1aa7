"""Attribute inference: worked rows, what holds of everybody, and what was learnt of single people."""

import numpy as np
import pandas as pd
import pytest
from leakage_tables import SIMPLE, draw_patients, simple_table

import synthlib as sl
from synthlib.evaluation.leakage import attributes
from synthlib.evaluation.leakage.risks import risk_p_value


def run(synthetic, reference, members, others, schema=SIMPLE, sure=1.0, **options):
    tables = (synthetic, reference, members, others)
    found = attributes.attribute_inference(*tables, schema, np.random.default_rng(0), **options)
    return attributes.guess_trials(found, sure)


def test_guesses_of_four_rows():
    # with nothing known, the likelier level is guessed: of three a and one b, a, with three quarters
    source = simple_table([1, 2, 3, 4], "aaab")
    asked = simple_table([1, 2, 3, 4], ["a", "b", "a", None])
    found = attributes.guess_secret(source, asked, [], SIMPLE["ward"], np.empty(0), np.random.default_rng(0))
    assert found.right.tolist() == [True, False, True, False]
    assert found.confidence.tolist() == [0.75] * 4
    assert np.exp(-found.surprise) == pytest.approx([0.75, 0.25, 0.75, 0], abs=1e-6)


def test_what_everybody_could_know_is_no_risk():
    """The ward follows from the lab in every table: members, others and the reference are guessed alike."""
    rng = np.random.default_rng(0)
    tables = []
    for _ in range(4):
        lab = np.round(rng.uniform(0, 30, 200), 1)
        tables.append(simple_table(lab, np.where(lab > 15, "a", "b")))
    found = run(*tables, secret="ward")
    assert found.attack.mean() > 0.95
    assert found.naive.mean() > 0.95
    assert abs(found.attack.mean() - found.control.mean()) < 0.05


@pytest.fixture(scope="module")
def tables():
    return [draw_patients(400, seed) for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def schema(tables):
    return sl.Schema.infer(pd.concat(tables), target="died", quasi_identifiers=["sex", "ward"])


@pytest.mark.parametrize("secret", ["sex", "lab_1"])
def test_the_more_is_leaked_the_more_is_guessed(tables, schema, secret):
    members, others, fresh = tables
    won = []
    for leaked in (0, 200, 400):
        made = pd.concat([members[:leaked], fresh[leaked:]], ignore_index=True)
        found = run(made, others, members, others, schema, secret=secret)
        won.append(found.attack.mean() - found.control.mean())
    assert won[0] < won[1] < won[2]
    assert abs(won[0]) < 0.12


def test_sure_guesses_are_fewer_and_better(tables, schema):
    members, others, _ = tables
    every, sure = (run(members, others, members, others, schema, secret="sex", sure=s) for s in (1.0, 0.1))
    assert len(sure.attack) + len(sure.control) == pytest.approx(80, abs=2)
    assert sure.attack.mean() > every.attack.mean()


def test_secrets_of_many_levels_are_guessed_too():
    """Copies give away which of 40 wards, and the surest guesses are compared with others'."""
    rng = np.random.default_rng(2)
    tables = []
    for _ in range(2):
        lab = np.round(rng.uniform(0, 30, 120), 1)
        tables.append(simple_table(lab, [f"d{level}" for level in rng.integers(0, 40, 120)]))
    schema = sl.Schema.infer(pd.concat(tables), target="ward")
    members, others = tables
    found = run(members, others, members, others, schema, secret="ward")
    assert found.attack.mean() > 0.8 > 0.2 > found.control.mean()
    sure = run(members, others, members, others, schema, secret="ward", sure=0.1)
    assert risk_p_value(sure) < 1e-3


@pytest.mark.parametrize(("num", "learner"), [(10, "boosting"), (11, "neighbours"), (50, "neighbours")])
def test_no_learner_whose_cost_grows_with_the_levels_has_many(monkeypatch, num, learner):
    used, fit = set(), attributes.fit_classifier
    monkeypatch.setattr(attributes, "fit_classifier", lambda name, *rest: used.add(name) or fit(name, *rest))
    table = simple_table(np.arange(2 * num) / 2 + 0.25, [f"d{level}" for level in range(num)] * 2)
    run(table, table, table, table, sl.Schema.infer(table, target="ward"), secret="ward")
    assert used == {learner}


def test_the_surest_are_of_both_sides():
    """Of ten guesses the two surest are of members: beside them the surest of five others."""
    members, others = (
        attributes.Guesses(np.ones(5, bool), np.array(sure), np.zeros(5))
        for sure in ([0.9, 0.9, 0.5, 0.4, 0.3], [0.6, 0.5, 0.4, 0.3, 0.2])
    )
    for pair in ((members, others), (others, members)):
        found = attributes.guess_trials((*pair, others), 0.2)
        assert sorted([len(found.attack), len(found.control)]) == [1, 2]


def test_only_what_is_known_is_used(tables, schema):
    members, others, fresh = tables
    known = [run(fresh, others, members, others, schema, secret="sex", known=["ward"])]
    shuffled = members.assign(lab_1=members["lab_1"].to_numpy()[::-1])
    known.append(run(fresh, others, shuffled, others, schema, secret="sex", known=["ward"]))
    assert (known[0].attack == known[1].attack).all()


def test_the_target_is_the_first_secret(schema):
    assert attributes.choose_secrets(schema) == ["died", "lab_0", "lab_3"]
    assert attributes.choose_secrets(schema, most=1) == ["died"]
    assert attributes.choose_secrets(SIMPLE) == ["lab", "ward"]
