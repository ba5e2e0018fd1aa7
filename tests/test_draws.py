"""Which rows an attempt fits, and which tables were drawn from it: said, counted, and under a key."""

import json
from copy import deepcopy
from dataclasses import dataclass

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_selection import quick

import synthlib as sl
from synthlib.chain.attempts import Draw, read_attempts
from synthlib.chain.commitments import commit, commit_conditions, table_digest
from synthlib.chain.training_evidence import judge_fit
from synthlib.preregistration import describe_attempt, log_candidates, sample_attempt
from synthlib.release import write_release
from synthlib.scores import Score, to_report

KEY = sl.StewardKey.for_public_data("tests")


@pytest.fixture(scope="module")
def study(cohort, cohort_schema):
    """One study for all tests here, each of which looks at the attempts that it adds."""
    model = sl.IndependentMarginals(cohort_schema)
    return sl.preregister(sl.Ledger.in_process(), [model], cohort, KEY, 0.2, 0, open_releases=9)


def fit(study, cohort, schema, **settings):
    return sl.fit_attempt(study, sl.IndependentMarginals(schema, **settings), cohort, KEY)


def last(study):
    return study.attempts[-1]


def release(path, study, model, table, train, **options):
    """A release of one score."""
    report = to_report([Score("dcr_share", 0.5, 0.4, 0.6, 0.5)])
    removed = pd.DataFrame({"column": ["name"], "action": ["dropped"], "reason": ["identifier"]})
    options = {"seed": 1} | options
    return write_release(path, model, table, train, report, removed, KEY, study=study, **options)


def test_an_attempt_says_under_the_key_which_rows_it_fits(study, cohort, cohort_schema):
    fit(study, cohort, cohort_schema)
    assert last(study)["describes"]["training_commitment"] == commit(cohort, KEY).hex()
    told = json.dumps(study.attempts) + b"".join(study.ledger.journal.lines).decode()
    assert table_digest(cohort).hex() not in told  # which would confirm a guess


def test_a_fit_to_other_rows_is_another_attempt(study, cohort, cohort_schema):
    """Also where the first one was interrupted, and everything else is the same."""

    class Interrupted(sl.IndependentMarginals):
        def fit(self, train):
            raise KeyboardInterrupt

    begun = len(study.attempts)
    for rows in (cohort, cohort, cohort.head(500), cohort.iloc[::-1]):
        with pytest.raises(KeyboardInterrupt):
            sl.fit_attempt(study, Interrupted(cohort_schema), rows, KEY)
    assert study.track.attempts == len(study.attempts) == begun + 3


def test_every_draw_is_noted_once(study, cohort, cohort_schema):
    model = fit(study, cohort, cohort_schema)
    tables = [sample_attempt(study, model, 5, seed=seed) for seed in (3, 1, 3, 2)]
    pd.testing.assert_frame_equal(tables[0], tables[2])
    assert [draw["seed"] for draw in last(study)["draws"]] == [3, 1, 2]
    assert last(study)["draws"][1] == {
        "seed": 1, "num_rows": 5, "given": None, "digest": table_digest(tables[1]).hex()
    }  # fmt: skip
    pd.testing.assert_frame_equal(tables[1], model.sample(5, seed=1))


def test_a_release_says_which_of_how_many_draws_it_is(study, cohort, cohort_schema, tmp_path):
    """Whoever draws a hundred tables and publishes the prettiest says so."""
    model = fit(study, cohort, cohort_schema, max_states=9)
    number = len(study.attempts)
    tables = [sample_attempt(study, model, 50, seed=seed) for seed in range(100)]
    fit(study, cohort, cohort_schema)  # a later attempt, which the release is not of
    made = release(tmp_path / "prettiest", study, model, tables[41], cohort, seed=41)
    said = made.parameters["protocol"]
    assert (said["attempt"], said["draw"], said["draws"]) == (number, 42, 100)
    entry = read_attempts(made.file("attempts.json").read_bytes())[number - 1]
    assert entry["draws"][41]["digest"] == made.parameters["synthetic_digest"]


