// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who may do what
/// @notice Four roles: the administrator grants the others and pauses; a steward owns datasets; a researcher
///         registers protocols and runs them; an auditor gives verdicts. Every role is handed over in two steps,
///         so that none is lost to a mistyped address, and may be renounced.
/// @dev A pause stops whatever adds a record. It never stops reading, revoking, closing or erasing.
interface IRoles {
    /// @notice A holder offered a role to a successor, who has to accept it.
    /// @param role The role.
    /// @param holder Who offered it.
    /// @param successor Who may take it over.
    event RoleOffered(bytes32 indexed role, address indexed holder, address indexed successor);

    /// @notice A successor took a role over.
    /// @param role The role.
    /// @param holder Who held it.
    /// @param successor Who holds it now.
    event RoleHandedOver(bytes32 indexed role, address indexed holder, address indexed successor);

    /// @notice The holder did not offer this role to the account.
    /// @param role The role.
    /// @param holder Who offered it.
    /// @param account Who tried to take it over.
    error RoleNotOffered(bytes32 role, address holder, address account);

    /// @notice The administration is handed over by `beginDefaultAdminTransfer`, with a delay.
    error AdministrationNotOffered();

    /// @notice A digest that must be given was zero.
    /// @param field Name of the digest.
    error ZeroDigest(string field);

    /// @notice Offer a role that one holds to a successor. An earlier offer of it is replaced; zero withdraws it.
    /// @param role STEWARD_ROLE, RESEARCHER_ROLE or AUDITOR_ROLE.
    /// @param successor Who may take it over.
    function offerRole(bytes32 role, address successor) external;

    /// @notice Take over a role that its holder offered.
    /// @param role The role.
    /// @param holder Who offered it, and loses it now.
    function acceptRole(bytes32 role, address holder) external;

    /// @notice Stop new records. For the administrator.
    function pause() external;

    /// @notice Let new records in again. For the administrator.
    function unpause() external;
}
