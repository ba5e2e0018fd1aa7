"""The contract library RowProof beside merkle.py: the same roots, the same refusals, and what it costs."""

import hashlib
import json
import random
import shutil
import subprocess
from types import SimpleNamespace

import pytest
from chain_helpers import CONTRACTS, account

from synthlib.chain.connection import Connection
from synthlib.chain.errors import ContractError
from synthlib.chain.merkle import MerkleTree, leaf_hash, root_from_path
from synthlib.chain.rows import RowProof
from synthlib.parsing import parse_json

SENDER = account("row proofs")
SOLC = CONTRACTS / "node_modules" / "solc" / "solc.js"
LARGEST = 2**20
ROW = RowProof(
    row=(
        *(
            (name, value)
            for name, value in zip("abcdefgh", (71, 0.9, 138, 88.5, 1, 2.25, 64, 1.1), strict=True)
        ),
        *(("sex", "female"), ("unit", "MICU"), ("race", "other"), ("ventilated", True), ("lactate", None)),
    ),
    salt=hashlib.sha256(b"salt").digest()[:16],
    index=700_001,
    num_rows=LARGEST,
    path=tuple(hashlib.sha256(bytes([level])).digest() for level in range(20)),
)


@pytest.fixture(scope="module")
def harness():
    """The harness contract on an in-process chain: `call`, and `send` that returns the receipt."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed: the harness cannot be compiled")
    assert SOLC.exists(), "node is here, npm's packages are not: run make npm"
    paths = ("src/libraries/RowProof.sol", "test/RowProofHarness.sol")
    settings = {
        "evmVersion": "prague",
        "optimizer": {"enabled": True, "runs": 200},
        "viaIR": True,
        "metadata": {"bytecodeHash": "none"},
        "outputSelection": {"*": {"RowProofHarness": ["abi", "evm.bytecode.object"]}},
    }
    sources = {path: {"content": (CONTRACTS / path).read_text()} for path in paths}
    done = subprocess.run(
        ["node", SOLC, "--standard-json"],
        input=json.dumps({"language": "Solidity", "sources": sources, "settings": settings}),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    output = parse_json(done.stdout[done.stdout.index("{") :].encode())
    assert [error["formattedMessage"] for error in output.get("errors", [])] == []
    built = output["contracts"]["test/RowProofHarness.sol"]["RowProofHarness"]
    abi, code = built["abi"], "0x" + built["evm"]["bytecode"]["object"]
    connection = Connection.in_process()
    address = connection.send(SENDER, code, None, 3_000_000, abi).receipt["contract"]
    contract = connection.web3.eth.contract(address, abi=abi)

    return SimpleNamespace(
        call=lambda name, *arguments: connection.call(contract.functions[name](*arguments)),
        send=lambda name, *arguments: (
            connection.send(SENDER, contract.encode_abi(name, arguments), address, 500_000, abi).receipt
        ),
    )


def tree_of(num_leaves: int) -> MerkleTree:
    return MerkleTree.of(number.to_bytes(4, "big") for number in range(num_leaves))


@pytest.mark.parametrize("size", range(1, 71))
def test_the_root_is_that_of_python(harness, size):
    tree, draw = tree_of(size), random.Random(size)
    for index in {0, size - 1, size // 2, draw.randrange(size), draw.randrange(size)}:
        path = tree.prove_inclusion(index)
        assert harness.call("rootOf", tree.leaf(index), index, size, path) == tree.root()


@pytest.mark.parametrize("size", [LARGEST, LARGEST - 1, LARGEST + 1, 999_983])
def test_the_root_of_a_large_tree_is_that_of_python(harness, size):
    """Of trees too large to make here: any path of the right length leads to a root."""
    draw = random.Random(size)
    for index in (0, size - 1, *(draw.randrange(size) for _ in range(4))):
        leaf = draw.randbytes(32)
        fits = 0
        for length in range(22):
            path = [draw.randbytes(32) for _ in range(length)]
            try:
                expected = root_from_path(leaf, index, size, path)
            except Exception:
                continue
            fits += 1
            assert harness.call("rootOf", leaf, index, size, path) == expected
        assert fits == 1


@pytest.mark.parametrize("data", [b"", b"\x00", b"row", ROW.data, bytes(1000)], ids=len)
def test_the_leaf_is_that_of_python(harness, data):
    assert harness.call("leafOf", data) == leaf_hash(data)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (2**256 - 1, 2**256 - 1), (2**255, 1)])
def test_a_place_outside_the_tree_reverts(harness, index, size):
    with pytest.raises(ContractError) as caught:
        harness.call("rootOf", bytes(32), index, size, [])
    assert type(caught.value).__name__ == "IndexOutOfRange"
    assert caught.value.arguments == (index, size)


@pytest.mark.parametrize(("index", "size"), [(0, 5), (4, 5), (3, 8), (0, 1), (6, 7), (LARGEST - 1, LARGEST)])
def test_a_path_of_another_length_reverts(harness, index, size):
    right = len(tree_of(size).prove_inclusion(index)) if size < 100 else 20
    for length in range(max(right - 2, 0), right + 3):
        if length == right:
            continue
        with pytest.raises(ContractError) as caught:
            harness.call("rootOf", bytes(32), index, size, [bytes(32)] * length)
        assert type(caught.value).__name__ == ("PathTooShort" if length < right else "PathTooLong")
        assert caught.value.arguments == (length,)


def test_a_path_fits_trees_of_several_sizes(harness):
    """Why the number of leaves must not come from the caller."""
    tree = tree_of(3)
    assert harness.call("rootOf", tree.leaf(0), 0, 4, tree.prove_inclusion(0)) == tree.root()


@pytest.mark.parametrize("place", range(5))
def test_a_changed_hash_gives_another_root(harness, place):
    tree = tree_of(23)
    path, leaf = tree.prove_inclusion(9), tree.leaf(9)
    hashes = [leaf, *path]
    hashes[place] = bytes([hashes[place][0] ^ 1]) + hashes[place][1:]
    assert harness.call("rootOf", hashes[0], 9, 23, hashes[1:]) != tree.root()
    assert harness.call("rootOf", leaf, 8, 23, path) != tree.root()


def test_a_row_of_a_million_is_shown_for_at_most_60000_gas(harness, capsys):
    root = root_from_path(leaf_hash(ROW.data), ROW.index, ROW.num_rows, ROW.path)
    harness.send("keep", root, ROW.num_rows)
    bare = harness.send("rootOf", leaf_hash(ROW.data), ROW.index, ROW.num_rows, ROW.path)["gas_used"]
    whole = harness.send("show", root, ROW.data, ROW.index, ROW.path)["gas_used"]
    with capsys.disabled():
        print(f"\n2^20 leaves: {bare} gas with a leaf's hash, {whole} with {len(ROW.data)} bytes of data")
    assert bare <= 53_000
    assert whole <= 60_000


def test_a_wrong_row_is_not_shown(harness):
    root = root_from_path(leaf_hash(ROW.data), ROW.index, ROW.num_rows, ROW.path)
    harness.send("keep", root, ROW.num_rows)
    with pytest.raises(ContractError) as caught:
        harness.send("show", root, ROW.data + b"\x00", ROW.index, ROW.path)
    assert type(caught.value).__name__ == "WrongRoot"


def test_hashing_that_runs_out_of_gas_never_passes_for_a_hash(harness):
    """A precompile that fails leaves old bytes where its answer is read; they must not be taken for it."""
    data = b"x" * 20_000
    answers = {harness.call("leafWithin", data, limit) for limit in range(2_000, 20_000, 1_000)}
    assert answers == {b"\xff" * 32, leaf_hash(data)}
