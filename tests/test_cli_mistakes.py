"""The command line when something is wrong: it is said, nothing is lost, and no cell of a table is shown."""

import json
import re
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from command_line_helpers import SECRET, listing, patients, run_process
from conftest import make_cohort

import synthlib as sl
from synthlib.commands.options import check_confidential
from synthlib.commands.terminal import explain

pytest_plugins = ["command_line_fixtures"]
pytestmark = pytest.mark.usefixtures("own_folder")


# What is wrong is said, and nothing is lost


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["synthesize", "none.csv", "--out", "new"], "none.csv, found none"),
        (["synthesize", "patients.csv"], "--out"),
        (["synthesize", "patients.csv", "--out", "new", "--model", "vae"], "gpt, gan, independent"),
        (["synthesize", "patients.csv", "--out", "new", "--target", "dead"], "got dead"),
        (["synthesize", "patients.csv", "--out", "new", "--target", "name"], "name"),
        (
            ["synthesize", "patients.csv", "--out", "new", "--target", "mrn", "--patient-id", "mrn"],
            "--target",
        ),
        (
            ["synthesize", "patients.csv", "--out", "new", "--target", "age", "--identifier", "age"],
            "--target",
        ),
        (["synthesize", "patients.csv", "--out", "new", "--patient-id", "pid"], "got pid"),
        (["synthesize", "patients.csv", "--out", "new", "--leak", "later"], "got later"),
        (["synthesize", "patients.csv", "--out", "new", "--rows", "0"], "--rows"),
        (["synthesize", "patients.csv", "--out", "new", "--steps", "0"], "--steps"),
        (["synthesize", "patients.csv", "--out", "new", "--steps", "9", "--model", "gpt"], "--steps"),
        (["synthesize", "patients.csv", "--out", "new", "--epochs", "0"], "--epochs"),
        (["synthesize", "patients.csv", "--out", "new", "--epochs", "9"], "it is for --model gpt"),
        (["synthesize", "patients.csv", "--out", "new", "--seed", "-1"], "--seed"),
        (["synthesize", "patients.csv", "--out", "new", "--holdout-fraction", "1"], "holdout_fraction"),
        (["synthesize", "patients.csv", "--out", "new", "--keep", "age"], "COLUMN=REASON"),
        (["synthesize", "patients.csv", "--out", "new", "--keep", "age="], "COLUMN=REASON"),
        (["synthesize", "patients.csv", "--out", "new", "--keep", "weight=needed"], "got weight"),
        (["synthesize", "patients.csv", "--out", "new", "--kind", "age=number"], "'number'"),
        (["synthesize", "patients.csv", "--out", "new", "--kind", "weight=integer"], "got weight"),
        (["synthesize", "patients.csv", "--out", "new", "--index-date", "age"], "datetime column"),
        (["synthesize", "patients.csv", "--out", "new", "--schema", "none.json"], "none.json"),
        (["synthesize", "patients.csv", "--out", "new", "--schema", "patients.csv"], "Schema.to_json"),
        (
            ["synthesize", "patients.csv", "--out", "new", "--schema", "s.json", "--target", "died"],
            "--schema",
        ),
        (["synthesize", "patients.csv", "--out", "patients.csv"], "choose another folder"),
        (["synthesize", "patients.csv", "--out", "patients.csv/new"], "able to write"),
        *(
            (["synthesize", "patients.csv", "--out", "new", option, "patients.csv/x.csv"], "able to write")
            for option in ("--save-report", "--save-model", "--save-data", "--checkpoint", "--key")
        ),
        (["evaluate", *["patients.csv"] * 3, "--out", "patients.csv/report"], "able to write"),
        (["evaluate", *["patients.csv"] * 3, "--out", "patients.csv/report.csv"], "able to write"),
        (["synthesize", "patients.csv", "--out", "thesis"], "thesis.docx"),
        (["synthesize", "patients.csv", "--out", "."], "choose another folder"),
        (["synthesize", "patients.csv", "--out", "new", "--key", "new/a.key"], "--key"),
        (["synthesize", "patients.csv", "--out", "new", "--key", "thesis/thesis.docx"], "chmod 600"),
        (["synthesize", "patients.csv", "--out", "new", "--checkpoint", "new/c.npz"], "--checkpoint"),
        (["synthesize", "patients.csv", "--out", "new", "--save-model", "new/model"], "--save-model"),
        (["synthesize", "patients.csv", "--out", "new", "--save-model", "."], "--save-model"),
        (["synthesize", "patients.csv", "--out", "new", "--save-model", "thesis"], "other files"),
        (["synthesize", "patients.csv", "--out", "new", "--save-data", "thesis"], "choose another folder"),
        (["synthesize", "patients.csv", "--out", "new", "--save-data", "new/../new/x"], "--save-data"),
        (["synthesize", "few.csv", "--out", "new", "--target", "died"], "at least 2 rows on each side"),
        (["synthesize", "empty.csv", "--out", "new"], "empty"),
        (["synthesize", "notes.csv", "--out", "new"], "--identifier COLUMN leaves a column out"),
        (["evaluate", "patients.csv", "patients.csv", "none.csv"], "none.csv"),
        (["record", "none"], "was it made yet"),
        (["record", "thesis"], "not what its manifest describes"),
        (["verify", "thesis", "--key", "none.key"], "none.key"),
        (["reproduce", "-p", "seed"], "NAME=VALUE"),
        (["fly"], "No such command"),
        (["verify"], "bundle"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_named_and_nothing_is_lost(run, words, told):
    patients(60).to_csv("patients.csv", index=False)
    make_cohort(60).assign(disease="sepsis").head(3).to_csv("few.csv", index=False)
    Path("empty.csv").write_text("")
    sl.write_table(
        pd.DataFrame({"a": [1, 2] * 30, "remarks": [f"{SECRET} felt well on day {d}" for d in range(60)]}),
        "notes.csv",
    )
    Path("s.json").write_text(sl.Schema.infer(make_cohort(60)).to_json())
    Path("thesis").mkdir()
    Path("thesis/thesis.docx").write_text("years of work")
    before = listing(".")
    code, _, err = run(
        *words, *(["--model", "independent"] if words[0] == "synthesize" and "--model" not in words else [])
    )
    assert code == 2
    assert told in err
    assert "Traceback" not in err
    lines = err[err.index("error:") :].splitlines()
    assert len(lines) <= 4
    assert SECRET not in err
    assert listing(".") == before
    assert not Path("new").exists()


def test_a_recorded_release_is_not_written_over(released, tmp_path, run):
    folder, *_ = released
    shutil.copytree(folder / "release", tmp_path / "release")
    before = listing(tmp_path)
    code, _, err = run("synthesize", folder / "patients.csv", "--out", "release", "--model", "independent")
    assert code == 2 and "is recorded" in err
    assert listing(tmp_path) == before


def test_an_unrecorded_release_is(released, tmp_path, run):
    folder, *_ = released
    shutil.copytree(folder / "unrecorded", tmp_path / "release")
    options = ["--target", "died", "--model", "independent", "--rows", "30", "--out", "release"]
    assert run("synthesize", folder / "patients.csv", *options)[0] == 0
    assert sl.Bundle.open("release").parameters["num_rows"] == 30


def test_the_same_key_serves_again(released, tmp_path, run):
    folder, *_ = released
    key = tmp_path / "kept.key"
    shutil.copy2(folder / "release.key", key)
    options = ["--target", "died", "--model", "independent", "--key", key, "--out", "release"]
    _, _, err = run("synthesize", folder / "patients.csv", *options)
    assert f"committed under the key that was in {key}" in err and "new key" not in err
    commitments = {
        sl.Bundle.open(place / "release").parameters["training_commitment"] for place in (folder, tmp_path)
    }
    assert len(commitments) == 1


def test_a_failure_while_writing_leaves_the_key_and_what_is_on_record(released, tmp_path, run, monkeypatch):
    folder, *_ = released
    options = ["--target", "died", "--model", "independent", "--out", "release"]
    with monkeypatch.context() as broken:
        broken.setattr("synthlib.release.commit", lambda *_: 1 / 0)
        code, _, err = run("synthesize", folder / "patients.csv", *options)
    assert code == 2 and "unexpected ZeroDivisionError" in err
    left = sorted(path.name for path in tmp_path.iterdir())
    assert [re.sub("[0-9a-f]{12}", "…", name) for name in left] == [
        ".release.….attempts.json",
        ".release.journal.jsonl",
        "release.key",
    ]
    assert run("synthesize", folder / "patients.csv", *options)[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["release", "release.key"]
    attempts = json.loads((tmp_path / "release" / "attempts.json").read_text())["attempts"]
    assert [attempt["outcome"] for attempt in attempts] == ["fitted", "fitted"]  # it was fitted twice


# No cell of a table is shown, whatever goes wrong


def spoil(kind):
    """Tables that something chokes on, with the secret in the very cell."""
    table = make_cohort(60)
    if kind == "text among numbers":
        table["lab"] = [SECRET, *table["lab"][1:].astype(str)]
    elif kind == "a date that is none":
        table["seen"] = [f"2001-13-45 {SECRET}", *["2001-01-01"] * 59]
    elif kind == "mixed types":
        table["disease"] = [SECRET.encode(), *table["disease"][1:]]
    elif kind == "a secret level":
        table["disease"] = [SECRET, *table["disease"][1:]]
    elif kind == "lists":
        table["disease"] = [[SECRET], *[["sepsis"]] * 59]
    return table


@pytest.mark.parametrize(
    "kind", ["text among numbers", "a date that is none", "mixed types", "a secret level", "lists"]
)
@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--kind", "lab=continuous"],
        ["--kind", "disease=integer"],
        ["--kind", "age=datetime"],
        ["--schema", "s.json"],
    ],
    ids=" ".join,
)
def test_no_cell_is_shown(run, kind, form, options):
    Path("s.json").write_text(sl.Schema.infer(make_cohort(60), target="died").to_json())
    table = spoil(kind)
    try:
        table.to_csv("t.csv", index=False) if form == "csv" else table.to_parquet("t.parquet")
    except Exception:
        pytest.skip("no such file can be written")
    code, out, err = run("synthesize", f"t.{form}", "--model", "independent", "--out", "release", *options)
    assert SECRET not in out + err
    assert "Traceback" not in err
    if code == 0:
        for path, content in listing("release").items():
            assert SECRET.encode() not in content, path
    else:
        assert (code, Path("release").exists()) == (2, False)


