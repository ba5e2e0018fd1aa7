"""Digests, commitments and a release's CSV: the same everywhere, and opened by their table and key alone."""

import hashlib
import hmac
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthlib.chain.commitments import (
    commit,
    open_commitment,
    read_synthetic,
    synthetic_digest,
    table_digest,
)
from synthlib.chain.table_bytes import canonical_bytes
from synthlib.keys import StewardKey
from synthlib.schema import Column, Schema

KEY = StewardKey(bytes(range(32)))


def one_column(cells, **kwargs) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.Series(cells, **kwargs)})


def test_commitment_is_hmac_of_the_bytes():
    table = one_column([1, 2])
    purpose = b"synthlib table 1"
    message = len(purpose).to_bytes(2, "big") + purpose + canonical_bytes(table)
    assert commit(table, KEY) == hmac.new(bytes(range(32)), message, hashlib.sha256).digest()


def test_unicode_is_not_normalised():
    assert table_digest(one_column(["\u00e9"])) != table_digest(one_column(["e\u0301"]))


def test_same_digest_in_another_process_with_another_hash_seed():
    code = (
        "import pandas as pd; from synthlib.chain.commitments import table_digest;"
        "print(table_digest(pd.DataFrame({'a': [1.5, None], 'b': ['x', 'y']})).hex())"
    )
    expected = table_digest(pd.DataFrame({"a": [1.5, None], "b": ["x", "y"]})).hex()
    for seed in ("0", "1"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert run.stdout.strip() == expected


def test_commitment_opens_with_its_table_and_key_only():
    table, other = one_column([1, 2]), one_column([1, 3])
    commitment = commit(table, KEY)
    assert open_commitment(commitment, table.astype("float64"), KEY)
    assert not open_commitment(commitment, other, KEY)
    assert not open_commitment(commitment, table, StewardKey(bytes(32)))
    assert not open_commitment(table_digest(table), table, KEY)


# --- reading a release's CSV ---------------------------------------------------------------------------

SCHEMA = Schema(
    (
        Column("age", "integer", "int64"),
        Column("days", "integer", "float64", nullable=True),
        Column("stays", "integer", "Int64", nullable=True),
        Column("creatinine", "continuous", "float64", nullable=True),
        Column("sex", "categorical", "object", categories=("f", "NA", "None"), nullable=True),
        Column("died", "categorical", "float64", categories=(0, 1), nullable=True),
        Column("grade", "ordinal", "category", categories=("low", "high")),
        Column("icu", "boolean", "bool", categories=(False, True)),
        Column("pain", "boolean", "object", categories=(False, True), nullable=True),
        Column("admitted", "datetime", "datetime64[ns]", nullable=True),
        Column("seen", "datetime", "object", format="%Y-%m-%d"),
        Column("id", "identifier", "object"),
    )
)


def release_table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [71, 64, 50],
            "days": [1.0, np.nan, 12.0],
            "stays": pd.array([1, None, 3], dtype="Int64"),
            "creatinine": [0.1 + 0.2, np.nan, 1e-7],
            "sex": ["NA", None, "None"],
            "died": [0.0, 1.0, np.nan],
            "grade": pd.Categorical(["low", "high", "low"]),
            "icu": [True, False, True],
            "pain": [True, None, False],
            "admitted": pd.to_datetime(["2101-01-01 10:30:00", None, "2101-01-02 00:00:00"]),
            "seen": ["2101-01-01", "2101-01-02", "2101-01-03"],
            "id": ["007", "8", 'a "quoted", é'],
        }
    )


def test_digest_of_a_csv_is_that_of_the_table_it_was_written_from(tmp_path):
    table = release_table()
    table.to_csv(tmp_path / "synthetic.csv", index=False)
    schema = Schema.from_json(SCHEMA.to_json())
    pd.testing.assert_frame_equal(
        read_synthetic(tmp_path / "synthetic.csv", schema).isna(), table.isna(), check_index_type=False
    )
    assert synthetic_digest(tmp_path / "synthetic.csv", schema) == table_digest(table)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_reals_come_back_from_csv_bit_by_bit(tmp_path_factory, numbers):
    path = tmp_path_factory.mktemp("csv") / "synthetic.csv"
    table = pd.DataFrame({"x": numbers, "y": range(len(numbers))})
    table.to_csv(path, index=False)
    schema = Schema((Column("x", "continuous", "float64"), Column("y", "integer", "int64")))
    assert synthetic_digest(path, schema) == table_digest(table)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("age,days", "days,age", "columns of the schema"),
        ("71,1.0", "x,1.0", "'age'"),
        ("True", "yes", "'icu'"),
        ("low", "mid", "'grade'"),
        ("2101-01-01 10:30:00", "soon", "'admitted'"),
    ],
)
def test_csv_that_does_not_fit_its_schema_is_refused(tmp_path, old, new, message):
    text = release_table().to_csv(index=False)
    (tmp_path / "synthetic.csv").write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        read_synthetic(tmp_path / "synthetic.csv", SCHEMA)
