"""Where the command line acts: on which registry, in process or on a node, and as whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthlib.commands.options import FromEnvironment, refuse
from synthlib.commands.terminal import say_stage

if TYPE_CHECKING:
    import pandas as pd

    from synthlib.chain.registry import Ledger
    from synthlib.chain.study import Study
    from synthlib.claims import Budget
    from synthlib.keys import StewardKey
    from synthlib.models.synthesizer import Synthesizer

NODE_OR_JOURNAL = "expected a node's URL, or --journal with the journal of an in-process chain"


def find_journal(out: Path) -> Path:
    """Where the in-process chain's journal waits until there is a release."""
    return out.with_name(f".{out.name}.journal.jsonl")


def open_ledger(out: Path, rpc: str | None, registry: str | None, keyfile: Path | None) -> Ledger:
    """The ledger on which a protocol is registered.

    In process, that of the release's earlier, interrupted run if there is one.
    """
    from synthlib.chain.accounts import load_account
    from synthlib.chain.registry import Ledger

    account = load_account(keyfile)
    if rpc is None:
        return Ledger.in_process(find_journal(out), account)
    return Ledger.connect(rpc, registry, account)


def open_registry(
    rpc: str | None, registry: str | None, journal: Path | None, keyfile: Path | None = None
) -> Ledger:
    """The registry that a command names, on a node or, by its journal, in process. None is made."""
    from synthlib.chain.accounts import load_account
    from synthlib.chain.registry import Ledger

    rpc = choose_node(rpc, journal)
    if (rpc is None) == (journal is None):
        refuse("--rpc", NODE_OR_JOURNAL)
    account = load_account(keyfile)
    if journal is not None:
        _require_journal(journal)
        return Ledger.in_process(journal, account)
    if registry is None:
        refuse("--registry", "expected the address of a registry on the node; synthlib deploy makes one")
    return Ledger.connect(rpc, registry, account)


def choose_node(rpc: str | None, journal: Path | None) -> str | None:
    """The node's URL; none where a journal is named and the URL is the environment's alone."""
    return None if journal is not None and isinstance(rpc, FromEnvironment) else rpc


def find_place(bundle: Path, rpc: str | None, journal: Path | None) -> str | None:
    """The node's URL where a release is recorded, none if that is in process or a journal is named."""
    if journal is None:
        return find_node(bundle, rpc)
    if choose_node(rpc, journal) is not None:
        refuse("--rpc", NODE_OR_JOURNAL)
    _require_journal(journal)
    return None


def _require_journal(journal: Path) -> None:
    if not journal.is_file():
        told = f"expected a journal, found none at {journal}; synthlib deploy --journal makes one"
        refuse("--journal", told)


def find_node(bundle: Path, rpc: str | None) -> str | None:
    """The node's URL; none where it is the environment's alone and the release is on the in-process chain."""
    from synthlib.bundle import LEDGER_FOLDER, Bundle
    from synthlib.chain.evidence import parse_record, read_plain
    from synthlib.chain.registry import JOURNAL, RECORD

    if not isinstance(rpc, FromEnvironment):
        return rpc
    try:
        folder = Bundle.locate(bundle) / LEDGER_FOLDER
        body = parse_record(read_plain(folder / RECORD), []) if (folder / RECORD).exists() else None
        is_here = (folder / JOURNAL).exists() if body is None else body["chain"]["kind"] == "in-process"
    except (OSError, ValueError):  # the command says what is wrong with the folder
        return rpc
    return None if is_here else rpc


def open_study(
    ledger: Ledger,
    out: Path,
    generator: Synthesizer,
    table: pd.DataFrame,
    key: StewardKey,
    holdout_fraction: float,
    seed: int,
    budget: Budget | None = None,
    acceptance: Any = None,
) -> Study:
    """`preregister`, with notes beside the release to be, so that an interrupted run goes on.

    With a budget the dataset is registered with it as its cap, all of it is allotted, no release without
    differential privacy may be made, and the split is one under the key.
    """
    from synthlib.preregistration import preregister, write_protocol

    privacy = None if budget is None else budget.privacy
    said = {"privacy": privacy, "keyed_split": budget is not None}
    said |= {} if acceptance is None else {"acceptance": acceptance}
    protocol = write_protocol(generator.schema, [generator], holdout_fraction, seed, key=key, **said)
    notes = out.with_name(f".{out.name}.{protocol.digest[:12]}.attempts.json")
    limits = {"open_releases": 1} if budget is None else {"open_releases": 0, "order": budget.order}
    limits |= {} if budget is None else {"cap": budget.loss, "budget": budget.loss}
    parts = ledger, [generator], table, key, holdout_fraction, seed
    study = preregister(*parts, **limits, notes=notes, **said)
    if budget is not None:
        say_stage("register", f"budget {budget.loss:g} at Renyi order {budget.order}, for one release")
    say_stage("register", f"protocol {study.registration.id} on {ledger.connection.place}")
    return study


def clear(out: Path) -> None:
    """Remove what waited beside the release: it is in there now."""
    find_journal(out).unlink(missing_ok=True)
    for notes in out.parent.glob(f".{out.name}.*.attempts.json"):
        notes.unlink()
