"""Commands about a registry: its deployment, who may do what, and its pause."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthlib.commands.options import Account, Keyfile, Node, Yes, check_address, check_new_file, refuse
from synthlib.commands.places import Acting, Asking, takes_options
from synthlib.commands.registering import choose_node
from synthlib.commands.terminal import say

WEI = 10**18
NAMES = ("steward", "researcher", "auditor")

role_app = typer.Typer(no_args_is_help=True, help="Who may do what on a registry.")

Role = Annotated[str, typer.Argument(help=f"{', '.join(NAMES[:-1])} or {NAMES[-1]}.")]


def deploy(
    rpc: Node = None,
    chain_id: Annotated[
        int | None, typer.Option(help="The chain it must be, such as 11155111 for Sepolia; any if not given.")
    ] = None,
    keyfile: Keyfile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, and send nothing.")
    ] = False,
    journal: Annotated[
        Path | None, typer.Option(help="Start an in-process chain in this file, to rehearse on.")
    ] = None,
) -> None:
    """Deploy a registry on a node. Who deploys it grants and withdraws all roles."""
    from synthlib.chain.accounts import load_account
    from synthlib.chain.connection import Connection
    from synthlib.chain.deployment import plan_deployment
    from synthlib.chain.registry import Ledger

    rpc = choose_node(rpc, journal)
    if (rpc is None) == (journal is None):
        refuse("--rpc", "expected a node's URL, or --journal with a file for a rehearsal")
    account = load_account(keyfile)
    if journal is not None:
        ledger = Ledger.in_process(check_new_file(journal, "--journal"), account)
        print(f"registry {ledger.address}")
        return
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


@role_app.command()
@takes_options
def grant(
    role: Role,
    address: Account,
    place: Acting,
) -> None:
    """Give an account a role. For the registry's administrator."""
    _act("grant", role, address, place)
    print(f"{address} is {role}")


@role_app.command()
@takes_options
def withdraw(
    role: Role,
    address: Account,
    place: Acting,
) -> None:
    """Take a role from an account. For the registry's administrator."""
    _act("withdraw", role, address, place)
    print(f"{address} is not {role} any more")


@role_app.command()
@takes_options
def offer(
    role: Role,
    address: Account,
    place: Acting,
) -> None:
    """Offer a role that you hold to another account, which has to accept it."""
    _act("offer", role, address, place)
    print(f"offered to {address}, who has to accept it")


@role_app.command()
@takes_options
def accept(
    role: Role,
    holder: Annotated[
        str, typer.Argument(callback=check_address, help="Address of who offered it, and loses it.")
    ],
    place: Acting,
) -> None:
    """Take over a role that its holder offered to you."""
    _act("accept", role, holder, place)
    print(f"you are {role}, {holder} is not any more")


@role_app.command()
@takes_options
def renounce(
    role: Role,
    place: Acting,
    yes: Yes = False,
) -> None:
    """Give up a role that you hold."""
    from synthlib.chain.roles import Roles

    name = _to_name(role)
    with place.sending(f"renouncing of the role of {role}", f"give up the role of {role}", yes) as ledger:
        Roles(ledger).renounce(name)
    print(f"{ledger.sender} is not {role} any more")


@role_app.command()
@takes_options
def check(
    role: Role,
    address: Account,
    place: Asking,
) -> None:
    """Say whether an account has a role. Exit code 0: yes, 1: no."""
    from synthlib.chain.roles import Roles

    has_it = Roles(place.open()).has(_to_name(role), address)
    print(f"{'yes' if has_it else 'no'}: {address} is {'' if has_it else 'not '}{role}")
    raise typer.Exit(0 if has_it else 1)


@takes_options
def pause(
    place: Acting,
) -> None:
    """Stop new records; reading, revoking, closing and erasing go on. For the administrator."""
    from synthlib.chain.roles import Roles

    with place.sending("pause") as ledger:
        Roles(ledger).pause()
    print("paused: nothing new is recorded")


@takes_options
def unpause(
    place: Acting,
) -> None:
    """Let new records in again. For the administrator."""
    from synthlib.chain.roles import Roles

    with place.sending("end of the pause") as ledger:
        Roles(ledger).unpause()
    print("not paused: records are taken")


def _act(what: str, role: str, address: str, place: Acting) -> None:
    from synthlib.chain.roles import Roles

    name = _to_name(role)
    with place.sending(f"{what} of the role of {role}") as ledger:
        getattr(Roles(ledger), what)(name, address)


def _to_name(role: str) -> str:
    """The contract's name of a role."""
    from synthlib.chain.roles import AUDITOR, RESEARCHER, STEWARD

    names = dict(zip(NAMES, (STEWARD, RESEARCHER, AUDITOR), strict=True))
    if role not in names:
        refuse("ROLE", f"expected one of {', '.join(NAMES)}, got {role!r}")
    return names[role]


def add_to(app: typer.Typer, panel: str) -> None:
    """Make these commands part of the command line."""
    app.command(rich_help_panel=panel)(deploy)
    app.add_typer(role_app, name="role", rich_help_panel=panel)
    app.command(rich_help_panel=panel)(pause)
    app.command(rich_help_panel=panel)(unpause)
