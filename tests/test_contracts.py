"""The compiled contracts: one address leads to all, each error has a Python class, the sources make them."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from chain_helpers import CONTRACTS, account
from eth_abi import encode
from eth_utils import keccak

from synthlib.chain import errors
from synthlib.chain.connection import Connection
from synthlib.chain.contracts import CONTRACTS as NAMES
from synthlib.chain.contracts import (
    PARTS,
    REGISTRY,
    expected_code,
    find_addresses,
    load_artifact,
    load_errors,
)
from synthlib.chain.errors import (
    AlreadyRecorded,
    ContractError,
    to_contract_error,
)
from synthlib.chain.events import type_of
from synthlib.chain.records import NOT_PRIVATE
from synthlib.chain.registry import Ledger

pytest_plugins = ["chain_fixtures", "contract_fixtures"]

STRANGER = account("stranger")
# What no transaction leads to: texts of ours are short, times far from overflowing, the precompile is there.
OUT_OF_REACH = {"InvalidShortString", "StringTooLong", "SafeCastOverflowedUintDowncast", "HashFailed"}
# OpenZeppelin's, of things that never happen here.
UNSAID = {"EIP712DomainChanged", "RoleAdminChanged"}


def entries(kind: str) -> list[dict]:
    return [entry for name in NAMES for entry in load_artifact(name)["abi"] if entry["type"] == kind]


# --- one address leads to all --------------------------------------------------------------------------


def test_the_registry_names_what_belongs_to_it_and_that_names_the_registry(world):
    addresses = world.ledger.addresses
    assert addresses == find_addresses(world.ledger.address)
    getters = ("agreements", "attestations", "rowProofs")
    assert [world.ledger.call(getter) for getter in getters] == [addresses[name] for name in PARTS]
    for name in PARTS:
        assert world.ledger.call("registry", contract=name) == addresses[REGISTRY]


def test_deployed_code_is_expected_to_the_last_byte(world):
    chain, addresses = world.connection.chain_id, world.ledger.addresses
    for name in NAMES:
        assert world.connection.get_code(addresses[name]) == expected_code(name, addresses, chain)
    assert expected_code("Agreements", addresses, chain + 1) != expected_code("Agreements", addresses, chain)


def test_constants_are_what_python_takes_them_for(world):
    assert world.ledger.call("NOT_PRIVATE") == NOT_PRIVATE
    for role in ("STEWARD_ROLE", "RESEARCHER_ROLE", "AUDITOR_ROLE"):
        assert world.ledger.call(role) == keccak(text=role)


def test_code_without_the_parts_is_no_registry():
    """A registry whose constructor was replaced has no agreements where they belong."""
    connection = Connection.in_process()
    code = bytes.fromhex(load_artifact()["deployedBytecode"][2:])
    head = bytes.fromhex(f"61{len(code):04x}80600c6000396000f3")
    receipt = connection.send(STRANGER, "0x" + (head + code).hex(), None, 8_000_000, ()).receipt
    with pytest.raises(errors.NoRegistry, match="ProvenanceRegistry"):
        Ledger(connection, receipt["contract"], None)


# --- errors as Python sees them ------------------------------------------------------------------------


def test_every_custom_error_has_a_python_class_with_a_meaning_and_no_class_is_left_over():
    classes = {kind.__name__: kind for kind in vars(errors).values() if is_contracts(kind)}
    assert set(classes) == {entry["name"] for entry in entries("error")}
    for name, kind in classes.items():
        assert kind.meaning == kind.__doc__ and len(kind.meaning) > 20, name
        assert kind.meaning != ContractError.meaning


def is_contracts(kind) -> bool:
    return isinstance(kind, type) and issubclass(kind, ContractError) and kind is not ContractError


def test_an_error_of_one_name_has_one_form_in_all_contracts():
    forms = {}
    for entry in entries("error"):
        forms.setdefault(entry["name"], set()).add(tuple(given["type"] for given in entry["inputs"]))
    assert all(len(each) == 1 for each in forms.values())


def test_every_error_and_event_of_the_contracts_is_tested():
    tests = [path for path in Path(__file__).parent.glob("test_contract_*.py")]
    text = "\n".join(path.read_text() for path in tests)
    words = set(re.findall(r"[A-Za-z]+", text))
    assert {entry["name"] for entry in entries("error")} - words == OUT_OF_REACH
    assert {entry["name"] for entry in entries("event")} - words == UNSAID


def test_topics_tell_events_of_one_contract_apart():
    for name in NAMES:
        said = [entry for entry in load_artifact(name)["abi"] if entry["type"] == "event"]
        forms = {f"{each['name']}({','.join(map(type_of, each['inputs']))})" for each in said}
        assert len({keccak(text=form) for form in forms}) == len(said)


@pytest.mark.parametrize("entry", load_errors(), ids=lambda entry: entry["name"])
def test_an_error_is_told_with_its_arguments(entry):
    samples = {
        "address": (STRANGER.address, STRANGER.address),
        "bytes32": (b"\1" * 32, "01" * 32),
        "string": ("field", "field"),
    }
    types = [given["type"] for given in entry["inputs"]]
    pairs = [samples.get(kind, (3, 3)) for kind in types]
    data = keccak(text=f"{entry['name']}({','.join(types)})")[:4] + encode(
        types, [given for given, _ in pairs]
    )
    found = to_contract_error(WithData("0x" + data.hex()), load_errors())
    assert type(found) is getattr(errors, entry["name"])
    assert found.arguments == tuple(shown for _, shown in pairs)
    assert str(found).startswith(entry["name"]) and found.meaning in str(found)


class RawText(Exception):
    """As eth-tester shows a revert."""


class WithData(Exception):
    """As web3 shows a node's revert."""

    def __init__(self, data):
        super().__init__("execution reverted")
        self.data = data


