"""Figures of what a table is used for: coefficients of a regression, and case studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synthlib.evaluation.fairness.groups import SMALL_CELL
from synthlib.paper.style import HOLDOUT, OTHERS, REAL, SYNTHETIC, WIDTH, new_figure, shorten, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RULES = {
    "naive": ("o", SYNTHETIC, "one table, as if patients"),
    "single": ("s", OTHERS[0], "corrected, one fit"),
    "partial": ("^", OTHERS[1], "corrected, partial"),
    "full": ("v", OTHERS[3], "corrected, full"),
}
COLOURS = {
    "train": REAL,
    "real": REAL,
    "synthetic": SYNTHETIC,
    "synthetic_corrected": OTHERS[0],
    "everybody": HOLDOUT,
    "nobody": "black",
}


def coefficients(agreement: pd.DataFrame, most: int = 16) -> Figure:
    """Coefficients and 95% intervals of real rows beside those of synthetic ones, and each rule's coverage.

    Args:
        agreement: from `synthlib.evaluation.inference_agreement.inference_agreement`.
        most: terms to draw, those with the largest real effect in standard errors first.

    Raises:
        ValueError: if no term is known.
    """
    rules = [name for name in RULES if name in set(agreement["rule"])]
    first = agreement[agreement["rule"] == (rules or [""])[0]].dropna(subset=["real"])
    if first.empty:
        raise ValueError("expected a term whose coefficient the real rows show, got none")
    error = (first["real_high"] - first["real_low"]).to_numpy()
    order = first.iloc[np.argsort(-np.abs(first["real"].to_numpy()) / error, kind="stable")[:most]]
    terms = list(order["term"])
    with styled():
        figure = new_figure(WIDTH, 0.27 * len(terms) + 1.1)
        left, middle, right = figure.subplots(1, 3, width_ratios=[2.6, 1, 1])
        left.axvline(0, color="0.6", linewidth=0.7, zorder=1)
        for y, (_, row) in enumerate(order.iterrows()):
            _interval(left, row["real"], row["real_low"], row["real_high"], y - 0.27, "D", REAL)
        for place, rule in enumerate(rules):
            of = agreement[agreement["rule"] == rule].set_index("term")
            marker, colour, _ = RULES[rule]
            for y, term in enumerate(terms):
                row = of.loc[term]
                at = y - 0.27 + 0.18 * (place + 1)
                values = row["synthetic"], row["synthetic_low"], row["synthetic_high"]
                _interval(left, *values, at, marker, colour, 2.6)
            middle.plot(of["coverage"].mean(), place, marker, color=colour)
            right.plot(of["width_ratio"].median(), place, marker, color=colour)
        left.set_yticks(range(len(terms)), [shorten(term, 26) for term in terms])
        left.set(ylim=(len(terms) - 0.5, -0.6), title="coefficient", xlabel="per standard deviation or level")
        for axes, line in ((middle, 0.95), (right, 1.0)):
            axes.axvline(line, color="0.6", linewidth=0.7, zorder=1)
            axes.set_yticks(range(len(rules)), rules)
            axes.set(ylim=(len(rules) - 0.5, -0.5))
            axes.margins(x=0.2)
        middle.set_title("holds real one", fontsize=7)
        right.set_title("width, real = 1", fontsize=7)
        middle.set_xlim(min(0.0, middle.get_xlim()[0]), 1.05)
        styles = [("D", REAL, "real rows"), *(RULES[rule] for rule in rules)]
        _legend(figure, styles)
    return figure


def case_studies(cases: Mapping[str, pd.DataFrame]) -> Figure:
    """What synthetic rows say in several uses, beside what real rows say: a panel each.

    Args:
        cases: any of

            - `"disease prediction"`: a report of `evaluate`, of which the families' `tstr_auroc_*` are drawn;
            - `"survival"`: of `survival.kaplan_meier`, with a column `table`;
            - `"surveillance"`: of `cases.surveillance` or `cases.follow_up_incidence`;
            - `"decision curve"`: of `cases.decision_curve`;
            - `"trial"`: of `cases.trial`;
            - `"pooling"`: of `pooling.meta_analysis`, one term's rows.

    Raises:
        ValueError: for none, or another case.
    """
    unknown = sorted(set(cases) - set(CASES))
    if unknown or not cases:
        raise ValueError(f"expected cases among {', '.join(CASES)}; got {', '.join(unknown) or 'none'}")
    across = min(3, len(cases))
    down = -(-len(cases) // across)
    with styled():
        figure = new_figure(WIDTH, 2.1 * down + 0.4)
        panels = figure.subplots(down, across, squeeze=False).ravel()
        for axes, name in zip(panels, [name for name in CASES if name in cases], strict=False):
            CASES[name](axes, cases[name])
            axes.set_title(name)
        for empty in panels[len(cases) :]:
            empty.remove()
        styles = [("o", REAL, "real rows"), ("o", SYNTHETIC, "synthetic rows")]
        _legend(figure, [*styles, ("o", OTHERS[0], "synthetic, corrected interval")])
    return figure


def _draw_prediction(axes: Axes, report: pd.DataFrame) -> None:
    rows = report[report["metric"].str.match(r"tstr_auroc_(?!gap_)")].reset_index(drop=True)
    for y, row in rows.iterrows():
        _interval(axes, row["value"], row["low"], row["high"], y, "o", SYNTHETIC)
        axes.plot(row["reference"], y - 0.2, "o", color=REAL, markersize=3.6)
    axes.set_yticks(range(len(rows)), [name.removeprefix("tstr_auroc_") for name in rows["metric"]])
    axes.set(ylim=(len(rows) - 0.5, -0.6), xlabel="AUROC on the holdout")


def _draw_survival(axes: Axes, curves: pd.DataFrame) -> None:
    for name, curve in curves[curves["at_risk"] >= SMALL_CELL].groupby("table", sort=False):
        axes.step(curve["time"], curve["survival"], where="post", color=COLOURS[name], linewidth=1)
        band = {"step": "post", "color": COLOURS[name], "alpha": 0.2, "linewidth": 0}
        axes.fill_between(curve["time"], curve["low"], curve["high"], **band)
    axes.set(ylim=(0, 1.02), xlabel="days", ylabel="alive")


def _draw_rates(axes: Axes, rows: pd.DataFrame) -> None:
    value, start = ("rate", "start") if "rate" in rows.columns else ("share", "period")
    places = {one: place for place, one in enumerate(dict.fromkeys(rows[start]))}
    for shift, name in ((-0.12, "train"), (0.12, "synthetic")):
        of = rows[rows["table"] == name]
        for _, row in of.iterrows():
            x = places[row[start]] + shift
            axes.plot([x, x], [row["low"], row["high"]], color=COLOURS[name], linewidth=1.1)
            axes.plot(x, row[value], "o", color=COLOURS[name], markersize=3.6)
    ends = rows.drop_duplicates(start)
    labels = list(places)
    if "end" in rows:
        labels = [f"{a:g}–{b:g}" for a, b in zip(ends["start"], ends["end"], strict=True)]
    axes.set_xticks(range(len(places)), [str(label)[:10] for label in labels], fontsize=5.5, rotation=30)
    if value == "rate":
        axes.set(yscale="log", xlabel="days of follow-up", ylabel="events per 1,000 days at risk")
    else:
        axes.set(xlabel="period", ylabel="share with the event")


def _draw_benefit(axes: Axes, rows: pd.DataFrame) -> None:
    for name, of in rows.groupby("strategy", sort=False):
        axes.plot(of["threshold"], of["net_benefit"], color=COLOURS[name], linewidth=1)
        if name in ("everybody", "nobody"):
            continue
        band = {"color": COLOURS[name], "alpha": 0.15, "linewidth": 0}
        axes.fill_between(of["threshold"], of["low"], of["high"], **band)
    models = rows[~rows["strategy"].isin(["everybody", "nobody"])]
    axes.set(xlabel="risk above which one acts", ylabel="net benefit")
    axes.set_ylim(-0.05, 1.1 * float(models["high"].max()))
    axes.text(0.98, 0.95, "grey: everybody, black: nobody", transform=axes.transAxes, ha="right", va="top",
              fontsize=5.5)  # fmt: skip


def _draw_trial(axes: Axes, rows: pd.DataFrame) -> None:
    _forest(axes, rows, "measure")
    axes.set_xlabel("effect of the arm")


def _draw_pooling(axes: Axes, rows: pd.DataFrame) -> None:
    _forest(axes, rows, "centre")
    axes.set_xlabel(shorten(f"effect of {rows['term'].iloc[0]}, log odds ratio", 40))


def _forest(axes: Axes, rows: pd.DataFrame, by: str) -> None:
    labels = list(dict.fromkeys(rows[by]))
    shifts = {name: 0.2 * (place - 1) for place, name in enumerate(dict.fromkeys(rows["table"]))}
    axes.axvline(0, color="0.6", linewidth=0.7, zorder=1)
    for _, row in rows.iterrows():
        y, colour = labels.index(row[by]) + shifts[row["table"]], COLOURS[row["table"]]
        _interval(axes, row["value"], row["low"], row["high"], y, "o", colour)
    axes.set_yticks(range(len(labels)), [shorten(str(label).replace("_", " "), 24) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.6)


def _interval(axes: Axes, value, low, high, y, marker: str, colour: str, size: float = 3.6) -> None:
    axes.plot([low, high], [y, y], color=colour, linewidth=1.1)
    axes.plot(value, y, marker, color=colour, markersize=size)


def _legend(figure: Figure, styles) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=4, label=label)
        for marker, colour, label in styles
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5)


CASES: dict[str, Callable[[Axes, pd.DataFrame], None]] = {
    "disease prediction": _draw_prediction,
    "survival": _draw_survival,
    "surveillance": _draw_rates,
    "decision curve": _draw_benefit,
    "trial": _draw_trial,
    "pooling": _draw_pooling,
}
