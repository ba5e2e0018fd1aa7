"""Was a release fitted to the rows that its protocol set aside for that, and is it the draw that it says?"""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from chain_helpers import PROTOCOL, account, edit_json, make_release, open_study, write_changed
from eth_abi import encode
from eth_utils import keccak
from verification_helpers import NO, YES, names, unchecked, wrong

import synthlib as sl
from synthlib.bundle import Bundle, Finding
from synthlib.chain.attempts import Draw
from synthlib.chain.commitments import commit, commit_schema
from synthlib.chain.errors import ChainError
from synthlib.chain.protocol_evidence import require_recordable
from synthlib.chain.records import release_fields
from synthlib.chain.registry import Ledger
from synthlib.chain.study import PROTOCOL_FILE, Study
from synthlib.chain.training_evidence import DATASET, DRAW, FITTED, SPLIT, judge_fit, names_dataset
from synthlib.chain.verification import verdict, verify
from synthlib.preregistration import write_protocol
from synthlib.release import write_release
from synthlib.scores import Score, to_report

pytest_plugins = ["chain_fixtures"]

KEY = sl.StewardKey(bytes(range(32)))
SECRET = "Quetzalcoatl"  # in a cell that must be shown nowhere


def publish(path: Path, cohort, schema, learn, key=KEY, protocol_key=KEY) -> Path:
    """A recorded release of what `learn(train, holdout)` says is learnt from."""
    model = sl.IndependentMarginals(schema)
    protocol = write_protocol(schema, [model], 0.25, 3, key=protocol_key)
    study = Study.open(Ledger.in_process(), protocol, commit(cohort, KEY).hex())
    rows = learn(*sl.split(cohort, schema, 0.25, 3))
    sl.fit_attempt(study, model, rows, key)
    table = sl.sample_attempt(study, model, 40, seed=1)
    report = to_report([Score("dcr_share", 0.5, 0.4, 0.6, 0.5)])
    removed = pd.DataFrame({"column": ["name"], "action": ["dropped"], "reason": ["identifier"]})
    bundle = write_release(path, model, table, rows, report, removed, key, 1, study=study)
    study.ledger.record(bundle)
    study.ledger.save(bundle)
    return path


@pytest.fixture(scope="module")
def honest(cohort, cohort_schema, tmp_path_factory) -> Path:
    """A release of the split that its protocol declares."""
    return publish(tmp_path_factory.mktemp("honest") / "r", cohort, cohort_schema, lambda train, _: train)


def outcomes(findings: list[Finding]) -> dict[str, str]:
    return {found.subject: found.verdict for found in findings}


def said(findings: list[Finding], subject: str) -> str:
    return next(found.detail for found in findings if found.subject == subject)


# The split


def test_the_steward_shows_that_the_training_table_is_the_protocols_split(honest, cohort, cohort_schema):
    findings = verify(honest, key=KEY, dataset=cohort, schema=cohort_schema)
    told = outcomes(findings)
    assert told[DATASET] == told[SPLIT] == told[FITTED] == told[DRAW] == "matched"
    assert "450 rows" in said(findings, SPLIT) and verdict(findings) == YES


