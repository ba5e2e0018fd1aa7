"""Do our scores agree with those of a scorer that shares no code with us?

    python -m benchmarks.score_agreement --scorer SCORER.py [--python PYTHON] [--cohort FOLDER]

Makes twelve synthetic tables of known and different quality, scores each with `synthlib.evaluation` and with
the program SCORER, and writes score_agreement.csv: of each figure that both have our value with its 95 %
interval, theirs, and whether the interval holds it (`agreement`). A figure appears as `evaluate` defines it
and, where ours can, as the scorer does (`definition`: `ours` or `matched`). The scorer is any program that
takes `--train T.csv --test H.csv --synth S.csv --meta M.json` and prints one line of JSON with the names in
`THEIRS`.

The cohort is a benchmark cohort's folder (train.csv, test.csv, meta.json); without one, simulated patients.
Its training rows are cut in two: one half to learn from, the other to be what a perfect generator draws.
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

from benchmarks.adapters import make_schema
from benchmarks.cohorts import write_cohort
from benchmarks.scoring import read
from synthlib.evaluation.features import tree_matrix
from synthlib.evaluation.fidelity import association, columns
from synthlib.evaluation.fidelity import tables as fidelity
from synthlib.evaluation.leakage import privacy
from synthlib.evaluation.learners import one_thread
from synthlib.evaluation.usefulness.utility import train_on_synthetic
from synthlib.schema import Schema
from synthlib.scores import Score

RESULTS = Path(__file__).parent / "score_agreement.csv"
NUM_SIMULATED, NUM_EPOCHS, NUM_STEPS, NUM_FEW = 6_000, 20, 200, 300
# Our figure → theirs; README.md says where definitions differ.
THEIRS = {
    "marginal_accuracy_1way": "acc1_matched",
    "marginal_accuracy_2way": "acc2_matched",
    "marginal_accuracy_3way": "acc3_matched",
    "c2st_boosting": "c2st_lgbm",
    "c2st_logistic": "c2st_lr",
    "tstr_auroc_boosting": "tstr_lgbm",
    "tstr_auroc_logistic": "tstr_lr",
    "tstr_ratio_boosting": "tstr_ratio_lgbm",
    "tstr_ratio_logistic": "tstr_ratio_lr",
    "dcr_share": "dcr_share",
    "membership_auroc": "mia_domias",
    "exact_copies": "exact_match",
    "sdmetrics_quality": "sdm_quality",
    "association_distance_pearson": "assoc_diff",
    "missing_rate_difference": "missing_diff",
    "invalid_share": "invalid_share",
}


def make_tables(
    train: pd.DataFrame, fresh: pd.DataFrame, meta: dict, schema: Schema, rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """Name → synthetic table, from what a perfect generator draws to what none should.

    Args:
        train: what is learnt from, levels as text or None, numbers as float64.
        fresh: other rows of the same population.
        meta: `target`, `categorical`, `numerical` and `leaks`.
        schema: theirs.
        rng: of every random choice.
    """
    copies = train.iloc[rng.integers(0, len(train), len(train))].reset_index(drop=True)
    marginals = pd.DataFrame({name: train[name].to_numpy()[rng.permutation(len(train))] for name in train})
    leaking = fresh.copy()
    leaked = rng.choice(len(fresh), round(0.02 * len(fresh)), replace=False)
    leaking.iloc[leaked] = train.iloc[rng.permutation(len(train))[: len(leaked)]].to_numpy()
    target, first = meta["target"], meta["numerical"][0]
    event = fresh[target] == sorted(fresh[target].dropna().unique())[-1]
    chances = np.where(event, 4.0, 1.0)
    events = rng.choice(len(fresh), len(fresh), p=chances / chances.sum())
    shuffled = fresh.assign(**{first: fresh[first].to_numpy()[rng.permutation(len(fresh))]})
    gaps = fresh.mask(pd.DataFrame(rng.random(fresh.shape) < 0.15, index=fresh.index, columns=list(fresh)))
    return {
        "fresh rows": fresh,
        "copies": copies,
        "independent columns": marginals,
        "copies with small noise": add_noise(train, meta, 0.05, 0.02, rng),
        "copies with large noise": add_noise(train, meta, 1.0, 0.3, rng),
        "four times the odds of an event": fresh.iloc[events].reset_index(drop=True),
        "2 % of copies": leaking.infer_objects(),
        "a shuffled column": shuffled,
        "15 % more missing": gaps.assign(**{target: fresh[target]}),
        f"{NUM_FEW} rows": fresh[:NUM_FEW],
        "TabularGPT": fit("TabularGPT", train, schema, num_epochs=NUM_EPOCHS),
        "TabularGAN": fit("TabularGAN", train, schema, num_steps=NUM_STEPS),
    }


def add_noise(
    train: pd.DataFrame, meta: dict, spread: float, share: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Normal noise of so many standard deviations, in train's decimals; so many of the levels drawn anew."""
    noisy = train.copy()
    for name in meta["numerical"]:
        values = train[name].to_numpy()
        decimals = max(len(f"{value:.4f}".rstrip("0").partition(".")[2]) for value in values[:500])
        noise = rng.normal(0, spread * np.nanstd(values), len(values))
        noisy[name] = np.clip(np.round(values + noise, decimals), np.nanmin(values), np.nanmax(values))
    for name in meta["categorical"]:
        drawn = train[name].to_numpy()[rng.permutation(len(train))]
        noisy[name] = np.where(rng.random(len(train)) < share, drawn, train[name].to_numpy())
    return noisy


