"""What a study is going to do, said before it does it: the protocol, and each attempt; and every draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from synthlib.bundle import canonical_json
from synthlib.chain.attempts import Draw
from synthlib.chain.budgets import ZCDP
from synthlib.chain.commitments import commit, commit_conditions, commit_schema, table_digest
from synthlib.chain.protocols import Protocol
from synthlib.chain.registry import Ledger
from synthlib.chain.study import Study
from synthlib.keys import StewardKey
from synthlib.models.conditions import Given
from synthlib.models.synthesizer import Synthesizer
from synthlib.parsing import parse_json
from synthlib.schema import Schema
from synthlib.splitting import KEYED
from synthlib.thresholds import check_power, parse_acceptance

ATTACKS_NOTE = (
    "synthlib.evaluate: exact copies, distances to the closest record and one membership attack, beside its "
    "control on copies. Where thresholds ask for it, leakage_report: four membership attacks (AUROC and "
    "true-positive rates), singling out, linkability, and inference of secrets by the nearest row and by a "
    "model; each also on a copy of train, on fresh rows, on fresh rows with 2% of the members among them and "
    "on perturbed rows of train"
)


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
        sections: `cohort`, `acceptance`, `privacy`, `keyed_split` of `write_protocol`.

    Raises:
        ContractError: what the contract refuses.
    """
    protocol = write_protocol(candidates[0].schema, candidates, holdout_fraction, seed, key=key, **sections)
    return Study.open(ledger, protocol, commit(table, key).hex(), cap, order, budget, open_releases, notes)


def fit_attempt(
    study: Study, synthesizer: Synthesizer, train: pd.DataFrame, key: StewardKey, **options: Any
) -> Synthesizer:
    """Fit a generator as an attempt of a study: logged before, settled after, also where it fails.

    Args:
        study: whose protocol was registered.
        synthesizer: not fitted yet.
        train: DataFrame of the synthesizer's schema. A keyed commitment to it is part of what is logged: a
            fit to other rows is another attempt.
        key: the steward's.
        options: of its `fit`. With `seal`, a file, its secret randomness is sealed under the steward's key.

    Returns:
        The synthesizer, fitted.

    Raises:
        Exception: what `fit` raises, once the attempt is settled as failed. An interruption leaves it open:
            the same call goes on with the same attempt.
    """
    number = study.attempt(describe_attempt(synthesizer, train, key))
    if options.get("seal") is not None:
        options["key"] = key
    try:
        synthesizer.fit(train, **options)
    except Exception as error:
        study.settle(number, f"failed: {type(error).__name__}")
        raise
    study.settle(number, "fitted")
    return synthesizer


def log_candidates(
    study: Study, candidates: Mapping[str, Synthesizer], train: pd.DataFrame, key: StewardKey
) -> dict[str, int]:
    """Log a fit of each candidate to the same rows, for the gas of one attempt, before the first is made.

    Those that are logged and not settled are taken up: an interrupted call that goes on logs none twice.

    Args:
        study: whose protocol was registered.
        candidates: name → generator.
        train: rows that each is to be fitted to.
        key: the steward's.

    Returns:
        Name → number of the attempt.
    """
    numbers: dict[str, int] = {}
    new = {}
    for name, candidate in candidates.items():
        description = describe_attempt(candidate, train, key)
        taken = numbers.values()
        unsettled = [n for n in study.find(description) if study.attempts[n - 1]["outcome"] is None]
        number = next((n for n in unsettled if n not in taken), None)
        if number is None:
            new[name] = description
        else:
            numbers[name] = number
    if new:
        numbers |= zip(new, study.attempt_all(list(new.values())), strict=True)
    return numbers