def test_a_table_that_nobody_noted_is_noted_when_it_is_released(study, cohort, cohort_schema, tmp_path):
    model = fit(study, cohort, cohort_schema)
    made = release(tmp_path / "one", study, model, model.sample(30, seed=1), cohort)
    assert (made.parameters["protocol"]["draw"], made.parameters["protocol"]["draws"]) == (1, 1)
    again = release(tmp_path / "two", study, model, model.sample(30, seed=1), cohort)
    assert again.digest == made.digest  # no other draw
    edited = model.sample(30, seed=1).iloc[::-1].reset_index(drop=True)
    other = release(tmp_path / "three", study, model, edited, cohort)
    assert (other.parameters["protocol"]["draw"], other.parameters["protocol"]["draws"]) == (2, 2)


def test_a_release_of_a_fit_that_is_no_attempt_is_refused(study, cohort, cohort_schema, tmp_path):
    model = fit(study, cohort, cohort_schema)
    table = model.sample(30, seed=1)
    with pytest.raises(ValueError, match="none that describes this generator and these rows"):
        release(tmp_path / "one", study, model, table, cohort.head(400))
    other = sl.IndependentMarginals(cohort_schema, max_states=5).fit(cohort)
    with pytest.raises(ValueError, match="none that describes"):
        release(tmp_path / "one", study, other, table, cohort)
    with pytest.raises(ValueError, match="expected the generator that attempt"):
        sample_attempt(study, other, 5)
    with pytest.raises(ValueError, match="one of"):
        sample_attempt(study, model, 5, attempt=99)
    assert not (tmp_path / "one").exists() and last(study)["draws"] == []


def test_conditions_are_noted_under_the_key_alone(study, cohort, cohort_schema, tmp_path):
    model = fit(study, cohort, cohort_schema)
    rows = cohort[["disease", "age"]].head(4)  # a patient's cells: a plain digest would confirm a guess
    with pytest.raises(ValueError, match="key"):
        sample_attempt(study, model, given=rows)
    known = cohort.dropna().head(4)
    whole = sample_attempt(study, model, given=known, seed=1, key=KEY)  # nothing is left to draw
    assert table_digest(whole) == table_digest(known)
    table = sample_attempt(study, model, given=rows, seed=1, key=KEY)
    sample_attempt(study, model, 4, given={"disease": {"sepsis": 0.5, "cancer": 0.5}}, seed=1, key=KEY)
    noted = [draw["given"] for draw in last(study)["draws"]]
    assert noted[1] == commit(rows, KEY).hex() and len(set(noted)) == 3
    assert last(study)["draws"][1]["digest"] == commit(table, KEY).hex()
    for confidential in (rows, whole):
        assert table_digest(confidential).hex() not in json.dumps(study.attempts)
    made = release(tmp_path / "one", study, model, table, cohort, given=rows)
    assert made.parameters["given"] == noted[1] and made.parameters["protocol"]["draw"] == 2
    entries = read_attempts(made.file("attempts.json").read_bytes())
    assert [found.verdict for found in judge_fit(entries, made.manifest)] == ["matched", "matched"]
    silent = made.manifest | {"parameters": made.parameters | {"given": None}}
    assert judge_fit(entries, silent)[1].verdict == "differs"


LEVELS = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text("ab1", max_size=2))
ASKED = st.dictionaries(
    st.sampled_from(["x", "y"]),
    st.one_of(LEVELS, st.dictionaries(LEVELS, st.sampled_from([0.25, 0.5, 0.75]), min_size=1)),
    min_size=1,
)


@given(ASKED, ASKED)
def test_other_conditions_have_other_commitments(one, other):
    """The type of a level counts: True is not 1, and "1" is not 1."""
    same = repr(one) == repr(other)
    assert (commit_conditions(one, KEY) == commit_conditions(other, KEY)) is same
    assert commit_conditions(one, KEY) != commit_conditions(one, sl.StewardKey(bytes(32)))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), max_size=12))
def test_as_many_draws_are_noted_as_there_are(study, asked):
    if not study.attempts:
        study.attempt({"model_type": "x"})
    study.attempts[0]["draws"] = []
    drawn = [Draw(seed, rows, None, f"{seed} {rows}") for seed, rows in asked]
    numbers = [study.note_draw(1, draw) for draw in drawn]
    assert len(study.attempts[0]["draws"]) == len(set(asked)) == max(numbers, default=0)
    assert all(study.attempts[0]["draws"][n - 1] == d._asdict() for n, d in zip(numbers, drawn, strict=True))


