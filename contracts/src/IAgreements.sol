// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Data-use agreements: requested, offered, signed, in force, ended
/// @notice A dataset's steward offers an agreement; the grantee accepts it by a signature (EIP-712) that anybody
///         may bring here. While it is in force the steward may log accesses under it; nothing else lets a key
///         be handed over. Requests, grants, accesses and denials are events: the audit trail.
/// @dev Grantees are addresses. No name, no terms and no purpose in clear arrives here. Stored is one slot an
///      agreement; who acts on one brings its words, and their hash finds the slot.
interface IAgreements {
    /// @notice Where an agreement stands.
    enum AgreementState {
        Unknown,
        Offered,
        Accepted,
        Ended
    }

    /// @notice What is agreed. Its id is keccak256(abi.encode(agreement)).
    /// @param dataset The dataset, by its commitment.
    /// @param grantee Who may use what comes of it.
    /// @param terms SHA-256 of the terms.
    /// @param purpose SHA-256 of the purpose.
    /// @param uses Numbers of the GA4GH Data Use Ontology (42 is DUO:0000042), ascending, 1 to 16 of them.
    /// @param expiry Last second at which it is in force, unless renewed.
    /// @param request Id of the request that it answers; zero if none.
    struct Agreement {
        bytes32 dataset;
        address grantee;
        bytes32 terms;
        bytes32 purpose;
        uint32[] uses;
        uint48 expiry;
        bytes32 request;
    }

    /// @notice What is stored of an agreement, in one slot.
    /// @param state Where it stands.
    /// @param expiry Last second at which it is in force.
    /// @param acceptance When it was accepted; 0 before.
    /// @param end When it was ended; 0 before.
    struct AgreementStatus {
        AgreementState state;
        uint48 expiry;
        uint48 acceptance;
        uint48 end;
    }

    /// @notice Somebody asked for data.
    /// @param id keccak256(abi.encode(dataset, requester, purpose, uses)).
    event Requested(
        bytes32 indexed id,
        bytes32 indexed dataset,
        address indexed requester,
        bytes32 purpose,
        uint32[] uses
    );

    /// @notice The steward declined a request.
    event RequestDenied(bytes32 indexed id, bytes32 indexed dataset, address indexed steward, bytes32 reason);

    /// @notice The steward offered an agreement.
    event Offered(
        bytes32 indexed id, bytes32 indexed dataset, address indexed grantee, Agreement agreement
    );

    /// @notice The grantee signed: it is in force.
    /// @param encryptionKey SHA-256 of the public key to which data keys are to be wrapped.
    event Accepted(bytes32 indexed id, address indexed grantee, bytes32 encryptionKey);

    /// @notice The steward prolonged an agreement.
    event Renewed(bytes32 indexed id, uint48 expiry);

    /// @notice The steward or the grantee ended an agreement.
    event Ended(bytes32 indexed id, address indexed account, bytes32 reason);

    /// @notice An object's key is about to be handed over.
    /// @param object Address of the object: SHA-256 of its sealed bytes.
    event Accessed(bytes32 indexed id, bytes32 indexed object, address indexed grantee);

    /// @notice The steward refused access to an object.
    event AccessDenied(
        bytes32 indexed dataset, bytes32 indexed object, address indexed account, bytes32 reason
    );

    /// @notice An object and its key were destroyed.
    /// @param certificate SHA-256 of the certificate of erasure.
    event ObjectErased(bytes32 indexed dataset, bytes32 indexed object, bytes32 certificate);

    /// @notice Only the dataset's steward may do this.
    error NotSteward(bytes32 dataset, address account);

    /// @notice Only the steward and the grantee may end an agreement.
    error NotParty(bytes32 id, address account);

    /// @notice The agreement was offered already.
    error AlreadyOffered(bytes32 id);

    /// @notice The agreement is not where it has to be for this.
    error WrongState(bytes32 id, AgreementState state);

    /// @notice The agreement expired.
    error Expired(bytes32 id, uint48 expiry, uint256 time);

    /// @notice An expiry has to lie in the future, and after the one before.
    error ExpiryNotLater(uint48 expiry, uint256 time);

    /// @notice Uses are 1 to 16 numbers, ascending.
    error InvalidUses();

    /// @notice The signature is not this account's for this agreement, this contract and this chain.
    error InvalidSignature(address account, bytes32 id);

    /// @notice The object was erased.
    error ObjectIsErased(bytes32 object);

    /// @notice An address that must be given was zero.
    error ZeroAddress(string field);

    /// @notice A digest that must be given was zero.
    error ZeroDigest(string field);

    /// @notice New records are stopped.
    error Paused();

    /// @notice Ask for data. For anybody; nothing is stored.
    function request(bytes32 dataset, bytes32 purpose, uint32[] calldata uses) external returns (bytes32 id);

    /// @notice Decline a request. For the dataset's steward.
    function denyRequest(bytes32 id, bytes32 dataset, bytes32 reason) external;

    /// @notice Offer an agreement. For the steward of its dataset, which must be active.
    function offer(Agreement calldata agreement) external returns (bytes32 id);

    /// @notice Bring the grantee's acceptance. For anybody.
    /// @param encryptionKey SHA-256 of the public key to which data keys are to be wrapped.
    /// @param signature The grantee's, of `acceptanceDigest`.
    function accept(Agreement calldata agreement, bytes32 encryptionKey, bytes calldata signature) external;

    /// @notice Prolong an agreement that was accepted and not ended. For the dataset's steward.
    function renew(Agreement calldata agreement, uint48 expiry) external;

    /// @notice End an agreement, or withdraw an offer. For the dataset's steward and the grantee.
    /// @param reason SHA-256 of the reason.
    function end(Agreement calldata agreement, bytes32 reason) external;

    /// @notice Log that an object's key is about to be handed over; refused unless the agreement is in force.
    ///         For the dataset's steward.
    function logAccess(Agreement calldata agreement, bytes32 object) external;

    /// @notice Log that access to an object was refused. For the dataset's steward.
    function logDenial(bytes32 dataset, bytes32 object, address account, bytes32 reason) external;

    /// @notice Log that an object and its key were destroyed; no access to it is logged any more. For the
    ///         dataset's steward.
    function eraseObject(bytes32 dataset, bytes32 object, bytes32 certificate) external;

    /// @notice What the grantee signs: EIP-712 Acceptance(bytes32 agreement,bytes32 encryptionKey).
    function acceptanceDigest(bytes32 id, bytes32 encryptionKey) external view returns (bytes32);

    /// @notice What is stored of an agreement; all zero if there is none.
    function statusOf(bytes32 id) external view returns (AgreementStatus memory);

    /// @notice Whether an object was erased by the steward of a dataset.
    function isErased(bytes32 dataset, bytes32 object) external view returns (bool);
}
