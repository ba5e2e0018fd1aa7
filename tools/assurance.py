"""What holds the contracts to their word: `make assurance`, and `make snapshots` for what is meant to change.

    python tools/assurance.py [CHECK ...]          run these checks, all if none is named
    python tools/assurance.py --write-snapshots    measure contracts/snapshots/ anew

Checks: forge (fuzz and invariant tests), coverage (every line, branch and function of contracts/src by
these), slither (static analysis), solhint (form and NatSpec), storage and gas (contracts/snapshots). They ask
nothing of single contracts and hold for whatever contracts/src contains. npm's packages must be there
(`make npm`). Exit code: 0 if all hold, 1 if one does not, 2 if a program is missing.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tools")]

import slither_check  # noqa: E402
from contract_programs import CONTRACTS, CheckFailed, MissingProgram, find_forge, run, run_node  # noqa: E402

from synthlib.bundle import write_atomically  # noqa: E402

SNAPSHOTS = CONTRACTS / "snapshots"
WORK = ROOT / "build" / "foundry"
GAS_PERCENT = 2  # of the snapshot by which a cost may change; more must be meant
KINDS = ("lines", "branches", "functions")
AGAIN = "if that is meant, run make snapshots and commit the file together with the change"


# --- fuzz and invariant tests, and what they reach -----------------------------------------------------


def check_forge() -> str:
    """Run contracts/test; returns forge's last line."""
    finished = run([find_forge(), "test"])
    lines = finished.stdout.strip().splitlines()
    if finished.returncode or not re.search(r"\b[1-9]\d* tests passed, 0 failed", finished.stdout):
        failures = [line[:1000] for line in lines if line.startswith("[FAIL")]
        raise CheckFailed("\n".join(failures) or explain(finished))
    return lines[-1]


def explain(finished: CompletedProcess[str]) -> str:
    """The end of what a program printed that stopped for a reason of its own."""
    return f"exit code {finished.returncode}\n{finished.stdout[-4000:]}{finished.stderr[-4000:]}"


class FileCoverage(NamedTuple):
    """What tests reached of one source.

    Attributes:
        reached, total: counts of `lines`, `branches` and `functions`.
        missed: each line, branch and function that was not reached, for people.
    """

    reached: dict[str, int]
    total: dict[str, int]
    missed: list[str]


def parse_lcov(text: str) -> dict[str, FileCoverage]:
    """Coverage of each file in src/ from a report in lcov's format."""
    files: dict[str, FileCoverage] = {}
    for section in text.split("end_of_record"):
        source = re.search(r"^SF:(src/.+)$", section, re.MULTILINE)
        if source is None:
            continue
        places: dict[str, dict[str, bool]] = {kind: {} for kind in KINDS}
        for line, count in re.findall(r"^DA:(\d+),(\d+)", section, re.MULTILINE):
            places["lines"][f"line {line}"] = count != "0"
        for line, block, branch, count in re.findall(r"^BRDA:(\d+),(\d+),(\d+),(\S+)", section, re.MULTILINE):
            places["branches"][f"branch {block}.{branch} of line {line}"] = count not in ("0", "-")
        for count, name in re.findall(r"^FNDA:(\d+),(.+)$", section, re.MULTILINE):
            places["functions"][f"function {name}"] = count != "0"
        files[source[1]] = FileCoverage(
            {kind: sum(found.values()) for kind, found in places.items()},
            {kind: len(found) for kind, found in places.items()},
            [f"{source[1]}: {key}" for found in places.values() for key, hit in found.items() if not hit],
        )
    return files


