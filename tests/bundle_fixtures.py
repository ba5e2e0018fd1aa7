"""A workspace of a test's own.

A test module takes it with `pytest_plugins = ["bundle_fixtures"]`, and all of its tests stand there with
`pytestmark = pytest.mark.usefixtures("own_workspace")`.
"""

import pytest


@pytest.fixture
def own_workspace(tmp_path, monkeypatch):
    """Stand in an empty folder, with a workspace that is not made yet."""
    monkeypatch.setenv("SYNTHLIB_WORKSPACE", str(tmp_path / "space"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "space"
