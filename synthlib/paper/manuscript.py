"""The paper as PDF: typst sources, the results JSON, the bibliography and the figures, put together.

Equal inputs give equal bytes: no clock, no font of this machine, no name of a folder gets in.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from synthlib.bundle import workspace as default_workspace
from synthlib.bundle import write_atomically
from synthlib.paper.numbers import Numbers

MAIN = "main.typ"
PAPER = "paper.pdf"
RESULTS = "results.json"


class ManuscriptError(RuntimeError):
    """A paper that cannot be built: a number, a figure or a source is missing."""


def find_sources(workspace: Path | str | None = None) -> Path:
    """The folder of main.typ and references.bib: the workspace's paper/, else the repository's.

    Raises:
        ManuscriptError: if neither has them; an installed package has no paper, a clone has.
    """
    folders = [Path(workspace or default_workspace()) / "paper", Path(__file__).parents[2] / "paper"]
    for folder in folders:
        if (folder / MAIN).exists():
            return folder
    raise ManuscriptError(
        f"expected {MAIN} in {' or '.join(map(str, folders))}, found none; run this in a clone"
    )


def build_paper(workspace: Path | str | None = None) -> Path:
    """Typeset paper/paper.pdf of a workspace from its paper/results.json and figures/.

    Args:
        workspace: folder with paper/results.json and figures/; by default `synthlib.bundle.workspace()`.

    Returns:
        Path of the PDF.

    Raises:
        NumbersError: if there are no results, or they are of other Bundles than those in bundles/.
        ManuscriptError: naming the number, the figure or the reference that is missing.
    """
    import typst

    workspace = Path(workspace or default_workspace())
    sources, results = find_sources(workspace), workspace / "paper" / RESULTS
    Numbers.read(results).check_bundles(workspace / "bundles")
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        for source in (*sorted(sources.glob("*.typ")), *sorted(sources.glob("*.bib")), results):
            shutil.copyfile(source, stage / source.name)
        (stage / "figures").mkdir()
        for figure in sorted((workspace / "figures").glob("*.*")):
            shutil.copyfile(figure, stage / "figures" / figure.name)
        fonts = typst.Fonts(include_system_fonts=False)
        compiler = typst.Compiler(stage / MAIN, root=stage, font_paths=fonts, ignore_system_fonts=True)
        try:
            pdf = compiler.compile(format="pdf")
        except typst.TypstError as error:
            raise ManuscriptError(_explain(error, folder)) from None
    write_atomically(workspace / "paper" / PAPER, pdf)
    return workspace / "paper" / PAPER


def _explain(error: Exception, folder: str) -> str:
    """Which number, figure or reference stopped the compiler."""
    message = str(getattr(error, "message", error)).replace(f"{folder}/", "")
    if found := re.search(r'panicked with: "(.*?)"', message):
        return f"the paper cannot be built: {found[1]}"
    if found := re.search(r"file not found \(searched at (.*?)\)", message):
        return f"the paper cannot be built: {found[1]} is not there; the notebooks make it"
    return f"the paper cannot be built: {message}"
