"""Tables that several tests of leakage share."""

import numpy as np
import pandas as pd

from synthlib.schema import Column, Schema

SIMPLE = Schema(
    (
        Column("lab", "continuous", "float64", low=0, high=30, decimals=1, nullable=True),
        Column("ward", "categorical", "object", ("a", "b"), nullable=True),
    )
)


def simple_table(lab, ward) -> pd.DataFrame:
    return pd.DataFrame({"lab": np.array(lab, dtype=float), "ward": list(ward)})


def draw_patients(num_rows: int, seed: int) -> pd.DataFrame:
    """Wide enough that no two are alike: four numbers with relations, two levels, some values missing."""
    rng = np.random.default_rng(seed)
    ward = rng.choice(["a", "b", "c"], num_rows, p=[0.6, 0.35, 0.05])
    table = pd.DataFrame({"ward": ward, "sex": rng.choice(["female", "male"], num_rows)})
    shift = (ward == "b").astype(float)
    for number in range(4):
        table[f"lab_{number}"] = np.round(rng.normal(size=num_rows) + shift * number, 3)
    table.loc[rng.random(num_rows) < 0.1, "lab_0"] = np.nan
    table["died"] = (rng.random(num_rows) < 0.2 + 0.3 * shift).astype(int)
    return table
