"""Attempts under a sealed protocol: their digests confirm no guess, and open with what the folder says."""

import hashlib
import hmac
import json
import os

import pytest
from chain_helpers import (
    COMMITMENT,
    COMMITTED,
    DATASET,
    PROTOCOL,
    account,
    edit_json,
    make_release,
    open_study,
    write_changed,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from synthlib.bundle import Bundle, Finding, canonical_json
from synthlib.chain.attempts import entry_digest, group, make_entry, read_attempts, salt_of, write_attempts
from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import ChainError
from synthlib.chain.preparing import prepare
from synthlib.chain.protocols import Protocols, Registration, attempt_digest
from synthlib.chain.recording import record_bundle
from synthlib.chain.records import release_fields
from synthlib.chain.registry import Ledger
from synthlib.chain.study import Study
from synthlib.chain.verification import verdict, verify

pytest_plugins = ["chain_fixtures"]

ONE, TWO, THREE = (
    {"model_type": "TabularGAN", "seed": seed, "training_commitment": COMMITTED} for seed in range(3)
)
SEALED = Registration(DATASET, account("admin").address, PROTOCOL.digest, "5a" * 32)
OPEN = SEALED._replace(salt="00" * 32)


def seal(ledger: Ledger) -> Registration:
    """A sealed protocol that is registered and approved by the ledger's account, its steward too."""
    Datasets(ledger).register(COMMITMENT, 1.0)
    registration = Protocols(ledger).prepare(PROTOCOL, DATASET, sealed=True)
    Protocols(ledger).register(registration)
    Protocols(ledger).approve(registration, 0.5, 100)
    return registration


@pytest.fixture
def ledger() -> Ledger:
    return Ledger.in_process(account=account("admin"))


@pytest.fixture
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def study(ledger) -> Study:
    return Study(ledger, PROTOCOL, seal(ledger))


def record_as_it_is(study: Study, bundle: Bundle) -> list[Finding]:
    """Record a release past what `record_bundle` would refuse, and verify it; what differs."""
    study.ledger.record_generation(release_fields(bundle))
    study.ledger.save(bundle)
    return [found for found in verify(bundle.path) if found.verdict == "differs"]


def logged(study: Study) -> list[str]:
    return [event.arguments["digest"] for event in study.ledger.find_events("Attempted")]


# --- what the chain holds ------------------------------------------------------------------------------


def test_a_right_guess_at_a_sealed_attempt_is_not_confirmed(study):
    """All that a reader of the chain has is hashed with the guess."""
    study.attempt(ONE)
    (digest,) = logged(study)
    seen = study.registration
    known = ["00" * 32, seen.seal, seen.digest, seen.dataset[2:], seen.id[2:], study.track.head]
    guesses = {attempt_digest(ONE)}
    guesses |= {entry_digest({"describes": ONE, "salt": salt}) for salt in known}
    guesses |= {salted(seen._replace(salt=salt)) for salt in known if len(salt) == 64}
    assert digest not in guesses
    assert digest == salted(seen)  # and with the protocol's salt it would be


def salted(registration: Registration) -> str:
    return entry_digest(make_entry(registration, 1, 1, ONE))


def test_the_same_description_twice_cannot_be_seen_to_be_the_same(study):
    for _ in range(2):
        study.settle(study.attempt(ONE), "fitted")
    one, other = logged(study)
    assert one != other


def test_attempts_that_are_logged_together_are_salted_too(study):
    study.attempt_all([ONE, TWO])
    (event,) = study.ledger.find_events("AttemptedBatch")
    entries = [{"describes": each} for each in (ONE, TWO)]
    plain = group([entry | {"number": n, "together_from": 1} for n, entry in enumerate(entries, start=1)])
    assert plain[0].link != group(study.attempts)[0].link
    assert event.arguments["count"] == 2


def test_who_opens_the_seal_opens_every_attempt(study):
    """With what the chain tells once the protocol is revealed, and the description."""
    study.attempt(ONE)
    study.attempt(TWO)
    assert not study.ledger.find_events("ProtocolRevealed")
    Protocols(study.ledger).reveal(study.registration)
    (event,) = study.ledger.find_events("ProtocolRevealed")
    told = study.registration._replace(salt=event.arguments["salt"])
    assert logged(study) == [
        entry_digest(make_entry(told, number, number, each)) for number, each in ((1, ONE), (2, TWO))
    ]


def test_an_open_protocol_keeps_no_secret_and_its_bytes(ledger, tmp_path):
    study = open_study(ledger, 0)
    study.attempt(ONE)
    assert logged(study) == [attempt_digest(ONE)]
    study.write(tmp_path)
    told = json.loads((tmp_path / "attempts.json").read_bytes())
    assert told["format"] == "synthlib-attempts/2" and "salt" not in told["attempts"][0]


# --- salts ---------------------------------------------------------------------------------------------


def test_salt_and_digest_are_what_the_documents_say():
    """Computed from docs/formats.md alone."""
    line = b"synthlib attempt salt 1\n" + bytes([0, 0, 1, 2])
    salt = hmac.new(bytes.fromhex("5a" * 32), line, "sha256").digest()
    entry = make_entry(SEALED, 258, 258, {"b": 1, "a": "é"})
    assert entry["salt"] == salt.hex()
    hashed = b"synthlib salted attempt 1\n" + salt + '{\n "a": "é",\n "b": 1\n}\n'.encode()
    assert entry_digest(entry) == hashlib.sha256(hashed).hexdigest()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2**24 - 1), st.integers(1, 2**24 - 1), st.binary(min_size=32, max_size=32))
