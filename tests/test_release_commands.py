"""Commands about recorded releases: revoked, replaced, judged; on a node and in process."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from chain_helpers import account, fund, make_release

from synthlib.bundle import Bundle, canonical_json
from synthlib.chain.attestations import default_deadline
from synthlib.chain.in_process import CHAIN_ID, GENESIS_TIME
from synthlib.chain.recorded import desk_of
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import AUDITOR, Roles

pytest_plugins = ["chain_fixtures", "command_fixtures"]


class Case(NamedTuple):
    """A recorded release of the admin's, an earlier one, and the options that name their chain."""

    bundle: Bundle
    other: Bundle
    ledger: Ledger
    place: tuple[str, ...]

    @property
    def path(self) -> Path:
        return self.bundle.path


@pytest.fixture
def case(study, workspace, request) -> Case:
    """The admin and the auditor are auditors; the release is recorded in the last block."""
    ledger, place = study.ledger, ()
    bundle = make_release(workspace / "release", study=study)
    for name in ("admin", "auditor"):
        fund(ledger.connection, account(name).address)
        Roles(ledger).grant(AUDITOR, account(name).address)
    other = make_release(workspace / "other", seed=1, study=study)
    ledger.record(other)
    ledger.record(bundle)
    ledger.save(bundle)
    if not ledger.connection.is_in_process:
        place = ("--rpc", request.getfixturevalue("node_url"))
    return Case(bundle, other, ledger, place)


@pytest.fixture
def verify(case, command):
    """Verify the release; exit code and findings by subject, a verdict as "verdict"."""

    def call(*words):
        code, out, err = command("verify", case.path, *case.place, "--json", *words)
        told = json.loads(out)
        assert told["verdict"] == code and err == ""
        return code, {found["subject"].split(" ")[0]: found for found in told["findings"]}

    return call


def test_a_release_is_revoked_by_its_issuer(case, command, verify):
    block = case.ledger.connection.get_block_number()
    words = ("revoke", case.path, "--reason", "the wrong table", *case.place)
    code, _, err = command(*words, who="admin")
    assert code == 2 and "expected --yes, as this cannot be undone" in err and verify()[0] == 0
    code, out, err = command(*words, "--yes", who="admin")
    assert code == 0 and f"revoked: {case.bundle.digest}" in out
    assert "revocation of a release: sending to" in err
    assert verify()[0] == 1
    assert verify("--at", f"block:{block}")[0] == 0
    code, told = verify("--at", f"block:{block - 1}")
    assert code == 1 and told["recorded"]["detail"].startswith("not yet recorded at that time")
    ends = [command("verify", case.path, *case.place, *at)[1] for at in ((), ("--at", f"block:{block - 1}"))]
    assert ends[0].endswith("no: it is what was recorded, but it does not stand\n")
    assert ends[1].endswith("no: it is what was recorded, but it was not yet recorded then\n")
    code, _, err = command(*words, "--yes", who="admin")
    assert code == 2 and "AlreadyRevoked" in err
    (case.bundle.path / "synthetic.csv").write_text("changed")
    assert command("verify", case.path, *case.place)[1].endswith("no: something is not as recorded\n")


def test_only_the_issuer_revokes(case, command, verify):
    code, _, err = command("revoke", case.path, "--reason", "no", "--yes", *case.place, who="auditor")
    assert code == 2 and ("NotRecorded" in err or "expected to act as the issuer" in err)
    assert verify()[0] == 0


def test_a_release_is_replaced_by_another(case, command, verify):
    told = ("--reason", "more rows", *case.place)
    code, _, err = command("supersede", case.path, "ab" * 32, "--yes", *told, who="admin")
    assert code == 2 and "NotRecorded" in err
    code, _, err = command("supersede", case.path, case.other.digest, *told, who="admin")
    assert code == 2 and "expected --yes" in err and verify()[0] == 0
    code, out, _ = command("supersede", case.path, case.other.digest, "--yes", *told, who="admin")
    assert code == 0 and f"by {case.other.digest}" in out
    code, told = verify()
    assert code == 1 and told["revocation"]["detail"].startswith(f"replaced by {case.other.digest}")


@pytest.fixture
def sign(case, command, workspace):
    """Sign a verdict on the release, without a node."""
    (workspace / "report.txt").write_text("Looked at it.")
    (workspace / "rubric.txt").write_text("Look at it.")

    def call(*words, who="admin", outcome="passed", name="verdict.json", types=None):
        told = (
            "--outcome",
            outcome,
            "--report",
            workspace / "report.txt",
            "--rubric",
            workspace / "rubric.txt",
        )
        words = words if types else (*words, "--yes")
        place = ("--out", workspace / name)
        return command("attest", "sign", case.path, *told, *place, *words, who=who, types=types)

    return call


