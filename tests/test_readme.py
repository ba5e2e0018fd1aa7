"""What README.md shows runs as it stands, and what documents name is there."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from chain_helpers import account
from command_line_helpers import patients
from typer.core import TyperGroup as Group
from typer.main import get_command

import synthlib as sl
from synthlib.chain.accounts import demo_account
from synthlib.chain.protocols import Protocols, SealedProtocol
from synthlib.chain.verification import verdict
from synthlib.cli import app

pytest_plugins = ["chain_fixtures", "command_fixtures"]
ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def own_folder(workspace, monkeypatch):
    monkeypatch.chdir(workspace)


def readme():
    return (ROOT / "README.md").read_text(encoding="utf-8")


def find_commands() -> list[str]:
    """What stands after `synthlib` in each line that is a command."""
    return [line.strip() for line in re.findall(r"^    synthlib ([^#\n]+)", readme(), re.MULTILINE)]


def find_others() -> list[tuple[str, list[str]]]:
    """The command or group of a line, and the commands that its comment adds after "also" or "then"."""
    found = re.findall(r"^    synthlib ([\w-]+)[^#\n]*# (?:also|then) ([\w, -]+)", readme(), re.MULTILINE)
    return [(group, names.split(", ")) for group, names in found]


def test_the_readmes_python_runs_as_it_stands(tmp_path):
    """But for the number of epochs."""
    program = re.search(r"```python\n(.*?)```", readme(), re.DOTALL)[1]
    assert len([line for line in program.splitlines() if line]) <= 15
    patients(400).drop(columns="mrn").to_csv("patients.csv", index=False)
    sl.StewardKey.create("patients.key")
    shown = []
    names = {"print": lambda *words, sep=" ": shown.extend(map(str, words))}
    exec(program.replace("GPT(schema, seed=0)", "GPT(schema, seed=0, num_epochs=1)"), names)
    assert names["sl"].Bundle.open("releases/first").kind == "release"
    assert verdict(sl.verify("releases/first")) == 0
    assert isinstance(names["study"].protocol, sl.Protocol)  # what the parties below start from
    assert len(shown) > 20


def test_the_readmes_commands_run_as_they_stand(command):
    patients(200).to_csv("patients.csv", index=False)
    lines = [line for line in find_commands() if not line.startswith("deploy")][:3]
    assert [line.split()[0] for line in lines] == ["synthesize", "record", "verify"]
    for line in lines:
        quick = ["--model", "independent"] if line.startswith("synthesize") else []
        code, _, err = command(*line.split(), *quick)
        assert code == 0, err


@pytest.mark.parametrize("line", find_commands())
def test_every_command_that_the_readme_names_takes_what_it_shows(line):
    words, group = shlex.split(line), get_command(app)
    while words and isinstance(group, Group):
        group = group.commands[words.pop(0)]
    options = {name for parameter in group.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    places = [parameter for parameter in group.params if parameter.param_type_name == "argument"]
    values = [word for before, word in pairwise(["", *words]) if not f"{before}{word}".startswith("--")]
    assert "..." in words or len(values) >= sum(place.required for place in places)


@pytest.mark.parametrize(
    ("group", "names"),
    [(group, names) for group, names in find_others()],
)
def test_every_other_command_that_the_readme_names_is_there(group, names):
    found = get_command(app).commands
    inner = found[group].commands if isinstance(found[group], Group) else found
    assert set(names) <= set(inner)


def test_the_readmes_parties_run_as_they_stand(monkeypatch):
    program = re.search(r"```python\n(from synthlib import Study\n.*?)```", readme(), re.DOTALL)[1]
    told = " ".join(re.findall(r"^# (.*)$", program, re.MULTILINE))
    parties = {name: account(name) for name in ("steward", "researcher")}
    names = {"ledger": sl.Ledger.in_process(), "admin": demo_account(), "table": patients(20), **parties}
    names |= {"key": sl.StewardKey.for_public_data("tests"), "protocol": sl.Protocol(*"abcdef")}
    assert all(re.search(rf"\b{name}[,:]", told) for name in names)  # what the reader must bring is said
    given, approve = [], Protocols.approve
    monkeypatch.setattr(
        Protocols, "approve", lambda self, what, *a, **k: given.append(what) or approve(self, what, *a, **k)
    )
    exec(program, names)
    assert [type(what) for what in given] == [SealedProtocol]  # the hospital is given no salt
    track = names["study"].track
    assert track.open_releases_left == 1 and track.is_revealed
    assert names["study"].attempt({"model_type": "x"}) == 1


def list_options(group: Group, before: str = "") -> dict[str, set[str]]:
    """The options of every command by its name, with its group's."""
    found = {}
    for name, command in group.commands.items():
        if isinstance(command, Group):
            found |= list_options(command, f"{before}{name} ")
        else:
            found[before + name] = {option for each in command.params for option in each.opts}
    return found


def test_the_readme_names_the_commands_that_take_no_journal():
    """But `synthesize`, which starts one of its own."""
    named = re.search(r"take no `--journal`[^:]*: (.*?)\. ", readme(), re.DOTALL)[1]
    lacking = [name for name, options in list_options(get_command(app)).items() if "--journal" not in options]
    on_chain = {name for name in lacking if "--rpc" in list_options(get_command(app))[name]}
    assert set(re.findall("`([a-z ]+)`", named)) == on_chain - {"synthesize"}


DOCUMENTS = ["README.md", "ARCHITECTURE.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", sorted(DOCUMENTS))
def test_what_a_document_names_is_there(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    links = {link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("http")}
    assert [link for link in links if not (ROOT / document).parent.joinpath(link).exists()] == []
    modules = set(re.findall(r"\b([a-z]\w*\.py)\b", text))
    known = {path.name for place in ("synthlib", "tools", "tests") for path in (ROOT / place).rglob("*.py")}
    assert modules <= known


def test_every_module_is_on_the_map():
    """Those of commands/ are named by what they are about, six with figures by what stands before `_`."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b([a-z]\w*\.py)\b", text))
    named |= {f"{kind}figures.py" for kind in re.findall(r"\b([a-z]+_)[,)\s]", text)}
    modules = {path for path in (ROOT / "synthlib").rglob("*.py") if not path.name.startswith("_")}
    assert {path.name for path in modules if path.parent.name != "commands"} - named == set()
