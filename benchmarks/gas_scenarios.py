"""What the gas benchmark does: named scenarios of ours, of EAS and of the plainest contracts.

A scenario prepares itself on a chain and returns what to do for each of its transactions. Every transaction
that `Watched` sends meanwhile is counted, so a scenario may use the library as anybody would. New ones of
ours go into `OURS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from eth_abi import encode
from eth_account.signers.local import LocalAccount
from eth_tester import EthereumTester
from web3 import EthereumTesterProvider

from benchmarks.gas_contracts import Artifact
from synthlib.chain.agreements import Agreement, Agreements
from synthlib.chain.attestations import Attestations, Verdict
from synthlib.chain.connection import Connection, Sent
from synthlib.chain.in_process import GENESIS_TIME
from synthlib.chain.merkle import leaf_hash, root_from_path
from synthlib.chain.protocols import Protocol
from synthlib.chain.records import NOT_PRIVATE, Generation
from synthlib.chain.registry import Ledger
from synthlib.chain.roles import AUDITOR, Roles
from synthlib.chain.study import Study

ROOM = 200_000_000  # gas that a block of the in-process chain holds here
GAS = 29_000_000  # limit of a transaction on the in-process chain; a node estimates
NOBODY, NOTHING = "0x" + "00" * 20, bytes(32)
WORDS = "bytes32 first,bytes32 second,bytes32 third,bytes32 fourth,bytes32 fifth"


def make_words(name: str) -> list[bytes]:
    """Five digests, other ones for each name."""
    return [hashlib.sha256(f"{name} {word}".encode()).digest() for word in range(5)]


class Watched(Connection):
    """A Connection that remembers what it sent."""

    def __init__(self, *arguments: Any, **options: Any):
        self.sent: list[Sent] = []
        super().__init__(*arguments, **options)

    @classmethod
    def roomy(cls) -> Watched:
        """An in-process chain whose blocks hold more.

        After a block that is more than half full, gas has a price from the next block on, and nobody on the
        in-process chain has money. EAS's batch of 100 would fill most of a block as they are otherwise.
        """
        backend = type(cls.in_process().web3.provider.ethereum_tester.backend)
        genesis = backend.generate_genesis_params({"timestamp": GENESIS_TIME, "gas_limit": ROOM})
        nobody = {bytes(20): {"balance": 0, "nonce": 0, "code": b"", "storage": {}}}
        tester = EthereumTester(backend(genesis | {"base_fee_per_gas": 0}, nobody))
        return cls(EthereumTesterProvider(tester), "the in-process chain with roomy blocks", True)

    def send(self, *arguments: Any, **options: Any) -> Sent:
        self.sent.append(super().send(*arguments, **options))
        return self.sent[-1]


class Bench(NamedTuple):
    """What a scenario has to work with.

    Attributes:
        connection: the chain.
        account: who signs.
        contracts: compiled contracts by name.
        name: the scenario's, so that no two record the same words.
        count: how many transactions it will be asked for.
    """

    connection: Watched
    account: LocalAccount
    contracts: Mapping[str, Artifact]
    name: str
    count: int

    def words(self, number: int) -> list[bytes]:
        """Five words, other ones for each number and scenario."""
        return make_words(f"{self.name} {number}")

    def deploy(self, name: str, *arguments: tuple[str, Any]) -> Any:
        """Create a contract from arguments with their types; returns it bound to its address."""
        artifact = self.contracts[name]
        types, values = [kind for kind, _ in arguments], [value for _, value in arguments]
        data = artifact.bytecode + encode(types, values).hex()
        address = self.connection.send(self.account, data, None, GAS, artifact.abi).receipt["contract"]
        return self.connection.web3.eth.contract(address, abi=artifact.abi)

    def send(self, contract: Any, function: str, *arguments: Any) -> dict[str, Any]:
        """Call a function in a transaction; returns the receipt."""
        data = contract.encode_abi(function, arguments)
        return self.connection.send(self.account, data, contract.address, GAS, contract.abi).receipt


Action = Callable[[int], Any]  # what to do for the transaction of a number, from 0


class Scenario(NamedTuple):
    """Something to measure.

    Attributes:
        prepare: makes ready and returns the Action.
        records: how many each step of it records.
        compiled: the contract whose compiler is named, the registry's if None.
        times: how many steps, if not as many as asked.
    """

    prepare: Callable[[Bench], Action]
    records: int = 1
    compiled: str | None = None
    times: int | None = None


# Ours, through the Ledger, which asks the chain before and after. Its CPU time includes that.


def open_study(ledger: Ledger) -> Study:
    """A study of the ledger's account on a dataset of its own, with an attempt and room for many releases."""
    protocol = Protocol(*["measured"] * len(Protocol._fields))
    commitment = hashlib.sha256(b"dataset").hexdigest()
    study = Study.open(ledger, protocol, commitment, cap=4000.0, budget=4000.0, open_releases=60_000)
    study.attempt({"model_type": "TabularGAN"})
    return study