def sample_attempt(
    study: Study,
    synthesizer: Synthesizer,
    num_rows: int | None = None,
    given: Given | None = None,
    seed: int = 0,
    attempt: int | None = None,
    key: StewardKey | None = None,
) -> pd.DataFrame:
    """Draw from an attempt's model, and note it before anybody looks: a release says which of how many it is.

    The notes are this library's: `Synthesizer.sample` leaves none.

    Args:
        study: whose attempt it is.
        synthesizer: fitted.
        num_rows, given, seed: of `Synthesizer.sample`.
        attempt: number of the attempt that the synthesizer is; the last one if None.
        key: the steward's, needed with `given`: the notes hold a keyed commitment to it.

    Raises:
        ValueError: if the attempt is none of this study, or describes another generator, or there are
            conditions and no key.
    """
    if given is not None and key is None:
        raise ValueError("expected the steward's key with given, got none; conditions may tell of patients")
    number = len(study.attempts) if attempt is None else attempt
    study.describe(number, None)
    described = study.attempts[number - 1]["describes"]
    model = parse_json(canonical_json(describe_model(synthesizer)))
    if any(described[name] != told for name, told in model.items() if name in described):
        raise ValueError(
            f"expected the generator that attempt {number} describes, got another; say which it is"
        )
    table = synthesizer.sample(num_rows, given, seed)
    note_draw(study, number, table, seed, given, key)
    return table


def note_draw(
    study: Study,
    attempt: int,
    table: pd.DataFrame,
    seed: int,
    given: Given | None = None,
    key: StewardKey | None = None,
) -> int:
    """Note a table that was drawn from an attempt's model, before it is looked at; returns the draw's number.

    Args:
        study: whose attempt it is.
        attempt: its number.
        table: what was drawn.
        seed: of the draw.
        given: what it was drawn under. The table may then hold cells of patients, so that what is noted of
            both is keyed.
        key: the steward's, needed with `given`.
    """
    if given is None:
        draw = Draw(seed, len(table), None, table_digest(table).hex())
    else:
        draw = Draw(seed, len(table), commit_conditions(given, key).hex(), commit(table, key).hex())
    return study.note_draw(attempt, draw)


def write_protocol(
    schema: Schema,
    candidates: Sequence[Synthesizer],
    holdout_fraction: float,
    split_seed: int,
    cohort: str = "a table of its steward's, de-identified",
    acceptance: Any = "none: what was measured is published whatever it is",
    privacy: Mapping[str, Any] | None = None,
    key: StewardKey | None = None,
    keyed_split: bool = False,
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
            `thresholds` as `parse_acceptance` reads them, such as `planning.default_acceptance`. A release
            says whether it meets them.
        privacy: unit, adjacency, measure and budget; None says that no differential privacy is claimed.
        key: the steward's. With it, the split says under which schema the table is divided, as a keyed
            commitment; without, somebody could look for a schema after the fact.
        keyed_split: that the table is divided by `split` under the key, each patient alone: what makes a
            claim to differential privacy one about the whole cohort.

    Raises:
        ValueError: for thresholds that nobody could judge by, before they are registered; and for thresholds
            on attacks that do not say what leak they would notice.
    """
    parse_acceptance(acceptance)
    check_power(acceptance)
    roles = {"target": schema.target, "patient_id": schema.patient_id}
    columns = {column.name: column.kind for column in schema}
    split = {"by": "patient", "holdout_fraction": holdout_fraction, "seed": split_seed}
    split |= {"assignment": KEYED} if keyed_split else {}
    return Protocol(
        cohort={"source": cohort, "columns": columns, **roles},
        split=split if key is None else split | {"schema": commit_schema(schema, key).hex()},
        models=[describe_model(candidate) for candidate in candidates],
        metrics={"report": "synthlib.evaluate", "on": "train, holdout, synthetic", "leakage": ATTACKS_NOTE},
        acceptance=acceptance,
        privacy=privacy or {"differential_privacy": False},
    )


def describe_attempt(synthesizer: Synthesizer, train: pd.DataFrame, key: StewardKey) -> dict[str, Any]:
    """What is logged of an attempt before its fit: the model, and a keyed commitment to the fitted rows."""
    return {**describe_model(synthesizer), "training_commitment": commit(train, key).hex()}


def describe_model(synthesizer: Synthesizer) -> dict[str, Any]:
    """The type and all hyperparameters that may be published, the seed among them where it is no secret."""
    return {"model_type": type(synthesizer).__name__, "parameters": synthesizer.public_parameters}
