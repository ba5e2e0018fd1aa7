"""Patients' rows get no proof: which trees and files of rows are refused."""

import json

import numpy as np
import pandas as pd
import pytest
from chain_helpers import KEY, SCHEMA, make_release
from hypothesis import given
from hypothesis import strategies as st
from row_helpers import EVERYTHING, TRAIN

from synthlib.bundle import Bundle
from synthlib.chain import rows
from synthlib.chain.commitments import commit, read_synthetic, table_digest
from synthlib.chain.errors import ChainError
from synthlib.chain.rows import (
    ConfidentialRows,
    RowTree,
    compute_root,
    derive_salt,
    describe_rows,
    read_rows_secret,
    verify_row,
)


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
