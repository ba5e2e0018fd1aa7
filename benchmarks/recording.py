"""The same study with and without recording: is the data the same, and what does the record take?

    python -m benchmarks.recording [--rows 5000] [--repeats 3] [--folder benchmarks]

Each repeat runs the study twice, in alternating order: simulate, split, fit, sample, evaluate, write the
release. One of the two registers the protocol before, logs the attempt, records the release and verifies it.
Compared are the bytes of the synthetic table and of the report; measured are CPU seconds of each step and
gas.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

import synthlib as sl
from synthlib.bundle import write_atomically
from synthlib.data.simulation import simulation_schema
from synthlib.preregistration import describe_attempt
from synthlib.release import write_release

FILES = ("synthetic.csv", "report.csv", "schema.json", "deidentification.csv")


def run_study(
    folder: Path, num_rows: int, seed: int, recorded: bool
) -> tuple[sl.Bundle, dict[str, float], int]:
    """A study from the table to the release.

    Args:
        folder: where the release goes.
        num_rows: patients.
        seed: of everything.
        recorded: whether a ledger is told.

    Returns:
        The release, CPU seconds by step, and gas.
    """
    seconds: dict[str, float] = {}

    def timed(step: str, act: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = act()
        seconds[step] = seconds.get(step, 0.0) + time.process_time() - start
        return result

    key = sl.StewardKey.for_public_data("simulated")
    schema, table = simulation_schema(), sl.simulate_cohort(num_rows, seed)
    table, schema, removed = sl.deidentify(table, schema)
    train, holdout = sl.split(table, schema, holdout_fraction=0.2, seed=seed)
    model = sl.TabularGAN(schema, seed=seed)
    study = None
    if recorded:
        ledger = timed("deploy", sl.Ledger.in_process)
        study = timed("register", lambda: sl.preregister(ledger, [model], table, key, 0.2, seed))
        timed("attempt", lambda: study.attempt(describe_attempt(model, train, key)))
    timed("fit", lambda: model.fit(train, progress=False))
    synthetic = timed("sample", lambda: model.sample(len(train), seed=seed + 1))
    report = timed(
        "evaluate", lambda: sl.evaluate(train, holdout, synthetic, schema, seed=seed, progress=False)
    )
    parts = (model, synthetic, train, report, removed, key, seed + 1)
    bundle = timed("write", lambda: write_release(folder, *parts, study=study))
    gas = 0
    if study is not None:
        timed("record", lambda: (study.ledger.record(bundle), study.ledger.save(bundle)))
        timed("verify", lambda: sl.verify(bundle.path))
        gas = sum(json.loads(line)["receipt"]["gas_used"] for line in study.ledger.journal.lines[2:])
    return bundle, seconds, gas


def compare(num_rows: int, repeats: int) -> pd.DataFrame:
    """A row a repeat: whether all files are equal, seconds with and without, gas without the deployment."""
    rows = []
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory() as place:
            order = (False, True) if repeat % 2 else (True, False)
            done = {on: run_study(Path(place) / f"release-{on}", num_rows, 0, on) for on in order}
            same = [
                (done[True][0].path / f).read_bytes() == (done[False][0].path / f).read_bytes() for f in FILES
            ]
        seconds = {on: done[on][1] for on in done}
        ledger = {name: seconds[True][name] for name in ("deploy", "register", "attempt", "record", "verify")}
        shared = {
            f"{name}_{'with' if on else 'without'}": seconds[on][name]
            for on in done
            for name in ("fit", "write")
        }
        total = sum(seconds[False].values())
        overhead = ledger["register"] + ledger["attempt"] + ledger["record"]
        rows.append(
            {"repeat": repeat, "equal": all(same), "study_s": total, **ledger, **shared, "gas": done[True][2]}
            | {"overhead_s": overhead, "overhead_share": overhead / total}
        )
    return pd.DataFrame(rows).round(3)


def main() -> None:
    """Run it, print the table and keep it as CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent)
    given = parser.parse_args()
    table = compare(given.rows, given.repeats)
    write_atomically(given.folder / "recording.csv", table.to_csv(index=False).encode())
    print(table.T.to_string())


if __name__ == "__main__":
    main()
