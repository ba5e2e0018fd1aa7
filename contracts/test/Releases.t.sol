// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IProtocols} from "../src/IProtocols.sol";
import {IReleases} from "../src/IReleases.sol";
import {IRoles} from "../src/IRoles.sol";
import {World} from "./World.sol";

/// @title Releases: recorded once within the budget, withdrawn by their issuers, never changed
contract ReleasesTest is World {
    uint48 private constant MOST_BLOCKS = 2 ** 47 - 1;

    function testAReleaseIsRecorded(IReleases.Generation memory generation, uint48 number) public {
        generation.protocol = _runStudy();
        generation.attempt = 1;
        generation.spend = uint32(within(generation.spend, 1, CAP / 2));
        number = uint48(within(number, START + 1, MOST_BLOCKS));
        _assumeDigests(generation);
        VM.roll(number);
        VM.expectEmit(address(_registry));
        emit IReleases.Recorded(
            generation.release,
            generation.protocol,
            RESEARCHER,
            generation.commitment,
            generation.synthetic,
            generation.modelType,
            generation.parameters,
            generation.characteristics,
            generation.spend,
            1,
            1
        );
        _record(generation);
        _check(generation.release, IReleases.Status(bytes26(_idOf(generation)), false, number, 0, 0, 0));
        assertTrue(_registry.stands(generation.release, RESEARCHER), "it stands");
        assertTrue(!_registry.stands(generation.release, STEWARD), "nobody else's stands");
        assertTrue(_registry.holds(generation, RESEARCHER), "it says what was said");
        assertTrue(!_registry.holds(generation, STEWARD), "by nobody else");
        assertEq(_track(generation.protocol).budget, CAP / 2 - generation.spend);
        assertEq(_track(generation.protocol).privateReleases, 1);
        assertEq(_registry.datasetOf(DATASET).allotted, CAP / 2);
    }

    function testAFailedReleaseIsRecordedAsFailed(
        IReleases.Generation memory generation,
        bytes32 gate,
        uint48 number
    ) public {
        generation.protocol = _runStudy();
        (generation.attempt, generation.spend) = (1, uint32(within(generation.spend, 1, CAP / 2)));
        number = uint48(within(number, START + 1, MOST_BLOCKS));
        _assumeDigests(generation);
        VM.assume(gate != 0);
        VM.roll(number);
        VM.expectEmit(address(_registry));
        emit IReleases.FailedItsGate(generation.release, RESEARCHER, gate);
        _recordFailed(generation, gate);
        bytes32 content = keccak256(abi.encode(generation, gate));
        bytes26 fingerprint = bytes26(keccak256(abi.encode(content, generation.synthetic)));
        _check(generation.release, IReleases.Status(fingerprint, true, number, 0, 0, 0));
        assertEq(_track(generation.protocol).budget, CAP / 2 - generation.spend);
        assertTrue(_registry.holdsFailed(generation, gate, RESEARCHER), "it says what was said");
        assertTrue(!_registry.holdsFailed(generation, ~gate, RESEARCHER), "of no other gate");
        assertTrue(!_registry.holdsFailed(generation, gate, STEWARD), "by nobody else");
        assertTrue(!_registry.holds(generation, RESEARCHER), "nor as one that did not fail");
        assertTrue(_registry.stands(generation.release, RESEARCHER), "it stands");
        assertTrue(
            _registry.standsWith(generation.release, RESEARCHER, content, generation.synthetic), "with its gate"
        );
        assertTrue(
            !_registry.standsWith(
                generation.release, RESEARCHER, _contentOf(generation), generation.synthetic
            ),
            "not without"
        );
    }

    function testAFailedReleaseIsCheckedAsAnyOther() public {
        IReleases.Generation memory generation = _generation("release", _runStudy());
        VM.expectRevert(abi.encodeWithSelector(IRoles.ZeroDigest.selector, "gate"));
        _recordFailed(generation, 0);
        generation.attempt = 2;
        VM.expectRevert(abi.encodeWithSelector(IReleases.NoSuchAttempt.selector, generation.protocol, 1, 2));
        _recordFailed(generation, DIGEST);
        (generation.attempt, generation.spend) = (1, CAP);
        VM.expectRevert(
            abi.encodeWithSelector(IReleases.Overspent.selector, generation.protocol, CAP / 2, CAP)
        );
        _recordFailed(generation, DIGEST);
        generation.spend = 1;
        _pause();
        VM.expectRevert(abi.encodeWithSelector(Pausable.EnforcedPause.selector));
        _recordFailed(generation, DIGEST);
    }

    function testWhatFailedIsNotRecordedAgainAsPassedNorTheOtherWayRound() public {
        IReleases.Generation memory generation = _release();
        bytes memory recorded = abi.encodeWithSelector(IReleases.AlreadyRecorded.selector, generation.release);
        VM.expectRevert(recorded);
        _recordFailed(generation, DIGEST);
        assertTrue(!_registry.find(generation.release, RESEARCHER).failed, "it did not fail");
        generation.release = "failed";
        _recordFailed(generation, DIGEST);
        VM.expectRevert(abi.encodeWithSelector(IReleases.AlreadyRecorded.selector, generation.release));
        _record(generation);
        _revoke(generation, RESEARCHER);
        assertTrue(_registry.find(generation.release, RESEARCHER).failed, "failed stays failed");
        assertTrue(!_registry.stands(generation.release, RESEARCHER), "withdrawn as any other");
    }

    function testAnotherWordIsNotHeld(uint256 word, bytes32 change) public {
        IReleases.Generation memory generation = _release();
        bytes memory encoded = abi.encode(generation);
        word = within(word, 1, 8);
        uint256 mask = word == 7 ? type(uint32).max : word == 8 ? type(uint24).max : type(uint256).max;
        VM.assume(uint256(change) & mask != 0);
        uint256 place = 32 * word;
        bytes32 changed = change & bytes32(mask);
        for (uint256 i = 0; i < 32; ++i) encoded[place + i] ^= changed[i];
        generation = abi.decode(encoded, (IReleases.Generation));
        assertTrue(!_registry.holds(generation, RESEARCHER), "every word counts");
        assertTrue(
            !_registry.standsWith(
                generation.release, RESEARCHER, _contentOf(generation), generation.synthetic
            ),
            "every word counts"
        );
    }

    function testWhatStandsWithARootIsToldByItsContent(bytes32 other) public {
        IReleases.Generation memory generation = _release();
        bytes32 content = _contentOf(generation);
        (bytes32 release, bytes32 root) = (generation.release, generation.synthetic);
        VM.assume(other != content && other != root && other != release);
        assertTrue(_registry.standsWith(release, RESEARCHER, content, root), "it does");
        assertTrue(!_registry.standsWith(release, RESEARCHER, other, root), "not with another content");
        assertTrue(!_registry.standsWith(release, RESEARCHER, content, other), "not with another root");
        assertTrue(!_registry.standsWith(other, RESEARCHER, content, root), "not another release");
        assertTrue(!_registry.standsWith(release, STEWARD, content, root), "not by somebody else");
        _revoke(generation, RESEARCHER);
        assertTrue(!_registry.standsWith(release, RESEARCHER, content, root), "not once withdrawn");
    }

    function testOpenReleasesAreCounted(uint8 allowed) public {
        allowed = uint8(within(allowed, 0, 4));
        bytes32 protocol = _runProtocol(CAP, allowed);
        _attempt(protocol, 1);
        for (uint256 i = 0; i < 5; ++i) {
            IReleases.Generation memory generation = _generation("release", protocol);
            generation.release = bytes32(i + 1);
            if (i + 1 > allowed) {
                VM.expectRevert(abi.encodeWithSelector(IReleases.NoOpenReleaseLeft.selector, protocol));
            }
            _record(generation);
        }
        assertEq(_track(protocol).openReleases, 0);
        assertEq(_track(protocol).budget, CAP);
    }

    function testNoMoreIsSpentThanIsLeft(uint32 budget, uint32 first, uint32 second) public {
        budget = uint32(within(budget, 0, CAP));
        bytes32 protocol = _runProtocol(budget, 0);
        _attempt(protocol, 1);
        IReleases.Generation memory generation = _generation("release", protocol);
        uint256 left = budget;
        uint32[2] memory spends =
            [uint32(within(first, 1, CAP)), uint32(within(second, 1, NOT_PRIVATE - 1))];
        for (uint256 i = 0; i < 2; ++i) {
            (generation.spend, generation.release) = (spends[i], bytes32(i + 1));
            if (spends[i] > left) {
                VM.expectRevert(
                    abi.encodeWithSelector(IReleases.Overspent.selector, protocol, left, spends[i])
                );
            }
            _record(generation);
            if (spends[i] < left + 1) left -= spends[i];
        }
        assertEq(_track(protocol).budget, left);
    }

    function testTheBudgetItselfIsSpentAndNoMore() public {
        bytes32 protocol = _runProtocol(10, 0);
        _attempt(protocol, 1);
        IReleases.Generation memory generation = _generation("release", protocol);
        generation.spend = 11;
        VM.expectRevert(abi.encodeWithSelector(IReleases.Overspent.selector, protocol, 10, 11));
        _record(generation);
        generation.spend = 10;
        _record(generation);
        assertEq(_track(protocol).budget, 0);
    }

    function testAPublisherSaysWhatIsSpent() public {
        IReleases.Generation memory generation = _generation("release", _runStudy());
        generation.spend = 0;
        VM.expectRevert(abi.encodeWithSelector(IReleases.SpendNotSaid.selector, generation.release));
        _record(generation);
    }

    function testEveryDigestIsGiven(uint256 field) public {
        IReleases.Generation memory generation = _generation("release", _runStudy());
        string[6] memory names =
            ["release", "commitment", "synthetic", "modelType", "parameters", "characteristics"];
        field = within(field, 0, 5);
        if (field == 0) generation.release = 0;
        else if (field == 1) generation.commitment = 0;
        else if (field == 2) generation.synthetic = 0;
        else if (field == 3) generation.modelType = 0;
        else if (field == 4) generation.parameters = 0;
        else generation.characteristics = 0;
        VM.expectRevert(abi.encodeWithSelector(IRoles.ZeroDigest.selector, names[field]));
        _record(generation);
    }

    function testAReleaseIsRecordedOnce(IReleases.Generation memory second) public {
        IReleases.Generation memory first = _release();
        _assumeDigests(second);
        (second.release, second.protocol) = (first.release, first.protocol);
        (second.spend, second.attempt) = (1, 1);
        bytes memory recorded = abi.encodeWithSelector(IReleases.AlreadyRecorded.selector, first.release);
        VM.expectRevert(recorded);
        _record(second);
        _revoke(first, RESEARCHER);
        VM.expectRevert(recorded);
        _record(second);
    }

    function testAReleaseComesOfAnAttempt(uint24 attempt) public {
        IReleases.Generation memory generation = _generation("release", _runStudy());
        VM.assume(attempt != 1);
        generation.attempt = attempt;
        VM.expectRevert(
            abi.encodeWithSelector(IReleases.NoSuchAttempt.selector, generation.protocol, 1, attempt)
        );
        _record(generation);
    }

    function testAReleaseNeedsItsProtocolRevealed() public {
        _registerDataset();
        bytes32 seal = _sealOf(RESEARCHER, DIGEST, SALT);
        VM.prank(RESEARCHER);
        bytes32 protocol = _registry.registerProtocol(DATASET, seal);
        VM.roll(START + 1);
        VM.prank(STEWARD);
        _registry.approveProtocol(RESEARCHER, DATASET, seal, 0, 1);
        _attempt(protocol, 1);
        VM.expectRevert(abi.encodeWithSelector(IProtocols.ProtocolSealed.selector, protocol));
        _record(_generation("release", protocol));
        VM.prank(RESEARCHER);
        _registry.revealProtocol(DATASET, DIGEST, SALT);
        _record(_generation("release", protocol));
    }

    function testAReleaseNeedsARunningProtocolOfItsIssuer(address stranger) public {
        VM.assume(stranger != RESEARCHER);
        bytes32 protocol = _runStudy();
        _grant(RESEARCHER_ROLE, stranger);
        VM.expectRevert(
            abi.encodeWithSelector(IProtocols.ProtocolNotApproved.selector, protocol, stranger)
        );
        VM.prank(stranger);
        _registry.recordRelease(_generation("release", protocol));
        VM.prank(STEWARD);
        _registry.closeProtocol(RESEARCHER, DATASET, _sealOf(RESEARCHER, DIGEST, 0));
        VM.expectRevert(abi.encodeWithSelector(IProtocols.ProtocolAlreadyClosed.selector, protocol));
        _record(_generation("release", protocol));
    }

    function testAnIssuerWithdraws(uint48 time, uint48 number, bytes32 reason) public {
        VM.assume(reason != 0);
        IReleases.Generation memory generation = _release();
        (time, number) =
            (uint48(within(time, NOW, type(uint48).max)), uint48(within(number, START, type(uint48).max)));
        IReleases.Status memory status = _registry.find(generation.release, RESEARCHER);
        VM.warp(time);
        VM.roll(number);
        VM.expectEmit(address(_registry));
        emit IReleases.Revoked(generation.release, RESEARCHER, reason);
        VM.prank(RESEARCHER);
        _registry.revoke(generation.release, reason);
        (status.withdrawalTime, status.withdrawalBlock) = (time, number);
        status.withdrawal = bytes20(keccak256(abi.encode(bytes32(0), reason)));
        _check(generation.release, status);
        assertTrue(!_registry.stands(generation.release, RESEARCHER), "withdrawn");
        assertTrue(_registry.holds(generation, RESEARCHER), "what was said stays said");
        VM.expectRevert(abi.encodeWithSelector(IReleases.AlreadyRevoked.selector, generation.release));
        _revoke(generation, RESEARCHER);
    }

    function testNobodyElseWithdraws(address stranger) public {
        IReleases.Generation memory generation = _release();
        VM.assume(stranger != RESEARCHER);
        VM.expectRevert(_notRecorded(generation.release, stranger));
        _revoke(generation, stranger);
        assertTrue(_registry.stands(generation.release, RESEARCHER), "it stands");
    }

    function testWhoRecordsADigestFirstTakesNothing(bytes32 change) public {
        VM.assume(change != 0);
        IReleases.Generation memory generation = _generation("release", _runStudy());
        generation.commitment ^= change;
        VM.assume(generation.commitment != 0);
        IReleases.Generation memory copy = _recordToo(generation, STRANGER); // seen, and ahead in the queue
        _record(generation);
        assertTrue(_registry.holds(generation, RESEARCHER), "the issuer's is there");
        assertTrue(!_registry.holds(generation, STRANGER), "and the issuer's alone");
        assertTrue(_registry.holds(copy, STRANGER), "so is the other one");
        assertTrue(!_registry.holds(copy, RESEARCHER), "of who recorded it");
        _revoke(copy, STRANGER);
        assertTrue(_registry.stands(generation.release, RESEARCHER), "not withdrawn by the other");
        assertTrue(!_registry.stands(generation.release, STRANGER), "whose own is");
        VM.expectRevert(abi.encodeWithSelector(IReleases.AlreadyRevoked.selector, copy.release));
        _revoke(copy, STRANGER);
        _revoke(generation, RESEARCHER);
    }

    function testAWithdrawalHasAReason() public {
        IReleases.Generation memory generation = _release();
        VM.expectRevert(abi.encodeWithSelector(IRoles.ZeroDigest.selector, "reason"));
        VM.prank(RESEARCHER);
        _registry.revoke(generation.release, 0);
    }

    function testAnIssuerWithoutTheRoleStillWithdraws() public {
        IReleases.Generation memory generation = _release();
        VM.prank(ADMIN);
        _registry.revokeRole(RESEARCHER_ROLE, RESEARCHER);
        _revoke(generation, RESEARCHER);
    }

    function testAReleaseIsSuperseded() public {
        (IReleases.Generation memory first, IReleases.Generation memory second) = _two();
        VM.expectEmit(address(_registry));
        emit IReleases.Superseded(first.release, second.release, RESEARCHER, REASON);
        _supersede(first, second);
        assertEq(
            _registry.find(first.release, RESEARCHER).withdrawal,
            bytes20(keccak256(abi.encode(second.release, REASON)))
        );
        assertTrue(!_registry.stands(first.release, RESEARCHER), "the first is withdrawn");
        assertTrue(_registry.stands(second.release, RESEARCHER), "the second stands");
        VM.expectRevert(abi.encodeWithSelector(IReleases.AlreadyRevoked.selector, first.release));
        _supersede(second, first);
        VM.expectRevert(abi.encodeWithSelector(IReleases.AlreadyRevoked.selector, second.release));
        _supersede(second, second);
    }

    function testASuccessorIsTheIssuersOwn() public {
        (IReleases.Generation memory first, IReleases.Generation memory second) = _two();
        second.release = "another's";
        second = _recordToo(second, STRANGER);
        VM.expectRevert(_notRecorded(second.release, RESEARCHER));
        _supersede(first, second);
        second.release = "never recorded";
        VM.expectRevert(_notRecorded(second.release, RESEARCHER));
        _supersede(first, second);
        assertTrue(_registry.stands(first.release, RESEARCHER), "a refused call changes nothing");
    }

    function testWhatWasNeverRecordedIsNotThere(bytes32 release, address sender) public {
        VM.expectRevert(_notRecorded(release, RESEARCHER));
        _registry.find(release, RESEARCHER);
        VM.expectRevert(_notRecorded(release, sender));
        VM.prank(sender);
        _registry.revoke(release, REASON);
        assertTrue(!_registry.stands(release, sender), "nothing stands");
    }

    function _two() private returns (IReleases.Generation memory first, IReleases.Generation memory second) {
        first = _release();
        second = _generation("second", first.protocol);
        _record(second);
    }

    function _recordFailed(IReleases.Generation memory generation, bytes32 gate) private {
        VM.prank(RESEARCHER);
        _registry.recordFailedRelease(generation, gate);
    }

    function _revoke(IReleases.Generation memory generation, address sender) private {
        VM.prank(sender);
        _registry.revoke(generation.release, REASON);
    }

    function _supersede(IReleases.Generation memory first, IReleases.Generation memory second) private {
        VM.prank(RESEARCHER);
        _registry.supersede(first.release, second.release, REASON);
    }

    function _check(bytes32 release, IReleases.Status memory expected) private view {
        assertEq(keccak256(abi.encode(_registry.find(release, RESEARCHER))), keccak256(abi.encode(expected)));
    }

    function _track(bytes32 protocol) private view returns (IProtocols.Track memory) {
        return _registry.trackOf(protocol, RESEARCHER);
    }

    function _notRecorded(bytes32 release, address issuer) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IReleases.NotRecorded.selector, release, issuer);
    }

    function _assumeDigests(IReleases.Generation memory generation) private pure {
        VM.assume(generation.release != 0 && generation.commitment != 0 && generation.synthetic != 0);
        VM.assume(
            generation.modelType != 0 && generation.parameters != 0 && generation.characteristics != 0
        );
    }
}
