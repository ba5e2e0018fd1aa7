"""Events: both kinds of chain tell one history alike; a node that finds a span too long is asked in parts."""

import pytest
from chain_helpers import DATASET, account, contract_of, digest, fund, generation, open_study, send
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st
from web3.logs import DISCARD

from synthlib.chain.agreements import Agreement, Agreements
from synthlib.chain.connection import Connection
from synthlib.chain.contracts import CONTRACTS, REGISTRY, load_artifact
from synthlib.chain.errors import NodeUnreachable, TransactionRejected
from synthlib.chain.events import Events, decode_logs, type_of
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import AUDITOR, Roles

pytest_plugins = ["chain_fixtures"]

GRANTEE = account("grantee")
AGREEMENT = Agreement(DATASET, GRANTEE.address, digest("terms"), digest("purpose"), ("DUO:0000042",), 2**39)


def live_through(ledger: Ledger) -> None:
    """The same history on any chain."""
    study = open_study(ledger, num_attempts=2)
    study.attempt_all([{"seed": 2}, {"seed": 3}])
    for name in "ab":
        ledger.record_generation(generation(name))
    ledger.supersede(generation("a").release, generation("b").release, "better")
    Roles(ledger).grant(AUDITOR, GRANTEE.address)
    agreements = Agreements(ledger)
    agreements.offer(AGREEMENT)
    agreements.accept(
        AGREEMENT, digest("key"), Agreements(ledger.acting_as(GRANTEE)).sign(AGREEMENT, digest("key"))
    )
    for thing in ("one", "two"):
        agreements.log_access(AGREEMENT.id, digest(thing))


@pytest.fixture(scope="module")
def two(start_node) -> list[Ledger]:
    """A ledger on each kind of chain, after the same history; both hold the registry at one address."""
    ledgers = [Ledger.in_process(account=account("admin"))]
    url = start_node()
    fund(Connection.by_url(url), account("admin").address)
    ledgers.append(Ledger.connect(url, account=account("admin")))
    assert ledgers[0].address == ledgers[1].address
    for ledger in ledgers:
        live_through(ledger)
    return ledgers


def told(event):
    """What does not depend on the chain."""
    return event.contract, event.name, event.arguments


WANTED = [
    ("Recorded", REGISTRY, {}),
    ("Recorded", REGISTRY, {"release": generation("a").release}),
    ("Recorded", REGISTRY, {"release": "0x" + generation("a").release.upper()}),
    ("Recorded", REGISTRY, {"release": digest("nothing")}),
    ("Recorded", REGISTRY, {"issuer": account("admin").address.lower()}),
    ("Recorded", REGISTRY, {"issuer": account("stranger").address}),
    ("Recorded", REGISTRY, {"release": generation("b").release, "protocol": generation("b").protocol[2:]}),
    ("Superseded", REGISTRY, {"successor": generation("b").release, "release": None}),
    ("Attempted", REGISTRY, {}),
    ("AttemptedBatch", REGISTRY, {}),
    ("RoleGranted", REGISTRY, {"account": GRANTEE.address}),
    ("Accessed", "Agreements", {}),
    ("Accessed", "Agreements", {"object": digest("two"), "id": AGREEMENT.id}),
    ("Offered", "Agreements", {"grantee": GRANTEE.address}),
    ("Attested", "Attestations", {}),
    (None, "Agreements", {}),
    (None, REGISTRY, {}),
]


@pytest.mark.parametrize(("name", "contract", "arguments"), WANTED)
def test_both_kinds_of_chain_tell_the_same_history(two, name, contract, arguments):
    found = [ledger.find_events(name, contract, **arguments) for ledger in two]
    assert [told(event) for event in found[0]] == [told(event) for event in found[1]]
    blocks = [
        [event.block - ledger_start(ledger) for event in each]
        for ledger, each in zip(two, found, strict=True)
    ]
    assert blocks[0] == blocks[1] == sorted(blocks[0])


def ledger_start(ledger: Ledger) -> int:
    """The block of deployment."""
    return ledger.find_events("RoleGranted")[0].block


def test_the_history_was_found_and_not_its_absence(two):
    for ledger in two:
        found = {(name, contract): ledger.find_events(name, contract) for name, contract, _ in WANTED}
        assert [key for key, events in found.items() if not events] == [("Attested", "Attestations")]
        assert len(ledger.find_events("Recorded", release=generation("a").release)) == 1
        assert len(ledger.find_events("Recorded", issuer=account("admin").address.lower())) == 2


def test_a_chain_that_comes_back_from_its_journal_tells_the_same_history(tmp_path):
    first = Ledger.in_process(tmp_path / "journal.jsonl", account("admin"))
    live_through(first)
    again = Ledger.in_process(tmp_path / "journal.jsonl", account("admin"))
    for contract in CONTRACTS:
        assert again.find_events(None, contract) == first.find_events(None, contract)
    assert first.find_events()[0].name == "RoleGranted"


