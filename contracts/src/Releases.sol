// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {IReleases} from "./IReleases.sol";
import {PackedTrack} from "./PackedTrack.sol";
import {Protocols} from "./Protocols.sol";

/// @title Releases of synthetic tables and where they came from
/// @notice A slot a release: what its issuer said, as a fingerprint, and in which block.
abstract contract Releases is IReleases, Protocols {
    /// @dev In a struct, so that a pointer to it can be kept and is hashed once. A Status, but for its first two
    ///      fields in one word, which is written at once.
    struct Entry {
        bytes32 origin; // fingerprint (26 bytes), whether it failed (a bit) and block number (47 bits)
        uint48 withdrawalTime;
        uint48 withdrawalBlock;
        bytes20 withdrawal;
    }

    /// @notice What `spend` says of a release that makes no claim to differential privacy.
    uint32 public constant NOT_PRIVATE = type(uint32).max;

    /// @dev Of a call of `recordRelease`: the selector and the nine words of a Generation. `recordFailedRelease` has
    ///      the gate's word behind them.
    uint256 private constant ENCODED_LENGTH = 4 + 9 * 32;

    /// @dev In an origin: that the release failed its protocol's gate. The bits below it are the block's number.
    uint256 private constant FAILED = 1 << 47;

    /// @dev By issuer too: who records a digest that is another's takes nothing from them.
    mapping(bytes32 release => mapping(address issuer => Entry entry)) private _entries;

    /// @inheritdoc IReleases
    function recordRelease(Generation calldata generation) external whenNotPaused {
        _record(generation, keccak256(msg.data[4:ENCODED_LENGTH]), 0);
    }

    /// @inheritdoc IReleases
    function recordFailedRelease(Generation calldata generation, bytes32 gate) external whenNotPaused {
        if (gate == 0) revert ZeroDigest("gate");
        _record(generation, keccak256(msg.data[4:ENCODED_LENGTH + 32]), FAILED);
        emit FailedItsGate(generation.release, msg.sender, gate);
    }

    /// @inheritdoc IReleases
    function revoke(bytes32 release, bytes32 reason) external {
        _withdraw(release, 0, reason);
        emit Revoked(release, msg.sender, reason);
    }

    /// @inheritdoc IReleases
    function supersede(bytes32 release, bytes32 successor, bytes32 reason) external {
        _withdraw(release, successor, reason);
        _standing(successor);
        emit Superseded(release, successor, msg.sender, reason);
    }

    /// @inheritdoc IReleases
    function find(bytes32 release, address issuer) external view returns (Status memory) {
        Entry storage entry = _recorded(release, issuer);
        bytes32 origin = entry.origin;
        return Status(
            bytes26(origin),
            uint256(origin) & FAILED != 0,
            uint48(uint256(origin) % FAILED),
            entry.withdrawalTime,
            entry.withdrawalBlock,
            entry.withdrawal
        );
    }

    /// @inheritdoc IReleases
    function holds(Generation calldata generation, address issuer) external view returns (bool) {
        return _isContent(generation, issuer, keccak256(abi.encode(generation)));
    }

    /// @inheritdoc IReleases
    function holdsFailed(Generation calldata generation, bytes32 gate, address issuer)
        external
        view
        returns (bool)
    {
        return _isContent(generation, issuer, keccak256(abi.encode(generation, gate)));
    }

    /// @inheritdoc IReleases
    function standsWith(bytes32 release, address issuer, bytes32 content, bytes32 synthetic)
        external
        view
        returns (bool)
    {
        Entry storage entry = _entries[release][issuer];
        return bytes26(entry.origin) == _fingerprint(content, synthetic) && entry.withdrawalTime == 0;
    }

    /// @inheritdoc IReleases
    function stands(bytes32 release, address issuer) external view returns (bool) {
        Entry storage entry = _entries[release][issuer];
        return entry.origin != 0 && entry.withdrawalTime == 0;
    }

    /// @dev `outcome` is FAILED or nothing; `content` hashes what is said, the gate's digest with it if it failed.
    function _record(Generation calldata generation, bytes32 content, uint256 outcome) private {
        _check(generation);
        uint24 attempts = _spendFor(generation);
        Entry storage entry = _entries[generation.release][msg.sender];
        if (entry.origin != 0) revert AlreadyRecorded(generation.release);
        bytes32 place = bytes32(block.number % FAILED | outcome);
        entry.origin = bytes32(_fingerprint(content, generation.synthetic)) | place;
        emit Recorded(
            generation.release,
            generation.protocol,
            msg.sender,
            generation.commitment,
            generation.synthetic,
            generation.modelType,
            generation.parameters,
            generation.characteristics,
            generation.spend,
            generation.attempt,
            attempts
        );
    }

    /// @dev Take what a release spends from its protocol; returns how many attempts there were.
    function _spendFor(Generation calldata generation) private returns (uint24 attempts) {
        (Slot storage slot, PackedTrack track) = _running(generation.protocol);
        if (!track.isRevealed()) revert ProtocolSealed(generation.protocol);
        attempts = track.attempts();
        (uint24 attempt, uint32 spend) = (generation.attempt, generation.spend);
        if (attempt == 0 || attempt > attempts) revert NoSuchAttempt(generation.protocol, attempts, attempt);
        if (spend == 0) revert SpendNotSaid(generation.release);
        slot.track = _spend(track, generation.protocol, spend);
    }

    function _withdraw(bytes32 release, bytes32 successor, bytes32 reason) private {
        Entry storage entry = _standing(release);
        if (reason == 0) revert ZeroDigest("reason");
        (entry.withdrawalTime, entry.withdrawalBlock) = (uint48(block.timestamp), uint48(block.number));
        entry.withdrawal = bytes20(Hashes.efficientKeccak256(successor, reason));
    }

    /// @dev The sender's release, which must not be withdrawn.
    function _standing(bytes32 release) private view returns (Entry storage entry) {
        entry = _recorded(release, msg.sender);
        if (entry.withdrawalTime != 0) revert AlreadyRevoked(release);
    }

    function _recorded(bytes32 release, address issuer) private view returns (Entry storage entry) {
        entry = _entries[release][issuer];
        if (entry.origin == 0) revert NotRecorded(release, issuer);
    }

    function _isContent(Generation calldata generation, address issuer, bytes32 content)
        private
        view
        returns (bool)
    {
        bytes32 origin = _entries[generation.release][issuer].origin;
        return bytes26(origin) == _fingerprint(content, generation.synthetic);
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

    /// @dev The first bytes of the record's id.
    function _fingerprint(bytes32 content, bytes32 synthetic) private pure returns (bytes26) {
        return bytes26(Hashes.efficientKeccak256(content, synthetic));
    }
}
