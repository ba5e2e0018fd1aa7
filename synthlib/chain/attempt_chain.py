"""The hash chain over attempts: what stands on the ledger for each, computed again from their digests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from eth_utils import keccak

from synthlib.bundle import canonical_json
from synthlib.chain.merkle import MerkleTree
from synthlib.chain.registry import to_bytes32


def attempt_digest(description: Mapping[str, Any]) -> str:
    """SHA-256 of what an attempt is, as canonical JSON: model type, parameters, seed where that is public."""
    return hashlib.sha256(canonical_json(description)).hexdigest()


def link_of(digests: Sequence[str]) -> str:
    """What is hashed onto the chain for attempts that were logged together: the digest itself for one, else
    `keccak256(abi.encode(root, count))` with the root of their Merkle tree."""
    if len(digests) == 1:
        return digests[0]
    root = MerkleTree.of([to_bytes32(digest) for digest in digests]).root()
    return batch_link(root.hex(), len(digests))


def batch_link(root: str, count: int) -> str:
    """`keccak256(abi.encode(root, count))`, hexadecimal."""
    return keccak(to_bytes32(root) + count.to_bytes(32, "big")).hex()


def chain_head(protocol: str, registration_block: int, links: Sequence[str]) -> str:
    """The head that attempts lead to, in the order in which they were logged: what `Track.head` must be.

    Args:
        protocol: the protocol's id.
        registration_block: block of its registration.
        links: `link_of` each group of attempts that were logged together.

    Returns:
        20 bytes in hexadecimal.
    """
    head = keccak(to_bytes32(protocol) + registration_block.to_bytes(32, "big"))[:20]
    for link in links:
        head = keccak(head + bytes(12) + to_bytes32(link))[:20]
    return head.hex()
