"""A protocol made ready to be registered, with what its steward and a `Study` need, written before."""

from __future__ import annotations

from pathlib import Path

from synthlib.bundle import canonical_json, write_atomically
from synthlib.chain.attempts import ATTEMPTS_FILE, write_attempts
from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import ChainError
from synthlib.chain.papers import read_registration
from synthlib.chain.protocols import Protocol, Protocols, Registration
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import RESEARCHER, Roles
from synthlib.chain.study import PROTOCOL_FILE, REGISTRATION_FILE

SEALED_FILE = "sealed.json"


def prepare(ledger: Ledger, protocol: Protocol, dataset: str, sealed: bool, folder: Path) -> Registration:
    """What this account is about to register, kept on disk first: a seal whose salt is lost cannot be opened.

    The folder is what `Study.resume` takes once the protocol is approved: the protocol, its registration, and
    no attempts yet. It is made for its owner alone; in an empty one that was there, what tells of a sealed
    protocol is. Preparing the same again gives the registration that is there. Of a sealed protocol,
    `sealed.json` is for the steward: it tells neither digest nor salt, nor what is planned.

    Args:
        ledger: acts as the researcher.
        protocol: what is going to be done.
        dataset: id of what it runs on (`datasets.dataset_id`).
        sealed: whether its digest stays secret until it is revealed.
        folder: to write.

    Raises:
        ChainError: if the folder holds the registration of something else, or anything else at all, such as a
            release; if there is no such dataset; if the account is no researcher; or if this protocol was
            closed. Nothing was written then.
    """
    Datasets(ledger).require_known(dataset)
    wanted = Protocols(ledger).prepare(protocol, dataset, sealed)
    place = {"chain": f"eip155:{ledger.connection.chain_id}", "registry": ledger.address}
    if (folder / REGISTRATION_FILE).exists():
        earlier, chain, registry = read_registration((folder / REGISTRATION_FILE).read_bytes())
        same = earlier._replace(salt=wanted.salt) == wanted and earlier.is_sealed == sealed
        if not same or {"chain": chain, "registry": registry} != place:
            raise ChainError(f"expected no other registration in {folder}, found one; choose another folder")
        _require_not_closed(ledger, earlier)
        _write_sealed(folder, earlier, place)
        return earlier
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ChainError(f"expected none or an empty folder at {folder}, found files; choose another folder")
    if not Roles(ledger).has(RESEARCHER, ledger.sender):
        raise ChainError(
            f"expected an account with the role of a researcher, got {ledger.sender}; act as one that has it "
            "or ask the registry's administrator for it"
        )
    _require_not_closed(ledger, wanted)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = 0o600 if sealed else 0o644  # a folder that was there may be open to others
    write_atomically(folder / PROTOCOL_FILE, protocol.to_json(), mode)
    write_atomically(folder / ATTEMPTS_FILE, write_attempts(wanted, []), mode)
    write_atomically(folder / REGISTRATION_FILE, canonical_json(place | wanted._asdict()), mode)
    _write_sealed(folder, wanted, place)
    return wanted


def _require_not_closed(ledger: Ledger, registration: Registration) -> None:
    """That it may run yet: the same words are the same protocol, and a closed one stays closed."""
    if Protocols(ledger).find(registration.id, registration.researcher).is_closed:
        raise ChainError(
            f"expected a protocol that may run, found {registration.id} closed for good; change a word of it "
            "or seal it, in another folder"
        )


def _write_sealed(folder: Path, registration: Registration, place: dict[str, str]) -> None:
    if registration.is_sealed:
        write_atomically(folder / SEALED_FILE, canonical_json(place | registration.sealed._asdict()))
