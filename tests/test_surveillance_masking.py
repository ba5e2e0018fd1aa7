"""No masked period of surveillance follows from the total and the others."""

import numpy as np
import pandas as pd
import pytest

import synthlib as sl
from synthlib.evaluation.usefulness.cases import follow_up_incidence, surveillance

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
    train, _ = count({2000: (80, 30), 2001: (50, 9), 2002: (60, 30), 2003: (51, 8)})
    assert train.index[train.isna().all(axis=1)].tolist() == [2001, 2003]
    # nine patients, of whom five are ill, would follow from the totals
    train, _ = count({2000: (80, 30), 2001: (4, 0), 2002: (60, 30), 2003: (5, 5)})
    assert train.index[train.isna().all(axis=1)].tolist() == [2001, 2002, 2003]
    assert count({2000: (80, 30), 2002: (60, 30)})[0].notna().all(axis=None)


@pytest.mark.parametrize(("deaths", "hidden"), [((40, 3, 12, 25), [1, 2]), ((40, 12, 13, 25), [])])
def test_no_masked_interval_of_follow_up_follows_from_the_total(deaths, hidden):
    days = np.concatenate([np.full(k, 10 * place + 5) for place, k in enumerate(deaths)] + [np.full(50, 40)])
    schema = sl.Schema((sl.Column("days", "integer", "int64", low=0, high=40), SCHEMA["ill"]))
    table = pd.DataFrame({"days": days, "ill": (days < 40).astype(int)})
    found = follow_up_incidence(table, table, schema, "days", "ill", range(0, 50, 10)).set_index("table")
    train = found.loc["train"].reset_index()
    assert train.index[train["events"].isna()].tolist() == hidden
    assert found.loc["synthetic", "events"].tolist() == list(deaths)


def test_who_dies_on_the_first_day_is_counted():
    schema = sl.Schema((sl.Column("days", "integer", "int64", low=0, high=40), SCHEMA["ill"]))
    table = pd.DataFrame({"days": [0] * 20 + [10] * 30 + [20] * 40, "ill": [1] * 50 + [0] * 40})
    found = follow_up_incidence(table, table, schema, "days", "ill", [0, 10, 20])
    found = found.set_index(["table", "start"])
    assert found.loc[("train", 0), ["at_risk", "events"]].tolist() == [90, 50]
    assert found.loc[("train", 10), ["at_risk", "events"]].tolist() == [40, 0]


def test_a_year_alone_has_no_other_to_hide_it():
    assert count({2001: (4, 0)})[0].isna().all(axis=None)
