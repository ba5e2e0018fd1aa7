"""Fit one model on a training table and write what it draws. Runs in the model's own environment.

    python worker.py MODEL --cohort FOLDER --out TABLE.csv --report REPORT.json [--seed S] [--cap SECONDS]

This file and `adapters.py` beside it need numpy and pandas alone, besides the model's library.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import random
import resource
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--cohort", type=Path, required=True, help="folder with train.csv and meta.json")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cap", type=float, default=float("inf"), help="CPU seconds for fitting")
    asked = parser.parse_args()
    out, report = asked.out.resolve(), asked.report.resolve()
    meta = json.loads((asked.cohort / "meta.json").read_text())
    train = read(asked.cohort / "train.csv", meta)
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    import adapters

    warnings.simplefilter("ignore")
    random.seed(asked.seed)
    np.random.seed(asked.seed)  # noqa: NPY002  (some libraries draw from nothing else)
    with tempfile.TemporaryDirectory() as litter:  # some libraries write where they stand
        os.chdir(litter)
        table, figures = measure(adapters.MODELS[asked.model], train, meta, asked.seed, asked.cap)
        os.chdir("/")
    table[list(train.columns)].to_csv(out, index=False)
    report.write_text(json.dumps(figures))


def read(path: Path, meta: dict) -> pd.DataFrame:
    """Levels as text or None, numbers as int64 where all are whole and present, otherwise float64."""
    levels = dict.fromkeys(meta["categorical"], str)
    table = pd.read_csv(
        path, dtype=levels, keep_default_na=False, na_values=[""], float_precision="round_trip"
    )
    for name in meta["categorical"]:
        table[name] = table[name].astype(object).where(table[name].notna(), None)
    for name in meta["numerical"]:
        whole = table[name].notna().all() and (table[name] % 1 == 0).all()
        table[name] = table[name].astype("int64" if whole else "float64")
    return table


def measure(model, train: pd.DataFrame, meta: dict, seed: int, cap: float) -> tuple[pd.DataFrame, dict]:
    """The drawn table, as long as train, and what it cost in CPU seconds and memory."""
    budget, at = Budget(cap), [cpu_seconds()]
    for module in model.imports:
        __import__(module)
    at.append(cpu_seconds())
    draw = model.fit(train, meta, seed, budget)
    at.append(cpu_seconds())
    table = draw(len(train))
    at.append(cpu_seconds())
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes
    return table, {
        "version": importlib.metadata.version(model.distribution) if model.distribution else model.version(),
        "import_cpu_s": round(at[1] - at[0], 2),
        "fit_cpu_s": round(at[2] - at[0], 2),  # with the import: who fits once pays for it
        "sample_cpu_s": round(at[3] - at[2], 3),
        "peak_mb": round(peak / unit),
        "capped": budget.was_spent,
    }


class Budget:
    """CPU seconds that a fit may take; asked between epochs by what can stop early and still draw."""

    def __init__(self, seconds: float) -> None:
        self.end, self.was_spent = cpu_seconds() + seconds, False

    def is_spent(self) -> bool:
        self.was_spent = self.was_spent or cpu_seconds() > self.end
        return self.was_spent


def cpu_seconds() -> float:
    """Of this process, its finished children, and those of its process group that still run."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    others = group_cpu_seconds(os.getpgrp(), but=os.getpid())
    return sum(one.ru_utime + one.ru_stime for one in used) + others


def group_cpu_seconds(group: int, but: int = 0) -> float:
    """CPU seconds of a process group's living members and of the children that they waited for.

    0 on systems without /proc.
    """
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat") if Path("/proc/self/stat").exists() else ():
        try:
            pid, rest = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue  # it has just ended
        if int(rest[2]) == group and pid != but:
            ticks += sum(map(int, rest[11:15]))  # its own, and of children that it waited for
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
