// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RowProof} from "src/libraries/RowProof.sol";

/// @dev The library's functions for tests to call, and one that changes state as a caller in earnest would.
contract RowProofHarness {
    mapping(bytes32 root => uint256 numLeaves) private sizes;

    event Shown(bytes32 indexed root, uint256 index);

    error WrongRoot(bytes32 root);

    function keep(bytes32 root, uint256 numLeaves) external {
        sizes[root] = numLeaves;
    }

    /// @dev One storage read, the leaf's hash of the row itself, and an event.
    function show(bytes32 root, bytes calldata data, uint256 index, bytes32[] calldata path) external {
        bytes32 found = RowProof.rootOf(RowProof.leafOf(data), index, sizes[root], path);
        if (found != root) revert WrongRoot(found);
        emit Shown(root, index);
    }

    function leafOf(bytes calldata data) external view returns (bytes32) {
        return RowProof.leafOf(data);
    }

    function rootOf(bytes32 leaf, uint256 index, uint256 numLeaves, bytes32[] calldata path)
        external
        view
        returns (bytes32)
    {
        return RowProof.rootOf(leaf, index, numLeaves, path);
    }

    /// @dev `leafOf` with so much gas and no more; all ones if it fails.
    function leafWithin(bytes calldata data, uint256 limit) external view returns (bytes32 leaf) {
        try this.leafOf{gas: limit}(data) returns (bytes32 found) {
            leaf = found;
        } catch {
            leaf = ~bytes32(0);
        }
    }
}
