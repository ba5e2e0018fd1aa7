"""Verdicts from Python: signed by auditors, brought by anybody, found as they stood at any time."""

import hashlib

import pytest
from chain_helpers import account, advance, digest, fund, generation

from synthlib.chain.attestations import FAILED, INCONCLUSIVE, PASSED, Attestation, Attestations, Verdict
from synthlib.chain.errors import (
    AttestationAlreadyRevoked,
    DeadlinePassed,
    InvalidSignature,
    NoAccount,
    NotAttested,
    NotAuditor,
    ReleaseDoesNotStand,
)
from synthlib.chain.registry import ZERO_DIGEST
from synthlib.chain.roles import AUDITOR as ROLE
from synthlib.chain.roles import Roles

pytest_plugins = ["chain_fixtures"]

AUDITOR, OTHER, STRANGER = account("auditor"), account("other auditor"), account("stranger")
RELEASE = generation("a").release
VERDICT = Verdict(RELEASE, PASSED, digest("report"), digest("rubric"), 2**47)


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
    assert found[1:6] == (RELEASE, outcome, VERDICT.report, VERDICT.rubric, AUDITOR.address)
    assert found.id == judges(AUDITOR).id_of(VERDICT._replace(outcome=outcome))
    assert found.time == ledger.connection.get_time(ledger.connection.get_block_number())
    assert (found.revocation_time, found.reason) == (0, ZERO_DIGEST)
    assert judges(STRANGER).find(RELEASE) == [found]
    assert judges(STRANGER).find(digest("another release")) == []


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
    assert bring(judges) == later


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


def test_taking_back_takes_words(judges):
    found = bring(judges)
    with pytest.raises(ValueError, match="a reason in words"):
        judges(AUDITOR).revoke(found.id, " ")
