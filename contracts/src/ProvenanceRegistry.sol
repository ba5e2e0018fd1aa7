// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessControlDefaultAdminRules} from
    "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {Agreements} from "./Agreements.sol";
import {Attestations} from "./Attestations.sol";
import {IRegistry} from "./IRegistry.sol";
import {Releases} from "./Releases.sol";
import {RowProofs} from "./RowProofs.sol";

/// @title Registry of datasets, protocols, attempts and releases
/// @notice One address to give: what goes with it is created by it, and found through it.
/// @dev Roles, Datasets, Protocols and Releases are one contract because a release has to look at all of them, and
///      a call to another contract costs more than the look. There is no proxy: the code never changes.
contract ProvenanceRegistry is Releases {
    /// @notice The data-use agreements on this registry's datasets.
    Agreements public immutable agreements;

    /// @notice The verdicts on this registry's releases.
    Attestations public immutable attestations;

    /// @notice Checks single rows of this registry's releases.
    RowProofs public immutable rowProofs;

    /// @param adminDelay Seconds between the two steps of handing over the administration.
    /// @param admin Who grants and withdraws the other roles, and pauses.
    /// @param founder The first steward and researcher; nobody if zero.
    constructor(uint48 adminDelay, address admin, address founder)
        AccessControlDefaultAdminRules(adminDelay, admin)
    {
        if (founder != address(0)) {
            _grantRole(STEWARD_ROLE, founder);
            _grantRole(RESEARCHER_ROLE, founder);
        }
        IRegistry self = IRegistry(address(this));
        agreements = new Agreements(self);
        attestations = new Attestations(self);
        rowProofs = new RowProofs(self);
    }
}
