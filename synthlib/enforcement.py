"""Several rules at once: whether they can hold together, where they do not, and making them hold."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synthlib.columns import SchemaError
from synthlib.rules import Combinations, Formula, Inequality, OnlyIf, Rule

if TYPE_CHECKING:
    from synthlib.schema import Schema

RESTARTS = 24  # other orders that are tried for rows in which the rules get in each other's way
_FIRST = (Combinations, OnlyIf, Inequality, Formula)


def check_rules(schema: Schema) -> None:
    """Do nothing if the schema's rules speak of its columns and do not contradict each other outright.

    Raises:
        SchemaError: naming a rule that does not fit the columns, two formulas for one column, formulas that
            need each other, or columns each of which would have to be below the others.
    """
    for rule in schema.rules:
        if not isinstance(rule, Rule):
            raise SchemaError(f"rules: expected Inequality, Combinations, OnlyIf, Formula, got {type(rule)}")
        rule.check(schema)
    order_formulas(schema.rules)
    below: dict[str, set[str]] = {}
    for rule in schema.rules:
        if isinstance(rule, Inequality):
            below.setdefault(rule.high, set()).add(rule.low)
    for rule in schema.rules:
        if isinstance(rule, Inequality) and rule.strict and rule.high in _reachable(rule.low, below):
            raise SchemaError(
                f"rules: {rule.describe()}, but others say that {rule.high} is at most {rule.low}"
            )


def _reachable(start: str, below: dict[str, set[str]]) -> set[str]:
    found, waiting = set(), [start]
    while waiting:
        for name in below.get(waiting.pop(), set()) - found:
            found.add(name)
            waiting.append(name)
    return found


def order_formulas(rules: Sequence[Rule]) -> list[Formula]:
    """The formulas, each after those that compute its inputs.

    Raises:
        SchemaError: if two compute one column, or one needs its own result.
    """
    by_column: dict[str, Formula] = {}
    for rule in rules:
        if isinstance(rule, Formula):
            if rule.column in by_column:
                raise SchemaError(
                    f"rules: expected one formula for {rule.column}, got {rule.describe()}, and "
                    f"{by_column[rule.column].describe()}"
                )
            by_column[rule.column] = rule
    needs = {name: [key for key in rule.inputs if key in by_column] for name, rule in by_column.items()}
    try:
        return [by_column[name] for name in TopologicalSorter(needs).static_order()]
    except CycleError as error:
        circle = "; ".join(by_column[name].describe() for name in error.args[1][1:])
        raise SchemaError(f"rules: expected formulas that do not need each other, got {circle}") from None


def report_violations(schema: Schema, table: pd.DataFrame) -> pd.DataFrame:
    """See `Schema.find_violations`."""
    rows = []
    for rule in schema.rules:
        concerned = int(rule.applies(table, schema).sum())
        found = int(rule.find_violations(table, schema).sum())
        rows.append(
            {
                "rule": rule.describe(),
                "columns": ", ".join(rule.columns),
                "rows": concerned,
                "violations": found,
                "share": found / concerned if concerned else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=["rule", "columns", "rows", "violations", "share"])


def enforce_rules(
    schema: Schema, table: pd.DataFrame, fixed: pd.DataFrame | np.ndarray | None, seed: int
) -> pd.DataFrame:
    """See `Schema.enforce`.

    Rules repair the rows that break them in turn, each after those that write what it reads, again until all
    hold. A cell that one rule has changed is changed by another only where no other cell helps. Rows in which
    that goes round in circles start again from what was drawn, with the rules in other orders.
    """
    if not schema.rules:
        return table
    names = list(dict.fromkeys(name for rule in schema.rules for name in rule.columns))
    kept, whole, table = _as_mask(table, fixed)[names], table, table[names]
    rng = np.random.default_rng(seed)
    order = _order(schema.rules)
    open_rows = np.flatnonzero(_broken(schema, table, order))
    result = _Columns(table)
    for attempt in range(RESTARTS + 1):
        if not len(open_rows):
            break
        part, here = table.iloc[open_rows], kept.iloc[open_rows]
        if attempt:
            order = [order[place] for place in rng.permutation(len(order))]
        if attempt > RESTARTS // 2:
            part = _blank(schema, part, here, rng)
        repaired = _repair_in_turn(schema, part, here, order, rng)
        done = ~_broken(schema, repaired, order)
        result.put(open_rows[done], repaired.iloc[np.flatnonzero(done)])
        open_rows, left = open_rows[~done], repaired.iloc[np.flatnonzero(~done)]
    if len(open_rows):
        _refuse(schema, left, kept.iloc[open_rows])
    return whole.assign(**{name: result.table[name] for name in names})


class _Columns:
    """A table of which rows are replaced, and only the columns that change are copied."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    def put(self, rows: np.ndarray, part: pd.DataFrame) -> None:
        for name in self.table.columns if len(rows) else ():
            if not part[name].equals(self.table[name].iloc[rows]):
                values = self.table[name].copy()
                values.iloc[rows] = part[name].array
                self.table = self.table.assign(**{name: values})


