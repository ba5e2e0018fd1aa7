"""How often the default gate lets tables pass of which it is known what they leak.

    python -m benchmarks.gate_power [--cohorts flchain,rhc,simulated] [--repeats N] [--first K] [--out FILE]
    python -m benchmarks.gate_power --join FILE [FILE ...]

Each repeat divides a cohort anew into train, holdout and fresh rows. Judged are the fresh rows in the
synthetic table's place (they must mostly pass), a copy of train, fresh rows with 2% of train among them (as
they are, and with every value moved a little), and train with every value moved a little. The thresholds are
those that `default_acceptance` declares for the numbers of rows. SUPPORT2, the study's cohort, is left out;
the others are the benchmark's (`python -m benchmarks` fetches them) and the simulation's.

Judged three times: by all thresholds (`gate`; fresh rows alone, since usefulness costs most), by those on
leakage, and by those on attacks, without the count of exact copies. `--join` writes gate_power.csv, a row a
repeat, table and threshold, and gate_power_rates.csv.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from pathlib import Path

import numpy as np
import pandas as pd

import synthlib as sl
from synthlib.areas import LEAKAGE, find_area
from synthlib.data.simulation import simulation_schema
from synthlib.evaluation.fairness.gaps import fairness
from synthlib.evaluation.fidelity.tables import invalid_share
from synthlib.evaluation.leakage.attacks import ATTACKS
from synthlib.evaluation.leakage.controls import perturb
from synthlib.evaluation.leakage.privacy import exact_copies, membership_attack
from synthlib.evaluation.leakage.suite import add_leakage, list_attacks, make_world
from synthlib.evaluation.learners import one_thread
from synthlib.evaluation.usefulness.utility import train_on_synthetic
from synthlib.gate import judge
from synthlib.planning import default_acceptance
from synthlib.release import public_report
from synthlib.schema import Schema
from synthlib.scores import Score, to_report

FOLDER = Path(__file__).parent
RESULTS, RATES = FOLDER / "gate_power.csv", FOLDER / "gate_power_rates.csv"
COHORTS = Path.home() / ".cache" / "synthlib-benchmark" / "cohorts"
LEAKED = 0.02
TABLES = ("fresh", "copy", "leak", "perturbed leak", "perturbed")
LEAKS, OTHERS = (exact_copies, membership_attack), (train_on_synthetic, fairness, invalid_share)
COLUMNS = ["cohort", "repeat", "table", "threshold", "outcome", "measured", "compared", "blind"]
SIMULATED = 9000


def load(name: str) -> tuple[pd.DataFrame, Schema]:
    """A cohort's rows and its Schema."""
    if name == "simulated":
        schema = simulation_schema()
        return schema.conform(sl.simulate_cohort(SIMULATED, 11, missing=True)), schema
    folder = COHORTS / name
    facts = json.loads((folder / "meta.json").read_text())
    parts = [sl.read_table(folder / f"{part}.csv") for part in ("train", "test")]
    table = pd.concat(parts, ignore_index=True)
    schema = Schema.infer(table, target=facts["target"], leaks=facts["leaks"])
    return schema.conform(table), schema


def make_tables(train: pd.DataFrame, fresh: pd.DataFrame, schema: Schema, rng) -> dict[str, pd.DataFrame]:
    """Tables in the synthetic table's place, each of as many rows as train."""
    num = round(LEAKED * len(train))
    leaked = train.iloc[rng.permutation(len(train))[:num]]
    moved = perturb(leaked, schema, rng)
    mixed = [pd.concat([fresh.iloc[num:], part], ignore_index=True) for part in (leaked, moved)]
    return dict(zip(TABLES, (fresh, train, *mixed, perturb(train, schema, rng)), strict=True))


def measure(cohort: str, repeat: int) -> list[dict]:
    """Every table of one division, judged."""
    table, schema = load(cohort)
    rng = np.random.default_rng([21, repeat, zlib.crc32(cohort.encode())])
    order, num = rng.permutation(len(table)), round(0.4 * len(table))
    train, fresh, holdout = (
        table.iloc[rows].reset_index(drop=True)
        for rows in (order[:num], order[num : 2 * num], order[2 * num :])
    )
    acceptance = default_acceptance(schema, len(train), len(holdout))
    del acceptance["evaluation"]  # each repeat draws anew: there is no one seed to keep to
    world = make_world(train, holdout, schema, rng)
    made, rows = make_tables(train, fresh, schema, rng), []
    attacked = {name: attack(one, world, schema, name) for name, one in made.items()}
    for name, one in made.items():
        found: list[Score] = []
        for metric in LEAKS + (OTHERS if name == "fresh" else ()):
            scores = metric(train, holdout, one, schema, np.random.default_rng(repeat))
            found += [scores] if isinstance(scores, Score) else scores
        parts = [attacked[name].assign(table="synthetic"), attacked["copy"].assign(table="copy")]
        report = add_leakage(to_report(found), pd.concat(parts, ignore_index=True))
        about = {"cohort": cohort, "repeat": repeat, "table": name}
        for part, thresholds in _parts(acceptance["thresholds"], name).items():
            verdict = judge(public_report(report), acceptance | {"thresholds": thresholds})
            rows.append(about | {"threshold": part, "outcome": verdict.standing})
        for result in verdict.results if name != "fresh" else judge(report, acceptance).results:
            if result["outcome"] != "not measured":
                seen = {key: result[key] for key in ("outcome", "measured")}
                told = {"compared": round(result["compared"], 3), "blind": len(result["blind"])}
                rows.append(about | {"threshold": result["target"]} | seen | told)
    return rows


def _parts(thresholds: list[dict], table: str) -> dict[str, list[dict]]:
    """What is judged together."""
    leakage = [one for one in thresholds if find_area(one["metric"]) == LEAKAGE]
    attacks = [one for one in leakage if one["metric"] != "exact_copies"]
    found = {"attacks": attacks, "leakage": leakage}
    return found | ({"gate": thresholds} if table == "fresh" else {})


def attack(made: pd.DataFrame, world, schema: Schema, seed: str) -> pd.DataFrame:
    """Scores of all attacks on one table."""
    found = []
    with one_thread():
        for name, run in list_attacks(world, schema, ATTACKS).items():
            if not name.startswith("singling_out"):  # measured by a report, not judged
                found += run(made, np.random.default_rng(zlib.crc32(f"{seed} {name}".encode())))
    return pd.DataFrame(found)


def summarise(found: pd.DataFrame) -> pd.DataFrame:
    """Numbers of repeats by cohort, table and threshold: met, missed, inconclusive."""
    words = {"passed": "met", "failed": "missed"}
    named = found.assign(outcome=found["outcome"].replace(words))
    counts = pd.crosstab([named["cohort"], named["table"], named["threshold"]], named["outcome"])
    counts = counts.reindex(columns=["met", "missed", "inconclusive"], fill_value=0)
    return counts.assign(repeats=counts.sum(axis=1)).reset_index()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", default="flchain,rhc,simulated")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--join", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    rows: list[dict] = []
    for repeat in range(options.first, options.first + options.repeats) if not options.join else ():
        for cohort in options.cohorts.split(","):
            rows += measure(cohort, repeat)
            pd.DataFrame(rows, columns=COLUMNS).to_csv(options.out, index=False)
            print(cohort, repeat, flush=True)
    if options.join:
        found = pd.concat([pd.read_csv(path) for path in options.join], ignore_index=True)
        found = found.sort_values(["cohort", "repeat"], kind="stable")
        found.to_csv(RESULTS, index=False)
        summarise(found).to_csv(RATES, index=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
