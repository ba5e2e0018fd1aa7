"""Pictures of the ledger: who told it what, what it refused, and what that takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from synthlib.paper.style import HOLDOUT, OTHERS, REAL, SYNTHETIC, WIDTH, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TAKEN, REFUSED, OFF_CHAIN = "taken", "refused", "off chain"
_LOOKS = {
    TAKEN: {"color": REAL, "linestyle": "-"},
    REFUSED: {"color": SYNTHETIC, "linestyle": "-"},
    OFF_CHAIN: {"color": "0.45", "linestyle": (0, (3, 2))},
}


class Message(NamedTuple):
    """One arrow of a sequence diagram.

    Attributes:
        sender, receiver: names of parties.
        text: what is said.
        kind: `"taken"`, `"refused"` (by the receiver) or `"off chain"`.
    """

    sender: str
    receiver: str
    text: str
    kind: str = TAKEN


def sequence(messages: Sequence[Message], parties: Sequence[str]) -> Figure:
    """Who told whom what, from top to bottom.

    Args:
        messages: in their order.
        parties: from left to right; every sender and receiver is one of them.

    Raises:
        ValueError: if a message is between others.
    """
    unknown = {name for one in messages for name in (one.sender, one.receiver)} - set(parties)
    if unknown:
        raise ValueError(f"expected messages between {', '.join(parties)}, got {', '.join(sorted(unknown))}")
    with styled():
        figure = new_figure(WIDTH, 0.185 * len(messages) + 0.75)
        axes = figure.subplots()
        axes.axis("off")
        for place, name in enumerate(parties):
            axes.plot([place, place], [-0.2, len(messages)], color="0.8", linewidth=0.7, zorder=0)
            axes.text(place, -0.55, name, ha="center", va="bottom", weight="bold")
        for row, message in enumerate(messages, start=0):
            _draw_message(axes, row + 0.5, message, parties)
        for kind, look in _LOOKS.items():
            axes.plot([], [], label=kind, **look)
        axes.set(xlim=(-0.6, len(parties) - 0.4), ylim=(len(messages) + 0.2, -1.3))
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def _draw_message(axes: object, height: float, message: Message, parties: Sequence[str]) -> None:
    start, stop = parties.index(message.sender), parties.index(message.receiver)
    look = _LOOKS[message.kind]
    arrow = {"arrowstyle": "-|>", "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 6, **look}
    axes.annotate("", xy=(stop, height), xytext=(start, height), arrowprops=arrow, zorder=3)
    if message.kind == REFUSED:
        side = -0.06 if stop > start else 0.06
        axes.plot(stop + side, height, marker="x", color=SYNTHETIC, markersize=5, zorder=3)
    place, side = (start + stop) / 2, "center"
    if message.kind == REFUSED:  # words end before the cross
        place, side = (stop - 0.13, "right") if stop > start else (stop + 0.13, "left")
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}  # no lifeline crosses words
    where = {"ha": side, "va": "bottom", "fontsize": 6.2, "bbox": behind, "zorder": 1}
    axes.text(place, height - 0.08, message.text, color=look["color"], **where)


def gas(groups: Mapping[str, Mapping[str, float]], marks: Iterable[float] = ()) -> Figure:
    """Gas of operations as bars, a colour a group.

    Args:
        groups: name of a group → operation → gas.
        marks: values to mark by a dashed line.
    """
    rows = [(group, name, value) for group, items in groups.items() for name, value in items.items()]
    most = max(value for *_, value in rows)
    colours = dict(zip(groups, (REAL, HOLDOUT, *OTHERS), strict=False))
    with styled():
        figure = new_figure(WIDTH * 0.8, 0.2 * len(rows) + 0.7)
        axes = figure.subplots()
        for place, (group, _, value) in enumerate(rows):
            axes.barh(place, value, color=colours[group], height=0.7)
            behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}  # no dashed line crosses digits
            axes.text(value + 0.01 * most, place, f"{value:,.0f}", va="center", fontsize=6, bbox=behind)
        for mark in marks:
            axes.axvline(mark, color="0.6", linewidth=0.6, linestyle=(0, (3, 2)))
        axes.set_yticks(range(len(rows)), [name for _, name, _ in rows])
        axes.set(xlabel="gas", xlim=(0, 1.12 * most), ylim=(len(rows) - 0.4, -0.6))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        for group, colour in colours.items():
            axes.barh(0, 0, color=colour, label=group)
        figure.legend(loc="outside lower center", ncols=len(groups))
    return figure
