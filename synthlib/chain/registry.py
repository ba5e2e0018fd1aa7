"""The Ledger: where releases are recorded, found and withdrawn, on a chain in this process or behind a URL.

Digests (SHA-256) are hexadecimal text as in a Bundle; what belongs to the chain (addresses, transactions,
record ids) is hexadecimal text that starts with 0x.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eth_abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils import is_address, keccak, to_checksum_address

from synthlib.bundle import LEDGER_FOLDER, MANIFEST, Bundle, canonical_json, write_atomically
from synthlib.chain.accounts import demo_account, load_account
from synthlib.chain.connection import Connection
from synthlib.chain.errors import AlreadyRecorded, ChainError, NoRegistry, NotRecorded
from synthlib.chain.journal import Journal
from synthlib.chain.records import (
    RECORD_FORMAT,
    Generation,
    Record,
    is_digest,
    load_artifact,
    parse_recorded,
    release_fields,
    sign_record,
)
from synthlib.parsing import parse_json

ADMIN_DELAY = 86_400  # seconds between the two steps of handing over a registry's administration
JOURNAL, RECORD = "journal.jsonl", "record.json"
_GAS = {"deploy": 3_000_000, "grantRole": 200_000, "record": 200_000, "revoke": 200_000}
_log = logging.getLogger(__name__)


class Ledger:
    """A registry of releases on one chain, and the account that acts on it.

    Made by `Ledger.in_process` and `Ledger.connect`; everything after that is the same for both.

    Attributes:
        connection: the chain.
        address: the registry's address.
        account: who signs, or None to read only.
        journal: the in-process chain's Journal, None on a node.
        is_new: whether this object deployed the registry.
    """

    def __init__(
        self,
        connection: Connection,
        address: str | None,
        account: LocalAccount | None,
        journal: Journal | None = None,
    ):
        self.connection, self.account, self.journal = connection, account, journal
        self.is_new = address is None
        self._known: dict[str, tuple[Generation, dict[str, Any]]] = {}
        if address is not None and not is_address(address):
            raise NoRegistry(
                "expected a registry's address, 0x and 40 hexadecimal digits, got something else"
            )
        self.address = self._deploy() if address is None else to_checksum_address(address)
        self._contract = connection.web3.eth.contract(self.address, abi=load_artifact()["abi"])
        self._check_code()

    def __repr__(self) -> str:
        return f"Ledger({self.address} on {self.connection.place})"

    @classmethod
    def in_process(cls, journal: Path | str | None = None, account: LocalAccount | None = None) -> Ledger:
        """A ledger on a chain in this process, which lives on in its journal.

        Args:
            journal: file to replay if it exists and to keep up to date; None keeps the journal in memory.
            account: who signs; the demo issuer, whose key everybody knows, if None.

        Raises:
            JournalError: if the journal is not what was written; each wrong line is named.
        """
        account = account or demo_account()
        connection = Connection.in_process()
        if journal is None or not Path(journal).exists():
            return cls(connection, None, account, Journal.start(journal, connection))
        opened = Journal.open(journal)
        receipts: list[dict[str, Any]] = []
        opened.replay(connection, load_artifact()["bytecode"], receipts.append)
        ledger = cls(connection, receipts[0]["contract"] if receipts else None, account, opened)
        for receipt in receipts:
            ledger._remember(receipt)
        return ledger

    @classmethod
    def connect(
        cls,
        rpc_url: str,
        registry_address: str | None = None,
        account: LocalAccount | None = None,
        chain_id: int | None = None,
        timeout: float = 120.0,
    ) -> Ledger:
        """A ledger on a node.

        Args:
            rpc_url: the node's JSON-RPC URL.
            registry_address: the registry; None deploys a new one, says so in the log and lets the account
                record on it.
            account: who signs; what `load_account` finds if None, and reading only if it finds nothing.
            chain_id: the chain it must be, or None for any.
            timeout: seconds to wait for a block to hold a transaction.

        Raises:
            NodeUnreachable, WrongChain: if the chain is not there.
            NoRegistry: if the code at the address is not the registry's.
            NoAccount: if a registry is to be deployed and nobody can sign.
        """
        account = account or load_account()
        connection = Connection.by_url(rpc_url, chain_id, timeout)
        if registry_address is not None:
            return cls(connection, registry_address, account)
        ledger = cls(connection, None, account)
        _log.warning(
            "deployed a new registry at %s on chain %d (%s): give this address from now on",
            ledger.address,
            connection.chain_id,
            connection.place,
        )
        return ledger

    def acting_as(self, account: LocalAccount | None) -> Ledger:
        """The same ledger with another account signing."""
        other = copy.copy(self)
        other.account = account
        return other

    def record(self, bundle: Bundle) -> Record:
        """Record a release. A second time changes nothing and returns the record there is.

        Raises:
            ValueError: if the Bundle is not a release.
            AccessControlUnauthorizedAccount: if the account may not record.
            ChainError: if the digest is recorded with other content, or the chain does not take it.
        """
        return self.record_generation(release_fields(bundle))

    def record_generation(self, generation: Generation) -> Record:
        """Record what is said of a release; see `record`."""
        try:
            found = self.find(generation.release)
        except NotRecorded:
            with contextlib.suppress(AlreadyRecorded):  # by somebody else in the meantime
                self._send("record", generation.to_abi())
            found = self.find(generation.release)
        if found.generation != generation:
            names = [name for name in Generation._fields if getattr(found, name) != getattr(generation, name)]
            raise ChainError(
                f"{generation.release} is recorded with another {', '.join(names)} by {found.issuer}; "
                "do not trust that record; ask its issuer to revoke it"
            )
        return found

    def find(self, digest: str) -> Record:
        """Everything the chain knows of a release, from its digest alone.

        Raises:
            NotRecorded: if it knows nothing.
            ValueError: if `digest` is not 64 hexadecimal digits.
        """
        release = _to_bytes32(digest)
        issuer, time, block, reason = self.connection.call(self._contract.functions.find(release))
        if digest not in self._known:
            events = self.connection.get_events(self._contract.events.Recorded(), block, release=release)
            if len(events) != 1:
                raise ChainError(
                    f"expected one Recorded event for {digest} in block {block}, {self.connection.place} "
                    f"gave {len(events)}; ask a node that keeps its logs"
                )
            self._remember(self.connection.get_receipt("0x" + bytes(events[0]["transactionHash"]).hex()))
        generation, receipt = self._known[digest]
        return Record(
            *generation,
            issuer=issuer,
            time=time,
            block=block,
            transaction=receipt["transaction"],
            gas_used=receipt["gas_used"],
            id=generation.id,
            revoked=any(reason),
            reason=reason.hex(),
        )

    def revoke(self, digest: str, reason: str) -> Record:
        """Withdraw a release. The chain gets the SHA-256 of the reason; publish its words elsewhere.

        Raises:
            NotRecorded, NotIssuer, AlreadyRevoked: what the contract says.
            ValueError: if the reason is empty.
        """
        if not reason.strip():
            raise ValueError("expected a reason in words, got none")
        words = hashlib.sha256(reason.encode()).digest()
        self._send("revoke", _to_bytes32(digest), words)
        return self.find(digest)

    def grant_recorder(self, address: str) -> None:
        """Let an account record. For the registry's administrator, who at first is who deployed it."""
        role = keccak(text="RECORDER_ROLE")
        self._send("grantRole", role, to_checksum_address(address))

    def save(self, bundle: Bundle) -> Record:
        """Write `ledger/` into a recorded release's folder: all that `verify` needs to know.

        It holds the manifest as it was recorded, `record.json`, signed by the issuer if that is this
        ledger's account, and of an in-process chain the journal up to the last line about the release.
        Writing it again after a crash completes it.

        Raises:
            NotRecorded: if the release is not recorded here.
            ChainError: if the chain is in this process and somebody else recorded the release.
        """
        record = self.find(bundle.digest)
        is_issuer = self.account is not None and self.account.address == record.issuer
        folder = bundle.path / LEDGER_FOLDER
        if self.journal is not None and not is_issuer:
            raise ChainError(
                f"expected to act as the issuer {record.issuer} to sign its record; use acting_as"
            )
        folder.mkdir(exist_ok=True)
        for partial in folder.glob(".*.partial"):
            partial.unlink()
        body = self._describe(record)
        if self.journal is not None:
            part = self.journal.up_to(self.journal.last_line_about(record.release))
            body["journal"] = {"lines": len(part.lines), "head": part.head}
            write_atomically(folder / JOURNAL, b"".join(part.lines))
        write_atomically(folder / MANIFEST, (bundle.path / MANIFEST).read_bytes())
        body["signature"] = sign_record(body, self.account) if is_issuer else None
        write_atomically(folder / RECORD, canonical_json(body))
        if self.journal is None:
            (folder / JOURNAL).unlink(missing_ok=True)  # last: the record that it went with is replaced now
        return record

    def _describe(self, record: Record) -> dict[str, Any]:
        kind = "in-process" if self.connection.is_in_process else "node"
        chain = {"kind": kind, "id": self.connection.chain_id, "genesis": self.connection.genesis}
        return {
            "format": RECORD_FORMAT,
            "chain": chain,
            "registry": self.address,
            "record": record._asdict(),
            "journal": None,
        }

    def _deploy(self) -> str:
        artifact = load_artifact()
        owner = "0x" + "00" * 20 if self.account is None else self.account.address
        arguments = encode(["uint48", "address", "address"], [ADMIN_DELAY, owner, owner])
        return self._transact(artifact["bytecode"] + arguments.hex(), None, "deploy")["contract"]

    def _check_code(self) -> None:
        found, expected = self.connection.get_code(self.address), load_artifact()["deployedBytecode"]
        if "0x" + found.hex() != expected:
            what = f"other code ({len(found)} bytes)" if found else "no code"
            raise NoRegistry(
                f"expected the registry of this version at {self.address} on {self.connection.place} (chain "
                f"{self.connection.chain_id}), found {what}; check the address and the chain"
            )

    def _send(self, name: str, *arguments: Any) -> None:
        self._transact(self._contract.encode_abi(name, arguments), self.address, name)

    def _transact(self, data: str, to: str | None, name: str) -> dict[str, Any]:
        sent = self.connection.send(self.account, data, to, _GAS[name], load_artifact()["abi"])
        if self.journal is not None:
            self.journal.append(sent)
        if to is not None:
            self._remember(sent.receipt)
        return sent.receipt

    def _remember(self, receipt: Mapping[str, Any]) -> None:
        """Keep what a fresh receipt's Recorded events say: asking for old ones is slow."""
        for log in receipt["logs"]:
            generation = parse_recorded(log, self.address)
            if generation is not None:
                self._known[generation.release] = (generation, dict(receipt))


