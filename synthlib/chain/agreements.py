"""Data-use agreements: requested, offered, signed, in force, ended; and who was given what under them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from eth_abi import encode
from eth_account.messages import SignableMessage
from eth_utils import keccak, to_checksum_address

from synthlib.chain.errors import ChainError
from synthlib.chain.events import Event
from synthlib.chain.registry import ZERO_DIGEST, Ledger, digest_of_words, to_bytes32
from synthlib.chain.typed_data import make_statement, sign_statement

UNKNOWN, OFFERED, ACCEPTED, ENDED = STATES = ("unknown", "offered", "accepted", "ended")
TRAIL = (
    "Requested",
    "RequestDenied",
    "Offered",
    "Accepted",
    "Renewed",
    "Ended",
    "Accessed",
    "AccessDenied",
    "ObjectErased",
)
DATA_USES = {
    "DUO:0000004": "no restriction",
    "DUO:0000006": "health or medical or biomedical research",
    "DUO:0000007": "disease specific research",
    "DUO:0000011": "population origins or ancestry research only",
    "DUO:0000015": "no general methods research",
    "DUO:0000016": "genetic studies only",
    "DUO:0000018": "not for profit, non commercial use only",
    "DUO:0000019": "publication required",
    "DUO:0000020": "collaboration required",
    "DUO:0000021": "ethics approval required",
    "DUO:0000022": "geographical restriction",
    "DUO:0000024": "publication moratorium",
    "DUO:0000025": "time limit on use",
    "DUO:0000026": "user specific restriction",
    "DUO:0000027": "project specific restriction",
    "DUO:0000028": "institution specific restriction",
    "DUO:0000029": "return to database or resource",
    "DUO:0000042": "general research use",
    "DUO:0000043": "clinical care use",
    "DUO:0000044": "population origins or ancestry research prohibited",
    "DUO:0000045": "not for profit organisation use only",
    "DUO:0000046": "non-commercial use only",
}
_CONTRACT = "Agreements"
_TYPES = "(bytes32,address,bytes32,bytes32,uint32[],uint48,bytes32)"
_ACCEPTANCE = (("agreement", "bytes32"), ("encryptionKey", "bytes32"))


class Agreement(NamedTuple):
    """What a steward and a grantee agree on.

    Attributes:
        dataset: id of the dataset (`datasets.dataset_id`).
        grantee: address of who may use what comes of it. A pseudonym: keep who it is off the chain.
        terms: SHA-256 of the terms.
        purpose: SHA-256 of the purpose.
        uses: codes of the GA4GH Data Use Ontology, such as `"DUO:0000042"` (see `DATA_USES`).
        expiry: last second (since 1970, of the chain's clock) at which it is in force, unless renewed.
        request: id of the request that it answers, zeros if none.
    """

    dataset: str
    grantee: str
    terms: str
    purpose: str
    uses: tuple[str, ...]
    expiry: int
    request: str = "0x" + ZERO_DIGEST

    def to_abi(self) -> tuple:
        """As the contract takes it.

        Raises:
            ValueError: if a use is no code of the ontology's form.
        """
        dataset, terms, purpose = map(to_bytes32, (self.dataset, self.terms, self.purpose))
        request = to_bytes32(self.request)
        grantee = to_checksum_address(self.grantee)
        return (dataset, grantee, terms, purpose, uses_to_abi(self.uses), self.expiry, request)

    @property
    def id(self) -> str:
        """`keccak256(abi.encode(agreement))`."""
        return "0x" + keccak(encode([_TYPES], [self.to_abi()])).hex()


class Standing(NamedTuple):
    """Where an agreement stands.

    Attributes:
        state: `"unknown"`, `"offered"`, `"accepted"` or `"ended"`.
        expiry: last second at which it is in force.
        acceptance_time, end_time: when that was, 0 before.
        encryption_key: SHA-256 of the grantee's public key, zeros before acceptance.
    """

    state: str
    expiry: int
    acceptance_time: int
    end_time: int
    encryption_key: str

    def is_in_force(self, time: int) -> bool:
        """Whether it is accepted, not ended and not expired at a block's time."""
        return self.state == ACCEPTED and self.acceptance_time <= time <= self.expiry


class Access(NamedTuple):
    """An access that the chain has logged: what a key may now be handed over for.

    Attributes:
        agreement: the agreement's id.
        object: address of the object, SHA-256 of its sealed bytes.
        grantee: to whom.
        encryption_key: SHA-256 of the public key to which the data key is to be wrapped.
        transaction: where it was logged.
    """

    agreement: str
    object: str
    grantee: str
    encryption_key: str
    transaction: str


class Agreements:
    """The agreements on a registry's datasets.

    Args:
        ledger: acts as its account: a steward to offer, renew and log, a grantee to accept and end.
    """

    def __init__(self, ledger: Ledger):
        self._ledger = ledger

    def request(self, dataset: str, purpose: str, uses: Sequence[str]) -> str:
        """Ask for data; the chain gets the SHA-256 of the purpose. Returns the request's id."""
        words = digest_of_words(purpose, "purpose")
        said = self._send("request", to_bytes32(dataset), words, uses_to_abi(uses))
        return said[0].arguments["id"]

    def deny_request(self, request: str, dataset: str, reason: str) -> None:
        """Decline a request. For the dataset's steward."""
        words = digest_of_words(reason, "reason")
        self._send("denyRequest", to_bytes32(request), to_bytes32(dataset), words)

    def offer(self, agreement: Agreement) -> str:
        """Offer an agreement; a second time changes nothing. For its dataset's steward. Returns its id."""
        if self.find(agreement.id).state == UNKNOWN:
            self._send("offer", agreement.to_abi())
        return agreement.id

    def sign(self, agreement: Agreement, encryption_key: str) -> str:
        """The grantee's acceptance, which anybody may bring. Nothing is sent.

        Args:
            agreement: what was offered.
            encryption_key: SHA-256 of the public key to which data keys are to be wrapped, hexadecimal.
        """
        return sign_statement(self._ledger, self._to_statement(agreement, encryption_key))

    def accept(self, agreement: Agreement, encryption_key: str, signature: str) -> Standing:
        """Bring the grantee's acceptance. For anybody.

        Raises:
            WrongState, Expired, InvalidSignature: what the contract says.
        """
        signed = bytes.fromhex(signature.removeprefix("0x"))
        self._send("accept", agreement.to_abi(), to_bytes32(encryption_key), signed)
        return self.find(agreement.id)

    def renew(self, agreement: Agreement, expiry: int) -> Standing:
        """Prolong an accepted agreement. For the dataset's steward."""
        self._send("renew", agreement.to_abi(), expiry)
        return self.find(agreement.id)

    def end(self, agreement: Agreement, reason: str) -> Standing:
        """End an agreement or withdraw an offer. For the dataset's steward and the grantee."""
        self._send("end", agreement.to_abi(), digest_of_words(reason, "reason"))
        return self.find(agreement.id)

    def log_access(self, agreement_id: str, object_digest: str) -> Access:
        """Log that an object's key is about to be handed over. For the dataset's steward.

        A vault calls this first, and hands nothing over unless it returns.

        Raises:
            WrongState, Expired, ObjectIsErased, DatasetNotActive: what the contract refuses it with.
            ChainError: if the chain knows no such agreement.
        """
        agreement = self.open(agreement_id)
        (said,) = self._send("logAccess", agreement.to_abi(), to_bytes32(object_digest))
        key = self.find(agreement_id).encryption_key
        return Access(agreement_id, object_digest, agreement.grantee, key, said.transaction)

    def log_denial(self, dataset: str, object_digest: str, account: str, reason: str) -> None:
        """Log that access was refused. For the dataset's steward."""
        words = digest_of_words(reason, "reason")
        parts = (to_bytes32(dataset), to_bytes32(object_digest), to_checksum_address(account))
        self._send("logDenial", *parts, words)

    def record_erasure(self, dataset: str, object_digest: str, certificate: str) -> None:
        """Say that an object and its key were destroyed. For the dataset's steward.

        Args:
            certificate: SHA-256 of the certificate, hexadecimal.
        """
        self._send("eraseObject", *map(to_bytes32, (dataset, object_digest, certificate)))

    def is_erased(self, dataset: str, object_digest: str) -> bool:
        """Whether the steward of a dataset said that an object was destroyed."""
        parts = map(to_bytes32, (dataset, object_digest))
        return self._ledger.call("isErased", *parts, contract=_CONTRACT)

    def open(self, agreement_id: str) -> Agreement:
        """The words of an agreement that was offered.

        Raises:
            ChainError: if none was offered under this id.
        """
        for event in self._ledger.find_events("Offered", _CONTRACT, id=agreement_id):
            said = event.arguments["agreement"]
            uses = tuple(f"DUO:{number:07d}" for number in said["uses"])
            return Agreement(**(said | {"uses": uses}))
        raise ChainError(
            f"expected the id of an agreement that was offered on {self._ledger.address}, found none under "
            f"{agreement_id}"
        )

    def find(self, agreement_id: str) -> Standing:
        """Where an agreement stands."""
        state, expiry, acceptance, end = self._ledger.call(
            "statusOf", to_bytes32(agreement_id), contract=_CONTRACT
        )
        accepted = self._ledger.find_events("Accepted", _CONTRACT, id=agreement_id) if acceptance else []
        key = accepted[-1].arguments["encryptionKey"] if accepted else ZERO_DIGEST
        return Standing(STATES[state], expiry, acceptance, end, key)

    def trail(self) -> list[Event]:
        """Every request, denial, grant, access and end, in the order in which the chain took them."""
        return [event for event in self._ledger.find_events(contract=_CONTRACT) if event.name in TRAIL]

    def _to_statement(self, agreement: Agreement, encryption_key: str) -> SignableMessage:
        values = {"agreement": to_bytes32(agreement.id), "encryptionKey": to_bytes32(encryption_key)}
        return make_statement(self._ledger, _CONTRACT, "Acceptance", _ACCEPTANCE, values)

    def _send(self, name: str, *arguments: object) -> list[Event]:
        return self._ledger.send(name, *arguments, contract=_CONTRACT)


def uses_to_abi(uses: Sequence[str]) -> list[int]:
    """Codes of the Data Use Ontology as the contract takes them: their numbers, ascending.

    Raises:
        ValueError: if one has another form than `DUO:` and seven digits.
    """
    wrong = [use for use in uses if not re.fullmatch(r"DUO:[0-9]{7}", use)]
    if wrong:
        raise ValueError(f"expected codes such as DUO:0000042, got {', '.join(map(repr, wrong))[:100]}")
    return sorted({int(use[4:]) for use in uses})
