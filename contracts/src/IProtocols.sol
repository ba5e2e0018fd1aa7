// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Protocols registered before training, and every attempt under them
/// @notice A researcher registers the digest of an analysis protocol, sealed or open. In a later block the
///         dataset's steward approves it with a part of the dataset's budget. Only then are attempts taken, each
///         numbered and hashed onto the one before, so that none can be left out, added between or reordered.
/// @dev protocol = keccak256(abi.encode(researcher, dataset, seal)),
///      seal = keccak256(abi.encode(researcher, digest, salt)).
///      The salt of a protocol that is open from the start is zero. The seal holds the researcher: somebody
///      else may register a copy of it, and can never reveal it as their own, salt or no salt.
interface IProtocols {
    /// @notice What is stored of a protocol: one slot that attempts and releases change, and one with what it was
    ///         given, which approval and closing alone look at. What was spent is the difference.
    /// @param head Hash chain over the attempts. Before approval it holds the block of registration.
    /// @param attempts How many attempts there were.
    /// @param budget Loss that releases under it may still cause, in millionths of the dataset's measure.
    /// @param privateReleases How many releases with differential privacy there were.
    /// @param openReleases How many releases without it may still be made.
    /// @param state REGISTERED (1), REVEALED (2), APPROVED (4), CLOSED (8), added up.
    /// @param allotted What it was given of the dataset's cap and did not give back, in millionths.
    /// @param openAllotted Releases without differential privacy that it was given; once closed, those made.
    struct Track {
        bytes20 head;
        uint24 attempts;
        uint32 budget;
        uint16 privateReleases;
        uint16 openReleases;
        uint8 state;
        uint32 allotted;
        uint16 openAllotted;
    }

    /// @notice A protocol was registered. Its block is before those of all its attempts.
    /// @param protocol Its id.
    /// @param dataset What it is run on.
    /// @param researcher Who registered it.
    /// @param seal Its seal.
    event ProtocolRegistered(
        bytes32 indexed protocol, bytes32 indexed dataset, address indexed researcher, bytes32 seal
    );

    /// @notice A protocol's digest is known from now on.
    /// @param protocol Its id.
    /// @param digest SHA-256 of the protocol as canonical JSON.
    /// @param salt What its seal was blinded with; zero if it was open from the start.
    event ProtocolRevealed(bytes32 indexed protocol, bytes32 digest, bytes32 salt);

    /// @notice The dataset's steward lets a protocol run, or gives it more.
    /// @param protocol Its id.
    /// @param dataset What it is run on.
    /// @param budget Loss set aside for it until now, in millionths.
    /// @param openReleases Releases without differential privacy allowed until now.
    event ProtocolApproved(
        bytes32 indexed protocol, bytes32 indexed dataset, uint32 budget, uint16 openReleases
    );

    /// @notice A protocol ended; what it did not spend went back to the dataset.
    /// @param protocol Its id.
    /// @param account Who closed it.
    /// @param returned What went back, in millionths.
    event ProtocolClosed(bytes32 indexed protocol, address indexed account, uint32 returned);

    /// @notice An attempt was made. head = bytes20(keccak256(abi.encode(head, digest))).
    /// @param protocol The protocol's id.
    /// @param digest Digest of what was attempted.
    /// @param number Its number, from 1.
    event Attempted(bytes32 indexed protocol, bytes32 indexed digest, uint24 number);

    /// @notice Several attempts were made.
    ///         head = bytes20(keccak256(abi.encode(head, keccak256(abi.encode(root, count))))).
    /// @param protocol The protocol's id.
    /// @param root Root of the Merkle tree (RFC 6962) over their digests in order.
    /// @param first Number of the first of them.
    /// @param count How many there are.
    event AttemptedBatch(bytes32 indexed protocol, bytes32 indexed root, uint24 first, uint24 count);

    /// @notice The protocol is registered already.
    /// @param protocol Its id.
    error ProtocolAlreadyRegistered(bytes32 protocol);

    /// @notice The protocol is not registered, or not by this researcher for this dataset.
    /// @param protocol Its id.
    error ProtocolNotRegistered(bytes32 protocol);

    /// @notice A protocol is approved in a later block than it was registered in.
    /// @param protocol Its id.
    /// @param blockNumber The block of its registration.
    error ProtocolTooRecent(bytes32 protocol, uint256 blockNumber);

    /// @notice The protocol is not approved, or not registered by this account.
    /// @param protocol Its id.
    /// @param account Who tried.
    error ProtocolNotApproved(bytes32 protocol, address account);

