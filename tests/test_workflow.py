"""Notebooks run in order, stop where they fail, and lose what differs from run to run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from synthlib import workflow
from synthlib.notebooks import WorkflowError, declared_parameters, refresh, strip


def write_notebook(path: Path, *sources: str, parameters: str | None = None):
    cells = [new_markdown_cell("# A question")]
    if parameters is not None:
        cells.append(new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    cells += [new_code_cell(source) for source in sources]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """An empty repository in a folder with a space and braces, entered."""
    folder = tmp_path / "a {new} clone"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SYNTHLIB_WORKSPACE", raising=False)
    return folder


def printed(path: Path, cell: int) -> str:
    """The text that a code cell, counted from 0, printed."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return "".join(output.text for output in cells[cell].outputs if output.get("name") == "stdout")


def test_notebooks_run_in_order_from_the_root_with_the_parameters_they_declare(clone, capfd):
    write_notebook(
        clone / "notebooks" / "02_second.ipynb",
        "print(open('handed_on.txt').read())",
    )
    write_notebook(
        clone / "notebooks" / "01_first.ipynb",
        "open('handed_on.txt', 'w').write(str(rows))",
        "import sys\nprint(sys.executable)",
        parameters="rows = 10\nseed: int = 0",
    )
    before = {path: path.read_bytes() for path in (clone / "notebooks").iterdir()}
    runs = workflow.reproduce(parameters={"rows": 25})
    assert [run.name for run in runs] == ["01_first", "02_second"]
    assert [run.cells for run in runs] == [4, 1]
    assert (clone / "handed_on.txt").read_text() == "25"
    assert printed(runs[1].path, 0) == "25\n"
    assert printed(runs[0].path, 3).strip() == sys.executable
    assert sorted(path.name for path in (clone / "build" / "notebooks").iterdir()) == [
        "01_first.ipynb",
        "02_second.ipynb",
    ]
    assert {path: path.read_bytes() for path in (clone / "notebooks").iterdir()} == before
    lines = capfd.readouterr().err.splitlines()
    cells = [line for line in lines if "  cell " in line]
    assert [line.split("  ")[:2] for line in cells] == [
        *(["01_first", f"cell {number}/4"] for number in (1, 2, 3, 4)),
        ["02_second", "cell 1/1"],
    ]


def test_a_cell_is_timed_from_its_start_to_its_end(clone, capfd):
    write_notebook(clone / "notebooks" / "01_slow.ipynb", "import time\ntime.sleep(1)")
    workflow.reproduce()
    line = next(line for line in capfd.readouterr().err.splitlines() if "  cell 1/1  " in line)
    assert float(line.split()[-2]) >= 1.0


def test_an_error_on_a_cohort_of_ones_own_is_not_quoted(clone):
    source = "raise ValueError('Jane Roe, born 1961')"
    write_notebook(clone / "notebooks" / "01_first.ipynb", "1", parameters="cohort_path = ''")
    write_notebook(clone / "notebooks" / "02_second.ipynb", source)
    with pytest.raises(workflow.WorkflowError, match="Jane Roe"):
        workflow.reproduce()
    with pytest.raises(workflow.WorkflowError) as caught:
        workflow.reproduce(parameters={"cohort_path": "patients.csv"})
    assert "ValueError" in str(caught.value)
    assert "Jane Roe" not in str(caught.value)


def test_a_cohort_of_ones_own_needs_a_key(clone):
    write_notebook(clone / "notebooks" / "01_first.ipynb", "1", parameters="cohort_path = ''\nkey_path = ''")
    with pytest.raises(workflow.WorkflowError, match="key_path"):
        workflow.reproduce(parameters={"cohort_path": "patients.csv"})
    assert not (clone / "build").exists()


