"""Agreements on the chain: requested, offered, signed, in force, ended, and what is logged under them."""

import pytest
from agreement_helpers import (
    AGREEMENT,
    CERTIFICATE,
    ID,
    KEY,
    LATE,
    OBJECT,
    accept,
    access,
    end,
    offer,
    signed,
    status,
)
from chain_helpers import digest
from contract_world import (
    ADMIN,
    BUDGET,
    DATA,
    DATASET,
    GRANTEE,
    NOBODY,
    NOTHING,
    OPEN,
    OTHER_STEWARD,
    REASON,
    STEWARD,
    STEWARD_ROLE,
    STRANGER,
    hashed,
    raw,
    refuses,
    told,
)
from eth_abi import encode
from eth_utils import keccak

from synthlib.chain.agreements import chain_accesses
from synthlib.chain.errors import (
    AccessControlUnauthorizedAccount,
    AccessOutOfOrder,
    AlreadyOffered,
    DatasetNotActive,
    Expired,
    ExpiryNotLater,
    InvalidUses,
    NotParty,
    NotSteward,
    ObjectIsErased,
    OfferLapsed,
    Paused,
    WrongState,
    ZeroAddress,
    ZeroDigest,
)

pytest_plugins = ["chain_fixtures", "contract_fixtures"]

UNKNOWN, OFFERED, ACCEPTED, ENDED = range(4)


def head_of(key, *objects) -> bytes:
    """The head that Python predicts."""
    return bytes.fromhex(chain_accesses(ID, key.hex(), [thing.hex() for thing in objects]))


@pytest.fixture
def agreed(world):
    """A world with an agreement in force."""
    offer(world)
    accept(world)
    return world


# --- events and what is stored -------------------------------------------------------------------------


def test_request_emits_requested_with_the_id_that_python_predicts(world):
    purpose, uses = hashed("purpose"), [6, 42]
    (said,) = world.send(STRANGER, "request", DATA, purpose, uses)
    words = encode(["bytes32", "address", "bytes32", "uint32[]"], [DATA, STRANGER.address, purpose, uses])
    assert said.name == "Requested"
    assert said.arguments == {
        "id": "0x" + keccak(words).hex(),
        "dataset": DATASET,
        "requester": STRANGER.address,
        "purpose": purpose.hex(),
        "uses": uses,
    }


ASKED = (STRANGER.address, hashed("purpose"), [6, 42])


def test_denial_of_a_request_emits_request_denied_with_the_id_of_its_words(world):
    (asked,) = world.send(STRANGER, "request", DATA, *ASKED[1:])
    (said,) = world.send(STEWARD, "denyRequest", DATA, *ASKED, REASON)
    assert (said.name, said.arguments) == (
        "RequestDenied",
        {
            "id": asked.arguments["id"],
            "dataset": DATASET,
            "steward": STEWARD.address,
            "reason": REASON.hex(),
        },
    )


def test_a_steward_of_another_dataset_denies_no_request(world):
    (asked,) = world.send(STRANGER, "request", DATA, *ASKED[1:])
    (registered,) = world.send(OTHER_STEWARD, "registerDataset", hashed("other data"), 0, 1)
    with refuses(NotSteward, DATASET[2:], OTHER_STEWARD.address):
        world.send(OTHER_STEWARD, "denyRequest", DATA, *ASKED, REASON)
    theirs = registered.arguments["dataset"]
    (said,) = world.send(OTHER_STEWARD, "denyRequest", raw(theirs), *ASKED, REASON)
    assert said.arguments["dataset"] == theirs
    assert said.arguments["id"] != asked.arguments["id"]  # the same words of another dataset


def test_offer_emits_offered_with_all_words_and_the_id_that_python_predicts(world):
    assert world.call("offer", AGREEMENT.to_abi(), party=STEWARD).hex() == ID
    (said,) = offer(world)
    assert said.name == "Offered"
    assert said.arguments == {
        "id": "0x" + ID,
        "dataset": DATASET,
        "grantee": GRANTEE.address,
        "agreement": AGREEMENT._asdict() | {"uses": [6, 42]},
    }
    assert status(world) == (OFFERED, LATE, 0, 0, 0, raw(STEWARD.address)[:13])


def test_acceptance_emits_accepted_with_the_key_whoever_brings_it(world):
    offer(world)
    (said,) = accept(world)
    assert (said.name, said.arguments) == (
        "Accepted",
        {"id": "0x" + ID, "grantee": GRANTEE.address, "encryptionKey": KEY.hex()},
    )
    assert status(world) == (ACCEPTED, LATE, world.now(), 0, 0, head_of(KEY))


