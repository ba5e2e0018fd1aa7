"""One call that runs every metric, and the handful of rows to read first."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
import pandas as pd

from synthlib.areas import HEADLINES
from synthlib.evaluation.fairness import representation
from synthlib.evaluation.fairness.gaps import explain_fairness, fairness
from synthlib.evaluation.features import noting_samples, patients_of
from synthlib.evaluation.fidelity import association, columns
from synthlib.evaluation.fidelity import tables as fidelity
from synthlib.evaluation.leakage import privacy
from synthlib.evaluation.leakage.suite import MAX_TARGETS, add_leakage, check_numbers, leakage_report
from synthlib.evaluation.learners import one_thread
from synthlib.evaluation.usefulness import utility
from synthlib.evaluation.usefulness.augmentation import augmentation_gain
from synthlib.evaluation.usefulness.importance import importance_agreement
from synthlib.evaluation.usefulness.inference_agreement import explain_inference, inference_scores
from synthlib.evaluation.usefulness.ranking import model_ranking
from synthlib.schema import Schema, SchemaError
from synthlib.scores import Score, explain_gaps, to_report

METRICS: tuple[Callable, ...] = (
    fidelity.marginal_accuracy,
    association.association_distance,
    fidelity.classifier_two_sample_test,
    fidelity.sdmetrics_quality,
    fidelity.invalid_share,
    utility.train_on_synthetic,
    model_ranking,
    importance_agreement,
    augmentation_gain,
    inference_scores,
    fairness,
    representation.representation,
    representation.group_fidelity,
    privacy.exact_copies,
    privacy.dcr_share,
    privacy.membership_attack,
    columns.missing_rate_difference,
    columns.standardized_mean_difference,
    columns.variance_ratio,
    columns.quantile_difference,
    columns.kolmogorov_smirnov,
    columns.wasserstein,
    columns.total_variation,
)


def evaluate(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    seed: int = 0,
    progress: bool | None = None,
    attacks: bool = False,
    max_targets: int = MAX_TARGETS,
) -> pd.DataFrame:
    """Score a synthetic table's fidelity, usefulness, leakage and fairness, each beside what real ones score.

    Identifiers are ignored. Runs on one thread, so that results do not depend on the number of cores: 7,284
    rows and 36 columns take about a minute, most of it in SDMetrics and the learners, and the attacks as
    long again and a half.

    Args:
        train: rows the generator learnt from, shape (num_train, num_columns).
        holdout: rows it never saw, shape (num_holdout, num_columns). Distances are compared at its size, so
            it should be a fifth of the cohort or more. So are the classifiers that tell tables apart.
        synthetic: rows to judge, shape (num_synthetic, num_columns). They may break the Schema: it is scored.
        schema: that of train and holdout.
        seed: of every random choice; each metric has a stream of its own.
        progress: show a bar; None shows it on a terminal only.
        attacks: also attack the table in every way that `leakage_report` knows, beside tables of which it is
            known what they leak.
        max_targets: most members, and most others, that attacks ask about.

    Returns:
        Report: DataFrame of `metric, value, low, high, reference`, a row per Score.
        `report.attrs["notes"]` lists what could not be computed, and why, and which metrics looked at a
        sample of a table's rows or of the columns. `report.attrs["evaluation"]` holds seed, attacks and
        max_targets, which a gate compares with the protocol's; `find_leakage` gives what attacks found beside
        all their controls. It is as confidential as train: means, quantiles and missing rates of train's
        columns can be solved from the scores of single columns.

    Raises:
        SchemaError: if train or holdout is not a table of the schema.
        ValueError: if a table has no rows, or synthetic has other columns; with attacks, if train or holdout
            has fewer than four patients.
    """
    from tqdm import tqdm

    synthetic = _check(train, holdout, synthetic, schema)
    if attacks:
        check_numbers(train, holdout, schema, max_targets)
    train, holdout = (table.reset_index(drop=True) for table in (train, holdout))
    scores: list[Score] = []
    samples: dict[tuple, list[str]] = {}
    hidden = None if progress is None else not progress
    with one_thread(), tqdm(METRICS, unit="metric", disable=hidden) as bar:
        for metric in bar:
            bar.set_description(f"evaluate: {metric.__name__}")
            rng = np.random.default_rng([seed, zlib.crc32(metric.__name__.encode())])
            with noting_samples() as sampled, np.errstate(over="ignore", invalid="ignore"):  # `_keep_finite`
                found = metric(train, holdout, synthetic, schema, rng)
            scores += map(_keep_finite, [found] if isinstance(found, Score) else found)
            for sample in (*sampled, *sampled.columns):
                samples.setdefault(sample, []).append(metric.__name__)
    report = to_report(scores)
    sizes = {"train": len(train), "holdout": len(holdout), "synthetic": len(synthetic)}
    report.attrs["notes"] = [
        *utility.explain_utility(train, holdout, synthetic, schema),
        *explain_inference(train, schema),
        *explain_fairness(train, holdout, synthetic, schema),
        *_explain_patients(train, holdout, schema),
        *explain_gaps(report),
        *_explain_samples(samples, sizes),
    ]
    report.attrs["evaluation"] = {"seed": int(seed), "attacks": False, "max_targets": int(max_targets)}
    if attacks:
        found = leakage_report(train, holdout, synthetic, schema, seed, progress, max_targets=max_targets)
        return add_leakage(report, found)
    return report


def summarise(report: pd.DataFrame) -> pd.DataFrame:
    """The rows of a report to read first, each with the question that it answers.

    Args:
        report: from `evaluate`.

    Returns:
        DataFrame of `metric, value, low, high, reference, question`, in a fixed order, ending with the
        numeric and the discrete column whose distribution is furthest from train's.
    """
    rows = report.set_index("metric", drop=False)
    asked = [metric for metric in HEADLINES if metric in rows.index]
    found = [rows.loc[metric].to_dict() | {"question": HEADLINES[metric]} for metric in asked]
    for distance, kind in (("ks", "numeric"), ("tv", "discrete")):
        values = report[report["metric"].str.startswith(f"{distance}[")].dropna(subset="value")
        if len(values):
            worst = values.loc[values["value"].idxmax()]
            found.append(worst.to_dict() | {"question": f"Which {kind} column is furthest from train's?"})
    return pd.DataFrame(found, columns=[*Score._fields, "question"])


def _check(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema
) -> pd.DataFrame:
    """The synthetic table with its columns in the Schema's order."""
    if not schema.modelled:
        raise ValueError("expected a schema with a column that is no identifier, got none")
    for name, table in (("train", train), ("holdout", holdout), ("synthetic", synthetic)):
        if not len(table):
            raise ValueError(f"expected rows in {name}, got none")
    for name, table in (("train", train), ("holdout", holdout)):
        try:
            schema.check(table)
        except SchemaError as error:
            raise SchemaError(f"{name}: {error}") from None
    absent = [column.name for column in schema.modelled if column.name not in synthetic.columns]
    extra = [str(name) for name in synthetic.columns if name not in schema.names]
    repeated = sorted(set(synthetic.columns[synthetic.columns.duplicated()].astype(str)))
    for problem, names in (("lacks", absent), ("also has", extra), ("repeats", repeated)):
        if names:
            listed = ", ".join(names)
            raise ValueError(f"expected synthetic to have the schema's columns; it {problem} {listed}")
    return synthetic[[name for name in schema.names if name in synthetic.columns]].reset_index(drop=True)


