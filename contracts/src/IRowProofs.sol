// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReleases} from "./IReleases.sol";

/// @title Single rows of a release, shown without the rest
/// @notice Whoever holds one synthetic row and its path shows to anybody, and to another contract, that it stands in a
///         recorded release. Only synthetic rows are ever hashed into such a tree: a path for a patient's row
///         would show who is in the data.
interface IRowProofs {
    /// @notice Whether a row stands in the table of a release that was recorded and not withdrawn.
    /// @param generation What was recorded of the release; `synthetic` is the root.
    /// @param issuer Who recorded it.
    /// @param data The leaf's data: names of columns, number of rows, index, salt and cells, by their encoding.
    /// @param index The row's place, from 0.
    /// @param numRows How many rows the table has.
    /// @param path Siblings from the leaf to the root, lowest first.
    function isRow(
        IReleases.Generation calldata generation,
        address issuer,
        bytes calldata data,
        uint256 index,
        uint256 numRows,
        bytes32[] calldata path
    ) external view returns (bool);
}