def test_renewal_emits_renewed(agreed):
    (said,) = agreed.send(STEWARD, "renew", AGREEMENT.to_abi(), LATE + 1)
    assert (said.name, said.arguments) == ("Renewed", {"id": "0x" + ID, "expiry": LATE + 1})
    assert status(agreed)[1] == LATE + 1


@pytest.mark.parametrize("party", [STEWARD, GRANTEE], ids=["steward", "grantee"])
def test_end_emits_ended_and_nothing_is_logged_afterwards(agreed, party):
    time = agreed.now()
    (said,) = end(agreed, party)
    assert (said.name, said.arguments) == (
        "Ended",
        {"id": "0x" + ID, "account": party.address, "reason": REASON.hex()},
    )
    assert status(agreed) == (ENDED, LATE, time, agreed.now(), 0, head_of(KEY))
    with refuses(WrongState, ID, ENDED):
        access(agreed)


def test_access_emits_accessed(agreed):
    (said,) = access(agreed)
    assert (said.name, said.arguments) == (
        "Accessed",
        {"id": "0x" + ID, "object": OBJECT.hex(), "grantee": GRANTEE.address, "number": 1},
    )
    assert status(agreed)[4:] == (1, head_of(KEY, OBJECT))
    (said,) = access(agreed, thing=CERTIFICATE)
    assert said.arguments["number"] == 2
    assert status(agreed)[4:] == (2, head_of(KEY, OBJECT, CERTIFICATE))


@pytest.mark.parametrize("number", [0, 1, 3, 2**24 - 1], ids=["zero", "repeated", "gap", "far"])
def test_an_access_out_of_order_reverts(agreed, number):
    access(agreed)
    with refuses(AccessOutOfOrder, ID, 2, number):
        access(agreed, number=number)
    assert status(agreed)[4] == 1


def test_denial_of_access_emits_access_denied(world):
    (said,) = world.send(STEWARD, "logDenial", DATA, OBJECT, STRANGER.address, REASON)
    assert (said.name, said.arguments) == (
        "AccessDenied",
        {"dataset": DATASET, "object": OBJECT.hex(), "account": STRANGER.address, "reason": REASON.hex()},
    )


def test_erasure_emits_object_erased_and_ends_access_to_the_object_alone(agreed):
    (said,) = agreed.send(STEWARD, "eraseObject", DATA, OBJECT, CERTIFICATE)
    assert (said.name, said.arguments) == (
        "ObjectErased",
        {"dataset": DATASET, "object": OBJECT.hex(), "certificate": CERTIFICATE.hex()},
    )
    assert agreed.call("objectErasureOf", DATA, OBJECT) == CERTIFICATE
    assert agreed.call("objectErasureOf", hashed("other"), OBJECT) == NOTHING
    with refuses(ObjectIsErased, OBJECT.hex()):
        access(agreed)
    access(agreed, thing=hashed("another object"))


@pytest.mark.parametrize("uses", [("DUO:0000042",), tuple(f"DUO:{number:07d}" for number in range(16))])
@pytest.mark.parametrize("request_id", ["0x" + "0" * 64, "0x" + digest("request")])
def test_ids_of_agreements_of_any_length_are_the_contracts(world, uses, request_id):
    agreement = AGREEMENT._replace(uses=uses, request=request_id)
    (said,) = offer(world, agreement)
    assert said.arguments["id"] == agreement.id


CHANGES = {
    "grantee": STRANGER.address,
    "terms": digest("x"),
    "purpose": digest("x"),
    "uses": ("DUO:0000042",),
    "expiry": LATE + 1,
    "request": "0x" + digest("x"),
}


@pytest.mark.parametrize("field", CHANGES)
def test_words_that_were_not_offered_are_not_accepted_or_acted_on(agreed, field):
    changed = AGREEMENT._replace(**{field: CHANGES[field]})
    for call in (accept, access):
        with refuses(WrongState, changed.id[2:], UNKNOWN):
            call(agreed, changed)


# --- other errors --------------------------------------------------------------------------------------


def test_offer_twice_reverts_also_after_the_end(agreed):
    for _ in range(2):
        with refuses(AlreadyOffered, ID):
            offer(agreed)
        if status(agreed)[0] == ACCEPTED:
            end(agreed)


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("grantee", NOBODY, (ZeroAddress, "grantee")),
        ("terms", "0" * 64, (ZeroDigest, "terms")),
        ("purpose", "0" * 64, (ZeroDigest, "purpose")),
        ("uses", (), (InvalidUses,)),
        ("uses", tuple(f"DUO:{number:07d}" for number in range(17)), (InvalidUses,)),
    ],
    ids=["grantee", "terms", "purpose", "no use", "17 uses"],
)
def test_offer_with_something_missing_reverts(world, field, value, error):
    with refuses(*error):
        offer(world, AGREEMENT._replace(**{field: value}))


