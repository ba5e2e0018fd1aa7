"""What `synthlib synthesize` does: refuse early what could not end well, choose a generator and train it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from synthlib.commands.options import (
    PRIVATE_MODELS,
    check_confidential,
    check_model_folder,
    check_release_folder,
    refuse,
)
from synthlib.commands.terminal import say, say_stage

if TYPE_CHECKING:
    import pandas as pd

    import synthlib as sl
    from synthlib.chain.study import Study
    from synthlib.claims import Budget
    from synthlib.models.synthesizer import Synthesizer

MODELS = ("gpt", "gan", "independent", *PRIVATE_MODELS)


class Places(NamedTuple):
    """Where a release goes, and what is confidential beside it; None for what nobody asked for."""

    out: Path
    key: Path
    checkpoint: Path
    seal: Path | None
    model: Path | None
    data: Path | None
    report: Path | None


def check_kind(model: str, epochs: int | None, steps: int | None) -> None:
    """Refuse a model that there is not, and a length of training that is another's."""
    if model not in MODELS:
        refuse("--model", f"expected one of {', '.join(MODELS)}, got {model!r}")
    for option, length, trained in (("--epochs", epochs, "gpt"), ("--steps", steps, "gan")):
        if length and model.removeprefix("private-") != trained:
            refuse(option, f"it is for --model {trained}, which is not what {model} trains by")


def check_places(
    table: Path,
    out: Path,
    key: Path | None,
    checkpoint: Path | None,
    seal: Path | None,
    model: Path | None,
    data: Path | None,
    report: Path | None,
) -> Places:
    """Where everything goes, if nothing is lost by writing it there and nothing confidential is published."""
    from synthlib.bundle import check_destination
    from synthlib.reporting import check_file

    out = check_release_folder(out)
    key = check_confidential("--key", key or out.with_name(f"{out.name}.key"), [out], is_read=True)
    checkpoint = checkpoint or out.with_name(f".{out.name}.checkpoint.npz")
    checkpoint = check_confidential("--checkpoint", checkpoint, [out, key])
    seal = check_confidential("--seal", seal, [out, key, checkpoint]) if seal else None
    if model:
        model = check_confidential("--save-model", model, [out, key, checkpoint, seal])
        check_model_folder(model)
    if data:
        data = check_confidential("--save-data", data, [out, key, checkpoint, seal, model])
        check_destination(data)
    if report:
        if report.suffix != ".csv" or report.resolve() == table.resolve():
            refuse("--save-report", f"expected another file, with a name ending in .csv; got {report}")
        report = check_confidential("--save-report", report, [out, key, checkpoint, seal, model, data])
        check_file(report)
    return Places(out, key, checkpoint, seal, model, data, report)


def choose(
    model: str,
    schema: sl.Schema,
    seed: int,
    length: int | None,
    epsilon: float | None,
    delta: float | None,
) -> Synthesizer:
    """The generator, not fitted; `length` is of its training, in epochs of a GPT or steps of the GAN."""
    import synthlib as sl

    if model in PRIVATE_MODELS:
        given = {"epsilon": 1.0 if epsilon is None else epsilon, "delta": delta, "public_schema": True}
        if model == "private-gan":
            return sl.PrivateTabularGAN(schema, seed=seed, num_steps=length, **given)
        return sl.PrivateTabularGPT(schema, seed=seed, num_epochs=length, **given)
    if model == "independent":
        return sl.IndependentMarginals(schema)
    if model == "gpt":
        return sl.TabularGPT(schema, seed=seed, num_epochs=length)
    return sl.TabularGAN(schema, seed=seed, num_steps=length)


def plan(generator: Synthesizer, num_patients: int) -> Budget:
    """What a private fit will spend, refused now if it could not be made."""
    from synthlib.claims import check_declared, plan_budget

    check_declared(generator.schema)
    return plan_budget(generator, num_patients)


def train_as_attempt(
    study: Study,
    generator: Synthesizer,
    train: pd.DataFrame,
    key: sl.StewardKey,
    checkpoint: Path,
    seal: Path | None,
) -> Synthesizer:
    """The generator, fitted as an attempt of the study."""
    import synthlib as sl
    from synthlib.preregistration import fit_attempt

    columns = len(generator.schema.modelled)
    model, unit = ("GPT", "epochs") if isinstance(generator, sl.TabularGPT) else ("GAN", "steps")
    if isinstance(generator, sl.PrivateTabularGPT | sl.PrivateTabularGAN):
        say_stage(
            "train", f"{model} of {columns} columns under differential privacy, epsilon {generator.epsilon:g}"
        )
        return fit_attempt(study, generator, train, key, progress=sys.stderr.isatty(), seal=seal)
    if isinstance(generator, sl.IndependentMarginals):
        say_stage("train", f"independent marginals of {columns} columns")
        return fit_attempt(study, generator, train, key)
    most = f"{generator.settings(len(train), columns)[f'num_{unit}']} {unit}"
    resumed = f", going on from {checkpoint}" if checkpoint.exists() else ""
    say_stage("train", f"{model} of {columns} columns, at most {most}{resumed}")
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    try:
        return fit_attempt(study, generator, train, key, checkpoint=checkpoint, progress=sys.stderr.isatty())
    except KeyboardInterrupt:
        if checkpoint.exists():
            say(f"the same command goes on from {checkpoint}")
        raise
