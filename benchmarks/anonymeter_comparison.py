"""Our singling out, linkability and inference beside anonymeter's.

    python -m benchmarks.anonymeter_comparison

Both attack the same tables, made from a cohort's rows: copies of the members, a leak of 30 % among fresh
rows, and fresh rows. Attacks draw at random, so figures agree where their intervals overlap. anonymeter 1.1.0
asks for numpy below 1.27; it runs in an environment of its own with a later one. Writes anonymeter.csv.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import scoring
from benchmarks.adapters import make_schema
from benchmarks.environments import cache_folder, make_environment
from synthlib.evaluation.leakage.linkage import linkability, nearest_inference
from synthlib.evaluation.leakage.risks import risk_score
from synthlib.evaluation.leakage.singling import singling_out
from synthlib.evaluation.learners import one_thread
from synthlib.schema import Schema

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "anonymeter.csv"
NUM_ATTACKS, NUM_COLUMNS, NUM_ROWS = 500, 4, 1500
LEAKED_SHARE = 0.3
PARTS = ("attack", "control", "naive", "risk", "low", "high")


def make_tables(table: pd.DataFrame, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Members and others, then the three tables to attack; NUM_ROWS rows each, none of them in two."""
    order = np.random.default_rng(seed).permutation(len(table))
    members, others, fresh = (
        table.iloc[order[at * NUM_ROWS : (at + 1) * NUM_ROWS]].reset_index(drop=True) for at in range(3)
    )
    leaked = int(LEAKED_SHARE * NUM_ROWS)
    leak = pd.concat([members[:leaked], fresh[leaked:]], ignore_index=True)
    return {"members": members, "others": others, "copy": members, "leak": leak, "fresh": fresh}


def measure_ours(tables: dict[str, pd.DataFrame], schema: Schema, sides, secrets) -> list[list]:
    found = []
    for name in ("copy", "leak", "fresh"):
        made, rng = tables[name], np.random.default_rng(0)
        members, others = tables["members"], tables["others"]
        some, further = (table.sample(NUM_ATTACKS, random_state=0) for table in (members, others))
        trials = {
            "singling_out[univariate]": singling_out(made, members, others, schema, rng),
            "singling_out[multivariate]": singling_out(made, members, others, schema, rng, NUM_COLUMNS),
            "linkability": linkability(made, some, further, schema, rng, sides),
        }
        for secret in secrets:
            trials[f"inference[{secret}]"] = nearest_inference(made, some, further, schema, rng, secret)
        for attack, one in trials.items():
            score = risk_score(attack, one)
            rates = (float(part.mean()) for part in (one.attack, one.control, one.naive))
            found.append([name, attack, *rates, score.value, score.low, score.high])
    return found


def measure_theirs(tables, schema: Schema, sides, secrets, python: Path) -> list[list]:
    task = {
        "tables": list(tables),
        "made": ["copy", "leak", "fresh"],
        "levels": [column.name for column in schema.modelled if column.is_discrete],
        "sides": sides,
        "secrets": secrets,
        "num_attacks": NUM_ATTACKS,
        "num_columns": NUM_COLUMNS,
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, table in tables.items():
            table.to_csv(Path(folder) / f"{name}.csv", index=False)
        (Path(folder) / "task.json").write_text(json.dumps(task))
        command = [str(python), str(FOLDER / "anonymeter_worker.py"), folder]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"anonymeter failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(ours: list[list], theirs: list[list]) -> pd.DataFrame:
    """One row a table and attack, both implementations' figures, and whether the intervals overlap."""
    keys = ["table", "attack"]
    first, second = (
        pd.DataFrame(rows, columns=[*keys, *(f"{part}_{whose}" for part in PARTS)])
        for rows, whose in ((ours, "ours"), (theirs, "theirs"))
    )
    both = first.merge(second, on=keys)
    ours_end = both["high_ours"].clip(0)  # theirs are cut off at 0
    both["agree"] = (both["low_ours"] <= both["high_theirs"]) & (ours_end >= both["low_theirs"])
    return both.round(3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohort", default="flchain")
    parser.add_argument("--cache")
    options = parser.parse_args()
    cache = cache_folder(options.cache)
    folder = cache / "cohorts" / options.cohort
    meta = json.loads((folder / "meta.json").read_text())
    whole = scoring.read(folder / "train.csv", meta).dropna(axis=1)  # missing values are treated differently
    for key in ("categorical", "numerical", "leaks"):
        meta[key] = [name for name in meta[key] if name in whole]
    schema, tables = make_schema(whole, meta), make_tables(whole)
    names = [column.name for column in schema.modelled]
    sides = [names[::2], names[1::2]]
    secrets = [
        next(column.name for column in schema.modelled if column.is_discrete),
        next(column.name for column in schema.modelled if column.is_numeric),
    ]
    with one_thread():
        ours = measure_ours(tables, schema, sides, secrets)
    theirs = measure_theirs(tables, schema, sides, secrets, make_environment(cache, "anonymeter"))
    found = compare(ours, theirs)
    found.to_csv(RESULTS, index=False)
    print(found.to_string())
    return 0 if found["agree"].all() else 1


if __name__ == "__main__":
    sys.exit(main())