def fit(model: str, train: pd.DataFrame, schema: Schema, **stops: int) -> pd.DataFrame:
    """As many rows as train from a generator that stops early, so that it is neither right nor wrong."""
    import synthlib

    generator = getattr(synthlib, model)(schema, **stops)
    made = generator.fit(schema.conform(train), progress=False).sample(len(train), seed=1)
    return made.astype({name: float for name in made if schema[name].is_numeric})


def score_ours(train, holdout, synthetic, schema: Schema, seed: int = 0) -> dict[tuple[str, str], Score]:
    """(figure, definition) → our Score. `matched` follows the scorer's choice of rows or columns."""
    found: dict[tuple[str, str], Score] = {}

    def add(definition: str, scores: Score | list[Score]) -> None:
        for one in [scores] if isinstance(scores, Score) else scores:
            found[one.metric, definition] = one

    tables = (train, holdout, synthetic, schema)
    for metric in (
        fidelity.marginal_accuracy,
        fidelity.classifier_two_sample_test,
        fidelity.sdmetrics_quality,
        fidelity.invalid_share,
        association.association_distance,
        columns.missing_rate_difference,
        privacy.exact_copies,
        privacy.dcr_share,
        privacy.membership_attack,
    ):
        add("ours", metric(*tables, np.random.default_rng(seed)))
    learners = ("boosting", "logistic")
    for one in train_on_synthetic(*tables, np.random.default_rng(seed), learners=learners):
        add("ours", one)
        if one.metric.startswith("tstr_auroc_gap_"):  # a ratio is 1 + gap / what train teaches
            learner = one.metric.removeprefix("tstr_auroc_gap_")
            real = found[f"tstr_auroc_{learner}", "ours"].reference
            add("ours", Score(f"tstr_ratio_{learner}", *(1 + end / real for end in one[1:4]), 1.0))
    # all real rows against as many synthetic ones, as the scorer draws them
    rng, real = np.random.default_rng(seed), pd.concat([train, holdout], ignore_index=True)
    size = min(len(real), len(synthetic), fidelity.C2ST_ROWS)
    for learner in learners:
        ends = fidelity._tell_apart(real, synthetic, size, schema, learner, rng)
        add("matched", Score(f"c2st_{learner}", *ends, 0.5))
    # all of the synthetic table at once, with train in the holdout's place so that it is the smaller one
    add("matched", fidelity.sdmetrics_quality(train, synthetic, synthetic, schema, rng))
    pearson = association.association_distance(train, synthetic, synthetic, schema, rng)[1]
    add("matched", pearson)
    whole = columns.missing_rate_difference(train, synthetic, synthetic, schema, rng)[0]
    add("matched", whole)
    add("matched", invalid_values(train, synthetic, schema))
    return found


def invalid_values(train: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema) -> Score:
    """Share of the present values outside train's range or levels, with the interval of `invalid_share`."""
    narrow = Schema.infer(
        train, target=schema.target, kinds={column.name: column.kind for column in schema.modelled}
    )
    for column in narrow.modelled:
        narrow = narrow.replace(column.name, nullable=True)
    share = float(np.isfinite(tree_matrix(synthetic, schema.modelled)).mean())
    one = fidelity.invalid_share(train, train, synthetic, narrow, np.random.default_rng(0))
    return Score("invalid_share", *(min(end / share, 1.0) for end in one[1:4]), 0.0)