def test_one_block_is_looked_at_if_asked(two):
    for ledger in two:
        first, second = ledger.find_events("Recorded")
        assert ledger.find_events("Recorded", block=second.block) == [second]
        assert ledger.find_events("Recorded", block=second.block, release=first.arguments["release"]) == []


@pytest.mark.parametrize(
    ("name", "argument"),
    [("Recorded", "spend"), ("Recorded", "nothing"), (None, "release"), ("Paused", "account")],
)
def test_arguments_by_which_a_node_cannot_find_are_refused(two, name, argument):
    for ledger in two:
        with pytest.raises(ValueError, match=f"expected indexed arguments .*got {argument}"):
            ledger.find_events(name, **{argument: 1})
        with pytest.raises(ValueError, match="expected indexed arguments"):
            ledger.find_events(name, **{argument: None})


def test_an_event_that_there_is_not_is_refused(two):
    for ledger in two:
        with pytest.raises(KeyError):
            ledger.find_events("Recorded", "Agreements")


def test_events_are_decoded_as_web3_decodes_them(two):
    """Against another decoder: names, order and values of every argument of every event of the history."""
    ledger = two[1]
    for name in CONTRACTS:
        contract = contract_of(ledger, name)
        for event in ledger.find_events(None, name):
            receipt = ledger.connection.web3.eth.get_transaction_receipt(event.transaction)
            logs = contract.events[event.name]().process_receipt(receipt, errors=DISCARD)
            assert event.arguments in [plain(log["args"]) for log in logs]


def plain(value, name=""):
    """web3's values as this library shows them."""
    if isinstance(value, bytes):
        return ("0x" if name in ("dataset", "id", "protocol", "request") else "") + bytes(value).hex()
    if hasattr(value, "items"):
        return {key: plain(item, key) for key, item in value.items()}
    return list(value) if isinstance(value, list | tuple) else value


def test_logs_of_others_and_of_unknown_kind_are_left_out(two):
    ledger = two[0]
    receipt = send(ledger, ledger.account, "grantRole", b"\1" * 32, GRANTEE.address)
    logs = receipt["logs"]
    assert len(decode_logs(logs, ledger.addresses, 1, "0x")) == 1
    stranger = [log | {"address": GRANTEE.address} for log in logs]
    unknown = [log | {"topics": ["0x" + "12" * 32, *log["topics"][1:]]} for log in logs]
    anonymous = [log | {"topics": []} for log in logs]
    assert decode_logs(stranger + unknown + anonymous, ledger.addresses, 1, "0x") == []


def test_a_type_is_written_as_the_chain_hashes_it():
    (entry,) = (each for each in load_artifact("Agreements")["abi"] if each.get("name") == "Offered")
    types = ",".join(map(type_of, entry["inputs"]))
    assert types == "bytes32,bytes32,address,(bytes32,address,bytes32,bytes32,uint32[],uint40,bytes32)"
    assert type_of({"type": "tuple[2][]", "components": [{"type": "uint8"}]}) == "(uint8)[2][]"
    topic = "0x" + keccak(text=f"Offered({types})").hex()
    assert topic.startswith("0x") and len(topic) == 66


# --- a node that finds a span too long -----------------------------------------------------------------


class ShortSighted:
    """A node that refuses spans longer than some length, or all."""

    is_in_process = False

    def __init__(self, blocks, longest, last=None):
        self.blocks, self.longest, self.last = sorted(blocks), longest, last
        self.asked = []

    def get_block_number(self):
        return self.blocks[-1] if self.last is None else self.last

    def get_logs(self, address, topics, first, last):
        self.asked.append((first, last))
        if last - first + 1 > self.longest:
            raise TransactionRejected("query returned more than 10000 results")
        return [{"block": block} for block in self.blocks if first <= block <= last]


@given(st.sets(st.integers(0, 300), min_size=1), st.integers(1, 400))
def test_a_span_is_halved_until_the_node_takes_it(blocks, longest):
    node = ShortSighted(blocks, longest)
    found = Events(node, {})._search("0x", [], 0, max(blocks))
    assert [log["block"] for log in found] == sorted(blocks)
    taken = [span for span in node.asked if span[1] - span[0] + 1 <= longest]
    assert [block for first, last in taken for block in range(first, last + 1)] == list(
        range(max(blocks) + 1)
    )
    assert len(node.asked) <= 2 * len(taken)


def test_a_node_that_refuses_every_span_is_soon_believed():
    node = ShortSighted([0], 0, last=2**20)
    with pytest.raises(TransactionRejected, match="more than 10000"):
        Events(node, {})._search("0x", [], 0, 2**20)
    assert len(node.asked) <= 22


def test_a_node_that_does_not_answer_is_not_asked_in_parts(monkeypatch):
    node = ShortSighted([0], 0, last=8)

    def unreachable(*_):
        node.asked.append(_)
        raise NodeUnreachable("gone")

    monkeypatch.setattr(node, "get_logs", unreachable)
    with pytest.raises(NodeUnreachable):
        Events(node, {REGISTRY: "0x"}).find(REGISTRY, "Recorded")
    assert len(node.asked) == 1
