// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Releases of synthetic tables and where they came from
/// @notice A release is recorded once, by the researcher of a protocol that was registered before its first attempt,
///         within the privacy budget that the dataset's steward set aside. It may be withdrawn by whoever
///         recorded it, and is never changed. A record is its issuer's: somebody else may record the same
///         digest, under a protocol of their own, and takes nothing from it.
/// @dev Only digests and the name of a model type arrive here: no row, no parameter, no reason in clear. Stored
///      is a fingerprint of everything that was said, and the block whose `Recorded` event says it: one slot,
///      however much is said. Who brings the words can have them checked (`holds`).
///      id = keccak256(abi.encode(content, synthetic)), content = keccak256(abi.encode(generation)), or
///      keccak256(abi.encode(generation, gate)) of a release that failed: the same on every chain. The root stands
///      in it once more, so that who shows a row need not bring the other words.
///      A protocol may declare thresholds. No contract can judge whether a release meets them: its issuer says
///      that it failed, and whoever has the release sees whether the issuer should have.
interface IReleases {
    /// @notice What is said of one generation.
    /// @param release SHA-256 of the manifest of the release.
    /// @param protocol The protocol it was made under.
    /// @param commitment Keyed commitment (HMAC-SHA-256) to the training table; whoever lacks the key learns
    ///        nothing from it.
    /// @param synthetic Root of the Merkle tree (RFC 9162) over the rows of the synthetic table.
    /// @param modelType Name of the kind of model, such as "TabularGAN", in UTF-8, padded with zeros.
    /// @param parameters SHA-256 of the model's parameters as canonical JSON.
    /// @param characteristics SHA-256 of the published characteristics of the training data as canonical JSON.
    /// @param spend Loss that it causes, in millionths of the dataset's measure, rounded up; NOT_PRIVATE if it
    ///        makes no claim to differential privacy. Zero is refused: the publisher must say which.
    /// @param attempt Number of the attempt whose model drew it.
    struct Generation {
        bytes32 release;
        bytes32 protocol;
        bytes32 commitment;
        bytes32 synthetic;
        bytes32 modelType;
        bytes32 parameters;
        bytes32 characteristics;
        uint32 spend;
        uint24 attempt;
    }

    /// @notice What is stored of an issuer's release, in a slot, and in a second one once it is withdrawn.
    /// @param fingerprint First 26 bytes of the id.
    /// @param failed Whether it was recorded as one that failed the thresholds of its protocol.
    /// @param blockNumber The block whose `Recorded` event holds everything that was said.
    /// @param withdrawalTime When it was withdrawn, in seconds since 1970, as the block says; 0 while it stands.
    /// @param withdrawalBlock The block whose `Revoked` or `Superseded` event says why; 0 while it stands.
    /// @param withdrawal First 20 bytes of keccak256(abi.encode(successor, reason)) of that event, the successor
    ///        zero where there is none; 0 while it stands.
    struct Status {
        bytes26 fingerprint;
        bool failed;
        uint48 blockNumber;
        uint48 withdrawalTime;
        uint48 withdrawalBlock;
        bytes20 withdrawal;
    }

    /// @notice A release was recorded.
    /// @param release SHA-256 of the manifest of the release.
    /// @param protocol The protocol it was made under.
    /// @param issuer Who recorded it.
    /// @param commitment Keyed commitment to the training table.
    /// @param synthetic Root of the Merkle tree over the rows of the synthetic table.
    /// @param modelType Name of the kind of model.
    /// @param parameters SHA-256 of the model's parameters.
    /// @param characteristics SHA-256 of the training data's characteristics.
    /// @param spend Loss that it causes, or NOT_PRIVATE.
    /// @param attempt Number of the attempt whose model drew it.
    /// @param attempts How many attempts there were under the protocol until now.
    event Recorded(
        bytes32 indexed release,
        bytes32 indexed protocol,
        address indexed issuer,
        bytes32 commitment,
        bytes32 synthetic,
        bytes32 modelType,
        bytes32 parameters,
        bytes32 characteristics,
        uint32 spend,
        uint24 attempt,
        uint24 attempts
    );

    /// @notice A release was recorded, in the same block, as one that failed the thresholds of its protocol.
    /// @param release SHA-256 of the manifest of the release.
    /// @param issuer Who recorded it.
    /// @param gate SHA-256 of the file that says which thresholds it failed.
    event FailedItsGate(bytes32 indexed release, address indexed issuer, bytes32 gate);

    /// @notice A release was withdrawn by its issuer.
    /// @param release SHA-256 of the manifest of the release.
    /// @param issuer Who recorded it.
    /// @param reason SHA-256 of the reason.
    event Revoked(bytes32 indexed release, address indexed issuer, bytes32 reason);

