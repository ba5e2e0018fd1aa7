"""The compiled contracts: what Python knows of them, and whether an address holds them.

One registry is deployed; its constructor creates the others, so their addresses follow from its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from eth_abi import encode
from eth_utils import keccak, to_canonical_address, to_checksum_address

REGISTRY = "ProvenanceRegistry"
PARTS = ("Agreements", "Attestations", "RowProofs")  # in the order in which the constructor creates them
CONTRACTS = (REGISTRY, *PARTS)


@cache
def load_artifact(name: str = REGISTRY) -> dict[str, Any]:
    """A compiled contract: `abi`, `bytecode`, `deployedBytecode`, `immutableReferences`, `compiler`."""
    return json.loads((files("synthlib.chain") / "artifacts" / f"{name}.json").read_bytes())


@cache
def load_errors() -> tuple[dict[str, Any], ...]:
    """Descriptions of the custom errors of all contracts: one may pass on what another says."""
    return tuple(
        entry for name in CONTRACTS for entry in load_artifact(name)["abi"] if entry["type"] == "error"
    )


@cache
def find_functions(contract: str, name: str) -> tuple[dict[str, Any], ...]:
    """Descriptions of a contract's functions of one name.

    Raises:
        KeyError: if it has none.
    """
    abi = load_artifact(contract)["abi"]
    found = tuple(entry for entry in abi if (entry["type"], entry.get("name")) == ("function", name))
    if not found:
        raise KeyError(f"expected a function of {contract}, got {name!r}")
    return found


def find_addresses(registry: str) -> dict[str, str]:
    """Address of each contract, from the registry's: what a contract creates n-th has a fixed address.

    Args:
        registry: the registry's address.
    """
    parts = {name: created_address(registry, nonce) for nonce, name in enumerate(PARTS, start=1)}
    return {REGISTRY: to_checksum_address(registry), **parts}


def created_address(sender: str, nonce: int) -> str:
    """Address of the contract that an account's transaction with this nonce creates."""
    number = b"" if nonce == 0 else nonce.to_bytes((nonce.bit_length() + 7) // 8, "big")
    item = (
        number if number and number[0] < 0x80 and len(number) == 1 else bytes([0x80 + len(number)]) + number
    )
    body = b"\x94" + to_canonical_address(sender) + item
    return to_checksum_address(keccak(bytes([0xC0 + len(body)]) + body)[12:])


def expected_code(name: str, addresses: Mapping[str, str], chain_id: int) -> bytes:
    """The code that a contract has once its constructor has run, to the last byte.

    The constructors put in the addresses that the contracts of one registry have of each other, and what
    binds signatures (EIP-712) to one contract on one chain. All of it is known beforehand.

    Args:
        name: one of `CONTRACTS`.
        addresses: from `find_addresses`.
        chain_id: the chain's number.
    """
    artifact = load_artifact(name)
    code = bytearray.fromhex(artifact["deployedBytecode"][2:])
    values = _list_immutables(name, addresses, chain_id)
    for variable, references in artifact["immutableReferences"].items():
        for reference in references:
            start, length = reference["start"], reference["length"]
            code[start : start + length] = values[variable.rpartition(".")[2]]
    return bytes(code)


def _list_immutables(name: str, addresses: Mapping[str, str], chain_id: int) -> dict[str, bytes]:
    """Values of immutable variables, 32 bytes each, by their names."""
    words = {part: encode(["address"], [place]) for part, place in addresses.items()}
    domain = (f"synthlib {name}", "1")
    hashes = [keccak(text=text) for text in domain]
    kind = keccak(text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    chain = encode(["uint256"], [chain_id])
    return {
        "agreements": words["Agreements"],
        "attestations": words["Attestations"],
        "rowProofs": words["RowProofs"],
        "registry": words[REGISTRY],
        "_cachedChainId": chain,
        "_cachedDomainSeparator": keccak(kind + b"".join(hashes) + chain + words[name]),
        "_cachedThis": words[name],
        "_hashedName": hashes[0],
        "_hashedVersion": hashes[1],
        "_name": _short_string(domain[0]),
        "_version": _short_string(domain[1]),
    }


def _short_string(text: str) -> bytes:
    """Text of at most 31 bytes as OpenZeppelin keeps it in a word: the length is in the last byte."""
    return text.encode().ljust(31, b"\0") + bytes([len(text)])
