"""Merkle trees: known answers, the recursive definition, and proofs that nothing else satisfies."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthlib.chain.merkle import (
    EMPTY_ROOT,
    MerkleError,
    MerkleTree,
    leaf_hash,
    node_hash,
    root_from_path,
    verify_consistency,
    verify_inclusion,
)

# The eight leaves that implementations of Certificate Transparency are tested with, and the root of the
# first one, two, … eight of them.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        bytes(range(0x60, 0x70)).hex(),
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = [*range(1, 71), 127, 128, 129, 255, 256, 257]


def tree_of(num_leaves: int) -> MerkleTree:
    return MerkleTree.of(number.to_bytes(4, "big") for number in range(num_leaves))


def root_by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, word for word."""
    if len(leaves) < 2:
        return hashlib.sha256(b"\x00" + leaves[0] if leaves else b"").digest()
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    halves = root_by_definition(leaves[:split]) + root_by_definition(leaves[split:])
    return hashlib.sha256(b"\x01" + halves).digest()


def altered(digests: list[bytes], place: int) -> list[bytes]:
    """One bit of one digest turned."""
    changed = bytearray(digests[place])
    changed[place % 32] ^= 1 << place % 8
    return [*digests[:place], bytes(changed), *digests[place + 1 :]]


# --- roots ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size):
    assert MerkleTree.of(LEAVES[:size]).root().hex() == ROOTS[size - 1]
    assert MerkleTree.of(LEAVES).root(size).hex() == ROOTS[size - 1]


def test_root_of_no_leaves_is_the_hash_of_nothing():
    assert MerkleTree().root() == EMPTY_ROOT == hashlib.sha256(b"").digest()


@pytest.mark.parametrize("size", SIZES)
def test_root_is_the_one_that_the_definition_gives(size):
    assert tree_of(size).root() == root_by_definition([n.to_bytes(4, "big") for n in range(size)])


@given(st.lists(st.binary(max_size=80), max_size=40), st.data())
def test_root_does_not_depend_on_how_leaves_were_added(leaves, data):
    split = data.draw(st.integers(0, len(leaves)))
    grown = MerkleTree.of(leaves[:split])
    for leaf in leaves[split:]:
        grown.extend(leaf_hash(leaf))
    assert grown.root() == MerkleTree.of(leaves).root() == root_by_definition(leaves)
    assert len(grown) == len(leaves)


def test_many_leaves_are_hashed_in_blocks_to_the_same_root(monkeypatch):
    whole = tree_of(300).root()
    monkeypatch.setattr("synthlib.chain.merkle._BLOCK_BYTES", 64 * 7)
    assert tree_of(300).root() == whole


def test_a_leaf_is_no_node():
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right) == MerkleTree.of([b"a", b"b"]).root()


@pytest.mark.parametrize("data", [b"x", bytes(31), bytes(33)])
def test_hashes_of_another_length_are_refused(data):
    with pytest.raises(ValueError, match="expected hashes of 32 bytes"):
        MerkleTree(data)


# --- inclusion -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_verifies_at_its_place_and_no_other(size):
    tree = tree_of(size)
    for index in range(size):
        path, leaf = tree.prove_inclusion(index), tree.leaf(index)
        assert verify_inclusion(leaf, index, size, path, tree.root())
        assert len(path) <= (size - 1).bit_length()
        for other in {0, index - 1, index + 1, index ^ 1, size - 1} - {index}:
            assert not verify_inclusion(leaf, other, size, path, tree.root())


@settings(max_examples=60)
@given(st.integers(2, 300), st.data())
def test_a_changed_proof_fails(size, data):
    tree, index = tree_of(size), data.draw(st.integers(0, size - 1))
    path, leaf, root = tree.prove_inclusion(index), tree.leaf(index), tree.root()
    place = data.draw(st.integers(0, len(path) - 1))
    for changed in (
        altered(path, place),
        path[:-1],
        path[1:],
        [*path, bytes(32)],
        [*path[:-1], path[-1][:31]],
    ):
        assert not verify_inclusion(leaf, index, size, changed, root)
    assert not verify_inclusion(altered([leaf], 0)[0], index, size, path, root)
    assert not verify_inclusion(leaf, index, size, path, altered([root], 0)[0])
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index))
    assert not verify_inclusion(tree.leaf(other), index, size, path, root)
    assert not verify_inclusion(leaf, other, size, path, root)


