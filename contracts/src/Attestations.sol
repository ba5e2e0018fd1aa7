// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IAttestations} from "./IAttestations.sol";
import {IRegistry} from "./IRegistry.sol";

/// @title Verdicts on releases, signed by auditors and clinical experts
/// @notice A slot a verdict on one of the registry's releases.
contract Attestations is IAttestations, EIP712 {
    /// @dev An Attestation in one slot: once it is taken back, the reason stands where its auditor stood, whom the
    ///      id tells.
    struct Entry {
        bytes20 word;
        uint48 time;
        uint48 revocation;
    }

    bytes32 private constant AUDITOR_ROLE = keccak256("AUDITOR_ROLE");
    bytes32 private constant VERDICT_TYPE = keccak256(
        "Verdict(address auditor,bytes32 release,address issuer,uint8 outcome,bytes32 report,bytes32 rubric,"
        "uint48 deadline)"
    );

    /// @notice The registry whose releases are judged.
    IRegistry public immutable registry;

    mapping(bytes32 id => Entry entry) private _entries;

    /// @dev By account too: a digest does not tell who signed it, and nobody cancels for another.
    mapping(bytes32 id => mapping(address auditor => uint48 time)) private _cancellations;

    /// @param registry_ The registry whose releases are judged.
    constructor(IRegistry registry_) EIP712("synthlib Attestations", "1") {
        registry = registry_;
    }

    /// @inheritdoc IAttestations
    function attest(Verdict calldata verdict, address auditor, bytes calldata signature)
        external
        returns (bytes32 id)
    {
        if (registry.paused()) revert Paused();
        _check(verdict);
        id = idOf(verdict, auditor);
        if (_entries[id].time != 0) revert AlreadyAttested(id);
        if (_cancellations[id][auditor] != 0) revert VerdictIsCancelled(id);
        if (!registry.hasRole(AUDITOR_ROLE, auditor)) revert NotAuditor(auditor);
        if (!registry.stands(verdict.release, verdict.issuer)) {
            revert ReleaseDoesNotStand(verdict.release, verdict.issuer);
        }
        if (!SignatureChecker.isValidSignatureNowCalldata(auditor, id, signature)) {
            revert InvalidSignature(auditor, id);
        }
        _entries[id] = Entry(bytes20(auditor), uint48(block.timestamp), 0);
        emit Attested(
            id,
            verdict.release,
            auditor,
            verdict.issuer,
            verdict.outcome,
            verdict.report,
            verdict.rubric,
            verdict.deadline
        );
    }

    /// @inheritdoc IAttestations
    function revokeAttestation(bytes32 id, bytes32 reason) external {
        Entry storage found = _entries[id];
        if (found.revocation != 0) revert AttestationAlreadyRevoked(id);
        if (found.word != bytes20(msg.sender)) revert NotAttested(id, msg.sender);
        if (reason == 0) revert ZeroDigest("reason");
        (found.word, found.revocation) = (bytes20(reason), uint48(block.timestamp));
        emit AttestationRevoked(id, msg.sender, reason);
    }

    /// @inheritdoc IAttestations
    function cancelVerdict(bytes32 id) external {
        if (_entries[id].time != 0) revert AlreadyAttested(id);
        if (_cancellations[id][msg.sender] != 0) revert VerdictIsCancelled(id);
        _cancellations[id][msg.sender] = uint48(block.timestamp);
        emit VerdictCancelled(id, msg.sender);
    }

    /// @inheritdoc IAttestations
    function attestationOf(bytes32 id) external view returns (Attestation memory) {
        Entry storage found = _entries[id];
        (bytes20 word, uint48 revocation) = (found.word, found.revocation);
        (address auditor, bytes20 reason) = revocation == 0 ? (address(word), bytes20(0)) : (address(0), word);
        return Attestation(auditor, found.time, revocation, reason);
    }

    /// @inheritdoc IAttestations
    function cancellationOf(bytes32 id, address auditor) external view returns (uint48) {
        return _cancellations[id][auditor];
    }

    /// @inheritdoc IAttestations
    function idOf(Verdict calldata verdict, address auditor) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(VERDICT_TYPE, auditor, verdict)));
    }

    function _check(Verdict calldata verdict) private view {
        if (verdict.outcome == Outcome.Unsaid) revert OutcomeUnsaid(verdict.release);
        if (verdict.report == 0) revert ZeroDigest("report");
        if (verdict.rubric == 0) revert ZeroDigest("rubric");
        if (verdict.deadline < block.timestamp) revert DeadlinePassed(verdict.deadline, block.timestamp);
    }
}
