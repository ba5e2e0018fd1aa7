"""What happens to a transaction on its way, one fault at a time."""

import pytest
from chain_helpers import Script, account, fund, rpc
from eth_utils import keccak
from fault_proxy import FAULTS, FaultProxy
from sending_fixtures import HUNGRY, QUICK, SOMEBODY, connect, count, mine, nothing, raw_transaction, send

from synthlib.chain.connection import Connection
from synthlib.chain.contracts import load_artifact
from synthlib.chain.errors import (
    InsufficientFunds,
    NodeUnreachable,
    NonceTaken,
    OutOfGas,
    TransactionRejected,
    TransactionTimeout,
    TransactionVanished,
    WrongChain,
)
from synthlib.chain.registry import Ledger
from synthlib.chain.sending import Sender

pytest_plugins = ["chain_fixtures", "sending_fixtures"]


# --- confirmations and reorganisations -----------------------------------------------------------------


@pytest.mark.parametrize("confirmations", [0, 1, 3])
def test_as_many_blocks_lie_on_top_as_asked_for(manual_url, sender, confirmations):
    connection = connect(manual_url, Script([mine(manual_url)]), confirmations=confirmations)
    receipt = send(connection, sender).receipt
    assert int(rpc(manual_url, "eth_blockNumber"), 16) == receipt["block"] + confirmations
    assert connection.is_final(receipt)
    assert not connection.is_final(receipt, confirmations + 1)


def test_confirmations_that_nobody_asked_for(node_url, monkeypatch):
    assert Connection.in_process().confirmations == 0
    assert connect(node_url).confirmations == 0
    for name in ("Geth/v1.16.1-stable", "erigon/3.0", ""):
        monkeypatch.setattr("web3.Web3.client_version", name)
        assert connect(node_url).confirmations == 1
    with pytest.raises(ValueError, match="0 or more confirmations, got -1"):
        connect(node_url, confirmations=-1)


@pytest.mark.parametrize("how", ["evm_revert", "anvil_reorg"])
def test_the_same_transaction_is_sent_again_after_a_reorganisation(manual_url, sender, broadcasts, how):
    """Mined, dropped before its confirmation, mined again: the same bytes under the same nonce."""
    snapshot = rpc(manual_url, "evm_snapshot")
    dropped = {
        "evm_revert": lambda: rpc(manual_url, "evm_revert", snapshot),
        "anvil_reorg": lambda: rpc(manual_url, "anvil_reorg", 1, []),
    }[how]
    script = Script([mine(manual_url), dropped, nothing, mine(manual_url)])
    sent = send(connect(manual_url, script, confirmations=1), sender)
    assert broadcasts == ["0x" + sent.raw.hex()] * 2
    assert sent.receipt["transaction"] == "0x" + keccak(sent.raw).hex()
    assert count(manual_url, sender) == 1


def test_transaction_that_the_pool_drops_is_sent_again(manual_url, sender, broadcasts):
    def drop():
        rpc(manual_url, "anvil_dropTransaction", "0x" + keccak(hexstr=broadcasts[0]).hex())

    sent = send(connect(manual_url, Script([drop, nothing, mine(manual_url)])), sender)
    assert broadcasts == ["0x" + sent.raw.hex()] * 2


def test_earlier_transaction_that_a_reorganisation_dropped_too_is_sent_again(manual_url, sender):
    snapshot = rpc(manual_url, "evm_snapshot")
    script = Script([mine(manual_url)])
    connection = connect(manual_url, script, confirmations=0)
    first = send(connection, sender, "0x01")
    connection._confirmations = 1
    script.events = [mine(manual_url), lambda: rpc(manual_url, "evm_revert", snapshot), mine(manual_url)]
    second = send(connection, sender, "0x02")
    assert connection.check_receipt(first.receipt)["block"] <= second.receipt["block"]
    assert count(manual_url, sender) == 2


