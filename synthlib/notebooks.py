"""Notebooks as files: what parameters they declare, and how their outputs become fit to commit.

A committed notebook holds the outputs of a whole run and nothing that differs from run to run or names
the machine it ran on.
"""

from __future__ import annotations

import ast
import copy
import json
import os
import sys
from pathlib import Path
from typing import Any

from synthlib.bundle import workspace, write_atomically

KERNEL = "python3"
PATTERN = "0*.ipynb"


class WorkflowError(RuntimeError):
    """A notebook that failed, or a request that no notebook can meet."""


def find_root() -> Path:
    """The closest folder, from here upwards, that holds notebooks/.

    Raises:
        WorkflowError: if there is none: an installed package has no notebooks, a clone has.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "notebooks").is_dir():
            return folder
    raise WorkflowError(f"expected a folder with notebooks/ at or above {here}; run this in a clone")


def declared_parameters(notebook: Any) -> dict[str, Any]:
    """Names that the cell tagged `parameters` assigns, with their values (None where not a literal)."""
    return _assignments(notebook, "parameters")


def _assignments(notebook: Any, tag: str) -> dict[str, Any]:
    found = {}
    for cell in notebook.cells:
        if cell.cell_type != "code" or tag not in cell.metadata.get("tags", []):
            continue
        for node in ast.parse(cell.source).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                if isinstance(target, ast.Name):
                    found[target.id] = _literal(node.value)
    return found


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def has_code(cell: Any) -> bool:
    """Whether a kernel runs this cell."""
    return cell.cell_type == "code" and bool(cell.source.strip())


def read(path: Path | str) -> Any:
    """An nbformat notebook, cells' sources as text.

    Raises:
        WorkflowError: if there is none at `path`.
    """
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise WorkflowError(f"expected a notebook at {path}, found none") from None
    except (ValueError, nbformat.ValidationError):
        raise WorkflowError(f"expected a notebook at {path}, found something else") from None


def strip(notebook: Any) -> Any:
    """A copy of an executed notebook without what differs from run to run.

    Removed: papermill's and timing metadata, the interpreter's version, stderr (progress bars and
    clocks), and an injected cell that only repeats the declared parameters. Execution counts restart at 1.

    Args:
        notebook: an nbformat notebook.

    Returns:
        The copy.

    Raises:
        WorkflowError: if parameters were injected that differ from those declared.
    """
    notebook = copy.deepcopy(notebook)
    declared = declared_parameters(notebook)
    injected = _assignments(notebook, "injected-parameters")
    if changed := sorted(n for n, v in injected.items() if n not in declared or declared[n] != v):
        names = ", ".join(changed)
        raise WorkflowError(f"expected a run with the declared parameters, got other values for {names}")
    notebook.cells = [
        cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    for name in ("papermill", "synthlib"):
        notebook.metadata.pop(name, None)
    notebook.metadata["language_info"] = {"name": "python"}
    count = 0
    for cell in notebook.cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if cell.cell_type != "code":
            continue
        count += has_code(cell)
        cell.execution_count = count if has_code(cell) else None
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count
    return notebook


def refresh(source: Path | str, executed: Path | str) -> None:
    """Write the outputs of an executed copy into the committed notebook.

    Args:
        source: the committed notebook.
        executed: a copy that `reproduce` made from it with no parameters changed.

    Raises:
        WorkflowError: if the copy is of another version of the notebook, did not complete, or an output
            holds a path of this machine; the cell is named.
    """
    import nbformat

    source, executed = Path(source), Path(executed)
    notebook, result = read(source), strip(read(executed))
    if [cell.source for cell in notebook.cells] != [cell.source for cell in result.cells]:
        raise WorkflowError(f"expected {executed} to be made from {source.name} as it is; reproduce again")
    places = _places_of_this_machine()
    for number, cell in enumerate(result.cells, start=1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                raise WorkflowError(f"expected {executed} to be complete, cell {number} holds an error")
            if any(place in json.dumps(output, ensure_ascii=False) for place in places):
                raise WorkflowError(
                    f"expected no path of this machine in {source.name}, cell {number} prints one; "
                    "print paths relative to the repository"
                )
    for cell, run in zip(notebook.cells, result.cells, strict=True):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = run.outputs, run.execution_count
    notebook = strip(notebook)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": KERNEL}
    text = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
    write_atomically(source, (text.rstrip("\n") + "\n").encode())


def refresh_all(executed: Path | str = "build/notebooks") -> list[Path]:
    """Refresh every numbered notebook from the last whole run; returns the committed notebooks.

    Raises:
        WorkflowError: as `refresh` does.
    """
    root = find_root()
    sources = sorted((root / "notebooks").glob(PATTERN))
    for source in sources:
        refresh(source, root / executed / source.name)
    return sources


def _places_of_this_machine() -> list[str]:
    """Absolute paths that no committed output may hold, as JSON writes them."""
    places = [str(find_root()), str(workspace().resolve()), sys.prefix, f"{Path.home()}{os.sep}"]
    return [json.dumps(place, ensure_ascii=False)[1:-1] for place in places if len(place) > 2]


if __name__ == "__main__":
    try:
        for refreshed in refresh_all():
            print(f"refreshed {refreshed.name}")
    except WorkflowError as error:
        sys.exit(str(error))
