"""A registry's contracts as one account reaches them: deployed or found, called, sent to and heard."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from eth_abi import encode
from eth_account.signers.local import LocalAccount
from eth_utils import is_address, to_checksum_address

from synthlib.chain.accounts import demo_account, load_account
from synthlib.chain.connection import Connection, Sent
from synthlib.chain.contracts import (
    PARTS,
    REGISTRY,
    expected_code,
    find_addresses,
    find_functions,
    load_artifact,
    load_errors,
)
from synthlib.chain.errors import NoAccount, NoRegistry
from synthlib.chain.events import Event, Events
from synthlib.chain.journal import Journal

ADMIN_DELAY = 86_400  # seconds between the two steps of handing over a registry's administration
_GAS = 1_000_000  # limit of a call on the in-process chain; a node is asked for an estimate
_DEPLOYMENT_GAS = 8_000_000
_log = logging.getLogger(__name__)


class Registry:
    """A registry and what belongs to it on one chain, and the account that acts on it.

    It knows nothing of what the contracts are for: `Ledger` is one that knows releases.

    Attributes:
        connection: the chain.
        address: the registry's address.
        account: who signs, or None to read only.
        journal: the in-process chain's Journal, None on a node.
        is_new: whether this object deployed the registry.
    """

    def __init__(
        self,
        connection: Connection,
        address: str | None,
        account: LocalAccount | None,
        journal: Journal | None = None,
    ):
        self.connection, self.account, self.journal = connection, account, journal
        self.is_new = address is None
        if address is not None and not is_address(address):
            raise NoRegistry(
                "expected a registry's address, 0x and 40 hexadecimal digits, got something else"
            )
        deployment = self._deploy() if address is None else None
        self.address = to_checksum_address(address) if deployment is None else deployment["contract"]
        self.addresses = find_addresses(self.address)
        self._contracts: dict[tuple[str, str], Any] = {}
        self._events = Events(connection, self.addresses)
        self._gas: dict[str, int] = {}
        self._check_code()
        if deployment is not None:
            self.hear(deployment)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address} on {self.connection.place})"

    @classmethod
    def in_process(
        cls, journal: Path | str | None = None, account: LocalAccount | None = None, keep: bool = True
    ) -> Self:
        """A ledger on a chain in this process, which lives on in its journal.

        Args:
            journal: file to replay if it exists and to keep up to date; None keeps the journal in memory.
            account: who signs; the demo issuer, whose key everybody knows, if None.
            keep: whether the file is kept up to date; if not, it is read only.

        Raises:
            JournalError: if the journal is not what was written; each wrong line is named.
        """
        account = account or demo_account()
        connection = Connection.in_process()
        if journal is None or not Path(journal).exists():
            return cls(connection, None, account, Journal.start(journal, connection))
        opened = Journal.open(journal)
        opened.path = opened.path if keep else None
        receipts: list[dict[str, Any]] = []
        opened.replay(connection, load_artifact()["bytecode"], receipts.append)
        ledger = cls(connection, receipts[0]["contract"] if receipts else None, account, opened)
        for receipt in receipts:
            ledger.hear(receipt)
        return ledger

    @classmethod
    def connect(
        cls,
        rpc_url: str,
        registry_address: str | None = None,
        account: LocalAccount | None = None,
        chain_id: int | None = None,
        timeout: float = 120.0,
        **options: Any,
    ) -> Self:
        """A ledger on a node.

        Args:
            rpc_url: the node's JSON-RPC URL.
            registry_address: the registry; None deploys a new one, says so in the log and makes the account
                its administrator, first steward and first researcher.
            account: who signs; what `load_account` finds if None, and reading only if it finds nothing.
            chain_id: the chain it must be, or None for any.
            timeout: seconds to wait for a block to hold a transaction.
            options: confirmations, patience and outbox, as in `Connection.by_url`.

        Raises:
            NodeUnreachable, WrongChain: if the chain is not there.
            NoRegistry: if the code at the address is not the registry's.
            NoAccount: if a registry is to be deployed and nobody can sign.
        """
        account = account or load_account()
        connection = Connection.by_url(rpc_url, chain_id, timeout, **options)
        if registry_address is not None:
            return cls(connection, registry_address, account)
        ledger = cls(connection, None, account)
        _log.warning(
            "deployed a new registry at %s on chain %d (%s): give this address from now on",
            ledger.address,
            connection.chain_id,
            connection.place,
        )
        return ledger

    @property
    def sender(self) -> str:
        """Address of the account that acts.

        Raises:
            NoAccount: if this ledger only reads.
        """
        if self.account is None:
            raise NoAccount("expected an account to act as, found none; take a Ledger that acts as one")
        return self.account.address

    def acting_as(self, account: LocalAccount | None) -> Self:
        """The same ledger with another account signing."""
        other = copy.copy(self)
        other.account = account
        return other

    def call(self, name: str, *arguments: Any, contract: str = REGISTRY) -> Any:
        """What a contract's function returns if this account called it now; nothing is sent.

        Raises:
            ContractError: the custom error it reverts with.
        """
        function = self._contract_with(name, contract).functions[name](*arguments)
        return self.connection.call(function, self.account.address if self.account else None)

    def send(self, name: str, *arguments: Any, contract: str = REGISTRY) -> list[Event]:
        """Call a contract's function in a transaction of this account.

        Args:
            name: the function.
            arguments: as its ABI wants them.
            contract: whose function it is.

        Returns:
            The events it led to.

        Raises:
            ContractError: the custom error that the contract refuses it with; nothing was sent then.
            NoAccount, TransactionRejected, TransactionTimeout: as `Connection.send`.
        """
        data = self._contract_with(name, contract).encode_abi(name, arguments)
        sent = self.connection.send(self.account, data, self.addresses[contract], _GAS, load_errors())
        said = self.hear(sent.receipt)
        self._keep(sent)
        return said

    def find_events(self, name: str | None = None, contract: str = REGISTRY, **arguments: Any) -> list[Event]:
        """Events of one kind, or all, oldest first; `arguments` select by indexed ones. See `Events.find`."""
        return self._events.find(contract, name, **arguments)

    def _contract_with(self, name: str, contract: str) -> Any:
        """A contract as web3 has it, with one function: making it with all takes thirty times as long."""
        if (contract, name) not in self._contracts:
            abi = [*find_functions(contract, name), *load_errors()]
            place = self.addresses[contract]
            self._contracts[contract, name] = self.connection.web3.eth.contract(place, abi=abi)
        return self._contracts[contract, name]

    def _deploy(self) -> dict[str, Any]:
        owner = "0x" + "00" * 20 if self.account is None else self.account.address
        data = deployment_data(owner)
        sent = self.connection.send(self.account, data, None, _DEPLOYMENT_GAS, load_errors())
        self._keep(sent)
        return sent.receipt

    def _check_code(self) -> None:
        for name in (REGISTRY, *PARTS):
            found = self.connection.get_code(self.addresses[name])
            if found != expected_code(name, self.addresses, self.connection.chain_id):
                what = f"other code ({len(found)} bytes)" if found else "no code"
                raise NoRegistry(
                    f"expected the {name} of this version at {self.addresses[name]} on "
                    f"{self.connection.place} (chain {self.connection.chain_id}), found {what}; check the "
                    "address and the chain"
                )

    def _keep(self, sent: Sent) -> None:
        if self.journal is not None:
            self.journal.append(sent)

    def hear(self, receipt: Mapping[str, Any]) -> list[Event]:
        """Keep what a receipt says: searching the in-process chain is slow. Returns its events."""
        self._gas[receipt["transaction"]] = receipt["gas_used"]
        return self._events.hear(receipt)

    def _gas_of(self, transaction: str) -> int:
        if transaction not in self._gas:
            self._gas[transaction] = self.connection.get_receipt(transaction)["gas_used"]
        return self._gas[transaction]


def deployment_data(owner: str) -> str:
    """What is sent to deploy a registry; `owner` is its administrator, first steward and first researcher."""
    arguments = encode(["uint48", "address", "address"], [ADMIN_DELAY, owner, owner])
    return load_artifact()["bytecode"] + arguments.hex()
