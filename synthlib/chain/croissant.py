"""A release's synthetic table in the words of Croissant, so that ML tools can load it.

Reference: MLCommons Croissant 1.0 (2024) and its Responsible AI vocabulary 1.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from synthlib.chain.attempts import ATTEMPTS_FILE
from synthlib.chain.facts import DEIDENTIFICATION, REPORT, SYNTHETIC, Facts, nih
from synthlib.chain.study import PROTOCOL_FILE
from synthlib.schema import Column

CONFORMS_TO = ("http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0")
TABLE = "synthetic"  # the RecordSet
MAX_LEVELS = 20  # listed in a description
_ISO_DATES = ("%Y-%m-%d",)
_ISO_TIMES = tuple(f"%Y-%m-%d{mark}%H:%M{seconds}" for mark in " T" for seconds in ("", ":%S", ":%S.%f"))
_TERMS = (
    "citeAs column equivalentProperty extract field fileObject fileProperty fileSet format includes "
    "isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace "
    "samplingRate separator source subField transform"
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
} | {term: f"cr:{term}" for term in _TERMS.split()}


def to_croissant(
    facts: Facts,
    location: str,
    name: str,
    description: str,
    license: str | None = None,
    keywords: Iterable[str] = (),
    published: str | None = None,
) -> dict[str, Any]:
    """Croissant metadata of a release's synthetic table.

    CSV has no types, and readers guess them: one that takes "NA" for a missing value, or "01" for a number,
    does so whatever stands here. `schema.json` says what is what.

    Args:
        facts: of the release.
        location: of synthetic.csv, relative to the file that this is written into.
        name, description: for people.
        license: URL or name, None if none was stated.
        keywords: for finding it.
        published: ISO 8601 date, None if unknown.

    Returns:
        JSON-LD, as a dict.
    """
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": name,
        "description": description,
        "identifier": nih(facts.digest),
        "isLiveDataset": False,
        "distribution": [_describe_file(facts, location)],
        "recordSet": [_describe_table(facts)],
    } | dict(_list_statements(facts))
    given = {"license": license, "keywords": list(keywords), "datePublished": published}
    return document | {term: value for term, value in given.items() if value}


def field_id(name: str) -> str:
    """The id of a column's Field: its name behind `synthetic/`, with what no URI holds percent-encoded."""
    encoded = quote(name, safe="")
    return f"{TABLE}/" + (encoded.replace(".", "%2E") if not encoded.strip(".") else encoded)  # ".." goes up


def data_type(column: Column) -> str:
    """The Croissant data type that a column's cells have in CSV.

    Dates count as such where they are written in ISO 8601, which readers of Croissant expect; in another
    format they are text.
    """
    if column.is_discrete:
        return _type_of_levels(column.categories)
    if column.kind == "datetime":
        if column.format in _ISO_DATES or (column.format is None and column.decimals == 0):
            return "sc:Date"
        return "sc:DateTime" if column.format in (None, *_ISO_TIMES) else "sc:Text"
    if column.kind == "continuous":
        return "sc:Float"
    dtype = column.dtype.lower()
    if column.kind == "integer" or dtype.startswith(("int", "uint")):
        return "sc:Integer"
    return "sc:Float" if dtype.startswith("float") else "sc:Text"


def _type_of_levels(levels: tuple) -> str:
    if all(isinstance(level, bool) for level in levels):
        return "sc:Boolean"
    if any(isinstance(level, bool | str) for level in levels):
        return "sc:Text"
    return "sc:Integer" if all(isinstance(level, int) for level in levels) else "sc:Float"


def _describe_file(facts: Facts, location: str) -> dict[str, Any]:
    described = facts.files[SYNTHETIC]
    return {
        "@type": "cr:FileObject",
        "@id": SYNTHETIC,
        "name": SYNTHETIC,
        "description": "The synthetic table: UTF-8, one header row, an empty field for a missing value.",
        "contentUrl": location,
        "contentSize": f"{described['bytes']} B",
        "encodingFormat": "text/csv",
        "sha256": described["digest"],
    }


def _describe_table(facts: Facts) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": TABLE,
        "name": TABLE,
        "description": "Synthetic rows, one a record: drawn by a model, none of them observed.",
        "field": [
            {
                "@type": "cr:Field",
                "@id": field_id(column.name),
                "name": column.name,
                "description": " ".join(_describe_column(column, facts)),
                "dataType": data_type(column),
                "source": {"fileObject": {"@id": SYNTHETIC}, "extract": {"column": column.name}},
            }
            for column in facts.schema
        ],
    }


