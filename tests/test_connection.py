"""Requests to nodes that drop, delay, cut off or refuse, and which chain answers."""

import http.server
import json
import random
import threading
from contextlib import contextmanager

import pytest
from chain_helpers import SEPOLIA, Script, account, fund, generation, own_protocol, rpc
from fault_proxy import FAULTS, FaultProxy
from fault_runs import connect_ledger, find, record
from hypothesis import given
from hypothesis import strategies as st

from synthlib.chain.connection import Connection
from synthlib.chain.errors import (
    ChainError,
    NodeUnreachable,
    NotRecorded,
    TransactionRejected,
    TransactionVanished,
    WrongChain,
)
from synthlib.chain.patience import Patience, Pauses

pytest_plugins = ["chain_fixtures"]

QUICK = Patience(request=0.2, first_pause=0.01, longest_pause=0.05, connect=5, retry=5, poll=0.05)


@contextmanager
def serving(*answers):
    """A server that gives these answers (status, headers, body), at last the same one; yields its URL."""
    left, seen = list(answers), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append(request["method"])
            status, headers, body = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(body, dict):
                body = json.dumps({"jsonrpc": "2.0", "id": request["id"]} | body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()


# --- asking again --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
def test_request_that_meets_a_fault_is_asked_again(node_url, fault):
    weights = {other: float(other == fault) for other in FAULTS}
    with FaultProxy(node_url, rate=1, weights=weights, most=3) as proxy:
        connection = Connection.by_url(proxy.url, patience=QUICK)
    is_answered = fault in ("delayed", "sent twice")
    assert (connection.chain_id, proxy.counts[fault]) == (31337, 2 if is_answered else 3)
    repeated = 0 if is_answered else 3
    assert proxy.requests == ["eth_chainId"] * (repeated + 1) + ["eth_getBlockByNumber"]


@given(st.integers(0, 2**32), st.floats(0.01, 1), st.floats(1, 60), st.floats(0, 300))
def test_pauses_double_and_end_in_time(seed, first, longest, limit):
    pauses = []
    for _ in range(2):
        script = Script()
        script.sleep = lambda seconds, script=script: (
            script.pauses.append(seconds),
            setattr(script, "now", script.now + seconds),
        )
        patience = Patience(first_pause=first, longest_pause=longest)
        attempts = Pauses(patience, random.Random(seed), script.sleep, script.clock).attempts(limit)
        assert [*attempts] == [*range(len(script.pauses) + 1)]
        assert sum(script.pauses) == pytest.approx(limit)
        pauses.append(script.pauses)
    assert pauses[0] == pauses[1]
    for number, pause in enumerate(pauses[0][:-1]):
        most = min(first * 2**number, longest)
        assert most / 2 <= pause <= most


def test_node_that_stays_away_is_given_up_after_the_limit(node_url):
    with FaultProxy(node_url, rate=0) as proxy:
        script = Script()
        connection = Connection.by_url(proxy.url, patience=Patience(retry=20), **script.times)
        proxy.rate, proxy._weights = 1, [float(fault == "429") for fault in FAULTS]
        with pytest.raises(NodeUnreachable, match=r"at http://127\.0\.0\.1:\d+, got HTTP status 429"):
            connection.get_code("0x" + "22" * 20)
    assert script.now == pytest.approx(20)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusals_that_do_not_pass_are_not_repeated(status):
    with (
        serving((status, {}, "no")) as (url, seen),
        pytest.raises(NodeUnreachable, match=f"HTTP status {status}"),
    ):
        Connection.by_url(url)
    assert len(seen) == 1


def test_server_is_waited_for_as_long_as_it_asks():
    answers = [(429, {"Retry-After": "3"}, "later"), (503, {"Retry-After": "900"}, "later"), (404, {}, "no")]
    script = Script()
    with serving(*answers) as (url, _), pytest.raises(NodeUnreachable):
        Connection.by_url(url, patience=Patience(connect=30, longest_pause=5), **script.times)
    assert script.pauses[0] == 3 and 5 in script.pauses


def test_node_that_is_asked_too_often_says_so():
    error = {"error": {"code": 429, "message": "Too Many Requests"}}
    with serving((200, {}, error)) as (url, seen), pytest.raises(NodeUnreachable, match="asked too often"):
        Connection.by_url(url, **Script().times)
    assert len(seen) > 1


def test_errors_of_a_node_are_no_faults():
    error = {"error": {"code": -32601, "message": "method not found"}}
    with (
        serving((200, {}, error)) as (url, seen),
        pytest.raises(TransactionRejected, match="method not found"),
    ):
        Connection.by_url(url)
    assert len(seen) == 1


def test_receipt_of_a_transaction_that_no_block_holds(node_url):
    with pytest.raises(TransactionVanished, match="look the record up"):
        Connection.by_url(node_url).get_receipt("0x" + "12" * 32)


def test_contract_that_is_not_there(node_url):
    connection = Connection.by_url(node_url)
    entry = {"type": "function", "name": "total", "inputs": [], "stateMutability": "view"}
    abi = [entry | {"outputs": [{"name": "", "type": "uint256"}]}]
    contract = connection.web3.eth.contract("0x" + "22" * 20, abi=abi)
    with pytest.raises(ChainError, match="check that the contract is on this chain"):
        connection.call(contract.functions.total())


# --- a public test network, rehearsed ------------------------------------------------------------------


def test_deployment_to_a_public_test_network_in_rehearsal(testnet_url):
    publisher = account("publisher")
    fund(Connection.by_url(testnet_url, SEPOLIA), publisher.address)
    ledger = connect_ledger(testnet_url, publisher, chain_id=SEPOLIA)
    assert ledger.connection.chain_id == SEPOLIA
    said = generation("rehearsal", protocol=own_protocol("publisher"))
    with pytest.raises(NotRecorded):
        find(ledger, said)
    assert record(ledger, said).issuer == publisher.address
    for other in (1, 31337, 17000):
        with pytest.raises(WrongChain, match=rf"expected chain {other} at .* found chain {SEPOLIA}"):
            connect_ledger(testnet_url, publisher, chain_id=other)
    assert int(rpc(testnet_url, "eth_getTransactionCount", publisher.address, "latest"), 16) == 6
