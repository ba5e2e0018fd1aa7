"""De-identification by a public Schema: what comes out is declared, whoever is in the table."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthlib import Column, Schema, SchemaError, deidentify, read_table
from synthlib.schema import PrivacyError

NUM_ROWS = 60
SCHEMA = Schema(
    (
        Column("admitted", "datetime", low="2010-01-01", high="2019-12-31", format="%Y-%m-%d"),
        Column("seen", "datetime", "datetime64[ns]", low="2011-01-01", high="2020-12-31", nullable=True),
        Column("birth_date", "datetime", low="1900-01-01", high="2002-12-31", format="%Y-%m-%d"),
        Column("age", "integer", "int64", low=18, high=110),
        Column("age_group", "ordinal", categories=("18-44", "45-84", "85-94", "95+")),
        Column("zip", "categorical", categories=("02139", "10001", "60601", "03601")),
        Column("lab", "continuous", "float64", low=0, high=20, decimals=1, missing_codes=(-1,),
               nullable=True),
        Column("visits", "integer", "int64", low=0, high=9),
        Column("group", "categorical", categories=("a", "b", "c"), nullable=True),
        Column("channel", "categorical", categories=("none", "by mail", "in person", "anna@example.org")),
        Column("remark", "categorical", categories=tuple(
            f"patient was seen again after {number} days and felt well" for number in range(12))),
        Column("mrn", "identifier", "int64"),
        Column("died", "boolean", "int64", categories=(0, 1)),
    ),
    target="died",
    quasi_identifiers=("age", "zip"),
)  # fmt: skip
ODD = {
    "date": {"admitted": "1931-05-05", "seen": "1931-05-05"},
    "no date": {"admitted": "soon", "seen": "later"},
    "latest date": {"admitted": "2219-05-05", "seen": "2219-05-05"},
    "missing dates": {"admitted": None, "seen": None, "birth_date": None},
    "birth": {"birth_date": "1899-01-01"},
    "oldest": {"age": 117, "age_group": "95+"},
    "impossible age": {"age": 999, "age_group": "115-124"},
    "fraction": {"age": 63.7, "visits": 2.5},
    "missing": {"age": None, "visits": None, "group": None, "lab": None, "zip": None, "died": None},
    "text in numbers": {"age": "old", "visits": "many", "lab": "high"},
    "code": {"lab": -1},
    "outside": {"lab": 1e9, "visits": -3},
    "infinite": {"lab": float("inf"), "visits": float("-inf")},
    "zip": {"zip": "99501"},
    "zip of the same area": {"zip": "02138"},
    "no zip": {"zip": "SW1A 1AA"},
    "rare level": {"group": "d", "channel": "eve@example.org", "age_group": "5-9"},
    "free text": {"group": "he is the only one here who speaks of the sea, and of 1931-05-05"},
    "free text where it was expected": {"remark": "he asked to call his wife, Mrs. Smith"},
}


def make_table(seed=0):
    rng = np.random.default_rng(seed)
    days = pd.to_timedelta(rng.integers(0, 3000, NUM_ROWS), unit="D")
    levels = {name: rng.choice(SCHEMA[name].categories, NUM_ROWS) for name in
              ("age_group", "zip", "group", "channel", "remark", "died")}  # fmt: skip
    return pd.DataFrame(
        {
            "admitted": (pd.Timestamp("2010-03-01") + days).strftime("%Y-%m-%d"),
            "seen": (pd.Timestamp("2011-03-01") + days),
            "birth_date": (pd.Timestamp("1950-01-01") + days).strftime("%Y-%m-%d"),
            "age": rng.integers(18, 80, NUM_ROWS),
            "lab": rng.normal(8, 2, NUM_ROWS).clip(0, 20).round(1),
            "visits": rng.integers(0, 9, NUM_ROWS),
            "mrn": np.arange(NUM_ROWS),
            **levels,
        }
    )[SCHEMA.names]


def with_one_more(table, changes):
    odd = table.iloc[:1].astype(object).assign(**{name: [value] for name, value in changes.items()})
    return pd.concat([table.astype(object), odd], ignore_index=True)


def declared(table, schema=SCHEMA, **options):
    return deidentify(table, schema, public_schema=True, **options)


def decided(report):
    return report.drop(columns="changed")


@pytest.mark.parametrize("changes", ODD.values(), ids=ODD)
def test_one_patient_more_changes_neither_schema_nor_report_nor_any_other_row(changes):
    table = make_table()
    safe, schema, report = declared(table)
    more, same, told = declared(with_one_more(table, changes))
    assert same.to_json() == schema.to_json()
    pd.testing.assert_frame_equal(decided(told), decided(report))
    pd.testing.assert_frame_equal(more[:-1], safe)
    schema.check(more)


CELLS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
                  st.dates().map(str), st.datetimes(),
                  st.sampled_from(["1", "1.0", "007", "NA", "true"]))  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries({name: CELLS for name in SCHEMA.names if name != "mrn"}))
def test_whatever_a_patients_cells_hold_the_schema_is_the_same(changes):
    table = make_table().head(8)
    safe, schema, _ = declared(table)
    more, same, _ = declared(with_one_more(table, changes))
    assert same == schema
    pd.testing.assert_frame_equal(more[:-1], safe)


@pytest.mark.parametrize("changes", ODD.values(), ids=ODD)
def test_a_file_is_read_alike_whoever_is_in_it(changes, tmp_path):
    found = []
    for table in (make_table(), with_one_more(make_table(), changes)):
        table.to_csv(tmp_path / "patients.csv", index=False)
        found.append(declared(read_table(tmp_path / "patients.csv", text=True)))
    assert found[0][1] == found[1][1]
    pd.testing.assert_frame_equal(found[0][0], found[1][0][:-1])
    pd.testing.assert_frame_equal(found[0][0], declared(make_table())[0])


def test_what_comes_out_is_what_was_declared():
    safe, schema, report = declared(with_one_more(make_table(), {}))
    assert (schema["admitted"].low, schema["admitted"].high) == (2010, 2019)
    assert (schema["seen"].low, schema["seen"].high, schema["seen"].nullable) == (2011, 2020, True)
    assert (schema["birth_date"].low, schema["birth_date"].high) == (1930, 2002)  # ages of 90 in 2020
    assert (schema["age"].low, schema["age"].high, schema["age"].nullable) == (18, 90, False)
    assert schema["age_group"].categories == ("18-44", "45-84", "85+")
    assert schema["zip"].categories == ("000", "021", "100", "606") and not schema["zip"].nullable
    assert schema["channel"].categories == ("none", "by mail", "in person")
    assert schema["channel"].nullable
    assert not {"remark", "mrn"} & set(schema.names)
    assert set(safe["channel"].dropna()) == {"none", "by mail", "in person"} and safe["channel"].isna().any()
    assert report.set_index("column").loc["mrn", "action"] == "dropped"


def test_cells_become_what_is_declared():
    one = {
        name: declared(with_one_more(make_table(), changes))[0].iloc[-1].to_dict()
        for name, changes in ODD.items()
    }
    assert one["date"]["admitted"] == 2010 and np.isnan(one["date"]["seen"])  # no hole is declared: the end
    assert one["latest date"]["admitted"] == 2019 and one["birth"]["birth_date"] == 1930
    assert one["oldest"]["age"] == 90 and one["oldest"]["age_group"] == "85+"
    assert one["impossible age"]["age"] == 54 == one["missing"]["age"]  # the middle of 18 to 90
    assert one["fraction"]["age"] == 63
    assert one["zip"]["zip"] == "000" and one["zip of the same area"]["zip"] == "021"
    assert np.isnan(one["code"]["lab"]) and np.isnan(one["outside"]["lab"]) and one["outside"]["visits"] == 0
    assert pd.isna(one["rare level"]["group"]) and pd.isna(one["free text"]["group"])
    assert one["missing"]["died"] == 0


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (SCHEMA.replace("admitted", low=None), "low and high: none for admitted"),
        (SCHEMA.replace("lab", high=None), "low and high: none for lab"),
        (SCHEMA.drop(["admitted", "seen"]), "ages are judged: none for birth_date"),
        (SCHEMA.replace("zip", kind="integer", categories=(), low=0, high=99999), "levels: none for zip"),
        (Schema(SCHEMA.columns, "died", "mrn"), "one row a patient"),
    ],
)
def test_what_is_not_declared_is_asked_for_and_not_read_off_patients(schema, message):
    with pytest.raises(PrivacyError, match=message):
        declared(make_table(), schema)


def test_arguments_that_would_need_the_rows_are_refused():
    with pytest.raises(PrivacyError, match="no index_date"):
        declared(make_table(), index_date="admitted")
    with pytest.raises(SchemaError, match="not in the table"):
        declared(make_table().drop(columns="lab"))
    with pytest.raises(ValueError, match="target that may stay"):
        declared(make_table(), Schema(SCHEMA.columns, "remark"))
    without = SCHEMA.drop(["admitted", "seen"])
    assert declared(make_table(), without, reference_year=2015)[1]["birth_date"].low == 1925
    kept = declared(make_table(), keep={"birth_date": "a made-up cohort"})[1]["birth_date"]
    assert kept == SCHEMA["birth_date"]


@pytest.mark.parametrize(
    "column",
    [
        Column("city", "categorical", categories=("Boston", "Salem")),
        Column("latitude", "continuous", "float64", low=-90, high=90),
        Column("lat", "continuous", "float64", low=-90, high=90, decimals=5),
        Column("phone", "integer", "int64", low=0, high=10**10),
        Column("who", "categorical", categories=tuple(f"Anna Mary{chr(97 + n)}" for n in range(26))),
        Column("ssn", "categorical", categories=("078-05-1120", "219-09-9999")),
        Column("age", "integer", "int64", low=0, high=999),
    ],
)
def test_identifiers_go_by_what_is_declared(column):
    table = make_table().assign(**{column.name: "x"})
    schema = Schema((*SCHEMA.drop(["age"]).columns, column), "died")
    assert column.name not in declared(table, schema)[1].names


def test_dates_written_as_numbers_or_levels_become_years():
    columns = (
        Column("visit_date", "integer", "int64", low=20100101, high=20191231),
        Column("month_year", "categorical", categories=("Mar 2015", "Apr 2016", "unknown")),
        Column("date", "integer", "int64", low=2001, high=2009),
    )
    table = make_table().assign(visit_date=20120305, month_year="Apr 2016", date=2005)
    safe, schema, _ = declared(table, Schema((*SCHEMA.columns, *columns), "died"))
    assert safe[["visit_date", "month_year", "date"]].iloc[0].tolist() == [2012, 2016, 2005]
    assert (schema["visit_date"].low, schema["visit_date"].high) == (2010, 2019)
    assert (schema["month_year"].low, schema["month_year"].high) == (2015, 2016)
    assert schema["month_year"].nullable and (schema["date"].low, schema["date"].high) == (2001, 2009)
