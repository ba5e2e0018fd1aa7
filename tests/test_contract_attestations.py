"""Verdicts on releases: whose signature is taken, for what, and until when; on both chains."""

import pytest
from chain_helpers import account, digest
from contract_world import (
    ADMIN,
    AUDITOR,
    AUDITOR_ROLE,
    GRANTEE,
    NOBODY,
    NOTHING,
    OPEN,
    OTHER_RESEARCHER,
    REASON,
    RESEARCHER,
    STRANGER,
    made,
    raw,
    refuses,
)
from eth_utils import keccak
from signatures import NO_WALLET, WALLET, create, misspell, sign

from synthlib.chain.attestations import Attestations, Verdict
from synthlib.chain.contracts import find_addresses
from synthlib.chain.errors import (
    AlreadyAttested,
    AttestationAlreadyRevoked,
    ContractError,
    DeadlinePassed,
    InvalidSignature,
    NotAttested,
    NotAuditor,
    OutcomeUnsaid,
    Paused,
    ReleaseDoesNotStand,
    VerdictIsCancelled,
    ZeroDigest,
)

pytest_plugins = ["chain_fixtures", "contract_fixtures"]

LATE = 2**47
WORDS = (
    raw(made().release),
    RESEARCHER.address,
    1,
    keccak(text="report"),
    keccak(text="rubric"),
    LATE,
)
FIELDS = {
    "auditor": "address",
    "release": "bytes32",
    "issuer": "address",
    "outcome": "uint8",
    "report": "bytes32",
    "rubric": "bytes32",
    "deadline": "uint48",
}


@pytest.fixture
def judged(world):
    """A world with a release to judge."""
    world.record()
    return world


def signed(world, words=WORDS, auditor=AUDITOR, signer=None, chain=None, address=None) -> bytes:
    values = dict(zip(FIELDS, (auditor.address, *words), strict=True))
    place = address or world.ledger.addresses["Attestations"]
    chain = chain or world.connection.chain_id
    return sign(signer or auditor, "Attestations", place, chain, "Verdict", FIELDS, values)


def bring(world, words=WORDS, auditor=AUDITOR, signature=None, party=STRANGER):
    signature = signed(world, words, auditor) if signature is None else signature
    return world.send(party, "attest", words, auditor.address, signature)


def id_of(world, words=WORDS, auditor=AUDITOR) -> bytes:
    return world.call("idOf", words, auditor.address)


def changed(**fields):
    return tuple((dict(zip(list(FIELDS)[1:], WORDS, strict=True)) | fields).values())


# --- events and what is stored -------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [1, 2, 3])
def test_a_verdict_emits_attested_and_is_stored(judged, outcome):
    words = changed(outcome=outcome)
    (said,) = bring(judged, words)
    assert said.name == "Attested"
    assert said.arguments == {
        "id": "0x" + id_of(judged, words).hex(),
        "release": made().release,
        "auditor": AUDITOR.address,
        "issuer": RESEARCHER.address,
        "outcome": outcome,
        "report": keccak(text="report").hex(),
        "rubric": keccak(text="rubric").hex(),
        "deadline": LATE,
    }
    assert judged.call("attestationOf", id_of(judged, words)) == (AUDITOR.address, judged.now(), 0, bytes(20))


def test_taking_back_emits_attestation_revoked(judged):
    bring(judged)
    time = judged.now()
    (said,) = judged.send(AUDITOR, "revokeAttestation", id_of(judged), REASON)
    assert (said.name, said.arguments) == (
        "AttestationRevoked",
        {"id": "0x" + id_of(judged).hex(), "auditor": AUDITOR.address, "reason": REASON.hex()},
    )
    assert judged.call("attestationOf", id_of(judged)) == (NOBODY, time, judged.now(), REASON[:20])


def test_the_id_is_what_python_predicts_and_holds_the_auditor(judged):
    verdict = Verdict(made().release, RESEARCHER.address, "passed", WORDS[3].hex(), WORDS[4].hex(), LATE)
    for auditor in (AUDITOR, GRANTEE):
        predicted = Attestations(judged.acting(auditor)).id_of(verdict)
        assert predicted == "0x" + id_of(judged, auditor=auditor).hex()
    others = [changed(**{field: b"\1" * 32}) for field in ("release", "report", "rubric")]
    others += [changed(issuer=NOBODY), changed(outcome=2), changed(deadline=LATE - 1), WORDS]
    ids = {id_of(judged, words) for words in others} | {id_of(judged, auditor=GRANTEE)}
    assert len(ids) == 8
    assert judged.call("attestationOf", id_of(judged)) == (NOBODY, 0, 0, bytes(20))


def test_two_auditors_may_find_the_same(judged):
    judged.send(ADMIN, "grantRole", AUDITOR_ROLE, GRANTEE.address)
    bring(judged)
    (said,) = bring(judged, auditor=GRANTEE)
    assert said.arguments["auditor"] == GRANTEE.address
    judged.send(AUDITOR, "revokeAttestation", id_of(judged), REASON)
    assert judged.call("attestationOf", id_of(judged, auditor=GRANTEE))[2] == 0


