"""Keys of people, and data keys wrapped to them: HPKE (RFC 9180), base mode, HKDF-SHA256, AES-256-GCM.

Two KEMs are known, told apart by the length of the public key:

    mlkem768-x25519   1216 bytes: the ML-KEM-768 key, then the X25519 key. The default. What is wrapped today
                      lies on stores for years, and whoever copies it now may own a quantum computer later;
                      this one stays shut unless both ML-KEM-768 and X25519 are broken. It costs 1,120 bytes
                      a key and no time that can be felt. KEM 0x647a of draft-ietf-hpke-pq, or X-Wing.
    x25519            32 bytes: KEM 0x0020 of RFC 9180, for grantees whose software has not the other one.

A private key is 32 bytes for both. For X-Wing they are the seed: SHAKE256 makes 96 bytes of them, the first
64 of which are ML-KEM's seed and the last 32 the X25519 key. The public key's bytes, whose SHA-256 a grantee
states when accepting an agreement, are exactly those above, with nothing around them.

HPKE's `info` says what was wrapped and why, so that nothing unwraps under another name:

    synthlib-wrap/2 LF owner LF dataset LF address
    synthlib-wrap/2 LF grant LF dataset LF address LF grantee LF agreement id

Base mode does not say who wrapped: anybody can wrap some key to a public key. A wrong one is noticed, because
an object commits to its data key (sealing.py).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from synthlib.bundle import canonical_json
from synthlib.chain.errors import ChainError
from synthlib.chain.sealing import DataKey, WrongKey
from synthlib.keys import check_secret, write_secret
from synthlib.parsing import parse_json

HYBRID, CLASSICAL = "mlkem768-x25519", "x25519"
GRANT_FORMAT, KEY_FORMAT = "synthlib-grant/2", "synthlib-wrapped-key/2"
_KEY_FILE = "synthlib-vault-key/1"
_MLKEM_SIZE, _X25519_SIZE = 1184, 32
_SUITES = {
    HYBRID: Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
    CLASSICAL: Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM),
}
_ENCAPSULATED_SIZE = {HYBRID: 1120, CLASSICAL: 32}
_WRAPPED_SIZE = 32 + 16  # a data key and its tag


class MalformedGrant(ChainError):
    """Text that is no grant or no wrapped key."""


class VaultKey:
    """The private key of a vault's owner or of a grantee. It shows itself in no repr and no error.

    Its file is for its owner alone (mode 600) and not encrypted, as the steward's key: put it on an encrypted
    disk. Who loses the owner's loses every object; keep a copy where the store's keeper cannot get it.

    Args:
        secret: 32 bytes.
        kem: `"mlkem768-x25519"` or `"x25519"`.

    Attributes:
        kem: as given.
        public_key: bytes to be given away.

    Reference: draft-connolly-cfrg-xwing-kem (how the seed is expanded).
    """

    def __init__(self, secret: bytes, kem: str = HYBRID):
        if kem not in _SUITES or not isinstance(secret, bytes) or len(secret) != 32:
            raise ValueError(f"expected 32 bytes and one of {', '.join(_SUITES)}, got something else")
        self.kem, self._secret = kem, secret
        expanded = hashlib.shake_256(secret).digest(96) if kem == HYBRID else b"\0" * 64 + secret
        point = X25519PrivateKey.from_private_bytes(expanded[64:])
        self.public_key, self._private = point.public_key().public_bytes_raw(), point
        if kem == HYBRID:
            lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
            self._private = MLKEM768X25519PrivateKey(lattice, point)
            self.public_key = lattice.public_key().public_bytes_raw() + self.public_key

    def __repr__(self) -> str:
        return f"VaultKey(<secret>, {self.kem!r})"

    @classmethod
    def draw(cls, kem: str = HYBRID) -> VaultKey:
        """A new key that is in no file."""
        return cls(secrets.token_bytes(32), kem)

    @classmethod
    def create(cls, path: Path | str, kem: str = HYBRID) -> VaultKey:
        """Draw a key and write it to a new file with mode 600.

        Raises:
            FileExistsError: if the file exists; a key is never overwritten.
        """
        key = cls.draw(kem)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_secret(path, f"{_KEY_FILE} {kem} {key._secret.hex()}", "open that key, or choose another name")
        return key

    @classmethod
    def open(cls, path: Path | str) -> VaultKey:
        """Read a key file.

        Raises:
            FileNotFoundError: if there is none.
            PermissionError: if other users could read it.
            ValueError: if it holds something else; the message does not show what.
        """
        check_secret(path, "VaultKey.create")
        try:
            mark, kem, digits = Path(path).read_text().split()
            if mark != _KEY_FILE:
                raise ValueError
            return cls(bytes.fromhex(digits), kem)
        except ValueError:
            raise ValueError(f"expected a vault key ({_KEY_FILE}) in {path}, found something else") from None


class Grant(NamedTuple):
    """A data key wrapped to a grantee. Only the grantee's private key makes anything of it.

    Attributes:
        address: the object's.
        dataset: id of the dataset that it is of, 64 hexadecimal digits.
        agreement: id of the agreement under which it was handed over, which is on that dataset.
        grantee: the account that accepted the agreement.
        recipient: SHA-256 of the public key that it is wrapped to, in hexadecimal.
        encapsulated: HPKE's encapsulated key, in hexadecimal.
        ciphertext: the wrapped data key, in hexadecimal.
    """

    address: str
    dataset: str
    agreement: str
    grantee: str
    recipient: str
    encapsulated: str
    ciphertext: str

    def __repr__(self) -> str:
        return f"Grant(address={self.address!r}, agreement={self.agreement!r}, grantee={self.grantee!r})"

    def to_json(self) -> bytes:
        """The canonical JSON, to be sent to the grantee."""
        return canonical_json({"format": GRANT_FORMAT, **self._asdict()})

    @classmethod
    def from_json(cls, data: bytes) -> Grant:
        """Read what `to_json` wrote.

        Raises:
            MalformedGrant: if it is something else.
        """
        return cls(**_parse(data, GRANT_FORMAT, cls._fields))


class WrappedKey(NamedTuple):
    """A data key wrapped to the vault's owner, as it lies beside the object. Attributes as a Grant's."""

    address: str
    dataset: str
    recipient: str
    encapsulated: str
    ciphertext: str

    def to_json(self) -> bytes:
        return canonical_json({"format": KEY_FORMAT, **self._asdict()})

    @classmethod
    def from_json(cls, data: bytes) -> WrappedKey:
        return cls(**_parse(data, KEY_FORMAT, cls._fields))


def digest_public_key(public_key: bytes) -> str:
    """SHA-256 of a public key's bytes, in hexadecimal: what is accepted on chain."""
    return hashlib.sha256(public_key).hexdigest()


