"""Selection: every attempt is kept, the holdout is not there, and an interrupted call goes on."""

import inspect
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import synthlib as sl
from synthlib.scores import Score
from synthlib.selection import ATTEMPTS, KEY, select


@dataclass
class Given(sl.IndependentMarginals):
    """Draws training rows, shuffles them, or fails, and counts how often it was fitted."""

    how: str = "resample"
    fits = 0

    def fit(self, train):
        type(self).fits += 1
        if self.how == "fail":
            raise MemoryError("not enough of it")
        if self.how == "stop":
            raise KeyboardInterrupt
        self.train_ = train
        return super().fit(train)

    def sample(self, num_rows=None, given=None, seed=0):
        rng = np.random.default_rng(seed)
        rows = self.train_.iloc[rng.permutation(len(self.train_))[:num_rows]].reset_index(drop=True)
        if self.how == "jitter":  # near enough to be told apart by nobody, no copies
            age = rows["age"] + rng.integers(-4, 5, len(rows))
            return rows.assign(
                age=age.clip(18, 95).astype(rows["age"].dtype), lab=rng.permutation(rows["lab"])
            )
        return rows


def quick(fitted_on, validation, synthetic, schema, rng):
    """Distance of mean ages."""
    gaps = [abs(table["age"].mean() - validation["age"].mean()) for table in (synthetic, fitted_on)]
    return Score("age_gap", gaps[0], 0.0, 1.0, np.nan)


@pytest.fixture
def candidates(cohort_schema):
    Given.fits = 0
    return {
        "marginals": sl.IndependentMarginals(cohort_schema),
        "copies": Given(cohort_schema),
        "broken": Given(cohort_schema, how="fail"),
        "jitter": Given(cohort_schema, how="jitter"),
    }


def test_all_attempts_are_returned_and_copies_do_not_win(candidates, cohort):
    found = select(candidates, cohort[:250], seed=3, progress=False)
    rows = found.attempts.set_index("candidate")
    assert list(rows.index) == list(candidates)
    assert rows["status"].tolist() == ["fitted", "fitted", "failed", "fitted"]
    assert rows.loc["broken", "error"] == "MemoryError: not enough of it"
    assert rows.loc["copies", "gate"].startswith("exact copies")  # 50 rows are few for closeness
    assert rows.loc["copies", "exact_copies"] == 1
    assert found.best == rows.query("gate == 'passed'")["criterion"].idxmin() != "copies"
    assert json.loads(rows.loc["jitter", "parameters"])["how"] == "jitter"
    assert (rows.loc[rows["status"] == "fitted", "c2st_boosting"] <= rows["criterion"].dropna()).all()
    assert (rows["fit_cpu_s"].dropna() >= 0).all()


def test_the_choice_is_a_fresh_copy_and_candidates_are_left_alone(candidates, cohort):
    found = select(candidates, cohort, score=quick, progress=False)
    assert found.candidate == candidates[found.best] and found.candidate is not candidates[found.best]
    assert all(candidate.encoder_ is None for candidate in (found.candidate, *candidates.values()))
    found.candidate.fit(cohort)


def test_it_never_sees_a_holdout():
    assert "holdout" not in inspect.signature(select).parameters


def test_fits_see_one_part_of_the_patients_and_scores_the_other(cohort, cohort_schema):
    seen = []

    def spy(fitted_on, validation, synthetic, schema, rng):
        seen.append((fitted_on, validation))
        return quick(fitted_on, validation, synthetic, schema, rng)

    found = select(
        {"one": Given(cohort_schema)}, cohort, seed=1, validation_fraction=0.25, score=spy, progress=False
    )
    fitted_on, validation = seen[0]
    assert (len(fitted_on), len(validation)) == (450, 150)
    both = pd.concat([fitted_on, validation])
    assert sorted(both["lab"].dropna()) == sorted(cohort["lab"].dropna())
    assert list(found.attempts["age_gap"]) == list(found.attempts["criterion"])


def test_the_same_seed_chooses_the_same(candidates, cohort):
    few = {name: candidates[name] for name in ("marginals", "broken")}
    first, again = (select(few, cohort[:150], seed=2, progress=False) for _ in range(2))
    times = ["fit_cpu_s", "sample_cpu_s"]
    pd.testing.assert_frame_equal(first.attempts.drop(columns=times), again.attempts.drop(columns=times))


