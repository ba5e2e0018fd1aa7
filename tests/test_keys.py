"""The steward's key: for its owner alone, never shown, and gone when it is destroyed."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from bundle_helpers import SECRET
from hypothesis import given
from hypothesis import strategies as st

from synthlib.keys import StewardKey

ROOT = Path(__file__).parents[1]


def test_a_key_file_is_for_its_owner_alone(tmp_path):
    key = StewardKey.create(tmp_path / "new" / "a.key")
    assert stat.S_IMODE((tmp_path / "new" / "a.key").stat().st_mode) == 0o600
    opened = StewardKey.open(tmp_path / "new" / "a.key")
    assert opened.mac("x", b"y").digest() == key.mac("x", b"y").digest()


def test_two_keys_differ(tmp_path):
    macs = [StewardKey.create(tmp_path / name).mac("x").digest() for name in ("a", "b")]
    assert macs[0] != macs[1]


def test_a_key_is_never_overwritten(tmp_path):
    StewardKey.create(tmp_path / "a.key")
    before = (tmp_path / "a.key").read_bytes()
    with pytest.raises(FileExistsError, match="open that key"):
        StewardKey.create(tmp_path / "a.key")
    StewardKey.open_or_create(tmp_path / "a.key")
    assert (tmp_path / "a.key").read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_a_key_that_others_can_read_is_refused(tmp_path, mode):
    StewardKey.create(tmp_path / "a.key")
    (tmp_path / "a.key").chmod(mode)
    with pytest.raises(PermissionError, match="chmod 600"):
        StewardKey.open(tmp_path / "a.key")


@pytest.mark.parametrize("content", [b"", b"ab", b"zz" * 32, b"ab" * 31, b"ab" * 33, b"\xff\xfe", b"ab" * 16])
def test_a_key_file_that_holds_no_key_is_refused_without_showing_it(tmp_path, content):
    (tmp_path / "a.key").write_bytes(content)
    (tmp_path / "a.key").chmod(0o600)
    with pytest.raises(ValueError, match="64 hexadecimal digits") as caught:
        StewardKey.open(tmp_path / "a.key")
    assert caught.value.__cause__ is None and caught.value.__suppress_context__
    assert not content or content.decode("latin-1") not in str(caught.value).replace("64 hexadecimal", "")


def test_a_missing_key_file_says_how_to_make_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"StewardKey\.create"):
        StewardKey.open(tmp_path / "a.key")


def test_a_key_does_not_show_itself():
    assert SECRET.hex() not in repr(StewardKey(SECRET)) + str(StewardKey(SECRET))
    with pytest.raises(ValueError, match="32 bytes, got 3"):
        StewardKey(b"abc")


def test_a_destroyed_key_is_gone_and_was_overwritten_first(tmp_path):
    StewardKey.create(tmp_path / "a.key")
    secret = (tmp_path / "a.key").read_bytes()
    os.link(tmp_path / "a.key", tmp_path / "other name")
    StewardKey.destroy(tmp_path / "a.key")
    assert not (tmp_path / "a.key").exists()
    assert (tmp_path / "other name").read_bytes() != secret
    with pytest.raises(FileNotFoundError):
        StewardKey.destroy(tmp_path / "a.key")


def test_macs_depend_on_key_purpose_and_data():
    key = StewardKey(SECRET)
    macs = [
        key.mac("a", b"bc"),
        key.mac("ab", b"c"),
        key.mac("a", b"bd"),
        StewardKey(bytes(32)).mac("a", b"bc"),
        StewardKey.for_public_data("a").mac("a", b"bc"),
        StewardKey.for_public_data("b").mac("a", b"bc"),
    ]
    assert len({mac.digest() for mac in macs}) == len(macs)
    started = key.mac("a")
    started.update(b"bc")
    assert started.digest() == macs[0].digest()


@given(st.text(max_size=30))
def test_anybody_can_compute_a_public_key(label):
    first, second = StewardKey.for_public_data(label), StewardKey.for_public_data(label)
    assert first.mac("x").digest() == second.mac("x").digest()


def test_a_public_key_is_the_same_in_another_process():
    expression = "StewardKey.for_public_data('a').mac('x').hexdigest()"
    program = f"from synthlib.keys import StewardKey; print({expression})"
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == StewardKey.for_public_data("a").mac("x").hexdigest()
