// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAgreements} from "../src/IAgreements.sol";
import {IDatasets} from "../src/IDatasets.sol";
import {AgreementWorld} from "./AgreementWorld.sol";

/// @title Accesses: logged by the steward while an agreement is in force, and never of what was erased
contract AccessTest is AgreementWorld {
    function testAccessIsLoggedWhileInForce(uint40 time) public {
        IAgreements.Agreement memory agreement = _accepted();
        bytes32 id = keccak256(abi.encode(agreement));
        time = uint40(within(time, NOW, NOW + 200));
        VM.warp(time);
        if (time > agreement.expiry) {
            _expectExpired(id, agreement.expiry, time);
        } else {
            VM.expectEmit(address(_agreements));
            emit IAgreements.Accessed(id, OBJECT, GRANTEE, 1);
        }
        _access(agreement, STEWARD);
    }

    function testAccessesAreNumberedAndChained(uint24 number) public {
        IAgreements.Agreement memory agreement = _accepted();
        bytes32 id = keccak256(abi.encode(agreement));
        VM.assume(number != 2);
        _access(agreement, STEWARD);
        VM.expectRevert(abi.encodeWithSelector(IAgreements.AccessOutOfOrder.selector, id, 2, number));
        VM.prank(STEWARD);
        _agreements.logAccess(agreement, OBJECT, number);
        VM.expectEmit(address(_agreements));
        emit IAgreements.Accessed(id, "other", GRANTEE, 2);
        VM.prank(STEWARD);
        _agreements.logAccess(agreement, "other", 2);
        assertEq(_agreements.statusOf(id).accesses, 2);
        bytes13 head = bytes13(keccak256(abi.encode(_fingerprint(id, KEY), OBJECT)));
        head = bytes13(keccak256(abi.encode(head, bytes32("other"))));
        assertTrue(_agreements.statusOf(id).head == head, "the key and both objects lead to the head");
    }

    function testAfterTheLastNumberNoAccessIsLogged() public {
        IAgreements.Agreement memory agreement = _accepted();
        bytes32 id = keccak256(abi.encode(agreement));
        bytes32 slot = keccak256(abi.encode(id, uint256(2))); // as snapshots/storage.json has it
        bytes32 full = VM.load(address(_agreements), slot) | bytes32(uint256(type(uint24).max) << 128);
        VM.store(address(_agreements), slot, full);
        assertEq(_agreements.statusOf(id).accesses, type(uint24).max);
        for (uint24 number = 0; number < 2; ++number) {
            VM.expectRevert(abi.encodeWithSelector(IAgreements.AccessOutOfOrder.selector, id, 2 ** 24, number));
            VM.prank(STEWARD);
            _agreements.logAccess(agreement, OBJECT, number);
        }
    }

    function testAStewardWithoutTheRoleLetsNothingOutAndTakesBack() public {
        IAgreements.Agreement memory agreement = _accepted();
        VM.prank(ADMIN);
        _registry.revokeRole(STEWARD_ROLE, STEWARD);
        bytes memory unauthorized = _unauthorized(STEWARD, STEWARD_ROLE);
        VM.expectRevert(unauthorized);
        _access(agreement, STEWARD);
        VM.expectRevert(unauthorized);
        _renew(agreement);
        VM.expectRevert(unauthorized);
        _offer(_agreement(STRANGER, NOW));
        _deny(agreement, GRANTEE, STEWARD, REASON);
        VM.prank(STEWARD);
        _agreements.logDenial(DATASET, OBJECT, GRANTEE, REASON);
        _eraseObject();
        _end(agreement, STEWARD);
    }

    function testAnErasedObjectIsNotAccessed() public {
        IAgreements.Agreement memory agreement = _accepted();
        VM.expectRevert(abi.encodeWithSelector(IAgreements.ZeroDigest.selector, "object"));
        VM.prank(STEWARD);
        _agreements.logAccess(agreement, 0, 1);
        VM.expectRevert(abi.encodeWithSelector(IAgreements.ZeroDigest.selector, "object"));
        VM.prank(STEWARD);
        _agreements.eraseObject(DATASET, 0, REASON);
        VM.expectRevert(abi.encodeWithSelector(IAgreements.ZeroDigest.selector, "certificate"));
        VM.prank(STEWARD);
        _agreements.eraseObject(DATASET, OBJECT, 0);
        VM.expectEmit(address(_agreements));
        emit IAgreements.ObjectErased(DATASET, OBJECT, REASON);
        _eraseObject();
        assertEq(_agreements.objectErasureOf(DATASET, OBJECT), REASON);
        assertEq(_agreements.objectErasureOf("other", OBJECT), 0);
        bytes memory erased = abi.encodeWithSelector(IAgreements.ObjectIsErased.selector, OBJECT);
        VM.expectRevert(erased);
        _access(agreement, STEWARD);
        VM.expectRevert(erased);
        _eraseObject();
    }

    function testNothingIsHandedOutOfADatasetThatIsGone(bool isErased) public {
        IAgreements.Agreement memory agreement = _accepted();
        if (isErased) _eraseDataset();
        else _dropDataset();
        bytes memory notActive = abi.encodeWithSelector(
            IDatasets.DatasetNotActive.selector,
            DATASET,
            isErased ? IDatasets.DatasetState.Erased : IDatasets.DatasetState.Renounced
        );
        VM.expectRevert(notActive);
        _access(agreement, STEWARD);
        VM.expectRevert(notActive);
        VM.prank(STEWARD);
        _agreements.renew(agreement, agreement.expiry + 1);
        VM.expectRevert(notActive);
        _agreements.request(DATASET, REASON, agreement.uses);
        IAgreements.Agreement memory another = _agreement(STRANGER, NOW);
        VM.expectRevert(notActive);
        _offer(another);
        _eraseObject(); // its objects are still to be erased, requests to be denied, agreements to be ended
        _deny(agreement, GRANTEE, STEWARD, REASON);
        VM.prank(STEWARD);
        _agreements.logDenial(DATASET, OBJECT, GRANTEE, REASON);
        _end(agreement, STEWARD);
    }

    function testOnlyTheStewardActs(address stranger) public {
        VM.assume(stranger != STEWARD);
        IAgreements.Agreement memory agreement = _accepted();
        _grant(STEWARD_ROLE, stranger);
        bytes memory notSteward =
            abi.encodeWithSelector(IAgreements.NotSteward.selector, DATASET, stranger);
        VM.expectRevert(notSteward);
        VM.prank(stranger);
        _agreements.offer(agreement);
        VM.expectRevert(notSteward);
        VM.prank(stranger);
        _agreements.renew(agreement, agreement.expiry + 1);
        VM.expectRevert(notSteward);
        _access(agreement, stranger);
        VM.expectRevert(notSteward);
        VM.prank(stranger);
        _agreements.logDenial(DATASET, OBJECT, GRANTEE, REASON);
        VM.expectRevert(notSteward);
        _deny(agreement, GRANTEE, stranger, REASON);
        VM.expectRevert(notSteward);
        VM.prank(stranger);
        _agreements.eraseObject(DATASET, OBJECT, REASON);
    }
}
