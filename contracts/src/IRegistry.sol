// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDatasets} from "./IDatasets.sol";

/// @title What the contracts beside the registry ask it
/// @notice The few questions; the whole registry is ProvenanceRegistry.
interface IRegistry {
    /// @notice Whether new records are stopped.
    /// @return Whether they are.
    function paused() external view returns (bool);

    /// @notice Whether an account holds a role.
    /// @param role The role.
    /// @param account The account.
    /// @return Whether it does.
    function hasRole(bytes32 role, address account) external view returns (bool);

    /// @notice What is stored of a dataset.
    /// @param dataset The dataset.
    /// @return What is stored.
    function datasetOf(bytes32 dataset) external view returns (IDatasets.Dataset memory);

    /// @notice Whether a release was recorded by this account, failed or not, and not withdrawn.
    /// @param release The release.
    /// @param issuer By whom.
    /// @return Whether it was, and stands.
    function stands(bytes32 release, address issuer) external view returns (bool);

    /// @notice Whether a release with this root was recorded by this account, failed or not, and not withdrawn.
    /// @param release The release.
    /// @param issuer By whom.
    /// @param content keccak256(abi.encode(generation)), of a failed one keccak256(abi.encode(generation, gate)).
    /// @param synthetic Root of the Merkle tree over the rows of the synthetic table.
    /// @return Whether it was, and stands.
    function standsWith(bytes32 release, address issuer, bytes32 content, bytes32 synthetic)
        external
        view
        returns (bool);
}
