"""Whether intervals hold what they should, by simulation: `python -m benchmarks.usefulness_coverage`.

Inference: patients from a known regression, synthetic tables from four generators, and how often the 95%
interval of each combining rule holds the true coefficient. Scores: one model, many holdouts, how often the
interval holds the score of 40,000 patients. Writes usefulness_coverage.csv; about eight CPU minutes. `--only
models` runs one part and replaces its rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from scipy.special import expit

from synthlib.data.simulation import simulate_cohort, simulation_schema
from synthlib.evaluation import outcomes
from synthlib.evaluation.fairness import gaps as fairness
from synthlib.evaluation.fairness import representation
from synthlib.evaluation.learners import one_thread
from synthlib.evaluation.usefulness import augmentation, importance, ranking, utility
from synthlib.evaluation.usefulness.inference_agreement import RULES, combine
from synthlib.evaluation.usefulness.regression import fit_design, make_design
from synthlib.evaluation.usefulness.survival import survival_agreement
from synthlib.schema import Column, Schema
from synthlib.scores import wilson_interval

RESULTS = Path(__file__).parent / "usefulness_coverage.csv"
TRUTH = np.array([0.5, -0.7])  # log odds of x (per unit, which is its standard deviation) and of a flag
INTERCEPT, FLAGGED = -1.0, 0.4
NUM_TABLES = 5
PLACE = "place among the many"
SCHEMA = Schema(
    (
        Column("x", "continuous", "float64", low=-8, high=8),
        Column("flag", "boolean", "int64", categories=(0, 1)),
        Column("y", "boolean", "int64", categories=(0, 1)),
    )
)
METRICS = (
    fairness.fairness,
    ranking.model_ranking,
    augmentation.augmentation_gain,
    importance.importance_agreement,
)


def draw(num_rows: int, weights: np.ndarray, x: tuple[float, float], rate: float, rng) -> pd.DataFrame:
    """Patients of a regression: intercept and two weights, mean and spread of x, rate of the flag."""
    table = pd.DataFrame({"x": rng.normal(*x, num_rows), "flag": (rng.random(num_rows) < rate).astype(int)})
    risk = expit(weights[0] + weights[1] * table["x"] + weights[2] * table["flag"])
    return table.assign(y=(rng.random(num_rows) < risk).astype(int))


def generators(real: pd.DataFrame, rng) -> dict[str, Callable[[], np.ndarray]]:
    """Name → function that gives intercept and weights to draw a table with."""
    import statsmodels.api as sm

    fitted = sm.Logit(real["y"].to_numpy(), sm.add_constant(real[["x", "flag"]].to_numpy())).fit(disp=0)
    return {
        "right": lambda: fitted.params,
        "right, new parameters for each table": lambda: rng.multivariate_normal(
            fitted.params, fitted.cov_params()
        ),
        "a fifth too weak": lambda: fitted.params * [1, 0.8, 0.8],
        "independent columns": lambda: fitted.params * [1, 0, 0],
    }


def cover_inference(num_repeats: int, num_rows: int, size: int, seed: int = 0) -> Iterator[dict]:
    """Coverage of the true coefficients by rule, for synthetic tables of `size` rows."""
    inside: dict[tuple[str, str], list] = {}
    for repeat in range(num_repeats):
        rng = np.random.default_rng((seed, num_rows, size, repeat))
        real = draw(num_rows, np.array([INTERCEPT, *TRUTH]), (0.0, 1.0), FLAGGED, rng)
        design = make_design(real, SCHEMA, "logistic", "y", ["x", "flag"])
        design = design._replace(centres=np.zeros(2), scales=np.ones(2))  # so that the truth is known
        shape = (real["x"].mean(), real["x"].std()), real["flag"].mean()
        for name, weights in generators(real, rng).items():
            made = [draw(size, weights(), *shape, rng) for _ in range(NUM_TABLES)]
            fits = np.array([fit_design(table, SCHEMA, design) for table in made])
            for rule in RULES:
                found = combine(fits[:, 0], fits[:, 1], rule, size, num_rows).interval
                inside.setdefault((name, rule), []).append((found[0] < TRUTH) & (found[1] > TRUTH))
            one = combine(fits[:1, 0], fits[:1, 1], "single", size, num_rows).interval
            inside.setdefault((name, "single, one table"), []).append((one[0] < TRUTH) & (one[1] > TRUTH))
    for (name, rule), found in inside.items():
        yield describe(f"coefficients, {size} rows for {num_rows}", f"{name}: {rule}", np.mean(found, axis=1))


def cover_scores(num_repeats: int, seed: int = 0) -> Iterator[dict]:
    """Coverage of the scores of 40,000 patients, for holdouts of 1,000, one train and one synthetic table."""
    schema = replace(simulation_schema(), protected=("sex", "diagnosis"))
    train, made = simulate_cohort(1500, seed), simulate_cohort(1500, seed + 1)
    rng = np.random.default_rng(seed)
    wrong = np.where(rng.random(1500) < 0.3, rng.permutation(made["died"]), made["died"])
    made, many = made.assign(died=wrong), simulate_cohort(40_000, seed + 2)
    for metric in METRICS:
        truth = {one.metric: one.value for one in metric(train, many, made, schema, np.random.default_rng(0))}
        inside: dict[str, list[bool]] = {}
        for repeat in range(num_repeats):
            holdout = simulate_cohort(1000, seed + 100 + repeat)
            for one in metric(train, holdout, made, schema, np.random.default_rng(0)):
                known = one.metric in truth and not np.isnan([one.low, truth[one.metric]]).any()
                if known and not any(name in one.metric for name in ("forest", "neural")):
                    inside.setdefault(one.metric, []).append(one.low <= truth[one.metric] <= one.high)
        for name, found in inside.items():
            if len(found) > num_repeats / 2:
                yield describe("scores, 1000 in the holdout", name, np.array(found, dtype=float))


def cover_models(num_repeats: int, seed: int = 0) -> Iterator[dict]:
    """Coverage of what models score on 40,000 patients, for holdouts of 300 and 1,000 of them.

    Discrimination, calibration and errors, of a target of two levels and of a number. Each model learns once;
    its predictions are looked up for each holdout.
    """
    train, made = simulate_cohort(1500, seed), simulate_cohort(1500, seed + 1)
    rng, many = np.random.default_rng(seed), simulate_cohort(40_000, seed + 2)
    wrong = np.where(rng.random(1500) < 0.3, rng.permutation(made["died"]), made["died"])
    made = made.assign(died=wrong)
    learners = {"died": ("boosting", "logistic"), "length_of_stay": ("boosting", "ridge")}
    for target, families in learners.items():
        schema = replace(simulation_schema(), target=target, leaks=())
        for learner in families:
            both = outcomes.predict_alike(learner, (train, made), many, schema, rng)

            def look_up(learner, tables, rows, schema, rng, both=both):
                return [predicted[rows[PLACE].to_numpy()] for predicted in both]

            def score(rows, seed, schema=schema, learner=learner, look_up=look_up):
                with patch.object(utility, "predict_alike", look_up):
                    asked = many.iloc[rows].assign(**{PLACE: rows})
                    rng = np.random.default_rng(seed)
                    return utility.train_on_synthetic(train, asked, made, schema, rng, [learner])

            with patch.object(outcomes, "MAX_ROWS", len(many)), patch.object(utility, "NUM_RESAMPLES", 1):
                truth = {one.metric: one.value for one in score(np.arange(len(many)), 0)}
            for size in (300, 1000):
                inside: dict[str, list[bool]] = {}
                for repeat in range(num_repeats):
                    for one in score(rng.choice(len(many), size, replace=False), repeat):
                        if not np.isnan(one.low):
                            held = one.low <= truth[one.metric] <= one.high
                            inside.setdefault(one.metric, []).append(held)
                for name, found in inside.items():
                    yield describe(f"models of {target}, {size} in the holdout", name, np.array(found, float))


def cover_tables(num_repeats: int, seed: int = 0) -> Iterator[dict]:
    """Coverage where all rows are drawn from one population, so that every difference is 0."""
    schema = replace(simulation_schema(), protected=("sex", "diagnosis"))
    inside: dict[str, list[bool]] = {}
    for repeat in range(num_repeats):
        drawn = [simulate_cohort(800, seed + 3 * repeat + part) for part in range(3)]
        rng = np.random.default_rng(repeat)
        found = representation.representation(*drawn, schema, rng)
        found += survival_agreement(*drawn, schema, rng, time="length_of_stay", event="died")
        for one in found:
            if one.metric.startswith("representation[") or one.metric == "survival_log_hazard_ratio":
                inside.setdefault(one.metric, []).append(one.low <= 0 <= one.high)
    for name, found in inside.items():
        if len(found) > num_repeats / 2:
            yield describe("differences, 800 rows a table", name, np.array(found, dtype=float))


def describe(setting: str, name: str, inside: np.ndarray) -> dict:
    """One row of the results: coverage and its interval over repeats."""
    low, high = wilson_interval(inside.sum(), len(inside))
    row = {"setting": setting, "interval": name, "repeats": len(inside), "coverage": inside.mean()}
    return row | {"low": low, "high": high}


def main() -> None:
    parts = {
        "coefficients": lambda: chain(cover_inference(400, 1000, 1000), cover_inference(400, 1000, 4000)),
        "differences": lambda: cover_tables(400),
        "scores": lambda: cover_scores(30),
        "models": lambda: cover_models(200),
    }
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=parts, nargs="*", default=list(parts))
    asked = parser.parse_args()
    rows = pd.read_csv(RESULTS).to_dict("records") if RESULTS.exists() else []
    rows = [row for row in rows if not row["setting"].startswith(tuple(asked.only))]
    with one_thread():
        for part in asked.only:
            for row in parts[part]():
                rows.append(row)
                pd.DataFrame(rows).round(3).to_csv(RESULTS, index=False)


if __name__ == "__main__":
    main()
