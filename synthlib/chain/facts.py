"""What a release's folder says in public: read once, checked, and put into names that other formats use.

All that knows the form of `record.json` is `read_record`. Names that it does not know are kept as they are,
so that a record that says more is exported in full.

Reference: CAIP-2 (chains), CAIP-10 (accounts), CAIP-221 (transactions, a draft); RFC 6920 (`nih:` digests).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from synthlib.bundle import LEDGER_FOLDER, Bundle, canonical_json
from synthlib.chain.budgets import SCALE
from synthlib.chain.errors import ChainError
from synthlib.chain.evidence import read_plain
from synthlib.chain.records import (
    NOT_PRIVATE,
    failed_gate,
    is_digest,
    release_fields,
    signer_of,
    to_address,
)
from synthlib.chain.registry import JOURNAL, RECORD
from synthlib.parsing import parse_json
from synthlib.schema import Schema

if TYPE_CHECKING:
    from synthlib.chain.verdict_facts import VerdictFacts

SYNTHETIC, SCHEMA, REPORT, DEIDENTIFICATION = (
    "synthetic.csv",
    "schema.json",
    "report.csv",
    "deidentification.csv",
)
_ZEROS = {"0" * 64, "0x" + "0" * 64}


class ProtocolFacts(NamedTuple):
    """What a release's manifest says of the protocol that it was made under; `verify` asks the chain.

    Attributes:
        id: the protocol's.
        dataset: the dataset's id on the registry.
        researcher: CAIP-10 identifier, a pseudonym.
        attempt: number of the attempt whose model drew the release.
        spend: privacy loss that it was accounted with, in millionths of the dataset's measure; None if it
            claims no differential privacy.
    """

    id: str
    dataset: str
    researcher: str
    attempt: int
    spend: int | None


class RecordFacts(NamedTuple):
    """What a chain says of a release.

    Attributes:
        chain: CAIP-2 identifier, such as `"eip155:1"`.
        is_public: whether it is on a node; the in-process chain has no clock and no public.
        registry, issuer: CAIP-10 identifiers; the issuer is a pseudonym.
        transaction: CAIP-221 identifier.
        time: when the block was made, ISO 8601 in UTC; None on the in-process chain, whose time is a counter.
        is_signed: whether the issuer signed record.json.
        is_failed: whether it is recorded as a release that failed the thresholds of its protocol.
        is_revoked: whether the issuer had withdrawn the release when record.json was written.
        revocation_time: when, ISO 8601 in UTC; None if it stands, or on the in-process chain.
        successor: digest of the release that it was withdrawn in favour of, None if there is none.
        attempts: how many attempts there were under its protocol until it was recorded.
        properties: everything that it says, flat, sorted by name: `("record.block", 3)`.
    """

    chain: str
    is_public: bool
    registry: str
    issuer: str
    transaction: str
    time: str | None
    is_signed: bool
    is_failed: bool
    is_revoked: bool
    revocation_time: str | None
    successor: str | None
    attempts: int
    properties: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Facts:
    """A release as other formats tell of it.

    Attributes:
        digest: SHA-256 of its manifest, in hexadecimal.
        parameters, parents: as in its manifest.
        files: name → `{"bytes", "digest"}` (SHA-256) of each of its files, the manifest not among them.
        schema: the public Schema of `synthetic.csv`.
        protocol: what its manifest says of its protocol, None if it has none.
        record: what the chain says of it, None if it is not recorded.
        verdicts: what auditors said of it, as far as that was read (`verdict_facts.read_verdicts`).
    """

    digest: str
    parameters: Mapping[str, Any]
    parents: Mapping[str, str]
    files: Mapping[str, Mapping[str, Any]]
    schema: Schema
    protocol: ProtocolFacts | None
    record: RecordFacts | None
    verdicts: tuple[VerdictFacts, ...] = ()

    @property
    def loss(self) -> float | None:
        """Privacy loss that is recorded, in the dataset's measure; None if none is claimed, or recorded."""
        if self.record is None or self.protocol is None or self.protocol.spend is None:
            return None
        return self.protocol.spend / SCALE

    @property
    def software(self) -> dict[str, str | None]:
        """Name → version of what made it, None if that is unknown; synthlib comes first."""
        versions = self.parameters.get("versions")
        given = versions.items() if isinstance(versions, Mapping) else ()
        versions = {name: version if isinstance(version, str) else None for name, version in given}
        return {"synthlib": versions.pop("synthlib", None)} | dict(sorted(versions.items()))


def nih(digest: str) -> str:
    """A SHA-256 as a URI (RFC 6920)."""
    return f"nih:sha-256;{digest}"


def read_facts(bundle: Bundle) -> Facts:
    """What a release says, once its files are known to be those of its manifest.

    Args:
        bundle: the release, opened.

    Raises:
        ValueError: if the Bundle is no release, or lacks a file or field that every release has.
        ChainError: if its `ledger/` does not speak of it; see `read_record`.
    """
    if bundle.kind != "release":
        raise ValueError(
            f"expected a Bundle of kind 'release', got {bundle.kind[:40]!r}; others may be confidential"
        )
    absent = sorted({SYNTHETIC, SCHEMA} - set(bundle.files))
    if absent:
        raise ValueError(f"expected a release with {SYNTHETIC} and {SCHEMA}, found no {', '.join(absent)}")
    for name in ("training_commitment", "synthetic_digest"):
        if not is_digest(bundle.parameters.get(name)):
            raise ValueError(f"parameters.{name}: expected a digest of 64 hexadecimal digits, found none")
    schema = Schema.from_json(read_plain(bundle.file(SCHEMA)))
    return Facts(
        bundle.digest,
        bundle.parameters,
        bundle.parents,
        bundle.manifest["files"],
        schema,
        read_protocol(bundle),
        read_record(bundle),
    )