    /// @notice A release was withdrawn by its issuer in favour of another one of theirs.
    /// @param release SHA-256 of the manifest of the release.
    /// @param successor The release that takes its place.
    /// @param issuer Who recorded it.
    /// @param reason SHA-256 of the reason.
    event Superseded(
        bytes32 indexed release, bytes32 indexed successor, address indexed issuer, bytes32 reason
    );

    /// @notice The sender recorded the release already; a record is never changed.
    /// @param release SHA-256 of the manifest of the release.
    error AlreadyRecorded(bytes32 release);

    /// @notice The account recorded nothing under this digest. Only who recorded a release may withdraw it.
    /// @param release SHA-256 of the manifest of the release.
    /// @param issuer Who should have.
    error NotRecorded(bytes32 release, address issuer);

    /// @notice The release is withdrawn already; the first reason stands.
    /// @param release SHA-256 of the manifest of the release.
    error AlreadyRevoked(bytes32 release);

    /// @notice The publisher did not say whether the release spends privacy, and how much.
    /// @param release SHA-256 of the manifest of the release.
    error SpendNotSaid(bytes32 release);

    /// @notice The release spends more than the protocol has left.
    /// @param protocol The protocol's id.
    /// @param left What the protocol has left, in millionths.
    /// @param spend What the release would cause, in millionths.
    error Overspent(bytes32 protocol, uint32 left, uint32 spend);

    /// @notice The protocol allows no (further) release without differential privacy.
    /// @param protocol The protocol's id.
    error NoOpenReleaseLeft(bytes32 protocol);

    /// @notice There is no such attempt under the protocol.
    /// @param protocol The protocol's id.
    /// @param attempts How many there are.
    /// @param attempt The number that was given.
    error NoSuchAttempt(bytes32 protocol, uint24 attempts, uint24 attempt);

    /// @notice Record a release. For the researcher of a running, revealed protocol.
    /// @param generation What is said of it; no digest may be zero.
    function recordRelease(Generation calldata generation) external;

    /// @notice Record a release that failed the thresholds of its protocol. As `recordRelease`: what it spends is
    ///         spent. It stands until it is withdrawn, may be judged by auditors, and its rows can be shown.
    /// @param generation What is said of it; no digest may be zero.
    /// @param gate SHA-256 of the file that says which thresholds it failed; not zero.
    function recordFailedRelease(Generation calldata generation, bytes32 gate) external;

    /// @notice Withdraw a release. For its issuer alone: what somebody said may be taken back by nobody else.
    /// @param release SHA-256 of the manifest of the release.
    /// @param reason SHA-256 of the reason.
    function revoke(bytes32 release, bytes32 reason) external;

    /// @notice Withdraw a release in favour of another one by the same issuer, which must stand.
    /// @param release SHA-256 of the manifest of the release.
    /// @param successor The release that takes its place.
    /// @param reason SHA-256 of the reason.
    function supersede(bytes32 release, bytes32 successor, bytes32 reason) external;

    /// @notice What is stored of an issuer's release; reverts with NotRecorded if there is none.
    /// @param release SHA-256 of the manifest of the release.
    /// @param issuer By whom it was recorded.
    /// @return What is stored.
    function find(bytes32 release, address issuer) external view returns (Status memory);

    /// @notice Whether exactly this was recorded by this account, and not as failed.
    /// @param generation What is said of it.
    /// @param issuer By whom.
    /// @return Whether it was.
    function holds(Generation calldata generation, address issuer) external view returns (bool);

    /// @notice Whether exactly this was recorded by this account, as failed.
    /// @param generation What is said of it.
    /// @param gate SHA-256 of the file that says which thresholds it failed.
    /// @param issuer By whom.
    /// @return Whether it was.
    function holdsFailed(Generation calldata generation, bytes32 gate, address issuer)
        external
        view
        returns (bool);

    /// @notice Whether a release with this root was recorded by this account, failed or not, and not withdrawn.
    /// @param release SHA-256 of the manifest of the release.
    /// @param issuer By whom.
    /// @param content keccak256(abi.encode(generation)), of a failed one keccak256(abi.encode(generation, gate)).
    /// @param synthetic Root of the Merkle tree over the rows of the synthetic table.
    /// @return Whether it was, and stands.
    function standsWith(bytes32 release, address issuer, bytes32 content, bytes32 synthetic)
        external
        view
        returns (bool);

    /// @notice Whether the release was recorded by this account, failed or not, and not withdrawn.
    /// @param release SHA-256 of the manifest of the release.
    /// @param issuer By whom.
    /// @return Whether it was, and stands.
    function stands(bytes32 release, address issuer) external view returns (bool);
}
