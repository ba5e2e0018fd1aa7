"""The programs that npm installs in contracts/, started so that nobody's settings at home are read."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONTRACTS = ROOT / "contracts"
TIMEOUT = 600  # seconds


class CheckFailed(Exception):
    """A check that does not hold; the message names each place."""


class MissingProgram(Exception):
    """A program or package that a check needs is not installed; the message says how to get it."""


def find_forge() -> str:
    """forge's program: the one that npm installed in contracts/, or that is on the PATH."""
    # The program itself, not npm's wrapper around it, which looks for a download that never ran.
    installed = sorted((CONTRACTS / "node_modules" / "@foundry-rs").glob("forge-*/bin/forge*"))
    program = str(installed[0]) if installed else shutil.which("forge")
    if program is None:
        raise MissingProgram("expected forge in contracts/node_modules or on the PATH; run make npm")
    return program


def environment(**others: str) -> dict[str, str]:
    """This process's environment with a home of the project's own and no settings for forge."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FOUNDRY_", "DAPP_"))}
    home = ROOT / "build" / "home"
    home.mkdir(parents=True, exist_ok=True)
    return kept | {"HOME": str(home), "NO_COLOR": "1"} | others


def run(command: list[str], **others: str) -> subprocess.CompletedProcess[str]:
    """Run a program in contracts/ and return what it printed; `others` are environment variables."""
    return subprocess.run(
        command, cwd=CONTRACTS, env=environment(**others), capture_output=True, text=True, timeout=TIMEOUT
    )


def run_node(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script with Node.js in contracts/."""
    node = shutil.which("node")
    if node is None or not (CONTRACTS / "node_modules" / "solc").is_dir():
        raise MissingProgram("expected Node.js and npm's packages in contracts/, found none; run make npm")
    return run([node, *arguments])