OTHERS = {
    "also the holdout": lambda train, holdout: pd.concat([train, holdout], ignore_index=True),
    "the holdout": lambda train, holdout: holdout,
    "some of train": lambda train, holdout: train.head(300),
    "another order": lambda train, holdout: train.iloc[::-1].reset_index(drop=True),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_release_of_other_rows_than_the_protocols_split_is_found(cohort, cohort_schema, tmp_path, what):
    path = publish(tmp_path / "r", cohort, cohort_schema, OTHERS[what])
    assert verdict(verify(path)) == YES  # nobody but the steward can see it
    findings = verify(path, key=KEY, dataset=cohort, schema=cohort_schema)
    assert verdict(findings) == NO
    assert [found.subject for found in wrong(findings)] == [SPLIT]
    assert "other rows" in said(findings, SPLIT)


def test_another_key_or_table_is_not_the_registered_one(honest, cohort, cohort_schema):
    for key, table in (
        (sl.StewardKey(bytes(32)), cohort),
        (KEY, cohort.iloc[::-1]),
        (KEY, cohort.head(599)),
        (KEY, cohort.assign(age=cohort["age"] + 1)),
    ):
        findings = verify(honest, key=key, dataset=table, schema=cohort_schema)
        assert verdict(findings) == NO and names(findings, DATASET)
        assert outcomes(findings)[SPLIT] == "unchecked"


def test_a_schema_that_is_looked_for_afterwards_is_refused(honest, cohort, cohort_schema):
    """The order of the levels decides who is held out, so that the protocol commits to it."""
    other = cohort_schema.replace("died", categories=cohort_schema["died"].categories[::-1])
    findings = verify(honest, key=KEY, dataset=cohort, schema=other)
    assert outcomes(findings)[SPLIT] == "differs" and "commits to" in said(findings, SPLIT)
    assert commit_schema(other, KEY) != commit_schema(cohort_schema, KEY)


def test_rules_do_not_divide_a_table(cohort_schema):
    rule = sl.Combinations(("disease", "group"), (("sepsis", "acute"),))
    assert commit_schema(cohort_schema.with_rules(rule), KEY) == commit_schema(cohort_schema, KEY)


def test_a_protocol_without_a_schema_is_said_to_have_none(cohort, cohort_schema, tmp_path):
    path = publish(tmp_path / "r", cohort, cohort_schema, lambda train, _: train, protocol_key=None)
    findings = verify(path, key=KEY, dataset=cohort, schema=cohort_schema)
    assert outcomes(findings)[SPLIT] == "matched" and "commits to no schema" in said(findings, SPLIT)


@pytest.mark.parametrize("left_out", ["key", "dataset", "schema"])
def test_what_is_not_given_is_unchecked(honest, cohort, cohort_schema, left_out):
    given = {"key": KEY, "dataset": cohort, "schema": cohort_schema}
    del given[left_out]
    findings = verify(honest, **given)
    assert SPLIT in unchecked(findings) and verdict(findings) == YES
    assert left_out in said(findings, SPLIT) or "steward" in said(findings, SPLIT)


@pytest.mark.parametrize("split", [None, "by hospital", {"by": "patient"}, {"by": "patient", "seed": 1}])
def test_a_protocol_that_declares_no_such_split_is_unchecked(workspace, cohort, cohort_schema, split):
    """As one that is written by hand."""
    ledger = Ledger.in_process(account=account("issuer"))
    study = Study.open(ledger, PROTOCOL._replace(split=split), commit(cohort, KEY).hex())
    study.attempt({"model_type": "TabularGAN"})
    bundle = make_release(workspace / "r", study=study)
    study.ledger.record(bundle)
    study.ledger.save(bundle)
    findings = verify(bundle.path, key=KEY, dataset=cohort, schema=cohort_schema)
    assert outcomes(findings)[DATASET] == "matched" and verdict(findings) == YES
    assert "declares no split" in said(findings, SPLIT)


def test_a_changed_protocol_declares_nothing(honest, cohort, cohort_schema, tmp_path):
    copy = Path(shutil.copytree(honest, tmp_path / "r"))
    file = copy / PROTOCOL_FILE
    file.write_bytes(file.read_bytes().replace(b'"seed": 3', b'"seed": 4'))
    findings = verify(copy, key=KEY, dataset=cohort, schema=cohort_schema)
    assert SPLIT in unchecked(findings) and names(findings, PROTOCOL_FILE)


def test_no_finding_shows_a_cell_of_the_registered_table(honest, cohort, cohort_schema):
    tables = [
        cohort.assign(disease=SECRET),
        cohort.assign(disease=[[SECRET]] * 600),
        cohort.rename(columns={"age": SECRET}),
    ]
    for table in tables:
        findings = verify(honest, key=KEY, dataset=table, schema=cohort_schema)
        assert verdict(findings) == NO and SECRET not in str(findings)
    schema = cohort_schema.replace("disease", categories=("sepsis", SECRET))
    path_protocol = write_protocol(schema, [sl.IndependentMarginals(schema)], 0.25, 3, key=KEY)
    assert SECRET not in path_protocol.to_json().decode()


def test_a_table_that_the_schema_cannot_divide_is_named_without_its_cells(cohort, cohort_schema, tmp_path):
    path = publish(tmp_path / "r", cohort, cohort_schema, lambda train, _: train, protocol_key=None)
    narrow = cohort_schema.replace("disease", categories=("sepsis", "cancer"))
    findings = verify(path, key=KEY, dataset=cohort, schema=narrow)
    assert outcomes(findings)[SPLIT] == "differs"
    assert "SchemaError" in said(findings, SPLIT) and "failure" not in said(findings, SPLIT)


def test_a_datasets_id_may_say_who_registered_it():
    """One function knows how ids are made."""
    commitment, steward = bytes(range(32)), account("steward").address
    owned = keccak(encode(["address", "bytes32"], [steward, commitment])).hex()
    assert names_dataset(owned, commitment, steward) and names_dataset(f"0x{owned}", commitment, steward)
    assert not names_dataset(owned, commitment, account("other").address)
    assert not names_dataset(commitment.hex(), commitment, steward)
    assert not names_dataset(owned, bytes(32), steward)


# The attempt


@pytest.fixture
def study() -> Study:
    return open_study(Ledger.in_process(account=account("issuer")))


def record_lie(study: Study, bundle: Bundle) -> list[Finding]:
    """Record a release past what is refused, and verify it."""
    said = release_fields(bundle)
    with pytest.raises(ChainError, match="write the release again"):
        require_recordable(bundle.path, bundle.manifest, study.ledger, said)
    study.ledger.record_generation(said)
    study.ledger.save(bundle)
    return verify(bundle.path)


def test_a_release_of_other_rows_than_its_attempt_was_logged_with_is_found(study, workspace):
    """A refit to other rows does not pass for the attempt: without any key, by anybody."""
    bundle = make_release(workspace / "r", study=study, training_commitment="ab" * 32)
    findings = record_lie(study, bundle)
    assert verdict(findings) == NO and [found.subject for found in wrong(findings)] == [FITTED]


LIES = {
    "a draw left out": lambda entry: entry["draws"].pop(0),
    "all draws left out": lambda entry: entry["draws"].clear(),
    "a draw added": lambda entry: entry["draws"].append(entry["draws"][0] | {"seed": 9}),
    "another seed": lambda entry: entry["draws"][1].update(seed=9),
    "another size": lambda entry: entry["draws"][1].update(num_rows=9),
    "under a condition": lambda entry: entry["draws"][1].update(given="ab" * 32),
    "another table": lambda entry: entry["draws"][1].update(digest="ab" * 32),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_draw_that_is_told_otherwise_than_it_was_noted_is_found(study, workspace, lie):
    study.note_draw(1, Draw(5, 3, None, "cd" * 32))  # looked at, and not released
    made = make_release(workspace / "r", study=study)
    assert (made.parameters["protocol"]["draw"], made.parameters["protocol"]["draws"]) == (2, 2)
    change = edit_json(lambda told: LIES[lie](told["attempts"][0]))
    findings = record_lie(study, write_changed(made, "attempts.json", change, workspace / "lying"))
    assert verdict(findings) == NO and [found.subject for found in wrong(findings)] == [DRAW]


def test_a_release_that_says_neither_is_unchecked_and_stands(study, workspace):
    """Others' pipelines may describe attempts as they like; that nothing is said is said."""
    study.attempt({"model_type": "TabularGAN"})
    protocol = {key: value for key, value in study.describe(2, None).items() if key not in ("draw", "draws")}
    bundle = make_release(workspace / "r", study=study, attempt=2, protocol=protocol)
    study.ledger.record(bundle)
    study.ledger.save(bundle)
    findings = verify(bundle.path)
    assert {FITTED, DRAW} <= unchecked(findings) and verdict(findings) == YES


@pytest.mark.parametrize(
    "manifest",
    [
        None,
        [],
        {},
        {"parameters": []},
        {"parameters": {"protocol": 1}},
        *({"parameters": {"protocol": {"attempt": number}}} for number in (0, 2, True, "1", 1.0, None)),
    ],
)
def test_a_manifest_that_names_no_attempt_is_judged_without_a_crash(manifest):
    entry = {"number": 1, "together_from": 1, "describes": {}, "outcome": None, "draws": []}
    assert [found.verdict for found in judge_fit([entry], manifest)] == ["unchecked"] * 2


@pytest.mark.parametrize("number", [0, 2, -1, True, "1", 1.5, [1]])
def test_a_draw_that_is_no_number_differs(number):
    draw = {"seed": 1, "num_rows": 3, "given": None, "digest": "ab"}
    entry = {"number": 1, "together_from": 1, "describes": "words", "outcome": None, "draws": [draw]}
    manifest = {"parameters": {"protocol": {"attempt": 1, "draw": number, "draws": 1}}}
    assert [found.verdict for found in judge_fit([entry], manifest)] == ["unchecked", "differs"]