@pytest.fixture
def submit(case, command, workspace):
    def call(*words, who="admin", name="verdict.json", is_with_folder=True):
        folder = ("--release", case.path) if is_with_folder else ()
        return command("attest", "submit", workspace / name, *folder, *case.place, *words, who=who)

    return call


def list_verdicts(case, command) -> list[dict]:
    code, out, _ = command("attest", "list", case.path, *case.place, "--json")
    assert code == 0
    return json.loads(out)


def test_a_verdict_is_signed_brought_shown_and_taken_back(case, command, sign, submit, verify):
    assert command("attest", "list", case.path, *case.place)[1] == "no verdict on this release\n"
    assert sign(outcome="failed")[:2] == (0, f"failed, says {account('admin').address}\n")
    for _ in range(2):  # again changes nothing
        assert submit()[0] == 0
    (found,) = list_verdicts(case, command)
    assert (found["outcome"], found["auditor"]) == ("failed", account("admin").address)
    code, told = verify()
    assert code == 0 and told["verdict"]["detail"].startswith("failed, says auditor")
    code, out, _ = command("verify", case.path, *case.place)
    assert code == 0 and "\nsays         verdict 0x" in out
    assert out.splitlines()[-1] == "yes: whole, but an auditor's verdict on it that stands is: failed"
    block = case.ledger.connection.get_block_number() if case.place else None
    words = ("attest", "revoke", case.path, found["id"], "--reason", "the wrong table", *case.place)
    code, _, err = command(*words, who="admin")
    assert code == 2 and "expected --yes" in err
    code, out, _ = command(*words, "--yes", who="admin")
    assert code == 0 and "revocation_time" in out
    assert verify()[1]["verdict"]["detail"].split(";")[1].startswith(" taken back by its auditor")
    if block:
        assert "it stood at that time" in verify("--at", f"block:{block}")[1]["verdict"]["detail"]
    code, _, err = command(*words, "--yes", who="admin")
    assert code == 2 and "AttestationAlreadyRevoked" in err
    assert sign(outcome="failed", name="again.json")[0] == 0  # in the same words
    code, _, err = submit(name="again.json")
    assert code == 2 and "sign it with another --deadline" in " ".join(err.split())
    sign("--deadline", "2150-01-01T00:00:00Z", outcome="failed", name="third.json")
    assert submit(name="third.json")[0] == 0 and len(list_verdicts(case, command)) == 2


def test_a_verdict_that_was_cancelled_is_not_brought(case, command, sign, submit, workspace):
    assert sign()[0] == 0
    words = ("attest", "cancel", workspace / "verdict.json", "--release", case.path, *case.place)
    code, _, err = command(*words, who="admin")
    assert code == 2 and "expected --yes" in err
    if case.place:
        code, _, err = command(*words, "--yes", who="auditor")
        assert code == 2 and "expected to act as the auditor" in " ".join(err.split())
    for _ in range(2):  # again changes nothing
        code, out, _ = command(*words, "--yes", who="admin")
        assert code == 0 and out.startswith("cancelled: 0x")
    code, _, err = submit()
    assert code == 2 and "VerdictIsCancelled" in err
    assert "sign it with another --deadline" in " ".join(err.split())
    assert list_verdicts(case, command) == []


def test_anybody_brings_a_verdict_to_a_node_and_nobody_else_to_a_journal(case, sign, submit):
    sign(who="auditor")
    fund(case.ledger.connection, account("stranger").address)
    before = (case.path / "ledger" / "record.json").read_bytes()
    if case.place:
        assert submit(who="stranger", is_with_folder=False)[0] == 0
        code, out, _ = submit(who="stranger")
        assert code == 0 and account("auditor").address in out
        assert (case.path / "ledger" / "record.json").read_bytes() == before  # as the issuer signed it
    else:
        code, _, err = submit(who="stranger")
        assert code == 2 and "who signs what the release's in-process journal says" in err
        code, _, err = submit(is_with_folder=False)
        assert code == 2 and "--release with the folder" in " ".join(err.replace("│", " ").split())
        assert submit()[0] == 0


