"""Releases: what their record speaks of is in them, and a refusal leaves nothing behind."""

import hashlib
import json
from copy import copy

import pandas as pd
import pytest
from conftest import make_cohort
from release_helpers import SECRET, write

import synthlib as sl
from synthlib.bundle import canonical_json
from synthlib.chain.attempts import read_attempts
from synthlib.chain.commitments import commit, table_digest
from synthlib.chain.gate_evidence import check_gate
from synthlib.chain.protocols import Protocol
from synthlib.chain.records import NOT_PRIVATE
from synthlib.chain.registry import Ledger
from synthlib.chain.rows import ConfidentialRows, RowTree, verify_row
from synthlib.chain.study import Study
from synthlib.chain.verification import verdict
from synthlib.gate import gate_outcome
from synthlib.models.accounting import Queries, account
from synthlib.preregistration import describe_attempt, write_protocol
from synthlib.release import public_report, write_data, write_release

pytest_plugins = ["release_fixtures"]


@pytest.fixture(scope="module")
def release(made, tmp_path_factory):
    return write(tmp_path_factory.mktemp("releases") / "one", made)


# What is in it


def test_the_files_are_those_that_verification_expects(release):
    assert release.kind == "release"
    assert release.files == [
        *("deidentification.csv", "report.csv", "rows.json", "schema.json", "synthetic.csv")
    ]


def test_the_parameters_are_those_that_a_record_speaks_of(release, made):
    _, train, _, schema, _, synthetic, _, _ = made
    found = release.parameters
    assert set(found) == {
        *("model_type", "model", "characteristics", "training_commitment"),
        *("synthetic_digest", "rows_root", "seed", "num_rows", "given", "versions"),
    }
    assert found["model_type"] == "IndependentMarginals"
    assert found["model"] == {"max_states": 24, "min_count": 5}
    assert (found["seed"], found["num_rows"]) == (5, 200)
    assert found["training_commitment"] == commit(train, sl.StewardKey(SECRET)).hex()
    assert found["synthetic_digest"] == table_digest(synthetic).hex()
    assert found["characteristics"]["num_rows"] == len(train)
    assert found["characteristics"]["num_columns"] == len(schema)
    assert {"python", "synthlib", "tensorflow", "keras", "numpy", "pandas"} == set(found["versions"])


def test_the_files_read_back_to_what_was_given(release, made):
    _, _, _, _, _, synthetic, report, deidentification = made
    public = sl.Schema.from_json(release.file("schema.json").read_text())
    read = public.conform(sl.read_table(release.file("synthetic.csv")))
    pd.testing.assert_frame_equal(read, synthetic, check_dtype=False)
    public.check(read)
    pd.testing.assert_frame_equal(sl.read_table(release.file("report.csv")), public_report(report))
    assert len(sl.read_table(release.file("deidentification.csv"))) == len(deidentification)


def test_two_writings_have_the_same_bytes(release, made, tmp_path):
    assert write(tmp_path / "two", made).digest == release.digest


def test_the_root_is_that_of_the_rows(release, made):
    synthetic = made[5]
    rows = json.loads(release.file("rows.json").read_text())
    tree = RowTree.of_release(release, sl.StewardKey(SECRET))
    assert rows["root"] == release.parameters["rows_root"] == tree.root.hex()
    assert rows["num_rows"] == len(synthetic)
    assert verify_row(tree.prove(17), bytes.fromhex(rows["root"]))


def test_the_training_table_is_not_released(made, tmp_path):
    train, model = made[1], made[4]
    with pytest.raises(ConfidentialRows):
        write(tmp_path / "one", made, synthetic=train[model.schema.names])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def study(made) -> Study:
    """A study of the table, with two attempts, of which the second is the model."""
    ledger = Ledger.in_process()
    protocol = write_protocol(made[3], [made[4]], 0.2, 3)
    study = Study.open(ledger, protocol, "ab" * 32, cap=1.0, budget=0.5, open_releases=10)
    study.settle(study.attempt({"model_type": "TabularGAN"}), "failed")
    study.attempt(describe_attempt(made[4], made[1], sl.StewardKey(SECRET)))
    return study


def test_a_studys_release_says_its_protocol_and_every_attempt(made, study, tmp_path):
    release = write(tmp_path / "one", made, study=study)
    assert {"protocol.json", "attempts.json"} <= set(release.files)
    assert release.parameters["protocol"] == study.describe(2, None, draw=1)
    assert release.parameters["protocol"]["spend"] == NOT_PRIVATE
    assert Protocol.from_json(release.file("protocol.json").read_bytes()) == study.protocol
    assert read_attempts(release.file("attempts.json").read_bytes(), study.registration.id) == study.attempts
    record = study.ledger.record(release)
    assert (record.attempt, record.attempts, record.is_private) == (2, 2, False)
    study.ledger.save(release)
    assert verdict(sl.verify(release.path)) == 0


