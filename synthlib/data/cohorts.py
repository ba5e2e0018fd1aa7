"""The cohort that ships with the package: SUPPORT2, seriously ill patients of five US hospitals, 1989–94."""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np
import pandas as pd

from synthlib.data.tables import read_table
from synthlib.rules import Combinations, Formula, Inequality, OnlyIf, Rule
from synthlib.schema import Column, Schema

_FRACTION_BITS = 12  # what SAS keeps of a number's fraction when it is stored in three bytes
_CUT_SHORT = ("sps", "surv2m", "surv6m", "wblc", "temp", "pafi", "alb", "bili", "crea", "ph")


def load_support2() -> pd.DataFrame:
    """SUPPORT2: 9,105 seriously ill hospital patients, one row each, 48 columns.

    Ten columns of the published file hold numbers whose last bits were cut off when they were stored in three
    bytes (an albumin of 1.8 reads 1.7998047). They are put back to the shortest decimal that is cut to the
    published number; the other columns are rounded to the decimals that `support2_schema` declares, costs to
    whole dollars. Nothing else is changed: zeros that cannot be true are still here, and
    `support2_schema().conform` makes them missing.

    Returns:
        DataFrame of shape (9105, 48).

    Reference: Knaus et al. 1995, "The SUPPORT prognostic model", Annals of Internal Medicine 122(3). Data:
        Harrell, Vanderbilt University; UCI Machine Learning Repository 880; CC BY 4.0.
    """
    with as_file(files("synthlib.data") / "support2.csv.gz") as path:
        table = read_table(path)
    for column in support2_schema():
        if column.name in _CUT_SHORT:
            table[column.name] = restore_decimals(table[column.name], column.decimals)
        elif table[column.name].dtype == "float64" and column.decimals is not None:
            table[column.name] = table[column.name].round(column.decimals)
    return table


def restore_decimals(numbers: pd.Series, decimals: int, fraction_bits: int = _FRACTION_BITS) -> pd.Series:
    """Undo the cutting of a binary fraction: the shortest decimal that is cut to each number, else rounding.

    Args:
        numbers: floats of shape (num_rows,), NaN where missing.
        decimals: the most digits after the point that a result may have.
        fraction_bits: bits that were kept of each number's fraction.

    Returns:
        Series of the same shape; each number moved by less than its cut-off bits, or by rounding.
    """
    given = numbers.to_numpy(dtype=float)
    restored = np.round(given, decimals)
    done = np.isnan(given)
    for digits in range(decimals + 1):
        nearest = np.round(given, digits)
        for candidate in (nearest, np.round(nearest + np.copysign(10.0**-digits, given), digits)):
            fits = ~done & np.isclose(_cut(candidate, fraction_bits), given, rtol=5e-7, atol=0)
            restored[fits] = candidate[fits]
            done |= fits
    return pd.Series(restored + 0.0, index=numbers.index, name=numbers.name)


def _cut(numbers: np.ndarray, fraction_bits: int) -> np.ndarray:
    mantissa, exponent = np.frexp(numbers)
    scale = 2.0 ** (fraction_bits + 1)
    return np.ldexp(np.trunc(mantissa * scale) / scale, exponent)


def support2_schema() -> Schema:
    """What the columns of SUPPORT2 hold, which of them know the outcome, and which values cannot be true.

    The target is `hospdead`, death in hospital. Leaks are what was measured after study day 3 or derived
    from the outcome; `adlp` and `adlsc` too, since who could be interviewed (and what was filled in for the
    others) tells who lived. Ranges are what is physiologically possible: a heart rate, breathing rate, blood
    pressure, white cell count, glucose or cost of zero lies outside and becomes missing.
    """
    return Schema(
        columns=_COLUMNS,
        target="hospdead",
        leaks=("death", "slos", "d.time", "charges", "totcst", "totmcst", "avtisst", "sps", "aps", "surv2m",
               "surv6m", "prg2m", "prg6m", "dnr", "dnrday", "adlp", "sfdm2", "adlsc"),
        quasi_identifiers=("age", "sex", "race", "edu", "income"),
        protected=("sex", "race", "age"),
    )


def support2_rules() -> tuple[Rule, ...]:
    """What holds between the columns of SUPPORT2, by their definitions; in all 9,105 rows.

    The disease class is a function of the group. Who died in hospital died; no one leaves hospital after the
    end of follow-up, nor gets a do-not-resuscitate order after discharge; an order has a day. Who was
    followed for less than two months died. Six months are survived by no more than two. Where a surrogate was
    asked, the calibrated score is the surrogate's. `support2_schema().with_rules(*support2_rules())` holds
    generators to them.
    """
    classes = {"Cancer": ("Colon Cancer", "Lung Cancer"), "Coma": ("Coma",),
               "ARF/MOSF": ("ARF/MOSF w/Sepsis", "MOSF w/Malig"),
               "COPD/CHF/Cirrhosis": ("CHF", "COPD", "Cirrhosis")}
    groups = tuple((group, name) for name, members in classes.items() for group in members)
    orders = ("dnr after sadm", "dnr before sadm", "no dnr")
    return (
        Combinations(("dzgroup", "dzclass"), groups, determines=1),
        OnlyIf("hospdead", (1,), "death", (1,), otherwise=0),
        OnlyIf("sfdm2", ("<2 mo. follow-up",), "death", (1,)),
        OnlyIf("dnrday", None, "dnr", orders),
        Inequality("slos", "d.time"),
        Inequality("dnrday", "slos"),
        Inequality("surv6m", "surv2m"),
        Formula("adlsc", "adls"),
    )


