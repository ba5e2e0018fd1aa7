"""Keys wrapped to people: only the right private key, object and purpose unwrap them."""

import hashlib
import json
import stat

import pytest
from cryptography.hazmat.primitives.hpke import KEM

from synthlib.bundle import canonical_json
from synthlib.chain.sealing import DataKey, WrongKey
from synthlib.chain.wrapping import (
    CLASSICAL,
    HYBRID,
    Grant,
    MalformedGrant,
    VaultKey,
    WrappedKey,
    check_public_key,
    digest_public_key,
    open_grant,
    unwrap_for_owner,
    wrap_for_grantee,
    wrap_for_owner,
)

KEMS = [HYBRID, CLASSICAL]
ADDRESS, OTHER, DATASET = "a" * 64, "b" * 64, "d" * 64
DATA_KEY = DataKey(bytes(range(32)))
SECRET = bytes(range(100, 132))


def grant(key, **changes):
    return wrap_for_grantee(DATA_KEY, ADDRESS, DATASET, "agreement 1", "0xGrantee", key.public_key)._replace(
        **changes
    )


@pytest.mark.parametrize("kem", KEMS)
def test_what_was_wrapped_is_what_is_unwrapped(kem):
    key = VaultKey.draw(kem)
    wrapped = wrap_for_owner(DATA_KEY, ADDRESS, DATASET, key.public_key)
    assert unwrap_for_owner(WrappedKey.from_json(wrapped.to_json()), ADDRESS, DATASET, key) == DATA_KEY
    assert open_grant(Grant.from_json(grant(key).to_json()), key) == DATA_KEY
    assert wrap_for_owner(DATA_KEY, ADDRESS, DATASET, key.public_key).ciphertext != wrapped.ciphertext


@pytest.mark.parametrize("kem", KEMS)
def test_another_private_key_opens_nothing(kem):
    key, other = VaultKey.draw(kem), VaultKey.draw(kem)
    with pytest.raises(WrongKey, match="private key"):
        open_grant(grant(key), other)
    relabelled = grant(key, recipient=digest_public_key(other.public_key))
    with pytest.raises(WrongKey, match="wrapped for this object"):
        open_grant(relabelled, other)


@pytest.mark.parametrize("kem", KEMS)
@pytest.mark.parametrize(
    "changes",
    [
        {"address": OTHER},
        {"dataset": OTHER},
        {"address": DATASET, "dataset": ADDRESS},
        {"agreement": "agreement 2"},
        {"grantee": "0xOther"},
        {"grantee": "0xGrantee\nagreement 1", "agreement": ""},
        {"ciphertext": "00" * 48},
        {"encapsulated": "00" * 32},
        {"encapsulated": "no digits"},
    ],
)
def test_a_grant_with_another_label_opens_nothing(kem, changes):
    key = VaultKey.draw(kem)
    with pytest.raises((WrongKey, ValueError)):
        open_grant(grant(key, **changes), key)


def test_an_owners_key_is_no_grant_and_none_is_for_another_object():
    key = VaultKey.draw()
    wrapped = wrap_for_owner(DATA_KEY, ADDRESS, DATASET, key.public_key)
    with pytest.raises(WrongKey):
        open_grant(Grant(agreement="", grantee="", **wrapped._asdict()), key)
    for address, dataset in ((OTHER, DATASET), (ADDRESS, OTHER), (DATASET, ADDRESS)):
        with pytest.raises(WrongKey):
            unwrap_for_owner(wrapped, address, dataset, key)
    handed = grant(key)._asdict()
    with pytest.raises(WrongKey):
        relabelled = WrappedKey(**{name: handed[name] for name in WrappedKey._fields})
        unwrap_for_owner(relabelled, ADDRESS, DATASET, key)


def test_the_hybrid_key_is_x_wings():
    """The first test vector of draft-connolly-cfrg-xwing-kem: the public key that follows from a seed."""
    seed = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
    public_key = VaultKey(seed).public_key
    assert len(public_key) == 1216
    assert public_key.hex().startswith("e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5")


def test_the_x25519_key_is_that_of_its_rfc():
    """RFC 7748, section 6.1: Alice's keys."""
    secret = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    expected = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    assert VaultKey(secret, CLASSICAL).public_key.hex() == expected


