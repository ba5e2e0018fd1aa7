"""The benchmark of budgets: which runs, what they are held to, and that nothing is run twice."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

from benchmarks import cohorts, private_budgets
from benchmarks.private_budgets import Run, add_cost, plan, read_rows, run_all, summarise
from synthlib.data.tables import write_table

LINE = {"two_way": 0.9, "two_way_ceiling": 0.93, "c2st": 0.8, "c2st_snapped": 0.7, "tstr_ratio": 0.95}


@pytest.fixture
def cohort(tmp_path):
    write_table(make_cohort(250), tmp_path / "cohort.csv")
    options = {"leaks": ["group"], "categorical": ["disease"]}
    folder = tmp_path / "cohorts" / "small"
    return cohorts.write_csv_cohort(folder, tmp_path / "cohort.csv", "died", **options)


def test_a_fit_without_privacy_stands_next_to_those_that_are_held_to_it():
    runs = list(plan(["a", "b"], [1.0, 8.0], 2))
    assert len(runs) == len(set(runs)) == 2 * 2 * 5
    assert [run.epsilon for run in runs[:5]] == [float("inf"), 1.0, 1.0, 8.0, 8.0]
    assert {(run.cohort, run.seed) for run in runs[:5]} == {("a", 0)}


def test_cost_is_held_against_the_same_cohort_and_seed():
    rows = [
        ("a", "TabularGPT", 0, 10.0), ("a", "PrivateTabularGPT", 0, 25.0),
        ("a", "PrivateTabularGPT", 1, 25.0), ("b", "TabularGPT", 0, 50.0), ("b", "PrivateMarginals", 0, 5.0),
    ]  # fmt: skip
    table = add_cost(pd.DataFrame(rows, columns=["cohort", "model", "seed", "fit_cpu_s"]))
    np.testing.assert_allclose(table["cost"], [1, 2.5, np.nan, 1, 0.1])


def test_what_has_a_row_is_not_run_again(tmp_path, monkeypatch):
    called = []

    def fit(run, cohort, folder):
        called.append(run)
        if len(called) == 4:
            raise RuntimeError("the machine went down")
        return {"spent": min(run.epsilon, 9.0), "fit_cpu_s": 10.0}

    monkeypatch.setattr(private_budgets, "fit_apart", fit)
    monkeypatch.setattr(private_budgets, "score", lambda *asked: LINE | {"scorer": "another"})
    asked = SimpleNamespace(cache=tmp_path, cohorts="a", seeds=1, results=tmp_path / "found.csv")
    with pytest.raises(RuntimeError, match="went down"):
        run_all(asked)
    assert len(read_rows(asked.results)) == 3
    run_all(asked)
    rows = pd.DataFrame(read_rows(asked.results))
    assert called[3] == called[4] and len(called) == 6 and len(rows) == 5
    assert list(rows.columns) == private_budgets.FIELDS and (rows["cost"] == 1).all()
    assert summarise(rows).loc[("a", 8.0, "PrivateMarginals"), "two_way"] == 0.9


def test_another_scorer_is_run_as_a_program(cohort, tmp_path):
    script = tmp_path / "scorer.py"
    found = {private_budgets.TRANSLATION[name][0]: value for name, value in LINE.items()}
    script.write_text(
        "import json, sys\nassert len(sys.argv) == 5 and sys.argv[1].endswith('train.csv')\n"
        f"print('words before')\nprint(json.dumps({found!r}))"
    )
    asked = SimpleNamespace(scorer=script, scorer_python=private_budgets.sys.executable)
    scored = private_budgets.score(cohort, tmp_path / "drawn.csv", asked)
    assert scored == LINE | {"scorer": "another"}
    script.write_text("raise SystemExit('no such table')")
    with pytest.raises(RuntimeError, match="no such table"):
        private_budgets.score(cohort, tmp_path / "drawn.csv", asked)


def test_a_fit_draws_as_many_rows_as_train_and_says_what_it_spent(cohort, tmp_path):
    drawn = tmp_path / "drawn.csv"
    found = private_budgets.fit_one(Run("small", "PrivateMarginals", 8.0, 0), cohort, drawn)
    assert 7.8 < found["spent"] <= 8 and found["fit_cpu_s"] > 0
    columns = json.loads((cohort / "meta.json").read_text())
    assert list(pd.read_csv(drawn).columns) == [*columns["categorical"], *columns["numerical"]]
    assert len(pd.read_csv(drawn)) == 200


def test_published_runs_stay_within_their_budget_and_its_price():
    rows = pd.read_csv(private_budgets.RESULTS)
    assert not rows.duplicated([*Run._fields]).any()
    private = rows[rows["model"] != private_budgets.WITHOUT]
    assert (private["spent"] <= private["epsilon"]).all() and (
        private["spent"] > 0.97 * private["epsilon"]
    ).all()
    ours = rows[rows["model"] == "PrivateTabularGPT"]
    assert {*ours["cohort"]} == {*private_budgets.COHORTS} and (ours["cost"] <= 4).all()
