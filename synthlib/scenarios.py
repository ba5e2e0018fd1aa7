"""Hypothetical cohorts: what to pass as `given=`, and what a fitted Synthesizer says under it.

    older = partial_rows(reference, schema, {"age": (65, None), "sex": "female", "diabetes": 1}, 1000)
    model.sample(given=older)                                       # women over 65 with diabetes only
    model.sample(1000, given={"diagnosis": scale_shares(reference, schema, "diagnosis", {"sepsis": 2})})
    model.sample(1000, given={"treated": 1})                        # patients like those who were treated
    model.sample(given=twins(reference, "treated", [0, 1], keep)[1])  # everybody treated, confounders kept
    rebalance(model, schema, {"sex": {"female": 0.5, "male": 0.5}}, 1000)  # groups in declared shares

`reference` is a synthetic sample (`model.sample(10_000)`), so that no training row is passed on. Conditioning
is not intervention: the third line shows who gets treated as much as what treatment does. The fourth is the
treatment's effect only if `keep` holds every common cause of treatment and outcome, and nothing that
the treatment changes; whether it does, no data can tell.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from synthlib.evaluation.fidelity.conditionals import compare_interventions
from synthlib.schema import Column, Schema

FEWEST_ROWS = 20  # of the reference that a scenario is drawn from


class Sampler(Protocol):
    """What is asked of a model here: any fitted Synthesizer has it."""

    def sample(self, num_rows: int | None = None, given: Any = None, seed: int = 0) -> pd.DataFrame: ...


def partial_rows(
    reference: pd.DataFrame, schema: Schema, conditions: Mapping[str, Any], num_rows: int, seed: int = 0
) -> pd.DataFrame:
    """Partial rows that meet conditions, among them ranges and sets of levels, to pass as `given=`.

    Values come from the reference's rows that meet all conditions at once, so that ages over 65 are those of
    women with diabetes where these are also asked for. Columns without a condition are left to the model.

    Args:
        reference: rows to take values from: a synthetic sample, never training rows; shape (num_reference,
            num_columns). Where few rows would meet a condition, sample the reference under it:
            `model.sample(10_000, given={"diabetes": 1})`.
        schema: its Schema.
        conditions: column → value; or (low, high), both included and either None for open, for a numeric
            column; or a list or set of levels; or {level: share} for at most one column, whose shares the
            rows then have.
        num_rows: rows to return, drawn with replacement.
        seed: of the draw.

    Returns:
        DataFrame of shape (num_rows, number of conditions).

    Raises:
        ValueError: for unknown columns or levels, no conditions, a range of a discrete column, several
            columns with shares, or fewer than 20 reference rows to draw from.
    """
    if not conditions or num_rows < 1:
        raise ValueError(f"expected conditions and at least 1 row, got {len(conditions)} and {num_rows}")
    columns = {name: _column(schema, name) for name in conditions}
    shared = [name for name, condition in conditions.items() if isinstance(condition, Mapping)]
    if len(shared) > 1:
        raise ValueError(f"expected shares for one column at most, got {', '.join(shared)}")
    holds = np.ones(len(reference), dtype=bool)
    for name, condition in conditions.items():
        if name not in shared:
            holds &= _meets(reference[name], columns[name], condition)
    rng, picked = np.random.default_rng(seed), []
    for where, count in _strata(reference, conditions, columns, shared, num_rows):
        eligible = np.flatnonzero(holds & where)
        if len(eligible) < FEWEST_ROWS:
            raise ValueError(
                f"expected at least {FEWEST_ROWS} reference rows that meet the conditions on "
                f"{', '.join(conditions)}, got {len(eligible)}; draw more, or given the rarest"
            )
        picked.append(rng.choice(eligible, count))
    rows = rng.permutation(np.concatenate(picked))
    return reference[list(conditions)].iloc[rows].reset_index(drop=True)


def scale_shares(
    reference: pd.DataFrame, schema: Schema, column: str, factors: Mapping[Any, float]
) -> dict[Any, float]:
    """A column's shares with some levels made more or less frequent; the others give or take in proportion.

    Args:
        reference: rows whose shares to start from, best a synthetic sample; missing values count as None.
        schema: its Schema.
        column: a discrete column.
        factors: level → factor, `{"sepsis": 2}`.

    Returns:
        Level → share, adding up to 1: a distribution to pass as `given={column: ...}`.

    Raises:
        ValueError: if the column is not discrete, a level is unknown or a factor negative, or the scaled
            levels would take more than everything.
    """
    of_column = _column(schema, column)
    if not of_column.is_discrete:
        raise ValueError(
            f"expected a discrete column, {column} is {of_column.kind}; see partial_rows for ranges"
        )
    unknown = [level for level in factors if level is not None and level not in of_column.categories]
    if unknown or min(factors.values(), default=0) < 0:
        raise ValueError(
            f"expected levels of {column} with factors of 0 or more, got {len(unknown)} other levels"
        )
    shares = {level: float((reference[column] == level).mean()) for level in of_column.categories}
    if of_column.nullable:
        shares[None] = float(reference[column].isna().mean())
    scaled = {level: shares[level] * factor for level, factor in factors.items() if level in shares}
    rest = sum(share for level, share in shares.items() if level not in scaled)
    left = 1 - sum(scaled.values())
    if left < -1e-12 or (rest == 0 and left > 1e-12):
        raise ValueError(f"expected scaled shares of {column} of at most 1 in all, got {1 - left:.3f}")
    return {
        level: scaled.get(level, share * max(left, 0.0) / rest if rest else 0.0)
        for level, share in shares.items()
        if scaled.get(level, share) > 0
    }


def rebalance(
    model: Sampler,
    schema: Schema,
    shares: Mapping[Any, Mapping[Any, float]],
    num_rows: int,
    seed: int = 0,
) -> pd.DataFrame:
    """A table in which groups have declared shares, drawn group by group: a remedy where some are too few.

    Every row is drawn given its group, so that the shares are exact. What the model knows of a group it has
    hardly seen does not get better by drawing more of it: measure `evaluation.fairness` before and after.

    Args:
        model: a fitted Synthesizer.
        schema: its Schema.
        shares: column → level → share; or a tuple of columns → tuple of their levels → share. One entry.
            Shares are of 0 or more and are divided by their sum. A missing value is no group here: given as
            None, it would be left to the model.
        num_rows: rows to draw.
        seed: of the draw, and of the groups' order.

    Returns:
        DataFrame of shape (num_rows, num_columns); each group's number of rows within one of its share.

    Raises:
        ValueError: for no rows, none or several entries, columns that are not discrete, unknown levels, or
            shares below 0 or all 0.
    """
    if len(shares) != 1 or num_rows < 1:
        raise ValueError(f"expected shares of one column or tuple and rows, got {len(shares)} and {num_rows}")
    (names, of_groups), *_ = shares.items()
    names, groups = ((names,), [(k,) for k in of_groups]) if isinstance(names, str) else (names, of_groups)
    columns, groups = [_column(schema, name) for name in names], list(groups)
    for column, place in zip(columns, range(len(names)), strict=True):
        if not column.is_discrete:
            raise ValueError(f"expected discrete columns, {column.name} is {column.kind}")
        levels = column.categories
        unknown = [group for group in groups if len(group) != len(names) or group[place] not in levels]
        if unknown:
            raise ValueError(f"expected levels of {', '.join(names)}, got {len(unknown)} other groups")
    counts = _counts(list(of_groups.values()), num_rows, ", ".join(names))
    order = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(groups)), counts))
    given = {
        column.name: pd.Series([groups[group][place] for group in order], dtype=object)
        for place, column in enumerate(columns)
    }
    return model.sample(given=pd.DataFrame(given), seed=seed)


def twins(
    rows: pd.DataFrame, column: str, values: Sequence[Hashable], keep: Sequence[str]
) -> dict[Hashable, pd.DataFrame]:
    """Counterfactual twins: the same people once for each value of a column, everything not kept left open.

    Drawing the rest under these partial rows and averaging is standardisation (the g-formula): with all
    confounders kept it shows what setting the column for everybody does.

    Args:
        rows: whom to give the values to, best a synthetic sample; shape (num_rows, num_columns).
        column: what is set.
        values: what it is set to.
        keep: the confounders, complete: a missing one would be drawn under the new value, and no longer be
            what it was before.

    Returns:
        Value → DataFrame of shape (num_rows, len(keep) + 1), to pass as `given=`.

    Raises:
        ValueError: if a column is not there, the set one is to be kept, or a confounder is missing somewhere.
    """
    absent = [name for name in (column, *keep) if name not in rows.columns]
    if absent or column in keep:
        raise ValueError(f"expected to keep columns beside {column}; {', '.join(absent) or column} cannot be")
    incomplete = [f"{name} ({int(rows[name].isna().sum())} rows)" for name in keep if rows[name].isna().any()]
    if incomplete:
        raise ValueError(
            f"expected complete confounders, missing in {', '.join(incomplete)}; take rows with all, "
            "or leave the column out and say that it is not adjusted for"
        )
    kept = rows[list(keep)].reset_index(drop=True)
    dtype = rows[column].dtype
    return {value: kept.assign(**{column: pd.Series([value] * len(kept)).astype(dtype)}) for value in values}


def compare_arms(
    model: Sampler,
    column: str,
    values: Sequence[Hashable],
    outcome: str,
    keep: Sequence[str],
    num_rows: int = 10_000,
    seed: int = 0,
    truth: Mapping[Hashable, pd.DataFrame] | None = None,
    level: object = 1,
) -> pd.DataFrame:
    """Outcome rates when a column has each value: conditioning, standardisation, and the truth if known.

    Args:
        model: a fitted Synthesizer.
        column, values: what is set, and to what.
        outcome, level: column and value whose rate is compared.
        keep: the confounders; without any, standardisation is conditioning and is left out.
        num_rows: rows to draw for each value and way.
        seed: of the draws.
        truth: value → rows of a world in which everybody has it, from
            `simulate_cohort(n, seed, do={column: value})`.

    Returns:
        As `compare_interventions` in `synthlib.evaluation.fidelity.conditionals`. Intervals cover the draw of
        the rows, not what the model has learnt wrong.
    """
    conditioned = {
        value: model.sample(num_rows, given={column: value}, seed=seed + place)
        for place, value in enumerate(values, 2)
    }
    standardised = None
    if keep:
        people = model.sample(num_rows, seed=seed)
        pairs = twins(people, column, values, keep)
        standardised = {value: model.sample(given=rows, seed=seed + 1) for value, rows in pairs.items()}
    return compare_interventions(conditioned, standardised, truth, outcome, level)


def count_events(
    model: Sampler, profiles: pd.DataFrame, outcome: str, num_draws: int, seed: int = 0, level: object = 1
) -> np.ndarray:
    """How many of `num_draws` draws under each profile have the outcome, shape (num_profiles,).

    For `synthlib.evaluation.fidelity.conditionals.conditional_calibration`, beside
    `synthlib.data.simulation.true_probability(profiles)`.

    Args:
        model: a fitted Synthesizer.
        profiles: covariates without the outcome, shape (num_profiles, num_covariates).
        outcome, level: column and value that are counted.
        num_draws: draws of each profile.
        seed: of the draws.

    Raises:
        ValueError: if the profiles hold the outcome.
    """
    if outcome in profiles.columns:
        raise ValueError(f"expected profiles without {outcome}, whose chance is asked for; drop it")
    repeated = profiles.iloc[np.repeat(np.arange(len(profiles)), num_draws)].reset_index(drop=True)
    drawn = model.sample(len(repeated), given=repeated, seed=seed)[outcome]
    return (drawn == level).to_numpy().reshape(len(profiles), num_draws).sum(axis=1)


def _column(schema: Schema, name: str) -> Column:
    modelled = {column.name: column for column in schema.modelled}
    if name not in modelled:
        raise ValueError(f"expected columns among {', '.join(modelled)}, got {name!r}")
    return modelled[name]


def _meets(values: pd.Series, column: Column, condition: Any) -> np.ndarray:
    """Where a column's values meet a condition, shape (num_rows,)."""
    if condition is None:
        return values.isna().to_numpy()
    if isinstance(condition, tuple):
        if not column.is_numeric or len(condition) != 2:
            raise ValueError(
                f"expected (low, high) for numeric columns alone, got {len(condition)} ends for {column.name}"
            )
        low, high = (
            _end(column, end, open_end) for end, open_end in zip(condition, (-np.inf, np.inf), strict=True)
        )
        found = column.to_numbers(values)
        with np.errstate(invalid="ignore"):
            return (found >= low) & (found <= high)
    levels = condition if isinstance(condition, list | set | frozenset) else [condition]
    if column.is_discrete and any(level not in column.categories for level in levels):
        raise ValueError(f"expected levels of {column.name} ({len(column.categories)}), got others")
    return values.isin(list(levels)).to_numpy()


def _end(column: Column, end: Any, open_end: float) -> float:
    if end is None:
        return open_end
    if column.kind != "datetime":
        return float(end)
    return (pd.Timestamp(end) - pd.Timestamp(0)) / pd.Timedelta(days=1)


def _strata(reference, conditions, columns, shared: list[str], num_rows: int):
    """Where each share's rows are, and how many to draw of them: counts within one of the shares."""
    if not shared:
        return [(np.ones(len(reference), dtype=bool), num_rows)]
    name = shared[0]
    counts = _counts(list(conditions[name].values()), num_rows, name)
    return [
        (_meets(reference[name], columns[name], value), count)
        for value, count in zip(conditions[name], counts, strict=True)
        if count
    ]


def _counts(shares: list[float], num_rows: int, name: str) -> np.ndarray:
    """Rows of each share, within one of it, `num_rows` in all."""
    weights = np.array(shares, dtype=float)
    if not len(weights) or not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
        raise ValueError(f"expected shares of {name} of 0 or more, not all 0")
    ends = np.round(np.cumsum(weights) / weights.sum() * num_rows).astype(int)
    return np.diff(ends, prepend=0)
