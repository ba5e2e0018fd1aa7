"""What privacy costs: our private generators at budgets of 1 and 8 beside the language model without one.

    python -m benchmarks.private_budgets [--scorer PATH/score.py --scorer-python PATH/python]

For each cohort, seed and epsilon (at delta 1e-5) a generator is fitted on train, in a process of its own and
on one thread, draws as many rows, and is scored against the holdout. `private_budgets.csv` gets a row as soon
as it is there; what has a row is not run again. `cost` is the CPU time of the fit over that of TabularGPT
with the same cohort and seed in the same file, imports left out on both sides. The Schema is inferred from
train and taken as public, as ranges and levels are for the peers. Noise comes from the operating system: a
seed fixes the orders and the draws, and a private figure is repeated up to its noise alone.

Another scorer is any program that takes `--train --test --synth --meta` and prints a line of JSON with the
names in `TRANSLATION`; without one the scores are those of `scoring.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.adapters import make_schema
from benchmarks.environments import cache_folder
from benchmarks.runner import ONE_THREAD
from benchmarks.worker import read
from synthlib.bundle import write_atomically

RESULTS = Path(__file__).parent / "private_budgets.csv"
DELTA = 1e-5
COHORTS, EPSILONS, NUM_SEEDS = ("flchain", "support2"), (1.0, 8.0), 3
PRIVATE = {
    "PrivateTabularGPT": {"public_schema": True, "delta": DELTA},
    "PrivateMarginals": {"public_schema": True, "delta": DELTA, "solver": "tree"},
}
WITHOUT = "TabularGPT"
TRANSLATION = {  # a figure here: its name in the lines of another scorer, and in those of scoring.py
    "two_way": ("acc2_matched", "acc2"),
    "two_way_ceiling": ("acc2_ceiling", "acc2_ceiling"),
    "c2st": ("c2st_lgbm", "c2st"),
    "c2st_snapped": ("c2st_snap", "c2st_snapped"),
    "tstr_ratio": ("tstr_ratio_lgbm", "tstr_ratio"),
}
FIELDS = ["cohort", "model", "epsilon", "seed", *TRANSLATION, "spent", "fit_cpu_s", "cost", "scorer"]


class Run(NamedTuple):
    """One fit; epsilon is infinite for the model without privacy."""

    cohort: str
    model: str
    epsilon: float
    seed: int


def plan(cohorts: Sequence[str], epsilons: Sequence[float], num_seeds: int) -> Iterator[Run]:
    """All runs, seed by seed; a fit without privacy stands next to those that are held to its time."""
    for seed in range(num_seeds):
        for cohort in cohorts:
            yield Run(cohort, WITHOUT, float("inf"), seed)
            for epsilon in epsilons:
                yield from (Run(cohort, model, epsilon, seed) for model in PRIVATE)


def run_all(asked: argparse.Namespace) -> None:
    """Run what has no row yet; each row is kept as soon as it is there."""
    cohorts = cache_folder(asked.cache) / "cohorts"
    for run in plan(asked.cohorts.split(","), EPSILONS, asked.seeds):
        rows = read_rows(asked.results)
        if run in {Run(*(row[name] for name in Run._fields)) for row in rows}:
            continue
        with tempfile.TemporaryDirectory() as folder:
            figures = fit_apart(run, cohorts / run.cohort, Path(folder))
            scores = score(cohorts / run.cohort, Path(folder) / "drawn.csv", asked)
        table = pd.DataFrame([*rows, run._asdict() | figures | scores], columns=FIELDS)
        write_atomically(asked.results, add_cost(table).to_csv(index=False, lineterminator="\n").encode())
        print(*run, *(f"{name} {value}" for name, value in (scores | figures).items()), flush=True)


def read_rows(results: Path) -> list[dict]:
    return pd.read_csv(results).to_dict("records") if results.exists() else []


def add_cost(table: pd.DataFrame) -> pd.DataFrame:
    """The ratio of each fit's CPU seconds to those without privacy, of the same cohort and seed."""
    without = table[table["model"] == WITHOUT].set_index(["cohort", "seed"])["fit_cpu_s"]
    keys = pd.MultiIndex.from_frame(table[["cohort", "seed"]])
    return table.assign(cost=(table["fit_cpu_s"] / without.reindex(keys).to_numpy()).round(2))


