// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestations} from "../../src/IAttestations.sol";
import {AgreementActs} from "./AgreementActs.sol";

/// @title All acts: those on verdicts, and those on what comes before
contract AllActs is AgreementActs {
    bytes32[] private _ids;
    mapping(bytes32 id => IAttestations.Attestation expected) private _attestations;
    mapping(bytes32 id => address auditor) private _auditors;

    /// @notice Somebody brings a verdict, signed by its auditor or by another.
    function attest(uint256 seed) external seeded(seed) {
        (bytes32 release, address issuer) = (bytes32(1 + _draw(48)), _drawActor());
        if (_issues.length != 0 && _draw(4) != 0) {
            Issue storage issue = _issues[_draw(_issues.length)];
            (release, issuer) = (issue.generation.release, _draw(8) == 0 ? issuer : issue.issuer);
        }
        IAttestations.Verdict memory verdict = IAttestations.Verdict(
            release,
            issuer,
            IAttestations.Outcome(_draw(4)),
            _draw(8) == 0 ? bytes32(0) : bytes32("report"),
            "rubric",
            uint48(block.timestamp + _draw(60) - 12)
        );
        (address auditor, address sender) = (_drawActor(), _drawActor());
        for (uint256 i = 0; i < 3 && !_holds[AUDITOR_ROLE][auditor]; ++i) {
            auditor = _drawActor(); // else hardly any verdict is ever taken
        }
        address signer = _drawSender(auditor);
        bytes32 id = ATTESTATIONS.idOf(verdict, auditor);
        bool isAllowed = !_isPaused && _holds[AUDITOR_ROLE][auditor] && signer == auditor
            && _isStanding(release, issuer) && verdict.outcome != IAttestations.Outcome.Unsaid && verdict.report != 0
            && !(verdict.deadline < block.timestamp) && _auditors[id] == address(0);
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

    /// @notice Verdicts are as the model says.
    function checkAttestations() external view {
        for (uint256 i = 0; i < _ids.length; ++i) {
            bytes32 id = _ids[i];
            bytes32 found = keccak256(abi.encode(ATTESTATIONS.attestationOf(id)));
            assertEq(found, keccak256(abi.encode(_attestations[id])));
        }
    }
}