def _to_bytes32(digest: str) -> bytes:
    if not is_digest(digest):
        raise ValueError("expected a digest of 64 lower-case hexadecimal digits, got something else")
    return bytes.fromhex(digest)


def record_bundle(
    path: Path | str,
    rpc: str | None = None,
    registry: str | None = None,
    journal: Path | str | None = None,
    account: LocalAccount | None = None,
) -> Record:
    """Open a release, record it, and write what `verify` needs into its `ledger/` folder.

    Doing it again is harmless: it completes what a crash left half done, else changes nothing.

    Args:
        path: the release's folder.
        rpc: URL of a node; None records on the in-process chain.
        registry: address on the node; None takes the one of an earlier recording of this release, else
            deploys a new one.
        journal: the in-process chain's journal that several releases share; None gives this release its own.
        account: who signs; what `load_account` finds if None, else the demo issuer in process.

    Raises:
        BundleError: if the folder is not what its manifest says.
        ChainError: if it cannot be recorded; see `Ledger`.
    """
    bundle = Bundle.open(path)
    release_fields(bundle)
    account = account or load_account()
    earlier = _read_earlier(bundle)
    is_on_node = earlier.get("kind") == "node"
    if rpc is None:
        if is_on_node:
            raise _elsewhere(bundle, f"on chain {earlier.get('id')}")
        ledger = Ledger.in_process(journal or bundle.path / LEDGER_FOLDER / JOURNAL, account)
    else:
        if not is_on_node and (earlier or (bundle.path / LEDGER_FOLDER / JOURNAL).exists()):
            raise _elsewhere(bundle, "on the in-process chain")
        if is_on_node:
            registry = registry or earlier["registry"]
        ledger = Ledger.connect(rpc, registry, account)
        here = (ledger.connection.chain_id, ledger.connection.genesis)
        if is_on_node and here != (earlier.get("id"), earlier.get("genesis")):
            raise _elsewhere(bundle, f"on chain {earlier.get('id')}, which this node does not serve")
    ledger.record(bundle)
    return ledger.save(bundle)


def _elsewhere(bundle: Bundle, place: str) -> ChainError:
    return ChainError(
        f"expected a release that is on no other chain yet, {bundle.path.name} is recorded {place}; verify "
        "it there, or move its ledger/ folder away to record it anew (keep it: only it shows that record)"
    )


def _read_earlier(bundle: Bundle) -> dict[str, Any]:
    """The chain and registry of an earlier record.json of this very release, or nothing."""
    try:
        body = parse_json((bundle.path / LEDGER_FOLDER / RECORD).read_bytes())
        is_same = body["record"]["release"] == bundle.digest
        return dict(body["chain"], registry=body["registry"]) if is_same else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
