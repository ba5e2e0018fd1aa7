"""Releases recorded through a faulty network: in the end each stands on the chain once."""

from collections import Counter

import pytest
from fault_runs import SCENARIOS, prepare, run

pytest_plugins = ["chain_fixtures"]

NUM_RUNS = {"one publisher": 20, "several publishers": 10, "killed": 10, "reorganised": 10}


@pytest.fixture(scope="module")
def nodes(start_node):
    """A node that mines what is sent, and one with a block every 50 ms, whose blocks can be replaced."""
    on_demand, steady = prepare(start_node()), prepare(start_node("--block-time", "0.05"), confirmations=1)
    return {scenario: steady if scenario == "reorganised" else on_demand for scenario in SCENARIOS}


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
