"""Commands about the vault: keys made, objects put, handed over under an agreement, and fetched."""

import json

import pytest
from chain_helpers import COMMITMENT, account

from synthlib.chain.agreements import Agreements
from synthlib.chain.datasets import dataset_id

pytest_plugins = ["chain_fixtures", "command_fixtures"]
DATASET = dataset_id(account("hospital").address, COMMITMENT)

CONTENT = "age,sex\n61,f\n"


@pytest.fixture
def people(command, workspace):
    """Key pairs of the vault's owner and of a grantee, and a file to put."""
    for name in ("owner", "grantee"):
        code, out, err = command("vault", "key", workspace / f"{name}.key")
        assert code == 0 and "SHA-256" in out and "secret" in err
    (workspace / "file.csv").write_text(CONTENT)


@pytest.fixture
def address(people, command, workspace) -> str:
    """Of an object in the vault."""
    place = ("--vault", workspace / "vault", "--public-key", workspace / "owner.key.pub")
    code, out, _ = command("vault", "put", workspace / "file.csv", *place, "--dataset", DATASET)
    assert code == 0
    return out.strip()


@pytest.fixture
def agreement(people, on_journal, command, workspace) -> str:
    """The id of an agreement in force between the hospital and the grantee."""
    on_journal("dataset", "register", COMMITMENT, who="hospital")
    offer, signed = workspace / "offer.json", workspace / "acceptance.json"
    words = ("agreement", "offer", DATASET, account("grantee").address, "--terms", workspace / "file.csv")
    told = ("--purpose", "sepsis", "--use", "DUO:0000042", "--until", "2150-01-01T00:00:00Z")
    found = on_journal(*words, *told, "--out", offer, who="hospital").split()[-1]
    key = ("--public-key", workspace / "grantee.key.pub")
    command("agreement", "sign", offer, *key, "--out", signed, "--yes", who="grantee")
    on_journal("agreement", "accept", signed, who="hospital")
    return found


@pytest.fixture
def hand_over(on_journal, address, agreement, workspace):
    def call(*words, to="grantee", fails=False, who="hospital"):
        keys = ("--public-key", workspace / f"{to}.key.pub", "--owner", workspace / "owner.key")
        place = ("--vault", workspace / "vault", "--out", workspace / "grant.json", "--agreement", agreement)
        return on_journal("vault", "hand-over", address, *keys, *place, *words, who=who, fails=fails)

    return call


def test_a_private_key_is_for_its_owner_alone_and_is_never_replaced(people, command, workspace):
    assert (workspace / "owner.key").stat().st_mode & 0o077 == 0
    secret = (workspace / "owner.key").read_text().split()[-1]
    assert secret not in (workspace / "owner.key.pub").read_text()
    code, out, err = command("vault", "key", workspace / "owner.key")
    assert code == 2 and "expected nothing at" in err and secret not in out + err
    assert secret in (workspace / "owner.key").read_text()
    code, _, err = command("vault", "key", workspace / "odd.key", "--kem", "rsa")
    assert code == 2 and "mlkem768-x25519" in err and not (workspace / "odd.key").exists()


def test_what_is_put_is_listed_and_sealed(address, command, workspace):
    assert command("vault", "list", "--vault", workspace / "vault")[1] == f"{address}\n"
    sealed = b"".join(path.read_bytes() for path in (workspace / "vault").rglob("*") if path.is_file())
    assert CONTENT.encode() not in sealed


def test_what_is_put_is_of_a_dataset_that_the_registry_knows(people, on_journal, command, workspace):
    on_journal("dataset", "register", COMMITMENT, who="hospital")
    place = ("--vault", workspace / "vault", "--public-key", workspace / "owner.key.pub")
    words = ("vault", "put", workspace / "file.csv", *place, "--dataset")
    assert "is a commitment" in on_journal(*words, COMMITMENT, fails=True)
    assert "knows none" in on_journal(*words, "ab" * 32, fails=True)
    assert command("vault", "list", "--vault", workspace / "vault")[1] == ""
    for written in (DATASET, DATASET[2:]):
        assert len(on_journal(*words, written).strip()) == 64


def test_nothing_is_put_under_a_key_that_is_none(people, command, workspace):
    place = ("--vault", workspace / "vault", "--public-key", workspace / "file.csv")
    code, _, err = command("vault", "put", workspace / "file.csv", *place, "--dataset", DATASET)
    assert code == 2 and "expected a public key" in err and CONTENT.strip() not in err


def test_a_grantee_fetches_what_was_handed_over(hand_over, command, workspace, open_journal, agreement):
    assert f"grant for {account('grantee').address}" in hand_over("--yes")
    accessed = [said for said in Agreements(open_journal()).trail() if said.name == "Accessed"]
    assert [said.arguments["id"] for said in accessed] == [agreement]
    words = ("vault", "fetch", "--vault", workspace / "vault", "--grant", workspace / "grant.json")
    out = workspace / "mine.csv"
    code, _, err = command(*words, "--key", workspace / "owner.key", "--out", out)
    assert code == 2 and "expected the private key" in err and not out.exists()
    assert command(*words, "--key", workspace / "grantee.key", "--out", out)[0] == 0
    assert out.read_text() == CONTENT


def test_nothing_is_handed_over_unasked_or_by_another_or_to_another(hand_over, workspace):
    for options, words, message in (
        ({}, (), "expected --yes"),
        ({"who": "team"}, ("--yes",), "NotSteward"),
        ({"to": "owner"}, ("--yes",), "with which the grantee accepted"),
    ):
        assert message in hand_over(*words, fails=True, **options)
        assert not (workspace / "grant.json").exists()


def test_the_owner_fetches_without_a_grant(address, command, workspace):
    words = ("vault", "fetch", "--vault", workspace / "vault", "--address", address)
    assert command(*words, "--key", workspace / "owner.key", "--out", workspace / "mine.csv")[0] == 0
    assert (workspace / "mine.csv").read_text() == CONTENT


def test_who_fetches_says_as_whom(address, command, workspace):
    words = ("vault", "fetch", "--vault", workspace / "vault", "--out", workspace / "mine.csv")
    for more, message in (
        ((), "expected a grant, or --address"),
        (("--address", address), "expected your vault key file"),
        (("--grant", workspace / "file.csv", "--key", workspace / "owner.key"), "expected synthlib-grant/2"),
    ):
        code, _, err = command(*words, *more)
        assert code == 2 and message in " ".join(err.split())


def test_the_options_of_a_store_come_from_a_file(command, workspace):
    (workspace / "options.json").write_text(json.dumps(["secret"]))
    options = ("--store-options", workspace / "options.json")
    code, _, err = command("vault", "list", "--vault", workspace / "vault", *options)
    assert code == 2 and "expected a JSON object" in err and "secret" not in err
    (workspace / "options.json").write_text(json.dumps({"auto_mkdir": True}))
    assert command("vault", "list", "--vault", workspace / "vault", *options)[0] == 0
