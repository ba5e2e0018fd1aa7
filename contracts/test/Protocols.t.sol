// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDatasets} from "../src/IDatasets.sol";
import {IProtocols} from "../src/IProtocols.sol";
import {IReleases} from "../src/IReleases.sol";
import {IRoles} from "../src/IRoles.sol";
import {PackedTracks} from "../src/PackedTrack.sol";
import {World} from "./World.sol";

/// @title Protocols: registered, approved in a later block, and every attempt numbered
contract ProtocolsTest is World {
    function testASealedProtocolIsRegisteredAndRevealed(bytes32 digest, bytes32 salt) public {
        VM.assume(digest != 0);
        _registerDataset();
        bytes32 seal = _sealOf(RESEARCHER, digest, salt);
        bytes32 expected = _protocolOf(RESEARCHER, DATASET, seal);
        VM.expectEmit(address(_registry));
        emit IProtocols.ProtocolRegistered(expected, DATASET, RESEARCHER, seal);
        VM.prank(RESEARCHER);
        assertEq(_registry.registerProtocol(DATASET, seal), expected);
        assertEq(_track(expected).state, 1);
        VM.expectEmit(address(_registry));
        emit IProtocols.ProtocolRevealed(expected, digest, salt);
        VM.prank(RESEARCHER);
        _registry.revealProtocol(DATASET, digest, salt);
        assertEq(_track(expected).state, 3);
        VM.expectRevert(abi.encodeWithSelector(IProtocols.ProtocolAlreadyRevealed.selector, expected));
        VM.prank(RESEARCHER);
        _registry.revealProtocol(DATASET, digest, salt);
    }

    function testAnOpenProtocolIsRevealedAtOnce(bytes32 digest) public {
        VM.assume(digest != 0);
        _registerDataset();
        bytes32 seal = _sealOf(RESEARCHER, digest, 0);
        bytes32 expected = _protocolOf(RESEARCHER, DATASET, seal);
        VM.expectEmit(address(_registry));
        emit IProtocols.ProtocolRegistered(expected, DATASET, RESEARCHER, seal);
        VM.expectEmit(address(_registry));
        emit IProtocols.ProtocolRevealed(expected, digest, 0);
        VM.prank(RESEARCHER);
        assertEq(_registry.registerOpenProtocol(DATASET, digest), expected);
        assertEq(_track(expected).state, 3);
        VM.expectRevert(abi.encodeWithSelector(IProtocols.ProtocolAlreadyRegistered.selector, expected));
        VM.prank(RESEARCHER);
        _registry.registerProtocol(DATASET, seal);
    }

    function testACopiedSealIsOfNoUse(bytes32 digest, bytes32 salt) public {
        VM.assume(digest != 0);
        _registerDataset();
        _grant(RESEARCHER_ROLE, STRANGER);
        bytes32 seal = _sealOf(RESEARCHER, digest, salt);
        VM.prank(STRANGER); // ahead of whom it belongs to
        bytes32 copy = _registry.registerProtocol(DATASET, seal);
        VM.prank(RESEARCHER);
        bytes32 protocol = _registry.registerProtocol(DATASET, seal);
        assertTrue(copy != protocol, "an id holds who registered it");
        VM.prank(RESEARCHER);
        _registry.revealProtocol(DATASET, digest, salt);
        VM.expectPartialRevert(IProtocols.ProtocolNotRegistered.selector);
        VM.prank(STRANGER);
        _registry.revealProtocol(DATASET, digest, salt);
    }

    function testOnlyResearchersRegister(address stranger) public {
        VM.assume(stranger != RESEARCHER);
        _registerDataset();
        bytes memory unauthorized = _unauthorized(stranger, RESEARCHER_ROLE);
        VM.expectRevert(unauthorized);
        VM.prank(stranger);
        _registry.registerProtocol(DATASET, SALT);
        VM.expectRevert(unauthorized);
        VM.prank(stranger);
        _registry.registerOpenProtocol(DATASET, DIGEST);
    }

    function testAProtocolNeedsADigestAndADataset() public {
        _registerDataset();
        VM.expectRevert(abi.encodeWithSelector(IRoles.ZeroDigest.selector, "seal"));
        VM.prank(RESEARCHER);
        _registry.registerProtocol(DATASET, 0);
        VM.expectRevert(abi.encodeWithSelector(IRoles.ZeroDigest.selector, "digest"));
        VM.prank(RESEARCHER);
        _registry.registerOpenProtocol(DATASET, 0);
        VM.expectRevert(
            abi.encodeWithSelector(
                IDatasets.DatasetNotActive.selector, bytes32("other"), IDatasets.DatasetState.Unknown
            )
        );
        VM.prank(RESEARCHER);
        _registry.registerProtocol("other", SALT);
    }

    function testAProtocolIsApprovedInALaterBlock() public {
        bytes32 protocol = _registerProtocol();
        VM.roll(START);
        VM.expectRevert(abi.encodeWithSelector(IProtocols.ProtocolTooRecent.selector, protocol, START));
        _approve(1, 1);
        VM.roll(START + 1);
        VM.expectEmit(address(_registry));
        emit IProtocols.ProtocolApproved(protocol, DATASET, 1, 1);
        _approve(1, 1);
        bytes20 head = bytes20(keccak256(abi.encode(protocol, START)));
        _checkTrack(protocol, IProtocols.Track(head, 0, 1, 0, 1, 7, 1, 1));
    }

    function testTotalsAreApprovedWithinTheCap(uint32 first, uint32 second) public {
        first = uint32(within(first, 0, CAP));
        second = uint32(within(second, first + 1, 2 * uint256(CAP) + 1));
        bytes32 protocol = _runProtocol(first, 0);
        bool fits = second < CAP + 1;
        if (!fits) {
            VM.expectRevert(
                abi.encodeWithSelector(IDatasets.BudgetExceeded.selector, DATASET, CAP, uint256(second))
            );
        }
        _approve(second, 0);
        uint256 expected = fits ? second : first;
        assertEq(_registry.datasetOf(DATASET).allotted, expected);
        assertEq(_track(protocol).budget, expected);
        assertEq(_track(protocol).allotted, expected);
    }

    function testTheCapItselfIsAllottedAndNoMore() public {
        _runProtocol(CAP - 1, 0);
        VM.expectRevert(
            abi.encodeWithSelector(IDatasets.BudgetExceeded.selector, DATASET, CAP, uint256(CAP) + 1)
        );
        _approve(CAP + 1, 0);
        _approve(CAP, 0);
        assertEq(_registry.datasetOf(DATASET).allotted, CAP);
    }

    function testTotalsAreRaisedAndNeverSaidTwice(uint32 budget, uint16 open, uint32 again, uint16 openAgain)
        public
    {
        (budget, again) = (uint32(within(budget, 0, CAP)), uint32(within(again, 0, CAP)));
        bytes32 protocol = _runProtocol(budget, open);
        bytes memory notRaised =
            abi.encodeWithSelector(IProtocols.ApprovalNotRaised.selector, protocol, budget, open);
        VM.expectRevert(notRaised);
        _approve(budget, open);
        bool isRaised = !(again < budget) && !(openAgain < open) && (again != budget || openAgain != open);
        if (!isRaised) VM.expectRevert(notRaised);
        _approve(again, openAgain);
        if (!isRaised) (again, openAgain) = (budget, open);
        IProtocols.Track memory track = _track(protocol);
        assertEq(abi.encode(track.budget, track.openReleases), abi.encode(again, openAgain));
        assertEq(abi.encode(track.allotted, track.openAllotted), abi.encode(again, openAgain));
        assertEq(_registry.datasetOf(DATASET).allotted, again);
    }

    function testNothingMayBeApprovedOnce() public {
        bytes32 protocol = _runProtocol(0, 0);
        assertEq(_track(protocol).state, 7);
        VM.expectRevert(abi.encodeWithSelector(IProtocols.ApprovalNotRaised.selector, protocol, 0, 0));
        _approve(0, 0);
    }

    function testAStewardWithoutTheRoleApprovesNothingAndCloses() public {
        bytes32 protocol = _runProtocol(1, 1);
        VM.prank(ADMIN);
        _registry.revokeRole(STEWARD_ROLE, STEWARD);
        VM.expectRevert(_unauthorized(STEWARD, STEWARD_ROLE));
        _approve(2, 2);
        _close(STEWARD);
        assertEq(_track(protocol).state, 15);
    }

    function testWhatNobodyRegisteredIsNotApproved(bytes32 seal) public {
        _registerDataset();
        VM.expectRevert(
            abi.encodeWithSelector(
                IProtocols.ProtocolNotRegistered.selector, _protocolOf(RESEARCHER, DATASET, seal)
            )
        );
        VM.prank(STEWARD);
        _registry.approveProtocol(RESEARCHER, DATASET, seal, 0, 0);
    }

    function testAttemptsAreChained(bytes32[8] calldata digests, uint24[8] calldata counts) public {
        bytes32 protocol = _runProtocol(0, 0);
        bytes20 head = _track(protocol).head;
        uint256 attempts = 0;
        for (uint256 i = 0; i < digests.length; ++i) {
            bytes32 digest = keccak256(abi.encode(digests[i]));
            uint24 count = uint24(within(counts[i], 2, 100_000));
            VM.expectEmit(address(_registry));
            if (count % 2 == 0) {
                emit IProtocols.AttemptedBatch(protocol, digest, uint24(attempts + 1), count);
                VM.prank(RESEARCHER);
                _registry.logAttemptBatch(protocol, uint24(attempts + 1), count, digest);
                digest = keccak256(abi.encode(digest, uint256(count)));
            } else {
                count = 1;
                emit IProtocols.Attempted(protocol, digest, uint24(attempts + 1));
                VM.prank(RESEARCHER);
                _registry.logAttempt(protocol, uint24(attempts + 1), digest);
            }
            attempts += count;
            head = bytes20(keccak256(abi.encode(head, digest)));
        }
        _checkTrack(protocol, IProtocols.Track(head, uint24(attempts), 0, 0, 0, 7, 0, 0));
    }

    function testAnotherNumberThanTheNextReverts(uint24 number) public {
        bytes32 protocol = _runStudy();
        VM.assume(number != 2);
        bytes memory outOfOrder =
            abi.encodeWithSelector(IProtocols.AttemptOutOfOrder.selector, protocol, 2, number);
        VM.expectRevert(outOfOrder);
        _attempt(protocol, number);
        VM.expectRevert(outOfOrder);
        VM.prank(RESEARCHER);
        _registry.logAttemptBatch(protocol, number, 2, DIGEST);
    }

    function testAttemptsNeverOverflow() public {
        bytes32 protocol = _runStudy();
        uint24 most = type(uint24).max;
        VM.expectPartialRevert(PackedTracks.TrackFull.selector);
        VM.prank(RESEARCHER);
        _registry.logAttemptBatch(protocol, 2, most, DIGEST);
        VM.prank(RESEARCHER);
        _registry.logAttemptBatch(protocol, 2, most - 1, DIGEST);
        assertEq(_track(protocol).attempts, most);
        for (uint256 number = 0; number < 3; ++number) {
            uint24 wrapped = number == 0 ? most : uint24(number - 1);
            VM.expectRevert(
                abi.encodeWithSelector(
                    IProtocols.AttemptOutOfOrder.selector, protocol, uint256(most) + 1, wrapped
                )
            );
            _attempt(protocol, wrapped);
        }
    }

    function testAnAttemptNeedsADigestAndABatchSeveral() public {
        bytes32 protocol = _runStudy();
        VM.expectRevert(abi.encodeWithSelector(IRoles.ZeroDigest.selector, "digest"));
        VM.prank(RESEARCHER);
        _registry.logAttempt(protocol, 2, 0);
        VM.expectRevert(abi.encodeWithSelector(IRoles.ZeroDigest.selector, "root"));
        VM.prank(RESEARCHER);
        _registry.logAttemptBatch(protocol, 2, 2, 0);
        for (uint24 count = 0; count < 2; ++count) {
            VM.expectRevert(abi.encodeWithSelector(IProtocols.BatchTooSmall.selector, protocol, count));
            VM.prank(RESEARCHER);
            _registry.logAttemptBatch(protocol, 2, count, DIGEST);
        }
    }

    function testOnlyItsResearcherLogsAttempts(address stranger) public {
        VM.assume(stranger != RESEARCHER);
        bytes32 protocol = _runStudy();
        _grant(RESEARCHER_ROLE, stranger);
        bytes memory notApproved =
            abi.encodeWithSelector(IProtocols.ProtocolNotApproved.selector, protocol, stranger);
        VM.expectRevert(notApproved);
        VM.prank(stranger);
        _registry.logAttempt(protocol, 2, DIGEST);
        VM.expectRevert(notApproved);
        VM.prank(stranger);
        _registry.logAttemptBatch(protocol, 2, 2, DIGEST);
    }

    function testNoAttemptComesBeforeApproval() public {
        bytes32 protocol = _registerProtocol();
        VM.expectRevert(
            abi.encodeWithSelector(IProtocols.ProtocolNotApproved.selector, protocol, RESEARCHER)
        );
        _attempt(protocol, 1);
    }

    function testAClosedProtocolGivesBackWhatIsLeft(uint32 budget, bool byResearcher) public {
        budget = uint32(within(budget, 0, CAP));
        bytes32 protocol = _runProtocol(budget, 3);
        address party = byResearcher ? RESEARCHER : STEWARD;
        VM.expectEmit(address(_registry));
        emit IProtocols.ProtocolClosed(protocol, party, budget);
        _close(party);
        assertEq(_registry.datasetOf(DATASET).allotted, 0);
        IProtocols.Track memory track = _track(protocol);
        _checkTrack(protocol, IProtocols.Track(track.head, 0, 0, 0, 0, 15, 0, 0));
        bytes memory closed = abi.encodeWithSelector(IProtocols.ProtocolAlreadyClosed.selector, protocol);
        VM.expectRevert(closed);
        _close(party);
        VM.expectRevert(closed);
        _approve(1, 1);
        VM.expectRevert(closed);
        _attempt(protocol, 1);
        VM.expectRevert(abi.encodeWithSelector(IProtocols.ProtocolAlreadyRegistered.selector, protocol));
        VM.prank(RESEARCHER);
        _registry.registerOpenProtocol(DATASET, DIGEST);
    }

    function testWhatWasSpentStaysKnown() public {
        bytes32 protocol = _runStudy();
        IReleases.Generation memory generation = _generation("open", protocol);
        _record(generation);
        (generation.release, generation.spend) = ("private", 7);
        _record(generation);
        bytes20 head = _track(protocol).head;
        _checkTrack(protocol, IProtocols.Track(head, 1, CAP / 2 - 7, 1, 9, 7, CAP / 2, 10));
        _approve(CAP, 12);
        _checkTrack(protocol, IProtocols.Track(head, 1, CAP - 7, 1, 11, 7, CAP, 12));
        _close(STEWARD);
        _checkTrack(protocol, IProtocols.Track(head, 1, 0, 1, 0, 15, 7, 1));
        assertEq(_registry.datasetOf(DATASET).allotted, 7);
    }

    function testAProtocolMayBeClosedBeforeItRuns() public {
        bytes32 protocol = _registerProtocol();
        _close(RESEARCHER);
        assertEq(_track(protocol).state, 1 + 2 + 8);
    }

    function testOnlyItsPartiesCloseAProtocol(address stranger) public {
        VM.assume(stranger != RESEARCHER && stranger != STEWARD);
        bytes32 protocol = _runStudy();
        VM.expectRevert(abi.encodeWithSelector(IProtocols.NotParty.selector, protocol, stranger));
        _close(stranger);
        bytes32 unknown = _protocolOf(RESEARCHER, DATASET, SALT);
        VM.expectRevert(abi.encodeWithSelector(IProtocols.ProtocolNotRegistered.selector, unknown));
        VM.prank(STEWARD);
        _registry.closeProtocol(RESEARCHER, DATASET, SALT);
    }

    function _approve(uint32 budget, uint16 openReleases) private {
        VM.prank(STEWARD);
        _registry.approveProtocol(RESEARCHER, DATASET, _sealOf(RESEARCHER, DIGEST, 0), budget, openReleases);
    }

    function _close(address sender) private {
        VM.prank(sender);
        _registry.closeProtocol(RESEARCHER, DATASET, _sealOf(RESEARCHER, DIGEST, 0));
    }

    function _track(bytes32 protocol) private view returns (IProtocols.Track memory) {
        return _registry.trackOf(protocol, RESEARCHER);
    }

    function _checkTrack(bytes32 protocol, IProtocols.Track memory expected) private view {
        assertEq(keccak256(abi.encode(_track(protocol))), keccak256(abi.encode(expected)));
    }
}