@pytest.mark.parametrize(
    "text",
    [
        f"a,b\n1,2\n{SECRET},3,4\n",
        f'a,b\n1,"{SECRET}\n',
        f"a,b\n1,{SECRET}\udcff\n",
        f"a,a\n1,{SECRET}\n",
        f"{SECRET}\n",
        f"a,b\n{SECRET},\x00\n",
    ],
    ids=["fields", "quote", "bytes", "columns", "one line", "nul"],
)
def test_no_cell_of_a_damaged_file_is_shown(run, text):
    Path("t.csv").write_bytes(text.encode(errors="surrogateescape"))
    code, out, err = run("synthesize", "t.csv", "--model", "independent", "--out", "release")
    assert code == 2
    assert SECRET not in out + err


def test_other_libraries_errors_are_not_quoted():
    """Nor those that compiled code raises in a line of our own, such as float("a name")."""

    def in_pandas():
        pd.to_numeric(pd.Series([SECRET]))

    def in_a_line_of_ours():
        sl.Column("x", "continuous").from_numbers(SECRET)

    def raised_by_us():
        raise sl.SchemaError("expected this")

    for provoke in (in_pandas, in_a_line_of_ours):
        with pytest.raises(Exception, match=SECRET) as caught:
            provoke()
        assert SECRET not in explain(caught.value)
        assert f"unexpected {type(caught.value).__name__}" in explain(caught.value)
    with pytest.raises(sl.SchemaError) as caught:
        sl.Schema.from_json("[")
    assert "Schema.to_json" in explain(caught.value)
    with pytest.raises(KeyError) as caught:
        sl.Schema.infer(make_cohort(60))["weight"]
    assert explain(caught.value).startswith("expected one of disease")
    with pytest.raises(FileNotFoundError) as caught:
        Path("nowhere").read_bytes()
    assert explain(caught.value) == "No such file or directory: nowhere"


def test_debug_shows_where_it_arose(tmp_path):
    quiet = run_process(tmp_path, "record", "none")
    loud = run_process(tmp_path, "--debug", "record", "none")
    late = run_process(tmp_path, "record", "none", "--debug")
    assert (quiet.returncode, quiet.stderr.count("\n")) == (2, 1)
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr and "Traceback" in late.stderr


def test_a_key_that_is_there_needs_no_folder_that_can_be_written(tmp_path, monkeypatch):
    """As on a read-only disk; made as an error, since the administrator may write anywhere."""

    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    key = tmp_path / "steward.key"
    key.write_text("a key")
    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    assert check_confidential("--key", key, [], is_read=True) == key.resolve()
    for path, is_read in ((key, False), (tmp_path / "new.key", True)):
        with pytest.raises(OSError, match="expected to be able to write in"):
            check_confidential("--key", path, [], is_read=is_read)


def test_the_root_of_the_disk_is_no_place_for_a_report(tmp_path, run):
    (tmp_path / "table.csv").write_text("a,b\n1,2\n3,4\n")
    code, _, err = run("evaluate", *[tmp_path / "table.csv"] * 3, "--out", "/")
    assert code == 2 and err.startswith("error: ") and "unexpected" not in err
