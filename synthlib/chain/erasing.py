"""Erasure and its record together: nothing is destroyed of which the chain would not take the certificate.

Both begin with whether the chain takes it, then destroy, then write the certificate, then record its digest.
A certificate that is there already is recorded as it is: the same call goes on after a crash. Before a key is
destroyed, its pending certificate is on disk at the certificate's place: a place that cannot be written stops
everything, and a call that broke off in between goes on from there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from synthlib.bundle import canonical_json, write_atomically
from synthlib.chain.agreements import Agreements
from synthlib.chain.commitments import commit
from synthlib.chain.datasets import ACTIVE, RENOUNCED, Datasets, normalize_id
from synthlib.chain.erasure import DESTROYED, WHAT, Erasure
from synthlib.chain.errors import ChainError
from synthlib.chain.registry import Ledger
from synthlib.chain.sealing import OtherDataset, plain_id
from synthlib.chain.training_evidence import names_dataset
from synthlib.chain.vault import Vault
from synthlib.keys import StewardKey
from synthlib.parsing import parse_json

if TYPE_CHECKING:
    import pandas as pd

PENDING_FORMAT = "synthlib-erasure-pending/1"
CHECKED = "it opened the dataset's commitment"
UNCHECKED = "that it was the key of the dataset's commitment was not checked"


class Pending(NamedTuple):
    """That the destruction of a key has begun: what stands at the certificate's place until it has ended.

    Attributes:
        dataset: id of the dataset.
        key: the key file's absolute path.
        num_bytes: the file's size, which stays when it is overwritten.
        checked: whether the key opened the dataset's commitment.
    """

    dataset: str
    key: str
    num_bytes: int
    checked: bool

    def to_json(self) -> bytes:
        """The canonical JSON."""
        return canonical_json({"format": PENDING_FORMAT, **self._asdict()})

    @classmethod
    def from_json(cls, data: bytes) -> Pending | None:
        """Read what `to_json` wrote; None if it is something else."""
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
            found = parse_json(data)
            pending = cls(**{name: found[name] for name in cls._fields})
            if pending.to_json() == data:
                return pending
        return None


def erase_dataset(
    ledger: Ledger,
    dataset: str,
    key: Path,
    certificate: Path,
    when: str | None = None,
    table: pd.DataFrame | None = None,
) -> Erasure:
    """Destroy the steward's key of a dataset, and record that. It cannot be undone.

    The same call again, after its receipt was lost too, changes nothing: see `find_done`.

    Args:
        ledger: acts as the dataset's steward.
        dataset: its id.
        key: the steward's key file; it is overwritten and removed.
        certificate: file to write the certificate to.
        when: time to certify, as text.
        table: as it was registered, to show that the key is the one of its commitment. Without it, the
            certificate says that this was not checked.

    Raises:
        FileNotFoundError: if there is no key file and no certificate: a wrong path certifies nothing.
        PermissionError: if others could read the key file.
        OSError: if the certificate cannot be written.
        ValueError: if the file holds no key.
        ChainError: if the chain would not take it, or the key is another's. Nothing was destroyed in all
            these cases.
    """
    dataset = normalize_id(dataset)
    if (done := find_done(ledger, dataset, key, certificate)) is not None:
        return done
    require_active_steward(ledger, dataset)
    earlier = _read_begun(certificate, dataset)
    if not isinstance(earlier, Erasure):
        if earlier is None or not _is_destroyed(earlier, key):
            earlier = _begin(ledger, dataset, key, certificate, table)
        erasure = _destroy(earlier, key, when)
    elif key.exists():
        raise ChainError(
            f"expected {key} to be gone, as {certificate} certifies; give another file for this one"
        )
    else:
        erasure = earlier
    _write_durably(certificate, erasure.to_json())
    Datasets(ledger).record_erasure(dataset, erasure.digest)
    return erasure


def erase_object(
    ledger: Ledger, vault: Vault, dataset: str, address: str, certificate: Path, when: str | None = None
) -> Erasure:
    """Destroy a vault's object and its key, and record that. It cannot be undone.

    The dataset may be erased itself: its steward goes on erasing what came of it.

    Args:
        ledger: acts as the steward of the dataset that the object came of.
        vault: holds the object.
        dataset: its id.
        address: the object's.
        certificate: file to write the certificate to.
        when: time to certify, as text.

    Raises:
        OtherDataset: if the object says that it is of another dataset; nothing was destroyed.
        ChainError: if the chain would not take it; nothing was destroyed then.
    """
    dataset = normalize_id(dataset)
    require_object(ledger, vault, dataset, address)
    _read(certificate, address)
    erasure = vault.erase(address, when)
    write_atomically(certificate, erasure.to_json())
    Agreements(ledger).record_erasure(dataset, address, erasure.digest)
    return erasure


def find_done(ledger: Ledger, dataset: str, key: Path, certificate: Path) -> Erasure | None:
    """The certificate of an erasure that is complete: the chain has this very one and the key is gone.

    Args:
        ledger: the chain that holds the dataset, whoever it acts as.
        dataset: its id.
        key: the steward's key file.
        certificate: the certificate's.

    Returns:
        What was certified; None if the chain has no certificate, or another one, or something is missing.
    """
    dataset = normalize_id(dataset)
    if key.exists() or not certificate.exists():
        return None
    recorded = Datasets(ledger).find_erasure(dataset)
    if not recorded or hashlib.sha256(certificate.read_bytes()).hexdigest() != recorded:
        return None
    return _read(certificate, dataset)


def require_active_steward(ledger: Ledger, dataset: str) -> None:
    """That this account is the steward of a dataset whose key is not erased yet; it may be renounced.

    Raises:
        ChainError: if it is not.
    """
    found = Datasets(ledger).find(dataset)
    if found.state not in (ACTIVE, RENOUNCED) or found.steward != ledger.sender:
        raise ChainError(
            f"expected the steward of a dataset that is not erased, {ledger.sender} is none of {dataset} "
            f"(state: {found.state}, steward: {found.steward}); nothing was destroyed"
        )


def require_object(ledger: Ledger, vault: Vault, dataset: str, address: str) -> None:
    """That this account is the steward of a dataset, whatever its state, and an object is of it.

    An object without a header that can be read, such as one that is erased already, says no dataset.

    Raises:
        OtherDataset: if the object is of another dataset.
        ChainError: if the account is not its steward.
    """
    found = Datasets(ledger).find(dataset)
    if found.steward != ledger.sender:
        raise ChainError(
            f"expected the steward of the dataset, {ledger.sender} is none of {dataset} (state: "
            f"{found.state}, steward: {found.steward}); nothing was destroyed"
        )
    told = vault.find_dataset(address)
    if told not in (None, plain_id(dataset)):
        raise OtherDataset(
            f"expected an object of dataset {dataset}, {address} is one of 0x{told}; give that dataset, as "
            "its steward; nothing was destroyed"
        )


def _begin(ledger: Ledger, dataset: str, key: Path, certificate: Path, table: pd.DataFrame | None) -> Pending:
    """That a file is the key, and the pending certificate on disk."""
    if not key.exists():
        raise FileNotFoundError(f"expected the steward's key in {key}, found nothing; nothing was certified")
    opened = StewardKey.open(key)
    if table is not None:
        _require_key_of(ledger, dataset, table, opened)
    pending = Pending(dataset, str(key.absolute()), key.stat().st_size, table is not None)
    _write_durably(certificate, pending.to_json())
    return pending


def _is_destroyed(pending: Pending, key: Path) -> bool:
    """Whether an earlier call got as far as to overwrite the key.

    Raises:
        ChainError: if it was about another file.
        ValueError: if the file is neither the key nor what is left of it.
    """
    if str(key.absolute()) != pending.key:
        raise ChainError(
            f"expected the key file {pending.key}, whose destruction has begun, got {key}; give that one"
        )
    if not key.exists():
        return True
    try:
        StewardKey.open(key)
    except ValueError:
        if key.stat().st_size != pending.num_bytes:
            raise
        return True
    return False


def _destroy(pending: Pending, key: Path, when: str | None) -> Erasure:
    """Destroy a key, or what is left of it, and certify that."""
    if not key.exists():
        how = "no key file was there any more, after its destruction had begun"
    else:
        StewardKey.destroy(key)
        how = DESTROYED
    told = CHECKED if pending.checked else UNCHECKED
    return Erasure(pending.dataset, WHAT, when, f"{how}; {told}")


def _require_key_of(ledger: Ledger, dataset: str, table: pd.DataFrame, key: StewardKey) -> None:
    """That a key opens a dataset's commitment to a table."""
    registered = ledger.find_events("DatasetRegistered", dataset=dataset)
    try:
        commitment = commit(table, key)
    except (TypeError, ValueError) as error:  # whose words might quote a cell
        raise ChainError(
            f"expected the table as it was registered, got none that could be committed to "
            f"({type(error).__name__}); nothing was destroyed"
        ) from None
    if not any(names_dataset(dataset, commitment, event.arguments["steward"]) for event in registered):
        raise ChainError(
            f"expected the key and the table that open the commitment of {dataset}, got another key or "
            "another table; nothing was destroyed"
        )


def _read_begun(path: Path, dataset: str) -> Erasure | Pending | None:
    """What an earlier call for the same dataset wrote; None if there is no file."""
    pending = Pending.from_json(path.read_bytes()) if path.exists() else None
    if pending is None:
        return _read(path, dataset)
    if pending.dataset != dataset:
        raise ChainError(
            f"expected nothing at {path}, found the pending certificate of {pending.dataset}; take another "
            "file"
        )
    return pending


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


def _write_durably(path: Path, data: bytes) -> None:
    """Write a file that is still there after a power cut, as far as the system can promise that."""
    write_atomically(path, data)
    if os.name != "posix":
        return
    for place in (path, path.parent):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
