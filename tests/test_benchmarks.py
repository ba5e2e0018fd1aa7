"""The benchmark's harness on tiny tables: no other environment, no network."""

import dataclasses
import json
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

from benchmarks import __main__ as command
from benchmarks import adapters, cohorts, environments, figure, runner, scoring, table, worker
from synthlib.data.tables import write_table


@pytest.fixture
def cache(tmp_path):
    """A cache with one small cohort and nothing else."""
    write_table(make_cohort(250), tmp_path / "cohort.csv")
    options = {"leaks": ["group"], "categorical": ["disease"]}
    cohorts.write_csv_cohort(tmp_path / "cohorts" / "small", tmp_path / "cohort.csv", "died", **options)
    return tmp_path


def make_rows() -> list[dict]:
    """Two cohorts: ours three times, a peer once, one that failed, a reference."""
    scores = {"c2st": 0.6, "tstr_ratio": 0.99, "dcr_share": 0.5, "acc2_ceiling": 0.9, "num_train": 400}
    sizes = {"num_holdout": 100, "num_columns": 5, "peak_mb": 300, "sample_cpu_s": 0.5, "capped": False}
    rows = []
    for cohort in ("first", "second"):
        for seed, snapped in enumerate((0.55, 0.57, 0.59)):
            facts = {"model": "TabularGAN", "seed": seed, "role": "ours", "version": "0.1.0"}
            rows.append({"cohort": cohort} | facts | {"c2st_snapped": snapped, "fit_cpu_s": 10 + seed})
        facts = {"model": "seqtrees", "seed": 0, "role": "peer", "version": "0.3.0"}
        rows.append({"cohort": cohort} | facts | {"c2st_snapped": 0.8, "fit_cpu_s": 2})
        facts = {"model": "holdout", "seed": 0, "role": "reference"}
        rows.append({"cohort": cohort} | facts | {"c2st_snapped": 0.5})
    rows = [scores | sizes | {"acc2": 0.88, "mia_density": 0.51} | row for row in rows]
    facts = {"cohort": "first", "model": "ctgan", "seed": 0, "role": "peer", "capped": True}
    return [*rows, facts | {"error": "capped: over 1080 CPU s without a table"}]


# Cohorts.


def test_a_fifth_is_set_aside_and_columns_have_their_kinds(cache):
    folder = cache / "cohorts" / "small"
    meta = json.loads((folder / "meta.json").read_text())
    assert meta == {
        "target": "died",
        "categorical": ["disease", "group", "died"],
        "numerical": ["age", "lab"],
        "leaks": ["group"],
    }
    train, holdout = (scoring.read(folder / f"{name}.csv", meta) for name in ("train", "test"))
    assert (len(train), len(holdout)) == (200, 50)
    both, cohort = pd.concat([train, holdout]), make_cohort(250)
    assert sorted(both["lab"].dropna()) == sorted(cohort["lab"].dropna())
    assert both["lab"].isna().sum() == cohort["lab"].isna().sum()


def test_a_patient_is_on_one_side_and_the_id_is_left_out(tmp_path):
    rng = np.random.default_rng(0)
    cells = pd.DataFrame({"id": rng.integers(0, 50, 200), "died": rng.integers(0, 2, 200), "row": range(200)})
    sides = [set(), set()]
    folder = cohorts.write_cohort(tmp_path / "c", cells.astype(str), "died", ["died"], patient="id")
    for side, name in zip(sides, ("train", "test"), strict=True):
        written = pd.read_csv(folder / f"{name}.csv")
        assert list(written) == ["died", "row"]
        side |= set(cells.loc[written["row"], "id"])
    assert not sides[0] & sides[1]
    assert len(sides[0]) == round(0.8 * cells["id"].nunique())


