"""Papers: what is signed at one desk and brought to the chain from another, as JSON files.

    {"chain":31337,"fields":{…},"format":"synthlib-verdict/1","registry":"0x…"}

Signing needs no node: a `Desk` knows the chain's number and the registry's address, which is all that a
signature is bound to. What a paper holds is public once it is brought, and of no use on another registry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from eth_account.signers.local import LocalAccount
from eth_utils import is_address, to_checksum_address

from synthlib.bundle import canonical_json
from synthlib.chain.agreements import Agreement, Agreements
from synthlib.chain.attestations import Attestations, Verdict, default_deadline
from synthlib.chain.contracts import find_addresses
from synthlib.chain.datasets import normalize_id
from synthlib.chain.errors import ChainError, NoAccount, WrongChain
from synthlib.chain.protocols import Registration, SealedProtocol
from synthlib.chain.registry import Ledger, digest_of_words
from synthlib.parsing import parse_json

VERDICT, OFFER, ACCEPTANCE = FORMATS = (
    "synthlib-verdict/1",
    "synthlib-agreement/1",
    "synthlib-acceptance/1",
)


class MalformedPaper(ChainError):
    """A file that is not the paper that was asked for."""


class Desk:
    """A registry as far as signing needs it: nothing is asked and nothing sent.

    Attributes:
        connection: has the chain's number alone.
        addresses: of the registry's contracts.
        account: who signs.
        time: a time that has passed on the chain, in seconds since 1970; 0 if none is known.
    """

    def __init__(self, chain: int, registry: str, account: LocalAccount | None, time: int = 0):
        self.connection, self.time = SimpleNamespace(chain_id=chain), time
        self.address, self.addresses, self.account = registry, find_addresses(registry), account

    @property
    def sender(self) -> str:
        """Address of who signs.

        Raises:
            NoAccount: if there is nobody.
        """
        if self.account is None:
            raise NoAccount(
                "expected a key to sign with, found none; set SYNTHLIB_PRIVATE_KEY, or SYNTHLIB_KEYFILE to "
                "the path of an encrypted keyfile"
            )
        return self.account.address


class Paper(NamedTuple):
    """A statement for one registry.

    Attributes:
        format: one of `FORMATS`.
        chain: the chain's number.
        registry: the registry's address.
        fields: what it says.
    """

    format: str
    chain: int
    registry: str
    fields: dict[str, Any]

    def to_json(self) -> bytes:
        """The canonical JSON."""
        return canonical_json(self._asdict())

    @classmethod
    def from_json(cls, data: bytes, format: str) -> Paper:
        """Read what `to_json` wrote.

        Raises:
            MalformedPaper: if it is something else, or another format.
        """
        try:
            found = cls(**parse_json(data))
            is_one = found.format == format and type(found.chain) is int and isinstance(found.fields, dict)
            if is_one and is_address(found.registry) and found.to_json() == data:
                return found
        except (ValueError, TypeError, RecursionError):
            pass
        raise MalformedPaper(
            f"expected {format} as it was written, found something else; ask for the file again"
        )

    def require_place(self, ledger: Ledger) -> None:
        """That a ledger is where the paper holds.

        Raises:
            WrongChain: if it is not.
        """
        here = (ledger.connection.chain_id, ledger.address)
        if here != (self.chain, to_checksum_address(self.registry)):
            raise WrongChain(
                f"expected the registry {self.registry} on chain {self.chain}, for which this was signed, "
                f"got {here[1]} on chain {here[0]}"
            )

    @property
    def verdict(self) -> Verdict:
        """What an auditor says.

        Raises:
            MalformedPaper: if it says none.
        """
        return _make(Verdict, self.fields.get("verdict"))

    @property
    def agreement(self) -> Agreement:
        """What is offered or accepted.

        Raises:
            MalformedPaper: if nothing is.
        """
        found = _make(Agreement, self.fields.get("agreement"))
        return found._replace(uses=tuple(found.uses))

    def text(self, name: str) -> str:
        """A field that is text.

        Raises:
            MalformedPaper: if there is none.
        """
        if not isinstance(self.fields.get(name), str):
            raise MalformedPaper(f"expected a {name} in {self.format}, found none; ask for the file again")
        return self.fields[name]


def sign_verdict(desk: Desk, verdict: Verdict) -> Paper:
    """An auditor's signed verdict; one without a deadline gets that of `attestations.default_deadline`."""
    if verdict.deadline is None:
        verdict = verdict._replace(deadline=default_deadline(desk.time))
    fields = {
        "verdict": verdict._asdict(),
        "auditor": desk.sender,
        "signature": Attestations(desk).sign(verdict),  # type: ignore[arg-type]
    }
    return Paper(VERDICT, desk.connection.chain_id, desk.address, fields)


