"""Releases recorded through a faulty network: in the end each stands on the chain once."""

import csv
from collections import Counter

import pytest
from fault_runs import SCENARIOS, Miner, prepare, run

from benchmarks import faults

pytest_plugins = ["chain_fixtures"]

NUM_RUNS = {"one publisher": 20, "several publishers": 10, "killed": 10, "reorganised": 10}


@pytest.fixture(scope="module")
def nodes(start_node):
    """A node that mines what is sent, and one with a block every 50 ms, whose blocks can be replaced."""
    on_demand, url = prepare(start_node()), start_node("--no-mining")
    with Miner(url) as miner:
        steady = prepare(url, miner)
        yield {scenario: steady if scenario == "reorganised" else on_demand for scenario in SCENARIOS}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_release_is_recorded_once(nodes, tmp_path, scenario):
    outcomes = [run(scenario, seed, nodes[scenario], tmp_path) for seed in range(NUM_RUNS[scenario])]
    for outcome in outcomes:
        assert (outcome.num_once, outcome.num_lost, outcome.num_twice) == (outcome.num_releases, 0, 0), (
            outcome
        )
        if scenario in ("one publisher", "killed"):  # nobody spent gas on a second transaction either
            assert outcome.num_transactions == outcome.num_releases, outcome
    faults = sum((Counter(outcome.faults) for outcome in outcomes), Counter())
    assert faults.total() > 3 * len(outcomes)
    assert {"killed": faults["kill"], "reorganised": faults["reorganisation"]}.get(scenario, 1)


def test_benchmark_counts_every_run(start_node, tmp_path, capsys):
    start_node()  # skips where anvil is missing
    results = tmp_path / "faults.csv"
    assert faults.main(["--runs", "5", "--seed", "900", "--results", str(results)]) == 0
    with results.open() as file:
        rows = list(csv.DictReader(file))
    totals = [row for row in rows if row["fault"] == "any"]
    assert [int(row["num_runs"]) for row in totals] == [2, 1, 1, 1]
    for row in rows:
        assert row["num_once"] == row["num_releases"] and row["num_lost"] == row["num_twice"] == "0"
    for row in totals:
        of_kinds = sum(int(one["num_faults"]) for one in rows if one["scenario"] == row["scenario"]) // 2
        assert int(row["num_faults"]) == of_kinds
    assert "called again" in capsys.readouterr().out
