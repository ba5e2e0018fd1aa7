"""Proofs of single synthetic rows: each verifies, nothing else does, and patients' rows get none."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from chain_helpers import KEY, SCHEMA, make_release
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from synthlib.bundle import Bundle
from synthlib.chain import rows
from synthlib.chain.commitments import commit, read_synthetic, table_digest
from synthlib.chain.errors import ChainError
from synthlib.chain.merkle import leaf_hash
from synthlib.chain.row_bytes import join_cells
from synthlib.chain.rows import (
    ConfidentialRows,
    RowProof,
    RowTree,
    compute_root,
    derive_salt,
    describe_rows,
    read_rows_secret,
    verify_row,
)
from synthlib.keys import StewardKey

# One column of every kind of cell.
EVERYTHING = pd.DataFrame(
    {
        "integer": [71, -3, 0, 2**62],
        "number": [0.1, np.nan, -np.inf, 1e300],
        "flag": [True, False, True, False],
        "level": ["f", None, "é", ""],
        "mixed": [1, "1", True, 2**70],
        "day": pd.to_datetime(
            ["2001-01-15", None, "1999-12-31 23:59:59.000000001", "2001-01-15"], format="ISO8601"
        ),
        "instant": pd.to_datetime(["2001-01-15", None, "1999-12-31", "2100-01-01"], utc=True),
        "stay": pd.to_timedelta([1, None, -5, 10**15]),
    }
)
TRAIN = EVERYTHING.assign(integer=[5, 6, 7, 8], level=list("abcd"))


def tree_of(table: pd.DataFrame) -> RowTree:
    """The tree over a table none of whose rows was trained on."""
    name = table.columns[0]
    return RowTree.build(table, table.iloc[:1].assign(**{name: "a word that no row has"}), KEY)


def numbers(num_rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"age": np.arange(num_rows) % 5, "sex": ["f", "m"] * (num_rows // 2) + ["f"] * (num_rows % 2)}
    )


cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.floats(),
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    st.timedeltas(timedelta(days=-9999), timedelta(days=9999)),
)
names = st.lists(st.text(st.characters(codec="utf-8"), max_size=4), min_size=1, max_size=4, unique=True)


@st.composite
def tables(draw) -> pd.DataFrame:
    num_rows = draw(st.integers(1, 9))
    column = st.lists(cells, min_size=num_rows, max_size=num_rows)
    return pd.DataFrame({name: pd.Series(draw(column), dtype=object) for name in draw(names)})


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


# --- patients' rows ------------------------------------------------------------------------------------


def test_a_bare_table_has_no_tree():
    with pytest.raises(TypeError, match="a bare table"):
        RowTree(EVERYTHING, bytes(32))


@pytest.mark.parametrize("block_rows", [2, 100])
@pytest.mark.parametrize(
    "disguise",
    [
        lambda train: train,
        lambda train: train.iloc[::-1],
        lambda train: train.iloc[1:3],
        lambda train: pd.concat([train, train]),
        lambda train: pd.concat([train.iloc[1:3]] * 3),
        lambda train: train[["level", "integer"]],
        lambda train: train.astype({"integer": "float64", "level": "category"}),
    ],
    ids=["itself", "reversed", "a part", "twice", "a part thrice", "fewer columns", "other dtypes"],
)
def test_the_training_table_gets_no_tree_however_it_is_arranged(disguise, block_rows, monkeypatch):
    monkeypatch.setattr(rows, "BLOCK_ROWS", block_rows)
    with pytest.raises(ConfidentialRows, match="all of whose rows stand in the training table"):
        RowTree.build(disguise(TRAIN), TRAIN, KEY)


def test_one_row_that_was_not_trained_on_is_enough():
    """A table mixed from both goes undetected; the module's docstring says so."""
    mixed = pd.concat([TRAIN, EVERYTHING.iloc[:1]])
    assert RowTree.build(mixed, TRAIN, KEY).num_rows == 5


def test_rows_drawn_more_often_than_they_were_trained_on_are_no_copy():
    """Of two columns of few levels, every drawn row is somebody's, and that tells nothing."""
    train = pd.DataFrame({"sex": list("ffmm"), "died": [0, 1, 0, 1]})
    for counts in ([3, 1, 2, 2], [2, 3, 2, 2], [0, 2, 5, 1]):
        drawn = train.loc[np.repeat(train.index, counts)]
        assert RowTree.build(drawn, train, KEY).num_rows == sum(counts)
    for counts in ([1, 0, 1, 1], [2, 2, 2, 2], [5, 0, 5, 0], [1, 0, 0, 0]):
        with pytest.raises(ConfidentialRows):
            RowTree.build(train.loc[np.repeat(train.index, counts)], train, KEY)


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=8),
    st.lists(st.sampled_from("abcd"), max_size=8),
    st.integers(1, 3),
)
def test_a_part_of_the_training_table_gets_no_tree_however_often_it_is_repeated(part, more, times):
    train = pd.DataFrame({"level": [*part, *more]})
    with pytest.raises(ConfidentialRows):
        RowTree.build(pd.DataFrame({"level": part * times}), train, KEY)


