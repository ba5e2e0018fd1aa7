"""What each function of the contracts that changes state costs, on the in-process chain: `measure()`.

`SCENARIOS` names every measured transaction `Contract.function`, with ` (what is special)` behind it where
one function is measured several times, and `Contract.constructor` for the deployment. All start from one
prepared state (`World`), which is taken back after each, and return the gas of the one transaction that they
are about. After a change that is meant to cost more or less, `make snapshots` measures
`contracts/snapshots/gas.json` anew.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from chain_helpers import account, advance, digest, generation
from eth_abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils import keccak
from test_row_proof import ROW

from synthlib.chain.connection import GENESIS_TIME, Connection
from synthlib.chain.contracts import PARTS, REGISTRY, find_addresses
from synthlib.chain.datasets import dataset_id
from synthlib.chain.merkle import leaf_hash, root_from_path
from synthlib.chain.protocols import Registration
from synthlib.chain.records import NOT_PRIVATE, Generation

ARTIFACTS = Path(__file__).parents[1] / "synthlib" / "chain" / "artifacts"
GAS_LIMIT = 12_000_000
DAY = 86_400
ADMIN, STEWARD, RESEARCHER, AUDITOR, GRANTEE, OTHER = (
    account(name) for name in ("admin", "steward", "researcher", "auditor", "grantee", "other")
)
STEWARD_ROLE, RESEARCHER_ROLE, AUDITOR_ROLE = (
    keccak(text=f"{name}_ROLE") for name in ("STEWARD", "RESEARCHER", "AUDITOR")
)
COMMITMENT, NEW, REASON, OBJECT, KEY = (
    bytes.fromhex(digest(name)) for name in ("dataset", "new dataset", "reason", "object", "key")
)
DATASET = bytes.fromhex(dataset_id(STEWARD.address, COMMITMENT.hex())[2:])
EXPIRY = GENESIS_TIME + 365 * DAY


class Deployed(NamedTuple):
    """A contract on the in-process chain.

    Attributes:
        connection: the chain.
        name: of the contract.
        address: where it is.
        gas_used: by its deployment; 0 if it is part of another's.
    """

    connection: Connection
    name: str
    address: str
    gas_used: int = 0

    def send(self, sender: LocalAccount, function: str, *arguments: Any) -> int:
        """Call a function in a transaction; returns the gas that it used."""
        abi = load_artifacts()[self.name]["abi"]
        data = self.connection.web3.eth.contract(self.address, abi=abi).encode_abi(function, arguments)
        return self.connection.send(sender, data, self.address, GAS_LIMIT, abi).receipt["gas_used"]

    def call(self, function: str, *arguments: Any) -> Any:
        """What a function returns."""
        abi = load_artifacts()[self.name]["abi"]
        contract = self.connection.web3.eth.contract(self.address, abi=abi)
        return self.connection.call(contract.functions[function](*arguments))


class World(NamedTuple):
    """The contracts on a chain on which one of everything has happened."""

    connection: Connection
    registry: Deployed
    agreements: Deployed
    attestations: Deployed
    row_proofs: Deployed


Scenario = Callable[[World], int]


def load_artifacts() -> dict[str, dict[str, Any]]:
    """Every compiled contract by name."""
    return {path.stem: json.loads(path.read_bytes()) for path in sorted(ARTIFACTS.glob("*.json"))}


def deploy(connection: Connection, name: str, *arguments: Any) -> Deployed:
    """Put a compiled contract on a chain."""
    artifact = load_artifacts()[name]
    contract = connection.web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    data = contract.constructor(*arguments).data_in_transaction
    receipt = connection.send(ADMIN, data, None, GAS_LIMIT, artifact["abi"]).receipt
    return Deployed(connection, name, receipt["contract"], receipt["gas_used"])


# --- what has happened before --------------------------------------------------------------------------

RUNNING, SEALED, UNSEEN = (
    Registration("0x" + DATASET.hex(), RESEARCHER.address, digest(protocol), salt)
    for protocol, salt in (("running", "00" * 32), ("sealed", digest("salt")), ("unseen", digest("salt")))
)
SAID = {
    name: generation(name)._replace(protocol=RUNNING.id) for name in ("first", "second", "third", "table")
}
SAID["table"] = SAID["table"]._replace(
    synthetic=root_from_path(leaf_hash(ROW.data), ROW.index, ROW.num_rows, ROW.path).hex()
)
AGREED, OFFERED, WANTED = (
    (DATASET, GRANTEE.address, bytes.fromhex(digest(terms)), REASON, [42, 43], EXPIRY, bytes(32))
    for terms in ("agreed", "offered", "wanted")
)
VERDICTS = [
    (bytes.fromhex(SAID["first"].release), RESEARCHER.address, outcome, REASON, OBJECT, EXPIRY)
    for outcome in (1, 2)
]


def prepare(connection: Connection) -> World:
    """A dataset, a running and a sealed protocol, releases, agreements and a verdict."""
    registry = deploy(connection, REGISTRY, DAY, ADMIN.address, STEWARD.address)
    addresses = find_addresses(registry.address)
    world = World(connection, registry, *(Deployed(connection, name, addresses[name]) for name in PARTS))
    registry.send(ADMIN, "grantRole", RESEARCHER_ROLE, RESEARCHER.address)
    registry.send(ADMIN, "grantRole", AUDITOR_ROLE, AUDITOR.address)
    registry.send(STEWARD, "registerDataset", COMMITMENT, 0, 1_000_000)
    registry.send(RESEARCHER, "registerOpenProtocol", DATASET, bytes.fromhex(RUNNING.digest))
    registry.send(RESEARCHER, "registerProtocol", DATASET, bytes.fromhex(SEALED.seal))
    registry.send(STEWARD, "approveProtocol", *named(RUNNING), 500_000, 100)
    registry.send(RESEARCHER, "logAttempt", running(), 1, OBJECT)
    for name in ("first", "second", "table"):
        registry.send(RESEARCHER, "recordRelease", SAID[name].to_abi())
    for agreement in (AGREED, OFFERED):
        world.agreements.send(STEWARD, "offer", agreement)
    accept(world, AGREED)
    attest(world, VERDICTS[0])
    return world


def named(registration: Registration) -> tuple[str, bytes, bytes]:
    """A protocol as approveProtocol and closeProtocol take it."""
    return registration.researcher, DATASET, bytes.fromhex(registration.seal)


def running() -> bytes:
    return bytes.fromhex(RUNNING.id[2:])


def released(name: str) -> bytes:
    return bytes.fromhex(SAID[name].release)


def accept(world: World, agreement: tuple) -> int:
    types = "(bytes32,address,bytes32,bytes32,uint32[],uint40,bytes32)"
    id = keccak(encode([types], [agreement]))
    signature = GRANTEE.unsafe_sign_hash(world.agreements.call("acceptanceDigest", id, KEY)).signature
    return world.agreements.send(OTHER, "accept", agreement, KEY, signature)


def attest(world: World, verdict: tuple) -> int:
    digest = world.attestations.call("idOf", verdict, AUDITOR.address)
    signature = AUDITOR.unsafe_sign_hash(digest).signature
    return world.attestations.send(OTHER, "attest", verdict, AUDITOR.address, signature)


# --- scenarios -----------------------------------------------------------------------------------------


def after(*calls: tuple, advanced: int = 0) -> Scenario:
    """A scenario that is the last of some calls `(sender, function, *arguments)` to the registry."""

    def run(world: World) -> int:
        for call in calls[:-1]:
            world.registry.send(*call)
        if advanced:
            advance(world.connection, advanced)
        return world.registry.send(*calls[-1])

    return run


def agreeing(sender: LocalAccount, function: str, *arguments: Any) -> Scenario:
    """A scenario that is one call to the agreements."""
    return lambda world: world.agreements.send(sender, function, *arguments)


def measure_revoked_verdict(world: World) -> int:
    id = world.attestations.call("idOf", VERDICTS[0], AUDITOR.address)
    return world.attestations.send(AUDITOR, "revokeAttestation", id, REASON)


def record(name: str, **changes: Any) -> tuple:
    said: Generation = SAID[name]._replace(**changes)
    return RESEARCHER, "recordRelease", said.to_abi()


def record_failed(name: str, **changes: Any) -> tuple:
    return RESEARCHER, "recordFailedRelease", record(name, **changes)[2], OBJECT


def measure_row(world: World) -> int:
    release = bytes.fromhex(SAID["table"].release)
    shown = (release, RESEARCHER.address, SAID["table"].content, ROW.data, ROW.index, ROW.num_rows, ROW.path)
    assert world.row_proofs.call("isRow", *shown)
    return world.row_proofs.send(OTHER, "isRow", *shown)


def measure_deployment(name: str) -> Scenario:
    """A scenario that is the deployment of one of the registry's parts alone."""
    return lambda world: deploy(world.connection, name, world.registry.address).gas_used


