// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProvenanceRegistry} from "../src/IProvenanceRegistry.sol";
import {ProvenanceRegistry} from "../src/ProvenanceRegistry.sol";
import {Test} from "./Vm.sol";

/// @title Random acts of three recorders on four releases, and a model of what must come of them
/// @dev Forge calls the public functions of this contract in random order. Each act succeeds exactly when the
///      model says so; a wrong success or refusal reverts, which fails the run.
contract RegistryActs is Test {
    uint256 public constant NUM_RELEASES = 4;
    ProvenanceRegistry public immutable REGISTRY;

    mapping(bytes32 release => IProvenanceRegistry.Status status) private _expected;

    constructor() {
        REGISTRY = new ProvenanceRegistry(1 days, address(this), address(0));
    }

    /// @notice Somebody records one of the releases.
    function record(uint256 who, uint256 which, bytes32 content) external {
        (address sender, bytes32 release) = (actor(who), releaseOf(which));
        bool isAllowed = REGISTRY.hasRole(REGISTRY.RECORDER_ROLE(), sender)
            && _expected[release].issuer == address(0);
        bytes32 some = keccak256(abi.encode(content));
        IProvenanceRegistry.Generation memory generation =
            IProvenanceRegistry.Generation(release, some, some, "TabularGAN", some, some, content);
        VM.prank(sender);
        try REGISTRY.record(generation) {
            assertTrue(isAllowed, "recorded once, and by a recorder");
            _expected[release] =
                IProvenanceRegistry.Status(sender, uint48(block.timestamp), uint48(block.number), 0);
        } catch {
            assertTrue(!isAllowed, "a recorder may record what is new");
        }
    }

    /// @notice Somebody revokes one of the releases.
    function revoke(uint256 who, uint256 which, bytes32 reason) external {
        (address sender, bytes32 release) = (actor(who), releaseOf(which));
        IProvenanceRegistry.Status storage status = _expected[release];
        bool isAllowed = status.issuer == sender && status.reason == 0 && reason != 0;
        VM.prank(sender);
        try REGISTRY.revoke(release, reason) {
            assertTrue(isAllowed, "revoked once, by its issuer, for a reason");
            status.reason = reason;
        } catch {
            assertTrue(!isAllowed, "an issuer may revoke");
        }
    }

    /// @notice The administrator makes somebody a recorder, or no longer.
    function setRole(uint256 who, bool isRecorder) external {
        bytes32 role = REGISTRY.RECORDER_ROLE();
        if (isRecorder) REGISTRY.grantRole(role, actor(who));
        else REGISTRY.revokeRole(role, actor(who));
    }

    /// @notice Blocks go by.
    function pass(uint16 blocks) external {
        VM.roll(block.number + blocks);
        VM.warp(block.timestamp + 12 * uint256(blocks));
    }

    /// @notice What the model says of a release.
    function expectedOf(bytes32 release) external view returns (IProvenanceRegistry.Status memory status) {
        return _expected[release];
    }

    /// @notice One of the releases.
    function releaseOf(uint256 which) public pure returns (bytes32) {
        return keccak256(abi.encode("release", which % NUM_RELEASES));
    }

    /// @notice One of the recorders.
    function actor(uint256 who) public pure returns (address) {
        return [account("first"), account("second"), account("third")][who % 3];
    }
}

/// @title What holds after every act
contract ProvenanceRegistryInvariants is Test {
    RegistryActs private _acts;

    function setUp() public {
        _acts = new RegistryActs();
    }

    /// @notice Which contracts forge calls.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_acts);
    }

    function invariantARecordIsNeverChanged() public view {
        for (uint256 which = 0; which < _acts.NUM_RELEASES(); ++which) {
            bytes32 release = _acts.releaseOf(which);
            IProvenanceRegistry.Status memory expected = _acts.expectedOf(release);
            try _acts.REGISTRY().find(release) returns (IProvenanceRegistry.Status memory found) {
                assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(expected)));
            } catch {
                assertEq(expected.issuer, address(0));
            }
        }
    }

    function invariantTheAdministratorStays() public view {
        assertEq(_acts.REGISTRY().defaultAdmin(), address(_acts));
    }
}
