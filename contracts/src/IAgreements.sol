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
    // In the order in which it is hashed; it is never stored.
    // solhint-disable-next-line gas-struct-packing
    struct Agreement {
        bytes32 dataset;
        address grantee;
        bytes32 terms;
        bytes32 purpose;
        uint32[] uses;
        uint40 expiry;
        bytes32 request;
    }

    /// @notice What is stored of an agreement, in one slot.
    /// @dev Whoever wants another key, or other objects, that lead to the head of an agreement tries 2^104 of them.
    ///      (Two of one's own that lead to the same are found in 2^52 tries; but the events say which was meant, and
    ///      a grantee signs one key.)
    /// @param state Where it stands.
    /// @param expiry Last second at which it is in force.
    /// @param acceptance When it was accepted; 0 before.
    /// @param end When it was ended; 0 before.
    /// @param accesses How many accesses were logged under it.
    /// @param head Hash chain over the key and the accesses: first bytes13(keccak256(abi.encode(id,
    ///        encryptionKey))), then bytes13(keccak256(abi.encode(head, object))) with each. Before acceptance the
    ///        first 13 bytes of the address of the steward who offered it.
    struct AgreementStatus {
        AgreementState state;
        uint40 expiry;
        uint40 acceptance;
        uint40 end;
        uint24 accesses;
        bytes13 head;
    }

    /// @notice Somebody asked for data.
    /// @param id keccak256(abi.encode(dataset, requester, purpose, uses)).
    /// @param dataset The dataset.
    /// @param requester Who asked.
    /// @param purpose SHA-256 of the purpose.
    /// @param uses Numbers of the GA4GH Data Use Ontology, ascending, 1 to 16 of them.
    event Requested(
        bytes32 indexed id,
        bytes32 indexed dataset,
        address indexed requester,
        bytes32 purpose,
        uint32[] uses
    );

    /// @notice The steward declined a request.
    /// @param id keccak256(abi.encode(dataset, requester, purpose, uses)) of what was asked for.
    /// @param dataset The dataset.
    /// @param steward The dataset's steward.
    /// @param reason SHA-256 of the reason.
    event RequestDenied(bytes32 indexed id, bytes32 indexed dataset, address indexed steward, bytes32 reason);

    /// @notice The steward offered an agreement.
    /// @param id The agreement's id.
    /// @param dataset The dataset.
    /// @param grantee Who may use what comes of it.
    /// @param agreement What is agreed.
    event Offered(
        bytes32 indexed id, bytes32 indexed dataset, address indexed grantee, Agreement agreement
    );

    /// @notice The grantee signed: it is in force.
    /// @param id The agreement's id.
    /// @param grantee Who signed.
    /// @param encryptionKey SHA-256 of the public key to which data keys are to be wrapped.
    event Accepted(bytes32 indexed id, address indexed grantee, bytes32 encryptionKey);

    /// @notice The steward prolonged an agreement.
    /// @param id The agreement's id.
    /// @param expiry Last second at which it is in force.
    event Renewed(bytes32 indexed id, uint40 expiry);

    /// @notice The steward or the grantee ended an agreement.
    /// @param id The agreement's id.
    /// @param account Who ended it.
    /// @param reason SHA-256 of the reason.
    event Ended(bytes32 indexed id, address indexed account, bytes32 reason);

    /// @notice An object's key is about to be handed over.
    /// @param id The agreement's id.
    /// @param object Address of the object: SHA-256 of its sealed bytes.
    /// @param grantee Who gets it.
    /// @param number Its number among those under the agreement, from 1.
    event Accessed(
        bytes32 indexed id, bytes32 indexed object, address indexed grantee, uint24 number
    );

    /// @notice The steward refused access to an object.
    /// @param dataset The dataset.
    /// @param object Address of the object: SHA-256 of its sealed bytes.
    /// @param account Who was refused.
    /// @param reason SHA-256 of the reason.
    event AccessDenied(
        bytes32 indexed dataset, bytes32 indexed object, address indexed account, bytes32 reason
    );

    /// @notice An object and its key were destroyed.
    /// @param dataset The dataset.
    /// @param object Address of the object: SHA-256 of its sealed bytes.
    /// @param certificate SHA-256 of the certificate of erasure.
    event ObjectErased(bytes32 indexed dataset, bytes32 indexed object, bytes32 certificate);

    /// @notice Only the dataset's steward may do this.
    /// @param dataset The dataset.
    /// @param account Who tried.
    error NotSteward(bytes32 dataset, address account);

    /// @notice Only the steward and the grantee may end an agreement.
    /// @param id The agreement's id.
    /// @param account Who tried.
    error NotParty(bytes32 id, address account);

    /// @notice The agreement was offered already.
    /// @param id The agreement's id.
    error AlreadyOffered(bytes32 id);

    /// @notice The agreement is not where it has to be for this.
    /// @param id The agreement's id.
    /// @param state Where it stands.
    error WrongState(bytes32 id, AgreementState state);

    /// @notice The dataset has another steward than the one who offered the agreement: the offer lapsed.
    /// @param id The agreement's id.
    error OfferLapsed(bytes32 id);

    /// @notice The agreement expired; from then on it takes a new one, which the grantee signs.
    /// @param id The agreement's id.
    /// @param expiry Last second at which it is in force.
    /// @param time Time of the block.
    error Expired(bytes32 id, uint40 expiry, uint256 time);

    /// @notice An expiry that is offered may not lie in the past, and a renewal's is later than the one before.
    /// @param expiry The expiry that was given.
    /// @param time Time of the block.
    error ExpiryNotLater(uint40 expiry, uint256 time);

    /// @notice Uses are 1 to 16 numbers, ascending.
    error InvalidUses();

    /// @notice The signature is not this account's for this agreement, this contract and this chain.
    /// @param account Whose it should be.
    /// @param id The agreement's id.
    error InvalidSignature(address account, bytes32 id);

    /// @notice An access has another number than the next one.
    /// @param id The agreement's id.
    /// @param expected Number of the next access.
    /// @param given The number that was given.
    error AccessOutOfOrder(bytes32 id, uint256 expected, uint256 given);

    /// @notice The object was erased.
    /// @param object Address of the object: SHA-256 of its sealed bytes.
    error ObjectIsErased(bytes32 object);

    /// @notice An address that must be given was zero.
    /// @param field Name of what was zero.
    error ZeroAddress(string field);

    /// @notice A digest that must be given was zero.
    /// @param field Name of what was zero.
    error ZeroDigest(string field);

    /// @notice New records are stopped.
    error Paused();

    /// @notice Ask for data. For anybody; nothing is stored.
    /// @param dataset The dataset.
    /// @param purpose SHA-256 of the purpose.
    /// @param uses Numbers of the GA4GH Data Use Ontology, ascending, 1 to 16 of them.
    /// @return id keccak256(abi.encode(dataset, requester, purpose, uses)).
    function request(bytes32 dataset, bytes32 purpose, uint32[] calldata uses) external returns (bytes32 id);

    /// @notice Decline a request. For the steward of the dataset that was asked for, with or without the role: it
    ///         lets nothing out. Its words are given, not its id, which follows from them: so nobody denies what was
    ///         asked of somebody else. As no request is stored, the steward alone says that there was one.
    /// @param dataset The dataset.
    /// @param requester Who asked.
    /// @param purpose SHA-256 of the purpose.
    /// @param uses Numbers of the GA4GH Data Use Ontology, ascending, 1 to 16 of them.
    /// @param reason SHA-256 of the reason.
    /// @return id The request's id.
    function denyRequest(
        bytes32 dataset,
        address requester,
        bytes32 purpose,
        uint32[] calldata uses,
        bytes32 reason
    ) external returns (bytes32 id);

    /// @notice Offer an agreement. For the steward of its dataset, which must be active, as long as it holds
    ///         STEWARD_ROLE.
    /// @param agreement What is agreed.
    /// @return id The agreement's id.
    function offer(Agreement calldata agreement) external returns (bytes32 id);

    /// @notice Bring the grantee's acceptance. For anybody; the dataset must be active and still that of the steward
    ///         who offered. Of several keys that a grantee signed for one agreement, the first that is brought counts.
    ///         A grantee who thinks better of it before that ends the offer.
    /// @param agreement What is agreed.
    /// @param encryptionKey SHA-256 of the public key to which data keys are to be wrapped.
    /// @param signature The grantee's, of `acceptanceDigest`.
    function accept(Agreement calldata agreement, bytes32 encryptionKey, bytes calldata signature) external;

    /// @notice Prolong an agreement that is in force. For the dataset's steward, as long as it holds STEWARD_ROLE. The
    ///         grantee, who may end it at any time, is not asked; once it expired, a new one has to be signed.
    /// @param agreement What is agreed.
    /// @param expiry Last second at which it is in force; later than before.
    function renew(Agreement calldata agreement, uint40 expiry) external;

    /// @notice End an agreement, or withdraw an offer. For the grantee and the dataset's steward, who needs no role
    ///         to take something back.
    /// @param agreement What is agreed.
    /// @param reason SHA-256 of the reason.
    function end(Agreement calldata agreement, bytes32 reason) external;

    /// @notice Log that an object's key is about to be handed over; refused unless the agreement is in force.
    ///         For the dataset's steward, as long as it holds STEWARD_ROLE.
    /// @param agreement What is agreed.
    /// @param object Address of the object: SHA-256 of its sealed bytes.
    /// @param number Its number; the call is refused unless it is the next, so that sending it twice is harmless.
    function logAccess(Agreement calldata agreement, bytes32 object, uint24 number) external;

    /// @notice Log that access to an object was refused. For the dataset's steward, with or without the role.
    /// @param dataset The dataset.
    /// @param object Address of the object: SHA-256 of its sealed bytes.
    /// @param account Who was refused.
    /// @param reason SHA-256 of the reason.
    function logDenial(bytes32 dataset, bytes32 object, address account, bytes32 reason) external;

    /// @notice Log that an object and its key were destroyed; no access to it is logged any more. For the
    ///         dataset's steward, with or without the role.
    /// @param dataset The dataset.
    /// @param object Address of the object: SHA-256 of its sealed bytes.
    /// @param certificate SHA-256 of the certificate of erasure.
    function eraseObject(bytes32 dataset, bytes32 object, bytes32 certificate) external;

    /// @notice What the grantee signs: EIP-712 Acceptance(bytes32 agreement,bytes32 encryptionKey).
    /// @param id The agreement's id.
    /// @param encryptionKey SHA-256 of the public key to which data keys are to be wrapped.
    /// @return The digest.
    function acceptanceDigest(bytes32 id, bytes32 encryptionKey) external view returns (bytes32);

    /// @notice What is stored of an agreement; all zero if there is none.
    /// @param id The agreement's id.
    /// @return What is stored.
    function statusOf(bytes32 id) external view returns (AgreementStatus memory);

    /// @notice The certificate with which the steward of a dataset erased an object; zero if it was not.
    /// @param dataset The dataset.
    /// @param object Address of the object: SHA-256 of its sealed bytes.
    /// @return certificate SHA-256 of the certificate of erasure.
    function objectErasureOf(bytes32 dataset, bytes32 object) external view returns (bytes32 certificate);
}
