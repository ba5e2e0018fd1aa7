"""Statements that people sign for the contracts (EIP-712): bound to one contract on one chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils import keccak

from synthlib.chain.errors import NoAccount
from synthlib.chain.registry import Ledger


def make_statement(
    ledger: Ledger, contract: str, name: str, types: Sequence[tuple[str, str]], values: Mapping[str, Any]
) -> SignableMessage:
    """What is to be signed.

    Args:
        ledger: its chain and registry; nothing is sent.
        contract: who is to take it: `"Agreements"` or `"Attestations"`.
        name: of the statement's type.
        types: pairs of a field's name and its Solidity type.
        values: by field.
    """
    domain = {
        "name": f"synthlib {contract}",
        "version": "1",
        "chainId": ledger.connection.chain_id,
        "verifyingContract": ledger.addresses[contract],
    }
    fields = {name: [{"name": field, "type": kind} for field, kind in types]}
    return encode_typed_data(domain, fields, dict(values))


def hash_statement(statement: SignableMessage) -> str:
    """The 32 bytes that a signature is over, `0x` in front."""
    return "0x" + keccak(b"\x19" + statement.version + statement.header + statement.body).hex()


def sign_statement(ledger: Ledger, statement: SignableMessage) -> str:
    """The signature of the ledger's account, 65 bytes, `0x` in front.

    Raises:
        NoAccount: if the ledger has none.
    """
    if ledger.account is None:
        raise NoAccount("expected an account to sign with, found none; take a Ledger that acts as one")
    return "0x" + ledger.account.sign_message(statement).signature.hex()
