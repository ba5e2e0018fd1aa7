"""Data-use agreements: requested, offered, signed, in force, ended; and who was given what under them."""

from __future__ import annotations

from collections.abc import Sequence

from eth_account.messages import SignableMessage
from eth_utils import to_canonical_address, to_checksum_address

from synthlib.chain.agreement_requests import contradiction, find_denial, find_open, find_words
from synthlib.chain.agreement_words import (
    ACCEPTED,
    LAPSED,
    OFFERED,
    STATES,
    Access,
    Agreement,
    Standing,
    chain_accesses,
    request_id,
)
from synthlib.chain.agreement_words import ENDED as ENDED  # for who looks for it here
from synthlib.chain.agreement_words import LATEST as LATEST
from synthlib.chain.agreement_words import UNKNOWN as UNKNOWN
from synthlib.chain.data_uses import uses_to_abi
from synthlib.chain.errors import AccessOutOfOrder, ChainError, IncompleteLog
from synthlib.chain.events import Event
from synthlib.chain.registry import ZERO_DIGEST, Ledger, digest_of_words, to_bytes32
from synthlib.chain.typed_data import make_statement, sign_statement

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
_CONTRACT = "Agreements"
_RACES = 3  # accesses that other processes may log first, before one gives up
_ACCEPTANCE = (("agreement", "bytes32"), ("encryptionKey", "bytes32"))