def test_a_salt_is_of_one_attempt_of_one_protocol_and_the_same_every_time(number, other, secret):
    registration = SEALED._replace(salt=secret.hex())
    if not registration.is_sealed:
        return
    salt = salt_of(registration, number)
    assert len(bytes.fromhex(salt)) == 32 and salt == salt_of(registration, number)
    assert (salt == salt_of(registration, other)) == (number == other)
    assert salt != salt_of(SEALED, number)


def test_an_open_protocol_has_no_salts():
    assert salt_of(OPEN, 1) is None and make_entry(OPEN, 1, 1, ONE).keys() == {
        "number", "together_from", "describes", "outcome", "draws"
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.recursive(st.text() | st.integers(), st.lists))
def test_no_plain_description_has_a_salted_ones_digest(salt, describes):
    """What is hashed begins as no JSON does: nobody shows a salted attempt as another, plain one."""
    entry = {"describes": describes, "salt": salt.hex()}
    hashed = b"synthlib salted attempt 1\n" + salt + canonical_json(describes)
    assert entry_digest(entry) == hashlib.sha256(hashed).hexdigest()
    for begin in (hashed, hashed[: len(hashed) // 2]):
        with pytest.raises(ValueError):
            json.loads(begin)


# --- going on ------------------------------------------------------------------------------------------


def test_two_runs_of_one_registration_give_the_same_bytes(tmp_path):
    files = []
    for name in ("one", "other"):
        ledger = Ledger.in_process(account=account("admin"))
        Datasets(ledger).register(COMMITMENT, 1.0)
        protocols = Protocols(ledger)
        protocols.register(SEALED)
        protocols.approve(SEALED, 0.5, 100)
        study = Study(ledger, PROTOCOL, SEALED)
        study.attempt_all([ONE, TWO])
        (tmp_path / name).mkdir()
        study.hand_on(tmp_path / name)
        files.append([(tmp_path / name / each).read_bytes() for each in ("attempts.json", "journal.jsonl")])
    assert files[0] == files[1]


def test_a_sealed_study_is_prepared_handed_on_and_resumed(ledger, tmp_path):
    Datasets(ledger).register(COMMITMENT, 1.0)
    registration = prepare(ledger, PROTOCOL, DATASET, True, tmp_path)
    assert json.loads((tmp_path / "attempts.json").read_bytes())["format"] == "synthlib-attempts/3"
    Protocols(ledger).register(registration)
    Protocols(ledger).approve(registration, 0.5, 100)
    study = Study(ledger, PROTOCOL, registration, tmp_path / "attempts.json")
    study.attempt(ONE)
    study.attempt_all([TWO, THREE])
    study.hand_on(tmp_path)
    again = Study.resume(tmp_path, account=account("admin"))
    assert again.attempts == study.attempts and again.attempt(ONE) == 4


def test_what_tells_of_a_sealed_protocol_is_its_owners_alone_until_it_is_revealed(
    ledger, tmp_path, usual_umask
):
    registration = seal(ledger)
    study = Study(ledger, PROTOCOL, registration, tmp_path / "notes.json")
    study.attempt(ONE)
    assert (tmp_path / "notes.json").stat().st_mode & 0o777 == 0o600
    names = ("registration.json", "protocol.json", "attempts.json")
    for mode in (0o600, 0o644):
        (tmp_path / oct(mode)).mkdir()
        study.hand_on(tmp_path / oct(mode))
        assert {(tmp_path / oct(mode) / name).stat().st_mode & 0o777 for name in names} == {mode}
        Protocols(ledger).reveal(registration)
    one, other = ([(tmp_path / oct(mode) / name).read_bytes() for name in names] for mode in (0o600, 0o644))
    assert one == other


def test_what_tells_of_an_open_protocol_is_for_everybody(ledger, tmp_path, usual_umask):
    open_study(ledger).hand_on(tmp_path)
    for name in ("registration.json", "protocol.json", "attempts.json"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o644


def test_a_salted_attempt_that_was_noted_and_never_sent_is_sent_with_its_salt(ledger, tmp_path, monkeypatch):
    registration, notes = seal(ledger), tmp_path / "notes.json"

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Protocols, "attempt", die)
        with pytest.raises(KeyboardInterrupt):
            Study(ledger, PROTOCOL, registration, notes).attempt(ONE)
    again = Study(ledger, PROTOCOL, registration, notes)
    assert logged(again) == [entry_digest(again.attempts[0])] != [attempt_digest(ONE)]


def test_a_sealed_study_from_before_there_were_salts_goes_on(ledger, tmp_path):
    """Its first attempts stay as they were logged, the next are salted, and all of it verifies."""
    registration, notes = seal(ledger), tmp_path / "notes.json"
    old = {"number": 1, "together_from": 1, "describes": ONE, "outcome": "fitted", "draws": []}
    body = {"format": "synthlib-attempts/2", "protocol": registration.id, "attempts": [old]}
    notes.write_bytes(canonical_json(body))
    study = Study(ledger, PROTOCOL, registration, notes)  # sends what is missing, as it was noted
    assert logged(study) == [attempt_digest(ONE)]
    study.attempt(TWO)
    assert json.loads(notes.read_bytes())["format"] == "synthlib-attempts/3"
    again = Study(ledger, PROTOCOL, registration, notes)
    assert ["salt" in entry for entry in again.attempts] == [False, True]
    Protocols(ledger).reveal(registration)
    bundle = make_release(tmp_path / "release", study=again, attempt=2)
    ledger.record(bundle)
    ledger.save(bundle)
    assert verdict(verify(bundle.path)) == 0


# --- files ---------------------------------------------------------------------------------------------

ENTRY = make_entry(SEALED, 1, 1, ONE)


def test_entries_are_read_as_they_were_written():
    for registration in (SEALED, OPEN):
        entries = [make_entry(registration, number, number, ONE) for number in (1, 2)]
        assert read_attempts(write_attempts(registration, entries), registration.id) == entries


@pytest.mark.parametrize("salt", [None, 1, "", "ab", "AB" * 32, "ab" * 16, "zz" * 32])
def test_what_is_no_salt_is_refused(salt):
    with pytest.raises(ValueError, match="expected salts of 64"):
        read_attempts(write_attempts(SEALED, [ENTRY | {"salt": salt}]))


def test_a_salt_in_a_file_of_the_format_without_is_refused():
    with pytest.raises(ValueError, match="expected entries of describes"):
        read_attempts(write_attempts(OPEN, [ENTRY]))


def test_a_later_format_is_refused_with_words():
    data = write_attempts(SEALED, [ENTRY]).replace(b"attempts/3", b"attempts/4")
    with pytest.raises(ValueError, match="'synthlib-attempts/2' or 'synthlib-attempts/3', got something"):
        read_attempts(data)


# --- verification --------------------------------------------------------------------------------------

LIES = {
    "another salt": lambda told: told[0].update(salt="ab" * 32),
    "one digit": lambda told: told[1].update(salt=f"{int(told[1]['salt'], 16) ^ 1:064x}"),
    "no salt": lambda told: told[0].pop("salt"),
    "salts exchanged": lambda told: exchange(told),
    "another description": lambda told: told[0]["describes"].update(seed=9),
    "no hexadecimal": lambda told: told[0].update(salt="none"),
}  # fmt: skip


def exchange(entries: list) -> None:
    entries[0]["salt"], entries[1]["salt"] = entries[1]["salt"], entries[0]["salt"]


@pytest.fixture
def honest(study, tmp_path):
    """A release of a sealed study of two attempts, after it was revealed."""
    study.attempt(ONE)
    study.attempt(TWO)
    Protocols(study.ledger).reveal(study.registration)
    return make_release(tmp_path / "honest", study=study)


def test_a_release_of_a_sealed_protocol_verifies(study, honest):
    assert not record_as_it_is(study, honest) and verdict(verify(honest.path)) == 0


@pytest.mark.parametrize("lie", LIES)
def test_a_salt_or_description_that_was_changed_is_found(study, honest, tmp_path, lie):
    change = edit_json(lambda told: LIES[lie](told["attempts"]))
    wrong = record_as_it_is(study, write_changed(honest, "attempts.json", change, tmp_path / "lying"))
    assert [found.subject for found in wrong] == ["attempts"]


def test_a_changed_salt_is_refused_before_it_is_recorded(study, honest, tmp_path):
    change = edit_json(lambda told: told["attempts"][0].update(salt="ab" * 32))
    lying = write_changed(honest, "attempts.json", change, tmp_path / "lying")
    study.ledger.leave_journal(lying)
    with pytest.raises(ChainError, match="attempt 1 is not what the chain logged"):
        record_bundle(lying.path, account=account("admin"))
