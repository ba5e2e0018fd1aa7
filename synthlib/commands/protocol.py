"""Commands about protocols: registered by researchers before training, approved and closed by stewards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthlib.commands import terminal
from synthlib.commands.options import AsJson, Yes, read_file, refuse
from synthlib.commands.places import Acting, Asking, takes_options
from synthlib.commands.terminal import confirm, say, waiting

if TYPE_CHECKING:
    from synthlib.chain.protocols import Registration, SealedProtocol, Track
    from synthlib.chain.registry import Ledger
    from synthlib.chain.study import Study as RunningStudy

Registered = Annotated[
    Path,
    typer.Argument(metavar="REGISTRATION", help="What register wrote: the folder, or registration.json."),
]
Planned = Annotated[
    Path,
    typer.Argument(
        metavar="REGISTRATION",
        help="What register wrote: the folder, registration.json, or sealed.json of a sealed protocol.",
    ),
]

Study = Annotated[Path, typer.Argument(metavar="STUDY", help="The folder that register wrote.")]


@takes_options
def register(
    protocol: Annotated[Path, typer.Argument(help="The protocol as JSON: protocol.json of a study.")],
    dataset: Annotated[str, typer.Option(help="Id of the dataset that it is to run on.")],
    out: Annotated[
        Path, typer.Option(help="Folder to write what the steward needs, and a Study goes on with.")
    ],
    sealed: Annotated[
        bool, typer.Option("--sealed", help="Keep the protocol secret until reveal; so keep the folder.")
    ] = False,
    *,
    place: Acting,
) -> None:
    """Register a protocol before anything is trained. The same folder again changes nothing."""
    from synthlib.chain.preparing import SEALED_FILE, prepare
    from synthlib.chain.protocols import Protocol, Protocols

    planned = Protocol.from_json(read_file(protocol, "PROTOCOL"))
    ledger = place.open()
    registration = prepare(ledger, planned, dataset, sealed, out)
    with waiting("registration of a protocol", ledger.connection.place):
        track = Protocols(ledger).register(registration)
    _show(track)
    if sealed:
        say(f"next: its dataset's steward approves {out / SEALED_FILE}, in a later block")
        say("  give that file alone: the rest of the folder opens the seal")
    else:
        say(f"next: its dataset's steward approves {out}; that has to be in a later block")


@takes_options
def approve(
    registration: Planned,
    budget: Annotated[
        float | None,
        typer.Option(help="Privacy loss allowed in all, in its measure; left out, what stands (0 at first)."),
    ] = None,
    open_releases: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Releases without differential privacy allowed in all; left out, what stands (0 at first).",
        ),
    ] = None,
    *,
    place: Acting,
) -> None:
    """Let a protocol run, or raise what a running one may spend in all. For the dataset's steward."""
    from synthlib.chain.protocols import Protocols

    ledger, found = _open_planned(registration, place)
    with waiting("approval of a protocol", ledger.connection.place):
        track = Protocols(ledger).approve(found, budget, open_releases)
    _show(track)


@takes_options
def reveal(
    registration: Registered,
    place: Acting,
    yes: Yes = False,
) -> None:
    """Open a sealed protocol's seal; a release needs that. For who registered it."""
    from synthlib.chain.protocols import Protocols

    ledger, found = _open(registration, place)
    confirm(f"reveal the protocol {found.id}", yes)
    with waiting("revealing of a protocol", ledger.connection.place):
        track = Protocols(ledger).reveal(found)
    _show(track)


@takes_options
def close(
    registration: Planned,
    place: Acting,
    yes: Yes = False,
) -> None:
    """End a protocol; what it did not spend goes back. For the dataset's steward and the researcher."""
    from synthlib.chain.protocols import Protocols

    ledger, found = _open_planned(registration, place)
    confirm(f"close the protocol {found.id}", yes)
    with waiting("closing of a protocol", ledger.connection.place):
        track = Protocols(ledger).close(found)
    _show(track)


