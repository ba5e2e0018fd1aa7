"""What the audits measured: right steps are not contradicted, wrong ones are, output shows little."""

import csv

import pandas as pd
from scipy.stats import binom

from benchmarks import output_audit, step_audit

HARMLESS = {"none", "WrongSign"}  # a wrong sign loses no more; a check of the step finds it
UNSEEN = {"HigherRate", "SameBatchAgain", "Shuffled", "FixedSize"}  # too little for so many runs


def read(path):
    return list(csv.DictReader(path.open()))


def test_steps_with_mistakes_contradict_their_claim_and_right_ones_do_not():
    rows = read(step_audit.RESULTS)
    assert {row["target"] for row in rows} == set(step_audit.MAKERS)
    for row in rows:
        if row["mistake"] not in UNSEEN:
            assert (row["contradicted"] == "True") == (row["mistake"] not in HARMLESS), row
        if row["mistake"] == "none":
            assert float(row["low_any"]) <= float(row["claimed"]) and float(row["low"]) < float(
                row["claimed"]
            )


def test_every_audit_that_is_listed_was_made_once_and_no_other():
    columns = ["target", "mistake", "sampling_rate", "num_steps", "num_runs"]
    listed = [
        (target, "none" if kind is None else kind.__name__, rate, num_steps, num_runs)
        for target, kind, _, rate, num_steps, num_runs in step_audit.list_audits()
    ]
    found = list(pd.read_csv(step_audit.RESULTS)[columns].itertuples(index=False, name=None))
    assert sorted(found) == sorted(listed)


def test_blocks_of_right_runs_contradict_as_seldom_as_the_confidence_says():
    rows = [row for row in read(step_audit.RESULTS) if row["mistake"] == "none"]
    blocks, above = (sum(int(row[name]) for row in rows) for name in ("num_blocks", "blocks_contradicted"))
    assert blocks > 100 and above <= binom.ppf(0.999, blocks, 0.05)


def test_with_every_patient_in_each_step_the_bound_comes_near_the_claim():
    near = [
        float(row["low"]) / float(row["claimed"])
        for row in read(step_audit.RESULTS)
        if (row["mistake"], row["sampling_rate"], row["target"]) == ("none", "1.0", "step")
    ]
    assert len(near) == 3 and max(near) > 0.85 and min(near) > 0.5


def test_no_output_contradicts_what_is_accounted_for():
    rows = read(output_audit.RESULTS)
    assert rows and {row["generator"] for row in rows} <= set(output_audit.MODELS)
    assert all(row["contradicted"] == "False" for row in rows if row["noise"] != "none")
    assert all(float(row["delta"]) == output_audit.DELTA for row in rows)
