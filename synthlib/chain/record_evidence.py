"""The record that a release's folder names, its signature, and what the journal or the node holds of it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from synthlib.bundle import Finding
from synthlib.chain.accounts import demo_account
from synthlib.chain.connection import Connection
from synthlib.chain.contracts import load_artifact
from synthlib.chain.creation import find_creation
from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import ChainError, NotRecorded, WrongChain
from synthlib.chain.evidence import JOURNAL_FILE, RECORD_FILE, guard, show
from synthlib.chain.journal import Journal, JournalError, find_end_problems, find_problems
from synthlib.chain.protocols import Protocols
from synthlib.chain.records import Record, signer_of
from synthlib.chain.registry import ZERO_DIGEST, Ledger

SIGNATURE, PLACE, CREATION = f"{RECORD_FILE}: signature", "registry", "registry's constructor"
DEMO = "recorded by the demo issuer, whose key anybody has: compare the digest with one you trust"
MAX_LINES = 20_000  # of a journal: each takes milliseconds to replay


def check_signature(body: Mapping[str, Any], findings: list[Finding]) -> None:
    """Whether record.json is signed by the issuer that it names."""
    issuer, subject = body["record"]["issuer"], SIGNATURE
    if body["signature"] is None:
        if body["chain"]["kind"] == "in-process":
            outcome, detail = "differs", "missing: an in-process record is signed by its issuer"
        else:
            outcome, detail = "unchecked", "none: saved by another than the issuer; what the node says counts"
        findings.append(Finding(subject, outcome, detail))
        return
    try:
        signer = signer_of(body, body["signature"])
    except Exception:  # whatever the decoder says about bytes that are no signature
        signer = "nobody"
    same = signer == issuer
    detail = (
        f"by {issuer}" if same else f"expected by {issuer}: a field, the issuer or the signature was changed"
    )
    findings.append(Finding(subject, "matched" if same else "differs", detail))


def check_journal(
    body: Mapping[str, Any] | None, data: bytes | None, findings: list[Finding]
) -> Ledger | None:
    """The journal line by line, then replayed. Returns the ledger that it replays to."""
    if data is None:
        if body and not any(finding.subject == JOURNAL_FILE for finding in findings):
            findings.append(Finding(JOURNAL_FILE, "differs", "missing from ledger/"))
        return None
    with guard(JOURNAL_FILE, findings):
        num_lines = data.count(b"\n") + data.count(b"\r")
        if num_lines > MAX_LINES:
            detail = f"{num_lines} lines: not replayed, as that takes long beyond {MAX_LINES}"
            findings.append(Finding(JOURNAL_FILE, "unchecked", detail))
            return None
        problems = find_problems(data)
        ends = [] if body is None else find_end_problems(data, **body["journal"])
        findings += [
            Finding(f"{JOURNAL_FILE} line {line}", "differs", detail) for line, detail in problems + ends
        ]
        if body is not None and not problems:
            return _replay(body, Journal(None, data.splitlines(keepends=True)), findings)
    return None


def _replay(body: Mapping[str, Any], journal: Journal, findings: list[Finding]) -> Ledger | None:
    connection = Connection.in_process()
    receipts: list[dict[str, Any]] = []
    try:
        journal.replay(connection, load_artifact()["bytecode"], receipts.append)
    except JournalError as error:
        findings += [
            Finding(f"{JOURNAL_FILE} line {line}", "differs", detail) for line, detail in error.problems
        ]
        return None
    findings.append(
        Finding(JOURNAL_FILE, "matched", f"{len(receipts)} transactions replayed to the same receipts")
    )
    _compare_chain(body, connection, findings)
    if body["registry"] not in [receipt["contract"] for receipt in receipts]:
        findings.append(
            Finding(f"{RECORD_FILE}: registry", "differs", "the journal creates no registry there")
        )
        return None
    ledger = Ledger(connection, body["registry"], None)
    for receipt in receipts:
        ledger.hear(receipt)
    return ledger


def ask_node(
    body: Mapping[str, Any], rpc: str | None, findings: list[Finding]
) -> tuple[Record | None, Ledger | None]:
    """The record as the node at `rpc` holds it, and its ledger; None where it could not be asked."""
    if rpc is None:
        detail = f"recorded on chain {body['chain']['id']}: give the URL of one of its nodes"
        findings.append(Finding("node", "unchecked", detail))
        return None, None
    with guard("node", findings):
        connection = Connection.by_url(rpc)
        ours = (connection.chain_id, connection.genesis)
        if ours != (body["chain"]["id"], body["chain"]["genesis"]):
            raise WrongChain(
                f"recorded on chain {body['chain']['id']}, the node serves chain {ours[0]} "
                "(or one with another first block)"
            )
        ledger = Ledger(connection, body["registry"], None)
        record = find_record(ledger, body["record"], "node", findings)
        if record is not None:
            findings.append(_describe_depth(connection, record))
        return record, ledger
    return None, None


def _describe_depth(connection: Connection, record: Record) -> Finding:
    """Where a record is and how many blocks lie on its own: under few, the chain may still drop it."""
    on_top, wanted = connection.get_block_number() - record.block, connection.confirmations
    detail = f"chain {connection.chain_id} holds the record in block {record.block}, {on_top} blocks on top"
    if on_top >= wanted:
        return Finding("node", "matched", detail)
    detail += f", fewer than {wanted}: the chain may still drop it; verify again soon"
    return Finding("node", "unchecked", detail)


def _compare_chain(body: Mapping[str, Any], connection: Connection, findings: list[Finding]) -> None:
    for name, here in (("id", connection.chain_id), ("genesis", connection.genesis)):
        if body["chain"][name] != here:
            findings.append(
                Finding(f"{RECORD_FILE}: chain.{name}", "differs", f"the journal's chain has {here}")
            )


def find_record(
    ledger: Ledger, said: Mapping[str, Any], place: str, findings: list[Finding]
) -> Record | None:
    """The record of the issuer that record.json names: what others recorded of the digest is theirs."""
    subject = f"{RECORD_FILE}: record.release"
    with guard(subject, findings):
        try:
            return ledger.find(said["release"], said["issuer"])
        except (NotRecorded, ValueError):
            detail = f"the {place} holds no record of the release that record.json names"
            others = find_other_issuers(ledger, said["release"], said["issuer"])
            if others:
                subject = f"{RECORD_FILE}: record.issuer"
                detail = f"the {place} holds the release as recorded by {others}, not by this issuer"
            findings.append(Finding(subject, "differs", detail))
    return None


def find_other_issuers(ledger: Ledger, release: str, issuer: str) -> str:
    """Who else recorded the release's digest, as far as the log tells; empty if nobody did."""
    with contextlib.suppress(ChainError, ValueError):  # nothing hangs on them
        others = [other for other in ledger.find_issuers(release) if other != issuer]
        return ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
    return ""