@pytest.mark.parametrize("kem", KEMS)
def test_encapsulated_keys_have_the_length_of_their_kem(kem):
    known = {HYBRID: KEM.MLKEM768_X25519, CLASSICAL: KEM.X25519}
    made = grant(VaultKey.draw(kem))
    assert len(made.encapsulated) == 2 * known[kem].enc_length()
    assert len(made.ciphertext) == 2 * 48


@pytest.mark.parametrize(
    "public_key",
    [b"", b"x" * 31, b"x" * 1215, b"\xff" * 1216, "x" * 32, VaultKey.draw().public_key[:1184]],
    ids=["none", "short", "short hybrid", "no lattice key", "text", "half"],
)
def test_what_is_no_public_key_is_refused(public_key):
    for use in (check_public_key, lambda key: wrap_for_owner(DATA_KEY, ADDRESS, DATASET, key)):
        with pytest.raises(ValueError, match="expected"):
            use(public_key)


def test_points_of_low_order_are_not_wrapped_to():
    """X25519 agrees on zeros with them, whoever's private key it is."""
    with pytest.raises(ValueError, match="can be wrapped to"):
        wrap_for_owner(DATA_KEY, ADDRESS, DATASET, bytes(32))


# Files and texts


@pytest.mark.parametrize("kem", KEMS)
def test_a_key_file_is_its_owners_alone(kem, tmp_path):
    path = tmp_path / "keys" / "vault.key"
    key = VaultKey.create(path, kem)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    opened = VaultKey.open(path)
    assert (opened.kem, opened.public_key) == (kem, key.public_key)
    with pytest.raises(FileExistsError, match="choose another name"):
        VaultKey.create(path)
    path.chmod(0o640)
    with pytest.raises(PermissionError, match="chmod 600"):
        VaultKey.open(path)
    with pytest.raises(FileNotFoundError, match=r"VaultKey\.create"):
        VaultKey.open(tmp_path / "none")


@pytest.mark.parametrize(
    "text",
    [
        "synthlib-vault-key/1 x25519 c0ffee",
        f"synthlib-vault-key/2 x25519 {'ab' * 32}",
        f"synthlib-vault-key/1 rsa {'ab' * 32}",
        "ab" * 32,
        "",
    ],
)
def test_what_is_no_key_file_is_refused_and_not_shown(text, tmp_path):
    path = tmp_path / "vault.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ValueError, match="found something else") as caught:
        VaultKey.open(path)
    assert "c0ffee" not in str(caught.value) and "abab" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_keys_show_themselves_nowhere():
    for kem in KEMS:
        key = VaultKey(SECRET, kem)
        assert repr(key) == f"VaultKey(<secret>, {kem!r})" and SECRET.hex() not in str(key)
        made = grant(key)
        assert DATA_KEY.reveal().hex() not in repr(made) + made.to_json().decode()
        with pytest.raises(WrongKey) as caught:
            open_grant(made._replace(agreement="other"), key)
        assert SECRET.hex() not in str(caught.value) and DATA_KEY.reveal().hex() not in str(caught.value)
    with pytest.raises(ValueError, match="expected 32 bytes") as caught:
        VaultKey(SECRET[:31])
    assert SECRET[:8].hex() not in str(caught.value)


def test_a_grant_is_canonical_json():
    made = grant(VaultKey(SECRET))
    assert json.loads(made.to_json()) == {"format": "synthlib-grant/2", **made._asdict()}
    assert made.to_json() == canonical_json(json.loads(made.to_json()))
    assert made.recipient == hashlib.sha256(VaultKey(SECRET).public_key).hexdigest()
    assert len(repr(made)) < 250


@pytest.mark.parametrize(
    "change",
    [
        {"format": "synthlib-grant/1"},
        {"address": "A" * 64},
        {"address": "../" + "a" * 61},
        {"dataset": "0x" + "a" * 62},
        {"recipient": 5},
        {"ciphertext": "00" * 47},
        {"encapsulated": "00" * 33},
        {"more": ""},
        {"agreement": None},
    ],
)
def test_what_is_no_grant_is_refused(change):
    fields = {"format": "synthlib-grant/2", **grant(VaultKey(SECRET))._asdict()} | change
    with pytest.raises(MalformedGrant):
        Grant.from_json(canonical_json(fields))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b"{", bytes(range(40))])
def test_other_bytes_are_no_grant(data):
    with pytest.raises(MalformedGrant):
        Grant.from_json(data)
