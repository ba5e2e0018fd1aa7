"""Exports: valid by the ecosystem's own tools, the same bytes twice, and nothing confidential in them."""

import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import mlcroissant
import numpy as np
import pandas as pd
import pytest
from chain_helpers import (
    COMMITMENT,
    SCHEMA,
    TRAINING,
    account,
    digest,
    fund,
    make_release,
    open_study,
    registration,
    synthetic_table,
)
from conftest import make_cohort
from hypothesis import given, settings
from hypothesis import strategies as st
from prov.model import ProvDocument
from requests import Response
from rocrate import vocabs
from rocrate.rocrate import ROCrate
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.utils.http import HttpRequester

import synthlib as sl
from synthlib.bundle import Bundle, BundleError, canonical_json
from synthlib.chain import export
from synthlib.chain.commitments import commit, read_synthetic, synthetic_digest
from synthlib.chain.connection import Connection
from synthlib.chain.crate import NO_LICENSE
from synthlib.chain.croissant import data_type, field_id, to_croissant
from synthlib.chain.datasets import dataset_id
from synthlib.chain.errors import ChainError
from synthlib.chain.export import export_release
from synthlib.chain.facts import Facts, read_facts
from synthlib.chain.recording import record_bundle
from synthlib.chain.registry import Ledger
from synthlib.chain.study import Study
from synthlib.chain.verification import verdict, verify
from synthlib.data.tables import write_table
from synthlib.preregistration import describe_attempt, write_protocol
from synthlib.release import write_data, write_release
from synthlib.schema import Column, Schema

pytest_plugins = ["chain_fixtures"]
FORMATS = Path(__file__).parents[1] / "docs" / "formats.md"
LICENSE = "https://spdx.org/licenses/CC-BY-4.0"
DATE = "2026-01-31"
BLOCK_TIME = 1_767_225_600  # 2026-01-01, when the node begins
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
DATASET = dataset_id(account("issuer").address, COMMITMENT)
PROTOCOL = registration("issuer", DATASET).id

COLUMNS = (
    Column("age (years)", "integer", "int64", low=18, high=120, unit="a"),
    Column('größe "am" Tag', "continuous", "float64", decimals=1, nullable=True),
    Column("a, b; c'd", "categorical", "object", categories=("f", 'said "no"', "ü, ö"), nullable=True),
    Column("line\nbreak\tand more", "boolean", "bool", categories=(False, True)),
    Column("50% / #1 ? &", "boolean", "object", categories=(False, True), nullable=True),
    Column("..", "ordinal", "float64", categories=(1, 2, 3), nullable=True),
    Column("日付", "datetime", "datetime64[ns]", decimals=0, nullable=True),
    Column(" seen ", "datetime", "object", format="%Y-%m-%d %H:%M", nullable=True),
    Column("@id", "datetime", "object", format="%d.%m.%Y", nullable=True),
    Column("died", "boolean", "int64", categories=(0, 1)),
)
ODD = Schema(COLUMNS, target="died", quasi_identifiers=("age (years)",))
TABLE = pd.DataFrame(
    {
        "age (years)": [61, 45, 77],
        'größe "am" Tag': [170.5, None, 1.0],
        "a, b; c'd": ["ü, ö", 'said "no"', None],
        "line\nbreak\tand more": [True, False, True],
        "50% / #1 ? &": [True, None, False],
        "..": [1.0, None, 3.0],
        "日付": pd.to_datetime(["2001-02-03", None, "1999-12-31"]),
        " seen ": ["2001-02-03 04:05", None, "1999-12-31 00:00"],
        "@id": ["03.02.2001", None, "31.12.1999"],
        "died": [0, 1, 0],
    }
)


def make_odd(path: Path) -> Bundle:
    """A release whose columns have all kinds and the oddest names, and a file that its writer added."""
    parameters = {
        "model_type": "TabularGPT",
        "model": {"num_layers": 2},
        "characteristics": {"num_rows": 4},
        "training_commitment": commit(TRAINING, sl.StewardKey(bytes(32))).hex(),
        "seed": 5,
        "num_rows": len(TABLE),
        "versions": {"synthlib": "0.1.0", "keras": "3.15.1", "python": "3.11.2"},
    }
    with Bundle.create(path, "release", parameters) as folder:
        write_table(TABLE, folder / "synthetic.csv")
        (folder / "schema.json").write_text(ODD.to_json(), encoding="utf-8")
        (folder / "more").mkdir()
        (folder / "more" / "notes ü 100%.txt").write_text("words")
        parameters["synthetic_digest"] = synthetic_digest(folder / "synthetic.csv", ODD).hex()
    return Bundle.open(path)


