"""Dates, ages and places: what of them may stay."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from deidentification_helpers import NUM_ROWS, row_of, with_column, with_text

from synthlib import Schema, deidentify
from synthlib.data.deidentification import RESTRICTED_ZIPS

DAYS = pd.date_range("2019-11-20", periods=NUM_ROWS, freq="37D")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (DAYS, "datetime"),
        (DAYS.strftime("%Y-%m-%d"), "datetime"),
        (DAYS.strftime("%m/%d/%Y"), "categorical"),
        (DAYS.strftime("%d %b %Y"), "categorical"),
        (DAYS.strftime("%Y%m%d"), "categorical"),
        (DAYS.strftime("%Y%m%d").astype(int), "integer"),
    ],
)
def test_dates_become_years(values, kind):
    if kind == "categorical":
        table, schema = with_text(values.tolist())
        table = table.rename(columns={"remark": "seen_on"})
        schema = Schema(tuple(replace(column, name=name) for column, name in zip(schema, table, strict=True)))
    else:
        table, schema = with_column("seen_on", values, kinds={"seen_on": kind})
    result, smaller, report = deidentify(table, schema)
    assert result["seen_on"].tolist() == DAYS.year.tolist()
    assert smaller["seen_on"].kind == "integer" and (smaller["seen_on"].low, smaller["seen_on"].high) == (
        2019,
        2023,
    )
    assert row_of(report, "seen_on")["class"] == "C" and row_of(report, "seen_on")["action"] == "to year"


def test_dates_become_days_since_the_index_date():
    table = pd.DataFrame(
        {
            "admit": DAYS,
            "discharge": DAYS + pd.Timedelta(days=3),
            "seen": DAYS - pd.Timedelta(hours=36),
            "died": [pd.NaT, *(DAYS[1:] + pd.Timedelta(days=9))],
            "x": np.arange(NUM_ROWS) % 3,
        }
    )
    result, schema, report = deidentify(table, Schema.infer(table), index_date="admit")
    assert result["admit"].tolist() == DAYS.year.tolist()
    assert (result["discharge"] == 3).all() and schema["discharge"].kind == "integer"
    assert (result["seen"] == -1.5).all() and schema["seen"].kind == "continuous"
    assert result["died"].isna().sum() == 1 and (result["died"].dropna() == 9).all()
    assert row_of(report, "died")["action"] == "to days since admit"
    left = DAYS + pd.to_timedelta(np.arange(NUM_ROWS) * 17 + 3, unit="D")
    stays = pd.DataFrame({"admit": DAYS, "left": left})
    _, staying, _ = deidentify(stays, Schema.infer(stays), index_date="admit")
    assert (staying["left"].low, staying["left"].high) == (0, 670)  # 3 and 666 are one patient's each
    again, _, second = deidentify(result, schema)
    pd.testing.assert_frame_equal(again, result)
    assert set(second["changed"]) == {"0"}


def test_birth_years_do_not_tell_ages_above_89():
    born = pd.to_datetime([f"{1900 + 3 * n}-06-01" for n in range(NUM_ROWS)])
    table = pd.DataFrame(
        {
            "dob": born,
            "admitted": pd.Timestamp("2020-02-02"),
            "birth_year": born.year,
            "x": np.arange(NUM_ROWS) % 3,
        }
    )
    years = {"birth_year": "integer"}
    result, schema, report = deidentify(table, Schema.infer(table, kinds=years))
    expected = np.maximum(born.year, 1930)
    assert result["dob"].tolist() == result["birth_year"].tolist() == expected.tolist()
    assert schema["dob"].low == 1930 and row_of(report, "dob")["action"] == "to year, at least 1930"
    alone = table.drop(columns="admitted")
    _, left, report = deidentify(alone, Schema.infer(alone, kinds=years))
    assert "dob" not in left.names and "no other date" in row_of(report, "dob")["reason"]
    result, *_ = deidentify(alone, Schema.infer(alone, kinds=years), reference_year=2010)
    assert result["dob"].min() == 1920


@pytest.mark.parametrize(
    ("name", "ages", "expected"),
    [
        ("age", [17, 89, 90, 103], [17, 89, 90, 90]),
        ("age_at_entry", [17.9, 89.99, 90.0, 101.8], [17, 89, 90, 90]),
        ("AgeYears", [1.0, np.nan, 95.0, 90.0], [1, np.nan, 90, 90]),
        ("age_months", [12, 1079, 1080, 1200], [12, 1079, 1080, 1080]),
    ],
)
def test_ages_are_completed_and_at_most_90(name, ages, expected):
    table, schema = with_column(name, ages * 10)
    result, smaller, report = deidentify(table, schema)
    np.testing.assert_array_equal(result[name].to_numpy(dtype=float), np.array(expected * 10, dtype=float))
    assert smaller[name].kind == "integer" and smaller[name].high == max(expected)
    assert row_of(report, name)["class"] == "C"


@pytest.mark.parametrize(
    "name",
    [
        "ageatadmission",
        "admitage",
        "years_old",
        "edad",
        "alter",
        "AgeAtDx",
        "patientenalter",
        "age_corrected",
        "âge",
        "index_age",
    ],
)
def test_ages_are_recognised_however_they_are_spelt(name):
    table, schema = with_column(name, [30, 92, 95, 41] * 10)
    result, *_ = deidentify(table, schema)
    assert result[name].tolist() == [30, 90, 90, 41] * 10


def test_a_cohort_of_the_oldest_is_one_group_and_a_code_for_missing_hides_no_age():
    table, schema = with_column("age", [91, 95, 99, 103] * 10)
    result, smaller, _ = deidentify(table, schema)
    assert set(result["age"]) == {90} and smaller["age"].low == smaller["age"].high == 90
    ages = [*range(60, 96), -1, -1, -1, -1]
    table, schema = with_column("age_at_entry", ages, kinds={"age_at_entry": "integer"})
    assert deidentify(table, schema)[0]["age_at_entry"].max() == 90
    table, schema = with_column("age", [7000, 32999, 9000, 12000] * 10)
    assert row_of(deidentify(table, schema)[2], "age")["action"] == "dropped"


@pytest.mark.parametrize(
    "values",
    [["2019-07", "2020-11"], ["07/2019", "7/2020"], ["Apr 2019", "April 2020"], ["2019 Apr", "2020-Jun"]],
)
def test_months_of_a_year_become_years(values):
    table, schema = with_column("remark", values * 20)
    result, _, report = deidentify(table, schema)
    assert result["remark"].tolist() == [2019, 2020] * 20
    assert row_of(report, "remark")["reason"] == "only the year of a date may stay"


def test_age_bands_above_89_become_one():
    table, schema = with_column("age_group", ["18-64", "65-84", "85-94", "95+"] * 10)
    result, smaller, _ = deidentify(table, schema)
    assert set(result["age_group"]) == set(smaller["age_group"].categories) == {"18-64", "65-84", "85+"}
    table, schema = with_column("age_group", ["0-64", "65-89", "> 89", "0-64"] * 10)
    assert row_of(deidentify(table, schema)[2], "age_group")["action"] == "kept"


@pytest.mark.parametrize(
    "values",
    [
        ["02139", "90210", "03601", "82101"],
        [2139, 90210, 3601, 82101],
        ["02139-1234", "90210-0001", "03601", "82101"],
        [2139.0, 90210.0, 3601.0, 82101.0],
    ],
)
def test_zip_codes_keep_three_digits_where_enough_people_live(values):
    table, schema = with_column("zip_code", values * 10, kinds={"zip_code": "categorical"})
    result, smaller, report = deidentify(table, schema)
    assert result["zip_code"].tolist() == ["021", "902", "000", "000"] * 10
    assert smaller["zip_code"].categories == ("000", "021", "902")
    assert row_of(report, "zip_code")["action"] == "first 3 digits"


def test_all_restricted_areas_are_withheld_and_foreign_codes_dropped():
    assert len(RESTRICTED_ZIPS) == 19 and all(len(prefix) == 3 for prefix in RESTRICTED_ZIPS)
    codes = sorted(RESTRICTED_ZIPS)
    table, schema = with_column("zip", [codes[n % 19] + "01" for n in range(NUM_ROWS)])
    assert set(deidentify(table, schema)[0]["zip"]) == {"000"}
    table, schema = with_column("postcode", ["SW1A 1AA", "M1 1AE"] * 20)
    assert row_of(deidentify(table, schema)[2], "postcode")["action"] == "dropped"


def test_states_stay():
    table, schema = with_column("state", ["MA", "NY"] * 20)
    assert deidentify(table, schema)[0]["state"].tolist() == ["MA", "NY"] * 20
