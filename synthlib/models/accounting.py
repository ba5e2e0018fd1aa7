"""How much privacy a training spends: parts in, epsilon and delta out, by Google's dp-accounting.

The unit is the patient and neighbours differ by one patient added or removed. The number of patients is
treated as public, as every accountant of sampled training does: batch sizes and delta depend on it. To be
exact, a mechanism is told a number, and the guarantee compares what it does to a table and to that table with
one patient more or less, told the same number. The number itself is not protected.

Nothing is assumed in a training's favour. What the accountant cannot account for, it refuses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from numbers import Integral, Real
from typing import Any

import dp_accounting
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant
from scipy.special import expit, ndtri

from synthlib.schema import PrivacyError

UNIT = "patient"
ADJACENCY = "one patient added or removed; the number of patients is public"
RELATION = dp_accounting.NeighboringRelation.ADD_OR_REMOVE_ONE
SCALE = 1_000_000  # of what a ledger adds up: millionths
LARGEST_CHOICE = 1000.0  # epsilon of one choice, beyond which floats end
MARGIN = 1e-9  # relative and absolute; floats are never rounded in the publisher's favour
COARSEST, FINEST = 1e-4, 1e-5  # of the discretised privacy loss, which is pessimistic
ORDERS = (*range(2, 65), 80, 96, 128, 192, 256, 512)  # whole ones: of these the sampled Gaussian's are exact
MOST_NOISE = 1e4
CLOSE = 2e-3  # relative; how much of a budget a calibration may leave unspent
LARGEST = 30.0  # epsilon by Renyi orders from which on a privacy loss distribution is not worth its memory


@dataclass(frozen=True)
class Queries:
    """Answers with Gaussian noise, each over every patient's row.

    Attributes:
        name: what is asked.
        noise_multiplier: standard deviation of the noise over the sensitivity, in the Euclidean norm, of one
            answer.
        num_queries: how many such answers, chosen adaptively or not.
    """

    name: str
    noise_multiplier: float
    num_queries: int = 1

    def __post_init__(self) -> None:
        _check_noise(self.noise_multiplier)
        _check_count("num_queries", self.num_queries)

    @property
    def event(self) -> dp_accounting.DpEvent:
        one = dp_accounting.GaussianDpEvent(self.noise_multiplier)
        return dp_accounting.SelfComposedDpEvent(one, self.num_queries)

    @property
    def rho(self) -> float:
        """What it costs in zero-concentrated differential privacy (Bun and Steinke 2016, proposition 1.6)."""
        return self.num_queries / (2 * self.noise_multiplier**2)


@dataclass(frozen=True)
class SampledTraining:
    """Steps of DP-SGD: each on a random batch, clipped per patient, with Gaussian noise on the sum.

    Attributes:
        name: what is trained.
        noise_multiplier: standard deviation of the noise on the sum over the norm that each patient's
            gradient is clipped to.
        sampling_rate: probability with which each patient enters a step's batch.
        num_steps: number of steps.
        batches: how batches come about. Only `"poisson"` can be accounted for: each patient by a coin of
            their own.
        stopping: what decides the number of steps. Only `"fixed"` can: known before the first one.

    Reference: Abadi et al. 2016, "Deep learning with differential privacy", algorithm 1.
    """

    name: str
    noise_multiplier: float
    sampling_rate: float
    num_steps: int
    batches: str = "poisson"
    stopping: str = "fixed"

    def __post_init__(self) -> None:
        _check_noise(self.noise_multiplier)
        _check_count("num_steps", self.num_steps)
        rate = self.sampling_rate
        if not _is_number(rate) or not 0 < rate <= 1:
            raise PrivacyError(f"expected a sampling_rate above 0 and at most 1, got {rate!r}")
        if self.batches != "poisson":
            raise PrivacyError(
                f"expected batches 'poisson', got {self.batches!r}: shuffled batches and batches of fixed "
                "size lose more than the accountant would say; draw each patient by a coin of their own"
            )
        if self.stopping != "fixed":
            raise PrivacyError(
                f"expected stopping 'fixed', got {self.stopping!r}: a step count or a checkpoint chosen by "
                "looking at private rows is a release that is not accounted for; fix the number of steps"
            )

    @property
    def event(self) -> dp_accounting.DpEvent:
        one = dp_accounting.GaussianDpEvent(self.noise_multiplier)
        if self.sampling_rate < 1:
            one = dp_accounting.PoissonSampledDpEvent(self.sampling_rate, one)
        return dp_accounting.SelfComposedDpEvent(one, self.num_steps)

    @property
    def rho(self) -> float | None:
        """None, as sampling makes no useful rho; without sampling that of its steps."""
        return self.num_steps / (2 * self.noise_multiplier**2) if self.sampling_rate == 1 else None


@dataclass(frozen=True)
class Selections:
    """Choices by the exponential mechanism: a candidate of score s with chances as exp(epsilon * s / 2).

    One choice bounds the range of the privacy loss by epsilon. Of all losses within such a range, two equal
    ones of opposite sign are the worst for a test, and a Gaussian mechanism whose test is as good as theirs
    is at least as bad: it stands in for the choice, so that both accountants can compose it.

    Attributes:
        name: what is chosen.
        epsilon: of one choice; one patient changes no score by more than 1.
        num_queries: how many choices, made adaptively or not.

    Reference: Dong, Durfee and Rogers 2020, "Optimal differential privacy composition for exponential
        mechanisms" (the range); Dong, Roth and Su 2022, "Gaussian differential privacy" (the stand-in);
        Cesar and Rogers 2021, "Bounding, concentrating, and truncating", lemma 3.2 (rho).
    """

    name: str
    epsilon: float
    num_queries: int = 1

    def __post_init__(self) -> None:
        if not _is_number(self.epsilon) or not 0 < self.epsilon < LARGEST_CHOICE:
            raise PrivacyError(
                f"expected an epsilon of a choice above 0 and below {LARGEST_CHOICE}, got {self.epsilon!r}"
            )
        _check_count("num_queries", self.num_queries)

    @property
    def event(self) -> dp_accounting.DpEvent:
        separation = -2 * float(ndtri(expit(-self.epsilon / 2)))
        one = dp_accounting.GaussianDpEvent(1 / separation)
        return dp_accounting.SelfComposedDpEvent(one, self.num_queries)

    @property
    def rho(self) -> float:
        """What it costs in zero-concentrated differential privacy."""
        return self.num_queries * self.epsilon**2 / 8


Part = Queries | SampledTraining | Selections


@dataclass(frozen=True)
class PrivacySpend:
    """What was spent: everything that a reader, an accountant or a ledger needs, and no secret.

    Attributes:
        epsilon, delta: the whole is (epsilon, delta)-differentially private.
        num_patients: of the training table.
        parts: the mechanisms, in the order of their use.
        accountant: which of the two found this epsilon, `"PLD"` or `"RDP"`.
        epsilon_pld, epsilon_rdp: what each found; infinite for one that was not asked.
        unit, adjacency: whose privacy, and which tables are neighbours.
    """

    epsilon: float
    delta: float
    num_patients: int
    parts: tuple[Part, ...]
    accountant: str
    epsilon_pld: float
    epsilon_rdp: float
    unit: str = UNIT
    adjacency: str = ADJACENCY

    def rdp_at(self, order: int) -> float:
        """Renyi epsilon at an order of 2 or more, rounded up; order 0 is the rho of zCDP.

        Raises:
            PrivacyError: if the order is another one, or rho is asked of a sampled training, which has none.
        """
        if order == 0 and isinstance(order, Integral):
            rhos = [part.rho for part in self.parts]
            if None in rhos:
                raise PrivacyError(
                    "expected parts that have a rho; a training on sampled batches has no useful one: "
                    "name a Renyi order of 2 or more"
                )
            return sum(rhos) * (1 + MARGIN) + MARGIN
        if not isinstance(order, Integral) or isinstance(order, bool) or order < 2:
            raise PrivacyError(f"expected order 0 (zCDP) or a whole Renyi order of at least 2, got {order!r}")
        accountant = RdpAccountant([int(order)], RELATION).compose(_event(self.parts))
        return float(accountant.rdp[0]) * (1 + MARGIN) + MARGIN

    def units_at(self, order: int) -> int:
        """`rdp_at(order)` in whole millionths, rounded up: what a ledger adds up."""
        loss = self.rdp_at(order)
        if not math.isfinite(loss):
            raise PrivacyError(
                f"expected a finite Renyi epsilon at order {order}, got {loss}; name a lower order"
            )
        return math.ceil(Fraction(loss) * SCALE)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and texts, for a manifest; `from_dict` is the inverse. What is infinite is None."""
        parts = [{"kind": type(part).__name__, **asdict(part)} for part in self.parts]
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain = {name: None if value == math.inf else value for name, value in plain.items()}
        return plain | {"parts": parts}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> PrivacySpend:
        """Read what `to_dict` wrote, and account for it anew.

        Raises:
            PrivacyError: if the parts do not add up to the epsilon that stands there.
        """
        kinds = {kind.__name__: kind for kind in (Queries, SampledTraining, Selections)}
        parts = [
            kinds[part["kind"]](**{key: value for key, value in part.items() if key != "kind"})
            for part in document["parts"]
        ]
        spend = account(parts, document["delta"], document["num_patients"])
        if not math.isclose(spend.epsilon, document["epsilon"], rel_tol=1e-3):
            raise PrivacyError(
                f"expected an epsilon of {spend.epsilon:.6g}, as the parts say, got {document['epsilon']:.6g}"
            )
        return spend


