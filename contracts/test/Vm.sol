// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the tests ask of forge
/// @dev The part of forge's cheat codes that is used here; forge answers at a fixed address.
interface Vm {
    /// @notice Let the next call come from an account.
    function prank(address sender) external;

    /// @notice The next call must revert with exactly these bytes.
    function expectRevert(bytes calldata data) external;

    /// @notice The next call must emit the event that is emitted next in the test, from this address.
    function expectEmit(address emitter) external;

    /// @notice Set the time of the block.
    function warp(uint256 time) external;

    /// @notice Set the number of the block.
    function roll(uint256 number) external;

    /// @notice Drop this case of a fuzz test if the condition does not hold.
    function assume(bool condition) external pure;
}

/// @title What all tests share
/// @dev A test contract's functions whose names start with `test` are run, with many arguments if they take
///      some; those that start with `invariant` must hold after every call in random sequences of calls.
abstract contract Test {
    Vm internal constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @notice Two words that should be the same are not.
    error NotEqual(bytes32 found, bytes32 expected);

    /// @notice Something that should hold does not.
    error NotTrue(string what);

    function assertEq(bytes32 found, bytes32 expected) internal pure {
        if (found != expected) revert NotEqual(found, expected);
    }

    function assertEq(uint256 found, uint256 expected) internal pure {
        assertEq(bytes32(found), bytes32(expected));
    }

    function assertEq(address found, address expected) internal pure {
        assertEq(uint256(uint160(found)), uint256(uint160(expected)));
    }

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    /// @notice An account of its own for each name.
    function account(string memory name) internal pure returns (address) {
        return address(uint160(uint256(keccak256(bytes(name)))));
    }

    /// @notice A text of a given length, for what has a limit.
    function textOf(uint256 length) internal pure returns (string memory) {
        bytes memory text = new bytes(length);
        for (uint256 index = 0; index < length; ++index) text[index] = "x";
        return string(text);
    }
}
