"""Several publishers with one account, and processes that are killed."""

import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
from chain_helpers import Script, account, fund, rpc
from sending_fixtures import ONCE, QUICK, connect, count, mine, raw_transaction, send

from synthlib.chain import sending
from synthlib.chain.errors import (
    ChainError,
    ContractError,
    TransactionTimeout,
)
from synthlib.chain.patience import GWEI
from synthlib.chain.sending import Sender

pytest_plugins = ["chain_fixtures", "sending_fixtures"]


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