def test_on_a_terminal_one_line_is_updated(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with workflow._Progress("03_model", 2) as progress:
        progress.start()
        progress.complete()
        progress.start()
        (task,) = progress.bar.tasks
        assert (task.description, task.completed, task.total) == ("03_model  cell 2/2", 1, 2)
    assert "  cell 1/2  " not in capsys.readouterr().err


def test_a_failure_is_named_stops_the_rest_and_can_be_resumed(clone):
    write_notebook(clone / "notebooks" / "01_counts.ipynb", "open('count.txt', 'a').write('x')")
    failing = write_notebook(
        clone / "notebooks" / "02_fails.ipynb", "print('so far')", "raise ValueError('expected 3, got 4')"
    )
    write_notebook(clone / "notebooks" / "03_after.ipynb", "open('after.txt', 'w').write('ran')")
    with pytest.raises(WorkflowError, match=r"02_fails.ipynb failed in code cell 2 of 2") as caught:
        workflow.reproduce()
    assert "ValueError: expected 3, got 4" in str(caught.value)
    partial = clone / "build" / "notebooks" / "02_fails.failed.ipynb"
    assert str(partial) in str(caught.value)
    assert "so far" in partial.read_text()
    assert not (clone / "after.txt").exists()
    assert not (clone / "build" / "notebooks" / "02_fails.ipynb").exists()

    write_notebook(failing, "print('mended')")
    runs = workflow.reproduce(resume=True)
    assert [run.cells for run in runs] == [0, 1, 1]
    assert (clone / "count.txt").read_text() == "x"
    assert (clone / "after.txt").read_text() == "ran"
    assert not partial.exists()


def test_a_dead_kernel_is_a_failure_of_its_cell(clone):
    write_notebook(clone / "notebooks" / "01_dies.ipynb", "1 + 1", "import os\nos._exit(9)")
    with pytest.raises(WorkflowError, match=r"01_dies.ipynb failed in code cell 2 of 2:\n  DeadKernelError"):
        workflow.reproduce()


def test_unknown_parameters_are_refused_before_anything_runs(clone):
    write_notebook(clone / "notebooks" / "01_first.ipynb", "open('ran.txt', 'w')", parameters="rows = 10")
    with pytest.raises(WorkflowError, match="expected parameters among rows; got colour, row"):
        workflow.reproduce(parameters={"row": 5, "colour": "red"})
    assert not (clone / "ran.txt").exists()


def test_without_notebooks_there_is_nothing_to_reproduce(clone, tmp_path, monkeypatch):
    with pytest.raises(WorkflowError, match=r"found none"):
        workflow.reproduce()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkflowError, match="run this in a clone"):
        workflow.reproduce()


def test_declared_parameters_are_the_tagged_cells_assignments():
    notebook = new_notebook(
        cells=[
            new_code_cell("hidden = 1"),
            new_code_cell(
                "rows = 10\nseed: int = -3\nrpc = None\nnow = f()", metadata={"tags": ["parameters"]}
            ),
        ]
    )
    assert declared_parameters(notebook) == {"rows": 10, "seed": -3, "rpc": None, "now": None}


def executed_notebook(injected: str | None = None):
    """A notebook as papermill leaves it: a parameters cell, perhaps an injected one, and one that printed."""
    cells = [new_code_cell("rows = 10", metadata={"tags": ["parameters"]}, execution_count=3)]
    if injected:
        cells.append(new_code_cell(injected, metadata={"tags": ["injected-parameters"]}, execution_count=4))
    outputs = [
        new_output("stream", name="stderr", text="12:00:01 loading\n"),
        new_output("stream", name="stdout", text="ten\n"),
        new_output("execute_result", data={"text/plain": "10"}, execution_count=5),
    ]
    cells += [new_markdown_cell("What we found"), new_code_cell("rows", outputs=outputs, execution_count=5)]
    cells.append(new_code_cell(""))
    for cell in cells:
        cell.metadata["papermill"] = {"duration": 0.1}
        cell.metadata["execution"] = {"iopub.status.busy": "12:00"}
    metadata = {
        "papermill": {"duration": 3},
        "synthlib": {"source": "00"},
        "language_info": {"name": "python", "version": "3.11.7"},
    }
    return new_notebook(cells=cells, metadata=metadata)


def test_strip_leaves_what_was_found_and_nothing_of_when_or_where():
    notebook = executed_notebook(injected="# Parameters\nrows = 10\n")
    before = json.dumps(notebook)
    stripped = strip(notebook)
    assert json.dumps(notebook) == before
    assert stripped.metadata == {"language_info": {"name": "python"}}
    assert [cell.metadata for cell in stripped.cells] == [{"tags": ["parameters"]}, {}, {}, {}]
    code = [cell for cell in stripped.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, None]
    assert [output.output_type for output in code[1].outputs] == ["stream", "execute_result"]
    assert code[1].outputs[0].text == "ten\n"
    assert code[1].outputs[1].execution_count == 2
    assert strip(stripped) == stripped


