// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Single rows of a release, shown without the rest
/// @notice Whoever holds one synthetic row and its path shows to anybody, and to another contract, that it stands in a
///         recorded release. Only synthetic rows are ever hashed into such a tree: a path for a patient's row
///         would show who is in the data.
/// @dev `index` and `numRows` are the caller's words. One path may fit several of them, so whoever relies on a place
///      or a size takes it from `data`, which holds both and which the root binds.
interface IRowProofs {
    /// @notice Whether a row stands in the table of a release that was recorded and not withdrawn. Reverts if the
    ///         path's length is not that of a path at this place in a tree of this size.
    /// @param release The release.
    /// @param issuer Who recorded it.
    /// @param content keccak256(abi.encode(generation)) of what was recorded, of a failed release
    ///        keccak256(abi.encode(generation, gate)).
    /// @param data The leaf's data: names of columns, number of rows, index, salt and cells, by their encoding.
    /// @param index The row's place, from 0.
    /// @param numRows How many rows the table has.
    /// @param path Siblings from the leaf to the root, lowest first.
    /// @return Whether it does.
    function isRow(
        bytes32 release,
        address issuer,
        bytes32 content,
        bytes calldata data,
        uint256 index,
        uint256 numRows,
        bytes32[] calldata path
    ) external view returns (bool);
}
