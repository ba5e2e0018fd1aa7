"""The command line in a folder of a test's own, and a release that it made and recorded.

A test module takes these with `pytest_plugins = ["command_line_fixtures"]`, and all of its tests stand in an
empty folder with `pytestmark = pytest.mark.usefixtures("own_folder")`.
"""

import shutil
import warnings

import pytest
from command_line_helpers import listing, patients, run_process

from synthlib.cli import app
from synthlib.commands import terminal


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """Stand in an empty folder, with no key and no workspace in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("SYNTHLIB_PRIVATE_KEY", "SYNTHLIB_KEYFILE", "SYNTHLIB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys):
    """Call the command line in this process: exit code, stdout, stderr."""

    def call(*words):
        with warnings.catch_warnings():
            code = terminal.run(app, [str(word) for word in words])
        return code, *capsys.readouterr()

    return call


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    """A folder with a table, its release made and recorded by processes of their own, and what they said."""
    folder = tmp_path_factory.mktemp("released")
    patients().to_csv(folder / "patients.csv", index=False)
    options = ["--target", "died", "--model", "independent", "--out", "release", "--save-data", "data"]
    options += ["--save-report", "scores.csv"]
    made = run_process(folder, "synthesize", "patients.csv", *options)
    shutil.copytree(folder / "release", folder / "unrecorded")
    recorded = run_process(folder, "record", "release")
    before = listing(folder / "release")
    again = run_process(folder, "record", "release")
    assert listing(folder / "release") == before
    return folder, made, recorded, again
