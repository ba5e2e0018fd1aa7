"""Agreements from Python: what is agreed and signed, how long it is in force, and the trail of it all."""


import pytest
from agreement_fixtures import AGREEMENT, GRANTEE, KEY, LATE, OBJECT, STRANGER, names, words
from chain_helpers import DATASET, advance, digest
from eth_abi import encode
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st
from ledger_doubles import Double, Liar, LooksTooEarly, LosesReceipts, changed

from synthlib.chain.agreements import (
    ACCEPTED,
    ENDED,
    LAPSED,
    OFFERED,
    UNKNOWN,
    Agreement,
    Agreements,
    Standing,
)
from synthlib.chain.data_uses import DATA_USES, uses_to_abi
from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import (
    AccessOutOfOrder,
    AlreadyOffered,
    ChainError,
    Expired,
    ExpiryNotLater,
    InvalidSignature,
    NoAccount,
    NotParty,
    NotSteward,
    ObjectIsErased,
    OfferLapsed,
    TransactionTimeout,
    WrongState,
)
from synthlib.chain.registry import ZERO_DIGEST
from synthlib.chain.roles import STEWARD, Roles

pytest_plugins = ["chain_fixtures", "agreement_fixtures"]

# --- from request to end -------------------------------------------------------------------------------


def test_an_agreement_is_followed_from_offer_to_end(steward, grantee, stranger):
    assert steward.find(AGREEMENT.id) == (UNKNOWN, 0, 0, 0, ZERO_DIGEST, 0)
    assert steward.offer(AGREEMENT) == AGREEMENT.id
    assert steward.find(AGREEMENT.id) == (OFFERED, LATE, 0, 0, ZERO_DIGEST, 0)
    accepted = stranger.accept(AGREEMENT, KEY, grantee.sign(AGREEMENT, KEY))
    assert accepted == (ACCEPTED, LATE, accepted.acceptance_time, 0, KEY, 0)
    assert accepted.acceptance_time > 0
    assert steward.renew(AGREEMENT, LATE + 1) == accepted._replace(expiry=LATE + 1)
    ended = grantee.end(AGREEMENT, "enough")
    assert ended == accepted._replace(expiry=LATE + 1, state=ENDED, end_time=ended.end_time)
    assert ended.end_time >= accepted.acceptance_time


def test_the_words_of_an_agreement_come_back_from_its_id(steward, agreed):
    found = steward.open(agreed.id)
    assert found == agreed._replace(uses=("DUO:0000006", "DUO:0000042"))
    assert found.id == agreed.id
    with pytest.raises(ChainError, match="found none under"):
        steward.open("0x" + digest("nothing"))


def test_a_request_has_an_id_and_is_denied_in_words_of_which_the_chain_gets_the_digest(steward, stranger):
    request = stranger.request(DATASET, "to learn", ["DUO:0000042"])
    parts = [bytes.fromhex(DATASET[2:]), STRANGER.address, bytes.fromhex(words("to learn")), [42]]
    expected = keccak(encode(["bytes32", "address", "bytes32", "uint32[]"], parts))
    assert request == "0x" + expected.hex()
    steward.deny_request(request, DATASET, "no ethics approval")
    (said,) = (event for event in steward.trail() if event.name == "RequestDenied")
    assert said.arguments["id"] == request
    assert said.arguments["reason"] == words("no ethics approval")
    assert AGREEMENT._replace(request=request).id != AGREEMENT.id


