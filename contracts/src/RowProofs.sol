// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRegistry} from "./IRegistry.sol";
import {IReleases} from "./IReleases.sol";
import {IRowProofs} from "./IRowProofs.sol";
import {RowProof} from "./libraries/RowProof.sol";

/// @title Single rows of a release, shown without the rest
contract RowProofs is IRowProofs {
    /// @notice The registry whose releases are looked at.
    IRegistry public immutable registry;

    /// @param registry_ The registry whose releases are looked at.
    constructor(IRegistry registry_) {
        registry = registry_;
    }

    /// @inheritdoc IRowProofs
    function isRow(
        IReleases.Generation calldata generation,
        address issuer,
        bytes calldata data,
        uint256 index,
        uint256 numRows,
        bytes32[] calldata path
    ) external view returns (bool) {
        if (!registry.holds(generation, issuer) || !registry.stands(generation.release)) return false;
        return RowProof.rootOf(RowProof.leafOf(data), index, numRows, path) == generation.synthetic;
    }
}
