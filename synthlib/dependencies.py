"""Which rules a table obeys without having been told: offered to people, never imposed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from synthlib.rules import Combinations, Formula, Inequality, OnlyIf, Rule, column_step, encode_levels
from synthlib.schema import Column, Schema

FEWEST = 5  # patients without whom nothing is said of a level
SURPRISE = 20.0  # nats: how unlikely it must be, were the columns independent, that no row breaks the rule
LARGEST = 1_000_000  # crossed levels above which a list of tuples would help nobody
_PROBES = 64


class _Found(NamedTuple):
    kind: str
    support: int
    rule: Rule


def find_dependencies(
    table: pd.DataFrame, schema: Schema, min_rows: int = 50, max_determinants: int = 1
) -> pd.DataFrame:
    """Rules that hold in every row of a table, and would hardly hold by chance.

    *function* (levels that follow from one or two columns' levels), *presence* (a column that is
    missing unless another has certain levels), *order* (a number or date that is at most another of the same
    unit), *arithmetic* (a sum, difference, product, ratio or copy, up to the declared decimals),
    *exclusion* (levels of two columns that never meet, although by their frequencies they should).

    What is found is learnt from the table. It may be an accident of this cohort rather than a fact of
    medicine, and that nobody in it broke a rule tells something of everybody: of a confidential table it is
    confidential, and to declare and publish a rule is for the steward to decide. Of levels that fewer than
    `FEWEST` patients have (rows, without a patient id) nothing is said: a rule lets them be anything.

    Of several rows of a patient the first is evidence, and all must obey.

    Args:
        table: DataFrame of the schema, shape (num_rows, num_columns).
        schema: its Schema.
        min_rows: rows that must support a rule.
        max_determinants: 1, or 2 for functions of two columns, which takes the cube of the number of columns.

    Returns:
        DataFrame of one row an offer: `kind`, `description`, `support` (rows, cut to two digits), `rule`.
        Declare those that are true: ``schema.with_rules(*offers["rule"].iloc[[0, 3]])``.

    Raises:
        SchemaError: if the table is not one of the schema.
        ValueError: if `max_determinants` is neither 1 nor 2, or `min_rows` less than `FEWEST`.

    Reference: Huhtala et al. 1999, "TANE: an efficient algorithm for discovering functional and approximate
        dependencies".
    """
    if max_determinants not in (1, 2) or min_rows < FEWEST:
        raise ValueError(
            f"expected max_determinants of 1 or 2 and min_rows of at least {FEWEST}, got {max_determinants} "
            f"and {min_rows}"
        )
    schema.check(table)
    whole = table
    if schema.patient_id:  # several rows of a patient are one witness
        table = table.drop_duplicates([schema.patient_id], ignore_index=True)
    codes = {
        column.name: encode_levels(column, table[column.name]) + 1
        for column in schema.modelled
        if column.is_discrete
    }
    functions = list(_find_functions(codes, schema, min_rows, max_determinants))
    explained = {frozenset(found.rule.columns) for found in functions}
    found = [
        *functions,
        *_find_exclusions(codes, schema, min_rows, explained),
        *_find_presence(table, codes, schema, min_rows),
        *_find_orders(table, schema, min_rows),
        *_find_arithmetic(table, schema, min_rows),
    ]
    rows = [
        {"kind": kind, "description": rule.describe(), "support": _cut(support), "rule": rule}
        for kind, support, rule in found
        if not rule.find_violations(whole, schema).any()
    ]
    return pd.DataFrame(rows, columns=["kind", "description", "support", "rule"])


def _cut(count: int) -> int:
    """A count to two digits, downwards."""
    unit = 10 ** max(len(str(count)) - 2, 0)
    return count // unit * unit


def _levels(column: Column) -> list:
    """What codes from 0 stand for; 0 is missing."""
    return [None, *column.categories]


def _possible(column: Column) -> range:
    return range(0 if column.nullable else 1, len(column.categories) + 1)


def _crossed(first: np.ndarray, second: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.bincount(first * shape[1] + second, minlength=shape[0] * shape[1]).reshape(shape)


def _find_functions(
    codes: dict[str, np.ndarray], schema: Schema, min_rows: int, max_determinants: int
) -> Iterator[_Found]:
    """Columns that follow from one other column; from two others, where neither does alone."""
    sources: dict[str, set[frozenset]] = {name: set() for name in codes}
    for size in range(1, max_determinants + 1):
        for first in combinations(codes, size):
            group, members = np.unique(
                np.column_stack([codes[name] for name in first]), axis=0, return_inverse=True
            )
            for last in codes:
                known = any(source <= set(first) for source in sources[last])
                mirrored = size == 1 and frozenset({last}) in sources[first[0]]
                if last in first or known or mirrored:
                    continue
                size_of_rule = np.prod(
                    [len(schema[name].categories) + 1 for name in (*first, last)], dtype=float
                )
                if size_of_rule > LARGEST:
                    continue
                counts = _count_pairs(
                    members.ravel(), codes[last], len(group), len(schema[last].categories) + 1
                )
                if counts is not None and (support := _surprising(counts, min_rows)):
                    sources[last].add(frozenset(first))
                    yield _Found("function", support, _function(schema, (*first, last), group, counts))


def _count_pairs(group: np.ndarray, last: np.ndarray, num_groups: int, num_levels: int) -> np.ndarray | None:
    """Patients by group and level, shape (num_groups, num_levels), or None where no group has one level."""
    counts = _crossed(group, last, (num_groups, num_levels))
    large = counts.sum(axis=1) >= FEWEST
    return counts if large.any() and ((counts[large] > 0).sum(axis=1) == 1).all() else None


def _surprising(counts: np.ndarray, min_rows: int) -> int:
    """Rows in groups that are large enough, if their having one level each is no accident, else 0."""
    large = counts[counts.sum(axis=1) >= FEWEST]
    shares = large.sum(axis=0) / large.sum()
    by_chance = (shares ** large.sum(axis=1, keepdims=True)).sum(axis=1)  # that a group has one level
    chance = np.log(np.maximum(by_chance, 1e-300)).sum()
    varies = len(set(large.argmax(axis=1).tolist())) > 1
    return int(large.sum()) if varies and large.sum() >= min_rows and chance < -SURPRISE else 0


def _function(
    schema: Schema, columns: tuple[str, ...], group: np.ndarray, counts: np.ndarray
) -> Combinations:
    """Large groups have their level; all others, seen or not, any level."""
    certain = {
        tuple(row): int(count.argmax())
        for row, count in zip(group.tolist(), counts, strict=True)
        if count.sum() >= FEWEST
    }
    grids = np.meshgrid(*(_possible(schema[name]) for name in columns[:-1]), indexing="ij")
    allowed = []
    for row in np.column_stack([grid.ravel() for grid in grids]).tolist():
        last = [certain[tuple(row)]] if tuple(row) in certain else _possible(schema[columns[-1]])
        allowed += [(*row, level) for level in last]
    return Combinations(columns, _decode(schema, columns, allowed), 1)


def _decode(schema: Schema, columns: tuple[str, ...], rows: list) -> tuple:
    levels = [_levels(schema[name]) for name in columns]
    return tuple(tuple(level[code] for level, code in zip(levels, row, strict=True)) for row in rows)


def _find_exclusions(
    codes: dict[str, np.ndarray], schema: Schema, min_rows: int, explained: set[frozenset]
) -> Iterator[_Found]:
    """Pairs of levels that never meet, although independent columns would make them meet often."""
    for columns in combinations(codes, 2):
        shape = tuple(len(schema[name].categories) + 1 for name in columns)
        if frozenset(columns) in explained or shape[0] * shape[1] > 10_000:
            continue
        counts = _crossed(*(codes[name] for name in columns), shape)
        expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(counts.sum(), 1)
        never = (counts == 0) & (expected > SURPRISE)
        if never.any() and counts.sum() >= min_rows:
            pairs = [(a, b) for a in _possible(schema[columns[0]]) for b in _possible(schema[columns[1]])]
            allowed = [pair for pair in pairs if not never[pair]]
            yield _Found(
                "exclusion", int(counts.sum()), Combinations(columns, _decode(schema, columns, allowed))
            )


def _find_presence(
    table: pd.DataFrame, codes: dict[str, np.ndarray], schema: Schema, min_rows: int
) -> Iterator[_Found]:
    """Columns that are missing in all rows in which another column has certain levels."""
    for column in schema.modelled:
        present = table[column.name].notna().to_numpy()
        if not column.nullable or present.sum() < min_rows or present.all():
            continue
        for name, code in codes.items():
            if name == column.name:
                continue
            counts = np.bincount(code, minlength=len(schema[name].categories) + 1)
            seen = np.bincount(code[present], minlength=len(counts))
            empty = (seen == 0) & (counts >= FEWEST)
            rows = int(counts[empty].sum())
            levels = [_levels(schema[name])[place] for place in _possible(schema[name]) if not empty[place]]
            if rows >= min_rows and rows * np.log1p(-present.mean()) < -SURPRISE and levels:
                yield _Found("presence", rows, OnlyIf(column.name, None, name, tuple(levels)))


def _numbers(table: pd.DataFrame, schema: Schema) -> dict[str, np.ndarray]:
    """Numeric columns that vary."""
    numbers = {c.name: c.to_numbers(table[c.name]) for c in schema.modelled if c.is_numeric}
    return {name: x for name, x in numbers.items() if np.isfinite(x).any() and np.nanmin(x) < np.nanmax(x)}


def _find_orders(table: pd.DataFrame, schema: Schema, min_rows: int) -> Iterator[_Found]:
    """Columns of one unit of which one is never above the other; not those that follow from others."""
    numbers, found = _numbers(table, schema), {}
    for pair in combinations(numbers, 2):
        left, right = (schema[name] for name in pair)
        same_kind = (left.kind == "datetime") == (right.kind == "datetime")
        if not same_kind or (left.unit or "1") != (right.unit or "1"):
            continue
        for low, high in (pair, pair[::-1]):
            both = ~np.isnan(numbers[low]) & ~np.isnan(numbers[high])
            a, b = numbers[low][both], numbers[high][both]
            if len(a) >= min_rows and (a <= b).all() and (a < b).any():
                chance = np.searchsorted(np.sort(b), a, side="left").mean() / len(b)  # of a > b, independent
                if len(a) * np.log1p(-min(chance, 1 - 1e-12)) < -SURPRISE:
                    found[low, high] = len(a)
    for (low, high), support in found.items():
        between = [mid for mid in numbers if (low, mid) in found and (mid, high) in found]
        if not between:
            yield _Found("order", support, Inequality(low, high))


def _find_arithmetic(table: pd.DataFrame, schema: Schema, min_rows: int) -> Iterator[_Found]:
    """Copies of a column, and sums, differences, products and ratios of two; each relation once."""
    numbers, related = _numbers(table, schema), set()
    for name, support, inputs, operator in _candidates(numbers, schema, min_rows):
        if related & {frozenset({name, *inputs}), *(frozenset({name, other}) for other in inputs)}:
            continue
        rule = Formula(name, f" {operator} ".join(f"`{other}`" for other in inputs))
        if not rule.find_violations(table, schema).any():
            related.add(frozenset({name, *inputs}))
            yield _Found("arithmetic", support, rule)


def _candidates(
    numbers: dict[str, np.ndarray], schema: Schema, min_rows: int
) -> Iterator[tuple[str, int, tuple[str, ...], str]]:
    """What holds in a few rows: column, rows with all three, inputs, operator."""
    names = list(numbers)
    stacked = np.column_stack([np.empty((len(next(iter(numbers.values()), ())), 0)), *numbers.values()])
    steps = np.array([column_step(schema[name]) for name in names])
    for one, other in combinations(names, 2):
        if support := _agree(
            stacked[:, [names.index(other)]], numbers[one], steps[[names.index(other)]], min_rows
        ):
            yield other, support[0][1], (one,), "+"
    dates = {name for name in names if schema[name].kind == "datetime"}
    for one, other in combinations(names, 2):
        a, b = numbers[one], numbers[other]
        rows = np.flatnonzero(~np.isnan(a) & ~np.isnan(b))
        if len(rows) < min_rows:
            continue
        forms = [((one, other), "-", a - b), ((other, one), "-", b - a)]
        if not dates & {one, other}:
            with np.errstate(all="ignore"):
                forms = [
                    ((one, other), "+", a + b),
                    ((one, other), "*", a * b),
                    ((one, other), "/", a / b),
                    ((other, one), "/", b / a),
                ]
        for inputs, operator, result in forms:
            for place, support in _agree(stacked, result, steps, min_rows):
                if names[place] not in (one, other, *dates):
                    yield names[place], support, inputs, operator


def _agree(
    stacked: np.ndarray, result: np.ndarray, steps: np.ndarray, min_rows: int
) -> list[tuple[int, int]]:
    """Columns (num_rows, num_columns) that equal a result where both are there, and in how many rows."""
    rows = np.flatnonzero(np.isfinite(result))
    near = rows[:: max(len(rows) // _PROBES, 1)][:_PROBES]
    with np.errstate(invalid="ignore"):
        off = (
            np.abs(stacked[near] - result[near, None]) > steps / 2 + 1e-9 * np.abs(result[near, None]) + 1e-9
        )
    found = []
    for place in np.flatnonzero(~off.any(axis=0)):
        both = ~np.isnan(stacked[:, place]) & np.isfinite(result)
        varied = len(np.unique(stacked[both, place])) >= FEWEST
        if both.sum() >= min_rows and varied:
            found.append((int(place), int(both.sum())))
    return found
