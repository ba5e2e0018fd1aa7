"""Choosing between generators on rows set aside from train, with every attempt kept, failures too.

The holdout has no part in this and no argument: a score that chose the generator no longer judges it.
"""

from __future__ import annotations

import hmac
import inspect
import json
import math
import secrets
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from synthlib.bundle import canonical_json, write_atomically
from synthlib.keys import fingerprint
from synthlib.scores import Score, wilson_interval

if TYPE_CHECKING:
    from synthlib.chain.study import Study
    from synthlib.keys import StewardKey
    from synthlib.models.synthesizer import Synthesizer

ATTEMPTS = "attempts.json"
KEY = "attempts.key"
DCR_LIMIT = 0.52
COLUMNS = (
    "candidate",
    "type",
    "parameters",
    "seed",
    "status",
    "criterion",
    "gate",
    "fit_cpu_s",
    "sample_cpu_s",
    "error",
)


@dataclass(frozen=True)
class Selection:
    """What was tried, and what to go on with.

    Attributes:
        best: name of the chosen candidate, or None where none was fitted and let through.
        candidate: that candidate, not fitted: `selection.candidate.fit(train)` learns from all of train.
        attempts: DataFrame with a row per candidate, in their order: `candidate, type, parameters` (JSON),
            `seed, status` ("fitted" or "failed"), `criterion, gate` ("passed", or what did not), `fit_cpu_s,
            sample_cpu_s, error`, and value, low, high and reference of every score; with a study, `attempt`,
            the number under which it was logged. As confidential as train: it holds scores of its rows, and
            errors of other libraries may quote cells.
    """

    best: str | None
    candidate: Synthesizer | None
    attempts: pd.DataFrame

    def write(self, path: Path | str) -> None:
        """Write the attempts as CSV, all of it or nothing, with access for the owner alone."""
        write_atomically(path, self.attempts.to_csv(index=False, lineterminator="\n").encode(), mode=0o600)


def two_sample_score(fitted_on, validation, synthetic, schema, rng) -> list[Score]:
    """How well classifiers tell synthetic rows from validation rows, at equal sizes; the default criterion.

    References are what the rows that were fitted on score in the synthetic rows' place.
    """
    from synthlib.evaluation.fidelity.tables import classifier_two_sample_test

    return classifier_two_sample_test(validation, fitted_on, synthetic, schema, rng)


