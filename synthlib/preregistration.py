"""What a study is going to do, said before it does it: the protocol, and each attempt under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthlib.chain.protocols import Protocol
from synthlib.models.synthesizer import Synthesizer
from synthlib.schema import Schema

ATTACKS_NOTE = "the report's membership attack, exact copies and distances, each beside its control"


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
        acceptance: what a release has to reach, and how one candidate is chosen; any JSON.
        privacy: unit, adjacency, measure and budget; None says that no differential privacy is claimed.
    """
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