def account(parts: Sequence[Part], delta: float, num_patients: int) -> PrivacySpend:
    """Epsilon of everything that was done to one training table, composed adaptively.

    Both a privacy loss distribution and Renyi orders are tried; both are upper bounds, and the smaller
    epsilon is reported. Where Renyi orders say more than 30, no privacy worth the name, they alone are asked.

    Args:
        parts: all mechanisms that saw private rows, at least one.
        delta: below 1 / num_patients: at 1 / n, handing out one patient's row in the clear would pass.
        num_patients: patients (not rows) in the table.

    Raises:
        PrivacyError: if there is no part, or delta or num_patients is out of range.

    Reference: Mironov 2017 (Renyi); Mironov, Talwar and Zhang 2019 (its sampled Gaussian); Doroshenko et al.
    2022, "Connect the dots" (privacy loss distributions).
    """
    if not parts:
        raise PrivacyError("expected at least one part that saw private rows, got none")
    check_delta(delta, num_patients)
    event = _event(parts)
    steps = sum(getattr(part, "num_steps", None) or part.num_queries for part in parts)
    by_rdp = float(RdpAccountant(ORDERS, RELATION).compose(event).get_epsilon(delta))
    by_pld = math.inf
    if by_rdp <= LARGEST:
        interval = COARSEST * min(max(by_rdp, 1), 10) if steps < 3000 else FINEST
        if not any(isinstance(part, SampledTraining) for part in parts):
            interval = 10 * COARSEST * max(by_rdp, 1)  # one Gaussian, and nothing to compose
        by_pld = float(PLDAccountant(RELATION, interval).compose(event).get_epsilon(delta))
    epsilon, name = min((by_pld, "PLD"), (by_rdp, "RDP"))
    return PrivacySpend(epsilon, float(delta), int(num_patients), tuple(parts), name, by_pld, by_rdp)