def make_generation(name: str, study: Study, spend: int = NOT_PRIVATE) -> Generation:
    """What could be said of a release of a study, other digests for each name."""
    release, commitment, synthetic, parameters, characteristics = (word.hex() for word in make_words(name))
    said = (commitment, synthetic, "TabularGAN", parameters, characteristics)
    return Generation(release, study.registration.id, *said, spend, 1)


def _ledger(bench: Bench) -> Ledger:
    return Ledger(bench.connection, None, bench.account)


def _deploy_ours(bench: Bench) -> Action:
    return lambda number: _ledger(bench)


def _record(spend: int) -> Callable[[Bench], Action]:
    def prepare(bench: Bench) -> Action:
        ledger = _ledger(bench)
        study, name = open_study(ledger), bench.name
        return lambda number: ledger.record_generation(make_generation(f"{name} {number}", study, spend))

    return prepare


def _revoke(bench: Bench) -> Action:
    ledger = _ledger(bench)
    study = open_study(ledger)
    digests = [
        ledger.record_generation(make_generation(f"{bench.name} {number}", study)).release
        for number in range(bench.count)
    ]
    return lambda number: ledger.revoke(digests[number], "superseded")


def _attempt(size: int) -> Callable[[Bench], Action]:
    def prepare(bench: Bench) -> Action:
        study = open_study(_ledger(bench))

        def act(number: int) -> None:
            study.attempt_all([{"seed": number * size + each} for each in range(size)])

        return act

    return prepare


def _row(bench: Bench) -> Action:
    """A row of a table of 2^20 rows, shown to the contract in a transaction. Its 20 siblings are made up."""
    ledger = _ledger(bench)
    study, num_rows, index = open_study(ledger), 2**20, 123_456
    header, rest = hashlib.sha256(b"header").digest(), hashlib.shake_256(b"row").digest(132)
    data = header + index.to_bytes(8, "big") + rest
    path = [hashlib.sha256(f"sibling {level}".encode()).digest() for level in range(20)]
    root = root_from_path(leaf_hash(data), index, num_rows, path)
    said = make_generation(bench.name, study)._replace(synthetic=root.hex())
    ledger.record_generation(said)
    whose = (bytes.fromhex(said.release), bench.account.address, said.content)
    shown = (*whose, data, index, num_rows, path)
    if not ledger.call("isRow", *shown, contract="RowProofs"):
        raise AssertionError("expected the contract to find the row")
    return lambda number: ledger.send("isRow", *shown, contract="RowProofs")


def _verdict(bench: Bench) -> Action:
    ledger = _ledger(bench)
    Roles(ledger).grant(AUDITOR, bench.account.address)
    release = ledger.record_generation(make_generation(bench.name, open_study(ledger))).release
    attestations = Attestations(ledger)

    def act(number: int) -> None:
        report = make_words(f"report {number}")[0].hex()
        verdict = Verdict(release, bench.account.address, "passed", report, "ab" * 32, 2**40)
        attestations.attest(verdict, bench.account.address, attestations.sign(verdict))

    return act


def _access(bench: Bench) -> Action:
    ledger = _ledger(bench)
    dataset, agreements = open_study(ledger).registration.dataset, Agreements(ledger)
    terms, purpose, key = (word.hex() for word in make_words(bench.name)[:3])
    agreement = Agreement(dataset, bench.account.address, terms, purpose, ("DUO:0000042",), 2**39)
    agreements.offer(agreement)
    agreements.accept(agreement, key, agreements.sign(agreement, key))
    return lambda number: agreements.log_access(agreement.id, bench.words(number)[0].hex())


