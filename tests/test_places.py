"""Where commands act: shared options, and journals that several parties keep."""

import inspect
import json
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from chain_helpers import account, make_release, open_study
from typer.testing import CliRunner

from synthlib.bundle import Bundle
from synthlib.chain.registry import Ledger
from synthlib.chain.verification import verdict, verify
from synthlib.commands.places import takes_options

pytest_plugins = ["chain_fixtures", "command_fixtures"]


@dataclass(frozen=True)
class Shared:
    low: Annotated[int, typer.Option(min=0, help="Least.")] = 1
    high: Annotated[int | None, typer.Option("--most", help="Most.")] = None


# --- options -------------------------------------------------------------------------------------------


@takes_options
def sample(name: Annotated[str, typer.Argument(help="A name.")], more: int = 3, *, shared: Shared) -> None:
    """Say it."""
    print(name, more, shared)


def run(*words: str):
    app = typer.Typer()
    app.command()(sample)
    return CliRunner().invoke(app, words)


def test_a_class_of_options_becomes_the_options_in_its_place():
    assert [*inspect.signature(sample).parameters] == ["name", "more", "low", "high"]
    assert (sample.__name__, sample.__doc__) == ("sample", "Say it.")
    assert run("a", "--low", "4", "--most", "7").output == "a 3 Shared(low=4, high=7)\n"
    assert run("a").output == "a 3 Shared(low=1, high=None)\n"


def test_options_keep_what_they_refuse_and_say():
    assert run("a", "--low", "-1").exit_code == 2
    assert run("a", "--high", "1").exit_code == 2
    assert "Least." in run("--help").output and "shared" not in run("--help").output


# --- a journal of several parties ----------------------------------------------------------------------


@pytest.fixture
def bundle(journal, workspace, on_journal) -> Bundle:
    """A release of the admin's, recorded on the parties' journal."""
    study = open_study(Ledger.in_process(journal, account("admin")))
    made = make_release(workspace / "release", study=study)
    on_journal("record", made.path, who="admin")
    return made


@pytest.fixture
def judged(bundle, command, workspace):
    """Sign a verdict on it as the auditor; the verdict's file."""
    (workspace / "report.txt").write_text("Looked at it.")
    files = ("--report", workspace / "report.txt", "--rubric", workspace / "report.txt")
    words = ("attest", "sign", bundle.path, "--outcome", "failed", *files, "--out", workspace / "v.json")
    assert command(*words, "--yes", who="auditor")[0] == 0
    return workspace / "v.json"


def test_a_release_is_recorded_from_a_journal_and_withdrawn_on_it(bundle, journal, on_journal):
    assert verdict(verify(bundle.path)) == 0
    on_journal("revoke", bundle.path, "--reason", "wrong", "--yes", who="admin")
    assert verdict(verify(bundle.path)) == 1
    assert Ledger.in_process(journal, keep=False).find(bundle.digest, account("admin").address).revoked


@pytest.mark.parametrize("is_with_folder", [True, False])
def test_an_auditor_judges_on_the_journal_and_the_folder_follows(bundle, judged, on_journal, is_with_folder):
    """The issuer's signed folder stays as it is until the issuer brings it up to date."""
    before = (bundle.path / "ledger" / "record.json").read_bytes()
    folder = ("--release", bundle.path) if is_with_folder else ()
    on_journal("attest", "submit", judged, *folder, who="auditor")
    assert (bundle.path / "ledger" / "record.json").read_bytes() == before
    (told,) = json.loads(on_journal("attest", "list", bundle.path, "--json"))
    assert told["auditor"] == account("auditor").address
    assert not any("failed, says" in found.detail for found in verify(bundle.path))
    on_journal("record", bundle.path, who="admin")
    assert any("failed, says" in found.detail for found in verify(bundle.path))
    on_journal("attest", "revoke", bundle.path, told["id"], "--reason", "mine", "--yes", who="auditor")
    assert json.loads(on_journal("attest", "list", bundle.path, "--json"))[0]["revocation_time"] > 0


def test_a_journal_that_lacks_what_the_folder_holds_is_refused(bundle, command, journal, on_journal):
    """Else the withdrawal would be forgotten."""
    words = ("revoke", bundle.path, "--reason", "wrong", "--yes")
    assert command(*words, who="admin")[0] == 0  # on the folder's own journal
    before = {file.name: file.read_bytes() for file in (bundle.path / "ledger").iterdir()}
    for again in (words, ("record", bundle.path), ("attest", "list", bundle.path)):
        assert "expected a journal that goes on from" in on_journal(*again, who="admin", fails=True)
    assert before == {file.name: file.read_bytes() for file in (bundle.path / "ledger").iterdir()}
    assert verdict(verify(bundle.path)) == 1


def test_the_folders_own_journal_stays_its_issuers(bundle, judged, command):
    own = bundle.path / "ledger" / "journal.jsonl"
    before = own.read_bytes()
    words = ("attest", "submit", judged, "--release", bundle.path, "--journal", own)
    code, _, err = command(*words, who="auditor")
    assert code == 2 and "or on a journal that the parties keep" in " ".join(err.split())
    assert own.read_bytes() == before


def test_a_place_is_named_once_also_for_a_release(bundle, journal, command, workspace, monkeypatch):
    node = ("--rpc", "http://127.0.0.1:9")
    for words, message in (
        ((*node, "--journal", journal), "expected a node's URL, or --journal"),
        (("--journal", workspace / "none.jsonl"), "expected a journal, found none"),
    ):
        code, _, err = command("attest", "list", bundle.path, *words)
        assert code == 2 and message in " ".join(err.replace("│", " ").split())
    monkeypatch.setenv("SYNTHLIB_RPC", node[1])
    assert command("attest", "list", bundle.path, "--journal", journal)[0] == 0


# --- rows ----------------------------------------------------------------------------------------------


def test_the_chain_says_whether_a_row_is_of_a_release(bundle, command, journal, on_journal, workspace):
    proof, issuer = workspace / "row.json", account("admin").address
    command("prove-row", bundle.path, 1, "--out", proof)
    words = ("check-row", proof, bundle.digest, issuer, "--journal", journal)
    code, out, _ = command(*words)
    row, answer = out.splitlines()
    assert code == 0 and answer == f"yes: row 1 of 3 of {bundle.digest}"
    assert json.loads(row) == {"age": 71, "sex": None, "creatinine": 1.25}
    good = proof.read_text()
    for old, new in (("1.25", "1.26"), ('"num_rows": 3', '"num_rows": 4'), ('"index": 1', '"index": -1')):
        assert old in good
        proof.write_text(good.replace(old, new))
        assert command(*words)[:2] == (1, "no: not a row of that release\n")
    proof.write_text(good)
    on_journal("revoke", bundle.path, "--reason", "wrong", "--yes", who="admin")
    assert command(*words)[:2] == (1, "no: the release was withdrawn\n")


def test_a_row_of_what_nobody_recorded_cannot_be_told(bundle, command, journal, workspace):
    proof = workspace / "row.json"
    command("prove-row", bundle.path, 1, "--out", proof)
    for release, issuer in ((bundle.digest, account("team").address), ("ab" * 32, account("admin").address)):
        code, out, err = command("check-row", proof, release, issuer, "--journal", journal)
        assert code == 2 and "NotRecorded" in err and out == ""
        told = " ".join(err.split())
        assert "check the digest, the address of who recorded it" in told and "to withdraw" not in told
