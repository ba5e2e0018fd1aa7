"""Commands of data's stewards: datasets registered, capped, handed over; keys and objects erased."""

import json

import pandas as pd
import pytest
from chain_helpers import COMMITMENT, TRAINING, account

import synthlib as sl
from synthlib.chain.agreements import Agreements
from synthlib.chain.commitments import commit
from synthlib.chain.datasets import ACTIVE, ERASED, RENOUNCED, Datasets, dataset_id
from synthlib.chain.erasing import CHECKED, UNCHECKED, erase_dataset
from synthlib.chain.erasure import Erasure
from synthlib.chain.errors import ChainError
from synthlib.chain.registry import Ledger

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


def test_what_may_be_spent_is_shown_with_its_unit(on_journal):
    """In words; what reads JSON gets the numbers that the chain holds."""
    for words in (("register", COMMITMENT, "--cap", "1.5"), ("show", DATASET)):
        fields = dict(
            line.split(maxsplit=1) for line in on_journal("dataset", *words, who="hospital").splitlines()
        )
        assert (fields["cap"], fields["allotted"]) == ("1500000 millionths", "0 millionths")
        assert fields["order"] == "0"


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


def test_the_same_cap_again_changes_nothing(on_journal, dataset, journal):
    words = ("dataset", "lower-cap", dataset, "--cap", 1, "--yes")
    on_journal(*words, who="hospital")
    before = journal.read_bytes()
    on_journal(*words, who="hospital")
    assert journal.read_bytes() == before


def test_who_shows_a_commitment_is_told_the_id(command, dataset, journal):
    code, out, err = command("dataset", "show", COMMITMENT, "--json", "--journal", journal)
    assert code == 0 and json.loads(out)["state"] == "unknown"
    assert "is a commitment" in err and DATASET in err
    assert "knows none" in command("dataset", "show", "ab" * 32, "--journal", journal)[2]
    assert command("dataset", "show", DATASET[2:], "--journal", journal)[2] == ""


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


def test_an_erasure_whose_receipt_was_lost_is_told_again(erase, workspace, journal):
    first = erase("--yes", "--when", "2026-11-26")
    before = journal.read_bytes(), (workspace / "certificate.json").read_bytes()
    assert erase("--yes", "--when", "2026-11-27") == first
    assert before == (journal.read_bytes(), (workspace / "certificate.json").read_bytes())


def test_an_erased_dataset_takes_no_other_key_and_no_other_certificate(erase, workspace):
    erase("--yes")
    sl.StewardKey.create(workspace / "other.key")
    assert "not erased" in erase("--yes", key="other.key", fails=True)
    sl.StewardKey.open(workspace / "other.key")
    file = workspace / "certificate.json"
    recorded = Erasure.from_json(file.read_bytes())
    file.write_bytes(recorded._replace(when="2001-01-01").to_json())
    assert "not erased" in erase("--yes", fails=True)
    file.unlink()
    assert "not erased" in erase("--yes", fails=True) and not file.exists()


