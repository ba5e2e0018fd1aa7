"""The Ledger: where releases are recorded, found and withdrawn, on a chain in this process or behind a URL.

How contracts are reached is `calling`'s. Digests (SHA-256) are hexadecimal text as in a Bundle; what belongs
to the chain (addresses, transactions, ids) is hexadecimal text that starts with 0x.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import Any

from eth_utils import keccak

from synthlib.bundle import LEDGER_FOLDER, MANIFEST, Bundle, canonical_json, write_atomically
from synthlib.chain.calling import ADMIN_DELAY as ADMIN_DELAY  # whose place it was, for who looks here
from synthlib.chain.calling import Registry
from synthlib.chain.calling import deployment_data as deployment_data
from synthlib.chain.errors import (
    AlreadyRecorded,
    ChainError,
    IncompleteLog,
    NotRecorded,
    TransactionTimeout,
)
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

JOURNAL, RECORD = "journal.jsonl", "record.json"
_AUDITOR_ROLE = keccak(text="AUDITOR_ROLE").hex()


class Ledger(Registry):
    """A registry on one chain with what belongs to it, and the account that acts on it.

    Made by `Ledger.in_process` and `Ledger.connect`; everything after that is the same for both. What there
    is beside releases has classes of its own, which take a Ledger: `Roles`, `Datasets`, `Protocols`,
    `Agreements`, `Attestations`.

    Attributes: those of `Registry`.
    """

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
            found = self._find_sent(generation.release)
        self.connection.await_final(found.transaction)  # whoever sent it, and whenever
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
        verdict on it or its auditor's role, its dataset's end, or a verdict that was cancelled. Doing it
        again after a crash completes it.

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
        """Number of the journal's last line about a release, a verdict on it or its auditor's role, its
        dataset's end, or a verdict that was cancelled, which does not tell of which release it was."""
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
        ends += [said.transaction for said in self.find_events("VerdictCancelled", "Attestations")]
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

    def _find_sent(self, digest: str) -> Record:
        """What was recorded just now, perhaps by another process of this account."""
        try:
            return self.find(digest, self.sender)
        except NotRecorded:
            raise TransactionTimeout(
                f"expected the record of {digest} in a block at {self.connection.place}, it waits for its "
                "block: run it again later, nothing is recorded twice"
            ) from None

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
