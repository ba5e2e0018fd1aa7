"""Is this release what was recorded? Everything is computed again and compared; what differs is named.

Nothing but the release's folder is needed, and the node's URL where it was recorded on a node. Three answers
are kept apart: it matched, it differs, it could not be checked.

A yes means that each file, parameter and table is what the record's issuer recorded, and that the record has
not been revoked as far as the journal or the node shows. It does not mean that this is the release you think,
the issuer who you think, or the training table what the issuer says: give `digest` or `issuer` (known from
elsewhere) and, as the data's steward, `key` with `training`, or with `dataset` and `schema`, to have these
checked too. Anybody can act as the
demo issuer, so against a forgery under its key only the digest helps.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from synthlib.bundle import LEDGER_FOLDER, MANIFEST, Bundle, Finding, canonical_json, inspect
from synthlib.chain.accounts import demo_account
from synthlib.chain.claim_evidence import CLAIM, REPLAY, check_claim
from synthlib.chain.commitments import open_commitment, read_synthetic, table_digest
from synthlib.chain.connection import Connection
from synthlib.chain.contracts import load_artifact
from synthlib.chain.errors import ChainError, NotRecorded, WrongChain
from synthlib.chain.evidence import (
    JOURNAL_FILE,
    MAX_BYTES,
    RECORD_FILE,
    check_manifest,
    guard,
    parse_record,
    read_ledger,
    read_plain,
    require_plain,
    shorten,
    show,
)
from synthlib.chain.gate_evidence import check_gate, find_gate_caveat
from synthlib.chain.history import (
    ASKED,
    VERDICT,
    check_now,
    check_then,
    is_standing_failure,
    parse_moment,
)
from synthlib.chain.journal import Journal, JournalError, find_end_problems, find_problems
from synthlib.chain.other_protocols import OTHERS, check_others, find_others_caveat
from synthlib.chain.protocol_evidence import check_protocol, find_erasure
from synthlib.chain.records import (
    Generation,
    Record,
    failed_gate,
    release_fields,
    signer_of,
    to_address,
    to_digest,
)
from synthlib.chain.registry import JOURNAL, RECORD, ZERO_DIGEST, Ledger
from synthlib.chain.rows import ROWS_FILE, compute_root, read_rows_secret
from synthlib.chain.training_evidence import DRAW, FITTED, SPLIT, check_split
from synthlib.keys import StewardKey
from synthlib.parsing import parse_json
from synthlib.schema import Schema

DIGEST, SIGNATURE = "release digest", f"{RECORD_FILE}: signature"
OPTIONAL = frozenset(
    {DIGEST, SIGNATURE, "issuer", "training table", FITTED, DRAW, SPLIT, VERDICT, CLAIM, REPLAY, OTHERS}
)
DEMO = "recorded by the demo issuer, whose key anybody has: compare the digest with one you trust"
FAILED = "an auditor's verdict on it that stands is: failed"
MAX_LINES = 20_000  # of a journal: each takes milliseconds to replay


def verify(
    path: Path | str,
    rpc: str | None = None,
    key: StewardKey | None = None,
    training: pd.DataFrame | None = None,
    issuer: str | None = None,
    digest: str | None = None,
    dataset: pd.DataFrame | None = None,
    schema: Schema | None = None,
    at: str | int | datetime | None = None,
) -> list[Finding]:
    """Check a release against its record. Never raises for bad content: what is unreadable "differs".

    Auditors' verdicts on it are shown, each with whether it stands, and inform: what the release is does not
    change with what somebody thinks of it, so that no verdict turns a yes into a no. `find_caveat` puts a
    standing "failed" beside the yes. Neither does what was tried on its dataset under other protocols.

    Args:
        path: the release's folder.
        rpc: URL of the node it was recorded on, if it was.
        key, training: the steward's key and the training table, to open the commitment to it. Without
            them that is "unchecked", which `verdict` does not count: nobody else could check it.
        issuer: address that must have recorded it. Without it the issuer is named but "unchecked", which
            `verdict` does not count either. The demo issuer stays "unchecked": anybody has its key. Whoever
            else recorded the same digest is named too and does not count.
        digest: SHA-256 of the manifest that it must have, in hexadecimal. Without it the digest is named but
            "unchecked", which `verdict` does not count either.
        dataset, schema: with the key, the whole de-identified table as it was registered, and its Schema, to
            divide it again as the protocol says and see whether that is what the release was fitted to.
        at: a point in time (`history.parse_moment`: ISO 8601 with a zone, seconds since 1970, `"block:17"`).
            Then it is asked whether the release was recorded by then and stood, which verdicts did, and
            whether its dataset was active, instead of how all this is now. The files are those of today.

    Returns:
        Findings in the order of checking, the training table last; see `verdict`.

    Raises:
        TypeError, ValueError: if `issuer` is no address, `digest` no digest or `at` no time.
    """
    moment = None if at is None else parse_moment(at)
    issuer = None if issuer is None else to_address(issuer, "issuer")
    digest = None if digest is None else to_digest(digest, "digest")
    try:
        path = Bundle.locate(path)
        is_there = path.exists()
    except OSError:  # in a folder that may not be entered
        is_there = False
    if not is_there:
        name = Path(path).name
        return [Finding(name, "unchecked", "expected a release's folder, found nothing at this path")]
    findings: list[Finding] = []
    manifest = _check_files(path, key, digest, findings)
    ledger = read_ledger(path / LEDGER_FOLDER, findings)
    body = parse_record(ledger[RECORD], findings) if RECORD in ledger else None
    if MANIFEST in ledger:
        check_manifest(path, manifest, ledger[MANIFEST], body and body["record"]["release"], findings)
    record, chain = None, None
    if body is None:
        _check_journal(None, ledger.get(JOURNAL), findings)
    else:
        _check_signature(body, findings)
        if body["chain"]["kind"] == "in-process":
            chain = _check_journal(body, ledger.get(JOURNAL), findings)
            record = chain and _find(chain, body["record"], "journal", findings)
            if rpc is not None:
                findings.append(Finding("node", "unchecked", "recorded on the in-process chain, on no node"))
        else:
            record, chain = _ask_node(body, rpc, findings)
            if JOURNAL in ledger:
                findings.append(
                    Finding(JOURNAL_FILE, "differs", "record.json names a node: no journal belongs")
                )
    if record is not None:
        _check_record(body["record"], record, findings)
        _check_issuer(record, issuer, _find_others(chain, record.release, record.issuer), findings)
    said = record or (Record(**body["record"]) if body else None)
    _check_content(path, manifest, said, findings)
    check_gate(path, manifest, findings)
    certificate = ""
    if record is not None and chain is not None:
        check_protocol(path, manifest, chain, record, findings)
        check_others(chain, record, findings)
        check_claim(manifest, chain, record, findings)
        certificate = find_erasure(chain, record, findings)
        if moment is None:
            check_now(chain, record, findings)
        else:
            check_then(chain, record, moment, findings)
    elif moment is not None:
        findings.append(Finding(ASKED, "unchecked", "no chain could be asked what held then"))
    check_split(path, chain, record, key, dataset, schema, findings)
    _check_training(said, key, training, certificate, findings)
    return [
        Finding(_printable(subject), outcome, _printable(detail))
        for subject, outcome, detail in shorten(findings)
    ]


def verdict(findings: list[Finding]) -> int:
    """0 for yes, 1 for no, 2 for could not tell: the exit code of `synthlib verify`.

    No if anything differs, a revoked release included; else could not tell if anything but the subjects in
    `OPTIONAL` is unchecked; else yes.
    """
    if any(finding.verdict == "differs" for finding in findings):
        return 1
    if any(finding.verdict != "matched" and finding.subject not in OPTIONAL for finding in findings):
        return 2
    return 0 if findings else 2


def find_caveat(findings: list[Finding]) -> str:
    """What must be said beside a yes: that anybody could have recorded it, unless its digest was compared;
    that an auditor judged it failed; that it failed the thresholds of its own protocol, as it says; and how
    many attempts there were on its dataset under other protocols."""
    is_compared = any(finding.subject == DIGEST and finding.verdict == "matched" for finding in findings)
    is_demo = any(finding.subject == "issuer" and DEMO in finding.detail for finding in findings)
    caveats = [DEMO] if is_demo and not is_compared else []
    caveats += [FAILED] if any(map(is_standing_failure, findings)) else []
    caveats += find_gate_caveat(findings) + find_others_caveat(findings)
    return f"whole, but {'; and '.join(caveats)}" if caveats else ""


def _printable(text: str) -> str:
    """Text without what could command a terminal or has no encoding: names in a manifest are a stranger's."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text[:500])


