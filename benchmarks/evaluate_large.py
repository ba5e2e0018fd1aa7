"""How long `evaluate` takes on large tables: `python -m benchmarks.evaluate_large --rows 50000 200000`.

Generated tables of mixed kinds; synthetic has as many rows as train, the holdout a quarter of that. CPU
seconds are those of one thread; each metric's are printed and written to evaluate_large.csv. With two sizes
or more, `--extrapolate ROWS` follows a line through the two largest, metric by metric: metrics that sample
stay flat, the others grow with the rows.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from pathlib import Path

import pandas as pd

from benchmarks.growth import Point, make_table

RESULTS = Path(__file__).parent / "evaluate_large.csv"


def measure(num_rows: int, num_columns: int) -> pd.DataFrame:
    """CPU seconds of each metric on tables of so many rows in train and synthetic."""
    import synthlib as sl
    from synthlib.evaluation import report as module

    points = [Point("rows", rows, num_columns, 10) for rows in (num_rows, num_rows // 4, num_rows)]
    train, holdout, synthetic = (make_table(point, seed) for seed, point in enumerate(points))
    schema = sl.Schema.infer(pd.concat([train, holdout]), target="flag_1")
    train, holdout = (schema.conform(table) for table in (train, holdout))
    taken: dict[str, float] = {}

    def timed(metric):
        def run(*tables):
            begun = time.process_time()
            found = metric(*tables)
            taken[metric.__name__] = time.process_time() - begun
            return found

        run.__name__ = metric.__name__
        return run

    metrics, module.METRICS = module.METRICS, tuple(map(timed, module.METRICS))
    begun = time.process_time()
    try:
        report = module.evaluate(train, holdout, synthetic, schema, progress=False)
    finally:
        module.METRICS = metrics
    taken["everything"] = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for note in report.attrs["notes"]:
        print(f"note: {note}")
    rows = [(num_rows, num_columns, name, round(seconds, 2), round(peak)) for name, seconds in taken.items()]
    return pd.DataFrame(rows, columns=["num_rows", "num_columns", "metric", "cpu_s", "peak_mb"])


def extrapolate(results: pd.DataFrame, num_rows: int) -> float:
    """CPU seconds of everything at so many rows, on a line through the two largest sizes of each metric."""
    table = results.pivot(index="metric", columns="num_rows", values="cpu_s")
    small, large = sorted(table.columns)[-2:]
    slope = (table[large] - table[small]).clip(lower=0) / (large - small)
    return float((table[large] + slope * (num_rows - large)).drop("everything").sum())


def main() -> int:
    """Measure, print, and write evaluate_large.csv."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[50_000, 200_000])
    parser.add_argument("--columns", type=int, default=40)
    parser.add_argument("--extrapolate", type=int, default=1_000_000)
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    results = pd.concat([measure(size, asked.columns) for size in sorted(asked.rows)], ignore_index=True)
    results.to_csv(RESULTS, index=False)
    print(results.pivot(index="metric", columns="num_rows", values="cpu_s").to_string())
    if len(asked.rows) > 1:
        seconds = extrapolate(results, asked.extrapolate)
        print(f"{asked.extrapolate:,} rows: about {seconds:.0f} CPU seconds ({seconds / 60:.1f} minutes)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
