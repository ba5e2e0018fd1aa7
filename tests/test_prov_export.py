"""PROV: read by its own library, and it leads from the table to the commitment and the issuer."""

import hashlib

import pandas as pd
from export_helpers import BLOCK_TIME, DATASET, PROTOCOL, read_graph, read_json, read_prov
from prov.model import ProvDocument

from synthlib.chain.export import export_release
from synthlib.chain.facts import read_facts

pytest_plugins = ["chain_fixtures", "export_fixtures"]


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


def test_parameters_are_named_by_the_digest_that_is_recorded(recorded_bundle, tmp_path):
    told = read_json(export_release(recorded_bundle.path, tmp_path / "out"), "provenance.json")
    digest = read_json(recorded_bundle.path, "ledger/record.json")["record"]["parameters"]
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


def test_the_counter_of_the_in_process_chain_is_no_time(recorded_bundle, tmp_path):
    folder = export_release(recorded_bundle.path, tmp_path / "out")
    assert "prov:time" not in (folder / "provenance.json").read_text()
    assert "datePublished" not in read_graph(folder)["./"] | read_json(folder, "croissant.json")
    assert "endTime" not in read_graph(folder)["#recording"]
