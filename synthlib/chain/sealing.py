"""Sealed objects, byte for byte: a file or a Bundle's folder under AES-256-GCM, in segments.

A sealed object is a header of 92 bytes and one or more segments. Numbers are big-endian.

    header    16  the text "synthlib-seal/2" and a newline
               1  content: 0 the bytes of one file, 1 a Bundle's folder (form: packing.py)
               4  segment size s: plaintext bytes in every segment but the last, 1 to 2^24; 1 MiB unless asked
               7  nonce prefix, drawn for this object
              32  id of the dataset, as the registry knows it
              32  commitment to the data key and the dataset
    segment    n  ciphertext of n plaintext bytes: s in all but the last, 1 to s in the last, 0 in the only
                  segment of an empty plaintext
              16  its GCM tag

The data key, 32 bytes drawn for this object alone, is never used itself. HKDF-Expand (RFC 5869, SHA-256, info
"synthlib-seal/2 encryption key and commitment", a newline and the dataset's id) makes 64 bytes of it: the
encryption key, then the commitment. So the key opens the object as one of this dataset and of no other.
Segment i, counted from 0, has the nonce

    prefix (7) | i (4) | 1 for the last segment, 0 for the others (1)

and the 92 bytes of the header as associated data. This is the STREAM construction: a segment that was
changed, moved, repeated, left out, put in from another object or followed by more fails to decrypt, and so
does the one before a cut. Nothing of a segment is given out before its tag is checked. What came before a
failure was genuine, and is still no object: whoever writes it down uses a temporary name until the last
segment is in.

The object's address is the SHA-256 of all its bytes. It is taken of ciphertext under a fresh key, so that it
confirms no guess at the content. AES-GCM alone lets whoever makes an object craft two keys that open it to
two contents; the commitment rules that out. So an address stands for one content, whoever is given the key.

Objects of "synthlib-seal/1" said no dataset and are refused: put again what was sealed so.

A plaintext has at most 2^32 segments (4 PiB at 1 MiB). Its length, and whether it is a file or a folder, are
not hidden.

References: Hoang, Reyhanitabar, Rogaway and Vizár 2015, Online authenticated-encryption and its nonce-reuse
misuse-resistance (STREAM); Albertini et al. 2022, How to abuse and fix authenticated encryption
without key commitment.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from synthlib.chain.errors import ChainError

MAGIC, _OLD_MAGIC = b"synthlib-seal/2\n", b"synthlib-seal/1\n"
FILE, BUNDLE = 0, 1
SEGMENT_SIZE = 1 << 20
LARGEST_SEGMENT = 1 << 24  # what a stranger's header may make a reader allocate
TAG_SIZE = 16
_HEADER = struct.Struct(">16sBI7s32s32s")
HEADER_SIZE = _HEADER.size
_INFO = b"synthlib-seal/2 encryption key and commitment\n"


class SealError(ChainError):
    """A sealed object that is not what was sealed."""


class WrongKey(SealError):
    """A key that does not open what it was tried on."""


class OtherDataset(SealError):
    """An object of another dataset than the one it was asked for."""


class Source(Protocol):
    """Whatever bytes can be read from."""

    def read(self, size: int, /) -> bytes: ...


class Sink(Protocol):
    """Whatever bytes can be written to."""

    def write(self, data: bytes, /) -> object: ...


class DataKey:
    """The secret that one object is read with. It shows itself in no repr and no error.

    Args:
        secret: 32 bytes.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes):
        if not isinstance(secret, bytes) or len(secret) != 32:
            raise ValueError("expected a data key of 32 bytes, got something else")
        self._secret = secret

    def __repr__(self) -> str:
        return "DataKey(<secret>)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataKey) and hmac.compare_digest(self._secret, other._secret)

    __hash__ = None

    def reveal(self) -> bytes:
        """The 32 bytes, to be wrapped."""
        return self._secret

    def derive(self, dataset: bytes) -> tuple[AESGCM, bytes]:
        """The cipher under this key for an object of a dataset (32 bytes), and the commitment to both."""
        derived = HKDFExpand(algorithm=SHA256(), length=64, info=_INFO + dataset).derive(self._secret)
        return AESGCM(derived[:32]), derived[32:]


class Sealed(NamedTuple):
    """What sealing made.

    Attributes:
        address: SHA-256 of the sealed bytes, in hexadecimal.
        data_key: opens them; it is nowhere else.
        num_bytes: their number.
    """

    address: str
    data_key: DataKey
    num_bytes: int


class Header(NamedTuple):
    """The first 92 bytes of a sealed object. Nothing in it is to be believed before a segment was opened.

    Attributes:
        content: FILE or BUNDLE.
        segment_size: plaintext bytes in all segments but the last.
        prefix: 7 bytes that every nonce begins with.
        dataset: id of the dataset, 64 hexadecimal digits.
        commitment: 32 bytes that the data key must give.
        data: the header as it was read.
    """

    content: int
    segment_size: int
    prefix: bytes
    dataset: str
    commitment: bytes
    data: bytes


def seal(
    chunks: Iterable[bytes],
    sink: Sink,
    dataset: str,
    content: int = FILE,
    segment_size: int = SEGMENT_SIZE,
) -> Sealed:
    """Encrypt bytes under a key drawn for them alone, in constant memory.

    Args:
        chunks: the plaintext in pieces of any length.
        sink: where the sealed bytes are written.
        dataset: id of the dataset that it belongs to, 64 hexadecimal digits, with or without 0x in front.
        content: FILE or BUNDLE: how `chunks` is to be understood later.
        segment_size: plaintext bytes in a segment, 1 to 2^24.

    Returns:
        Address, data key and size. The key is drawn here and cannot be passed: a key is never used twice.
    """
    key, prefix = DataKey(secrets.token_bytes(32)), secrets.token_bytes(7)
    return _seal(chunks, sink, dataset, content, segment_size, key, prefix)


