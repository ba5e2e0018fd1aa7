"""Write the cohorts that packages on PyPI carry as plain CSV. Runs in the environment `data`.

python sources.py FOLDER NAME [NAME ...]
"""

import sys
from pathlib import Path

import pandas as pd


def scikit_survival(name: str, event: str, time: str) -> pd.DataFrame:
    import sksurv.datasets

    table, outcome = getattr(sksurv.datasets, f"load_{name}")()
    return table.assign(**{event: outcome[event].astype(int), time: outcome[time]})


def survset(name: str) -> pd.DataFrame:
    """SurvSet writes a missing level as the text "missing"."""
    from SurvSet.data import SurvLoader

    table = SurvLoader().load_dataset(ds_name=name)["df"].drop(columns="pid")
    levels = [column for column in table if column.startswith("fac_")]
    return table.assign(
        **{c: table[c].astype(object).mask(table[c].astype(object) == "missing") for c in levels}
    )


SOURCES = {
    "flchain": lambda: scikit_survival("flchain", "death", "futime"),
    "whas500": lambda: scikit_survival("whas500", "fstat", "lenfol"),
    "support2": lambda: survset("support2"),
    "rhc": lambda: survset("rhc"),
    "actg": lambda: survset("actg"),
}

if __name__ == "__main__":
    for cohort in sys.argv[2:]:
        SOURCES[cohort]().to_csv(Path(sys.argv[1]) / f"{cohort}.csv", index=False)
