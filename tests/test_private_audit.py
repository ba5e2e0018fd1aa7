"""The audit of the private generator looks where its answers say that a patient is."""

import csv

import numpy as np

import synthlib as sl
from benchmarks.private_audit import RESULTS, Answers
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
