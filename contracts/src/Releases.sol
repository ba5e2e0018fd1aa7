// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {IReleases} from "./IReleases.sol";
import {PackedTrack} from "./PackedTrack.sol";
import {Protocols} from "./Protocols.sol";

/// @title Releases of synthetic tables and where they came from
/// @notice A slot a release: what was said by whom, as a fingerprint, and in which block.
abstract contract Releases is IReleases, Protocols {
    /// @dev When and in which block a release was withdrawn; zero while it stands.
    struct Withdrawal {
        uint48 time;
        uint48 blockNumber;
    }

    /// @notice What `spend` says of a release that makes no claim to differential privacy.
    uint32 public constant NOT_PRIVATE = type(uint32).max;

    /// @dev Of a call of `recordRelease`: the selector and the nine words of a Generation.
    uint256 private constant ENCODED_LENGTH = 4 + 9 * 32;

    /// @dev Fingerprint (26 bytes) and block number (6 bytes).
    mapping(bytes32 release => bytes32 origin) private _origins;
    mapping(bytes32 release => Withdrawal withdrawal) private _withdrawals;

    /// @inheritdoc IReleases
    function recordRelease(Generation calldata generation) external whenNotPaused {
        _check(generation);
        (Slot storage slot, PackedTrack track) = _running(generation.protocol);
        if (!track.isRevealed()) revert ProtocolSealed(generation.protocol);
        (uint24 attempts, uint24 attempt, uint32 spend) = (track.attempts(), generation.attempt, generation.spend);
        if (attempt == 0 || attempt > attempts) revert NoSuchAttempt(generation.protocol, attempts, attempt);
        bytes32 release = generation.release;
        if (spend == 0) revert SpendNotSaid(release);
        slot.track = _spend(track, generation.protocol, spend);
        if (_origins[release] != 0) revert AlreadyRecorded(release);
        bytes32 id = _idOf(keccak256(msg.data[4:ENCODED_LENGTH]), generation.synthetic);
        _origins[release] = bytes32(_fingerprint(msg.sender, id)) | bytes32(uint256(uint48(block.number)));
        emit Recorded(
            release,
            generation.protocol,
            msg.sender,
            generation.commitment,
            generation.synthetic,
            generation.modelType,
            generation.parameters,
            generation.characteristics,
            spend,
            attempt,
            attempts
        );
    }

    /// @inheritdoc IReleases
    function revoke(bytes32 release, bytes32 id, bytes32 reason) external {
        _withdraw(release, id, reason);
        emit Revoked(release, msg.sender, reason);
    }

    /// @inheritdoc IReleases
    function supersede(
        bytes32 release,
        bytes32 id,
        bytes32 successor,
        bytes32 successorId,
        bytes32 reason
    ) external {
        _withdraw(release, id, reason);
        _requireIssuer(successor, successorId);
        if (_withdrawals[successor].time != 0) revert AlreadyRevoked(successor);
        emit Superseded(release, successor, msg.sender, reason);
    }

    /// @inheritdoc IReleases
    function find(bytes32 release) external view returns (Status memory) {
        bytes32 origin = _originOf(release);
        Withdrawal memory withdrawal = _withdrawals[release];
        return Status(bytes26(origin), uint48(uint256(origin)), withdrawal.time, withdrawal.blockNumber);
    }

    /// @inheritdoc IReleases
    function holds(Generation calldata generation, address issuer) external view returns (bool) {
        bytes32 id = _idOf(keccak256(abi.encode(generation)), generation.synthetic);
        return bytes26(_origins[generation.release]) == _fingerprint(issuer, id);
    }

    /// @inheritdoc IReleases
    function standsWith(bytes32 release, address issuer, bytes32 content, bytes32 synthetic)
        external
        view
        returns (bool)
    {
        bytes26 fingerprint = _fingerprint(issuer, _idOf(content, synthetic));
        return bytes26(_origins[release]) == fingerprint && _withdrawals[release].time == 0;
    }

    /// @inheritdoc IReleases
    function stands(bytes32 release) external view returns (bool) {
        return _origins[release] != 0 && _withdrawals[release].time == 0;
    }

    function _withdraw(bytes32 release, bytes32 id, bytes32 reason) private {
        _requireIssuer(release, id);
        if (_withdrawals[release].time != 0) revert AlreadyRevoked(release);
        if (reason == 0) revert ZeroDigest("reason");
        _withdrawals[release] = Withdrawal(uint48(block.timestamp), uint48(block.number));
    }

    function _requireIssuer(bytes32 release, bytes32 id) private view {
        bytes26 fingerprint = bytes26(_originOf(release));
        if (fingerprint != _fingerprint(msg.sender, id)) revert NotIssuer(release, msg.sender);
    }

    function _originOf(bytes32 release) private view returns (bytes32 origin) {
        origin = _origins[release];
        if (origin == 0) revert NotRecorded(release);
    }

    /// @dev The track without what a release spends.
    function _spend(PackedTrack track, bytes32 protocol, uint32 spend) private pure returns (PackedTrack) {
        if (spend == NOT_PRIVATE) {
            if (track.openReleases() == 0) revert NoOpenReleaseLeft(protocol);
            return track.spendOpenRelease();
        }
        if (spend > track.budget()) revert Overspent(protocol, track.budget(), spend);
        return track.spendBudget(spend);
    }

    function _check(Generation calldata generation) private pure {
        if (generation.release == 0) revert ZeroDigest("release");
        if (generation.commitment == 0) revert ZeroDigest("commitment");
        if (generation.synthetic == 0) revert ZeroDigest("synthetic");
        if (generation.modelType == 0) revert ZeroDigest("modelType");
        if (generation.parameters == 0) revert ZeroDigest("parameters");
        if (generation.characteristics == 0) revert ZeroDigest("characteristics");
    }

    function _idOf(bytes32 content, bytes32 synthetic) private pure returns (bytes32) {
        return Hashes.efficientKeccak256(content, synthetic);
    }

    function _fingerprint(address issuer, bytes32 id) private pure returns (bytes26) {
        return bytes26(Hashes.efficientKeccak256(bytes32(uint256(uint160(issuer))), id));
    }
}
