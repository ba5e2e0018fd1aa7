"""Releases that are revoked or superseded on the registry, by their issuer alone; on both chains."""

import pytest
from contract_world import (
    NOTHING,
    OPEN,
    OTHER_RESEARCHER,
    REASON,
    RESEARCHER,
    STEWARD,
    STRANGER,
    hashed,
    made,
    raw,
    refuses,
    released,
    replace,
    stands,
    withdraw,
)
from eth_utils import keccak

from synthlib.chain.errors import AlreadyRevoked, NotRecorded, ZeroDigest
from synthlib.chain.records import ABSENT, REVOKED, STANDS, SUPERSEDED, withdrawal_digest

pytest_plugins = ["chain_fixtures", "contract_fixtures"]

ZERO = "0" * 64


# --- events --------------------------------------------------------------------------------------------


def test_revoke_emits_revoked_with_the_reason(world):
    world.record()
    (said,) = withdraw(world)
    assert (said.name, said.arguments) == (
        "Revoked",
        {"release": made().release, "issuer": RESEARCHER.address, "reason": REASON.hex()},
    )
    *_, time, block, withdrawal = world.call("find", released(), RESEARCHER.address)
    assert (time, block) == (world.now(), said.block)
    assert withdrawal == withdrawal_digest(REASON.hex(), ZERO) == keccak(NOTHING + REASON)[:20]


def test_supersede_emits_superseded_with_the_successor(world):
    world.record("a")
    world.record("b")
    (said,) = replace(world, "a", "b")
    assert said.name == "Superseded"
    assert said.arguments == {
        "release": made("a").release,
        "successor": made("b").release,
        "issuer": RESEARCHER.address,
        "reason": REASON.hex(),
    }
    assert not stands(world, "a") and stands(world, "b")
    withdrawal = world.call("find", released("a"), RESEARCHER.address)[-1]
    assert withdrawal == withdrawal_digest(REASON.hex(), made("b").release)
    assert withdrawal == keccak(released("b") + REASON)[:20]


# --- errors of withdrawing -----------------------------------------------------------------------------


def test_find_revoke_and_supersede_of_nothing_revert(world):
    world.record("b")
    with refuses(NotRecorded, made("a").release, RESEARCHER.address):
        world.call("find", released("a"), RESEARCHER.address)
    with refuses(NotRecorded, made("b").release, STRANGER.address):
        world.call("find", released("b"), STRANGER.address)
    with refuses(NotRecorded, made("a").release, RESEARCHER.address):
        withdraw(world)
    with refuses(NotRecorded, made("a").release, RESEARCHER.address):
        replace(world, "a", "b")
    with refuses(NotRecorded, made("a").release, RESEARCHER.address):
        replace(world, "b", "a")
    assert not stands(world, "a") and stands(world, "b")


@pytest.mark.parametrize("party", [STEWARD, OTHER_RESEARCHER, STRANGER])
def test_revoke_by_stranger_reverts(world, party):
    world.record()
    with refuses(NotRecorded, made().release, party.address):
        withdraw(world, party=party)
    assert stands(world)


def record_theirs(world, name):
    """Another researcher records a release of this digest under a protocol of their own; what they say."""
    theirs = OPEN._replace(researcher=OTHER_RESEARCHER.address)
    world.register(theirs, OTHER_RESEARCHER)
    world.approve(theirs, 0, 1)
    world.send(OTHER_RESEARCHER, "logAttempt", raw(theirs.id), 1, hashed("attempt"))
    world.record(name, OTHER_RESEARCHER, protocol=theirs.id)
    return made(name, protocol=theirs.id)


def test_who_records_a_digest_first_takes_nothing(world):
    copy = record_theirs(world, "a")  # seen, and ahead in the queue
    world.record("a")
    assert world.call("holds", made("a").to_abi(), RESEARCHER.address)
    assert world.call("holds", copy.to_abi(), OTHER_RESEARCHER.address)
    assert not world.call("holds", copy.to_abi(), RESEARCHER.address)
    assert not world.call("holds", made("a").to_abi(), OTHER_RESEARCHER.address)
    found = {who: world.ledger.find(made("a").release, who.address) for who in (RESEARCHER, OTHER_RESEARCHER)}
    assert {who: record.generation for who, record in found.items()} == {
        RESEARCHER: made("a"),
        OTHER_RESEARCHER: copy,
    }
    assert world.ledger.find_issuers(made("a").release) == [OTHER_RESEARCHER.address, RESEARCHER.address]
    withdraw(world, party=OTHER_RESEARCHER)
    assert stands(world) and not stands(world, issuer=OTHER_RESEARCHER)
    assert not world.ledger.find(made("a").release, RESEARCHER.address).revoked
    withdraw(world)
    assert not stands(world)


def test_supersede_by_a_release_of_somebody_else_reverts(world):
    world.record("a")
    record_theirs(world, "b")
    with refuses(NotRecorded, made("b").release, RESEARCHER.address):
        replace(world, "a", "b")
    assert stands(world, "a")


def test_revoke_twice_reverts(world):
    world.record("a")
    world.record("b")
    withdraw(world)
    with refuses(AlreadyRevoked, made().release):
        withdraw(world, reason=keccak(text="another reason"))
    with refuses(AlreadyRevoked, made().release):
        replace(world, "a", "b")


def test_supersede_by_itself_or_by_what_was_withdrawn_reverts(world):
    world.record("a")
    world.record("b")
    with refuses(AlreadyRevoked, made("a").release):
        replace(world, "a", "a")
    withdraw(world, "b")
    with refuses(AlreadyRevoked, made("b").release):
        replace(world, "a", "b")
    assert stands(world, "a")


@pytest.mark.parametrize(
    "function", [withdraw, lambda world, reason: replace(world, "a", "b", reason=reason)]
)
def test_withdrawal_without_a_reason_reverts(world, function):
    world.record("a")
    world.record("b")
    with refuses(ZeroDigest, "reason"):
        function(world, reason=NOTHING)


# --- over time -----------------------------------------------------------------------------------------


def test_a_chain_of_supersessions_is_told_as_it_was_at_any_time(world):
    names, times = "abc", []
    ledger = world.acting(RESEARCHER)
    for number, name in enumerate(names):
        world.next_block_at(world.now() + 100)
        world.record(name)
        if number:
            world.next_block_at(world.now() + 100)
            replace(world, names[number - 1], name)
        times.append(world.now())
    a, b, c = (ledger.find(made(name).release) for name in names)
    assert [record.successor for record in (a, b, c)] == [made("b").release, made("c").release, ZERO]
    assert a.reason == REASON.hex() and c.reason == ZERO
    assert [record.state_at() for record in (a, b, c)] == [SUPERSEDED, SUPERSEDED, STANDS]
    assert [a.state_at(time) for time in (a.time - 1, a.time, times[1] - 1, times[1])] == [
        ABSENT,
        STANDS,
        STANDS,
        SUPERSEDED,
    ]
    assert [b.state_at(time) for time in (times[0], times[1], times[2])] == [ABSENT, STANDS, SUPERSEDED]
    with refuses(AlreadyRevoked, made("a").release):
        replace(world, "c", "a")
    world.next_block_at(world.now() + 100)
    withdraw(world, "c")
    last = ledger.find(made("c").release)
    assert (last.state_at(), last.state_at(last.revocation_time - 1)) == (REVOKED, STANDS)
    assert last.revocation_time == world.now() and last.successor == ZERO