def read_protocol(bundle: Bundle) -> ProtocolFacts | None:
    """What the manifest says of the release's protocol, None if it has none.

    Raises:
        ValueError: if it names one and not all that belongs to it.
    """
    if "protocol" not in bundle.parameters:
        return None
    said = release_fields(bundle)
    told = bundle.parameters["protocol"]
    for name in ("dataset", "researcher", "chain"):
        if not isinstance(told.get(name), str):
            raise ValueError(f"parameters.protocol.{name}: expected text in a release's manifest, found none")
    spend = None if said.spend == NOT_PRIVATE else said.spend
    for name, form in (("chain", "eip155:[0-9]+"), ("dataset", "0x[0-9a-f]{64}")):
        if not re.fullmatch(form, told[name]):
            raise ValueError(f"parameters.protocol.{name}: expected {form}, found something else")
    researcher = f"{told['chain']}:{to_address(told['researcher'], 'parameters.protocol.researcher')}"
    return ProtocolFacts(said.protocol, told["dataset"], researcher, said.attempt, spend)


def read_record(bundle: Bundle) -> RecordFacts | None:
    """What `ledger/record.json` says, None if the release has no `ledger/`, or a journal alone in it.

    This is no verification: it refuses a record of something else, or with a wrong signature, and asks no
    chain. `verify` does that.

    Raises:
        ChainError: if it cannot be read, speaks of another release, or was not signed by its issuer.
    """
    folder = bundle.path / LEDGER_FOLDER
    if not folder.exists() and not folder.is_symlink():
        return None
    if not folder.is_symlink() and [entry.name for entry in folder.iterdir()] == [JOURNAL]:
        return None  # of the chain on which it may be recorded
    try:
        if folder.is_symlink():
            raise ValueError("a link where a folder belongs")
        body = parse_json(read_plain(folder / RECORD))
        _check_words(body)
        record, chain = body["record"], body["chain"]
        caip2 = f"eip155:{int(chain['id'])}"
        facts = RecordFacts(
            chain=caip2,
            is_public=chain["kind"] == "node",
            registry=f"{caip2}:{body['registry']}",
            issuer=f"{caip2}:{record['issuer']}",
            transaction=f"{caip2}:txn/{record['transaction']}",
            time=to_iso(record["time"]) if chain["kind"] == "node" else None,
            is_signed=body.get("signature") is not None,
            is_failed=bool(record["failed"]),
            is_revoked=bool(record["revoked"] or _given(record["reason"]) or _given(record["successor"])),
            revocation_time=to_iso(record["revocation_time"])
            if chain["kind"] == "node" and record["revocation_time"]
            else None,
            successor=_given(record["successor"]),
            attempts=int(record["attempts"]),
            properties=tuple(sorted(_list_properties(body))),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ChainError(
            f"expected a readable {LEDGER_FOLDER}/{RECORD}, found none ({type(error).__name__}); record the "
            "release again, which completes it"
        ) from None
    _check_record(bundle, body)
    return facts


def _check_words(body: Mapping[str, Any]) -> None:
    """That a record.json names things as the other formats can.

    Raises:
        ValueError: if a field's name is no word, or a text none that UTF-8 holds; or what should be an
            account, a transaction or a release is none.
    """
    canonical_json(body)
    for name, _ in _flatten(body):
        if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
            raise ValueError("a field's name: expected letters, digits, points and dashes")
    for address in (body["registry"], body["record"]["issuer"]):
        to_address(address)
    if not re.fullmatch("0x[0-9a-f]{64}", body["record"]["transaction"]):
        raise ValueError("transaction: expected 0x and 64 hexadecimal digits")
    if _given(successor := body["record"]["successor"]) and not is_digest(successor):
        raise ValueError("successor: expected a digest")


def _check_record(bundle: Bundle, body: Mapping[str, Any]) -> None:
    record, said = body["record"], release_fields(bundle)._asdict() | {"gate": failed_gate(bundle)}
    wrong = [name for name, value in said.items() if record.get(name) != value]
    if wrong:
        raise ChainError(
            f"expected a record of this very release, {LEDGER_FOLDER}/{RECORD} has another "
            f"{', '.join(wrong)}; verify it"
        )
    if body.get("signature") is None:
        return
    try:
        signer = signer_of(body, body["signature"])
    except Exception:  # whatever a library makes of a signature that is none
        signer = None
    if signer != record["issuer"]:
        raise ChainError(
            f"expected {LEDGER_FOLDER}/{RECORD} to be signed by its issuer {record['issuer']}, it is not; "
            "somebody changed it: ask for the release again"
        )


def _given(value: Any) -> str | None:
    """An identifier of a record, None for none: zeros stand for that on a chain."""
    return value if isinstance(value, str) and value and value not in _ZEROS else None


def to_iso(seconds: int) -> str:
    """A block's time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _list_properties(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    parts = {name: value for name, value in body.items() if name not in ("format", "signature")}
    chain = {name: value for name, value in body["chain"].items() if name not in ("id", "kind")}
    yield from _flatten(parts | {"chain": chain, "registry": None})  # these are told as CAIP identifiers


def _flatten(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of a JSON value with dotted names; a list is one leaf, as JSON text."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flatten(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        yield name, json.dumps(value, sort_keys=True, ensure_ascii=False)
    elif value is not None and value not in _ZEROS:
        yield name, value
