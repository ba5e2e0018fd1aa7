"""One look for every figure, and how figures become files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from synthlib.bundle import workspace, write_atomically

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# Okabe and Ito's palette, which the colour-blind can tell apart; these three mean the same in every figure.
REAL, SYNTHETIC, HOLDOUT = "#0072B2", "#D55E00", "#8C8C8C"
OTHERS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
DIVERGING = "RdBu_r"
WIDTH = 7.2  # inches: a page's text
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "0.3",
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.3,
    "savefig.dpi": 200,
    "figure.dpi": 110,
    "pdf.fonttype": 42,
    "svg.hashsalt": "synthlib",
}


@contextmanager
def styled() -> Iterator[None]:
    """The look, for as long as a figure is drawn; the caller's own settings come back afterwards."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches. No window opens; a notebook shows it where it is returned."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(width, height), layout="constrained")
    plt.close(figure)
    return figure


def save(figure: Figure, name: str, folder: Path | str | None = None) -> Path:
    """Write `figures/NAME.pdf` and `figures/NAME.png` in the workspace; the same figure gives the same bytes.

    Args:
        figure: what a function of this module returned, or any matplotlib figure.
        name: without suffix, such as `"03_training"`.
        folder: another folder to write to.

    Returns:
        Path of the PDF.

    Raises:
        ValueError: if the name is a path or has a suffix of its own.
    """
    if not name or Path(name).name != name or name.endswith((".pdf", ".png")):
        raise ValueError(f"expected a bare name without suffix, such as '03_training', got {name!r}")
    folder = Path(folder) if folder is not None else workspace() / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    clockless = {"pdf": {"Creator": None, "Producer": None, "CreationDate": None}, "png": {"Software": None}}
    for kind, metadata in clockless.items():
        buffer = io.BytesIO()
        with styled():
            figure.savefig(buffer, format=kind, metadata=metadata)
        write_atomically(folder / f"{name}.{kind}", buffer.getvalue())
    return folder / f"{name}.pdf"


def shorten(text: str, most: int = 16) -> str:
    """Text cut to `most` characters, ending in an ellipsis where something is gone; a dollar is a dollar."""
    text = str(text)
    text = text if len(text) <= most else text[: most - 1].rstrip() + "…"
    return text.replace("$", r"\$")


def draw_matrix(
    axes: Axes, matrix: pd.DataFrame, title: str, most: float, size: float, length: int, undefined: str
) -> AxesImage:
    """A square matrix as a heat map around zero; the panel of train, at the left, names the rows too.

    Args:
        matrix: row and column names, and values; NaN shows the background.
        title: `"train"` and `"synthetic"` are written in their colours.
        most: value of the darkest colour.
        size, length: of the names, in points and in characters.
        undefined: colour of the background.
    """
    image = axes.imshow(matrix, cmap=DIVERGING, vmin=-most, vmax=most, interpolation="nearest")
    colour = {"train": REAL, "synthetic": SYNTHETIC}.get(title, "black")
    axes.set_title(title, color=colour, fontweight="bold")
    labels = [shorten(name, length) for name in matrix.index]
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=size)
    axes.set_yticks(range(len(labels)), labels, fontsize=size)
    axes.tick_params(length=0, pad=1, labelleft=title == "train")
    axes.set_facecolor(undefined)
    for side in axes.spines.values():
        side.set_visible(False)
    return image