def check_coverage() -> str:
    """Every line, branch and function of contracts/src is reached by the tests of contracts/test.

    forge counts one branch for an `if` without `else`: the one taken. That it is also passed by shows in the
    line behind it. The code is compiled without the optimizer, where places are exact; if a function has too
    many variables for that, with `--ir-minimum`, where a few places may be off.
    """
    report = WORK / "lcov.info"
    report.unlink(missing_ok=True)
    command = [find_forge(), "coverage", "--exclude-tests", "--report", "lcov", "--report-file", str(report)]
    finished, how = run(command), "exact"
    if finished.returncode and "Compiler run failed" in finished.stdout + finished.stderr:
        finished, how = run([*command, "--ir-minimum"]), "with --ir-minimum"
    if finished.returncode or not report.exists():
        raise CheckFailed(explain(finished))
    files = parse_lcov(report.read_text(encoding="utf-8"))
    if unseen := sorted(list_code() - set(files)):
        raise CheckFailed(
            f"expected forge to report on every source with code, it left out {', '.join(unseen)}"
        )
    print(draw_coverage(files))
    if missed := [place for file in files.values() for place in file.missed]:
        raise CheckFailed("not reached by contracts/test:\n" + "\n".join(missed))
    counts = ", ".join(f"{sum(file.total[kind] for file in files.values())} {kind}" for kind in KINDS)
    return f"100 % of {counts} ({how})"


def list_code() -> set[str]:
    """The sources with code in them: all but interfaces.

    forge leaves out functions outside of contracts and libraries without a word, so a source that has nothing
    but these is named here and missed in the report.
    """
    code = re.compile(r"^(?:abstract contract|contract|library|function) ", re.MULTILINE)
    return {
        path.relative_to(CONTRACTS).as_posix()
        for path in (CONTRACTS / "src").rglob("*.sol")
        if code.search(path.read_text(encoding="utf-8"))
    }