def calibrate(
    epsilon: float,
    delta: float,
    num_patients: int,
    sampling_rate: float,
    num_steps: int,
    others: Sequence[Part] = (),
    name: str = "training",
) -> SampledTraining:
    """The training with the least noise that stays within a budget, after what other parts spend of it.

    Args:
        epsilon, delta: of everything together.
        num_patients: in the table.
        sampling_rate, num_steps, name: see `SampledTraining`.
        others: parts that are paid from the same budget.

    Raises:
        PrivacyError: if an argument is out of range, or the others leave nothing.
    """
    return scale_noise(
        lambda noise: [*others, SampledTraining(name, noise, sampling_rate, num_steps)],
        epsilon,
        delta,
        num_patients,
    )[-1]


def scale_noise(make_parts, epsilon: float, delta: float, num_patients: int) -> list[Part]:
    """Parts at the least noise that keeps all of them together within (epsilon, delta).

    Args:
        make_parts: function of a noise level above 0 to a list of Parts that spend less at a higher level.
        epsilon, delta, num_patients: of the budget.

    Raises:
        PrivacyError: if no level up to 10,000 does.
    """
    if not _is_number(epsilon) or not 0 < epsilon < math.inf:
        raise PrivacyError(f"expected an epsilon above 0 and finite, got {epsilon!r}")
    check_delta(delta, num_patients)

    def excess(noise: float) -> float:
        return math.log(max(account(make_parts(noise), delta, num_patients).epsilon, 1e-9) / epsilon)

    high = _enough_by_renyi(make_parts, epsilon, delta)
    low, at_high = high / 2, excess(high)
    while at_high > 0:
        low, high = high, 2 * high
        at_high = excess(high)
        if high > MOST_NOISE:
            raise PrivacyError(
                f"expected parts that leave something of epsilon {epsilon}; the others spend all of it: "
                "give them more noise or the whole a larger epsilon"
            )
    at_low = excess(low)
    while at_low <= 0:
        low, high, at_high = low / 2, low, at_low
        at_low = excess(low)
    while at_high < -CLOSE and high / low > 1 + 1e-4:  # epsilon is about a power of the noise
        share = min(max(at_low / (at_low - at_high), 0.02), 0.98)
        middle = math.exp((1 - share) * math.log(low) + share * math.log(high)) * (1 + CLOSE / 4)
        value = excess(middle)
        if value <= 0:
            high, at_high = middle, value
        else:
            low, at_low = middle, value
    return list(make_parts(high))


