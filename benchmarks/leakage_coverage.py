"""How often intervals of leakage hold the truth, and how often a bound on epsilon is too high.

    python -m benchmarks.leakage_coverage

Populations, generators and mechanisms are simulated, so the truth is known: attacks on tables that know
nothing (AUROC 0.5, rates and risks those of a guess), scores of known distribution, and mechanisms of known
epsilon. Writes leakage_coverage.csv: of each interval the share that held the truth, of each attack the share
of p values below 0.05, of each audit the share of bounds above epsilon.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from synthlib.evaluation.leakage.attacks import ATTACKS
from synthlib.evaluation.leakage.auditing import bound_from_scores
from synthlib.evaluation.leakage.membership import membership_scores
from synthlib.evaluation.leakage.risks import Trials, risk_score
from synthlib.evaluation.leakage.suite import list_attacks, make_world
from synthlib.evaluation.learners import one_thread
from synthlib.schema import Schema

RESULTS = Path(__file__).parent / "leakage_coverage.csv"
NUM_ROWS, NUM_WORLDS, NUM_DRAWS = 480, 20, 1000
EPSILONS = (0.5, 1.0, 2.0, 4.0)


def draw_population(num_rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Six numbers that go together and two levels, of which one is rare."""
    common = rng.normal(size=num_rows)
    table = {f"lab_{at}": np.round(rng.normal(size=num_rows) + at * common / 3, 2) for at in range(6)}
    table["ward"] = rng.choice(["a", "b", "c"], num_rows, p=[0.6, 0.35, 0.05])
    table["died"] = (rng.random(num_rows) < 1 / (1 + np.exp(1 - common))).astype(int)
    return pd.DataFrame(table)


def measure_ignorance() -> Iterator[dict]:
    """Tables drawn from the population know nothing of train: intervals should hold the value of a guess."""
    rows = []
    for world in range(NUM_WORLDS):
        rng = np.random.default_rng([7, world])
        train, holdout, made = (draw_population(size, rng) for size in (2 * NUM_ROWS, NUM_ROWS, NUM_ROWS))
        schema = Schema.infer(pd.concat([train, holdout, made]), target="died")
        asked = make_world(train, holdout, schema, rng, secrets=["died"])
        for run in list_attacks(asked, schema, ATTACKS).values():
            rows += run(made, rng)
    every = pd.DataFrame(rows).dropna(subset=["value", "low"])
    every["held"] = (every["low"] <= every["reference"]) & (every["reference"] <= every["high"])
    for metric, part in every.groupby("metric"):
        yield row("holds a guess's value", metric, len(part), part["held"].mean())
    first = every[every["metric"].str.contains("auroc|risk")]
    for attack, part in first.groupby("attack"):
        yield row("p at most 0.05", attack, len(part), (part["p_value"] <= 0.05).mean())


def measure_known_scores() -> Iterator[dict]:
    """Normal scores one deviation apart, and attempts of known success."""
    held: dict[str, list[bool]] = {}
    for draw in range(NUM_DRAWS):
        rng = np.random.default_rng([8, draw])
        turns = [(rng.normal(1, 1, 500), rng.normal(0, 1, 500))]
        truths = [norm.cdf(1 / np.sqrt(2))] + [norm.sf(norm.isf(rate) - 1) for rate in (0.001, 0.01, 0.1)]
        for score, truth in zip(membership_scores("normal", turns, rng), truths, strict=True):
            if not np.isnan(score.value):
                held.setdefault(score.metric, []).append(score.low <= truth <= score.high)
        for share, other in ((0.02, 0.01), (0.3, 0.2), (0.95, 0.5)):
            score = risk_score(
                f"risk[{share},{other}]",
                Trials(rng.random(500) < share, rng.random(500) < other, np.zeros(1, dtype=bool)),
            )
            truth = (share - other) / (1 - other)
            held.setdefault(score.metric, []).append(score.low <= truth <= score.high)
    for metric, found in held.items():
        yield row("holds the truth", metric, len(found), np.mean(found))


def measure_audits() -> Iterator[dict]:
    """Canaries told truly with chance e^ε / (1 + e^ε); counts with Laplace noise; many canaries, and few."""
    for epsilon in EPSILONS:
        for num in (50, 500):
            for mechanism in ("randomised response", "Laplace histogram"):
                bounds = []
                for draw in range(NUM_DRAWS):
                    rng = np.random.default_rng([9, draw])
                    coins = rng.random(num) < 0.5
                    if mechanism == "Laplace histogram":
                        scores = coins + rng.laplace(0, 1 / epsilon, num)
                    else:
                        told = rng.random(num) < 1 / (1 + np.exp(-epsilon))
                        scores = np.where(told, coins, ~coins).astype(float)
                    bounds.append(bound_from_scores(coins, scores, 0.0, 0.95, rng).low)
                subject = f"{mechanism}, epsilon {epsilon:g}, {num} canaries"
                yield row("bound above epsilon", subject, NUM_DRAWS, np.mean(np.array(bounds) > epsilon))
                yield row("mean bound", subject, NUM_DRAWS, np.mean(bounds))


def row(what: str, subject: str, num: int, value: float) -> dict:
    return {"what": what, "subject": subject, "num": num, "value": round(float(value), 4)}


def main() -> int:
    with one_thread():
        rows = [*measure_known_scores(), *measure_audits(), *measure_ignorance()]
    pd.DataFrame(rows).to_csv(RESULTS, index=False)
    print(pd.DataFrame(rows).to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
