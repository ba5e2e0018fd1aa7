"""What an export says of the record: protocol, attempts, withdrawals and what later versions add."""

import json

import pytest
from chain_helpers import digest, make_release
from export_helpers import (
    BLOCK_TIME,
    PROTOCOL,
    change_record,
    make_odd,
    read_graph,
    read_json,
    read_prov,
    validate_crate,
)

from synthlib.chain.export import export_release
from synthlib.chain.facts import read_facts
from synthlib.chain.registry import Ledger

pytest_plugins = ["chain_fixtures", "export_fixtures"]


def test_what_the_record_says_is_told_to_people(public, recorded_bundle, tmp_path):
    told = read_graph(export_release(public.path, tmp_path / "out"))
    assert f"attempt 2 of 3 under protocol {PROTOCOL}, which was registered" in told["./"]["description"]
    words = {"protocol": "registered before", "attempts": "Every attempt", "rows": "Merkle tree"}
    for name, word in words.items():
        assert word in told[f"release/{name}.json"]["description"]
    told = read_graph(export_release(recorded_bundle.path, tmp_path / "other"))
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


def test_a_revoked_release_is_called_so_everywhere(recorded_bundle, tmp_path):
    ledger = Ledger.in_process(recorded_bundle.path / "ledger" / "journal.jsonl")
    ledger.revoke(recorded_bundle.digest, "wrong cohort")
    ledger.save(recorded_bundle)
    folder = export_release(recorded_bundle.path, tmp_path / "out")
    root, croissant = read_graph(folder)["./"], read_json(folder, "croissant.json")
    assert root["creativeWorkStatus"] == "Revoked"
    assert root["description"].startswith("REVOKED") and croissant["description"].startswith("REVOKED")
    assert "REVOKED" in croissant["rai:dataReleaseMaintenancePlan"]
    invalidated = read_json(folder, "provenance.json")["wasInvalidatedBy"].values()
    assert f"sha256:{recorded_bundle.digest}" in {one["prov:entity"] for one in invalidated}
    assert {one["prov:activity"] for one in invalidated} == {"run:revocation"}


@pytest.mark.parametrize("is_public", [False, True])
def test_a_superseded_release_names_its_successor_everywhere(recorded_bundle, public, tmp_path, is_public):
    bundle, successor = public if is_public else recorded_bundle, digest("successor")
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
