// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDatasets} from "../../src/IDatasets.sol";
import {Acts} from "./Acts.sol";

/// @title Acts on datasets
abstract contract DatasetActs is Acts {
    uint256 internal constant NUM_DATASETS = 6;

    mapping(bytes32 dataset => IDatasets.Dataset expected) internal _datasets;
    mapping(bytes32 dataset => address successor) private _offers;
    mapping(bytes32 dataset => uint32 cap) private _firstCaps;
    mapping(bytes32 dataset => bytes32 certificate) private _erasures;

    /// @notice Somebody registers a dataset: a commitment of their own, or another's.
    function registerDataset(uint256 seed) external seeded(seed) {
        bytes32 commitment = _draw(16) == 0 ? bytes32(0) : _commitmentAt(_draw(NUM_DATASETS / 2));
        address sender = actor(_draw(4));
        bytes32 dataset = keccak256(abi.encode(sender, commitment));
        (uint16 order, uint32 cap) = (uint16(_draw(8)), uint32(_draw(1000)));
        bool isAllowed = !_isPaused && _holds[STEWARD_ROLE][sender] && commitment != 0 && order != 1
            && _datasets[dataset].state == IDatasets.DatasetState.Unknown;
        bytes memory call = abi.encodeCall(REGISTRY.registerDataset, (commitment, order, cap));
        if (!_act("registerDataset", sender, address(REGISTRY), call, isAllowed)) return;
        _datasets[dataset] = IDatasets.Dataset(sender, cap, 0, order, IDatasets.DatasetState.Active);
        _firstCaps[dataset] = cap;
    }

    /// @notice Somebody lowers a cap.
    function lowerCap(uint256 seed) external seeded(seed) {
        bytes32 dataset = _drawDataset();
        IDatasets.Dataset storage expected = _datasets[dataset];
        address sender = _drawSender(expected.steward);
        uint32 cap = uint32(_draw(4) == 0 ? _draw(1000) : expected.cap - _draw(expected.cap / 8 + 1));
        bool isAllowed = _isOwner(dataset, sender) && cap < expected.cap && !(cap < expected.allotted);
        bytes memory call = abi.encodeCall(REGISTRY.lowerCap, (dataset, cap));
        if (_act("lowerCap", sender, address(REGISTRY), call, isAllowed)) expected.cap = cap;
    }

    /// @notice Somebody offers a dataset.
    function offerDataset(uint256 seed) external seeded(seed) {
        bytes32 dataset = _drawDataset();
        address sender = _drawSender(_datasets[dataset].steward);
        address successor = _draw(8) == 0 ? address(0) : actor(_draw(4));
        bytes memory call = abi.encodeCall(REGISTRY.offerDataset, (dataset, successor));
        bool isAllowed = _isOwner(dataset, sender);
        if (_act("offerDataset", sender, address(REGISTRY), call, isAllowed)) _offers[dataset] = successor;
    }

    /// @notice Somebody takes a dataset over.
    function acceptDataset(uint256 seed) external seeded(seed) {
        bytes32 dataset = _drawDataset();
        address sender = _drawSender(_offers[dataset]);
        bool isAllowed = _holds[STEWARD_ROLE][sender] && _offers[dataset] == sender && _isActive(dataset);
        bytes memory call = abi.encodeCall(REGISTRY.acceptDataset, (dataset));
        if (!_act("acceptDataset", sender, address(REGISTRY), call, isAllowed)) return;
        (_datasets[dataset].steward, _offers[dataset]) = (sender, address(0));
    }

    /// @notice Somebody gives a dataset up, or says that its key was destroyed. Seldom, so that some are left.
    function endDataset(uint256 seed) external seeded(seed) {
        bytes32 dataset = _drawDataset();
        address sender = _draw(32) == 0 ? _drawSender(_datasets[dataset].steward) : actor(_draw(2) * 5);
        (bool isErasure, bytes32 certificate) = (_draw(2) == 0, _drawDigest());
        bytes memory call = isErasure
            ? abi.encodeCall(REGISTRY.eraseDataset, (dataset, certificate))
            : abi.encodeCall(REGISTRY.renounceDataset, (dataset));
        bool isRenounced = _datasets[dataset].state == IDatasets.DatasetState.Renounced;
        bool isAllowed = isErasure
            ? (_isActive(dataset) || isRenounced) && _datasets[dataset].steward == sender && certificate != 0
            : _isOwner(dataset, sender);
        if (!_act("endDataset", sender, address(REGISTRY), call, isAllowed)) return;
        if (isErasure) (_datasets[dataset].state, _erasures[dataset]) = (IDatasets.DatasetState.Erased, certificate);
        else _datasets[dataset].state = IDatasets.DatasetState.Renounced;
    }

    /// @notice Datasets are as the model says, and no more is allotted than a cap allows that is never raised.
    function checkDatasets() external view {
        for (uint256 i = 0; i < NUM_DATASETS; ++i) {
            bytes32 dataset = _datasetAt(i);
            IDatasets.Dataset memory found = REGISTRY.datasetOf(dataset);
            assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(_datasets[dataset])));
            assertEq(REGISTRY.erasureOf(dataset), _erasures[dataset]);
            assertTrue(!(found.allotted > found.cap), "allotted within the cap");
            assertTrue(!(found.cap > _firstCaps[dataset]), "a cap is never raised");
        }
    }

    function _drawDataset() internal returns (bytes32) {
        return _datasetAt(_draw(NUM_DATASETS));
    }

    function _isActive(bytes32 dataset) internal view returns (bool) {
        return _datasets[dataset].state == IDatasets.DatasetState.Active;
    }

    function _isOwner(bytes32 dataset, address sender) internal view returns (bool) {
        return _isActive(dataset) && _datasets[dataset].steward == sender;
    }

    /// @dev The first stewards may each register every commitment.
    function _datasetAt(uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encode(actor(1 + index % 2), _commitmentAt(index / 2)));
    }

    function _commitmentAt(uint256 index) private pure returns (bytes32) {
        return keccak256(abi.encode("dataset", index));
    }
}
