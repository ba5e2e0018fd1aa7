"""A clinic's columns, four rows of them, and rules that these break."""

import numpy as np
import pandas as pd

import synthlib as sl

NAN = np.nan


def whole(name, low=0, high=10, nullable=True):
    return sl.Column(name, "integer", "float64", low=low, high=high, decimals=0, nullable=nullable)


def levels(name, *categories, nullable=False):
    return sl.Column(name, "categorical", categories=categories, nullable=nullable)


CLINIC = sl.Schema(
    (
        levels("sex", "female", "male"),
        levels("pregnant", "no", "yes", nullable=True),
        levels("group", "asthma", "copd", "colon"),
        levels("organ", "lung", "bowel"),
        levels("cause", "cancer", "stroke", nullable=True),
        sl.Column("died", "boolean", "int64", categories=(0, 1)),
        sl.Column("weight", "continuous", "float64", low=30, high=200, decimals=1, nullable=True),
        sl.Column("height.cm", "integer", "int64", low=120, high=220, decimals=0),
        sl.Column("bmi", "continuous", "float64", low=10, high=60, decimals=1, nullable=True),
        sl.Column("admitted", "datetime", "object", low="2000-01-01", high="2010-12-31", format="%d.%m.%Y",
                  nullable=True),
        sl.Column("left", "datetime", "datetime64[ns]", low="2000-01-01", high="2011-12-31", nullable=True),
    )
)  # fmt: skip
FOUR = pd.DataFrame(
    {
        "sex": ["female", "male", "male", "female"],
        "pregnant": ["yes", "yes", "no", NAN],
        "group": ["asthma", "colon", "copd", "colon"],
        "organ": ["lung", "lung", "bowel", "bowel"],
        "cause": ["cancer", "stroke", NAN, NAN],
        "died": [1, 0, 0, 1],
        "weight": [80.0, NAN, 100.0, 50.0],
        "height.cm": [200, 180, 200, 160],
        "bmi": [20.0, 21.0, 24.0, NAN],
        "admitted": ["31.12.2005", "01.02.2006", NAN, "03.04.2005"],
        "left": pd.to_datetime(["2005-12-30", "2006-02-01", "2001-01-01", "2006-01-01"]),
    }
)
BMI = sl.Formula("bmi", "weight / (`height.cm` / 100) ** 2")
ORGAN = sl.Combinations(
    ("group", "organ"), (("asthma", "lung"), ("copd", "lung"), ("colon", "bowel")), determines=1
)
PREGNANT = sl.OnlyIf("pregnant", ("yes",), "sex", ("female",), otherwise="no")
CAUSE = sl.OnlyIf("cause", None, "died", (1,))
DATES = sl.Inequality("admitted", "left")
ALL = (PREGNANT, ORGAN, CAUSE, BMI, DATES)


def held_to(*rules):
    return CLINIC.with_rules(*rules)