@pytest.mark.parametrize("uses", [[], [42, 6], [6, 6], list(range(17))], ids=str)
def test_uses_that_do_not_ascend_revert(world, uses):
    with refuses(InvalidUses):
        world.send(STRANGER, "request", DATA, hashed("purpose"), uses)
    words = list(AGREEMENT.to_abi())
    words[4] = uses
    with refuses(InvalidUses):
        world.send(STEWARD, "offer", tuple(words))


def test_offer_for_anothers_dataset_reverts(world):
    with refuses(NotSteward, DATASET[2:], OTHER_STEWARD.address):
        offer(world, party=OTHER_STEWARD)


def test_an_agreement_lasts_until_the_last_second_of_its_expiry(world):
    expiry = world.now() + 1000
    short = AGREEMENT._replace(expiry=expiry)
    offer(world, short)
    accept(world, short)
    world.next_block_at(expiry)
    access(world, short)
    world.next_block_at(expiry + 1)
    with refuses(Expired, short.id[2:], expiry, expiry + 1):
        access(world, short)


def test_an_agreement_is_prolonged_until_it_expires_and_then_agreed_anew(world):
    expiry = world.now() + 1000
    short = AGREEMENT._replace(expiry=expiry)
    offer(world, short)
    accept(world, short)
    world.next_block_at(expiry)
    world.send(STEWARD, "renew", short.to_abi(), expiry + 1000)
    world.next_block_at(expiry + 1001)
    with refuses(Expired, short.id[2:], expiry + 1000, expiry + 1001):
        world.send(STEWARD, "renew", short.to_abi(), expiry + 9000)
    anew = short._replace(expiry=expiry + 9000)
    offer(world, anew)
    accept(world, anew)
    access(world, anew)


def test_offer_of_what_expired_and_acceptance_of_it_revert(world):
    expiry = world.now() + 1000
    offer(world, AGREEMENT._replace(expiry=expiry))
    world.next_block_at(expiry + 1)
    with refuses(ExpiryNotLater, expiry, expiry + 1):
        offer(world, AGREEMENT._replace(expiry=expiry, terms=digest("other terms")))
    with refuses(Expired, AGREEMENT._replace(expiry=expiry).id[2:], expiry, expiry + 1):
        accept(world, AGREEMENT._replace(expiry=expiry))


def test_renewal_to_no_later_time_reverts(agreed):
    for expiry in (LATE, LATE - 1, 0):
        with pytest.raises(ExpiryNotLater):
            agreed.send(STEWARD, "renew", AGREEMENT.to_abi(), expiry)


def test_each_state_refuses_what_comes_before_or_after_it(world):
    renewal = ("renew", AGREEMENT.to_abi(), LATE + 1)

    def refused(state, *calls):
        for call in calls:
            with refuses(WrongState, ID, state):
                call(world)

    def renew(world):
        world.send(STEWARD, *renewal)

    refused(UNKNOWN, accept, renew, access, end)
    offer(world)
    refused(OFFERED, renew, access)
    accept(world)
    refused(ACCEPTED, accept)
    end(world)
    refused(ENDED, accept, renew, access, end)


def test_an_offer_that_was_withdrawn_is_not_accepted(world):
    offer(world)
    end(world)
    with refuses(WrongState, ID, ENDED):
        accept(world)


@pytest.mark.parametrize("party", [STRANGER, OTHER_STEWARD, ADMIN])
def test_end_by_another_than_the_two_parties_reverts(agreed, party):
    with refuses(NotParty, ID, party.address):
        end(agreed, party)


def test_words_without_a_digest_revert(agreed):
    for field, function, arguments in [
        ("purpose", "request", [DATA, NOTHING, [42]]),
        ("reason", "denyRequest", [DATA, *ASKED, NOTHING]),
        ("reason", "end", [AGREEMENT.to_abi(), NOTHING]),
        ("object", "logAccess", [AGREEMENT.to_abi(), NOTHING, 1]),
        ("reason", "logDenial", [DATA, OBJECT, STRANGER.address, NOTHING]),
        ("object", "eraseObject", [DATA, NOTHING, CERTIFICATE]),
        ("certificate", "eraseObject", [DATA, OBJECT, NOTHING]),
    ]:
        with refuses(ZeroDigest, field):
            agreed.send(STEWARD, function, *arguments)


