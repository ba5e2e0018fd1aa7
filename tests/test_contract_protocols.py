"""Protocols on the registry: registered before anything is tried, sealed or open; on both chains."""

from contextlib import contextmanager
from functools import partial

import pytest
from chain_helpers import digest
from contract_world import (
    ADMIN,
    BUDGET,
    DATA,
    DATASET,
    NOTHING,
    OPEN,
    OPEN_RELEASES,
    OTHER_RESEARCHER,
    OTHER_STEWARD,
    RESEARCHER,
    RESEARCHER_ROLE,
    SEALED,
    STEWARD,
    STEWARD_ROLE,
    STRANGER,
    hashed,
    made,
    raw,
    refuses,
    told,
)
from eth_abi import encode
from eth_utils import keccak

from synthlib.chain.contracts import load_artifact
from synthlib.chain.datasets import dataset_id
from synthlib.chain.errors import (
    AccessControlUnauthorizedAccount,
    ApprovalNotRaised,
    NoSuchAttempt,
    NotParty,
    NotSteward,
    ProtocolAlreadyClosed,
    ProtocolAlreadyRegistered,
    ProtocolAlreadyRevealed,
    ProtocolNotApproved,
    ProtocolNotRegistered,
    ProtocolSealed,
    ProtocolTooRecent,
    ZeroDigest,
)
from synthlib.chain.transactions import plain_receipt

pytest_plugins = ["chain_fixtures", "contract_fixtures"]

RUN = raw(OPEN.id)
REVEAL = (DATA, raw(SEALED.digest), raw(SEALED.salt))


def started(world, registration=SEALED, budget=100, open_releases=1):
    """Register and approve another protocol of the researcher's, and log an attempt."""
    world.register(registration)
    world.approve(registration, budget, open_releases)
    world.send(RESEARCHER, "logAttempt", raw(registration.id), 1, hashed("attempt"))
    return raw(registration.id)


# --- events --------------------------------------------------------------------------------------------


def test_registration_emits_protocol_registered_with_the_seal(world):
    (said,) = world.send(RESEARCHER, "registerProtocol", DATA, raw(SEALED.seal))
    assert said.name == "ProtocolRegistered"
    assert said.arguments == {
        "protocol": SEALED.id,
        "dataset": DATASET,
        "researcher": RESEARCHER.address,
        "seal": SEALED.seal,
    }


def test_open_registration_emits_protocol_revealed_at_once(world):
    open_one = SEALED._replace(digest=digest("another protocol"), salt="0" * 64)
    registered, revealed = world.send(RESEARCHER, "registerOpenProtocol", DATA, raw(open_one.digest))
    assert registered.arguments["protocol"] == open_one.id
    assert registered.arguments["seal"] == open_one.seal
    assert (revealed.name, revealed.arguments) == (
        "ProtocolRevealed",
        {"protocol": open_one.id, "digest": open_one.digest, "salt": "0" * 64},
    )


def test_reveal_emits_protocol_revealed_with_digest_and_salt(world):
    world.register(SEALED)
    assert not world.track(SEALED).is_revealed
    (said,) = world.send(RESEARCHER, "revealProtocol", *REVEAL)
    assert (said.name, said.arguments) == (
        "ProtocolRevealed",
        {"protocol": SEALED.id, "digest": SEALED.digest, "salt": SEALED.salt},
    )
    assert world.track(SEALED).is_revealed


def test_approval_emits_protocol_approved_with_what_is_given_in_all(world):
    totals = (BUDGET + 7, OPEN_RELEASES + 2)
    (said,) = world.send(STEWARD, "approveProtocol", *told(OPEN), *totals)
    assert (said.name, said.arguments) == (
        "ProtocolApproved",
        {"protocol": OPEN.id, "dataset": DATASET, "budget": totals[0], "openReleases": totals[1]},
    )
    track = world.track()
    assert (track.budget, track.open_releases_left) == (track.allotted, track.open_allotted) == totals
    assert world.allotted() == BUDGET + 7


