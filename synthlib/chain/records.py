"""What is recorded of a release: the fields taken from its manifest, and what the chain adds to them.

Digests (SHA-256) are hexadecimal text as in a Bundle; what belongs to the chain (addresses, transactions,
ids) is hexadecimal text that starts with 0x.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from eth_utils import is_hex_address, keccak, to_checksum_address

from synthlib.bundle import Bundle, canonical_json
from synthlib.chain.errors import ChainError
from synthlib.chain.events import Event

RECORD_FORMAT = "synthlib-record/3"
ZERO_DIGEST = "0" * 64
NOT_PRIVATE = 2**32 - 1  # what `spend` says of a release without differential privacy
MODEL_TYPE_BYTES = 32
STANDS, REVOKED, SUPERSEDED, ABSENT = "stands", "revoked", "superseded", "absent"
_TYPES = "(bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,uint32,uint24)"
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0  # of secp256k1's group


class Generation(NamedTuple):
    """What is said of one release; the contract's struct of the same name.

    Attributes:
        release: SHA-256 of the release's manifest.
        protocol: id of the protocol that it was made under.
        commitment: keyed commitment to the training table.
        synthetic: root of the Merkle tree over the synthetic table's rows.
        model_type: such as `"TabularGAN"`, at most 32 bytes of UTF-8.
        parameters: SHA-256 of the model's parameters as canonical JSON.
        characteristics: SHA-256 of the training data's published characteristics as canonical JSON.
        spend: loss that it causes, in millionths of the dataset's measure; `NOT_PRIVATE` if no claim to
            differential privacy is made.
        attempt: number of the attempt whose model drew it.
    """

    release: str
    protocol: str
    commitment: str
    synthetic: str
    model_type: str
    parameters: str
    characteristics: str
    spend: int
    attempt: int

    def to_abi(self) -> tuple:
        """As the contract takes it."""
        return tuple(
            value
            if isinstance(value, int)
            else value.encode().ljust(MODEL_TYPE_BYTES, b"\0")
            if name == "model_type"
            else bytes.fromhex(value.removeprefix("0x"))
            for name, value in self._asdict().items()
        )

    @property
    def content(self) -> bytes:
        """`keccak256(abi.encode(generation))`: what a row's proof says instead of all fields."""
        return self.content_with()

    @property
    def id(self) -> str:
        """The record's id where it did not fail its gate; see `id_with`."""
        return self.id_with()

    def content_with(self, gate: str = ZERO_DIGEST) -> bytes:
        """`keccak256(abi.encode(generation, gate))` of a release that failed its gate, else as `content`.

        Args:
            gate: SHA-256 of `gate.json`; zeros where the release did not fail.
        """
        is_failed = gate != ZERO_DIGEST
        types, values = [_TYPES, "bytes32"], [self.to_abi(), bytes.fromhex(gate)]
        return keccak(encode(types[: 1 + is_failed], values[: 1 + is_failed]))

    def id_with(self, gate: str = ZERO_DIGEST) -> str:
        """The record's id, `keccak256(abi.encode(content, synthetic))`: the same on every chain.

        The root stands in it once more, so that who shows a row need not bring the other fields.
        """
        return "0x" + keccak(self.content_with(gate) + bytes.fromhex(self.synthetic)).hex()

    def fingerprint_with(self, gate: str = ZERO_DIGEST) -> bytes:
        """The 26 bytes that the contract keeps under the release and its issuer: the first of the id."""
        return bytes.fromhex(self.id_with(gate)[2:])[:26]


