// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Attestations} from "../src/Attestations.sol";
import {IAttestations} from "../src/IAttestations.sol";
import {IRegistry} from "../src/IRegistry.sol";
import {IReleases} from "../src/IReleases.sol";
import {CallingWallet, Wallet} from "./Wallets.sol";
import {World} from "./World.sol";

/// @title Verdicts: signed by auditors, brought by anybody, taken back by who signed
contract AttestationsTest is World {
    function testAVerdictIsBroughtByAnybody(
        address bearer,
        bytes32 report,
        bytes32 rubric,
        uint256 outcome,
        uint48 deadline
    ) public {
        VM.assume(report != 0 && rubric != 0);
        IAttestations.Verdict memory verdict = IAttestations.Verdict(
            _release().release,
            RESEARCHER,
            IAttestations.Outcome(within(outcome, 1, 3)),
            report,
            rubric,
            uint48(within(deadline, NOW, type(uint48).max))
        );
        bytes32 id = _attestations.idOf(verdict, AUDITOR);
        VM.expectEmit(address(_attestations));
        emit IAttestations.Attested(
            id, verdict.release, AUDITOR, RESEARCHER, verdict.outcome, report, rubric, verdict.deadline
        );
        VM.prank(bearer);
        assertEq(_attestations.attest(verdict, AUDITOR, signatureOf("auditor", id)), id);
        _check(id, IAttestations.Attestation(AUDITOR, NOW, 0, 0));
        VM.expectRevert(abi.encodeWithSelector(IAttestations.AlreadyAttested.selector, id));
        _attestations.attest(verdict, AUDITOR, "");
    }

    function testWhatIsSignedHoldsTheAuditor() public {
        IAttestations.Verdict memory verdict = _standing();
        _grant(AUDITOR_ROLE, STRANGER);
        _attest(verdict, "stranger"); // the same words, ahead of the other auditor
        _attest(verdict, "auditor");
        bytes32 id = _attestations.idOf(verdict, AUDITOR);
        assertTrue(id != _attestations.idOf(verdict, STRANGER), "one each");
        _check(id, IAttestations.Attestation(AUDITOR, NOW, 0, 0));
    }

    function testVerdictsAreAuditorsOnly(address stranger) public {
        VM.assume(stranger != AUDITOR);
        IAttestations.Verdict memory verdict = _standing();
        VM.expectRevert(abi.encodeWithSelector(IAttestations.NotAuditor.selector, stranger));
        _attestations.attest(verdict, stranger, "");
    }

    function testAnotherSignatureIsRefused(bytes32 other) public {
        IAttestations.Verdict memory verdict = _standing();
        bytes32 id = _attestations.idOf(verdict, AUDITOR);
        VM.assume(other != id);
        Attestations foreign = new Attestations(IRegistry(address(_registry)));
        bytes[4] memory signatures = [
            signatureOf("stranger", id),
            signatureOf("auditor", other),
            signatureOf("auditor", foreign.idOf(verdict, AUDITOR)),
            bytes("")
        ];
        for (uint256 i = 0; i < signatures.length; ++i) {
            VM.expectRevert(abi.encodeWithSelector(IAttestations.InvalidSignature.selector, AUDITOR, id));
            _attestations.attest(verdict, AUDITOR, signatures[i]);
        }
    }

    function testAVerdictSaysSomethingInTime(uint256 field) public {
        IAttestations.Verdict memory verdict = _standing();
        field = within(field, 0, 3);
        bytes memory refusal;
        if (field == 0) {
            verdict.outcome = IAttestations.Outcome.Unsaid;
            refusal = abi.encodeWithSelector(IAttestations.OutcomeUnsaid.selector, verdict.release);
        } else if (field == 1) {
            verdict.report = 0;
            refusal = abi.encodeWithSelector(IAttestations.ZeroDigest.selector, "report");
        } else if (field == 2) {
            verdict.rubric = 0;
            refusal = abi.encodeWithSelector(IAttestations.ZeroDigest.selector, "rubric");
        } else {
            verdict.deadline = NOW - 1;
            refusal = abi.encodeWithSelector(IAttestations.DeadlinePassed.selector, NOW - 1, NOW);
        }
        bytes memory signature = signatureOf("auditor", _attestations.idOf(verdict, AUDITOR));
        VM.expectRevert(refusal);
        _attestations.attest(verdict, AUDITOR, signature);
    }

    function testOnlyWhatStandsIsJudged(bytes32 release, address issuer) public {
        IReleases.Generation memory generation = _release();
        VM.assume(release != generation.release && issuer != RESEARCHER);
        VM.expectRevert(_doesNotStand(release, RESEARCHER));
        _attestations.attest(_verdict(release, NOW), AUDITOR, "");
        IAttestations.Verdict memory verdict = _verdict(generation.release, NOW);
        verdict.issuer = issuer;
        VM.expectRevert(_doesNotStand(generation.release, issuer));
        _attestations.attest(verdict, AUDITOR, "");
        VM.prank(RESEARCHER);
        _registry.revoke(generation.release, REASON);
        VM.expectRevert(_doesNotStand(generation.release, RESEARCHER));
        _attestations.attest(_verdict(generation.release, NOW), AUDITOR, "");
    }

    function testAVerdictIsOnOneIssuersRecord() public {
        IReleases.Generation memory generation = _release();
        _recordToo(generation, STRANGER);
        IAttestations.Verdict memory verdict = _verdict(generation.release, NOW);
        bytes memory signature = signatureOf("auditor", _attestations.idOf(verdict, AUDITOR));
        verdict.issuer = STRANGER;
        bytes32 id = _attestations.idOf(verdict, AUDITOR);
        VM.expectRevert(abi.encodeWithSelector(IAttestations.InvalidSignature.selector, AUDITOR, id));
        _attestations.attest(verdict, AUDITOR, signature);
        verdict.issuer = RESEARCHER;
        _attestations.attest(verdict, AUDITOR, signature);
    }

    function testOnlyWhoSignedTakesAVerdictBack(address stranger, bytes32 reason) public {
        VM.assume(stranger != AUDITOR && stranger != address(0) && reason != 0);
        IAttestations.Verdict memory verdict = _standing();
        bytes32 id = _attest(verdict, "auditor");
        VM.expectRevert(abi.encodeWithSelector(IAttestations.NotAttested.selector, id, stranger));
        VM.prank(stranger);
        _attestations.revokeAttestation(id, reason);
        VM.expectRevert(abi.encodeWithSelector(IAttestations.ZeroDigest.selector, "reason"));
        VM.prank(AUDITOR);
        _attestations.revokeAttestation(id, 0);
        VM.prank(ADMIN);
        _registry.revokeRole(AUDITOR_ROLE, AUDITOR); // who lost the role still takes back
        VM.warp(NOW + 10);
        VM.expectEmit(address(_attestations));
        emit IAttestations.AttestationRevoked(id, AUDITOR, reason);
        VM.prank(AUDITOR);
        _attestations.revokeAttestation(id, reason);
        _check(id, IAttestations.Attestation(address(0), NOW, NOW + 10, bytes20(reason)));
        bytes memory revoked = abi.encodeWithSelector(IAttestations.AttestationAlreadyRevoked.selector, id);
        address[3] memory senders = [AUDITOR, stranger, address(bytes20(reason))]; // whose place the reason took
        for (uint256 i = 0; i < senders.length; ++i) {
            VM.expectRevert(revoked);
            VM.prank(senders[i]);
            _attestations.revokeAttestation(id, ~reason);
        }
    }

    function testAFailedReleaseIsJudged() public {
        IReleases.Generation memory generation = _generation("release", _runStudy());
        VM.prank(RESEARCHER);
        _registry.recordFailedRelease(generation, DIGEST);
        bytes32 id = _attest(_verdict(generation.release, NOW), "auditor");
        _check(id, IAttestations.Attestation(AUDITOR, NOW, 0, 0));
    }

    function testAVerdictThatWasTakenBackIsNotBroughtAgain() public {
        IAttestations.Verdict memory verdict = _standing();
        bytes32 id = _attest(verdict, "auditor");
        VM.prank(AUDITOR);
        _attestations.revokeAttestation(id, REASON);
        bytes memory signature = signatureOf("auditor", id);
        VM.expectRevert(abi.encodeWithSelector(IAttestations.AlreadyAttested.selector, id));
        _attestations.attest(verdict, AUDITOR, signature);
    }

    function testWhoSignedAVerdictCancelsItBeforeItIsBrought(address bearer) public {
        IAttestations.Verdict memory verdict = _standing();
        bytes32 id = _attestations.idOf(verdict, AUDITOR);
        bytes memory signature = signatureOf("auditor", id);
        assertEq(_attestations.cancellationOf(id, AUDITOR), 0);
        VM.prank(ADMIN);
        _registry.revokeRole(AUDITOR_ROLE, AUDITOR); // who lost the role still cancels
        _pause();
        VM.warp(NOW - 1);
        VM.expectEmit(address(_attestations));
        emit IAttestations.VerdictCancelled(id, AUDITOR);
        VM.prank(AUDITOR);
        _attestations.cancelVerdict(id);
        assertEq(_attestations.cancellationOf(id, AUDITOR), NOW - 1);
        VM.prank(ADMIN);
        _registry.unpause();
        _grant(AUDITOR_ROLE, AUDITOR);
        bytes memory cancelled = abi.encodeWithSelector(IAttestations.VerdictIsCancelled.selector, id);
        VM.expectRevert(cancelled);
        VM.prank(bearer);
        _attestations.attest(verdict, AUDITOR, signature);
        VM.expectRevert(cancelled);
        VM.prank(AUDITOR);
        _attestations.cancelVerdict(id);
        VM.expectRevert(abi.encodeWithSelector(IAttestations.NotAttested.selector, id, AUDITOR));
        VM.prank(AUDITOR);
        _attestations.revokeAttestation(id, REASON);
        _check(id, IAttestations.Attestation(address(0), 0, 0, 0));
        verdict.outcome = IAttestations.Outcome.Failed; // another verdict is another's matter
        _attest(verdict, "auditor");
    }

    function testNobodyCancelsForAnother(address stranger) public {
        VM.assume(stranger != AUDITOR);
        IAttestations.Verdict memory verdict = _standing();
        bytes32 id = _attestations.idOf(verdict, AUDITOR);
        VM.prank(stranger);
        _attestations.cancelVerdict(id);
        assertEq(_attestations.cancellationOf(id, AUDITOR), 0);
        _attest(verdict, "auditor");
    }

    function testAVerdictThatWasBroughtIsNotCancelled(bool isTakenBack) public {
        bytes32 id = _attest(_standing(), "auditor");
        if (isTakenBack) {
            VM.prank(AUDITOR);
            _attestations.revokeAttestation(id, REASON);
        }
        VM.expectRevert(abi.encodeWithSelector(IAttestations.AlreadyAttested.selector, id));
        VM.prank(AUDITOR);
        _attestations.cancelVerdict(id);
    }

    function testAWalletJudges() public {
        Wallet wallet = new Wallet();
        IAttestations.Verdict memory verdict = _standing();
        _grant(AUDITOR_ROLE, address(wallet));
        bytes32 id = _attestations.idOf(verdict, address(wallet));
        VM.expectRevert(
            abi.encodeWithSelector(IAttestations.InvalidSignature.selector, address(wallet), id)
        );
        _attestations.attest(verdict, address(wallet), "words");
        wallet.take(id, "words");
        assertEq(_attestations.attest(verdict, address(wallet), "words"), id);
    }

    function testAWalletThatCallsBackChangesNothing() public {
        CallingWallet wallet = new CallingWallet(address(_attestations));
        IAttestations.Verdict memory verdict = _standing();
        _grant(AUDITOR_ROLE, address(wallet));
        bytes32 id = _attestations.idOf(verdict, AUDITOR);
        bytes memory signature = signatureOf("auditor", id);
        wallet.prepare(abi.encodeCall(IAttestations.attest, (verdict, AUDITOR, signature)));
        _attestations.attest(verdict, address(wallet), "");
        _check(id, IAttestations.Attestation(address(0), 0, 0, 0));
    }

    function _standing() private returns (IAttestations.Verdict memory) {
        return _verdict(_release().release, NOW);
    }

    function _attest(IAttestations.Verdict memory verdict, string memory name) private returns (bytes32) {
        bytes memory signature = signatureOf(name, _attestations.idOf(verdict, account(name)));
        return _attestations.attest(verdict, account(name), signature);
    }

    function _check(bytes32 id, IAttestations.Attestation memory expected) private view {
        assertEq(keccak256(abi.encode(_attestations.attestationOf(id))), keccak256(abi.encode(expected)));
    }

    function _doesNotStand(bytes32 release, address issuer) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IAttestations.ReleaseDoesNotStand.selector, release, issuer);
    }
}
