"""Commands of data's stewards: datasets registered, capped, handed over; keys and objects erased."""

import json

import pandas as pd
import pytest
from chain_helpers import COMMITMENT, TRAINING, account

import synthlib as sl
from synthlib.chain.agreements import Agreements
from synthlib.chain.commitments import commit
from synthlib.chain.datasets import ACTIVE, ERASED, RENOUNCED, Datasets, dataset_id
from synthlib.chain.erasure import Erasure

pytest_plugins = ["chain_fixtures", "command_fixtures"]
DATASET = dataset_id(account("hospital").address, COMMITMENT)


@pytest.fixture
def dataset(on_journal) -> str:
    """A dataset of the hospital's."""
    on_journal("dataset", "register", COMMITMENT, "--cap", "1.5", who="hospital")
    return DATASET


def find(open_journal):
    return Datasets(open_journal()).find(DATASET)


def test_a_dataset_is_registered_and_shown(on_journal, dataset):
    on_journal("dataset", "register", COMMITMENT, "--cap", "1.5", who="hospital")  # again changes nothing
    assert "steward" in on_journal("dataset", "show", dataset)
    told = json.loads(on_journal("dataset", "show", dataset, "--json"))
    assert told["steward"] == account("hospital").address
    assert (told["cap"], told["state"]) == (1_500_000, ACTIVE)


def test_only_a_steward_registers_one(on_journal):
    assert "AccessControlUnauthorizedAccount" in on_journal(
        "dataset", "register", COMMITMENT, who="team", fails=True
    )
    assert "expected a digest" in on_journal("dataset", "show", "ab", fails=True)


def test_a_table_is_named_by_its_commitment(command, workspace):
    TRAINING.to_csv(workspace / "patients.csv", index=False)
    code, out, err = command("dataset", "commit", workspace / "patients.csv", "--key", workspace / "a.key")
    assert code == 0 and "new key of the data's steward" in err
    key = sl.StewardKey.open(workspace / "a.key")
    assert out.strip() == commit(pd.read_csv(workspace / "patients.csv"), key).hex()
    code, _, err = command("dataset", "commit", workspace / "none.csv", "--key", workspace / "b.key")
    assert code == 2 and "none.csv" in err and not (workspace / "b.key").exists()


def test_a_cap_is_lowered_and_never_raised(on_journal, dataset, open_journal):
    assert "--yes" in on_journal("dataset", "lower-cap", dataset, "--cap", 1, who="hospital", fails=True)
    on_journal("dataset", "lower-cap", dataset, "--cap", 1, "--yes", who="hospital")
    assert find(open_journal).cap == 1_000_000
    error = on_journal("dataset", "lower-cap", dataset, "--cap", 2, "--yes", who="hospital", fails=True)
    assert "CapNotLowered" in error


def test_a_dataset_is_handed_over(on_journal, dataset, open_journal):
    error = on_journal("dataset", "accept", dataset, who="successor", fails=True)
    assert "DatasetNotOffered" in error
    on_journal("dataset", "offer", dataset, account("successor").address, who="hospital")
    on_journal("dataset", "accept", dataset, who="successor")
    assert find(open_journal).steward == account("successor").address
    error = on_journal("dataset", "offer", dataset, account("team").address, who="hospital", fails=True)
    assert "NotSteward" in error


def test_a_dataset_is_renounced_for_ever(on_journal, dataset, open_journal):
    assert "--yes" in on_journal("dataset", "renounce", dataset, who="hospital", fails=True)
    assert find(open_journal).state == ACTIVE
    on_journal("dataset", "renounce", dataset, "--yes", who="hospital")
    assert find(open_journal).state == RENOUNCED


# Erasure


@pytest.fixture
def erase(on_journal, dataset, workspace):
    """Erase the key of the dataset; what it printed, or the error."""
    sl.StewardKey.create(workspace / "steward.key")

    def call(*words, who="hospital", key="steward.key", fails=False):
        places = ("--key", workspace / key, "--certificate", workspace / "certificate.json")
        return on_journal("erase", "key", dataset, *places, *words, who=who, fails=fails)

    return call


def test_a_key_is_destroyed_and_the_chain_has_its_certificate(erase, workspace, open_journal):
    out = erase("--yes", "--when", "2026-11-26")
    certificate = Erasure.from_json((workspace / "certificate.json").read_bytes())
    assert not (workspace / "steward.key").exists() and certificate.when == "2026-11-26"
    assert f"certificate {certificate.digest}" in out
    ledger = open_journal()
    (event,) = ledger.find_events("DatasetErased", dataset=DATASET)
    assert Datasets(ledger).find(DATASET).state == ERASED
    assert event.arguments["certificate"] == certificate.digest


def test_no_key_is_destroyed_that_the_chain_would_not_know_of(erase, workspace):
    for words, who, message in (
        ((), "hospital", "expected --yes"),
        (("--yes",), "team", "expected the steward of an active dataset"),
    ):
        assert message in erase(*words, who=who, fails=True)
        assert (workspace / "steward.key").exists() and not (workspace / "certificate.json").exists()


def test_a_wrong_path_certifies_nothing(erase, workspace, open_journal):
    assert "nothing was certified" in erase("--yes", key="none.key", fails=True)
    assert find(open_journal).state == ACTIVE and not (workspace / "certificate.json").exists()


def test_an_erasure_that_broke_off_goes_on(erase, workspace, open_journal):
    """The key is gone and the certificate written, and then the process died."""
    sl.StewardKey.destroy(workspace / "steward.key")
    certificate = Erasure(DATASET, "steward's key of a commitment", None, "key file overwritten and removed")
    (workspace / "certificate.json").write_bytes(certificate.to_json())
    assert certificate.digest in erase("--yes")
    assert find(open_journal).state == ERASED


def test_a_certificate_of_a_key_that_is_still_there_is_refused(erase, workspace):
    certificate = Erasure(DATASET, "steward's key of a commitment", None, "key file overwritten and removed")
    (workspace / "certificate.json").write_bytes(certificate.to_json())
    assert "to be gone" in erase("--yes", fails=True)
    assert (workspace / "steward.key").exists()


def test_an_object_is_destroyed_and_the_chain_knows(command, on_journal, dataset, workspace, open_journal):
    command("vault", "key", workspace / "owner.key")
    (workspace / "file.csv").write_text("a,b\n")
    place = ("--vault", workspace / "vault")
    sealed = command(
        *("vault", "put", workspace / "file.csv", *place, "--dataset", dataset),
        *("--public-key", workspace / "owner.key.pub"),
    )
    address = sealed[1].strip()
    words = (
        "erase",
        "object",
        address,
        *place,
        "--dataset",
        dataset,
        "--certificate",
        workspace / "gone.json",
    )
    assert "expected --yes" in on_journal(*words, who="hospital", fails=True)
    assert "nothing was destroyed" in on_journal(*words, "--yes", who="team", fails=True)
    assert command("vault", "list", *place)[1] == f"{address}\n"
    for _ in range(2):  # again changes nothing
        on_journal(*words, "--yes", who="hospital")
    assert command("vault", "list", *place)[1] == ""
    certificate = Erasure.from_json((workspace / "gone.json").read_bytes())
    agreements = Agreements(open_journal())
    assert agreements.is_erased(dataset, address)
    (event,) = [said for said in agreements.trail() if said.name == "ObjectErased"]
    assert event.arguments["certificate"] == certificate.digest
