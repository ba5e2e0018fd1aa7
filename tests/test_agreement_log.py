"""The log of agreements: what a node makes up or leaves out is found, and the trail is told in order."""

import pytest
from agreement_fixtures import AGREEMENT, DIGESTS, GRANTEE, LATE, OBJECT, STRANGER, names, words
from chain_helpers import DATASET, contract_of, digest
from eth_abi import encode
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st
from ledger_doubles import Liar, changed, doubled, dropped

from synthlib.chain.agreements import TRAIL, Agreements, chain_accesses
from synthlib.chain.contracts import load_artifact
from synthlib.chain.errors import ChainError

pytest_plugins = ["chain_fixtures", "agreement_fixtures"]

# --- a node that lies ----------------------------------------------------------------------------------

CERTIFICATE = digest("certificate")


@pytest.mark.parametrize(
    ("name", "lie", "message"),
    [
        ("Accepted", changed(encryptionKey=digest("the liar's key")), "does not fit its state"),
        ("Accepted", dropped, "gave 0; ask a node that keeps"),
        ("Accepted", doubled, "gave 2; ask a node that keeps"),
        ("Accessed", changed(object=digest("what was not handed over")), "does not fit its state"),
        ("Accessed", lambda events: events[:1], "gave 1; ask a node that keeps"),
        ("Accessed", lambda events: events[::-1], "does not fit its state"),
        ("Accessed", doubled, "does not fit its state"),
        ("Offered", lambda events: reworded(events, terms=digest("worse")), "does not fit its state"),
        ("Offered", lambda events: reworded(events, grantee=STRANGER.address), "does not fit its state"),
    ],
    ids=["other key", "no key", "two keys", "object", "one less", "other order", "more", "terms", "grantee"],
)
def test_a_log_that_does_not_fit_the_state_is_found_out_before_anything_is_logged(
    steward, agreed, empty_ledger, name, lie, message
):
    for thing in ("one", "two"):
        steward.log_access(agreed.id, digest(thing))
    liar, height = Agreements(Liar(empty_ledger, name, lie)), empty_ledger.connection.get_block_number()
    with pytest.raises(ChainError, match=message):
        liar.log_access(agreed.id, OBJECT)
    with pytest.raises(ChainError, match=message):
        liar.trail()
    if name != "Offered":
        with pytest.raises(ChainError, match=message):
            liar.find(agreed.id)
    assert empty_ledger.connection.get_block_number() == height
    assert len(names(steward, "Accessed")) == 2


def reworded(events, **words):
    return [changed(agreement=event.arguments["agreement"] | words)([event])[0] for event in events]


def test_an_access_that_a_node_makes_up_is_none(steward, agreed, empty_ledger):
    """Else the steward would take it for logged, hand the key over, and no record would say so."""
    steward.log_access(agreed.id, digest("one"))
    liar = Agreements(Liar(empty_ledger, "Accessed", changed(object=OBJECT)))
    with pytest.raises(ChainError, match="does not fit its state"):
        liar.log_access(agreed.id, OBJECT)
    late = Agreements(Liar(empty_ledger, "Accessed", lambda events: made_up(events, number=2)))
    assert late.log_access(agreed.id, OBJECT).number == 2
    assert [event.arguments["object"] for event in names(steward, "Accessed")] == [digest("one"), OBJECT]


def made_up(events, number):
    """What there is, and an access to the object under the next number."""
    if any(event.arguments["number"] == number for event in events):
        return events
    return [*events, *changed(object=OBJECT, number=number)(events[:1])]


def test_certificates_are_held_against_the_state(steward, empty_ledger):
    assert steward.find_erasure(DATASET, OBJECT) is None
    steward.record_erasure(DATASET, OBJECT, CERTIFICATE)
    found = steward.find_erasure(DATASET, OBJECT)
    assert (found.arguments["object"], found.arguments["certificate"]) == (OBJECT, CERTIFICATE)
    assert steward.find_erasure(DATASET, digest("another")) is None
    for lie, message in [(changed(certificate=digest("x")), "not fit its state"), (dropped, "gave 0")]:
        liar = Agreements(Liar(empty_ledger, "ObjectErased", lie))
        with pytest.raises(ChainError, match=message):
            liar.find_erasure(DATASET, OBJECT)
        assert liar.is_erased(DATASET, OBJECT)
    with pytest.raises(ChainError, match="not fit its state"):
        Agreements(Liar(empty_ledger, "ObjectErased", changed(certificate=digest("x")))).trail()


@given(DIGESTS, DIGESTS, st.lists(DIGESTS, max_size=5))
def test_a_head_is_hashed_access_by_access(id, key, objects):
    head = keccak(encode(["bytes32", "bytes32"], [bytes.fromhex(id), bytes.fromhex(key)]))[:13]
    for thing in objects:
        head = keccak(encode(["bytes13", "bytes32"], [head, bytes.fromhex(thing)]))[:13]
    assert chain_accesses("0x" + id, key, objects) == head.hex()


@pytest.mark.parametrize("expiry", [-1, 2**40, 1.5, None])
def test_an_expiry_is_a_time_that_fits(expiry):
    with pytest.raises(ValueError, match="expected an expiry of 0 to"):
        AGREEMENT._replace(expiry=expiry).to_abi()


# --- the trail -----------------------------------------------------------------------------------------


def test_the_trail_holds_everything_in_the_order_of_the_chain(steward, grantee, stranger, agreed):
    stranger.request(DATASET, "to learn", ["DUO:0000042"])
    steward.log_access(agreed.id, OBJECT)
    steward.log_denial(DATASET, OBJECT, STRANGER.address.lower(), "no agreement")
    steward.log_access(agreed.id, digest("another object"))
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
        ("logAccess", [agreed.to_abi(), b"\2" * 32, 1]),
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
