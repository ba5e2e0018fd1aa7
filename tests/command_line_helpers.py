"""A cohort as a hospital would export it, and the command line in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from conftest import make_cohort

ROOT = Path(__file__).parents[1]
SECRET = "Quetzalcoatl"  # stands in cells that must be shown nowhere


def run_process(folder, *words):
    command = [sys.executable, "-m", "synthlib", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def listing(folder):
    """Every file below a folder, with its content."""
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def patients(num_rows=300):
    """A cohort with names, numbers and dates, as a hospital would export it."""
    table = make_cohort(num_rows)
    table.insert(0, "name", [f"{SECRET}{place}" for place in range(num_rows)])
    table.insert(1, "mrn", np.arange(num_rows) + 700_000)
    table["admitted"] = [f"2001-{1 + day % 12:02}-{1 + day % 28:02}" for day in range(num_rows)]
    return table
