"""Releases on the registry: recorded once within a budget; on both chains."""

import pytest
from chain_helpers import contract_of, digest
from contract_world import (
    BUDGET,
    CAP,
    NOTHING,
    OPEN,
    OPEN_RELEASES,
    OTHER_RESEARCHER,
    REASON,
    RESEARCHER,
    STEWARD,
    hashed,
    made,
    raw,
    refuses,
    released,
    stands,
    told,
    withdraw,
)
from eth_abi import encode
from eth_utils import keccak

from synthlib.chain.errors import (
    AlreadyRecorded,
    ContractError,
    NoOpenReleaseLeft,
    NoSuchAttempt,
    Overspent,
    ProtocolNotApproved,
    SpendNotSaid,
    ZeroDigest,
)
from synthlib.chain.records import NOT_PRIVATE

pytest_plugins = ["chain_fixtures", "contract_fixtures"]

ZERO = "0" * 64
GATE = hashed("gate")


# --- events --------------------------------------------------------------------------------------------


def test_record_emits_recorded_with_everything(world):
    world.send(RESEARCHER, "logAttempt", raw(OPEN.id), 2, hashed("attempt 2"))
    (said,) = world.record(spend=9)
    generation = made(spend=9)
    assert said.name == "Recorded"
    assert said.arguments == {
        "release": generation.release,
        "protocol": OPEN.id,
        "issuer": RESEARCHER.address,
        "commitment": generation.commitment,
        "synthetic": generation.synthetic,
        "modelType": b"TabularGAN".ljust(32, b"\0").hex(),
        "parameters": generation.parameters,
        "characteristics": generation.characteristics,
        "spend": 9,
        "attempt": 1,
        "attempts": 2,
    }


# --- what is stored ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{}, {"spend": 1}, {"model_type": "é" * 16}, {"model_type": "x", "spend": BUDGET}],
    ids=["open", "private", "32 bytes of text", "one letter"],
)
def test_the_fingerprint_is_the_one_that_python_predicts(world, changes):
    (said,) = world.record(**changes)
    generation = made(**changes)
    fields = [*["bytes32"] * 7, "uint32", "uint24"]
    content = keccak(encode(fields, generation.to_abi()))
    assert generation.content == content
    assert generation.id == "0x" + keccak(content + raw(generation.synthetic)).hex()
    stored = (raw(generation.id)[:26], False, said.block, 0, 0, bytes(20))
    assert world.call("find", raw(generation.release), RESEARCHER.address) == stored
    assert generation.fingerprint_with() == stored[0]
    assert world.call("holds", generation.to_abi(), RESEARCHER.address)


CHANGES = {
    **dict.fromkeys(("commitment", "synthetic", "parameters", "characteristics"), digest("x")),
    "protocol": "0x" + digest("x"),
    "model_type": "TabularGPT",
    "spend": 1,
    "attempt": 2,
}


def test_only_exactly_what_was_recorded_by_whom_it_was_recorded_is_held(world):
    world.record()
    assert world.call("holds", made().to_abi(), RESEARCHER.address)
    assert not world.call("holds", made().to_abi(), OTHER_RESEARCHER.address)
    assert not world.call("holds", made("b").to_abi(), RESEARCHER.address)
    for field, value in CHANGES.items():
        changed = made()._replace(**{field: value})
        assert not world.call("holds", changed.to_abi(), RESEARCHER.address), field
    withdraw(world)
    assert world.call("holds", made().to_abi(), RESEARCHER.address)


def test_a_release_stands_with_its_own_root_and_content_alone(world):
    said, other = made(), made(spend=1)
    root, wrong = raw(said.synthetic), hashed("x")

    def stands_with(release=said.release, issuer=RESEARCHER, content=said.content, synthetic=root):
        return world.call("standsWith", raw(release), issuer.address, content, synthetic)

    assert not stands_with()
    world.record()
    assert stands_with()
    assert not stands_with(release=made("b").release)
    assert not stands_with(issuer=OTHER_RESEARCHER)
    assert not stands_with(content=other.content)
    assert not stands_with(synthetic=wrong)
    assert not stands_with(content=root, synthetic=said.content)
    withdraw(world)
    assert not stands_with()


