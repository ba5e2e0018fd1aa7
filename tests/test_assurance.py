"""What `make assurance` runs holds for the contracts, and each part of it can fail."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import gas_scenarios
import pytest
from chain_helpers import CONTRACTS
from hypothesis import given
from hypothesis import strategies as st

from synthlib.chain.connection import Connection

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import assurance  # noqa: E402
import slither_check  # noqa: E402
from contract_programs import CheckFailed, MissingProgram, find_forge, run, run_node  # noqa: E402


def or_skip(function, *arguments):
    """Call what needs npm's packages; skip the test, with the reason, where they are not."""
    try:
        return function(*arguments)
    except MissingProgram as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["forge", "coverage", "solhint", "storage", "gas"])
def test_check_holds(name):
    assert or_skip(assurance.CHECKS[name])


def test_slither_finds_nothing_unexplained():
    if not slither_check.is_ready():
        pytest.skip("slither is not installed in build/slither (make test brings it)")
    assert or_skip(slither_check.list_complaints) == []


# --- forge and its compiler ----------------------------------------------------------------------------


def test_forge_compiles_as_the_artifacts_are_compiled():
    config = json.loads(or_skip(run, [or_skip(find_forge), "config", "--json"]).stdout)
    for artifact in gas_scenarios.load_artifacts().values():
        compiler = artifact["compiler"]
        assert config["evm_version"] == compiler["evmVersion"]
        assert config["via_ir"] == compiler["viaIR"]
        assert (config["optimizer"], config["optimizer_runs"]) == tuple(compiler["optimizer"].values())
        assert config["bytecode_hash"] == compiler["metadata"]["bytecodeHash"]
    assert config["offline"] and config["deny"] == "warnings" and config["fuzz"]["seed"]


def solc(*arguments, sources=None):
    """The answer of tools/solc.mjs, which runs in contracts/."""
    or_skip(run_node, "--version")
    selection = {"*": {"*": ["evm.deployedBytecode.object"]}}
    request = {"language": "Solidity", "sources": sources or {}, "settings": {"outputSelection": selection}}
    command = [str(CONTRACTS / "tools" / "solc.mjs"), *arguments]
    return subprocess.run(command, cwd=CONTRACTS, input=json.dumps(request), capture_output=True, text=True)


HEAD = "// SPDX-License-Identifier: Apache-2.0\npragma solidity 0.8.37;\n"


def importing(path, name):
    return {"a.sol": {"content": f'{HEAD}import {{{name}}} from "{path}"; contract A is {name} {{}}'}}


def test_the_wrapped_compiler_says_its_version_as_solc_does():
    pinned = json.loads((CONTRACTS / "package.json").read_text())["dependencies"]["solc"]
    assert re.search(rf"^Version: {re.escape(pinned)}\+commit\.", solc("--version").stdout, re.MULTILINE)


