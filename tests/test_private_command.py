"""`synthesize` with a private model: a budget is registered, spent, claimed, recorded and verified."""

import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.chain.claim_evidence import CLAIM
from synthlib.cli import app
from synthlib.commands import terminal
from synthlib.keys import StewardKey
from synthlib.models.secrecy import SecretRandom

PRIVATE = ("--model", "private-gpt", "--schema", "schema.json", "--public-schema", "--epochs", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table and a Schema whose ranges were declared."""
    folder = tmp_path_factory.mktemp("private")
    table = make_cohort(400)
    table.to_csv(folder / "patients.csv", index=False)
    schema = (
        sl.Schema.infer(table, target="died").replace("age", low=0, high=110).replace("lab", low=0, high=20)
    )
    (folder / "schema.json").write_text(schema.to_json())
    (folder / "open.json").write_text(schema.replace("lab", low=None, high=None).to_json())
    return folder


@pytest.fixture
def run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for name in ("SYNTHLIB_PRIVATE_KEY", "SYNTHLIB_KEYFILE", "SYNTHLIB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)

    def call(*words):
        code = terminal.run(app, [str(word) for word in words])
        return code, *capsys.readouterr()

    return call


def test_a_private_release_from_a_table_to_a_verdict(run, folder):
    words = ("--epsilon", 3, "--delta", "1e-4", "--seal", "sealed.json", "--key", "own.key")
    code, told, said = run("synthesize", "patients.csv", "--out", "release", *PRIVATE, *words)
    assert code == 0, said
    assert "under differential privacy, epsilon 3" in said and "Renyi order" in said
    assert "differential privacy: epsilon" in told and "not covered" in told
    bundle = sl.Bundle.open(folder / "release")
    claim = bundle.parameters["privacy"]
    assert claim["epsilon"] <= 3 and claim["delta"] == 1e-4 and 280 < claim["num_patients"] < 360
    assert "report.csv" not in bundle.files and "missing_rates" not in bundle.parameters["characteristics"]
    assert claim["secret_commitment"] == SecretRandom.unseal(
        folder / "sealed.json", StewardKey.open(folder / "own.key")
    ).commit(StewardKey.open(folder / "own.key"))
    assert run("record", "release")[0] == 0
    found = {one.subject: one.verdict for one in sl.verify(folder / "release")}
    assert found[CLAIM] == "matched" and "differs" not in found.values()
    assert run("verify", "release")[0] == 0


def test_a_private_gan_s_release_claims_what_its_fit_spent(run, folder):
    words = ("--schema", "schema.json", "--public-schema", "--steps", 10, "--epsilon", 3)
    code, _, said = run("synthesize", "patients.csv", "--out", "gan", "--model", "private-gan", *words)
    assert code == 0, said
    assert "GAN of 5 columns under differential privacy, epsilon 3" in said
    claim = sl.Bundle.open(folder / "gan").parameters["privacy"]
    assert 2.9 < claim["epsilon"] <= 3 and claim["parts"][-1]["kind"] == "SampledTraining"
    assert run("record", "gan")[0] == 0
    found = {one.subject: one.verdict for one in sl.verify(folder / "gan")}
    assert found[CLAIM] == "matched" and "differs" not in found.values()


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        (("--model", "gpt", "--epsilon", 1), "not differentially private"),
        (("--model", "independent", "--public-schema"), "not differentially private"),
        (("--model", "private-gpt", "--public-schema"), "inferred from the table"),
        (("--model", "private-gpt", "--schema", "schema.json"), "known without the table"),
        (("--model", "private-gan", "--public-schema"), "inferred from the table"),
        (("--model", "private-gan", "--schema", "schema.json", "--epochs", 1), "private-gan"),
        ((*PRIVATE, "--epsilon", 0), "above 0"),
        ((*PRIVATE, "--delta", 1), "above 0"),
        ((*PRIVATE, "--delta", 0.01), "1 / 3"),
        ((*PRIVATE, "--seal", "schema.json"), "another name"),
        ((*PRIVATE, "--index-date", "age"), "read off the table"),
        (("--model", "private-gpt", "--schema", "open.json", "--public-schema"), "none for lab"),
    ],
)
def test_what_no_private_release_can_be_made_of(run, folder, words, culprit):
    code, _, said = run("synthesize", "patients.csv", "--out", "refused", *words)
    assert code == 2 and culprit in said.replace("\n", " ")
    assert not (folder / "refused").exists()


@pytest.mark.parametrize("declared", [False, True])
def test_several_rows_of_a_patient_make_no_claim_although_their_number_goes(run, folder, declared):
    """Each row would be protected, and the claim would speak of patients."""
    table = make_cohort(60).assign(patient_number=[number // 2 for number in range(60)])
    table.to_csv("visits.csv", index=False)
    schema = sl.Schema.from_json((folder / "schema.json").read_text())
    if declared:
        column = sl.Column("patient_number", "identifier", "int64")
        schema = sl.Schema((*schema.columns, column), target=schema.target)
    (folder / "visits.json").write_text(schema.to_json())
    words = ("--model", "private-gpt", "--schema", "visits.json", "--public-schema", "--epochs", "1")
    code, _, said = run("synthesize", "visits.csv", "--out", "visits", *words)
    assert code == 2 and "several with the same patient_number" in said
    assert not list(folder.glob("*visits.key")) and not list(folder.glob(".visits*"))
