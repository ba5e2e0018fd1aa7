"""Agreements from Python: what is agreed and signed, how long it is in force, and the trail of it all."""

import hashlib

import pytest
from chain_helpers import COMMITMENT, DATASET, account, advance, contract_of, digest, fund
from eth_abi import encode
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st

from synthlib.chain.agreements import (
    ACCEPTED,
    DATA_USES,
    ENDED,
    OFFERED,
    TRAIL,
    UNKNOWN,
    Agreement,
    Agreements,
    Standing,
    uses_to_abi,
)
from synthlib.chain.contracts import load_artifact
from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import (
    ChainError,
    Expired,
    InvalidSignature,
    NoAccount,
    NotParty,
    NotSteward,
    ObjectIsErased,
    WrongState,
)
from synthlib.chain.registry import ZERO_DIGEST

pytest_plugins = ["chain_fixtures"]

GRANTEE, STRANGER = account("grantee"), account("stranger")
KEY, OBJECT = digest("public key"), digest("sealed object")
LATE = 2**47
AGREEMENT = Agreement(
    DATASET, GRANTEE.address, digest("terms"), digest("purpose"), ("DUO:0000042", "DUO:0000006"), LATE
)


@pytest.fixture
def steward(empty_ledger) -> Agreements:
    """The agreements as the steward of a dataset acts on them."""
    Datasets(empty_ledger).register(COMMITMENT)
    for each in (GRANTEE, STRANGER):
        fund(empty_ledger.connection, each.address)
    return Agreements(empty_ledger)


@pytest.fixture
def grantee(steward, empty_ledger) -> Agreements:
    return Agreements(empty_ledger.acting_as(GRANTEE))


@pytest.fixture
def stranger(steward, empty_ledger) -> Agreements:
    return Agreements(empty_ledger.acting_as(STRANGER))


@pytest.fixture
def agreed(steward, grantee, stranger) -> Agreement:
    """An agreement in force; a stranger brought the signature."""
    steward.offer(AGREEMENT)
    stranger.accept(AGREEMENT, KEY, grantee.sign(AGREEMENT, KEY))
    return AGREEMENT


def words(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# --- from request to end -------------------------------------------------------------------------------


def test_an_agreement_is_followed_from_offer_to_end(steward, grantee, stranger):
    assert steward.find(AGREEMENT.id) == (UNKNOWN, 0, 0, 0, ZERO_DIGEST)
    assert steward.offer(AGREEMENT) == AGREEMENT.id
    assert steward.find(AGREEMENT.id) == (OFFERED, LATE, 0, 0, ZERO_DIGEST)
    accepted = stranger.accept(AGREEMENT, KEY, grantee.sign(AGREEMENT, KEY))
    assert accepted == (ACCEPTED, LATE, accepted.acceptance_time, 0, KEY)
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


def test_offering_twice_changes_nothing(steward, empty_ledger):
    steward.offer(AGREEMENT)
    height = empty_ledger.connection.get_block_number()
    assert steward.offer(AGREEMENT) == AGREEMENT.id
    assert empty_ledger.connection.get_block_number() == height


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
    assert access[:4] == (agreed.id, OBJECT, GRANTEE.address, KEY)
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
    steward.renew(short, now + 20_000)
    steward.log_access(short.id, OBJECT)
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
        (Standing(ACCEPTED, 20, 10, 0, KEY), 9, False),
        (Standing(ACCEPTED, 20, 10, 0, KEY), 10, True),
        (Standing(ACCEPTED, 20, 10, 0, KEY), 20, True),
        (Standing(ACCEPTED, 20, 10, 0, KEY), 21, False),
        (Standing(OFFERED, 20, 0, 0, ZERO_DIGEST), 15, False),
        (Standing(ENDED, 20, 10, 15, KEY), 16, False),
    ],
)
def test_an_agreement_is_in_force_from_acceptance_to_expiry(standing, time, is_in_force):
    assert standing.is_in_force(time) == is_in_force


# --- the trail -----------------------------------------------------------------------------------------


def test_the_trail_holds_everything_in_the_order_of_the_chain(steward, grantee, stranger, agreed):
    stranger.request(DATASET, "to learn", ["DUO:0000042"])
    steward.log_access(agreed.id, OBJECT)
    steward.log_denial(DATASET, OBJECT, STRANGER.address.lower(), "no agreement")
    steward.log_access(agreed.id, OBJECT)
    steward.renew(agreed, LATE + 1)
    steward.record_erasure(DATASET, OBJECT, digest("certificate"))
    grantee.end(agreed, "enough")
    assert [event.name for event in steward.trail()] == [
        *("Offered", "Accepted", "Requested", "Accessed", "AccessDenied", "Accessed"),
        *("Renewed", "ObjectErased", "Ended"),
    ]
    denied = steward.trail()[4].arguments
    assert (denied["account"], denied["reason"]) == (STRANGER.address, words("no agreement"))
    assert steward.trail()[-1].arguments["reason"] == words("enough")


def test_events_of_one_block_keep_their_order(steward, agreed, empty_ledger):
    """On a node several transactions share a block: an erasure before a denial is shown before it."""
    connection = empty_ledger.connection
    if connection.is_in_process:
        pytest.skip("the in-process chain puts every transaction into a block of its own")
    request = connection.web3.provider.make_request
    contract = contract_of(empty_ledger, "Agreements")
    own, nonce = empty_ledger.account, connection._nonce(empty_ledger.account.address)
    thing, reason = bytes.fromhex(OBJECT), b"\1" * 32
    calls = [
        ("eraseObject", [bytes.fromhex(DATASET[2:]), thing, reason]),
        ("logDenial", [bytes.fromhex(DATASET[2:]), thing, STRANGER.address, reason]),
        ("logAccess", [agreed.to_abi(), b"\2" * 32]),
        ("logDenial", [bytes.fromhex(DATASET[2:]), thing, GRANTEE.address, reason]),
    ]
    request("evm_setAutomine", [False])
    try:
        for number, (name, arguments) in enumerate(calls):
            message = {"from": own.address, "gas": 300_000, "nonce": nonce + number, "chainId": 31337}
            message |= {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9}
            filled = contract.functions[name](*arguments).build_transaction(message)
            connection.web3.eth.send_raw_transaction(own.sign_transaction(filled).raw_transaction)
        request("evm_mine", [])
    finally:
        request("evm_setAutomine", [True])
    said = steward.trail()[-4:]
    assert len({event.block for event in said}) == 1
    assert [event.name for event in said] == ["ObjectErased", "AccessDenied", "Accessed", "AccessDenied"]


def test_the_trail_leaves_no_event_of_ours_out():
    said = {entry["name"] for entry in load_artifact("Agreements")["abi"] if entry["type"] == "event"}
    assert said - set(TRAIL) == {"EIP712DomainChanged"}
    assert len(set(TRAIL)) == len(TRAIL)


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
    st.integers(0, 2**48 - 1),
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
