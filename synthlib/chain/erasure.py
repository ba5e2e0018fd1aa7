"""Certificates of erasure: what stays when a vault's object is gone."""

from __future__ import annotations

import contextlib
import hashlib
from typing import NamedTuple

from synthlib.bundle import canonical_json
from synthlib.chain.errors import ChainError
from synthlib.parsing import parse_json

ERASURE_FORMAT = "synthlib-erasure/1"


class MalformedErasure(ChainError):
    """Text that is no certificate of erasure."""


class Erasure(NamedTuple):
    """A certificate that an object was erased.

    Attributes:
        address: the object's.
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
