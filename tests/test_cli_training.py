"""`synthlib synthesize`: trainings, also killed and interrupted ones, and the options for columns."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from command_line_helpers import ROOT, SECRET, listing, patients, run_process
from conftest import make_cohort

import synthlib as sl
from synthlib.commands import terminal

pytest_plugins = ["command_line_fixtures"]
pytestmark = pytest.mark.usefixtures("own_folder")


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
