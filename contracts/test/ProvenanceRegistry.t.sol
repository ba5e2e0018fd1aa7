// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {IProvenanceRegistry} from "../src/IProvenanceRegistry.sol";
import {ProvenanceRegistry} from "../src/ProvenanceRegistry.sol";
import {Test} from "./Vm.sol";

/// @title Single calls with arguments of all kinds: what is stored, what is said, what is refused
contract ProvenanceRegistryTest is Test {
    address private immutable ADMIN = account("admin");
    address private immutable RECORDER = account("recorder");
    ProvenanceRegistry private _registry;

    function setUp() public {
        _registry = new ProvenanceRegistry(1 days, ADMIN, RECORDER);
    }

    function testRecordStoresWhoAndWhen(
        IProvenanceRegistry.Generation memory generation,
        uint256 length,
        uint48 time,
        uint48 number
    ) public {
        _assumeDigests(generation);
        generation.modelType = textOf(1 + length % 64);
        VM.warp(time);
        VM.roll(number);
        bytes32 expected = keccak256(abi.encode(generation));
        VM.expectEmit(address(_registry));
        emit IProvenanceRegistry.Recorded(generation.release, expected, RECORDER, generation);
        VM.prank(RECORDER);
        assertEq(_registry.record(generation), expected);
        _checkStatus(generation.release, IProvenanceRegistry.Status(RECORDER, time, number, 0));
    }

    function testRecordTwiceReverts(
        IProvenanceRegistry.Generation memory first,
        IProvenanceRegistry.Generation memory second
    ) public {
        _record(first);
        _assumeDigests(second);
        second.release = first.release;
        second.modelType = "Other";
        VM.expectRevert(abi.encodeWithSelector(IProvenanceRegistry.AlreadyRecorded.selector, first.release));
        VM.prank(RECORDER);
        _registry.record(second);
    }

    function testRecordByStrangerReverts(
        IProvenanceRegistry.Generation calldata generation,
        address stranger
    ) public {
        VM.assume(stranger != RECORDER);
        bytes32 role = _registry.RECORDER_ROLE();
        VM.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, stranger, role)
        );
        VM.prank(stranger);
        _registry.record(generation);
    }

    function testRecordWithoutADigestReverts(
        IProvenanceRegistry.Generation memory generation,
        uint256 which
    ) public {
        _assumeDigests(generation);
        generation.modelType = "TabularGAN";
        string[5] memory names = ["release", "commitment", "synthetic", "parameters", "characteristics"];
        which %= 5;
        if (which == 0) generation.release = 0;
        if (which == 1) generation.commitment = 0;
        if (which == 2) generation.synthetic = 0;
        if (which == 3) generation.parameters = 0;
        if (which == 4) generation.characteristics = 0;
        VM.expectRevert(abi.encodeWithSelector(IProvenanceRegistry.ZeroDigest.selector, names[which]));
        VM.prank(RECORDER);
        _registry.record(generation);
    }

    function testRecordWithAModelTypeOfWrongLengthReverts(
        IProvenanceRegistry.Generation memory generation,
        uint256 length
    ) public {
        _assumeDigests(generation);
        length = length % 200;
        if (length > 0 && length < 65) length = 0;
        generation.modelType = textOf(length);
        VM.expectRevert(abi.encodeWithSelector(IProvenanceRegistry.ModelTypeLength.selector, length));
        VM.prank(RECORDER);
        _registry.record(generation);
    }

    function testRevokeKeepsTheReason(
        IProvenanceRegistry.Generation memory generation,
        bytes32 reason
    ) public {
        VM.assume(reason != 0);
        _record(generation);
        VM.expectEmit(address(_registry));
        emit IProvenanceRegistry.Revoked(generation.release, RECORDER, reason);
        VM.prank(RECORDER);
        _registry.revoke(generation.release, reason);
        _checkStatus(
            generation.release,
            IProvenanceRegistry.Status(RECORDER, uint48(block.timestamp), uint48(block.number), reason)
        );
    }

    function testRevokeByAnybodyElseReverts(
        IProvenanceRegistry.Generation memory generation,
        address stranger,
        bytes32 reason
    ) public {
        VM.assume(stranger != RECORDER);
        _record(generation);
        VM.expectRevert(
            abi.encodeWithSelector(IProvenanceRegistry.NotIssuer.selector, generation.release, stranger)
        );
        VM.prank(stranger);
        _registry.revoke(generation.release, reason);
    }

    function testRevokeTwiceReverts(
        IProvenanceRegistry.Generation memory generation,
        bytes32 first,
        bytes32 second
    ) public {
        VM.assume(first != 0);
        _record(generation);
        VM.prank(RECORDER);
        _registry.revoke(generation.release, first);
        VM.expectRevert(
            abi.encodeWithSelector(IProvenanceRegistry.AlreadyRevoked.selector, generation.release)
        );
        VM.prank(RECORDER);
        _registry.revoke(generation.release, second);
    }

    function testRevokeWithoutAReasonReverts(IProvenanceRegistry.Generation memory generation) public {
        _record(generation);
        VM.expectRevert(abi.encodeWithSelector(IProvenanceRegistry.ZeroDigest.selector, "reason"));
        VM.prank(RECORDER);
        _registry.revoke(generation.release, 0);
    }

    function testWhatWasNeverRecordedIsNotThere(bytes32 release, address sender, bytes32 reason) public {
        bytes memory expected = abi.encodeWithSelector(IProvenanceRegistry.NotRecorded.selector, release);
        VM.expectRevert(expected);
        _registry.find(release);
        VM.expectRevert(expected);
        VM.prank(sender);
        _registry.revoke(release, reason);
    }

    function testARegistryMayStartWithoutARecorder() public {
        ProvenanceRegistry empty = new ProvenanceRegistry(1 days, ADMIN, address(0));
        assertTrue(!empty.hasRole(empty.RECORDER_ROLE(), address(0)), "nobody is no recorder");
        assertEq(empty.defaultAdmin(), ADMIN);
    }

    function _record(IProvenanceRegistry.Generation memory generation) private {
        _assumeDigests(generation);
        generation.modelType = "TabularGAN";
        VM.prank(RECORDER);
        _registry.record(generation);
    }

    function _checkStatus(bytes32 release, IProvenanceRegistry.Status memory expected) private view {
        IProvenanceRegistry.Status memory found = _registry.find(release);
        assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(expected)));
    }

    function _assumeDigests(IProvenanceRegistry.Generation memory generation) private pure {
        VM.assume(generation.release != 0 && generation.commitment != 0 && generation.synthetic != 0);
        VM.assume(generation.parameters != 0 && generation.characteristics != 0);
    }
}
