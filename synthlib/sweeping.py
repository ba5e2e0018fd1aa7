"""What privacy costs: one private generator at several budgets, each fitted, drawn from and scored alike.

A sweep is a look at the patients like any other, and a large one. Published as a whole, it spends the *sum*
of its budgets: losses add up at every order of zCDP and Renyi, whichever fit is shown in the end. `spend` of
its attributes says what the sum comes to. Its scores carry no noise, and the generator without a budget, if
there is one, has no bound at all: with either of them the whole has no differential privacy. So sweep on data
that are public, or keep the sweep as you keep the patients' table, and publish one release with a budget of
its own.
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
import json
import math
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from synthlib.bundle import canonical_json, write_atomically
from synthlib.claims import compose
from synthlib.keys import fingerprint
from synthlib.models.accounting import PrivacySpend
from synthlib.models.secrecy import SecretRandom
from synthlib.preregistration import log_candidates, note_draw
from synthlib.scores import Score
from synthlib.selection import read_folder_key

if TYPE_CHECKING:
    from synthlib.chain.study import Study
    from synthlib.keys import StewardKey
    from synthlib.models.private_gpt import PrivateTabularGPT
    from synthlib.models.synthesizer import Synthesizer

EPSILONS = (0.5, 1.0, 2.0, 4.0, 8.0)
SWEEP = "sweep.json"
COLUMNS = (
    "generator", "epsilon", "spent", "delta", "noise", "step_noise", "fit_cpu_s", "attempt", *Score._fields,
)  # fmt: skip


def score_budget(train, holdout, synthetic, schema, rng) -> list[Score]:
    """A few scores of fidelity, usefulness and leakage, in the form of a metric; a few seconds a table."""
    from synthlib.evaluation.fidelity.tables import classifier_two_sample_test, marginal_accuracy
    from synthlib.evaluation.leakage.privacy import membership_attack
    from synthlib.evaluation.usefulness.utility import train_on_synthetic

    tables = train, holdout, synthetic, schema, rng
    return [
        *marginal_accuracy(*tables),
        *classifier_two_sample_test(*tables, learners=("boosting",)),
        *train_on_synthetic(*tables, learners=("boosting",)),
        *membership_attack(*tables),
    ]


def sweep_budgets(
    private: PrivateTabularGPT | Sequence[Synthesizer],
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    epsilons: Sequence[float] = EPSILONS,
    plain: Synthesizer | None = None,
    others: Mapping[str, Mapping[float, pd.DataFrame]] | None = None,
    seed: int = 0,
    public_noise: int | None = None,
    score: Callable[..., list[Score]] = score_budget,
    study: Study | None = None,
    key: StewardKey | None = None,
    folder: Path | str | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Fit a private generator at each budget, draw as many rows as train has, and score them.

    See the module for what a sweep spends, and that its scores are as confidential as train.

    Args:
        private: generator, not fitted; copies of it are, one an epsilon. Or several of one Schema, of
            different types, such as PrivateTabularGPT and PrivateMarginals.
        train, holdout: DataFrames of its Schema, one row a patient.
        epsilons: budgets.
        plain: a generator without differential privacy, not fitted, scored as an epsilon of infinity.
        others: name → epsilon → table that another generator drew at that budget; scored beside these.
        seed: of draws and scores.
        public_noise: makes the noise repeatable, for data that are public already: whoever knows it can take
            the noise off, and the notes say so. None draws it from the operating system, so that no two
            sweeps are the same.
        score: `score(train, holdout, synthetic, schema, rng)`, in the form of a metric.
        study: logs every fit as an attempt before the first is made, and notes what is drawn.
        key: the steward's, needed with a study.
        folder: where each budget is kept once it is scored (confidential); the same call then goes on.
        progress: show a bar over the budgets.

    Returns:
        Report: a row a budget and metric, `generator, epsilon, spent` (epsilon that the accountant found),
        `delta, noise` (of the generator's tables, over their sensitivity), `step_noise` (of its training),
        `fit_cpu_s, attempt`, and the Score. `attrs["spend"]` is the PrivacySpend of all private fits
        together, `attrs["notes"]` says so in words.

    Raises:
        ValueError: if there are no epsilons, one comes twice, there is a study and no key, or the folder
            holds another sweep.
        PrivacyError: if a fit could not be accounted for.
    """
    from tqdm import tqdm

    if not epsilons or len(set(epsilons)) < len(epsilons):
        raise ValueError(f"expected different epsilons, at least one, got {list(epsilons)}")
    if study is not None and key is None:
        raise ValueError("expected the steward's key with a study, got none; give it to sweep_budgets")
    first, *more = private if isinstance(private, Sequence) else [private]
    candidates = {f"{epsilon:g}": replace(first, epsilon=epsilon) for epsilon in epsilons}
    for other in more:
        name = type(other).__name__
        candidates |= {f"{name} {epsilon:g}": replace(other, epsilon=epsilon) for epsilon in epsilons}
    if len({type(model) for model in (first, *more)}) < 1 + len(more):
        raise ValueError("expected generators of different types, got one type twice; sweep it by itself")
    candidates |= {} if plain is None else {"none": plain}
    setting = _describe(candidates, others, seed, public_noise, score)
    place = None if folder is None else Path(folder)
    done = _read(place, setting, train)
    numbers = {}
    if study is not None:
        left = {name: model for name, model in candidates.items() if name not in done}
        numbers = log_candidates(study, left, train, key)
    rate = partial(_score, score, train, holdout, first.schema, seed)
    for name in (bar := tqdm(candidates, desc="budgets", unit="fit", disable=not progress)):
        bar.set_postfix_str(f"epsilon {name}")
        if name not in done:
            found, table = _fit(candidates[name], train, seed, public_noise, study, numbers.get(name))
            if study is not None:
                note_draw(study, numbers[name], table, seed)
            done[name] = found | {"scores": rate(table)}
            _write(place, setting, train, done)
    for other, tables in (others or {}).items():
        for epsilon, table in tables.items():
            name = f"{other} {epsilon:g}"
            if name not in done:
                found = {"generator": other, "epsilon": _tell(epsilon), "spend": None}
                done[name] = found | {"scores": rate(table)}
                _write(place, setting, train, done)
    return _tabulate(done, public_noise is not None)