def select(
    candidates: Mapping[str, Synthesizer],
    train: pd.DataFrame,
    seed: int = 0,
    validation_fraction: float = 0.2,
    score: Callable[..., Score | list[Score]] | None = None,
    checkpoint_folder: Path | str | None = None,
    progress: bool = True,
    study: Study | None = None,
    key: StewardKey | None = None,
) -> Selection:
    """Fit every candidate on a part of train, score it on the rest, and choose one.

    The rule: of the candidates that pass the gate, the one with the lowest criterion; of equal ones the
    earlier. The criterion is the score's first value, but no less than its reference, since to be closer than
    real rows are is chance or copying. The gate refuses who copies: synthetic rows closer to fitted than to
    validation rows in a share (`dcr_share`) whose interval lies above 0.52, or more exact copies
    (`exact_copies`) than validation rows themselves can be expected to have.

    A candidate whose `fit` or `sample` raises is an attempt like the others; an interruption is none, and
    with a `checkpoint_folder` the same call goes on where it was.

    Args:
        candidates: name → Synthesizer, fitted or not; all of one Schema. None is changed: copies are fitted.
        train: DataFrame that the Schema accepts. Patients are kept on one side.
        seed: of the split, the draws and the scores; candidates have their own.
        validation_fraction: share of train's patients to score on.
        score: `score(fitted_on, validation, synthetic, schema, rng)`, in the form of a metric; its first
            Score is the criterion, lower is better. By default `two_sample_score`.
        checkpoint_folder: where `attempts.json` is written after each candidate, beside the key
            (`attempts.key`) of the HMAC that it knows train by, and trainings keep their checkpoints; as
            confidential as train.
        progress: show a bar over the candidates.
        study: logs every candidate as an attempt before the first is fitted, to the part of train that it
            is fitted to, and notes the table that is drawn and scored; settled with status and gate.
        key: the steward's, needed with a study.

    Returns:
        Selection with all attempts.

    Raises:
        ValueError: if there are no candidates, or they differ in Schema, or there is a study and no key; see
            `split` for fractions.
        SchemaError: if train is not a table of the Schema.
    """
    from tqdm import tqdm

    from synthlib.splitting import split

    schema = _common_schema(candidates)
    if study is not None and key is None:
        raise ValueError("expected the steward's key with a study, got none; give it to select")
    fitted_on, validation = split(train, schema, validation_fraction, seed)
    setting = {
        "seed": seed,
        "validation_fraction": validation_fraction,
        "num_rows": len(train),
        "schema": schema.to_json(),
        "score": _describe(score or two_sample_score),
    }
    folder = Path(checkpoint_folder) if checkpoint_folder is not None else None
    done = _read_attempts(folder, setting, train)
    begun = {name: _start(name, candidate, seed) for name, candidate in candidates.items()}
    done = {name: kept for name, kept in done.items() if _is_same(kept, begun.get(name), study)}
    numbers = {}
    if study is not None:
        from synthlib.preregistration import log_candidates, note_draw

        left = {name: candidate for name, candidate in candidates.items() if name not in done}
        numbers = log_candidates(study, left, fitted_on, key)
    attempts = []
    for name, candidate in (
        bar := tqdm(candidates.items(), desc="select", unit="candidate", disable=not progress)
    ):
        bar.set_postfix_str(name)
        kept = done.get(name)
        if kept is None:
            checkpoint = folder / f"{quote(name, safe='')}.checkpoint" if folder else None
            note = None if study is None else partial(note_draw, study, numbers[name])
            parts = fitted_on, validation, seed, score or two_sample_score, checkpoint, note
            kept = begun[name] | _try(candidate, *parts)
            if study is not None:
                kept["attempt"] = numbers[name]
                study.settle(numbers[name], _tell(kept))
        attempts.append(kept)
        if folder is not None:
            _write_attempts(folder, setting, train, attempts)
    table = pd.DataFrame(attempts)
    table = table[[*COLUMNS, *sorted(name for name in table if name not in COLUMNS)]]
    eligible = table[(table["status"] == "fitted") & (table["gate"] == "passed")].dropna(subset="criterion")
    best = None if eligible.empty else str(eligible.loc[eligible["criterion"].idxmin(), "candidate"])
    return Selection(best, None if best is None else _copy(candidates[best]), table)


def _common_schema(candidates: Mapping[str, Synthesizer]):
    if not candidates:
        raise ValueError("expected at least one candidate, got none")
    schemas = [candidate.schema for candidate in candidates.values()]
    if any(schema != schemas[0] for schema in schemas[1:]):
        raise ValueError("expected candidates of one schema, got several; build them with the same one")
    return schemas[0]


def _copy(candidate: Synthesizer) -> Synthesizer:
    """The same hyperparameters, nothing learnt."""
    return type(candidate)(candidate.schema, **candidate.parameters)


def _start(name: str, candidate: Synthesizer, seed: int) -> dict[str, Any]:
    """What an attempt is known by."""
    public = candidate.public_parameters
    parameters = canonical_json(public).decode()
    return {
        "candidate": name,
        "type": type(candidate).__name__,
        "parameters": json.dumps(json.loads(parameters), sort_keys=True),
        "seed": public.get("seed", "secret" if "seed" in candidate.parameters else seed),
    }


def _is_same(kept: dict[str, Any], begun: dict[str, Any] | None, study: Study | None) -> bool:
    """Whether a finished attempt is that of a candidate, and one that the study knows."""
    number = kept.get("attempt")
    known = study is None or (type(number) is int and number <= len(study.attempts))
    return begun is not None and known and all(kept.get(key) == begun[key] for key in begun)


def _tell(kept: Mapping[str, Any]) -> Any:
    """What a study is told came of an attempt, without words of other libraries."""
    if kept["status"] == "failed":
        return f"failed: {kept['error'].partition(':')[0]}"
    return {"status": kept["status"], "gate": kept["gate"]}


