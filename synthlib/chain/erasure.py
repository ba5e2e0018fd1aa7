"""Certificates of erasure: what stays when a vault's object, or the key of a commitment, is gone."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import NamedTuple

from synthlib.bundle import canonical_json
from synthlib.chain.errors import ChainError
from synthlib.keys import StewardKey
from synthlib.parsing import parse_json

ERASURE_FORMAT = "synthlib-erasure/1"
WHAT, DESTROYED = "steward's key of a commitment", "key file overwritten and removed"


class MalformedErasure(ChainError):
    """Text that is no certificate of erasure."""


class Erasure(NamedTuple):
    """A certificate that an object, or the key of a commitment, was erased.

    Attributes:
        address: the object's, or the commitment.
        what: kind and size of what was erased.
        when: as the caller gave it, or None: the vault has no clock that anybody else would trust.
        how: what was done.
    """

    address: str
    what: str
    when: str | None
    how: str

    def to_json(self) -> bytes:
        """The canonical JSON, whose digest goes on the chain."""
        return canonical_json({"format": ERASURE_FORMAT, **self._asdict()})

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.to_json()).hexdigest()

    @classmethod
    def from_json(cls, data: bytes) -> Erasure:
        """Read what `to_json` wrote.

        Raises:
            MalformedErasure: if it is something else.
        """
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
            found = parse_json(data)
            erasure = cls(**{name: found[name] for name in cls._fields})
            if erasure.to_json() == data:
                return erasure
        raise MalformedErasure(
            f"expected a certificate ({ERASURE_FORMAT}), found something else; restore the file"
        )


def erase_key(path: Path | str, commitment: str, when: str | None = None) -> Erasure:
    """Destroy the steward's key, so that commitments under it are random numbers to everybody from now on.

    `Datasets.record_erasure` puts the certificate's digest on the chain; verification then says that the
    training table cannot be checked any more, and everything else still verifies.

    Args:
        path: the key's file. It is overwritten and removed; copies elsewhere are not.
        commitment: to the dataset, hexadecimal.
        when: time to certify, as text; None says nothing of it.

    Returns:
        The certificate. If the file is gone already, it says so: a crash after the destruction loses nothing.

    Raises:
        PermissionError: if others could read the file; nothing was destroyed.
        ValueError: if the file holds no key; nothing was destroyed.
    """
    if Path(path).exists():
        StewardKey.open(path)
        StewardKey.destroy(path)
        how = DESTROYED
    else:
        how = "no key file was there any more"
    return Erasure(commitment, WHAT, when, how)
