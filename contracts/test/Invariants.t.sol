// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "./Vm.sol";
import {AllActs} from "./acts/AllActs.sol";

/// @title What holds after every act, whoever did it in whatever order
contract Invariants is Test {
    /// @dev As forge wants it: whom to call, and with which functions.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    uint256 private constant NUM_ROUNDS = 30;
    AllActs private _acts;
    uint256 private _seed;

    function setUp() public {
        _acts = new AllActs();
        _run(200); // so that there is something of everything, and every sequence goes on from there
    }

    /// @notice A long run, in which every act is done as well as refused: the model does not hold idly.
    function testEveryActIsDoneAndRefused() public {
        for (uint256 i = 0; i < NUM_ROUNDS; ++i) {
            _run(100);
            _check();
        }
        string[28] memory names = _names();
        for (uint256 i = 0; i < names.length; ++i) {
            assertTrue(_acts.counts(names[i], 0) != 0, string.concat(names[i], " is done"));
            assertTrue(_acts.counts(names[i], 1) != 0, string.concat(names[i], " is refused"));
        }
    }

    /// @notice Which functions forge calls in random order.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_acts), _selectors());
    }

    /// @notice Which contracts forge calls.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_acts);
    }

    function invariantTheLedgerIsAsTheModelSays() public view {
        _check();
    }

    function _run(uint256 numActs) private {
        bytes4[] memory selectors = _selectors();
        for (uint256 i = 0; i < numActs; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(++_seed)));
            bytes memory call = abi.encodeWithSelector(selectors[seed % selectors.length], seed);
            // solhint-disable-next-line avoid-low-level-calls
            (bool isDone, bytes memory reason) = address(_acts).call(call);
            assertTrue(isDone, string(reason));
        }
    }

    function _check() private view {
        _acts.checkRoles();
        _acts.checkDatasets();
        _acts.checkProtocols();
        _acts.checkReleases();
        _acts.checkAgreements();
        _acts.checkAttestations();
    }

    function _selectors() private view returns (bytes4[] memory selectors) {
        string[28] memory names = _names();
        selectors = new bytes4[](names.length + 1);
        for (uint256 i = 0; i < names.length; ++i) {
            selectors[i] = bytes4(keccak256(bytes(string.concat(names[i], "(uint256)"))));
        }
        selectors[names.length] = _acts.pass.selector;
    }

    function _names() private pure returns (string[28] memory) {
        return [
            "setRole",
            "offerRole",
            "acceptRole",
            "pause",
            "registerDataset",
            "lowerCap",
            "offerDataset",
            "acceptDataset",
            "endDataset",
            "registerProtocol",
            "revealProtocol",
            "approveProtocol",
            "closeProtocol",
            "logAttempt",
            "logAttemptBatch",
            "recordRelease",
            "recordFailedRelease",
            "withdraw",
            "offer",
            "accept",
            "renew",
            "end",
            "logAccess",
            "eraseObject",
            "note",
            "attest",
            "revokeAttestation",
            "cancelVerdict"
        ];
    }
}
