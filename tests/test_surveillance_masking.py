"""No masked period of surveillance follows from the total and the others."""

import numpy as np
import pandas as pd
import pytest

import synthlib as sl
from synthlib.evaluation.usefulness.cases import surveillance

SCHEMA = sl.Schema(
    (
        sl.Column("year", "integer", "int64", low=2000, high=2009, decimals=0),
        sl.Column("ill", "boolean", "int64", categories=(0, 1)),
    )
)


def count(years):
    """Surveillance of a table of {year: (patients, events)}, and the total of patients."""
    year = np.repeat(list(years), [patients for patients, _ in years.values()])
    ill = np.concatenate([np.arange(patients) < events for patients, events in years.values()]).astype(int)
    table = pd.DataFrame({"year": year, "ill": ill})
    found = surveillance(table, table, SCHEMA, "year", "ill", 1).set_index(["table", "period"])
    return found.loc["train"], found.loc["synthetic"]


@pytest.mark.parametrize("small", [(4, 0), (40, 3), (40, 37)])
def test_one_masked_year_takes_the_smallest_other_with_it(small):
    train, synthetic = count({2000: (80, 30), 2001: small, 2002: (60, 30), 2003: (90, 40)})
    assert train.index[train.isna().all(axis=1)].tolist() == [2001, 2002]
    assert train.loc[[2000, 2003]].notna().all(axis=None) and synthetic.notna().all(axis=None)


def test_two_masked_years_hide_each_other_and_none_takes_none():
    train, _ = count({2000: (80, 30), 2001: (4, 0), 2002: (60, 30), 2003: (5, 5)})
    assert train.index[train.isna().all(axis=1)].tolist() == [2001, 2003]
    assert count({2000: (80, 30), 2002: (60, 30)})[0].notna().all(axis=None)


def test_a_year_alone_has_no_other_to_hide_it():
    assert count({2001: (4, 0)})[0].isna().all(axis=None)