OURS: dict[str, Scenario] = {
    "deploy": Scenario(_deploy_ours, times=1),
    "record": Scenario(_record(NOT_PRIVATE)),
    "record with a privacy spend": Scenario(_record(1000)),
    "attempt": Scenario(_attempt(1)),
    "1,000 attempts together": Scenario(_attempt(1000), records=1000, times=3),
    "revoke": Scenario(_revoke),
    "a row of 2^20, shown in a transaction": Scenario(_row, times=3),
    "verdict": Scenario(_verdict),
    "access under an agreement": Scenario(_access),
}

# EAS: a schema of five words, no resolver, nobody as the recipient, no expiry, revocable.


def _deploy_eas(bench: Bench) -> Any:
    registry = bench.deploy("SchemaRegistry")
    return bench.deploy("EAS", ("address", registry.address)), registry


def _register(bench: Bench, registry: Any, number: int) -> bytes:
    schema = WORDS.replace("first", f"first{number}") if number else WORDS
    receipt = bench.send(registry, "register", schema, NOBODY, True)
    return bytes.fromhex(receipt["logs"][0]["topics"][1][2:])


def _request(bench: Bench, number: int) -> tuple:
    return (NOBODY, 0, True, NOTHING, encode(["bytes32"] * 5, bench.words(number)), 0)


def _registering(bench: Bench) -> Action:
    _, registry = _deploy_eas(bench)
    return lambda number: _register(bench, registry, number)


def _attesting(bench: Bench) -> Action:
    eas, registry = _deploy_eas(bench)
    schema = _register(bench, registry, 0)
    return lambda number: bench.send(eas, "attest", (schema, _request(bench, number)))


def _attesting_many(size: int) -> Callable[[Bench], Action]:
    def prepare(bench: Bench) -> Action:
        eas, registry = _deploy_eas(bench)
        schema = _register(bench, registry, 0)

        def act(number: int) -> None:
            requests = [_request(bench, number * size + each) for each in range(size)]
            bench.send(eas, "multiAttest", [(schema, requests)])

        return act

    return prepare


def _revoking(bench: Bench) -> Action:
    eas, registry = _deploy_eas(bench)
    schema = _register(bench, registry, 0)
    uids = []
    for number in range(bench.count):
        receipt = bench.send(eas, "attest", (schema, _request(bench, number)))
        uids.append(bytes.fromhex(receipt["logs"][0]["data"][2:]))
    return lambda number: bench.send(eas, "revoke", (schema, (uids[number], 0)))


def _stamping(bench: Bench) -> Action:
    eas, _ = _deploy_eas(bench)
    return lambda number: bench.send(eas, "timestamp", bench.words(number)[0])


def _stamping_many(size: int) -> Callable[[Bench], Action]:
    def prepare(bench: Bench) -> Action:
        eas, _ = _deploy_eas(bench)
        return lambda number: bench.send(
            eas, "multiTimestamp", [bench.words(number * size + each)[0] for each in range(size)]
        )

    return prepare


EAS: dict[str, Scenario] = {
    "deploy EAS and SchemaRegistry": Scenario(lambda bench: lambda number: _deploy_eas(bench), 1, "EAS", 1),
    "register a schema": Scenario(_registering, 1, "EAS", 3),
    "attest": Scenario(_attesting, 1, "EAS"),
    "multiAttest of 10": Scenario(_attesting_many(10), 10, "EAS", 5),
    "multiAttest of 100": Scenario(_attesting_many(100), 100, "EAS", 3),
    "revoke": Scenario(_revoking, 1, "EAS"),
    "timestamp (one word)": Scenario(_stamping, 1, "EAS"),
    "multiTimestamp of 100 (one word each)": Scenario(_stamping_many(100), 100, "EAS", 3),
}

# The plainest ways to put five words on a chain: nobody is named, nothing is checked, nothing can be revoked.


def _plainly(name: str) -> Scenario:
    def prepare(bench: Bench) -> Action:
        contract = bench.deploy(name)
        return lambda number: bench.send(contract, "record", tuple(bench.words(number)))

    return Scenario(prepare, 1, name)


PLAIN: dict[str, Scenario] = {
    "event alone": _plainly("EventAlone"),
    "one slot and an event": _plainly("SlotAndEvent"),
    "five slots": _plainly("FiveSlots"),
}

SCENARIOS: dict[str, dict[str, Scenario]] = {"ours": OURS, "EAS": EAS, "plain": PLAIN}
