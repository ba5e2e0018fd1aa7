"""The vault: encrypted in three kinds of store, handed over only after the chain agreed, erased for good."""

import hashlib
import os
import stat
import tracemalloc
from types import SimpleNamespace

import fsspec
import pytest
import requests
from chain_helpers import COMMITMENT, account, advance, digest, free_port, fund
from chain_helpers import DATASET as ON_CHAIN
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger_doubles import Liar, LosesReceipts, changed
from moto.server import ThreadedMotoServer

from benchmarks import vault as benchmark
from synthlib.bundle import Bundle, BundleError, StewardKey
from synthlib.chain import store as store_module
from synthlib.chain import vault as vault_module
from synthlib.chain.agreements import Agreement, Agreements
from synthlib.chain.connection import Connection
from synthlib.chain.datasets import Datasets
from synthlib.chain.erasure import Erasure, MalformedErasure
from synthlib.chain.errors import (
    AccessOutOfOrder,
    ChainError,
    ContractError,
    DatasetNotActive,
    Expired,
    InvalidSignature,
    NodeUnreachable,
    NotSteward,
    ObjectIsErased,
    Paused,
    TransactionTimeout,
    WrongState,
)
from synthlib.chain.handing_over import NotAccepted, reason_of
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import STEWARD, Roles
from synthlib.chain.sealing import SEGMENT_SIZE, DataKey, OtherDataset, SealError, WrongKey
from synthlib.chain.store import Store, StoreError
from synthlib.chain.vault import KeyDestroyed, NotStored, Vault, VaultError
from synthlib.chain.wrapping import CLASSICAL, HYBRID, VaultKey, digest_public_key, open_grant

pytest_plugins = ["chain_fixtures"]

OWNER, GRANTEE = VaultKey.draw(), VaultKey.draw()
DATASET = ON_CHAIN.removeprefix("0x")  # as objects name it
AGREEMENT, OTHER_DATASET = "0x" + "7a" * 32, digest("another dataset")
PLAIN = b"confidential cell 4711"


class FakeGate:
    """Agreements on a chain: records an access, or refuses."""

    def __init__(self, public_key=GRANTEE.public_key, refusal=None):
        said = {"grantee": "0xGrantee", "encryption_key": digest_public_key(public_key)}
        self.answer = SimpleNamespace(dataset=ON_CHAIN, state="accepted", **said)
        self.refusal, self.asked, self.denied = refusal, [], []

    def open(self, agreement_id):
        return self.answer

    find = open

    def log_access(self, agreement_id, object_digest):
        self.asked.append((agreement_id, object_digest))
        if self.refusal:
            raise self.refusal
        return self.answer

    def log_denial(self, dataset, object_digest, account, reason):
        self.denied.append((dataset, object_digest, account, reason))


# A server for S3


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint):
    """Options of a new bucket, `vaults`."""
    requests.post(f"{endpoint}/moto-api/reset", timeout=10)
    options = {"key": "access-id", "secret": "hidden-secret", "endpoint_url": endpoint}
    fsspec.filesystem("s3", **options).mkdir("vaults")
    return options


@pytest.fixture(params=["local", "memory", "s3"])
def place(request, tmp_path):
    """URL and options of an empty store of each kind."""
    if request.param == "s3":
        return "s3://vaults/one", request.getfixturevalue("s3")
    if request.param == "memory":
        fsspec.filesystem("memory").store.clear()
        return "memory://vault", {}
    return str(tmp_path / "vault"), {}


def make_vault(place, gate=None, owner=OWNER):
    return Vault(place[0], owner, gate, place[1])


@pytest.fixture
def local(tmp_path):
    return make_vault((tmp_path / "vault", {}), FakeGate())


@pytest.fixture
def file(tmp_path):
    (tmp_path / "rows.csv").write_bytes(PLAIN)
    return tmp_path / "rows.csv"


def make_bundle(path, key=None):
    with Bundle.create(path, "release", {"seed": 1}, key=key) as folder:
        (folder / "synthetic.csv").write_text("age\n34\n")
        (folder / "inner").mkdir()
        (folder / "inner" / "schema.json").write_text("{}")
    (path / "ledger").mkdir()
    (path / "ledger" / "record.json").write_text("{}")
    return Bundle.open(path, key)


def files_of(vault):
    return {name for name, _ in vault.store.names()}


def path_of(vault, address, ending):
    return vault.store._path(f"{address[:2]}/{address}.{ending}")


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


# Handing over


