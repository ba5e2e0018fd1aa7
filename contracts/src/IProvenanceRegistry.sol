// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Registry of synthetic tables and where they came from
/// @notice Keeps, for each release of a synthetic table, who recorded it, when, and digests of what made it.
///         A release is recorded once, may be withdrawn by whoever recorded it, and is never changed.
/// @dev Only digests and the name of a model type ever arrive here: no row, no parameter, no reason in clear.
///      What a contract must answer (who, when, withdrawn or not) is stored; everything else is in the event
///      of the block that `find` names, so that a record costs one storage slot however much it says.
interface IProvenanceRegistry {
    /// @notice What is said of one generation.
    /// @param release SHA-256 of the manifest of the release.
    /// @param commitment Keyed commitment (HMAC-SHA-256) to the training table; whoever lacks the key learns
    ///        nothing from it.
    /// @param synthetic SHA-256 of the canonical bytes of the synthetic table.
    /// @param modelType Name of the kind of model, such as "TabularGAN"; 1 to 64 bytes of UTF-8.
    /// @param parameters SHA-256 of the model's parameters as canonical JSON.
    /// @param characteristics SHA-256 of the published characteristics of the training data as canonical JSON.
    /// @param parent Digest of what the release was made from, zero if of nothing. It may stand for something
    ///        that was never recorded, such as a confidential dataset, so the registry does not look it up.
    struct Generation {
        bytes32 release;
        bytes32 commitment;
        bytes32 synthetic;
        string modelType;
        bytes32 parameters;
        bytes32 characteristics;
        bytes32 parent;
    }

    /// @notice What the registry stores of a release.
    /// @param issuer Who recorded it.
    /// @param time When, in seconds since 1970, as the block says.
    /// @param blockNumber The block whose `Recorded` event holds the Generation.
    /// @param reason Digest of why it was revoked, zero while it stands.
    struct Status {
        address issuer;
        uint48 time;
        uint48 blockNumber;
        bytes32 reason;
    }

    /// @notice A release was recorded.
    /// @param release SHA-256 of the manifest of the release.
    /// @param id keccak256(abi.encode(generation)): the same on every chain.
    /// @param issuer Who recorded it.
    /// @param generation Everything that was said of it.
    event Recorded(
        bytes32 indexed release,
        bytes32 indexed id,
        address indexed issuer,
        Generation generation
    );

    /// @notice A release was withdrawn by its issuer.
    /// @param release The release.
    /// @param issuer Who had recorded it.
    /// @param reason Digest of the reason.
    event Revoked(bytes32 indexed release, address indexed issuer, bytes32 reason);

    /// @notice The release is recorded already; a record is never changed.
    error AlreadyRecorded(bytes32 release);

    /// @notice Nothing is recorded under this digest.
    error NotRecorded(bytes32 release);

    /// @notice Only who recorded a release may revoke it.
    error NotIssuer(bytes32 release, address account);

    /// @notice The release is revoked already; the first reason stands.
    error AlreadyRevoked(bytes32 release);

    /// @notice A digest that must be given was zero.
    /// @param field Name of the digest.
    error ZeroDigest(string field);

    /// @notice The name of the model type is empty or longer than 64 bytes.
    error ModelTypeLength(uint256 length);

    /// @notice Record a release. For holders of RECORDER_ROLE.
    /// @param generation What is said of it; every digest but `parent` must be non-zero.
    /// @return id keccak256(abi.encode(generation)).
    function record(Generation calldata generation) external returns (bytes32 id);

    /// @notice Withdraw a release. For its issuer alone, who may do so even after losing RECORDER_ROLE: what
    ///         somebody said may be taken back by nobody else.
    /// @param release The release.
    /// @param reason Digest of the reason, non-zero.
    function revoke(bytes32 release, bytes32 reason) external;

    /// @notice Who recorded a release, when, in which block, and whether it still stands.
    /// @param release SHA-256 of the manifest of the release.
    /// @return status Its status; reverts with NotRecorded if there is none.
    function find(bytes32 release) external view returns (Status memory status);
}
