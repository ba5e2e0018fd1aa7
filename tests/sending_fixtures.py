"""A node that mines when it is told to, an account on it, and what is broadcast.

A test module takes these with `pytest_plugins = ["chain_fixtures", "sending_fixtures"]`.
"""

import pytest
from chain_helpers import account, rpc

from synthlib.chain.connection import Connection
from synthlib.chain.patience import GWEI, Patience
from synthlib.chain.sending import Sender
from synthlib.chain.transactions import sign

QUICK = Patience(request=0.2, first_pause=0.01, longest_pause=0.05, connect=5, retry=5, poll=0.05)
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
