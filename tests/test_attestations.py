"""Verdicts from Python: signed by auditors, brought by anybody, found as they stood at any time."""

import hashlib

import pytest
from chain_fixtures import connect_admin
from chain_helpers import account, advance, approve_study, digest, fund, generation, open_study

from synthlib.chain.attestations import (
    FAILED,
    INCONCLUSIVE,
    PASSED,
    Attestation,
    Attestations,
    Verdict,
    default_deadline,
)
from synthlib.chain.connection import Connection
from synthlib.chain.errors import (
    AlreadyAttested,
    AttestationAlreadyRevoked,
    ChainError,
    DeadlinePassed,
    IncompleteLog,
    InvalidSignature,
    NoAccount,
    NotAttested,
    NotAuditor,
    ReleaseDoesNotStand,
    VerdictIsCancelled,
)
from synthlib.chain.registry import ZERO_DIGEST, Ledger
from synthlib.chain.roles import AUDITOR as ROLE
from synthlib.chain.roles import Roles

pytest_plugins = ["chain_fixtures"]

AUDITOR, OTHER, STRANGER = account("auditor"), account("other auditor"), account("stranger")
RELEASE = generation("a").release
ISSUER = account("admin").address
VERDICT = Verdict(RELEASE, ISSUER, PASSED, digest("report"), digest("rubric"), 2**47)


@pytest.fixture
def judges(ledger):
    """Anybody's Attestations: a function of the account. There are two auditors and a release."""
    ledger.record_generation(generation("a"))
    for each in (AUDITOR, OTHER, STRANGER):
        fund(ledger.connection, each.address)
    for each in (AUDITOR, OTHER):
        Roles(ledger).grant(ROLE, each.address)
    return lambda who: Attestations(ledger.acting_as(who))


def bring(judges, verdict=VERDICT, auditor=AUDITOR) -> Attestation:
    return judges(STRANGER).attest(verdict, auditor.address, judges(auditor).sign(verdict))


@pytest.mark.parametrize("outcome", [PASSED, FAILED, INCONCLUSIVE])
def test_a_verdict_is_found_as_it_was_signed(judges, ledger, outcome):
    found = bring(judges, VERDICT._replace(outcome=outcome))
    assert (found.verdict, found.auditor) == (VERDICT._replace(outcome=outcome), AUDITOR.address)
    assert found.id == judges(AUDITOR).id_of(VERDICT._replace(outcome=outcome))
    assert found.time == ledger.connection.get_time(ledger.connection.get_block_number())
    assert (found.revocation_time, found.reason) == (0, ZERO_DIGEST)
    assert judges(STRANGER).find(RELEASE) == [found]
    assert judges(STRANGER).find(digest("another release")) == []
    assert judges(STRANGER).find(RELEASE, ISSUER.lower()) == [found]
    assert judges(STRANGER).find(RELEASE, STRANGER.address) == []


def test_bringing_it_again_changes_nothing(judges, ledger):
    found = bring(judges)
    height = ledger.connection.get_block_number()
    assert bring(judges) == found
    plain = judges(AUDITOR).sign(VERDICT).removeprefix("0x")
    assert judges(STRANGER).attest(VERDICT, AUDITOR.address.lower(), plain) == found
    assert ledger.connection.get_block_number() == height


def test_two_auditors_of_one_mind_are_both_found(judges):
    both = [bring(judges), bring(judges, auditor=OTHER)]
    assert judges(STRANGER).find(RELEASE) == both
    assert [found.auditor for found in both] == [AUDITOR.address, OTHER.address]
    judges(OTHER).revoke(both[1].id, "doubts")
    assert [found.stands_at() for found in judges(STRANGER).find(RELEASE)] == [True, False]


def test_what_was_brought_for_one_auditor_is_not_taken_for_anothers(judges):
    bring(judges)
    with pytest.raises(InvalidSignature):
        judges(STRANGER).attest(VERDICT, OTHER.address, judges(AUDITOR).sign(VERDICT))


