"""Bundles as one stream: the same folder comes back, and a stranger's stream writes nothing outside it."""

import os
import stat
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthlib.bundle import Bundle, StewardKey
from synthlib.chain.packing import PackingError, pack, unpack


def make(path, key=None, **files):
    with Bundle.create(path, "test", {"seed": 1}, key=key) as folder:
        for name, text in (files or {"a.csv": "a\n", "inner/b.json": "{}", "empty": ""}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
    return Bundle.open(path, key)


def entry(name, data=b"", size=None):
    name = name if isinstance(name, bytes) else name.encode()
    return struct.pack(">HQ", len(name), len(data) if size is None else size) + name + data


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def target(tmp_path):
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def test_a_folder_comes_back_with_its_ledger(tmp_path, target):
    bundle = make(tmp_path / "one")
    (bundle.path / "ledger").mkdir()
    (bundle.path / "ledger" / "record.json").write_text("{}")
    unpack(pack(bundle), target)
    assert contents(target) == contents(bundle.path)
    assert {"a.csv", "inner/b.json", "empty", "manifest.json", "ledger/record.json"} == set(contents(target))
    assert Bundle.open(target).digest == bundle.digest


def test_equal_folders_give_equal_streams(tmp_path):
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    os.utime(two.path / "a.csv", (0, 0))
    (two.path / "a.csv").chmod(0o600)
    assert b"".join(pack(one)) == b"".join(pack(two))


def test_the_form_is_the_documented_one(tmp_path):
    bundle = make(tmp_path / "one", **{"a": "x"})
    manifest = (bundle.path / "manifest.json").read_bytes()
    assert b"".join(pack(bundle)) == entry("a", b"x") + entry("manifest.json", manifest)


@given(st.dictionaries(st.from_regex(r"[a-zé]{1,5}", fullmatch=True), st.binary(max_size=40), max_size=5))
def test_any_files_in_pieces_of_any_length(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("files")
    ordered = sorted(files.items(), key=lambda item: item[0].encode())
    stream = b"".join(entry(name, data) for name, data in ordered)
    unpack((stream[i : i + 3] for i in range(0, len(stream), 3)), folder)
    assert contents(folder) == files


def test_files_are_their_owners_alone(tmp_path, target):
    unpack(pack(make(tmp_path / "one")), target)
    assert stat.S_IMODE((target / "a.csv").stat().st_mode) == 0o600
    assert stat.S_IMODE((target / "inner").stat().st_mode) == 0o700


def test_links_are_refused(tmp_path):
    bundle = make(tmp_path / "one")
    (tmp_path / "secret").write_text("secret")
    (bundle.path / "ledger").mkdir()
    (bundle.path / "ledger" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match="found a link"):
        list(pack(bundle))
    (bundle.path / "ledger" / "link").unlink()
    (bundle.path / "ledger").rmdir()
    (bundle.path / "ledger").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="found a link"):
        list(pack(bundle))


def test_a_file_that_changes_meanwhile_is_refused(tmp_path):
    bundle = make(tmp_path / "one", a="x" * 100, b="y")
    chunks = pack(bundle)
    next(chunks)
    (bundle.path / "a").write_text("x" * 50)
    with pytest.raises(ValueError, match="changed while it was read"):
        list(chunks)


@pytest.mark.parametrize(
    "name",
    ["../out", "/abs", "a/../../out", "./a", "a//b", "a/", "", "back\\slash", "nul\0", b"\xff", "..", "."],
)
def test_names_outside_the_folder_are_refused(tmp_path, target, name):
    with pytest.raises(PackingError):
        unpack([entry(name, b"x")], target)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    "stream",
    [
        entry("b") + entry("a"),
        entry("a") + entry("a"),
        entry("a") + entry("a/b"),
        entry("a", b"x", size=2),
        entry("a", b"x")[:-2],
        entry("a")[:5],
    ],
    ids=["order", "twice", "file as folder", "short", "cut", "cut head"],
)
def test_streams_that_pack_does_not_make_are_refused(target, stream):
    with pytest.raises(PackingError):
        unpack([stream], target)


def test_keyed_bundles_come_back_keyed(tmp_path, target):
    key = StewardKey(bytes(32))
    bundle = make(tmp_path / "one", key=key)
    unpack(pack(bundle), target)
    assert Bundle.open(target, key).digest == bundle.digest