def test_bytes_after_the_call_change_no_fingerprint(world):
    contract = world.connection.web3.eth.contract(
        world.ledger.address, abi=contract_of(world.ledger).abi
    )
    data = contract.encode_abi("recordRelease", [made().to_abi()]) + "ff" * 40
    world.connection.send(RESEARCHER, data, world.ledger.address, 1_000_000, contract.abi)
    assert world.call("holds", made().to_abi(), RESEARCHER.address)


@pytest.mark.parametrize("field", [7, 8], ids=["spend", "attempt"])
def test_a_number_wider_than_its_field_reverts(world, field):
    contract = contract_of(world.ledger)
    data = bytearray.fromhex(contract.encode_abi("recordRelease", [made(spend=1).to_abi()])[2:])
    data[4 + 32 * field] = 1
    with refuses(ContractError, "reverted without data"):
        world.connection.send(RESEARCHER, "0x" + data.hex(), world.ledger.address, 1_000_000, contract.abi)


# --- releases that failed their gate -------------------------------------------------------------------


def test_a_failed_release_emits_both_and_is_stored_as_failed(world):
    recorded, failed = world.record(gate=GATE, spend=9)
    assert (recorded.name, failed.name) == ("Recorded", "FailedItsGate")
    assert failed.arguments == {
        "release": made().release,
        "issuer": RESEARCHER.address,
        "gate": GATE.hex(),
    }
    generation = made(spend=9)
    content = keccak(encode([*["bytes32"] * 7, "uint32", "uint24", "bytes32"], (*generation.to_abi(), GATE)))
    assert generation.content_with(GATE.hex()) == content != generation.content
    assert generation.id_with(GATE.hex()) == "0x" + keccak(content + raw(generation.synthetic)).hex()
    stored = (generation.fingerprint_with(GATE.hex()), True, recorded.block, 0, 0, bytes(20))
    assert world.call("find", released(), RESEARCHER.address) == stored
    record = world.ledger.find(generation.release, RESEARCHER.address)
    assert (record.failed, record.gate, record.generation) == (True, GATE.hex(), generation)
    assert record.id == generation.id_with(GATE.hex()) and record.content == content


def test_a_failed_release_is_held_with_its_own_gate_alone(world):
    world.record(gate=GATE)
    world.record("b")
    said, issuer = made().to_abi(), RESEARCHER.address
    assert world.call("holdsFailed", said, GATE, issuer)
    assert not world.call("holdsFailed", said, REASON, issuer)
    assert not world.call("holdsFailed", said, GATE, OTHER_RESEARCHER.address)
    assert not world.call("holdsFailed", made(spend=1).to_abi(), GATE, issuer)
    assert not world.call("holds", said, issuer)
    assert not world.call("holdsFailed", made("b").to_abi(), NOTHING, issuer)


def test_a_failed_release_stands_until_it_is_withdrawn_and_stays_failed(world):
    world.record(gate=GATE)
    content, root = made().content_with(GATE.hex()), raw(made().synthetic)
    shown = [released(), RESEARCHER.address, content, root]
    assert stands(world) and world.call("standsWith", *shown)
    assert not world.call("standsWith", *shown[:2], made().content, root)
    withdraw(world)
    assert not stands(world) and not world.call("standsWith", *shown)
    assert world.ledger.find(made().release, RESEARCHER.address).failed


def test_a_failed_release_spends_as_any_other(world):
    world.record("a", gate=GATE, spend=BUDGET - 1)
    world.record("b", gate=GATE)
    track = world.track()
    assert (track.budget, track.open_releases_left) == (1, OPEN_RELEASES - 1)
    with refuses(Overspent, OPEN.id[2:], 1, 2):
        world.record("c", gate=GATE, spend=2)


@pytest.mark.parametrize("gates", [(GATE, None), (None, GATE), (GATE, REASON)])
def test_what_failed_is_not_recorded_again_as_if_it_had_not_nor_the_other_way_round(world, gates):
    world.record(gate=gates[0])
    with refuses(AlreadyRecorded, made().release):
        world.record(gate=gates[1])
    assert world.ledger.find(made().release, RESEARCHER.address).failed == (gates[0] is not None)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"gate": NOTHING}, (ZeroDigest, "gate")),
        ({"attempt": 2}, (NoSuchAttempt, OPEN.id[2:], 1, 2)),
        ({"spend": 0}, (SpendNotSaid, made().release)),
        ({"protocol": "0x" + ZERO}, (ProtocolNotApproved, ZERO, RESEARCHER.address)),
        ({"synthetic": ZERO}, (ZeroDigest, "synthetic")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value[0].__name__,
)
def test_a_failed_release_is_refused_as_any_other(world, changes, error):
    with refuses(*error):
        world.record(**{"gate": GATE} | changes)


