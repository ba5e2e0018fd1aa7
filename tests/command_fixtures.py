"""Commands called in this process, by any of several people, on a chain in process.

A test module takes these with `pytest_plugins = ["chain_fixtures", "command_fixtures"]`.
"""

import io
import shutil
from pathlib import Path

import pytest
from chain_helpers import account

from synthlib import cli
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import AUDITOR, RESEARCHER, STEWARD, Roles
from synthlib.commands.terminal import run

PEOPLE = {"hospital": STEWARD, "team": RESEARCHER, "auditor": AUDITOR, "successor": STEWARD}


class Answered(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def command(capsys, monkeypatch, workspace):
    """Call the command line as somebody: exit code, stdout and stderr.

    Nobody can be asked unless `types` says what is typed.
    """

    def call(*words, who: str | None = None, types: str | None = None) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            if who is not None:
                patch.setenv("SYNTHLIB_PRIVATE_KEY", account(who).key.hex())
            patch.setattr("sys.stdin", io.StringIO() if types is None else Answered(types))
            code = run(cli.app, [*map(str, words)])
        return (code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def registry_journal(tmp_path_factory) -> Path:
    """The journal of a registry of the admin's, who has given each of PEOPLE a role."""
    path = tmp_path_factory.mktemp("registry") / "journal.jsonl"
    ledger = Ledger.in_process(path, account("admin"))
    for name, role in PEOPLE.items():
        Roles(ledger).grant(role, account(name).address)
    return path


@pytest.fixture
def journal(registry_journal, workspace) -> Path:
    """A copy of it."""
    return Path(shutil.copy(registry_journal, workspace / "journal.jsonl"))


@pytest.fixture
def on_journal(command, journal):
    """Call a command on that chain; it must succeed unless `fails`, when its error is returned."""

    def call(*words, who: str | None = None, fails: bool = False, types: str | None = None) -> str:
        code, out, err = command(*words, "--journal", journal, who=who, types=types)
        assert (code == 2) == fails, out + err
        assert "Traceback" not in err
        return err if fails else out

    return call


@pytest.fixture
def open_journal(journal):
    """The chain of that journal, to look at."""
    return lambda: Ledger.in_process(journal, keep=False)
