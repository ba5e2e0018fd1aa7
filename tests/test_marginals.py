"""Private marginals: what is asked of patients, what is paid for it, and rows that follow the tree."""

import itertools
import sys

import numpy as np
import pytest
from conftest import make_cohort
from hypothesis import given, settings
from hypothesis import strategies as st

import synthlib as sl
from synthlib.models.accounting import PrivacyError, Selections, account
from synthlib.models.conditions import Condition
from synthlib.models.marginals import (
    PrivateMarginals,
    Tree,
    choose_pairs,
    make_tree,
    score_pairs,
)
from synthlib.models.secrecy import SecretRandom
from synthlib.models.tree_solvers import SOLVERS, solve_on_tree, solve_with_mbi

CHANCES = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
TREE = Tree(
    0,
    np.array([0.4, 0.6]),
    ((0, 1, CHANCES), (0, 2, CHANCES), (1, 3, np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]))),
)


def make_joint(tree):
    """Chances of every row of states, by multiplication: (states of the first column, …)."""
    sizes = [len(tree.shares)] + [0] * len(tree.edges)
    for _, child, chances in tree.edges:
        sizes[child] = chances.shape[1]
    joint = np.zeros(sizes)
    for row in itertools.product(*(range(size) for size in sizes)):
        joint[row] = tree.shares[row[tree.root]]
        for parent, child, chances in tree.edges:
            joint[row] *= chances[row[parent], row[child]]
    return joint


def shares_of(states, shape):
    places = np.ravel_multi_index(tuple(states.T), shape)
    return np.bincount(places, minlength=int(np.prod(shape))).reshape(shape) / len(states)


def test_rows_of_a_known_tree_have_its_joint_distribution():
    """All columns together: children of one parent must not rise together beyond what it explains."""
    joint = make_joint(TREE)
    drawn = TREE.draw(60_000, np.random.default_rng(0))
    assert np.abs(shares_of(drawn, joint.shape) - joint).sum() < 0.03  # 0.016 by chance


@pytest.mark.parametrize("known", [{3: 1}, {1: 2}, {2: 0, 3: 1}, {0: 1, 1: 0}])
def test_given_states_move_all_others_as_the_joint_distribution_says(known):
    joint = make_joint(TREE)
    size = 60_000
    condition = Condition.nothing(size, joint.ndim)
    for column, state in known.items():
        condition.mask[:, column], condition.states[:, column] = True, state
    drawn = TREE.draw(size, np.random.default_rng(1), condition)
    for column, state in known.items():
        assert (drawn[:, column] == state).all()
        joint = np.where(np.indices(joint.shape)[column] == state, joint, 0)
    assert np.abs(shares_of(drawn, joint.shape) - joint / joint.sum()).sum() < 0.03


def test_rows_that_are_given_different_cells_follow_their_own():
    condition = Condition.nothing(3000, 4)
    condition.mask[:1000, 3], condition.states[:1000, 3] = True, 1
    condition.mask[1000:2000, 1] = True
    drawn = TREE.draw(3000, np.random.default_rng(2), condition)
    free = np.bincount(drawn[2000:, 1], minlength=3) / 1000
    assert (drawn[:1000, 3] == 1).all() and (drawn[1000:2000, 1] == 0).all()
    assert np.abs(free - [0.34, 0.26, 0.40]).max() < 0.05


def test_what_cannot_be_is_followed_where_it_is_given():
    never = np.array([[1 - 1e-9, 1e-9], [1 - 1e-9, 1e-9]])
    tree = Tree(0, np.array([0.5, 0.5]), tuple((0, child, never) for child in range(1, 60)))
    condition = Condition.nothing(5, 60)
    condition.mask[:], condition.states[:] = True, 1
    assert (tree.draw(5, np.random.default_rng(0), condition) == 1).all()


def test_a_tree_is_read_as_it_was_written():
    again = Tree.from_bytes(TREE.to_bytes())
    assert again.to_bytes() == TREE.to_bytes()
    assert (again.draw(50, np.random.default_rng(3)) == TREE.draw(50, np.random.default_rng(3))).all()