def _describe_column(column: Column, facts: Facts) -> Iterator[str]:
    """Sentences about a column; of its values they say what schema.json says."""
    if column.description:
        yield column.description.rstrip(". ") + "."
    yield f"{column.kind.capitalize()}{f', in {column.unit}' if column.unit else ''}."
    if column.is_discrete:
        shown = ", ".join(map(str, column.categories[:MAX_LEVELS]))
        more = len(column.categories) - MAX_LEVELS
        yield f"Levels: {shown}{f', and {more} more (schema.json)' if more > 0 else ''}."
    elif column.is_numeric and column.low is not None and column.high is not None:
        yield f"From {column.low} to {column.high}."
    if column.format:
        yield f"Written as {column.format} (strftime)."
    yield "May be missing." if column.nullable else "Never missing."
    roles = {
        "the target": [facts.schema.target],
        "a leak, which knows the target's answer": facts.schema.leaks,
        "a quasi-identifier": facts.schema.quasi_identifiers,
    }
    yield from (f"It is {role}." for role, names in roles.items() if column.name in names)


def _list_statements(facts: Facts) -> Iterator[tuple[str, Any]]:
    """Responsible AI: what follows from the manifest and the record, and nothing else."""
    told = facts.parameters
    generator = told.get("model_type", "generative model")
    yield "rai:hasSyntheticData", True
    yield "rai:dataCollection", (
        f"No row was collected. All were drawn from a model ({generator}) that was fitted to a confidential "
        "training table."
    )
    yield "rai:dataCollectionType", ["Others: drawn from a generative model"]
    yield "rai:dataCollectionRawData", (
        "The training table is confidential and no part of this dataset. It is known by a keyed commitment "
        f"(HMAC-SHA-256) alone: {told['training_commitment']}."
    )
    nullable = [column.name for column in facts.schema if column.nullable]
    missing = f"Columns that may miss values: {', '.join(nullable)}." if nullable else "No column misses any."
    yield "rai:dataCollectionMissingData", f"An empty field is a missing value. {missing}"
    if DEIDENTIFICATION in facts.files:
        yield "rai:dataPreprocessingProtocol", [
            f"{DEIDENTIFICATION} says what was done to each column of the training table before the fit."
        ]
    yield "rai:dataLimitations", list(_list_limitations(facts))
    yield "rai:personalSensitiveInformation", list(_list_sensitive(facts))
    yield "rai:dataReleaseMaintenancePlan", _describe_state(facts)


def _list_limitations(facts: Facts) -> Iterator[str]:
    yield "The rows are draws from a model: relations in them may differ from those among patients."
    if REPORT in facts.files:
        yield f"{REPORT} compares the table with the training table: fidelity, utility and privacy, overall."
    if facts.protocol is not None:
        yield f"It is of attempt {facts.protocol.attempt} of those that {ATTEMPTS_FILE} lists."
    if facts.loss is not None:
        yield (
            f"It was accounted with a privacy loss of {facts.loss:g} in the measure that its dataset was "
            f"registered with; {PROTOCOL_FILE} says the unit that is protected."
        )
        yield from _list_claim(facts.parameters.get("privacy"))
    else:
        yield "No guarantee of differential privacy is recorded for it."


def _list_claim(claim: Any) -> Iterator[str]:
    """What a private release claims, as its maker wrote it; `verify` accounts for it again."""
    said = claim if isinstance(claim, dict) else {}
    if not all(type(said.get(name)) is float for name in ("epsilon", "delta")):
        return
    yield (
        f"It claims differential privacy: epsilon {claim['epsilon']:.4g} at delta {claim['delta']:.2g} "
        f"for one {str(claim.get('unit'))[:20]} ({str(claim.get('adjacency'))[:100]})."
    )
    uncovered = claim.get("not_covered")
    for line in uncovered[:20] if isinstance(uncovered, list) else []:
        yield f"Not covered by that claim: {str(line)[:200]}."


def _list_sensitive(facts: Facts) -> Iterator[str]:
    yield (
        "The columns describe patients. Each row was drawn by a model and is no patient's record; it may "
        "still equal or resemble one."
    )
    if facts.schema.quasi_identifiers:
        listed = ", ".join(facts.schema.quasi_identifiers)
        yield f"Quasi-identifiers, by which somebody could look for a person: {listed}."


def _describe_state(facts: Facts) -> str:
    record = facts.record
    if record is None:
        return "It is recorded on no chain as far as this folder shows, and cannot be revoked there."
    state = "REVOKED by its issuer" if record.is_revoked else "not revoked"
    if record.successor is not None:
        state = f"SUPERSEDED by its issuer, by {nih(record.successor)}"
    where = "ask there what holds now" if record.is_public else "it is on an in-process chain"
    return (
        f"When its record was written, it was {state}. Its issuer can revoke it on the registry "
        f"{record.registry}; {where}."
    )
