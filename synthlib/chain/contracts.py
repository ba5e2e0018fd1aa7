"""The compiled contracts: what Python knows of them, and whether an address holds them.

One registry is deployed; its constructor creates the others, so their addresses follow from its own.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from eth_utils import keccak, to_canonical_address, to_checksum_address

REGISTRY = "ProvenanceRegistry"
PARTS = ("Agreements", "Attestations", "RowProofs")  # in the order in which the constructor creates them
CONTRACTS = (REGISTRY, *PARTS)


@cache
def load_artifact(name: str = REGISTRY) -> dict[str, Any]:
    """A compiled contract: `abi`, `bytecode`, `deployedBytecode`, `immutableReferences`, the compiler's settings."""
    return json.loads((files("synthlib.chain") / "artifacts" / f"{name}.json").read_bytes())


@cache
def load_errors() -> tuple[dict[str, Any], ...]:
    """Descriptions of the custom errors of all contracts: one may pass on what another says."""
    return tuple(
        entry for name in CONTRACTS for entry in load_artifact(name)["abi"] if entry["type"] == "error"
    )


def find_addresses(registry: str) -> dict[str, str]:
    """Address of each contract, from the registry's: a contract's n-th creation has a fixed address (EIP-161).

    Args:
        registry: the registry's address.
    """
    list_of_two = b"\xd6\x94" + to_canonical_address(registry)  # RLP: a list, then 20 bytes
    parts = {
        name: to_checksum_address(keccak(list_of_two + bytes([nonce]))[12:])
        for nonce, name in enumerate(PARTS, start=1)
    }
    return {REGISTRY: to_checksum_address(registry), **parts}


def is_code_of(name: str, code: bytes) -> bool:
    """Whether deployed code is that of a contract, whatever its constructor put into it.

    What is put in are addresses that the contracts of one registry have of each other, and what makes their
    signatures theirs. The addresses follow from the registry's and each is looked at; a wrong domain of
    signatures would make every signature fail.
    """
    artifact = load_artifact(name)
    expected = bytearray.fromhex(artifact["deployedBytecode"][2:])
    found = bytearray(code)
    if len(found) != len(expected):
        return False
    for reference in artifact["immutableReferences"]:
        start, length = reference["start"], reference["length"]
        found[start : start + length] = expected[start : start + length]
    return found == expected