def test_strip_refuses_a_run_with_other_parameters():
    with pytest.raises(WorkflowError, match="other values for rows"):
        strip(executed_notebook(injected="rows = 11"))


def test_refresh_gives_the_same_bytes_whenever_the_outputs_are_the_same(clone):
    source = write_notebook(clone / "notebooks" / "01_first.ipynb", "rows", parameters="rows = 10")
    untouched = [cell.id for cell in nbformat.read(source, as_version=4).cells]
    (run,) = workflow.reproduce()
    refresh(source, run.path)
    first = source.read_bytes()
    (run,) = workflow.reproduce()
    refresh(source, run.path)
    assert source.read_bytes() == first
    notebook = nbformat.read(source, as_version=4)
    assert notebook.cells[2].outputs[0].data == {"text/plain": "10"}
    assert [cell.id for cell in notebook.cells] == untouched


@pytest.mark.parametrize("place", ["root", "home", "environment"])
def test_refresh_refuses_outputs_that_name_this_machine(clone, place):
    shown = {"root": clone, "home": Path.home() / "patients.csv", "environment": sys.prefix}[place]
    source = write_notebook(clone / "notebooks" / "01_first.ipynb", "where")
    before = source.read_bytes()
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[1].outputs = [new_output("stream", name="stdout", text=f"written to {shown}\n")]
    nbformat.write(notebook, clone / "executed.ipynb")
    with pytest.raises(WorkflowError, match=r"01_first\.ipynb, cell 2 prints one"):
        refresh(source, clone / "executed.ipynb")
    assert source.read_bytes() == before


def test_refresh_refuses_errors_and_other_versions(clone):
    source = write_notebook(clone / "notebooks" / "01_first.ipynb", "1 / 0")
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[1].outputs = [new_output("error", ename="ZeroDivisionError", evalue="", traceback=[])]
    nbformat.write(notebook, clone / "executed.ipynb")
    with pytest.raises(WorkflowError, match="cell 2 holds an error"):
        refresh(source, clone / "executed.ipynb")
    write_notebook(source, "2 / 1")
    with pytest.raises(WorkflowError, match="as it is; reproduce again"):
        refresh(source, clone / "executed.ipynb")
    with pytest.raises(WorkflowError, match="found none"):
        refresh(source, clone / "not_there.ipynb")


def test_the_summary_ends_with_what_was_recorded_and_verified(tmp_path):
    runs = [workflow.Run("01_first", 3, 1.5, 2.0, tmp_path), workflow.Run("02_second", 4, 2.5, 3.0, tmp_path)]
    lines = workflow.summarise(runs, tmp_path).splitlines()
    assert lines[-1].split() == ["together", "4.0", "s", "CPU", "5.0", "s"]
    results = {"recorded": [{"release": "ab12"}], "verified": {"matched": 7, "differs": 0}, "other": 1}
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "results.json").write_text(json.dumps(results))
    end = workflow.summarise(runs, tmp_path).splitlines()[4:]
    assert end == ["Recorded", "  -", "    release  ab12", "", "Verified", "  matched  7", "  differs  0"]


def test_the_command_refreshes_every_notebook_or_says_which_one_it_could_not(clone):
    def refresh_all():
        command = [sys.executable, "-m", "synthlib.notebooks"]
        here = os.environ | {"PYTHONPATH": str(Path(workflow.__file__).parents[1])}
        return subprocess.run(command, cwd=clone, capture_output=True, text=True, env=here)

    for name in ("01_first.ipynb", "02_second.ipynb"):
        source = write_notebook(clone / "notebooks" / name, "1 + 1")
        (clone / "build" / "notebooks").mkdir(parents=True, exist_ok=True)
        shutil.copy(source, clone / "build" / "notebooks")
    assert refresh_all().stdout.splitlines() == ["refreshed 01_first.ipynb", "refreshed 02_second.ipynb"]
    (clone / "build" / "notebooks" / "02_second.ipynb").unlink()
    refused = refresh_all()
    assert refused.returncode == 1
    assert "02_second.ipynb, found none" in refused.stderr and "Traceback" not in refused.stderr
