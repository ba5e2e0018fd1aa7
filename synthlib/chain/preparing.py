"""A protocol made ready to be registered, with what its steward and a `Study` need, written before."""

from __future__ import annotations

import os
from pathlib import Path

from synthlib.bundle import canonical_json, write_atomically
from synthlib.chain.attempts import ATTEMPTS_FILE, write_attempts
from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import ChainError
from synthlib.chain.papers import read_registration
from synthlib.chain.protocols import Protocol, Protocols, Registration
from synthlib.chain.registry import Ledger
from synthlib.chain.study import PROTOCOL_FILE, REGISTRATION_FILE

SEALED_FILE = "sealed.json"


def prepare(ledger: Ledger, protocol: Protocol, dataset: str, sealed: bool, folder: Path) -> Registration:
    """What this account is about to register, kept on disk first: a seal whose salt is lost cannot be opened.

    The folder, for its owner alone, is what `Study.resume` takes once the protocol is approved: the protocol,
    its registration, and no attempts yet. Preparing the same again gives the registration that is there. Of a
    sealed protocol, `sealed.json` is for the steward: it tells neither digest nor salt, nor what is planned.

    Args:
        ledger: acts as the researcher.
        protocol: what is going to be done.
        dataset: id of what it runs on (`datasets.dataset_id`).
        sealed: whether its digest stays secret until it is revealed.
        folder: to write.

    Raises:
        ChainError: if the folder holds the registration of something else; or if there is no such dataset,
            and then nothing was written.
    """
    Datasets(ledger).require_known(dataset)
    wanted = Protocols(ledger).prepare(protocol, dataset, sealed)
    place = {"chain": f"eip155:{ledger.connection.chain_id}", "registry": ledger.address}
    if (folder / REGISTRATION_FILE).exists():
        earlier, chain, registry = read_registration((folder / REGISTRATION_FILE).read_bytes())
        same = earlier._replace(salt=wanted.salt) == wanted and earlier.is_sealed == sealed
        if not same or {"chain": chain, "registry": registry} != place:
            raise ChainError(f"expected no other registration in {folder}, found one; choose another folder")
        _write_sealed(folder, earlier, place)
        return earlier
    folder.mkdir(parents=True, exist_ok=True)
    if os.name == "posix":
        folder.chmod(0o700)
    protocol.save(folder / PROTOCOL_FILE)
    write_atomically(folder / ATTEMPTS_FILE, write_attempts(wanted, []))
    write_atomically(folder / REGISTRATION_FILE, canonical_json(place | wanted._asdict()))
    _write_sealed(folder, wanted, place)
    return wanted


def _write_sealed(folder: Path, registration: Registration, place: dict[str, str]) -> None:
    if registration.is_sealed:
        write_atomically(folder / SEALED_FILE, canonical_json(place | registration.sealed._asdict()))