def _as_mask(table: pd.DataFrame, fixed: pd.DataFrame | np.ndarray | None) -> pd.DataFrame:
    if fixed is None:
        fixed = np.zeros(table.shape, dtype=bool)
    if isinstance(fixed, pd.DataFrame):
        if len(fixed) != len(table) or not set(fixed.columns) <= set(table.columns):
            raise ValueError("fixed: expected as many rows as the table, and columns of it")
        given = {name: fixed[name].to_numpy(dtype=bool) for name in fixed.columns}
        fixed = np.column_stack([given.get(name, np.zeros(len(table), bool)) for name in table.columns])
    if np.shape(fixed) != table.shape:
        raise ValueError(f"fixed: expected the table's shape {table.shape}, got {np.shape(fixed)}")
    return pd.DataFrame(np.asarray(fixed, dtype=bool), columns=table.columns)


def _broken(schema: Schema, table: pd.DataFrame, rules: Sequence[Rule]) -> np.ndarray:
    return np.any([rule.find_violations(table, schema) for rule in rules], axis=0)


def _order(rules: Sequence[Rule]) -> list[Rule]:
    """Levels, conditions, inequalities, formulas; then the inequalities over what formulas compute."""
    formulas = order_formulas(rules)
    computed = {rule.column for rule in formulas}
    rest = [rule for rule in rules if not isinstance(rule, Formula)]
    rest.sort(key=lambda rule: _FIRST.index(type(rule)))
    after = [rule for rule in rest if isinstance(rule, Inequality) and computed & set(rule.columns)]
    before = [rule for rule in rest if rule not in after]
    return [*_after_what_they_read(before), *formulas, *after]


def _after_what_they_read(rules: list[Rule]) -> list[Rule]:
    """Rules in their order, but each after those that write what it only reads, where there is no circle."""
    ordered, waiting = [], list(rules)
    while waiting:
        ready = [
            rule
            for rule in waiting
            if not any(
                other is not rule and set(other.written) & (set(rule.columns) - set(rule.written))
                for other in waiting
            )
        ]
        chosen = (ready or waiting)[0]
        ordered.append(chosen)
        waiting.remove(chosen)
    return ordered


def _repair_in_turn(
    schema: Schema, table: pd.DataFrame, fixed: pd.DataFrame, order: Sequence[Rule], rng: np.random.Generator
) -> pd.DataFrame:
    """Repair by each rule in turn until all hold or a few rounds are over."""
    fixed = fixed.reset_index(drop=True)
    computed = [rule.column for rule in order if isinstance(rule, Formula)]
    settled = pd.DataFrame(False, index=fixed.index, columns=fixed.columns)
    for _ in range(len(order) + 2):
        changed = False
        for rule in order:
            broken = np.flatnonzero(rule.find_violations(table, schema))
            if not len(broken):
                continue
            part, columns = table.iloc[broken], list(rule.columns)
            stay = fixed.iloc[broken][columns].to_numpy()
            rather = settled.iloc[broken][columns].to_numpy()
            if not isinstance(rule, Formula):
                rather = rather | np.isin(columns, computed)
            repaired = rule.repair(part, schema, stay | rather, rng)
            left = rule.find_violations(repaired, schema)
            if left.any():
                rows = np.flatnonzero(left)
                mended = _Columns(repaired)
                mended.put(rows, rule.repair(part.iloc[rows], schema, stay[rows], rng))
                repaired = mended.table
            for name in columns:
                moved = broken[~_same(repaired[name], part[name])]
                changed |= len(moved) > 0
                if not (isinstance(rule, Formula) and name == rule.column):
                    settled.iloc[moved, settled.columns.get_loc(name)] = True
            whole = _Columns(table)
            whole.put(broken, repaired)
            table = whole.table
        if not changed:
            break
    return table


def _same(left: pd.Series, right: pd.Series) -> np.ndarray:
    return ((left == right) | (left.isna() & right.isna())).to_numpy(dtype=bool)


def _blank(
    schema: Schema, table: pd.DataFrame, fixed: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """The last resort: some free cells of the rules' columns made missing, where they may be."""
    names = {name for rule in schema.rules for name in rule.columns if schema[name].nullable}
    for name in sorted(names):
        free = ~fixed[name].to_numpy() & (rng.random(len(table)) < 0.5)
        if free.any():
            values = table[name].copy()
            values.iloc[np.flatnonzero(free)] = pd.NaT if values.dtype.kind == "M" else np.nan
            table = table.assign(**{name: values})
    return table


def _refuse(schema: Schema, table: pd.DataFrame, fixed: pd.DataFrame) -> None:
    """Say which rules cannot hold in rows that stayed broken, and which fixed columns are in their way."""
    broken = [rule for rule in schema.rules if rule.find_violations(table, schema).any()]
    held = [name for name in table.columns if fixed[name].any()]
    concerned = sorted({name for rule in broken for name in rule.columns if name in held}) or held
    said = "; ".join(rule.describe() for rule in broken)
    if concerned:
        raise ValueError(
            f"expected fixed values that obey the schema's rules, those of {', '.join(concerned)} leave no "
            f"free cell to mend in {len(table)} rows: {said}"
        )
    raise SchemaError(
        f"rules: expected rules that can hold together, in {len(table)} rows these cannot: {said}; all: "
        + "; ".join(rule.describe() for rule in schema.rules)
    )