def test_acceptance_without_a_key_reverts(world):
    offer(world)
    with refuses(ZeroDigest, "encryptionKey"):
        accept(world, key=NOTHING)


def test_erasure_twice_reverts(world):
    world.send(STEWARD, "eraseObject", DATA, OBJECT, CERTIFICATE)
    with refuses(ObjectIsErased, OBJECT.hex()):
        world.send(STEWARD, "eraseObject", DATA, OBJECT, CERTIFICATE)


LETS_OUT = {
    "offer": [AGREEMENT._replace(terms=digest("other terms")).to_abi()],
    "renew": [AGREEMENT.to_abi(), LATE + 1],
    "logAccess": [AGREEMENT.to_abi(), OBJECT, 1],
}
TAKES_BACK = {
    "lowerCap": [DATA, BUDGET],
    "offerDataset": [DATA, OTHER_STEWARD.address],
    "renounceDataset": [DATA],
    "eraseDataset": [DATA, CERTIFICATE],
    "closeProtocol": [*told(OPEN)],
    "denyRequest": [DATA, *ASKED, REASON],
    "end": [AGREEMENT.to_abi(), REASON],
    "logDenial": [DATA, OBJECT, STRANGER.address, REASON],
    "eraseObject": [DATA, OBJECT, CERTIFICATE],
}


@pytest.mark.parametrize("function", LETS_OUT)
def test_a_steward_who_lost_the_role_lets_nothing_out(agreed, function):
    agreed.send(ADMIN, "revokeRole", STEWARD_ROLE, STEWARD.address)
    with refuses(AccessControlUnauthorizedAccount, STEWARD.address, STEWARD_ROLE.hex()):
        agreed.send(STEWARD, function, *LETS_OUT[function])
    agreed.send(ADMIN, "grantRole", STEWARD_ROLE, STEWARD.address)
    agreed.send(STEWARD, function, *LETS_OUT[function])


@pytest.mark.parametrize("function", TAKES_BACK)
def test_a_steward_who_lost_the_role_still_takes_back(agreed, function):
    agreed.send(ADMIN, "revokeRole", STEWARD_ROLE, STEWARD.address)
    assert agreed.send(STEWARD, function, *TAKES_BACK[function])


def hand_over(world, giver=STEWARD, taker=OTHER_STEWARD):
    world.send(giver, "offerDataset", DATA, taker.address)
    world.send(taker, "acceptDataset", DATA)


def test_an_offer_lapses_with_the_steward_who_made_it(world):
    offer(world)
    hand_over(world)
    with refuses(OfferLapsed, ID):
        accept(world)
    with refuses(AlreadyOffered, ID):
        offer(world, party=OTHER_STEWARD)
    theirs = AGREEMENT._replace(expiry=LATE - 1)
    offer(world, theirs, party=OTHER_STEWARD)
    accept(world, theirs)
    hand_over(world, OTHER_STEWARD, STEWARD)  # it is its steward's word, who is there again
    accept(world)


def test_a_grantee_who_signed_and_thinks_better_of_it_ends_the_offer(world):
    offer(world)
    signature = signed(world)
    end(world, GRANTEE)
    with refuses(WrongState, ID, ENDED):
        accept(world, signature=signature)


def test_a_datasets_next_steward_takes_its_agreements_over(agreed):
    hand_over(agreed)
    with refuses(NotSteward, DATASET[2:], STEWARD.address):
        access(agreed)
    access(agreed, party=OTHER_STEWARD)
    end(agreed, OTHER_STEWARD)


STILL_DONE = ("denyRequest", "end", "logDenial", "eraseObject", "closeProtocol", "eraseDataset")


@pytest.mark.parametrize("function", STILL_DONE)
def test_who_renounced_a_dataset_still_ends_closes_and_erases(agreed, function):
    agreed.send(STEWARD, "renounceDataset", DATA)
    assert agreed.send(STEWARD, function, *TAKES_BACK[function])


def test_of_a_renounced_dataset_nothing_is_handed_out_and_the_grantee_ends_too(agreed):
    agreed.send(STEWARD, "renounceDataset", DATA)
    for function, arguments in LETS_OUT.items():
        with refuses(DatasetNotActive, DATASET[2:], 2):
            agreed.send(STEWARD, function, *arguments)
    end(agreed, GRANTEE)


def test_nothing_is_agreed_while_paused_and_agreements_end(agreed):
    agreed.send(ADMIN, "pause")
    with refuses(Paused):
        access(agreed)
    agreed.send(STEWARD, "eraseObject", DATA, OBJECT, CERTIFICATE)
    end(agreed, GRANTEE)
