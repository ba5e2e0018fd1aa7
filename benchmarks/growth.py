"""What fitting and drawing cost as tables grow: `python -m benchmarks.growth`.

Every point is a generated table; its fit and its draw run in a process each, on one thread, and report
CPU seconds and peak memory. Writes growth.csv and figures/benchmark_growth.{pdf,png}. A point that has a row
is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "growth.csv"
MODELS = ("TabularGPT", "TabularGAN")
ONE_THREAD = {name: "1" for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")}
LIMIT_MB = 4096  # what a million rows of 40 columns may take


class Point(NamedTuple):
    """A generated table: its axis in the figure, its size, and the levels of its largest column."""

    axis: str
    num_rows: int
    num_columns: int
    num_levels: int = 12


POINTS = (
    *(Point("rows", num_rows, 40) for num_rows in (1_000, 10_000, 100_000, 1_000_000)),
    *(Point("columns", 2_000, num_columns) for num_columns in (10, 50, 200, 500)),
    Point("levels", 200_000, 10, 20_000),
)


def make_table(point: Point, seed: int = 0) -> pd.DataFrame:
    """A table of mixed kinds that hang together by two hidden factors; the same seed, the same bytes.

    Kinds take turns: levels, yes/no, whole numbers with a mode at zero, decimals, decimals of which some are
    missing. The first column has `num_levels` levels, the rarer the later.
    """
    rng = np.random.default_rng((seed, *point[1:]))
    factors = rng.standard_normal((2, point.num_rows))
    columns = {}
    for number in range(point.num_columns):
        weights = rng.standard_normal(2)
        score = weights @ factors + rng.standard_normal(point.num_rows)
        kind = ("level", "flag", "count", "decimal", "gaps")[number % 5]
        columns[f"{kind}_{number}"] = _make_column(kind, number, score, point, rng)
    return pd.DataFrame(columns)


def _make_column(kind: str, number: int, score: np.ndarray, point: Point, rng: np.random.Generator):
    if kind == "level":
        size = point.num_levels if number == 0 else 2 + number % 11
        names = np.array([f"level {place}" for place in range(size)], dtype=object)
        ranks = (np.argsort(np.argsort(score)) + 0.5) / len(score)
        return names[np.minimum((ranks**1.5 * size).astype(int), size - 1)]
    if kind == "flag":
        return score > 0.5
    if kind == "count":
        return np.maximum(np.round(3 * score), 0).astype("int64")
    numbers = np.round(50 + 10 * score, 1)
    if kind == "gaps":
        numbers[rng.random(len(score)) < 1 / (1 + np.exp(0.7 - score))] = np.nan
    return numbers


def main(arguments: list[str] | None = None) -> int:
    asked = parse(arguments)
    if asked.worker:
        work(json.loads(asked.worker))
        return 0
    for model in asked.models:
        for point in POINTS:
            if point.axis in asked.axes and point.num_rows <= asked.most_rows:
                measure_point(model, point, asked)
    print(save_growth(pd.read_csv(asked.results), asked.figures))
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    names = lambda text: [name for name in text.split(",") if name]  # noqa: E731
    parser.add_argument("--models", type=names, default=list(MODELS))
    parser.add_argument("--axes", type=names, default=["rows", "columns", "levels"])
    parser.add_argument("--most-rows", type=int, default=1_000_000, help="leave out longer tables")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of a TabularGPT at most (default 3)")
    parser.add_argument("--steps", type=int, default=400, help="steps of a TabularGAN (default 400)")
    parser.add_argument("--redo", action="store_true", help="run again what has a row")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--figures", type=Path, default=FOLDER.parent / "figures")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def measure_point(model: str, point: Point, asked: argparse.Namespace) -> None:
    """Fit and draw in a process each; append the row, replacing an older one."""
    rows = pd.read_csv(asked.results) if asked.results.exists() else pd.DataFrame(columns=["model"])
    same = rows["model"] == model
    for name, value in point._asdict().items():
        same &= rows[name] == value if name in rows else False
    if same.any() and not asked.redo:
        return
    with tempfile.TemporaryDirectory() as folder:
        task = {"model": model, "point": list(point), "folder": folder}
        parameters = {"num_epochs": asked.epochs} if model == "TabularGPT" else {"num_steps": asked.steps}
        row = {"model": model, **point._asdict()}
        row |= run_worker(task | {"part": "fit", "parameters": parameters})
        row |= run_worker(task | {"part": "sample"}) if "error" not in row else {}
    rows = pd.concat([rows[~same], pd.DataFrame([row])], ignore_index=True)
    rows.to_csv(asked.results, index=False)
    print(" ".join(f"{name}={value}" for name, value in row.items()), file=sys.stderr)


def run_worker(task: dict[str, Any]) -> dict[str, Any]:
    """What the process reports, or how it ended."""
    command = [sys.executable, "-m", "benchmarks.growth", "--worker", json.dumps(task)]
    done = subprocess.run(
        command, cwd=FOLDER.parent, env=os.environ | ONE_THREAD, capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [""])[-1][:200]
        return {"error": f"{task['part']}: exit {done.returncode} {reason}"}
    return json.loads(done.stdout.splitlines()[-1])


def work(task: dict[str, Any]) -> None:
    """In a process of its own: one fit, or one draw of as many rows, batch by batch."""
    from synthlib import Schema
    from synthlib.models.synthesizer import SYNTHESIZERS, load_synthesizer

    point, folder = Point(*task["point"]), Path(task["folder"]) / "model"
    if task["part"] == "sample":
        model, at = load_synthesizer(folder), [cpu_seconds()]
        for batch in model.sample_batches(point.num_rows, seed=1):
            at.append(cpu_seconds())
            assert len(batch)
        print(json.dumps({
            "sample_cpu_s": round(at[-1] - at[0], 2),
            "first_batch_cpu_s": round(at[1] - at[0], 2),
            "sample_peak_mb": peak_mb(),
        }))  # fmt: skip
        return
    table, at = make_table(point), [cpu_seconds()]
    table_mb = round(table.memory_usage(deep=False).sum() / 2**20)
    schema = Schema.infer(table)
    at.append(cpu_seconds())
    kind = getattr(__import__(SYNTHESIZERS[task["model"]], fromlist=["_"]), task["model"])
    model, clock = kind(schema, **task["parameters"]), make_clock()
    at.append(cpu_seconds())
    model.fit(table, callbacks=[clock], progress=False)
    at.append(cpu_seconds())
    report = {"infer_cpu_s": at[1] - at[0], "fit_cpu_s": at[3] - at[2], "prepare_cpu_s": clock.began - at[2]}
    batch = model.settings_["batch_size"] if task["model"] == "TabularGPT" else model.batch_size
    seen = clock.params["steps"] * min(batch, point.num_rows)
    report |= {"epochs": len(clock.spent), "steps": len(clock.spent) * clock.params["steps"]}
    report["cpu_s_per_1000_rows_seen"] = 1000 * min(clock.spent) / seen
    print(json.dumps({name: round(float(value), 4) for name, value in report.items()} | {
        "table_mb": int(table_mb), "fit_peak_mb": peak_mb()
    }))  # fmt: skip
    model.save(folder)


def make_clock():
    """A callback that notes the CPU seconds of each epoch's steps, validation left out."""
    from synthlib.models.backend import keras

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.began, self.spent = cpu_seconds(), []

        def on_train_batch_begin(self, batch, logs=None):
            self.start = cpu_seconds()

        def on_train_batch_end(self, batch, logs=None):  # once an epoch: all its steps are one execution
            self.spent.append(cpu_seconds() - self.start)

    return Clock()