def change_record(bundle: Bundle, signed: bool = False, **changes) -> None:
    """Edit a release's record.json as somebody might, or a later version would."""
    path = bundle.path / "ledger" / "record.json"
    body = json.loads(path.read_bytes())
    for name, value in changes.items():
        body[name] = body[name] | value if isinstance(value, dict) else value
    path.write_bytes(canonical_json(body if signed else body | {"signature": None}))


def read_json(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_bytes())


def read_graph(folder: Path) -> dict[str, dict]:
    return {entity["@id"]: entity for entity in read_json(folder, "ro-crate-metadata.json")["@graph"]}


def read_tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def read_prov(folder: Path) -> ProvDocument:
    return ProvDocument.deserialize(folder / "provenance.json", format="json")


@pytest.fixture
def recorded(release) -> Bundle:
    """A release on an in-process chain."""
    record_bundle(release.path)
    return release


@pytest.fixture(scope="module")
def public_once(start_node, tmp_path_factory) -> Path:
    """A release of the second of three attempts, on a node that says it is a public chain."""
    url = start_node("--chain-id", "11155111", "--timestamp", str(BLOCK_TIME))
    issuer = account("issuer")
    fund(Connection.by_url(url), issuer.address)
    study = open_study(Ledger.connect(url, account=issuer), 3)
    path = tmp_path_factory.mktemp("public") / "release"
    bundle = make_release(path, study=study, attempt=2, protocol=study.describe(2, 0.25))
    study.ledger.record(bundle)
    study.ledger.save(bundle)
    return path


@pytest.fixture
def public(public_once, tmp_path) -> Bundle:
    """A copy of it, whose record says more, as a later version of the library might write it."""
    bundle = Bundle.open(shutil.copytree(public_once, tmp_path / "public"))
    change_record(bundle, record={"later": {"epsilon": 2.5}}, agreements=[{"grantee": "0x01"}])
    return bundle


# The ecosystem's own tools


class Offline:
    """Stands for the network: it serves the context that RO-Crate's own library carries, and counts."""

    def __init__(self):
        self.asked = []

    def get(self, url, **_):
        self.asked.append(url)
        response = Response()
        response.status_code = 200 if url == CONTEXT else 504
        response.headers["Content-Type"] = "application/ld+json"
        response._content = json.dumps(vocabs.RO_CRATE).encode()
        return response

    def close(self):
        pass


def validate_crate(folder: Path, severity: Severity = Severity.REQUIRED) -> list[str]:
    """What roc-validator finds wrong with a crate."""
    options = ValidationSettings(
        rocrate_uri=str(folder),
        profile_identifier="ro-crate-1.1",
        requirement_severity=severity,
        no_cache=True,
    )
    network = HttpRequester().session = Offline()
    issues = services.validate(options).get_issues()
    assert set(network.asked) == {CONTEXT}
    return sorted(issue.message for issue in issues)


def test_the_crate_is_valid_and_lacks_only_what_a_release_does_not_know(public, tmp_path):
    folder = export_release(public.path, tmp_path / "out", license=LICENSE, keywords=["sepsis", "synthetic"])
    assert validate_crate(folder) == []
    recommended = validate_crate(folder, Severity.RECOMMENDED)
    assert len(recommended) == 2 and "`author`" in recommended[0] and "`publisher`" in recommended[1]


def test_a_crate_of_odd_columns_and_files_is_valid_too(tmp_path):
    folder = export_release(make_odd(tmp_path / "odd").path, tmp_path / "out", published=DATE, keywords="odd")
    assert validate_crate(folder) == []
    assert "release/more/notes%20%C3%BC%20100%25.txt" in read_graph(folder)


