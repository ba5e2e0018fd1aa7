"""What is recorded of a release: the fields taken from its manifest, and what the chain adds to them.

Digests (SHA-256) are hexadecimal text as in a Bundle; what belongs to the chain (addresses, transactions,
record ids) is hexadecimal text that starts with 0x.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from eth_abi import decode, encode
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from eth_utils import keccak, to_checksum_address

from synthlib.bundle import Bundle, canonical_json

RECORD_FORMAT = "synthlib-record/1"
_TYPES = "(bytes32,bytes32,bytes32,string,bytes32,bytes32,bytes32)"
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0  # of secp256k1's group
_RECORDED = "0x" + keccak(text=f"Recorded(bytes32,bytes32,address,{_TYPES})").hex()


class Generation(NamedTuple):
    """What is said of one release; the contract's struct of the same name.

    Attributes:
        release: SHA-256 of the release's manifest.
        commitment: keyed commitment to the training table.
        synthetic: SHA-256 of the synthetic table's canonical bytes.
        model_type: such as `"TabularGAN"`.
        parameters: SHA-256 of the model's parameters as canonical JSON.
        characteristics: SHA-256 of the training data's published characteristics as canonical JSON.
        parent: what the release was made from: zeros if of nothing, the digest of its one parent, or the
            SHA-256 of the manifest's `parents` as canonical JSON if there are several.
    """

    release: str
    commitment: str
    synthetic: str
    model_type: str
    parameters: str
    characteristics: str
    parent: str

    def to_abi(self) -> tuple:
        """As the contract takes it."""
        return tuple(
            value if name == "model_type" else bytes.fromhex(value) for name, value in self._asdict().items()
        )

    @property
    def id(self) -> str:
        """The record's id, `keccak256(abi.encode(generation))`: the same on every chain."""
        return "0x" + keccak(encode([_TYPES], [self.to_abi()])).hex()


class Record(NamedTuple):
    """A release as a chain knows it: a Generation, then what the chain added.

    Attributes:
        issuer: address that recorded it.
        time: of its block, in seconds since 1970 (on the in-process chain, which has no clock, a counter).
        block, transaction, gas_used: where it is recorded and what that took.
        id: `Generation.id`.
        revoked: whether the issuer has withdrawn it.
        reason: digest of the reason, zeros while it stands.
    """

    release: str
    commitment: str
    synthetic: str
    model_type: str
    parameters: str
    characteristics: str
    parent: str
    issuer: str
    time: int
    block: int
    transaction: str
    gas_used: int
    id: str
    revoked: bool
    reason: str

    @property
    def generation(self) -> Generation:
        return Generation(*self[: len(Generation._fields)])


@cache
def load_artifact() -> dict[str, Any]:
    """The compiled registry: `abi`, `bytecode`, `deployedBytecode` and the compiler's settings."""
    return json.loads((files("synthlib.chain") / "artifacts" / "ProvenanceRegistry.json").read_bytes())


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
    parameters, parents = bundle["parameters"], bundle["parents"]
    kinds = {
        "model_type": str,
        "model": dict,
        "characteristics": dict,
        "training_commitment": str,
        "synthetic_digest": str,
    }
    for name, kind in kinds.items():
        if not isinstance(parameters.get(name), kind):
            raise ValueError(
                f"parameters.{name}: expected a {kind.__name__} in a release's manifest, found none"
            )
    for name, value in [
        *((name, parameters[name]) for name in ("training_commitment", "synthetic_digest")),
        *((f"parents.{name}", value) for name, value in parents.items()),
    ]:
        if not is_digest(value):
            raise ValueError(
                f"{name}: expected a digest of 64 lower-case hexadecimal digits, found something else"
            )
    several = hashlib.sha256(canonical_json(parents)).hexdigest()
    return Generation(
        release=digest,
        commitment=parameters["training_commitment"],
        synthetic=parameters["synthetic_digest"],
        model_type=parameters["model_type"],
        parameters=hashlib.sha256(canonical_json(parameters["model"])).hexdigest(),
        characteristics=hashlib.sha256(canonical_json(parameters["characteristics"])).hexdigest(),
        parent="0" * 64 if not parents else next(iter(parents.values())) if len(parents) == 1 else several,
    )


def is_digest(value: Any) -> bool:
    """Whether a value is 64 lower-case hexadecimal digits."""
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def parse_recorded(log: Mapping[str, Any], address: str) -> Generation | None:
    """The Generation in a receipt's log, or None if it is no Recorded event of the registry at `address`."""
    if to_checksum_address(log["address"]) != address or log["topics"][0] != _RECORDED:
        return None
    (values,) = decode([_TYPES], bytes.fromhex(log["data"][2:]))
    return Generation(*(value.hex() if isinstance(value, bytes) else value for value in values))


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
