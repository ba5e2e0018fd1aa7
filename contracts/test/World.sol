// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Agreements} from "../src/Agreements.sol";
import {Attestations} from "../src/Attestations.sol";
import {IAgreements} from "../src/IAgreements.sol";
import {IAttestations} from "../src/IAttestations.sol";
import {IReleases} from "../src/IReleases.sol";
import {ProvenanceRegistry} from "../src/ProvenanceRegistry.sol";
import {RowProofs} from "../src/RowProofs.sol";
import {Test} from "./Vm.sol";

/// @title A registry with one holder of each role, and one of everything to go on from
/// @dev Each test takes what it needs: a dataset, a running protocol, an attempt, a release.
abstract contract World is Test {
    bytes32 internal constant STEWARD_ROLE = keccak256("STEWARD_ROLE");
    bytes32 internal constant RESEARCHER_ROLE = keccak256("RESEARCHER_ROLE");
    bytes32 internal constant AUDITOR_ROLE = keccak256("AUDITOR_ROLE");
    bytes32 internal constant COMMITMENT = keccak256("dataset");
    bytes32 internal constant DIGEST = keccak256("protocol");
    bytes32 internal constant SALT = keccak256("salt");
    bytes32 internal constant REASON = keccak256("reason");
    uint32 internal constant NOT_PRIVATE = type(uint32).max;
    uint32 internal constant CAP = 1_000_000;

    /// @dev Block and time at which each test starts. The optimizer takes both for fixed within a function, so a
    ///      test counts from here instead of asking again.
    uint256 internal constant START = 1000;
    uint40 internal constant NOW = 1_800_000_000;

    address internal immutable ADMIN = account("admin");
    address internal immutable STEWARD = account("steward");
    address internal immutable RESEARCHER = account("researcher");
    address internal immutable AUDITOR = account("auditor");
    address internal immutable GRANTEE = account("grantee");
    address internal immutable STRANGER = account("stranger");
    bytes32 internal immutable DATASET = keccak256(abi.encode(account("steward"), COMMITMENT));

    ProvenanceRegistry internal _registry;
    Agreements internal _agreements;
    Attestations internal _attestations;
    RowProofs internal _rowProofs;

    function setUp() public virtual {
        VM.warp(NOW);
        VM.roll(START);
        _registry = new ProvenanceRegistry(1 days, ADMIN, address(0));
        (_agreements, _attestations) = (_registry.agreements(), _registry.attestations());
        _rowProofs = _registry.rowProofs();
        _grant(STEWARD_ROLE, STEWARD);
        _grant(RESEARCHER_ROLE, RESEARCHER);
        _grant(AUDITOR_ROLE, AUDITOR);
    }

    function _grant(bytes32 role, address holder) internal {
        VM.prank(ADMIN);
        _registry.grantRole(role, holder);
    }

    function _pause() internal {
        VM.prank(ADMIN);
        _registry.pause();
    }

    function _registerDataset() internal {
        VM.prank(STEWARD);
        _registry.registerDataset(COMMITMENT, 0, CAP);
    }

    /// @dev A dataset and an open protocol on it, registered a block ago.
    function _registerProtocol() internal returns (bytes32 protocol) {
        _registerDataset();
        VM.prank(RESEARCHER);
        protocol = _registry.registerOpenProtocol(DATASET, DIGEST);
        VM.roll(START + 1);
    }

    /// @dev The same, approved.
    function _runProtocol(uint32 budget, uint16 openReleases) internal returns (bytes32 protocol) {
        protocol = _registerProtocol();
        VM.prank(STEWARD);
        _registry.approveProtocol(RESEARCHER, DATASET, _sealOf(RESEARCHER, DIGEST, 0), budget, openReleases);
    }

    /// @dev The same, with an attempt.
    function _runStudy() internal returns (bytes32 protocol) {
        protocol = _runProtocol(CAP / 2, 10);
        _attempt(protocol, 1);
    }

    function _attempt(bytes32 protocol, uint24 number) internal {
        VM.prank(RESEARCHER);
        _registry.logAttempt(protocol, number, keccak256(abi.encode("attempt", number)));
    }

    function _record(IReleases.Generation memory generation) internal {
        VM.prank(RESEARCHER);
        _registry.recordRelease(generation);
    }

    /// @dev A release that is recorded, with all that it needs.
    function _release() internal returns (IReleases.Generation memory generation) {
        generation = _generation("release", _runStudy());
        _record(generation);
    }

    /// @dev Somebody else records the same digest, under a protocol of their own on the same dataset.
    function _recordToo(IReleases.Generation memory generation, address other)
        internal
        returns (IReleases.Generation memory copy)
    {
        copy = abi.decode(abi.encode(generation), (IReleases.Generation));
        copy.protocol = _runAnother(other);
        VM.prank(other);
        _registry.recordRelease(copy);
    }

    /// @dev Another researcher's protocol on the dataset, with an attempt.
    function _runAnother(address other) internal returns (bytes32 protocol) {
        _grant(RESEARCHER_ROLE, other);
        VM.prank(other);
        protocol = _registry.registerOpenProtocol(DATASET, DIGEST);
        VM.roll(START + 2);
        VM.prank(STEWARD);
        _registry.approveProtocol(other, DATASET, _sealOf(other, DIGEST, 0), 0, 10);
        VM.prank(other);
        _registry.logAttempt(protocol, 1, DIGEST);
    }

    function _dropDataset() internal {
        VM.prank(STEWARD);
        _registry.renounceDataset(DATASET);
    }

    function _eraseDataset() internal {
        VM.prank(STEWARD);
        _registry.eraseDataset(DATASET, REASON);
    }

    function _agreement(address grantee, uint40 expiry)
        internal
        view
        returns (IAgreements.Agreement memory)
    {
        uint32[] memory uses = new uint32[](2);
        (uses[0], uses[1]) = (42, 43);
        return IAgreements.Agreement(DATASET, grantee, "terms", "purpose", uses, expiry, 0);
    }

    function _verdict(bytes32 release, uint48 deadline) internal view returns (IAttestations.Verdict memory) {
        return IAttestations.Verdict(
            release, RESEARCHER, IAttestations.Outcome.Passed, "report", "rubric", deadline
        );
    }

    function _unauthorized(address sender, bytes32 role) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(
            IAccessControl.AccessControlUnauthorizedAccount.selector, sender, role
        );
    }

    function _generation(string memory name, bytes32 protocol)
        internal
        pure
        returns (IReleases.Generation memory)
    {
        bytes32 some = keccak256(bytes(name));
        return
            IReleases.Generation(some, protocol, some, some, "TabularGAN", some, some, NOT_PRIVATE, 1);
    }

    function _contentOf(IReleases.Generation memory generation) internal pure returns (bytes32) {
        return keccak256(abi.encode(generation));
    }

    function _idOf(IReleases.Generation memory generation) internal pure returns (bytes32) {
        return keccak256(abi.encode(_contentOf(generation), generation.synthetic));
    }

    function _sealOf(address researcher, bytes32 digest, bytes32 salt) internal pure returns (bytes32) {
        return keccak256(abi.encode(researcher, digest, salt));
    }

    function _protocolOf(address researcher, bytes32 dataset, bytes32 seal)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(researcher, dataset, seal));
    }
}
