"""Gas and speed beside the Ethereum Attestation Service: `python -m benchmarks.gas`.

EAS's contracts from npm, ours and the plainest ones on one EVM in one run: the in-process chain (py-evm),
then anvil, if npm has brought it, as a second EVM to compare the gas with. Prints a Markdown table and writes
gas.csv. Needs Node.js and `make npm`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.environments import cache_folder
from benchmarks.gas_contracts import EVM, Artifact, compile_eas, compile_plain, describe, install_eas
from benchmarks.gas_scenarios import SCENARIOS, Bench, Scenario, Watched
from benchmarks.gas_state import Growth, count_growth, price_growth, watch_writes
from synthlib.chain.accounts import demo_account
from synthlib.chain.contracts import load_artifact

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "tests"))
RESULTS = FOLDER / "gas.csv"
IN_PROCESS, NODE = "in process", "anvil"
WEALTH = 10**24  # wei for the signing account of a node


class Run(NamedTuple):
    """What one step of a scenario took.

    Attributes:
        gas: of all its transactions.
        cpu_s: of this process, the in-process chain included.
        growth: new state, None where it was not counted.
    """

    gas: int
    cpu_s: float
    growth: Growth | None = None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gas", description=__doc__.splitlines()[0])
    parser.add_argument("--transactions", type=int, default=20, help="of scenarios with one record each")
    parser.add_argument("--groups", type=lambda text: text.split(","), default=list(SCENARIOS))
    parser.add_argument("--csv", type=Path, default=RESULTS)
    parser.add_argument("--cache", help="where npm installs EAS's contracts")
    asked = parser.parse_args(arguments)
    contracts: dict[str, Artifact] = {}
    if "EAS" in asked.groups:
        contracts |= compile_eas(install_eas(cache_folder(asked.cache)))
    if "plain" in asked.groups:
        contracts |= compile_plain()
    scenarios = {group: SCENARIOS[group] for group in asked.groups}
    rows = measure_all(Watched.roomy(), None, scenarios, contracts, asked.transactions)
    with start_anvil() as node:
        if node is not None:
            rows += measure_all(node[0], node[1], scenarios, contracts, asked.transactions)
    table = pd.DataFrame(rows)
    table.to_csv(asked.csv, index=False)
    print(to_markdown(table))
    return 0


def measure_all(
    connection: Watched,
    process: int | None,
    scenarios: Mapping[str, Mapping[str, Scenario]],
    contracts: Mapping[str, Artifact],
    transactions: int,
) -> list[dict[str, Any]]:
    """A row for each scenario on one chain.

    Args:
        connection: the chain; its demo account has money if it needs any.
        process: number of the node's process, None for the in-process chain.
        scenarios: by group and name.
        contracts: by name.
        transactions: how many to send where the scenario does not say.
    """
    rows = []
    for group, members in scenarios.items():
        for name, scenario in members.items():
            count = scenario.times or transactions
            bench = Bench(connection, demo_account(), contracts, f"{group} {name}", count)
            before = cpu_of(process)
            runs, start = measure(bench, scenario, process)
            node = None if process is None else (cpu_of(process) - (start or before)) / count
            row = {
                "group": group,
                "scenario": name,
                "chain": IN_PROCESS if process is None else NODE,
                "compiler": compiler_of(scenario, contracts),
            }
            rows.append(row | summarise(runs, scenario.records) | {"node_cpu_ms": milliseconds(node)})
            print(f"{row['chain']}: {group}, {name}: {rows[-1]['gas_median']:,.0f} gas", file=sys.stderr)
    return rows


def measure(bench: Bench, scenario: Scenario, process: int | None) -> tuple[list[Run], float | None]:
    """The Runs of a scenario, and the node's CPU seconds when it had prepared itself."""
    connection, runs = bench.connection, []
    act = scenario.prepare(bench)
    start = cpu_of(process)
    for number in range(bench.count):
        connection.sent.clear()
        with watch_writes() as written:
            begun = time.process_time()
            act(number)
            cpu_s = time.process_time() - begun
        receipts = [sent.receipt for sent in connection.sent]
        growth = None
        if connection.is_in_process:
            growth = add_up([count_growth(connection.web3, written, each["block"]) for each in receipts])
        runs.append(Run(sum(each["gas_used"] for each in receipts), cpu_s, growth))
    return runs, start


def add_up(growths: Sequence[Growth]) -> Growth:
    """The growth of several transactions together."""
    return Growth(sum(each.slots for each in growths), tuple(code for each in growths for code in each.codes))