def test_a_verdict_counts_only_from_an_auditor_in_time_and_unchanged(case, sign, submit, workspace):
    sign(who="stranger")
    code, _, err = submit()
    assert code == 2 and "NotAuditor" in err
    sign("--deadline", "2001-01-01T00:00:00Z", name="late.json")
    code, _, err = submit(name="late.json")
    assert code == 2 and "DeadlinePassed" in err
    sign(name="good.json")
    text = (workspace / "good.json").read_text()
    (workspace / "changed.json").write_text(text.replace('"passed"', '"failed"'))
    code, _, err = submit(name="changed.json")
    assert code == 2 and "InvalidSignature" in err
    (workspace / "cut.json").write_text(text[:-9])
    code, _, err = submit(name="cut.json")
    assert code == 2 and "expected synthlib-verdict/1 as it was written" in err


def test_a_verdict_on_another_release_is_refused(case, command, sign, submit, workspace):
    sign()
    text = (workspace / "verdict.json").read_text()
    (workspace / "verdict.json").write_text(text.replace(case.bundle.digest, "ab" * 32))
    code, _, err = submit()
    assert code == 2 and "expected a verdict on this release" in err
    words = ("attest", "cancel", workspace / "verdict.json", "--release", case.path, "--yes", *case.place)
    code, out, err = command(*words, who="admin")
    assert code == 2 and out == "" and "expected a verdict on this release" in err
    assert not case.ledger.find_events("VerdictCancelled", "Attestations")


@pytest.mark.parametrize("time", [2 * 10**12, GENESIS_TIME + 800 * 86_400, GENESIS_TIME + 7, 1])
def test_who_hands_the_folder_over_does_not_choose_the_default_deadline(case, sign, workspace, time):
    path = case.path / "ledger" / "record.json"
    body = json.loads(path.read_text())
    assert (body["chain"]["id"] == CHAIN_ID) == (not case.place)
    body["record"]["time"] = time
    path.write_bytes(canonical_json(body))
    is_taken = not case.place and time == GENESIS_TIME + 7
    expected = default_deadline(time if is_taken else 0)
    assert desk_of(case.path, None)[2].time == (time if is_taken else 0)
    assert sign()[0] == 0
    assert json.loads((workspace / "verdict.json").read_text())["fields"]["verdict"]["deadline"] == expected
    body["chain"]["id"] = 1  # a node's, whatever its kind is said to be
    path.write_bytes(canonical_json(body))
    assert desk_of(case.path, None)[2].time == 0


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        ((), {"outcome": "fine"}, "expected one of passed, failed, inconclusive"),
        (("--report", "none.txt"), {}, "expected a file, found none at none.txt"),
        (("--deadline", "soon"), {}, "expected a time with its zone"),
        ((), {"who": None}, "expected a key to sign with"),
    ],
)
def test_what_cannot_be_signed_is_refused(case, sign, workspace, words, options, message):
    code, _, err = sign(*words, **options)
    assert code == 2 and message in " ".join(err.replace("│", " ").split())
    assert not (workspace / "verdict.json").exists()


def test_a_verdict_that_is_none_cannot_be_taken_back(case, command):
    words = ("attest", "revoke", case.path, "0x" + "12" * 32, "--reason", "x", "--yes")
    code, _, err = command(*words, *case.place, who="admin")
    assert code == 2 and "expected the id of a verdict on this release" in err


def test_a_release_is_acted_on_where_it_is_recorded(case, command, testnet_url):
    words = ("revoke", case.path, "--reason", "x", "--yes")
    other = ("--rpc", testnet_url)
    for place in [other] if not case.place else [(), other]:
        code, _, err = command(*words, *place, who="admin")
        assert code == 2 and "expected" in err and ("recorded" in err or "registry" in err.lower())


def test_a_release_that_is_not_recorded_is_none(release, command):
    code, _, err = command("revoke", release.path, "--reason", "x", "--yes")
    assert code == 2 and "expected a recorded release" in err


@pytest.mark.parametrize("at", ["noon", "2026-01-31", "-5", "block:x"])
def test_a_time_that_is_none_is_refused(release, command, at):
    code, out, err = command("verify", release.path, "--at", at)
    assert code == 2 and out == "" and "error: expected a time with its zone" in err


@pytest.mark.parametrize("name", ["revoke", "supersede"])
def test_help_warns_of_naming_a_patient_in_a_reason(command, name, monkeypatch):
    """What is hashed without a salt is confirmed to whoever guesses it."""
    monkeypatch.setenv("COLUMNS", "400")
    said = " ".join(command(name, "--help")[1].split())
    assert "name no patient" in said and "confirms a right guess" in said
