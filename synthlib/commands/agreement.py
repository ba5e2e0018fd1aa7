"""Commands about data-use agreements: requested, offered, signed offline, accepted, ended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthlib.commands import terminal
from synthlib.commands.options import (
    Account,
    AsJson,
    Dataset,
    Keyfile,
    Reason,
    SignUnasked,
    Yes,
    check_address,
    check_new_file,
    check_rehearsal,
    read_file,
    read_time,
)
from synthlib.commands.places import Acting, Asking, takes_options
from synthlib.commands.signing import confirm_signing, word_offer
from synthlib.commands.terminal import confirm, say, waiting

agreement_app = typer.Typer(
    no_args_is_help=True, help="Data-use agreements, and who was given what under them."
)

Purpose = Annotated[
    str,
    typer.Option(
        help="In words that name nobody. The chain gets their SHA-256, which confirms a right guess of them."
    ),
]
Use = Annotated[
    list[str], typer.Option(help="Code of the Data Use Ontology, such as DUO:0000042; repeatable.")
]
Until = Annotated[str, typer.Option(help="Last second in force, such as 2027-12-31T23:59:59Z.")]
_NAMED = ("id", "object", "dataset")  # what an event is about: the first of these that it names
AgreementId = Annotated[str, typer.Argument(metavar="AGREEMENT", help="The agreement's id.")]


@agreement_app.command()
@takes_options
def request(
    dataset: Dataset,
    purpose: Purpose,
    use: Use,
    place: Acting,
) -> None:
    """Ask a dataset's steward for what comes of it."""
    from synthlib.chain.agreements import Agreements

    with place.sending("request") as ledger:
        found = Agreements(ledger).request(dataset, purpose, use)
    print(f"request {found}")


@agreement_app.command()
@takes_options
def deny(
    request: Annotated[str, typer.Argument(help="The request's id.")],
    dataset: Dataset,
    reason: Reason,
    place: Acting,
) -> None:
    """Decline a request. For the dataset's steward."""
    from synthlib.chain.agreements import Agreements

    with place.sending("denial of a request") as ledger:
        Agreements(ledger).deny_request(request, dataset, reason)
    print(f"denied: {request}")


@agreement_app.command()
@takes_options
def offer(
    dataset: Dataset,
    grantee: Annotated[str, typer.Argument(callback=check_address, help="Address of who may use it.")],
    terms: Annotated[Path, typer.Option(help="File of the terms. The chain gets its SHA-256.")],
    purpose: Purpose,
    use: Use,
    until: Until,
    out: Annotated[Path, typer.Option(help="File to write the offer to, as JSON, for the grantee.")],
    request: Annotated[str | None, typer.Option(help="Id of the request that it answers.")] = None,
    *,
    place: Acting,
) -> None:
    """Offer an agreement. For the dataset's steward. The same again changes nothing."""
    from synthlib.bundle import write_atomically
    from synthlib.chain.agreements import Agreements
    from synthlib.chain.papers import word_agreement, write_offer

    expiry = read_time(until, "--until")
    agreement = word_agreement(dataset, grantee, read_file(terms, "--terms"), purpose, use, expiry, request)
    with place.sending("offer of an agreement") as ledger:
        check_rehearsal(ledger, expiry, "--until")
        found = Agreements(ledger).offer(agreement)
    write_atomically(out, write_offer(ledger, agreement).to_json())
    print(f"agreement {found}")
    say(f"next: the grantee signs it (synthlib agreement sign {out} --public-key FILE --out FILE)")


@agreement_app.command()
def sign(
    offer: Annotated[Path, typer.Argument(help="What offer wrote.")],
    public_key: Annotated[
        Path, typer.Option(help="Your public key, to which data keys will be wrapped (vault key makes one).")
    ],
    out: Annotated[Path, typer.Option(help="File to write the signed acceptance to, as JSON.")],
    terms: Annotated[
        Path | None, typer.Option(help="File of the terms as you read them: must be those of the offer.")
    ] = None,
    keyfile: Keyfile = None,
    yes: SignUnasked = False,
) -> None:
    """Sign an agreement that was offered to you, once you have seen what it says. No node is needed."""
    from synthlib.bundle import write_atomically
    from synthlib.chain.accounts import load_account
    from synthlib.chain.papers import OFFER, Paper, desk_of_grantee, sign_acceptance
    from synthlib.chain.wrapping import digest_public_key, read_public_key

    paper = Paper.from_json(read_file(offer, "OFFER"), OFFER)
    key = digest_public_key(read_public_key(public_key))
    account = load_account(keyfile)
    desk_of_grantee(paper, account)  # refused before anything is asked
    check_new_file(out, "--out")
    confirm_signing(word_offer(paper, key, terms), yes)
    write_atomically(out, sign_acceptance(paper, account, key).to_json())
    print(f"signed: {paper.agreement.id}")
    say(f"next: synthlib agreement accept {out}, by you or anybody")


