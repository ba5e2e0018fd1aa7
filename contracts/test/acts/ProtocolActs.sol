// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDatasets} from "../../src/IDatasets.sol";
import {IProtocols} from "../../src/IProtocols.sol";
import {DatasetActs} from "./DatasetActs.sol";

/// @title Acts on protocols
abstract contract ProtocolActs is DatasetActs {
    /// @dev A protocol as the model knows it. `owner`, `digest` and `salt` make its seal.
    struct Study {
        address researcher;
        bytes32 dataset;
        address owner;
        bytes32 digest;
        bytes32 salt;
        uint256 registration;
        uint256 firstAttempt;
        uint256 spent;
        uint256 opened;
        IProtocols.Track track;
    }

    uint256 private constant MOST_STUDIES = 24;
    uint8 internal constant REVEALED = 2;
    uint8 internal constant APPROVED = 4;
    uint8 internal constant CLOSED = 8;

    Study[] internal _studies;
    mapping(bytes32 protocol => uint256 place) private _places; // from 1

    /// @notice Somebody registers a protocol, sealed or open, perhaps under a seal that they saw elsewhere.
    function registerProtocol(uint256 seed) external seeded(seed) {
        if (_studies.length == MOST_STUDIES) return;
        Study memory study = _drawStudy();
        bool isOpen = study.salt == 0 && study.owner == study.researcher && _draw(2) == 0;
        if (_draw(16) == 0) study.digest = 0;
        bytes32 protocol = _protocolOf(study);
        bool isAllowed = !_isPaused && _holds[RESEARCHER_ROLE][study.researcher] && _isActive(study.dataset)
            && _places[protocol] == 0 && (!isOpen || study.digest != 0);
        bytes memory call = isOpen
            ? abi.encodeCall(REGISTRY.registerOpenProtocol, (study.dataset, study.digest))
            : abi.encodeCall(REGISTRY.registerProtocol, (study.dataset, _sealOf(study)));
        if (!_act("registerProtocol", study.researcher, address(REGISTRY), call, isAllowed)) return;
        (study.registration, study.firstAttempt, study.spent, study.opened) = (block.number, 0, 0, 0);
        study.track = IProtocols.Track(bytes20(uint160(block.number)), 0, 0, 0, 0, isOpen ? 3 : 1, 0, 0);
        _studies.push(study);
        _places[protocol] = _studies.length;
    }

    /// @notice Somebody reveals a protocol: their own, or one that they copied.
    function revealProtocol(uint256 seed) external seeded(seed) {
        Study memory study = _drawStudy();
        address sender = _drawSender(study.researcher);
        bytes memory call =
            abi.encodeCall(REGISTRY.revealProtocol, (study.dataset, study.digest, study.salt));
        (study.owner, study.researcher) = (sender, sender);
        uint256 place = _places[_protocolOf(study)];
        bool isAllowed = place != 0 && _studies[place - 1].track.state & REVEALED == 0;
        if (!_act("revealProtocol", sender, address(REGISTRY), call, isAllowed)) return;
        _studies[place - 1].track.state |= REVEALED;
    }

    /// @notice Somebody approves a protocol, or gives it more; or says again what they said before, or less.
    function approveProtocol(uint256 seed) external seeded(seed) {
        Study memory study = _drawStudy();
        uint256 place = _places[_protocolOf(study)];
        if (place != 0) study = _studies[place - 1];
        IProtocols.Track memory track = study.track;
        IDatasets.Dataset storage dataset = _datasets[study.dataset];
        address sender = _drawSender(dataset.steward);
        (uint32 budget, uint16 openReleases) = (track.allotted, track.openAllotted);
        if (_draw(8) != 0) budget += uint32(_draw(dataset.cap / 2 + 2));
        if (_draw(8) != 0) openReleases += uint16(_draw(4));
        if (_draw(8) == 0) budget = uint32(_draw(uint256(budget) + 1));
        bool isApproved = track.state & APPROVED != 0;
        bool isRaised = !isApproved || budget != track.allotted || openReleases != track.openAllotted;
        bool isAllowed = !_isPaused && _isOwner(study.dataset, sender) && _holds[STEWARD_ROLE][sender] && place != 0
            && track.state & CLOSED == 0 && (isApproved || study.registration < block.number) && isRaised
            && !(budget < track.allotted) && !(openReleases < track.openAllotted)
            && !(uint256(dataset.allotted) + budget > uint256(dataset.cap) + track.allotted);
        bytes memory call = abi.encodeCall(
            REGISTRY.approveProtocol, (study.researcher, study.dataset, _sealOf(study), budget, openReleases)
        );
        if (!_act("approveProtocol", sender, address(REGISTRY), call, isAllowed)) return;
        _allot(place, budget, openReleases);
    }

    /// @notice Somebody closes a protocol. Seldom, so that some run.
    function closeProtocol(uint256 seed) external seeded(seed) {
        Study memory study = _drawStudy();
        address steward = _datasets[study.dataset].steward;
        address right = _draw(2) == 0 ? study.researcher : steward;
        address sender = _draw(16) == 0 ? _drawSender(right) : actor(_draw(2) * 5);
        uint256 place = _places[_protocolOf(study)];
        bool isAllowed = place != 0 && (sender == study.researcher || sender == steward)
            && _studies[place - 1].track.state & CLOSED == 0;
        bytes memory call =
            abi.encodeCall(REGISTRY.closeProtocol, (study.researcher, study.dataset, _sealOf(study)));
        if (!_act("closeProtocol", sender, address(REGISTRY), call, isAllowed)) return;
        IProtocols.Track storage track = _studies[place - 1].track;
        _datasets[study.dataset].allotted -= track.budget;
        track.allotted -= track.budget;
        track.openAllotted -= track.openReleases;
        (track.state, track.budget, track.openReleases) = (track.state | CLOSED, 0, 0);
    }

    /// @notice Somebody logs an attempt.
    function logAttempt(uint256 seed) external seeded(seed) {
        (uint256 place, bytes32 protocol, address sender, uint24 number) = _drawAttempt();
        bytes32 digest = _drawDigest();
        bool isAllowed = _isNext(place, sender, number) && digest != 0;
        bytes memory call = abi.encodeCall(REGISTRY.logAttempt, (protocol, number, digest));
        if (_act("logAttempt", sender, address(REGISTRY), call, isAllowed)) _extend(place, 1, digest);
    }

    /// @notice Somebody logs several attempts.
    function logAttemptBatch(uint256 seed) external seeded(seed) {
        (uint256 place, bytes32 protocol, address sender, uint24 first) = _drawAttempt();
        (uint24 count, bytes32 root) = (uint24(_draw(1000)), _drawDigest());
        if (_draw(8) == 0) count = type(uint24).max;
        if (_draw(8) == 0) count = uint24(_draw(2));
        bool isAllowed = _isNext(place, sender, first) && root != 0 && count > 1
            && uint256(first) + count < uint256(type(uint24).max) + 2;
        bytes memory call = abi.encodeCall(REGISTRY.logAttemptBatch, (protocol, first, count, root));
        if (!_act("logAttemptBatch", sender, address(REGISTRY), call, isAllowed)) return;
        _extend(place, count, keccak256(abi.encode(root, uint256(count))));
    }

    /// @notice Protocols are as the model says, registered before their attempts; what they have left and what
    ///         they spent is what their datasets have allotted.
    function checkProtocols() external view {
        uint256[NUM_DATASETS] memory sums;
        for (uint256 i = 0; i < _studies.length; ++i) {
            Study storage study = _studies[i];
            IProtocols.Track memory found = REGISTRY.trackOf(_protocolOf(study), study.researcher);
            assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(study.track)));
            assertEq(uint256(found.allotted) - found.budget, study.spent);
            assertEq(uint256(found.openAllotted) - found.openReleases, study.opened);
            assertTrue(
                found.attempts == 0 || study.registration < study.firstAttempt, "registered before any attempt"
            );
            for (uint256 j = 0; j < NUM_DATASETS; ++j) {
                if (study.dataset == _datasetAt(j)) sums[j] += found.allotted;
            }
        }
        for (uint256 j = 0; j < NUM_DATASETS; ++j) {
            assertEq(REGISTRY.datasetOf(_datasetAt(j)).allotted, sums[j]);
        }
    }

    /// @dev Mostly a study that there is, else one that there may be.
    function _drawStudy() internal returns (Study memory study) {
        if (_studies.length != 0 && _draw(4) != 0) return _studies[_draw(_studies.length)];
        (study.researcher, study.dataset) = (actor(1 + _draw(3)), _drawDataset());
        study.owner = _draw(4) == 0 ? _drawActor() : study.researcher;
        study.digest = bytes32(1 + _draw(2));
        if (_draw(2) == 0) study.salt = "salt";
    }

    function _isRunning(Study memory study) internal pure returns (bool) {
        return study.track.state & (APPROVED | CLOSED) == APPROVED;
    }

    function _protocolOf(Study memory study) internal pure returns (bytes32) {
        return keccak256(abi.encode(study.researcher, study.dataset, _sealOf(study)));
    }

    function _drawAttempt()
        private
        returns (uint256 place, bytes32 protocol, address sender, uint24 number)
    {
        Study memory study = _drawStudy();
        protocol = _protocolOf(study);
        place = _places[protocol];
        sender = _drawSender(study.researcher);
        number = uint24(uint256(study.track.attempts) + 1); // 0 after the last number of all
        if (_draw(4) == 0) number = uint24(_draw(2 * uint256(number) + 1));
    }

    function _allot(uint256 place, uint32 budget, uint16 openReleases) private {
        Study storage study = _studies[place - 1];
        IProtocols.Track storage track = study.track;
        if (track.state & APPROVED == 0) {
            bytes32 protocol = _protocolOf(study);
            track.head = bytes20(keccak256(abi.encode(protocol, study.registration)));
            track.state |= APPROVED;
        }
        _datasets[study.dataset].allotted += budget - track.allotted;
        track.budget += budget - track.allotted;
        track.openReleases += openReleases - track.openAllotted;
        (track.allotted, track.openAllotted) = (budget, openReleases);
    }

    function _extend(uint256 place, uint24 count, bytes32 link) private {
        Study storage study = _studies[place - 1];
        if (study.track.attempts == 0) study.firstAttempt = block.number;
        study.track.attempts += count;
        study.track.head = bytes20(keccak256(abi.encode(study.track.head, link)));
    }

    function _isNext(uint256 place, address sender, uint24 number) private view returns (bool) {
        if (_isPaused || place == 0) return false;
        Study memory study = _studies[place - 1];
        return _isRunning(study) && sender == study.researcher && number == uint256(study.track.attempts) + 1;
    }

    function _sealOf(Study memory study) private pure returns (bytes32) {
        return keccak256(abi.encode(study.owner, study.digest, study.salt));
    }
}
