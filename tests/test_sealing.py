"""Sealed objects: what was sealed is what is opened, and whatever was changed opens to nothing."""

import hashlib
import io
import os
import struct
import tracemalloc

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from synthlib.chain import sealing
from synthlib.chain.sealing import (
    BUNDLE,
    FILE,
    HEADER_SIZE,
    SEGMENT_SIZE,
    TAG_SIZE,
    DataKey,
    OtherDataset,
    SealError,
    WrongKey,
    open_segments,
    read_header,
    seal,
)

DATASET, OTHER_DATASET = "d5" * 32, "0e" * 32
SIZE = 16  # small segments, so that short plaintexts have several


def seal_bytes(plain, content=FILE, segment_size=SIZE):
    sink = io.BytesIO()
    return sink, seal([plain], sink, DATASET, content, segment_size)


def open_bytes(data, data_key, address=None, dataset=None):
    source = io.BytesIO(data)
    return b"".join(open_segments(source, read_header(source), data_key, address, dataset))


def segments_of(data, size=SIZE):
    """Header, and the encrypted segments with their tags."""
    body = data[HEADER_SIZE:]
    return data[:HEADER_SIZE], [body[i : i + size + TAG_SIZE] for i in range(0, len(body), size + TAG_SIZE)]


# What was sealed is what is opened


