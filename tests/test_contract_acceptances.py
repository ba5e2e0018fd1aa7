"""A grantee's acceptance of an agreement: whose signature is taken, for what, and where; on both chains."""

import pytest
from agreement_helpers import AGREEMENT, KEY, accept, offer, signed
from chain_helpers import account, digest
from contract_world import ADMIN, STEWARD, STRANGER, hashed, raw, refuses
from eth_abi import encode
from eth_utils import keccak
from signatures import NO_WALLET, WALLET, create, misspell

from synthlib.chain.contracts import find_addresses
from synthlib.chain.errors import InvalidSignature

pytest_plugins = ["chain_fixtures", "contract_fixtures"]


def refused_signature(world, signature, agreement=AGREEMENT, key=KEY):
    with refuses(InvalidSignature, agreement.grantee, agreement.id[2:]):
        accept(world, agreement, key, signature)


def test_the_digest_that_is_signed_is_what_python_predicts(world):
    place, chain = world.ledger.addresses["Agreements"], world.connection.chain_id
    kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    hashes = [keccak(text=kind), keccak(text="synthlib Agreements"), keccak(text="1")]
    domain = keccak(b"".join(hashes) + encode(["uint256", "address"], [chain, place]))
    words = keccak(text="Acceptance(bytes32 agreement,bytes32 encryptionKey)") + raw(AGREEMENT.id) + KEY
    expected = keccak(b"\x19\x01" + domain + keccak(words))
    assert world.call("acceptanceDigest", raw(AGREEMENT.id), KEY) == expected


def test_a_signature_for_another_chain_reverts(world):
    offer(world)
    refused_signature(world, signed(world, chain=world.connection.chain_id + 1))


@pytest.mark.parametrize("contract", ["ProvenanceRegistry", "Attestations", "another registry's"])
def test_a_signature_for_another_contract_reverts(world, contract):
    offer(world)
    other = find_addresses(account("registry").address)["Agreements"]
    refused_signature(world, signed(world, address=world.ledger.addresses.get(contract, other)))


@pytest.mark.parametrize("signer", [STEWARD, STRANGER, ADMIN])
def test_a_signature_by_another_reverts(world, signer):
    offer(world)
    refused_signature(world, signed(world, signer=signer))


def test_a_signature_for_another_key_or_agreement_reverts(world):
    offer(world)
    refused_signature(world, signed(world, key=hashed("other key")))
    other = AGREEMENT._replace(terms=digest("other terms"))
    offer(world, other)
    refused_signature(world, signed(world, other))


def test_other_spellings_of_a_signature_revert(world):
    offer(world)
    signature = signed(world)
    for spelling in misspell(signature).values():
        refused_signature(world, spelling)
    accept(world, signature=signature)


def test_a_wallet_signs_by_its_own_rule(world):
    wallet = create(world.connection, STRANGER, WALLET)
    agreement = AGREEMENT._replace(grantee=wallet)
    offer(world, agreement)
    refused_signature(world, b"\1" * 32, agreement)
    (said,) = accept(world, agreement, signature=world.call("acceptanceDigest", raw(agreement.id), KEY))
    assert said.arguments["grantee"] == wallet


def test_a_contract_that_is_no_wallet_signs_nothing(world):
    agreement = AGREEMENT._replace(grantee=create(world.connection, STRANGER, NO_WALLET))
    offer(world, agreement)
    digest_signed = world.call("acceptanceDigest", raw(agreement.id), KEY)
    refused_signature(world, digest_signed, agreement)