@pytest.mark.parametrize(
    ("synthetic", "train", "error"),
    [
        (EVERYTHING, TRAIN.drop(columns="level"), ValueError),
        (EVERYTHING, TRAIN.iloc[:0], ValueError),
        (EVERYTHING.iloc[:0], TRAIN, ValueError),
        (EVERYTHING[[]], TRAIN, ValueError),
        (EVERYTHING[["integer", "integer"]], TRAIN, ValueError),
        (EVERYTHING.rename(columns={"integer": 1}), TRAIN.rename(columns={"integer": 1}), TypeError),
        ([1], TRAIN, TypeError),
        (EVERYTHING, None, TypeError),
    ],
)
def test_what_cannot_be_compared_is_refused(synthetic, train, error):
    with pytest.raises(error, match="expected"):
        RowTree.build(synthetic, train, KEY)


def test_no_error_shows_a_cell():
    train = pd.DataFrame({"name": ["Ann Smith", "Bo Li"]})
    with pytest.raises(ConfidentialRows) as caught:
        RowTree.build(train, train, KEY)
    assert "Ann" not in str(caught.value)


def test_a_release_has_the_tree_that_it_was_built_with(tmp_path):
    release = make_release(tmp_path / "release")
    synthetic = read_synthetic(release.file("synthetic.csv"), SCHEMA)
    built = RowTree.build(synthetic, synthetic.assign(age=1), KEY)
    opened = RowTree.of_release(release, KEY)
    salt = derive_salt(KEY, table_digest(synthetic))
    assert built.root == opened.root == RowTree.of_release(release, salt).root
    assert verify_row(opened.prove(1), built.root)
    assert dict(opened.prove(0).row) == {"age": 60, "sex": "f", "creatinine": 0.1}
    assert RowTree.of_release(release, bytes(32)).root != built.root


def test_the_file_of_a_tree_gives_its_root_again(tmp_path):
    release = make_release(tmp_path / "release")
    data = release.file("rows.json").read_bytes()
    synthetic = read_synthetic(release.file("synthetic.csv"), SCHEMA)
    tree = RowTree.of_release(release, KEY)
    assert describe_rows(tree) == data
    assert set(json.loads(data)) == {"format", "num_rows", "root", "salt"}
    assert read_rows_secret(data) == derive_salt(KEY, table_digest(synthetic))
    assert compute_root(synthetic, read_rows_secret(data)) == tree.root
    assert (
        compute_root(synthetic, bytes(32))
        != tree.root
        != compute_root(synthetic[::-1], read_rows_secret(data))
    )
    again = RowTree.of_release(release, read_rows_secret(data))
    assert again.prove(1) == tree.prove(1) and verify_row(again.prove(1), tree.root)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format": "synthlib-rows/2"}', b"\xff"])
def test_what_is_no_file_of_rows_is_refused(data):
    with pytest.raises(ValueError):
        read_rows_secret(data)


@pytest.mark.parametrize("salt", ["null", '"zz"', '"ab"', "7", '"' + "ab" * 33 + '"'])
def test_a_file_of_rows_without_its_secret_gives_no_root(salt):
    with pytest.raises(ValueError):
        compute_root(
            EVERYTHING, read_rows_secret(b'{"format": "synthlib-rows/1", "salt": %s}' % salt.encode())
        )


def test_a_table_without_rows_has_no_root():
    for table in (EVERYTHING.iloc[:0], EVERYTHING[[]]):
        with pytest.raises(ValueError, match="at least one row"):
            compute_root(table, bytes(32))


def test_a_release_of_the_training_table_gets_no_tree(tmp_path):
    release = make_release(tmp_path / "release")
    synthetic = read_synthetic(release.file("synthetic.csv"), SCHEMA)
    fake = make_release(tmp_path / "fake", training_commitment=commit(synthetic, KEY).hex())
    with pytest.raises(ConfidentialRows, match="the training table in its place"):
        RowTree.of_release(fake, KEY)


@pytest.mark.parametrize("kind", ["data", "study"])
def test_a_bundle_of_another_kind_gets_no_tree(tmp_path, kind):
    release = make_release(tmp_path / "release")
    with Bundle.create(tmp_path / "other", kind, release.parameters) as folder:
        for name in ("synthetic.csv", "schema.json"):
            (folder / name).write_bytes(release.file(name).read_bytes())
    with pytest.raises(ConfidentialRows, match="expected a Bundle of kind release"):
        RowTree.of_release(Bundle.open(tmp_path / "other"), KEY)


def test_a_keyed_bundle_gets_no_tree(tmp_path):
    release = make_release(tmp_path / "release")
    with Bundle.create(tmp_path / "keyed", "release", release.parameters, key=KEY) as folder:
        for name in ("synthetic.csv", "schema.json"):
            (folder / name).write_bytes(release.file(name).read_bytes())
    with pytest.raises(ConfidentialRows, match="plain digests"):
        RowTree.of_release(Bundle.open(tmp_path / "keyed", KEY), KEY)


def test_a_release_without_a_commitment_or_of_another_table_gets_no_tree(tmp_path):
    with pytest.raises(ConfidentialRows, match="a commitment"):
        RowTree.of_release(make_release(tmp_path / "release", training_commitment=None), KEY)
    with pytest.raises(ChainError, match="the table that the manifest names"):
        RowTree.of_release(make_release(tmp_path / "other", synthetic_digest="0" * 64), KEY)
    with pytest.raises(ValueError, match="32 bytes"):
        RowTree.of_release(make_release(tmp_path / "third"), b"short")


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
