"""Commands about a registry's administration, which is handed over in two steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from synthlib.commands import terminal
from synthlib.commands.options import AsJson, Yes, check_address
from synthlib.commands.places import Acting, Asking, takes_options
from synthlib.commands.signing import say_time
from synthlib.commands.terminal import say

if TYPE_CHECKING:
    from synthlib.chain.administration import HandOver

admin_app = typer.Typer(
    no_args_is_help=True, help="Who administers a registry: handed over in two steps, a day apart."
)


@admin_app.command()
@takes_options
def show(place: Asking, as_json: AsJson = False) -> None:
    """Say who administers the registry, and to whom that is offered."""
    from synthlib.chain.administration import Administration
    from synthlib.chain.creation import find_creation
    from synthlib.chain.errors import IncompleteLog

    ledger = place.open()
    if not ledger.connection.is_in_process:
        try:
            say(f"made by its own constructor in transaction {find_creation(ledger)}")
        except IncompleteLog as error:
            say(f"how it was made could not be told: {error}")
    _show(Administration(ledger).find(), as_json)


@admin_app.command()
@takes_options
def offer(
    successor: Annotated[
        str, typer.Argument(callback=check_address, help="Address of who is to administer the registry.")
    ],
    place: Acting,
    yes: Yes = False,
) -> None:
    """Offer the administration to another account. Until it accepts, the offer can be cancelled."""
    from synthlib.chain.administration import Administration

    question = f"offer the administration to {successor}, who alone decides then"
    with place.sending("offer of the administration", question, yes) as ledger:
        found = Administration(ledger).offer(successor)
    _show(found)
    say(f"next: {successor} accepts it (synthlib admin accept), after {say_time(found.due)}")


@admin_app.command()
@takes_options
def accept(place: Acting) -> None:
    """Take over the administration that was offered to you, once the delay is over."""
    from synthlib.chain.administration import Administration

    with place.sending("taking over of the administration") as ledger:
        found = Administration(ledger).accept()
    _show(found)


@admin_app.command()
@takes_options
def cancel(place: Acting) -> None:
    """Take an offer of the administration back. For the administrator."""
    from synthlib.chain.administration import Administration

    with place.sending("end of an offer of the administration") as ledger:
        found = Administration(ledger).cancel()
    _show(found)


def _show(found: HandOver, as_json: bool = False) -> None:
    if as_json or found.successor is not None:
        terminal.show_fields(found._asdict(), as_json)
    else:
        terminal.show_fields({"administrator": found.administrator})


def add_to(app: typer.Typer, panel: str) -> None:
    """Make these commands part of the command line."""
    app.add_typer(admin_app, name="admin", rich_help_panel=panel)