def sweep_numbers(sweep: pd.DataFrame) -> dict[str, Any]:
    """The overall scores of a sweep as nested numbers, for the paper: generator → budget → metric → Score.

    Args:
        sweep: from `sweep_budgets`. Of a cohort that is not public its scores are as confidential as train.

    Returns:
        Budgets are named `at_0_5` and `without` (no differential privacy), since a key holds no dot. Beside
        the scores stand `spent, delta, noise, step_noise` of a budget where they are known, and at the top
        `whole_epsilon, whole_delta` of all private fits together, and `num_fits`.
    """
    whole = sweep.attrs["spend"]
    found: dict[str, Any] = {"whole_epsilon": whole.epsilon, "whole_delta": whole.delta}
    found["num_fits"] = len(sweep[sweep["spent"].notna()].groupby(["generator", "epsilon"]))
    for (generator, epsilon), rows in sweep.groupby(["generator", "epsilon"], sort=False):
        budget = f"at_{epsilon:g}".replace(".", "_") if math.isfinite(epsilon) else "without"
        first = rows.iloc[0]
        told = {name: float(first[name]) for name in ("spent", "delta", "noise", "step_noise")}
        told = {name: value for name, value in told.items() if math.isfinite(value)}
        for row in rows[~rows["metric"].str.contains("[", regex=False)].itertuples():
            numbers = {name: float(getattr(row, name)) for name in Score._fields[1:]}
            told[row.metric] = {name: _tell(round(value, 3)) for name, value in numbers.items()}
        found.setdefault(generator, {})[budget] = told
    return found


def _fit(model, train, seed: int, public_noise: int | None, study: Study | None, number: int | None):
    """What is said of a fit, and a table drawn from it."""
    model = replace(model)
    start = time.process_time()
    try:
        if hasattr(model, "replay") and public_noise is not None:
            name = type(model).__name__
            secret = hashlib.sha256(f"public noise {public_noise} {name} {model.epsilon:g}".encode()).digest()
            model.replay(SecretRandom(secret), train, **_silence(model.replay))
        else:
            model.fit(train, **_silence(model.fit))
    except Exception as error:
        if study is not None:
            study.settle(number, f"failed: {type(error).__name__}")
        raise
    if study is not None:
        study.settle(number, "fitted")
    spend = getattr(model, "spend_", None)
    found = {
        "generator": type(model).__name__,
        "epsilon": _tell(math.inf if spend is None else model.epsilon),
        "spend": None if spend is None else spend.to_dict(),
        "fit_cpu_s": round(time.process_time() - start, 1),
        "attempt": number,
    }
    return found, model.sample(len(train), seed=seed)


