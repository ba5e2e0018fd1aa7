"""Anvil, a real node, started on a free port and stopped with all that it left on the disk."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chain_helpers import CONTRACTS, free_port

PATIENCE_S = 30.0
NUM_STATES = 100  # more than any test takes back


@dataclass(frozen=True)
class Node:
    """A running anvil: where it answers, and its process."""

    url: str
    process: int


def find_anvil() -> str | None:
    """anvil's program: the one that ANVIL names, that npm installed in contracts/, or that is on the PATH."""
    if os.environ.get("ANVIL"):
        return os.environ["ANVIL"]
    # The program itself, not npm's wrapper around it: stopping the wrapper may leave the program behind.
    installed = sorted((CONTRACTS / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil*"))
    return str(installed[0]) if installed else shutil.which("anvil")


@contextmanager
def run_anvil(*arguments: str) -> Iterator[Node]:
    """An anvil with further arguments, which `find_anvil` must find.

    It remembers the states of the last blocks alone: all of them are gigabytes in a long run. The folder for
    them, which anvil would leave under the user's home, is removed.
    """
    program, port = find_anvil(), free_port()
    with tempfile.TemporaryDirectory(prefix="anvil-", ignore_cleanup_errors=True) as folder:
        states = ["--prune-history", str(NUM_STATES), "--cache-path", folder]
        command = [program, "--port", str(port), "--silent", *states, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not answers(port):
                _check(process, deadline)
                time.sleep(0.05)
            time.sleep(0.05)  # what answers may be another program, and ours has ended or is about to
            _check(process, deadline)
            yield Node(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _check(process: subprocess.Popen, deadline: float) -> None:
    if process.poll() is not None or time.monotonic() > deadline:
        raise RuntimeError(f"expected anvil to answer within {PATIENCE_S:.0f} s; it did not")


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
