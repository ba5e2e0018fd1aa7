"""Claims to differential privacy: what a private fit will spend, and what a release says it covers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from synthlib.chain.budgets import SCALE, epsilon_of, loss_to_units
from synthlib.chain.coverage import MASKED, list_coverage
from synthlib.chain.datasets import Datasets
from synthlib.models.accounting import ADJACENCY, ORDERS, UNIT, PrivacyError, PrivacySpend, account
from synthlib.models.private_encoding import make_grids
from synthlib.models.synthesizer import Synthesizer
from synthlib.schema import Schema

if TYPE_CHECKING:
    from synthlib.chain.study import Study


class Budget(NamedTuple):
    """What a private fit will spend, known before it is made.

    Attributes:
        order: measure of loss: 0 for the rho of zCDP, else a Renyi order.
        loss: in that measure, whole millionths, rounded up.
        privacy: section of a protocol that says so.
    """

    order: int
    loss: float
    privacy: dict[str, Any]


def plan_budget(synthesizer: Synthesizer, num_patients: int, order: int | None = None) -> Budget:
    """The loss of a private fit that has not been made: it follows from public settings alone.

    Args:
        synthesizer: with `plan` and `choose_delta`, such as PrivateTabularGPT.
        num_patients: of the table it is to be fitted to, which counts as public.
        order: of the dataset; None takes the one that says the smallest epsilon.

    Raises:
        PrivacyError: if the generator is not a private one, or its plan has no loss at that order.
    """
    if not hasattr(synthesizer, "plan") or not hasattr(synthesizer, "spend_"):
        raise PrivacyError(
            f"expected a private generator such as PrivateTabularGPT, got {type(synthesizer).__name__}"
        )
    delta = synthesizer.choose_delta(num_patients)
    spend = account(synthesizer.plan(num_patients, delta), delta, num_patients)
    order = choose_order(spend) if order is None else order
    units = spend.units_at(order)
    privacy = {
        "differential_privacy": True,
        "epsilon": synthesizer.epsilon,
        "delta": delta,
        "unit": UNIT,
        "adjacency": ADJACENCY,
        "order": order,
        "loss_of_a_fit": units,
    }
    return Budget(order, units / SCALE, privacy)


def choose_order(spend: PrivacySpend) -> int:
    """The Renyi order whose loss, in whole millionths, says the smallest epsilon at the spend's delta."""
    told = {}
    for order in ORDERS:
        loss = spend.rdp_at(order)
        if math.isfinite(loss) and loss < 1000:
            told[order] = epsilon_of(spend.units_at(order), order, spend.delta)
    if not told:
        raise PrivacyError("expected a finite loss at some Renyi order, got none; spend less")
    return min(told, key=told.__getitem__)


def compose(spends: Sequence[PrivacySpend]) -> PrivacySpend:
    """What several fits to the same patients spend together, published as a whole.

    Losses add up at every order (zCDP, Renyi); the epsilon of the sum is found anew, and is below the sum of
    epsilons. What was fitted may have been chosen in view of earlier results; how many fits, and at which
    budgets, must have been fixed before the first. Where that is decided on the way, a cap that was fixed
    (such as a dataset's, in its measure) bounds the loss, and not the sum that it came to.

    Reference: Rogers, Roth, Ullman and Vadhan 2016, "Privacy odometers and filters"; Feldman and Zrnic 2021,
    "Individual privacy accounting via a Renyi filter" (a cap at one order).

    Raises:
        PrivacyError: if there are none, or they are of tables of different sizes.
    """
    sizes = {spend.num_patients for spend in spends}
    if len(sizes) != 1:
        raise PrivacyError(f"expected spends of one table, got {len(spends)} of {len(sizes)} sizes")
    parts = [part for spend in spends for part in spend.parts]
    return account(parts, max(spend.delta for spend in spends), sizes.pop())


def find_spend(synthesizer: Synthesizer) -> PrivacySpend | None:
    """What a generator spent, to be claimed; None for one that was not fitted privately.

    Raises:
        PrivacyError: if its noise came from a secret that was given to `replay`.
    """
    if getattr(synthesizer, "replayed_", False):
        raise PrivacyError(
            "expected a fit whose noise nobody knows, to claim differential privacy, got one by replay; "
            "release what fit() gives"
        )
    return getattr(synthesizer, "spend_", None)


def find_loss(synthesizer: Synthesizer, study: Study | None, loss: float | None) -> float | None:
    """What a release spends in the measure of its dataset: never less than its generator did.

    Args:
        synthesizer: fitted.
        study: whose dataset says the measure.
        loss: what the publisher says; None takes what the generator spent.

    Returns:
        The loss, in whole millionths; None without a claim or a study.

    Raises:
        PrivacyError: if the publisher says less than was spent, or claims a loss for a generator that was not
            fitted privately, or was with noise that somebody knows.
        ValueError: if the loss is no positive finite number.
    """
    units = None if loss is None else loss_to_units(loss)
    spend = find_spend(synthesizer)
    if spend is None:
        if loss is not None:
            raise PrivacyError(
                f"expected a generator that was fitted privately, to claim a loss, got "
                f"{type(synthesizer).__name__}, which tells of patients without bound; leave the loss out"
            )
        return None
    if study is None:
        return None
    spent = spend.units_at(find_order(study))
    if units is not None and units < spent:
        raise PrivacyError(
            f"expected a loss of {spent / SCALE:g} or more, which the fit spent in the dataset's measure, "
            f"got {loss:g}; leave it out to say what was spent"
        )
    return max(spent, units or 0) / SCALE


def find_order(study: Study) -> int:
    """The measure of a study's dataset."""
    return Datasets(study.ledger).find(study.registration.dataset).order


def describe_claim(
    synthesizer: Synthesizer, study: Study | None, has_scores: bool, has_conditions: bool = False
) -> dict[str, Any] | None:
    """What a release's manifest says of its claim; None for a generator that was not fitted privately."""
    spend = find_spend(synthesizer)
    if spend is None:
        return None
    order = None if study is None else find_order(study)
    split = study.protocol.split if study is not None else None
    return {
        **spend.to_dict(),
        "order": order,
        "units": None if order is None else spend.units_at(order),
        "secret_commitment": getattr(synthesizer, "commitment_", None),
        **list_coverage(split, has_scores, has_conditions),
    }


def mask_deidentification(report: pd.DataFrame) -> pd.DataFrame:
    """A report of `deidentify` without counts and reasons, which were read off patients."""
    return report[[name for name in MASKED if name in report]]


def check_declared(schema: Schema) -> None:
    """Refuse, before any work, a Schema from which no private fit can start.

    Raises:
        PrivacyError: naming every numeric column without a range; or a patient id.
    """
    bare = [
        column.name
        for column in schema.modelled
        if column.is_numeric and not all(map(math.isfinite, column.numeric_range()))
    ]
    if bare:
        raise PrivacyError(
            f"expected a public range of every numeric column, got none for {', '.join(bare)}; declare low "
            "and high in the schema, from what is known without the table"
        )
    make_grids(schema)
