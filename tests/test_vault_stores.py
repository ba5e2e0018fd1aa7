"""Stores that fail, stop half-way or do not answer: nothing readable is left, and no secret is shown."""

import os

import pytest
import requests
from vault_helpers import DATASET, OWNER, PLAIN, files_of, make_vault, path_of

from benchmarks import vault as benchmark
from synthlib.chain import store as store_module
from synthlib.chain import vault as vault_module
from synthlib.chain.sealing import DataKey, WrongKey
from synthlib.chain.store import Store, StoreError
from synthlib.chain.vault import NotStored, Vault
from synthlib.chain.wrapping import VaultKey

pytest_plugins = ["vault_fixtures"]


# Interrupted


@pytest.mark.parametrize("step", ["seal", "wrap_for_owner", "write", "publish"])
def test_an_interrupted_put_leaves_nothing_readable_and_can_be_repeated(
    place, file, tmp_path, monkeypatch, step
):
    vault = make_vault(place)

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        if step == "publish":  # the object's, after the key's
            original = Store.publish
            patched.setattr(
                Store, "publish", lambda *given: stop() if given[2].endswith("d") else original(*given)
            )
        else:
            patched.setattr(Store if step == "write" else vault_module, step, stop)
        vault.put(file, DATASET)
    assert vault.addresses() == []
    left = files_of(vault)
    assert len(left) == (1 if step == "publish" else 0)
    for name in left:
        with pytest.raises(NotStored, match="put it again"):
            vault.data_key(name[3:67])
    assert vault.sweep() == 0  # it might still be at work
    assert vault.sweep(older_than=0) == len(left) and files_of(vault) == set()
    address = vault.put(file, DATASET)
    assert vault.sweep(older_than=0) == 0
    assert vault.fetch(address, vault.data_key(address), tmp_path / "out").read_bytes() == PLAIN


def test_a_failed_upload_leaves_no_object(s3, tmp_path, monkeypatch):
    """Of an upload in parts that fails, nothing is visible."""
    (tmp_path / "in").write_bytes(bytes(20 << 20))
    vault = make_vault(("s3://vaults/one", s3))
    kind, original = type(vault.store._fs), type(vault.store._fs)._call_s3

    async def fail(self, method, *given, **named):
        if method == "upload_part" and named["PartNumber"] == 2:
            raise OSError("line cut")
        return await original(self, method, *given, **named)

    with monkeypatch.context() as patched, pytest.raises(StoreError, match="got OSError"):
        patched.setattr(kind, "_call_s3", fail)
        vault.put(tmp_path / "in", DATASET)
    assert vault.addresses() == [] and {name[-4:] for name in files_of(vault)} == {".key"}


def test_temporary_files_of_killed_processes_are_swept(local, file, tmp_path, monkeypatch):
    address = local.put(file, DATASET)
    left = tmp_path / "vault" / f"{store_module._PARTIAL}0123.partial"
    left.write_bytes(b"x")
    assert local.sweep() == 0 and left.exists()
    assert local.sweep(older_than=0) == 1 and not left.exists()
    assert local.data_key(address)
    monkeypatch.setattr(store_module.tempfile, "gettempdir", lambda: str(tmp_path))
    elsewhere = tmp_path / left.name
    elsewhere.write_bytes(b"x")
    assert make_vault(("memory://vault", {})).sweep(older_than=0) == 1 and not elsewhere.exists()


def test_what_is_not_the_vaults_is_left_alone(local, file, tmp_path):
    """A private key beside the objects is no lone wrapped key."""
    local.put(file, DATASET)
    VaultKey.create(tmp_path / "vault" / "vault.key")
    (tmp_path / "vault" / "aa").mkdir(exist_ok=True)
    (tmp_path / "vault" / "aa" / "notes.key").write_text("mine")
    assert local.sweep(older_than=0) == 0
    assert (tmp_path / "vault" / "vault.key").exists() and len(local.addresses()) == 1


def test_a_half_erased_object_waits_for_its_certificate(local, file):
    address = local.put(file, DATASET)
    os.unlink(path_of(local, address, "key"))
    assert local.sweep(older_than=0) == 0
    assert "found gone, then" in local.erase(address).how


# Stores that do not answer, and texts


def test_a_missing_bucket_is_said(s3, file):
    vault = make_vault(("s3://nowhere/one", s3))
    for call in (lambda: vault.put(file, DATASET), lambda: vault.erase("0" * 64)):
        with pytest.raises(StoreError, match=r"Store\('s3://nowhere/one'\) to be there.*make it first"):
            call()


def test_wrong_credentials_are_said_and_not_shown(s3, file, endpoint):
    """The server looks at credentials from its next request on."""
    requests.post(f"{endpoint}/moto-api/reset-auth", data=b"0", timeout=10)
    try:
        vault = make_vault(("s3://vaults/one", s3 | {"secret": "another-secret"}))
        for call in (lambda: vault.put(file, DATASET), lambda: vault.erase("0" * 64), vault.addresses):
            with pytest.raises(StoreError, match="check the credentials") as caught:
                call()
            assert "secret" not in str(caught.value) and caught.value.__suppress_context__
    finally:
        requests.post(f"{endpoint}/moto-api/reset-auth", data=b"10000000", timeout=10)


def test_no_credentials_are_said(endpoint, file, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    vault = make_vault(("s3://vaults/none", {"endpoint_url": endpoint, "skip_instance_cache": True}))
    with pytest.raises(StoreError, match="give credentials in the options"):
        vault.put(file, DATASET)


def test_a_folder_where_nothing_can_be_written_is_said(file, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match="make a temporary file"):
        Vault(tmp_path / "taken" / "vault", OWNER).put(file, DATASET)


def test_a_url_that_cannot_be_opened_is_said():
    with pytest.raises(StoreError, match="expected a folder or a URL") as caught:
        Vault("nosuch://user:hidden@host/vault", options={"secret": "hidden"})
    assert "hidden" not in str(caught.value) and caught.value.__suppress_context__


def test_options_and_passwords_in_urls_are_not_shown(s3):
    assert repr(make_vault(("s3://vaults/one", s3))) == "Vault(Store('s3://vaults/one'))"
    vault = Vault("http://user:hidden@127.0.0.1:1/vault")
    assert repr(vault) == "Vault(Store('http://127.0.0.1:1/vault'))"
    with pytest.raises(StoreError) as caught:
        vault.fetch("0" * 64, DataKey(bytes(32)), "never")
    assert "hidden" not in str(caught.value)


def test_errors_of_the_vault_show_no_secret(local, file, tmp_path):
    address, other = local.put(file, DATASET), local.put(file, DATASET)
    secret = local.data_key(other).reveal()
    for call in (
        lambda: local.fetch(address, DataKey(secret), tmp_path / "out"),
        lambda: Vault(tmp_path / "vault", VaultKey.draw()).data_key(address),
    ):
        with pytest.raises(WrongKey) as caught:
            call()
        text = repr(caught.value)
        assert secret.hex() not in text and repr(secret) not in text and "4711" not in text


def test_the_benchmark_measures_every_step(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "NUM_HAND_OVERS", 2)
    (tmp_path / "plain").write_bytes(bytes(16 << 20))
    reports = {step: benchmark.work(step, 16, str(tmp_path)) for step in benchmark.STEPS}
    assert (tmp_path / "out").stat().st_size == 16 << 20
    assert all(reports[step]["mib_per_cpu_s"] > 0 for step in ("seal", "open", "put", "fetch"))
    assert all(reports[step]["ms_each"] > 0 for step in benchmark.STEPS if step.startswith("hand"))
