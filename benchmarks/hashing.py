"""What digests, row trees and the signed log cost: `python -m benchmarks.hashing`.

CPU seconds are those of this process on one thread, the least of three runs; the log's latency is time on a
clock, since most of it is waiting until the disk has a line (two waits an entry). Writes hashing.csv.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.growth import Point
from benchmarks.growth import make_table as make_mixed_table
from synthlib.chain.anchors import CHECKPOINT, ENTRIES, LogReader, SignedLog
from synthlib.chain.commitments import commit, table_digest
from synthlib.chain.rows import RowTree, verify_row
from synthlib.chain.table_bytes import canonical_chunks
from synthlib.keys import StewardKey

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "hashing.csv"
KEY = StewardKey.for_public_data("benchmark")
COLUMNS = 13


class Measure(NamedTuple):
    """One line of the results.

    Attributes:
        subject: what was measured.
        size: rows of the table, or entries of the log.
        value: the figure, in `unit`.
        cpu_s: CPU seconds that it took in all, the least of three runs.
    """

    subject: str
    size: int
    value: float
    unit: str
    cpu_s: float | None = None


def make_table(num_rows: int, seed: int = 0) -> pd.DataFrame:
    """Mixed kinds as `read_synthetic` gives them: whole numbers and levels are Python objects."""
    table = make_mixed_table(Point("rows", num_rows, COLUMNS), seed)
    return table.astype({name: object for name in table.columns if table[name].dtype == np.int64})


def measure_tables(num_rows: int) -> Iterator[Measure]:
    """Canonical bytes, and the tree over the rows."""
    table, train = make_table(num_rows), make_table(num_rows, seed=1)
    megabytes = sum(map(len, canonical_chunks(table))) / 1e6
    for subject, work in (
        ("canonical hashing", lambda: table_digest(table)),
        ("keyed commitment", lambda: commit(table, KEY)),
    ):
        cpu = least_cpu(work)
        yield Measure(subject, num_rows, megabytes / cpu, "MB/s", cpu)
    salt = bytes(32)
    cpu = least_cpu(lambda: RowTree._over(table, salt))
    yield Measure("row tree with encoding and salts", num_rows, num_rows / cpu, "rows/s", cpu)
    cpu = least_cpu(lambda: RowTree.build(table, train, KEY))
    yield Measure("row tree, digest and comparison with train", num_rows, num_rows / cpu, "rows/s", cpu)
    yield from measure_proofs(RowTree.build(table, train, KEY))


def measure_proofs(tree: RowTree, num_proofs: int = 100) -> Iterator[Measure]:
    """Size and cost of single rows' proofs."""
    size = tree.num_rows
    indices = np.random.default_rng(0).integers(0, size, num_proofs).tolist()
    proofs = [tree.prove(index) for index in indices]
    assert all(verify_row(proof, tree.root) for proof in proofs)
    yield Measure("row proof as JSON, largest", size, max(len(proof.to_json()) for proof in proofs), "bytes")
    yield Measure(
        "row proof, data of the leaf, largest", size, max(len(proof.data) for proof in proofs), "bytes"
    )
    yield Measure("row proof, hashes, largest", size, max(len(proof.path) for proof in proofs) * 32, "bytes")
    cpu = least_cpu(lambda: [tree.prove(index) for index in indices])
    yield Measure("proving a row", size, 1e3 * cpu / num_proofs, "ms", cpu)
    cpu = least_cpu(lambda: [verify_row(proof, tree.root) for proof in proofs])
    yield Measure("verifying a row", size, 1e3 * cpu / num_proofs, "ms", cpu)


def measure_log(size: int, folder: Path, num_anchors: int) -> Iterator[Measure]:
    """Latency and proofs of a log that has `size` entries already."""
    log = SignedLog.create(folder / "log", folder / "log.key", "example.org/benchmark")
    if size:
        lines = [f"{digest(number)}\n" for number in range(size)]
        (folder / "log" / ENTRIES).write_text("".join(lines))
    digests = [digest(f"new {number}") for number in range(num_anchors)]
    log.anchor(digest("first"))  # reads and signs what was written above
    old = log.checkpoint
    proofs, seconds, began = [], [], time.process_time()
    for one in digests:
        start = time.perf_counter()
        proofs.append(log.anchor(one))
        seconds.append(time.perf_counter() - start)
    spent = time.process_time() - began
    yield Measure("anchoring in the log, median", size, 1e3 * float(np.median(seconds)), "ms", spent)
    yield Measure(
        "anchoring in the log, 95th percentile", size, 1e3 * float(np.quantile(seconds, 0.95)), "ms"
    )
    yield Measure("log proof as JSON, largest", size, max(map(len, proofs)), "bytes")
    yield Measure("consistency proof as JSON", size, len(log.prove_consistency(old)), "bytes")
    reader = LogReader(log.verifier)
    pairs = list(zip(digests, proofs, strict=True))
    cpu = least_cpu(lambda: [reader.check(one, proof) for one, proof in pairs])
    yield Measure("checking a log proof", size, 1e3 * cpu / num_anchors, "ms", cpu)
    cpu = least_cpu(lambda: SignedLog.open(folder / "log", folder / "log.key"))
    yield Measure("opening the log", size, 1e3 * cpu, "ms", cpu)
    checkpoint = (folder / "log" / CHECKPOINT).stat().st_size
    yield Measure("checkpoint", size, checkpoint, "bytes")


def digest(name: Any) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()


def least_cpu(work: Callable[[], Any], repeats: int = 3) -> float:
    """CPU seconds of the quickest of some runs: other programs only ever add to it."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return max(min(spent), 1e-9)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hashing", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--entries", type=int, nargs="+", default=[0, 100_000])
    parser.add_argument("--anchors", type=int, default=300, help="entries whose latency is measured")
    parser.add_argument("--folder", type=Path, help="where the logs are written for a while: a disk")
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args(arguments)
    measures = [measure for num_rows in asked.rows for measure in measure_tables(num_rows)]
    for size in asked.entries:
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            measures += measure_log(size, Path(folder), asked.anchors)
    results = pd.DataFrame(measures)
    results["value"] = [float(f"{value:.3g}") for value in results["value"]]
    results["cpu_s"] = results["cpu_s"].round(3)
    results.to_csv(asked.results, index=False)
    print(
        results.to_string(index=False, na_rep="", formatters={"value": "{:,g}".format, "size": "{:,}".format})
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
