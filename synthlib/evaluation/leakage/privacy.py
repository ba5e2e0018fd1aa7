"""What a synthetic table gives away: copies, rows too close to train, membership.

These find leaks; that they find none is no guarantee.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from synthlib.evaluation.distances import closest_by_group, log_distance
from synthlib.evaluation.features import (
    DenseEncoder,
    note_sample,
    patients_of,
    pick_a_row_each,
    sample_rows,
    tree_matrix,
)
from synthlib.evaluation.intervals import NAN, auroc, auroc_error, auroc_interval, share_interval
from synthlib.scores import Score, wilson_interval

MAX_ROWS = 50_000
MAX_QUERIES = 10_000
NUM_GROUPS = 20


def exact_copies(train, holdout, synthetic, schema, rng) -> Score:
    """Share of synthetic rows that equal a training row in every column but identifiers.

    With few columns equal rows are no wonder, so read it against the reference.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        rng: not used.

    Returns:
        Score in [0, 1] with a 95% Wilson interval; reference: the share of the holdout's rows that equal one.
    """
    known = set(_row_bytes(train, schema))
    shares = []
    for table in (synthetic, holdout):
        copied = sum(row in known for row in _row_bytes(table, schema))
        shares.append((copied / len(table), *wilson_interval(copied, len(table))))
    return Score("exact_copies", *shares[0], shares[1][0])


def dcr_share(train, holdout, synthetic, schema, rng) -> Score:
    """Share of synthetic rows whose closest record is in train, not holdout.

    About 0.5 when nothing is memorised, 1 for copies. A copying check only: it is no evidence of privacy.
    Distances are Euclidean over ranks, missing flags and levels; ties count half. Where train is larger than
    holdout, each win of the holdout counts len(train) / len(holdout) times: that is exactly fair to rows that
    know nothing. Copies of rows that are not looked at do not show.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns); at most 10,000 synthetic and
            50,000 real rows are used.
        schema: theirs.
        rng: draws those rows, and the groups of patients of a jackknife.

    Returns:
        Score in [0, 1]; the interval covers the draw of the synthetic rows and of the split; reference 0.5.

    Reference: Platzer and Reutterer 2021, "Holdout-based empirical assessment of mixed-type synthetic data".
    """
    train, holdout = (sample_rows(table, MAX_ROWS, rng) for table in (train, holdout))
    synthetic = sample_rows(synthetic, MAX_QUERIES, rng)
    patients = [patients_of(table, schema) for table in (train, holdout)]
    num_patients = [int(part.max()) + 1 for part in patients]
    num_groups = min(NUM_GROUPS, *num_patients)
    real, made = _encode(train, holdout, synthetic, schema)
    group = np.concatenate([(rng.permutation(part.max() + 1) % num_groups)[part] for part in patients])
    group[len(train) :] += num_groups
    closest = closest_by_group(real, group, made)  # (num_synthetic, 2 * num_groups), train's groups first
    wins = _wins(closest[:, :num_groups].min(axis=1), closest[:, num_groups:].min(axis=1))
    share, weight = float(wins.mean()), len(train) / len(holdout)
    variance = wins.var() / len(wins)
    if num_groups > 1:
        to_train, to_holdout = (_min_without_each(half) for half in np.split(closest, 2, axis=1))
        variance += (num_groups - 1) * _wins(to_train, to_holdout).mean(axis=0).var()
    ends = share_interval(share, float(np.sqrt(variance)), min(len(wins), num_patients[1]))
    return Score("dcr_share", *(at / (at + (1 - at) * weight) for at in (share, *ends)), 0.5)


def membership_attack(train, holdout, synthetic, schema, rng) -> list[Score]:
    """How well an attacker who holds the synthetic table tells who was in train: AUROC, 0.5 if they cannot.

    The attacker also holds other patients of the same population (half of the holdout) and calls a record a
    member where synthetic rows lie denser around it than those patients do. One attack, not the best one: a
    value near 0.5 is no proof. The control is the same attack on training rows drawn with replacement, as
    many as synthetic ones; where that is not caught, the attack is blind on this table and its value says
    nothing.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns); at most 50,000 rows of train
            and synthetic and 10,000 of holdout are used, and as many members as there are non-members. Each
            patient who is asked about, or held by the attacker, is there with one row.
        schema: theirs.
        rng: draws those rows, splits the holdout, and makes the control.

    Returns:
        `membership_auroc` and `membership_auroc_control` with intervals from DeLong's errors; reference 0.5.
        NaN where the holdout has fewer than four patients.

    Reference: van Breugel et al. 2023, "Membership inference attacks against synthetic data through
    overfitting detection" (DOMIAS); densities here are by nearest neighbours.
    """
    synthetic, whole = sample_rows(synthetic, MAX_ROWS, rng), train
    train = sample_rows(train, MAX_ROWS, rng)
    holdout = sample_rows(holdout.iloc[pick_a_row_each(holdout, schema, rng)], MAX_QUERIES, rng)
    control = whole.iloc[rng.integers(0, len(whole), len(synthetic))]
    real, made = _encode(train, holdout, synthetic, schema)
    copied = _encode(train, holdout, control, schema)[1]
    members = rng.permutation(pick_a_row_each(train, schema, rng))[: len(holdout)]
    note_sample(len(members), len(train))
    halves = np.array_split(len(train) + rng.permutation(len(holdout)), 2)
    return [
        Score(name, *_attack(real, members, halves, rows), 0.5)
        for name, rows in (("membership_auroc", made), ("membership_auroc_control", copied))
    ]


def _attack(
    real: np.ndarray, members: np.ndarray, halves: list[np.ndarray], made: np.ndarray
) -> tuple[float, float, float]:
    """Each half of the holdout is the attacker's population once, and the other half the non-members."""
    if min(len(half) for half in halves) < 2:
        return NAN, NAN, NAN
    everyone = np.concatenate([members, *halves])
    near_made = dict(zip(everyone, log_distance(made, real[everyone]), strict=True))
    values, errors = [], []
    for population, others in (halves, halves[::-1]):
        targets = np.concatenate([members, others])
        near_population = log_distance(real[population], real[targets])
        score = near_population - np.array([near_made[row] for row in targets])
        truth = np.arange(len(targets)) < len(members)
        values.append(auroc(truth, score))
        errors.append(auroc_error(truth, score))
    # members are the same in both turns, so the errors are averaged as if they were one
    value = float(np.mean(values))
    return (value, *auroc_interval(value, float(np.mean(errors)), min(map(len, halves))))


def _row_bytes(table: pd.DataFrame, schema) -> list[bytes]:
    """Each row as bytes that are equal where its values are; identifiers left out."""
    matrix = tree_matrix(table, schema.modelled)
    matrix = np.ascontiguousarray(np.where(np.isnan(matrix), np.inf, matrix))  # numbers are finite
    return [row.tobytes() for row in matrix]


def _encode(train, holdout, made, schema) -> tuple[np.ndarray, np.ndarray]:
    """Real rows (train, then holdout) and made rows as points; fitted on all real rows, to favour neither."""
    real = pd.concat([train, holdout], ignore_index=True)
    encoder = DenseEncoder(schema.modelled).fit(real)
    return encoder.transform(real), encoder.transform(made)


def _wins(to_train: np.ndarray, to_holdout: np.ndarray) -> np.ndarray:
    return np.where(to_train < to_holdout, 1.0, np.where(to_train == to_holdout, 0.5, 0.0))


def _min_without_each(closest: np.ndarray) -> np.ndarray:
    """Column g: the smallest of each row when column g is left out, shape of `closest`."""
    groups = range(closest.shape[1])
    return np.column_stack([np.delete(closest, group, axis=1).min(axis=1) for group in groups])
