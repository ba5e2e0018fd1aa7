// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IAgreements} from "../src/IAgreements.sol";
import {IAttestations} from "../src/IAttestations.sol";
import {IReleases} from "../src/IReleases.sol";
import {IRoles} from "../src/IRoles.sol";
import {ProvenanceRegistry} from "../src/ProvenanceRegistry.sol";
import {World} from "./World.sol";

/// @title Roles that change hands, and what a pause stops
contract RolesTest is World {
    function testAnOfferedRoleIsTakenOver(address successor) public {
        VM.assume(successor != STEWARD && successor != address(0));
        VM.expectEmit(address(_registry));
        emit IRoles.RoleOffered(STEWARD_ROLE, STEWARD, successor);
        _offer(successor);
        assertTrue(_registry.hasRole(STEWARD_ROLE, STEWARD), "an offer takes nothing");
        assertTrue(!_registry.hasRole(STEWARD_ROLE, successor), "an offer gives nothing");
        VM.expectEmit(address(_registry));
        emit IRoles.RoleHandedOver(STEWARD_ROLE, STEWARD, successor);
        VM.prank(successor);
        _registry.acceptRole(STEWARD_ROLE, STEWARD);
        assertTrue(!_registry.hasRole(STEWARD_ROLE, STEWARD), "whoever hands a role over loses it");
        assertTrue(_registry.hasRole(STEWARD_ROLE, successor), "whoever takes a role over has it");
        _expectNotOffered(successor);
    }

    function testARoleThatOneLacksIsNotOffered(address stranger, address successor) public {
        VM.assume(stranger != STEWARD);
        VM.expectRevert(_unauthorized(stranger, STEWARD_ROLE));
        VM.prank(stranger);
        _registry.offerRole(STEWARD_ROLE, successor);
    }

    function testTheAdministrationIsNotOffered() public {
        VM.expectRevert(abi.encodeWithSelector(IRoles.AdministrationNotOffered.selector));
        VM.prank(ADMIN);
        _registry.offerRole(0, STRANGER);
    }

    function testWhatIsOfferedToAnotherIsNotTaken(address stranger) public {
        VM.assume(stranger != GRANTEE);
        _offer(GRANTEE);
        _expectNotOffered(stranger);
    }

    function testALaterOfferReplacesAnEarlierOne() public {
        _offer(STRANGER);
        _offer(GRANTEE);
        _expectNotOffered(STRANGER);
        _offer(address(0));
        _expectNotOffered(GRANTEE);
    }

    function testAnOfferDoesNotSurviveTheRole() public {
        _offer(STRANGER);
        VM.prank(ADMIN);
        _registry.revokeRole(STEWARD_ROLE, STEWARD);
        _grant(STEWARD_ROLE, STEWARD);
        _expectNotOffered(STRANGER);
        _offer(STRANGER);
        VM.prank(STEWARD);
        _registry.renounceRole(STEWARD_ROLE, STEWARD);
        _expectNotOffered(STRANGER);
    }

    function testOnlyTheAdministratorGrantsAndPauses(address stranger, bytes32 role, address holder) public {
        VM.assume(stranger != ADMIN);
        bytes memory unauthorized = _unauthorized(stranger, 0);
        VM.assume(role != 0);
        VM.expectRevert(unauthorized);
        VM.prank(stranger);
        _registry.grantRole(role, holder);
        VM.expectRevert(unauthorized);
        VM.prank(stranger);
        _registry.revokeRole(role, holder);
        VM.expectRevert(unauthorized);
        VM.prank(stranger);
        _registry.pause();
        _pause();
        VM.expectRevert(unauthorized);
        VM.prank(stranger);
        _registry.unpause();
    }

    function testAFounderIsStewardAndResearcher(address founder) public {
        VM.assume(founder != address(0));
        ProvenanceRegistry founded = new ProvenanceRegistry(1 days, ADMIN, founder);
        assertTrue(founded.hasRole(STEWARD_ROLE, founder), "the first steward");
        assertTrue(founded.hasRole(RESEARCHER_ROLE, founder), "the first researcher");
        assertTrue(!founded.hasRole(AUDITOR_ROLE, founder), "not the judge of their own releases");
        assertEq(founded.defaultAdmin(), ADMIN);
        assertTrue(!_registry.hasRole(STEWARD_ROLE, address(0)), "nobody is no steward");
    }

    function testAPauseStopsWhatAddsToTheRegistry() public {
        IReleases.Generation memory generation = _release();
        bytes32 seal = _sealOf(RESEARCHER, DIGEST, 0);
        _pause();
        bytes memory paused = abi.encodeWithSelector(Pausable.EnforcedPause.selector);
        VM.expectRevert(paused);
        VM.prank(STEWARD);
        _registry.registerDataset("new", 0, 0);
        VM.expectRevert(paused);
        VM.prank(RESEARCHER);
        _registry.registerProtocol(DATASET, SALT);
        VM.expectRevert(paused);
        VM.prank(RESEARCHER);
        _registry.registerOpenProtocol(DATASET, SALT);
        VM.expectRevert(paused);
        VM.prank(STEWARD);
        _registry.approveProtocol(RESEARCHER, DATASET, seal, 1, 1);
        VM.expectRevert(paused);
        VM.prank(RESEARCHER);
        _registry.logAttempt(generation.protocol, 2, DIGEST);
        VM.expectRevert(paused);
        VM.prank(RESEARCHER);
        _registry.logAttemptBatch(generation.protocol, 2, 2, DIGEST);
        generation.release = "new";
        VM.expectRevert(paused);
        _record(generation);
    }

    function testAPauseStopsWhatIsAgreedAndJudged() public {
        IReleases.Generation memory generation = _release();
        IAgreements.Agreement memory agreement = _agreement(GRANTEE, NOW);
        IAttestations.Verdict memory verdict = _verdict(generation.release, NOW);
        _pause();
        bytes memory paused = abi.encodeWithSelector(IAgreements.Paused.selector);
        VM.expectRevert(paused);
        _agreements.request(DATASET, REASON, agreement.uses);
        VM.expectRevert(paused);
        _agreements.denyRequest(DATASET, GRANTEE, REASON, agreement.uses, REASON);
        VM.expectRevert(paused);
        _agreements.offer(agreement);
        VM.expectRevert(paused);
        _agreements.accept(agreement, REASON, "");
        VM.expectRevert(paused);
        _agreements.renew(agreement, agreement.expiry + 1);
        VM.expectRevert(paused);
        _agreements.logAccess(agreement, REASON, 1);
        VM.expectRevert(paused);
        _agreements.logDenial(DATASET, REASON, GRANTEE, REASON);
        VM.expectRevert(abi.encodeWithSelector(IAttestations.Paused.selector));
        _attestations.attest(verdict, AUDITOR, "");
    }

    function testAPauseNeverStopsWhatTakesBack() public {
        IReleases.Generation memory generation = _release();
        IAgreements.Agreement memory agreement = _agreement(GRANTEE, NOW);
        VM.prank(STEWARD);
        bytes32 id = _agreements.offer(agreement);
        IAttestations.Verdict memory verdict = _verdict(generation.release, NOW);
        bytes32 attestation =
            _attestations.attest(verdict, AUDITOR, signatureOf("auditor", _attestations.idOf(verdict, AUDITOR)));
        _pause();
        VM.prank(RESEARCHER);
        _registry.revoke(generation.release, REASON);
        VM.prank(GRANTEE);
        _agreements.end(agreement, REASON);
        VM.prank(AUDITOR);
        _attestations.revokeAttestation(attestation, REASON);
        VM.prank(STEWARD);
        _registry.lowerCap(DATASET, CAP - 1);
        VM.prank(STEWARD);
        _registry.closeProtocol(RESEARCHER, DATASET, _sealOf(RESEARCHER, DIGEST, 0));
        VM.prank(STEWARD);
        _agreements.eraseObject(DATASET, REASON, REASON);
        _eraseDataset();
        assertTrue(!_registry.stands(generation.release, RESEARCHER), "withdrawn");
        assertTrue(_agreements.statusOf(id).state == IAgreements.AgreementState.Ended, "ended");
        VM.prank(ADMIN);
        _registry.unpause();
        assertTrue(!_registry.paused(), "goes on");
    }

    function testOnlyOfferedRolesAreAccepted(bytes32 role, address holder, address sender) public {
        VM.assume(sender != address(0));
        VM.expectRevert(abi.encodeWithSelector(IRoles.RoleNotOffered.selector, role, holder, sender));
        VM.prank(sender);
        _registry.acceptRole(role, holder);
    }

    function testInterfacesAreSaid() public view {
        assertTrue(_registry.supportsInterface(type(IAccessControl).interfaceId), "roles as others know them");
    }

    function _offer(address successor) private {
        VM.prank(STEWARD);
        _registry.offerRole(STEWARD_ROLE, successor);
    }

    function _expectNotOffered(address sender) private {
        VM.expectRevert(
            abi.encodeWithSelector(IRoles.RoleNotOffered.selector, STEWARD_ROLE, STEWARD, sender)
        );
        VM.prank(sender);
        _registry.acceptRole(STEWARD_ROLE, STEWARD);
    }
}