def test_a_request_is_denied_by_the_steward_who_was_asked_alone(steward, stranger, empty_ledger):
    Roles(empty_ledger).grant(STEWARD, STRANGER.address)
    other = Datasets(empty_ledger.acting_as(STRANGER)).register(digest("other data")).id
    request = steward.request(DATASET, "to learn", ["DUO:0000042"])
    with pytest.raises(NotSteward):
        stranger.deny_request(request, DATASET, "no")
    with pytest.raises(ChainError, match="give that one"):
        stranger.deny_request(request, other, "no")
    with pytest.raises(ChainError, match="found none under"):
        steward.deny_request("0x" + digest("nothing"), DATASET, "no")
    liar = Agreements(Liar(empty_ledger, "Requested", changed(requester=GRANTEE.address)))
    with pytest.raises(ChainError, match="does not fit its state"):
        liar.deny_request(request, DATASET, "no")
    assert names(steward, "RequestDenied") == []


def test_an_offer_lapses_when_the_dataset_is_handed_over(steward, stranger, grantee, empty_ledger):
    Roles(empty_ledger).grant(STEWARD, STRANGER.address)
    steward.offer(AGREEMENT)
    Datasets(empty_ledger).offer(DATASET, STRANGER.address)
    assert steward.find(AGREEMENT.id).state == OFFERED
    Datasets(empty_ledger.acting_as(STRANGER)).accept(DATASET)
    for who in (steward, stranger, grantee):
        assert who.find(AGREEMENT.id) == (LAPSED, LATE, 0, 0, ZERO_DIGEST, 0)
    with pytest.raises(OfferLapsed):
        grantee.accept(AGREEMENT, KEY, grantee.sign(AGREEMENT, KEY))
    with pytest.raises(AlreadyOffered):
        stranger.offer(AGREEMENT)
    theirs = AGREEMENT._replace(expiry=LATE - 1)
    stranger.offer(theirs)
    assert grantee.accept(theirs, KEY, grantee.sign(theirs, KEY)).state == ACCEPTED
    assert stranger.offer(theirs) == theirs.id  # nothing is sent
    assert grantee.end(AGREEMENT, "of no use").state == ENDED


def test_an_offer_is_one_again_once_the_dataset_is_back(steward, stranger, empty_ledger):
    Roles(empty_ledger).grant(STEWARD, STRANGER.address)
    steward.offer(AGREEMENT)
    for giver, taker in ((empty_ledger.account, STRANGER), (STRANGER, empty_ledger.account)):
        Datasets(empty_ledger.acting_as(giver)).offer(DATASET, taker.address)
        Datasets(empty_ledger.acting_as(taker)).accept(DATASET)
        assert steward.find(AGREEMENT.id).state == (LAPSED if taker is STRANGER else OFFERED)


def test_offering_twice_changes_nothing(steward, empty_ledger):
    steward.offer(AGREEMENT)
    height = empty_ledger.connection.get_block_number()
    assert steward.offer(AGREEMENT) == AGREEMENT.id
    assert empty_ledger.connection.get_block_number() == height


def test_an_agreement_that_ended_is_not_offered_again(steward, grantee, agreed):
    grantee.end(agreed, "enough")
    with pytest.raises(AlreadyOffered, match=r"it ended .* offer other words, such as another expiry"):
        steward.offer(agreed)
    withdrawn = AGREEMENT._replace(expiry=LATE - 1)
    steward.offer(withdrawn)
    steward.end(withdrawn, "a slip")
    with pytest.raises(AlreadyOffered, match="such as another expiry"):
        steward.offer(withdrawn)


def test_what_another_steward_offered_is_no_offer_of_ones_own(steward, stranger, grantee, empty_ledger):
    """Whether it is offered or accepted, and the asker is a steward of other data."""
    Roles(empty_ledger).grant(STEWARD, STRANGER.address)
    steward.offer(AGREEMENT)
    with pytest.raises(NotSteward):
        stranger.offer(AGREEMENT)
    grantee.accept(AGREEMENT, KEY, grantee.sign(AGREEMENT, KEY))
    assert steward.offer(AGREEMENT) == AGREEMENT.id
    with pytest.raises(NotSteward):
        stranger.offer(AGREEMENT)
    Datasets(empty_ledger).offer(DATASET, STRANGER.address)
    Datasets(empty_ledger.acting_as(STRANGER)).accept(DATASET)
    assert stranger.offer(AGREEMENT) == AGREEMENT.id  # in force, and theirs now
    with pytest.raises(NotSteward):
        steward.offer(AGREEMENT)


