// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestations} from "../../src/IAttestations.sol";
import {AgreementActs} from "./AgreementActs.sol";

/// @title All acts: those on verdicts, and those on what comes before
contract AllActs is AgreementActs {
    bytes32[] private _ids;
    mapping(bytes32 id => IAttestations.Attestation expected) private _attestations;
    mapping(bytes32 id => address auditor) private _auditors;
    mapping(bytes32 id => mapping(address auditor => uint48 time)) private _cancellations;
    IAttestations.Verdict[] private _waiting;

    /// @notice Somebody brings a verdict, signed by its auditor or by another.
    function attest(uint256 seed) external seeded(seed) {
        IAttestations.Verdict memory verdict = _drawVerdict();
        (address auditor, address sender) = (_drawActor(), _drawActor());
        for (uint256 i = 0; i < 3 && !_holds[AUDITOR_ROLE][auditor]; ++i) {
            auditor = _drawActor(); // else hardly any verdict is ever taken
        }
        address signer = _drawSender(auditor);
        bytes32 id = ATTESTATIONS.idOf(verdict, auditor);
        bool isAllowed = !_isPaused && _holds[AUDITOR_ROLE][auditor] && signer == auditor
            && _isStanding(verdict.release, verdict.issuer)
            && verdict.outcome != IAttestations.Outcome.Unsaid && verdict.report != 0
            && !(verdict.deadline < block.timestamp) && _auditors[id] == address(0)
            && _cancellations[id][auditor] == 0;
        bytes memory call =
            abi.encodeCall(ATTESTATIONS.attest, (verdict, auditor, _sign(_keyOf(signer), id)));
        if (!_act("attest", sender, address(ATTESTATIONS), call, isAllowed)) return;
        _attestations[id] = IAttestations.Attestation(auditor, uint48(block.timestamp), 0, 0);
        _auditors[id] = auditor;
        _ids.push(id);
    }

    /// @notice Somebody takes a verdict back.
    function revokeAttestation(uint256 seed) external seeded(seed) {
        bytes32 id = _ids.length != 0 && _draw(8) != 0 ? _ids[_draw(_ids.length)] : bytes32("unknown");
        IAttestations.Attestation storage expected = _attestations[id];
        (address sender, bytes32 reason) = (_drawSender(_auditors[id]), _drawDigest());
        bool isAllowed = _auditors[id] == sender && expected.revocation == 0 && reason != 0;
        bytes memory call = abi.encodeCall(ATTESTATIONS.revokeAttestation, (id, reason));
        if (!_act("revokeAttestation", sender, address(ATTESTATIONS), call, isAllowed)) return;
        (expected.auditor, expected.revocation) = (address(0), uint48(block.timestamp));
        expected.reason = bytes20(reason);
    }

    /// @notice Somebody cancels a verdict: their own, another's, or one that was brought.
    function cancelVerdict(uint256 seed) external seeded(seed) {
        IAttestations.Verdict memory verdict = _drawVerdict();
        (address auditor, address sender) = (_drawActor(), _drawActor());
        if (_draw(4) != 0) sender = auditor;
        bytes32 id = ATTESTATIONS.idOf(verdict, auditor);
        if (_ids.length != 0 && _draw(4) == 0) id = _ids[_draw(_ids.length)];
        bool isAllowed = _auditors[id] == address(0) && _cancellations[id][sender] == 0;
        bytes memory call = abi.encodeCall(ATTESTATIONS.cancelVerdict, (id));
        if (!_act("cancelVerdict", sender, address(ATTESTATIONS), call, isAllowed)) return;
        _cancellations[id][sender] = uint48(block.timestamp);
        if (_waiting.length < 16) _waiting.push(verdict);
    }

    /// @notice Verdicts are as the model says.
    function checkAttestations() external view {
        for (uint256 i = 0; i < _ids.length; ++i) {
            bytes32 id = _ids[i];
            bytes32 found = keccak256(abi.encode(ATTESTATIONS.attestationOf(id)));
            assertEq(found, keccak256(abi.encode(_attestations[id])));
            assertEq(ATTESTATIONS.cancellationOf(id, _auditors[id]), 0);
        }
        for (uint256 i = 0; i < _waiting.length * NUM_ACTORS; ++i) {
            (IAttestations.Verdict memory verdict, address auditor) = (_waiting[i / NUM_ACTORS], actor(i % NUM_ACTORS));
            bytes32 id = ATTESTATIONS.idOf(verdict, auditor);
            assertEq(ATTESTATIONS.cancellationOf(id, auditor), _cancellations[id][auditor]);
        }
    }

    /// @dev Mostly a new one, else one that somebody cancelled.
    function _drawVerdict() private returns (IAttestations.Verdict memory verdict) {
        if (_waiting.length != 0 && _draw(4) == 0) return _waiting[_draw(_waiting.length)];
        (bytes32 release, address issuer) = (bytes32(1 + _draw(48)), _drawActor());
        if (_issues.length != 0 && _draw(4) != 0) {
            Issue storage issue = _issues[_draw(_issues.length)];
            (release, issuer) = (issue.generation.release, _draw(8) == 0 ? issuer : issue.issuer);
        }
        verdict = IAttestations.Verdict(
            release,
            issuer,
            IAttestations.Outcome(_draw(4)),
            _draw(8) == 0 ? bytes32(0) : bytes32("report"),
            "rubric",
            uint48(block.timestamp + _draw(600) - 12)
        );
    }
}
