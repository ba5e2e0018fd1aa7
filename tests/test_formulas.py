"""Formulas: arithmetic and nothing else, computed and solved."""

import numpy as np
import pandas as pd
import pytest
from rule_helpers import NAN, whole

import synthlib as sl
from synthlib.formulas import compute, parse_formula, solve
from synthlib.rules import rule_from_dict


def test_a_formula_is_computed_after_those_that_it_needs():
    schema = sl.Schema(
        tuple(whole(name, 0, 100) for name in "abcd"),
        rules=(sl.Formula("d", "c + 1"), sl.Formula("c", "a + b"), sl.Inequality("a", "b")),
    )
    mended = schema.enforce(pd.DataFrame({"a": [3.0], "b": [2.0], "c": [0.0], "d": [0.0]}))
    assert mended.iloc[0].tolist() == [3, 3, 6, 7]


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("a + b * 2 - -1", 8),
        ("a ** 2 / b", 4.5),
        ("max(a, b, 1) + min(a, b)", 5),
        ("floor(a / b) + abs(-b)", 3),
        ("sqrt(a + 1) + log(exp(b))", 4),
        ("`a` + `odd name`", 13),
        ("a / (b - 2)", NAN),
        ("log(-a)", NAN),
        ("2.5", 2.5),
    ],
)
def test_formulas_mean_what_they_say(expression, result):
    numbers = {"a": np.array([3.0]), "b": np.array([2.0]), "odd name": np.array([10.0])}
    assert compute(parse_formula(expression), numbers).tolist() == pytest.approx([result], nan_ok=True)


@pytest.mark.parametrize(
    "expression",
    [
        "a + b",
        "b - a",
        "a * b",
        "a / b",
        "b / a",
        "-a",
        "a ** 3",
        "log(a)",
        "exp(a)",
        "sqrt(a) + b",
        "max(a, 1)",
    ],
)
def test_solving_undoes_the_arithmetic(expression):
    numbers = {"a": np.array([1.7, 2.3]), "b": np.array([2.0, 5.0])}
    tree = parse_formula(expression)
    assert solve(tree, "a", compute(tree, numbers), numbers) == pytest.approx(numbers["a"])


@pytest.mark.parametrize(
    "expression",
    [
        "", "a +", "a.b", "d.time - slos", "a[0]", "a if b else c", "lambda: 1", "[a for a in b]", "'a'", "a @ b",  # noqa: E501
        "a < b", "a and b", "not a", "~a", "a // b", "a % b", "f(a)", "abs(a, b)", "min(a)", "abs(*a)",
        "max(a, key=b)", "__import__('os').system('true')", "a.__class__.__bases__", "9 ** 9 ** 9", "a ** 1e9",  # noqa: E501
        "a ** b", "2 ** -17", "1e400", "1j", "True", "a\0b", "(" * 300 + "a" + ")" * 300, "-" * 80 + "a",
        "+".join(["a"] * 90), "a" * 1001, "a := 1", "_column_in_backticks_0 + `a`", 5, None, ["a"],
    ],
)  # fmt: skip
def test_nothing_but_arithmetic_is_read(expression):
    with pytest.raises((sl.SchemaError, TypeError)):
        parse_formula(expression)
    with pytest.raises(sl.SchemaError):
        rule_from_dict({"rule": "Formula", "column": "x", "expression": expression})