@given(st.integers(1, 80), st.data())
def test_earlier_sizes_have_their_proofs_still(size, data):
    tree, earlier = tree_of(size), data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, earlier - 1))
    assert tree.prove_inclusion(index, earlier) == tree_of(earlier).prove_inclusion(index)
    assert tree.root(earlier) == tree_of(earlier).root()


def test_a_root_does_not_bind_the_number_of_leaves():
    """Why rows and signed tree heads hold it themselves."""
    tree = tree_of(3)
    assert verify_inclusion(tree.leaf(0), 0, 4, tree.prove_inclusion(0), tree.root())


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (0, -1)])
def test_a_place_outside_the_tree_is_refused(index, size):
    with pytest.raises(MerkleError, match="expected the index"):
        root_from_path(bytes(32), index, size, [])
    with pytest.raises(IndexError, match="expected"):
        tree_of(3).prove_inclusion(index, size)


def test_a_path_of_another_length_is_said_to_be_so():
    with pytest.raises(MerkleError, match="a longer path"):
        root_from_path(bytes(32), 0, 5, [bytes(32)] * 2)
    with pytest.raises(MerkleError, match="a shorter path"):
        root_from_path(bytes(32), 0, 5, [bytes(32)] * 4)


# --- consistency ---------------------------------------------------------------------------------------


def test_consistency_proofs_of_certificate_transparency():
    tree = MerkleTree.of(LEAVES)
    assert tree.prove_consistency(1, 1) == []
    assert [digest.hex() for digest in tree.prove_consistency(2, 5)] == [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]
    assert [digest.hex() for digest in tree.prove_consistency(6, 8)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_every_earlier_size_is_consistent_with_every_later_one():
    tree = tree_of(40)
    for new in range(41):
        for old in range(new + 1):
            path = tree.prove_consistency(old, new)
            assert verify_consistency(old, new, tree.root(old), tree.root(new), path)


@settings(max_examples=60)
@given(st.integers(2, 200), st.data())
def test_a_tree_with_another_past_is_not_consistent(new, data):
    old = data.draw(st.integers(1, new - 1))
    rewritten = data.draw(st.integers(0, old - 1))
    leaves = [number.to_bytes(4, "big") for number in range(new)]
    tree, other = (
        MerkleTree.of(leaves),
        MerkleTree.of([*leaves[:rewritten], b"other", *leaves[rewritten + 1 :]]),
    )
    for path in (tree.prove_consistency(old), other.prove_consistency(old)):
        assert not verify_consistency(old, new, tree.root(old), other.root(), path)


@settings(max_examples=60)
@given(st.integers(2, 200), st.data())
def test_a_changed_consistency_proof_fails(new, data):
    tree, old = tree_of(new), data.draw(st.integers(1, new - 1))
    path, roots = tree.prove_consistency(old), (tree.root(old), tree.root())
    place = data.draw(st.integers(0, len(path) - 1))
    for changed in (altered(path, place), path[:-1], path[1:], [*path, bytes(32)], [], [*path[:-1], b""]):
        assert not verify_consistency(old, new, *roots, changed)
    assert not verify_consistency(new, old, *reversed(roots), path)
    assert not verify_consistency(old, new, *reversed(roots), path)


def test_an_empty_tree_is_the_beginning_of_every_tree():
    tree = tree_of(5)
    assert verify_consistency(0, 5, EMPTY_ROOT, tree.root(), [])
    assert not verify_consistency(0, 5, tree.root(), tree.root(), [])


@pytest.mark.parametrize(("old", "new"), [(-1, 3), (4, 3), (1, 9)])
def test_sizes_that_never_were_have_no_consistency_proof(old, new):
    with pytest.raises(IndexError, match="expected"):
        tree_of(8).prove_consistency(old, new)
