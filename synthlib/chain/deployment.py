"""A new registry on a node: what it would take, and doing it."""

from __future__ import annotations

from typing import NamedTuple

from eth_account.signers.local import LocalAccount

from synthlib.chain.connection import Connection
from synthlib.chain.contracts import created_address
from synthlib.chain.errors import NoAccount
from synthlib.chain.registry import deployment_data


class Deployment(NamedTuple):
    """What deploying a registry would take; nothing was sent.

    Attributes:
        chain_id: the chain's number.
        address: where the registry would be, if the account sends nothing else before.
        account: who would deploy it, and be its administrator, first steward and first researcher.
        gas: units, as the node estimates.
        price: of a unit, in wei, as the next block is likely to take.
        cost: gas times price, in wei.
        balance: of the account, in wei.
    """

    chain_id: int
    address: str
    account: str
    gas: int
    price: int
    cost: int
    balance: int

    @property
    def is_affordable(self) -> bool:
        """Whether the account has twice the cost: prices move between blocks."""
        return self.balance >= 2 * self.cost


def plan_deployment(connection: Connection, account: LocalAccount | None) -> Deployment:
    """Rehearse a deployment on a node, without sending anything.

    Args:
        connection: the chain.
        account: who would deploy.

    Raises:
        NoAccount: if there is nobody.
        ContractError, TransactionRejected: if the chain would not carry it out.
    """
    if account is None:
        raise NoAccount(
            "expected a key to deploy with, found none; set SYNTHLIB_PRIVATE_KEY, or SYNTHLIB_KEYFILE to the "
            "path of an encrypted keyfile"
        )
    gas, price, nonce, balance = connection.estimate(account.address, deployment_data(account.address))
    return Deployment(
        connection.chain_id,
        created_address(account.address, nonce),
        account.address,
        gas,
        price,
        gas * price,
        balance,
    )
