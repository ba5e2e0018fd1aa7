"""Rules that a table obeys are offered, and chance is not."""

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort
from rule_helpers import NAN

import synthlib as sl


def offers(table, schema, **arguments):
    return sl.find_dependencies(table, schema, **arguments)["rule"].tolist()


def test_a_function_that_was_planted_is_offered_with_its_rule_and_a_rough_support(cohort, cohort_schema):
    found = sl.find_dependencies(cohort, cohort_schema)
    assert found["kind"].tolist() == ["function"]
    rule = found["rule"][0]
    assert rule.columns == ("disease", "group") and rule.determines == 1
    assert found["support"][0] == 600 and found["description"][0] == "group follows from disease"
    assert dict(rule.allowed)["cancer"] == "chronic" and len(rule.allowed) == 4
    assert cohort_schema.rules == ()  # offered, not imposed
    pd.testing.assert_frame_equal(sl.find_dependencies(cohort, cohort_schema), found)


def test_of_levels_that_few_patients_have_nothing_is_said():
    table = make_cohort(600)
    table.loc[:3, "disease"], table.loc[:3, "group"] = "kuru", "chronic"
    schema = sl.Schema.infer(table, target="died")
    (rule,) = offers(table, schema)
    assert {last for first, last in rule.allowed if first == "kuru"} == {"acute", "chronic"}


def test_one_row_against_a_rule_is_enough_not_to_offer_it():
    table = make_cohort(600)
    table.loc[table.index[table["disease"] == "sepsis"][0], "group"] = "chronic"
    found = sl.find_dependencies(table, sl.Schema.infer(table, target="died"))
    assert "function" not in found["kind"].tolist()


def test_planted_relations_of_every_kind_are_offered_and_chance_is_not():
    rng, n = np.random.default_rng(5), 2000
    table = make_cohort(n)
    table["asked"] = rng.choice(["patient", "surrogate"], n)
    table["answer"] = np.where(table["asked"] == "patient", rng.integers(0, 50, n), NAN)
    table["stay"] = rng.integers(1, 60, n)
    table["followed"] = table["stay"] + rng.integers(0, 30, n)
    table["drug"] = np.round(rng.uniform(1, 90, n), 1)
    table["nursing"] = np.round(rng.uniform(1, 90, n), 1)
    table["bill"] = np.round(table["drug"] + table["nursing"], 1)
    table["admitted"] = pd.to_datetime("2010-01-01") + pd.to_timedelta(rng.integers(0, 3000, n), unit="D")
    table["left"] = table["admitted"] + pd.to_timedelta(table["stay"], unit="D")
    table["rate"] = np.round(table["drug"] / table["nursing"], 2)
    table["arm"] = np.where(table["disease"] == "sepsis", "a", rng.choice(["a", "b"], n))
    schema = sl.Schema.infer(table, target="died")
    found = offers(table, schema)
    assert sl.OnlyIf("answer", None, "asked", ("patient",)) in found
    assert sl.Inequality("stay", "followed") in found and sl.Inequality("admitted", "left") in found
    assert sl.Formula("bill", "`drug` + `nursing`") in found
    assert sl.Formula("rate", "`drug` / `nursing`") in found
    assert any(set(rule.columns) == {"stay", "admitted", "left"} for rule in found)
    (excluded,) = [
        r for r in found if isinstance(r, sl.Combinations) and set(r.columns) == {"disease", "arm"}
    ]
    assert ("sepsis", "b") not in excluded.allowed and ("rare", "b") in excluded.allowed
    assert schema.with_rules(*found).find_violations(table)["violations"].sum() == 0
    shuffled = pd.DataFrame({name: rng.permutation(table[name].to_numpy()) for name in table})[schema.names]
    assert offers(shuffled.astype(table.dtypes), schema) == []


def test_a_function_of_two_columns_is_offered_when_asked_for():
    rng, n = np.random.default_rng(1), 1500
    table = pd.DataFrame(
        {"a": rng.choice(list("uv"), n), "b": rng.choice(list("xy"), n), "n": rng.integers(0, 99, n)}
    )
    table["both"] = np.where((table["a"] == "u") & (table["b"] == "x"), "yes", "no")
    schema = sl.Schema.infer(table)
    assert not [rule for rule in offers(table, schema) if rule.columns == ("a", "b", "both")]
    (rule,) = [r for r in offers(table, schema, max_determinants=2) if r.columns == ("a", "b", "both")]
    assert rule.determines == 1 and set(rule.allowed) >= {("u", "x", "yes"), ("v", "x", "no")}
    for wrong in ({"max_determinants": 3}, {"min_rows": 4}):
        with pytest.raises(ValueError, match="expected max_determinants of 1 or 2 and min_rows"):
            offers(table, schema, **wrong)


def test_support2_obeys_its_rules_and_discovery_finds_the_classes():
    schema = sl.support2_schema().with_rules(*sl.support2_rules())
    table = schema.conform(sl.load_support2())
    assert schema.find_violations(table)["violations"].sum() == 0
    found = offers(table, schema)
    assert sl.Inequality("slos", "d.time") in found
    (rule,) = [rule for rule in found if rule.columns == ("dzgroup", "dzclass")]
    assert set(rule.allowed) == set(sl.support2_rules()[0].allowed)
    rng = np.random.default_rng(0)
    mixed = pd.DataFrame({name: table[name].iloc[rng.permutation(len(table))].to_numpy() for name in table})
    assert schema.find_violations(mixed)["violations"].min() > 0
    mended = schema.enforce(mixed)
    schema.check(mended)
    assert schema.find_violations(mended)["violations"].sum() == 0
