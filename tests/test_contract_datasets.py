"""Datasets on the registry: registered, handed over, given up, erased, and what may be learnt of them."""

import pytest
from chain_helpers import COMMITMENT, digest
from contract_world import (
    ADMIN,
    BUDGET,
    CAP,
    DATA,
    DATASET,
    GRANTEE,
    NOBODY,
    NOTHING,
    OPEN,
    OTHER_STEWARD,
    REASON,
    RESEARCHER,
    STEWARD,
    STEWARD_ROLE,
    STRANGER,
    hashed,
    made,
    raw,
    refuses,
    told,
)

from synthlib.chain.agreements import Agreement
from synthlib.chain.datasets import dataset_id
from synthlib.chain.errors import (
    AccessControlUnauthorizedAccount,
    BudgetExceeded,
    CapNotLowered,
    DatasetAlreadyRegistered,
    DatasetNotActive,
    DatasetNotOffered,
    InvalidOrder,
    NotSteward,
    ProtocolAlreadyClosed,
    ZeroDigest,
)

pytest_plugins = ["chain_fixtures", "contract_fixtures"]

COMMITTED, UNSEEN = raw(COMMITMENT), hashed("other data")
OTHER = raw(dataset_id(STEWARD.address, UNSEEN.hex()))
MOST = 2**32 - 1
ACTIVE, RENOUNCED, ERASED = 1, 2, 3


def found(world, dataset=DATA):
    return world.call("datasetOf", dataset)


def offered(world, successor=OTHER_STEWARD):
    return world.send(STEWARD, "offerDataset", DATA, successor.address)


# --- events and what is stored -------------------------------------------------------------------------


@pytest.mark.parametrize(("order", "cap"), [(0, 0), (2, 7), (2**16 - 1, MOST)])
def test_registration_emits_dataset_registered_and_stores_all_of_it(world, order, cap):
    dataset = dataset_id(OTHER_STEWARD.address, UNSEEN.hex())
    assert world.call("registerDataset", UNSEEN, order, cap, party=OTHER_STEWARD) == raw(dataset)
    (said,) = world.send(OTHER_STEWARD, "registerDataset", UNSEEN, order, cap)
    assert said.name == "DatasetRegistered"
    assert said.arguments == {
        "dataset": dataset,
        "commitment": UNSEEN.hex(),
        "steward": OTHER_STEWARD.address,
        "order": order,
        "cap": cap,
    }
    assert found(world, raw(dataset)) == (OTHER_STEWARD.address, cap, 0, order, ACTIVE)


def test_lowering_emits_cap_lowered(world):
    (said,) = world.send(STEWARD, "lowerCap", DATA, CAP - 1)
    assert (said.name, said.arguments) == ("CapLowered", {"dataset": DATASET, "cap": CAP - 1})
    assert found(world) == (STEWARD.address, CAP - 1, BUDGET, 0, ACTIVE)


def test_offer_emits_dataset_offered_and_changes_nothing_yet(world):
    before = found(world)
    (said,) = offered(world)
    assert said.name == "DatasetOffered"
    assert said.arguments == {
        "dataset": DATASET,
        "steward": STEWARD.address,
        "successor": OTHER_STEWARD.address,
    }
    assert found(world) == before


def test_acceptance_emits_dataset_handed_over_and_moves_the_dataset(world):
    offered(world)
    (said,) = world.send(OTHER_STEWARD, "acceptDataset", DATA)
    assert said.name == "DatasetHandedOver"
    assert said.arguments == {
        "dataset": DATASET,
        "steward": STEWARD.address,
        "successor": OTHER_STEWARD.address,
    }
    assert found(world) == (OTHER_STEWARD.address, CAP, BUDGET, 0, ACTIVE)
    with refuses(NotSteward, DATA.hex(), STEWARD.address):
        world.approve(OPEN, 1)
    world.approve(OPEN, 1, party=OTHER_STEWARD)


