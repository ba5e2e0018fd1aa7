"""Exports: the same bytes twice, nothing confidential in them, and nothing lost where one is refused."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlcroissant
import numpy as np
import pandas as pd
import pytest
from chain_helpers import SCHEMA, make_release, synthetic_table
from conftest import make_cohort
from export_helpers import (
    DATE,
    FORMATS,
    LICENSE,
    ODD,
    TABLE,
    change_record,
    make_odd,
    read_prov,
    read_tree,
    registration_of,
    validate_crate,
)

import synthlib as sl
from synthlib.bundle import Bundle, BundleError
from synthlib.chain import export
from synthlib.chain.commitments import commit
from synthlib.chain.errors import ChainError
from synthlib.chain.export import export_release
from synthlib.chain.registry import Ledger
from synthlib.chain.study import Study
from synthlib.chain.verification import verdict, verify
from synthlib.preregistration import describe_attempt, write_protocol
from synthlib.release import write_data, write_release

pytest_plugins = ["chain_fixtures", "export_fixtures"]


# The same bytes, and the release as it was


def test_two_exports_have_the_same_bytes(public, tmp_path):
    first = export_release(public.path, tmp_path / "one", LICENSE, ["b", "a"])
    elsewhere = shutil.copytree(public.path, tmp_path / "another name" / "copy")
    for file in elsewhere.rglob("*"):
        os.utime(file, (1, 1))
    second = export_release(elsewhere, tmp_path / "two", LICENSE, ["b", "a"])
    assert read_tree(first) == read_tree(second)


def test_another_process_writes_the_same_bytes(recorded_bundle, tmp_path):
    first = export_release(recorded_bundle.path, tmp_path / "one")
    program = "import sys; from synthlib.chain.export import export_release; export_release(*sys.argv[1:])"
    changed = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "PYTHONPATH": str(FORMATS.parents[1])}
    command = [sys.executable, "-c", program, str(recorded_bundle.path), str(tmp_path / "two")]
    subprocess.run(command, env=os.environ | changed, check=True)
    assert read_tree(first) == read_tree(tmp_path / "two")


def test_the_release_in_an_export_still_verifies(recorded_bundle, tmp_path):
    folder = export_release(recorded_bundle.path, tmp_path / "out")
    assert verdict(verify(folder / "release", digest=recorded_bundle.digest)) == 0
    assert read_tree(folder / "release") == read_tree(recorded_bundle.path)


def test_a_release_that_is_not_recorded_is_exported_without_the_chain(release, tmp_path):
    folder = export_release(release.path, tmp_path / "out", published=DATE)
    told = "".join(
        (folder / name).read_text()
        for name in ("provenance.json", "ro-crate-metadata.json", "croissant.json")
    )
    assert "txn" not in told and "run:recording" not in told and "on no chain" in told
    assert f"protocol:{registration_of(release)}" in told  # as its manifest says
    assert validate_crate(folder) == []
    read_prov(folder)
    assert len(list(mlcroissant.Dataset(jsonld=folder / "croissant.json").records("synthetic"))) == 3


def test_the_documentation_reads_an_export(recorded_bundle, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(export_release(recorded_bundle.path, tmp_path / "out"))
    blocks = re.findall("```python\n(.*?)```", FORMATS.read_text(encoding="utf-8"), re.DOTALL)
    spaces = [{} for _ in blocks]
    for block, space in zip(blocks, spaces, strict=True):
        exec(block, space)
    assert [len(space["rows"]) for space in spaces if "rows" in space] == [3]
    printed = capsys.readouterr().out
    assert "wasDerivedFrom(" in printed and "release/synthetic.csv" in printed


# What must not be in it

SECRET = bytes(range(100, 132))
RARE, EXTREME = "Fibrodysplasia", 987.65


def test_nothing_confidential_is_in_an_export(tmp_path):
    table = make_cohort(300)
    table.loc[7, ["disease", "lab"]] = [RARE, EXTREME]
    schema = sl.Schema.infer(table, target="died")
    train, holdout = table.iloc[:200], table.iloc[200:]
    key = sl.StewardKey(SECRET)
    deidentification = pd.DataFrame({"column": ["name"], "action": ["dropped"], "reason": ["identifier"]})
    data = write_data(tmp_path / "data", train, holdout, schema, deidentification, key)
    model = sl.IndependentMarginals(schema).fit(train)
    synthetic = model.sample(50, seed=1)
    report = pd.DataFrame({name: [0.5] for name in ("value", "low", "high", "reference")})
    report.insert(0, "metric", "dcr_share")
    protocol = write_protocol(schema, [model], 0.3, 0)
    study = Study.open(Ledger.in_process(), protocol, commit(table, key).hex())
    study.settle(study.attempt(describe_attempt(model, train, key)), {"dcr_share": 0.5})
    release = write_release(
        tmp_path / "release", model, synthetic, train, report, deidentification, key, 1, {"data": data},
        study=study,
    )  # fmt: skip
    study.ledger.record(release)
    study.ledger.save(release)
    (release.path / "ledger" / "notes.txt").write_text("left by somebody")
    folder = export_release(release.path, tmp_path / "out", LICENSE, published=DATE)
    tree = read_tree(folder)
    everything = b"".join(tree.values())
    assert RARE.encode() not in everything and str(EXTREME).encode() not in everything
    assert SECRET not in everything and SECRET.hex().encode() not in everything
    assert "release/ledger/notes.txt" not in tree and b"left by" not in everything
    assert not {"train.csv", "holdout.csv"} & {Path(name).name for name in tree}
    for name in data.files:
        digest = hashlib.sha256(data.file(name).read_bytes()).hexdigest()
        assert digest.encode() not in everything or name == "deidentification.csv"  # which is public
    assert str(tmp_path).encode() not in everything
    ours = b"".join(tree[name] for name in ("provenance.json", "croissant.json", "ro-crate-metadata.json"))
    rows = {",".join(row) for row in train.astype(str).to_numpy()}
    assert not any(row.encode() in ours for row in rows)
    assert data.digest.encode() in ours  # the parent is named by its keyed manifest's digest


def test_confidential_bundles_are_refused(tmp_path):
    key = sl.StewardKey(SECRET)
    with Bundle.create(tmp_path / "keyed", "release", {}, key=key) as folder:
        (folder / "train.csv").write_text("age\n61\n")
    with Bundle.create(tmp_path / "plain", "data", {}) as folder:
        (folder / "train.csv").write_text("age\n61\n")
    for name, error in (("keyed", BundleError), ("plain", ValueError)):
        with pytest.raises(error):
            export_release(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# What is refused


def test_a_release_without_its_table_or_commitment_is_refused(tmp_path):
    with Bundle.create(tmp_path / "bare", "release", {}) as folder:
        (folder / "report.csv").write_text("metric\n")
    with pytest.raises(ValueError, match=r"found no schema.json, synthetic.csv"):
        export_release(tmp_path / "bare", tmp_path / "out")
    make_release(tmp_path / "uncommitted", training_commitment="none")
    with pytest.raises(ValueError, match=r"training_commitment: expected a digest"):
        export_release(tmp_path / "uncommitted", tmp_path / "out")


def test_a_tampered_release_is_refused_and_an_earlier_export_stays(recorded_bundle, tmp_path):
    folder = export_release(recorded_bundle.path, tmp_path / "out")
    before = read_tree(folder)
    table = recorded_bundle.path / "synthetic.csv"
    table.write_bytes(table.read_bytes().replace(b"71", b"72"))
    with pytest.raises(BundleError, match=r"synthetic.csv"):
        export_release(recorded_bundle.path, tmp_path / "out")
    assert read_tree(folder) == before


@pytest.mark.parametrize("field", ["release", "commitment", "synthetic", "protocol", "parameters"])
def test_a_record_of_something_else_is_refused(recorded_bundle, tmp_path, field):
    change_record(recorded_bundle, record={field: "5" * 64})
    with pytest.raises(ChainError, match=f"has another {field}"):
        export_release(recorded_bundle.path, tmp_path / "out")


def test_a_record_that_was_changed_after_it_was_signed_is_refused(recorded_bundle, tmp_path):
    change_record(recorded_bundle, signed=True, record={"block": 99})
    with pytest.raises(ChainError, match="to be signed by its issuer"):
        export_release(recorded_bundle.path, tmp_path / "out")


@pytest.mark.parametrize("data", [b"", b"[]", b'{"chain": {}, "record": {}}', b"\xff", b"[" * 5000])
def test_an_unreadable_record_is_refused(recorded_bundle, tmp_path, data):
    (recorded_bundle.path / "ledger" / "record.json").write_bytes(data)
    with pytest.raises(ChainError, match=r"expected a readable ledger/record.json"):
        export_release(recorded_bundle.path, tmp_path / "out")


def test_links_are_not_followed(recorded_bundle, tmp_path):
    moved = shutil.move(recorded_bundle.path / "ledger", tmp_path / "moved")
    (recorded_bundle.path / "ledger").symlink_to(moved)
    with pytest.raises(ChainError):
        export_release(recorded_bundle.path, tmp_path / "out")
    (recorded_bundle.path / "ledger").unlink()
    shutil.copytree(moved, recorded_bundle.path / "ledger")
    (recorded_bundle.path / "ledger" / "journal.jsonl").unlink()
    (recorded_bundle.path / "ledger" / "journal.jsonl").symlink_to(Path(moved) / "journal.jsonl")
    with pytest.raises(ChainError, match=r"ledger/journal.jsonl"):
        export_release(recorded_bundle.path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("published", ["today", "20260131", "2026-13-01", "2026-01-31Tnoon", ""])
def test_dates_that_are_none_are_refused(recorded_bundle, tmp_path, published):
    with pytest.raises(ValueError, match="published: expected an ISO 8601 date"):
        export_release(recorded_bundle.path, tmp_path / "out", published=published)


# Where it is written


def test_an_earlier_export_is_replaced_whole(recorded_bundle, tmp_path):
    folder = export_release(make_odd(tmp_path / "odd").path, tmp_path / "out")
    assert (folder / "release" / "more").exists()
    export_release(recorded_bundle.path, tmp_path / "out")
    assert "more" not in {path.name for path in (folder / "release").iterdir()}
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_other_folders_are_not_replaced(recorded_bundle, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("words")
    with pytest.raises(FileExistsError, match=r"thesis.txt"):
        export_release(recorded_bundle.path, foreign)
    (foreign / "ro-crate-metadata.json").write_text('{"@graph": [{"@id": "./", "@type": "Dataset"}]}')
    with pytest.raises(FileExistsError, match=r"ro-crate-metadata.json, thesis.txt"):
        export_release(recorded_bundle.path, foreign)
    with pytest.raises(FileExistsError, match="a file"):
        export_release(recorded_bundle.path, foreign / "thesis.txt")
    folder = export_release(recorded_bundle.path, tmp_path / "out")
    (folder / "release" / "added.txt").write_text("words")
    with pytest.raises(FileExistsError, match=r"release/added.txt"):
        export_release(recorded_bundle.path, folder)


def test_release_and_destination_lie_apart(recorded_bundle, tmp_path):
    before = read_tree(recorded_bundle.path)
    for place in (recorded_bundle.path, recorded_bundle.path / "inside", recorded_bundle.path.parent):
        with pytest.raises(ValueError, match="neither in the release nor around it"):
            export_release(recorded_bundle.path, place)
    assert read_tree(recorded_bundle.path) == before


def test_a_failure_leaves_nothing_behind(recorded_bundle, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no room")

    monkeypatch.setattr(export, "to_crate", fail)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="no room"):
        export_release(recorded_bundle.path, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_file_that_changes_under_way_is_found(recorded_bundle, tmp_path, monkeypatch):
    opened = Bundle.open

    def open_then_change(path):
        bundle = opened(path)
        (bundle.path / "report.csv").write_text("metric\nother\n")
        return bundle

    monkeypatch.setattr(export.Bundle, "open", open_then_change)
    with pytest.raises(BundleError, match=r"report.csv: changed while it was copied"):
        export_release(recorded_bundle.path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_tables_of_these_tests_are_what_their_schemas_say():
    SCHEMA.check(synthetic_table())
    assert np.array_equal(TABLE.columns, ODD.names)
