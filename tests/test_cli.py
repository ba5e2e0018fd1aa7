"""The command line: the whole way from a table to a verdict, and what it says when something is wrong."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort
from typer.testing import CliRunner

import synthlib as sl
from synthlib.cli import app
from synthlib.commands import terminal
from synthlib.commands.terminal import explain

ROOT = Path(__file__).parents[1]
SECRET = "Quetzalcoatl"  # stands in cells that must be shown nowhere


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("SYNTHLIB_PRIVATE_KEY", "SYNTHLIB_KEYFILE", "SYNTHLIB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys):
    """Call the command line in this process: exit code, stdout, stderr."""

    def call(*words):
        with warnings.catch_warnings():
            code = terminal.run(app, [str(word) for word in words])
        return code, *capsys.readouterr()

    return call


def run_process(folder, *words):
    command = [sys.executable, "-m", "synthlib", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def listing(folder):
    """Every file below a folder, with its content."""
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def patients(num_rows=300):
    """A cohort with names, numbers and dates, as a hospital would export it."""
    table = make_cohort(num_rows)
    table.insert(0, "name", [f"{SECRET}{place}" for place in range(num_rows)])
    table.insert(1, "mrn", np.arange(num_rows) + 700_000)
    table["admitted"] = [f"2001-{1 + day % 12:02}-{1 + day % 28:02}" for day in range(num_rows)]
    return table


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with a table, its release made and recorded by processes of their own, and what they said."""
    folder = tmp_path_factory.mktemp("study")
    patients().to_csv(folder / "patients.csv", index=False)
    options = ["--target", "died", "--model", "independent", "--out", "release", "--save-data", "data"]
    options += ["--save-report", "scores.csv"]
    made = run_process(folder, "synthesize", "patients.csv", *options)
    shutil.copytree(folder / "release", folder / "unrecorded")
    recorded = run_process(folder, "record", "release")
    before = listing(folder / "release")
    again = run_process(folder, "record", "release")
    assert listing(folder / "release") == before
    return folder, made, recorded, again


# The whole way


def test_a_table_becomes_a_release(study):
    folder, made, _, _ = study
    assert made.returncode == 0, made.stderr
    bundle = sl.Bundle.open(folder / "release")
    assert bundle.digest in made.stdout
    synthetic = sl.read_table(bundle.file("synthetic.csv"))
    assert len(synthetic) == bundle.parameters["num_rows"] == 240
    assert list(synthetic.columns) == ["disease", "group", "age", "lab", "died", "admitted"]
    assert set(synthetic["admitted"]) == {2001}
    assert (folder / "release.key").stat().st_mode & 0o077 == 0


def test_each_stage_is_said_on_stderr(study):
    _, made, _, _ = study
    stages = re.findall(r"^\[(\d)/8\] ([\w-]+):", made.stderr, re.MULTILINE)
    assert [name for _, name in stages] == list(terminal.STAGES)
    assert [int(number) for number, _ in stages] == list(range(1, 9))
    assert "new key of the data's steward" in made.stderr
    assert "taken for direct identifiers, and left out: name, mrn" in made.stderr


def test_what_was_removed_is_said_and_kept(study):
    folder, made, _, _ = study
    assert re.search(r"name +dropped: a direct identifier", made.stdout)
    assert re.search(r"admitted +to year", made.stdout)
    report = sl.read_table(folder / "release" / "deidentification.csv").set_index("column")
    assert report.loc[["name", "mrn", "admitted"], "action"].tolist() == ["dropped", "dropped", "to year"]


def test_no_name_is_shown_or_published(study):
    folder, made, recorded, again = study
    for process in (made, recorded, again):
        assert SECRET not in process.stdout + process.stderr
    for path, content in listing(folder / "release").items():
        assert SECRET.encode() not in content, path


def test_recording_twice_is_harmless(study):
    _, _, first, second = study
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stdout == second.stdout


def test_a_recorded_release_verifies_from_its_folder_alone(study, tmp_path):
    folder, *_ = study
    shutil.copytree(folder / "release", tmp_path / "received")
    done = run_process(tmp_path, "verify", "received")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("yes")
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["synthetic.csv", "schema.json", "report.csv", "manifest.json"])
@pytest.mark.parametrize("change", ["flip", "truncate", "remove"])
def test_a_tampered_release_does_not(study, tmp_path, run, name, change):
    folder, *_ = study
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


def test_a_tampered_release_in_a_process_of_its_own(study, tmp_path):
    folder, *_ = study
    shutil.copytree(folder / "release", tmp_path / "received")
    with (tmp_path / "received" / "synthetic.csv").open("a") as file:
        file.write("sepsis,acute,61,2.5,1,2001\n")
    done = run_process(tmp_path, "verify", "received")
    assert done.returncode == 1
    assert "DIFFERS      synthetic.csv" in done.stdout


