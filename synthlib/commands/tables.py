"""Commands about tables: from one to a release, scored beside what real patients score."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from synthlib.commands import terminal
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
    check_levels,
    check_private,
    check_rows,
    read_schema,
    split_pairs,
)
from synthlib.commands.places import takes_options
from synthlib.commands.synthesizing import MODELS, check_kind, check_places, choose, plan, train_as_attempt
from synthlib.commands.terminal import say, say_stage


@dataclass(frozen=True)
class Columns:
    """What a table's columns are: said by a Schema's file, or where a guess would be wrong."""

    target: Target = None
    patient_id: PatientId = None
    identifier: Identifier = None
    leak: Leak = None
    kind: Kind = None
    schema: SchemaFile = None

    @property
    def roles(self) -> tuple[Any, ...]:
        """What is said beside the file, as `read_schema` takes it."""
        return self.target, self.patient_id, self.identifier, self.leak, self.kind


@takes_options
def synthesize(
    table: Annotated[Path, typer.Argument(help="CSV or Parquet file of real patients.")],
    out: Annotated[Path, typer.Option(help="Folder of the release Bundle to write.")],
    model: Annotated[str, typer.Option(help=f"Generator: {' or '.join(MODELS)}.")] = "gpt",
    rows: Annotated[
        int | None, typer.Option(min=1, help="Synthetic rows; by default as many as were learnt from.")
    ] = None,
    seed: Seed = 0,
    *,
    columns: Columns,
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
    scores: Scores = None,
    acceptance: Annotated[
        Path | None,
        typer.Option(help="Thresholds that the protocol declares, as JSON; the release is judged by them."),
    ] = None,
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
    from synthlib.commands.evaluating import choose_settings, read_declared
    from synthlib.commands.registering import clear, open_ledger, open_study
    from synthlib.gate import judge
    from synthlib.preregistration import sample_attempt
    from synthlib.release import public_report, write_data, write_release

    check_kind(model, epochs, steps)
    check_private(model, epsilon, delta, public_schema, seal, columns.schema, index_date)
    places = check_places(table, out, key, checkpoint, seal, save_model, save_data, save_report)
    is_private = model in PRIVATE_MODELS
    scores = not is_private if scores is None else scores
    declared = read_declared(acceptance, scores) if acceptance else None
    reasons = split_pairs(keep, "--keep", "COLUMN=REASON")
    is_new_key = not places.key.exists()
    if not is_new_key:
        sl.StewardKey.open(places.key)  # refused now rather than after the training
    say_stage("read", str(table))
    original = sl.read_table(table, text=is_private)  # a cell as text is read alike whatever others hold
    described = read_schema(columns.schema, original, *columns.roles)
    if is_private:
        check_rows(original, described)
    say_stage("de-identify", f"{len(original)} rows, {len(original.columns)} columns")
    safe, described, deidentification = sl.deidentify(
        original, described, index_date=index_date, keep=reasons, public_schema=is_private
    )
    terminal.show_deidentification(deidentification)
    alone = sl.StewardKey.open_or_create(places.key) if is_private else None
    train, holdout = sl.split(safe, described, holdout_fraction=holdout_fraction, seed=seed, key=alone)
    if not is_private:
        check_levels(train, described, reasons)
    say_stage("split", f"{len(train)} rows to learn from, {len(holdout)} held out")
    steward = alone or sl.StewardKey.open_or_create(places.key)
    generator = choose(model, described, seed, epochs or steps, epsilon, delta)
    budget = plan(generator, len(train)) if is_private else None
    ledger = open_ledger(places.out, rpc, registry, keyfile)
    study = open_study(ledger, places.out, generator, safe, steward, holdout_fraction, seed, budget, declared)
    synthesizer = train_as_attempt(study, generator, train, steward, places.checkpoint, places.seal)
    rows = rows or len(train)
    say_stage("sample", f"{rows} rows")
    synthetic = sample_attempt(study, synthesizer, rows, seed=seed + 1)
    say_stage("evaluate", "beside the rows held out")
    report = sl.evaluate(train, holdout, synthetic, described, **choose_settings(declared, seed))
    terminal.show_report(report)
    say_stage("write", str(places.out))
    if places.model:
        synthesizer.save(places.model)
        places.model.chmod(0o700)
    parents = {}
    if places.data:
        parents["data"] = write_data(places.data, train, holdout, described, deidentification, steward, safe)
    bundle = write_release(
        places.out,
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
    clear(places.out)
    if declared is not None:
        terminal.show_gate(judge(public_report(report), declared))
    if "privacy" in bundle.parameters:
        terminal.show_claim(bundle.parameters["privacy"])
    if places.report:
        sl.write_table(report, places.report)
        places.report.chmod(0o600)
    print(f"release {bundle.digest}")
    terminal.say_key(places.key, is_new_key)
    node = " --rpc URL, with the same URL" if rpc else ""  # which may hold a key
    say(f"next: synthlib record {shlex.quote(str(places.out))}{node}")


@takes_options
def evaluate(
    train: Annotated[Path, typer.Argument(help="Rows that the generator learnt from.")],
    holdout: Annotated[Path, typer.Argument(help="Rows that it never saw.")],
    synthetic: Annotated[Path, typer.Argument(help="Rows to judge.")],
    columns: Columns,
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
    attacks: Annotated[
        bool,
        typer.Option("--attacks", help="Attack the table, also where no threshold asks; takes minutes."),
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Write only what a release may tell: overall scores, rounded.")
    ] = False,
) -> None:
    """Score a synthetic table beside what real patients score. Exit code 3: --gate, and a threshold fails.

    Seed and attacks are those that thresholds declare, where they do.
    """
    from synthlib.commands import evaluating

    inputs = (train, holdout, synthetic)
    evaluating.check_out(out, (*inputs, *([acceptance] if acceptance else [])))
    declared = evaluating.read_acceptance(acceptance) if acceptance else None
    *real, made, described = evaluating.read_tables(inputs, columns.schema, *columns.roles)
    report, verdict = evaluating.score(*real, made, described, seed, declared, gate, attacks)
    if out:
        evaluating.write(report, out, verdict, described, (*real, made), seed, public)
    terminal.show_report(report)
    if verdict is not None:
        terminal.show_gate(verdict)
    if gate and verdict.outcome != "passed":
        raise typer.Exit(terminal.GATE_FAILED)


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


def add_to(app: typer.Typer, panel: str) -> None:
    """Make these commands part of the command line."""
    for command in (synthesize, evaluate, reproduce):
        app.command(rich_help_panel=panel)(command)
