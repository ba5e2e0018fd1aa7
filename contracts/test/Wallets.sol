// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title An account with code that takes one signature
contract Wallet is IERC1271 {
    bytes32 private _taken;

    /// @notice Take a signature for a digest from now on.
    function take(bytes32 digest, bytes calldata signature) external {
        _taken = keccak256(abi.encode(digest, signature));
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        bool isTaken = keccak256(abi.encode(digest, signature)) == _taken;
        return isTaken ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// @title An account with code that calls back when its signature is asked for, and takes any
contract CallingWallet {
    address private immutable CALLEE;
    bytes private _payload;

    constructor(address callee) {
        CALLEE = callee;
    }

    /// @notice Set what is called back.
    function prepare(bytes calldata payload) external {
        _payload = payload;
    }

    /// @notice Call back; if that succeeds the signature is refused, so that a test sees it.
    function isValidSignature(bytes32, bytes calldata) external returns (bytes4) {
        // solhint-disable-next-line avoid-low-level-calls
        (bool done,) = CALLEE.call(_payload);
        return done ? bytes4(0) : IERC1271.isValidSignature.selector;
    }
}
