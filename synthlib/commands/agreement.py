"""Commands about data-use agreements: requested, offered, signed offline, accepted, ended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthlib.commands import terminal
from synthlib.commands.options import (
    Account,
    AsJson,
    Contract,
    Dataset,
    JournalFile,
    Keyfile,
    Node,
    Reason,
    Yes,
    check_address,
    check_new_file,
    read_file,
    read_time,
)
from synthlib.commands.registering import open_registry
from synthlib.commands.terminal import confirm, say, waiting

agreement_app = typer.Typer(
    no_args_is_help=True, help="Data-use agreements, and who was given what under them."
)

Purpose = Annotated[str, typer.Option(help="In words. The chain gets their SHA-256.")]
Use = Annotated[
    list[str], typer.Option(help="Code of the Data Use Ontology, such as DUO:0000042; repeatable.")
]
Until = Annotated[str, typer.Option(help="Last second in force, such as 2027-12-31T23:59:59Z.")]
AgreementId = Annotated[str, typer.Argument(metavar="AGREEMENT", help="The agreement's id.")]


@agreement_app.command()
def request(
    dataset: Dataset,
    purpose: Purpose,
    use: Use,
    rpc: Node = None,
    registry: Contract = None,
    journal: JournalFile = None,
    keyfile: Keyfile = None,
) -> None:
    """Ask a dataset's steward for what comes of it."""
    from synthlib.chain.agreements import Agreements

    ledger = open_registry(rpc, registry, journal, keyfile)
    with waiting("request", ledger.connection.place):
        found = Agreements(ledger).request(dataset, purpose, use)
    print(f"request {found}")


@agreement_app.command()
def deny(
    request: Annotated[str, typer.Argument(help="The request's id.")],
    dataset: Dataset,
    reason: Reason,
    rpc: Node = None,
    registry: Contract = None,
    journal: JournalFile = None,
    keyfile: Keyfile = None,
) -> None:
    """Decline a request. For the dataset's steward."""
    from synthlib.chain.agreements import Agreements

    ledger = open_registry(rpc, registry, journal, keyfile)
    with waiting("denial of a request", ledger.connection.place):
        Agreements(ledger).deny_request(request, dataset, reason)
    print(f"denied: {request}")


@agreement_app.command()
def offer(
    dataset: Dataset,
    grantee: Annotated[str, typer.Argument(callback=check_address, help="Address of who may use it.")],
    terms: Annotated[Path, typer.Option(help="File of the terms. The chain gets its SHA-256.")],
    purpose: Purpose,
    use: Use,
    until: Until,
    out: Annotated[Path, typer.Option(help="File to write the offer to, as JSON, for the grantee.")],
    request: Annotated[str | None, typer.Option(help="Id of the request that it answers.")] = None,
    rpc: Node = None,
    registry: Contract = None,
    journal: JournalFile = None,
    keyfile: Keyfile = None,
) -> None:
    """Offer an agreement. For the dataset's steward. The same again changes nothing."""
    from synthlib.bundle import write_atomically
    from synthlib.chain.agreements import Agreements
    from synthlib.chain.papers import word_agreement, write_offer

    expiry = read_time(until, "--until")
    agreement = word_agreement(dataset, grantee, read_file(terms, "--terms"), purpose, use, expiry, request)
    ledger = open_registry(rpc, registry, journal, keyfile)
    with waiting("offer of an agreement", ledger.connection.place):
        found = Agreements(ledger).offer(agreement)
    write_atomically(out, write_offer(ledger, agreement).to_json())
    print(f"agreement {found}")
    say(f"next: the grantee signs it (synthlib agreement sign {out})")


@agreement_app.command()
def sign(
    offer: Annotated[Path, typer.Argument(help="What offer wrote.")],
    public_key: Annotated[
        Path, typer.Option(help="Your public key, to which data keys will be wrapped (vault key makes one).")
    ],
    out: Annotated[Path, typer.Option(help="File to write the signed acceptance to, as JSON.")],
    keyfile: Keyfile = None,
) -> None:
    """Sign an agreement that was offered to you. No node is needed."""
    from synthlib.bundle import write_atomically
    from synthlib.chain.accounts import load_account
    from synthlib.chain.papers import OFFER, Paper, sign_acceptance
    from synthlib.chain.wrapping import digest_public_key, read_public_key

    paper = Paper.from_json(read_file(offer, "OFFER"), OFFER)
    key = digest_public_key(read_public_key(public_key))
    signed = sign_acceptance(paper, load_account(keyfile), key)
    write_atomically(check_new_file(out, "--out"), signed.to_json())
    print(f"signed: {paper.agreement.id}")
    say(f"next: synthlib agreement accept {out}, by you or anybody")


