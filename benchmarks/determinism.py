"""Which settings give the same bytes: `python -m benchmarks.determinism`, which writes DETERMINISM.md.

Each setting fits a small table and draws from the model in a process of its own. The digests of the weights
and of the drawn table are compared with those of the first process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parent
MARKDOWN = FOLDER / "DETERMINISM.md"
MODELS = ("IndependentMarginals", "TabularGPT", "TabularGAN")
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
ONE, TWO = dict.fromkeys(THREADS, "1"), dict.fromkeys(THREADS, "2")
PLAIN = {"TF_ENABLE_ONEDNN_OPTS": "0"}
# What chooses instructions by the processor, held to what every x86-64 with AVX2 has: Eigen's own products
# and not oneDNN's, one kernel of OpenBLAS, numpy's functions for AVX2.
PORTABLE = PLAIN | {
    "TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL": "0",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
# The same with AVX2 and FMA hidden from whatever would ask the processor for them.
OLDER = PORTABLE | {
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F",
}
SETTINGS = {
    "reference: one thread": ONE,
    "another process": ONE,
    "two threads": TWO,
    "oneDNN capped at AVX2": ONE | {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "oneDNN capped at SSE4.1": ONE | {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "OpenBLAS as for Haswell": ONE | {"OPENBLAS_CORETYPE": "Haswell"},
    "OpenBLAS as for Nehalem": ONE | {"OPENBLAS_CORETYPE": "Nehalem"},
    "oneDNN off": ONE | PLAIN,
    "oneDNN off, two threads": TWO | PLAIN,
    "oneDNN off, capped at SSE4.1": ONE | PLAIN | {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "portable": ONE | PORTABLE,
    "portable, two threads": TWO | PORTABLE,
    "portable, AVX2 and FMA hidden": ONE | OLDER,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.determinism", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--models", type=lambda text: text.split(","), default=list(MODELS))
    parser.add_argument("--settings", type=lambda text: text.split(";"), default=list(SETTINGS))
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--markdown", type=Path, default=MARKDOWN)
    parser.add_argument("--worker", nargs=2, metavar=("MODEL", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.worker:
        work(*asked.worker, asked.rows)
        return 0
    rows = []
    for model in asked.models:
        first = None
        for name in asked.settings:
            result = run(model, SETTINGS[name], asked.rows)
            first = first or result
            rows.append({"model": model, "setting": name} | compare(first, result))
            asked.markdown.write_text(to_markdown(pd.DataFrame(rows), asked.rows), encoding="utf-8")
            print(rows[-1], file=sys.stderr)
    return 0


def run(model: str, environment: dict[str, str], num_rows: int) -> dict:
    """Digests, weights and CPU seconds from a process with these variables set, or its error."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.determinism", "--rows", str(num_rows)]
        command += ["--worker", model, f"{folder}/weights.npz"]
        done = subprocess.run(
            command, cwd=FOLDER.parent, env=os.environ | environment, capture_output=True, text=True
        )
        if done.returncode:
            return {"error": f"exit {done.returncode}"}
        with np.load(f"{folder}/weights.npz") as file:
            weights = [file[name] for name in file.files]
        return json.loads(done.stdout.splitlines()[-1]) | {"weights": weights}


def compare(first: dict, other: dict) -> dict:
    """Whether weights and rows are equal to the byte, and how far the weights are apart."""
    if "error" in first or "error" in other:
        empty = dict.fromkeys(("rows", "largest difference", "digest", "CPU s"), "")
        return {"weights": other.get("error", "no reference")} | empty
    pairs = zip(first["weights"], other["weights"], strict=True)
    return {
        "weights": "equal" if first["fit"] == other["fit"] else "different",
        "rows": "equal" if first["sample"] == other["sample"] else "different",
        "largest difference": f"{max((np.abs(a - b).max() for a, b in pairs), default=0.0):.1e}",
        "digest": digest(other["fit"] + other["sample"])[:12],
        "CPU s": f"{other['cpu_s']:.1f}",
    }


def work(name: str, file: str, num_rows: int) -> None:
    """Fit, draw, and say the digests; the weights go to a file."""
    from benchmarks.growth import Point, cpu_seconds, make_table
    from synthlib import Schema
    from synthlib.models.synthesizer import SYNTHESIZERS

    table = make_table(Point("rows", num_rows, 10))
    kind = getattr(__import__(SYNTHESIZERS[name], fromlist=["_"]), name)
    options = {"TabularGPT": {"num_epochs": 3}, "TabularGAN": {"num_steps": 40}}.get(name, {})
    model, quiet = kind(Schema.infer(table), **options), {"progress": False}
    if name == "IndependentMarginals":
        quiet = {}
    start = cpu_seconds()
    model.fit(table, **quiet)
    rows = model.sample(num_rows, seed=1)
    seconds = cpu_seconds() - start
    network = getattr(model, "network_", None) or getattr(model, "generator_", None)
    weights = [np.asarray(weight) for weight in network.get_weights()] if network else []
    np.savez(file, *weights)
    fit = digest(b"".join(weight.tobytes() for weight in weights))
    sample = digest(rows.to_csv(index=False))
    print(json.dumps({"fit": fit, "sample": sample, "cpu_s": seconds}))


def digest(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def to_markdown(rows: pd.DataFrame, num_rows: int) -> str:
    """The table, and what it was measured on in general words."""
    lines = [
        "# Which settings give the same bytes",
        "",
        f"Written by `python -m benchmarks.determinism` on {describe_processor()}:",
        f"a table of {num_rows} rows and 10 columns, 3 epochs of TabularGPT, 40 steps of TabularGAN.",
        "Compared are SHA-256 digests with those of the first line of each model; the difference is the",
        "largest between weights. The digest shown is of weights and rows, for comparison with another",
        "processor's. CPU seconds are those of fit and draw.",
        "",
        "| " + " | ".join(rows.columns) + " |",
        "|" + " --- |" * len(rows.columns),
    ]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows.itertuples(index=False)]
    return "\n".join(lines) + "\n"


def describe_processor() -> str:
    """Architecture and its widest vector instructions."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        flags = set()
    widest = [name for name in ("avx512f", "avx2", "avx", "sse4_1") if name in flags]
    return f"{platform.machine()} ({widest[0] if widest else 'unknown vector instructions'})"


if __name__ == "__main__":
    sys.exit(main())
