// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAgreements} from "../../src/IAgreements.sol";
import {ReleaseActs} from "./ReleaseActs.sol";

/// @title Acts on agreements
abstract contract AgreementActs is ReleaseActs {
    uint256 private constant MOST_AGREEMENTS = 16;
    uint256 private constant NUM_OBJECTS = 6;

    IAgreements.Agreement[] private _deals;
    mapping(bytes32 id => IAgreements.AgreementStatus expected) private _statuses;
    mapping(bytes32 id => address steward) private _offerers;
    mapping(bytes32 dataset => mapping(bytes32 object => bytes32 certificate)) private _gone;

    /// @notice Somebody offers an agreement.
    function offer(uint256 seed) external seeded(seed) {
        IAgreements.Agreement memory agreement = _drawAgreement();
        bytes32 id = keccak256(abi.encode(agreement));
        address sender = _drawSender(_datasets[agreement.dataset].steward);
        bool isAllowed = !_isPaused && _isTrusted(agreement.dataset, sender)
            && !(agreement.expiry < block.timestamp) && _stateOf(id) == IAgreements.AgreementState.Unknown
            && _deals.length < MOST_AGREEMENTS;
        bytes memory call = abi.encodeCall(AGREEMENTS.offer, (agreement));
        if (_deals.length == MOST_AGREEMENTS) return;
        if (!_act("offer", sender, address(AGREEMENTS), call, isAllowed)) return;
        _deals.push(agreement);
        _offerers[id] = sender;
        _statuses[id] = IAgreements.AgreementStatus(
            IAgreements.AgreementState.Offered, agreement.expiry, 0, 0, 0, bytes13(bytes20(sender))
        );
    }

    /// @notice Somebody brings an acceptance, signed by the grantee or by another.
    function accept(uint256 seed) external seeded(seed) {
        IAgreements.Agreement memory agreement = _drawAgreement();
        bytes32 id = keccak256(abi.encode(agreement));
        (bytes32 key, address signer) = (_drawDigest(), _drawSender(agreement.grantee));
        bytes memory signature = _sign(_keyOf(signer), AGREEMENTS.acceptanceDigest(id, key));
        IAgreements.AgreementStatus storage status = _statuses[id];
        bool isAllowed = !_isPaused && _isActive(agreement.dataset) && signer == agreement.grantee && key != 0
            && status.state == IAgreements.AgreementState.Offered && !(status.expiry < block.timestamp)
            && _offerers[id] == _datasets[agreement.dataset].steward;
        bytes memory call = abi.encodeCall(AGREEMENTS.accept, (agreement, key, signature));
        if (!_act("accept", _drawActor(), address(AGREEMENTS), call, isAllowed)) return;
        (status.state, status.acceptance) =
            (IAgreements.AgreementState.Accepted, uint40(block.timestamp));
        status.head = bytes13(keccak256(abi.encode(id, key)));
    }

    /// @notice Somebody prolongs an agreement.
    function renew(uint256 seed) external seeded(seed) {
        IAgreements.Agreement memory agreement = _drawAgreement();
        IAgreements.AgreementStatus storage status = _statuses[keccak256(abi.encode(agreement))];
        address sender = _drawSender(_datasets[agreement.dataset].steward);
        uint40 expiry = uint40(block.timestamp + _draw(60 days) - 1 days);
        bool isAllowed = !_isPaused && _isTrusted(agreement.dataset, sender)
            && status.state == IAgreements.AgreementState.Accepted && expiry > status.expiry
            && !(status.expiry < block.timestamp);
        bytes memory call = abi.encodeCall(AGREEMENTS.renew, (agreement, expiry));
        if (_act("renew", sender, address(AGREEMENTS), call, isAllowed)) status.expiry = expiry;
    }

    /// @notice Somebody ends an agreement. Seldom, so that some are in force.
    function end(uint256 seed) external seeded(seed) {
        IAgreements.Agreement memory agreement = _drawAgreement();
        IAgreements.AgreementStatus storage status = _statuses[keccak256(abi.encode(agreement))];
        address steward = _datasets[agreement.dataset].steward;
        address right = _draw(2) == 0 ? agreement.grantee : steward;
        (address sender, bytes32 reason) = (_draw(8) == 0 ? _drawSender(right) : actor(0), _drawDigest());
        bool isLive = status.state == IAgreements.AgreementState.Offered
            || status.state == IAgreements.AgreementState.Accepted;
        bool isAllowed = isLive && reason != 0 && (sender == agreement.grantee || sender == steward);
        bytes memory call = abi.encodeCall(AGREEMENTS.end, (agreement, reason));
        if (!_act("end", sender, address(AGREEMENTS), call, isAllowed)) return;
        (status.state, status.end) = (IAgreements.AgreementState.Ended, uint40(block.timestamp));
    }

    /// @notice Somebody logs an access: done between acceptance and expiry or end, and never outside.
    function logAccess(uint256 seed) external seeded(seed) {
        IAgreements.Agreement memory agreement = _drawAgreement();
        IAgreements.AgreementStatus storage status = _statuses[keccak256(abi.encode(agreement))];
        address sender = _drawSender(_datasets[agreement.dataset].steward);
        bytes32 object = bytes32(_draw(NUM_OBJECTS));
        bool isInForce = status.acceptance != 0 && !(block.timestamp < status.acceptance)
            && !(block.timestamp > status.expiry) && status.end == 0;
        uint24 number = _draw(8) == 0 ? uint24(_draw(4)) : status.accesses + 1;
        bool isAllowed = !_isPaused && _isTrusted(agreement.dataset, sender) && isInForce && object != 0
            && _gone[agreement.dataset][object] == 0 && number == status.accesses + 1;
        bytes memory call = abi.encodeCall(AGREEMENTS.logAccess, (agreement, object, number));
        if (!_act("logAccess", sender, address(AGREEMENTS), call, isAllowed)) return;
        ++status.accesses;
        status.head = bytes13(keccak256(abi.encode(status.head, object)));
    }

    /// @notice Somebody says that an object is gone.
    function eraseObject(uint256 seed) external seeded(seed) {
        (bytes32 dataset, bytes32 object) = (_drawDataset(), bytes32(_draw(NUM_OBJECTS)));
        (address sender, bytes32 certificate) = (_drawSender(_datasets[dataset].steward), _drawDigest());
        bool isAllowed = _datasets[dataset].steward == sender && object != 0 && certificate != 0
            && _gone[dataset][object] == 0;
        bytes memory call = abi.encodeCall(AGREEMENTS.eraseObject, (dataset, object, certificate));
        if (!_act("eraseObject", sender, address(AGREEMENTS), call, isAllowed)) return;
        _gone[dataset][object] = certificate;
    }

    /// @notice Somebody asks, or says that somebody was refused.
    function note(uint256 seed) external seeded(seed) {
        (bytes32 dataset, bytes32 reason) = (_drawDataset(), _drawDigest());
        address sender = _drawSender(_datasets[dataset].steward);
        uint256 kind = _draw(3);
        bool isAllowed = !_isPaused && reason != 0
            && (kind == 0 ? _isActive(dataset) : _datasets[dataset].steward == sender);
        bytes memory call = kind == 0
            ? abi.encodeCall(AGREEMENTS.request, (dataset, reason, new uint32[](1)))
            : kind == 1
                ? abi.encodeCall(AGREEMENTS.denyRequest, (dataset, sender, "purpose", new uint32[](1), reason))
                : abi.encodeCall(AGREEMENTS.logDenial, (dataset, "object", sender, reason));
        _act("note", sender, address(AGREEMENTS), call, isAllowed);
    }

    /// @notice Agreements and erased objects are as the model says.
    function checkAgreements() external view {
        for (uint256 i = 0; i < _deals.length; ++i) {
            bytes32 id = keccak256(abi.encode(_deals[i]));
            assertEq(keccak256(abi.encode(AGREEMENTS.statusOf(id))), keccak256(abi.encode(_statuses[id])));
        }
        for (uint256 i = 0; i < NUM_DATASETS * NUM_OBJECTS; ++i) {
            (bytes32 dataset, bytes32 object) = (_datasetAt(i / NUM_OBJECTS), bytes32(i % NUM_OBJECTS));
            assertEq(AGREEMENTS.objectErasureOf(dataset, object), _gone[dataset][object]);
        }
    }

    /// @dev Mostly one that there is, else one that there may be.
    function _drawAgreement() private returns (IAgreements.Agreement memory agreement) {
        if (_deals.length != 0 && _draw(4) != 0) return _deals[_draw(_deals.length)];
        (agreement.dataset, agreement.grantee) = (_drawDataset(), _drawActor());
        (agreement.terms, agreement.purpose, agreement.uses) = ("terms", "purpose", new uint32[](1));
        agreement.expiry = uint40(block.timestamp + _draw(60 days) - 5 days);
    }

    /// @dev Who may let something out of a dataset.
    function _isTrusted(bytes32 dataset, address sender) private view returns (bool) {
        return _isOwner(dataset, sender) && _holds[STEWARD_ROLE][sender];
    }

    function _stateOf(bytes32 id) private view returns (IAgreements.AgreementState) {
        return _statuses[id].state;
    }
}
