// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProtocols} from "./IProtocols.sol";

/// @dev What attempts and releases change of an IProtocols.Track, in one word, read once and written once: the
///      compiler's own packing reads the slot again for every field.
///
///          bits    96..255  72..95    40..71  24..39           8..23         0..7
///                  head     attempts  budget  privateReleases  openReleases  state
type PackedTrack is uint256;

using PackedTracks for PackedTrack global;

/// @title What is read from a track's word, and how it changes
/// @notice Each change gives a new word, or reverts where a field would not fit. Arithmetic is unchecked where the
///         line before, or the caller, has seen that it fits.
library PackedTracks {
    uint256 private constant REGISTERED = 1;
    uint256 private constant REVEALED = 2;
    uint256 private constant APPROVED = 4;
    uint256 private constant CLOSED = 8;

    uint256 private constant OPEN_RELEASE = 1 << 8;
    uint256 private constant PRIVATE_RELEASE = 1 << 24;
    uint256 private constant LOSS = 1 << 40;
    uint256 private constant ATTEMPT = 1 << 72;
    uint256 private constant BELOW_HEAD = (1 << 96) - 1;

    /// @notice A field would overflow its bits.
    /// @param track The word.
    error TrackFull(uint256 track);

    /// @dev The track of a protocol that was just registered.
    function start(uint256 blockNumber, bool revealed) internal pure returns (PackedTrack) {
        return PackedTrack.wrap(blockNumber << 96 | REGISTERED | (revealed ? REVEALED : 0));
    }

    function isRegistered(PackedTrack track) internal pure returns (bool) {
        return PackedTrack.unwrap(track) & REGISTERED != 0;
    }

    function isRevealed(PackedTrack track) internal pure returns (bool) {
        return PackedTrack.unwrap(track) & REVEALED != 0;
    }

    function isApproved(PackedTrack track) internal pure returns (bool) {
        return PackedTrack.unwrap(track) & APPROVED != 0;
    }

    function isClosed(PackedTrack track) internal pure returns (bool) {
        return PackedTrack.unwrap(track) & CLOSED != 0;
    }

    /// @dev Approved and not closed.
    function isRunning(PackedTrack track) internal pure returns (bool) {
        return PackedTrack.unwrap(track) & (APPROVED | CLOSED) == APPROVED;
    }

    /// @dev Block of registration, as long as the track is not approved.
    function registration(PackedTrack track) internal pure returns (uint256) {
        return PackedTrack.unwrap(track) >> 96;
    }

    /// @dev The head, padded with zeros.
    function head(PackedTrack track) internal pure returns (bytes32) {
        return bytes32(bytes20(uint160(PackedTrack.unwrap(track) >> 96)));
    }

    function attempts(PackedTrack track) internal pure returns (uint24) {
        return uint24(PackedTrack.unwrap(track) >> 72);
    }

    /// @dev Number of the next attempt.
    function nextAttempt(PackedTrack track) internal pure returns (uint256) {
        unchecked {
            return uint256(attempts(track)) + 1;
        }
    }

    function budget(PackedTrack track) internal pure returns (uint32) {
        return uint32(PackedTrack.unwrap(track) >> 40);
    }

    function openReleases(PackedTrack track) internal pure returns (uint16) {
        return uint16(PackedTrack.unwrap(track) >> 8);
    }

    /// @dev As a struct, beside what the protocol was given.
    function unpack(PackedTrack track, uint32 allotted, uint16 openAllotted)
        internal
        pure
        returns (IProtocols.Track memory)
    {
        uint256 word = PackedTrack.unwrap(track);
        return IProtocols.Track(
            bytes20(uint160(word >> 96)),
            attempts(track),
            budget(track),
            uint16(word >> 24),
            openReleases(track),
            uint8(word),
            allotted,
            openAllotted
        );
    }

    function reveal(PackedTrack track) internal pure returns (PackedTrack) {
        return PackedTrack.wrap(PackedTrack.unwrap(track) | REVEALED);
    }

    /// @dev Approved, and the hash chain begins at `first`.
    function approve(PackedTrack track, bytes32 first) internal pure returns (PackedTrack) {
        return PackedTrack.wrap(_headOf(first) | (PackedTrack.unwrap(track) & BELOW_HEAD) | APPROVED);
    }

    /// @dev Closed, and nothing left to spend.
    function close(PackedTrack track) internal pure returns (PackedTrack) {
        unchecked {
            uint256 left = budget(track) * LOSS + openReleases(track) * OPEN_RELEASE;
            return PackedTrack.wrap((PackedTrack.unwrap(track) - left) | CLOSED);
        }
    }

    /// @dev More to spend; what is left of a total is at most the total, which fits.
    function add(PackedTrack track, uint32 loss, uint16 releases) internal pure returns (PackedTrack) {
        unchecked {
            return PackedTrack.wrap(PackedTrack.unwrap(track) + loss * LOSS + releases * OPEN_RELEASE);
        }
    }

    /// @dev Attempts more, and the head that they lead to.
    function extend(PackedTrack track, bytes32 newHead, uint24 count) internal pure returns (PackedTrack) {
        uint256 word = PackedTrack.unwrap(track);
        if (uint256(attempts(track)) + count > type(uint24).max) revert TrackFull(word);
        unchecked {
            return PackedTrack.wrap(_headOf(newHead) | ((word & BELOW_HEAD) + count * ATTEMPT));
        }
    }

    /// @dev A release with differential privacy less; the caller has seen that the budget allows it.
    function spendBudget(PackedTrack track, uint32 loss) internal pure returns (PackedTrack) {
        uint256 word = PackedTrack.unwrap(track);
        if (uint16(word >> 24) == type(uint16).max) revert TrackFull(word);
        unchecked {
            return PackedTrack.wrap(word - loss * LOSS + PRIVATE_RELEASE);
        }
    }

    /// @dev A release without it less; the caller has seen that one is left.
    function spendOpenRelease(PackedTrack track) internal pure returns (PackedTrack) {
        unchecked {
            return PackedTrack.wrap(PackedTrack.unwrap(track) - OPEN_RELEASE);
        }
    }

    function _headOf(bytes32 hash) private pure returns (uint256) {
        return uint256(uint160(bytes20(hash))) << 96;
    }
}
