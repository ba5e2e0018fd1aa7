"""Attacks that know the generator: do they catch a TabularGPT that overfits, and what of the default one?

    python -m benchmarks.likelihood_attacks [--cohort FOLDER]

TabularGPT learns from a few hundred patients of a cohort, once with its defaults (it stops when a tenth that
is set aside gets no likelier) and once without any of that, for many epochs. Two attacks ask who was in
train: by the ratio of a record's likelihood under the released generator to that under shadow generators, and
by a classifier that shadow generators taught what members look like in drawn rows. Beside them the same two
on a generator that learnt nothing of train (fitted to other patients): they must find a guess's value.
Writes likelihood_attacks.csv, where `--only NAMES` replaces rows. The cohort is a benchmark cohort's folder;
without one, simulated patients.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.adapters import make_schema
from benchmarks.scoring import read
from synthlib.evaluation.leakage.attacks import domias, shadow_attack
from synthlib.evaluation.leakage.likelihoods import likelihood_attack
from synthlib.evaluation.leakage.suite import list_attacks, make_world
from synthlib.evaluation.learners import one_thread
from synthlib.schema import Schema

RESULTS = Path(__file__).parent / "likelihood_attacks.csv"
NUM_ROWS = 300  # to learn from; the holdout has twice as many, so that each half is as large
OVERFIT = {
    "num_epochs": 60,
    "patience": 1_000,
    "validation_fraction": 0.0,
    "dropout": 0.0,
    "weight_decay": 0.0,
}
UNRELATED = "overfit to other patients"
GENERATORS = {"default": {}, "overfit": OVERFIT, UNRELATED: OVERFIT}


def read_tables(cohort: Path | None, seed: int) -> tuple[list[pd.DataFrame], Schema]:
    """Train, holdout, and as many other patients as train has; their schema."""
    sizes = [NUM_ROWS, 2 * NUM_ROWS, NUM_ROWS]
    if cohort is None:
        from synthlib.data.simulation import simulate_cohort, simulation_schema

        whole, schema = simulate_cohort(sum(sizes), seed), simulation_schema()
    else:
        meta = json.loads((cohort / "meta.json").read_text())
        whole = read(cohort / "train.csv", meta)[[*meta["categorical"], *meta["numerical"]]]
        schema = make_schema(whole, meta)
        whole = schema.conform(whole)
    order = np.random.default_rng(seed).permutation(len(whole))[: sum(sizes)]
    parts = np.split(order, np.cumsum(sizes)[:-1])
    return [whole.iloc[rows].reset_index(drop=True) for rows in parts], schema


def fit(rows: pd.DataFrame, schema: Schema, seed: int, options: dict):
    """A TabularGPT of these rows."""
    import synthlib

    return synthlib.TabularGPT(schema, seed=seed % 10_000, **options).fit(rows, progress=False)


def attack(name: str, learnt: pd.DataFrame, tables, schema, options: dict, asked) -> list[dict]:
    """Both attacks, and one that needs no shadows, on a generator that learnt from some rows."""
    train, holdout, _ = tables
    begun = time.process_time()
    released = fit(learnt, schema, asked.seed, options)
    nats = [float(-released.log_likelihood(table).mean()) for table in (train, holdout)]
    scores, p_value = likelihood_attack(
        released.log_likelihood,
        lambda rows, seed: fit(rows, schema, seed, options).log_likelihood,
        train,
        holdout,
        schema,
        asked.seed,
        asked.shadows,
    )
    rows = [one._asdict() | {"p_value": p_value} for one in scores]
    made = released.sample(len(learnt), seed=1)
    shadow = shadow_attack(
        lambda rows, size, seed: fit(rows, schema, seed, options).sample(size, seed=1), asked.shadows
    )
    rng = np.random.default_rng(asked.seed)
    world = make_world(train, holdout, schema, rng, max_targets=len(train))
    runs = list_attacks(world, schema, {"shadow": shadow, "domias": domias})
    for which in ("shadow", "domias"):
        rows += [row for row in runs[which](made, rng) if row["population"] == "all"]
    facts = {"generator": name, "shadows": asked.shadows, "nats_train": nats[0], "nats_holdout": nats[1]}
    kept = ("metric", "value", "low", "high", "reference", "p_value")
    cpu = {"cpu_s": round(time.process_time() - begun)}
    return [facts | {key: row[key] for key in kept} | cpu for row in rows if not np.isnan(row["value"])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cohort", type=Path)
    parser.add_argument("--shadows", type=int, default=4)
    parser.add_argument("--only", choices=GENERATORS, nargs="*", default=list(GENERATORS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    tables, schema = read_tables(asked.cohort, asked.seed)
    cohort = asked.cohort.name if asked.cohort else "simulated"
    rows = pd.read_csv(asked.out).to_dict("records") if asked.out.exists() else []
    with one_thread():
        for name in asked.only:
            learnt = tables[2] if name == UNRELATED else tables[0]
            found = attack(name, learnt, tables, schema, GENERATORS[name], asked)
            rows = [row for row in rows if (row["cohort"], row["generator"]) != (cohort, name)]
            rows += [{"cohort": cohort} | row for row in found]
            table = pd.DataFrame(rows)
            table.round(4).to_csv(asked.out, index=False, lineterminator="\n")
            print(table[table["generator"] == name].round(3).to_string(), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