@pytest.mark.parametrize("is_accepted", [False, True])
def test_what_expired_is_not_offered_again(steward, grantee, empty_ledger, is_accepted):
    connection = empty_ledger.connection
    short = AGREEMENT._replace(expiry=connection.get_time(connection.get_block_number()) + 50)
    steward.offer(short)
    if is_accepted:
        grantee.accept(short, KEY, grantee.sign(short, KEY))
    advance(connection, 100)
    with pytest.raises(ExpiryNotLater):
        steward.offer(short)
    if not is_accepted:
        return
    renewed = short._replace(expiry=short.expiry + 100)
    steward.offer(renewed)
    grantee.accept(renewed, KEY, grantee.sign(renewed, KEY))
    steward.renew(renewed, LATE)
    advance(connection, 200)
    assert steward.offer(renewed) == renewed.id


def test_a_grantee_in_lower_case_is_the_same_grantee(steward, grantee):
    lower = AGREEMENT._replace(grantee=GRANTEE.address.lower())
    assert lower.id == AGREEMENT.id
    steward.offer(lower)
    assert grantee.accept(lower, KEY, grantee.sign(lower, KEY)).state == ACCEPTED


def test_only_the_grantee_signs_for_itself(steward, stranger, grantee, empty_ledger):
    steward.offer(AGREEMENT)
    with pytest.raises(InvalidSignature):
        stranger.accept(AGREEMENT, KEY, stranger.sign(AGREEMENT, KEY))
    with pytest.raises(InvalidSignature):
        stranger.accept(AGREEMENT, digest("other key"), grantee.sign(AGREEMENT, KEY))
    with pytest.raises(NoAccount):
        Agreements(empty_ledger.acting_as(None)).sign(AGREEMENT, KEY)
    signature = grantee.sign(AGREEMENT, KEY)
    assert stranger.accept(AGREEMENT, KEY, signature.removeprefix("0x")).state == ACCEPTED


def test_only_the_parties_act(steward, stranger, agreed):
    with pytest.raises(NotSteward):
        stranger.offer(AGREEMENT._replace(terms=digest("other")))
    with pytest.raises(NotSteward):
        stranger.log_access(agreed.id, OBJECT)
    with pytest.raises(NotParty):
        stranger.end(agreed, "no")


# --- accesses ------------------------------------------------------------------------------------------


def test_an_access_says_to_whom_and_for_which_key(steward, agreed):
    access = steward.log_access(agreed.id, OBJECT)
    assert access[:4] == (agreed.id, OBJECT, GRANTEE.address, KEY) and access.number == 1
    assert steward.log_access(agreed.id, f"0x{OBJECT}").number == 1  # the same object
    (said,) = (event for event in steward.trail() if event.name == "Accessed")
    assert said.transaction == access.transaction


def test_no_access_is_logged_outside_of_an_agreement(steward, grantee, empty_ledger):
    with pytest.raises(ChainError, match="an agreement that was offered"):
        steward.log_access(AGREEMENT.id, OBJECT)
    now = empty_ledger.connection.get_time(empty_ledger.connection.get_block_number())
    short = AGREEMENT._replace(expiry=now + 5_000)
    steward.offer(short)
    with pytest.raises(WrongState):
        steward.log_access(short.id, OBJECT)
    standing = grantee.accept(short, KEY, grantee.sign(short, KEY))
    steward.log_access(short.id, OBJECT)
    assert standing.is_in_force(now + 5_000) and not standing.is_in_force(now + 5_001)
    advance(empty_ledger.connection, 6_000)
    with pytest.raises(Expired):
        steward.log_access(short.id, OBJECT)
    with pytest.raises(Expired, match="offer a new one"):
        steward.renew(short, now + 20_000)
    steward.end(short, "misuse")
    with pytest.raises(WrongState):
        steward.log_access(short.id, OBJECT)


