"""The Ledger: where releases are recorded, found and withdrawn, on a chain in this process or behind a URL.

Digests (SHA-256) are hexadecimal text as in a Bundle; what belongs to the chain (addresses, transactions,
record ids) is hexadecimal text that starts with 0x.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from eth_utils import keccak, to_checksum_address
from web3.contract.contract import ContractFunction

from synthlib.bundle import LEDGER_FOLDER, MANIFEST, Bundle, canonical_json, write_atomically
from synthlib.chain.accounts import demo_account, load_account
from synthlib.chain.connection import Connection
from synthlib.chain.errors import AlreadyRecorded, ChainError, NoRegistry, NotRecorded
from synthlib.chain.journal import Journal

ADMIN_DELAY = 86_400  # seconds between the two steps of handing over a registry's administration
JOURNAL, RECORD = "journal.jsonl", "record.json"
RECORD_FORMAT = "synthlib-record/1"
_GAS = {"deploy": 3_000_000, "grantRole": 200_000, "record": 200_000, "revoke": 200_000}
_TYPES = "(bytes32,bytes32,bytes32,string,bytes32,bytes32,bytes32)"
_log = logging.getLogger(__name__)


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
        return tuple(value if name == "model_type" else bytes.fromhex(value) for name, value in self._asdict().items())

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
    kinds = {"model_type": str, "model": dict, "characteristics": dict, "training_commitment": str,
             "synthetic_digest": str}
    for name, kind in kinds.items():
        if not isinstance(parameters.get(name), kind):
            raise ValueError(f"parameters.{name}: expected a {kind.__name__} in a release's manifest, found none")
    for name, value in [*((name, parameters[name]) for name in ("training_commitment", "synthetic_digest")),
                        *((f"parents.{name}", value) for name, value in parents.items())]:
        if not is_digest(value):
            raise ValueError(f"{name}: expected a digest of 64 lower-case hexadecimal digits, found something else")
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


class Ledger:
    """A registry of releases on one chain, and the account that acts on it.

    Made by `Ledger.in_process` and `Ledger.connect`; everything after that is the same for both.

    Attributes:
        connection: the chain.
        address: the registry's address.
        account: who signs, or None to read only.
        journal: the in-process chain's Journal, None on a node.
        is_new: whether this object deployed the registry.
    """

    def __init__(
        self, connection: Connection, address: str | None, account: LocalAccount | None, journal: Journal | None = None
    ):
        self.connection, self.account, self.journal = connection, account, journal
        self.is_new = address is None
        self._known: dict[str, tuple[Generation, dict[str, Any]]] = {}
        self.address = self._deploy() if address is None else to_checksum_address(address)
        self._contract = connection.web3.eth.contract(self.address, abi=load_artifact()["abi"])
        self._check_code()

    def __repr__(self) -> str:
        return f"Ledger({self.address} on {self.connection.place})"

    @classmethod
    def in_process(cls, journal: Path | str | None = None, account: LocalAccount | None = None) -> Ledger:
        """A ledger on a chain in this process, which lives on in its journal.

        Args:
            journal: file to replay if it exists and to keep up to date; None keeps the journal in memory.
            account: who signs; the demo issuer, whose key everybody knows, if None.

        Raises:
            JournalError: if the journal is not what was written; each wrong line is named.
        """
        account = account or demo_account()
        connection = Connection.in_process()
        if journal is None or not Path(journal).exists():
            return cls._set_up(connection, account, Journal.start(journal, connection))
        opened = Journal.open(journal)
        created: list[str] = []
        receipts: list[dict[str, Any]] = []
        opened.replay(connection, load_artifact()["bytecode"], receipts.append)
        created = [receipt["contract"] for receipt in receipts if receipt["contract"]]
        if not created:
            return cls._set_up(connection, account, opened)
        ledger = cls(connection, created[0], account, opened)
        for receipt in receipts:
            ledger._remember(receipt)
        return ledger

    @classmethod
    def connect(
        cls,
        rpc_url: str,
        registry_address: str | None = None,
        account: LocalAccount | None = None,
        chain_id: int | None = None,
        timeout: float = 120.0,
    ) -> Ledger:
        """A ledger on a node.

        Args:
            rpc_url: the node's JSON-RPC URL.
            registry_address: the registry; None deploys a new one, says so in the log and lets the account
                record on it.
            account: who signs; what `load_account` finds if None, and reading only if it finds nothing.
            chain_id: the chain it must be, or None for any.
            timeout: seconds to wait for a block to hold a transaction.

        Raises:
            NodeUnreachable, WrongChain: if the chain is not there.
            NoRegistry: if the code at the address is not the registry's.
            NoAccount: if a registry is to be deployed and nobody can sign.
        """
        account = account or load_account()
        connection = Connection.by_url(rpc_url, chain_id, timeout)
        if registry_address is not None:
            return cls(connection, registry_address, account)
        ledger = cls._set_up(connection, account, None)
        _log.warning(
            "deployed a new registry at %s on chain %d (%s): give this address from now on",
            ledger.address, connection.chain_id, connection.place,
        )
        return ledger

    @classmethod
    def _set_up(cls, connection: Connection, account: LocalAccount | None, journal: Journal | None) -> Ledger:
        ledger = cls(connection, None, account, journal)
        ledger.grant_recorder(ledger.account.address)
        return ledger

    def acting_as(self, account: LocalAccount | None) -> Ledger:
        """The same ledger with another account signing."""
        other = copy.copy(self)
        other.account = account
        return other

    def record(self, bundle: Bundle) -> Record:
        """Record a release. A second time changes nothing and returns the record there is.

        Raises:
            ValueError: if the Bundle is not a release.
            AccessControlUnauthorizedAccount: if the account may not record.
            ChainError: if the digest is recorded with other content, or the chain does not take it.
        """
        return self.record_generation(release_fields(bundle))

    def record_generation(self, generation: Generation) -> Record:
        """Record what is said of a release; see `record`."""
        try:
            found = self.find(generation.release)
        except NotRecorded:
            try:
                self._send(self._contract.functions.record(generation.to_abi()))
            except AlreadyRecorded:  # by somebody else in the meantime
                pass
            found = self.find(generation.release)
        if found.generation != generation:
            names = [name for name in Generation._fields if getattr(found, name) != getattr(generation, name)]
            raise ChainError(
                f"release {generation.release} is recorded with another {', '.join(names)} by {found.issuer}: "
                "do not trust that record; ask its issuer to revoke it"
            )
        return found

    def find(self, digest: str) -> Record:
        """Everything the chain knows of a release, from its digest alone.

        Raises:
            NotRecorded: if it knows nothing.
            ValueError: if `digest` is not 64 hexadecimal digits.
        """
        release = _to_bytes32(digest)
        issuer, time, block, reason = self.connection.call(self._contract.functions.find(release))
        if digest not in self._known:
            events = self.connection.get_events(self._contract.events.Recorded(), block, release=release)
            if len(events) != 1:
                raise ChainError(
                    f"expected one Recorded event for {digest} in block {block}, the node at {self.connection.place} "
                    f"gave {len(events)}; ask a node that keeps its logs"
                )
            self._remember(self.connection.get_receipt("0x" + bytes(events[0]["transactionHash"]).hex()))
        generation, receipt = self._known[digest]
        return Record(
            *generation, issuer=issuer, time=time, block=block, transaction=receipt["transaction"],
            gas_used=receipt["gas_used"], id=generation.id, revoked=any(reason), reason=reason.hex(),
        )

    def revoke(self, digest: str, reason: str) -> Record:
        """Withdraw a release. The chain gets the SHA-256 of the reason; publish its words elsewhere.

        Raises:
            NotRecorded, NotIssuer, AlreadyRevoked: what the contract says.
            ValueError: if the reason is empty.
        """
        if not reason.strip():
            raise ValueError("expected a reason in words, got none")
        words = hashlib.sha256(reason.encode()).digest()
        self._send(self._contract.functions.revoke(_to_bytes32(digest), words))
        return self.find(digest)

    def grant_recorder(self, address: str) -> None:
        """Let an account record. For the registry's administrator, who at first is who deployed it."""
        role = keccak(text="RECORDER_ROLE")
        self._send(self._contract.functions.grantRole(role, to_checksum_address(address)))

    def save(self, bundle: Bundle) -> Record:
        """Write `ledger/` into a recorded release's folder: all that `verify` needs to know.

        It holds the manifest as it was recorded, `record.json`, signed by the issuer if that is this
        ledger's account, and of an in-process chain the journal up to the last line about the release.
        Writing it again after a crash completes it.

        Raises:
            NotRecorded: if the release is not recorded here.
            ChainError: if the chain is in this process and somebody else recorded the release.
        """
        record = self.find(bundle.digest)
        is_issuer = self.account is not None and self.account.address == record.issuer
        folder = bundle.path / LEDGER_FOLDER
        if self.journal is not None and not is_issuer:
            raise ChainError(f"expected to act as the issuer {record.issuer} to sign its record; use acting_as")
        folder.mkdir(exist_ok=True)
        for partial in folder.glob(".*.partial"):
            partial.unlink()
        body = self._describe(record)
        if self.journal is None:
            (folder / JOURNAL).unlink(missing_ok=True)
        else:
            part = self.journal.up_to(self.journal.last_line_about(record.release))
            body["journal"] = {"lines": len(part.lines), "head": part.head}
            write_atomically(folder / JOURNAL, b"".join(part.lines))
        write_atomically(folder / MANIFEST, (bundle.path / MANIFEST).read_bytes())
        body["signature"] = sign_record(body, self.account) if is_issuer else None
        write_atomically(folder / RECORD, canonical_json(body))
        return record

    def _describe(self, record: Record) -> dict[str, Any]:
        kind = "in-process" if self.connection.is_in_process else "node"
        chain = {"kind": kind, "id": self.connection.chain_id, "genesis": self.connection.genesis}
        return {"format": RECORD_FORMAT, "chain": chain, "registry": self.address, "record": record._asdict(),
                "journal": None}

    def _deploy(self) -> str:
        artifact = load_artifact()
        owner = "0x" + "00" * 20 if self.account is None else self.account.address
        arguments = encode(["uint48", "address"], [ADMIN_DELAY, owner])
        return self._transact(artifact["bytecode"] + arguments.hex(), None, "deploy")["contract"]

    def _check_code(self) -> None:
        found, expected = self.connection.get_code(self.address), load_artifact()["deployedBytecode"]
        if "0x" + found.hex() != expected:
            what = f"other code ({len(found)} bytes)" if found else "no code"
            raise NoRegistry(
                f"expected the registry of this version at {self.address} on {self.connection.place} (chain "
                f"{self.connection.chain_id}), found {what}; check the address and the chain"
            )

    def _send(self, function: ContractFunction) -> None:
        self._transact(function._encode_transaction_data(), self.address, function.fn_name)

    def _transact(self, data: str, to: str | None, name: str) -> dict[str, Any]:
        sent = self.connection.send(self.account, data, to, _GAS[name], load_artifact()["abi"])
        if self.journal is not None:
            self.journal.append(sent)
        if to is not None:
            self._remember(sent.receipt)
        return sent.receipt

    def _remember(self, receipt: Mapping[str, Any]) -> None:
        """Keep what a fresh receipt's Recorded events say: asking for old ones is slow."""
        for log in receipt["logs"]:
            generation = parse_recorded(log, self.address)
            if generation is not None:
                self._known[generation.release] = (generation, dict(receipt))


