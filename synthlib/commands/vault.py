"""Commands about the vault: objects kept encrypted, and their keys handed over under agreements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthlib.commands.options import (
    StoreOptions,
    VaultUrl,
    Yes,
    check_new_file,
    read_file,
    refuse,
)
from synthlib.commands.places import Acting, Asking, takes_options
from synthlib.commands.terminal import confirm, say, waiting, whoever_reads

if TYPE_CHECKING:
    from synthlib.chain.registry import Ledger
    from synthlib.chain.vault import Vault
    from synthlib.chain.wrapping import VaultKey

vault_app = typer.Typer(no_args_is_help=True, help="The vault: objects kept encrypted, and keys handed over.")

Address = Annotated[str, typer.Argument(help="The object's address.")]
Owner = Annotated[Path, typer.Option("--owner", help="The vault owner's key file.")]
PublicKey = Annotated[Path, typer.Option(help="The grantee's public key: FILE.pub that vault key wrote.")]


@vault_app.command()
def key(
    file: Annotated[
        Path, typer.Argument(help="File to write the private key to; FILE.pub gets the public one.")
    ],
    kem: Annotated[str, typer.Option(help="mlkem768-x25519, or x25519 for other people's software.")] = (
        "mlkem768-x25519"
    ),
) -> None:
    """Make a key pair of a vault's owner or of a grantee."""
    from synthlib.bundle import write_atomically
    from synthlib.chain.wrapping import VaultKey, digest_public_key

    public = check_new_file(file.with_name(f"{file.name}.pub"), "FILE")
    made = VaultKey.create(file, kem)
    write_atomically(public, f"{made.public_key.hex()}\n".encode())
    print(f"public key {public}\nSHA-256 {digest_public_key(made.public_key)}")
    say(f"keep {file} secret, and a copy of it: who loses it loses what was encrypted to it")


@vault_app.command()
@takes_options
def put(
    source: Annotated[Path, typer.Argument(help="A file, or a Bundle's folder.")],
    vault: VaultUrl,
    public_key: Annotated[Path, typer.Option(help="The vault owner's public key.")],
    dataset: Annotated[str, typer.Option(help="Id of the dataset that it is of: 64 hexadecimal digits.")],
    store_options: StoreOptions = None,
    *,
    place: Asking,
) -> None:
    """Seal a file or a Bundle under a key of its own. A registry that is given must know the dataset."""
    from synthlib.chain.datasets import Datasets
    from synthlib.chain.wrapping import read_public_key

    if place.is_named:
        Datasets(place.open()).require_known(dataset)
    print(open_vault(vault, store_options, read_public_key(public_key)).put(source, dataset))


@vault_app.command("list")
def show(vault: VaultUrl, store_options: StoreOptions = None) -> None:
    """List the addresses of what can be read by who has the key."""
    with whoever_reads():
        for address in open_vault(vault, store_options).addresses():
            print(address)


@vault_app.command()
@takes_options
def hand_over(
    address: Address,
    agreement: Annotated[str, typer.Option(help="Id of the agreement under which it is handed over.")],
    public_key: PublicKey,
    vault: VaultUrl,
    owner: Owner,
    out: Annotated[Path, typer.Option(help="File to write the grant to, as JSON, for the grantee.")],
    store_options: StoreOptions = None,
    *,
    place: Acting,
    yes: Yes = False,
) -> None:
    """Wrap an object's key to a grantee, once the access stands on the chain. For the dataset's steward."""
    from synthlib.bundle import write_atomically
    from synthlib.chain.wrapping import VaultKey, read_public_key

    grantee = read_public_key(public_key)
    ledger = place.open()
    opened = open_vault(vault, store_options, VaultKey.open(owner), ledger)
    check_new_file(out, "--out")
    confirm(f"hand over the key of {address}", yes)
    with waiting("access under an agreement", ledger.connection.place):
        grant = opened.hand_over(address, agreement, grantee)
    write_atomically(out, grant.to_json())
    print(f"grant for {grant.grantee}: {out}")


@vault_app.command()
def fetch(
    vault: VaultUrl,
    out: Annotated[Path, typer.Option(help="File or folder to write.")],
    grant: Annotated[Path | None, typer.Option(help="A grant that hand-over wrote for you.")] = None,
    key: Annotated[Path | None, typer.Option(help="Your vault key file, to open the grant.")] = None,
    address: Annotated[
        str | None, typer.Option(help="The object's address, for the vault's owner; needs no grant.")
    ] = None,
    store_options: StoreOptions = None,
) -> None:
    """Decrypt an object: as a grantee with a grant, or as the vault's owner."""
    from synthlib.chain.wrapping import Grant, VaultKey, open_grant

    if (grant is None) == (address is None):
        refuse("--grant", "expected a grant, or --address as the vault's owner")
    if key is None:
        refuse("--key", "expected your vault key file")
    private = VaultKey.open(key)
    if grant is not None:
        given = Grant.from_json(read_file(grant, "--grant"))
        opened = open_vault(vault, store_options)
        print(opened.fetch(given.address, open_grant(given, private), out, given.dataset))
        return
    opened = open_vault(vault, store_options, private)
    print(opened.fetch(address, opened.data_key(address), out))


def open_vault(
    url: str, options: Path | None, owner: VaultKey | bytes | None = None, ledger: Ledger | None = None
) -> Vault:
    """The vault that a command names; a ledger lets it hand over."""
    from synthlib.chain.agreements import Agreements
    from synthlib.chain.vault import Vault
    from synthlib.parsing import parse_json

    told = None if options is None else parse_json(read_file(options, "--store-options"))
    if told is not None and not isinstance(told, dict):
        refuse("--store-options", "expected a JSON object")
    return Vault(url, owner, None if ledger is None else Agreements(ledger), told)


def add_to(app: typer.Typer, panel: str) -> None:
    """Make these commands part of the command line."""
    app.add_typer(vault_app, name="vault", rich_help_panel=panel)