def test_what_was_erased_is_not_handed_over(steward, agreed):
    assert not steward.is_erased(DATASET, OBJECT)
    steward.record_erasure(DATASET, OBJECT, digest("certificate"))
    assert steward.is_erased(DATASET, OBJECT)
    with pytest.raises(ObjectIsErased):
        steward.log_access(agreed.id, OBJECT)
    steward.log_access(agreed.id, digest("another object"))


@pytest.mark.parametrize(
    ("standing", "time", "is_in_force"),
    [
        (Standing(ACCEPTED, 20, 10, 0, KEY, 0), 9, False),
        (Standing(ACCEPTED, 20, 10, 0, KEY, 0), 10, True),
        (Standing(ACCEPTED, 20, 10, 0, KEY, 0), 20, True),
        (Standing(ACCEPTED, 20, 10, 0, KEY, 0), 21, False),
        (Standing(OFFERED, 20, 0, 0, ZERO_DIGEST, 0), 15, False),
        (Standing(ENDED, 20, 10, 15, KEY, 0), 16, False),
    ],
)
def test_an_agreement_is_in_force_from_acceptance_to_expiry(standing, time, is_in_force):
    assert standing.is_in_force(time) == is_in_force


# --- what is sent again --------------------------------------------------------------------------------


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen", "not seen yet"])
def test_an_access_whose_receipt_was_lost_is_logged_once(steward, agreed, empty_ledger, is_seen):
    ledger = LosesReceipts(empty_ledger) if is_seen else LooksTooEarly(empty_ledger, "statusOf")
    unlucky = Agreements(ledger)
    with pytest.raises(TransactionTimeout):
        unlucky.log_access(agreed.id, OBJECT)
    again = unlucky.log_access(agreed.id, OBJECT)
    assert again == steward.log_access(agreed.id, OBJECT)
    assert again[:4] == (agreed.id, OBJECT, GRANTEE.address, KEY) and again.number == 1
    (said,) = names(steward, "Accessed")
    assert said.transaction == again.transaction
    assert steward.log_access(agreed.id, digest("another object")).number == 2


def test_an_object_that_was_handed_over_is_not_handed_over_again_after_the_end(steward, grantee, agreed):
    steward.log_access(agreed.id, OBJECT)
    steward.log_access(agreed.id, OBJECT)
    grantee.end(agreed, "enough")
    with pytest.raises(WrongState):
        steward.log_access(agreed.id, OBJECT)
    assert len(names(steward, "Accessed")) == 1


def test_who_is_overtaken_by_others_takes_the_next_number(steward, agreed, empty_ledger):
    class Overtaken(Double):
        def send(self, name, *arguments, **options):
            if self.others:
                Agreements(self._ledger).log_access(agreed.id, digest(self.others.pop()))
            return self._ledger.send(name, *arguments, **options)

    slow = Overtaken(empty_ledger)
    slow.others = ["one", "two"]
    assert Agreements(slow).log_access(agreed.id, OBJECT).number == 3
    slow.others = ["three", "four", "five"]
    with pytest.raises(AccessOutOfOrder):
        Agreements(slow).log_access(agreed.id, digest("another"))
    assert [event.arguments["number"] for event in names(steward, "Accessed")] == [1, 2, 3, 4, 5, 6]


def test_a_denial_in_the_same_words_is_logged_once(steward, empty_ledger):
    unlucky = Agreements(LosesReceipts(empty_ledger))
    with pytest.raises(TransactionTimeout):
        unlucky.log_denial(DATASET, OBJECT, STRANGER.address, "no agreement")
    for address in (STRANGER.address, STRANGER.address.lower()):
        unlucky.log_denial(DATASET, OBJECT, address, "no agreement")
    assert len(names(steward, "AccessDenied")) == 1
    steward.log_denial(DATASET, OBJECT, STRANGER.address, "other words")
    steward.log_denial(DATASET, OBJECT, GRANTEE.address, "no agreement")
    assert len(names(steward, "AccessDenied")) == 3


