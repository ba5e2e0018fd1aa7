// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDatasets} from "./IDatasets.sol";
import {IReleases} from "./IReleases.sol";

/// @title What the contracts beside the registry ask it
interface IRegistry {
    /// @notice Whether new records are stopped.
    function paused() external view returns (bool);

    /// @notice Whether an account holds a role.
    function hasRole(bytes32 role, address account) external view returns (bool);

    /// @notice What is stored of a dataset.
    function datasetOf(bytes32 dataset) external view returns (IDatasets.Dataset memory);

    /// @notice Whether a release is recorded and not withdrawn.
    function stands(bytes32 release) external view returns (bool);

    /// @notice Whether exactly this was recorded by this account.
    function holds(IReleases.Generation calldata generation, address issuer) external view returns (bool);
}
