"""Erasure and its record together: nothing is destroyed of which the chain would not take the certificate.

Both begin with whether the chain takes it, then destroy, then write the certificate, then record its digest.
A certificate that is there already is recorded as it is: the same call goes on after a crash.
"""

from __future__ import annotations

from pathlib import Path

from synthlib.bundle import write_atomically
from synthlib.chain.agreements import Agreements
from synthlib.chain.datasets import ACTIVE, Datasets
from synthlib.chain.erasure import Erasure, erase_key
from synthlib.chain.errors import ChainError
from synthlib.chain.registry import Ledger
from synthlib.chain.vault import Vault


def erase_dataset(
    ledger: Ledger, dataset: str, key: Path, certificate: Path, when: str | None = None
) -> Erasure:
    """Destroy the steward's key of a dataset, and record that. It cannot be undone.

    Args:
        ledger: acts as the dataset's steward.
        dataset: its id.
        key: the steward's key file; it is overwritten and removed.
        certificate: file to write the certificate to.
        when: time to certify, as text.

    Raises:
        FileNotFoundError: if there is no key file and no certificate: a wrong path certifies nothing.
        ChainError: if the chain would not take it; nothing was destroyed then.
    """
    require_steward(ledger, dataset)
    earlier = _read(certificate, dataset)
    if earlier is None and not key.exists():
        raise FileNotFoundError(f"expected the steward's key in {key}, found nothing; nothing was certified")
    if earlier is not None and key.exists():
        raise ChainError(
            f"expected {key} to be gone, as {certificate} certifies; give another file for this one"
        )
    erasure = earlier or erase_key(key, dataset, when)
    write_atomically(certificate, erasure.to_json())
    Datasets(ledger).record_erasure(dataset, erasure.digest)
    return erasure


def erase_object(
    ledger: Ledger, vault: Vault, dataset: str, address: str, certificate: Path, when: str | None = None
) -> Erasure:
    """Destroy a vault's object and its key, and record that. It cannot be undone.

    Args:
        ledger: acts as the steward of the dataset that the object came of.
        vault: holds the object.
        dataset: its id.
        address: the object's.
        certificate: file to write the certificate to.
        when: time to certify, as text.

    Raises:
        ChainError: if the chain would not take it; nothing was destroyed then.
    """
    require_steward(ledger, dataset)
    _read(certificate, address)
    erasure = vault.erase(address, when)
    write_atomically(certificate, erasure.to_json())
    Agreements(ledger).record_erasure(dataset, address, erasure.digest)
    return erasure


def require_steward(ledger: Ledger, dataset: str) -> None:
    """That this account is the steward of an active dataset.

    Raises:
        ChainError: if it is not.
    """
    found = Datasets(ledger).find(dataset)
    if found.state != ACTIVE or found.steward != ledger.sender:
        raise ChainError(
            f"expected the steward of an active dataset, {ledger.sender} is none of {dataset} (state: "
            f"{found.state}, steward: {found.steward}); nothing was destroyed"
        )


def _read(path: Path, address: str) -> Erasure | None:
    """An earlier certificate of the same thing; None if there is no file."""
    if not path.exists():
        return None
    erasure = Erasure.from_json(path.read_bytes())
    if erasure.address != address:
        raise ChainError(
            f"expected nothing at {path}, found the certificate of something else; take another file"
        )
    return erasure