def read_public_key(path: Path | str) -> bytes:
    """A public key from a file of its hexadecimal digits.

    Raises:
        ValueError: if the file holds no public key.
    """
    try:
        data = bytes.fromhex(Path(path).read_text(encoding="ascii"))
        check_public_key(data)
    except ValueError:
        raise ValueError(
            f"expected a public key in hexadecimal digits in {path}, found something else"
        ) from None
    return data


def wrap_for_owner(data_key: DataKey, address: str, dataset: str, public_key: bytes) -> WrappedKey:
    """Wrap an object's key to the vault's owner.

    Raises:
        ValueError: if the public key is none.
    """
    return WrappedKey(address, dataset, *_wrap(data_key, public_key, _owner_info(address, dataset)))


def unwrap_for_owner(wrapped: WrappedKey, address: str, dataset: str, private_key: VaultKey) -> DataKey:
    """The data key of the object at `address`, which is of `dataset`.

    Raises:
        WrongKey: if it was wrapped to another key, or for another object or dataset.
    """
    return _unwrap(wrapped, private_key, _owner_info(address, dataset))


def wrap_for_grantee(
    data_key: DataKey, address: str, dataset: str, agreement: str, grantee: str, public_key: bytes
) -> Grant:
    """Wrap an object's key to a grantee. Whether the grantee may have it was asked before.

    Raises:
        ValueError: if the public key is none.
    """
    wrapped = _wrap(data_key, public_key, _grant_info(address, dataset, agreement, grantee))
    return Grant(address, dataset, agreement, grantee, *wrapped)


