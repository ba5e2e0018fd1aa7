"""What each function of the contracts that changes state costs, on the in-process chain: `measure()`.

`SCENARIOS` names every measured transaction `Contract.function`, with ` (what is special)` behind it where
one function is measured several times, and `Contract.constructor` for the deployment. A scenario gets a new
chain, prepares what it needs and returns the gas of the one transaction that it is about. After a change that
is meant to cost more or less, `make snapshots` measures `contracts/snapshots/gas.json` anew.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from chain_helpers import account, advance, generation
from eth_account.signers.local import LocalAccount
from eth_utils import keccak

from synthlib.chain.connection import Connection

ARTIFACTS = Path(__file__).parents[1] / "synthlib" / "chain" / "artifacts"
GAS_LIMIT = 10_000_000
DAY = 86_400
ADMIN, RECORDER, OTHER = (account(name) for name in ("admin", "recorder", "other recorder"))
RECORDER_ROLE = keccak(text="RECORDER_ROLE")


class Deployed(NamedTuple):
    """A contract on the in-process chain.

    Attributes:
        connection: the chain.
        abi: of the contract.
        address: where it is.
        gas_used: by its deployment.
    """

    connection: Connection
    abi: list[dict[str, Any]]
    address: str
    gas_used: int

    def send(self, sender: LocalAccount, function: str, *arguments: Any) -> int:
        """Call a function in a transaction; returns the gas that it used."""
        contract = self.connection.web3.eth.contract(self.address, abi=self.abi)
        data = contract.encode_abi(function, arguments)
        return self.connection.send(sender, data, self.address, GAS_LIMIT, self.abi).receipt["gas_used"]


def load_artifacts() -> dict[str, dict[str, Any]]:
    """Every compiled contract by name."""
    return {path.stem: json.loads(path.read_bytes()) for path in sorted(ARTIFACTS.glob("*.json"))}


def deploy(connection: Connection, name: str, *arguments: Any, sender: LocalAccount = ADMIN) -> Deployed:
    """Put a compiled contract on a chain."""
    artifact = load_artifacts()[name]
    contract = connection.web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    data = contract.constructor(*arguments).data_in_transaction
    receipt = connection.send(sender, data, None, GAS_LIMIT, artifact["abi"]).receipt
    return Deployed(connection, artifact["abi"], receipt["contract"], receipt["gas_used"])


# --- ProvenanceRegistry --------------------------------------------------------------------------------


def registry(connection: Connection) -> Deployed:
    return deploy(connection, "ProvenanceRegistry", DAY, ADMIN.address, RECORDER.address)


def registry_with_record(connection: Connection) -> Deployed:
    deployed = registry(connection)
    deployed.send(RECORDER, "record", generation("a").to_abi())
    return deployed


def measure_second_record(connection: Connection) -> int:
    return registry_with_record(connection).send(RECORDER, "record", generation("b").to_abi())


def measure_revoke(connection: Connection) -> int:
    release = bytes.fromhex(generation("a").release)
    return registry_with_record(connection).send(RECORDER, "revoke", release, keccak(text="reason"))


def measure_accept_transfer(connection: Connection) -> int:
    deployed = registry(connection)
    deployed.send(ADMIN, "beginDefaultAdminTransfer", OTHER.address)
    advance(connection, DAY + 60)
    return deployed.send(OTHER, "acceptDefaultAdminTransfer")


def measure_cancel_transfer(connection: Connection) -> int:
    deployed = registry(connection)
    deployed.send(ADMIN, "beginDefaultAdminTransfer", OTHER.address)
    return deployed.send(ADMIN, "cancelDefaultAdminTransfer")


def measure_rollback_delay(connection: Connection) -> int:
    deployed = registry(connection)
    deployed.send(ADMIN, "changeDefaultAdminDelay", 2 * DAY)
    return deployed.send(ADMIN, "rollbackDefaultAdminDelay")


def on_new_registry(sender: LocalAccount, function: str, *arguments: Any) -> Callable[[Connection], int]:
    """A scenario that is one call to a registry on which nothing has happened."""
    return lambda connection: registry(connection).send(sender, function, *arguments)


SCENARIOS: dict[str, Callable[[Connection], int]] = {
    "ProvenanceRegistry.constructor": lambda connection: registry(connection).gas_used,
    "ProvenanceRegistry.record": on_new_registry(RECORDER, "record", generation("a").to_abi()),
    "ProvenanceRegistry.record (second)": measure_second_record,
    "ProvenanceRegistry.record (longest name)": on_new_registry(
        RECORDER, "record", generation("a", model_type="x" * 64).to_abi()
    ),
    "ProvenanceRegistry.revoke": measure_revoke,
    "ProvenanceRegistry.grantRole": on_new_registry(ADMIN, "grantRole", RECORDER_ROLE, OTHER.address),
    "ProvenanceRegistry.revokeRole": on_new_registry(ADMIN, "revokeRole", RECORDER_ROLE, RECORDER.address),
    "ProvenanceRegistry.renounceRole": on_new_registry(
        RECORDER, "renounceRole", RECORDER_ROLE, RECORDER.address
    ),
    "ProvenanceRegistry.beginDefaultAdminTransfer": on_new_registry(
        ADMIN, "beginDefaultAdminTransfer", OTHER.address
    ),
    "ProvenanceRegistry.cancelDefaultAdminTransfer": measure_cancel_transfer,
    "ProvenanceRegistry.acceptDefaultAdminTransfer": measure_accept_transfer,
    "ProvenanceRegistry.changeDefaultAdminDelay": on_new_registry(ADMIN, "changeDefaultAdminDelay", 2 * DAY),
    "ProvenanceRegistry.rollbackDefaultAdminDelay": measure_rollback_delay,
}


def measure() -> dict[str, int]:
    """Gas of every scenario, each on a chain of its own."""
    return {name: scenario(Connection.in_process()) for name, scenario in SCENARIOS.items()}


def list_expected() -> set[str]:
    """`Contract.function` for the constructor and every function that changes state, of every contract."""
    return {
        f"{name}.{entry.get('name', 'constructor')}"
        for name, artifact in load_artifacts().items()
        for entry in [*artifact["abi"], {"type": "constructor"}]
        if entry["type"] == "constructor"
        or (entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure"))
    }
