"""Loss of privacy in millionths, always rounded against the publisher, and what it means as epsilon."""

import math
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from synthlib.chain.budgets import MOST_UNITS, SCALE, ZCDP, budget_to_units, epsilon_of, loss_to_units
from synthlib.chain.records import NOT_PRIVATE

MOST = MOST_UNITS / SCALE
LOSSES = st.floats(1e-12, MOST) | st.integers(1, int(MOST))
UNITS = st.integers(1, 10**8)
ORDERS = st.just(ZCDP) | st.integers(2, 2**16 - 1)
DELTAS = st.floats(1e-12, 0.5)

# --- rounding ------------------------------------------------------------------------------------------


def written(number) -> Fraction:
    """The decimal number that is meant by a float."""
    return Fraction(repr(number))


@given(LOSSES)
def test_a_loss_is_never_told_smaller_nor_by_a_whole_millionth_larger(loss):
    told = Fraction(loss_to_units(loss), SCALE)
    assert 0 <= told - written(loss) < Fraction(1, SCALE)


@given(LOSSES | st.just(0))
def test_a_budget_is_never_told_larger_nor_by_a_whole_millionth_smaller(budget):
    told = Fraction(budget_to_units(budget), SCALE)
    assert 0 <= written(budget) - told < Fraction(1, SCALE)


@given(st.lists(st.floats(1e-9, 10), min_size=1, max_size=20))
def test_what_fits_a_budget_in_units_fits_it_in_truth(losses):
    """The publisher cannot gain by splitting a release into many."""
    told = sum(map(loss_to_units, losses))
    assert Fraction(told, SCALE) >= sum(map(written, losses))


@given(st.integers(1, MOST_UNITS))
def test_a_loss_of_whole_millionths_fits_a_budget_of_the_same_size(units):
    assert loss_to_units(units / SCALE) == budget_to_units(units / SCALE) == units


@given(st.floats(1e-12, MOST))
def test_another_loss_does_not(loss):
    assume((written(loss) * SCALE).denominator != 1)
    assert loss_to_units(loss) == budget_to_units(loss) + 1


def test_rounding_by_hand():
    assert [loss_to_units(loss) for loss in (1, 0.5, 1e-7, 1e-6, 2.0000001)] == [
        10**6,
        500_000,
        1,
        1,
        2000001,
    ]
    assert loss_to_units(0.1) == budget_to_units(0.1) == 100_000
    assert [budget_to_units(budget) for budget in (0, 1, 9e-7, 2.9999999)] == [0, 10**6, 0, 2999999]


def test_no_loss_is_taken_for_the_absence_of_a_claim():
    assert loss_to_units(MOST) == MOST_UNITS == NOT_PRIVATE - 1
    for convert in (loss_to_units, budget_to_units):
        with pytest.raises(ValueError, match=r"at most 4294\.967294"):
            convert(4295.0)


@pytest.mark.parametrize("wrong", [0, 0.0, -1.0, math.nan, math.inf, -math.inf, "1", None, True, 1j])
def test_a_loss_that_is_no_positive_number_is_refused(wrong):
    with pytest.raises(ValueError, match="positive, finite loss"):
        loss_to_units(wrong)


@pytest.mark.parametrize("wrong", [-1e-9, math.nan, math.inf, "1", None, True])
def test_a_budget_that_is_no_number_from_zero_is_refused(wrong):
    with pytest.raises(ValueError, match="budget of zero or more"):
        budget_to_units(wrong)


@pytest.mark.parametrize("huge", [10**400, 1e300])
def test_numbers_beyond_all_floats_are_refused_like_other_large_ones(huge):
    for convert in (loss_to_units, budget_to_units):
        with pytest.raises(ValueError, match="a larger number"):
            convert(huge)


# --- epsilon -------------------------------------------------------------------------------------------


# Of a Gaussian mechanism with noise sigma times its sensitivity, by dp-accounting 0.6.0: for zCDP with 20,000
# Renyi orders from 1.001 to 10,001, of which the best is a little worse than the best of all.
@pytest.mark.parametrize(
    ("sigma", "delta", "epsilon"),
    [
        (1.0, 1e-5, 4.728387113998577),
        (2.0, 1e-5, 2.1657155933085996),
        (0.5, 1e-6, 11.688596263438342),
        (10.0, 1e-5, 0.37526124448789744),
        (4.0, 1e-9, 1.4696373601481458),
    ],
)
def test_zcdp_comes_to_what_an_accountant_says(sigma, delta, epsilon):
    found = epsilon_of(loss_to_units(1 / (2 * sigma**2)), ZCDP, delta)
    assert found == pytest.approx(epsilon, rel=1e-6) and found <= epsilon


