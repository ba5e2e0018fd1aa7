// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAgreements} from "../src/IAgreements.sol";
import {IDatasets} from "../src/IDatasets.sol";
import {AgreementWorld} from "./AgreementWorld.sol";
import {CallingWallet, Wallet} from "./Wallets.sol";

/// @title Agreements: offered by the steward, signed by the grantee, in force until they expire or end
contract AgreementsTest is AgreementWorld {
    function testAnOfferIsKept(
        address grantee,
        bytes32 terms,
        bytes32 purpose,
        bytes32 requested,
        uint40 expiry
    ) public {
        VM.assume(grantee != address(0) && terms != 0 && purpose != 0);
        _registerDataset();
        IAgreements.Agreement memory agreement =
            _agreement(grantee, uint40(within(expiry, NOW, type(uint40).max)));
        (agreement.terms, agreement.purpose, agreement.request) = (terms, purpose, requested);
        bytes32 id = keccak256(abi.encode(agreement));
        VM.expectEmit(address(_agreements));
        emit IAgreements.Offered(id, DATASET, grantee, agreement);
        assertEq(_offer(agreement), id);
        _check(
            id,
            IAgreements.AgreementStatus(
                IAgreements.AgreementState.Offered, agreement.expiry, 0, 0, 0, bytes13(bytes20(STEWARD))
            )
        );
        VM.expectRevert(abi.encodeWithSelector(IAgreements.AlreadyOffered.selector, id));
        _offer(agreement);
    }

    function testAnOfferIsWhole(uint256 field) public {
        _registerDataset();
        IAgreements.Agreement memory agreement = _agreement(GRANTEE, NOW);
        field = within(field, 0, 3);
        bytes memory refusal;
        if (field == 0) {
            agreement.grantee = address(0);
            refusal = abi.encodeWithSelector(IAgreements.ZeroAddress.selector, "grantee");
        } else if (field == 1) {
            agreement.terms = 0;
            refusal = abi.encodeWithSelector(IAgreements.ZeroDigest.selector, "terms");
        } else if (field == 2) {
            agreement.purpose = 0;
            refusal = abi.encodeWithSelector(IAgreements.ZeroDigest.selector, "purpose");
        } else {
            agreement.expiry = NOW - 1;
            refusal = abi.encodeWithSelector(IAgreements.ExpiryNotLater.selector, NOW - 1, NOW);
        }
        VM.expectRevert(refusal);
        _offer(agreement);
    }

    function testUsesAscend(uint32[] calldata uses, uint256 length) public {
        _registerDataset();
        length = within(length, 0, 18);
        uint32[] memory taken = new uint32[](length);
        bool ascends = length > 0 && length < 17;
        for (uint256 i = 0; i < length; ++i) {
            taken[i] = uint32(i * 2);
            if (i < uses.length && uses[i] % 8 == 0) taken[i] = uses[i] % 40;
            if (i > 0 && taken[i] < taken[i - 1] + 1) ascends = false;
        }
        if (!ascends) VM.expectRevert(abi.encodeWithSelector(IAgreements.InvalidUses.selector));
        VM.prank(STRANGER);
        _agreements.request(DATASET, REASON, taken);
        IAgreements.Agreement memory agreement = _agreement(GRANTEE, NOW);
        agreement.uses = taken;
        if (!ascends) VM.expectRevert(abi.encodeWithSelector(IAgreements.InvalidUses.selector));
        _offer(agreement);
    }

    function testSixteenUsesAreTakenAndNoMore() public {
        _registerDataset();
        for (uint256 length = 16; length < 18; ++length) {
            uint32[] memory uses = new uint32[](length);
            for (uint256 i = 0; i < length; ++i) uses[i] = uint32(i);
            if (length > 16) VM.expectRevert(abi.encodeWithSelector(IAgreements.InvalidUses.selector));
            _agreements.request(DATASET, REASON, uses);
        }
    }

    function testAnybodyAsks(address requester, bytes32 purpose) public {
        VM.assume(purpose != 0);
        _registerDataset();
        uint32[] memory uses = _agreement(GRANTEE, NOW).uses;
        bytes32 id = keccak256(abi.encode(DATASET, requester, purpose, uses));
        VM.expectEmit(address(_agreements));
        emit IAgreements.Requested(id, DATASET, requester, purpose, uses);
        VM.prank(requester);
        assertEq(_agreements.request(DATASET, purpose, uses), id);
        VM.expectRevert(abi.encodeWithSelector(IAgreements.ZeroDigest.selector, "purpose"));
        _agreements.request(DATASET, 0, uses);
    }

    function testDenialsAreLogged(bytes32 purpose, bytes32 object, address refused, bytes32 reason) public {
        VM.assume(reason != 0);
        _registerDataset();
        IAgreements.Agreement memory asked = _agreement(GRANTEE, NOW);
        asked.purpose = purpose;
        bytes32 id = _requestOf(asked, refused);
        VM.expectEmit(address(_agreements));
        emit IAgreements.RequestDenied(id, DATASET, STEWARD, reason);
        assertEq(_deny(asked, refused, STEWARD, reason), id);
        VM.expectEmit(address(_agreements));
        emit IAgreements.AccessDenied(DATASET, object, refused, reason);
        VM.prank(STEWARD);
        _agreements.logDenial(DATASET, object, refused, reason);
        bytes memory noReason = abi.encodeWithSelector(IAgreements.ZeroDigest.selector, "reason");
        VM.expectRevert(noReason);
        _deny(asked, refused, STEWARD, 0);
        VM.expectRevert(noReason);
        VM.prank(STEWARD);
        _agreements.logDenial(DATASET, object, refused, 0);
    }

    function testWhatWasAskedOfAnotherIsNotDenied(address other, bytes32 commitment) public {
        VM.assume(other != STEWARD && commitment != 0);
        _registerDataset();
        _grant(STEWARD_ROLE, other);
        VM.prank(other);
        bytes32 theirs = _registry.registerDataset(commitment, 0, CAP);
        IAgreements.Agreement memory asked = _agreement(GRANTEE, NOW);
        VM.prank(GRANTEE);
        bytes32 id = _agreements.request(DATASET, asked.purpose, asked.uses);
        VM.expectRevert(abi.encodeWithSelector(IAgreements.NotSteward.selector, DATASET, other));
        _deny(asked, GRANTEE, other, REASON);
        asked.dataset = theirs; // and under a dataset of their own it is another request
        assertTrue(_deny(asked, GRANTEE, other, REASON) != id, "another's request stays as it is");
    }

    function testAnAcceptanceIsSignedAndBroughtByAnybody(address bearer, bytes32 key) public {
        VM.assume(key != 0);
        IAgreements.Agreement memory agreement = _offered();
        bytes32 id = keccak256(abi.encode(agreement));
        bytes memory signature = _sign("grantee", id, key);
        VM.expectEmit(address(_agreements));
        emit IAgreements.Accepted(id, GRANTEE, key);
        VM.prank(bearer);
        _agreements.accept(agreement, key, signature);
        _check(
            id,
            IAgreements.AgreementStatus(
                IAgreements.AgreementState.Accepted, agreement.expiry, NOW, 0, 0, _fingerprint(id, key)
            )
        );
        _expectWrongState(id, IAgreements.AgreementState.Accepted);
        _agreements.accept(agreement, key, signature);
    }

    function testAnotherSignatureIsRefused(bytes32 key, bytes32 other) public {
        VM.assume(key != other && key != 0);
        IAgreements.Agreement memory agreement = _offered();
        bytes32 id = keccak256(abi.encode(agreement));
        bytes[4] memory signatures = [
            _sign("stranger", id, key), _sign("grantee", id, other), _sign("grantee", other, key), bytes("")
        ];
        for (uint256 i = 0; i < signatures.length; ++i) {
            VM.expectRevert(abi.encodeWithSelector(IAgreements.InvalidSignature.selector, GRANTEE, id));
            _agreements.accept(agreement, key, signatures[i]);
        }
        VM.expectRevert(abi.encodeWithSelector(IAgreements.ZeroDigest.selector, "encryptionKey"));
        _agreements.accept(agreement, 0, signatures[0]);
    }

    function testAnAcceptanceNeedsAnOfferAndAnActiveDataset(bool isErased) public {
        _registerDataset();
        IAgreements.Agreement memory agreement = _agreement(GRANTEE, NOW + 100);
        bytes32 id = keccak256(abi.encode(agreement));
        bytes memory signature = _sign("grantee", id, KEY);
        _expectWrongState(id, IAgreements.AgreementState.Unknown);
        _agreements.accept(agreement, KEY, signature);
        _offer(agreement);
        if (isErased) _eraseDataset();
        else _dropDataset();
        VM.expectPartialRevert(IDatasets.DatasetNotActive.selector);
        _agreements.accept(agreement, KEY, signature);
    }

    function testAnOfferThatExpiredIsNotAccepted() public {
        IAgreements.Agreement memory agreement = _offered();
        bytes32 id = keccak256(abi.encode(agreement));
        bytes memory signature = _sign("grantee", id, KEY);
        VM.warp(agreement.expiry + 1);
        _expectExpired(id, agreement.expiry, agreement.expiry + 1);
        _agreements.accept(agreement, KEY, signature);
        VM.warp(agreement.expiry);
        _agreements.accept(agreement, KEY, signature);
    }

    function testAWalletAccepts() public {
        Wallet wallet = new Wallet();
        _registerDataset();
        IAgreements.Agreement memory agreement = _agreement(address(wallet), NOW + 100);
        bytes32 id = _offer(agreement);
        VM.expectRevert(
            abi.encodeWithSelector(IAgreements.InvalidSignature.selector, address(wallet), id)
        );
        _agreements.accept(agreement, KEY, "words");
        wallet.take(_agreements.acceptanceDigest(id, KEY), "words");
        _agreements.accept(agreement, KEY, "words");
    }

    function testAWalletThatCallsBackChangesNothing() public {
        CallingWallet wallet = new CallingWallet(address(_agreements));
        _registerDataset();
        IAgreements.Agreement memory agreement = _agreement(address(wallet), NOW + 100);
        bytes32 id = _offer(agreement);
        wallet.prepare(abi.encodeCall(IAgreements.end, (agreement, REASON)));
        _agreements.accept(agreement, KEY, "");
        _check(
            id,
            IAgreements.AgreementStatus(
                IAgreements.AgreementState.Accepted, agreement.expiry, NOW, 0, 0, _fingerprint(id, KEY)
            )
        );
    }

    function testAnOfferLapsesWithTheStewardWhoMadeIt(address successor) public {
        VM.assume(successor != address(0) && bytes13(bytes20(successor)) != bytes13(bytes20(STEWARD)));
        IAgreements.Agreement memory agreement = _offered();
        bytes32 id = keccak256(abi.encode(agreement));
        bytes memory signature = _sign("grantee", id, KEY);
        _handOver(successor);
        VM.expectRevert(abi.encodeWithSelector(IAgreements.OfferLapsed.selector, id));
        _agreements.accept(agreement, KEY, signature);
        VM.expectRevert(abi.encodeWithSelector(IAgreements.AlreadyOffered.selector, id));
        VM.prank(successor);
        _agreements.offer(agreement);
        agreement.terms = "the new steward's";
        id = keccak256(abi.encode(agreement));
        VM.prank(successor);
        _agreements.offer(agreement);
        _agreements.accept(agreement, KEY, _sign("grantee", id, KEY));
    }

    function testAnOfferStandsAgainUnderTheStewardWhoMadeIt() public {
        IAgreements.Agreement memory agreement = _offered();
        _handOver(STRANGER);
        VM.prank(STRANGER);
        _registry.offerDataset(DATASET, STEWARD);
        VM.prank(STEWARD);
        _registry.acceptDataset(DATASET);
        _agreements.accept(agreement, KEY, _sign("grantee", keccak256(abi.encode(agreement)), KEY));
    }

    function testWhatIsInForceOutlivesAHandOver() public {
        IAgreements.Agreement memory agreement = _accepted();
        _handOver(STRANGER);
        VM.expectRevert(abi.encodeWithSelector(IAgreements.NotSteward.selector, DATASET, STEWARD));
        _access(agreement, STEWARD);
        _access(agreement, STRANGER);
        VM.prank(STRANGER);
        _agreements.renew(agreement, agreement.expiry + 1);
        _end(agreement, STRANGER);
    }

    function testAGranteeWhoThinksBetterOfItEndsTheOffer() public {
        IAgreements.Agreement memory agreement = _offered();
        bytes32 id = keccak256(abi.encode(agreement));
        bytes memory signature = _sign("grantee", id, KEY);
        _end(agreement, GRANTEE);
        _expectWrongState(id, IAgreements.AgreementState.Ended);
        _agreements.accept(agreement, KEY, signature);
    }

    function testAnAgreementIsProlonged(uint40 expiry, uint40 time) public {
        IAgreements.Agreement memory agreement = _accepted();
        bytes32 id = keccak256(abi.encode(agreement));
        time = uint40(within(time, NOW, NOW + 300));
        expiry = uint40(within(expiry, NOW, NOW + 300));
        VM.warp(time);
        bool isLater = expiry > agreement.expiry && time < agreement.expiry + 1;
        if (isLater) {
            VM.expectEmit(address(_agreements));
            emit IAgreements.Renewed(id, expiry);
        } else if (time > agreement.expiry) {
            _expectExpired(id, agreement.expiry, time);
        } else {
            VM.expectRevert(abi.encodeWithSelector(IAgreements.ExpiryNotLater.selector, expiry, time));
        }
        VM.prank(STEWARD);
        _agreements.renew(agreement, expiry);
        assertEq(_agreements.statusOf(id).expiry, isLater ? expiry : agreement.expiry);
    }

    function testALaterExpiryIsLaterThanBefore() public {
        IAgreements.Agreement memory agreement = _accepted();
        uint40 expiry = agreement.expiry;
        VM.expectRevert(abi.encodeWithSelector(IAgreements.ExpiryNotLater.selector, expiry, NOW));
        VM.prank(STEWARD);
        _agreements.renew(agreement, expiry);
        VM.warp(expiry);
        VM.prank(STEWARD);
        _agreements.renew(agreement, expiry + 1); // in its last second
        VM.warp(expiry + 1);
        _access(agreement, STEWARD);
    }

    function testWhatExpiredIsAgreedAnew() public {
        IAgreements.Agreement memory agreement = _accepted();
        bytes32 id = keccak256(abi.encode(agreement));
        (uint40 expiry, uint40 later) = (agreement.expiry, agreement.expiry + 100);
        VM.warp(expiry + 1);
        _expectExpired(id, expiry, expiry + 1);
        VM.prank(STEWARD);
        _agreements.renew(agreement, later);
        agreement.expiry = later;
        id = keccak256(abi.encode(agreement));
        _offer(agreement);
        _agreements.accept(agreement, KEY, _sign("grantee", id, KEY));
        _access(agreement, STEWARD);
    }

    function testOnlyWhatIsAcceptedIsProlongedOrUsed() public {
        IAgreements.Agreement memory agreement = _offered();
        bytes32 id = keccak256(abi.encode(agreement));
        for (uint256 round = 0; round < 2; ++round) {
            IAgreements.AgreementState state =
                round == 0 ? IAgreements.AgreementState.Offered : IAgreements.AgreementState.Ended;
            _expectWrongState(id, state);
            VM.prank(STEWARD);
            _agreements.renew(agreement, agreement.expiry + 1);
            _expectWrongState(id, state);
            _access(agreement, STEWARD);
            if (round == 0) _end(agreement, GRANTEE);
        }
    }

    function testBothPartiesEndAnAgreement(bool byGrantee, bool isAccepted) public {
        IAgreements.Agreement memory agreement = isAccepted ? _accepted() : _offered();
        bytes32 id = keccak256(abi.encode(agreement));
        address party = byGrantee ? GRANTEE : STEWARD;
        VM.warp(NOW + 10);
        VM.expectEmit(address(_agreements));
        emit IAgreements.Ended(id, party, REASON);
        _end(agreement, party);
        _check(
            id,
            IAgreements.AgreementStatus(
                IAgreements.AgreementState.Ended,
                agreement.expiry,
                isAccepted ? NOW : 0,
                NOW + 10,
                0,
                isAccepted ? _fingerprint(id, KEY) : bytes13(bytes20(STEWARD))
            )
        );
        _expectWrongState(id, IAgreements.AgreementState.Ended);
        _end(agreement, party);
        VM.expectRevert(abi.encodeWithSelector(IAgreements.AlreadyOffered.selector, id));
        _offer(agreement);
    }

    function testNobodyElseEndsAnAgreement(address stranger) public {
        VM.assume(stranger != GRANTEE && stranger != STEWARD);
        IAgreements.Agreement memory agreement = _accepted();
        bytes32 id = keccak256(abi.encode(agreement));
        VM.expectRevert(abi.encodeWithSelector(IAgreements.NotParty.selector, id, stranger));
        _end(agreement, stranger);
        VM.expectRevert(abi.encodeWithSelector(IAgreements.ZeroDigest.selector, "reason"));
        VM.prank(GRANTEE);
        _agreements.end(agreement, 0);
        agreement.terms = "never offered";
        _expectWrongState(keccak256(abi.encode(agreement)), IAgreements.AgreementState.Unknown);
        _end(agreement, GRANTEE);
    }
}
