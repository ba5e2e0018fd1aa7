"""Attacks on the page: what each found, beside what it finds where it is known what there is."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from synthlib.paper.markup import Html, tag
from synthlib.paper.page_parts import badge, code, interval, table
from synthlib.paper.page_words import CONCLUSIONS
from synthlib.paper.strips import draw_strip, show
from synthlib.scores import Score

HEADS = ("Attack", "Conclusion", "Found (95% interval)", "On known tables", "Plot")


def list_attacks(leakage: pd.DataFrame | None) -> list[Html] | None:
    """A paragraph and a table with a row for each attack; None where there are none.

    Args:
        leakage: from `summarise_leakage`. Its columns `attack, metric, conclusion, p_value, blind_to,
            value, low, high` and those of known tables (`control`, `on_copy`, …) have their place; what else
            there is stands in small print below the attack.
    """
    if leakage is None or not len(leakage):
        return None
    said = "An attack counts as tried only where its control is caught: on copies there is something to find."
    said += CONCLUSIONS if "conclusion" in leakage else ""
    said += " In the plot the diamond is what the same attack finds on copies."
    records = leakage.to_dict("records")
    rows = [_write_row({str(name): value for name, value in each.items()}) for each in records]
    return [tag("p", said), table(HEADS, rows, "Attacks beside their controls", "cards")]


def _write_row(record: dict[str, Any]) -> list[Any]:
    attack, metric = str(record.pop("attack", "")), record.pop("metric", None)
    numbers = [float(record.pop(name, math.nan)) for name in ("value", "low", "high")]
    known = {name: record.pop(name) for name in list(record) if name == "control" or name[:3] == "on_"}
    on_copies = next((known[name] for name in ("control", "on_copy") if name in known), None)
    score = Score(metric or attack, *numbers, math.nan if on_copies is None else float(on_copies))
    conclusion, p_value = record.pop("conclusion", None), record.pop("p_value", None)
    told = {} if p_value is None else {"p value": float(p_value)}
    blind = record.pop("blind_to", None)
    told |= {"blind to": blind} if isinstance(blind, str) and blind else {}
    return [
        [code(attack), tag("small", code(metric)) if metric else "", _write_small(record)],
        [badge(str(conclusion)) if conclusion else "–", _write_small(told)],
        interval(score),
        tag("span", _write_small(known), class_="number") if known else "–",
        draw_strip(score, (0.0, 1.0)),
    ]


def _write_small(told: dict[str, Any]) -> list[Html]:
    values = {name: show(value) if isinstance(value, float) else str(value) for name, value in told.items()}
    return [tag("small", name.replace("_", " "), " ", value) for name, value in values.items()]
