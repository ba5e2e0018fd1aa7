"""Figures of clinical relations, and of what conditioning shows beside what an intervention does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synthlib.paper.style import DIVERGING, HOLDOUT, OTHERS, REAL, SYNTHETIC, WIDTH, new_figure, shorten, styled

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
    strongest disagreements, one for each pair of columns, numbered as above; below, the odds ratios of the
    facts with the strongest relations.

    Args:
        relations: from `synthlib.evaluation.relations.clinical_relations`.
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
        figure = new_figure(WIDTH, 2.9 + 0.17 * num_labels + (3.6 if facts else 0.3))
        heights = [2.6, 0.3 + 0.17 * num_labels] + ([3.6] if facts else [])
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
    """The relations that differ most in standard errors, one for each pair of columns, largest first."""
    halves = [of_kind[f"{table}_high"] - of_kind[table] for table in ("real", "synthetic")]
    gap = (of_kind["synthetic"] - of_kind["real"]).abs() / np.hypot(*halves)
    ordered = of_kind.loc[gap[~of_kind["agrees"]].sort_values(ascending=False, kind="stable").index]
    homes = [
        tuple(sorted(name.partition("=")[0].removesuffix(" missing") for name in pair))
        for pair in zip(ordered["first"], ordered["second"], strict=True)
    ]
    return ordered[~pd.Series(homes, index=ordered.index, dtype=object).duplicated()].head(most)


def _draw_effects(axes: Axes, of_kind: pd.DataFrame, worst: pd.DataFrame, label: str) -> None:
    reach = 1.08 * float(np.nanmax(np.abs(of_kind[["real", "synthetic"]])))
    axes.plot([-reach, reach], [-reach, reach], color="0.6", linewidth=0.7, zorder=1)
    for agrees, colour, level in ((True, HOLDOUT, 2), (False, SYNTHETIC, 3)):
        rows = of_kind[of_kind["agrees"] == agrees]
        ends = {
            error: np.array([rows[table] - rows[f"{table}_low"], rows[f"{table}_high"] - rows[table]])
            for error, table in (("xerr", "real"), ("yerr", "synthetic"))
        }
        style = {"fmt": "none", "ecolor": colour, "elinewidth": 0.35, "alpha": 0.18, "zorder": level}
        axes.errorbar(rows["real"], rows["synthetic"], **ends, **style, rasterized=True)
        dots = {"s": 4, "color": colour, "alpha": 0.55, "linewidths": 0, "zorder": level}
        axes.scatter(rows["real"], rows["synthetic"], **dots, rasterized=True)
    _number_points(axes, worst, reach)
    share = float(of_kind["agrees"].mean())
    title = f"{len(of_kind):,} relations, {share:.0%} agree"
    if of_kind["holdout"].notna().any():
        title += f" (holdout {of_kind['holdout_agrees'].mean():.0%})"
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel=f"train: {label}", ylabel="synthetic", title=title)
    axes.set_aspect("equal")


def _number_points(axes: Axes, worst: pd.DataFrame, reach: float) -> None:
    """Numbers beside the strongest disagreements, moved up or down until none covers another."""
    ring = {"s": 14, "facecolors": "none", "edgecolors": "black", "linewidths": 0.6, "zorder": 5}
    axes.scatter(worst["real"], worst["synthetic"], **ring)
    apart, taken = 0.13 * reach, []
    for number, (x, y) in enumerate(zip(worst["real"], worst["synthetic"], strict=True), 1):
        tries = [(dx, dy) for dx in (1, -1, 2, -2) for dy in (0, 1, -1, 2, -2, 3, -3)]
        spots = [(x + 0.07 * dx * reach, y + 0.09 * dy * reach) for dx, dy in tries]
        spots = [at for at in spots if max(map(abs, at)) < 0.95 * reach] or spots
        free = [at for at in spots if all(max(abs(at[0] - a), abs(at[1] - b)) >= apart for a, b in taken)]
        at = (free or spots)[0]
        taken.append(at)
        line = {"arrowstyle": "-", "linewidth": 0.4, "color": "0.3", "shrinkA": 0, "shrinkB": 2}
        centred = {"ha": "center", "va": "center", "fontsize": 6.5, "zorder": 6}
        axes.annotate(str(number), (x, y), at, arrowprops=line, **centred)


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
        axes.text(0.5, 0.5, "no disagreement", transform=axes.transAxes, ha="center", va="center", color="0.4")


def _draw_matrices(figure, drawn: pd.DataFrame, facts: list[str], most: float) -> None:
    panels = {"train": ("real", REAL), "synthetic": ("synthetic", SYNTHETIC)}
    size = min(6.0, 140 / len(facts))
    all_axes = figure.subplots(1, 2)
    for axes, (title, (column, colour)) in zip(all_axes, panels.items(), strict=True):
        values = _matrix(drawn, column).loc[facts, facts]
        image = axes.imshow(values, cmap=DIVERGING, vmin=-most, vmax=most, interpolation="nearest")
        axes.set_title(title, color=colour, fontweight="bold")
        labels = [shorten(name, 20) for name in facts]
        axes.set_xticks(range(len(facts)), labels, rotation=90, fontsize=size)
        axes.set_yticks(range(len(facts)), labels, fontsize=size)
        axes.tick_params(length=0, pad=1, labelleft=title == "train")
        axes.set_facecolor("0.88")
        for side in axes.spines.values():
            side.set_visible(False)
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
