"""Clinical relations: which conditions occur together, which laboratory values go with them, and how much.

A *fact* is true or false of a patient: a level of a discrete column (`disease=sepsis`), or that a value is
missing (`lactate missing`). Two kinds of relation are read off a table:

- `odds`: the logarithm of the odds ratio of two facts of different columns;
- `shift`: how much higher a number is where a fact holds, in standard deviations.

Both are 0 without a relation, and turn their sign where the fact is turned around.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from synthlib.evaluation.features import codes, matched_parts, missing, numbers, sample_rows
from synthlib.evaluation.intervals import Z, clip, jackknife_half_width, leave_groups_out
from synthlib.schema import Schema
from synthlib.scores import Score

MIN_PATIENTS = 20  # with a fact, and without it
MIN_EXPECTED = 5  # patients in each of the four cells, were two facts independent
MAX_LEVELS = 20
MAX_ROWS = 20_000
NUM_GROUPS = 10


class Fact(NamedTuple):
    """What is true or false of a patient: a column's level, or `level` -1 for a missing value."""

    name: str
    column: str
    level: int


def clinical_relations(train, holdout, synthetic, schema, rng) -> pd.DataFrame:
    """Every relation of the training table beside the same relation in the synthetic one.

    Facts are levels and missing values of columns, where at least 20 training patients have the fact and 20
    have not. Of two levels the last one is a fact; of many, the 20 most frequent are. A level is compared
    among those whose column is known.

    Odds ratios have half a patient added to each cell (Haldane and Anscombe), so that empty cells have one,
    and Wald intervals. A shift is √2 Φ⁻¹(A), where A is the probability that a patient with the fact has the
    higher value: the difference in standard deviations of two normal distributions with that A. It depends
    on ranks alone, since laboratory values are skewed and means of them are ruled by few patients; errors are
    DeLong's.

    The report is an aggregate and names no patient, but it is as confidential as train: the cells of an odds
    ratio follow from it and the totals, and cells may be small. Publish facts and effects of larger groups
    only.

    Args:
        train, synthetic: DataFrames of shape (num_rows, num_columns); at most 20,000 rows of each are used.
        holdout: another one, or None.
        schema: theirs.
        rng: draws those rows.

    Returns:
        DataFrame with a row per relation: `relation, kind, first, second, real, real_low, real_high,
        synthetic, synthetic_low, synthetic_high, holdout, agrees, holdout_agrees`, ends of 95% intervals.
        `first` and `second` are the facts of `odds`; of a `shift`, the numeric column and the fact. An
        effect is NaN where a table cannot show it (nobody has the fact). `agrees`: the 95% interval of the
        difference holds 0, as for 95% of the relations of another sample of the same patients.

    Reference: Haldane 1956 and Anscombe 1956 (odds ratios with empty cells); DeLong, DeLong and
    Clarke-Pearson 1988 (errors of A); Salgado 2018, "Transforming the area under the normal curve (AUC)
    into Cohen's d".
    """
    tables = [sample_rows(table, MAX_ROWS, rng) for table in (train, synthetic)]
    facts, kept = _choose(tables[0], schema)
    (real, real_error), (made, made_error) = (_measure(table, facts, schema, kept) for table in tables)
    fresh, fresh_error = np.full((2, len(real)), np.nan)
    if holdout is not None:
        fresh, fresh_error = _measure(sample_rows(holdout, MAX_ROWS, rng), facts, schema, kept)
    report = _name(facts, schema, kept)
    for name, value, error in (("real", real, real_error), ("synthetic", made, made_error)):
        report[name], report[f"{name}_low"], report[f"{name}_high"] = (
            value,
            value - Z * error,
            value + Z * error,
        )
    report["holdout"] = fresh
    report["agrees"] = _agree(real, real_error, made, made_error)
    report["holdout_agrees"] = _agree(real, real_error, fresh, fresh_error)
    return report