def word_agreement(
    dataset: str,
    grantee: str,
    terms: bytes,
    purpose: str,
    uses: Sequence[str],
    expiry: int,
    request: str | None = None,
) -> Agreement:
    """An agreement from its words, of which the chain gets the SHA-256.

    Args:
        dataset, grantee, uses, expiry: as in `Agreement`.
        terms: bytes of the terms' file.
        purpose: in words; those of the request, if it answers one.
        request: id of that request.

    Raises:
        ValueError: if the terms or the purpose are empty, or a use or an address is none.
    """
    if not terms.strip():
        raise ValueError("expected terms in words, got an empty file")
    words = digest_of_words(purpose, "purpose").hex()
    told = (normalize_id(dataset), grantee, hashlib.sha256(terms).hexdigest(), words, tuple(uses), expiry)
    agreement = Agreement(*told) if request is None else Agreement(*told, request)
    if not is_address(grantee):
        raise ValueError("expected the grantee's address, 0x and 40 hexadecimal digits, got something else")
    agreement.to_abi()
    return agreement


def write_offer(ledger: Ledger, agreement: Agreement) -> Paper:
    """An agreement's words, for the grantee."""
    return Paper(OFFER, ledger.connection.chain_id, ledger.address, {"agreement": agreement._asdict()})


def desk_of_grantee(offer: Paper, account: LocalAccount | None) -> Desk:
    """Where an offer is signed, by who it is for.

    Raises:
        ChainError: if the offer is another's.
        NoAccount: if there is nobody to sign.
    """
    desk, grantee = Desk(offer.chain, offer.registry, account), offer.agreement.grantee
    if to_checksum_address(grantee) != desk.sender:
        raise ChainError(
            f"expected to sign as the grantee {grantee}, signing as {desk.sender}; take that key"
        )
    return desk


def sign_acceptance(offer: Paper, account: LocalAccount | None, encryption_key: str) -> Paper:
    """A grantee's signed acceptance of an offer.

    Args:
        offer: from `write_offer`.
        account: the grantee's.
        encryption_key: SHA-256 of the public key to which data keys are to be wrapped, hexadecimal.

    Raises:
        ChainError, NoAccount: as `desk_of_grantee`.
    """
    desk = desk_of_grantee(offer, account)
    signature = Agreements(desk).sign(offer.agreement, encryption_key)  # type: ignore[arg-type]
    fields = {"encryption_key": encryption_key, "signature": signature}
    return Paper(ACCEPTANCE, offer.chain, offer.registry, offer.fields | fields)


def read_registration(data: bytes) -> tuple[Registration, str, str]:
    """A protocol's registration as `Study.hand_on` writes it: with the chain (CAIP-2) and the registry.

    Raises:
        MalformedPaper: if it is something else, such as a sealed protocol alone.
    """
    return _read_protocol(data, Registration)


def read_sealed(data: bytes) -> tuple[SealedProtocol, str, str]:
    """A sealed protocol as `preparing.prepare` writes it for its steward: neither digest nor salt is in it.

    Raises:
        MalformedPaper: if it is something else.
    """
    return _read_protocol(data, SealedProtocol)


def is_sealed(data: bytes) -> bool:
    """Whether a file is a sealed protocol's for its steward, rather than a registration."""
    try:
        found = parse_json(data)
    except ValueError:
        return False
    return isinstance(found, dict) and "seal" in found and "salt" not in found


def _read_protocol(data: bytes, kind: type) -> tuple[Any, str, str]:
    try:
        found = parse_json(data)
        protocol = kind(*(found[name] for name in kind._fields))
        protocol = protocol._replace(dataset=normalize_id(protocol.dataset))
        _ = protocol.id
        return protocol, found["chain"], found["registry"]
    except Exception:  # whatever a hash says of fields that are none
        raise MalformedPaper(
            "expected a registration of a protocol, found something else; ask the researcher for the file"
        ) from None


def _make(kind: type, fields: Any) -> Any:
    if not isinstance(fields, dict) or set(fields) != set(kind._fields):
        raise MalformedPaper(
            f"expected the fields {', '.join(kind._fields)}, found others; ask for the file again"
        )
    return kind(**fields)
