"""Releases: what their record speaks of is in them, and nothing of a single patient is."""

import hashlib
import hmac
import json
import re
from copy import copy

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.bundle import canonical_json
from synthlib.chain.attempts import read_attempts
from synthlib.chain.commitments import commit, synthetic_digest, table_digest
from synthlib.chain.gate_evidence import check_gate
from synthlib.chain.protocols import Protocol
from synthlib.chain.records import NOT_PRIVATE
from synthlib.chain.registry import Ledger
from synthlib.chain.rows import ConfidentialRows, RowTree, verify_row
from synthlib.chain.study import Study
from synthlib.chain.table_bytes import canonical_bytes
from synthlib.chain.verification import verdict
from synthlib.gate import gate_outcome
from synthlib.models.accounting import Queries, account
from synthlib.preregistration import describe_attempt, write_protocol
from synthlib.release import (
    WITHHELD,
    find_scattered_levels,
    infer_schema,
    public_report,
    public_schema,
    write_data,
    write_release,
)
from synthlib.scores import DECIMALS, to_report

SECRET = bytes(range(32))
RARE = "Fibrodysplasia"
EXTREME = 987.65
NAMES = [f"Person{place:04}" for place in range(500)]


@pytest.fixture(scope="module")
def made():
    """A study of a cohort in which one patient has a rare disease and an extreme laboratory value."""
    table = make_cohort(500)
    table.insert(0, "patient", NAMES)
    table.loc[7, ["disease", "lab"]] = [RARE, EXTREME]
    schema = sl.Schema.infer(table, target="died", patient_id="patient")
    safe, schema, deidentification = sl.deidentify(table, schema)
    train, holdout = sl.split(safe, schema, seed=3)
    assert RARE in set(train["disease"]) and EXTREME in set(train["lab"])
    model = sl.IndependentMarginals(schema).fit(train)
    synthetic = model.sample(200, seed=5)
    report = sl.evaluate(train, holdout, synthetic, schema, seed=0)
    return table, train, holdout, schema, model, synthetic, report, deidentification


def write(path, made, **changes):
    _, train, _, _, model, synthetic, report, deidentification = made
    given = {"synthetic": synthetic, "train": train, "key": sl.StewardKey(SECRET), "seed": 5} | changes
    return write_release(path, model, report=report, deidentification=deidentification, **given)


@pytest.fixture(scope="module")
def release(made, tmp_path_factory):
    return write(tmp_path_factory.mktemp("releases") / "one", made)


def texts(bundle):
    return {name: bundle.path.joinpath(name).read_text() for name in [*bundle.files, "manifest.json"]}


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


# What is not in it


def test_no_cell_that_few_patients_have_is_in_it(release):
    for name, text in texts(release).items():
        assert RARE not in text, name
        assert str(EXTREME) not in text, name
        assert not re.search(r"Person\d", text), name


def test_no_row_of_the_training_table_is_in_a_report_or_manifest(release, made):
    _, train, *_ = made
    rows = {",".join(map(str, row[1:])) for row in train.itertuples(index=False)}
    for name, text in texts(release).items():
        if name != "synthetic.csv":  # whose rows may be like a patient's by chance
            assert not [row for row in rows if row in text], name


def test_no_unkeyed_hash_of_the_training_table_is_in_it(release, made, tmp_path):
    table, train, holdout, *_ = made
    hashed = set()
    for part in (table, train, holdout, train.drop(columns="patient")):
        sl.write_table(part, tmp_path / "part.csv")
        rows = [canonical_bytes(part.iloc[[row]]) for row in range(5)]
        rows += [",".join(map(str, part.iloc[row])).encode() for row in range(5)]
        for data in [canonical_bytes(part), (tmp_path / "part.csv").read_bytes(), *rows]:
            hashed |= {hashlib.new(name, data).hexdigest() for name in ("sha256", "sha1", "md5", "sha3_256")}
            hashed |= {hmac.new(b"", data, "sha256").hexdigest(), hashlib.sha256(data).hexdigest()[:32]}
    assert len(hashed) > 200
    for name, text in texts(release).items():
        assert not [one for one in hashed if one in text], name


