"""Commands about recorded releases, later: withdrawn, replaced, judged by auditors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from synthlib.commands import terminal
from synthlib.commands.options import (
    AsJson,
    Keyfile,
    Reason,
    Release,
    SignUnasked,
    Yes,
    check_new_file,
    read_file,
    read_time,
    refuse,
)
from synthlib.commands.places import Acting, ActingAtRelease, AtRelease, takes_options
from synthlib.commands.registering import choose_node
from synthlib.commands.signing import confirm_signing, word_verdict
from synthlib.commands.terminal import say

ItsRelease = Annotated[Path | None, typer.Option(help="Folder of its release, which is brought up to date.")]
attest_app = typer.Typer(no_args_is_help=True, help="Auditors' verdicts: signed offline, brought by anybody.")


@takes_options
def revoke(bundle: Release, reason: Reason, place: ActingAtRelease, yes: Yes = False) -> None:
    """Withdraw a release that you recorded."""
    question = "revoke the release DIGEST"
    with place.sending(bundle, "revocation of a release", question, yes) as opened:
        record = opened.revoke(reason)
    print(f"revoked: {record.release}\nSHA-256 of the reason {record.reason}")


@takes_options
def supersede(
    bundle: Release,
    successor: Annotated[
        str, typer.Argument(help="Digest of the release that replaces it, recorded by you.")
    ],
    reason: Reason,
    place: ActingAtRelease,
    yes: Yes = False,
) -> None:
    """Withdraw a release that you recorded in favour of another."""
    question = f"replace the release DIGEST by {successor}"
    with place.sending(bundle, "replacement of a release", question, yes) as opened:
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
        str | None,
        typer.Option(help="Time to bring it by, such as 2026-12-31T00:00:00Z. Default: a year."),
    ] = None,
    keyfile: Keyfile = None,
    yes: SignUnasked = False,
) -> None:
    """Sign a verdict on a release, once you have seen what it says. No node is needed."""
    from synthlib.bundle import write_atomically
    from synthlib.chain.accounts import load_account
    from synthlib.chain.attestations import OUTCOMES, Verdict, default_deadline
    from synthlib.chain.papers import sign_verdict
    from synthlib.chain.recorded import desk_of

    if outcome not in OUTCOMES[1:]:
        refuse("--outcome", f"expected one of {', '.join(OUTCOMES[1:])}, got {outcome!r}")
    last = None if deadline is None else read_time(deadline, "--deadline")
    digests = _digest(report, "--report"), _digest(rubric, "--rubric")
    opened, issuer, desk = desk_of(bundle, load_account(keyfile))
    last = default_deadline(desk.time) if last is None else last
    said = Verdict(opened.digest, issuer, outcome, *digests, last)
    check_new_file(out, "--out")
    confirm_signing(word_verdict(said, desk, bundle, report, rubric), yes)
    write_atomically(out, sign_verdict(desk, said).to_json())
    print(f"{outcome}, says {desk.sender}")
    say(f"next: synthlib attest submit {out}, by you or anybody")


@attest_app.command()
@takes_options
def submit(
    verdict: Annotated[Path, typer.Argument(help="A verdict that attest sign wrote.")],
    place: ActingAtRelease,
    release: ItsRelease = None,
) -> None:
    """Bring a signed verdict to the chain. Bringing it again changes nothing."""
    from synthlib.chain.recorded import Recorded, bring_verdict

    found = _do(verdict, release, place, "verdict on a release", Recorded.bring, bring_verdict)
    terminal.show_fields(found._asdict())


@attest_app.command()
@takes_options
def cancel(
    verdict: Annotated[Path, typer.Argument(help="A verdict that you signed and nobody brought.")],
    place: ActingAtRelease,
    release: ItsRelease = None,
    yes: Yes = False,
) -> None:
    """Cancel a verdict that you signed, so that nobody brings it any more."""
    from synthlib.chain.recorded import Recorded, cancel_verdict

    what, question = "cancelling of a verdict", f"cancel the verdict in {verdict}"
    print(f"cancelled: {_do(verdict, release, place, what, Recorded.cancel, cancel_verdict, question, yes)}")


@attest_app.command("revoke")
@takes_options
def take_back(
    bundle: Release,
    verdict: Annotated[str, typer.Argument(help="The verdict's id: what submit and verify say.")],
    reason: Reason,
    place: ActingAtRelease,
    yes: Yes = False,
) -> None:
    """Take back a verdict that you signed."""
    question = f"take back the verdict {verdict}"
    with place.sending(bundle, "taking back of a verdict", question, yes) as opened:
        found = opened.take_back(verdict, reason)
    terminal.show_fields(found._asdict())


@attest_app.command("list")
@takes_options
def show(bundle: Release, place: AtRelease, as_json: AsJson = False) -> None:
    """List the verdicts on a release, those taken back too."""
    found = place.open(bundle).verdicts()
    terminal.show_rows((each._asdict() for each in found), as_json, "no verdict on this release")


def _do(
    verdict: Path,
    release: Path | None,
    place: ActingAtRelease,
    what: str,
    at_release: Callable,
    at_registry: Callable,
    *confirmed: Any,
) -> Any:
    """Do something with a signed verdict where its release is recorded."""
    from synthlib.chain.papers import VERDICT, Paper

    paper = Paper.from_json(read_file(verdict, "VERDICT"), VERDICT)
    if place.rpc is None and place.journal is None and release is None:
        refuse(
            "--rpc", "expected a node's URL, or --release with the folder of a release recorded in process"
        )
    if release is not None:
        with place.sending(release, what, *confirmed) as opened:
            return at_release(opened, paper)
    registry = paper.registry if choose_node(place.rpc, place.journal) else None
    with Acting(place.rpc, registry, place.journal, place.keyfile).sending(what, *confirmed) as ledger:
        return at_registry(ledger, paper)


def _digest(path: Path, option: str) -> str:
    import hashlib

    return hashlib.sha256(read_file(path, option)).hexdigest()


def add_to(app: typer.Typer, panel: str) -> None:
    """Make these commands part of the command line."""
    app.command(rich_help_panel=panel)(revoke)
    app.command(rich_help_panel=panel)(supersede)
    app.add_typer(attest_app, name="attest", rich_help_panel=panel)
