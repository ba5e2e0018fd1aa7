"""Small releases, accounts and transactions for tests of the chain."""

import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path

import pandas as pd
import requests
from eth_account import Account
from eth_account.signers.local import LocalAccount

from synthlib.bundle import Bundle, canonical_json
from synthlib.chain.attempts import Draw
from synthlib.chain.commitments import commit, read_synthetic, table_digest
from synthlib.chain.connection import Connection
from synthlib.chain.contracts import REGISTRY, load_artifact, load_errors
from synthlib.chain.datasets import dataset_id
from synthlib.chain.protocols import Protocol, Protocols, Registration
from synthlib.chain.records import NOT_PRIVATE, Generation
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import RESEARCHER, Roles
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
COMMITMENT = digest("dataset")
DATASET = dataset_id(account("admin").address, COMMITMENT)
COMMITTED = commit(TRAINING, KEY).hex()


def registration(researcher: str = "admin", dataset: str = DATASET) -> Registration:
    """The protocol as the account of this name registers it."""
    return Registration(dataset, account(researcher).address, PROTOCOL.digest)


def own_protocol(researcher: str) -> str:
    """Id of the protocol that `open_study` registers for this account, the steward of its dataset too."""
    return registration(researcher, dataset_id(account(researcher).address, COMMITMENT)).id


def open_study(ledger: Ledger, num_attempts: int = 1, **options) -> Study:
    """The protocol registered and approved for the ledger's account, its steward too, with attempts."""
    settings = {"protocol": PROTOCOL, "cap": 1.0, "budget": 0.5, "open_releases": 100} | options
    study = Study.open(ledger, commitment=COMMITMENT, **settings)
    for number in range(num_attempts):
        study.attempt({"model_type": "TabularGAN", "seed": number, "training_commitment": COMMITTED})
    return study


def approve_study(steward: Ledger, researcher: LocalAccount) -> Study:
    """A study of another researcher, who gets the role, on the dataset of the ledger's account."""
    fund(steward.connection, researcher.address)
    Roles(steward).grant(RESEARCHER, researcher.address)
    theirs = steward.acting_as(researcher)
    registration = Protocols(theirs).prepare(PROTOCOL, dataset_id(steward.sender, COMMITMENT))
    Protocols(theirs).register(registration)
    Protocols(steward).approve(registration, 0.1, 2)
    study = Study(theirs, PROTOCOL, registration)
    study.attempt({"model_type": "TabularGAN", "seed": 9})
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


@cache
def demo_study() -> Study:
    """The demo issuer's study of one attempt on a chain of its own. All tests share it: log nothing there."""
    return open_study(Ledger.in_process())


def make_release(
    path: Path, seed: int = 0, study: Study | None = None, attempt: int = 1, **changes
) -> Bundle:
    """A release Bundle of three rows.

    Args:
        seed: changes a row.
        study: whose it is. If None, it is one of the demo issuer's, whose journal waits in `ledger/`.
        attempt: that it is of.
        changes: of the manifest's parameters.
    """
    own = study or demo_study()
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
        "training_commitment": COMMITTED,
        "seed": seed,
        "num_rows": 3,
        "given": None,
        "versions": {"keras": "3.15.1"},
    }
    with Bundle.create(path, kind="release", parameters=parameters) as folder:
        synthetic_table(seed).to_csv(folder / "synthetic.csv", index=False)
        (folder / "schema.json").write_text(SCHEMA.to_json())
        (folder / "report.csv").write_text("metric,value,low,high,reference\nks[age],0.1,0.05,0.15,0.08\n")
        (folder / "deidentification.csv").write_text("column,action,reason\nname,dropped,direct identifier\n")
        as_read = read_synthetic(folder / "synthetic.csv", SCHEMA)
        tree = RowTree.build(as_read, TRAINING.assign(creatinine=1.0), KEY)
        (folder / ROWS_FILE).write_bytes(describe_rows(tree))
        parameters["synthetic_digest"] = table_digest(as_read).hex()
        parameters["rows_root"] = tree.root.hex()
        parameters.update(changes)
        before = deepcopy(own.attempts)
        draw = own.note_draw(attempt, Draw(seed, 3, None, parameters["synthetic_digest"]))
        parameters.setdefault("protocol", own.describe(attempt, None, draw))
        own.write(folder)
        own.attempts = before  # tests share studies: none shall see another's draws
    bundle = Bundle.open(path)
    if study is None:
        own.ledger.leave_journal(bundle)
    return bundle


def write_changed(bundle: Bundle, name: str, change: Callable[[bytes], bytes], path: Path) -> Bundle:
    """A release as an issuer would write it who lies in one file: its manifest fits what it says."""
    with Bundle.create(path, "release", bundle.parameters) as folder:
        for each in bundle.files:
            data = bundle.file(each).read_bytes()
            (folder / each).write_bytes(change(data) if each == name else data)
    return Bundle.open(path)


def edit_json(change: Callable[[dict], None]) -> Callable[[bytes], bytes]:
    """What changes a JSON document's bytes as `change` changes the document."""

    def edit(data: bytes) -> bytes:
        document = json.loads(data)
        change(document)
        return canonical_json(document)

    return edit


def read_ledger(bundle: Bundle) -> dict[str, bytes]:
    """The files of a release's `ledger/`."""
    return {file.name: file.read_bytes() for file in (bundle.path / "ledger").iterdir()}


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


def contract_of(ledger: Ledger, name: str = REGISTRY):
    """A ledger's contract as web3 has it, with all of its functions and events."""
    return ledger.connection.web3.eth.contract(ledger.addresses[name], abi=load_artifact(name)["abi"])


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
    """A port that was free a moment ago: another process may take it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def dead_port() -> Iterator[int]:
    """A port at which nobody answers meanwhile: it is taken, and nobody listens there."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
