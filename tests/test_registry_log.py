"""A node whose log does not fit its state, and a registry that is none."""

import pytest
from chain_helpers import (
    COMMITMENT,
    PROTOCOL,
    account,
    generation,
    send,
)
from eth_utils import keccak

from synthlib.chain.connection import Connection
from synthlib.chain.datasets import dataset_id
from synthlib.chain.errors import (
    ChainError,
    IncompleteLog,
    NoRegistry,
)
from synthlib.chain.protocols import Registration
from synthlib.chain.registry import Ledger

pytest_plugins = ["chain_fixtures"]


# --- a chain whose log does not fit its state, and a registry that is none --------------------------------


@pytest.fixture
def on_node(node_study) -> Ledger:
    """A ledger on a node that holds one release, `generation("a")`."""
    said = generation("a", protocol=node_study.registration.id)
    node_study.ledger.record_generation(said)
    return node_study.ledger


def lie(monkeypatch, change) -> None:
    """Let the node's logs go through `change`, a function of a list of logs."""
    real = Connection.get_logs
    monkeypatch.setattr(Connection, "get_logs", lambda self, *given: change(real(self, *given)))


def change_word(logs: list[dict], place: int, value: int = 7) -> list[dict]:
    """Add to one 32-byte word of each log's data."""
    start = 2 + 64 * place
    return [
        log
        | {
            "data": log["data"][:start]
            + f"{(int(log['data'][start : start + 64], 16) + value) % 2**256:064x}"
            + log["data"][start + 64 :]
        }
        for log in logs
    ]


@pytest.mark.parametrize("place", [0, 1, 3, 4, 5, 6])  # commitment to attempt; not the name of the model
def test_a_log_that_says_something_else_than_was_recorded(on_node, monkeypatch, place):
    lie(monkeypatch, lambda logs: change_word(logs, place))
    with pytest.raises(ChainError, match=r"its log does not fit its state|logs that are none"):
        on_node.find(generation("a").release)


def test_a_log_that_names_another_issuer_or_lost_the_event(on_node, monkeypatch):
    with monkeypatch.context() as patched:
        lie(patched, lambda logs: [log | {"topics": [*log["topics"][:3], log["topics"][1]]} for log in logs])
        with pytest.raises(ChainError, match=r"does not fit its state|logs that are none"):
            on_node.find(generation("a").release)
    with monkeypatch.context() as patched:
        lie(patched, lambda logs: [])
        with pytest.raises(IncompleteLog, match=r"one Recorded event .* gave 0; ask a node that keeps"):
            on_node.find(generation("a").release)
    lie(monkeypatch, lambda logs: logs * 2)
    with pytest.raises(IncompleteLog, match="gave 2"):
        on_node.find(generation("a").release)


def test_a_withdrawal_without_its_event_is_no_withdrawal_without_a_reason(on_node, monkeypatch):
    on_node.revoke(generation("a").release, "wrong")
    recorded = (
        "0x"
        + keccak(
            text="Recorded(bytes32,bytes32,address,bytes32,bytes32,bytes32,bytes32,bytes32,uint32,uint24,uint24)"
        ).hex()
    )
    lie(monkeypatch, lambda logs: [log for log in logs if log["topics"][0] == recorded])
    with pytest.raises(IncompleteLog, match="one Revoked or Superseded event"):
        on_node.find(generation("a").release)


@pytest.mark.parametrize("is_superseded", [False, True])
def test_a_withdrawal_with_other_words_than_the_states_is_found(on_node, monkeypatch, is_superseded):
    release, successor = generation("a").release, generation("b", protocol=None).release
    if is_superseded:
        track = on_node.find(release).generation
        on_node.record_generation(track._replace(release=successor))
        on_node.supersede(release, successor, "wrong")
        change = lambda log: log | {"topics": [*log["topics"][:2], "0x" + "7" * 64, log["topics"][3]]}  # noqa: E731
    else:
        on_node.revoke(release, "wrong")
        change = lambda log: change_word([log], 0)[0]  # noqa: E731
    lie(monkeypatch, lambda logs: [change(log) if len(log["data"]) == 66 else log for log in logs])
    with pytest.raises(ChainError, match=r"was withdrawn with, .* its log does not fit its state"):
        on_node.find(release)


def test_words_of_a_protocol_that_its_id_is_no_hash_of(node_study, monkeypatch):
    ask = lambda: node_study.track  # noqa: E731
    with monkeypatch.context() as patched:
        lie(patched, lambda logs: change_word(logs, 0))  # the seal; the digest
        with pytest.raises(ChainError, match="words of protocol"):
            ask()
    with monkeypatch.context() as patched:
        lie(patched, lambda logs: [])
        with pytest.raises(IncompleteLog, match="ProtocolRegistered"):
            ask()
    assert ask().digest == PROTOCOL.digest
    issuer = account("issuer").address
    assert Registration(dataset_id(issuer, COMMITMENT), issuer, PROTOCOL.digest).id == ask().id


def test_a_model_type_that_is_no_text_is_no_record(ledger):
    said = list(generation("a").to_abi())
    said[4] = b"\xff" * 32
    send(ledger, ledger.account, "recordRelease", tuple(said))
    with pytest.raises(ChainError, match="model type in UTF-8"):
        ledger.find(generation("a").release)


def test_a_registry_of_a_hostile_deployer_is_none(node_url, node_study):
    """The code of this version throughout, but for an address or a chain that a constructor put in."""
    ledger, connection = node_study.ledger, node_study.ledger.connection
    set_code = lambda place, code: connection.web3.provider.make_request(  # noqa: E731
        "anvil_setCode", [place, "0x" + code.hex()]
    )
    code = connection.get_code(ledger.address)
    set_code("0x" + "13" * 20, code)  # its parts belong to another registry
    with pytest.raises(NoRegistry, match="expected the ProvenanceRegistry of this version"):
        Ledger.connect(node_url, "0x" + "13" * 20)
    for name in ("Agreements", "Attestations", "RowProofs"):
        place = ledger.addresses[name]
        whole = connection.get_code(place)
        assert bytes.fromhex(ledger.address[2:]) in whole
        for other in (b"", whole.replace(bytes.fromhex(ledger.address[2:]), bytes.fromhex("66" * 20))):
            set_code(place, other)
            with pytest.raises(NoRegistry, match=f"expected the {name} of this version at {place}"):
                Ledger.connect(node_url, ledger.address)
        set_code(place, whole)
    part = bytes.fromhex(ledger.addresses["Agreements"][2:])
    set_code(ledger.address, code.replace(part, bytes.fromhex("66" * 20)))
    with pytest.raises(NoRegistry, match="expected the ProvenanceRegistry"):
        Ledger.connect(node_url, ledger.address)
    set_code(ledger.address, code)
    assert Ledger.connect(node_url, ledger.address).address == ledger.address