def test_the_wrapped_compiler_reads_imports_under_its_base_and_include_paths(tmp_path):
    for folder, name in (("base", "B"), ("more", "C")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.sol").write_text(f"{HEAD}contract {name} {{}}")
    paths = [
        "--base-path",
        str(tmp_path / "base"),
        f"--include-path={tmp_path / 'more'}",
        "--standard-json",
        "-",
    ]
    for name in "BC":
        answer = json.loads(solc(*paths, sources=importing(f"{name}.sol", name)).stdout)
        assert answer["contracts"]["a.sol"]["A"]["evm"]["deployedBytecode"]["object"], answer.get("errors")


def test_the_wrapped_compiler_reads_nothing_elsewhere(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "D.sol").write_text(f"{HEAD}contract D {{}}")
    (tmp_path / "base" / "link.sol").symlink_to(tmp_path / "D.sol")
    paths = ["--base-path", str(tmp_path / "base"), "--standard-json"]
    for place in (str(tmp_path / "D.sol"), "link.sol"):
        answer = json.loads(solc(*paths, sources=importing(place, "D")).stdout)
        assert "not found" in answer["errors"][0]["message"]
    allowed = solc(*paths, "--allow-paths", str(tmp_path), sources=importing("link.sol", "D"))
    assert "contracts" in json.loads(allowed.stdout)


@pytest.mark.parametrize("arguments", [["--optimize"], [], ["--base-path"]])
def test_the_wrapped_compiler_refuses_what_it_does_not_know(arguments):
    finished = solc(*arguments)
    assert finished.returncode == 1
    assert "expected" in finished.stderr and finished.stdout == ""


# --- compile.mjs, on contracts of its own --------------------------------------------------------------

PROBE = {
    "IProbe.sol": "interface IProbe { function limit() external view returns (uint256); }",
    "parts/Base.sol": """import {IProbe} from "../IProbe.sol";
        abstract contract Base is IProbe {
            struct Entry { address who; uint96 what; }
            mapping(bytes32 id => Entry entry) internal _entries;
            uint256 private immutable _limit;
            constructor(uint256 given) { _limit = given; }
            function limit() external view returns (uint256) { return _limit; }
        }""",
    "Digits.sol": "library Digits { function two() external pure returns (uint256) { return 2; } }",
    "Probe.sol": """import {Base} from "./parts/Base.sol";
        contract Probe is Base(7) {
            uint48 private _last;
            address private immutable SELF = address(this);
            function put(uint48 value) external { if (address(this) == SELF) _last = value; }
            function last() external view returns (uint48) { return _last; }
        }""",
    "Other.sol": "contract Other { function one() external pure returns (uint256) { return 1; } }",
}


def compile_sources(folder, sources, *arguments):
    """Run a copy of compile.mjs on sources of our own; returns what it wrote, by file name."""
    or_skip(run_node, "--version")
    for name in ("compile.mjs", "tools/layout.mjs", "package.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CONTRACTS / name, folder / name)
    (folder / "node_modules").symlink_to(CONTRACTS / "node_modules")
    for name, text in sources.items():
        path = folder / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + text)
    command = ["node", "compile.mjs", *(arguments or ["out"])]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if finished.returncode:
        raise CheckFailed(finished.stderr)
    return {path.name: path.read_bytes() for path in (folder / "out").iterdir()}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The artifacts of PROBE."""
    return compile_sources(tmp_path_factory.mktemp("probe"), PROBE)


def test_every_contract_that_can_be_deployed_is_compiled_and_nothing_else(compiled):
    assert sorted(compiled) == ["Other.json", "Probe.json"]


def test_other_sources_change_no_byte_of_a_contract(compiled, tmp_path):
    needed = {name: PROBE[name] for name in ("IProbe.sol", "parts/Base.sol", "Probe.sol")}
    assert compile_sources(tmp_path, needed) == {"Probe.json": compiled["Probe.json"]}


def test_immutable_references_are_where_the_deployed_code_differs(compiled):
    artifact = json.loads(compiled["Probe.json"])
    chain = Connection.in_process()
    receipt = chain.send(gas_scenarios.ADMIN, artifact["bytecode"], None, 10**6, artifact["abi"]).receipt
    code = bytearray(chain.get_code(receipt["contract"]))
    address = bytes.fromhex(receipt["contract"][2:])
    expected = {"Base._limit": (7).to_bytes(32), "Probe.SELF": bytes(12) + address}
    assert set(artifact["immutableReferences"]) == set(expected)
    for name, places in artifact["immutableReferences"].items():
        for place in places:
            where = slice(place["start"], place["start"] + place["length"])
            assert code[where] == expected[name]
            code[where] = bytes(place["length"])
    assert "0x" + code.hex() == artifact["deployedBytecode"]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("contract Bad { function f() external pure { uint256 x; } }", "Unused local variable"),
        ("contract Bad { uint256 x = y; }", "Undeclared identifier"),
        ("contract Other { }", "expected one contract Other"),
        ('import "./Missing.sol"; contract Bad {}', "Missing.sol"),
    ],
)
def test_a_warning_or_an_error_writes_nothing(tmp_path, source, complaint):
    with pytest.raises(CheckFailed, match=complaint):
        compile_sources(tmp_path, {"Other.sol": PROBE["Other.sol"], "Second.sol": source})
    assert not (tmp_path / "out").exists()


def test_a_storage_layout_follows_variables_and_not_the_places_of_sources(tmp_path):
    moved = PROBE | {"parts/Base.sol": PROBE["parts/Base.sol"].replace("abstract", "enum E { ONE } abstract")}
    layouts = []
    for name, sources in {"one": PROBE, "other": moved}.items():
        (tmp_path / name).mkdir()
        layouts.append(compile_sources(tmp_path / name, sources, "--storage", "out/storage.json"))
    assert layouts[0] == layouts[1]
    layout = json.loads(layouts[0]["storage.json"])
    assert [list(each.values()) for each in layout["Probe"]["variables"]] == [
        ["_entries", "0", 0, "mapping(bytes32 => struct Base.Entry)"],
        ["_last", "1", 0, "uint48"],
    ]
    members = layout["Probe"]["types"]["struct Base.Entry"]["members"]
    assert [(each["label"], each["offset"]) for each in members] == [("who", 0), ("what", 20)]
    assert layout["Other"] == {"variables": [], "types": {}}


# --- what the checks make of what they see -------------------------------------------------------------

LCOV = """TN:
SF:src/A.sol
FN:3,A.f
FNDA:2,A.f
FN:9,A.g
FNDA:0,A.g
DA:4,2
DA:10,0
BRDA:4,0,0,2
BRDA:4,0,1,-
end_of_record
TN:
SF:test/A.t.sol
DA:1,0
end_of_record
"""


def test_coverage_names_what_was_not_reached():
    files = assurance.parse_lcov(LCOV)
    assert list(files) == ["src/A.sol"]
    assert files["src/A.sol"].reached == {"lines": 1, "branches": 1, "functions": 1}
    assert files["src/A.sol"].total == {"lines": 2, "branches": 2, "functions": 2}
    assert files["src/A.sol"].missed == [
        "src/A.sol: line 10",
        "src/A.sol: branch 0.1 of line 4",
        "src/A.sol: function A.g",
    ]
    assert assurance.draw_coverage(files).splitlines()[1].split() == ["src/A.sol", *["50.00%", "(1/2)"] * 3]


def test_a_source_that_forge_leaves_out_is_named(monkeypatch):
    or_skip(find_forge)
    monkeypatch.setattr(assurance, "list_code", lambda: {"src/Forgotten.sol"})
    monkeypatch.setattr(assurance, "run", write_report)
    with pytest.raises(CheckFailed, match=r"left out src/Forgotten\.sol"):
        assurance.check_coverage()


def write_report(command):
    """What `forge coverage` would do, with the report above."""
    path = Path(command[command.index("--report-file") + 1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(LCOV)
    return subprocess.CompletedProcess(command, 0, "", "")


def test_sources_with_code_are_all_but_interfaces():
    code = assurance.list_code()
    assert {"src/PackedTrack.sol", "src/Releases.sol", "src/libraries/RowProof.sol"} <= code
    assert not [path for path in code if re.search(r"/I[A-Z]", path)]


@given(st.integers(1, 30_000), st.integers(-200, 200), st.sampled_from([-1, 0, 1]))
def test_gas_may_change_by_two_percent(fiftieth, percent, more):
    gas = 50 * fiftieth
    found = gas + fiftieth * percent // 2 + more
    complaints = assurance.compare_gas({"A.f": found}, {"A.f": gas})
    assert bool(complaints) == (not gas - fiftieth <= found <= gas + fiftieth)


def test_gas_of_new_and_lost_functions_is_named():
    assert assurance.compare_gas({"A.f": 1, "A.g": 1}, {"A.f": 1, "A.h": 1}) == [
        "A.g: not in the snapshot",
        "A.h: in the snapshot alone",
    ]


def test_gas_is_the_same_every_time():
    scenario = gas_scenarios.SCENARIOS["Agreements.accept"]
    costs = {scenario(gas_scenarios.prepare(Connection.in_process())) for _ in range(2)}
    assert len(costs) == 1


@pytest.mark.parametrize(
    "name",
    ["recordRelease (not private)", "recordRelease (private)", "isRow (of 2^20)"],
)
def test_a_release_and_a_row_cost_at_most_sixty_thousand_gas(name):
    (scenario,) = (found for key, found in gas_scenarios.SCENARIOS.items() if key.endswith("." + name))
    assert scenario(gas_scenarios.prepare(Connection.in_process())) <= 60_000


def test_a_function_without_a_scenario_is_named(monkeypatch):
    monkeypatch.setattr(gas_scenarios, "list_expected", lambda: {"A.forgotten"})
    monkeypatch.setattr(gas_scenarios, "SCENARIOS", {})
    with pytest.raises(CheckFailed, match=r"A\.forgotten"):
        assurance.check_gas()


def test_a_moved_variable_is_shown():
    layout = {"A": {"variables": [{"label": "x", "slot": "0"}], "types": {}}}
    moved = {"A": {"variables": [{"label": "x", "slot": "1"}], "types": {}}}
    assert assurance.show_difference(layout, layout) == []
    assert assurance.show_difference(moved, layout) == [
        '- A {"label": "x", "slot": "0"}',
        '+ A {"label": "x", "slot": "1"}',
    ]


FINDING = slither_check.Finding("reentrancy", "A.f(uint256)", "bad")


def test_a_finding_needs_an_explanation_and_an_explanation_a_finding():
    known = {("reentrancy", "A.f(uint256)"): "because"}
    assert slither_check.compare([FINDING], known) == []
    (unexplained,) = slither_check.compare([FINDING], {})
    assert 'element = "A.f(uint256)"' in unexplained
    (stale,) = slither_check.compare([], known)
    assert "no longer finds" in stale


def element(kind, name, is_dependency=False, **fields):
    source = {"filename_relative": f"src/{name}.sol", "is_dependency": is_dependency}
    return {"type": kind, "name": name, "source_mapping": source, "type_specific_fields": fields}


def test_findings_are_named_by_their_first_place_in_our_code():
    contract = element("contract", "A")
    function = element("function", "f", parent=contract, signature="f(uint256)")
    node = element("node", "x == 1", parent=function)
    foreign = element("function", "g", is_dependency=True, parent=contract, signature="g()")
    named = [
        ([function], "A.f(uint256)"),
        ([node], "A.f(uint256)"),
        ([foreign, node], "A.f(uint256)"),
        ([contract], "A"),
        ([element("variable", "LIMIT", parent=contract)], "A.LIMIT"),
        ([element("pragma", "0.8.37")], "pragma 0.8.37"),
        ([], "contracts"),
    ]
    for elements, name in named:
        found = slither_check.to_finding({"check": "some", "elements": elements, "description": ""})
        assert found.element == name
    assert slither_check.to_finding({"check": "some", "elements": [foreign], "description": ""}) is None


@pytest.mark.parametrize(
    "entry", ['detector = "a"\nelement = "b"', 'detector = "a"\nelement = "b"\nwhy = " "']
)
def test_an_explanation_has_words(tmp_path, monkeypatch, entry):
    monkeypatch.setattr(slither_check, "TRIAGE", tmp_path / "slither.toml")
    slither_check.TRIAGE.write_text(f"[[accepted]]\n{entry}\n")
    with pytest.raises(CheckFailed, match="expected detector, element and why"):
        slither_check.read_triage()


def test_the_summary_and_the_exit_code_say_what_failed(monkeypatch, capsys):
    def fail():
        raise CheckFailed("two things\nare wrong")

    monkeypatch.setattr(assurance, "CHECKS", {"good": lambda: "fine", "bad": fail})
    assert assurance.main(["good"]) == 0
    assert assurance.main([]) == 1
    printed = capsys.readouterr()
    assert re.search(r"^bad +FAILS .*two things$", printed.out, re.MULTILINE)
    assert "are wrong" in printed.err