def test_the_key_is_not_in_it(release):
    for text in texts(release).values():
        assert SECRET.hex() not in text


def test_another_key_changes_the_commitment_and_the_rows_salts_alone(release, made, tmp_path):
    other = write(tmp_path / "two", made, key=sl.StewardKey(bytes(32)))
    changed = {name for name, value in other.parameters.items() if release.parameters[name] != value}
    assert changed == {"training_commitment", "rows_root"}
    differing = {name for name, text in texts(other).items() if text != texts(release)[name]}
    assert differing == {"manifest.json", "rows.json"}


def test_the_published_schema_is_that_of_the_synthetic_table(release, made):
    _, _, _, schema, _, synthetic, _, _ = made
    public = sl.Schema.from_json(release.file("schema.json").read_text())
    assert schema.patient_id == "patient" and public.patient_id is None
    assert (public.names, public.target, public.leaks) == (schema.names, schema.target, schema.leaks)
    assert public.quasi_identifiers == schema.quasi_identifiers
    assert RARE in schema["disease"].categories
    for column in schema:
        found, drawn = public[column.name], synthetic[column.name].dropna()
        kept = ("kind", "dtype", "decimals", "nullable", "unit", "description", "format")
        assert all(getattr(found, name) == getattr(column, name) for name in kept)
        if column.is_discrete:
            assert found.categories == tuple(level for level in column.categories if level in set(drawn))
        if column.is_numeric:
            assert (found.low, found.high) == (drawn.min(), drawn.max())


def test_the_published_schema_does_not_depend_on_who_was_learnt_from(made, tmp_path):
    """Another cohort with other extremes and levels, the same synthetic table: the same schema."""
    _, train, _, schema, _, synthetic, report, deidentification = made
    wider = schema.replace("lab", low=-1e6, high=1e6).replace("age", low=0, high=90, missing_codes=(-1,))
    wider = wider.replace("disease", categories=("smallpox", *schema["disease"].categories, "plague"))
    assert public_schema(wider, synthetic).to_json() == public_schema(schema, synthetic).to_json()
    other = sl.IndependentMarginals(wider).fit(train)
    key = sl.StewardKey(SECRET)
    bundle = write_release(tmp_path / "one", other, synthetic, train, report, deidentification, key, 5)
    assert bundle.file("schema.json").read_text() == public_schema(schema, synthetic).to_json()


def test_a_level_that_was_drawn_stays(made):
    _, _, _, schema, _, synthetic, _, _ = made
    drawn = synthetic.copy()
    drawn.loc[0, "disease"] = RARE
    assert RARE in public_schema(schema, drawn)["disease"].categories
    public_schema(schema, drawn).check(drawn)