def make_states(num_rows, seed=0):
    """Column 1 follows from column 0, column 2 is its own, column 3 follows from column 2."""
    rng = np.random.default_rng(seed)
    one, two = rng.integers(0, 4, num_rows), rng.integers(0, 3, num_rows)
    moved = rng.random((2, num_rows)) < 0.2
    states = [one, np.where(moved[0], 0, one), two, np.where(moved[1], 0, two)]
    return np.column_stack(states), [np.bincount(column) for column in states]


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(0, 1000), st.data())
def test_one_patient_changes_no_score_by_more_than_one(num_rows, seed, data):
    states = np.random.default_rng(seed).integers(0, 3, (num_rows, 3))
    columns = [np.array(data.draw(st.lists(st.integers(-20, 60), min_size=3, max_size=3))) for _ in range(3)]
    one = score_pairs(states, columns, num_rows)
    other = score_pairs(states[1:], columns, num_rows)
    assert max(abs(one[pair] - other[pair]) for pair in one) <= 1 + 1e-9


def test_the_strong_relations_make_the_tree():
    states, columns = make_states(2000)
    for _ in range(5):
        pairs = choose_pairs(states, columns, 2000, 2.0, SecretRandom())
        assert (0, 1) in pairs and (2, 3) in pairs and len(pairs) == 3


def test_without_budget_the_tree_is_any_tree():
    states, columns = make_states(2000)
    found = [tuple(sorted(choose_pairs(states, columns, 2000, 1e-6, SecretRandom()))) for _ in range(40)]
    assert len(set(found)) > 5
    for pairs in found:
        assert {column for pair in pairs for column in pair} == {0, 1, 2, 3}


@pytest.mark.parametrize("epsilon", [0.05, 0.5, 3.0])
@pytest.mark.parametrize("others", [1, 3, 50])
def test_a_choice_loses_no_more_than_the_mechanism_that_stands_in_for_it(epsilon, others):
    """One candidate's score falls by 1 and all others' rise by 1: the mechanism at its worst."""
    spend_at = {delta: account([Selections("c", epsilon)], delta, 10) for delta in (1e-3, 1e-6)}
    for gap in np.linspace(-30, 30, 61):
        before = np.array([gap] + [0.0] * others)
        after = before + np.array([-1] + [1] * others)
        chances = [np.exp(epsilon / 2 * score) for score in (before, after)]
        one, other = (chance / chance.sum() for chance in chances)
        for delta, spend in spend_at.items():
            assert np.maximum(one - np.exp(spend.epsilon) * other, 0).sum() <= delta
            assert np.maximum(other - np.exp(spend.epsilon) * one, 0).sum() <= delta


def test_the_stand_in_is_no_worse_than_the_loss_that_the_range_allows():
    """Losses t and t - epsilon: no t makes a better test than the Gaussian's."""
    from scipy.stats import norm

    for epsilon in (0.01, 0.4, 5.0):
        noise = Selections("c", epsilon).event.event.noise_multiplier
        t = np.linspace(0, epsilon, 401)[1:-1]
        power = np.expm1(epsilon - t) / np.expm1(epsilon) * np.exp(t)
        false_alarms = power * np.exp(-t)
        gaussian = norm.cdf(norm.ppf(false_alarms) + 1 / noise)
        assert (power <= gaussian + 1e-9).all()
        assert (gaussian - power).min() < 1e-3  # and it is met


def test_choices_are_accounted_for_and_written_down():
    part = Selections("tree", 0.3, 10)
    spend = account([part], 1e-5, 1000)
    assert part.rho == pytest.approx(10 * 0.3**2 / 8)
    assert spend.rdp_at(0) >= part.rho and spend.units_at(0) >= 112_500
    assert spend.rdp_at(2) >= 2 * part.rho
    assert type(spend).from_dict(spend.to_dict()) == spend


@pytest.mark.parametrize("epsilon", [0, -1, float("nan"), float("inf"), "1"])
def test_choices_without_a_budget_are_refused(epsilon):
    with pytest.raises(PrivacyError, match="epsilon of a choice"):
        Selections("tree", epsilon)


@pytest.mark.parametrize("public", [False, True])
@pytest.mark.parametrize("epsilon", [0.5, 4.0])
def test_a_plan_spends_the_budget_and_no_more(cohort_schema, epsilon, public):
    plan = PrivateMarginals(cohort_schema, epsilon=epsilon).plan(600, 1e-5, public)
    spend = account(plan, 1e-5, 600)
    assert 0.97 * epsilon < spend.epsilon <= epsilon
    whole = sum(part.rho for part in plan)
    names = ["columns", "tree", "edges"]
    assert [part.name for part in plan] == (names if public else ["ranges", *names])
    for name in ("tree", "edges"):
        assert next(part for part in plan if part.name == name).rho == pytest.approx(whole / 3)


