"""Commands about a registry: deployed, roles given and handed over, paused."""

import pytest
from chain_helpers import account, fund

from synthlib.chain.connection import Connection
from synthlib.chain.roles import AUDITOR, RESEARCHER, STEWARD, Roles

pytest_plugins = ["chain_fixtures", "command_fixtures"]

NEW = account("newcomer").address
WRONG = NEW[:-1] + ("1" if NEW[-1] != "1" else "2")  # a digit is another


def test_a_rehearsal_begins_with_a_journal(command, workspace):
    code, out, _ = command("deploy", "--journal", workspace / "new.jsonl", who="admin")
    assert code == 0 and out.startswith("registry 0x")
    assert len((workspace / "new.jsonl").read_bytes().splitlines()) == 2


def test_a_rehearsal_replaces_no_other(command, journal):
    before = journal.read_bytes()
    code, _, err = command("deploy", "--journal", journal, who="admin")
    assert code == 2 and "expected nothing at" in err and journal.read_bytes() == before


def test_a_registry_is_deployed_somewhere(command):
    code, _, err = command("deploy")
    assert code == 2 and "--rpc" in err


@pytest.mark.parametrize("role", ["steward", "researcher", "auditor"])
def test_a_role_is_granted_and_withdrawn(on_journal, command, journal, role):
    assert on_journal("role", "grant", role, NEW, who="admin") == f"{NEW} is {role}\n"
    assert command("role", "check", role, NEW, "--journal", journal)[:2] == (0, f"yes: {NEW} is {role}\n")
    on_journal("role", "withdraw", role, NEW, who="admin")
    assert command("role", "check", role, NEW, "--journal", journal)[:2] == (1, f"no: {NEW} is not {role}\n")


def test_a_role_that_was_never_held_is_not_withdrawn(on_journal):
    error = on_journal("role", "withdraw", "steward", NEW, who="admin", fails=True)
    assert f"expected an account that holds STEWARD_ROLE, {NEW} does not" in " ".join(error.split())


def test_only_the_administrator_grants(on_journal):
    for what, whose in (("grant", NEW), ("withdraw", account("auditor").address)):
        error = on_journal("role", what, "auditor", whose, who="team", fails=True)
        assert "AccessControlUnauthorizedAccount" in error


def test_a_role_goes_from_hand_to_hand(on_journal, open_journal):
    on_journal("role", "offer", "researcher", NEW, who="team")
    on_journal("role", "accept", "researcher", account("team").address, who="newcomer")
    roles = Roles(open_journal())
    assert roles.has(RESEARCHER, NEW) and not roles.has(RESEARCHER, account("team").address)


def test_nobody_takes_or_offers_what_is_not_there(on_journal):
    error = on_journal("role", "accept", "researcher", account("team").address, who="newcomer", fails=True)
    assert "RoleNotOffered" in error
    error = on_journal("role", "offer", "researcher", NEW, who="hospital", fails=True)
    assert account("hospital").address.lower() in error.lower()


def test_a_role_is_renounced_only_if_it_is_meant(on_journal, open_journal):
    hospital = account("hospital").address
    error = on_journal("role", "renounce", "steward", who="hospital", fails=True)
    assert "expected --yes, as this cannot be undone" in error
    error = on_journal("role", "renounce", "steward", who="hospital", fails=True, types="no\n")
    assert "nothing was done" in error
    assert Roles(open_journal()).has(STEWARD, hospital)
    on_journal("role", "renounce", "steward", who="hospital", types="yes\n")
    assert not Roles(open_journal()).has(STEWARD, hospital)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("grant", "king", NEW), "expected one of steward, researcher, auditor, got 'king'"),
        (("grant", "auditor", "0x12"), "expected 0x and 40 hexadecimal digits"),
        (("grant", "auditor", "0x" + "0" * 40), "got zero, which is nobody's"),
        (("grant", "auditor", NEW.swapcase().replace("X", "x")), "upper and lower case fit (EIP-55)"),
        (("check", "auditor", WRONG), "upper and lower case fit (EIP-55)"),
    ],
)
def test_what_is_no_role_or_no_account_is_refused(on_journal, words, message):
    told = on_journal("role", *words, who="admin", fails=True)
    assert message in " ".join(told.replace("│", " ").split())


