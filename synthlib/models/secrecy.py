"""Randomness that privacy rests on: from the operating system, and never written down in the clear."""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from scipy.special import ndtri

from synthlib.keys import StewardKey, check_secret, write_secret

SEED_BYTES = 32
COMMITMENT, SEALING = "secret of a private training: commitment", "secret of a private training: sealing"


class SecretRandom:
    """Random numbers that nobody can predict or replay who lacks a 256-bit secret.

    The numbers are the keystream of AES-256 in counter mode under the secret, which the operating system
    draws. Whoever knew it could take the noise off a private model: so it is shown by no repr, goes into no
    pickle or copy, and is written to no file but by `seal`.

    A float's last bits can tell of what a number was added to (Mironov 2012, "On significance of the least
    significant bits"): round what you add noise to, or say that you did not.

    Args:
        secret: 32 bytes, for an auditor who replays a training from what `seal` wrote; None draws new ones.
    """

    def __init__(self, secret: bytes | None = None):
        secret = secrets.token_bytes(SEED_BYTES) if secret is None else secret
        if len(secret) != SEED_BYTES:
            raise ValueError(f"expected a secret of {SEED_BYTES} bytes, got {len(secret)}")
        self._secret = secret
        self._stream = Cipher(algorithms.AES(secret), modes.CTR(bytes(16))).encryptor()

    def __repr__(self) -> str:
        return "SecretRandom(<secret>)"

    def __reduce__(self):
        raise TypeError(
            "expected no copy or pickle of a SecretRandom: its secret would be in it; seal it instead"
        )

    def uniform(self, shape: int | tuple[int, ...]) -> np.ndarray:
        """Float64 in (0, 1), multiples of 2^-52 plus half of one: each is exact, and none rounds to 1."""
        size = int(np.prod(shape))
        words = np.frombuffer(self._stream.update(bytes(8 * size)), dtype="<u8")
        return (((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52).reshape(shape)

    def normal(self, shape: int | tuple[int, ...]) -> np.ndarray:
        """Standard normal float64, by inversion: out to 8.2 standard deviations."""
        return ndtri(self.uniform(shape))

    def seed(self) -> int:
        """A seed of 63 bits for another generator."""
        return int.from_bytes(self._stream.update(bytes(8)), "little") >> 1

    def commit(self, key: StewardKey) -> str:
        """A keyed commitment to the secret, in hex: it tells nothing without the key, and binds with it."""
        return key.mac(COMMITMENT, self._secret).hexdigest()

    def seal(self, path: Path | str, key: StewardKey) -> str:
        """Write the secret, encrypted under the steward's key, to a new file of mode 600.

        For an auditor who is to replay the training. Whoever has file and key can take the noise off the
        model: keep both as you keep the training table.

        Returns:
            The commitment, which may be published.

        Raises:
            FileExistsError: if the file exists.
            ValueError: if the key is one for public data, under which anybody could read the secret.
        """
        if key.is_public:
            raise ValueError(
                "expected a steward's key to seal under, got one for public data, which anybody can "
                "recompute; take StewardKey.open_or_create(path)"
            )
        nonce, commitment = secrets.token_bytes(12), self.commit(key)
        sealed = AESGCM(_sealing_key(key)).encrypt(nonce, self._secret, commitment.encode())
        document = {"commitment": commitment, "nonce": nonce.hex(), "sealed": sealed.hex()}
        write_secret(path, json.dumps(document), "name another file for the sealed secret")
        return commitment

    @classmethod
    def unseal(cls, path: Path | str, key: StewardKey) -> SecretRandom:
        """The generator from its beginning, of a secret that `seal` wrote.

        Raises:
            ValueError: if the file was sealed under another key, or changed.
        """
        check_secret(path, "SecretRandom.seal")
        try:
            document = json.loads(Path(path).read_text())
            nonce, sealed = bytes.fromhex(document["nonce"]), bytes.fromhex(document["sealed"])
            secret = AESGCM(_sealing_key(key)).decrypt(nonce, sealed, document["commitment"].encode())
        except (InvalidTag, ValueError, KeyError, TypeError):
            raise ValueError(
                f"expected in {Path(path).name} a secret sealed under this key, found something else"
            ) from None
        return cls(secret)


def _sealing_key(key: StewardKey) -> bytes:
    return hashlib.sha256(key.mac(SEALING).digest()).digest()
