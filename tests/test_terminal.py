"""What the command line shows: waiting, questions and tables."""

import io
import json
import logging
import time

import pytest
import typer

from synthlib.commands import terminal
from synthlib.commands.synthesizing import check_places
from synthlib.commands.terminal import confirm, show_fields, show_rows, waiting


def test_what_is_waited_for_is_said_until_it_is_over(capsys, monkeypatch):
    monkeypatch.setattr(terminal, "PATIENCE", 0.01)
    with waiting("a record", "the node"):
        logging.getLogger("synthlib.chain.watching").info("raising the fees")
        deadline = time.monotonic() + 10
        while "still waiting" not in (said := capsys.readouterr().err) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "still waiting for the node" in said
    capsys.readouterr()
    time.sleep(0.05)
    logging.getLogger("synthlib.chain.watching").info("raising the fees")
    assert capsys.readouterr().err == ""


def test_what_happens_meanwhile_is_said(capsys):
    with waiting("a record", "the node"):
        logging.getLogger("synthlib.chain.watching").info("raising the fees")
    assert capsys.readouterr().err.splitlines() == [
        "a record: sending to the node, waiting for its block",
        "  raising the fees",
    ]


def test_a_failure_ends_the_waiting():
    level = logging.getLogger("synthlib.chain").level
    with pytest.raises(KeyError), waiting("a record", "the node"):
        raise KeyError
    assert logging.getLogger("synthlib.chain").level == level
    assert logging.getLogger("synthlib.chain").handlers == []


def test_what_strangers_name_commands_no_terminal(capsys):
    terminal.say("error: a\x1b[2Jb.csv: missing\nü \u202e")
    assert capsys.readouterr().err == "error: a\\x1b[2Jb.csv: missing\nü \\u202e\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stdin", "message"), [(io.StringIO("yes\n"), "expected --yes"), (Terminal("y\n"), "nothing")]
)
def test_what_cannot_be_undone_is_asked_for(monkeypatch, stdin, message):
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(ValueError, match=message):
        confirm("end it", yes=False)
    confirm("end it", yes=True)
    monkeypatch.setattr("sys.stdin", Terminal(" YES \n"))
    confirm("end it", yes=False)


def test_fields_and_rows_are_for_people_or_for_programs(capsys):
    fields = {"name": "a", "longer": ("b", "c")}
    show_fields(fields)
    assert capsys.readouterr().out == "name    a\nlonger  b, c\n"
    show_fields(fields, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"name": "a", "longer": ["b", "c"]}
    rows = [{"id": 1, "state": "offered"}, {"id": 20, "state": "x"}]
    show_rows(rows, as_json=False, nothing="nothing")
    assert capsys.readouterr().out == "id  state\n1   offered\n20  x\n"
    show_rows(iter(rows), as_json=True, nothing="nothing")
    assert json.loads(capsys.readouterr().out) == rows
    show_rows([], as_json=False, nothing="nothing")
    assert capsys.readouterr().out == "nothing\n"


@pytest.mark.parametrize("option", ["model", "data", "report"])
def test_nothing_confidential_takes_the_place_of_the_sealed_noise(tmp_path, option):
    seal = tmp_path / "noise.csv"
    places = dict.fromkeys(("key", "checkpoint", "seal", "model", "data", "report")) | {"seal": seal}
    assert check_places(tmp_path / "patients.csv", tmp_path / "release", **places).seal == seal
    with pytest.raises(typer.BadParameter, match="a place of its own"):
        check_places(tmp_path / "patients.csv", tmp_path / "release", **places | {option: seal})
