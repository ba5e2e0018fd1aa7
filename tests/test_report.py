"""The report: one call, every metric, and no table that stops it."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import synthlib as sl
from synthlib.evaluation import features
from synthlib.evaluation.fidelity import association, columns
from synthlib.evaluation.fidelity import tables as fidelity
from synthlib.evaluation.leakage import privacy
from synthlib.evaluation.report import HEADLINES, METRICS, evaluate, summarise

UNPROTECTED = "fairness is left out: the schema declares no protected columns"
SAMPLED = (
    "sampled: 150 of 450 rows (train or synthetic) were looked at by "
    "classifier_two_sample_test, membership_attack"
)


@pytest.fixture(scope="module")
def split(cohort):
    return cohort[:450], cohort[450:]


@pytest.fixture(scope="module")
def report(split, cohort_schema):
    return evaluate(*split, make_cohort(450, seed=1), cohort_schema)


def to_bytes(report):
    buffer = io.StringIO()
    report.to_csv(buffer, index=False)
    return buffer.getvalue()


def test_columns_and_names(report):
    assert list(report) == ["metric", "value", "low", "high", "reference"]
    assert report["metric"].is_unique
    names = set(report["metric"])
    assert {"ks[age]", "tv[disease]", "smd[lab]", "variance_ratio[age]", "wasserstein[lab]"} <= names
    assert {"marginal_accuracy_3way", "association_distance", "sdmetrics_quality", "invalid_share"} <= names
    assert {"c2st_boosting", "c2st_logistic", "tstr_auroc_boosting", "tstr_brier_logistic"} <= names
    assert {"exact_copies", "dcr_share", "membership_auroc", "membership_auroc_control"} <= names
    assert report.attrs["notes"] == [UNPROTECTED, SAMPLED]


def test_every_value_lies_in_its_interval(report):
    assert report["value"].notna().all()
    assert not (report["low"] > report["value"] + 1e-9).any()
    assert not (report["high"] < report["value"] - 1e-9).any()
    assert report["reference"].notna().all()


def test_same_seed_same_bytes_and_another_seed_others(report, split, cohort_schema):
    synthetic = make_cohort(450, seed=1)
    assert to_bytes(evaluate(*split, synthetic, cohort_schema)) == to_bytes(report)
    assert to_bytes(evaluate(*split, synthetic, cohort_schema, seed=1)) != to_bytes(report)


def test_a_metric_scores_the_same_whoever_else_runs(report, split, cohort_schema, monkeypatch):
    from synthlib.evaluation import report as module

    monkeypatch.setattr(module, "METRICS", (privacy.dcr_share,))
    alone = evaluate(*split, make_cohort(450, seed=1), cohort_schema).set_index("metric").loc["dcr_share"]
    assert alone.equals(report.set_index("metric").loc["dcr_share"])


def test_the_tables_are_left_as_they_were(split, cohort_schema):
    synthetic = make_cohort(200, seed=1)
    before = [table.copy() for table in (*split, synthetic)]
    evaluate(*split, synthetic, cohort_schema)
    for table, copy in zip((*split, synthetic), before, strict=True):
        pd.testing.assert_frame_equal(table, copy)


def test_a_copy_of_train_is_above_the_ceiling_and_caught(split, cohort_schema):
    rows = evaluate(*split, split[0], cohort_schema).set_index("metric")
    assert rows.loc["marginal_accuracy_2way", "value"] > rows.loc["marginal_accuracy_2way", "reference"]
    assert rows.loc["exact_copies", "value"] == 1
    assert rows.loc["dcr_share", "low"] > 0.8
    assert rows.loc["membership_auroc", "low"] > 0.8
    assert rows.loc["tstr_auroc_gap_boosting", "value"] == 0


def test_summary_answers_questions(report):
    summary = summarise(report)
    assert list(summary) == ["metric", "value", "low", "high", "reference", "question"]
    assert summary["question"].str.endswith(("?", ")")).all()
    assert set(summary["metric"][:-2]) <= set(HEADLINES)
    worst = report[report["metric"].str.startswith("ks[")].nlargest(1, "value")["metric"].item()
    assert worst in set(summary["metric"])


def test_summary_of_a_report_read_from_csv(report, tmp_path):
    report.to_csv(tmp_path / "report.csv", index=False)
    again = summarise(pd.read_csv(tmp_path / "report.csv"))
    pd.testing.assert_frame_equal(again, summarise(report))


def test_without_a_target_there_is_a_note(split, cohort):
    found = evaluate(*split, split[0], sl.Schema.infer(cohort))
    assert not found["metric"].str.startswith("tstr").any()
    assert found.attrs["notes"] == ["utility is left out: the schema names no target", UNPROTECTED, SAMPLED]


def test_notes_say_what_was_sampled(split, cohort_schema, monkeypatch):
    """Whatever a metric leaves out of a table, by a limit or to compare at the holdout's size."""
    from synthlib.evaluation import report as module

    train, holdout = split
    monkeypatch.setattr(module, "METRICS", (privacy.dcr_share, columns.total_variation))
    assert evaluate(train, holdout, train, cohort_schema).attrs["notes"] == [UNPROTECTED]
    monkeypatch.setattr(privacy, "MAX_ROWS", 100)
    monkeypatch.setattr(privacy, "MAX_QUERIES", 70)
    notes = evaluate(train, holdout, make_cohort(1300), cohort_schema).attrs["notes"]
    assert notes == [
        UNPROTECTED,
        "sampled: 600 of 1,300 rows (synthetic) were looked at by total_variation",
        "sampled: 70 of 1,300 rows (synthetic) were looked at by dcr_share",
        "sampled: 100 of 450 rows (train) were looked at by dcr_share",
        "sampled: 100 of 150 rows (holdout) were looked at by dcr_share",
    ]


