// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Confidential datasets and what may still be learnt of them
/// @notice A steward registers a dataset by its keyed commitment and says once how much privacy all releases
///         together may spend. What protocols are allotted of that never exceeds it, and it is never raised.
/// @dev dataset = keccak256(abi.encode(steward, commitment)), the steward being who registered it: somebody else who
///      registers the same commitment gets another dataset. The id stays when the dataset is handed over.
///      Loss is counted in millionths, in one of two measures that both add up under composition:
///      order 0: the rho of zero-concentrated differential privacy (Bun and Steinke 2016); order a >= 2: the
///      epsilon of Renyi differential privacy at order a (Mironov 2017). Publishers round up.
interface IDatasets {
    /// @notice Where a dataset stands.
    enum DatasetState {
        Unknown,
        Active,
        Renounced,
        Erased
    }

    /// @notice What is stored of a dataset, in one slot.
    /// @param steward Who owns it; of one that was renounced or erased, who still answers for it.
    /// @param cap Most loss that all its releases together may cause, in millionths.
    /// @param allotted What protocols were given of it, and did not give back.
    /// @param order The measure of loss: 0 for zCDP, else the Renyi order.
    /// @param state Where it stands.
    struct Dataset {
        address steward;
        uint32 cap;
        uint32 allotted;
        uint16 order;
        DatasetState state;
    }

    /// @notice A dataset was registered.
    /// @param dataset Its id.
    /// @param commitment Keyed commitment (HMAC-SHA-256) to the table; whoever lacks the key learns nothing from it.
    /// @param steward Its steward.
    /// @param order The measure of loss.
    /// @param cap Most loss of all releases together, in millionths.
    event DatasetRegistered(
        bytes32 indexed dataset,
        bytes32 indexed commitment,
        address indexed steward,
        uint16 order,
        uint32 cap
    );

    /// @notice Its steward lowered a dataset's cap.
    /// @param dataset Its id.
    /// @param cap The cap from now on.
    event CapLowered(bytes32 indexed dataset, uint32 cap);

    /// @notice Its steward offered a dataset to a successor.
    /// @param dataset Its id.
    /// @param steward Its steward.
    /// @param successor Who may take it over; nobody if zero.
    event DatasetOffered(bytes32 indexed dataset, address indexed steward, address indexed successor);

    /// @notice A successor took a dataset over.
    /// @param dataset Its id.
    /// @param steward Whose it was.
    /// @param successor Whose it is.
    event DatasetHandedOver(bytes32 indexed dataset, address indexed steward, address indexed successor);

    /// @notice Its steward closed a dataset for good: nothing more can be allotted, agreed or handed out.
    /// @param dataset Its id.
    /// @param steward Its steward.
    event DatasetRenounced(bytes32 indexed dataset, address indexed steward);

    /// @notice The key of the commitment was destroyed; nobody can open it any more.
    /// @param dataset Its id.
    /// @param steward Its steward.
    /// @param certificate SHA-256 of the certificate of erasure.
    event DatasetErased(bytes32 indexed dataset, address indexed steward, bytes32 certificate);

    /// @notice The dataset is registered already.
    /// @param dataset Its id.
    error DatasetAlreadyRegistered(bytes32 dataset);

    /// @notice The dataset is unknown, renounced or erased.
    /// @param dataset Its id.
    /// @param state Where it stands.
    error DatasetNotActive(bytes32 dataset, DatasetState state);

    /// @notice Only the dataset's steward may do this.
    /// @param dataset Its id.
    /// @param account Who tried.
    error NotSteward(bytes32 dataset, address account);

    /// @notice The dataset was not offered to the account.
    /// @param dataset Its id.
    /// @param account Who tried.
    error DatasetNotOffered(bytes32 dataset, address account);

    /// @notice There is no Renyi divergence of order 1 here: take 0 (zCDP) or 2 and above.
    /// @param order The measure of loss.
    error InvalidOrder(uint16 order);

    /// @notice A cap is only ever lowered, and not below what is allotted.
    /// @param dataset Its id.
    /// @param cap Most loss of all releases together, in millionths.
    /// @param allotted What protocols have of it.
    /// @param wanted The cap that was asked for.
    error CapNotLowered(bytes32 dataset, uint32 cap, uint32 allotted, uint32 wanted);

    /// @notice More loss would be allotted than the cap allows.
    /// @param dataset Its id.
    /// @param cap Most loss of all releases together, in millionths.
    /// @param wanted What protocols would have of it.
    error BudgetExceeded(bytes32 dataset, uint32 cap, uint256 wanted);

    /// @notice Register a dataset. For holders of STEWARD_ROLE.
    /// @param commitment Keyed commitment (HMAC-SHA-256) to the table; whoever lacks the key learns nothing from it.
    /// @param order The measure of loss.
    /// @param cap Most loss of all releases together, in millionths; 0 allows no differentially private release.
    /// @return dataset Its id.
    function registerDataset(bytes32 commitment, uint16 order, uint32 cap) external returns (bytes32 dataset);

    /// @notice Lower the cap. For the dataset's steward.
    /// @param dataset Its id.
    /// @param cap The cap from now on; not below what is allotted.
    function lowerCap(bytes32 dataset, uint32 cap) external;

    /// @notice Offer the dataset to another steward. For its steward; zero withdraws the offer.
    /// @param dataset Its id.
    /// @param successor Who may take it over.
    function offerDataset(bytes32 dataset, address successor) external;

    /// @notice Take over a dataset that was offered, with its protocols and the agreements in force. For holders of
    ///         STEWARD_ROLE. What protocols were given stays theirs until the new steward closes them; agreements that
    ///         were offered and not accepted lapse.
    /// @param dataset Its id.
    function acceptDataset(bytes32 dataset) external;

    /// @notice Close the dataset for good. For its steward, who goes on answering for it: nothing more is allotted,
    ///         agreed, prolonged or handed out, and agreements are still ended, protocols closed and erasures recorded.
    ///         A dataset that was renounced is not handed over any more. Protocols that run go on with what they were
    ///         given until they are closed.
    /// @param dataset Its id.
    function renounceDataset(bytes32 dataset) external;

    /// @notice Say that the commitment's key was destroyed. For the dataset's steward, also once it was renounced.
    ///         Nothing more is allotted, agreed or handed out then; what was recorded stays.
    /// @param dataset Its id.
    /// @param certificate SHA-256 of the certificate of erasure.
    function eraseDataset(bytes32 dataset, bytes32 certificate) external;

    /// @notice What is stored of a dataset; all zero if it is unknown.
    /// @param dataset Its id.
    /// @return What is stored.
    function datasetOf(bytes32 dataset) external view returns (Dataset memory);

    /// @notice The certificate of a dataset's erasure.
    /// @param dataset Its id.
    /// @return SHA-256 of the certificate; zero while the dataset is not erased.
    function erasureOf(bytes32 dataset) external view returns (bytes32);
}
