"""What a study is going to do, said before it does it: the protocol, and each attempt under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from synthlib.chain.budgets import ZCDP
from synthlib.chain.commitments import commit
from synthlib.chain.protocols import Protocol
from synthlib.chain.registry import Ledger
from synthlib.chain.study import Study
from synthlib.keys import StewardKey
from synthlib.models.synthesizer import Synthesizer
from synthlib.schema import Schema
from synthlib.thresholds import parse_acceptance

ATTACKS_NOTE = "the report's membership attack, exact copies and distances, each beside its control"


def preregister(
    ledger: Ledger,
    candidates: Sequence[Synthesizer],
    table: pd.DataFrame,
    key: StewardKey,
    holdout_fraction: float,
    seed: int,
    open_releases: int = 1,
    cap: float = 0.0,
    order: int = ZCDP,
    budget: float = 0.0,
    notes: Path | None = None,
    **sections: Any,
) -> Study:
    """Register a table, by its commitment, and what is about to be done with it, before anything is fitted.

    For an account that is steward and researcher at once; two parties use `Datasets`, `Protocols` and `Study`
    themselves. Doing it again changes nothing.

    Args:
        ledger: acts as the steward and researcher.
        candidates: generators that may be fitted, not fitted yet; of one schema.
        table: de-identified, before the split: whoever divides it anew spends the same budget. The chain sees
            its commitment alone.
        key: the steward's.
        holdout_fraction, seed: of the split.
        open_releases: how many releases without differential privacy may be made.
        cap, order, budget: privacy loss, as in `Study.open`.
        notes: file that keeps the attempts, to go on from after an interruption.
        sections: `cohort`, `acceptance`, `privacy` of `write_protocol`.

    Raises:
        ContractError: what the contract refuses.
    """
    protocol = write_protocol(candidates[0].schema, candidates, holdout_fraction, seed, **sections)
    return Study.open(ledger, protocol, commit(table, key).hex(), cap, order, budget, open_releases, notes)


def fit_attempt(study: Study, synthesizer: Synthesizer, train: pd.DataFrame, **options: Any) -> Synthesizer:
    """Fit a generator as an attempt of a study: logged before, settled after, also where it fails.

    Args:
        study: whose protocol was registered.
        synthesizer: not fitted yet.
        train: DataFrame of the synthesizer's schema.
        options: of its `fit`.

    Returns:
        The synthesizer, fitted.

    Raises:
        Exception: what `fit` raises, once the attempt is settled as failed. An interruption leaves it open:
            the same call goes on with the same attempt.
    """
    number = study.attempt(describe_attempt(synthesizer))
    try:
        synthesizer.fit(train, **options)
    except Exception as error:
        study.settle(number, f"failed: {type(error).__name__}")
        raise
    study.settle(number, "fitted")
    return synthesizer


def write_protocol(
    schema: Schema,
    candidates: Sequence[Synthesizer],
    holdout_fraction: float,
    split_seed: int,
    cohort: str = "a table of its steward's, de-identified",
    acceptance: Any = "none: what was measured is published whatever it is",
    privacy: Mapping[str, Any] | None = None,
) -> Protocol:
    """The protocol of a study that fits candidates to a table, draws from one and evaluates it.

    It names columns and kinds, no level, range or count: nothing in it was computed from a patient.

    Args:
        schema: of the table, after de-identification.
        candidates: generators that may be fitted, not fitted yet.
        holdout_fraction: share of the patients that no generator sees.
        split_seed: of the division into train and holdout.
        cohort: which patients, in words.
        acceptance: what a release has to reach, and how one candidate is chosen: words, or JSON with
            `thresholds` as `parse_acceptance` reads them, such as `default_acceptance(schema)`. A release
            says whether it meets them.
        privacy: unit, adjacency, measure and budget; None says that no differential privacy is claimed.

    Raises:
        ValueError: for thresholds that nobody could judge by, before they are registered.
    """
    parse_acceptance(acceptance)
    roles = {"target": schema.target, "patient_id": schema.patient_id}
    columns = {column.name: column.kind for column in schema}
    return Protocol(
        cohort={"source": cohort, "columns": columns, **roles},
        split={"by": "patient", "holdout_fraction": holdout_fraction, "seed": split_seed},
        models=[describe_attempt(candidate) for candidate in candidates],
        metrics={"report": "synthlib.evaluate", "on": "train, holdout, synthetic", "leakage": ATTACKS_NOTE},
        acceptance=acceptance,
        privacy=privacy or {"differential_privacy": False},
    )


def describe_attempt(synthesizer: Synthesizer) -> dict[str, Any]:
    """What is logged of an attempt before its fit: the type and all hyperparameters, the seed among them."""
    return {"model_type": type(synthesizer).__name__, "parameters": synthesizer.parameters}
