"""Small releases, accounts and transactions for tests of the chain."""

import hashlib
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import requests
from eth_account import Account
from eth_account.signers.local import LocalAccount

from synthlib.bundle import Bundle
from synthlib.chain.commitments import commit, synthetic_digest
from synthlib.chain.connection import Connection
from synthlib.chain.records import Generation, load_artifact
from synthlib.chain.registry import Ledger
from synthlib.keys import StewardKey
from synthlib.schema import Column, Schema

CONTRACTS = Path(__file__).parents[1] / "contracts"
SEPOLIA = 11_155_111  # number of a public test network
KEY = StewardKey.for_public_data("tests")
TRAINING = pd.DataFrame({"age": [61, 45, 77, 50], "sex": ["f", "m", "f", "m"]})
SCHEMA = Schema(
    (
        Column("age", "integer", "int64", low=18, high=120),
        Column("sex", "categorical", "object", categories=("f", "m"), nullable=True),
        Column("creatinine", "continuous", "float64", decimals=2, nullable=True),
    ),
    target="sex",
)


def account(name: str) -> LocalAccount:
    """An account of its own for each name."""
    return Account.from_key(hashlib.sha256(f"test account {name}".encode()).digest())


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def generation(name: str, **changes: str) -> Generation:
    """What could be said of a release, with digests made from its name."""
    fields = {field: digest(f"{name} {field}") for field in Generation._fields} | {"model_type": "TabularGAN"}
    return Generation(**(fields | changes))


def synthetic_table(seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(
        {"age": [60 + seed, 71, 48], "sex": ["f", None, "m"], "creatinine": [0.1, 1.25, None]}
    )


def make_release(path: Path, seed: int = 0, **changes) -> Bundle:
    """A release Bundle of three rows."""
    parameters = {
        "model_type": "TabularGAN",
        "model": {
            "latent_dim": 128,
            "critic_steps": 2,
            "gradient_penalty_weight": 10.0,
            "hidden": [256, 256],
        },
        "characteristics": {
            "num_rows": 4,
            "num_columns": 2,
            "kinds": {"age": "integer", "sex": "categorical"},
        },
        "training_commitment": commit(TRAINING, KEY).hex(),
        "seed": seed,
        "num_rows": 3,
        "versions": {"keras": "3.15.1"},
    }
    with Bundle.create(path, kind="release", parameters=parameters) as folder:
        synthetic_table(seed).to_csv(folder / "synthetic.csv", index=False)
        (folder / "schema.json").write_text(SCHEMA.to_json())
        (folder / "report.csv").write_text("metric,value,low,high,reference\nks[age],0.1,0.05,0.15,0.08\n")
        (folder / "deidentification.csv").write_text("column,action,reason\nname,dropped,direct identifier\n")
        parameters["synthetic_digest"] = synthetic_digest(folder / "synthetic.csv", SCHEMA).hex()
        parameters.update(changes)
    return Bundle.open(path)


def fund(connection: Connection, address: str) -> None:
    """Give an account of a test node money for gas; the in-process chain asks for none."""
    if not connection.is_in_process:
        connection.web3.provider.make_request("anvil_setBalance", [address, hex(10**20)])


def advance(connection: Connection, seconds: int) -> None:
    """Let a test chain's clock run."""
    if connection.is_in_process:
        now = connection.web3.eth.get_block("latest")["timestamp"]
        connection.web3.provider.ethereum_tester.time_travel(now + seconds)
    else:
        connection.web3.provider.make_request("evm_increaseTime", [seconds])
        connection.web3.provider.make_request("evm_mine", [])


def send(ledger: Ledger, sender: LocalAccount, name: str, *arguments) -> dict:
    """Call any function of a ledger's contract in a transaction; returns the receipt."""
    abi = load_artifact()["abi"]
    contract = ledger.connection.web3.eth.contract(ledger.address, abi=abi)
    data = contract.encode_abi(name, arguments)
    return ledger.connection.send(sender, data, ledger.address, 500_000, abi).receipt


def call(ledger: Ledger, sender: LocalAccount, name: str, *arguments):
    """What any function of a ledger's contract would return to a sender."""
    contract = ledger.connection.web3.eth.contract(ledger.address, abi=load_artifact()["abi"])
    return ledger.connection.call(contract.functions[name](*arguments), sender.address)


def rpc(url: str, method: str, *params):
    """One request to a node, past the library; its result."""
    answer = requests.post(url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).json()
    assert "error" not in answer, answer
    return answer["result"]


class Script:
    """A clock that runs when somebody sleeps, and what happens on the chain meanwhile.

    Args:
        events: functions, one called at each pause; the last one at every further pause.
    """

    def __init__(self, events: Iterable[Callable] = ()):
        self.events, self.now, self.pauses = list(events), 0.0, []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        if self.events:
            (self.events.pop(0) if len(self.events) > 1 else self.events[0])()
        time.sleep(0.002)  # a node needs a moment too

    def clock(self) -> float:
        return self.now

    @property
    def times(self) -> dict[str, Callable]:
        """What `Connection.by_url` takes."""
        return {"sleep": self.sleep, "clock": self.clock}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
