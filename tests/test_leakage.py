"""The whole report: conclusions against controls, small and odd tables, same seed same report."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leakage_tables import SIMPLE, draw_patients

import synthlib as sl
from synthlib.evaluation.leakage import attacks
from synthlib.evaluation.leakage.controls import CONTROLS
from synthlib.evaluation.leakage.suite import (
    ALPHA,
    COLUMNS,
    conclude,
    leakage_report,
    leakage_scores,
    summarise_leakage,
)

FEW = {name: attacks.ATTACKS[name] for name in ("nearest", "domias", "domias_kernel")}


@pytest.fixture(scope="module")
def tables():
    train, holdout, fresh = (draw_patients(size, seed) for size, seed in ((600, 1), (440, 2), (600, 3)))
    schema = sl.Schema.infer(pd.concat([train, holdout, fresh]), target="died")
    return train, holdout, fresh, schema


def report(tables, synthetic, **options):
    train, holdout, _, schema = tables
    return leakage_report(train, holdout, synthetic, schema, progress=False, **options)


@pytest.fixture(scope="module")
def of_copy(tables):
    return report(tables, tables[0], secrets=["died"])


@pytest.fixture(scope="module")
def of_fresh(tables):
    return report(tables, tables[2], secrets=["died"], attacks=FEW)


def test_every_attack_catches_a_copy(of_copy):
    found = summarise_leakage(of_copy).set_index(["attack", "population"])["conclusion"]
    assert (found.xs("all", level="population") == "caught").all()
    assert found["membership[nearest]", "exposed"] == found["linkability", "exposed"] == "caught"


def test_rows_that_know_nothing_are_not_caught(of_fresh):
    found = summarise_leakage(of_fresh)
    assert "caught" not in set(found["conclusion"])
    assert (found["conclusion"] == "not caught").any()


def test_a_row_for_each_attack_population_table_and_metric(of_copy):
    assert list(of_copy.columns) == list(COLUMNS)
    assert not of_copy.duplicated(["attack", "population", "table", "metric"]).any()
    assert set(of_copy["table"]) == {"synthetic", *CONTROLS}
    # four membership attacks of two populations, singling out, linkability; inference, attributes, with gains
    assert len(of_copy) == 5 * (4 * 2 * 4 + 2 + 2 + (2 + 2) + (3 + 2))
    assert (of_copy["low"].isna() | (of_copy["low"] <= of_copy["value"])).all()
    assert (of_copy["high"].isna() | (of_copy["high"] >= of_copy["value"])).all()


def test_a_small_leak_is_seen_where_few_are_accused(of_copy):
    """Two in a hundred members move no average, but an attack is sure of them."""
    leak = of_copy[(of_copy["table"] == "leak") & (of_copy["population"] == "all")].set_index("metric")
    assert leak.loc["membership_auroc[domias]", "low"] < 0.5 < leak.loc["membership_auroc[domias]", "high"]
    assert leak.loc["membership_tpr1[domias]", "value"] > 0.015


def test_what_cannot_be_estimated_says_so(of_copy):
    rows = of_copy[of_copy["metric"] == "membership_tpr0.1[domias]"]
    assert rows["value"].isna().all()
    assert set(rows["note"]) == {"not estimable: 300 members and 440 others; 4,380 others are needed"}


def test_the_worst_comes_first(of_fresh, of_copy):
    assert of_copy["conclusion"].iloc[0] == "caught"
    for found in (of_fresh, of_copy):
        order = found["conclusion"].map(["caught", "inconclusive", "not caught"].index)
        assert order.is_monotonic_increasing
    scores = leakage_scores(of_copy)
    sl.scores.to_report(scores)  # each name once
    assert len(scores) == len(of_copy) / 5


def test_same_seed_same_report(tables, of_fresh):
    again = report(tables, tables[2], secrets=["died"], attacks=FEW)
    pd.testing.assert_frame_equal(again, of_fresh)
    assert again.attrs == of_fresh.attrs


def test_what_was_sampled_is_said(tables, of_fresh):
    assert of_fresh.attrs["notes"] == [
        "asked about 300 of 600 training rows and 440 of 440 holdout rows",
        "attacked 600 of 600 synthetic rows",
        "secrets: died",
    ]
    fewer = report(tables, tables[2], secrets=[], attacks={}, max_targets=50)
    assert fewer.attrs["notes"][0] == "asked about 50 of 600 training rows and 50 of 440 holdout rows"


def made_up(**p_values) -> pd.DataFrame:
    """A report of one attack with these p values; its intervals are 0.6 to 0.7, on fresh rows 0.5 to 0.6."""
    rows = [
        dict.fromkeys(COLUMNS, "")
        | {"attack": "x", "population": "all", "table": table, "value": 0.65, "low": 0.61, "high": 0.7}
        | {"p_value": p_values.get(table, 1.0)}
        for table in ("synthetic", *CONTROLS)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("p_values", "conclusion", "blind_to"),
    [
        ({"synthetic": 0.001, "copy": 0, "leak": 0, "perturbed": 0}, "caught", ""),
        ({"synthetic": 0.2, "copy": 0, "leak": 0, "perturbed": 0}, "not caught", ""),
        ({"synthetic": 0.2, "copy": 0}, "not caught", "leak, perturbed"),
        ({"synthetic": 0.2}, "inconclusive", "copy, leak, perturbed"),
        ({"synthetic": 0.2, "copy": 0, "fresh": 0}, "inconclusive", "leak, perturbed"),
        ({"synthetic": 0.001, "copy": 0, "fresh": 0}, "inconclusive", "leak, perturbed"),
        ({"synthetic": np.nan}, "inconclusive", "copy, leak, perturbed"),
    ],
)
def test_conclusions(p_values, conclusion, blind_to):
    found = conclude(made_up(**p_values)).iloc[0]
    assert (found["conclusion"], found["blind_to"]) == (conclusion, blind_to)


def test_caught_far_above_rows_that_leak_nothing():
    rows = made_up(synthetic=0.0, copy=0.0, fresh=0.001)
    rows.loc[rows["table"] == "fresh", ["value", "low", "high"]] = [0.55, 0.51, 0.6]
    assert conclude(rows)["conclusion"].iloc[0] == "caught"


def test_refusals(tables):
    train, holdout, fresh, schema = tables
    with pytest.raises(ValueError, match="train and holdout, got 600 and 3"):
        leakage_report(train, holdout[:3], fresh, schema, progress=False)
    with pytest.raises(ValueError, match="it lacks ward"):
        leakage_report(train, holdout, fresh.drop(columns="ward"), schema, progress=False)
    with pytest.raises(ValueError, match="it has no rows"):
        leakage_report(train, holdout, fresh[:0], schema, progress=False)
    with pytest.raises(ValueError, match="got colour"):
        leakage_report(train, holdout, fresh, schema, progress=False, secrets=["colour"])


# No table makes an attack fail.


def check_any(train, holdout, synthetic, schema):
    found = leakage_report(train, holdout, synthetic, schema, progress=False, attacks=FEW)
    assert set(found["conclusion"]) <= {"caught", "inconclusive", "not caught"}
    values = found["value"].dropna()
    assert np.isfinite(values).all()
    inside = found["metric"].str.startswith("membership") & found["value"].notna()
    assert found.loc[inside, ["value", "low", "high"]].stack().between(0, 1).all()
    return found


KNOWN = st.sampled_from(["a", "b", None])
INSIDE = st.one_of(st.none(), st.floats(0, 30).map(lambda number: round(number, 1)))
VALUES = st.one_of(st.none(), st.floats(-5, 35), st.sampled_from(["x", "12", 1e300]))
LEVELS = st.sampled_from(["a", "b", None, "unheard of"])


@st.composite
def simple_tables(draw, least, values=INSIDE, levels=KNOWN):
    rows = draw(st.lists(st.tuples(values, levels), min_size=least, max_size=12))
    return pd.DataFrame(rows, columns=["lab", "ward"])


@settings(max_examples=4)
@given(simple_tables(4), simple_tables(4), simple_tables(1, VALUES, LEVELS))
def test_small_tables_and_values_outside_the_schema(train, holdout, synthetic):
    train, holdout = (table.astype({"lab": "float64", "ward": "object"}) for table in (train, holdout))
    found = check_any(train, holdout, synthetic, SIMPLE)
    p_values = found.groupby(["attack", "population", "table"])["p_value"].first().unstack()
    caught = p_values < ALPHA / p_values["synthetic"].notna().sum()
    for at, told in found.groupby(["attack", "population"])["conclusion"].first().items():
        # a dozen rows say "not caught" where a copy of them is found and fresh ones are not, and only there
        sees = list(caught.loc[at, ["synthetic", "copy", "fresh"]]) == [False, True, False]
        assert (told == "not caught") == (sees and not np.isnan(p_values.loc[at, "synthetic"]))
        assert told != "caught" or caught.loc[at, "synthetic"]


@pytest.mark.parametrize("columns", [["ward", "sex", "died"], ["lab_0", "lab_1"], ["lab_1"]], ids=", ".join)
def test_tables_of_one_kind(tables, columns):
    train, holdout, fresh, schema = tables
    schema = schema.drop(set(schema.names) - set(columns))
    found = check_any(train[columns][:200], holdout[columns][:100], fresh[columns], schema)
    assert set(found[found["attack"] == "linkability"]["value"].isna()) == {len(columns) == 1}


def test_all_attacks_on_five_rows_and_constant_and_empty_columns(tables):
    train, holdout, fresh, schema = tables
    odd = fresh[:5].assign(ward="a", lab_0=np.nan, lab_1=1.0)
    constant = train[:5].assign(ward="a", lab_1=1.0, lab_2=np.nan)
    schema = schema.replace("lab_2", nullable=True)
    found = leakage_report(constant, holdout[:5].assign(lab_2=np.nan), odd, schema, progress=False)
    assert set(found["conclusion"]) == {"inconclusive"}


def test_dates_and_identifiers(tiny, tiny_schema):
    found = leakage_report(tiny[:5], tiny[5:], tiny, tiny_schema, progress=False)
    assert set(found["conclusion"]) == {"inconclusive"}
    named = tiny.assign(id=range(10))
    schema = sl.Schema.infer(named, patient_id="id")
    made = named.drop(columns="id")
    assert len(leakage_report(named[:5], named[5:], made, schema, progress=False))