def parse_recorded(log: Mapping[str, Any], address: str) -> Generation | None:
    """The Generation in a log of a receipt, or None if it is no Recorded event of the registry at `address`."""
    from eth_abi import decode

    event = "0x" + keccak(text=f"Recorded(bytes32,bytes32,address,{_TYPES})").hex()
    if to_checksum_address(log["address"]) != address or log["topics"][0] != event:
        return None
    (values,) = decode([_TYPES], bytes.fromhex(log["data"][2:]))
    return Generation(*(value.hex() if isinstance(value, bytes) else value for value in values))


def sign_record(body: Mapping[str, Any], account: LocalAccount) -> str:
    """The issuer's signature (EIP-191) over record.json without its signature."""
    return "0x" + account.sign_message(_record_message(body)).signature.hex()


def signer_of(body: Mapping[str, Any], signature: str) -> str:
    """Address that signed a record.json."""
    return Account.recover_message(_record_message(body), signature=signature)


def _record_message(body: Mapping[str, Any]) -> Any:
    return encode_defunct(canonical_json({name: value for name, value in body.items() if name != "signature"}))


def _to_bytes32(digest: str) -> bytes:
    if not is_digest(digest):
        raise ValueError("expected a digest of 64 lower-case hexadecimal digits, got something else")
    return bytes.fromhex(digest)


