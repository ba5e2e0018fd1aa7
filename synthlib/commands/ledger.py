"""Commands that record a release and show it: checked, for other tools, or one row of it without the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from synthlib.commands import terminal
from synthlib.commands.options import (
    JournalFile,
    Keyfile,
    Node,
    Registry,
    check_address,
    read_dataset,
    read_file,
    read_training,
    refuse,
)
from synthlib.commands.places import Asking, takes_options
from synthlib.commands.registering import find_node, find_place


def record(
    bundle: Annotated[Path, typer.Argument(help="Folder of a release Bundle.")],
    rpc: Node = None,
    registry: Registry = None,
    journal: JournalFile = None,
    keyfile: Keyfile = None,
) -> None:
    """Record a release on the chain of its protocol. Again changes nothing but a folder that lags behind."""
    from synthlib.chain.accounts import load_account
    from synthlib.chain.recording import record_bundle

    rpc = find_place(bundle, rpc, journal)
    made = record_bundle(bundle, rpc, registry, journal, load_account(keyfile))
    terminal.show_record(made, in_process=rpc is None)


def verify(
    bundle: Annotated[Path, typer.Argument(help="Folder of a release Bundle.")],
    rpc: Node = None,
    issuer: Annotated[str | None, typer.Option(help="Address that must have recorded it.")] = None,
    registry: Annotated[
        str | None, typer.Option(help="Address of the registry that must hold its record.")
    ] = None,
    digest: Annotated[
        str | None, typer.Option(help="Release digest that it must have, from a source you trust.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="The steward's key file, to open the commitment to the training rows.")
    ] = None,
    training: Annotated[Path | None, typer.Option(help="The training rows, to open it.")] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(help="dataset.csv of --save-data: are the training rows the protocol's split of it?"),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(help="Ask what held then: 2026-01-31T12:00:00Z, seconds since 1970, or block:17."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check a release against its record. Exit code 0: yes, 1: no, 2: could not tell."""
    import synthlib as sl
    from synthlib.chain.verification import find_caveat, verdict

    whole, described = read_dataset(dataset) if dataset else (None, None)
    findings = sl.verify(
        bundle,
        rpc=find_node(bundle, rpc),
        key=sl.StewardKey.open(key) if key else None,
        training=read_training(bundle, training) if training else None,
        issuer=issuer,
        registry=registry,
        digest=digest,
        dataset=whole,
        schema=described,
        at=at,
    )
    code, caveat = verdict(findings), find_caveat(findings)
    with terminal.whoever_reads():
        if as_json:
            told = {
                "verdict": code,
                "at": at,
                "caveat": caveat,
                "findings": [found._asdict() for found in findings],
            }
            print(json.dumps(told, indent=1))
        else:
            terminal.show_findings(findings, code, caveat)
    raise typer.Exit(code)


def export(
    bundle: Annotated[Path, typer.Argument(help="Folder of a release Bundle.")],
    out: Annotated[Path, typer.Option(help="Folder to write: RO-Crate, W3C PROV and Croissant.")],
    license: Annotated[str | None, typer.Option(help="Licence of the table, as a URL.")] = None,
    published: Annotated[
        str | None, typer.Option(help="Day of publication, YYYY-MM-DD, where no node's block tells it.")
    ] = None,
    rpc: Node = None,
) -> None:
    """Write a release in formats that need no synthlib to be read."""
    from synthlib.chain.export import export_release

    node = find_node(bundle, rpc)
    print(export_release(bundle, out, license=license, published=published, rpc=node))


def prove_row(
    bundle: Annotated[Path, typer.Argument(help="Folder of a release Bundle.")],
    index: Annotated[int, typer.Argument(min=0, help="The row's place, from 0.")],
    out: Annotated[Path, typer.Option(help="File to write the proof to, as JSON.")],
) -> None:
    """Show one synthetic row of a release without the rest."""
    from synthlib.bundle import Bundle, write_atomically
    from synthlib.chain.rows import ROWS_FILE, RowTree, read_rows_secret

    opened = Bundle.open(bundle)
    if opened.path.resolve() in out.resolve().parents:
        refuse("--out", "expected a file outside of the release, whose manifest would not name it")
    tree = RowTree.of_release(opened, read_rows_secret(opened.file(ROWS_FILE).read_bytes()))
    if index >= tree.num_rows:
        refuse("INDEX", f"expected one of {tree.num_rows} rows, from 0, got {index}")
    write_atomically(out, tree.prove(index).to_json().encode())
    print(f"root {tree.root.hex()}")


def verify_row(
    proof: Annotated[Path, typer.Argument(help="A proof that prove-row wrote.")],
    root: Annotated[str, typer.Option(help="The root as recorded: `synthetic` of the release's record.")],
) -> None:
    """Check that a row stands in the table of a root. Exit code 0: yes, 1: no."""
    from synthlib.chain.records import is_digest
    from synthlib.chain.rows import RowProof
    from synthlib.chain.rows import verify_row as holds

    if not is_digest(root):
        refuse("--root", "expected 64 lower-case hexadecimal digits, got something else")
    shown = RowProof.from_json(read_file(proof, "PROOF"))
    is_there = holds(shown, bytes.fromhex(root))
    if is_there:
        print(json.dumps(dict(shown.row), ensure_ascii=False))
    print(f"yes: row {shown.index} of {shown.num_rows}" if is_there else "no: not a row of that table")
    raise typer.Exit(0 if is_there else 1)


@takes_options
def check_row(
    proof: Annotated[Path, typer.Argument(help="A proof that prove-row wrote.")],
    release: Annotated[str, typer.Argument(metavar="RELEASE", help="Digest of the release.")],
    issuer: Annotated[str, typer.Argument(callback=check_address, help="Address that recorded it.")],
    place: Asking,
) -> None:
    """Ask the chain whether a row stands in a recorded release. Exit code 0: yes, 1: no."""
    from synthlib.chain.row_checks import is_row_of_release
    from synthlib.chain.rows import RowProof

    shown = RowProof.from_json(read_file(proof, "PROOF"))
    ledger = place.open()
    record = ledger.find(release, issuer)
    if is_row_of_release(ledger, shown, record):
        print(json.dumps(dict(shown.row), ensure_ascii=False))
        print(f"yes: row {shown.index} of {shown.num_rows} of {record.release}")
        raise typer.Exit(0)
    print("no: the release was withdrawn" if record.revoked else "no: not a row of that release")
    raise typer.Exit(1)


def add_to(app: typer.Typer, panel: str) -> None:
    """Make these commands part of the command line."""
    for command in (record, verify, export, prove_row, verify_row, check_row):
        app.command(name=command.__name__.replace("_", "-"), rich_help_panel=panel)(command)
