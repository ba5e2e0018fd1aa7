"""A registry with everybody on it, put back after each test: in process, and on a node of its own.

A test module takes these with `pytest_plugins = ["chain_fixtures", "contract_fixtures"]`.
"""

from collections.abc import Iterator

import pytest
from chain_helpers import fund
from contract_world import ADMIN, World, everybody, restored

from synthlib.chain.connection import Connection
from synthlib.chain.registry import Ledger


@pytest.fixture(scope="session", params=["in-process", "node"])
def shared_world(request) -> World:
    if request.param == "in-process":
        ledger = Ledger.in_process(account=ADMIN)
        ledger.journal = None  # it would remember what is put back
        return everybody(ledger)
    # Not the node that all tests share: what they do there would be put back as well.
    url = request.getfixturevalue("start_node")()
    fund(Connection.by_url(url), ADMIN.address)
    return everybody(Ledger.connect(url, account=ADMIN))


@pytest.fixture
def world(shared_world) -> Iterator[World]:
    """Everybody, on each kind of chain; what a test does is put back."""
    with restored(shared_world):
        yield shared_world
