"""The command line: from a table to a release that is recorded and verified."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthlib import __version__
from synthlib.commands import (
    agreement,
    anchor,
    ledger,
    protocol,
    registry,
    release,
    steward,
    terminal,
    vault,
)
from synthlib.commands.options import (
    PRIVATE_MODELS,
    Delta,
    Epsilon,
    Identifier,
    Keep,
    Keyfile,
    Kind,
    Leak,
    PatientId,
    PublicSchema,
    Registry,
    Rpc,
    SchemaFile,
    Scores,
    Seal,
    Seed,
    Target,
    check_confidential,
    check_levels,
    check_model_folder,
    check_private,
    check_release_folder,
    read_schema,
    refuse,
    split_pairs,
)
from synthlib.commands.terminal import say, say_stage

if TYPE_CHECKING:
    import pandas as pd

    import synthlib as sl
    from synthlib.chain.study import Study
    from synthlib.claims import Budget
    from synthlib.models.synthesizer import Synthesizer

MODELS = ("gpt", "gan", "independent", *PRIVATE_MODELS)
TABLES, RELEASES = "Tables", "Releases"
PARTIES, REGISTRY = "Between stewards, researchers and grantees", "A registry, or a log"

app = typer.Typer(
    name="synthlib",
    help="Synthetic patient tables whose making is recorded on a chain, so that anyone can check a release.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """The command `synthlib`."""
    sys.exit(terminal.run(app, sys.argv[1:]))


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show all of an error; that may quote cells.")
    ] = False,
) -> None:
    """Synthetic patient tables whose making is recorded on a chain."""


@app.command(rich_help_panel=TABLES)
def synthesize(
    table: Annotated[Path, typer.Argument(help="CSV or Parquet file of real patients.")],
    out: Annotated[Path, typer.Option(help="Folder of the release Bundle to write.")],
    target: Target = None,
    model: Annotated[str, typer.Option(help=f"Generator: {' or '.join(MODELS)}.")] = "gpt",
    rows: Annotated[
        int | None, typer.Option(min=1, help="Synthetic rows; by default as many as were learnt from.")
    ] = None,
    seed: Seed = 0,
    patient_id: PatientId = None,
    identifier: Identifier = None,
    leak: Leak = None,
    kind: Kind = None,
    schema: SchemaFile = None,
    keep: Keep = None,
    index_date: Annotated[
        str | None, typer.Option(help="Date column, such as the admission: other dates become days since.")
    ] = None,
    holdout_fraction: Annotated[float, typer.Option(help="Share of patients that no model sees.")] = 0.2,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Most passes of a GPT over its rows; by default their number decides."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Most training steps of the GAN, if not its default.")
    ] = None,
    epsilon: Epsilon = None,
    delta: Delta = None,
    public_schema: PublicSchema = False,
    seal: Seal = None,
    scores: Scores = True,
    key: Annotated[
        Path | None, typer.Option(help="The steward's key file; made if absent. Default: OUT.key")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Where an interrupted training goes on from (confidential). Default: beside OUT."),
    ] = None,
    save_model: Annotated[
        Path | None, typer.Option(help="Also keep the trained model here (confidential).")
    ] = None,
    save_data: Annotated[
        Path | None,
        typer.Option(
            help="Also keep the rows learnt from and held out here, as a keyed Bundle (confidential)."
        ),
    ] = None,
    save_report: Annotated[
        Path | None,
        typer.Option(help="Also keep all scores here, each column's too, as CSV (confidential)."),
    ] = None,
    rpc: Rpc = None,
    registry: Registry = None,
    keyfile: Keyfile = None,
) -> None:
    """De-identify and split a table, register a protocol, train, sample, evaluate, and write the release."""
    import synthlib as sl
    from synthlib.bundle import check_destination
    from synthlib.commands.registering import clear, open_ledger, open_study
    from synthlib.preregistration import sample_attempt
    from synthlib.release import write_data, write_release

    if model not in MODELS:
        refuse("--model", f"expected one of {', '.join(MODELS)}, got {model!r}")
    for option, length, trained in (("--epochs", epochs, "gpt"), ("--steps", steps, "gan")):
        if length and model.removeprefix("private-") != trained:
            refuse(option, f"it is for --model {trained}, which is not what {model} trains by")
    check_private(model, epsilon, delta, public_schema, seal, schema, index_date)
    out = check_release_folder(out)
    key = check_confidential("--key", key or out.with_name(f"{out.name}.key"), [out])
    checkpoint = checkpoint or out.with_name(f".{out.name}.checkpoint.npz")
    checkpoint = check_confidential("--checkpoint", checkpoint, [out, key])
    seal = check_confidential("--seal", seal, [out, key, checkpoint]) if seal else None
    if save_model:
        save_model = check_confidential("--save-model", save_model, [out, key, checkpoint])
        check_model_folder(save_model)
    if save_data:
        save_data = check_confidential("--save-data", save_data, [out, key, checkpoint, save_model])
        check_destination(save_data)
    if save_report:
        if save_report.suffix != ".csv" or save_report.resolve() == table.resolve():
            refuse("--save-report", f"expected another file, with a name ending in .csv; got {save_report}")
        others = [out, key, checkpoint, save_model, save_data]
        save_report = check_confidential("--save-report", save_report, others)
    reasons = split_pairs(keep, "--keep", "COLUMN=REASON")
    is_new_key = not key.exists()
    if not is_new_key:
        sl.StewardKey.open(key)  # refused now rather than after the training
    say_stage("read", str(table))
    original = sl.read_table(table)
    described = read_schema(schema, original, target, patient_id, identifier, leak, kind)
    say_stage("de-identify", f"{len(original)} rows, {len(original.columns)} columns")
    safe, described, deidentification = sl.deidentify(
        original, described, index_date=index_date, keep=reasons
    )
    terminal.show_deidentification(deidentification)
    train, holdout = sl.split(safe, described, holdout_fraction=holdout_fraction, seed=seed)
    if model not in PRIVATE_MODELS:
        check_levels(train, described, reasons)
    say_stage("split", f"{len(train)} rows to learn from, {len(holdout)} held out")
    steward = sl.StewardKey.open_or_create(key)
    generator = _choose(model, described, seed, epochs or steps, epsilon, delta)
    budget = _plan(generator, len(train)) if model in PRIVATE_MODELS else None
    ledger = open_ledger(out, rpc, registry, keyfile)
    study = open_study(ledger, out, generator, safe, steward, holdout_fraction, seed, budget)
    synthesizer = _train(study, generator, train, steward, checkpoint, seal)
    rows = rows or len(train)
    say_stage("sample", f"{rows} rows")
    synthetic = sample_attempt(study, synthesizer, rows, seed=seed + 1)
    say_stage("evaluate", "beside the rows held out")
    report = sl.evaluate(train, holdout, synthetic, described, seed=seed)
    terminal.show_report(report)
    say_stage("write", str(out))
    if save_model:
        synthesizer.save(save_model)
        save_model.chmod(0o700)
    parents = {}
    if save_data:
        parents["data"] = write_data(save_data, train, holdout, described, deidentification, steward, safe)
    bundle = write_release(
        out,
        synthesizer,
        synthetic,
        train,
        report,
        deidentification,
        steward,
        seed + 1,
        parents,
        keep=reasons,
        study=study,
        publish_scores=scores,
    )
    clear(out)
    if "privacy" in bundle.parameters:
        terminal.show_claim(bundle.parameters["privacy"])
    if save_report:
        sl.write_table(report, save_report)
        save_report.chmod(0o600)
    print(f"release {bundle.digest}")
    terminal.say_key(key, is_new_key)
    say(f"next: synthlib record {shlex.quote(str(out))}")


def _choose(
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


def _plan(generator: Synthesizer, num_patients: int) -> Budget:
    """What a private fit will spend, refused now if it could not be made."""
    from synthlib.claims import check_declared, plan_budget

    check_declared(generator.schema)
    return plan_budget(generator, num_patients)


def _train(
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


@app.command(rich_help_panel=TABLES)
def evaluate(
    train: Annotated[Path, typer.Argument(help="Rows that the generator learnt from.")],
    holdout: Annotated[Path, typer.Argument(help="Rows that it never saw.")],
    synthetic: Annotated[Path, typer.Argument(help="Rows to judge.")],
    target: Target = None,
    patient_id: PatientId = None,
    identifier: Identifier = None,
    leak: Leak = None,
    kind: Kind = None,
    schema: SchemaFile = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="File ending in .csv, .json or .html, or a folder for all three (confidential)."),
    ] = None,
    acceptance: Annotated[
        Path | None, typer.Option(help="Thresholds to judge by: a protocol.json, or its acceptance alone.")
    ] = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="Exit with 3 if a threshold fails; the default ones if none given.")
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Write only what a release may tell: overall scores, rounded.")
    ] = False,
) -> None:
    """Score a synthetic table beside what real patients score. Exit code 3: --gate, and a threshold fails."""
    from synthlib.commands import evaluating

    inputs = (train, holdout, synthetic)
    evaluating.check_out(out, (*inputs, *([acceptance] if acceptance else [])))
    declared = evaluating.read_acceptance(acceptance) if acceptance else None
    *real, made, described = evaluating.read_tables(
        inputs, schema, target, patient_id, identifier, leak, kind
    )
    report, verdict = evaluating.score(*real, made, described, seed, declared, gate)
    if out:
        evaluating.write(report, out, verdict, described, (*real, made), seed, public)
    terminal.show_report(report)
    if verdict is not None:
        terminal.show_gate(verdict)
    if gate and verdict.outcome != "passed":
        raise typer.Exit(terminal.GATE_FAILED)


ledger.add_to(app, RELEASES)
release.add_to(app, RELEASES)
protocol.add_to(app, PARTIES)
steward.add_to(app, PARTIES)
agreement.add_to(app, PARTIES)
vault.add_to(app, PARTIES)
registry.add_to(app, REGISTRY)
anchor.add_to(app, REGISTRY)


@app.command(rich_help_panel=TABLES)
def reproduce(
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", help="NAME=VALUE for the notebooks; may be repeated."),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Keep notebooks that already completed.")] = False,
) -> None:
    """Run the six notebooks: the whole study, from the cohort to the paper."""
    from synthlib import workflow

    given = split_pairs(parameter, "--parameter", "NAME=VALUE")
    runs = workflow.reproduce(parameters={name: _parse(text) for name, text in given.items()}, resume=resume)
    print(workflow.summarise(runs))


def _parse(text: str) -> Any:
    """A parameter's value: JSON where it is, else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
