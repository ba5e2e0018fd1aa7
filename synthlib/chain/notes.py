"""Signed notes and checkpoints of logs, in the text formats of C2SP, with Ed25519 signatures.

A note is a text and lines of signatures under it; a checkpoint is a note whose text says how large a log is
and what its root is then:

    example.org/releases                            origin: the log's name
    3                                               number of entries
    rrbM/idLcKFPsGe1peVXgmTbD6m1rgoVkVi+MynwbnfE=   root of their Merkle tree, base64

    — example.org/releases <base64 of the key's id and the signature>

Other programs that know these formats can check and countersign them (a *witness*). Signatures of keys that
the reader does not know are passed over.

Reference: c2sp.org/signed-note, c2sp.org/tlog-checkpoint.
"""

from __future__ import annotations

import base64
import binascii
import re
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from synthlib.chain.errors import ChainError
from synthlib.chain.merkle import HASH_SIZE
from synthlib.keys import check_secret, write_secret

LONGEST = 65_536  # bytes of a note, far more than sixteen signatures need
_ED25519 = b"\x01"
_SIZE = re.compile("0|[1-9][0-9]{0,18}", re.ASCII)


class NoteError(ChainError):
    """A note that does not say, under a known signature, what it should."""


class Verifier:
    """Whose signatures to believe: a name and an Ed25519 public key, in one line of text.

    Args:
        text: `name+id+key`, where the id is 8 hexadecimal digits and the key base64; of `Signer.verifier`.

    Raises:
        ValueError: if it is not that.

    Attributes:
        text: the line.
        name: the key's name.
    """

    def __init__(self, text: str):
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        data = _decode_any(encoded)
        if data[:1] != _ED25519 or len(data) != 33 or key_id != _key_id(_check_name(name), data).hex():
            raise ValueError("expected the text of an Ed25519 verifier, name+id+key, got something else")
        self.text, self.name, self._id = text, name, bytes.fromhex(key_id)
        self._key = Ed25519PublicKey.from_public_bytes(data[1:])

    def __repr__(self) -> str:
        return f"Verifier({self.text!r})"

    def open(self, note: str) -> str:
        """The text of a note that this key signed, with its final newline.

        Raises:
            NoteError: if it is no note, or this key did not sign it.
        """
        text, blank, lines = note.rpartition("\n\n")
        text += "\n"
        if (
            len(note) > LONGEST
            or not blank
            or lines[-1:] != "\n"
            or any(ord(s) < 32 and s != "\n" for s in note)
        ):
            raise NoteError(f"expected a signed note of at most {LONGEST} characters, got something else")
        for line in lines[:-1].split("\n"):
            dash, _, rest = line.partition(" ")
            name, _, encoded = rest.partition(" ")
            signature = _decode_any(encoded)
            if dash != "—" or len(signature) <= 4:
                raise NoteError("expected lines of signatures under the note's text, got something else")
            if (name, signature[:4]) == (self.name, self._id):
                try:
                    self._key.verify(signature[4:], text.encode())
                except (InvalidSignature, UnicodeEncodeError):
                    raise NoteError(f"expected a signature of {self.name} that holds, got another") from None
                return text
        raise NoteError(f"expected a signature of {self.text}, found none; ask its owner for the note")


class Signer:
    """An Ed25519 key with a name, from a file that its owner alone can read. Made by `create` and `open`.

    Attributes:
        verifier: the public side, to be given to everybody.
    """

    def __init__(self, name: str, seed: bytes):
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = _ED25519 + self._key.public_key().public_bytes_raw()
        self._id = _key_id(_check_name(name), public)
        self.verifier = Verifier(f"{name}+{self._id.hex()}+{base64.b64encode(public).decode()}")

    def __repr__(self) -> str:
        return f"Signer({self.verifier.name!r}, <secret>)"

    @classmethod
    def create(cls, path: Path | str, name: str) -> Signer:
        """Draw a key from the operating system and write it to a new file with mode 600.

        Args:
            path: the file.
            name: a URL without its scheme, such as `example.org/releases`; no spaces and no plus sign.

        Raises:
            FileExistsError: if the file exists; a key is never overwritten.
            ValueError: if the name is not one.
        """
        seed = Ed25519PrivateKey.generate().private_bytes_raw()
        signer = cls(name, seed)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_secret(path, signer._format(seed), "open that key, or name another file")
        return signer

    @classmethod
    def open(cls, path: Path | str) -> Signer:
        """Read a key file.

        Raises:
            FileNotFoundError: if there is none.
            PermissionError: if other users could read it.
            ValueError: if it does not hold a key of this kind.
        """
        check_secret(path, "Signer.create")
        text = Path(path).read_text(encoding="utf-8").strip()
        try:
            name, _, encoded = text.removeprefix("PRIVATE+KEY+").split("+", 2)
            seed = _decode(encoded).removeprefix(_ED25519)
            signer = cls(name, seed)
        except ValueError:
            signer = None
        if signer is None or text != signer._format(seed):
            raise ValueError(f"expected PRIVATE+KEY+name+id+key in {path}, found something else; restore it")
        return signer

    def sign(self, text: str) -> str:
        """The note of a text, which ends with a newline; the same bytes every time."""
        signature = base64.b64encode(self._id + self._key.sign(text.encode())).decode()
        return f"{text}\n— {self.verifier.name} {signature}\n"

    def _format(self, seed: bytes) -> str:
        secret = base64.b64encode(_ED25519 + seed).decode()
        return f"PRIVATE+KEY+{self.verifier.name}+{self._id.hex()}+{secret}"


class Checkpoint(NamedTuple):
    """How large a log was, and what its root was then.

    Attributes:
        origin: the log's name.
        size: number of entries.
        root: of their Merkle tree, 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    def sign(self, signer: Signer) -> str:
        """The signed note that says this."""
        return signer.sign(f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n")

    @classmethod
    def open(cls, note: str, verifier: Verifier) -> Checkpoint:
        """What a checkpoint says that the log's own key signed.

        Raises:
            NoteError: if it is none, is of another log, or the signature does not hold.
        """
        try:
            origin, size, root, *others = verifier.open(note).removesuffix("\n").split("\n")
            digest = _decode(root)
        except ValueError:
            size, digest = "", b""
        if len(digest) != HASH_SIZE or not _SIZE.fullmatch(size) or "" in others:
            raise NoteError("expected a checkpoint: origin, size and root on a line each, got something else")
        if origin != verifier.name:
            raise NoteError(f"expected a checkpoint of {verifier.name}, got one of another log")
        return cls(origin, int(size), digest)


def _check_name(name: str) -> str:
    if not name or "+" in name or any(sign.isspace() or ord(sign) < 32 for sign in name):
        raise ValueError("expected a key's name without spaces and plus signs, such as example.org/log")
    return name


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + public).digest()[:4]


def _decode(text: str) -> bytes:
    """Bytes of base64, of which only the one proper spelling is taken."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("expected base64, got something else") from None
    if base64.b64encode(data).decode() != text:
        raise ValueError("expected base64 as encoders write it, got another spelling")
    return data


def _decode_any(text: str) -> bytes:
    """The same, and no byte where the text is none of that."""
    try:
        return _decode(text)
    except ValueError:
        return b""