@pytest.mark.parametrize("kem", [HYBRID, CLASSICAL])
def test_a_grantee_reads_what_was_handed_over(place, kem, file, tmp_path):
    grantee = VaultKey.draw(kem)
    gate = FakeGate(grantee.public_key)
    vault = make_vault(place, gate)
    address = vault.put(file, DATASET)
    grant = vault.hand_over(address, AGREEMENT, grantee.public_key)
    assert gate.asked == [(AGREEMENT, address)]
    assert grant[:4] == (address, DATASET, AGREEMENT, "0xGrantee") and gate.denied == []
    theirs = make_vault(place, owner=None)
    with pytest.raises(OtherDataset, match=OTHER_DATASET):
        theirs.fetch(address, open_grant(grant, grantee), tmp_path / "out", OTHER_DATASET)
    theirs.fetch(address, open_grant(grant, grantee), tmp_path / "out", grant.dataset)
    assert (tmp_path / "out").read_bytes() == PLAIN
    with pytest.raises(WrongKey):
        open_grant(grant, VaultKey.draw(kem))


@pytest.fixture
def watched(monkeypatch):
    """Names of the calls that touch key material, in their order."""
    calls = []
    for name in ("unwrap_for_owner", "wrap_for_grantee"):
        original = getattr(vault_module, name)

        def watch(*given, name=name, original=original):
            calls.append(name)
            return original(*given)

        monkeypatch.setattr(vault_module, name, watch)
    return calls


def test_the_chain_is_asked_before_any_key_is_unwrapped(local, file, watched):
    address = local.put(file, DATASET)
    log = local.gate.log_access
    local.gate.log_access = lambda *given: (watched.append("log_access"), log(*given))[1]
    local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert watched == ["log_access", "unwrap_for_owner", "wrap_for_grantee"]


