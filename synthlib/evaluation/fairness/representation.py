"""Who is in the synthetic table: each protected group as often, and as faithfully, as among the patients?"""

from __future__ import annotations

import numpy as np

from synthlib.evaluation.fairness.groups import Partition, partitions
from synthlib.evaluation.features import matched_parts
from synthlib.evaluation.fidelity.tables import marginal_accuracy
from synthlib.evaluation.intervals import NAN, difference_interval
from synthlib.evaluation.resampling import spread_interval
from synthlib.scores import Score, wilson_interval

NUM_RESAMPLES = 200
MAX_PAIRS = 200  # of columns, whose tables are compared within a group


def representation(train, holdout, synthetic, schema, rng) -> list[Score]:
    """How often each protected group, and each intersection of two, is drawn.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs, with protected columns. Groups of fewer than 11 patients are merged, see
            `groups.partitions`.
        rng: draws the parts of the synthetic table that are as large as the holdout, and resamples.

    Returns:
        - `representation[group]`: synthetic share less train's, with Newcombe's interval;
        - `representation_distance`: half the summed absolute differences of a partition's shares, mean over
          partitions; 0 is equal;
        - `representation_smallest_ratio`: synthetic share over train's share of the group for which it is
          smallest; 1 is equal, 0 a group that is gone.
        The last two at the holdout's size, with intervals from resampled rows. Reference: the holdout's. None
        without protected columns, or where they form no two groups.

    Reference: Bhanot et al. 2021, "The problem of fairness in synthetic healthcare data"; Newcombe 1998.
    """
    found = partitions((train, holdout), synthetic, schema)
    if not found:
        return []
    scores = []
    for partition in found:
        counts = [np.bincount(c[c >= 0], minlength=len(partition.groups)) for c in partition.codes]
        shares = [
            [(n / len(codes), *wilson_interval(n, len(codes))) for n in count]
            for count, codes in zip(counts, partition.codes, strict=True)
        ]
        for name, real, fresh, made in zip(partition.groups, *shares, strict=True):
            ends = difference_interval(made, real)
            scores.append(
                Score(f"representation[{name}]", float(made[0] - real[0]), *ends, float(fresh[0] - real[0]))
            )
    size = min(len(holdout), len(synthetic))
    parts, others = (matched_parts(len(table), size, rng) for table in (synthetic, holdout))
    value = np.mean([_compare(found, 2, rows, rng) for rows in parts], axis=0)  # (2, num_resamples + 1)
    reference = np.mean([_compare(found, 1, rows, rng)[:, 0] for rows in others], axis=0)
    names = {"representation_distance": 1.0, "representation_smallest_ratio": np.inf}
    for k, (name, largest) in enumerate(names.items()):
        ends = spread_interval(value[k], 0.0, largest)
        scores.append(Score(name, float(value[k, 0]), *ends, float(reference[k])))
    return scores


def group_fidelity(train, holdout, synthetic, schema, rng) -> list[Score]:
    """How faithful the rows of each protected group are: accuracy of its tables of two columns.

    Small groups' tables are noisier, also those of fresh patients: read each value against its reference.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs, with protected columns, of each of which the groups are scored (no intersections).
        rng: draws parts of one size, and 200 pairs of columns.

    Returns:
        - `group_fidelity[group]` in [0, 1], see `fidelity.marginal_accuracy`; NaN for a group that the
          synthetic table has not. Reference: the holdout's patients of the group.
        - `group_fidelity_loss`: largest loss against that reference; below 0 all groups are nearer to train
          than fresh patients are. The interval is that of the worst group; that it was picked is not in it.
          Of a group that is gone all is lost. Reference 0.
        None without protected columns, or where they form no two groups.
    """
    found = [one for one in partitions((train, holdout), synthetic, schema) if one.num_attributes == 1]
    scores, losses = [], []
    for partition in found:
        for place, name in enumerate(partition.groups):
            rows = [
                table[codes == place]
                for table, codes in zip((train, holdout, synthetic), partition.codes, strict=True)
            ]
            if len(schema.modelled) < 2:
                scores.append(Score(f"group_fidelity[{name}]", NAN, NAN, NAN, NAN))
                continue
            if not len(rows[2]):
                real, fresh, _ = rows
                (one,) = marginal_accuracy(real, fresh, fresh, schema, rng, ways=(2,), most=MAX_PAIRS)
                scores.append(Score(f"group_fidelity[{name}]", NAN, NAN, NAN, one.reference))
                losses.append((one.reference,) * 3)
                continue
            (one,) = marginal_accuracy(*rows, schema, rng, ways=(2,), most=MAX_PAIRS)
            scores.append(one._replace(metric=f"group_fidelity[{name}]"))
            losses.append((one.reference - one.value, one.reference - one.high, one.reference - one.low))
    if losses:
        scores.append(Score("group_fidelity_loss", *map(float, max(losses)), 0.0))
    return scores


def _compare(found: list[Partition], table: int, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Distance from train and smallest ratio of some rows, resampled, shape (2, num_resamples + 1)."""
    distances, ratios = [], []
    for partition in found:
        groups = len(partition.groups)
        both = partition.codes[0], partition.codes[table][rows]
        real, made = (_shares(codes, groups, rng) for codes in both)
        distances.append(np.abs(made - real).sum(axis=1) / 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios.append(np.where(real > 0, made / real, np.inf).min(axis=1))
    return np.array([np.mean(distances, axis=0), np.min(ratios, axis=0)])


def _shares(codes: np.ndarray, groups: int, rng: np.random.Generator) -> np.ndarray:
    """Shares of the groups among all rows and in resamples of them, shape (num_resamples + 1, num_groups)."""
    counts = np.bincount(codes + 1, minlength=groups + 1)  # first those of no group
    drawn = rng.multinomial(len(codes), counts / len(codes), NUM_RESAMPLES)
    return np.vstack([counts, drawn])[:, 1:] / len(codes)