def test_bytes_after_the_call_change_no_fingerprint_of_a_failed_release(world):
    contract = contract_of(world.ledger)
    data = contract.encode_abi("recordFailedRelease", [made().to_abi(), GATE]) + "ff" * 40
    world.connection.send(RESEARCHER, data, world.ledger.address, 1_000_000, contract.abi)
    assert world.call("holdsFailed", made().to_abi(), GATE, RESEARCHER.address)


# --- errors of recording -------------------------------------------------------------------------------


def test_record_twice_reverts(world):
    world.record()
    with refuses(AlreadyRecorded, made().release):
        world.record()
    with refuses(AlreadyRecorded, made().release):
        world.record(synthetic=digest("other"), spend=1)
    track = world.track()
    assert (track.budget, track.open_releases_left) == (BUDGET, OPEN_RELEASES - 1)


def test_record_again_after_revocation_reverts(world):
    world.record()
    withdraw(world)
    with refuses(AlreadyRecorded, made().release):
        world.record()


@pytest.mark.parametrize(
    "field", ["release", "commitment", "synthetic", "modelType", "parameters", "characteristics"]
)
def test_record_without_a_digest_reverts(world, field):
    name = "model_type" if field == "modelType" else field
    with refuses(ZeroDigest, field):
        world.record(**{name: "" if name == "model_type" else ZERO})


def test_record_without_a_protocol_reverts(world):
    with refuses(ProtocolNotApproved, ZERO, RESEARCHER.address):
        world.record(protocol="0x" + ZERO)


@pytest.mark.parametrize("number", [0, 2, 2**24 - 1])
def test_record_of_an_attempt_that_was_not_made_reverts(world, number):
    with refuses(NoSuchAttempt, OPEN.id[2:], 1, number):
        world.record(attempt=number)


def test_record_that_says_nothing_of_privacy_reverts(world):
    with refuses(SpendNotSaid, made().release):
        world.record(spend=0)


# --- the budget ----------------------------------------------------------------------------------------


def test_releases_spend_the_budget_to_its_end_and_not_beyond(world):
    world.record("a", spend=BUDGET - 1)
    with refuses(Overspent, OPEN.id[2:], 1, 2):
        world.record("b", spend=2)
    world.record("b", spend=1)
    with refuses(Overspent, OPEN.id[2:], 0, 1):
        world.record("c", spend=1)
    track = world.track()
    assert (track.budget, track.private_releases, track.open_releases_left) == (0, 2, OPEN_RELEASES)
    assert world.allotted() == BUDGET


@pytest.mark.parametrize("spend", [BUDGET + 1, NOT_PRIVATE - 1])
def test_a_release_that_spends_more_than_there_is_reverts(world, spend):
    with refuses(Overspent, OPEN.id[2:], BUDGET, spend):
        world.record(spend=spend)


def test_a_topped_up_budget_is_spent_on(world):
    world.record("a", spend=BUDGET)
    world.approve(OPEN, 5)
    world.record("b", spend=5)
    assert world.allotted() == BUDGET + 5


def test_what_a_release_spent_does_not_come_back_when_it_is_withdrawn(world):
    world.record(spend=100)
    withdraw(world)
    world.send(STEWARD, "closeProtocol", *told(OPEN))
    assert world.allotted() == 100


def test_what_a_closed_protocol_returned_can_be_allotted_again(world):
    world.record(spend=100)
    world.send(STEWARD, "closeProtocol", *told(OPEN))
    other = OPEN._replace(digest=digest("another protocol"))
    world.register(other)
    world.approve(other, CAP - 100)
    assert world.allotted() == CAP


def test_open_releases_are_counted_and_end(world):
    for number in range(OPEN_RELEASES):
        world.record(str(number))
    with refuses(NoOpenReleaseLeft, OPEN.id[2:]):
        world.record("more")
    world.record("private", spend=1)
    world.approve(OPEN, 0, 1)
    world.record("more")
    assert world.track().open_releases_left == 0
