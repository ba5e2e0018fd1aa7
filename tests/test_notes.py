"""Signed notes and checkpoints: the known example, every changed character, and keys on disk."""

import base64
import os
import re
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthlib.chain.notes import Checkpoint, NoteError, Signer, Verifier

# The example that the format's first implementation is tested with.
PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNED = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
NOTE = f"{TEXT}\n— PeterNeumann {SIGNED}\n"
SIGNER, OTHER = Signer("example.org/log", bytes(32)), Signer("example.org/log", bytes(31) + b"\x01")


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "log.key"
    path.write_text(PRIVATE + "\n")
    path.chmod(0o600)
    return path


def test_the_known_example(key_file):
    signer = Signer.open(key_file)
    assert signer.verifier.text == PUBLIC
    assert signer.sign(TEXT) == NOTE
    assert Verifier(PUBLIC).open(NOTE) == TEXT


@settings(max_examples=100)
@given(st.integers(0, len(NOTE) - 1), st.characters(codec="utf-8"))
def test_any_changed_character_is_noticed(place, character):
    changed = NOTE[:place] + character + NOTE[place + 1 :]
    if changed == NOTE:
        return
    with pytest.raises(NoteError):
        Verifier(PUBLIC).open(changed)


@given(st.text(max_size=60))
def test_what_is_no_note_is_refused_and_nothing_else_is_raised(text):
    for note in (text, text + NOTE.removesuffix("\n"), NOTE + text + "x", f"\n\n{text}\n"):
        with pytest.raises(NoteError):
            Verifier(PUBLIC).open(note)


def test_signatures_of_others_are_passed_over():
    countersigned = NOTE + OTHER.sign(TEXT).removeprefix(TEXT + "\n")
    assert Verifier(PUBLIC).open(countersigned) == OTHER.verifier.open(countersigned) == TEXT
    with pytest.raises(NoteError, match="found none"):
        SIGNER.verifier.open(countersigned)


def test_a_known_key_s_bad_signature_spoils_the_note():
    forged = base64.b64encode(SIGNER._id + bytes(64)).decode()
    note = NOTE + f"— {SIGNER.verifier.name} {forged}\n"
    assert Verifier(PUBLIC).open(note) == TEXT
    with pytest.raises(NoteError, match="that holds"):
        SIGNER.verifier.open(note)


def test_a_text_may_hold_blank_lines():
    assert SIGNER.verifier.open(SIGNER.sign("one\n\ntwo\n")) == "one\n\ntwo\n"


def test_a_verifier_with_any_character_changed_is_refused():
    for place in range(len("PeterNeumann"), len(PUBLIC)):
        with pytest.raises(ValueError, match="expected"):
            Verifier(PUBLIC[:place] + ("z" if PUBLIC[place] != "z" else "y") + PUBLIC[place + 1 :])
    for text in ("", "a", "a+b", PUBLIC[1:], PUBLIC[:-1], "a b" + PUBLIC[12:]):
        with pytest.raises(ValueError, match="expected"):
            Verifier(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b"])
def test_a_name_that_would_not_fit_the_format_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="expected a key's name"):
        Signer.create(tmp_path / "log.key", name)
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_for_its_owner_alone_and_never_overwritten(tmp_path):
    path = tmp_path / "log.key"
    signer = Signer.create(path, "example.org/log")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Signer.open(path).verifier.text == signer.verifier.text
    with pytest.raises(FileExistsError, match="expected no file"):
        Signer.create(path, "example.org/log")
    if os.name == "posix":
        path.chmod(0o640)
        with pytest.raises(PermissionError, match="chmod 600"):
            Signer.open(path)
    with pytest.raises(FileNotFoundError, match="makes one"):
        Signer.open(tmp_path / "none.key")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        PUBLIC,
        PRIVATE[:-1],
        PRIVATE.replace("c74f20a3", "c74f20a4"),
        PRIVATE.replace("Peter", "Otto"),
    ],
)
def test_another_key_file_is_refused_without_showing_it(key_file, text):
    key_file.write_text(text)
    with pytest.raises(ValueError, match="expected PRIVATE") as caught:
        Signer.open(key_file)
    assert "AYEKFALV" not in str(caught.value)


def test_a_key_does_not_show_itself():
    assert re.search("AAAA|00000000", repr(SIGNER)) is None


# --- checkpoints ---------------------------------------------------------------------------------------


@given(st.integers(0, 2**62), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_reads_as_it_was_signed(size, root):
    checkpoint = Checkpoint("example.org/log", size, root)
    note = checkpoint.sign(SIGNER)
    assert Checkpoint.open(note, SIGNER.verifier) == checkpoint
    assert note.split("\n")[:4] == ["example.org/log", str(size), base64.b64encode(root).decode(), ""]
    with pytest.raises(NoteError):
        Checkpoint.open(note, OTHER.verifier)


ROOT = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "example.org/log\n1\n",
        f"example.org/log\n01\n{ROOT}\n",
        f"example.org/log\n-1\n{ROOT}\n",
        f"example.org/log\n+1\n{ROOT}\n",
        f"example.org/log\n١\n{ROOT}\n",
        f"example.org/log\n{'9' * 20}\n{ROOT}\n",
        "example.org/log\n1\nAAAA\n",
        f"example.org/log\n1\n{ROOT[:-1]}\n",
        f"example.org/log\n1\n{ROOT}\n\nmore\n",
        f"example.org/other\n1\n{ROOT}\n",
    ],
)
def test_what_is_signed_and_no_checkpoint_is_refused(text):
    with pytest.raises(NoteError, match="expected a checkpoint"):
        Checkpoint.open(SIGNER.sign(text), SIGNER.verifier)


def test_further_lines_of_a_checkpoint_are_passed_over():
    note = SIGNER.sign(f"example.org/log\n1\n{ROOT}\nan extension\n")
    assert Checkpoint.open(note, SIGNER.verifier) == ("example.org/log", 1, bytes(32))