def _enough_by_renyi(make_parts, epsilon: float, delta: float) -> float:
    """A noise level at which Renyi orders alone show that the budget is kept; less may do."""

    def fits(noise: float) -> bool:
        event = _event(make_parts(noise))
        return RdpAccountant(ORDERS, RELATION).compose(event).get_epsilon(delta) <= epsilon

    low, high = 0.05, 1.0
    while not fits(high):
        low, high = high, 2 * high
        if high > MOST_NOISE:
            return 1.0  # they do not show it; a privacy loss distribution may
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def check_delta(delta: float, num_patients: int) -> None:
    """Refuse a delta at which a patient's row could be handed out.

    Raises:
        PrivacyError: unless 0 < delta < 1 / num_patients.
    """
    _check_count("num_patients", num_patients)
    if not _is_number(delta) or not 0 < delta < 1 / num_patients:
        raise PrivacyError(
            f"expected a delta above 0 and below 1 / {num_patients} (one over the number of patients), "
            f"got {delta!r}"
        )


def default_delta(num_patients: int) -> float:
    """The delta of a fit that was told none: 1e-5, or a tenth of one over the patients if that is smaller."""
    return min(1e-5, 0.1 / num_patients)


def _event(parts: Sequence[Part]) -> dp_accounting.DpEvent:
    """All parts; the Gaussian ones as a single one, which is what they amount to and quicker to compose."""
    sampled = [part.event for part in parts if isinstance(part, SampledTraining)]
    counts = [part.event for part in parts if not isinstance(part, SampledTraining)]
    if not counts:
        return dp_accounting.ComposedDpEvent(sampled)
    separation = math.sqrt(sum(one.count / one.event.noise_multiplier**2 for one in counts))
    return dp_accounting.ComposedDpEvent([dp_accounting.GaussianDpEvent(1 / separation), *sampled])


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)


def _check_noise(value: Any) -> None:
    if not _is_number(value) or not 0 < value < math.inf:
        raise PrivacyError(
            f"expected a noise_multiplier above 0 and finite, got {value!r}: no noise, no privacy"
        )


def _check_count(name: str, value: Any) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise PrivacyError(f"expected {name} to be a whole number of at least 1, got {value!r}")
