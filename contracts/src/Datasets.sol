// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {IDatasets} from "./IDatasets.sol";
import {Roles} from "./Roles.sol";

/// @title Confidential datasets and what may still be learnt of them
/// @notice A slot a dataset: its steward, its cap, and what protocols were given of that; and a second one once
///         it is erased.
abstract contract Datasets is IDatasets, Roles {
    mapping(bytes32 dataset => Dataset found) private _datasets;
    mapping(bytes32 dataset => address successor) private _datasetSuccessors;
    mapping(bytes32 dataset => bytes32 certificate) private _erasures;

    /// @inheritdoc IDatasets
    function registerDataset(bytes32 commitment, uint16 order, uint32 cap)
        external
        whenNotPaused
        onlyRole(STEWARD_ROLE)
        returns (bytes32 dataset)
    {
        if (commitment == 0) revert ZeroDigest("commitment");
        if (order == 1) revert InvalidOrder(order);
        dataset = Hashes.efficientKeccak256(bytes32(uint256(uint160(msg.sender))), commitment);
        if (_datasets[dataset].state != DatasetState.Unknown) revert DatasetAlreadyRegistered(dataset);
        _datasets[dataset] = Dataset(msg.sender, cap, 0, order, DatasetState.Active);
        emit DatasetRegistered(dataset, commitment, msg.sender, order, cap);
    }

    /// @inheritdoc IDatasets
    function lowerCap(bytes32 dataset, uint32 cap) external {
        Dataset storage found = _owned(dataset);
        if (cap >= found.cap || cap < found.allotted) {
            revert CapNotLowered(dataset, found.cap, found.allotted, cap);
        }
        found.cap = cap;
        emit CapLowered(dataset, cap);
    }

    /// @inheritdoc IDatasets
    function offerDataset(bytes32 dataset, address successor) external {
        _owned(dataset);
        _datasetSuccessors[dataset] = successor;
        emit DatasetOffered(dataset, msg.sender, successor);
    }

    /// @inheritdoc IDatasets
    function acceptDataset(bytes32 dataset) external onlyRole(STEWARD_ROLE) {
        if (_datasetSuccessors[dataset] != msg.sender) revert DatasetNotOffered(dataset, msg.sender);
        Dataset storage found = _active(dataset);
        emit DatasetHandedOver(dataset, found.steward, msg.sender);
        delete _datasetSuccessors[dataset];
        found.steward = msg.sender;
    }

    /// @inheritdoc IDatasets
    function renounceDataset(bytes32 dataset) external {
        Dataset storage found = _owned(dataset);
        found.state = DatasetState.Renounced; // the steward stays: somebody has to end and erase
        emit DatasetRenounced(dataset, msg.sender);
    }

    /// @inheritdoc IDatasets
    function eraseDataset(bytes32 dataset, bytes32 certificate) external {
        Dataset storage found = _datasets[dataset];
        if (found.state != DatasetState.Renounced) _active(dataset);
        if (found.steward != msg.sender) revert NotSteward(dataset, msg.sender);
        if (certificate == 0) revert ZeroDigest("certificate");
        found.state = DatasetState.Erased;
        _erasures[dataset] = certificate;
        emit DatasetErased(dataset, msg.sender, certificate);
    }

    /// @inheritdoc IDatasets
    function datasetOf(bytes32 dataset) external view returns (Dataset memory) {
        return _datasets[dataset];
    }

    /// @inheritdoc IDatasets
    function erasureOf(bytes32 dataset) external view returns (bytes32) {
        return _erasures[dataset];
    }

    /// @dev Set part of the cap aside.
    function _allot(bytes32 dataset, uint32 amount) internal {
        Dataset storage found = _owned(dataset);
        uint256 wanted = uint256(found.allotted) + amount;
        if (wanted > found.cap) revert BudgetExceeded(dataset, found.cap, wanted);
        found.allotted = uint32(wanted);
    }

    /// @dev Give back what was set aside and not spent, also of a dataset that is no longer active: its protocols are
    ///      still closed.
    function _returnAllotment(bytes32 dataset, uint32 amount) internal {
        _datasets[dataset].allotted -= amount;
    }

    /// @dev The dataset, which must be active.
    function _active(bytes32 dataset) internal view returns (Dataset storage found) {
        found = _datasets[dataset];
        if (found.state != DatasetState.Active) revert DatasetNotActive(dataset, found.state);
    }

    /// @dev The dataset, which must be active and the sender's.
    function _owned(bytes32 dataset) internal view returns (Dataset storage found) {
        found = _active(dataset);
        if (found.steward != msg.sender) revert NotSteward(dataset, msg.sender);
    }

    function _isSteward(bytes32 dataset, address account) internal view returns (bool) {
        return _datasets[dataset].steward == account;
    }
}