def test_rows_without_the_target_are_left_out_and_wrong_names_are_refused(tmp_path):
    cells = pd.DataFrame({"died": ["0", "1", ""] * 10, "age": ["50"] * 30})
    folder = cohorts.write_cohort(tmp_path / "c", cells, "died", ["died"])
    assert sum(len(pd.read_csv(folder / f"{name}.csv")) for name in ("train", "test")) == 20
    with pytest.raises(ValueError, match="expected columns of the table, got weight"):
        cohorts.write_cohort(tmp_path / "c", cells, "died", ["died"], leaks=["weight"])


def test_the_icu_demo_is_joined_by_stay_and_minus_one_is_missing(tmp_path):
    keys = {"patientunitstayid": range(1, 41)}
    stays = pd.DataFrame(keys | {"uniquepid": [f"p{i // 2}" for i in range(40)]})
    stays = stays.assign(**(dict.fromkeys(cohorts.PATIENT, 1) | {"age": ["> 89", "70"] * 20}))
    flags = dict.fromkeys(("intubated", "vent", "dialysis", "meds"), 0)
    values = pd.DataFrame(keys | {"apacheapsvarid": 7} | flags | {"wbc": [-1.0, 9.5] * 20})
    predictors = pd.DataFrame(keys | dict.fromkeys(("admitdiagnosis", *cohorts.COMORBIDITIES), 0))
    predictors = predictors.assign(diedinhospital=[0, 1] * 20)[:30]
    for name, part in (("patient", stays), ("apacheApsVar", values), ("apachePredVar", predictors)):
        part.to_csv(tmp_path / f"{name}.csv.gz", index=False)
    folder = cohorts.write_eicu_cohort(tmp_path / "eicu", tmp_path)
    both = pd.concat(pd.read_csv(folder / f"{name}.csv") for name in ("train", "test"))
    assert len(both) == 30 and "uniquepid" not in both
    assert sorted(both["age"].unique()) == [70, 90]
    assert both["wbc"].isna().sum() == 15 and both["wbc"].min() == 9.5


# Adapters.


def test_missing_values_are_put_away_and_come_back():
    train = pd.DataFrame({"sex": ["f", None, "m", "f"], "lab": [1.0, np.nan, 3.0, 5.0]})
    meta = {"categorical": ["sex"], "numerical": ["lab"]}
    seen = {}

    def keep(table, inner, seed, budget):
        seen.update(table=table, meta=inner)
        return lambda num_rows: table.head(num_rows).copy()

    drawn = adapters.without_missing(adapters.with_codes(keep))(train, meta, 0, None)(4)
    assert not seen["table"].isna().any().any()
    assert seen["table"]["lab"].tolist() == [1, 3, 3, 5]
    assert seen["meta"]["categorical"] == ["sex", "lab (absent)"]
    assert seen["table"]["sex"].tolist() == [1, 0, 2, 1]  # (absent), f, m
    pd.testing.assert_frame_equal(drawn[["sex", "lab"]], train)


def test_numbers_get_the_decimals_of_train():
    train = pd.DataFrame({"x": [1.25, 2.5], "n": [1.0, 2.0], "wild": [np.pi, np.e]})
    meta = {"categorical": [], "numerical": ["x", "n", "wild"]}
    third = pd.DataFrame({name: [1 / 3] for name in train})
    drawn = adapters.with_decimals(lambda *_: lambda num_rows: third)(train, meta, 0, None)(1)
    assert drawn.iloc[0].tolist() == [0.33, 0.0, 1 / 3]


def test_every_model_names_an_environment_that_is_pinned():
    for name, model in adapters.MODELS.items():
        assert model.role in ("ours", "peer", "reference")
        if model.environment is None:
            assert model.role != "peer", name
            continue
        pins = (environments.PINS / f"{model.environment}.txt").read_text().splitlines()
        assert all("==" in pin for pin in pins)
        assert f"{model.distribution.lower()}==" in " ".join(pins).lower()


# The runner.


