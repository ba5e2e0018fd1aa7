"""Was there a protocol before, and is no attempt left out? A release's folder against the chain."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthlib.bundle import Finding, canonical_json
from synthlib.chain.attempts import ATTEMPTS_FILE, Group, find_difference, read_attempts, read_log
from synthlib.chain.datasets import Datasets
from synthlib.chain.errors import ChainError
from synthlib.chain.evidence import guard, read_plain, show
from synthlib.chain.gate_evidence import find_gate_problems
from synthlib.chain.protocols import Protocol, Protocols, Track
from synthlib.chain.records import NOT_PRIVATE, Generation, Record
from synthlib.chain.registry import Ledger
from synthlib.chain.study import PROTOCOL_FILE
from synthlib.chain.training_evidence import judge_fit

PROTOCOL, ATTEMPTS, ERASURE = "protocol", "attempts", "erasure of the dataset"


def check_protocol(
    path: Path, manifest: Any, ledger: Ledger, record: Record, findings: list[Finding]
) -> None:
    """`protocol.json` and `attempts.json` against what the chain was told before and while training went on.

    Args:
        path: the release's folder.
        manifest: what its manifest holds, None if it is no JSON object.
        ledger: the chain that holds the record.
        record: what the chain knows of the release.
        findings: what is found is added.
    """
    track = None
    with guard(PROTOCOL, findings):
        track = Protocols(ledger).find(record.protocol, record.issuer)
        wrong = find_place_problems(manifest, ledger, record.issuer, track)
        if hashlib.sha256(_read(path, PROTOCOL_FILE)).hexdigest() != track.digest:
            wrong.append((PROTOCOL, f"{PROTOCOL_FILE} is not the protocol that was registered"))
        else:
            breaches = find_breaches(_read(path, PROTOCOL_FILE), record.generation)
            wrong += [(PROTOCOL, found) for found in breaches]
        findings += [Finding(subject, "differs", detail) for subject, detail in wrong]
        if not wrong:
            block = track.registration_block
            detail = f"registered in block {block}, before the first of {track.attempts} attempts"
            findings.append(Finding(PROTOCOL, "matched", detail))
    if track is None:
        detail = "the chain does not tell the protocol that they are of"
        findings.append(Finding(ATTEMPTS, "unchecked", detail))
        return
    with guard(ATTEMPTS, findings):
        before = _list_before(read_log(ledger, track), record)
        entries = read_attempts(_read(path, ATTEMPTS_FILE), record.protocol)
        difference = find_difference(entries, before) or _find_other_model(entries, record.generation)
        detail = f"all {record.attempts} that the chain logged; the release is of number {record.attempt}"
        if difference:
            detail = f"{ATTEMPTS_FILE}: {difference}"
        findings.append(Finding(ATTEMPTS, "differs" if difference else "matched", detail))
        findings += [] if difference else judge_fit(entries, manifest)


def find_erasure(ledger: Ledger, record: Record, findings: list[Finding]) -> str:
    """SHA-256 of the certificate that the key of the commitment was destroyed; empty if there is none.

    Args:
        ledger: the chain that holds the record.
        record: what the chain knows of the release.
        findings: a certificate in the log that is not the state's is added.
    """
    dataset = ""
    with contextlib.suppress(ChainError):  # what the chain does not tell is said by the other checks
        dataset = Protocols(ledger).find(record.protocol, record.issuer).dataset
    with guard(ERASURE, findings):
        return Datasets(ledger).find_erasure(dataset) if dataset else ""
    return ""


def require_recordable(path: Path, manifest: Mapping[str, Any], ledger: Ledger, said: Generation) -> None:
    """That a release will verify once it is recorded, before it is recorded for ever.

    Args:
        path: the release's folder.
        manifest: what its manifest holds.
        ledger: acts as the researcher.
        said: what will be recorded.

    Raises:
        ChainError: if its protocol or attempts are not what the chain has, with what differs.
    """
    if ledger.account is None:
        return  # who cannot sign is told so by the ledger
    researcher = ledger.account.address
    track = Protocols(ledger).find(said.protocol, researcher)
    if not track.registration_block:
        return  # and who runs no such protocol, by the contract
    wrong = [detail for _, detail in find_place_problems(manifest, ledger, researcher, track)]
    if track.is_revealed and hashlib.sha256(_read(path, PROTOCOL_FILE)).hexdigest() != track.digest:
        wrong.append(f"{PROTOCOL_FILE} is not the protocol that was registered")
    elif track.is_revealed:
        wrong += find_breaches(_read(path, PROTOCOL_FILE), said)
    try:
        entries = read_attempts(_read(path, ATTEMPTS_FILE), said.protocol)
        difference = find_difference(entries, read_log(ledger, track)) or _find_other_model(entries, said)
        told = [] if difference else judge_fit(entries, manifest)
        wrong += [found.detail for found in told if found.verdict == "differs"]
    except ValueError as error:
        difference = str(error)
    wrong += [f"{ATTEMPTS_FILE}: {difference}"] if difference else []
    wrong += find_gate_problems(path, manifest)
    if wrong:
        raise ChainError(
            f"expected a release of its protocol with every attempt until now, got another: {wrong[0]}; "
            "write the release again with its study"
        )


def find_place_problems(
    manifest: Any, ledger: Ledger, researcher: str, track: Track
) -> list[tuple[str, str]]:
    """Fields of a manifest that name another dataset, researcher, registry or chain than the protocol has.

    Returns:
        Pairs of a field's dotted name and what is wrong with it.
    """
    parameters = manifest.get("parameters") if isinstance(manifest, dict) else None
    said = parameters.get("protocol") if isinstance(parameters, dict) else None
    here = {
        "dataset": track.dataset,
        "researcher": researcher,
        "registry": ledger.address,
        "chain": f"eip155:{ledger.connection.chain_id}",
    }
    told = said if isinstance(said, dict) else {}
    return [
        (f"parameters.protocol.{name}", f"{name} is {show(told.get(name))}, the protocol's is {show(value)}")
        for name, value in here.items()
        if told.get(name) != value
    ]


def find_breaches(protocol: bytes, said: Generation) -> list[str]:
    """Where a release is not what its protocol planned, as far as the protocol's words can be compared.

    That is the kind of model, where `models` is a list of names or of objects with a `model_type`; and the
    claim to differential privacy, where `privacy` has a field `differential_privacy`.

    Args:
        protocol: the bytes of `protocol.json`.
        said: what is recorded of the release.

    Raises:
        ValueError: if it is no protocol.
    """
    planned, found = Protocol.from_json(protocol), []
    models = planned.models if isinstance(planned.models, list) else []
    kinds = {each.get("model_type") if isinstance(each, dict) else each for each in models}
    if kinds and all(isinstance(kind, str) for kind in kinds) and said.model_type not in kinds:
        found.append(f"it plans {', '.join(sorted(kinds))}, the release is of {said.model_type}")
    claimed = planned.privacy.get("differential_privacy") if isinstance(planned.privacy, dict) else None
    if isinstance(claimed, bool) and claimed != (said.spend != NOT_PRIVATE):
        found.append(f"it plans {'' if claimed else 'no '}differential privacy, the release claims otherwise")
    return found


def _read(path: Path, name: str) -> bytes:
    try:
        return read_plain(path / name)
    except OSError as error:
        raise ValueError(f"{name}: {error.strerror or 'cannot be read'}") from None


def _list_before(logged: list[Group], record: Record) -> list[Group]:
    """What was logged before the release.

    Raises:
        ChainError: if the release counts attempts that were logged after it, or fewer than before it.
    """
    before = [each for each in logged if each.last <= record.attempts]
    fewest = max((each.last for each in logged if each.block < record.block), default=0)
    most = max((each.last for each in logged if each.block <= record.block), default=0)
    counted = max((each.last for each in before), default=0)
    if counted != record.attempts or not fewest <= record.attempts <= most:
        raise ChainError(
            f"expected {fewest} to {most} attempts before block {record.block}, its Recorded event counts "
            f"{record.attempts}: the chain's log contradicts itself"
        )
    return before


def _find_other_model(entries: list[dict[str, Any]], said: Generation) -> str | None:
    """Whether the attempt that a release is of describes another model than the release's.

    What is described is free; the type and the parameters are compared where they stand under these names.
    """
    if said.attempt > len(entries):
        return f"attempt {said.attempt}, which the release is of, is not there"
    described = entries[said.attempt - 1]["describes"]
    found = dict(described) if isinstance(described, dict) else {}
    if "parameters" in found:
        found["parameters"] = hashlib.sha256(canonical_json(found["parameters"])).hexdigest()
    for name in ("model_type", "parameters"):
        if name in found and found[name] != getattr(said, name):
            return f"attempt {said.attempt}, which the release is of, describes another {name}"
    return None
