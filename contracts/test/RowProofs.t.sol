// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReleases} from "../src/IReleases.sol";
import {RowProof} from "../src/libraries/RowProof.sol";
import {World} from "./World.sol";

/// @title Rows beside a Merkle tree that is written as RFC 9162 defines it
contract RowProofsTest is World {
    uint256 private constant MOST_ROWS = 40;
    address private constant SHA256 = address(2);

    function testEveryRowIsShown(uint256 numRows, uint256 index, bytes calldata row) public {
        (numRows, index) = _place(numRows, index);
        bytes[] memory rows = _rows(numRows, index, row);
        IReleases.Generation memory generation = _recorded(rows);
        bytes32[] memory path = _path(rows, index, 0, numRows);
        assertTrue(_isRow(generation, rows[index], index, numRows, path), "it is there");
        bytes memory other = bytes.concat(row, "x");
        assertTrue(!_isRow(generation, other, index, numRows, path), "another row is not");
        VM.prank(RESEARCHER);
        _registry.revoke(generation.release, REASON);
        assertTrue(!_isRow(generation, rows[index], index, numRows, path), "not once withdrawn");
    }

    function testAChangedPathShowsNothing(uint256 numRows, uint256 index, uint256 level, bytes32 change)
        public
    {
        VM.assume(change != 0);
        numRows = within(numRows, 2, MOST_ROWS);
        index = within(index, 0, numRows - 1);
        bytes[] memory rows = _rows(numRows, index, "row");
        IReleases.Generation memory generation = _recorded(rows);
        bytes32[] memory path = _path(rows, index, 0, numRows);
        path[level % path.length] ^= change;
        assertTrue(!_isRow(generation, rows[index], index, numRows, path), "every sibling counts");
    }

    function testNoRowIsShownOfAnotherRelease(bytes32 content, address issuer) public {
        bytes[] memory rows = _rows(1, 0, "row");
        IReleases.Generation memory generation = _recorded(rows);
        bytes32[] memory path = new bytes32[](0);
        VM.assume(content != _contentOf(generation) && issuer != RESEARCHER);
        bytes32 release = generation.release;
        VM.assume(content != release);
        bytes32 right = _contentOf(generation);
        assertTrue(_rowProofs.isRow(release, RESEARCHER, right, rows[0], 0, 1, path), "it is there");
        assertTrue(!_rowProofs.isRow(release, RESEARCHER, content, rows[0], 0, 1, path), "nothing like it");
        assertTrue(!_rowProofs.isRow(release, issuer, right, rows[0], 0, 1, path), "of nobody else");
        assertTrue(!_rowProofs.isRow(content, RESEARCHER, right, rows[0], 0, 1, path), "not there");
    }

    function testAPathOfAnotherLengthReverts(uint256 numRows, uint256 index, uint256 length) public {
        (numRows, index) = _place(numRows, index);
        uint256 right = _path(_rows(numRows, index, ""), index, 0, numRows).length;
        length = within(length, 0, right + 3);
        VM.assume(length != right);
        bytes4 selector = length < right ? RowProof.PathTooShort.selector : RowProof.PathTooLong.selector;
        VM.expectRevert(abi.encodeWithSelector(selector, length));
        _rowProofs.isRow(0, RESEARCHER, 0, "", index, numRows, new bytes32[](length));
    }

    function testAPlaceOutsideTheTableReverts(uint256 index, uint256 numRows) public {
        if (index < numRows) (index, numRows) = (numRows, index);
        VM.expectRevert(abi.encodeWithSelector(RowProof.IndexOutOfRange.selector, index, numRows));
        _rowProofs.isRow(0, RESEARCHER, 0, "", index, numRows, new bytes32[](0));
    }

    function testHashingThatFailsShowsNothing(bytes32 answer) public {
        bytes[] memory rows = _rows(2, 1, "row");
        IReleases.Generation memory generation = _recorded(rows);
        bytes32[] memory path = _path(rows, 1, 0, 2);
        VM.expectRevert(abi.encodeWithSelector(RowProof.HashFailed.selector));
        VM.mockCall(SHA256, hex"00", "");
        _isRow(generation, rows[1], 1, 2, path);
        VM.clearMockedCalls();
        VM.mockCall(SHA256, hex"01", abi.encode(answer, answer));
        VM.expectRevert(abi.encodeWithSelector(RowProof.HashFailed.selector));
        _isRow(generation, rows[1], 1, 2, path);
        VM.clearMockedCalls();
        assertTrue(_isRow(generation, rows[1], 1, 2, path), "as before");
    }

    function _recorded(bytes[] memory rows) private returns (IReleases.Generation memory generation) {
        generation = _generation("release", _runStudy());
        generation.synthetic = _root(rows, 0, rows.length);
        _record(generation);
    }

    function _isRow(
        IReleases.Generation memory generation,
        bytes memory row,
        uint256 index,
        uint256 numRows,
        bytes32[] memory path
    ) private view returns (bool) {
        bytes32 content = _contentOf(generation);
        return _rowProofs.isRow(generation.release, RESEARCHER, content, row, index, numRows, path);
    }

    function _place(uint256 numRows, uint256 index) private pure returns (uint256, uint256) {
        numRows = within(numRows, 1, MOST_ROWS);
        return (numRows, within(index, 0, numRows - 1));
    }

    function _rows(uint256 numRows, uint256 index, bytes memory row) private pure returns (bytes[] memory rows) {
        rows = new bytes[](numRows);
        for (uint256 i = 0; i < numRows; ++i) rows[i] = i == index ? row : abi.encode(i);
    }

    /// @dev MTH(D_n) of RFC 9162, section 2.1.1, for the rows from `first` to before `last`.
    function _root(bytes[] memory rows, uint256 first, uint256 last) private pure returns (bytes32) {
        if (last - first == 1) return sha256(abi.encodePacked(hex"00", rows[first]));
        uint256 middle = first + _split(last - first);
        return sha256(abi.encodePacked(hex"01", _root(rows, first, middle), _root(rows, middle, last)));
    }

    /// @dev PATH(m, D_n) of RFC 9162, section 2.1.3.1.
    function _path(bytes[] memory rows, uint256 index, uint256 first, uint256 last)
        private
        pure
        returns (bytes32[] memory path)
    {
        if (last - first == 1) return new bytes32[](0);
        uint256 middle = first + _split(last - first);
        bool isLeft = index < middle;
        bytes32[] memory lower =
            isLeft ? _path(rows, index, first, middle) : _path(rows, index, middle, last);
        path = new bytes32[](lower.length + 1);
        for (uint256 i = 0; i < lower.length; ++i) path[i] = lower[i];
        path[lower.length] = isLeft ? _root(rows, middle, last) : _root(rows, first, middle);
    }

    /// @dev The largest power of two below `size`.
    function _split(uint256 size) private pure returns (uint256 power) {
        power = 1;
        while (2 * power < size) power *= 2;
    }
}
