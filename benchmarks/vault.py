"""What the vault costs: `python -m benchmarks.vault`.

A file of one GiB is put into a local vault and fetched again, each in a process of its own, which reports CPU
seconds and its peak memory; "seal" and "open" are the same without files. A hand-over is timed without a
chain, for both kinds of public key. Prints the table and writes vault.csv.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from benchmarks.growth import cpu_seconds, peak_mb

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "vault.csv"
STEPS = ("start", "seal", "open", "put", "fetch", "hand over, x25519", "hand over, mlkem768-x25519")
NUM_HAND_OVERS = 500
MIB = 1 << 20
DATASET = "da" * 32


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vault", description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=1024, help="size of the file (default 1024)")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.worker:
        print(json.dumps(work(**json.loads(asked.worker))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "plain").open("wb") as file:
            for _ in range(asked.mib):
                file.write(os.urandom(MIB))
        rows = pd.DataFrame([run_worker(step, asked.mib, folder) for step in STEPS])
    rows.to_csv(asked.results, index=False)
    print(rows.to_string(index=False, na_rep=""))
    return 0


def run_worker(step: str, mib: int, folder: str) -> dict[str, Any]:
    """What a step's process reports."""
    task = json.dumps({"step": step, "mib": mib, "folder": folder})
    command = [sys.executable, "-m", "benchmarks.vault", "--worker", task]
    done = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, text=True, check=True)
    return {"step": step} | json.loads(done.stdout.splitlines()[-1])


def work(step: str, mib: int, folder: str) -> dict[str, Any]:
    """In a process of its own: one step, its CPU seconds, and the process's peak memory."""
    run, count = prepare(step, mib, Path(folder))
    cpu, wall = cpu_seconds(), time.perf_counter()
    run()
    cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
    report = {"cpu_s": round(cpu, 3), "wall_s": round(wall, 3), "peak_mb": peak_mb()}
    if count:
        return report | {"ms_each": round(1000 * wall / count, 3)}
    return report if step == "start" else report | {"mib": mib, "mib_per_cpu_s": round(mib / cpu)}


def prepare(step: str, mib: int, folder: Path):
    """What a step does, ready to be called, and how often it does it (0 for files)."""
    from synthlib.chain.sealing import open_segments, read_header, seal
    from synthlib.chain.vault import Vault
    from synthlib.chain.wrapping import VaultKey, digest_public_key

    key = VaultKey.open(folder / "key") if (folder / "key").exists() else VaultKey.create(folder / "key")
    vault = Vault(folder / "vault", key)
    if step in ("seal", "open"):
        chunk = os.urandom(MIB)
        if step == "seal":
            return lambda: seal((chunk for _ in range(mib)), Nowhere(), DATASET), 0
        return lambda: [None for _ in open_repeated(mib, chunk, seal, read_header, open_segments)], 0
    if step == "put":
        return lambda: vault.put(folder / "plain", DATASET), 0
    if step == "fetch":
        (address,) = vault.addresses()
        return lambda: vault.fetch(address, vault.data_key(address), folder / "out"), 0
    if step.startswith("hand over"):
        grantee = VaultKey.draw(step.split(", ")[1])
        digest = digest_public_key(grantee.public_key)
        answer = SimpleNamespace(dataset=DATASET, grantee="0x", state="accepted", encryption_key=digest)
        vault.gate = SimpleNamespace(**dict.fromkeys(("open", "find", "log_access"), lambda *_: answer))
        (address,) = vault.addresses()
        hand = lambda: [vault.hand_over(address, "0x", grantee.public_key) for _ in range(NUM_HAND_OVERS)]  # noqa: E731
        return hand, NUM_HAND_OVERS
    return lambda: None, 0


class Nowhere:
    """Takes bytes and keeps none."""

    def write(self, data: bytes) -> None:
        pass


def open_repeated(mib: int, chunk: bytes, seal, read_header, open_segments):
    """Segments of an object of 16 MiB in memory, opened as often as `mib` asks."""
    sink = io.BytesIO()
    sealed = seal((chunk for _ in range(16)), sink, DATASET)
    for _ in range(mib // 16):
        sink.seek(0)
        yield from open_segments(sink, read_header(sink), sealed.data_key, sealed.address)


if __name__ == "__main__":
    sys.exit(main())
