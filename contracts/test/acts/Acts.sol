// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Agreements} from "../../src/Agreements.sol";
import {Attestations} from "../../src/Attestations.sol";
import {ProvenanceRegistry} from "../../src/ProvenanceRegistry.sol";
import {Test} from "../Vm.sol";

/// @title Who acts, what is drawn at random, and who holds which role
/// @dev Each act draws a sender and arguments, right or wrong ones, and succeeds exactly when the model says so;
///      a wrong success or refusal reverts, which fails the run. The model is written from the interfaces'
///      words and reads nothing from the contracts.
abstract contract Acts is Test {
    uint256 public constant NUM_ACTORS = 6;
    bytes32 internal constant STEWARD_ROLE = keccak256("STEWARD_ROLE");
    bytes32 internal constant RESEARCHER_ROLE = keccak256("RESEARCHER_ROLE");
    bytes32 internal constant AUDITOR_ROLE = keccak256("AUDITOR_ROLE");

    ProvenanceRegistry public immutable REGISTRY;
    Agreements public immutable AGREEMENTS;
    Attestations public immutable ATTESTATIONS;

    /// @notice How often an act was done, and refused.
    mapping(string name => uint256[2] count) public counts;

    mapping(bytes32 role => mapping(address holder => bool holds)) internal _holds;
    mapping(bytes32 role => mapping(address holder => address successor)) internal _roleOffers;
    bool internal _isPaused;
    uint256 private _entropy;

    /// @dev What is drawn in an act follows from the seed and from how many acts there were.
    modifier seeded(uint256 seed) {
        _entropy = uint256(keccak256(abi.encode(_entropy, seed)));
        _;
    }

    constructor() {
        VM.warp(1_800_000_000);
        VM.roll(1000);
        REGISTRY = new ProvenanceRegistry(1 days, actor(0), address(0));
        (AGREEMENTS, ATTESTATIONS) = (REGISTRY.agreements(), REGISTRY.attestations());
        for (uint256 i = 1; i < 3; ++i) {
            _give(STEWARD_ROLE, actor(i));
            _give(RESEARCHER_ROLE, actor(i + 1));
            _give(AUDITOR_ROLE, actor(i + 3));
        }
    }

    /// @notice Blocks go by, and now and then months.
    function pass(uint256 seed) external seeded(seed) {
        uint256 blocks = _draw(4);
        VM.roll(block.number + blocks);
        VM.warp(block.timestamp + 12 * blocks + (_draw(16) == 0 ? 30 days : 0));
    }

    /// @notice Somebody grants or withdraws a role.
    function setRole(uint256 seed) external seeded(seed) {
        (bytes32 role, address holder, address sender) = (_drawRole(), _drawActor(), _drawSender(actor(0)));
        bool isGrant = _draw(4) != 0;
        bool isAllowed = sender == actor(0);
        bytes memory call = isGrant
            ? abi.encodeCall(REGISTRY.grantRole, (role, holder))
            : abi.encodeCall(REGISTRY.revokeRole, (role, holder));
        if (!_act("setRole", sender, address(REGISTRY), call, isAllowed)) return;
        _holds[role][holder] = isGrant;
        if (!isGrant) _roleOffers[role][holder] = address(0);
    }

    /// @notice Somebody offers a role.
    function offerRole(uint256 seed) external seeded(seed) {
        bytes32 role = _draw(8) == 0 ? bytes32(0) : _drawRole();
        address sender = _draw(8) == 0 ? actor(0) : _drawActor();
        address successor = _draw(8) == 0 ? address(0) : _drawActor();
        bytes memory call = abi.encodeCall(REGISTRY.offerRole, (role, successor));
        if (!_act("offerRole", sender, address(REGISTRY), call, _holds[role][sender])) return;
        _roleOffers[role][sender] = successor;
    }

    /// @notice Somebody takes a role over.
    function acceptRole(uint256 seed) external seeded(seed) {
        (bytes32 role, address holder) = (_drawRole(), _drawActor());
        address sender = _drawSender(_roleOffers[role][holder]);
        bool isAllowed = _roleOffers[role][holder] == sender && _holds[role][holder];
        bytes memory call = abi.encodeCall(REGISTRY.acceptRole, (role, holder));
        if (!_act("acceptRole", sender, address(REGISTRY), call, isAllowed)) return;
        (_holds[role][holder], _roleOffers[role][holder]) = (false, address(0));
        _holds[role][sender] = true;
    }

    /// @notice Somebody stops new records, or lets them in again: soon, so that there are some.
    function pause(uint256 seed) external seeded(seed) {
        bool isPause = _draw(8) == 0;
        address sender = _drawSender(actor(0));
        bytes memory call = isPause ? abi.encodeCall(REGISTRY.pause, ()) : abi.encodeCall(REGISTRY.unpause, ());
        bool isAllowed = sender == actor(0) && isPause != _isPaused;
        if (!_act("pause", sender, address(REGISTRY), call, isAllowed)) return;
        _isPaused = isPause;
    }

    /// @notice Roles and pause are as the model says, and the administrator is who it was.
    function checkRoles() external view {
        assertEq(REGISTRY.defaultAdmin(), actor(0));
        assertTrue(REGISTRY.paused() == _isPaused, "paused by the administrator alone");
        for (uint256 i = 0; i < NUM_ACTORS; ++i) {
            for (uint256 j = 0; j < 3; ++j) {
                bytes32 role = _roleAt(j);
                assertTrue(REGISTRY.hasRole(role, actor(i)) == _holds[role][actor(i)], "roles as granted");
            }
        }
    }

    /// @notice One of those who act; the first is the administrator, the last holds no role at first.
    function actor(uint256 index) public pure returns (address) {
        return VM.addr(_keyOf(index));
    }

    /// @dev Call a contract, and hold what came to what should come; returns whether it was done.
    function _act(string memory name, address sender, address callee, bytes memory call, bool isAllowed)
        internal
        returns (bool isDone)
    {
        VM.prank(sender);
        // solhint-disable-next-line avoid-low-level-calls
        (isDone,) = callee.call(call);
        assertTrue(isDone == isAllowed, string.concat(name, isDone ? " was done" : " was refused"));
        ++counts[name][isDone ? 0 : 1];
    }

    /// @dev A number below `limit`.
    function _draw(uint256 limit) internal returns (uint256) {
        _entropy = uint256(keccak256(abi.encode(_entropy)));
        return _entropy % limit;
    }

    function _drawActor() internal returns (address) {
        return actor(_draw(NUM_ACTORS));
    }

    /// @dev Mostly the one who may.
    function _drawSender(address right) internal returns (address) {
        return _draw(4) == 0 || right == address(0) ? _drawActor() : right;
    }

    /// @dev Mostly some digest, now and then none.
    function _drawDigest() internal returns (bytes32) {
        return _draw(16) == 0 ? bytes32(0) : bytes32(_draw(type(uint256).max));
    }

    function _drawRole() internal returns (bytes32) {
        return _roleAt(_draw(3));
    }

    function _keyOf(uint256 index) internal pure returns (uint256) {
        return index + 1001;
    }

    /// @dev The key of an account; of the first if it is nobody's.
    function _keyOf(address somebody) internal pure returns (uint256) {
        for (uint256 i = 0; i < NUM_ACTORS; ++i) {
            if (actor(i) == somebody) return _keyOf(i);
        }
        return _keyOf(uint256(0));
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _give(bytes32 role, address holder) private {
        VM.prank(actor(0));
        REGISTRY.grantRole(role, holder);
        _holds[role][holder] = true;
    }

    function _roleAt(uint256 index) private pure returns (bytes32) {
        return [STEWARD_ROLE, RESEARCHER_ROLE, AUDITOR_ROLE][index];
    }
}
