"""Figures of clinical relations, and of what conditioning shows beside what an intervention does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synthlib.paper.style import (
    HOLDOUT,
    OTHERS,
    REAL,
    SYNTHETIC,
    WIDTH,
    draw_matrix,
    new_figure,
    shorten,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = {"odds": "log odds ratio of two facts", "shift": "shift of a number (standard deviations)"}
WAYS = {  # column's prefix → colour, marker, label
    "conditioned": (SYNTHETIC, "o", "conditioning: synthetic patients given the value"),
    "standardised": (OTHERS[0], "s", "standardisation: synthetic twins who differ in the value alone"),
    "intervened": (REAL, "D", "intervention: everybody set to the value (truth)"),
}


def comorbidity_structure(
    relations: pd.DataFrame, num_labels: int = 8, num_facts: int = 24, most: float = 4.0
) -> Figure:
    """Clinical relations of the synthetic table against those of train.

    Above, every relation (those whose 95% intervals speak for a difference in orange); in the middle the
    strongest disagreements, no column in more than two, numbered as above; below, the odds ratios of the
    facts with the strongest relations.

    Args:
        relations: from `synthlib.evaluation.fidelity.relations.clinical_relations`.
        num_labels: disagreements of each kind to name.
        num_facts: facts in the matrices.
        most: the matrices' colours end at this log odds ratio.

    Raises:
        ValueError: if no relation can be drawn.
    """
    drawn = relations.dropna(subset=["real", "synthetic"])
    kinds = [kind for kind in KINDS if (drawn["kind"] == kind).any()]
    if not kinds:
        raise ValueError("expected relations that both tables show, got none; more patients may have some")
    facts = _strongest_facts(drawn, num_facts)
    with styled():
        heights = [3.0, 0.4 + 0.17 * num_labels] + ([3.9] if facts else [])
        figure = new_figure(WIDTH, sum(heights) + 0.3)
        parts = figure.subfigures(len(heights), 1, height_ratios=heights)
        above, between = (part.subplots(1, len(kinds), squeeze=False)[0] for part in parts[:2])
        for upper, lower, kind in zip(above, between, kinds, strict=True):
            of_kind = drawn[drawn["kind"] == kind]
            worst = _disagreements(of_kind, num_labels)
            _draw_effects(upper, of_kind, worst, KINDS[kind])
            _draw_disagreements(lower, worst, KINDS[kind])
        if facts:
            _draw_matrices(parts[2], drawn, facts, most)
        _legend(figure)
    return figure


def conditioning_and_intervention(comparisons: Mapping[str, pd.DataFrame]) -> Figure:
    """What conditioning on a variable shows beside what setting it does: outcome rates, and their difference.

    Args:
        comparisons: title of the panel → result of `compare_interventions` in
            `synthlib.evaluation.fidelity.conditionals`.

    Raises:
        ValueError: if there is nothing to compare.
    """
    if not comparisons:
        raise ValueError("expected at least one comparison, got none")
    shown = [way for way in WAYS if any(way in report.columns for report in comparisons.values())]
    most = max(int((report["quantity"] == "rate").sum()) for report in comparisons.values())
    heights = [0.32 * most * len(shown) / 2 + 0.35, 0.16 * len(shown) + 0.45]
    with styled():
        figure = new_figure(min(WIDTH, 3.2 * len(comparisons) + 0.6), sum(heights) + 0.9)
        panels = figure.subplots(2, len(comparisons), squeeze=False, height_ratios=heights, sharex="row")
        for (rates, effects), (title, report) in zip(panels.T, comparisons.items(), strict=True):
            for axes, quantity in ((rates, "rate"), (effects, "effect")):
                _draw_ways(axes, report[report["quantity"] == quantity], shown)
            rates.set(title=title, xlabel="outcome rate")
            effects.axvline(0, color="0.7", linewidth=0.6, zorder=1)
            effects.set_xlabel("difference of the rates")
        _way_legend(figure, shown)
    return figure


def _draw_ways(axes: Axes, rows: pd.DataFrame, shown: list[str]) -> None:
    for place, way in enumerate(shown):
        if way not in rows.columns:
            continue
        colour, marker, _ = WAYS[way]
        y = np.arange(len(rows)) + 0.24 * (place - (len(shown) - 1) / 2)
        axes.hlines(y, rows[f"{way}_low"], rows[f"{way}_high"], color=colour, linewidth=1.3)
        face = "none" if way == "intervened" else colour
        axes.plot(rows[way], y, marker, color=colour, markerfacecolor=face, markersize=4, zorder=3)
    axes.set_yticks(range(len(rows)), [shorten(value, 20) for value in rows["value"]])
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.locator_params(axis="x", nbins=5)
    axes.margins(x=0.08)


def _way_legend(figure: Figure, shown: list[str]) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for way in shown:
        colour, marker, label = WAYS[way]
        face = "none" if way == "intervened" else colour
        style = {"color": colour, "marker": marker, "markerfacecolor": face, "markersize": 4}
        handles.append(Line2D([], [], label=label, **style))
    figure.legend(handles=handles, loc="outside lower center", ncols=1)


def _strongest_facts(drawn: pd.DataFrame, num_facts: int) -> list[str]:
    """Facts by their strongest relations in train, related ones beside each other; none with fewer than 3."""
    matrix = _matrix(drawn, "real")
    if len(matrix) < 3:
        return []
    strength = matrix.abs().fillna(0).apply(lambda row: np.sort(row)[-3:].mean(), axis=1)
    names = strength.sort_values(ascending=False, kind="stable").index[:num_facts]
    return _ordered_alike(matrix.loc[names, names])


def _matrix(drawn: pd.DataFrame, column: str) -> pd.DataFrame:
    odds = drawn[drawn["kind"] == "odds"]
    names = list(dict.fromkeys([*odds["first"], *odds["second"]]))
    matrix = pd.DataFrame(np.nan, index=names, columns=names)
    place = {name: position for position, name in enumerate(names)}
    rows, columns = odds["first"].map(place), odds["second"].map(place)
    values = matrix.to_numpy(copy=True)
    values[rows, columns] = values[columns, rows] = odds[column]
    return pd.DataFrame(values, index=names, columns=names)


def _ordered_alike(matrix: pd.DataFrame) -> list[str]:
    """Names in the order of a clustering by their profiles of effects."""
    from scipy.cluster.hierarchy import leaves_list, linkage

    order = leaves_list(linkage(matrix.fillna(0).clip(-4, 4).to_numpy(), "average", optimal_ordering=True))
    return [matrix.index[position] for position in order]


def _disagreements(of_kind: pd.DataFrame, most: int) -> pd.DataFrame:
    """The relations that differ most in standard errors, largest first; no column in more than two."""
    halves = [of_kind[f"{table}_high"] - of_kind[table] for table in ("real", "synthetic")]
    gap = (of_kind["synthetic"] - of_kind["real"]).abs() / np.hypot(*halves)
    ordered = of_kind.loc[gap[~of_kind["agrees"]].sort_values(ascending=False, kind="stable").index]
    used, pairs, chosen = Counter(), set(), []
    for index, *names in ordered[["first", "second"]].itertuples():
        homes = tuple(sorted(name.partition("=")[0].removesuffix(" missing") for name in names))
        kind = ("missing", all(name.endswith(" missing") for name in names))
        if homes in pairs or max(used[home] for home in homes) >= 2 or len(chosen) == most:
            continue
        if not kind[1] or used[kind] < most // 4:  # what goes missing together would fill the list
            used[kind] += 1
            chosen.append(index)
            pairs.add(homes)
            used.update(homes)
    return ordered.loc[chosen]


def _draw_effects(axes: Axes, of_kind: pd.DataFrame, worst: pd.DataFrame, label: str) -> None:
    sizes = np.abs(of_kind[["real", "synthetic"]].to_numpy())
    reach = min(1.08 * sizes.max(), 1.5 * np.quantile(sizes.max(axis=1), 0.98))
    axes.plot([-reach, reach], [-reach, reach], color="0.6", linewidth=0.7, zorder=1)
    beyond = int((sizes > reach).any(axis=1).sum())
    for agrees, colour, level in ((True, HOLDOUT, 2), (False, SYNTHETIC, 3)):
        rows = of_kind[of_kind["agrees"] == agrees]
        x, y = (rows[table].clip(-0.985 * reach, 0.985 * reach) for table in ("real", "synthetic"))
        ends = {
            error: np.array([rows[table] - rows[f"{table}_low"], rows[f"{table}_high"] - rows[table]])
            for error, table in (("xerr", "real"), ("yerr", "synthetic"))
        }
        style = {"fmt": "none", "ecolor": colour, "elinewidth": 0.35, "alpha": 0.18, "zorder": level}
        axes.errorbar(x, y, **ends, **style, rasterized=True)
        axes.scatter(x, y, s=4, color=colour, alpha=0.55, linewidths=0, zorder=level, rasterized=True)
    _number_points(axes, worst[["real", "synthetic"]].clip(-0.985 * reach, 0.985 * reach).to_numpy(), reach)
    title = f"{len(of_kind):,} relations, {of_kind['agrees'].mean():.0%} agree"
    if of_kind["holdout"].notna().any():
        title += f" (holdout {of_kind['holdout_agrees'].mean():.0%})"
    below = f"train: {label}" + (f"\n{beyond} larger ones at the edge" if beyond else "")
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel=below, ylabel="synthetic", title=title)
    axes.set_aspect("equal")
    axes.locator_params(nbins=6)


def _number_points(axes: Axes, points: np.ndarray, reach: float) -> None:
    """Numbers around the strongest disagreements, each where no other number or ringed point stands."""
    from matplotlib.patheffects import Normal, Stroke

    axes.scatter(*points.T, s=12, facecolors="none", edgecolors="black", linewidths=0.6, zorder=5)
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    taken = [tuple(point) for point in points]
    for number, point in enumerate(points, 1):
        # away from the diagonal first, where there are few points
        away = np.arctan2(*(1, -1) if point[1] > point[0] else (-1, 1))
        turns = sorted(angles, key=lambda angle: -np.cos(angle - away))
        spots = [
            point + reach * far * np.array([np.cos(angle), np.sin(angle)])
            for far in (0.16, 0.26, 0.36, 0.48)
            for angle in turns
        ]
        spots = [at for at in spots if np.abs(at).max() < 0.95 * reach]
        clear = [min(np.abs(at - np.array(other)).max() for other in taken) for at in spots]
        free = [at for at, gap in zip(spots, clear, strict=True) if gap >= 0.09 * reach]
        at = tuple(free[0] if free else spots[int(np.argmax(clear))])
        taken.append(at)
        line = {"arrowstyle": "-", "linewidth": 0.45, "color": "0.2", "shrinkA": 4, "shrinkB": 2}
        centred = {"ha": "center", "va": "center", "fontsize": 7, "zorder": 6}
        text = axes.annotate(str(number), tuple(point), at, arrowprops=line, **centred)
        text.set_path_effects([Stroke(linewidth=2, foreground="white"), Normal()])


def _draw_disagreements(axes: Axes, worst: pd.DataFrame, label: str) -> None:
    for row, relation in enumerate(worst.itertuples()):
        for table, colour, offset in (("real", REAL, -0.16), ("synthetic", SYNTHETIC, 0.16)):
            ends = [getattr(relation, f"{table}_{end}") for end in ("low", "high")]
            axes.plot(ends, [row + offset] * 2, color=colour, linewidth=1.2, solid_capstyle="butt")
            axes.plot(getattr(relation, table), row + offset, "o", color=colour, markersize=3)
    names = [
        f"{shorten(one.first, 20)} {'×' if one.kind == 'odds' else 'if'} {shorten(one.second, 20)}  {row}"
        for row, one in enumerate(worst.itertuples(), 1)
    ]
    axes.axvline(0, color="0.8", linewidth=0.6, zorder=1)
    axes.set_yticks(range(len(worst)), names, fontsize=6)
    axes.set_ylim(max(len(worst), 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(label)
    if not len(worst):
        axes.text(
            0.5, 0.5, "no disagreement", transform=axes.transAxes, ha="center", va="center", color="0.4"
        )


def _draw_matrices(figure, drawn: pd.DataFrame, facts: list[str], most: float) -> None:
    size = min(6.0, 140 / len(facts))
    all_axes = figure.subplots(1, 2)
    for axes, title, column in zip(all_axes, ("train", "synthetic"), ("real", "synthetic"), strict=True):
        matrix = _matrix(drawn, column).loc[facts, facts]
        image = draw_matrix(axes, matrix, title, most, size, 20, "0.88")
    bar = figure.colorbar(image, ax=all_axes, shrink=0.8, aspect=30, pad=0.01, extend="both")
    ratios = [ratio for ratio in (0.02, 0.1, 0.3, 1, 3, 10, 50) if abs(np.log(ratio)) <= most]
    bar.set_ticks(np.log(ratios), labels=[f"{ratio:g}" for ratio in ratios])
    bar.set_label("odds ratio (grey: one column, or too few patients)")


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D

    dots = {"linestyle": "", "marker": "o", "markersize": 3.5}
    handles = [
        Line2D([], [], color=HOLDOUT, label="agrees with train", **dots),
        Line2D([], [], color=SYNTHETIC, label="differs by more than chance", **dots),
        Line2D([], [], color=REAL, marker="o", markersize=3, label="train, 95% interval"),
        Line2D([], [], color=SYNTHETIC, marker="o", markersize=3, label="synthetic, 95% interval"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