def test_samples_are_noted_for_one_evaluation_at_a_time():
    table, rng = pd.DataFrame({"x": range(9)}), np.random.default_rng(0)
    with features.noting_samples() as outer:
        with features.noting_samples() as inner:
            features.sample_rows(table, 9, rng)
            features.sample_rows(table, 4, rng)
        features.matched_parts(9, 2, rng, most=3)
        features.matched_parts(9, 2, rng, most=4)
    features.sample_rows(table, 2, rng)
    assert (inner, outer) == ({(4, 9)}, {(6, 9)})


def test_identifiers_are_ignored(cohort):
    table = cohort.assign(number=[f"P{row:04d}" for row in range(len(cohort))])
    schema = sl.Schema.infer(table, target="died", identifiers=["number"])
    synthetic = make_cohort(300, seed=1)
    without = evaluate(table[:450], table[450:], synthetic, schema)
    named = evaluate(table[:450], table[450:], synthetic.assign(number="made up"), schema)
    assert to_bytes(without) == to_bytes(named)
    assert not without["metric"].str.contains("number").any()


def test_columns_may_come_in_any_order(report, split, cohort_schema):
    synthetic = make_cohort(450, seed=1)[["died", "lab", "age", "group", "disease"]]
    assert to_bytes(evaluate(*split, synthetic, cohort_schema)) == to_bytes(report)


def test_every_kind_of_column_and_ten_rows(tiny, tiny_schema):
    found = evaluate(tiny[:6], tiny[6:], tiny.sample(5, random_state=0), tiny_schema).set_index("metric")
    assert {"ks[admitted]", "tv[smoker]", "ks[creatinine]", "tv[stage]"} <= set(found.index)
    assert found.loc["c2st_boosting", "high"] - found.loc["c2st_boosting", "low"] > 0.4


BROKEN = {
    "one row": lambda table: table[:1],
    "a constant column": lambda table: table.assign(age=50),
    "constant everything": lambda table: table.iloc[[0] * 40],
    "an empty column": lambda table: table.assign(lab=np.nan),
    "an empty outcome": lambda table: table.assign(died=np.nan),
    "one class": lambda table: table.assign(died=0),
    "unknown levels": lambda table: table.assign(disease="measles", died=7),
    "text for numbers": lambda table: table.assign(age="old"),
    "infinite numbers": lambda table: table.assign(lab=np.inf),
    "absurd numbers": lambda table: table.assign(lab=np.where(table.index % 9, 1e300, -1e300), age=10**15),
    "everything missing": lambda table: table.assign(**dict.fromkeys(table, None)),
}


@pytest.mark.parametrize("break_it", BROKEN.values(), ids=BROKEN)
@pytest.mark.filterwarnings("error")
def test_no_synthetic_table_stops_it(break_it, split, cohort_schema):
    train, holdout = split[0][:80], split[1][:40]
    found = evaluate(train, holdout, break_it(make_cohort(40, seed=1)), cohort_schema)
    assert not (found["low"] > found["value"] + 1e-9).any()
    assert not (found["high"] < found["value"] - 1e-9).any()


@pytest.mark.parametrize("num_rows", [1, 2, 5])
@pytest.mark.filterwarnings("error")
def test_tiny_tables_have_wide_intervals_or_none(num_rows, split, cohort_schema):
    tables = (split[0][:num_rows], split[1][:num_rows], make_cohort(num_rows, seed=1))
    rows = evaluate(*tables, cohort_schema).set_index("metric")
    for metric in ("ks[age]", "marginal_accuracy_1way", "c2st_boosting", "exact_copies", "dcr_share"):
        width = rows.loc[metric, "high"] - rows.loc[metric, "low"]
        assert np.isnan(width) or width > 0.2


