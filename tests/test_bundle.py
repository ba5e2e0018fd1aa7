"""Bundles: what was written is what is read, nothing is half-written, and whatever differs is named."""

import hashlib
import hmac
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from synthlib.bundle import (
    MANIFEST,
    Bundle,
    BundleError,
    StewardKey,
    canonical_json,
    check_destination,
    inspect,
    workspace,
    write_atomically,
)

ROOT = Path(__file__).parents[1]
SECRET = bytes(range(32))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)  # without lone surrogates


@pytest.fixture(autouse=True)
def own_workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHLIB_WORKSPACE", str(tmp_path / "space"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "space"


def make(path, text="a\n", parents=None, key=None, **parameters):
    with Bundle.create(path, "test", parameters, parents, key) as folder:
        (folder / "a.csv").write_text(text)
        (folder / "inner").mkdir()
        (folder / "inner" / "b.json").write_text("{}")
    return Bundle.open(path, key)


def rewrite(bundle, **changes):
    """Put a manifest with other fields in place; canonical, so that only the fields are to blame."""
    manifest = {name: value for name, value in (bundle.manifest | changes).items() if value is not None}
    (bundle.path / MANIFEST).write_bytes(canonical_json(manifest))


def differing(path, key=None):
    return {found.subject for found in inspect(path, key) if found.verdict == "differs"}


# Creating and opening


def test_what_was_written_is_what_is_opened(tmp_path):
    bundle = make(tmp_path / "one", seed=3, rate=0.5)
    assert bundle.kind == "test"
    assert bundle.parameters == {"seed": 3, "rate": 0.5}
    assert bundle.files == ["a.csv", "inner/b.json"]
    assert bundle.file("a.csv").read_text() == "a\n"
    assert repr(bundle) == "Bundle('one', kind='test', files=2)"


def test_digests_are_sha256_of_bytes(tmp_path):
    bundle = make(tmp_path / "one", text="abc")
    assert bundle.manifest["files"]["a.csv"] == {"bytes": 3, "digest": hashlib.sha256(b"abc").hexdigest()}
    assert bundle.digest == hashlib.sha256((tmp_path / "one" / MANIFEST).read_bytes()).hexdigest()


def test_equal_contents_have_equal_digests_wherever_they_are(tmp_path):
    assert make(tmp_path / "one", x=1, y=2).digest == make(tmp_path / "two" / "three", y=2, x=1).digest
    assert make(tmp_path / "four", x=1, y=3).digest != make(tmp_path / "five", x=1, y=2).digest


def test_parents_are_named_by_their_digest(tmp_path):
    parent = make(tmp_path / "parent")
    assert make(tmp_path / "child", parents={"data": parent}).parents == {"data": parent.digest}


def test_parameters_may_be_filled_inside_the_block(tmp_path):
    parameters = {"early": 1}
    with Bundle.create(tmp_path / "one", "test", parameters) as folder:
        (folder / "a").write_text("")
        parameters["late"] = 2
    assert Bundle.open(tmp_path / "one").parameters == {"early": 1, "late": 2}


def test_parameters_with_numbers_as_keys_can_be_opened(tmp_path):
    assert make(tmp_path / "one", levels={10: "a", 9: "b"}).parameters["levels"] == {"10": "a", "9": "b"}


def test_a_bare_name_means_the_workspace(own_workspace):
    make("named")
    assert (own_workspace / "bundles" / "named" / MANIFEST).exists()
    assert Bundle.open("named").path == own_workspace / "bundles" / "named"


def test_a_bare_name_of_a_folder_here_means_that_folder(tmp_path):
    (tmp_path / "here").mkdir()
    make("here")
    assert (tmp_path / "here" / MANIFEST).exists()


def test_workspace_is_where_the_project_is(tmp_path, monkeypatch):
    monkeypatch.delenv("SYNTHLIB_WORKSPACE")
    assert workspace() == tmp_path
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert workspace() == tmp_path


def test_opening_what_is_not_there_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="was it made yet"):
        Bundle.open(tmp_path / "none")


def test_a_file_that_is_not_named_is_refused(tmp_path):
    with pytest.raises(KeyError, match=r"a\.csv"):
        make(tmp_path / "one").file(MANIFEST)


# All or nothing


