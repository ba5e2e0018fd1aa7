// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAgreements} from "../src/IAgreements.sol";
import {World} from "./World.sol";

/// @title Agreements to go on from, and what may come of them
abstract contract AgreementWorld is World {
    bytes32 internal constant KEY = keccak256("encryption key");
    bytes32 internal constant OBJECT = keccak256("object");

    function _offer(IAgreements.Agreement memory agreement) internal returns (bytes32) {
        VM.prank(STEWARD);
        return _agreements.offer(agreement);
    }

    function _offered() internal returns (IAgreements.Agreement memory agreement) {
        _registerDataset();
        agreement = _agreement(GRANTEE, NOW + 100);
        _offer(agreement);
    }

    function _accepted() internal returns (IAgreements.Agreement memory agreement) {
        agreement = _offered();
        _agreements.accept(agreement, KEY, _sign("grantee", keccak256(abi.encode(agreement)), KEY));
    }

    function _end(IAgreements.Agreement memory agreement, address sender) internal {
        VM.prank(sender);
        _agreements.end(agreement, REASON);
    }

    function _access(IAgreements.Agreement memory agreement, address sender) internal {
        VM.prank(sender);
        _agreements.logAccess(agreement, OBJECT, 1);
    }

    function _renew(IAgreements.Agreement memory agreement) internal {
        VM.prank(STEWARD);
        _agreements.renew(agreement, agreement.expiry + 1);
    }

    function _eraseObject() internal {
        VM.prank(STEWARD);
        _agreements.eraseObject(DATASET, OBJECT, REASON);
    }

    function _deny(IAgreements.Agreement memory asked, address requester, address sender, bytes32 reason)
        internal
        returns (bytes32)
    {
        VM.prank(sender);
        return _agreements.denyRequest(asked.dataset, requester, asked.purpose, asked.uses, reason);
    }

    function _handOver(address successor) internal {
        _grant(STEWARD_ROLE, successor);
        VM.prank(STEWARD);
        _registry.offerDataset(DATASET, successor);
        VM.prank(successor);
        _registry.acceptDataset(DATASET);
    }

    function _expectWrongState(bytes32 id, IAgreements.AgreementState state) internal {
        VM.expectRevert(abi.encodeWithSelector(IAgreements.WrongState.selector, id, state));
    }

    function _expectExpired(bytes32 id, uint40 expiry, uint256 time) internal {
        VM.expectRevert(abi.encodeWithSelector(IAgreements.Expired.selector, id, expiry, time));
    }

    function _check(bytes32 id, IAgreements.AgreementStatus memory expected) internal view {
        assertEq(keccak256(abi.encode(_agreements.statusOf(id))), keccak256(abi.encode(expected)));
    }

    function _sign(string memory name, bytes32 id, bytes32 key) internal view returns (bytes memory) {
        return signatureOf(name, _agreements.acceptanceDigest(id, key));
    }

    function _requestOf(IAgreements.Agreement memory asked, address requester) internal pure returns (bytes32) {
        return keccak256(abi.encode(asked.dataset, requester, asked.purpose, asked.uses));
    }

    function _fingerprint(bytes32 id, bytes32 key) internal pure returns (bytes13) {
        return bytes13(keccak256(abi.encode(id, key)));
    }
}