def test_a_schema_that_may_tell_of_patients_is_refused(cohort, cohort_schema):
    with pytest.raises(PrivacyError, match="public_schema=True"):
        PrivateMarginals(cohort_schema).fit(cohort)


def test_without_mbi_the_error_says_what_to_install(cohort, cohort_schema, monkeypatch):
    monkeypatch.setitem(sys.modules, "mbi", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install synthlib\[marginals\]"):
        PrivateMarginals(cohort_schema, public_schema=True).fit(cohort)


@pytest.mark.parametrize(
    "changed", [{"max_states": 1}, {"num_iterations": 0}, {"max_states": 2.5}, {"solver": "guess"}]
)
def test_hyperparameters_out_of_range_are_refused_by_name(cohort, cohort_schema, changed):
    with pytest.raises(ValueError, match=next(iter(changed))):
        PrivateMarginals(cohort_schema, public_schema=True, **changed).fit(cohort)


@pytest.fixture(params=SOLVERS)
def solver(request):
    if request.param == "mbi":
        pytest.importorskip("mbi", reason="mbi is an extra: pip install synthlib[marginals]")
    return request.param


def make_model(schema, **options):
    options = {"epsilon": 8.0, "public_schema": True, "solver": "tree"} | options
    return PrivateMarginals(schema, **options)


@pytest.fixture(scope="module")
def wide_schema(cohort_schema):
    return cohort_schema.replace("lab", low=0.0, high=20.0).replace("age", low=18, high=95)


@pytest.fixture(scope="module")
def fitted(wide_schema):
    return make_model(wide_schema).fit(make_cohort(3000, seed=4))


CLIQUES = [(0,), (1,), (2,), (3,), (0, 1), (2, 0), (1, 3)]


def count_exactly(num_patients):
    """Tables of the known tree; one edge has its columns the other way round."""
    joint = num_patients * make_joint(TREE)
    counts = {
        clique: joint.sum(axis=tuple(column for column in range(4) if column not in clique))
        for clique in CLIQUES
    }
    return counts | {(2, 0): counts[2, 0].T}


def test_exact_counts_are_fitted_exactly(solver):
    exact = count_exactly(10_000)
    fitted = SOLVERS[solver](exact, dict.fromkeys(CLIQUES, 1.0), [2, 3, 3, 2], 10_000, 1000)
    assert set(fitted) == set(exact)
    for clique in CLIQUES:
        assert np.abs(fitted[clique] - exact[clique]).max() < 20
    tree = make_tree(fitted, [(0, 1), (2, 0), (1, 3)])
    assert np.abs(make_joint(tree) - make_joint(TREE)).sum() < 0.01


def make_noisy(seed):
    rng = np.random.default_rng(seed)
    scales = {clique: 8.0 if len(clique) == 1 else 25.0 for clique in CLIQUES}
    exact = count_exactly(800)
    return {
        clique: exact[clique] + rng.normal(0, scales[clique], exact[clique].shape) for clique in CLIQUES
    }, scales


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_fitted_counts_contradict_each_other_in_nothing_and_none_is_nearer(seed):
    """The slope at a minimum within the simplex points to no distribution of lower loss."""
    noisy, scales = make_noisy(seed)
    fitted = solve_on_tree(noisy, scales, [2, 3, 3, 2], 800, 3000)
    for clique, table in fitted.items():
        assert (table >= 0).all() and table.sum() == pytest.approx(800)
        for axis, column in enumerate(clique):
            others = tuple(range(table.ndim))[:axis] + tuple(range(table.ndim))[axis + 1 :]
            assert np.allclose(table.sum(axis=others), fitted[(column,)], atol=1e-6)

    def loss(tables):
        return sum((((tables[c] - noisy[c]) / scales[c]) ** 2).sum() / 2 for c in CLIQUES)

    rng = np.random.default_rng(seed)
    for _ in range(20):
        other = rng.dirichlet(np.full(36, 0.1)).reshape(2, 3, 3, 2) * 800
        other = {c: other.sum(axis=tuple(x for x in range(4) if x not in c)) for c in CLIQUES}
        other |= {(2, 0): other[2, 0].T}
        nearby = {c: 0.99 * fitted[c] + 0.01 * other[c] for c in CLIQUES}
        assert loss(nearby) > loss(fitted) - 1e-3


def test_both_solvers_find_the_same_counts():
    pytest.importorskip("mbi", reason="mbi is an extra: pip install synthlib[marginals]")
    noisy, scales = make_noisy(1)
    one = solve_on_tree(noisy, scales, [2, 3, 3, 2], 800, 3000)
    other = solve_with_mbi(noisy, scales, [2, 3, 3, 2], 800, 3000)
    for clique in CLIQUES:
        assert np.abs(one[clique] - other[clique]).max() < 2


def test_a_fit_by_either_solver_keeps_relations(solver, wide_schema):
    table = make_cohort(1500, seed=6)[["disease", "group", "died"]]
    drawn = make_model(wide_schema.drop(["age", "lab"]), solver=solver).fit(table).sample(5000)
    assert ((drawn["group"] == "chronic") != (drawn["disease"] == "cancer")).mean() < 0.06


def test_relations_come_through_the_noise(fitted):
    drawn = fitted.sample(20_000, seed=1)
    assert ((drawn["group"] == "chronic") != (drawn["disease"] == "cancer")).mean() < 0.06
    missing = drawn["lab"].isna().groupby(drawn["disease"]).mean()
    assert missing["cancer"] > missing["sepsis"] + 0.3  # 0.45 in truth
    assert abs(drawn["age"].mean() - 60) < 2


def test_what_was_spent_is_what_was_asked_for(fitted):
    spend = fitted.spend_
    assert 0.97 * 8 < spend.epsilon <= 8 and spend.delta == 1e-5 and spend.num_patients == 3000
    assert [part.name for part in spend.parts] == ["ranges", "columns", "tree", "edges"]
    assert [part.num_queries for part in spend.parts] == [5, 5, 4, 4]


def test_each_question_is_asked_as_often_as_is_paid_for(wide_schema, monkeypatch):
    from synthlib.models import marginals

    asked = []

    def add_noise(counts, scale, random):
        asked.append(scale)
        return np.asarray(counts, dtype=float)

    monkeypatch.setattr(marginals, "add_noise", add_noise)
    plan = make_model(wide_schema).fit(make_cohort(400)).spend_.parts
    paid = {part.name: part for part in plan if part.name != "tree"}
    for part in paid.values():
        assert part.noise_multiplier > 0
    for scale in {part.noise_multiplier for part in paid.values()}:
        allowed = sum(part.num_queries for part in paid.values() if part.noise_multiplier == scale)
        assert asked.count(scale) == allowed
    assert set(asked) == {part.noise_multiplier for part in paid.values()}


def test_no_seed_repeats_the_noise(wide_schema, fitted):
    again = make_model(wide_schema).fit(make_cohort(3000, seed=4))
    assert not fitted.sample(50, seed=3).equals(again.sample(50, seed=3))


def test_public_rows_give_the_states_for_nothing(wide_schema):
    public = make_cohort(900, seed=8)
    one = make_model(wide_schema).fit(make_cohort(500, seed=9), public)
    other = make_model(wide_schema).fit(make_cohort(500, seed=10), public)
    assert [span.values for span in one.encoder_.spans_] == [span.values for span in other.encoder_.spans_]
    assert "ranges" not in [part.name for part in one.spend_.parts]


def test_given_values_move_the_others(fitted):
    cancer = fitted.sample(4000, given={"disease": "cancer"}, seed=2)
    sepsis = fitted.sample(4000, given={"disease": "sepsis"}, seed=2)
    assert cancer["lab"].isna().mean() > sepsis["lab"].isna().mean() + 0.3
    assert (cancer["group"] == "chronic").mean() > 0.9


def test_one_column_beside_an_identifier_is_enough():
    import pandas as pd

    table = pd.DataFrame({"number": [f"p{n}" for n in range(200)], "sex": ["f", "m"] * 100})
    schema = sl.Schema.infer(table, identifiers=["number"])
    drawn = make_model(schema).fit(table).sample(400)
    assert 0.35 < (drawn["sex"] == "f").mean() < 0.65
