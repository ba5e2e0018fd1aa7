"""What is signed is shown in plain words before, and signed only if it is meant."""

import pytest
from chain_helpers import account, digest, make_release
from test_agreement_commands import DATASET, GRANTEE, UNTIL, party, sign  # noqa: F401

import synthlib as sl
from synthlib.commands.signing import say_time

pytest_plugins = ["chain_fixtures", "command_fixtures"]


@pytest.fixture
def judge(command, workspace):
    """Sign a verdict on a release; no node is asked."""
    bundle = make_release(workspace / "release")
    sl.record_bundle(bundle.path)
    (workspace / "report.txt").write_text("Looked at it.")
    (workspace / "rubric.txt").write_text("Look at it.")

    def call(*words, types=None):
        files = ("--report", workspace / "report.txt", "--rubric", workspace / "rubric.txt")
        place = ("--outcome", "failed", "--out", workspace / "verdict.json")
        told = ("attest", "sign", bundle.path, *files, *place, *words)
        return bundle, command(*told, who="auditor", types=types)

    return call


def test_a_verdict_is_shown_before_it_is_signed(judge, workspace):
    bundle, (code, out, err) = judge("--deadline", UNTIL, types="yes\n")
    assert code == 0 and out == f"failed, says {account('auditor').address}\n"
    shown = err[: err.index("Type yes")]
    for text in ("failed", bundle.digest, digest("Looked at it."), digest("Look at it."), "report.txt"):
        assert text in shown
    assert "2150-01-01T00:00:00+00:00: until then" in shown and account("auditor").address in shown
    assert f"registry {bundle.parameters['protocol']['registry']} on chain" in shown


def test_a_verdict_without_a_deadline_says_what_that_means(judge):
    _, (_, _, err) = judge("--yes")
    assert "until then whoever has it may bring it, if you do not cancel it" in err


@pytest.mark.parametrize(("types", "message"), [("no\n", "nothing was done"), (None, "expected --yes")])
def test_a_verdict_that_is_not_meant_is_not_signed(judge, workspace, types, message):
    _, (code, out, err) = judge(types=types)
    assert code == 2 and out == "" and message in err
    assert not (workspace / "verdict.json").exists()


def test_an_agreement_is_shown_before_it_is_signed(party, sign, workspace):  # noqa: F811
    offered = party.offer().split()[-1]
    code, out, err = sign("--terms", workspace / "terms.txt", types="yes\n")
    assert code == 0 and out == f"signed: {offered}\n"
    shown = err[: err.index("Type yes")]
    for text in (offered, GRANTEE, DATASET, digest("Do no harm."), digest("sepsis"), "general research use"):
        assert text in shown
    assert "those of" in shown and "2150-01-01T00:00:00+00:00, unless renewed" in shown


def test_terms_that_nobody_looked_at_are_said_so(party, sign):  # noqa: F811
    party.offer()
    assert "not looked at: --terms FILE" in sign()[2]


def test_other_terms_than_those_of_the_offer_are_refused(party, sign, workspace):  # noqa: F811
    party.offer()
    (workspace / "mine.txt").write_text("Do as you like.")
    code, _, err = sign("--terms", workspace / "mine.txt")
    assert code == 2 and "expected the terms of the offer" in " ".join(err.replace("│", " ").split())
    assert not (workspace / "acceptance.json").exists()


def test_an_agreement_that_is_not_meant_is_not_signed(party, sign, command, workspace):  # noqa: F811
    party.offer()
    code, _, err = sign(types="no\n")
    assert code == 2 and "nothing was done" in err and not (workspace / "acceptance.json").exists()
    places = ("--public-key", workspace / "grantee.pub", "--out", workspace / "acceptance.json")
    code, _, err = command("agreement", "sign", workspace / "offer.json", *places, who="grantee")
    assert code == 2 and "expected --yes" in err and not (workspace / "acceptance.json").exists()


def test_who_cannot_sign_is_not_asked(party, sign):  # noqa: F811
    party.offer()
    code, _, err = sign(who="team", types="yes\n")
    assert code == 2 and "expected to sign as the grantee" in err and "about to sign" not in err


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "1970-01-01T00:00:00+00:00"), (2**47, f"{2**47} seconds since 1970")]
)
def test_a_time_is_said_also_where_no_calendar_has_it(seconds, text):
    assert say_time(seconds) == text