REFUSALS = [
    WrongState(AGREEMENT, 3),
    Expired(AGREEMENT, 17, 18),
    ObjectIsErased("ab" * 32),
    AccessOutOfOrder(AGREEMENT, 2, 1),
    NodeUnreachable("no node"),
    OSError("socket"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: type(refusal).__name__)
def test_a_refusal_lets_nothing_out(local, file, watched, refusal):
    address = local.put(file, DATASET)
    before = files_of(local)
    local.gate.refusal = refusal
    with pytest.raises(type(refusal)) as caught:
        local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert caught.value is refusal
    assert watched == [] and files_of(local) == before
    refused = isinstance(refusal, ContractError) and not isinstance(refusal, AccessOutOfOrder)
    until = " 17" if isinstance(refusal, Expired) else ""
    denial = (DATASET, address, "0xGrantee", f"{type(refusal).__name__} {'7a' * 32}{until}")
    assert local.gate.denied == ([denial] if refused else [])


def test_an_object_of_another_dataset_is_denied(local, file, watched):
    address = local.put(file, OTHER_DATASET)
    with pytest.raises(OtherDataset, match=f"of dataset {DATASET}.*got one of {OTHER_DATASET}"):
        local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert watched == [] and local.gate.asked == []
    assert local.gate.denied == [(OTHER_DATASET, address, "0xGrantee", f"OtherDataset {'7a' * 32}")]


def test_an_object_that_the_store_relabels_is_not_handed_over(local, file, watched):
    """Its header is believed until a key was unwrapped for what it says, and none is."""
    address = local.put(file, OTHER_DATASET)
    with open(path_of(local, address, "sealed"), "r+b") as sealed:
        sealed.seek(28)
        sealed.write(bytes.fromhex(DATASET))
    wrapped = path_of(local, address, "key")
    with open(wrapped, "rb") as key:
        said = key.read()
    for data in (said, said.replace(OTHER_DATASET.encode(), DATASET.encode())):
        with open(wrapped, "wb") as key:
            key.write(data)
        with pytest.raises(WrongKey):
            local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert "wrap_for_grantee" not in watched


def test_a_denial_that_is_not_recorded_is_noted(local, file, watched):
    address = local.put(file, OTHER_DATASET)

    def fail(*_):
        raise NotSteward(OTHER_DATASET, "0xOwner")

    local.gate.log_denial = fail
    with pytest.raises(OtherDataset) as caught:
        local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert caught.value.__notes__ == ["the denial could not be recorded on the chain: NotSteward"]
    assert watched == []


@pytest.mark.parametrize(
    "accepted",
    ["0" * 64, "", None, digest_public_key(OWNER.public_key)],
    ids=["zeros", "nothing", "none", "the owner's"],
)
def test_another_public_key_than_the_accepted_one_gets_nothing(local, file, watched, accepted):
    address = local.put(file, DATASET)
    local.gate.answer.encryption_key = accepted
    with pytest.raises(NotAccepted, match="accepted the agreement"):
        local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert watched == [] and local.gate.asked == []
    assert local.gate.denied == [(DATASET, address, "0xGrantee", f"NotAccepted {'7a' * 32}")]
    local.gate.find = lambda _: SimpleNamespace(state="offered", encryption_key="0" * 64)
    with pytest.raises(NotAccepted):  # of a gate that answers all the same
        local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert watched == []


def test_the_accepted_digest_may_be_written_as_the_chain_does(local, file):
    local.gate.answer.encryption_key = "0x" + digest_public_key(GRANTEE.public_key).upper()
    assert local.hand_over(local.put(file, DATASET), AGREEMENT, GRANTEE.public_key)


def test_a_gate_without_an_answer_lets_nothing_out(local, file, watched):
    local.gate.log_access = lambda *_: None
    with pytest.raises(AttributeError):
        local.hand_over(local.put(file, DATASET), AGREEMENT, GRANTEE.public_key)
    assert watched == []


def test_no_access_is_recorded_of_what_cannot_be_handed_over(local, file, tmp_path):
    address = local.put(file, DATASET)
    with pytest.raises(NotStored):
        local.hand_over("0" * 64, AGREEMENT, GRANTEE.public_key)
    with pytest.raises(ValueError, match="public key"):
        local.hand_over(address, AGREEMENT, b"no key")
    assert local.gate.denied == []
    local.erase(address)
    with pytest.raises(KeyDestroyed):
        local.hand_over(address, AGREEMENT, GRANTEE.public_key)
    assert local.gate.asked == []
    assert local.gate.denied == [(ON_CHAIN, address, "0xGrantee", f"KeyDestroyed {'7a' * 32}")]
    with pytest.raises(VaultError, match="gate"):
        Vault(tmp_path / "vault", OWNER).hand_over(address, AGREEMENT, GRANTEE.public_key)


# Erasing


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


# Two hospitals and a chain

TERMS, PURPOSE, OTHER_GRANTEE = digest("terms"), digest("purpose"), account("another grantee")
GRANTEE_ACCOUNT = account("grantee")


@pytest.fixture
def hospital(empty_ledger):
    """The ledger of a steward who registered a dataset."""
    Datasets(empty_ledger).register(COMMITMENT)
    return empty_ledger


def propose(ledger, seconds=3600):
    """An agreement that is offered to the grantee, in force for some time of the chain's clock."""
    now = ledger.connection.get_time(ledger.connection.get_block_number())
    terms = (DATASET, GRANTEE_ACCOUNT.address, TERMS, PURPOSE, ("DUO:0000007", "DUO:0000042"), now + seconds)
    agreement = Agreement(*terms)
    Agreements(ledger).offer(agreement)
    return agreement


def agree(ledger, seconds=3600, public_key=GRANTEE.public_key):
    """The same, signed by the grantee elsewhere, who pays no gas, and brought by the steward."""
    agreement, key = propose(ledger, seconds), digest_public_key(public_key)
    signature = Agreements(ledger.acting_as(GRANTEE_ACCOUNT)).sign(agreement, key)
    assert Agreements(ledger).accept(agreement, key, signature).state == "accepted"
    return agreement


@pytest.fixture
def guarded(hospital, tmp_path):
    """The steward's vault, whose gate is the chain."""
    return Vault(tmp_path / "guarded", OWNER, Agreements(hospital))


def test_one_hospital_hands_a_release_over_to_another(hospital, guarded, watched, tmp_path, monkeypatch):
    bundle = make_bundle(tmp_path / "release")
    address, agreement = guarded.put(bundle, DATASET), agree(hospital)
    ask = lambda name: hospital.find_events(name, "Agreements", id=agreement.id)  # noqa: E731
    on_chain, unwrap = [], vault_module.unwrap_for_owner

    def look_first(*given):
        on_chain.extend(event.arguments["object"] for event in ask("Accessed"))
        return unwrap(*given)

    monkeypatch.setattr(vault_module, "unwrap_for_owner", look_first)
    grant = guarded.hand_over(address, agreement.id, GRANTEE.public_key)
    assert on_chain == [address]  # before any key was unwrapped
    assert (grant.agreement, grant.grantee) == (agreement.id, GRANTEE_ACCOUNT.address)
    theirs = Vault(tmp_path / "guarded")
    theirs.fetch(address, open_grant(grant, GRANTEE), tmp_path / "theirs", grant.dataset)
    assert Bundle.open(tmp_path / "theirs").digest == bundle.digest
    trail = [(event.name, event.arguments.get("grantee")) for event in Agreements(hospital).trail()]
    who = GRANTEE_ACCOUNT.address
    assert trail == [("Offered", who), ("Accepted", who), ("Accessed", who)]
    with pytest.raises(WrongKey):
        open_grant(grant, VaultKey.draw())


def end(ledger, agreement):
    Agreements(ledger).end(agreement, "the study is over")


def take_back(ledger, agreement):
    """By the grantee, who pays their own gas for it."""
    fund(ledger.connection, GRANTEE_ACCOUNT.address)
    end(ledger.acting_as(GRANTEE_ACCOUNT), agreement)


BREACHES = {
    "expired": (lambda ledger, agreement: advance(ledger.connection, 3700), Expired),
    "ended": (end, WrongState),
    "ended by the grantee": (take_back, WrongState),
    "paused": (lambda ledger, agreement: Roles(ledger).pause(), Paused),
    "given up": (lambda ledger, agreement: Datasets(ledger).renounce(DATASET), DatasetNotActive),
    "forgotten": (
        lambda ledger, agreement: Datasets(ledger).record_erasure(DATASET, TERMS),
        DatasetNotActive,
    ),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_nothing_is_handed_over_when_an_agreement_is(hospital, guarded, file, watched, breach):
    address, agreement = guarded.put(file, DATASET), agree(hospital)
    act, error = BREACHES[breach]
    act(hospital, agreement)
    for _ in range(2):
        with pytest.raises(error) as caught:
            guarded.hand_over(address, agreement.id, GRANTEE.public_key)
    assert watched == [] and hospital.find_events("Accessed", "Agreements") == []
    if error is Paused:  # who cannot log an access cannot log a denial
        assert denials(hospital) == []
        assert caught.value.__notes__ == [f"the denial could not be recorded on the chain: {error.__name__}"]
    else:
        assert denials(hospital) == [denial(caught.value, agreement, address)]


def denials(ledger):
    return [event.arguments for event in ledger.find_events("AccessDenied", "Agreements")]


def denial(refusal, agreement, address, dataset=ON_CHAIN):
    """What the chain says of a refusal."""
    reason = hashlib.sha256(reason_of(refusal, agreement.id).encode()).hexdigest()
    account = GRANTEE_ACCOUNT.address
    return {"dataset": dataset, "object": address, "account": account, "reason": reason}


def test_what_is_of_another_dataset_is_denied_on_the_chain(hospital, guarded, file, watched):
    other = Datasets(hospital).register(OTHER_DATASET).id
    address, agreement = guarded.put(file, other.removeprefix("0x")), agree(hospital)
    with pytest.raises(OtherDataset) as caught:
        guarded.hand_over(address, agreement.id, GRANTEE.public_key)
    assert denials(hospital) == [denial(caught.value, agreement, address, other)]
    assert watched == [] and hospital.find_events("Accessed", "Agreements") == []


def test_what_is_another_stewards_is_denied_under_the_agreements_dataset(hospital, guarded, file, watched):
    fund(hospital.connection, GRANTEE_ACCOUNT.address)
    Roles(hospital).grant(STEWARD, GRANTEE_ACCOUNT.address)
    other = Datasets(hospital.acting_as(GRANTEE_ACCOUNT)).register(OTHER_DATASET).id
    address, agreement = guarded.put(file, other), agree(hospital)
    for _ in range(2):
        with pytest.raises(OtherDataset) as caught:
            guarded.hand_over(address, agreement.id, GRANTEE.public_key)
        assert not hasattr(caught.value, "__notes__")
    assert denials(hospital) == [denial(caught.value, agreement, address)]  # once
    Roles(hospital).pause()
    with pytest.raises(OtherDataset) as caught:
        guarded.hand_over(guarded.put(file, other), agreement.id, GRANTEE.public_key)
    assert caught.value.__notes__ == ["the denial could not be recorded on the chain: Paused"]
    assert watched == [] and hospital.find_events("Accessed", "Agreements") == []


def test_a_hand_over_whose_receipt_was_lost_is_on_the_chain_once(hospital, file, watched, tmp_path):
    vault = Vault(tmp_path / "vault", OWNER, Agreements(LosesReceipts(hospital)))
    address, agreement = vault.put(file, DATASET), agree(hospital)
    with pytest.raises(TransactionTimeout):
        vault.hand_over(address, agreement.id, GRANTEE.public_key)
    assert watched == []
    for _ in range(2):  # again, and once more because the first grant was lost
        grant = vault.hand_over(address, agreement.id, GRANTEE.public_key)
        assert vault.fetch(address, open_grant(grant, GRANTEE), tmp_path / "out").read_bytes() == PLAIN
        (tmp_path / "out").unlink()
    assert len(hospital.find_events("Accessed", "Agreements")) == 1


def test_a_node_that_names_another_key_gets_nothing_wrapped_to_it(hospital, file, watched, tmp_path):
    liars = VaultKey.draw()
    lie = changed(encryptionKey=digest_public_key(liars.public_key))
    vault = Vault(tmp_path / "vault", OWNER, Agreements(Liar(hospital, "Accepted", lie)))
    address, agreement = vault.put(file, DATASET), agree(hospital)
    for public_key in (liars.public_key, GRANTEE.public_key):
        with pytest.raises(ChainError, match="its log does not fit its state"):
            vault.hand_over(address, agreement.id, public_key)
    assert watched == [] and hospital.find_events("Accessed", "Agreements") == []


def test_nothing_is_handed_over_without_an_agreement(hospital, guarded, file, watched):
    address, offered = guarded.put(file, DATASET), propose(hospital)
    for agreement in ("0x" + digest("none"), digest("none"), AGREEMENT):
        with pytest.raises(ChainError, match="found none under"):
            guarded.hand_over(address, agreement, GRANTEE.public_key)
    with pytest.raises(WrongState):  # not accepted
        guarded.hand_over(address, offered.id, GRANTEE.public_key)
    key = digest_public_key(GRANTEE.public_key)
    forged = Agreements(hospital.acting_as(OTHER_GRANTEE)).sign(offered, key)
    with pytest.raises(InvalidSignature):
        Agreements(hospital).accept(offered, key, forged)
    signed = Agreements(hospital.acting_as(GRANTEE_ACCOUNT)).sign(offered, key)
    other = digest_public_key(OWNER.public_key)
    with pytest.raises(InvalidSignature):  # the signature holds the key that the grantee wants
        Agreements(hospital).accept(offered, other, signed)
    assert watched == [] and hospital.find_events("Accessed", "Agreements") == []


def test_another_key_than_the_chain_names_gets_nothing(hospital, guarded, file, watched):
    address, agreement = guarded.put(file, DATASET), agree(hospital)
    with pytest.raises(NotAccepted, match=digest_public_key(GRANTEE.public_key)):
        guarded.hand_over(address, agreement.id, VaultKey.draw().public_key)
    assert watched == [] and hospital.find_events("Accessed", "Agreements") == []
    assert denials(hospital) == [denial(NotAccepted(), agreement, address)]


def test_an_erased_object_is_erased_on_the_chain_too(hospital, guarded, file, watched):
    address, agreement = guarded.put(file, DATASET), agree(hospital)
    erasure = guarded.erase(address, when="when the study ended")
    Agreements(hospital).record_erasure(DATASET, address, erasure.digest)
    with pytest.raises(KeyDestroyed) as caught:
        guarded.hand_over(address, agreement.id, GRANTEE.public_key)
    assert denials(hospital) == [denial(caught.value, agreement, address)]
    with pytest.raises(ObjectIsErased):  # should a backup bring the object back
        Agreements(hospital).log_access(agreement.id, address)
    assert watched == [] and Agreements(hospital).is_erased(DATASET, address)
    assert Agreements(hospital).find_erasure(DATASET, address).arguments["certificate"] == erasure.digest


def test_a_steward_of_another_dataset_hands_nothing_over(hospital, file, tmp_path, watched):
    agreement, other = agree(hospital), hospital.acting_as(OTHER_GRANTEE)
    fund(hospital.connection, OTHER_GRANTEE.address)
    vault = Vault(tmp_path / "other", OWNER, Agreements(other))
    with pytest.raises(NotSteward):
        vault.hand_over(vault.put(file, DATASET), agreement.id, GRANTEE.public_key)
    assert watched == []


def test_nothing_is_handed_over_while_the_chain_is_down(start_node, file, tmp_path, watched):
    url, steward = start_node(), account("admin")
    fund(Connection.by_url(url), steward.address)
    ledger = Ledger.connect(url, account=steward)
    Datasets(ledger).register(COMMITMENT)
    agreement, vault = agree(ledger), Vault(tmp_path / "vault", OWNER, Agreements(ledger))
    address = vault.put(file, DATASET)
    provider, there = ledger.connection.web3.provider, ledger.connection.web3.provider.endpoint_uri
    provider.endpoint_uri = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(NodeUnreachable):
        vault.hand_over(address, agreement.id, GRANTEE.public_key)
    assert watched == []
    provider.endpoint_uri = there
    vault.hand_over(address, agreement.id, GRANTEE.public_key)
    assert len(ledger.find_events("Accessed", "Agreements")) == 1
