"""How a registry came to be: code that is ours to the last byte may stand on a storage that is not."""

import pytest
from chain_helpers import account, fund, make_release
from eth_abi import encode
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st
from verification_helpers import CANNOT_TELL, NO, YES, unchecked, wrong

from synthlib import cli
from synthlib.chain.connection import Connection
from synthlib.chain.contracts import PARTS, REGISTRY, created_address, expected_code, find_addresses
from synthlib.chain.creation import find_creation
from synthlib.chain.errors import ChainError, IncompleteLog, TransactionVanished
from synthlib.chain.record_evidence import CREATION
from synthlib.chain.registry import Ledger, deployment_data
from synthlib.chain.roles import ADMIN, AUDITOR, Roles, role_id
from synthlib.chain.verification import verdict, verify
from synthlib.commands.terminal import run

pytest_plugins = ["chain_fixtures", "verification_fixtures"]

DEPLOYER, HIDDEN = account("hostile deployer"), account("hidden auditor")
GRANTED = keccak(text="RoleGranted(bytes32,address,address)")


def push(value: int) -> bytes:
    """The instruction that puts a number on the stack."""
    data = value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
    return bytes([0x5F + len(data)]) + data


def copy_code(offset: int, size: int) -> bytes:
    return push(size) + b"\x61" + offset.to_bytes(2, "big") + b"\x5f\x39"


def returns(code: bytes) -> bytes:
    """Init code that returns these bytes and does nothing else."""
    return b"\x61" + len(code).to_bytes(2, "big") + b"\x80\x60\x0a\x5f\x39\x5f\xf3" + code


def assemble(codes: list[bytes], slots: dict[int, int], admin: str) -> bytes:
    """Init code that makes the parts, fills the storage, says what ours says, and returns our code."""

    def body(start: int) -> bytes:
        made, place = b"", start
        for code in codes[1:]:
            made += copy_code(place, len(code)) + push(len(code)) + b"\x5f\x5f\xf0\x50"
            place += len(code)
        for slot, value in slots.items():
            made += push(value) + push(slot) + b"\x55"
        topics = (0, int(admin, 16), 0, int.from_bytes(GRANTED, "big"))  # the last is the first
        made += b"".join(map(push, topics)) + b"\x5f\x5f\xa4"
        return made + copy_code(place, len(codes[0])) + push(len(codes[0])) + b"\x5f\xf3"

    start = len(body(0))
    return body(start) + b"".join([*codes[1:], codes[0]])


def slot_of(role: str, holder: str) -> int:
    """Where OpenZeppelin keeps whether an account holds a role: the mapping of roles is in slot 0."""
    inner = keccak(encode(["bytes32", "uint256"], [role_id(role), 0]))
    return int.from_bytes(keccak(encode(["address", "bytes32"], [holder, inner])), "big")


@pytest.fixture
def forged(node_url) -> Ledger:
    """A registry with our code throughout, and an auditor in its storage of whom no event tells."""
    connection = Connection.by_url(node_url)
    fund(connection, DEPLOYER.address)
    nonce = connection.web3.eth.get_transaction_count(DEPLOYER.address)
    addresses = find_addresses(created_address(DEPLOYER.address, nonce))
    codes = [expected_code(name, addresses, connection.chain_id) for name in (REGISTRY, *PARTS)]
    codes = [codes[0], *map(returns, codes[1:])]
    slots = {slot_of(AUDITOR, HIDDEN.address): 1, slot_of(ADMIN, DEPLOYER.address): 1}
    data = assemble(codes, slots, DEPLOYER.address)
    connection.send(DEPLOYER, f"0x{data.hex()}", None, 0, [])
    return Ledger.connect(node_url, addresses[REGISTRY], DEPLOYER)


