"""What `synthlib evaluate` does: read three tables, score, judge, and write what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synthlib.bundle import check_writable
from synthlib.commands.options import read_schema, refuse, spell_as
from synthlib.commands.terminal import say
from synthlib.data.tables import read_table
from synthlib.evaluation.features import patients_of
from synthlib.evaluation.outcomes import labelled
from synthlib.evaluation.report import evaluate
from synthlib.evaluation.usefulness.utility import predict_holdout
from synthlib.gate import Verdict, judge
from synthlib.planning import default_acceptance
from synthlib.release import public_report
from synthlib.reporting import SUFFIXES, check_file, check_folder, read_acceptance, write_report
from synthlib.schema import Schema
from synthlib.thresholds import check_power, declared_settings, judges_attacks

__all__ = [
    "check_out",
    "choose_settings",
    "read_acceptance",
    "read_declared",
    "read_tables",
    "score",
    "write",
]


def check_out(out: Path | None, inputs: Sequence[Path]) -> None:
    """Refuse, before any work, to write over anything but a report, or where nothing can be written."""
    if out is None:
        return
    if out.suffix and out.suffix not in SUFFIXES and not out.is_dir():
        refuse("--out", f"expected a folder, or a name that ends in {', '.join(SUFFIXES)}; got {out}")
    if out.resolve() in [path.resolve() for path in inputs]:
        refuse("--out", f"expected another file than those that are read, got {out}")
    check_writable(out)
    (check_file if out.suffix in SUFFIXES else check_folder)(out)


def read_declared(path: Path, scores: bool) -> Any:
    """Thresholds for a protocol, refused before any work if nobody could judge by them."""
    if not scores:
        refuse(
            "--acceptance",
            "a release is judged by the scores that it publishes: leave --no-scores out, and say --scores "
            "with a private model",
        )
    acceptance = read_acceptance(path)
    check_power(acceptance)
    return acceptance


def read_tables(
    paths: Sequence[Path], schema: Path | None, *described: Any
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, Schema]:
    """Train, holdout and the synthetic table, spelled as the Schema has it, and the Schema."""
    *real, made = (read_table(path) for path in paths)
    say(f"read {', '.join(f'{len(table):,}' for table in (*real, made))} rows of train, holdout, synthetic")
    found = read_schema(schema, pd.concat(real, ignore_index=True), *described)
    train, holdout = (found.conform(part) for part in real)
    return train, holdout, spell_as(found, made), found


def score(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    seed: int,
    acceptance: Any,
    gate: bool,
    attacks: bool = False,
) -> tuple[pd.DataFrame, Verdict | None]:
    """The report, with attacks if they are asked for or judged, and a verdict if there are thresholds."""
    if acceptance is None and gate:
        sizes = (len(np.unique(patients_of(table, schema))) for table in (train, holdout))
        acceptance = default_acceptance(schema, *sizes, seed=seed, num_synthetic=len(synthetic))
    settings = choose_settings(acceptance, seed, attacks)
    report = evaluate(train, holdout, synthetic, schema, **settings)
    return report, None if acceptance is None else judge(report, acceptance)


def choose_settings(acceptance: Any, seed: int, attacks: bool = False) -> dict[str, Any]:
    """Settings of an evaluation: what thresholds declare, else what was asked for."""
    return {"seed": seed, "attacks": attacks or judges_attacks(acceptance)} | declared_settings(acceptance)


def write(
    report: pd.DataFrame,
    out: Path,
    verdict: Verdict | None,
    schema: Schema,
    tables: Sequence[pd.DataFrame],
    seed: int,
    public: bool,
) -> None:
    """Write the report, or what a release may tell of it; a page for the steward has ROC and calibration."""
    options: dict[str, Any] = {}
    if public:
        report = public_report(report)
    elif out.suffix not in (".csv", ".json"):
        options["schema"] = schema
        target = None if schema.target is None else schema[schema.target]
        if target is not None and len(target.categories) == 2 and len(labelled(tables[1], target)):
            from synthlib.paper.figures import roc_and_calibration

            predictions = predict_holdout(*tables, schema, np.random.default_rng(seed))
            caption = f"Discrimination and calibration: {target.name} predicted for patients of the holdout"
            options["figures"] = {caption: roc_and_calibration(predictions)}
    write_report(report, out, verdict, **options)