def test_without_a_date_the_crate_misses_it_and_the_log_says_so(recorded, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        folder = export_release(recorded.path, tmp_path / "out")
    assert "published=" in caplog.text
    (issue,) = validate_crate(folder)
    assert "datePublished" in issue


def test_a_broken_crate_is_found_by_the_validator(recorded, tmp_path):
    """The network that is not there hides no findings."""
    folder = export_release(recorded.path, tmp_path / "out", published=DATE)
    crate = read_json(folder, "ro-crate-metadata.json")
    for entity in crate["@graph"]:
        entity.pop("license", None)
        entity["unheard"] = "of"
    (folder / "ro-crate-metadata.json").write_bytes(canonical_json(crate))
    found = " ".join(validate_crate(folder))
    assert "`license`" in found and "unheard" in found


def test_rocrate_loads_it_and_knows_every_file(recorded, tmp_path):
    folder = export_release(recorded.path, tmp_path / "out", published=DATE, name="A table")
    crate = ROCrate(folder)
    assert crate.name == "A table" and crate.root_dataset["datePublished"].startswith(DATE)
    tree = read_tree(folder)
    del tree["ro-crate-metadata.json"]
    described = {unquote(entity.id): entity for entity in crate.data_entities if entity.type == "File"}
    assert set(described) == set(tree)
    for name, data in tree.items():
        assert described[name]["sha256"] == hashlib.sha256(data).hexdigest()
        assert described[name]["contentSize"] == str(len(data))


def test_prov_reads_it_and_writes_the_same(public, tmp_path):
    document = read_prov(export_release(public.path, tmp_path / "out"))
    for form in ("json", "rdf"):
        assert ProvDocument.deserialize(content=document.serialize(format=form), format=form) == document


def test_provenance_leads_from_the_table_to_the_commitment_and_the_issuer(public, tmp_path):
    folder = export_release(public.path, tmp_path / "out")
    told, facts = read_json(folder, "provenance.json"), read_facts(public)
    relations = {
        kind: {tuple(value for name, value in sorted(one.items())) for one in told[kind].values()}
        for kind in told
        if kind not in ("prefix", "entity", "activity", "agent")
    }
    table = f"sha256:{facts.files['synthetic.csv']['digest']}"
    training = f"commitment:{facts.parameters['training_commitment']}"
    release, record = f"sha256:{public.digest}", f"transaction:{facts.record.transaction.rpartition('/')[2]}"
    issuer = f"chain:{facts.record.issuer.rpartition(':')[2]}"
    dataset, protocol = f"dataset:{DATASET}", f"protocol:{PROTOCOL}"
    derived = {(table, "run:model"), ("run:model", training), (training, dataset), (record, release)}
    assert relations["wasDerivedFrom"] == derived
    assert {("run:sampling", table), ("run:fit", "run:model")} <= relations["wasGeneratedBy"]
    used = {("run:sampling", "run:model"), ("run:fit", training), ("run:recording", release)}
    assert used <= relations["used"]
    assert (release, table) in relations["hadMember"]
    assert ("run:fit", "software:synthlib", protocol) in relations["wasAssociatedWith"]
    assert {("run:recording", issuer), ("run:registration", issuer)} <= relations["wasAssociatedWith"]
    assert relations["wasAttributedTo"] == {(issuer, record), (issuer, protocol)}
    assert ("run:registration", protocol) in relations["wasGeneratedBy"]
    assert relations["wasInformedBy"] == {("run:registration", "run:fit")}  # informant, informed
    plan = f"sha256:{facts.files['protocol.json']['digest']}"
    assert relations["alternateOf"] == {(plan, protocol)} and (release, plan) in relations["hadMember"]
    assert "wasInvalidatedBy" not in told
    assert set(told["activity"]) == {
        f"run:{name}"
        for name in ("registration", "deidentification", "fit", "sampling", "evaluation", "recording")
    }
    assert told["activity"]["run:fit"]["synthlib:attempt"]["$"] == "2"
    assert told["activity"]["run:sampling"]["synthlib:privacyLoss"]["$"] == "0.25"
    assert set(told["agent"]) == {"software:synthlib", issuer}
    assert told["entity"][table]["synthlib:canonicalDigest"] == facts.parameters["synthetic_digest"]
    assert told["prefix"]["transaction"] == "eip155:11155111:txn/"
    assert told["prefix"]["sha256"] == "nih:sha-256;"


def test_parameters_are_named_by_the_digest_that_is_recorded(recorded, tmp_path):
    told = read_json(export_release(recorded.path, tmp_path / "out"), "provenance.json")
    digest = read_json(recorded.path, "ledger/record.json")["record"]["parameters"]
    value = told["entity"][f"sha256:{digest}"]["prov:value"]
    assert hashlib.sha256(value.encode()).hexdigest() == digest


def test_the_one_time_is_that_of_a_public_block(public, tmp_path):
    folder = export_release(public.path, tmp_path / "out")
    told = read_json(folder, "provenance.json")
    times = [one["prov:time"] for one in told["wasGeneratedBy"].values() if "prov:time" in one]
    record = read_json(public.path, "ledger/record.json")["record"]
    assert [pd.Timestamp(time).timestamp() for time in times] == [record["time"]]
    assert record["time"] >= BLOCK_TIME
    assert read_graph(folder)["./"]["datePublished"] == "2026-01-01"
    assert read_json(folder, "croissant.json")["datePublished"] == "2026-01-01"


def test_the_counter_of_the_in_process_chain_is_no_time(recorded, tmp_path):
    folder = export_release(recorded.path, tmp_path / "out")
    assert "prov:time" not in (folder / "provenance.json").read_text()
    assert "datePublished" not in read_graph(folder)["./"] | read_json(folder, "croissant.json")
    assert "endTime" not in read_graph(folder)["#recording"]


# Croissant


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


def test_croissant_gives_the_digest_of_the_file_that_it_names(recorded, tmp_path):
    folder = export_release(recorded.path, tmp_path / "out")
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


def test_croissant_claims_no_differential_privacy_that_is_not_recorded(recorded, tmp_path):
    told = read_json(export_release(recorded.path, tmp_path / "out"), "croissant.json")
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


# The same bytes, and the release as it was


def test_two_exports_have_the_same_bytes(public, tmp_path):
    first = export_release(public.path, tmp_path / "one", LICENSE, ["b", "a"])
    elsewhere = shutil.copytree(public.path, tmp_path / "another name" / "copy")
    for file in elsewhere.rglob("*"):
        os.utime(file, (1, 1))
    second = export_release(elsewhere, tmp_path / "two", LICENSE, ["b", "a"])
    assert read_tree(first) == read_tree(second)


def test_another_process_writes_the_same_bytes(recorded, tmp_path):
    first = export_release(recorded.path, tmp_path / "one")
    program = "import sys; from synthlib.chain.export import export_release; export_release(*sys.argv[1:])"
    changed = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "PYTHONPATH": str(FORMATS.parents[1])}
    command = [sys.executable, "-c", program, str(recorded.path), str(tmp_path / "two")]
    subprocess.run(command, env=os.environ | changed, check=True)
    assert read_tree(first) == read_tree(tmp_path / "two")


