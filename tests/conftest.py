"""What several tests share: a ten-row table and a cohort small enough to train on in seconds."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

import synthlib as sl

# The same examples in every automated run, new ones at a developer's desk; no deadline on shared machines.
settings.register_profile("automated", derandomize=True, deadline=None)
settings.register_profile("desk", deadline=None)
settings.load_profile("automated" if os.environ.get("CI") else "desk")


@pytest.fixture
def tiny() -> pd.DataFrame:
    """Ten patients: every kind of column, and a missing value in two of them."""
    return pd.DataFrame(
        {
            "age": [34, 51, 67, 45, 72, 58, 63, 29, 80, 55],
            "sex": ["female", "male"] * 5,
            "smoker": [True, False, False, True, False, True, False, False, True, False],
            "creatinine": [0.9, 1.1, 1.8, np.nan, 2.4, 1.0, 1.3, 0.8, 3.1, 1.2],
            "stage": ["I", "II", "III", "I", None, "II", "II", "I", "III", "II"],
            "admitted": pd.to_datetime([f"2001-0{month}-15" for month in range(1, 10)] + ["2001-12-31"]),
            "died": [0, 0, 1, 0, 1, 0, 1, 0, 1, 0],
        }
    )


@pytest.fixture
def tiny_schema(tiny) -> sl.Schema:
    return sl.Schema.infer(tiny, target="died", quasi_identifiers=["age", "sex"])


def make_cohort(num_rows: int, seed: int = 0) -> pd.DataFrame:
    """Patients with relations: `group` follows from `disease`, `lab` depends on disease and age."""
    rng = np.random.default_rng(seed)
    disease = rng.choice(["sepsis", "cancer", "failure", "rare"], num_rows, p=[0.4, 0.3, 0.28, 0.02])
    age = np.round(rng.normal(60, 12, num_rows).clip(18, 95))
    lab = np.round(1 + (disease == "sepsis") + 0.02 * age + rng.gamma(2, 0.3, num_rows), 2)
    lab[rng.random(num_rows) < np.where(disease == "cancer", 0.5, 0.05)] = np.nan
    risk = 1 / (1 + np.exp(-(0.05 * (age - 65) + 1.2 * (disease == "sepsis"))))
    return pd.DataFrame(
        {
            "disease": disease,
            "group": np.where(disease == "cancer", "chronic", "acute"),
            "age": age.astype(int),
            "lab": lab,
            "died": (rng.random(num_rows) < risk).astype(int),
        }
    )


@pytest.fixture(scope="session")
def cohort() -> pd.DataFrame:
    return make_cohort(600)


@pytest.fixture(scope="session")
def cohort_schema(cohort) -> sl.Schema:
    return sl.Schema.infer(cohort, target="died")
