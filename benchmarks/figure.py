"""The frontier: how far from real rows, how much is remembered, what it cost. One panel for each cohort."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.table import display_name, summarise
from synthlib.paper.style import HOLDOUT, OTHERS, SYNTHETIC, WIDTH, new_figure, save, styled

NAME = "benchmark_frontier"
COLUMNS = 3
NEAR, FAR = 0.44, 0.86  # limits of the membership axis
LOW, HIGH = 0.34, 1.03  # and of the two-sample axis
TICKS = (0.45, 0.5, 0.52, 0.55, 0.6, 0.7, 0.8)
SMALLEST, GROWTH = (
    13,
    2.0,
)  # area of a mark, points squared, up to a CPU second; its factor for ten times as many
OURS = {"TabularGPT": "*", "TabularGAN": "P"}
REFERENCES = {"holdout": "D", "independent": "X", "bootstrap": "s"}
GREEN, PINK, AMBER, SKY, BLACK, _ = OTHERS
PEERS = {  # trees are circles, neural networks triangles
    "seqtrees": ("o", GREEN),
    "synthpop": ("o", PINK),
    "arf": ("o", AMBER),
    "tabular_argn": ("^", SKY),
    "ctgan": ("^", BLACK),
    "tvae": ("v", PINK),
    "gaussian_copula": ("p", SKY),
}


def frontier(rows: pd.DataFrame):
    """Membership attack against two-sample test for each cohort; the area grows with the fit's CPU time.

    Args:
        rows: from `read_results`.

    Returns:
        matplotlib Figure.
    """
    models = summarise(rows).dropna(subset=["c2st_snapped", "mia_density"])
    names = list(dict.fromkeys(models["cohort"]))
    num_columns = min(COLUMNS, max(1, len(names)))
    num_lines = max(1, -(-len(names) // num_columns))
    with styled():
        figure = new_figure(WIDTH, 2.3 * num_lines + 0.75)
        grid = figure.subplots(num_lines, num_columns, sharex=True, sharey=True, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place >= len(names):
                axes.set_visible(False)
                continue
            _draw_panel(axes, models[models["cohort"] == names[place]], names[place])
            if place % num_columns == 0:
                axes.set_ylabel("two-sample AUROC, snapped")
            if place + num_columns >= len(names):
                axes.tick_params(labelbottom=True)
                axes.set_xlabel("membership AUROC")
        _draw_legends(figure, models)
    return figure


def save_frontier(rows: pd.DataFrame, folder: Path) -> Path:
    """Write the figure as PDF and PNG; the path of the PDF."""
    return save(frontier(rows), NAME, folder)


def _draw_panel(axes, models: pd.DataFrame, cohort: str) -> None:
    axes.set_title(cohort)
    axes.axvline(0.5, color="0.8", linewidth=0.6, zorder=0)
    axes.axhline(0.5, color="0.8", linewidth=0.6, zorder=0)
    axes.set_xscale("function", functions=(_spread, _unspread))
    axes.set_xlim(NEAR, FAR)
    axes.set_xticks(TICKS, [f"{tick:g}".lstrip("0") for tick in TICKS])
    axes.set_ylim(LOW, HIGH)
    for _, model in models.sort_values("fit_cpu_s", ascending=False, na_position="first").iterrows():
        marker, color = _look(model["model"])
        at = np.clip(model["mia_density"], NEAR, FAR), np.clip(model["c2st_snapped"], LOW, HIGH)
        axes.errorbar(
            *at,
            xerr=_error(model["mia_density_sd"]),
            yerr=_error(model["c2st_snapped_sd"]),
            color=color,
            linewidth=0.7,
            zorder=2,
        )
        axes.scatter(
            *at,
            s=_area(model["fit_cpu_s"]),
            marker=marker,
            color=color,
            alpha=0.85,
            edgecolor="white",
            linewidth=0.5,
            zorder=3 + (model["role"] == "ours"),
            clip_on=False,
        )


def _draw_legends(figure, models: pd.DataFrame) -> None:
    """What the marks mean on the left, what their sizes mean on the right."""
    from matplotlib.lines import Line2D

    there = set(models["model"])
    order = [name for name in (*OURS, *PEERS, *REFERENCES) if name in there]
    marks = []
    for name in [*order, *sorted(there - set(order))]:
        marker, color = _look(name)
        shown = display_name(name).replace(" (reference)", "")
        marks.append(Line2D([], [], linestyle="", marker=marker, color=color, markersize=5.5, label=shown))
    hollow = {
        "linestyle": "",
        "marker": "o",
        "markerfacecolor": "none",
        "color": "0.4",
        "markeredgewidth": 0.6,
    }
    sizes = [
        Line2D([], [], markersize=np.sqrt(_area(seconds)), label=f"{seconds:,} CPU s to fit", **hollow)
        for seconds in (1, 10, 100, 1000)
    ]
    close = {"columnspacing": 1.1, "handletextpad": 0.4, "alignment": "left"}
    title = (
        "At 0.5 rows cannot be told from real ones, and nobody is remembered: best is where the lines cross."
    )
    figure.legend(handles=marks, loc="outside lower left", ncols=4, title=title, title_fontsize=6.5, **close)
    figure.legend(handles=sizes, loc="outside lower right", ncols=1, **close)


def _look(name: str) -> tuple[str, str]:
    """Marker and colour: ours orange, references grey, peers from the palette."""
    if name in OURS:
        return OURS[name], SYNTHETIC
    if name in REFERENCES:
        return REFERENCES[name], HOLDOUT
    return PEERS.get(name, ("<", "0.3"))


def _area(seconds: float) -> float:
    """What fits nothing is as small as what fits within a second; ten times the seconds, twice the area."""
    return SMALLEST * GROWTH ** np.log10(max(seconds, 1)) if seconds == seconds else SMALLEST


def _error(deviation: float) -> float | None:
    return None if pd.isna(deviation) else float(deviation)


def _spread(values: np.ndarray) -> np.ndarray:
    """Most models lie within a few hundredths of 0.5: stretch there, compress beyond."""
    excess = np.asarray(values, dtype=float) - 0.5
    return np.sign(excess) * np.sqrt(np.abs(excess))


def _unspread(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    return 0.5 + np.sign(values) * values**2
