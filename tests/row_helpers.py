"""Tables of every kind of cell, and trees over them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from chain_helpers import KEY
from hypothesis import strategies as st

from synthlib.chain.rows import RowTree

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
