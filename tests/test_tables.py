"""Reading and writing tables: what a file says comes back, what it does not say is not guessed."""

import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthlib import read_table, write_table


def write(folder, text, name="table.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_codes_keep_their_characters_and_numbers_become_numbers(tmp_path):
    table = read_table(write(tmp_path, (
        "icd,zip,sci,plus,count,gap,lab,flag,half,word,big,tiny\n"
        "0389,02139,1e5,+1,1,1,0.50,True,TRUE,NA,12345678901234567890,1e-05\n"
        "4019,90210,2e3,+2,-2,,12,False,,None,1,2.5\n"
    )))
    assert table["icd"].tolist() == ["0389", "4019"]
    assert table["zip"].tolist() == ["02139", "90210"]
    assert table["sci"].tolist() == ["1e5", "2e3"]
    assert table["plus"].tolist() == ["+1", "+2"]
    assert table["count"].dtype == "int64" and table["count"].tolist() == [1, -2]
    assert table["gap"].dtype == "float64" and table["gap"].isna().tolist() == [False, True]
    assert table["lab"].dtype == "float64" and table["lab"].tolist() == [0.5, 12.0]
    assert table["flag"].dtype == "bool" and table["flag"].tolist() == [True, False]
    assert table["half"].dtype == object and table["half"][0] is True and np.isnan(table["half"][1])
    assert table["word"].tolist() == ["NA", "None"]
    assert table["big"].tolist() == ["12345678901234567890", "1"]
    assert table["tiny"].tolist() == [1e-05, 2.5]


def test_codes_for_missing_count_among_numbers_only(tmp_path):
    table = read_table(write(tmp_path, "lab,group\n1.5,NA\nNA,B\nnan,NULL\n"))
    assert table["lab"].isna().tolist() == [False, True, True]
    assert table["group"].tolist() == ["NA", "B", "NULL"]


def test_integers_that_float64_cannot_hold_stay_text_when_some_are_missing(tmp_path):
    table = read_table(write(tmp_path, f"a,b,c\n{2**53 + 1},{2**53},{2**62}\n,,1\n"))
    assert table["a"][0] == str(2**53 + 1)
    assert table["b"][0] == float(2**53)
    assert table["c"].tolist() == [2**62, 1]


def test_named_columns_stay_text(tmp_path):
    path = write(tmp_path, "icd,n\n250.00,1\n401.9,2\n")
    assert read_table(path)["icd"].tolist() == [250.0, 401.9]
    assert read_table(path, text=["icd"])["icd"].tolist() == ["250.00", "401.9"]
    with pytest.raises(ValueError, match="text: expected columns of the file, got code"):
        read_table(path, text=["code"])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_are_found(tmp_path, delimiter):
    path = write(tmp_path, delimiter.join(["a", '"b, or; c"']) + "\n" + delimiter.join(["x", "2"]) + "\n")
    assert read_table(path).to_dict("list") == {"a": ["x"], "b, or; c": [2]}


def test_byte_order_mark_crlf_and_quoted_line_ends(tmp_path):
    table = read_table(write(tmp_path, '\ufeffa,b\r\n"x\r\ny",1\r\nz,2\r\n'))
    assert table.to_dict("list") == {"a": ["x\r\ny", "z"], "b": [1, 2]}


def test_gzip_is_read_and_written_without_a_clock(tmp_path):
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    first = write_table(table, tmp_path / "one.csv.gz").read_bytes()
    assert first == write_table(table, tmp_path / "two.csv.gz").read_bytes()
    pd.testing.assert_frame_equal(read_table(tmp_path / "one.csv.gz"), table)
    (tmp_path / "cut.csv.gz").write_bytes(first[:-6])
    with pytest.raises(ValueError, match="whole gzip file"):
        read_table(tmp_path / "cut.csv.gz")


@pytest.mark.parametrize(("text", "message"), [
    ("", "the file is empty"),
    ("\n\n", "the file is empty"),
    ("a,b,a\n1,2,3\n", "several of: a"),
    (",b\n1,2\n", "found none for column 1"),
    ("a,b\n1,2\n11,22,secret\n", "expected 2 fields in each row as in the header, row 3 .* has 3"),
    ("a,b\n1,2\nsecret\n", "row 3 .* has 1"),
    ("a,b\nsecret,2,3\n", "row 2 .* has 3"),
])
def test_damaged_files_are_refused_without_showing_cells(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_table(write(tmp_path, text))
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize("text", ["a,b\n1,Zoë\n", "Zoë,b\n1,2\n"])
def test_other_encodings_are_refused(tmp_path, text):
    with pytest.raises(ValueError, match="expected text encoded as UTF-8") as caught:
        read_table(write(tmp_path, text, encoding="latin-1"))
    assert "Zo" not in str(caught.value)


def test_wrong_places_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="found none"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(FileNotFoundError, match="found a folder"):
        read_table(tmp_path)
    with pytest.raises(ValueError, match=r"ends in one of \.csv"):
        read_table(write(tmp_path, "a,b\n", name="table.xlsx"))
    with pytest.raises(ValueError, match="cannot be read as one"):
        read_table(write(tmp_path, "a,b\n", name="table.parquet"))


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    table = read_table(write(tmp_path, "a,b\n"))
    assert list(table.columns) == ["a", "b"] and len(table) == 0


def test_parquet_keeps_text_and_types(tmp_path):
    table = pd.DataFrame({
        "icd": ["0389", None], "n": [1, 2], "gap": [1.5, np.nan], "flag": [True, False],
        "day": pd.to_datetime(["2020-01-01", "2020-02-01"]),
    })
    stored = table.assign(level=pd.Categorical(["x", "y"])).set_index(pd.Index([5, 7]))
    stored.to_parquet(tmp_path / "t.parquet")
    found = read_table(tmp_path / "t.parquet")
    assert found["icd"][0] == "0389" and found["icd"].isna()[1]
    assert found["level"].tolist() == ["x", "y"] and found["level"].dtype == object
    dtypes = found[["n", "gap", "flag", "day"]].dtypes.astype(str).tolist()
    assert dtypes == ["int64", "float64", "bool", "datetime64[ns]"]
    assert found.columns.tolist() == [*table.columns, "level"]
    pd.DataFrame({"a": [[1], [2]], "b": [1, 2]}).to_parquet(tmp_path / "nested.parquet")
    with pytest.raises(ValueError, match="got others in a"):
        read_table(tmp_path / "nested.parquet")


@pytest.mark.parametrize(("table", "message"), [
    (pd.DataFrame([[1, 2]], columns=["a", "a"]), "several of: a"),
    (pd.DataFrame([[1, 2]]), "names that are text"),
    (pd.DataFrame({"a": [np.inf], "b": [1.0]}), "infinite ones in a"),
])
def test_what_cannot_be_written_is_refused_and_nothing_is_left(tmp_path, table, message):
    with pytest.raises(ValueError, match=message):
        write_table(table, tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"ends in \.csv"):
        write_table(table, tmp_path / "t.json")
    assert not list(tmp_path.iterdir())


def test_bytes_are_as_documented(tmp_path):
    table = pd.DataFrame(
        {"x": [0.1, 1.0, np.nan], "n": [1, 2, 3], "t": ["a,b", 'q"', np.nan], "f": [True, False, True]}
    )
    path = write_table(table, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_table(path), table)
    assert path.read_bytes() == b'x,n,t,f\n0.1,1,"a,b",True\n1.0,2,"q""",False\n,3,,True\n'


def test_dates_are_written_as_days_or_with_the_time(tmp_path):
    days = pd.to_datetime(["2020-02-29", None])
    table = pd.DataFrame({"day": days, "time": days + pd.Timedelta(hours=13)})
    path = write_table(table, tmp_path / "t.csv")
    assert path.read_text() == "day,time\n2020-02-29,2020-02-29 13:00:00\n,\n"
    for name in table:
        pd.testing.assert_series_equal(pd.to_datetime(read_table(path)[name]), table[name])


def test_a_column_alone_keeps_its_missing_cells(tmp_path):
    table = pd.DataFrame({"a": [1.0, np.nan, 2.0, np.nan]})
    pd.testing.assert_frame_equal(read_table(write_table(table, tmp_path / "t.csv")), table)


def test_carriage_returns_stay_in_their_cells(tmp_path):
    table = pd.DataFrame({"a\rb": ["x\ry", "\r", "z\r\n"], "n": [1, 2, 3]})
    pd.testing.assert_frame_equal(read_table(write_table(table, tmp_path / "t.csv")), table)


cells = st.one_of(
    st.sampled_from(["", "NA", "nan", "0", "-1", "007", "1.50", "1e5", "1e-7", " 3"]),
    st.sampled_from(["True", "False", "TRUE", '"', ",", ";", "\n", "\r"]),
    st.text(alphabet=string.printable, max_size=4),
    st.text(max_size=3),
    st.integers(-(2**65), 2**65).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
columns = st.one_of(
    st.lists(cells, min_size=5, max_size=5),
    st.lists(st.sampled_from(["0", "1", "", "2.5"]), min_size=5, max_size=5),
    st.lists(st.sampled_from(["True", "False", ""]), min_size=5, max_size=5),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(columns, min_size=2, max_size=4))
def test_what_was_read_is_written_and_read_again_unchanged(tmp_path_factory, grid):
    folder = tmp_path_factory.mktemp("grid")
    frame = pd.DataFrame({f"column {place}": values for place, values in enumerate(grid)})
    table = read_table(write_table(frame, folder / "text.csv"))
    first = write_table(table, folder / "first.csv")
    again = read_table(first)
    pd.testing.assert_frame_equal(again, table, check_exact=True)
    assert write_table(again, folder / "second.csv").read_bytes() == first.read_bytes()
    for name in frame:  # text that stayed text is what the file held
        if table[name].dtype == object:
            kept = table[name].notna()
            found = [str(value).lower() for value in table[name][kept]]
            assert found == frame[name][kept].str.lower().tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_infinity=False), min_size=2, max_size=6),
       st.lists(st.integers(-(2**63), 2**63 - 1), min_size=6, max_size=6))
def test_numbers_survive_exactly(tmp_path_factory, floats, integers):
    counts = pd.Series(integers[: len(floats)], dtype="int64")
    table = pd.DataFrame({"x": pd.Series(floats, dtype=float), "n": counts})
    found = read_table(write_table(table, tmp_path_factory.mktemp("numbers") / "t.csv"))
    assert found["n"].tolist() == table["n"].tolist()
    if table["x"].notna().any():
        np.testing.assert_array_equal(found["x"].to_numpy(), table["x"].to_numpy())
