import json

import numpy as np
import pandas as pd
import pytest

from synthlib.bundle import Bundle
from synthlib.paper.numbers import Numbers, NumbersError, score_table, with_interval, write_numbers
from synthlib.scores import Score, to_report


@pytest.fixture
def bundle(tmp_path):
    with Bundle.create(tmp_path / "bundles" / "04_release", "release", {}) as folder:
        (folder / "a.csv").write_text("1\n")
    return Bundle.open(tmp_path / "bundles" / "04_release")


@pytest.fixture
def report():
    return to_report(
        [
            Score("c2st", 0.612, 0.58, 0.64, 0.5),
            Score("ks[age]", 0.1, 0.0, 0.2, 0.1),
            Score("copies", 0.0, 0, 0, np.nan),
        ]
    )


def test_written_numbers_are_read_back(tmp_path, bundle, report):
    sections = {"gan": report, "cohort": {"num_rows": np.int64(9105), "name": "SUPPORT2", "parts": (1, 2)}}
    write_numbers(tmp_path / "paper" / "results.json", sections, [bundle])
    numbers = Numbers.read(tmp_path / "paper" / "results.json")
    assert numbers.bundles == {"04_release": bundle.digest}
    assert numbers.get("cohort.num_rows") == 9105
    assert numbers.get("cohort.parts") == [1, 2]
    assert numbers.get("gan.c2st.value") == 0.612
    assert numbers.score("gan.c2st") == "0.61 (0.58 to 0.64)"


def test_equal_numbers_give_equal_bytes(tmp_path, bundle, report):
    for name in ("one.json", "two.json"):
        write_numbers(tmp_path / name, {"gan": report, "a": {"x": 1.0}}, [bundle])
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_score_table_holds_overall_scores_only(report):
    table = score_table(report)
    assert set(table) == {"c2st", "copies"}
    assert table["copies"] == {"value": 0.0, "low": 0.0, "high": 0.0, "reference": None}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("gan.mia.value", "gan has no 'mia'"),
        ("gan.c2st.middle", "gan.c2st has no 'middle'"),
        ("nothing", "the results has no 'nothing'"),
        ("gan", "it is a section"),
        ("gan.copies.reference", "it is empty"),
        ("gan.c2st.value.digit", "a single value"),
    ],
)
def test_missing_number_is_named(tmp_path, bundle, report, key, message):
    numbers = write_numbers(tmp_path / "results.json", {"gan": report}, [bundle])
    with pytest.raises(NumbersError, match="no number") as caught:
        numbers.get(key)
    assert message in str(caught.value)
    assert repr(key) in str(caught.value)


@pytest.mark.parametrize(
    "sections",
    [
        {"bundles": {}},
        {"a.b": 1},
        {"a": {"b.c": 1}},
        {"a": {1: 2}},
        {"a": {"b": object()}},
        {"a": {"b": float("inf")}},
    ],
)
def test_refuses_what_no_key_or_json_can_hold(tmp_path, bundle, sections):
    with pytest.raises(ValueError):
        write_numbers(tmp_path / "results.json", sections, [bundle])
    assert not (tmp_path / "results.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "other"}', "\u0000"])
def test_refuses_what_are_no_results(tmp_path, text):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(NumbersError, match="last notebook"):
        Numbers.read(tmp_path / "results.json")


def test_no_results_yet(tmp_path):
    with pytest.raises(NumbersError, match="found none"):
        Numbers.read(tmp_path / "results.json")


def test_bundles_that_changed_since_are_named(tmp_path, bundle):
    numbers = write_numbers(tmp_path / "results.json", {}, [bundle])
    numbers.check_bundles(tmp_path / "bundles")
    numbers.check_bundles(tmp_path / "elsewhere")
    manifest = bundle.path / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"kind": "other"}))
    with pytest.raises(NumbersError, match="04_release"):
        numbers.check_bundles(tmp_path / "bundles")


def test_with_interval():
    assert with_interval(0.5, 0.456, 0.544) == "0.50 (0.46 to 0.54)"
    assert with_interval(0.5, float("nan"), float("nan"), digits=1) == "0.5"


def test_report_columns_are_those_of_score(report):
    assert isinstance(report, pd.DataFrame)
    assert list(report.columns) == list(Score._fields)
