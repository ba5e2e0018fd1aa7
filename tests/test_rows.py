"""Proofs of single synthetic rows: each verifies, nothing else does."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from chain_helpers import KEY
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from row_helpers import EVERYTHING, TRAIN, numbers, tables, tree_of

from synthlib.chain import rows
from synthlib.chain.commitments import table_digest
from synthlib.chain.errors import ChainError
from synthlib.chain.merkle import leaf_hash
from synthlib.chain.row_bytes import join_cells
from synthlib.chain.rows import (
    RowProof,
    RowTree,
    derive_salt,
    verify_row,
)
from synthlib.keys import StewardKey

# --- bytes ---------------------------------------------------------------------------------------------


def test_data_of_a_row_written_out_by_hand():
    table = pd.DataFrame({"age": [71, None], "sex": ["f", "é"], "icu": [True, False]})
    tree = tree_of(table)
    header = bytes.fromhex(
        "73796e74686c696220726f7720310a"  # "synthlib row 1\n"
        "0000000000000002"  # two rows
        "0000000000000003"  # three columns
        "0000000000000003616765"  # "age"
        "0000000000000003736578"  # "sex"
        "0000000000000003696375"  # "icu"
    )
    secret = derive_salt(KEY, table_digest(table))
    assert secret == KEY.mac("synthlib row salts 1", table_digest(table)).digest()
    block = Cipher(algorithms.AES(secret), modes.ECB()).encryptor().update((1).to_bytes(16, "big"))
    expected = (
        hashlib.sha256(header).digest()
        + bytes.fromhex("0000000000000001")  # the second row
        + block
        + bytes.fromhex("00")  # age: missing
        + bytes.fromhex("060000000000000002c3a9")  # sex: é, two bytes
        + bytes.fromhex("01")  # icu: false
    )
    proof = tree.prove(1)
    assert proof.data == expected
    assert proof.row == (("age", None), ("sex", "é"), ("icu", False))
    sibling = leaf_hash(tree.prove(0).data)
    assert proof.path == (sibling,)
    assert tree.root == hashlib.sha256(b"\x01" + sibling + leaf_hash(expected)).digest()


def test_cells_as_json_holds_them():
    proof = tree_of(EVERYTHING).prove(2)
    assert dict(proof.row) == {
        "integer": 0,
        "number": {"real": "-inf"},
        "flag": True,
        "level": "é",
        "mixed": True,
        "day": {"datetime": "1999-12-31T23:59:59.000000001"},
        "instant": {"instant": "1999-12-31T00:00:00.000000000Z"},
        "stay": {"duration": -5},
    }


def test_root_does_not_depend_on_how_pandas_holds_the_cells():
    table = EVERYTHING.drop(columns="mixed")
    other = table.astype({"integer": "float64", "flag": "boolean", "level": "category", "number": object})
    assert tree_of(other.set_index(pd.Index([9, 8, 7, 6]))).root == tree_of(table).root


def test_blocks_and_columns_without_words_make_no_difference(monkeypatch):
    table = pd.concat([EVERYTHING] * 5, ignore_index=True)
    whole = tree_of(table)
    monkeypatch.setattr(rows, "BLOCK_ROWS", 3)
    pieces = tree_of(table)
    assert pieces.root == whole.root and pieces.prove(7) == whole.prove(7)


@given(tables())
def test_every_row_of_every_table_verifies_also_after_json(table):
    assume(len(table) > 0)
    tree = tree_of(table)
    for index in range(len(table)):
        proof = RowProof.from_json(tree.prove(index).to_json())
        assert verify_row(proof, tree.root)
        assert proof == tree.prove(index)


@given(tables(), tables())
def test_different_tables_have_different_roots(first, second):
    assert (tree_of(first).root == tree_of(second).root) == (table_digest(first) == table_digest(second))


# --- what does not verify ------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.integers(2, 40), st.data())
def test_any_change_of_a_proof_fails(num_rows, data):
    tree, index = tree_of(numbers(num_rows)), data.draw(st.integers(0, num_rows - 1))
    proof = tree.prove(index)
    bit = data.draw(st.integers(0, 7))
    place = data.draw(st.integers(0, len(proof.path) - 1))
    turned = bytearray(proof.path[place])
    turned[data.draw(st.integers(0, 31))] ^= 1 << bit
    path = [*proof.path]
    path[place] = bytes(turned)
    salt = bytearray(proof.salt)
    salt[data.draw(st.integers(0, 15))] ^= 1 << bit
    other = data.draw(st.integers(-1, num_rows + 2).filter(lambda number: number != index))
    size = data.draw(st.integers(0, 2 * num_rows).filter(lambda number: number != num_rows))
    (age, years), sex = proof.row
    changed = [
        {"path": tuple(path)},
        {"path": proof.path[1:]},
        {"path": (*proof.path, bytes(32))},
        {"salt": bytes(salt)},
        {"index": other},
        {"num_rows": size},
        {"row": ((age, years + 1), sex)},
        {"row": ((age, str(years)), sex)},
        {"row": (("Age", years), sex)},
        {"row": (sex, (age, years))},
        {"row": ((age, years),)},
        {"row": ((age, years), sex, sex)},
    ]
    for change in changed:
        assert not verify_row(proof._replace(**change), tree.root), change
    root = bytearray(tree.root)
    root[place % 32] ^= 1 << bit
    assert not verify_row(proof, bytes(root))


def test_no_row_passes_for_another_one_even_if_it_reads_the_same():
    tree = tree_of(pd.DataFrame({"age": [70] * 7}))
    proofs = [tree.prove(index) for index in range(7)]
    for first in proofs:
        for second in proofs:
            mixed = [
                first._replace(index=second.index),
                first._replace(path=second.path),
                first._replace(salt=second.salt),
                first._replace(index=second.index, path=second.path),
            ]
            assert all(verify_row(proof, tree.root) == (first is second) for proof in mixed)


def test_number_of_rows_is_bound_where_the_path_would_fit_another():
    three = tree_of(numbers(3))
    proof = three.prove(0)
    assert len(proof.path) == len(tree_of(numbers(4)).prove(0).path)
    assert not verify_row(proof._replace(num_rows=4), three.root)


@pytest.mark.parametrize(
    "change",
    [
        {"row": None},
        {"row": (("age",),)},
        {"row": ((1, 1),)},
        {"row": (("age", [1]),)},
        {"row": (("age", {}),)},
        {"row": (("age", {"real": "nan"}),)},
        {"row": (("age", {"duration": 2**70}),)},
        {"row": (("age", {"duration": True}),)},
        {"row": (("age", {"datetime": "now"}),)},
        {"row": (("age", {"datetime": "9999-01-01T00:00:00.000000000"}),)},
        {"row": (("age", {"datetime": "2001-01-15T00:00:00.000000000Z"}),)},
        {"row": (("age", {"instant": "2001-01-15T00:00:00.000000000"}),)},
        {"row": (("age", "\ud800"),)},
        {"row": (("\ud800", 1),)},
        {"index": True},
        {"index": 1.0},
        {"num_rows": "3"},
        {"num_rows": 2**64},
        {"index": -1},
        {"salt": b""},
        {"salt": None},
        {"path": None},
        {"path": (b"", b"")},
        {"path": ("0" * 32,)},
    ],
    ids=str,
)
def test_nonsense_does_not_verify_and_does_not_raise(change):
    tree = tree_of(numbers(3))
    assert verify_row(tree.prove(1), tree.root)
    assert not verify_row(tree.prove(1)._replace(**change), tree.root)


@pytest.mark.parametrize(
    "change",
    [{"format": "synthlib-row/2"}, {"salt": "x"}, {"salt": 1}, {"path": ["zz"]}, {"path": 1}, {"row": [1]}],
)
def test_json_of_another_form_is_refused(change):
    document = json.loads(tree_of(numbers(3)).prove(1).to_json()) | change
    with pytest.raises(ValueError, match="expected"):
        RowProof.from_json(json.dumps(document))
    for text in ("", "[]", "{}", b"\xff"):
        with pytest.raises(ValueError):
            RowProof.from_json(text)


# --- salts ---------------------------------------------------------------------------------------------


def test_a_neighbouring_row_cannot_be_guessed_from_a_proof():
    """Equal rows have unlike leaves, and a right guess without its salt hashes to something else."""
    tree = tree_of(pd.DataFrame({"sex": ["f", "f"]}))
    proof, other = tree.prove(0), tree.prove(1)
    assert proof.salt != other.salt
    guess = other._replace(salt=proof.salt)
    assert leaf_hash(guess.data) != proof.path[0] == leaf_hash(other.data)


def test_salts_differ_between_keys_and_tables_and_stay_on_every_run():
    key, digest = StewardKey(bytes(32)), table_digest(EVERYTHING)
    assert derive_salt(key, digest) == derive_salt(StewardKey(bytes(32)), digest)
    assert derive_salt(key, digest) != derive_salt(KEY, digest)
    assert derive_salt(key, digest) != derive_salt(key, table_digest(TRAIN))
    program = (
        "from test_rows import *; print(RowTree.build(EVERYTHING, TRAIN, KEY).prove(3).to_json(), end='')"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent,
        env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed == RowTree.build(EVERYTHING, TRAIN, KEY).prove(3).to_json()


def test_a_table_that_changed_after_the_tree_was_made_is_noticed():
    table = numbers(9)
    tree = tree_of(table)
    table.loc[4, "age"] = 99
    with pytest.raises(ChainError, match="found it changed"):
        tree.prove(4)
    with pytest.raises(IndexError):
        tree.prove(9)
    with pytest.raises(IndexError):
        tree.prove(-1)


@given(tables())
def test_rows_are_equal_when_their_cells_are(table):
    """What the comparison with the training table rests on."""
    doubled = pd.concat([table, table], ignore_index=True)
    joined = join_cells(doubled)
    assert joined[: len(table)] == joined[len(table) :]
    for first in range(len(table)):
        for second in range(len(table)):
            same = table_digest(table.iloc[[first]]) == table_digest(table.iloc[[second]])
            assert (joined[first] == joined[second]) == same