@pytest.mark.parametrize("party", [AUDITOR, STRANGER])
def test_a_verdict_is_taken_back_once(judged, party):
    bring(judged)
    judged.send(AUDITOR, "revokeAttestation", id_of(judged), REASON)
    with refuses(AttestationAlreadyRevoked, id_of(judged).hex()):
        judged.send(party, "revokeAttestation", id_of(judged), keccak(text="another reason"))


def test_a_release_that_failed_its_gate_is_judged(judged):
    judged.record("failed", gate=REASON)
    (said,) = bring(judged, changed(release=raw(made("failed").release)))
    assert said.name == "Attested"


# --- signatures ----------------------------------------------------------------------------------------


def refused_signature(world, signature, auditor=AUDITOR, words=WORDS):
    with refuses(InvalidSignature, auditor.address, id_of(world, words, auditor).hex()):
        bring(world, words, auditor, signature)


def test_a_signature_for_another_chain_reverts(judged):
    refused_signature(judged, signed(judged, chain=judged.connection.chain_id + 1))


@pytest.mark.parametrize("contract", ["ProvenanceRegistry", "Agreements", "another registry's"])
def test_a_signature_for_another_contract_reverts(judged, contract):
    addresses = judged.ledger.addresses
    place = addresses.get(contract) or find_addresses(account("registry").address)["Attestations"]
    refused_signature(judged, signed(judged, address=place))


def test_a_signature_by_another_reverts(judged):
    refused_signature(judged, signed(judged, signer=STRANGER))
    judged.send(ADMIN, "grantRole", AUDITOR_ROLE, GRANTEE.address)
    refused_signature(judged, signed(judged, auditor=GRANTEE))


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": 2},
        {"report": b"\1" * 32},
        {"rubric": b"\1" * 32},
        {"deadline": LATE - 1},
    ],
    ids=str,
)
def test_a_signature_of_other_words_reverts(judged, change):
    refused_signature(judged, signed(judged), words=changed(**change))


def test_a_signature_on_another_release_reverts(judged):
    judged.record("b")
    refused_signature(judged, signed(judged), words=changed(release=raw(made("b").release)))


def test_a_signature_on_anothers_record_of_the_digest_reverts(judged):
    theirs = OPEN._replace(researcher=OTHER_RESEARCHER.address)
    judged.register(theirs, OTHER_RESEARCHER)
    judged.approve(theirs, 0, 1)
    judged.send(OTHER_RESEARCHER, "logAttempt", raw(theirs.id), 1, keccak(text="attempt"))
    judged.record(party=OTHER_RESEARCHER, protocol=theirs.id)
    others = changed(issuer=OTHER_RESEARCHER.address)
    refused_signature(judged, signed(judged), words=others)
    bring(judged, others)
    bring(judged)


def test_other_spellings_of_a_signature_revert(judged):
    signature = signed(judged)
    for spelling in misspell(signature).values():
        refused_signature(judged, spelling)
    bring(judged, signature=signature)


def test_a_wallet_signs_by_its_own_rule(judged):
    class Wallet:
        address = create(judged.connection, STRANGER, WALLET)

    judged.send(ADMIN, "grantRole", AUDITOR_ROLE, Wallet.address)
    digest_signed = id_of(judged, auditor=Wallet)
    refused_signature(judged, b"\1" * 32, Wallet)
    refused_signature(judged, b"", Wallet)
    (said,) = bring(judged, auditor=Wallet, signature=digest_signed)
    assert said.arguments["auditor"] == Wallet.address


@pytest.mark.parametrize("code", [NO_WALLET, b"\x00", b"\xfe"], ids=["says no", "says nothing", "fails"])
def test_a_contract_that_is_no_wallet_signs_nothing(judged, code):
    class Contract:
        address = create(judged.connection, STRANGER, code)

    judged.send(ADMIN, "grantRole", AUDITOR_ROLE, Contract.address)
    refused_signature(judged, id_of(judged, auditor=Contract), Contract)


# --- other errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("party", [STRANGER, RESEARCHER, ADMIN])
def test_a_verdict_of_no_auditor_reverts(judged, party):
    with refuses(NotAuditor, party.address):
        bring(judged, auditor=party)


def test_a_verdict_of_a_former_auditor_reverts_and_earlier_ones_stay(judged):
    bring(judged)
    judged.send(ADMIN, "revokeRole", AUDITOR_ROLE, AUDITOR.address)
    with refuses(NotAuditor, AUDITOR.address):
        bring(judged, changed(outcome=2))
    assert judged.call("attestationOf", id_of(judged))[0] == AUDITOR.address
    judged.send(AUDITOR, "revokeAttestation", id_of(judged), REASON)


