"""Commands of data's stewards: datasets and their budgets, and erasure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthlib.commands import terminal
from synthlib.commands.options import (
    AsJson,
    Dataset,
    SchemaFile,
    StoreOptions,
    VaultUrl,
    Yes,
    check_address,
)
from synthlib.commands.places import Acting, Asking, takes_options
from synthlib.commands.terminal import confirm, waiting

if TYPE_CHECKING:
    import pandas as pd

    from synthlib.chain.datasets import Dataset as Known

dataset_app = typer.Typer(
    no_args_is_help=True, help="Datasets: what may be learnt of them, and whose they are."
)
erase_app = typer.Typer(no_args_is_help=True, help="Destroy a key or an object, and record that it was.")

Cap = Annotated[float, typer.Option(help="Most privacy loss of all its releases together, in its measure.")]
Certificate = Annotated[Path, typer.Option("--certificate", help="File to write the certificate to.")]
When = Annotated[
    str | None, typer.Option(help="Time to certify, as text; nothing is said of it if not given.")
]


@dataset_app.command()
def commit(
    table: Annotated[Path, typer.Argument(help="CSV or Parquet file (confidential), as models will see it.")],
    key: Annotated[Path, typer.Option(help="The steward's key file; made if absent.")],
    schema: SchemaFile = None,
) -> None:
    """Say the keyed commitment to a table, which names it in public and tells nothing of it."""
    import synthlib as sl
    from synthlib.chain.commitments import commit as commit_to

    read = _read_registered(table, schema)
    is_new = not key.exists()
    print(commit_to(read, sl.StewardKey.open_or_create(key)).hex())
    terminal.say_key(key, is_new)


@dataset_app.command()
@takes_options
def register(
    commitment: Annotated[str, typer.Argument(help="Commitment to it, which commit printed.")],
    cap: Cap = 0.0,
    order: Annotated[int, typer.Option(help="Measure of loss: 0 is zCDP's rho, else a Renyi order.")] = 0,
    *,
    place: Acting,
) -> None:
    """Register a dataset; it is yours then, under the id that is shown. The same again changes nothing."""
    from synthlib.chain.datasets import Datasets

    with place.sending("registration of a dataset") as ledger:
        found = Datasets(ledger).register(commitment, cap, order)
    _show(found)


@dataset_app.command()
@takes_options
def show(
    dataset: Dataset,
    place: Asking,
    as_json: AsJson = False,
) -> None:
    """Say what the registry knows of a dataset."""
    from synthlib.chain.datasets import UNKNOWN, Datasets

    datasets = Datasets(place.open())
    found = datasets.find(dataset)
    _show(found, as_json)
    if found.state == UNKNOWN:
        terminal.say(datasets.explain_unknown(dataset))


@dataset_app.command()
@takes_options
def lower_cap(
    dataset: Dataset,
    cap: Cap,
    place: Acting,
    yes: Yes = False,
) -> None:
    """Allow less loss than before. It is never raised again."""
    from synthlib.chain.datasets import Datasets

    with place.sending("lower cap", f"lower the cap to {cap}", yes) as ledger:
        Datasets(ledger).lower_cap(dataset, cap)
    print(f"at most {cap} may be spent of {dataset}")


@dataset_app.command()
@takes_options
def offer(
    dataset: Dataset,
    successor: Annotated[str, typer.Argument(callback=check_address, help="Address of another steward.")],
    place: Acting,
) -> None:
    """Offer a dataset to another steward. The zero address takes the offer back."""
    from synthlib.chain.datasets import Datasets

    with place.sending("offer of a dataset") as ledger:
        Datasets(ledger).offer(dataset, successor)
    print(f"offered to {successor}, who has to accept it")


@dataset_app.command()
@takes_options
def accept(
    dataset: Dataset,
    place: Acting,
) -> None:
    """Take over a dataset that was offered to you."""
    from synthlib.chain.datasets import Datasets

    with place.sending("taking over of a dataset") as ledger:
        Datasets(ledger).accept(dataset)
    _show(Datasets(ledger).find(dataset))


@dataset_app.command()
@takes_options
def renounce(
    dataset: Dataset,
    place: Acting,
    yes: Yes = False,
) -> None:
    """Close a dataset for good; you go on answering for it, ending and erasing."""
    from synthlib.chain.datasets import Datasets

    with place.sending("renouncing of a dataset", f"renounce the dataset {dataset}", yes) as ledger:
        Datasets(ledger).renounce(dataset)
    print(f"renounced: {dataset}")


@erase_app.command("key")
@takes_options
def erase_key(
    dataset: Dataset,
    key: Annotated[Path, typer.Option(help="The steward's key file; it is overwritten and removed.")],
    certificate: Certificate,
    when: When = None,
    table: Annotated[
        Path | None,
        typer.Option(help="The table as commit read it, to show that the key opens the commitment."),
    ] = None,
    schema: SchemaFile = None,
    *,
    place: Acting,
    yes: Yes = False,
) -> None:
    """Destroy a dataset's key: its commitment can be opened by nobody any more, but for who has a copy."""
    from synthlib.chain.erasing import erase_dataset, find_done, require_active_steward

    read = None if table is None else _read_registered(table, schema)
    ledger = place.open()
    if find_done(ledger, dataset, key, certificate) is None:
        require_active_steward(ledger, dataset)
        confirm(f"destroy the key {key} of the dataset {dataset}", yes)
    with waiting("erasure of a dataset's key", ledger.connection.place):
        erasure = erase_dataset(ledger, dataset, key, certificate, when, read)
    print(f"erased: {erasure.how}\ncertificate {erasure.digest}")


@erase_app.command("object")
@takes_options
def erase_object(
    address: Annotated[str, typer.Argument(help="The object's address in the vault.")],
    vault: VaultUrl,
    dataset: Annotated[str, typer.Option(help="Id of the dataset that it came of.")],
    certificate: Certificate,
    when: When = None,
    store_options: StoreOptions = None,
    *,
    place: Acting,
    yes: Yes = False,
) -> None:
    """Destroy a vault's object and its key. Who was given the key keeps what it opened."""
    from synthlib.chain.erasing import erase_object as erase
    from synthlib.chain.erasing import require_object
    from synthlib.commands.vault import open_vault

    ledger = place.open()
    opened = open_vault(vault, store_options)
    require_object(ledger, opened, dataset, address)
    confirm(f"destroy the object {address}", yes)
    with waiting("erasure of an object", ledger.connection.place):
        erasure = erase(ledger, opened, dataset, address, certificate, when)
    print(f"erased: {erasure.how}\ncertificate {erasure.digest}")


def _read_registered(table: Path, schema: Path | None) -> pd.DataFrame:
    """A table as its commitment is taken of it."""
    import synthlib as sl

    read = sl.read_table(table)
    return sl.Schema.from_json(schema.read_bytes()).conform(read) if schema else read


def _show(found: Known, as_json: bool = False) -> None:
    terminal.show_fields(found._asdict(), as_json, millionths=("cap", "allotted"))


def add_to(app: typer.Typer, panel: str) -> None:
    """Make these commands part of the command line."""
    app.add_typer(dataset_app, name="dataset", rich_help_panel=panel)
    app.add_typer(erase_app, name="erase", rich_help_panel=panel)
