"""How long a journal takes to be replayed: `python -m benchmarks.replay --records 10000`.

Records releases on an in-process chain whose journal stays in memory, writes it once, then opens and replays
it in a process of its own. Prints the figures and adds them to replay.csv. With `--journal FILE` a journal
that is there already is replayed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "replay.csv"
QUIET = {"OMP_NUM_THREADS": "1"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--journal", type=Path, help="replay this one and record nothing")
    parser.add_argument("--csv", type=Path, default=RESULTS)
    parser.add_argument("--worker", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.worker:
        print(json.dumps(replay(asked.worker)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        journal = asked.journal or Path(folder) / "journal.jsonl"
        build_s = None if asked.journal else build(journal, asked.records)
        command = [sys.executable, "-m", "benchmarks.replay", "--worker", str(journal.resolve())]
        done = subprocess.run(
            command, cwd=FOLDER.parent, env=os.environ | QUIET, stdout=subprocess.PIPE, check=True
        )
    row = json.loads(done.stdout.splitlines()[-1]) | {"build_cpu_s": build_s}
    earlier = [pd.read_csv(asked.csv)] if asked.csv.exists() else []
    pd.concat([*earlier, pd.DataFrame([row])]).to_csv(asked.csv, index=False)
    print(describe(row))
    return 0


def build(path: Path, num_records: int) -> float:
    """Write the journal of so many records; returns the CPU seconds that recording took."""
    from benchmarks.gas_scenarios import make_generation, open_study
    from synthlib.chain.registry import Ledger

    ledger, begun = Ledger.in_process(), time.process_time()
    study = open_study(ledger)
    for number in range(num_records):
        ledger.record_generation(make_generation(f"replay {number}", study))
    path.write_bytes(b"".join(ledger.journal.lines))
    return round(time.process_time() - begun, 2)


def replay(path: Path) -> dict[str, Any]:
    """Lines and megabytes of a journal, CPU and wall seconds to check and to replay it, peak memory."""
    from synthlib.chain.journal import Journal
    from synthlib.chain.registry import Ledger

    Ledger.in_process()  # imports, and py-evm's tables
    begun = time.process_time()
    opened = Journal.open(path)
    checked, wall = time.process_time(), time.monotonic()
    Ledger.in_process(path)  # checks it once more
    return {
        "lines": len(opened.lines),
        "journal_mb": round(path.stat().st_size / 1e6, 1),
        "check_cpu_s": round(checked - begun, 2),
        "replay_cpu_s": round(time.process_time() - checked, 2),
        "replay_wall_s": round(time.monotonic() - wall, 2),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def describe(row: dict[str, Any]) -> str:
    """The figures in words."""
    each = 1000 * row["replay_cpu_s"] / row["lines"]
    return (
        f"{row['lines']:,} lines, {row['journal_mb']:.1f} MB: checked in {row['check_cpu_s']:.1f} CPU s, "
        f"replayed in {row['replay_cpu_s']:.1f} ({each:.1f} ms a line, {row['replay_wall_s']:.1f} s by the "
        f"clock), {row['peak_mb']:.0f} MB at most"
    )


if __name__ == "__main__":
    sys.exit(main())