def cpu_seconds() -> float:
    """CPU seconds of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mb() -> int:
    """Largest resident memory of this process so far."""
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def save_growth(rows: pd.DataFrame, folder: Path) -> Path:
    """Write the figure as PDF and PNG; the path of the PDF."""
    from synthlib.paper.style import OTHERS, SYNTHETIC, WIDTH, new_figure, save, styled

    shown = {
        "cpu_s_per_1000_rows_seen": "CPU s of fitting, 1,000 rows seen",
        "sample_cpu_s": "CPU s to draw as many rows",
        "fit_peak_mb": "peak memory of the fit, MB",
    }
    with styled():
        figure = new_figure(WIDTH, 3.9)
        for line, (axis, size) in zip(
            figure.subplots(2, 3), (("rows", "num_rows"), ("columns", "num_columns")), strict=True
        ):
            for axes, (measured, label) in zip(line, shown.items(), strict=True):
                for model, color in zip(MODELS, (SYNTHETIC, OTHERS[0]), strict=True):
                    points = rows[(rows["model"] == model) & (rows["axis"] == axis)].sort_values(size)
                    if len(points) and measured in points:
                        axes.loglog(
                            points[size], points[measured], "o-", color=color, label=model, markersize=3
                        )
                axes.set(xlabel=axis, ylabel=label)
        figure.axes[0].legend()
    return save(figure, "benchmark_growth", folder)


if __name__ == "__main__":
    sys.exit(main())