def test_renouncing_emits_dataset_renounced_and_its_steward_goes_on_answering(world):
    (said,) = world.send(STEWARD, "renounceDataset", DATA)
    assert (said.name, said.arguments) == (
        "DatasetRenounced",
        {"dataset": DATASET, "steward": STEWARD.address},
    )
    assert found(world) == (STEWARD.address, CAP, BUDGET, 0, RENOUNCED)


def test_what_was_renounced_is_still_erased_once_and_by_its_steward(world):
    world.send(STEWARD, "renounceDataset", DATA)
    with refuses(NotSteward, DATA.hex(), OTHER_STEWARD.address):
        world.send(OTHER_STEWARD, "eraseDataset", DATA, REASON)
    (said,) = world.send(STEWARD, "eraseDataset", DATA, REASON)
    assert said.arguments["steward"] == STEWARD.address
    assert found(world) == (STEWARD.address, CAP, BUDGET, 0, ERASED)
    with refuses(DatasetNotActive, DATA.hex(), ERASED):
        world.send(STEWARD, "eraseDataset", DATA, REASON)


def test_what_a_protocol_was_given_outlives_a_hand_over_until_the_next_steward_closes_it(world):
    offered(world)
    world.send(OTHER_STEWARD, "acceptDataset", DATA)
    world.send(RESEARCHER, "logAttempt", raw(OPEN.id), 2, hashed("attempt"))
    world.record("a", spend=BUDGET)
    world.send(OTHER_STEWARD, "closeProtocol", *told(OPEN))
    with refuses(ProtocolAlreadyClosed, OPEN.id[2:]):
        world.record("b")


def test_erasure_emits_dataset_erased_with_the_certificate(world):
    assert world.call("erasureOf", DATA) == NOTHING
    (said,) = world.send(STEWARD, "eraseDataset", DATA, REASON)
    assert said.name == "DatasetErased"
    assert said.arguments == {
        "dataset": DATASET,
        "steward": STEWARD.address,
        "certificate": REASON.hex(),
    }
    assert found(world) == (STEWARD.address, CAP, BUDGET, 0, ERASED)
    assert world.call("erasureOf", DATA) == REASON


def test_of_an_unknown_dataset_nothing_is_stored(world):
    assert found(world, OTHER) == (NOBODY, 0, 0, 0, 0)


# --- errors --------------------------------------------------------------------------------------------


def test_registration_twice_reverts(world):
    with refuses(DatasetAlreadyRegistered, DATA.hex()):
        world.send(STEWARD, "registerDataset", COMMITTED, 0, CAP)


def test_who_registers_anothers_commitment_first_takes_nothing(world):
    world.send(OTHER_STEWARD, "registerDataset", UNSEEN, 2, 7)  # seen, and ahead in the queue
    world.send(STEWARD, "registerDataset", UNSEEN, 0, MOST)
    assert found(world, OTHER) == (STEWARD.address, MOST, 0, 0, ACTIVE)
    copy = raw(dataset_id(OTHER_STEWARD.address, UNSEEN.hex()))
    assert found(world, copy) == (OTHER_STEWARD.address, 7, 0, 2, ACTIVE)
    with refuses(NotSteward, OTHER.hex(), OTHER_STEWARD.address):
        world.send(OTHER_STEWARD, "lowerCap", OTHER, 1)


def test_registration_of_what_was_handed_over_reverts(world):
    offered(world)
    world.send(OTHER_STEWARD, "acceptDataset", DATA)
    with refuses(DatasetAlreadyRegistered, DATA.hex()):
        world.send(STEWARD, "registerDataset", COMMITTED, 0, CAP)
    assert found(world) == (OTHER_STEWARD.address, CAP, BUDGET, 0, ACTIVE)