def test_a_failed_block_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), Bundle.create(tmp_path / "one", "test", {}) as folder:
        (folder / "a").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_failed_block_leaves_the_earlier_bundle(tmp_path):
    before = make(tmp_path / "one")
    with pytest.raises(RuntimeError), Bundle.create(tmp_path / "one", "test", {}) as folder:
        (folder / "a").write_text("half")
        raise RuntimeError
    assert Bundle.open(tmp_path / "one").digest == before.digest
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_second_bundle_replaces_all_of_the_first(tmp_path):
    first = make(tmp_path / "one", text="old")
    (first.path / "ledger").mkdir()
    (first.path / "ledger" / "record.json").write_text("{}")
    with Bundle.create(tmp_path / "one", "test", {}) as folder:
        (folder / "new").write_text("new")
    assert Bundle.open(tmp_path / "one").files == ["new"]
    assert sorted(path.name for path in first.path.iterdir()) == [MANIFEST, "new"]
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_the_earlier_bundle_stays_until_the_block_is_done(tmp_path):
    before = make(tmp_path / "one")
    with Bundle.create(tmp_path / "one", "test", {}) as folder:
        (folder / "a").write_text("new")
        assert Bundle.open(tmp_path / "one").digest == before.digest


def test_a_failed_rename_puts_the_earlier_bundle_back(tmp_path, monkeypatch):
    before = make(tmp_path / "one")
    renamed = os.replace

    def fail_for_folders(source, target):
        if str(source).endswith(".partial") and os.path.isdir(source):
            raise OSError("disk")
        renamed(source, target)

    with (
        pytest.raises(OSError, match="disk"),
        monkeypatch.context() as patched,
        Bundle.create(tmp_path / "one", "test", {}) as folder,
    ):
        (folder / "a").write_text("new")
        patched.setattr(os, "replace", fail_for_folders)
    assert Bundle.open(tmp_path / "one").digest == before.digest
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_bundle_needs_a_file(tmp_path):
    with pytest.raises(ValueError, match="at least one file"), Bundle.create(tmp_path / "one", "test", {}):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ledger/record.json", "manifest.json", "back\\slash"])
def test_names_that_could_not_be_opened_are_not_written(tmp_path, name):
    with pytest.raises(ValueError, match="expected"), Bundle.create(tmp_path / "one", "test", {}) as folder:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_written(tmp_path):
    (tmp_path / "secret").write_text("x")
    with (
        pytest.raises(ValueError, match=r"plain files.*a\.csv"),
        Bundle.create(tmp_path / "one", "test", {}) as folder,
    ):
        (folder / "a.csv").symlink_to(tmp_path / "secret")
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan")])
def test_parameters_that_json_cannot_hold_leave_nothing(tmp_path, value):
    with pytest.raises(ValueError, match="JSON"):
        make(tmp_path / "one", value=value)
    assert list(tmp_path.iterdir()) == []


# Other people's folders


def folder_of_files(path):
    path.mkdir()
    (path / "thesis.docx").write_text("years of work")
    return path


def file_alone(path):
    path.write_text("years of work")
    return path


def foreign_manifest(path):
    """A web page's folder, say: its manifest.json is none of ours."""
    folder_of_files(path)
    (path / MANIFEST).write_text('{"name": "a web page"}')
    return path


def bundle_with_more(path):
    make(path)
    (path / "thesis.docx").write_text("years of work")
    return path


def link_to_folder(path):
    path.symlink_to(folder_of_files(path.with_name("elsewhere")))
    return path


@pytest.mark.parametrize(
    "put", [folder_of_files, file_alone, foreign_manifest, bundle_with_more, link_to_folder]
)
def test_what_is_not_a_bundle_is_never_replaced(tmp_path, put):
    put(tmp_path / "there")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for act in (make, check_destination):
        with pytest.raises(FileExistsError, match="choose another folder"):
            act(tmp_path / "there")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "there").mkdir()
    assert make(tmp_path / "there").files


def test_a_link_to_a_bundle_stays_a_link(tmp_path):
    make(tmp_path / "real")
    (tmp_path / "latest").symlink_to(tmp_path / "real")
    newer = make(tmp_path / "latest", text="newer")
    assert (tmp_path / "latest").is_symlink()
    assert Bundle.open(tmp_path / "real").digest == newer.digest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "real"]