def _check_files(
    path: Path, key: StewardKey | None, digest: str | None, findings: list[Finding]
) -> dict[str, Any] | None:
    """The files against the manifest. Returns the manifest, also one that `inspect` refuses if it is JSON."""
    with guard(MANIFEST, findings):
        data = read_plain(path / MANIFEST)
        _check_digest(hashlib.sha256(data).hexdigest(), digest, findings)
        manifest = parse_json(data)
        findings += inspect(path, key, MAX_BYTES)
        return manifest if isinstance(manifest, dict) else None
    return None


def _check_digest(found: str, digest: str | None, findings: list[Finding]) -> None:
    if digest is None:
        findings.append(Finding(DIGEST, "unchecked", f"{found}; compare with one you trust"))
        return
    same = found == digest
    findings.append(
        Finding(DIGEST, "matched" if same else "differs", found if same else f"{found}, not the one expected")
    )


def _check_signature(body: Mapping[str, Any], findings: list[Finding]) -> None:
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


def _check_journal(
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


def _ask_node(
    body: Mapping[str, Any], rpc: str | None, findings: list[Finding]
) -> tuple[Record | None, Ledger | None]:
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
        record = _find(ledger, body["record"], "node", findings)
        if record is not None:
            detail = f"chain {ours[0]} holds the record in block {record.block}"
            findings.append(Finding("node", "matched", detail))
        return record, ledger
    return None, None


def _compare_chain(body: Mapping[str, Any], connection: Connection, findings: list[Finding]) -> None:
    for name, here in (("id", connection.chain_id), ("genesis", connection.genesis)):
        if body["chain"][name] != here:
            findings.append(
                Finding(f"{RECORD_FILE}: chain.{name}", "differs", f"the journal's chain has {here}")
            )


def _find(ledger: Ledger, said: Mapping[str, Any], place: str, findings: list[Finding]) -> Record | None:
    """The record of the issuer that record.json names: what others recorded of the digest is theirs."""
    subject = f"{RECORD_FILE}: record.release"
    with guard(subject, findings):
        try:
            return ledger.find(said["release"], said["issuer"])
        except (NotRecorded, ValueError):
            detail = f"the {place} holds no record of the release that record.json names"
            others = _find_others(ledger, said["release"], said["issuer"])
            if others:
                subject = f"{RECORD_FILE}: record.issuer"
                detail = f"the {place} holds the release as recorded by {others}, not by this issuer"
            findings.append(Finding(subject, "differs", detail))
    return None


def _find_others(ledger: Ledger, release: str, issuer: str) -> str:
    """Who else recorded the release's digest, as far as the log tells; empty if nobody did."""
    with contextlib.suppress(ChainError, ValueError):  # nothing hangs on them
        others = [other for other in ledger.find_issuers(release) if other != issuer]
        return ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
    return ""


def _check_record(said: Mapping[str, Any], record: Record, findings: list[Finding]) -> None:
    """record.json against the chain's own record; only a revocation may have come since."""
    standing = {"revoked": False, "revocation_time": 0, "reason": ZERO_DIGEST, "successor": ZERO_DIGEST}
    expected = record if said["revoked"] else record._replace(**standing)
    for name, value in expected._asdict().items():
        if said[name] != value:
            detail = f"says {show(said[name])}, the chain says {show(value)}"
            findings.append(Finding(f"{RECORD_FILE}: record.{name}", "differs", detail))


def _check_issuer(record: Record, issuer: str | None, others: str, findings: list[Finding]) -> None:
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


def _check_content(path: Path, manifest: Any, record: Record | None, findings: list[Finding]) -> None:
    """Every recorded digest computed again from the manifest and the synthetic table."""
    with guard("record", findings):
        if manifest is not None and record is not None:
            data = canonical_json(manifest)
            computed = release_fields(manifest, hashlib.sha256(data).hexdigest())
            for name in Generation._fields:
                same = getattr(computed, name) == getattr(record, name)
                detail = (
                    "computed from the manifest: as recorded"
                    if same
                    else "the manifest gives another than is recorded"
                )
                findings.append(Finding(f"record.{name}", "matched" if same else "differs", detail))
            findings.append(_compare_gate(failed_gate(manifest), record.gate))
    files = ("schema.json", "synthetic.csv")
    seen = {(finding.subject, finding.verdict) for finding in findings if finding.subject in files}
    if seen != {(name, "matched") for name in files}:  # a stranger's table, of any size: not worth reading
        detail = f"not read: {' or '.join(files)} is not as the manifest says"
        findings.append(Finding("synthetic table", "unchecked", detail))
        return
    with guard("synthetic table", findings):
        parameters = manifest.get("parameters") if isinstance(manifest, dict) else None
        said = parameters if isinstance(parameters, dict) else {}
        text = read_plain(path / "schema.json")
        parse_json(text)
        schema = Schema.from_json(text)
        require_plain(path / "synthetic.csv")
        synthetic = read_synthetic(path / "synthetic.csv", schema)
        rows = read_plain(path / ROWS_FILE)
        root = compute_root(synthetic, read_rows_secret(rows)).hex()
        told = parse_json(rows)
        found = {
            "its digest, in the manifest": (said.get("synthetic_digest"), table_digest(synthetic).hex()),
            "its number of rows, in the manifest": (said.get("num_rows"), len(synthetic)),
            "the root of its rows, in the manifest": (said.get("rows_root"), root),
            f"the root of its rows, in {ROWS_FILE}": (told.get("root"), root),
            f"its number of rows, in {ROWS_FILE}": (told.get("num_rows"), len(synthetic)),
        }
        if record is not None:
            found["the root of its rows, as recorded"] = (record.synthetic, root)
        wrong = [what for what, (expected, value) in found.items() if value != expected]
        detail = (
            f"read again, it does not give {' and '.join(wrong)}" if wrong else "read again: same digests"
        )
        findings.append(Finding("synthetic table", "differs" if wrong else "matched", detail))


def _compare_gate(told: str, recorded: str) -> Finding:
    """Whether a release is recorded as failed if its manifest says that it failed, and only then.

    Args:
        told: digest of the `gate.json` that the manifest says it failed, zeros if it says nothing of that.
        recorded: digest with which it is recorded as failed, zeros if it is not.
    """
    if told == recorded:
        words = "did not fail a gate" if told == ZERO_DIGEST else "failed the thresholds of its protocol"
        return Finding("record.gate", "matched", f"recorded as a release that {words}, as the manifest says")
    if recorded == ZERO_DIGEST:
        detail = "the manifest says that it failed its gate, it is recorded as if it had not"
    elif told == ZERO_DIGEST:
        detail = "recorded as a release that failed its gate, the manifest does not say so"
    else:
        detail = "the manifest says that it failed by another gate.json than is recorded"
    return Finding("record.gate", "differs", detail)


def _check_training(
    record: Record | None,
    key: StewardKey | None,
    training: pd.DataFrame | None,
    certificate: str,
    findings: list[Finding],
) -> None:
    subject = "training table"
    if record is None or key is None or training is None:
        detail = "only the data's steward can open the commitment to it, with the key and the table"
        if certificate:
            detail = f"cannot be checked: key destroyed; SHA-256 of the steward's certificate: {certificate}"
        findings.append(Finding(subject, "unchecked", detail))
        return
    try:
        same = open_commitment(bytes.fromhex(record.commitment), training, key)
    except (TypeError, ValueError) as error:
        findings.append(Finding(subject, "differs", f"no table that could have been committed to ({error})"))
        return
    detail = (
        "the commitment opens" if same else "the commitment was made to another table or under another key"
    )
    findings.append(Finding(subject, "matched" if same else "differs", detail))
