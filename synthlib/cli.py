"""The command line: from a table to a release that is recorded and verified."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from synthlib import __version__
from synthlib.commands import (
    administration,
    agreement,
    anchor,
    ledger,
    protocol,
    registry,
    release,
    steward,
    tables,
    terminal,
    vault,
)

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


tables.add_to(app, TABLES)
ledger.add_to(app, RELEASES)
release.add_to(app, RELEASES)
protocol.add_to(app, PARTIES)
steward.add_to(app, PARTIES)
agreement.add_to(app, PARTIES)
vault.add_to(app, PARTIES)
registry.add_to(app, REGISTRY)
administration.add_to(app, REGISTRY)
anchor.add_to(app, REGISTRY)