@agreement_app.command()
def accept(
    acceptance: Annotated[Path, typer.Argument(help="What sign wrote.")],
    rpc: Node = None,
    registry: Contract = None,
    journal: JournalFile = None,
    keyfile: Keyfile = None,
) -> None:
    """Bring a signed acceptance to the chain. For anybody."""
    from synthlib.chain.agreements import Agreements
    from synthlib.chain.papers import ACCEPTANCE, Paper

    paper = Paper.from_json(read_file(acceptance, "ACCEPTANCE"), ACCEPTANCE)
    agreement, texts = paper.agreement, [paper.text(name) for name in ("encryption_key", "signature")]
    ledger = open_registry(rpc, registry or (paper.registry if rpc else None), journal, keyfile)
    paper.require_place(ledger)
    with waiting("acceptance of an agreement", ledger.connection.place):
        standing = Agreements(ledger).accept(agreement, *texts)
    terminal.show_fields({"agreement": agreement.id} | standing._asdict())


@agreement_app.command()
def renew(
    agreement: AgreementId,
    until: Until,
    rpc: Node = None,
    registry: Contract = None,
    journal: JournalFile = None,
    keyfile: Keyfile = None,
) -> None:
    """Prolong an accepted agreement. For the dataset's steward."""
    from synthlib.chain.agreements import Agreements

    expiry = read_time(until, "--until")
    agreements = Agreements(ledger := open_registry(rpc, registry, journal, keyfile))
    words = agreements.open(agreement)
    with waiting("renewal of an agreement", ledger.connection.place):
        standing = agreements.renew(words, expiry)
    terminal.show_fields({"agreement": agreement} | standing._asdict())


@agreement_app.command()
def end(
    agreement: AgreementId,
    reason: Reason,
    rpc: Node = None,
    registry: Contract = None,
    journal: JournalFile = None,
    keyfile: Keyfile = None,
    yes: Yes = False,
) -> None:
    """End an agreement, or withdraw an offer. For the dataset's steward and the grantee."""
    from synthlib.chain.agreements import Agreements

    agreements = Agreements(ledger := open_registry(rpc, registry, journal, keyfile))
    words = agreements.open(agreement)
    confirm(f"end the agreement {agreement}", yes)
    with waiting("end of an agreement", ledger.connection.place):
        standing = agreements.end(words, reason)
    terminal.show_fields({"agreement": agreement} | standing._asdict())


@agreement_app.command()
def deny_access(
    dataset: Dataset,
    address: Annotated[str, typer.Argument(metavar="OBJECT", help="Address of the vault's object.")],
    account: Account,
    reason: Reason,
    rpc: Node = None,
    registry: Contract = None,
    journal: JournalFile = None,
    keyfile: Keyfile = None,
) -> None:
    """Log that an access was refused. For the dataset's steward."""
    from synthlib.chain.agreements import Agreements

    ledger = open_registry(rpc, registry, journal, keyfile)
    with waiting("denial of an access", ledger.connection.place):
        Agreements(ledger).log_denial(dataset, address, account, reason)
    print(f"logged: {account} was refused {address}")


@agreement_app.command("list")
def show(
    rpc: Node = None, registry: Contract = None, journal: JournalFile = None, as_json: AsJson = False
) -> None:
    """List the agreements that were offered, and where each stands."""
    from synthlib.chain.agreements import Agreements

    agreements = Agreements(open_registry(rpc, registry, journal))
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
def trail(
    rpc: Node = None, registry: Contract = None, journal: JournalFile = None, as_json: AsJson = False
) -> None:
    """List every request, denial, offer, acceptance, access, erasure and end, in the chain's order."""
    from synthlib.chain.agreements import Agreements

    said = Agreements(open_registry(rpc, registry, journal)).trail()
    if as_json:
        rows = [{"event": one.name, "block": one.block, **one.arguments} for one in said]
    else:
        rows = [
            {
                "block": one.block,
                "event": one.name,
                "id": one.arguments.get("id", ""),
                "transaction": one.transaction,
            }
            for one in said
        ]
    terminal.show_rows(rows, as_json, "nothing was requested or offered on this registry")


def add_to(app: typer.Typer, panel: str) -> None:
    """Make these commands part of the command line."""
    app.add_typer(agreement_app, name="agreement", rich_help_panel=panel)
