// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProtocols} from "./IProtocols.sol";

/// @dev An IProtocols.Track in one word, read once and written once: the compiler's own packing reads the slot
///      again for every field.
///
///          bits    96..255  72..95    40..71  24..39           8..23         0..7
///                  head     attempts  budget  privateReleases  openReleases  state
type PackedTrack is uint256;

using {
    isRegistered,
    isRevealed,
    isApproved,
    isClosed,
    registration,
    head,
    attempts,
    budget,
    openReleases,
    reveal,
    approve,
    close,
    add,
    extend,
    spendBudget,
    spendOpenRelease,
    unpack
} for PackedTrack global;

uint256 constant REGISTERED = 1;
uint256 constant REVEALED = 2;
uint256 constant APPROVED = 4;
uint256 constant CLOSED = 8;

uint256 constant OPEN_RELEASE = 1 << 8;
uint256 constant PRIVATE_RELEASE = 1 << 24;
uint256 constant LOSS = 1 << 40;
uint256 constant ATTEMPT = 1 << 72;
uint256 constant BELOW_HEAD = (1 << 96) - 1;

/// @dev A field would overflow its bits.
error TrackFull(uint256 track);

/// @dev The track of a protocol that was just registered.
function newTrack(uint256 blockNumber, bool revealed) pure returns (PackedTrack) {
    return PackedTrack.wrap(blockNumber << 96 | REGISTERED | (revealed ? REVEALED : 0));
}

function isRegistered(PackedTrack track) pure returns (bool) {
    return PackedTrack.unwrap(track) & REGISTERED != 0;
}

function isRevealed(PackedTrack track) pure returns (bool) {
    return PackedTrack.unwrap(track) & REVEALED != 0;
}

function isApproved(PackedTrack track) pure returns (bool) {
    return PackedTrack.unwrap(track) & APPROVED != 0;
}

function isClosed(PackedTrack track) pure returns (bool) {
    return PackedTrack.unwrap(track) & CLOSED != 0;
}

/// @dev Block of registration, as long as the track is not approved.
function registration(PackedTrack track) pure returns (uint256) {
    return PackedTrack.unwrap(track) >> 96;
}

/// @dev The head, padded with zeros.
function head(PackedTrack track) pure returns (bytes32) {
    return bytes32(bytes20(uint160(PackedTrack.unwrap(track) >> 96)));
}

function attempts(PackedTrack track) pure returns (uint24) {
    return uint24(PackedTrack.unwrap(track) >> 72);
}

function budget(PackedTrack track) pure returns (uint32) {
    return uint32(PackedTrack.unwrap(track) >> 40);
}

function openReleases(PackedTrack track) pure returns (uint16) {
    return uint16(PackedTrack.unwrap(track) >> 8);
}

function reveal(PackedTrack track) pure returns (PackedTrack) {
    return PackedTrack.wrap(PackedTrack.unwrap(track) | REVEALED);
}

/// @dev Approved, and the hash chain begins at `start`.
function approve(PackedTrack track, bytes32 start) pure returns (PackedTrack) {
    return PackedTrack.wrap(_headOf(start) | (PackedTrack.unwrap(track) & BELOW_HEAD) | APPROVED);
}

/// @dev Closed, and nothing left to spend.
function close(PackedTrack track) pure returns (PackedTrack) {
    return PackedTrack.wrap((PackedTrack.unwrap(track) - budget(track) * LOSS) | CLOSED);
}

/// @dev More to spend.
function add(PackedTrack track, uint32 loss, uint16 releases) pure returns (PackedTrack) {
    uint256 word = PackedTrack.unwrap(track);
    if (uint256(budget(track)) + loss > type(uint32).max) revert TrackFull(word);
    if (uint256(openReleases(track)) + releases > type(uint16).max) revert TrackFull(word);
    return PackedTrack.wrap(word + loss * LOSS + releases * OPEN_RELEASE);
}

/// @dev Attempts more, and the head that they lead to.
function extend(PackedTrack track, bytes32 newHead, uint256 count) pure returns (PackedTrack) {
    uint256 word = PackedTrack.unwrap(track);
    if (attempts(track) + count > type(uint24).max) revert TrackFull(word);
    return PackedTrack.wrap(_headOf(newHead) | ((word & BELOW_HEAD) + count * ATTEMPT));
}

/// @dev A release with differential privacy less; the caller has seen that the budget allows it.
function spendBudget(PackedTrack track, uint32 loss) pure returns (PackedTrack) {
    uint256 word = PackedTrack.unwrap(track);
    if (uint16(word >> 24) == type(uint16).max) revert TrackFull(word);
    return PackedTrack.wrap(word - loss * LOSS + PRIVATE_RELEASE);
}

/// @dev A release without it less; the caller has seen that one is left.
function spendOpenRelease(PackedTrack track) pure returns (PackedTrack) {
    return PackedTrack.wrap(PackedTrack.unwrap(track) - OPEN_RELEASE);
}

function unpack(PackedTrack track) pure returns (IProtocols.Track memory) {
    uint256 word = PackedTrack.unwrap(track);
    return IProtocols.Track(
        bytes20(uint160(word >> 96)),
        attempts(track),
        budget(track),
        uint16(word >> 24),
        openReleases(track),
        uint8(word)
    );
}

function _headOf(bytes32 hash) pure returns (uint256) {
    return uint256(uint160(bytes20(hash))) << 96;
}