def test_no_key_is_destroyed_that_the_chain_would_not_know_of(erase, workspace):
    for words, who, message in (
        ((), "hospital", "expected --yes"),
        (("--yes",), "team", "expected the steward of a dataset that is not erased"),
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


def test_a_file_that_is_no_key_is_left_alone(erase, workspace, open_journal):
    diary = workspace / "diary.txt"
    diary.write_text("not a key\n")
    diary.chmod(0o600)
    assert "expected 64 hexadecimal digits" in erase("--yes", key="diary.txt", fails=True)
    assert diary.read_text() == "not a key\n" and not (workspace / "certificate.json").exists()
    assert find(open_journal).state == ACTIVE


def test_a_certificate_that_cannot_be_written_destroys_nothing(on_journal, dataset, workspace, open_journal):
    sl.StewardKey.create(workspace / "steward.key")
    places = ("--key", workspace / "steward.key", "--certificate", workspace / "none" / "it.json")
    on_journal("erase", "key", dataset, *places, "--yes", who="hospital", fails=True)
    sl.StewardKey.open(workspace / "steward.key")
    assert find(open_journal).state == ACTIVE


def die_in_destroy(path):
    raise KeyboardInterrupt


def overwrite(path):
    path.write_bytes(b"\xff" * 65)
    raise OSError("the disk went away")


def remove(path):
    path.unlink()
    raise OSError("the disk went away")


@pytest.mark.parametrize(
    ("crash", "how"),
    [
        (die_in_destroy, "key file overwritten and removed"),
        (overwrite, "key file overwritten and removed"),
        (remove, "no key file was there any more, after its destruction had begun"),
    ],
)
def test_a_destruction_that_broke_off_goes_on(workspace, journal, dataset, monkeypatch, crash, how):
    key, file = workspace / "steward.key", workspace / "certificate.json"
    sl.StewardKey.create(key)
    ledger = Ledger.in_process(journal, account("hospital"))
    with monkeypatch.context() as patch:
        patch.setattr(sl.StewardKey, "destroy", staticmethod(crash))
        with pytest.raises((OSError, KeyboardInterrupt)):
            erase_dataset(ledger, dataset, key, file)
    other = workspace / "other.key"
    sl.StewardKey.create(other)
    with pytest.raises(ChainError, match="whose destruction has begun"):
        erase_dataset(ledger, dataset, other, file)
    sl.StewardKey.open(other)
    erasure = erase_dataset(ledger, dataset, key, file)
    assert not key.exists() and Erasure.from_json(file.read_bytes()) == erasure
    assert erasure.how == f"{how}; {UNCHECKED}"
    assert Datasets(ledger).find_erasure(dataset) == erasure.digest


def test_what_took_the_keys_place_is_left_alone(workspace, journal, dataset, monkeypatch):
    key, file = workspace / "steward.key", workspace / "certificate.json"
    sl.StewardKey.create(key)
    ledger = Ledger.in_process(journal, account("hospital"))
    with monkeypatch.context() as patch:
        patch.setattr(sl.StewardKey, "destroy", staticmethod(remove))
        with pytest.raises(OSError):
            erase_dataset(ledger, dataset, key, file)
    key.write_text("a diary")
    key.chmod(0o600)
    with pytest.raises(ValueError, match="64 hexadecimal"):
        erase_dataset(ledger, dataset, key, file)
    assert key.read_text() == "a diary"


def test_a_key_is_shown_to_be_the_datasets(on_journal, command, workspace, open_journal):
    TRAINING.to_csv(workspace / "patients.csv", index=False)
    keys = [workspace / "steward.key", workspace / "other.key"]
    commitments = [
        command("dataset", "commit", workspace / "patients.csv", "--key", key)[1].strip() for key in keys
    ]
    on_journal("dataset", "register", commitments[0], who="hospital")
    dataset = dataset_id(account("hospital").address, commitments[0])
    words = ("erase", "key", dataset[2:], "--table", workspace / "patients.csv", "--yes")
    places = ("--certificate", workspace / "certificate.json", "--key")
    error = on_journal(*words, *places, keys[1], who="hospital", fails=True)
    assert "expected the key and the table" in error and keys[1].exists()
    assert not (workspace / "certificate.json").exists()
    assert CHECKED in on_journal(*words, *places, keys[0], who="hospital")
    certificate = Erasure.from_json((workspace / "certificate.json").read_bytes())
    assert certificate.how.endswith(CHECKED) and certificate.address == dataset
    assert Datasets(open_journal()).find_erasure(dataset) == certificate.digest


@pytest.fixture
def put(command, workspace):
    """Put a file of a dataset; its address."""
    command("vault", "key", workspace / "owner.key")
    (workspace / "file.csv").write_text("a,b\n")

    def call(dataset):
        place = ("--vault", workspace / "vault", "--public-key", workspace / "owner.key.pub")
        return command("vault", "put", workspace / "file.csv", *place, "--dataset", dataset)[1].strip()

    return call


def test_objects_of_an_erased_dataset_are_erased_on_record(erase, on_journal, put, workspace, open_journal):
    address = put(DATASET)
    erase("--yes")
    place = ("--vault", workspace / "vault", "--dataset", DATASET, "--certificate", workspace / "gone.json")
    on_journal("erase", "object", address, *place, "--yes", who="hospital")
    assert Agreements(open_journal()).is_erased(DATASET, address)


def test_an_object_of_another_dataset_is_not_destroyed(on_journal, dataset, put, command, workspace):
    address = put("ab" * 32)
    place = ("--vault", workspace / "vault", "--dataset", dataset, "--certificate", workspace / "gone.json")
    error = on_journal("erase", "object", address, *place, "--yes", who="hospital", fails=True)
    assert f"is one of 0x{'ab' * 32}" in error and not (workspace / "gone.json").exists()
    assert command("vault", "list", "--vault", workspace / "vault")[1] == f"{address}\n"


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
