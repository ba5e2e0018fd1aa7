// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAgreements} from "../src/IAgreements.sol";
import {IDatasets} from "../src/IDatasets.sol";
import {AgreementWorld} from "./AgreementWorld.sol";

/// @title Accesses: logged by the steward while an agreement is in force, and never of what was erased
contract AccessTest is AgreementWorld {
    function testAccessIsLoggedWhileInForce(uint48 time) public {
        IAgreements.Agreement memory agreement = _accepted();
        bytes32 id = keccak256(abi.encode(agreement));
        time = uint48(within(time, NOW, NOW + 200));
        VM.warp(time);
        if (time > agreement.expiry) {
            _expectExpired(id, agreement.expiry, time);
        } else {
            VM.expectEmit(address(_agreements));
            emit IAgreements.Accessed(id, OBJECT, GRANTEE);
        }
        _access(agreement, STEWARD);
    }

    function testAnErasedObjectIsNotAccessed() public {
        IAgreements.Agreement memory agreement = _accepted();
        VM.expectRevert(abi.encodeWithSelector(IAgreements.ZeroDigest.selector, "object"));
        VM.prank(STEWARD);
        _agreements.logAccess(agreement, 0);
        VM.expectRevert(abi.encodeWithSelector(IAgreements.ZeroDigest.selector, "object"));
        VM.prank(STEWARD);
        _agreements.eraseObject(DATASET, 0, REASON);
        VM.expectRevert(abi.encodeWithSelector(IAgreements.ZeroDigest.selector, "certificate"));
        VM.prank(STEWARD);
        _agreements.eraseObject(DATASET, OBJECT, 0);
        VM.expectEmit(address(_agreements));
        emit IAgreements.ObjectErased(DATASET, OBJECT, REASON);
        _eraseObject();
        assertTrue(_agreements.isErased(DATASET, OBJECT), "erased");
        assertTrue(!_agreements.isErased("other", OBJECT), "not in another dataset");
        bytes memory erased = abi.encodeWithSelector(IAgreements.ObjectIsErased.selector, OBJECT);
        VM.expectRevert(erased);
        _access(agreement, STEWARD);
        VM.expectRevert(erased);
        _eraseObject();
    }

    function testNothingIsHandedOutOfAnErasedDataset() public {
        IAgreements.Agreement memory agreement = _accepted();
        _eraseDataset();
        bytes memory notActive = abi.encodeWithSelector(
            IDatasets.DatasetNotActive.selector, DATASET, IDatasets.DatasetState.Erased
        );
        VM.expectRevert(notActive);
        _access(agreement, STEWARD);
        VM.expectRevert(notActive);
        VM.prank(STEWARD);
        _agreements.renew(agreement, agreement.expiry + 1);
        VM.expectRevert(notActive);
        _agreements.request(DATASET, REASON, agreement.uses);
        agreement.terms = "others";
        VM.expectRevert(notActive);
        _offer(agreement);
        _eraseObject(); // its objects are still to be erased
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
        VM.prank(stranger);
        _agreements.denyRequest(0, DATASET, REASON);
        VM.expectRevert(notSteward);
        VM.prank(stranger);
        _agreements.eraseObject(DATASET, OBJECT, REASON);
    }
}
