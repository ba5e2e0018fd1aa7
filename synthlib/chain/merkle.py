"""Merkle trees of RFC 6962 and RFC 9162 with SHA-256: one root for many leaves, and short proofs for each.

    leaf hash = SHA-256(00 || data)        node hash = SHA-256(01 || left || right)

The prefixes keep a node from passing for a leaf. A tree of n leaves splits at the largest power of two below
n, so it grows at its right edge alone: what stood before stays, and two roots of one growing tree can be
shown to belong together. The root of no leaves is SHA-256 of nothing.

A root binds the leaves and their order. It does not bind how many there are: a path can fit trees of several
sizes. Whoever relies on a size takes it from where it is bound: a signed tree head, or the leaf itself.

Reference: RFC 9162, section 2.1 (RFC 6962, section 2.1, defines the same tree).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from struct import iter_unpack

from synthlib.chain.errors import ChainError

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()
_BLOCK_BYTES = 2 * HASH_SIZE * 65_536  # pairs hashed at a time, so that few Python objects live at once


class MerkleError(ChainError):
    """A proof that cannot belong to a tree of the size it names."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf. 32 bytes."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of a node over two hashes of 32 bytes. 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """A tree that grows: appending a leaf, a root and a proof cost a logarithm of its size.

    Only hashes of complete subtrees are kept, level by level, 64 bytes a leaf in all; the right edge is
    folded from them when it is asked for. So every earlier size has its root and its proofs too.

    Args:
        leaf_hashes: hashes of the leaves, 32 bytes each, joined.
    """

    def __init__(self, leaf_hashes: bytes | bytearray = b""):
        self._levels: list[bytearray] = [bytearray()]
        self.extend(leaf_hashes)

    @classmethod
    def of(cls, leaves: Iterable[bytes]) -> MerkleTree:
        """The tree over the leaves' data."""
        return cls(b"".join(map(leaf_hash, leaves)))

    def __len__(self) -> int:
        return len(self._levels[0]) // HASH_SIZE

    def __repr__(self) -> str:
        return f"MerkleTree({len(self)} leaves)"

    def leaf(self, index: int) -> bytes:
        """Hash of a leaf, 32 bytes."""
        self._check_size(index + 1)
        return self._node(0, index)

    def extend(self, leaf_hashes: bytes | bytearray) -> None:
        """Add leaves at the right: their hashes, 32 bytes each, joined.

        Raises:
            ValueError: if the length is no multiple of 32.
        """
        if len(leaf_hashes) % HASH_SIZE:
            raise ValueError(f"expected hashes of {HASH_SIZE} bytes, got {len(leaf_hashes)} bytes in all")
        self._levels[0] += leaf_hashes
        level = 0
        while len(self._levels[level]) >= 2 * HASH_SIZE:
            if level + 1 == len(self._levels):
                self._levels.append(bytearray())
            below, above = self._levels[level : level + 2]
            end = len(below) // (2 * HASH_SIZE) * (2 * HASH_SIZE)
            for start in range(2 * len(above), end, _BLOCK_BYTES):
                pairs = memoryview(below)[start : min(start + _BLOCK_BYTES, end)]
                above += b"".join([sha256(b"\x01" + pair).digest() for (pair,) in iter_unpack("64s", pairs)])
                pairs.release()
            level += 1

    def root(self, num_leaves: int | None = None) -> bytes:
        """The root, now or when the tree had `num_leaves`. 32 bytes."""
        return self._range(0, self._check_size(num_leaves))

    def prove_inclusion(self, index: int, num_leaves: int | None = None) -> list[bytes]:
        """The path from a leaf to the root of the first `num_leaves` leaves, lowest sibling first.

        Args:
            index: the leaf's place, from 0.
            num_leaves: size of the tree that the proof is for, all leaves if None.

        Raises:
            IndexError: if there is no such leaf or size.
        """
        size = self._check_size(num_leaves)
        if not 0 <= index < size:
            raise IndexError(f"expected the index of one of {size} leaves, got {index}")
        path = []
        for level in range((size - 1).bit_length()):
            sibling = (index >> level) ^ 1
            if (sibling + 1) << level <= size:
                path.append(self._node(level, sibling))
            elif sibling << level < size:
                path.append(self._range(sibling << level, size))
        return path

    def prove_consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Hashes that show the tree of `old` leaves to be the beginning of that of `new`.

        Raises:
            IndexError: if the tree never had these sizes, or `old` is larger than `new`.

        Reference: RFC 9162, section 2.1.4.1.
        """
        new = self._check_size(new)
        if not 0 <= old <= new:
            raise IndexError(f"expected an earlier size than {new}, got {old}")
        if old in (0, new):
            return []
        path, start, stop, is_whole = [], 0, new, True
        while start + old != stop:
            split = 1 << (stop - start - 1).bit_length() - 1  # the largest power of two below the size
            if old <= split:
                path.append(self._range(start + split, stop))
                stop = start + split
            else:
                path.append(self._range(start, start + split))
                start, old, is_whole = start + split, old - split, False
        return ([] if is_whole else [self._range(start, stop)]) + path[::-1]

    def _check_size(self, num_leaves: int | None) -> int:
        if num_leaves is None:
            return len(self)
        if not 0 <= num_leaves <= len(self):
            raise IndexError(f"expected at most the tree's {len(self)} leaves, got {num_leaves}")
        return num_leaves

    def _node(self, level: int, place: int) -> bytes:
        return bytes(self._levels[level][HASH_SIZE * place : HASH_SIZE * (place + 1)])

    def _range(self, start: int, stop: int) -> bytes:
        """Root over leaves start to stop; start is a multiple of a power of two, and they are no more."""
        folded = b""
        for level in range((stop - start).bit_length()):
            if (stop - start) >> level & 1:
                peak = self._node(level, (stop >> level) - 1)
                folded = node_hash(peak, folded) if folded else peak
        return folded or EMPTY_ROOT


def root_from_path(leaf: bytes, index: int, num_leaves: int, path: Sequence[bytes]) -> bytes:
    """The root that a leaf's hash and its path lead to.

    Args:
        leaf: hash of the leaf, 32 bytes.
        index: its place, from 0.
        num_leaves: the tree's size.
        path: siblings of 32 bytes, lowest first.

    Returns:
        32 bytes; compare them with a root that is known to be right.

    Raises:
        MerkleError: if a tree of this size has no such leaf or a path of another length.

    Reference: RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < num_leaves:
        raise MerkleError(f"expected the index of one of {num_leaves} leaves, got {index}")
    if any(len(digest) != HASH_SIZE for digest in (leaf, *path)):
        raise MerkleError(f"expected hashes of {HASH_SIZE} bytes in the proof, got others")
    place, last, root = index, num_leaves - 1, leaf
    for sibling in path:
        if last == 0:
            raise MerkleError(f"expected a shorter path to a leaf of {num_leaves}, got {len(path)} hashes")
        if place & 1 or place == last:
            root = node_hash(sibling, root)
            while not place & 1 and place:  # levels on which the right edge has no sibling
                place, last = place >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise MerkleError(f"expected a longer path to a leaf of {num_leaves}, got {len(path)} hashes")
    return root


def verify_inclusion(leaf: bytes, index: int, num_leaves: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether a leaf's hash stands at `index` in the tree of `num_leaves` leaves that has this root."""
    try:
        return root_from_path(leaf, index, num_leaves, path) == root
    except MerkleError:
        return False


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the tree of `old` leaves is the beginning of the tree of `new` leaves.

    Args:
        old, new: sizes, the older first.
        old_root, new_root: their roots, 32 bytes each.
        path: from `MerkleTree.prove_consistency`.

    Reference: RFC 9162, section 2.1.4.2.
    """
    if not 0 <= old <= new or any(len(digest) != HASH_SIZE for digest in path):
        return False
    if old == new:
        return not path and old_root == new_root
    if old == 0:
        return not path and old_root == EMPTY_ROOT
    if not path:
        return False
    if old & (old - 1) == 0:  # a complete tree is a node of the new one, and its root is known
        path = [old_root, *path]
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old_found = new_found = path[0]
    for digest in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old_found, new_found = node_hash(digest, old_found), node_hash(digest, new_found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new_found = node_hash(new_found, digest)
        place, last = place >> 1, last >> 1
    return last == 0 and old_found == old_root and new_found == new_root
