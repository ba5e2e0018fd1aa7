// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReleases} from "../../src/IReleases.sol";
import {ProtocolActs} from "./ProtocolActs.sol";

/// @title Acts on releases
abstract contract ReleaseActs is ProtocolActs {
    /// @dev A release as the model knows it.
    struct Issue {
        IReleases.Generation generation;
        address issuer;
        uint256 study;
        bytes32 gate; // zero unless it failed
        IReleases.Status status;
    }

    uint256 private constant MOST_ISSUES = 24;
    uint32 private constant NOT_PRIVATE = type(uint32).max;

    Issue[] internal _issues;
    mapping(bytes32 release => mapping(address issuer => uint256 place)) internal _issuePlaces; // from 1

    /// @notice Somebody records a release: a new one, one of theirs, or another's.
    function recordRelease(uint256 seed) external seeded(seed) {
        _record("recordRelease", false);
    }

    /// @notice Somebody records a release that failed its gate.
    function recordFailedRelease(uint256 seed) external seeded(seed) {
        _record("recordFailedRelease", true);
    }

    /// @notice Somebody withdraws a release, or supersedes it.
    function withdraw(uint256 seed) external seeded(seed) {
        if (_issues.length == 0) return;
        Issue storage issue = _issues[_draw(_issues.length)];
        Issue storage other = _issues[_draw(_issues.length)];
        address sender = _drawSender(issue.issuer);
        (bytes32 release, bytes32 successor, bytes32 reason) = (issue.generation.release, 0, _drawDigest());
        bool isAllowed = _isStanding(release, sender) && reason != 0;
        bytes memory call;
        if (_draw(3) == 0) {
            successor = other.generation.release;
            isAllowed = isAllowed && _isStanding(successor, sender) && successor != release;
            call = abi.encodeCall(REGISTRY.supersede, (release, successor, reason));
        } else {
            call = abi.encodeCall(REGISTRY.revoke, (release, reason));
        }
        if (!_act("withdraw", sender, address(REGISTRY), call, isAllowed)) return;
        IReleases.Status storage status = _issues[_issuePlaces[release][sender] - 1].status;
        (status.withdrawalTime, status.withdrawalBlock) = (uint48(block.timestamp), uint48(block.number));
        status.withdrawal = bytes20(keccak256(abi.encode(successor, reason)));
    }

    /// @notice Releases are as the model says: never changed, withdrawn for good, and behind their protocol and
    ///         its first attempt.
    function checkReleases() external view {
        for (uint256 i = 0; i < _issues.length; ++i) {
            Issue storage issue = _issues[i];
            IReleases.Generation memory generation = issue.generation;
            IReleases.Status memory found = REGISTRY.find(generation.release, issue.issuer);
            assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(issue.status)));
            assertTrue(REGISTRY.holds(generation, issue.issuer) == (issue.gate == 0), "what was said stays said");
            bool isFailed = REGISTRY.holdsFailed(generation, issue.gate, issue.issuer);
            assertTrue(isFailed == (issue.gate != 0), "failed stays failed");
            bool isStanding = issue.status.withdrawalTime == 0;
            assertTrue(REGISTRY.stands(generation.release, issue.issuer) == isStanding, "withdrawn stays withdrawn");
            Study storage study = _studies[issue.study];
            assertTrue(study.registration < study.firstAttempt, "a protocol before its attempts");
            assertTrue(!(study.firstAttempt > found.blockNumber), "an attempt before a release");
        }
    }

    /// @dev Whether an account recorded a release and did not withdraw it.
    function _isStanding(bytes32 release, address issuer) internal view returns (bool) {
        uint256 place = _issuePlaces[release][issuer];
        return place != 0 && _issues[place - 1].status.withdrawalTime == 0;
    }

    function _idOf(IReleases.Generation memory generation, bytes32 gate) internal pure returns (bytes32) {
        bytes memory said = gate == 0 ? abi.encode(generation) : abi.encode(generation, gate);
        return keccak256(abi.encode(keccak256(said), generation.synthetic));
    }

    function _record(string memory name, bool isFailed) private {
        if (_studies.length == 0 || _issues.length == MOST_ISSUES) return;
        uint256 index = _draw(_studies.length);
        Study storage study = _studies[index];
        address sender = _drawSender(study.researcher);
        IReleases.Generation memory generation = _drawGeneration(study);
        bytes32 gate = isFailed ? _drawDigest() : bytes32(0);
        bool isAllowed = !_isPaused && _isRunning(study) && sender == study.researcher
            && study.track.state & REVEALED != 0 && _issuePlaces[generation.release][sender] == 0
            && generation.synthetic != 0 && generation.attempt != 0
            && !(generation.attempt > study.track.attempts) && _isAffordable(study, generation.spend)
            && !(isFailed && gate == 0);
        bytes memory call = isFailed
            ? abi.encodeCall(REGISTRY.recordFailedRelease, (generation, gate))
            : abi.encodeCall(REGISTRY.recordRelease, (generation));
        if (!_act(name, sender, address(REGISTRY), call, isAllowed)) return;
        if (generation.spend == NOT_PRIVATE) {
            --study.track.openReleases;
            ++study.opened;
        } else {
            study.track.budget -= generation.spend;
            ++study.track.privateReleases;
            study.spent += generation.spend;
        }
        bytes26 fingerprint = bytes26(_idOf(generation, gate));
        IReleases.Status memory status = IReleases.Status(fingerprint, isFailed, uint48(block.number), 0, 0, 0);
        _issues.push(Issue(generation, sender, index, gate, status));
        _issuePlaces[generation.release][sender] = _issues.length;
    }

    function _drawGeneration(Study storage study) private returns (IReleases.Generation memory) {
        bytes32 release = bytes32(1 + _draw(2 * MOST_ISSUES));
        uint32 spend = _draw(2) == 0 ? NOT_PRIVATE : uint32(_draw(uint256(study.track.budget) / 2 + 3));
        uint24 attempt = uint24(_draw(8) == 0 ? _draw(3000) : _draw(uint256(study.track.attempts) + 1));
        bytes32 some = "some";
        return IReleases.Generation(
            release, _protocolOf(study), some, _drawDigest(), "TabularGAN", some, some, spend, attempt
        );
    }

    function _isAffordable(Study storage study, uint32 spend) private view returns (bool) {
        if (spend == NOT_PRIVATE) return study.track.openReleases != 0;
        return spend != 0 && !(spend > study.track.budget);
    }
}
