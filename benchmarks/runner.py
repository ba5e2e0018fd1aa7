"""Run models on cohorts one after the other, score what they draw, and keep a row for each run."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.adapters import MODELS, Model
from benchmarks.environments import interpreter, is_ready
from benchmarks.worker import group_cpu_seconds
from synthlib.bundle import write_atomically

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
RESULTS = FOLDER / "results.csv"
KEY = ("cohort", "model", "seed")
COST = ("import_cpu_s", "fit_cpu_s", "sample_cpu_s", "peak_mb")
SIZES = ("num_train", "num_holdout", "num_columns")
SCORES = (
    *("acc1", "acc1_ceiling", "acc2", "acc2_ceiling", "acc3", "acc3_ceiling", "sdmetrics_quality"),
    *("c2st", "c2st_snapped", "c2st_logistic"),
    *("tstr", "trtr", "tstr_ratio", "tstr_logistic", "trtr_logistic", "tstr_ratio_logistic"),
    *("dcr_share", "dcr_ratio", "copies", "copies_ceiling", "mia_distance", "mia_density"),
    *("missing_difference", "invalid_share"),
)
FIELDS = (*KEY, "role", "version", "capped", "error", *SIZES, *SCORES, *COST)
GRACE = 1.2  # of the cap: fitting may stop by itself at the cap, and then still has to draw
PATIENCE = 10  # times the cap in wall seconds: for what waits for ever and uses no CPU
ONE_THREAD = dict.fromkeys(
    (
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
        *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    ),
    "1",
)


@dataclass(frozen=True)
class Run:
    """One model on one cohort with one seed."""

    cohort: str
    model: str
    seed: int

    @property
    def key(self) -> tuple[str, str, int]:
        return self.cohort, self.model, self.seed


def plan(cohorts: Sequence[str], models: Sequence[str]) -> Iterator[Run]:
    """Cohort by cohort; peers and ours take turns, so that a machine that grows busy is fair to both."""
    ours = [
        (name, seed) for name in models if MODELS[name].role == "ours" for seed in range(MODELS[name].seeds)
    ]
    theirs = [
        (name, seed) for name in models if MODELS[name].role != "ours" for seed in range(MODELS[name].seeds)
    ]
    for cohort in cohorts:
        for pair in zip_longest(theirs, ours):
            yield from (Run(cohort, *one) for one in pair if one is not None)


def run_all(
    cohorts: Sequence[str], models: Sequence[str], cache: Path, results: Path = RESULTS, cap: float = 900
) -> None:
    """Run what has no row yet; each row is kept as soon as it is there.

    Args:
        cohorts: folders in `cache/cohorts`.
        models: names in `MODELS`; those that this version of synthlib does not have are left out.
        cache: where environments, cohorts and drawn tables are.
        results: CSV file.
        cap: CPU seconds that a fit may take.

    Raises:
        RuntimeError: if another run uses the cache: two at a time would slow each other down.
    """
    with alone(cache):
        _run_all(cohorts, models, cache, results, cap)


def _run_all(cohorts, models, cache, results, cap) -> None:
    absent = [name for name in models if MODELS[name].role == "ours" and not is_there(name)]
    if absent:
        print(f"not there yet: {', '.join(absent)}", file=sys.stderr)
    for run in plan(cohorts, [name for name in models if name not in absent]):
        if run.key in {row_key(row) for row in read_rows(results)}:
            continue
        begun = time.monotonic()
        row = run_one(run, MODELS[run.model], cache, cap)
        append_row(row, results)
        verdict = row.get("error") or f"c2st {row['c2st_snapped']}"
        print(f"{' '.join(map(str, run.key))}: {verdict} ({time.monotonic() - begun:.0f} s)", file=sys.stderr)


@contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Hold the cache for one run at a time."""
    with (cache / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"expected no other run with the cache {cache}; wait for it to end") from None
        yield


def is_there(name: str) -> bool:
    import synthlib

    return name in dir(synthlib)


def run_one(run: Run, model: Model, cache: Path, cap: float) -> dict:
    """The row of one run; a failure is a row that says why."""
    cohort, drawn = (
        cache / "cohorts" / run.cohort,
        cache / "drawn" / f"{run.cohort}-{run.model}-{run.seed}.csv",
    )
    drawn.parent.mkdir(parents=True, exist_ok=True)
    drawn.unlink(missing_ok=True)
    row = dict(zip(KEY, run.key, strict=True)) | {"role": model.role, "capped": False}
    if run.model == "holdout":
        options = halve(cohort, drawn, run.seed)
    else:
        if model.environment is not None and not is_ready(cache, model.environment):
            return row | {
                "error": f"environment {model.environment} is not there: python -m benchmarks setup"
            }
        options = []
        row |= fit_and_draw(run, model, cohort, drawn, cache, cap)
    return row if row.get("error") else row | score(cohort, drawn, options)


