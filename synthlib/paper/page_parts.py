"""Parts of the page: tables that stay tables where narrow screens show them as cards, verdicts, numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from synthlib.paper.findings import NO_THRESHOLD
from synthlib.paper.markup import Html, tag
from synthlib.paper.strips import show
from synthlib.scores import Score

_BADGES = {"passed": ("passed", "✓"), "failed": ("failed", "✗"), "inconclusive": ("unsure", "?"),
           "not measured": ("unsure", "?"), NO_THRESHOLD: ("none", "–"), "caught": ("failed", "✗"),
           "not caught": ("passed", "✓")}  # fmt: skip


def table(
    heads: Sequence[str], rows: Iterable[Sequence[Any]], caption: str, class_: str | None = None
) -> Html:
    """A table whose first cells head their rows; the roles stay where narrow screens show it as cards."""
    head = tag("tr", [tag("th", each, scope="col", role="columnheader") for each in heads], role="row")
    body = []
    for first, *rest in rows:
        cells = [tag("th", first, scope="row", role="rowheader")]
        for label, cell in zip(heads[1:], rest, strict=True):
            is_plot = label == "Plot"
            kind = "plot" if is_plot else "number" if label in ("Reference",) else None
            label = None if is_plot or label in ("Reading", "Verdict", "Outcome") else label
            cells.append(tag("td", cell, role="cell", class_=kind, data_label=label))
        body.append(tag("tr", cells, role="row"))
    parts = tag("thead", head, role="rowgroup"), tag("tbody", body, role="rowgroup")
    return tag("table", tag("caption", caption), *parts, role="table", class_=class_)


def scroll(child: Html, label: str) -> Html:
    """A table in a box that scrolls sideways, by keyboard too."""
    return tag("div", child, class_="scroll", tabindex="0", role="region", aria_label=label)


def key() -> Html:
    """What the marks of a plot mean."""
    marks = {
        "synthetic, with its 95% interval": (
            tag("line", x1=2, x2=33, y1=8, y2=8, class_="interval"),
            tag("circle", cx=17, cy=8, r=4.5, class_="value"),
        ),
        "reference: real patients, or chance": tag("path", d="M17 2 23 8 17 14 11 8Z", class_="reference"),
        "threshold, where one was declared": tag("line", x1=17, x2=17, y1=0, y2=16, class_="limit"),
    }
    drawn = [(tag("svg", mark, class_="strip", aria_hidden="true"), words) for words, mark in marks.items()]
    return tag("ul", [tag("li", each) for each in drawn], class_="key")


def badge(outcome: str) -> Html:
    """A verdict: a sign and words, in a colour of its own."""
    kind, sign = _BADGES.get(outcome, ("unsure", "?"))
    return tag("span", tag("span", sign, aria_hidden="true"), f" {outcome}", class_=f"badge {kind}")


def code(name: str) -> Html:
    """A metric's name, which may break after each underscore, bracket and comma."""
    pieces = re.split(r"(?<=[_\[,.])", name)
    return tag("code", [[piece, tag("wbr")] for piece in pieces[:-1]], pieces[-1])


def interval(score: Score) -> Html:
    """A value with its interval."""
    told = show(score.value)
    if score.low == score.low and score.high == score.high:
        told += f" ({show(score.low)} to {show(score.high)})"
    return tag("span", told, class_="number")
