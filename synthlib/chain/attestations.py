"""Verdicts on releases: signed by auditors, brought by anybody, taken back or cancelled by who signed."""

from __future__ import annotations

import time
from typing import NamedTuple

from eth_account.messages import SignableMessage
from eth_utils import to_checksum_address

from synthlib.chain.errors import ChainError, IncompleteLog
from synthlib.chain.events import Event
from synthlib.chain.records import to_address
from synthlib.chain.registry import ZERO_DIGEST, Ledger, digest_of_words, to_bytes32
from synthlib.chain.typed_data import hash_statement, make_statement, sign_statement

PASSED, FAILED, INCONCLUSIVE = "passed", "failed", "inconclusive"
OUTCOMES = ("unsaid", PASSED, FAILED, INCONCLUSIVE)
VERDICT_DAYS = 365  # for which a verdict may be brought if its auditor names no deadline
_DAY = 86_400  # seconds
_LATEST = 2**48 - 1
_CONTRACT = "Attestations"
_TYPES = (
    ("auditor", "address"),
    ("release", "bytes32"),
    ("issuer", "address"),
    ("outcome", "uint8"),
    ("report", "bytes32"),
    ("rubric", "bytes32"),
    ("deadline", "uint48"),
)


class Verdict(NamedTuple):
    """What an auditor says of a release, and signs together with their address.

    Attributes:
        release: digest of the release.
        issuer: address that recorded it: another's record of the same digest is not judged.
        outcome: `"passed"`, `"failed"` or `"inconclusive"`.
        report: SHA-256 of the report, which is published elsewhere or not at all.
        rubric: SHA-256 of the rubric by which it was judged.
        deadline: last second (since 1970, of the chain's clock) at which it may be brought. None until it is
            chosen: `papers.sign_verdict` takes `default_deadline()` then.
    """

    release: str
    issuer: str
    outcome: str
    report: str
    rubric: str
    deadline: int | None = None


class Attestation(NamedTuple):
    """A verdict that was brought.

    Attributes:
        id: what was signed.
        release, issuer, outcome, report, rubric, deadline: as in `Verdict`.
        auditor: address of who signed.
        time: when it was brought, in seconds since 1970.
        revocation_time: when it was taken back, 0 while it stands.
        reason: SHA-256 of the reason for that, zeros while it stands.
    """

    id: str
    release: str
    issuer: str
    outcome: str
    report: str
    rubric: str
    deadline: int
    auditor: str
    time: int
    revocation_time: int
    reason: str

    @property
    def verdict(self) -> Verdict:
        return Verdict(*self[1 : 1 + len(Verdict._fields)])

    def stands_at(self, time: int | None = None) -> bool:
        """Whether it was there and not taken back at a block's time; now if None."""
        if time is None:
            return self.revocation_time == 0
        return self.time <= time and (self.revocation_time == 0 or time < self.revocation_time)


