"""The whole study in one call: the numbered notebooks, run headlessly and in order by papermill.

`reproduce` writes executed copies and leaves notebooks/ alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from synthlib.bundle import workspace
from synthlib.notebooks import (
    KERNEL,
    PATTERN,
    WorkflowError,
    declared_parameters,
    find_root,
    has_code,
    read,
)

RESULTS = Path("paper") / "results.json"
_QUIET = {"PYTHONHASHSEED": "0", "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}


class Run(NamedTuple):
    """One notebook's execution.

    Attributes:
        name: the notebook's name without suffix.
        cells: number of code cells that ran; 0 when an earlier run was kept.
        wall, cpu: seconds; cpu counts the kernel and what it started, on systems that tell.
        path: the executed copy.
    """

    name: str
    cells: int
    wall: float
    cpu: float
    path: Path


def reproduce(
    notebooks: Iterable[Path | str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    output: Path | str = "build/notebooks",
    resume: bool = False,
) -> list[Run]:
    """Execute notebooks in order by papermill, each in a fresh kernel that starts at the repository's root.

    Progress goes to stderr: one updating line on a terminal, one line a cell elsewhere.

    Args:
        notebooks: paths; by default notebooks/01 to 06 of the repository around the current folder.
        parameters: name → value. Each reaches the notebooks whose `parameters` cell declares the name.
        output: folder of the executed copies, from the repository's root.
        resume: keep the copies of the leading notebooks that completed with the same source and
            parameters. A change in synthlib itself is not noticed; leave this off after one.

    Returns:
        A Run for each notebook.

    Raises:
        WorkflowError: at the first notebook that fails, naming the cell, the error and the partial copy;
            also for a parameter that no notebook declares.
    """
    root = find_root()
    sources = [Path(path) for path in notebooks or sorted((root / "notebooks").glob(PATTERN))]
    if not sources:
        raise WorkflowError(f"expected notebooks/{PATTERN} under {root}, found none")
    parameters = dict(parameters or {})
    declared = {source: declared_parameters(read(source)) for source in sources}
    known = sorted({name for names in declared.values() for name in names})
    if unknown := sorted(set(parameters) - set(known)):
        raise WorkflowError(f"expected parameters among {', '.join(known)}; got {', '.join(unknown)}")
    confidential = bool(parameters.get("cohort_path"))
    if confidential and "key_path" in known and not parameters.get("key_path"):
        raise WorkflowError(
            "expected key_path beside cohort_path, got none: a cohort of one's own is kept under its "
            "steward's key; pass key_path=FILE (made if it is not there)"
        )
    folder = root / output
    folder.mkdir(parents=True, exist_ok=True)
    planned = []
    for source in sources:
        passed = {name: value for name, value in parameters.items() if name in declared[source]}
        planned.append((source, folder / source.name, passed, _identify(source, passed)))
    kept = _count_completed(planned) if resume else 0
    for _, executed, _, _ in planned[kept:]:
        executed.unlink(missing_ok=True)
    runs = [Run(source.stem, 0, 0.0, 0.0, executed) for source, executed, _, _ in planned[:kept]]
    for run in runs:
        _say(f"{run.name}  kept from an earlier run")
    return runs + [_execute(*plan, root, confidential) for plan in planned[kept:]]


def _count_completed(planned: list[tuple]) -> int:
    """How many notebooks, from the first one on, have a copy made from the same source and parameters."""
    for number, (_, executed, _, identity) in enumerate(planned):
        if not executed.exists() or read(executed).metadata.get("synthlib") != identity:
            return number
    return len(planned)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _identify(source: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What an executed copy was made from: digest of the cells' sources, and the parameters passed."""
    cells = [[cell.cell_type, cell.source] for cell in read(source).cells]
    digest = hashlib.sha256(json.dumps(cells).encode()).hexdigest()
    return {"source": digest, "parameters": json.loads(json.dumps(parameters, default=str))}