def test_peers_and_ours_take_turns_cohort_by_cohort():
    order = [run.key for run in runner.plan(["a", "b"], ["seqtrees", "TabularGAN", "arf"])]
    assert order[:5] == [
        ("a", "seqtrees", 0),
        ("a", "TabularGAN", 0),
        ("a", "arf", 0),
        ("a", "TabularGAN", 1),
        ("a", "TabularGAN", 2),
    ]
    assert [key[1:] for key in order[5:]] == [key[1:] for key in order[:5]] and order[5][0] == "b"


def test_a_run_leaves_a_row_with_scores_and_is_not_run_again(cache, capsys):
    results = cache / "results.csv"
    runner.run_all(["small"], ["independent"], cache, results)
    first = results.read_text()
    (row,) = runner.read_rows(results)
    assert row["error"] == "" and row["capped"] == "False"
    assert all(row[name] != "" for name in (*runner.SCORES, *runner.SIZES, *runner.COST, "version"))
    assert float(row["fit_cpu_s"]) < 5 and float(row["peak_mb"]) > 20
    assert (row["num_train"], row["num_holdout"], row["num_columns"]) == ("200", "50", "5")
    capsys.readouterr()
    runner.run_all(["small"], ["independent"], cache, results)
    assert results.read_text() == first and capsys.readouterr().err == ""
    assert runner.drop_rows(results, ["independent"]) == 1 and runner.read_rows(results) == []


def test_the_holdout_reference_is_one_half_of_train_against_the_other(cache, monkeypatch):
    monkeypatch.setattr(runner, "score", lambda cohort, drawn, options: {"paths": [drawn, options[1]]})
    row = runner.run_one(runner.Run("small", "holdout", 0), adapters.MODELS["holdout"], cache, 900)
    halves = [pd.read_csv(path) for path in row["paths"]]
    train = pd.read_csv(cache / "cohorts" / "small" / "train.csv")
    assert [len(half) for half in halves] == [100, 100]
    everyone = pd.concat(halves).sort_values(list(train), ignore_index=True)
    pd.testing.assert_frame_equal(everyone, train.sort_values(list(train), ignore_index=True))


def test_kept_tables_are_scored_again_and_failures_stay(cache, monkeypatch):
    results = cache / "results.csv"
    monkeypatch.setattr(runner, "score", lambda *_: {"c2st_snapped": 0.9})
    runner.run_all(["small"], ["independent", "seqtrees"], cache, results)
    monkeypatch.setattr(runner, "score", lambda *_: {"c2st_snapped": 0.8})
    runner.rescore(cache, results)
    rows = {row["model"]: row for row in runner.read_rows(results)}
    assert rows["independent"]["c2st_snapped"] == "0.8" and rows["independent"]["fit_cpu_s"] != ""
    assert rows["seqtrees"]["c2st_snapped"] == "" and "is not there" in rows["seqtrees"]["error"]


def test_what_fails_is_a_row_and_the_rest_goes_on(cache, monkeypatch):
    monkeypatch.setattr(runner, "score", lambda *_: {"c2st_snapped": 0.9})
    results = cache / "results.csv"
    (cache / "cohorts" / "broken").mkdir()
    runner.run_all(["broken", "small"], ["independent", "seqtrees"], cache, results)
    rows = {(row["cohort"], row["model"]): row["error"] for row in runner.read_rows(results)}
    assert "No such file" in rows["broken", "independent"]
    assert "environment seqtrees is not there" in rows["small", "seqtrees"]
    assert rows["small", "independent"] == ""
    assert runner.drop_rows(results, failed=True) == 3


def test_a_class_that_does_not_exist_yet_gets_no_row(cache, monkeypatch, capsys):
    monkeypatch.setitem(adapters.MODELS, "TabularFuture", adapters.Model(None, role="ours", seeds=3))
    runner.run_all(["small"], ["TabularFuture"], cache, cache / "results.csv")
    assert "not there yet: TabularFuture" in capsys.readouterr().err
    assert not (cache / "results.csv").exists()


