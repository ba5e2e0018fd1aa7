"""Recorded releases for tests of verification.

A test module takes these with `pytest_plugins = ["chain_fixtures", "verification_fixtures"]`.
"""

import shutil
from pathlib import Path

import pytest
from chain_helpers import account, fund, make_release, open_study

from synthlib.bundle import Finding, canonical_json
from synthlib.chain import record_evidence
from synthlib.chain.accounts import demo_account
from synthlib.chain.connection import Connection
from synthlib.chain.recording import record_bundle
from synthlib.chain.registry import Ledger
from synthlib.chain.study import Study


@pytest.fixture(scope="session")
def recorded_once(tmp_path_factory) -> Path:
    """The release that `recorded` copies."""
    path = tmp_path_factory.mktemp("recorded") / "release"
    make_release(path)
    record_bundle(path, account=demo_account())
    return path


@pytest.fixture
def recorded(recorded_once, workspace) -> Path:
    """A release recorded on the in-process chain."""
    return Path(shutil.copytree(recorded_once, workspace / "release"))


@pytest.fixture
def study_on_node(workspace, node_url) -> Study:
    """The issuer's study on a node, with no key in the environment."""
    fund(Connection.by_url(node_url), account("issuer").address)
    return open_study(Ledger.connect(node_url, account=account("issuer")))


@pytest.fixture
def replay_once(monkeypatch):
    """Replay a journal once: most tampering leaves it as it is, and to replay it takes most of the time."""
    real, seen = record_evidence._replay, {}

    def replay(body, journal, findings):
        # The head stands for all lines.
        told = (journal.head, canonical_json(body["chain"]), body["registry"])
        if told not in seen:
            said: list[Finding] = []
            seen[told] = (real(body, journal, said), said)
        findings += seen[told][1]
        return seen[told][0]

    monkeypatch.setattr(record_evidence, "_replay", replay)