@pytest.mark.parametrize(
    ("order", "sigma", "delta", "epsilon"),
    [
        (2, 1.0, 1e-5, 11.126631103850338),
        (8, 2.0, 1e-5, 2.2141091678455336),
        (32, 4.0, 1e-6, 1.3021150002391149),
        (64, 1.0, 1e-9, 32.247178353406255),
    ],
)
def test_a_renyi_order_comes_to_what_an_accountant_says(order, sigma, delta, epsilon):
    assert epsilon_of(loss_to_units(order / (2 * sigma**2)), order, delta) == pytest.approx(
        epsilon, rel=1e-12
    )


def test_a_renyi_order_by_hand():
    """Order 2, loss 1, delta 1e-5: 1 + ln(1/2) - ln(2e-5)."""
    assert epsilon_of(10**6, 2, 1e-5) == pytest.approx(1 - math.log(2) - math.log(2e-5), abs=1e-12)


def exact_delta(epsilon: float, sigma: float) -> float:
    """The smallest delta of the Gaussian mechanism at an epsilon (Balle and Wang 2018, theorem 8)."""

    def below(value):
        return math.erfc(-value / math.sqrt(2)) / 2

    tail = below(-1 / (2 * sigma) - epsilon * sigma)
    return below(1 / (2 * sigma) - epsilon * sigma) - math.exp(epsilon) * tail


@given(st.floats(0.3, 20), st.floats(1e-9, 0.1))
def test_zcdp_is_no_smaller_than_the_truth_for_a_gaussian_mechanism(sigma, delta):
    epsilon = epsilon_of(loss_to_units(1 / (2 * sigma**2)), ZCDP, delta)
    assert exact_delta(epsilon, sigma) <= delta * (1 + 1e-6)


@given(UNITS, DELTAS)
def test_zcdp_is_no_larger_than_the_textbook_says(units, delta):
    """Bun and Steinke 2016, proposition 1.3: rho + 2 sqrt(rho ln(1/delta))."""
    rho = units / SCALE
    assert epsilon_of(units, ZCDP, delta) <= rho + 2 * math.sqrt(rho * math.log(1 / delta)) + 1e-9


@given(UNITS, DELTAS, st.integers(2, 10_000))
def test_zcdp_is_no_larger_than_any_renyi_order_of_it_gives(units, delta, order):
    assume(units * order <= MOST_UNITS)
    assert epsilon_of(units, ZCDP, delta) <= epsilon_of(units * order, order, delta) + 1e-9


@given(st.integers(0, 10**8), st.integers(0, 10**8), ORDERS, DELTAS)
def test_more_loss_is_never_a_smaller_epsilon(one, other, order, delta):
    less, more = sorted((one, other))
    assert 0 <= epsilon_of(less, order, delta) <= epsilon_of(more, order, delta) + 1e-9


@given(UNITS, ORDERS, DELTAS, DELTAS)
def test_a_larger_delta_is_never_a_larger_epsilon(units, order, one, other):
    strict, lax = sorted((one, other))
    assert epsilon_of(units, order, lax) <= epsilon_of(units, order, strict) + 1e-9


@pytest.mark.parametrize("order", [ZCDP, 2, 8, 65535])
def test_nothing_spent_is_epsilon_zero(order):
    assert epsilon_of(0, order, 1e-6) == 0


@pytest.mark.parametrize(
    ("units", "order", "delta", "what"),
    [
        (-1, 0, 0.1, "units"),
        (NOT_PRIVATE, 0, 0.1, "units"),
        (1.0, 0, 0.1, "units"),
        (True, 0, 0.1, "units"),
        (1, 1, 0.1, "order"),
        (1, -2, 0.1, "order"),
        (1, 2.5, 0.1, "order"),
        (0, 1, 0.1, "order"),
        (1, 0, 0, "delta"),
        (1, 0, 1, "delta"),
        (1, 0, math.nan, "delta"),
    ],
)
def test_arguments_out_of_range_are_refused(units, order, delta, what):
    with pytest.raises(ValueError, match=what):
        epsilon_of(units, order, delta)