@dataclass
class Private(sl.IndependentMarginals):
    """Whose noise must not be drawn again."""

    seed: int = 0

    @property
    def public_parameters(self):
        return {name: value for name, value in self.parameters.items() if name != "seed"}


def test_a_secret_seed_is_published_nowhere(cohort, cohort_schema, tmp_path):
    secret = 8_153_907_246
    model = Private(cohort_schema, seed=secret)
    study = sl.preregister(sl.Ledger.in_process(), [model], cohort, KEY, 0.2, 0)
    sl.fit_attempt(study, model, cohort, KEY)
    table = sample_attempt(study, model, 20, seed=1)
    made = release(tmp_path / "one", study, model, table, cohort)
    chosen = sl.select({"one": model}, cohort, score=quick, progress=False, study=study, key=KEY)
    assert chosen.attempts.loc[0, "seed"] == "secret" and str(secret) not in chosen.attempts.to_csv()
    told = b"".join(path.read_bytes() for path in made.path.rglob("*") if path.is_file())
    assert b"max_states" in told and str(secret).encode() not in told
    assert str(secret) not in json.dumps(study.attempts)


# Selection


def test_a_selection_logs_every_candidate_and_notes_what_it_scored(study, cohort, cohort_schema):
    class Broken(sl.IndependentMarginals):
        def fit(self, train):
            raise MemoryError("a row of a patient")

    seen = []

    def spy(fitted_on, validation, synthetic, schema, rng):
        seen.append((fitted_on, synthetic, study.track.attempts, deepcopy(last(study)["outcome"])))
        return quick(fitted_on, validation, synthetic, schema, rng)

    begun = len(study.attempts)
    candidates = {"one": sl.IndependentMarginals(cohort_schema), "broken": Broken(cohort_schema)}
    found = sl.select(candidates, cohort, seed=3, score=spy, progress=False, study=study, key=KEY)
    fitted_on, synthetic, logged, outcome = seen[0]
    assert (logged, outcome) == (begun + 2, None)  # both, before the first was fitted
    assert found.attempts["attempt"].tolist() == [begun + 1, begun + 2]
    one, broken = study.attempts[begun:]
    assert one["describes"] == json.loads(json.dumps(describe_attempt(candidates["one"], fitted_on, KEY)))
    assert one["outcome"] == {"status": "fitted", "gate": "passed"}
    assert [(draw["seed"], draw["digest"]) for draw in one["draws"]] == [(3, table_digest(synthetic).hex())]
    assert (broken["outcome"], broken["draws"]) == ("failed: MemoryError", [])
    with pytest.raises(ValueError, match="key"):
        sl.select(candidates, cohort, score=quick, progress=False, study=study)


def test_an_interrupted_selection_that_goes_on_logs_nothing_twice(study, cohort, cohort_schema, tmp_path):
    class Stopped(sl.IndependentMarginals):
        stop = True

        def fit(self, train):
            if self.stop:
                raise KeyboardInterrupt
            return super().fit(train)

    begun = len(study.attempts)
    candidates = {"one": sl.IndependentMarginals(cohort_schema), "two": Stopped(cohort_schema)}
    options = {"score": quick, "progress": False, "study": study, "key": KEY, "checkpoint_folder": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        sl.select(candidates, cohort, **options)
    assert [entry["outcome"] is None for entry in study.attempts[begun:]] == [False, True]
    Stopped.stop = False
    found = sl.select(candidates, cohort, **options)
    assert study.track.attempts == begun + 2
    assert found.attempts["attempt"].tolist() == [begun + 1, begun + 2]
    assert last(study)["outcome"]["status"] == "fitted" and len(last(study)["draws"]) == 1


def test_two_candidates_alike_are_two_attempts(study, cohort, cohort_schema):
    alike = {name: sl.IndependentMarginals(cohort_schema, max_states=11) for name in ("one", "two")}
    first = log_candidates(study, alike, cohort, KEY)
    assert first["two"] == first["one"] + 1
    assert log_candidates(study, alike, cohort, KEY) == first  # not settled: taken up
    study.settle(first["one"], "fitted")
    again = log_candidates(study, alike, cohort, KEY)
    assert again == {"one": first["two"], "two": first["two"] + 1}
