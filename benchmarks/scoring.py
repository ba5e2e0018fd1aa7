"""Scores of a drawn table: the library's metrics, and its parts where a comparison asks for other sizes.

    python -m benchmarks.scoring --cohort FOLDER --synthetic TABLE.csv [--train TABLE.csv]

The library compares tables at the holdout's size, so that score and reference are on one footing. Published
comparisons of generators use all rows; those figures are here: a two-sample test of synthetic rows against
all real ones, once as drawn and once with each number moved to the nearest real one, and an attack on all of
train.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from benchmarks.adapters import make_schema
from synthlib.evaluation.features import DenseEncoder, sample_rows
from synthlib.evaluation.fidelity import tables as fidelity
from synthlib.evaluation.intervals import auroc
from synthlib.evaluation.leakage import privacy
from synthlib.evaluation.learners import fit_classifier, one_thread
from synthlib.evaluation.usefulness import utility

C2ST_ROWS = 10_000
ATTACK_ROWS = 20_000
NUM_FOLDS = 5
NUM_NEIGHBOURS = 3
NUM_SPLITS = 5  # of the holdout, into who the attacker knows and who is attacked

Figures = dict[str, float]


def score(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, meta: dict, seed: int = 0
) -> Figures:
    """All scores of a drawn table; README.md says what each means.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns), levels as text or None.
        meta: `target`, `categorical`, `numerical` and `leaks`.
        seed: of every random choice.

    Returns:
        name → value; NaN where a score cannot be computed.
    """
    train, holdout, synthetic = (
        table[[*meta["categorical"], *meta["numerical"]]] for table in (train, holdout, synthetic)
    )
    schema = make_schema(pd.concat([train, holdout], ignore_index=True), meta)
    tables = (train, holdout, synthetic)
    found: Figures = {"num_train": len(train), "num_holdout": len(holdout), "num_columns": train.shape[1]}
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in (marginals, two_sample_tests, usefulness, leakage):
            found |= part(*tables, schema, np.random.default_rng(seed))
        found["invalid_share"] = invalid_share(train, synthetic, meta)
    return {name: value if isinstance(value, int) else round(value, 5) for name, value in found.items()}


def marginals(train, holdout, synthetic, schema, rng) -> Figures:
    """k-way accuracy at the holdout's size beside the holdout's own, SDMetrics' score, missing rates."""
    found = {}
    for at in fidelity.marginal_accuracy(train, holdout, synthetic, schema, rng):
        way = at.metric.removeprefix("marginal_accuracy_").removesuffix("way")
        found |= {f"acc{way}": at.value, f"acc{way}_ceiling": at.reference}
    # the synthetic table in the holdout's place: SDMetrics then sees all of it and not parts
    found["sdmetrics_quality"] = fidelity.sdmetrics_quality(train, synthetic, synthetic, schema, rng).value
    found["missing_difference"] = float((train.isna().mean() - synthetic.isna().mean()).abs().mean())
    return found


def two_sample_tests(train, holdout, synthetic, schema, rng) -> Figures:
    """AUROC of a classifier that tells synthetic from real rows of train and holdout, in five folds.

    Real and synthetic rows are as many. `c2st`: boosted trees; `c2st_snapped`: the same with each number
    moved to the nearest real one, so that decimals alone do not tell; `c2st_logistic`: logistic regression.
    """
    real = pd.concat([train, holdout], ignore_index=True)
    size = min(len(real), len(synthetic), C2ST_ROWS)
    real, synthetic = (at_most(table, size) for table in (real, synthetic))
    drawn = pd.concat([real, synthetic], ignore_index=True)
    moved = {c.name: snap(drawn[c.name], real[c.name]) for c in schema.modelled if c.is_numeric}
    truth = np.repeat([0, 1], size)
    folds = list(StratifiedKFold(NUM_FOLDS, shuffle=True, random_state=0).split(truth, truth))
    trials = {
        "c2st": ("boosting", drawn),
        "c2st_snapped": ("boosting", drawn.assign(**moved)),
        "c2st_logistic": ("logistic", drawn),
    }
    found = {}
    for name, (learner, table) in trials.items():
        values = []
        for learnt, held in folds:
            predict = fit_classifier(learner, table.iloc[learnt], truth[learnt], schema.modelled, rng)
            values.append(auroc(truth[held], predict(table.iloc[held])[:, 1]))
        found[name] = float(np.mean(values))
    return found


def at_most(table: pd.DataFrame, size: int) -> pd.DataFrame:
    """All rows, or so many of them that the same are drawn whatever is compared with them."""
    return table if len(table) <= size else table.sample(size, random_state=0)


def snap(values: pd.Series, known: pd.Series) -> np.ndarray:
    """Each number moved to the nearest known one (the smaller of two as near), missing ones left."""
    known, values = np.unique(known.dropna().to_numpy(dtype=float)), values.to_numpy(dtype=float)
    if not len(known):
        return values
    above = np.clip(np.searchsorted(known, values), 0, len(known) - 1)
    below = np.maximum(above - 1, 0)
    nearest = np.where(values - known[below] <= known[above] - values, known[below], known[above])
    return np.where(np.isnan(values), np.nan, nearest)


