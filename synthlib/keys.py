"""The steward's key, under which digests of confidential data are taken."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class StewardKey:
    """A 256-bit secret under which digests of confidential data are taken.

    It lives in a file of its own that only its owner can read, never in a Bundle. Whoever lacks it learns
    nothing from a commitment; once it is destroyed, no commitment under it can be opened again by anyone.

    Args:
        secret: 32 bytes.

    Attributes:
        is_public: whether anybody can recompute it: nothing may be encrypted under it.
    """

    def __init__(self, secret: bytes):
        if len(secret) != 32:
            raise ValueError(f"expected a key of 32 bytes, got {len(secret)}")
        self._secret = secret
        self.is_public = False

    def __repr__(self) -> str:
        return "StewardKey(<secret>)"

    @classmethod
    def create(cls, path: Path | str) -> StewardKey:
        """Draw a key from the operating system and write it to a new file with mode 600.

        Raises:
            FileExistsError: if the file exists; a key is never overwritten.
        """
        secret = secrets.token_bytes(32)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_secret(path, secret.hex(), "open that key, or destroy it first")
        return cls(secret)

    @classmethod
    def open(cls, path: Path | str) -> StewardKey:
        """Read a key file.

        Raises:
            FileNotFoundError: if there is none.
            PermissionError: if other users could read it.
            ValueError: if it does not hold 64 hexadecimal digits.
        """
        check_secret(path, "StewardKey.create")
        try:
            return cls(bytes.fromhex(Path(path).read_text().strip()))
        except ValueError:
            raise ValueError(f"expected 64 hexadecimal digits in {path}, found something else") from None

    @classmethod
    def open_or_create(cls, path: Path | str) -> StewardKey:
        """The key at `path`, drawn anew if there is none."""
        return cls.open(path) if Path(path).exists() else cls.create(path)

    @classmethod
    def for_public_data(cls, label: str) -> StewardKey:
        """A key that anybody can recompute, for data that everybody has.

        It hides nothing, and `is_public` says so. It lets a reviewer of a public cohort get the same
        commitments.
        """
        key = cls(hashlib.sha256(b"synthlib: key for public data: " + label.encode()).digest())
        key.is_public = True
        return key

    def mac(self, purpose: str, data: bytes = b"") -> hmac.HMAC:
        """An HMAC-SHA-256 (RFC 2104) started for one purpose; feed it more with `update`."""
        prefix = purpose.encode()
        return hmac.new(self._secret, len(prefix).to_bytes(2, "big") + prefix + data, hashlib.sha256)

    @staticmethod
    def destroy(path: Path | str) -> None:
        """Overwrite the key file and remove it.

        On journaling or flash storage an old copy may survive; use an encrypted disk where that matters.
        """
        path = Path(path)
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(max(path.stat().st_size, 32)))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()


def write_secret(path: Path | str, text: str, advice: str) -> None:
    """Write a line to a new file that its owner alone can read.

    Raises:
        FileExistsError: if the file exists, with the advice what to do instead; a key is never overwritten.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise FileExistsError(f"expected no file at {path}, found one: {advice}") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{text}\n")


def check_secret(path: Path | str, maker: str) -> None:
    """That a file of a key is there, for its owner alone.

    Raises:
        FileNotFoundError: if there is none, with the name of the function that makes one.
        PermissionError: if other users could read it.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"expected a key file at {path}, found none; {maker} makes one, which opens nothing that was "
            "made under another: look for a copy of a key that was lost"
        )
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise PermissionError(f"expected {path} to be readable by its owner alone; run: chmod 600 {path}")


def fingerprint(table: pd.DataFrame, key: bytes) -> str:
    """An HMAC of a table's rows, which tells tables apart; without the key, it confirms no guess.

    For files of one's own: the hashes are pandas' and 64 bits a row. What is published is a commitment.
    """
    from pandas.util import hash_pandas_object

    rows = hash_pandas_object(table, index=False).to_numpy()
    return hmac.new(key, rows.tobytes(), hashlib.sha256).hexdigest()
