// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {IAgreements} from "./IAgreements.sol";
import {IDatasets} from "./IDatasets.sol";
import {IRegistry} from "./IRegistry.sol";

/// @title Data-use agreements: requested, offered, signed, in force, ended
/// @notice A slot an agreement on one of the registry's datasets, and which objects were erased.
contract Agreements is IAgreements, EIP712 {
    bytes32 private constant ACCEPTANCE_TYPE =
        keccak256("Acceptance(bytes32 agreement,bytes32 encryptionKey)");
    bytes32 private constant STEWARD_ROLE = keccak256("STEWARD_ROLE");
    uint256 private constant MOST_USES = 16;

    /// @notice The registry on whose datasets is agreed.
    IRegistry public immutable registry;

    mapping(bytes32 id => AgreementStatus status) private _statuses;
    mapping(bytes32 dataset => mapping(bytes32 object => bytes32 certificate)) private _erasures;

    modifier whenNotPaused() {
        if (registry.paused()) revert Paused();
        _;
    }

    modifier onlySteward(bytes32 dataset) {
        if (registry.datasetOf(dataset).steward != msg.sender) revert NotSteward(dataset, msg.sender);
        _;
    }

    /// @dev For what lets data out: the dataset's steward, as long as it holds the role.
    modifier onlyTrusted(bytes32 dataset) {
        if (registry.datasetOf(dataset).steward != msg.sender) revert NotSteward(dataset, msg.sender);
        if (!registry.hasRole(STEWARD_ROLE, msg.sender)) {
            revert IAccessControl.AccessControlUnauthorizedAccount(msg.sender, STEWARD_ROLE);
        }
        _;
    }

    /// @param registry_ The registry on whose datasets is agreed.
    constructor(IRegistry registry_) EIP712("synthlib Agreements", "1") {
        registry = registry_;
    }

    /// @inheritdoc IAgreements
    function request(bytes32 dataset, bytes32 purpose, uint32[] calldata uses)
        external
        whenNotPaused
        returns (bytes32 id)
    {
        _requireActive(dataset);
        _checkUses(uses);
        if (purpose == 0) revert ZeroDigest("purpose");
        id = _requestOf(dataset, msg.sender, purpose, uses);
        emit Requested(id, dataset, msg.sender, purpose, uses);
    }

    /// @inheritdoc IAgreements
    function denyRequest(
        bytes32 dataset,
        address requester,
        bytes32 purpose,
        uint32[] calldata uses,
        bytes32 reason
    ) external whenNotPaused onlySteward(dataset) returns (bytes32 id) {
        if (reason == 0) revert ZeroDigest("reason");
        id = _requestOf(dataset, requester, purpose, uses);
        emit RequestDenied(id, dataset, msg.sender, reason);
    }

    /// @inheritdoc IAgreements
    function offer(Agreement calldata agreement)
        external
        whenNotPaused
        onlyTrusted(agreement.dataset)
        returns (bytes32 id)
    {
        _requireActive(agreement.dataset);
        _checkUses(agreement.uses);
        if (agreement.grantee == address(0)) revert ZeroAddress("grantee");
        if (agreement.terms == 0) revert ZeroDigest("terms");
        if (agreement.purpose == 0) revert ZeroDigest("purpose");
        if (agreement.expiry < block.timestamp) revert ExpiryNotLater(agreement.expiry, block.timestamp);
        id = _idOf(agreement);
        if (_statuses[id].state != AgreementState.Unknown) revert AlreadyOffered(id);
        _statuses[id] =
            AgreementStatus(AgreementState.Offered, agreement.expiry, 0, 0, 0, _markOf(msg.sender));
        emit Offered(id, agreement.dataset, agreement.grantee, agreement);
    }

    /// @inheritdoc IAgreements
    function accept(Agreement calldata agreement, bytes32 encryptionKey, bytes calldata signature)
        external
        whenNotPaused
    {
        address steward = _requireActive(agreement.dataset);
        bytes32 id = _idOf(agreement);
        AgreementStatus storage status = _in(id, AgreementState.Offered);
        _requireUnexpired(id, status);
        if (status.head != _markOf(steward)) revert OfferLapsed(id);
        if (encryptionKey == 0) revert ZeroDigest("encryptionKey");
        bytes32 digest = acceptanceDigest(id, encryptionKey);
        if (!SignatureChecker.isValidSignatureNowCalldata(agreement.grantee, digest, signature)) {
            revert InvalidSignature(agreement.grantee, id);
        }
        status.state = AgreementState.Accepted;
        status.acceptance = uint40(block.timestamp);
        status.head = bytes13(Hashes.efficientKeccak256(id, encryptionKey));
        emit Accepted(id, agreement.grantee, encryptionKey);
    }

    /// @inheritdoc IAgreements
    function renew(Agreement calldata agreement, uint40 expiry)
        external
        whenNotPaused
        onlyTrusted(agreement.dataset)
    {
        _requireActive(agreement.dataset);
        bytes32 id = _idOf(agreement);
        AgreementStatus storage status = _in(id, AgreementState.Accepted);
        _requireUnexpired(id, status);
        if (expiry <= status.expiry) revert ExpiryNotLater(expiry, block.timestamp);
        status.expiry = expiry;
        emit Renewed(id, expiry);
    }

    /// @inheritdoc IAgreements
    function end(Agreement calldata agreement, bytes32 reason) external {
        bytes32 id = _idOf(agreement);
        if (msg.sender != agreement.grantee && msg.sender != registry.datasetOf(agreement.dataset).steward) {
            revert NotParty(id, msg.sender);
        }
        AgreementStatus storage status = _statuses[id];
        if (status.state != AgreementState.Offered && status.state != AgreementState.Accepted) {
            revert WrongState(id, status.state);
        }
        if (reason == 0) revert ZeroDigest("reason");
        status.state = AgreementState.Ended;
        status.end = uint40(block.timestamp);
        emit Ended(id, msg.sender, reason);
    }

    /// @inheritdoc IAgreements
    function logAccess(Agreement calldata agreement, bytes32 object, uint24 number)
        external
        whenNotPaused
        onlyTrusted(agreement.dataset)
    {
        _requireActive(agreement.dataset);
        bytes32 id = _idOf(agreement);
        AgreementStatus storage status = _in(id, AgreementState.Accepted);
        _requireUnexpired(id, status);
        if (object == 0) revert ZeroDigest("object");
        if (_erasures[agreement.dataset][object] != 0) revert ObjectIsErased(object);
        uint256 expected = uint256(status.accesses) + 1;
        if (number != expected) revert AccessOutOfOrder(id, expected, number);
        status.accesses = number;
        status.head = bytes13(Hashes.efficientKeccak256(status.head, object));
        emit Accessed(id, object, agreement.grantee, number);
    }

    /// @inheritdoc IAgreements
    function logDenial(bytes32 dataset, bytes32 object, address account, bytes32 reason)
        external
        whenNotPaused
        onlySteward(dataset)
    {
        if (reason == 0) revert ZeroDigest("reason");
        emit AccessDenied(dataset, object, account, reason);
    }

    /// @inheritdoc IAgreements
    function eraseObject(bytes32 dataset, bytes32 object, bytes32 certificate) external onlySteward(dataset) {
        if (object == 0) revert ZeroDigest("object");
        if (certificate == 0) revert ZeroDigest("certificate");
        if (_erasures[dataset][object] != 0) revert ObjectIsErased(object);
        _erasures[dataset][object] = certificate;
        emit ObjectErased(dataset, object, certificate);
    }

    /// @inheritdoc IAgreements
    function statusOf(bytes32 id) external view returns (AgreementStatus memory) {
        return _statuses[id];
    }

    /// @inheritdoc IAgreements
    function objectErasureOf(bytes32 dataset, bytes32 object) external view returns (bytes32 certificate) {
        certificate = _erasures[dataset][object];
    }

    /// @inheritdoc IAgreements
    function acceptanceDigest(bytes32 id, bytes32 encryptionKey) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ACCEPTANCE_TYPE, id, encryptionKey)));
    }

    /// @dev Returns the steward of the dataset, which must be active.
    function _requireActive(bytes32 dataset) private view returns (address steward) {
        IDatasets.Dataset memory found = registry.datasetOf(dataset);
        if (found.state != IDatasets.DatasetState.Active) {
            revert IDatasets.DatasetNotActive(dataset, found.state);
        }
        steward = found.steward;
    }

    function _in(bytes32 id, AgreementState state) private view returns (AgreementStatus storage status) {
        status = _statuses[id];
        if (status.state != state) revert WrongState(id, status.state);
    }

    function _requireUnexpired(bytes32 id, AgreementStatus storage status) private view {
        if (status.expiry < block.timestamp) revert Expired(id, status.expiry, block.timestamp);
    }

    function _idOf(Agreement calldata agreement) private pure returns (bytes32) {
        return keccak256(abi.encode(agreement));
    }

    function _requestOf(bytes32 dataset, address requester, bytes32 purpose, uint32[] calldata uses)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(dataset, requester, purpose, uses));
    }

    /// @dev Who offered an agreement, in the head that accesses need only once it is accepted.
    function _markOf(address steward) private pure returns (bytes13) {
        return bytes13(bytes20(steward));
    }

    function _checkUses(uint32[] calldata uses) private pure {
        if (uses.length == 0 || uses.length > MOST_USES) revert InvalidUses();
        for (uint256 i = 1; i < uses.length; ++i) {
            if (uses[i] <= uses[i - 1]) revert InvalidUses();
        }
    }
}
