"""The Ledger: where releases are recorded, found and withdrawn, on a chain in this process or behind a URL.

Digests (SHA-256) are hexadecimal text as in a Bundle; what belongs to the chain (addresses, transactions,
ids) is hexadecimal text that starts with 0x.
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
from synthlib.chain.connection import Connection, Sent
from synthlib.chain.contracts import (
    PARTS,
    REGISTRY,
    expected_code,
    find_addresses,
    find_functions,
    load_artifact,
    load_errors,
)
from synthlib.chain.errors import (
    AlreadyRecorded,
    ChainError,
    IncompleteLog,
    NoAccount,
    NoRegistry,
    NotRecorded,
)
from synthlib.chain.events import Event, Events
from synthlib.chain.journal import Journal
from synthlib.chain.records import (
    RECORD_FORMAT,
    ZERO_DIGEST,
    Generation,
    Record,
    failed_gate,
    is_digest,
    read_recorded,
    release_fields,
    sign_record,
    to_address,
    withdrawal_digest,
)

ADMIN_DELAY = 86_400  # seconds between the two steps of handing over a registry's administration
JOURNAL, RECORD = "journal.jsonl", "record.json"
_AUDITOR_ROLE = keccak(text="AUDITOR_ROLE").hex()
_GAS = 1_000_000  # limit of a call on the in-process chain; a node is asked for an estimate
_DEPLOYMENT_GAS = 8_000_000
_log = logging.getLogger(__name__)


class Ledger:
    """A registry on one chain with what belongs to it, and the account that acts on it.

    Made by `Ledger.in_process` and `Ledger.connect`; everything after that is the same for both. What there
    is beside releases has classes of its own, which take a Ledger: `Roles`, `Datasets`, `Protocols`,
    `Agreements`, `Attestations`.

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
        if address is not None and not is_address(address):
            raise NoRegistry(
                "expected a registry's address, 0x and 40 hexadecimal digits, got something else"
            )
        deployment = self._deploy() if address is None else None
        self.address = to_checksum_address(address) if deployment is None else deployment["contract"]
        self.addresses = find_addresses(self.address)
        self._contracts: dict[tuple[str, str], Any] = {}
        self._events = Events(connection, self.addresses)
        self._gas: dict[str, int] = {}
        self._check_code()
        if deployment is not None:
            self.hear(deployment)

    def __repr__(self) -> str:
        return f"Ledger({self.address} on {self.connection.place})"

    @classmethod
    def in_process(
        cls, journal: Path | str | None = None, account: LocalAccount | None = None, keep: bool = True
    ) -> Ledger:
        """A ledger on a chain in this process, which lives on in its journal.

        Args:
            journal: file to replay if it exists and to keep up to date; None keeps the journal in memory.
            account: who signs; the demo issuer, whose key everybody knows, if None.
            keep: whether the file is kept up to date; if not, it is read only.

        Raises:
            JournalError: if the journal is not what was written; each wrong line is named.
        """
        account = account or demo_account()
        connection = Connection.in_process()
        if journal is None or not Path(journal).exists():
            return cls(connection, None, account, Journal.start(journal, connection))
        opened = Journal.open(journal)
        opened.path = opened.path if keep else None
        receipts: list[dict[str, Any]] = []
        opened.replay(connection, load_artifact()["bytecode"], receipts.append)
        ledger = cls(connection, receipts[0]["contract"] if receipts else None, account, opened)
        for receipt in receipts:
            ledger.hear(receipt)
        return ledger

    @classmethod
    def connect(
        cls,
        rpc_url: str,
        registry_address: str | None = None,
        account: LocalAccount | None = None,
        chain_id: int | None = None,
        timeout: float = 120.0,
        **options: Any,
    ) -> Ledger:
        """A ledger on a node.

        Args:
            rpc_url: the node's JSON-RPC URL.
            registry_address: the registry; None deploys a new one, says so in the log and makes the account
                its administrator, first steward and first researcher.
            account: who signs; what `load_account` finds if None, and reading only if it finds nothing.
            chain_id: the chain it must be, or None for any.
            timeout: seconds to wait for a block to hold a transaction.
            options: confirmations, patience and outbox, as in `Connection.by_url`.

        Raises:
            NodeUnreachable, WrongChain: if the chain is not there.
            NoRegistry: if the code at the address is not the registry's.
            NoAccount: if a registry is to be deployed and nobody can sign.
        """
        account = account or load_account()
        connection = Connection.by_url(rpc_url, chain_id, timeout, **options)
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

    @property
    def sender(self) -> str:
        """Address of the account that acts.

        Raises:
            NoAccount: if this ledger only reads.
        """
        if self.account is None:
            raise NoAccount("expected an account to act as, found none; take a Ledger that acts as one")
        return self.account.address

    def acting_as(self, account: LocalAccount | None) -> Ledger:
        """The same ledger with another account signing."""
        other = copy.copy(self)
        other.account = account
        return other

    def call(self, name: str, *arguments: Any, contract: str = REGISTRY) -> Any:
        """What a contract's function returns if this account called it now; nothing is sent.

        Raises:
            ContractError: the custom error it reverts with.
        """
        function = self._contract_with(name, contract).functions[name](*arguments)
        return self.connection.call(function, self.account.address if self.account else None)

    def send(self, name: str, *arguments: Any, contract: str = REGISTRY) -> list[Event]:
        """Call a contract's function in a transaction of this account.

        Args:
            name: the function.
            arguments: as its ABI wants them.
            contract: whose function it is.

        Returns:
            The events it led to.

        Raises:
            ContractError: the custom error that the contract refuses it with; nothing was sent then.
            NoAccount, TransactionRejected, TransactionTimeout: as `Connection.send`.
        """
        data = self._contract_with(name, contract).encode_abi(name, arguments)
        sent = self.connection.send(self.account, data, self.addresses[contract], _GAS, load_errors())
        said = self.hear(sent.receipt)
        self._keep(sent)
        return said

    def find_events(self, name: str | None = None, contract: str = REGISTRY, **arguments: Any) -> list[Event]:
        """Events of one kind, or all, oldest first; `arguments` select by indexed ones. See `Events.find`."""
        return self._events.find(contract, name, **arguments)

    def record(self, bundle: Bundle) -> Record:
        """Record a release. A second time changes nothing and returns the record there is.

        One whose manifest says that it failed the thresholds of its protocol is recorded as failed.

        What somebody else recorded under the same digest does not matter: a record is its issuer's.

        Raises:
            ValueError: if the Bundle is not a release, or names no protocol.
            ContractError: what the contract refuses it with: no protocol that runs, no attempt, overspent.
            ChainError: if this account recorded the digest with other content, or the chain does not take it.
            NoAccount: if this ledger only reads.
        """
        gate = failed_gate(bundle)
        return self.record_generation(release_fields(bundle), None if gate == ZERO_DIGEST else gate)

    def record_generation(self, generation: Generation, gate: str | None = None) -> Record:
        """Record what is said of a release; see `record`.

        Args:
            generation: what is said of it.
            gate: SHA-256 of the `gate.json` of a release that failed the thresholds of its protocol: it is
                recorded as failed, and what it spends is spent. None for any other.
        """
        call = (
            ("recordRelease", generation.to_abi())
            if gate is None
            else ("recordFailedRelease", generation.to_abi(), to_bytes32(gate))
        )
        try:
            found = self.find(generation.release, self.sender)
        except NotRecorded:
            with contextlib.suppress(AlreadyRecorded):  # by another process in the meantime
                self.send(*call)
            found = self.find(generation.release, self.sender)
        said = generation._asdict() | {"gate": gate or ZERO_DIGEST}
        names = [name for name, value in said.items() if getattr(found, name) != value]
        if names:
            raise ChainError(
                f"{generation.release} is recorded with another {', '.join(names)} by {found.issuer}; "
                "do not trust that record; ask its issuer to revoke it"
            )
        return found

    def find(self, digest: str, issuer: str | None = None) -> Record:
        """Everything the chain knows of a release, from its digest and who recorded it.

        Args:
            digest: SHA-256 of its manifest.
            issuer: address that recorded it, this account's if None. Somebody else may have recorded the same
                digest (`find_issuers`), of which nothing is told here.

        Raises:
            NotRecorded: if that account recorded nothing under the digest.
            IncompleteLog: if the chain's log lacks what its state speaks of.
            ChainError: if the log says something else than the state.
            ValueError: if `digest` is not 64 hexadecimal digits, or `issuer` no address.
            NoAccount: if no issuer is given and this ledger only reads.
        """
        issuer = self.sender if issuer is None else to_address(issuer, "issuer")
        stored = self.call("find", to_bytes32(digest), issuer)
        fingerprint, failed, block, withdrawal_time, withdrawal_block, withdrawal = stored
        said = self.find_events("Recorded", block=block, release=digest, issuer=issuer)
        if len(said) != 1:
            raise self._missing("Recorded", digest, block, len(said))
        generation, _, attempts = read_recorded(said[0])
        gate = self._find_gate(digest, issuer, block) if failed else ZERO_DIGEST
        if generation.fingerprint_with(gate) != fingerprint:
            raise ChainError(
                f"expected the Recorded event that {digest} was recorded with, {self.connection.place} gave "
                "another: its log does not fit its state; ask another node"
            )
        reason, successor = self._find_withdrawal(digest, issuer, withdrawal_block, withdrawal)
        return Record(
            *generation,
            attempts=attempts,
            issuer=issuer,
            time=self.connection.get_time(block),
            block=block,
            transaction=said[0].transaction,
            gas_used=self._gas_of(said[0].transaction),
            id=generation.id_with(gate),
            failed=failed,
            gate=gate,
            revoked=withdrawal_time > 0,
            revocation_time=withdrawal_time,
            reason=reason,
            successor=successor,
        )

    def revoke(self, digest: str, reason: str) -> Record:
        """Withdraw a release. The chain gets the SHA-256 of the reason; publish its words elsewhere.

        Raises:
            NotRecorded, AlreadyRevoked: what the contract says; only who recorded it can withdraw it.
            ValueError: if the reason is empty.
        """
        words = digest_of_words(reason, "reason")
        self.send("revoke", to_bytes32(digest), words)
        return self.find(digest)

    def supersede(self, digest: str, successor: str, reason: str) -> Record:
        """Withdraw a release in favour of another one that this account recorded.

        Raises:
            NotRecorded, AlreadyRevoked: what the contract says, of either.
            ValueError: if the reason is empty.
        """
        words = digest_of_words(reason, "reason")
        self.send("supersede", to_bytes32(digest), to_bytes32(successor), words)
        return self.find(digest)

    def save(self, bundle: Bundle, issuer: str | None = None) -> Record:
        """Write `ledger/` into a recorded release's folder: all that `verify` needs to know.

        It holds the manifest as it was recorded, `record.json`, signed by the issuer if that is this
        ledger's account, and of an in-process chain the journal up to the last line about the release, a
        verdict on it or its auditor's role, or its dataset's end. Doing it again after a crash completes it.

        Args:
            bundle: the release.
            issuer: address that recorded it, this account's if None. Only the record of its protocol's
                researcher verifies.

        Raises:
            NotRecorded: if that account did not record the release here.
            ChainError: if the chain is in this process and the issuer is not this ledger's account.
        """
        record = self.find(bundle.digest, issuer)
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
            part = self.journal.up_to(self._find_last_line(record))
            body["journal"] = {"lines": len(part.lines), "head": part.head}
            write_atomically(folder / JOURNAL, b"".join(part.lines))
        write_atomically(folder / MANIFEST, (bundle.path / MANIFEST).read_bytes())
        body["signature"] = sign_record(body, self.account) if is_issuer else None
        write_atomically(folder / RECORD, canonical_json(body))
        if self.journal is None:
            (folder / JOURNAL).unlink(missing_ok=True)  # last: the record that it went with is replaced now
        return record

    def leave_journal(self, bundle: Bundle) -> None:
        """Write the in-process chain's journal into the `ledger/` of a release that is not recorded yet.

        So the folder has all that recording it takes, also in another process.

        Raises:
            ChainError: if the ledger is on a node, which has its own memory.
        """
        if self.journal is None:
            raise ChainError(
                "expected a ledger on the in-process chain; a node keeps what it was told itself"
            )
        (bundle.path / LEDGER_FOLDER).mkdir(exist_ok=True)
        write_atomically(bundle.path / LEDGER_FOLDER / JOURNAL, b"".join(self.journal.lines))

    def _find_last_line(self, record: Record) -> int:
        """Number of the journal's last line about a release, a verdict on it or its auditor's role, or its
        dataset's end."""
        verdicts = self.find_events("Attested", "Attestations", release=record.release)
        topics = [record.release, *(said.arguments["id"].removeprefix("0x") for said in verdicts)]
        ends = [
            said.transaction
            for protocol in self.find_events("ProtocolRegistered", protocol=record.protocol)
            for name in ("DatasetErased", "DatasetRenounced")
            for said in self.find_events(name, dataset=protocol.arguments["dataset"])
        ]
        ends += [
            said.transaction
            for auditor in {verdict.arguments["auditor"] for verdict in verdicts}
            for name in ("RoleRevoked", "RoleGranted")
            for said in self.find_events(name, role=_AUDITOR_ROLE, account=auditor)
        ]
        return max(*map(self.journal.last_line_about, topics), 1, *map(self.journal.line_of, ends))

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

    def find_issuers(self, digest: str) -> list[str]:
        """Addresses of all who recorded a release under this digest, oldest first, as the log says."""
        return [event.arguments["issuer"] for event in self.find_events("Recorded", release=digest)]

    def _find_gate(self, digest: str, issuer: str, block: int) -> str:
        """Digest of the gate that a release failed."""
        said = self.find_events("FailedItsGate", block=block, release=digest, issuer=issuer)
        if len(said) != 1:
            raise self._missing("FailedItsGate", digest, block, len(said))
        return said[0].arguments["gate"]

    def _find_withdrawal(self, digest: str, issuer: str, block: int, withdrawal: bytes) -> tuple[str, str]:
        """Reason and successor of a withdrawal, zeros where there is none."""
        if not block:
            return ZERO_DIGEST, ZERO_DIGEST
        said = [
            event
            for name in ("Revoked", "Superseded")
            for event in self.find_events(name, block=block, release=digest, issuer=issuer)
        ]
        if len(said) != 1:
            raise self._missing("Revoked or Superseded", digest, block, len(said))
        reason, successor = said[0].arguments["reason"], said[0].arguments.get("successor", ZERO_DIGEST)
        if withdrawal_digest(reason, successor) != withdrawal:
            raise ChainError(
                f"expected the event that {digest} was withdrawn with, {self.connection.place} gave another "
                f"{said[0].name}: its log does not fit its state; ask another node"
            )
        return reason, successor

    def _missing(self, name: str, digest: str, block: int, found: int) -> IncompleteLog:
        return IncompleteLog(
            f"expected one {name} event for {digest} in block {block}, {self.connection.place} gave {found}; "
            "ask a node that keeps its logs"
        )

    def _contract_with(self, name: str, contract: str) -> Any:
        """A contract as web3 has it, with one function: making it with all takes thirty times as long."""
        if (contract, name) not in self._contracts:
            abi = [*find_functions(contract, name), *load_errors()]
            place = self.addresses[contract]
            self._contracts[contract, name] = self.connection.web3.eth.contract(place, abi=abi)
        return self._contracts[contract, name]

    def _deploy(self) -> dict[str, Any]:
        owner = "0x" + "00" * 20 if self.account is None else self.account.address
        data = deployment_data(owner)
        sent = self.connection.send(self.account, data, None, _DEPLOYMENT_GAS, load_errors())
        self._keep(sent)
        return sent.receipt

    def _check_code(self) -> None:
        for name in (REGISTRY, *PARTS):
            found = self.connection.get_code(self.addresses[name])
            if found != expected_code(name, self.addresses, self.connection.chain_id):
                what = f"other code ({len(found)} bytes)" if found else "no code"
                raise NoRegistry(
                    f"expected the {name} of this version at {self.addresses[name]} on "
                    f"{self.connection.place} (chain {self.connection.chain_id}), found {what}; check the "
                    "address and the chain"
                )

    def _keep(self, sent: Sent) -> None:
        if self.journal is not None:
            self.journal.append(sent)

    def hear(self, receipt: Mapping[str, Any]) -> list[Event]:
        """Keep what a receipt says: searching the in-process chain is slow. Returns its events."""
        self._gas[receipt["transaction"]] = receipt["gas_used"]
        return self._events.hear(receipt)

    def _gas_of(self, transaction: str) -> int:
        if transaction not in self._gas:
            self._gas[transaction] = self.connection.get_receipt(transaction)["gas_used"]
        return self._gas[transaction]


def deployment_data(owner: str) -> str:
    """What is sent to deploy a registry; `owner` is its administrator, first steward and first researcher."""
    arguments = encode(["uint48", "address", "address"], [ADMIN_DELAY, owner, owner])
    return load_artifact()["bytecode"] + arguments.hex()


def to_bytes32(text: str) -> bytes:
    """A digest or an id as the contracts take it.

    Raises:
        ValueError: if it is not 64 hexadecimal digits, with or without 0x in front.
    """
    if not is_digest(text.removeprefix("0x")):
        raise ValueError("expected a digest of 64 lower-case hexadecimal digits, got something else")
    return bytes.fromhex(text.removeprefix("0x"))


def digest_of_words(text: str, what: str) -> bytes:
    """SHA-256 of words that are published elsewhere, if at all.

    Raises:
        ValueError: if there are none; `what` names them.
    """
    if not text.strip():
        raise ValueError(f"expected a {what} in words, got none")
    return hashlib.sha256(text.encode()).digest()
