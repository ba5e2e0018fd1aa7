"""The release: the Bundle that a study publishes, and the steps from a table to it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from synthlib.bundle import Bundle, StewardKey, write_atomically
from synthlib.chain.commitments import commit, synthetic_digest
from synthlib.data.preparation import characteristics
from synthlib.data.tables import write_table
from synthlib.models.synthesizer import Synthesizer
from synthlib.schema import Schema

PACKAGES = ("synthlib", "tensorflow", "keras", "numpy", "pandas")


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
    holds aggregates, and a commitment that nobody can open without the steward's key. The
    patient id's role ends here: a synthetic row belongs to no patient.

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
    schema = synthesizer.schema
    schema.check(train)
    schema.check(synthetic)
    parameters = {
        "model_type": type(synthesizer).__name__,
        "model": synthesizer.parameters,
        "characteristics": characteristics(train, schema),
        "training_commitment": commit(train, key).hex(),
        "seed": seed,
        "num_rows": len(synthetic),
        "versions": {"python": platform.python_version(), **_package_versions()},
    }
    path = Bundle.locate(path)
    with Bundle.create(path, "release", parameters, parents) as folder:
        write_table(synthetic, folder / "synthetic.csv")
        write_atomically(folder / "schema.json", public_schema(schema).to_json().encode())
        write_table(report, folder / "report.csv")
        write_table(deidentification, folder / "deidentification.csv")
        parameters["synthetic_digest"] = synthetic_digest(folder / "synthetic.csv", schema).hex()
    return Bundle.open(path)


def public_schema(schema: Schema) -> Schema:
    """The Schema as it is published: without the role of the patient id."""
    return Schema(schema.columns, schema.target, None, schema.leaks, schema.quasi_identifiers)


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
