// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Datasets} from "./Datasets.sol";
import {IProtocols} from "./IProtocols.sol";
import {PackedTrack, PackedTracks} from "./PackedTrack.sol";

/// @title Protocols registered before training, and every attempt under them
/// @notice A slot a protocol: its hash chain of attempts, and what it may still spend.
abstract contract Protocols is IProtocols, Datasets {
    /// @dev What it was given until now. Attempts and releases never look at it.
    struct Allotment {
        uint32 budget;
        uint16 openReleases;
    }

    /// @dev In a struct, so that a pointer to it can be kept and is hashed once.
    struct Slot {
        PackedTrack track;
        Allotment allotment;
    }

    mapping(bytes32 protocol => mapping(address researcher => Slot slot)) private _slots;

    /// @inheritdoc IProtocols
    function registerProtocol(bytes32 dataset, bytes32 seal) external returns (bytes32 protocol) {
        protocol = _register(dataset, seal, false);
    }

    /// @inheritdoc IProtocols
    function registerOpenProtocol(bytes32 dataset, bytes32 digest) external returns (bytes32 protocol) {
        if (digest == 0) revert ZeroDigest("digest");
        protocol = _register(dataset, _sealOf(msg.sender, digest, 0), true);
        emit ProtocolRevealed(protocol, digest, 0);
    }

    /// @inheritdoc IProtocols
    function revealProtocol(bytes32 dataset, bytes32 digest, bytes32 salt) external {
        bytes32 protocol = _protocolOf(msg.sender, dataset, _sealOf(msg.sender, digest, salt));
        (Slot storage slot, PackedTrack track) = _registered(protocol, msg.sender);
        if (track.isRevealed()) revert ProtocolAlreadyRevealed(protocol);
        slot.track = track.reveal();
        emit ProtocolRevealed(protocol, digest, salt);
    }

    /// @inheritdoc IProtocols
    function approveProtocol(
        address researcher,
        bytes32 dataset,
        bytes32 seal,
        uint32 budget,
        uint16 openReleases
    ) external whenNotPaused {
        _owned(dataset);
        _checkRole(STEWARD_ROLE);
        bytes32 protocol = _protocolOf(researcher, dataset, seal);
        (Slot storage slot, PackedTrack track) = _registered(protocol, researcher);
        if (track.isClosed()) revert ProtocolAlreadyClosed(protocol);
        Allotment memory had = slot.allotment;
        bool isLess = budget < had.budget || openReleases < had.openReleases;
        bool isSame = budget == had.budget && openReleases == had.openReleases;
        if (isLess || (isSame && track.isApproved())) {
            revert ApprovalNotRaised(protocol, had.budget, had.openReleases);
        }
        if (!track.isApproved()) track = _approve(protocol, track);
        (uint32 moreBudget, uint16 moreReleases) = (budget - had.budget, openReleases - had.openReleases);
        _allot(dataset, moreBudget);
        slot.track = track.add(moreBudget, moreReleases);
        slot.allotment = Allotment(budget, openReleases);
        emit ProtocolApproved(protocol, dataset, budget, openReleases);
    }

    /// @inheritdoc IProtocols
    function closeProtocol(address researcher, bytes32 dataset, bytes32 seal) external {
        bytes32 protocol = _protocolOf(researcher, dataset, seal);
        (Slot storage slot, PackedTrack track) = _registered(protocol, researcher);
        if (msg.sender != researcher && !_isSteward(dataset, msg.sender)) revert NotParty(protocol, msg.sender);
        if (track.isClosed()) revert ProtocolAlreadyClosed(protocol);
        uint32 returned = track.budget();
        Allotment memory had = slot.allotment;
        slot.allotment = Allotment(had.budget - returned, had.openReleases - track.openReleases());
        slot.track = track.close();
        _returnAllotment(dataset, returned);
        emit ProtocolClosed(protocol, msg.sender, returned);
    }

    /// @inheritdoc IProtocols
    function logAttempt(bytes32 protocol, uint24 number, bytes32 digest) external whenNotPaused {
        if (digest == 0) revert ZeroDigest("digest");
        _extend(protocol, number, 1, digest);
        emit Attempted(protocol, digest, number);
    }

    /// @inheritdoc IProtocols
    function logAttemptBatch(bytes32 protocol, uint24 first, uint24 count, bytes32 root) external whenNotPaused {
        if (root == 0) revert ZeroDigest("root");
        if (count < 2) revert BatchTooSmall(protocol, count);
        _extend(protocol, first, count, Hashes.efficientKeccak256(root, bytes32(uint256(count))));
        emit AttemptedBatch(protocol, root, first, count);
    }

    /// @inheritdoc IProtocols
    function trackOf(bytes32 protocol, address researcher) external view returns (Track memory) {
        Slot storage slot = _slots[protocol][researcher];
        return slot.track.unpack(slot.allotment.budget, slot.allotment.openReleases);
    }

    /// @dev The sender's track, which must be running, and where to write it back.
    function _running(bytes32 protocol) internal view returns (Slot storage slot, PackedTrack track) {
        slot = _slots[protocol][msg.sender];
        track = slot.track;
        if (!track.isRunning()) {
            if (track.isClosed()) revert ProtocolAlreadyClosed(protocol);
            revert ProtocolNotApproved(protocol, msg.sender);
        }
    }

    function _register(bytes32 dataset, bytes32 seal, bool revealed)
        private
        whenNotPaused
        onlyRole(RESEARCHER_ROLE)
        returns (bytes32 protocol)
    {
        if (seal == 0) revert ZeroDigest("seal");
        _active(dataset);
        protocol = _protocolOf(msg.sender, dataset, seal);
        Slot storage slot = _slots[protocol][msg.sender];
        if (slot.track.isRegistered()) revert ProtocolAlreadyRegistered(protocol);
        slot.track = PackedTracks.start(block.number, revealed);
        emit ProtocolRegistered(protocol, dataset, msg.sender, seal);
    }

    function _extend(bytes32 protocol, uint24 first, uint24 count, bytes32 link) private {
        (Slot storage slot, PackedTrack track) = _running(protocol);
        uint256 expected = track.nextAttempt();
        if (first != expected) revert AttemptOutOfOrder(protocol, expected, first);
        slot.track = track.extend(Hashes.efficientKeccak256(track.head(), link), count);
    }

    /// @dev Approved, which takes a block between registration and now.
    function _approve(bytes32 protocol, PackedTrack track) private view returns (PackedTrack) {
        uint256 registration = track.registration();
        if (registration >= block.number) revert ProtocolTooRecent(protocol, registration);
        return track.approve(Hashes.efficientKeccak256(protocol, bytes32(registration)));
    }

    function _registered(bytes32 protocol, address researcher)
        private
        view
        returns (Slot storage slot, PackedTrack track)
    {
        slot = _slots[protocol][researcher];
        track = slot.track;
        if (!track.isRegistered()) revert ProtocolNotRegistered(protocol);
    }

    function _protocolOf(address researcher, bytes32 dataset, bytes32 seal) private pure returns (bytes32) {
        return keccak256(abi.encode(researcher, dataset, seal));
    }

    function _sealOf(address researcher, bytes32 digest, bytes32 salt) private pure returns (bytes32) {
        return keccak256(abi.encode(researcher, digest, salt));
    }
}
