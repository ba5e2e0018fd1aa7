"""The vault: what is put comes back from three kinds of store, and of whatever was changed not a byte."""

import os
import stat
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vault_helpers import (
    AGREEMENT,
    DATASET,
    GRANTEE,
    OWNER,
    PLAIN,
    FakeGate,
    files_of,
    make_bundle,
    make_vault,
    path_of,
)

from synthlib.bundle import Bundle, BundleError, StewardKey
from synthlib.chain import vault as vault_module
from synthlib.chain.sealing import SEGMENT_SIZE, DataKey, SealError, WrongKey
from synthlib.chain.vault import Vault, VaultError
from synthlib.chain.wrapping import CLASSICAL, HYBRID, VaultKey

pytest_plugins = ["vault_fixtures"]


# Kept and read, in every store


def test_a_file_comes_back_from_every_store(place, file, tmp_path):
    vault = make_vault(place)
    address = vault.put(file, DATASET)
    assert files_of(vault) == {f"{address[:2]}/{address}.{ending}" for ending in ("key", "sealed")}
    assert vault.addresses() == [address]
    found = vault.fetch(address, vault.data_key(address), tmp_path / "out" / "rows.csv")
    assert found.read_bytes() == PLAIN
    for name in files_of(vault):
        stored = vault.store.read(name)
        assert PLAIN not in stored and vault.data_key(address).reveal() not in stored


def test_a_bundle_comes_back_from_every_store(place, tmp_path):
    bundle, vault = make_bundle(tmp_path / "release"), make_vault(place)
    for source in (bundle, bundle.path):
        address = vault.put(source, DATASET)
        out = vault.fetch(address, vault.data_key(address), tmp_path / address)
        assert Bundle.open(out).digest == bundle.digest
        assert (out / "ledger" / "record.json").read_text() == "{}"


@pytest.mark.parametrize("size", [0, 1, SEGMENT_SIZE, 2 * SEGMENT_SIZE + 1, 17 << 20])
def test_files_of_any_size(place, size, tmp_path):
    """Of 17 MiB, S3 takes the object in parts."""
    (tmp_path / "in").write_bytes(os.urandom(size))
    vault = make_vault(place)
    address = vault.put(tmp_path / "in", DATASET)
    vault.fetch(address, vault.data_key(address), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()


def test_a_keyed_bundle_is_put_by_who_has_its_key(local, tmp_path):
    key = StewardKey(bytes(32))
    bundle = make_bundle(tmp_path / "confidential", key)
    with pytest.raises(BundleError, match="key is needed"):
        local.put(bundle.path, DATASET)
    address = local.put(bundle, DATASET)
    out = local.fetch(address, local.data_key(address), tmp_path / "out")
    assert Bundle.open(out, key).digest == bundle.digest
    assert stat.S_IMODE(out.stat().st_mode) == 0o700


def test_putting_twice_gives_two_objects(local, file):
    one, two = local.put(file, DATASET), local.put(file, DATASET)
    assert one != two and local.addresses() == sorted([one, two])
    with pytest.raises(WrongKey):
        local.fetch(one, local.data_key(two), file.with_name("out"))


@pytest.mark.parametrize("kem", [HYBRID, CLASSICAL])
def test_the_public_key_is_enough_to_put_and_gives_nothing_back(kem, file, tmp_path):
    owner = VaultKey.draw(kem)
    depositor = Vault(tmp_path / "vault", owner.public_key, FakeGate())
    address = depositor.put(file, DATASET)
    for attempt in (depositor.data_key, lambda address: depositor.hand_over(address, AGREEMENT, b"")):
        with pytest.raises(VaultError, match="private key"):
            attempt(address)
    assert Vault(tmp_path / "vault", owner).data_key(address)
    with pytest.raises(VaultError, match="to put something in"):
        Vault(tmp_path / "vault").put(file, DATASET)


def test_everything_written_is_its_owners_alone(local, file, tmp_path):
    address = local.put(file, DATASET)
    out = local.fetch(address, local.data_key(address), tmp_path / "out")
    folder = tmp_path / "vault"
    for path in (out, *(path for path in folder.rglob("*") if path.is_file())):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_memory_does_not_grow_with_the_file(local, tmp_path):
    with (tmp_path / "large").open("wb") as large:
        large.truncate(64 << 20)
    tracemalloc.start()
    try:
        address = local.put(tmp_path / "large", DATASET)
        local.fetch(address, local.data_key(address), tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "out").stat().st_size == 64 << 20
    assert peak < 12 << 20


# Whatever was changed


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255), cut=st.booleans())
def test_a_changed_object_leaves_nothing(local, tmp_path, place, change, cut):
    (tmp_path / "in").write_bytes(bytes(100))
    address = local.put(tmp_path / "in", DATASET, segment_size=16)
    data_key, path = local.data_key(address), path_of(local, address, "sealed")
    with open(path, "r+b") as sealed:
        data = bytearray(sealed.read())
        at = int(place * len(data))
        data[at] ^= change
        sealed.seek(0)
        sealed.truncate()
        sealed.write(data[:at] if cut else data)
    with pytest.raises(SealError):
        local.fetch(address, data_key, tmp_path / "out" / "rows")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_bundle_that_was_cut_leaves_nothing(local, tmp_path):
    address = local.put(make_bundle(tmp_path / "release"), DATASET, segment_size=16)
    data_key, path = local.data_key(address), path_of(local, address, "sealed")
    os.truncate(path, os.path.getsize(path) - 40)
    with pytest.raises(SealError):
        local.fetch(address, data_key, tmp_path / "out" / "release")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_is_no_bundle_leaves_nothing(local, tmp_path):
    bundle = make_bundle(tmp_path / "release")
    (bundle.path / "synthetic.csv").write_text("age\n35\n")  # after it was opened
    address = local.put(bundle, DATASET)
    with pytest.raises(SealError, match="1 files otherwise"):
        local.fetch(address, local.data_key(address), tmp_path / "out" / "release")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_object_under_another_address_is_refused(local, file, tmp_path):
    """Even with the key that opens it: the address is what the chain names."""
    one, two = local.put(file, DATASET), local.put(file, DATASET)
    key_of_two = local.data_key(two)
    os.replace(path_of(local, two, "sealed"), path_of(local, one, "sealed"))
    with pytest.raises(SealError, match="another under this address"):
        local.fetch(one, key_of_two, tmp_path / "out" / "rows")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_key_swapped_between_objects_is_refused(local, file):
    one, two = local.put(file, DATASET), local.put(file, DATASET)
    os.replace(path_of(local, two, "key"), path_of(local, one, "key"))
    with pytest.raises(WrongKey, match="wrapped for this object"):
        local.data_key(one)