def summarise(runs: Sequence[Run], records: int) -> dict[str, Any]:
    """Figures of a scenario: gas and state for each record, CPU time for each step.

    Args:
        runs: in the order in which they were sent.
        records: how many each of them holds.

    Returns:
        `gas_growth` is the median of the later half minus that of the earlier one, the first step, which
        finds everything empty, left out; None for fewer than three steps. The figures of EIP-8037 are of the
        step with the median gas.
    """
    gas = [run.gas / records for run in runs]
    middle = len(gas) // 2 + 1
    halves = (gas[1:middle], gas[middle:]) if len(gas) > 2 else None
    row = {
        "transactions": len(runs),
        "records": records,
        "gas_min": min(gas),
        "gas_median": statistics.median(gas),
        "gas_max": max(gas),
        "gas_first": gas[0],
        "gas_growth": statistics.median(halves[1]) - statistics.median(halves[0]) if halves else None,
    }
    usual = sorted(runs, key=lambda run: run.gas)[(len(runs) - 1) // 2]
    if usual.growth is not None:
        price = price_growth(usual.gas, usual.growth)
        row |= {
            "new_slots": usual.growth.slots / records,
            "new_code_bytes": sum(usual.growth.codes) / records,
            "eip8037_regular": price.regular / records,
            "eip8037_state": price.state / records,
            "eip8037_gas": price.total / records,
        }
    return row | {"cpu_ms": milliseconds(statistics.median(run.cpu_s for run in runs))}


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 2)


def compiler_of(scenario: Scenario, contracts: Mapping[str, Artifact]) -> str:
    """Version and settings of the compiler behind a scenario's contract."""
    if scenario.compiled is not None:
        return contracts[scenario.compiled].compiler
    compiler = load_artifact()["compiler"]
    return describe(compiler["solc"], compiler)


def to_markdown(table: pd.DataFrame) -> str:
    """A line for each scenario: gas as in process, CPU time on each chain; and whether the two EVMs agree."""
    lines = ["Gas for each record, median (least to most), prague.", ""]
    lines += [
        f"- {group}: {', '.join(dict.fromkeys(part.compiler))}" for group, part in table.groupby("group")
    ]
    lines += ["", "| " + " | ".join(_HEADS) + " |", "|" + " --- |" * 2 + " ---: |" * (len(_HEADS) - 2)]
    inside = table[table.chain == IN_PROCESS]
    outside = table[table.chain == NODE].set_index(["group", "scenario"])
    worst = 0.0
    for row in inside.itertuples():
        cells = [row.group, row.scenario, f"{row.gas_median:,.0f} ({row.gas_min:,.0f} to {row.gas_max:,.0f})"]
        cells += [_show(row.gas_growth, "+,.0f"), _show(row.new_slots, ",.2f")]
        cells += [_show(row.eip8037_gas, ",.0f"), f"{row.eip8037_gas / row.gas_median:.2f}"]
        cells += [_show(row.cpu_ms, ".1f")]
        if (row.group, row.scenario) in outside.index:
            other = outside.loc[(row.group, row.scenario)]
            worst = max(worst, abs(other.gas_median - row.gas_median))
            cells += [_show(other.cpu_ms, ".1f"), _show(other.node_cpu_ms, ".1f")]
        else:
            cells += ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    if len(outside):
        lines += ["", f"The medians of both EVMs are at most {worst:,.0f} gas apart."]
    return "\n".join(lines)


_HEADS = (
    "group",
    "scenario",
    "gas",
    "growth",
    "new slots",
    "gas, EIP-8037",
    "ratio",
    "CPU ms in process",
    "CPU ms with anvil",
    "anvil's CPU ms",
)


def _show(value: Any, form: str) -> str:
    return "" if value is None or pd.isna(value) else format(value, form)


def cpu_of(process: int | None) -> float | None:
    """CPU seconds that another process has used, where /proc tells; else None."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def start_anvil() -> Iterator[tuple[Watched, int] | None]:
    """A fresh anvil with money for the demo account, and its process; None if it is not installed."""
    from anvil_node import find_anvil, run_anvil

    if find_anvil() is None:
        print("anvil is not installed (make npm brings it): left out", file=sys.stderr)
        yield None
        return
    with run_anvil("--hardfork", EVM) as node:
        connection = Watched.by_url(node.url)
        connection.web3.provider.make_request("anvil_setBalance", [demo_account().address, hex(WEALTH)])
        yield connection, node.process


if __name__ == "__main__":
    sys.exit(main())
