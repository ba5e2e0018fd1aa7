// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRegistry} from "./IRegistry.sol";
import {IReleases} from "./IReleases.sol";

/// @title Single rows of a release, shown without the rest
contract RowProofs {
    IRegistry public immutable registry;
    constructor(IRegistry registry_) {
        registry = registry_;
    }
}
