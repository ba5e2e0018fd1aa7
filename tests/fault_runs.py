"""Runs that record releases through a faulty network, and what the chain holds afterwards.

tests/test_faults.py makes a few of them, benchmarks/faults.py many. A run draws all its faults from its seed.
"""

import contextlib
import itertools
import multiprocessing
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from chain_helpers import account, fund, generation, open_study, own_protocol, rpc
from fault_proxy import FaultProxy

from synthlib.chain.connection import Connection
from synthlib.chain.errors import ChainError, NotRecorded, WrongChain
from synthlib.chain.patience import Patience
from synthlib.chain.registry import Ledger

QUICK = Patience(request=0.15, first_pause=0.01, longest_pause=0.05, connect=5, retry=5, poll=0.05)
SCENARIOS = ("one publisher", "several publishers", "killed", "reorganised")
PUBLISHER_NAME = "publisher under faults"
PUBLISHER = account(PUBLISHER_NAME)
_TRIES = 20  # how often a publisher calls again after an error
# Processes that are killed start from a server that has imported everything: 10 ms instead of 2 s.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["fault_runs"])


class Outcome(NamedTuple):
    """What came of a run.

    Attributes:
        scenario: one of SCENARIOS.
        faults: how many of each kind the proxy made, kills and reorganisations among them.
        num_releases: how many were to be recorded.
        num_once, num_lost, num_twice: how many the chain holds once, never, more than once.
        num_again: how often a publisher called again, after an error or since a record had vanished.
        num_transactions: how many the account sent that blocks hold.
    """

    scenario: str
    faults: Mapping[str, int]
    num_releases: int
    num_once: int
    num_lost: int
    num_twice: int
    num_again: int
    num_transactions: int


# --- the only contact with the Ledger ------------------------------------------------------------------


def connect_ledger(url, publisher, address=None, **options) -> Ledger:
    """A ledger by URL; without an address it deploys a registry, on which the publisher opens a study."""
    ledger = Ledger(Connection.by_url(url, **options), address, publisher)
    if address is None:
        open_study(ledger, open_releases=60_000)
    return ledger


def record(ledger: Ledger, said):
    return ledger.record_generation(said)


def find(ledger: Ledger, said):
    """Raises NotRecorded if it is not there."""
    return ledger.find(said.release, PUBLISHER.address)


def count_records(url: str, address: str, said) -> int:
    """How many transactions the chain itself holds that recorded a release."""
    wanted = {"address": address, "fromBlock": "0x0", "topics": [None, "0x" + said.release]}
    return len({log["transactionHash"] for log in rpc(url, "eth_getLogs", wanted)})


# --- runs ----------------------------------------------------------------------------------------------


class Miner:
    """Lets a node that was started with --no-mining make a block every 50 ms, until its context ends.

    anvil can do so itself. But when it is told to replace blocks while it makes one, it may keep the old ones
    in its history beside the new: one transaction in two blocks. Here the two never meet.
    """

    def __init__(self, url: str):
        self._url, self.lock, self._is_over = url, threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._mine, daemon=True)

    def __enter__(self) -> "Miner":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._is_over.set()
        self._thread.join()

    def replace(self, num_blocks: int) -> None:
        """Put empty blocks in the place of the last ones."""
        with self.lock:
            rpc(self._url, "anvil_reorg", num_blocks, [])

    def _mine(self) -> None:
        while not self._is_over.wait(0.05):
            with self.lock:
                rpc(self._url, "evm_mine")


class Node(NamedTuple):
    """A node and what is on it.

    Attributes:
        url: the node's own.
        address: the registry's.
        confirmations: blocks that publishers wait for.
        miner: what makes its blocks, None if the node does when something is sent.
    """

    url: str
    address: str
    confirmations: int
    miner: Miner | None


def prepare(url: str, miner: Miner | None = None) -> Node:
    """Deploy a registry on a node, past all faults, deep enough for any reorganisation."""
    confirmations = int(miner is not None)
    fund(Connection.by_url(url), PUBLISHER.address)
    ledger = connect_ledger(url, PUBLISHER, confirmations=confirmations, patience=QUICK)
    rpc(url, "anvil_mine", "0x8")
    return Node(url, ledger.address, confirmations, miner)


