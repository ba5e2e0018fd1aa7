"""One virtual environment per library, from pinned requirements, in a cache folder outside the repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PINS = Path(__file__).parent / "environments"
CACHE_VARIABLE = "SYNTHLIB_BENCHMARK_CACHE"


def cache_folder(chosen: str | None = None) -> Path:
    """Where environments, cohorts and drawn tables are kept: an option, a variable, or the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen or os.environ.get(CACHE_VARIABLE) or Path(home) / "synthlib-benchmark").resolve()


def interpreter(cache: Path, name: str | None) -> Path:
    """The Python of an environment; that of the repository for None."""
    if name is None:
        return Path(sys.executable)
    return cache / "environments" / name / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_ready(cache: Path, name: str) -> bool:
    """Whether it was made from the pins as they are now."""
    stamp = cache / "environments" / name / "pins.txt"
    return stamp.exists() and stamp.read_text() == (PINS / f"{name}.txt").read_text()


def make_environment(cache: Path, name: str) -> Path:
    """Make an environment that is not there yet, or whose pins have changed.

    Raises:
        RuntimeError: if pip fails, with the last line that it said.
    """
    python = interpreter(cache, name)
    if is_ready(cache, name):
        return python
    folder, pins = cache / "environments" / name, PINS / f"{name}.txt"
    commands = (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        # The pins are complete, and mostlyai-engine asks for two libraries that it does not need here.
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--requirement", str(pins)],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            last = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()][-1:]
            raise RuntimeError(f"environment {name} could not be made: {' '.join(last)}")
    (folder / "pins.txt").write_text(pins.read_text())
    return python
