"""Is this release what was recorded? Everything is computed again and compared; what differs is named.

Nothing but the release's folder is needed, and the node's URL where it was recorded on a node. Three answers
are kept apart: it matched, it differs, it could not be checked.

A yes means that each file, parameter and table is what the record's issuer recorded, and that the record has
not been revoked as far as the journal or the node shows. It does not mean that this is the release you think,
the issuer who you think, the registry one on which anybody but the issuer had a say, or the training table
what the issuer says: give `digest`, `issuer` or `registry` (known from elsewhere) and, as the data's steward,
`key` with `training`, or with `dataset` and `schema`, to have these checked too. Anybody can act as the demo
issuer, so against a forgery under its key only the digest helps.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd

from synthlib.bundle import LEDGER_FOLDER, MANIFEST, Bundle, Finding
from synthlib.chain.claim_evidence import REPLAY, check_claim
from synthlib.chain.content_evidence import DIGEST, check_content, check_files, check_training
from synthlib.chain.evidence import (
    JOURNAL_FILE,
    check_manifest,
    parse_record,
    read_ledger,
    shorten,
    subject_of,
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
from synthlib.chain.other_protocols import OTHERS, check_others, find_others_caveat
from synthlib.chain.protocol_evidence import check_protocol, find_erasure
from synthlib.chain.record_evidence import (
    DEMO,
    PLACE,
    SIGNATURE,
    ask_node,
    check_creation,
    check_issuer,
    check_journal,
    check_place,
    check_record,
    check_signature,
    find_other_issuers,
    find_record,
)
from synthlib.chain.records import Record, to_address, to_digest
from synthlib.chain.registry import JOURNAL, RECORD
from synthlib.chain.training_evidence import DRAW, FITTED, SPLIT, check_split
from synthlib.keys import StewardKey
from synthlib.parsing import printable
from synthlib.schema import Schema

OPTIONAL = frozenset(
    {DIGEST, SIGNATURE, PLACE, "issuer", "training table", FITTED, DRAW, SPLIT, VERDICT, REPLAY, OTHERS}
)
FAILED = "an auditor's verdict on it that stands is: failed"


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
    registry: str | None = None,
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
        registry: address of the registry that must hold the record. Without it, it is named with the
            dataset's steward there, but "unchecked", which `verdict` does not count either.

    Returns:
        Findings in the order of checking, the training table last; see `verdict`.

    Raises:
        TypeError, ValueError: if `issuer` or `registry` is no address, `digest` no digest or `at` no time.
    """
    moment = None if at is None else parse_moment(at)
    issuer = None if issuer is None else to_address(issuer, "issuer")
    registry = None if registry is None else to_address(registry, "registry")
    digest = None if digest is None else to_digest(digest, "digest")
    try:
        path = Bundle.locate(path)
        is_there = path.exists()
    except OSError:  # in a folder that may not be entered
        is_there = False
    if not is_there:
        detail = "expected a release's folder, found nothing at this path"
        return [Finding(printable(subject_of(Path(path).name)), "unchecked", detail)]
    findings: list[Finding] = []
    manifest = check_files(path, key, digest, findings)
    ledger = read_ledger(path / LEDGER_FOLDER, findings)
    body = parse_record(ledger[RECORD], findings) if RECORD in ledger else None
    if MANIFEST in ledger:
        check_manifest(path, manifest, ledger[MANIFEST], body and body["record"]["release"], findings)
    record, chain = None, None
    if body is None:
        check_journal(None, ledger.get(JOURNAL), findings)
    else:
        check_signature(body, findings)
        if body["chain"]["kind"] == "in-process":
            chain = check_journal(body, ledger.get(JOURNAL), findings)
            record = chain and find_record(chain, body["record"], "journal", findings)
            if rpc is not None:
                findings.append(Finding("node", "unchecked", "recorded on the in-process chain, on no node"))
        else:
            record, chain = ask_node(body, rpc, findings)
            if JOURNAL in ledger:
                findings.append(
                    Finding(JOURNAL_FILE, "differs", "record.json names a node: no journal belongs")
                )
    if record is not None:
        check_record(body["record"], record, findings)
        check_issuer(record, issuer, find_other_issuers(chain, record.release, record.issuer), findings)
        check_place(chain, record, registry, findings)
        check_creation(chain, findings)
    said = record or (Record(**body["record"]) if body else None)
    check_content(path, manifest, said, findings)
    check_gate(path, manifest, findings)
    certificate = ""
    if record is not None and chain is not None:
        check_protocol(path, manifest, chain, record, findings)
        check_others(chain, record, findings)
        check_claim(path, manifest, chain, record, findings)
        certificate = find_erasure(chain, record, findings)
        if moment is None:
            check_now(chain, record, findings)
        else:
            check_then(chain, record, moment, findings)
    elif moment is not None:
        findings.append(Finding(ASKED, "unchecked", "no chain could be asked what held then"))
    check_split(path, chain, record, key, dataset, schema, findings)
    check_training(said, key, training, certificate, findings, manifest)
    return [
        Finding(printable(subject[:500]), outcome, printable(detail[:500]))
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