def test_two_runs_with_one_cache_are_refused(cache):
    with runner.alone(cache), pytest.raises(RuntimeError, match="expected no other run"):
        runner.run_all(["small"], ["independent"], cache, cache / "results.csv")


BUSY = "import os, time\nif os.fork():\n    time.sleep(60)\nwhile True: pass"


def test_a_child_that_burns_the_cap_is_ended_with_its_group(tmp_path):
    """The process itself sleeps: only its child uses CPU time."""
    begun = time.monotonic()
    with (tmp_path / "said").open("w+") as said:
        error = runner.supervise([sys.executable, "-c", BUSY], said, cap=0.5)
    assert error == "capped: over 1 CPU s without a table"
    assert time.monotonic() - begun < 20


def test_what_waits_for_ever_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "PATIENCE", 1)
    with (tmp_path / "said").open("w+") as said:
        error = runner.supervise([sys.executable, "-c", "import time; time.sleep(60)"], said, cap=0.5)
    assert error.startswith("no end after")


def test_the_last_line_of_a_failure_is_kept(tmp_path):
    with (tmp_path / "said").open("w+") as said:
        error = runner.supervise([sys.executable, "-c", "raise ValueError('too wide')"], said, cap=60)
    assert error == "exit 1: ValueError: too wide"


def test_a_capped_run_is_marked(cache, monkeypatch):
    monkeypatch.setattr(runner, "supervise", lambda *_: "capped: over 18 CPU s without a table")
    row = runner.run_one(runner.Run("small", "independent", 0), adapters.MODELS["independent"], cache, 15)
    assert row["capped"] and row["error"].startswith("capped")


def test_a_fit_that_asks_stops_at_its_budget_and_still_draws(cohort):
    def fit(train, meta, seed, budget):
        while not budget.is_spent():
            pass
        return train.sample

    drawn, figures = worker.measure(
        dataclasses.replace(adapters.MODELS["independent"], fit=fit), cohort, {}, 0, 0.3
    )
    assert len(drawn) == len(cohort) and figures["capped"]
    assert 0.25 < figures["fit_cpu_s"] < 3


def test_cpu_time_of_children_counts():
    before = worker.cpu_seconds()
    subprocess.run([sys.executable, "-c", "x = 0\nfor i in range(5_000_000): x += i"], check=True)
    assert worker.cpu_seconds() - before > 0.1


# Scores.


def test_numbers_move_to_the_nearest_known_one():
    values, known = pd.Series([0.0, 1.4, 1.5, 1.6, 9.0, np.nan]), pd.Series([2.0, 1.0, np.nan, 4.0, 2.0])
    np.testing.assert_array_equal(scoring.snap(values, known), [1, 1, 1, 2, 4, np.nan])
    np.testing.assert_array_equal(scoring.snap(values, pd.Series([np.nan])), values)


def test_values_outside_of_train_are_counted():
    train = pd.DataFrame({"sex": ["f", "m"], "age": [30.0, 60.0]})
    made = pd.DataFrame({"sex": ["f", "x", None], "age": [29.0, 30.0, np.nan]})
    # present: f, x, 29, 30; wrong: x, 29
    assert scoring.invalid_share(train, made, {"categorical": ["sex"], "numerical": ["age"]}) == 0.5


def test_distances_come_nearest_first_and_rarity_is_their_mean_logarithm():
    near = scoring.distances(np.array([[0.0], [1.0], [5.0], [9.0]]), np.array([[2.0]]))
    np.testing.assert_allclose(near, [[1, 2, 3]])
    np.testing.assert_allclose(scoring.rarity(near), [np.log(1.001 * 2.001 * 3.001) / 3])
    assert scoring.separate(np.array([3.0, 4.0]), np.array([1.0, 3.5])) == 0.75  # of four pairs, three right


