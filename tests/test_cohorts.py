"""SUPPORT2 as it ships: the published values, restored to what was measured, under a Schema that fits."""

import gzip
import hashlib
import re
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from synthlib import Schema, load_support2, support2_schema
from synthlib.data.cohorts import restore_decimals

FOLDER = files("synthlib.data")


@pytest.fixture(scope="module")
def table():
    return load_support2()


@pytest.fixture(scope="module")
def published():
    return pd.read_csv(FOLDER / "support2.csv.gz", compression="gzip")


def test_the_file_is_the_one_its_licence_describes():
    packed = (FOLDER / "support2.csv.gz").read_bytes()
    data = gzip.decompress(packed)
    assert hashlib.sha256(data).hexdigest() in (FOLDER / "SUPPORT2-LICENCE.md").read_text()
    assert packed[4:8] == bytes(4)  # gzip's time stamp


def test_shape_outcome_and_missing_cells_are_as_published(table, published):
    assert table.shape == (9105, 48) and list(table.columns) == list(published.columns)
    assert table["hospdead"].sum() == 2360 and table["death"].sum() == 6201
    pd.testing.assert_frame_equal(table.isna(), published.isna())


def test_cut_numbers_are_put_back():
    cut = pd.Series([1.7998047, 0.09999084, 7.459961, -3.5996094, 0.0, np.nan, 1e-7, 266.625])
    assert restore_decimals(cut, 2)[:5].tolist() == [1.8, 0.1, 7.46, -3.6, 0.0]
    assert np.isnan(restore_decimals(cut, 2)[5])
    assert restore_decimals(cut, 2)[6:].tolist() == [0.0, 266.63]


@pytest.mark.parametrize(
    "column", ["sps", "surv2m", "surv6m", "wblc", "temp", "pafi", "alb", "bili", "crea", "ph"]
)
def test_restored_numbers_are_cut_to_the_published_ones(table, published, column):
    """Keeping 12 bits of the fraction of what was restored gives what was published."""
    restored, given = table[column].dropna().to_numpy(), published[column].dropna().to_numpy()
    bits = restored.view(np.uint64) >> np.uint64(40) << np.uint64(40)  # 52 - 12 bits off
    same = np.isclose(bits.view(float), given, rtol=5e-7, atol=0)
    rounded = ~same  # finer than the column's decimals: PaO2/FiO2 is a quotient
    assert same.mean() > (0.64 if column == "pafi" else 0.999)
    decimals = support2_schema()[column].decimals
    assert np.abs(restored - given)[rounded].max(initial=0) <= 0.5 * 10.0**-decimals + 1e-9
    assert (np.abs(restored - given)[same] <= given[same] * 2.0**-12).all()


def test_other_columns_are_rounded_or_untouched_and_the_licence_counts_the_cells(table, published):
    changed = {}
    for column in support2_schema():
        given, found = published[column.name], table[column.name]
        if given.dtype == object:
            assert (given.fillna("") == found.fillna("")).all()
            continue
        changed[column.name] = int(((given != found) & given.notna()).sum())
        if column.decimals is not None:
            assert (given - found).abs().max() <= max(0.5 * 10.0**-column.decimals, given.max() / 4096) + 1e-9
            assert (found.dropna() == found.dropna().round(column.decimals)).all()
    text = (FOLDER / "SUPPORT2-LICENCE.md").read_text()
    numbers = [int(number.replace(",", "")) for number in re.findall(r"\d{2,3},\d{3}", text)]
    assert sum(changed.values()) in numbers and int(published.notna().sum().sum()) in numbers


def test_the_schema_holds_the_table(table):
    schema = support2_schema()
    conformed = schema.conform(table)
    schema.check(conformed)
    for column in schema:  # says what is there, no more and no less
        assert column.nullable == conformed[column.name].isna().any(), column.name
        if column.is_discrete:
            assert set(conformed[column.name].dropna()) == set(column.categories), column.name
        assert column.description, column.name
    assert Schema.from_json(schema.to_json()) == schema


def test_impossible_values_become_missing_and_nothing_else(table):
    conformed = support2_schema().conform(table)
    lost = (conformed.isna() & table.notna()).sum()
    zeros = {"hrt": 83, "resp": 65, "meanbp": 51, "wblc": 10, "glucose": 1, "totcst": 17}
    assert lost[lost > 0].to_dict() == zeros | {"totmcst": 104, "alb": 3}
    for name in zeros:
        assert (table[name][conformed[name].isna() & table[name].notna()] == 0).all()
    assert int(lost.sum()) == 334 and "334 values" in (FOLDER / "SUPPORT2-LICENCE.md").read_text()


def test_leaks_know_the_outcome_and_features_do_not(table):
    """What is left to predict with is what was known on day 3: no single feature separates the dead."""
    from sklearn.metrics import roc_auc_score

    schema = support2_schema()
    assert schema.target == "hospdead" and set(schema.leaks) & set(schema.features) == set()
    assert {"slos", "d.time", "surv6m", "sfdm2", "death", "dnr"} <= set(schema.leaks)
    for name in schema.features:
        codes = pd.factorize(table[name])[0] if schema[name].is_discrete else table[name].fillna(-1)
        rates = table["hospdead"].groupby(codes).mean() if schema[name].is_discrete else None
        score = pd.Series(codes).map(rates) if rates is not None else codes
        area = roc_auc_score(table["hospdead"], score)
        assert max(area, 1 - area) < 0.75, name
    assert schema["sno"].kind == "identifier" and "sno" not in schema.features
    assert schema["income"].kind == "ordinal" and schema["income"].categories[0] == "under $11k"