def record_bundle(
    path: Path | str,
    rpc: str | None = None,
    registry: str | None = None,
    journal: Path | str | None = None,
    account: LocalAccount | None = None,
) -> Record:
    """Open a release, record it, and write what `verify` needs into its `ledger/` folder.

    Doing it again is harmless: it completes what a crash left half done, else changes nothing.

    Args:
        path: the release's folder.
        rpc: URL of a node; None records on the in-process chain.
        registry: address on the node; None takes the one of an earlier recording of this release, else
            deploys a new one.
        journal: the in-process chain's journal that several releases share; None gives this release its own.
        account: who signs; what `load_account` finds if None, else the demo issuer in process.

    Raises:
        BundleError: if the folder is not what its manifest says.
        ChainError: if it cannot be recorded; see `Ledger`.
    """
    bundle = Bundle.open(path)
    release_fields(bundle)
    account = account or load_account()
    earlier = _read_earlier(bundle)
    if rpc is None:
        if earlier.get("chain", {}).get("kind") == "node":
            raise ChainError(
                f"expected a release that is on no chain yet, {bundle.path.name} is recorded on chain "
                f"{earlier['chain'].get('id')}; verify it there, or remove its ledger/ folder first"
            )
        ledger = Ledger.in_process(journal or bundle.path / LEDGER_FOLDER / JOURNAL, account)
    else:
        if registry is None and earlier.get("chain", {}).get("kind") == "node":
            registry = earlier.get("registry")
        ledger = Ledger.connect(rpc, registry, account)
    ledger.record(bundle)
    return ledger.save(bundle)


def _read_earlier(bundle: Bundle) -> dict[str, Any]:
    """An earlier record.json of this very release, or nothing."""
    try:
        body = json.loads((bundle.path / LEDGER_FOLDER / RECORD).read_bytes())
        return body if body["record"]["release"] == bundle.digest else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
