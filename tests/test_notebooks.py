"""The notebooks' form, and the comparison that nbval makes of their outputs."""

import ast
import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
NAMES = [
    "01_literature_review",
    "02_data_preparation",
    "03_model",
    "04_evaluation_and_refinement",
    "05_blockchain",
    "06_validation_and_paper",
]


def _load_conftest():
    spec = importlib.util.spec_from_file_location("notebooks_conftest", NOTEBOOKS / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


nb = _load_conftest()


@pytest.mark.parametrize(
    ("computed", "stored", "tolerance", "same"),
    [
        ("c2st 0.61 (0.58 to 0.64)", "c2st 0.63 (0.60 to 0.66)", (0.05, 0), True),
        ("c2st 0.61", "c2st 0.67", (0.05, 0), False),  # too far
        ("c2st 0.61", "ks 0.61", (0.05, 0), False),  # another word
        ("c2st 0.61", "c2st 0.61 0.02", (0.05, 0), False),  # one number more
        ("c2st 0.61", "c2st nan", (9.0, 0), False),  # a number against a word
        ("c2st 0.61", "c2st -0.61", (0.05, 0), False),  # the sign counts
        ("a   9.98 b", "a  10.01 b", (0.05, 0), True),  # columns are padded by width
        ("7,284 rows", "7,290 rows", (0, 0.01), True),
        ("7,284 rows", "7,900 rows", (0, 0.01), False),
        ("7,284 rows", "7,290 rows", (0.05, 0), False),
        ("SUPPORT2 has 5", "SUPPORT3 has 5", (9.0, 0), False),  # digits of a name are letters
        ("digest 12ab34", "digest 13ab34", (9.0, 0), False),
        ("1e-3", "2e-3", (0.01, 0), True),
        ("<td>0.50</td>", "<td>0.52</td>", (0.05, 0), True),
        ("<td>0.50</td>", "<th>0.50</td>", (0.05, 0), False),
        ("range 0.51-0.55", "range 0.52-0.56", (0.02, 0), True),
        ("12.5% of rows", "12.9% of rows", (0.5, 0), True),
        ("[1,2]", "[1,3]", (1.0, 0), True),
        ("version 1.2rc", "version 1.3rc", (9.0, 0), False),
    ],
)
def test_agree(computed, stored, tolerance, same):
    assert nb.agree(computed, stored, tolerance) is same


def test_agree_refuses_what_is_no_text():
    assert not nb.agree("1", None, (9.0, 0))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], None),
        (["parameters"], None),
        (["tolerance=0.05"], (0.05, 0.0)),
        (["tolerance=10%"], (0.0, 0.1)),
        (["tolerance=0.05", "tolerance=10%"], (0.05, 0.1)),
    ],
)
def test_read_tolerance(tags, expected):
    assert nb.read_tolerance(tags) == expected


def test_read_tolerance_refuses_what_is_no_number():
    with pytest.raises(pytest.UsageError, match=r"tolerance=0\.05"):
        nb.read_tolerance(["tolerance=little"])


def _stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def _result(text, **data):
    return nbformat.v4.new_output("execute_result", data={"text/plain": text, **data})


def test_settle_takes_over_what_agrees_and_only_that():
    computed = [_stream("a 1.0\n"), _result("b 2.0"), _result("c 3.0")]
    stored = [_stream("a 1.1\n"), _result("b 2.1"), _result("c 9.0")]
    settled = nb.settle(computed, stored, (0.2, 0))
    assert settled[:2] == stored[:2]
    assert settled[2].data["text/plain"] == "c 3.0"


def test_settle_leaves_outputs_of_another_shape():
    computed, stored = [_stream("a 1.0")], [_stream("a 1.0"), _result("b")]
    assert nb.settle(computed, stored, (9.0, 0)) == [_stream("a 1.0")]


CELLS = {  # name → source, stored text, tags, whether nbval must pass it
    "exact": ("print('x 1.5')", "x 1.5\n", [], True),
    "changed_number": ("print('x 1.5')", "x 1.6\n", [], False),
    "within": ("print('x 1.5')", "x 1.6\n", ["tolerance=0.2"], True),
    "outside": ("print('x 1.5')", "x 1.9\n", ["tolerance=0.2"], False),
    "changed_word": ("print('x 1.5')", "y 1.5\n", ["tolerance=0.2"], False),
    "varying": ("print('x 1.5')", "y 2\n", ["words=vary"], True),
    "another_kind": ("'x 1.5'", "y 2\n", ["words=vary"], False),
    "stderr": ("import sys, time; print(time.time(), file=sys.stderr); print('x')", "x\n", [], True),
}