@pytest.mark.parametrize("spelled", [NEW.lower(), "0x" + NEW[2:].upper(), NEW])
def test_an_address_in_one_case_has_no_checksum_to_fit(on_journal, open_journal, spelled):
    on_journal("role", "grant", "auditor", spelled, who="admin")
    assert Roles(open_journal()).has(AUDITOR, NEW)


def test_a_role_that_was_never_held_is_not_renounced(on_journal):
    words = ("role", "renounce", "auditor", "--yes")
    error = on_journal(*words, who="hospital", fails=True)
    assert f"{account('hospital').address} holds, it does not hold AUDITOR_ROLE" in " ".join(error.split())
    assert "is not auditor any more" in on_journal(*words, who="auditor")
    assert "does not hold AUDITOR_ROLE" in on_journal(*words, who="auditor", fails=True)


def test_nothing_is_recorded_during_a_pause(on_journal):
    on_journal("pause", who="admin")
    assert "EnforcedPause" in on_journal("dataset", "register", "ab" * 32, who="hospital", fails=True)
    on_journal("unpause", who="admin")
    on_journal("dataset", "register", "ab" * 32, who="hospital")


def test_only_the_administrator_pauses(on_journal):
    assert "AccessControlUnauthorizedAccount" in on_journal("pause", who="team", fails=True)
    assert "AccessControlUnauthorizedAccount" in on_journal("unpause", who="team", fails=True)


def test_a_node_is_named_by_options_or_by_the_environment(command, node_url, monkeypatch):
    fund(Connection.by_url(node_url), account("admin").address)
    code, out, _ = command("deploy", "--rpc", node_url, who="admin")
    registry = out.split()[-1]
    words = ("role", "grant", "auditor", NEW)
    code, _, err = command(*words, "--rpc", node_url, "--registry", registry, who="admin")
    assert code == 0 and "grant of the role of auditor: sending to" in err
    monkeypatch.setenv("SYNTHLIB_RPC", node_url)
    monkeypatch.setenv("SYNTHLIB_REGISTRY", registry)
    assert command("role", "check", "auditor", NEW)[:2] == (0, f"yes: {NEW} is auditor\n")
    code, _, err = command(*words)
    assert code == 2 and "expected a key to sign with" in err


def test_a_journal_that_is_named_goes_before_a_node_of_the_environment(
    on_journal, command, workspace, monkeypatch
):
    monkeypatch.setenv("SYNTHLIB_RPC", "http://127.0.0.1:9")
    assert on_journal("role", "grant", "auditor", NEW, who="admin") == f"{NEW} is auditor\n"
    code, out, _ = command("deploy", "--journal", workspace / "new.jsonl", who="admin")
    assert code == 0 and out.startswith("registry 0x")
    words = ("--rpc", "http://127.0.0.1:9", "--journal", workspace / "new.jsonl")
    code, _, err = command("role", "check", "steward", NEW, *words)
    assert code == 2 and "expected a node's URL, or --journal" in " ".join(err.split())


def test_a_registry_is_deployed_on_the_node_of_the_environment(command, node_url, monkeypatch):
    fund(Connection.by_url(node_url), account("admin").address)
    monkeypatch.setenv("SYNTHLIB_RPC", node_url)
    code, out, err = command("deploy", "--dry-run", who="admin")
    assert code == 0 and out.startswith("registry would be at 0x"), err


def test_a_place_is_named_once(command, journal, workspace):
    for words, message in (
        ((), "expected a node's URL, or --journal"),
        (("--rpc", "http://127.0.0.1:9", "--journal", journal), "expected a node's URL, or --journal"),
        (("--rpc", "http://127.0.0.1:9"), "expected the address of a registry"),
        (("--journal", workspace / "none.jsonl"), "expected a journal, found none"),
    ):
        code, _, err = command("role", "check", "steward", NEW, *words)
        assert code == 2 and message in " ".join(err.split())
