"""Verdicts on releases: signed by auditors, brought by anybody, taken back by who signed."""

from __future__ import annotations

from typing import NamedTuple

from eth_account.messages import SignableMessage
from eth_utils import to_checksum_address

from synthlib.chain.registry import ZERO_DIGEST, Ledger, digest_of_words, to_bytes32
from synthlib.chain.typed_data import hash_statement, make_statement, sign_statement

PASSED, FAILED, INCONCLUSIVE = "passed", "failed", "inconclusive"
OUTCOMES = ("unsaid", PASSED, FAILED, INCONCLUSIVE)
_CONTRACT = "Attestations"
_TYPES = (
    ("auditor", "address"),
    ("release", "bytes32"),
    ("outcome", "uint8"),
    ("report", "bytes32"),
    ("rubric", "bytes32"),
    ("deadline", "uint48"),
)


class Verdict(NamedTuple):
    """What an auditor says of a release, and signs together with their address.

    Attributes:
        release: digest of the release.
        outcome: `"passed"`, `"failed"` or `"inconclusive"`.
        report: SHA-256 of the report, which is published elsewhere or not at all.
        rubric: SHA-256 of the rubric by which it was judged.
        deadline: last second (since 1970, of the chain's clock) at which it may be brought.
    """

    release: str
    outcome: str
    report: str
    rubric: str
    deadline: int


class Attestation(NamedTuple):
    """A verdict that was brought.

    Attributes:
        id: what was signed.
        release, outcome, report, rubric: as in `Verdict`.
        auditor: address of who signed.
        time: when it was brought, in seconds since 1970.
        revocation_time: when it was taken back, 0 while it stands.
        reason: SHA-256 of the reason for that, zeros while it stands.
    """

    id: str
    release: str
    outcome: str
    report: str
    rubric: str
    auditor: str
    time: int
    revocation_time: int
    reason: str

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
        """Bring a verdict. Bringing it again changes nothing.

        Raises:
            NotAuditor, InvalidSignature, ReleaseDoesNotStand, DeadlinePassed: what the contract says.
            ValueError: if the outcome is none.
        """
        id = self.id_of(verdict, auditor)
        if id not in [found.id for found in self.find(verdict.release)]:
            signed = bytes.fromhex(signature.removeprefix("0x"))
            arguments = (_to_abi(verdict), to_checksum_address(auditor), signed)
            self._ledger.send("attest", *arguments, contract=_CONTRACT)
        return next(found for found in self.find(verdict.release) if found.id == id)

    def revoke(self, id: str, reason: str) -> None:
        """Take a verdict back. For who signed it. The chain gets the SHA-256 of the reason.

        Raises:
            NotAttested, AttestationAlreadyRevoked: what the contract says.
            ValueError: if the reason is empty.
        """
        words = digest_of_words(reason, "reason")
        self._ledger.send("revokeAttestation", to_bytes32(id), words, contract=_CONTRACT)

    def find(self, release: str) -> list[Attestation]:
        """The verdicts on a release, oldest first, those taken back too."""
        found = []
        for event in self._ledger.find_events("Attested", _CONTRACT, release=release):
            said = event.arguments
            _, time, revocation = self._ledger.call(
                "attestationOf", to_bytes32(said["id"]), contract=_CONTRACT
            )
            revoked = self._ledger.find_events("AttestationRevoked", _CONTRACT, id=said["id"])
            reason = revoked[0].arguments["reason"] if revoked else ZERO_DIGEST
            found.append(
                Attestation(
                    said["id"],
                    release,
                    OUTCOMES[said["outcome"]],
                    said["report"],
                    said["rubric"],
                    said["auditor"],
                    time,
                    revocation,
                    reason,
                )
            )
        return found

    def _to_statement(self, verdict: Verdict, auditor: str) -> SignableMessage:
        said = (to_checksum_address(auditor), *_to_abi(verdict))
        values = dict(zip([name for name, _ in _TYPES], said, strict=True))
        return make_statement(self._ledger, _CONTRACT, "Verdict", _TYPES, values)


def _to_abi(verdict: Verdict) -> tuple:
    if verdict.outcome not in OUTCOMES[1:]:
        raise ValueError(f"expected an outcome of {', '.join(OUTCOMES[1:])}, got {verdict.outcome!r}")
    digests = [to_bytes32(text) for text in (verdict.release, verdict.report, verdict.rubric)]
    return (digests[0], OUTCOMES.index(verdict.outcome), *digests[1:], verdict.deadline)
