"""A registry with everybody on it, and what a test does to it and puts back."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from chain_helpers import COMMITMENT, account, digest, fund, generation, registration
from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from synthlib.chain import events
from synthlib.chain.connection import Connection
from synthlib.chain.contracts import CONTRACTS, load_artifact
from synthlib.chain.datasets import dataset_id
from synthlib.chain.errors import ContractError
from synthlib.chain.events import Event
from synthlib.chain.protocols import Protocols, Registration, Track
from synthlib.chain.records import Generation
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import AUDITOR as AUDITING
from synthlib.chain.roles import RESEARCHER as RESEARCHING
from synthlib.chain.roles import STEWARD as STEWARDING
from synthlib.chain.roles import role_id

NAMES = (
    "admin",
    "steward",
    "other steward",
    "researcher",
    "other researcher",
    "auditor",
    "grantee",
    "stranger",
)
PARTIES = {name: account(name) for name in NAMES}
ADMIN, STEWARD, OTHER_STEWARD, RESEARCHER, OTHER_RESEARCHER, AUDITOR, GRANTEE, STRANGER = PARTIES.values()
ROLES = {
    STEWARD: STEWARDING,
    OTHER_STEWARD: STEWARDING,
    RESEARCHER: RESEARCHING,
    OTHER_RESEARCHER: RESEARCHING,
    AUDITOR: AUDITING,
}
STEWARD_ROLE, RESEARCHER_ROLE, AUDITOR_ROLE = map(role_id, (STEWARDING, RESEARCHING, AUDITING))

CAP, BUDGET, OPEN_RELEASES = 1_000, 400, 3  # what the dataset and its first protocol are given
DATASET = dataset_id(STEWARD.address, COMMITMENT)
OPEN = registration("researcher", DATASET)  # runs, with one attempt
SEALED = OPEN._replace(salt=digest("salt"))  # not registered
REASON = keccak(text="reason")
NOTHING = bytes(32)
NOBODY = "0x" + "00" * 20

CONTRACT_OF = {
    entry["name"]: name for name in CONTRACTS for entry in load_artifact(name)["abi"] if "name" in entry
}


def raw(text: str) -> bytes:
    """32 bytes from their hexadecimal text."""
    return bytes.fromhex(text.removeprefix("0x"))


def hashed(name: str) -> bytes:
    """32 bytes of their own for each name."""
    return raw(digest(name))


DATA = raw(DATASET)


def made(name: str = "a", **changes) -> Generation:
    """What the researcher says of a release under the protocol that runs."""
    return generation(name, "researcher", **({"protocol": OPEN.id} | changes))


class World:
    """A ledger, and everybody's ways to act on it.

    Args:
        ledger: of the administrator.
    """

    def __init__(self, ledger: Ledger):
        self.ledger = ledger

    @property
    def connection(self) -> Connection:
        return self.ledger.connection

    def acting(self, party: LocalAccount) -> Ledger:
        return self.ledger.acting_as(party)

    def send(self, party: LocalAccount, function: str, *arguments) -> list[Event]:
        """Call a function of whichever contract has it, in a transaction; returns the events."""
        return self.acting(party).send(function, *arguments, contract=CONTRACT_OF[function])

    def call(self, function: str, *arguments, party: LocalAccount = STRANGER):
        """What a function would return; nothing is sent."""
        return self.acting(party).call(function, *arguments, contract=CONTRACT_OF[function])

    def register(self, registration: Registration, party: LocalAccount = RESEARCHER) -> None:
        if registration.is_sealed:
            self.send(party, "registerProtocol", raw(registration.dataset), raw(registration.seal))
        else:
            self.send(party, "registerOpenProtocol", raw(registration.dataset), raw(registration.digest))

    def approve(self, registration: Registration, budget=0, open_releases=0, party=STEWARD) -> list[Event]:
        """Give a protocol that much more than it was given before."""
        given = self.call("trackOf", raw(registration.id), registration.researcher)[6:]
        totals = (given[0] + budget, given[1] + open_releases)
        return self.send(party, "approveProtocol", *told(registration), *totals)

    def record(
        self, name: str = "a", party: LocalAccount = RESEARCHER, gate: bytes | None = None, **changes
    ) -> list[Event]:
        """Record a release; as failed if a gate is given."""
        said = made(name, **changes).to_abi()
        if gate is None:
            return self.send(party, "recordRelease", said)
        return self.send(party, "recordFailedRelease", said, gate)

    def track(self, registration: Registration = OPEN) -> Track:
        return Protocols(self.ledger).find(registration.id, registration.researcher)

    def allotted(self) -> int:
        return self.call("datasetOf", DATA)[2]

    def now(self) -> int:
        return self.connection.web3.eth.get_block("latest")["timestamp"]

    def next_block_at(self, time: int) -> None:
        """Give the next block this time."""
        if self.connection.is_in_process:
            self.connection.web3.provider.ethereum_tester.time_travel(time)
        else:
            self.connection.web3.provider.make_request("evm_setNextBlockTimestamp", [time])


def told(registration: Registration) -> tuple[str, bytes, bytes]:
    """How steward and researcher name a protocol to the contract."""
    return registration.researcher, raw(registration.dataset), raw(registration.seal)


@contextmanager
def refuses(kind: type[ContractError], *arguments) -> Iterator[None]:
    """That the contract refuses with exactly this error and these arguments, as Python shows them."""
    with pytest.raises(ContractError) as caught:
        yield
    found = (type(caught.value), caught.value.arguments)
    assert found == (kind, arguments), f"expected {kind.__name__}{arguments}, got {caught.value}"


def registered_parties(ledger: Ledger) -> World:
    """The parties with their roles, and nothing else."""
    world = World(ledger)
    for party in PARTIES.values():
        fund(ledger.connection, party.address)
    for party, role in ROLES.items():
        world.send(ADMIN, "grantRole", role_id(role), party.address)
    for role in (STEWARD_ROLE, RESEARCHER_ROLE):
        world.send(ADMIN, "renounceRole", role, ADMIN.address)
    return world


def everybody(ledger: Ledger) -> World:
    """The parties with their roles, a dataset, and a protocol that runs and has one attempt."""
    world = registered_parties(ledger)
    world.send(STEWARD, "registerDataset", raw(COMMITMENT), 0, CAP)
    world.register(OPEN)
    world.approve(OPEN, BUDGET, OPEN_RELEASES)
    world.send(RESEARCHER, "logAttempt", raw(OPEN.id), 1, hashed("attempt 1"))
    return world


def released(name="a") -> bytes:
    return raw(made(name).release)


def stands(world, name="a", issuer=RESEARCHER):
    return world.call("stands", released(name), issuer.address)


def withdraw(world, name="a", party=RESEARCHER, reason=REASON):
    return world.send(party, "revoke", released(name), reason)


def replace(world, name, successor, party=RESEARCHER, reason=REASON):
    return world.send(party, "supersede", released(name), released(successor), reason)


@contextmanager
def restored(world: World) -> Iterator[World]:
    """Put chain and memory back afterwards."""
    connection, memory, tester = world.connection, world.ledger._events, None
    heard = events._HEARD.setdefault(connection, {})
    kept = dict(heard)
    if connection.is_in_process:
        tester = connection.web3.provider.ethereum_tester
        before = tester.take_snapshot()
    else:
        before = connection.web3.provider.make_request("evm_snapshot", [])["result"]
    try:
        yield world
    finally:
        heard.clear()
        heard.update(kept)
        memory._decoded, memory._num_decoded = [], 0
        if tester is not None:
            tester.revert_to_snapshot(before)
        else:
            connection.web3.provider.make_request("evm_revert", [before])
