"""The audit of the private generator looks where its answers say that a patient is."""

import csv

import numpy as np

import synthlib as sl
from benchmarks.private_audit import DELTA, RESULTS, Answers, round_table
from synthlib.data.simulation import simulation_schema


def test_every_answer_counts_the_rows_that_the_attacker_looks_for():
    rows = sl.simulate_cohort(2000, seed=1)
    exact = Answers(rows, simulation_schema(), with_noise=False)
    cells = exact.cells(rows)
    assert len(cells) == len(exact.told) > 2 * len(rows.columns)
    assert [place is None for place in cells].count(True) == 1  # the scores
    for (answer, _), place in zip(exact.told, cells, strict=True):
        if place is not None:
            assert np.array_equal(np.bincount(place, minlength=answer.size), answer.ravel())
    assert np.abs(exact.score(rows[:5], rows)).max() < 1e-9
    assert exact.score(rows[:5], rows[5:]).min() > 0


def test_what_was_measured_contradicts_the_claim_without_noise_alone():
    rows = list(csv.DictReader(RESULTS.open()))
    found = {row["noise"]: float(row["low"]) > float(row["claimed"]) for row in rows}
    assert found == {"as accounted for": False, "none": True}
    assert all(float(row["delta"]) == DELTA and row["confidence"] == "0.95" for row in rows)


def test_results_are_rounded_but_for_delta():
    (row,) = round_table([{"low": 0.12345, "delta": 1e-5, "attack": "table"}]).to_dict("records")
    assert row == {"low": 0.123, "delta": 1e-5, "attack": "table"}
