"""What happens to a transaction on its way, one fault at a time, on a node that mines when it is told to."""

import logging
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
from chain_helpers import Script, account, fund, rpc
from eth_utils import keccak
from fault_proxy import FAULTS, FaultProxy
from hypothesis import given
from hypothesis import strategies as st

from synthlib.chain import sending
from synthlib.chain.connection import Connection
from synthlib.chain.errors import (
    ChainError,
    ContractError,
    InsufficientFunds,
    NodeUnreachable,
    NonceTaken,
    OutOfGas,
    TransactionRejected,
    TransactionTimeout,
    TransactionVanished,
    WrongChain,
)
from synthlib.chain.fees import higher_fees
from synthlib.chain.patience import GWEI, Patience
from synthlib.chain.records import load_artifact
from synthlib.chain.registry import Ledger
from synthlib.chain.sending import Sender
from synthlib.chain.transactions import sign

pytest_plugins = ["chain_fixtures"]

SOMEBODY = "0x" + "22" * 20
# Writes as many new slots as slot 0 says, so that its gas depends on the state: from 26,000 a slot on.
HUNGRY = "0x6000545b8015601357808055600190036003565b00"

# Reverts unless slot 0 is empty, and fills it.
ONCE = "0x600054600c576001600055005b60006000fd"


@pytest.fixture
def sender(request, manual_url):
    """An account of its own with money, on the manual node."""
    somebody = account(request.node.name)
    rpc(manual_url, "anvil_setBalance", somebody.address, hex(10**20))
    yield somebody
    rpc(manual_url, "anvil_dropAllTransactions")
    rpc(manual_url, "evm_mine")


@pytest.fixture
def broadcasts(monkeypatch):
    """Every signed transaction that is broadcast, in order."""
    seen, real = [], Sender.broadcast

    def broadcast(self, entry):
        seen.append(entry.raws[-1])
        return real(self, entry)

    monkeypatch.setattr(Sender, "broadcast", broadcast)
    return seen


def mine(url):
    return lambda: rpc(url, "evm_mine")


def nothing():
    pass


def connect(url, script=None, **options) -> Connection:
    return Connection.by_url(url, **(script.times if script else {}), **options)


def send(connection, somebody, data="0x", to=SOMEBODY):
    return connection.send(somebody, data, to, 0, [])


def count(url, somebody) -> int:
    return int(rpc(url, "eth_getTransactionCount", somebody.address, "latest"), 16)


def raw_transaction(url, somebody, nonce, data="0x", fee=5 * GWEI) -> str:
    fields = {"chainId": 31337, "to": SOMEBODY, "value": 0, "gas": 50_000, "nonce": nonce, "data": data}
    return sign(somebody, fields | {"maxFeePerGas": fee, "maxPriorityFeePerGas": fee})


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


# --- fees ----------------------------------------------------------------------------------------------


def fees_of(url, raw) -> tuple[int, int]:
    found = rpc(url, "eth_getTransactionByHash", "0x" + keccak(hexstr=raw).hex())
    return int(found["maxFeePerGas"], 16), int(found["maxPriorityFeePerGas"], 16)


def test_fees_of_a_stuck_transaction_rise(manual_url, sender, broadcasts):
    connection = connect(
        manual_url, script := Script(), patience=Patience(replace_after=10, replacements=2), timeout=120
    )
    script.events = [lambda: rpc(manual_url, "evm_mine") if len(broadcasts) == 3 else None]
    sent = send(connection, sender)
    assert "0x" + sent.raw.hex() == broadcasts[-1] and len(broadcasts) == 3
    assert count(manual_url, sender) == 1
    assert 20 < script.now < 40
    assert fees_of(manual_url, broadcasts[-1])[1] * 8 >= 9 * GWEI


def test_older_form_that_is_mined_counts(manual_url, sender, broadcasts):
    def mine_the_first():
        if len(broadcasts) == 2:
            rpc(manual_url, "anvil_dropTransaction", "0x" + keccak(hexstr=broadcasts[1]).hex())
            rpc(manual_url, "eth_sendRawTransaction", broadcasts[0])
            rpc(manual_url, "evm_mine")

    connection = connect(manual_url, Script([mine_the_first]), patience=Patience(replace_after=5))
    sent = send(connection, sender)
    assert "0x" + sent.raw.hex() == broadcasts[0] != broadcasts[1]
    assert sent.receipt["transaction"] == "0x" + keccak(sent.raw).hex()


