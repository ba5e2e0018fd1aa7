"""How long it takes to verify a release of many rows: `python -m benchmarks.verifying --rows 1000000`.

A release of independent columns is written, recorded and verified from its folder, as a stranger would, in a
process of its own. Prints seconds by the clock and of CPU, and memory, and adds them to verifying.csv.
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
QUIET = {"OMP_NUM_THREADS": "1"}


def make_release(path: Path, num_rows: int) -> float:
    """Write and record a release of so many rows; returns the CPU seconds of `write_release`."""
    import synthlib as sl
    from synthlib.data.simulation import simulation_schema
    from synthlib.release import write_release
    from synthlib.scores import Score, to_report

    key, schema = sl.StewardKey.for_public_data("simulated"), simulation_schema()
    table, schema, removed = sl.deidentify(sl.simulate_cohort(5000, 0), schema)
    train, _ = sl.split(table, schema, 0.2, 0)
    model = sl.IndependentMarginals(schema)
    study = sl.preregister(sl.Ledger.in_process(), [model], table, key, 0.2, 0)
    sl.fit_attempt(study, model, train, key)
    synthetic = sl.sample_attempt(study, model, num_rows, seed=1)
    report = to_report([Score("none", 0.0, 0.0, 0.0, 0.0)])
    begun = time.process_time()
    bundle = write_release(path, model, synthetic, train, report, removed, key, 1, study=study)
    taken = time.process_time() - begun
    study.ledger.record(bundle)
    study.ledger.save(bundle)
    return taken


def verify(path: Path) -> dict[str, Any]:
    """Verify a release in this process; seconds, peak memory, and the verdict."""
    import synthlib as sl
    from synthlib.chain.verification import verdict

    wall, cpu = time.perf_counter(), time.process_time()
    findings = sl.verify(path)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"verdict": verdict(findings), "wall_s": wall, "cpu_s": cpu, "peak_mb": peak}


def main() -> int:
    """Measure, print, and add a row to verifying.csv."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.verifying", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--csv", type=Path, default=FOLDER / "verifying.csv")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        print(json.dumps(verify(asked.worker)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "release"
        written = make_release(path, asked.rows)
        size = (path / "synthetic.csv").stat().st_size / 1e6
        command = [sys.executable, "-m", "benchmarks.verifying", "--worker", str(path)]
        done = subprocess.run(
            command, cwd=FOLDER.parent, env=os.environ | QUIET, stdout=subprocess.PIPE, check=True
        )
    row = {
        "rows": asked.rows,
        "csv_mb": size,
        "write_cpu_s": written,
        **json.loads(done.stdout.splitlines()[-1]),
    }
    earlier = [pd.read_csv(asked.csv)] if asked.csv.exists() else []
    pd.concat([*earlier, pd.DataFrame([row])]).round(2).to_csv(asked.csv, index=False)
    print(pd.Series(row).round(2).to_string())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