    /// @notice The protocol's digest is known already.
    /// @param protocol Its id.
    error ProtocolAlreadyRevealed(bytes32 protocol);

    /// @notice The protocol is sealed; a release needs it revealed.
    /// @param protocol Its id.
    error ProtocolSealed(bytes32 protocol);

    /// @notice What a protocol was given is only ever raised. Whoever said these very totals before is done.
    /// @param protocol Its id.
    /// @param budget Loss set aside for it until now, in millionths.
    /// @param openReleases Releases without differential privacy allowed until now.
    error ApprovalNotRaised(bytes32 protocol, uint32 budget, uint16 openReleases);

    /// @notice The protocol was closed.
    /// @param protocol Its id.
    error ProtocolAlreadyClosed(bytes32 protocol);

    /// @notice Only the dataset's steward or the researcher may close a protocol.
    /// @param protocol Its id.
    /// @param account Who tried.
    error NotParty(bytes32 protocol, address account);

    /// @notice An attempt has another number than the next one.
    /// @param protocol The protocol's id.
    /// @param expected Number of the next attempt.
    /// @param given The number that was given.
    error AttemptOutOfOrder(bytes32 protocol, uint256 expected, uint256 given);

    /// @notice A batch holds several attempts; one alone is logged by its digest.
    /// @param protocol The protocol's id.
    /// @param count How many it was said to hold.
    error BatchTooSmall(bytes32 protocol, uint256 count);

    /// @notice Register a protocol whose digest stays sealed for now. For holders of RESEARCHER_ROLE.
    /// @param dataset What it is to be run on; must be active.
    /// @param seal keccak256(abi.encode(researcher, digest, salt)) with a secret salt.
    /// @return protocol Its id.
    function registerProtocol(bytes32 dataset, bytes32 seal) external returns (bytes32 protocol);

    /// @notice Register a protocol and reveal it at once. For holders of RESEARCHER_ROLE.
    /// @param dataset What it is run on.
    /// @param digest SHA-256 of the protocol as canonical JSON.
    /// @return protocol Its id.
    function registerOpenProtocol(bytes32 dataset, bytes32 digest) external returns (bytes32 protocol);

    /// @notice Reveal a sealed protocol. For who registered it.
    /// @param dataset What it is run on.
    /// @param digest SHA-256 of the protocol as canonical JSON.
    /// @param salt What its seal was blinded with; zero if it was open from the start.
    function revealProtocol(bytes32 dataset, bytes32 digest, bytes32 salt) external;

    /// @notice Let a protocol run, or give a running one more. For the dataset's steward, as long as it holds
    ///         STEWARD_ROLE. Totals are said and not what is added, so that sending it twice gives nothing twice:
    ///         the second is refused by `ApprovalNotRaised`.
    /// @param researcher Who registered it.
    /// @param dataset What it is run on.
    /// @param seal Its seal; the salt stays with the researcher.
    /// @param budget Loss to set aside for it, with what was set aside before, in millionths.
    /// @param openReleases Releases without differential privacy to allow, with those allowed before.
    function approveProtocol(
        address researcher,
        bytes32 dataset,
        bytes32 seal,
        uint32 budget,
        uint16 openReleases
    ) external;

    /// @notice End a protocol: no attempt, no release follows, and what is left goes back. For the researcher and
    ///         the dataset's steward, who needs no role to take something back.
    /// @param researcher Who registered it.
    /// @param dataset What it is run on.
    /// @param seal Its seal.
    function closeProtocol(address researcher, bytes32 dataset, bytes32 seal) external;

    /// @notice Log an attempt. For who registered the protocol.
    /// @param protocol The protocol's id.
    /// @param number Its number; the call is refused unless it is the next, so that sending it twice is harmless.
    /// @param digest Digest of what is attempted.
    function logAttempt(bytes32 protocol, uint24 number, bytes32 digest) external;

    /// @notice Log several attempts. The contract sees a root and a number and cannot see whether anything leads
    ///         to them: who publishes the digests shows what was attempted, and nobody else can.
    /// @param protocol The protocol's id.
    /// @param first Number of the first of them.
    /// @param count How many there are, 2 or more.
    /// @param root Root of the Merkle tree (RFC 6962) over their digests in order.
    function logAttemptBatch(bytes32 protocol, uint24 first, uint24 count, bytes32 root) external;

    /// @notice What is stored of a researcher's protocol; all zero if there is none.
    /// @param protocol Its id.
    /// @param researcher Who registered it.
    /// @return What is stored.
    function trackOf(bytes32 protocol, address researcher) external view returns (Track memory);
}