class Record(NamedTuple):
    """A release as a chain knows it: a Generation, then what the chain added.

    Attributes:
        attempts: how many attempts there were under the protocol when it was recorded.
        issuer: address that recorded it.
        time: of its block, in seconds since 1970 (on the in-process chain, which has no clock, a counter).
        block, transaction, gas_used: where it is recorded and what that took.
        id: `Generation.id_with` the gate.
        failed: whether it was recorded as one that failed the thresholds of its protocol.
        gate: SHA-256 of the `gate.json` that says which; zeros unless it failed.
        revoked: whether the issuer has withdrawn it.
        revocation_time: when, 0 while it stands.
        reason: digest of the reason, zeros while it stands.
        successor: the release that replaces it, zeros if none does.
    """

    release: str
    protocol: str
    commitment: str
    synthetic: str
    model_type: str
    parameters: str
    characteristics: str
    spend: int
    attempt: int
    attempts: int
    issuer: str
    time: int
    block: int
    transaction: str
    gas_used: int
    id: str
    failed: bool
    gate: str
    revoked: bool
    revocation_time: int
    reason: str
    successor: str

    @property
    def generation(self) -> Generation:
        return Generation(*self[: len(Generation._fields)])

    @property
    def content(self) -> bytes:
        """What a row's proof says instead of all fields; see `Generation.content_with`."""
        return self.generation.content_with(self.gate)

    @property
    def is_private(self) -> bool:
        """Whether it claims differential privacy."""
        return self.spend != NOT_PRIVATE

    def state_at(self, time: int | None = None) -> str:
        """`"absent"`, `"stands"`, `"revoked"` or `"superseded"`, at a block's time; now if None."""
        if time is not None and time < self.time:
            return ABSENT
        if not self.revoked or (time is not None and time < self.revocation_time):
            return STANDS
        return SUPERSEDED if int(self.successor, 16) else REVOKED


def release_fields(bundle: Bundle | Mapping[str, Any], digest: str | None = None) -> Generation:
    """What a release's manifest says of itself, as it is recorded.

    Args:
        bundle: the Bundle, or its manifest together with `digest`.
        digest: SHA-256 of the manifest's bytes.

    Raises:
        ValueError: if it is not a release, or lacks a field; the field is named.
    """
    if isinstance(bundle, Bundle):
        bundle, digest = bundle.manifest, bundle.digest
    if bundle["kind"] != "release":
        raise ValueError(f"expected a Bundle of kind 'release', got {str(bundle['kind'])[:40]!r}")
    parameters = bundle["parameters"]
    kinds = {
        "model_type": str,
        "model": dict,
        "characteristics": dict,
        "training_commitment": str,
        "rows_root": str,
        "protocol": dict,
    }
    for name, kind in kinds.items():
        if not isinstance(parameters.get(name), kind):
            todo = "; register a protocol before training and give write_release the study" * (
                name == "protocol"
            )
            raise ValueError(
                f"parameters.{name}: expected a {kind.__name__} in a release's manifest, found none{todo}"
            )
    protocol = parameters["protocol"]
    for name, value in [
        *((name, parameters[name]) for name in ("training_commitment", "rows_root")),
        ("protocol.id", str(protocol.get("id")).removeprefix("0x")),
    ]:
        if not is_digest(value):
            raise ValueError(
                f"{name}: expected a digest of 64 lower-case hexadecimal digits, found something else"
            )
    if not 0 < len(parameters["model_type"].encode()) <= MODEL_TYPE_BYTES:
        raise ValueError(f"parameters.model_type: expected 1 to {MODEL_TYPE_BYTES} bytes of UTF-8")
    for name, most in (("spend", NOT_PRIVATE), ("attempt", 2**24 - 1)):
        value = protocol.get(name)
        if type(value) is not int or not 0 < value <= most:
            raise ValueError(f"parameters.protocol.{name}: expected a whole number from 1 to {most}")
    return Generation(
        release=digest,
        protocol=protocol["id"],
        commitment=parameters["training_commitment"],
        synthetic=parameters["rows_root"],
        model_type=parameters["model_type"],
        parameters=hashlib.sha256(canonical_json(parameters["model"])).hexdigest(),
        characteristics=hashlib.sha256(canonical_json(parameters["characteristics"])).hexdigest(),
        spend=protocol["spend"],
        attempt=protocol["attempt"],
    )