@takes_options
def attempt(
    study: Study,
    described: Annotated[Path, typer.Argument(help="JSON of what is attempted: model type, parameters.")],
    place: Acting,
) -> None:
    """Log an attempt before it is made. For who registered the protocol."""
    from synthlib.parsing import parse_json

    what = parse_json(read_file(described, "DESCRIBED"))
    opened = _open_study(study, place)
    with waiting("attempt", opened.ledger.connection.place):
        number = opened.attempt(what)
    print(f"attempt {number}")


@takes_options
def attempt_all(
    study: Study,
    described: Annotated[
        Path, typer.Argument(help="JSON list of descriptions, attempts.json, or CSV with a row for each.")
    ],
    place: Acting,
) -> None:
    """Log several attempts before they are made, for the gas of one.

    Again changes nothing until one of them is settled: then the same are other attempts.
    """
    from synthlib.commands.descriptions import read_descriptions

    what = read_descriptions(read_file(described, "DESCRIBED"))
    opened = _open_study(study, place)
    with waiting(f"{len(what)} attempts", opened.ledger.connection.place):
        numbers = opened.attempt_together(what)
    print(f"attempts {numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"attempt {numbers[0]}")


@takes_options
def settle(
    study: Study,
    number: Annotated[int, typer.Argument(min=1, help="The attempt's number.")],
    outcome: Annotated[Path, typer.Argument(help="JSON of what came of it: scores, or how it failed.")],
    place: Asking,
) -> None:
    """Note what came of an attempt that is logged, for the release. The chain is told nothing."""
    from synthlib.parsing import parse_json

    told = parse_json(read_file(outcome, "OUTCOME"))
    opened = _open_study(study, place, sends=False)
    opened.settle(number, told)
    print(f"attempt {number} of {len(opened.attempts)} is settled")


@takes_options
def track(
    registration: Planned,
    place: Asking,
    as_json: AsJson = False,
) -> None:
    """Say what the registry knows of a protocol: attempts, budget, whether it runs."""
    from synthlib.chain.protocols import Protocols

    ledger, found = _open_planned(registration, place)
    _show(Protocols(ledger).find(found.id, found.researcher), as_json)


def _open(path: Path, place: Asking) -> tuple[Ledger, Registration]:
    """The registry where a protocol is registered, and its registration."""
    from synthlib.chain.papers import read_registration
    from synthlib.chain.study import REGISTRATION_FILE

    file = path / REGISTRATION_FILE if path.is_dir() else path
    registration, *where = read_registration(read_file(file, "REGISTRATION"))
    return _open_at(*where, place), registration


def _open_planned(path: Path, place: Asking) -> tuple[Ledger, Registration | SealedProtocol]:
    """The same for who needs not open a seal, and may have sealed.json alone."""
    from synthlib.chain.papers import is_sealed, read_sealed

    data = b"" if path.is_dir() else read_file(path, "REGISTRATION")
    if not is_sealed(data):
        return _open(path, place)
    sealed, *where = read_sealed(data)
    return _open_at(*where, place), sealed


def _open_at(chain: str, registry: str, place: Asking) -> Ledger:
    """The registry on a chain, which must be the one that options name."""
    ledger = place.open(registry)
    if (f"eip155:{ledger.connection.chain_id}", ledger.address) != (chain, registry):
        told = f"expected {registry} on {chain}, where the protocol was prepared for, got another"
        refuse("--registry", told)
    return ledger


def _open_study(folder: Path, place: Asking, sends: bool = True) -> RunningStudy:
    """The study of a folder that register wrote, whose attempts.json is kept up to date."""
    from synthlib.chain.attempts import ATTEMPTS_FILE
    from synthlib.chain.protocols import Protocol
    from synthlib.chain.study import PROTOCOL_FILE, Study

    protocol = Protocol.from_json(read_file(folder / PROTOCOL_FILE, "STUDY"))
    ledger, registration = _open(folder, place)
    return Study(ledger, protocol, registration, notes=folder / ATTEMPTS_FILE, sends=sends)


def _show(track: Track, as_json: bool = False) -> None:
    terminal.show_fields(track._asdict(), as_json, millionths=("budget", "allotted"))


def add_to(app: typer.Typer, panel: str) -> None:
    """Make these commands part of the command line."""
    for command in (register, approve, attempt, attempt_all, settle, reveal, close, track):
        app.command(rich_help_panel=panel)(command)
