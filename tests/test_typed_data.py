"""Statements that are signed: hashed by hand, bound to one contract on one chain, signed by who acts."""

import pytest
from chain_helpers import account
from eth_abi import encode
from eth_abi.exceptions import EncodingError
from eth_account import Account
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st

from synthlib.chain.errors import NoAccount
from synthlib.chain.registry import Ledger
from synthlib.chain.typed_data import hash_statement, make_statement, sign_statement

TYPES = (("thing", "bytes32"), ("count", "uint48"))
DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return Ledger.in_process(account=account("admin"))


def state(ledger, contract="Agreements", thing=b"\1" * 32, count=3, name="Probe"):
    return make_statement(ledger, contract, name, TYPES, {"thing": thing, "count": count})


@pytest.mark.parametrize("contract", ["Agreements", "Attestations"])
@given(thing=st.binary(min_size=32, max_size=32), count=st.integers(0, 2**48 - 1))
def test_a_statement_is_hashed_as_the_standard_says(ledger, contract, thing, count):
    named = [keccak(text=text) for text in (DOMAIN, f"synthlib {contract}", "1")]
    place = encode(["uint256", "address"], [ledger.connection.chain_id, ledger.addresses[contract]])
    domain = keccak(b"".join(named) + place)
    words = keccak(text="Probe(bytes32 thing,uint48 count)") + thing + count.to_bytes(32, "big")
    expected = keccak(b"\x19\x01" + domain + keccak(words))
    assert hash_statement(state(ledger, contract, thing, count)) == "0x" + expected.hex()


def test_everything_in_a_statement_changes_its_hash(ledger):
    statements = [
        state(ledger),
        state(ledger, "Attestations"),
        state(ledger, thing=b"\2" * 32),
        state(ledger, count=4),
        state(ledger, name="Other"),
    ]
    assert len({hash_statement(each) for each in statements}) == len(statements)


def test_a_signature_is_the_accounts_and_nobody_elses(ledger):
    statement = state(ledger)
    signature = sign_statement(ledger, statement)
    assert signature.startswith("0x") and len(signature) == 132
    assert Account.recover_message(statement, signature=signature) == ledger.account.address
    other = sign_statement(ledger.acting_as(account("other")), statement)
    assert Account.recover_message(statement, signature=other) == account("other").address


def test_without_an_account_nothing_is_signed(ledger):
    with pytest.raises(NoAccount, match="take a Ledger that acts as one"):
        sign_statement(ledger.acting_as(None), state(ledger))


@pytest.mark.parametrize("wrong", [{"count": 2**48}, {"count": -1}, {"thing": b"\1" * 33}])
def test_values_that_do_not_fit_their_types_are_refused(ledger, wrong):
    with pytest.raises(EncodingError):
        hash_statement(state(ledger, **wrong))