def draw_coverage(files: Mapping[str, FileCoverage]) -> str:
    """A table, one row a file."""
    width = max(map(len, files))
    rows = [f"{'file':{width}}" + "".join(f"{kind:>20}" for kind in KINDS)]
    for name, file in sorted(files.items()):
        cells = [
            f"{file.reached[kind] / max(file.total[kind], 1) if file.total[kind] else 1:.2%} "
            f"({file.reached[kind]}/{file.total[kind]})"
            for kind in KINDS
        ]
        rows.append(f"{name:{width}}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(rows)


# --- form ----------------------------------------------------------------------------------------------


def check_solhint() -> str:
    """solhint's rules (contracts/.solhint.json) on sources and tests, with no warning left.

    Three of its rules on gas are off: a topic costs 375 gas and a word of data 256 (gas-indexed-events),
    strings that are hashed when compiled cost nothing (gas-small-strings), and a comparison that reads well
    is worth the three gas that its turning round may save (gas-strict-inequalities).
    """
    program = CONTRACTS / "node_modules" / "solhint" / "solhint.js"
    if not program.is_file():
        raise MissingProgram("expected solhint in contracts/node_modules, found none; run make npm")
    sources = [
        path.relative_to(CONTRACTS).as_posix()
        for folder in ("src", "test")
        for path in sorted((CONTRACTS / folder).rglob("*.sol"))
    ]
    finished = run_node(str(program), "--disc", "--noPoster", "--formatter", "unix", *sources)
    complaints = finished.stdout.strip() + finished.stderr.strip()
    if finished.returncode or complaints:
        raise CheckFailed(complaints or f"solhint ended with {finished.returncode}")
    return f"no warning in {len(sources)} files"


# --- snapshots -----------------------------------------------------------------------------------------


def measure_storage() -> dict[str, Any]:
    """Where each contract keeps its state, as solc says."""
    path = WORK / f"storage.{os.getpid()}.json"
    try:
        finished = run_node("compile.mjs", "--storage", str(path))
        if finished.returncode:
            raise CheckFailed(explain(finished))
        return json.loads(path.read_bytes())
    finally:
        path.unlink(missing_ok=True)


def check_storage() -> str:
    """The contracts keep their state where contracts/snapshots/storage.json says."""
    found, expected = measure_storage(), read_snapshot("storage")
    if found != expected:
        raise CheckFailed("\n".join([*show_difference(found, expected), AGAIN]))
    return f"{sum(len(layout['variables']) for layout in found.values())} variables where they were"


def show_difference(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """The variables and types that differ, one a line: `-` as in the snapshot, `+` as found."""

    def spell(layouts: Mapping[str, Any]) -> list[str]:
        return [
            f"{contract} {json.dumps(each)}"
            for contract, layout in sorted(layouts.items())
            for each in [*layout["variables"], *layout["types"].items()]
        ]

    changes = difflib.ndiff(spell(expected), spell(found))
    return [line for line in changes if line.startswith(("-", "+"))]


def measure_gas() -> dict[str, int]:
    """Gas of every scenario in tests/gas_scenarios.py, on the in-process chain."""
    import gas_scenarios

    return gas_scenarios.measure()


def compare_gas(found: Mapping[str, int], expected: Mapping[str, int]) -> list[str]:
    """What costs more or less than the snapshot by over 2 %, is new or is gone; empty if nothing."""
    complaints = [f"{name}: not in the snapshot" for name in sorted(set(found) - set(expected))]
    complaints += [f"{name}: in the snapshot alone" for name in sorted(set(expected) - set(found))]
    for name in sorted(set(found) & set(expected)):
        if abs(found[name] - expected[name]) * 100 > GAS_PERCENT * expected[name]:
            change = found[name] / expected[name] - 1
            complaints.append(f"{name}: {found[name]} gas, {expected[name]} in the snapshot ({change:+.1%})")
    return complaints


def check_gas() -> str:
    """Each function that changes state costs what contracts/snapshots/gas.json says, within 2 %."""
    import gas_scenarios

    found = measure_gas()
    if unmeasured := gas_scenarios.list_expected() - {name.partition(" ")[0] for name in found}:
        raise CheckFailed(f"add scenarios to tests/gas_scenarios.py for {', '.join(sorted(unmeasured))}")
    if complaints := compare_gas(found, read_snapshot("gas")):
        raise CheckFailed("\n".join([*complaints, AGAIN]))
    return f"{len(found)} costs within {GAS_PERCENT} %"


def read_snapshot(name: str) -> dict[str, Any]:
    path = SNAPSHOTS / f"{name}.json"
    try:
        return json.loads(path.read_bytes())
    except OSError:
        raise CheckFailed(f"expected {path.relative_to(ROOT)}, found none; run make snapshots") from None


def write_snapshots() -> None:
    """Measure both snapshots anew, and write them."""
    SNAPSHOTS.mkdir(exist_ok=True)
    for name, content in {"storage": measure_storage(), "gas": measure_gas()}.items():
        text = json.dumps(content, indent=1, sort_keys=name == "gas") + "\n"
        write_atomically(SNAPSHOTS / f"{name}.json", text.encode())
        print(f"wrote contracts/snapshots/{name}.json")


# --- all of it -----------------------------------------------------------------------------------------


def check_slither() -> str:
    """Nothing that slither finds lacks an explanation in contracts/slither.toml."""
    if complaints := slither_check.list_complaints():
        raise CheckFailed("\n".join(complaints))
    return f"every finding explained ({len(slither_check.read_triage())})"


CHECKS: dict[str, Callable[[], str]] = {
    "forge": check_forge,
    "coverage": check_coverage,
    "slither": check_slither,
    "solhint": check_solhint,
    "storage": check_storage,
    "gas": check_gas,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"of {', '.join(CHECKS)}; all if none")
    parser.add_argument("--write-snapshots", action="store_true", help="measure contracts/snapshots anew")
    options = parser.parse_args(arguments)
    if unknown := set(options.checks) - set(CHECKS):
        parser.error(f"expected checks of {', '.join(CHECKS)}, got {', '.join(sorted(unknown))}")
    try:
        if options.write_snapshots:
            write_snapshots()
            return 0
        return run_checks(options.checks or list(CHECKS))
    except MissingProgram as error:
        print(error, file=sys.stderr)
        return 2


def run_checks(names: list[str]) -> int:
    """Run checks one after the other, print what they say and a summary; returns the exit code."""
    summary = []
    for name in names:
        started = time.monotonic()
        try:
            verdict, text = "holds", CHECKS[name]()
        except CheckFailed as error:
            verdict, text = "FAILS", str(error)
            print(f"{name}: {text}\n", file=sys.stderr)
        seconds = time.monotonic() - started
        summary.append(f"{name:10}{verdict:7}{seconds:6.1f} s  {text.splitlines()[0][:120]}")
    print("\n".join(["", *summary]))
    return int(any(" FAILS " in line for line in summary))


if __name__ == "__main__":
    sys.exit(main())