@pytest.mark.parametrize(("loss", "units"), [(0.25, 250_000), (None, 201), (0.1000001, 100_001)])
def test_a_loss_is_said_in_millionths_rounded_up(made, study, tmp_path, loss, units):
    private = copy(made[4])
    private.spend_ = account([Queries("all", 50.0)], 1e-5, len(made[1]))  # a rho of 0.0002
    spent = (*made[:4], private, *made[5:])
    release = write(tmp_path / "one", spent, study=study, attempt=1, loss=loss)
    said = release.parameters["protocol"]
    assert (said["attempt"], said["spend"]) == (1, units)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"attempt": 0}, "one of 2 attempts, got 0"),
        ({"attempt": 3}, "one of 2 attempts, got 3"),
        ({"loss": 0}, "positive, finite loss"),
        ({"loss": -1.0}, "positive, finite loss"),
        ({"loss": float("nan")}, "positive, finite loss"),
        ({"study": None, "attempt": 1}, "give write_release the study"),
        ({"study": None, "loss": 0.1}, "give write_release the study"),
    ],
)
def test_attempts_and_losses_that_are_none(made, study, tmp_path, given, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "one", made, **({"study": study} | given))
    assert not (tmp_path / "one").exists()


def test_a_release_says_whether_it_meets_its_thresholds(made, study, tmp_path):
    def declare(limit):
        return {"thresholds": [{"metric": "invalid_share", "at_most": limit}]}

    for limit, outcome in ((0.5, "passed"), (-0.5, "failed")):
        bundle = write(tmp_path / outcome, made, acceptance=declare(limit))
        told = json.loads(bundle.file("gate.json").read_bytes())
        assert gate_outcome(bundle.manifest) == told["verdict"] == outcome
        sha = hashlib.sha256(bundle.file("gate.json").read_bytes()).hexdigest()
        assert bundle.parameters["gate"]["gate_digest"] == sha
        findings = []
        check_gate(bundle.path, bundle.manifest, findings)
        assert [found.verdict for found in findings] == ["matched"]
    assert gate_outcome(write(tmp_path / "none", made).manifest) == "none"
    with pytest.raises(ValueError, match="whose protocol declared its own"):
        write(tmp_path / "other", made, study=study, acceptance=declare(0.5))
    with pytest.raises(ValueError, match="which none fits"):
        write(tmp_path / "bad", made, acceptance={"thresholds": [{"metric": "accuracy", "at_most": 1}]})


def test_without_a_study_it_is_not_recorded(release):
    with pytest.raises(ValueError, match="register a protocol before training"):
        Ledger.in_process().record(release)


def test_parents_are_named(made, tmp_path):
    _, train, holdout, schema, _, _, _, deidentification = made
    key = sl.StewardKey(SECRET)
    data = write_data(tmp_path / "data", train, holdout, schema, deidentification, key)
    assert write(tmp_path / "one", made, parents={"data": data}).parents == {"data": data.digest}


# Refusals leave nothing


def test_a_synthetic_table_of_another_schema_is_refused(made, tmp_path):
    *_, synthetic, _, _ = made
    with pytest.raises(sl.SchemaError):
        write(tmp_path / "one", made, synthetic=synthetic.assign(age=1000))
    with pytest.raises(sl.SchemaError):
        write(tmp_path / "one", made, synthetic=synthetic.drop(columns="age"))
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_csv_would_change_is_refused(made, tmp_path):
    _, train, _, schema, model, synthetic, report, deidentification = made
    odd = schema.replace("group", categories=("acute", "chronic", ""))
    changed = synthetic.assign(group=["", *synthetic["group"][1:]])
    model = sl.IndependentMarginals(odd).fit(train)
    with pytest.raises(ValueError, match="group does not"):
        write_release(
            tmp_path / "one", model, changed, train, report, deidentification, sl.StewardKey(SECRET), 5
        )
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing(made, tmp_path):
    *_, report, _ = made
    broken = list(made)
    broken[6] = report.assign(value=float("inf"))
    with pytest.raises(ValueError, match="finite"):
        write(tmp_path / "one", broken)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_earlier_release(made, tmp_path):
    before = write(tmp_path / "one", made)
    *_, synthetic, _, _ = made
    with pytest.raises(sl.SchemaError):
        write(tmp_path / "one", made, synthetic=synthetic.assign(age=1000))
    assert sl.Bundle.open(tmp_path / "one").digest == before.digest


# The data Bundle


def test_the_data_bundle_opens_the_commitment(release, made, tmp_path):
    _, train, holdout, schema, _, _, _, deidentification = made
    key = sl.StewardKey(SECRET)
    data = write_data(tmp_path / "data", train, holdout, schema, deidentification, key)
    assert data.manifest["digests"] == "hmac-sha256"
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    read = sl.Schema.from_json(data.file("schema.json").read_text()).conform(
        sl.read_table(data.file("train.csv"))
    )
    assert commit(read, key).hex() == release.parameters["training_commitment"]
    assert (
        hashlib.sha256(data.file("train.csv").read_bytes()).hexdigest()
        not in canonical_json(data.manifest).decode()
    )


def test_a_release_of_levels_that_nobody_shares_is_refused_unless_kept(made, tmp_path):
    *_, report, deidentification = made
    train = make_cohort(500).assign(village=[f"V{row % 250}" for row in range(500)])
    schema = sl.Schema.infer(train, target="died")
    model = sl.IndependentMarginals(schema).fit(train)
    given = (model, model.sample(50, seed=1), train, report, deidentification, sl.StewardKey(SECRET), 1)
    with pytest.raises(ValueError, match=r"of village; merge levels.*keep=\[column\]"):
        write_release(tmp_path / "one", *given)
    assert list(tmp_path.iterdir()) == []
    assert write_release(tmp_path / "one", *given, keep=["village"]).kind == "release"