@pytest.mark.parametrize(
    "totals",
    [(BUDGET, OPEN_RELEASES), (BUDGET - 1, OPEN_RELEASES + 1), (BUDGET + 1, OPEN_RELEASES - 1), (0, 0)],
    ids=["the same", "less budget", "fewer releases", "nothing"],
)
def test_an_approval_that_is_not_raised_reverts_whatever_was_spent(world, totals):
    world.record("open")
    world.record("private", spend=150)
    with refuses(ApprovalNotRaised, OPEN.id[2:], BUDGET, OPEN_RELEASES):
        world.send(STEWARD, "approveProtocol", *told(OPEN), *totals)
    assert world.allotted() == BUDGET


def test_what_is_given_and_what_is_left_are_told_apart(world):
    world.record("open")
    world.record("private", spend=150)
    world.approve(OPEN, 10, 2)
    track = world.track()
    assert (track.allotted, track.budget, track.spent) == (BUDGET + 10, BUDGET - 140, 150)
    assert (track.open_allotted, track.open_releases_left) == (OPEN_RELEASES + 2, OPEN_RELEASES + 1)
    world.send(STEWARD, "closeProtocol", *told(OPEN))
    track = world.track()
    assert (track.allotted, track.budget, track.spent, track.private_releases) == (150, 0, 150, 1)
    assert (track.open_allotted, track.open_releases_left, track.open_releases) == (1, 0, 1)


def test_a_steward_who_lost_the_role_approves_nothing_and_closes(world):
    world.send(ADMIN, "revokeRole", STEWARD_ROLE, STEWARD.address)
    with refuses(AccessControlUnauthorizedAccount, STEWARD.address, STEWARD_ROLE.hex()):
        world.approve(OPEN, 1)
    world.send(STEWARD, "closeProtocol", *told(OPEN))
    assert world.allotted() == 0


@pytest.mark.parametrize("party", [STEWARD, RESEARCHER], ids=["steward", "researcher"])
def test_closing_emits_protocol_closed_and_returns_what_was_not_spent(world, party):
    world.record(spend=150)
    (said,) = world.send(party, "closeProtocol", *told(OPEN))
    assert (said.name, said.arguments) == (
        "ProtocolClosed",
        {"protocol": OPEN.id, "account": party.address, "returned": BUDGET - 150},
    )
    track = world.track()
    assert track.is_closed and track.budget == 0 and track.private_releases == 1
    assert world.allotted() == 150


# --- the protocol first --------------------------------------------------------------------------------


@contextmanager
def one_block(connection):
    """Put all transactions into the block that is made at the end."""
    request = connection.web3.provider.make_request
    if connection.is_in_process:
        tester = connection.web3.provider.ethereum_tester
        tester.disable_auto_mine_transactions()
        begin, mine, end = lambda: None, tester.mine_block, tester.enable_auto_mine_transactions
    else:
        begin, mine, end = (
            partial(request, *call)
            for call in (("evm_setAutomine", [False]), ("evm_mine", []), ("evm_setAutomine", [True]))
        )
    begin()
    try:
        yield
        mine()
    finally:
        end()


def put(world, party, tip, name, *arguments):
    """Send a transaction without trying it out or waiting for it. More tip, earlier in the block."""
    connection = world.connection
    contract = connection.web3.eth.contract(world.ledger.address, abi=load_artifact()["abi"])
    fee = 0 if connection.is_in_process else 10**10
    message = {
        "to": world.ledger.address,
        "data": contract.encode_abi(name, arguments),
        "chainId": connection.chain_id,
        "value": 0,
        "gas": 500_000,
        "nonce": connection.web3.eth.get_transaction_count(party.address),
        "maxFeePerGas": fee,
        "maxPriorityFeePerGas": min(fee, tip),
    }
    return connection.web3.eth.send_raw_transaction(party.sign_transaction(message).raw_transaction)


