"""Figures of attacks, and of how groups of patients are served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synthlib.paper.style import HOLDOUT, OTHERS, REAL, SYNTHETIC, WIDTH, new_figure, shorten, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Table → marker, colour, what it is.
TABLES = {
    "copy": ("X", "black", "copy of train"),
    "leak": ("^", OTHERS[1], "2% copied"),
    "perturbed": ("s", OTHERS[0], "train, perturbed"),
    "fresh": ("D", HOLDOUT, "fresh patients"),
    "synthetic": ("o", SYNTHETIC, "synthetic, 95% interval"),
}
# Start of the metric's name, title of the panel, what finds nothing.
PANELS = (
    ("membership_auroc", "who was in train: AUROC", 0.5),
    ("membership_tpr1[", "members found, 1% false alarms", 0.01),
    ("risk", "what was true of them: risk", 0.0),
)
WORST = (
    ("membership_auroc", "who was in train: AUROC", 0.5),
    ("membership_tpr1[", "members found, 1% false alarms", 0.01),
    ("_gain[", "guesses of a secret gained", 0.0),
)
MARKS = (("o", SYNTHETIC), ("s", OTHERS[0]), ("^", OTHERS[1]), ("v", OTHERS[2]))
LOWEST = -1.0  # risks have no lower end; below it they say no more than that nothing was found
FAIRNESS = (
    ("representation", "share less train's", 0.0),
    ("fairness_auroc", "AUROC of the outcome's model", None),
    ("fairness_auroc_amplification", "gap in AUROC, added", 0.0),
)


def attacks_and_controls(leakage: pd.DataFrame, most: int = 14) -> Figure:
    """What each attack finds in the synthetic table, beside tables of which it is known what they leak.

    Names of attacks end in their conclusion. The line is what an attack that knows nothing scores.

    Args:
        leakage: from `synthlib.evaluation.leakage.suite.leakage_report`.
        most: rows of a panel, the worst first.

    Raises:
        ValueError: if no attack could be made.
    """
    known = leakage[leakage["value"].notna()]
    parts = [(known[_is_of(known["metric"], start)], *rest) for start, *rest in PANELS]
    parts = [part for part in parts if len(part[0])]
    if not parts:
        raise ValueError("expected a report of leakage_report with at least one attack, got none")
    with styled():
        tallest = max(min(most, len(_attacks(rows))) for rows, *_ in parts)
        figure = new_figure(WIDTH, 0.2 * tallest + 1.1)
        for axes, (rows, title, nothing) in zip(
            figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True
        ):
            _draw_attacks(axes, rows, title, nothing, most)
        _legend(figure, TABLES.values())
    return figure


def worst_attacks(leakages: Mapping[str, pd.DataFrame], most: int = 6) -> Figure:
    """The attacks that found most in any of several synthetic tables, beside fresh patients and copies.

    Of everybody; the most exposed and the surest guesses are left to `attacks_and_controls`. The line is what
    an attack that knows nothing scores.

    Args:
        leakages: name of a synthesizer → its report of `leakage_report`, made with the same controls.
        most: attacks of a panel, the worst first.

    Raises:
        ValueError: if there are no reports, more than four, or no attack could be made.
    """
    if not 1 <= len(leakages) <= 4:
        raise ValueError(f"expected one to four reports of leakage_report, got {len(leakages)}")
    every = [table[table["population"] == "all"].assign(of=name) for name, table in leakages.items()]
    known = pd.concat(every, ignore_index=True).dropna(subset=["value"])
    parts = [(known[known["metric"].str.contains(start, regex=False)], *rest) for start, *rest in WORST]
    parts = [part for part in parts if len(part[0])]
    if not parts:
        raise ValueError("expected at least one attack on everybody in the reports, got none")
    with styled():
        tallest = max(min(most, part[0]["metric"].nunique()) for part in parts)
        figure = new_figure(WIDTH, 0.3 * tallest + 1.1)
        grid = figure.subplots(1, len(parts), squeeze=False)[0]
        for axes, (rows, title, nothing) in zip(grid, parts, strict=True):
            _draw_worst(axes, rows, list(leakages), nothing, most)
            axes.set_title(title, fontsize=7)
        styles = [(*mark, name) for mark, name in zip(MARKS, leakages, strict=False)]
        _legend(figure, [*styles, TABLES["fresh"], TABLES["copy"]])
    return figure


def group_fairness(reports: Mapping[str, pd.DataFrame], most: int = 12) -> Figure:
    """How often each protected group is drawn, how it is served, and what synthetic rows add to the gaps.

    Args:
        reports: name → report of `evaluate`, or of `fairness` and `representation` alone; two at most, such
            as before and after a remedy. Shares are those of the first: a remedy changes them on purpose.
        most: groups of a panel: of one attribute, and of those the furthest from the reference.

    Raises:
        ValueError: if there are none or more than two reports, or the first has no groups.
    """
    tables = {name: report.set_index("metric") for name, report in reports.items()}
    if not 1 <= len(tables) <= 2:
        raise ValueError(f"expected one report or two, got {len(tables)}")
    first = next(iter(tables.values()))
    shown = [(*one, _groups(first, one[0], most)) for one in FAIRNESS]
    shown = [one for one in shown if one[-1]]
    if not shown:
        raise ValueError("expected scores of protected groups in the first report, got none")
    with styled():
        figure = new_figure(WIDTH, 0.24 * max(len(one[-1]) for one in shown) + 1.2)
        for axes, (stem, title, nothing, groups) in zip(
            figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True
        ):
            drawn = dict([next(iter(tables.items()))]) if stem == "representation" else tables
            _draw_groups(axes, drawn, stem, groups, nothing)
            axes.set_title(title)
        styles = [(*mark, name) for mark, name in zip(_marks(), tables, strict=False)]
        _legend(figure, [*styles, ("D", REAL, "learnt from train, or of the holdout")])
    return figure


def _is_of(metrics: pd.Series, start: str) -> pd.Series:
    return metrics.str.contains("_risk") if start == "risk" else metrics.str.startswith(start)


def _attacks(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Attack and population, in the order of the report: the worst first."""
    return list(dict.fromkeys(zip(rows["attack"], rows["population"], strict=True)))