def test_nbval_with_this_conftest(tmp_path):
    """nbval itself, on cells that must pass and cells that must fail."""
    import subprocess
    import sys

    cells = []
    for name, (source, text, tags, _) in CELLS.items():
        cell = nbformat.v4.new_code_cell(
            source, outputs=[_stream(text)], execution_count=len(cells) + 1, id=name
        )
        cell.metadata["tags"] = tags
        cells.append(cell)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, tmp_path / "cells.ipynb")
    (tmp_path / "conftest.py").write_text((NOTEBOOKS / "conftest.py").read_text())
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "--nbval-current-env",
        "-q",
        "-rA",
        "-p",
        "no:cacheprovider",
    ]
    run = subprocess.run(
        [*command, "cells.ipynb"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    passed = {int(number) for number in re.findall(r"PASSED .*::Cell (\d+)", run.stdout)}
    failed = {int(number) for number in re.findall(r"FAILED .*::Cell (\d+)", run.stdout)}
    expected = {number for number, (*_, passes) in enumerate(CELLS.values()) if passes}
    assert passed == expected, run.stdout
    assert failed == set(range(len(CELLS))) - expected


def test_all_six_are_here():
    assert [path.stem for path in PATHS] == NAMES


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_is_run_from_top_to_bottom(notebook):
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in _code(notebook)] == list(range(1, len(_code(notebook)) + 1))
    assert not [out for cell in _code(notebook) for out in cell.outputs if out.output_type == "error"]


def test_opens_with_its_question(notebook):
    title = notebook.cells[0]
    assert title.cell_type == "markdown"
    assert title.source.startswith("# ")
    for word in ("**Question.**", "**Reads.**", "**Writes.**"):
        assert word in title.source


def test_ends_with_what_was_found_and_what_it_cannot_show(notebook):
    last = notebook.cells[-1]
    assert last.cell_type == "markdown"
    assert "cannot show" in last.source


def test_has_one_parameters_cell_of_literals(notebook):
    tagged = [cell for cell in _code(notebook) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    for statement in ast.parse(tagged[0].source).body:
        assert isinstance(statement, ast.Assign)
        ast.literal_eval(statement.value)


def test_no_cell_defines_functions_or_is_long(notebook):
    for cell in _code(notebook):
        tree = ast.parse(cell.source)
        defined = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
        ]
        assert not defined, cell.source
        assert len([line for line in cell.source.splitlines() if line.strip()]) <= 16, cell.source


def test_no_cell_is_left_out_of_the_comparison(notebook):
    for cell in _code(notebook):
        tags = " ".join(cell.metadata.get("tags", []))
        assert "nbval" not in tags.lower()
        assert "NBVAL" not in cell.source


def test_says_nothing_of_the_machine(notebook):
    """No timings, no traces of papermill, no paths of the machine it ran on."""
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}
    text = str([cell.get("outputs", []) for cell in notebook.cells])
    for trace in (str(Path.home()), str(NOTEBOOKS.parent), "/tmp/", "site-packages", "Traceback"):
        assert trace not in re.sub(r"'image/png': '[^']*'", "", text), trace


def _named(name):
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_of_numbers_is_asserted(name):
    asserted = [
        node
        for cell in _code(_named(name))
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Assert)
    ]
    assert asserted


def test_a_cohort_of_ones_own_takes_a_key():
    """The cell that opens the key, run as it stands."""
    cells = _code(_named("02_data_preparation"))
    declared, opening = (
        next(cell.source for cell in cells if word in cell.source)
        for word in ("patient_id = ", "StewardKey.for_public_data")
    )
    values = {}
    exec(declared, values)
    assert {"patient_id", "identifiers", "leaks"} <= set(values)
    values["cohort_path"] = "cohort.csv"
    with pytest.raises(ValueError, match="expected key_path beside cohort_path"):
        exec(opening, values)


def test_every_figure_has_a_notebook():
    from synthlib.paper import figures

    sources = "".join(cell.source for name in NAMES for cell in _code(_named(name)))
    drawn = {name for name in figures.__all__ if name.islower() and f"figures.{name}(" in sources}
    assert drawn == {name for name in figures.__all__ if name.islower()} - {"headline_scores"}
