"""The in-process chain's short way to a block, beside eth-tester's and web3's way."""

import json

import pytest
from chain_helpers import account, digest, generation, open_study

from synthlib.chain.connection import Connection
from synthlib.chain.errors import TransactionRejected
from synthlib.chain.registry import Ledger
from synthlib.chain.transactions import plain_receipt


@pytest.fixture
def sent() -> list[tuple[bytes, dict]]:
    """Signed transactions with receipts: a deployment, a study, a record, one that fails, a revocation."""
    ledger = Ledger.in_process(account=account("admin"))
    open_study(ledger)
    first = ledger.record_generation(generation("first"))
    fields = {"chainId": ledger.connection.chain_id, "value": 0, "gas": 100_000, "nonce": 0}
    fields |= {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0, "to": ledger.address, "data": "0x" + digest("?")}
    failing = account("stranger").sign_transaction(fields)
    failed = ledger.connection.send_raw(bytes(failing.raw_transaction), bytes(failing.hash))
    ledger.revoke(first.release, "superseded")
    lines = [json.loads(line) for line in ledger.journal.lines[1:]]
    told = [(bytes.fromhex(line["raw"][2:]), line["receipt"]) for line in lines]
    return [*told[:-1], (bytes(failing.raw_transaction), failed), told[-1]]


def test_a_block_is_the_one_that_web3_gives(sent):
    replayed = Connection.in_process()
    for raw, receipt in sent:
        transaction = replayed.web3.eth.send_raw_transaction(raw)
        assert plain_receipt(replayed.web3.eth.get_transaction_receipt(transaction)) == receipt
    assert [receipt["status"] for _, receipt in sent] == [1, 1, 1, 1, 1, 1, 0, 1]
    assert [bool(receipt["contract"]) for _, receipt in sent] == [True] + [False] * 7


def test_a_rejected_transaction_leaves_the_chain_as_it_was(sent):
    connection = Connection.in_process()
    raw, receipt = sent[0]
    with pytest.raises(TransactionRejected, match="nonce"):
        connection.send_raw(sent[1][0], bytes(32))
    assert connection.send_raw(raw, bytes(32)) == receipt