def test_a_destination_is_checked_without_a_trace(tmp_path):
    assert check_destination(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert list(tmp_path.iterdir()) == []


def test_a_destination_below_a_file_is_refused(tmp_path):
    file_alone(tmp_path / "there")
    with pytest.raises(OSError, match="able to write"):
        check_destination(tmp_path / "there" / "below")


# What differs is named


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


# Keyed Bundles


def test_a_keyed_bundle_holds_no_plain_hash(tmp_path):
    text = "name\nEmma\n"
    key = StewardKey(SECRET)
    make(tmp_path / "one", text=text, key=key)
    published = (tmp_path / "one" / MANIFEST).read_text()
    assert hashlib.sha256(text.encode()).hexdigest() not in published
    assert SECRET.hex() not in published
    described = json.loads(published)["files"]["a.csv"]
    prefix = b"bundle file a.csv"
    expected = hmac.new(SECRET, len(prefix).to_bytes(2, "big") + prefix + text.encode(), hashlib.sha256)
    assert described["digest"] == expected.hexdigest()


def test_a_keyed_bundle_needs_its_own_key(tmp_path):
    key = StewardKey(SECRET)
    bundle = make(tmp_path / "one", key=key)
    assert {found.verdict for found in inspect(bundle.path)[1:]} == {"unchecked"}
    assert differing(bundle.path, StewardKey(bytes(32))) == {"a.csv", "inner/b.json"}
    with pytest.raises(BundleError, match="steward's key is needed"):
        Bundle.open(bundle.path)


def test_a_keyed_bundle_is_for_its_owner_alone(tmp_path):
    make(tmp_path / "open")
    make(tmp_path / "keyed", key=StewardKey(SECRET))
    assert stat.S_IMODE((tmp_path / "keyed").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) & 0o500 == 0o500


def test_equal_files_have_different_keyed_digests_by_name(tmp_path):
    """Else a manifest would tell which confidential files are equal."""
    with Bundle.create(tmp_path / "one", "test", {}, key=StewardKey(SECRET)) as folder:
        (folder / "a").write_text("same")
        (folder / "b").write_text("same")
    files = Bundle.open(tmp_path / "one", StewardKey(SECRET)).manifest["files"]
    assert files["a"]["digest"] != files["b"]["digest"]


# Keys


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


# The encoding

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


@given(JSON)
def test_canonical_json_reads_back_to_the_same_value_and_bytes(value):
    data = canonical_json(value)
    assert json.loads(data) == value
    assert canonical_json(json.loads(data)) == data
    assert data.endswith(b"\n")


@given(st.dictionaries(st.integers() | TEXT, st.integers(), max_size=6), st.randoms())
def test_canonical_json_does_not_depend_on_the_order_of_keys(value, random):
    assume(len({str(key) for key in value}) == len(value))
    shuffled = list(value.items())
    random.shuffle(shuffled)
    assert canonical_json(dict(shuffled)) == canonical_json(value)
    assert canonical_json(json.loads(canonical_json(value))) == canonical_json(value)


def test_canonical_json_to_the_byte():
    lines = ["{", ' "a": {},', ' "b": [', "  1,", "  2.5,", '  "é"', " ]", "}", ""]
    assert canonical_json({"b": [1, 2.5, "é"], "a": {}}) == "\n".join(lines).encode()


def test_canonical_json_takes_what_numpy_and_paths_hold(tmp_path):
    plain = {"a": 1, "b": 0.5, "c": True, "d": [1, 2], "e": "x/y"}
    rich = {
        "a": np.int64(1),
        "b": np.float64(0.5),
        "c": np.bool_(True),
        "d": {2, 1},
        "e": type(tmp_path)("x") / "y",
    }
    assert canonical_json(rich) == canonical_json(plain)


@pytest.mark.parametrize("value", [object(), b"bytes", 1 + 2j, np.zeros(2), {(1, 2): 3}])
def test_canonical_json_refuses_what_json_cannot_hold(value):
    with pytest.raises(TypeError):
        canonical_json({"x": value})


@pytest.mark.parametrize("value", [float("nan"), -float("inf"), "\ud800", {1: "a", "1": "b"}])
def test_canonical_json_refuses_what_would_not_read_back(value):
    with pytest.raises(ValueError, match=r"JSON|float|surrogates|keys"):
        canonical_json({"x": value})


# Files


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_atomically(tmp_path / "a", b"first", mode=0o600)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600

    def fail(*_):
        raise OSError("disk")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="disk"):
        patched.setattr(os, "replace", fail)
        write_atomically(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
