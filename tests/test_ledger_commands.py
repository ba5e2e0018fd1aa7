"""Commands about what is recorded."""

import json

import pytest
from chain_helpers import account, digest, make_release

import synthlib as sl
from synthlib import cli
from synthlib.chain.attestations import PASSED, Attestations, Verdict
from synthlib.chain.roles import AUDITOR, Roles
from synthlib.commands.terminal import run

pytest_plugins = ["chain_fixtures"]


@pytest.fixture
def command(capsys):
    def call(*words) -> tuple[int, str, str]:
        code = run(cli.app, [*map(str, words)])
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def recorded(workspace):
    bundle = make_release(workspace / "release")
    return bundle, sl.record_bundle(bundle.path)


def test_a_row_is_shown_without_the_rest(recorded, workspace, command):
    bundle, record = recorded
    proof = workspace / "row.json"
    code, out, _ = command("prove-row", bundle.path, 1, "--out", proof)
    assert code == 0 and out == f"root {record.synthetic}\n"
    code, out, _ = command("verify-row", proof, "--root", record.synthetic)
    row, answer = out.splitlines()
    assert code == 0 and answer == "yes: row 1 of 3"
    assert json.loads(row) == {"age": 71, "sex": None, "creatinine": 1.25}


def test_a_row_of_another_table_is_none(recorded, workspace, command):
    bundle, _ = recorded
    command("prove-row", bundle.path, 1, "--out", workspace / "row.json")
    code, out, _ = command("verify-row", workspace / "row.json", "--root", "ab" * 32)
    assert code == 1 and out == "no: not a row of that table\n"


def test_a_release_on_another_registry_than_expected_is_a_no(recorded, command):
    bundle, _ = recorded
    registry, other = bundle.parameters["protocol"]["registry"], account("registry").address
    code, out, _ = command("verify", bundle.path, "--registry", registry)
    assert code == 0 and f"registry: {registry} on chain " in out
    code, out, _ = command("verify", bundle.path, "--registry", other)
    assert code == 1 and "not the one expected" in out


@pytest.mark.parametrize("words", [("3", "INDEX"), ("-1", "INDEX")])
def test_a_row_that_is_not_there_is_refused(recorded, workspace, command, words):
    index, named = words
    code, out, err = command("prove-row", recorded[0].path, "--out", workspace / "row.json", "--", index)
    assert code == 2 and out == "" and named.lower() in err.lower()
    assert not (workspace / "row.json").exists()


def test_a_proof_is_not_written_into_the_release(recorded, command):
    bundle, _ = recorded
    code, _, err = command("prove-row", bundle.path, 0, "--out", bundle.path / "row.json")
    assert code == 2 and "expected a file outside of the release" in err
    assert not (bundle.path / "row.json").exists()


def test_a_root_that_is_none_is_refused(recorded, workspace, command):
    command("prove-row", recorded[0].path, 0, "--out", workspace / "row.json")
    code, _, err = command("verify-row", workspace / "row.json", "--root", "0x12")
    assert code == 2 and "expected 64 lower-case hexadecimal digits" in err


def test_a_release_is_exported(recorded, workspace, command):
    code, _, _ = command("export", recorded[0].path, "--out", workspace / "crate")
    assert code == 0
    assert {"ro-crate-metadata.json", "provenance.json", "croissant.json"} <= {
        path.name for path in (workspace / "crate").iterdir()
    }


def test_an_export_asks_the_node_for_verdicts(node_study, node_url, workspace, command):
    bundle = make_release(workspace / "own", study=node_study)
    sl.record_bundle(bundle.path, rpc=node_url)
    judge = Attestations(node_study.ledger)
    Roles(node_study.ledger).grant(AUDITOR, account("issuer").address)
    said = Verdict(bundle.digest, node_study.ledger.sender, PASSED, digest("report"), digest("rubric"), 2**47)
    judge.attest(said, account("issuer").address, judge.sign(said))
    for place, is_told in (((), False), (("--rpc", node_url), True)):
        assert command("export", bundle.path, "--out", workspace / "crate", *place)[0] == 0
        told = (workspace / "crate" / "provenance.json").read_text()
        assert ("synthlib:Verdict" in told) == is_told
    code, _, err = command("export", bundle.path, "--out", workspace / "other", "--rpc", "http://127.0.0.1:9")
    assert code == 2 and "127.0.0.1:9" in err and not (workspace / "other").exists()


def test_a_node_of_the_environment_is_no_matter_to_a_release_in_process(workspace, command, monkeypatch):
    bundle = make_release(workspace / "release")
    path, crate = bundle.path, workspace / "crate"
    for name in ("record", "verify"):
        if name == "verify":
            told = command(name, path)
        monkeypatch.setenv("SYNTHLIB_RPC", "http://127.0.0.1:9")
        code, out, err = command(name, path)
        assert code == 0, out + err
        monkeypatch.delenv("SYNTHLIB_RPC")
    assert (code, out, err) == told and "\nunchecked    node" not in out
    code, out, _ = command("verify", path, "--rpc", "http://127.0.0.1:9")
    assert code == 2 and "recorded on the in-process chain, on no node" in out
    monkeypatch.setenv("SYNTHLIB_RPC", "http://127.0.0.1:9")
    assert command("export", path, "--out", crate)[0] == 0
    assert command("attest", "list", path)[:2] == (0, "no verdict on this release\n")
    assert command("revoke", path, "--reason", "the wrong table", "--yes")[0] == 0
    assert command("verify", path)[0] == 1


def test_a_release_is_recorded_verified_and_exported_on_the_node_of_the_environment(
    node_study, node_url, workspace, command, monkeypatch
):
    bundle = make_release(workspace / "own", study=node_study)
    assert command("record", bundle.path)[0] == 2
    monkeypatch.setenv("SYNTHLIB_RPC", node_url)
    assert command("record", bundle.path)[0] == 0
    code, out, _ = command("verify", bundle.path)
    assert code == 0 and "holds the record in block" in out
    record, admin = node_study.ledger.find(bundle.digest), node_study.ledger.sender
    Roles(node_study.ledger).grant(AUDITOR, admin)
    judge = Attestations(node_study.ledger)
    said = Verdict(record.release, admin, PASSED, digest("report"), digest("rubric"), 2**47)
    judge.attest(said, admin, judge.sign(said))
    assert command("export", bundle.path, "--out", workspace / "crate")[0] == 0
    assert digest("rubric") in (workspace / "crate" / "ro-crate-metadata.json").read_text()