def _levels(
    name: str, description: str, *levels: str, kind: str = "categorical", missing: bool = False
) -> Column:
    return Column(name, kind, categories=levels, nullable=missing, description=description)


def _flag(name: str, description: str) -> Column:
    return Column(name, "boolean", "int64", categories=(0, 1), description=description)


def _count(name: str, low: int, high: int, unit: str, description: str, missing: bool = True) -> Column:
    return Column(name, "integer", "float64" if missing else "int64", low=low, high=high, decimals=0,
                  nullable=missing, unit=unit, description=description)


def _number(name: str, low: float, high: float, decimals: int, unit: str, description: str,
            missing: bool = True) -> Column:
    return Column(name, "continuous", "float64", low=low, high=high, decimals=decimals, nullable=missing,
                  unit=unit, description=description)


_COLUMNS = (
    Column("sno", "identifier", "int64", description="running number"),
    _number("age", 18, 110, 3, "a", "age at study entry", missing=False),
    _flag("death", "died by the end of follow-up"),
    _levels("sex", "sex", "female", "male"),
    _flag("hospdead", "died in hospital"),
    _count("slos", 1, 400, "d", "days from study entry to discharge", missing=False),
    _count("d.time", 1, 2100, "d", "days of follow-up", missing=False),
    _levels("dzgroup", "disease group", "ARF/MOSF w/Sepsis", "CHF", "COPD", "Cirrhosis", "Colon Cancer",
            "Coma", "Lung Cancer", "MOSF w/Malig"),
    _levels("dzclass", "disease class, a function of dzgroup", "ARF/MOSF", "COPD/CHF/Cirrhosis", "Cancer",
            "Coma"),
    _count("num.co", 0, 10, "", "number of comorbidities", missing=False),
    _count("edu", 0, 35, "a", "years of education"),
    _levels("income", "household income a year, US$", "under $11k", "$11-$25k", "$25-$50k", ">$50k",
            kind="ordinal", missing=True),
    Column("scoma", "ordinal", "float64", nullable=True,
           categories=(0, 9, 26, 37, 41, 44, 55, 61, 89, 94, 100),
           description="SUPPORT coma score on day 3, from the Glasgow scale; 0 is awake"),
    _count("charges", 1, 2_000_000, "USD", "hospital charges"),
    _count("totcst", 1, 1_000_000, "USD", "costs by ratio of costs to charges; 0 cannot be true"),
    _count("totmcst", 1, 1_000_000, "USD", "micro-costs; 0 and below cannot be true"),
    _number("avtisst", 0, 100, 2, "", "average TISS score, days 3 to 25"),
    _levels("race", "race", "asian", "black", "hispanic", "other", "white", missing=True),
    _number("sps", 0, 120, 1, "", "SUPPORT physiology score on day 3"),
    _count("aps", 0, 250, "", "APACHE III physiology score on day 3, without coma"),
    _number("surv2m", 0, 1, 3, "", "survival at 2 months as the SUPPORT model predicts"),
    _number("surv6m", 0, 1, 3, "", "survival at 6 months as the SUPPORT model predicts"),
    _count("hday", 1, 200, "d", "day in hospital at study entry", missing=False),
    _flag("diabetes", "diabetes"),
    _flag("dementia", "dementia"),
    _levels("ca", "cancer", "no", "yes", "metastatic", kind="ordinal"),
    _number("prg2m", 0, 1, 3, "", "survival at 2 months as the physician estimates"),
    _number("prg6m", 0, 1, 3, "", "survival at 6 months as the physician estimates"),
    _levels("dnr", "do-not-resuscitate order", "dnr after sadm", "dnr before sadm", "no dnr", missing=True),
    _count("dnrday", -120, 400, "d", "day of the order, or of discharge; below 0 before study entry"),
    _count("meanbp", 1, 300, "mm[Hg]", "mean arterial blood pressure on day 3; 0 cannot be true"),
    _number("wblc", 0.01, 500, 2, "10*3/uL", "white blood cells on day 3; 0 cannot be true"),
    _count("hrt", 1, 350, "/min", "heart rate on day 3; 0 cannot be true"),
    _count("resp", 1, 120, "/min", "breathing rate on day 3; 0 cannot be true"),
    _number("temp", 25, 45, 1, "Cel", "temperature on day 3"),
    _number("pafi", 10, 1000, 1, "mm[Hg]", "PaO2/FiO2 on day 3"),
    _number("alb", 0.3, 8, 1, "g/dL", "serum albumin on day 3; above 8 cannot be true"),
    _number("bili", 0.1, 80, 1, "mg/dL", "bilirubin on day 3"),
    _number("crea", 0.1, 30, 1, "mg/dL", "serum creatinine on day 3"),
    _count("sod", 90, 200, "meq/L", "serum sodium on day 3"),
    _number("ph", 6.5, 8, 2, "", "arterial pH on day 3"),
    _count("glucose", 1, 1500, "mg/dL", "glucose on day 3; 0 cannot be true"),
    _count("bun", 1, 400, "mg/dL", "blood urea nitrogen on day 3"),
    _count("urine", 0, 12_000, "mL/d", "urine output on day 3"),
    _count("adlp", 0, 7, "", "activities of daily living that need help, by the patient"),
    _count("adls", 0, 7, "", "activities of daily living that need help, by a surrogate"),
    _levels("sfdm2", "function at 2 months", "no(M2 and SIP pres)", "adl>=4 (>=5 if sur)", "SIP>=30",
            "Coma or Intub", "<2 mo. follow-up", kind="ordinal", missing=True),
    _number("adlsc", 0, 8, 2, "", "activities of daily living that need help, calibrated and imputed",
            missing=False),
)
