"""Empty stores of every kind, a vault in a folder, and what touches keys.

A test module takes these with `pytest_plugins = ["vault_fixtures"]`.
"""

import fsspec
import pytest
import requests
from moto.server import ThreadedMotoServer
from vault_helpers import PLAIN, FakeGate, make_vault

from synthlib.chain import vault as vault_module


@pytest.fixture(scope="module")
def endpoint():
    """URL of a server for S3."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint):
    """Options of a new bucket, `vaults`."""
    requests.post(f"{endpoint}/moto-api/reset", timeout=10)
    options = {"key": "access-id", "secret": "hidden-secret", "endpoint_url": endpoint}
    fsspec.filesystem("s3", **options).mkdir("vaults")
    return options


@pytest.fixture(params=["local", "memory", "s3"])
def place(request, tmp_path):
    """URL and options of an empty store of each kind."""
    if request.param == "s3":
        return "s3://vaults/one", request.getfixturevalue("s3")
    if request.param == "memory":
        fsspec.filesystem("memory").store.clear()
        return "memory://vault", {}
    return str(tmp_path / "vault"), {}


@pytest.fixture
def local(tmp_path):
    """A vault in a folder, whose gate lets everything out."""
    return make_vault((tmp_path / "vault", {}), FakeGate())


@pytest.fixture
def file(tmp_path):
    """A file to put in."""
    (tmp_path / "rows.csv").write_bytes(PLAIN)
    return tmp_path / "rows.csv"


@pytest.fixture
def watched(monkeypatch):
    """Names of the calls that touch key material, in their order."""
    calls = []
    for name in ("unwrap_for_owner", "wrap_for_grantee"):
        original = getattr(vault_module, name)

        def watch(*given, name=name, original=original):
            calls.append(name)
            return original(*given)

        monkeypatch.setattr(vault_module, name, watch)
    return calls
