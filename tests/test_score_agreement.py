"""The comparison with a second scorer: tables that are what their names say, and a verdict on each figure."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

from benchmarks import cohorts, score_agreement
from benchmarks.adapters import make_schema
from synthlib.data.tables import write_table
from synthlib.evaluation import outcomes
from synthlib.evaluation.fairness import gaps
from synthlib.evaluation.features import noting_samples
from synthlib.evaluation.fidelity import association
from synthlib.evaluation.usefulness import augmentation, ranking, utility
from synthlib.scores import Score

SCORER = """
import argparse, csv, json
parser = argparse.ArgumentParser()
for name in ("train", "test", "synth", "meta"):
    parser.add_argument("--" + name)
asked = parser.parse_args()
rows = {n: [tuple(r) for r in csv.reader(open(getattr(asked, n)))][1:] for n in ("train", "synth")}
target = json.load(open(asked.meta))["target"]
found = sum(row in rows["train"] for row in rows["synth"]) / len(rows["synth"])
print("a line that is no JSON")
print(json.dumps({"exact_match": found, "dcr_share": 2.0, "of": target}))
"""


@pytest.fixture
def folder(tmp_path):
    write_table(make_cohort(400), tmp_path / "cohort.csv")
    options = {"leaks": ["group"], "categorical": ["disease"]}
    return cohorts.write_csv_cohort(tmp_path / "small", tmp_path / "cohort.csv", "died", **options)


def test_tables_are_what_their_names_say(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(score_agreement, "fit", lambda model, train, schema, **stops: train)
    train, fresh, meta = score_agreement.split_cohort(folder, tmp_path, 0)
    schema = make_schema(pd.concat([train, fresh]), meta)
    made = score_agreement.make_tables(train, fresh, meta, schema, np.random.default_rng(0))
    assert len(made) >= 10 and all(list(table) == list(train) for table in made.values())
    known = set(map(str, train.to_numpy().tolist()))
    shares = {
        name: np.mean([str(row) in known for row in table.to_numpy().tolist()])
        for name, table in made.items()
    }
    more = shares["2 % of copies"] - shares["fresh rows"]
    assert shares["copies"] == 1 and more == pytest.approx(0.02, abs=0.01)
    assert shares["fresh rows"] < 0.1 and shares["copies with large noise"] < 0.1
    first = meta["numerical"][0]
    assert sorted(made["a shuffled column"][first]) == sorted(fresh[first])
    assert made["15 % more missing"].isna().mean().mean() > fresh.isna().mean().mean() + 0.08
    events = made["four times the odds of an event"]["died"] == "1"
    assert events.mean() > (fresh["died"] == "1").mean() + 0.1


def test_verdicts():
    one = Score("dcr_share", 0.5, 0.4, 0.6, 0.5)
    told = [score_agreement.judge(one, theirs) for theirs in (0.50001, 0.59, 0.61)]
    assert told == ["equal", "inside", "outside"]
    nothing = one._replace(low=float("nan"))
    assert score_agreement.judge(nothing, 0.5) == "equal"
    assert score_agreement.judge(nothing, 0.55) == "no interval"


def test_another_program_is_asked(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(score_agreement, "make_tables", lambda train, *_: {"copies": train})
    (tmp_path / "scorer.py").write_text(SCORER)
    out = tmp_path / "agreement.csv"
    options = ["--scorer", str(tmp_path / "scorer.py"), "--cohort", str(folder), "--out", str(out)]
    assert score_agreement.main(options) == 0
    found = pd.read_csv(out).set_index("metric")
    assert found.loc["exact_copies", ["ours", "theirs", "agreement"]].tolist() == [1.0, 1.0, "equal"]
    assert found.loc["dcr_share", "agreement"] == "outside"


def test_a_program_that_fails_is_no_agreement(folder, tmp_path):
    (tmp_path / "scorer.py").write_text("raise SystemExit('expected rows')")
    options = ["--scorer", str(tmp_path / "scorer.py"), "--cohort", str(folder)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score_agreement, "make_tables", lambda train, *_: {"copies": train})
        with pytest.raises(RuntimeError, match="expected rows"):
            score_agreement.main([*options, "--out", str(tmp_path / "none.csv")])


@pytest.mark.parametrize(
    "metric",
    [
        utility.train_on_synthetic,
        ranking.model_ranking,
        augmentation.augmentation_gain,
        gaps.fairness,
        association.association_distance,
    ],
    ids=lambda metric: metric.__name__,
)
def test_large_tables_are_sampled_and_it_is_noted(metric, cohort, cohort_schema, monkeypatch):
    for module in (outcomes, ranking, augmentation, association):
        monkeypatch.setattr(module, "MAX_ROWS", 90)
    schema = replace(cohort_schema, protected=("group",))
    options = {"learners": ("logistic",)} if metric is utility.train_on_synthetic else {}
    with noting_samples() as samples:
        tables = cohort[:300], cohort[300:500], cohort[:350]
        assert metric(*tables, schema, np.random.default_rng(0), **options)
    assert (90, 200) in samples and len(samples) > 1