def score_theirs(scorer: list[str], folder: Path, synthetic: pd.DataFrame) -> dict[str, float]:
    """What the other program says of a table, written beside the folder's train.csv, test.csv, meta.json."""
    synthetic.to_csv(folder / "synthetic.csv", index=False)
    asked = {"train": "train.csv", "test": "test.csv", "synth": "synthetic.csv", "meta": "meta.json"}
    options = [part for name, file in asked.items() for part in (f"--{name}", str(folder / file))]
    done = subprocess.run([*scorer, *options], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"expected the scorer to print JSON, it failed: {done.stderr[-500:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(ours: dict[tuple[str, str], Score], theirs: dict[str, float]) -> pd.DataFrame:
    """A row for each figure that both have: ours with its interval, theirs, inside or not."""
    rows = []
    for (metric, definition), one in ours.items():
        other = theirs.get(THEIRS.get(metric, ""))
        if other is None or np.isnan(one.value):
            continue
        rows.append(
            {"metric": metric, "definition": definition, "ours": one.value, "low": one.low, "high": one.high}
            | {"theirs": other, "agreement": judge(one, other)}
        )
    return pd.DataFrame(rows)


def judge(ours: Score, theirs: float) -> str:
    """`equal` (they round to five digits), `inside` our interval, `outside`, or `no interval`."""
    if abs(ours.value - theirs) <= 1e-4:
        return "equal"
    if np.isnan(ours.low) or np.isnan(ours.high):
        return "no interval"
    return "inside" if ours.low <= theirs <= ours.high else "outside"


def split_cohort(folder: Path, target: Path, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    """Write half of the cohort's train and its holdout into `target`: (train, fresh rows, meta)."""
    meta = json.loads((folder / "meta.json").read_text())
    whole = read(folder / "train.csv", meta)[[*meta["categorical"], *meta["numerical"]]]
    order = np.random.default_rng(seed).permutation(len(whole))
    train, fresh = (whole.iloc[rows].reset_index(drop=True) for rows in np.array_split(order, 2))
    train.to_csv(target / "train.csv", index=False)
    for name in ("test.csv", "meta.json"):
        (target / name).write_bytes((folder / name).read_bytes())
    return train, fresh, meta


def simulate(folder: Path, seed: int) -> Path:
    """A cohort's folder of simulated patients."""
    from synthlib.data.simulation import simulate_cohort

    table = simulate_cohort(NUM_SIMULATED, seed).astype(object)
    cells = table.where(table.notna(), "").astype(str)
    text = [name for name in table if table[name].map(type).eq(str).any()]
    levels = [name for name in table if name in text or table[name].nunique() <= 2]
    return write_cohort(folder / "simulated", cells, "died", levels, ["length_of_stay"])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scorer", required=True, help="the other program, a Python file")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs it")
    parser.add_argument("--cohort", type=Path, nargs="*", default=[], help="folders of benchmark cohorts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args(arguments)
    found = []
    with tempfile.TemporaryDirectory() as place, one_thread():
        folder = Path(place)
        for cohort in asked.cohort or [simulate(folder, asked.seed)]:
            train, fresh, meta = split_cohort(cohort, folder, asked.seed)
            holdout = read(folder / "test.csv", meta)[list(train)]
            schema = make_schema(pd.concat([train, fresh, holdout], ignore_index=True), meta)
            rng = np.random.default_rng(asked.seed)
            for name, table in make_tables(train, fresh, meta, schema, rng).items():
                theirs = score_theirs([asked.python, asked.scorer], folder, table)
                table = read(folder / "synthetic.csv", meta)[list(train)]
                rows = compare(score_ours(train, holdout, table, schema, asked.seed), theirs)
                found.append(rows.assign(cohort=cohort.name, table=name))
                print(f"{cohort.name}, {name}: {rows['agreement'].value_counts().to_dict()}", flush=True)
                every = pd.concat(found, ignore_index=True)
                every = every[["cohort", "table", *(c for c in rows)]]
                every.round(5).to_csv(asked.out, index=False, lineterminator="\n")
    counts = every.groupby(["metric", "definition"])["agreement"].value_counts().unstack(fill_value=0)
    print(counts.to_string())
    return 0


if __name__ == "__main__":
    sys.exit(main())