@pytest.fixture(scope="module")
def scored():
    """Scores of copies, of fresh rows, and of independent columns of one population."""
    rows = make_cohort(600).assign(died=lambda t: t["died"].astype(str)).astype({"age": float})
    meta = {
        "target": "died",
        "categorical": ["disease", "group", "died"],
        "numerical": ["age", "lab"],
        "leaks": [],
    }
    train, holdout, fresh = rows[:260], rows[260:340], rows[340:]
    rng = np.random.default_rng(0)
    apart = pd.DataFrame({name: rng.permutation(train[name].to_numpy()) for name in train})
    tables = {"copies": train, "fresh": fresh, "apart": apart}
    return {name: scoring.score(train, holdout, made, meta) for name, made in tables.items()}


def test_copies_are_caught_and_fresh_rows_are_not(scored):
    copies, fresh = scored["copies"], scored["fresh"]
    assert copies["dcr_share"] > 0.85 and copies["copies"] == 1 and copies["dcr_ratio"] == 0
    assert copies["mia_distance"] > 0.9 and copies["mia_density"] > 0.8 and copies["tstr_ratio"] == 1
    assert copies["acc1"] > copies["acc1_ceiling"] and copies["invalid_share"] == 0
    assert abs(fresh["mia_density"] - 0.5) < 0.12 and abs(fresh["c2st"] - 0.5) < 0.12
    assert abs(fresh["copies"] - fresh["copies_ceiling"]) < 0.1  # equal rows are no wonder in so few columns


def test_lost_relations_show_in_the_two_sample_test_and_in_usefulness(scored):
    apart, fresh = scored["apart"], scored["fresh"]
    assert apart["c2st_snapped"] > 0.75 and apart["acc2"] < fresh["acc2"] - 0.05
    assert apart["tstr_ratio_logistic"] < 0.85 < fresh["tstr_ratio_logistic"]
    assert apart["missing_difference"] == 0


# Table and figure.


@pytest.fixture
def results(tmp_path):
    runner.write_rows(make_rows(), tmp_path / "results.csv")
    return table.read_results(tmp_path / "results.csv")


def test_the_table_has_means_spreads_and_what_failed(results):
    text = table.to_markdown(results)
    first = text.split("## second")[0]
    assert (
        "2-way ceiling 0.900" in first and "| **TabularGAN** | 3 | 0.600 ± 0.000 | 0.570 ± 0.020 |" in first
    )
    assert "11.0 ± 1.0 | 800 ± 0 |" in first
    assert first.index("fresh rows") < first.index("TabularGAN") < first.index("seqtrees 0.3.0")
    (last,) = (line for line in first.splitlines() if "CTGAN" in line)
    assert last.endswith("| capped; over 1080 CPU s without a table |")


def test_a_page_and_a_figure_are_written(tmp_path):
    results = tmp_path / "results.csv"
    runner.write_rows(make_rows(), results)
    options = ["table", "--results", str(results), "--markdown", str(tmp_path / "page.md")]
    assert command.main([*options, "--figures", str(tmp_path)]) == 0
    assert (tmp_path / "page.md").read_text().startswith("# Results")
    assert {path.name for path in tmp_path.glob("benchmark_frontier.*")} == {
        "benchmark_frontier.pdf",
        "benchmark_frontier.png",
    }


def test_the_figure_has_a_panel_for_each_cohort_and_bigger_marks_for_dearer_fits(results):
    drawn = figure.frontier(results)
    panels = [axes for axes in drawn.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == ["first", "second"]
    marks = [drawn for drawn in panels[0].collections if hasattr(drawn, "get_sizes")]
    sizes = [float(mark.get_sizes()[0]) for mark in marks]
    # the reference first, beneath the others; then the dear fit (ours), then the cheap one
    assert sizes[1] > sizes[2] > sizes[0]


def test_nothing_to_show_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m benchmarks run"):
        table.read_results(tmp_path / "none.csv")


def test_the_library_does_not_know_the_benchmark():
    root = runner.ROOT
    assert not [path for path in (root / "synthlib").rglob("*.py") if "benchmarks" in path.read_text()]
