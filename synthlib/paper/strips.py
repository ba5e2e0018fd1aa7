"""Small plots of one score each, as inline SVG that keeps its marks' size at any width."""

from __future__ import annotations

import math
from collections.abc import Sequence

from synthlib.paper.markup import Html, tag
from synthlib.scores import Score

HUGE = 1e6
_HEIGHT, _MIDDLE, _LEFT, _RIGHT = 34, 12, 2.0, 98.0  # pixels; percent


def draw_strip(score: Score, scale: tuple[float, float] | None = None, limit: float | None = None) -> Html:
    """A score on a line: its interval, its value (dot), its reference (diamond) and a limit (dashed).

    Args:
        score: NaNs are not drawn.
        scale: ends of the line; None takes round ends that hold everything.
        limit: of a threshold on the value.
    """
    seen = [value for value in (*score[1:], limit) if value is not None and math.isfinite(value)]
    low, high = choose_scale(seen) if scale is None else scale
    low, high = min([low, *seen]), max([high, *seen])

    def at(value: float) -> str:
        return f"{_LEFT + (value - low) / (high - low) * (_RIGHT - _LEFT):.2f}%"

    marks = [_line(at(low), at(high), "axis")]
    for value, anchor in ((low, "start"), (high, "end")):
        where = "0%" if anchor == "start" else "100%"
        told = f"{value:.3g}".replace("-", "\u2212")
        marks.append(tag("text", told, x=where, y=_HEIGHT - 3, text_anchor=anchor, class_="tick"))
    if limit is not None and math.isfinite(limit):
        marks.append(tag("line", x1=at(limit), x2=at(limit), y1=1, y2=_MIDDLE + 11, class_="limit"))
    if math.isfinite(score.low) and math.isfinite(score.high):
        marks.append(_line(at(score.low), at(score.high), "interval"))
    if math.isfinite(score.value):
        marks.append(tag("circle", cx=at(score.value), cy=_MIDDLE, r=4.5, class_="value"))
    if math.isfinite(score.reference):
        diamond = tag("path", d="M0 -6 6 0 0 6 -6 0Z", class_="reference")
        marks.append(tag("svg", diamond, x=at(score.reference), y=_MIDDLE, overflow="visible"))
    return tag("svg", marks, class_="strip", role="img", aria_label=describe(score), height=_HEIGHT)


def choose_scale(values: Sequence[float]) -> tuple[float, float]:
    """Round ends, zero among them, between which all values lie."""
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    return (-_round_up(-low) if low < 0 else 0.0), (_round_up(high) if high > 0 or low == 0 else 0.0)


def describe(score: Score) -> str:
    """A score in words, for who cannot see the plot."""
    said = f"value {show(score.value)}"
    said += f", 95% interval {show(score.low)} to {show(score.high)}" if math.isfinite(score.low) else ""
    return said + (f", reference {show(score.reference)}" if math.isfinite(score.reference) else "")


def show(value: float) -> str:
    """A number as the page writes it: three decimals, a dash for what is not known, `1.00e9` where huge."""
    if not math.isfinite(value):
        return "–"
    if 0 < value < 0.0005:
        return "<0.001"
    if abs(value) >= HUGE:
        return f"{value:.2e}".replace("e+", "e").replace("-", "\u2212")
    return f"{round(value, 3) + 0.0:.3f}".replace("-", "\u2212")  # a minus sign, and none before zero


def _round_up(value: float) -> float:
    if value <= 0:
        return 0.01
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * step for step in (1, 2, 5, 10) if value <= unit * step * (1 + 1e-12))


def _line(x1: str, x2: str, name: str) -> Html:
    return tag("line", x1=x1, x2=x2, y1=_MIDDLE, y2=_MIDDLE, class_=name)
