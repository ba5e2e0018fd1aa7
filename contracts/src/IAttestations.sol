// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Verdicts on releases, signed by auditors and clinical experts
/// @notice An auditor signs a verdict off chain (EIP-712); anybody brings it here. The signature holds for this
///         contract on this chain alone. Only who signed takes it back, or cancels it before it is brought.
interface IAttestations {
    /// @notice What an auditor found.
    enum Outcome {
        Unsaid,
        Passed,
        Failed,
        Inconclusive
    }

    /// @notice What an auditor says.
    /// @param release The release, which must stand.
    /// @param issuer Who recorded it: another's record of the same digest is not judged.
    /// @param outcome What was found.
    /// @param report SHA-256 of the report.
    /// @param rubric SHA-256 of the rubric by which it was judged.
    /// @param deadline Last second at which it may be brought here.
    // It is never stored.
    // solhint-disable-next-line gas-struct-packing
    struct Verdict {
        bytes32 release;
        address issuer;
        Outcome outcome;
        bytes32 report;
        bytes32 rubric;
        uint48 deadline;
    }

    /// @notice What is stored of a verdict, in one slot.
    /// @param auditor Who signed it; zero if there is none, and once it is taken back: the id still tells.
    /// @param time When it was brought, in seconds since 1970; 0 if there is none.
    /// @param revocation When it was taken back; 0 while it stands.
    /// @param reason First 20 bytes of the reason for that; 0 while it stands.
    struct Attestation {
        address auditor;
        uint48 time;
        uint48 revocation;
        bytes20 reason;
    }

    /// @notice A verdict was brought. All that was signed stands here, so that its id can be computed again.
    /// @param id What was signed: the EIP-712 digest of auditor and verdict for this contract on this chain.
    /// @param release The release.
    /// @param auditor Who signed it.
    /// @param issuer Who recorded the release.
    /// @param outcome What was found.
    /// @param report SHA-256 of the report.
    /// @param rubric SHA-256 of the rubric by which it was judged.
    /// @param deadline Last second at which it could be brought.
    event Attested(
        bytes32 indexed id,
        bytes32 indexed release,
        address indexed auditor,
        address issuer,
        Outcome outcome,
        bytes32 report,
        bytes32 rubric,
        uint48 deadline
    );

    /// @notice A verdict was taken back by who signed it.
    /// @param id What was signed: the EIP-712 digest of auditor and verdict for this contract on this chain.
    /// @param auditor Who signed it.
    /// @param reason SHA-256 of the reason.
    event AttestationRevoked(bytes32 indexed id, address indexed auditor, bytes32 reason);

    /// @notice Who signed a verdict cancelled it before it was brought; it is not taken any more.
    /// @param id What was signed: the EIP-712 digest of auditor and verdict for this contract on this chain.
    /// @param auditor Who cancelled it. On what another account signed it has no effect.
    event VerdictCancelled(bytes32 indexed id, address indexed auditor);

    /// @notice The account holds no AUDITOR_ROLE.
    /// @param account Who signed.
    error NotAuditor(address account);

    /// @notice The signature is not this account's for this verdict, this contract and this chain.
    /// @param account Whose it should be.
    /// @param id What was signed: the EIP-712 digest of auditor and verdict for this contract on this chain.
    error InvalidSignature(address account, bytes32 id);

    /// @notice The verdict is here already.
    /// @param id What was signed: the EIP-712 digest of auditor and verdict for this contract on this chain.
    error AlreadyAttested(bytes32 id);

    /// @notice Who signed the verdict cancelled it.
    /// @param id What was signed: the EIP-712 digest of auditor and verdict for this contract on this chain.
    error VerdictIsCancelled(bytes32 id);

    /// @notice There is no such verdict by this account.
    /// @param id What was signed: the EIP-712 digest of auditor and verdict for this contract on this chain.
    /// @param account Who tried.
    error NotAttested(bytes32 id, address account);

    /// @notice The verdict was taken back already; the first reason stands.
    /// @param id What was signed: the EIP-712 digest of auditor and verdict for this contract on this chain.
    error AttestationAlreadyRevoked(bytes32 id);

    /// @notice It was brought too late.
    /// @param deadline Last second at which it could be brought.
    /// @param time Time of the block.
    error DeadlinePassed(uint48 deadline, uint256 time);

    /// @notice The verdict says nothing.
    /// @param release The release.
    error OutcomeUnsaid(bytes32 release);

    /// @notice The release was not recorded by this account, or is withdrawn.
    /// @param release The release.
    /// @param issuer Who should have recorded it.
    error ReleaseDoesNotStand(bytes32 release, address issuer);

    /// @notice A digest that must be given was zero.
    /// @param field Name of the digest.
    error ZeroDigest(string field);

    /// @notice New records are stopped.
    error Paused();

    /// @notice Bring a verdict that its auditor has not cancelled. For anybody.
    /// @param verdict What was signed.
    /// @param auditor Who signed it; must hold AUDITOR_ROLE.
    /// @param signature 65 bytes, or what an account with code takes (ERC-1271).
    /// @return id What was signed.
    function attest(Verdict calldata verdict, address auditor, bytes calldata signature)
        external
        returns (bytes32 id);

    /// @notice Take a verdict back. For who signed it.
    /// @param id What was signed: the EIP-712 digest of auditor and verdict for this contract on this chain.
    /// @param reason SHA-256 of the reason.
    function revokeAttestation(bytes32 id, bytes32 reason) external;

    /// @notice Cancel a verdict that was signed and not brought: bringing it is refused from then on. For who signed
    ///         it, with or without the role. Its digest is given and not its words, which nobody gets to know by this;
    ///         so anybody may cancel any digest, and it counts for what the same account signed alone.
    /// @param id What was signed: the EIP-712 digest of auditor and verdict for this contract on this chain.
    function cancelVerdict(bytes32 id) external;

    /// @notice What an auditor signs: the EIP-712 digest of auditor and verdict for this contract on this chain.
    ///         It holds the auditor, so that two may find the same, and nobody takes another's verdict by
    ///         signing the same words first.
    /// @param verdict What is said.
    /// @param auditor Who signs.
    /// @return What is signed.
    function idOf(Verdict calldata verdict, address auditor) external view returns (bytes32);

    /// @notice What is stored of a verdict; all zero if there is none.
    /// @param id What was signed: the EIP-712 digest of auditor and verdict for this contract on this chain.
    /// @return What is stored.
    function attestationOf(bytes32 id) external view returns (Attestation memory);

    /// @notice When an account cancelled a verdict.
    /// @param id What was signed: the EIP-712 digest of auditor and verdict for this contract on this chain.
    /// @param auditor Who cancelled it.
    /// @return When, in seconds since 1970; 0 if it did not.
    function cancellationOf(bytes32 id, address auditor) external view returns (uint48);
}
