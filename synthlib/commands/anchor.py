"""Commands about anchors: a release's digest in a signed log, where a chain is more than is needed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from synthlib.commands.options import check_new_file, read_file
from synthlib.commands.terminal import say

anchor_app = typer.Typer(
    no_args_is_help=True, help="A signed log of releases, checked offline (docs/anchors.md)."
)

Log = Annotated[Path, typer.Argument(help="The log's folder. It may be published.")]
Key = Annotated[Path, typer.Option(help="The log writer's key file, outside the folder.")]
Bundle = Annotated[Path, typer.Argument(help="Folder of a release Bundle.")]
Clock = Annotated[bool, typer.Option("--clock", help="Write this machine's time beside each digest.")]


@anchor_app.command()
def create(
    log: Log, key: Key, name: Annotated[str, typer.Option(help="Its name, such as example.org/releases.")]
) -> None:
    """Start a log, with a new key."""
    from synthlib.chain.anchors import SignedLog

    made = SignedLog.create(log, key, name)
    print(made.verifier)
    say("give that public key to everybody who is to check; keep the key file secret")


@anchor_app.command()
def add(
    log: Log,
    bundle: Bundle,
    key: Key,
    out: Annotated[Path, typer.Option(help="File to write the proof to, as JSON.")],
    clock: Clock = False,
) -> None:
    """Append a release's digest, which is its manifest's, and write a proof. Again is harmless."""
    from synthlib import bundle as bundles
    from synthlib.chain.anchors import SignedLog

    opened = bundles.Bundle.open(bundle)
    appended = SignedLog.open(log, key, (lambda: int(time.time())) if clock else None)
    check_new_file(out, "--out")
    proof = appended.anchor(opened.digest)
    bundles.write_atomically(out, proof.encode())
    print(f"{opened.digest} is in a log of {len(appended)} entries")


@anchor_app.command()
def check(
    bundle: Bundle,
    proof: Annotated[Path, typer.Argument(help="A proof that add wrote.")],
    verifier: Annotated[str, typer.Option(help="The log's public key, from a source that you trust.")],
) -> None:
    """Check that a release's digest is in a log. Exit code 0: yes, 1: no."""
    from synthlib import bundle as bundles
    from synthlib.chain.anchors import AnchorError, LogReader

    opened, reader = bundles.Bundle.open(bundle), LogReader(verifier)
    try:
        found = reader.check(opened.digest, read_file(proof, "PROOF").decode("utf-8", "replace"))
    except AnchorError as error:
        print(f"no: {error}")
        raise typer.Exit(1) from None
    when = "" if found.when is None else f", at {datetime.fromtimestamp(found.when, UTC).isoformat()}"
    print(f"yes: entry {found.index} of {found.size} of {found.who}{when}")


def add_to(app: typer.Typer, panel: str) -> None:
    """Make these commands part of the command line."""
    app.add_typer(anchor_app, name="anchor", rich_help_panel=panel)
