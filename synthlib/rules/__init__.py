"""Rules between columns: what a table must obey beyond what each column may hold.

A rule is declared by people and belongs to a Schema. Each says where a table breaks it (`find_violations`)
and moves cells so that it holds (`repair`): fixed cells stay, and so do rows in which no free cell helps.
`Schema.enforce` makes several rules hold at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from synthlib.columns import SchemaError
from synthlib.rules.base import Rule, column_step, encode_levels
from synthlib.rules.levels import Combinations, OnlyIf
from synthlib.rules.numbers import Formula, Inequality

__all__ = [
    "Combinations",
    "Formula",
    "Inequality",
    "OnlyIf",
    "Rule",
    "column_step",
    "encode_levels",
    "rule_from_dict",
]

RULES: dict[str, type[Rule]] = {kind.__name__: kind for kind in (Inequality, Combinations, OnlyIf, Formula)}


def rule_from_dict(document: Any) -> Rule:
    """The rule that `to_dict` wrote.

    Raises:
        SchemaError: if it is anything else.
    """
    kind = RULES.get(document.get("rule")) if isinstance(document, Mapping) else None
    if kind is None:
        raise SchemaError(f"rules: expected objects whose rule is one of {', '.join(RULES)}")
    given = {key: value for key, value in document.items() if key != "rule"}
    try:
        return kind(**given)
    except SchemaError:
        raise
    except (TypeError, ValueError, AttributeError):
        names = ", ".join(item.name for item in fields(kind))
        raise SchemaError(f"rules: expected an {kind.__name__} with {names}") from None
