"""The command line: from a table to a release that is recorded and verified."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from synthlib import __version__

MODELS = ("gan", "independent")
VERDICTS = {0: "yes: all that is recorded holds", 1: "no: something is not as recorded", 2: "could not tell"}
MARKS = {"matched": "ok     ", "differs": "DIFFERS", "unchecked": "not checked"}

app = typer.Typer(
    name="synthlib",
    help="Synthetic patient tables whose making is recorded on a chain, so that anyone can check a release.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Rpc = Annotated[str | None, typer.Option(help="URL of an Ethereum node; without it, the in-process chain.")]


def main() -> None:
    """Run the command line; errors become one line on stderr and exit code 2, unless `--debug` is given."""
    debug = "--debug" in sys.argv[1:]
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments, prog_name="synthlib", standalone_mode=True)
    except KeyboardInterrupt:
        print("interrupted; nothing was half-written", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if debug:
            raise
        print(f"error: {error}" if str(error) else f"error: {type(error).__name__}", file=sys.stderr)
        print("(--debug shows where it arose)", file=sys.stderr)
        sys.exit(2)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")] = False,
) -> None:
    """Synthetic patient tables whose making is recorded on a chain."""


@app.command()
def synthesize(
    table: Annotated[Path, typer.Argument(help="CSV or Parquet file of real patients, one row each.")],
    out: Annotated[Path, typer.Option(help="Folder of the release Bundle to write.")],
    target: Annotated[str | None, typer.Option(help="Column that models are to predict.")] = None,
    model: Annotated[str, typer.Option(help=f"Generator: {' or '.join(MODELS)}.")] = "gan",
    rows: Annotated[
        int | None, typer.Option(help="Synthetic rows; as many as were learnt from by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of split, training and sample.")] = 0,
    patient_id: Annotated[
        str | None, typer.Option(help="Column that says which patient a row is of.")
    ] = None,
    identifier: Annotated[
        list[str] | None, typer.Option(help="Further identifying column; may be repeated.")
    ] = None,
    leak: Annotated[
        list[str] | None, typer.Option(help="Column that knows the target; may be repeated.")
    ] = None,
    schema: Annotated[Path | None, typer.Option(help="Schema as JSON, instead of inferring one.")] = None,
    holdout_fraction: Annotated[float, typer.Option(help="Share of patients that no model sees.")] = 0.2,
    steps: Annotated[int | None, typer.Option(help="Training steps of the GAN, if not its default.")] = None,
    key: Annotated[
        Path | None, typer.Option(help="The steward's key file; made if absent. Default: OUT.key")
    ] = None,
    save_model: Annotated[
        Path | None, typer.Option(help="Also keep the trained model here (confidential).")
    ] = None,
) -> None:
    """De-identify, split, train, sample and evaluate a table, and write the release Bundle."""
    import synthlib as sl
    from synthlib.release import write_release

    if model not in MODELS:
        raise typer.BadParameter(f"expected one of {', '.join(MODELS)}, got {model!r}", param_hint="--model")
    if save_model and (save_model == out or out in save_model.parents):
        raise typer.BadParameter(
            "expected a folder outside the release: a model is confidential", param_hint="--save-model"
        )
    original = sl.read_table(table)
    described = (
        sl.Schema.from_json(schema.read_text())
        if schema
        else sl.Schema.infer(original, target, patient_id, identifier or (), leak or ())
    )
    safe, described, deidentification = sl.deidentify(original, described)
    _show_table(deidentification[deidentification["action"] != "kept"], "de-identification")
    train, holdout = sl.split(safe, described, holdout_fraction=holdout_fraction, seed=seed)
    options: dict[str, Any] = {"num_steps": steps} if steps else {}
    synthesizer = (
        sl.TabularGAN(described, seed=seed, **options)
        if model == "gan"
        else sl.IndependentMarginals(described)
    )
    _say(f"training {type(synthesizer).__name__} on {len(train)} rows of {len(described)} columns")
    synthesizer.fit(train)
    synthetic = synthesizer.sample(rows or len(train), seed=seed + 1)
    report = sl.evaluate(train, holdout, synthetic, described, seed=seed)
    key_file = key or out.with_name(out.name + ".key")
    bundle = write_release(
        out,
        synthesizer,
        synthetic,
        train,
        report,
        deidentification,
        sl.StewardKey.open_or_create(key_file),
        seed + 1,
    )
    if save_model:
        synthesizer.save(save_model)
    _show_report(report)
    _say(
        f"release {bundle.digest} written to {out}; the steward's key is in {key_file}: keep it, and keep it apart"
    )


@app.command()
def evaluate(
    train: Annotated[Path, typer.Argument(help="Rows that the generator learnt from.")],
    holdout: Annotated[Path, typer.Argument(help="Rows that it never saw.")],
    synthetic: Annotated[Path, typer.Argument(help="Rows to judge.")],
    target: Annotated[str | None, typer.Option(help="Column that models are to predict.")] = None,
    identifier: Annotated[list[str] | None, typer.Option(help="Identifying column; may be repeated.")] = None,
    leak: Annotated[
        list[str] | None, typer.Option(help="Column that knows the target; may be repeated.")
    ] = None,
    schema: Annotated[Path | None, typer.Option(help="Schema as JSON, instead of inferring one.")] = None,
    seed: Annotated[int, typer.Option(help="Of every random choice.")] = 0,
    out: Annotated[Path | None, typer.Option(help="CSV file to write the report to.")] = None,
) -> None:
    """Score a synthetic table beside what real patients score."""
    import pandas as pd

    import synthlib as sl

    tables = [sl.read_table(path) for path in (train, holdout, synthetic)]
    described = (
        sl.Schema.from_json(schema.read_text())
        if schema
        else sl.Schema.infer(
            pd.concat(tables[:2], ignore_index=True), target, None, identifier or (), leak or ()
        )
    )
    report = sl.evaluate(*(described.conform(part) for part in tables), described, seed=seed)
    if out:
        sl.write_table(report, out)
    _show_report(report)


@app.command()
def record(
    bundle: Annotated[Path, typer.Argument(help="Folder of a release Bundle.")],
    rpc: Rpc = None,
    registry: Annotated[
        str | None, typer.Option(help="Registry's address on the node; else one is deployed.")
    ] = None,
    keyfile: Annotated[
        Path | None,
        typer.Option(help="Encrypted keyfile of the issuer; else SYNTHLIB_KEYFILE or SYNTHLIB_PRIVATE_KEY."),
    ] = None,
) -> None:
    """Record a release on a chain. Recording it again changes nothing."""
    from synthlib.chain.accounts import load_account
    from synthlib.chain.registry import record_bundle

    made = record_bundle(bundle, rpc=rpc, registry=registry, account=load_account(keyfile))
    for name, value in made._asdict().items():
        print(f"{name:16} {value}")


@app.command()
def verify(
    bundle: Annotated[Path, typer.Argument(help="Folder of a release Bundle.")],
    rpc: Rpc = None,
    issuer: Annotated[str | None, typer.Option(help="Address that must have recorded it.")] = None,
    key: Annotated[
        Path | None, typer.Option(help="The steward's key file, to open the training commitment.")
    ] = None,
    training: Annotated[Path | None, typer.Option(help="The training table, to open the commitment.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check a release against its record. Exit code 0: yes, 1: no, 2: could not tell."""
    import synthlib as sl
    from synthlib.chain.verification import verdict

    findings = sl.verify(
        bundle,
        rpc=rpc,
        key=sl.StewardKey.open(key) if key else None,
        training=sl.read_table(training) if training else None,
        issuer=issuer,
    )
    code = verdict(findings)
    if as_json:
        print(json.dumps({"verdict": code, "findings": [found._asdict() for found in findings]}, indent=1))
    else:
        for found in findings:
            print(f"{MARKS[found.verdict]:12} {found.subject}: {found.detail}")
        print(VERDICTS[code])
    raise typer.Exit(code)


@app.command()
def reproduce(
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", help="NAME=VALUE for the notebooks; may be repeated."),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Keep notebooks that already completed.")] = False,
) -> None:
    """Run the six notebooks: the whole study, from the cohort to the paper."""
    from synthlib import workflow

    given = dict(item.split("=", 1) if "=" in item else _no_value(item) for item in parameter or [])
    print(
        workflow.summarise(
            workflow.reproduce(parameters={name: _parse(text) for name, text in given.items()}, resume=resume)
        )
    )


def _no_value(item: str) -> Any:
    raise typer.BadParameter(f"expected NAME=VALUE, got {item!r}", param_hint="--parameter")


def _parse(text: str) -> Any:
    """A parameter's value: JSON where it is, else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _show_table(table: Any, title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    for name in table.columns:
        shown.add_column(str(name), overflow="fold")
    for row in table.itertuples(index=False):
        shown.add_row(*(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row))
    Console(stderr=False).print(shown)


def _show_report(report: Any) -> None:
    from synthlib.evaluation.report import summarise

    _show_table(summarise(report), "evaluation (reference: what real patients score)")
    for note in report.attrs.get("notes", []):
        _say(f"note: {note}")
