"""The rooms' walls: imports point down, siblings never meet, heavy libraries live in one room."""

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
NOUNS = {"bundle", "scores", "schema", "rules"}
SHARED = NOUNS | {"keys", "parsing", "splitting"}  # a secret, strangers' JSON, who is held out: for many
SHARED |= {"areas", "thresholds", "gate"}  # what metrics are about: whoever verifies judges again
PARTS = {"columns", "inference", "formulas", "enforcement", "dependencies"}  # of schema.py and rules.py
PARTS |= {"inspection", "writing"}  # of bundle.py
GROUND = SHARED | PARTS
ROOMS = {"data", "models", "evaluation", "chain"}
PRIVATE = {
    "models": r"keras|tensorflow",
    "chain": r"web3|eth_\w+|eth|hexbytes",
    "paper": r"matplotlib|seaborn",
}


def list_imports(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, at its top or inside functions."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            parent = ROOT.joinpath(*module.split("."))
            for alias in node.names:
                is_module = (parent / alias.name).is_dir() or (parent / f"{alias.name}.py").exists()
                found.add(f"{module}.{alias.name}" if is_module else module)
    return found


def find_breaches(path: Path, imports: set[str]) -> list[str]:
    """Imports of a file in synthlib/ that no module in its room may make."""
    parts = path.relative_to(ROOT / "synthlib").with_suffix("").parts
    room = parts[0]
    breaches = []
    for name in imports:
        outer, _, inner = name.partition(".")
        for home, libraries in PRIVATE.items():
            if room != home and re.fullmatch(libraries, outer):
                breaches.append(f"{name} belongs in {home}/ alone")
        if outer != "synthlib":
            continue
        target = inner.partition(".")[0]
        if room in GROUND and target not in GROUND:
            breaches.append(f"{name}: the shared nouns import each other alone")
        elif room in ROOMS and target not in SHARED | {room}:
            breaches.append(f"{name}: {room}/ imports itself and the shared nouns alone")
        elif room == "paper" and target not in SHARED | ROOMS | {room}:
            breaches.append(f"{name}: paper/ imports what lies below it alone")
    return breaches


SOURCES = sorted((ROOT / "synthlib").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_point_down_and_siblings_never_meet(path):
    assert find_breaches(path, list_imports(path)) == []


@pytest.mark.parametrize(
    ("file", "imported", "allowed"),
    [
        ("data/tables.py", "synthlib.schema", True),
        ("data/tables.py", "synthlib.data.cohorts", True),
        ("data/tables.py", "synthlib.models.gan", False),
        ("data/tables.py", "synthlib", False),
        ("data/tables.py", "matplotlib.pyplot", False),
        ("models/gan.py", "keras.ops", True),
        ("models/gan.py", "synthlib.evaluation", False),
        ("evaluation/report.py", "tensorflow", False),
        ("chain/registry.py", "eth_account", True),
        ("bundle.py", "synthlib.data", False),
        ("bundle.py", "web3", False),
        ("paper/figures.py", "synthlib.evaluation.report", True),
        ("paper/figures.py", "synthlib.cli", False),
        ("cli.py", "synthlib.chain.registry", True),
        ("cli.py", "web3", False),
    ],
)
def test_the_walls_are_where_they_should_be(file, imported, allowed):
    assert (find_breaches(ROOT / "synthlib" / file, {imported}) == []) is allowed


HEAVY = {
    *("tensorflow", "keras", "web3", "eth_account", "matplotlib", "seaborn"),
    *("sklearn", "sdmetrics", "pyarrow", "papermill"),
}


def test_importing_synthlib_imports_nothing_heavy():
    program = "import sys, synthlib; print(' '.join({name.partition('.')[0] for name in sys.modules}))"
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    loaded = set(printed.split())
    assert "synthlib" in loaded
    assert not loaded & HEAVY


def test_every_library_that_is_imported_is_declared():
    """Nothing is used that is here only because something else needs it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    wanted = [Requirement(line) for line in lines]  # an extra is named for what it brings
    declared = {canonicalize_name(name) for one in wanted for name in (one.name, *one.extras)}
    brought = metadata.packages_distributions()
    undeclared = set()
    for path in SOURCES:
        for name in {name.partition(".")[0] for name in list_imports(path)}:
            if name == "synthlib" or name in sys.stdlib_module_names:
                continue
            distributions = {canonicalize_name(one) for one in brought.get(name, [name])}
            if not distributions & declared:
                undeclared.add(f"{path.name} imports {name} of {', '.join(sorted(distributions))}")
    assert sorted(undeclared) == []