def test_approval_in_the_block_of_registration_reverts(world):
    connection = world.connection
    block = connection.get_block_number() + 1
    with one_block(connection):
        first = put(world, RESEARCHER, 10**9, "registerProtocol", DATA, raw(SEALED.seal))
        if not connection.is_in_process:  # a node tries it out in the block that is being made
            with refuses(ProtocolTooRecent, SEALED.id[2:], block):
                world.approve(SEALED, 1, 1)
        second = put(world, STEWARD, 1, "approveProtocol", *told(SEALED), 1, 1)
    receipts = [connection.web3.eth.get_transaction_receipt(each) for each in (first, second)]
    assert [(each["blockNumber"], each["status"]) for each in receipts] == [(block, 1), (block, 0)]
    for each in receipts:
        world.ledger.hear(plain_receipt(each))
    assert not world.track(SEALED).is_approved and world.allotted() == BUDGET
    world.approve(SEALED, 1, 1)


def test_an_attempt_before_approval_reverts(world):
    world.register(SEALED)
    with refuses(ProtocolNotApproved, SEALED.id[2:], RESEARCHER.address):
        world.send(RESEARCHER, "logAttempt", raw(SEALED.id), 1, hashed("attempt"))
    with refuses(ProtocolNotApproved, SEALED.id[2:], RESEARCHER.address):
        world.send(RESEARCHER, "logAttemptBatch", raw(SEALED.id), 1, 2, hashed("root"))


def test_a_release_before_approval_reverts(world):
    world.register(SEALED)
    with refuses(ProtocolNotApproved, SEALED.id[2:], RESEARCHER.address):
        world.record(protocol=SEALED.id)


def test_a_release_without_an_attempt_reverts(world):
    other = OPEN._replace(digest=digest("another protocol"))
    world.register(other)
    world.approve(other, 1, 1)
    with refuses(NoSuchAttempt, other.id[2:], 0, 1):
        world.record(protocol=other.id)


def test_a_release_before_the_reveal_reverts(world):
    started(world)
    with refuses(ProtocolSealed, SEALED.id[2:]):
        world.record(protocol=SEALED.id)
    world.send(RESEARCHER, "revealProtocol", *REVEAL)
    world.record(protocol=SEALED.id)


def test_the_copy_of_a_sealed_protocol_is_another_and_of_no_use(world):
    started(world)
    copied = keccak(
        encode(["address", "bytes32", "bytes32"], [OTHER_RESEARCHER.address, DATA, raw(SEALED.seal)])
    )
    (said,) = world.send(OTHER_RESEARCHER, "registerProtocol", DATA, raw(SEALED.seal))
    assert said.arguments["protocol"] == "0x" + copied.hex() != SEALED.id
    world.send(STEWARD, "approveProtocol", OTHER_RESEARCHER.address, DATA, raw(SEALED.seal), 1, 1)
    world.send(OTHER_RESEARCHER, "logAttempt", copied, 1, hashed("attempt"))
    theirs = {"name": "copy", "party": OTHER_RESEARCHER, "protocol": "0x" + copied.hex()}
    with refuses(ProtocolSealed, copied.hex()):
        world.record(**theirs)
    world.send(RESEARCHER, "revealProtocol", *REVEAL)  # now everybody knows digest and salt
    with pytest.raises(ProtocolNotRegistered):
        world.send(OTHER_RESEARCHER, "revealProtocol", *REVEAL)
    with refuses(ProtocolSealed, copied.hex()):
        world.record(**theirs)


def test_nobody_logs_or_releases_under_anothers_protocol(world):
    with refuses(ProtocolNotApproved, OPEN.id[2:], OTHER_RESEARCHER.address):
        world.send(OTHER_RESEARCHER, "logAttempt", RUN, 2, hashed("next"))
    with refuses(ProtocolNotApproved, OPEN.id[2:], OTHER_RESEARCHER.address):
        world.record(party=OTHER_RESEARCHER)


def test_a_reveal_with_another_salt_reverts(world):
    world.register(SEALED)
    wrong = SEALED._replace(salt=digest("another salt"))
    with refuses(ProtocolNotRegistered, wrong.id[2:]):
        world.send(RESEARCHER, "revealProtocol", DATA, raw(wrong.digest), raw(wrong.salt))


# --- other errors --------------------------------------------------------------------------------------


def test_registration_twice_reverts(world):
    with refuses(ProtocolAlreadyRegistered, OPEN.id[2:]):
        world.register(OPEN)
    world.register(SEALED)
    with refuses(ProtocolAlreadyRegistered, SEALED.id[2:]):
        world.register(SEALED)


