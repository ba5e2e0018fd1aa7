"""Studies: attempts that are logged once whatever happens, and taken up again."""

import json

import pytest
from chain_helpers import (
    COMMITMENT,
    DATASET,
    KEY,
    PROTOCOL,
    SCHEMA,
    Script,
    account,
    digest,
    fund,
    make_release,
    open_study,
    synthetic_table,
)
from sending_fixtures import mine, nothing

from synthlib.bundle import canonical_json
from synthlib.chain.connection import Connection
from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import (
    ChainError,
    NotRecorded,
    TransactionTimeout,
    WrongChain,
)
from synthlib.chain.journal import Journal
from synthlib.chain.protocols import Protocols
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import RESEARCHER, Roles
from synthlib.chain.study import Study
from synthlib.models.synthesizer import IndependentMarginals
from synthlib.preregistration import log_candidates

pytest_plugins = ["chain_fixtures"]


def test_a_study_goes_on_after_a_crash_at_any_transaction(tmp_path, monkeypatch):
    """Killed once a transaction stands in the journal, or just before: the same chain comes of it."""

    def work(journal, notes) -> Study:
        ledger = Ledger.in_process(journal, account("admin"))
        study = Study.open(ledger, PROTOCOL, COMMITMENT, cap=1.0, budget=0.5, notes=notes)
        study.settle(study.attempt({"model_type": "TabularGAN"}), {"ks": 0.1})
        return study

    class Killed(BaseException):
        pass

    whole = work(tmp_path / "whole.jsonl", tmp_path / "whole.json")
    steps = [(Connection, "send"), (Journal, "append")]
    for step, (owner, name) in enumerate(steps * 5):
        folder, calls, real = tmp_path / str(step), [], getattr(owner, name)
        folder.mkdir()

        def stop(self, *given, calls=calls, real=real, place=step // 2):
            result = real(self, *given)
            calls.append(given)
            if len(calls) > place:
                raise Killed  # sent and not in the journal; in the journal
            return result

        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(owner, name, stop)
            work(folder / "journal.jsonl", folder / "notes.json")
        study = work(folder / "journal.jsonl", folder / "notes.json")
        assert study.ledger.journal.lines == whole.ledger.journal.lines, step
        assert study.attempts == whole.attempts


def test_two_parties_act_on_one_ledger(empty_ledger, workspace):
    """The steward owns and approves, the researcher registers, tries and records; neither the other's."""
    steward, researcher = empty_ledger, empty_ledger.acting_as(account("researcher"))
    fund(empty_ledger.connection, researcher.account.address)
    Roles(steward).grant(RESEARCHER, researcher.account.address)
    Datasets(steward).register(COMMITMENT, cap=1.0)
    protocols = Protocols(researcher)
    registration = protocols.prepare(PROTOCOL, DATASET, sealed=True)
    assert not protocols.register(registration).is_revealed
    with pytest.raises(ChainError, match="steward"):
        protocols.approve(registration, 0.5, 1)
    with pytest.raises(ChainError, match="approve"):
        Study(researcher, PROTOCOL, registration)
    Protocols(steward).approve(registration, 0.5, 1)
    study = Study(researcher, PROTOCOL, registration)
    study.attempt_all([{"model_type": "TabularGAN", "seed": number} for number in range(3)])
    protocols.reveal(registration)
    bundle = make_release(workspace / "theirs", study=study, attempt=2)
    record = researcher.record(bundle)
    assert (record.issuer, record.attempt, record.attempts) == (researcher.account.address, 2, 3)
    with pytest.raises(NotRecorded):
        steward.revoke(bundle.digest, "not mine")
    assert steward.account == account("admin")  # acting_as changed nobody
    assert study.track.open_releases_left == 0
    with pytest.raises(ChainError, match="NoOpenReleaseLeft"):
        researcher.record(make_release(workspace / "second", seed=1, study=study))


def test_a_study_that_is_opened_again_has_the_attempts_of_its_notes(study, tmp_path):
    registration = study.registration
    notes = tmp_path / "notes.json"
    with pytest.raises(ChainError, match="attempt 1 is left out"):
        Study(study.ledger, PROTOCOL, registration)
    study.write(tmp_path)
    (tmp_path / "attempts.json").rename(notes)
    again = Study(study.ledger, PROTOCOL, registration, notes)
    assert again.attempts == study.attempts
    again.attempt({"model_type": "TabularGPT"})
    again.settle(2, "failed")
    assert Study(study.ledger, PROTOCOL, registration, notes).attempts == again.attempts
    body = json.loads(notes.read_bytes())
    body["attempts"][0]["describes"] = {"model_type": "another"}
    for wrong, message in (
        (body, "attempt 1 is not what the chain logged"),
        (body | {"protocol": "0x" + digest("p")}, "of protocol"),
    ):
        notes.write_bytes(canonical_json(wrong))
        with pytest.raises((ChainError, ValueError), match=message):
            Study(study.ledger, PROTOCOL, registration, notes)


def test_an_attempt_that_the_chain_refused_is_none(study):
    roles = Roles(study.ledger)
    roles.pause()
    for _ in range(2):
        with pytest.raises(ChainError, match="EnforcedPause"):
            study.attempt({"model_type": "TabularGPT"})
    assert len(study.attempts) == 1 == study.track.attempts
    roles.unpause()
    assert study.attempt({"model_type": "TabularGPT"}) == 2 == study.track.attempts


@pytest.mark.parametrize("arrives", [True, False])
def test_an_attempt_whose_answer_was_lost_is_logged_once(node_study, monkeypatch, arrives):
    study, real = node_study, Connection.send

    def lose(self, *given):
        if arrives:
            real(self, *given)
        raise TransactionTimeout("no answer")

    with monkeypatch.context() as patched, pytest.raises(TransactionTimeout):
        patched.setattr(Connection, "send", lose)
        study.attempt({"model_type": "TabularGPT"})
    assert study.attempt({"model_type": "TabularGPT"}) == 2 == study.track.attempts
    assert study.attempt({"model_type": "another"}) == 3 == study.track.attempts
    assert [entry["describes"].get("model_type") for entry in study.attempts[1:]] == ["TabularGPT", "another"]


def test_attempts_of_another_process_are_noticed(study):
    Protocols(study.ledger).attempt(study.registration.id, digest("another process"))
    with pytest.raises(ChainError, match="AttemptOutOfOrder"):
        study.attempt({"model_type": "TabularGPT"})
    with pytest.raises(ChainError, match="logged another: attempt 2"):
        study.attempt({"model_type": "TabularGPT"})


def test_numbers_of_no_attempt(study):
    for number in (0, -1, 2):
        for call in (lambda n: study.settle(n, 1), lambda n: study.describe(n, None)):
            with pytest.raises(ValueError, match="expected the number of one of 1 attempts"):
                call(number)


def test_a_handed_on_study_is_resumed_on_its_own_registry(workspace):
    study = open_study(Ledger.in_process(account=account("admin")), 2)
    (workspace / "on").mkdir()
    study.hand_on(workspace / "on")
    again = Study.resume(workspace / "on", account=account("admin"))
    assert again.attempts == study.attempts and again.track == study.track
    place = json.loads((workspace / "on" / "registration.json").read_bytes())
    (workspace / "on" / "registration.json").write_bytes(
        canonical_json(place | {"registry": account("x").address})
    )
    with pytest.raises(WrongChain, match=account("x").address):
        Study.resume(workspace / "on", account=account("admin"))


def test_an_attempt_that_still_waits_for_its_block_is_not_forgotten_for_the_next(manual_url, tmp_path):
    """What was sent may yet be logged: its words stay in the notes until that is known."""
    script = Script([mine(manual_url)])
    who, options = account("patient"), {"timeout": 5, "confirmations": 0}
    fund(Connection.by_url(manual_url), who.address)
    ledger = Ledger.connect(manual_url, account=who, **options, **script.times)
    study = open_study(ledger, notes=tmp_path / "notes.json")
    script.events = [nothing]
    with pytest.raises(TransactionTimeout, match="it may still come"):
        study.attempt({"model_type": "TabularGPT"})
    script.events = [mine(manual_url)]
    assert study.attempt({"model_type": "another"}) == 3 == study.track.attempts
    again = open_study(ledger, 0, notes=tmp_path / "notes.json")
    assert [entry["describes"]["model_type"] for entry in again.attempts] == [
        "TabularGAN",
        "TabularGPT",
        "another",
    ]


def test_candidates_whose_answer_was_lost_are_logged_once(node_study, monkeypatch):
    study, real = node_study, Connection.send
    candidates = {"floor": IndependentMarginals(SCHEMA), "same": IndependentMarginals(SCHEMA)}
    table = synthetic_table()

    def lose(self, *given):
        real(self, *given)
        raise TransactionTimeout("no answer")

    with monkeypatch.context() as patched, pytest.raises(TransactionTimeout):
        patched.setattr(Connection, "send", lose)
        log_candidates(study, candidates, table, KEY)
    assert log_candidates(study, candidates, table, KEY) == {"floor": 2, "same": 3}
    assert study.track.attempts == 3
