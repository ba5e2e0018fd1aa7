"""Record a release that lies in a folder, in process or on a node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount

from synthlib.bundle import LEDGER_FOLDER, Bundle
from synthlib.chain.accounts import load_account
from synthlib.chain.errors import ChainError, NotRecorded, WrongChain
from synthlib.chain.protocol_evidence import require_recordable
from synthlib.chain.recorded import require_continued
from synthlib.chain.records import Record, release_fields
from synthlib.chain.registry import JOURNAL, RECORD, Ledger
from synthlib.parsing import parse_json


def record_bundle(
    path: Path | str,
    rpc: str | None = None,
    registry: str | None = None,
    journal: Path | str | None = None,
    account: LocalAccount | None = None,
) -> Record:
    """Open a release, record it, and write what `verify` needs into its `ledger/` folder.

    One whose manifest says that it failed the thresholds of its protocol is recorded as failed.

    Doing it again is harmless: it completes what a crash left half done, else changes nothing.

    Args:
        path: the release's folder.
        rpc: URL of a node; None records on the in-process chain.
        registry: address on the node; None takes the one on which the release's protocol is registered.
        journal: the in-process chain's journal in which the protocol is registered; the one in the release's
            `ledger/` folder if None.
        account: who signs; what `load_account` finds if None, else the demo issuer in process.

    Raises:
        BundleError: if the folder is not what its manifest says.
        WrongChain: if its protocol is registered elsewhere, or the journal lacks what `ledger/` holds.
        ChainError: if it cannot be recorded (see `Ledger`), or would not verify then: its protocol or its
            attempts are not those of the chain.
    """
    bundle = Bundle.open(path)
    said = release_fields(bundle)
    account = account or load_account()
    protocol = bundle.parameters["protocol"]
    earlier = _read_earlier(bundle)
    is_on_node = earlier.get("kind") == "node"
    if rpc is None:
        if is_on_node:
            raise _elsewhere(bundle, f"on chain {earlier.get('id')}")
        journal = Path(journal or bundle.path / LEDGER_FOLDER / JOURNAL)
        if not journal.exists():
            raise ChainError(
                f"expected the journal in which the protocol of {bundle.path.name} is registered, found none "
                f"at {journal}; give it, or the URL of a node if it is registered there"
            )
        if earlier:
            require_continued(bundle.path / LEDGER_FOLDER / JOURNAL, journal)
        ledger = Ledger.in_process(journal, account)
    else:
        if not is_on_node and (earlier or (bundle.path / LEDGER_FOLDER / JOURNAL).exists()):
            raise _elsewhere(bundle, "on the in-process chain")
        registry = registry or earlier.get("registry") or protocol.get("registry")
        if not isinstance(registry, str):  # without one, a new registry would be deployed
            raise ValueError(
                "parameters.protocol.registry: expected an address in a release's manifest, found none"
            )
        ledger = Ledger.connect(rpc, registry, account)
        here = (ledger.connection.chain_id, ledger.connection.genesis)
        if is_on_node and here != (earlier.get("id"), earlier.get("genesis")):
            raise _elsewhere(bundle, f"on chain {earlier.get('id')}, which this node does not serve")
    _check_place(ledger, protocol)
    if not _is_recorded(ledger, bundle.digest):  # by this account: others' records are theirs
        require_recordable(bundle.path, bundle.manifest, ledger, said)
    ledger.record(bundle)
    return ledger.save(bundle)


def _is_recorded(ledger: Ledger, digest: str) -> bool:
    try:
        ledger.find(digest)
        return True
    except NotRecorded:
        return False


def _check_place(ledger: Ledger, protocol: dict[str, Any]) -> None:
    here = (f"eip155:{ledger.connection.chain_id}", ledger.address)
    if here != (protocol.get("chain"), protocol.get("registry")):
        raise WrongChain(
            f"expected the registry {protocol.get('registry')} on {protocol.get('chain')}, where the "
            f"release's protocol is registered, got {here[1]} on {here[0]}; record it there"
        )


def _elsewhere(bundle: Bundle, place: str) -> ChainError:
    return ChainError(
        f"expected a release of a protocol on this chain, that of {bundle.path.name} is {place}; a release "
        "is recorded on its protocol's chain alone: record it there, or make it anew under a protocol here"
    )


def _read_earlier(bundle: Bundle) -> dict[str, Any]:
    """The chain and registry of an earlier record.json of this very release, or nothing."""
    try:
        body = parse_json((bundle.path / LEDGER_FOLDER / RECORD).read_bytes())
        is_same = body["record"]["release"] == bundle.digest
        return dict(body["chain"], registry=body["registry"]) if is_same else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
