// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The plainest ways to put five words on a chain
/// @notice What a record costs at least: no roles, no checks, nobody can be asked anything.
struct Words {
    bytes32 first;
    bytes32 second;
    bytes32 third;
    bytes32 fourth;
    bytes32 fifth;
}

/// @notice The words are in the log alone.
contract EventAlone {
    event Recorded(Words words);

    function record(Words calldata words) external {
        emit Recorded(words);
    }
}

/// @notice The words are in the log, and one slot says that the first is known and since when.
contract SlotAndEvent {
    mapping(bytes32 word => uint256 time) private _times;

    event Recorded(Words words);

    function record(Words calldata words) external {
        _times[words.first] = block.timestamp;
        emit Recorded(words);
    }
}

/// @notice The words are in five slots, and nothing is in the log.
contract FiveSlots {
    mapping(bytes32 word => Words words) private _words;

    function record(Words calldata words) external {
        _words[words.first] = words;
    }
}