DAYS = pd.to_datetime(["2001-03-04 05:06:07", "2001-01-02 03:04:05", None])
COLUMNS = {
    "integer": (sl.Column("x", "integer", "int64", low=0, high=99), [12, 28, 5], (5, 28)),
    "continuous": (
        sl.Column("x", "continuous", "float64", nullable=True),
        [0.1 + 0.2, None, 7.0],
        (0.1 + 0.2, 7.0),
    ),
    "nullable": (
        sl.Column("x", "integer", "Int64", high=9, nullable=True),
        pd.array([4, None, 3], "Int64"),
        (3, 4),
    ),
    "no number": (
        sl.Column("x", "continuous", "float64", low=1, high=2, nullable=True),
        [np.nan] * 3,
        (None, None),
    ),
    "dates": (
        sl.Column("x", "datetime", "datetime64[ns]", low="1990-01-01", high="2020-01-01", nullable=True),
        DAYS,
        ("2001-01-02T03:04:05", "2001-03-04T05:06:07"),
    ),
    "dates as text": (
        sl.Column(
            "x", "datetime", "object", low="1990-01-01", high="2020-01-01", nullable=True, format="%d.%m.%Y"
        ),
        ["02.01.2001", None, "01.12.2000"],
        ("2000-12-01T00:00:00", "2001-01-02T00:00:00"),
    ),
    "no date": (
        sl.Column("x", "datetime", "datetime64[ns]", low="1990-01-01", nullable=True),
        pd.to_datetime([None] * 3),
        (None, None),
    ),
    "levels": (
        sl.Column("x", "ordinal", "object", categories=("low", "mid", "high"), nullable=True),
        ["high", None, "low"],
        ("low", "high"),
    ),
    "flags": (sl.Column("x", "boolean", "int64", categories=(0, 1)), [1, 1, 1], (1,)),
    "truths": (
        sl.Column("x", "boolean", "bool", categories=(False, True)),
        [False, False, True],
        (False, True),
    ),
    "no level": (
        sl.Column("x", "categorical", "object", categories=("a", "b"), nullable=True),
        pd.Series([None] * 3, dtype=object),
        (WITHHELD,),
    ),
    "no flag": (
        sl.Column("x", "boolean", "float64", categories=(0, 1), nullable=True),
        [np.nan] * 3,
        (WITHHELD,),
    ),
}


@pytest.mark.parametrize(("column", "drawn", "published"), COLUMNS.values(), ids=COLUMNS)
def test_values_are_published_as_drawn_and_the_table_reads_back(column, drawn, published, tmp_path):
    schema = sl.Schema((column, sl.Column("y", "integer", "int64")))
    synthetic = pd.DataFrame({"x": drawn, "y": [1, 2, 3]})
    schema.check(synthetic)
    public = sl.Schema.from_json(public_schema(schema, synthetic).to_json())
    found = public["x"]
    assert (found.categories if column.is_discrete else (found.low, found.high)) == published
    public.check(synthetic)
    sl.write_table(synthetic, tmp_path / "synthetic.csv")
    assert synthetic_digest(tmp_path / "synthetic.csv", public) == table_digest(synthetic)


def test_the_published_report_has_overall_scores_alone(release, made):
    *_, report, _ = made
    found = sl.read_table(release.file("report.csv")).set_index("metric")
    whole = report.set_index("metric")
    assert set(found.index) == {name for name in whole.index if "[" not in name}
    assert {"c2st_boosting", "c2st_logistic", "tstr_auroc_boosting", "missing_rate_difference"} <= set(
        found.index
    )
    assert len(found) < len(whole)
    digits = found.stack().map(lambda value: len(str(value).partition(".")[2]))
    assert 2 < digits.max() <= DECIMALS
    pd.testing.assert_frame_equal(
        found, whole.loc[found.index], check_exact=False, rtol=0, atol=0.0005 + 1e-12
    )


def test_the_published_report_names_no_column_and_no_minus_zero():
    rows = [sl.Score("ks[age]", 0.1, 0.0, 0.2, 0.1), sl.Score("gap", -0.0001, -0.12345, float("nan"), 0.9996)]
    whole = to_report(rows)
    found = public_report(whole)
    assert found.to_csv(index=False) == "metric,value,low,high,reference\ngap,0.0,-0.123,,1.0\n"
    assert whole["value"].tolist() == [0.1, -0.0001]  # left as it was


def test_a_rare_level_of_the_target_is_named_nowhere(made, tmp_path):
    _, train, _, schema, _, _, report, deidentification = made
    roles = sl.Schema(schema.columns, "disease", "patient")
    model = sl.IndependentMarginals(roles).fit(train)
    synthetic = model.sample(200, seed=5)
    key = sl.StewardKey(SECRET)
    bundle = write_release(tmp_path / "one", model, synthetic, train, report, deidentification, key, 5)
    assert RARE not in "".join(texts(bundle).values())
    assert "sepsis" in bundle.parameters["characteristics"]["target_rates"]


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