def test_a_key_that_somebody_wrapped_to_the_owner_is_refused(local, file):
    """Anybody can wrap to a public key; the object knows its own data key."""
    address = local.put(file, DATASET)
    forged = vault_module.wrap_for_owner(DataKey(bytes(32)), address, DATASET, OWNER.public_key)
    local.store.write(f"{address[:2]}/{address}.key", forged.to_json())
    with pytest.raises(WrongKey, match="data key of this object"):
        local.hand_over(address, AGREEMENT, GRANTEE.public_key)


def test_another_owners_key_reads_nothing(local, file, tmp_path):
    address = local.put(file, DATASET)
    with pytest.raises(WrongKey, match="private key to the public key"):
        Vault(tmp_path / "vault", VaultKey.draw()).data_key(address)


def test_nothing_is_overwritten(local, file):
    address = local.put(file, DATASET)
    with pytest.raises(FileExistsError, match="another place"):
        local.fetch(address, local.data_key(address), file)
    assert file.read_bytes() == PLAIN


def test_a_killed_fetch_is_cleared_by_the_next(local, file, tmp_path):
    address, out = local.put(file, DATASET), tmp_path / "out"
    out.mkdir()
    (out / ".rows[1].01234567.partial").write_bytes(PLAIN[:5])
    (out / ".other.01234567.partial").write_bytes(b"another's")
    local.fetch(address, local.data_key(address), out / "rows[1]")
    assert {path.name for path in out.iterdir()} == {"rows[1]", ".other.01234567.partial"}


@pytest.mark.parametrize("address", ["", "../" + "a" * 61, "A" * 64, "a" * 63, b"a" * 64])
def test_what_is_no_address_is_refused(local, address):
    for call in (local.data_key, local.erase, lambda address: local.fetch(address, None, "never")):
        with pytest.raises(ValueError, match="64 hexadecimal"):
            call(address)
