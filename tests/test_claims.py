"""A claim to differential privacy: from a budget in a protocol to a release that verifies."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.bundle import canonical_json
from synthlib.chain.budgets import SCALE, epsilon_of
from synthlib.chain.claim_evidence import CLAIM, REPLAY, add_up, check_claim, find_epsilon, judge_claim
from synthlib.chain.coverage import (
    COHORT_COVERED,
    COHORT_NOT_COVERED,
    CONDITIONS_TAKEN_AS_PUBLIC,
    COVERED,
    NOT_COVERED,
    SCORES_NOT_COVERED,
    list_coverage,
)
from synthlib.chain.croissant import to_croissant
from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import Overspent
from synthlib.chain.facts import read_facts
from synthlib.chain.records import NOT_PRIVATE
from synthlib.chain.registry import Ledger
from synthlib.chain.verification import verdict
from synthlib.claims import (
    check_declared,
    choose_order,
    compose,
    find_loss,
    mask_deidentification,
    plan_budget,
)
from synthlib.models import private_fit
from synthlib.models.accounting import (
    PrivacyError,
    PrivacySpend,
    Queries,
    SampledTraining,
    Selections,
    account,
)
from synthlib.models.secrecy import SecretRandom
from synthlib.models.synthesizer import load_synthesizer
from synthlib.preregistration import fit_attempt, preregister, sample_attempt
from synthlib.release import write_release
from synthlib.splitting import KEYED

SECRET = bytes(range(100, 132))
KEY = sl.StewardKey(bytes(range(32)))
SMALL = {
    "hidden_dim": 16, "num_layers": 1, "num_heads": 2, "num_epochs": 1, "tree_rows": 1000, "num_steps": 3,
    "epsilon": 2.0, "public_schema": True, "expected_batch": 60, "training_share": 0.2,
}  # fmt: skip
OF_KIND = {
    sl.PrivateMarginals: {"epsilon": 2.0, "public_schema": True, "solver": "tree"},
    sl.PrivateTabularGPT: SMALL,
}
REPORT = pd.DataFrame([["dcr_share", 0.5, 0.4, 0.6, 0.5]], columns=sl.Score._fields)
PARTS = [Queries("tables", 5.0, 4), SampledTraining("patients", 1.2, 0.1, 20)]


class Made:
    """A study with a budget for one private fit, its release, recorded, and all that was written."""

    def __init__(self, folder, monkeypatch):
        self.cohort = make_cohort(600)
        self.schema = sl.Schema.infer(self.cohort, target="died")
        self.safe, self.schema, self.deidentification = sl.deidentify(self.cohort, self.schema)
        self.train, _ = sl.split(self.safe, self.schema, 0.2, 0)
        monkeypatch.setattr(private_fit, "SecretRandom", lambda: SecretRandom(SECRET))
        model = sl.PrivateTabularGPT(self.schema, **SMALL)
        self.budget = plan_budget(model, len(self.train))
        self.study = preregister(
            Ledger.in_process(), [model], self.safe, KEY, 0.2, 0, 0, self.budget.loss, self.budget.order,
            self.budget.loss, folder / "notes.json", privacy=self.budget.privacy,
        )  # fmt: skip
        self.model = fit_attempt(self.study, model, self.train, KEY, progress=False)
        self.release = self.write(folder / "first", 1, publish_scores=True)
        self.record = self.study.ledger.record(self.release)
        self.study.ledger.save(self.release)
        self.folder = folder

    def write(self, path, seed, **options):
        synthetic = sample_attempt(self.study, self.model, 200, seed=seed)
        given = self.train, REPORT, self.deidentification, KEY, seed
        return write_release(path, self.model, synthetic, *given, study=self.study, **options)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield Made(tmp_path_factory.mktemp("private"), patch)


def recorded(ledger, release):
    ledger.record(release)
    ledger.save(release)
    return release


def findings_of(path):
    return {found.subject: found for found in sl.verify(path)}


# The whole way


def test_a_private_release_spends_what_its_fit_spent_and_verifies(made):
    spend, order = made.model.spend_, Datasets(made.study.ledger).find(made.study.registration.dataset).order
    assert order == made.budget.order >= 2
    assert made.record.spend == spend.units_at(order) == round(made.budget.loss * SCALE)
    assert made.study.track.budget == 0
    found = sl.verify(made.release.path)
    assert verdict(found) == 0, [one for one in found if one.verdict != "matched"]
    told = findings_of(made.release.path)
    assert told[CLAIM].verdict == "matched" and "at delta 1e-05 for one patient" in told[CLAIM].detail
    assert told[REPLAY].verdict == "unchecked" and "secret noise" in told[REPLAY].detail


def test_a_second_release_would_overspend(made, tmp_path):
    with pytest.raises(Overspent):
        made.study.ledger.record(made.write(tmp_path / "second", 2))


def test_no_secret_is_in_anything_that_was_written(made):
    (made.folder / "handed").mkdir()
    made.study.hand_on(made.folder / "handed")
    files = [path for path in made.folder.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"manifest.json", "attempts.json", "journal.jsonl", "notes.json", "protocol.json"} <= names
    stream = SecretRandom(SECRET).uniform(4).tobytes()
    for path in files:
        data = path.read_bytes().lower()
        for secret in (SECRET, SECRET.hex().encode(), stream, stream.hex().encode()):
            assert secret.lower() not in data, path.name


def test_the_attempt_describes_what_may_be_public(made):
    (entry,) = made.study.attempts
    assert entry["describes"]["parameters"] == json.loads(canonical_json(made.model.public_parameters))
    assert entry["describes"]["parameters"]["epsilon"] == 2.0 and entry["outcome"] == "fitted"


def test_nothing_is_counted_on_patients_but_how_many_there_are(made):
    told = made.release.parameters["characteristics"]
    assert set(told) == {"num_rows", "num_patients", "num_columns", "kinds", "target"}
    assert told["num_rows"] == len(made.train)
    assert list(sl.read_table(made.release.file("deidentification.csv")).columns) == ["column", "action"]


def test_the_manifest_says_what_is_claimed_and_what_is_not(made):
    claim = made.release.parameters["privacy"]
    assert (claim["unit"], claim["delta"]) == ("patient", 1e-5) and claim["epsilon"] <= 2.0
    assert "added or removed" in claim["adjacency"] and claim["accountant"] in ("PLD", "RDP")
    assert claim["units"] == made.record.spend and claim["order"] == made.budget.order
    assert PrivacySpend.from_dict(claim) == made.model.spend_
    named = " ".join(claim["not_covered"])
    for name in ("report.csv", "gate.json", "deidentification.csv", "attempts.json", "training_commitment"):
        assert name in named
    assert "number of patients" in " ".join(claim["taken_as_public"])


def test_the_schema_is_post_processing(made):
    """Another training table with the same synthetic one would publish the same schema."""
    public = sl.Schema.from_json(made.release.file("schema.json").read_text())
    synthetic = public.conform(sl.read_table(made.release.file("synthetic.csv")))
    for column in public:
        drawn = synthetic[column.name].dropna()
        if column.is_discrete:
            assert set(column.categories) == set(drawn)
        else:
            assert (column.low, column.high) == (drawn.min(), drawn.max())


def test_other_formats_tell_the_claim_and_what_it_does_not_cover(made):
    facts = read_facts(made.release)
    said = " ".join(to_croissant(facts, "synthetic.csv", "x", "y")["rai:dataLimitations"])
    assert f"epsilon {made.model.spend_.epsilon:.4g} at delta 1e-05 for one patient" in said
    assert said.count("Not covered by that claim") == len(made.release.parameters["privacy"]["not_covered"])


@pytest.mark.parametrize("asked", [{}, {"publish_scores": False}])
def test_scores_are_left_out_unless_asked_for(made, tmp_path, asked):
    bundle = made.write(tmp_path / "quiet", 2, **asked)
    assert not {"report.csv", "gate.json"} & set(bundle.files)
    assert "report.csv" not in " ".join(bundle.parameters["privacy"]["not_covered"])
    made.study.attempts[0]["draws"] = made.study.attempts[0]["draws"][:1]


def test_thresholds_need_scores(made, tmp_path):
    asked = {"thresholds": [{"metric": "dcr_share", "at_most": 0.6}]}
    synthetic = made.model.sample(50)
    given = made.train, REPORT, made.deidentification, KEY, 0
    for unasked in ({}, {"publish_scores": False}):
        with pytest.raises(ValueError, match="publish_scores=False"):
            write_release(tmp_path / "one", made.model, synthetic, *given, acceptance=asked, **unasked)
    asked = {"acceptance": asked, "publish_scores": True}
    bundle = write_release(tmp_path / "one", made.model, synthetic, *given, **asked)
    assert bundle.parameters["privacy"]["units"] is None  # no dataset says in which measure


# Less than was spent


def test_a_smaller_loss_is_refused_and_a_larger_one_is_taken(made):
    spent = made.budget.loss
    with pytest.raises(PrivacyError, match="or more, which the fit spent"):
        find_loss(made.model, made.study, spent - 1 / SCALE)
    assert find_loss(made.model, made.study, None) == find_loss(made.model, made.study, spent) == spent
    assert find_loss(made.model, made.study, spent + 0.5) == pytest.approx(spent + 0.5)


def test_who_was_not_fitted_privately_claims_nothing(made):
    model = sl.IndependentMarginals(made.schema).fit(made.train)
    assert find_loss(model, made.study, None) is None
    with pytest.raises(PrivacyError, match="leave the loss out"):
        find_loss(model, made.study, 0.1)
    with pytest.raises(PrivacyError, match="private generator"):
        plan_budget(model, 100)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"epsilon": 0.5}, "mechanisms give"),
        ({"units": 10**9}, "more loss"),
        ({"order": 3}, "another measure"),
    ],
)
def test_a_claim_that_its_mechanisms_do_not_give_differs(made, change, word):
    claim = made.release.parameters["privacy"] | change
    found = judge_claim(claim, made.record.spend, made.budget.order)
    assert found.verdict == "differs" and word in found.detail


def test_a_record_that_spent_less_than_the_mechanisms_differs(made):
    claim = made.release.parameters["privacy"]
    found = judge_claim(claim | {"units": 1}, made.record.spend - 1000, made.budget.order)
    assert found.verdict == "differs" and "are recorded" in found.detail
    assert judge_claim(claim, made.record.spend, 0).verdict == "differs"


def test_a_claim_beside_a_record_without_loss_differs(made, tmp_path):
    """An issuer who writes a claim into the manifest of a release that is recorded as not private."""
    ledger = Ledger.in_process()
    model = sl.IndependentMarginals(made.schema)
    study = preregister(ledger, [model], made.safe, KEY, 0.2, 0, open_releases=2)
    fit_attempt(study, model, made.train, KEY)
    given = made.train, REPORT, made.deidentification, KEY, 1
    honest = write_release(tmp_path / "one", model, model.sample(100, seed=1), *given, study=study)
    claim = made.release.parameters["privacy"]
    assert honest.parameters["protocol"]["spend"] == NOT_PRIVATE
    with sl.Bundle.create(tmp_path / "two", "release", honest.parameters | {"privacy": claim}) as folder:
        for name in honest.files:
            shutil.copy(honest.file(name), folder / name)
    lying = recorded(ledger, sl.Bundle.open(tmp_path / "two"))
    found = findings_of(lying.path)
    assert found[CLAIM].verdict == "differs" and "no loss is recorded" in found[CLAIM].detail
    assert verdict(sl.verify(lying.path)) == 1
    assert CLAIM not in findings_of(recorded(ledger, honest).path)


OVERSTATED = {
    "the cohort": ({"covered": [*COVERED, COHORT_COVERED]}, "covered"),
    "nothing left out": ({"not_covered": []}, "not_covered"),
    "no word of scores": ({"not_covered": [*NOT_COVERED, COHORT_NOT_COVERED]}, "not_covered"),
    "no list": ({"not_covered": None}, "not_covered"),
    "nothing public": ({"taken_as_public": []}, "taken_as_public"),
    "two patients": ({"num_patients": 2, "delta": 0.4}, "num_patients"),
    "a larger delta": ({"delta": 1e-4}, "above that of the protocol"),
}


@pytest.mark.parametrize("name", OVERSTATED)
def test_a_claim_of_more_than_its_protocol_and_files_give_differs(made, name):
    change, word = OVERSTATED[name]
    findings, folder = [], made.release.path
    parameters = made.release.parameters
    told = {"parameters": parameters | {"privacy": parameters["privacy"] | change}}
    check_claim(folder, told, made.study.ledger, made.record, findings)
    assert findings[0].verdict == "differs" and word in findings[0].detail
    findings.clear()
    check_claim(folder, {"parameters": parameters}, made.study.ledger, made.record, findings)
    assert findings[0].verdict == "matched"


@pytest.mark.parametrize("num_patients", [True, 0, 1, 480.5, "480", None])
def test_a_number_of_patients_that_is_none_is_refused(made, num_patients):
    claim = made.release.parameters["privacy"] | {"num_patients": num_patients}
    with pytest.raises(ValueError, match="as num_patients"):
        judge_claim(claim, made.record.spend, made.budget.order)


def test_what_is_covered_follows_from_the_split_and_the_scores():
    keyed = list_coverage({"assignment": KEYED}, False)
    assert COHORT_COVERED in keyed["covered"] and keyed["not_covered"] == list(NOT_COVERED)
    for split in (None, {}, {"assignment": "another"}):
        plain = list_coverage(split, True)
        assert COHORT_COVERED not in plain["covered"] and COHORT_NOT_COVERED in plain["not_covered"]
        assert SCORES_NOT_COVERED in plain["not_covered"]


def test_conditions_are_taken_as_public_and_that_cannot_be_left_out(made, tmp_path):
    """Partial rows of patients would stand in the synthetic table as they are, whatever the noise."""
    given = made.train[["age"]].head(50)
    rows = sample_attempt(made.study, made.model, given=given, seed=7, key=KEY)
    assert (rows["age"] == given["age"].to_numpy()).all()
    rest = made.train, REPORT, made.deidentification, KEY, 7
    release = write_release(
        tmp_path / "given", made.model, rows, *rest, study=made.study, given=given, publish_scores=True
    )
    claim = release.parameters["privacy"]
    assert claim["taken_as_public"][-1] == CONDITIONS_TAKEN_AS_PUBLIC
    assert CONDITIONS_TAKEN_AS_PUBLIC not in made.release.parameters["privacy"]["taken_as_public"]
    parameters = json.loads(canonical_json(release.parameters))
    whole = claim["taken_as_public"]
    for lines, expected in ((whole, "matched"), (whole[:-1], "differs")):
        told = {"parameters": parameters | {"privacy": claim | {"taken_as_public": lines}}}
        findings = []
        check_claim(release.path, told, made.study.ledger, made.record, findings)
        assert findings[0].verdict == expected, findings[0].detail


@pytest.mark.parametrize("parts", [[], None, [{"kind": "Queries"}], [{"kind": "Shuffled"}], [3]])
def test_a_claim_in_another_form_is_refused(made, parts):
    with pytest.raises(ValueError, match="expected"):
        judge_claim(made.release.parameters["privacy"] | {"parts": parts}, 10**6, made.budget.order)


@pytest.mark.parametrize("kind", [sl.PrivateMarginals, sl.PrivateTabularGPT])
def test_a_fit_with_noise_that_somebody_knows_makes_no_claim(made, tmp_path, kind):
    model = kind(made.schema, **OF_KIND[kind])
    model.replay(SecretRandom(SECRET), made.train)
    model.save(tmp_path / "model")
    for replayed in (model, load_synthesizer(tmp_path / "model")):
        rest = made.train, REPORT, made.deidentification, KEY, 1
        with pytest.raises(PrivacyError, match="whose noise nobody knows"):
            write_release(tmp_path / "release", replayed, replayed.sample(200, seed=1), *rest)
    assert not (tmp_path / "release").exists()
    assert not model.fit(made.train).replayed_


# Adding up


def plain(parts):
    spend = account(parts, 1e-5, 1000)
    return spend, [
        {"noise": part["noise_multiplier"], "rate": part.get("sampling_rate", 1.0),
         "count": part.get("num_queries") or part["num_steps"]}
        for part in spend.to_dict()["parts"]
    ]  # fmt: skip


def test_verification_adds_up_as_the_accountant_does_by_a_way_of_its_own():
    spend, parts = plain(PARTS)
    for order in (2, 3, 8, 32, 64, 256):
        assert add_up(parts, order) == pytest.approx(spend.rdp_at(order), rel=1e-6)
    assert add_up(parts, 0) is None
    rho, queries = plain(PARTS[:1])
    assert add_up(queries, 0) == pytest.approx(rho.rdp_at(0), rel=1e-6)
    assert find_epsilon(parts, 1e-5) == pytest.approx(spend.epsilon, rel=5e-3)


@pytest.mark.parametrize("order", [0, 2, 8, 64])
@pytest.mark.parametrize("epsilon", [0.05, 1.0, 6.0])
def test_a_claim_with_choices_is_computed_again(epsilon, order):
    """As of PrivateMarginals, which chooses pairs of columns by the exponential mechanism."""
    spend = account([Queries("tables", 5.0, 4), Selections("tree", epsilon, 3)], 1e-5, 1000)
    claim = spend.to_dict() | {"order": order, "units": spend.units_at(order)}
    assert judge_claim(claim, spend.units_at(order), order).verdict == "matched"
    assert judge_claim(claim, int(spend.units_at(order) * 0.999), order).verdict == "differs"
    assert judge_claim(claim | {"epsilon": 0.9 * spend.epsilon}, 10**9, order).verdict == "differs"


@pytest.mark.parametrize("epsilon", [0, -1, 51, 10**6, None, "1"])
def test_a_choice_that_cannot_be_accounted_for_is_refused(epsilon):
    claim = account(PARTS, 1e-5, 1000).to_dict()
    part = {"kind": "Selections", "name": "tree", "epsilon": epsilon, "num_queries": 1}
    with pytest.raises(ValueError, match="expected"):
        judge_claim(claim | {"parts": [part]}, 10**6, 8)


def test_the_order_that_is_chosen_says_the_smallest_epsilon():
    spend, _ = plain(PARTS)
    best = choose_order(spend)
    told = {order: epsilon_of(spend.units_at(order), order, 1e-5) for order in (best, best - 1, best + 1)}
    assert min(told, key=told.get) == best
    assert spend.epsilon <= told[best] < 1.6 * spend.epsilon


def test_what_is_published_together_spends_the_sum():
    one, _ = plain(PARTS)
    both = compose([one, one])
    assert both.rdp_at(8) == pytest.approx(2 * one.rdp_at(8), rel=1e-6)
    assert one.epsilon < both.epsilon < 2 * one.epsilon
    with pytest.raises(PrivacyError, match="one table"):
        compose([one, account(PARTS, 1e-5, 999)])
    with pytest.raises(PrivacyError, match="one table"):
        compose([])


def test_a_spend_beyond_all_privacy_can_still_be_written():
    spend = account([Queries("all", 0.1)], 1e-5, 1000)
    assert spend.to_dict()["epsilon_pld"] is None
    assert PrivacySpend.from_dict(json.loads(canonical_json(spend.to_dict()))) == spend


def test_every_undeclared_range_is_named(made):
    schema = made.schema.replace("lab", high=None).replace("age", low=None)
    with pytest.raises(PrivacyError, match="got none for age, lab"):
        check_declared(schema)
    check_declared(made.schema)


def test_a_masked_report_has_no_counts():
    report = pd.DataFrame({"column": ["a"], "action": ["kept"], "reason": ["3 of 7"], "seen": ["3 of 7"]})
    assert "3 of 7" not in mask_deidentification(report).to_csv()
    assert np.array_equal(mask_deidentification(report).columns, ["column", "action"])
