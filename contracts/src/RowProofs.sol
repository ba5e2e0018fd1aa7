// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRegistry} from "./IRegistry.sol";
import {IRowProofs} from "./IRowProofs.sol";
import {RowProof} from "./libraries/RowProof.sol";

/// @title Single rows of a release, shown without the rest
/// @notice Looks only; it keeps nothing.
contract RowProofs is IRowProofs {
    /// @notice The registry whose releases are looked at.
    IRegistry public immutable registry;

    /// @param registry_ The registry whose releases are looked at.
    constructor(IRegistry registry_) {
        registry = registry_;
    }

    /// @inheritdoc IRowProofs
    function isRow(
        bytes32 release,
        address issuer,
        bytes32 content,
        bytes calldata data,
        uint256 index,
        uint256 numRows,
        bytes32[] calldata path
    ) external view returns (bool) {
        bytes32 root = RowProof.rootOf(RowProof.leafOf(data), index, numRows, path);
        return registry.standsWith(release, issuer, content, root);
    }
}
