"""Keys: from the environment, from an encrypted file."""

import os
import stat

import pytest
from chain_helpers import (
    account,
)

from synthlib.chain import accounts
from synthlib.chain.accounts import create_keyfile, load_account

pytest_plugins = ["chain_fixtures"]


# --- keys ----------------------------------------------------------------------------------------------


def test_key_from_the_environment(workspace, monkeypatch):
    assert load_account() is None
    monkeypatch.setenv("SYNTHLIB_PRIVATE_KEY", account("a").key.hex())
    assert load_account() == account("a")
    monkeypatch.setenv("SYNTHLIB_PRIVATE_KEY", "0x" + account("a").key.hex() + "\n")
    assert load_account() == account("a")
    monkeypatch.setenv("SYNTHLIB_PRIVATE_KEY", "correct horse")
    with pytest.raises(ValueError, match="SYNTHLIB_PRIVATE_KEY") as caught:
        load_account()
    assert "horse" not in str(caught.value)


@pytest.fixture
def quick_keystore(monkeypatch):
    """Keyfiles with few iterations, to be quick; never done outside tests."""
    real = accounts.Account.encrypt
    monkeypatch.setattr(
        accounts.Account,
        "create",
        lambda: type(
            "Quick",
            (),
            {
                "encrypt": lambda self, password: real(
                    account("k").key, password, kdf="pbkdf2", iterations=2
                ),
                "address": account("k").address,
            },
        )(),
    )


def test_key_from_an_encrypted_keyfile(workspace, monkeypatch, quick_keystore):
    path = workspace / "issuer.json"
    create_keyfile(path, "battery staple")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert account("k").key.hex() not in path.read_text()
    monkeypatch.setenv("SYNTHLIB_KEYFILE_PASSWORD", "battery staple")
    assert load_account(path) == account("k")
    monkeypatch.setenv("SYNTHLIB_KEYFILE", str(path))
    assert load_account() == account("k")
    monkeypatch.setenv("SYNTHLIB_KEYFILE_PASSWORD", "wrong horse")
    with pytest.raises(ValueError, match="password opens") as caught:
        load_account()
    assert "horse" not in str(caught.value)
    monkeypatch.delenv("SYNTHLIB_KEYFILE_PASSWORD")
    monkeypatch.setattr("getpass.getpass", lambda prompt: "battery staple")
    assert load_account() == account("k")
    with pytest.raises(FileExistsError, match="found one"):
        create_keyfile(path, "x")
    with pytest.raises(FileNotFoundError, match="create_keyfile"):
        load_account(workspace / "none.json")
    if os.name == "posix":
        path.chmod(0o644)
        with pytest.raises(PermissionError, match="chmod 600"):
            load_account(path)