@pytest.mark.parametrize("size", [0, 1, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE - 1, 2 * SIZE, 2 * SIZE + 1, 100])
def test_round_trip_around_the_ends_of_segments(size):
    plain = os.urandom(size)
    sink, sealed = seal_bytes(plain)
    data = sink.getvalue()
    assert open_bytes(data, sealed.data_key, sealed.address) == plain
    assert sealed.num_bytes == len(data) == HEADER_SIZE + size + TAG_SIZE * max(1, -(-size // SIZE))
    assert sealed.address == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", [SEGMENT_SIZE - 1, SEGMENT_SIZE, SEGMENT_SIZE + 1, 3 * SEGMENT_SIZE + 5])
def test_round_trip_in_segments_of_the_usual_size(size):
    plain = os.urandom(size)
    sink, sealed = seal_bytes(plain, segment_size=SEGMENT_SIZE)
    assert open_bytes(sink.getvalue(), sealed.data_key, sealed.address) == plain


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(1, 40))
def test_pieces_of_any_length_give_the_same_plaintext(chunks, size):
    sink = io.BytesIO()
    sealed = seal(chunks, sink, DATASET, BUNDLE, size)
    source = io.BytesIO(sink.getvalue())
    header = read_header(source)
    assert header.content == BUNDLE and header.segment_size == size
    pieces = list(open_segments(source, header, sealed.data_key, sealed.address))
    assert b"".join(pieces) == b"".join(chunks)
    assert all(len(piece) == size for piece in pieces[:-1])


class Trickle(io.BytesIO):
    """A stream that gives at most three bytes at a time, as a socket may."""

    def read(self, size=-1, /):
        return super().read(min(size, 3))


def test_streams_that_give_less_than_asked_are_read_on():
    sink, sealed = seal_bytes(b"x" * 50)
    source = Trickle(sink.getvalue())
    assert b"".join(open_segments(source, read_header(source), sealed.data_key)) == b"x" * 50


def test_the_format_is_the_documented_one():
    """Opened by hand, from the module's description alone."""
    plain = bytes(range(40))
    sink, sealed = seal_bytes(plain)
    data = sink.getvalue()
    assert data[:16] == b"synthlib-seal/2\n" and data[16] == 0
    assert struct.unpack(">I", data[17:21]) == (SIZE,)
    info = b"synthlib-seal/2 encryption key and commitment\n" + bytes.fromhex(DATASET)
    derived = HKDFExpand(algorithm=SHA256(), length=64, info=info).derive(sealed.data_key.reveal())
    assert data[28:60].hex() == DATASET and data[60:92] == derived[32:]
    header, segments = segments_of(data)
    opened = b""
    for number, segment in enumerate(segments):
        nonce = data[21:28] + number.to_bytes(4, "big") + bytes([number == len(segments) - 1])
        opened += AESGCM(derived[:32]).decrypt(nonce, segment, header)
    assert opened == plain and len(segments) == 3


def test_fixed_keys_give_fixed_bytes():
    """Objects sealed by earlier versions can be read by later ones."""
    sink = io.BytesIO()
    sealed = sealing._seal([b"a patient"], sink, DATASET, FILE, 4, DataKey(bytes(range(32))), b"prefix!")
    assert sealed.address == "e2a03400a152c12e85901229f15330d98921540f8027d943e88c2f34327753b9"


def test_every_object_has_a_key_and_an_address_of_its_own():
    made = [seal_bytes(b"same")[1] for _ in range(20)]
    assert len({sealed.address for sealed in made}) == len({s.data_key.reveal() for s in made}) == 20


# Whatever was changed


PLAIN = bytes(range(5 * SIZE - 3))
SINK, SEALED = seal_bytes(PLAIN)
DATA = SINK.getvalue()
OTHER = seal_bytes(PLAIN)[0].getvalue()


def released(data, data_key=SEALED.data_key, address=None):
    """What is given out before opening fails; fails itself if opening does not."""
    source, pieces = io.BytesIO(data), []
    with pytest.raises(SealError):
        for piece in open_segments(source, read_header(source), data_key, address):
            pieces.append(piece)
    return b"".join(pieces)


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_changed_byte_is_found_before_its_segment_is_given_out(place, change):
    changed = bytearray(DATA)
    changed[place] ^= change
    before = max(0, place - HEADER_SIZE) // (SIZE + TAG_SIZE) * SIZE
    assert released(bytes(changed)) == PLAIN[:before]


@given(st.integers(0, len(DATA) - 1))
def test_a_cut_is_found(length):
    out = released(DATA[:length])
    assert PLAIN.startswith(out) and len(out) < len(PLAIN)


@pytest.mark.parametrize("count", range(5))
def test_a_cut_between_segments_is_found(count):
    header, segments = segments_of(DATA)
    assert len(segments) == 5
    assert released(header + b"".join(segments[:count])) == PLAIN[: max(0, count - 1) * SIZE]


@given(st.binary(min_size=1, max_size=3 * SIZE))
def test_what_is_added_is_found(more):
    assert released(DATA + more) == PLAIN[: 4 * SIZE]


@given(st.lists(st.integers(0, 4), max_size=7).filter(lambda order: order != [0, 1, 2, 3, 4]))
def test_segments_in_another_order_left_out_or_repeated_are_found(order):
    header, segments = segments_of(DATA)
    out = released(header + b"".join(segments[number] for number in order))
    in_place = next((i for i, number in enumerate(order) if number != i), len(order))
    assert out in (PLAIN[: in_place * SIZE], PLAIN[: max(0, in_place - 1) * SIZE])


@pytest.mark.parametrize("number", range(5))
def test_segments_of_another_object_are_found(number):
    header, segments = segments_of(DATA)
    segments[number] = segments_of(OTHER)[1][number]
    assert released(header + b"".join(segments)) == PLAIN[: number * SIZE]


def test_another_objects_header_is_found():
    assert released(OTHER[:HEADER_SIZE] + DATA[HEADER_SIZE:]) == b""


def test_another_key_opens_nothing():
    with pytest.raises(WrongKey, match="data key of this object"):
        open_bytes(DATA, DataKey(bytes(32)))


def test_another_address_is_found_before_the_last_segment_is_given_out():
    assert released(DATA, address="0" * 64) == PLAIN[: 4 * SIZE]


def test_no_two_keys_open_one_object():
    """GCM alone would let a ciphertext be made for two keys; the header commits to one."""
    header, segments = segments_of(DATA)
    second = DataKey(bytes(32))
    _, commitment = second.derive(bytes.fromhex(DATASET))
    forged = header[:60] + commitment + b"".join(segments)
    assert released(forged, second) == b""
    assert released(forged, SEALED.data_key) == b""


def test_an_object_opens_as_one_of_its_dataset_alone():
    assert open_bytes(DATA, SEALED.data_key, SEALED.address, DATASET) == PLAIN
    assert open_bytes(DATA, SEALED.data_key, dataset="0x" + DATASET.upper()) == PLAIN
    assert read_header(io.BytesIO(DATA)).dataset == DATASET
    with pytest.raises(OtherDataset, match=f"of dataset {OTHER_DATASET}, found one of {DATASET}"):
        open_bytes(DATA, SEALED.data_key, SEALED.address, OTHER_DATASET)


def test_a_header_that_says_another_dataset_opens_to_nothing():
    """Nor does one with a commitment made for it, by who has the key: the tags are over the header."""
    relabelled = DATA[:28] + bytes.fromhex(OTHER_DATASET) + DATA[60:]
    with pytest.raises(WrongKey, match="header was changed"):
        open_bytes(relabelled, SEALED.data_key, dataset=OTHER_DATASET)
    _, commitment = SEALED.data_key.derive(bytes.fromhex(OTHER_DATASET))
    forged = relabelled[:60] + commitment + relabelled[92:]
    with pytest.raises(SealError, match="segment 0"):
        open_bytes(forged, SEALED.data_key, dataset=OTHER_DATASET)


def test_an_object_of_the_first_format_says_what_to_do():
    with pytest.raises(
        SealError, match="found one of synthlib-seal/1, which said no dataset; put what it holds"
    ):
        open_bytes(b"synthlib-seal/1\n" + DATA[16:28] + DATA[60:], SEALED.data_key)


@pytest.mark.parametrize("dataset", ["", "d5" * 31, "g" * 64, "0x" + "d5" * 33, None, b"d5" * 32])
def test_an_object_is_of_some_dataset(dataset):
    with pytest.raises(ValueError, match="id of a dataset, 64 hexadecimal digits"):
        seal([b""], io.BytesIO(), dataset)


@pytest.mark.parametrize("size", [0, 2**24 + 1, 2**32 - 1])
def test_segment_sizes_that_would_fill_the_memory_are_refused(size):
    forged = DATA[:17] + struct.pack(">I", size) + DATA[21:]
    with pytest.raises(SealError, match="other bytes"):
        open_bytes(forged, SEALED.data_key)
    with pytest.raises(ValueError, match="segments of"):
        seal_bytes(b"", segment_size=size)


def test_more_segments_than_the_counter_holds_are_refused():
    assert sealing._nonce(b"1234567", 2**32 - 1, True) == b"1234567\xff\xff\xff\xff\x01"
    with pytest.raises(ValueError, match="larger segments"):
        sealing._nonce(b"1234567", 2**32, False)


# Memory, and secrets


class Zeros:
    """A stream of zeros, and a place where bytes go and are counted."""

    def __init__(self, size=0):
        self.left, self.written = size, 0

    def write(self, data):
        self.written += len(data)


def test_memory_does_not_grow_with_the_plaintext(tmp_path):
    size = 64 << 20
    tracemalloc.start()
    try:
        with (tmp_path / "sealed").open("wb") as file:
            sealed = seal((bytes(1 << 20) for _ in range(64)), file, DATASET)
        with (tmp_path / "sealed").open("rb") as file:
            opened = sum(map(len, open_segments(file, read_header(file), sealed.data_key, sealed.address)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert opened == size
    assert peak < 12 << 20


def test_keys_show_themselves_nowhere():
    secret = bytes(range(32))
    key = DataKey(secret)
    for text in (repr(key), str(key), f"{key}", repr(SEALED)):
        assert secret.hex() not in text and SEALED.data_key.reveal().hex() not in text
    assert repr(key) == "DataKey(<secret>)"
    assert key == DataKey(secret) and key != DataKey(bytes(32)) and key != secret
    for wrong in (b"short", "x" * 32, bytearray(32)):
        with pytest.raises(ValueError, match="32 bytes") as caught:
            DataKey(wrong)
        assert "short" not in str(caught.value)