class Agreements:
    """The agreements on a registry's datasets.

    Args:
        ledger: acts as its account: a steward to offer, renew and log, a grantee to accept and end.
    """

    def __init__(self, ledger: Ledger):
        self._ledger = ledger

    def request(self, dataset: str, purpose: str, uses: Sequence[str]) -> str:
        """Ask for data. The chain gets the SHA-256 of the purpose, which confirms a right guess: name nobody.

        The same again changes nothing until it is answered: by a denial, or by an offer that names it.

        Returns:
            The request's id.
        """
        words = digest_of_words(purpose, "purpose")
        arguments = (to_bytes32(dataset), words, uses_to_abi(uses))
        request = request_id(dataset, self._ledger.sender, words.hex(), arguments[2])
        found = find_open(self._ledger, request, dataset)
        if found is None:
            self._send("request", *arguments)
        else:  # refused as it would be if it were new
            self._ledger.call("request", *arguments, contract=_CONTRACT)
            self._ledger.connection.await_final(found.transaction)
        return request

    def deny_request(self, request: str, dataset: str, reason: str) -> None:
        """Decline a request; the same words again change nothing. For the dataset's steward.

        Raises:
            NotSteward: what the contract says to anybody else.
            ChainError: if the log has no such request, or it asks for another dataset.
        """
        words = digest_of_words(reason, "reason")
        requester, purpose, uses = find_words(self._ledger, request, dataset)
        arguments = (to_bytes32(dataset), requester, to_bytes32(purpose), uses, words)
        found = find_denial(self._ledger, request, words.hex())
        if found is None:
            self._send("denyRequest", *arguments)
        else:  # refused as it would be if it were new
            self._ledger.call("denyRequest", *arguments, contract=_CONTRACT)
            self._ledger.connection.await_final(found.transaction)

    def offer(self, agreement: Agreement) -> str:
        """Offer an agreement; while it stands, a second time changes nothing. For its dataset's steward.

        Returns:
            Its id.

        Raises:
            NotSteward: what the contract says to anybody else, also of one that stands.
            AlreadyOffered: if these words were offered and ended, or a former steward of the dataset offered
                them: that offer lapsed. Offer others, such as another expiry.
            ExpiryNotLater: if its expiry has passed.
        """
        if not self._stands(agreement):
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
        """Bring the grantee's acceptance; a second time changes nothing. For anybody.

        Raises:
            WrongState, Expired, InvalidSignature: what the contract says.
            OfferLapsed: if the dataset was handed over since it was offered.
        """
        signed = bytes.fromhex(signature.removeprefix("0x"))
        found = self.find(agreement.id)
        if found.state != ACCEPTED or found.encryption_key != encryption_key.removeprefix("0x"):
            self._send("accept", agreement.to_abi(), to_bytes32(encryption_key), signed)
        return self.find(agreement.id)

    def renew(self, agreement: Agreement, expiry: int) -> Standing:
        """Prolong an agreement in force; a second time changes nothing. For the dataset's steward.

        Raises:
            Expired: if it has expired: it takes a new agreement then, which the grantee signs.
            ExpiryNotLater: if it would end before it does now.
        """
        found = self.find(agreement.id)
        if found.state != ACCEPTED or found.expiry != expiry:
            self._send("renew", agreement.to_abi(), expiry)
        return self.find(agreement.id)

    def end(self, agreement: Agreement, reason: str) -> Standing:
        """End an agreement or withdraw an offer. For the dataset's steward and the grantee."""
        self._send("end", agreement.to_abi(), digest_of_words(reason, "reason"))
        return self.find(agreement.id)

    def log_access(self, agreement_id: str, object_digest: str) -> Access:
        """Log that an object's key is about to be handed over. For the dataset's steward, who holds the role.

        A vault calls this first, and hands nothing over unless it returns.

        An object is logged once under an agreement, however often this is called: accesses are numbered, the
        contract takes each number once, and one that the log has already is returned, if the contract would
        still allow it. So call it again whenever it is not known whether it went through.

        Raises:
            WrongState, Expired, ObjectIsErased, DatasetNotActive, AccessControlUnauthorizedAccount: what the
                contract refuses it with.
            AccessOutOfOrder: if other accesses under the agreement come first again and again.
            IncompleteLog: if the log lacks accesses that the state counts.
            TransactionTimeout, TransactionVanished: if one that the log has is not confirmed, or dropped.
            ChainError: if the chain knows no such agreement, or its log does not fit its state.
        """
        agreement, place = self.open(agreement_id), to_bytes32(object_digest)
        for race in range(_RACES):
            standing, logged = self._read(agreement_id)
            arguments = (agreement.to_abi(), place, standing.accesses + 1)
            found = next((event for event in logged if event.arguments["object"] == place.hex()), None)
            try:
                if found is None:
                    (found,) = self._send("logAccess", *arguments)
                else:  # refused as it would be if it were new: ended, expired, erased
                    self._ledger.call("logAccess", *arguments, contract=_CONTRACT)
                    self._ledger.connection.await_final(found.transaction)
                break
            except AccessOutOfOrder:
                if race == _RACES - 1:
                    raise
        number = found.arguments["number"]
        parts = (agreement_id, object_digest, agreement.grantee, standing.encryption_key)
        return Access(*parts, found.transaction, number)

    def log_denial(self, dataset: str, object_digest: str, account: str, reason: str) -> None:
        """Log that access was refused. For the dataset's steward.

        What the log has in these very words is not logged again. The state counts no denials: one whose
        transaction still waits somewhere may come twice, which says nothing that is not so.
        """
        words = digest_of_words(reason, "reason")
        parts = (to_bytes32(dataset), to_bytes32(object_digest), to_checksum_address(account))
        logged = self._ledger.find_events(
            "AccessDenied", _CONTRACT, dataset=dataset, object=object_digest, account=account
        )
        if words.hex() not in [event.arguments["reason"] for event in logged]:
            self._send("logDenial", *parts, words)

    def record_erasure(self, dataset: str, object_digest: str, certificate: str) -> None:
        """Say that an object and its key were destroyed; a second time changes nothing. For its steward.

        Args:
            certificate: SHA-256 of the certificate, hexadecimal.

        Raises:
            ObjectIsErased: if it was erased under another certificate.
        """
        if self._read_erasure(dataset, object_digest) != certificate.removeprefix("0x"):
            self._send("eraseObject", *map(to_bytes32, (dataset, object_digest, certificate)))

    def is_erased(self, dataset: str, object_digest: str) -> bool:
        """Whether the steward of a dataset said that an object was destroyed."""
        return self._read_erasure(dataset, object_digest) != ZERO_DIGEST

    def find_erasure(self, dataset: str, object_digest: str) -> Event | None:
        """The ObjectErased event of an object, with its certificate; None if it was not erased.

        Raises:
            IncompleteLog: if the log lacks it.
            ChainError: if it says another certificate than the state.
        """
        certificate = self._read_erasure(dataset, object_digest)
        if certificate == ZERO_DIGEST:
            return None
        parts = {"dataset": dataset, "object": object_digest}
        said = self._find_one("ObjectErased", f"the erasure of {object_digest}", **parts)
        if said.arguments["certificate"] != certificate:
            raise contradiction(self._ledger, f"the certificate with which {object_digest} was erased")
        return said

    def open(self, agreement_id: str) -> Agreement:
        """The words of an agreement that was offered; their hash is the id.

        Raises:
            ChainError: if none was offered under this id, or the log has other words under it.
        """
        for event in self._ledger.find_events("Offered", _CONTRACT, id=agreement_id):
            said = event.arguments["agreement"]
            uses = tuple(f"DUO:{number:07d}" for number in said["uses"])
            agreement = Agreement(**(said | {"uses": uses}))
            if agreement.id.removeprefix("0x") != agreement_id.removeprefix("0x"):
                raise contradiction(self._ledger, f"the words of agreement {agreement_id}")
            return agreement
        raise ChainError(
            f"expected the id of an agreement that was offered on {self._ledger.address}, found none under "
            f"{agreement_id}"
        )

    def find(self, agreement_id: str) -> Standing:
        """Where an agreement stands.

        Events say the key and the accesses; they must lead to the head that the state holds.

        Raises:
            IncompleteLog: if the log lacks the acceptance, or an access, that the state speaks of.
            ChainError: if it says another key, or accesses to other objects.
        """
        return self._read(agreement_id)[0]

    def trail(self) -> list[Event]:
        """Every request, denial, grant, access and end, in the order in which the chain took them.

        Held against the state as far as that goes: words, keys and accesses of each agreement, certificates.
        Requests, denials, renewals and reasons are events and nothing else.

        Raises:
            IncompleteLog: if accesses, acceptances or erasures are missing that the state counts.
            ChainError: if the log says something else than the state.
        """
        said = [event for event in self._ledger.find_events(contract=_CONTRACT) if event.name in TRAIL]
        for event in said:
            if event.name == "Offered":
                self.find(self.open(event.arguments["id"]).id)
            elif event.name == "ObjectErased":
                self.find_erasure(event.arguments["dataset"], event.arguments["object"])
        return said

    def _stands(self, agreement: Agreement) -> bool:
        """Whether an agreement is offered or accepted, unexpired, and its dataset this account's."""
        state, expiry, *_, head = self._ledger.call("statusOf", to_bytes32(agreement.id), contract=_CONTRACT)
        steward = self._find_steward(agreement.dataset)
        is_mine = steward == to_canonical_address(self._ledger.sender)
        is_there = STATES[state] == ACCEPTED or (STATES[state] == OFFERED and head == steward[:13])
        connection = self._ledger.connection
        return is_mine and is_there and connection.get_time(connection.get_block_number()) <= expiry

    def _read(self, agreement_id: str) -> tuple[Standing, list[Event]]:
        """Where an agreement stands, and the accesses under it."""
        state, expiry, acceptance, end, num_accesses, head = self._ledger.call(
            "statusOf", to_bytes32(agreement_id), contract=_CONTRACT
        )
        if not acceptance:
            is_offered = STATES[state] == OFFERED  # the head is the mark of who offered it
            is_lapsed = is_offered and head != self._find_steward(self.open(agreement_id).dataset)[:13]
            return Standing(LAPSED if is_lapsed else STATES[state], expiry, 0, end, ZERO_DIGEST, 0), []
        what = f"the key and {num_accesses} accesses of agreement {agreement_id}"
        key = self._find_one("Accepted", what, id=agreement_id).arguments["encryptionKey"]
        found = self._ledger.find_events("Accessed", _CONTRACT, id=agreement_id) if num_accesses else []
        logged = [event for event in found if event.arguments["number"] <= num_accesses]  # others came since
        if len(logged) < num_accesses:
            raise self._missing("Accessed", what, len(logged))
        if chain_accesses(agreement_id, key, [event.arguments["object"] for event in logged]) != head.hex():
            raise contradiction(self._ledger, what)
        return Standing(STATES[state], expiry, acceptance, end, key, num_accesses), logged

    def _find_steward(self, dataset: str) -> bytes:
        """Address of a dataset's steward now, 20 bytes."""
        return to_canonical_address(self._ledger.call("datasetOf", to_bytes32(dataset))[0])

    def _find_one(self, name: str, what: str, **arguments: str) -> Event:
        said = self._ledger.find_events(name, _CONTRACT, **arguments)
        if len(said) != 1:
            raise self._missing(name, what, len(said))
        return said[0]

    def _missing(self, name: str, what: str, count: int) -> IncompleteLog:
        return IncompleteLog(
            f"expected the {name} events of {what}, {self._ledger.connection.place} gave {count}; ask a node "
            "that keeps its logs"
        )

    def _read_erasure(self, dataset: str, object_digest: str) -> str:
        parts = map(to_bytes32, (dataset, object_digest))
        return self._ledger.call("objectErasureOf", *parts, contract=_CONTRACT).hex()

    def _to_statement(self, agreement: Agreement, encryption_key: str) -> SignableMessage:
        values = {"agreement": to_bytes32(agreement.id), "encryptionKey": to_bytes32(encryption_key)}
        return make_statement(self._ledger, _CONTRACT, "Acceptance", _ACCEPTANCE, values)

    def _send(self, name: str, *arguments: object) -> list[Event]:
        return self._ledger.send(name, *arguments, contract=_CONTRACT)