def test_a_verdict_taken_back_stood_until_then(judges, ledger):
    found = bring(judges)
    advance(ledger.connection, 1000)
    judges(AUDITOR).revoke(found.id, "a mistake")
    (later,) = judges(STRANGER).find(RELEASE)
    assert later == found._replace(revocation_time=later.revocation_time, reason=later.reason)
    assert later.reason == hashlib.sha256(b"a mistake").hexdigest()
    times = [found.time - 1, found.time, later.revocation_time - 1, later.revocation_time, None]
    assert [later.stands_at(time) for time in times] == [False, True, True, False, False]
    assert found.stands_at() and not found.stands_at(found.time - 1)
    with pytest.raises(AttestationAlreadyRevoked):
        judges(AUDITOR).revoke(found.id, "again")


def test_a_verdict_taken_back_is_given_again_with_another_deadline_alone(judges):
    found = bring(judges)
    judges(AUDITOR).revoke(found.id, "a mistake")
    with pytest.raises(ChainError, match=f"not taken back, {found.id} .* sign it with another --deadline"):
        bring(judges)
    (later,) = judges(STRANGER).find(RELEASE)
    again = bring(judges, VERDICT._replace(deadline=VERDICT.deadline + 1))
    assert again.stands_at() and judges(STRANGER).find(RELEASE) == [later, again]


def test_a_log_that_hides_what_was_brought_is_said_so(judges, monkeypatch):
    lie(monkeypatch, "Attested", lambda said: [])
    with pytest.raises(IncompleteLog, match="expected the Attested event"):
        bring(judges)


def test_a_verdict_is_cancelled_before_it_is_brought(judges, ledger):
    id, signature = judges(AUDITOR).id_of(VERDICT), judges(AUDITOR).sign(VERDICT)
    judges(STRANGER).cancel(id)
    assert judges(AUDITOR).cancellation_time(id) == 0
    assert judges(None).cancellation_time(id, STRANGER.address.lower()) > 0
    judges(AUDITOR).cancel(id)
    height = ledger.connection.get_block_number()
    judges(AUDITOR).cancel(id)
    assert ledger.connection.get_block_number() == height
    assert judges(AUDITOR).cancellation_time(id) == ledger.connection.get_time(height)
    with pytest.raises(VerdictIsCancelled, match="sign it with another --deadline"):
        judges(STRANGER).attest(VERDICT, AUDITOR.address, signature)
    assert judges(STRANGER).find(RELEASE) == []
    found = bring(judges, VERDICT._replace(outcome=FAILED))
    with pytest.raises(AlreadyAttested, match="may still revoke it"):
        judges(AUDITOR).cancel(found.id)


def test_a_deadline_that_nobody_chose_is_the_end_of_a_day_in_a_year(monkeypatch):
    day = 86_400
    monkeypatch.setattr("time.time", lambda: 20_000 * day + 5.5)
    assert default_deadline() == default_deadline(3) == 20_366 * day - 1
    monkeypatch.setattr("time.time", lambda: 20_001 * day - 0.5)
    assert default_deadline() == 20_366 * day - 1  # the same all day long
    assert default_deadline(40_000 * day) == 40_366 * day - 1


@pytest.mark.parametrize("deadline", [None, -1, 2**48, 1.5])
def test_a_deadline_is_a_time_that_fits(judges, deadline):
    with pytest.raises(ValueError, match="expected a deadline of 0 to"):
        judges(AUDITOR).sign(VERDICT._replace(deadline=deadline))