def _keep_finite(score: Score) -> Score:
    """A Score whose infinite numbers are missing: absurd values overflow, and nobody can judge by them."""
    name, *numbers = score
    numbers = [value if np.isfinite(value) else np.nan for value in numbers]
    return Score(name, *(numbers if np.isfinite(numbers[0]) else [*[np.nan] * 3, numbers[3]]))


def _explain_patients(train: pd.DataFrame, holdout: pd.DataFrame, schema: Schema) -> list[str]:
    repeated = [
        name
        for name, table in (("train", train), ("holdout", holdout))
        if len(table) > len(np.unique(patients_of(table, schema)))
    ]
    if not repeated:
        return []
    return [
        f"several rows a patient in {' and '.join(repeated)}: intervals of predictions and of fairness draw "
        "patients; all others take rows as independent, and are too narrow where a patient's rows are alike"
    ]


def _explain_samples(samples: dict[tuple, list[str]], sizes: dict[str, int]) -> list[str]:
    """A note for each size that a table, or its columns, was sampled down to, largest tables first."""
    notes = []
    for one in sorted(samples, key=lambda one: (len(one), -one[1], -one[0], *one[2:])):
        (used, num_rows, *what), metrics = one, ", ".join(samples[one])
        if what:
            notes.append(f"sampled: {used:,} of {num_rows:,} {what[0]} were looked at by {metrics}")
            continue
        tables = " or ".join(name for name, size in sizes.items() if size == num_rows) or "a part of a table"
        notes.append(f"sampled: {used:,} of {num_rows:,} rows ({tables}) were looked at by {metrics}")
    return notes
