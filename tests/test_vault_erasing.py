"""Erasing: the key first, a certificate last, and nothing that a backup brings back is read."""

import os

import fsspec
import pytest
from vault_helpers import AGREEMENT, DATASET, GRANTEE, PLAIN, FakeGate, files_of, make_vault, path_of

from synthlib.chain.erasure import Erasure, MalformedErasure
from synthlib.chain.store import Store, StoreError
from synthlib.chain.vault import KeyDestroyed, NotStored

pytest_plugins = ["vault_fixtures"]


def test_an_erased_object_cannot_be_read(place, file, tmp_path):
    vault = make_vault(place, FakeGate())
    address, other = vault.put(file, DATASET), vault.put(file, DATASET)
    data_key = vault.data_key(address)
    erasure = vault.erase(address, when="block 12")
    assert files_of(vault) == {
        f"{address[:2]}/{address}.erased",
        *(f"{other[:2]}/{other}.{ending}" for ending in ("key", "sealed")),
    }
    for attempt in (
        lambda: vault.fetch(address, data_key, tmp_path / "out"),
        lambda: vault.data_key(address),
        lambda: vault.hand_over(address, AGREEMENT, GRANTEE.public_key),
    ):
        with pytest.raises(KeyDestroyed, match="cannot be read: key destroyed"):
            attempt()
    assert vault.addresses() == [other]
    assert (erasure.address, erasure.when) == (address, "block 12")
    assert erasure.what == f"file, {92 + len(PLAIN) + 16} bytes sealed"
    assert erasure.how.startswith("wrapped data key ") and "deleted after it" in erasure.how
    assert vault.erase(address, when="later") == erasure
    assert vault.data_key(other)


def test_the_certificate_is_canonical_json_with_a_digest(local, file):
    erasure = local.erase(local.put(file, DATASET))
    assert Erasure.from_json(erasure.to_json()) == erasure
    assert erasure.digest != erasure._replace(when="now").digest
    assert "overwritten and unlinked" in erasure.how
    for data in (b"", b"{}", b"[]", erasure.to_json()[:-2], erasure.to_json() + b" "):
        with pytest.raises(MalformedErasure):
            Erasure.from_json(data)


@pytest.mark.parametrize("step", range(1, 4))
def test_a_crash_while_erasing_leaves_the_key_gone_and_can_be_repeated(
    local, file, tmp_path, monkeypatch, step
):
    """Stopped after the key, after the certificate, and after all of it."""
    address = local.put(file, DATASET)
    data_key, calls = local.data_key(address), []

    def stop_after(method):
        def call(self, *given, **named):
            result = method(self, *given, **named)
            calls.append(given)
            if len(calls) == step:
                raise KeyboardInterrupt
            return result

        return call

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Store, "delete", stop_after(Store.delete))
        patched.setattr(Store, "write", stop_after(Store.write))
        local.erase(address)
    assert not os.path.exists(path_of(local, address, "key"))
    with pytest.raises(KeyDestroyed):
        local.fetch(address, data_key, tmp_path / "out")
    assert local.addresses() == []
    erasure = local.erase(address)
    assert erasure.what.startswith("file, ") and local.erase(address) == erasure
    assert files_of(local) == {f"{address[:2]}/{address}.erased"}


def test_a_key_that_a_backup_brings_back_opens_nothing_here(local, file, tmp_path):
    address = local.put(file, DATASET)
    saved = {name: local.store.read(name) for name in files_of(local)}
    data_key = local.data_key(address)
    local.erase(address)
    for name, data in saved.items():
        local.store.write(name, data)
    with pytest.raises(KeyDestroyed):
        local.fetch(address, data_key, tmp_path / "out")
    local.erase(address)
    assert files_of(local) == {f"{address[:2]}/{address}.erased"}


def test_a_certificate_of_another_object_in_its_place_certifies_nothing(local, file):
    """Whoever keeps the store may put any file there; its digest would go on the chain for this object."""
    other, address = local.put(file, DATASET), local.put(file, DATASET)
    local.store.write(f"{address[:2]}/{address}.erased", local.erase(other, "long ago").to_json())
    erasure = local.erase(address, "block 12")
    assert (erasure.address, erasure.when) == (address, "block 12")
    assert local.erase(address) == erasure
    assert not any(os.path.exists(path_of(local, address, ending)) for ending in ("key", "sealed"))


def test_versions_that_a_bucket_keeps_are_erased_too(s3, file):
    bucket = fsspec.filesystem("s3", **s3)
    status = {"Status": "Enabled"}
    bucket.call_s3("put_bucket_versioning", Bucket="vaults", VersioningConfiguration=status)
    vault = make_vault(("s3://vaults/one", s3))
    address = vault.put(file, DATASET)
    assert "with every version that the store listed" in vault.erase(address).how
    listed = bucket.call_s3("list_object_versions", Bucket="vaults")
    assert [one["Key"] for one in listed["Versions"]] == [f"one/{address[:2]}/{address}.erased"]
    assert "DeleteMarkers" not in listed


def test_a_store_that_does_not_delete_is_not_believed(local, file, monkeypatch):
    address = local.put(file, DATASET)
    monkeypatch.setattr(Store, "delete", lambda *_: "deleted")
    with pytest.raises(StoreError, match="still there"):
        local.erase(address)
    assert not os.path.exists(path_of(local, address, "erased"))


def test_an_object_that_was_never_there(place, tmp_path):
    vault = make_vault(place)
    if vault.store.local:
        with pytest.raises(StoreError, match="make it first"):
            vault.erase("0" * 64)
        (tmp_path / "vault").mkdir()
    for call in (vault.data_key, vault.erase):
        with pytest.raises(NotStored, match="check the address"):
            call("0" * 64)
