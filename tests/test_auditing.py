"""Audits: worked binomial bounds, generators that copy, and a bound no higher than a known epsilon."""

import numpy as np
import pandas as pd
import pytest
from leakage_tables import draw_patients
from scipy.stats import binom

import synthlib as sl
from synthlib.evaluation.leakage import auditing
from synthlib.evaluation.leakage.auditing import audit_epsilon, epsilon_from_guesses, epsilon_from_rates


def test_four_guesses():
    # four of four right has chance q ** 4 where each is right with q; at 5 %, q is 0.4729: below one half, so
    # nothing is shown. Ten of ten: q = 0.05 ** 0.1, epsilon = ln(q / (1 - q))
    assert epsilon_from_guesses(4, 4, 4) == 0
    right = 0.05**0.1
    assert epsilon_from_guesses(10, 10, 10) == pytest.approx(np.log(right / (1 - right)))


def test_the_bound_is_the_epsilon_at_which_so_many_are_too_unlikely():
    low = epsilon_from_guesses(200, 100, 80)
    assert binom.sf(79, 100, 1 / (1 + np.exp(-low))) == pytest.approx(0.05)
    assert auditing.guesses_p_value(200, 100, 80, low, 0.0) == pytest.approx(0.05)


def test_delta_takes_from_the_bound():
    # with delta, the worst is one given-away guess: the largest mean of binomial chances below 80 right
    tail = binom.pmf(np.arange(79, -1, -1), 100, 0.5)
    worst = max(tail[:num].mean() for num in range(1, 81))
    wanted = binom.sf(79, 100, 0.5) + 2 * 200 * 1e-3 * worst
    assert auditing.guesses_p_value(200, 100, 80, 0.0, 1e-3) == pytest.approx(wanted)
    bounds = [epsilon_from_guesses(200, 100, 80, delta) for delta in (0, 1e-4, 1e-3, 1e-2)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] > bounds[-1]


def test_more_right_guesses_show_more():
    bounds = [epsilon_from_guesses(100, 100, correct) for correct in (0, 50, 60, 80, 99, 100)]
    assert bounds[:2] == [0, 0]
    assert bounds[2:] == sorted(bounds[2:])


def test_rates_of_many_runs():
    # 100 of 100 with the canary are taken for such: at least 0.025 ** 0.01; of 100 without it none: at most
    # 1 - 0.025 ** 0.01. Epsilon is at least the logarithm of their ratio
    end = 0.025**0.01
    assert epsilon_from_rates(100, 100, 0, 100) == pytest.approx(np.log(end / (1 - end)))
    assert epsilon_from_rates(50, 100, 50, 100) == 0
    assert epsilon_from_rates(0, 100, 100, 100) == 0
    assert epsilon_from_rates(100, 100, 0, 100, delta=0.1) < epsilon_from_rates(100, 100, 0, 100)


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_randomised_answers_are_seldom_bounded_above_their_epsilon(epsilon):
    """Each canary's coin is told truly with chance e^ε / (1 + e^ε): no attack does better than that."""
    truth = 1 / (1 + np.exp(-epsilon))
    above, bounds = 0, []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        coins = rng.random(400) < 0.5
        told = np.where(rng.random(400) < truth, coins, ~coins)
        found = auditing.bound_from_scores(coins, told.astype(float), 0.0, 0.95, rng)
        bounds.append(found.low)
        above += found.low > epsilon
    assert above <= 19  # 5 % of 200 and three deviations
    assert np.mean(bounds) > 0.5 * epsilon


@pytest.fixture(scope="module")
def patients():
    return draw_patients(200, 1)


@pytest.fixture(scope="module")
def schema(patients):
    return sl.Schema.infer(patients)


def copy(rows, num_rows, seed):
    return rows


def forget(rows, num_rows, seed):
    return draw_patients(num_rows, seed)


def test_copies_are_caught_and_the_more_canaries_the_clearer(patients, schema):
    few, many = (audit_epsilon(copy, patients, schema, num_canaries=num) for num in (30, 90))
    assert 0.5 < few.low < many.low
    assert many.low > 1.5


def test_where_all_guesses_are_right_there_is_no_estimate():
    coins = np.arange(100) % 2 == 0
    found = auditing.bound_from_scores(coins, coins.astype(float), 0.0, 0.95, np.random.default_rng(0))
    assert (found.guesses, found.correct) == (100, 100)
    assert np.isinf(found.estimate)
    assert np.isnan(auditing.audit_score(found).value)


def test_a_generator_that_forgets_shows_nothing(patients, schema):
    found = audit_epsilon(forget, patients, schema, num_canaries=40, seed=1)
    assert found.low == 0
    score = auditing.audit_score(found, claimed=1.0)
    assert (score.metric, score.low, score.reference) == ("epsilon_audit", 0, 1)


def test_the_more_seldom_a_canary_is_copied_the_less_is_shown(patients, schema):
    def thin(share):
        return lambda rows, num_rows, seed: rows.sample(frac=share, random_state=seed)

    bounds = [audit_epsilon(thin(share), patients, schema, num_canaries=60).low for share in (1, 0.8, 0.05)]
    assert bounds[0] > bounds[1] > bounds[2]


def test_many_runs_with_a_canary_each_and_a_likelihood(patients, schema):
    """Scores may come from whatever is returned: here the number of rows that equal the canary."""

    def fit(rows, num_rows, seed):
        return rows["lab_1"].max(), np.random.default_rng(seed).normal()

    canary = patients[:1].assign(lab_1=3.4)
    schema = sl.Schema.infer(pd.concat([patients, canary]))
    found = audit_epsilon(
        fit,
        patients[patients["lab_1"] < 2],
        schema,
        num_runs=40,
        canaries=canary,
        score=lambda made, rows: [made[0] + 0.1 * made[1]] * len(rows),
    )
    assert (found.num_canaries, found.num_runs) == (1, 40)
    assert found.low > 1


def test_same_seed_same_audit(patients, schema):
    first, second = (audit_epsilon(forget, patients, schema, num_canaries=10, seed=3) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_canaries": 0}, "at least one canary and one run, got 0 and 1"),
        ({"num_runs": 0}, "at least one canary and one run, got 100 and 0"),
        ({"delta": 1.0}, "delta in"),
        ({"confidence": 1.0}, "confidence in"),
        ({"num_canaries": 5, "score": lambda made, rows: [1.0]}, "expected 5 scores of canaries"),
    ],
)
def test_refusals(patients, schema, options, message):
    with pytest.raises(ValueError, match=message):
        audit_epsilon(copy, patients, schema, **options)