def test_transaction_whose_nonce_another_took_after_a_reorganisation(manual_url, sender):
    """Given bytes cannot be mined any more, and that is said; a wish is signed anew."""
    for sends in ("bytes", "wish"):
        snapshot, nonce = rpc(manual_url, "evm_snapshot"), count(manual_url, sender)

        def replace(snapshot=snapshot, nonce=nonce):
            rpc(manual_url, "evm_revert", snapshot)
            rpc(manual_url, "eth_sendRawTransaction", raw_transaction(manual_url, sender, nonce, "0xff"))
            rpc(manual_url, "evm_mine")

        connection = connect(
            manual_url, Script([mine(manual_url), replace, mine(manual_url)]), confirmations=1
        )
        if sends == "bytes":
            raw = bytes.fromhex(raw_transaction(manual_url, sender, nonce, "0x02")[2:])
            with pytest.raises(NonceTaken, match=rf"nonce {nonce} of .*look up whether the record is there"):
                connection.send_raw(raw, keccak(raw))
            assert count(manual_url, sender) == nonce + 1
        else:
            assert send(connection, sender, "0x02").receipt["status"] == 1
            assert count(manual_url, sender) == nonce + 2


def test_receipt_from_long_ago_is_asked_for_again(manual_url, sender):
    connection = connect(manual_url, Script([mine(manual_url)]))
    snapshot = rpc(manual_url, "evm_snapshot")
    sent = send(connection, sender)
    assert connection.is_final(sent.receipt, 0)
    assert connection.check_receipt(sent.receipt) == sent.receipt
    rpc(manual_url, "evm_revert", snapshot)
    rpc(manual_url, "evm_mine")
    rpc(manual_url, "evm_mine")
    assert not connection.is_final(sent.receipt, 0)
    with pytest.raises(TransactionVanished, match="send it again"):
        connection.check_receipt(sent.receipt)
    moved = connection.send_raw(sent.raw, keccak(sent.raw))
    assert connection.check_receipt(sent.receipt) == moved
    assert moved["block"] > sent.receipt["block"] and not connection.is_final(sent.receipt, 0)


# --- answers that do not come --------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
def test_lost_answer_to_a_broadcast_sends_one_transaction(node_url, fault):
    somebody = account(f"faults {fault}")
    fund(connect(node_url), somebody.address)
    weights = {other: float(other == fault) for other in FAULTS}
    with FaultProxy(node_url, rate=1, weights=weights, methods={"eth_sendRawTransaction"}, most=2) as proxy:
        connection = connect(proxy.url, patience=QUICK)
        sent = send(connection, somebody)
    assert sent.receipt["status"] == 1
    assert count(node_url, somebody) == 1
    for number, method in enumerate(proxy.requests[:-1]):
        if method == proxy.requests[number + 1] == "eth_sendRawTransaction":
            pytest.fail("sent again without a look")
    if fault not in ("delayed", "sent twice"):
        first = proxy.requests.index("eth_sendRawTransaction")
        assert proxy.requests[first + 1] == "eth_getTransactionByHash"


def test_node_that_ends_while_a_transaction_waits(start_node, tmp_path):
    """The error names neither key nor URL, and the outbox knows what was sent."""
    url = start_node("--no-mining")
    somebody = account("a")
    fund(connect(url), somebody.address)
    with FaultProxy(url) as proxy:
        proxy.rate = 0
        address = proxy.url.replace("http://", "http://user:secret@") + "/v3/secret"

        def end():
            proxy.rate, proxy._weights = 1, [float(fault == "502") for fault in FAULTS]

        connection = connect(address, Script([end]), timeout=20, outbox=tmp_path / "outbox")
        with pytest.raises(TransactionTimeout, match="node answers no more; it may still come") as caught:
            send(connection, somebody)
        with pytest.raises(NodeUnreachable, match="HTTP status 502") as refused:
            connection.get_code(SOMEBODY)
    for text in (str(caught.value), str(refused.value), (tmp_path / "outbox").read_text()):
        assert "secret" not in text and somebody.key.hex() not in text
    assert len((tmp_path / "outbox").read_text().splitlines()) == 1