def score(cohort: Path, drawn: Path, options: Sequence[str] = ()) -> dict:
    """Scores of a drawn table, by a process of its own, or an error."""
    command = [sys.executable, "-m", "benchmarks.scoring", "--cohort", str(cohort), "--synthetic", str(drawn)]
    with tempfile.TemporaryFile("w+") as said:
        error = supervise([*command, *options], said, float("inf"))
        said.seek(0)
        return {"error": f"scoring: {error}"} if error else json.loads(said.read().splitlines()[-1])


def rescore(cache: Path, results: Path) -> None:
    """Score the kept tables again, and fit nothing: after a change of the scoring."""
    with alone(cache):
        _rescore(cache, results)


def _rescore(cache: Path, results: Path) -> None:
    for row in read_rows(results):
        drawn = cache / "drawn" / f"{row['cohort']}-{row['model']}-{row['seed']}.csv"
        failed = row["error"] and not row["error"].startswith("scoring")
        if failed or not drawn.exists():
            continue
        rest = drawn.with_suffix(".train.csv")
        options = ["--train", str(rest)] if row["model"] == "holdout" else []
        again = row | {"error": ""} | score(cache / "cohorts" / row["cohort"], drawn, options)
        write_rows([again if row_key(old) == row_key(row) else old for old in read_rows(results)], results)


def halve(cohort: Path, drawn: Path, seed: int) -> list[str]:
    """Half of train plays the synthetic table against the other half: what fresh real rows score."""
    train = pd.read_csv(cohort / "train.csv", dtype=str, keep_default_na=False)
    train = train.iloc[np.random.default_rng(seed).permutation(len(train))]
    half, rest = len(train) // 2, drawn.with_suffix(".train.csv")
    train[:half].to_csv(rest, index=False)
    train[half : 2 * half].to_csv(drawn, index=False)
    return ["--train", str(rest)]


def fit_and_draw(run: Run, model: Model, cohort: Path, drawn: Path, cache: Path, cap: float) -> dict:
    """What the worker reports, or why there is nothing to report."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as said:
        report = Path(folder) / "report.json"
        command = [str(interpreter(cache, model.environment)), str(FOLDER / "worker.py"), run.model]
        command += ["--cohort", str(cohort), "--out", str(drawn), "--report", str(report)]
        error = supervise([*command, "--seed", str(run.seed), "--cap", str(cap)], said, cap)
        if error:
            return {"error": error, "capped": error.startswith("capped")}
        return json.loads(report.read_text())


def supervise(command: list[str], said, cap: float) -> str:
    """Run a command in a process group of its own, on one thread; "" or what went wrong.

    Its group is ended when it has used GRACE times the cap of CPU seconds, children that still run included,
    or when it waits for ever.

    Args:
        command: what to run.
        said: file for its standard output.
        cap: CPU seconds.
    """
    limit, begun = cap * GRACE, time.monotonic()
    environment = os.environ | ONE_THREAD | {"PYTHONHASHSEED": "0", "KERAS_BACKEND": "tensorflow"}
    environment["PYTHONPATH"] = str(ROOT) if command[0] == sys.executable else ""
    environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with tempfile.TemporaryFile("w+", errors="replace") as complained:
        process = subprocess.Popen(
            command,
            stdout=said,
            stderr=complained,
            env=environment,
            start_new_session=True,
            cwd=ROOT,
            preexec_fn=lambda: limit_cpu(limit),
        )
        try:
            while process.poll() is None:
                time.sleep(0.2)
                if group_cpu_seconds(process.pid) > limit:
                    return f"capped: over {limit:.0f} CPU s without a table"
                if time.monotonic() - begun > PATIENCE * limit:
                    return f"no end after {PATIENCE * limit:.0f} s"
        finally:
            end_group(process)
        if process.returncode == -signal.SIGXCPU:
            return f"capped: over {limit:.0f} CPU s without a table"
        if process.returncode:
            complained.seek(0)
            lines = [line.strip() for line in complained if line.strip()]
            return f"exit {process.returncode}: {lines[-1][:200] if lines else ''}"
    return ""


def limit_cpu(limit: float) -> None:
    """Where a process group cannot be watched (no /proc), the system ends at least the process itself."""
    if limit < float("inf"):
        soft = int(limit) + 1
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (soft if hard < 0 else min(soft, hard), hard))


def end_group(process: subprocess.Popen) -> None:
    """End the process and whatever it left running."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


# results.csv


def read_rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def row_key(row: dict) -> tuple[str, str, int]:
    return row["cohort"], row["model"], int(row["seed"])


def write_rows(rows: Sequence[dict], path: Path) -> None:
    """Whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def append_row(row: dict, path: Path) -> None:
    write_rows([*read_rows(path), row], path)


def drop_rows(path: Path, models: Sequence[str] = (), failed: bool = False) -> int:
    """Forget rows so that they are run again: those of some models, or those with an error. How many."""
    rows = read_rows(path)
    kept = [row for row in rows if row["model"] not in models and not (failed and row["error"])]
    if len(kept) < len(rows):
        write_rows(kept, path)
    return len(rows) - len(kept)