def check_record(said: Mapping[str, Any], record: Record, findings: list[Finding]) -> None:
    """record.json against the chain's own record; only a revocation may have come since."""
    standing = {"revoked": False, "revocation_time": 0, "reason": ZERO_DIGEST, "successor": ZERO_DIGEST}
    expected = record if said["revoked"] else record._replace(**standing)
    for name, value in expected._asdict().items():
        if said[name] != value:
            detail = f"says {show(said[name])}, the chain says {show(value)}"
            findings.append(Finding(f"{RECORD_FILE}: record.{name}", "differs", detail))


def check_issuer(record: Record, issuer: str | None, others: str, findings: list[Finding]) -> None:
    """Who recorded it against `issuer`, who must have; `others` recorded the same digest too."""
    is_demo = record.issuer == demo_account().address
    outcome, detail = "unchecked", f"recorded by {record.issuer}; compare with an address you trust"
    if is_demo:
        detail = f"{record.issuer}: {DEMO}"
    if issuer is not None and issuer != record.issuer:
        outcome = "differs"
    elif issuer is not None and not is_demo:
        outcome, detail = "matched", f"recorded by {record.issuer}"
    if others:
        detail += f"; the digest was also recorded by {others}, which is another record and does not count"
    findings.append(Finding("issuer", outcome, detail))


def check_place(ledger: Ledger, record: Record, registry: str | None, findings: list[Finding]) -> None:
    """Which registry holds the record, against `registry`, which must; and the dataset's steward there.

    Anybody deploys a registry and is administrator, steward and researcher on it: there, whatever its owner
    approves came first. record.json names the registry; that it is the one on which others act is for the
    reader to know.
    """
    where = f"{ledger.address} on chain {ledger.connection.chain_id}"
    with contextlib.suppress(ChainError):  # what the chain does not tell is said by the other checks
        dataset = Protocols(ledger).find(record.protocol, record.issuer).dataset
        steward = Datasets(ledger).find(dataset).steward
        told = "its issuer" if steward == record.issuer else steward
        where += f", where the dataset's steward is {told}"
    if registry is None:
        findings.append(Finding(PLACE, "unchecked", f"{where}; compare with one you trust"))
        return
    same = registry == ledger.address
    detail = where if same else f"{where}; not the one expected"
    findings.append(Finding(PLACE, "matched" if same else "differs", detail))


def check_creation(ledger: Ledger, findings: list[Finding]) -> None:
    """Whether a registry on a node was made by its own constructor; in process its journal begins with it."""
    if ledger.connection.is_in_process:
        return
    with guard(CREATION, findings):
        detail = f"its storage began empty: made by it in transaction {find_creation(ledger)}"
        findings.append(Finding(CREATION, "matched", detail))
