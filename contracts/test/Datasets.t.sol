// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDatasets} from "../src/IDatasets.sol";
import {IRoles} from "../src/IRoles.sol";
import {World} from "./World.sol";

/// @title Datasets: registered once, owned by their stewards, never given more to lose
contract DatasetsTest is World {
    function testADatasetIsRegisteredOnce(bytes32 commitment, uint16 order, uint32 cap) public {
        VM.assume(commitment != 0 && order != 1);
        bytes32 dataset = keccak256(abi.encode(STEWARD, commitment));
        VM.expectEmit(address(_registry));
        emit IDatasets.DatasetRegistered(dataset, commitment, STEWARD, order, cap);
        VM.prank(STEWARD);
        assertEq(_registry.registerDataset(commitment, order, cap), dataset);
        _check(
            dataset, IDatasets.Dataset(STEWARD, cap, 0, order, IDatasets.DatasetState.Active)
        );
        VM.expectRevert(abi.encodeWithSelector(IDatasets.DatasetAlreadyRegistered.selector, dataset));
        VM.prank(STEWARD);
        _registry.registerDataset(commitment, 0, cap);
    }

    function testWhoRegistersACommitmentFirstTakesNothing(address other, uint32 cap) public {
        VM.assume(other != STEWARD);
        _grant(STEWARD_ROLE, other);
        VM.prank(other);
        bytes32 copy = _registry.registerDataset(COMMITMENT, 2, cap);
        _registerDataset();
        assertTrue(copy != DATASET, "each has their own");
        _check(DATASET, IDatasets.Dataset(STEWARD, CAP, 0, 0, IDatasets.DatasetState.Active));
        _check(copy, IDatasets.Dataset(other, cap, 0, 2, IDatasets.DatasetState.Active));
        VM.expectRevert(abi.encodeWithSelector(IDatasets.NotSteward.selector, DATASET, other));
        VM.prank(other);
        _registry.renounceDataset(DATASET);
    }

    function testADatasetThatWasHandedOverIsNotRegisteredAgain() public {
        _grant(STEWARD_ROLE, GRANTEE);
        _registerDataset();
        VM.prank(STEWARD);
        _registry.offerDataset(DATASET, GRANTEE);
        VM.prank(GRANTEE);
        _registry.acceptDataset(DATASET);
        VM.expectRevert(abi.encodeWithSelector(IDatasets.DatasetAlreadyRegistered.selector, DATASET));
        _registerDataset();
        assertEq(_registry.datasetOf(DATASET).steward, GRANTEE);
    }

    function testRegisteringByAStrangerReverts(address stranger) public {
        VM.assume(stranger != STEWARD);
        VM.expectRevert(_unauthorized(stranger, STEWARD_ROLE));
        VM.prank(stranger);
        _registry.registerDataset(COMMITMENT, 0, CAP);
    }

    function testADatasetWithoutACommitmentReverts() public {
        VM.expectRevert(abi.encodeWithSelector(IRoles.ZeroDigest.selector, "commitment"));
        VM.prank(STEWARD);
        _registry.registerDataset(0, 0, CAP);
    }

    function testThereIsNoOrderOfOne() public {
        VM.expectRevert(abi.encodeWithSelector(IDatasets.InvalidOrder.selector, 1));
        VM.prank(STEWARD);
        _registry.registerDataset(COMMITMENT, 1, CAP);
    }

    function testACapIsOnlyLowered(uint32 cap, uint32 budget) public {
        budget = uint32(within(budget, 0, CAP));
        _runProtocol(budget, 0);
        bool isLower = cap < CAP && budget < cap + 1;
        if (isLower) {
            VM.expectEmit(address(_registry));
            emit IDatasets.CapLowered(DATASET, cap);
        } else {
            VM.expectRevert(
                abi.encodeWithSelector(IDatasets.CapNotLowered.selector, DATASET, CAP, budget, cap)
            );
        }
        VM.prank(STEWARD);
        _registry.lowerCap(DATASET, cap);
        assertEq(_registry.datasetOf(DATASET).cap, isLower ? cap : CAP);
    }

    function testACapAtWhatIsAllottedIsTaken() public {
        _runProtocol(1, 0);
        VM.expectRevert(abi.encodeWithSelector(IDatasets.CapNotLowered.selector, DATASET, CAP, 1, 0));
        VM.prank(STEWARD);
        _registry.lowerCap(DATASET, 0);
        VM.prank(STEWARD);
        _registry.lowerCap(DATASET, 1);
    }

    function testADatasetIsHandedOverInTwoSteps(address successor) public {
        VM.assume(successor != address(0) && successor != STEWARD);
        _grant(STEWARD_ROLE, successor);
        _registerDataset();
        VM.expectEmit(address(_registry));
        emit IDatasets.DatasetOffered(DATASET, STEWARD, successor);
        VM.prank(STEWARD);
        _registry.offerDataset(DATASET, successor);
        assertEq(_registry.datasetOf(DATASET).steward, STEWARD);
        VM.expectEmit(address(_registry));
        emit IDatasets.DatasetHandedOver(DATASET, STEWARD, successor);
        VM.prank(successor);
        _registry.acceptDataset(DATASET);
        assertEq(_registry.datasetOf(DATASET).steward, successor);
        VM.expectRevert(abi.encodeWithSelector(IDatasets.NotSteward.selector, DATASET, STEWARD));
        VM.prank(STEWARD);
        _registry.lowerCap(DATASET, 0);
        VM.expectRevert(abi.encodeWithSelector(IDatasets.DatasetNotOffered.selector, DATASET, successor));
        VM.prank(successor);
        _registry.acceptDataset(DATASET);
    }

    function testADatasetIsTakenOverByAStewardOnly() public {
        _registerDataset();
        VM.prank(STEWARD);
        _registry.offerDataset(DATASET, STRANGER);
        VM.expectRevert(_unauthorized(STRANGER, STEWARD_ROLE));
        VM.prank(STRANGER);
        _registry.acceptDataset(DATASET);
    }

    function testAnOfferThatWasWithdrawnIsNotTaken() public {
        _grant(STEWARD_ROLE, GRANTEE);
        _registerDataset();
        VM.prank(STEWARD);
        _registry.offerDataset(DATASET, GRANTEE);
        VM.prank(STEWARD);
        _registry.offerDataset(DATASET, address(0));
        VM.expectRevert(abi.encodeWithSelector(IDatasets.DatasetNotOffered.selector, DATASET, GRANTEE));
        VM.prank(GRANTEE);
        _registry.acceptDataset(DATASET);
    }

    function testAnOfferDoesNotOutliveTheDataset(bool isErased) public {
        _grant(STEWARD_ROLE, GRANTEE);
        _registerDataset();
        VM.prank(STEWARD);
        _registry.offerDataset(DATASET, GRANTEE);
        if (isErased) _eraseDataset();
        else _dropDataset();
        VM.expectRevert(_notActive(isErased));
        VM.prank(GRANTEE);
        _registry.acceptDataset(DATASET);
    }

    function testNothingIsDoneWithADatasetThatIsGone(bool isErased) public {
        bytes32 protocol = _runStudy();
        assertEq(_registry.erasureOf(DATASET), 0);
        if (isErased) {
            VM.expectEmit(address(_registry));
            emit IDatasets.DatasetErased(DATASET, STEWARD, REASON);
            _eraseDataset();
        } else {
            VM.expectEmit(address(_registry));
            emit IDatasets.DatasetRenounced(DATASET, STEWARD);
            _dropDataset();
        }
        assertEq(_registry.erasureOf(DATASET), isErased ? REASON : bytes32(0));
        bytes memory notActive = _notActive(isErased);
        VM.expectRevert(notActive);
        VM.prank(STEWARD);
        _registry.lowerCap(DATASET, 0);
        VM.expectRevert(notActive);
        VM.prank(STEWARD);
        _registry.offerDataset(DATASET, GRANTEE);
        VM.expectRevert(notActive);
        _dropDataset();
        VM.expectRevert(notActive);
        VM.prank(RESEARCHER);
        _registry.registerOpenProtocol(DATASET, SALT);
        VM.expectRevert(notActive);
        VM.prank(STEWARD);
        _registry.approveProtocol(RESEARCHER, DATASET, _sealOf(RESEARCHER, DIGEST, 0), 1, 0);
        VM.expectRevert(abi.encodeWithSelector(IDatasets.DatasetAlreadyRegistered.selector, DATASET));
        _registerDataset();
        _attempt(protocol, 2); // a protocol that was approved goes on, until it is closed
        VM.prank(RESEARCHER);
        _registry.closeProtocol(RESEARCHER, DATASET, _sealOf(RESEARCHER, DIGEST, 0));
        IDatasets.DatasetState state =
            isErased ? IDatasets.DatasetState.Erased : IDatasets.DatasetState.Renounced;
        _check(DATASET, IDatasets.Dataset(STEWARD, CAP, 0, 0, state));
    }

    function testWhatWasRenouncedIsStillErasedAndOnce() public {
        _registerDataset();
        _dropDataset();
        VM.expectRevert(abi.encodeWithSelector(IDatasets.NotSteward.selector, DATASET, STRANGER));
        VM.prank(STRANGER);
        _registry.eraseDataset(DATASET, REASON);
        VM.expectEmit(address(_registry));
        emit IDatasets.DatasetErased(DATASET, STEWARD, REASON);
        _eraseDataset();
        assertEq(_registry.erasureOf(DATASET), REASON);
        _check(DATASET, IDatasets.Dataset(STEWARD, CAP, 0, 0, IDatasets.DatasetState.Erased));
        VM.expectRevert(_notActive(true));
        _eraseDataset();
        VM.expectRevert(
            abi.encodeWithSelector(
                IDatasets.DatasetNotActive.selector, SALT, IDatasets.DatasetState.Unknown
            )
        );
        VM.prank(STEWARD);
        _registry.eraseDataset(SALT, REASON);
    }

    function testApprovalsOutliveAHandOverUntilTheNextStewardClosesThem(address successor) public {
        VM.assume(successor != address(0) && successor != STEWARD);
        bytes32 protocol = _runProtocol(CAP / 2, 10);
        _grant(STEWARD_ROLE, successor);
        VM.prank(STEWARD);
        _registry.offerDataset(DATASET, successor);
        VM.prank(successor);
        _registry.acceptDataset(DATASET);
        _attempt(protocol, 1);
        _record(_generation("release", protocol));
        bytes32 seal = _sealOf(RESEARCHER, DIGEST, 0);
        VM.prank(successor);
        _registry.closeProtocol(RESEARCHER, DATASET, seal);
        assertEq(_registry.datasetOf(DATASET).allotted, 0);
    }

    function testErasureNeedsACertificate() public {
        _registerDataset();
        VM.expectRevert(abi.encodeWithSelector(IRoles.ZeroDigest.selector, "certificate"));
        VM.prank(STEWARD);
        _registry.eraseDataset(DATASET, 0);
    }

    function testOnlyItsStewardChangesADataset(address stranger) public {
        VM.assume(stranger != STEWARD);
        _grant(STEWARD_ROLE, stranger); // steward of others, not of this one
        bytes32 seal = _sealOf(RESEARCHER, DIGEST, 0);
        _registerProtocol();
        bytes memory notSteward = abi.encodeWithSelector(IDatasets.NotSteward.selector, DATASET, stranger);
        VM.expectRevert(notSteward);
        VM.prank(stranger);
        _registry.lowerCap(DATASET, 0);
        VM.expectRevert(notSteward);
        VM.prank(stranger);
        _registry.offerDataset(DATASET, stranger);
        VM.expectRevert(notSteward);
        VM.prank(stranger);
        _registry.renounceDataset(DATASET);
        VM.expectRevert(notSteward);
        VM.prank(stranger);
        _registry.eraseDataset(DATASET, REASON);
        VM.expectRevert(notSteward);
        VM.prank(stranger);
        _registry.approveProtocol(RESEARCHER, DATASET, seal, 0, 0);
    }

    function testAnUnknownDatasetIsAllZero(bytes32 dataset) public view {
        IDatasets.Dataset memory nothing;
        _check(dataset, nothing);
    }

    function _check(bytes32 dataset, IDatasets.Dataset memory expected) private view {
        assertEq(keccak256(abi.encode(_registry.datasetOf(dataset))), keccak256(abi.encode(expected)));
    }

    function _notActive(bool isErased) private view returns (bytes memory) {
        IDatasets.DatasetState state =
            isErased ? IDatasets.DatasetState.Erased : IDatasets.DatasetState.Renounced;
        return abi.encodeWithSelector(IDatasets.DatasetNotActive.selector, DATASET, state);
    }
}
