"""What is offered for gas, on a node that mines when it is told to."""

import logging

import pytest
from chain_helpers import Script, rpc
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st
from sending_fixtures import (
    connect,
    count,
    mine,
    nothing,
    send,
)

from synthlib.chain.errors import (
    TransactionRejected,
    TransactionTimeout,
)
from synthlib.chain.fees import higher_fees
from synthlib.chain.patience import GWEI, Patience

pytest_plugins = ["chain_fixtures", "sending_fixtures"]


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
