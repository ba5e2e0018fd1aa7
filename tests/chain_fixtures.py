"""Ledgers on the in-process chain and on a real node, and a release to record.

A test module takes these with `pytest_plugins = ["chain_fixtures"]`.
"""

from contextlib import ExitStack
from pathlib import Path

import pytest
from anvil_node import find_anvil, run_anvil
from chain_helpers import SEPOLIA, account, fund, make_release, open_study

from synthlib.bundle import Bundle
from synthlib.chain.connection import Connection
from synthlib.chain.registry import Ledger
from synthlib.chain.study import Study


@pytest.fixture(scope="session")
def start_node():
    """A function that starts an anvil with further arguments; returns its URL. All are stopped at the end."""
    with ExitStack() as nodes:

        def start(*arguments: str) -> str:
            if find_anvil() is None:
                pytest.skip("anvil is not installed (make npm brings it)")
            return nodes.enter_context(run_anvil(*arguments)).url

        yield start


@pytest.fixture(scope="session")
def node_url(start_node) -> str:
    """URL of a node that all tests share."""
    return start_node()


@pytest.fixture(scope="session")
def manual_url(start_node) -> str:
    """URL of a node that mines when it is told to (`evm_mine`)."""
    return start_node("--no-mining")


@pytest.fixture(scope="session")
def testnet_url(start_node) -> str:
    """URL of a node that says it is the public test network Sepolia: for rehearsals of a deployment."""
    return start_node("--chain-id", str(SEPOLIA))


@pytest.fixture
def ledger(study) -> Ledger:
    """The same with a study of one attempt: `generation(name)` can be recorded."""
    return study.ledger


@pytest.fixture(scope="session")
def handed_on(tmp_path_factory) -> Path:
    """The folder of the admin's study on a chain in process: taking it up is quicker than opening another."""
    folder = tmp_path_factory.mktemp("study")
    open_study(Ledger.in_process(account=account("admin"))).hand_on(folder)
    return folder


@pytest.fixture(params=["in-process", "node"])
def study(request) -> Study:
    """The study of `ledger`."""
    if request.param == "in-process":
        return Study.resume(request.getfixturevalue("handed_on"), account=account("admin"))
    return open_study(connect_admin(request.getfixturevalue("node_url")))


@pytest.fixture(params=["in-process", "node"])
def empty_ledger(request) -> Ledger:
    """A registry of its own on each kind of chain, run by the admin, who is steward and researcher too."""
    if request.param == "in-process":
        return Ledger.in_process(account=account("admin"))
    return connect_admin(request.getfixturevalue("node_url"))


def connect_admin(url: str) -> Ledger:
    fund(Connection.by_url(url), account("admin").address)
    return Ledger.connect(url, account=account("admin"))


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    """An empty workspace, and no key in the environment."""
    monkeypatch.setenv("SYNTHLIB_WORKSPACE", str(tmp_path))
    for name in ("SYNTHLIB_PRIVATE_KEY", "SYNTHLIB_KEYFILE", "SYNTHLIB_KEYFILE_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def release(workspace) -> Bundle:
    """A release that is not recorded yet, with the journal of a chain in this process."""
    return make_release(workspace / "release")


@pytest.fixture
def own_release(study, workspace) -> Bundle:
    """A release that `ledger` can record."""
    return make_release(workspace / "own", study=study)


@pytest.fixture
def node_study(node_url, workspace, monkeypatch) -> Study:
    """The study of an issuer whose key is in the environment, on a node."""
    monkeypatch.setenv("SYNTHLIB_PRIVATE_KEY", account("issuer").key.hex())
    fund(Connection.by_url(node_url), account("issuer").address)
    return open_study(Ledger.connect(node_url))