def test_registration_of_a_closed_protocol_reverts(world):
    world.send(RESEARCHER, "closeProtocol", *told(OPEN))
    with refuses(ProtocolAlreadyRegistered, OPEN.id[2:]):
        world.register(OPEN)


@pytest.mark.parametrize(
    ("function", "field"), [("registerProtocol", "seal"), ("registerOpenProtocol", "digest")]
)
def test_registration_of_zero_reverts(world, function, field):
    with refuses(ZeroDigest, field):
        world.send(RESEARCHER, function, DATA, NOTHING)


def test_approval_and_closing_of_nothing_revert(world):
    with refuses(ProtocolNotRegistered, SEALED.id[2:]):
        world.approve(SEALED, 1)
    with refuses(ProtocolNotRegistered, SEALED.id[2:]):
        world.send(STEWARD, "closeProtocol", *told(SEALED))


def test_approval_on_another_dataset_than_the_protocols_reverts(world):
    world.send(OTHER_STEWARD, "registerDataset", hashed("other"), 0, 100)
    elsewhere = OPEN._replace(dataset=dataset_id(OTHER_STEWARD.address, digest("other")))
    moved = told(elsewhere)
    wrong = keccak(encode(["address", "bytes32", "bytes32"], moved)).hex()
    with refuses(ProtocolNotRegistered, wrong):
        world.send(OTHER_STEWARD, "approveProtocol", *moved, 100, 1)
    with refuses(NotSteward, DATASET[2:], OTHER_STEWARD.address):
        world.approve(OPEN, 1, party=OTHER_STEWARD)
    assert elsewhere.id == "0x" + wrong


def test_a_second_reveal_reverts(world):
    world.register(SEALED)
    world.send(RESEARCHER, "revealProtocol", *REVEAL)
    with refuses(ProtocolAlreadyRevealed, SEALED.id[2:]):
        world.send(RESEARCHER, "revealProtocol", *REVEAL)
    with refuses(ProtocolAlreadyRevealed, OPEN.id[2:]):
        world.send(RESEARCHER, "revealProtocol", DATA, raw(OPEN.digest), NOTHING)


def test_everything_under_a_closed_protocol_reverts_but_its_reveal(world):
    started(world)
    world.send(STEWARD, "closeProtocol", *told(SEALED))
    for function, arguments, party in [
        ("approveProtocol", [*told(SEALED), 1, 1], STEWARD),
        ("closeProtocol", told(SEALED), RESEARCHER),
        ("logAttempt", [raw(SEALED.id), 2, hashed("x")], RESEARCHER),
        ("logAttemptBatch", [raw(SEALED.id), 2, 2, hashed("x")], RESEARCHER),
        ("recordRelease", [made(protocol=SEALED.id).to_abi()], RESEARCHER),
    ]:
        with refuses(ProtocolAlreadyClosed, SEALED.id[2:]):
            world.send(party, function, *arguments)
    world.send(RESEARCHER, "revealProtocol", *REVEAL)


def test_a_protocol_closed_before_approval_is_never_approved(world):
    world.register(SEALED)
    (said,) = world.send(RESEARCHER, "closeProtocol", *told(SEALED))
    assert said.arguments["returned"] == 0 and world.allotted() == BUDGET
    with refuses(ProtocolAlreadyClosed, SEALED.id[2:]):
        world.approve(SEALED, 1)


@pytest.mark.parametrize("party", [OTHER_RESEARCHER, OTHER_STEWARD, STRANGER, ADMIN])
def test_closing_by_another_than_the_two_parties_reverts(world, party):
    with refuses(NotParty, OPEN.id[2:], party.address):
        world.send(party, "closeProtocol", *told(OPEN))


def test_a_researcher_who_lost_the_role_ends_what_runs_and_begins_nothing(world):
    world.send(ADMIN, "revokeRole", RESEARCHER_ROLE, RESEARCHER.address)
    with pytest.raises(Exception, match="AccessControlUnauthorizedAccount"):
        world.register(SEALED)
    world.send(RESEARCHER, "logAttempt", RUN, 2, hashed("next"))
    world.send(RESEARCHER, "closeProtocol", *told(OPEN))
