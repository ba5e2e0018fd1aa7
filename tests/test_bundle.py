"""Bundles: what was written is what is read, and nothing is half-written or replaced by mistake."""

import hashlib
import hmac
import json
import os
import stat

import numpy as np
import pytest
from bundle_helpers import SECRET, differing, make

from synthlib.bundle import MANIFEST, Bundle, BundleError, StewardKey, check_destination, inspect, workspace

pytest_plugins = ["bundle_fixtures"]
pytestmark = pytest.mark.usefixtures("own_workspace")


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
