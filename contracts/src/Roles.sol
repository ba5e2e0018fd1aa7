// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControlDefaultAdminRules} from
    "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IRoles} from "./IRoles.sol";

/// @title Who may do what
/// @notice Roles that are handed over in two steps, and a pause.
abstract contract Roles is IRoles, AccessControlDefaultAdminRules, Pausable {
    /// @notice Who holds this role may register datasets, and owns those that it registered. Whoever owns one without
    ///         the role lets nothing out of it: no approval, offer, renewal or access; what takes back goes on.
    bytes32 public constant STEWARD_ROLE = keccak256("STEWARD_ROLE");

    /// @notice Who holds this role may register protocols.
    bytes32 public constant RESEARCHER_ROLE = keccak256("RESEARCHER_ROLE");

    /// @notice Whose verdicts on releases are taken.
    bytes32 public constant AUDITOR_ROLE = keccak256("AUDITOR_ROLE");

    mapping(bytes32 role => mapping(address holder => address successor)) private _successors;

    /// @inheritdoc IRoles
    function offerRole(bytes32 role, address successor) external onlyRole(role) {
        if (role == DEFAULT_ADMIN_ROLE) revert AdministrationNotOffered();
        _successors[role][msg.sender] = successor;
        emit RoleOffered(role, msg.sender, successor);
    }

    /// @inheritdoc IRoles
    function acceptRole(bytes32 role, address holder) external {
        if (_successors[role][holder] != msg.sender) revert RoleNotOffered(role, holder, msg.sender);
        _checkRole(role, holder);
        _revokeRole(role, holder);
        _grantRole(role, msg.sender);
        emit RoleHandedOver(role, holder, msg.sender);
    }

    /// @inheritdoc IRoles
    function pause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _pause();
    }

    /// @inheritdoc IRoles
    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    /// @dev Whoever loses a role can no longer pass it on, not even by an offer made before.
    function _revokeRole(bytes32 role, address account) internal override returns (bool) {
        delete _successors[role][account];
        return super._revokeRole(role, account);
    }
}
