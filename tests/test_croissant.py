"""Croissant: every cell of every kind of column is read by its own library."""

import hashlib

import mlcroissant
import pandas as pd
import pytest
from export_helpers import LICENSE, ODD, make_odd, read_json
from hypothesis import given, settings
from hypothesis import strategies as st

from synthlib.bundle import canonical_json
from synthlib.chain.commitments import read_synthetic
from synthlib.chain.croissant import data_type, field_id, to_croissant
from synthlib.chain.export import export_release
from synthlib.chain.facts import Facts
from synthlib.data.tables import write_table
from synthlib.schema import Column, Schema

pytest_plugins = ["chain_fixtures", "export_fixtures"]


def cell_as_croissant(value, kind: str):
    if pd.isna(value):
        return None
    if kind == "sc:Text":
        return str(value).encode()
    return pd.Timestamp(value) if kind.startswith("sc:Date") else value


def test_mlcroissant_reads_every_cell_of_every_kind_of_column(tmp_path):
    folder = export_release(make_odd(tmp_path / "odd").path, tmp_path / "out")
    dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    told = read_json(folder, "croissant.json")
    kinds = {field["name"]: field["dataType"] for field in told["recordSet"][0]["field"]}
    assert list(kinds) == ODD.names
    assert list(kinds.values()) == [
        *("sc:Integer", "sc:Float", "sc:Text", "sc:Boolean", "sc:Boolean", "sc:Integer"),
        *("sc:Date", "sc:DateTime", "sc:Text", "sc:Integer"),
    ]
    expected = read_synthetic(folder / "release" / "synthetic.csv", ODD)
    records = list(dataset.records("synthetic"))
    assert len(records) == len(expected)
    for record, (_, row) in zip(records, expected.iterrows(), strict=True):
        assert record == {field_id(name): cell_as_croissant(row[name], kind) for name, kind in kinds.items()}
        assert type(record[field_id("50% / #1 ? &")]) in (bool, type(None))


def test_croissant_gives_the_digest_of_the_file_that_it_names(recorded_bundle, tmp_path):
    folder = export_release(recorded_bundle.path, tmp_path / "out")
    (file,) = read_json(folder, "croissant.json")["distribution"]
    data = (folder / file["contentUrl"]).read_bytes()
    assert file["sha256"] == hashlib.sha256(data).hexdigest() and file["contentSize"] == f"{len(data)} B"


def test_croissant_keeps_its_statements_through_mlcroissant(public, tmp_path):
    folder = export_release(public.path, tmp_path / "out", license=LICENSE)
    metadata = mlcroissant.Dataset(jsonld=folder / "croissant.json").metadata
    assert metadata.license == [LICENSE]
    assert "a privacy loss of 0.25 " in metadata.data_limitations[-1]
    assert "attempt 2 of those that attempts.json lists" in metadata.data_limitations[-2]
    again = metadata.to_json()
    for name, value in read_json(folder, "croissant.json").items():
        if name.startswith("rai:"):
            # mlcroissant takes a list of one for its only member
            assert again[name] == (value[0] if isinstance(value, list) and len(value) == 1 else value)


def test_croissant_claims_no_differential_privacy_that_is_not_recorded(recorded_bundle, tmp_path):
    told = read_json(export_release(recorded_bundle.path, tmp_path / "out"), "croissant.json")
    assert "No guarantee of differential privacy is recorded for it." in told["rai:dataLimitations"]
    assert told["rai:hasSyntheticData"] is True
    assert "quasi" not in " ".join(told["rai:personalSensitiveInformation"]).lower()


LETTERS = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff")
NAMES = st.text(LETTERS, min_size=1, max_size=12)


@given(st.lists(NAMES.filter(str.strip), min_size=1, max_size=4, unique=True))
@settings(max_examples=25)
def test_any_column_name_comes_back(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("names")
    schema = Schema(tuple(Column(name, "integer", "int64") for name in names))
    table = pd.DataFrame({name: [place] for place, name in enumerate(names)})
    data = write_table(table, folder / "synthetic.csv").read_bytes()
    files = {"synthetic.csv": {"bytes": len(data), "digest": hashlib.sha256(data).hexdigest()}}
    facts = Facts("0" * 64, {"training_commitment": "1" * 64}, {}, files, schema, None, None)
    told = to_croissant(facts, "synthetic.csv", "name", "description")
    (folder / "croissant.json").write_bytes(canonical_json(told))
    (record,) = mlcroissant.Dataset(jsonld=folder / "croissant.json").records("synthetic")
    assert record == {field_id(name): place for place, name in enumerate(names)}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (Column("x", "categorical", categories=("1", "2")), "sc:Text"),
        (Column("x", "categorical", categories=(1, 2.5)), "sc:Float"),
        (Column("x", "categorical", categories=(True, "unknown")), "sc:Text"),
        (Column("x", "boolean", categories=("no", "yes")), "sc:Text"),
        (Column("x", "boolean", categories=(True,)), "sc:Boolean"),
        (Column("x", "integer", "float64"), "sc:Integer"),
        (Column("x", "identifier", "Int64"), "sc:Integer"),
        (Column("x", "identifier", "float64"), "sc:Float"),
        (Column("x", "identifier", "object"), "sc:Text"),
        (Column("x", "datetime", "datetime64[ns]"), "sc:DateTime"),
        (Column("x", "datetime", "datetime64[ns]", decimals=0), "sc:Date"),
        (Column("x", "datetime", format="%Y-%m-%d"), "sc:Date"),
        (Column("x", "datetime", format="%Y-%m-%dT%H:%M:%S"), "sc:DateTime"),
        (Column("x", "datetime", format="%m/%d/%Y", decimals=0), "sc:Text"),
        (Column("x", "datetime", format="%Y", decimals=0), "sc:Text"),
    ],
)
def test_data_types(column, expected):
    assert data_type(column) == expected


def test_long_lists_of_levels_are_cut(tmp_path):
    levels = tuple(f"level {place:02}" for place in range(30))
    schema = Schema((Column("x", "categorical", categories=levels, description="Ward."),))
    files = {"synthetic.csv": {"bytes": 1, "digest": "0" * 64}}
    facts = Facts("0" * 64, {"training_commitment": "1" * 64}, {}, files, schema, None, None)
    (field,) = to_croissant(facts, "s.csv", "name", "d")["recordSet"][0]["field"]
    assert field["description"].startswith("Ward. Categorical. Levels: level 00, ")
    assert field["description"].endswith("level 19, and 10 more (schema.json). Never missing.")
