"""Recorded releases to export.

A test module takes these with `pytest_plugins = ["chain_fixtures", "export_fixtures"]`.
"""

import shutil
from pathlib import Path

import pytest
from chain_helpers import account, fund, make_release, open_study
from export_helpers import BLOCK_TIME, change_record

from synthlib.bundle import Bundle
from synthlib.chain.connection import Connection
from synthlib.chain.recording import record_bundle
from synthlib.chain.registry import Ledger


@pytest.fixture
def recorded_bundle(release) -> Bundle:
    """A release on an in-process chain."""
    record_bundle(release.path)
    return release


@pytest.fixture(scope="session")
def public_once(start_node, tmp_path_factory) -> Path:
    """A release of the second of three attempts, on a node that says it is a public chain."""
    url = start_node("--chain-id", "11155111", "--timestamp", str(BLOCK_TIME))
    issuer = account("issuer")
    fund(Connection.by_url(url), issuer.address)
    study = open_study(Ledger.connect(url, account=issuer), 3)
    path = tmp_path_factory.mktemp("public") / "release"
    bundle = make_release(path, study=study, attempt=2, protocol=study.describe(2, 0.25))
    study.ledger.record(bundle)
    study.ledger.save(bundle)
    return path


@pytest.fixture
def public(public_once, tmp_path) -> Bundle:
    """A copy of it, whose record says more, as a later version of the library might write it."""
    bundle = Bundle.open(shutil.copytree(public_once, tmp_path / "public"))
    change_record(bundle, record={"later": {"epsilon": 2.5}}, agreements=[{"grantee": "0x01"}])
    return bundle
