"""What is written: one encoding of a value, and files that are whole or not there."""

import json
import os
import stat

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from synthlib.writing import canonical_json, write_atomically

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)  # without lone surrogates

# The encoding

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


@given(JSON)
def test_canonical_json_reads_back_to_the_same_value_and_bytes(value):
    data = canonical_json(value)
    assert json.loads(data) == value
    assert canonical_json(json.loads(data)) == data
    assert data.endswith(b"\n")


@given(st.dictionaries(st.integers() | TEXT, st.integers(), max_size=6), st.randoms())
def test_canonical_json_does_not_depend_on_the_order_of_keys(value, random):
    assume(len({str(key) for key in value}) == len(value))
    shuffled = list(value.items())
    random.shuffle(shuffled)
    assert canonical_json(dict(shuffled)) == canonical_json(value)
    assert canonical_json(json.loads(canonical_json(value))) == canonical_json(value)


def test_canonical_json_to_the_byte():
    lines = ["{", ' "a": {},', ' "b": [', "  1,", "  2.5,", '  "é"', " ]", "}", ""]
    assert canonical_json({"b": [1, 2.5, "é"], "a": {}}) == "\n".join(lines).encode()


def test_canonical_json_takes_what_numpy_and_paths_hold(tmp_path):
    plain = {"a": 1, "b": 0.5, "c": True, "d": [1, 2], "e": "x/y"}
    rich = {
        "a": np.int64(1),
        "b": np.float64(0.5),
        "c": np.bool_(True),
        "d": {2, 1},
        "e": type(tmp_path)("x") / "y",
    }
    assert canonical_json(rich) == canonical_json(plain)


@pytest.mark.parametrize("value", [object(), b"bytes", 1 + 2j, np.zeros(2), {(1, 2): 3}])
def test_canonical_json_refuses_what_json_cannot_hold(value):
    with pytest.raises(TypeError):
        canonical_json({"x": value})


@pytest.mark.parametrize("value", [float("nan"), -float("inf"), "\ud800", {1: "a", "1": "b"}])
def test_canonical_json_refuses_what_would_not_read_back(value):
    with pytest.raises(ValueError, match=r"JSON|float|surrogates|keys"):
        canonical_json({"x": value})


# Files


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_atomically(tmp_path / "a", b"first", mode=0o600)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600

    def fail(*_):
        raise OSError("disk")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="disk"):
        patched.setattr(os, "replace", fail)
        write_atomically(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
