// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProtocols} from "../src/IProtocols.sol";
import {PackedTrack, PackedTracks} from "../src/PackedTrack.sol";
import {Test} from "./Vm.sol";

/// @title A track in one word beside the same in a struct
contract PackedTrackTest is Test {
    /// @notice So that a test sees it revert.
    function extend(IProtocols.Track calldata track, bytes32 head, uint24 count) external pure returns (PackedTrack) {
        return _pack(track).extend(head, count);
    }

    /// @notice So that a test sees it revert.
    function spendBudget(IProtocols.Track calldata track, uint32 loss) external pure returns (PackedTrack) {
        return _pack(track).spendBudget(loss);
    }

    function testAttemptsAreAddedUntilItIsFull(IProtocols.Track memory track, bytes32 head, uint24 count) public {
        bool fits = uint256(track.attempts) + count < 2 ** 24;
        if (!fits) VM.expectRevert(_full(track));
        PackedTrack packed = this.extend(track, head, count);
        if (!fits) return;
        (track.attempts, track.head) = (track.attempts + count, bytes20(head));
        _check(packed, track);
    }

    function testWhatIsSpentIsTakenAway(IProtocols.Track memory track, uint32 loss, bool isFull) public {
        loss = uint32(within(loss, 0, track.budget));
        if (isFull) track.privateReleases = type(uint16).max;
        isFull = track.privateReleases == type(uint16).max;
        if (isFull) VM.expectRevert(_full(track));
        PackedTrack packed = this.spendBudget(track, loss);
        if (isFull) return;
        (track.budget, track.privateReleases) = (track.budget - loss, track.privateReleases + 1);
        _check(packed, track);
    }

    function testMoreIsAddedAndNothingElse(IProtocols.Track memory track, uint32 loss, uint16 releases) public pure {
        loss = uint32(within(loss, 0, type(uint32).max - track.budget));
        releases = uint16(within(releases, 0, type(uint16).max - track.openReleases));
        PackedTrack packed = _pack(track).add(loss, releases);
        (track.budget, track.openReleases) = (track.budget + loss, track.openReleases + releases);
        _check(packed, track);
    }

    function testAWordIsTheStruct(IProtocols.Track memory track) public pure {
        PackedTrack packed = _pack(track);
        _check(packed, track);
        assertEq(packed.head(), track.head);
        assertEq(packed.attempts(), track.attempts);
        assertEq(packed.nextAttempt(), uint256(track.attempts) + 1);
        assertEq(packed.budget(), track.budget);
        assertEq(packed.openReleases(), track.openReleases);
        assertTrue(packed.isRegistered() == (track.state & 1 != 0), "registered");
        assertTrue(packed.isRevealed() == (track.state & 2 != 0), "revealed");
        assertTrue(packed.isApproved() == (track.state & 4 != 0), "approved");
        assertTrue(packed.isClosed() == (track.state & 8 != 0), "closed");
        assertTrue(packed.isRunning() == (track.state & 12 == 4), "running");
    }

    function testANewTrackKnowsItsBlock(uint160 number, bool revealed) public pure {
        PackedTrack packed = PackedTracks.start(number, revealed);
        assertEq(packed.registration(), number);
        _check(packed, IProtocols.Track(bytes20(number), 0, 0, 0, 0, revealed ? 3 : 1, 0, 0));
    }

    function testAStateIsAddedAndNothingElse(IProtocols.Track memory track, bytes32 start) public pure {
        PackedTrack packed = _pack(track);
        uint8 state = track.state;
        track.state = state | 2;
        _check(packed.reveal(), track);
        IProtocols.Track memory open = packed.unpack(track.allotted, track.openAllotted);
        (track.state, track.budget, track.openReleases) = (state | 8, 0, 0);
        _check(packed.close(), track);
        track = open;
        (track.state, track.head) = (state | 4, bytes20(start));
        _check(packed.approve(start), track);
    }

    function testAnOpenReleaseIsTakenAway(IProtocols.Track memory track) public pure {
        VM.assume(track.openReleases != 0);
        PackedTrack packed = _pack(track).spendOpenRelease();
        --track.openReleases;
        _check(packed, track);
    }

    function _check(PackedTrack packed, IProtocols.Track memory expected) private pure {
        IProtocols.Track memory found = packed.unpack(expected.allotted, expected.openAllotted);
        assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(expected)));
    }

    function _full(IProtocols.Track memory track) private pure returns (bytes memory) {
        return abi.encodeWithSelector(PackedTracks.TrackFull.selector, PackedTrack.unwrap(_pack(track)));
    }

    /// @dev As the drawing in PackedTrack.sol has it.
    function _pack(IProtocols.Track memory track) private pure returns (PackedTrack) {
        bytes memory word = abi.encodePacked(
            track.head, track.attempts, track.budget, track.privateReleases, track.openReleases, track.state
        );
        return PackedTrack.wrap(uint256(bytes32(word)));
    }
}
