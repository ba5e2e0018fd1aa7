"""Keys that sign transactions: from an encrypted keyfile or the environment, never from an argument."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from synthlib.keys import check_secret, write_secret

PRIVATE_KEY = "SYNTHLIB_PRIVATE_KEY"
KEYFILE = "SYNTHLIB_KEYFILE"
PASSWORD = "SYNTHLIB_KEYFILE_PASSWORD"


def demo_account() -> LocalAccount:
    """The issuer of the in-process chain unless another is given. Anybody can compute its key.

    It lets a reviewer get the same bytes. Its signature shows that a journal is whole, not who wrote it.
    """
    return Account.from_key(hashlib.sha256(b"synthlib: demo issuer of the in-process chain").digest())


def load_account(keyfile: Path | str | None = None) -> LocalAccount | None:
    """The signing account that the user has set up, or None.

    Args:
        keyfile: an encrypted keyfile (Ethereum's keystore JSON). Without it, the environment decides:
            `SYNTHLIB_PRIVATE_KEY` (hexadecimal), else the keyfile that `SYNTHLIB_KEYFILE` names.
            The password comes from `SYNTHLIB_KEYFILE_PASSWORD`, else it is asked for.

    Raises:
        FileNotFoundError: if there is no such keyfile.
        PermissionError: if other users could read it.
        ValueError: if the key, the keyfile or the password is not right. The message shows none of them.
    """
    if keyfile is None and os.environ.get(PRIVATE_KEY):
        try:
            return Account.from_key(os.environ[PRIVATE_KEY].strip())
        except Exception:  # of many types, whose texts may hold the key
            raise ValueError(f"expected 64 hexadecimal digits in {PRIVATE_KEY}, got something else") from None
    keyfile = keyfile or os.environ.get(KEYFILE)
    return None if not keyfile else _open_keyfile(Path(keyfile))


def create_keyfile(path: Path | str, password: str) -> LocalAccount:
    """Draw a new key from the operating system and write it encrypted, readable by its owner alone.

    Raises:
        FileExistsError: if the file exists; a key is never overwritten.
    """
    account = Account.create()
    text = json.dumps(account.encrypt(password))
    write_secret(path, text, "use that key, or choose another name")
    return account


def _open_keyfile(path: Path) -> LocalAccount:
    check_secret(path, "chain.accounts.create_keyfile")
    password = os.environ.get(PASSWORD)
    if password is None:
        password = getpass.getpass(f"Password of {path}: ")
    try:
        return Account.from_key(Account.decrypt(path.read_text(), password))
    except Exception:  # of many types, whose texts may hold the password or the file
        raise ValueError(f"expected {path} to be a keystore that this password opens; it is not") from None