def test_a_verdict_on_nothing_or_on_what_was_withdrawn_reverts(judged):
    with refuses(ReleaseDoesNotStand, digest("nothing"), RESEARCHER.address):
        bring(judged, changed(release=raw(digest("nothing"))))
    with refuses(ReleaseDoesNotStand, made().release, OTHER_RESEARCHER.address):
        bring(judged, changed(issuer=OTHER_RESEARCHER.address))
    judged.send(RESEARCHER, "revoke", raw(made().release), REASON)
    with refuses(ReleaseDoesNotStand, made().release, RESEARCHER.address):
        bring(judged)


def test_a_verdict_brought_twice_reverts_also_after_it_was_taken_back(judged):
    bring(judged)
    for _ in range(2):
        with refuses(AlreadyAttested, id_of(judged).hex()):
            bring(judged)
        if judged.call("attestationOf", id_of(judged))[2] == 0:
            judged.send(AUDITOR, "revokeAttestation", id_of(judged), REASON)


def test_a_verdict_is_taken_until_the_last_second_of_its_deadline(judged):
    deadline = judged.now() + 1000
    words = changed(deadline=deadline)
    judged.next_block_at(deadline)
    bring(judged, words)
    judged.next_block_at(deadline + 1)
    with refuses(DeadlinePassed, deadline, deadline + 1):
        bring(judged, changed(deadline=deadline, outcome=2))


def test_a_verdict_that_says_nothing_reverts(judged):
    with refuses(OutcomeUnsaid, made().release):
        bring(judged, changed(outcome=0))


def test_a_verdict_with_an_unknown_outcome_reverts(judged):
    with pytest.raises(ContractError, match="reverted"):
        bring(judged, changed(outcome=4), signature=b"\1" * 65)


@pytest.mark.parametrize("field", ["report", "rubric"])
def test_a_verdict_without_a_digest_reverts(judged, field):
    with refuses(ZeroDigest, field):
        bring(judged, changed(**{field: NOTHING}))


@pytest.mark.parametrize("party", [STRANGER, ADMIN, RESEARCHER, OTHER_RESEARCHER])
def test_taking_back_by_another_reverts(judged, party):
    bring(judged)
    with refuses(NotAttested, id_of(judged).hex(), party.address):
        judged.send(party, "revokeAttestation", id_of(judged), REASON)


def test_taking_back_nothing_reverts(judged):
    with refuses(NotAttested, id_of(judged).hex(), AUDITOR.address):
        judged.send(AUDITOR, "revokeAttestation", id_of(judged), REASON)


def test_taking_back_twice_reverts(judged):
    bring(judged)
    judged.send(AUDITOR, "revokeAttestation", id_of(judged), REASON)
    with refuses(AttestationAlreadyRevoked, id_of(judged).hex()):
        judged.send(AUDITOR, "revokeAttestation", id_of(judged), REASON)


def test_taking_back_without_a_reason_reverts(judged):
    bring(judged)
    with refuses(ZeroDigest, "reason"):
        judged.send(AUDITOR, "revokeAttestation", id_of(judged), NOTHING)


# --- cancelled before it is brought -------------------------------------------------------------------------


def cancel(world, party=AUDITOR, words=WORDS, auditor=AUDITOR):
    return world.send(party, "cancelVerdict", id_of(world, words, auditor))


def test_cancelling_emits_verdict_cancelled_and_bringing_it_reverts(judged):
    signature, id = signed(judged), id_of(judged)
    (said,) = cancel(judged)
    assert (said.name, said.arguments) == (
        "VerdictCancelled",
        {"id": "0x" + id.hex(), "auditor": AUDITOR.address},
    )
    assert judged.call("cancellationOf", id, AUDITOR.address) == judged.now()
    with refuses(VerdictIsCancelled, id.hex()):
        bring(judged, signature=signature)
    with refuses(VerdictIsCancelled, id.hex()):
        cancel(judged)
    bring(judged, changed(outcome=2))  # another verdict


@pytest.mark.parametrize("party", [STRANGER, RESEARCHER, ADMIN])
def test_nobody_cancels_what_another_signed(judged, party):
    cancel(judged, party)
    assert judged.call("cancellationOf", id_of(judged), AUDITOR.address) == 0
    bring(judged)


def test_what_was_brought_is_not_cancelled_any_more(judged):
    bring(judged)
    with refuses(AlreadyAttested, id_of(judged).hex()):
        cancel(judged)


def test_who_lost_the_role_still_cancels_also_while_paused(judged):
    judged.send(ADMIN, "revokeRole", AUDITOR_ROLE, AUDITOR.address)
    judged.send(ADMIN, "pause")
    cancel(judged)
    judged.send(ADMIN, "unpause")
    judged.send(ADMIN, "grantRole", AUDITOR_ROLE, AUDITOR.address)
    with refuses(VerdictIsCancelled, id_of(judged).hex()):
        bring(judged)


def test_no_verdict_is_taken_while_paused_and_each_can_be_taken_back(judged):
    bring(judged)
    judged.send(ADMIN, "pause")
    with refuses(Paused):
        bring(judged, changed(outcome=2))
    judged.send(AUDITOR, "revokeAttestation", id_of(judged), REASON)
