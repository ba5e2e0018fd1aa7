"""tools/environment.py: when .venv is made anew, from what, and with which Python."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def load_tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


environment = load_tool("environment")


def test_the_suitable_pythons_are_those_of_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (first, *_, last) = environment.SUITABLE
    assert project["requires-python"] == f">={first[0]}.{first[1]},<{last[0]}.{last[1] + 1}"


def test_the_build_tools_are_taken_from_the_lock_with_their_hashes():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    chosen = environment.select(lock, environment.BUILD_TOOLS)
    names = re.findall(r"^([a-z0-9-]+)==", chosen, re.MULTILINE)
    assert sorted(names) == sorted(environment.BUILD_TOOLS)
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    wanted = [package for package in packages if package["name"] in names]
    files = [file for package in wanted for file in [*package["wheels"], package["sdist"]]]
    assert set(re.findall(r"--hash=(\S+)", chosen)) == {file["hash"] for file in files}


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """An empty clone for tools/environment.py, with a .venv/bin/python that runs."""
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text(name)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name, path in {
        "ROOT": tmp_path,
        "LOCK": tmp_path / "requirements.lock",
        "STAMP": tmp_path / ".venv" / "stamp.json",
    }.items():
        monkeypatch.setattr(environment, name, str(path))
    monkeypatch.setattr(environment, "PYTHON", sys.executable)
    return tmp_path


def test_an_environment_stays_until_what_made_it_changes(clone):
    assert environment.list_stale(None) == ["stamp"]
    Path(environment.STAMP).write_text(json.dumps(environment.describe()))
    assert environment.list_stale(None) == []
    assert environment.list_stale(sys.executable) == []
    (clone / "pyproject.toml").write_text("changed")
    assert environment.list_stale(None) == ["pyproject.toml"]
    (clone / "requirements.lock").write_text("changed")
    assert environment.list_stale(None) == ["requirements.lock", "pyproject.toml"]
    Path(environment.STAMP).write_text('{"requirements')  # cut short
    assert environment.list_stale(None) == ["stamp"]


def test_a_moved_clone_and_a_lost_python_are_noticed(clone, monkeypatch):
    described = environment.describe()
    Path(environment.STAMP).write_text(json.dumps(described | {"folder": "elsewhere"}))
    assert environment.list_stale(None) == ["folder"]
    monkeypatch.setattr(environment, "PYTHON", str(clone / "gone"))
    assert environment.list_stale(None) == ["python"]


def test_an_interrupted_install_leaves_no_stamp(clone, monkeypatch):
    Path(environment.STAMP).write_text(json.dumps(environment.describe()))

    def stop(*_, **__):
        raise subprocess.CalledProcessError(1, ["python", "-m", "pip"])

    monkeypatch.setattr(environment.subprocess, "check_call", stop)
    with pytest.raises(SystemExit):
        environment.build(sys.executable)
    assert environment.list_stale(None) == ["stamp"]


def test_an_unsuitable_python_is_named_with_what_was_expected(monkeypatch, capsys):
    monkeypatch.setattr(environment, "probe", lambda python: [3, 9, "cpython"])
    with pytest.raises(SystemExit):
        environment.find_python("python3.9")
    assert "expected CPython 3.11, 3.12 or 3.13" in (said := capsys.readouterr().err)
    assert "python3.9 (cpython 3.9)" in said
    monkeypatch.setattr(environment, "probe", lambda python: None)
    with pytest.raises(SystemExit):
        environment.find_python(None)
    assert "nothing that runs under" in capsys.readouterr().err


def test_a_python_without_venv_is_refused_with_the_package_that_brings_it(monkeypatch, capsys):
    monkeypatch.setattr(environment, "probe", lambda python: [3, 11, "cpython"])
    monkeypatch.setattr(environment.subprocess, "call", lambda *_, **__: 1)
    with pytest.raises(SystemExit):
        environment.find_python("python3.11")
    assert "apt-get install python3.11-venv" in capsys.readouterr().err


def test_the_first_suitable_python_is_taken(monkeypatch):
    versions = {
        "python3": [3, 14, "cpython"],
        "python3.13": [3, 13, "pypy"],
        "python3.12": [3, 12, "cpython"],
    }
    monkeypatch.setattr(environment, "probe", versions.get)
    monkeypatch.setattr(environment.subprocess, "call", lambda *_, **__: 0)
    assert environment.find_python(None) == "python3.12"


def test_a_link_to_another_checkouts_environment_is_left_alone(clone, monkeypatch, capsys):
    other = clone / "other" / ".venv"
    other.mkdir(parents=True)
    (other / "installed").write_text("at work")
    link = clone / "link"
    link.symlink_to(other, target_is_directory=True)
    monkeypatch.setattr(environment, "VENV", str(link))
    monkeypatch.setattr(sys, "argv", ["environment.py"])
    with pytest.raises(SystemExit):
        environment.main()
    assert "got a link" in capsys.readouterr().err
    assert (other / "installed").read_text() == "at work"
