"""The frontier between privacy and usefulness: scores over epsilon, of a sweep of budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synthlib.paper.style import HOLDOUT, OTHERS, REAL, SYNTHETIC, WIDTH, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {
    "marginal_accuracy_2way": "pairs of columns, accuracy ↑",
    "c2st_boosting": "told apart by boosted trees, AUROC ↓",
    "tstr_auroc_boosting": "real outcomes predicted, AUROC ↑",
    "membership_auroc": "membership attack, AUROC ↓",
}
CONTROLS = {"membership_auroc": "membership_auroc_control"}
NAMES = {
    "PrivateTabularGPT": "private transformer",
    "PrivateTabularGAN": "private adversarial network",
    "PrivateMarginals": "noisy tables alone (MST)",
    "TabularGPT": "transformer",
}
BROADEN = 0.045  # of the axis between generators at one epsilon
_LOOKS = (("o", "-"), ("^", "-."), ("v", ":"), ("P", "-"), ("X", "-."))  # told apart in grey too


def privacy_frontier(sweep: pd.DataFrame, panels: dict[str, str] | None = None) -> Figure:
    """Scores over the budget, on a log axis with ∞ (no differential privacy) at its right end.

    Bars are the intervals of the scores: they hold for the patients who were scored, not for another draw of
    the noise. The dashed line is what the holdout scores in the synthetic table's place; of an attack, what a
    guess has. Blue squares are the positive control: the attack on copies of train.

    Args:
        sweep: from `sweep_budgets`.
        panels: metric → title; by default those of `PANELS` that the sweep has.

    Raises:
        ValueError: if the sweep has none of the metrics.
    """
    panels = PANELS if panels is None else panels
    shown = {metric: title for metric, title in panels.items() if (sweep["metric"] == metric).any()}
    if not shown:
        raise ValueError(f"expected a sweep with some of {', '.join(panels)}, got none of them")
    finite = np.sort(sweep.loc[np.isfinite(sweep["epsilon"]), "epsilon"].unique())
    names = list(dict.fromkeys(sweep.loc[np.isfinite(sweep["epsilon"]), "generator"]))
    colours = dict(zip(names, (SYNTHETIC, OTHERS[0], OTHERS[1], OTHERS[2], OTHERS[3]), strict=False))
    places = {epsilon: float(np.log2(epsilon)) for epsilon in finite}
    end = (max(places.values()) + 1.3) if places else 0.0
    across = min(4, len(shown)) if len(shown) != 4 else 2
    down = -(-len(shown) // across)
    with styled():
        figure = new_figure(WIDTH, 2.1 * down + 0.35)
        grid = figure.subplots(down, across, squeeze=False, sharex=True)
        for axes, (metric, title) in zip(grid.ravel(), shown.items(), strict=False):
            rows = sweep[sweep["metric"] == metric]
            _draw(axes, rows, places, end, colours)
            if metric in CONTROLS:
                _draw_control(axes, sweep[sweep["metric"] == CONTROLS[metric]], places, end)
            axes.set_title(title)
            axes.margins(y=0.12)
            axes.set_xlim(min([*places.values(), end]) - 0.4, end + 0.4)
            axes.set_xticks([*places.values(), end], [*(f"{epsilon:g}" for epsilon in finite), "∞"])
        for empty in grid.ravel()[len(shown) :]:
            empty.remove()
        for axes in grid[-1]:
            axes.set_xlabel("ε for one patient (log scale); ∞: no differential privacy")
        _legend(figure, colours, bool(set(shown) & set(CONTROLS)))
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, places: dict, end: float, colours: dict) -> None:
    reference = rows["reference"].dropna()
    if len(reference):
        axes.axhline(reference.iloc[0], color=HOLDOUT, linestyle=(0, (4, 2)), linewidth=0.9, zorder=1)
    axes.axvline(end - 0.65, color="0.85", linewidth=0.8, linestyle=":", zorder=0)
    width = max([*places.values(), end]) - min([*places.values(), end]) or 1.0
    for number, (name, colour) in enumerate(colours.items()):
        own = rows[(rows["generator"] == name) & np.isfinite(rows["epsilon"])].sort_values("epsilon")
        x = own["epsilon"].map(places).to_numpy(dtype=float) + number * BROADEN / 3 * width
        marker, style = _LOOKS[number]
        _bars(axes, x, own, colour, marker)
        axes.plot(x, own["value"], style, color=colour, linewidth=1.2, zorder=2)
    free = rows[~np.isfinite(rows["epsilon"])]
    _bars(axes, np.full(len(free), end), free, "black", "D")


def _bars(axes: Axes, x: np.ndarray, rows: pd.DataFrame, colour: str, marker: str) -> None:
    axes.vlines(x, rows["low"], rows["high"], color=colour, linewidth=1.0, alpha=0.75, zorder=3)
    axes.plot(x, rows["value"], marker, color=colour, markersize=3.6, zorder=4)


def _draw_control(axes: Axes, rows: pd.DataFrame, places: dict, end: float) -> None:
    first = rows.drop_duplicates("epsilon")
    x = [places.get(epsilon, end) for epsilon in first["epsilon"]]
    axes.vlines(x, first["low"], first["high"], color=REAL, linewidth=1.0, zorder=2)
    axes.plot(x, first["value"], "s", color=REAL, markersize=3.2, zorder=2)


def _legend(figure: Figure, colours: dict, has_control: bool) -> None:
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], color=colour, marker=mark, ls=style, markersize=3.6, label=NAMES.get(name, name))
        for (name, colour), (mark, style) in zip(colours.items(), _LOOKS, strict=False)
    ]
    marks.append(Line2D([], [], color="black", marker="D", linestyle="", markersize=3.6,
                        label="transformer without privacy"))  # fmt: skip
    marks.append(Line2D([], [], color=HOLDOUT, linestyle=(0, (4, 2)), label="real holdout, or a guess"))
    if has_control:
        marks.append(Line2D([], [], color=REAL, marker="s", linestyle="", markersize=3.2,
                            label="control: the attack on copies"))  # fmt: skip
    figure.legend(handles=marks, loc="outside lower center", ncols=min(len(marks), 3), fontsize=6.5)
