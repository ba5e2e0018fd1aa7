"""What attacks found, kept with a report: beside which controls, how sure, and blind to what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from synthlib.scores import DECIMALS, Score, to_report

KEPT = "leakage"  # in a report's attrs
_FIRST = ("conclusion", "p_value", "blind_to", "metric", "value", "low", "high")
_PRIVATE = ("note",)  # counts of patients


def keep_leakage(report: pd.DataFrame, leakage: pd.DataFrame) -> None:
    """Keep an attacks' table with a report, as plain records: tables in `attrs` cannot be compared."""
    report.attrs[KEPT] = leakage.to_dict("records")


def find_leakage(report: pd.DataFrame, public: bool = False) -> pd.DataFrame | None:
    """The attacks' table that was kept with a report, None if there is none.

    Args:
        report: from `evaluate(attacks=True)` or `add_leakage`.
        public: only what may be published: numbers rounded as scores are, and no counts of patients.
    """
    records = report.attrs.get(KEPT)
    if not records:
        return None
    found = pd.DataFrame(records)
    return publish_leakage(found) if public else found


def publish_leakage(leakage: pd.DataFrame) -> pd.DataFrame:
    """What may be published of an attacks' table: rounded as scores are, without notes that count patients.

    Its metrics are those that a release publishes; beside them stand the same numbers on known tables.
    """
    kept = leakage.drop(columns=[name for name in _PRIVATE if name in leakage])
    numbers = kept.select_dtypes("number").columns
    return kept.assign(**{name: kept[name].astype(float).round(DECIMALS) + 0.0 for name in numbers})


def summarise_leakage(report: pd.DataFrame) -> pd.DataFrame:
    """One row per attack and population, the worst first: what it found, and what it would have found.

    Args:
        report: from `leakage_report`.

    Returns:
        DataFrame of `attack, population, conclusion, p_value, blind_to`, then `metric, value, low, high` on
        the synthetic table and `on_copy, on_leak, on_perturbed, on_fresh`: the attack's first metric on the
        controls.
    """
    names = [name for name in ("copy", "leak", "perturbed", "fresh") if name in set(report["table"])]
    found = []
    for (attack, population), rows in report.groupby(["attack", "population"], sort=False):
        first = rows.drop_duplicates("table").set_index("table")
        shown = first.loc["synthetic", [name for name in _FIRST if name in first]].to_dict()
        controls = {f"on_{name}": first["value"].get(name) for name in names}
        found.append({"attack": attack, "population": population} | shown | controls)
    return pd.DataFrame(found)


def add_leakage(report: pd.DataFrame, leakage: pd.DataFrame, copied: str = "copy") -> pd.DataFrame:
    """A report with the scores of attacks, and those of the same attacks on copies as their controls.

    Args:
        report: from `evaluate`.
        leakage: a row per attack, table and metric, with `table` and a Score's fields, such as
            `leakage_report` gives.
        copied: the table that is the positive control.

    Returns:
        The report with `membership_auroc[x]` and `membership_auroc_control[x]` for each attack, so that a
        gate can tell an attack that found nothing from one that is blind. The whole of `leakage` is kept
        with it, see `find_leakage`: the other controls, p values and conclusions.
    """
    scores = [Score(*row) for row in report[list(Score._fields)].itertuples(index=False)]
    for row in leakage.itertuples():
        stem, bracket, inner = row.metric.partition("[")
        name = f"{stem}_control{bracket}{inner}" if row.table == copied else row.metric
        if row.table in ("synthetic", copied):
            scores.append(Score(name, row.value, row.low, row.high, row.reference))
    joined = to_report(scores)
    joined.attrs = dict(report.attrs)
    joined.attrs["notes"] = [*report.attrs.get("notes", []), *leakage.attrs.get("notes", [])]
    keep_leakage(joined, leakage)
    if "evaluation" in report.attrs:
        joined.attrs["evaluation"] = _join_settings(report.attrs["evaluation"], leakage.attrs)
    return joined


def tell_settings(seed: int, max_targets: int, chosen: Iterable[Any]) -> dict[str, Any]:
    """Settings of attacks, to stand beside those of an evaluation; `chosen`: what is None by default."""
    attacks = "chosen by hand" if any(each is not None for each in chosen) else True
    return {"seed": int(seed), "attacks": attacks, "max_targets": int(max_targets)}


def _join_settings(used: dict[str, Any], attrs: dict[str, Any]) -> dict[str, Any]:
    """Those of an evaluation and of attacks that were made apart; another seed is told beside the first."""
    told = dict(attrs.get("evaluation", {"attacks": "not told", "max_targets": "not told"}))
    seed = told.pop("seed", None)
    return used | told | ({} if seed == used.get("seed") else {"attacks_seed": seed})