def test_the_contracts_refusals_come_through(judges, ledger):
    with pytest.raises(NotAuditor, match="administrator grants the role"):
        bring(judges, auditor=STRANGER)
    with pytest.raises(ReleaseDoesNotStand):
        bring(judges, VERDICT._replace(release=digest("nothing")))
    now = ledger.connection.get_time(ledger.connection.get_block_number())
    with pytest.raises(DeadlinePassed):
        bring(judges, VERDICT._replace(deadline=now - 1))
    with pytest.raises(InvalidSignature):
        judges(STRANGER).attest(VERDICT, AUDITOR.address, judges(STRANGER).sign(VERDICT))
    found = bring(judges)
    with pytest.raises(NotAttested):
        judges(OTHER).revoke(found.id, "not mine")


def test_who_only_reads_signs_nothing_and_finds_everything(judges):
    found = bring(judges)
    with pytest.raises(NoAccount):
        judges(None).sign(VERDICT)
    assert judges(None).find(RELEASE) == [found]


@pytest.mark.parametrize("outcome", ["unsaid", "Passed", "", 1])
def test_an_outcome_that_is_none_is_refused(judges, outcome):
    with pytest.raises(ValueError, match="passed, failed, inconclusive"):
        judges(AUDITOR).sign(VERDICT._replace(outcome=outcome))


def test_a_verdict_is_on_one_issuers_record_of_the_digest(judges, ledger):
    theirs = approve_study(ledger, account("other researcher")).ledger
    theirs.record_generation(generation("a", researcher="other researcher"))
    mine = bring(judges)
    with pytest.raises(InvalidSignature):
        judges(STRANGER).attest(
            VERDICT._replace(issuer=theirs.sender), AUDITOR.address, judges(AUDITOR).sign(VERDICT)
        )
    other = bring(judges, VERDICT._replace(issuer=theirs.sender, outcome=FAILED))
    assert judges(None).find(RELEASE) == [mine, other]
    assert judges(None).find(RELEASE, ISSUER) == [mine]
    assert judges(None).find(RELEASE, theirs.sender) == [other]


@pytest.mark.parametrize(("issuer", "error"), [(7, TypeError), ("somebody", ValueError)])
def test_an_issuer_that_is_no_address_is_refused(judges, issuer, error):
    with pytest.raises(error, match="issuer: expected 0x and 40"):
        judges(AUDITOR).sign(VERDICT._replace(issuer=issuer))
    with pytest.raises(error, match="issuer: expected 0x and 40"):
        judges(AUDITOR).find(RELEASE, issuer)


# --- a node whose log does not fit its state ---------------------------------------------------------------


def lie(monkeypatch, name, change) -> None:
    """Let every event of this name go through `change`, whether the chain is in process or on a node."""
    real = Ledger.find_events

    def find_events(self, asked=None, *given, **arguments):
        said = real(self, asked, *given, **arguments)
        return change(said) if asked == name else said

    monkeypatch.setattr(Ledger, "find_events", find_events)


def change_words(**words):
    return lambda said: [each._replace(arguments=each.arguments | words) for each in said]


LIES = {
    "outcome": 2,
    "report": digest("another report"),
    "rubric": digest("another rubric"),
    "deadline": 2**47 - 1,
    "issuer": STRANGER.address,
    "auditor": OTHER.address,
}


@pytest.mark.parametrize("name", LIES)
def test_a_log_that_says_another_verdict_than_was_signed_is_found_and_named(judges, monkeypatch, name):
    found = bring(judges)
    lie(monkeypatch, "Attested", change_words(**{name: LIES[name]}))
    with pytest.raises(ChainError, match=rf"{found.id}, .* gave other words .* does not fit its state"):
        judges(None).find(RELEASE)


@pytest.mark.parametrize("name", LIES)
def test_a_verdict_made_up_whole_with_the_id_of_its_words_is_found(judges, monkeypatch, name):
    """Its id is computed as it should be: nothing of it is in the state."""
    found = bring(judges)
    words = VERDICT._asdict() | {"auditor": AUDITOR.address} | {name: LIES[name]}
    auditor = words.pop("auditor")
    outcome = ["unsaid", PASSED, FAILED][words["outcome"]] if name == "outcome" else words["outcome"]
    made_up = judges(None).id_of(Verdict(**words | {"outcome": outcome}), auditor)
    assert made_up != found.id
    lie(monkeypatch, "Attested", change_words(id=made_up, **{name: LIES[name]}))
    with pytest.raises(ChainError, match=f"{made_up}.* does not fit its state"):
        judges(None).find(RELEASE)


