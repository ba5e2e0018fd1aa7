"""What auditors said of a release, for other formats: from a node, or from the journal in its folder."""

from __future__ import annotations

from typing import Any, NamedTuple

from synthlib.bundle import LEDGER_FOLDER, Bundle
from synthlib.chain.attestations import OUTCOMES, Attestation, Attestations
from synthlib.chain.connection import Connection
from synthlib.chain.contracts import find_addresses
from synthlib.chain.errors import ChainError, WrongChain
from synthlib.chain.events import Event, decode_logs
from synthlib.chain.evidence import read_plain
from synthlib.chain.facts import to_iso
from synthlib.chain.registry import JOURNAL, RECORD, Ledger
from synthlib.parsing import parse_json


class VerdictFacts(NamedTuple):
    """A verdict on a release.

    Attributes:
        id: what the auditor signed.
        auditor: CAIP-10 identifier, a pseudonym.
        outcome: `"passed"`, `"failed"` or `"inconclusive"`.
        report, rubric: SHA-256 of the auditor's report, and of what it was judged by.
        time: when it was brought, ISO 8601 in UTC; None on the in-process chain.
        is_standing: whether it was not taken back when it was read.
        revocation_time: when it was taken back, ISO 8601 in UTC; None if it stands, or in process.
    """

    id: str
    auditor: str
    outcome: str
    report: str
    rubric: str
    time: str | None
    is_standing: bool
    revocation_time: str | None


def read_verdicts(bundle: Bundle, rpc: str | None = None) -> tuple[VerdictFacts, ...]:
    """The verdicts on a recorded release, those taken back too.

    Of a release on a node they are asked for there: without its URL nothing is known of them. Of one on the
    in-process chain the journal in its `ledger/` tells them, which is read and not replayed: `verify` does
    that.

    Args:
        bundle: the release; its record was checked (`facts.read_record`).
        rpc: URL of the node on which it is recorded.

    Raises:
        WrongChain: if the node serves another chain than the one on which it is recorded.
        ChainError: if the node, or the journal, cannot be read.
    """
    folder = bundle.path / LEDGER_FOLDER
    if not (folder / RECORD).exists():
        return ()
    body = parse_json(read_plain(folder / RECORD))
    chain = f"eip155:{body['chain']['id']}"
    if body["chain"]["kind"] == "node":
        found = _ask_node(bundle, body, rpc) if rpc is not None else []
        return tuple(_to_facts(each, chain) for each in found)
    events = _read_journal(bundle, body["registry"])
    revoked = {said.arguments["id"] for said in events if said.name == "AttestationRevoked"}
    return tuple(
        _of_event(said, chain, said.arguments["id"] not in revoked)
        for said in events
        if said.name == "Attested"
        and (said.arguments["release"], said.arguments["issuer"]) == (bundle.digest, body["record"]["issuer"])
    )


def _ask_node(bundle: Bundle, body: dict[str, Any], rpc: str) -> list[Attestation]:
    connection = Connection.by_url(rpc)
    here = (connection.chain_id, connection.genesis)
    if here != (body["chain"]["id"], body["chain"]["genesis"]):
        raise WrongChain(
            f"expected a node of chain {body['chain']['id']}, on which the release is recorded, got one of "
            f"chain {here[0]} (or with another first block)"
        )
    return Attestations(Ledger(connection, body["registry"], None)).find(
        bundle.digest, body["record"]["issuer"]
    )


def _read_journal(bundle: Bundle, registry: str) -> list[Event]:
    events = []
    try:
        addresses = find_addresses(registry)
        lines = read_plain(bundle.path / LEDGER_FOLDER / JOURNAL).splitlines()[1:]
        for receipt in (parse_json(line)["receipt"] for line in lines):
            logs = decode_logs(receipt["logs"], addresses, receipt["block"], receipt["transaction"])
            events += [said for said in logs if said.contract == "Attestations"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ChainError(
            f"expected the journal of the release's chain in {LEDGER_FOLDER}/{JOURNAL}, found none that can "
            f"be read ({type(error).__name__}); verify the release"
        ) from None
    return events


def _of_event(said: Event, chain: str, is_standing: bool) -> VerdictFacts:
    told = said.arguments
    if told["outcome"] not in range(1, len(OUTCOMES)):
        raise ChainError(
            f"expected a verdict with an outcome from 1 to {len(OUTCOMES) - 1} in {LEDGER_FOLDER}/{JOURNAL}, "
            f"found {told['outcome']}, which no registry takes; verify the release"
        )
    outcome = OUTCOMES[told["outcome"]]
    auditor = f"{chain}:{told['auditor']}"
    return VerdictFacts(told["id"], auditor, outcome, told["report"], told["rubric"], None, is_standing, None)


def _to_facts(found: Attestation, chain: str) -> VerdictFacts:
    return VerdictFacts(
        id=found.id,
        auditor=f"{chain}:{found.auditor}",
        outcome=found.outcome,
        report=found.report,
        rubric=found.rubric,
        time=to_iso(found.time),
        is_standing=found.stands_at(),
        revocation_time=to_iso(found.revocation_time) if found.revocation_time else None,
    )