def open_grant(grant: Grant, private_key: VaultKey) -> DataKey:
    """The data key that a grant holds.

    Raises:
        WrongKey: if it was made for another key, or was changed.
    """
    info = _grant_info(grant.address, grant.dataset, grant.agreement, grant.grantee)
    return _unwrap(grant, private_key, info)


def check_public_key(public_key: bytes) -> str:
    """Which KEM a public key is for.

    Raises:
        ValueError: if it is none.
    """
    return _load_public_key(public_key)[0]


def _owner_info(address: str, dataset: str) -> bytes:
    return f"synthlib-wrap/2\nowner\n{dataset}\n{address}".encode()


def _grant_info(address: str, dataset: str, agreement: str, grantee: str) -> bytes:
    if "\n" in address + dataset + grantee:
        raise ValueError("expected an address, a dataset and a grantee of one line")
    return f"synthlib-wrap/2\ngrant\n{dataset}\n{address}\n{grantee}\n{agreement}".encode()


def _wrap(data_key: DataKey, public_key: bytes, info: bytes) -> tuple[str, str, str]:
    """Recipient, encapsulated key and ciphertext."""
    kem, key = _load_public_key(public_key)
    try:
        data = _SUITES[kem].encrypt(data_key.reveal(), key, info=info)
    except Exception:  # X25519 points of low order, of which the library says various things
        raise ValueError(
            "expected a public key that can be wrapped to, got another; ask for a new one"
        ) from None
    size = _ENCAPSULATED_SIZE[kem]
    return digest_public_key(public_key), data[:size].hex(), data[size:].hex()


def _unwrap(wrapped: Grant | WrappedKey, private_key: VaultKey, info: bytes) -> DataKey:
    if wrapped.recipient != digest_public_key(private_key.public_key):
        raise WrongKey(
            f"expected the private key to the public key with SHA-256 {wrapped.recipient[:16]}…, got another"
        )
    try:
        data = bytes.fromhex(wrapped.encapsulated + wrapped.ciphertext)
        return DataKey(_SUITES[private_key.kem].decrypt(data, private_key._private, info=info))
    except (InvalidTag, ValueError):
        raise WrongKey(
            "expected a key wrapped for this object and purpose, found another or a changed one; get it again"
        ) from None


def _load_public_key(data: bytes) -> tuple[str, Any]:
    sizes = {_MLKEM_SIZE + _X25519_SIZE: HYBRID, _X25519_SIZE: CLASSICAL}
    if not isinstance(data, bytes) or len(data) not in sizes:
        expected = ", ".join(f"{size} ({kem})" for size, kem in sizes.items())
        raise ValueError(f"expected a public key as bytes, as many as {expected}; got something else")
    kem = sizes[len(data)]
    point = X25519PublicKey.from_public_bytes(data[-_X25519_SIZE:])
    if kem == CLASSICAL:
        return kem, point
    try:
        return kem, MLKEM768X25519PublicKey(MLKEM768PublicKey.from_public_bytes(data[:_MLKEM_SIZE]), point)
    except ValueError:
        raise ValueError("expected an ML-KEM-768 key before the X25519 key, got other bytes") from None


def _parse(data: bytes, expected: str, fields: tuple[str, ...]) -> dict[str, str]:
    """The fields of a wrapped key, checked for their form."""
    try:
        found = parse_json(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or set(found) != {"format", *fields} or found["format"] != expected:
        raise MalformedGrant(f"expected {expected} with the fields {', '.join(fields)}, found something else")
    if not all(isinstance(value, str) for value in found.values()):
        raise MalformedGrant(f"expected every field of {expected} to be text, found others")
    sizes = {"address": 32, "dataset": 32, "recipient": 32, "ciphertext": _WRAPPED_SIZE}
    wrong = [name for name, size in sizes.items() if not re.fullmatch(f"[0-9a-f]{{{2 * size}}}", found[name])]
    if not re.fullmatch("([0-9a-f]{64}|[0-9a-f]{2240})", found["encapsulated"]):
        wrong.append("encapsulated")
    if wrong:
        raise MalformedGrant(f"expected hexadecimal digits of the right number in {', '.join(wrong)}")
    return {name: found[name] for name in fields}