def test_equal_criteria_go_to_the_earlier(cohort, cohort_schema):
    def flat(fitted_on, validation, synthetic, schema, rng):
        return [Score("better_than_real", rng.random() / 9, 0, 1, 0.5)]

    models = {name: sl.IndependentMarginals(cohort_schema) for name in ("first", "second")}
    found = select(models, cohort, score=flat, progress=False)
    assert found.best == "first" and found.attempts["criterion"].tolist() == [0.5, 0.5]


def test_an_interrupted_selection_goes_on(candidates, cohort, cohort_schema, tmp_path):
    folder = tmp_path / "selection"
    stopped = candidates | {"jitter": Given(cohort_schema, how="stop")}
    with pytest.raises(KeyboardInterrupt):
        select(stopped, cohort, score=quick, checkpoint_folder=folder, progress=False)
    assert len(json.loads((folder / ATTEMPTS).read_text())["attempts"]) == 3
    Given.fits = 0
    found = select(candidates, cohort, score=quick, checkpoint_folder=folder, progress=False)
    assert Given.fits == 1  # the one that was not tried, with other parameters
    straight = select(candidates, cohort, score=quick, progress=False)
    times = ["fit_cpu_s", "sample_cpu_s"]
    pd.testing.assert_frame_equal(found.attempts.drop(columns=times), straight.attempts.drop(columns=times))
    assert found.best == straight.best
    assert (folder / ATTEMPTS).stat().st_mode & 0o077 == 0


def test_attempts_of_another_selection_are_not_taken(candidates, cohort, tmp_path):
    few = {"marginals": candidates["marginals"]}
    select(few, cohort, score=quick, checkpoint_folder=tmp_path, progress=False)
    for options in ({"seed": 9}, {"validation_fraction": 0.3}, {"score": None}):
        with pytest.raises(ValueError, match="those of another"):
            select(few, cohort, **{"score": quick} | options, checkpoint_folder=tmp_path, progress=False)
    with pytest.raises(ValueError, match="those of another"):
        select(few, cohort.assign(age=50), score=quick, checkpoint_folder=tmp_path, progress=False)
    (tmp_path / ATTEMPTS).write_text("{")
    with pytest.raises(ValueError, match="remove it"):
        select(few, cohort, score=quick, checkpoint_folder=tmp_path, progress=False)


def test_attempts_know_the_table_under_a_key_of_their_folder(candidates, cohort, tmp_path):
    few = {"marginals": candidates["marginals"]}
    known = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        select(few, cohort, score=quick, checkpoint_folder=folder, progress=False)
        assert (folder / KEY).stat().st_mode & 0o077 == 0
        known.append(json.loads((folder / ATTEMPTS).read_text())["table"])
    assert known[0] != known[1] and all(len(bytes.fromhex(one)) == 32 for one in known)
    (tmp_path / "one" / KEY).unlink()
    with pytest.raises(ValueError, match="those of another"):
        select(few, cohort, score=quick, checkpoint_folder=tmp_path / "one", progress=False)
    (tmp_path / "two" / KEY).write_text("no key")
    with pytest.raises(ValueError, match=KEY):
        select(few, cohort, score=quick, checkpoint_folder=tmp_path / "two", progress=False)


def test_nobody_wins_where_all_fail(candidates, cohort, tmp_path):
    found = select({"broken": candidates["broken"]}, cohort, progress=False)
    assert found.best is None and found.candidate is None and len(found.attempts) == 1
    found.write(tmp_path / "attempts.csv")
    assert pd.read_csv(tmp_path / "attempts.csv").loc[0, "status"] == "failed"


def test_trainings_keep_their_checkpoints_in_the_folder(cohort, cohort_schema, tmp_path):
    @dataclass
    class Careful(sl.IndependentMarginals):
        def fit(self, train, checkpoint=None, progress=True):
            paths.append((checkpoint, progress))
            return super().fit(train)

    paths = []
    select({"a/b": Careful(cohort_schema)}, cohort, score=quick, checkpoint_folder=tmp_path, progress=False)
    assert paths == [(tmp_path / "a%2Fb.checkpoint", False)]


def test_candidates_of_several_schemas_or_none_are_refused(cohort, cohort_schema):
    with pytest.raises(ValueError, match="got none"):
        select({}, cohort)
    others = {
        "one": sl.IndependentMarginals(cohort_schema),
        "two": sl.IndependentMarginals(cohort_schema.replace("age", high=200)),
    }
    with pytest.raises(ValueError, match="one schema"):
        select(others, cohort)
