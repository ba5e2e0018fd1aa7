"""A folder against its manifest: whatever differs is named, and nothing hangs or is followed elsewhere."""

import hashlib
import json
import os

import pytest
from bundle_helpers import differing, make, rewrite

from synthlib.bundle import MANIFEST, Bundle, BundleError, inspect

pytest_plugins = ["bundle_fixtures"]
pytestmark = pytest.mark.usefixtures("own_workspace")


@pytest.mark.parametrize("name", ["a.csv", "inner/b.json"])
@pytest.mark.parametrize("change", ["flip", "truncate", "extend", "delete", "link", "folder"])
def test_every_change_of_a_file_is_named(tmp_path, name, change):
    bundle = make(tmp_path / "one", text="some text\n")
    file = bundle.path / name
    data = file.read_bytes()
    file.unlink()
    if change == "flip":
        file.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    elif change == "truncate":
        file.write_bytes(data[:-1])
    elif change == "extend":
        file.write_bytes(data + b"\n")
    elif change == "link":
        (tmp_path / "same").write_bytes(data)
        file.symlink_to(tmp_path / "same")
    elif change == "folder":
        file.mkdir()
    assert differing(bundle.path) == {name}
    with pytest.raises(BundleError, match=name):
        Bundle.open(bundle.path)


def test_all_that_differ_are_named_at_once(tmp_path):
    bundle = make(tmp_path / "one")
    (bundle.path / "a.csv").rename(bundle.path / "c.csv")
    (bundle.path / "inner" / "b.json").write_text("[]")
    (bundle.path / "link").symlink_to(tmp_path, target_is_directory=True)
    assert differing(bundle.path) == {"a.csv", "c.csv", "inner/b.json", "link"}


def test_a_folder_behind_a_link_is_not_followed(tmp_path):
    bundle = make(tmp_path / "one")
    (bundle.path / "inner").rename(tmp_path / "moved")
    (bundle.path / "inner").symlink_to(tmp_path / "moved")
    assert differing(bundle.path) == {"inner", "inner/b.json"}


def test_the_ledger_folder_is_not_part_of_what_is_recorded(tmp_path):
    bundle = make(tmp_path / "one")
    (bundle.path / "ledger").mkdir()
    (bundle.path / "ledger" / "record.json").write_text("{}")
    assert Bundle.open(bundle.path).digest == bundle.digest


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "synthlib-bundle/2"},
        {"format": None},
        {"more": 1},
        {"kind": 1},
        {"kind": None},
        {"digests": "md5"},
        {"files": {}},
        {"files": []},
        {"files": {"a.csv": "digest"}},
        {"files": {"a.csv": {"bytes": True, "digest": "0" * 64}}},
        {"files": {"a.csv": {"bytes": 2.0, "digest": "0" * 64}}},
        {"files": {"a.csv": {"bytes": 2, "digest": "0" * 63}}},
        {"files": {"a.csv": {"bytes": 2, "digest": "A" * 64}}},
        {"parameters": []},
        {"parents": []},
        {"parents": {"data": "not a digest"}},
    ],
    ids=str,
)
def test_a_manifest_of_another_form_is_refused(tmp_path, changes):
    bundle = make(tmp_path / "one")
    rewrite(bundle, **changes)
    assert MANIFEST in differing(bundle.path)
    with pytest.raises(BundleError, match="not a readable manifest"):
        Bundle.open(bundle.path)


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "inner/../../secret",
        "/etc/passwd",
        "a//b",
        "./a",
        "a/",
        "",
        ".",
        "..\\secret",
        "ledger/x",
        MANIFEST,
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    (tmp_path / "secret").write_text("x")
    bundle = make(tmp_path / "one")
    rewrite(bundle, files={name: {"bytes": 1, "digest": hashlib.sha256(b"x").hexdigest()}})
    assert MANIFEST in differing(bundle.path)


@pytest.mark.parametrize("name", ["x" * 5000, "nul\x00byte", "new\nline"])
def test_names_that_no_file_can_have_differ(tmp_path, name):
    bundle = make(tmp_path / "one")
    rewrite(bundle, files=bundle.manifest["files"] | {name: {"bytes": 1, "digest": "0" * 64}})
    assert differing(bundle.path) == {name}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data + b"\n",
        lambda data: data.replace(b"\n ", b"\n  "),
        lambda data: json.dumps(json.loads(data)).encode(),
        lambda data: data.replace(b'"kind": "test"', b'"kind": "other",\n "kind": "test"'),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.decode().encode("utf-16"),
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"\xff" + data,
        lambda data: b"[" * 100_000 + b"]" * 100_000,
        lambda data: data.replace(b'"parameters": {}', b'"parameters": {"n": ' + b"9" * 5000 + b"}"),
        lambda data: data.replace(b'"parameters": {}', b'"parameters": {"n": NaN}'),
    ],
    ids=[
        *("newline", "indent", "compact", "repeated", "mark", "UTF-16"),
        *("cut", "empty", "no UTF-8", "deep", "huge number", "NaN"),
    ],
)
def test_only_the_canonical_encoding_is_a_manifest(tmp_path, spoil):
    bundle = make(tmp_path / "one")
    data = (bundle.path / MANIFEST).read_bytes()
    assert spoil(data) != data
    (bundle.path / MANIFEST).write_bytes(spoil(data))
    assert [found.verdict for found in inspect(bundle.path)] == ["differs"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path):
    bundle = make(tmp_path / "one")
    for name in ("a.csv", MANIFEST):
        (bundle.path / name).unlink()
        os.mkfifo(bundle.path / name)
        assert name in differing(bundle.path)


def test_a_link_in_place_of_the_manifest_differs(tmp_path):
    bundle = make(tmp_path / "one")
    (bundle.path / MANIFEST).rename(tmp_path / "moved")
    (bundle.path / MANIFEST).symlink_to(tmp_path / "moved")
    assert MANIFEST in differing(bundle.path)


def test_nothing_at_all_differs(tmp_path):
    assert differing(tmp_path / "none") == {MANIFEST}


def test_a_file_of_another_size_is_not_hashed(tmp_path):
    bundle = make(tmp_path / "one")
    os.truncate(bundle.path / "a.csv", 1 << 40)  # holes: hashing them would take an hour
    assert differing(bundle.path) == {"a.csv"}


def test_files_beyond_the_limit_are_unchecked(tmp_path):
    bundle = make(tmp_path / "one")  # files of two bytes each
    seen = {found.subject: found.verdict for found in inspect(bundle.path, limit=3)}
    assert seen == {MANIFEST: "matched", "a.csv": "matched", "inner/b.json": "unchecked"}


def test_an_added_empty_folder_differs(tmp_path):
    bundle = make(tmp_path / "one")
    (bundle.path / "empty" / "deeper").mkdir(parents=True)
    assert differing(bundle.path) == {"empty/deeper"}