def _try(
    candidate,
    fitted_on,
    validation,
    seed: int,
    score: Callable,
    checkpoint: Path | None,
    note: Callable | None,
) -> dict[str, Any]:
    """Fit, sample and score; what went wrong is part of the result."""
    found = {
        "status": "failed",
        "criterion": math.nan,
        "gate": "",
        "fit_cpu_s": math.nan,
        "sample_cpu_s": math.nan,
        "error": "",
    }
    try:
        start = time.process_time()
        model = _copy(candidate)
        model.fit(fitted_on, **_fit_options(model, checkpoint))
        found["fit_cpu_s"] = round(time.process_time() - start, 3)
        start = time.process_time()
        synthetic = model.sample(len(fitted_on), seed=seed)
        found["sample_cpu_s"] = round(time.process_time() - start, 3)
        if note:
            note(synthetic, seed)
        found |= _judge(fitted_on, validation, synthetic, model.schema, seed, score)
        found["status"] = "fitted"
    except Exception as error:  # any library's: the attempt counts, the others go on
        found["error"] = f"{type(error).__name__}: {error}"
    return found


def _fit_options(model: Synthesizer, checkpoint: Path | None) -> dict[str, Any]:
    known = inspect.signature(model.fit).parameters
    options = {"progress": False, "checkpoint": checkpoint}
    if checkpoint is not None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
    return {name: value for name, value in options.items() if name in known}


def _judge(fitted_on, validation, synthetic, schema, seed: int, score: Callable) -> dict[str, Any]:
    from synthlib.evaluation.leakage.privacy import dcr_share, exact_copies
    from synthlib.evaluation.learners import one_thread

    scores = []
    with one_thread():
        for metric in (score, exact_copies, dcr_share):
            rng = np.random.default_rng([seed, zlib.crc32(_name(metric).encode())])
            given = metric(fitted_on, validation, synthetic, schema, rng)
            scores += [given] if isinstance(given, Score) else given
    first, copies, closest = scores[0], *scores[-2:]
    tolerated = wilson_interval(copies.reference * len(validation), len(validation))[1]
    reasons = []
    if copies.low > tolerated:
        reasons.append("exact copies")
    if closest.low > DCR_LIMIT:
        reasons.append("closer to train than to validation")
    criterion = first.value if math.isnan(first.reference) else max(first.value, first.reference)
    found = {"criterion": float(criterion), "gate": ", ".join(reasons) or "passed"}
    for one in scores:
        found |= {one.metric: one.value} | {
            f"{one.metric}_{end}": getattr(one, end) for end in ("low", "high", "reference")
        }
    return found


def _describe(function: Callable) -> str:
    return f"{getattr(function, '__module__', '')}.{_name(function)}"


def _name(function: Callable) -> str:
    """What a metric's randomness hangs on: its name, wherever its module moves."""
    return getattr(function, "__qualname__", type(function).__name__)


def read_folder_key(folder: Path) -> bytes:
    """The folder's own key, made at the first call; only its owner may read it.

    Raises:
        ValueError: if the file holds none.
    """
    path = folder / KEY
    if not path.exists():
        write_atomically(path, f"{secrets.token_hex(32)}\n".encode(), mode=0o600)
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ValueError(f"{path} cannot be read; remove it and {ATTEMPTS} to start anew")
    return key


def _read_attempts(folder: Path | None, setting: Mapping[str, Any], train: pd.DataFrame) -> dict[str, dict]:
    """Finished attempts of the same selection by candidate.

    Raises:
        ValueError: if the folder holds attempts of another selection, or a file that cannot be read.
    """
    if folder is None or not (folder / ATTEMPTS).exists():
        return {}
    try:
        document = json.loads((folder / ATTEMPTS).read_text(encoding="utf-8"))
        earlier, table, attempts = document["setting"], document["table"], document["attempts"]
        found = {attempt["candidate"]: attempt for attempt in attempts}
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{folder / ATTEMPTS} cannot be read; remove it to start anew") from None
    same = isinstance(table, str) and hmac.compare_digest(
        table.encode(), fingerprint(train, read_folder_key(folder)).encode()
    )
    if earlier != json.loads(canonical_json(dict(setting))) or not same:
        raise ValueError(
            f"expected {folder} to hold attempts of this selection, it has those of another (rows, seed, "
            "fraction, schema or score); use another folder"
        )
    return {
        name: {key: math.nan if value is None else value for key, value in attempt.items()}
        for name, attempt in found.items()
    }


def _write_attempts(
    folder: Path, setting: Mapping[str, Any], train: pd.DataFrame, attempts: list[dict]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    plain = [
        {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in attempt.items()
        }
        for attempt in attempts
    ]
    table = fingerprint(train, read_folder_key(folder))
    document = {"setting": dict(setting), "table": table, "attempts": plain}
    write_atomically(folder / ATTEMPTS, canonical_json(document), mode=0o600)