def test_a_verdict_of_nobody_is_none(judges, monkeypatch):
    """Zero is what the state says of the auditor of a verdict that was never brought."""
    bring(judges)
    nobody = "0x" + "00" * 20
    made_up = judges(None).id_of(VERDICT, nobody)
    lie(monkeypatch, "Attested", change_words(id=made_up, auditor=nobody))
    with pytest.raises(ChainError, match=f"{made_up}.* does not fit its state"):
        judges(None).find(RELEASE)


@pytest.mark.parametrize("outcome", [0, 4, 255])
def test_an_outcome_that_is_none_in_the_log_is_found(judges, monkeypatch, outcome):
    bring(judges)
    lie(monkeypatch, "Attested", change_words(outcome=outcome))
    with pytest.raises(ChainError, match="does not fit its state"):
        judges(None).find(RELEASE)


def test_a_log_that_hides_or_makes_up_a_taking_back_is_found(judges, ledger, monkeypatch):
    found = bring(judges)
    (attested,) = ledger.find_events("Attested", "Attestations")
    forged = attested._replace(name="AttestationRevoked", arguments={"reason": digest("made up")})
    with monkeypatch.context() as patched:
        lie(patched, "AttestationRevoked", lambda said: [forged])
        with pytest.raises(ChainError, match=f"{found.id} to be taken back as the state says"):
            judges(None).find(RELEASE)
    judges(AUDITOR).revoke(found.id, "a mistake")
    with monkeypatch.context() as patched:
        lie(patched, "AttestationRevoked", lambda said: [])
        with pytest.raises(IncompleteLog, match=f"AttestationRevoked event of {found.id}"):
            judges(None).find(RELEASE)
    lie(monkeypatch, "AttestationRevoked", lambda said: said * 2)
    with pytest.raises(ChainError, match="gave 2 events"):
        judges(None).find(RELEASE)


def test_a_log_that_says_another_reason_for_a_taking_back_is_found(judges, monkeypatch):
    found = bring(judges)
    judges(AUDITOR).revoke(found.id, "a mistake")
    lie(monkeypatch, "AttestationRevoked", change_words(reason=digest("another reason")))
    with pytest.raises(ChainError, match=f"reason .* {found.id} was taken back.* does not fit its state"):
        judges(None).find(RELEASE)


def test_a_node_that_changes_one_word_of_its_log_is_found(node_url, monkeypatch):
    """The same from the node's own bytes: each word of an Attested event's data in turn."""
    ledger = open_study(connect_admin(node_url)).ledger
    ledger.record_generation(generation("a"))
    Roles(ledger).grant(ROLE, ledger.sender)
    mine = Attestations(ledger)
    found = mine.attest(VERDICT, ledger.sender, mine.sign(VERDICT))
    real = Connection.get_logs
    for place in range(5):
        start = 2 + 64 * place

        def change(self, *given, start=start):
            return [
                log
                | {
                    "data": log["data"][: start + 62]
                    + f"{int(log['data'][start + 62 : start + 64], 16) ^ 3:02x}"
                    + log["data"][start + 64 :]
                }
                for log in real(self, *given)
            ]

        with monkeypatch.context() as patched:
            patched.setattr(Connection, "get_logs", change)
            with pytest.raises(ChainError, match=f"{found.id}, .* does not fit its state"):
                mine.find(RELEASE)
    assert mine.find(RELEASE) == [found]


def test_taking_back_takes_words(judges):
    found = bring(judges)
    with pytest.raises(ValueError, match="a reason in words"):
        judges(AUDITOR).revoke(found.id, " ")
