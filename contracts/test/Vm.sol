// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the tests ask of forge
/// @dev The part of forge's cheat codes that is used here; forge answers at a fixed address.
interface Vm {
    /// @notice Let the next call come from an account.
    function prank(address sender) external;

    /// @notice The next call must revert with exactly these bytes.
    function expectRevert(bytes calldata data) external;

    /// @notice The next call must revert with an error of this kind.
    function expectPartialRevert(bytes4 selector) external;

    /// @notice The next call must emit the event that is emitted next in the test, from this address.
    function expectEmit(address emitter) external;

    /// @notice Set the time of the block.
    function warp(uint256 time) external;

    /// @notice Set the number of the block.
    function roll(uint256 number) external;

    /// @notice From now on calls of an address that begin with these bytes get this answer.
    function mockCall(address callee, bytes calldata data, bytes calldata answer) external;

    /// @notice Forget all such answers.
    function clearMockedCalls() external;

    /// @notice Write a word into a contract's storage.
    function store(address place, bytes32 slot, bytes32 word) external;

    /// @notice A word of a contract's storage.
    function load(address place, bytes32 slot) external view returns (bytes32 word);

    /// @notice Drop this case of a fuzz test if the condition does not hold.
    function assume(bool condition) external pure;

    /// @notice The account of a key.
    function addr(uint256 key) external pure returns (address);

    /// @notice A key's signature of a digest.
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
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

    function assertEq(bytes memory found, bytes memory expected) internal pure {
        assertEq(keccak256(found), keccak256(expected));
    }

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    /// @notice A key of its own for each name.
    function keyOf(string memory name) internal pure returns (uint256) {
        return uint256(keccak256(bytes(name))) >> 1;
    }

    /// @notice An account of its own for each name.
    function account(string memory name) internal pure returns (address) {
        return VM.addr(keyOf(name));
    }

    /// @notice The signature of the account of this name, 65 bytes.
    function signatureOf(string memory name, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(keyOf(name), digest);
        return abi.encodePacked(r, s, v);
    }

    /// @notice A number from `low` to `high`, from any number.
    function within(uint256 number, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + number % (high - low + 1);
    }
}