def test_an_unrecorded_release_cannot_be_told(study, tmp_path):
    folder, *_ = study
    done = run_process(folder, "verify", "unrecorded")
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1] == "could not tell"


def test_nothing_at_all_cannot_be_told(run):
    assert run("verify", "nowhere")[0] == 2


def test_findings_as_json(study, run):
    folder, *_ = study
    code, out, _ = run("verify", folder / "release", "--json")
    told = json.loads(out)
    assert told["verdict"] == code == 0
    assert {"subject", "verdict", "detail"} == set(told["findings"][0])


def test_the_issuer_is_compared_when_given(study, run):
    folder, *_ = study
    address = re.search(r"0x[0-9a-fA-F]{40}", run("verify", folder / "release")[1])[0]
    assert run("verify", folder / "release", "--issuer", address)[0] == 0
    assert run("verify", folder / "release", "--issuer", "0x" + "11" * 20)[0] == 1


def test_the_steward_opens_the_commitment(study, run):
    folder, *_ = study
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


def test_the_steward_shows_that_the_protocols_split_was_learnt_from(study, run):
    folder, *_ = study
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


def test_a_release_of_the_command_line_says_its_one_draw(study):
    folder, *_ = study
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
def test_the_same_seed_gives_the_same_bytes(study, tmp_path, run, seed):
    folder, *_ = study
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


def test_a_training_all_the_way(tmp_path):
    """In processes of their own: TensorFlow's lines must not reach the terminal either."""
    patients(400).to_csv("patients.csv", index=False)
    options = ["--target", "died", "--epochs", "2", "--rows", "50", "--out", "releases/first"]
    made = run_process(tmp_path, "synthesize", "patients.csv", *options, "--save-model", "model")
    assert made.returncode == 0, made.stderr
    allowed = r"\[\d/8\] |taken for direct|new key|  |next: synthlib record |note: "
    assert [line for line in made.stderr.splitlines() if not re.match(allowed, line)] == []
    assert "train: GPT of 6 columns, at most 2 epochs\n" in made.stderr
    assert not list(tmp_path.rglob("*checkpoint*"))
    bundle = sl.Bundle.open("releases/first")
    assert bundle.parameters["model"]["num_epochs"] == 2
    assert bundle.parameters["model_type"] == "TabularGPT"
    kept = sl.load_synthesizer("model")
    released = kept.schema.conform(sl.read_table(bundle.file("synthetic.csv")))
    pd.testing.assert_frame_equal(kept.sample(50, seed=1), released)
    assert (tmp_path / "model").stat().st_mode & 0o077 == 0
    for words, code in ((["record"], 0), (["record"], 0), (["verify"], 0)):
        done = run_process(tmp_path, *words, "releases/first")
        assert (done.returncode, done.stderr) == (code, "")


def test_a_killed_training_goes_on(tmp_path, run):
    """Killed at its first checkpoint, and run again: the release of a training that was never interrupted."""
    patients(400).to_csv("patients.csv", index=False)
    options = ["--target", "died", "--epochs", "6", "--rows", "40", "--key", "one.key"]
    command = [sys.executable, "-m", "synthlib", "synthesize", "patients.csv", *options, "--out", "first"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    checkpoint = tmp_path / ".first.checkpoint.npz"
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert checkpoint.exists() and not (tmp_path / "first").exists()
    assert checkpoint.stat().st_mode & 0o077 == 0
    assert f"going on from {checkpoint}\n" in run("synthesize", "patients.csv", *options, "--out", "first")[2]
    assert "going on from" not in run("synthesize", "patients.csv", *options, "--out", "second")[2]
    assert not checkpoint.exists()
    assert sl.Bundle.open("first").digest == sl.Bundle.open("second").digest


def test_an_interrupted_gan_goes_on_as_a_gan_alone(tmp_path, run, monkeypatch):
    from synthlib.models.training import Checkpoint

    write = Checkpoint.on_epoch_end

    def write_and_interrupt(*given):
        write(*given)
        raise KeyboardInterrupt

    patients(300).to_csv("patients.csv", index=False)
    words = ["synthesize", "patients.csv", "--target", "died", "--out", "new"]
    gan, checkpoint = [*words, "--model", "gan", "--steps", "40"], tmp_path / ".new.checkpoint.npz"
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "on_epoch_end", write_and_interrupt)
        code, _, err = run(*gan)
    assert code == terminal.INTERRUPTED and f"the same command goes on from {checkpoint}\n" in err
    assert "train: GAN of 6 columns, at most 40 steps\n" in err
    kept = checkpoint.read_bytes()
    code, _, err = run(*words)
    assert code == 2 and "belongs to the training of another generator" in err
    assert checkpoint.read_bytes() == kept and not Path("new").exists()
    code, _, err = run(*gan)
    assert code == 0 and f"going on from {checkpoint}\n" in err and not checkpoint.exists()
    assert sl.Bundle.open("new").parameters["model_type"] == "TabularGAN"


