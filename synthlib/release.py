"""The release: the Bundle that a study publishes, and what must not reach it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from synthlib.areas import is_published
from synthlib.bundle import Bundle, write_atomically
from synthlib.chain.commitments import commit, commit_conditions, read_synthetic, table_digest
from synthlib.chain.coverage import public_facts
from synthlib.chain.rows import ROWS_FILE, RowTree, describe_rows
from synthlib.chain.study import Study
from synthlib.claims import describe_claim, find_loss, mask_deidentification
from synthlib.data.identifiers import class_by_name, class_by_pattern
from synthlib.data.preparation import SMALL_CELL, characteristics
from synthlib.data.tables import write_table
from synthlib.gate import GATE_FILE, Verdict, judge
from synthlib.inference import infer_column
from synthlib.keys import StewardKey
from synthlib.models.conditions import Given
from synthlib.models.synthesizer import Synthesizer
from synthlib.preregistration import describe_attempt, note_draw
from synthlib.rules import Combinations
from synthlib.schema import Schema, public_column
from synthlib.scores import public_notes, round_scores
from synthlib.thresholds import parse_acceptance

PACKAGES = ("synthlib", "tensorflow", "keras", "numpy", "pandas")
FEWEST = 5  # patients who must share a level
NUMBERS = ("G", "H", "I", "J", "R")  # classes of what numbers people, such as social security or patient ids


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
    """Discrete columns none of whose levels `FEWEST` patients share: as good as identifiers.

    A generator leaves out rare levels, but where all are rare it has no others to draw. Without a patient id,
    each row counts as a patient. Of few levels in a small table nothing can be said.
    """
    is_large = len(train) >= SMALL_CELL * FEWEST
    levels = [column.name for column in schema if column.is_discrete]
    counts = {name: _count_patients(train, name, schema) for name in levels}
    return [
        name
        for name, patients in counts.items()
        if (is_large or len(patients) > SMALL_CELL) and patients.max() < FEWEST
    ]


def find_repeated_numbers(table: pd.DataFrame, schema: Schema) -> list[str]:
    """Columns that no generator gets, named a number of somebody, whose values a few rows share each.

    Then a row is hardly a patient, and what protects a row protects none.
    """
    modelled = {column.name for column in schema.modelled}
    outside = [name for name in table.columns if name not in modelled]
    return [
        name
        for name in outside
        if table[name].nunique() < table[name].count() < SMALL_CELL * table[name].nunique()
        and class_by_name(str(name)) in NUMBERS
    ]


def _count_patients(train: pd.DataFrame, name: str, schema: Schema) -> pd.Series:
    """Patients who have each level of a column."""
    if schema.patient_id in (None, name):
        return train[name].value_counts()
    return train[[schema.patient_id, name]].drop_duplicates()[name].value_counts()


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
    keep: Iterable[str] = (),
    study: Study | None = None,
    attempt: int | None = None,
    loss: float | None = None,
    given: Given | None = None,
    acceptance: Any = None,
    publish_scores: bool | None = None,
) -> Bundle:
    """Write a synthetic table and everything that its record on a chain will speak of into one Bundle.

    It holds `synthetic.csv`, `schema.json` (`public_schema`), `report.csv` (`public_report`),
    `deidentification.csv`, `rows.json` (the root of the tree over its rows) and, of a study, `protocol.json`
    and `attempts.json`; beside these, in `ledger/`, the journal of the in-process chain on which the protocol
    is registered. Of the training table it tells aggregates, and a commitment that nobody can open without
    the steward's key. The aggregates carry no noise: releases of overlapping cohorts can be compared.

    Of a generator that was fitted privately the release makes a claim to differential privacy, and its
    manifest (`privacy`) says which, what it covers and what not. No aggregate of the training table but its
    public size is published then, unless scores are asked for, which carry no noise.

    Args:
        path: folder, or bare name for the workspace's `bundles/`.
        synthesizer: the fitted generator; its type and hyperparameters are recorded.
        synthetic: what it drew.
        train: what it learnt from.
        report: from `evaluate`; keep it with the training table, the release holds its overall scores alone.
        deidentification: from `deidentify`.
        key: the steward's; the commitment to `train` is made under it.
        seed: that `synthetic` was drawn with.
        parents: Bundles that this one was made from; keyed ones, where they are confidential.
        keep: columns to publish although few patients share each of their levels.
        study: whose protocol was registered before the synthesizer was fitted. A release without one can be
            checked as a folder and is not recorded by any registry.
        attempt: number of the attempt that the synthesizer is; if None, the last that describes it and
            `train`. The table is noted among its draws, if it is not yet.
        loss: privacy that the release spends, in the dataset's measure; None takes what the generator spent
            (`spend_`), rounded up, or makes no claim where it was not fitted privately.
        given: what `synthetic` was drawn under, if anything; a keyed commitment to it is published. A claim
            takes it as public: it must not have been read off patients.
        acceptance: thresholds of a release without a study; those of a study stand in its protocol. Where
            there are any, `gate.json` and the manifest say whether the report meets them, either way.
        publish_scores: whether `report.csv`, and with thresholds `gate.json`, are in the release. None leaves
            them out of a release that makes a claim: its epsilon does not cover them.

    Returns:
        The Bundle, opened.

    Raises:
        SchemaError: if a table is not one of the synthesizer's schema.
        ValueError: if few patients share each level of a column, the table cannot be written so that it
            reads back the same, or the study has no such attempt; or scores are left out that thresholds
            are about.
        PrivacyError: if a loss is claimed that is smaller than was spent, or where nothing was private.
        ConfidentialRows: if the synthetic table is the training table or a part of it.
    """
    if study is None and (attempt, loss) != (None, None):
        raise ValueError("expected a study with an attempt or a loss, got none; give write_release the study")
    gate = _judge(report, study, acceptance)
    if publish_scores is None:
        publish_scores = getattr(synthesizer, "spend_", None) is None
    if gate is not None and not publish_scores:
        raise ValueError(
            "expected scores in a release whose thresholds are about them, got publish_scores=False, as is "
            "usual for a private generator; publish them, which its epsilon does not cover, or declare no "
            "thresholds"
        )
    loss = find_loss(synthesizer, study, loss)
    claim = describe_claim(synthesizer, study, publish_scores, given is not None)
    synthesizer.schema.check(train)
    synthesizer.schema.check(synthetic)
    scattered = sorted(set(find_scattered_levels(train, synthesizer.schema)) - set(keep))
    if scattered and claim is None:  # else levels are public, and noise decides which are drawn
        raise ValueError(
            f"expected levels that several patients share, got fewer than {FEWEST} patients for each of "
            f"those of {', '.join(scattered)}; merge levels, declare the column an identifier before "
            "de-identifying it, or insist on it with keep=[column]"
        )
    if study is not None and attempt is None:
        attempt = _find_attempt(study, describe_attempt(synthesizer, train, key))
    schema = public_schema(synthesizer.schema, synthetic)
    parameters = {
        "model_type": type(synthesizer).__name__,
        "model": synthesizer.public_parameters,
        "characteristics": _public_characteristics(train, synthesizer.schema, schema)
        if claim is None
        else public_facts(len(train), synthesizer.schema),
        "training_commitment": commit(train, key).hex(),
        "seed": seed,
        "num_rows": len(synthetic),
        "given": None if given is None else commit_conditions(given, key).hex(),
        "versions": {"python": platform.python_version(), **_package_versions()},
    }
    if study is not None:
        study.describe(attempt, loss)  # refused before anything is written
    if gate is not None:
        parameters["gate"] = gate.describe()
    if claim is not None:
        parameters["privacy"] = claim
        deidentification = mask_deidentification(deidentification)
    path = Bundle.locate(path)
    with Bundle.create(path, "release", parameters, parents) as folder:
        write_table(synthetic, folder / "synthetic.csv")
        as_read = _read_back(folder / "synthetic.csv", synthetic, schema)
        tree = RowTree.build(as_read, train, key)
        parameters["synthetic_digest"] = table_digest(as_read).hex()
        parameters["rows_root"] = tree.root.hex()
        write_atomically(folder / ROWS_FILE, describe_rows(tree))
        write_atomically(folder / "schema.json", schema.to_json().encode())
        if publish_scores:
            write_table(public_report(report), folder / "report.csv")
        write_table(deidentification, folder / "deidentification.csv")
        if gate is not None:
            write_atomically(folder / GATE_FILE, gate.to_json())
        if study is not None:
            draw = note_draw(study, attempt, as_read, seed, given, key)
            parameters["protocol"] = study.describe(attempt, loss, draw)
            study.write(folder)
    bundle = Bundle.open(path)
    if study is not None and study.ledger.journal is not None:
        study.ledger.leave_journal(bundle)
    return bundle


def write_data(
    path: Path | str,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    schema: Schema,
    deidentification: pd.DataFrame,
    key: StewardKey,
    dataset: pd.DataFrame | None = None,
) -> Bundle:
    """Write what a release was learnt from, and what was held out, into a keyed Bundle: it is confidential.

    Its digest, which a release names as its parent, tells nothing without the key. With `dataset`, the table
    before the split as it was registered, the steward can show later that train is the protocol's part of it.
    """
    with Bundle.create(path, "data", {"target": schema.target}, key=key) as folder:
        write_table(train, folder / "train.csv")
        write_table(holdout, folder / "holdout.csv")
        write_table(deidentification, folder / "deidentification.csv")
        write_atomically(folder / "schema.json", schema.to_json().encode())
        if dataset is not None:
            write_table(dataset, folder / "dataset.csv")
    return Bundle.open(path, key)


def _find_attempt(study: Study, description: Mapping[str, Any]) -> int:
    """The last attempt that is described so."""
    found = study.find(description)
    if not found:
        raise ValueError(
            "expected an attempt of this fit, found none that describes this generator and these rows; fit "
            "it with fit_attempt, or say which attempt it is"
        )
    return found[-1]


def public_report(report: pd.DataFrame) -> pd.DataFrame:
    """The part of a report that is published: overall scores, rounded.

    The scores of single columns (`metric[column]`) are exact statements about the training table: with the
    synthetic table at hand, its means, quantiles and missing rates can be solved from them. What is left
    (`areas.is_published`: attacks in brackets are no columns) are aggregates over all rows and columns, or
    over held-out predictions. They carry no noise either.

    Args:
        report: from `evaluate`.

    Returns:
        DataFrame of `metric, value, low, high, reference`, the last four with three decimals. Its
        `attrs["notes"]`, where there are any, name no column whose scores are left out.
    """
    found = round_scores(report[report["metric"].map(is_published)])
    found.attrs = dict(report.attrs) | ({"notes": public_notes(report)} if "notes" in report.attrs else {})
    return found


def _judge(report: pd.DataFrame, study: Study | None, acceptance: Any) -> Verdict | None:
    """The verdict on what is published of a report; None where no threshold was declared.

    Raises:
        ValueError: if other thresholds are given than the study's protocol has.
    """
    declared = acceptance if study is None else study.protocol.acceptance
    if acceptance is not None and declared != acceptance:
        raise ValueError(
            "expected no acceptance beside a study, whose protocol declared its own; leave it out, or "
            "register another protocol before anything is fitted"
        )
    return judge(public_report(report), declared) if parse_acceptance(declared) else None


def public_schema(schema: Schema, synthetic: pd.DataFrame) -> Schema:
    """The Schema as it is published: it says no more of values than the synthetic table does.

    Levels are those that were drawn, ranges run from the smallest to the largest value drawn, and codes of
    missing values are left out. The patient id loses its role: a synthetic row belongs to no patient. What
    stays are names, kinds, dtypes, decimals, whether values may miss, the other roles, and the rules: people
    declared them, and each synthetic row shows them. Of rules go what names other levels than those drawn,
    and weights, which may be frequencies among patients. Whoever declares a rule that `find_dependencies`
    read off patients decides to publish it.

    Args:
        schema: that of the training table.
        synthetic: DataFrame of the Schema.

    Returns:
        A Schema that `synthetic` is a table of. A discrete column without a value has one level, `WITHHELD`.
    """
    rules = tuple(replace(r, weights=()) if isinstance(r, Combinations) else r for r in schema.rules)
    columns = (public_column(column, synthetic[column.name]) for column in schema)
    return replace(schema, patient_id=None, rules=rules).with_columns(columns)


def _public_characteristics(train: pd.DataFrame, schema: Schema, public: Schema) -> dict[str, Any]:
    """Those of the training table, without the names of levels that the public Schema withholds."""
    told = characteristics(train, schema)
    if told["target_rates"] is not None:
        levels = {str(level) for level in public[schema.target].categories}
        told["target_rates"] = {name: rate for name, rate in told["target_rates"].items() if name in levels}
    return told


def _read_back(path: Path, synthetic: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """The table in the file, which must be the table that was written."""
    read = read_synthetic(path, schema)
    changed = [name for name in schema.names if table_digest(read[[name]]) != table_digest(synthetic[[name]])]
    if changed:
        raise ValueError(
            f"expected a synthetic table that reads back from CSV as it is, {', '.join(changed)} does not "
            "(empty texts, levels that are spelt alike?); change its levels"
        )
    return read


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