# --- the chain -----------------------------------------------------------------------------------------


def test_chain_that_changes_meanwhile(node_url, testnet_url, start_node, broadcasts):
    for other in (testnet_url, start_node("--timestamp", "1700000000")):
        with FaultProxy(node_url, rate=0) as proxy:
            script = Script()
            connection = connect(proxy.url, script)
            assert connection.get_code(SOMEBODY) == b""
            proxy.upstream = other
            with pytest.raises(WrongChain, match=r"expected chain 31337 from block .* the node changed"):
                send(connection, account("a"))
            script.now += 60
            with pytest.raises(WrongChain):
                connection.get_code(SOMEBODY)
    assert broadcasts == []


def test_chain_that_changes_while_a_transaction_waits(manual_url, testnet_url, sender, tmp_path):
    """Nonces of the other chain say nothing of this one: what waits is kept."""
    outbox = tmp_path / "outbox"
    rpc(testnet_url, "anvil_setNonce", sender.address, "0x9")
    with FaultProxy(manual_url, rate=0) as proxy:

        def change():
            proxy.upstream = testnet_url

        with pytest.raises(WrongChain):
            send(connect(proxy.url, Script([change]), outbox=outbox), sender)
    assert len(outbox.read_text().splitlines()) == 1
    assert len(connect(manual_url, Script([mine(manual_url)]), outbox=outbox).settle()) == 1


def test_gas_that_runs_out_in_the_block_is_doubled_once(manual_url, sender, broadcasts):
    contract = "0x" + "34" * 20
    rpc(manual_url, "anvil_setCode", contract, HUNGRY)

    def make_hungrier(*slots):
        def act():
            rpc(manual_url, "anvil_setStorageAt", contract, "0x0", f"0x{slots[len(broadcasts) - 1]:064x}")
            rpc(manual_url, "evm_mine")

        return act

    connection = connect(manual_url, Script([make_hungrier(4, 4)]))
    sent = send(connection, sender, to=contract)
    assert sent.receipt["status"] == 1 and count(manual_url, sender) == 2
    broadcasts.clear()
    connection = connect(manual_url, Script([make_hungrier(40, 400)]))
    with pytest.raises(OutOfGas, match="twice what was given before"):
        send(connection, sender, to=contract)
    assert len(broadcasts) == 2


@pytest.mark.parametrize("gas", [22_000, 30_000, 50_000])
def test_gas_that_would_not_be_enough_in_process_sends_nothing(gas):
    """A failed transaction would be missing in the journal, and no later line could be replayed."""
    ledger = Ledger.in_process()
    before = ledger.connection.web3.eth.block_number
    with pytest.raises(TransactionRejected, match=r"ran out|does not take it"):
        ledger.connection.send(ledger.account, load_artifact()["bytecode"], None, gas, [])
    assert ledger.connection.web3.eth.block_number == before


def test_gas_below_what_any_transaction_needs(manual_url, sender, monkeypatch, tmp_path):
    monkeypatch.setattr(Sender, "_try_out", lambda self, wish: 2000)
    connection = connect(manual_url, outbox=tmp_path / "outbox")
    with pytest.raises(OutOfGas, match="intrinsic gas too low; the node's estimate was too low"):
        send(connection, sender)
    assert (tmp_path / "outbox").read_bytes() == b""


def test_account_that_cannot_pay(manual_url, monkeypatch):
    with pytest.raises(InsufficientFunds, match="send it some ether"):
        send(connect(manual_url), account("pauper"), data="0x01")
    monkeypatch.setattr(Sender, "_try_out", lambda self, wish: 30_000)
    with pytest.raises(InsufficientFunds, match="send it some ether"):
        send(connect(manual_url), account("pauper"))
