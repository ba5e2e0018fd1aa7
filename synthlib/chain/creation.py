"""How a registry came to be: by its own constructor, or by other code that ended by returning the same.

The code at an address says nothing of what was put into its storage before: a role that no event tells of, a
release without a protocol. A transaction that creates a contract has its constructor in its data, and its
sender and nonce make the contract's address, which nothing else can get.
"""

from __future__ import annotations

from synthlib.chain.contracts import created_address, load_artifact
from synthlib.chain.errors import ChainError, IncompleteLog, TransactionVanished
from synthlib.chain.registry import ZERO_DIGEST, Ledger

_NUM_ARGUMENTS = 3  # words behind the code: delay, administrator, founder


def find_creation(ledger: Ledger) -> str:
    """The transaction that made a registry, by this version's constructor on an empty storage.

    Args:
        ledger: on a node. (The in-process chain's journal is replayed from the constructor on.)

    Raises:
        ChainError: if it was made by other code.
        IncompleteLog: if the node does not tell, or another contract made it, which cannot be seen.
    """
    place, address = ledger.connection.place, ledger.address
    said = ledger.find_events("RoleGranted", role=ZERO_DIGEST)  # the constructor's first words
    try:
        sender, nonce, receiver, data = ledger.connection.get_creation(said[0].transaction)
    except (IndexError, TransactionVanished):
        raise IncompleteLog(
            f"expected the transaction that made {address}, {place} gave none; ask a node that keeps them"
        ) from None
    if receiver is not None or created_address(sender, nonce) != address:
        raise IncompleteLog(
            f"expected a registry that an account made by a transaction of its own, {address} was made in "
            "another way, which cannot be checked; ask who made it to deploy one by synthlib deploy"
        )
    code = bytes.fromhex(load_artifact()["bytecode"][2:])
    if not data.startswith(code) or len(data) != len(code) + 32 * _NUM_ARGUMENTS:
        raise ChainError(
            f"expected {address} to be made by its own constructor, {said[0].transaction} made it by other "
            "code: what is in its storage was not put there by its rules; do not trust it"
        )
    return said[0].transaction
