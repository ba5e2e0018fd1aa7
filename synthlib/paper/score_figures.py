"""Figures of scores: prediction, training, a report's headlines, and several generators beside each other."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synthlib.areas import find_measure
from synthlib.evaluation.intervals import auroc, auroc_error, auroc_interval
from synthlib.paper.style import HOLDOUT, OTHERS, REAL, SYNTHETIC, WIDTH, new_figure, shorten, styled
from synthlib.scores import wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Metric → its label, and which way is better: up, down, or towards the reference.
HEADLINES = {
    "marginal_accuracy_1way": ("single columns (accuracy)", "up"),
    "marginal_accuracy_2way": ("pairs of columns (accuracy)", "up"),
    "marginal_accuracy_3way": ("triples of columns (accuracy)", "up"),
    "sdmetrics_quality": ("SDMetrics quality", "up"),
    "association_distance": ("associations (distance)", "down"),
    "missing_rate_difference": ("missing rates (distance)", "down"),
    "invalid_share": ("impossible values", "down"),
    "c2st_boosting": ("told apart by boosting (AUROC)", "near"),
    "c2st_logistic": ("told apart by logistic (AUROC)", "near"),
    "tstr_auroc_boosting": ("predicts real outcome, boosting (AUROC)", "up"),
    "tstr_auroc_logistic": ("predicts real outcome, logistic (AUROC)", "up"),
    "tstr_brier_boosting": ("error on real outcome, boosting (Brier)", "down"),
    "exact_copies": ("exact copies", "down"),
    "dcr_share": ("closer to train than to holdout", "near"),
    "membership_auroc": ("membership attack (AUROC)", "near"),
    "membership_auroc_control": ("control: the attack on copies (AUROC)", "control"),
}
ARROWS = {"up": "↑", "down": "↓", "near": "→ ◇", "control": ""}
SECTIONS = {"fidelity": range(9), "usefulness": range(9, 12), "copying": range(12, 16)}
COMPARED = (
    "marginal_accuracy_2way",
    "association_distance",
    "c2st_boosting",
    "tstr_auroc_boosting",
    "dcr_share",
    "membership_auroc",
)
LIKELIHOODS = {"nats": "training", "validation": "validation", "independent": "independent columns"}


def roc_and_calibration(predictions: pd.DataFrame) -> Figure:
    """ROC curves and calibration on the holdout, of models trained on real and on synthetic rows.

    Calibration points are tenths of the patients by predicted risk, with 95% Wilson intervals.

    Args:
        predictions: from `synthlib.evaluation.usefulness.utility.predict_holdout`.
    """
    learners = list(dict.fromkeys(predictions["learner"]))
    with styled():
        figure = new_figure(5.6, 2.6 * len(learners))
        panels = figure.subplots(len(learners), 2, squeeze=False)
        for (left, right), learner in zip(panels, learners, strict=True):
            for axes in (left, right):
                axes.plot([0, 1], [0, 1], color="0.75", linewidth=0.7, zorder=1)
                axes.set_aspect("equal")
                axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
            of_learner = predictions[predictions["learner"] == learner]
            for source, colour in (("train", REAL), ("synthetic", SYNTHETIC)):
                rows = of_learner[of_learner["trained_on"] == source]
                truth, probability = rows["truth"].to_numpy(), rows["probability"].to_numpy()
                _draw_roc(left, truth, probability, colour, source)
                _draw_calibration(right, truth, probability, colour)
            left.set(title=f"{learner}: discrimination", xlabel="false alarms", ylabel="events found")
            right.set(title=f"{learner}: calibration", xlabel="predicted risk", ylabel="observed share")
            left.legend(
                loc="lower right",
                title="trained on",
                title_fontsize=6.5,
                fontsize=6.5,
                handlelength=1.2,
                borderaxespad=0.2,
            )
    return figure


def training_curves(history: pd.DataFrame) -> Figure:
    """Losses over training steps, and the validation score with the step that was kept.

    Args:
        history: a row per validation with `step`, columns whose names hold "loss", and `validation` (lower is
            better) where there is one. `nats`, `validation` and `independent` share a panel.

    Raises:
        ValueError: if `step` or everything else is missing.
    """
    losses = [name for name in history.columns if "loss" in name and history[name].notna().any()]
    rest = [name for name in history.columns if name not in (*losses, "step") and history[name].notna().any()]
    if "step" not in history.columns or not (losses or rest):
        found = ", ".join(map(str, history.columns))
        raise ValueError(f"expected a column step and a loss or a score, got {found}")
    adversaries = [name for name in losses if name in ("critic_loss", "generator_loss")]
    panels = [names for names in (adversaries, [n for n in losses if n not in adversaries]) if names]
    likelihoods = [name for name in LIKELIHOODS if name in rest] if "nats" in rest else []
    panels += [likelihoods] * bool(likelihoods) + [[name] for name in rest if name not in likelihoods]
    colours = {"critic_loss": OTHERS[0], "generator_loss": SYNTHETIC, "validation": SYNTHETIC}
    colours |= {"nats": REAL, "independent": HOLDOUT}
    with styled():
        figure = new_figure(min(WIDTH, 2.6 * len(panels) + 0.6), 2.3)
        for axes, names in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            for name, other in zip(names, OTHERS, strict=False):
                colour = colours.get(name, other)
                label = LIKELIHOODS[name] if names == likelihoods else name.replace("_", " ")
                axes.plot(history["step"], history[name], color=colour, marker="o", markersize=2, label=label)
            title = names[0].replace("_", " ") if len(names) == 1 else "losses"
            title = "nats a record" if names == likelihoods else title
            axes.set(xlabel="step", title=title)
            if len(names) > 1:
                axes.legend()
            if "validation" in names:
                _mark_best(axes, history)
            axes.margins(y=0.12)
    return figure


def headline_scores(report: pd.DataFrame, title: str = "") -> Figure:
    """A report's main scores with their 95% intervals, each beside what real patients score.

    Args:
        report: from `evaluate`.
        title: what was evaluated.

    Raises:
        ValueError: if the report holds none of the main scores.
    """
    rows = report.set_index("metric")
    names = [name for name in HEADLINES if name in rows.index and np.isfinite(rows.loc[name, "value"])]
    if not names:
        raise ValueError("expected a report of evaluate, got one without any headline metric")
    with styled():
        figure = new_figure(WIDTH * 0.86, 0.21 * len(names) + 1.3)
        axes = figure.subplots()
        ticks, y = [], 0.0
        for section, places in SECTIONS.items():
            held = [name for place, name in enumerate(HEADLINES) if place in places and name in names]
            if held:
                where = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center"}
                axes.text(-0.01, y, section, fontweight="bold", **where)
            for name in held:
                y += 1
                ticks.append((y, name))
                _draw_score(axes, rows.loc[name], y)
            y += 1.3 if held else 0
        labels = [f"{HEADLINES[name][0]} {ARROWS[HEADLINES[name][1]]}" for _, name in ticks]
        axes.set_yticks([at for at, _ in ticks], labels)
        axes.set(ylim=(y - 0.3, -0.6), xlim=(-0.02, 1.02), title=title)
        axes.set_xlabel("score (↑ higher is better, ↓ lower is better, → ◇ the nearer the better)")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines["left"].set_visible(False)
        _score_legend(figure)
    return figure


def comparison(reports: Mapping[str, pd.DataFrame], metrics: tuple[str, ...] = COMPARED) -> Figure:
    """Several generators on one cohort: a panel per metric, a row per generator, real patients as a line.

    Args:
        reports: name of the generator → its report from `evaluate`.
        metrics: which metrics, present in at least one report.

    Raises:
        ValueError: if there are no reports, or none holds any of the metrics.
    """
    tables = {name: report.set_index("metric") for name, report in reports.items()}
    shown = [metric for metric in metrics if any(metric in table.index for table in tables.values())]
    if not shown:
        raise ValueError(f"expected reports with some of {', '.join(metrics)}, got {len(tables)} reports")
    across = min(3, len(shown))
    down = -(-len(shown) // across)
    with styled():
        figure = new_figure(WIDTH, down * (0.24 * len(tables) + 0.85) + 0.3)
        panels = figure.subplots(down, across, squeeze=False, sharey=True).ravel()
        for axes, metric in zip(panels, shown, strict=False):
            _draw_comparison(axes, metric, tables)
        for empty in panels[len(shown) :]:
            empty.remove()
        _score_legend(figure, "a real holdout scores")
    return figure


def _draw_roc(axes: Axes, truth: np.ndarray, probability: np.ndarray, colour: str, source: str) -> None:
    value = auroc(truth, probability)
    smaller = int(min(truth.sum(), len(truth) - truth.sum()))
    low, high = auroc_interval(value, auroc_error(truth, probability), smaller)
    order = np.argsort(-probability, kind="stable")
    last = np.append(np.diff(probability[order]) != 0, True)  # tied patients enter together
    hits, alarms = np.cumsum(truth[order])[last], np.cumsum(1 - truth[order])[last]
    x, y = (np.concatenate([[0], counts / max(counts[-1], 1)]) for counts in (alarms, hits))
    axes.plot(x, y, color=colour, label=f"{source}: {value:.3f} ({low:.3f}–{high:.3f})")


def _draw_calibration(axes: Axes, truth: np.ndarray, probability: np.ndarray, colour: str) -> None:
    groups = [rows for rows in np.array_split(np.argsort(probability, kind="stable"), 10) if len(rows)]
    x = [probability[rows].mean() for rows in groups]
    y = np.array([truth[rows].mean() for rows in groups])
    ends = np.array([wilson_interval(truth[rows].sum(), len(rows)) for rows in groups]).T
    style = {"color": colour, "marker": "o", "markersize": 3, "elinewidth": 0.7, "linewidth": 1}
    axes.errorbar(x, y, yerr=np.abs(ends - y), **style)


def _mark_best(axes: Axes, history: pd.DataFrame) -> None:
    best = history.loc[history["validation"].idxmin()]
    axes.axvline(best["step"], color=HOLDOUT, linewidth=0.8, linestyle="--", zorder=1)
    axes.plot(best["step"], best["validation"], "o", color=SYNTHETIC, markersize=5)
    late = best["step"] > history["step"].mean()
    where = {"xytext": (-3, -2), "ha": "right"} if late else {"xytext": (3, -2), "ha": "left"}
    axes.annotate(
        f"kept: step {best['step']:.0f}",
        (best["step"], 1),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        va="top",
        fontsize=6.5,
        color="0.35",
        **where,
    )


def _draw_score(axes: Axes, score: pd.Series, y: float) -> None:
    axes.plot([score["low"], score["high"]], [y, y], color=SYNTHETIC, linewidth=1.4, solid_capstyle="butt")
    axes.plot(score["value"], y, "o", color=SYNTHETIC, markersize=4.5, zorder=3)
    _draw_reference(axes, score, y)
    axes.annotate(
        f"{score['value']:.3f}",
        (1.0, y),
        xycoords=("axes fraction", "data"),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=6.5,
        annotation_clip=False,
    )


def _draw_reference(axes: Axes, score: pd.Series, y: float) -> None:
    style = {"markerfacecolor": "none", "markeredgecolor": REAL, "markersize": 5, "zorder": 4}
    axes.plot(score["reference"], y, "D", **style)


def _draw_comparison(axes: Axes, metric: str, tables: Mapping[str, pd.DataFrame]) -> None:
    label, better = HEADLINES.get(metric) or _describe(metric)
    references = []
    for y, table in enumerate(tables.values()):
        if metric not in table.index:
            continue
        score = table.loc[metric]
        axes.plot([score["low"], score["high"]], [y, y], color=SYNTHETIC, linewidth=1.4)
        axes.plot(score["value"], y, "o", color=SYNTHETIC, markersize=4.5)
        references.append(score["reference"])
        _draw_reference(axes, score, y)
    axes.axvline(float(np.nanmean(references)), color=REAL, linewidth=0.7, zorder=1)
    arrow = ARROWS.get(better, "").replace(" ", "\u00a0")  # stays on the line of the word before it
    axes.set_title(textwrap.fill(f"{label}\u00a0{arrow}", 28), fontsize=7)
    axes.set_yticks(range(len(tables)), [shorten(name, 22) for name in tables])
    axes.set_ylim(len(tables) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="x", color="0.92", linewidth=0.6)


def _describe(metric: str) -> tuple[str, str]:
    """Label and better side of a metric that is no headline."""
    measure = find_measure(metric)
    if measure is None:
        return metric, ""
    learner = metric.rpartition("_")[2] if measure.pattern.endswith("_*") else ""
    label = f"{measure.label}, {learner}" if learner and learner not in measure.label else measure.label
    return label, {"higher": "up", "lower": "down"}.get(measure.better, "near")


def _score_legend(figure: Figure, real: str = "what a real holdout scores") -> None:
    from matplotlib.lines import Line2D

    hollow = {"marker": "D", "markerfacecolor": "none", "linestyle": "", "markersize": 5}
    handles = [
        Line2D([], [], color=SYNTHETIC, marker="o", markersize=4.5, label="synthetic, 95% interval"),
        Line2D([], [], color=REAL, label=real, **hollow),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
