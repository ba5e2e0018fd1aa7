"""Arithmetic over columns, written as text: parsed by a white list, never evaluated as Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from synthlib.columns import SchemaError

LENGTH_LIMIT, DEPTH_LIMIT, EXPONENT_LIMIT, NUMBER_LIMIT = 1000, 64, 16, 1e15
_QUOTED = re.compile(r"`([^`]+)`")
_STAND_IN = "_column_in_backticks_"
_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_ONE_ARGUMENT = {"abs": np.abs, "log": np.log, "exp": np.exp, "sqrt": np.sqrt, "floor": np.floor}
_FUNCTIONS: dict[str, Callable] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
    "negative": np.negative,
    "min": np.minimum,
    "max": np.maximum,
    **_ONE_ARGUMENT,
}
_EXPECTED = (
    "expected arithmetic over columns: numbers, columns (`in backticks` where a name is more than letters, "
    f"digits and _), + - * / **, min, max, {', '.join(_ONE_ARGUMENT)}"
)

Tree = tuple  # ("number", value), ("column", name), or (operator, Tree, ...)


@lru_cache(maxsize=256)
def parse_formula(expression: str) -> Tree:
    """What an expression says, as nested tuples; nothing in it is executed.

    Args:
        expression: such as ``weight / (height / 100) ** 2`` or ``charges - `total cost` ``.

    Raises:
        SchemaError: if it is anything but such arithmetic, longer than `LENGTH_LIMIT`, nested deeper than
            `DEPTH_LIMIT`, or has an exponent that is no number or larger than `EXPONENT_LIMIT`.
    """
    if not isinstance(expression, str) or not expression.strip() or len(expression) > LENGTH_LIMIT:
        raise SchemaError(f"{_EXPECTED}; in a text of 1 to {LENGTH_LIMIT} characters")
    if _STAND_IN in expression:
        raise SchemaError(f"{_EXPECTED}; no name may contain {_STAND_IN}")
    names: list[str] = []

    def stand_in(match: re.Match) -> str:
        names.append(match[1])
        return f" {_STAND_IN}{len(names) - 1} "

    try:
        body = ast.parse(_QUOTED.sub(stand_in, expression).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise SchemaError(f"{_EXPECTED}; this text is none") from None
    return _read(body, names, 0)


def _read(node: ast.expr, names: list[str], depth: int) -> Tree:
    if depth > DEPTH_LIMIT:
        raise SchemaError(f"{_EXPECTED}; nested at most {DEPTH_LIMIT} deep")
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        if not abs(node.value) <= NUMBER_LIMIT:
            raise SchemaError(f"{_EXPECTED}; no number above {NUMBER_LIMIT:g}")
        return ("number", float(node.value))
    if isinstance(node, ast.Name):
        quoted = node.id.startswith(_STAND_IN)
        return ("column", names[int(node.id.removeprefix(_STAND_IN))] if quoted else node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return ("negative", _read(node.operand, names, depth + 1))
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = (_read(side, names, depth + 1) for side in (node.left, node.right))
        if isinstance(node.op, ast.Pow) and _exponent(right) is None:
            raise SchemaError(
                f"{_EXPECTED}; exponents are numbers from -{EXPONENT_LIMIT} to {EXPONENT_LIMIT}"
            )
        return (_OPERATORS[type(node.op)], left, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        arguments = tuple(_read(argument, names, depth + 1) for argument in node.args)
        fits = len(arguments) == 1 if node.func.id in _ONE_ARGUMENT else len(arguments) > 1
        if node.func.id in ("min", "max", *_ONE_ARGUMENT) and fits:
            return (node.func.id, *arguments)
    raise SchemaError(f"{_EXPECTED}; got {type(node).__name__}")


def _exponent(tree: Tree) -> float | None:
    value = -tree[1][1] if tree[0] == "negative" and tree[1][0] == "number" else tree[1]
    is_number = tree[0] in ("number", "negative") and isinstance(value, float)
    return value if is_number and abs(value) <= EXPONENT_LIMIT else None


def list_columns(tree: Tree) -> tuple[str, ...]:
    """Names of the columns in a formula, each once, in the order in which they come."""
    if tree[0] in ("number", "column"):
        return (tree[1],) if tree[0] == "column" else ()
    return tuple(dict.fromkeys(name for part in tree[1:] for name in list_columns(part)))


def compute(tree: Tree, numbers: Mapping[str, np.ndarray]) -> np.ndarray:
    """The formula's value in each row, NaN where an input is missing or the arithmetic has no result.

    Args:
        tree: from `parse_formula`.
        numbers: column → float array of shape (num_rows,).
    """
    with np.errstate(all="ignore"):
        found = np.asarray(_evaluate(tree, numbers), dtype=float)
    found = np.where(np.isfinite(found), found, np.nan)
    return found if found.ndim else np.full(len(next(iter(numbers.values()), ())), float(found))


def _evaluate(tree: Tree, numbers: Mapping[str, np.ndarray]) -> np.ndarray | float:
    if tree[0] in ("number", "column"):
        return numbers[tree[1]] if tree[0] == "column" else tree[1]
    parts = [_evaluate(part, numbers) for part in tree[1:]]
    found = _FUNCTIONS[tree[0]](*parts[:2])
    for part in parts[2:]:  # of min and max
        found = _FUNCTIONS[tree[0]](found, part)
    return found


def solve(tree: Tree, name: str, value: np.ndarray, numbers: Mapping[str, np.ndarray]) -> np.ndarray:
    """What column `name` would have to be for the formula to give `value`; NaN where that cannot be told.

    A candidate, not a proof: several may exist (of abs, say), and rounding may spoil it. Try it in `compute`.

    Args:
        tree: from `parse_formula`.
        name: a column that stands in it once; for others the result is NaN.
        value: float array of shape (num_rows,).
        numbers: column → float array of shape (num_rows,), for all other columns of the formula.
    """
    if _occurrences(tree, name) != 1:
        return np.full(len(value), np.nan)
    with np.errstate(all="ignore"):
        while tree[0] != "column":
            place = next(place for place, part in enumerate(tree[1:]) if _occurrences(part, name))
            others = [_evaluate(part, numbers) for part in tree[1:] if not _occurrences(part, name)]
            value = _undo(tree[0], place, value, others)
            tree = tree[1 + place]
    return np.where(np.isfinite(value), value, np.nan)


def _occurrences(tree: Tree, name: str) -> int:
    if tree[0] in ("number", "column"):
        return int(tree == ("column", name))
    return sum(_occurrences(part, name) for part in tree[1:])


def _undo(operator: str, place: int, value: np.ndarray, others: list) -> np.ndarray:
    """The operand in `place` of an operator whose result is `value`."""
    if operator in ("abs", "floor", "min", "max"):
        return value
    undone = {
        "+": lambda: value - others[0],
        "-": lambda: others[0] - value if place else value + others[0],
        "*": lambda: value / others[0],
        "/": lambda: others[0] / value if place else value * others[0],
        "**": lambda: np.power(value, np.divide(1, others[0])),
        "negative": lambda: -value,
        "log": lambda: np.exp(value),
        "exp": lambda: np.log(value),
        "sqrt": lambda: value**2,
    }
    return undone[operator]()