def _execute(
    source: Path, executed: Path, parameters: dict, identity: dict, root: Path, confidential: bool
) -> Run:
    """Run one notebook into a partial copy, which takes its name when the last cell is done."""
    import papermill
    from traitlets.config import Config

    # Rows pass between this process and the kernel; no other user of the machine should hear them.
    encrypted = Config({"KernelManager": {"transport_encryption": "auto"}})
    partial = executed.with_suffix(".partial.ipynb")
    failed = executed.with_suffix(".failed.ipynb")
    failed.unlink(missing_ok=True)
    notebook = read(source)
    notebook.metadata["synthlib"] = identity
    total = sum(map(has_code, notebook.cells)) + bool(parameters)  # papermill adds a cell for parameters
    wall, cpu = time.monotonic(), _cpu_of_children()
    with _environment(_QUIET), _Progress(source.stem, total) as progress:
        try:
            papermill.execute_notebook(
                notebook,
                str(partial).replace("{", "{{").replace("}", "}}"),  # papermill formats paths
                parameters=parameters,
                kernel_name=KERNEL,
                language="python",
                cwd=root,
                progress_bar=False,
                start_timeout=180,
                coalesce_streams=True,
                config=encrypted,
                on_cell_execute=progress.start,
                on_cell_executed=progress.complete,
            )
            partial.replace(executed)
        except (papermill.PapermillExecutionError, RuntimeError) as error:
            if partial.exists():
                partial.replace(failed)
            reason = _last_lines(error, confidential)
            raise WorkflowError(
                f"{source.name} failed in code cell {progress.number} of {total}:\n{reason}\n"
                f"The notebook as far as it came: {failed}"
            ) from None
        finally:
            partial.unlink(missing_ok=True)
    run = Run(source.stem, total, time.monotonic() - wall, _cpu_of_children() - cpu, executed)
    _say(f"{run.name}  {total} cells  {run.wall:.1f} s, CPU {run.cpu:.1f} s")
    return run


def _last_lines(error: Exception, confidential: bool, count: int = 6) -> str:
    """The end of what went wrong in a cell, or of why the kernel did not answer (it died, mostly).

    Other libraries' messages may quote cells: on a confidential cohort the error's name must do.
    """
    name, value = getattr(error, "ename", type(error).__name__), getattr(error, "evalue", str(error))
    if confidential:
        value = "the notebook has its text, which may quote the cohort"
    lines = [line for line in f"{name}: {value}".splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-count:])


class _Progress:
    """Says which cell of a notebook is running and how long it took.

    Args:
        name: what to call the notebook.
        total: number of code cells.
    """

    def __init__(self, name: str, total: int):
        self.name, self.total, self.number = name, total, 0
        self.live = sys.stderr.isatty()

    def __enter__(self) -> _Progress:
        if self.live:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = TextColumn("{task.description}"), BarColumn(30), TimeElapsedColumn()
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task(f"{self.name}  starting", total=self.total)
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.bar.stop()

    def start(self, **_: object) -> None:
        self.number += 1
        self.since = time.monotonic()
        if self.live:
            self.bar.update(self.task, description=f"{self.name}  cell {self.number}/{self.total}")

    def complete(self, **_: object) -> None:
        if self.live:
            self.bar.advance(self.task)
        else:
            _say(f"{self.name}  cell {self.number}/{self.total}  {time.monotonic() - self.since:.1f} s")


@contextmanager
def _environment(defaults: Mapping[str, str]) -> Iterator[None]:
    """Give kernels these variables where the caller set none."""
    added = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _cpu_of_children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def summarise(runs: Iterable[Run], folder: Path | None = None) -> str:
    """What a run took, and what the last notebook says was recorded and verified, as text to print."""
    runs = list(runs)
    width = max((len(run.name) for run in runs), default=0)
    lines = [f"{run.name:<{width}}  {run.wall:7.1f} s  CPU {run.cpu:7.1f} s" for run in runs]
    wall, cpu = sum(run.wall for run in runs), sum(run.cpu for run in runs)
    lines.append(f"{'together':<{width}}  {wall:7.1f} s  CPU {cpu:7.1f} s")
    results = (folder or workspace()) / RESULTS
    if results.exists():
        values = json.loads(results.read_text(encoding="utf-8"))
        for heading in ("recorded", "verified"):
            lines += ["", heading.capitalize(), *_outline(values.get(heading, "nothing"))]
    return "\n".join(lines)


def _outline(value: Any, indent: str = "  ") -> list[str]:
    """JSON as indented lines."""
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = [("-", item) for item in value]
    else:
        return [f"{indent}{value}"]
    lines = []
    for name, item in pairs:
        if isinstance(item, Mapping | list):
            lines += [f"{indent}{name}", *_outline(item, indent + "  ")]
        else:
            lines.append(f"{indent}{name}  {item}")
    return lines
