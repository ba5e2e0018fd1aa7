"""The command line: the whole way from a table to a verdict, and what the terminal shows."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from command_line_helpers import ROOT, SECRET, listing, run_process
from conftest import make_cohort
from typer.testing import CliRunner

import synthlib as sl
from synthlib.cli import app
from synthlib.commands import terminal

pytest_plugins = ["command_line_fixtures"]
pytestmark = pytest.mark.usefixtures("own_folder")


# The whole way


def test_a_table_becomes_a_release(released):
    folder, made, _, _ = released
    assert made.returncode == 0, made.stderr
    bundle = sl.Bundle.open(folder / "release")
    assert bundle.digest in made.stdout
    synthetic = sl.read_table(bundle.file("synthetic.csv"))
    assert len(synthetic) == bundle.parameters["num_rows"] == 240
    assert list(synthetic.columns) == ["disease", "group", "age", "lab", "died", "admitted"]
    assert set(synthetic["admitted"]) == {2001}
    assert (folder / "release.key").stat().st_mode & 0o077 == 0


def test_each_stage_is_said_on_stderr(released):
    _, made, _, _ = released
    stages = re.findall(r"^\[(\d)/8\] ([\w-]+):", made.stderr, re.MULTILINE)
    assert [name for _, name in stages] == list(terminal.STAGES)
    assert [int(number) for number, _ in stages] == list(range(1, 9))
    assert "new key of the data's steward" in made.stderr
    assert "taken for direct identifiers, and left out: name, mrn" in made.stderr


def test_what_was_removed_is_said_and_kept(released):
    folder, made, _, _ = released
    assert re.search(r"name +dropped: a direct identifier", made.stdout)
    assert re.search(r"admitted +to year", made.stdout)
    report = sl.read_table(folder / "release" / "deidentification.csv").set_index("column")
    assert report.loc[["name", "mrn", "admitted"], "action"].tolist() == ["dropped", "dropped", "to year"]


def test_no_name_is_shown_or_published(released):
    folder, made, recorded, again = released
    for process in (made, recorded, again):
        assert SECRET not in process.stdout + process.stderr
    for path, content in listing(folder / "release").items():
        assert SECRET.encode() not in content, path


def test_recording_twice_is_harmless(released):
    _, _, first, second = released
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == second.stdout


def test_a_recorded_release_verifies_from_its_folder_alone(released, tmp_path):
    folder, *_ = released
    shutil.copytree(folder / "release", tmp_path / "received")
    done = run_process(tmp_path, "verify", "received")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("yes")
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["synthetic.csv", "schema.json", "report.csv", "manifest.json"])
@pytest.mark.parametrize("change", ["flip", "truncate", "remove"])
def test_a_tampered_release_does_not(released, tmp_path, run, name, change):
    folder, *_ = released
    shutil.copytree(folder / "release", tmp_path / "received")
    file = tmp_path / "received" / name
    data = file.read_bytes()
    place = len(data) // 2
    if change == "flip":
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    elif change == "truncate":
        file.write_bytes(data[:place])
    else:
        file.unlink()
    code, out, _ = run("verify", "received")
    assert code == 1
    assert re.search(rf"DIFFERS +{re.escape(name)}", out)
    assert out.splitlines()[-1].startswith("no")


def test_a_tampered_release_in_a_process_of_its_own(released, tmp_path):
    folder, *_ = released
    shutil.copytree(folder / "release", tmp_path / "received")
    with (tmp_path / "received" / "synthetic.csv").open("a") as file:
        file.write("sepsis,acute,61,2.5,1,2001\n")
    done = run_process(tmp_path, "verify", "received")
    assert done.returncode == 1
    assert "DIFFERS      synthetic.csv" in done.stdout


def test_an_unrecorded_release_cannot_be_told(released, tmp_path):
    folder, *_ = released
    done = run_process(folder, "verify", "unrecorded")
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1] == "could not tell"


def test_nothing_at_all_cannot_be_told(run):
    assert run("verify", "nowhere")[0] == 2


def test_findings_as_json(released, run):
    folder, *_ = released
    code, out, _ = run("verify", folder / "release", "--json")
    told = json.loads(out)
    assert told["verdict"] == code == 0
    assert {"subject", "verdict", "detail"} == set(told["findings"][0])


def test_the_issuer_is_compared_when_given(released, run):
    folder, *_ = released
    address = re.search(r"0x[0-9a-fA-F]{40}", run("verify", folder / "release")[1])[0]
    assert run("verify", folder / "release", "--issuer", address)[0] == 0
    assert run("verify", folder / "release", "--issuer", "0x" + "11" * 20)[0] == 1


def test_the_steward_opens_the_commitment(released, run):
    folder, *_ = released
    release, key = folder / "release", folder / "release.key"
    found = {}
    for name in ("train", "holdout"):
        rows = folder / "data" / f"{name}.csv"
        found[name] = run("verify", release, "--key", key, "--training", rows)
    assert found["train"][0] == 0 and "the commitment opens" in found["train"][1]
    assert found["holdout"][0] == 1 and "DIFFERS      training table" in found["holdout"][1]
    changed = sl.read_table(folder / "data" / "train.csv")
    changed.loc[0, "age"] += 1
    sl.write_table(changed, "changed.csv")
    assert run("verify", release, "--key", key, "--training", "changed.csv")[0] == 1


def test_the_steward_shows_that_the_protocols_split_was_learnt_from(released, run):
    folder, *_ = released
    release, key, data = folder / "release", folder / "release.key", folder / "data"
    code, out, _ = run("verify", release, "--key", key, "--dataset", data / "dataset.csv")
    assert code == 0 and "ok           registered dataset" in out
    assert "ok           training table is the protocol's split" in out
    code, out, _ = run("verify", release, "--key", key, "--dataset", data / "train.csv")
    assert code == 1 and "DIFFERS      registered dataset" in out
    shutil.copy(data / "dataset.csv", "alone.csv")
    code, out, _ = run("verify", release, "--key", key, "--dataset", "alone.csv")
    assert code == 0 and "give the schema" in out
    shutil.copy(data / "schema.json", ".")
    assert "divided again, 240 rows" in run("verify", release, "--key", key, "--dataset", "alone.csv")[1]


def test_a_release_of_the_command_line_says_its_one_draw(released):
    folder, *_ = released
    said = sl.Bundle.open(folder / "release").parameters["protocol"]
    assert (said["attempt"], said["draw"], said["draws"]) == (1, 1, 1)


def test_levels_that_look_like_numbers_open_too(tmp_path, run):
    table = make_cohort(120).assign(ward=["07", "7", "12"] * 40, smoker=["True", "False", "?"] * 40)
    table.to_parquet("patients.parquet")
    options = [
        "--target",
        "died",
        "--model",
        "independent",
        "--save-data",
        "data",
        "--kind",
        "ward=categorical",
    ]
    assert run("synthesize", "patients.parquet", "--out", "release", *options)[0] == 0
    assert run("record", "release")[0] == 0
    code, out, _ = run("verify", "release", "--key", "release.key", "--training", "data/train.csv")
    assert (code, "the commitment opens" in out) == (0, True)
    code, out, _ = run("verify", "release", "--key", "release.key", "--dataset", "data/dataset.csv")
    assert (code, "divided again, 96 rows: the commitment opens" in out) == (0, True)


@pytest.mark.parametrize("seed", [0, 3])
def test_the_same_seed_gives_the_same_bytes(released, tmp_path, run, seed):
    folder, *_ = released
    options = ["--target", "died", "--model", "independent", "--seed", seed, "--key", folder / "release.key"]
    for out in ("one", "two"):
        assert run("synthesize", folder / "patients.csv", *options, "--out", out)[0] == 0
    assert (tmp_path / "one" / "manifest.json").read_bytes() == (
        tmp_path / "two" / "manifest.json"
    ).read_bytes()
    same = (
        sl.Bundle.open("one").parameters["synthetic_digest"]
        == (sl.Bundle.open(folder / "release").parameters["synthetic_digest"])
    )
    assert same == (seed == 0)


# The terminal


def test_version_and_help():
    runner = CliRunner()
    assert runner.invoke(app, ["--version"]).output.strip() == sl.__version__
    listed = runner.invoke(app, ["--help"]).output
    assert all(name in listed for name in ("synthesize", "evaluate", "record", "verify", "reproduce"))
    for name in ("synthesize", "evaluate", "record", "verify", "reproduce"):
        assert runner.invoke(app, [name, "--help"]).exit_code == 0


def test_no_command_shows_the_help(run):
    code, out, err = run()
    assert code == 2 and "synthesize" in out + err
    assert "error" not in err


def test_the_time_of_the_in_process_chain_is_no_time(released):
    _, _, recorded, _ = released
    assert re.search(r"^time +not known", recorded.stdout, re.MULTILINE)


def test_names_that_command_a_terminal_or_are_no_ascii_do_no_harm(tmp_path):
    table = make_cohort(60).rename(columns={"lab": "[red]labör\u2028"})
    table.to_csv("patients.csv", index=False)
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "ascii:strict",
        "PYTHONUTF8": "0",
    }
    command = [sys.executable, "-m", "synthlib", "synthesize", "patients.csv", "--model", "independent"]
    done = subprocess.run([*command, "--out", "release"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "[red]lab" in done.stdout


@pytest.mark.parametrize(("name", "code"), [("release", 0), ("unrecorded", 2)])
def test_a_reader_that_leaves_does_not_change_the_answer(released, name, code):
    reader, writer = os.pipe()
    os.close(reader)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "synthlib", "verify", name]
    done = subprocess.run(command, cwd=released[0], env=environment, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (code, b"")


def test_the_digest_is_shown_and_compared_when_given(released, run):
    folder, *_ = released
    release = folder / "release"
    code, out, _ = run("verify", release)
    digest = re.search(r"release digest: ([0-9a-f]{64})", out)[1]
    assert code == 0
    assert re.match("yes: whole, but recorded by the demo issuer, whose key anybody", out.splitlines()[-1])
    code, out, _ = run("verify", release, "--digest", digest)
    assert code == 0 and out.splitlines()[-1] == "yes: all that is recorded holds"
    assert run("verify", release, "--digest", "ab" * 32)[0] == 1