@agreement_app.command()
@takes_options
def accept(
    acceptance: Annotated[Path, typer.Argument(help="What sign wrote.")],
    place: Acting,
) -> None:
    """Bring a signed acceptance to the chain. For anybody."""
    from synthlib.chain.agreements import Agreements
    from synthlib.chain.papers import ACCEPTANCE, Paper

    paper = Paper.from_json(read_file(acceptance, "ACCEPTANCE"), ACCEPTANCE)
    agreement, texts = paper.agreement, [paper.text(name) for name in ("encryption_key", "signature")]
    ledger = place.open(paper.registry)
    paper.require_place(ledger)
    with waiting("acceptance of an agreement", ledger.connection.place):
        standing = Agreements(ledger).accept(agreement, *texts)
    terminal.show_fields({"agreement": agreement.id} | standing._asdict())


@agreement_app.command()
@takes_options
def renew(
    agreement: AgreementId,
    until: Until,
    place: Acting,
) -> None:
    """Prolong an agreement in force. For the dataset's steward."""
    from synthlib.chain.agreements import Agreements

    expiry = read_time(until, "--until")
    agreements = Agreements(ledger := place.open())
    check_rehearsal(ledger, expiry, "--until")
    words = agreements.open(agreement)
    with waiting("renewal of an agreement", ledger.connection.place):
        standing = agreements.renew(words, expiry)
    terminal.show_fields({"agreement": agreement} | standing._asdict())


@agreement_app.command()
@takes_options
def end(
    agreement: AgreementId,
    reason: Reason,
    place: Acting,
    yes: Yes = False,
) -> None:
    """End an agreement, or withdraw an offer. For the dataset's steward and the grantee."""
    from synthlib.chain.agreements import Agreements

    agreements = Agreements(ledger := place.open())
    words = agreements.open(agreement)
    confirm(f"end the agreement {agreement}", yes)
    with waiting("end of an agreement", ledger.connection.place):
        standing = agreements.end(words, reason)
    terminal.show_fields({"agreement": agreement} | standing._asdict())


@agreement_app.command()
@takes_options
def deny_access(
    dataset: Dataset,
    address: Annotated[str, typer.Argument(metavar="OBJECT", help="Address of the vault's object.")],
    account: Account,
    reason: Reason,
    place: Acting,
) -> None:
    """Log that an access was refused. For the dataset's steward."""
    from synthlib.chain.agreements import Agreements

    with place.sending("denial of an access") as ledger:
        Agreements(ledger).log_denial(dataset, address, account, reason)
    print(f"logged: {account} was refused {address}")


@agreement_app.command("list")
@takes_options
def show(
    place: Asking,
    as_json: AsJson = False,
) -> None:
    """List the agreements that were offered, and where each stands."""
    from synthlib.chain.agreements import Agreements

    agreements = Agreements(place.open())
    offered = [said.arguments["id"] for said in agreements.trail() if said.name == "Offered"]
    rows = []
    for found in offered:
        words, standing = agreements.open(found), agreements.find(found)
        rows.append(
            {
                "agreement": found,
                "state": standing.state,
                "until": standing.expiry,
                "grantee": words.grantee,
                "dataset": words.dataset,
            }
        )
    terminal.show_rows(rows, as_json, "no agreement was offered on this registry")


@agreement_app.command()
@takes_options
def trail(
    place: Asking,
    as_json: AsJson = False,
) -> None:
    """List every request, denial, offer, acceptance, access, erasure and end, in the chain's order."""
    from synthlib.chain.agreements import Agreements

    said = Agreements(place.open()).trail()
    if as_json:
        rows = [{"event": one.name, "block": one.block, **one.arguments} for one in said]
    else:
        rows = [
            {
                "block": one.block,
                "event": one.name,
                "id": next((one.arguments[name] for name in _NAMED if name in one.arguments), ""),
                "transaction": one.transaction,
            }
            for one in said
        ]
    terminal.show_rows(rows, as_json, "nothing was requested or offered on this registry")


def add_to(app: typer.Typer, panel: str) -> None:
    """Make these commands part of the command line."""
    app.add_typer(agreement_app, name="agreement", rich_help_panel=panel)