def usefulness(train, holdout, synthetic, schema, rng) -> Figures:
    """AUROC on the holdout after learning from synthetic rows, from train, and their ratio."""
    values = {}
    if len(schema[schema.target].categories) == 2:  # without the intervals, which take most of the time
        found = utility.predict_holdout(train, holdout, synthetic, schema, rng)
        for (learner, source), rows in found.groupby(["learner", "trained_on"]):
            values[learner, source] = auroc(rows["truth"].to_numpy(), rows["probability"].to_numpy())
    else:
        for at in utility.train_on_synthetic(train, holdout, synthetic, schema, rng):
            learner = at.metric.removeprefix("tstr_auroc_")
            values |= {(learner, "synthetic"): at.value, (learner, "train"): at.reference}
    figures = {}
    for learner, suffix in (("boosting", ""), ("logistic", "_logistic")):
        made, real = (values.get((learner, source), float("nan")) for source in ("synthetic", "train"))
        figures |= {f"tstr{suffix}": made, f"trtr{suffix}": real, f"tstr_ratio{suffix}": made / real}
    return figures


def leakage(train, holdout, synthetic, schema, rng) -> Figures:
    """Nearness to train over nearness to holdout, copies, and two attacks on membership."""
    dcr, copies = (
        f(train, holdout, synthetic, schema, rng) for f in (privacy.dcr_share, privacy.exact_copies)
    )
    train, holdout, synthetic = (
        sample_rows(table, ATTACK_ROWS, rng) for table in (train, holdout, synthetic)
    )
    encoder = DenseEncoder(schema.modelled).fit(train)
    members, others, made = (encoder.transform(table) for table in (train, holdout, synthetic))
    near = {"members": distances(made, members), "others": distances(made, others)}
    to_train, of_holdout = distances(members, made)[:, 0], distances(members, others)[:, 0]
    return {
        "dcr_share": dcr.value,
        "dcr_ratio": float(np.median(to_train) / max(np.median(of_holdout), 1e-9)),
        "copies": copies.value,
        "copies_ceiling": copies.reference,
        "mia_distance": separate(-near["members"][:, 0], -near["others"][:, 0]),
        "mia_density": density_attack(members, others, near, rng),
    }


def density_attack(members: np.ndarray, others: np.ndarray, near: dict[str, np.ndarray], rng) -> float:
    """Who is a member: those around whom synthetic rows are denser than people of half of the holdout.

    Reference: van Breugel et al. 2023 (DOMIAS); densities by nearest neighbours.
    """
    splits = [np.array_split(rng.permutation(len(others)), 2) for _ in range(NUM_SPLITS)]
    values = []
    for population, targets in (turn for halves in splits for turn in (halves, halves[::-1])):
        known = others[population]
        scores = [
            rarity(distances(known, points)) - rarity(to_made)
            for points, to_made in ((members, near["members"]), (others[targets], near["others"][targets]))
        ]
        values.append(separate(*scores))
    return float(np.mean(values))


def distances(points: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Euclidean distances from each query to its nearest points, shape (num_queries, 3), nearest first."""
    from sklearn.neighbors import NearestNeighbors

    finder = NearestNeighbors(n_neighbors=min(NUM_NEIGHBOURS, len(points)), algorithm="brute")
    return finder.fit(points).kneighbors(queries)[0]


def rarity(near: np.ndarray) -> np.ndarray:
    """Mean logarithm of distances to neighbours: high where few are near."""
    return np.log(near + 1e-3).mean(axis=1)


def separate(members: np.ndarray, others: np.ndarray) -> float:
    """AUROC of scores that should be higher for members."""
    truth = np.repeat([1, 0], [len(members), len(others)])
    return auroc(truth, np.concatenate([members, others]))


def invalid_share(train: pd.DataFrame, synthetic: pd.DataFrame, meta: dict) -> float:
    """Share of the present values outside of train's range or levels."""
    wrong = present = 0
    for name in [*meta["categorical"], *meta["numerical"]]:
        values, known = synthetic[name].dropna(), train[name].dropna()
        allowed = (
            values.isin(known) if name in meta["categorical"] else values.between(known.min(), known.max())
        )
        wrong, present = wrong + int((~allowed).sum()), present + len(values)
    return wrong / max(present, 1)


def read(path: Path, meta: dict) -> pd.DataFrame:
    """A table as text and float64; what is no number is missing."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    for name in meta["numerical"]:
        table[name] = pd.to_numeric(table[name], errors="coerce").astype(float)
    for name in meta["categorical"]:
        table[name] = table[name].astype(object).where(table[name].notna(), None)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohort", type=Path, required=True)
    parser.add_argument("--synthetic", type=Path, required=True)
    parser.add_argument("--train", type=Path, help="another training table than the cohort's")
    asked = parser.parse_args()
    meta = json.loads((asked.cohort / "meta.json").read_text())
    paths = (asked.train or asked.cohort / "train.csv", asked.cohort / "test.csv", asked.synthetic)
    json.dump(score(*(read(path, meta) for path in paths), meta), sys.stdout)


if __name__ == "__main__":
    main()
