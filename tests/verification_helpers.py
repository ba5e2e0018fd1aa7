"""What verification's tests ask of its findings, and releases and records made for them."""

import json
from pathlib import Path

from chain_helpers import account, make_release, open_study

from synthlib.bundle import Finding, canonical_json
from synthlib.chain.journal import Journal
from synthlib.chain.records import sign_record
from synthlib.chain.registry import Ledger
from synthlib.chain.training_evidence import SPLIT

YES, NO, CANNOT_TELL = 0, 1, 2
# Where nobody gave what to compare with.
LEFT_OPEN = {"release digest", "issuer", "registry", SPLIT, "training table"}


def record_own(path: Path, issuer: str = "issuer", **options) -> Path:
    """A release recorded on an in-process chain of the account of this name."""
    study = open_study(Ledger.in_process(account=account(issuer)))
    bundle = make_release(path, study=study, **options)
    study.ledger.record(bundle)
    study.ledger.save(bundle)
    return path


def wrong(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.verdict == "differs"]


def names(findings: list[Finding], *culprits: str) -> bool:
    """Whether each culprit stands in something that differs."""
    texts = [f"{finding.subject} {finding.detail}" for finding in wrong(findings)]
    return all(any(culprit in text for text in texts) for culprit in culprits)


def unchecked(findings: list[Finding]) -> set[str]:
    return {finding.subject for finding in findings if finding.verdict == "unchecked"}


def changed(value):
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return ("1" if value[:1] != "1" else "2") + value[1:]
    return [*value, 1] if isinstance(value, list) else "something" if value is None else {**value, "added": 1}


def rewrite_record(at: Path, journal: Path, signer=None) -> None:
    """Let record.json name this journal, and be signed by `signer` if there is one."""
    opened = Journal(None, journal.read_bytes().splitlines(keepends=True))
    body = json.loads((at / "ledger" / "record.json").read_bytes())
    body["journal"] = {"head": opened.head, "lines": len(opened.lines)}
    if signer is not None:
        body["signature"] = sign_record(body, signer)
    (at / "ledger" / "record.json").write_bytes(canonical_json(body))