def run(scenario: str, seed: int, node: Node, folder: Path) -> Outcome:
    """Record some releases; the faults, their number and their moments come from the seed."""
    rng = random.Random(f"{scenario} {seed}")
    names = [f"{scenario} {seed} {number}" for number in range(rng.randint(1, 3))]
    releases = [generation(name, protocol=own_protocol(PUBLISHER_NAME)) for name in names]
    outbox = folder / f"outbox {scenario} {seed}" if scenario == "killed" or rng.random() < 0.5 else None
    before, start = count_transactions(node), {"one publisher": _one, "several publishers": _several}
    act = start | {"killed": _killed, "reorganised": _reorganised}
    with FaultProxy(node.url, seed, rate=rng.uniform(0.1, 0.4), late=0.2) as proxy:
        again, more = act[scenario](proxy, node, releases, outbox, rng)
    if outbox:
        connect_ledger(node.url, PUBLISHER, node.address, outbox=outbox, patience=QUICK).connection.settle()
        assert outbox.read_bytes() == b"", "the outbox should be empty when all is confirmed"
    check_history(node)
    counts = [count_records(node.url, node.address, said) for said in releases]
    return Outcome(
        scenario,
        {**proxy.counts, **more},
        len(releases),
        counts.count(1),
        counts.count(0),
        sum(count > 1 for count in counts),
        again,
        count_transactions(node) - before,
    )


def check_history(node: Node, num_blocks: int = 50) -> None:
    """That the node's last blocks follow from each other: else its logs prove nothing."""
    with node.miner.lock if node.miner else contextlib.nullcontext():
        head = int(rpc(node.url, "eth_blockNumber"), 16)
        blocks = [
            rpc(node.url, "eth_getBlockByNumber", hex(n), False)
            for n in range(max(0, head - num_blocks), head + 1)
        ]
    assert all(new["parentHash"] == old["hash"] for old, new in itertools.pairwise(blocks)), (
        "blocks do not follow"
    )
    sent = [transaction for block in blocks for transaction in block["transactions"]]
    assert len(sent) == len(set(sent)), "a transaction is in two blocks"


def count_transactions(node: Node) -> int:
    return int(rpc(node.url, "eth_getTransactionCount", PUBLISHER.address, "latest"), 16)


def publish(url: str, node: Node, releases: list, outbox: Path | None) -> int:
    """What a careful caller does: after an error, call again. Returns how often that was necessary."""
    ledger, again = None, 0
    for said in releases:
        for attempt in range(_TRIES):
            try:
                ledger = ledger or connect_ledger(
                    url, PUBLISHER, node.address, patience=QUICK, outbox=outbox, timeout=10,
                    confirmations=node.confirmations,
                )  # fmt: skip
                record(ledger, said)
                break
            except WrongChain:
                raise
            except ChainError:
                again += 1
                if attempt == _TRIES - 1:
                    raise
    return again


def _one(proxy, node, releases, outbox, rng) -> tuple[int, dict]:
    return publish(proxy.url, node, releases, outbox), {}


def _several(proxy, node, releases, outbox, rng) -> tuple[int, dict]:
    """Three threads, each with a connection of its own, record the same releases in different orders."""
    orders = [rng.sample(releases, len(releases)) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        return sum(pool.map(lambda order: publish(proxy.url, node, order, outbox), orders)), {}


def _killed(proxy, node, releases, outbox, rng) -> tuple[int, dict]:
    """Processes that are killed soon after they have noted a transaction, or at any moment."""
    with mock.patch.dict(os.environ, PYTHONPATH=str(Path(__file__).parent)):
        forkserver.ensure_running()
    kills = 0
    for _ in range(rng.randint(1, 2)):
        process = _CONTEXT.Process(target=publish, args=(proxy.url, node, releases, outbox))
        process.start()
        noted = outbox.read_bytes() if outbox.exists() else b""
        end = time.monotonic() + (rng.uniform(0.05, 0.5) if rng.random() < 0.3 else 5)
        while process.is_alive() and time.monotonic() < end:
            if outbox.exists() and outbox.read_bytes() not in (b"", noted):
                time.sleep(rng.uniform(0, 0.08))
                break
            time.sleep(0.001)
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
    return publish(proxy.url, node, releases, outbox), {"kill": kills}


def _reorganised(proxy, node, releases, outbox, rng) -> tuple[int, dict]:
    """The last one or two blocks are replaced by empty ones at random moments while releases are recorded.

    What had been confirmed may vanish too; so the publisher looks again at the end, and records what is gone.
    """
    made, is_over, late = Counter(), threading.Event(), 0

    def disturb():
        while made["reorganisation"] < 3 and not is_over.wait(rng.uniform(0.02, 0.3)):
            node.miner.replace(rng.randint(1, 2))
            made["reorganisation"] += 1

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        again = publish(proxy.url, node, releases, outbox)
    finally:
        is_over.set()
        thread.join()
    ledger = connect_ledger(
        node.url, PUBLISHER, node.address, patience=QUICK, confirmations=node.confirmations
    )
    for said in releases:
        try:
            find(ledger, said)
        except NotRecorded:
            late += 1
            record(ledger, said)
    return again + late, dict(made)
