"""Likelihood ratios: worked normal densities, generators that remember, and ones that do not."""

import numpy as np
import pytest
from leakage_tables import draw_patients

import synthlib as sl
from synthlib.evaluation.leakage.likelihoods import likelihood_attack, likelihood_ratio


def test_ratio_of_four_targets():
    # two shadows a target, each one off the mean: 4 · 2 · 1² / (8 - 4) = 2, so the spread is √2
    without = np.array([[-1.0, 9, 4, -6], [1, 11, 6, -4]])
    released = np.array([0.0, 10, 5 + np.sqrt(2), -5 - 2 * np.sqrt(2)])
    assert likelihood_ratio(released, without) == pytest.approx([0, 0, 1, -2])


def test_ratio_with_shadows_that_knew():
    # both spreads are √2; a target at the inner mean, four above the outer one: (4² - 0²) / (2 · 2)
    without, within = np.array([[-1.0], [1]]), np.array([[3.0], [5]])
    assert likelihood_ratio(np.array([4.0]), without, within) == pytest.approx([4])
    assert likelihood_ratio(np.array([2.0]), without, within) == pytest.approx([0])


def test_impossible_records_are_no_error():
    found = likelihood_ratio(np.array([-np.inf, 0.0]), np.array([[-np.inf, -1.0], [-1.0, 1.0]]))
    assert np.isfinite(found).all()


@pytest.fixture(scope="module")
def tables():
    return draw_patients(300, 1), draw_patients(300, 2)


LABS = ["lab_1", "lab_2", "lab_3"]


def kernel(rows, seed=0, width=0.1):
    """A generator that remembers its rows: a density of narrow kernels on them."""
    points = rows[LABS].to_numpy()

    def log_likelihood(table):
        gaps = ((table[LABS].to_numpy()[:, None] - points) ** 2).sum(axis=2)
        return np.log(np.exp(-gaps / (2 * width**2)).sum(axis=1) / len(points) + 1e-30)

    return log_likelihood


def normal(rows, seed=0):
    """One that does not: means and spreads."""
    mean, spread = rows[LABS].mean().to_numpy(), rows[LABS].std().to_numpy()
    return lambda table: -(((table[LABS].to_numpy() - mean) / spread) ** 2).sum(axis=1) / 2


@pytest.mark.parametrize(("online", "least"), [(False, 0.6), (True, 0.95)])
def test_a_generator_that_remembers_is_caught(tables, online, least):
    train, holdout = tables
    schema = sl.Schema.infer(train)
    scores, p_value = likelihood_attack(
        kernel(train), kernel, train, holdout, schema, num_shadows=3, online=online
    )
    assert scores[0].metric == "membership_auroc[likelihood]"
    assert scores[0].low > least
    assert p_value < 1e-8


def test_one_that_does_not_is_not(tables):
    train, holdout = tables
    scores, p_value = likelihood_attack(normal(train), normal, train, holdout, sl.Schema.infer(train))
    assert scores[0].low < 0.5 < scores[0].high
    assert p_value > 0.01


def test_the_wider_the_kernels_the_less_is_seen(tables):
    train, holdout = tables
    schema, found = sl.Schema.infer(train), []
    for width in (0.05, 0.5, 2):
        scores, _ = likelihood_attack(
            kernel(train, width=width),
            lambda rows, seed, w=width: kernel(rows, seed, w),
            train,
            holdout,
            schema,
            num_shadows=2,
        )
        found.append(scores[0].value)
    assert found[0] > found[1] > found[2]