class Attestations:
    """The verdicts on a registry's releases.

    Args:
        ledger: acts as its account: an auditor to sign and to revoke, anybody to bring.
    """

    def __init__(self, ledger: Ledger):
        self._ledger = ledger

    def sign(self, verdict: Verdict) -> str:
        """This account's signature, which holds for this registry on this chain alone. Nothing is sent."""
        return sign_statement(self._ledger, self._to_statement(verdict, self._ledger.sender))

    def id_of(self, verdict: Verdict, auditor: str | None = None) -> str:
        """What an auditor signs, this account if None, and the attestation's id: it holds the auditor."""
        return hash_statement(self._to_statement(verdict, auditor or self._ledger.sender))

    def attest(self, verdict: Verdict, auditor: str, signature: str) -> Attestation:
        """Bring a verdict. Bringing it again while it stands changes nothing.

        Raises:
            NotAuditor, InvalidSignature, ReleaseDoesNotStand, DeadlinePassed: what the contract says.
            VerdictIsCancelled: if its auditor cancelled it.
            ChainError: if its auditor took it back: the same words never count again.
            ValueError: if the outcome is none, or there is no deadline.
        """
        id = self.id_of(verdict, auditor)
        found = self._find_one(verdict, id)
        if found is None:
            signed = bytes.fromhex(signature.removeprefix("0x"))
            arguments = (_to_abi(verdict), to_checksum_address(auditor), signed)
            self._ledger.send("attest", *arguments, contract=_CONTRACT)
            found = self._find_one(verdict, id)
        if found is None:
            raise IncompleteLog(
                f"expected the Attested event of {id}, {self._ledger.connection.place} gave none; ask a node "
                "that keeps its logs"
            )
        if not found.stands_at():
            raise ChainError(
                f"expected a verdict that its auditor has not taken back, {id} was; to give it all the same, "
                "the auditor has to sign it with another --deadline"
            )
        return found

    def revoke(self, id: str, reason: str) -> None:
        """Take a verdict back. For who signed it. The chain gets the SHA-256 of the reason.

        Raises:
            NotAttested, AttestationAlreadyRevoked: what the contract says.
            ValueError: if the reason is empty.
        """
        words = digest_of_words(reason, "reason")
        self._ledger.send("revokeAttestation", to_bytes32(id), words, contract=_CONTRACT)

    def cancel(self, id: str) -> None:
        """Cancel a verdict that this account signed, so that nobody brings it. A second time changes nothing.

        The chain gets to know what was signed by its id alone (`id_of`), and none of its words. Who cancels
        what another account signed changes nothing for that one.

        Raises:
            AlreadyAttested: if it was brought; take it back by `revoke`.
        """
        if not self.cancellation_time(id):
            self._ledger.send("cancelVerdict", to_bytes32(id), contract=_CONTRACT)

    def cancellation_time(self, id: str, auditor: str | None = None) -> int:
        """When an auditor, this account if None, cancelled a verdict: seconds since 1970, 0 if not."""
        who = to_checksum_address(auditor or self._ledger.sender)
        return self._ledger.call("cancellationOf", to_bytes32(id), who, contract=_CONTRACT)

    def find(self, release: str, issuer: str | None = None) -> list[Attestation]:
        """The verdicts on a release, oldest first, those taken back too.

        Each is held against the state: its words must give the id under which it is stored, and the reason
        for taking it back the bytes that are stored of that. A node can still leave one out.

        Args:
            release: its digest.
            issuer: address that recorded it; verdicts on whoever's record of that digest if None.

        Raises:
            IncompleteLog: if the log lacks a taking back that the state speaks of.
            ChainError: if the log says something else than the state.
            ValueError: if `release` is no digest or `issuer` no address.
        """
        to_bytes32(release)
        wanted = None if issuer is None else to_address(issuer, "issuer")
        said = self._ledger.find_events("Attested", _CONTRACT, release=release)
        found = [self._read(event) for event in said]
        return [each for each in found if wanted in (None, each.issuer)]

    def _find_one(self, verdict: Verdict, id: str) -> Attestation | None:
        found = self.find(verdict.release, verdict.issuer)
        return next((each for each in found if each.id == id), None)

    def _read(self, event: Event) -> Attestation:
        """What an Attested event says, if that is what was signed and is stored."""
        said = event.arguments
        id, words = said["id"], [said[name] for name in Verdict._fields]
        words[2] = OUTCOMES[said["outcome"]] if said["outcome"] < len(OUTCOMES) else ""
        verdict, place = Verdict(*words), self._ledger.connection.place
        stored = self._ledger.call("attestationOf", to_bytes32(id), contract=_CONTRACT)
        auditor, brought, revocation, stored_reason = stored
        is_signed = verdict.outcome in OUTCOMES[1:] and self.id_of(verdict, said["auditor"]) == id
        is_auditors = revocation or to_checksum_address(auditor) == said["auditor"]  # then the id alone tells
        if not is_signed or not brought or not is_auditors:
            raise ChainError(
                f"expected the verdict that was signed under {id}, {place} gave other words "
                f"({', '.join(name for name, _ in _TYPES)}: one of them at least): its log does not fit its "
                "state; ask another node"
            )
        told = self._ledger.find_events("AttestationRevoked", _CONTRACT, id=id)
        if revocation and not told:
            raise IncompleteLog(
                f"expected the AttestationRevoked event of {id}, {place} gave none; "
                "ask a node that keeps its logs"
            )
        if len(told) != (revocation > 0):
            raise ChainError(
                f"expected the verdict {id} to be taken back as the state says, {place} gave {len(told)} "
                "events of that: its log does not fit its state; ask another node"
            )
        reason = told[0].arguments["reason"] if told else ZERO_DIGEST
        if not reason.startswith(stored_reason.hex()):
            raise ChainError(
                f"expected the reason for which the verdict {id} was taken back, {place} gave another: its "
                "log does not fit its state; ask another node"
            )
        return Attestation(id, *verdict, said["auditor"], brought, revocation, reason)

    def _to_statement(self, verdict: Verdict, auditor: str) -> SignableMessage:
        said = (to_checksum_address(auditor), *_to_abi(verdict))
        values = dict(zip([name for name, _ in _TYPES], said, strict=True))
        return make_statement(self._ledger, _CONTRACT, "Verdict", _TYPES, values)


def default_deadline(passed: int = 0) -> int:
    """Until when a verdict may be brought if its auditor says nothing: the end of the day a year from now.

    Whoever has a signed verdict can bring it until then, also one that its auditor has long forgotten: so
    there is an end. A year is enough to bring one, and a later one can be named. It is the last second of a
    day in UTC, so that who signs the same twice on a day signs one verdict and not two.

    Args:
        passed: a time that has passed on the chain, in seconds since 1970: that of the release's record.
            Counted is from then, or from what this machine's clock says if that is later. (The in-process
            chain begins in 2100.)
    """
    days = max(int(time.time()), passed) // _DAY + VERDICT_DAYS
    return (days + 1) * _DAY - 1


def _to_abi(verdict: Verdict) -> tuple:
    if verdict.outcome not in OUTCOMES[1:]:
        raise ValueError(f"expected an outcome of {', '.join(OUTCOMES[1:])}, got {verdict.outcome!r}")
    if type(verdict.deadline) is not int or not 0 <= verdict.deadline <= _LATEST:
        raise ValueError(
            f"expected a deadline of 0 to {_LATEST} seconds since 1970, got {verdict.deadline!r}; take "
            "default_deadline() if there is none"
        )
    release, report, rubric = (to_bytes32(text) for text in (verdict.release, verdict.report, verdict.rubric))
    outcome = OUTCOMES.index(verdict.outcome)
    return (release, to_address(verdict.issuer, "issuer"), outcome, report, rubric, verdict.deadline)
