"""Figures of tables: a cohort, and its distributions, quantiles and associations beside synthetic ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synthlib.evaluation.features import codes, missing, numbers, present
from synthlib.evaluation.fidelity.association import association_matrix
from synthlib.evaluation.fidelity.columns import kolmogorov_smirnov, total_variation
from synthlib.paper.style import HOLDOUT, REAL, SYNTHETIC, WIDTH, draw_matrix, new_figure, shorten, styled
from synthlib.schema import Column, Schema

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LEVELS = 8
UNITS = {"a": "years", "d": "days", "mm[Hg]": "mmHg", "10*3/uL": "10³/µL", "/min": "per min"}  # from UCUM
TAILS = (0.005, 0.995)  # no axis shows a single patient's extreme value


def plot_cohort(train: pd.DataFrame, schema: Schema, columns: Sequence[str] | None = None) -> Figure:
    """The training table: what its columns hold, and how much of it is missing.

    Args:
        train: DataFrame of shape (num_rows, num_columns).
        schema: its Schema.
        columns: at most nine to draw; by default the target, quasi-identifiers, then in the table's order.
    """
    chosen = _named(columns, schema) if columns else _characteristic(schema)
    rates = pd.Series({column.name: float(missing(train, column).mean()) for column in schema.modelled})
    num_incomplete, rates = int((rates > 0).sum()), rates.sort_values(kind="stable").tail(30)
    rates, num_columns = rates[rates >= 0.005], len(schema.modelled)
    with styled():
        figure = new_figure(WIDTH, 4.2)
        left, right = figure.subfigures(1, 2, width_ratios=[2.3, 1]) if len(rates) else (figure, None)
        for axes, column in zip(_grid(left, len(chosen), 3), chosen, strict=True):
            _draw_distribution(axes, column, {"train": train})
        if right is not None:
            axes = right.subplots()
            axes.barh(range(len(rates)), 100 * rates, color=REAL, height=0.7)
            axes.set_yticks(range(len(rates)), [shorten(name, 18) for name in rates.index], fontsize=6)
            axes.set_ylim(-0.6, len(rates) - 0.4)
            axes.set(xlabel="% missing", title=f"Incomplete: {num_incomplete} of {num_columns} columns")
            axes.tick_params(axis="y", length=0)
        figure.suptitle(f"Training table: {len(train):,} rows, {num_columns} columns", fontsize=9)
    return figure


def marginals(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    columns: Sequence[str] | None = None,
    num_columns: int = 20,
) -> Figure:
    """Distributions as small multiples: train, synthetic, the holdout in grey, and their missing rates.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        columns: names to draw, in this order; by default those that differ most, furthest first.
        num_columns: how many when `columns` does not say.
    """
    chosen = _named(columns or [], schema) or _furthest(train, holdout, synthetic, schema)[:num_columns]
    tables = {"train": train, "holdout": holdout, "synthetic": synthetic}
    num_rows = -(-len(chosen) // 5)
    with styled():
        figure = new_figure(WIDTH, 1.35 * num_rows + 0.5)
        for axes, column in zip(_grid(figure, len(chosen), min(5, len(chosen))), chosen, strict=True):
            _draw_distribution(axes, column, tables)
        if not columns:
            text = f"{len(chosen)} of {len(schema.modelled)} columns, those furthest from train first"
            figure.suptitle(text, fontsize=9)
        _legend(figure, ["train", "synthetic", "holdout"])
    return figure


def qq_plots(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    columns: Sequence[str] | None = None,
    num_columns: int = 15,
) -> Figure:
    """Synthetic percentiles (1 to 99) against training ones, the holdout's in grey; the line is equality.

    Args:
        train, holdout, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        columns: names of numeric columns; by default those that differ most, furthest first.
        num_columns: how many when `columns` does not say.

    Raises:
        ValueError: if there is no numeric column to draw.
    """
    chosen = _named(columns, schema) if columns else _furthest(train, holdout, synthetic, schema)
    chosen = [column for column in chosen if column.is_numeric][: None if columns else num_columns]
    if not chosen:
        raise ValueError("expected at least one numeric column to draw, got none")
    levels = np.linspace(0.01, 0.99, 99)
    with styled():
        figure = new_figure(WIDTH, 1.45 * -(-len(chosen) // 5) + 0.5)
        for axes, column in zip(_grid(figure, len(chosen), min(5, len(chosen))), chosen, strict=True):
            real = _quantiles(train, column, levels)
            for table, colour, size in ((holdout, HOLDOUT, 3), (synthetic, SYNTHETIC, 5)):
                other = _quantiles(table, column, levels)
                axes.scatter(real, other, s=size, color=colour, linewidths=0, zorder=3)
            ends = [real[0], real[-1]]
            axes.plot(ends, ends, color=REAL, linewidth=0.9, zorder=2)
            axes.set_title(shorten(column.name, 18))
            for axis in ("x", "y"):
                _calm_ticks(axes, column, axis)
        figure.supxlabel("training percentiles", fontsize=7)
        figure.supylabel("percentiles of the other table", fontsize=7)
        _legend(figure, ["synthetic", "holdout"], "outside upper right")
    return figure


def association_heatmaps(
    train: pd.DataFrame, synthetic: pd.DataFrame, schema: Schema, num_columns: int = 30
) -> Figure:
    """Associations of the columns in train, in synthetic, and how much the second differs from the first.

    Args:
        train, synthetic: DataFrames of shape (num_rows, num_columns).
        schema: theirs.
        num_columns: how many columns, those most associated with others in train; alike ones stand together.
    """
    real, made = (association_matrix(table, schema) for table in (train, synthetic))
    strength = (real.abs().sum() - 1).fillna(0).sort_values(ascending=False, kind="stable")
    names = _ordered_alike(real.loc[strength.index[:num_columns], strength.index[:num_columns]])
    panels = {"train": real, "synthetic": made, "synthetic − train": made - real}
    with styled():
        height = 2.1 + 0.033 * len(names)
        figure = new_figure(WIDTH + 1, height)
        all_axes = figure.subplots(1, 3)
        most = np.nanmax(np.abs(panels["synthetic − train"].loc[names, names].to_numpy()), initial=0.0)
        limits = (1, 1, max(0.05, np.ceil(20 * most) / 20))  # on a scale of 1 no difference would show
        size = min(6.5, 150 / max(len(names), 1))
        images = [
            draw_matrix(axes, matrix.loc[names, names], title, limit, size, 12, "0.85")
            for axes, (title, matrix), limit in zip(all_axes, panels.items(), limits, strict=True)
        ]
        label = "association" + (" (grey: undefined)" if made.isna().any(axis=None) else "")
        bar = {"shrink": 0.75, "aspect": 30, "pad": 0.01}
        figure.colorbar(images[0], ax=all_axes[:2], label=label, **bar)
        figure.colorbar(images[2], ax=all_axes[2], label="difference", **bar)
        if len(names) < len(schema.modelled):
            text = f"{len(names)} of {len(schema.modelled)} columns, those most associated with others"
            figure.suptitle(text, fontsize=9)
    return figure


def _named(names: Sequence[str], schema: Schema) -> list[Column]:
    known = {column.name: column for column in schema.modelled}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"expected columns of the table that are no identifiers, got {', '.join(unknown)}")
    return [known[name] for name in names]


def _characteristic(schema: Schema) -> list[Column]:
    first = [schema.target, *schema.quasi_identifiers]
    rest = [column.name for column in schema.modelled if column.name not in schema.leaks]
    names = list(dict.fromkeys(name for name in [*first, *rest] if name is not None))
    return [schema[name] for name in names if schema[name].kind != "identifier"][:9]


def _furthest(train, holdout, synthetic, schema: Schema) -> list[Column]:
    """Columns by the distance of their distributions or the gap in missing rates, whichever is larger."""
    rng = np.random.default_rng(0)
    tables = (train, holdout, synthetic, schema, rng)
    scores = [*kolmogorov_smirnov(*tables), *total_variation(*tables)]
    distance = {score.metric.partition("[")[2][:-1]: np.nan_to_num(score.value, nan=1.0) for score in scores}
    for column in schema.modelled:
        gap = abs(missing(train, column).mean() - missing(synthetic, column).mean())
        distance[column.name] = max(distance[column.name], gap)
    return sorted(schema.modelled, key=lambda column: -distance[column.name])


def _grid(figure, num_panels: int, num_across: int) -> list[Axes]:
    num_down = -(-num_panels // num_across)
    panels = figure.subplots(num_down, num_across, squeeze=False).ravel()
    for empty in panels[num_panels:]:
        empty.remove()
    return list(panels[:num_panels])


def _draw_distribution(axes: Axes, column: Column, tables: dict[str, pd.DataFrame]) -> None:
    (_draw_numbers if column.is_numeric else _draw_levels)(axes, column, tables)
    unit = f" ({UNITS.get(column.unit, column.unit)})" if column.unit else ""
    axes.set_title(shorten(column.name + unit, 22), pad=10)
    rates = {name: missing(table, column).mean() for name, table in tables.items() if name != "holdout"}
    if max(rates.values()) < 0.005:
        return
    x = 0.0
    for position, (name, rate) in enumerate(rates.items()):
        text = f"missing {rate:.0%}" if position == 0 else f"{rate:.0%}"
        axes.text(x, 1.02, text, transform=axes.transAxes, fontsize=6, color=_colour(name), va="bottom")
        x += 0.55


def _draw_numbers(axes: Axes, column: Column, tables: dict[str, pd.DataFrame]) -> None:
    real = present(tables["train"], column)
    low, high = np.quantile(real, TAILS) if len(real) else (0.0, 1.0)
    bins = np.linspace(low, high if high > low else low + 1, 31)
    if column.kind == "integer":  # equally many whole numbers in each bin, or it looks like a comb
        step = np.ceil((high - low + 1) / 31)
        bins = np.arange(np.floor(low) - 0.5, high + step, step)
    for name, table in tables.items():
        values = present(table, column)
        share = np.histogram(values, bins)[0] / max(len(values), 1)
        if name == "train":
            axes.stairs(share, bins, fill=True, color=REAL, alpha=0.3, linewidth=0)
        width, level = (0.6, 2) if name == "holdout" else (1.0, 3)
        axes.stairs(share, bins, color=_colour(name), linewidth=width, zorder=level)
    axes.set_ylim(bottom=0)
    axes.set_xlim(bins[0], bins[-1])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _calm_ticks(axes, column, "x")


def _draw_levels(axes: Axes, column: Column, tables: dict[str, pd.DataFrame]) -> None:
    """A bar per level for train, a mark for each other table; the rarest levels are left out."""
    counts = np.bincount(present(tables["train"], column), minlength=len(column.categories))
    shown = np.argsort(-counts[: len(column.categories)], kind="stable")[:MAX_LEVELS]
    shown = np.sort(shown) if column.kind != "categorical" else shown
    rows = np.arange(len(shown))
    for name, table in tables.items():
        found = codes(table, column)
        found = found[found >= 0]
        share = np.array([(found == level).mean() if len(found) else 0.0 for level in shown])
        if name == "train":
            axes.barh(rows, share, color=REAL, alpha=0.3, height=0.75)
            axes.vlines(share, rows - 0.375, rows + 0.375, color=REAL, linewidth=1.2)
        else:
            size, level = (3, 3) if name == "holdout" else (4.5, 4)
            style = {"color": _colour(name), "markersize": size, "markeredgewidth": 0, "zorder": level}
            axes.plot(share, rows, "o", clip_on=False, **style)
    more = len(column.categories) - len(shown)
    labels = [shorten(column.categories[level], 12) for level in shown]
    axes.set_yticks(rows, labels, fontsize=6 if len(shown) < 6 else 5)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.locator_params(axis="x", nbins=3)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.tick_params(axis="y", length=0)
    if more:
        axes.set_xlabel(f"and {more} more levels", fontsize=5.5, labelpad=1)


def _calm_ticks(axes: Axes, column: Column, axis: str) -> None:
    """Few ticks: dates as months, whole numbers whole, large ones with an exponent."""
    from matplotlib.ticker import MaxNLocator

    of_axis = axes.xaxis if axis == "x" else axes.yaxis
    if column.kind == "datetime":
        of_axis.set_major_locator(MaxNLocator(2))
        of_axis.set_major_formatter(lambda day, _: f"{pd.Timestamp(0) + pd.Timedelta(days=day):%Y-%m}")
        return
    of_axis.set_major_locator(MaxNLocator(3, integer=column.kind == "integer"))
    axes.ticklabel_format(axis=axis, style="sci", scilimits=(-3, 5), useMathText=True)
    of_axis.get_offset_text().set_fontsize(5.5)


def _quantiles(table: pd.DataFrame, column: Column, levels: np.ndarray) -> np.ndarray:
    values = numbers(table, column)
    values = values[~np.isnan(values)]
    return np.quantile(values, levels) if len(values) else np.full(len(levels), np.nan)


def _colour(name: str) -> str:
    return {"train": REAL, "synthetic": SYNTHETIC, "holdout": HOLDOUT}[name]


def _legend(figure: Figure, names: Sequence[str], where: str = "outside lower center") -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=_colour(name), linewidth=3, label=name) for name in names]
    figure.legend(handles=handles, loc=where, ncols=len(names))


def _ordered_alike(matrix: pd.DataFrame) -> list[str]:
    """Names in the order of a clustering, so that associated columns are neighbours."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(matrix) < 3:
        return list(matrix.index)
    distance = 1 - matrix.abs().fillna(0).to_numpy()
    np.fill_diagonal(distance, 0)
    order = leaves_list(linkage(squareform((distance + distance.T) / 2, checks=False), "average"))
    return [matrix.index[position] for position in order]