# Guessing identifiers


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("name", NAMES),
        ("MRN", range(1000, 1500)),
        ("contact", [f"person{place}@example.org" for place in range(500)]),
        (
            "home_address",
            [f"{place} Long Road, Flat {place}, Smalltown, Wide County" for place in range(500)],
        ),
    ],
)
def test_direct_identifiers_need_not_be_declared(name, values):
    table = make_cohort(500).assign(**{name: values})
    with pytest.raises(sl.SchemaError):
        sl.Schema.infer(table, target="died")
    schema, found = infer_schema(table, target="died")
    assert found == [name] and schema[name].kind == "identifier"
    safe, _, report = sl.deidentify(table, schema)
    assert name not in safe.columns
    assert report.set_index("column").loc[name, "action"] == "dropped"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("patient_id", [f"PT{place // 2:05}" for place in range(500)]),
        ("subject_id", [place // 8 for place in range(500)]),
        ("encounter_number", [float(place % 100) for place in range(500)]),
    ],
)
def test_numbers_of_somebody_that_few_rows_share_are_left_out(name, values):
    schema, found = infer_schema(make_cohort(500).assign(**{name: values}), target="died")
    assert found == [name]
    assert name not in sl.deidentify(make_cohort(500).assign(**{name: values}), schema)[0].columns


def test_numbers_of_a_ward_stay():
    table = make_cohort(500).assign(ward_id=[f"W{place % 5}" for place in range(500)])
    assert infer_schema(table, target="died")[1] == []


def test_levels_that_nobody_shares_are_found():
    table = make_cohort(500).assign(
        village=[f"V{place % 200}" for place in range(500)], region=[f"R{place % 50}" for place in range(500)]
    )
    schema = sl.Schema.infer(table, target="died")
    assert find_scattered_levels(table, schema) == ["village"]
    assert find_scattered_levels(table.head(10), schema) == []  # too small a table to say so


def test_few_levels_that_nobody_shares_are_found():
    table = make_cohort(500).assign(clinic=[None] * 490 + ["A", "B", "C", "D", "E"] * 2)
    schema = sl.Schema.infer(table, target="died")
    assert find_scattered_levels(table, schema) == ["clinic"]


def test_rows_of_one_patient_do_not_make_a_level_shared():
    table = make_cohort(500).assign(patient=[f"P{row // 10}" for row in range(500)])
    table["village"] = [f"V{row // 20}" for row in range(500)]  # twenty rows each, two patients
    with_patients = sl.Schema.infer(table, target="died", patient_id="patient")
    assert find_scattered_levels(table, with_patients) == ["village"]
    assert "village" not in find_scattered_levels(table, sl.Schema.infer(table, identifiers=["patient"]))


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


def test_what_cannot_be_held_and_is_no_identifier_is_still_refused():
    notes = [f"patient number {place} felt well that day" for place in range(500)]
    notes[3] = "call her on 212-555-0147 please, she asked for it"
    for name, values in {"remarks": notes, "reading": range(500)}.items():
        with pytest.raises(sl.SchemaError, match=name):
            infer_schema(make_cohort(500).assign(**{name: values}), target="died")


def test_what_the_caller_declares_is_not_guessed():
    table = make_cohort(500).assign(name=NAMES)
    assert infer_schema(table, patient_id="name")[1] == []
    assert infer_schema(table, identifiers=["name"])[1] == []
    assert infer_schema(make_cohort(500)) == (sl.Schema.infer(make_cohort(500)), [])
    with pytest.raises(sl.SchemaError, match="'name'"):
        infer_schema(table, target="name")


def test_manifests_hold_no_clock_and_no_path(release, tmp_path):
    text = json.dumps(release.manifest)
    assert str(release.path) not in text
    assert not re.search(r"20\d\d-\d\d-\d\d", text)