def relation_scores(train, holdout, synthetic, schema, rng) -> list[Score]:
    """How many clinical relations of train the synthetic table has, and how much of their strength.

    - `relation_coverage`: share of relations whose synthetic effect lies in the 95% interval of train's.
    - `relation_slope`: synthetic effect per unit of the real one, least squares through the origin weighted
      by train's precision; 0.8 means relations that are a fifth too weak on the logarithm's scale.
    - `relation_correlation`: the same weights' correlation about the origin; 1 where all effects are in
      proportion.

    A relation that the synthetic table cannot show counts as none.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns); at most 20,000 rows of each
            are used. Both others are compared with train in parts of one size, since effects of few patients
            scatter more.
        schema: theirs.
        rng: draws those parts, and the groups of a delete-a-group jackknife, whose error the intervals have.

    Returns:
        Three Scores, NaN where train has no relation to show; references: the holdout's.

    Reference: see `clinical_relations`; Kott 2001, "The delete-a-group jackknife".
    """
    train, holdout, synthetic = (sample_rows(table, MAX_ROWS, rng) for table in (train, holdout, synthetic))
    facts, kept = _choose(train, schema)
    real, made, fresh = (_prepare(table, facts, schema) for table in (train, synthetic, holdout))
    size = min(len(holdout), len(synthetic))
    parts, others = (matched_parts(len(table), size, rng) for table in (synthetic, holdout))
    whole = np.arange(len(train))
    effect, error = _effects(real, whole, kept)
    of_made = [_effects(made, rows, kept)[0] for rows in parts]
    value = _compare(effect, error, of_made)
    reference = _compare(effect, error, [_effects(fresh, rows, kept)[0] for rows in others])
    rests = leave_groups_out(whole, rng, NUM_GROUPS)
    without_real = [_compare(_effects(real, rest, kept)[0], error, of_made) for rest in rests]
    groups = zip(*(leave_groups_out(rows, rng, NUM_GROUPS) for rows in parts), strict=True)
    without_made = [
        _compare(effect, error, [_effects(made, rest, kept)[0] for rest in group]) for group in groups
    ]
    half = jackknife_half_width(without_real, without_made)
    ranges = {
        "relation_coverage": (0, 1),
        "relation_slope": (-np.inf, np.inf),
        "relation_correlation": (-1, 1),
    }
    return [
        Score(
            name, float(value[k]), *clip((value[k] - half[k], value[k] + half[k]), *ends), float(reference[k])
        )
        for k, (name, ends) in enumerate(ranges.items())
    ]


def _choose(train: pd.DataFrame, schema: Schema) -> tuple[list[Fact], tuple[np.ndarray, np.ndarray]]:
    """The facts of a training table, and which relations to read: positions of pairs, two arrays of them.

    Pairs of facts have shape (num_odds, 2); pairs of a numeric column's and a fact's place (num_shifts, 2).
    """
    facts = [fact for column in schema.modelled for fact in _facts(train, column)]
    flags, known, values = _prepare(train, facts, schema)
    homes = np.array([fact.column for fact in facts], dtype=object)
    with_fact, without = flags.T @ known, (known - flags).T @ known  # (num_facts, num_facts) each
    total = np.maximum(known.T @ known, 1)
    expected = np.minimum.reduce(
        [a * b.T / total for a in (with_fact, without) for b in (with_fact, without)]
    )
    odds = np.triu((homes[:, None] != homes) & (expected >= MIN_EXPECTED), 1)
    names = np.array([column.name for column in schema.modelled if column.is_numeric], dtype=object)
    present = (~np.isnan(values)).astype(float)
    enough = np.minimum(present.T @ flags, present.T @ (known - flags)) >= MIN_PATIENTS
    shifts = (names[:, None] != homes) & enough
    return facts, (np.argwhere(odds), np.argwhere(shifts))


def _facts(train: pd.DataFrame, column) -> list[Fact]:
    absent = missing(train, column)
    enough = MIN_PATIENTS <= absent.sum() <= len(train) - MIN_PATIENTS
    found = [Fact(f"{column.name} missing", column.name, -1)] if enough and column.nullable else []
    if not column.is_discrete:
        return found
    counts = np.bincount(codes(train, column)[~absent], minlength=len(column.categories))
    levels = [1] if len(column.categories) == 2 else np.argsort(-counts, kind="stable")[:MAX_LEVELS]
    for level in np.sort(levels):
        if MIN_PATIENTS <= counts[level] <= (~absent).sum() - MIN_PATIENTS:
            value = column.categories[level]
            name = (
                column.name
                if value in (1, True) and len(column.categories) == 2
                else f"{column.name}={value}"
            )
            found.append(Fact(name, column.name, int(level)))
    return found


def _prepare(table: pd.DataFrame, facts: list[Fact], schema: Schema) -> tuple[np.ndarray, ...]:
    """Flags (true) and known, both (num_rows, num_facts), and numeric columns (num_rows, num_numeric)."""
    flags, known = np.zeros((2, len(table), len(facts)))
    for place, fact in enumerate(facts):
        column = schema[fact.column]
        absent = missing(table, column)
        flags[:, place] = absent if fact.level < 0 else codes(table, column) == fact.level
        known[:, place] = True if fact.level < 0 else ~absent
    values = [numbers(table, column) for column in schema.modelled if column.is_numeric]
    return flags, known, np.array(values).reshape(len(values), len(table)).T


def _measure(table: pd.DataFrame, facts: list[Fact], schema: Schema, kept: tuple) -> tuple:
    return _effects(_prepare(table, facts, schema), np.arange(len(table)), kept)


