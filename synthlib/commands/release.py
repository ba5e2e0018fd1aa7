"""Commands about recorded releases, later: withdrawn, replaced, judged by auditors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthlib.commands import terminal
from synthlib.commands.options import (
    AsJson,
    Keyfile,
    Node,
    Reason,
    Release,
    Yes,
    check_new_file,
    read_file,
    read_time,
    refuse,
)
from synthlib.commands.registering import find_node
from synthlib.commands.terminal import confirm, say, waiting

attest_app = typer.Typer(no_args_is_help=True, help="Auditors' verdicts: signed offline, brought by anybody.")

ANY_TIME = 2**48 - 1  # the contract's latest time


def revoke(
    bundle: Release, reason: Reason, rpc: Node = None, keyfile: Keyfile = None, yes: Yes = False
) -> None:
    """Withdraw a release that you recorded."""
    from synthlib.chain.accounts import load_account
    from synthlib.chain.recorded import Recorded

    opened = Recorded(bundle, find_node(bundle, rpc), load_account(keyfile))
    confirm(f"revoke the release {opened.bundle.digest}", yes)
    with waiting("revocation of a release", opened.ledger.connection.place):
        record = opened.revoke(reason)
    print(f"revoked: {record.release}\nSHA-256 of the reason {record.reason}")


def supersede(
    bundle: Release,
    successor: Annotated[
        str, typer.Argument(help="Digest of the release that replaces it, recorded by you.")
    ],
    reason: Reason,
    rpc: Node = None,
    keyfile: Keyfile = None,
    yes: Yes = False,
) -> None:
    """Withdraw a release that you recorded in favour of another."""
    from synthlib.chain.accounts import load_account
    from synthlib.chain.recorded import Recorded

    opened = Recorded(bundle, find_node(bundle, rpc), load_account(keyfile))
    confirm(f"replace the release {opened.bundle.digest} by {successor}", yes)
    with waiting("replacement of a release", opened.ledger.connection.place):
        record = opened.supersede(successor, reason)
    print(f"replaced: {record.release}\nby {record.successor}\nSHA-256 of the reason {record.reason}")


@attest_app.command()
def sign(
    bundle: Release,
    outcome: Annotated[str, typer.Option(help="passed, failed or inconclusive.")],
    report: Annotated[Path, typer.Option(help="File of the report. Its SHA-256 is signed.")],
    rubric: Annotated[Path, typer.Option(help="File of what it was judged by. Its SHA-256 is signed.")],
    out: Annotated[Path, typer.Option(help="File to write the signed verdict to, as JSON.")],
    deadline: Annotated[
        str | None, typer.Option(help="Time until which it may be brought, such as 2026-12-31T00:00:00Z.")
    ] = None,
    keyfile: Keyfile = None,
) -> None:
    """Sign a verdict on a release. No node is needed."""
    from synthlib.bundle import write_atomically
    from synthlib.chain.accounts import load_account
    from synthlib.chain.attestations import OUTCOMES, Verdict
    from synthlib.chain.papers import sign_verdict
    from synthlib.chain.recorded import desk_of

    if outcome not in OUTCOMES[1:]:
        refuse("--outcome", f"expected one of {', '.join(OUTCOMES[1:])}, got {outcome!r}")
    last = ANY_TIME if deadline is None else read_time(deadline, "--deadline")
    digests = _digest(report, "--report"), _digest(rubric, "--rubric")
    opened, issuer, desk = desk_of(bundle, load_account(keyfile))
    paper = sign_verdict(desk, Verdict(opened.digest, issuer, outcome, *digests, last))
    write_atomically(check_new_file(out, "--out"), paper.to_json())
    print(f"{outcome}, says {desk.sender}")
    say(f"next: synthlib attest submit {out}, by you or anybody")


@attest_app.command()
def submit(
    verdict: Annotated[Path, typer.Argument(help="A verdict that attest sign wrote.")],
    rpc: Node = None,
    release: Annotated[
        Path | None, typer.Option(help="Folder of its release, which is brought up to date.")
    ] = None,
    keyfile: Keyfile = None,
) -> None:
    """Bring a signed verdict to the chain. Bringing it again changes nothing."""
    from synthlib.chain.accounts import load_account
    from synthlib.chain.papers import VERDICT, Paper
    from synthlib.chain.recorded import Recorded, bring_verdict
    from synthlib.chain.registry import Ledger

    paper = Paper.from_json(read_file(verdict, "VERDICT"), VERDICT)
    if rpc is None and release is None:
        refuse(
            "--rpc", "expected a node's URL, or --release with the folder of a release recorded in process"
        )
    account = load_account(keyfile)
    if release is not None:
        opened = Recorded(release, find_node(release, rpc), account)
        with waiting("verdict on a release", opened.ledger.connection.place):
            found = opened.bring(paper)
    else:
        ledger = Ledger.connect(rpc, paper.registry, account)
        with waiting("verdict on a release", ledger.connection.place):
            found = bring_verdict(ledger, paper)
    terminal.show_fields(found._asdict())


@attest_app.command("revoke")
def take_back(
    bundle: Release,
    verdict: Annotated[str, typer.Argument(help="The verdict's id: what submit and verify say.")],
    reason: Reason,
    rpc: Node = None,
    keyfile: Keyfile = None,
    yes: Yes = False,
) -> None:
    """Take back a verdict that you signed."""
    from synthlib.chain.accounts import load_account
    from synthlib.chain.recorded import Recorded

    opened = Recorded(bundle, find_node(bundle, rpc), load_account(keyfile))
    confirm(f"take back the verdict {verdict}", yes)
    with waiting("taking back of a verdict", opened.ledger.connection.place):
        found = opened.take_back(verdict, reason)
    terminal.show_fields(found._asdict())


@attest_app.command("list")
def show(bundle: Release, rpc: Node = None, as_json: AsJson = False) -> None:
    """List the verdicts on a release, those taken back too."""
    from synthlib.chain.recorded import Recorded

    found = Recorded(bundle, find_node(bundle, rpc), None).verdicts()
    terminal.show_rows((each._asdict() for each in found), as_json, "no verdict on this release")


def _digest(path: Path, option: str) -> str:
    import hashlib

    return hashlib.sha256(read_file(path, option)).hexdigest()


def add_to(app: typer.Typer, panel: str) -> None:
    """Make these commands part of the command line."""
    app.command(rich_help_panel=panel)(revoke)
    app.command(rich_help_panel=panel)(supersede)
    app.add_typer(attest_app, name="attest", rich_help_panel=panel)
