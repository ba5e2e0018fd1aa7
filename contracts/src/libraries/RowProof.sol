// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Inclusion proofs in the Merkle trees of RFC 9162 with SHA-256
/// @notice Leaf hash = SHA-256(00 || data), node hash = SHA-256(01 || left || right). The off-chain side is
/// synthlib/chain/merkle.py; what a leaf's data holds is said in synthlib/chain/row_bytes.py.
/// @dev A root does not bind the number of leaves: one path can fit trees of several sizes. The number is to
/// come from where the root comes from, not from the caller; a row's data binds it too.
library RowProof {
    /// @notice A tree of this size has no such leaf.
    /// @param index The leaf's place.
    /// @param numLeaves The tree's size.
    error IndexOutOfRange(uint256 index, uint256 numLeaves);
    /// @notice The path ends below the root.
    /// @param length How many siblings it has.
    error PathTooShort(uint256 length);
    /// @notice The path goes on above the root.
    /// @param length How many siblings it has.
    error PathTooLong(uint256 length);
    /// @notice The SHA-256 precompile did not answer, for lack of gas or because the chain has none.
    error HashFailed();

    /// @notice The hash of a leaf.
    /// @param data What the leaf is over, without the prefix.
    /// @return leaf The hash.
    function leafOf(bytes calldata data) internal view returns (bytes32 leaf) {
        bool done;
        // Hashed in place, with no copy kept.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let free := mload(0x40) // used beyond its end and not kept
            mstore8(free, 0)
            calldatacopy(add(free, 1), data.offset, data.length)
            done := staticcall(gas(), 2, free, add(data.length, 1), 0, 32)
            done := and(done, eq(returndatasize(), 32))
            leaf := mload(0)
        }
        if (!done) revert HashFailed();
    }

    /// @notice The root that a leaf and its path lead to (RFC 9162, section 2.1.3.2). Compare it with one that
    /// is known to be right.
    /// @param leaf The leaf's hash, by `leafOf`.
    /// @param index The leaf's place, from 0.
    /// @param numLeaves The tree's size.
    /// @param path The siblings, lowest first.
    /// @return root The root.
    function rootOf(bytes32 leaf, uint256 index, uint256 numLeaves, bytes32[] calldata path)
        internal
        view
        returns (bytes32 root)
    {
        if (index >= numLeaves) revert IndexOutOfRange(index, numLeaves);
        uint256 last = numLeaves - 1;
        bool done = true;
        root = leaf;
        for (uint256 i = 0; i < path.length; ++i) {
            if (last == 0) revert PathTooLong(path.length);
            bytes32 sibling = path[i];
            bool isRight = index & 1 == 1 || index == last;
            // solhint-disable-next-line no-inline-assembly
            assembly ("memory-safe") {
                let free := mload(0x40)
                mstore8(free, 1)
                // Which of the two comes first: the root so far, or its sibling.
                mstore(add(free, 1), xor(root, mul(isRight, xor(root, sibling))))
                mstore(add(free, 33), xor(sibling, mul(isRight, xor(root, sibling))))
                done := and(done, staticcall(gas(), 2, free, 65, 0, 32))
                done := and(done, eq(returndatasize(), 32))
                root := mload(0)
            }
            // On the right edge: levels on which the node has no sibling.
            while (isRight && index & 1 == 0 && index != 0) {
                index >>= 1;
                last >>= 1;
            }
            index >>= 1;
            last >>= 1;
        }
        if (last != 0) revert PathTooShort(path.length);
        if (!done) revert HashFailed();
    }
}
