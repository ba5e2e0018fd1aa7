"""What the command line takes: options that several commands share, and what is refused before any work."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthlib.commands.terminal import say

if TYPE_CHECKING:
    import pandas as pd

    from synthlib.chain.registry import Ledger
    from synthlib.schema import Schema

PRIVATE_MODELS = ("private-gpt", "private-gan")
MAX_SEED = 2**32 - 2  # the sample is drawn with the next one


class FromEnvironment(str):
    """A node's URL that the environment names, and not the command: what the command names goes first."""


def mark_source(context: typer.Context, url: str | None) -> str | None:
    """A node's URL, marked if nobody gave it in words."""
    source = context.get_parameter_source("rpc")
    is_marked = url is not None and source is not None and source.name == "ENVIRONMENT"
    return FromEnvironment(url) if is_marked else url


Names = list[str] | None
Target = Annotated[str | None, typer.Option(help="Column that models are to predict.")]
PatientId = Annotated[str | None, typer.Option(help="Column that says which patient a row is of.")]
Identifier = Annotated[Names, typer.Option(help="Column to leave out, as it identifies; repeatable.")]
Leak = Annotated[Names, typer.Option(help="Column that knows the target; repeatable.")]
Kind = Annotated[
    Names, typer.Option(metavar="COLUMN=KIND", help="Kind of a column, where the guess is wrong; repeatable.")
]
Keep = Annotated[
    Names,
    typer.Option(metavar="COLUMN=REASON", help="Column that de-identification leaves alone; repeatable."),
]
SchemaFile = Annotated[Path | None, typer.Option(help="Schema as JSON, instead of inferring one.")]
Seed = Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Of every random choice.")]
Epsilon = Annotated[
    float | None,
    typer.Option(help="Of private models, for the whole fit; by default 1. Smaller is more private."),
]
Delta = Annotated[
    float | None,
    typer.Option(help="Of private models; below one over the number of patients. Default: 1e-5."),
]
PublicSchema = Annotated[
    bool,
    typer.Option(
        "--public-schema",
        help="Of private models: all that --schema says is known without the table, ranges and levels too.",
    ),
]
Seal = Annotated[
    Path | None,
    typer.Option(help="Of private models: file for its secret noise, sealed under the key, for an auditor."),
]
Scores = Annotated[
    bool | None,
    typer.Option(
        "--scores/--no-scores",
        show_default=False,
        help="Publish the overall scores. They carry no noise, and no epsilon covers them: of a private "
        "model only if asked for.",
    ),
]
Rpc = Annotated[str | None, typer.Option(help="URL of an Ethereum node; without it, the in-process chain.")]
Registry = Annotated[
    str | None, typer.Option(help="Address of the registry on the node; else one is deployed.")
]
Keyfile = Annotated[
    Path | None,
    typer.Option(help="Encrypted keyfile of who signs; else SYNTHLIB_KEYFILE or SYNTHLIB_PRIVATE_KEY."),
]
Node = Annotated[
    str | None,
    typer.Option(
        "--rpc",
        envvar="SYNTHLIB_RPC",
        callback=mark_source,
        help="URL of an Ethereum node; a URL with a key goes into SYNTHLIB_RPC.",
    ),
]
Contract = Annotated[
    str | None,
    typer.Option("--registry", envvar="SYNTHLIB_REGISTRY", help="Address of the registry on the node."),
]
JournalFile = Annotated[
    Path | None,
    typer.Option("--journal", help="Journal of an in-process chain, to rehearse on instead of a node."),
]
Yes = Annotated[
    bool,
    typer.Option("--yes", help="Do not ask, though it cannot be undone. Needed where nobody can be asked."),
]
SignUnasked = Annotated[
    bool, typer.Option("--yes", help="Sign without being asked. Needed where nobody can be asked.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
Reason = Annotated[
    str,
    typer.Option(
        help="In words that name no patient. The chain gets their SHA-256, which confirms a right guess of "
        "them; publish the words elsewhere."
    ),
]
Dataset = Annotated[str, typer.Argument(help="Id of the dataset, which dataset register showed.")]
Release = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of a recorded release.")]
VaultUrl = Annotated[
    str, typer.Option("--vault", help="The vault: a folder, or a URL such as s3://bucket/it.")
]
StoreOptions = Annotated[
    Path | None,
    typer.Option("--store-options", help="JSON file of fsspec's options for the store, such as credentials."),
]


def refuse(option: str, reason: str) -> Any:
    """Say that an option cannot be what it is."""
    raise typer.BadParameter(reason, param_hint=option)


def split_pairs(items: Names, option: str, form: str) -> dict[str, str]:
    """NAME=VALUE options as a dict."""
    for item in items or []:
        if not all(item.partition("=")):
            refuse(option, f"expected {form}, got {item!r}")
    return dict(item.split("=", 1) for item in items or [])


def check_address(text: str) -> str:
    """An account's address, where an argument or option is one: not zero, and without a slip.

    Reference: EIP-55, by which upper and lower case are a checksum.
    """
    if not text:
        return text
    if not re.fullmatch("0x[0-9a-fA-F]{40}", text):
        raise typer.BadParameter(f"expected 0x and 40 hexadecimal digits, got {text[:60]!r}")
    if not text[2:].strip("0"):
        raise typer.BadParameter("expected an account's address, got zero, which is nobody's")
    if text[2:] not in (text[2:].lower(), text[2:].upper()):
        from synthlib.chain.records import to_address

        try:
            to_address(text)
        except ValueError:
            raise typer.BadParameter(
                f"expected an address whose upper and lower case fit (EIP-55), got {text}: a digit is wrong, "
                "or a case; copy it again, or write it in lower case if you are sure of it"
            ) from None
    return text


Account = Annotated[str, typer.Argument(callback=check_address, help="The account's address.")]


def read_time(text: str, option: str) -> int:
    """Seconds since 1970 of a time as people write it."""
    from synthlib.chain.history import parse_moment

    moment = None
    try:
        moment = parse_moment(text)
    except ValueError as error:
        refuse(option, str(error))
    if moment.time is None:
        refuse(option, "expected a time, got a block")
    return moment.time


def check_rehearsal(ledger: Ledger, seconds: int, option: str) -> None:
    """That a time to come is one for a rehearsal too, whose chain has no clock."""
    from synthlib.chain.in_process import GENESIS_TIME

    if ledger.connection.is_in_process and seconds <= GENESIS_TIME:
        refuse(
            option,
            "the in-process chain has no clock and counts its seconds from 2100-01-01: to rehearse, expected "
            "a later time such as 2101-12-31T23:59:59Z",
        )


def read_file(path: Path, option: str) -> bytes:
    """The bytes of a file that somebody handed over."""
    if not path.is_file():
        refuse(option, f"expected a file, found none at {path}")
    return path.read_bytes()


def check_new_file(path: Path, option: str) -> Path:
    """A place for a file that replaces none."""
    if path.exists():
        refuse(option, f"expected nothing at {path}, found something; choose another name")
    return path


def check_release_folder(path: Path) -> Path:
    """Where a release goes, if nothing is lost by writing it there."""
    from synthlib.bundle import LEDGER_FOLDER, check_destination

    path = check_destination(path.absolute())
    evidence = path / LEDGER_FOLDER
    if evidence.exists() and [entry.name for entry in evidence.iterdir()] != ["journal.jsonl"]:
        refuse("--out", f"the release in {path} is recorded, its evidence would go; choose another folder")
    return path


def check_confidential(
    option: str, path: Path, others: Iterable[Path | None], is_read: bool = False
) -> Path:
    """A place for what is confidential: not inside or around the release or another such place.

    Where it can be written, but for what `is_read` only if it is there.
    """
    from synthlib.bundle import check_writable

    path = path.resolve()
    for other in others:
        if other and (path == other or other in path.parents or path in other.parents):
            refuse(option, f"expected a place of its own, not {path} inside or around {other}")
    if not (is_read and path.exists()):
        check_writable(path)
    return path


def check_model_folder(path: Path) -> None:
    """That a saved model loses nothing there; `Synthesizer.save` would say so after the training."""
    is_ours = (path / "synthesizer.json").exists()
    if path.exists() and not is_ours and (not path.is_dir() or any(path.iterdir())):
        refuse("--save-model", f"expected no folder {path}, or a saved model to replace; found other files")


def check_private(
    model: str,
    epsilon: float | None,
    delta: float | None,
    is_public: bool,
    seal: Path | None,
    schema: Path | None,
    index_date: str | None,
) -> None:
    """Options of a private generator: refused for others; and what it cannot start without."""
    if model not in PRIVATE_MODELS:
        given = {"--epsilon": epsilon, "--delta": delta, "--public-schema": is_public or None, "--seal": seal}
        for option, value in given.items():
            if value is not None:
                refuse(
                    option, f"it is for {' or '.join(PRIVATE_MODELS)}; {model} is not differentially private"
                )
        return
    if schema is None:
        refuse("--schema", "expected a file: a schema inferred from the table tells of its patients")
    if not is_public:
        refuse(
            "--public-schema",
            f"expected it with {model}: say that levels, ranges, precision, rules and where values may be "
            "missing in the schema's file are known without the table",
        )
    if index_date:
        refuse("--index-date", "the range of days since it is read off the table; bring days in the table")
    if epsilon is not None and not 0 < epsilon < float("inf"):
        refuse("--epsilon", f"expected a number above 0, got {epsilon:g}")
    if delta is not None and not 0 < delta < 1:
        refuse(
            "--delta", f"expected a number above 0 and below one over the number of patients, got {delta:g}"
        )
    if seal is not None:
        check_new_file(seal, "--seal")


def read_schema(
    file: Path | None,
    table: pd.DataFrame,
    target: str | None,
    patient_id: str | None,
    identifier: Names,
    leak: Names,
    kind: Names,
) -> Schema:
    """The Schema in the file, or one inferred from the table."""
    from synthlib.release import infer_schema
    from synthlib.schema import KINDS, Schema, SchemaError

    if target and target in (patient_id, *(identifier or ())):
        refuse("--target", f"expected a column that does not identify, {target!r} is named as one that does")
    if file:
        if target or patient_id or identifier or leak or kind:
            refuse("--schema", "the file says what columns are: give target, roles and kinds there")
        return Schema.from_json(file.read_bytes())
    kinds = split_pairs(kind, "--kind", "COLUMN=KIND")
    for name in sorted(set(kinds.values()) - set(KINDS)):
        refuse("--kind", f"expected a kind of {', '.join(KINDS)}, got {name!r}")
    try:
        schema, found = infer_schema(table, target, patient_id, identifier or (), leak or (), kinds)
    except SchemaError as error:
        hint = "\n(--identifier COLUMN leaves a column out, --kind COLUMN=KIND says what it holds)"
        raise SchemaError(f"{error}{hint}" if "column '" in str(error) else str(error)) from None
    if found:
        say(f"taken for direct identifiers, and left out: {', '.join(found)}")
        if not patient_id and any(table[name].nunique() < table[name].count() for name in found):
            say("  (--patient-id COLUMN, if one of them says whose a row is: a patient's rows stay together)")
    return schema


def check_rows(table: pd.DataFrame, schema: Schema) -> None:
    """That a row is a patient, as far as columns tell that go: a claim to privacy speaks of patients."""
    from synthlib.release import find_repeated_numbers

    found = [name for name in find_repeated_numbers(table, schema) if name != schema.patient_id]
    if found:
        raise ValueError(
            f"expected a row for each patient, as a private generator protects rows, got several with the "
            f"same {', '.join(found)}\n(bring a patient's rows into one, or take out of the table what "
            "numbers something else)"
        )


def check_levels(train: pd.DataFrame, schema: Schema, kept: Iterable[str]) -> None:
    """That no column but those which the user insists on would be published level by rare level."""
    from synthlib.release import FEWEST, find_scattered_levels

    found = sorted(set(find_scattered_levels(train, schema)) - set(kept))
    if found:
        raise ValueError(
            f"expected levels that several patients share, got fewer than {FEWEST} patients for each of "
            f"those of {', '.join(found)}, which would be published as they are\n(--identifier COLUMN leaves "
            "a column out, --keep COLUMN=REASON insists on it; or merge levels)"
        )


def spell_as(schema: Schema, table: pd.DataFrame) -> pd.DataFrame:
    """A synthetic table with the Schema's levels, and its codes made missing; what cannot be is left."""
    from synthlib.schema import Schema, SchemaError

    spelled = table.copy()
    for column in schema.modelled:
        if column.name in table.columns:
            loose = replace(column, low=None, high=None) if column.is_numeric else column
            try:
                spelled[column.name] = Schema((loose,)).conform(table)[column.name]
            except SchemaError:
                continue  # not a column of that kind at all: that is for a metric to find
    return spelled


def read_training(release: Path, file: Path) -> pd.DataFrame:
    """Training rows as `--save-data` wrote them, with the levels that CSV cannot tell from numbers.

    Those are in the Schema beside them; else in the release's, as far as they were drawn.
    """
    from synthlib.bundle import Bundle
    from synthlib.data.tables import read_table
    from synthlib.parsing import parse_json
    from synthlib.schema import Schema

    table = read_table(file)
    try:
        beside = file.parent / "schema.json"
        text = (beside if beside.exists() else Bundle.locate(release) / "schema.json").read_bytes()
        parse_json(text)  # the release may be a stranger's
        schema = Schema.from_json(text)
    except (OSError, ValueError):
        return table
    exact = Schema(tuple(replace(column, missing_codes=()) for column in schema))
    return spell_as(exact, table)


def read_dataset(file: Path) -> tuple[pd.DataFrame, Schema | None]:
    """The whole de-identified table as `--save-data` wrote it, and the Schema beside it, if there is one."""
    from synthlib.data.tables import read_table
    from synthlib.schema import Schema

    table, beside = read_table(file), file.parent / "schema.json"
    if not beside.exists():
        return table, None
    schema = Schema.from_json(beside.read_bytes())
    exact = Schema(tuple(replace(column, missing_codes=()) for column in schema))
    return spell_as(exact, table), schema
