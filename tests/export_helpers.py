"""Releases to export, how an export is read, and the validator without a network."""

import json
from pathlib import Path

import pandas as pd
from chain_helpers import COMMITMENT, TRAINING, account, registration
from prov.model import ProvDocument
from requests import Response
from rocrate import vocabs
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.utils.http import HttpRequester

import synthlib as sl
from synthlib.bundle import Bundle, canonical_json
from synthlib.chain.commitments import commit, synthetic_digest
from synthlib.chain.datasets import dataset_id
from synthlib.data.tables import write_table
from synthlib.schema import Column, Schema

FORMATS = Path(__file__).parents[1] / "docs" / "formats.md"
LICENSE = "https://spdx.org/licenses/CC-BY-4.0"
DATE = "2026-01-31"
BLOCK_TIME = 1_767_225_600  # 2026-01-01, when the node begins
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
DATASET = dataset_id(account("issuer").address, COMMITMENT)
PROTOCOL = registration("issuer", DATASET).id
COLUMNS = (
    Column("age (years)", "integer", "int64", low=18, high=120, unit="a"),
    Column('größe "am" Tag', "continuous", "float64", decimals=1, nullable=True),
    Column("a, b; c'd", "categorical", "object", categories=("f", 'said "no"', "ü, ö"), nullable=True),
    Column("line\nbreak\tand more", "boolean", "bool", categories=(False, True)),
    Column("50% / #1 ? &", "boolean", "object", categories=(False, True), nullable=True),
    Column("..", "ordinal", "float64", categories=(1, 2, 3), nullable=True),
    Column("日付", "datetime", "datetime64[ns]", decimals=0, nullable=True),
    Column(" seen ", "datetime", "object", format="%Y-%m-%d %H:%M", nullable=True),
    Column("@id", "datetime", "object", format="%d.%m.%Y", nullable=True),
    Column("died", "boolean", "int64", categories=(0, 1)),
)
ODD = Schema(COLUMNS, target="died", quasi_identifiers=("age (years)",))
TABLE = pd.DataFrame(
    {
        "age (years)": [61, 45, 77],
        'größe "am" Tag': [170.5, None, 1.0],
        "a, b; c'd": ["ü, ö", 'said "no"', None],
        "line\nbreak\tand more": [True, False, True],
        "50% / #1 ? &": [True, None, False],
        "..": [1.0, None, 3.0],
        "日付": pd.to_datetime(["2001-02-03", None, "1999-12-31"]),
        " seen ": ["2001-02-03 04:05", None, "1999-12-31 00:00"],
        "@id": ["03.02.2001", None, "31.12.1999"],
        "died": [0, 1, 0],
    }
)


def make_odd(path: Path) -> Bundle:
    """A release whose columns have all kinds and the oddest names, and a file that its writer added."""
    parameters = {
        "model_type": "TabularGPT",
        "model": {"num_layers": 2},
        "characteristics": {"num_rows": 4},
        "training_commitment": commit(TRAINING, sl.StewardKey(bytes(32))).hex(),
        "seed": 5,
        "num_rows": len(TABLE),
        "versions": {"synthlib": "0.1.0", "keras": "3.15.1", "python": "3.11.2"},
    }
    with Bundle.create(path, "release", parameters) as folder:
        write_table(TABLE, folder / "synthetic.csv")
        (folder / "schema.json").write_text(ODD.to_json(), encoding="utf-8")
        (folder / "more").mkdir()
        (folder / "more" / "notes ü 100%.txt").write_text("words")
        parameters["synthetic_digest"] = synthetic_digest(folder / "synthetic.csv", ODD).hex()
    return Bundle.open(path)


def change_record(bundle: Bundle, signed: bool = False, **changes) -> None:
    """Edit a release's record.json as somebody might, or a later version would."""
    path = bundle.path / "ledger" / "record.json"
    body = json.loads(path.read_bytes())
    for name, value in changes.items():
        body[name] = body[name] | value if isinstance(value, dict) else value
    path.write_bytes(canonical_json(body if signed else body | {"signature": None}))


def read_json(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_bytes())


def read_graph(folder: Path) -> dict[str, dict]:
    return {entity["@id"]: entity for entity in read_json(folder, "ro-crate-metadata.json")["@graph"]}


def read_tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def read_prov(folder: Path) -> ProvDocument:
    return ProvDocument.deserialize(folder / "provenance.json", format="json")


class Offline:
    """Stands for the network: it serves the context that RO-Crate's own library carries, and counts."""

    def __init__(self):
        self.asked = []

    def get(self, url, **_):
        self.asked.append(url)
        response = Response()
        response.status_code = 200 if url == CONTEXT else 504
        response.headers["Content-Type"] = "application/ld+json"
        response._content = json.dumps(vocabs.RO_CRATE).encode()
        return response

    def close(self):
        pass


def validate_crate(folder: Path, severity: Severity = Severity.REQUIRED) -> list[str]:
    """What roc-validator finds wrong with a crate."""
    options = ValidationSettings(
        rocrate_uri=str(folder),
        profile_identifier="ro-crate-1.1",
        requirement_severity=severity,
        no_cache=True,
    )
    network = HttpRequester().session = Offline()
    issues = services.validate(options).get_issues()
    assert set(network.asked) == {CONTEXT}
    return sorted(issue.message for issue in issues)


def registration_of(bundle: Bundle) -> str:
    return bundle.parameters["protocol"]["id"]
