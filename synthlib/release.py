"""The release: the Bundle that a study publishes, and what must not reach it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from synthlib.bundle import Bundle, write_atomically
from synthlib.chain.commitments import commit, read_synthetic, table_digest
from synthlib.data.identifiers import class_by_name, class_by_pattern
from synthlib.data.preparation import SMALL_CELL, characteristics
from synthlib.data.tables import write_table
from synthlib.inference import infer_column
from synthlib.keys import StewardKey
from synthlib.models.synthesizer import Synthesizer
from synthlib.schema import Column, Schema

PACKAGES = ("synthlib", "tensorflow", "keras", "numpy", "pandas")
WITHHELD = "(withheld)"
FEWEST = 5  # rows that must share a level


def infer_schema(
    table: pd.DataFrame,
    target: str | None = None,
    patient_id: str | None = None,
    identifiers: Iterable[str] = (),
    leaks: Iterable[str] = (),
    kinds: Mapping[str, str] | None = None,
) -> tuple[Schema, list[str]]:
    """`Schema.infer`, with columns declared identifiers that look like direct ones and could do harm.

    That is what no Schema can hold, since it has a value of its own in every row, such as names; and what is
    named a number of something, such as `patient_id`, with values that few rows share each. `deidentify`
    drops what is declared so, and its report says it.

    Returns:
        The Schema, and the names of the columns that were declared identifiers here.

    Raises:
        SchemaError: as `Schema.infer`, for the other columns.
    """
    declared = {target, patient_id, *identifiers, *(kinds or {})}
    columns = [name for name in table.columns if name not in declared] if table.columns.is_unique else []
    found = [name for name in columns if _is_number_of(table[name]) or _is_direct(table[name])]
    return Schema.infer(table, target, patient_id, [*identifiers, *found], leaks, kinds=kinds), found


def find_scattered_levels(train: pd.DataFrame, schema: Schema) -> list[str]:
    """Discrete columns of many levels, none of which `FEWEST` rows share: as good as identifiers.

    A generator leaves out rare levels, but where all are rare it has no others to draw.
    """
    counts = {column.name: train[column.name].value_counts() for column in schema if column.is_discrete}
    return [name for name, rows in counts.items() if len(rows) > SMALL_CELL and rows.max() < FEWEST]


def _is_number_of(values: pd.Series) -> bool:
    few = values.count() < SMALL_CELL * values.nunique()
    return few and class_by_name(str(values.name)) == "R"


def _is_direct(values: pd.Series) -> bool:
    """Refused, and direct by its name or half of its values: a text with one telephone number is none."""
    try:
        infer_column(values)
        return False
    except ValueError:
        _, matching = class_by_pattern(values)
    return bool(class_by_name(str(values.name))) or 2 * matching.sum() >= max(values.count(), 1)


def write_release(
    path: Path | str,
    synthesizer: Synthesizer,
    synthetic: pd.DataFrame,
    train: pd.DataFrame,
    report: pd.DataFrame,
    deidentification: pd.DataFrame,
    key: StewardKey,
    seed: int,
    parents: Mapping[str, Bundle] | None = None,
) -> Bundle:
    """Write a synthetic table and everything that its record on a chain will speak of into one Bundle.

    It holds `synthetic.csv`, `schema.json`, `report.csv` and `deidentification.csv`. Of the training table it
    holds aggregates, and a commitment that nobody can open without the steward's key. Levels that
    few patients have are in it only where the generator drew them.

    Args:
        path: folder, or bare name for the workspace's `bundles/`.
        synthesizer: the fitted generator; its type and hyperparameters are recorded.
        synthetic: what it drew.
        train: what it learnt from.
        report: from `evaluate`.
        deidentification: from `deidentify`.
        key: the steward's; the commitment to `train` is made under it.
        seed: that `synthetic` was drawn with.
        parents: Bundles that this one was made from; keyed ones, where they are confidential.

    Returns:
        The Bundle, opened.

    Raises:
        SchemaError: if a table is not one of the synthesizer's schema.
        ValueError: if the table cannot be written so that it reads back the same.
    """
    synthesizer.schema.check(train)
    synthesizer.schema.check(synthetic)
    schema = public_schema(synthesizer.schema, train, synthetic)
    parameters = {
        "model_type": type(synthesizer).__name__,
        "model": synthesizer.parameters,
        "characteristics": _public_characteristics(train, synthesizer.schema, schema),
        "training_commitment": commit(train, key).hex(),
        "seed": seed,
        "num_rows": len(synthetic),
        "versions": {"python": platform.python_version(), **_package_versions()},
    }
    path = Bundle.locate(path)
    with Bundle.create(path, "release", parameters, parents) as folder:
        write_table(synthetic, folder / "synthetic.csv")
        parameters["synthetic_digest"] = _digest_as_read(folder / "synthetic.csv", synthetic, schema)
        write_atomically(folder / "schema.json", schema.to_json().encode())
        write_table(report, folder / "report.csv")
        write_table(deidentification, folder / "deidentification.csv")
    return Bundle.open(path)


def write_data(
    path: Path | str,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    schema: Schema,
    deidentification: pd.DataFrame,
    key: StewardKey,
) -> Bundle:
    """Write what a release was learnt from, and what was held out, into a keyed Bundle: it is confidential.

    Its digest, which a release names as its parent, tells nothing without the key.
    """
    with Bundle.create(path, "data", {"target": schema.target}, key=key) as folder:
        write_table(train, folder / "train.csv")
        write_table(holdout, folder / "holdout.csv")
        write_table(deidentification, folder / "deidentification.csv")
        write_atomically(folder / "schema.json", schema.to_json().encode())
    return Bundle.open(path, key)


def public_schema(schema: Schema, train: pd.DataFrame, synthetic: pd.DataFrame) -> Schema:
    """The Schema as it is published.

    Without the patient id's role: a synthetic row belongs to no patient. Without what would tell that the
    cohort has somebody so rare, unless the synthetic table holds it: levels that fewer than `SMALL_CELL`
    training rows have, and ends of a range that are a training value which fewer reach.
    """
    columns = tuple(_public_column(column, train[column.name], synthetic[column.name]) for column in schema)
    return Schema(columns, schema.target, None, schema.leaks, schema.quasi_identifiers)


def _public_column(column: Column, train: pd.Series, synthetic: pd.Series) -> Column:
    if column.is_discrete and column.kind != "boolean":
        counts, drawn = train.value_counts(), set(synthetic.dropna())
        levels = (v for v in column.categories if counts.get(v, 0) >= SMALL_CELL or v in drawn)
        return replace(column, categories=tuple(levels) or (WITHHELD,))
    known = sorted(train.dropna().tolist()) if column.kind in ("integer", "continuous") else []
    if known:
        place, drawn = min(SMALL_CELL, len(known)) - 1, synthetic.dropna().tolist()
        if column.low == known[0]:
            column = replace(column, low=min([known[place], *drawn]))
        if column.high == known[-1]:
            column = replace(column, high=max([known[-1 - place], *drawn]))
    return column


def _public_characteristics(train: pd.DataFrame, schema: Schema, public: Schema) -> dict[str, Any]:
    """Those of the training table, without the names of levels that the public Schema withholds."""
    told = characteristics(train, schema)
    if told["target_rates"] is not None:
        levels = {str(level) for level in public[schema.target].categories}
        told["target_rates"] = {name: rate for name, rate in told["target_rates"].items() if name in levels}
    return told


def _digest_as_read(path: Path, synthetic: pd.DataFrame, schema: Schema) -> str:
    """Digest of the table in the file, which must be the table that was written."""
    read = read_synthetic(path, schema)
    changed = [name for name in schema.names if table_digest(read[[name]]) != table_digest(synthetic[[name]])]
    if changed:
        raise ValueError(
            f"expected a synthetic table that reads back from CSV as it is, {', '.join(changed)} does not "
            "(empty texts, levels that are spelt alike?); change its levels"
        )
    return table_digest(read).hex()


def _package_versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except (
            ModuleNotFoundError
        ):  # tensorflow-cpu is TensorFlow under another name; synthlib may run from source
            if package == "tensorflow":
                found[package] = version("tensorflow-cpu")
            elif package == "synthlib":
                from synthlib import __version__

                found[package] = __version__
    return dict(sorted(found.items()))
