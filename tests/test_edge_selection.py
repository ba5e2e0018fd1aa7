"""The edges of the private tree are chosen with the odds that are paid for, and its budget can be planned."""

import itertools

import numpy as np
import pytest
from scipy.stats import chi2

import synthlib as sl
from synthlib.claims import plan_budget
from synthlib.models.marginals import choose_pairs
from synthlib.models.secrecy import SecretRandom

NUM_PATIENTS, NUM_DRAWS = 24, 4000
# Two states each: columns 0 and 1 agree in 18 of 24 patients, the others in about half of them.
STATES = np.array(
    [[0, 0, 0]] * 5 + [[0, 0, 1]] * 4 + [[1, 1, 1]] * 5 + [[1, 1, 0]] * 4 + [[0, 1, 0]] * 3 + [[1, 0, 1]] * 3
)


def score_by_hand(one, other):
    """Distance of counts from those of independent columns, less what chance makes of it."""
    total = 0.0
    for a, b in itertools.product((0, 1), repeat=2):
        seen = sum(1 for row in STATES if row[one] == a and row[other] == b)
        share = sum(row[one] == a for row in STATES) / NUM_PATIENTS
        expected = share * sum(row[other] == b for row in STATES)
        total += abs(seen - expected) - (2 * expected / np.pi) ** 0.5
    return total


def odds_of_trees(epsilon):
    """Chances of the trees over three columns: two choices, each with odds exp(epsilon * score / 2)."""
    weights = {pair: np.exp(epsilon * score_by_hand(*pair) / 2) for pair in ((0, 1), (0, 2), (1, 2))}
    chances = {}
    for first in weights:
        rest = [pair for pair in weights if pair != first]  # any second edge joins the third column
        for second in rest:
            tree = frozenset((first, second))
            chance = weights[first] / sum(weights.values())
            chance *= weights[second] / sum(weights[pair] for pair in rest)
            chances[tree] = chances.get(tree, 0) + chance
    return chances


def first_odds(epsilon):
    weights = {pair: np.exp(epsilon * score_by_hand(*pair) / 2) for pair in ((0, 1), (0, 2), (1, 2))}
    return {pair: weight / sum(weights.values()) for pair, weight in weights.items()}


@pytest.mark.parametrize("epsilon", [0.1, 0.4])
def test_edges_are_chosen_with_the_odds_of_the_exponential_mechanism(epsilon):
    columns = [np.bincount(column, minlength=2) for column in STATES.T]
    random = SecretRandom(bytes(range(32)))
    drawn = [choose_pairs(STATES, columns, NUM_PATIENTS, epsilon, random) for _ in range(NUM_DRAWS)]
    firsts = [tuple(pairs[0]) for pairs in drawn]
    trees = [frozenset(map(tuple, pairs)) for pairs in drawn]
    for found, expected in ((firsts, first_odds(epsilon)), (trees, odds_of_trees(epsilon))):
        assert sum(expected.values()) == pytest.approx(1)
        off = sum((found.count(one) - NUM_DRAWS * p) ** 2 / (NUM_DRAWS * p) for one, p in expected.items())
        assert off < chi2.ppf(1 - 1e-6, len(expected) - 1)


def test_other_odds_would_be_noticed():
    """The test above tells the budget from twice of it."""
    paid, twice = first_odds(0.4), first_odds(0.8)
    off = sum(NUM_DRAWS * (twice[one] - paid[one]) ** 2 / paid[one] for one in paid)
    assert off > 5 * chi2.ppf(1 - 1e-6, len(paid) - 1)


def test_marginals_can_be_registered_with_a_budget(cohort_schema):
    model = sl.PrivateMarginals(cohort_schema, epsilon=0.7, public_schema=True)
    budget = plan_budget(model, 480)
    assert budget.privacy["epsilon"] == 0.7 and budget.privacy["delta"] == 1e-5 and budget.loss > 0
    assert plan_budget(sl.PrivateMarginals(cohort_schema, delta=1e-4, public_schema=True), 480).privacy[
        "delta"
    ] == pytest.approx(1e-4)