def test_the_release_in_an_export_still_verifies(recorded, tmp_path):
    folder = export_release(recorded.path, tmp_path / "out")
    assert verdict(verify(folder / "release", digest=recorded.digest)) == 0
    assert read_tree(folder / "release") == read_tree(recorded.path)


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


def test_the_documentation_reads_an_export(recorded, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(export_release(recorded.path, tmp_path / "out"))
    blocks = re.findall("```python\n(.*?)```", FORMATS.read_text(encoding="utf-8"), re.DOTALL)
    spaces = [{} for _ in blocks]
    for block, space in zip(blocks, spaces, strict=True):
        exec(block, space)
    assert [len(space["rows"]) for space in spaces if "rows" in space] == [3]
    printed = capsys.readouterr().out
    assert "wasDerivedFrom(" in printed and "release/synthetic.csv" in printed


# What is said of the record


def registration_of(bundle: Bundle) -> str:
    return bundle.parameters["protocol"]["id"]


def test_what_the_record_says_is_told_to_people(public, recorded, tmp_path):
    told = read_graph(export_release(public.path, tmp_path / "out"))
    assert f"attempt 2 of 3 under protocol {PROTOCOL}, which was registered" in told["./"]["description"]
    words = {"protocol": "registered before", "attempts": "Every attempt", "rows": "Merkle tree"}
    for name, word in words.items():
        assert word in told[f"release/{name}.json"]["description"]
    told = read_graph(export_release(recorded.path, tmp_path / "other"))
    assert "attempt 1 of 1" in told["./"]["description"]


def test_a_release_without_a_protocol_is_exported(tmp_path):
    bundle = make_odd(tmp_path / "odd")
    assert read_facts(bundle).protocol is None
    told = read_json(export_release(bundle.path, tmp_path / "out"), "provenance.json")
    assert "run:registration" not in told["activity"]


@pytest.mark.parametrize("name", ["id", "dataset", "researcher", "chain", "attempt", "spend"])
def test_a_protocol_that_lacks_something_is_refused(release, tmp_path, name):
    said = {key: value for key, value in release.parameters["protocol"].items() if key != name}
    bundle = make_release(tmp_path / "lacking", protocol=said)
    with pytest.raises(ValueError, match=rf"protocol\.{name}: expected"):
        export_release(bundle.path, tmp_path / "out")


def test_what_later_records_say_is_kept(public, tmp_path):
    graph = read_graph(export_release(public.path, tmp_path / "out"))
    said = {one["name"]: one["value"] for one in graph.values() if one["@type"] == "PropertyValue"}
    assert (said["record.attempt"], said["record.attempts"]) == ("2", "3")
    assert said["record.spend"] == "250000" and said["record.protocol"] == PROTOCOL
    assert said["record.later.epsilon"] == "2.5"
    assert said["record.synthetic"] == public.parameters["rows_root"]
    assert json.loads(said["agreements"]) == [{"grantee": "0x01"}]
    assert said["chain"] == "eip155:11155111" and said["isSigned"] == "false"
    assert "record.successor" not in said  # zeros: it has none
    named = {one["@id"] for one in graph["#record"]["additionalProperty"]}
    assert named == {f for f, one in graph.items() if one["@type"] == "PropertyValue"}


def test_a_revoked_release_is_called_so_everywhere(recorded, tmp_path):
    ledger = Ledger.in_process(recorded.path / "ledger" / "journal.jsonl")
    ledger.revoke(recorded.digest, "wrong cohort")
    ledger.save(recorded)
    folder = export_release(recorded.path, tmp_path / "out")
    root, croissant = read_graph(folder)["./"], read_json(folder, "croissant.json")
    assert root["creativeWorkStatus"] == "Revoked"
    assert root["description"].startswith("REVOKED") and croissant["description"].startswith("REVOKED")
    assert "REVOKED" in croissant["rai:dataReleaseMaintenancePlan"]
    invalidated = read_json(folder, "provenance.json")["wasInvalidatedBy"].values()
    assert f"sha256:{recorded.digest}" in {one["prov:entity"] for one in invalidated}
    assert {one["prov:activity"] for one in invalidated} == {"run:revocation"}


@pytest.mark.parametrize("is_public", [False, True])
def test_a_superseded_release_names_its_successor_everywhere(recorded, public, tmp_path, is_public):
    bundle, successor = public if is_public else recorded, digest("successor")
    withdrawn = {"revoked": True, "revocation_time": BLOCK_TIME, "reason": "5" * 64, "successor": successor}
    change_record(bundle, record=withdrawn)
    folder = export_release(bundle.path, tmp_path / "out")
    root, croissant = read_graph(folder)["./"], read_json(folder, "croissant.json")
    assert root["creativeWorkStatus"] == "Superseded"
    assert root["description"].startswith(f"SUPERSEDED: its issuer replaced it by nih:sha-256;{successor}")
    assert successor in croissant["rai:dataReleaseMaintenancePlan"]
    told = read_json(folder, "provenance.json")
    (revision,) = [one for one in told["wasDerivedFrom"].values() if "prov:type" in one]
    assert revision["prov:generatedEntity"] == f"sha256:{successor}"
    assert revision["prov:usedEntity"] == f"sha256:{bundle.digest}"
    times = {one.get("prov:time", "")[:19] for one in told["wasInvalidatedBy"].values()}
    assert times == ({"2026-01-01T00:00:00"} if is_public else {""})
    if is_public:
        assert validate_crate(folder) == []
    read_prov(folder)


@pytest.mark.parametrize(
    ("license", "stated"),
    [(None, NO_LICENSE), ("CC0-1.0", "CC0-1.0"), (LICENSE, {"@id": LICENSE})],
)
def test_licenses(recorded, tmp_path, license, stated):
    folder = export_release(recorded.path, tmp_path / "out", license)
    assert read_graph(folder)["./"]["license"] == stated
    assert read_json(folder, "croissant.json").get("license") == license


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


def test_a_tampered_release_is_refused_and_an_earlier_export_stays(recorded, tmp_path):
    folder = export_release(recorded.path, tmp_path / "out")
    before = read_tree(folder)
    table = recorded.path / "synthetic.csv"
    table.write_bytes(table.read_bytes().replace(b"71", b"72"))
    with pytest.raises(BundleError, match=r"synthetic.csv"):
        export_release(recorded.path, tmp_path / "out")
    assert read_tree(folder) == before


@pytest.mark.parametrize("field", ["release", "commitment", "synthetic", "protocol", "parameters"])
def test_a_record_of_something_else_is_refused(recorded, tmp_path, field):
    change_record(recorded, record={field: "5" * 64})
    with pytest.raises(ChainError, match=f"has another {field}"):
        export_release(recorded.path, tmp_path / "out")


def test_a_record_that_was_changed_after_it_was_signed_is_refused(recorded, tmp_path):
    change_record(recorded, signed=True, record={"block": 99})
    with pytest.raises(ChainError, match="to be signed by its issuer"):
        export_release(recorded.path, tmp_path / "out")


@pytest.mark.parametrize("data", [b"", b"[]", b'{"chain": {}, "record": {}}', b"\xff", b"[" * 5000])
def test_an_unreadable_record_is_refused(recorded, tmp_path, data):
    (recorded.path / "ledger" / "record.json").write_bytes(data)
    with pytest.raises(ChainError, match=r"expected a readable ledger/record.json"):
        export_release(recorded.path, tmp_path / "out")


def test_links_are_not_followed(recorded, tmp_path):
    moved = shutil.move(recorded.path / "ledger", tmp_path / "moved")
    (recorded.path / "ledger").symlink_to(moved)
    with pytest.raises(ChainError):
        export_release(recorded.path, tmp_path / "out")
    (recorded.path / "ledger").unlink()
    shutil.copytree(moved, recorded.path / "ledger")
    (recorded.path / "ledger" / "journal.jsonl").unlink()
    (recorded.path / "ledger" / "journal.jsonl").symlink_to(Path(moved) / "journal.jsonl")
    with pytest.raises(ChainError, match=r"ledger/journal.jsonl"):
        export_release(recorded.path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("published", ["today", "20260131", "2026-13-01", "2026-01-31Tnoon", ""])
def test_dates_that_are_none_are_refused(recorded, tmp_path, published):
    with pytest.raises(ValueError, match="published: expected an ISO 8601 date"):
        export_release(recorded.path, tmp_path / "out", published=published)


# Where it is written


def test_an_earlier_export_is_replaced_whole(recorded, tmp_path):
    folder = export_release(make_odd(tmp_path / "odd").path, tmp_path / "out")
    assert (folder / "release" / "more").exists()
    export_release(recorded.path, tmp_path / "out")
    assert "more" not in {path.name for path in (folder / "release").iterdir()}
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_other_folders_are_not_replaced(recorded, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("words")
    with pytest.raises(FileExistsError, match=r"thesis.txt"):
        export_release(recorded.path, foreign)
    (foreign / "ro-crate-metadata.json").write_text('{"@graph": [{"@id": "./", "@type": "Dataset"}]}')
    with pytest.raises(FileExistsError, match=r"ro-crate-metadata.json, thesis.txt"):
        export_release(recorded.path, foreign)
    with pytest.raises(FileExistsError, match="a file"):
        export_release(recorded.path, foreign / "thesis.txt")
    folder = export_release(recorded.path, tmp_path / "out")
    (folder / "release" / "added.txt").write_text("words")
    with pytest.raises(FileExistsError, match=r"release/added.txt"):
        export_release(recorded.path, folder)


def test_release_and_destination_lie_apart(recorded, tmp_path):
    before = read_tree(recorded.path)
    for place in (recorded.path, recorded.path / "inside", recorded.path.parent):
        with pytest.raises(ValueError, match="neither in the release nor around it"):
            export_release(recorded.path, place)
    assert read_tree(recorded.path) == before


def test_a_failure_leaves_nothing_behind(recorded, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no room")

    monkeypatch.setattr(export, "to_crate", fail)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="no room"):
        export_release(recorded.path, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_file_that_changes_under_way_is_found(recorded, tmp_path, monkeypatch):
    opened = Bundle.open

    def open_then_change(path):
        bundle = opened(path)
        (bundle.path / "report.csv").write_text("metric\nother\n")
        return bundle

    monkeypatch.setattr(export.Bundle, "open", open_then_change)
    with pytest.raises(BundleError, match=r"report.csv: changed while it was copied"):
        export_release(recorded.path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_tables_of_these_tests_are_what_their_schemas_say():
    SCHEMA.check(synthetic_table())
    assert np.array_equal(TABLE.columns, ODD.names)
