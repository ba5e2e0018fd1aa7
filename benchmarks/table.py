"""results.csv as a Markdown table: a section for each cohort, a line for each model, means over its seeds."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from synthlib.bundle import write_atomically

NAMES = {
    "holdout": "fresh rows (reference)",
    "bootstrap": "copies (reference)",
    "independent": "independent columns (reference)",
    "gaussian_copula": "Gaussian copula",
    "ctgan": "CTGAN",
    "tvae": "TVAE",
    "tabular_argn": "TabularARGN",
    "seqtrees": "seqtrees",
    "synthpop": "synthpop-style CART",
    "arf": "ARF",
}
# heading → column of results.csv, digits
SHOWN = {
    "C2ST": ("c2st", 3),
    "C2ST snapped": ("c2st_snapped", 3),
    "2-way": ("acc2", 3),
    "TSTR ratio": ("tstr_ratio", 3),
    "DCR share": ("dcr_share", 3),
    "MIA": ("mia_density", 3),
    "fit CPU s": ("fit_cpu_s", 1),
    "rows per CPU s": ("rows_per_cpu_s", 0),
    "peak MB": ("peak_mb", 0),
}
HEAD = """# Results

Written from `results.csv` by `python -m benchmarks table`; `README.md` says what each figure means. Best is
0.5 for C2ST, DCR share and MIA, the ceiling for 2-way, 1 for the TSTR ratio. Means over seeds, ± their
standard deviation where a model has several.
"""


def read_results(path: Path) -> pd.DataFrame:
    """The rows of results.csv, numbers as numbers, with `rows_per_cpu_s`.

    Raises:
        FileNotFoundError: if nothing has been run yet.
    """
    if not path.exists():
        raise FileNotFoundError(f"expected results in {path}, found none; python -m benchmarks run")
    rows = pd.read_csv(path)
    rows["error"] = rows["error"].fillna("").astype(str)
    rows["rows_per_cpu_s"] = rows["num_train"] / rows["sample_cpu_s"].where(rows["sample_cpu_s"] > 0)
    references = rows["role"] == "reference"  # they fit nothing: their seconds say nothing
    rows.loc[references, ["fit_cpu_s", "rows_per_cpu_s", "peak_mb"]] = float("nan")
    return rows


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each cohort and model: mean and deviation of each shown column, cohorts in the order of
    the results, the nearest to 0.5 in C2ST (snapped) first, failures last.

    Returns:
        DataFrame of `cohort, model, role, version, seeds, note`, and `NAME`, `NAME_sd` for each column shown.
    """
    summaries = []
    for (cohort, model), runs in rows.groupby(["cohort", "model"], sort=False):
        done = runs[runs["error"] == ""]
        facts = {"cohort": cohort, "model": model, "role": runs["role"].iloc[0], "seeds": len(done)}
        versions = runs["version"].dropna()
        facts["version"] = versions.iloc[-1] if len(versions) else ""
        failed = [f"{len(runs) - len(done)} of {len(runs)} failed"] if 0 < len(done) < len(runs) else []
        capped = ["capped"] if runs["capped"].astype(str).eq("True").any() else []
        reasons = list(dict.fromkeys(runs.loc[runs["error"] != "", "error"].str.removeprefix("capped: ")))
        facts["note"] = "; ".join([*capped, *failed, *reasons[:1]])
        for name, _ in [*SHOWN.values(), ("acc2_ceiling", 3)]:
            facts |= {name: done[name].mean(), f"{name}_sd": done[name].std(ddof=1)}
        summaries.append(facts)
    table = pd.DataFrame(summaries)
    order = {cohort: place for place, cohort in enumerate(dict.fromkeys(rows["cohort"]))}
    table["_place"], table["_far"] = table["cohort"].map(order), (table["c2st_snapped"] - 0.5).abs()
    return table.sort_values(["_place", "_far", "model"], ignore_index=True).drop(columns=["_place", "_far"])


def to_markdown(rows: pd.DataFrame) -> str:
    """The whole page."""
    sections = [HEAD]
    for cohort, models in summarise(rows).groupby("cohort", sort=False):
        sizes = rows[(rows["cohort"] == cohort) & rows["num_train"].notna() & (rows["model"] != "holdout")]
        heading = f"## {cohort}\n"
        if len(sizes):
            first = sizes.iloc[0]
            heading += (
                f"\n{first['num_train']:.0f} rows to learn from, {first['num_holdout']:.0f} set aside, "
                f"{first['num_columns']:.0f} columns; 2-way ceiling {first['acc2_ceiling']:.3f}.\n"
            )
        titles = ["model", "seeds", *SHOWN, "note"]
        lines = [titles, ["---"] * len(titles)]
        lines += [_line(model) for _, model in models.iterrows()]
        sections.append(heading + "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    return "\n".join(sections)


def write_markdown(rows: pd.DataFrame, path: Path) -> None:
    write_atomically(path, to_markdown(rows).encode())


def display_name(model: str) -> str:
    return NAMES.get(model, model)


def _line(model: pd.Series) -> list[str]:
    name = display_name(model["model"])
    name = f"**{name}**" if model["role"] == "ours" else name
    version = f" {model['version']}" if model["version"] and model["role"] == "peer" else ""
    cells = [_cell(model[column], model[f"{column}_sd"], digits) for column, digits in SHOWN.values()]
    return [name + version, str(model["seeds"]), *cells, model["note"].replace("|", "/")]


def _cell(mean: float, deviation: float, digits: int) -> str:
    if pd.isna(mean):
        return ""
    spread = "" if pd.isna(deviation) else f" ± {deviation:,.{digits}f}"
    return f"{mean:,.{digits}f}{spread}"