def _effects(prepared: tuple, rows: np.ndarray, kept: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Effects and standard errors of the relations, shape (num_relations,) each, NaN where there is none."""
    flags, known, values = (array[rows] for array in prepared)
    (first, second), places = kept[0].T, kept[1]
    odds = [matrix[first, second] for matrix in _log_odds_ratios(flags, known)]
    shifts = np.full((2, len(places)), np.nan)
    for column in np.unique(places[:, 0]):
        of_column = places[:, 0] == column
        facts = places[of_column, 1]
        shifts[:, of_column] = _shifts(values[:, column], flags[:, facts], known[:, facts])
    return tuple(np.concatenate(pair) for pair in zip(odds, shifts, strict=True))


def _log_odds_ratios(flags: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of all facts' odds ratios and their errors, shape (num_facts, num_facts) each."""
    rest = known - flags
    cells = np.array([flags.T @ flags, flags.T @ rest, rest.T @ flags, rest.T @ rest])
    both, only_first, only_second, neither = cells
    margins = [both + only_first, only_second + neither, both + only_second, only_first + neither]
    shown = np.minimum.reduce(margins) > 0
    logarithm = np.log(cells + 0.5)
    effect = logarithm[0] - logarithm[1] - logarithm[2] + logarithm[3]
    error = np.sqrt((1 / (cells + 0.5)).sum(axis=0))
    return np.where(shown, effect, np.nan), np.where(shown, error, np.nan)


def _shifts(values: np.ndarray, flags: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shifts of a number under facts and their errors, shape (num_facts,) each."""
    order = np.argsort(values, kind="stable")[: int((~np.isnan(values)).sum())]
    if len(order) < 2:
        return np.full((2, flags.shape[1]), np.nan)
    starts = np.flatnonzero(np.diff(values[order], prepend=-np.inf))
    with_fact = np.add.reduceat(flags[order], starts, axis=0)  # (num_values, num_facts), of each value
    without = np.add.reduceat(known[order], starts, axis=0) - with_fact
    num_with, num_without = with_fact.sum(axis=0), without.sum(axis=0)
    shown = np.minimum(num_with, num_without) >= 2
    num_with, num_without = (np.where(shown, count, 2.0) for count in (num_with, num_without))
    wins = (np.cumsum(without, axis=0) - without / 2) / num_without  # of a patient with the fact
    losses = 1 - (np.cumsum(with_fact, axis=0) - with_fact / 2) / num_with
    share = (with_fact * wins).sum(axis=0) / num_with
    spread = ((with_fact * wins**2).sum(axis=0) / num_with - share**2) / (num_with - 1)
    spread += ((without * losses**2).sum(axis=0) / num_without - share**2) / (num_without - 1)
    share = (share * num_with * num_without + 0.5) / (num_with * num_without + 1)  # never 0 or 1
    # groups that do not overlap have no error of their own; nor may one be tiny by chance
    least = share * (1 - share) / (3 * np.minimum(num_with, num_without))
    deviate = norm.ppf(share)
    error = np.sqrt(2 * np.maximum(spread, least)) / norm.pdf(deviate)
    return np.where(shown, np.sqrt(2) * deviate, np.nan), np.where(shown, error, np.nan)


def _compare(real: np.ndarray, error: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    """Coverage, slope and correlation, shape (3,), averaged over parts of another table."""
    shown = ~np.isnan(real)
    if not shown.any():
        return np.full(3, np.nan)
    x, weight = real[shown], error[shown] ** -2.0
    found = []
    for part in parts:
        y = part[shown]
        inside = np.abs(y - x) <= Z * error[shown]  # NaN is outside
        y = np.nan_to_num(y)
        product, of_x, of_y = ((weight * pair).sum() for pair in (x * y, x * x, y * y))
        found.append([inside.mean(), product / of_x, product / np.sqrt(of_x * of_y) if of_y > 0 else 0.0])
    return np.mean(found, axis=0)


def _agree(real, real_error, other, other_error) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.abs(other - real) <= Z * np.hypot(real_error, other_error)


def _name(facts: list[Fact], schema: Schema, kept: tuple) -> pd.DataFrame:
    labels = [fact.name for fact in facts]
    numeric = [column.name for column in schema.modelled if column.is_numeric]
    rows = [("odds", labels[first], labels[second]) for first, second in kept[0]]
    rows += [("shift", numeric[column], labels[fact]) for column, fact in kept[1]]
    report = pd.DataFrame(rows, columns=["kind", "first", "second"])
    join = np.where(report["kind"] == "odds", " × ", " | ").astype(object)
    report.insert(0, "relation", report["first"] + join + report["second"])
    return report