def test_fees_rise_no_more_often_and_no_higher_than_allowed(manual_url, sender, broadcasts, caplog):
    patience = Patience(replace_after=1, replacements=3)
    with pytest.raises(TransactionTimeout, match="within 60 s"):
        send(connect(manual_url, Script(), patience=patience, timeout=60), sender)
    assert len(broadcasts) == 4
    fees = [fees_of(manual_url, broadcasts[-1])]
    rpc(manual_url, "anvil_dropAllTransactions")
    broadcasts.clear()
    patience = Patience(replace_after=1, replacements=9, max_fee=fees[0][0])
    with caplog.at_level(logging.WARNING), pytest.raises(TransactionTimeout):
        send(connect(manual_url, Script(), patience=patience, timeout=60), sender)
    assert 1 < len(broadcasts) < 9
    assert fees_of(manual_url, broadcasts[-1])[0] <= patience.max_fee
    assert "its fees may not rise" in caplog.text


def test_base_fee_that_rises_above_a_transaction_s_fee(manual_url, sender, broadcasts):
    """The node drops it, and does not take the same bytes again: fees rise at once, whatever the patience."""

    def rise():
        rpc(manual_url, "anvil_setNextBlockBaseFeePerGas", hex(50 * GWEI))
        rpc(manual_url, "evm_mine")
        rpc(manual_url, "anvil_setNextBlockBaseFeePerGas", hex(50 * GWEI))
        rpc(manual_url, "anvil_dropAllTransactions")

    script = Script([rise, mine(manual_url)])
    connection = connect(manual_url, script, patience=Patience(replace_after=1e6))
    try:
        sent = send(connection, sender)
    finally:
        rpc(manual_url, "anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        rpc(manual_url, "evm_mine")
    assert "0x" + sent.raw.hex() == broadcasts[-1] != broadcasts[0]


def test_base_fee_that_rises_above_the_limit_is_waited_out(manual_url, sender, broadcasts, caplog):
    def rise():
        rpc(manual_url, "anvil_setNextBlockBaseFeePerGas", hex(50 * GWEI))
        rpc(manual_url, "evm_mine")

    def fall():
        rpc(manual_url, "anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        rpc(manual_url, "evm_mine")

    script = Script([rise, *[nothing] * 12, fall, mine(manual_url)])
    connection = connect(manual_url, script, patience=Patience(replace_after=1, max_fee=20 * GWEI))
    sent = send(connection, sender)
    assert "0x" + sent.raw.hex() in broadcasts and count(manual_url, sender) == 1
    assert "its fees may not rise" in caplog.text


def test_fees_of_an_earlier_transaction_that_holds_up_a_later_one_rise(
    manual_url, sender, broadcasts, tmp_path
):
    """Left behind by a process that gave up; the next one wants something else and has to pass it first."""
    outbox = tmp_path / "outbox"
    with pytest.raises(TransactionTimeout):
        send(connect(manual_url, Script(), timeout=1, outbox=outbox), sender, "0x01")

    def mine_when_raised():
        if len(broadcasts) == 3:
            rpc(manual_url, "evm_mine")

    patience = Patience(replace_after=10)
    sent = send(
        connect(manual_url, Script([mine_when_raised]), patience=patience, outbox=outbox), sender, "0x02"
    )
    assert broadcasts[1] == "0x" + sent.raw.hex()
    assert rpc(manual_url, "eth_getTransactionReceipt", "0x" + keccak(hexstr=broadcasts[2]).hex())
    assert count(manual_url, sender) == 2


def test_fees_above_the_limit_send_nothing(manual_url, sender, broadcasts):
    with pytest.raises(
        TransactionRejected, match=r"at most 1e-09 gwei .* wait until they fall, or allow more"
    ):
        send(connect(manual_url, patience=Patience(max_fee=1)), sender)
    assert broadcasts == []


@given(st.integers(0, 10**13), st.integers(0, 10**13), st.integers(0, 10**13), st.integers(0, 10**13))
def test_higher_fees_are_an_eighth_higher_or_none(fee, tip, now, limit):
    fees = higher_fees({"maxFeePerGas": fee, "maxPriorityFeePerGas": tip}, {"maxFeePerGas": now}, limit)
    if fees is None:
        assert max(fee, tip) * 9 / 8 > limit - 1
        return
    for old, new in ((fee, fees["maxFeePerGas"]), (tip, fees["maxPriorityFeePerGas"])):
        assert new > old and new * 8 >= old * 9 and new <= limit
    assert fees["maxFeePerGas"] >= min(now, limit)


# --- answers that do not come --------------------------------------------------------------------------

QUICK = Patience(request=0.2, first_pause=0.01, longest_pause=0.05, connect=5, retry=5, poll=0.05)


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


# --- several publishers with one account ---------------------------------------------------------------


@pytest.mark.parametrize("share", ["connection", "process", "nothing", "outbox"])
def test_publishers_with_one_account_lose_nothing(node_url, tmp_path, monkeypatch, share):
    """Threads that share less and less, at last as separate processes: they then meet on the node alone."""
    somebody = account(f"shared {share}")
    fund(connect(node_url), somebody.address)
    if share in ("nothing", "outbox"):
        monkeypatch.setattr(sending, "_LOCKS", defaultdict_of_new_locks())
    outbox = tmp_path / "outbox" if share == "outbox" else None
    one = connect(node_url, patience=QUICK)

    def publish(number):
        mine = one if share == "connection" else connect(node_url, patience=QUICK, outbox=outbox)
        return [send(mine, somebody, f"0x{number:02x}{part:02x}") for part in range(4)]

    with ThreadPoolExecutor(4) as pool:
        sent = [one for several in pool.map(publish, range(4)) for one in several]
    assert all(one.receipt["status"] == 1 for one in sent)
    assert len({one.receipt["transaction"] for one in sent}) == 16
    assert count(node_url, somebody) == 16
    assert outbox is None or outbox.read_bytes() == b""


def defaultdict_of_new_locks():
    class Locks(defaultdict):
        def __getitem__(self, _):
            return threading.Lock()

    return Locks()


def test_transaction_that_another_program_replaces(manual_url, sender, broadcasts):
    """The other one offers more for the same nonce: ours is signed anew under the next."""

    def replace():
        if count(manual_url, sender) == 0:
            rpc(
                manual_url,
                "eth_sendRawTransaction",
                raw_transaction(manual_url, sender, 0, "0xff", 90 * GWEI),
            )
        rpc(manual_url, "evm_mine")

    sent = send(connect(manual_url, Script([replace])), sender, "0x01")
    assert sent.receipt["status"] == 1
    assert count(manual_url, sender) == 2


# --- processes that are killed -------------------------------------------------------------------------


class Killed(BaseException):
    """Ends everything at once, as a signal would."""


def killing(*_):
    raise Killed


@pytest.mark.parametrize("moment", ["before the broadcast", "after the broadcast", "after the block"])
def test_next_process_finds_what_the_killed_one_sent(node_url, tmp_path, monkeypatch, moment):
    somebody, outbox = account(moment), tmp_path / "outbox"
    fund(connect(node_url), somebody.address)
    real = Sender.broadcast

    def broadcast(self, entry):
        assert outbox.stat().st_mode & 0o777 == 0o600
        assert entry.raws[0] in outbox.read_text()
        if moment != "before the broadcast":
            real(self, entry)
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        if moment == "after the block":
            patched.setattr("synthlib.chain.watching.Watch._look", killing)
        else:
            patched.setattr(Sender, "broadcast", broadcast)
        send(connect(node_url, outbox=outbox), somebody, "0x01")
    (line,) = outbox.read_text().splitlines()
    assert somebody.key.hex() not in line
    other = send(connect(node_url, outbox=outbox), somebody, "0x02")
    assert (other.receipt["status"], count(node_url, somebody)) == (1, 2)
    again = connect(node_url, outbox=outbox)
    if "0x01" in outbox.read_text():
        assert "0x" + send(again, somebody, "0x01").raw.hex() in line
    assert count(node_url, somebody) == 2
    assert outbox.read_bytes() == b"" and again.settle() == []


def test_what_a_killed_process_sent_and_a_block_holds_is_not_refused(node_url, tmp_path):
    """The contract takes it once; asked whether it would take it now, it says no."""
    contract, somebody, outbox = "0x" + "35" * 20, account("once"), tmp_path / "outbox"
    rpc(node_url, "anvil_setCode", contract, ONCE)
    fund(connect(node_url), somebody.address)
    with pytest.MonkeyPatch.context() as patched, pytest.raises(Killed):
        patched.setattr("synthlib.chain.watching.Watch._look", killing)
        send(connect(node_url, outbox=outbox), somebody, to=contract)
    sent = send(connect(node_url, outbox=outbox), somebody, to=contract)
    assert (sent.receipt["status"], count(node_url, somebody)) == (1, 1)
    with pytest.raises(ContractError, match="reverted"):
        send(connect(node_url, outbox=outbox), somebody, to=contract)


def test_one_wish_of_two_publishers_is_sent_once(manual_url, sender, monkeypatch, broadcasts):
    connection = connect(manual_url, patience=QUICK)
    both, real = threading.Barrier(2, timeout=10), Sender._try_out

    def try_out(self, wish):
        both.wait()
        return real(self, wish)

    monkeypatch.setattr(Sender, "_try_out", try_out)
    with ThreadPoolExecutor(3) as pool:
        sent = [pool.submit(send, connection, sender) for _ in range(2)]
        while not broadcasts:
            time.sleep(0.01)
        time.sleep(0.1)
        rpc(manual_url, "evm_mine")
        assert sent[0].result(10) == sent[1].result(10)
    assert len(broadcasts) == count(manual_url, sender) == 1


def test_what_another_process_left_is_sent_first(manual_url, sender, tmp_path, broadcasts):
    outbox = tmp_path / "outbox"
    with pytest.raises(TransactionTimeout):
        send(connect(manual_url, Script(), timeout=1, outbox=outbox), sender, "0x01")
    rpc(manual_url, "anvil_dropAllTransactions")
    sent = send(connect(manual_url, Script([mine(manual_url)]), outbox=outbox), sender, "0x02")
    assert broadcasts == [broadcasts[0], broadcasts[0], "0x" + sent.raw.hex()]
    assert count(manual_url, sender) == 2


def test_settle_waits_for_what_the_outbox_holds(manual_url, sender, tmp_path, caplog):
    outbox = tmp_path / "outbox"
    for data in ("0x01", "0x02"):
        with pytest.raises(TransactionTimeout):
            send(connect(manual_url, Script(), timeout=1, outbox=outbox), sender, data)
    rpc(manual_url, "anvil_dropAllTransactions")
    connection = connect(manual_url, Script([mine(manual_url)]), outbox=outbox)
    assert connection.settle(account("somebody else")) == []
    sent = connection.settle(sender)
    assert [one.receipt["status"] for one in sent] == [1, 1]
    assert outbox.read_bytes() == b"" and count(manual_url, sender) == 2
    with pytest.raises(TransactionTimeout):
        send(connect(manual_url, Script(), timeout=1, outbox=outbox), sender, "0x03")
    rpc(manual_url, "anvil_dropAllTransactions")
    rpc(manual_url, "eth_sendRawTransaction", raw_transaction(manual_url, sender, 2, "0xff"))
    rpc(manual_url, "evm_mine")
    assert connection.settle() == [] and "went to another transaction" in caplog.text
    assert outbox.read_bytes() == b""


def test_outbox_that_somebody_changed(node_url, tmp_path):
    (tmp_path / "outbox").write_text("hello\n")
    with pytest.raises(ChainError, match=r"line 1 of .*outbox, found other text; move it aside"):
        send(connect(node_url, outbox=tmp_path / "outbox"), account("a"))


def test_outbox_that_another_process_has_locked(node_url, tmp_path):
    outbox, somebody = tmp_path / "outbox", account("locked out")
    fund(connect(node_url), somebody.address)
    with connect(node_url, outbox=outbox)._sender.outbox.locked():
        late = connect(node_url, Script(), outbox=outbox, timeout=3)
        with pytest.raises(ChainError, match=r"the lock on .* within 3 s, another process holds it"):
            send(late, somebody)
    assert send(connect(node_url, outbox=outbox), somebody).receipt["status"] == 1
