"""A simulated cohort whose causal structure is known, for tests and for teaching."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.special import expit, ndtri

from synthlib.schema import Column, Schema


@dataclass(frozen=True)
class Equation:
    """How one column comes from others: a linear predictor and a distribution around it.

    Attributes:
        family: `"logistic"` (0 or 1 with these log odds), `"normal"`, or `"lognormal"` (the predictor is the
            mean of the logarithm).
        intercept: predictor where all terms are zero.
        coefficients: term → coefficient. Terms are columns of 0 and 1 by their name, and `age` (decades
            above 60), `male`, `smoker` (currently), `sepsis` (the diagnosis), `log_lactate`,
            `log_creatinine`.
        spread: standard deviation of a normal, or of a lognormal's logarithm.
        low, high, decimals: what the result is clipped and rounded to.
    """

    family: str
    intercept: float
    coefficients: Mapping[str, float] = field(default_factory=dict)
    spread: float = 0.0
    low: float = 0.0
    high: float = 1.0
    decimals: int = 0

    @property
    def odds_ratios(self) -> dict[str, float]:
        """Term → conditional odds ratio per unit of the term, for a logistic equation."""
        if self.family != "logistic":
            raise ValueError(f"expected a logistic equation, this one is {self.family}")
        return {term: float(np.exp(coefficient)) for term, coefficient in self.coefficients.items()}


# In causal order: each reads only age, sex, smoking, diagnosis and what stands above it.
EQUATIONS: dict[str, Equation] = {
    "diabetes": Equation("logistic", -1.6, {"age": 0.25, "male": 0.2}),
    "kidney_disease": Equation("logistic", -2.2, {"age": 0.4, "diabetes": 0.8}),
    "creatinine": Equation("lognormal", -0.15, {"age": 0.03, "male": 0.15, "kidney_disease": 0.8}, 0.25,
                           0.2, 20, 2),
    "glucose": Equation("normal", 110, {"diabetes": 55, "sepsis": 15}, 25, 40, 600, 0),
    "lactate": Equation("lognormal", 0.35, {"sepsis": 0.8, "kidney_disease": 0.1}, 0.5, 0.3, 25, 1),
    "treated": Equation("logistic", -1.6, {"age": 0.15, "sepsis": 0.9, "log_lactate": 1.6}),
    "died": Equation("logistic", -3.0, {"age": 0.5, "smoker": 0.3, "diabetes": 0.2, "kidney_disease": 0.5,
                                        "sepsis": 0.6, "log_lactate": 1.1, "treated": -0.8}),
    "length_of_stay": Equation("lognormal", 1.6, {"age": 0.05, "log_creatinine": 0.2, "sepsis": 0.3,
                                                  "died": -0.3}, 0.6, 0.1, 200, 1),
}
# Log odds that a value was not measured; they depend on what is in the table, not on the value itself.
MISSINGNESS: dict[str, Equation] = {
    "glucose": Equation("logistic", -1.2, {"diabetes": -2.0}),
    "lactate": Equation("logistic", 0.2, {"sepsis": -2.5, "age": -0.2}),
}
FEMALE = 0.52
AGE_MEAN, AGE_SPREAD, AGE_RANGE = 62.0, 17.0, (18, 100)
FERTILE_AGES = (18, 45)
PREGNANT = 0.12  # of women of these ages; nobody else
SMOKING = {"never": 0.5, "former": 0.3, "current": 0.2}
DIAGNOSES = {"pneumonia": 0.34, "heart failure": 0.3, "sepsis": 0.2, "stroke": 0.155, "porphyria": 0.005}


def simulate_cohort(
    num_rows: int, seed: int, do: Mapping[str, object] | None = None, missing: bool = True
) -> pd.DataFrame:
    """Hospital patients drawn from a known causal model.

    age, sex, smoking, diagnosis → diabetes → kidney disease → labs → treatment → death → length of stay, by
    `EQUATIONS`; sicker patients are treated more often, so the crude effect of treatment is confounded. Only
    women of `FERTILE_AGES` are pregnant, one diagnosis is rare, and labs are missing by `MISSINGNESS`.
    Every equation reads the columns as they stand in the table, rounded, before labs go missing.

    The same seed gives each patient the same luck under any `do`: the rows of two calls are the same
    patients in two worlds, and the mean difference of an outcome is its average treatment effect.

    Args:
        num_rows: patients, at least 1.
        seed: of the random generator.
        do: column → value that everybody is given whatever their history (Pearl's do-operator).
        missing: whether labs go missing; `False` shows what was there.

    Returns:
        DataFrame of shape (num_rows, 13) that `simulation_schema` describes.

    Raises:
        ValueError: for no rows, or for an intervention on an unknown column or with an impossible value.

    Reference: Pearl 2009, "Causality", chapter 3.
    """
    if num_rows < 1:
        raise ValueError(f"expected at least 1 row, got {num_rows}")
    do = dict(do or {})
    _check_intervention(do)
    rng = np.random.default_rng(seed)
    roots = ["age", "sex", "pregnant", "smoking", "diagnosis"]
    luck = {name: rng.random(num_rows) for name in [*roots, *EQUATIONS]}
    unmeasured = {name: rng.random(num_rows) for name in MISSINGNESS}
    table: dict[str, np.ndarray] = {}

    def put(name: str, values: np.ndarray) -> None:
        table[name] = np.full(num_rows, do[name], dtype=values.dtype) if name in do else values

    age = np.clip(np.round(AGE_MEAN + AGE_SPREAD * ndtri(luck["age"])), *AGE_RANGE)
    put("age", age.astype("int64"))
    put("sex", np.where(luck["sex"] < FEMALE, "female", "male").astype(object))
    fertile = (table["sex"] == "female") & (np.clip(table["age"], *FERTILE_AGES) == table["age"])
    put("pregnant", (fertile & (luck["pregnant"] < PREGNANT)).astype("int64"))
    put("smoking", _choose(SMOKING, luck["smoking"]))
    put("diagnosis", _choose(DIAGNOSES, luck["diagnosis"]))
    for name, equation in EQUATIONS.items():
        put(name, _solve(equation, _terms(table), luck[name]))
    frame = pd.DataFrame(table)
    for name, equation in MISSINGNESS.items() if missing else ():
        if name not in do:
            frame[name] = frame[name].mask(_solve(equation, _terms(table), unmeasured[name]) == 1)
    return frame[simulation_schema().names]


def simulate_trial(num_rows: int, seed: int, arm: str = "treated", missing: bool = True) -> pd.DataFrame:
    """A randomised trial in the simulated cohort: who gets `arm` is a coin's fall, whatever their history.

    Args:
        num_rows: patients, at least 1; half of them, to within one, get the arm.
        seed: of patients and coin.
        arm: a column of 0 and 1.
        missing: whether labs go missing.

    Returns:
        DataFrame of shape (num_rows, 13). The arm's effect on an outcome is what `average_effect` says, up to
        chance.
    """
    worlds = [simulate_cohort(num_rows, seed, {arm: value}, missing) for value in (0, 1)]
    given = np.random.default_rng((seed, 1)).permutation(num_rows) % 2 == 1
    drawn = pd.concat([worlds[0][~given], worlds[1][given]])
    return drawn.sort_index()


def average_effect(treatment: str, outcome: str = "died", num_rows: int = 100_000, seed: int = 0) -> float:
    """The true average effect on an outcome of setting `treatment` to 1 rather than 0 for everybody.

    Found by doing both to the same simulated patients; at 100,000 rows its standard error
    is about 0.001 for a binary outcome.
    """
    worlds = (simulate_cohort(num_rows, seed, {treatment: value}, missing=False) for value in (0, 1))
    without, treated = (world[outcome].mean() for world in worlds)
    return float(treated - without)


def true_probability(table: pd.DataFrame, outcome: str = "died") -> np.ndarray:
    """The probability of a binary outcome that `EQUATIONS` give each row, shape (num_rows,).

    Args:
        table: rows with every column that the outcome's equation reads, NaN in the result where one misses.
        outcome: a column with a logistic equation.

    Raises:
        ValueError: if the outcome has no logistic equation, or the table lacks a column that it reads.
    """
    known = [name for name, equation in EQUATIONS.items() if equation.family == "logistic"]
    if outcome not in known:
        raise ValueError(f"expected an outcome among {', '.join(known)}, got {outcome!r}")
    try:
        return np.asarray(expit(_predict(EQUATIONS[outcome], _terms(table), len(table))))
    except KeyError as error:
        raise ValueError(f"expected the columns that {outcome} depends on, {error} is not there") from None


def simulation_schema() -> Schema:
    """What the columns of `simulate_cohort` hold. The target is `died`; `length_of_stay` leaks it."""
    def flag(name: str, description: str) -> Column:
        return Column(name, "boolean", "int64", categories=(0, 1), description=description)

    def lab(name: str, unit: str, description: str) -> Column:
        equation = EQUATIONS[name]
        return Column(name, "continuous" if equation.decimals else "integer", "float64", low=equation.low,
                      high=equation.high, decimals=equation.decimals, nullable=name in MISSINGNESS, unit=unit,
                      description=description)

    columns = (
        Column("age", "integer", "int64", low=AGE_RANGE[0], high=AGE_RANGE[1], decimals=0, unit="a",
               description="age"),
        Column("sex", "categorical", categories=("female", "male"), description="sex"),
        flag("pregnant", "pregnant; only women of fertile age"),
        Column("smoking", "ordinal", categories=tuple(SMOKING), description="smoking"),
        Column("diagnosis", "categorical", categories=tuple(DIAGNOSES), description="main diagnosis"),
        flag("diabetes", "diabetes"),
        flag("kidney_disease", "chronic kidney disease"),
        lab("creatinine", "mg/dL", "serum creatinine"),
        lab("glucose", "mg/dL", "glucose"),
        lab("lactate", "mmol/L", "lactate"),
        flag("treated", "given the treatment"),
        lab("length_of_stay", "d", "days in hospital"),
        flag("died", "died in hospital"),
    )
    return Schema(columns, target="died", leaks=("length_of_stay",), quasi_identifiers=("age", "sex"),
                  protected=("sex",))


def _terms(table: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Everything a coefficient can multiply, from the columns that are there."""
    terms = dict(table)
    terms["age"] = (table["age"] - 60) / 10
    terms["male"] = table["sex"] == "male"
    terms["smoker"] = table["smoking"] == "current"
    terms["sepsis"] = table["diagnosis"] == "sepsis"
    terms |= {f"log_{name}": np.log(table[name]) for name in ("lactate", "creatinine") if name in table}
    return terms


def _predict(equation: Equation, terms: Mapping[str, np.ndarray], num_rows: int) -> np.ndarray:
    predictor = np.full(num_rows, equation.intercept)
    for term, coefficient in equation.coefficients.items():
        predictor += coefficient * terms[term]
    return predictor


def _solve(equation: Equation, terms: Mapping[str, np.ndarray], luck: np.ndarray) -> np.ndarray:
    predictor = _predict(equation, terms, len(luck))
    if equation.family == "logistic":
        return (luck < expit(predictor)).astype("int64")
    value = predictor + equation.spread * ndtri(luck)
    value = np.exp(value) if equation.family == "lognormal" else value
    return np.clip(np.round(value, equation.decimals), equation.low, equation.high)


def _choose(shares: Mapping[str, float], luck: np.ndarray) -> np.ndarray:
    places = np.searchsorted(np.cumsum(list(shares.values()))[:-1], luck, side="right")
    return np.array(list(shares), dtype=object)[places]


def _check_intervention(do: Mapping[str, object]) -> None:
    schema = simulation_schema()
    unknown = sorted(set(do) - set(schema.names))
    if unknown:
        raise ValueError(f"do: expected columns of {', '.join(schema.names)}; got {', '.join(unknown)}")
    if "pregnant" in do:
        raise ValueError("do: expected a column that can be set for everybody; pregnant cannot, for men")
    for name, value in do.items():
        column = schema[name]
        try:
            number = column.is_numeric and column.low <= value <= column.high
            possible = value in column.categories or (number and round(value, column.decimals) == value)
        except TypeError:
            possible = False
        if not possible:
            expected = column.categories if column.is_discrete else f"{column.low} to {column.high}"
            raise ValueError(f"do: expected {name} to be of {expected}, got {value!r}")