def test_refuses_tables_that_cannot_be_compared(split, cohort_schema):
    train, holdout = split
    with pytest.raises(ValueError, match="rows in synthetic, got none"):
        evaluate(train, holdout, train[:0], cohort_schema)
    with pytest.raises(ValueError, match="rows in holdout, got none"):
        evaluate(train, holdout[:0], train, cohort_schema)
    with pytest.raises(ValueError, match="it lacks age, lab"):
        evaluate(train, holdout, train.drop(columns=["age", "lab"]), cohort_schema)
    with pytest.raises(ValueError, match="it also has weight"):
        evaluate(train, holdout, train.assign(weight=1), cohort_schema)
    with pytest.raises(ValueError, match="it repeats age"):
        evaluate(train, holdout, train[[*train, "age"]], cohort_schema)
    with pytest.raises(sl.SchemaError, match="holdout: expected the columns"):
        evaluate(train, holdout.drop(columns="age"), train, cohort_schema)


def test_errors_name_columns_and_never_values(split, cohort_schema):
    secret = split[0].assign(disease="a rare secret")
    with pytest.raises(sl.SchemaError, match="'disease': 450 values") as caught:
        evaluate(secret, split[1], split[0], cohort_schema)
    assert "secret" not in str(caught.value)


def test_progress_is_shown_when_asked_for(split, cohort_schema, capfd, monkeypatch):
    from synthlib.evaluation import report as module

    monkeypatch.setattr(module, "METRICS", (fidelity.invalid_share, privacy.exact_copies))
    evaluate(*split, split[0], cohort_schema)
    assert capfd.readouterr().err == ""  # no terminal
    evaluate(*split, split[0], cohort_schema, progress=True)
    assert "2/2" in capfd.readouterr().err


def test_the_number_of_threads_changes_nothing(report, tmp_path):
    program = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from conftest import make_cohort\nimport synthlib as sl\n"
        "cohort = make_cohort(600)\n"
        "schema = sl.Schema.infer(cohort, target='died')\n"
        "report = sl.evaluate(cohort[:450], cohort[450:], make_cohort(450, seed=1), schema)\n"
        "print(report.to_csv(index=False), end='')"
    )
    environment = os.environ | {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3", "PYTHONPATH": ""}
    printed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed == to_bytes(report)


CHEAP = [
    columns.standardized_mean_difference,
    columns.variance_ratio,
    columns.quantile_difference,
    columns.missing_rate_difference,
    columns.kolmogorov_smirnov,
    columns.total_variation,
    columns.wasserstein,
    fidelity.marginal_accuracy,
    fidelity.invalid_share,
    association.association_distance,
    privacy.exact_copies,
    privacy.dcr_share,
    privacy.membership_attack,
]
BOUNDED = ("ks[", "tv[", "marginal_accuracy", "invalid_share", "exact_copies", "dcr_share", "membership")


@st.composite
def tables(draw):
    """A table of odd values with a Schema that fits it: few rows, gaps, ties, constants."""
    size = draw(st.integers(2, 14))
    number = st.none() | st.sampled_from([0.0, -1.5, 2.0, 1e9]) | st.floats(-100, 100, allow_subnormal=False)
    table = pd.DataFrame(
        {
            "x": pd.Series(draw(st.lists(number, min_size=size, max_size=size)), dtype=float),
            "y": pd.Series(draw(st.lists(number, min_size=size, max_size=size)), dtype=float),
            "c": draw(st.lists(st.sampled_from(["a", "b", None]), min_size=size, max_size=size)),
            "b": draw(st.lists(st.booleans(), min_size=size, max_size=size)),
        }
    )
    columns = [
        sl.Column("x", "continuous", "float64", nullable=True),
        sl.Column("y", "integer", "float64", nullable=True),
        sl.Column("c", "categorical", "object", ("a", "b"), nullable=True),
        sl.Column("b", "boolean", "bool", (False, True)),
    ]
    return table, sl.Schema(tuple(columns))


@pytest.mark.filterwarnings("error")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.integers(1, 12), st.integers(0, 3))
def test_any_table_gives_values_inside_their_intervals(drawn, cut, seed):
    table, schema = drawn
    cut = min(cut, len(table) - 1)
    rng = np.random.default_rng(seed)
    synthetic = table.iloc[rng.integers(0, len(table), 9)].reset_index(drop=True)
    for metric in CHEAP:
        found = metric(table[:cut], table[cut:], synthetic, schema, rng)
        for one in [found] if isinstance(found, sl.Score) else found:
            assert not one.low > one.value + 1e-9 * max(1, abs(one.value)), one
            assert not one.high < one.value - 1e-9 * max(1, abs(one.value)), one
            if one.metric.startswith(BOUNDED) and one.value == one.value:
                assert 0 <= one.value <= 1 + 1e-12, one


def test_every_metric_is_in_the_report():
    assert set(CHEAP) <= set(METRICS)
    names = [metric.__name__ for metric in METRICS]
    assert len(names) == len(set(names))