def _draw_attacks(axes: Axes, rows: pd.DataFrame, title: str, nothing: float, most: int) -> None:
    axes.axvline(nothing, color="0.6", linewidth=0.7, zorder=1)
    labels = []
    for y, (attack, population) in enumerate(_attacks(rows)[:most]):
        of = rows[(rows["attack"] == attack) & (rows["population"] == population)].set_index("table")
        for table in [name for name in TABLES if name in of.index]:
            marker, colour, _ = TABLES[table]
            score = of.loc[table]
            if table in ("synthetic", "fresh"):
                axes.plot([score["low"], score["high"]], [y, y], color=colour, linewidth=1.2, zorder=3)
            filled = colour if table != "fresh" else "none"
            axes.plot(
                score["value"], y, marker, color=colour, markersize=3.6, markerfacecolor=filled, zorder=4
            )
        inner = attack.removeprefix("membership[").removesuffix("]").replace("[", ": ")
        who = "" if population == "all" else f", {population}"
        labels.append(f"{inner.replace('_', ' ')}{who}\n{of['conclusion'].iloc[0]}")
    axes.set_yticks(range(len(labels)), labels, fontsize=5.5, linespacing=0.95)
    axes.set(ylim=(len(labels) - 0.5, -0.5))
    if axes.get_xlim()[0] < LOWEST:
        axes.set_xlim(LOWEST, 1.08)
        axes.set_xlabel(f"cut off at {LOWEST:g}")
    axes.set_title(title, fontsize=7)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)


def _draw_worst(axes: Axes, rows: pd.DataFrame, names: list[str], nothing: float, most: int) -> None:
    made = rows[rows["table"] == "synthetic"]
    order = made.groupby("metric", sort=False)["value"].max().sort_values(ascending=False, kind="stable")
    axes.axvline(nothing, color="0.6", linewidth=0.7, zorder=1)
    first = rows[rows["of"] == names[0]].set_index(["metric", "table"])
    for y, metric in enumerate(order.index[:most]):
        for place, (name, (marker, colour)) in enumerate(zip(names, MARKS, strict=False)):
            at = y + 0.2 * (place - (len(names) - 1) / 2)
            for score in made[(made["of"] == name) & (made["metric"] == metric)].itertuples():
                axes.plot([score.low, score.high], [at, at], color=colour, linewidth=1.1, zorder=3)
                axes.plot(score.value, at, marker, color=colour, markersize=3.6, zorder=4)
        for table in ("fresh", "copy"):
            marker, colour, _ = TABLES[table]
            if (metric, table) in first.index:
                filled = "none" if table == "fresh" else colour
                style = {"color": colour, "markersize": 3.6, "markerfacecolor": filled, "zorder": 2}
                axes.plot(first.loc[(metric, table), "value"], y, marker, **style)
    labels = [_label(metric) for metric in order.index[:most]]
    axes.set_yticks(range(len(labels)), labels, fontsize=6)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)


def _label(metric: str) -> str:
    """`"membership_auroc[domias]"` as `"domias"`, `"inference_gain[sex]"` as `"inference: sex"`."""
    stem, _, inner = metric.removesuffix("]").partition("[")
    kind = f"{stem.removesuffix('_gain')}: " if stem.endswith("_gain") else ""
    return kind + inner.replace("_", " ")


def _groups(table: pd.DataFrame, stem: str, most: int) -> list[str]:
    """Names in brackets, without intersections where groups are meant; the furthest from their reference."""
    of = table[table.index.str.startswith(f"{stem}[")].dropna(subset="value")
    if not stem.endswith("amplification"):
        of = of[~of.index.str.contains("×")]
    far = (of["value"] - of["reference"]).abs().sort_values(ascending=False, kind="stable").index[:most]
    return [name.partition("[")[2].removesuffix("]") for name in of.index if name in far]


def _draw_groups(
    axes: Axes, tables: Mapping[str, pd.DataFrame], stem: str, groups: list[str], nothing: float | None
) -> None:
    if nothing is not None:
        axes.axvline(nothing, color="0.6", linewidth=0.7, zorder=1)
    for place, (table, (marker, colour)) in enumerate(zip(tables.values(), _marks(), strict=False)):
        shift = 0.16 * (2 * place - 1) if len(tables) > 1 else 0.0
        for y, group in enumerate(groups):
            metric = f"{stem}[{group}]"
            if metric not in table.index:
                continue
            score = table.loc[metric]
            axes.plot([score["low"], score["high"]], [y + shift] * 2, color=colour, linewidth=1.1)
            axes.plot(score["value"], y + shift, marker, color=colour, markersize=3.6)
            if nothing is None or not np.isclose(score["reference"], nothing):
                style = {"markerfacecolor": "none", "markeredgecolor": REAL, "markersize": 4, "zorder": 4}
                axes.plot(score["reference"], y + shift, "D", **style)
    axes.set_yticks(range(len(groups)), [shorten(group, 24) for group in groups])
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.locator_params(axis="x", nbins=4)


def _marks() -> list[tuple[str, str]]:
    return [("o", SYNTHETIC), ("s", OTHERS[0])]


def _legend(figure: Figure, styles) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", markersize=4, label=label,
               markerfacecolor="none" if marker == "D" else colour)
        for marker, colour, label in styles
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
