"""What a private release tells of patients beside its claim: forged, recorded by its issuer, and found."""

import json
import shutil

import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.bundle import canonical_json
from synthlib.chain import coverage
from synthlib.chain.claim_evidence import CLAIM
from synthlib.chain.registry import Ledger
from synthlib.chain.verification import verdict
from synthlib.claims import plan_budget
from synthlib.models import accounting
from synthlib.preregistration import fit_attempt, preregister, sample_attempt
from synthlib.release import write_release

KEY = sl.StewardKey(bytes(range(32)))
REPORT = pd.DataFrame([["dcr_share", 0.5, 0.4, 0.6, 0.5]], columns=sl.Score._fields)


class Made:
    """A private release that is not recorded yet, and a study with budget for many."""

    def __init__(self, folder):
        cohort = make_cohort(300)
        safe, schema, deidentification = sl.deidentify(cohort, sl.Schema.infer(cohort, target="died"))
        self.train, _ = sl.split(safe, schema, 0.2, 0)
        model = sl.PrivateMarginals(schema, epsilon=1.0, public_schema=True, solver="tree")
        budget = plan_budget(model, len(self.train))
        # A protocol that says of the claim no more than that there is one, as far as it may.
        privacy = {name: budget.privacy[name] for name in ("differential_privacy", "epsilon")}
        self.study = preregister(
            Ledger.in_process(), [model], safe, KEY, 0.2, 0, 0, 60 * budget.loss, budget.order,
            60 * budget.loss, folder / "notes.json", privacy=privacy,
        )  # fmt: skip
        fit_attempt(self.study, model, self.train, KEY)
        synthetic = sample_attempt(self.study, model, 100, seed=1)
        rest = self.train, REPORT, deidentification, KEY, 1
        self.release = write_release(folder / "honest", model, synthetic, *rest, study=self.study)

    def forge(self, path, change=None, files=None):
        """The release with other parameters and files, recorded by its issuer as what it is."""
        parameters = json.loads(canonical_json(self.release.parameters))
        if change:
            change(parameters)
        with sl.Bundle.create(path, "release", parameters) as folder:
            for name in self.release.files:
                shutil.copy(self.release.file(name), folder / name)
            for name, edit in (files or {}).items():
                before = (folder / name).read_text() if (folder / name).exists() else ""
                (folder / name).write_text(edit(before))
        forged = sl.Bundle.open(path)
        self.study.ledger.record(forged)
        self.study.ledger.save(forged)
        return sl.verify(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("private"))


def claims(**changed):
    return lambda parameters: parameters["privacy"].update(changed)


def tells(**changed):
    return lambda parameters: parameters["characteristics"].update(changed)


def few_patients(parameters):
    """A delta that gives half of all patients away, of a table whose size stands nowhere else."""
    del parameters["characteristics"]["num_rows"], parameters["characteristics"]["num_patients"]
    parameters["privacy"].update(num_patients=2, delta=0.49, epsilon=0.5)


def wider(text):
    """The ends of a column of numbers as the patients' are, and not as the synthetic table's."""
    schema = sl.Schema.from_json(text)
    return schema.replace("age", low=schema["age"].low - 1, high=schema["age"].high + 2).to_json()


def rarer(text):
    schema = sl.Schema.from_json(text)
    column = next(one for one in schema if one.kind == "categorical")
    return schema.replace(column.name, categories=(*column.categories, "a patient's rare level")).to_json()


FALSE = {
    "whose privacy": (claims(unit="cell"), {}, "unit"),
    "which tables are neighbours": (claims(adjacency="one visit of a patient changed"), {}, "adjacency"),
    "a smaller loss than was spent": (claims(units=1), {}, "less loss"),
    "another accountant's epsilon": (claims(epsilon_pld=0.01), {}, "epsilon_pld"),
    "more than there is to say": (claims(certified_by="an authority"), {}, "certified_by"),
    "a larger epsilon than planned": (claims(epsilon=3.0), {}, "above that of the protocol"),
    "a table of two patients": (few_patients, {}, "characteristics"),
    "counts of patients": (tells(target_rates={"1": 0.241}), {}, "characteristics"),
    "a mechanism with a fact": (
        lambda parameters: parameters["privacy"]["parts"][0].update(mean_age=63.21),
        {},
        "mean_age",
    ),
    "versions of what is no package": (
        lambda parameters: parameters["versions"].update(mean_age="63.21"),
        {},
        "mean_age",
    ),
    "facts at the top": (lambda parameters: parameters.update(mean_age=63.21), {}, "mean_age"),
    "a file of scores": (None, {"scores.csv": lambda _: "metric,value\nks[age],0.1234\n"}, "scores.csv"),
    "counts by column": (
        None,
        {"deidentification.csv": lambda _: "column,action,changed\nage,capped,3\n"},
        "deidentification.csv",
    ),
    "patients' ends of a range": (None, {"schema.json": wider}, "schema.json"),
    "patients' rare levels": (None, {"schema.json": rarer}, "schema.json"),
}


def test_the_honest_release_is_a_yes(made, tmp_path):
    found = made.forge(tmp_path / "copy")
    assert verdict(found) == 0, [one for one in found if one.verdict != "matched"]


@pytest.mark.parametrize("name", FALSE)
def test_what_a_private_release_tells_beyond_its_claim_is_a_no(made, tmp_path, name):
    change, files, word = FALSE[name]
    found = made.forge(tmp_path / "forged", change, files)
    assert verdict(found) == 1
    wrong = [one for one in found if one.verdict == "differs"]
    assert any(word in f"{one.subject} {one.detail}" for one in wrong), wrong
    assert {one.subject for one in wrong} == {"published schema" if "schema.json" in files else CLAIM}


def test_words_of_a_claim_are_the_accountants():
    assert (coverage.UNIT, coverage.ADJACENCY) == (accounting.UNIT, accounting.ADJACENCY)


def test_the_steward_sees_a_number_of_patients_that_is_not_the_tables(made, tmp_path):
    """Of fewer patients a larger delta could be claimed."""

    def fewer(parameters):
        parameters["characteristics"].update(num_rows=100, num_patients=100)
        parameters["privacy"].update(num_patients=100)

    made.forge(tmp_path / "forged", fewer)
    assert verdict(sl.verify(tmp_path / "forged")) == 0  # nobody else can know
    found = {one.subject: one for one in sl.verify(tmp_path / "forged", key=KEY, training=made.train)}
    assert found["training table"].verdict == "differs" and "says 100" in found["training table"].detail
    made.forge(tmp_path / "honest")
    assert verdict(sl.verify(tmp_path / "honest", key=KEY, training=made.train)) == 0
