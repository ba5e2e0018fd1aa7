"""Where the command line registers what it is about to do: in process or on a node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from synthlib.terminal import say_stage

if TYPE_CHECKING:
    import pandas as pd

    from synthlib.bundle import Bundle
    from synthlib.chain.registry import Ledger
    from synthlib.chain.study import Study
    from synthlib.keys import StewardKey
    from synthlib.models.synthesizer import Synthesizer


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


def open_study(
    ledger: Ledger,
    out: Path,
    generator: Synthesizer,
    table: pd.DataFrame,
    key: StewardKey,
    holdout_fraction: float,
    seed: int,
) -> Study:
    """Register a table, by the commitment to all of it, and what is about to be done with it.

    The dataset is the de-identified table before the split: whoever divides it anew spends the same budget.
    """
    from synthlib.chain.commitments import commit
    from synthlib.chain.study import Study
    from synthlib.preregistration import write_protocol

    protocol = write_protocol(generator.schema, [generator], holdout_fraction, seed)
    notes = out.with_name(f".{out.name}.{protocol.digest[:12]}.attempts.json")
    study = Study.open(ledger, protocol, commit(table, key).hex(), notes=notes)
    say_stage("register", f"protocol {study.registration.id} on {ledger.connection.place}")
    return study


def hand_over(study: Study, bundle: Bundle, out: Path) -> None:
    """Put the journal into the release's folder, and remove what waited beside it."""
    if study.ledger.journal is not None:
        study.ledger.leave_journal(bundle)
    find_journal(out).unlink(missing_ok=True)
    for notes in out.parent.glob(f".{out.name}.*.attempts.json"):
        notes.unlink()
