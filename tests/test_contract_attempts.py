"""Attempts and the widths of a protocol's fields on the registry: none is left out; on both chains."""

import pytest
from chain_helpers import digest
from contract_world import (
    BUDGET,
    CAP,
    DATA,
    NOTHING,
    OPEN,
    OPEN_RELEASES,
    RESEARCHER,
    SEALED,
    STEWARD,
    hashed,
    raw,
    refuses,
    restored,
    told,
)
from eth_abi import encode
from eth_utils import keccak

from synthlib.chain.datasets import dataset_id
from synthlib.chain.errors import (
    AttemptOutOfOrder,
    BatchTooSmall,
    Overspent,
    TrackFull,
    ZeroDigest,
)
from synthlib.chain.protocols import batch_link, chain_head

pytest_plugins = ["chain_fixtures", "contract_fixtures"]

RUN = raw(OPEN.id)
REVEAL = (DATA, raw(SEALED.digest), raw(SEALED.salt))
MOST_ATTEMPTS, MOST_RELEASES, MOST_LOSS = 2**24 - 1, 2**16 - 1, 2**32 - 1


def log(world, number, name="next"):
    return world.send(RESEARCHER, "logAttempt", RUN, number, hashed(name))


def log_batch(world, first, count, root="root"):
    return world.send(RESEARCHER, "logAttemptBatch", RUN, first, count, hashed(root))


def test_an_attempt_emits_attempted(world):
    (said,) = log(world, 2)
    assert (said.name, said.arguments) == (
        "Attempted",
        {"protocol": OPEN.id, "digest": digest("next"), "number": 2},
    )


def test_a_batch_emits_attempted_batch(world):
    (said,) = log_batch(world, 2, 5)
    assert (said.name, said.arguments) == (
        "AttemptedBatch",
        {"protocol": OPEN.id, "root": digest("root"), "first": 2, "count": 5},
    )
    assert world.track().attempts == 6


# --- attempts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1, 3, MOST_ATTEMPTS], ids=["zero", "repeated", "gap", "far"])
def test_an_attempt_out_of_order_reverts(world, number):
    with refuses(AttemptOutOfOrder, OPEN.id[2:], 2, number):
        log(world, number)
    with refuses(AttemptOutOfOrder, OPEN.id[2:], 2, number):
        log_batch(world, number, 3)


def test_sending_an_attempt_twice_logs_it_once(world):
    log(world, 2)
    with refuses(AttemptOutOfOrder, OPEN.id[2:], 3, 2):
        log(world, 2)
    assert world.track().attempts == 2


def test_attempts_of_zero_and_batches_of_less_than_two_revert(world):
    with refuses(ZeroDigest, "digest"):
        world.send(RESEARCHER, "logAttempt", RUN, 2, NOTHING)
    with refuses(ZeroDigest, "root"):
        world.send(RESEARCHER, "logAttemptBatch", RUN, 2, 2, NOTHING)
    for count in (0, 1):
        with refuses(BatchTooSmall, OPEN.id[2:], count):
            world.send(RESEARCHER, "logAttemptBatch", RUN, 2, count, hashed("root"))


def test_the_head_is_the_one_that_python_predicts(world):
    links, block = [digest("attempt 1")], world.track().registration_block
    assert world.track().head == chain_head(OPEN.id, block, links)
    log(world, 2)
    log_batch(world, 3, 4, "b")
    log(world, 7, "c")
    log_batch(world, 8, 2, "d")
    links += [digest("next"), batch_link(digest("b"), 4), digest("c"), batch_link(digest("d"), 2)]
    assert world.track().head == chain_head(OPEN.id, block, links)
    assert world.track().attempts == 9


def test_a_head_begins_at_approval_and_outlives_topping_up_and_closing(world):
    world.register(SEALED)
    block = world.track(SEALED).registration_block
    assert int.from_bytes(world.call("trackOf", raw(SEALED.id), RESEARCHER.address)[0], "big") == block
    world.approve(SEALED, 1)
    start = chain_head(SEALED.id, block, [])
    assert world.track(SEALED).head == start
    world.approve(SEALED, 1)
    world.send(RESEARCHER, "revealProtocol", *REVEAL)
    world.send(STEWARD, "closeProtocol", *told(SEALED))
    assert world.track(SEALED).head == start