def failed_gate(bundle: Bundle | Mapping[str, Any]) -> str:
    """SHA-256 of the `gate.json` of a release whose manifest says that it failed, zeros where it does not.

    Anything but a clear `"passed"` counts as failed, where a gate is spoken of at all; nothing is judged.

    Raises:
        ValueError: if it failed and the manifest gives no digest.
    """
    parameters = bundle.parameters if isinstance(bundle, Bundle) else bundle.get("parameters")
    told = parameters.get("gate") if isinstance(parameters, Mapping) else None
    if told is None or (isinstance(told, Mapping) and told.get("verdict") == "passed"):
        return ZERO_DIGEST
    digest = told.get("gate_digest") if isinstance(told, Mapping) else None
    if not is_digest(digest) or digest == ZERO_DIGEST:
        raise ValueError(
            "parameters.gate.gate_digest: expected the digest of the gate.json that the release failed, 64 "
            "lower-case hexadecimal digits, found something else"
        )
    return digest


def withdrawal_digest(reason: str, successor: str) -> bytes:
    """What the contract keeps of a withdrawal: `bytes20(keccak256(abi.encode(successor, reason)))`."""
    return keccak(bytes.fromhex(successor + reason))[:20]


def is_digest(value: Any) -> bool:
    """Whether a value is 64 lower-case hexadecimal digits."""
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def to_digest(value: str, name: str = "digest") -> str:
    """A digest as this library writes it: lower case, no space around it.

    Raises:
        TypeError: if it is no text; `name` says of what.
        ValueError: if it is not 64 hexadecimal digits.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected 64 hexadecimal digits as text, got {type(value).__name__}")
    if not is_digest(value.strip().lower()):
        raise ValueError(f"{name}: expected 64 hexadecimal digits, got something else")
    return value.strip().lower()


def to_address(value: str, name: str = "address") -> str:
    """An address with its checksum.

    Raises:
        TypeError: if it is no text; `name` says of what.
        ValueError: if it is not 0x and 40 hexadecimal digits, or has a wrong checksum.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected 0x and 40 hexadecimal digits as text, got {type(value).__name__}")
    if not value.startswith("0x") or not is_hex_address(value):
        raise ValueError(f"{name}: expected 0x and 40 hexadecimal digits, got something else")
    address, digits = to_checksum_address(value), value[2:]
    if value != address and digits not in (digits.lower(), digits.upper()):
        raise ValueError(f"{name}: expected 0x and 40 hexadecimal digits, got them with a wrong checksum")
    return address


def read_recorded(event: Event) -> tuple[Generation, str, int]:
    """What a Recorded event says: the Generation, the issuer, and how many attempts there were.

    Raises:
        ChainError: if the model type is no text; a contract takes any bytes for it.
    """
    said = event.arguments
    try:
        model_type = bytes.fromhex(said["modelType"]).rstrip(b"\0").decode()
    except UnicodeDecodeError:
        raise ChainError(
            f"expected a model type in UTF-8 in the record of {said['release']}, found other bytes; "
            "do not trust that record"
        ) from None
    generation = Generation(
        release=said["release"],
        protocol=said["protocol"],
        commitment=said["commitment"],
        synthetic=said["synthetic"],
        model_type=model_type,
        parameters=said["parameters"],
        characteristics=said["characteristics"],
        spend=said["spend"],
        attempt=said["attempt"],
    )
    return generation, said["issuer"], said["attempts"]


def sign_record(body: Mapping[str, Any], account: LocalAccount) -> str:
    """The issuer's signature (EIP-191) over record.json without its signature."""
    return "0x" + account.sign_message(_record_message(body)).signature.hex()


def signer_of(body: Mapping[str, Any], signature: str) -> str:
    """Address that signed a record.json.

    Raises:
        ValueError: if that is no signature, or one of the other spellings that the same signature has.
    """
    is_hex = re.fullmatch("0x[0-9a-f]{130}", signature)
    if not is_hex or signature[-2:] not in ("1b", "1c") or int(signature[66:130], 16) > _HALF_ORDER:
        raise ValueError("expected a signature as Ethereum's wallets write it")
    return Account.recover_message(_record_message(body), signature=signature)


def _record_message(body: Mapping[str, Any]) -> Any:
    return encode_defunct(
        canonical_json({name: value for name, value in body.items() if name != "signature"})
    )
