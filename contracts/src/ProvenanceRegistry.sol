// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControlDefaultAdminRules} from
    "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {IProvenanceRegistry} from "./IProvenanceRegistry.sol";

/// @title Registry of synthetic tables and where they came from
/// @dev The administrator grants and withdraws RECORDER_ROLE and is replaced in two steps with a delay; it can
///      neither record without the role nor touch a record. There is no proxy: the code never changes.
contract ProvenanceRegistry is IProvenanceRegistry, AccessControlDefaultAdminRules {
    /// @notice Who holds this role may record.
    bytes32 public constant RECORDER_ROLE = keccak256("RECORDER_ROLE");

    uint256 private constant MODEL_TYPE_LIMIT = 64;

    mapping(bytes32 release => Status status) private _statuses;

    /// @param adminDelay Seconds between the two steps of handing over the administration.
    /// @param admin Who grants and withdraws RECORDER_ROLE.
    /// @param recorder The first to hold RECORDER_ROLE; nobody if zero.
    constructor(uint48 adminDelay, address admin, address recorder)
        AccessControlDefaultAdminRules(adminDelay, admin)
    {
        if (recorder != address(0)) _grantRole(RECORDER_ROLE, recorder);
    }

    /// @inheritdoc IProvenanceRegistry
    function record(Generation calldata generation) external onlyRole(RECORDER_ROLE) returns (bytes32 id) {
        _check(generation);
        Status storage status = _statuses[generation.release];
        if (status.issuer != address(0)) revert AlreadyRecorded(generation.release);
        status.issuer = msg.sender;
        status.time = uint48(block.timestamp);
        status.blockNumber = uint48(block.number);
        id = keccak256(abi.encode(generation));
        emit Recorded(generation.release, id, msg.sender, generation);
    }

    /// @inheritdoc IProvenanceRegistry
    function revoke(bytes32 release, bytes32 reason) external {
        Status storage status = _statuses[release];
        if (status.issuer == address(0)) revert NotRecorded(release);
        if (status.issuer != msg.sender) revert NotIssuer(release, msg.sender);
        if (status.reason != 0) revert AlreadyRevoked(release);
        if (reason == 0) revert ZeroDigest("reason");
        status.reason = reason;
        emit Revoked(release, msg.sender, reason);
    }

    /// @inheritdoc IProvenanceRegistry
    function find(bytes32 release) external view returns (Status memory status) {
        status = _statuses[release];
        if (status.issuer == address(0)) revert NotRecorded(release);
    }

    function _check(Generation calldata generation) private pure {
        if (generation.release == 0) revert ZeroDigest("release");
        if (generation.commitment == 0) revert ZeroDigest("commitment");
        if (generation.synthetic == 0) revert ZeroDigest("synthetic");
        if (generation.parameters == 0) revert ZeroDigest("parameters");
        if (generation.characteristics == 0) revert ZeroDigest("characteristics");
        uint256 length = bytes(generation.modelType).length;
        if (length == 0 || length > MODEL_TYPE_LIMIT) revert ModelTypeLength(length);
    }
}