DATA = keccak(text="AlreadyRecorded(bytes32)")[:4] + b"'\"\\\n" * 8


@pytest.mark.parametrize(
    "error",
    [
        RawText(f"execution reverted: {DATA!r}"),
        RawText(str(DATA)),
        WithData("0x" + DATA.hex()),
        WithData({"data": "0x" + DATA.hex()}),
        RawText(f"revert 0x{DATA.hex()}"),
    ],
    ids=["eth-tester", "bytes", "anvil", "nested", "text"],
)
def test_revert_data_is_found_however_it_comes(error):
    found = to_contract_error(error, load_errors())
    assert type(found) is AlreadyRecorded
    assert found.arguments == (DATA[4:].hex(),)
    assert DATA[4:].hex() in str(found)


@pytest.mark.parametrize(
    "error",
    [
        RawText("no data"),
        RawText("b'unfinished"),
        WithData(None),
        WithData("0x"),
        WithData("0xdeadbeef"),
        WithData("0x" + DATA[:7].hex()),
    ],
)
def test_revert_that_is_no_custom_error_is_a_contract_error(error):
    assert type(to_contract_error(error, load_errors())) is ContractError


def test_an_error_that_python_does_not_know_keeps_its_name():
    """Of a later version, say."""
    entry = {"type": "error", "name": "TooNew", "inputs": [{"name": "id", "type": "bytes32"}]}
    data = keccak(text="TooNew(bytes32)")[:4] + b"\2" * 32
    found = to_contract_error(WithData("0x" + data.hex()), [*load_errors(), entry])
    assert isinstance(found, ContractError) and type(found).__name__ == "TooNew"
    assert found.arguments == ("02" * 32,)


# --- the committed artifact ----------------------------------------------------------------------------


@pytest.mark.skipif(
    shutil.which("node") is None, reason="node is not installed: the artifacts cannot be recompiled"
)
def test_committed_artifacts_are_what_the_sources_compile_to(tmp_path):
    assert (CONTRACTS / "node_modules" / "solc").is_dir(), (
        "node is here, npm's packages are not: run make npm"
    )
    subprocess.run(
        ["node", "compile.mjs", str(tmp_path)], cwd=CONTRACTS, check=True, capture_output=True, timeout=600
    )
    committed = Path(__file__).parents[1] / "synthlib" / "chain" / "artifacts"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {path.name for path in committed.iterdir()}, "run make contracts; remove leftovers"
    stale = [name for name in names if (tmp_path / name).read_bytes() != (committed / name).read_bytes()]
    assert stale == [], "run make contracts"


def test_artifact_names_its_compiler_and_fork():
    compiler = load_artifact()["compiler"]
    pinned = json.loads((CONTRACTS / "package.json").read_text())["dependencies"]["solc"]
    assert compiler["solc"].startswith(f"{pinned}+")
    assert compiler["evmVersion"] == "prague"
    assert compiler["metadata"] == {"bytecodeHash": "none"}


def test_lock_names_no_host_but_the_registry_of_npm():
    lock = json.loads((CONTRACTS / "package-lock.json").read_text())
    sources = [package["resolved"] for package in lock["packages"].values() if "resolved" in package]
    assert all(source.startswith("https://registry.npmjs.org/") for source in sources)
    assert all("integrity" in package for name, package in lock["packages"].items() if name)
