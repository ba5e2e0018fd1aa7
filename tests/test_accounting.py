"""The accountant: known values, composition, rounding against the publisher, and what it refuses."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from synthlib.chain.budgets import epsilon_of, loss_to_units
from synthlib.models.accounting import (
    PrivacyError,
    PrivacySpend,
    Queries,
    SampledTraining,
    account,
    calibrate,
    scale_noise,
)

DELTA = 1e-5


def exact_epsilon(noise: float) -> float:
    """Of one Gaussian mechanism: Balle and Wang 2018, theorem 8."""

    def excess(epsilon):
        mean = 1 / (2 * noise)
        return (
            norm.cdf(mean - epsilon * noise) - math.exp(epsilon) * norm.cdf(-mean - epsilon * noise) - DELTA
        )

    return brentq(excess, 1e-6, 200)


@pytest.mark.parametrize("noise", [0.6, 1.0, 3.73, 20.0])
def test_one_gaussian_mechanism_costs_what_its_closed_form_says(noise):
    spend = account([Queries("counts", noise)], DELTA, 5000)
    assert exact_epsilon(noise) <= spend.epsilon <= exact_epsilon(noise) * 1.02 + 2e-3
    assert spend.accountant == "PLD" and spend.epsilon_rdp >= spend.epsilon


def test_many_queries_are_one_with_less_noise():
    many = account([Queries("counts", 6.0, 9), Queries("scores", 6.0, 16)], DELTA, 5000)
    one = account([Queries("counts", 6.0 / 5)], DELTA, 5000)
    assert many.epsilon == pytest.approx(one.epsilon, rel=0.01)


def test_sampled_training_agrees_with_a_published_figure():
    """q = .025, T = 4000, sigma = 2: RDP 3.96, PLD 3.65 by two runs of other programs."""
    spend = account([SampledTraining("training", 2.0, 0.025, 4000)], DELTA, 50_000)
    assert spend.epsilon_pld == pytest.approx(3.65, abs=0.03)
    assert spend.epsilon_rdp == pytest.approx(3.96, abs=0.03)
    assert spend.epsilon == spend.epsilon_pld


@given(st.floats(0.5, 50), st.floats(0.001, 1), st.integers(1, 400), st.integers(2, 64))
def test_renyi_at_order_two_is_the_closed_form_and_never_below(noise, rate, steps, order):
    spend = PrivacySpend(1, DELTA, 10, (SampledTraining("t", noise, rate, steps),), "PLD", 1, 1)
    expected = steps * math.log1p(rate**2 * math.expm1(1 / noise**2))
    assert spend.rdp_at(2) >= expected * (1 - 1e-12)
    assert spend.rdp_at(2) == pytest.approx(expected, rel=1e-5, abs=2e-9)
    assert spend.units_at(order) >= spend.rdp_at(order) * 1_000_000
    assert spend.units_at(order) == math.ceil(spend.units_at(order))


def test_what_is_exported_is_what_the_ledger_records():
    spend = account([Queries("counts", 10.0, 4), SampledTraining("training", 3.0, 0.05, 200)], DELTA, 5000)
    units = spend.units_at(16)
    assert units in (loss_to_units(spend.rdp_at(16)), loss_to_units(spend.rdp_at(16)) - 1)
    assert epsilon_of(units, 16, DELTA) >= spend.epsilon
    public = account([Queries("counts", 10.0, 4)], DELTA, 5000)
    assert public.units_at(0) == 20_001  # rho is 0.02, rounded up
    assert epsilon_of(public.units_at(0), 0, DELTA) >= public.epsilon


def test_a_sampled_training_has_no_rho():
    spend = account([SampledTraining("training", 3.0, 0.05, 200)], DELTA, 5000)
    with pytest.raises(PrivacyError, match="order of 2 or more"):
        spend.rdp_at(0)
    assert account([SampledTraining("training", 3.0, 1, 9)], DELTA, 5000).rdp_at(0) == pytest.approx(0.5)
    for order in (1, -2, 2.5, True):
        with pytest.raises(PrivacyError, match="order"):
            spend.rdp_at(order)


def test_calibration_spends_the_budget_and_no_more():
    counts = Queries("counts", 12.0, 10)
    training = calibrate(1.0, DELTA, 5000, 0.05, 300, [counts])
    spent = account([counts, training], DELTA, 5000).epsilon
    assert 0.995 < spent <= 1.0
    alone = calibrate(1.0, DELTA, 5000, 0.05, 300)
    assert alone.noise_multiplier < training.noise_multiplier
    parts = scale_noise(
        lambda noise: [Queries("counts", 3 * noise), Queries("scores", noise)], 1.0, DELTA, 5000
    )
    assert parts[0].noise_multiplier == pytest.approx(3 * parts[1].noise_multiplier)


def test_a_budget_that_others_have_spent_is_refused():
    with pytest.raises(PrivacyError, match="leave something"):
        calibrate(1.0, DELTA, 5000, 0.05, 300, [Queries("counts", 1.0)])


@pytest.mark.parametrize("delta", [0, -1e-9, 1 / 5000, 0.5, 1, math.nan, "1e-5"])
def test_a_delta_at_which_a_row_could_be_handed_out_is_refused(delta):
    with pytest.raises(PrivacyError, match="delta"):
        account([Queries("counts", 10.0)], delta, 5000)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"noise_multiplier": 0}, "noise"),
        ({"noise_multiplier": -1.0}, "noise"),
        ({"noise_multiplier": math.inf}, "noise"),
        ({"noise_multiplier": math.nan}, "noise"),
        ({"sampling_rate": 1.01}, "sampling_rate"),
        ({"sampling_rate": 0}, "sampling_rate"),
        ({"num_steps": 0}, "num_steps"),
        ({"num_steps": 2.5}, "num_steps"),
        ({"batches": "shuffled"}, "shuffled"),
        ({"batches": "fixed size"}, "coin"),
        ({"stopping": "early"}, "number of steps"),
        ({"stopping": "best checkpoint"}, "number of steps"),
    ],
)
def test_what_cannot_be_accounted_for_is_refused(options, word):
    with pytest.raises(PrivacyError, match=word):
        SampledTraining(
            **{"name": "t", "noise_multiplier": 2.0, "sampling_rate": 0.1, "num_steps": 9} | options
        )


@pytest.mark.parametrize("epsilon", [0, -1, math.inf, math.nan, None])
def test_a_budget_that_is_none_is_refused(epsilon):
    with pytest.raises(PrivacyError, match="epsilon"):
        calibrate(epsilon, DELTA, 5000, 0.1, 10)


def test_no_part_and_no_patient_are_refused():
    with pytest.raises(PrivacyError, match="part"):
        account([], DELTA, 5000)
    with pytest.raises(PrivacyError, match="num_patients"):
        account([Queries("counts", 10.0)], DELTA, 0)


def test_a_spend_survives_json_and_is_accounted_for_anew():
    spend = account([Queries("counts", 10.0, 4), SampledTraining("training", 3.0, 0.05, 20)], DELTA, 5000)
    document = spend.to_dict()
    assert PrivacySpend.from_dict(document) == spend
    with pytest.raises(PrivacyError, match="as the parts say"):
        PrivacySpend.from_dict(document | {"epsilon": spend.epsilon / 2})