def test_other_attempts_or_another_order_or_another_block_lead_to_another_head():
    heads = {
        chain_head(OPEN.id, block, links)
        for block in (1, 2)
        for links in ([], ["1" * 64], ["1" * 64, "2" * 64], ["2" * 64, "1" * 64])
    }
    assert len(heads) == 8


# --- the widths of the fields --------------------------------------------------------------------------


def test_all_fields_at_their_widest_stand_side_by_side(world):
    other = OPEN._replace(dataset=dataset_id(STEWARD.address, digest("wide")))
    world.send(STEWARD, "registerDataset", hashed("wide"), 0, MOST_LOSS)
    world.register(other)
    world.approve(other, MOST_LOSS, MOST_RELEASES)
    world.send(RESEARCHER, "logAttemptBatch", raw(other.id), 1, MOST_ATTEMPTS, hashed("root"))
    track = world.track(other)
    assert (track.attempts, track.budget, track.private_releases, track.open_releases_left) == (
        MOST_ATTEMPTS,
        MOST_LOSS,
        0,
        MOST_RELEASES,
    )
    link = batch_link(digest("root"), MOST_ATTEMPTS)
    assert track.head == chain_head(other.id, track.registration_block, [link])
    assert (track.is_revealed, track.is_approved, track.is_closed) == (True, True, False)
    world.record("wide", protocol=other.id, attempt=MOST_ATTEMPTS, spend=MOST_LOSS - 1)
    world.record("open", protocol=other.id, attempt=1)
    after = world.track(other)
    assert (after.budget, after.private_releases, after.open_releases_left) == (1, 1, MOST_RELEASES - 1)
    assert (after.head, after.attempts) == (track.head, track.attempts)


def test_more_attempts_than_fit_revert(world):
    log_batch(world, 2, MOST_ATTEMPTS - 2)
    with pytest.raises(TrackFull):
        log_batch(world, MOST_ATTEMPTS, 2)
    log(world, MOST_ATTEMPTS)
    # The next number does not fit into the argument any more: no attempt is taken under any number.
    with refuses(AttemptOutOfOrder, OPEN.id[2:], MOST_ATTEMPTS + 1, MOST_ATTEMPTS):
        log(world, MOST_ATTEMPTS)


def test_as_many_open_releases_as_fit_are_allowed_in_all(world):
    world.record("open")
    world.approve(OPEN, 0, MOST_RELEASES - OPEN_RELEASES)
    track = world.track()
    assert (track.open_allotted, track.open_releases_left) == (MOST_RELEASES, MOST_RELEASES - 1)


def test_more_private_releases_than_fit_revert(world):
    """Counted up in the node's storage: 65535 transactions take too long."""
    if world.connection.is_in_process:
        pytest.skip("the in-process chain lets nobody write into its storage")
    request, place = world.connection.web3.provider.make_request, world.ledger.address
    for slot in range(20):
        mapping = keccak(encode(["bytes32", "uint256"], [RUN, slot]))
        key = "0x" + keccak(encode(["address", "bytes32"], [RESEARCHER.address, mapping])).hex()
        word = int(request("eth_getStorageAt", [place, key, "latest"])["result"], 16)
        if word:
            break
    full = word | (MOST_RELEASES << 24)
    request("anvil_setStorageAt", [place, key, f"0x{full:064x}"])
    assert world.track().private_releases == MOST_RELEASES
    with refuses(TrackFull, full):
        world.record(spend=1)
    world.record("open")


def test_a_protocol_that_is_full_of_loss_is_full_of_its_datasets_too(world):
    """What a protocol is given comes out of a cap that has the same width: its own field never overflows."""
    world.approve(OPEN, CAP - BUDGET)
    with restored(world):
        world.record(spend=CAP)
    with refuses(Overspent, OPEN.id[2:], CAP, CAP + 1):
        world.record(spend=CAP + 1)