def test_what_was_done_already_is_not_sent_again(steward, grantee, agreed, empty_ledger):
    signature = grantee.sign(agreed, KEY)
    steward.renew(agreed, LATE + 1)
    steward.record_erasure(DATASET, OBJECT, digest("certificate"))
    height = empty_ledger.connection.get_block_number()
    assert steward.accept(agreed, KEY, signature).encryption_key == KEY
    assert steward.renew(agreed, LATE + 1).expiry == LATE + 1
    steward.record_erasure(DATASET, OBJECT, digest("certificate"))
    with pytest.raises(ObjectIsErased):
        steward.record_erasure(DATASET, OBJECT, digest("another certificate"))
    with pytest.raises(WrongState):
        steward.accept(agreed, digest("another key"), grantee.sign(agreed, digest("another key")))
    assert empty_ledger.connection.get_block_number() == height


# --- words ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["request", "deny_request", "end", "log_denial"])
def test_empty_words_are_refused(steward, act):
    arguments = {
        "request": (DATASET, " ", ["DUO:0000042"]),
        "deny_request": ("0x" + digest("request"), DATASET, ""),
        "end": (AGREEMENT, "\n"),
        "log_denial": (DATASET, OBJECT, STRANGER.address, ""),
    }
    with pytest.raises(ValueError, match="in words, got none"):
        getattr(steward, act)(*arguments[act])


@given(st.sets(st.integers(0, 9_999_999), min_size=1, max_size=16), st.randoms())
def test_uses_are_told_by_their_numbers_ascending(numbers, random):
    uses = [f"DUO:{number:07d}" for number in numbers] * 2
    random.shuffle(uses)
    assert uses_to_abi(uses) == sorted(numbers)
    shuffled, plain = AGREEMENT._replace(uses=tuple(uses)), AGREEMENT._replace(uses=tuple(set(uses)))
    assert shuffled.id == plain.id


@pytest.mark.parametrize("use", ["DUO:42", "DUO_0000042", "duo:0000042", "DUO:00000042", "DUO:0000042\n", ""])
def test_other_codes_are_no_uses(use):
    with pytest.raises(ValueError, match="codes such as DUO:0000042"):
        uses_to_abi([use])


def test_the_uses_that_are_offered_are_codes():
    assert uses_to_abi(list(DATA_USES)) == [int(use[4:]) for use in DATA_USES]
    assert len(set(DATA_USES.values())) == len(DATA_USES)


@given(
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=20, max_size=20),
    st.lists(st.integers(0, 9_999_999), min_size=1, max_size=16, unique=True),
    st.integers(0, 2**40 - 1),
)
def test_an_id_is_the_hash_of_all_words(dataset, grantee, uses, expiry):
    codes = tuple(f"DUO:{use:07d}" for use in uses)
    agreement = Agreement(dataset.hex(), "0x" + grantee.hex(), "1" * 64, "2" * 64, codes, expiry, "3" * 64)
    digests = [bytes.fromhex(each * 64) for each in "123"]
    # By hand: offset of the struct, its words, in place of the uses their offset, then the uses.
    uses_part = [len(uses).to_bytes(32, "big"), *(use.to_bytes(32, "big") for use in sorted(uses))]
    head = [dataset, grantee.rjust(32, b"\0"), digests[0], digests[1], (224).to_bytes(32, "big")]
    tail = [expiry.to_bytes(32, "big"), digests[2], *uses_part]
    assert agreement.id == "0x" + keccak((32).to_bytes(32, "big") + b"".join(head + tail)).hex()