# Evaluate


def test_evaluate_scores_and_writes(study, run):
    folder, *_ = study
    tables = [
        folder / "data" / "train.csv",
        folder / "data" / "holdout.csv",
        folder / "release" / "synthetic.csv",
    ]
    code, out, _ = run("evaluate", *tables, "--target", "died", "--out", "report.csv")
    assert code == 0
    report = sl.read_table("report.csv").set_index("metric")
    assert "Are pairs of columns?" in out and f"{report.loc['marginal_accuracy_2way', 'value']:.3f}" in out
    kept = sl.read_table(folder / "scores.csv").set_index("metric")
    assert report.loc["ks[age]"].to_dict() == kept.loc["ks[age]"].to_dict()
    assert (folder / "scores.csv").stat().st_mode & 0o077 == 0
    recorded = sl.read_table(folder / "release" / "report.csv").set_index("metric")
    assert "ks[age]" not in recorded.index
    assert recorded["value"].tolist() == kept.loc[recorded.index, "value"].round(3).tolist()


def test_evaluate_counts_what_cannot_be(study, run):
    """Impossible values of a synthetic table must not be tidied away before they are scored."""
    folder, *_ = study
    made = sl.read_table(folder / "release" / "synthetic.csv")
    made["age"] += 1000
    sl.write_table(made, "synthetic.csv")
    tables = [folder / "data" / "train.csv", folder / "data" / "holdout.csv", "synthetic.csv"]
    assert run("evaluate", *tables, "--target", "died", "--out", "report.csv")[0] == 0
    found = sl.read_table("report.csv").set_index("metric").loc["invalid_share", "value"]
    assert found == pytest.approx(1 / len(made.columns))


def test_evaluate_overwrites_none_of_its_tables(study, run):
    patients().drop(columns=["name", "mrn"]).to_csv("t.csv", index=False)
    before = listing(".")
    for out in ("t.csv", "./t.csv", "report.txt"):
        code, _, err = run("evaluate", "t.csv", "t.csv", "t.csv", "--out", out)
        assert code == 2 and "--out" in err
    code, _, err = run("evaluate", "t.csv", "t.csv", "t.csv", "--out", ".")
    assert code == 2 and "choose another folder" in err
    assert listing(".") == before


def test_evaluate_judges_and_writes_a_folder(study, run):
    folder, *_ = study
    names = ("data/train.csv", "data/holdout.csv", "release/synthetic.csv")
    words = ["evaluate", *(folder / name for name in names), "--target", "died"]
    for limit, expected in ((1.0, 0), (-1.0, 3)):
        told = {"thresholds": [{"metric": "invalid_share", "at_most": limit}]}
        Path("thresholds.json").write_text(json.dumps(told))
        options = ["--acceptance", "thresholds.json", "--gate", "--out", "report", "--public"]
        code, out, err = run(*words, *options)
        assert code == expected, err
        assert f"gate: {'failed' if expected else 'passed'}\n" in out and "invalid_share" in out
    assert sorted(path.name for path in Path("report").iterdir()) == [
        "report.csv",
        "report.html",
        "report.json",
    ]
    found = json.loads(Path("report/report.json").read_bytes())
    assert found["is_public"] and found["gate"]["verdict"] == "failed"
    assert "Public." in Path("report/report.html").read_text(encoding="utf-8")
    Path("thresholds.json").write_text('{"thresholds": [{"metric": "accuracy", "at_most": 1}]}')
    code, _, err = run(*words, "--acceptance", "thresholds.json")
    assert code == 2 and "which none fits" in err


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


def test_a_recorded_release_is_not_written_over(study, tmp_path, run):
    folder, *_ = study
    shutil.copytree(folder / "release", tmp_path / "release")
    before = listing(tmp_path)
    code, _, err = run("synthesize", folder / "patients.csv", "--out", "release", "--model", "independent")
    assert code == 2 and "is recorded" in err
    assert listing(tmp_path) == before


def test_an_unrecorded_release_is(study, tmp_path, run):
    folder, *_ = study
    shutil.copytree(folder / "unrecorded", tmp_path / "release")
    options = ["--target", "died", "--model", "independent", "--rows", "30", "--out", "release"]
    assert run("synthesize", folder / "patients.csv", *options)[0] == 0
    assert sl.Bundle.open("release").parameters["num_rows"] == 30


