"""How long `evaluate` takes on large tables: `python -m benchmarks.evaluate_large --rows 50000 200000`.

Generated tables of mixed kinds with two protected columns; synthetic has as many rows as train, the holdout a
quarter of that. CPU seconds are those of one thread; each metric's are printed and written to
evaluate_large.csv, beside what it sampled (`used/of`) and the process's largest memory until then. Each size
has a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from benchmarks.growth import Point, make_table

RESULTS = Path(__file__).parent / "evaluate_large.csv"


def measure(num_rows: int, num_columns: int) -> pd.DataFrame:
    """CPU seconds of each metric on tables of so many rows in train and synthetic."""
    import synthlib as sl
    from synthlib.evaluation import features
    from synthlib.evaluation import report as module

    points = [Point("rows", rows, num_columns, 10) for rows in (num_rows, num_rows // 4, num_rows)]
    train, holdout, synthetic = (make_table(point, seed) for seed, point in enumerate(points))
    protected = [name for name in ("flag_6", "level_5") if name in train]
    schema = sl.Schema.infer(pd.concat([train, holdout]), target="flag_1", protected=protected)
    train, holdout = (schema.conform(table) for table in (train, holdout))
    taken: dict[str, tuple] = {}

    def note(name: str, begun: float) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        samples = sorted(features._samples.get() or ())
        told = "; ".join(f"{used}/{of}" for used, of in samples)
        taken[name] = (round(time.process_time() - begun, 2), round(peak), told)
        print(f"{num_rows:,} rows: {name} {taken[name]}", flush=True)

    def timed(metric):
        def run(*tables):
            begun = time.process_time()
            found = metric(*tables)
            note(metric.__name__, begun)
            return found

        run.__name__ = metric.__name__
        return run

    metrics, module.METRICS = module.METRICS, tuple(map(timed, module.METRICS))
    begun = time.process_time()
    try:
        report = module.evaluate(train, holdout, synthetic, schema, progress=False)
    finally:
        module.METRICS = metrics
    note("everything", begun)
    for told in report.attrs["notes"]:
        print(f"note: {told}")
    rows = [(num_rows, num_columns, name, *measured) for name, measured in taken.items()]
    return pd.DataFrame(rows, columns=["num_rows", "num_columns", "metric", "cpu_s", "peak_mb", "sampled"])


def main() -> int:
    """Measure, print, and write evaluate_large.csv."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--columns", type=int, default=40)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if len(asked.rows) == 1:
        measure(asked.rows[0], asked.columns).to_csv(asked.out, index=False, lineterminator="\n")
        return 0
    parts = []
    for size in sorted(asked.rows):  # memory is a process's largest ever: each size begins anew
        part = asked.out.with_suffix(f".{size}.csv")
        options = ["--rows", str(size), "--columns", str(asked.columns), "--out", str(part)]
        command = [sys.executable, "-m", "benchmarks.evaluate_large", *options]
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        parts.append(pd.read_csv(part))
        part.unlink()
    results = pd.concat(parts, ignore_index=True)
    results.to_csv(asked.out, index=False, lineterminator="\n")
    print(results.pivot(index="metric", columns="num_rows", values="cpu_s").to_string())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