@pytest.mark.parametrize("end", ["renounceDataset", "eraseDataset"])
def test_registration_of_what_was_given_up_reverts(world, end):
    world.send(STEWARD, end, DATA, *([REASON] if end == "eraseDataset" else []))
    with refuses(DatasetAlreadyRegistered, DATA.hex()):
        world.send(STEWARD, "registerDataset", COMMITTED, 0, CAP)


def test_registration_of_zero_reverts(world):
    with refuses(ZeroDigest, "commitment"):
        world.send(STEWARD, "registerDataset", NOTHING, 0, 1)


def test_registration_with_order_one_reverts(world):
    with refuses(InvalidOrder, 1):
        world.send(STEWARD, "registerDataset", UNSEEN, 1, 1)


@pytest.mark.parametrize("cap", [CAP, CAP + 1, BUDGET - 1, MOST, 0])
def test_a_cap_that_is_not_lower_or_below_what_is_allotted_reverts(world, cap):
    with refuses(CapNotLowered, DATA.hex(), CAP, BUDGET, cap):
        world.send(STEWARD, "lowerCap", DATA, cap)


def test_erasure_without_a_certificate_reverts(world):
    with refuses(ZeroDigest, "certificate"):
        world.send(STEWARD, "eraseDataset", DATA, NOTHING)


def test_a_stewards_function_by_another_steward_reverts(world):
    with refuses(NotSteward, DATA.hex(), OTHER_STEWARD.address):
        world.send(OTHER_STEWARD, "lowerCap", DATA, BUDGET)


AGREEMENT = Agreement(DATASET, GRANTEE.address, "1" * 64, "2" * 64, ("DUO:0000042",), 2**39).to_abi()
NEEDS_ACTIVE = {  # function: (party, arguments)
    "lowerCap": (STEWARD, [DATA, BUDGET]),
    "offerDataset": (STEWARD, [DATA, OTHER_STEWARD.address]),
    "acceptDataset": (OTHER_STEWARD, [DATA]),
    "renounceDataset": (STEWARD, [DATA]),
    "eraseDataset": (STEWARD, [DATA, REASON]),
    "registerProtocol": (RESEARCHER, [DATA, hashed("seal")]),
    "registerOpenProtocol": (RESEARCHER, [DATA, hashed("protocol")]),
    "approveProtocol": (STEWARD, [*told(OPEN), 0, 0]),
    "request": (STRANGER, [DATA, hashed("purpose"), [42]]),
    "offer": (STEWARD, [AGREEMENT]),
    "accept": (STRANGER, [AGREEMENT, hashed("key"), b"\1" * 65]),
    "renew": (STEWARD, [AGREEMENT, 2**39 + 1]),
    "logAccess": (STEWARD, [AGREEMENT, hashed("object"), 1]),
}


@pytest.mark.parametrize(("end", "state"), [("renounceDataset", RENOUNCED), ("eraseDataset", ERASED)])
def test_what_needs_an_active_dataset_reverts_once_it_was_given_up(world, end, state):
    offered(world)
    world.send(STEWARD, end, DATA, *([REASON] if state == ERASED else []))
    for function, (party, arguments) in NEEDS_ACTIVE.items():
        if (function, state) != ("eraseDataset", RENOUNCED):
            with refuses(DatasetNotActive, DATA.hex(), state):
                world.call(function, *arguments, party=party)


@pytest.mark.parametrize("function", ["lowerCap", "offerDataset", "renounceDataset", "registerOpenProtocol"])
def test_what_needs_an_active_dataset_reverts_for_an_unknown_one(world, function):
    party, (_, *rest) = NEEDS_ACTIVE[function]
    with refuses(DatasetNotActive, OTHER.hex(), 0):
        world.call(function, OTHER, *rest, party=party)


@pytest.mark.parametrize("end", ["renounceDataset", "eraseDataset"])
def test_what_was_recorded_outlives_its_dataset(world, end):
    world.record("a")
    world.send(STEWARD, end, DATA, *([REASON] if end == "eraseDataset" else []))
    assert world.call("stands", raw(made("a").release), RESEARCHER.address)
    world.send(RESEARCHER, "closeProtocol", *told(OPEN))
    assert world.allotted() == 0


