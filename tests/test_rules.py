"""Rules: where tables break them, what repair changes, and what strangers may write of them."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rule_helpers import ALL, BMI, CAUSE, CLINIC, DATES, FOUR, ORGAN, PREGNANT, held_to, whole

import synthlib as sl
from synthlib.release import public_schema


def as_lists(table):
    return table.astype(object).where(table.notna(), None).to_dict("list")


@pytest.mark.parametrize(
    ("rule", "broken", "rows", "changed"),
    [
        (PREGNANT, [0, 1, 0, 0], 2, {"pregnant": ["yes", "no", "no", None]}),
        (ORGAN, [0, 1, 1, 0], 4, {"organ": ["lung", "bowel", "lung", "bowel"]}),
        (CAUSE, [0, 1, 0, 0], 2, {"cause": ["cancer", None, None, None]}),
        # 80 kg at 2 m is 20.0; without a weight there is no index; 100 kg at 2 m is 25; 50 / 1.6² = 19.53
        (BMI, [0, 1, 1, 1], 4, {"bmi": [20.0, None, 25.0, 19.5]}),
        # the later end moves: its range is a year wider
        (DATES, [1, 0, 0, 0], 3, {"left": list(pd.to_datetime(["2005-12-31", "2006-02-01", "2001-01-01", "2006-01-01"]))}),  # noqa: E501
        (replace(DATES, strict=True), [1, 1, 0, 0], 3, None),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_each_rule_finds_and_mends_what_breaks_it(rule, broken, rows, changed):
    schema = held_to(rule)
    schema.check(FOUR)
    assert rule.find_violations(FOUR, schema).tolist() == [bool(flag) for flag in broken]
    report = schema.find_violations(FOUR)
    assert report.to_dict("records") == [
        {
            "rule": rule.describe(),
            "columns": ", ".join(rule.columns),
            "rows": rows,
            "violations": sum(broken),
            "share": sum(broken) / rows,
        }
    ]
    mended = schema.enforce(FOUR)
    schema.check(mended)
    if changed is not None:
        assert as_lists(mended) == {**as_lists(FOUR), **changed}
    assert not rule.find_violations(mended, schema).any()


@pytest.mark.parametrize(
    ("rule", "fixed", "changed"),
    [
        (PREGNANT, ["pregnant"], {"sex": ["female", "female", "male", "female"]}),
        (ORGAN, ["organ"], {"group": {1: {"asthma", "copd"}, 2: {"colon"}}}),
        (CAUSE, ["cause"], {"died": [1, 1, 0, 1]}),
        (DATES, ["left"], {"admitted": ["30.12.2005", "01.02.2006", None, "03.04.2005"]}),
        # 21 at 1.80 m: 68.0 kg; 24 at 2 m: 96 kg; no index, hence no weight
        (BMI, ["bmi", "height.cm"], {"weight": [80.0, 68.0, 96.0, None]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_where_a_cell_is_fixed_another_gives_way(rule, fixed, changed):
    schema = held_to(rule)
    mask = pd.DataFrame(True, index=FOUR.index, columns=fixed)
    mended = schema.enforce(FOUR, mask)
    schema.check(mended)
    assert not rule.find_violations(mended, schema).any()
    assert as_lists(mended[fixed]) == as_lists(FOUR[fixed])
    found = as_lists(mended)
    for name, expected in changed.items():
        if isinstance(expected, dict):
            assert all(found[name][row] in values for row, values in expected.items())
        else:
            assert found[name] == expected
    untouched = [name for name in schema.names if name not in changed]
    assert as_lists(mended[untouched]) == as_lists(FOUR[untouched])


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: type(rule).__name__)
def test_fixed_cells_that_break_a_rule_are_refused_by_name(rule):
    with pytest.raises(ValueError, match=r"expected fixed values that obey") as caught:
        held_to(rule).enforce(FOUR, np.ones(FOUR.shape, dtype=bool))
    assert rule.describe() in str(caught.value)
    assert all(name in str(caught.value) for name in rule.columns)


@pytest.mark.parametrize(
    ("low", "high", "ranges", "expected"),
    [
        (6, 3, ((0, 10), (0, 10)), (6, 6)),  # equally wide: the higher column moves
        (6, 3, ((0, 20), (0, 10)), (3, 3)),  # the wider range moves
        (9, 3, ((5, 10), (0, 7)), (7, 7)),  # neither reaches the other: both move
        (9, 3, ((8, 10), (0, 7)), (9, None)),  # they never meet: only missing is left
    ],
)
def test_an_inequality_moves_into_the_ranges(low, high, ranges, expected):
    columns = tuple(whole(name, *ends) for name, ends in zip("ab", ranges, strict=True))
    schema = sl.Schema(columns, rules=(sl.Inequality("a", "b"),))
    mended = schema.enforce(pd.DataFrame({"a": [float(low)], "b": [float(high)]}))
    schema.check(mended)
    assert tuple(mended.astype(object).where(mended.notna(), None).iloc[0]) == expected


def test_weights_decide_between_equally_good_combinations():
    allowed = (("asthma", "lung"), ("copd", "lung"), ("colon", "bowel"))
    schema = held_to(sl.Combinations(("group", "organ"), allowed, weights=(1, 3, 4)))
    table = pd.concat(
        [FOUR.iloc[[1]]] * 4000, ignore_index=True
    )  # colon, lung: every tuple keeps one or none
    shares = schema.enforce(table, pd.DataFrame({"organ": [True] * 4000})).value_counts(
        "group", normalize=True
    )
    assert shares["copd"] == pytest.approx(0.75, abs=0.04) and shares["asthma"] == pytest.approx(
        0.25, abs=0.04
    )


@pytest.mark.parametrize(
    "rule",
    [
        None, [], {}, {"rule": "Rule"}, {"rule": ["Formula"]}, {"rule": "Formula"}, {"rule": "__class__"},
        {"rule": "Formula", "column": "bmi", "expression": "age + 1"},
        {"rule": "Formula", "column": "bmi", "expression": "bmi + 1"},
        {"rule": "Formula", "column": "bmi", "expression": "1 + 1"},
        {"rule": "Formula", "column": "bmi", "expression": "weight", "more": 1},
        {"rule": "Formula", "column": "bmi", "expression": "sex * 2"},
        {"rule": "Formula", "column": "sex", "expression": "weight"},
        {"rule": "Inequality", "low": "weight", "high": "weight"},
        {"rule": "Inequality", "low": "weight", "high": "sex"},
        {"rule": "Inequality", "low": "weight", "high": "left"},
        {"rule": "Inequality", "low": "weight", "high": ["bmi"]},
        {"rule": "Inequality", "low": "weight", "high": "bmi", "strict": "yes"},
        {"rule": "Combinations", "columns": "sex", "allowed": []},
        {"rule": "Combinations", "columns": ["sex", "died"], "allowed": []},
        {"rule": "Combinations", "columns": ["sex", "died"], "allowed": [["male"]]},
        {"rule": "Combinations", "columns": ["sex", "died"], "allowed": [["male", 2]]},
        {"rule": "Combinations", "columns": ["sex", "died"], "allowed": [["male", None]]},
        {"rule": "Combinations", "columns": ["sex", "died"], "allowed": [["male", 1], ["male", 1]]},
        {"rule": "Combinations", "columns": ["sex", "died"], "allowed": [["male", [1]]]},
        {"rule": "Combinations", "columns": ["sex", "died"], "allowed": [["male", 1]], "determines": 2},
        {"rule": "Combinations", "columns": ["sex", "died"], "allowed": [["male", 1]], "weights": [-1]},
        {"rule": "Combinations", "columns": ["sex", "weight"], "allowed": [["male", 70]]},
        {"rule": "OnlyIf", "column": "cause", "values": None, "condition_column": "died", "condition_values": []},  # noqa: E501
        {"rule": "OnlyIf", "column": "cause", "values": None, "condition_column": "died", "condition_values": 5},  # noqa: E501
        {"rule": "OnlyIf", "column": "sex", "values": ["male"], "condition_column": "died", "condition_values": [1]},  # noqa: E501
        {"rule": "OnlyIf", "column": "cause", "values": ["cancer"], "condition_column": "died",
         "condition_values": [1], "otherwise": "cancer"},
        {"rule": "OnlyIf", "column": "weight", "values": None, "condition_column": "died", "condition_values": [1],  # noqa: E501
         "otherwise": 500},
    ],
)  # fmt: skip
def test_rules_that_do_not_fit_the_schema_are_refused(rule):
    document = json.loads(CLINIC.to_json()) | {"rules": [rule]}
    with pytest.raises(sl.SchemaError):
        sl.Schema.from_json(json.dumps(document))


def test_json_nested_deep_is_refused_before_it_is_read():
    text = CLINIC.to_json().rstrip()[:-1] + ', "rules": ' + "[" * 100_000 + "]" * 100_000 + "}"
    with pytest.raises(sl.SchemaError, match="nested"):
        sl.Schema.from_json(text)


def test_json_keeps_rules_and_says_nothing_where_there_are_none():
    schema = held_to(
        *ALL, sl.Combinations(("sex", "cause"), (("male", None), ("female", "stroke")), weights=(1, 2.5))
    )
    assert sl.Schema.from_json(schema.to_json()) == schema
    assert "rules" not in json.loads(CLINIC.to_json())
    assert replace(schema, rules=()).to_json() == CLINIC.to_json()


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([sl.Formula("a", "b + 1"), sl.Formula("b", "a - 1")], "formulas that do not need each other"),
        ([sl.Formula("a", "b"), sl.Formula("a", "c")], "expected one formula for a"),
        (
            [sl.Inequality("a", "b", strict=True), sl.Inequality("b", "c"), sl.Inequality("c", "a")],
            "b is at most a",
        ),
    ],
)
def test_contradictions_between_rules_are_refused_by_name(rules, message):
    with pytest.raises(sl.SchemaError, match=message):
        sl.Schema(tuple(whole(name) for name in "abc"), rules=tuple(rules))


def test_ranges_that_never_meet_are_refused_where_nothing_may_miss():
    with pytest.raises(sl.SchemaError, match="ranges of the two columns do not meet"):
        sl.Schema((whole("a", 8, 9, False), whole("b", 0, 7, False)), rules=(sl.Inequality("a", "b"),))


def test_describe_drop_and_other_columns_keep_what_rules_can_keep():
    schema = held_to(*ALL)
    notes = schema.describe().set_index("column")["note"]
    assert notes["organ"] == "organ follows from group" and notes["sex"] == ""
    assert schema.drop(["height.cm", "sex"]).rules == (ORGAN, CAUSE, DATES)
    changed = [replace(schema["group"], categories=("colon",)) if c.name == "group" else c for c in schema]
    assert schema.with_columns(changed).rules[1].allowed == (("colon", "bowel"),)
    plain = [replace(schema["left"], kind="integer") if c.name == "left" else c for c in schema]
    assert DATES not in schema.with_columns(plain).rules
    with pytest.raises(sl.SchemaError, match="expected levels of group, got 2"):
        schema.replace("group", categories=("colon",))


def test_a_published_schema_has_rules_without_levels_that_were_not_drawn_and_without_weights():
    weighted = replace(ORGAN, weights=(5, 6, 7))
    drawn = FOUR[FOUR["group"] != "asthma"]
    public = public_schema(held_to(weighted, PREGNANT, BMI), drawn)
    assert public.rules[0] == replace(ORGAN, allowed=ORGAN.allowed[1:]) and BMI in public.rules
    assert "asthma" not in public.to_json()