def _seal(
    chunks: Iterable[bytes],
    sink: Sink,
    dataset: str,
    content: int,
    segment_size: int,
    data_key: DataKey,
    prefix: bytes,
) -> Sealed:
    if content not in (FILE, BUNDLE) or not 1 <= segment_size <= LARGEST_SEGMENT:
        raise ValueError(f"expected content 0 or 1 and segments of 1 to {LARGEST_SEGMENT} bytes")
    place = bytes.fromhex(plain_id(dataset))
    cipher, commitment = data_key.derive(place)
    header = _HEADER.pack(MAGIC, content, segment_size, prefix, place, commitment)
    hasher, num_bytes = hashlib.sha256(header), len(header)
    sink.write(header)
    for number, (segment, is_last) in enumerate(_split(chunks, segment_size)):
        data = cipher.encrypt(_nonce(prefix, number, is_last), segment, header)
        hasher.update(data)
        num_bytes += len(data)
        sink.write(data)
    return Sealed(hasher.hexdigest(), data_key, num_bytes)


def _split(chunks: Iterable[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """The same bytes in pieces of `size`, the last one marked. A full piece waits for a byte after it."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) > size:
            yield bytes(waiting[:size]), False
            del waiting[:size]
    yield bytes(waiting), True


def _nonce(prefix: bytes, number: int, is_last: bool) -> bytes:
    if number >= 1 << 32:
        raise ValueError("expected at most 2^32 segments, got more; use larger segments")
    return prefix + struct.pack(">IB", number, is_last)


def plain_id(dataset: str) -> str:
    """A dataset's id as the header's 64 hexadecimal digits.

    Raises:
        ValueError: if it is none.
    """
    digits = dataset.removeprefix("0x").lower() if isinstance(dataset, str) else ""
    if not re.fullmatch("[0-9a-f]{64}", digits):
        raise ValueError("expected the id of a dataset, 64 hexadecimal digits, got something else")
    return digits


def read_header(source: Source) -> Header:
    """The header of a sealed object, checked for its form alone.

    Raises:
        SealError: if these bytes do not begin a sealed object.
    """
    data = _read(source, HEADER_SIZE)
    if data.startswith(_OLD_MAGIC):
        raise SealError(
            "expected an object sealed as synthlib-seal/2, found one of synthlib-seal/1, which said no "
            "dataset; put what it holds again"
        )
    if len(data) < HEADER_SIZE:
        raise SealError(
            f"expected a header of {HEADER_SIZE} bytes, found {len(data)}; fetch the object again"
        )
    magic, content, segment_size, prefix, dataset, commitment = _HEADER.unpack(data)
    if magic != MAGIC or content not in (FILE, BUNDLE) or not 1 <= segment_size <= LARGEST_SEGMENT:
        raise SealError("expected an object sealed as synthlib-seal/2, found other bytes")
    return Header(content, segment_size, prefix, dataset.hex(), commitment, data)


def check_key(header: Header, data_key: DataKey) -> AESGCM:
    """The cipher for an object, if the key is the one that its header commits to, for the dataset it says.

    Raises:
        WrongKey: if it is another, or the header says another dataset than the object was sealed for.
    """
    cipher, commitment = data_key.derive(bytes.fromhex(header.dataset))
    if not hmac.compare_digest(commitment, header.commitment):
        raise WrongKey(
            "expected the data key of this object, got another (or the object's header was changed); "
            "ask for a grant of this address"
        )
    return cipher


def check_dataset(header: Header, dataset: str) -> None:
    """That a header says this dataset.

    Raises:
        OtherDataset: if it says another.
        ValueError: if `dataset` is no id.
    """
    if plain_id(dataset) != header.dataset:
        raise OtherDataset(
            f"expected an object of dataset {plain_id(dataset)}, found one of {header.dataset}; use an "
            "agreement on that dataset"
        )


def open_segments(
    source: Source,
    header: Header,
    data_key: DataKey,
    address: str | None = None,
    dataset: str | None = None,
) -> Iterator[bytes]:
    """The plaintext, segment by segment, each given out only after its tag was checked.

    Args:
        source: the sealed object, read up to the end of its header.
        header: what `read_header` made of that.
        data_key: its key.
        address: what all the bytes must hash to; checked before the last segment is given out.
        dataset: id of the dataset that the object must be of; any if None.

    Raises:
        OtherDataset: if it is of another dataset.
        WrongKey: if the key is another object's.
        SealError: at the first segment that is not as it was sealed.
    """
    if dataset is not None:
        check_dataset(header, dataset)
    cipher, hasher = check_key(header, data_key), hashlib.sha256(header.data)
    size = header.segment_size + TAG_SIZE
    number, data = 0, _read(source, size)
    while True:
        following = _read(source, size)
        hasher.update(data)
        try:
            segment = cipher.decrypt(_nonce(header.prefix, number, not following), data, header.data)
        except (InvalidTag, ValueError):
            raise SealError(
                f"segment {number}: expected it as it was sealed; it was changed, cut off, moved or added to"
            ) from None
        if not following and address is not None and hasher.hexdigest() != address:
            raise SealError(
                f"expected an object whose SHA-256 is {address}, found another under this address"
            )
        yield segment
        if not following:
            return
        number, data = number + 1, following


def _read(source: Source, size: int) -> bytes:
    """`size` bytes, or fewer at the end: a single `read` may give fewer before it."""
    pieces, missing = [], size
    while missing and (piece := source.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
