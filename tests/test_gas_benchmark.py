"""The gas benchmark without npm: the price of state, what counts as new, what is made of the steps."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import replay
from benchmarks.gas import IN_PROCESS, NODE, Run, add_up, compiler_of, measure_all, summarise, to_markdown
from benchmarks.gas_contracts import describe
from benchmarks.gas_scenarios import OURS, Scenario, Watched, make_generation, open_study
from benchmarks.gas_state import Growth, Price, price_growth
from synthlib.chain.contracts import CONTRACTS, load_artifact
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import AUDITOR, Roles


@pytest.fixture(scope="module")
def rows() -> dict[str, dict]:
    """What is measured of ours in process, by scenario."""
    measured = measure_all(Watched.roomy(), None, {"ours": OURS}, {}, 3)
    return {row["scenario"]: row for row in measured}


def test_a_slot_costs_a_write_and_64_bytes_of_state():
    # 50,000 - 20,000 + 2,800 in regular gas; 64 * 1,530 in the other dimension
    assert price_growth(50_000, Growth(1, ())) == Price(32_800, 97_920)


def test_a_contract_costs_an_account_and_each_byte_of_its_code():
    # 100,000 - 32,000 + 7,000 - 33 * 200 + 2 words * 6; (120 + 33) * 1,530
    assert price_growth(100_000, Growth(0, (33,))) == Price(68_412, 234_090)
    assert price_growth(100_000, Growth(0, (33,))).total == 302_502


@given(
    st.integers(0, 10**8),
    st.lists(st.tuples(st.integers(0, 50), st.lists(st.integers(1, 24_576), max_size=3))),
)
def test_transactions_cost_as_much_together_as_each_on_its_own(gas, parts):
    growths = [Growth(slots, tuple(codes)) for slots, codes in parts]
    each = sum(price_growth(0, growth).total for growth in growths)
    assert price_growth(gas, add_up(growths)).total == gas + each


def test_a_record_adds_one_slot_and_a_revocation_another(rows):
    assert rows["record"]["new_slots"] == 1
    assert rows["revoke"]["new_slots"] == 1
    assert rows["record"]["new_code_bytes"] == 0
    assert rows["record"]["eip8037_state"] == 97_920


def test_a_deployment_adds_its_code(rows):
    sizes = [len(load_artifact(name)["deployedBytecode"]) // 2 - 1 for name in CONTRACTS]
    assert rows["deploy"]["new_code_bytes"] == sum(sizes)
    assert rows["deploy"]["transactions"] == 1


def test_gas_is_what_the_ledger_says(rows):
    ledger = Ledger.in_process()
    study = open_study(ledger)
    said = [make_generation(f"ours record {number}", study) for number in range(3)]
    used = [ledger.record_generation(generation).gas_used for generation in said]
    assert (rows["record"]["gas_min"], rows["record"]["gas_max"]) == (min(used), max(used))


def test_what_a_scenario_only_tries_out_is_no_growth():
    def prepare(bench):
        ledger = Ledger(bench.connection, None, bench.account)
        generation = make_generation("tried", open_study(ledger))
        return lambda number: (
            ledger.call("recordRelease", generation.to_abi()),
            Roles(ledger).grant(AUDITOR, "0x" + "11" * 20),
        )

    (row,) = measure_all(Watched.roomy(), None, {"ours": {"try": Scenario(prepare)}}, {}, 1)
    assert row["new_slots"] == 1  # the role; not the record


def test_summarise_speaks_of_each_record():
    runs = [Run(900, 0.4, Growth(4, ())), Run(500, 0.1, Growth(2, ())), Run(520, 0.2, Growth(2, ()))]
    row = summarise([*runs, Run(540, 0.3, Growth(2, ())), Run(560, 0.3, Growth(2, ()))], 2)
    assert (row["gas_min"], row["gas_median"], row["gas_max"], row["gas_first"]) == (250, 270, 450, 450)
    assert row["gas_growth"] == 20  # 250, 260 after the first; then 270, 280
    assert (row["transactions"], row["records"], row["cpu_ms"]) == (5, 2, 300)
    assert row["new_slots"] == 1
    assert row["eip8037_gas"] == price_growth(540, Growth(2, ())).total / 2


def test_summarise_says_nothing_of_growth_it_did_not_see():
    row = summarise([Run(100, 0.1)], 1)
    assert row["gas_growth"] is None
    assert "new_slots" not in row and "eip8037_gas" not in row


def test_the_table_says_how_far_the_two_evms_are_apart():
    base = {"group": "ours", "scenario": "record", "compiler": "solc 1"}
    inside = base | {"chain": IN_PROCESS} | summarise([Run(100_000, 0.1, Growth(1, ()))], 1)
    outside = base | {"chain": NODE} | summarise([Run(100_007, 0.2)], 1) | {"node_cpu_ms": 3.25}
    text = to_markdown(pd.DataFrame([inside, outside]))
    assert "| ours | record | 100,000 (100,000 to 100,000) |  | 1.00 | 180,720 | 1.81 |" in text
    assert "| 100.0 | 200.0 | 3.2 |" in text
    assert "at most 7 gas apart" in text
    assert "apart" not in to_markdown(pd.DataFrame([inside]))


def test_compilers_are_named_with_their_settings():
    settings = {"evmVersion": "prague", "optimizer": {"runs": 200}}
    assert describe("0.8.29+commit.ab.Emscripten", settings) == "solc 0.8.29, prague, 200 runs"
    assert describe("0.8.37", settings | {"viaIR": True}) == "solc 0.8.37, prague, 200 runs, via IR"
    assert compiler_of(OURS["record"], {}).startswith("solc 0.8.")


def test_a_journal_is_built_and_replayed(tmp_path):
    replay.build(tmp_path / "journal.jsonl", 2)
    row = replay.replay(tmp_path / "journal.jsonl")
    assert row["lines"] == 8  # the header, the deployment, four of the study, two records
    assert replay.describe(row).startswith("8 lines, 0.1 MB")
