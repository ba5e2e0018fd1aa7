"""Recorded releases, later: withdrawn, replaced, judged; and `ledger/` brought up to date with it.

The issuer's `ledger/` is brought up to date with what was done. On a node others act too, and their copies of
the folder stay as the issuer signed them. The journal of an in-process chain in that folder is signed by the
issuer as it stands, so that nobody else adds to it. Parties who rehearse keep a journal of their own, outside
of the folder: all of them act on that one, and the folder follows when the issuer acts or records again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from eth_account.signers.local import LocalAccount

from synthlib.bundle import LEDGER_FOLDER, Bundle
from synthlib.chain.attestations import Attestation, Attestations
from synthlib.chain.errors import ChainError, WrongChain
from synthlib.chain.evidence import parse_record, read_plain
from synthlib.chain.in_process import CHAIN_ID, GENESIS_TIME
from synthlib.chain.papers import Desk, Paper
from synthlib.chain.records import Record
from synthlib.chain.registry import JOURNAL, RECORD, Ledger

_Made = TypeVar("_Made")
_FURTHEST = 2 * 365 * 86_400  # seconds that an in-process chain is taken to be from its start


class Recorded:
    """A release in a folder with the ledger that holds its record.

    Args:
        path: the release's folder.
        rpc: URL of a node of the chain on which it is recorded; None if that is in process.
        account: who acts.
        journal: the parties' journal of the in-process chain on which it is recorded, which is kept up to
            date; the one in `ledger/` if None, to which its issuer alone adds.

    Raises:
        BundleError: if the folder is not what its manifest says.
        WrongChain: if it is recorded elsewhere, or the journal lacks what the folder's holds.
        ChainError: if it is not recorded; later, if another than the issuer is to add to its journal.
    """

    def __init__(
        self,
        path: Path | str,
        rpc: str | None,
        account: LocalAccount | None,
        journal: Path | None = None,
    ):
        self.bundle = Bundle.open(path)
        body = read_place(self.bundle)
        self._issuer = body["record"]["issuer"]
        is_on_node = body["chain"]["kind"] == "node"
        if is_on_node != (rpc is not None):
            where = (
                f"on chain {body['chain']['id']}: give the URL of one of its nodes"
                if is_on_node
                else ("on the in-process chain, on no node: leave the URL out")
            )
            raise WrongChain(f"expected to act where {self.bundle.path.name} is recorded, {where}")
        own = self.bundle.path / LEDGER_FOLDER / JOURNAL
        self._is_shared = journal is not None and journal.resolve() != own.resolve()
        if rpc is None:
            if self._is_shared:
                require_continued(own, journal)
            self.ledger = Ledger.in_process(journal or own, account, keep=self._is_shared)
            return
        self.ledger = Ledger.connect(rpc, body["registry"], account)
        here = (self.ledger.connection.chain_id, self.ledger.connection.genesis)
        if here != (body["chain"]["id"], body["chain"]["genesis"]):
            raise WrongChain(
                f"expected a node of chain {body['chain']['id']}, on which the release is recorded, got one "
                f"of chain {here[0]} (or with another first block)"
            )

    def verdicts(self) -> list[Attestation]:
        """The verdicts on the release; see `Attestations.find`."""
        return Attestations(self.ledger).find(self.bundle.digest, self._issuer)

    def revoke(self, reason: str) -> Record:
        """Withdraw the release; see `Ledger.revoke`."""
        return self._act(lambda: self.ledger.revoke(self.bundle.digest, reason))

    def supersede(self, successor: str, reason: str) -> Record:
        """Withdraw the release in favour of another; see `Ledger.supersede`.

        Args:
            successor: its digest.
            reason: in words, of which the chain gets the SHA-256.
        """
        return self._act(lambda: self.ledger.supersede(self.bundle.digest, successor, reason))

    def bring(self, paper: Paper) -> Attestation:
        """Bring an auditor's signed verdict on the release.

        Raises:
            ChainError: if it is of another release, or what `Attestations.attest` raises.
        """
        self._require_own(paper)
        return self._act(lambda: bring_verdict(self.ledger, paper))

    def cancel(self, paper: Paper) -> str:
        """Cancel a verdict on the release that was not brought; for the auditor who signed it. Its id.

        Raises:
            ChainError: if it is of another release, or what `cancel_verdict` raises.
        """
        self._require_own(paper)
        return self._act(lambda: cancel_verdict(self.ledger, paper))

    def take_back(self, verdict: str, reason: str) -> Attestation:
        """Take a verdict on the release back; for the auditor who signed it.

        Raises:
            ChainError: if there is no such verdict, or what `Attestations.revoke` raises.
        """
        self._find(verdict)
        self._act(lambda: Attestations(self.ledger).revoke(verdict, reason))
        return self._find(verdict)

    def _require_own(self, paper: Paper) -> None:
        if (paper.verdict.release, paper.verdict.issuer) != (self.bundle.digest, self._issuer):
            raise ChainError("expected a verdict on this release, got one on another; give that one's folder")

    def _find(self, verdict: str) -> Attestation:
        for found in self.verdicts():
            if found.id.lower() == verdict.lower():
                return found
        raise ChainError(
            "expected the id of a verdict on this release, found none under it; verify lists them"
        )

    def _act(self, action: Callable[[], _Made]) -> _Made:
        is_issuer = self.ledger.sender == self._issuer
        if self.ledger.journal is not None and not is_issuer and not self._is_shared:
            raise ChainError(
                f"expected to act as the issuer {self._issuer}, who signs what the release's in-process "
                f"journal says, acting as {self.ledger.sender}; others act on a node, or on a "
                "journal that the parties keep outside of the folder"
            )
        done = action()
        if is_issuer:
            self.ledger.save(self.bundle)
        return done


def read_place(bundle: Bundle) -> dict:
    """record.json of a recorded release.

    Raises:
        ChainError: if it is not recorded, or its record cannot be read or is of another release.
    """
    findings: list = []
    path = bundle.path / LEDGER_FOLDER / RECORD
    body = parse_record(read_plain(path), findings) if path.is_file() else None
    if body is None or body["record"]["release"] != bundle.digest:
        raise ChainError(
            f"expected a recorded release, {bundle.path.name} has no {LEDGER_FOLDER}/{RECORD} of its own "
            "that can be read; record it first"
        )
    return body


def require_continued(own: Path, journal: Path) -> None:
    """That a journal goes on from the one in a release's `ledger/`, of which nothing may be lost.

    Args:
        own: the one in `ledger/`.
        journal: the other.

    Raises:
        WrongChain: if it does not.
    """
    if own.exists() and not journal.read_bytes().startswith(own.read_bytes()):
        raise WrongChain(
            f"expected a journal that goes on from the one in {LEDGER_FOLDER}/ of the release, got another "
            f"in {journal.name}; give the one from which it was recorded, or none to act on its own"
        )


def desk_of(path: Path | str, account: LocalAccount | None) -> tuple[Bundle, str, Desk]:
    """A recorded release, its issuer, and where a verdict on it is signed: no node is needed.

    Nothing here checks what the folder says, and who made it must not choose an auditor's default deadline.
    So the record's time counts on the in-process chain alone, which is ahead of clocks, and near its start.
    """
    bundle = Bundle.open(path)
    body = read_place(bundle)
    record, chain = body["record"], body["chain"]["id"]
    is_plausible = chain == CHAIN_ID and GENESIS_TIME <= record["time"] <= GENESIS_TIME + _FURTHEST
    passed = record["time"] if is_plausible else 0
    return bundle, record["issuer"], Desk(chain, body["registry"], account, passed)


def bring_verdict(ledger: Ledger, paper: Paper) -> Attestation:
    """Bring a signed verdict to the registry that it was signed for; see `Attestations.attest`."""
    paper.require_place(ledger)
    return Attestations(ledger).attest(paper.verdict, paper.text("auditor"), paper.text("signature"))


def cancel_verdict(ledger: Ledger, paper: Paper) -> str:
    """Cancel a signed verdict before anybody brings it, and say its id; see `Attestations.cancel`.

    Raises:
        ChainError: if another account signed it, or another registry is meant.
    """
    paper.require_place(ledger)
    auditor, attestations = paper.text("auditor"), Attestations(ledger)
    if auditor.lower() != ledger.sender.lower():
        raise ChainError(
            f"expected to act as the auditor {auditor}, who signed the verdict and alone cancels it, "
            f"acting as {ledger.sender}"
        )
    id = attestations.id_of(paper.verdict, auditor)
    attestations.cancel(id)
    return id
