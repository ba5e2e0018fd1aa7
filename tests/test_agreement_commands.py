"""Commands about agreements: each step by its party, signed without a node, and listed."""

import json

import pytest
from chain_helpers import COMMITMENT, account, digest

from synthlib.bundle import canonical_json
from synthlib.chain.agreements import Agreements
from synthlib.chain.datasets import dataset_id
from synthlib.chain.in_process import GENESIS_TIME
from synthlib.chain.registry import Ledger
from synthlib.chain.wrapping import VaultKey, digest_public_key

pytest_plugins = ["chain_fixtures", "command_fixtures"]
DATASET = dataset_id(account("hospital").address, COMMITMENT)

GRANTEE = account("grantee").address
UNTIL, LATER = "2150-01-01T00:00:00Z", "2151-01-01T00:00:00Z"
USE = ("--use", "DUO:0000006", "--use", "DUO:0000042")


@pytest.fixture
def party(on_journal, workspace):
    """The agreement's steps, each as the right party unless told otherwise."""
    on_journal("dataset", "register", COMMITMENT, who="hospital")
    (workspace / "terms.txt").write_text("Do no harm.")
    key = VaultKey.create(workspace / "grantee.key")
    (workspace / "grantee.pub").write_text(key.public_key.hex())

    class Party:
        def request(self, **options):
            return on_journal(
                "agreement", "request", DATASET, "--purpose", "sepsis", *USE, who="grantee", **options
            )

        def offer(self, *words, until=UNTIL, who="hospital", **options):
            places = ("--terms", workspace / "terms.txt", "--out", workspace / "offer.json")
            told = ("--purpose", "sepsis", *USE, "--until", until)
            return on_journal(
                "agreement", "offer", DATASET, GRANTEE, *places, *told, *words, who=who, **options
            )

        def accept(self, **options):
            return on_journal("agreement", "accept", workspace / "acceptance.json", who="team", **options)

    return Party()


@pytest.fixture
def sign(command, workspace):
    def call(*words, who="grantee", types=None):
        places = ("--public-key", workspace / "grantee.pub", "--out", workspace / "acceptance.json")
        told = words if types else (*words, "--yes")
        return command("agreement", "sign", workspace / "offer.json", *places, *told, who=who, types=types)

    return call


@pytest.fixture
def accepted(party, sign) -> str:
    """The id of an agreement in force."""
    found = party.offer().split()[-1]
    sign()
    party.accept()
    return found


def listed(on_journal) -> list[dict]:
    return json.loads(on_journal("agreement", "list", "--json"))


def test_a_request_is_answered_by_an_agreement_that_comes_into_force(
    party, sign, on_journal, open_journal, workspace
):
    request = party.request().split()[-1]
    offered = party.offer("--request", request).split()[-1]
    party.offer("--request", request)  # again changes nothing
    assert [row["state"] for row in listed(on_journal)] == ["offered"]
    code, out, _ = sign()
    assert code == 0 and out == f"signed: {offered}\n"
    assert "accepted" in party.accept()
    (row,) = listed(on_journal)
    assert (row["agreement"], row["grantee"], row["state"]) == (offered, GRANTEE, "accepted")
    agreements = Agreements(open_journal())
    public = bytes.fromhex((workspace / "grantee.pub").read_text())
    assert agreements.find(offered).encryption_key == digest_public_key(public)
    assert agreements.find(offered).is_in_force(GENESIS_TIME + 10_000)
    assert agreements.open(offered).purpose == digest("sepsis")


def test_a_request_is_declined_by_the_steward(party, on_journal):
    request = party.request().split()[-1]
    words = ("agreement", "deny", request, DATASET, "--reason", "no ethics approval")
    assert "NotSteward" in on_journal(*words, who="team", fails=True)
    on_journal(*words, who="hospital")
    told = json.loads(on_journal("agreement", "trail", "--json"))
    assert [row["event"] for row in told] == ["Requested", "RequestDenied"]
    assert told[1]["reason"] == digest("no ethics approval")


def test_a_refused_access_is_logged_by_the_steward(party, on_journal):
    words = ("agreement", "deny-access", DATASET, "ab" * 32, GRANTEE, "--reason", "expired")
    assert "NotSteward" in on_journal(*words, who="team", fails=True)
    on_journal(*words, who="hospital")
    (told,) = json.loads(on_journal("agreement", "trail", "--json"))
    assert (told["event"], told["account"], told["reason"]) == ("AccessDenied", GRANTEE, digest("expired"))


