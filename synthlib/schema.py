"""The Schema decides whether a DataFrame is a table: which columns, and the roles they play."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from synthlib.bundle import canonical_json
from synthlib.columns import (
    KINDS,
    NUMERIC_KINDS,
    WITHHELD,
    Column,
    PrivacyError,
    SchemaError,
    public_column,
)
from synthlib.enforcement import check_rules, enforce_rules, report_violations
from synthlib.inference import infer_column
from synthlib.parsing import parse_json
from synthlib.rules import Rule, rule_from_dict

__all__ = [
    "KINDS",
    "NUMERIC_KINDS",
    "WITHHELD",
    "Column",
    "PrivacyError",
    "Schema",
    "SchemaError",
    "public_column",
]


@dataclass(frozen=True)
class Schema:
    """Columns in order, and the roles that some of them play.

    Attributes:
        columns: the Columns, in the table's order.
        target: name of the outcome that models predict, or None.
        patient_id: name of the column that says which patient a row belongs to, or None (one row a patient).
        leaks: columns that know the target's answer (measured after it, or derived from it): part of the
            table, never features for predicting the target.
        quasi_identifiers: columns that an intruder may know of a person, such as age and sex.
        rules: what holds between columns, such as that a disease class follows from the disease group.
        protected: columns whose groups must not be served worse, such as sex and ethnicity: fairness is
            measured by them and by their intersections. A declaration, and public as the other roles are.
    """

    columns: tuple[Column, ...]
    target: str | None = None
    patient_id: str | None = None
    leaks: tuple[str, ...] = ()
    quasi_identifiers: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    protected: tuple[str, ...] = ()
    _by_name: Mapping[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise SchemaError(f"expected each column name once, got several of: {', '.join(repeated)}")
        object.__setattr__(self, "_by_name", dict(zip(names, self.columns, strict=True)))
        roles = [self.target, self.patient_id, *self.leaks, *self.quasi_identifiers, *self.protected]
        unknown = sorted({role for role in roles if role is not None and role not in self._by_name})
        if unknown:
            raise SchemaError(
                f"expected roles for columns of the table ({', '.join(names)}), got {', '.join(unknown)}"
            )
        self._check_protected()
        check_rules(self)

    def _check_protected(self) -> None:
        repeated = sorted({name for name in self.protected if self.protected.count(name) > 1})
        persons = [name for name in self.protected if self._by_name[name].kind == "identifier"]
        for problem, found in (("named twice", repeated), ("identifiers, which form no groups", persons)):
            if found:
                raise SchemaError(
                    f"expected protected columns whose levels or ranges form groups, got {', '.join(found)}: "
                    f"{problem}"
                )

    def __getitem__(self, name: str) -> Column:
        if name not in self._by_name:
            raise KeyError(f"expected one of {', '.join(self.names)}, got {name!r}")
        return self._by_name[name]

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def modelled(self) -> list[Column]:
        """The columns that a Synthesizer learns: all but identifiers."""
        return [column for column in self.columns if column.kind != "identifier"]

    @property
    def features(self) -> list[str]:
        """Columns that may predict the target: neither it, nor an identifier, nor a leak."""
        excluded = {self.target, *self.leaks}
        return [column.name for column in self.modelled if column.name not in excluded]

    @classmethod
    def infer(
        cls,
        table: pd.DataFrame,
        target: str | None = None,
        patient_id: str | None = None,
        identifiers: Iterable[str] = (),
        leaks: Iterable[str] = (),
        quasi_identifiers: Iterable[str] = (),
        kinds: Mapping[str, str] | None = None,
        protected: Iterable[str] = (),
    ) -> Schema:
        """Read a Schema off a table. Look at `describe()` before relying on it.

        Numbers get the range and the precision they were seen with (ranges are widened to two significant
        digits, so that no single patient's extreme stands in the Schema), texts their levels.

        Args:
            table: DataFrame of shape (num_rows, num_columns).
            target, patient_id, leaks, quasi_identifiers, protected: see the class.
            identifiers: names of further columns that identify a person or a row.
            kinds: name → kind, where the guess would be wrong.

        Raises:
            SchemaError: if no Schema can hold the table: no rows, fewer than two columns, repeated names, a
                column with no value, free text, or a value of its own in every row of an undeclared column.
        """
        _refuse_no_table(table)
        kinds = dict(kinds or {})
        unknown = sorted(set(kinds) - set(table.columns))
        if unknown:
            raise SchemaError(f"kinds: expected columns of the table, got {', '.join(unknown)}")
        for name in [*identifiers, *([patient_id] if patient_id else [])]:
            kinds[name] = "identifier"
        missing = sorted({*kinds, *([target] if target else [])} - set(table.columns))
        if missing:
            raise SchemaError(
                f"expected columns of the table ({', '.join(map(str, table.columns))}), "
                f"got {', '.join(missing)}"
            )
        columns, problems = [], []
        for name in table.columns:
            try:
                columns.append(Column(**infer_column(table[name], kinds.get(name))))
            except ValueError as error:
                problems.append(f"column {name!r}: {error}")
        if problems:
            raise SchemaError("this table cannot be held as it is:\n  " + "\n  ".join(problems))
        roles = (target, patient_id, tuple(leaks), tuple(quasi_identifiers))
        return cls(tuple(columns), *roles, protected=tuple(protected))

    def replace(self, name: str, **changes: Any) -> Schema:
        """A copy in which column `name` has other attributes: `schema.replace("age", high=120)`."""
        self[name]
        columns = tuple(
            replace(column, **changes) if column.name == name else column for column in self.columns
        )
        return replace(self, columns=columns)

    def with_rules(self, *rules: Rule) -> Schema:
        """A copy that has these rules as well.

        Raises:
            SchemaError: if a rule speaks of what the columns are not, or contradicts others.
        """
        return replace(self, rules=(*self.rules, *rules))

    def with_columns(self, columns: Iterable[Column]) -> Schema:
        """A copy with other Columns of the same names, and of the rules what they can still be held to.

        Rules lose the levels that are no longer there, and go where nothing of them is left.
        """
        bare = replace(self, columns=tuple(columns), rules=())
        narrowed = (rule.narrow(bare) for rule in self.rules)
        return replace(bare, rules=tuple(rule for rule in narrowed if rule is not None))

    def drop(self, names: Iterable[str]) -> Schema:
        """A copy without some columns, their roles, and the rules that speak of them."""
        gone = set(names)
        return Schema(
            tuple(column for column in self.columns if column.name not in gone),
            None if self.target in gone else self.target,
            None if self.patient_id in gone else self.patient_id,
            tuple(name for name in self.leaks if name not in gone),
            tuple(name for name in self.quasi_identifiers if name not in gone),
            tuple(rule for rule in self.rules if not gone & set(rule.columns)),
            tuple(name for name in self.protected if name not in gone),
        )

    def describe(self) -> pd.DataFrame:
        """One row a column, for people: `column, kind, values, missing, role, dtype, note`."""
        rows = []
        for column in self.columns:
            if column.is_discrete:
                shown = ", ".join(map(str, column.categories[:6]))
                values = shown + (
                    f", … ({len(column.categories)} levels)" if len(column.categories) > 6 else ""
                )
            elif column.is_numeric:
                digits = "all" if column.decimals is None else column.decimals
                precision = f", {digits} decimals" if column.kind == "continuous" else ""
                precision += " in single precision" if column.single_precision else ""
                values = f"{column.low} to {column.high}{precision}"
            else:
                values = "not modelled"
            said = [rule.describe() for rule in self.rules if column.name in rule.written]
            codes = f" (codes {', '.join(map(str, column.missing_codes))})" if column.missing_codes else ""
            rows.append(
                {
                    "column": column.name,
                    "kind": column.kind,
                    "values": values + (f" {column.unit}" if column.unit else ""),
                    "missing": ("possible" if column.nullable else "never") + codes,
                    "role": ", ".join(self._roles(column.name)),
                    "dtype": column.dtype,
                    "note": "; ".join([column.description] * bool(column.description) + said),
                }
            )
        return pd.DataFrame(rows)

    def _roles(self, name: str) -> list[str]:
        roles = {
            "target": name == self.target,
            "patient id": name == self.patient_id,
            "leak": name in self.leaks,
            "quasi-identifier": name in self.quasi_identifiers,
            "protected": name in self.protected,
        }
        return [role for role, holds in roles.items() if holds]

    def conform(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table as the Schema wants it: columns in order, missing codes and impossible values missing.

        Nothing is imputed. Columns that the Schema does not name are left out.

        Raises:
            SchemaError: if a column is absent, or holds what its kind cannot (such as text in a number).
        """
        repeated = [name for name in self.names if list(table.columns).count(name) > 1]
        if repeated:
            raise SchemaError(
                f"expected each column once, got several of: {', '.join(repeated)}; rename them"
            )
        absent = [name for name in self.names if name not in table.columns]
        if absent:
            raise SchemaError(
                f"expected the columns {', '.join(self.names)}; {', '.join(absent)} not in the table"
            )
        conformed = {column.name: column.conform(table[column.name]) for column in self.columns}
        return pd.DataFrame(conformed, index=table.index)

    def check(self, table: pd.DataFrame) -> None:
        """Do nothing if the table is one of this Schema.

        Raises:
            SchemaError: naming every column that is absent, out of order, of another dtype, or holds values
                that the Schema does not allow (how many, never which).
        """
        if list(table.columns) != self.names:
            raise SchemaError(
                f"expected the columns {', '.join(self.names)} in this order, "
                f"got {', '.join(map(str, table.columns))}; "
                "schema.conform(table) arranges them"
            )
        problems = [
            problem for column in self.columns for problem in column.find_problems(table[column.name])
        ]
        if problems:
            raise SchemaError(
                "the table is not what the Schema says (schema.conform helps with codes and ranges):\n  "
                + "\n  ".join(problems)
            )

    def find_violations(self, table: pd.DataFrame) -> pd.DataFrame:
        """How many rows of a table break each rule: counts, never which rows or values.

        Rows of a training table that break a rule are worth a look before a generator is held to it.

        Args:
            table: DataFrame of the Schema, shape (num_rows, num_columns).

        Returns:
            DataFrame of one row a rule: `rule` (a sentence), `columns`, `rows` (those it says anything of),
            `violations`, and `share`, which is NaN where there are no such rows.
        """
        return report_violations(self, table)

    def enforce(
        self, table: pd.DataFrame, fixed: pd.DataFrame | np.ndarray | None = None, seed: int = 0
    ) -> pd.DataFrame:
        """A copy of the table in which every rule holds in every row; no row is left out or drawn again.

        What holds already is not touched, so enforcing twice is enforcing once. Each rule's class says which
        cell it changes. With the same seed the result is the same to the byte.

        Args:
            table: DataFrame of the Schema, shape (num_rows, num_columns).
            fixed: cells that must stay: bool array of the table's shape, or DataFrame of some of its columns.
            seed: decides between repairs that are equally good.

        Raises:
            ValueError: if fixed cells contradict a rule, so that no free cell can mend it; or if `fixed` has
                another shape.
            SchemaError: if rules contradict one another.
        """
        return enforce_rules(self, table, fixed, seed)

    def to_json(self) -> str:
        """The Schema as canonical JSON text; `from_json` is the inverse.

        What is not said, rules for one, is left out: the text is then the one that earlier versions wrote.
        """
        columns = [
            {
                key: value
                for key, value in asdict(column).items()
                if value not in (None, "", ()) and value is not False
            }
            for column in self.columns
        ]
        document = {
            "columns": columns,
            "target": self.target,
            "patient_id": self.patient_id,
            "leaks": self.leaks,
            "quasi_identifiers": self.quasi_identifiers,
        }
        if self.rules:
            document["rules"] = [rule.to_dict() for rule in self.rules]
        if self.protected:
            document["protected"] = self.protected
        return canonical_json(document).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Schema:
        """Read what `to_json` wrote.

        Raises:
            SchemaError: if the text is not such a document.
        """
        try:
            document = parse_json(text.encode() if isinstance(text, str) else text)
            canonical_json(document)  # what it cannot hold, such as half a character, nobody could write
            return cls(
                tuple(map(Column.from_dict, document["columns"])),
                document["target"],
                document["patient_id"],
                tuple(document["leaks"]),
                tuple(document["quasi_identifiers"]),
                tuple(rule_from_dict(rule) for rule in document.get("rules", [])),
                tuple(document.get("protected", [])),
            )
        except SchemaError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise SchemaError(
                f"expected the JSON that Schema.to_json writes, got something else ({error})"
            ) from None


def _refuse_no_table(table: pd.DataFrame) -> None:
    if not isinstance(table, pd.DataFrame):
        raise SchemaError(f"expected a pandas DataFrame, got {type(table).__name__}")
    names = list(table.columns)
    odd = [name for name in names if not isinstance(name, str) or not name.strip()]
    if odd:
        raise SchemaError(
            f"expected column names that are non-empty text, got {len(odd)} that are not; name the columns"
        )
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SchemaError(
            f"expected each column name once, got several of: {', '.join(repeated)}; rename them"
        )
    if len(names) < 2:
        raise SchemaError(f"expected at least two columns, got {len(names)}")
    if not len(table):
        raise SchemaError("expected at least one row, got none")
