"""Was there a protocol before, and is no attempt left out? A release's folder against the chain."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from synthlib.bundle import Finding
from synthlib.chain.evidence import guard, read_plain
from synthlib.chain.protocols import Protocol, Protocols, batch_link, chain_head
from synthlib.chain.records import Record
from synthlib.chain.registry import Ledger
from synthlib.chain.study import ATTEMPTS_FILE, PROTOCOL_FILE, list_links, read_attempts


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
    with guard(PROTOCOL_FILE, findings):
        track = Protocols(ledger).find(record.protocol, record.issuer)
        digest = Protocol.from_json(read_plain(path / PROTOCOL_FILE)).digest
        said = hashlib.sha256(read_plain(path / PROTOCOL_FILE)).hexdigest()
        if not track.is_revealed or digest != track.digest or said != digest:
            detail = "not the protocol that was registered"
            findings.append(Finding("protocol", "differs", detail))
        elif _said_place(manifest) != (track.dataset, record.issuer, ledger.address):
            detail = "the manifest names another dataset, researcher or registry than the protocol has"
            findings.append(Finding("protocol", "differs", detail))
        else:
            block = track.registration_block
            detail = f"registered in block {block}, before the first of {track.attempts} attempts"
            findings.append(Finding("protocol", "matched", detail))
    with guard(ATTEMPTS_FILE, findings):
        track = Protocols(ledger).find(record.protocol, record.issuer)
        logged = _read_log(ledger, record.protocol)
        if chain_head(record.protocol, track.registration_block, [link for _, link in logged]) != track.head:
            raise ValueError("the chain's log of attempts does not lead to the head that its state holds")
        entries = read_attempts(read_plain(path / ATTEMPTS_FILE))
        before = [link for number, link in logged if number <= record.attempts]
        if len(entries) != record.attempts or list_links(entries) != before:
            detail = f"not the {record.attempts} attempts that the chain logged before the release"
            findings.append(Finding("attempts", "differs", detail))
        else:
            detail = f"all {record.attempts} that the chain logged; the release is of number {record.attempt}"
            findings.append(Finding("attempts", "matched", detail))


def _said_place(manifest: Any) -> tuple[Any, ...]:
    said = manifest["parameters"]["protocol"]
    return said["dataset"], said["researcher"], said["registry"]


def _read_log(ledger: Ledger, protocol: str) -> list[tuple[int, str]]:
    """First number and link of each entry of a protocol's log, in order."""
    alone = [
        (event.arguments["number"], event.arguments["digest"])
        for event in ledger.find_events("Attempted", protocol=protocol)
    ]
    together = [
        (said["first"], batch_link(said["root"], said["count"]))
        for said in (event.arguments for event in ledger.find_events("AttemptedBatch", protocol=protocol))
    ]
    return sorted(alone + together)
