"""What was a release fitted to, and which draw is it? What attempt, protocol and steward say of that."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from synthlib.bundle import Finding
from synthlib.chain.commitments import commit, commit_schema, open_commitment
from synthlib.chain.datasets import dataset_id
from synthlib.chain.evidence import guard, read_plain, show
from synthlib.chain.protocols import Protocol, Protocols
from synthlib.chain.records import Record
from synthlib.chain.registry import Ledger, to_bytes32
from synthlib.chain.study import PROTOCOL_FILE
from synthlib.keys import StewardKey
from synthlib.schema import Schema
from synthlib.splitting import KEYED, split

FITTED, DRAW, DATASET = "fitted rows", "draw", "registered dataset"
SPLIT = "training table is the protocol's split of the registered dataset"


def judge_fit(entries: Sequence[Mapping[str, Any]], manifest: Any) -> list[Finding]:
    """What a release says of its rows and its draw, against what its attempt says.

    A match is no more than that: who draws a table past the library notes no draw.

    Args:
        entries: of its `attempts.json`.
        manifest: what its manifest holds, None if it is no JSON object.
    """
    parameters = manifest.get("parameters") if isinstance(manifest, dict) else None
    told = parameters if isinstance(parameters, dict) else {}
    protocol = told.get("protocol") if isinstance(told.get("protocol"), dict) else {}
    number = protocol.get("attempt")
    if type(number) is not int or not 1 <= number <= len(entries):
        detail = "the manifest names no attempt that attempts.json has"
        return [Finding(subject, "unchecked", detail) for subject in (FITTED, DRAW)]
    entry = entries[number - 1]
    return [_judge_rows(entry, told), _judge_draw(entry, told, protocol)]


def check_split(
    path: Path,
    ledger: Ledger | None,
    record: Record | None,
    key: StewardKey | None,
    dataset: pd.DataFrame | None,
    schema: Schema | None,
    findings: list[Finding],
) -> None:
    """Is the table that a release was fitted to the part of the registered one that the protocol sets aside?

    Args:
        path: the release's folder.
        ledger: the chain that holds the record, None if it could not be asked.
        record: what that chain knows of the release.
        key: the steward's.
        dataset: the whole de-identified table, as it was registered.
        schema: under which it was divided.
        findings: what is found is added.
    """
    if ledger is None or record is None or key is None or dataset is None:
        detail = "only the data's steward can show it, with the key, the table as registered, and its schema"
        findings.append(Finding(SPLIT, "unchecked", detail))
        return
    with guard(SPLIT, findings):
        registered = Protocols(ledger).find(record.protocol, record.issuer)
        same, detail = _is_registered(ledger, registered.dataset, dataset, key)
        findings.append(Finding(DATASET, "matched" if same else "differs", detail))
        data = read_plain(path / PROTOCOL_FILE)
        if not same:
            verdict, detail = "unchecked", "the table that was given is not the one that was registered"
        elif hashlib.sha256(data).hexdigest() != registered.digest:
            verdict, detail = "unchecked", f"{PROTOCOL_FILE} is not the protocol that was registered"
        else:
            commitment = bytes.fromhex(record.commitment)
            verdict, detail = _judge_split(Protocol.from_json(data), commitment, key, dataset, schema)
        findings.append(Finding(SPLIT, verdict, detail))


def names_dataset(dataset: str, commitment: bytes, steward: str) -> bool:
    """Whether a dataset's id is that of a commitment and of who registered it.

    Args:
        dataset: the id, hexadecimal.
        commitment: 32 bytes.
        steward: address of who registered it.
    """
    return hmac.compare_digest(to_bytes32(dataset), to_bytes32(dataset_id(steward, commitment.hex())))


def _is_registered(ledger: Ledger, dataset: str, table: pd.DataFrame, key: StewardKey) -> tuple[bool, str]:
    (event,) = ledger.find_events("DatasetRegistered", dataset=dataset)
    try:
        commitment = commit(table, key)
    except (TypeError, ValueError) as error:  # whose words might quote a cell
        return False, f"no table that could have been committed to ({type(error).__name__})"
    if names_dataset(dataset, commitment, event.arguments["steward"]):
        return True, "the table that was given is the one that was registered"
    return False, (
        "another table was registered, or under another key: give the whole de-identified table, before the "
        "split, with its rows in their order"
    )


def _judge_split(
    protocol: Protocol, commitment: bytes, key: StewardKey, dataset: pd.DataFrame, schema: Schema | None
) -> tuple[str, str]:
    """Verdict and detail: the protocol's split, made again, against the release's commitment."""
    told = protocol.split if isinstance(protocol.split, dict) else {}
    fraction, seed = told.get("holdout_fraction"), told.get("seed")
    if told.get("by") != "patient" or type(fraction) is not float or type(seed) is not int:
        return "unchecked", "the protocol declares no split by patient with a holdout_fraction and a seed"
    if told.get("assignment") not in (None, KEYED):
        return "unchecked", "the protocol declares a way of assigning patients that is not known here"
    if schema is None:
        return "unchecked", "give the schema under which the table was divided (beside the training rows)"
    if told.get("schema") not in (None, commit_schema(schema, key).hex()):
        return "differs", "the schema that was given is not the one that the protocol commits to"
    try:
        train, _ = split(dataset, schema, fraction, seed, key if told.get("assignment") else None)
        same = open_commitment(commitment, train, key)
    except (TypeError, ValueError) as error:
        return "differs", f"the registered table cannot be divided under this schema ({type(error).__name__})"
    if not same:
        return "differs", "the release was fitted to other rows than the split of the protocol gives"
    loose = "" if "schema" in told else "; the protocol commits to no schema"
    return "matched", f"divided again, {len(train)} rows: the commitment opens{loose}"


def _judge_rows(entry: Mapping[str, Any], told: Mapping[str, Any]) -> Finding:
    number, described = entry["number"], entry["describes"]
    said = described.get("training_commitment") if isinstance(described, dict) else None
    if said is None:
        return Finding(FITTED, "unchecked", f"attempt {number} does not say which rows it is a fit to")
    if said != told.get("training_commitment"):
        detail = f"attempt {number} was logged as a fit to other rows than the release commits to"
        return Finding(FITTED, "differs", detail)
    return Finding(FITTED, "matched", f"attempt {number} was logged as a fit to what the release commits to")


def _judge_draw(entry: Mapping[str, Any], told: Mapping[str, Any], protocol: Mapping[str, Any]) -> Finding:
    attempt, draws, number = entry["number"], entry["draws"], protocol.get("draw")
    if number is None:
        detail = f"the release does not say which draw it is; of attempt {attempt}, {len(draws)} are noted"
        return Finding(DRAW, "unchecked", detail)
    if protocol.get("draws") != len(draws) or type(number) is not int or not 1 <= number <= len(draws):
        said = f"{show(number)} of {show(protocol.get('draws'))}"
        detail = f"said to be {said}, of attempt {attempt} {len(draws)} are noted"
        return Finding(DRAW, "differs", detail)
    draw, names = draws[number - 1], {"digest": "synthetic_digest"}
    for name, noted in draw.items():
        if name == "digest" and draw["given"] is not None:
            continue  # keyed
        if told.get(names.get(name, name)) != noted:
            detail = f"draw {number} of attempt {attempt} is noted with another {name}"
            return Finding(DRAW, "differs", detail)
    detail = f"number {number} of the {len(draws)} that are noted of attempt {attempt}"
    return Finding(DRAW, "matched", detail)
