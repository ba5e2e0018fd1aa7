"""Commands about a signed log: started, appended to, checked without it."""

import pytest
from chain_helpers import make_release

pytest_plugins = ["chain_fixtures", "command_fixtures"]


@pytest.fixture
def log(command, workspace) -> str:
    """The public key of a log."""
    code, out, err = command(
        "anchor", "create", workspace / "log", "--key", workspace / "log.key", "--name", "example.org/log"
    )
    assert code == 0 and "keep the key file secret" in err
    return out.strip()


@pytest.fixture
def add(command, workspace):
    def call(bundle, *words, key="log.key"):
        places = ("--key", workspace / key, "--out", workspace / "proof.json")
        return command("anchor", "add", workspace / "log", bundle.path, *places, *words)

    return call


def test_a_release_in_the_log_is_shown_by_its_proof(log, add, release, command, workspace):
    code, out, _ = add(release)
    assert code == 0 and out == f"{release.digest} is in a log of 1 entries\n"
    code, out, _ = command("anchor", "check", release.path, workspace / "proof.json", "--verifier", log)
    assert code == 0 and out == f"yes: entry 0 of 1 of {log}\n"


def test_a_time_is_shown_where_the_writer_says_one(log, add, release, command, workspace):
    add(release, "--clock")
    _, out, _ = command("anchor", "check", release.path, workspace / "proof.json", "--verifier", log)
    assert ", at 20" in out


def test_a_proof_of_another_release_is_none(log, add, release, command, workspace):
    add(make_release(workspace / "another", seed=1))
    code, out, _ = command("anchor", "check", release.path, workspace / "proof.json", "--verifier", log)
    assert code == 1 and out == "no: expected a proof of this digest, got one of another\n"


def test_a_log_of_another_writer_shows_nothing(log, add, release, command, workspace):
    add(release)
    command("anchor", "create", workspace / "b", "--key", workspace / "b.key", "--name", "example.org/log")
    _, other, _ = command(
        "anchor", "create", workspace / "c", "--key", workspace / "c.key", "--name", "example.org/log"
    )
    code, out, _ = command(
        "anchor", "check", release.path, workspace / "proof.json", "--verifier", other.strip()
    )
    assert code == 1 and out.startswith("no: expected a signature of")


def test_a_log_is_started_once_and_its_key_stays_outside(log, command, workspace):
    words = ("anchor", "create", workspace / "log", "--name", "example.org/log", "--key")
    code, _, err = command(*words, workspace / "other.key")
    assert code == 2 and "expected no log in" in err
    code, _, err = command(*words, workspace / "log" / "log.key")
    assert code == 2 and "outside the log's folder" in err


def test_an_earlier_proof_is_not_replaced_and_a_key_is_needed(log, add, release):
    code, _, err = add(release, key="none.key")
    assert code == 2 and "none.key" in err
    add(release)
    code, _, err = add(release)
    assert code == 2 and "expected nothing at" in err


def test_a_public_key_that_is_none_is_refused(log, add, release, command, workspace):
    add(release)
    code, _, err = command("anchor", "check", release.path, workspace / "proof.json", "--verifier", "me")
    assert code == 2 and "expected" in err