def _silence(fit: Callable) -> dict[str, bool]:
    return {"progress": False} if "progress" in inspect.signature(fit).parameters else {}


def _score(score, train, holdout, schema, seed: int, table: pd.DataFrame) -> list[list[Any]]:
    from synthlib.evaluation.learners import one_thread

    parts = (part.reset_index(drop=True) for part in (train, holdout, table))
    with one_thread():
        scores = score(*parts, schema, np.random.default_rng([seed, zlib.crc32(b"sweep")]))
    return [[_tell(value) for value in one] for one in scores]


def _tabulate(done: Mapping[str, dict[str, Any]], has_public_noise: bool) -> pd.DataFrame:
    rows, spends = [], []
    for found in done.values():
        about = {name: found.get(name) for name in ("generator", "fit_cpu_s", "attempt")}
        about["epsilon"] = math.inf if found["epsilon"] is None else found["epsilon"]
        if found["spend"] is not None:
            spend = PrivacySpend.from_dict(found["spend"])
            noises = {part.name: getattr(part, "noise_multiplier", None) for part in spend.parts}
            about |= {"spent": spend.epsilon, "delta": spend.delta}
            about |= {"noise": noises.get("tables", noises.get("edges"))}
            about |= {"step_noise": noises.get("patients")}
            spends.append(spend)
        rows += [about | dict(zip(Score._fields, one, strict=True)) for one in found["scores"]]
    report = pd.DataFrame(rows, columns=list(COLUMNS))
    numeric = [name for name in COLUMNS if name not in ("generator", "metric", "attempt")]
    report[numeric] = report[numeric].astype(float)
    whole = compose(spends)
    report.attrs["spend"] = whole
    report.attrs["notes"] = [
        f"published as a whole, these {len(spends)} private fits spend the sum of their losses: epsilon "
        f"{whole.epsilon:.3g} at delta {whole.delta:.2g}; the scores carry no noise and are not in it"
    ]
    if has_public_noise:
        report.attrs["notes"].append(
            "their noise is public, so that these tables protect nobody: they show what a budget costs"
        )
    return report


def _describe(candidates, others, seed, public_noise, score) -> dict[str, Any]:
    """What makes a sweep the same one, but for its table."""
    models = {
        name: [type(model).__name__, model.public_parameters, model.schema.to_json()]
        for name, model in candidates.items()
    }
    tables = {
        f"{name} {epsilon:g}": len(table)
        for name, each in (others or {}).items()
        for epsilon, table in each.items()
    }
    told = {"models": models, "others": tables, "seed": seed, "noise": public_noise, "score": score.__name__}
    return json.loads(canonical_json(told))


def _read(folder: Path | None, setting: Mapping[str, Any], train: pd.DataFrame) -> dict[str, dict[str, Any]]:
    if folder is None or not (folder / SWEEP).exists():
        return {}
    try:
        document = json.loads((folder / SWEEP).read_text(encoding="utf-8"))
        told, table, done = document["setting"], document["table"], dict(document["done"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{folder / SWEEP} cannot be read; remove it to start anew") from None
    own = fingerprint(train, read_folder_key(folder))
    if told != setting or not hmac.compare_digest(str(table).encode(), own.encode()):
        raise ValueError(
            f"expected {folder} to hold this sweep, it has another (rows, budgets, settings or seed); use "
            "another folder"
        )
    return {name: done[name] for name in document["order"]}


def _write(folder: Path | None, setting: Mapping[str, Any], train: pd.DataFrame, done: dict) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    table = fingerprint(train, read_folder_key(folder))
    document = {"setting": setting, "table": table, "order": list(done), "done": done}
    write_atomically(folder / SWEEP, canonical_json(document), mode=0o600)


def _tell(value: Any) -> Any:
    """A number as JSON can hold it: None for what is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