# --- handing over in two steps -------------------------------------------------------------------------


def refused_acceptance(world, successor=OTHER_STEWARD):
    with refuses(DatasetNotOffered, DATA.hex(), successor.address):
        world.send(successor, "acceptDataset", DATA)


def test_acceptance_without_an_offer_reverts(world):
    refused_acceptance(world)


def test_acceptance_without_the_role_reverts(world):
    offered(world, STRANGER)
    with refuses(AccessControlUnauthorizedAccount, STRANGER.address, STEWARD_ROLE.hex()):
        world.send(STRANGER, "acceptDataset", DATA)
    world.send(ADMIN, "grantRole", STEWARD_ROLE, STRANGER.address)
    world.send(STRANGER, "acceptDataset", DATA)


def test_a_later_offer_replaces_an_earlier_one(world):
    offered(world)
    offered(world, STRANGER)
    refused_acceptance(world)


def test_offer_to_nobody_withdraws_an_offer(world):
    offered(world)
    world.send(STEWARD, "offerDataset", DATA, NOBODY)
    refused_acceptance(world)


def test_an_offer_is_taken_up_once_and_void_under_the_next_steward(world):
    offered(world)
    world.send(OTHER_STEWARD, "acceptDataset", DATA)
    refused_acceptance(world)
    world.send(OTHER_STEWARD, "offerDataset", DATA, STEWARD.address)
    world.send(STEWARD, "acceptDataset", DATA)
    refused_acceptance(world)


def test_a_steward_who_lost_the_role_keeps_the_dataset_and_can_hand_it_over(world):
    world.send(ADMIN, "revokeRole", STEWARD_ROLE, STEWARD.address)
    with refuses(AccessControlUnauthorizedAccount, STEWARD.address, STEWARD_ROLE.hex()):
        world.send(STEWARD, "registerDataset", UNSEEN, 0, 1)
    world.send(STEWARD, "lowerCap", DATA, BUDGET)
    offered(world)
    world.send(OTHER_STEWARD, "acceptDataset", DATA)


# --- the budget ----------------------------------------------------------------------------------------


def test_allotments_add_up_to_the_cap_and_not_beyond(world):
    world.approve(OPEN, CAP - BUDGET)
    assert found(world)[2] == CAP
    with refuses(BudgetExceeded, DATA.hex(), CAP, CAP + 1):
        world.approve(OPEN, 1)
    world.approve(OPEN, 0, 1)


def test_a_cap_lowered_to_what_is_allotted_allows_nothing_more(world):
    world.send(STEWARD, "lowerCap", DATA, BUDGET)
    with refuses(BudgetExceeded, DATA.hex(), BUDGET, BUDGET + 1):
        world.approve(OPEN, 1)


def test_a_sum_beyond_the_fields_width_is_refused_and_does_not_wrap(world):
    other = OPEN._replace(digest=digest("another protocol"))
    world.register(other)
    with refuses(BudgetExceeded, DATA.hex(), CAP, BUDGET + MOST):
        world.approve(other, MOST)


def test_the_largest_cap_can_be_allotted_whole(world):
    world.send(STEWARD, "registerDataset", UNSEEN, 2, MOST)
    other = OPEN._replace(dataset="0x" + OTHER.hex())
    world.register(other)
    world.approve(other, MOST)
    assert found(world, OTHER) == (STEWARD.address, MOST, MOST, 2, ACTIVE)
    assert world.track(other).budget == MOST
    another = other._replace(digest=digest("another protocol"))
    world.register(another)
    with refuses(BudgetExceeded, OTHER.hex(), MOST, MOST + 1):
        world.approve(another, 1)
    world.send(STEWARD, "closeProtocol", *told(other))
    assert found(world, OTHER)[2] == 0
