"""Commands about what is recorded: a new registry, a release for other tools, one row without the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from synthlib.options import Keyfile, refuse
from synthlib.terminal import say

WEI = 10**18


def deploy(
    rpc: Annotated[str, typer.Option(help="URL of an Ethereum node.")],
    chain_id: Annotated[
        int | None, typer.Option(help="The chain it must be, such as 11155111 for Sepolia; any if not given.")
    ] = None,
    keyfile: Keyfile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, and send nothing.")
    ] = False,
) -> None:
    """Deploy a registry on a node. Who deploys it grants and withdraws all roles."""
    from synthlib.chain.accounts import load_account
    from synthlib.chain.connection import Connection
    from synthlib.chain.deployment import plan_deployment
    from synthlib.chain.registry import Ledger

    account = load_account(keyfile)
    plan = plan_deployment(Connection.by_url(rpc, chain_id), account)
    say(f"chain {plan.chain_id}, account {plan.account}")
    say(f"{plan.gas} gas at {plan.price} wei: {plan.cost / WEI:.6f} ether; it has {plan.balance / WEI:.6f}")
    if not plan.is_affordable:
        say("that may not be enough, as prices move: send the account some ether first")
    if dry_run:
        print(f"registry would be at {plan.address}; nothing was sent")
        return
    ledger = Ledger.connect(rpc, account=account, chain_id=chain_id)
    print(f"registry {ledger.address}")
    for name, address in ledger.addresses.items():
        say(f"  {name} {address}")


def export(
    bundle: Annotated[Path, typer.Argument(help="Folder of a release Bundle.")],
    out: Annotated[Path, typer.Option(help="Folder to write: RO-Crate, W3C PROV and Croissant.")],
    license: Annotated[str | None, typer.Option(help="Licence of the table, as a URL.")] = None,
    published: Annotated[
        str | None, typer.Option(help="Day of publication, YYYY-MM-DD, where no node's block tells it.")
    ] = None,
) -> None:
    """Write a release in formats that need no synthlib to be read."""
    from synthlib.chain.export import export_release

    print(export_release(bundle, out, license=license, published=published))


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
    shown = RowProof.from_json(proof.read_bytes())
    is_there = holds(shown, bytes.fromhex(root))
    if is_there:
        print(json.dumps(dict(shown.row), ensure_ascii=False))
    print(f"yes: row {shown.index} of {shown.num_rows}" if is_there else "no: not a row of that table")
    raise typer.Exit(0 if is_there else 1)


def add_to(app: typer.Typer) -> None:
    """Make these commands part of the command line."""
    for command in (deploy, export, prove_row, verify_row):
        app.command(name=command.__name__.replace("_", "-"))(command)