def test_a_storage_that_was_filled_beforehand_is_found(forged):
    assert Roles(forged).has(AUDITOR, HIDDEN.address)
    assert not forged.find_events("RoleGranted", role=role_id(AUDITOR).hex())
    with pytest.raises(ChainError, match="made it by other code: what is in its storage was not put there"):
        find_creation(forged)


def test_who_asks_for_the_administrator_is_told(forged, node_study, node_url, capsys):
    def ask(ledger):
        code = run(cli.app, ["admin", "show", "--rpc", node_url, "--registry", ledger.address])
        return (code, *capsys.readouterr())

    code, out, err = ask(node_study.ledger)
    assert code == 0 and account("issuer").address in out and "made by its own constructor" in err
    code, out, err = ask(forged)
    assert code == 2 and not out and "made it by other code" in " ".join(err.split())


def test_a_registry_that_its_constructor_made_is_told_with_its_transaction(node_study):
    made = find_creation(node_study.ledger)
    receipt = node_study.ledger.connection.get_receipt(made)
    assert receipt["contract"] == node_study.ledger.address


def test_what_another_contract_made_or_a_node_hides_cannot_be_told(node_study, monkeypatch):
    ledger, real = node_study.ledger, Connection.get_creation
    sender, nonce, receiver, data = real(ledger.connection, find_creation(ledger))
    for changed in ((sender, nonce, ledger.address, data), (sender, nonce + 1, receiver, data)):
        monkeypatch.setattr(Connection, "get_creation", lambda *_, changed=changed: changed)
        with pytest.raises(IncompleteLog, match="made in another way"):
            find_creation(ledger)

    def forget(*_):
        raise TransactionVanished("none")

    monkeypatch.setattr(Connection, "get_creation", forget)
    with pytest.raises(IncompleteLog, match="ask a node that keeps them"):
        find_creation(ledger)
    monkeypatch.setattr(Ledger, "find_events", lambda *_, **__: [])
    with pytest.raises(IncompleteLog, match="ask a node that keeps them"):
        find_creation(ledger)


@given(cut=st.integers(1, 200), added=st.binary(max_size=40), place=st.integers(0, 27_000))
def test_any_other_data_is_another_constructor(cut, added, place):
    """Of what is sent to deploy a registry, the words behind the code alone may vary."""
    good = bytes.fromhex(deployment_data(DEPLOYER.address)[2:])
    changed = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
    for data in (good[:-cut], good + b"\0" + added, changed, b""):
        with pytest.raises(ChainError, match="other code"):
            find_creation(Told(data))
    assert find_creation(Told(good)) == "0x01"


class Told:
    """A ledger whose node tells this data of the transaction that made it."""

    def __init__(self, data: bytes):
        self.address, self.connection, self.place = created_address(DEPLOYER.address, 3), self, "here"
        self._data, self.transaction = data, "0x01"

    def find_events(self, *_, **__):
        return [self]

    def get_creation(self, _):
        return DEPLOYER.address, 3, None, self._data


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        (lambda told: told, YES),
        (lambda told: (*told[:3], told[3] + b"\0"), NO),
        (lambda told: None, CANNOT_TELL),
    ],
    ids=["ours", "other code", "not told"],
)
def test_verification_says_how_the_registry_was_made(
    study_on_node, workspace, node_url, monkeypatch, change, answer
):
    bundle = make_release(workspace / "release", study=study_on_node)
    study_on_node.ledger.record(bundle)
    study_on_node.ledger.save(bundle)
    real = Connection.get_creation

    def tell(*given):
        told = change(real(*given))
        if told is None:
            raise TransactionVanished("none")
        return told

    monkeypatch.setattr(Connection, "get_creation", tell)
    findings = verify(bundle.path, node_url)
    assert verdict(findings) == answer
    named = {NO: {found.subject for found in wrong(findings)}, CANNOT_TELL: unchecked(findings), YES: set()}
    assert (CREATION in named[answer]) == (answer != YES)
    assert (CREATION, "matched") in [found[:2] for found in findings] or answer != YES
