"""A release as an RO-Crate: what lies in the folder, in schema.org's words.

RO-Crate 1.2 would want a URL and a version of every software named, which a release does not know.

Reference: RO-Crate 1.1 (2020).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

from rocrate.model.contextentity import ContextEntity
from rocrate.model.dataset import Dataset
from rocrate.model.file import File
from rocrate.rocrate import ROCrate

from synthlib.bundle import LEDGER_FOLDER, MANIFEST
from synthlib.chain.attempts import ATTEMPTS_FILE
from synthlib.chain.croissant import CONFORMS_TO
from synthlib.chain.facts import DEIDENTIFICATION, REPORT, SCHEMA, SYNTHETIC, Facts, RecordFacts, nih
from synthlib.chain.registry import JOURNAL, RECORD
from synthlib.chain.rows import ROWS_FILE
from synthlib.chain.study import PROTOCOL_FILE
from synthlib.chain.verdict_facts import VerdictFacts
from synthlib.parsing import parse_json

VERSION = "1.1"
TERMS = {"sha256": "http://schema.org/sha256"}  # younger than the schema.org that RO-Crate 1.1 takes
EXPORT = "urn:x-synthlib:export:1"  # marks a crate as one of ours
METADATA, PROVENANCE, CROISSANT, RELEASE = (
    "ro-crate-metadata.json",
    "provenance.json",
    "croissant.json",
    "release",
)
NO_LICENSE = "None is stated: ask the issuer before any use."
_ABOUT = {
    f"{RELEASE}/{SYNTHETIC}": "The synthetic table",
    f"{RELEASE}/{SCHEMA}": "What each column of the synthetic table may hold, and its role",
    f"{RELEASE}/{REPORT}": "Overall scores of the synthetic table against the training table",
    f"{RELEASE}/{DEIDENTIFICATION}": "What was done to each column before training",
    f"{RELEASE}/{ROWS_FILE}": "The root of the Merkle tree over the rows, and its salts' secret: by them any "
    "row can be shown to be in the table",
    f"{RELEASE}/{PROTOCOL_FILE}": "What the study was going to do, registered before its first attempt",
    f"{RELEASE}/{ATTEMPTS_FILE}": "Every attempt under the protocol until the release, and what came of it",
    f"{RELEASE}/{MANIFEST}": "Parameters, and each file's digest; its own SHA-256 is the release's",
    f"{RELEASE}/{LEDGER_FOLDER}/{RECORD}": "The release's record on a chain",
    f"{RELEASE}/{LEDGER_FOLDER}/{JOURNAL}": "The in-process chain's signed transactions, to be replayed",
    f"{RELEASE}/{LEDGER_FOLDER}/{MANIFEST}": "The manifest as it was recorded",
    PROVENANCE: "Provenance as W3C PROV-JSON: what was made from what, by which activity, by whom",
    CROISSANT: "Croissant metadata of the synthetic table",
}
_FORMATS = {".csv": "text/csv", ".json": "application/json", ".jsonl": "application/jsonl"}
_CONFORMS = {
    PROVENANCE: "https://www.w3.org/submissions/2013/SUBM-prov-json-20130424/",
    CROISSANT: CONFORMS_TO[0],
}


def describe(facts: Facts) -> str:
    """A few sentences about a release, for people. A withdrawn one is called so first."""
    told, record = facts.parameters, facts.record
    rows = f"{told['num_rows']} rows and " if isinstance(told.get("num_rows"), int) else ""
    sentences = [
        f"A synthetic table of {rows}{len(facts.schema)} columns, drawn from a model "
        f"({told.get('model_type', 'of unknown type')}). No row was observed."
    ]
    if record is None:
        sentences.append("It is recorded on no chain as far as this folder shows.")
    elif record.is_public:
        sentences.append(f"Recorded on chain {record.chain} in transaction {record.transaction}.")
    else:
        sentences.append("Recorded on an in-process chain, which shows integrity and no time.")
    if record is not None and facts.protocol is not None:
        sentences.append(
            f"It is of attempt {facts.protocol.attempt} of {record.attempts} under protocol "
            f"{facts.protocol.id}, which was registered before the first."
        )
    if record is not None and record.is_failed:
        sentences.insert(0, "FAILED: recorded as a release that failed the thresholds of its own protocol.")
    if record is not None and record.successor is not None:
        sentences.insert(0, f"SUPERSEDED: its issuer replaced it by {nih(record.successor)}; use that one.")
    elif record is not None and record.is_revoked:
        sentences.insert(0, "REVOKED by its issuer: do not use it.")
    return " ".join(sentences)


def to_crate(
    facts: Facts,
    files: Mapping[str, tuple[int, str]],
    name: str,
    license: str | None = None,
    keywords: Iterable[str] = (),
    published: str | None = None,
) -> dict[str, Any]:
    """RO-Crate metadata of an exported release.

    Args:
        facts: of the release.
        files: path relative to the crate → size in bytes and SHA-256 of each file but the metadata.
        name: for people.
        license: URL or text; None says that none is stated.
        keywords: for finding it.
        published: ISO 8601 date. RO-Crate requires one; None leaves it out.

    Returns:
        The content of `ro-crate-metadata.json`, as a dict: the same for the same arguments.
    """
    crate = ROCrate(version=VERSION)
    crate.metadata.extra_terms.update(TERMS)
    root = crate.root_dataset
    del root["datePublished"]  # rocrate's is the clock's
    root["name"], root["description"] = name, describe(facts)
    root["additionalType"], root["identifier"] = EXPORT, nih(facts.digest)
    root["license"] = _add_license(crate, license)
    if published:
        root["datePublished"] = published
    if keywords := list(keywords):
        root["keywords"] = _single(keywords)
    if facts.record is not None and facts.record.is_revoked:
        root["creativeWorkStatus"] = "Superseded" if facts.record.successor else "Revoked"
    entities = _add_files(crate, files)
    software = _add_software(crate, facts)
    actions = [_add_sampling(crate, facts, software, entities[f"{RELEASE}/{SYNTHETIC}"])]
    if facts.record is not None:
        actions.append(_add_record(crate, facts, facts.record))
    actions += [_add_verdict(crate, verdict) for verdict in facts.verdicts]
    root["mentions"] = _single(actions)
    return crate.metadata.generate()


def list_exported(metadata: bytes) -> set[str] | None:
    """Paths of the files that an export's metadata names, and its own; None if it is no export of ours."""
    try:
        graph = parse_json(metadata)["@graph"]
        (root,) = (entity for entity in graph if entity["@id"] == "./")
        if root.get("additionalType") != EXPORT:
            return None
        return {METADATA} | {unquote(entity["@id"]) for entity in graph if entity["@type"] == "File"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _single(values: list[Any]) -> Any:
    """RO-Crate wants no list of one."""
    return values[0] if len(values) == 1 else values


def _add(crate: ROCrate, identifier: str, /, **properties: Any) -> ContextEntity:
    properties = {"@type": properties.pop("type")} | properties
    return crate.add(ContextEntity(crate, identifier, properties=properties))


def _add_license(crate: ROCrate, license: str | None) -> Any:
    if license is None or not license.startswith(("https://", "http://")):
        return license or NO_LICENSE
    name = license.removesuffix("/").removesuffix(".html").rpartition("/")[2]
    return _add(
        crate,
        license,
        type="CreativeWork",
        name=name if "spdx.org" in license else license,
        description="The license that its publisher states.",
    )


def _add_files(crate: ROCrate, files: Mapping[str, tuple[int, str]]) -> dict[str, File]:
    entities: dict[str, File] = {}
    for path, (size, digest) in sorted(files.items()):
        about = _ABOUT.get(path, "A file of the release")
        ending = path[path.rfind(".") :] if "." in path else ""
        properties = {
            "name": path,
            "description": f"{about}.",
            "encodingFormat": _FORMATS.get(ending, "application/octet-stream"),
            "contentSize": str(size),
            "sha256": digest,
        }
        entities[path] = crate.add(File(crate, dest_path=path, properties=properties))
        if path in _CONFORMS:
            profile = _CONFORMS[path]
            entities[path]["conformsTo"] = _add(
                crate, profile, type="CreativeWork", name=profile, description=f"The format of {path}."
            )
    release = crate.add(Dataset(crate, dest_path=RELEASE))
    release["name"] = "The release, unchanged"
    release["description"] = "As it was recorded: `synthlib verify` takes this folder."
    inside = [path for path in entities if path.startswith(f"{RELEASE}/")]
    release["hasPart"] = [entities[path] for path in inside]
    crate.root_dataset["hasPart"] = [release, *(entities[path] for path in entities if path not in inside)]
    return entities


def _add_software(crate: ROCrate, facts: Facts) -> ContextEntity:
    added = []
    for name, version in facts.software.items():
        known = {"softwareVersion": version} if version else {}
        added.append(_add(crate, f"#software-{quote(name)}", type="SoftwareApplication", name=name, **known))
    synthlib, *others = added
    synthlib["description"] = "Learns a generator of synthetic patient data, and records what it drew."
    if others:
        synthlib["softwareRequirements"] = _single(others)
    return synthlib


def _add_sampling(crate: ROCrate, facts: Facts, software: ContextEntity, table: File) -> ContextEntity:
    commitment = facts.parameters["training_commitment"]
    training = _add(
        crate,
        "#training-table",
        type="CreativeWork",
        name="Training table",
        description="Confidential. The identifier is a keyed commitment (HMAC-SHA-256) to it, and no digest.",
        identifier=f"urn:x-synthlib:commitment:hmac-sha-256:{commitment}",
    )
    return _add(
        crate,
        "#sampling",
        type="CreateAction",
        name="Training of a model and drawing of the synthetic table",
        description=f"{PROVENANCE} tells it step by step.",
        instrument=software,
        object=training,
        result=table,
    )


def _add_record(crate: ROCrate, facts: Facts, record: RecordFacts) -> ContextEntity:
    told = dict(record.properties) | {  # in this order: what a record says besides replaces none of these
        "chain": record.chain,
        "registry": record.registry,
        "transaction": record.transaction,
        "isSigned": record.is_signed,
    }
    values = [
        _add(crate, f"#property-{quote(name)}", type="PropertyValue", name=name, value=_to_text(value))
        for name, value in told.items()
    ]
    recorded = _add(
        crate,
        "#record",
        type="CreativeWork",
        name="Record of the release on a chain",
        description="What the registry says of the release; the properties are named as in record.json.",
        identifier=record.transaction,
        additionalProperty=values,
    )
    issuer = _add(
        crate,
        "#issuer",
        type="Thing",
        name=record.issuer,
        description="The account that recorded the release. Whose it is, the chain does not tell.",
        identifier=record.issuer,
    )
    when = {"endTime": record.time} if record.time else {}
    return _add(
        crate,
        "#recording",
        type="CreateAction",
        name="Recording of the release",
        description="A transaction on the chain.",
        agent=issuer,
        object=crate.get(f"{RELEASE}/"),
        result=recorded,
        **when,
    )


def _add_verdict(crate: ROCrate, verdict: VerdictFacts) -> ContextEntity:
    """An audit as an action of the auditor, and the verdict as the Review that came of it."""
    release, identifier = crate.get(f"{RELEASE}/"), f"#auditor-{quote(verdict.auditor)}"
    auditor = crate.get(identifier) or _add(
        crate,
        identifier,
        type="Thing",
        name=verdict.auditor,
        description="An account with the role of an auditor. Whose it is, the chain does not tell.",
        identifier=verdict.auditor,
    )
    standing = "It stands" if verdict.is_standing else "Its auditor took it back"
    review = _add(
        crate,
        f"#review-{verdict.id}",
        type="Review",
        name=f"Verdict of an auditor: {verdict.outcome}",
        reviewBody=f"{verdict.outcome}. {standing}.",
        description=f"The report is {nih(verdict.report)}, the rubric {nih(verdict.rubric)}.",
        author=auditor,
        itemReviewed=release,
        identifier=verdict.id,
        **({} if verdict.is_standing else {"creativeWorkStatus": "Revoked"}),
    )
    return _add(
        crate,
        f"#audit-{verdict.id}",
        type="CreateAction",
        name="Audit of the release",
        description="A verdict that an auditor signed, and that was brought to the chain.",
        agent=auditor,
        object=release,
        result=review,
        **({"endTime": verdict.time} if verdict.time else {}),
    )


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
