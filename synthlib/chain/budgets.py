"""Loss of privacy in whole millionths, as the contracts add it up, and what it means as epsilon and delta.

A dataset's steward chooses one of two measures, and both add up under composition, adaptive or not:

- order 0: the rho of zero-concentrated differential privacy (zCDP). A Gaussian mechanism with noise sigma
  times its sensitivity costs 1 / (2 sigma^2). (Bun and Steinke 2016.)
- order a >= 2: the epsilon of Renyi differential privacy at order a. That is what an accountant gives for
  DP-SGD with Poisson sampling, which has no useful rho. (Mironov 2017.)

The contract adds integers; every conversion here rounds against the publisher: a loss up, a budget down. A
number is what it is written as in decimal. What the sum says of epsilon is for everybody to compute; the
chain does not need to.
"""

from __future__ import annotations

import math
from fractions import Fraction

from synthlib.chain.records import NOT_PRIVATE

ZCDP = 0
SCALE = 1_000_000
MOST_UNITS = NOT_PRIVATE - 1


def loss_to_units(loss: float) -> int:
    """What a release spends, in millionths, rounded up.

    Args:
        loss: rho, or Renyi epsilon at the dataset's order; positive.

    Raises:
        ValueError: if it is not a positive finite number, or too large for the chain.
    """
    if not (_is_finite(loss) and loss > 0):
        raise ValueError(f"expected a positive, finite loss, got {loss!r}")
    return _check_units(math.ceil(_as_written(loss) * SCALE))


def budget_to_units(budget: float) -> int:
    """What a cap or an allotment is in millionths, rounded down.

    Args:
        budget: in the dataset's measure, zero or more.

    Raises:
        ValueError: if it is negative, not finite, or too large for the chain.
    """
    if not (_is_finite(budget) and budget >= 0):
        raise ValueError(f"expected a budget of zero or more, got {budget!r}")
    return _check_units(math.floor(_as_written(budget) * SCALE))


def epsilon_of(units: int, order: int, delta: float) -> float:
    """An epsilon such that everything spent together is (epsilon, delta)-differentially private.

    For zCDP it is the smallest that any Renyi order between 1 and 1e6 gives, since rho-zCDP bounds them all
    by rho times the order. The conversion from Renyi is that of Canonne, Kamath and Steinke 2020 (proposition
    12).

    Args:
        units: loss in millionths.
        order: 0 for zCDP, else the Renyi order.
        delta: between 0 and 1.

    Raises:
        ValueError: if an argument is out of range.
    """
    if type(units) is not int or not 0 <= units <= MOST_UNITS:
        raise ValueError(f"expected units from 0 to {MOST_UNITS}, got {units!r}")
    if not 0 < delta < 1:
        raise ValueError(f"expected a delta between 0 and 1, got {delta!r}")
    if order != ZCDP and (type(order) is not int or order < 2):
        raise ValueError(f"expected 0 for zCDP or a Renyi order of 2 or more, got {order!r}")
    if units == 0:
        return 0.0  # nothing was spent: the conversions, which hold for any loss, would say more
    if order == ZCDP:
        rho = units / SCALE
        # The bound is smooth with one minimum in log(order - 1): golden-section search.
        low, high = math.log(1e-6), math.log(1e6)
        ratio = (math.sqrt(5) - 1) / 2
        for _ in range(100):
            left, right = high - ratio * (high - low), low + ratio * (high - low)
            if _from_renyi(rho * (1 + math.exp(left)), 1 + math.exp(left), delta) < _from_renyi(
                rho * (1 + math.exp(right)), 1 + math.exp(right), delta
            ):
                high = right
            else:
                low = left
        best = 1 + math.exp((low + high) / 2)
        return _from_renyi(rho * best, best, delta)
    return _from_renyi(units / SCALE, order, delta)


def _from_renyi(loss: float, order: float, delta: float) -> float:
    epsilon = loss + math.log1p(-1 / order) - (math.log(delta) + math.log(order)) / (order - 1)
    return max(epsilon, 0.0)


def _is_finite(value: object) -> bool:
    """Whether it is a finite number; a whole one may be too large for a float."""
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))


def _as_written(value: float) -> Fraction:
    """The decimal number that a float is shown as. Of 0.1 it is a tenth: the float is a little more, and a
    release of loss 0.1 would not fit into a budget of 0.1."""
    return Fraction(value) if type(value) is int else Fraction(repr(float(value)))


def _check_units(units: int) -> int:
    if units > MOST_UNITS:
        raise ValueError(f"expected at most {MOST_UNITS / SCALE}, got a larger number")
    return units