def fit_apart(run: Run, cohort: Path, folder: Path) -> dict:
    """Fit in a process of its own; `drawn.csv` is then in the folder, and what the fit cost is returned.

    Raises:
        RuntimeError: with the last lines of what it said, if the process failed.
    """
    command = [sys.executable, "-m", "benchmarks.private_budgets", "--fit", json.dumps([*run])]
    found = _call([*command, "--cohort-folder", str(cohort), "--drawn", str(folder / "drawn.csv")])
    return json.loads(found)


def fit_one(run: Run, cohort: Path, drawn: Path) -> dict:
    """Fit on a cohort's train, write as many rows as it has, and say what was spent."""
    import synthlib

    meta = json.loads((cohort / "meta.json").read_text())
    train = read(cohort / "train.csv", meta)
    schema = make_schema(train, meta)
    options = {} if run.model == WITHOUT else PRIVATE[run.model] | {"epsilon": run.epsilon}
    if run.model == "PrivateMarginals":  # counts, and has no orders or weights to seed
        model, quiet = synthlib.PrivateMarginals(schema, **options), {}
    else:
        model, quiet = getattr(synthlib, run.model)(schema, seed=run.seed, **options), {"progress": False}
    begun = time.process_time()
    model.fit(schema.conform(train), **quiet)
    seconds = time.process_time() - begun
    model.sample(len(train), seed=run.seed)[list(train.columns)].to_csv(drawn, index=False)
    spent = model.spend_.epsilon if options else float("inf")
    return {"spent": round(spent, 4), "fit_cpu_s": round(seconds, 1)}


def score(cohort: Path, drawn: Path, asked: argparse.Namespace) -> dict:
    """The figures of a drawn table, by whose scorer it is."""
    if asked.scorer is None:
        command = [sys.executable, "-m", "benchmarks.scoring", f"--cohort={cohort}", f"--synthetic={drawn}"]
    else:
        tables = {"train": cohort / "train.csv", "test": cohort / "test.csv", "synth": drawn}
        paths = [f"--{name}={path}" for name, path in (tables | {"meta": cohort / "meta.json"}).items()]
        command = [asked.scorer_python, str(asked.scorer), *paths]
    found = json.loads(_call(command))
    figures = {name: found[names[asked.scorer is None]] for name, names in TRANSLATION.items()}
    whose = "scoring.py" if asked.scorer is None else "another"
    return {name: round(value, 4) for name, value in figures.items()} | {"scorer": whose}


def _call(command: list[str]) -> str:
    """The last line that a program prints, on one thread."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | ONE_THREAD | quiet,
        cwd=Path(__file__).parents[1],
    )
    if done.returncode:
        raise RuntimeError(f"expected {command[1:3]} to end well, got {done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def main(arguments: list[str] | None = None) -> int:
    """Run what has no row yet and print the means over seeds; or, with --fit, one fit for such a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", help="folder with cohorts; default: the benchmark's")
    parser.add_argument("--cohorts", default=",".join(COHORTS))
    parser.add_argument("--seeds", type=int, default=NUM_SEEDS)
    parser.add_argument("--scorer", type=Path, help="another scorer's script")
    parser.add_argument("--scorer-python", default=sys.executable, help="the interpreter that it needs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    for name in ("fit", "cohort-folder", "drawn"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.fit:
        run = Run(*json.loads(asked.fit))
        print(json.dumps(fit_one(run, Path(asked.cohort_folder), Path(asked.drawn))))
        return 0
    run_all(asked)
    print(summarise(pd.DataFrame(read_rows(asked.results))).to_string())
    return 0


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds."""
    keys = ["cohort", "epsilon", "model"]
    return table.groupby(keys)[[*TRANSLATION, "fit_cpu_s", "cost"]].mean().round(3)


if __name__ == "__main__":
    raise SystemExit(main())
