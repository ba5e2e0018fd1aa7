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
from synthlib.chain.commitments import commit, read_synthetic, table_digest
from synthlib.chain.connection import Connection
from synthlib.chain.contracts import REGISTRY, load_artifact, load_errors
from synthlib.chain.protocols import Protocol, Registration
from synthlib.chain.records import NOT_PRIVATE, Generation
from synthlib.chain.registry import Ledger
from synthlib.chain.rows import ROWS_FILE, RowTree, describe_rows
from synthlib.chain.study import Study
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


PROTOCOL = Protocol(
    cohort={"table": "four patients"},
    split={"holdout": 0.2},
    models=["TabularGAN"],
    metrics=["ks"],
    acceptance={"ks": 0.1},
    privacy=None,
)
DATASET = digest("dataset")


def registration(researcher: str = "admin") -> Registration:
    """The protocol as the account of this name registers it."""
    return Registration(DATASET, account(researcher).address, PROTOCOL.digest)


def open_study(ledger: Ledger, num_attempts: int = 1, **options) -> Study:
    """The protocol registered and approved for the ledger's account, its steward too, with attempts."""
    settings = {"cap": 1.0, "budget": 0.5, "open_releases": 100} | options
    study = Study.open(ledger, PROTOCOL, DATASET, **settings)
    for number in range(num_attempts):
        study.attempt({"model_type": "TabularGAN", "seed": number})
    return study


def generation(name: str, researcher: str = "admin", **changes) -> Generation:
    """What could be said of a release by the account of this name, with digests made from the release's."""
    fields = {field: digest(f"{name} {field}") for field in Generation._fields}
    fields |= {"model_type": "TabularGAN", "protocol": registration(researcher).id}
    return Generation(**(fields | {"spend": NOT_PRIVATE, "attempt": 1} | changes))


def synthetic_table(seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(
        {"age": [60 + seed, 71, 48], "sex": ["f", None, "m"], "creatinine": [0.1, 1.25, None]}
    )


def make_release(path: Path, seed: int = 0, study: Study | None = None, **changes) -> Bundle:
    """A release Bundle of three rows.

    Without a study, it is one of the demo issuer's on a chain of its own, whose journal waits in `ledger/`.
    """
    own = study or open_study(Ledger.in_process())
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
        "protocol": own.describe(1, None),
    }
    with Bundle.create(path, kind="release", parameters=parameters) as folder:
        synthetic_table(seed).to_csv(folder / "synthetic.csv", index=False)
        (folder / "schema.json").write_text(SCHEMA.to_json())
        (folder / "report.csv").write_text("metric,value,low,high,reference\nks[age],0.1,0.05,0.15,0.08\n")
        (folder / "deidentification.csv").write_text("column,action,reason\nname,dropped,direct identifier\n")
        as_read = read_synthetic(folder / "synthetic.csv", SCHEMA)
        tree = RowTree.build(as_read, TRAINING.assign(creatinine=1.0), KEY)
        (folder / ROWS_FILE).write_bytes(describe_rows(tree))
        own.write(folder)
        parameters["synthetic_digest"] = table_digest(as_read).hex()
        parameters["rows_root"] = tree.root.hex()
        parameters.update(changes)
    bundle = Bundle.open(path)
    if study is None:
        own.ledger.leave_journal(bundle)
    return bundle


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


def send(ledger: Ledger, sender: LocalAccount, name: str, *arguments, contract: str = REGISTRY) -> dict:
    """Call any function of a ledger's contracts in a transaction; returns the receipt."""
    place = ledger.addresses[contract]
    data = ledger.connection.web3.eth.contract(place, abi=load_artifact(contract)["abi"]).encode_abi(
        name, arguments
    )
    receipt = ledger.connection.send(sender, data, place, 1_000_000, load_errors()).receipt
    ledger.hear(receipt)
    return receipt


def call(ledger: Ledger, sender: LocalAccount, name: str, *arguments, contract: str = REGISTRY):
    """What any function of a ledger's contracts would return to a sender."""
    return ledger.acting_as(sender).call(name, *arguments, contract=contract)


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
