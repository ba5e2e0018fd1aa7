"""The contracts of the gas benchmark: EAS's from npm, and plain ones; each compiled by the compiler it wants.

EAS pins solc 0.8.29, so it gets that one; ours pins 0.8.37. Both are compiled for the EVM of the in-process
chain, prague. EAS's other settings are those that its package was built with: compiled for its own EVM
version they give the bytecode in the package to the byte, which `compile_eas` checks each time. The package
asks for hardhat, which no contract needs: the pins put the compiler in its place.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.environments import PINS

FOLDER = Path(__file__).parent
OURS = FOLDER.parent / "contracts" / "node_modules"
EVM = "prague"
PACKAGE = "@ethereum-attestation-service/eas-contracts"
EAS_SETTINGS = {
    "optimizer": {"enabled": True, "runs": 1_000_000},
    "metadata": {"bytecodeHash": "none", "useLiteralContent": True},
}
EAS_EVM = "paris"  # what the package's own bytecode is for
PLAIN_SETTINGS = {
    "optimizer": {"enabled": True, "runs": 200},
    "viaIR": True,
    "metadata": {"bytecodeHash": "none"},
}


class Artifact(NamedTuple):
    """A compiled contract.

    Attributes:
        abi: its functions, events and errors.
        bytecode: what creates it, in hexadecimal with 0x.
        compiler: version and settings in words.
    """

    abi: list[dict[str, Any]]
    bytecode: str
    compiler: str


def install_eas(cache: Path) -> Path:
    """The node_modules folder with EAS's contracts and its compiler, installed anew if the pins changed.

    Raises:
        RuntimeError: if there is no npm, or it fails.
    """
    folder, pins = cache / "environments" / "eas", PINS / "eas"
    names = ("package.json", "package-lock.json")
    wanted = "".join((pins / name).read_text() for name in names)
    stamp = folder / "pins.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return folder / "node_modules"
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("expected npm, which brings EAS's contracts, found none; install Node.js")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in names:
        shutil.copy(pins / name, folder / name)
    command = [npm, "ci", "--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"]
    _run(command, cwd=folder)
    stamp.write_text(wanted)
    return folder / "node_modules"


def compile_eas(modules: Path) -> dict[str, Artifact]:
    """`EAS` and `SchemaRegistry` for the EVM of the in-process chain.

    Raises:
        RuntimeError: if the settings do not give the bytecode in the package when compiled for its EVM.
    """
    package = modules / PACKAGE
    names = ("EAS", "SchemaRegistry")
    sources = {f"contracts/{name}.sol": (package / "contracts" / f"{name}.sol").read_text() for name in names}
    folders = {"contracts/": str(package / "contracts")}
    theirs = compile_sources(modules, sources, EAS_SETTINGS | {"evmVersion": EAS_EVM}, folders)
    for name in names:
        shipped = json.loads(
            (package / "artifacts" / "contracts" / f"{name}.sol" / f"{name}.json").read_text()
        )
        if shipped["bytecode"] != theirs[name].bytecode:
            raise RuntimeError(f"expected the bytecode of {name} in the package, got other: settings differ")
    compiled = compile_sources(modules, sources, EAS_SETTINGS | {"evmVersion": EVM}, folders)
    return {name: compiled[name] for name in names}


def compile_plain(modules: Path = OURS) -> dict[str, Artifact]:
    """The contracts of Plain.sol, compiled as ours are."""
    sources = {"Plain.sol": (FOLDER / "Plain.sol").read_text()}
    return compile_sources(modules, sources, PLAIN_SETTINGS | {"evmVersion": EVM}, {})


def compile_sources(
    modules: Path, sources: Mapping[str, str], settings: Mapping[str, Any], folders: Mapping[str, str]
) -> dict[str, Artifact]:
    """Compile with a folder's solc.

    Args:
        modules: a node_modules folder that holds solc and what the sources import.
        sources: text of each file by its path.
        settings: solc's, without the selection of outputs.
        folders: where imports that begin with a key are read instead.

    Returns:
        The contracts by name, those of imports too.

    Raises:
        RuntimeError: with the compiler's first complaint.
    """
    node = shutil.which("node")
    if node is None or not (modules / "solc").exists():
        raise RuntimeError("expected Node.js and npm's solc, found none; run: make npm")
    request = {
        "language": "Solidity",
        "sources": {path: {"content": text} for path, text in sources.items()},
        "settings": {**settings, "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}}},
        "folders": dict(folders),
    }
    output = json.loads(_run([node, str(PINS / "compile.mjs"), str(modules)], input=json.dumps(request)))
    complaints = [
        each["formattedMessage"] for each in output.get("errors", []) if each["severity"] == "error"
    ]
    if complaints:
        raise RuntimeError(f"solc refuses: {complaints[0]}")
    words = describe(output["version"], settings)
    return {
        name: Artifact(contract["abi"], "0x" + contract["evm"]["bytecode"]["object"], words)
        for contracts in output["contracts"].values()
        for name, contract in contracts.items()
    }


def describe(version: str, settings: Mapping[str, Any]) -> str:
    """Version and settings of a compiler in words, as `solc 0.8.29, prague, 200 runs, via IR`."""
    number = version.partition("+")[0]
    ir = ", via IR" if settings.get("viaIR") else ""
    return f"solc {number}, {settings['evmVersion']}, {settings['optimizer']['runs']} runs{ir}"


def _run(command: list[str], **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        last = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()][-1:]
        raise RuntimeError(f"{Path(command[0]).name} failed: {' '.join(last)[:300]}")
    return done.stdout