SCENARIOS: dict[str, Scenario] = {
    "ProvenanceRegistry.constructor": lambda world: world.registry.gas_used,
    # roles
    "ProvenanceRegistry.grantRole": after((ADMIN, "grantRole", STEWARD_ROLE, OTHER.address)),
    "ProvenanceRegistry.revokeRole": after((ADMIN, "revokeRole", AUDITOR_ROLE, AUDITOR.address)),
    "ProvenanceRegistry.renounceRole": after((AUDITOR, "renounceRole", AUDITOR_ROLE, AUDITOR.address)),
    "ProvenanceRegistry.offerRole": after((STEWARD, "offerRole", STEWARD_ROLE, OTHER.address)),
    "ProvenanceRegistry.acceptRole": after(
        (STEWARD, "offerRole", STEWARD_ROLE, OTHER.address),
        (OTHER, "acceptRole", STEWARD_ROLE, STEWARD.address),
    ),
    "ProvenanceRegistry.pause": after((ADMIN, "pause")),
    "ProvenanceRegistry.unpause": after((ADMIN, "pause"), (ADMIN, "unpause")),
    "ProvenanceRegistry.beginDefaultAdminTransfer": after(
        (ADMIN, "beginDefaultAdminTransfer", OTHER.address)
    ),
    "ProvenanceRegistry.cancelDefaultAdminTransfer": after(
        (ADMIN, "beginDefaultAdminTransfer", OTHER.address), (ADMIN, "cancelDefaultAdminTransfer")
    ),
    "ProvenanceRegistry.acceptDefaultAdminTransfer": after(
        (ADMIN, "beginDefaultAdminTransfer", OTHER.address),
        (OTHER, "acceptDefaultAdminTransfer"),
        advanced=DAY + 60,
    ),
    "ProvenanceRegistry.changeDefaultAdminDelay": after((ADMIN, "changeDefaultAdminDelay", 2 * DAY)),
    "ProvenanceRegistry.rollbackDefaultAdminDelay": after(
        (ADMIN, "changeDefaultAdminDelay", 2 * DAY), (ADMIN, "rollbackDefaultAdminDelay")
    ),
    # datasets
    "ProvenanceRegistry.registerDataset": after((STEWARD, "registerDataset", NEW, 0, 1_000_000)),
    "ProvenanceRegistry.lowerCap": after((STEWARD, "lowerCap", DATASET, 700_000)),
    "ProvenanceRegistry.offerDataset": after((STEWARD, "offerDataset", DATASET, OTHER.address)),
    "ProvenanceRegistry.acceptDataset": after(
        (ADMIN, "grantRole", STEWARD_ROLE, OTHER.address),
        (STEWARD, "offerDataset", DATASET, OTHER.address),
        (OTHER, "acceptDataset", DATASET),
    ),
    "ProvenanceRegistry.renounceDataset": after((STEWARD, "renounceDataset", DATASET)),
    "ProvenanceRegistry.eraseDataset": after((STEWARD, "eraseDataset", DATASET, REASON)),
    # protocols
    "ProvenanceRegistry.registerProtocol": after(
        (RESEARCHER, "registerProtocol", DATASET, bytes.fromhex(UNSEEN.seal))
    ),
    "ProvenanceRegistry.registerOpenProtocol": after((RESEARCHER, "registerOpenProtocol", DATASET, REASON)),
    "ProvenanceRegistry.revealProtocol": after(
        (RESEARCHER, "revealProtocol", DATASET, *map(bytes.fromhex, (SEALED.digest, SEALED.salt)))
    ),
    "ProvenanceRegistry.approveProtocol": after(
        (STEWARD, "approveProtocol", *named(SEALED), 100_000, 1),
    ),
    "ProvenanceRegistry.approveProtocol (more)": after(
        (STEWARD, "approveProtocol", *named(RUNNING), 600_000, 101)
    ),
    "ProvenanceRegistry.closeProtocol": after((RESEARCHER, "closeProtocol", *named(RUNNING))),
    "ProvenanceRegistry.logAttempt": after((RESEARCHER, "logAttempt", running(), 2, KEY)),
    "ProvenanceRegistry.logAttemptBatch (1000)": after(
        (RESEARCHER, "logAttemptBatch", running(), 2, 1000, KEY)
    ),
    # releases
    "ProvenanceRegistry.recordRelease (not private)": after(record("third", spend=NOT_PRIVATE)),
    "ProvenanceRegistry.recordRelease (private)": after(record("third", spend=250_000)),
    "ProvenanceRegistry.recordFailedRelease (private)": after(record_failed("third", spend=250_000)),
    "ProvenanceRegistry.revoke": after((RESEARCHER, "revoke", released("first"), REASON)),
    "ProvenanceRegistry.supersede": after(
        (RESEARCHER, "supersede", released("first"), released("second"), REASON)
    ),
    # agreements
    "Agreements.constructor": measure_deployment("Agreements"),
    "Agreements.request": agreeing(GRANTEE, "request", DATASET, REASON, [42, 43]),
    "Agreements.denyRequest": agreeing(
        STEWARD, "denyRequest", DATASET, GRANTEE.address, REASON, [42, 43], REASON
    ),
    "Agreements.offer": agreeing(STEWARD, "offer", WANTED),
    "Agreements.accept": lambda world: accept(world, OFFERED),
    "Agreements.renew": agreeing(STEWARD, "renew", AGREED, EXPIRY + DAY),
    "Agreements.end": agreeing(GRANTEE, "end", AGREED, REASON),
    "Agreements.logAccess": agreeing(STEWARD, "logAccess", AGREED, OBJECT, 1),
    "Agreements.logDenial": agreeing(STEWARD, "logDenial", DATASET, OBJECT, GRANTEE.address, REASON),
    "Agreements.eraseObject": agreeing(STEWARD, "eraseObject", DATASET, OBJECT, REASON),
    # verdicts, and rows, whose proof changes nothing and is measured as if it did
    "Attestations.constructor": measure_deployment("Attestations"),
    "Attestations.attest": lambda world: attest(world, VERDICTS[1]),
    "Attestations.revokeAttestation": measure_revoked_verdict,
    "Attestations.cancelVerdict": lambda world: world.attestations.send(AUDITOR, "cancelVerdict", KEY),
    "RowProofs.constructor": measure_deployment("RowProofs"),
    "RowProofs.isRow (of 2^20)": measure_row,
}


def measure() -> dict[str, int]:
    """Gas of every scenario."""
    world = prepare(Connection.in_process())
    chain = world.connection.web3.provider.ethereum_tester
    costs = {}
    for name, scenario in SCENARIOS.items():
        start = chain.take_snapshot()
        costs[name] = scenario(world)
        chain.revert_to_snapshot(start)
    return costs


def list_expected() -> set[str]:
    """`Contract.function` for the constructor and every function that changes state, of every contract."""
    return {
        f"{name}.{entry.get('name', 'constructor')}"
        for name, artifact in load_artifacts().items()
        for entry in [*artifact["abi"], {"type": "constructor"}]
        if entry["type"] == "constructor"
        or (entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure"))
    }
