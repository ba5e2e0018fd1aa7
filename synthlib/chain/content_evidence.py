"""A release's files and tables, computed again: against its manifest, and against what was recorded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from synthlib.bundle import MANIFEST, Finding, canonical_json, inspect
from synthlib.chain.claim_evidence import read_claim
from synthlib.chain.claim_files import find_told_by_schema
from synthlib.chain.commitments import open_commitment, read_synthetic, table_digest
from synthlib.chain.evidence import MAX_BYTES, guard, read_plain, require_plain, subject_of
from synthlib.chain.records import Generation, Record, failed_gate, release_fields
from synthlib.chain.registry import ZERO_DIGEST
from synthlib.chain.rows import ROWS_FILE, compute_root, read_rows_secret
from synthlib.keys import StewardKey
from synthlib.parsing import parse_json
from synthlib.schema import Schema

DIGEST = "release digest"


def check_files(
    path: Path, key: StewardKey | None, digest: str | None, findings: list[Finding]
) -> dict[str, Any] | None:
    """The files against the manifest. Returns the manifest, also one that `inspect` refuses if it is JSON."""
    with guard(MANIFEST, findings):
        data = read_plain(path / MANIFEST)
        _check_digest(hashlib.sha256(data).hexdigest(), digest, findings)
        manifest = parse_json(data)
        found = inspect(path, key, MAX_BYTES)
        findings += [each._replace(subject=subject_of(each.subject)) for each in found]
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


def check_content(path: Path, manifest: Any, record: Record | None, findings: list[Finding]) -> None:
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
        told = [] if read_claim(manifest) is None else find_told_by_schema(schema, synthetic)
        if told:
            detail = f"schema.json tells more of values than the synthetic table: {', '.join(told)[:200]}"
            findings.append(Finding("published schema", "differs", detail))


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


def check_training(
    record: Record | None,
    key: StewardKey | None,
    training: pd.DataFrame | None,
    certificate: str,
    findings: list[Finding],
    manifest: Any = None,
) -> None:
    """Open the recorded commitment to the training table, which only the data's steward can do.

    Args:
        record: what is recorded, if anything is.
        key, training: the steward's key and the table, if they were given.
        certificate: SHA-256 of the certificate that the key was destroyed; empty if it was not.
        findings: what is found is added.
        manifest: whose number of rows is compared with the table's, where it tells one.
    """
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
    told = same and _find_other_size(manifest, len(training))
    findings.append(Finding(subject, "differs" if told or not same else "matched", told or detail))


def _find_other_size(manifest: Any, num_rows: int) -> str:
    """What to say if the manifest tells of a table of another size; empty if it does not, or tells none."""
    parameters = manifest.get("parameters") if isinstance(manifest, dict) else None
    facts = parameters.get("characteristics") if isinstance(parameters, dict) else None
    said = facts.get("num_rows") if isinstance(facts, dict) else None
    if said is None or said == num_rows:
        return ""
    return f"the commitment opens, but the table has {num_rows} rows and the manifest says {str(said)[:20]}"