def test_the_same_key_serves_again(study, tmp_path, run):
    folder, *_ = study
    key = tmp_path / "kept.key"
    shutil.copy2(folder / "release.key", key)
    options = ["--target", "died", "--model", "independent", "--key", key, "--out", "release"]
    _, _, err = run("synthesize", folder / "patients.csv", *options)
    assert f"committed under the key that was in {key}" in err and "new key" not in err
    commitments = {
        sl.Bundle.open(place / "release").parameters["training_commitment"] for place in (folder, tmp_path)
    }
    assert len(commitments) == 1


def test_a_failure_while_writing_leaves_the_key_and_what_is_on_record(study, tmp_path, run, monkeypatch):
    folder, *_ = study
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


def test_columns_can_be_kept_and_dates_counted_from_an_index(tmp_path, run):
    table = patients()
    table["discharged"] = [f"2002-{1 + day % 12:02}-{1 + day % 28:02}" for day in range(len(table))]
    table.to_csv("patients.csv", index=False)
    options = [
        "--target",
        "died",
        "--model",
        "independent",
        "--index-date",
        "admitted",
        "--keep",
        "age=a trial = needs it",
    ]
    assert run("synthesize", "patients.csv", "--out", "release", *options)[0] == 0
    report = sl.read_table("release/deidentification.csv").set_index("column")
    assert report.loc["age", ["action", "reason"]].tolist() == ["kept", "as asked: a trial = needs it"]
    assert report.loc["discharged", "action"] == "to days since admitted"
    assert sl.read_table("release/synthetic.csv")["discharged"].between(360, 370).all()


def test_an_undeclared_patient_id_is_left_out_and_a_declared_one_keeps_patients_together(tmp_path, run):
    table = make_cohort(300).assign(patient_id=[f"{SECRET}{place // 3}" for place in range(300)])
    table.to_csv("patients.csv", index=False)
    options = ["--target", "died", "--model", "independent"]
    code, _, err = run("synthesize", "patients.csv", *options, "--out", "one")
    assert code == 0 and "left out: patient_id\n" in err and "--patient-id COLUMN" in err
    options += ["--patient-id", "patient_id", "--save-data", "data"]
    assert run("synthesize", "patients.csv", *options, "--out", "two")[0] == 0
    train, holdout = (sl.read_table(f"data/{name}.csv") for name in ("train", "holdout"))
    assert not set(train["patient_id"]) & set(holdout["patient_id"])
    assert all(SECRET.encode() not in content for content in listing("one").values())
    assert all(
        SECRET.encode() not in content for content in [*listing("two").values(), *listing("data").values()]
    )


def test_levels_that_nobody_shares_are_not_published_unless_asked_for(tmp_path, run):
    make_cohort(300).assign(occupation=[f"{SECRET}{place // 2}" for place in range(300)]).to_csv(
        "t.csv", index=False
    )
    words = ["synthesize", "t.csv", "--model", "independent", "--out", "release"]
    code, _, err = run(*words, "--keep", "age=why not")
    assert code == 2 and "occupation" in err and not Path("release").exists()
    assert run(*words, "--keep", "occupation=it was asked for")[0] == 0
    assert "occupation" in sl.read_table("release/synthetic.csv")


def test_a_schema_of_ones_own_is_taken(tmp_path, run):
    table = make_cohort(200)
    schema = sl.Schema.infer(table, target="died").replace("lab", high=4)
    Path("schema.json").write_text(schema.to_json())
    table.to_csv("patients.csv", index=False)
    code, _, err = run(
        "synthesize", "patients.csv", "--schema", "schema.json", "--model", "independent", "--out", "release"
    )
    assert code == 0, err
    assert sl.read_table("release/synthetic.csv")["lab"].max() <= 4


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


def test_the_time_of_the_in_process_chain_is_no_time(study):
    _, _, recorded, _ = study
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
def test_a_reader_that_leaves_does_not_change_the_answer(study, name, code):
    reader, writer = os.pipe()
    os.close(reader)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "synthlib", "verify", name]
    done = subprocess.run(command, cwd=study[0], env=environment, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (code, b"")


def test_the_digest_is_shown_and_compared_when_given(study, run):
    folder, *_ = study
    release = folder / "release"
    code, out, _ = run("verify", release)
    digest = re.search(r"release digest: ([0-9a-f]{64})", out)[1]
    assert code == 0
    assert re.match("yes: whole, but recorded by the demo issuer, whose key anybody", out.splitlines()[-1])
    code, out, _ = run("verify", release, "--digest", digest)
    assert code == 0 and out.splitlines()[-1] == "yes: all that is recorded holds"
    assert run("verify", release, "--digest", "ab" * 32)[0] == 1