def test_a_use_that_is_none_is_refused(on_journal, party):
    words = ("agreement", "request", DATASET, "--purpose", "sepsis", "--use", "research")
    assert "expected codes such as DUO:0000042" in on_journal(*words, who="grantee", fails=True)


@pytest.mark.parametrize(
    ("until", "message"),
    [
        ("2150-01-01", "expected a time with its zone"),
        ("block:7", "expected a time, got a block"),
        ("2100-01-01T00:00:01Z", "ExpiryNotLater"),
        ("2027-12-31T23:59:59Z", "to rehearse, expected a later time"),
    ],
)
def test_an_offer_needs_a_time_to_come(party, workspace, until, message):
    assert message in " ".join(party.offer(until=until, fails=True).replace("│", " ").split())
    assert not (workspace / "offer.json").exists()


def test_only_the_steward_offers(party, workspace):
    assert "NotSteward" in party.offer(who="team", fails=True)
    assert not (workspace / "offer.json").exists()


def test_only_the_grantee_signs(party, sign, workspace):
    party.offer()
    code, _, err = sign(who="team")
    assert code == 2 and f"expected to sign as the grantee {GRANTEE}" in err
    code, _, err = sign(who=None)
    assert code == 2 and "expected a key to sign with" in err
    (workspace / "grantee.pub").write_text("00")
    code, _, err = sign()
    assert code == 2 and "expected a public key in hexadecimal digits" in err
    assert not (workspace / "acceptance.json").exists()


def test_what_was_signed_for_another_key_does_not_count(party, sign, workspace):
    party.offer()
    sign()
    file = workspace / "acceptance.json"
    body = json.loads(file.read_text())
    body["fields"]["encryption_key"] = "ab" * 32
    file.write_bytes(json.dumps(body).encode())
    assert "as it was written" in party.accept(fails=True)  # not in the form in which it was written
    file.write_bytes(canonical_json(body))
    assert "InvalidSignature" in party.accept(fails=True)
    body["registry"] = "0x" + "12" * 20
    file.write_bytes(canonical_json(body))
    assert "for which this was signed" in party.accept(fails=True)
    file.write_bytes(canonical_json(body | {"fields": {}}))
    assert "expected the fields dataset, grantee, terms" in party.accept(fails=True)


def test_an_agreement_is_renewed(accepted, on_journal):
    words = ("agreement", "renew", accepted, "--until", LATER)
    assert "NotSteward" in on_journal(*words, who="grantee", fails=True)
    on_journal(*words, who="hospital")
    (row,) = listed(on_journal)
    assert row["until"] == 5_711_817_600  # the first second of 2151


def test_an_agreement_is_ended_by_either_party(accepted, on_journal):
    words = ("agreement", "end", accepted, "--reason", "study over")
    assert "expected --yes" in on_journal(*words, who="grantee", fails=True)
    on_journal(*words, "--yes", who="grantee")
    assert [row["state"] for row in listed(on_journal)] == ["ended"]
    assert "WrongState" in on_journal(*words, "--yes", who="hospital", fails=True)


def test_an_agreement_that_was_never_offered_is_none(on_journal):
    for words in (("renew", "0x" + "12" * 32, "--until", LATER), ("end", "0x" + "12" * 32, "--reason", "x")):
        error = on_journal("agreement", *words, who="hospital", fails=True)
        assert "expected the id of an agreement that was offered" in error


def test_the_trail_says_it_in_order(accepted, on_journal):
    assert on_journal("agreement", "trail").splitlines()[0].split() == ["block", "event", "id", "transaction"]
    told = json.loads(on_journal("agreement", "trail", "--json"))
    assert [row["event"] for row in told] == ["Offered", "Accepted"]
    assert {row["id"] for row in told} == {accepted}


def test_the_trail_says_of_which_object_an_access_was_refused_or_which_was_erased(
    party, on_journal, journal
):
    on_journal("agreement", "deny-access", DATASET, "ab" * 32, GRANTEE, "--reason", "expired", who="hospital")
    steward = Agreements(Ledger.in_process(journal, account("hospital"), keep=True))
    steward.record_erasure(DATASET, "cd" * 32, digest("certificate"))
    rows = [line.split()[1:3] for line in on_journal("agreement", "trail").splitlines()[1:]]
    assert rows == [["AccessDenied", "ab" * 32], ["ObjectErased", "cd" * 32]]


def test_an_empty_registry_says_so(on_journal):
    assert on_journal("agreement", "list") == "no agreement was offered on this registry\n"
    assert json.loads(on_journal("agreement", "trail", "--json")) == []
