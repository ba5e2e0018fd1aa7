"""`python -m benchmarks`: environments, cohorts, all runs, table and figure; each step alone by its name."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks import cohorts, runner
from benchmarks.adapters import MODELS
from benchmarks.environments import cache_folder, interpreter, make_environment

FOLDER = Path(__file__).parent
STEPS = ("all", "setup", "cohorts", "run", "rescore", "table")


def main(arguments: list[str] | None = None) -> int:
    asked = parse(arguments)
    cache = cache_folder(asked.cache)
    models = asked.models or list(MODELS)
    if asked.step in ("all", "setup"):
        set_up(cache, models)
    if asked.step in ("all", "cohorts"):
        make_cohorts(asked, cache)
    if asked.step in ("all", "run"):
        if asked.redo or asked.retry:
            print(f"forgot {runner.drop_rows(asked.results, asked.redo, asked.retry)} rows", file=sys.stderr)
        runner.run_all(
            asked.cohorts or list_cohorts(cache), models, cache, asked.results, 60 * asked.cap_minutes
        )
    if asked.step == "rescore":
        runner.rescore(cache, asked.results)
    if asked.step in ("all", "table"):
        from benchmarks import figure, table

        rows = table.read_results(asked.results)
        table.write_markdown(rows, asked.markdown)
        print(figure.save_frontier(rows, asked.figures))
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("step", nargs="?", choices=STEPS, default="all")
    parser.add_argument("--cache", help="folder for environments, cohorts and drawn tables")
    parser.add_argument("--cohorts", type=split_names, help="which, in order; default: all in the cache")
    parser.add_argument("--models", type=split_names, help=f"of {', '.join(MODELS)}")
    parser.add_argument("--cap-minutes", type=float, default=15, help="CPU minutes for a fit (default 15)")
    parser.add_argument("--redo", type=split_names, default=[], help="run these models again")
    parser.add_argument("--retry", action="store_true", help="run again what failed or was capped")
    parser.add_argument("--results", type=Path, default=runner.RESULTS)
    parser.add_argument("--markdown", type=Path, default=FOLDER / "RESULTS.md")
    parser.add_argument("--figures", type=Path, default=FOLDER.parent / "figures")
    more = parser.add_argument_group("further cohorts")
    more.add_argument("--eicu", type=Path, help="folder of the eICU demo: adds the cohort eicu")
    more.add_argument("--csv", type=Path, help="any table; texts and booleans are levels")
    for name, text in (("name", "its name"), ("target", "what is predicted"), ("patient", "column of ids")):
        more.add_argument(f"--{name}", help=text)
    for name, text in (
        ("leaks", "columns that know the target"),
        ("categorical", "levels"),
        ("drop", "left out"),
    ):
        more.add_argument(f"--{name}", type=split_names, default=[], help=text)
    asked = parser.parse_args(arguments)
    unknown = {*(asked.models or []), *asked.redo} - set(MODELS)
    if unknown:
        parser.error(f"expected models of {', '.join(MODELS)}, got {', '.join(sorted(unknown))}")
    if asked.csv and not (asked.name and asked.target):
        parser.error("expected --name and --target beside --csv")
    return asked


def split_names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def set_up(cache: Path, models: list[str]) -> None:
    """Make the environments; one that cannot be made costs its peers' rows, not the others'."""
    names = dict.fromkeys(["data", *(MODELS[name].environment for name in models)])
    for name in filter(None, names):
        try:
            make_environment(cache, name)
            print(f"environment {name}: ready", file=sys.stderr)
        except RuntimeError as error:
            print(error, file=sys.stderr)


def make_cohorts(asked: argparse.Namespace, cache: Path) -> None:
    """Write the open cohorts that are not there yet, and those that options name."""
    folder, sources = cache / "cohorts", cache / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    wanted = [name for name in cohorts.OPEN_COHORTS if not (folder / name / "meta.json").exists()]
    if wanted:
        command = [str(interpreter(cache, "data")), str(FOLDER / "sources.py"), str(sources), *wanted]
        subprocess.run(command, check=True)
    for name in wanted:
        cohorts.write_open_cohort(name, sources / f"{name}.csv", folder)
    if asked.eicu:
        cohorts.write_eicu_cohort(folder / "eicu", asked.eicu)
    if asked.csv:
        options = {"leaks": asked.leaks, "categorical": asked.categorical, "drop": asked.drop}
        cohorts.write_csv_cohort(
            folder / asked.name, asked.csv, asked.target, patient=asked.patient, **options
        )


def list_cohorts(cache: Path) -> list[str]:
    """All in the cache: the open ones in their order, then the others."""
    there = {path.parent.name for path in (cache / "cohorts").glob("*/meta.json")}
    return [
        *(name for name in cohorts.OPEN_COHORTS if name in there),
        *sorted(there - set(cohorts.OPEN_COHORTS)),
    ]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is ended too
    sys.exit(main())
