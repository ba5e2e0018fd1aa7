"""Releases recorded through a faulty network: `python -m benchmarks.faults --runs 1000`.

Each run records one to three releases through a proxy that loses, delays, repeats and garbles requests and
answers (tests/fault_proxy.py), by one publisher, by three at once, by processes that are killed, or while
blocks are replaced (tests/fault_runs.py). Afterwards the node itself is asked what it holds. Needs anvil, on
the PATH or where ANVIL says. Writes faults.csv: one line a scenario and kind of fault.
"""

from __future__ import annotations

import argparse
import csv
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "tests"))

COLUMNS = ("scenario", "fault", "num_faults", "num_runs", "num_releases", "num_once", "num_lost", "num_twice")
SHARES = {"one publisher": 0.4, "several publishers": 0.2, "killed": 0.2, "reorganised": 0.2}


def main(arguments: list[str] | None = None) -> int:
    asked = parse(arguments)
    outcomes, start = [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for outcome in run_all(asked.runs, asked.seed, Path(folder)):
            outcomes.append(outcome)
            if len(outcomes) % 50 == 0:
                print(f"{len(outcomes)} runs, {time.monotonic() - start:.0f} s", file=sys.stderr)
    rows = summarise(outcomes)
    with asked.results.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, *rows])
    show(rows, outcomes)
    return int(any(outcome.num_once != outcome.num_releases for outcome in outcomes))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="number of the first run")
    parser.add_argument("--results", type=Path, default=FOLDER / "faults.csv")
    return parser.parse_args(arguments)


def run_all(num_runs: int, seed: int, folder: Path) -> Iterator:
    """The outcomes of all runs, scenario by scenario."""
    from fault_runs import Miner, prepare, run

    with node() as on_demand, node("--no-mining") as steady, Miner(steady) as miner:
        nodes = dict.fromkeys(SHARES, prepare(on_demand)) | {"reorganised": prepare(steady, miner)}
        for scenario, share in SHARES.items():
            for number in range(round(share * num_runs)):
                yield run(scenario, seed + number, nodes[scenario], folder)


@contextmanager
def node(*arguments: str) -> Iterator[str]:
    """An anvil of our own; yields its URL."""
    from anvil_node import find_anvil, run_anvil

    if find_anvil() is None:
        raise SystemExit("expected anvil, found none; `make npm` brings it, or set ANVIL to its path")
    with run_anvil(*arguments) as running:
        yield running.url


def summarise(outcomes: list) -> list[tuple]:
    """Rows as COLUMNS: of each scenario, what came of the runs that met a kind of fault, and of all runs."""
    rows = []
    for scenario in SHARES:
        mine = [outcome for outcome in outcomes if outcome.scenario == scenario]
        kinds = sorted({kind for outcome in mine for kind in outcome.faults})
        for kind in ["any", *kinds]:
            met = [outcome for outcome in mine if kind == "any" or outcome.faults.get(kind)]
            num_faults = sum(
                sum(outcome.faults.values()) if kind == "any" else outcome.faults[kind] for outcome in met
            )
            sums = (sum(getattr(outcome, name) for outcome in met) for name in COLUMNS[4:])
            rows.append((scenario, kind, num_faults, len(met), *sums))
    return rows


def show(rows: list[tuple], outcomes: list) -> None:
    widths = [max(len(str(row[place])) for row in [COLUMNS, *rows]) for place in range(len(COLUMNS))]
    for row in [COLUMNS, *rows]:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)))
    again, spare = Counter(), Counter()
    for outcome in outcomes:
        again[outcome.scenario] += outcome.num_again
        spare[outcome.scenario] += outcome.num_transactions - outcome.num_releases
    for scenario in SHARES:
        print(f"{scenario}: called again {again[scenario]} times, {spare[scenario]} transactions in vain")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the nodes are ended too
    sys.exit(main())
